"""The notebooks and the pages: what is made of a script, of the reader's notes, and of failures."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time

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
    "something else": (lambda path: path.write_text("Chapter 15. CNN"), "none of the headings"),
    "no text": (lambda path: path.write_bytes(bytes(range(256)) * 9), "none of the headings"),
    "huge": (lambda path: save(path, NOTES + "字" * 400_000), "too large"),
}


@pytest.mark.parametrize("make, about", BAD_NOTES.values(), ids=BAD_NOTES)
def test_bad_notes_are_one_line_and_status_2(make, about, project, capsys, tmp_path):
    if make is BAD_NOTES["a pipe"][0] and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    path = tmp_path / "my notes.txt"
    make(path)
    assert build.main(["site", "--notes", str(path), "--out", str(tmp_path / "site")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and about in lines[0] and "my notes.txt" in lines[0]
    assert not (tmp_path / "site").exists() and not (project / "runs.log").exists()


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

ENGLISH = translations.Words("en")


def test_a_table_cell_may_have_a_bar_and_code():
    assert translations.split_row(r"| `a \| b` | c |") == ["`a | b`", "c"]
    html = build.breakable(build.inline("`tf.f(a_b, <c>)`, f.g", ENGLISH))
    assert html == "<code>tf.<wbr>f(<wbr>a_<wbr>b, &lt;c&gt;)</code>, f.g"


def test_the_other_language_is_marked_but_not_in_code():
    assert build.inline("a 卷積, `卷積` <b>", ENGLISH) == (
        'a <span lang="zh-Hant">卷積</span>, <code>卷積</code> &lt;b&gt;'
    )
    chinese = translations.Words("zh-Hant")
    assert build.inline("not there", chinese) == (
        '<span class="english" lang="en">not there</span>'
    )
    assert build.inline("`tf.f`", chinese) == "<code>tf.f</code>", "nothing to translate"
    assert build.inline("", chinese) == ""


def test_a_long_name_in_a_report_may_break_but_is_escaped():
    assert build.cell("a_b/c <d>") == "a_<wbr>b/<wbr>c &lt;d&gt;"
    assert [build.cell(value) for value in ("-", 0.98765, 3)] == ["-", "0.9877", "3"]


TRY_IT = {
    "A question.\n\nMeasured: 5\nand 6.": (
        "<p>A question.</p>\n<details class='answer'><summary>Measured</summary><p>5\nand 6.</p>"
        "</details>"
    ),
    "A question. Measured: 5.": (
        "<p>A question.</p><details class='answer'><summary>Measured</summary><p>5.</p></details>"
    ),
    "- `--a`: what? Measured: 5.\n- `--b`: what? Measured: 6.": (
        "<ul>\n<li><code>--a</code>: what?<details class='answer'><summary>Measured</summary>5."
        "</details></li>\n<li><code>--b</code>: what?<details class='answer'>"
        "<summary>Measured</summary>6.</details></li>\n</ul>"
    ),
    "No answer yet.": "<p>No answer yet.</p>",
}


@pytest.mark.parametrize("source", TRY_IT)
def test_the_answers_of_try_it_are_folded(source):
    prose = build.section(f"## Try it 動手試試\n{source}", ENGLISH, []).prose
    assert str(prose).strip().replace('"', "'") == TRY_IT[source]
    assert "<details" not in build.section(f"## Training\n{source}", ENGLISH, []).prose


@pytest.mark.parametrize("number", LESSONS)
def test_every_lesson_ends_with_try_it_and_its_answers(number):
    markdown = [cell for cell in jupytext.read(LESSONS[number]).cells if cell.cell_type != "code"]
    section = build.section(markdown[-1].source, ENGLISH, [])
    assert section.id == "try-it" and '<details class="answer">' in section.prose
    assert "Measured:" not in section.prose, "one answer in a paragraph or list item, at its end"


# ------------------------------------------------------------------------- notebooks


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    assert build.main(["notebooks", "--out", str(folder)]) == 0
    return folder


def code(path):
    """The code cells after the set-up, or without it, in order."""
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert not any(cell.get("outputs") for cell in cells)
    return [cell.source for cell in cells[1:]]


@pytest.mark.parametrize("number", LESSONS)
def test_the_code_is_the_scripts_to_the_letter_in_every_language(number, notebooks):
    script = LESSONS[number]
    wanted = code(script)  # the first cell of a script is its docstring
    for language in translations.LANGUAGES:
        made = notebooks / language.code.lower() / f"{script.stem}.ipynb"
        assert code(made) == wanted
        assert json.loads(made.read_text("utf-8"))["nbformat"] == 4
        if language.code != "en":
            prose_and_code = made.with_suffix(".py")
            assert code(prose_and_code) == wanted
            text = prose_and_code.read_text("utf-8")
            ast.parse(text)
            assert text.startswith(f"# %% [markdown]\n# # {number} ")
    assert not (notebooks / "en" / script.name).exists(), "that is the lesson itself"


@pytest.mark.parametrize("number", LESSONS)
def test_an_english_notebook_is_the_script_and_no_two_builds_differ(number):
    made = build.notebook(LESSONS[number], ENGLISH)
    script = LESSONS[number].read_text("utf-8")
    for cell in made.cells[2:]:
        text = cell.source
        if cell.cell_type == "markdown":
            text = "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
        assert text in script
    head = made.cells[0].source
    assert head.startswith(f"# {number} ") and re.search(r"^    python lessons/", head, re.M)
    assert head.count("\n|") == script.count("\n|")
    assert made == build.notebook(LESSONS[number], ENGLISH)


def test_a_notebook_finds_its_clone_or_makes_one(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "origin", lambda: "<address>")
    setup = build.notebook(LESSONS[15], ENGLISH).cells[1].source
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(ROOT / "pages")
    exec(setup, {})
    assert sys.path[0] == str(ROOT / "lessons")

    commands = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    monkeypatch.chdir(tmp_path)
    exec(setup, {})
    assert sys.path[0] == str(tmp_path / "lessons-clone" / "lessons")
    command = " ".join(commands[0]).replace(f"{tmp_path}{os.sep}", "")
    assert command == "git clone --depth 1 <address> lessons-clone"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://user:token@host.example/a/b.git", "https://host.example/a/b.git"),
        ("git@host.example:a/b.git", "https://host.example/a/b.git"),
        ("/home/me/clone", "<the address of this repository>"),
        ("", "<the address of this repository>"),
    ],
)
def test_a_notebook_names_no_user_and_no_password(remote, address, monkeypatch):
    answer = type("Answer", (), {"stdout": remote + "\n"})
    monkeypatch.setattr(build.subprocess, "run", lambda *args, **kwargs: answer)
    assert build.origin() == address


# ---------------------------------------------------------------------------- builds

# common.py without TensorFlow, so that a build takes seconds.
COMMON = """\
import json, os, shlex
from pathlib import Path

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
figures = []

def settings(doc, lesson):
    global number, out
    flags = shlex.split(os.environ["LESSON_ARGS"])
    number = lesson
    out = Path(flags[flags.index("--out") + 1]) / f"lesson{number}"
    out.mkdir(parents=True, exist_ok=True)
    with open("runs.log", "a") as log:
        print(number, *flags, file=log)

def show(name, listed=True):
    from IPython.display import Image, display
    (out / f"{name}.png").write_bytes(PIXEL)
    display(Image(PIXEL + b"another rendering", format="png"))
    figures.extend([f"{name}.png"] * listed)

def report():
    rows = [dict(name="accuracy <b>", notes=0.5, here=0.98765, holds=True),
            dict(name="loss", notes="-", here="nan", holds=False)]
    results = dict(lesson=number, title="", settings=dict(seed=1), seconds=1.5, smoke=True,
        results=rows, figures=figures, versions=dict(tensorflow="2.x"), cores=2)
    (out / "results.json").write_text(json.dumps(results))
"""

LESSON = '''\
"""Lesson {number}: Title of it 卷積

Intro of {number}.

    python lessons/lesson{number}_x.py  # all of it

| TF1 in the notes | here                |
|------------------|---------------------|
| `tf.old{number}` | `tf.new`, new words |

Where the notes slip: here.
"""

# %%
import common

common.settings(__doc__, lesson={number})

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
common.report()

# %% [markdown]
# ## Try it 動手試試
# What if? Measured: 5.
'''
SHOW = 'common.show("picture")\n'
CHINESE = {
    "Title of it": "它的標題",
    "Intro of 15.": "介紹 15。",
    "all of it": "全部",
    "`tf.new`, new words": "`tf.new`，新詞",
    "Here.": "在這裡。",
    "## A section\nProse about *it*, 卷積.": "## 一節\n說說*它*，卷積。",
    "## A section": "## 又一節",
    "## Try it 動手試試\nWhat if? Measured: 5.": "## 動手試試\n會怎樣？實測：5。",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with small lessons of its own, and with this one's words for pages."""
    root = tmp_path_factory.mktemp("clones") / "clone"
    (root / "lessons").mkdir(parents=True)
    (root / "lessons" / "common.py").write_text(COMMON)
    (root / "pages" / "zh").mkdir(parents=True)
    pages = (ROOT / "pages" / "zh" / "pages.po").read_text("utf-8")
    (root / "pages" / "zh" / "pages.po").write_text(pages, "utf-8")
    return root


@pytest.fixture
def project(clone, monkeypatch):
    """The clone in place of this one, without lessons."""
    for path in [*clone.glob("lessons/lesson*.py"), *clone.glob("runs.log")]:
        path.unlink()
    monkeypatch.setattr(build, "ROOT", clone)
    return clone


def add(project, number, body=SHOW):
    text = LESSON.format(number=number, body=body)
    (project / "lessons" / f"lesson{number}_x.py").write_text(text, "utf-8")
    build.main(["translations"])


def build_site(project, *flags):
    return build.main(["site", "--smoke", "--out", str(project / "site"), *map(str, flags)])


def test_a_build_runs_each_lesson_once_and_writes_its_page_in_three_languages(project, tmp_path):
    add(project, 15)
    add(project, 16, SHOW + "import os; print(os.path.abspath('data'))")
    path = project / "pages" / "zh" / "lesson15.po"
    catalogue = translations.read(path)
    for entry in catalogue:
        entry.msgstr = CHINESE[entry.msgid]
    catalogue[-2].flags.append("fuzzy")  # "又一節"
    path.write_text(str(catalogue), "utf-8")
    assert build_site(project, "--notes", save(tmp_path / "notes.txt", NOTES)) == 0
    runs = sorted((project / "runs.log").read_text().splitlines())
    assert runs == [f"{number} --smoke --out outputs/smoke" for number in (15, 16)]

    def read(name):
        return (project / "site" / name).read_text("utf-8")

    html = read("lesson15_x.html")
    assert "Title of it" in html and "Prose about <em>it</em>" in html and "十五" in html
    assert "first &lt;i&gt;\nsecond" in html, "pieces of output are put together, and escaped"
    assert "accuracy &lt;b&gt;" in html and "0.9877" in html and 'class="no"' in html
    assert 'src="lesson15/picture.png" width="1" height="1" alt="A section (picture)"' in html
    assert (project / "site" / "lesson15" / "picture.png").read_bytes().endswith(b"B`\x82")
    assert 'id="a-section"' in html and 'id="a-section-again"' in html
    assert "第一節" in html and "第二節" not in html, "its own section of the notes"
    assert "alert(1)" in html and "<script>alert" not in html, "escaped, never executed"
    assert "git" not in html, "the set-up cell is not shown"
    assert 'class="english"' not in html and html.count('class="notice"') == 1
    assert "lesson16_x.html" in read("index.html")
    assert "old15" in read("tf1.html") and "old16" in read("tf1.html")
    assert str(project) not in read("lesson16_x.html"), "no path of this machine"

    hant, hans = read("zh-hant/lesson15_x.html"), read("zh-hans/lesson15_x.html")
    for text in (
        "它的標題",
        "介紹 15。",
        "全部",
        "</code>，新詞",
        "在這裡。",
        "說說<em>它</em>，卷積。",
    ):
        assert text in hant
    assert "它的标题" in hans and "说说<em>它</em>，卷积。" in hans and "標" not in hans
    assert "第一節" in hant and "說明在這里" in hant, "the notes as they are"
    assert "第一节" in hans and "说明在这里" in hans, "the notes in the page's script"
    assert 'src="../lesson15/picture.png" width="1" height="1" alt="一節 (picture)"' in hant
    assert "<summary>實測</summary><p>5。</p>" in hant
    for page in (hant, hans):
        assert re.findall(' id="(.*?)"', page) == re.findall(' id="(.*?)"', html)
        assert re.findall("(?s)<pre.*?</pre>", page.split("<article>")[1]) == (
            re.findall("(?s)<pre.*?</pre>", html.split("<article>")[1])
        ), "code and output are as they are"
        assert '<div class="english" lang="en"><h2>A section</h2></div>' not in page
        assert page.count('class="english"') == 1 and "又一" not in page, "fuzzy: English"
        assert page.count('class="notice"') == 2, "and the page says so"
    assert 'lang="zh-Hans"' in hans.split("\n")[1] and 'lang="zh-Hant"' in hant.split("\n")[1]


def test_without_notes_a_page_has_none_and_without_photographs_no_credits(project):
    add(project, 15)
    assert build_site(project) == 0
    html = (project / "site" / "lesson15_x.html").read_text("utf-8")
    assert 'class="notes"' not in html and "photographs" not in html


FAILURES = {
    15: ("1 / 0", "ZeroDivisionError"),
    16: ("raise SystemExit(2)", "SystemExit"),
    17: ("import os; os._exit(3)", "died"),
    18: ("", "showed 0 figures, its report has 0"),
    19: (SHOW + 'common.show("other", listed=False)', "showed 2 figures, its report has 1"),
    20: (SHOW + 'common.figures.append("picture.png")', "showed 1 figures, its report has 2"),
    21: (SHOW + "common.report = lambda: None", "without a report"),
    22: (SHOW, ""),
}


def test_every_failure_is_named_and_nothing_is_written(project, capsys):
    for number, (body, _) in FAILURES.items():
        add(project, number, body)
    assert build.main(["site", "--smoke", "--out", str(project / "new")]) == 1
    error = capsys.readouterr().err
    for number, (_, about) in FAILURES.items():
        assert (f"lesson{number}_x.py" in error) is bool(about) and about in error
    assert not list((project / "new").iterdir())


def test_a_report_from_an_earlier_run_does_not_count(project, capsys):
    add(project, 15, SHOW + "common.report = lambda: None")
    report = project / "outputs" / "smoke" / "lesson15" / "results.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("{}")
    os.utime(report, (1, 1))
    assert build.main(["site", "--smoke", "--out", str(project / "none")]) == 1
    assert "older than this build" in capsys.readouterr().err
    assert not list((project / "none").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_stops_a_build_at_once(project):
    add(project, 15, "open('begun', 'w').close()\nimport time\ntime.sleep(600)\n")
    script = (
        "import sys, pathlib, build\n"
        f"build.ROOT = pathlib.Path({str(project)!r})\n"
        "build.main(['site', '--out', sys.argv[1]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(project / "stopped")],
        cwd=ROOT / "pages",
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, as this test may be, hands an ignored SIGINT down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (project / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "build.py: stopped by Ctrl-C" and "Traceback" not in error
    assert not list((project / "stopped").iterdir())


def test_a_clone_without_lessons_and_an_out_that_is_a_file(project, tmp_path, capsys):
    assert build_site(project) == 1
    assert "no lessons" in capsys.readouterr().err
    save(tmp_path / "file", "precious")
    add(project, 15)
    assert build.main(["site", "--smoke", "--out", str(tmp_path / "file")]) == 2
    assert (tmp_path / "file").read_text() == "precious"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_notebook_runs_from_top_to_bottom_where_there_is_no_clone(project, tmp_path, monkeypatch):
    add(project, 15)
    me = ["-c", "user.name=me", "-c", "user.email=me@host.example"]
    for command in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "all of it"]):
        subprocess.run(["git", "-C", str(project), *command], check=True)
    monkeypatch.setattr(build, "origin", project.as_uri)
    assert build.main(["notebooks", "--out", str(tmp_path / "nb")]) == 0

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    path = tmp_path / "nb" / "zh-hant" / "lesson15_x.ipynb"
    made = build.nbformat.read(path, as_version=4)
    client = build.NotebookClient(made, kernel_name="python3")
    client.execute(cwd=str(fresh), env=os.environ | {"LESSON_ARGS": "--out out"})
    assert (fresh / "lessons-clone" / "lessons" / "common.py").is_file()
    assert json.loads((fresh / "out" / "lesson15" / "results.json").read_text())["lesson"] == 15
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
