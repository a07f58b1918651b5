"""Lesson 20: Batch normalization 批標準化

First the formula of batch normalization (BN) on five points, by hand and by Keras. Then four nets
learn from the same bad start: tanh and relu, without BN and with it. You see what goes on inside
them, their cost, and why a test needs another mean than the training.

    python lessons/lesson20_batch_norm.py                 # the notes' settings
    python lessons/lesson20_batch_norm.py --stddev 0.18   # smaller first weights
    python lessons/lesson20_batch_norm.py --smoke         # all of it, in seconds
"""

# %%
import common

lesson = common.lesson(  # stands before `import keras`, so that a wrong flag is told at once
    __doc__, 20, steps=250, batch_size=10, learning_rate=0.001, stddev=1.0, smoke={"steps": 60}
)

# %% [markdown]
# ## TF1 in the notes, and here
#
# | TF1 in the notes | here |
# |---|---|
# | `tf.Variable(tf.random_normal(…))` | `RandomNormal`, which a layer uses for its variables |
# | `tf.nn.moments`, `tf.nn.batch_normalization` | `layers.BatchNormalization` |
# | `ExponentialMovingAverage(decay=0.5)` | its `momentum=0.5` |
# | `tf.control_dependencies([ema_apply_op])` | not needed: the layer updates its averages itself |
# | `tf.train.GradientDescentOptimizer(0.001)` | `keras.optimizers.SGD(0.001)` |
# | `sess.run(train_op, feed_dict=…)` | `net.train_on_batch(x_data[batch], y_data[batch])` |
# | `sess.run(layers_inputs, feed_dict=…)` | `watch(x_data, training=True)`, a second model |

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

# %% [markdown]
# ## Why
# Take a weight W = 0.1. For x = 1 the next layer gets 0.1, and tanh(0.1) = 0.1. For x = 20 it gets
# 2, and tanh(2) = 0.96. There tanh is nearly saturated (飽和): however much x grows, the output
# hardly changes, and the net is no longer sensitive (敏感) to it. So one brings the inputs to the
# range where the activation function (激活函數) is sensitive. But the same happens to the values
# inside a net, from one hidden layer to the next. Batch normalization (批標準化) brings them there
# as well, at every layer and for every batch:
#
#     without BN:  x → fully connected layer →      activation → fully connected layer → …
#     with BN:     x → fully connected layer → BN → activation → fully connected layer → …
#
# ## The formula
# The notes speak of a forward part (正向) and a reverse part (反向). Both belong to the way
# forward through the net; the second has nothing to do with backpropagation. The forward part
# subtracts the mean of the batch and divides by its standard deviation. The reverse part can undo
# it: it multiplies by γ (`scale`, 擴展參數) and adds β (`shift`, 平移參數). The net learns both,
# and so finds out by itself how much of the normalization serves it.

# %%
x = np.array([[1.0], [2.0], [5.0], [10.0], [20.0]])  # (5, 1), a batch of five points
Wx_plus_b = 0.1 * x
mean, var = Wx_plus_b.mean(axis=0), Wx_plus_b.var(axis=0)  # of the batch
scale, shift, epsilon = 1.0, 0.0, 0.001  # γ and β begin with these; epsilon prevents a 1 / 0
by_hand = (Wx_plus_b - mean) / np.sqrt(var + epsilon) * scale + shift
BN = layers.BatchNormalization(epsilon=0.001)
by_keras = np.array(BN(Wx_plus_b, training=True))  # True: with mean and variance of this batch
print("x              ", x[:, 0])
print("tanh without BN", np.tanh(Wx_plus_b)[:, 0].round(2))
print("after BN       ", by_hand[:, 0].round(2))
print("tanh with BN   ", np.tanh(by_hand)[:, 0].round(2))

# %% [markdown]
# Without BN all five outputs have the same sign. With BN the values lie around 0, where tanh is
# steep, and the outputs use nearly the whole range from -1 to 1: those of x = 10 and x = 20 lie
# three times as far apart as before. x = 1 and x = 2 pay for it; they lie a little closer.
#
# ## The data and the nets
# The points lie on a parabola with much noise. Each net has seven hidden layers of 30 units. With
# BN, the input itself is normalized too. That alone does not help here: measured with seed 1, tanh
# with BN only at the input ends with a cost of 748, and without any BN with 691. The weights begin
# as N(0, 1), which is a bad start on purpose: the sum of 30 random numbers of size 1 has the size
# √30 ≈ 5, and from 2 on tanh is saturated.

# %%
x_data = np.linspace(-7, 10, 2500, dtype=np.float32)[:, np.newaxis]  # (2500, 1)
np.random.shuffle(x_data)
noise = np.random.normal(0, 8, x_data.shape)
y_data = np.float32(np.square(x_data) - 5 + noise)  # (2500, 1)
N_LAYERS, N_HIDDEN_UNITS = 7, 30


def add_layer(inputs, out_size, activation_function=None, norm=False):
    """A layer's outputs, (n, out_size)."""
    weights = keras.initializers.RandomNormal(stddev=lesson.stddev)
    biases = keras.initializers.Constant(0.1)  # BN subtracts them again; the notes have them
    Wx_plus_b = layers.Dense(out_size, kernel_initializer=weights, bias_initializer=biases)(inputs)
    if norm:
        Wx_plus_b = layers.BatchNormalization(momentum=0.5, epsilon=0.001)(Wx_plus_b)
    return layers.Activation(activation_function)(Wx_plus_b)


def built_net(activation_function, norm):
    """A net, x (n, 1) to y (n, 1), and a second model that gives what its layers pass on."""
    keras.utils.set_random_seed(lesson.seed)  # the notes' fix_seed: all nets begin alike
    xs = keras.Input((1,))
    inputs, outputs = xs, []
    if norm:
        inputs = layers.BatchNormalization(momentum=0.5, epsilon=0.001)(xs)
    for _ in range(N_LAYERS):
        inputs = add_layer(inputs, N_HIDDEN_UNITS, activation_function, norm)
        outputs.append(inputs)  # 7 times (n, 30); the next layer's inputs
    prediction = add_layer(inputs, 1)
    return keras.Model(xs, prediction), keras.Model(xs, outputs)


nets = {
    "tanh, no BN": built_net("tanh", norm=False),
    "tanh, BN": built_net("tanh", norm=True),
    "relu, no BN": built_net("relu", norm=False),
    "relu, BN": built_net("relu", norm=True),
}

# %% [markdown]
# ## Learning
# Each net gets the notes' 250 steps, each with a mini-batch of 10 points. Every 5 steps, from the
# first on, its cost is taken on all 2,500 points, and every 50 steps one looks at what its layers
# pass on. As in the notes, BN then takes mean and variance from all these points; that is
# `training=True`. The first cost, after one step, and the last are printed. `tf.function` makes a
# graph of the net, as TF1 did; without it the lesson takes about 5 s longer.

# %%
looks, cost_his = {}, {}
for name, (net, watch) in nets.items():
    net.compile(keras.optimizers.SGD(lesson.learning_rate), loss="mse")
    graph = tf.function(net)
    looks[name], cost_his[name] = [], []
    for i in range(lesson.steps):
        if i % 50 == 0:
            looks[name].append(np.array(watch(x_data, training=True)))  # (7, 2500, 30)
        start = i * lesson.batch_size % len(x_data)
        batch = slice(start, start + lesson.batch_size)
        net.train_on_batch(x_data[batch], y_data[batch])
        if i % 5 == 0:
            cost_his[name].append(np.mean((graph(x_data, training=True) - y_data) ** 2))
    print(f"{name:11} cost: first {cost_his[name][0]:.4g}, last {cost_his[name][-1]:.4g}")

# %% [markdown]
# ## What goes on inside
# The histograms (直方圖) show what the layers pass on for all 2,500 points, before the first step
# and at the last look, step 200, in the notes' range from -1 to 1. What lies outside is not drawn.
# The notes' first picture, the input, is left out.
#
# Before the first step, tanh without BN gives mostly -1 and 1. With BN hardly any output is
# saturated. The notes call them even (均勻), but from layer 2 on about half lie near
# tanh(±1) = ±0.76. The net has only one input, so many units are almost a switch between two
# values; minus their mean, divided by their standard deviation, two values lie near -1 and 1. relu
# without BN seems to give only 0 in the later layers, as the notes say. But about half of its
# values are above 1 and so not drawn. From layer to layer they grow about √15 ≈ 4 times, because
# half of the 30 inputs are not 0.
#
# At the last look, tanh without BN is saturated still more. With BN the first layer is saturated
# most, and by the net's own choice: there it has learned the largest shifts β, with a standard
# deviation of about 2, and tanh(2) = 0.96. relu without BN has no values left: its outputs were so
# large that the first steps threw the weights out of all range, and since then all values are nan
# ("not a number"). With BN about half the values are above 0 in every layer, because normalized
# values lie on both sides of 0; there relu lives. The numbers are printed below; the spread is the
# standard deviation.


# %%
def plot_his(when):
    """A row of histograms for each net, one for each layer; `when`: 0 first look, -1 last."""
    fig, axes = plt.subplots(4, N_LAYERS, figsize=(6.6, 4.8), layout="constrained")
    for row, name in zip(axes, looks):
        row[0].set_ylabel(name)
        for k, ax in enumerate(row):
            ax.hist(np.ravel(looks[name][when][k]), 15, range=(-1, 1))
            ax.set(xticks=[-1, 1], yticks=[], title=f"layer {k + 1}")
    return fig


def saturated(name, when):
    """The share of outputs beyond ±0.96, as in the example above, in each layer: (7,)."""
    return np.mean(np.abs(looks[name][when]) > 0.96, axis=(1, 2))


lesson.show(plot_his(0), "start", "Before the first step: tanh without BN is saturated already.")
lesson.show(plot_his(-1), "after", "At the last look: relu without BN has no values left.")
tanh_norm, _ = nets["tanh, BN"]
betas = [w.numpy() for w in tanh_norm.weights if w.name == "beta"][1:]  # not that of the input
relu, relu_norm = looks["relu, no BN"], looks["relu, BN"]
print("\nin the layers 1 to 7:")
for name in ("tanh, no BN", "tanh, BN"):
    print(f"{name:11} saturated at first", saturated(name, 0).round(2))
    print(f"{name:11} saturated at last ", saturated(name, -1).round(2))
print("tanh, BN    spread of β at last", np.std(betas, axis=1).round(2))
print("relu, no BN spread at first", np.std(relu[0], axis=(1, 2)).astype(int))
print("relu, BN    above 0 at last", np.mean(relu_norm[-1] > 0, axis=(1, 2)).round(2))

# %% [markdown]
# ## The cost
# As a baseline take a net that always answers the mean of all y. tanh without BN has a cost curve,
# as the notes say, but it comes down to about this baseline and then goes up and down around it.
# The best possible cost is about 64, the variance 8² of the noise.

# %%
constant = float(np.var(y_data))
steps = range(0, lesson.steps, 5)
lines = {name: (steps, costs) for name, costs in cost_his.items() if np.isfinite(costs[-1])}
lines["always the mean of y"] = ([0, lesson.steps], [constant, constant])
fig = common.curve(lines, xlabel="step", ylabel="cost on all points", ylim=(0, 1500))
lesson.show(fig, "cost", "The cost: relu without BN has no curve, because it is nan.")

# %% [markdown]
# ## The test
# In a test a point may come alone. Then it is its own mean: minus the mean, 0 is left, whatever
# the point was. So all points get the same answer. That is why BN keeps moving averages (移動平均)
# of mean and variance: each call with `training=True`, our looks as well, makes them half the old
# average plus half of what the call has found. `training=False` uses them. The notes keep such
# averages and say in a comment that a test needs a fixed mean and variance, but make no test.
#
# In the figure `together` takes mean and variance of all 35 test points, `averages` the moving
# averages, and `alone` those of each single point. With a momentum of 0.5 the averages remember
# little more than the last few batches of 10 points, and mean and variance of so few can be far
# from those of all. With this seed they are: around x = 5 `averages` is far from the points. A
# momentum of 0.9 remembers more batches (try it below). On the right neither line reaches the
# points: after 250 steps the cost is still far above the best possible one.

# %%
x_test = np.linspace(-7, 10, 35, dtype=np.float32)[:, np.newaxis]  # (35, 1)
y_test = np.square(x_test) - 5  # without noise
averages = tanh_norm(x_test, training=False).numpy()  # first: the others change them
together = tanh_norm(x_test, training=True).numpy()
alone = np.concatenate([tanh_norm(point[np.newaxis], training=True) for point in x_test])
lines = {"together": (x_test, together), "averages": (x_test, averages), "alone": (x_test, alone)}
fig = common.curve(lines, {"data": (x_data, y_data)}, xlabel="x", ylabel="tanh, BN: prediction")
lesson.show(fig, "test", "The same net, asked in three ways: alone, all points get one answer.")

# %% [markdown]
# ## In the notes, and here
# The notes draw their costs and print none. After the semicolon stands what the baseline is: for
# the first row BN without epsilon. The second row holds if at the last look less than half of the
# outputs are saturated with BN, and more than half without. A cost goes up and down, so the last
# ten costs are compared: each with BN must be below that of always the mean of y, and for tanh
# below each of the ten without BN.
#
# | measured | seeds | BN | no BN |
# |---|---|---|---|
# | tanh: saturated at the last look | 1 to 8 | 0.07 to 0.26 | 0.81 to 0.88 |
# | tanh: last cost | 1 to 20 | 135 to 228 | 540 to 1,034 |
# | relu: last cost | 1 to 20 | 72 to 130 | nan |
# | tanh: test cost of the averages | 1 to 20 | 88 to 364 | - |

# %%
error = np.abs(by_hand - by_keras).max()
wrong = np.abs((Wx_plus_b - mean) / np.sqrt(var) - by_keras).max()
share, share_norm = saturated("tanh, no BN", -1).mean(), saturated("tanh, BN", -1).mean()
cost, cost_norm = cost_his["tanh, no BN"][-10:], cost_his["tanh, BN"][-10:]
cost_relu = cost_his["relu, BN"][-10:]
lower = max(cost_norm) < min(constant, *cost)
nan, nan_norm = np.isnan(relu[-1]).mean(), np.isnan(relu_norm[-1]).mean()
one, many = np.ptp(alone), np.ptp(together)  # largest minus smallest answer
test = np.mean((averages - y_test) ** 2)
rows = [
    ("BN by hand and Keras's; no epsilon", "-", error, wrong, error < 1e-5 < wrong),
    ("tanh, BN: saturated; no BN", "few", share_norm, share, share_norm < 0.5 < share),
    ("tanh, BN: cost; no BN", "lower", cost_norm[-1], cost[-1], lower),
    ("relu, no BN: share of nan; BN", "no curve", nan, nan_norm, nan > nan_norm),
    ("relu, BN: cost; mean of y", "-", cost_relu[-1], constant, max(cost_relu) < constant),
    ("alone: range of answers; together", "-", one, many, one < many / 1000),
    ("averages: test cost; mean of y", "-", test, np.var(y_test), test < np.var(y_test)),
]
lesson.report(rows)

# %% [markdown]
# ## Is relu to blame?
# relu without BN ends without a cost curve, and the notes' last words sound as if relu were to
# blame for that. It is not relu alone: with BN, where the notes too see its values above 0, it has
# the lowest cost of all four nets. Without BN it learns too, if its weights and its learning rate
# are small (below).
#
# ## Try it 動手試試
# Predict first, then run; where the report says NO, say why.
#
# - `--stddev 0.18`: now the sum of 30 random numbers has the size √30 · 0.18 ≈ 1. Do the nets still
#   need BN?
# - `--stddev 0.18 --learning-rate 0.0001`: which net learns best now?
# - Write `momentum=0.9` for `momentum=0.5` in both places: how good are the averages now?
#
# Measured with seed 1, the lowest and the highest of the last ten costs:
#
# | | tanh, no BN | tanh, BN | relu, no BN | relu, BN |
# |---|---|---|---|---|
# | the notes' settings | 492 to 879 | 144 to 187 | nan | 89 to 133 |
# | `--stddev 0.18` | 492 to 1,066 | 192 to 294 | nan | 85 to 126 |
# | `--stddev 0.18 --learning-rate 0.0001` | 805 to 838 | 791 to 852 | 132 to 293 | 304 to 422 |
#
# Good first weights are not enough for tanh in 250 steps: it learns faster with BN, and here BN at
# the input alone goes a part of the way (386 to 783). With ten times the steps tanh comes down
# without BN as well: to 146 with `--stddev 0.18 --learning-rate 0.0003 --steps 2500`.
#
# relu without BN needs the smaller learning rate: with 0.001 it blew up from both starts. With the
# smaller one it does best without BN, at least so far: with BN its cost is still falling. So what
# BN gives relu here is that it bears the larger rate.
#
# The test cost of the averages with the seeds 1 to 4 was 101, 116, 120, 91 with a momentum of 0.9,
# and 211, 99, 113, 88 with 0.5. Here the first seed alone would have misled you.
