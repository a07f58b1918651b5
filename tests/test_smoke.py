"""Every lesson, from end to end, as `--smoke`: the figures are there, and the report is whole."""

import numpy as np
import pytest
from running import LESSONS, ROOT, read_results, run_lesson


@pytest.mark.parametrize("number", LESSONS)
def test_smoke(number, tmp_path):
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    process = run_lesson(number, "--smoke", "--out", tmp_path, cwd=elsewhere)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stderr == ""
    first, *lines, last = process.stdout.splitlines()
    assert first.startswith(f"Lesson {number}: ")
    assert last == str(tmp_path / f"lesson{number}")
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert "\r" not in process.stdout and "\b" not in process.stdout, "a log is no terminal"
    assert not list(elsewhere.iterdir()), "a lesson writes only where --out says"

    results = read_results(tmp_path, number)
    assert results["lesson"] == int(number)
    assert results["smoke"] is True
    assert results["settings"]["seed"] == 1
    assert results["results"] and results["figures"]
    assert results["versions"].keys() == {"tensorflow", "keras", "python"}
    for row in results["results"]:
        assert row.keys() == {"name", "notes", "here", "holds"}
        assert row["holds"] in (True, False, None)
    for name in results["figures"]:
        assert_not_blank(tmp_path / f"lesson{number}" / name)
    drafts = [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert not drafts, "a draft was left behind"


def assert_not_blank(path):
    from PIL import Image, ImageSequence

    with Image.open(path) as file:  # an animation has several frames
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
    image = np.stack(frames)
    assert min(image.shape[-3:-1]) > 200, f"{path.name} is tiny"
    paper = np.bincount(image.reshape(-1, 3).sum(axis=1, dtype=int)).max() / (image.size // 3)
    assert paper < 0.995, f"{path.name} is blank"


def test_no_lesson_uses_compat_v1():
    for path in ROOT.glob("lessons/*.py"):
        code = [line.split("#")[0] for line in path.read_text("utf-8").splitlines()]
        assert not any("compat.v1." in line for line in code), path.name
