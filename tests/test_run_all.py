"""run_all.py: every lesson runs, whatever happens to one; nothing that failed looks well."""

import os
import shutil
import subprocess
import sys

import pytest
from running import ROOT

LESSON = """
import json, pathlib, sys
{then}
folder = pathlib.Path(sys.argv[sys.argv.index("--out") + 1], "lesson{number}")
folder.mkdir(parents=True, exist_ok=True)
row = dict(name="a claim", notes=1.0, here=2.0, baseline="-", holds={holds!r})
report = dict(lesson={number}, title="A lesson", seconds=1.0, results=[row])
(folder / "results.json").write_text(json.dumps(report))
"""


@pytest.fixture
def run_all(tmp_path):
    """run_all(*flags): run_all.py over the lessons written below `tmp_path`."""
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    shutil.copy(ROOT / "lessons" / "run_all.py", lessons)
    shutil.copy(ROOT / "lessons" / "common.py", lessons)

    def write(number, then="", holds="yes"):
        text = LESSON.format(number=number, then=then, holds=holds)
        (lessons / f"lesson{number}_x.py").write_text(text, "utf-8")

    def run(*flags):
        command = [sys.executable, "-OO", lessons / "run_all.py", "--out", tmp_path / "out", *flags]
        environment = os.environ | {"PYTHONIOENCODING": "utf-8", "MPLBACKEND": "module://no.such"}
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)

    run.write = write
    return run


def test_all_well(run_all):
    run_all.write(15)
    run_all.write(16, holds="slip")
    process = run_all()
    assert process.returncode == 0 and process.stderr == ""
    assert "All lessons" in process.stdout and process.stdout.count("a claim") == 2
    assert "1 yes, 0 NO" in process.stdout.splitlines()[-1]


def test_what_fails_is_named_and_the_others_run(run_all, tmp_path):
    run_all.write(15, then="sys.exit('the dog ate it')")
    run_all.write(16)
    run_all.write(17, then="sys.exit()")  # ends well, and leaves no report
    run_all.write(18)
    for name in "lesson17", "lesson18/results.json":  # a folder where the report should be
        (tmp_path / "out" / name).mkdir(parents=True)
    (tmp_path / "out" / "lesson17" / "results.json").write_text("{}", "utf-8")
    process = run_all("--smoke")
    assert process.returncode == 1
    assert "the dog ate it" in process.stderr and "lesson15_x.py: " in process.stderr
    assert "lesson17_x.py: it left no report" in process.stderr
    assert "lesson18_x.py: " in process.stderr
    assert "lesson16_x.py" in process.stdout


def test_a_claim_that_does_not_hold_fails_a_full_run_alone(run_all):
    run_all.write(15, holds="no")
    process = run_all()
    assert process.returncode == 1 and "1 NO" in process.stdout
    assert run_all("--smoke").returncode == 0
