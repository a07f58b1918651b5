"""Lesson 21: the paths are gradient descent's, and each claim about them can become NO."""

import numpy as np
import pytest
import tensorflow as tf
from running import complaints, run_here, run_lesson

LOCAL = "from [5, 4]", "from [5, 1]"
AROUND = "lowest around; end"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """At the notes' settings: they take seconds."""
    return run_here(21, out=tmp_path_factory.mktemp("lesson 21"))


@pytest.fixture(scope="module")
def here(run):
    return run.variables


def walk(slope, a, b, rate, steps):
    """Gradient descent in numpy; `slope` gives both gradients at (a, b)."""
    path = [(a, b)]
    for _ in range(steps):
        gradient_a, gradient_b = slope(a, b)
        a, b = a - rate * gradient_a, b - rate * gradient_b
        path.append((a, b))
    return np.transpose(path)


def test_every_claim_holds(run):
    assert set(run.holds.values()) == {"yes"}


@pytest.mark.parametrize("start", [[5, 4], [5, 1], [2, 4.5]])
def test_the_paths_are_gradient_descents(here, start):
    """The derivatives of sin(b cos(a x)), worked out on paper."""
    x, y = np.float64(here["x"]), here["y"]

    def slope(a, b):
        inside = b * np.cos(a * x)
        common_factor = 2 * (np.sin(inside) - y) * np.cos(inside)
        d_a, d_b = -b * x * np.sin(a * x), np.cos(a * x)
        return np.mean(common_factor * d_a), np.mean(common_factor * d_b)

    path = here["paths"][f"from {start}"]
    assert path.shape == (3, 400)
    assert path[:2] == pytest.approx(walk(slope, *start, 0.1, 399), abs=2e-3)


def test_the_bottom_of_the_bowl_is_the_least_squares_line(here):
    """numpy's `polyfit` on data that the same seed makes."""
    np.random.seed(1)
    y = 1.2 * here["x"] + 2.5 + np.random.rand(200) / 10
    assert here["small"][:2, -1] == pytest.approx(np.polyfit(here["x"], y, 1), abs=1e-3)
    assert here["large"][0, -1] == pytest.approx(np.polyfit(here["x"], y, 1)[0], abs=1e-3)


def test_the_cost_of_many_pairs_is_that_of_each(here):
    x, y = np.float64(here["x"]), here["y"]
    a, b = np.array([[5, 1.2], [0, -2]]), np.array([[1, 2.5], [2, 4.5]])
    each = [np.mean((y - np.sin(d * np.cos(c * x))) ** 2) for c, d in zip(a.flat, b.flat)]
    assert here["cost"](here["network"], y, a, b).ravel() == pytest.approx(each, abs=1e-4)


def test_try_it(tmp_path):
    """A saddle, the other global minimum, and rates on both sides of 1."""
    run = run_here(21, "--start", "0,2", "-1,4", "--learning-rate", 0.98, out=tmp_path)
    assert run.trouble is not None and "=" in run.trouble, "how to join it is said"
    run = run_here(21, "--start", "0,1", "0,2", "--learning-rate", 0.98, out=tmp_path)
    assert run.variables["small"][1, -1] == pytest.approx(2.55, abs=0.02)
    valley, saddle = (run.variables["paths"][f"from [0.0, {b}.0]"][:, -1] for b in (1, 2))
    assert valley[0] == saddle[0] == 0 and valley[2] == pytest.approx(saddle[2], abs=1e-4)
    assert run.holds[f"from [0.0, 1.0]: {AROUND}"] == "yes"
    assert run.holds[f"from [0.0, 2.0]: {AROUND}"] == "no"
    run = run_here(21, "--start=-2,4.5", "--learning-rate", 1.02, out=tmp_path)
    assert abs(run.variables["small"][1, -1]) > 1e7
    left = run_here(21, "--start=-2,4.5", out=tmp_path).variables["paths"]["from [-2.0, 4.5]"]
    assert left[0, -1] == pytest.approx(-1.2, abs=0.05) and left[2, -1] < 0.02


@pytest.mark.parametrize("flags", ["--learning-rate 1", "--steps 1", "--steps 2"])
def test_odd_settings_go_to_the_end(flags, tmp_path):
    run = run_here(21, *flags.split(), out=tmp_path)
    assert run.trouble is None and len(run.results["figures"]) == 7


@pytest.mark.parametrize("pair", ["6", "6,7,8", "a,b", "nan,1", "1e999,1"])
def test_a_wrong_start_is_one_line(pair, tmp_path):
    run = run_here(21, "--start", pair, out=tmp_path)
    assert pair in run.trouble and "\n" not in run.trouble


def test_a_start_below_zero_without_a_sign_of_equality(tmp_path):
    run = run_lesson(21, "--start", "-2,4.5", "--out", tmp_path)
    assert run.returncode == 1 and len(complaints(run)) == 1 and "=" in run.stderr


# ----------------------------------------------------------------- break it, and see the NO


def test_a_path_that_stops_at_once_is_in_no_minimum(tmp_path):
    run = run_here(21, "--steps", 2, out=tmp_path)
    at_the_bottom = ["line: a; start", "line: b; real b", "line: cost; least squares"]
    at_the_bottom += ["formula: cost; real a and b", "from [2, 4.5]: cost; map's lowest"]
    at_the_bottom += [f"{start}: {AROUND}" for start in (*LOCAL, "from [2, 4.5]")]
    assert {run.holds[name] for name in at_the_bottom} == {"no"}


def test_a_valley_without_sides_and_without_a_lower_one_is_no_local_minimum(monkeypatch, tmp_path):
    """With cos(a x) = 1 the cost does not depend on a, and all starts come to the same bottom."""
    monkeypatch.setattr(tf, "cos", lambda inside: 1 + 0 * inside)
    run = run_here(21, out=tmp_path)
    for start in LOCAL:
        assert run.holds[f"{start}: {AROUND}"] == "no"
        assert run.holds[f"{start}: cost; lowest reached"] == "no"


def test_noise_around_0_does_not_give_the_notes_b(monkeypatch, tmp_path):
    monkeypatch.setattr(np.random, "rand", np.random.randn)
    assert run_here(21, out=tmp_path).holds["line: b; real b"] == "no"


def test_in_a_bowl_half_as_steep_a_rate_of_1_does_not_jump(monkeypatch, tmp_path):
    monkeypatch.setattr(tf, "reduce_mean", lambda values: tf.reduce_sum(values) / 400)
    assert run_here(21, out=tmp_path).holds["line, LR = 1: cost; predicted"] == "no"


@pytest.mark.full
def test_full_run(full_run):
    assert set(full_run(21)["holds"].values()) == {"yes"}


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(2, 21))
def test_other_seeds(seed, tmp_path):
    assert set(run_here(21, "--seed", seed, out=tmp_path).holds.values()) == {"yes"}
