"""Time each lesson's training against the TF1 code of the notes, side by side in one run.

    python tests/bench/bench.py            # every lesson that trains, and the sum
    python tests/bench/bench.py 15 17      # some

Each `contestNN.py` in this folder has `tf1`, written from the notes' description on compat.v1, and
`lesson`, the lesson's own model and data: both return `(train, score)`, what trains a number of
steps and what says how good the result is. Lessons run in float32 and, where lesson and CPU have
it, in bfloat16. All contestants train at the notes' settings and take turns, a tenth of the
training each, because machines change speed from minute to minute: only ratios within one run mean
anything. The first turn traces and warms up and is not counted; the median of the
others is the figure. Whatever evaluation the notes' code does is done and timed as well. What
came out of the training is printed beside the time, so that no speed is bought with accuracy, and
the peak memory of each, from a process of its own that takes one turn.

A run over all lessons writes `pages/bench.json`, which `make readme` and `make pages` read.
"""

import contextlib
import functools
import importlib
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
TURNS = 10
CPU = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
BFLOAT16 = "avx512_bf16" in CPU or "amx_bf16" in CPU


def contestants(module):
    """{label: what makes the contestant}, the TF1 code first."""
    made = {"TF1 code": module.tf1, "here, float32": module.lesson}
    if BFLOAT16 and getattr(module, "BFLOAT16", False):
        bfloat16 = functools.partial(module.lesson, "--dtype", "mixed_bfloat16")
        made["here, bfloat16"] = bfloat16
    return made


def peak_memory():
    """GB at most so far. On Linux getrusage would count the process that started this one, too."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20
    import resource

    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def alone(number, label):
    """Peak memory in GB of a fresh process in which one contestant takes one turn."""
    command = [sys.executable, __file__, "--alone", number, label]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return float(printed.splitlines()[-1])


def contest(number):
    """Print one lesson's table; returns {label: (seconds of the whole training, memory)}."""
    module = importlib.import_module(f"contest{number}")
    made = contestants(module)
    memory = {label: alone(number, label) for label in made}
    with contextlib.redirect_stdout(io.StringIO()):  # the lessons talk
        runs = {label: make() for label, make in (made | getattr(module, "MORE", {})).items()}
    seconds = {label: [] for label in runs}
    for _ in range(TURNS):
        for label, (train, _) in runs.items():
            started = time.perf_counter()
            train(module.STEPS // TURNS)
            seconds[label].append(time.perf_counter() - started)
    result = {label: score() for label, (_, score) in runs.items()}

    middle = {label: statistics.median(times[1:]) for label, times in seconds.items()}
    print(f"\nlesson {number}, {module.STEPS:,} steps in {TURNS} turns: {module.RESULT}")
    print(
        f"{'':<22}{'result':>9}{'GB':>7}{'ms a step: min':>17}{'median':>9}{'max':>8}{'/ TF1':>7}"
    )
    for label, times in seconds.items():
        low, median, high = (
            f"{1e3 * s / (module.STEPS // TURNS):.3g}"
            for s in (min(times[1:]), middle[label], max(times[1:]))
        )
        value = "-" if result[label] is None else f"{result[label]:.4g}"
        peak = f"{memory[label]:.2f}" if label in memory else ""
        ratio = f"{middle[label] / middle['TF1 code']:.2f}"
        print(f"{label:<22}{value:>9}{peak:>7}{low:>17}{median:>9}{high:>8}{ratio:>7}", flush=True)
    turns = 1 if getattr(module, "A_TURN_IS_THE_WHOLE", False) else TURNS
    return {label: (turns * middle[label], memory[label]) for label in made}


def matrix_products():
    """GFLOP/s of TensorFlow's own product of two 2048 x 2048 matrices."""
    import tensorflow as tf

    square = tf.random.normal((2048, 2048))
    product = tf.function(lambda: tf.matmul(square, square))
    times = []
    for _ in range(12):
        started = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(times) / 1e9


def ratios(rows):
    """{column: ours / TF1} of the sums of seconds, and of the highest peaks of memory."""

    def total(label):  # where there is no bfloat16, float32 is what a reader would run
        return sum(row.get(label, row["here, float32"])[0] for row in rows)

    columns = {"float32_ratio": "here, float32", "bfloat16_ratio": "here, bfloat16"}
    found = {
        column: round(total(label) / total("TF1 code"), 3)
        if any(label in r for r in rows)
        else None
        for column, label in columns.items()
    }
    peaks = [max(row[label][1] for row in rows) for label in ("here, float32", "TF1 code")]
    return found | {"memory_ratio": round(peaks[0] / peaks[1], 3)}


def main(numbers):
    everything = sorted(path.stem.removeprefix("contest") for path in HERE.glob("contest*.py"))
    table = {}
    for number in numbers or everything:
        table[number] = contest(number)
        if number == "15":
            flops, speed = importlib.import_module("contest15").FLOPS, matrix_products()
            reached = flops / table[number]["here, float32"][0] * 1000 / 1e9  # of 1000 steps
            print(f"plain matrix products run at {speed:.0f} GFLOP/s, lesson 15's training and")
            print(f"evaluation at {reached:.0f}, {reached / speed:.0%} of that")
    total = ratios(list(table.values()))
    print("\nall of these together, here / TF1:", total)
    if numbers:
        return
    import keras
    import tensorflow as tf

    rows = [
        {"lesson": number, "what": importlib.import_module(f"contest{number}").RESULT}
        | ratios([row])
        for number, row in table.items()
    ]
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    versions["python"] = platform.python_version()
    found = dict(machine=f"{os.cpu_count()} cores", versions=versions, rows=rows, total=total)
    (HERE.parents[1] / "pages" / "bench.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        module = importlib.import_module(f"contest{sys.argv[2]}")
        train, _ = contestants(module)[sys.argv[3]]()
        train(module.STEPS // TURNS)
        print(peak_memory())
    else:
        main(sys.argv[1:])
