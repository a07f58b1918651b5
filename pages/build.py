"""Make the notebooks and the side-by-side pages, in three languages, out of the lessons' scripts.

    python pages/build.py notebooks            # notebooks/en, zh-hant, zh-hans, without outputs
    python pages/build.py site                 # run every lesson once, write pages/site/
    python pages/build.py site --notes FILE    # with your own copy of the notes beside it
    python pages/build.py site --smoke         # in a minute; the figures mean nothing then
    python pages/build.py translations         # bring pages/zh/*.po up to date with the English

Exit status: 0, 1 if a lesson fails (nothing is written then), 2 for bad arguments or files.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

try:
    import jinja2
    import jupytext
    import live
    import nbformat
    import notes as readers_notes
    import translations
    from markdown_it import MarkdownIt
    from markupsafe import Markup
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbformat.v4 import new_code_cell
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    from translations import LANGUAGES, Words, lesson_name
except ImportError as error:
    raise SystemExit(f"{error}; set up with: pip install -r pages/requirements.txt") from error

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LESSONS = sorted(ROOT.glob("lessons/lesson[0-9][0-9]_*.py"))
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
# The figure that shows best on the index what a lesson is about.
PICTURES = {
    15: "stages",
    16: "power_cut",
    17: "gates",
    18: "plane",
    19: "shared_cell",
    20: "after",
    21: "contours",
    22: "held_out",
}


class Failed(Exception):
    """A lesson did not do what a page needs. The message says which one, and why."""


# --------------------------------------------------------------------------- notebooks

SETUP = """\
# Finds the folder `lessons`, in which common.py is, from wherever in the project this is opened.
import sys
from pathlib import Path

for folder in (Path.cwd(), *Path.cwd().parents):
    sys.path.append(str(folder / "lessons"))"""


def write_lesson(path, words, folder):
    """Write a lesson as a notebook without outputs; in Chinese, as a script as well."""
    folder.mkdir(parents=True, exist_ok=True)
    made = translations.translated(path, words)
    made.metadata["jupytext"] = {"cell_metadata_filter": "-all", "notebook_metadata_filter": "-all"}
    script = jupytext.writes(made, "py:percent").removeprefix("# %%\n")
    (folder / path.name).write_text(script, "utf-8", newline="\n")
    made.cells.insert(1, new_code_cell(SETUP, metadata={"tags": ["setup"]}))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # random otherwise, so that no two builds were alike
    made.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    nbformat.write(made, folder / f"{path.stem}.ipynb")


def write_notebooks(out):
    for language in LANGUAGES:
        folder = out / language.code.lower()
        for path in LESSONS:
            write_lesson(path, Words(language.code, lesson_name(path)), folder)
        print(folder)


# ----------------------------------------------------------------------- run a lesson


def run(path, flags, started):
    """Execute a lesson as a notebook, once.

    Returns:
        `path`; `cells`, executed; `results`, results.json as a dict; `figures`, {file: PNG}.

    Raises:
        Failed: if it stops with an error, or ends without a report of its own or a figure.
    """
    made = jupytext.read(path)
    made.cells.insert(1, new_code_cell(SETUP))
    out = Path("outputs/smoke" if "--smoke" in flags else "outputs")
    # Without this, ipykernel 7 warns on stderr that its ports on this machine are not encrypted.
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(made, timeout=None, kernel_name="python3", extra_arguments=quiet)
    begun = time.monotonic()
    arguments = " ".join([*flags, "--out", out.as_posix()])
    try:
        client.execute(cwd=str(ROOT), env=os.environ | {"LESSON_ARGS": arguments})
    except (CellExecutionError, DeadKernelError) as error:
        raise Failed(f"{path.name} failed:\n{plain(str(error)).strip()}") from error
    del made.cells[1]
    folder = ROOT / out / lesson_name(path)
    report = folder / "results.json"
    if not report.is_file() or report.stat().st_mtime < started - 2:  # some count in 2 seconds
        raise Failed(f"{path.name} ended without a report of its own ({report})")
    results = json.loads(report.read_text("utf-8"))
    figures = {one["file"]: (folder / one["file"]).read_bytes() for one in results["figures"]}
    shown = [output for cell in made.cells for output in cell.get("outputs", []) if image(output)]
    in_report = len(results["figures"])
    if not in_report or len(shown) != in_report:
        raise Failed(f"{path.name} showed {len(shown)} figures, its report has {in_report}")
    print(f"{path.name}: {time.monotonic() - begun:.0f} s", flush=True)
    return SimpleNamespace(
        path=path, cells=made.cells, results=results, figures=figures, folder=folder
    )


def run_all(flags, jobs, started):
    """Run every lesson, and raise one Failed that names all that went wrong."""

    def attempt(path):
        try:
            return run(path, flags, started)
        except Failed as error:
            return error

    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python, whatever kernels the reader has
    # In threads even if it is one at a time: in the main thread nbclient would catch Ctrl-C.
    outcomes = list(ThreadPoolExecutor(jobs).map(attempt, LESSONS))
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
    number = run.results["lesson"]
    shown = SimpleNamespace(number=number, url=f"{run.path.stem}.html", script=run.path.name)
    shown.notebook, shown.date = f"{run.path.stem}.ipynb", datetime.date.today().isoformat()
    shown.results, shown.numeral = run.results, readers_notes.NUMERALS.get(number, str(number))
    shown.report = [row | {"name": words.filled(row["name"])} for row in run.results["results"]]
    shown.captions = {f["file"]: words.filled(f["caption"]) for f in run.results["figures"]}
    if f"{PICTURES[number]}.png" not in run.figures:
        raise Failed(f"{run.path.name} has no figure {PICTURES[number]}, which the index shows")
    shown.picture = f"{PICTURES[number]}.png"
    head, *cells = translations.translated(run.path, words).cells
    title, _, text = head.source.strip('"').partition("\n")
    title = re.split("[:：] ?", title, maxsplit=1)[1]
    shown.title = inline(title, words)
    prose, _, commands = text.partition("\n    ")
    shown.intro = markdown(prose, words)
    shown.rows = [section(markdown("    " + commands, words), [])]
    figures = iter(run.figures.items())
    for cell, executed in zip(cells, run.cells[1:]):
        if cell.cell_type == "markdown":
            ids = [row.id for row in shown.rows]
            shown.rows.append(section(markdown(cell.source, words), ids, executed.source))
            continue
        row = shown.rows[-1]
        row.blocks.append(SimpleNamespace(kind="code", html=python(cell.source)))
        for output in executed.outputs:
            show(output, row, figures)
    shown.tf1 = next(row for row in shown.rows if row.id.startswith("tf1"))
    return shown


def section(html, ids, english=""):
    """A prose cell: its heading, if it begins with one, its prose, and an id not in `ids`, which
    is the same in each language."""
    title = re.match(r"#+ +(.+)", english)
    name = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-") if title else ""
    while name and name in [*ids, "main", "report", "live", "read-on"]:
        name += "-again"
    heading = re.match(r"<h\d>(.*?)</h\d>\n?", html)
    prose = html.replace(heading[0], "", 1) if heading else html
    heading = Markup(heading[1]) if heading else ""
    return SimpleNamespace(id=name, heading=heading, prose=Markup(prose), blocks=[])


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


def markdown(source, words, render=MARKDOWN.render):
    """Markdown to HTML. On an English page what is Chinese is marked, for fonts and readers."""
    html = render(translations.joined(source)).strip()
    if words.language == "en":
        chinese = rf"(<code>.*?</code>)|([{translations.CHINESE}]+)"
        html = re.sub(
            chinese, lambda m: m[1] or f'<span lang="zh-Hant">{m[2]}</span>', html, flags=re.S
        )
    return Markup(html)


def inline(source, words):
    return markdown(source, words, MARKDOWN.renderInline)


# ------------------------------------------------------------------------------- site


def write_site(runs, out, notes):
    """Write the pages in each language; `notes` has the reader's own sections by lesson number."""
    for run in runs:
        folder = out / f"lesson{run.results['lesson']}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in run.figures.items():
            (folder / name).write_bytes(content)
    shutil.copy(HERE / "style.css", out)
    live.export(runs, out)
    for language in LANGUAGES:
        words = Words(language.code, "pages")
        shown = [page(run, Words(language.code, "pages", lesson_name(run.path))) for run in runs]
        write_language(language, shown, words, out / language.folder, notes)
        for run in runs:
            write_lesson(
                run.path, Words(language.code, lesson_name(run.path)), out / language.folder
            )


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
    environment.install_gettext_callables(words, None, newstyle=True)
    environment.filters["cell"] = cell
    environment.globals.update(
        lessons=shown,
        language=language,
        languages=LANGUAGES,
        root="../" if language.folder else "",
        smoke=any(lesson.results["smoke"] for lesson in shown),
    )
    folder.mkdir(exist_ok=True)

    def write(name, template, **values):
        html = environment.get_template(template).render(**values, here=name)
        (folder / name).write_text(html, "utf-8")

    for lesson in shown:
        own = notes.get(lesson.number)
        if own and language.code == "zh-Hans":
            own = translations.simplified(own)
        own = own and dict(heading=own.split("\n")[0], blocks=readers_notes.blocks(own))
        credits = (ROOT / "data" / "cat_tiger" / "ATTRIBUTION.md").read_text("utf-8")
        credits = MARKDOWN.render(credits) if lesson.number == 22 else ""
        write(lesson.url, "lesson.html", lesson=lesson, notes=own, credits=Markup(credits))
    write("tf1.html", "tf1.html")
    glossary = (HERE / "zh" / "glossary.md").read_text("utf-8")
    glossary = translations.simplified(glossary) if language.code == "zh-Hans" else glossary
    write("glossary.html", "glossary.html", glossary=Markup(MARKDOWN.render(glossary)))
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
    parser.add_argument("command", choices=["notebooks", "site", "translations"])
    parser.add_argument("--out", type=Path, metavar="DIR", help="notebooks, or pages/site")
    parser.add_argument("--notes", metavar="FILE", help="site: your own copy of the notes")
    parser.add_argument("--smoke", action="store_true", help="site: run the lessons with --smoke")
    arguments = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):  # a terminal without Chinese shows "?"
        sys.stdout.reconfigure(errors="replace")
    try:
        if arguments.command == "translations":
            translations.update(LESSONS)
        elif arguments.command == "notebooks":
            write_notebooks(arguments.out or ROOT / "notebooks")
        else:
            out = arguments.out or HERE / "site"
            out.mkdir(parents=True, exist_ok=True)  # before minutes of work, not after
            notes = readers_notes.read(arguments.notes) if arguments.notes else {}
            if notes and (missing := readers_notes.NUMERALS.keys() - notes.keys()):
                print(f"{arguments.notes}: no section {sorted(missing)}, those pages go without")
            # Two smoke runs at a time: most of their time goes into imports, on one core.
            flags, jobs = (["--smoke"], 2) if arguments.smoke else ([], 1)
            write_site(run_all(flags, jobs, time.time()), out, notes)
            print(out / "index.html")
    except (readers_notes.Unreadable, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    except Failed as error:
        print(f"\nbuild.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbuild.py: stopped by Ctrl-C", file=sys.stderr, flush=True)
        os._exit(130)  # without waiting for the lessons; each kernel ends with its parent
    return 0


if __name__ == "__main__":
    sys.exit(main())
