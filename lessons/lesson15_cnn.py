"""Lesson 15: A convolutional network reads digits 卷積神經網絡

A network with two convolutions learns to read handwritten digits. You see its accuracy beside the
notes' own figures, why the optimizer printed in the notes cannot give them, what the network has
made of a digit at each stage, and its worst mistakes. At the end it reads a digit of yours.

    python lessons/lesson15_cnn.py                                 # the notes' settings
    python lessons/lesson15_cnn.py --predict my_three.png          # afterwards: your own digit
    python lessons/lesson15_cnn.py --optimizer adadelta            # what the printed code does
    python lessons/lesson15_cnn.py --smoke                         # all of it, in seconds
"""

# %%
import common

lesson = common.lesson(  # stands before `import keras`, so that a wrong flag is told at once
    __doc__,
    15,
    steps=1000,
    batch_size=100,
    learning_rate=1e-4,
    optimizer=("adam", "adadelta"),
    dtype=("float32", "mixed_bfloat16"),
    predict=[],  # pictures of digits
    smoke=dict(steps=51, batch_size=20),
)

# %% [markdown]
# ## TF1 in the notes, and here
#
# | TF1 in the notes                           | here                                        |
# |--------------------------------------------|---------------------------------------------|
# | `tf.placeholder`                           | `keras.Input`                               |
# | `weight_variable`, `bias_variable`         | `initial_values()`, given to a layer        |
# | `tf.nn.relu(conv2d(x, W) + b)`             | `layers.Conv2D(…, activation="relu")`       |
# | `max_pooling_2x2(x)`                       | `layers.MaxPooling2D(2)`                    |
# | `tf.nn.dropout(x, keep_prob)`              | `layers.Dropout(rate)`, rate = 1 - keep_prob |
# | `one_hot=True`, `ys * tf.log(prediction)`  | `SparseCategoricalCrossentropy`             |
# | `train_step`, run in a `tf.Session`        | `model.train_on_batch(batch_xs, batch_ys)`  |
# | `compute_accuracy(v_xs, v_ys)`             | `model.evaluate(v_xs, v_ys)`                |

# %%
import keras
import numpy as np
from keras import layers

keras.config.set_dtype_policy(lesson.dtype)
mnist = common.load_mnist()

# %% [markdown]
# `--dtype mixed_bfloat16` lets the layers calculate with numbers of 16 bits instead of 32. They
# keep only about three digits, which is enough to learn from, and a processor that has
# instructions for them needs about two thirds of the time. Only the last layer stays at 32 bits,
# because the loss compares numbers that differ little.

# %% [markdown]
# ## What a convolution is 卷積
# A fully connected network looks at 784 single points; which of them are neighbours, it is not
# told. A convolution looks at a small patch, here 5 x 5 pixels, and moves it over the whole image,
# so that it sees an image and not points. What it looks for in a patch is a filter (過濾器): 25
# weights, which are multiplied by the 25 pixels and added up. One filter gives one new image, large
# where the patch resembles the filter; 32 filters give 32 images.
#
# The number of images that lie on top of each other is called the depth (深度; the notes also say
# height). A photograph of a cat of 256 x 256 pixels has depth 3, for red, green and blue. Our grey
# digits have depth 1; after the first convolution the depth is 32, after the second it is 64.
#
# The notes tell what the stages do: the first one collects edges (邊緣), the next one puts edges
# together to outlines (輪廓), the last one has the features (特徵) of the whole image, and a
# classifier (分類) made of fully connected layers (全連接層) answers from these features.

# %% [markdown]
# ## The start
# Weights begin as small random numbers; if they were all equal, all filters would learn the same.
# Biases (偏置) begin at 0.1, a little above 0, because each layer ends with a relu, which makes 0
# of everything negative, and a unit that only gives 0 does not learn.


# %%
def initial_values():
    W = keras.initializers.TruncatedNormal(stddev=0.1)
    b = keras.initializers.Constant(0.1)
    return dict(kernel_initializer=W, bias_initializer=b)


# %% [markdown]
# ## The network
# `padding="same"` adds a margin of zeros, so that the image keeps its 28 x 28 pixels. The notes say
# that a convolution makes the image smaller; their code pads as ours does (`padding='SAME'`), and
# it is the pooling (池化) that makes it smaller: of every 2 x 2 values only the largest stays. So
# it matters less where exactly in these four pixels a stroke was: that is the robustness (魯棒性)
# of which the notes speak.
#
# Dropout sets a random half of `h_fc1` to 0 at every training step, so that no unit can rely on
# one other unit. When the network is asked, Keras leaves dropout out by itself.
#
# The last layer gives ten numbers, the logits; the digit with the largest is the answer.

# %%
xs = keras.Input((784,))
x_image = layers.Reshape((28, 28, 1))(xs)

conv1 = layers.Conv2D(32, 5, padding="same", activation="relu", **initial_values())
h_conv1 = conv1(x_image)  # (n, 28, 28, 32)
h_pool1 = layers.MaxPooling2D(2)(h_conv1)  # (n, 14, 14, 32)
conv2 = layers.Conv2D(64, 5, padding="same", activation="relu", **initial_values())
h_conv2 = conv2(h_pool1)  # (n, 14, 14, 64)
h_pool2 = layers.MaxPooling2D(2)(h_conv2)  # (n, 7, 7, 64)

h_pool2_flat = layers.Flatten()(h_pool2)  # (n, 3136), 7 * 7 * 64
h_fc1 = layers.Dense(1024, activation="relu", **initial_values())(h_pool2_flat)  # (n, 1024)
h_fc1_drop = layers.Dropout(0.5)(h_fc1)
logits = layers.Dense(10, dtype="float32", **initial_values())(h_fc1_drop)  # (n, 10)

model = keras.Model(xs, logits)
model.summary(line_length=72)

# %% [markdown]
# ## Softmax and loss
# The softmax makes probabilities of the ten logits: it takes e to the power of each and divides by
# the sum of the ten results, so that they are above 0 and add up to 1. The loss is the notes'
# cross-entropy (交叉熵): minus the logarithm of the probability that the right digit got. The notes
# take the softmax and the logarithm one after the other; where a probability is too small for a
# 32-bit number it becomes 0, log(0) is minus infinity, and their `0 * log(0)` makes the whole loss
# nan ("not a number"). With `from_logits=True` Keras does both in one formula, which has no such
# place.
#
# "Sparse" means that a label is one number, such as 3, where the notes' one-hot label is ten
# numbers with a single 1 at place 3. The loss is the same.

# %%
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizers = {"adam": keras.optimizers.Adam, "adadelta": keras.optimizers.Adadelta}
optimizer = optimizers[lesson.optimizer](lesson.learning_rate, epsilon=1e-8)  # TF1's epsilon
model.compile(optimizer, cross_entropy, metrics=["accuracy"])

# %% [markdown]
# ## Training
# Every step learns from a hundred images chosen at random. That is stochastic gradient descent
# (隨機梯度下降): the direction is not as exact as with all 55,000 images, but a step costs a 550th.
# The accuracy is measured on the 10,000 test images, from which the network never learns.
#
# The notes print `AdadeltaOptimizer(0.0001)`, and with it their own figures cannot be had (the next
# section shows why). Mofan's own script has `AdamOptimizer(1e-4)`, and Adam is what we take.
#
# The notes look after the step is made, so that "step 0" has already learned from a hundred images.
# We do the same, in order to compare.

# %%
v_xs, v_ys = mnist.test.images, mnist.test.labels
first_weights = model.get_weights()  # to see later what has changed
if lesson.predict:  # your digit is read by the network of the last run: nothing to train
    lesson.load_weights(model, "cnn")
    lesson.steps = 0

accuracy = {}  # step: accuracy
for i in range(lesson.steps):
    batch_xs, batch_ys = mnist.train.next_batch(lesson.batch_size)
    model.train_on_batch(batch_xs, batch_ys)
    if i % 50 == 0:
        loss, accuracy[i] = model.evaluate(v_xs, v_ys, batch_size=200, verbose=0)
        print(f"step {i:3}: test accuracy {accuracy[i]:.4f}")

# %%
notes = [0.103, 0.7985, 0.8934, 0.9172, 0.9296, 0.9409, 0.9411]  # at steps 0, 50, 100 …
notes += [0.951, 0.9495, 0.9536, 0.9611, 0.9586, 0.9643]
if lesson.steps:
    lesson.save_weights(model, "cnn")
    lines = {f"here, {lesson.optimizer}": (list(accuracy), list(accuracy.values()))}
    dots = {"in the notes": (range(0, 601, 50), notes)}
    fig = common.curve(lines, dots, xlabel="step", ylabel="test accuracy")
    lesson.show(fig, "accuracy", "Test accuracy every 50 steps: the notes' 13 figures and ours.")

# %% [markdown]
# ## Why Adadelta(0.0001) stands still
# Adam's first step is the learning rate, 0.0001, whether the gradient is small or large. Adadelta
# takes the size of its steps from its past steps. At first there are none; in their place stands
# the root of epsilon, sqrt(1e-8) = 0.0001, a number that is only meant to prevent a division by 0.
# The first step is about the learning rate times this number, 0.0001 x 0.0001; and since it is so
# small, the next ones are small as well.
#
# So take the network as it was before the training, and train it for 51 steps with that optimizer.
# How far has it moved the weight that it has moved most?

# %%
twin = keras.models.clone_model(model)
twin.set_weights(first_weights)
twin.compile(keras.optimizers.Adadelta(1e-4, epsilon=1e-8), cross_entropy, metrics=["accuracy"])
for _ in range(min(lesson.steps, 51)):
    batch_xs, batch_ys = mnist.train.next_batch(lesson.batch_size)
    twin.train_on_batch(batch_xs, batch_ys)
loss, adadelta_accuracy = twin.evaluate(v_xs, v_ys, batch_size=200, verbose=0)
moved = max(np.abs(new - old).max() for new, old in zip(twin.get_weights(), first_weights))
commonest = np.bincount(v_ys).max() / len(v_ys)  # how often always answering 1 is right
print(f"\n51 steps of Adadelta(0.0001) have moved no weight further than {moved:.1e};")
print(
    f"test accuracy {adadelta_accuracy:.4f}, always answering the commonest digit {commonest:.4f}"
)

# %% [markdown]
# ## One answer
# The first test image is a 7. Here are its ten logits and what the softmax makes of them.

# %%
v_logits = model.predict(v_xs, batch_size=200, verbose=0)  # (10000, 10)
prediction = keras.ops.softmax(v_logits).numpy()  # (10000, 10), each row adds up to 1
print("\ndigit        logit  probability")
for digit in range(10):
    print(f"{digit:5} {v_logits[0, digit]:12.2f} {prediction[0, digit]:12.5f}")

# %% [markdown]
# ## What the first filters have learned
# After a thousand steps the filters still look like the noise that they began as, because the
# training has moved them only a little. The third row shows what it has added, five times as
# strong, and this is no noise: light pixels lie beside light ones and dark beside dark ones,
# because strokes are wider than one pixel. As a number: the correlation (-1 to 1) of each weight
# with its right neighbour. In noise it is near 0. The mean of each filter is taken out first,
# because a filter that only grows lighter as a whole has learned nothing about neighbours.

# %%
before, after = first_weights[0], conv1.kernel.numpy()  # (5, 5, 1, 32)
change = after - before
change -= change.mean(axis=(0, 1))
noise = np.corrcoef(before[:, :-1].ravel(), before[:, 1:].ravel())[0, 1]
learned = np.corrcoef(change[:, :-1].ravel(), change[:, 1:].ravel())[0, 1]

filters = [W[:, :, 0, k] for W in (before, after, 5 * change) for k in range(8)]
rows = ["before", "after", "change x 5"]
fig = common.image_grid(filters, 8, rows=rows, cmap="gray", vmin=-0.2, vmax=0.2)
lesson.show(fig, "filters", "Eight of the 32 filters before and after, and what was learned.")

# %% [markdown]
# ## A digit on its way
# Eight images of each stage. After the first convolution one still sees the digit, here as its
# body, there as its edges; after the last pooling only spots are left, each of which says that
# something is there. A person cannot read them any more; the classifier can.

# %%
watch = keras.Model(xs, [h_conv1, h_pool1, h_conv2, h_pool2])
channels = []
for stage in watch(v_xs[:1]):  # (1, 28, 28, 32) … (1, 7, 7, 64)
    values = np.float32(stage[0])
    channels += [values[:, :, k] for k in range(8)]
rows = ["h_conv1\n28x28x32", "h_pool1\n14x14x32", "h_conv2\n14x14x64", "h_pool2\n7x7x64"]
fig = common.image_grid(channels, 8, rows=rows)
lesson.show(fig, "stages", "The first test digit at four stages, eight images of each stage.")

# %% [markdown]
# ## Most confidently wrong
# These wrong answers have the highest probability. Some of the digits a person would misread too.

# %%
answer, confidence = prediction.argmax(axis=1), prediction.max(axis=1)  # (10000,) each
wrong = np.flatnonzero(answer != v_ys)
worst = wrong[np.argsort(-confidence[wrong])][:12]
titles = [f"{answer[i]}, {confidence[i]:.0%} sure\nis a {v_ys[i]}" for i in worst]
fig = common.image_grid(v_xs[worst].reshape(-1, 28, 28), 6, titles)
lesson.show(fig, "wrong", "The twelve wrong answers of which the network is most sure.")

# %% [markdown]
# ## In the notes, and here
# The baseline is always answering the commonest digit. With seeds 1 to 5 the accuracy was at most
# 0.060 from the notes' up to step 100, where much is luck, and at most 0.016 after that; the
# tolerances are 0.08 and 0.02. Step 0 is no claim, because any untrained network is about there.

# %%
rows = []
for step, theirs in zip(accuracy, notes):
    holds = abs(accuracy[step] - theirs) < (0.08 if step <= 100 else 0.02)
    holds = None if step == 0 else holds
    rows.append((f"test accuracy at step {step}", theirs, accuracy[step], commonest, holds))
rows.append(("test accuracy at the end", "-", np.mean(answer == v_ys), commonest, None))
rows.append(("neighbours in what filters learned", "-", learned, noise, learned > 0.3 > abs(noise)))
stands_still = adadelta_accuracy < notes[1] - 0.3
slips = [("Adadelta(0.0001) at step 50", notes[1], adadelta_accuracy, commonest, stands_still)]
if lesson.steps:
    lesson.report(rows, slips)

# %% [markdown]
# ## Where the notes slip
# - `AdadeltaOptimizer(0.0001)` never gave the figures printed below it; rerun in TF1, that code has
#   0.102 after 300 steps. It is the transcript's; Mofan's own script has `AdamOptimizer(1e-4)`,
#   which rerun in TF1 comes to 0.9623 at step 600, where the notes print 0.9643.
# - "A convolution makes the image smaller": theirs does not, only their pooling does.
# - `tf.log(prediction)` by hand is minus infinity where a probability is 0.
#
# ## Try it 動手試試
# Predict first, then run. Ten times the rate, `--learning-rate 0.001`: better or worse? A tenth of
# the images, `--batch-size 10`: how much is lost? The rate of the paper that proposed Adadelta,
# `--optimizer adadelta --learning-rate 1`: does it learn now?
#
# Measured: at the end 0.9873, 0.9390 and 0.9826; with the settings of this lesson 0.972 (seed 1).

# %% [markdown]
# ## Your own digit
# Write a digit on paper, photograph it, and give the picture to `--predict`, several if you like.
# `load_digit` makes of it what MNIST's makers made of theirs: the ink bright on black, 20 pixels
# large, its centre of mass in the middle. The figure shows your picture and what the network saw.

# %%
pictures, titles, refused = [], [], []
for path in lesson.predict:
    try:
        digit = common.load_digit(path)  # (784,)
    except common.Trouble as trouble:
        refused.append(str(trouble))
        continue
    probability = keras.ops.softmax(model(digit[None])).numpy()[0]  # (10,)
    titles += ["your picture", f"{probability.argmax()}, {probability.max():.0%} sure"]
    pictures += [common.read_image(path), digit.reshape(28, 28)]
    print(f"{path}: {titles[-1]}")
if pictures:
    fig = common.image_grid(pictures, 4, titles)
    lesson.show(fig, "predict", "Your picture, and beside it what the network saw of it.")
if refused:
    raise common.Trouble("\n".join(refused))
