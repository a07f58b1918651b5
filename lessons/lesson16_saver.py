"""Lesson 16: Saving and restoring 保存讀取

You will see the notes' two variables saved and restored, then all that can be saved today, up to
a graph that needs no Python; a checkpoint from TF1; a training that survives a power cut.

    python lessons/lesson16_saver.py --checkpoint my_net/save_net.ckpt  # a TF1 file of yours

| TF1 in the notes                           | here                                         |
|--------------------------------------------|----------------------------------------------|
| `saver = tf.train.Saver()`                 | `tf.train.Checkpoint(weight=W, biases=b)`    |
| `saver.save(sess, "my_net/save_net.ckpt")` | `checkpoint.write(path)`                     |
| `saver.restore(sess, path)`                | `checkpoint.read(path).assert_consumed()`    |
| `sess.run(W)`                              | `W.numpy()`                                  |

Where the notes slip: "only Variables can be saved, the framework has to be defined again" was
true of `Saver`. Rungs 3 and 4 below restore the framework, too.
"""

# %%
import os
import common

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # a full disk is our line to write, not C++'s
cfg = common.settings(__doc__, epochs=3, checkpoint="", smoke={})

# %%
import contextlib
import os
import shutil
import tempfile
import textwrap
import time
import keras
import numpy as np
import tensorflow as tf

keras.config.disable_interactive_logging()  # no page about the signature from `export`
folder = cfg.out / "lesson16"

# %% [markdown]
# ## Rung 1: variables only
# A process can be killed in the middle of a save (保存). So everything below is saved as a draft
# that gets its name in one step when it is complete: whatever has a name can be loaded.
# Restoring (讀取) needs an empty frame (框架) of the same shapes; its own values are overwritten.


# %%
def save(rung, write):
    """Let `write(draft)` fill <rung>/<time>; returns that path or raises Trouble. Keeps five."""
    newest = max([int(path.name) for path in (folder / rung).glob("[0-9]*")], default=0)
    place = folder / rung / str(max(time.time_ns(), newest + 1))  # a clock can be set back
    draft = place.with_name(f"draft-{place.name}")
    try:
        draft.mkdir(parents=True)
        write(draft)
        draft.rename(place)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).split("; ")[-1]
        raise common.Trouble(f"cannot save in {place.parent} ({reason}); see --out") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in sorted(place.parent.glob("[0-9]*"))[:-5]:
        shutil.rmtree(old, ignore_errors=True)
    return place


W = tf.Variable([[1, 2, 3], [3, 4, 5]], dtype=tf.float32)  # (2, 3)
b = tf.Variable([[1, 2, 3]], dtype=tf.float32)  # (1, 3)
checkpoint = tf.train.Checkpoint(weight=W, biases=b)
my_net = save("my_net", lambda draft: checkpoint.write(draft / "save_net.ckpt"))
save_path = my_net / "save_net.ckpt"
print("Save to path:", save_path.relative_to(folder))
W_1 = tf.Variable(np.arange(6).reshape((2, 3)), dtype=tf.float32)
b_1 = tf.Variable(np.arange(3).reshape((1, 3)), dtype=tf.float32)
tf.train.Checkpoint(weight=W_1, biases=b_1).read(save_path).assert_consumed()
print("weight:", W_1.numpy())
print("biases:", b_1.numpy())

# %% [markdown]
# ## When it does not fit
# Only another shape is an error by itself. What is missing on one side, or has another name,
# keeps the value it had, and `assert_consumed()` is there to complain. Whoever wants only a part
# of a checkpoint says so with `expect_partial()`, and TensorFlow's warnings are off.

# %%
misfits = {
    "no place for biases": dict(weight=W_1),
    "a gain that was never saved": dict(weight=W_1, biases=b_1, gain=tf.Variable(1.0)),
    "weight called W": dict(W=W_1, biases=b_1),
    "weight of shape (3, 2)": dict(weight=tf.Variable(tf.zeros((3, 2))), biases=b_1),
}
errors = {}
for misfit, frame in misfits.items():
    try:
        tf.train.Checkpoint(**frame).read(save_path).expect_partial().assert_consumed()
    except (AssertionError, ValueError) as error:
        errors[misfit] = textwrap.shorten(f"{type(error).__name__}: {error}", 150)
        print(f"\n{misfit}:\n{textwrap.fill(errors[misfit], 78)}")

# %% [markdown]
# ## A checkpoint from TF1
# The file format is still the same; only the names in it are the graph's own. Without
# `--checkpoint` the lesson reads one that it writes with the operation behind TF1's `Saver`.


# %%
def read_checkpoint(path):
    """{name: value} of a checkpoint of TF1 or TF2; raises Trouble if it cannot be read."""
    path = str(path).removesuffix(".index")
    try:
        reader = tf.train.load_checkpoint(path)
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, IndexError, ValueError) as error:  # cut off; a folder
        raise common.Trouble(f"cannot read the checkpoint {path} ({error})") from error


old = dict(tensor_names=["weight", "biases"], shape_and_slices=["", ""], tensors=[W, b])
tf1_path = save("tf1", lambda draft: tf.raw_ops.SaveV2(prefix=f"{draft}/old.ckpt", **old))
tf1 = read_checkpoint(cfg.checkpoint or tf1_path / "old.ckpt")
tf1 = {name: tf.Variable(value) for name, value in sorted(tf1.items())}
print("\nIn the TF1 checkpoint:", *(f"{name} {v.shape}" for name, v in tf1.items()), sep="\n  ")
same_tf1 = None if cfg.checkpoint else all(map(np.array_equal, tf1.values(), (b, W)))

# %% [markdown]
# ## Rung 2: the weights of a model
# A layer of three units with two inputs, which is to find the notes' numbers. Halfway its weights
# are saved, with the optimizer's state. Only code that builds the same model can load them.

# %%
x = np.random.default_rng(cfg.seed).normal(size=(320, 2)).astype(np.float32)
data = dict(x=x, y=(x @ W + b).numpy(), batch_size=32, shuffle=False, verbose=0)  # y (320, 3)


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def save_weights(draft):  # HDF5 dies of a full disk: is there room for something larger?
    model.save(draft / "room.keras")
    (draft / "room.keras").unlink()
    model.save_weights(draft / "net.weights.h5")


model, model_2 = build(), build()
model.fit(**data, epochs=cfg.epochs)
weights = save("weights", save_weights)
model_2.load_weights(weights / "net.weights.h5")
same_weights = all(map(np.array_equal, model.get_weights(), model_2.get_weights()))

# %% [markdown]
# ## Rungs 3 and 4: the whole model, and a graph for serving
# `model.save` writes framework, weights and optimizer: without any model code training goes on as
# if it had never stopped, to the last bit. What `export` writes needs no Python classes, or no
# Python at all (TF Serving, C++, Java), but trains no further.

# %%
whole = save("model", lambda draft: model.save(draft / "net.keras"))
model_3 = keras.saving.load_model(whole / "net.keras")
serving = save("serving", model.export)
model_4 = tf.saved_model.load(serving)
same_answers = np.array_equal(model_4.serve(x), model(x))  # (320, 3)

rest = dict(initial_epoch=cfg.epochs, epochs=2 * cfg.epochs)
never_stopped = model.fit(**data, **rest).history["loss"]
went_on = model_3.fit(**data, **rest).history["loss"]
print(f"\nnext loss, never stopped: {never_stopped[0]}\nnext loss, from the file: {went_on[0]}")

# %% [markdown]
# ## Survive a crash
# `BackupAndRestore` saves after each epoch, and the next `fit` goes on from there. But it writes
# over its only backup, and a kill at that moment would cost everything: each is copied away whole.


# %%
def train(model, backups, *callbacks):
    """Train from the newest backup on, if there is one; returns the losses of those epochs."""
    with tempfile.TemporaryDirectory(dir=folder) as working:
        for newest in sorted((folder / backups).glob("[0-9]*"))[-1:]:
            shutil.copytree(newest, working, dirs_exist_ok=True)

        def keep(epoch, logs):
            save(backups, lambda draft: shutil.copytree(working, draft, dirs_exist_ok=True))

        backup = keras.callbacks.BackupAndRestore(working)
        every = [backup, keras.callbacks.LambdaCallback(on_epoch_end=keep), *callbacks]
        return model.fit(**data, epochs=2 * cfg.epochs, callbacks=every).history["loss"]


def power_cut(batch, logs):
    if model_5.optimizer.iterations == 10 * cfg.epochs + 6:  # of 10 steps in an epoch
        raise InterruptedError("stands for the power cut")


model_5, backups = build(), f"backups-{os.getpid()}"
with contextlib.suppress(InterruptedError):
    train(model_5, backups, keras.callbacks.LambdaCallback(on_train_batch_end=power_cut))
resumed = train(build(), backups)
shutil.rmtree(folder / backups)
lost = int(model_5.optimizer.iterations) - 10 * (2 * cfg.epochs - len(resumed))
print(f"\nthe power cut has cost {lost} steps, less than an epoch of 10")

# %% [markdown]
# ## What is in each, and what is in the notes

# %%
import matplotlib.pyplot as plt

rungs = {"1. tf.train.Checkpoint": my_net, "2. model.save_weights": weights}
rungs |= {"3. model.save": whole, "4. model.export": serving}
sizes = [sum(path.stat().st_size for path in place.rglob("*.*")) for place in rungs.values()]
labels = [f"{rung}\n{size:,} bytes" for rung, size in zip(rungs, sizes)]
inside = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]
fig, ax = plt.subplots(figsize=(7, 3.2))
ax.pcolormesh(inside[::-1], cmap="Blues", vmax=1.6, edgecolors="white", linewidth=4)
ax.set_xticks([0.5, 1.5, 2.5, 3.5], ["values", "optimizer's state", "framework", "graph"])
ax.set_yticks([0.5, 1.5, 2.5, 3.5], labels[::-1])
common.show(fig, "rungs")
rows = [
    ("weight", [[1, 2, 3], [3, 4, 5]], W_1.numpy().astype(int), np.array_equal(W_1, W)),
    ("biases", [[1, 2, 3]], b_1.numpy().astype(int), np.array_equal(b_1, b)),
    ("misfits with an error", None, f"{len(errors)} of 4", len(errors) == 4),
    ("variables from TF1", None, len(tf1), same_tf1),
    ("2: same weights", None, same_weights, same_weights),
    ("3: loss of the next epoch", None, went_on[0], went_on == never_stopped),
    ("4: same answers", None, same_answers, same_answers),
    ("steps lost in power cut", None, lost, 0 <= lost <= 10),
    ("loss at the end, resumed", None, resumed[-1], resumed == never_stopped),
]
common.report(rows)
