"""The Chinese of the pages and notebooks: gettext catalogues, keyed by the English they translate.

`zh/lessonNN.po` has a lesson's prose cells and the parts of its docstring, `zh/pages.po` the words
of the pages themselves. They are in Traditional script; Simplified is made from it.
"""

import ast
import difflib
import re
import unicodedata
from collections import Counter
from types import SimpleNamespace

try:
    import jinja2
    import jupytext
    import opencc
    import polib
except ImportError as error:
    raise SystemExit(f"{error}; set up with: pip install -r pages/requirements.txt") from error

LANGUAGES = [  # `notes` is what the notes' own words are written in on its pages
    SimpleNamespace(code="en", name="English", folder="", notes="zh-Hant"),
    SimpleNamespace(code="zh-Hant", name="繁體中文", folder="zh-hant/", notes="zh-Hant"),
    SimpleNamespace(code="zh-Hans", name="简体中文", folder="zh-hans/", notes="zh-Hans"),
]
MEASURED = "Measured:"  # what the answer to a question begins with; pages fold it
CHINESE = "一-鿿"
MARKS = "，。；：、！？…—）」』》"  # what may end a line of Chinese and never begins one
HEADER = {
    "Language": "zh_Hant",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}


class BadCatalogue(Exception):
    """A catalogue is missing or damaged. The message says which one, and why, in one line."""


# ------------------------------------------------------------------- what there is to translate


def docstring(path):
    """A lesson's docstring in its parts, each as Markdown: `number`, `title`, `chinese` (the notes'
    title), `intro`, `commands` [(command, comment)], `table` [[TF1, here]], `slips` [text]."""
    first, _, rest = ast.get_docstring(ast.parse(path.read_text("utf-8"))).partition("\n")
    number, title, chinese = re.match(rf"Lesson (\d+): ([^{CHINESE}]+)(.*)", first).groups()
    parts = re.split(r"((?:^\|.*\n?)+)", rest, maxsplit=1, flags=re.M)
    before, table, slips = parts if len(parts) == 3 else (rest, "", "")
    slips = re.sub(r"\s*Where the notes slip:?\s*", "", slips).strip()
    slips = re.split(r"\n\s*\n|\n(?=- )", slips[:1].upper() + slips[1:])
    return SimpleNamespace(
        number=number,
        title=title.strip(),
        chinese=chinese.strip(),
        intro=unwrapped(re.sub(r"^ {4}.*", "", before, flags=re.M)),
        commands=re.findall(r"^ {4}(.+?)(?: +# (.+))?$", before, re.M),
        table=[split_row(line) for line in table.strip().split("\n")[2:]],  # after head and rule
        slips=[unwrapped(slip.removeprefix("- ")) for slip in slips if slip],
    )


def split_row(line):
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [cell.replace(r"\|", "|").strip() for cell in cells]


def unwrapped(markdown):
    """Each paragraph and list item on one line, so that wrapping it anew changes nothing."""
    lines = []
    for line in markdown.strip().split("\n"):
        own_line = re.match(r"\s*([-*>]|#+|\d+\.)\s|\s*\||\s*$| {4}", line)
        if own_line or not lines or re.match(r"#|$| {4}", lines[-1]):
            lines.append(line.rstrip())
        else:
            lines[-1] += " " + line.strip()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def of_lesson(path):
    """All that is to be translated of a lesson: {English: where it stands}, in its order."""
    doc = docstring(path)
    found = [("title", doc.title), ("what you will see", doc.intro)]
    found += doc.commands
    found += [("TF1 table", cell) for row in doc.table for cell in row]
    found += [("where the notes slip", slip) for slip in doc.slips]
    for cell in jupytext.read(path).cells:
        if cell.cell_type == "markdown":
            found.append(("prose", cell.source))
    return {unwrapped(english): place for place, english in found if words_in(english)}


def of_pages(folder):
    """The same of the pages' templates, which mark their words as Jinja's i18n extension has it."""
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"])
    environment.policies["ext.i18n.trimmed"] = True
    found = {MEASURED: "before an answer"}
    for template in sorted(folder.glob("*.html")):
        for _, _, message in environment.extract_translations(template.read_text("utf-8")):
            english = message if isinstance(message, str) else message[0]  # with its values
            found.setdefault(english, template.name)
    return found


def of_all(scripts, templates, folder):
    """Every catalogue's path in `folder`, and what it has to translate."""
    found = {folder / f"{path.stem.split('_')[0]}.po": of_lesson(path) for path in scripts}
    return found | {folder / "pages.po": of_pages(templates)}


def words_in(markdown):
    """The English words outside names in backticks."""
    return re.findall("[A-Za-z]{2,}", re.sub("`[^`]*`", "", markdown))


# ------------------------------------------------------------------------------- catalogues


def read(path):
    """A catalogue; raises BadCatalogue where it is missing or damaged."""
    try:
        text = path.read_text("utf-8")
        for number, line in enumerate(text.splitlines(), 1):  # polib takes half a string as well
            if not re.fullmatch(r'(#.*|((msgid|msgstr) )?"([^"\\]|\\.)*")?', line.strip()):
                raise ValueError(f"line {number}: {line[:60]}")
        return polib.pofile(text, wrapwidth=100)
    except FileNotFoundError:
        raise BadCatalogue(f"{path} is missing: make translations begins one") from None
    except (OSError, ValueError) as error:  # polib's own are OSErrors
        raise BadCatalogue(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def update(path, wanted):
    """Bring a catalogue up to date with `wanted`, {English: place}: what is new is empty, what has
    changed is fuzzy and has the old English beside it, what has vanished is removed."""
    new = merged(read(path) if path.exists() else polib.POFile(), wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(new).rstrip() + "\n", "utf-8", newline="\n")
    fuzzy = len(new.fuzzy_entries())
    print(f"{path}: {len(new)} entries, {fuzzy} fuzzy, {sum(not e.msgstr for e in new)} empty")


def merged(old, wanted):
    new = polib.POFile(wrapwidth=100)
    new.metadata = HEADER
    have = {entry.msgid: entry for entry in old if not entry.obsolete}
    gone = [entry for entry in have.values() if entry.msgid not in wanted and entry.msgstr]
    added = [english for english in wanted if english not in have]
    before = changed(gone, added)
    for english, place in wanted.items():
        entry = have.get(english) or polib.POEntry(msgid=english)
        if english in before:
            entry.msgstr = before[english].msgstr
            entry.previous_msgid = before[english].previous_msgid or before[english].msgid
            entry.flags = ["fuzzy"]
        elif not entry.fuzzy:
            entry.previous_msgid = None
        entry.comment = place
        new.append(entry)
    return new


def changed(gone, added):
    """{English: the entry it had before it was changed}: the most similar pairs, and an only one
    whatever it looks like."""

    def likeness(entry, english):
        return difflib.SequenceMatcher(None, entry.msgid.split(), english.split()).ratio()

    pairs = [(likeness(entry, english), entry, english) for entry in gone for english in added]
    before = {}
    for ratio, entry, english in sorted(pairs, key=lambda pair: -pair[0]):
        is_free = english not in before and entry not in before.values()
        if is_free and (ratio >= 0.4 or len(pairs) == 1):
            before[english] = entry
    return before


# ----------------------------------------------------------------------------------- checks


def problems(catalogue, wanted, measured=MEASURED):
    """What keeps a catalogue from being a whole translation of `wanted`, a line each; `measured`
    is the Chinese of MEASURED."""
    found = []
    entries = {entry.msgid: entry for entry in catalogue}
    for english in [*wanted, *(entries.keys() - wanted.keys())]:
        entry = entries.get(english)
        if entry is None:
            faults = ["not in the catalogue: make translations"]
        elif entry.obsolete or english not in wanted:
            faults = ["obsolete: make translations"]
        elif entry.fuzzy or not entry.msgstr:
            faults = ["fuzzy" if entry.fuzzy else "empty"]
        else:
            faults = lost(english, entry.msgstr, measured)
        found += [f"{fault}, in: {english[:60]!r}" for fault in faults]
    return found


def lost(english, chinese, measured=MEASURED):
    """What a translation has lost, or has that it should not have."""

    def both(pattern):
        return (re.findall(pattern, re.sub("`[^`]*`", "", text)) for text in (english, chinese))

    faults = []
    names = set(re.findall("`[^`]*`", english)) - set(re.findall("`[^`]*`", chinese))
    faults += [f"{name} is lost" for name in sorted(names)]
    theirs, ours = both(r"\d+(?:[.,]\d+)*")
    faults += [f"the number {number} is lost" for number in Counter(theirs) - Counter(ours)]
    for pattern in (r"(?<=\]\()[^)]+", r"</?[a-z][^>]*>", r"%\(\w+\)s"):  # links, tags, values
        theirs, ours = both(pattern)
        faults += [f"{kept} is lost" for kept in sorted(set(theirs) - set(ours))]
    theirs, _ = both(f"[{CHINESE}]+")
    faults += [f"the notes' {term} is lost" for term in theirs if term not in chinese]
    theirs, ours = both(r"(?m)^#+ |^- ")
    if theirs != ours:
        faults.append("other headings or list items")
    if english != MEASURED and english.count(MEASURED) != chinese.count(measured):
        faults.append(f"{MEASURED} is not {measured}")
    if re.search("[A-Za-z][‘’][A-Za-z]", chinese):
        faults.append("a curly apostrophe between letters: write '")
    _, (*ours,) = both(f"[{CHINESE}]")
    if not ours and len(words_in(english)) > 3:
        faults.append("no Chinese")
    simplified_only = sorted({character for character in ours if not in_big5(character)})
    return faults + [f"{character} is Simplified" for character in simplified_only]


def in_big5(character):
    try:
        return bool(character.encode("big5"))
    except UnicodeEncodeError:
        return False


# ---------------------------------------------------------------------------- the two scripts

T2S, S2T = opencc.OpenCC("t2s"), opencc.OpenCC("s2t")
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
        for pattern, replacement in EXCEPTIONS.items():
            pieces[place] = re.sub(pattern, replacement, pieces[place])
    return "".join(pieces)


def in_script(text, language):
    """Chinese of either script in that of a page; English pages show it as it is."""
    if language == "zh-Hans":
        return simplified(text)
    to_simplified, to_traditional = T2S.convert(text), S2T.convert(text)
    changed_by = [
        sum(ours != theirs for ours, theirs in zip(text, other))
        for other in (to_simplified, to_traditional)
    ]
    is_simplified = changed_by[0] < changed_by[1]
    return to_traditional if language == "zh-Hant" and is_simplified else text


# ------------------------------------------------------------------------------ translating


class Words:
    """What a page or a notebook says, in one language: `words(english)` is its text there, or None
    where the catalogues have none that is up to date."""

    def __init__(self, language, *catalogues):
        self.language = language
        self.texts = {e.msgid: e.msgstr for known in catalogues for e in known if e.translated()}

    def __call__(self, english):
        if self.language == "en" or not words_in(english):
            return english
        text = self.texts.get(unwrapped(english))
        return text and in_script(joined(text), self.language)

    def text(self, english):
        """The same, or the English."""
        return english if (text := self(english)) is None else text


def in_all_languages(wanted):
    """The `Words` of `of_all`, {code of a language: {"pages" or "lesson15": Words}}."""
    read_once = {path.stem: read(path) for path in wanted}
    return {
        language.code: {
            name: Words(language.code, read_once["pages"], catalogue)
            for name, catalogue in read_once.items()
        }
        for language in LANGUAGES
    }


def head(doc, words):
    """A lesson's `docstring` as Markdown, for a notebook's first cell."""
    say = words.text
    lines = [f"# {doc.number} {say(doc.title)}"]
    lines[0] += f" {doc.chinese}" if words.language == "en" else ""
    lines += ["", say(doc.intro), ""]
    for command, comment in doc.commands:
        lines.append(f"    {command}  # {say(comment)}" if comment else f"    {command}")
    lines += ["", f"| {say('TF1 in the notes')} | {say('here')} |", "|---|---|"]
    for row in doc.table:
        lines.append("| " + " | ".join(say(cell).replace("|", r"\|") for cell in row) + " |")
    lines += ["", f"**{say('Where the notes slip')}**", ""] if doc.slips else []
    return "\n".join(lines + [f"- {say(slip)}" for slip in doc.slips])


def joined(text):
    """Without line ends between Chinese characters, where Markdown would put a space."""
    lines = rf"(?m)^(?!#)(.*[{CHINESE}{MARKS}])\n(?=[{CHINESE}（「『《])"
    return re.sub(lines, r"\1", text)


def wrapped(text, width=98):
    """Chinese Markdown in lines that an editor shows whole: two columns a character, no line that
    begins with a punctuation mark, no name in two."""
    outside_names = "(?=(?:[^`]*`[^`]*`)*[^`]*$)"
    may_break = rf"(?:(?<=[{CHINESE}{MARKS}])(?=[{CHINESE}（「『《])|(?<= )){outside_names}"
    lines = []
    for paragraph in text.split("\n"):
        lines.append("")
        pieces = [paragraph] if paragraph[:1] in ("|", " ", "#") else re.split(may_break, paragraph)
        for piece in pieces:
            if columns(lines[-1] + piece.rstrip()) > width and lines[-1]:
                lines.append("  " if paragraph.startswith("- ") else "")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def columns(text):
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)
