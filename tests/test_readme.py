"""The READMEs: their numbers are those of the last measurement, and what they name exists."""

import re
import sys

import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "pages"))
readme = pytest.importorskip("readme")
NAMES = ("README.md", "README.zh-Hant.md", "README.zh-Hans.md")

RESULTS = {
    str(number): {
        "seconds": 12.4,
        "cores": 2,
        "versions": {"tensorflow": "2.99", "keras": "3.99", "python": "3.12"},
        "results": [{"name": "accuracy", "notes": 0.9, "here": 0.96543, "holds": True}],
    }
    for number in range(15, 23)
}
BENCH = {"lessons": [{"lesson": 15, "ratio": 0.95}], "steps": [], "total_ratio": 0.7}


def test_numbers_stand_between_their_marks():
    numbers = readme.figures(RESULTS, BENCH)
    text = (
        "in <!--15 seconds-->99<!----> s: <!--15 accuracy-->?<!---->, <!--bench 15 ratio-->?<!---->"
    )
    filled = readme.filled(text, numbers)
    assert re.sub("<!--.*?-->", "", filled) == "in 12 s: 0.9654, 0.95"
    assert readme.filled(filled, numbers) == filled
    assert numbers["minutes"] == "1.7" and numbers["tensorflow"] == "2.99"
    with pytest.raises(KeyError):
        readme.filled("<!--15 acuracy-->1<!---->", numbers)


def test_the_readmes_are_up_to_date():
    assert readme.main(["--check"]) is False


def test_a_typing_error_changes_nothing(capsys):
    before = [(ROOT / name).stat().st_mtime_ns for name in NAMES]
    for arguments in (["--chek"], ["now"], ["--help"]):
        with pytest.raises(SystemExit):
            readme.main(arguments)
    assert [(ROOT / name).stat().st_mtime_ns for name in NAMES] == before


def test_without_a_full_run_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(readme, "OUTPUTS", tmp_path)
    with pytest.raises(SystemExit, match="make lessons"):
        readme.main([])


@pytest.mark.parametrize("name", [*NAMES, "CONTRIBUTING.md"])
def test_links_lead_somewhere_and_targets_exist(name):
    text = (ROOT / name).read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    targets = set(re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text(), re.M))
    known = {word for target in targets for word in target.split()}
    for target in re.findall(r"\bmake ([a-z0-9]+)", text):
        assert target in known or target.isupper(), target


def test_the_oldest_versions_are_the_lower_bounds():
    bounds = dict(re.findall(r"^([\w-]+)>=(.+)$", (ROOT / "requirements.txt").read_text(), re.M))
    oldest = (ROOT / "tests" / "oldest.txt").read_text()
    held = dict(re.findall(r'^([\w-]+)==([\d.]+?)(?:; python_version < "3.13")?$', oldest, re.M))
    assert held.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert held[name] == bound or held[name] == f"{bound}.0", name


def test_every_direct_import_is_declared():
    """What the lessons import is in requirements.txt, by its own name or that of its package."""
    import ast

    declared = re.findall(r"^([\w-]+)", (ROOT / "requirements.txt").read_text(), re.M)
    packages = {"scikit-image": "skimage"}
    known = {packages.get(name, name) for name in declared}
    for path in [*ROOT.glob("lessons/*.py"), ROOT / "data" / "fetch_vgg16.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names}:
                local = name in ("common", "fetch_vgg16") or name in sys.stdlib_module_names
                assert local or name in known | {"mpl_toolkits"}, (path.name, name)
