"""What answers in the page: its scripts, and what they need of a run, as scripts to load."""

import json
import shutil
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def export(runs, out):
    """Write `out`/live: the scripts, and a data file for each of the lessons 15, 18, 21 in `runs`,
    made from the weights, or the seed, of that run."""
    folder = out / "live"
    folder.mkdir(exist_ok=True)
    for script in HERE.glob("live/*.js"):
        shutil.copy(script, folder)
    for run in runs:
        number = run.results["lesson"]
        if number in DATA:
            text = f"live.given({json.dumps(DATA[number](run))});\n"
            (folder / f"data{number}.js").write_text(text, "utf-8")


def noisy_data(run):
    """Lesson 21: the y of its three tests, drawn as there, {function: 200 values}."""
    random = np.random.RandomState(run.results["settings"]["seed"])
    x, (a, b) = np.linspace(-1, 1, 200), (1.2, 2.5)
    line = a * x + b + random.rand(200) / 10
    formula = a * x**3 + b * x**2 + random.randn(200) / 10
    network = np.sin(b * np.cos(a * x)) + random.randn(200) / 10
    values = dict(line=line, formula=formula, network=network)
    return {name: y.round(7).tolist() for name, y in values.items()}


DATA = {21: noisy_data}
