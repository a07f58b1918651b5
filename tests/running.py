"""How the tests and the benchmarks run a lesson: in this process, to get at its variables, or in
one of its own, as a reader does."""

import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent
LESSONS = {int(re.search(r"\d+", path.stem)[0]): path for path in ROOT.glob("lessons/lesson*.py")}

sys.path.insert(0, str(ROOT / "lessons"))


def run_here(number, *flags, out):
    """Run a lesson in this process, to its end or to a SystemExit. A test that breaks a claim
    patches what the lesson uses (pytest's monkeypatch) and looks at `holds`.

    Returns:
        `variables`, the lesson's globals by name (a dict); `printed`, its output; `folder`, where
        it wrote; `results`, its results.json; `here` and `holds`, two columns of its report by
        the row's name; `trouble`, the text it ended with before its end, or None.
    """
    script, printed = LESSONS[number], io.StringIO()
    run = SimpleNamespace(folder=Path(out) / f"lesson{number}", variables={}, trouble=None)
    before = os.getcwd()  # lesson 16 changes it
    arguments, sys.argv = sys.argv, [str(script), "--out", str(out), *map(str, flags)]
    try:
        with contextlib.redirect_stdout(printed):
            run.variables = runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        run.trouble = str(end)
    finally:
        sys.argv = arguments
        os.chdir(before)
    run.printed = printed.getvalue()
    run.results = read_results(out, number)
    rows = run.results.get("results", [])
    run.here = {row["name"]: row["here"] for row in rows}
    run.holds = {row["name"]: row["holds"] for row in rows}
    return run


def read_results(out, number):
    """results.json of a lesson that wrote to `out`, or an empty dict."""
    path = Path(out) / f"lesson{number}" / "results.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def run_lesson(number, *flags, environment=(), timeout=900, **options):
    """Run a lesson in a process of its own; returns the CompletedProcess, its output as text."""
    return subprocess.run(
        [sys.executable, LESSONS[number], *map(str, flags)],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | dict(environment),
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        capture_output=True,
        encoding="utf-8",
        **options,
    )


# What TensorFlow says before it has read TF_CPP_MIN_LOG_LEVEL.
CHATTER = re.compile(
    r"WARNING: All log messages|([IE]\d{4}|\d{4}-\d\d-\d\d) .*(port|cud\w+|cuda_\w+)\.cc|\s*$"
)


def complaints(process):
    """The lines on stderr that are not TensorFlow's own at its start."""
    return [line for line in process.stderr.splitlines() if not CHATTER.match(line)]


def assert_one_line(process, about=""):
    """The lesson ended with one clear line on stderr, a status other than 0 and no traceback."""
    lines = complaints(process)
    assert process.returncode not in (0, None), process.stdout
    assert len(lines) == 1 and about in lines[0], process.stderr
