"""Fixtures that more than one test file uses."""

import sys

import pytest
import running  # noqa: F401, puts lessons/ on the path


@pytest.fixture
def in_a_lesson(tmp_path, monkeypatch):
    """common.py as a lesson has it after `settings`, with `out` in a fresh folder."""
    import common

    monkeypatch.setattr(sys, "argv", ["lesson99_test.py", "--out", str(tmp_path)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    common.settings("Lesson 99: A lesson for the tests", smoke={}, steps=3)
    return tmp_path / "lesson99"
