"""The built pages in a real browser: layout, links, search, keyboard, contrast."""

import os
import shutil
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from running import LESSONS, ROOT
from test_readme import BENCH

pytest.importorskip("playwright", reason="needs pip install playwright")
pytest.importorskip("axe_playwright_python", reason="needs pip install axe-playwright-python")
pytest.importorskip("nbclient", reason="needs pip install -r pages/requirements.txt")
sys.path.insert(0, str(ROOT / "pages"))
import axe_playwright_python as axe
import build
from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")
AXE = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
DESKTOP, PHONE, WIDE = (1280, 900), (390, 844), (1920, 1080)
NOTES = {
    number: f"{numeral}、自己的筆記\n說明 <b>不是粗體</b>\n"
    "import a as b x = b.f(1)y = '<script>document.title=1</script>'\n" + "很長的一行" * 90
    for number, numeral in build.readers_notes.NUMERALS.items()
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """All the lessons, run once with --smoke: the pages without and with the reader's notes."""
    shown = build.run_all(["--smoke"], 2, time.time())
    folder = tmp_path_factory.mktemp("我的 pages")
    build.write_site(shown, folder / "plain", {}, BENCH)
    build.write_site(shown, folder / "with notes", NOTES)
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, sites):
    """Open a page; when the test ends, nothing may have gone wrong or have been fetched."""
    complaints, contexts = [], []

    def visit(path, size=DESKTOP, **options):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on(
            "request",
            lambda request: (
                urlsplit(request.url).scheme in ("file", "data")
                or complaints.append(f"fetched {request.url}")
            ),
        )
        page.goto((sites / path).as_uri(), wait_until="load")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


LESSON_PAGES = [f"{path.stem}.html" for path in LESSONS.values()]
PAGES = ["index.html", "tf1.html", *LESSON_PAGES]
ALL = [f"plain/{page}" for page in PAGES] + [f"with notes/{page}" for page in LESSON_PAGES[:2]]


@pytest.mark.parametrize("path", ALL)
def test_nothing_scrolls_sideways(visit, path):
    page = visit(path)
    for width, height in (DESKTOP, PHONE, (700, 900), WIDE):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if path.startswith("with notes"):
            page.locator(".notes").evaluate("notes => notes.open = !notes.open")
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark"]
)
def test_axe_has_no_complaint(visit, path, scheme, size):
    page = visit(path, size, color_scheme=scheme)
    page.evaluate(AXE)
    rules = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
    found = page.evaluate(f"axe.run({{runOnly: {rules}, preload: false}})")
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    complaints = [
        (rule["id"], node["html"], node["failureSummary"])
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    assert complaints == []


ROWS = """[...document.querySelectorAll(".row")].map(row => {
    const box = selector => row.querySelector(selector).getBoundingClientRect().toJSON();
    return {prose: box(".prose"), work: box(".work")};
})"""


@pytest.mark.parametrize("path", LESSON_PAGES)
def test_prose_and_code_are_at_the_same_height_and_stacked_on_a_phone(visit, path):
    rows = visit(f"plain/{path}").evaluate(ROWS)
    assert len(rows) > 3
    for row in rows:
        assert row["prose"]["top"] == pytest.approx(row["work"]["top"], abs=1)
        assert row["prose"]["right"] < row["work"]["left"]
        assert 300 < row["prose"]["width"] < 600 < row["work"]["width"]
    for row in visit(f"plain/{path}", PHONE).evaluate(ROWS):
        assert row["prose"]["bottom"] <= row["work"]["top"] + 1
        assert row["prose"]["left"] == row["work"]["left"]


@pytest.mark.parametrize("path", LESSON_PAGES)
def test_a_hundred_columns_of_code_fit_at_1280(visit, path):
    too_wide = visit(f"plain/{path}").evaluate(
        """[...document.querySelectorAll("pre.code")]
           .filter(code => code.scrollWidth > code.clientWidth).map(code => code.textContent)"""
    )
    assert too_wide == []


@pytest.mark.parametrize("path", ALL)
def test_every_link_and_picture_resolves_and_ids_are_unique(visit, sites, path):
    page = visit(path)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    for link in page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.href)"):
        url = urlsplit(link)
        assert url.scheme == "file", link
        target = Path(unquote(url.path))
        assert target.is_file(), link
        if url.fragment:
            assert f'id="{unquote(url.fragment)}"' in target.read_text("utf-8"), link
    pictures = page.evaluate("[...document.images].map(image => [image.src, image.naturalWidth])")
    assert all(width > 100 for _, width in pictures), pictures
    assert pictures or path.endswith("tf1.html")


@pytest.mark.parametrize("path", LESSON_PAGES)
def test_every_section_has_a_link_to_itself(visit, path):
    sections = visit(f"plain/{path}").evaluate(
        """[...document.querySelectorAll("article section")].map(section =>
           [section.id, section.querySelector("h2 .anchor")?.getAttribute("href")])"""
    )
    assert sections and all(name and href == f"#{name}" for name, href in sections)


def found(page):
    return page.locator("tbody tr:visible").all_inner_texts()


def test_the_search_finds_what_became_of_a_name(visit):
    page = visit("plain/tf1.html")
    everything = found(page)
    for query in ("tf.placeholder", "feed_dict", "  TF.Placeholder  Input "):
        page.get_by_label("Find").fill(query)
        assert 0 < len(found(page)) < len(everything)
        assert all(word in line.lower() for line in found(page) for word in query.lower().split())
    assert "keras.Input" in found(page)[0]
    page.get_by_label("Find").fill("nothing has this name")
    assert found(page) == [] and page.get_by_role("status").inner_text().startswith("0 of ")
    page.get_by_label("Find").fill("")
    assert found(page) == everything


def test_without_javascript_it_is_a_plain_table(visit):
    page = visit("plain/tf1.html", java_script_enabled=False)
    assert "tf.placeholder" in "".join(found(page))
    assert not page.get_by_label("Find").is_visible()


REACHABLE = """[...document.querySelectorAll("a[href], input, summary, pre")].filter(element => {
    if (element.tabIndex < 0 && element.tagName != "PRE") return false;
    const scrolls = element.scrollWidth > element.clientWidth;
    return element.checkVisibility() && (element.tagName != "PRE" || scrolls);
}).length"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", ALL)
def test_the_keyboard_reaches_everything(visit, path, size):
    page = visit(path, size)
    page.evaluate(
        "window.reached = new Set(); addEventListener('focusin', e => reached.add(e.target), true)"
    )
    wanted = page.evaluate(REACHABLE)
    assert wanted > 5
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
    outlines = page.evaluate(
        """[...reached].filter(element => element.matches("a[href], input, summary, pre")).length"""
    )
    assert outlines >= wanted


def test_the_notes_open_beside_the_lesson_and_stay_text(visit):
    page = visit(f"with notes/{LESSON_PAGES[0]}", DESKTOP)
    text = page.get_by_text("說明 <b>不是粗體</b>", exact=True)
    assert not text.is_visible()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert text.is_visible()
    assert "x = b.f(1)\ny = '<script>" in page.locator(".notes pre").inner_text()
    assert page.title() != "1", "a script in the notes is not executed"
    notes = page.locator(".notes").bounding_box()
    assert notes["x"] + notes["width"] < page.locator("article").bounding_box()["x"]
    assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP[0]
    page.emulate_media(media="print")
    assert not text.is_visible(), "not ours to print"


def test_a_wide_window_has_three_columns(visit):
    page = visit(f"with notes/{LESSON_PAGES[0]}", WIDE)
    right = 0
    for column in (".notes", ".row .prose", ".row .work"):
        box = page.locator(column).first.bounding_box()
        assert box["x"] >= right and box["width"] > 300
        right = box["x"] + box["width"]


@pytest.mark.parametrize("path", LESSON_PAGES)
def test_print_is_one_column_without_controls(visit, path):
    page = visit(f"plain/{path}", (700, 1000), color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible() and not page.locator(".anchor").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    cut_off = (
        "[...document.querySelectorAll('pre')].filter(p => p.scrollHeight > p.clientHeight + 1)"
    )
    assert page.evaluate(f"{cut_off}.length") == 0
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
