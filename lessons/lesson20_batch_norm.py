"""Lesson 20: Batch normalization 批標準化

You will see the formula of batch normalization (BN) give the numbers of Keras's layer. Then four
nets with the same bad start learn: tanh and relu, without BN and with it. You see the values
inside them, their cost, and what BN makes of a point that comes alone.

    python lessons/lesson20_batch_norm.py           # the notes' settings
    python lessons/lesson20_batch_norm.py --smoke   # all of it, in seconds

| TF1 in the notes                                | here                                      |
|-------------------------------------------------|-------------------------------------------|
| `tf.placeholder`                                | `keras.Input`                             |
| `tf.Variable(tf.random_normal())`               | `RandomNormal`: the layer makes variables |
| `tf.nn.moments`, `tf.nn.batch_normalization`    | `layers.BatchNormalization`               |
| `ExponentialMovingAverage(decay=0.5)`           | its `momentum=0.5`                        |
| `tf.Session`, `tf.global_variables_initializer` | nothing: a variable has its value at once |
| `sess.run([train_op, train_op_norm], …)`        | `net.train_on_batch(batch_xs, batch_ys)`  |

Where the notes slip:
- A test must use fixed statistics, they say, but their code never does. Our last figure does.
- Their looks at all 2,500 points move the moving averages as well. Ours leave them alone.
- `fix_seed(1)` does not give their two nets the same weights. Ours do start alike.
- relu without BN is not "all 0": rerun, their weights are all nan, which TF1's relu shows as 0.
"""

# %%
import common

cfg = common.settings(
    __doc__, lesson=20, steps=250, batch_size=10, stddev=1.0, smoke=dict(steps=60)
)

# %% [markdown]
# ## Why, and the formula
# With the weight W = 0.1, x = 1 gives tanh(0.1) = 0.1 and x = 20 gives tanh(2) = 0.96. There tanh
# is nearly saturated (飽和): a larger x changes almost nothing. So the input is brought to where
# the activation function (激活函數) is sensitive (敏感). Hidden layers need that as much, and batch
# normalization (批標準化) does it in each: subtract the batch's mean, divide by its standard
# deviation. Then the net may stretch the values (擴展參數 γ, `scale`) and move them (平移參數 β,
# `shift`). It learns both: where normalizing does not help, they can undo it.

# %%
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib import pyplot as plt

x, W, b = np.array([[1.0], [20.0]]), 0.1, 0  # x is (2, 1), a batch of two points
Wx_plus_b = W * x + b
mean = Wx_plus_b.mean(axis=0)  # over the batch; of images axis=(0, 1, 2), not over the channels
var = Wx_plus_b.var(axis=0)
scale, shift = 1, 0  # what a layer starts with
by_hand = (Wx_plus_b - mean) / np.sqrt(var + 0.001) * scale + shift
by_keras = layers.BatchNormalization(momentum=0.5, epsilon=0.001)(Wx_plus_b, training=True)
example = np.tanh(Wx_plus_b)[:, 0].round(2)
print("tanh without BN:", example, "and with BN:", np.tanh(by_hand)[:, 0].round(2))

# %% [markdown]
# ## The data and the nets
# A parabola in much noise. A net is: x → fully connected layer (全連接層) → BN → activation → next
# layer. Its weights come from N(0, 1), on purpose a bad start: 30 inputs add up to about ±5.

# %%
x_data = np.linspace(-7, 10, 2500, dtype=np.float32)[:, np.newaxis]  # (2500, 1)
np.random.shuffle(x_data)
noise = np.random.normal(0, 8, x_data.shape)
y_data = np.float32(np.square(x_data) - 5 + noise)  # (2500, 1)
plt.style.use("seaborn-v0_8-colorblind")
fig, ax = plt.subplots(figsize=(6.6, 3))
ax.scatter(x_data, y_data, s=3)
ax.set(xlabel="x", ylabel="y", title="2,500 points of y = x² - 5 + noise")
common.show(fig, "data")
N_LAYERS, N_HIDDEN_UNITS = 7, 30


def add_layer(inputs, out_size, activation_function=None, norm=False):
    """Values before and after the activation, both (n, out_size)."""
    Weights = keras.initializers.RandomNormal(stddev=cfg.stddev)
    biases = keras.initializers.Constant(0.1)
    Wx_plus_b = layers.Dense(out_size, kernel_initializer=Weights, bias_initializer=biases)(inputs)
    if norm:
        Wx_plus_b = layers.BatchNormalization(momentum=0.5, epsilon=0.001)(Wx_plus_b)
    return Wx_plus_b, layers.Activation(activation_function)(Wx_plus_b)


def built_net(xs, norm, activation_function="tanh"):
    """What goes into the activations, what goes into the layers, and the prediction (n, 1)."""
    keras.utils.set_random_seed(cfg.seed)  # the notes' fix_seed: every net starts alike
    before, layers_inputs = [xs], [xs]  # (n, 1), then 7 times (n, 30)
    if norm:
        layers_inputs = [layers.BatchNormalization(momentum=0.5, epsilon=0.001)(xs)]
    for _ in range(N_LAYERS):
        Wx_plus_b, outputs = add_layer(layers_inputs[-1], N_HIDDEN_UNITS, activation_function, norm)
        before.append(Wx_plus_b)
        layers_inputs.append(outputs)
    return before, layers_inputs, add_layer(layers_inputs[-1], 1)[1]


def cost(ys, prediction):
    return tf.reduce_sum(tf.square(ys - prediction), axis=1)


@tf.function(input_signature=[tf.TensorSpec((None, 1))])  # any number of points
def look(x):
    """`inside` and `prediction` for the points x, normalized by their own statistics."""
    weights, averages = watch.trainable_variables, watch.non_trainable_variables
    return watch.stateless_call(weights, averages, x, training=True)[0]


# %% [markdown]
# ## Learning, and looking
# As in the notes, one call trains all nets: they are columns of one model. `cost` adds up their
# errors; they share no weight, so each learns from its own. With `training=True` BN takes mean and
# variance from the points at hand, as the notes always do, and moves the averages. Looking must
# not move them: `stateless_call` leaves the nets as they were.

# %%
NETS = {"tanh, no BN": ("tanh", False), "tanh, BN": ("tanh", True)}
NETS |= {"relu, no BN": ("relu", False), "relu, BN": ("relu", True)}
xs, inside, predictions = keras.Input((1,)), [], []
for activation_function, norm in NETS.values():
    before, layers_inputs, prediction = built_net(xs, norm, activation_function)
    inside.append((before, layers_inputs))
    predictions.append(prediction)
prediction = layers.Concatenate()(predictions)  # (n, 4), a column for each net
net, watch = keras.Model(xs, prediction), keras.Model(xs, (inside, prediction))
net.compile(keras.optimizers.SGD(learning_rate=0.001), cost)

seen, cost_his = {}, []
for i in range(cfg.steps):
    if i % 50 == 0:
        seen[i] = look(x_data)[0]
    start = i * cfg.batch_size % len(x_data)
    end = start + cfg.batch_size
    net.train_on_batch(x_data[start:end], y_data[start:end])
    if i % 5 == 0:
        errors = tf.square(y_data - look(x_data)[1])  # (2500, 4)
        cost_his.append(tf.reduce_mean(errors, axis=0).numpy())  # (4,)
seen[cfg.steps], prediction = look(x_data)

# %% [markdown]
# ## What goes on inside
# First after 50 steps, before and after the activation; then every 50 steps, what goes into each
# layer. Values outside a range are in its first or last bar. Without BN most outputs of tanh are -1
# or 1; with BN they fill the range. Those of relu without BN grow about fourfold a layer: the first
# cost is in the billions, the first step throws the weights out of reach, and all is nan.


# %%
def plot_his(name, strips):
    """A figure with a strip for each label, and in it a histogram (直方圖) for each layer."""
    fig, axes = plt.subplots(len(strips), 1, figsize=(6, 0.75 * len(strips)))
    for ax, (label, (inputs, low, high)) in zip(axes, strips.items()):
        color = "C2" if "no BN" in label else "C0"
        for i, values in enumerate(inputs):
            limits = (low, high) if i else (-7, 10)
            if np.isfinite(values).all():
                counts = np.histogram(np.clip(values, limits[0], limits[1]), 15, limits)[0]
                place = np.linspace(i + 0.1, i + 0.9, 16)
                ax.stairs(counts / counts.max(), place, fill=True, color=color)
            else:
                ax.text(i + 0.5, 0.3, "nan", ha="center")
        ax.set(xticks=[], yticks=[], xlim=(0, 8), ylim=(0, 1.1))
        ax.set_ylabel(f"{label}\n{low} … {high}", rotation=0, ha="right", va="center", size=9)
    ax.set_xticks(np.arange(8) + 0.5, ["-7 … 10"] + [f"layer {i}" for i in range(1, 8)], size=9)
    common.show(fig, name)


strips = {}
for name, (before, layers_inputs) in zip(NETS, seen[min(50, cfg.steps)]):
    strips[f"{name}\nbefore"] = before, -5, 5
    strips[f"{name}\nafter"] = layers_inputs, -1, 1
plot_his("before_after", strips)
for name, k in (("tanh", 0), ("relu", 2)):
    strips = {}
    for step, nets in seen.items():
        strips[f"step {step}, no BN"] = nets[k][1], -1, 1
        strips[f"step {step}, BN"] = nets[k + 1][1], -1, 1
    plot_his(f"layers_{name}", strips)

# %% [markdown]
# ## The cost, and the test
# relu without BN has no error curve. And a point that comes alone is its own mean and has no
# variance: normalized by its own statistics it is 0, whatever it was, and the net answers the same
# to all points. So a test uses the moving averages (移動平均) of training, and a plain call does.
# With decay 0.5 they remember few batches of 10, so they are noisy.

# %%
lines = {}
for name, history in zip(NETS, np.transpose(cost_his)):
    label = name if np.isfinite(history[-1]) else f"{name}: not finite"
    lines[label] = range(0, cfg.steps, 5), history
fig = common.curve(lines, xlabel="step", ylabel="cost on all points", ylim=(0, 2000))
common.show(fig, "cost")
order = np.argsort(x_data[:, 0])
some = order[::277]  # ten points
alone = np.array([look(x_data[i : i + 1])[1][0, 1] for i in some])  # (10,)
tests = {"own statistics, all points": (x_data[order], prediction.numpy()[order, 1])}
tests["moving averages"] = (x_data[order], net(x_data).numpy()[order, 1])
tests["own statistics, each point alone"] = (x_data[some], alone)
fig = common.curve(tests, xlabel="x", ylabel="prediction of tanh, BN")
fig.axes[0].scatter(x_data, y_data, s=3, color="0.8", zorder=0)
common.show(fig, "test")

# %% [markdown]
# ## In the notes, and here
# Saturated means beyond 0.96, as in the example.

# %%
saturated = []
for _, layers_inputs in seen[cfg.steps]:
    values = np.stack(layers_inputs[1:])  # (7, 2500, 30)
    saturated.append(float(np.mean(np.abs(values) > 0.96)))
tanh, tanh_norm, relu, relu_norm = cost_his[-1].tolist()
difference = float(np.abs(by_hand - by_keras).max())
rows = [
    ("tanh(W x) for x = 1 and x = 20", "[0.1 0.96]", str(example), list(example) == [0.1, 0.96]),
    ("BN, formula and Keras: largest difference", 0, difference, difference < 1e-6),
    ("saturated: tanh, no BN", "most", saturated[0], saturated[0] > 0.5),
    ("saturated: tanh, BN", "few", saturated[1], saturated[1] < 0.5),
    ("tanh, no BN: last cost", "-", tanh, None),
    ("tanh, BN: last cost, below that", "lower", tanh_norm, tanh_norm < tanh < np.inf),
    ("relu, no BN: last cost, no error curve", "not finite", f"{relu:.4g}", not np.isfinite(relu)),
    ("relu, BN: last cost, below the first", "lower", relu_norm, relu_norm < cost_his[0][3]),
    ("points alone: range of ten answers", "-", float(np.ptp(alone)), np.ptp(alone) < 1e-3),
]
common.report(rows)

# %% [markdown]
# ## Try it 動手試試
# Predict first, then run. `--batch-size 2`: what does BN make of two points? `--stddev 0.1`: do
# nets with small first weights still need BN?
#
# Measured: the last cost without BN and with it is 768 and 675 for tanh, nan and 601 for relu,
# since two points always become -1 and 1. Then 433 and 210 for tanh; 920 and 126 for relu, which
# now learns without BN as well.
