"""Lesson 16: what was saved comes back, and where it does not, the report says NO."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import run_here

WRITTEN, TF1 = "W and b, largest difference", "the same from the TF1 checkpoint"
MODEL = "next loss, model from the file"
IN_FILE, KEPT = "variables in TF1's file", "oldest and latest save"
LOST, FRAMEWORK = "steps lost in the power cut", "the framework is saved as well"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(16)


def test_every_claim_holds_exactly(run):
    assert set(run.holds.values()) == {"yes", "slip"}
    assert run.here[LOST] == 7, "67 steps, and the last backup after 60"


def test_it_prints_what_the_notes_print(run):
    ten_lines = "Save to path: my_net/save_net.ckpt\n"
    ten_lines += "weight: [[1. 2. 3.]\n [3. 4. 5.]]\nbiases: [[1. 2. 3.]]\n"
    assert ten_lines in run.printed.replace("\\", "/")


def test_the_files_are_what_they_are_called(run):
    values = run.folder / "my_net" / "save_net.ckpt"
    weight = tf.train.load_variable(str(values), "weight/.ATTRIBUTES/VARIABLE_VALUE")
    assert weight.tolist() == [[1, 2, 3], [3, 4, 5]]
    path = str(run.folder / "my_net" / "tf1.ckpt")
    assert {"biases", "weight", "weight/Adam"} < {n for n, _ in tf.train.list_variables(path)}
    assert keras.saving.load_model(run.folder / "net.keras").optimizer.iterations == 100


@pytest.mark.parametrize("power_cut, lost", [(70, 10), (71, 1), (100, 10)])
def test_try_it(power_cut, lost, tmp_path):
    run = run_here(16, "--power-cut", power_cut, out=tmp_path)
    assert run.here[LOST] == lost and "no" not in run.holds.values()


def test_a_path_that_looks_like_a_pattern_and_another_seed(tmp_path):
    run = run_here(16, "--seed", 3, out=tmp_path / "mofan [2] 莫煩")
    assert set(run.holds.values()) == {"yes", "slip"}
    run = run_here(16, "--seed", 4, out=tmp_path / "mofan [2] 莫煩")  # over the last run's files
    assert set(run.holds.values()) == {"yes", "slip"}


@pytest.mark.parametrize("flags", ["--epochs 3", "--power-cut 150", "--power-cut 10"])
def test_a_power_cut_before_the_first_backup_or_after_the_end_is_one_line(flags, tmp_path):
    trouble = run_here(16, *flags.split(), out=tmp_path).trouble
    assert "--power-cut" in trouble and "--epochs" in trouble and "\n" not in trouble


# ----------------------------------------------------------------- break it, and see the NO


class Nothing:
    """The answer of a restore that was left out."""

    def assert_consumed(self):
        pass


def test_without_read_and_restore(monkeypatch, tmp_path):
    shapes = dict(weight=(2, 3), biases=(1, 3))
    monkeypatch.setattr(tf.train.Checkpoint, "read", lambda *_, **__: Nothing())
    monkeypatch.setattr(tf.train.Checkpoint, "restore", lambda *_: Nothing())
    monkeypatch.setattr(tf.train, "load_variable", lambda path, name: np.zeros(shapes[name]))
    run = run_here(16, out=tmp_path)
    assert run.holds[WRITTEN] == run.holds[TF1] == run.holds[KEPT] == "no"


def test_a_manager_that_keeps_all(monkeypatch, tmp_path):
    Manager = tf.train.CheckpointManager
    monkeypatch.setattr(tf.train, "CheckpointManager", lambda *_, **__: Manager(*_, 9))
    assert run_here(16, out=tmp_path).holds[KEPT] == "no"


def test_a_saver_of_some_variables_and_no_graph(monkeypatch, tmp_path):
    Saver = tf.compat.v1.train.Saver

    def of_two():
        variables = tf.compat.v1.global_variables()[:2]
        return Saver({"weight": variables[0], "biases": variables[1]})

    class EmptyGraph:
        def restore(self, sess, path):
            W = tf.compat.v1.Variable(np.zeros((2, 3)), name="weight")
            sess.run(W.initializer)

    monkeypatch.setattr(tf.compat.v1.train, "Saver", of_two)
    monkeypatch.setattr(tf.compat.v1.train, "import_meta_graph", lambda path: EmptyGraph())
    run = run_here(16, out=tmp_path)
    assert run.holds[IN_FILE] == run.holds[FRAMEWORK] == "no"


def test_a_model_without_its_optimizer_and_a_backup_that_is_not_read(monkeypatch, tmp_path):
    load_model = keras.saving.load_model

    def weights_alone(path):
        model = load_model(path)
        model.compile(keras.optimizers.Adam(0.1), loss="mse")
        return model

    monkeypatch.setattr(keras.saving, "load_model", weights_alone)
    monkeypatch.setattr(
        keras.callbacks, "BackupAndRestore", lambda *_, **__: keras.callbacks.Callback()
    )
    run = run_here(16, out=tmp_path)
    assert run.holds[MODEL] == run.holds[LOST] == "no"


def test_a_backup_without_the_optimizers_state(monkeypatch, tmp_path):
    class WeightsOnly(keras.callbacks.BackupAndRestore):
        def on_train_begin(self, logs=None):
            super().on_train_begin(logs)
            for moments in self.model.optimizer.variables[2:]:  # after iterations, learning rate
                moments.assign(np.zeros(moments.shape))

    monkeypatch.setattr(keras.callbacks, "BackupAndRestore", WeightsOnly)
    assert run_here(16, out=tmp_path).holds[LOST] == "no"


def test_an_optimizer_without_a_state_shows_no_need_of_it(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.optimizers, "Adam", keras.optimizers.SGD)
    assert run_here(16, out=tmp_path).holds[MODEL] == "no"
