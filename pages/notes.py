"""Cut a reader's own copy of the notes into sections, and break its squeezed code into lines.

The text is only shown. It is never executed, and never part of what this project publishes.
"""

import re
from keyword import kwlist
from pathlib import Path

NUMERALS = dict(zip(range(15, 23), "十五 十六 十七 十八 十九 二十 二十一 二十二".split()))


def read(path):
    """The sections in a file: {15: "十五、…\\n…", 16: …}, for as many headings as it has.

    The right encoding is the first one in which the headings appear.

    Raises:
        OSError: if there is no such file, or none of the headings 十五 … 二十二 is in it.
    """
    content = Path(path).read_bytes()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5hkscs"):
        if sections := cut(content.decode(encoding, errors="replace")):
            return sections
    raise OSError(
        f"{path}: none of the headings 十五、 to 二十二、 in it (as UTF-8, UTF-16, GB18030 or Big5)"
    )


def cut(text):
    """The text of each section by its number, heading included.

    Headings are looked for from the end, so that a table of contents at the top is passed over.
    Some of them have lost the line end before them: `step+=1十八、…`.
    """
    text = re.sub(r"\r\n?|\u2028", "\n", text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    sections = {}
    for number, numeral in reversed(NUMERALS.items()):
        headings = re.finditer(rf"(?<![一-鿿]){numeral}[ \t]*[、.:．：,，]", text)
        for heading in list(headings)[-1:]:
            sections[number] = text[heading.start() :].strip()
            text = text[: heading.start()]
    return dict(sorted(sections.items()))


def blocks(section):
    """Pairs ("prose" or "code", text) for the lines of a section after its heading."""
    starts_like_python = (
        r'from [\w.]+ import|import \w|def \w+\(|with [\w.]+\(|"""|#|[A-Za-z_]\w* ?= ?\S'
    )
    lines = filter(None, map(str.strip, section.split("\n")[1:]))
    is_code = re.compile(starts_like_python).match
    return [("code", break_code(line)) if is_code(line) else ("prose", line) for line in lines]


# Beginnings of a line that cannot be anything else, even with the end of another glued on:
# `return resultdef weight_variable(shape):`.
GLUED = re.compile(
    r"""(?<=\w)(?=def\ [A-Za-z_]\w*\( | from\ [\w.]+\ import\  | import\ \w[\w.]*\ as\b
        | for\ \w+\ in\ [\w.]+\( | class\ [A-Z]\w*:)""",
    re.X,
)
TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<comment>[\#一-鿿][^\#\n]*)
    | (?P<word>\"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
        | (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?
        | [A-Za-z_][A-Za-z_0-9]*)
    | (?P<sign>.)
    """,
    re.X | re.S,
)
# Where a comment that has lost its line end is over: a statement cannot be read as a sentence.
COMMENT_OVER = re.compile(
    r"""(?<=[^#\w\s])\s*(?='\w+'\s*:) | (?<=[一-鿿])(?=\[\d,)
    | (?<=[\s):\]一-鿿])(?<!\#\s)(?=
        (?:[A-Za-z_]\w*\s*,\s*){0,9}(?:\w*[_\d]\w*|\w{1,2})\s*[-+*/]?=(?!=)
        | (?:[A-Za-z_]\w*\s*,\s*){0,9}[A-Za-z_][\w.]*\s*[-+*/]?=\s*(?:[A-Za-z_][\w.]*\(|\[)
        | (?<![-+*/]\s)(?<!with\s)[A-Za-z_]\w*\.\w+\( | print\( | def\s\w+\( | with\s\w+\.\w+\(
        | for\s\w+\sin\s\w+\( | import\s[\w.]+\sas\s | return\s\w+\. | if\s\w+: )""",
    re.X | re.A,
)
KEYWORDS = {*kwlist} - {"None", "True", "False"}


def break_code(code):
    """Put back the line ends that Python cannot do without, and no others.

    Outside brackets two operands never follow each other, so a line must have ended between
    them: `tf.Session()saver = …`. The lost indentation is not guessed.
    """
    code = GLUED.sub("\n", code)
    lines, depth, previous, position = [""], 0, "", 0
    while match := TOKEN.match(code, position):
        kind, token = match.lastgroup, match[0]
        if kind == "comment" and (over := COMMENT_OVER.search(token, 1)):
            token = token[: over.start()]
            depth -= depth > 0 and token.endswith(")")  # which the comment had swallowed
        position += len(token)
        if "\n" in token and kind == "space":
            lines.append("")
            depth, previous = 0, ""
            continue
        if kind == "space":
            lines[-1] += " "
            continue
        line = lines[-1]
        is_new = (
            (kind == "comment" and not line.endswith(" "))
            or (previous == ":" and re.match(r"\w*", line)[0] in KEYWORDS)
            or (previous == "operand" and kind == "word" and begins(token, line, code[position:]))
        )
        if previous == "comment" or (is_new and depth == 0):
            lines.append("")
        lines[-1] += token
        if kind == "sign":
            depth = max(0, depth + (token in "([{") - (token in ")]}"))
        if token in ")]}" or (kind == "word" and token not in KEYWORDS):
            previous = "operand"
        else:
            previous = ":" if token == ":" and depth == 0 else kind
    return "\n".join(line.strip() for line in lines if line.strip())


def begins(word, line, rest):
    """Whether a word right after an operand, outside brackets, begins a new line."""
    if word == "if":  # `x = a if b else c` goes on; `…)if step % 20 == 0:` is a new line
        return re.match(r"(?:(?!\belse\b)[^:#])*:", rest)
    if word == "else":
        return rest.lstrip().startswith(":")
    if word == "import":
        return not re.fullmatch(r"from [\w.]+ *", line)
    return word not in ("and", "or", "in", "is", "not", "as")
