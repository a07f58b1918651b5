"""Time a training step of each lesson against the TF1 code of the notes, side by side in one run.

    python tests/bench/bench.py            # all lessons that have a contest
    python tests/bench/bench.py 15 17      # some

Each `contestNN.py` in this folder has `STEPS`, the steps of a round, and `contestants()`, which
returns `{label: run}`: `run(n)` trains n steps, and the first label is the TF1 code, written from
the notes' description on compat.v1. The rounds are interleaved, because these machines change
speed from minute to minute: only ratios within one run mean anything, and the minimum of several
rounds is the figure least disturbed by others.
"""

import importlib
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

ROUNDS = 9


def contest(number):
    module = importlib.import_module(f"contest{number}")
    contestants = module.contestants()
    for run in contestants.values():
        run(module.STEPS)  # traces, allocates, warms up
    milliseconds = {label: [] for label in contestants}
    for _ in range(ROUNDS):
        for label, run in contestants.items():
            started = time.perf_counter()
            run(module.STEPS)
            milliseconds[label].append((time.perf_counter() - started) / module.STEPS * 1e3)

    print(f"\nlesson {number}, {ROUNDS} interleaved rounds of {module.STEPS} steps, ms a step")
    print(f"{'':<26}{'min':>8}{'median':>8}{'max':>8}{'min / TF1':>12}{'median / TF1':>14}")
    first = next(iter(milliseconds.values()))
    for label, times in milliseconds.items():
        low, middle = min(times), statistics.median(times)
        print(
            f"{label:<26}{low:8.1f}{middle:8.1f}{max(times):8.1f}"
            f"{low / min(first):12.2f}{middle / statistics.median(first):14.2f}",
            flush=True,
        )


if __name__ == "__main__":
    numbers = sys.argv[1:] or sorted(
        path.stem.removeprefix("contest") for path in Path(__file__).parent.glob("contest*.py")
    )
    for number in numbers:
        contest(number)
