"""Lesson 17: An LSTM reads digits row by row 循環神經網絡

A recurrent network reads a digit like a text of 28 rows. You see why a plain one forgets how the
text began, what the three gates of an LSTM do against it at every row, and how well it reads.

    python lessons/lesson17_lstm.py                      # about a minute
    python lessons/lesson17_lstm.py --plain-rnn trained  # the plain one too
    python lessons/lesson17_lstm.py --smoke              # in seconds
"""

# %%
import common

lesson = common.lesson(  # stands before `import keras`, so that a wrong flag is told at once
    __doc__,
    17,
    training_iters=100_000,  # images in all, not loops, as the notes' comment says (循環次數)
    batch_size=128,
    learning_rate=0.001,
    stddev=1.0,  # standard deviation of the hidden layers' first weights
    plain_rnn=("untrained", "trained"),
    smoke=dict(training_iters=2020, batch_size=20),
)

# %% [markdown]
# ## TF1 in the notes, and here
#
# | TF1 in the notes                        | here                                               |
# |-----------------------------------------|----------------------------------------------------|
# | `tf.placeholder(tf.float32, [None, …])` | `keras.Input`                                      |
# | two `tf.reshape` round a `tf.matmul`    | `layers.Dense`, which works on the last axis       |
# | `BasicLSTMCell(forget_bias=1.0)` | `layers.LSTM`, whose forget bias begins at 1 as well |
# | `state_is_tuple=True`                   | `return_state=True`: the states come one by one    |
# | `lstm_cell.zero_state(batch_size)`      | not needed: Keras begins with zeros by itself      |
# | `tf.nn.dynamic_rnn(lstm_cell, X_in, …)` | `lstm_cell(X_in)`                                  |
# | `time_major=False`                      | not needed: the rows are always the second axis    |
# | `outputs`, the m of every row           | `return_sequences=True`                            |
# | `states[1]`, the last m                 | `states[1]`, though the order is another one       |
# | `softmax_cross_entropy_with_logits`     | `SparseCategoricalCrossentropy(from_logits=True)`  |
# | `AdadeltaOptimizer(lr)`                 | `keras.optimizers.Adam(lr)`, see *Training*        |
# | `sess.run(train_op, feed_dict=…)`       | `model.train_on_batch(batch_xs, batch_ys)`         |

# %%
import keras
import numpy as np
import tensorflow as tf
from keras import layers

n_inputs, n_steps = 28, 28  # pixels in a row, rows; the network reads one row at a time
n_hidden_units, n_classes = 128, 10
mnist = common.load_mnist()
test_xs = mnist.test.images.reshape(-1, n_steps, n_inputs)  # (10000, 28, 28)
test_ys = mnist.test.labels  # (10000,)

# %% [markdown]
# ## Memory
# In a sequence (序列數據) the order counts: a sentence is understood better if one remembers the
# sentence before it. A recurrent network (循環神經網絡, RNN) has a memory for this. It reads x1,
# answers y1, and keeps what it has found, the state (狀態) S1, in its cell. When x2 comes, the cell
# recalls S1 and adds the new input to it, so that y2 is a summary of x1 and x2 in their order:
#
#     x1          x2          x3
#     ↓           ↓           ↓
#     cell ──S1─→ cell ──S2─→ cell ──S3─→ …     the same weights w in every cell
#     ↓           ↓           ↓
#     y1          y2          y3
#
# It is one cell, drawn once for every step. RNNs have many forms; ours reads the 28 rows of a
# digit, from the first to the last, and answers after the last one only.
#
# ## Why it forgets
# Somebody tells: "Today I will make red-braised ribs (紅燒排骨). First the ribs have to be washed,
# then …", and after many sentences: "… and now the dish is ready." Which dish? The answer stood in
# the first sentence, and on its way to the end it has passed every cell. A plain RNN that has not
# learned yet says, for example, "chicken with chillies".
#
# To learn from this error, it must find out that the first sentence was what counted. So the error
# travels back (誤差反向傳遞), from one cell to the one before, and every cell multiplies it by w.
# If w is 0.9, then 27 rows further back 0.9 to the power of 27 is left of it, 6 %, and after a
# hundred rows nothing that counts: the gradient vanishes (梯度消失). If w is 1.1, it has grown 13
# times after 27 rows, and 14,000 times after a hundred: the gradient explodes (梯度爆炸).
#
# That is the story in the notes, and one thing is missing in it. A plain cell says
#
#     m = tanh(X_in W + m U + b)
#
# where X_in is the new input, m on the right the cell's last output, and U the story's w, a square
# of 128 x 128 weights. On its way back the error passes the tanh as well, and is multiplied by its
# slope. The slope is 1 for an input of 0, and the larger the input, the flatter is tanh: beyond 3
# or -3 the slope is below 0.01 (saturation, 飽和). So each cell multiplies the error by w and by
# the slope.
#
# ## What the LSTM does about it
# The LSTM (長短期記憶, long short-term memory) remembers as one follows a film. Its cell state c
# is the main plot (主線劇情). Each new row suggests a piece of a side plot j (分線劇情). Three
# gates, numbers between 0 (shut) and 1 (open), decide what becomes of it:
#
# - the input gate i (輸入控制): how much of the side plot is written into the main plot, according
#   to how important it is;
# - the forget gate f (忘記控制): how much of the main plot so far is kept; for when a side plot
#   changes what we think of the story, the old must make room for the new;
# - the output gate o (輸出控制): how much of the main plot is told now, as the output m.
#
# Each gate is a small layer with weights of its own. It sees the new input and the last output:
#
#     i = sigmoid(X_in W_i + m U_i + b_i)        j = tanh(X_in W_j + m U_j + b_j)
#     f = sigmoid(X_in W_f + m U_f + b_f)        c = f * c + i * j
#     o = sigmoid(X_in W_o + m U_o + b_o)        m = o * tanh(c)
#
# Look at the formula for c: on the direct way back, from c to the c before it, the error is
# multiplied by f alone, with no U and no tanh. Where f is near 1, almost all of the error gets
# through. That, say the notes, is why the memory fades more slowly (延緩了記憶衰退).

# %% [markdown]
# ## Two networks
# A hidden layer (隱層) makes 128 numbers of the 28 pixels of a row, a cell reads the 28 rows, and
# another hidden layer answers from the last output. Only the cell differs: an LSTM, or a plain RNN
# of 128 units. Their first hidden layers begin with the same numbers, drawn as in the notes.
#
# As states TF1 returns (c, m), Keras's LSTM (output, m, c) and its plain RNN (outputs, m), so
# `states[1]` is m in all three. The notes call it the state of the side plot; it is the cell's
# last output.
#
# The plain cell's U begins as an orthogonal matrix, which turns or mirrors a vector and leaves its
# length as it is: the w of the story begins at exactly 1. (The LSTM's four U are parts of one
# orthogonal array, and each of them makes a vector shorter.)
#
# The notes' zero state is made for 128 images, and their net can read no other number at a time.
# Keras makes the zeros when it sees the batch, and we can test with all 10,000 test images.


# %%
def hidden_layer(units, stddev):
    weights = keras.initializers.RandomNormal(stddev=stddev)
    biases = keras.initializers.Constant(0.1)
    return layers.Dense(units, kernel_initializer=weights, bias_initializer=biases)


def RNN(hidden_in, cell):
    X = keras.Input((n_steps, n_inputs))  # (n, 28 rows, 28 pixels)
    X_in = hidden_in(X)  # (n, 28, 128)
    states = cell(X_in)
    results = hidden_layer(n_classes, lesson.stddev)(states[1])  # (n, 10), from m
    return keras.Model(X, results)


lstm_in = hidden_layer(n_hidden_units, lesson.stddev)
lstm_cell = layers.LSTM(n_hidden_units, return_state=True)
model = RNN(lstm_in, lstm_cell)

plain_in = hidden_layer(n_hidden_units, lesson.stddev)
plain_cell = layers.SimpleRNN(n_hidden_units, return_sequences=True, return_state=True)
plain_model = RNN(plain_in, plain_cell)
plain_in.set_weights(lstm_in.get_weights())

# %% [markdown]
# ## How far back the error reaches
# Before any training: four digits, one below the other, make a text of 112 rows. How much does the
# last output (the sum of its 128 numbers) change when X_in at one row changes a little? That is
# the gradient at this row; where it is 0, nothing can be learned from the row. We divide it by the
# last row's, so that the table says what is left of the error.
#
# Both cells are measured twice: behind the notes' hidden layer, whose first weights are N(0, 1),
# and behind another one with N(0, 0.1), ten times smaller.


# %%
def gradient_by_row(hidden_in, cell):
    """The gradient's size at each of 112 rows, the last row first, divided by the last row's."""
    X = mnist.test.images[:40].reshape(10, 4 * n_steps, n_inputs)
    X_in = hidden_in(X)  # (10, 112, 128)
    with tf.GradientTape() as tape:  # records what is computed, as the graph did in TF1
        tape.watch(X_in)  # as if it were a variable
        m_state = cell(X_in)[1]  # (10, 128)
    gradient = tape.gradient(m_state, X_in)  # (10, 112, 128); TF1: tf.gradients
    size = np.abs(gradient).mean(axis=(0, 2))[::-1]  # (112,)
    return size / size[0]


small_in = hidden_layer(n_hidden_units, 0.1)
lstm = gradient_by_row(lstm_in, lstm_cell)
lstm_small = gradient_by_row(small_in, lstm_cell)
plain = gradient_by_row(plain_in, plain_cell)
plain_small = gradient_by_row(small_in, plain_cell)
gradients = {"LSTM": lstm, "LSTM, N(0, 0.1)": lstm_small}
gradients |= {"plain RNN": plain, "plain RNN, N(0, 0.1)": plain_small}
print("\nleft of the error      1 row back    27 rows   111 rows")
for name, size in gradients.items():
    print(f"{name:22}{size[1]:11.1e}{size[27]:11.1e}{size[111]:11.1e}")

# %% [markdown]
# 27 rows back, at the first row of the last digit, about a millionth of the error is left in the
# plain RNN, and almost a hundredth in the LSTM, thousands of times as much. It is not w that takes
# the error away, for w is 1; it is the slope of tanh, which is 1 - tanh² and never above 1 (so
# nothing explodes here). These are the slopes in the rows 8 to 21, where the ink is, of 100 digits:

# %%
for name, hidden_in in {"plain RNN": plain_in, "plain RNN, N(0, 0.1)": small_in}.items():
    m = plain_cell(hidden_in(test_xs[:100]))[0][:, 8:22]  # (100 images, 14 rows, 128 units)
    print(f"{name:22}half of the slopes are below {np.median(1 - m**2):.2f}")

# %% [markdown]
# Behind N(0, 1) X_in is large, and many slopes are small. Behind N(0, 0.1) they are near 1, and
# after 27 rows 5 % is left, almost what the story's w of 0.9 leaves: the same plain cell hands back
# more than the LSTM. So a plain RNN depends on its start. At 27 rows the LSTM hardly does. Behind
# N(0, 0.1) its forget gates stand near sigmoid(1) = 0.73, so that the direct way alone would leave
# 0.73 to the power of 27, 0.0002; most of what is left comes back through m and the gates.

# %% [markdown]
# ## The cell by hand
# These are the six formulas from above, for the first 100 test images. Keras keeps the four W side
# by side in one array, in the order i, f, j, o (TF1: i, j, f, o), and U and b as well.


# %%
def gates():
    """f, i, o, c, m with the weights as they are now, each (28 rows, 100 images, 128 units)."""
    W, U, b = lstm_cell.get_weights()  # (128, 512), (128, 512), (512,)
    X_in = lstm_in(test_xs[:100])  # (100, 28, 128)
    c = m = tf.zeros((100, n_hidden_units))
    rows = []
    for row in range(n_steps):
        i, f, j, o = tf.split(X_in[:, row] @ W + m @ U + b, 4, axis=1)  # (100, 128) each
        i, f, j, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(j), tf.sigmoid(o)
        c = f * c + i * j
        m = o * tf.tanh(c)
        rows.append([f, i, o, c, m])
    return np.stack(rows, axis=1)  # (5, 28, 100, 128)


f_untrained = gates()[0]

# %% [markdown]
# ## Training
# 100,000 images, 128 at a time, are 782 loops. The notes print `AdadeltaOptimizer(0.1)`; Mofan's
# own script has `AdamOptimizer(0.001)`, which learns more in these 782 loops, and it is what we
# take. (The notes' line is `keras.optimizers.Adadelta(0.1, epsilon=1e-8)` today.) Every 20 loops
# the net reads the batch that it has just learned, as in the notes; at the end it reads all test
# images, from which it never learns.

# %%
cost = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(net):
    """The notes' loop; returns the accuracy on the 10,000 test images."""
    optimizer = keras.optimizers.Adam(lesson.learning_rate, epsilon=1e-8)  # TF1's epsilon
    net.compile(optimizer, cost, metrics=["accuracy"])
    step = 0
    while step * lesson.batch_size < lesson.training_iters:
        batch_xs, batch_ys = mnist.train.next_batch(lesson.batch_size)
        batch_xs = batch_xs.reshape(-1, n_steps, n_inputs)
        net.train_on_batch(batch_xs, batch_ys)
        if step % 20 == 0:
            _, accuracy = net.test_on_batch(batch_xs, batch_ys)
            print(f"step {step:3}: accuracy on this batch {accuracy:.4f}")
        step += 1
    return net.evaluate(test_xs, test_ys, batch_size=250, verbose=0)[1]


test_accuracy = train(model)
baseline = np.bincount(test_ys).max() / len(test_ys)  # always answering 1, the commonest digit
print(f"all test images: {test_accuracy:.4f}; always the commonest digit {baseline:.4f}")
if lesson.plain_rnn == "trained":
    baseline = train(plain_model)
    print(f"all test images: plain RNN {baseline:.4f}")
    gradients["plain RNN, trained"] = gradient_by_row(plain_in, plain_cell)

# %% [markdown]
# ## What the gates do
# First: is the cell by hand the layer's? The last m of both must be the same. Then: does the
# training open the forget gates, so that more is remembered? It opens some and shuts others: more
# of them stand wide open than before, above 0.9, and more are nearly shut, below 0.1.

# %%
f, i, o, c, m = gates()
m_state = lstm_cell(lstm_in(test_xs[:100]))[1]  # (100, 128), the layer's own
difference = np.abs(m[-1] - m_state).max()
opened, opened_before = np.mean(f > 0.9), np.mean(f_untrained > 0.9)
shut, shut_before = np.mean(f < 0.1), np.mean(f_untrained < 0.1)
print(f"\nby hand and layer differ by {difference:.1e} at most")
print(f"forget gates above 0.9: {opened_before:.3f} untrained, {opened:.3f} trained")
print(f"forget gates below 0.1: {shut_before:.3f} untrained, {shut:.3f} trained")

# %% [markdown]
# In the pictures each row is a row of the digit, and each column is one of 28 units: white is 0,
# black is 1, a gate that stands open. The columns are in the order of their forget gate, from those
# that keep least to those that keep most. As long as the rows are empty, the gates stand still, and
# the main plot fills slowly. Where the ink begins, the gates answer: the same gate can be shut at
# one row and open a few rows later. (For the main plot c we draw the size of tanh(c), which is
# between 0 and 1.)

# %%
units = f[:, 0].mean(axis=0).argsort()[8:120:4]  # 28 of 128
f7, i7, o7, c7, m7 = gates()[:, :, 0, units]  # (28 rows, 28 units) each
pictures = [test_xs[0], f7, i7, test_xs[0], o7, np.abs(np.tanh(c7))]
titles = ["the digit", "forget gate f", "input gate i"]
titles += ["the digit", "output gate o", "main plot, |tanh(c)|"]
fig = common.image_grid(pictures, 3, titles, vmin=0, vmax=1)
lesson.show(fig, "gates", "A 7, and 28 of the 128 units at each of its rows; black: open.")

# %% [markdown]
# And the gradients again, with the LSTM's after the training. It fades as well, but more slowly
# than before. (The steps in the plain RNN's curve are the empty rows between the digits: there X_in
# is small and every tanh is steep.)

# %%
gradients["LSTM, trained"] = gradient_by_row(lstm_in, lstm_cell)
lines = {name: (range(4 * n_steps), size) for name, size in gradients.items()}
axes = dict(xlabel="rows back from the last", ylabel="gradient / the last row's", yscale="log")
lesson.show(common.curve(lines, **axes), "gradients", "What is left of the error, row by row.")

# %% [markdown]
# ## In the notes, and here
# The notes print no results in this section, so each claim has a baseline of our own; where one
# row has two numbers, its name has them too, the baseline's after the semicolon.
#
# - The test accuracy must be above 0.94, and above the baseline: always answering the commonest
#   digit, or with `--plain-rnn trained` the plain RNN. With seeds 1 to 5 it was 0.952 to 0.960.
# - 27 rows back, before the training, the LSTM must have 100 times the plain RNN's gradient; with
#   seeds 1 to 5 it was 2,500 to 6,800 times.
# - There the plain RNN must gain 100 times as much as the LSTM, if N(0, 1) becomes N(0, 0.1). With
#   seeds 1 to 5 its gradient became 15,000 to 45,000 times as large, the LSTM's 0.65 to 0.96 times.
# - The last m by hand must be the layer's, up to rounding; the baseline is the size of m.
# - More forget gates must be open than before the training, and more shut, by half at least.
# - 111 rows back the LSTM's gradient must be 10 times what it was before the training.

# %%
gain, gain_lstm = plain_small[27] / plain[27], lstm_small[27] / lstm[27]
far, far_before = gradients["LSTM, trained"][111], lstm[111]
kept = f_untrained.mean()
rows = [
    ("test accuracy", "-", test_accuracy, baseline, test_accuracy > max(0.94, baseline)),
    ("27 rows back, LSTM; plain RNN", "-", lstm[27], plain[27], lstm[27] > 100 * plain[27]),
    ("N(0, 0.1) / N(0, 1), plain; LSTM", "-", gain, gain_lstm, gain > 100 * gain_lstm),
    ("by hand and layer; size of m", "-", difference, np.abs(m).mean(), difference < 1e-4),
    ("forget gates above 0.9; untrained", "-", opened, opened_before, opened > 1.5 * opened_before),
    ("forget gates below 0.1; untrained", "-", shut, shut_before, shut > 1.5 * shut_before),
    ("111 rows back, LSTM; untrained", "-", far, far_before, far > 10 * far_before),
]
lesson.report(rows, [("kept at each row, untrained", 1, kept, "-", kept < 0.9)])

# %% [markdown]
# ## Where the notes slip
# - The notes print `AdadeltaOptimizer(0.1)`. We have run their code through `tf.compat.v1`, and it
#   reads 0.853 of the test images. Section 18 prints the same code once more with Adam(0.1), which
#   ends at 0.42. Both are the transcript's: with the Adam(0.001) of Mofan's script in their place
#   the same code reads 0.96 (all measured).
# - "forget_bias 1 means that nothing is forgotten": it is a bias. The gate is sigmoid(1) = 0.73,
#   and with the inputs 0.70 on average. If it stood at 0.73, then 0.73 to the power of 28 would be
#   left of the memory after a digit, 0.0002.
# - The notes call `m_state` the side plot; it is the last output.
#
# ## Try it 動手試試
# Predict first, then run. The plain RNN in the LSTM's place, `--plain-rnn trained`: how many
# digits does it read? And if it starts with small numbers, `--plain-rnn trained --stddev 0.1`? Ten
# times the rate, `--learning-rate 0.01`: better or worse? Four times as many steps, each with a
# quarter of the images, `--batch-size 32`: does it pay?
#
# Measured with seed 1: the plain RNN reads 0.70 of the test images where the LSTM reads 0.96. With
# small numbers at the start the plain RNN reads 0.947, and the LSTM 0.975. So for 28 rows most of
# what the plain RNN lacked was not a gate, but a start at which its tanh are steep. (The two claims
# on 27 rows back then become NO, for they are about the notes' start.) With ten times the rate the
# LSTM reads 0.930, with the small batches 0.968.
