"""Lesson 19: Names and sharing, name_scope and variable_scope 命名與重複利用

You will see every variable of the notes made again, its name and value beside what they print;
then what the scopes were for, one set of weights used twice, down to the RNN they only mention.

    python lessons/lesson19_scopes.py

| TF1 in the notes                       | here                                              |
|----------------------------------------|---------------------------------------------------|
| `tf.name_scope`                        | `tf.name_scope`: names, and nothing else          |
| `tf.get_variable(name, shape, …)`      | `tf.Variable(initializer(shape))`                 |
| `tf.variable_scope`                    | an object: a `tf.Module`, or a Keras layer        |
| `scope.reuse_variables()`              | nothing: use the object again                     |
| `tf.Session`, `tf.global_variables_initializer`, `sess.run(var1)` | `var1.numpy()`         |

The notes are right about TF1. Four names are others today: `get_variable` ignored a `name_scope`,
which nothing does any more (`var1`); equal names get no number (`var21`, `var22`, `var4_reuse`).
"""

# %%
import common

cfg = common.settings(__doc__, lesson=19, units=8, time_steps=20, smoke={})

# %%
import keras
import numpy as np
import tensorflow as tf

# %% [markdown]
# ## tf.name_scope
# There are two ways to make a variable (變量): an initializer that is given a shape, or the first
# value itself. A name scope (命名空間) goes in front of the names made inside. TF1 looked variables
# up by name, so each had its own: var2, var2_1, var2_2. Today a name is only a label.

# %%
with tf.name_scope("a_name_scope"):
    initializer = keras.initializers.Constant(1)
    var1 = tf.Variable(initializer(shape=[1]), name="var1")
    var2 = tf.Variable([2.0], name="var2")
    var21 = tf.Variable([2.1], name="var2")
    var22 = tf.Variable([2.2], name="var2")

# %% [markdown]
# ## tf.variable_scope
# A variable scope (變量空間) was a place to find variables again. Today that is an object, such as
# a `tf.Module`, with variables as attributes. A second `tf.Variable` called `var4` was another
# one, `var4_1`; `var3` is used again (重複利用): by `reuse_variables()`, today by its object.


# %%
class VariableScope(tf.Module):
    def __init__(self):
        super().__init__(name="a_variable_scope")
        with self.name_scope:
            initializer = keras.initializers.Constant(3)
            self.var3 = tf.Variable(initializer(shape=[1]), name="var3")
            self.var4 = tf.Variable([4.0], name="var4")
            self.var4_reuse = tf.Variable([4.0], name="var4")


scope = VariableScope()
var3, var4, var4_reuse = scope.var3, scope.var4, scope.var4_reuse
var3_reuse = scope.var3
another_scope = VariableScope()  # the same names, but variables of its own

# %% [markdown]
# ## Names, values and sharing
# Old numpy showed float32 with more digits than it has: 2.0999999 is the same number as 2.1.
# Below the table a step of gradient descent: the two uses of one variable add up, and it moves
# under both names. What only has the same name stays as it was.

# %%
table = [
    (var1, "var1", "var1:0", "[1.]"),
    (var2, "var2", "a_name_scope/var2:0", "[2.]"),
    (var21, "var21", "a_name_scope/var2_1:0", "[2.0999999]"),
    (var22, "var22", "a_name_scope/var2_2:0", "[2.20000005]"),
    (var3, "var3", "a_variable_scope/var3:0", "[3.]"),
    (var4, "var4", "a_variable_scope/var4:0", "[4.]"),
    (var4_reuse, "var4_reuse", "a_variable_scope/var4_1:0", "[4.]"),
    (var3_reuse, "var3_reuse", "a_variable_scope/var3:0", "[3.]"),
]
rows = []
print(f"{'':11}{'in the notes':39}here")
for variable, name, its_name, its_value in table:
    value = variable.numpy()  # (1,)
    print(f"{name:11}{its_name:26}{its_value:13}{variable.name:24}{value}")
    same = np.float32(its_value.strip("[]")) == value[0]
    rows.append((f"{name}, {its_name}", its_value, str(value), same))

with tf.GradientTape() as tape:
    loss = 2 * var3 + 5 * var3_reuse
gradient = tape.gradient(loss, var3).numpy()  # [2 + 5]
var3.assign_sub(0.1 * gradient)
print(f"\nvar3 after a step of 0.1 with the gradient {gradient}: {var3.numpy()}")
print(f"var3_reuse {var3_reuse.numpy()}, var3 of another scope {another_scope.var3.numpy()}")

# %% [markdown]
# ## The use that the notes only mention: an RNN
# It is trained on 20 steps at a time and tested one step at a time: two nets, one cell. The test
# net keeps its state (狀態) from call to call. Only the train net learns, yet both say the same.

# %%
cell = keras.layers.LSTMCell(cfg.units)
train_rnn = keras.layers.RNN(cell, return_sequences=True)
test_rnn = keras.layers.RNN(cell, stateful=True)
x = np.random.normal(size=(1, cfg.time_steps, 3)).astype(np.float32)
train_net = keras.Sequential([keras.Input((cfg.time_steps, 3)), train_rnn])
train_net.compile(keras.optimizers.Adam(0.1), loss="mse")
train_net.train_on_batch(x, np.ones((1, cfg.time_steps, cfg.units)))
at_once = train_net(x).numpy()[0]  # (20, units)
in_steps = np.zeros_like(at_once)
for t in range(cfg.time_steps):
    in_steps[t] = test_rnn(x[:, t : t + 1])[0]
difference = float(np.abs(at_once - in_steps).max())
images = [at_once.T, in_steps.T]  # (units, 20), one row a unit
titles = ["train net, all steps at once", "test net, step by step"]
common.show(common.image_grid(images, 2, titles, cmap="viridis"), "shared_cell")
rows += [
    ("var3_reuse is var3", "True", str(var3_reuse is var3), var3_reuse is var3),
    ("var4_reuse is var4", "False", str(var4_reuse is var4), var4_reuse is not var4),
    ("train net and test net differ by at most", "-", difference, difference == 0),
]
common.report(rows)

# %% [markdown]
# ## Try it 動手試試
# Predict first: by how much do train net and test net differ with `--units 64`? With
# `--time-steps 200`, where a small error could grow?
#
# Measured: 0 both times.
