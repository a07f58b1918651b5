"""Lesson 19: Names and sharing, name_scope and variable_scope 命名與重複利用

All variables of the notes stand here again, each with its name in the notes beside its name today.
Then you see what `variable_scope` was for: to use the same weights in two places, as in the RNN
that the notes only mention.

    python lessons/lesson19_scopes.py
"""

# %%
import common

lesson = common.lesson(__doc__, 19, units=8, time_steps=20, smoke={})

# %% [markdown]
# ## TF1 in the notes, and here
#
# | TF1 in the notes | here |
# |---|---|
# | `tf.set_random_seed(1)` | `tf.random.set_seed(1)`; `common.lesson` has set all seeds |
# | `tf.name_scope` | `tf.name_scope` |
# | `tf.get_variable(…)` | `keras.Variable(…)`; in a layer `layer.add_weight(…)` |
# | `tf.variable_scope` | an object, such as a Keras layer |
# | `scope.reuse_variables()` | not needed: use the variable again |
# | `sess.run(var1)` | `var1.numpy()` |
# | `BasicLSTMCell` of section 17 | `keras.layers.LSTMCell` |
# | `tf.nn.dynamic_rnn(cell, …)` of section 17 | `keras.layers.RNN(cell)` |

# %%
import keras
import numpy as np
import tensorflow as tf

# %% [markdown]
# ## tf.name_scope
# A name scope (命名空間) was there to group the operations of a graph, as TensorBoard shows them.
# It puts its name in front of the name of every variable (變量) that `tf.Variable` makes inside it.
# A TF1 graph kept everything under its name, so no two variables could have the same one: the
# second `var2` became `var2_1`. Today we work without a graph. A variable is a Python object, its
# name is only a label, and all three keep the name `var2`.
#
# TF1's `get_variable` took no notice of a name scope. `keras.Variable` takes no notice of
# `tf.name_scope` either, so `var1` has no scope in front of it, in the notes and here.
#
# The whole name of a Keras variable is its `path`; its `name` is only the last part. The `:0`
# behind the names of `tf.Variable` comes from TF1, where it meant "the first output of the
# operation of that name"; a path has none.

# %%
with tf.name_scope("a_name_scope"):
    var1 = keras.Variable([1.0], name="var1")
    var2 = tf.Variable([2.0], name="var2")
    var21 = tf.Variable([2.1], name="var2")
    var22 = tf.Variable([2.2], name="var2")
print(var1.path, var1.numpy())
for var in (var2, var21, var22):
    print(var.name, var.numpy())
# in the notes:                        here:
# var1:0 [1.]                          var1 [1.]
# a_name_scope/var2:0 [2.]             a_name_scope/var2:0 [2.]
# a_name_scope/var2_1:0 [2.0999999]    a_name_scope/var2:0 [2.1]
# a_name_scope/var2_2:0 [2.20000005]   a_name_scope/var2:0 [2.2]
# (The numpy of that time printed eight decimals; as float32, 2.0999999 and 2.1 are equal.)

# %% [markdown]
# ## tf.variable_scope
# In a variable scope (變量空間) TF1 could find a variable again by its name. The notes have two
# ways to make a variable in it. `tf.Variable` makes a new one each time. `get_variable` makes
# `var3`, and after `reuse_variables()` it finds `var3` again (重複利用); without that call, the
# same name a second time is an error. (The notes give `get_variable` an initializer; without one,
# it has a default.)
#
# Today an object takes the scope's place, usually a Keras layer. Its `add_weight` takes the place
# of `get_variable`, but it makes a new variable each time and does not complain if the name is
# taken. In that it is like `tf.Variable`, so `var4` is made with it as well. To use `var3` again
# nothing must be found: it is a Python object, and we use this object again. (In a layer that you
# write yourself, `self.add_weight` stands in its `__init__` or `build`.)

# %%
scope = keras.layers.Layer(name="a_variable_scope")
three, four = keras.initializers.Constant(3), keras.initializers.Constant(4)
var3 = scope.add_weight(shape=(1,), initializer=three, name="var3")
var4 = scope.add_weight(shape=(1,), initializer=four, name="var4")  # tf.Variable in the notes
var4_reuse = scope.add_weight(shape=(1,), initializer=four, name="var4")  # as there: a new one
var3_reuse = var3
for var in (var3, var4, var4_reuse, var3_reuse):
    print(var.path, var.numpy())
# in the notes:                  here:
# a_variable_scope/var3:0 [3.]   a_variable_scope/var3 [3.]
# a_variable_scope/var4:0 [4.]   a_variable_scope/var4 [4.]
# a_variable_scope/var4_1:0 [4.] a_variable_scope/var4 [4.]  (in the notes only a comment)
# a_variable_scope/var3:0 [3.]   a_variable_scope/var3 [3.]

# %% [markdown]
# Change one and look at the other: `var3_reuse` moves with `var3`, because they are one object. A
# second scope of the same name has a `var3` of the same path. In TF1, a scope that was opened again
# under its name, for reuse, found the first `var3`. Today the second one does not move, because it
# is another object.

# %%
second_scope = keras.layers.Layer(name="a_variable_scope")
second_var3 = second_scope.add_weight(shape=(1,), initializer=three, name="var3")
var3.assign([30.0])
moved, second = float(var3_reuse[0]), float(second_var3[0])
print(f"{var3_reuse.path} moved with var3: {moved}; {second_var3.path} did not: {second}")

# %% [markdown]
# ## The use that the notes only mention: an RNN
# A net for training reads 20 steps in one call and gives the output of each of them
# (`return_sequences=True`). A net for testing reads one step at a time, as they come in, and keeps
# its state (狀態) from one call to the next (`stateful=True`). Both must have the same weights, so
# they get the same cell.
#
# In TF1 both nets were built inside one `variable_scope`, with `scope.reuse_variables()` between
# them, so the second found the first one's weights by their names. Here there is nothing to find:
# we hand the cell over.
#
# As a comparison, a third net gets a fresh cell, which begins with the same numbers but is another
# object. (Their names show that Keras numbers layers that were given no name.)

# %%
cell, fresh_cell = keras.layers.LSTMCell(lesson.units), keras.layers.LSTMCell(lesson.units)
print(cell.name, fresh_cell.name)  # lstm_cell lstm_cell_1
cell.build((1, 3))  # makes the weights, for inputs of 3 numbers a step
fresh_cell.build((1, 3))
fresh_cell.set_weights(cell.get_weights())
# A Sequential, because `compile` and `train_on_batch` belong to a model.
train_net = keras.Sequential([keras.layers.RNN(cell, return_sequences=True)])
test_net = keras.layers.RNN(cell, stateful=True)
fresh_net = keras.layers.RNN(fresh_cell, stateful=True)

# %% [markdown]
# Only the first net is trained. What it learns does not matter here: it reads noise and is to
# answer 1. One training step with a large learning rate is enough to move its weights. Do the other
# two nets move with it?


# %%
def distances(net):
    """How far it is from `train_net` at each step; the unit that is furthest off counts."""
    net.reset_state()
    at_once = train_net(x).numpy()[0]  # (20, units)
    one_by_one = [net(x[:, t : t + 1]).numpy()[0] for t in steps]  # each reads (1, 1, 3)
    return np.abs(one_by_one - at_once).max(axis=1)  # (20,)


steps = range(lesson.time_steps)
x = np.random.normal(size=(1, lesson.time_steps, 3)).astype(np.float32)
before = distances(fresh_net)
train_net.compile(keras.optimizers.Adam(0.1), loss="mse")
train_net.train_on_batch(x, np.ones((1, lesson.time_steps, lesson.units)))
shared, fresh = distances(test_net), distances(fresh_net)

lines = {"shared cell": (steps, shared), "fresh cell": (steps, fresh)}
fig = common.curve(lines, xlabel="step", ylabel="distance", xticks=[0, lesson.time_steps - 1])
lesson.show(fig, "shared_cell", "Only the net with the shared cell answers as the trained one.")

# %% [markdown]
# ## In the notes, and here
# In the figure, the later steps of the fresh cell also begin with a state that is already off.
#
# The first eight rows compare names; *yes* means: the name is still the one in the comments above.
# Only `var2` is called as in the notes. `var21`, `var22` and `var4_reuse` are not, because equal
# names get no number; `var1` and the last four are not, because a path has no `:0`. (The notes'
# names are what TF1 gives: `tests/test_lesson19.py` makes these variables in a TF1 graph.)
#
# `second var3` is the `var3` of the second scope; its baseline is `var3_reuse`, which moved.
# `one cell` is the largest distance in the figure of the net with the shared cell; its baseline is
# the largest of the net with the fresh cell, which was 0 before the training (the row demands that
# too).

# %%
names = [  # in the notes, here, and what it must be
    ("var1", "var1:0", var1.path, "var1"),
    ("var2", "a_name_scope/var2:0", var2.name, "a_name_scope/var2:0"),
    ("var21", "a_name_scope/var2_1:0", var21.name, "a_name_scope/var2:0"),
    ("var22", "a_name_scope/var2_2:0", var22.name, "a_name_scope/var2:0"),
    ("var3", "a_variable_scope/var3:0", var3.path, "a_variable_scope/var3"),
    ("var4", "a_variable_scope/var4:0", var4.path, "a_variable_scope/var4"),
    ("var4_reuse", "a_variable_scope/var4_1:0", var4_reuse.path, "a_variable_scope/var4"),
    ("var3_reuse", "a_variable_scope/var3:0", var3_reuse.path, second_var3.path),
]
rows = [(name, notes, here, "-", here == today) for name, notes, here, today in names]
# Both were 0 for seeds 1 to 5; 1e-6 leaves room for another machine's rounding (float32: 6e-8).
one_cell = max(*before, *shared) < 1e-6 < max(fresh)
rows.append(("second var3", "-", second, moved, second == 3 and moved == 30))
rows.append(("one cell", "-", max(shared), max(fresh), one_cell))
lesson.report(rows)

# %% [markdown]
# ## Try it 動手試試
# Predict first: leave out `stateful=True` where `test_net` is made. At which steps does the shared
# cell still answer as the trained net does?
#
# Measured, seeds 1 to 5: only at step 0, because every call then begins with an empty state. Later
# it is off at every step, by 0.31 to 0.63 where it is worst.
