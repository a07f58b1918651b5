"""The notebooks and the pages: what is made of a script, of the reader's notes, and of failures."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from running import LESSONS, ROOT
from test_readme import BENCH, NAMES

pytest.importorskip("nbclient", reason="needs pip install -r pages/requirements.txt")
pytest.importorskip("jupytext", reason="needs pip install -r pages/requirements.txt")
pytest.importorskip("nbconvert", reason="needs pip install -r pages/requirements.txt")
sys.path.insert(0, str(ROOT / "pages"))
import build
import notes

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


# ------------------------------------------------------------------------ docstrings


@pytest.mark.parametrize("number", LESSONS)
def test_every_docstring_gives_a_page_its_head(number):
    doc = ast.get_docstring(ast.parse(LESSONS[number].read_text("utf-8")))
    head = build.read_docstring(doc)
    assert head["title"].isascii(), "the Chinese title is kept apart"
    assert head["intro"].startswith("<p>") and "<pre>" not in head["intro"]
    assert head["slips"].startswith("<")
    assert all(command.startswith("python lessons/") for command, _ in head["commands"])
    assert head["table"] and {len(row) for row in head["table"]} == {2}
    assert len(head["table"]) == sum(line.startswith("|") for line in doc.split("\n")) - 2


def test_a_table_cell_may_have_a_bar_and_code():
    assert build.split_row(r"| `a \| b` | c |") == ["`a | b`", "c"]
    html = build.breakable(build.inline("`tf.f(a_b, <c>)`, f.g"))
    assert html == "<code>tf.<wbr>f(<wbr>a_<wbr>b, &lt;c&gt;)</code>, f.g"


def test_chinese_words_are_marked_but_not_in_code():
    assert build.inline("a 卷積, `卷積`") == (
        'a <span lang="zh-Hant">卷積</span>, <code>卷積</code>'
    )


# ------------------------------------------------------------------------- notebooks


@pytest.mark.parametrize("number", LESSONS)
def test_a_notebook_is_the_script(number):
    made = build.notebook(LESSONS[number])
    script = LESSONS[number].read_text("utf-8")
    assert not any(cell.get("outputs") for cell in made.cells)
    for cell in made.cells[2:]:
        text = cell.source
        if cell.cell_type == "markdown":
            text = "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
        assert text in script
    assert made == build.notebook(LESSONS[number]), "no two builds differ"


def test_a_notebook_finds_its_clone_and_has_the_docstring(tmp_path, monkeypatch):
    made = build.notebook(LESSONS["15"])
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(ROOT / "pages")
    variables = {}
    exec(made.cells[1].source, variables)
    assert sys.path[0] == str(ROOT / "lessons")
    assert variables["__doc__"].startswith("Lesson 15: ")
    assert made.cells[0].source.startswith("# Lesson 15: ")


def test_elsewhere_a_notebook_makes_a_clone_as_both_readmes_say(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "origin", lambda: "<address>")
    made = build.notebook(LESSONS["15"])
    commands = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    exec(made.cells[1].source, {})
    assert sys.path[0] == str(tmp_path / "lessons-clone" / "lessons")
    command = " ".join(commands[0]).replace(f"{tmp_path}{os.sep}", "")
    assert command == "git clone --depth 1 <address> lessons-clone"
    for name in NAMES:
        readme = re.sub("<[^<>`\n]+>", "<address>", (ROOT / name).read_text("utf-8"))
        assert f"`{command}`" in readme


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

def settings(doc):
    global number, out
    flags = shlex.split(os.environ["LESSON_ARGS"])
    number = int(doc[7:9])
    out = Path(flags[flags.index("--out") + 1]) / f"lesson{number}"
    out.mkdir(parents=True, exist_ok=True)
    with open("runs.log", "a") as log:
        print(number, *flags, file=log)

def show(name, listed=True):
    from IPython.display import Image, display
    (out / f"{name}.png").write_bytes(PIXEL)
    display(Image(PIXEL, format="png"))
    figures.extend([f"{name}.png"] * listed)

def report():
    rows = [dict(name="accuracy <b>", notes=0.5, here=0.98765, holds=True),
            dict(name="loss", notes=None, here="nan", holds=False)]
    results = dict(lesson=number, title="t", settings=dict(seed=1), seconds=1.5, smoke=True,
        results=rows, figures=figures, versions=dict(tensorflow="2.x"))
    (out / "results.json").write_text(json.dumps(results))
"""

LESSON = '''\
"""Lesson {number}: Title of it 中文

Intro.

    python lessons/lesson{number}_x.py  # all of it

| TF1 in the notes | here     |
|------------------|----------|
| `tf.old{number}` | `tf.new` |

Where the notes slip: here.
"""

# %%
import common

common.settings(__doc__)

# %% [markdown]
# ## A section
# Prose about *it*.

# %%
print("first <i>", flush=True)
print("second")
{body}
# %% [markdown]
# ## A section

# %%
common.report()
'''
SHOW = 'common.show("picture")\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A clone with small lessons of its own in place of this one."""
    root = tmp_path / "clone"
    (root / "lessons").mkdir(parents=True)
    (root / "lessons" / "common.py").write_text(COMMON)
    monkeypatch.setattr(build, "ROOT", root)
    return root


def add(project, number, body=SHOW):
    text = LESSON.format(number=number, body=body)
    (project / "lessons" / f"lesson{number}_x.py").write_text(text, "utf-8")


def build_site(project, *flags):
    return build.main(["site", "--smoke", "--out", str(project / "site"), *map(str, flags)])


def test_a_build_runs_each_lesson_once_and_writes_its_page(project, tmp_path):
    add(project, 15)
    add(project, 16, SHOW + "import os; print(os.path.abspath('data'))")
    assert build_site(project, "--notes", save(tmp_path / "notes.txt", NOTES)) == 0
    runs = sorted((project / "runs.log").read_text().splitlines())
    assert runs == [f"{number} --smoke --out outputs/smoke" for number in (15, 16)]

    html = (project / "site" / "lesson15_x.html").read_text("utf-8")
    assert "Title of it" in html and "Prose about <em>it</em>" in html and "十五" in html
    assert "first &lt;i&gt;\nsecond" in html, "pieces of output are put together, and escaped"
    assert "accuracy &lt;b&gt;" in html and "0.9877" in html and 'class="no"' in html
    assert 'src="lesson15/picture.png"' in html
    assert (project / "site" / "lesson15" / "picture.png").is_file()
    assert 'id="a-section"' in html and 'id="a-section-again"' in html
    assert "第一節" in html and "第二節" not in html, "its own section of the notes"
    assert "alert(1)" in html and "<script>alert" not in html, "escaped, never executed"
    assert "__doc__ = " not in html and "git" not in html, "the set-up cell is not shown"
    assert "lesson16_x.html" in (project / "site" / "index.html").read_text("utf-8")
    tables = (project / "site" / "tf1.html").read_text("utf-8")
    assert "old15" in tables and "old16" in tables
    assert str(project) not in (project / "site" / "lesson16_x.html").read_text("utf-8")


def test_the_index_ends_with_the_benchmark_where_there_is_one(project, tmp_path, monkeypatch):
    monkeypatch.setattr(build.readme, "BENCH", tmp_path / "bench.json")
    add(project, 15)
    index = project / "site" / "index.html"
    assert build_site(project) == 0
    assert "make bench" not in index.read_text("utf-8")

    build.readme.BENCH.write_text(json.dumps(BENCH), "utf-8")
    assert build_site(project) == 0
    _, table = index.read_text("utf-8").split('id="speed"')
    cells = re.findall("<td>(.*?)</td>", table)
    assert cells[:4] == ["15 Title of it", "0.95", "0.50", "0.25"]
    assert cells[-4:] == ["together", "0.97", "-", "0.30"] and " ms" not in table


def test_a_long_name_in_a_report_may_break_but_is_escaped():
    assert build.cell("a_b/c <d>") == "a_<wbr>b/<wbr>c &lt;d&gt;"
    assert [build.cell(value) for value in (None, 0.98765, 3)] == ["–", "0.9877", "3"]


def test_without_notes_a_page_has_none(project):
    add(project, 15)
    assert build_site(project) == 0
    assert "<details" not in (project / "site" / "lesson15_x.html").read_text("utf-8")


FAILURES = {
    "an error": ("1 / 0", "ZeroDivisionError"),
    "an exit": ("raise SystemExit(2)", "SystemExit"),
    "a crash": ("import os; os._exit(3)", "died"),
    "no figure": ("", "without a figure"),
    "an unlisted figure": (
        SHOW + 'common.show("other", listed=False)',
        "not the one in its report",
    ),
    "a changed figure": (
        SHOW + "(common.out / 'picture.png').write_bytes(common.PIXEL + b'more')",
        "not the one in its report",
    ),
    "an unshown figure": (SHOW + 'common.figures.append("picture.png")', "not every figure"),
    "no report": (SHOW + "common.report = lambda: None", "without a report"),
}


@pytest.mark.parametrize("body, about", FAILURES.values(), ids=FAILURES)
def test_a_build_fails_and_writes_nothing(body, about, project, capsys):
    add(project, 15, body)
    assert build_site(project) == 1
    error = capsys.readouterr().err
    assert "lesson15_x.py" in error and about in error
    assert not list((project / "site").iterdir())


def test_a_report_from_an_earlier_run_does_not_count(project, capsys):
    add(project, 15)
    assert build_site(project) == 0
    report = project / "outputs" / "smoke" / "lesson15" / "results.json"
    os.utime(report, (1, 1))
    page = (project / "site" / "lesson15_x.html").stat().st_mtime_ns
    add(project, 15, SHOW + "common.report = lambda: None")
    assert build_site(project) == 1
    assert "older than this build" in capsys.readouterr().err
    assert (project / "site" / "lesson15_x.html").stat().st_mtime_ns == page


def test_every_failure_is_named(project, capsys):
    for number, body in ((15, "1 / 0"), (16, SHOW), (17, "")):
        add(project, number, body)
    assert build_site(project) == 1
    error = capsys.readouterr().err
    assert "lesson15_x.py" in error and "lesson17_x.py" in error and "lesson16" not in error


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_stops_a_build_at_once(project):
    add(project, 15, "open('begun', 'w').close()\nimport time\ntime.sleep(600)\n")
    script = (
        "import sys, pathlib, build\n"
        f"build.ROOT = pathlib.Path({str(project)!r})\n"
        "build.main(['site', '--out', sys.argv[1]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(project / "site")],
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
    assert not list((project / "site").iterdir())


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
    made = build.nbformat.read(tmp_path / "nb" / "lesson15_x.ipynb", as_version=4)
    client = build.NotebookClient(made, kernel_name="python3")
    client.execute(cwd=str(fresh), env=os.environ | {"LESSON_ARGS": "--out out"})
    assert (fresh / "lessons-clone" / "lessons" / "common.py").is_file()
    assert json.loads((fresh / "out" / "lesson15" / "results.json").read_text())["lesson"] == 15
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_notebooks_are_written_without_outputs(project, tmp_path):
    add(project, 15)
    assert build.main(["notebooks", "--out", str(tmp_path / "nb")]) == 0
    made = json.loads((tmp_path / "nb" / "lesson15_x.ipynb").read_text("utf-8"))
    assert made["nbformat"] == 4 and not (project / "runs.log").exists()
    code = [cell for cell in made["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "".join(code[1]["source"]) == "import common\n\ncommon.settings(__doc__)"
