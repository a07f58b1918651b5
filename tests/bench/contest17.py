"""Lesson 17 against section 17 of the notes: one step of the LSTM, 128 images, Adam(0.001).

`BasicLSTMCell` is gone from this TensorFlow, so the reference writes its few lines out and hands
them to `dynamic_rnn`, which is still there. The last two contestants say what the plain Keras
layer leaves on the table: the same layer unrolled, and the notes' dense layer multiplied into the
LSTM's input weights (nothing stands between the two), with all 28 rows in one product.
"""

import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS = 50  # `fit` needs about 0.1 s to start, which must not count


def contestants():
    run = lesson()
    runs = {"TF1 code": tf1(), "here, float32": training(run, run["model"])}
    if any(flag in open("/proc/cpuinfo").read() for flag in ("avx512_bf16", "amx_bf16")):
        bfloat16 = lesson("--dtype", "mixed_bfloat16")
        runs["here, mixed_bfloat16"] = training(bfloat16, bfloat16["model"])
        lesson()  # sets the process back to float32
    unrolled = run["layers"].LSTM(128, unroll=True)
    runs["unroll=True"] = training(run, rebuilt(run, run["model"].get_layer("in"), unrolled))
    runs["one product, unrolled"] = training(run, rebuilt(run, in_one_product()))
    return runs


def lesson(*flags):
    with tempfile.TemporaryDirectory() as out:
        return variables(17, "--smoke", *flags, "--out", out)


def training(run, model):
    batches = run["common"].batches(run["x_train"], run["y_train"], 128)
    return lambda steps: model.fit(batches.take(steps), shuffle=False, verbose=0)


def rebuilt(run, *front):
    """The lesson's network with another way from the image to the last output."""
    import keras

    model = keras.Sequential([keras.Input((28, 28)), *front, keras.layers.Dense(10)])
    model.compile(
        optimizer=keras.optimizers.Adam(0.001, epsilon=1e-8),
        loss=run["model"].loss,
        metrics=["accuracy"],
    )
    return model


def in_one_product():
    import keras

    class OneProduct(keras.layers.Layer):
        def build(self, shape):
            self.W_in = self.add_weight(shape=(28, 128), initializer="random_normal")
            self.b_in = self.add_weight(shape=(128,), initializer="zeros")
            self.W = self.add_weight(shape=(128, 512), initializer="glorot_uniform")
            self.U = self.add_weight(shape=(128, 512), initializer="orthogonal")
            self.b = self.add_weight(shape=(512,), initializer="zeros")

        def call(self, x):
            rows = tf.reshape(tf.transpose(x, [1, 0, 2]), [-1, 28])
            bias = tf.matmul(self.b_in[tf.newaxis], self.W) + self.b
            z = tf.matmul(rows, tf.matmul(self.W_in, self.W)) + bias
            h = c = tf.zeros([tf.shape(x)[0], 128])
            for z_row in tf.split(z, 28):
                i, f, j, o = tf.split(z_row + tf.matmul(h, self.U), 4, axis=1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
                h = tf.sigmoid(o) * tf.tanh(c)
            return h

    return OneProduct()


def tf1():
    import common

    (x_train, y_train), _, _ = common.load_mnist()
    images, labels = x_train.reshape(-1, 784), np.eye(10, dtype=np.float32)[y_train]
    v1 = tf.compat.v1
    v1.logging.set_verbosity(v1.logging.ERROR)

    class BasicLSTMCell:
        state_size = (128, 128)
        output_size = 128

        def __init__(self):
            self.kernel = v1.Variable(tf.initializers.glorot_uniform()([256, 512]))
            self.bias = v1.Variable(tf.zeros([512]))

        def __call__(self, inputs, state, scope=None):
            c, h = state
            product = tf.matmul(tf.concat([inputs, h], axis=1), self.kernel)
            i, j, f, o = tf.split(tf.nn.bias_add(product, self.bias), 4, axis=1)
            c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
            h = tf.tanh(c) * tf.sigmoid(o)
            return h, (c, h)

        def zero_state(self, batch_size, dtype):
            return tf.zeros([batch_size, 128], dtype), tf.zeros([batch_size, 128], dtype)

    graph = tf.Graph()
    with graph.as_default():

        def weight(*shape):
            return v1.Variable(tf.random.normal(shape))

        def bias(n):
            return v1.Variable(tf.constant(0.1, shape=[n]))

        x = v1.placeholder(tf.float32, [None, 28, 28])
        y = v1.placeholder(tf.float32, [None, 10])
        rows = tf.matmul(tf.reshape(x, [-1, 28]), weight(28, 128)) + bias(128)
        cell = BasicLSTMCell()
        _, states = v1.nn.dynamic_rnn(
            cell,
            tf.reshape(rows, [-1, 28, 128]),
            initial_state=cell.zero_state(128, tf.float32),
            time_major=False,
        )
        prediction = tf.matmul(states[1], weight(128, 10)) + bias(10)
        losses = v1.nn.softmax_cross_entropy_with_logits_v2(logits=prediction, labels=y)
        train_op = v1.train.AdamOptimizer(0.001).minimize(tf.reduce_mean(losses))
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def run(steps):
        for _ in range(steps):
            rows = np.random.randint(0, len(images), 128)
            batch = images[rows].reshape(128, 28, 28)
            session.run(train_op, {x: batch, y: labels[rows]})

    return run
