"""Lesson 19: Names and sharing, name_scope and variable_scope

You will see every variable of the notes made again, its name and value beside what the notes
print; then the two things the scopes were for, one at a time: readable names in a graph (命名),
and one set of weights used twice (重複利用), down to the use that the notes only mention, an RNN.

    python lessons/lesson19_scopes.py

| TF1 in the notes                       | here                                             |
|----------------------------------------|--------------------------------------------------|
| `tf.name_scope`                        | `tf.name_scope`, names only                      |
| `tf.get_variable(name, shape, ...)`    | `tf.Variable(initializer(shape))`                |
| `tf.variable_scope`                    | `tf.Module`, or a Keras layer: it owns variables |
| `scope.reuse_variables()`              | (nothing: use the object again)                  |
| `sess.run(var1)`                       | `var1.numpy()`                                   |

The notes are right about TF1 here. Three names are others today: `get_variable` ignored a
`name_scope`, and nothing does any more (`var1`); equal names are not numbered (`var21`, `var22`).
"""

# %%
import common

cfg = common.settings(__doc__, units=8, time_steps=20, smoke={})

# %%
import keras
import numpy as np
import tensorflow as tf

# %% [markdown]
# ## tf.name_scope
# A name scope (命名空間) goes in front of the names made inside. TF1 looked variables up by name,
# so no two could share one: three times `var2` became var2, var2_1 and var2_2. Today the name of
# a variable is only a label, and all three are called the same.

# %%
with tf.name_scope("a_name_scope"):
    var1 = tf.Variable(keras.initializers.Constant(1)(shape=[1]), name="var1")
    var2 = tf.Variable([2.0], name="var2")
    var21 = tf.Variable([2.1], name="var2")
    var22 = tf.Variable([2.2], name="var2")

# %% [markdown]
# ## tf.variable_scope
# A variable scope (變量空間) was a place to find variables again. Today that is an object with
# attributes: a `tf.Module` collects the variables it owns and has a name scope for them.


# %%
class VariableScope(tf.Module):
    def __init__(self):
        super().__init__(name="a_variable_scope")
        with self.name_scope:
            self.var3 = tf.Variable(keras.initializers.Constant(3)(shape=[1]), name="var3")
            self.var4 = tf.Variable([4.0], name="var4")

    def __call__(self, x):
        with self.name_scope:
            return self.var3 * x + self.var4


scope = VariableScope()
var3, var4 = scope.var3, scope.var4
var3_reuse = scope.var3  # no reuse_variables(): whoever has the object has the variable

# %% [markdown]
# ## The notes' names and values, and TF2's
# Old numpy showed float32 with more digits than it has: 2.0999999 is the same number as 2.1.

# %%
in_the_notes = {
    "var1": ("var1:0", "[1.]"),
    "var2": ("a_name_scope/var2:0", "[2.]"),
    "var21": ("a_name_scope/var2_1:0", "[2.0999999]"),
    "var22": ("a_name_scope/var2_2:0", "[2.20000005]"),
    "var3": ("a_variable_scope/var3:0", "[3.]"),
    "var4": ("a_variable_scope/var4:0", "[4.]"),
    "var3_reuse": ("a_variable_scope/var3:0", "[3.]"),
}
variables = [var1, var2, var21, var22, var3, var4, var3_reuse]
here = {name: (v.name, str(v.numpy())) for name, v in zip(in_the_notes, variables)}
print(f"{'':<12}{'in the notes':<37}here")
for name in in_the_notes:
    print(f"{name:<12}{' '.join(in_the_notes[name]):<37}{' '.join(here[name])}")

# %% [markdown]
# Keras numbers its layers apart, and the path of a variable starts with its layer's name.

# %%
twins = [keras.layers.Dense(1), keras.layers.Dense(1)]
for layer in twins:
    layer.build((None, 1))
print("\nin Keras:", ", ".join(weight.path for layer in twins for weight in layer.weights))

# %% [markdown]
# ## Sharing: the same object, used twice
# Two calls of one module add up their gradients, and one step moves the variable for both. With
# Keras, two models that were given the same layer train one another.

# %%
with tf.GradientTape() as tape:
    loss = scope(2.0) + scope(5.0)  # (2 + 5) * var3 + 2 * var4
gradient = tape.gradient(loss, var3).numpy()  # [2 + 5]
var3.assign_sub(0.1 * gradient)
print(f"\nvar3 and var3_reuse are the same object: {var3 is var3_reuse}")
print(f"gradient {gradient}, after one step {var3.numpy()} and {var3_reuse.numpy()}")

shared = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
one, other = (keras.Sequential([keras.Input((2,)), shared]) for _ in range(2))
one.compile(keras.optimizers.SGD(0.125), loss="mse")
one.train_on_batch(np.ones((1, 2)), np.zeros((1, 1)))  # both answered 2
answers = [float(model(np.ones((1, 2)))[0, 0]) for model in (one, other)]
print("two models with one layer; one of them has learned, both now answer", *answers)

# %% [markdown]
# ## The use that the notes only mention: an RNN
# A net is trained on 20 steps at a time and then tested one step at a time: two nets, one cell.
# The test net hands its state (狀態) from step to step, so both must say the same.


# %%
def recurrent(cell, time_steps):
    """(n, time_steps, 3), two states (n, units) → outputs (n, time_steps, units), both states."""
    inputs = keras.Input((time_steps, 3))
    state = [keras.Input((cell.units,)), keras.Input((cell.units,))]
    layer = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    return keras.Model([inputs, *state], layer(inputs, initial_state=state))


cell = keras.layers.LSTMCell(cfg.units)
train_net, test_net = recurrent(cell, cfg.time_steps), recurrent(cell, 1)
stranger = recurrent(keras.layers.LSTMCell(cfg.units), 1)  # a cell of its own

sequence = keras.random.normal((2, cfg.time_steps, 3))
start = keras.ops.zeros((2, cfg.units))
with tf.GradientTape() as tape:  # one step of training; the test net is not even mentioned
    loss = keras.ops.mean((train_net([sequence, start, start])[0] - 0.5) ** 2)
gradients = tape.gradient(loss, train_net.trainable_variables)
keras.optimizers.Adam(0.1).apply(gradients, train_net.trainable_variables)


def step_by_step(net):
    """(2, time_steps, units): what a net says that sees one step at a time."""
    state, outputs = [start, start], []
    for t in range(cfg.time_steps):
        output, *state = net([sequence[:, t : t + 1], *state])
        outputs.append(output)
    return keras.ops.concatenate(outputs, axis=1).numpy()


at_once = train_net([sequence, start, start])[0].numpy()
in_steps, by_stranger = step_by_step(test_net), step_by_step(stranger)
difference = float(np.abs(at_once - in_steps).max())
together = {id(v): v for v in train_net.trainable_variables + test_net.trainable_variables}
both = sum(int(np.prod(v.shape)) for v in together.values())
weights = [train_net.count_params(), test_net.count_params(), both]
print("\nweights of train net, test net, both together:", *weights)
print("largest difference between their outputs:", difference)

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 3.8))
times = range(1, cfg.time_steps + 1)
ax.plot(times, at_once[0, :, 0], "-", label="train net, all steps at once")
ax.plot(times, in_steps[0, :, 0], "o", fillstyle="none", label="test net, step by step, same cell")
ax.plot(times, by_stranger[0, :, 0], "x:", color="gray", label="a net with a cell of its own")
ax.set(xlabel="time step", ylabel="output of the first unit")
ax.locator_params(axis="x", integer=True)
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
ax.grid(alpha=0.3)
common.show(fig, "shared_cell")

# %% [markdown]
# ## Scopes in a graph
# In a traced function name scopes do what they did in TF1: they group the operations, and a name
# that is taken gets a number. `tensorboard --logdir` shows each scope as a box to open.


# %%
@tf.function
def program(x):
    with tf.name_scope("a_name_scope"):
        x = tf.add(x, 2.1, name="add")
        x = tf.add(x, 2.2, name="add")
    return scope(x)


graph = program.get_concrete_function(tf.TensorSpec([None])).graph
operations = [operation.name for operation in graph.get_operations()]
print("\noperations in the graph:", *operations, sep="\n  ")

log = cfg.out / "lesson19" / "graph"
try:
    log.mkdir(exist_ok=True)
    old_logs = list(log.iterdir())
    with tf.summary.create_file_writer(str(log)).as_default():
        tf.summary.graph(graph)
except (OSError, tf.errors.OpError) as error:
    raise common.Trouble(f"cannot write {log} ({error}); --out names another folder") from error
for path in old_logs:
    path.unlink(missing_ok=True)

# %% [markdown]
# ## In the notes, and here
# Where TF2 names a variable otherwise nothing is claimed; the values are the same float32.

# %%
rows = []
for name, (its_name, its_value) in in_the_notes.items():
    name_here, value_here = here[name]
    same = np.float32(its_value.strip("[]")) == np.float32(value_here.strip("[]"))
    rows.append((f"{name} name", its_name, name_here, True if its_name == name_here else None))
    rows.append((f"{name} value", its_value, value_here, same))
rows += [
    ("var3_reuse is var3", None, var3_reuse is var3, var3_reuse is var3),
    ("gradient of two uses", None, gradient, gradient[0] == 7),
    ("answers of two models", None, answers, answers == [1, 1]),
    ("weights of LSTM nets", None, weights, len(set(weights)) == 1),
    ("difference of outputs", None, difference, difference == 0),
]
common.report(rows)
