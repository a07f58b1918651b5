"""Lesson 18 against section 18 of the notes: code 1, 256 images a step, Adam(0.01), 10 epochs."""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS, RESULT, BFLOAT16 = 2140, "cost on the test images", True


def lesson(*flags):
    import common

    with tempfile.TemporaryDirectory() as out:
        run = variables(18, "--smoke", "--training-epochs", 1, *flags, "--out", out)
    model, test_batches = run["autoencoder"], run["test_batches"]
    run.clear()  # the images would be in memory twice
    (x_train, _), _, _ = common.load_mnist()
    x_train = x_train.reshape(-1, 784)
    batches = common.batches(x_train, x_train, 256)

    def train(steps):
        model.fit(batches.take(steps), shuffle=False, verbose=0)

    return train, lambda: model.evaluate(test_batches, verbose=0)


def tf1():
    import common

    (x_train, _), _, (x_test, _) = common.load_mnist()
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

    def train(steps):
        for _ in range(steps):
            rows = np.random.randint(0, len(images), 256)
            session.run([optimizer, cost], {X: images[rows]})

    return train, lambda: session.run(cost, {X: x_test.reshape(-1, 784)})
