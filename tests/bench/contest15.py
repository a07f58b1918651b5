"""Lesson 15 against section 15 of the notes: the CNN, 100 images a step, Adam(0.0001), and every
50 steps the accuracy on all the test images: in the notes' code on 10,000 at once."""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS, RESULT, BFLOAT16 = 1000, "test accuracy", True
# Multiplications and additions that fall to a step: two passes of 100 images through the first
# convolution, which needs no gradient for its input, three through the others; and one of 200
# images through all of them, a fiftieth of the test set.
FIRST, OTHERS = 784 * 25 * 32, 196 * 25 * 32 * 64 + 3136 * 1024 + 1024 * 10
FLOPS = 2 * (100 * (2 * FIRST + 3 * OTHERS) + 200 * (FIRST + OTHERS))


def lesson(*flags):
    with tempfile.TemporaryDirectory() as out:
        all_images = ("--steps", 1, "--test-images", 10_000)
        run = variables(15, "--smoke", *all_images, *flags, "--out", out)
    model, batches = run["model"], run["common"].batches(run["x_train"], run["y_train"], 100)

    def score():
        logits = model.predict(run["test_batches"], verbose=0)
        return np.mean(logits.argmax(axis=1) == run["y_test"])

    every_50_steps = run["keras"].callbacks.LambdaCallback(
        on_train_batch_begin=lambda step, logs: step % 50 == 0 and score()
    )

    def train(steps):
        model.fit(batches.take(steps), shuffle=False, verbose=0, callbacks=[every_50_steps])

    return train, score


def tf1():
    import common

    (x_train, y_train), _, (x_test, y_test) = common.load_mnist()
    images, labels = x_train.reshape(-1, 784), np.eye(10, dtype=np.float32)[y_train]
    x_test, y_test = x_test.reshape(-1, 784), np.eye(10, dtype=np.float32)[y_test]
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
        correct_prediction = tf.equal(tf.argmax(prediction, 1), tf.argmax(ys, 1))
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def score():
        return session.run(accuracy, {xs: x_test, ys: y_test, keep_prob: 1})

    def train(steps):
        for step in range(steps):
            if step % 50 == 0:
                score()
            rows = np.random.randint(0, len(images), 100)
            session.run(train_step, {xs: images[rows], ys: labels[rows], keep_prob: 0.5})

    return train, score
