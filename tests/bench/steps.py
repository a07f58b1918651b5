"""Training steps of one lesson: the lesson's own model, the TF1 graph, the same net in PyTorch.

A contestant has `train(images, labels)`, one step, which returns the loss; `predict(images)`;
`data`, with `train.next_batch` and `test`; `parameters`, their number. All start from the same kind
of random weights, with the notes' batches and optimizer. `python steps.py 15 lesson`, or `tf1`, or
`torch`, is the process that `bench.py` talks to: a number of steps comes in, the milliseconds of
one of them go out; at the end of its input, the test result.
"""

import importlib.util
import runpy
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from running import run_here  # noqa: E402

BATCH = {15: 100, 17: 128, 18: 256}
TURN = {15: 20, 17: 40, 18: 150}  # steps that take about a second
SHAPE = {15: (-1, 784), 17: (-1, 28, 28), 18: (-1, 784)}
RESULT = {15: "test accuracy", 17: "test accuracy", 18: "test cost"}
# The lesson's names for its model, and settings with which a smoke run hardly trains it.
MODEL = {15: "model", 17: "model", 18: "autoencoder"}
UNTRAINED = {
    15: ["--steps", 1],
    17: ["--training-iters", 1],
    18: ["--batch-size", 4_900, "--training-epochs", 1, "--plane-epochs", 1],
}
# The names in the TF1 scripts: images, labels, training step, loss, output, dropout's switch.
NAMES = {
    15: ["xs", "ys", "train_step", "cross_entropy", "logits", "keep_prob"],
    17: ["x", "y", "train_op", "cost", "pred", None],
    18: ["X", None, "optimizer", "cost", "y_pred", None],
}


def contestant(train, predict, data, parameters):
    count = sum(int(np.prod(weights.shape)) for weights in parameters)
    return SimpleNamespace(train=train, predict=predict, data=data, parameters=count)


def lesson_net(number, variables=None):
    """The model that a smoke run leaves; `variables` are those of one that has been run."""
    if variables is None:
        with tempfile.TemporaryDirectory() as out:
            variables = run_here(number, "--smoke", *UNTRAINED[number], out=out).variables
    model = variables[MODEL[number]]
    if not model.trainable:  # lesson 18 freezes it after training
        model.trainable = True
        model.compile(model.optimizer, model.loss)

    def train(images, labels):
        answer = model.train_on_batch(images, images if number == 18 else labels)
        return np.ravel(answer)[0]  # the loss, which comes before the metrics

    return contestant(train, model.predict_on_batch, variables["mnist"], model.trainable_weights)


def tf1_net(number, variables=None):
    """The graph that the TF1 script leaves; `variables` are those of one that has been run."""
    if variables is None:
        variables = run_tf1(number, "__main__")
    images, labels, train_op, cost, out, keep_prob = map(variables.get, NAMES[number])
    session = variables["sess"]

    def feed(xs, keep):
        return {images: xs} if keep_prob is None else {images: xs, keep_prob: keep}

    def train(xs, ys):
        given = {} if labels is None else {labels: ys}
        return session.run([train_op, cost], feed(xs, 0.5) | given)[1]

    def predict(xs):
        return session.run(out, feed(xs, 1))

    parameters = session.graph.get_collection("trainable_variables")
    return contestant(train, predict, variables["mnist"], parameters)


def run_tf1(number, name):
    """The variables of a TF1 script after a smoke run in this process. Where it is "__main__", it
    switches the process to TF1's behaviour for good."""
    arguments, sys.argv = sys.argv, ["", "--smoke"]
    try:
        return runpy.run_path(str(HERE / f"tf1_{number}.py"), run_name=name)
    finally:
        sys.argv = arguments


def torch_net(number):
    import torch
    from input_data import read_data_sets
    from torch import nn

    def start(module, weight, bias):
        weight(module.weight), bias(module.bias)
        return module

    if number == 15:
        rules = [lambda w: nn.init.trunc_normal_(w, std=0.1, a=-0.2, b=0.2)]
        rules.append(lambda b: nn.init.constant_(b, 0.1))
        model = nn.Sequential(
            *[nn.Unflatten(1, (1, 28, 28)), start(nn.Conv2d(1, 32, 5, padding=2), *rules)],
            *[nn.ReLU(), nn.MaxPool2d(2), start(nn.Conv2d(32, 64, 5, padding=2), *rules)],
            *[nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), start(nn.Linear(3136, 1024), *rules)],
            *[nn.ReLU(), nn.Dropout(0.5), start(nn.Linear(1024, 10), *rules)],
        )
    if number == 17:
        rules = [nn.init.normal_, lambda b: nn.init.constant_(b, 0.1)]
        lstm = nn.LSTM(128, 128, batch_first=True)
        nn.init.xavier_uniform_(lstm.weight_ih_l0)
        nn.init.orthogonal_(lstm.weight_hh_l0)
        nn.init.zeros_(lstm.bias_ih_l0)
        nn.init.zeros_(lstm.bias_hh_l0.requires_grad_(False))  # Keras has one bias, PyTorch two
        nn.init.ones_(lstm.bias_ih_l0.data[128:256])  # the forget gate

        class Last(nn.Module):
            def forward(self, out):
                return out[1][0][0]

        ends = start(nn.Linear(28, 128), *rules), start(nn.Linear(128, 10), *rules)
        model = nn.Sequential(ends[0], lstm, Last(), ends[1])
    if number == 18:
        sizes, layers = [784, 256, 128, 256, 784], []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [start(nn.Linear(n_in, n_out), *2 * [nn.init.normal_]), nn.Sigmoid()]
        model = nn.Sequential(*layers)

    rate = {15: 1e-4, 17: 1e-3, 18: 1e-2}[number]
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=True)
    loss = nn.MSELoss() if number == 18 else nn.CrossEntropyLoss()

    def train(images, labels):
        images, labels = torch.from_numpy(images), torch.from_numpy(labels)
        optimizer.zero_grad()
        cost = loss(model.train()(images), images if number == 18 else labels)
        cost.backward()
        optimizer.step()
        return cost.item()

    def predict(images):
        with torch.no_grad():
            return model.eval()(torch.from_numpy(images)).numpy()

    parameters = [weights for weights in model.parameters() if weights.requires_grad]
    return contestant(train, predict, read_data_sets(one_hot=False), parameters)


KINDS = {"lesson": lesson_net, "tf1": tf1_net}
if importlib.util.find_spec("torch"):
    KINDS["torch"] = torch_net


def next_batch(number, net):
    images, labels = net.data.train.next_batch(BATCH[number])
    return images.reshape(SHAPE[number]), labels


def result(number, net):
    """Test accuracy, or cost, in the batches that the TF1 graph of lesson 17 is tied to."""
    test, n, found = net.data.test, BATCH[number], []
    for i in range(0, len(test.images) - n + 1, n):
        images, labels = test.images[i : i + n], test.labels[i : i + n]
        out = net.predict(images.reshape(SHAPE[number]))
        labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
        right = out.argmax(axis=1) == labels
        found.append(np.mean((out - images) ** 2) if number == 18 else right.mean())
    return float(np.mean(found))


def main(number, kind):
    answers, sys.stdout = sys.stdout, sys.stderr
    net = KINDS[kind](number)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            net.train(*next_batch(number, net))
        milliseconds = 1e3 * (time.perf_counter() - started) / int(line)
        print(milliseconds, file=answers, flush=True)
    print(result(number, net), file=answers, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
