"""Lesson 20 against section 20 of the notes: both tanh nets, 250 steps of 10 rows.

The records are those of the notes: every layer's inputs on all points every 50 steps, the cost of
both nets on all points every 5. Neither building the TF1 graph nor tracing ours is counted.
"""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

# A turn is the whole training of 250 steps, which goes on from turn to turn.
A_TURN_IS_THE_WHOLE = True
STEPS, RESULT = 2500, "cost with BN / without"


def lesson():
    run = lesson_variables()
    both = [run["built_net"]("tanh", norm) for norm in (False, True)]
    end = []

    def train(steps):
        for step in range(0, steps, 50):
            looks, costs = run["train"](both, tf.constant(step), tf.constant(50))
            tf.nest.map_structure(lambda tensor: tensor.numpy(), [looks, costs])
        end[:] = costs[:, -1].numpy()

    return train, lambda: end[1] / end[0]


def lesson_variables():
    with tempfile.TemporaryDirectory() as out:
        return variables(20, "--smoke", "--activation", "tanh", "--out", out)


def tf1():
    run = lesson_variables()
    x_data, y_data = run["x_data"].numpy(), run["y_data"].numpy()
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        xs = v1.placeholder(tf.float32, [None, 1])
        ys = v1.placeholder(tf.float32, [None, 1])

        def normalize(values):
            mean, variance = tf.nn.moments(values, axes=[0])
            scale = v1.Variable(tf.ones(mean.shape))
            shift = v1.Variable(tf.zeros(mean.shape))
            ema = v1.train.ExponentialMovingAverage(decay=0.5)
            with tf.control_dependencies([ema.apply([mean, variance])]):
                mean, variance = tf.identity(mean), tf.identity(variance)
            return tf.nn.batch_normalization(values, mean, variance, shift, scale, 0.001)

        def product(inputs, n_out):
            weights = v1.Variable(tf.random.normal([int(inputs.shape[1]), n_out]))
            return tf.matmul(inputs, weights) + v1.Variable(tf.zeros([1, n_out]) + 0.1)

        def net(norm):
            layers_inputs = [normalize(xs) if norm else xs]
            for _ in range(7):
                inputs = product(layers_inputs[-1], 30)
                layers_inputs.append(tf.nn.tanh(normalize(inputs) if norm else inputs))
            error = tf.square(ys - product(layers_inputs[-1], 1))
            cost = tf.reduce_mean(tf.reduce_sum(error, axis=1))
            train_op = v1.train.GradientDescentOptimizer(0.001).minimize(cost)
            return train_op, cost, layers_inputs

        train_op, cost, layers_inputs = net(norm=False)
        train_op_norm, cost_norm, layers_inputs_norm = net(norm=True)
        session = v1.Session()
        session.run(v1.global_variables_initializer())
    everything = {xs: x_data, ys: y_data}

    cost_his = []

    def train(steps):
        for i in range(steps):
            if i % 50 == 0:
                session.run([layers_inputs, layers_inputs_norm], everything)
            rows = np.s_[i * 10 : i * 10 + 10]
            session.run([train_op, train_op_norm], {xs: x_data[rows], ys: y_data[rows]})
            if i % 5 == 0:
                cost_his.append(session.run(cost, everything))
                cost_his.append(session.run(cost_norm, everything))

    return train, lambda: cost_his[-1] / cost_his[-2]
