"""Fixtures that more than one test file uses."""

import os
import subprocess
import sys

import pytest
from running import ROOT, read_results, run_lesson  # puts lessons/ on the path


@pytest.fixture
def in_a_lesson(tmp_path, monkeypatch):
    """common.py as a lesson has it after `settings`, with `out` in a fresh folder."""
    import common

    monkeypatch.setattr(sys, "argv", ["lesson99_test.py", "--out", str(tmp_path)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    common.settings("Lesson 99: A lesson for the tests", smoke={}, steps=3)
    return tmp_path / "lesson99"


@pytest.fixture(scope="session")
def make_lessons(tmp_path_factory):
    """`make lessons`, run once for all full tests; returns its folder and its process."""
    out = tmp_path_factory.mktemp("make lessons")
    command = [sys.executable, str(ROOT / "tests" / "run_all.py"), "--out", str(out)]
    process = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    return out, process


@pytest.fixture
def full_run(request, tmp_path):
    """full_run(number, seed): the results of a lesson at the notes' settings."""

    def run(number, seed):
        if seed == 1:  # the default: what `make lessons` ran
            return read_results(request.getfixturevalue("make_lessons")[0], number)
        process = run_lesson(number, "--seed", seed, "--out", tmp_path)
        assert process.returncode == 0 and process.stderr == "", process.stderr
        return read_results(tmp_path, number)

    return run
