"""Lesson 22 against section 22 of the notes: one of the 100 steps, 6 images, all of VGG16."""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS, RESULT, BFLOAT16 = 100, "no result: random weights, which cost the same as real ones", True
PICTURES_A_STEP = 0.6  # 20 pictures and their mirror images, 20 more for the random weights


def lesson(*flags):
    """Both parts of the work: the pictures that fall to a step, then the step on features."""
    with tempfile.TemporaryDirectory() as out:
        run = variables(22, "--smoke", "--image-size", 224, *flags, "--out", out)
    head, images, xs = run["learn"](run["xs"], run["train"]), run["images"], run["xs"]
    lengths = np.tile(run["lengths"], 2)

    def train(steps):
        run["features"](images[: round(PICTURES_A_STEP * steps)], run["vgg"], *run["end"])
        pairs = run["common"].batches(xs, lengths, 6)
        head.fit(pairs.take(steps), shuffle=False, verbose=0)

    return train, lambda: None


def tf1():
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        tfx = v1.placeholder(tf.float32, [None, 224, 224, 3])
        tfy = v1.placeholder(tf.float32, [None, 1])
        red, green, blue = tf.split(tfx * 255.0, 3, axis=3)
        net = tf.concat([blue - 103.939, green - 116.779, red - 123.68], axis=3)
        random = np.random.default_rng(1)
        for block, depth in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
            for _ in range(block):
                kernel = random.normal(0, 0.03, (3, 3, net.shape[-1], depth)).astype(np.float32)
                net = tf.nn.conv2d(net, kernel, [1, 1, 1, 1], "SAME")
                net = tf.nn.relu(tf.nn.bias_add(net, np.zeros(depth, np.float32)))
            net = tf.nn.max_pool(net, 2, 2, "SAME")
        flat = tf.reshape(net, [-1, 7 * 7 * 512])
        weights = [
            v1.Variable(tf.random.uniform((n, m), -limit, limit))
            for n, m, limit in ((25088, 256, 0.015), (256, 1, 0.15))
        ]
        biases = [v1.Variable(tf.zeros(n)) for n in (256, 1)]
        fc6 = tf.nn.relu(tf.matmul(flat, weights[0]) + biases[0])
        loss = tf.reduce_mean((tf.matmul(fc6, weights[1]) + biases[1] - tfy) ** 2)
        train_op = v1.train.RMSPropOptimizer(0.001).minimize(loss)
        session = v1.Session()
        session.run(v1.global_variables_initializer())
    images = np.random.default_rng(1).random((20, 224, 224, 3), np.float32)

    def train(steps):
        for _ in range(steps):
            rows = np.random.randint(0, len(images), 6)
            session.run(train_op, {tfx: images[rows], tfy: np.full((6, 1), 70.0)})

    return train, lambda: None
