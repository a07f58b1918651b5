"""Cut a reader's own copy of the notes into sections, and break its squeezed code into lines.

The text is only shown. It is never executed, and never part of what this project publishes.
"""

import re
from pathlib import Path

NUMERALS = dict(zip(range(15, 23), "十五 十六 十七 十八 十九 二十 二十一 二十二".split()))
LARGEST = 1_000_000  # bytes; the notes have 40,000
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5hkscs")


class Unreadable(Exception):
    """The file cannot be the notes. The message says why, in one line."""


def read(path):
    """The sections in a file: {15: "十五、…\\n…", 16: …}, for as many headings as it has.

    The right encoding is the first one in which the headings appear.

    Raises:
        Unreadable: if there is no such file, or none of the headings 十五 … 二十二 is in it.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise Unreadable(
                f"{path}: {'not a file' if path.exists() else 'there is no such file'}"
            )
        if path.stat().st_size > LARGEST:
            raise Unreadable(f"{path}: too large for the notes (over {LARGEST:,} bytes)")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise Unreadable(f"{path}: cannot be read ({error})") from error
    if not content.strip():
        raise Unreadable(f"{path}: empty")
    for encoding in ENCODINGS:
        try:
            sections = cut(content.decode(encoding))
        except UnicodeDecodeError:
            continue
        if sections:
            return sections
    raise Unreadable(
        f"{path}: none of the headings 十五、 to 二十二、 in it "
        "(UTF-8, UTF-16, GB18030 and Big5 tried)"
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
    pairs = []
    for line in filter(None, map(str.strip, section.split("\n")[1:])):
        is_code = re.match(starts_like_python, line) and len(line) < 20_000
        pairs.append(("code", break_code(line)) if is_code else ("prose", line))
    return pairs


# Beginnings of a line that cannot be anything else, even with the end of another glued on:
# `return resultdef weight_variable(shape):`.
GLUED = re.compile(
    r"""(?<=\w)(?=def\ [A-Za-z_]\w*\( | from\ [\w.]+\ import\  | import\ \w[\w.]*\ as\b
        | for\ \w+\ in\ [\w.]+\( | class\ [A-Z]\w*:)""",
    re.X,
)
TOKEN = re.compile(
    r"""(?P<line_end>\n)
    | (?P<space>\s+)
    | (?P<comment>[\#一-鿿][^\#\n]*)
    | (?P<operand>\"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
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
STATEMENT = set("def class with while for try except finally return elif del raise global".split())
JOINING = set("and or in is not as if else import from lambda".split())
BLOCK = set("def class with while for if elif else try except finally".split())


def break_code(code):
    """Put back the line ends that Python cannot do without, and no others.

    Outside brackets two operands never follow each other, so a line must have ended between
    them: `tf.Session()saver = …`. The lost indentation is not guessed.
    """
    code = GLUED.sub("\n", code)
    lines, depth, previous, position = [""], 0, "", 0
    while match := TOKEN.match(code, position):
        kind, token = match.lastgroup, match[0]
        if kind == "comment":
            over = COMMENT_OVER.search(token, 1)
            token = token[: over.start()] if over and over.start() else token
            depth -= depth > 0 and over is not None and token.endswith(")")
        position += len(token)
        rest = code[position:]
        if kind == "line_end":
            lines.append("")
            depth, previous = 0, ""
            continue
        if kind == "space":
            lines[-1] += " "
            continue
        in_block = lines[-1].split("(")[0].split(" ")[0].rstrip(":") in BLOCK
        begins = (
            previous == "comment"
            or (kind == "comment" and depth == 0 and not lines[-1].endswith(" "))
            or (depth == 0 and previous == ":" and in_block)
            or (
                depth == 0
                and previous == "operand"
                and kind == "operand"
                and is_start(token, rest, lines[-1])
            )
        )
        if begins:
            lines.append("")
        lines[-1] += token
        if kind == "sign":
            depth = max(0, depth + (token in "([{") - (token in ")]}"))
        if kind == "comment" or (kind == "sign" and token == ":" and depth == 0):
            previous = "comment" if kind == "comment" else ":"
        elif token in ")]}" or (kind == "operand" and token not in STATEMENT | JOINING):
            previous = "operand"
        else:
            previous = "joint"
    return "\n".join(line.strip() for line in lines if line.strip())


def is_start(token, rest, line):
    """Whether a word right after an operand, outside brackets, begins a new line."""
    if token == "if":  # `x = a if b else c` goes on; `…)if step % 20 == 0:` is a new line
        return re.match(r"(?:(?!\belse\b)[^:#])*:", rest) is not None
    if token == "else":
        return rest.lstrip().startswith(":")
    if token == "import":
        return not re.fullmatch(r"from [\w.]+ *", line)
    return token == "from" or token not in JOINING
