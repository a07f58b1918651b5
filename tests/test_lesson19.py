"""Lesson 19: the notes' names are TF1's, ours are today's, and sharing can fail."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import run_here

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(19)


def test_the_notes_names_are_what_tf1_prints(run):
    """The notes' code, live in a TF1 graph."""
    with tf.Graph().as_default():
        names = {}
        with v1.name_scope("a_name_scope"):
            names["var1"] = v1.get_variable("var1", [1]).name
            for name in ("var2", "var21", "var22"):
                names[name] = v1.Variable([2.0], name="var2").name
        with v1.variable_scope("a_variable_scope") as scope:
            names["var3"] = v1.get_variable("var3", [1]).name
            names["var4"] = v1.Variable([4.0], name="var4").name
            names["var4_reuse"] = v1.Variable([4.0], name="var4").name
            scope.reuse_variables()
            names["var3_reuse"] = v1.get_variable("var3").name
        with pytest.raises(ValueError), v1.variable_scope("a_variable_scope"):
            v1.get_variable("var3", [1])
        with v1.variable_scope("a_variable_scope", reuse=True):
            assert v1.get_variable("var3").name == names["var3"]
    rows = run.results["results"][:8]
    assert {row["name"]: row["notes"] for row in rows} == names


def test_every_row_holds_and_is_printed(run):
    assert set(run.holds.values()) == {"yes"}
    lines = run.printed.splitlines()[1:9]
    rows = run.results["results"][:8]
    assert [line.split()[0] for line in lines] == [row["here"] for row in rows]
    values = [float(line.split("[")[1].strip("]")) for line in lines]
    assert values == [1, 2, 2.1, 2.2, 3, 4, 4, 3]


def test_the_cell_by_hand(run):
    """The trained net's answers are those of the cell's weights, written down in numpy."""
    here = run.variables
    W, U, b = (np.array(weight) for weight in here["cell"].weights)
    h = c = np.zeros((1, 8))
    at_once = np.array(here["train_net"](here["x"])[0])
    for t in range(20):
        i, f, j, o = np.split(here["x"][:, t] @ W + h @ U + b, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(j) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        assert at_once[t] == pytest.approx(h[0], abs=1e-5)
    assert int(here["train_net"].optimizer.iterations) == 1


# ----------------------------------------------------------------- break it, and see the NO


def test_variables_found_by_their_names_are_noticed(monkeypatch, tmp_path):
    """As in TF1, where a scope opened again found the first one's variables."""
    found, add_weight = {}, keras.layers.Layer.add_weight

    def reused(self, **options):
        path = self.name, options["name"]
        if path not in found:
            found[path] = add_weight(self, **options)
        return found[path]

    monkeypatch.setattr(keras.layers.Layer, "add_weight", reused)
    run = run_here(19, out=tmp_path)
    assert [name for name in run.holds if run.holds[name] == "no"] == ["second var3"]


def test_names_with_numbers_as_in_tf1_are_noticed(monkeypatch, tmp_path):
    plain = keras.layers.Layer.add_weight
    numbered = lambda self, name, **options: plain(self, name=f"{name}_1", **options)  # noqa: E731
    monkeypatch.setattr(keras.layers.Layer, "add_weight", numbered)
    assert run_here(19, out=tmp_path).holds["var4_reuse"] == "no"


def with_a_copy(RNN, cell, **options):
    """Equal numbers, as long as nothing is trained."""
    copy = keras.layers.LSTMCell(cell.units)
    copy.build((1, 3))
    copy.set_weights(cell.get_weights())
    return RNN(copy, **options)


def without_state(RNN, cell, stateful=False, **options):
    return RNN(cell, **options)


@pytest.mark.parametrize("broken", [with_a_copy, without_state])
def test_a_broken_rnn_is_noticed(broken, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.layers, "RNN", functools.partial(broken, keras.layers.RNN))
    run = run_here(19, out=tmp_path)
    assert [name for name in run.holds if run.holds[name] == "no"] == ["one cell"]


def test_a_training_that_moves_no_weight_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.optimizers, "Adam", lambda rate: keras.optimizers.SGD(1e-9))
    assert run_here(19, out=tmp_path).holds["one cell"] == "no"


@pytest.mark.parametrize("flags", ["--units 64", "--time-steps 200", "--seed 2", "--seed 3"])
def test_try_it_and_other_seeds(flags, tmp_path):
    run = run_here(19, *flags.split(), out=tmp_path)
    assert set(run.holds.values()) == {"yes"}
