"""Make the notebooks and the side-by-side pages, in three languages, out of the lessons' scripts.

    python pages/build.py notebooks            # notebooks/en, zh-hant, zh-hans, without outputs
    python pages/build.py site                 # run every lesson once, write pages/site/
    python pages/build.py site --notes FILE    # with your own copy of the notes beside it
    python pages/build.py site --smoke         # in a minute; the figures mean nothing then
    python pages/build.py translations         # bring pages/zh/*.po up to date with the English

Exit status: 0; 1, and nothing is written, if a lesson fails or a file cannot be read; 2 for bad
arguments.
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
FIGURES = "stages power_cut gates plane shared_cell after contours held_out"
PICTURES = {number: f"{name}.png" for number, name in zip(range(15, 23), FIGURES.split())}

SETUP = """\
# Finds the folder `lessons`, in which common.py is, from wherever in the project this is opened.
import sys
from pathlib import Path

for folder in (Path.cwd(), *Path.cwd().parents):
    sys.path.append(str(folder / "lessons"))"""


def write_lesson(path, language, folder):
    """Write a lesson as a script and as a notebook without outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    made = translations.translated(path, Words(language, lesson_name(path)))
    made.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "jupytext": {"cell_metadata_filter": "-all", "notebook_metadata_filter": "-all"},
    }
    script = jupytext.writes(made, "py:percent").removeprefix("# %%\n")
    (folder / path.name).write_text(script, "utf-8", newline="\n")
    made.cells.insert(1, new_code_cell(SETUP))
    nbformat.write(made, folder / f"{path.stem}.ipynb")


def write_notebooks(out):
    for language in LANGUAGES:
        for path in LESSONS:
            write_lesson(path, language, out / language.code.lower())
        print(out / language.code.lower())


def run(path, flags):
    """Execute a lesson as a notebook, once.

    Returns:
        `path`; `cells`, executed; `results`, results.json as a dict; `figures`, {file: PNG};
        `folder`, where it wrote.

    Raises:
        SystemExit: if it stops with an error, or ends without a report of its own or a figure.
    """
    made, begun = jupytext.read(path), time.time()
    made.cells.insert(1, new_code_cell(SETUP))
    out = Path("outputs/smoke" if "--smoke" in flags else "outputs")
    # Without this, ipykernel 7 warns on stderr that its ports on this machine are not encrypted.
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(made, timeout=None, kernel_name="python3", extra_arguments=quiet)
    arguments = " ".join([*flags, "--out", out.as_posix()])
    try:
        client.execute(cwd=str(ROOT), env=os.environ | {"LESSON_ARGS": arguments})
    except (CellExecutionError, DeadKernelError) as error:
        without_colors = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
        raise SystemExit(f"{path.name} failed:\n{without_colors}") from error
    del made.cells[1]
    folder = ROOT / out / lesson_name(path)
    report = folder / "results.json"
    if not report.is_file() or report.stat().st_mtime < begun - 2:  # some count in 2 seconds
        raise SystemExit(f"{path.name} ended without a report of its own ({report})")
    results = json.loads(report.read_text("utf-8"))
    figures = {one["file"]: (folder / one["file"]).read_bytes() for one in results["figures"]}
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    shown, in_report = sum(map(is_figure, outputs)), len(results["figures"])
    if not shown or shown != in_report:
        raise SystemExit(f"{path.name} showed {shown} figures, its report has {in_report}")
    if (picture := PICTURES[results["lesson"]]) not in figures:
        raise SystemExit(f"{path.name} has no figure {picture}, which the index shows")
    print(f"{path.name}: {time.time() - begun:.0f} s", flush=True)
    return SimpleNamespace(
        path=path, cells=made.cells, results=results, figures=figures, folder=folder
    )


def run_all(flags, jobs):
    """Run every lesson, and end with one SystemExit that names all that went wrong."""
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python, whatever kernels the reader has
    # In threads even if it is one at a time: in the main thread nbclient would catch Ctrl-C.
    pool = ThreadPoolExecutor(jobs)
    futures = [pool.submit(run, path, flags) for path in LESSONS]
    errors = [future.exception() for future in futures]
    if failures := [str(error) for error in errors if isinstance(error, SystemExit)]:
        raise SystemExit("\n\n".join(failures))
    return [future.result() for future in futures]


def is_figure(output):
    return "image/png" in output.get("data", {})


def page(run, words):
    """Everything that the templates show of a lesson that has run, in the language of `words`."""
    number = run.results["lesson"]
    shown = SimpleNamespace(number=number, url=f"{run.path.stem}.html", script=run.path.name)
    shown.notebook, shown.date = f"{run.path.stem}.ipynb", datetime.date.today().isoformat()
    shown.results, shown.numeral = run.results, readers_notes.NUMERALS[number]
    shown.report = [row | {"name": words.filled(row["name"])} for row in run.results["results"]]
    shown.captions = {f["file"]: words.filled(f["caption"]) for f in run.results["figures"]}
    shown.picture = PICTURES[number]
    head, *cells = translations.translated(run.path, words).cells
    title, _, text = head.source.strip('"').partition("\n")
    shown.title = markdown(re.split("[:：] ?", title, maxsplit=1)[1], words, MARKDOWN.renderInline)
    prose, _, commands = text.partition("\n    ")
    shown.intro = markdown(prose, words)
    shown.rows = [section(markdown("    " + commands, words))]
    figures = iter(run.figures.items())
    for cell, executed in zip(cells, run.cells[1:]):
        if cell.cell_type == "markdown":
            shown.rows.append(section(markdown(cell.source, words), executed.source))
            continue
        row = shown.rows[-1]
        code = highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
        row.blocks.append(SimpleNamespace(kind="code", html=Markup(code)))
        for output in executed.outputs:
            show(output, row, figures)
    shown.tf1 = next(row for row in shown.rows if row.id.startswith("tf1"))
    return shown


def section(html, english=""):
    """A prose cell: its heading, if it begins with one, its prose, and an id, which is the same in
    each language."""
    title = re.match(r"#+ +(.+)", english)
    name = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-") if title else ""
    heading, prose = re.match(r"(?:<h\d>(.*?)</h\d>\n?)?(.*)", html, re.S).groups("")
    return SimpleNamespace(id=name, heading=Markup(heading), prose=Markup(prose), blocks=[])


def show(output, row, figures):
    """Put one output of a cell on the page: its text, or the next figure of the report."""
    if is_figure(output):
        name, png = next(figures)
        # `show` saves 120 dots per inch, CSS has 96.
        width, height = (round(side * 96 / 120) for side in struct.unpack(">II", png[16:24]))
        row.blocks.append(SimpleNamespace(kind="figure", name=name, width=width, height=height))
    elif output.get("name") == "stdout":  # what is on stderr is TensorFlow's chat
        text = output.text.replace(f"{ROOT}{os.sep}", "")
        if row.blocks[-1].kind == "text":  # a cell's output comes in pieces
            row.blocks[-1].text += text
        elif text.strip():
            row.blocks.append(SimpleNamespace(kind="text", text=text.lstrip("\n")))


def markdown(source, words, render=MARKDOWN.render):
    """Markdown to HTML. On an English page what is Chinese is marked, for fonts and readers."""
    html = render(translations.joined(source)).strip()
    if words.language.code == "en":
        html = re.sub(f"[{translations.CHINESE}]+", r'<span lang="zh-Hant">\g<0></span>', html)
    return Markup(html)


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
        write_language(language, runs, out / language.folder, notes)
        for run in runs:
            write_lesson(run.path, language, out / language.folder)


def write_language(language, runs, folder, notes):
    shown = [page(run, Words(language, lesson_name(run.path))) for run in runs]
    words = Words(language, "pages")
    environment = translations.templates(words)
    environment.filters["cell"] = cell
    environment.globals.update(lessons=shown, language=language, languages=LANGUAGES)
    environment.globals["root"] = "../" if language.folder else ""
    environment.globals["smoke"] = any(run.results["smoke"] for run in runs)
    folder.mkdir(exist_ok=True)

    def write(name, template, **values):
        html = environment.get_template(template).render(**values, here=name)
        (folder / name).write_text(html, "utf-8")

    for lesson in shown:
        own = words.in_script(notes.get(lesson.number, ""))
        own = own and dict(heading=own.split("\n")[0], blocks=readers_notes.blocks(own))
        credits = (ROOT / "data" / "cat_tiger" / "ATTRIBUTION.md").read_text("utf-8")
        credits = MARKDOWN.render(credits) if lesson.number == 22 else ""
        write(lesson.url, "lesson.html", lesson=lesson, notes=own, credits=Markup(credits))
    write("tf1.html", "tf1.html")
    glossary = words.in_script((HERE / "zh" / "glossary.md").read_text("utf-8"))
    write("glossary.html", "glossary.html", glossary=Markup(MARKDOWN.render(glossary)))
    write("index.html", "index.html")


def cell(value):
    """A figure of the report as `common.report` prints it; a long name may break at a sign."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return Markup("<wbr>").join(re.split(r"(?<=[/_])(?=\w)", text))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["notebooks", "site", "translations"])
    parser.add_argument("--out", type=Path, metavar="DIR", help="notebooks, or pages/site")
    parser.add_argument("--notes", metavar="FILE", help="site: your own copy of the notes")
    parser.add_argument("--smoke", action="store_true", help="site: run the lessons with --smoke")
    arguments = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese shows "?"
    try:
        if arguments.command == "translations":
            translations.update(LESSONS)
        elif arguments.command == "notebooks":
            write_notebooks(arguments.out or ROOT / "notebooks")
        else:
            out = arguments.out or HERE / "site"
            out.mkdir(parents=True, exist_ok=True)  # before minutes of work, not after
            notes = readers_notes.read(arguments.notes) if arguments.notes else {}
            # Two smoke runs at a time: most of their time goes into imports, on one core.
            flags, jobs = (["--smoke"], 2) if arguments.smoke else ([], 1)
            write_site(run_all(flags, jobs), out, notes)
            print(out / "index.html")
    except OSError as error:
        raise SystemExit(f"build.py: {error}") from error
    except KeyboardInterrupt:
        print("\nbuild.py: stopped by Ctrl-C", file=sys.stderr, flush=True)
        os._exit(130)  # without waiting for the lessons; each kernel ends with its parent


if __name__ == "__main__":
    main()
