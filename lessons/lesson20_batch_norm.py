"""Lesson 20: Batch normalization 批標準化

You will see two networks with the same bad start side by side, without and with batch
normalization: how the inputs of their seven layers are distributed while they learn, what each
costs, and what becomes of the normalized one when it meets a single point.

    python lessons/lesson20_batch_norm.py                     # relu and tanh, as the notes discuss
    python lessons/lesson20_batch_norm.py --activation tanh   # one of them
    python lessons/lesson20_batch_norm.py --smoke             # all of it, in seconds

| TF1 in the notes                         | here                                              |
|------------------------------------------|---------------------------------------------------|
| `fix_seed(1)`                            | `keras.utils.set_random_seed(cfg.seed)`           |
| `tf.placeholder`, `feed_dict`            | `keras.Input`; rows cut out of a constant         |
| `tf.Variable(tf.random_normal())`        | `keras.initializers.RandomNormal`                 |
| `tf.nn.moments`, `ExponentialMovingAverage`, `tf.nn.batch_normalization` | `layers.BatchNormalization` |
| `layers_inputs`, a list of tensors       | one `keras.Model` with several outputs            |
| `GradientDescentOptimizer(0.001)`        | `tf.GradientTape`, `weight.assign_sub`            |
| `sess.run([train_op, train_op_norm])`    | `train(nets, ...)`, one `tf.function` for both    |

Where the notes slip:
- Their comment says that a test must use fixed statistics, but their code always takes those of
  the batch it is shown, and never reads the moving averages it keeps. The last part reads them.
- `fix_seed(1)` before each net does not give the two the same weights: in TF1 an operation's
  seed also depends on how many operations came before it. Here they do start alike.
- With relu and without normalization there is no error curve because the cost is infinite within
  a few steps and then not a number; a histogram of that is an empty axis. Here the axis says so.
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
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.animation import FuncAnimation

ACTIVATIONS = ["relu", "tanh"] if cfg.activation == "both" else [cfg.activation]
N_LAYERS = 7
N_HIDDEN_UNITS = 30
WITHOUT, WITH = "no BN", "BN"
COLORS = {WITHOUT: "#D55E00", WITH: "#0072B2"}

# %% [markdown]
# ## The data
# A parabola in a lot of noise (standard deviation 8), in random order. Its x runs from -7 to 10,
# far wider than the range in which a tanh still reacts: that is why data are normalized (標準化).

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
# The weights are drawn from N(0, 1), on purpose a bad start: 30 inputs add up to a spread of
# about 5, and a tanh of that is nearly always -1 or 1. Batch normalization takes a batch's mean
# and variance out of each unit's input, then lets the unit learn a scale (擴展參數 γ) and a shift
# (平移參數 β), with which it may undo the normalization if that turns out to be useless.
# `momentum` is the notes' decay: at each step the moving average keeps half of its old value.


# %%
def built_net(activation, norm):
    """The notes' network; its outputs are the inputs of layers 1 to 8, then the prediction.

    Args:
        activation: "relu" or "tanh".
        norm: normalize the input, and every hidden layer before its activation.

    Returns:
        A model from (n, 1) to [(n, 1), 7 times (n, 30), (n, 1)].
    """
    keras.utils.set_random_seed(cfg.seed)

    def fully_connected(units):
        return layers.Dense(
            units,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
            bias_initializer=keras.initializers.Constant(0.1),
        )

    def normalize(inputs):
        return layers.BatchNormalization(momentum=0.5, epsilon=0.001)(inputs) if norm else inputs

    xs = keras.Input((1,))
    layers_inputs = [normalize(xs)]
    for _ in range(N_LAYERS):
        Wx_plus_b = normalize(fully_connected(N_HIDDEN_UNITS)(layers_inputs[-1]))
        layers_inputs.append(layers.Activation(activation)(Wx_plus_b))
    prediction = fully_connected(1)(layers_inputs[-1])
    return keras.Model(xs, [*layers_inputs, prediction])


# %% [markdown]
# ## Looking, and learning
# `training=True` normalizes with the statistics of the batch at hand, as the notes always do;
# `training=False` with the moving averages. A call with `training=True` would also move those
# averages, so the look is a `stateless_call`: it returns what it would change, changing nothing.
# Every fifth step the cost is taken on all points; `record` says how often the layers are
# watched (the notes: every 50 steps; 10 makes a smoother animation).

# %%
x_data, y_data = tf.constant(x_data), tf.constant(y_data)


def look(net, x, training=True):
    """The net's outputs for x (n, 1): inputs of layers 1 to 8, prediction. The net stays as it is."""
    weights = net.trainable_variables, net.non_trainable_variables
    return net.stateless_call(*weights, x, training=training)[0]


def squared_error(ys, prediction):
    return tf.reduce_mean(tf.reduce_sum(tf.square(ys - prediction), axis=1))


@tf.function
def train(nets, first, steps):
    """Train each net on batches of 10, in order, from step `first` for so many steps.

    Returns:
        For each net what `look` gave on all points before the first step, and for each net the
        cost on all points before every fifth step, a tensor (steps / 5,).
    """
    looks, costs = [look(net, x_data) for net in nets], []
    for net in nets:
        cost_his = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for i in tf.range(first, first + steps):
            if i % 5 == 0:
                cost_his = cost_his.write(
                    cost_his.size(), squared_error(y_data, look(net, x_data)[-1])
                )
            row = i * 10 % len(x_data)
            with tf.GradientTape() as tape:
                prediction = net(x_data[row : row + 10], training=True)[-1]  # (10, 1)
                cost = squared_error(y_data[row : row + 10], prediction)
            gradients = tape.gradient(cost, net.trainable_variables)
            for weight, gradient in zip(net.trainable_variables, gradients):
                weight.assign_sub(cfg.learning_rate * gradient)
        costs.append(cost_his.stack())
    return looks, costs


# %% [markdown]
# ## What is kept of a layer
# A histogram, and two figures. The spread is the standard deviation. Stuck is what no longer
# learns: in a relu layer the units that are 0 at every one of the points (dead), in a tanh layer
# the values beyond 0.96 (saturated, 飽和: the notes' example of a tanh that has stopped reacting).

# %%
LIMITS = {"input": (-7, 10), "relu": (0, 3), "tanh": (-1, 1)}


def describe(values, kind):
    """15 counts (what lies beyond the LIMITS is in the first and last), spread, share stuck."""
    values = values.numpy().astype(np.float64)  # squares of exploded float32 would overflow
    stuck = {
        "input": 0.0,
        "relu": np.mean(~(values > 0).any(axis=0)),
        "tanh": np.mean(np.abs(values) > 0.96),
    }[kind]
    if not np.isfinite(values).all():
        return None, np.nan, stuck
    low, high = LIMITS[kind]
    bins = np.clip((values.ravel() - low) / (high - low) * 15, 0, 14).astype(int)
    return np.bincount(bins, minlength=15), values.std(), stuck


nets, cost_his, watched = {}, {}, {}
for activation in ACTIVATIONS:
    pair = [(activation, WITHOUT), (activation, WITH)]
    for which in pair:
        nets[which] = built_net(activation, norm=which[1] == WITH)
        cost_his[which], watched[which] = [], {}
    for step in [*range(0, cfg.steps, cfg.record), cfg.steps]:
        steps = min(cfg.record, cfg.steps - step)  # none after the last look
        looks, costs = train([nets[which] for which in pair], tf.constant(step), tf.constant(steps))
        for which, outputs, history in zip(pair, looks, costs):
            kinds = ["input", *[activation] * N_LAYERS]
            watched[which][step] = [describe(*layer) for layer in zip(outputs, kinds)]
            cost_his[which].extend(history.numpy().tolist())
            if step == cfg.steps:
                cost_his[which].append(float(squared_error(y_data, outputs[-1])))
    for which in pair:
        first, *_, last = cost_his[which]
        print(
            f"{activation}, {which[1]:<5}: cost {first:.4g} before, {last:.4g} after {cfg.steps} steps"
        )

# %% [markdown]
# ## The inputs of every layer
# Each column is one layer, each pair of rows one moment: above without normalization, below
# with it. Without it, tanh has everything at -1 and 1, where its slope is gone; relu's inputs
# grow fivefold from layer to layer until the first step throws every unit out of reach, for ever.

# %%


def draw_layers(axes, activation, step):
    """Two rows of eight histograms: the net without BN above, with BN below."""
    for row, name in zip(axes, (WITHOUT, WITH)):
        layers_now = watched[activation, name][step]
        for i, (ax, (counts, spread, stuck)) in enumerate(zip(row, layers_now)):
            limits = LIMITS[activation if i else "input"]
            ax.clear()
            ax.set(xlim=limits, xticks=limits, ylim=(0, 1.35), yticks=[])
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelbottom=row is axes[-1], labelsize=8)
            text = f"sd {spread:.2g}" if spread < 1000 else f"sd {spread:,.0f}"
            if counts is None:
                text = "inf or nan"
            elif stuck == 1 and activation == "relu":
                text = "all dead"
            if counts is not None:
                ax.stairs(
                    counts / counts.max(), np.linspace(*limits, 16), fill=True, color=COLORS[name]
                )
            ax.text(0.97, 0.98, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)
        row[0].set_ylabel(f"step {step}\n{name}", rotation=0, ha="right", va="center")
    for i, ax in enumerate(axes[0]):
        ax.set_title(f"layer {i + 1}" if step == 0 else "", fontsize=9)


for activation in ACTIVATIONS:
    steps = [step for step in watched[activation, WITH] if step % 50 == 0]
    fig, axes = plt.subplots(2 * len(steps), 8, figsize=(11, 1.7 * len(steps)), squeeze=False)
    for i, step in enumerate(steps):
        draw_layers(axes[2 * i : 2 * i + 2], activation, step)
    common.show(fig, f"layers_{activation}")

    fig, axes = plt.subplots(2, 8, figsize=(10, 2.8))
    fig.subplots_adjust(left=0.1, right=0.99, bottom=0.1)
    movie = FuncAnimation(
        fig,
        lambda step, axes=axes, activation=activation: draw_layers(axes, activation, step),
        frames=list(watched[activation, WITH]),
    )
    common.show(movie, f"layers_{activation}")

# %% [markdown]
# ## The cost
# "No error curve" is what the notes see for relu without BN: here the axis says why.

# %%
fig, axes = plt.subplots(1, len(ACTIVATIONS), figsize=(5 * len(ACTIVATIONS), 3.8), squeeze=False)
finite_until = {}
for ax, activation in zip(axes[0], ACTIVATIONS):
    for name in (WITHOUT, WITH):
        history = np.array(cost_his[activation, name])
        history_steps = np.minimum(np.arange(len(history)) * 5, cfg.steps)
        good = np.isfinite(history)
        finite_until[activation, name] = None if good.all() else int(history_steps[~good][0])
        ax.plot(history_steps[good], history[good], "o-", ms=3, color=COLORS[name], label=name)
        if not good.all():
            text = f"{name}: cost not finite from step {history_steps[~good][0]} on"
            ax.text(0.5, 0.6, text, transform=ax.transAxes, ha="center", color=COLORS[name])
    ax.set(title=activation, xlabel="training step", xlim=(-0.03 * cfg.steps, None), yscale="log")
    ax.set_ylabel("cost on all points")
    ax.legend(loc="upper right")
    ax.grid(alpha=0.3, which="both")
fig.tight_layout()
common.show(fig, "cost")

# %% [markdown]
# ## At test time the statistics are fixed
# A point that comes alone is its own mean, and its variance is 0: normalized by its own
# statistics it is 0, whatever it was, and the net gives the same answer to every point. So a
# test uses the moving averages (移動平均). With a decay of 0.5 they remember little more than the
# last two batches of 10 points: they work, but they are noisy, and so is the cost with them.

# %%
fig, axes = plt.subplots(1, len(ACTIVATIONS), figsize=(5 * len(ACTIVATIONS), 3.8), squeeze=False)
order = np.argsort(x_data[:, 0])
lonely = np.linspace(-7, 10, 9, dtype=np.float32)
test_cost, alone = {}, {}
for ax, activation in zip(axes[0], ACTIVATIONS):
    net = nets[activation, WITH]
    own, fixed = (look(net, x_data, training)[-1] for training in (True, False))
    test_cost[activation] = [
        float(squared_error(y_data, prediction)) for prediction in (own, fixed)
    ]
    alone[activation] = [float(look(net, tf.constant([[x]]))[-1][0, 0]) for x in lonely]
    ax.scatter(x_data, y_data, s=3, color="0.8")
    ax.plot(
        x_data.numpy()[order],
        own.numpy()[order],
        color="#0072B2",
        label="statistics of all 2,500 points",
    )
    ax.plot(
        x_data.numpy()[order], fixed.numpy()[order], "--", color="#D55E00", label="moving averages"
    )
    ax.plot(lonely, alone[activation], "k^", label="own statistics, each point alone")
    ax.set(title=f"{activation}, BN", xlabel="x", ylabel="prediction")
    ax.legend(fontsize=8)
fig.tight_layout()
common.show(fig, "test_time")

# %% [markdown]
# ## In the notes, and here
# Spread: of the inputs of layers 1 to 8. Dead or saturated: after layers 1 to 7, in percent.


# %%
def short(value):
    """A number in three characters: .95, 4.9, 120, 4k, nan."""
    if not value < 1000:
        return f"{value / 1000:.0f}k"[: 3 if value != value else None]
    return (
        f"{value:.2f}"[1:] if value < 0.995 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
    )


rows = []
for (activation, name), seen in watched.items():
    stuck_is = {"relu": "dead", "tanh": "saturated"}[activation]
    label = f"{activation}, {name}:"
    rows.append((f"{label} cost first", None, cost_his[activation, name][0], None))
    rows.append((f"{label} cost last", None, cost_his[activation, name][-1], None))
    for moment, step in (("first", 0), ("last", cfg.steps)):
        _, spread, stuck = zip(*seen[step])
        rows.append((f"{label} spread {moment}", None, " ".join(map(short, spread)), None))
        percent = " ".join(f"{100 * share:.0f}" for share in stuck[1:])
        rows.append((f"{label} {stuck_is} {moment}", None, percent, None))
common.report(rows)
