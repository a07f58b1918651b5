"""Lesson 21 against section 21 of the notes: gradient descent on a line, 400 steps of two numbers.

Each step is watched: a, b and the cost are read before it. The TF1 loop asks its session twice a
step, as the notes do. Neither building its graph nor tracing ours is counted.
"""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS = 400


def contestants():
    with tempfile.TemporaryDirectory() as out:
        run = variables(21, "--smoke", "--steps", STEPS, "--out", out)
    noise = np.random.rand(200) / 10
    y = np.float32(1.2 * run["x"] + 2.5 + noise)

    def lesson(steps):
        assert len(run["descend"]((5.0, 4.0), run["linear"], y, 0.1)) == steps

    return {"TF1 code": tf1(run["x"], y), "here": lesson}


def tf1(x, y):
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        a, b = (v1.Variable(start, dtype=tf.float32) for start in (5, 4))
        prediction = a * x + b
        mse = tf.reduce_mean(tf.square(y - prediction))
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(mse)
        initialize = v1.global_variables_initializer()
        session = v1.Session()

    def run(steps):
        session.run(initialize)
        path = []
        for _ in range(steps):
            path.append(session.run([a, b, mse]))
            session.run([prediction, train_op])

    return run
