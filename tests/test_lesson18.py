"""Lesson 18: the nets are the notes' nets, and each claim about them can become NO."""

import common
import keras
import numpy as np
import pytest
from running import run_here

MEAN_128, STUCK = "128 numbers: error; mean digit", "share of error in stuck pixels; with 2"
PCA_2, PCA_128 = "2 numbers: error; PCA", "128 numbers: error; PCA"
SAME = "read from codes; from pixels"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(18)


@pytest.fixture(scope="module")
def here(run):
    return run.variables


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


@pytest.mark.parametrize(
    "name, sizes, linear",
    [
        ("autoencoder", [784, 256, 128, 256, 784], []),
        ("plane", [784, 128, 64, 10, 2, 10, 64, 128, 784], [3]),
    ],
)
def test_the_nets_are_the_notes_formulas(here, name, sizes, linear):
    weights = here[name].get_weights()
    assert [W.shape for W in weights[::2]] == list(zip(sizes, sizes[1:]))
    x = here["x_test"][:20]
    for k, (W, b) in enumerate(zip(weights[::2], weights[1::2])):
        x = x @ W + b
        x = x if k in linear else sigmoid(x)
    assert here[name].predict(here["x_test"][:20], verbose=0) == pytest.approx(x, abs=1e-4)


def test_the_halves_are_parts_of_the_whole(here):
    for whole, first, second in (
        ("autoencoder", "encoder", "decoder"),
        ("plane", "plane_encoder", "plane_decoder"),
    ):
        x = here["x_test"][:20]
        parts = here[second](here[first](x))
        assert np.array(parts) == pytest.approx(np.array(here[whole](x)), abs=1e-6)
    assert here["points"].shape == (10_000, 2) and here["test_codes"].shape == (10_000, 128)


@pytest.mark.parametrize("name, truncated", [("dense", False), ("plane_dense", True)])
def test_the_weights_begin_as_mofans(here, name, truncated):
    layer = here[name](1000)
    layer.build((None, 100))
    W, b = layer.get_weights()
    assert W.std() == pytest.approx(0.88 if truncated else 1, rel=0.02)
    assert b.std() == pytest.approx(1, rel=0.1) and (np.abs(W).max() <= 2) == truncated


def test_what_is_saturated_and_what_is_stuck(here):
    assert here["saturated"](sigmoid(np.array([-3, 0, 3, 3.3]))) == 0.25
    assert 0.6 < here["first"] < 0.85 and 0.6 < here["last"] < 0.85
    images = here["x_test"].copy()
    images[:, 400] = 1  # a dot in the middle of every digit
    assert here["stuck_share"](images) == pytest.approx(1)
    assert here["stuck_share"](here["x_test"] * 0.9) < 0.001


def test_the_baselines_are_those_of_the_data(here):
    assert here["mean_cost"] == pytest.approx(here["x_train"].var(axis=0).mean(), rel=1e-4)
    assert here["mean_cost"] == pytest.approx(0.06726, abs=1e-5)
    # PCA by its singular values: what the others hold is lost, here of the training images.
    x = here["x_train"][:5000] - here["mean_digit"]
    P = here["directions"][:, -2:]
    lost = np.sum(x**2) - np.sum((x @ P) ** 2)
    best = np.sum(np.linalg.svd(x, compute_uv=False)[2:] ** 2)
    assert best <= lost * 1.0001 and lost < 1.02 * best
    assert [here["pca_2"], here["pca_128"]] == pytest.approx([0.0557, 0.0042], abs=5e-5)


def test_the_cost_is_of_the_last_batch_before_its_step(here, run):
    assert int(here["autoencoder"].optimizer.iterations) == 2 * (55_000 // 2500)
    assert run.here["cost after epoch 2"] == here["cost"][1]
    printed = [line for line in run.printed.splitlines() if line.startswith("Epoch: 0002")]
    assert printed[0] == f"Epoch: 0002 cost= {here['cost'][1]:.9f}"


# ----------------------------------------------------------------- break it, and see the NO


def test_a_smoke_run_beats_no_baseline(run):
    """Two epochs of 22 steps: no better than the mean digit, or than PCA."""
    assert run.holds[MEAN_128] == run.holds[PCA_2] == "no"
    assert run.holds[PCA_128] == run.holds[SAME] == "slip"


def test_pictures_that_never_change_beat_nothing(monkeypatch, tmp_path):
    """Every net answers with the mean digit, whatever it is shown."""
    mean = common.load_mnist().train.images.mean(axis=0)
    predict = keras.Sequential.predict

    def answer(self, x, **options):
        result = predict(self, x, **options)
        return np.tile(mean, (len(x), 1)) if result.shape[1] == 784 else result

    monkeypatch.setattr(keras.Sequential, "predict", answer)
    flags = "--smoke --training-epochs 1 --plane-epochs 1".split()
    run = run_here(18, *flags, out=tmp_path)
    assert run.holds[MEAN_128] == run.holds[PCA_2] == run.holds[STUCK] == "no"


@pytest.mark.full
def test_with_small_first_weights_as_in_try_it(tmp_path):
    run = run_here(18, *"--stddev 0.1 --plane-epochs 1".split(), out=tmp_path)
    assert run.here["cost after epoch 10"] == pytest.approx(0.0060, abs=0.001)
    assert run.holds[STUCK] == "no", "nothing is stuck then"
    assert run.holds[SAME] == "no", "nearly as well from 128 numbers: no slip then"


@pytest.mark.full
def test_it_is_the_last_layer(monkeypatch, tmp_path):
    """Its weights and biases are the seventh and eighth that code 1 draws."""
    drawn, RandomNormal = [], keras.initializers.RandomNormal

    def normal(stddev):
        drawn.append(stddev)
        return RandomNormal(stddev=0.1 if len(drawn) in (7, 8) else stddev)

    monkeypatch.setattr(keras.initializers, "RandomNormal", normal)
    run = run_here(18, "--plane-epochs", 1, out=tmp_path)
    assert run.holds[STUCK] == "no" and run.here[MEAN_128] < 0.02
    assert run.variables["first"] > 0.6 > 0.05 > run.variables["last"]


@pytest.mark.full
def test_beyond_pca_is_no_slip_where_pca_is_worse(monkeypatch, tmp_path):
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda m: (None, eigh(m)[1][:, ::-1]))  # the smallest
    flags = "--stddev 0.1 --training-epochs 1 --plane-epochs 1".split()
    assert run_here(18, *flags, out=tmp_path).holds[PCA_128] == "no"


# ------------------------------------------------------------------------- at the full settings


@pytest.mark.full
def test_full_run(full_run):
    assert set(full_run(18)["holds"].values()) == {"yes", "slip", None}


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_other_seeds(seed, tmp_path):
    run = run_here(18, "--seed", seed, out=tmp_path)
    assert set(run.holds.values()) == {"yes", "slip", None}
