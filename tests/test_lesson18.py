"""Lesson 18: the autoencoders are the notes' autoencoders, their halves share their layers, and
what the lesson says about codes and PCA is computed."""

import numpy as np
import pytest
from running import read_results, run_lesson, variables


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return variables(18, "--smoke", "--out", tmp_path_factory.mktemp("lesson18"))


def units(model):
    return [model.input_shape[-1], *(layer.units for layer in model.layers)]


def activations(model):
    return [layer.activation.__name__ for layer in model.layers]


def test_the_layers_are_those_of_the_notes(run):
    assert units(run["encoder"]) == [784, 256, 128]
    assert units(run["decoder"]) == [128, 256, 784]
    assert units(run["encoder_2"]) == [784, 128, 64, 10, 2]
    assert units(run["decoder_2"]) == [2, 10, 64, 128, 784]
    assert activations(run["encoder"]) == activations(run["decoder"]) == ["sigmoid"] * 2
    assert activations(run["encoder_2"]) == ["sigmoid"] * 3 + ["linear"]
    assert activations(run["decoder_2"]) == ["sigmoid"] * 4


def test_the_initial_values_are_those_of_the_notes(run):
    import keras

    half, initial = run["half"], keras.initializers
    kernels = []
    for normal, spread, limit in ((initial.RandomNormal, 1, 9), (initial.TruncatedNormal, 0.88, 2)):
        for layer in half(784, [256, 784], "sigmoid", normal).layers:
            kernel, bias = layer.get_weights()
            kernels.append(kernel)
            assert kernel.std() == pytest.approx(spread, rel=0.01)
            assert np.abs(kernel).max() <= limit
            assert bias.std() == pytest.approx(1, rel=0.15)  # 256 draws: known to about 4 %
    assert (kernels[0].ravel() != kernels[1].ravel()).any(), "each layer has draws of its own"


def test_whole_and_halves_share_their_layers(run):
    ten = run["x_test"][:10]
    for whole, encoder, decoder in (
        ("autoencoder", "encoder", "decoder"),
        ("autoencoder_2", "encoder_2", "decoder_2"),
    ):
        whole, encoder, decoder = run[whole], run[encoder], run[decoder]
        assert np.array_equal(whole(ten), decoder(encoder(ten)))
        shared = {id(weight) for weight in encoder.weights + decoder.weights}
        assert {id(weight) for weight in whole.weights} == shared


def test_a_half_can_be_saved_alone(run, tmp_path):
    import keras

    ten = run["x_test"][:10]
    for name in ("encoder", "decoder_2"):
        run[name].save(tmp_path / f"{name}.keras")
        alone = keras.models.load_model(tmp_path / f"{name}.keras")
        rows = ten if name == "encoder" else np.random.default_rng(1).normal(size=(10, 2))
        assert np.array_equal(alone(rows), run[name](rows))


def test_the_cost_is_the_mean_squared_error_on_the_test_images(run):
    for whole, costs in (("autoencoder", "cost"), ("autoencoder_2", "cost_2")):
        rebuilt = np.asarray(run[whole](run["x_test"]))
        assert run[costs][-1] == pytest.approx(np.mean((rebuilt - run["x_test"]) ** 2), rel=1e-4)


def test_pca_is_the_best_linear_code(run):
    """Against numpy's SVD, and against the same number of random directions."""
    x = run["x_train"]
    mean = x.mean(axis=0, dtype=np.float64)
    directions = np.linalg.svd(x - mean, full_matrices=False)[2][:20]
    rebuilt = (run["x_test"] - mean) @ directions.T @ directions + mean
    assert run["pca"](run["x_test"], 20) == pytest.approx(rebuilt, abs=1e-3)
    error = np.mean((rebuilt - run["x_test"]) ** 2)
    assert run["cost_pca"][128] < error < run["cost_pca"][2]


def test_no_autoencoder_sees_a_label(run):
    names = set(run["train"].__code__.co_names + run["half"].__code__.co_names)
    assert "x_train" in names and not {"y_train", "y_test"} & names


def test_the_classifiers_are_measured_on_the_test_labels(run):
    accuracy = float((run["logits"].argmax(axis=1) == run["y_test"]).mean())
    assert accuracy == run["accuracy"]["code of 2", 1024]
    assert run["accuracy"]["784 pixels", 1024] > 0.7, "after ten steps on 1,024 digits"


# Seeds 1 to 5 were tried; the lesson says what they gave.
@pytest.mark.full
def test_full_runs(full_run):
    costs = []
    for seed in (1, 2, 3, 4, 5):
        results = full_run(18, seed)
        here = results["here"]
        holds = {row["name"]: row["holds"] for row in results["results"]}
        costs.append(here["cost after epoch 10"])
        assert here["2 numbers: cost after epoch 20"] <= 0.043
        assert len([name for name, ok in holds.items() if ok]) == 13
        assert False not in holds.values()
    assert np.median(costs) <= 0.066


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_modern_initial_values(seed, tmp_path):
    process = run_lesson(18, "--init", "modern", "--seed", seed, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    here = read_results(tmp_path, 18)["here"]
    assert here["cost after epoch 10"] <= 0.008
    assert here["code of 128, 55,000 labels: accuracy"] > 0.9


@pytest.mark.full
def test_with_the_wrong_optimizer_the_cost_stays_large(tmp_path):
    run_lesson(18, "--optimizer", "sgd", "--training-epochs-2", 1, "--out", tmp_path)
    assert read_results(tmp_path, 18)["here"]["cost after epoch 10"] > 0.15
