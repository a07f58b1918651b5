"""Lesson 15 against section 15 of the notes: one step of the CNN, 100 images, Adam(0.0001)."""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS = 30


def contestants():
    runs = {"TF1 code": tf1(), "here, float32": lesson()}
    if np.any([flag in open("/proc/cpuinfo").read() for flag in ("avx512_bf16", "amx_bf16")]):
        runs["here, mixed_bfloat16"] = lesson("--dtype", "mixed_bfloat16")
    return runs


def lesson(*flags):
    with tempfile.TemporaryDirectory() as out:
        run = variables(15, "--smoke", *flags, "--out", out)
    model, batches = run["model"], run["common"].batches(run["x_train"], run["y_train"], 100)
    return lambda steps: model.fit(batches.take(steps), shuffle=False, verbose=0)


def tf1():
    import common

    (x_train, y_train), _, _ = common.load_mnist()
    images, labels = x_train.reshape(-1, 784), np.eye(10, dtype=np.float32)[y_train]
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():

        def weight(*shape):
            return v1.Variable(tf.random.truncated_normal(shape, stddev=0.1))

        def bias(n):
            return v1.Variable(tf.constant(0.1, shape=[n]))

        def conv(x, n_in, n_out):
            product = tf.nn.conv2d(x, weight(5, 5, n_in, n_out), [1, 1, 1, 1], "SAME")
            return tf.nn.max_pool(tf.nn.relu(product + bias(n_out)), 2, 2, "SAME")

        xs = v1.placeholder(tf.float32, [None, 784])
        ys = v1.placeholder(tf.float32, [None, 10])
        keep_prob = v1.placeholder(tf.float32)
        pooled = conv(conv(tf.reshape(xs, [-1, 28, 28, 1]), 1, 32), 32, 64)
        flat = tf.reshape(pooled, [-1, 3136])
        full = tf.nn.relu(tf.matmul(flat, weight(3136, 1024)) + bias(1024))
        dropped = v1.nn.dropout(full, rate=1 - keep_prob)
        prediction = tf.nn.softmax(tf.matmul(dropped, weight(1024, 10)) + bias(10))
        loss = tf.reduce_mean(-tf.reduce_sum(ys * tf.math.log(prediction), [1]))
        train_step = v1.train.AdamOptimizer(1e-4).minimize(loss)
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def run(steps):
        for _ in range(steps):
            rows = np.random.randint(0, len(images), 100)
            session.run(train_step, {xs: images[rows], ys: labels[rows], keep_prob: 0.5})

    return run
