"""The Chinese of lessons and pages: gettext catalogues, keyed by the English that they translate.

`zh/lessonNN.po` has a lesson's docstring, its prose, the comments in its code, and the rows and
captions of its report; `zh/pages.po` has the words of the pages themselves. They are in Traditional
script, in lines as a script shows them; Simplified is made from it.
"""

import inspect
import io
import json
import re
import tokenize
from pathlib import Path
from types import SimpleNamespace

import jinja2
import jupytext
import opencc
import polib

HERE = Path(__file__).resolve().parent
LANGUAGES = [  # `notes` is what the notes' own words are written in on its pages
    SimpleNamespace(code="en", name="English", folder="", notes="zh-Hant"),
    SimpleNamespace(code="zh-Hant", name="繁體中文", folder="zh-hant/", notes="zh-Hant"),
    SimpleNamespace(code="zh-Hans", name="简体中文", folder="zh-hans/", notes="zh-Hans"),
]
CHINESE = "一-鿿"
MARKS = "，。；：、！？…—）」』》"  # what may end a line of Chinese and never begins one


def lesson_name(path):
    """ "lesson15" of lessons/lesson15_cnn.py."""
    return path.stem.partition("_")[0]


def wanted(scripts):
    """{name of a catalogue: {English: where it stands}}, in the order of the lessons."""
    reports = json.loads((HERE / "results.json").read_text("utf-8"))
    found = {}
    for path in scripts:
        texts = found[lesson_name(path)] = {}
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "markdown":
                texts[unwrapped(cell.source)] = "prose"
            else:
                texts |= {comment.english: "comment" for comment in comments(cell.source)}
        report = reports[lesson_name(path).removeprefix("lesson")]
        texts |= {pattern(row["name"]): "row of the report" for row in report["results"]}
        texts |= {pattern(figure["caption"]): "caption" for figure in report["figures"]}
    environment, found["pages"] = templates(str), {}
    for name in environment.list_templates():
        source = environment.loader.get_source(environment, name)[0]
        for _, _, message in environment.extract_translations(source):
            found["pages"][message if isinstance(message, str) else message[0]] = name
    return {name: {e: p for e, p in texts.items() if is_words(e)} for name, texts in found.items()}


def templates(words):
    """The pages' templates, as Jinja's i18n extension fills them with `words`."""
    folder = jinja2.FileSystemLoader(HERE / "templates")
    found = jinja2.Environment(loader=folder, autoescape=True, extensions=["jinja2.ext.i18n"])
    found.undefined = jinja2.StrictUndefined
    found.policies["ext.i18n.trimmed"] = True
    found.install_gettext_callables(words, None, newstyle=True)
    return found


def is_words(english):
    """Whether there are English words outside names in backticks."""
    return re.search("[A-Za-z]{2,}", re.sub("`[^`]*`", "", english))


def comments(code):
    """The comments of a cell, a block of whole lines as one, and its docstrings: `english`, and
    `first`, `last`, `column` of where it stands (lines from 0)."""
    found, block = [], None
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        (row, column), text = token.start, token.string
        alone = not token.line[:column].strip()
        if token.type == tokenize.COMMENT:
            text = text.removeprefix("#").strip()
            if alone and block and (block.last, block.column) == (row - 2, column):
                block.english, block.last = f"{block.english} {text}", row - 1
                continue
        elif alone and text.startswith('"""'):
            text, alone = unwrapped(inspect.cleandoc(text)), False
        else:
            continue
        place = dict(first=row - 1, last=token.end[0] - 1, column=column)
        found.append(SimpleNamespace(english=text, **place))
        block = found[-1] if alone else None
    return found


def unwrapped(markdown):
    """Each paragraph and list item on one line, so that wrapping it anew changes nothing."""
    lines = []
    for line in markdown.strip().split("\n"):
        own_line = re.match(r"\s*([-*>]|#+|\d+\.)\s|\s*\||\s*$| {4}", line)
        if own_line or not lines or re.match(r"#|$| {4}", lines[-1]):
            lines.append(line.rstrip())
        else:
            lines[-1] += " " + line.strip()
    return "\n".join(lines)


NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")


def pattern(text):
    """A row of a report or a caption without its numbers: one entry for `step 50`, `step 100` …"""
    return NUMBER.sub("{}", text)


def update(scripts):
    """Bring zh/*.po up to date: what is new is empty; what has gone stays as a comment."""
    for name, texts in wanted(scripts).items():
        path, new = HERE / "zh" / f"{name}.po", polib.POFile()
        new.extend(polib.POEntry(msgid=e, comment=place) for e, place in texts.items())
        catalogue = polib.pofile(path.read_text("utf-8"), wrapwidth=0)
        catalogue.merge(new)
        order = [*texts, *(entry.msgid for entry in catalogue.obsolete_entries())]
        catalogue.sort(key=lambda entry: order.index(entry.msgid))
        path.write_text(str(catalogue).rstrip() + "\n", "utf-8", newline="\n")
        print(f"{path.name}: {len(texts)} entries, {len(catalogue.untranslated_entries())} empty")


class Words:
    """What a catalogue says in one language: `words(english)`, or the English where it has none."""

    def __init__(self, language, name):
        self.language, self.texts = language, {}
        if language.code != "en":
            entries = polib.pofile((HERE / "zh" / f"{name}.po").read_text("utf-8"))
            self.texts = {entry.msgid: entry.msgstr for entry in entries}

    def __call__(self, english):
        return self.in_script(self.texts.get(unwrapped(english), "")) or english

    def in_script(self, chinese):
        """Traditional Chinese in the script of the language."""
        return simplified(chinese) if self.language.code == "zh-Hans" else chinese

    def filled(self, english):
        """The same for a row or a caption with its numbers."""
        return self(pattern(english)).format(*NUMBER.findall(english))


def translated(path, words):
    """A lesson as a notebook without outputs, its prose, docstring and comments in the language of
    `words`. Its code is the same code."""
    notebook = jupytext.read(path)
    for cell in notebook.cells if words.texts else ():
        if cell.cell_type == "markdown":
            cell.source = words(cell.source)
            continue
        lines = cell.source.split("\n")
        for comment in reversed(comments(cell.source)):
            before, chinese = lines[comment.first][: comment.column], words(comment.english)
            if chinese == comment.english:
                continue
            mark = "" if chinese.startswith('"') else "# "
            new = [f"{before}{mark}{line}".rstrip() for line in chinese.split("\n")]
            lines[comment.first : comment.last + 1] = new
        cell.source = "\n".join(lines)
    return notebook


T2S = opencc.OpenCC("tw2s")
# What OpenCC leaves as it is, or mainland readers write otherwise.
EXCEPTIONS = {"甚么": "什么", "想像": "想象", "「": "“", "」": "”", "『": "‘", "』": "’"}


def simplified(text):
    """Traditional Chinese in Simplified script; what is in backticks stays as it is."""
    pieces = re.split("(`[^`]*`)", text)  # every other one is in backticks
    for place in range(0, len(pieces), 2):
        pieces[place] = T2S.convert(pieces[place])
        for old, new in EXCEPTIONS.items():
            pieces[place] = pieces[place].replace(old, new)
    return "".join(pieces)


def joined(text):
    """Without line ends between Chinese characters, where Markdown would put a space."""
    lines = rf"(?m)^(?!#)(.*[{CHINESE}{MARKS}])\n(?=[{CHINESE}（「『《“])"
    return re.sub(lines, r"\1", text)
