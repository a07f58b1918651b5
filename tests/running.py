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
    """Run a lesson in this process, to its end or to a SystemExit.

    Returns:
        `variables`, the lesson's globals by name (a dict); `printed`, its output; `folder`, where
        it wrote; `results`, its results.json, and `here`, the figures in it by name; `trouble`,
        the text it ended with before its end, or None.
    """
    script, printed = LESSONS[number], io.StringIO()
    run = SimpleNamespace(folder=Path(out) / f"lesson{number}", variables={}, trouble=None)
    arguments, sys.argv = sys.argv, [str(script), "--out", str(out), *map(str, flags)]
    try:
        with contextlib.redirect_stdout(printed):
            run.variables = runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        run.trouble = str(end)
    finally:
        sys.argv = arguments
    run.printed = printed.getvalue()
    run.results = read_results(out, number)
    run.here = {row["name"]: row["here"] for row in run.results.get("results", [])}
    return run


def read_results(out, number):
    """results.json of a lesson that wrote to `out`, or an empty dict."""
    path = Path(out) / f"lesson{number}" / "results.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def report_again(number, variables, **others):
    """The report of a lesson that has run, with other values for some of its `variables`.

    Returns:
        {name: (notes, here, holds)} of what its last code cell hands to `common.report`.
    """
    cells = re.split(r"^# %%", LESSONS[number].read_text("utf-8"), flags=re.M)
    code = next(cell for cell in reversed(cells) if "common.report(" in cell)
    rows = []
    stand_in = SimpleNamespace(**vars(variables["common"]) | {"report": rows.extend})
    exec(code.partition("\n")[2], variables | {"common": stand_in} | others)
    return {name: (notes, here, holds) for name, notes, here, holds in rows}


def run_lesson(number, *flags, timeout=900, **options):
    """Run a lesson in a process of its own; returns the CompletedProcess, its output as text."""
    command = [sys.executable, str(LESSONS[number]), *map(str, flags)]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command,
        **dict(env=environment, stdin=subprocess.DEVNULL, timeout=timeout) | options,
        capture_output=True,
        encoding="utf-8",
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


def assert_whole(run):
    """A smoke run of `run_here` went to its end: what it printed and wrote is as it should be."""
    assert run.trouble is None
    lines = run.printed.splitlines()
    assert lines[0].startswith(f"Lesson {run.results['lesson']}: ")
    assert lines[-1] == str(run.folder)
    # Old Keras says where `export` has written, with a path of any length.
    assert max(len(line) for line in lines if str(run.folder) not in line) <= 80
    assert run.results["smoke"] is True and run.results["settings"]["seed"] == 1
    assert run.results["results"] and run.results["figures"]
    assert run.results["versions"].keys() == {"tensorflow", "keras", "python"}
    for row in run.results["results"]:
        assert row.keys() == {"name", "notes", "here", "holds"}
        assert row["holds"] in (True, False, None)
    for name in run.results["figures"]:
        assert_not_blank(run.folder / name)


def assert_not_blank(path):
    import numpy as np
    from PIL import Image

    image = np.asarray(Image.open(path).convert("RGB"), int)
    assert 600 <= image.shape[1] <= 960, f"{path.name} does not fit a page"
    colors = np.unique(image.reshape(-1, 3).sum(axis=1), return_counts=True)[1]
    assert colors.max() < 0.995 * colors.sum(), f"{path.name} is blank"
