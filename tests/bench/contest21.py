"""Lesson 21 against section 21 of the notes: gradient descent on a line, 400 steps of two numbers.

Each step is watched: a, b and the cost are read before it. The TF1 loop asks its session twice a
step, as the notes do. Neither building its graph nor tracing ours is counted.
"""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

# A turn is the whole descent of 400 steps, from the same start each time.
A_TURN_IS_THE_WHOLE = True
STEPS, RESULT = 4000, "b at the end"


def line():
    """The lesson's variables, and the notes' 200 points."""
    with tempfile.TemporaryDirectory() as out:
        run = variables(21, "--smoke", "--steps", STEPS // 10, "--out", out)
    noise = np.random.default_rng(1).random(200) / 10
    return run, np.float32(1.2 * run["x"] + 2.5 + noise)


def lesson():
    run, y = line()
    path = []

    def train(steps):
        path[:] = run["descend"]((5.0, 4.0), run["linear"], y, 0.1)
        assert len(path) == steps

    return train, lambda: path[-1][1]


def tf1():
    run, y = line()
    x = run["x"]
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        a, b = (v1.Variable(start, dtype=tf.float32) for start in (5, 4))
        prediction = a * x + b
        mse = tf.reduce_mean(tf.square(y - prediction))
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(mse)
        initialize = v1.global_variables_initializer()
        session = v1.Session()

    path = []

    def train(steps):
        session.run(initialize)
        path.clear()
        for _ in range(steps):
            path.append(session.run([a, b, mse]))
            session.run([prediction, train_op])

    return train, lambda: path[-1][1]
