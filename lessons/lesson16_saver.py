"""Lesson 16: Saving and restoring 保存讀取

The notes' two variables are saved and come back, and so do those of a real TF1 checkpoint. Then a
whole model learns on from its file as if it had never stopped, and a training survives a power cut.

    python lessons/lesson16_saver.py
    python lessons/lesson16_saver.py --power-cut 70   # right after the last step of an epoch
"""

# %%
import common

lesson = common.lesson(  # stands before `import keras`, so that a wrong flag is told at once
    __doc__,
    16,
    epochs=10,
    power_cut=67,  # the step after which the power fails; an epoch has 10
    smoke={},
)
if lesson.power_cut > 10 * lesson.epochs:
    raise common.Trouble(
        f"--power-cut {lesson.power_cut} comes after the last step of --epochs {lesson.epochs}, "
        f"which is {10 * lesson.epochs}: give an earlier one"
    )

# %% [markdown]
# ## TF1 in the notes, and here
#
# | TF1 in the notes | here |
# |---|---|
# | `saver = tf.train.Saver()` | `saver = tf.train.Checkpoint(weight=W, biases=b)` |
# | `saver.save(sess, "my_net/save_net.ckpt")` | `saver.write("my_net/save_net.ckpt")` |
# | `saver.restore(sess, "my_net/save_net.ckpt")` | `saver.read("my_net/save_net.ckpt")` |
# | `tf.global_variables_initializer()`, `sess.run(W)` | not needed, and `W.numpy()` |

# %%
import os
import shutil

import keras
import numpy as np
import tensorflow as tf

os.chdir(lesson.folder)  # so that the paths below are the notes' own
for old in ("my_net", "tf1_net", "checkpoints", "backup"):  # of another run
    shutil.rmtree(old, ignore_errors=True)

# %% [markdown]
# ## Save
# The notes' lines: two variables (變量), saved (保存) under a path. A variable has its value at
# once, so there is no session and nothing to initialize. The keyword, such as `weight`, is the
# name that the value gets in the file.

# %%
W = tf.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32)  # (2, 3)
b = tf.Variable([[1, 2, 3]], dtype=tf.float32)  # (1, 3)
saver = tf.train.Checkpoint(weight=W, biases=b)
save_path = saver.write("my_net/save_net.ckpt")
print("Save to path:", save_path)
saved_W, saved_b = W.numpy(), b.numpy()

# %% [markdown]
# ## Restore
# Only an empty frame (框架) of the same shapes and types, into which the values are read (讀取). A
# name that is in the file and not in the frame, or the other way round, is passed over without a
# word; `assert_consumed()` makes an error of it, so write it behind every `read`.


# %%
def distance(W, b):
    """The largest difference from what was saved."""
    return max(np.abs(W - saved_W).max(), np.abs(b - saved_b).max())


W = tf.Variable(np.arange(6).reshape((2, 3)), dtype=tf.float32)
b = tf.Variable(np.arange(3).reshape((1, 3)), dtype=tf.float32)
empty_frame = distance(W, b)

saver = tf.train.Checkpoint(weight=W, biases=b)
saver.read(save_path).assert_consumed()
print("weight:", W.numpy())
print("biases:", b.numpy())
after_read = distance(W, b)

# %% [markdown]
# ## A checkpoint of TF1
# Perhaps you still have one. Here it is written by TF1's own `Saver`, which TensorFlow 2 still has
# under `tf.compat.v1`, in a graph and a session as in the notes (`use_resource=False` gives the
# kind of variable that TF1 had). And here is the trap when you bring old code over: TF1's
# `Saver()` takes **all** variables of the graph, also those that an optimizer or a step counter
# has made; `tf.train.Checkpoint` takes only what it is given.
#
# To read it, ask for each value by its name and assign it. The type must fit: float32 to float32.

# %%
v1 = tf.compat.v1
os.makedirs("tf1_net")
with tf.Graph().as_default():
    v1.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32, name="weight", use_resource=False)
    v1.Variable([[1, 2, 3]], dtype=tf.float32, name="biases", use_resource=False)
    v1.Variable(100, name="global_step", use_resource=False)
    tf1_saver = v1.train.Saver()
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        tf1_path = tf1_saver.save(sess, "tf1_net/save_net.ckpt")

in_tf1 = tf.train.list_variables(tf1_path)
print("\nin the TF1 checkpoint:", *in_tf1, sep="\n  ")
W.assign(np.zeros((2, 3)))
b.assign(np.zeros((1, 3)))
before_tf1 = distance(W, b)
W.assign(tf.train.load_variable(tf1_path, "weight"))
b.assign(tf.train.load_variable(tf1_path, "biases"))
after_tf1 = distance(W, b)

# %% [markdown]
# ## Only variables?
# The notes say that only variables can be saved, not the framework, which must be defined again.
# That was not quite true even then: beside the values `saver.save` writes a file `.meta` with the
# whole graph. Here an empty graph is filled from it, without a line that defines W.

# %%
with tf.Graph().as_default(), v1.Session() as sess:
    v1.train.import_meta_graph(f"{tf1_path}.meta").restore(sess, tf1_path)
    framework_W = sess.run("weight:0")
print("weight, framework and all:", framework_W)

# %% [markdown]
# ## The last five
# A manager gives each save a name of its own and keeps the last five, as TF1's `Saver` did. Here
# the value changes before each of seven saves; `latest_checkpoint` brings back the last.

# %%
counter = tf.Variable(0)
checkpoint = tf.train.Checkpoint(counter=counter)
manager = tf.train.CheckpointManager(checkpoint, "checkpoints", max_to_keep=5)
for step in range(1, 8):
    counter.assign(step)
    manager.save(step)
kept = len(manager.checkpoints)
counter.assign(0)
checkpoint.restore(manager.latest_checkpoint).assert_consumed()
latest = int(counter)
checkpoint.restore(manager.checkpoints[0]).assert_consumed()
oldest = int(counter)
print(f"\nkept of 7 saves: {kept}; the latest has {latest}, the oldest {oldest}")

# %% [markdown]
# ## A whole model
# A layer learns the notes' W and b from 320 random points. Then `model.save` writes all of it into
# one file: the framework, the weights, and the state of the optimizer. The model from the file
# must learn on exactly as the one that never stopped: after one more epoch their losses are equal.
#
# Is the optimizer's state needed? Adam remembers past gradients. As a comparison a third model
# gets the same weights and a fresh Adam.

# %%
x = np.random.normal(size=(320, 2)).astype(np.float32)
y = x @ saved_W + saved_b  # (320, 3)


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    return model


def train(model, epochs, callbacks=None):
    """The loss of each epoch: 10 batches of 32, always in the same order."""
    fit = model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return fit.history["loss"]


model = build()
never_stopped = train(model, lesson.epochs)
model.save("net.keras")
from_file = keras.saving.load_model("net.keras")
fresh_adam = build()
fresh_adam.set_weights(model.get_weights())
next_loss, file_loss, fresh_loss = (train(net, 1)[0] for net in (model, from_file, fresh_adam))
print(f"\nnext loss: {next_loss:.6f}, from the file {file_loss:.6f}, fresh Adam {fresh_loss:.6f}")

# %% [markdown]
# ## A power cut
# The callback `BackupAndRestore` saves after every epoch, and the next `fit` goes on from there.
# So what is lost are the steps since the last backup, at most those of one epoch, 10.
#
# No plug is pulled here: after step 67 an error ends the training, and another model, which knows
# nothing of the first, begins with the same folder. What a real power cut could do besides, to a
# file that is just being written, is why `double_checkpoint` keeps the backup before as well.


# %%
class PowerCut(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == lesson.power_cut:
            raise InterruptedError


backup = keras.callbacks.BackupAndRestore("backup", double_checkpoint=True)
try:
    train(build(), lesson.epochs, [backup, PowerCut()])
except InterruptedError:
    print("power cut after step", lesson.power_cut)
resumed = train(build(), lesson.epochs, [backup])
without_backup = train(build(), len(resumed))
saved_epochs = lesson.epochs - len(resumed)
lost = lesson.power_cut - 10 * saved_epochs
print("steps lost:", lost)

epochs = range(1, lesson.epochs + 1)
lines = {"never stopped": (epochs, never_stopped), "resumed": (epochs[saved_epochs:], resumed)}
lines["as long, without a backup"] = (epochs[saved_epochs:], without_backup)
fig = common.curve(lines, xlabel="epoch", ylabel="loss", yscale="log")
lesson.show(fig, "power_cut", "The resumed training lies on the one that was never stopped.")

# %% [markdown]
# ## In the notes, and here
# All of it is exact, because what is saved and read back is the same to the last bit. The baseline
# is what would be there if nothing had been read: the frame, zeros, a fresh Adam, a start from the
# beginning.

# %%
wrong_end, resumed_end = (abs(a[-1] - never_stopped[-1]) for a in (without_backup, resumed))
wrong_next, next_difference = abs(fresh_loss - next_loss), abs(file_loss - next_loss)
holds = resumed_end == 0 < wrong_end
holds = holds if saved_epochs else None  # cut before the first backup, it began anew
rows = [
    ("W and b, largest difference", 0, after_read, empty_frame, after_read == 0 < empty_frame),
    ("the same from the TF1 checkpoint", "-", after_tf1, before_tf1, after_tf1 == 0 < before_tf1),
    ("variables in TF1's file; given", "-", len(in_tf1), 2, len(in_tf1) > 2),
    ("saves that the manager keeps, of 7", "-", kept, 7, kept == 5),
    ("the latest of them; the oldest", "-", latest, oldest, latest == 7 and oldest == 3),
    ("next loss, model from the file", "-", next_difference, wrong_next, next_difference == 0),
    ("last loss after the power cut", "-", resumed_end, wrong_end, holds),
    ("steps lost in the power cut", "-", lost, lesson.power_cut, lost <= 10),
]
from_meta = np.array_equal(framework_W, saved_W)
slips = [("the framework is saved as well", "no", str(from_meta), "-", from_meta)]
lesson.report(rows, slips)

# %% [markdown]
# ## Where the notes slip
# - "TensorFlow can only save variables and not the framework": `saver.save` wrote the graph as
#   well (`.meta`), and `model.save` writes framework, weights and optimizer into one file.
#
# ## Try it 動手試試
# Predict first: how many steps are lost with `--power-cut 70`, right after the last step of an
# epoch? And how many with `--power-cut 5`?
#
# Measured: 10, because the backup is only made after that step; and 5, all that there were.
