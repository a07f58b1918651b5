"""Lesson 16: Saving and restoring 保存讀取

You will see the notes' two variables saved and read back, a checkpoint of TF1, a model that learns
on from its file as if it had never stopped, and a training that survives a power cut.

    python lessons/lesson16_saver.py
    python lessons/lesson16_saver.py --checkpoint my_net/save_net.ckpt  # look into one of yours

| TF1 in the notes                           | here                                         |
|--------------------------------------------|----------------------------------------------|
| `saver = tf.train.Saver()`                 | `saver = tf.train.Checkpoint(weight=W, …)`   |
| `saver.save(sess, "my_net/save_net.ckpt")` | `saver.write(save_path)`                     |
| `saver.restore(sess, …)`                   | `saver.read(save_path)`                      |
| `tf.Session`, `sess.run(init)`             | nothing: a variable has its value at once    |

Where the notes slip:
- Only variables (變量) can be saved, they say, and the framework (框架) has to be defined again.
  That was true of `Saver`; `model.save` keeps the framework as well.
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
# frame of the same shapes. Its own values are overwritten, so there is no need to init.

# %%
W = tf.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32)  # (2, 3)
b = tf.Variable([[1, 2, 3]], dtype=tf.float32)  # (1, 3)
saver = tf.train.Checkpoint(weight=W, biases=b)
save_path = cfg.folder / "my_net" / "save_net.ckpt"
saver.write(save_path)
print("Save to path:", save_path.relative_to(cfg.folder))

# only a frame: restore puts the values in
W = tf.Variable(np.arange(6).reshape((2, 3)), dtype=tf.float32)
b = tf.Variable(np.arange(3).reshape((1, 3)), dtype=tf.float32)
saver = tf.train.Checkpoint(weight=W, biases=b)
saver.read(save_path)
print("weight:", W.numpy())
print("biases:", b.numpy())

# %% [markdown]
# ## When it does not fit
# A wrong shape is always an error. A variable that finds no partner of its name just keeps its
# value: only `assert_consumed()` complains. (`expect_partial()` turns the warnings off.)

# %%
misfits = {
    "no place for biases": dict(weight=W),
    "a gain that was never saved": dict(weight=W, biases=b, gain=tf.Variable(1.0)),
    "weight is called W": dict(W=W, biases=b),
    "weight has the shape (3, 2)": dict(weight=tf.Variable(tf.zeros((3, 2))), biases=b),
}
errors = {}
for misfit, frame in misfits.items():
    try:
        tf.train.Checkpoint(**frame).read(save_path).expect_partial().assert_consumed()
    except (AssertionError, ValueError) as error:
        errors[misfit] = str(error)
        print(f"\n{misfit}:", textwrap.shorten(errors[misfit], 78), sep="\n")

# %% [markdown]
# ## The last five
# `write` replaces the file. A manager gives each save a name of its own and keeps the last five,
# as `Saver` did.

# %%
manager = tf.train.CheckpointManager(saver, cfg.folder / "checkpoints", max_to_keep=5)
for step in range(1, 8):
    manager.save(step)
kept = len(manager.checkpoints)
print(f"\nkept of 7 saves: {kept}")
saver.restore(manager.latest_checkpoint).assert_consumed()

# %% [markdown]
# ## A checkpoint of TF1
# TF1's files can still be read: give yours to `--checkpoint`. Without one the lesson reads a file
# that it writes with `SaveV2`, the operation inside `Saver`.

# %%
path = cfg.checkpoint.removesuffix(".index") or str(cfg.folder / "tf1.ckpt")
if not cfg.checkpoint:
    names = ["weight", "biases"]
    tf.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=["", ""], tensors=[W, b])
tf1 = {}
try:
    tf.io.gfile.stat(f"{path}.index")  # is it there?
    for name, shape in tf.train.list_variables(path):
        tf1[name] = tf.train.load_variable(path, name)  # an array, for `W.assign`
        print("in the TF1 checkpoint:", name, shape)
except (tf.errors.OpError, IndexError) as error:
    raise common.Trouble(f"cannot read the checkpoint {path} ({error})") from None

# %% [markdown]
# ## A whole model
# A layer learns the notes' numbers. Then it is saved in three ways, and all learn on for an epoch.
# Only `load_weights` needs the empty frame; only what `export` writes runs without Python.


# %%
def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)  # a place for its state
    return model


def train(model, epochs, callbacks=None):
    """The loss of each epoch: 10 batches of 32, always in the same order."""
    options = dict(batch_size=32, shuffle=False, verbose=0, callbacks=callbacks)
    return model.fit(x, y, epochs=epochs, **options).history["loss"]


x = np.random.normal(size=(320, 2)).astype(np.float32)
y = (x @ W + b).numpy()  # (320, 3)
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
losses = []
for net in (model, model_2, model_3):
    losses += train(net, 1)
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
# `BackupAndRestore` saves after every epoch and the next `fit` goes on from there: only the steps
# of the unfinished epoch are lost. `double_checkpoint` also keeps the backup before, in case the
# power fails during a save.


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
lost = cfg.power_cut - 10 * (cfg.epochs - len(resumed))  # 10 steps an epoch
print("steps lost:", lost)
epochs = range(1, cfg.epochs + 1)
lines = {"never stopped": (epochs, never_stopped), "resumed": (epochs[-len(resumed) :], resumed)}
common.show(common.curve(lines, xlabel="epoch", ylabel="loss", yscale="log"), "power_cut")

# %% [markdown]
# ## In the notes, and here
# All of it is exact: what is saved and read back is the same to the last bit.

# %%
weight, biases = str(W.numpy()[1]), str(b.numpy()[0])
rows = [
    ("weight, second row", "[3. 4. 5.]", weight, weight == "[3. 4. 5.]"),
    ("biases", "[1. 2. 3.]", biases, biases == "[1. 2. 3.]"),
    ("misfits that are an error, of four", "-", len(errors), len(errors) == 4),
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
# Predict first: how many steps are lost with `--power-cut 70`, right after the last of an epoch?
# And with `--power-cut 5`? Which names has `--checkpoint outputs/lesson16/my_net/save_net.ckpt`?
#
# Measured: 10, since the backup comes after that step, and 5, all there were. The names are
# `weight` and `biases`, with `/.ATTRIBUTES/VARIABLE_VALUE` behind, and
# `_CHECKPOINTABLE_OBJECT_GRAPH`.
