"""The bench: every contest finds its variables and learns, and its table and json are whole."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import bench
import steps

PARAMETERS = {15: 3_274_634, 17: 136_586, 18: 468_368}


@pytest.fixture(scope="module")
def tf1_run():
    """tf1_run(15): the TF1 script's variables after a smoke run here, in a graph of its own."""
    import tensorflow as tf

    runs = {}

    def run(number):
        if number not in runs:
            with tf.Graph().as_default():
                runs[number] = steps.run_tf1(number, "smoke")
        return runs[number]

    return run


@pytest.mark.parametrize("number", bench.RESULTS)
def test_the_tf1_script_ends_with_its_result(tf1_run, capsys, number):
    tf1_run(number)
    assert np.isfinite(float(capsys.readouterr().out.splitlines()[-1]))


@pytest.mark.parametrize("number", bench.RESULTS)
def test_the_lesson_reports_the_same_result(smoke, number):
    assert np.isfinite(bench.result_of(number, smoke(number).results["results"]))


def assert_learns(number, net):
    assert net.parameters == PARAMETERS[number]
    batch = steps.next_batch(number, net)
    assert len(batch[0]) == len(batch[1]) == steps.BATCH[number]
    losses = [float(net.train(*batch)) for _ in range(10)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    net.data.test.images = net.data.test.images[:1000]
    assert 0 < steps.result(number, net) < 1


@pytest.mark.parametrize("number", steps.BATCH)
def test_the_tf1_graph_learns(tf1_run, number):
    assert_learns(number, steps.tf1_net(number, tf1_run(number)))


@pytest.mark.parametrize("number", steps.BATCH)
def test_the_pytorch_net_learns(number):
    pytest.importorskip("torch")
    assert_learns(number, steps.torch_net(number))


@pytest.mark.parametrize("number", steps.BATCH)
def test_the_lessons_model_learns(smoke, number):
    run = smoke(number).variables
    model, test_images = run[steps.MODEL[number]], run["mnist"].test.images
    trainable = model.trainable
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(variable) for variable in variables]
    try:
        assert_learns(number, steps.lesson_net(number, run))
    finally:  # other tests look at this run as well
        run["mnist"].test.images, model.trainable = test_images, trainable
        for variable, value in zip(variables, before):
            variable.assign(value)


def test_a_lesson_and_a_json_in_processes_of_their_own(tmp_path):
    command = [sys.executable, ROOT / "tests" / "bench" / "bench.py", "--smoke", "21"]
    process = subprocess.run([*command, "--json", tmp_path / "x"], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "here" in process.stdout and "/ TF1" in process.stdout
    found = json.loads((tmp_path / "x").read_text("utf-8"))
    assert found["cores"] and found["versions"].keys() >= {"python", "tensorflow", "keras"}
    (row,) = found["lessons"]
    assert row["lesson"] == 21 and row["bfloat16_ratio"] is None and found["steps"] == []
    assert row["ratio"] == pytest.approx(row["seconds"] / row["tf1_seconds"], abs=0.02)
    assert found["total_ratio"] == pytest.approx(row["ratio"], abs=0.02)
    if sys.platform != "win32":
        assert 0.5 < row["memory_ratio"] < 2


def test_sums_take_float32_where_a_lesson_has_no_bfloat16():
    fast = dict(seconds=4.0, bfloat16_seconds=2.0, tf1_seconds=4.0, memory=0.7)
    plain = dict(seconds=3.0, bfloat16_seconds=None, tf1_seconds=6.0, memory=0.9)
    found = bench.summary([fast, plain], [])
    assert (found["total_ratio"], found["total_bfloat16_ratio"]) == (0.7, 0.5)
    assert found["memory"] == 0.9
    assert bench.summary([plain], [])["total_bfloat16_ratio"] is None


def test_peak_memory_is_the_process_own():
    """Through a small process in between: this one is large, and a child inherits its peak."""
    code = "import bench, sys; print(bench.timed([sys.executable, '-c', 'b\"x\" * 2**28'])[1])"
    command, folder = [sys.executable, "-c", code], ROOT / "tests" / "bench"
    printed = subprocess.check_output(command, cwd=folder, text=True)
    assert printed == "0\n" or 0.25 < float(printed) < 0.35


@pytest.mark.seeds
@pytest.mark.parametrize("number", steps.BATCH)
def test_a_step_contest_in_processes(number, capsys):
    row = bench.training_step(number, turns=2, steps=2)
    assert row["here_ms"] > 0 and row["tf1_ms"] > 0
    assert (row["torch_ms"] is None) == (importlib.util.find_spec("torch") is None)
    assert "median" in capsys.readouterr().out
