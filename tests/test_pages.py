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

# ------------------------------------------------------------------ the reader's notes

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
    first_lines = [section.split("\n")[0] for section in sections.values()]
    assert list(sections) == list(range(15, 23))
    assert first_lines == [
        *["十五、第一節", "十六、第二節", "十七、第三節", "十八、第四節", "十九、a / b"],
        *["二十、第六節", "二十一、第七節", "二十二:第八節——End"],
    ]
    assert sections[16].endswith("[1 2]")
    assert "一、小標題" in sections[19] and "文字" in sections[19]
    assert "".join(sections.values()).replace("\n", "") == NOTES[5:].replace("\n", "")


def test_a_table_of_contents_is_passed_over():
    contents = "\n".join(section.split("\n")[0] for section in notes.cut(NOTES).values())
    assert notes.cut(contents + "\n\n" + NOTES) == notes.cut(NOTES)


def test_a_mention_is_no_heading_and_a_part_is_enough():
    sections = notes.cut("前言\n見第十五、十七節\n十六、有\n二十一、也有\n")
    assert list(sections) == [16, 21]


@pytest.mark.parametrize(
    "encoding", "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be gb18030 big5hkscs".split()
)
def test_every_usual_encoding_just_works(encoding, tmp_path):
    text = NOTES.replace("这", "這").replace("\n", "\r\n")
    assert notes.read(save(tmp_path / "notes.txt", text, encoding)) == notes.cut(NOTES)


BAD_NOTES = {
    "missing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "not a file"),
    "a pipe": (lambda path: os.mkfifo(path), "not a file"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "blank": (lambda path: path.write_bytes(b" \n\n"), "empty"),
    "something else": (
        lambda path: path.write_text("Chapter 15. CNN", "utf-8"),
        "none of the headings",
    ),
    "no text": (lambda path: path.write_bytes(bytes(range(256)) * 9), "none of the headings"),
    "huge": (lambda path: save(path, NOTES + "字" * 400_000), "too large"),
}


@pytest.mark.parametrize("make, about", BAD_NOTES.values(), ids=BAD_NOTES)
def test_bad_notes_are_one_line_and_status_2(make, about, capsys, tmp_path):
    if make is BAD_NOTES["a pipe"][0] and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    path = tmp_path / "my notes.txt"
    make(path)
    assert build.main(["site", "--notes", str(path), "--out", str(tmp_path / "site")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and about in lines[0] and "my notes.txt" in lines[0]


SQUEEZED = {
    "a=f(1)b = 2": ["a=f(1)", "b = 2"],
    "import a as b import c": ["import a as b", "import c"],
    "from a.b import c d=1 e=[2][0]f=3": ["from a.b import c", "d=1", "e=[2][0]", "f=3"],
    "return xdef g(y):return y": ["return x", "def g(y):", "return y"],
    "with s() as t:t.run(1)for i in r(2):print(i)": [
        *["with s() as t:", "t.run(1)", "for i in r(2):", "print(i)"],
    ],
    "f(x)if i % 5 == 0:print(1)else:print(2)": [
        *["f(x)", "if i % 5 == 0:", "print(1)", "else:", "print(2)"],
    ],
    "x=1 #first y_2=3": ["x=1 #first", "y_2=3"],
    "#第一個W=f(1)#第二個": ["#第一個", "W=f(1)", "#第二個"],
    # What must stay together: strings, brackets, conditional expressions, operators in words.
    "x = (a) if b else c": ["x = (a) if b else c"],
    "x = [f(i) for i in y if i in z]": ["x = [f(i) for i in y if i in z]"],
    "g = lambda a, b: a is not b": ["g = lambda a, b: a is not b"],
    "s = 'def f(x): #y=1 import a'": ["s = 'def f(x): #y=1 import a'"],
    '"""a b = 1 # c"""x = 1': ['"""a b = 1 # c"""', "x = 1"],
    "d = {'a': f(1), 'b': g(x=2)}": ["d = {'a': f(1), 'b': g(x=2)}"],
    "a = 1e-4 b = .5": ["a = 1e-4", "b = .5"],
}


@pytest.mark.parametrize("squeezed", SQUEEZED)
def test_squeezed_code_is_broken_where_python_needs_it(squeezed):
    assert notes.break_code(squeezed).split("\n") == SQUEEZED[squeezed]


@pytest.mark.parametrize(
    "code", [*SQUEEZED, "')(x", "((((", "))))", '"' * 7, "#" * 50, "a,b, " * 3000, "\\", "一#[1,"]
)
def test_breaking_loses_no_character(code):
    assert re.sub(r"\s", "", notes.break_code(code)) == re.sub(r"\s", "", code)


# --------------------------------------------------------------------- pieces of pages


def test_chinese_is_marked_on_an_english_page_but_not_in_code():
    html = build.inline("a 卷積, `卷積` <b>", translations.Words("en"))
    assert html == 'a <span lang="zh-Hant">卷積</span>, <code>卷積</code> &lt;b&gt;'


def test_a_long_name_in_a_report_may_break_but_is_escaped():
    assert build.cell("a_b/c <d>") == "a_<wbr>b/<wbr>c &lt;d&gt;"
    assert [build.cell(value) for value in ("-", 0.98765, 3)] == ["-", "0.9877", "3"]


# ------------------------------------------------------------------------- notebooks


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    assert build.main(["notebooks", "--out", str(folder)]) == 0
    return folder


def syntax_tree(source):
    """The tree of a lesson without its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(body[0], ast.Expr):
            if isinstance(getattr(body[0].value, "value", None), str):
                del body[0]
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


# ---------------------------------------------------------------------------- builds

# common.py without TensorFlow, so that a build takes seconds.
COMMON = """\
import json, os
from pathlib import Path

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
flags = os.environ["LESSON_ARGS"].split()

class lesson:
    def __init__(self, doc, number):
        self.number, self.figures = number, []
        self.folder = Path(flags[flags.index("--out") + 1]) / f"lesson{number}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def show(self, name, listed=True):
        from IPython.display import Image, display
        (self.folder / f"{name}.png").write_bytes(PIXEL)
        display(Image(PIXEL, format="png"))
        self.figures += [dict(file=f"{name}.png", caption="All 3 of <it>.")] * listed

    def report(self):
        rows = [dict(name="accuracy at 50 <b>", notes=0.5, here=0.98765, baseline=3, holds="no")]
        results = dict(lesson=self.number, settings=dict(seed=1), seconds=1.5, smoke=True,
            results=rows, figures=self.figures, versions=dict(tensorflow="2.x"), cores=2)
        (self.folder / "results.json").write_text(json.dumps(results))
"""
LESSON = '''\
"""Lesson {number}: Title of it 卷積

Intro of {number}.

    python lessons/lesson{number}_x.py  # all of it
"""

# %%
import common

lesson = common.lesson(__doc__, {number})

# %% [markdown]
# ## TF1 in the notes, and here
# | TF1 | here |
# |---|---|
# | `tf.old{number}` | `new` |

# %% [markdown]
# ## A section
# Prose about *it*, 卷積.

# %%
import sys

print("first <i>", flush=True)
print("chat", file=sys.stderr, flush=True)
print("second")
{body}
# %% [markdown]
# ## A section

# %%
lesson.report()
'''
SHOW = 'lesson.show("picture")\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """add(15): a project with small lessons of its own, and with this one's words for pages."""
    lessons = tmp_path / "project" / "lessons"
    lessons.mkdir(parents=True)
    (lessons / "common.py").write_text(COMMON, "utf-8")
    (lessons.parent / "data" / "cat_tiger").mkdir(parents=True)
    (lessons.parent / "data" / "cat_tiger" / "ATTRIBUTION.md").write_text("By me.", "utf-8")
    monkeypatch.setattr(build, "ROOT", lessons.parent)
    monkeypatch.setattr(build, "LESSONS", [])
    monkeypatch.setattr(build, "PICTURES", dict.fromkeys(range(15, 23), "picture"))
    monkeypatch.setattr(build.live, "export", lambda runs, out: None)

    def add(number, body=SHOW):
        path = lessons / f"lesson{number}_x.py"
        path.write_text(LESSON.format(number=number, body=body), "utf-8")
        build.LESSONS.append(path)

    add.site = tmp_path / "site"
    add.root = lessons.parent
    return add


def build_site(project, *flags):
    return build.main(["site", "--smoke", "--out", str(project.site), *map(str, flags)])


def test_a_build_writes_what_the_lessons_gave(project, tmp_path):
    project(15)
    project(22)
    own = save(tmp_path / "notes.txt", NOTES)
    assert build_site(project, "--notes", own) == 0
    html = (project.site / "lesson15_x.html").read_text("utf-8")
    assert "Title of it" in html and "Prose about <em>it</em>" in html and "十五" in html
    assert "first &lt;i&gt;\nsecond" in html, "pieces of output are put together, and escaped"
    assert "accuracy at 50 &lt;b&gt;" in html and "0.9877" in html and 'class="no"' in html
    assert 'src="lesson15/picture.png" width="1" height="1" alt="All 3 of &lt;it&gt;."' in html
    assert "<figcaption>All 3 of &lt;it&gt;.</figcaption>" in html
    assert 'id="a-section"' in html and 'id="a-section-again"' in html
    assert "第一節" in html and "第二節" not in html, "its own section of the notes"
    assert "alert(1)" in html and "<script>alert" not in html, "escaped, never executed"
    assert "By me." in (project.site / "lesson22_x.html").read_text("utf-8")
    assert "By me." not in html
    for folder in ("", "zh-hant", "zh-hans"):
        names = {path.name for path in (project.site / folder).iterdir() if path.is_file()}
        assert names - {"style.css"} == {
            *("index.html", "tf1.html", "glossary.html"),
            *(
                f"lesson{number}_x.{kind}"
                for number in (15, 22)
                for kind in ("html", "py", "ipynb")
            ),
        }
        tf1 = (project.site / folder / "tf1.html").read_text("utf-8")
        assert "old15" in tf1 and "old22" in tf1
    hans = (project.site / "zh-hans" / "lesson15_x.html").read_text("utf-8")
    assert "第一节" in hans and "说明在这里" in hans, "the notes in the page's script"
    assert re.findall(' id="(.*?)"', hans) == re.findall(' id="(.*?)"', html)


FAILURES = {
    15: ("1 / 0", "ZeroDivisionError"),
    16: ("raise SystemExit(2)", "SystemExit"),
    17: ("import os; os._exit(3)", "died"),
    18: ("", "showed 0 figures, its report has 0"),
    19: (SHOW + 'lesson.show("other", listed=False)', "showed 2 figures, its report has 1"),
    20: (SHOW + 'lesson.figures.append(dict(file="picture.png"))', "showed 1 figures"),
    21: (SHOW + "lesson.report = lambda: None", "without a report"),
    22: (SHOW, ""),
}


def test_every_failure_is_named_and_nothing_is_written(project, capsys):
    old = project.root / "outputs" / "smoke" / "lesson21" / "results.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}", "utf-8")  # an old report does not count
    os.utime(old, (1, 1))
    for number, (body, _) in FAILURES.items():
        project(number, body)
    assert build_site(project) == 1
    error = capsys.readouterr().err
    for number, (_, about) in FAILURES.items():
        assert (f"lesson{number}_x.py" in error) is bool(about) and about in error
    assert not list(project.site.iterdir())


def test_a_picture_of_the_index_that_is_gone_is_named(project, capsys):
    project(15, 'lesson.show("another")\n')
    assert build_site(project) == 1
    assert "lesson15_x.py has no figure picture" in capsys.readouterr().err


def test_an_out_that_is_a_file_is_left_alone(project, capsys):
    save(project.site, "precious")
    assert build_site(project) == 2
    assert project.site.read_text("utf-8") == "precious"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_notebook_runs_from_anywhere_in_the_project(project):
    project(15)
    folder = project.root / "notebooks"
    assert build.main(["notebooks", "--out", str(folder)]) == 0
    made = build.nbformat.read(folder / "zh-hant" / "lesson15_x.ipynb", as_version=4)
    client = build.NotebookClient(made, kernel_name="python3")
    client.execute(cwd=str(folder / "zh-hant"), env=os.environ | {"LESSON_ARGS": "--out out"})
    report = folder / "zh-hant" / "out" / "lesson15" / "results.json"
    assert json.loads(report.read_text("utf-8"))["lesson"] == 15
