"""Lesson 18: Autoencoders 自編碼

You will see a network squeeze a digit of 784 pixels into 128 numbers and draw it again from
those, a second one squeeze it into 2, so that 10,000 digits become points in a plane, and both
measured against PCA and as the input of a classifier.

    python lessons/lesson18_autoencoder.py                  # the notes' settings
    python lessons/lesson18_autoencoder.py --init modern    # relu, Glorot, learning rate / 10
    python lessons/lesson18_autoencoder.py --optimizer sgd  # a cost that stays large
    python lessons/lesson18_autoencoder.py --smoke          # all of it, in seconds

| TF1 in the notes                     | here                                            |
|--------------------------------------|-------------------------------------------------|
| `tf.random_normal`                   | `keras.initializers.RandomNormal(stddev=1)`     |
| `tf.truncated_normal`                | `keras.initializers.TruncatedNormal(stddev=1)`  |
| `def encoder(x)`, `def decoder(x)`   | `encoder`, `decoder`: two `keras.Sequential`    |
| `decoder(encoder(X))`                | `keras.Sequential([encoder, decoder])`          |
| `tf.reduce_mean(tf.pow(...))`        | `loss="mse"`, with the image as its own label   |
| `sess.run(encoder_op, ...)`          | `encoder.predict`                               |

Where the notes slip:
- TODO
"""

# %%
import common

cfg = common.settings(
    __doc__,
    training_epochs=10,
    training_epochs_2=20,
    batch_size=256,
    learning_rate=0.01,
    optimizer=("adam", "adadelta", "sgd"),
    init=("notes", "modern"),
    dtype=("float32", "mixed_bfloat16"),
    classifier_steps=500,
    train_images=55_000,
    smoke=dict(training_epochs=2, training_epochs_2=2, classifier_steps=5, train_images=1024),
)

# %%
import keras
import numpy as np
from keras import layers

# %% [markdown]
# ## The data
# Learning without a teacher (非監督學習): the labels are loaded, but no autoencoder sees them.

# %%
n_input = 784
(x_train, y_train), _, (x_test, y_test) = common.load_mnist()
x_train, y_train = x_train[: cfg.train_images].reshape(-1, n_input), y_train[: cfg.train_images]
x_test = x_test.reshape(-1, n_input)  # x (n, 784), float32 in 0..1; y (n,), 0..9
test_batches = common.batches(x_test, x_test, 1000, shuffle=False)

# %% [markdown]
# ## What both autoencoders share
# The notes start every weight and bias from a normal distribution of standard deviation 1. With
# 784 inputs a sigmoid is then nearly always at 0 or 1, where it hardly learns. `--init modern`
# takes relu, Glorot's smaller weights, zero biases and a tenth of the learning rate.

# %%
optimizers = {
    "adam": lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8),  # TF1's epsilon
    "adadelta": lambda rate: keras.optimizers.Adadelta(rate, epsilon=1e-8),
    "sgd": keras.optimizers.SGD,
}
modern = cfg.init == "modern"
hidden = "relu" if modern else "sigmoid"


def dense(units, activation, normal=keras.initializers.RandomNormal):
    """A fully connected layer with the notes' initial values, or with Keras's own."""
    if modern:
        return layers.Dense(units, activation)
    return layers.Dense(
        units,
        activation,
        kernel_initializer=normal(stddev=1.0),
        bias_initializer=keras.initializers.RandomNormal(stddev=1.0),
    )


def train(autoencoder, epochs):
    """Fit the images to themselves; returns the cost on the test images after each epoch."""
    optimizer = optimizers[cfg.optimizer](cfg.learning_rate / (10 if modern else 1))
    autoencoder.compile(optimizer=optimizer, loss="mse")
    history = autoencoder.fit(
        common.batches(x_train, x_train, cfg.batch_size),
        epochs=epochs,
        steps_per_epoch=len(x_train) // cfg.batch_size,  # the notes' total_batch
        shuffle=False,  # the batches are shuffled already
        validation_data=test_batches,
        verbose=cfg.verbose,
    )
    return history.history["val_loss"]


# %% [markdown]
# ## Code 1: from 784 pixels to 128 numbers and back
# The encoder (編碼器) is the front half, the decoder (解碼器) the back half. They are models of
# their own, with the same layers as the whole: train the whole, then use either.

# %%
encoder = keras.Sequential(
    [
        keras.Input((n_input,)),
        dense(256, hidden),
        dense(128, hidden),  # (256, 128), the code
    ],
    name="encoder",
)
decoder = keras.Sequential(
    [
        keras.Input((128,)),
        dense(256, hidden),
        dense(n_input, "sigmoid"),  # (256, 784), pixels in 0..1
    ],
    name="decoder",
)
autoencoder = keras.Sequential([encoder, decoder], name="autoencoder")
cost = train(autoencoder, cfg.training_epochs)

# %%
import matplotlib.pyplot as plt

in_the_notes = [0.089918643, 0.082782879, 0.073581800, 0.069128580, 0.066503450]
in_the_notes += [0.066125013, 0.062507540, 0.059653457, 0.060695820, 0.059536964]

fig, ax = plt.subplots(figsize=(7, 4))
ax.plot(range(1, len(cost) + 1), cost, "o-", label="here: all test images")
ax.plot(range(1, 11), in_the_notes, "x", markersize=8, label="in the notes: the last batch")
ax.set(xlabel="epoch", ylabel="cost: mean squared error", ylim=0)
ax.grid(alpha=0.3)
ax.legend()
common.show(fig, "cost")


def gallery(rows):
    """One row of ten digits for each label."""
    picture = np.vstack([np.hstack(np.reshape(images, (10, 28, 28))) for images in rows.values()])
    fig, ax = plt.subplots(figsize=(10, len(rows)))
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=range(14, 28 * len(rows), 28), yticklabels=rows)
    return fig


ten = x_test[:10]
rebuilt = autoencoder(ten)
common.show(gallery({"test digits": ten, "from 128 numbers": rebuilt}), "reconstructions")

# %% [markdown]
# ## Code 2: down to 2 numbers
# No activation on the code, so that it can be any point of the plane. The colours are the
# labels, which the network has never seen: digits that look alike came to lie together.

# %%
cut_off = keras.initializers.TruncatedNormal
encoder_2 = keras.Sequential(
    [
        keras.Input((n_input,)),
        dense(128, hidden, cut_off),
        dense(64, hidden, cut_off),
        dense(10, hidden, cut_off),
        dense(2, None, cut_off),  # (256, 2), the code
    ],
    name="encoder_2",
)
decoder_2 = keras.Sequential(
    [
        keras.Input((2,)),
        dense(10, hidden, cut_off),
        dense(64, hidden, cut_off),
        dense(128, hidden, cut_off),
        dense(n_input, "sigmoid", cut_off),  # (256, 784)
    ],
    name="decoder_2",
)
autoencoder_2 = keras.Sequential([encoder_2, decoder_2], name="autoencoder_2")
cost_2 = train(autoencoder_2, cfg.training_epochs_2)
encoder_result = encoder_2.predict(test_batches, verbose=0)  # (10000, 2)

fig, ax = plt.subplots(figsize=(7.5, 6))
points = ax.scatter(*encoder_result.T, c=y_test, s=4, cmap="tab10", vmin=-0.5, vmax=9.5)
fig.colorbar(points, ticks=range(10), label="digit")
ax.set(xlabel="first number of the code", ylabel="second number")
common.show(fig, "plane")

# %% [markdown]
# ## "Like PCA, and beyond it"
# PCA (主成分分析) is the best that a linear encoder and decoder can do, and it has a formula: the
# eigenvectors of the pixels' covariance.

# %%
mean = x_train.mean(axis=0)
covariance = x_train.T @ x_train / len(x_train) - np.outer(mean, mean)  # (784, 784)
components = np.linalg.eigh(covariance)[1][:, ::-1]  # the largest first


def pca(x, n):
    """Images (m, 784) from their first n principal components."""
    return (x - mean) @ components[:, :n] @ components[:, :n].T + mean


error = {n: float(np.mean((pca(x_test, n) - x_test) ** 2)) for n in (2, 128)}
rows = {
    "test digits": ten,
    "net, 128 numbers": rebuilt,
    "PCA, 128": pca(ten, 128),
    "net, 2 numbers": autoencoder_2(ten),
    "PCA, 2": pca(ten, 2),
}
common.show(gallery(rows), "pca")

# %% [markdown]
# ## "Usually only the first half is used"
# The code in place of the pixels: a linear classifier (one layer, no hidden ones) learns the
# digits from 784 pixels, from 128 numbers and from 2, with the encoders frozen.

# %%
train_batches = common.batches(x_train, x_train, 1000, shuffle=False)
features = {
    "784 pixels": (x_train, x_test),
    "code of 128": [encoder.predict(x, verbose=0) for x in (train_batches, test_batches)],
    "code of 2": [encoder_2.predict(x, verbose=0) for x in (train_batches, test_batches)],
}


accuracy = {}
for name, (train, test) in features.items():
    center, spread = train[:1000].mean(axis=0), train[:1000].std()  # one scale for all numbers
    classifier = keras.Sequential(
        [
            keras.Input(center.shape),
            layers.Rescaling(1 / spread, offset=-center / spread),
            layers.Dense(10, dtype="float32"),
        ]
    )
    classifier.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for labels in (1000, len(train)):
        batches = common.batches(train[:labels], y_train[:labels], 250)
        classifier.fit(batches.take(cfg.classifier_steps), shuffle=False, verbose=0)
        answer = np.argmax(classifier(test), axis=1)
        accuracy[name, labels] = float((answer == y_test).mean())

# %% [markdown]
# ## In the notes, and here

# %%
rows = [
    (f"cost after epoch {epoch}", notes, here, None)
    for epoch, (notes, here) in enumerate(zip(in_the_notes, cost), start=1)
]
rows += [
    (f"two numbers: cost after epoch {len(cost_2)}", None, cost_2[-1], None),
    ("two numbers: cost of PCA", None, error[2], None),
    ("128 numbers: cost of PCA", None, error[128], None),
    *[
        (f"{name}, {labels:,} labels: accuracy", None, value, None)
        for (name, labels), value in accuracy.items()
    ],
]
common.report(rows)
