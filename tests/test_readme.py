"""The READMEs say what the lessons last reported, and point at files that are there."""

import re
import subprocess
import sys

import pytest
from running import ROOT


def test_the_tables_are_not_stale():
    script = [sys.executable, ROOT / "pages" / "readme.py", "--check"]
    process = subprocess.run(script, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("name", ["README.md", "README.zh-Hant.md"])
def test_every_link_of_a_readme_resolves(name):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text("utf-8"))
    assert links and not [link for link in links if not (ROOT / link).exists()]
