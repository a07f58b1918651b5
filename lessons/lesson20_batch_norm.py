"""Lesson 20: Batch normalization 批標準化

You will see two networks with the same bad start side by side, without and with batch
normalization: how the inputs of their layers are distributed while they learn, what each
costs, and what becomes of the normalized one when it meets a single point.

    python lessons/lesson20_batch_norm.py                     # relu and tanh, as the notes discuss
    python lessons/lesson20_batch_norm.py --activation tanh   # one of them
    python lessons/lesson20_batch_norm.py --smoke             # all of it, in seconds

| TF1 in the notes                      | here                                             |
|---------------------------------------|--------------------------------------------------|
| `tf.placeholder`, `feed_dict`         | `keras.Input`; rows cut out of a constant        |
| `tf.Variable(tf.random_normal())`     | `keras.initializers.RandomNormal`                |
| `tf.nn.moments`, `batch_normalization`, `ExponentialMovingAverage` | `layers.BatchNormalization` |
| `layers_inputs`, a list of tensors    | one `keras.Model` with several outputs           |
| `GradientDescentOptimizer(0.001)`     | `tf.GradientTape`, `weight.assign_sub`           |
| `sess.run([train_op, train_op_norm])` | `train(both, ...)`, one `tf.function`            |

Where the notes slip:
- Their comment says that a test must use fixed statistics; their code never does. Ours compares.
- `fix_seed(1)` before each net does not give both the same weights: a TF1 draw also depends on
  how many operations were made before it. Here they do start alike.
- relu without BN has no error curve since its cost is not finite. Here the empty axis says so.
"""

# %%
import common

cfg = common.settings(
    __doc__,
    activation=("both", "relu", "tanh"),
    steps=250,
    learning_rate=0.001,
    record=10,
    smoke=dict(steps=20),
)

# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import initializers, layers
from matplotlib.animation import FuncAnimation

ACTIVATIONS = ["relu", "tanh"] if cfg.activation == "both" else [cfg.activation]
N_LAYERS, N_HIDDEN_UNITS = 7, 30
NAMES, COLORS = ["no BN", "BN"], ["#D55E00", "#0072B2"]

# %% [markdown]
# ## The data
# A parabola in much noise (standard deviation 8), shuffled. x runs from -7 to 10, far wider than
# the range in which a tanh reacts: that is why data are normalized (標準化).

# %%
x_data = np.linspace(-7, 10, 2500, dtype=np.float32)[:, np.newaxis]  # (2500, 1)
np.random.shuffle(x_data)
noise = np.random.normal(0, 8, x_data.shape)
y_data = np.float32(np.square(x_data) - 5 + noise)  # (2500, 1)

fig, ax = plt.subplots(figsize=(6, 3.6))
ax.scatter(x_data, y_data, s=4, alpha=0.5)
ax.set(xlabel="x", ylabel="y", title="2,500 points of y = x² - 5 + noise")
common.show(fig, "data")

# %% [markdown]
# ## The two networks
# fully connected layer (全連接層) → batch normalization → activation function (激活函數) → next
#
# The weights come from N(0, 1), on purpose a bad start: 30 inputs add up to a spread of about 5,
# and a tanh of that is nearly always -1 or 1. Batch normalization takes the batch's mean and
# variance out of every unit's input, then lets the unit learn a scale (擴展參數 γ) and a shift
# (平移參數 β), with which it can undo the normalization if that turns out to be useless.
# `momentum` is the notes' decay: at each step a moving average keeps half of its old value.


# %%
def built_net(activation, norm):
    """The notes' net, with `norm` normalized on the input and before every hidden activation.

    Its outputs are the inputs of layers 1 to 8, (n, 1) and 7 times (n, 30), and the prediction.
    """
    keras.utils.set_random_seed(cfg.seed)

    def fully_connected(inputs, units):
        weights, biases = initializers.RandomNormal(stddev=1.0), initializers.Constant(0.1)
        return layers.Dense(units, kernel_initializer=weights, bias_initializer=biases)(inputs)

    def normalize(inputs):
        return layers.BatchNormalization(momentum=0.5, epsilon=0.001)(inputs) if norm else inputs

    xs = keras.Input((1,))
    layers_inputs = [normalize(xs)]
    for _ in range(N_LAYERS):
        Wx_plus_b = normalize(fully_connected(layers_inputs[-1], N_HIDDEN_UNITS))
        layers_inputs.append(layers.Activation(activation)(Wx_plus_b))
    return keras.Model(xs, [*layers_inputs, fully_connected(layers_inputs[-1], 1)])


# %% [markdown]
# ## Looking, and learning
# `training=True` normalizes with the statistics of the batch at hand, as the notes always do;
# `training=False` with the moving averages. A plain call with `training=True` would also move
# those averages, so the look is a `stateless_call`: it returns what it would change instead.

# %%
x_data, y_data = tf.constant(x_data), tf.constant(y_data)
mean_squared_error = keras.losses.MeanSquaredError()


def look(net, x, training=True):
    """All outputs of the net for x (n, 1), leaving the net as it is."""
    weights = net.trainable_variables, net.non_trainable_variables
    return net.stateless_call(*weights, x, training=training)[0]


@tf.function
def train(both, first, steps):
    """Train both nets for so many steps from step `first`, on batches of 10 in order.

    Returns each net's outputs on all points before the first step, and the costs on all points
    before every fifth step (2, steps / 5).
    """
    looks, costs = [look(net, x_data) for net in both], []
    for net in both:
        cost_his = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for i in tf.range(first, first + steps):
            if i % 5 == 0:
                cost = mean_squared_error(y_data, look(net, x_data)[-1])
                cost_his = cost_his.write(cost_his.size(), cost)
            row = i * 10 % len(x_data)
            with tf.GradientTape() as tape:
                prediction = net(x_data[row : row + 10], training=True)[-1]  # (10, 1)
                cost = mean_squared_error(y_data[row : row + 10], prediction)
            gradients = tape.gradient(cost, net.trainable_variables)
            for weight, gradient in zip(net.trainable_variables, gradients):
                weight.assign_sub(cfg.learning_rate * gradient)
        costs.append(cost_his.stack())
    return looks, tf.stack(costs)


# %% [markdown]
# The notes look at the layers every 50 steps; every 10 makes a smoother animation.

# %%
nets, cost_his, watched = {}, {}, {}
for activation in ACTIVATIONS:
    nets[activation] = both = [built_net(activation, norm) for norm in (False, True)]
    watched[activation], costs = {}, []
    for step in [*range(0, cfg.steps, cfg.record), cfg.steps]:
        steps = min(cfg.record, cfg.steps - step)  # 0 at the last look
        looks, cost = train(both, tf.constant(step), tf.constant(steps))
        watched[activation][step] = [[v.numpy() for v in outputs] for outputs in looks]
        costs.append(cost)
    costs.append([[mean_squared_error(y_data, outputs[-1])] for outputs in looks])
    cost_his[activation] = np.concatenate(costs, axis=1)  # (2, 51)
    for name, history in zip(NAMES, cost_his[activation]):
        print(f"{activation}, {name}: cost {history[0]:.4g} → {history[-1]:.4g}")

# %% [markdown]
# ## The inputs of every layer
# Without normalization tanh has most values at -1 and 1, saturated (飽和), where its slope is
# gone. relu's inputs grow about fourfold a layer, until the first steps throw every unit out of
# reach: from then on it is 0 on every point, dead. What is beyond an axis is in its last bar.

# %%
LIMITS = {"input": (-7, 10), "relu": (0, 3), "tanh": (-1, 1)}
np.seterr(invalid="ignore", over="ignore")  # of exploded values nan is the right spread


def draw_layers(axes, activation, step):
    """Two rows of eight histograms: the net without BN above, with BN below."""
    for row, name, color, outputs in zip(axes, NAMES, COLORS, watched[activation][step]):
        for i, (ax, values) in enumerate(zip(row, outputs)):
            limits = LIMITS[activation if i else "input"]
            ax.clear()
            ax.hist(np.clip(values, *limits).ravel(), bins=15, range=limits, color=color)
            text = f"sd {values.std(dtype=float):,.2f}" if values.any() else "all dead"
            ax.set_title(text if np.isfinite(values).all() else "inf or nan", fontsize=8, y=0.95)
            ax.set(xticks=[], yticks=[], xlim=limits)
        row[0].set_ylabel(f"step {step}\n{name}", rotation=0, ha="right", va="center")


for activation in ACTIVATIONS:
    steps = [step for step in watched[activation] if step % 50 == 0]
    fig, axes = plt.subplots(2 * len(steps), 8, figsize=(11, 1.8 * len(steps)))
    for i, step in enumerate(steps):
        draw_layers(axes[2 * i : 2 * i + 2], activation, step)
    low, high = LIMITS[activation]
    fig.supxlabel(f"{activation}: inputs of layer 1, from -7 to 10, to 8, from {low} to {high}")
    common.show(fig, f"layers_{activation}")

    fig, axes = plt.subplots(2, 8, figsize=(10, 2.8), gridspec_kw=dict(left=0.1, right=0.99))
    draw = partial(draw_layers, axes, activation)
    common.show(FuncAnimation(fig, draw, list(watched[activation])), f"layers_{activation}")

# %% [markdown]
# ## The cost, and the test
# A point that comes alone is its own mean and has no variance: normalized by its own statistics
# it is 0, whatever it was, so the net answers the same to every point. A test therefore uses
# fixed statistics, the moving averages (移動平均). With a decay of 0.5 these remember little more
# than the last two batches of 10 points: they do, but they are noisy.

# %%
fig, axes = plt.subplots(2, len(ACTIVATIONS), figsize=(5.5 * len(ACTIVATIONS), 7), squeeze=False)
order, lonely = np.argsort(x_data[:, 0]), np.linspace(-7, 10, 9, dtype=np.float32)
rows = []
for (above, below), activation in zip(axes.T, ACTIVATIONS):
    at = np.minimum(np.arange(cost_his[activation].shape[1]) * 5, cfg.steps)
    for name, color, history in zip(NAMES, COLORS, cost_his[activation]):
        above.plot(at, history, ".-", color=color, label=name)
        if len(lost := at[~np.isfinite(history)]):
            text = f"{name}: the cost is not finite from step {lost[0]} on"
            above.text(0.5, 0.5, text, transform=above.transAxes, ha="center", color=color)
    above.set(title=activation, xlabel="step", ylabel="cost on all points", yscale="log")
    above.legend(loc="upper right")

    below.scatter(x_data, y_data, s=3, color="0.8")
    for training, label in ((True, "own statistics, all points"), (False, "moving averages")):
        prediction = look(nets[activation][1], x_data, training)[-1]
        below.plot(tf.gather(x_data, order), tf.gather(prediction, order), label=label)
        cost = float(mean_squared_error(y_data, prediction))
        rows.append((f"{activation} BN: {label[:15]}", None, cost, None))
    alone = [look(nets[activation][1], tf.constant([[x]]))[-1].numpy().item() for x in lonely]
    below.plot(lonely, alone, "k^", label="own statistics, each alone")
    below.set(xlabel="x", ylabel="prediction, with BN")
    below.legend(fontsize=8)
    rows.append(
        (f"{activation} BN: points alone", None, f"all {alone[0]:.1f}", np.ptp(alone) < 1e-3)
    )
common.show(fig, "cost")

# %% [markdown]
# ## In the notes, and here
# Spread: of the inputs of layers 1 to 8. Stuck, in percent, after layers 1 to 7: units that are
# 0 on every point (relu), values beyond 0.96, the notes' example of saturation (tanh).

# %%
stuck = {"relu": lambda v: ~(v > 0).any(axis=0), "tanh": lambda v: np.abs(v) > 0.96}
for activation in ACTIVATIONS:
    for i, name in enumerate(NAMES):
        for when, step in (("first", 0), ("last", cfg.steps)):
            start, outputs = f"{activation} {name}: ", watched[activation][step][i]
            spread = [v.std(dtype=float) for v in outputs[:8]]
            spread = " ".join(f"{v:.1f}" if v < 10 else f"{v:.0f}" for v in spread)
            share = [stuck[activation](v).mean() for v in outputs[1:8]]
            rows.append((start + f"cost {when}", None, cost_his[activation][i, -(step > 0)], None))
            rows.append((start + f"spread {when}", None, spread, None))
            text = " ".join(f"{100 * v:.0f}" for v in share)
            rows.append((start + f"stuck {when}", None, text, None))
        claims, holds = {
            "no BN": ("most", np.mean(share) > 0.5),
            "BN": ("few", np.mean(share) < 0.5),
        }[name]
        rows.append((start + "stuck, mean", claims, np.mean(share), holds))
    first, last = cost_his[activation][:, -1]
    rows.append((f"{activation}: BN ends lower", "yes", last / first, not first <= last))
common.report(rows)
