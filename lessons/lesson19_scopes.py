"""Lesson 19: Names and sharing, name_scope and variable_scope 命名與重複利用

You will see all variables of the notes again, with their names and values. Then you see what the
scopes were for: to use the same weights twice, as in the RNN that the notes only mention.

    python lessons/lesson19_scopes.py

| TF1 in the notes                       | here                                              |
|----------------------------------------|---------------------------------------------------|
| `tf.name_scope`                        | `tf.name_scope`: names, and nothing else          |
| `tf.get_variable(name, shape, …)`      | `tf.Variable(initializer(shape))`                 |
| `tf.variable_scope`                    | an object: a `tf.Module`, or a Keras layer        |
| `scope.reuse_variables()`              | nothing: use the object again                     |
| `tf.Session`, `tf.global_variables_initializer`, `sess.run(var1)` | `var1.numpy()`         |

The notes are right about TF1. Four names are others today:
- `var1`: TF1's `get_variable` ignored the name scope. `tf.Variable` does not.
- `var21`, `var22` and `var4_reuse`: equal names get no number.
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
# There are two ways to make a variable (變量): from an initializer and a shape, or from the first
# value itself. A name scope (命名空間) puts its own name in front of the names made inside. In TF1
# no two names were equal: var2, var2_1, var2_2. Today a name is only a label: two may be equal.

# %%
with tf.name_scope("a_name_scope"):
    initializer = keras.initializers.Constant(1)
    var1 = tf.Variable(initializer(shape=[1]), name="var1")
    var2 = tf.Variable([2.0], name="var2")
    var21 = tf.Variable([2.1], name="var2")
    var22 = tf.Variable([2.2], name="var2")
print(var1.name, var1.numpy())  # in the notes: var1:0
print(var2.name, var2.numpy())  # a_name_scope/var2:0
print(var21.name, var21.numpy())  # a_name_scope/var2_1:0
print(var22.name, var22.numpy())  # a_name_scope/var2_2:0

# %% [markdown]
# ## tf.variable_scope
# A variable scope (變量空間) was a place where TF1 found a variable again by its name. Today this
# place is an object, here a `tf.Module`, and its attributes are the variables. To use `var3` again
# (重複利用), the notes call `reuse_variables()` and `get_variable`. We write `scope.var3` again. A
# second `tf.Variable` with the name `var4` is another variable, then as now.
#
# Below, `var3` is used twice, times 2 and times 5. It is one variable, so its gradient is 7. The
# `var3` of another scope only has the same name, so it gets no gradient.


# %%
class VariableScope(tf.Module):
    def __init__(self):
        super().__init__(name="a_variable_scope")
        with self.name_scope:  # puts a_variable_scope/ in front of the names
            initializer = keras.initializers.Constant(3)
            self.var3 = tf.Variable(initializer(shape=[1]), name="var3")
            self.var4 = tf.Variable([4.0], name="var4")
            self.var4_reuse = tf.Variable([4.0], name="var4")


scope = VariableScope()
var3, var4, var4_reuse = scope.var3, scope.var4, scope.var4_reuse
var3_reuse = scope.var3
another_scope = VariableScope()
print(var3.name, var3.numpy())  # in the notes: a_variable_scope/var3:0
print(var4.name, var4.numpy())  # a_variable_scope/var4:0
print(var4_reuse.name, var4_reuse.numpy())  # a_variable_scope/var4_1:0
print(var3_reuse.name, var3_reuse.numpy())  # a_variable_scope/var3:0

with tf.GradientTape() as tape:
    loss = 2 * var3 + 5 * var3_reuse
gradient, no_gradient = tape.gradient(loss, [var3, another_scope.var3])
print("gradient of var3:", gradient.numpy(), "of the other:", no_gradient)

# %% [markdown]
# ## The use that the notes only mention: an RNN
# A train net reads 20 steps in one call. A test net reads one step in each call, and keeps its
# state (狀態) until the next. Both have the same cell, so they share its weights. Only the train
# net learns, but the test net gives the same outputs.

# %%
cell = keras.layers.LSTMCell(cfg.units)
train_rnn = keras.layers.RNN(cell, return_sequences=True)
test_rnn = keras.layers.RNN(cell, stateful=True)
x = np.random.normal(size=(1, cfg.time_steps, 3)).astype(np.float32)
train_net = keras.Sequential([keras.Input((cfg.time_steps, 3)), train_rnn])
train_net.compile(keras.optimizers.Adam(0.1), loss="mse")
train_net.train_on_batch(x, np.ones((1, cfg.time_steps, cfg.units)))
at_once = train_net(x).numpy()  # (1, 20, units)
in_steps = np.zeros_like(at_once)
for t in range(cfg.time_steps):
    in_steps[:, t] = test_rnn(x[:, t : t + 1])  # (1, units)
images = [at_once[0].T, in_steps[0].T]  # (units, 20), one row a unit
titles = ["train net, all steps at once", "test net, step by step"]
common.show(common.image_grid(images, 2, titles, cmap="viridis"), "shared_cell")

# %% [markdown]
# ## In the notes, and here
# Old numpy printed float32 with more digits than it has: 2.0999999 is the same number as 2.1.

# %%
table = [
    (var1, "var1, var1:0", "[1.]"),
    (var2, "var2, a_name_scope/var2:0", "[2.]"),
    (var21, "var21, a_name_scope/var2_1:0", "[2.0999999]"),
    (var22, "var22, a_name_scope/var2_2:0", "[2.20000005]"),
    (var3, "var3, a_variable_scope/var3:0", "[3.]"),
    (var4, "var4, a_variable_scope/var4:0", "[4.]"),
    (var4_reuse, "var4_reuse, a_variable_scope/var4_1:0", "[4.]"),
    (var3_reuse, "var3_reuse, a_variable_scope/var3:0", "[3.]"),
]
rows = []
for variable, name, notes in table:
    (value,) = variable.numpy()  # its shape is [1]
    same = value == np.float32(notes.strip("[]"))
    rows.append((name, notes, str(variable.numpy()), same))
difference = np.abs(at_once - in_steps).max()
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
