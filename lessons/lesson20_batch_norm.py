"""Lesson 20: Batch normalization 批標準化

You will see two networks with the same bad start learn side by side, without and with batch
normalization: the inputs of every layer, the cost, and what a single point does to the second.

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
- They say that a test must use fixed statistics, but their code never does. Ours compares.
- `fix_seed(1)` does not give their two nets the same weights, since a draw in TF1 also depends on
  how many operations were made before it. Ours do start alike.
- relu without BN has no error curve because its cost is not finite. Here the plot says so.
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
y_data = np.float32(np.square(x_data) - 5 + np.random.normal(0, 8, x_data.shape))  # (2500, 1)

fig, ax = plt.subplots(figsize=(6, 3.6))
ax.scatter(x_data, y_data, s=4, alpha=0.5)
ax.set(xlabel="x", ylabel="y", title="2,500 points of y = x² - 5 + noise")
common.show(fig, "data")

# %% [markdown]
# ## The two networks
# fully connected layer (全連接層) → batch normalization → activation function (激活函數) → next
#
# The weights come from N(0, 1), on purpose a bad start: 30 inputs add up to a spread of about 5,
# and a tanh of that is mostly -1 or 1. Batch normalization takes the batch's mean and variance
# out of every unit's input, then lets the unit learn a scale (擴展參數 γ) and a shift (平移參數 β),
# with which it can undo that. `momentum` is the notes' decay of the moving averages, 0.5.


# %%
def built_net(activation, norm):
    """The notes' net: (n, 1) → the inputs of layers 1 to 8, (n, 1), 7 x (n, 30); prediction."""
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
mse = keras.losses.MeanSquaredError()


def look(net, x, training=True):
    """All outputs of the net for x (n, 1), leaving the net as it is."""
    weights = net.trainable_variables, net.non_trainable_variables
    return net.stateless_call(*weights, x, training=training)[0]


@tf.function
def train(both, first, steps):
    """Look at both nets, then train; returns all outputs, and costs every 5 steps (2, n)."""
    looks, costs = [look(net, x_data) for net in both], []
    for net in both:
        cost_his = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for i in tf.range(first, first + steps):
            if i % 5 == 0:
                cost = mse(y_data, look(net, x_data)[-1])
                cost_his = cost_his.write(cost_his.size(), cost)
            row = i * 10 % len(x_data)
            with tf.GradientTape() as tape:
                prediction = net(x_data[row : row + 10], training=True)[-1]  # (10, 1)
                cost = mse(y_data[row : row + 10], prediction)
            gradients = tape.gradient(cost, net.trainable_variables)
            for weight, gradient in zip(net.trainable_variables, gradients):
                weight.assign_sub(cfg.learning_rate * gradient)
        costs.append(cost_his.stack())
    return looks, tf.stack(costs)


# %%
nets, cost_his, watched = {}, {}, {}
for activation in ACTIVATIONS:
    nets[activation] = both = [built_net(activation, norm) for norm in (False, True)]
    watched[activation], costs = {}, []
    for step in [*range(0, cfg.steps, cfg.record), cfg.steps]:  # the notes: every 50
        looks, cost = train(both, tf.constant(step), tf.constant(min(cfg.record, cfg.steps - step)))
        watched[activation][step] = [[v.numpy() for v in outputs] for outputs in looks]
        costs.append(cost)
    costs.append([[mse(y_data, outputs[-1])] for outputs in looks])
    cost_his[activation] = np.concatenate(costs, axis=1)  # (2, 51)
    print(
        f"{activation}: last cost without BN {costs[-1][0][0]:.4g}, with BN {costs[-1][1][0]:.4g}"
    )

# %% [markdown]
# ## The inputs of every layer
# Without normalization tanh has most values at -1 and 1, saturated (飽和), where its slope is
# gone. relu's inputs grow about fourfold a layer, until the first steps throw every unit out of
# reach: from then on it is 0 on every point, dead. What is beyond an axis is in its last bar.

# %%
LIMITS = {"input": (-7, 10), "relu": (0, 3), "tanh": (-1, 1)}
gaps = dict(hspace=0.5, wspace=0.25, left=0.1, right=0.99)
np.seterr(invalid="ignore", over="ignore")  # the spread of exploded values is nan, or inf


def draw_layers(axes, activation, step):
    """Two rows of eight histograms: the net without BN above, with BN below."""
    for row, name, color, outputs in zip(axes, NAMES, COLORS, watched[activation][step]):
        for i, (ax, values) in enumerate(zip(row, outputs)):
            limits = LIMITS[activation if i else "input"]
            counts, edges = np.histogram(np.clip(values, *limits), bins=15, range=limits)
            for bars in [*ax.patches]:  # of the frame before
                bars.remove()
            ax.stairs(counts / counts.max(), edges, fill=True, color=color)
            text = f"sd {values.std(dtype=float):,.2f}" if values.any() else "all dead"
            ax.set_title(text if np.isfinite(values).all() else "inf or nan", fontsize=8, y=0.95)
            ax.set(xticks=[], yticks=[], xlim=limits, ylim=(0, 1.1))
        row[0].set_ylabel(f"step {step}\n{name}", rotation=0, ha="right", va="center")


for activation in ACTIVATIONS:
    steps = [step for step in watched[activation] if step % 50 == 0]
    fig, axes = plt.subplots(2 * len(steps), 8, figsize=(11, 2 * len(steps)), gridspec_kw=gaps)
    for i, step in enumerate(steps):
        draw_layers(axes[2 * i : 2 * i + 2], activation, step)
    axes[-1, 4].set_xlabel(f"{activation}: into layer 1 (-7, 10), into 2 to 8 {LIMITS[activation]}")
    common.show(fig, f"layers_{activation}")

    fig, axes = plt.subplots(2, 8, figsize=(10, 2.8), gridspec_kw=gaps)
    draw = partial(draw_layers, axes, activation)
    common.show(FuncAnimation(fig, draw, list(watched[activation])), f"layers_{activation}")

# %% [markdown]
# ## The cost, and the test
# A point that comes alone is its own mean and has no variance: normalized by its own statistics
# it is 0, whatever it was. The net answers the same to every point. A test therefore uses the
# moving averages (移動平均); with decay 0.5 these remember few batches of 10, and so are noisy.

# %%
size = dict(figsize=(5.5 * len(ACTIVATIONS), 7), squeeze=False, layout="constrained")
fig, axes = plt.subplots(2, len(ACTIVATIONS), **size)
order, rows = np.argsort(x_data[:, 0]), []
for (above, below), activation in zip(axes.T, ACTIVATIONS):
    at = np.array([*range(0, cfg.steps, 5), cfg.steps])
    for name, color, history in zip(NAMES, COLORS, cost_his[activation]):
        lost = at[~np.isfinite(history)]
        label = f"{name}, not finite from step {lost[0]} on" if len(lost) else name
        above.plot(at, history, ".-", color=color, label=label)
    above.set(title=activation, xlabel="step", ylabel="cost on all points", yscale="log")
    above.legend(loc="upper right")

    answer = partial(look, nets[activation][1])
    alone = tf.concat([answer(x_data[i : i + 1])[-1] for i in order[::277]], axis=0)  # (10, 1)
    for label, training in (("own statistics", True), ("moving averages", False)):
        prediction = answer(x_data, training=training)[-1]
        below.plot(x_data.numpy()[order], prediction.numpy()[order], label=f"{label}, all points")
        rows.append((f"{activation} BN: {label}", None, float(mse(y_data, prediction)), None))
    below.plot(x_data.numpy()[order[::277]], alone, "k^", label="own statistics, each point alone")
    below.scatter(x_data, y_data, s=3, color="0.8", zorder=0)
    below.set(xlabel="x", ylabel="prediction, with BN")
    below.legend(fontsize=8)
    rows.append((f"{activation} BN: alone", None, f"all {alone[0, 0]:.1f}", np.ptp(alone) < 1e-3))
common.show(fig, "cost")

# %% [markdown]
# ## In the notes, and here
# Spread: of the inputs of layers 1 to 8. Stuck, in percent, after layers 1 to 7: units that are
# 0 on every point (relu), values beyond 0.96, the notes' example of saturation (tanh).

# %%
STUCK = {"relu": lambda v: ~(v > 0).any(axis=0), "tanh": lambda v: np.abs(v) > 0.96}
for activation in ACTIVATIONS:
    for i, name in enumerate(NAMES):
        for when, step in (("first", 0), ("last", cfg.steps)):
            outputs, start = watched[activation][step][i], f"{activation} {name}: "
            spread = " ".join(f"{v.std(dtype=float):.{int(v.std() < 10)}f}" for v in outputs[:8])
            stuck = [STUCK[activation](v).mean() for v in outputs[1:8]]
            percent = " ".join(f"{100 * share:.0f}" for share in stuck)
            rows.append((start + f"cost {when}", None, cost_his[activation][i, -(step > 0)], None))
            rows.append((start + f"spread {when}", None, spread, None))
            rows.append((start + f"stuck {when}", None, percent, None))
        notes = "few" if name == "BN" else "all" if activation == "relu" else "most"
        holds = dict(few=np.mean(stuck) < 0.5, most=np.mean(stuck) > 0.5, all=min(stuck) == 1)
        rows.append((start + "stuck, mean", notes, np.mean(stuck), holds[notes]))
    plain, norm = cost_his[activation][:, -1]
    rows.append((f"{activation}: BN ends lower", "yes", norm / plain, not plain <= norm))
common.report(rows)
