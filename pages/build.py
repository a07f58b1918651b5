"""Make the notebooks and the side-by-side pages out of the lessons' scripts.

    python pages/build.py notebooks            # notebooks/*.ipynb, without outputs
    python pages/build.py site                 # run every lesson once, write pages/site/
    python pages/build.py site --notes FILE    # with your own copy of the notes beside it
    python pages/build.py site --smoke         # in a minute; the figures mean nothing then

Exit status: 0, 1 if a lesson fails (nothing is written then), 2 for bad arguments or files.
"""

import argparse
import ast
import base64
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
import readme

try:
    import jinja2
    import jupytext
    import nbformat
    from markupsafe import Markup
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbconvert.filters import markdown2html, strip_ansi
    from nbformat.v4 import new_code_cell, new_markdown_cell
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
except ImportError as error:
    raise SystemExit(f"{error}; set up with: pip install -r pages/requirements.txt") from error

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


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
sys.path.insert(0, str(clones[0] / "lessons"))

__doc__ = {doc}"""


def notebook(path):
    """A lesson's script as a notebook without outputs, runnable from a clone or in Colab."""
    made = jupytext.read(path)
    docstring, *cells = made.cells  # the docstring is a cell of its own, and code
    title, _, rest = ast.literal_eval(docstring.source).partition("\n")
    setup = SETUP.format(repository=origin(), doc=docstring.source)
    made.cells = [
        new_markdown_cell(f"# {title}\n{rest}"),
        new_code_cell(setup, metadata={"tags": ["setup"], "jupyter": {"source_hidden": True}}),
        *cells,
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


def write_notebooks(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path in lessons():
        nbformat.write(notebook(path), folder / f"{path.stem}.ipynb")
        print(folder / f"{path.stem}.ipynb")


# ----------------------------------------------------------------------- run a lesson


def run(path, flags, started):
    """Execute a lesson as a notebook, once.

    Returns:
        The executed notebook, `results.json` as a dict, and the folder that the lesson wrote.

    Raises:
        Failed: if it stops with an error, or ends without a report of its own or a figure.
    """
    made = notebook(path)
    out = Path("outputs/smoke" if "--smoke" in flags else "outputs")
    arguments = " ".join([*flags, "--out", out.as_posix()])
    number = re.match(r"lesson(\d+)", path.stem)[1]
    # Without this, ipykernel 7 warns on stderr that its ports on this machine are not encrypted.
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(made, timeout=None, kernel_name="python3", extra_arguments=quiet)
    begun = time.monotonic()
    try:
        client.execute(cwd=str(ROOT), env=os.environ | {"LESSON_ARGS": arguments})
    except (CellExecutionError, DeadKernelError) as error:
        raise Failed(f"{path.name} failed:\n{strip_ansi(str(error)).strip()}") from error
    folder = ROOT / out / f"lesson{number}"
    report = folder / "results.json"
    if not report.is_file():
        raise Failed(f"{path.name} ended without a report ({report})")
    if report.stat().st_mtime < started - 2:  # some file systems count in steps of 2 seconds
        raise Failed(f"{path.name} ended, but its report is older than this build ({report})")
    results = json.loads(report.read_text("utf-8"))
    if not results["figures"]:
        raise Failed(f"{path.name} ended without a figure")
    print(f"{path.name}: {time.monotonic() - begun:.0f} s", flush=True)
    return made, results, folder


def run_all(flags, jobs, started):
    """Run every lesson, and raise one Failed that names all that went wrong."""

    def attempt(path):
        try:
            return page(path, *run(path, flags, started))
        except Failed as error:
            return error

    # In threads even if it is one at a time: in the main thread nbclient would catch Ctrl-C.
    outcomes = list(ThreadPoolExecutor(jobs).map(attempt, lessons()))
    failures = [str(outcome) for outcome in outcomes if isinstance(outcome, Failed)]
    if failures:
        raise Failed("\n\n".join(failures))
    return outcomes


# --------------------------------------------------------------- what is on a page


def page(path, executed, results, folder):
    """Everything that the templates show of a lesson, taken from its executed notebook."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    shown = SimpleNamespace(number=results["lesson"], url=f"{path.stem}.html", script=path.name)
    shown.numeral = readers_notes.NUMERALS.get(shown.number, str(shown.number))
    shown.results, shown.date = results, datetime.date.today().isoformat()
    vars(shown).update(read_docstring(docstring))
    shown.figures = {name: (folder / name).read_bytes() for name in results["figures"]}
    telling = [name for name in shown.figures if Path(name).stem in PICTURES]
    shown.picture = [*telling, *shown.figures][0]
    names = iter(results["figures"])
    shown.rows = [SimpleNamespace(id="settings", heading="Settings", plain="", prose="", blocks=[])]
    for cell in executed.cells[1:]:
        if cell.cell_type == "markdown":
            shown.rows.append(section(cell.source, ids=[row.id for row in shown.rows]))
        elif "setup" not in cell.metadata.get("tags", []):
            row = shown.rows[-1]
            row.blocks.append(SimpleNamespace(kind="code", html=python(cell.source)))
            for output in cell.outputs:
                show(output, row, names, shown)
    if next(names, None):
        raise Failed(f"{path.name}: not every figure in its report was shown")
    return shown


def read_docstring(doc):
    """A lesson's docstring in its parts: title, intro, commands, the TF1 table, the slips."""
    first, _, rest = doc.partition("\n")
    title = re.match(r"Lesson \d+: ([^一-鿿]+)(.*)", first)
    parts = re.split(r"((?:^\|.*\n?)+)", rest, maxsplit=1, flags=re.M)
    before, table, slips = parts if len(parts) == 3 else (rest, "", "")
    slips = re.sub(r"\s*Where the notes slip:?\s*", "", slips)
    commands = re.findall(r"^ {4}(.+?)(?: +# (.+))?$", before, re.M)
    return dict(
        title=title[1].strip() if title else first,
        chinese=title[2].strip() if title else "",
        intro=markdown(re.sub(r"^ {4}.*", "", before, flags=re.M)),
        commands=commands,
        table=[
            [breakable(inline(cell)) for cell in split_row(line)]
            for line in table.strip().split("\n")[2:]  # after the head and a rule
        ],
        slips=markdown(slips[:1].upper() + slips[1:]),
    )


def split_row(line):
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [cell.replace(r"\|", "|").strip() for cell in cells]


def section(source, ids):
    """A markdown cell: its heading, if it begins with one, its prose, and an id not in `ids`."""
    heading = re.match(r"#+ +(.+)\n*", source)
    title = heading[1] if heading else ""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    while name in [*ids, "main", "tf1", "slips", "report"] and title:
        name += "-again"
    return SimpleNamespace(
        id=name,
        heading=inline(title),
        plain=title.replace("`", ""),
        prose=markdown(source[heading.end() :] if heading else source),
        blocks=[],
    )


def show(output, row, names, shown):
    """Put one output of a cell on the page, as text or as the next figure of the report."""
    data = output.get("data", {})
    image = data.get("image/png") or data.get("image/gif")
    if image:
        name = next(names, None)
        if name is None or base64.b64decode(image) != shown.figures[name]:
            raise Failed(f"{shown.script}: a figure on the page is not the one in its report")
        width, height = size(shown.figures[name])
        alt = f"{row.plain} ({Path(name).stem})"
        row.blocks.append(
            SimpleNamespace(kind="figure", name=name, width=width, height=height, alt=alt)
        )
        return
    text = output.get("text") or data.get("text/plain", "")
    text = strip_ansi(text).replace(f"{ROOT}{os.sep}", "")
    if row.blocks[-1].kind == "text":  # a cell's output comes in pieces
        row.blocks[-1].text += text
    elif text.strip():
        row.blocks.append(SimpleNamespace(kind="text", text=text.lstrip("\n")))


def size(image):
    """Width and height in CSS pixels: `show` saves a PNG at 120 dots per inch, CSS has 96."""
    if image.startswith(b"\x89PNG"):
        return [round(side * 96 / 120) for side in struct.unpack(">II", image[16:24])]
    return struct.unpack("<HH", image[6:10])  # GIF


def python(source):
    html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return Markup(html.rstrip("\n"))


def markdown(source):
    """Markdown to HTML; Chinese words are marked as such, for fonts and screen readers."""
    source = re.sub(
        r"(`[^`]*`)|([一-鿿]+)", lambda m: m[1] or f'<span lang="zh-Hant">{m[2]}</span>', source
    )
    return Markup(markdown2html(source).strip())


def inline(source):
    return markdown(source).removeprefix("<p>").removesuffix("</p>")


def breakable(html):
    """Let a narrow column break a long name after a dot, a bracket or an underscore."""
    code = re.compile("<code>.*?</code>", re.S)
    return Markup(code.sub(lambda m: re.sub(r"(?<=[.(,=_])(?=\w)", "<wbr>", m[0]), html))


# ------------------------------------------------------------------------------- site


def write_site(shown, out, notes, bench=None):
    """Write the pages; `notes` has the reader's own sections by lesson number, `bench` is what
    `make bench` measured."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(cell=cell, ratios=readme.ratios)
    out.mkdir(parents=True, exist_ok=True)
    common = dict(lessons=shown, smoke=any(lesson.results["smoke"] for lesson in shown))

    def write(name, template, **values):
        html = environment.get_template(template).render(**common, **values, here=name)
        (out / name).write_text(html, "utf-8")

    for lesson in shown:
        folder = out / f"lesson{lesson.number}"
        folder.mkdir(exist_ok=True)
        for name, content in lesson.figures.items():
            (folder / name).write_bytes(content)
        own = notes.get(lesson.number)
        own = own and dict(heading=own.split("\n")[0], blocks=readers_notes.blocks(own))
        write(lesson.url, "lesson.html", lesson=lesson, notes=own)
    write("tf1.html", "tf1.html")
    write("index.html", "index.html", bench=bench)
    shutil.copy(HERE / "style.css", out)


def cell(value):
    """A figure of the report as `common.report` prints it; a long name may break at a sign."""
    text = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return Markup("<wbr>").join(re.split(r"(?<=[/_])(?=\w)", text))


# ------------------------------------------------------------------------ command line


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make_notebooks = commands.add_parser("notebooks", help="write notebooks/*.ipynb")
    make_notebooks.add_argument("--out", type=Path, default=ROOT / "notebooks", metavar="DIR")
    make_site = commands.add_parser("site", help="run the lessons, write pages/site/")
    make_site.add_argument("--out", type=Path, default=HERE / "site", metavar="DIR")
    make_site.add_argument("--notes", metavar="FILE", help="your own copy of the notes")
    make_site.add_argument("--smoke", action="store_true", help="run the lessons with --smoke")
    arguments = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a terminal without Chinese shows "?", not a crash
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")
    try:
        if arguments.command == "notebooks":
            write_notebooks(arguments.out)
            return 0
        notes = readers_notes.read(arguments.notes) if arguments.notes else {}
        if notes and (missing := readers_notes.NUMERALS.keys() - notes.keys()):
            print(f"{arguments.notes}: no section {sorted(missing)}, those pages go without")
        arguments.out.mkdir(parents=True, exist_ok=True)  # before minutes of work, not after
        # Two smoke runs at a time: most of their time goes into imports, which take one core.
        flags, jobs = (["--smoke"], 2) if arguments.smoke else ([], 1)
        bench = readme.read_bench()
        write_site(run_all(flags, jobs, time.time()), arguments.out, notes, bench)
    except (readers_notes.Unreadable, OSError) as error:
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
