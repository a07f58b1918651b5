"""Lesson 17: the cell is the notes' cell, and each claim about it can become NO."""

import functools

import common
import keras
import numpy as np
import pytest
from running import run_here

ACCURACY, FAR = "test accuracy", "27 rows back, LSTM; plain RNN"
SMALL = "N(0, 0.1) / N(0, 1), plain; LSTM"
BY_HAND, KEPT = "by hand and layer; size of m", "kept at each row, untrained"
OPEN, SHUT = "forget gates above 0.9; untrained", "forget gates below 0.1; untrained"
LEARNED = "111 rows back, LSTM; untrained"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(17)


@pytest.fixture(scope="module")
def here(run):
    return run.variables


def test_the_cell_is_tf1s(here):
    """TF1's BasicLSTMCell, gates in its order i, j, f, o and 1 added to f, with our weights."""
    W, U, b = here["lstm_cell"].get_weights()
    i, f, j, o = (np.concatenate([W, U])[:, 128 * k : 128 * k + 128] for k in range(4))
    kernel, b = np.concatenate([i, j, f, o], axis=1), b.reshape(4, 128)[[0, 2, 1, 3]].ravel()
    b[256:384] -= 1

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    X_in, c, h = np.array(here["lstm_in"](here["test_xs"][:3])), 0, np.zeros((3, 128))
    for row in range(28):
        i, j, f, o = np.split(np.concatenate([X_in[:, row], h], axis=1) @ kernel + b, 4, axis=1)
        c = c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j)
        h = np.tanh(c) * sigmoid(o)
    outputs, m_state, c_state = here["lstm_cell"](X_in)
    assert np.array(m_state) == pytest.approx(h, abs=1e-4) == np.array(outputs)
    assert np.array(c_state) == pytest.approx(c, abs=1e-4)
    assert here["c"][-1, :3] == pytest.approx(c, abs=1e-4)


def test_the_networks_differ_in_the_cell_alone(here):
    shapes = [[w.shape for w in here[name].weights] for name in ("model", "plain_model")]
    assert shapes[0][:2] == shapes[1][:2] == [(28, 128), (128,)]
    assert shapes[0][2:5] == [(128, 512), (128, 512), (512,)]
    assert shapes[1][2:5] == [(128, 128), (128, 128), (128,)]
    assert shapes[0][5:] == shapes[1][5:] == [(128, 10), (10,)]
    kernel, bias = here["plain_model"].layers[-1].get_weights()
    assert kernel.std() == pytest.approx(1, rel=0.1) and (bias == np.float32(0.1)).all()
    assert int(here["model"].optimizer.iterations) == 101, "2,020 images, 20 at a time"


def test_the_gradient_is_the_change_of_the_last_output(here):
    """By differences: one number of X_in made larger and smaller."""
    X_in = np.array(here["lstm_in"](here["mnist"].test.images[:4].reshape(1, 112, 28)))

    def last(row, step):
        moved = X_in.copy()
        moved[0, row, 5] += step
        return float(np.sum(here["lstm_cell"](moved)[0]))

    change = [(last(row, 0.02) - last(row, -0.02)) / 0.04 for row in (111, 105)]
    tf = here["tf"]
    with tf.GradientTape() as tape:
        X = tf.constant(X_in)
        tape.watch(X)
        m_state = here["lstm_cell"](X)[0]
    gradient = tape.gradient(m_state, X).numpy()[0]
    assert change == pytest.approx(gradient[[111, 105], 5], rel=0.05, abs=1e-3)
    sizes = here["gradient_by_row"](here["lstm_in"], here["lstm_cell"])
    assert sizes.shape == (112,) and sizes[0] == 1 and sizes[111] == here["far"]


def test_a_smoke_run_has_learned_too_little(run):
    assert run.holds[FAR] == run.holds[SMALL] == run.holds[BY_HAND] == "yes"
    assert run.holds[KEPT] == "slip"
    assert run.holds[ACCURACY] == "no"


# ----------------------------------------------------------------- break it, and see the NO


def test_another_cell_breaks_its_claims(monkeypatch, tmp_path):
    """The LSTM answers through a relu; its forget gates are open and stay."""
    LSTM = keras.layers.LSTM
    opened = dict(bias_initializer=keras.initializers.Constant(9), unit_forget_bias=False)
    monkeypatch.setattr(
        keras.layers,
        "LSTM",
        functools.partial(LSTM, activation="relu", kernel_initializer="zeros", **opened),
    )
    run = run_here(17, "--smoke", "--training-iters", 20, out=tmp_path)
    assert run.holds[BY_HAND] == run.holds[KEPT] == "no"
    assert run.holds[OPEN] == run.holds[SHUT] == "no"


def test_a_plain_rnn_that_remembers_as_long_breaks_the_comparison(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.layers, "SimpleRNN", keras.layers.LSTM)
    run = run_here(17, "--smoke", "--training-iters", 20, out=tmp_path)
    assert run.holds[FAR] == run.holds[SMALL] == "no"
    assert run.holds[LEARNED] == "no", "after one loop"


def test_the_same_large_numbers_reach_no_further(monkeypatch, tmp_path):
    """Whatever is asked for, the hidden layers begin with N(0, 1)."""
    large = keras.initializers.RandomNormal(stddev=1.0)
    monkeypatch.setattr(keras.initializers, "RandomNormal", lambda stddev: large)
    run = run_here(17, "--smoke", "--training-iters", 20, out=tmp_path)
    assert run.holds[SMALL] == "no"


@pytest.mark.full
def test_shuffled_labels_teach_nothing(monkeypatch, tmp_path):
    def load_shuffled():
        mnist = load()
        np.random.default_rng(1).shuffle(mnist.train.labels)
        return mnist

    load = common.load_mnist
    monkeypatch.setattr(common, "load_mnist", load_shuffled)
    run = run_here(17, "--training-iters", 20_000, out=tmp_path)
    assert run.holds[ACCURACY] == "no"


# ------------------------------------------------------------------------- at the full settings


@pytest.mark.full
def test_full_run(full_run):
    results = full_run(17)
    assert results["here"][ACCURACY] >= 0.95
    assert set(results["holds"].values()) == {"yes", "slip"}


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_other_seeds(seed, tmp_path):
    run = run_here(17, "--seed", seed, out=tmp_path)
    assert run.here[ACCURACY] >= 0.95
    assert set(run.holds.values()) == {"yes", "slip"}


@pytest.mark.seeds
def test_the_plain_rnn_reads_less(tmp_path):
    run = run_here(17, "--plain-rnn", "trained", out=tmp_path)
    baseline = run.variables["baseline"]
    assert 0.6 < baseline < 0.8 and run.holds[ACCURACY] == "yes"
    plain, lstm = (run.variables["gradients"][f"{name}, trained"] for name in ("plain RNN", "LSTM"))
    assert plain[111] < 1e-9 < 1e-4 < lstm[111]


@pytest.mark.seeds
def test_a_small_start_helps_the_plain_rnn_most(tmp_path):
    run = run_here(17, "--plain-rnn", "trained", "--stddev", 0.1, out=tmp_path)
    assert run.here[ACCURACY] > run.variables["baseline"] > 0.92
    assert run.holds[FAR] == run.holds[SMALL] == "no", "they are about the notes' start"


@pytest.mark.seeds
@pytest.mark.parametrize(
    "flags, accuracy",
    [
        ("--learning-rate 0.01", 0.930),
        ("--batch-size 32", 0.968),
        ("--learning-rate 0.1", 0.845),
    ],
)
def test_try_it(flags, accuracy, monkeypatch, tmp_path):
    if flags == "--learning-rate 0.1":  # the notes' optimizer
        monkeypatch.setattr(keras.optimizers, "Adam", keras.optimizers.Adadelta)
    run = run_here(17, *flags.split(), out=tmp_path)
    assert run.here[ACCURACY] == pytest.approx(accuracy, abs=0.02)
