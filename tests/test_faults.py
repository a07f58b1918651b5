"""What a reader's machine does to a lesson: one clear line, or it just works."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from running import ROOT, assert_one_line, command, read_results, run_lesson

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def test_help_and_bad_flags_answer_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was loaded')")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    shown = run_lesson(15, "--help", env=env)
    assert shown.returncode == 0 and "--learning-rate" in shown.stdout and shown.stderr == ""
    assert_one_line(run_lesson(15, "--steps", "0", env=env), about="--steps")


@pytest.mark.parametrize(
    ("source", "about"),
    [("raise ImportError('No module named tensorflow')", "pip install -r requirements.txt")],
)
def test_without_tensorflow(tmp_path, source, about):
    (tmp_path / "tensorflow.py").write_text(source)
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert_one_line(run_lesson(15, "--smoke", "--out", tmp_path, env=env), about=about)


def test_out_is_a_file(tmp_path):
    (tmp_path / "file").write_text("precious")
    assert_one_line(run_lesson(15, "--smoke", "--out", tmp_path / "file"), about="--out")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs a folder nobody can write")
def test_out_is_unwritable():
    assert_one_line(run_lesson(15, "--smoke", "--out", "/proc/outputs"), about="--out")


@posix
def test_a_full_disk_leaves_the_old_files_whole(tmp_path):
    import resource

    folder = tmp_path / "lesson15"
    folder.mkdir()
    (folder / "accuracy.png").write_text("from an earlier run")

    def small_disk():  # no file may grow beyond 4 KB; the first figure has more
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = run_lesson(15, "--smoke", "--out", tmp_path, preexec_fn=small_disk)
    assert_one_line(process, about="accuracy.png")
    assert [path.name for path in folder.iterdir()] == ["accuracy.png"]
    assert (folder / "accuracy.png").read_text() == "from an earlier run"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(tmp_path):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            command(15, "--smoke", "--out", tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    process.stdout = ""
    assert_one_line(process, about="No space left")


@posix
def test_ctrl_c_in_the_middle_of_training(tmp_path):
    folder = tmp_path / "lesson15"
    folder.mkdir()
    (folder / "results.json").write_text("from an earlier run")
    process = subprocess.Popen(
        command(15, "--out", tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # A shell's background job, as this test may be, hands an ignored SIGINT down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stdout:
        if line.startswith("step   50"):
            break
    process.send_signal(signal.SIGINT)
    process.stdout, process.stderr = process.communicate(timeout=60)
    assert_one_line(process, status=130, about="Ctrl-C")
    assert (folder / "results.json").read_text() == "from an earlier run"


def test_another_backend_in_the_environment_and_no_screen(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    env |= {"KERAS_BACKEND": "jax", "MPLBACKEND": "TkAgg"}
    process = run_lesson(15, "--smoke", "--show", "--out", tmp_path, env=env)
    assert process.returncode == 0, process.stderr
    assert read_results(tmp_path, 15)["figures"]


def test_a_clone_on_a_strange_path_without_data(tmp_path):
    clone = tmp_path / "我的 notes (copy)"
    shutil.copytree(ROOT / "lessons", clone / "lessons", ignore=shutil.ignore_patterns("__py*"))
    shutil.copy(ROOT / "requirements.txt", clone)
    script = clone / "lessons" / "lesson15_cnn.py"

    def run(*flags):
        return subprocess.run(
            [sys.executable, script, "--smoke", *flags],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )

    assert_one_line(run(), about="git checkout -- data/mnist.npz")
    shutil.copytree(ROOT / "data", clone / "data")
    process = run()
    assert process.returncode == 0, process.stderr
    assert read_results(clone / "outputs", 15)["figures"]


def test_two_runs_at_once_into_one_folder(tmp_path):
    runs = [
        subprocess.Popen(command(15, "--smoke", "--out", tmp_path), stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    results = read_results(tmp_path, 15)
    assert set(os.listdir(tmp_path / "lesson15")) == {"results.json", *results["figures"]}
