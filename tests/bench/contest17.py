"""Lesson 17 against section 17 of the notes: the LSTM, 128 images a step, Adam(0.001).

`BasicLSTMCell` is gone from this TensorFlow, so the reference writes its few lines out and hands
them to `dynamic_rnn`, which is still there; every 20 steps it also reads the accuracy on the batch,
as the notes do. The last two contestants say what the plain Keras layer leaves on the table: the
same layer unrolled, and the notes' dense layer multiplied into the LSTM's input weights (nothing
stands between the two), with all 28 rows in one product.
"""

import functools
import tempfile

import numpy as np
import tensorflow as tf
from running import variables

STEPS, RESULT, BFLOAT16 = 780, "test accuracy", True


def lesson(*flags, front=None):
    """The lesson's network, or one with another way from the image to the last output."""
    with tempfile.TemporaryDirectory() as out:
        all_images = ("--steps", 1, "--test-images", 10_000)
        run = variables(17, "--smoke", *all_images, *flags, "--out", out)
    model, keras = run["model"], run["keras"]
    if front:
        loss, layers = model.loss, [*front(run), model.get_layer("out")]
        model = keras.Sequential([keras.Input((28, 28)), *layers])
        adam = keras.optimizers.Adam(0.001, epsilon=1e-8)
        model.compile(optimizer=adam, loss=loss, metrics=["accuracy"])
    batches = run["common"].batches(run["x_train"], run["y_train"], 128)

    def train(steps):
        model.fit(batches.take(steps), shuffle=False, verbose=0)

    def score():
        pred = model.predict(run["test_batches"], verbose=0)
        return np.mean(pred.argmax(axis=1) == run["y_test"])

    return train, score


def in_one_product(run):
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

    return [OneProduct()]


def unrolled(run):
    return [run["model"].get_layer("in"), run["layers"].LSTM(128, unroll=True)]


MORE = {
    "unroll=True": functools.partial(lesson, front=unrolled),
    "one product, unrolled": functools.partial(lesson, front=in_one_product),
}


def tf1():
    import common

    (x_train, y_train), _, (x_test, y_test) = common.load_mnist()
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
        correct_pred = tf.equal(tf.argmax(prediction, 1), tf.argmax(y, 1))
        accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def train(steps):
        for step in range(steps):
            rows = np.random.randint(0, len(images), 128)
            batch = {x: images[rows].reshape(128, 28, 28), y: labels[rows]}
            session.run(train_op, batch)
            if step % 20 == 0:
                session.run(accuracy, batch)

    def score():  # the state is tied to 128 images: 78 batches, 16 images are left over
        parts = [slice(i, i + 128) for i in range(0, 78 * 128, 128)]
        test = [{x: x_test[part], y: np.eye(10)[y_test[part]]} for part in parts]
        return np.mean([session.run(accuracy, batch) for batch in test])

    return train, score
