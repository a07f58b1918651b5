"""Section 15 of the notes on compat.v1: a CNN, 1,000 steps of 100 images, all test images at once
every 50 steps. Adam(0.0001), which gives the printed figures; their Adadelta(0.0001) stays at 0.1.

The last line is the test accuracy of the last look.
"""

import sys

import tensorflow as tf
from input_data import read_data_sets

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
SMOKE = __name__ != "__main__" or "--smoke" in sys.argv

mnist = read_data_sets(one_hot=True)
test = slice(500 if SMOKE else None)


def compute_accuracy(v_xs, v_ys):
    """As in the notes: through numpy, and with new nodes in the graph at every call."""
    y_pre = sess.run(prediction, {xs: v_xs, keep_prob: 1})
    correct_prediction = tf.equal(tf.argmax(y_pre, 1), tf.argmax(v_ys, 1))
    accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))
    return sess.run(accuracy, {xs: v_xs, ys: v_ys, keep_prob: 1})


def weight_variable(shape):
    return v1.Variable(v1.truncated_normal(shape, stddev=0.1))


def bias_variable(shape):
    return v1.Variable(tf.constant(0.1, shape=shape))


def conv_and_pool(x, shape):
    conv = tf.nn.conv2d(x, weight_variable(shape), strides=[1, 1, 1, 1], padding="SAME")
    h_conv = tf.nn.relu(conv + bias_variable(shape[3:]))
    return tf.nn.max_pool2d(h_conv, 2, 2, "SAME")


keep_prob = v1.placeholder(tf.float32)
xs = v1.placeholder(tf.float32, [None, 784])
ys = v1.placeholder(tf.float32, [None, 10])
h_pool1 = conv_and_pool(tf.reshape(xs, [-1, 28, 28, 1]), [5, 5, 1, 32])
h_pool2 = conv_and_pool(h_pool1, [5, 5, 32, 64])
h_pool2_flat = tf.reshape(h_pool2, [-1, 7 * 7 * 64])
h_fc1 = tf.matmul(h_pool2_flat, weight_variable([7 * 7 * 64, 1024])) + bias_variable([1024])
h_fc1_drop = v1.nn.dropout(tf.nn.relu(h_fc1), rate=1 - keep_prob)
logits = tf.matmul(h_fc1_drop, weight_variable([1024, 10])) + bias_variable([10])
prediction = tf.nn.softmax(logits)
cross_entropy = tf.reduce_mean(-tf.reduce_sum(ys * v1.log(prediction), axis=[1]))
train_step = v1.train.AdamOptimizer(1e-4).minimize(cross_entropy)

sess = v1.Session()
sess.run(v1.global_variables_initializer())
for i in range(2 if SMOKE else 1000):
    batch_xs, batch_ys = mnist.train.next_batch(100)
    sess.run(train_step, {xs: batch_xs, ys: batch_ys, keep_prob: 0.5})
    if i % 50 == 0:
        print(compute_accuracy(mnist.test.images[test], mnist.test.labels[test]))
