"""Section 20 of the notes on compat.v1: two nets of seven layers, without and with batch
normalization, 250 steps of 10 points. They look at every layer's inputs every 50 steps and at both
costs every 5. ACTIVATION is a constant in the notes, which discuss both its values: relu and tanh
are two runs here as well, `tf1_20.py relu` and `tf1_20.py tanh`. The notes' figures are drawn where
no screen is: the data, the histograms at every look, the costs.

The last line is the last cost with normalization.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
plt.switch_backend("agg")
SMOKE = __name__ != "__main__" or "--smoke" in sys.argv

ACTIVATION = tf.nn.relu if "relu" in sys.argv else tf.nn.tanh
N_LAYERS, N_HIDDEN_UNITS = 7, 30


def fix_seed(seed=1):
    np.random.seed(seed)
    v1.set_random_seed(seed)


def normalize(values):
    mean, var = tf.nn.moments(values, axes=[0])
    scale, shift = v1.Variable(tf.ones(mean.shape)), v1.Variable(tf.zeros(mean.shape))
    ema = v1.train.ExponentialMovingAverage(decay=0.5)
    with tf.control_dependencies([ema.apply([mean, var])]):
        mean, var = tf.identity(mean), tf.identity(var)
    return tf.nn.batch_normalization(values, mean, var, shift, scale, 0.001)


def fully_connected(inputs, out_size):
    weights = v1.Variable(v1.random_normal([int(inputs.shape[1]), out_size]))
    return tf.matmul(inputs, weights) + v1.Variable(tf.zeros([1, out_size]) + 0.1)


def built_net(norm):
    fix_seed(1)
    layers_inputs = [normalize(xs) if norm else xs]
    for _ in range(N_LAYERS):
        Wx_plus_b = fully_connected(layers_inputs[-1], N_HIDDEN_UNITS)
        layers_inputs.append(ACTIVATION(normalize(Wx_plus_b) if norm else Wx_plus_b))
    error = tf.square(ys - fully_connected(layers_inputs[-1], 1))
    cost = tf.reduce_mean(tf.reduce_sum(error, axis=[1]))
    return v1.train.GradientDescentOptimizer(0.001).minimize(cost), cost, layers_inputs


def plot_his(*nets):
    for j, inputs in enumerate(nets):
        for i, values in enumerate(inputs):
            ax = plt.subplot(2, len(inputs), j * len(inputs) + i + 1)
            ax.cla()
            ax.hist(values.ravel(), bins=15, range=(-1, 1) if i else (-7, 10), color="#FF5733")
            ax.set(yticks=(), xticks=((-1, 1) if i else (-7, 10)) if j else ())
            ax.set_title(("Without", "With")[j] + " normalizing")
            ax.spines[["right", "top"]].set_color("none")
    plt.gcf().canvas.draw()


fix_seed(1)
x_data = np.linspace(-7, 10, 2500)[:, np.newaxis]
np.random.shuffle(x_data)
y_data = np.square(x_data) - 5 + np.random.normal(0, 8, x_data.shape)
plt.scatter(x_data, y_data)
plt.gcf().canvas.draw()
xs, ys = v1.placeholder(tf.float32, [None, 1]), v1.placeholder(tf.float32, [None, 1])
everything = {xs: x_data, ys: y_data}

train_op, cost, layers_inputs = built_net(norm=False)
train_op_norm, cost_norm, layers_inputs_norm = built_net(norm=True)
sess = v1.Session()
sess.run(v1.global_variables_initializer())
cost_his, cost_his_norm = [], []
plt.figure(figsize=(7, 3))
for i in range(11 if SMOKE else 250):
    if i % 50 == 0:
        plot_his(*sess.run([layers_inputs, layers_inputs_norm], everything))
    rows = slice(10 * i, 10 * i + 10)
    sess.run([train_op, train_op_norm], {xs: x_data[rows], ys: y_data[rows]})
    if i % 5 == 0:
        cost_his.append(sess.run(cost, everything))
        cost_his_norm.append(sess.run(cost_norm, everything))
plt.figure()
plt.plot(np.arange(len(cost_his)) * 5, cost_his, label="no BN")
plt.plot(np.arange(len(cost_his)) * 5, cost_his_norm, label="BN")
plt.legend()
plt.gcf().canvas.draw()
plt.close("all")
print("without:", cost_his[0], cost_his[-1], "with:", cost_his_norm[0])
print(cost_his_norm[-1])
