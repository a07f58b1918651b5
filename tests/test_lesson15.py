"""Lesson 15: the network is the notes' network, and each of its claims can become NO."""

import shutil
from functools import partial

import common
import numpy as np
import pytest
from PIL import Image
from running import run_here

STEP_50, STEP_300, STEP_600 = (f"test accuracy at step {step}" for step in (50, 300, 600))
STANDS_STILL, LEARNS = "Adadelta(0.0001) at step 50", "Adadelta(1) at step 50"


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(15)


@pytest.fixture(scope="module")
def here(run):
    """The lesson's own variables, after 51 steps of 20 images."""
    return run.variables


def test_the_layers_are_those_of_the_notes(here):
    shapes = dict(h_conv1=(28, 28, 32), h_pool1=(14, 14, 32), h_conv2=(14, 14, 64))
    shapes |= dict(h_pool2=(7, 7, 64), h_pool2_flat=(3136,), h_fc1=(1024,), logits=(10,))
    assert {name: here[name].shape[1:] for name in shapes} == shapes
    weights = [weight.shape for weight in here["model"].weights]
    assert weights[:4] == [(5, 5, 1, 32), (32,), (5, 5, 32, 64), (64,)]
    assert weights[4:] == [(3136, 1024), (1024,), (1024, 10), (10,)]
    (dropout,) = [layer for layer in here["model"].layers if hasattr(layer, "rate")]
    assert dropout.rate == 0.5


def test_the_network_calculates_what_the_notes_write_down(here):
    """The notes' graph, in TF1's own functions, with our weights."""
    import tensorflow.compat.v1 as tf

    W1, b1, W2, b2, W3, b3, W4, b4 = here["model"].get_weights()
    x = here["v_xs"][:5]
    h = tf.nn.relu(tf.nn.conv2d(x.reshape(-1, 28, 28, 1), W1, [1, 1, 1, 1], "SAME") + b1)
    h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.nn.relu(tf.nn.conv2d(h, W2, [1, 1, 1, 1], "SAME") + b2)
    h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.nn.relu(tf.matmul(tf.reshape(h, [-1, 7 * 7 * 64]), W3) + b3)
    prediction = tf.nn.softmax(tf.matmul(h, W4) + b4).numpy()
    assert here["prediction"][:5] == pytest.approx(prediction, abs=1e-5)
    labels = np.eye(10)[here["v_ys"][:5]]
    cross_entropy = np.mean(-np.sum(labels * np.log(prediction), axis=1))
    logits = here["model"].predict(x, verbose=0)
    assert here["first_logits"] == pytest.approx(logits[0], abs=1e-4)
    loss = here["model"].loss(here["v_ys"][:5], logits)
    assert float(loss) == pytest.approx(cross_entropy, rel=1e-4)


def test_the_weights_begin_as_those_of_the_notes(here):
    for kernel, bias in zip(here["first_weights"][::2], here["first_weights"][1::2]):
        # A normal distribution with sigma 0.1, cut at two sigma, keeps 0.088 of spread.
        assert np.abs(kernel).max() <= 0.2 and kernel.std() == pytest.approx(0.088, rel=0.06)
        assert (bias == np.float32(0.1)).all()


def test_a_step_is_adams_and_the_accuracy_the_share_of_right_answers(here, run):
    optimizer = here["model"].optimizer
    assert type(optimizer).__name__ == "Adam" and optimizer.epsilon == 1e-8
    assert float(optimizer.learning_rate) == pytest.approx(1e-4)
    assert int(optimizer.iterations) == 51 and here["batch_xs"].shape == (20, 784)
    share = np.mean(here["prediction"].argmax(axis=1) == here["v_ys"])
    assert list(here["accuracy"]) == [0, 50]
    assert here["accuracy"][50] == pytest.approx(share) == run.here["test accuracy at the end"]
    assert 0.25 < share < 0.7, "20 images a step are too few for the notes' figure"
    assert run.holds[STEP_50] == "no"
    assert here["commonest"] == 0.1135


def test_the_figure_shows_four_stages_of_the_first_digit(here):
    stages = [channel.shape for channel in here["channels"][::8]]
    assert stages == [(28, 28), (14, 14), (14, 14), (7, 7)]
    assert here["channels"][8] == pytest.approx(  # pooled: the largest of every 2 x 2
        here["channels"][0].reshape(14, 2, 14, 2).max(axis=(1, 3))
    )


def test_adadelta_stands_still_and_with_another_rate_learns(run):
    assert (run.holds[STANDS_STILL], run.holds[LEARNS]) == ("slip", "yes")


# ----------------------------------------------------------------- break it, and see the NO


def test_the_experiments_can_come_out_otherwise(monkeypatch, tmp_path):
    """The pixels not shuffled, and the rates of Adadelta exchanged."""
    import keras

    permutation, adadelta = np.random.permutation, keras.optimizers.Adadelta
    monkeypatch.setattr(
        np.random, "permutation", lambda n: range(n) if n == 784 else permutation(n)
    )
    monkeypatch.setattr(
        keras.optimizers, "Adadelta", lambda rate, epsilon: adadelta(1e-4 / rate, epsilon=epsilon)
    )
    run = run_here(15, "--smoke", "--batch-size", 100, out=tmp_path)
    assert abs(run.here[STEP_50] - 0.7985) < 0.08, "the notes' figure, but with no advantage"
    assert run.holds[STEP_50] == run.holds[STANDS_STILL] == run.holds[LEARNS] == "no"


@pytest.mark.full
def test_shuffled_labels_and_the_printed_optimizer_miss_the_notes(monkeypatch, tmp_path):
    run = run_here(15, "--optimizer", "adadelta", "--steps", 301, out=tmp_path)
    assert run.holds[STEP_50] == run.holds[STEP_300] == "no"

    def load_shuffled():
        mnist = load()
        np.random.default_rng(1).shuffle(mnist.train.labels)
        return mnist

    load = common.load_mnist
    monkeypatch.setattr(common, "load_mnist", load_shuffled)
    run = run_here(15, "--steps", 51, out=tmp_path)
    assert run.holds[STEP_50] == "no"


# ------------------------------------------------------------------------ the reader's own digit


def test_predict_answers_what_it_can_without_training(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "lesson15")
    report = (tmp_path / "lesson15" / "results.json").read_bytes()
    paths, prediction = [], run.variables["prediction"]
    surest = prediction.argmax(axis=0)[:2]  # a 0 and a 1 that leave even this network no doubt
    for i in surest:
        pixels = np.kron(255 - 255 * run.variables["v_xs"][i].reshape(28, 28), np.ones((10, 10)))
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    (tmp_path / "text.png").write_text("not a picture", "utf-8")
    predicted = run_here(15, "--predict", paths[0], tmp_path / "text.png", paths[1], out=tmp_path)
    for path, answer in zip(paths, prediction[surest].argmax(axis=1)):
        assert f"{path}: {answer}, " in predicted.printed
    assert "text.png" in predicted.trouble and "\n" not in predicted.trouble
    assert (tmp_path / "lesson15" / "predict.png").exists()
    assert "step  " not in predicted.printed
    assert (tmp_path / "lesson15" / "results.json").read_bytes() == report, "nothing is lost"


def test_predict_before_any_run(tmp_path):
    assert "missing" in run_here(15, "--predict", "x.png", out=tmp_path).trouble


# ------------------------------------------------------------------------- at the notes' settings


@pytest.mark.full
def test_full_run(full_run):
    results = full_run(15)
    assert results["here"][STEP_600] >= 0.955
    assert results["here"]["test accuracy at the end"] >= 0.966
    assert set(results["holds"].values()) == {"yes", "slip", None}


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_other_seeds(seed, tmp_path):
    run = run_here(15, "--seed", seed, out=tmp_path)
    assert run.here[STEP_600] >= 0.955
    assert set(run.holds.values()) == {"yes", "slip", None}


@pytest.mark.seeds
def test_filters_that_never_learn_miss_the_notes(monkeypatch, tmp_path):
    import keras

    monkeypatch.setattr(keras.layers, "Conv2D", partial(keras.layers.Conv2D, trainable=False))
    run = run_here(15, "--steps", 601, out=tmp_path)
    assert run.holds[STEP_600] == "no"


@pytest.mark.seeds
@pytest.mark.parametrize(
    "flags, at_the_end",
    [
        ("--learning-rate 0.001", 0.9873),
        ("--batch-size 10", 0.939),
        ("--optimizer adadelta --learning-rate 1", 0.9826),
        ("--dtype mixed_bfloat16", 0.9729),
    ],
)
def test_try_it(flags, at_the_end, tmp_path):
    run = run_here(15, *flags.split(), out=tmp_path)
    assert run.here["test accuracy at the end"] == pytest.approx(at_the_end, abs=0.006)
