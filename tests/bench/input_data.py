"""`tensorflow.examples.tutorials.mnist.input_data`, from which the notes read MNIST and which is
gone: `read_data_sets`, on data/mnist.npz."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "data"


class DataSet:
    """`images` (n, 784), float32 in 0..1, and `labels`, one-hot (n, 10) or (n,)."""

    def __init__(self, images, labels, one_hot):
        self.images = np.divide(images, 255, dtype=np.float32).reshape(-1, 784)
        self.labels = np.eye(10, dtype=np.float32)[labels] if one_hot else labels.astype(np.int64)
        self.num_examples = self.end = len(images)

    def next_batch(self, batch_size):
        """The next images and labels; at the end of a pass all are shuffled, as copies."""
        start, self.end = self.end, self.end + batch_size
        images, labels = self.images[start : self.end], self.labels[start : self.end]
        if len(images) < batch_size:
            order = np.random.permutation(self.num_examples)
            self.images, self.labels = self.images[order], self.labels[order]
            self.end = batch_size - len(images)
            images = np.concatenate([images, self.images[: self.end]])
            labels = np.concatenate([labels, self.labels[: self.end]])
        return images, labels


def read_data_sets(one_hot):
    with np.load(DATA / "mnist.npz") as data:
        train = DataSet(data["x_train"][5000:], data["y_train"][5000:], one_hot)
        return SimpleNamespace(train=train, test=DataSet(data["x_test"], data["y_test"], one_hot))
