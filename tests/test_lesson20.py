"""Lesson 20: the nets are the notes' nets, and each claim about BN can become NO."""

import keras
import numpy as np
import pytest
from running import run_here

FORMULA, FRESH = "BN by hand and Keras's; without BN", "tanh, no BN: saturated; fresh N(0, 1)"
SATURATED, COST = "tanh, BN: saturated; no BN", "tanh, BN: cost; no BN"
RELU, ALIVE = "relu, BN: cost; mean of y", "relu, BN: above 0 in layer 7; no BN"
ALONE, NAN = "points alone: range; together", "relu, no BN: values at the end"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(20)


@pytest.fixture(scope="module")
def here(run):
    return run.variables


def normalized(x, gamma=1.0, beta=0.0):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.001) + beta


def test_a_net_is_the_notes_formula(here):
    """The last net, relu with BN, by hand, on all points."""
    x, weights = np.float64(here["x_data"]), iter(here["net"].get_weights())
    by_name = {w.path: w.numpy() for w in here["net"].weights}
    gammas = [value for path, value in by_name.items() if path.endswith("gamma")]
    betas = [value for path, value in by_name.items() if path.endswith("beta")]
    kernels = [value for path, value in by_name.items() if path.endswith("kernel")]
    biases = [value for path, value in by_name.items() if path.endswith("bias")]
    assert [k.shape for k in kernels] == [(1, 30), *[(30, 30)] * 6, (30, 1)]
    assert len(gammas) == 8 and next(weights) is not None
    x = normalized(x, gammas[0], betas[0])
    for k in range(7):
        x = normalized(x @ kernels[k] + biases[k], gammas[k + 1], betas[k + 1])
        assert np.array(here["before"]["relu, BN"][k]) == pytest.approx(x, abs=2e-2)
        x = np.maximum(x, 0)
        assert np.array(here["after"]["relu, BN"][k]) == pytest.approx(x, abs=2e-2)
    answer = here["look"](here["net"], here["x_data"]).numpy()
    assert answer == pytest.approx(x @ kernels[7] + biases[7], abs=0.2)


def test_all_nets_begin_alike_and_as_the_notes(here):
    first = {}
    for name, (activation_function, norm) in here["nets"].items():
        net, _ = here["built_net"](activation_function, norm)
        first[name] = [w.numpy() for w in net.weights if w.path.endswith(("kernel", "bias"))]
    for weights in first.values():
        assert all((a == b).all() for a, b in zip(weights, first["tanh, no BN"]))
    assert np.std(first["relu, BN"][2]) == pytest.approx(1, rel=0.1)
    assert (first["relu, BN"][3] == np.float32(0.1)).all()


def test_the_loop_is_the_notes(here):
    assert int(here["net"].optimizer.iterations) == 60
    assert float(here["net"].optimizer.learning_rate) == pytest.approx(0.001)
    assert (here["batch_xs"] == here["x_data"][590:600]).all()
    assert {len(costs) for costs in here["cost_his"].values()} == {12}
    assert here["x_data"].shape == (2500, 1)
    residual = here["y_data"] - (here["x_data"] ** 2 - 5)
    assert residual.std() == pytest.approx(8, rel=0.1)


def test_the_report_is_of_what_was_seen(here, run):
    outputs = np.array(here["after"]["tanh, BN"])
    assert run.here[SATURATED] == pytest.approx(np.mean(np.abs(outputs) > 0.96))
    assert run.here[COST] == here["cost_his"]["tanh, BN"][-1]
    baselines = {row["name"]: row["baseline"] for row in run.results["results"]}
    assert baselines[RELU] == pytest.approx(here["y_data"].var(), rel=1e-5)
    assert baselines[FRESH] == pytest.approx(0.0517, abs=0.004)  # of N(0, 1), by its table
    assert run.holds[FORMULA] == run.holds[FRESH] == run.holds[ALONE] == "yes"
    assert run.holds[NAN] == "slip" and run.holds[ALIVE] == "yes"
    # A net with BN has its moving averages: half the old and half the new, at each step.
    assert len(set(here["averages"]["tanh, BN"])) > 50


# ----------------------------------------------------------------- break it, and see the NO


def test_without_bn_its_claims_fail(monkeypatch, tmp_path):
    monkeypatch.setattr(
        keras.layers, "BatchNormalization", lambda **_: keras.layers.Activation("linear")
    )
    run = run_here(20, "--smoke", out=tmp_path)
    no = {name for name, holds in run.holds.items() if holds == "no"}
    assert no == {FORMULA, SATURATED, COST, RELU, ALIVE, ALONE}


def test_a_better_start_needs_no_bn(tmp_path):
    run = run_here(20, "--smoke", "--stddev", 0.1, out=tmp_path)
    assert run.holds[FRESH] == "no" and run.holds[NAN] == "no"


# ------------------------------------------------------------------------- at the full settings


@pytest.mark.full
def test_full_run(full_run):
    assert set(full_run(20)["holds"].values()) == {"yes", "slip", None}


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(2, 21))
def test_other_seeds(seed, tmp_path):
    run = run_here(20, "--seed", seed, out=tmp_path)
    assert set(run.holds.values()) == {"yes", "slip", None}
