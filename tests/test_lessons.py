"""What every lesson has in common, asked of one smoke run of each, in a process of its own."""

import json

import numpy as np
import pytest
from PIL import Image
from running import LESSONS, complaints, run_lesson

pytestmark = pytest.mark.parametrize("number", LESSONS)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """process(15): a smoke run as a reader starts it, in a folder that is hard to spell."""
    runs = {}

    def run(number):
        if number not in runs:
            out = tmp_path_factory.mktemp(f"mofan [{number}] 莫煩")
            runs[number] = run_lesson(number, "--smoke", "--out", out), out / f"lesson{number}"
        return runs[number]

    return run


def test_runs_to_its_end(process, number):
    run, folder = process(number)
    assert run.returncode == 0, run.stderr
    assert not complaints(run)
    lines = run.stdout.splitlines()
    assert lines[0].startswith(f"Lesson {number}: ")
    assert lines[-1] == str(folder)
    assert max(len(line) for line in lines if str(folder) not in line) <= 80


def test_results_are_whole(process, number):
    _, folder = process(number)
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert results["lesson"] == number and results["smoke"] is True
    assert results["settings"]["seed"] == 1
    assert results["versions"].keys() == {"tensorflow", "keras", "python"}
    for row in results["results"]:
        assert row.keys() == {"name", "notes", "here", "baseline", "holds"}
        assert row["holds"] in ("yes", "no", "slip", None)
    assert not list(folder.glob("part*"))


def test_figures_fit_a_page_and_are_not_blank(process, number):
    _, folder = process(number)
    figures = json.loads((folder / "results.json").read_text("utf-8"))["figures"]
    assert {figure["file"] for figure in figures} == {path.name for path in folder.glob("*.png")}
    for figure in figures:
        assert figure["caption"].endswith(".")
        image = np.asarray(Image.open(folder / figure["file"]).convert("RGB"), int)
        assert 600 <= image.shape[1] <= 960, figure["file"]
        _, counts = np.unique(image.reshape(-1, 3).sum(axis=1), return_counts=True)
        assert counts.max() < 0.995 * counts.sum(), f"{figure['file']} is blank"


def test_wrong_flag_and_unwritable_folder_are_one_line(tmp_path, number):
    (tmp_path / "file").touch()
    for flags in (["--no-such-flag"], ["--out", tmp_path / "file"]):
        run = run_lesson(number, *flags)
        assert run.returncode == 1 and len(complaints(run)) == 1, run.stderr


def test_help_is_the_docstring(number):
    run = run_lesson(number, "--help")
    assert f"Lesson {number}: " in run.stdout and f"lesson{number}_" in run.stdout
    assert run.returncode == 0
