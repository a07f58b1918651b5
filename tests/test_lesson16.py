"""Lesson 16: what was saved comes back, in a process that never saw the original, and no kill and
no full disk costs the save before it."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from running import LESSONS, assert_one_line, assert_whole, run_here, run_lesson

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(16)


@pytest.fixture(scope="module")
def lesson(run):
    return run.variables


def test_a_smoke_run_is_whole(run):
    assert_whole(run)
    assert run.results["settings"] == dict(epochs=10, power_cut=67, checkpoint="", seed=1)


# ----------------------------------------------------------------------- the notes' ten lines


def test_it_prints_what_the_notes_print(run):
    ten_lines = "Save to path: my_net/save_net.ckpt\n"
    ten_lines += "weight: [[1. 2. 3.]\n [3. 4. 5.]]\nbiases: [[1. 2. 3.]]\n"
    assert run.printed.partition("\n")[2].replace("\\", "/").startswith(ten_lines)


def test_the_file_has_the_notes_name_and_values(run):
    import tensorflow as tf

    path = run.folder / "my_net" / "save_net.ckpt"
    values = {name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)}
    del values["_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert values.keys() == {f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("weight", "biases")}
    assert values["weight/.ATTRIBUTES/VARIABLE_VALUE"].tolist() == [[1, 2, 3], [3, 4, 5]]
    assert values["biases/.ATTRIBUTES/VARIABLE_VALUE"].tolist() == [[1, 2, 3]]


def test_each_misfit_is_an_error_of_its_own(run, lesson):
    names = [
        "no place for biases",
        "a gain that was never saved",
        "weight is called W",
        "weight has the shape (1, 1)",
    ]
    said = [
        r"Unresolved object in checkpoint \(root\)\.biases: ",
        "Found 1 Python objects that were not bound to checkpointed values, ",
        "Found 1 Python objects that were not bound to checkpointed values, ",
        r"Received incompatible tensor with shape \(2, 3\) when attempting to ",
    ]
    lines = "\n\n".join(f"{re.escape(name)}:\n{line}.*" for name, line in zip(names, said))
    assert re.search(f"\n\n{lines}\n\nkept of", run.printed)
    assert lesson["errors"] == 4 and list(lesson["frames"]) == names
    *_, last = frames = lesson["frames"].values()
    every = ["W", "biases", "gain", "weight"]
    keywords = [[name for name in every if hasattr(frame, name)] for frame in frames]
    both = ["biases", "weight"]
    assert keywords == [["weight"], ["biases", "gain", "weight"], ["W", "biases"], both]
    assert last.weight.shape == (1, 1)


def test_only_a_wrong_shape_is_an_error_without_assert_consumed(run, lesson):
    import tensorflow as tf

    W, b = tf.Variable(tf.zeros((2, 3))), tf.Variable(tf.zeros((1, 3)))
    path = run.folder / "my_net" / "save_net.ckpt"
    tf.train.Checkpoint(W=W, biases=b).read(path).expect_partial()
    assert (W.numpy() == 0).all() and (b.numpy() == [[1, 2, 3]]).all()
    tf.train.Checkpoint(biases=b).read(path).expect_partial()
    with pytest.raises(ValueError, match="shape"):
        lesson["frames"]["weight has the shape (1, 1)"].read(path)


def checkpoints(folder):
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.index"))


def test_the_manager_keeps_the_last_five(run, lesson):
    import tensorflow as tf

    assert checkpoints(run.folder) == ["ckpt-3", "ckpt-4", "ckpt-5", "ckpt-6", "ckpt-7"]
    assert "\nkept of 7 saves: 5\n" in run.printed
    assert lesson["saver"].save_counter.numpy() == 7
    newest = tf.train.latest_checkpoint(run.folder / "checkpoints")
    assert newest == lesson["manager"].latest_checkpoint and newest.endswith("ckpt-7")
    weight = tf.train.load_variable(newest, "weight/.ATTRIBUTES/VARIABLE_VALUE")
    assert weight.tolist() == lesson["W"].numpy().tolist() == [[1, 2, 3], [3, 4, 5]]


# ----------------------------------------------------------------------- a checkpoint of TF1


def test_the_lesson_reads_the_tf1_checkpoint_it_writes(run, lesson):
    import tensorflow as tf

    path = str(run.folder / "tf1.ckpt")
    assert tf.train.list_variables(path) == [("biases", [1, 3]), ("weight", [2, 3])]
    assert tf.train.load_variable(path, "weight").tolist() == [[1, 2, 3], [3, 4, 5]]
    assert tf.train.load_variable(path, "biases").tolist() == [[1, 2, 3]]
    assert lesson["value"].tolist() == [[1, 2, 3], [3, 4, 5]], "the last one read"
    lines = "in the TF1 checkpoint: biases (1, 3)\nin the TF1 checkpoint: weight (2, 3)\n"
    assert lines in run.printed


@pytest.fixture(scope="module")
def tf1_file(tmp_path_factory):
    """A checkpoint of TF1's own Saver."""
    import tensorflow as tf

    v1, prefix = tf.compat.v1, tmp_path_factory.mktemp("tf1") / "my_net" / "save_net.ckpt"
    with tf.Graph().as_default(), v1.Session() as session:
        v1.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32, name="weight")
        v1.Variable([[1, 2, 3]], dtype=tf.float32, name="biases")
        with v1.variable_scope("layer"):
            v1.get_variable("kernel", initializer=tf.fill([4, 5], 0.5))
        v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix))
    return prefix


def test_a_checkpoint_of_the_reader_and_a_second_run_into_the_same_folder(run, tf1_file, tmp_path):
    shutil.copytree(run.folder, tmp_path / "lesson16")
    (tmp_path / "lesson16" / "tf1.ckpt.index").unlink()
    (tmp_path / "lesson16" / "backup").mkdir()  # what a kill in the first backup leaves
    (tmp_path / "lesson16" / "backup" / "latest.weights.h5").write_text("cut off")
    again = run_here(16, "--smoke", "--checkpoint", f"{tf1_file}.index", out=tmp_path)
    assert again.variables["value"].tolist() == [[1, 2, 3], [3, 4, 5]]
    for line in ("biases (1, 3)", "global_step ()", "layer/kernel (4, 5)", "weight (2, 3)"):
        assert f"\nin the TF1 checkpoint: {line}\n" in again.printed
    assert not (again.folder / "tf1.ckpt.index").exists(), "the reader's file, and no other"
    assert checkpoints(again.folder) == checkpoints(run.folder)
    assert all(row["holds"] is True for row in again.results["results"])


DAMAGES = {
    "no index": ("index", os.remove),
    "no data": ("data-00000-of-00001", os.remove),
    "index cut off": ("index", lambda path: os.truncate(path, 100)),
    "empty index": ("index", lambda path: os.truncate(path, 0)),
    "data cut off": ("data-00000-of-00001", lambda path: os.truncate(path, 50)),
    "other values": ("data-00000-of-00001", lambda path: path.write_bytes(bytes(124))),
    "another file": ("index", lambda path: path.write_bytes(b"x" * 999)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_clear_line(damage, tf1_file, tmp_path):
    shutil.copytree(tf1_file.parent, tmp_path / "my_net")
    suffix, harm = DAMAGES[damage]
    harm(tmp_path / "my_net" / f"save_net.ckpt.{suffix}")
    path = tmp_path / "my_net" / "save_net.ckpt"
    trouble = run_here(16, "--smoke", "--checkpoint", path, out=tmp_path).trouble
    assert trouble.startswith(f"cannot read the checkpoint {path} (") and "\n" not in trouble


def test_a_folder_without_a_checkpoint_is_one_clear_line(tmp_path):
    trouble = run_here(16, "--smoke", "--checkpoint", tmp_path, out=tmp_path).trouble
    assert trouble.startswith(f"cannot read the checkpoint {tmp_path} (") and "\n" not in trouble


@pytest.mark.seeds
def test_in_a_process_of_its_own_too(tmp_path):
    process = run_lesson(16, "--checkpoint", tmp_path / "none", "--out", tmp_path)
    assert_one_line(process, about=f"cannot read the checkpoint {tmp_path / 'none'} (")


# ------------------------------------------------------------------------------ whole models


def test_the_layer_learns_as_the_lesson_says(run, lesson):
    """Trained again here, from what the prose says: every loss is the same to the last bit."""
    import keras

    x, y = lesson["x"], lesson["y"]
    assert x.shape == (320, 2) and abs(x.std() - 1) < 0.1
    np.testing.assert_allclose(y, x @ [[1, 2, 3], [3, 4, 5]] + [1, 2, 3], atol=1e-5)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    history = model.fit(x, y, batch_size=32, epochs=11, shuffle=False, verbose=0).history["loss"]
    assert lesson["never_stopped"] == history[:10]
    assert lesson["losses"] == [history[10]] * 3
    losses = "\n  ".join([str(history[10])] * 3)
    assert f"\nnext loss, never stopped, from weights, from model:\n  {losses}\n" in run.printed
    assert np.array_equal(lesson["model"].get_weights()[0], lesson["model_3"].get_weights()[0])


def test_the_table_says_what_is_in_the_files(run, lesson):
    import h5py
    import tensorflow as tf

    def state(file):
        """Whether a file has Adam's state: two moments for the kernel and two for the bias."""
        with h5py.File(file) as content:
            return len(content["optimizer/vars"]) >= 6

    assert {name: words for name, _, *words in lesson["table"]} == {
        "tf.train.Checkpoint": ["variables", "you have loop and model as code"],
        "model.save_weights": ["+ optimizer", "you have the model as code"],
        "model.save": ["+ framework", "to learn on without that code"],
        "model.export": ["graph, variables", "to answer only, without Python"],
    }
    assert state(run.folder / "net.weights.h5")
    with zipfile.ZipFile(run.folder / "net.keras") as archive:
        assert {"config.json", "model.weights.h5"} <= set(archive.namelist())
        assert state(archive.open("model.weights.h5"))
    served = tf.saved_model.load(run.folder / "serving")
    shapes = [tuple(v.shape) for v in served.variables if v.dtype.is_floating]
    assert shapes[:2] == [(2, 3), (3,)] and (run.folder / "serving" / "saved_model.pb").exists()

    places = ["my_net", "net.weights.h5", "net.keras", "serving"]
    for (name, _, contents, use), place in zip(lesson["table"], places, strict=True):
        everything = [run.folder / place, *(run.folder / place).rglob("*")]
        size = sum(path.stat().st_size for path in everything if path.is_file())
        line = f"\n{name:20} {contents:16} {size:7,}  {use}\n"
        assert size > 100 and line in run.printed, place
    heading = "\n                     what is in it      bytes  when to use it\n"
    assert heading in run.printed


# -------------------------------------------------------------------------------- a power cut


def test_the_power_cut_costs_seven_steps(run, lesson):
    assert lesson["resumed"] == lesson["never_stopped"][6:], "as if nothing had been"
    assert lesson["lost"] == 67 - 60
    assert "\npower cut after step 67\nsteps lost: 7\n" in run.printed
    assert str(lesson["backup"].backup_dir) == str(run.folder / "backup")
    assert not (run.folder / "backup").exists(), "the callback clears up when it is done"


def test_the_figure_shows_both_trainings(run, lesson):
    assert run.results["figures"] == ["power_cut.png"]
    drawn = {label: (list(x), list(y)) for label, (x, y) in lesson["lines"].items()}
    assert drawn == {
        "never stopped": ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], lesson["never_stopped"]),
        "resumed": ([7, 8, 9, 10], lesson["never_stopped"][6:]),
    }


@pytest.mark.parametrize("part", [0, 0.3, 0.99])
def test_a_backup_cut_off_falls_back_on_the_one_before(part, lesson, tmp_path):
    """After two epochs the newest backup is cut off: the next training does the second again."""
    import keras

    backup = keras.callbacks.BackupAndRestore(
        str(tmp_path / "backup"), double_checkpoint=True, delete_checkpoint=False
    )
    lesson["train"](lesson["build"](), 2, [backup])
    newest = tmp_path / "backup" / "latest.weights.h5"
    os.truncate(newest, int(part * newest.stat().st_size))
    assert lesson["backup"].double_checkpoint is True
    assert lesson["train"](lesson["build"](), 3, [backup]) == lesson["never_stopped"][1:3]


# -------------------------------------------------------------------------------- the report

ROWS = [
    "weight, second row",
    "biases",
    "misfits that are an error, of four",
    "saves that the manager keeps, of seven",
    "next loss from the weights",
    "next loss from the model",
    "exported graph: largest difference",
    "steps lost in the power cut, at most 10",
    "loss at the end, after the power cut",
]


def test_the_report(run, lesson):
    end = lesson["never_stopped"][-1]
    values = ["[3. 4. 5.]", "[1. 2. 3.]", 4, 5, *lesson["losses"][1:], 0, 7, end]
    assert list(run.here.items()) == list(zip(ROWS, values, strict=True))
    notes = [row["notes"] for row in run.results["results"]]
    assert notes == ["[3. 4. 5.]", "[1. 2. 3.]", *["-"] * 7]
    assert all(row["holds"] is True for row in run.results["results"])


@pytest.mark.parametrize(
    ("row", "other"),
    [
        (0, dict(weight="[4. 5. 6.]")),
        (1, dict(biases="[0. 1. 2.]")),
        (2, dict(errors=3)),
        (3, dict(kept=7)),
        (4, dict(losses=[0.1, 0.2, 0.1])),
        (5, dict(losses=[0.1, 0.1, 0.2])),
        (6, dict(difference=np.float32(1e-7))),
        (7, dict(lost=11)),
        (7, dict(lost=-1)),
        (8, dict(resumed=[0.1])),
    ],
)
def test_each_row_can_become_no(row, other, lesson):
    """The lesson's own rows, made once more from other results."""
    statements = ast.parse(LESSONS[16].read_text("utf-8")).body
    (made,) = [node for node in statements if ast.unparse(node).startswith("rows = ")]
    rows = eval(ast.unparse(made.value), lesson | dict(lost=10) | other)
    assert [name for name, *_, holds in rows if not holds] == [ROWS[row]]


# ------------------------------------------------------------ another process, killed or alive

# Imports TensorFlow once. What may be killed runs in a fork, which has not touched it before.
SERVER = """
import itertools, json, os, resource, sys
import keras, numpy as np, tensorflow as tf

SHAPE = (50_000, 3)

def save(folder, saves=10**9):
    # Save number n is filled with n.
    W = tf.Variable(tf.zeros(SHAPE))
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(weight=W), folder, max_to_keep=5)
    for number in range(1, saves + 1):
        W.assign(tf.fill(SHAPE, float(number)))
        manager.save()
        print(number, flush=True)
    return W, manager

def fill_the_disk(folder):
    W, manager = save(folder, 3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    W.assign(tf.fill(SHAPE, 4.0))
    try:
        manager.save()
    except tf.errors.OpError:
        print("full", flush=True)
    os._exit(0)

def train(folder):
    # After n steps, one an epoch, all weights are n.
    model = keras.Sequential([keras.Input((1,))])
    model.add(keras.layers.Dense(50_000, kernel_initializer="zeros", use_bias=False))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, out: -keras.ops.sum(out))
    say = keras.callbacks.LambdaCallback(on_epoch_end=lambda n, logs: print(n + 1, flush=True))
    callbacks = [keras.callbacks.BackupAndRestore(folder, double_checkpoint=True), say]
    model.fit(tf.ones((1, 1)), tf.ones((1, 1)), epochs=10**6, verbose=0, callbacks=callbacks)

def load(folder):
    W, b = tf.Variable(tf.zeros((2, 3))), tf.Variable(tf.zeros((1, 3)))
    saver = tf.train.Checkpoint(weight=W, biases=b)
    saver.read(f"{folder}/my_net/save_net.ckpt").assert_consumed()
    with np.load(f"{folder}/data.npz") as data:
        x, y = data["x"], data["y"]
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    net.compile(keras.optimizers.Adam(0.1), loss="mse")
    net.optimizer.build(net.trainable_variables)
    net.load_weights(f"{folder}/net.weights.h5")
    whole = keras.saving.load_model(f"{folder}/net.keras")
    graph = tf.saved_model.load(f"{folder}/serving")
    answers = {"weight": W.numpy().tolist(), "biases": b.numpy().tolist()}
    answers["same answers"] = np.array_equal(graph.serve(x), whole(x))
    for name, model in {"from weights": net, "from model": whole}.items():
        history = model.fit(x, y, batch_size=32, shuffle=False, verbose=0).history
        answers[name] = history["loss"][0]
    print(json.dumps(answers), flush=True)
    os._exit(0)

for line in sys.stdin:
    what, folder = line.rstrip().split(" ", 1)
    child = os.fork()
    if child == 0:
        globals()[what](folder)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


class Server:
    def __init__(self):
        streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        command = [sys.executable, "-c", SERVER]  # not -u, which writes a line in two pieces
        self.process = subprocess.Popen(command, text=True, bufsize=1, **streams)

    def start(self, what, folder):
        self.process.stdin.write(f"{what} {folder}\n")
        return int(self.process.stdout.readline())  # the process to kill

    def rest(self):
        """What it still said, up to its death."""
        lines = []
        while (line := self.process.stdout.readline()) != "dead\n":
            assert line, "the server is gone"
            lines.append(line.rstrip())
        return lines

    def kill(self, what, folder, part):
        """Kill -9 after `part` of the fifth round; returns the last round it has told."""
        child, told = self.start(what, folder), []
        for _ in range(4):
            told.append((int(self.process.stdout.readline()), time.monotonic()))
        time.sleep(part * (told[3][1] - told[2][1]))
        os.kill(child, signal.SIGKILL)
        return int(([4] + self.rest())[-1])


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.process.stdin.close()
    assert server.process.wait(timeout=30) == 0


@posix
def test_everything_loads_in_a_process_that_never_saw_it(run, lesson, server):
    np.savez(run.folder / "data.npz", x=lesson["x"], y=lesson["y"])
    server.start("load", run.folder)
    (answers,) = map(json.loads, server.rest())
    assert answers == {
        "weight": [[1, 2, 3], [3, 4, 5]],
        "biases": [[1, 2, 3]],
        "same answers": True,
        "from weights": lesson["losses"][0],
        "from model": lesson["losses"][0],
    }


def newest_save(folder):
    """The number that the newest save is filled with; fails if it is not whole."""
    import tensorflow as tf

    path = tf.train.latest_checkpoint(folder)
    weight = tf.train.load_variable(path, "weight/.ATTRIBUTES/VARIABLE_VALUE")
    assert weight.shape == (50_000, 3) and (weight == weight[0, 0]).all()
    return weight[0, 0]


@posix
def test_twenty_kills_during_a_save(server, tmp_path):
    for moment in range(20):
        told = server.kill("save", tmp_path / f"{moment}", moment / 20)
        assert newest_save(tmp_path / f"{moment}") in (told, told + 1), moment


@posix
def test_a_full_disk_leaves_the_save_before_it(server, tmp_path):
    server.start("fill_the_disk", tmp_path)
    assert server.rest() == ["1", "2", "3", "full"]
    assert newest_save(tmp_path) == 3


def next_epoch(folder):
    """With which epoch, counted from 0, a training goes on, and its weights."""
    import keras

    seen = []

    def look(epoch, logs):
        seen.extend([epoch, model.get_weights()[0]])
        raise InterruptedError

    model = keras.Sequential([keras.Input((1,))])
    model.add(keras.layers.Dense(50_000, kernel_initializer="zeros", use_bias=False))
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    backup = keras.callbacks.BackupAndRestore(str(folder), double_checkpoint=True)
    callbacks = [backup, keras.callbacks.LambdaCallback(on_epoch_begin=look)]
    with pytest.raises(InterruptedError):
        model.fit(np.ones((1, 1)), np.ones((1, 1)), epochs=10**7, verbose=0, callbacks=callbacks)
    return seen


@posix
@pytest.mark.parametrize("moments", [3, pytest.param(20, marks=pytest.mark.seeds)])
def test_kills_during_training(moments, server, tmp_path):
    """Keras writes the number of the epoch after the weights: a kill between the two repeats an
    epoch. (A kill in the instant in which that number is being written is not tried: Keras does
    not promise to survive it.)"""
    for moment in range(moments):
        folder = tmp_path / f"{moment}"
        told = server.kill("train", folder, moment / moments)
        if (folder / "training_metadata.json").stat().st_size == 0:
            continue
        epoch, weights = next_epoch(folder)
        assert (weights == weights[0, 0]).all(), moment
        assert epoch in (told, told + 1) and weights[0, 0] in (epoch, epoch + 1), moment


# -------------------------------------------------------------------------------------- seeds


@pytest.mark.full
def test_the_full_run_is_the_smoke_run(run, full_run):
    assert full_run(16)["here"] == run.here
    assert all(row["holds"] is True for row in full_run(16)["results"])


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_it_holds_with_other_seeds_and_epochs(seed, tmp_path):
    flags = ["--seed", seed, "--epochs", seed, "--power-cut", 10 * seed - 3]
    results = run_here(16, *flags, out=tmp_path).results
    assert all(row["holds"] is True for row in results["results"])


@pytest.mark.seeds
@pytest.mark.parametrize(("power_cut", "lost"), [(70, 10), (5, 5)])
def test_try_it_another_power_cut(power_cut, lost, tmp_path):
    again = run_here(16, "--power-cut", power_cut, out=tmp_path)
    assert again.variables["lost"] == lost
    assert all(row["holds"] is True for row in again.results["results"])
