"""The notebooks and the pages: what is made of a script, of the reader's notes, and of failures."""

import ast
import json
import os
import re
import sys

import jupytext
import pytest
from running import LESSONS, ROOT

sys.path.insert(0, str(ROOT / "pages"))
import build
import notes
import translations

# Our own words, in the shape of the notes: a heading that has lost the line end before it, a
# heading in a section that is none of the eight, code squeezed onto one line.
NOTES = """\
我的筆記
十五、第一節
說明在這里
import numpy as np x=np.ones(3) #三個一y=x+1print("<script>alert(1)</script>",y)
十六、第二節
輸出: [1 2]十七、第三節
十八、第四節
十九、a / b
一、小標題
文字
二十、第六節
x->y
二十一、第七節
a= 1.5 b= 2.5
二十二:第八節——End
<b>結束</b> & so on
"""


def save(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_the_notes_are_cut_at_their_headings():
    sections = notes.cut(NOTES)
    assert list(sections) == list(range(15, 23))
    headings = "十五、第一節 十六、第二節 十七、第三節 十八、第四節 十九、a 二十、第六節 "
    headings += "二十一、第七節 二十二:第八節——End"
    assert [section.split()[0] for section in sections.values()] == headings.split()
    assert sections[16].endswith("[1 2]")
    assert "一、小標題" in sections[19] and "文字" in sections[19]
    assert "".join(sections.values()).replace("\n", "") == NOTES[5:].replace("\n", "")


def test_contents_and_mentions_are_passed_over_and_a_part_is_enough():
    contents = "\n".join(section.split("\n")[0] for section in notes.cut(NOTES).values())
    assert notes.cut(contents + "\n\n" + NOTES) == notes.cut(NOTES)
    assert list(notes.cut("前言\n見第十五、十七節\n十六、有\n二十一、也有\n")) == [16, 21]


@pytest.mark.parametrize(
    "encoding", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be gb18030 big5hkscs".split()
)
def test_every_usual_encoding_just_works(encoding, tmp_path):
    text = NOTES.replace("这", "這").replace("\n", "\r\n")
    assert notes.read(save(tmp_path / "notes.txt", text, encoding)) == notes.cut(NOTES)


BAD_NOTES = {
    "missing": (lambda path: None, "No such file"),
    "empty": (lambda path: path.write_bytes(b""), "none of the headings"),
    "no text": (lambda path: path.write_bytes(bytes(range(256)) * 9), "none of the headings"),
}


@pytest.mark.parametrize("make, about", BAD_NOTES.values(), ids=BAD_NOTES)
def test_bad_notes_are_one_line_and_not_status_0(make, about, tmp_path):
    path = tmp_path / "my notes.txt"
    make(path)
    with pytest.raises(SystemExit) as end:
        build.main(["site", "--notes", str(path), "--out", str(tmp_path / "site")])
    message = str(end.value)
    assert about in message and "my notes.txt" in message and "\n" not in message


SQUEEZED = [  # | is where a line must have ended
    "a=f(1)|b = 2",
    "import a as b |import c",
    "from a.b import c |d=1 |e=[2][0]|f=3",
    "return x|def g(y):|return y",
    "with s() as t:|t.run(1)|for i in r(2):|print(i)",
    "f(x)|if i % 5 == 0:|print(1)|else:|print(2)",
    "x=1 #first |y_2=3",
    "#第一個|W=f(1)|#第二個",
    "a=f(1, #in b)|s_1 = g(2)|t = 3",
    "x = (a) if b else c",
    "x = [f(i) for i in y if i in z]",
    "g = lambda a, b: a is not b",
    "s = 'def f(x): #y=1 import a'",
    '"""a b = 1 # c"""|x = 1',
    "d = {'a': f(1), 'b': g(x=2)}",
    "a = 1e-4 |b = .5",
]


@pytest.mark.parametrize("code", SQUEEZED)
def test_squeezed_code_is_broken_where_python_needs_it(code):
    assert notes.break_code(code.replace("|", "")) == re.sub(r" ?\|", "\n", code)


@pytest.mark.parametrize(
    "code", ["')(x", "((((", "))))", '"' * 7, "#" * 50, "a,b, " * 3000, "\\", "一#[1,"]
)
def test_breaking_loses_no_character(code):
    assert re.sub(r"\s", "", notes.break_code(code)) == re.sub(r"\s", "", code)


def test_a_piece_of_a_page_is_marked_broken_and_escaped():
    english, chinese, _ = translations.LANGUAGES
    words = translations.Words(english, "pages")
    marked = '<p>a <span lang="zh-Hant">卷積</span> &lt;b&gt;</p>'
    assert build.markdown("a 卷積 <b>", words) == marked
    words.language = chinese
    assert build.markdown("卷積", words) == "<p>卷積</p>"
    assert build.cell("a_b/c <d>") == "a_<wbr>b/<wbr>c &lt;d&gt;"
    assert [build.cell(value) for value in ("-", 0.98765, 3)] == ["-", "0.9877", "3"]


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    build.main(["notebooks", "--out", str(folder)])
    return folder


def syntax_tree(source):
    """The tree of a lesson without its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


@pytest.mark.parametrize("number", LESSONS)
def test_the_code_is_the_same_code_in_every_language(number, notebooks):
    script = LESSONS[number]
    wanted = syntax_tree(script.read_text("utf-8"))
    for language in translations.LANGUAGES:
        folder = notebooks / language.code.lower()
        assert syntax_tree((folder / script.name).read_text("utf-8")) == wanted
        cells = jupytext.read(folder / f"{script.stem}.ipynb").cells
        assert not any(cell.get("outputs") for cell in cells)
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        assert syntax_tree("\n".join([code[0], *code[2:]])) == wanted, "but for the set-up"
    english = (notebooks / "en" / script.name).read_text("utf-8")
    assert re.sub(r"\n+", "\n", english) == re.sub(r"\n+", "\n", script.read_text("utf-8"))


# common.py without TensorFlow, so that a build takes seconds.
COMMON = """\
import json, os
from pathlib import Path
from IPython.display import Image, display

PIXEL = bytes(16) + bytes([0, 0, 0, 1, 0, 0, 0, 1])  # as much of a PNG as says how large it is
folder = Path(os.environ["LESSON_ARGS"].split("--out ")[1]) / "lesson15"
folder.mkdir(parents=True, exist_ok=True)
figures = []

def show(name, listed=True):
    (folder / f"{name}.png").write_bytes(PIXEL)
    display(Image(PIXEL, format="png"))
    figures.extend([dict(file=f"{name}.png", caption="All 3 of <it>.")] * listed)

def report():
    rows = [dict(name="accuracy at 50 <b>", notes=0.5, here=0.98765, baseline=3, holds="no")]
    results = dict(lesson=15, settings=dict(seed=1), seconds=1.5, smoke=True, results=rows,
        figures=figures, versions=dict(tensorflow="2.x"), cores=2)
    (folder / "results.json").write_text(json.dumps(results))
"""
LESSON = '''\
"""Lesson 15: Title of it 卷積

Its intro.

    python lessons/lesson15_x.py  # all of it
"""

# %%
import common

# %% [markdown]
# ## TF1 in the notes, and here
# | TF1 | here |
# |---|---|
# | `tf.old` | `new` |

# %% [markdown]
# ## A section
# Prose about *it*, 卷積.

# %%
import sys

print("first <i>", flush=True)
print("chat", file=sys.stderr, flush=True)
print("second")
BODY

# %%
common.report()
'''
SHOW = 'common.show("stages")'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """project(body): the root of a project with one small lesson."""
    root = tmp_path / "project"
    script = root / "lessons" / "lesson15_x.py"
    script.parent.mkdir(parents=True)
    (script.parent / "common.py").write_text(COMMON, "utf-8")
    (root / "data" / "cat_tiger").mkdir(parents=True)
    (root / "data" / "cat_tiger" / "ATTRIBUTION.md").write_text("By me.", "utf-8")
    monkeypatch.setattr(build, "ROOT", root)
    monkeypatch.setattr(build, "LESSONS", [script])
    monkeypatch.setattr(build.live, "export", lambda runs, out: None)

    def project(body=SHOW):
        script.write_text(LESSON.replace("BODY", body), "utf-8")
        return root

    return project


def test_a_build_writes_what_the_lesson_gave(project, tmp_path):
    site, own = project() / "site", save(tmp_path / "notes.txt", NOTES)
    build.main(["site", "--smoke", "--out", str(site), "--notes", str(own)])
    html = (site / "lesson15_x.html").read_text("utf-8")
    assert "Title of it" in html and "Prose about <em>it</em>" in html and "十五" in html
    assert "first &lt;i&gt;\nsecond" in html, "pieces of output are put together, and escaped"
    assert "accuracy at 50 &lt;b&gt;" in html and "0.9877" in html and 'class="no"' in html
    assert 'src="lesson15/stages.png" width="1" height="1" alt="All 3 of &lt;it&gt;."' in html
    assert "<figcaption>All 3 of &lt;it&gt;.</figcaption>" in html
    assert "第一節" in html and "第二節" not in html, "its own section of the notes"
    assert "alert(1)" in html and "<script>alert" not in html, "escaped, never executed"
    assert "By me." not in html, "the photographs are lesson 22's"
    names = {"index.html", "tf1.html", "glossary.html"}
    names |= {f"lesson15_x.{kind}" for kind in ("html", "py", "ipynb")}
    for folder in ("", "zh-hant", "zh-hans"):
        written = {path.name for path in (site / folder).iterdir() if path.is_file()}
        assert written - {"style.css"} == names
        assert "tf.old" in (site / folder / "tf1.html").read_text("utf-8")
    hans = (site / "zh-hans" / "lesson15_x.html").read_text("utf-8")
    assert "第一节" in hans and "说明在这里" in hans, "the notes in the page's script"


FAILURES = {
    "ZeroDivisionError": "1 / 0",
    "SystemExit": "raise SystemExit(2)",
    "died": "import os; os._exit(3)",
    "showed 0 figures, its report has 0": "",
    "showed 2 figures, its report has 1": SHOW + '; common.show("other", listed=False)',
    "showed 1 figures, its report has 2": SHOW + "; common.figures.append(common.figures[0])",
    "without a report": SHOW + "; common.report = lambda: None",
    "no figure stages.png": 'common.show("other")',
}


@pytest.mark.parametrize("about", FAILURES)
def test_a_failure_is_named_and_nothing_is_written(about, project):
    root = project(FAILURES[about])
    old = root / "outputs" / "smoke" / "lesson15" / "results.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}", "utf-8")  # an old report does not count
    os.utime(old, (1, 1))
    with pytest.raises(SystemExit) as end:
        build.main(["site", "--smoke", "--out", str(root / "site")])
    assert "lesson15_x.py" in str(end.value) and about in str(end.value)
    assert not list((root / "site").iterdir())


def test_all_failures_are_named(monkeypatch):
    def fail(path, flags):
        raise SystemExit(path.name)

    monkeypatch.setattr(build, "run", fail)
    with pytest.raises(SystemExit) as end:
        build.run_all([], 1)
    assert str(end.value).split() == [path.name for path in build.LESSONS]


def test_a_notebook_runs_from_anywhere_in_the_project(project):
    folder = project() / "notebooks"
    build.main(["notebooks", "--out", str(folder)])
    made = build.nbformat.read(folder / "zh-hant" / "lesson15_x.ipynb", as_version=4)
    client = build.NotebookClient(made, kernel_name="python3")
    client.execute(cwd=str(folder / "zh-hant"), env=os.environ | {"LESSON_ARGS": "--out out"})
    report = folder / "zh-hant" / "out" / "lesson15" / "results.json"
    assert json.loads(report.read_text("utf-8"))["lesson"] == 15
