"""How the tests and benchmarks run a lesson: in a process of its own, as a reader does, or in
this one, to get at its variables."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LESSONS = {re.match(r"lesson(\d+)", path.stem)[1]: path for path in ROOT.glob("lessons/lesson*.py")}

sys.path.insert(0, str(ROOT / "lessons"))


def command(number, *flags):
    return [sys.executable, str(LESSONS[str(number)]), *map(str, flags)]


def run_lesson(number, *flags, timeout=900, **kwargs):
    """Run a lesson to its end; returns the CompletedProcess, output as text."""
    kwargs.setdefault("env", os.environ | {"PYTHONIOENCODING": "utf-8"})
    return subprocess.run(
        command(number, *flags),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        **kwargs,
    )


def variables(number, *flags):
    """Run a lesson in this process; returns its global variables by name."""
    argv, hook = sys.argv, sys.excepthook
    sys.argv = [str(LESSONS[str(number)]), *map(str, flags)]
    try:
        return runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv, sys.excepthook = argv, hook


def read_results(out, number):
    """results.json of a lesson that wrote to `out`; here["name"] is the row's own figure."""
    results = json.loads((Path(out) / f"lesson{number}" / "results.json").read_text("utf-8"))
    results["here"] = {row["name"]: row["here"] for row in results["results"]}
    return results


def assert_one_line(process, status=2, about=""):
    """The lesson ended with one clear line on stderr and no traceback."""
    lines = [line for line in process.stderr.splitlines() if line.strip()]
    assert process.returncode == status, process.stdout + process.stderr
    assert len(lines) == 1, process.stderr
    assert about in lines[0], lines[0]
    assert "Traceback" not in process.stdout + process.stderr
