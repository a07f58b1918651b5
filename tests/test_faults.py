"""What a reader's machine does to the lessons: one clear line, or it just works.

Where a case takes a whole run of each lesson, the runs are done two at a time, ahead of the tests
that look at what became of them.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import common
import pytest
from PIL import Image, ImageSequence
from running import LESSONS, ROOT, assert_one_line, command, read_results, run_lesson, variables

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")
every_lesson = pytest.mark.parametrize("number", sorted(LESSONS))


@pytest.fixture(scope="module")
def two_at_a_time(request):
    """Start job(number) for every lesson that a test which wants `fixture` asks about."""
    with ThreadPoolExecutor(2) as pool:

        def start(job, fixture):
            wanted = [item for item in request.session.items if fixture in item.fixturenames]
            numbers = {item.callspec.params["number"] for item in wanted}
            return {number: pool.submit(job, number) for number in sorted(numbers)}

        yield start
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Two runs of all the lessons at once into one folder: `(folder, statuses, outputs)`."""
    out = tmp_path_factory.mktemp("two runs")
    script = [sys.executable, str(ROOT / "tests" / "run_all.py"), "--smoke", "--out", str(out)]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    runs = [subprocess.Popen(script, text=True, encoding="utf-8", **streams) for _ in range(2)]
    said = [run.communicate(timeout=600)[0] for run in runs]
    return out, [run.returncode for run in runs], said


@pytest.fixture
def poisoned(tmp_path):
    """An environment in which whoever loads TensorFlow ends with another status than 2."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "tensorflow.py").write_text("raise SystemExit('TensorFlow was loaded')")
    return os.environ | {"PYTHONPATH": str(tmp_path / "poison"), "PYTHONIOENCODING": "utf-8"}


def copy_checkout(clone):
    """What a reader has after `git clone`."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.h5")
    for name in ("lessons", "data"):
        shutil.copytree(ROOT / name, clone / name, ignore=unwanted)
    shutil.copy(ROOT / "requirements.txt", clone)
    return clone


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_whole(folder):
    """Whatever has a name of its own, and not that of a draft, can be read to its end."""
    for path in folder.iterdir():
        if path.name == "results.json":
            assert json.loads(path.read_text("utf-8"))["results"]
        elif path.suffix in (".png", ".gif") and not path.name.startswith("."):
            with Image.open(path) as image:
                for frame in ImageSequence.Iterator(image):
                    frame.load()
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None


def assert_complete(out, number):
    results = read_results(out, number)
    folder = out / f"lesson{number}"
    assert results["results"] and results["figures"]
    assert {"results.json", *results["figures"]} <= set(os.listdir(folder))
    assert_whole(folder)


def under(setup, command):
    """A command that runs under limits, which `setup`, a line of Python, puts on itself first.
    Unlike `preexec_fn` this is safe beside the threads of the tests."""
    first = f"import os, sys; {setup}; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return [sys.executable, "-c", first, *command[1:]]


def no_file_beyond(size):
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"


def run(command, **kwargs):
    kwargs.setdefault("env", os.environ | {"PYTHONIOENCODING": "utf-8"})
    streams = dict(stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    streams |= {"stdout": subprocess.PIPE} if "stdout" not in kwargs else {}
    text = dict(text=True, encoding="utf-8", errors="replace", timeout=300)
    process = subprocess.run(command, **streams, **text, **kwargs)
    process.stdout = process.stdout or ""
    return process


# ------------------------------------------------------------------------- the command line

NOBODY_WRITES = ["/proc/outputs"] if os.path.exists("/proc/version") else []

# What is tried on every flag of every lesson, by what --help calls the flag's value.
BAD_VALUES = {
    "INT": ["0", "-1", "1.5", "1e3", "many", "", "4294967296"],
    "FLOAT": ["0", "-1", "nan", "inf", "-inf", "fast", ""],
    "WORD": ["sgdd", "float16", ""],
}
# And on every lesson, whatever its flags: the flags, and what the line names.
BAD_FLAGS = [
    (["--seed", "-1"], "--seed"),
    (["--seed", "1.5"], "--seed"),
    (["--seed", "4294967296"], "--seed"),
    (["--dtype", "float16"], "float16"),
    (["--smok"], "--smok"),
    (["--stepz", "5"], "--stepz"),
    (["--smoke=yes"], "--smoke"),
    (["--tensorflow"], "--tensorflow"),
    (["stray"], "stray"),
    (["--out"], "--out"),
    (["--out", "FILE"], "--out names another folder"),
    (["--out", "FILE/deeper"], "--out names another folder"),
    (["--out", "FOLDER"], "--out names another folder"),  # FOLDER/lessonNN is a file
    *[(["--out", path], "--out names another folder") for path in NOBODY_WRITES],
]


def bad_flags(number, env):
    """All that is wrong with a lesson's own flags, read from its --help; and BAD_FLAGS."""
    shown = run_lesson(number, "--help", env=env)
    assert shown.returncode == 0 and shown.stderr == ""
    flags = dict(re.findall(r"^  --([\w-]+) (\S+)", shown.stdout, re.M))
    assert len(flags) > 2, shown.stdout
    cases = list(BAD_FLAGS)
    for name, value in flags.items():
        flag, kind = f"--{name}", "WORD" if "|" in value else value
        cases.append(([flag], f"{flag}: expected"))
        cases.append(([flag[:-1], "5"], flag[:-1]))
        if name != "seed":  # takes 0
            cases += [([flag, bad], f"{flag}: ") for bad in BAD_VALUES.get(kind, [])]
    return cases


@every_lesson
def test_bad_flags_answer_in_one_line_before_tensorflow_loads(number, poisoned, tmp_path):
    for name in ("out", "FOLDER"):
        (tmp_path / name).mkdir()
    for name in ("FILE", f"FOLDER/lesson{number}", "out/precious"):
        (tmp_path / name).write_text("precious")
    before = snapshot(tmp_path)
    cases = bad_flags(number, poisoned)

    def attempt(case):
        flags = case[0] if "--out" in case[0] else ["--out", "out", *case[0]]
        return run_lesson(number, "--smoke", *flags, env=poisoned, cwd=tmp_path)

    with ThreadPoolExecutor(2) as pool:
        for (_, about), process in zip(cases, pool.map(attempt, cases)):
            assert_one_line(process, about=about)
    assert len(cases) >= 20
    assert snapshot(tmp_path) == before


def test_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('No module named tensorflow')")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = run_lesson(15, "--smoke", "--out", tmp_path, env=env)
    assert_one_line(process, about="pip install -r requirements.txt")


# -------------------------------------------------------------------------------- the data


def windows_line_ends(path):
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.fixture
def clone(tmp_path):
    return copy_checkout(tmp_path / "我的 notes (copy)")


def run_in(clone, number, *flags, **kwargs):
    script = clone / "lessons" / LESSONS[number].name
    return run([sys.executable, str(script), "--smoke", *flags], **kwargs)


# test_common.py has more kinds of damage; here the lessons that read the file pass the line on.
@pytest.mark.parametrize(
    ("number", "damage"),
    [
        ("15", lambda path: path.unlink()),
        ("17", lambda path: os.truncate(path, path.stat().st_size - 1000)),
        ("18", windows_line_ends),
    ],
)
def test_damaged_mnist(clone, number, damage):
    damage(clone / "data" / "mnist.npz")
    assert_one_line(run_in(clone, number), about="git checkout -- data/mnist.npz")
    assert not list((clone / "outputs" / f"lesson{number}").iterdir())


@pytest.mark.parametrize(
    ("animals", "damage"),
    [
        ("kittycat/03", lambda path: path.unlink()),
        ("kittycat/03", lambda path: path.write_bytes(b"")),
        ("kittycat/03", windows_line_ends),
        ("tiger/*", lambda path: path.write_bytes(b"")),
    ],
)
def test_damaged_photographs(tmp_path, monkeypatch, animals, damage):
    monkeypatch.setattr(common, "DATA", tmp_path)
    shutil.copytree(ROOT / "data" / "cat_tiger", tmp_path / "cat_tiger")
    for path in list(tmp_path.glob(f"cat_tiger/{animals}.jpg")):
        damage(path)
    with pytest.raises(common.Trouble, match="cat_tiger") as trouble:
        variables(22, "--smoke", "--out", tmp_path / "out")
    assert "\n" not in str(trouble.value)


# -------------------------------------------------------------------------------- the disk


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@every_lesson
def test_a_full_disk_behind_stdout(number, poisoned, tmp_path):
    with open("/dev/full", "w") as full:
        process = run(command(number, "--smoke", "--out", tmp_path), stdout=full, env=poisoned)
    assert_one_line(process, about="No space left")


@pytest.fixture(scope="module")
def full_disk(two_at_a_time, two_runs, tmp_path_factory):
    """Every lesson where no file may grow beyond 4 KB: the first figure has more."""

    def job(number):
        out = tmp_path_factory.mktemp(f"full disk {number}")
        shutil.copytree(two_runs[0] / f"lesson{number}", out / f"lesson{number}")
        before = snapshot(out)
        small_disk = no_file_beyond(4096)
        return run(under(small_disk, command(number, "--smoke", "--out", out))), before, out

    return two_at_a_time(job, "full_disk")


@posix
@every_lesson
def test_a_full_disk_leaves_what_was_there(number, full_disk):
    process, before, out = full_disk[number].result()
    assert_one_line(process, about="--out")
    after = snapshot(out)
    assert before and before.items() <= after.items(), "an old file is damaged"
    # Lesson 16 begins with two checkpoints that are small enough to be saved whole.
    new = {path.relative_to(out).parts[1] for path in after.keys() - before.keys()}
    assert new == ({"my_net", "tf1"} if number == "16" else set()), "a draft was left behind"


@posix
def test_a_full_disk_while_lesson_22_saves_what_it_has_learned(two_runs, tmp_path):
    """The head takes 1 MB, and the figures before it less than 0.3 MB."""
    shutil.copytree(two_runs[0] / "lesson22", tmp_path / "lesson22")
    saved = tmp_path / "lesson22" / "transfer_learn.keras"
    before = saved.read_bytes()
    names = set(os.listdir(saved.parent))
    small_disk = no_file_beyond(300_000)
    assert_one_line(
        run(under(small_disk, command(22, "--smoke", "--out", tmp_path))), about="large"
    )
    assert saved.read_bytes() == before and set(os.listdir(saved.parent)) == names


# -------------------------------------------------------------------------- the environment


# Root may write anywhere, unless it gives up the right to pass over the modes of files.
UNPRIVILEGED = "import ctypes; sys.platform == 'linux' and ctypes.CDLL(None).prctl(24, 1)"


@pytest.fixture(scope="module")
def hostile(two_at_a_time, two_runs, tmp_path_factory):
    """Every lesson on a machine where nothing is as usual, and yet nothing is wrong."""
    base = tmp_path_factory.mktemp("hostile")
    # TensorFlow traces no function of a file whose path the locale cannot spell, so this one is
    # plain ASCII; the lessons that get killed are on a path with Chinese characters.
    clone, out, elsewhere = (
        copy_checkout(base / "my notes (copy)"),
        base / "out",
        base / "elsewhere",
    )
    for path in (clone / "requirements.txt", *clone.glob("lessons/*.py")):
        windows_line_ends(path)
    elsewhere.mkdir()
    # A clock that was set back: whatever is there was written tomorrow.
    shutil.copytree(two_runs[0], out)
    tomorrow = time.time() + 86_400
    for path in out.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    for path in sorted(clone.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    clone.chmod(0o555)
    probe = f"try: open({str(clone / 'probe')!r}, 'w')\nexcept OSError: print('read-only')"
    tried = run(under(UNPRIVILEGED, [sys.executable, "-c", probe]))
    if "read-only" not in tried.stdout:
        pytest.skip(f"no folder can be made read-only here {tried.stderr}")

    unset = ("DISPLAY", "WAYLAND_DISPLAY", "LANG", "LANGUAGE", "LC_CTYPE", "MPLCONFIGDIR")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"HOME": str(clone / "no home"), "KERAS_BACKEND": "jax", "MPLBACKEND": "TkAgg"}
    env |= {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    before = snapshot(clone)

    def job(number):
        script = [sys.executable, str(clone / "lessons" / LESSONS[number].name)]
        flags = ["--smoke", "--show", "--out", f"../{out.name}"]
        return run(under(UNPRIVILEGED, [*script, *flags]), env=env, cwd=elsewhere)

    def unchanged():
        return snapshot(clone) == before and not list(elsewhere.iterdir())

    return two_at_a_time(job, "hostile"), out, unchanged


@posix
@every_lesson
def test_a_hostile_machine_where_it_just_works(number, hostile):
    """A read-only checkout with Windows line ends on a path with spaces, another working
    directory, no HOME, no UTF-8, no screen, another backend, and the clock set back."""
    jobs, out, unchanged = hostile
    process = jobs[number].result()
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout.isascii() and f"Lesson {number}: " in process.stdout
    assert_complete(out, number)
    folder = out / f"lesson{number}"
    for name in ("results.json", *read_results(out, number)["figures"]):
        assert (folder / name).stat().st_mtime < time.time() + 3600, f"{name} was not replaced"
    assert unchanged(), "a lesson writes only where --out says"


# ------------------------------------------------------------------------ kills and Ctrl-C


@pytest.fixture(scope="module")
def ctrl_c(two_at_a_time, two_runs, tmp_path_factory):
    """Every lesson, stopped by Ctrl-C when it has said its third line."""

    def job(number):
        out = tmp_path_factory.mktemp(f"ctrl-c {number}")
        shutil.copytree(two_runs[0] / f"lesson{number}", out / f"lesson{number}")
        # A shell's background job, as this test may be, hands an ignored SIGINT down.
        normal = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
        process = subprocess.Popen(
            under(normal, command(number, "--smoke", "--out", out)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
        )
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout, process.stderr = process.communicate(timeout=120)
        return process, out

    return two_at_a_time(job, "ctrl_c")


@posix
@every_lesson
def test_ctrl_c_in_the_middle(number, ctrl_c, two_runs):
    process, out = ctrl_c[number].result()
    assert_one_line(process, status=130, about="Ctrl-C")
    folder = out / f"lesson{number}"
    old = (two_runs[0] / f"lesson{number}" / "results.json").read_bytes()
    assert (folder / "results.json").read_bytes() == old
    assert_complete(out, number)
    assert not [path for path in folder.rglob(".*")], "a draft was left behind"


# Twenty kills; lesson 16 has its own in test_lesson16.py. Each is drawn as the number of changes
# that are to be seen in the folder before it, up to one per figure, and the seconds from there.
KILLED = [number for number in LESSONS if number != "16"]
DELAYS = random.Random(20)
MOMENTS = [
    (KILLED[i % len(KILLED)], DELAYS.random(), DELAYS.choice([0, 0, DELAYS.uniform(0, 0.3)]))
    for i in range(20)
]


def state(folder):
    """Name, size and time of everything in a folder that is being written to."""
    found = set()
    for entry in os.scandir(folder):
        try:
            found.add((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns))
        except FileNotFoundError:
            pass
    return found


@pytest.fixture(scope="module")
def kills(two_at_a_time, two_runs, tmp_path_factory):
    """Lessons killed at random moments, and then run to the end: `(statuses, last run, out)`."""
    clone = copy_checkout(tmp_path_factory.mktemp("kills") / "我的 notes (copy)")

    def job(number):
        out = clone / "砍" / number
        script = clone / "lessons" / LESSONS[number].name
        command = [sys.executable, str(script), "--smoke", "--out", str(out)]
        folder = out / f"lesson{number}"
        shutil.copytree(two_runs[0] / folder.name, folder)
        figures = read_results(out, number)["figures"]
        names, statuses = {"results.json", *figures}, []
        for share, delay in [moment[1:] for moment in MOMENTS if moment[0] == number]:
            changes, before = 1 + int(share * len(figures)), state(folder)
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while changes and process.poll() is None:
                time.sleep(0.004)
                now = state(folder)
                changes -= now != before
                before = now
            time.sleep(delay)
            process.kill()
            statuses.append(process.wait())
            assert names <= set(os.listdir(folder)), "a file of the run before is gone"
            assert_whole(folder)
        return statuses, run(command), out

    return two_at_a_time(job, "kills")


@posix
@pytest.mark.parametrize("number", KILLED)
def test_kills_at_random_moments_and_the_next_run_works(number, kills):
    statuses, process, out = kills[number].result()
    assert len(statuses) >= 2 and statuses.count(-signal.SIGKILL) >= len(statuses) - 1
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    assert_complete(out, number)


# ------------------------------------------------------------------------ two runs at once


def test_two_runs_of_all_lessons_at_once(two_runs):
    out, statuses, said = two_runs
    assert statuses == [0, 0], "\n".join(said)
    for number in LESSONS:
        assert_complete(out, number)
    assert not [path for path in out.rglob(".*") if path.is_file()], "a draft was left behind"


def test_checkpoints_from_before_the_clock_was_set_back(tmp_path):
    """Lesson 16 calls them by the time and keeps the five newest: its own are among them."""
    tomorrow = time.time_ns() + 86_400 * 10**9
    for rung in ("my_net", "weights", "model", "serving", "tf1"):
        for i in range(5):
            (tmp_path / "lesson16" / rung / str(tomorrow + i)).mkdir(parents=True)
    process = run_lesson(16, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    assert all(row["holds"] for row in read_results(tmp_path, 16)["results"])
