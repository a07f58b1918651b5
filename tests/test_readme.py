"""The READMEs: their numbers are those of the last measurement, and what they name exists."""

import json
import re
import sys

import common
import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "pages"))
readme = pytest.importorskip("readme")
NAMES = ("README.md", "README.zh-Hant.md", "README.zh-Hans.md")
ROW = dict(name="accuracy", notes=0.9, here=0.96543, baseline=0.1, holds="yes")
VERSIONS = dict(tensorflow="2.99", keras="3.99", python="3.12")
RESULTS = {
    str(number): dict(seconds=12.4, cores=2, versions=VERSIONS, results=[ROW])
    for number in range(15, 23)
}


def test_numbers_stand_between_their_marks():
    found = readme.values(RESULTS)
    text = "in <!--15 seconds-->99<!----> s: <!--15 accuracy-->?<!---->"
    text += ", <!--15 baseline of accuracy-->?<!---->"
    filled = readme.filled(text, found)
    assert re.sub("<!--.*?-->", "", filled) == "in 12 s: 0.9654, 0.1"
    assert readme.filled(filled, found) == filled
    assert found["minutes"] == "1.7" and found["tensorflow"] == "2.99" and found["yes"] == "8"
    with pytest.raises(KeyError):
        readme.filled("<!--15 acuracy-->1<!---->", found)


def test_the_readmes_are_up_to_date():
    assert readme.main(["--check"]) is False


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_command_shows_what_it_prints(name):
    results = json.loads((ROOT / "pages" / "results.json").read_text("utf-8"))["21"]["results"]
    printed = "\n".join([*common.table(results), common.count(results)])
    assert f"```\n{printed}\n```" in (ROOT / name).read_text("utf-8")


def test_without_a_full_run_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(readme, "OUTPUTS", tmp_path)
    with pytest.raises(SystemExit, match="make lessons"):
        readme.main([])


@pytest.mark.parametrize("name", [*NAMES, "CONTRIBUTING.md"])
def test_links_lead_somewhere_and_targets_exist(name):
    text = (ROOT / name).read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    targets = re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    known = {word for target in targets for word in target.split()}
    for target in re.findall(r"\bmake ([a-z0-9]+)", text):
        assert target in known, target
