"""Lesson 15: A convolutional network reads digits 卷積神經網絡

You will see a network with two convolutions learn to read handwritten digits: its accuracy on
10,000 test images after every 50 steps beside the figures in the notes, the 32 filters it has
learned, what one digit looks like on its way through, and the digits it gets most wrong.

    python lessons/lesson15_cnn.py                                  # the notes' settings
    python lessons/lesson15_cnn.py --optimizer adadelta --steps 300 # what the notes' code does
    python lessons/lesson15_cnn.py --smoke                          # all of it, in seconds

| TF1 in the notes                     | here                                            |
|--------------------------------------|-------------------------------------------------|
| `input_data.read_data_sets`          | `common.load_mnist`                             |
| `mnist.train.next_batch(100)`        | `common.batches(x_train, y_train, 100)`         |
| `tf.placeholder`, `feed_dict`        | `keras.Input`; `fit` hands the batches over     |
| `tf.Variable(tf.truncated_normal())` | `keras.initializers.TruncatedNormal`            |
| `tf.nn.conv2d`, `tf.nn.relu`         | `layers.Conv2D(..., activation="relu")`         |
| `tf.nn.max_pool`                     | `layers.MaxPooling2D`                           |
| `tf.reshape(h_pool2, ...)`           | `layers.Flatten`                                |
| `tf.nn.dropout(x, keep_prob)`        | `layers.Dropout(rate)`, rate = 1 - keep_prob    |
| `tf.nn.softmax`, `tf.log`            | `SparseCategoricalCrossentropy(from_logits=True)` |
| `sess.run(train_step, ...)`          | `model.fit`                                     |
| `compute_accuracy`                   | `compute_accuracy`, called by a callback        |

Where the notes slip:
- Their optimizer, Adadelta with learning rate 0.0001, hardly moves: rerun, the notes' code has
  0.102 test accuracy after 300 steps, no better than guessing. Adam(0.0001) gives the figures
  printed there (rerun: 0.9623 at step 600, the notes have 0.9643), so Adam is the default here.
- They take `log(softmax)` by hand, which is log(0) = -inf as soon as a probability underflows.
- Their `compute_accuracy` adds nodes to the graph at every call, so each one is slower.
"""

# %%
import common

cfg = common.settings(
    __doc__,
    steps=1000,
    batch_size=100,
    learning_rate=1e-4,
    optimizer=("adam", "adadelta"),
    dtype=("float32", "mixed_bfloat16"),
    test_images=10_000,
    smoke=dict(steps=4, batch_size=20, test_images=500),
)

# %%
import keras
import numpy as np
from fused_adam import FusedAdam
from keras import layers

# %% [markdown]
# ## The data
# An image has a width, a height and a depth. A colour photograph is 3 deep (red, green, blue);
# these digits are black and white, so they are 28 x 28 x 1.

# %%
(x_train, y_train), _, (x_test, y_test) = common.load_mnist()
x_train, x_test = x_train[..., np.newaxis], x_test[: cfg.test_images, ..., np.newaxis]
y_test = y_test[: cfg.test_images]  # x (n, 28, 28, 1), float32 in 0..1; y (n,), 0..9

# %% [markdown]
# ## The network
# A convolution (卷積) looks at a 5 x 5 patch at a time instead of at single pixels: edges first,
# then shapes made of edges. `padding="same"` is the notes' SAME: the image keeps its size.
# Pooling (池化) keeps the largest of every 2 x 2 values, so width and height are halved and a
# digit shifted by a pixel looks almost the same: that is the robustness (魯棒性) it is for.
# The image gets **thinner and deeper** until two fully connected layers (全連接層) classify it.
#
# Weights start from a normal distribution cut off at two standard deviations, biases slightly
# above zero, so that no relu starts out dead. Every layer needs an initializer of its own: Keras
# draws the same numbers again from one that is used twice.
#
# Dropout with rate 0.5 is the notes' `keep_prob` 0.5. Keras applies it in `fit` and leaves it
# out in `predict`, so nobody has to feed a 1 for testing any more.


# %%
def weight_and_bias_variable():
    return dict(
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
        bias_initializer=keras.initializers.Constant(0.1),
    )


def conv2d(filters, name):
    start = weight_and_bias_variable()
    return layers.Conv2D(filters, 5, padding="same", activation="relu", name=name, **start)


model = keras.Sequential(
    [
        keras.Input((28, 28, 1), name="x_image"),
        conv2d(32, name="h_conv1"),  # (100, 28, 28, 32)
        layers.MaxPooling2D(2, name="h_pool1"),  # (100, 14, 14, 32)
        conv2d(64, name="h_conv2"),  # (100, 14, 14, 64)
        layers.MaxPooling2D(2, name="h_pool2"),  # (100, 7, 7, 64)
        layers.Flatten(name="h_pool2_flat"),  # (100, 3136)
        layers.Dense(1024, activation="relu", name="h_fc1", **weight_and_bias_variable()),
        layers.Dropout(rate=0.5, name="h_fc1_drop"),
        layers.Dense(10, dtype="float32", name="logits", **weight_and_bias_variable()),
    ]
)
W_initial, _ = model.get_layer("h_conv1").get_weights()  # to see later what has changed

stages = ["h_conv1", "h_pool1", "h_conv2", "h_pool2", "h_fc1", "logits"]
shapes = [model.input_shape, *(model.get_layer(name).output.shape for name in stages)]
print("Thinner and deeper:")
print(" → ".join("x".join(map(str, shape[1:])) for shape in shapes))

# %% [markdown]
# ## Loss and optimizer
# The loss is the notes' cross-entropy. It is computed from the logits, the values before the
# softmax, because log(softmax(x)) = x - log(sum(exp(x))) never takes the log of a zero.
# `FusedAdam` is `keras.optimizers.Adam`, only faster with the 3.2 million weights of `h_fc1`.

# %%
optimizers = {"adam": FusedAdam, "adadelta": keras.optimizers.Adadelta}
model.compile(
    optimizer=optimizers[cfg.optimizer](cfg.learning_rate, epsilon=1e-8),  # TF1's epsilon
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
    steps_per_execution=10,  # TensorFlow takes ten steps before Python has a look
)

# %% [markdown]
# ## Training
# Every step learns from another random hundred images: that is stochastic gradient descent
# (隨機梯度下降), nearly as good as using all 55,000 at every step, and 550 times cheaper.
# Before the first step and after every 50 the network reads the test set, which it never learns
# from, 100 images at a time: all 10,000 at once would take 3 GB.

# %%
test_batches = common.batches(x_test, y_test, 100, shuffle=False)
accuracy = {}


def compute_accuracy(step):
    """Test accuracy after so many steps, kept in `accuracy`; returns the logits (10000, 10)."""
    logits = model.predict(test_batches, verbose=0)
    correct_prediction = logits.argmax(axis=1) == y_test
    accuracy[step] = float(correct_prediction.mean())
    common.line(f"step {step:4d}: test accuracy {accuracy[step]:.4f}")
    return logits


every_50_steps = keras.callbacks.LambdaCallback(
    on_train_batch_begin=lambda step, logs: step % 50 == 0 and compute_accuracy(step)
)
model.fit(
    common.batches(x_train, y_train, cfg.batch_size).take(cfg.steps),
    shuffle=False,  # the batches are shuffled already
    callbacks=[every_50_steps],
    verbose=cfg.verbose,
)
logits = compute_accuracy(cfg.steps)

# %% [markdown]
# ## Accuracy by step, and the notes' own 13 points

# %%
import matplotlib.pyplot as plt

printed = "0.103 0.7985 0.8934 0.9172 0.9296 0.9409 0.9411 0.951 0.9495 0.9536 0.9611 0.9586 0.9643"
in_the_notes = dict(zip(range(0, 601, 50), map(float, printed.split())))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="tight")
for ax, (low, part) in zip(axes, [(0, "from start to end"), (0.9, "the same, enlarged")]):
    ax.plot(accuracy.keys(), accuracy.values(), "o-", markersize=4, label=f"here: {cfg.optimizer}")
    ax.plot(in_the_notes.keys(), in_the_notes.values(), "x", markersize=7, label="in the notes")
    ax.set(title=part, xlabel="training step", ylabel="test accuracy", ylim=(low, 1))
    ax.grid(alpha=0.3)
axes[0].legend(loc="lower right")
common.show(fig, "accuracy")

# %% [markdown]
# ## What the first convolution looks for
# 32 filters of 5 x 5: bright asks for ink, dark for paper. 1000 steps of 0.0001 move a weight by
# 0.1 at most, so the filters still look much like the noise they began as. What the training
# has added to each one is no noise: soft edges and blobs.

# %%
W_conv1, b_conv1 = model.get_layer("h_conv1").get_weights()  # (5, 5, 1, 32), (32,)
fig = plt.figure(figsize=(10, 3))
pictures = [("the 32 learned filters", W_conv1), ("learned minus initial", W_conv1 - W_initial)]
for half, (title, filters) in zip(fig.subfigures(1, 2), pictures):
    half.suptitle(title)
    limit = np.abs(filters).max()
    for ax, W in zip(half.subplots(4, 8).flat, np.moveaxis(filters[:, :, 0], -1, 0)):
        ax.imshow(W, cmap="gray", vmin=-limit, vmax=limit)
        ax.axis("off")
common.show(fig, "filters")

# %% [markdown]
# ## One digit on its way through
# A second model with several outputs shares the layers of the first. Eight channels of each
# stage: still a digit after the first convolution, only its features after the last pooling.

# %%
watched = stages[:4]
watch = keras.Model(model.inputs[0], [model.get_layer(name).output for name in watched])
digit = x_test[:1]
activations = [digit, *watch(digit)]  # (1, 28, 28, 1), (1, 28, 28, 32) … (1, 7, 7, 64)

fig, axes = plt.subplots(5, 9, figsize=(9, 5))
for ax in axes.flat:
    ax.axis("off")
for row, name, activation in zip(axes, ["x_image", *watched], activations):
    channels = np.asarray(activation[0], dtype=np.float32)
    row[0].text(0, 0.5, f"{name}\n" + "x".join(map(str, channels.shape)), va="center")
    for ax, channel in zip(row[1:], np.moveaxis(channels, -1, 0)):
        ax.imshow(channel, cmap="gray_r")
common.show(fig, "stages")

# %% [markdown]
# ## Most confidently wrong
# The softmax turns logits into probabilities. These are the wrong answers given with the
# highest ones: some of them a person would get wrong as well.

# %%
probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits))  # (10000, 10)
answer, confidence = probability.argmax(axis=1), probability.max(axis=1)
wrong = np.flatnonzero(answer != y_test)
worst = wrong[np.argsort(-confidence[wrong])][:12]

fig, axes = plt.subplots(2, 6, figsize=(8, 3.6))
for ax in axes.flat:
    ax.axis("off")
for ax, i in zip(axes.flat, worst):
    ax.imshow(x_test[i, :, :, 0], cmap="gray_r")
    ax.set_title(f"{answer[i]}, {confidence[i]:.0%} sure\nis a {y_test[i]}", fontsize=9)
fig.suptitle(f"the most confident of {len(wrong)} wrong answers out of {len(y_test):,}", y=1.02)
common.show(fig, "wrong")

# %% [markdown]
# ## In the notes, and here
# Another seed, another run: the accuracy after 50 and 100 steps is still a matter of luck, later
# it is not. The tolerances, 0.08 and 0.02, come from seeds 1 to 4, which were 0.058 from the
# notes at most up to step 100, and 0.016 after it.

# %%
rows = []
for step, notes in in_the_notes.items():
    if step in accuracy:
        holds = abs(accuracy[step] - notes) <= (0.08 if step <= 100 else 0.02)
        rows.append((f"test accuracy at step {step}", notes, accuracy[step], holds))
if cfg.steps not in in_the_notes:
    rows.append((f"test accuracy at step {cfg.steps}", None, accuracy[cfg.steps], None))
common.report(rows)
