"""run_all.py collects every failure, and a lesson that did nothing counts as one."""

import os
import re
import subprocess
import sys

import pytest
from running import ROOT, read_results

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
    closing = process.stdout.partition("All lessons")[2]
    assert closing.index("Lesson 1:") < closing.index("Lesson 2:") < closing.index("NO")
    assert process.returncode == 1 and "1 rows do not hold" in process.stderr


def test_an_old_report_is_no_report(tmp_path):
    folder = tmp_path / "out" / "lesson1"
    folder.mkdir(parents=True)
    report = folder / "results.json"
    report.write_text('{"figures": ["a"], "results": [1]}')
    os.utime(report, (1, 1))
    process = run_all(tmp_path, {"lesson1": ""}, "--smoke")
    assert process.returncode == 1 and "is an old one" in process.stderr


# The figures printed in the notes: 13 accuracies; weight and biases; ten costs; seven names and
# seven values; a and b. Besides, what they say in words and a number can check.
PRINTED = {"15": 13, "16": 2, "17": 3, "18": 12, "19": 14, "20": 6, "21": 9}


@pytest.mark.full
def test_the_notes_figures_are_all_there_and_hold(make_lessons):
    out, process = make_lessons
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    closing = lines[lines.index("All lessons") + 1 :]
    for number, count in PRINTED.items():
        rows = [row for row in read_results(out, number)["results"] if row["notes"] is not None]
        assert len(rows) >= count, number
        for row in rows:
            assert any(line.startswith(f"{row['name']}  ") for line in closing)
    assert not any(line.endswith("  NO") for line in closing)
    held, of = re.fullmatch(r"(\d+) of (\d+) hold", closing[-1]).groups()
    assert held == of and int(of) >= 60
    too_long = [line for line in lines if len(line) > 80 and str(out) not in line]
    assert too_long == []
