"""run_all.py collects every failure, and a lesson that did nothing counts as one."""

import os
import subprocess
import sys

from running import ROOT

GOOD = """
import sys
sys.path.insert(0, {common!r})
import common
common.settings("Lesson 1: good", smoke={{}})
import matplotlib.pyplot as plt
common.show(plt.figure(), "figure")
common.report([("claim", 0.5, 0.5, {holds})])
"""


def run_all(tmp_path, lessons, *flags):
    folder = tmp_path / "lessons"
    folder.mkdir()
    for name, source in lessons.items():
        source = source.format(common=str(ROOT / "lessons"), holds=True)
        (folder / f"{name}_x.py").write_text(source.replace("Lesson 1", f"Lesson {name[6:]}"))
    script = [sys.executable, ROOT / "tests" / "run_all.py", "--out", tmp_path / "out"]
    return subprocess.run(
        [*script, "--lessons", folder, *flags], capture_output=True, text=True, encoding="utf-8"
    )


def test_every_failure_is_collected(tmp_path):
    lessons = {
        "lesson1": "raise SystemExit('broken on purpose')",
        "lesson2": "",  # ran, and did nothing
        "lesson3": GOOD,
        "lesson4": GOOD.replace("common.show", "(lambda *_: 0)"),  # no figure
    }
    process = run_all(tmp_path, lessons, "--smoke")
    assert process.returncode == 1
    assert "broken on purpose" in process.stderr
    assert "results.json is missing" in process.stderr
    assert "the report is empty" in process.stderr
    assert "lesson3_x " in process.stdout and "lesson3_x FAILED" not in process.stdout


def test_the_closing_table_counts_what_holds(tmp_path):
    lessons = {"lesson1": GOOD, "lesson2": GOOD.replace("{holds}", "0.5 > 0.6")}
    process = run_all(tmp_path, lessons)
    assert "1 of 2 hold" in process.stdout.splitlines()
    assert "1 claim" in process.stdout and "2 claim" in process.stdout
    assert process.returncode == 1 and "1 rows do not hold" in process.stderr


def test_an_old_report_is_no_report(tmp_path):
    folder = tmp_path / "out" / "lesson1"
    folder.mkdir(parents=True)
    report = folder / "results.json"
    report.write_text('{"figures": ["a"], "results": [1]}')
    os.utime(report, (1, 1))
    process = run_all(tmp_path, {"lesson1": ""}, "--smoke")
    assert process.returncode == 1 and "is an old one" in process.stderr
