"""Lesson 20: Batch normalization 批標準化

You will see two networks with the same bad start side by side, without and with batch
normalization: how the inputs of their layers are distributed while they learn, what each
costs, and what becomes of the normalized one when it meets a single point.

    python lessons/lesson20_batch_norm.py                     # relu and tanh, as the notes discuss
    python lessons/lesson20_batch_norm.py --activation tanh   # one of them
    python lessons/lesson20_batch_norm.py --smoke             # all of it, in seconds

| TF1 in the notes                      | here                                             |
|---------------------------------------|--------------------------------------------------|
| `fix_seed(1)`                         | `keras.utils.set_random_seed(cfg.seed)`          |
| `tf.placeholder`, `feed_dict`         | `keras.Input`; rows cut out of a constant        |
| `tf.Variable(tf.random_normal())`     | `keras.initializers.RandomNormal`                |
| `tf.nn.moments`, `batch_normalization`, `ExponentialMovingAverage` | `layers.BatchNormalization` |
| `layers_inputs`, a list of tensors    | one `keras.Model` with several outputs           |
| `GradientDescentOptimizer(0.001)`     | `tf.GradientTape`, `weight.assign_sub`           |
| `sess.run([train_op, train_op_norm])` | `train(both, ...)`, one `tf.function`            |

Where the notes slip:
- Their comment says that a test must use fixed statistics; their code always takes those of the
  batch it is shown and never reads the moving averages it keeps. The last part reads them.
- `fix_seed(1)` before each net does not give both the same weights: in TF1 a draw depends also
  on how many operations were made before it. Here they do start alike.
- relu without BN has no error curve because its cost is not finite after the first steps. A
  plot of that is an empty axis; here the axis says so.
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
import functools

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
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
        weights = keras.initializers.RandomNormal(stddev=1.0)
        biases = keras.initializers.Constant(0.1)
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


def look(net, x, training=True):
    """All outputs of the net for x (n, 1), leaving the net as it is."""
    weights = net.trainable_variables, net.non_trainable_variables
    return net.stateless_call(*weights, x, training=training)[0]


def squared_error(ys, prediction):
    return tf.reduce_mean(tf.reduce_sum(tf.square(ys - prediction), axis=1))


@tf.function
def train(both, first, steps):
    """Train the nets for so many steps from step `first`, on batches of 10 in order.

    Returns each net's outputs on all points before the first step, and the costs on all points
    before every fifth step (2, steps / 5).
    """
    looks, costs = [look(net, x_data) for net in both], []
    for net in both:
        cost_his = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for i in tf.range(first, first + steps):
            if i % 5 == 0:
                cost = squared_error(y_data, look(net, x_data)[-1])
                cost_his = cost_his.write(cost_his.size(), cost)
            row = i * 10 % len(x_data)
            with tf.GradientTape() as tape:
                prediction = net(x_data[row : row + 10], training=True)[-1]  # (10, 1)
                cost = squared_error(y_data[row : row + 10], prediction)
            gradients = tape.gradient(cost, net.trainable_variables)
            for weight, gradient in zip(net.trainable_variables, gradients):
                weight.assign_sub(cfg.learning_rate * gradient)
        costs.append(cost_his.stack())
    return looks, tf.stack(costs)


# %% [markdown]
# Of each layer's inputs we keep a histogram, the spread (standard deviation) and the share that
# is stuck: after relu the dead units, 0 on every point; after tanh the values beyond 0.96, the
# notes' example of saturation (飽和). `record` is how often: the notes do it every 50 steps, 10
# makes a smoother animation.

# %%
LIMITS = {"input": (-7, 10), "relu": (0, 3), "tanh": (-1, 1)}


def describe(values, kind):
    """15 counts (first and last: with all that is beyond the LIMITS), spread, share stuck."""
    values = values.numpy().astype(np.float64)  # exploded values, squared, overflow float32
    stuck = ~(values > 0).any(axis=0) if kind == "relu" else np.abs(values) > 0.96
    if not np.isfinite(values).all():
        return np.zeros(15), np.nan, stuck.mean()
    low, high = LIMITS[kind]
    bins = np.clip((values.ravel() - low) / (high - low) * 15, 0, 14).astype(int)
    return np.bincount(bins, minlength=15), values.std(), stuck.mean()


nets, cost_his, watched = {}, {}, {}
kinds = {activation: ["input", *[activation] * N_LAYERS] for activation in ACTIVATIONS}
for activation in ACTIVATIONS:
    nets[activation] = [built_net(activation, norm) for norm in (False, True)]
    watched[activation], costs = {}, []
    for step in [*range(0, cfg.steps, cfg.record), cfg.steps]:
        steps = min(cfg.record, cfg.steps - step)  # 0 at the last look
        looks, cost = train(nets[activation], tf.constant(step), tf.constant(steps))
        watched[activation][step] = [
            [describe(*layer) for layer in zip(outputs, kinds[activation])] for outputs in looks
        ]
        costs.append(cost)
    costs.append([[squared_error(y_data, outputs[-1])] for outputs in looks])
    cost_his[activation] = np.concatenate(costs, axis=1)  # (2, 51)
    for name, history in zip(NAMES, cost_his[activation]):
        print(f"{activation}, {name}: cost {history[0]:.4g} → {history[-1]:.4g}")

# %% [markdown]
# ## The inputs of every layer
# Without normalization tanh has most values at -1 and 1, where its slope is gone; relu's inputs
# grow about fourfold a layer, until the first steps throw every unit out of reach, for ever.


# %%
def draw_layers(axes, activation, step):
    """Two rows of eight histograms: the net without BN above, with BN below."""
    for row, name, color, layers_inputs in zip(axes, NAMES, COLORS, watched[activation][step]):
        for i, (counts, spread, stuck) in enumerate(layers_inputs):
            dead = activation == "relu" and i and stuck == 1
            text = "inf or nan" if np.isnan(spread) else "all dead" if dead else f"sd {spread:,.2f}"
            row[i].clear()
            row[i].stairs(counts / counts.max(initial=1), fill=True, color=color)
            row[i].text(15, 1.3, text, ha="right", va="top", fontsize=8)
            row[i].set(xticks=[], yticks=[], xlim=(0, 15), ylim=(0, 1.35))
        row[0].set_ylabel(f"step {step}\n{name}", rotation=0, ha="right", va="center")
    for i, ax in enumerate(axes[0]):
        ax.set_title(f"into layer {i + 1}", fontsize=9)


for activation in ACTIVATIONS:
    steps = [step for step in watched[activation] if step % 50 == 0]
    fig, axes = plt.subplots(2 * len(steps), 8, figsize=(11, 1.9 * len(steps) + 1))
    for i, step in enumerate(steps):
        draw_layers(axes[2 * i : 2 * i + 2], activation, step)
    low, high = LIMITS[activation]
    title = f"{activation}: layer 1 from -7 to 10, the others from {low} to {high}"
    fig.suptitle(title + ", what is beyond in the first and last bar", y=0.93)
    common.show(fig, f"layers_{activation}")

    fig, axes = plt.subplots(2, 8, figsize=(10, 2.8), gridspec_kw=dict(left=0.1, right=0.99))
    frame = functools.partial(draw_layers, axes, activation)
    common.show(FuncAnimation(fig, frame, list(watched[activation])), f"layers_{activation}")

# %% [markdown]
# ## The cost, and the test
# A point that comes alone is its own mean and has no variance: normalized by its own statistics
# it is 0, whatever it was, and so the net answers the same to every point. A test uses fixed
# statistics, the moving averages (移動平均). With a decay of 0.5 these remember little more than
# the last two batches of 10 points: they do, but they are noisy.

# %%
fig, axes = plt.subplots(2, len(ACTIVATIONS), figsize=(5.5 * len(ACTIVATIONS), 7), squeeze=False)
order, lonely = np.argsort(x_data[:, 0]), np.linspace(-7, 10, 9, dtype=np.float32)
test_cost, alone = {}, {}
for (above, below), activation in zip(axes.T, ACTIVATIONS):
    at = np.minimum(np.arange(cost_his[activation].shape[1]) * 5, cfg.steps)
    for name, color, history in zip(NAMES, COLORS, cost_his[activation]):
        good = np.isfinite(history)
        above.plot(at[good], history[good], ".-", color=color, label=name)
        if not good.all():
            text = f"{name}: the cost is not finite from step {at[~good][0]} on"
            above.text(0.5, 0.5, text, transform=above.transAxes, ha="center", color=color)
    above.set(title=activation, xlabel="step", ylabel="cost on all points", yscale="log")
    above.legend(loc="upper right")

    net = nets[activation][1]
    own, fixed = (look(net, x_data, training)[-1] for training in (True, False))
    test_cost[activation] = [
        float(squared_error(y_data, prediction)) for prediction in (own, fixed)
    ]
    alone[activation] = [float(look(net, tf.constant([[x]]))[-1][0, 0]) for x in lonely]
    below.scatter(x_data, y_data, s=3, color="0.8")
    below.plot(tf.gather(x_data, order), tf.gather(own, order), label="statistics of all points")
    below.plot(tf.gather(x_data, order), tf.gather(fixed, order), "--", label="moving averages")
    below.plot(lonely, alone[activation], "k^", label="each point alone, its own statistics")
    below.set(xlabel="x", ylabel="prediction, with BN")
    below.legend(fontsize=8)
fig.tight_layout()
common.show(fig, "cost")

# %% [markdown]
# ## In the notes, and here
# Spread: of the inputs of layers 1 to 8. Dead or saturated: of layers 1 to 7, in percent.

# %%
stuck_is = {"relu": "dead", "tanh": "saturated"}
rows = []
for activation in ACTIVATIONS:
    for i, name in enumerate(NAMES):
        for when, step in (("first", 0), ("last", cfg.steps)):
            _, spread, stuck = zip(*watched[activation][step][i])
            spread = [f"{v / 1000:.0f}k" if v >= 1000 else f"{v:.2g}"[:4] for v in spread]
            percent = [f"{100 * share:.0f}" for share in stuck[1:]]
            start = f"{activation} {name}: "
            rows.append((start + f"cost {when}", None, cost_his[activation][i, -(step > 0)], None))
            rows.append((start + f"spread {when}", None, " ".join(spread), None))
            rows.append((start + f"{stuck_is[activation]} {when}", None, " ".join(percent), None))
common.report(rows)
