"""Lesson 19: the notes' names are TF1's, ours are today's, and sharing can fail."""

import functools
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import run_here

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(19)


def test_every_row_holds(run):
    assert set(run.holds.values()) == {"yes"} and len(run.holds) == 10


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
    rows = run.results["results"][:8]
    assert {row["name"]: row["notes"] for row in rows} == names


def test_names_and_values_are_printed(run):
    lines = run.printed.splitlines()[1:9]
    rows = run.results["results"][:8]
    assert [line.split()[0] for line in lines] == [row["here"] for row in rows]
    values = [float(line.split("[")[1].strip("]")) for line in lines]
    assert values == [1, 2, 2.1, 2.2, 3, 4, 4, 3]


def test_the_cell_by_hand(run):
    """The shared cell's answers are those of its weights, written down in numpy."""
    here = run.variables
    W, U, b = (np.array(weight) for weight in here["cell"].weights)
    h = c = np.zeros((1, 8))
    for t in range(20):
        i, f, j, o = np.split(here["x"][:, t] @ W + h @ U + b, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(j) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        assert here["shared"][t] == pytest.approx(h[0], abs=1e-5)
    assert int(here["train_net"].optimizer.iterations) == 1


# ----------------------------------------------------------------- break it, and see the NO


def test_names_that_are_numbered_again_are_noticed(monkeypatch, tmp_path):
    names = []

    class Numbered:
        """Names as TF1 gave them."""

        def __init__(self, value, name):
            names.append(name)
            number = "" if len(names) < 3 else f"_{len(names) - 2}"
            scope = "a_name_scope/" if len(names) > 1 else ""
            self.full_name, self.array = f"{scope}{name}{number}:0", np.array(value)

        name = property(lambda self: self.full_name)

        def numpy(self):
            return self.array

    lesson_tf = SimpleNamespace(**vars(tf) | {"Variable": Numbered})
    monkeypatch.setitem(sys.modules, "tensorflow", lesson_tf)
    run = run_here(19, out=tmp_path)
    assert [run.holds[name] for name in ("var1", "var2", "var21", "var22")] == [
        "no",
        "yes",
        "no",
        "no",
    ]


def test_sharing_undone_is_noticed(monkeypatch, tmp_path):
    """Each look at `var3` gives a copy, and each net gets a cell of its own."""
    RNN = keras.layers.RNN
    add_weight = keras.layers.Layer.add_weight

    class Copies:
        def __init__(self, variable):
            self.variable, self.path = variable, variable.path

        def __getitem__(self, index):
            return 3.0

        def __getattr__(self, name):
            return getattr(self.variable, name)

    def copied(self, **options):
        weight = add_weight(self, **options)
        return Copies(weight) if options["name"] == "var3" else weight

    def alone(cell, **options):
        return RNN(keras.layers.LSTMCell(cell.units), **options)

    monkeypatch.setattr(keras.layers.Layer, "add_weight", copied)
    monkeypatch.setattr(keras.layers, "RNN", functools.wraps(RNN, updated=())(alone))
    run = run_here(19, out=tmp_path)
    assert run.holds["var3 at 30"] == run.holds["one cell"] == "no"


@pytest.mark.parametrize("flags", ["--units 64", "--time-steps 200", "--seed 2", "--seed 3"])
def test_try_it_and_other_seeds(flags, tmp_path):
    run = run_here(19, *flags.split(), out=tmp_path)
    assert set(run.holds.values()) == {"yes"} and run.here["one cell"] < 1e-6
