"""The READMEs say what the lessons and `make bench` last reported, and point at files that are
there."""

import copy
import json
import re
import shutil
import subprocess
import sys

import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "pages"))
import readme

NAMES = ["README.md", "README.zh-Hant.md"]
RESULTS = json.loads(readme.RESULTS.read_text("utf-8"))
BENCH = {
    "machine": "2 cores",
    "versions": {"tensorflow": "2.99.1", "keras": "3.0", "python": "3.12"},
    "rows": [
        dict(lesson="15", what="x", float32_ratio=0.954, bfloat16_ratio=0.5, memory_ratio=0.249),
        dict(lesson="20", what="x", float32_ratio=1.2, bfloat16_ratio=None, memory_ratio=1),
    ],
    "total": dict(float32_ratio=0.97, bfloat16_ratio=None, memory_ratio=0.3),
}


def rows(text, mark):
    """The cells of the table between two marks, line by line, less the rule under its head."""
    _, between, _ = text.split(mark)
    lines = [line for line in between.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if "---" not in line
    ]


def test_the_tables_are_not_stale():
    script = [sys.executable, ROOT / "pages" / "readme.py", "--check"]
    process = subprocess.run(script, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_readme_resolves(name):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text("utf-8"))
    assert links and not [link for link in links if not (ROOT / link).exists()]


def test_both_readmes_have_the_same_parts():
    texts = [(ROOT / name).read_text("utf-8") for name in NAMES]
    for part in (r"^##? ", r"^```", r"^- ", r"^\| `--\w+", r"!\[", r"^<!-- "):
        found = [len(re.findall(part, text, re.M)) for text in texts]
        assert found[0] == found[1] > 0, part
    flags = [sorted(set(re.findall(r"`(--[\w-]+)|`(make \w+)", text))) for text in texts]
    assert flags[0] == flags[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_lessons_row_has_its_figures_and_its_time(name):
    results = copy.deepcopy(RESULTS)
    for number, lesson in results.items():
        lesson["seconds"] = int(number) + 0.4
    del results["19"]["seconds"]
    head, *lessons = rows(readme.with_tables(ROOT / name, results, None), readme.MARK)
    by_number = dict(zip(readme.LESSONS, lessons, strict=True))
    assert len(head) == 7 and all(len(row) == 7 and all(row) for row in lessons)
    assert "2" in head[6]
    assert by_number["15"][6] == ("15 s" if name == "README.md" else "15 秒")
    assert by_number["19"][6] == "-", "no time was reported"
    assert by_number["17"][4] == "-", "the notes print no number there"
    here = {row["name"]: row["here"] for row in RESULTS["15"]["results"]}
    assert by_number["15"][4:6] == ["0.9643", f"{here['test accuracy at step 600']:.4g}"]


@pytest.mark.parametrize("name", NAMES)
def test_the_benchmark_is_shown_in_ratios_where_there_is_one(name, tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "BENCH", tmp_path / "bench.json")
    assert readme.read_bench() is None
    without = readme.with_tables(ROOT / name, RESULTS, None)
    assert rows(without, readme.BENCH_MARK) == []

    readme.BENCH.write_text(json.dumps(BENCH), "utf-8")
    whole = readme.with_tables(ROOT / name, RESULTS, readme.read_bench())
    _, *ratios = rows(whole, readme.BENCH_MARK)
    assert [row[1:] for row in ratios] == [
        ["0.95", "0.50", "0.25"],
        ["1.20", "-", "1.00"],
        ["0.97", "-", "0.30"],
    ]
    assert ratios[0][0].startswith("十五") and ratios[1][0].startswith("二十")
    assert "2.99.1" in whole and " ms" not in whole
    again = tmp_path / name
    again.write_text(whole, "utf-8")
    assert readme.with_tables(again, RESULTS, BENCH) == whole
    assert readme.with_tables(again, RESULTS, None) == without


@pytest.mark.parametrize("smoke, about", [(None, "is missing"), (True, "--smoke")])
def test_only_a_whole_run_of_the_lessons_counts(smoke, about, tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "RESULTS", tmp_path / "results.json")
    if smoke:
        report = tmp_path / "lesson15" / "results.json"
        report.parent.mkdir()
        report.write_text(json.dumps({"smoke": smoke}), "utf-8")
    with pytest.raises(SystemExit, match=about):
        readme.collect(tmp_path)
    assert not readme.RESULTS.exists()


def test_a_new_figure_makes_a_readme_stale(tmp_path, monkeypatch):
    for name in NAMES:
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "lessons", tmp_path / "lessons")
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(readme, "BENCH", tmp_path / "bench.json")
    (tmp_path / "results.json").write_text(json.dumps(RESULTS), "utf-8")

    def status(flag):
        monkeypatch.setattr(sys, "argv", ["readme.py", flag])
        try:
            readme.main()
        except SystemExit as stopped:
            return stopped.code or 0

    status("--tables")
    assert status("--check") == 0
    (tmp_path / "bench.json").write_text(json.dumps(BENCH), "utf-8")
    assert "README.md, README.zh-Hant.md" in status("--check")
    status("--tables")
    assert status("--check") == 0
    assert "0.97" in (tmp_path / "README.md").read_text("utf-8")
