"""Lesson 16: every rung gives back what was saved, in a process that never saw the original, and
no kill, full disk or damaged file costs the checkpoint before it."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from running import LESSONS, ROOT, assert_one_line, read_results, run_lesson, variables

posix = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
RUNGS = ["my_net", "weights", "model", "serving"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("lesson16")


@pytest.fixture(scope="module")
def run(out):
    return variables(16, "--out", out)


def python(script, *arguments, **kwargs):
    """Start a script in a fresh Python that can import common and running."""
    path = os.pathsep.join([str(ROOT / "lessons"), str(ROOT / "tests")])
    env = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-u", "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, **kwargs)


def newest(out, rung):
    return max((Path(out) / "lesson16" / rung).glob("[0-9]*"), key=lambda path: int(path.name))


def as_hex(values):
    return [float(value).hex() for value in values]


# ------------------------------------------------------------------------- the four rungs


def test_the_printed_lines_are_those_of_the_notes(tmp_path):
    process = run_lesson(16, "--out", tmp_path)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert "\nweight: [[1. 2. 3.]\n [3. 4. 5.]]\nbiases: [[1. 2. 3.]]\n" in process.stdout
    assert "Save to path: my_net/" in process.stdout


FRESH = """
import json, pathlib, sys
import keras, numpy as np, tensorflow as tf

places, data, epochs = json.loads(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
x, y = data["x"], data["y"]
places = {rung: pathlib.Path(place) for rung, place in places.items()}
rest = dict(batch_size=32, shuffle=False, verbose=0, initial_epoch=epochs, epochs=2 * epochs)

def as_hex(values):
    return [float(value).hex() for value in np.ravel(values)]

W = tf.Variable(tf.zeros((2, 3)))
b = tf.Variable(tf.zeros((1, 3)))
checkpoint = tf.train.Checkpoint(weight=W, biases=b)
checkpoint.read(places["my_net"] / "save_net.ckpt").assert_consumed()

net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
net.compile(keras.optimizers.Adam(0.1), loss="mse")
net.optimizer.build(net.trainable_variables)
net.load_weights(places["weights"] / "net.weights.h5")

whole = keras.saving.load_model(places["model"] / "net.keras")
serving = tf.saved_model.load(places["serving"])
print(json.dumps({
    "my_net": as_hex(W.numpy()) + as_hex(b.numpy()),
    "serving": as_hex(serving.serve(x).numpy()),
    "before": as_hex(whole(x).numpy()),
    "weights": as_hex(net.fit(x, y, **rest).history["loss"]),
    "model": as_hex(whole.fit(x, y, **rest).history["loss"]),
}))
"""


def test_each_rung_in_a_fresh_process(run, out, tmp_path):
    np.savez(tmp_path / "data.npz", x=run["data"]["x"], y=run["data"]["y"])
    places = json.dumps({rung: str(newest(out, rung)) for rung in RUNGS})
    child = python(FRESH, places, tmp_path / "data.npz", run["cfg"].epochs)
    answers = json.loads(child.communicate(timeout=120)[0].splitlines()[-1])
    assert answers["my_net"] == as_hex([1, 2, 3, 3, 4, 5, 1, 2, 3])
    assert answers["serving"] == answers["before"], "the graph says what the model says"
    assert answers["model"] == as_hex(run["never_stopped"]), "the next loss, to the last bit"
    assert answers["weights"] == as_hex(run["never_stopped"]), "the optimizer's state was in it"
    assert len(set(answers["model"])) == run["cfg"].epochs, "it does learn"


def test_everything_in_the_report_holds(run, out):
    rows = read_results(out, 16)["results"]
    assert len(rows) == 9 and all(row["holds"] is True for row in rows)
    assert run["resumed"] == run["never_stopped"] and run["lost"] == 6


@pytest.mark.parametrize("seed", [2, 3])
def test_it_holds_with_other_seeds_and_epochs(seed, tmp_path):
    variables(16, "--seed", seed, "--epochs", seed - 1, "--out", tmp_path)
    assert all(row["holds"] is True for row in read_results(tmp_path, 16)["results"])


def test_the_figure_says_what_is_in_the_files(run, out):
    import h5py
    import tensorflow as tf

    def optimizer_values(file):
        with h5py.File(file) as content:
            return len(content["optimizer/vars"]) > 2 if "optimizer" in content else False

    values, state, framework, graph = np.array(run["inside"]).T.astype(bool).tolist()
    assert values == [True] * 4
    names = [name for name, _ in tf.train.list_variables(newest(out, "my_net") / "save_net.ckpt")]
    assert len(names) == 3 and not any("optimizer" in name for name in names)
    with zipfile.ZipFile(newest(out, "model") / "net.keras") as archive:
        assert {"config.json", "model.weights.h5"} <= set(archive.namelist())
        archive.extract("model.weights.h5", out)
    served = tf.saved_model.load(newest(out, "serving"))
    assert [tuple(v.shape) for v in served.variables if v.dtype.is_floating][:2] == [(2, 3), (3,)]
    assert state[1] == optimizer_values(newest(out, "weights") / "net.weights.h5")
    assert state[2] == optimizer_values(out / "model.weights.h5")
    assert not state[0] and framework == [False, False, True, False]
    assert graph == [(newest(out, rung) / "saved_model.pb").exists() for rung in RUNGS]
    for rung, size in zip(RUNGS, run["sizes"]):
        files = [path for path in newest(out, rung).rglob("*") if path.is_file()]
        assert size == sum(path.stat().st_size for path in files), "the size of this run's files"


# --------------------------------------------------------------------- what does not fit


def test_each_misfit_is_named(run):
    assert "(root).biases" in run["errors"]["no place for biases"]
    assert "not bound to checkpointed values" in run["errors"]["a gain that was never saved"]
    assert "not bound to checkpointed values" in run["errors"]["weight called W"]
    assert "(2, 3)" in run["errors"]["weight of shape (3, 2)"]


def test_without_assert_consumed_a_wrong_name_restores_nothing_in_silence(run):
    import tensorflow as tf

    W, b = tf.Variable(tf.zeros((2, 3))), tf.Variable(tf.zeros((1, 3)))
    status = tf.train.Checkpoint(W=W, biases=b).read(run["save_path"]).expect_partial()
    assert (W.numpy() == 0).all() and (b.numpy() == [[1, 2, 3]]).all()
    with pytest.raises(AssertionError):
        status.assert_consumed()


# ---------------------------------------------------------------------- TF1's checkpoints

TF1_SAVER = """
import sys
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
W = tf.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32, name="weight")
b = tf.Variable([[1, 2, 3]], dtype=tf.float32, name="biases")
with tf.variable_scope("layer"):
    tf.get_variable("kernel", initializer=tf.fill([4, 5], 0.1))
tf.train.get_or_create_global_step()
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    print(tf.train.Saver().save(session, sys.argv[1]))
"""


@pytest.fixture(scope="module")
def tf1_file(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("tf1") / "my_net" / "save_net.ckpt"
    prefix.parent.mkdir()
    assert python(TF1_SAVER, prefix, stderr=subprocess.DEVNULL).wait(timeout=120) == 0
    return prefix


def test_a_checkpoint_of_the_tf1_saver(run, tf1_file):
    values = run["read_checkpoint"](tf1_file)
    assert values.keys() == {"weight", "biases", "layer/kernel", "global_step"}
    assert as_hex(values["weight"].ravel()) == as_hex([1, 2, 3, 3, 4, 5])
    assert (values["biases"] == [[1, 2, 3]]).all() and values["global_step"] == 0
    assert (values["layer/kernel"] == np.full((4, 5), 0.1, np.float32)).all()


def test_the_lesson_lists_a_tf1_checkpoint_on_the_command_line(tf1_file, tmp_path):
    for path in (tf1_file, f"{tf1_file}.index"):
        process = run_lesson(16, "--checkpoint", path, "--out", tmp_path)
        assert process.returncode == 0 and process.stderr == ""
        listed = "biases (1, 3)\n  global_step ()\n  layer/kernel (4, 5)\n  weight (2, 3)\n"
        assert listed in process.stdout


def cut(path, length):
    os.truncate(path, length)


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_trouble(run, tf1_file, tmp_path):
    import common

    def damaged(name, damage):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(tf1_file.parent, tmp_path / "copy")
        damage(tmp_path / "copy" / f"save_net.ckpt.{name}")
        return tmp_path / "copy" / "save_net.ckpt"

    index, data = "index", "data-00000-of-00001"
    size = {name: os.path.getsize(f"{tf1_file}.{name}") for name in (index, data)}
    damages = [(name, lambda path, n=n: cut(path, n)) for name in size for n in range(size[name])]
    damages += [(data, lambda path, n=n: flip(path, n)) for n in range(size[data])]
    damages += [(data, os.remove), (index, os.remove), (index, lambda p: p.write_bytes(b"x" * 99))]
    for name, damage in damages:
        with pytest.raises(common.Trouble, match=r"save_net\.ckpt"):
            run["read_checkpoint"](damaged(name, damage))


@pytest.mark.parametrize(
    "path",
    ["nowhere/save_net.ckpt", ".", "data/cat_tiger", "data/mnist.npz", "README.md", "/dev/null"],
)
def test_a_path_that_is_no_checkpoint_is_trouble(run, path):
    import common

    with pytest.raises(common.Trouble, match="cannot read the checkpoint"):
        run["read_checkpoint"](ROOT / path)


@pytest.mark.parametrize("path", ["nowhere/save_net.ckpt", "data", "README.md"])
def test_a_wrong_path_on_the_command_line_is_one_line(path, tmp_path):
    process = run_lesson(16, "--checkpoint", ROOT / path, "--out", tmp_path)
    assert_one_line(process, about="cannot read the checkpoint")


# ------------------------------------------------------------------ whole or not at all


def test_the_last_five_stay(run, out):
    made = [run["save"]("five", lambda draft: (draft / "x").write_text("x")) for _ in range(8)]
    assert sorted((out / "lesson16" / "five").iterdir()) == made[3:]


def test_a_write_that_fails_leaves_nothing_behind(run, out):
    import common

    def disk_full(draft):
        (draft / "half").write_text("half")
        raise OSError(28, "No space left on device")

    before = run["save"]("fails", lambda draft: (draft / "x").write_text("x"))
    with pytest.raises(common.Trouble, match="No space left on device.*--out"):
        run["save"]("fails", disk_full)
    assert list((out / "lesson16" / "fails").iterdir()) == [before]


# The files of a rung go up to: my_net 260 bytes, weights and model 16,000, serving 22,000.
@pytest.mark.parametrize(
    ("rung", "limit"),
    [("my_net", 100), ("my_net", 250), ("weights", 3000), ("weights", 15_700), ("serving", 18_000)],
)
def test_a_full_disk_is_one_line_and_the_old_checkpoint_still_loads(
    run, out, rung, limit, tmp_path
):
    shutil.copytree(out / "lesson16", tmp_path / "lesson16")
    before = sorted((tmp_path / "lesson16" / rung).iterdir())
    resource = pytest.importorskip("resource", reason="needs POSIX limits")

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = run_lesson(16, "--out", tmp_path, preexec_fn=small_disk)
    assert_one_line(process, about=f"{rung} (")
    assert sorted((tmp_path / "lesson16" / rung).iterdir()) == before, "no draft, nothing lost"


def test_a_file_in_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "lesson16").mkdir()
    (tmp_path / "lesson16" / "model").write_text("precious")
    process = run_lesson(16, "--out", tmp_path)
    assert_one_line(process, about="cannot save in")
    assert (tmp_path / "lesson16" / "model").read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs a folder nobody can write")
def test_two_runs_at_once_into_one_folder(tmp_path):
    from running import command

    runs = [
        subprocess.Popen(command(16, "--out", tmp_path), stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert all(row["holds"] for row in read_results(tmp_path, 16)["results"])


# Saves all four rungs without end, each filled with the number of the save. The functions come
# from the lesson; TensorFlow is imported once, and a fork of this process is what gets killed.
SAVING = """
import json, os, pathlib, shutil, sys, time
import common, keras, numpy as np, tensorflow as tf

names = dict(os=os, shutil=shutil, time=time, common=common, tf=tf, keras=keras)
names["folder"] = pathlib.Path(sys.argv[1])
exec(sys.argv[2], names)
keras.config.disable_interactive_logging()

def save_for_ever(number):
    W = tf.Variable(tf.zeros((50_000, 3)))
    checkpoint = tf.train.Checkpoint(weight=W)
    model = keras.Sequential([keras.Input((50_000,)), keras.layers.Dense(3, use_bias=False)])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)
    names["model"] = model
    writers = {
        "my_net": lambda draft: checkpoint.write(draft / "save_net.ckpt"),
        "weights": names["save_weights"],
        "model": lambda draft: model.save(draft / "net.keras"),
        "serving": model.export,
    }
    while True:
        W.assign(np.full((50_000, 3), number))
        model.set_weights([np.full((50_000, 3), number)])
        for rung, write in writers.items():
            names["save"](rung, write)
            print(rung, number, flush=True)
        number += 1

for number in map(int, sys.stdin):
    child = os.fork()
    if child == 0:
        save_for_ever(number)
    print("child", child, flush=True)
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


def functions(*wanted):
    """The source of some functions of the lesson."""
    source = Path(LESSONS["16"]).read_text("utf-8")
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return "\n\n".join(ast.unparse(node) for node in nodes if node.name in wanted)


def files_in(folder):
    found = []
    for place, _, names in os.walk(folder):  # passes over what is moved meanwhile
        found.append(place)
        for name in names:
            try:
                found.append((place, name, os.stat(os.path.join(place, name)).st_size))
            except OSError:
                found.append((place, name, None))
    return found


def saved_numbers(folder):
    """The number that each rung's newest save is filled with; fails if one is not whole."""
    import keras
    import tensorflow as tf

    places = {rung: newest(folder.parent, rung) for rung in RUNGS}
    net = keras.Sequential([keras.Input((50_000,)), keras.layers.Dense(3, use_bias=False)])
    net.load_weights(places["weights"] / "net.weights.h5")
    values = {
        "my_net": tf.train.load_checkpoint(str(places["my_net"] / "save_net.ckpt")).get_tensor(
            "weight/.ATTRIBUTES/VARIABLE_VALUE"
        ),
        "weights": net.get_weights()[0],
        "model": keras.saving.load_model(places["model"] / "net.keras").get_weights()[0],
        "serving": tf.saved_model.load(places["serving"]).variables[0].numpy(),
    }
    for rung, value in values.items():
        assert value.shape == (50_000, 3) and (value == value[0, 0]).all(), rung
    return {rung: int(value[0, 0]) for rung, value in values.items()}


@posix
def test_twenty_kills_during_a_save(tmp_path):
    """Kill -9 after the 1st, 3rd, 5th … change seen in the folder: everything still loads."""
    folder = tmp_path / "lesson16"
    server = python(SAVING, folder, functions("save", "save_weights"), stdin=subprocess.PIPE)
    said, drafts, number = {}, [], 1
    for moment in range(1, 41, 2):
        server.stdin.write(f"{number}\n")
        server.stdin.flush()
        child = int(server.stdout.readline().split()[1])
        while True:  # one whole round, the kill comes in the next
            rung, saved = server.stdout.readline().split()
            said[rung] = int(saved)
            if rung == "serving":
                break
        before, changes = files_in(folder), 0
        while changes < moment:
            now = files_in(folder)
            changes += now != before
            before = now
        os.kill(child, signal.SIGKILL)
        for line in server.stdout:
            if line == "killed\n":
                break
            rung, saved = line.split()
            said[rung] = int(saved)
        drafts.append([path.parent.name for path in folder.glob("*/draft-*")])
        for rung, saved in saved_numbers(folder).items():
            assert saved in (said[rung], said[rung] + 1), "the last one, or the one not told yet"
        for draft in folder.glob("*/draft-*"):
            shutil.rmtree(draft)
        number = max(said.values()) + 1
    server.stdin.close()
    assert server.wait(timeout=30) == 0
    assert sum(map(bool, drafts)) >= 10, "most kills hit a save in the middle"
    assert len({rung for cut in drafts for rung in cut}) >= 3, "on several rungs"


# ------------------------------------------------------------------------ survive a crash

TRAINING = """
import sys, time
import keras
from running import variables

out, slow = sys.argv[1], float(sys.argv[2])
run = variables(16, "--out", out)
model = run["build"]()

def say(batch, logs):
    print("step", int(model.optimizer.iterations), flush=True)
    time.sleep(slow)

losses = run["train"](model, "crash", keras.callbacks.LambdaCallback(on_train_batch_end=say))
print("losses", *[loss.hex() for loss in losses])
"""


@posix
def test_sigkill_in_the_middle_of_training(run, tmp_path):
    child = python(TRAINING, tmp_path, 0.05)
    for line in child.stdout:
        if line == "step 47\n":
            child.kill()
            break
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    lines = python(TRAINING, tmp_path, 0).communicate(timeout=120)[0].splitlines()
    steps = [int(line.split()[1]) for line in lines if line.startswith("step ")]
    assert steps == list(range(41, 61)), "back to the end of epoch 4: 7 steps lost, not 47"
    losses = lines[-1].split()[1:]
    assert losses == [loss.hex() for loss in run["never_stopped"][1:]], "to the last bit"


def test_a_crash_before_the_first_backup_starts_at_zero(run):
    import keras

    def crash(batch, logs):
        raise InterruptedError

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=crash)
    with pytest.raises(InterruptedError):
        run["train"](run["build"](), "early", callback)
    losses = run["train"](run["build"](), "early")
    assert len(losses) == 6 and losses[3:] == run["never_stopped"]
