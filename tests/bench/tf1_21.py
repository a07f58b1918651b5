"""Section 21 of the notes on compat.v1: gradient descent, 400 steps, two calls of the session each.
The descents are those of the notes' pictures: the line with LR 0.1 and 1, and, since the line has
no local minima, the author's own two other functions, sin(b * cos(a * x)) from all three starts.

The last line is b at the end of the first descent.
"""

import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
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
    return b_


def line(a, b):
    return a * x + b


def formula(a, b):
    return a * x**3 + b * x**2


uniform, normal = np.random.rand(200) / 10, np.random.randn(200) / 10
b_ = descend(line, line, uniform, INIT_PARAMS[2], 0.1)
descend(line, line, uniform, INIT_PARAMS[2], 1)
descend(formula, formula, normal, INIT_PARAMS[2], 0.1)
for start in INIT_PARAMS:
    descend(
        lambda a, b: np.sin(b * np.cos(a * x)),
        lambda a, b: tf.sin(b * tf.cos(a * x)),
        normal,
        start,
        0.1,
    )
print(b_)
