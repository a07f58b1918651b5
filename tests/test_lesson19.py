"""Lesson 19: the notes' seven names and values are TF1's, and what is shared is one object."""

import os
import subprocess
import sys

import numpy as np
import pytest
from running import assert_one_line, read_results, run_lesson, variables


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("lesson19")


@pytest.fixture(scope="module")
def run(out):
    return variables(19, "--smoke", "--out", out)


# The two programs of the notes as TF1 ran them; prints name and value of the seven variables.
TF1_PROGRAMS = """
import sys
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
made = []
with tf.name_scope("a_name_scope"):
    ones = tf.constant_initializer(value=1)
    made.append(tf.get_variable(name="var1", shape=[1], dtype=tf.float32, initializer=ones))
    for value in (2, 2.1, 2.2):
        made.append(tf.Variable(name="var2", initial_value=[value], dtype=tf.float32))
with tf.variable_scope("a_variable_scope") as scope:
    threes = tf.constant_initializer(value=3)
    made.append(tf.get_variable(name="var3", shape=[1], dtype=tf.float32, initializer=threes))
    made.append(tf.Variable(name="var4", initial_value=[4], dtype=tf.float32))
    scope.reuse_variables()
    made.append(tf.get_variable(name="var3"))
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for variable in made:
        print(variable.name, session.run(variable)[0])
"""


def test_the_left_column_is_what_tf1_gives(run):
    process = subprocess.run(
        [sys.executable, "-c", TF1_PROGRAMS],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "0"},
    )
    assert process.returncode == 0, process.stderr
    tf1 = [line.split() for line in process.stdout.splitlines()]
    notes = list(run["in_the_notes"].values())
    assert [name for name, _ in tf1] == [name for name, _ in notes]
    # The notes' numpy printed 2.0999999 and 2.20000005; as float32 they are 2.1 and 2.2.
    values = [np.float32(value.strip("[]")) for _, value in notes]
    assert [np.float32(value) for _, value in tf1] == values


def test_the_right_column_is_read_from_the_variables(run):
    names = ["var1", "var2", "var21", "var22", "var3", "var4", "var3_reuse"]
    assert list(run["here"]) == names
    assert [run["here"][name][0] for name in names] == [run[name].name for name in names]
    values = [np.float32(value.strip("[]")) for _, value in run["here"].values()]
    assert values == [np.float32(value) for value in (1, 2, 2.1, 2.2, 3, 4, 3)]
    assert run["var3"].name == run["in_the_notes"]["var3"][0]
    assert run["var2"].name == run["var21"].name == run["var22"].name, "not numbered apart"


def test_inside_a_graph_variables_are_numbered_as_in_the_notes():
    """What FINDINGS has about the eager names is no accident of this run."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.name_scope("a_name_scope"):
        made = [tf.Variable([2.0], name="var2").name for _ in range(3)]
    assert made == ["a_name_scope/var2:0", "a_name_scope/var2_1:0", "a_name_scope/var2_2:0"]


def test_all_seven_rows_are_in_the_report_and_hold(run, out):
    results = read_results(out, 19)
    rows = {row["name"]: row for row in results["results"]}
    for name, (its_name, its_value) in run["in_the_notes"].items():
        assert rows[f"{name} name"]["notes"] == its_name
        assert rows[f"{name} name"]["here"] == run["here"][name][0]
        assert rows[f"{name} value"]["notes"] == its_value
        assert rows[f"{name} value"]["holds"] is True
    unclaimed = [name for name, row in rows.items() if row["holds"] is not True]
    assert unclaimed == ["var1 name", "var21 name", "var22 name"], "where TF2 differs"
    assert all(rows[name]["holds"] is None for name in unclaimed)


def test_sharing_is_identity_and_one_step_moves_both(run):
    assert run["var3_reuse"] is run["var3"] is run["scope"].var3
    assert run["scope"].trainable_variables == (run["var3"], run["var4"])
    assert run["var3_reuse"].numpy() == np.float32(3 - 0.1 * 7), "two uses: gradient 2 + 5"
    assert run["one"].layers[0] is run["other"].layers[0]
    assert run["answers"] == [1, 1], "2 before the step that only one of them made"


def test_the_two_lstm_nets_have_one_set_of_weights(run):
    train, test = run["train_net"].trainable_variables, run["test_net"].trainable_variables
    assert [id(v) for v in train] == [id(v) for v in test] and len(train) == 3
    units = run["cfg"].units
    assert run["weights"] == [4 * units * (3 + units + 1)] * 3


def test_training_one_net_moves_the_other_and_they_go_on_agreeing(run):
    before = run["step_by_step"](run["test_net"])
    for weight in run["train_net"].trainable_variables:
        weight.assign(weight * 1.5)
    after = run["step_by_step"](run["test_net"])
    at_once = run["train_net"]([run["sequence"], run["start"], run["start"]])[0].numpy()
    assert np.abs(after - before).max() > 0.01
    assert np.array_equal(after, at_once)
    assert np.abs(run["step_by_step"](run["stranger"]) - at_once).max() > 0.01


@pytest.mark.parametrize(
    ("seed", "units", "steps"), [(2, 8, 20), (3, 1, 3), (4, 64, 7), (5, 33, 2)]
)
def test_the_outputs_are_identical_at_other_sizes(seed, units, steps, tmp_path):
    flags = ("--seed", seed, "--units", units, "--time-steps", steps, "--out", tmp_path)
    assert variables(19, *flags)["difference"] == 0
    assert all(row["holds"] in (True, None) for row in read_results(tmp_path, 19)["results"])


def test_the_tensorboard_log_has_both_scopes(run, out):
    import tensorflow as tf

    (log,) = (out / "lesson19" / "graph").iterdir()
    nodes = []
    for record in tf.data.TFRecordDataset(str(log)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        nodes += [node.name for node in tf.compat.v1.GraphDef.FromString(event.graph_def).node]
    assert nodes == run["operations"]
    assert {name.split("/")[0] for name in nodes if "/" in name} == {
        "a_name_scope",
        "a_variable_scope",
    }
    assert "a_name_scope/add" in nodes and "a_name_scope/add_1" in nodes, "numbered as in TF1"


def test_a_second_run_leaves_one_log(run, out):
    variables(19, "--smoke", "--out", out)
    assert len(list((out / "lesson19" / "graph").iterdir())) == 1


def test_a_file_in_place_of_the_log_is_one_line(tmp_path):
    (tmp_path / "lesson19").mkdir()
    (tmp_path / "lesson19" / "graph").write_text("precious")
    process = run_lesson(19, "--smoke", "--out", tmp_path)
    assert_one_line(process, about="graph")
    assert (tmp_path / "lesson19" / "graph").read_text() == "precious"
