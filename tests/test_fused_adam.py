"""`FusedAdam` is `keras.optimizers.Adam`: the same numbers, on any weights, under any policy."""

import numpy as np
import pytest
import running  # noqa: F401  (puts lessons/ on the path)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_takes_the_steps_of_keras_adam(dtype):
    import keras
    from fused_adam import FusedAdam

    x = np.random.default_rng(1).normal(size=(64, 20)).astype(np.float32)
    trained = []
    for adam in (keras.optimizers.Adam, FusedAdam):
        keras.utils.set_random_seed(1)
        hidden = keras.layers.Dense(30, "tanh", dtype=dtype)
        model = keras.Sequential([keras.Input((20,)), hidden, keras.layers.Dense(1)])
        first = model.get_weights()
        model.compile(adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-5), loss="mse")
        model.fit(x, x[:, 0] ** 2, batch_size=16, epochs=5, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    # The two round differently. Seen after 20 steps: 7e-7 in float32; 1e-4 in bfloat16, which has
    # 8 bits, so that a weight rounded otherwise gives other gradients from there on.
    tolerance = 1e-5 if dtype == "float32" else 2e-3
    for start, keras_own, fused in zip(first, *trained):
        assert fused == pytest.approx(keras_own, abs=tolerance)
        assert np.abs(fused - start).max() > 0.02


def test_a_saved_model_goes_on_with_it(tmp_path):
    import keras
    from fused_adam import FusedAdam

    x = np.ones((8, 3), np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(FusedAdam(0.1), loss="mse")
    model.fit(x, x[:, :1], verbose=0)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    for one in (model, again):
        one.fit(x, x[:, :1], epochs=3, verbose=0)
    assert type(again.optimizer) is FusedAdam and int(again.optimizer.iterations) == 4
    assert np.array_equal(model.get_weights()[0], again.get_weights()[0])
