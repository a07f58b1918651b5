"""The Chinese of lessons and pages: gettext catalogues, keyed by the English that they translate.

`zh/lessonNN.po` has a lesson's docstring, its prose, the comments in its code, and the rows and
captions of its report; `zh/pages.po` has the words of the pages themselves. They are in Traditional
script, in lines as a script shows them; Simplified is made from it.
"""

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


# ------------------------------------------------------------------- what there is to translate


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
    found["pages"] = of_pages()
    return {name: {e: p for e, p in texts.items() if is_words(e)} for name, texts in found.items()}


def of_pages():
    """The words of the templates, which mark them as Jinja's i18n extension has it."""
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"])
    environment.policies["ext.i18n.trimmed"] = True
    found = {}
    for template in sorted(HERE.glob("templates/*.html")):
        for _, _, message in environment.extract_translations(template.read_text("utf-8")):
            found[message if isinstance(message, str) else message[0]] = template.name
    return found


def is_words(english):
    """Whether there are English words outside names in backticks."""
    return re.search("[A-Za-z]{2,}", re.sub("`[^`]*`", "", english)) is not None


def comments(code):
    """The comments of a cell, a block of whole lines as one, and its docstring, if it has one:
    `english`, and `lines`, `column` of where it stands (lines from 0, the last one included)."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        (row, column), text = token.start, token.string
        alone = not token.line[:column].strip()
        if text.startswith('"""') and alone:  # a docstring
            found.append(
                SimpleNamespace(
                    english=unwrapped(re.sub(r"\n +", "\n", text)) if column else unwrapped(text),
                    first=row - 1,
                    last=token.end[0] - 1,
                    column=column,
                    alone=False,
                )
            )
        if token.type != tokenize.COMMENT:
            continue
        text = text.removeprefix("#").strip()
        before = found[-1] if found else None
        if alone and before and before.alone and (before.last, before.column) == (row - 2, column):
            before.english, before.last = f"{before.english} {text}", row - 1
        else:
            found.append(SimpleNamespace(english=text, first=row - 1, last=row - 1, column=column))
        found[-1].alone = alone
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


# ------------------------------------------------------------------------------- catalogues


def update(scripts):
    """Bring zh/*.po up to date: what is new is empty; what has gone stays as a comment."""
    for name, texts in wanted(scripts).items():
        path, new = HERE / "zh" / f"{name}.po", polib.POFile(wrapwidth=0)
        old = {entry.msgid: entry for entry in polib.pofile(path.read_text("utf-8"))}
        new.metadata = {"Language": "zh_Hant", "Content-Type": "text/plain; charset=UTF-8"}
        for english, place in texts.items():
            chinese = old.pop(english).msgstr if english in old else ""
            new.append(polib.POEntry(msgid=english, msgstr=chinese, comment=place))
        for entry in old.values():
            new.append(polib.POEntry(msgid=entry.msgid, msgstr=entry.msgstr, obsolete=True))
        path.write_text(str(new).rstrip() + "\n", "utf-8", newline="\n")
        print(f"{path.name}: {len(texts)} entries, {len(new.untranslated_entries())} empty")


class Words:
    """What a catalogue says in one language: `words(english)`, or the English where it has none."""

    def __init__(self, language, *names):
        self.language, self.texts = language, {}
        for name in names if language != "en" else ():
            text = (HERE / "zh" / f"{name}.po").read_text("utf-8")
            self.texts |= {entry.msgid: entry.msgstr for entry in polib.pofile(text)}

    def __call__(self, english):
        chinese = self.texts.get(unwrapped(english))
        if chinese and self.language == "zh-Hans":
            return simplified(chinese)
        return chinese or english

    def filled(self, english):
        """The same for a row or a caption with its numbers."""
        numbers = iter(NUMBER.findall(english))
        return re.sub(r"\{\}", lambda _: next(numbers), self(pattern(english)))


def translated(path, words):
    """A lesson as a notebook without outputs, its prose, docstring and comments in the language of
    `words`. Its code is the same code."""
    notebook = jupytext.read(path)
    for cell in notebook.cells if words.language != "en" else ():
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


# ---------------------------------------------------------------------------- the two scripts

T2S = opencc.OpenCC("t2s")
# What OpenCC leaves as it is, or mainland readers write otherwise.
EXCEPTIONS = {
    "(?<![显名原编卓专论遗土])著(?![名作者述称])": "着",  # 沿着, but 著名 and 显著
    "甚么": "什么",
    "想像": "想象",
    "「": "“",
    "」": "”",
    "『": "‘",
    "』": "’",
}


def simplified(text):
    """Traditional Chinese in Simplified script; what is in backticks stays as it is."""
    pieces = re.split("(`[^`]*`)", text)  # every other one is in backticks
    for place in range(0, len(pieces), 2):
        pieces[place] = T2S.convert(pieces[place])
        for old, new in EXCEPTIONS.items():
            pieces[place] = re.sub(old, new, pieces[place])
    return "".join(pieces)


def joined(text):
    """Without line ends between Chinese characters, where Markdown would put a space."""
    lines = rf"(?m)^(?!#)(.*[{CHINESE}{MARKS}])\n(?=[{CHINESE}（「『《“])"
    return re.sub(lines, r"\1", text)
