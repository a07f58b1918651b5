"""Measure the lessons against the notes' TF1 code, and a training step against PyTorch as well.

    python tests/bench/bench.py               # everything, about half an hour; make bench
    python tests/bench/bench.py 15 17         # some lessons
    python tests/bench/bench.py --smoke 21    # does it still run?

Whole lessons: `tf1_NN.py`, in 18, 20 and 21 with the notes' figures, and the lesson with all of its
own run as processes and take turns, in float32 and, where lesson and CPU have it, in bfloat16.
Steps: three processes wait for each other, one turn each of about a second; see `steps.py`.
Machines change speed from minute to minute, so only ratios within one run mean anything. What came
out of the training stands beside the time, so that no speed is bought with accuracy.

`--json FILE` writes all of it to a file as well.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

# Neither this file nor `running` imports TensorFlow: on Linux a process's peak memory is at least
# that of the process that has started it.
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from running import LESSONS, read_results  # noqa: E402

# What the last line of tf1_NN.py is, and the beginning of its name in the lesson's report.
RESULTS = {
    15: ("test accuracy", "test accuracy at the end"),
    17: ("test accuracy", "test accuracy"),
    18: ("cost after epoch 10", "cost after epoch"),
    20: ("last cost, tanh with BN", "tanh, BN"),
    21: ("b of the line", "line: b"),
    22: ("new pairs ranked right", "new pairs"),
}
CPU = Path("/proc/cpuinfo").read_text("utf-8") if sys.platform == "linux" else ""
BFLOAT16 = "avx512_bf16" in CPU or "amx_bf16" in CPU


def timed(command):
    """Run a command; returns its wall seconds, its peak memory in GB, where the system tells it,
    or 0, and what it printed."""
    text = dict(mode="w+", encoding="utf-8", errors="replace")
    with tempfile.TemporaryFile(**text) as printed, tempfile.TemporaryFile(**text) as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=printed, stderr=complaints)
        peak = 0
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
        process.wait()
        seconds = time.perf_counter() - began
        printed.seek(0), complaints.seek(0)
        if process.returncode:
            sys.exit(f"{command[1]} ended with {process.returncode}\n{complaints.read()[-3000:]}")
        return seconds, peak, printed.read()


def run_lesson(number, out, *flags):
    seconds, peak, _ = timed([sys.executable, LESSONS[number], "--out", out, *flags])
    return seconds, peak, result_of(number, read_results(out, number)["results"])


def result_of(number, rows):
    """The figure in a lesson's report that the TF1 script's last line is to be compared with."""
    name = RESULTS[number][1]
    return [row["here"] for row in rows if row["name"].startswith(name)][-1]


def run_tf1(number, *flags):
    command = [sys.executable, HERE / f"tf1_{number}.py", *flags]
    # Two scripts in the notes' section 18; in 20 a constant with which they run theirs twice.
    again = {18: ["2", "1"], 20: ["relu", "tanh"]}.get(number, [])
    runs = [timed([*command, word]) for word in again] or [timed(command)]
    seconds, peak, printed = zip(*runs)
    return sum(seconds), max(peak), float(printed[-1].splitlines()[-1])


def whole_lesson(number, rounds, *flags):
    """Print one lesson's table; returns its row of the json."""
    runs = {"tf1": [], "here": []}
    if BFLOAT16 and "mixed_bfloat16" in LESSONS[number].read_text("utf-8"):
        runs["here, bfloat16"] = []
    with tempfile.TemporaryDirectory() as out:
        for seed in range(1, rounds + 1):
            for label, found in runs.items():
                dtype = ["--dtype", "mixed_bfloat16"] if "bfloat16" in label else []
                if label == "tf1":
                    found.append(run_tf1(number, *flags))
                else:
                    found.append(run_lesson(number, out, "--seed", seed, *dtype, *flags))

    seconds, peak, result = {}, {}, {}
    print(f"\nlesson {number}, {rounds} rounds: {RESULTS[number][0]}")
    print(f"{'':16}{'result':>9}{'GB':>7}{'seconds: min':>14}{'median':>8}{'max':>7}{'/ TF1':>7}")
    for label, found in runs.items():
        times, peaks, results = zip(*found)
        seconds[label], result[label] = median(times), median(results)
        peak[label] = max(peaks)
        memory = f"{peak[label]:.2f}" if peak[label] else ""
        row = f"{label:16}{result[label]:9.4g}{memory:>7}{min(times):14.1f}{seconds[label]:8.1f}"
        print(f"{row}{max(times):7.1f}{seconds[label] / seconds['tf1']:7.2f}", flush=True)

    bfloat16 = seconds.get("here, bfloat16")
    return {
        "lesson": number,
        "seconds": round(seconds["here"], 1),
        "bfloat16_seconds": bfloat16 and round(bfloat16, 1),
        "tf1_seconds": round(seconds["tf1"], 1),
        "ratio": round(seconds["here"] / seconds["tf1"], 3),
        "bfloat16_ratio": bfloat16 and round(bfloat16 / seconds["tf1"], 3),
        "memory": round(peak["here"], 2),
        "memory_ratio": round(peak["here"] / peak["tf1"], 3) if peak["tf1"] else None,
        "result": RESULTS[number][0],
        "here": result["here"],
        "bfloat16": result.get("here, bfloat16"),
        "tf1": result["tf1"],
    }


def training_step(number, turns=30, steps=None):
    """Print one table of milliseconds a step; returns its row of the json."""
    import steps as contest

    steps = steps or contest.TURN[number]
    processes, times, results = {}, {kind: [] for kind in contest.KINDS}, {}
    for kind in contest.KINDS:
        command = [sys.executable, HERE / "steps.py", str(number), kind]
        talk = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=tempfile.TemporaryFile())
        processes[kind] = subprocess.Popen(command, **talk, text=True)
        if processes[kind].stdout.readline() != "ready\n":
            talk["stderr"].seek(0)
            sys.exit(f"steps.py {number} {kind} failed: {talk['stderr'].read().decode()[-3000:]}")
    for _ in range(turns + 1):
        for kind, process in processes.items():
            print(steps, file=process.stdin, flush=True)
            times[kind].append(float(process.stdout.readline()))
    print(f"\nlesson {number}, one step; after {(turns + 1) * steps}: {contest.RESULT[number]}")
    print(f"{'':16}{'result':>9}{'ms: min':>9}{'median':>8}{'max':>7}")
    for kind, process in processes.items():
        results[kind] = float(process.communicate()[0])
        times[kind] = sorted(times[kind][1:])  # the first one traces and warms up
        low, middle, high = times[kind][0], median(times[kind]), times[kind][-1]
        print(f"{kind:16}{results[kind]:9.4g}{low:9.3g}{middle:8.3g}{high:7.3g}", flush=True)
        times[kind] = round(middle, 2)
    row = {"lesson": number, "result": contest.RESULT[number]}
    for name, kind in (("here", "lesson"), ("tf1", "tf1"), ("torch", "torch")):
        row |= {f"{name}_ms": times.get(kind), name: results.get(kind)}
    torch = times.get("torch")
    return row | {"step_ratio": torch and round(times["lesson"] / torch, 2)}


def summary(lessons, steps):
    """What goes into the json."""

    def ratio(*names):
        ours = sum(next(row[name] for name in names if row[name]) for row in lessons)
        return round(ours / sum(row["tf1_seconds"] for row in lessons), 3)

    versions = {name: version(name) for name in ("tensorflow", "keras")}
    versions["python"] = platform.python_version()
    if any(row["torch_ms"] for row in steps):
        versions["torch"] = version("torch")
    found = {"cores": os.cpu_count(), "versions": versions, "lessons": lessons, "steps": steps}
    found |= {"memory": max(row["memory"] for row in lessons)}
    found |= {"total_ratio": ratio("seconds"), "total_bfloat16_ratio": None}
    if any(row["bfloat16_seconds"] for row in lessons):
        # Where a lesson has no bfloat16, its float32 is what a reader runs.
        found["total_bfloat16_ratio"] = ratio("bfloat16_seconds", "seconds")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", type=int, nargs="*", metavar="NN", help="default: all of them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="tiny runs, one round")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    numbers = args.numbers or list(RESULTS)
    if unknown := set(numbers) - set(RESULTS):
        parser.error(f"nothing to measure in lesson {unknown.pop()}; there is in {[*RESULTS]}")
    flags, rounds, short = ["--smoke"] * args.smoke, args.rounds, {}
    if args.smoke:
        rounds, short = 1, dict(turns=2, steps=2)

    lessons = [whole_lesson(number, rounds, *flags) for number in numbers]
    steps = [training_step(number, **short) for number in numbers if number in (15, 17, 18)]
    found = summary(lessons, steps)
    print(f"\nall of these, here / TF1: {found['total_ratio']}", end="")
    print(f", with bfloat16 {found['total_bfloat16_ratio']}" if BFLOAT16 else "")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
