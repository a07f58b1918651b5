"""What answers in the pages of lessons 15, 18 and 21, against what the lessons computed."""

import os
import shutil
import sys
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from running import LESSONS, ROOT

sys.path.insert(0, str(ROOT / "pages"))
import build

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="module")
def site(smoke, tmp_path_factory):
    """The pages of the three lessons, with what their smoke runs saved."""
    runs = []
    for number in (15, 18, 21):
        run, path = smoke(number), LESSONS[number]
        files = [figure["file"] for figure in run.results["figures"]]
        figures = {file: (run.folder / file).read_bytes() for file in files}
        cells = jupytext.read(path).cells
        made = dict(path=path, cells=cells, results=run.results, figures=figures, folder=run.folder)
        runs.append(SimpleNamespace(**made))
    folder = tmp_path_factory.mktemp("活的 pages")
    build.write_site(runs, folder, {})
    return folder


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium fonts-noto-cjk")
    with playwright.sync_playwright() as started:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Open a lesson's page where it answers; when the test ends, it may not have complained."""
    complaints, contexts = [], []

    def visit(number, state="", folder="", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        address = (site / folder / f"{LESSONS[number].stem}.html").as_uri()
        page.goto(f"{address}#live{state}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


# ----------------------------------------------------------------------------- lesson 21


def path_in_page(page, steps):
    path = page.evaluate(f"path.slice(0, {steps}).map(now => [now.a, now.b, now.cost])")
    return np.transpose(path)


@pytest.mark.parametrize(
    "function, a, b, rate, found",
    [
        ("line", 2, 4.5, 0.1, lambda of: of["small"]),
        ("line", 2, 4.5, 1, lambda of: of["large"]),
        ("formula", 2, 4.5, 0.1, lambda of: of["tuned"]),
        ("network", 2, 4.5, 0.1, lambda of: of["paths"]["from [2, 4.5]"]),
        ("network", 5, 1, 0.1, lambda of: of["paths"]["from [5, 1]"]),
        ("network", 5, 4, 0.1, lambda of: of["paths"]["from [5, 4]"]),
    ],
)
def test_a_path_in_the_page_is_the_lessons(visit, smoke, function, a, b, rate, found):
    page = visit(21, f"&function={function}&a={a}&b={b}&rate={rate}", reduced_motion="reduce")
    theirs = found(smoke(21).variables)  # (3, steps + 1)
    page.wait_for_function("path && path.length > 300 || jumps")
    ours = path_in_page(page, theirs.shape[1])
    n = ours.shape[1]
    assert n > 30
    np.testing.assert_allclose(ours, theirs[:, :n], atol=1e-4)


def test_at_rate_1_the_line_jumps_until_it_is_stopped(visit):
    page = visit(21, "&function=line&a=2&b=4.5&rate=1")
    page.wait_for_function("path && path.length > 10")
    steps = page.evaluate("path.length")
    page.wait_for_function(f"path.length > {steps} + 2")
    assert page.evaluate("Math.abs(path.at(-1).b - path.at(-2).b)") > 3
    page.locator("#live-run").click()
    steps = page.evaluate("path.length")
    page.wait_for_timeout(900)
    assert page.evaluate("path.length") == steps
    page.locator("#live-step").click()
    assert page.evaluate("path.length") == steps + 1


def test_a_start_is_chosen_by_mouse_or_keys_and_kept_in_the_address(visit):
    page = visit(21, reduced_motion="reduce")
    box = page.locator("#live-map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    a, b = page.evaluate("[path[0].a, path[0].b]")
    assert abs(a - 2.5) < 0.5 and abs(b - 2.5) < 0.5
    page.locator("#live-map").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert page.evaluate("[path[0].a, path[0].b]") == pytest.approx([a - 0.1, b + 0.5])
    page.locator("#live-rate").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.rate") == 0.11
    page.locator("#live-function").select_option("formula")
    state = page.evaluate("state")
    page.reload()
    page.wait_for_function("path")
    assert page.evaluate("state") == state
    with page.expect_navigation():
        page.locator(".languages a").nth(1).click()
    page.wait_for_function("path")
    assert "zh-hant" in page.url and page.evaluate("state") == state


def test_nonsense_in_the_address_is_passed_over(visit):
    page = visit(21, "&function=__proto__&a=Infinity&b=x&rate=-3", reduced_motion="reduce")
    page.wait_for_function("path")
    assert page.evaluate("state") == {"function": "network", "a": 2, "b": 4.5, "rate": 0.1}


# ------------------------------------------------------------------------------- all three


def test_without_javascript_the_page_is_as_before(visit):
    page = visit(21, java_script_enabled=False)
    assert not page.locator("#live").is_visible() and not page.locator(".to-live").is_visible()
