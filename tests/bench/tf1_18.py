"""Section 18 of the notes on compat.v1: two autoencoders, Adam(0.01), batches of 256. They are two
scripts in the notes and two runs here, `tf1_18.py 2` and `tf1_18.py 1`. What the notes print as
code 1 is section 17 again; 784-256-128-256-784 with N(0, 1) weights, 10 epochs, gives their costs.
Code 2, down to 2 numbers, 20 epochs, is theirs.

The notes' figures are drawn where no screen is: digits over their reconstructions, and the plane.

The last line is the cost on the last batch of the last epoch, as the notes print it.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from input_data import read_data_sets

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
plt.switch_backend("agg")
SMOKE = __name__ != "__main__" or "--smoke" in sys.argv

mnist = read_data_sets(one_hot=False)


def coder(x, sizes, initial, last=tf.sigmoid):
    """Layers of these sizes, all with a sigmoid but perhaps the last."""
    activations = [tf.sigmoid] * (len(sizes) - 2) + [last]
    for n_in, n_out, activation in zip(sizes, sizes[1:], activations):
        weights = v1.Variable(initial([n_in, n_out]))
        biases = v1.Variable(v1.random_normal([n_out]))
        x = activation(tf.add(tf.matmul(x, weights), biases))
    return x


if "2" in sys.argv:
    sizes, initial, last, epochs = [784, 128, 64, 10, 2], v1.truncated_normal, tf.identity, 20
else:
    sizes, initial, last, epochs = [784, 256, 128], v1.random_normal, tf.sigmoid, 10
X = v1.placeholder("float", [None, 784])
encoder_op = coder(X, sizes, initial, last)
y_pred = coder(encoder_op, sizes[::-1], initial)
cost = tf.reduce_mean(tf.pow(X - y_pred, 2))
optimizer = v1.train.AdamOptimizer(0.01).minimize(cost)

sess, batch_size = v1.Session(), 256
sess.run(v1.global_variables_initializer())
total_batch = 2 if SMOKE else mnist.train.num_examples // batch_size
for epoch in range(1 if SMOKE else epochs):
    for _ in range(total_batch):
        batch_xs, batch_ys = mnist.train.next_batch(batch_size)
        _, c = sess.run([optimizer, cost], {X: batch_xs})
    print(f"Epoch: {epoch + 1:04} cost= {c:.9f}")
print("Optimization Finished!")

if "2" in sys.argv:
    encoder_result = sess.run(encoder_op, {X: mnist.test.images})
    plt.scatter(encoder_result[:, 0], encoder_result[:, 1], c=mnist.test.labels)
    plt.colorbar()
else:
    fig, axes = plt.subplots(2, 10, figsize=(10, 2))
    rebuilt = sess.run(y_pred, {X: mnist.test.images[:10]})
    for i in range(10):
        axes[0, i].imshow(np.reshape(mnist.test.images[i], (28, 28)))
        axes[1, i].imshow(np.reshape(rebuilt[i], (28, 28)))
plt.gcf().canvas.draw()
plt.close()
print(c)
