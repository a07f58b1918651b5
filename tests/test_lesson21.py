"""Lesson 21: each descent is the one worked out here in numpy, and the pictures show it."""

import re
from types import SimpleNamespace

import common
import numpy as np
import pytest
from running import LESSONS, assert_whole, run_here

LINE = (1.19776, 2.54675)  # what the notes print
REAL_PARAMS = (1.2, 2.5)
STARTS = [(5, 4), (5, 1), (2, 4.5)]
FIGURES = ["line_fit.png", "line.png", "formula_fit.png", "formula.png"]
FIGURES += ["network_fit.png", "network.png", "contours.png"]

x = np.linspace(-1, 1, 200)


def line(a, b):
    """y, and how fast it grows with a and with b."""
    return a * x + b, x, np.ones(200)


def formula(a, b):
    return a * x**3 + b * x**2, x**3, x**2


def network(a, b):
    slope = np.cos(b * np.cos(a * x))
    return np.sin(b * np.cos(a * x)), slope * -b * x * np.sin(a * x), slope * np.cos(a * x)


def measured(seed=1):
    """The y of the three tests: uniform noise in 0..0.1, then normal noise twice."""
    random = np.random.RandomState(seed)
    noise = [random.rand(200) / 10, random.randn(200) / 10, random.randn(200) / 10]
    return [f(*REAL_PARAMS)[0] + n for f, n in zip((line, formula, network), noise)]


def descend(y_fun, y, start, rate, steps=100):
    """Gradient descent on mean((y - y_fun(a, b))²): (3, steps)."""
    a, b = start
    path = []
    for _ in range(steps):
        pred, along_a, along_b = y_fun(a, b)
        path.append((a, b, np.mean((y - pred) ** 2)))
        a, b = (
            a + rate * 2 * np.mean((y - pred) * along_a),
            b + rate * 2 * np.mean((y - pred) * along_b),
        )
    return np.array(path).T


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(21)


@pytest.fixture(scope="module")
def expected():
    """The six descents of a smoke run, by their names in the lesson."""
    y1, y2, y3 = measured()
    paths = {"small": descend(line, y1, STARTS[2], 0.1), "large": descend(line, y1, STARTS[2], 1)}
    paths["tuned"] = descend(formula, y2, STARTS[2], 0.1)
    names = ["from [5, 4]", "from [5, 1]", "from [2, 4.5]"]
    paths["paths"] = {n: descend(network, y3, s, 0.1) for n, s in zip(names, STARTS)}
    return paths


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run with one more start, and its figures by name."""
    figures, show = {}, common.show

    def record(fig, name):
        figures[name] = fig
        show(fig, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "show", record)
        run = run_here(21, "--smoke", "--start", "0,2", out=tmp_path_factory.mktemp("drawn"))
    assert run.trouble is None
    return SimpleNamespace(run=run, figures=figures)


def test_a_smoke_run_is_whole(run):
    assert_whole(run)
    assert run.results["figures"] == FIGURES
    assert run.results["settings"] == dict(learning_rate=0.1, steps=100, start=[], seed=1)


def test_the_settings_are_the_notes(monkeypatch):
    """400 steps, LR = 0.1, three starts: nothing is run but the first cell."""
    given = {}
    monkeypatch.setattr(common, "settings", lambda doc, **keywords: given.update(keywords))
    head = LESSONS[21].read_text("utf-8").split("# %%\nimport matplotlib")[0]
    exec(head, {"__doc__": "", "__name__": "__main__"})
    smoke = dict(steps=100)
    assert given == dict(lesson=21, learning_rate=0.1, steps=400, start=[], smoke=smoke)


def test_every_descent_is_the_one_in_numpy(run, expected):
    for name in ("small", "large", "tuned"):
        assert run.variables[name] == pytest.approx(expected[name], abs=2e-5), name
    assert list(run.variables["paths"]) == list(expected["paths"])
    for name, path in expected["paths"].items():
        assert run.variables["paths"][name] == pytest.approx(path, abs=5e-5), name
    assert run.variables["x"].dtype == np.float32


def test_what_is_printed(run, expected):
    cases = [("line", (2, 4.5), 0.1, expected["small"]), ("line", (2, 4.5), 1, expected["large"])]
    cases.append(("formula", (2, 4.5), 0.1, expected["tuned"]))
    cases += [("network", s, 0.1, p) for s, p in zip(STARTS, expected["paths"].values())]
    lines = run.printed.splitlines()[1:7]
    for printed, (name, start, rate, path) in zip(lines, cases, strict=True):
        head, values = printed.split(": ")
        assert head == f"{name} from {list(start)}, LR = {rate}"
        found = re.fullmatch(r"a= (\S+) b= (\S+) cost (\S+)", values)
        assert [float(v) for v in found.groups()] == pytest.approx(path[:, -1], abs=5e-5)


def test_with_a_rate_of_1_b_jumps_between_two_values_and_a_arrives(run):
    a_list, b_list, cost_list = run.variables["large"]
    assert a_list[-1] == pytest.approx(1.2, abs=0.02)
    assert b_list[::2] == pytest.approx([4.5] * 50, abs=0.01)
    assert b_list[1::2] == pytest.approx([0.6] * 50, abs=0.02)
    assert cost_list[-1] > 100 * run.variables["small"][2, -1]


def test_the_surface_is_the_cost_of_every_pair(run):
    a3D, b3D, cost3D = (run.variables[name] for name in ("a3D", "b3D", "cost3D"))
    axis = np.linspace(-2, 7, 61)
    assert (a3D[0] == axis).all() and (b3D[:, 0] == axis).all()
    assert a3D.shape == b3D.shape == cost3D.shape == (61, 61)
    y = measured()[2]
    for i, j in [(0, 0), (60, 0), (0, 60), (45, 32), (17, 50)]:
        cost = np.mean((y - network(axis[j], axis[i])[0]) ** 2)
        assert cost3D[i, j] == pytest.approx(cost, rel=1e-4)


def rows_of(**variables):
    """The rows that the lesson's report cell makes of these variables."""
    rows = []
    cell = LESSONS[21].read_text("utf-8").split("## In the notes, and here")[1].split("# %%")[1]
    exec(cell, dict(np=np, common=SimpleNamespace(report=rows.extend), **variables))
    return rows


def test_the_report_is_of_these_descents(run, expected):
    end, jump = expected["tuned"][:, -1], np.ptp(expected["large"][1, -2:])
    here = [*expected["small"][:2, -1], jump, *end[:2]]
    here += [path[2, -1] for path in expected["paths"].values()]
    names = ["line: a", "line: b", "line, LR = 1: b jumps by", "formula: a", "formula: b"]
    names += [f"network {name}: cost" for name in expected["paths"]]
    notes = [*LINE, "oscillates", *REAL_PARAMS, "local minimum", "local minimum", "global"]
    rows = run.results["results"]
    assert [row["name"] for row in rows] == names
    assert [row["notes"] for row in rows] == notes
    assert [row["here"] for row in rows] == pytest.approx(here, abs=5e-5)
    assert all(row["holds"] for row in rows)
    assert all(isinstance(row["here"], float) for row in rows)
    assert re.search(r"^line: a +1\.198 +1\.20\d +yes$", run.printed, re.MULTILINE)


@pytest.mark.parametrize(
    "row, within, outside",
    [
        (0, (1.178, 1.2175), (1.177, 1.2185)),
        (1, (2.527, 2.5665), (2.526, 2.5675)),
        (2, (3.852, 3.948), (3.848, 3.952)),
        (3, (1.1305, 1.2695), (1.1295, 1.2705)),
        (4, (2.4305, 2.5695), (2.4295, 2.5705)),
        (5, (0.301, 1.0), (0.299, 0.01)),
        (6, (0.301, 0.6), (0.299, 0.01)),
        (7, (0.0199, 0.009), (0.0201, 0.6)),
    ],
)
def test_every_claim_can_fail(row, within, outside):
    """Just inside its tolerance a row holds; just outside, or not a number, it does not."""
    for value in (*within, *outside, np.nan):
        small = np.array([[2, LINE[0]], [4.5, LINE[1]], [3, 0.001]])
        large = np.array([[1.2, 1.2], [4.5, 0.6], [3.8, 3.8]])
        tuned = np.array([[2, 1.2], [4.5, 2.5], [3, 0.01]])
        ends = [1.0, 0.57, 0.01]
        if row in (0, 1):
            small[row, -1] = value
        elif row == 2:
            large[1] = (value, 0) if value > 3.9 else (0, value)
        elif row in (3, 4):
            tuned[row - 3, -1] = value
        else:
            ends[row - 5] = value
        paths = {i: np.array([[2, 1], [4, 2], [3, end]]) for i, end in enumerate(ends)}
        rows = rows_of(small=small, large=large, tuned=tuned, paths=paths)
        verdicts = [holds for *_, holds in rows]
        assert verdicts == [True] * row + [value in within] + [True] * (7 - row), value


def test_the_figures_show_these_descents(drawn, expected):
    assert [f"{name}.png" for name in drawn.figures] == FIGURES
    paths = dict(expected["paths"])
    paths["from [0.0, 2.0]"] = descend(network, measured()[2], (0, 2), 0.1)
    y_of = dict(zip(("line", "formula", "network"), measured()))
    shown = {"line": {"LR = 0.1": expected["small"], "LR = 1": expected["large"]}}
    shown |= {"formula": {"LR = 0.1": expected["tuned"]}, "network": paths}
    for name, wanted in shown.items():
        (ax,) = drawn.figures[name].axes
        assert [line.get_label() for line in ax.lines] == list(wanted)
        for line_, path in zip(ax.lines, wanted.values()):
            assert np.array(line_.get_data_3d()) == pytest.approx(path, abs=5e-5)
            assert (line_.get_marker(), line_.get_markevery()) == ("o", [0])  # at the start
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("a", "b", "cost")
        assert ax.get_legend() is not None
        fits = drawn.figures[f"{name}_fit"].axes[0]
        (data,) = fits.collections
        assert np.array(data.get_offsets()).T == pytest.approx(np.array([x, y_of[name]]), abs=1e-6)
        assert fits.get_legend().get_texts()[0].get_text() == data.get_label() == "data"
        legend, picture = fits.get_legend().get_window_extent(), fits.get_window_extent()
        assert legend.y0 > picture.y1  # it covers no curve
        for fit, (label, path) in zip(fits.lines, wanted.items(), strict=True):
            y_fun = drawn.run.variables[name]
            assert fit.get_label() == label
            assert np.array(fit.get_ydata()) == pytest.approx(
                np.array(y_fun(*path[:2, -1])), abs=1e-3
            )
    ax, colorbar = drawn.figures["contours"].axes
    assert (ax.get_xlabel(), ax.get_ylabel(), colorbar.get_ylabel()) == ("a", "b", "cost")
    assert ax.get_xlim() == ax.get_ylim() == (-2, 7)
    for walk, star, (name, path) in zip(ax.lines[::2], ax.lines[1::2], paths.items(), strict=True):
        assert np.array(walk.get_data()) == pytest.approx(path[:2], abs=5e-5)
        assert (walk.get_label(), walk.get_marker(), walk.get_markevery()) == (name, "o", [0])
        assert np.ravel(star.get_data()) == pytest.approx(path[:2, -1], abs=5e-5)
        assert star.get_marker() == "*"


def test_one_more_start_changes_nothing_that_is_claimed(drawn, run):
    assert drawn.run.results["results"] == run.results["results"]
    assert "network from [0.0, 2.0], LR = 0.1: a= 0 b= 2.1" in drawn.run.printed


@pytest.mark.parametrize("start", ["5", "a,b", "1,2,3", "1,nan", "inf,1", ",", ""])
def test_a_malformed_start_is_one_line(start, tmp_path):
    run = run_here(21, "--smoke", "--start", start, out=tmp_path)
    assert run.trouble == f"--start takes pairs a,b such as 6,6; not {start!r}"


@pytest.mark.filterwarnings("error", "ignore::RuntimeWarning:mpl_toolkits")  # of old matplotlib
def test_a_descent_that_diverges_is_reported_and_drawn(tmp_path):
    run = run_here(21, "--smoke", "--learning-rate", "1.5", "--start", "1e30,0", out=tmp_path)
    assert run.trouble is None and max(map(len, run.printed.splitlines()[:-1])) <= 80
    holds = {row["name"]: row["holds"] for row in run.results["results"]}
    assert holds["line: b"] is False and holds["line, LR = 1: b jumps by"] is True


@pytest.mark.full
def test_the_claims_hold_at_the_notes_settings(full_run):
    results = full_run(21)
    assert all(row["holds"] for row in results["results"])
    assert results["figures"] == FIGURES and results["settings"]["steps"] == 400
    y1, y2, y3 = measured()
    small, tuned = descend(line, y1, (2, 4.5), 0.1, 400), descend(formula, y2, (2, 4.5), 0.1, 400)
    expected = [*small[:2, -1], 3.903, *tuned[:2, -1]]
    expected += [descend(network, y3, start, 0.1, 400)[2, -1] for start in STARTS]
    assert [row["here"] for row in results["results"]] == pytest.approx(expected, abs=1e-3)


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(1, 21))
def test_every_seed_within_what_is_said(seed, tmp_path):
    run = run_here(21, "--seed", seed, out=tmp_path)
    assert all(row["holds"] for row in run.results["results"])
    a, b, _, a_formula, b_formula, *local, best = run.here.values()
    assert (a, b) == pytest.approx(LINE, abs=0.008)
    assert (a_formula, b_formula) == pytest.approx(REAL_PARAMS, abs=0.053)
    assert 0.53 < min(local) and max(local) < 1.04 and best < 0.012


@pytest.mark.seeds
def test_try_it(tmp_path):
    below = run_here(21, "--learning-rate", "0.98", out=tmp_path).variables["small"][1, -1]
    above = run_here(21, "--learning-rate", "1.02", out=tmp_path).variables["small"][1, -1]
    assert below == pytest.approx(2.55, abs=0.005)
    assert abs(above - 2.55) == pytest.approx(12e6, rel=0.05)
    paths = run_here(21, "--start", "0,2", out=tmp_path).variables["paths"]
    assert (paths["from [0.0, 2.0]"][0] == 0).all()
    paths = run_here(21, "--start=-2,4.5", out=tmp_path).variables["paths"]
    mirror, right = paths["from [-2.0, 4.5]"][:2, -1], paths["from [2, 4.5]"][:2, -1]
    assert mirror == pytest.approx([-right[0], right[1]], abs=1e-3)
    assert mirror[0] == pytest.approx(-1.2, abs=0.05)
