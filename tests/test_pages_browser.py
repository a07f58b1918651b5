"""The built pages of all lessons, in three languages, and most of it in a real browser."""

import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from running import LESSONS, ROOT

sys.path.insert(0, str(ROOT / "pages"))
import build
import translations

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SIZES = [(1280, 900), (390, 844), (1920, 1080), (768, 1024)]
DESKTOP, PHONE, WIDE, TABLET = (dict(width=width, height=height) for width, height in SIZES)
NOTES = {
    15: "十五、自己的筆記\n說明 <b>不是粗體</b>\n"
    "import a as b x = b.f(1)y = '<script>document.title=1</script>'\n" + "很長的一行" * 90
}
LESSON_PAGES = {number: f"{path.stem}.html" for number, path in sorted(LESSONS.items())}
FOLDERS = [language.folder for language in translations.LANGUAGES]
NAMES = ["index.html", "tf1.html", "glossary.html", *LESSON_PAGES.values()]
PAGES = [folder + name for folder in FOLDERS for name in NAMES]
READ = [folder + LESSON_PAGES[15] for folder in FOLDERS]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All the lessons, run once with --smoke, one of them with the reader's notes."""
    folder = tmp_path_factory.mktemp("我的 pages")
    build.write_site(build.run_all(["--smoke"], 2), folder, NOTES)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_the_same_in_each_language_and_so_is_output(site, name):
    english, *chinese = ((site / folder / name).read_text("utf-8") for folder in FOLDERS)
    for pattern in (' id="(.*?)"', '(?s)<pre class="output".*?</pre>'):
        for page in chinese:
            assert re.findall(pattern, page) == re.findall(pattern, english)
    ids = re.findall(' id="(.*?)"', english)
    assert len(ids) == len(set(ids))


def test_photographs_are_credited(site):
    html = (site / LESSON_PAGES[22]).read_text("utf-8")
    assert html.split('id="photographs"')[1].count("<tr>") > 20


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium fonts-noto-cjk")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Open a page; when the test ends, nothing may have gone wrong or have been fetched."""
    complaints, contexts, fetched = [], [], []

    def visit(path, size=DESKTOP, **options):
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto((site / path).as_uri(), wait_until="load")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert {urlsplit(url).scheme for url in fetched} <= {"file", "data"}


# Code takes axe most of its time: it is given each kind of token once.
ONE_OF_EACH_KIND = """() => {
    const kinds = new Set();
    for (const token of document.querySelectorAll("pre.code span"))
        kinds.has(token.className) ? token.replaceWith(token.textContent)
                                   : kinds.add(token.className);
    document.body.normalize();
}"""


def assert_axe_is_silent(page):
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    page.evaluate(ONE_OF_EACH_KIND)
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    options = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], preload: false}"
    found = page.evaluate(f"axe.run({options})")
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert [
        (rule["id"], node["html"], node["failureSummary"])
        for rule in found["violations"]
        for node in rule["nodes"]
    ] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_fits_every_screen_and_its_links_lead_somewhere(visit, site, path):
    page = visit(path)
    for size in (WIDE, TABLET, PHONE):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    ours = "[...document.querySelectorAll('[href]:not(#read-on a)')].map(link => link.href)"
    for link in page.evaluate(ours):
        url = urlsplit(link)
        target = site / path if url.scheme == "data" else Path(unquote(url.path))
        assert target.is_file(), link
        if url.fragment:
            assert f'id="{unquote(url.fragment)}"' in target.read_text("utf-8"), link
    pictures = page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert all(width > 100 for width in pictures)
    assert pictures or path.endswith(("tf1.html", "glossary.html"))
    language = translations.LANGUAGES[FOLDERS.index(path[: path.rfind("/") + 1])]
    assert page.locator("html").get_attribute("lang") == language.code
    assert page.locator(".languages [aria-current]").get_attribute("hreflang") == language.code
    others = page.locator("head link[hreflang]").evaluate_all("all => all.map(one => one.href)")
    assert others == [(site / folder / Path(path).name).as_uri() for folder in FOLDERS]
    assert_axe_is_silent(page)


def test_the_language_switch_keeps_the_section(visit):
    page = visit(READ[1])
    section = page.locator("section").nth(6).get_attribute("id")
    top = f"document.getElementById('{section}').getBoundingClientRect().top"

    def switch(number):
        """Click on a language where it is; Playwright's own `click` would scroll first."""
        box = page.locator(".languages a").nth(number).bounding_box()
        with page.expect_navigation():
            page.mouse.click(box["x"] + 5, box["y"] + 5)

    switch(2)
    assert unquote(page.url).endswith(READ[2]), "at the top there is no section to keep"
    page.goto(f"{page.url}#{section}")  # as it was linked to
    for number in (1, 0):
        switch(number)
        assert unquote(page.url).endswith(f"{READ[number]}#{section}")
        page.wait_for_function(f"0 < {top} && {top} < innerHeight")
    page.goto(page.url.split("#")[0])
    page.evaluate(f"document.getElementById('{section}').scrollIntoView()")  # as it is read
    switch(2)
    assert unquote(page.url).endswith(f"{READ[2]}#{section}")


@pytest.mark.parametrize("number", [15, 20, 22])
def test_a_page_is_accessible_in_the_dark_and_one_column_on_a_phone(visit, number):
    page = visit(f"zh-hant/{LESSON_PAGES[number]}", color_scheme="dark")
    assert_axe_is_silent(page)
    page.set_viewport_size(PHONE)
    for row in page.evaluate(ROWS):
        assert row["prose"]["bottom"] <= row["work"]["top"] + 1
        assert row["prose"]["left"] == row["work"]["left"]


ROWS = """[...document.querySelectorAll(".row:not(.whole)")].map(row => {
    const box = selector => row.querySelector(selector).getBoundingClientRect().toJSON();
    return {prose: box(".prose"), work: box(".work")};
})"""


@pytest.mark.parametrize("path", [LESSON_PAGES[15], LESSON_PAGES[20]])
def test_prose_stands_beside_its_code_which_fits_as_does_all_of_it_in_print(visit, path):
    page = visit(path)
    rows = page.evaluate(ROWS)
    assert len(rows) > 3
    for row in rows:
        assert row["prose"]["top"] == pytest.approx(row["work"]["top"], abs=1)
        assert row["prose"]["right"] < row["work"]["left"]
        assert 300 < row["prose"]["width"] < 600 < row["work"]["width"]
    too_wide = """[...document.querySelectorAll("pre.code")]
        .filter(code => code.scrollWidth > code.clientWidth).map(code => code.textContent)"""
    assert page.evaluate(too_wide) == [], "100 columns at 1280 pixels"

    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible() and not page.locator(".anchor").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    cut = "[...document.querySelectorAll('pre')].filter(p => p.scrollHeight > p.clientHeight + 1)"
    assert page.evaluate(f"{cut}.length") == 0
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def found(page):
    return page.locator("tbody tr:visible").all_inner_texts()


def test_the_search_finds_what_became_of_a_name(visit):
    page = visit("zh-hant/tf1.html")
    everything, field = found(page), page.get_by_role("searchbox")
    for query in ("feed_dict", "  TF.Placeholder  Input "):
        field.fill(query)
        assert 0 < len(found(page)) < len(everything)
        assert all(word in line.lower() for line in found(page) for word in query.lower().split())
        said = re.findall(r"\d+", page.get_by_role("status").inner_text())
        assert {*map(int, said)} == {len(found(page)), len(everything)}
    field.fill("nothing has this name")
    assert found(page) == []
    field.fill("")
    assert found(page) == everything and page.get_by_role("status").inner_text() == ""


def test_without_javascript_all_of_it_is_there(visit):
    page = visit("zh-hans/tf1.html", java_script_enabled=False)
    assert "tf.placeholder" in "".join(found(page))
    assert not page.get_by_role("searchbox").is_visible()
    page.get_by_text("English").click()
    assert page.url.endswith("0/tf1.html")


def test_the_notes_open_beside_the_lesson_and_stay_text(visit):
    page = visit(READ[2])
    text = page.get_by_text("说明 <b>不是粗体</b>", exact=True)
    assert not text.is_visible()
    page.locator(".notes summary").focus()
    page.keyboard.press("Enter")
    assert text.is_visible()
    assert "x = b.f(1)\ny = '<script>" in page.locator(".notes pre").inner_text()
    assert page.title() != "1", "a script in the notes is not executed"
    notes = page.locator(".notes").bounding_box()
    assert notes["x"] + notes["width"] < page.locator("article").bounding_box()["x"]
    page.emulate_media(media="print")
    assert not text.is_visible(), "not ours to print"

    right, page = 0, visit(READ[2], WIDE)  # a wide window has three columns
    for column in (".notes", ".row .prose", ".row .work"):
        box = page.locator(column).first.bounding_box()
        assert box["x"] >= right and box["width"] > 300
        right = box["x"] + box["width"]


def test_code_is_copied(visit):
    page = visit(READ[0])
    page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    page.locator(".copy").nth(1).click()
    code = page.locator("pre.code").nth(1).inner_text()
    assert page.evaluate("window.copied").strip() == code.strip()
