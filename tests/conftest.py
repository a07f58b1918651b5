"""Fixtures that more than one test file uses."""

import subprocess
import sys

import pytest
from running import ROOT, read_results, run_here  # puts lessons/ on the path


def pytest_collection_modifyitems(items):
    """The slowest files first, so that two workers come to their end together."""
    slow = ["test_pages_browser.py", "test_bench.py"]
    items.sort(key=lambda item: slow.index(item.path.name) if item.path.name in slow else 9)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """smoke(15): a smoke run of lesson 15, see `run_here`; run once, whoever asks for it."""
    runs = {}

    def run(number):
        if number not in runs:
            out = tmp_path_factory.mktemp(f"smoke {number}")
            runs[number] = run_here(number, "--smoke", out=out)
        return runs[number]

    return run


@pytest.fixture(scope="session")
def make_lessons(tmp_path_factory):
    """`make lessons`, run once for all full tests; returns its folder and its process."""
    out = tmp_path_factory.mktemp("make lessons")
    command = [sys.executable, str(ROOT / "lessons" / "run_all.py"), "--out", str(out)]
    return out, subprocess.run(command, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="session")
def full_run(make_lessons):
    """full_run(15): results.json of lesson 15 at the notes' settings, `here` and `holds`."""

    def run(number):
        results = read_results(make_lessons[0], number)
        here = {row["name"]: row["here"] for row in results["results"]}
        holds = {row["name"]: row["holds"] for row in results["results"]}
        return results | {"here": here, "holds": holds}

    return run
