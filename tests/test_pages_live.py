"""What answers in the pages of lessons 15, 18 and 21, against what the lessons computed."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import common
import imageio.v3 as imageio
import jupytext
import keras
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
    page = visit(21, "&function=__proto__&a=Infinity&b=x&rate=", reduced_motion="reduce")
    page.wait_for_function("path")
    assert page.evaluate("state") == {"function": "network", "a": 7, "b": 4.5, "rate": 0.1}


def test_a_start_in_the_wrong_valley_stays_there_and_the_page_says_so(visit):
    page = visit(21, "&function=network&a=5&b=4&rate=0.1", reduced_motion="reduce")
    page.wait_for_function("path && path.length > 300")
    assert page.evaluate("path.at(-1).cost") > 0.5
    lower = page.evaluate("live.words.lower").strip()
    assert page.locator("#live-said").inner_text().endswith(lower)


# ------------------------------------------------------------------------- lessons 15 and 18

STROKES = [(0.3, 0.25), (0.6, 0.25), (0.45, 0.45), (0.65, 0.6), (0.5, 0.8), (0.3, 0.75)]


def draw(page):
    """Something like a 3, with the mouse."""
    box = page.locator("#live-pad").bounding_box()
    for number, (x, y) in enumerate(STROKES):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def in_page(page, expression, images):
    """What `expression` in JavaScript makes of each `image`."""
    images = np.asarray(images).round(6).tolist()
    return np.array(page.evaluate(f"images => Promise.all(images.map({expression}))", images))


ANSWER = "async i => answer((await live.load()).layers, i).probabilities"


def test_lesson_15_answers_in_the_page_as_in_keras(visit, smoke, site):
    page, found = visit(15), smoke(15).variables
    ours = in_page(page, ANSWER, found["v_xs"][:200])
    np.testing.assert_allclose(ours, found["prediction"][:200], atol=0.03)  # int8 gives 0.02
    stages = "async i => answer((await live.load()).layers, i).stages.map(s => s.flat(2))"
    ours = page.evaluate(stages, found["v_xs"][0].tolist())
    for values, theirs in zip(ours, found["watch"](found["v_xs"][:1])):
        np.testing.assert_allclose(values, np.ravel(theirs), atol=0.01)
    assert (site / "live" / "data15.js").stat().st_size < 4.5e6


def assert_a_trained_network_answers_as_in_keras(page, smoke, folder):
    """A smoke run's network has hardly learned anything: half of its answers are undecided."""
    trained = build.live.digit_reader(SimpleNamespace(folder=folder))
    page.evaluate("trained => { live.load(); live.given(trained); }", trained)
    images, labels = smoke(15).variables["v_xs"][:1000], smoke(15).variables["v_ys"][:1000]
    model = keras.models.clone_model(smoke(15).variables["model"])
    model = keras.Model(model.inputs, model.outputs)  # without an optimizer, as it was saved
    model.load_weights(folder / "cnn.weights.h5")
    ours = in_page(page, ANSWER, images).argmax(axis=1)
    theirs = model.predict(images, verbose=0).argmax(axis=1)
    assert np.mean(ours == theirs) >= 0.995
    assert abs(np.mean(ours == labels) - np.mean(theirs == labels)) < 0.003


@pytest.mark.full
def test_a_trained_network_answers_in_the_page_as_in_keras(visit, smoke, make_lessons):
    folder = make_lessons[0] / "lesson15"
    assert_a_trained_network_answers_as_in_keras(visit(15), smoke, folder)


def test_lesson_18_encodes_and_draws_in_the_page_as_in_keras(visit, smoke):
    page, found = visit(18), smoke(18).variables
    page.wait_for_function("point")
    images = found["x_test"][:50]
    theirs = found["plane_encoder"].predict(images, verbose=0)
    np.testing.assert_allclose(in_page(page, "encode", images), theirs, atol=1e-3)
    drawn = found["plane_decoder"].predict(theirs, verbose=0)
    np.testing.assert_allclose(in_page(page, "decode", theirs), drawn, atol=1e-3)
    np.testing.assert_allclose(page.evaluate("points"), found["points"][:2000], atol=1e-3)


def test_what_is_drawn_is_prepared_as_a_picture_is(visit, tmp_path):
    page = visit(15)
    draw(page)
    ink, ours = page.evaluate("[[...pad.ink()], live.digit(pad.ink(), 280)]")
    picture = 255 - np.uint8(ink).reshape(280, 280)
    imageio.imwrite(tmp_path / "drawn.png", picture)
    theirs = common.load_digit(tmp_path / "drawn.png")
    assert theirs.max() == 1
    np.testing.assert_allclose(ours, theirs, atol=0.1)  # a photograph is smoothed, a pad is not


def bars(page):
    return page.evaluate("[...document.querySelectorAll('.bars output')].map(o => o.textContent)")


def test_drawing_changes_the_bars_by_mouse_keys_and_finger(visit):
    page = visit(15, has_touch=True)
    draw(page)
    page.wait_for_function("document.getElementById('live-probability9').textContent")
    first = bars(page)
    assert sum(map(float, first)) == pytest.approx(1, abs=0.01)
    page.locator("#live-pad").focus()
    page.keyboard.press("Space")
    for key in ["Shift+ArrowUp"] * 8 + ["Shift+ArrowRight"] * 3:
        page.keyboard.press(key)
    page.wait_for_function("first => live.get('probability3').textContent != first[3]", arg=first)
    page.locator("#live-clear").click()
    page.wait_for_function("!pad.ink().some(value => value)")
    second, box = bars(page), page.locator("#live-pad").bounding_box()
    page.touchscreen.tap(box["x"] + 90, box["y"] + 90)
    page.wait_for_function(
        "second => live.get('probability1').textContent != second[1]", arg=second
    )


def test_the_next_test_digit_is_answered_and_its_label_said(visit, smoke):
    page, run = visit(15), smoke(15).variables
    for number in range(3):
        page.locator("#live-next").click()
        label = run["v_ys"][number]
        page.wait_for_function(f"live.get('said').textContent.endsWith(' {label}')")
        answer = np.argmax(run["prediction"][number])
        assert f" {answer} (" in page.locator("#live-said").inner_text()


def test_a_digit_falls_into_the_plane_and_the_point_is_moved(visit):
    page = visit(18)
    page.wait_for_function("point")
    before = page.evaluate("point")
    draw(page)
    page.wait_for_function(f"point[0] != {before[0]}")
    fallen, box = page.evaluate("point"), page.locator("#live-plane").bounding_box()
    page.mouse.click(box["x"] + 150, box["y"] + 150)
    clicked = page.evaluate("point")
    page.locator("#live-plane").focus()
    page.keyboard.press("ArrowRight")
    moved = page.evaluate("point")
    assert clicked != fallen and moved[0] > clicked[0] and moved[1] == clicked[1]


@pytest.mark.parametrize("number, touched", [(15, "#live-pad"), (18, "#live"), (21, "#live")])
def test_where_what_the_run_learned_is_missing_the_page_says_so(browser, site, number, touched):
    page = browser.new_page()
    page.route("**/live/data*.js", lambda route: route.abort())
    page.goto((site / f"{LESSONS[number].stem}.html").as_uri() + "#live")
    page.locator(touched).click()
    page.wait_for_function("live.get('said').textContent === live.words.missing")
    page.close()


# ------------------------------------------------------------------------------- all three


@pytest.mark.parametrize("number", [15, 18, 21])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_what_answers_is_accessible_and_fits_a_phone(visit, number, color_scheme):
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    page = visit(number, folder="zh-hant", color_scheme=color_scheme)
    page.wait_for_function("!live.section.hidden")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    options = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], preload: false}"
    found = page.evaluate(f"axe.run('#live', {options})")
    wrong = [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]]
    assert wrong == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_javascript_the_page_is_as_before(visit):
    page = visit(21, java_script_enabled=False)
    assert not page.locator("#live").is_visible() and not page.locator(".to-live").is_visible()
