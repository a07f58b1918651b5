"""The Chinese catalogues: whole, and with nothing lost that must stand in both languages."""

import re
import sys
from collections import Counter

import polib
import pytest
from running import LESSONS, ROOT

sys.path.insert(0, str(ROOT / "pages"))
import translations

WANTED = translations.wanted(list(LESSONS.values()))


def catalogue(name):
    return polib.pofile((ROOT / "pages" / "zh" / f"{name}.po").read_text("utf-8"))


def without_names(text):
    return re.sub("`[^`]*`", "", text)


def lost(english, chinese):
    """What a translation has lost, or has that it should not have."""
    names = set(re.findall("`[^`]*`", english)) - set(re.findall("`[^`]*`", chinese))
    faults = [f"{name} is lost" for name in names]
    if not english.startswith('"""'):
        number = r"(?<![\w.])\d+(?:[.,]\d+)*"
        theirs, ours = (Counter(re.findall(number, without_names(t))) for t in (english, chinese))
        faults += [f"the number {number} is lost" for number in theirs.keys() - ours.keys()]
    for pattern in (r"(?<=\]\()[^)]+", r"%\(\w+\)s", r"</?[a-z]+[^>]*>", r"\{\}"):
        faults += [
            f"{kept} is lost" for kept in set(re.findall(pattern, english)) if kept not in chinese
        ]
    if re.findall(r"(?m)^#+ |^\|", english) != re.findall(r"(?m)^#+ |^\|", chinese):
        faults.append("other headings or rows of a table")
    if not re.search(f"[{translations.CHINESE}]", chinese):
        faults.append("no Chinese")
    return faults


@pytest.mark.parametrize("name", WANTED)
def test_a_catalogue_is_whole(name):
    entries = {entry.msgid: entry for entry in catalogue(name)}
    assert list(entries) == list(WANTED[name]), "make translations"
    faults = {english: lost(english, entry.msgstr) for english, entry in entries.items()}
    assert {english[:60]: found for english, found in faults.items() if found} == {}


@pytest.mark.parametrize("name", WANTED)
def test_a_catalogue_is_traditional_and_fits_a_script(name):
    for entry in catalogue(name):
        simplified = [c for c in entry.msgstr if c > "一" and c <= "鿿" and not is_big5(c)]
        assert not simplified, (entry.msgid[:60], simplified)
        for line in entry.msgstr.split("\n") if name != "pages" else ():
            width = sum(1 + (c > "\u2e80") for c in line)
            assert width <= 98 or line[:1] in "|#" or entry.comment != "prose", line


def is_big5(character):
    try:
        return character == "着" or bool(character.encode("big5"))
    except UnicodeEncodeError:
        return False


def test_what_is_lost_is_noticed():
    assert lost("`a` is 5", "是 5") and lost("`a` is 5", "`a` 是六")
    assert lost("## One", "一") and lost("see [x](https://y)", "看")
    assert not lost("`a` is 5, [x](https://y)", "`a` 是 5，[某](https://y)")


def test_comments_are_found_and_put_back(tmp_path):
    code = 'x = "# no"  # one\n\n# two\n# lines\n\n# more\ny = (\n    1,  # (n, 3)\n)\n'
    code += 'def f():\n    """Says.\n\n    All.\n    """\n    # what\n'
    found = translations.comments(code)
    assert [comment.english for comment in found] == [
        *["one", "two lines", "more", "(n, 3)", '"""Says.\n\nAll. """', "what"],
    ]
    path = tmp_path / "lesson99_x.py"
    path.write_text(f'"""Lesson 99: A title\n\n    text\n"""\n\n# %%\n{code}', "utf-8")
    words = translations.Words(translations.LANGUAGES[1], "pages")
    words.texts = {
        "two lines": "兩\n行",
        "one": "一",
        '"""Says.\n\nAll. """': '"""說。\n\n完。\n"""',
        '"""Lesson 99: A title\n\n    text\n"""': '"""第 99 課：題\n\n    文\n"""',
    }
    head, cell = translations.translated(path, words).cells
    assert head.source == '"""第 99 課：題\n\n    文\n"""'
    written = 'x = "# no"  # 一\n\n# 兩\n# 行\n\n# more\ny = (\n    1,  # (n, 3)\n)\n'
    written += 'def f():\n    """說。\n\n    完。\n    """\n    # what'
    assert cell.source == written


def test_rows_are_filled_with_their_numbers():
    words = translations.Words(translations.LANGUAGES[1], "pages")
    words.texts = {"step {} of {}": "第 {} 步，共 {} 步"}
    assert words.filled("step 50 of 0.5") == "第 50 步，共 0.5 步"
    assert words.filled("5 % of conv1") == "5 % of conv1"


def test_simplified_characters_and_marks():
    assert translations.simplified("看著「顯著」的 `卷積`，甚麼") == "看着“显著”的 `卷積`，什么"
    assert translations.joined("一行，\n二行 a\nb\n\n三") == "一行，二行 a\nb\n\n三"
