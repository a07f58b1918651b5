"""Lesson 19: the notes' names and values are TF1's, and what is shared is one object."""

import ast
import re

import numpy as np
import pytest
from running import LESSONS, assert_whole, run_here

TEXT = LESSONS[19].read_text("utf-8")

# What the notes print, and what a comment of theirs says of var4_reuse.
IN_THE_NOTES = {
    "var1": ("var1:0", "[1.]"),
    "var2": ("a_name_scope/var2:0", "[2.]"),
    "var21": ("a_name_scope/var2_1:0", "[2.0999999]"),
    "var22": ("a_name_scope/var2_2:0", "[2.20000005]"),
    "var3": ("a_variable_scope/var3:0", "[3.]"),
    "var4": ("a_variable_scope/var4:0", "[4.]"),
    "var4_reuse": ("a_variable_scope/var4_1:0", "[4.]"),
    "var3_reuse": ("a_variable_scope/var3:0", "[3.]"),
}
TODAY = {  # the names where TF2 differs
    "var1": "a_name_scope/var1:0",
    "var21": "a_name_scope/var2:0",
    "var22": "a_name_scope/var2:0",
    "var4_reuse": "a_variable_scope/var4:0",
}
VALUES = {"var21": "[2.1]", "var22": "[2.2]"}  # as numpy prints them today


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(19)


@pytest.fixture(scope="module")
def lesson(run):
    return run.variables


def test_a_smoke_run_is_whole(run):
    assert_whole(run)
    assert run.results["settings"] == dict(units=8, time_steps=20, seed=1)
    assert run.results["figures"] == ["shared_cell.png"]


# ------------------------------------------------------------------------- names and values


def test_the_notes_column_is_what_tf1_gives():
    """The two programs of the notes, run as TF1 runs them."""
    import tensorflow as tf

    v1, made = tf.compat.v1, {}
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.name_scope("a_name_scope"):
            ones = v1.constant_initializer(value=1)
            made["var1"] = v1.get_variable("var1", [1], tf.float32, initializer=ones)
            made["var2"] = v1.Variable(name="var2", initial_value=[2], dtype=tf.float32)
            made["var21"] = v1.Variable(name="var2", initial_value=[2.1], dtype=tf.float32)
            made["var22"] = v1.Variable(name="var2", initial_value=[2.2], dtype=tf.float32)
        with v1.variable_scope("a_variable_scope") as scope:
            threes = v1.constant_initializer(value=3)
            made["var3"] = v1.get_variable("var3", [1], tf.float32, initializer=threes)
            made["var4"] = v1.Variable(name="var4", initial_value=[4], dtype=tf.float32)
            made["var4_reuse"] = v1.Variable(name="var4", initial_value=[4], dtype=tf.float32)
            scope.reuse_variables()
            made["var3_reuse"] = v1.get_variable(name="var3")
        session.run(v1.global_variables_initializer())
        tf1 = {name: (variable.name, session.run(variable)) for name, variable in made.items()}
    assert list(tf1) == list(IN_THE_NOTES)
    for name, (its_name, its_value) in IN_THE_NOTES.items():
        assert tf1[name][0] == its_name
        assert tf1[name][1].tolist() == [np.float32(its_value.strip("[]"))], name


def test_the_lesson_prints_names_and_values_where_the_notes_do(run, lesson):
    lines = []
    for name, (its_name, its_value) in IN_THE_NOTES.items():
        lines.append(f"{TODAY.get(name, its_name)} {VALUES.get(name, its_value)}")
        assert lesson[name].dtype == "float32"
        printed = re.search(rf"^print\({name}\.name, .*#.* (\S+)$", TEXT, flags=re.M)
        assert printed[1] == its_name, "the notes' name, beside it in the lesson"
    lines.append("gradient of var3: [7.] of the other: None")
    assert run.printed.splitlines()[1 : len(lines) + 1] == lines


def test_the_table_has_the_notes_names_and_values_and_the_lesson_s_variables(lesson):
    notes = {}
    for variable, names, its_value in lesson["table"]:
        name, its_name = names.split(", ")
        notes[name] = its_name, its_value
        assert variable is lesson[name]
    assert notes == IN_THE_NOTES and list(notes) == list(IN_THE_NOTES)


def test_inside_a_graph_variables_are_numbered_as_in_the_notes():
    """Equal names are no accident of this run: without a graph, nothing numbers them."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.name_scope("a_name_scope"):
        made = [tf.Variable([2.0], name="var2").name for _ in range(3)]
    assert made == ["a_name_scope/var2:0", "a_name_scope/var2_1:0", "a_name_scope/var2_2:0"]


# ---------------------------------------------------------------------------------- sharing


def test_two_uses_of_a_variable_have_one_gradient_and_another_scope_has_none(lesson):
    scope, another = lesson["scope"], lesson["another_scope"]
    assert lesson["var3_reuse"] is lesson["var3"] is scope.var3
    assert lesson["var4"] is scope.var4 and lesson["var4_reuse"] is scope.var4_reuse
    assert lesson["gradient"].numpy().tolist() == [7], "two uses: 2 + 5"
    assert lesson["loss"].numpy().tolist() == [21]
    assert lesson["no_gradient"] is None
    assert another.var3.numpy() == 3 and another.var3.name == scope.var3.name
    assert len({id(variable) for variable in [*scope.variables, *another.variables]}) == 6


def test_the_nets_have_one_cell_and_agree_to_the_last_bit(run, lesson):
    train_rnn, test_rnn = lesson["train_rnn"], lesson["test_rnn"]
    assert train_rnn.cell is test_rnn.cell is lesson["cell"] and test_rnn.stateful
    assert lesson["cell"].units == 8 and lesson["x"].shape == (1, 20, 3)
    assert 0.7 < lesson["x"].std() < 1.3
    assert lesson["at_once"].shape == lesson["in_steps"].shape == (1, 20, 8)
    assert np.array_equal(lesson["at_once"], lesson["in_steps"])
    assert lesson["difference"] == 0
    np.testing.assert_array_equal(lesson["images"], 2 * [lesson["at_once"][0].T])
    assert lesson["titles"] == ["train net, all steps at once", "test net, step by step"]


def test_the_train_net_learned_as_the_lesson_says(lesson):
    """One step of Adam moves each weight by its learning rate, whatever the gradient is."""
    import keras

    keras.utils.set_random_seed(1)
    cell = keras.layers.LSTMCell(8)
    rnn = keras.layers.RNN(cell, return_sequences=True)
    np.random.normal(size=(1, 20, 3))
    net = keras.Sequential([keras.Input((20, 3)), rnn])
    net.compile(keras.optimizers.Adam(0.1), loss="mse")
    net.train_on_batch(lesson["x"], np.ones((1, 20, 8)))
    for here, weight in zip(net.get_weights(), lesson["train_net"].get_weights(), strict=True):
        np.testing.assert_array_equal(here, weight)
    assert np.abs(net.get_weights()[2][:8]).mean() > 0.09, "it did move"


def test_a_cell_of_its_own_says_something_else(lesson):
    import keras

    other = keras.layers.RNN(keras.layers.LSTMCell(8), return_sequences=True)
    assert np.abs(other(lesson["x"]).numpy() - lesson["at_once"]).max() > 0.1


def test_moving_the_train_net_moves_the_test_net(lesson):
    test_rnn, x = lesson["test_rnn"], lesson["x"]
    weights = lesson["train_net"].get_weights()
    lesson["train_net"].set_weights([weight * 1.5 for weight in weights])
    test_rnn.reset_state()
    steps = np.stack([test_rnn(x[:, t : t + 1]) for t in range(20)], axis=1)
    assert np.array_equal(steps, lesson["train_net"](x))
    assert np.abs(steps - lesson["at_once"]).max() > 0.01
    lesson["train_net"].set_weights(weights)


# ------------------------------------------------------------------------------- the report

ROWS = [f"{name}, {its_name}" for name, (its_name, _) in IN_THE_NOTES.items()]
ROWS += ["var3_reuse is var3", "var4_reuse is var4", "train net and test net differ by at most"]


def test_the_report(run):
    rows = run.results["results"]
    values = [VALUES.get(name, its_value) for name, (_, its_value) in IN_THE_NOTES.items()]
    assert list(run.here.items()) == list(zip(ROWS, [*values, "True", "False", 0], strict=True))
    notes = [its_value for _, its_value in IN_THE_NOTES.values()]
    assert [row["notes"] for row in rows] == [*notes, "True", "False", "-"]
    assert all(row["holds"] is True for row in rows)


@pytest.mark.parametrize("name", [*IN_THE_NOTES, "sharing", "nets"])
def test_each_row_can_become_no(name, lesson):
    """The lesson's own lines, run once more with another value in one place."""
    import tensorflow as tf

    other = tf.Variable([2.5])
    names = dict(lesson, table=[list(row) for row in lesson["table"]], rows=[])
    for row in names["table"]:
        changed = row[1].startswith(f"{name},")
        row[0] = other if changed else tf.Variable([np.float32(row[2].strip("[]"))])
    if name == "sharing":
        names |= dict(var3_reuse=other, var4_reuse=lesson["var4"])
    if name == "nets":
        names |= dict(in_steps=lesson["at_once"] + np.float32(1e-6))
    wanted = ("rows = ", "for variable, ", "for (variable, ", "difference = ", "rows += ")
    for statement in ast.parse(TEXT).body:
        if ast.unparse(statement).startswith(wanted):
            exec(ast.unparse(statement), names)
    wrong = {"sharing": ROWS[8:10], "nets": ROWS[10:]}
    wrong |= {name: [row] for name, row in zip(IN_THE_NOTES, ROWS)}
    assert [row[0] for row in names["rows"] if not row[3]] == wrong[name]


# ------------------------------------------------------------------------------------- more


@pytest.mark.full
def test_the_full_run_is_the_smoke_run(run, full_run):
    assert full_run(19)["here"] == run.here
    assert all(row["holds"] is True for row in full_run(19)["results"])


@pytest.mark.seeds
@pytest.mark.parametrize(
    ("seed", "units", "steps"), [(1, 64, 20), (1, 8, 200), (2, 8, 20), (3, 1, 1), (4, 33, 7)]
)
def test_try_it_no_difference_at_other_sizes(seed, units, steps, tmp_path):
    flags = ("--seed", seed, "--units", units, "--time-steps", steps)
    again = run_here(19, *flags, out=tmp_path)
    assert again.variables["difference"] == 0
    assert again.variables["at_once"].shape == (1, steps, units)
    assert all(row["holds"] is True for row in again.results["results"])
