"""Lesson 20: the nets are the notes' nets, and each claim about BN can become NO."""

import keras
import numpy as np
import pytest
from running import run_here

FORMULA, ALONE = "BN by hand and Keras's; no epsilon", "alone: range of answers; together"
SATURATED, COST = "tanh, BN: saturated; no BN", "tanh, BN: cost; no BN"
RELU, NAN = "relu, BN: cost; mean of y", "relu, no BN: share of nan; BN"
TEST = "averages: test cost; mean of y"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(20)


@pytest.fixture(scope="module")
def here(run):
    return run.variables


def normalized(x, gamma=1.0, beta=0.0):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.001) + beta


def test_a_net_is_the_notes_formula(here):
    """relu with BN, by hand, on all points."""
    net, watch = here["nets"]["relu, BN"]
    by_name = {w.path: w.numpy() for w in net.weights}
    gammas = [value for path, value in by_name.items() if path.endswith("gamma")]
    betas = [value for path, value in by_name.items() if path.endswith("beta")]
    kernels = [value for path, value in by_name.items() if path.endswith("kernel")]
    biases = [value for path, value in by_name.items() if path.endswith("bias")]
    assert [k.shape for k in kernels] == [(1, 30), *[(30, 30)] * 6, (30, 1)]
    x = normalized(np.float64(here["x_data"]), gammas[0], betas[0])
    for k, outputs in enumerate(watch(here["x_data"], training=True)):
        x = normalized(x @ kernels[k] + biases[k], gammas[k + 1], betas[k + 1])
        x = np.maximum(x, 0)
        assert outputs.numpy() == pytest.approx(x, abs=2e-2)
    answer = net(here["x_data"], training=True).numpy()
    assert answer == pytest.approx(x @ kernels[7] + biases[7], abs=0.2)


def test_all_nets_begin_alike_and_as_the_notes(here):
    first = {}
    for norm in (False, True):
        net, _ = here["built_net"]("tanh", norm)
        first[norm] = [w.numpy() for w in net.weights if w.path.endswith(("kernel", "bias"))]
    assert all((a == b).all() for a, b in zip(first[True], first[False]))
    assert np.std(first[True][2]) == pytest.approx(1, rel=0.1)
    assert (first[True][3] == np.float32(0.1)).all()


def test_the_loop_is_the_notes(here):
    for net, _ in here["nets"].values():
        assert int(net.optimizer.iterations) == 60
        assert float(net.optimizer.learning_rate) == pytest.approx(0.001)
    assert here["batch"] == slice(590, 600)
    assert {len(looks) for looks in here["looks"].values()} == {2}
    assert {len(costs) for costs in here["cost_his"].values()} == {12}
    assert here["x_data"].shape == (2500, 1)
    residual = here["y_data"] - (here["x_data"] ** 2 - 5)
    assert residual.std() == pytest.approx(8, rel=0.1)


def test_the_report_is_of_what_was_seen(here, run):
    outputs = here["looks"]["tanh, BN"][-1]
    assert run.here[SATURATED] == pytest.approx(np.mean(np.abs(outputs) > 0.96))
    assert run.here[COST] == here["cost_his"]["tanh, BN"][-1]
    baselines = {row["name"]: row["baseline"] for row in run.results["results"]}
    assert baselines[RELU] == pytest.approx(here["y_data"].var(), rel=1e-5)
    assert baselines[SATURATED] == pytest.approx(here["share"])
    assert "no" not in run.holds.values()


# ----------------------------------------------------------------- break it, and see the NO


def test_without_bn_its_claims_fail(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.layers.BatchNormalization, "call", lambda self, x, **_: x)
    run = run_here(20, "--smoke", out=tmp_path)
    no = {name for name, holds in run.holds.items() if holds == "no"}
    assert no == {FORMULA, SATURATED, COST, RELU, NAN, ALONE, TEST}


def test_a_better_start_needs_no_bn(tmp_path):
    run = run_here(20, "--smoke", "--stddev", 0.1, out=tmp_path)
    assert run.holds[SATURATED] == "no" and run.holds[NAN] == "no"


# ------------------------------------------------------------------------- at the full settings


@pytest.mark.full
def test_full_run(full_run):
    assert "no" not in full_run(20)["holds"].values()


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(2, 21))
def test_other_seeds(seed, tmp_path):
    run = run_here(20, "--seed", seed, out=tmp_path)
    assert "no" not in run.holds.values()
