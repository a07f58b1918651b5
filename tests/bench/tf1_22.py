"""Section 22 of the notes on compat.v1: VGG16 with a new end, 100 steps, each with six pictures
through all of it; then the saved layers go into a second net. The pictures and the weights are the
lesson's, since the notes' are gone; so are the six pictures to predict, none of which was trained
on. A smoke run has pictures of 32 x 32 and random weights.

The last line is the share of pairs in which the tiger is predicted to be longer than the cat.
"""

import itertools
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import skimage.transform
import tensorflow as tf
from input_data import DATA
from PIL import Image

v1 = tf.compat.v1
if __name__ == "__main__":
    v1.disable_v2_behavior()
SMOKE = __name__ != "__main__" or "--smoke" in sys.argv

SIZE, STEPS = (32, 2) if SMOKE else (224, 100)
KINDS = ["tiger", "kittycat"]
BLOCKS = [[64, 64], [128, 128], [256] * 3, [512] * 3, [512] * 3]


def load_img(path):
    img = np.asarray(Image.open(path).convert("RGB")) / 255.0  # skimage.io fails below a "[folder]"
    short_edge = min(img.shape[:2])
    yy, xx = int((img.shape[0] - short_edge) / 2), int((img.shape[1] - short_edge) / 2)
    crop_img = img[yy : yy + short_edge, xx : xx + short_edge]
    return skimage.transform.resize(crop_img, (SIZE, SIZE))[None]


def load_data():
    imgs = {kind: [*map(load_img, DATA.glob(f"cat_tiger/train/{kind}/*.jpg"))] for kind in KINDS}
    tigers_y = np.maximum(20, np.random.randn(len(imgs["tiger"]), 1) * 30 + 100)
    cat_y = np.maximum(10, np.random.randn(len(imgs["kittycat"]), 1) * 8 + 40)
    return imgs["tiger"], imgs["kittycat"], tigers_y, cat_y


def load_weights(i, shape):
    """Kernel and bias of the i-th convolution."""
    if SMOKE:
        return np.float32(0.03 * np.random.randn(*shape)), np.zeros(shape[3], np.float32)
    with h5py.File(DATA / "vgg16_notop.weights.h5") as file:
        weights = file[f"layers/conv2d_{i}/vars" if i else "layers/conv2d/vars"]
        return weights["0"][()], weights["1"][()]


class Vgg16:
    vgg_mean = [103.939, 116.779, 123.68]

    def __init__(self, restore_from=None):
        self.tfx = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        self.tfy = v1.placeholder(tf.float32, [None, 1])
        red, green, blue = tf.split(self.tfx * 255.0, 3, axis=3)
        bgr = [color - mean for color, mean in zip((blue, green, red), self.vgg_mean)]
        net, layers = tf.concat(bgr, axis=3), itertools.count()
        for block in BLOCKS:
            for depth in block:
                kernel, bias = load_weights(next(layers), [3, 3, int(net.shape[3]), depth])
                conv = tf.nn.conv2d(net, kernel, [1, 1, 1, 1], padding="SAME")
                net = tf.nn.relu(tf.nn.bias_add(conv, bias))
            net = tf.nn.max_pool2d(net, 2, 2, "SAME")
        flatten = tf.reshape(net, [-1, (SIZE // 32) ** 2 * 512])
        fc6 = tf.nn.relu(dense(flatten, 256))
        self.out = dense(fc6, 1)
        self.sess = v1.Session()
        if restore_from:
            v1.train.Saver().restore(self.sess, restore_from)
        else:
            self.loss = v1.losses.mean_squared_error(self.tfy, self.out)
            self.train_op = v1.train.RMSPropOptimizer(0.001).minimize(self.loss)
            self.sess.run(v1.global_variables_initializer())

    def train(self, x, y):
        loss, _ = self.sess.run([self.loss, self.train_op], {self.tfx: x, self.tfy: y})
        return loss

    def predict(self, path):
        return self.sess.run(self.out, {self.tfx: load_img(path)})[0, 0]


def dense(inputs, units):
    """`tf.layers.dense`, which is gone."""
    initial = v1.glorot_uniform_initializer()
    kernel = v1.Variable(initial([int(inputs.shape[1]), units]))
    return tf.matmul(inputs, kernel) + v1.Variable(tf.zeros([units]))


with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder, "transfer_learn"))
    with tf.Graph().as_default():
        tigers_x, cats_x, tigers_y, cats_y = load_data()
        xs = np.concatenate(tigers_x + cats_x, axis=0)
        ys = np.concatenate((tigers_y, cats_y), axis=0)
        vgg = Vgg16()
        for i in range(STEPS):
            b_idx = np.random.randint(0, len(xs), 6)
            print(i, "train loss: ", vgg.train(xs[b_idx], ys[b_idx]))
        v1.train.Saver().save(vgg.sess, path, write_meta_graph=False)
    with tf.Graph().as_default():
        vgg = Vgg16(restore_from=path)
        tigers, cats = (
            [vgg.predict(image) for image in DATA.glob(f"cat_tiger/test/{kind}/*.jpg")]
            for kind in KINDS
        )
print("tigers", *tigers, "cats", *cats)
print(np.mean([tiger > cat for tiger in tigers for cat in cats]))
