"""Lesson 20: the nets are the notes' nets, normalization is the notes' formula, and it works."""

import numpy as np
import pytest
from running import assert_one_line, read_results, run_lesson, variables


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The lesson's own variables after 20 steps of all four nets."""
    return variables(20, "--smoke", "--out", tmp_path_factory.mktemp("lesson20"))


def dense_layers(net):
    return [layer for layer in net.layers if type(layer).__name__ == "Dense"]


def normalizations(net):
    return [layer for layer in net.layers if type(layer).__name__ == "BatchNormalization"]


def test_the_data_are_those_of_the_notes(run):
    x, y = run["x_data"].numpy(), run["y_data"].numpy()
    assert x.shape == y.shape == (2500, 1)
    assert np.sort(x[:, 0]) == pytest.approx(np.linspace(-7, 10, 2500), abs=1e-5)
    assert (np.diff(x[:10, 0]) < 0).any(), "shuffled"
    noise = y - (x**2 - 5)  # 2,500 draws: mean known to 0.16, spread to 0.11
    assert abs(noise.mean()) < 0.6 and noise.std() == pytest.approx(8, abs=0.4)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_both_nets_start_alike_and_as_in_the_notes(run, activation):
    plain, normalized = (run["built_net"](activation, norm) for norm in (False, True))
    assert len(normalizations(plain)) == 0 and len(normalizations(normalized)) == 8
    pairs = list(zip(dense_layers(plain), dense_layers(normalized)))
    assert [layer.units for layer, _ in pairs] == [30] * 7 + [1]
    for one, other in pairs:
        for value, same in zip(one.get_weights(), other.get_weights()):
            assert (value == same).all()
    kernels = [layer.get_weights()[0] for layer, _ in pairs]
    assert (kernels[1] != kernels[2]).all(), "each layer has a draw of its own"
    assert np.concatenate([k.ravel() for k in kernels]).std() == pytest.approx(1, abs=0.05)
    assert all((layer.get_weights()[1] == np.float32(0.1)).all() for layer, _ in pairs)
    shapes = [output.shape for output in normalized.outputs]
    assert shapes == [(None, 1), *[(None, 30)] * 7, (None, 1)]


def test_keras_normalizes_as_the_formula_of_the_notes(run):
    """(x - mean) / sqrt(variance + 0.001) * scale + shift, and moving averages of decay 0.5."""
    layer = normalizations(run["built_net"]("tanh", True))[1]
    rng = np.random.default_rng(1)
    scale, shift, old_mean = rng.normal(size=(3, 30)).astype(np.float32)
    old_variance = np.float32(scale**2 + 1)
    layer.set_weights([scale, shift, old_mean, old_variance])
    batch = rng.normal(3, 5, (10, 30)).astype(np.float32)
    mean, variance = batch.mean(axis=0), batch.var(axis=0)

    expected = (batch - mean) / np.sqrt(variance + 0.001) * scale + shift
    assert layer(batch, training=True).numpy() == pytest.approx(expected, abs=1e-4)
    by_hand = [old * 0.5 + new * 0.5 for old, new in ((old_mean, mean), (old_variance, variance))]
    for moving, expected in zip(layer.get_weights()[2:], by_hand):
        assert moving == pytest.approx(expected, rel=1e-5)
    fixed = (batch - by_hand[0]) / np.sqrt(by_hand[1] + 0.001) * scale + shift
    assert layer(batch, training=False).numpy() == pytest.approx(fixed, abs=1e-4)


def test_looking_changes_nothing_and_training_does(run):
    import tensorflow as tf

    net = run["built_net"]("tanh", True)
    before, before_kernels = net.get_weights(), [d.get_weights()[0] for d in dense_layers(net)]
    first = run["look"](net, run["x_data"])
    run["look"](net, run["x_data"], training=False)
    assert all((old == new).all() for old, new in zip(before, net.get_weights()))
    looks, costs = run["train"]([net], tf.constant(0), tf.constant(5))
    assert looks[0][-1].numpy() == pytest.approx(first[-1].numpy(), abs=1e-3)
    error = np.mean((run["y_data"].numpy() - first[-1].numpy()) ** 2)
    assert costs.numpy() == pytest.approx(np.array([[error]]), rel=1e-4)
    kernels = [layer.get_weights()[0] for layer in dense_layers(net)]
    assert all((kernel != old).any() for kernel, old in zip(kernels, before_kernels))
    assert all((layer.moving_mean.numpy() != 0).any() for layer in normalizations(net))


def test_a_step_is_gradient_descent(run):
    """The output bias: its gradient is the mean of 2 (prediction - y) over ten rows."""
    import tensorflow as tf

    net = run["built_net"]("tanh", False)
    x, y = run["x_data"].numpy()[30:40], run["y_data"].numpy()[30:40]
    gradient = np.mean(2 * (net(x)[-1].numpy() - y))
    run["train"]([net], tf.constant(3), tf.constant(1))
    assert dense_layers(net)[-1].get_weights()[1] == pytest.approx(0.1 - 0.001 * gradient, rel=1e-4)


def test_a_point_alone_is_lost_without_fixed_statistics(run):
    net = run["nets"]["tanh"][1]
    for training, alike in ((True, True), (False, False)):
        alone = [run["look"](net, run["x_data"][i : i + 1], training)[-1] for i in (0, 1, 2)]
        assert (np.ptp(alone) < 1e-3) == alike


def test_dead_units_are_said_in_words(run):
    """After 20 steps relu without BN is dead: the axes say so, and none of them is empty."""
    outputs = run["watched"]["relu"][20][0]
    assert not np.any(outputs[1:8])
    fig, axes = run["plt"].subplots(2, 8)
    run["draw_layers"](axes, "relu", 20)
    assert [ax.get_title() for ax in axes[0, 1:]] == ["all dead"] * 7
    assert all(ax.get_title().startswith("sd ") for ax in axes[1])
    run["watched"]["relu"][99] = [[np.full((4, 2), np.nan, np.float32)] * 9] * 2
    run["draw_layers"](axes, "relu", 99)
    assert axes[0, 3].get_title() == "inf or nan"


def test_one_activation_and_odd_numbers_of_steps(tmp_path):
    process = run_lesson(
        20, "--activation", "tanh", "--steps", 23, "--record", 7, "--out", tmp_path
    )
    assert process.returncode == 0 and process.stderr == ""
    results = read_results(tmp_path, 20)
    assert "layers_tanh.gif" in results["figures"] and "layers_relu.gif" not in results["figures"]
    assert_one_line(run_lesson(20, "--activation", "elu", "--out", tmp_path), about="elu")


# Seeds 1 to 5 gave: tanh 598 to 737 without BN, 124 to 176 with (0.19 to 0.28 of it); relu with
# BN 74 to 145, without nan from step 5 on.
@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_full_run(seed, full_run):
    results = full_run(20, seed)
    here = results["here"]
    assert here["tanh BN: cost last"] <= 0.35 * here["tanh no BN: cost last"]
    assert here["relu no BN: cost last"] in ("nan", "inf")
    assert here["relu no BN: stuck last"] == " ".join(["100"] * 7)
    assert here["relu BN: cost last"] < 200
    assert all(row["holds"] in (True, None) for row in results["results"])
