"""Lesson 16: Saving and restoring 保存讀取

You will see the notes' two variables saved and read back, a checkpoint of TF1, a model that learns
on from its file as if it had never stopped, and a training that survives a power cut.

    python lessons/lesson16_saver.py
    python lessons/lesson16_saver.py --checkpoint my_net/save_net.ckpt  # look into one of yours

| TF1 in the notes                           | here                                       |
|--------------------------------------------|--------------------------------------------|
| `saver = tf.train.Saver()`                 | `saver = tf.train.Checkpoint(weight=W, …)` |
| `saver.save(sess, "my_net/save_net.ckpt")` | `saver.write(save_path)`                   |
| `saver.restore(sess, …)`                   | `saver.read(save_path)`                    |
| `tf.Session`, `sess.run(init)`             | nothing: a variable has its value at once  |

Where the notes slip:
- Only variables (變量) can be saved, they say, and the framework (框架) must be defined again. With
  `saver.restore` it must; `model.save` keeps the framework as well.
"""

# %%
import common

cfg = common.settings(__doc__, lesson=16, epochs=10, power_cut=67, checkpoint="", smoke={})

# %%
import shutil
import textwrap
import keras
import numpy as np
import tensorflow as tf

# %% [markdown]
# ## Save and restore
# First the notes' own lines: save (保存) two variables, then restore (讀取) them into an empty
# frame of the same shapes. The keyword is the name in the file: `weight=W` saves W as `weight`.

# %%
W = tf.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32)  # (2, 3)
b = tf.Variable([[1, 2, 3]], dtype=tf.float32)  # (1, 3)
saver = tf.train.Checkpoint(weight=W, biases=b)
save_path = cfg.folder / "my_net" / "save_net.ckpt"
saver.write(save_path)
print("Save to path:", save_path.relative_to(cfg.folder))

# only a frame: no need to init, read replaces these values
W = tf.Variable(np.arange(6).reshape((2, 3)), dtype=tf.float32)
b = tf.Variable(np.arange(3).reshape((1, 3)), dtype=tf.float32)
saver = tf.train.Checkpoint(weight=W, biases=b)
saver.read(save_path)
print("weight:", W.numpy())
print("biases:", b.numpy())

# %% [markdown]
# ## When it does not fit
# A wrong shape is always an error. A name that is only in the file, or only in the frame, is an
# error only if you ask with `assert_consumed()`.

# %%
frames = {
    "no place for biases": tf.train.Checkpoint(weight=W),
    "a gain that was never saved": tf.train.Checkpoint(weight=W, biases=b, gain=tf.Variable(1.0)),
    "weight is called W": tf.train.Checkpoint(W=W, biases=b),
    "weight has the shape (1, 1)": tf.train.Checkpoint(weight=tf.Variable([[0.0]]), biases=b),
}
errors = 0
for misfit, frame in frames.items():
    try:
        status = frame.read(save_path)
        status.expect_partial()  # no warnings
        status.assert_consumed()
    except (AssertionError, ValueError) as error:
        errors += 1
        print(f"\n{misfit}:", textwrap.shorten(str(error), 78), sep="\n")

# %% [markdown]
# ## The last five
# `write` replaces the file. A manager gives each save a name of its own and keeps the last five,
# as `Saver` did. `read` belongs to `write`, `restore` to the manager's `save`.

# %%
manager = tf.train.CheckpointManager(saver, cfg.folder / "checkpoints", max_to_keep=5)
for step in range(1, 8):
    manager.save(step)
kept = len(manager.checkpoints)
print(f"\nkept of 7 saves: {kept}")
saver.restore(manager.latest_checkpoint).assert_consumed()

# %% [markdown]
# ## A checkpoint of TF1
# TF1's files can still be read: give yours to `--checkpoint`. Without it the lesson reads one that
# it writes with `SaveV2`, the operation inside TF1's `Saver`.

# %%
path = cfg.checkpoint.removesuffix(".index")
if not path:
    path = str(cfg.folder / "tf1.ckpt")
    tf.raw_ops.SaveV2(
        prefix=path, tensor_names=["weight", "biases"], shape_and_slices=["", ""], tensors=[W, b]
    )
try:
    for name, _ in tf.train.list_variables(path):
        value = tf.train.load_variable(path, name)  # an array: `W.assign(value)` restores it
        print("in the TF1 checkpoint:", name, np.shape(value))
except (tf.errors.OpError, IndexError, ValueError) as error:
    raise common.Trouble(f"cannot read the checkpoint {path} ({error})") from None

# %% [markdown]
# ## A whole model
# A layer learns the notes' W and b, then it is saved in three ways. Next, three nets learn one more
# epoch: the layer itself, one from `net.weights.h5`, one from `net.keras`. Their losses must be
# equal. What the third way, `export`, writes can only answer, but needs no Python. Only
# `load_weights` needs the empty frame first.

# %%
x = np.random.normal(size=(320, 2)).astype(np.float32)
y = (x @ W + b).numpy()  # (320, 3)


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)  # a frame for Adam's own variables too
    return model


def train(model, epochs, callbacks=None):
    """The loss of each epoch: 10 batches of 32, always in the same order."""
    fit = model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return fit.history["loss"]


model = build()
never_stopped = train(model, cfg.epochs)
model.save_weights(cfg.folder / "net.weights.h5")
model.save(cfg.folder / "net.keras")
model.export(cfg.folder / "serving", verbose=False)

model_2 = build()
model_2.load_weights(cfg.folder / "net.weights.h5")
model_3 = keras.saving.load_model(cfg.folder / "net.keras")
graph = tf.saved_model.load(cfg.folder / "serving")
difference = np.abs(graph.serve(x) - model(x)).max()
losses = train(model, 1) + train(model_2, 1) + train(model_3, 1)
print("\nnext loss, never stopped, from weights, from model:", *losses, sep="\n  ")

table = [
    ("tf.train.Checkpoint", "my_net/*", "variables", "you have loop and model as code"),
    ("model.save_weights", "net.weights.h5", "+ optimizer", "you have the model as code"),
    ("model.save", "net.keras", "+ framework", "to learn on without that code"),
    ("model.export", "serving/**/*.*", "graph, variables", "to answer only, without Python"),
]
print(f"\n{'':20} {'what is in it':16} {'bytes':>7}  when to use it")
for name, files, inside, use in table:
    size = sum(path.stat().st_size for path in cfg.folder.glob(files))
    print(f"{name:20} {inside:16} {size:7,}  {use}")

# %% [markdown]
# ## A power cut
# `BackupAndRestore` saves after every epoch, and the next `fit` goes on from there: only the steps
# since then are lost, at most those of one epoch. `double_checkpoint` also keeps the backup before,
# in case the power fails during a save.


# %%
class PowerCut(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == cfg.power_cut:
            raise InterruptedError


shutil.rmtree(cfg.folder / "backup", ignore_errors=True)  # of another run
backup = keras.callbacks.BackupAndRestore(cfg.folder / "backup", double_checkpoint=True)
try:
    train(build(), cfg.epochs, [backup, PowerCut()])
except InterruptedError:
    print("\npower cut after step", cfg.power_cut)
resumed = train(build(), cfg.epochs, [backup])  # another model, as tomorrow
saved_epochs = cfg.epochs - len(resumed)
lost = cfg.power_cut - 10 * saved_epochs  # 10 steps an epoch
print("steps lost:", lost)
epochs = range(1, cfg.epochs + 1)
lines = {"never stopped": (epochs, never_stopped), "resumed": (epochs[saved_epochs:], resumed)}
common.show(common.curve(lines, xlabel="epoch", ylabel="loss", yscale="log"), "power_cut")

# %% [markdown]
# ## In the notes, and here
# All of it is exact: what is saved and read back is the same to the last bit.

# %%
weight, biases = str(W.numpy()[1]), str(b.numpy()[0])
rows = [
    ("weight, second row", "[3. 4. 5.]", weight, weight == "[3. 4. 5.]"),
    ("biases", "[1. 2. 3.]", biases, biases == "[1. 2. 3.]"),
    ("misfits that are an error, of four", "-", errors, errors == 4),
    ("saves that the manager keeps, of seven", "-", kept, kept == 5),
    ("next loss from the weights", "-", losses[1], losses[1] == losses[0]),
    ("next loss from the model", "-", losses[2], losses[2] == losses[0]),
    ("exported graph: largest difference", "-", float(difference), difference == 0),
    ("steps lost in the power cut, at most 10", "-", lost, 0 <= lost <= 10),
    ("loss at the end, after the power cut", "-", resumed[-1], resumed[-1] == never_stopped[-1]),
]
common.report(rows)

# %% [markdown]
# ## Try it 動手試試
# Predict first: how many steps are lost with `--power-cut 70`, right after the last step of an
# epoch? And how many with `--power-cut 5`?
#
# Measured: 10, since the backup comes only after that step; 5, all there were.
