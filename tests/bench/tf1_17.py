"""Section 17 of the notes on compat.v1: an LSTM, 100,000 images in batches of 128, the accuracy of
the batch every 20 steps. Adam(0.001): their Adadelta(0.1) ends at 0.85. `BasicLSTMCell` is gone,
so its few lines stand here; `dynamic_rnn` is the real one.

The last line is the test accuracy, which the notes do not look at, in batches of 128, to which
their zero state is tied.
"""

import sys

import numpy as np
import tensorflow as tf
from input_data import read_data_sets

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
SMOKE = __name__ != "__main__" or "--smoke" in sys.argv

mnist = read_data_sets(one_hot=True)
training_iters, batch_size = 300 if SMOKE else 100_000, 128
n_inputs, n_steps, n_hidden_units, n_classes = 28, 28, 128, 10


class BasicLSTMCell:
    state_size, output_size = (n_hidden_units, n_hidden_units), n_hidden_units

    def __init__(self):
        n_rows, n_columns = n_hidden_units + n_hidden_units, 4 * n_hidden_units
        self.kernel = v1.Variable(v1.glorot_uniform_initializer()([n_rows, n_columns]))
        self.bias = v1.Variable(tf.zeros([n_columns]))

    def zero_state(self, batch_size):
        return tf.zeros([batch_size, n_hidden_units]), tf.zeros([batch_size, n_hidden_units])

    def __call__(self, inputs, state, scope=None):
        c, h = state
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs, h], 1), self.kernel), self.bias)
        i, j, f, o = tf.split(gates, 4, axis=1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, (c, h)


def hidden_layer(inputs, n_in, n_out):
    weights = v1.Variable(v1.random_normal([n_in, n_out]))
    return tf.matmul(inputs, weights) + v1.Variable(tf.constant(0.1, shape=[n_out]))


x = v1.placeholder(tf.float32, [None, n_steps, n_inputs])
y = v1.placeholder(tf.float32, [None, n_classes])
X_in = hidden_layer(tf.reshape(x, [-1, n_inputs]), n_inputs, n_hidden_units)
lstm_cell = BasicLSTMCell()
outputs, states = v1.nn.dynamic_rnn(
    lstm_cell,
    tf.reshape(X_in, [-1, n_steps, n_hidden_units]),
    initial_state=lstm_cell.zero_state(batch_size),
    time_major=False,
)
pred = hidden_layer(states[1], n_hidden_units, n_classes)
cost = tf.reduce_mean(v1.nn.softmax_cross_entropy_with_logits_v2(logits=pred, labels=y))
train_op = v1.train.AdamOptimizer(0.001).minimize(cost)
correct_pred = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))

sess = v1.Session()
sess.run(v1.global_variables_initializer())
step = 0
while step * batch_size < training_iters:
    batch_xs, batch_ys = mnist.train.next_batch(batch_size)
    feed = {x: batch_xs.reshape([batch_size, n_steps, n_inputs]), y: batch_ys}
    sess.run(train_op, feed)
    if step % 20 == 0:
        print(sess.run(accuracy, feed))
    step += 1

found = []
for _ in range(2 if SMOKE else 78):
    batch_xs, batch_ys = mnist.test.next_batch(batch_size)
    feed = {x: batch_xs.reshape([batch_size, n_steps, n_inputs]), y: batch_ys}
    found.append(sess.run(accuracy, feed))
print(np.mean(found))
