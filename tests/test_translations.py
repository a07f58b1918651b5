"""The Chinese catalogues: whole, up to date, true to their English; how they are kept so."""

import re
import subprocess
import sys

import polib
import pytest
from running import LESSONS, ROOT

sys.path.insert(0, str(ROOT / "pages"))
import build
import translations

CATALOGUES = build.catalogues()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_catalogue_is_whole_and_true_to_the_english(path):
    catalogue = translations.read(path)
    pages = {entry.msgid: entry.msgstr for entry in translations.read(path.parent / "pages.po")}
    wanted, measured = CATALOGUES[path], pages[translations.MEASURED]
    assert translations.problems(catalogue, wanted, measured) == []


# ------------------------------------------------------------------ what is to be translated

SCRIPT = '''\
"""Lesson 15: Reading `MNIST` digits 數字

You will see
two lines.

    python lessons/lesson15_x.py            # the notes' settings
    python lessons/lesson15_x.py --steps 1

| TF1 in the notes | here                   |
|------------------|------------------------|
| `tf.a \\\\| b`     | `tf.c`                 |
| `Session`        | nothing: it is at once |

Where the notes slip:
- One thing,
  on two lines.
- Another.
"""

# %%
import common

# %% [markdown]
# ## A heading
# A paragraph on
# two lines.
#
# - an item,
#   which goes on
# - 2 items
#
#     code = 1
#     more = 2
'''
WANTED = {
    "Reading `MNIST` digits": "title",
    "You will see two lines.": "what you will see",
    "the notes' settings": "python lessons/lesson15_x.py",
    "nothing: it is at once": "TF1 table",
    "One thing, on two lines.": "where the notes slip",
    "Another.": "where the notes slip",
    "## A heading\nA paragraph on two lines.\n\n- an item, which goes on\n- 2 items\n\n"
    "    code = 1\n    more = 2": "prose",
}


def test_prose_headings_and_each_part_of_the_docstring_are_translated(tmp_path):
    (tmp_path / "lesson15_x.py").write_text(SCRIPT, "utf-8")
    assert translations.of_lesson(tmp_path / "lesson15_x.py") == WANTED
    doc = translations.docstring(tmp_path / "lesson15_x.py")
    assert doc.chinese == "數字" and doc.table[0] == ["`tf.a | b`", "`tf.c`"]
    (tmp_path / "lesson15_x.py").write_text(SCRIPT.replace("slip:\n- One", "slip: one"), "utf-8")
    doc = translations.docstring(tmp_path / "lesson15_x.py")
    assert doc.slips == ["One thing, on two lines.", "Another."]


@pytest.mark.parametrize("number", LESSONS)
def test_every_docstring_has_its_parts(number):
    doc = translations.docstring(LESSONS[number])
    text = LESSONS[number].read_text("utf-8")
    assert doc.title and doc.intro and doc.slips and "|" not in doc.intro
    assert all(command.startswith("python lessons/") for command, _ in doc.commands)
    assert len(doc.table) == len(re.findall(r"^\|", text, re.M)) - 2
    assert {len(row) for row in doc.table} == {2}


def test_wrapping_a_cell_anew_changes_nothing(tmp_path):
    (tmp_path / "lesson15_x.py").write_text(
        SCRIPT.replace("will see\ntwo", "will\nsee two")
        .replace("paragraph on\n# two", "paragraph\n# on two")
        .replace("One thing,\n  on", "One\n  thing, on"),
        "utf-8",
    )
    assert translations.of_lesson(tmp_path / "lesson15_x.py") == WANTED


def test_the_templates_words_are_marked(tmp_path):
    (tmp_path / "a.html").write_text(
        "{{ _('one') }} {{ _('see %(what)s', what=1) }}{% trans %}\n  a <b>long</b>\n  one"
        "{% endtrans %}"
    )
    found = translations.of_pages(tmp_path)
    assert [*found] == [translations.MEASURED, "one", "see %(what)s", "a <b>long</b> one"]
    for path in (ROOT / "pages" / "templates").glob("*.html"):
        html = re.sub(r"(?s)<script>.*?</script>|\{% trans.*?endtrans %\}", "", path.read_text())
        html = re.sub(r"(?s)\{\{.*?\}\}|\{%.*?%\}", "", html)
        words = re.findall(r"[A-Za-z]\w+", re.sub(r"<[^>]*>", "", html))
        assert set(words) <= {"TF1", "TF2", "Tensorflow"}, f"{path.name}: cannot be translated"


# --------------------------------------------------------------------------------- updates


def catalogue(**texts):
    made = polib.POFile()
    for english, chinese in texts.items():
        made.append(polib.POEntry(msgid=english, msgstr=chinese))
    return made


def filled(wanted):
    return catalogue(**{english: f"譯 {number}" for number, english in enumerate(wanted)})


def test_an_update_adds_removes_and_keeps(tmp_path, capsys):
    path = tmp_path / "zh" / "a.po"
    translations.update(path, {"one word": "title", "two words": "prose"})
    assert "2 entries, 0 fuzzy, 2 empty" in capsys.readouterr().out
    written = translations.read(path)
    written[0].msgstr, written[1].msgstr = "一", "二"
    written.save(str(path))
    before = path.read_bytes()

    translations.update(path, {"one word": "title", "two words": "prose"})
    assert path.read_bytes().strip() == before.strip(), "nothing changed, nothing is written anew"
    translations.update(path, {"three": "prose", "one word": "title", "new": "prose"})
    read = {entry.msgid: entry.msgstr for entry in translations.read(path)}
    assert read == {"three": "", "one word": "一", "new": ""}
    assert "two" not in path.read_text("utf-8")


@pytest.mark.parametrize("number", LESSONS)
def test_one_changed_word_makes_exactly_one_entry_fuzzy(number):
    wanted = translations.of_lesson(LESSONS[number])
    before = filled(wanted)
    for english in wanted:
        changed = re.sub(r"[A-Za-z]{2,}(?=[^A-Za-z`]*$)", "otherwise", english, count=1)
        changed = changed if changed != english else english + " otherwise"
        after = translations.merged(
            before, {changed if it == english else it: place for it, place in wanted.items()}
        )
        (fuzzy,) = after.fuzzy_entries()
        assert (fuzzy.msgid, fuzzy.previous_msgid) == (changed, english)
        assert [entry.msgstr for entry in after] == [entry.msgstr for entry in before]


def test_of_many_changes_each_finds_the_entry_most_like_it():
    texts = ["the cost goes down", "the accuracy goes up a little", "nothing else"]
    after = translations.merged(
        filled(texts), dict.fromkeys(["the accuracy goes up", "the cost goes far down", "apart"])
    )
    assert [(entry.msgstr, entry.fuzzy) for entry in after] == [
        *[("譯 1", True), ("譯 0", True), ("", False)],
    ]


def test_a_fuzzy_entry_that_changes_again_keeps_the_english_it_was_made_from():
    once = translations.merged(filled(["a cat sat here"]), {"a dog sat here": ""})
    twice = translations.merged(once, {"a dog sat there": ""})
    assert twice[0].fuzzy and twice[0].previous_msgid == "a cat sat here"
    restored = translations.merged(twice, {"a dog sat there": ""})
    assert restored[0].fuzzy, "until a translator takes the mark away"


# ---------------------------------------------------------------------------------- checks


def test_what_is_missing_fuzzy_empty_or_obsolete_is_refused():
    found = catalogue(fuzzy="糊", empty="", gone="去", here="在")
    found[0].flags.append("fuzzy")
    wanted = dict.fromkeys(["fuzzy", "empty", "here", "missing"], "prose")
    assert [line.split(",")[0] for line in translations.problems(found, wanted)] == [
        *["fuzzy", "empty", "not in the catalogue: make translations"],
        "obsolete: make translations",
    ]
    found = catalogue(here="在")
    found[0].obsolete = True
    assert translations.problems(found, {"here": "prose"}) == [
        "obsolete: make translations, in: 'here'"
    ]


GOOD = {
    "## Try it 動手試試\nRun `--steps 301`.\n\nMeasured: 0.97.": (
        "## 動手試試\n跑 `--steps 301`。\n\n實測：0.97。"
    ),
    "A (梯度) of 1,000 x 2.5, see [it](https://a.b/c)": "梯度 1,000 x 2.5，見[它](https://a.b/c)",
    "%(found)s of <b>%(all)s</b>": "<b>%(all)s</b> 中的 %(found)s",
    "rate = 1 - keep_prob": "rate = 1 - keep_prob",
    "- one\n- two": "- 一\n- 二",
}


@pytest.mark.parametrize("english", GOOD)
def test_a_true_translation_passes(english):
    assert translations.lost(english, GOOD[english], "實測：") == []


LOST = {
    "a name": ("the `tf.cost` falls", "`tf.coost` 下降", "`tf.cost` is lost"),
    "a number": ("from 0.102 to 5", "從 0.120 到 5", "the number 0.102 is lost"),
    "one of two numbers": ("5 x 5", "5 x 3", "the number 5 is lost"),
    "a link": ("see [this](a.md)", "看[這個](b.md)", "a.md is lost"),
    "a term": ("a filter (過濾器)", "一個濾波器", "the notes' 過濾器 is lost"),
    "a value": ("%(found)s of it", "其中的 %(fund)s", "%(found)s is lost"),
    "a tag": ("a <b>c</b>", "一個 <b>c", "</b> is lost"),
    "a heading": ("## One\ntwo", "一\n二", "other headings or list items"),
    "an item": ("- one\n- two", "- 一和二", "other headings or list items"),
    "an answer": ("Run. Measured: it.", "跑。測得它。", "Measured: is not 實測："),
    "the apostrophe": ("Mofan's", "Mofan’s 教程", "a curly apostrophe between letters: write '"),
    "all of it": ("the cost falls far down", "the cost falls", "no Chinese"),
    "its script": ("the data", "数據", "数 is Simplified"),
}


@pytest.mark.parametrize("english, chinese, fault", LOST.values(), ids=LOST)
def test_a_translation_that_has_lost_something_is_refused(english, chinese, fault):
    assert translations.lost(english, chinese, "實測：") == [fault]


# ------------------------------------------------------------------------------ the scripts


def test_the_notes_vocabulary_in_simplified_script():
    traditional = "變量 數據 卷積核 激活函數 過擬合 批標準化 遷移學習 特征 動手試試"
    simplified = "变量 数据 卷积核 激活函数 过拟合 批标准化 迁移学习 特征 动手试试"
    assert translations.simplified(traditional) == simplified


EXCEPTIONS = {
    "沿著梯度，看著它，接著走，意味著": "沿着梯度，看着它，接着走，意味着",
    "著名的顯著差別，名著": "著名的显著差别，名著",
    "甚麼想像": "什么想象",
    "「第 0 步」是『零』": "“第 0 步”是‘零’",
}


@pytest.mark.parametrize("traditional", EXCEPTIONS)
def test_what_opencc_gets_wrong_is_put_right(traditional):
    assert translations.simplified(traditional) == EXCEPTIONS[traditional]
    assert translations.T2S.convert(traditional) != EXCEPTIONS[traditional] or "名" in traditional


def test_names_in_backticks_stay_as_they_are():
    assert translations.simplified("變量 `變量`, `a`，數據 `數") == "变量 `變量`, `a`，数据 `数"


def test_the_readers_notes_are_shown_in_the_script_of_the_page():
    traditional, simplified = "卷積神經網絡，特征，這里，最后", "卷积神经网络，特征，这里，最后"
    for notes in (traditional, simplified):
        assert translations.in_script(notes, "en") == notes
        assert translations.in_script(notes, "zh-Hans") == simplified
    assert translations.in_script(traditional, "zh-Hant") == traditional, "as the reader has it"
    assert translations.in_script(simplified, "zh-Hant") == "卷積神經網絡，特徵，這裏，最後"


# ----------------------------------------------------------------------------- translating


def test_words_are_chinese_where_they_are_up_to_date():
    known = catalogue(**{"## One\na b": "## 一\n變量，\n變量", "fuzzy": "糊", "empty": ""})
    known[1].flags.append("fuzzy")
    hant, hans = (translations.Words(code, known) for code in ("zh-Hant", "zh-Hans"))
    assert hant("## One\na\nb") == "## 一\n變量，變量", "no space where a line of Chinese ends"
    assert hans("## One\na b") == "## 一\n变量，变量"
    assert [hant("fuzzy"), hant("empty"), hant("unknown")] == [None] * 3
    assert hant.text("fuzzy") == "fuzzy" and hant("`only_code`") == "`only_code`"
    assert translations.Words("en", known)("## One\na b") == "## One\na b"


def test_chinese_is_wrapped_for_an_editor():
    text = (
        "## 標題\n"
        + "卷積，每次只看 `5 x 5` 的一小塊。" * 9
        + "\n\n- "
        + "一項、" * 40
        + "\n\n    code"
    )
    lines = translations.wrapped(text, 40).split("\n")
    assert max(map(translations.columns, lines)) <= 40 and len(lines) > 10
    assert not any(line.strip()[:1] in [*translations.MARKS] for line in lines if line)
    assert "".join(lines).replace(" ", "") == text.replace("\n", "").replace(" ", "")
    assert all(line.count("`") % 2 == 0 for line in lines), "no name in two"
    assert lines[0] == "## 標題" and lines[-1] == "    code"


# ------------------------------------------------------------------------------- bad input

DAMAGED = {
    "a conflict": "<<<<<<< HEAD\nmsgid ''\n",
    "half a string": 'msgid "a\nmsgstr ""\n',
    "no text": "\x00\x01",
    "not UTF-8": b'msgid "a"\nmsgstr "\xa4\xa4"\n',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("command", ["translations", "site", "notebooks"])
def test_a_damaged_catalogue_is_one_line(content, command, tmp_path, monkeypatch, capsys):
    lessons = [(tmp_path / "lesson15_x.py")]
    lessons[0].write_text(SCRIPT, "utf-8")
    path = tmp_path / "pages" / "zh" / "lesson15.po"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "lessons", lambda: lessons)
    out = [] if command == "translations" else ["--out", str(tmp_path / "out")]
    assert build.main([command, *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line and "is damaged" in line
    assert not (tmp_path / "out").exists()


def test_a_missing_catalogue_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "lessons", lambda: [])
    assert build.main(["notebooks", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pages.po is missing: make translations" in line


def test_without_opencc_it_says_what_to_install():
    script = "import sys; sys.modules['opencc'] = None; import build"
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "pages", capture_output=True, text=True
    )
    (line,) = process.stderr.splitlines()
    assert process.returncode == 1
    assert "opencc" in line and "pip install -r pages/requirements.txt" in line
