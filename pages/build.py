"""Make the notebooks and the side-by-side pages, in three languages, out of the lessons' scripts.

    python pages/build.py notebooks            # notebooks/en, zh-hant, zh-hans, without outputs
    python pages/build.py site                 # run every lesson once, write pages/site/
    python pages/build.py site --notes FILE    # with your own copy of the notes beside it
    python pages/build.py site --smoke         # in a minute; the figures mean nothing then
    python pages/build.py translations         # bring pages/zh/*.po up to date with the English

Exit status: 0, 1 if a lesson fails (nothing is written then), 2 for bad arguments or files.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import notes as readers_notes
import translations
from translations import LANGUAGES, MEASURED, Words

try:
    import jinja2
    import jupytext
    import nbformat
    from markdown_it import MarkdownIt
    from markupsafe import Markup
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbformat.v4 import new_code_cell, new_markdown_cell
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
except ImportError as error:
    raise SystemExit(f"{error}; set up with: pip install -r pages/requirements.txt") from error

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")

# The figures that show best on the index what a lesson is about; elsewhere it is the first one.
PICTURES = {"stages", "gates", "plane", "layers_tanh", "local_minima", "held_out"}


class Failed(Exception):
    """A lesson did not do what a page needs. The message says which one, and why."""


def lessons():
    """The lessons' scripts in order; raises Failed where there is none."""
    paths = sorted(ROOT.glob("lessons/lesson[0-9][0-9]_*.py"))
    if not paths:
        raise Failed(f"no lessons in {ROOT / 'lessons'}")
    return paths


def catalogues():
    """Every catalogue's path, and what it has to translate."""
    return translations.of_all(lessons(), HERE / "templates", ROOT / "pages" / "zh")


# --------------------------------------------------------------------------- notebooks

SETUP = """\
# In a clone this finds the lessons; elsewhere, as in Colab, it makes a clone first.
import subprocess
import sys
from pathlib import Path

REPOSITORY = {repository!r}
here = Path.cwd()
clones = [folder for folder in (here, *here.parents) if (folder / "lessons/common.py").exists()]
if not clones:
    clones = [here / "lessons-clone"]
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, str(clones[0])], check=True)
sys.path.insert(0, str(clones[0] / "lessons"))"""


def notebook(path, words):
    """A lesson's script as a notebook without outputs, runnable from a clone or in Colab. Its code
    is the script's; the docstring, which no code needs, is prose here."""
    made = jupytext.read(path)
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = words.text(cell.source)
    setup = SETUP.format(repository=origin())
    made.cells = [
        new_markdown_cell(translations.head(translations.docstring(path), words)),
        new_code_cell(setup, metadata={"tags": ["setup"], "jupyter": {"source_hidden": True}}),
        *made.cells[1:],
    ]
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # random otherwise, so that no two builds were alike
    made.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return made


def origin():
    """The address that this clone came from, without user names and passwords."""
    command = ["git", "-C", str(ROOT), "config", "--get", "remote.origin.url"]
    with contextlib.suppress(OSError):
        url = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        url = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", url)
        if url.startswith("https://"):
            return re.sub(r"^https://[^/@]*@", "https://", url)
    return "<the address of this repository>"


def write_notebooks(out):
    """Write each lesson's notebook in each language, the Chinese ones as scripts as well."""
    for code, words in translations.in_all_languages(catalogues()).items():
        folder = out / code.lower()
        folder.mkdir(parents=True, exist_ok=True)
        for path in lessons():
            made = notebook(path, words[path.stem.split("_")[0]])
            nbformat.write(made, folder / f"{path.stem}.ipynb")
            if code != "en":
                for cell in made.cells:
                    if cell.cell_type == "markdown":
                        cell.source = translations.wrapped(cell.source)
                bare = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}
                made.metadata["jupytext"] = bare
                jupytext.write(made, folder / path.name, fmt="py:percent")
        print(folder)


# ----------------------------------------------------------------------- run a lesson


def run(path, flags, started):
    """Execute a lesson as a notebook, once; it has no `__doc__` there, as in an editor's cells.

    Returns:
        `path`; `cells`, executed; `results`, results.json as a dict; `figures`, {name: PNG}.

    Raises:
        Failed: if it stops with an error, or ends without a report of its own or a figure.
    """
    made = notebook(path, Words("en"))
    out = Path("outputs/smoke" if "--smoke" in flags else "outputs")
    arguments = " ".join([*flags, "--out", out.as_posix()])
    # Without this, ipykernel 7 warns on stderr that its ports on this machine are not encrypted.
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(made, timeout=None, kernel_name="python3", extra_arguments=quiet)
    begun = time.monotonic()
    try:
        client.execute(cwd=str(ROOT), env=os.environ | {"LESSON_ARGS": arguments})
    except (CellExecutionError, DeadKernelError) as error:
        raise Failed(f"{path.name} failed:\n{plain(str(error)).strip()}") from error
    folder = ROOT / out / path.stem.split("_")[0]
    report = folder / "results.json"
    if not report.is_file():
        raise Failed(f"{path.name} ended without a report ({report})")
    if report.stat().st_mtime < started - 2:  # some file systems count in steps of 2 seconds
        raise Failed(f"{path.name} ended, but its report is older than this build ({report})")
    results = json.loads(report.read_text("utf-8"))
    figures = {name: (folder / name).read_bytes() for name in results["figures"]}
    shown = [output for cell in made.cells for output in cell.get("outputs", []) if image(output)]
    in_report = len(results["figures"])
    if not in_report or len(shown) != in_report:
        raise Failed(f"{path.name} showed {len(shown)} figures, its report has {in_report}")
    print(f"{path.name}: {time.monotonic() - begun:.0f} s", flush=True)
    return SimpleNamespace(path=path, cells=made.cells, results=results, figures=figures)


def run_all(flags, jobs, started):
    """Run every lesson, and raise one Failed that names all that went wrong."""

    def attempt(path):
        try:
            return run(path, flags, started)
        except Failed as error:
            return error

    # In threads even if it is one at a time: in the main thread nbclient would catch Ctrl-C.
    outcomes = list(ThreadPoolExecutor(jobs).map(attempt, lessons()))
    failures = [str(outcome) for outcome in outcomes if isinstance(outcome, Failed)]
    if failures:
        raise Failed("\n\n".join(failures))
    return outcomes


def image(output):
    return "image/png" in output.get("data", {})


def plain(text):
    """Without the colors of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --------------------------------------------------------------- what is on a page


def page(run, words):
    """Everything that the templates show of a lesson that has run, in the language of `words`."""
    doc = translations.docstring(run.path)
    number = run.results["lesson"]
    shown = SimpleNamespace(number=number, url=f"{run.path.stem}.html", script=run.path.name)
    shown.results, shown.date = run.results, datetime.date.today().isoformat()
    shown.numeral = readers_notes.NUMERALS.get(number, str(number))
    shown.chinese = translations.in_script(doc.chinese, words.language)
    shown.title, shown.intro = inline(doc.title, words), markdown(doc.intro, words)
    shown.commands = [(command, inline(comment, words)) for command, comment in doc.commands]
    shown.table = [[breakable(inline(cell, words)) for cell in row] for row in doc.table]
    shown.slips = [inline(slip, words) for slip in doc.slips]
    shown.credits = photographs(run.path)
    telling = [name for name in run.figures if Path(name).stem in PICTURES]
    shown.picture = [*telling, *run.figures][0]
    figures = iter(run.figures.items())
    shown.rows = [SimpleNamespace(id="settings", heading="", prose="", blocks=[])]
    for cell in run.cells[1:]:
        if cell.cell_type == "markdown":
            shown.rows.append(section(cell.source, words, [row.id for row in shown.rows]))
        elif "setup" not in cell.metadata.get("tags", []):
            row = shown.rows[-1]
            row.blocks.append(SimpleNamespace(kind="code", html=python(cell.source)))
            for output in cell.outputs:
                show(output, row, figures)
    return shown


def section(source, words, ids):
    """A markdown cell: its heading, if it begins with one, its prose, and an id not in `ids`, which
    is the same in each language. What follows "Measured:" in "Try it" is folded."""
    title = re.match(r"#+ +(.+)", source)
    name = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-") if title else ""
    while name and name in [*ids, "main", "tf1", "slips", "report", "photographs"]:
        name += "-again"
    html = markdown(source, words)
    heading = re.search(r"<h\d>(.*?)</h\d>\n?", html)
    prose = html.replace(heading[0], "", 1) if heading else html
    if title and title[1].startswith("Try it"):
        prose = folded(prose, words.text(MEASURED))
    heading = Markup(heading[1]) if heading else ""
    return SimpleNamespace(id=name, heading=heading, prose=Markup(prose), blocks=[])


def folded(html, measured):
    """HTML whose answers, what follows `measured` in a paragraph or a list item, unfold."""
    summary = f'<details class="answer"><summary>{measured.rstrip(":：")}</summary>'
    answer = rf"<(p|li)>((?:(?!</\1>).)*?)\s*(?:{MEASURED}|{re.escape(measured)})\s*(.*?)</\1>"

    def fold(match):
        tag, question, text = match.groups()
        if tag == "li":
            return f"<li>{question}{summary}{text}</details></li>"
        return f"<p>{question}</p>" * bool(question) + f"{summary}<p>{text}</p></details>"

    return re.sub(answer, fold, html, flags=re.S)


def photographs(path):
    """Rows (file, author, licence) for a lesson that shows the cats and tigers, else none."""
    if "cat_tiger" not in path.read_text("utf-8"):
        return []
    text = (ROOT / "data" / "cat_tiger" / "ATTRIBUTION.md").read_text("utf-8")
    head, _, *rows = [translations.split_row(line) for line in text.splitlines() if line[:1] == "|"]
    columns = [head.index(name) for name in ("file", "author", "licence")]
    return [[row[column].strip("`") for column in columns] for row in rows]


def show(output, row, figures):
    """Put one output of a cell on the page: its text, or the next figure of the report."""
    if image(output):
        name, png = next(figures)
        # `show` saves 120 dots per inch, CSS has 96.
        width, height = (round(side * 96 / 120) for side in struct.unpack(">II", png[16:24]))
        row.blocks.append(SimpleNamespace(kind="figure", name=name, width=width, height=height))
        return
    if output.get("name") == "stderr":  # TensorFlow's chat
        return
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    text = plain(text).replace(f"{ROOT}{os.sep}", "")
    if row.blocks[-1].kind == "text":  # a cell's output comes in pieces
        row.blocks[-1].text += text
    elif text.strip():
        row.blocks.append(SimpleNamespace(kind="text", text=text.lstrip("\n")))


def python(source):
    html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return Markup(html.rstrip("\n"))


def markdown(source, words, render=MARKDOWN.render, tag="div"):
    """Markdown to HTML in the language of `words`. English is marked where a page is Chinese, and
    Chinese where it is English, for fonts and screen readers."""
    text = words(source)
    html = render(source if text is None else text).strip()
    if text is None or words.language == "en":
        chinese = rf"<code>.*?</code>|[{translations.CHINESE}]+"
        html = re.sub(
            chinese,
            lambda m: m[0] if m[0][0] == "<" else f'<span lang="zh-Hant">{m[0]}</span>',
            html,
            flags=re.S,
        )
    return Markup(html if text is not None else f'<{tag} class="english" lang="en">{html}</{tag}>')


def inline(source, words):
    return markdown(source, words, MARKDOWN.renderInline, "span")


def breakable(html):
    """Let a narrow column break a long name after a dot, a bracket or an underscore."""
    code = re.compile("<code>.*?</code>", re.S)
    return Markup(code.sub(lambda m: re.sub(r"(?<=[.(,=_])(?=\w)", "<wbr>", m[0]), html))


# ------------------------------------------------------------------------------- site


def write_site(runs, out, notes):
    """Write the pages in each language; `notes` has the reader's own sections by lesson number."""
    pages = {
        code: ([page(run, words[run.path.stem.split("_")[0]]) for run in runs], words["pages"])
        for code, words in translations.in_all_languages(catalogues()).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    for run in runs:
        folder = out / f"lesson{run.results['lesson']}"
        folder.mkdir(exist_ok=True)
        for name, content in run.figures.items():
            (folder / name).write_bytes(content)
    shutil.copy(HERE / "style.css", out)
    for language in LANGUAGES:
        write_language(language, *pages[language.code], out / language.folder, notes)


def write_language(language, shown, words, folder, notes):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(words.text, None, newstyle=True)
    environment.filters.update(cell=cell)
    environment.globals.update(
        lessons=shown,
        language=language,
        languages=LANGUAGES,
        root="../" if language.folder else "",
        smoke=any(lesson.results["smoke"] for lesson in shown),
        complete=all(map(words, translations.of_pages(HERE / "templates"))),
    )
    folder.mkdir(exist_ok=True)

    def write(name, template, **values):
        html = environment.get_template(template).render(**values, here=name)
        (folder / name).write_text(html, "utf-8")

    for lesson in shown:
        own = notes.get(lesson.number)
        own = own and translations.in_script(own, language.code)
        own = own and dict(heading=own.split("\n")[0], blocks=readers_notes.blocks(own))
        write(lesson.url, "lesson.html", lesson=lesson, notes=own)
    write("tf1.html", "tf1.html")
    write("index.html", "index.html")


def cell(value):
    """A figure of the report as `common.report` prints it; a long name may break at a sign."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return Markup("<wbr>").join(re.split(r"(?<=[/_])(?=\w)", text))


# ------------------------------------------------------------------------ command line


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make_notebooks = commands.add_parser("notebooks", help="write notebooks/*/*.ipynb")
    make_notebooks.add_argument("--out", type=Path, default=ROOT / "notebooks", metavar="DIR")
    make_site = commands.add_parser("site", help="run the lessons, write pages/site/")
    make_site.add_argument("--out", type=Path, default=HERE / "site", metavar="DIR")
    make_site.add_argument("--notes", metavar="FILE", help="your own copy of the notes")
    make_site.add_argument("--smoke", action="store_true", help="run the lessons with --smoke")
    commands.add_parser("translations", help="bring pages/zh/*.po up to date with the English")
    arguments = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a terminal without Chinese shows "?", not a crash
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")
    try:
        if arguments.command == "translations":
            for path, wanted in catalogues().items():
                translations.update(path, wanted)
            return 0
        if arguments.command == "notebooks":
            write_notebooks(arguments.out)
            return 0
        notes = readers_notes.read(arguments.notes) if arguments.notes else {}
        if notes and (missing := readers_notes.NUMERALS.keys() - notes.keys()):
            print(f"{arguments.notes}: no section {sorted(missing)}, those pages go without")
        translations.in_all_languages(
            catalogues()
        )  # what is wrong with a catalogue or a folder is said
        arguments.out.mkdir(parents=True, exist_ok=True)  # before minutes of work, not after
        # Two smoke runs at a time: most of their time goes into imports, which take one core.
        flags, jobs = (["--smoke"], 2) if arguments.smoke else ([], 1)
        runs = run_all(flags, jobs, time.time())
        write_site(runs, arguments.out, notes)
    except (readers_notes.Unreadable, translations.BadCatalogue, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    except Failed as error:
        print(f"\nbuild.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbuild.py: stopped by Ctrl-C", file=sys.stderr, flush=True)
        os._exit(130)  # without waiting for the lessons; each kernel ends with its parent
    print(arguments.out / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
