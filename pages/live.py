"""What answers in the page: its scripts, and what they need of a run, as scripts to load."""

import base64
import json
import shutil
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent


def export(runs, out):
    """Write `out`/live: the scripts, and for lessons 15, 18, 21 a file of what `runs` learned."""
    folder = out / "live"
    folder.mkdir(exist_ok=True)
    for script in HERE.glob("live/*.js"):
        shutil.copy(script, folder)
    for run in runs:
        if (number := run.results["lesson"]) in DATA:
            text = f"live.given({json.dumps(DATA[number](run))});\n"
            (folder / f"data{number}.js").write_text(text, "utf-8")


def noisy_data(run):
    """Lesson 21: the y of its three tests, drawn as there, {function: 200 values}."""
    random = np.random.RandomState(run.results["settings"]["seed"])
    x, a, b = np.linspace(-1, 1, 200), 1.2, 2.5
    ys = dict(line=a * x + b + random.rand(200) / 10)
    ys["formula"] = a * x**3 + b * x**2 + random.randn(200) / 10
    ys["network"] = np.sin(b * np.cos(a * x)) + random.randn(200) / 10
    return {name: y.round(7).tolist() for name, y in ys.items()}


def digit_reader(run):
    """Lesson 15: its four layers, and sixteen test digits with their labels."""
    kinds = ["int16", "int16", "int8", "int16"]
    layers = [[packed(W, kind), packed(b)] for (W, b), kind in zip(weights(run, "cnn"), kinds)]
    images, labels = test_digits(16)
    digits = [packed(image[:, np.newaxis], "uint8") for image in images]
    return dict(layers=layers, digits=digits, labels=labels.tolist())


def plane(run):
    """Lesson 18: its eight layers, and what the first four make of 2,000 test digits."""
    layers = weights(run, "plane")
    points, labels = test_digits(2000)
    for i, (W, b) in enumerate(layers[:4]):
        points = points @ W + b
        points = points if i == 3 else 1 / (1 + np.exp(-points))  # (2000, 2) at the end
    layers = [list(map(packed, layer)) for layer in layers]
    return dict(layers=layers, points=points.round(4).tolist(), labels=labels.tolist())


def weights(run, name):
    """The pairs W, b of the layers that the run saved, in their order."""
    with h5py.File(run.folder / f"{name}.weights.h5") as file:
        layers = [file["layers"][layer]["vars"] for layer in sorted(file["layers"])]
        return [(one["0"][:], one["1"][:]) for one in layers if "0" in one]


def test_digits(number):
    """The first test digits of MNIST, (number, 784) of 0 to 1, and their labels (number,)."""
    with np.load(HERE.parent / "data" / "mnist.npz") as data:
        return data["x_test"][:number].reshape(number, 784) / 255, data["y_test"][:number]


def packed(array, kind="float32"):
    """Base64 of `array` as it is, or as whole numbers of `kind` with a scale for each column."""
    scale = np.ones(1)
    if kind != "float32":
        columns = array.reshape(-1, array.shape[-1])
        scale = np.maximum(np.abs(columns).max(axis=0), 1e-6) / np.iinfo(kind).max
        array = np.rint(columns / scale)
    text = base64.b64encode(array.astype(kind).tobytes()).decode()
    return dict(kind=f"{kind.title()}Array", data=text, scale=scale.tolist())


DATA = {15: digit_reader, 18: plane, 21: noisy_data}
