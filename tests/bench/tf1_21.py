"""Section 21 of the notes on compat.v1: gradient descent, 400 steps, two calls of the session each.
The descents are those of the notes' pictures: the line with LR 0.1 and 1, and, since the line has
no local minima, the author's own two other functions, sin(b * cos(a * x)) from all three starts.

Each descent has the notes' two figures, drawn where no screen is: the data with the fit, and the
surface of the cost with the path. In the notes each is a run of its own; here all are one.

The last line is b at the end of the first descent.
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

REAL_PARAMS, INIT_PARAMS = [1.2, 2.5], [[5, 4], [5, 1], [2, 4.5]]
x = np.linspace(-1, 1, 200, dtype=np.float32)


def descend(y_fun, tf_y_fun, noise, init_params, lr):
    y = y_fun(*REAL_PARAMS) + noise
    a, b = [v1.Variable(initial_value=p, dtype=tf.float32) for p in init_params]
    pred = tf_y_fun(a, b)
    mse = tf.reduce_mean(tf.square(y - pred))
    train_op = v1.train.GradientDescentOptimizer(lr).minimize(mse)
    a_list, b_list, cost_list = [], [], []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for _ in range(20 if SMOKE else 400):
            a_, b_, mse_ = sess.run([a, b, mse])
            a_list.append(a_)
            b_list.append(b_)
            cost_list.append(mse_)
            result, _ = sess.run([pred, train_op])
    print("a=", a_, "b=", b_, "cost", mse_)
    return b_, y, result, (a_list, b_list, cost_list)


def draw(y_fun, y, result, path):
    fit, surface = plt.figure(), plt.figure()
    ax = fit.add_subplot()
    ax.scatter(x, y, c="b")
    ax.plot(x, result, "r-", lw=2)
    ax = surface.add_subplot(projection="3d")
    a3D, b3D = np.meshgrid(np.linspace(-2, 7, 30), np.linspace(-2, 7, 30))
    pairs = zip(a3D.flatten(), b3D.flatten())
    cost3D = np.array([np.mean(np.square(y_fun(a, b) - y)) for a, b in pairs]).reshape(a3D.shape)
    ax.plot_surface(a3D, b3D, cost3D, rstride=1, cstride=1, cmap=plt.get_cmap("rainbow"), alpha=0.5)
    ax.scatter(*[values[0] for values in path], s=300, c="r")
    ax.plot(*path, c="r", lw=3)
    for fig in (fit, surface):
        fig.canvas.draw()
        plt.close(fig)


def line(a, b):
    return a * x + b


def formula(a, b):
    return a * x**3 + b * x**2


def network(a, b):
    return np.sin(b * np.cos(a * x))


def tf_network(a, b):
    return tf.sin(b * tf.cos(a * x))


uniform, normal = np.random.rand(200) / 10, np.random.randn(200) / 10
b_, *found = descend(line, line, uniform, INIT_PARAMS[2], 0.1)
draw(line, *found)
draw(line, *descend(line, line, uniform, INIT_PARAMS[2], 1)[1:])
draw(formula, *descend(formula, formula, normal, INIT_PARAMS[2], 0.1)[1:])
for start in INIT_PARAMS:
    draw(network, *descend(network, tf_network, normal, start, 0.1)[1:])
print(b_)
