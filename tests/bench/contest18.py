"""Lesson 18 against section 18 of the notes: one step of code 1, 256 images, Adam(0.01)."""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS = 214  # an epoch: `fit` needs about 0.1 s to start, as in the lesson


def contestants():
    runs = {"TF1 code": tf1(), "here, float32": lesson()}
    if any(flag in open("/proc/cpuinfo").read() for flag in ("avx512_bf16", "amx_bf16")):
        runs["here, mixed_bfloat16"] = lesson("--dtype", "mixed_bfloat16")
    return runs


def lesson(*flags):
    with tempfile.TemporaryDirectory() as out:
        run = variables(18, "--smoke", "--train-images", 55_000, *flags, "--out", out)
    model, x_train = run["autoencoder"], run["x_train"]
    batches = run["common"].batches(x_train, x_train, 256)
    return lambda steps: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def tf1():
    import common

    (x_train, _), _, _ = common.load_mnist()
    images = x_train.reshape(-1, 784)
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():

        def layer(x, n_in, n_out):
            weight = v1.Variable(tf.random.normal([n_in, n_out]))
            return tf.nn.sigmoid(
                tf.add(tf.matmul(x, weight), v1.Variable(tf.random.normal([n_out])))
            )

        X = v1.placeholder("float", [None, 784])
        code = layer(layer(X, 784, 256), 256, 128)
        y_pred = layer(layer(code, 128, 256), 256, 784)
        cost = tf.reduce_mean(tf.pow(X - y_pred, 2))
        optimizer = v1.train.AdamOptimizer(0.01).minimize(cost)
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def run(steps):
        for _ in range(steps):
            rows = np.random.randint(0, len(images), 256)
            session.run([optimizer, cost], {X: images[rows]})

    return run
