"""common.py: flags, data, figures, the report; and what a reader can get wrong, in one line."""

import json
import sys

import common
import numpy as np
import pytest
from running import ROOT, complaints, run_lesson

DOC = "Lesson 99: A lesson for the tests\n\nSome prose."


def start(monkeypatch, tmp_path, *flags, doc=DOC, **defaults):
    """common.lesson as a lesson calls it, with flags on the command line."""
    monkeypatch.setattr(sys, "argv", ["lesson99.py", "--out", str(tmp_path), *flags])
    return common.lesson(doc, 99, smoke=dict(steps=2), **dict(steps=3) | defaults)


# ------------------------------------------------------------------------------------- flags


def test_each_keyword_is_a_flag(monkeypatch, tmp_path, capsys):
    defaults = dict(batch_size=7, rate=0.5, optimizer=("adam", "sgd"), predict=[])
    lesson = start(monkeypatch, tmp_path, **defaults)
    assert capsys.readouterr().out == "Lesson 99: A lesson for the tests\n"
    got = lesson.batch_size, lesson.rate, lesson.optimizer, lesson.predict, lesson.seed
    assert got == (7, 0.5, "adam", [], 1)
    assert lesson.folder == tmp_path / "lesson99" and lesson.folder.is_dir()
    flags = "--batch-size 8 --rate 0.25 --optimizer sgd --predict a b --seed 0".split()
    lesson = start(monkeypatch, tmp_path, *flags, **defaults)
    got = lesson.batch_size, lesson.rate, lesson.optimizer, lesson.predict, lesson.seed
    assert got == (8, 0.25, "sgd", ["a", "b"], 0)


def test_smoke_has_settings_of_its_own_and_a_flag_still_wins(monkeypatch, tmp_path):
    assert start(monkeypatch, tmp_path, "--smoke").steps == 2
    assert start(monkeypatch, tmp_path, "--smoke", "--steps", "5").steps == 5
    assert start(monkeypatch, tmp_path).steps == 3


def test_a_smoke_run_overwrites_no_results(monkeypatch, tmp_path):
    monkeypatch.setattr(common, "DATA", tmp_path / "data")
    for flags, folder in ((), "outputs"), (("--smoke",), "outputs/smoke"):
        monkeypatch.setattr(sys, "argv", ["lesson99.py", *flags])
        assert common.lesson("", 99, smoke={}).folder == tmp_path / folder / "lesson99"


@pytest.mark.parametrize(
    "flags, about",
    [
        ("--stpes 5", "--stpes"),
        ("--step 5", "--step"),
        ("--steps many", "many"),
        ("--steps 0", "above 0"),
        ("--steps 2.5", "2.5"),
        ("--steps", "--steps"),
        ("--rate nan", "above 0"),
        ("--rate 1e30", "below"),
        ("--batch-size 60000", "below 5000"),
        ("--optimizer adamm", "adamm"),
        ("--optimizer -x", "="),  # say how a value that begins with - is given
        ("--seed -1", "above -1"),
        ("extra", "extra"),
    ],
)
def test_a_wrong_flag_is_one_line(monkeypatch, tmp_path, flags, about):
    defaults = dict(rate=0.5, batch_size=1, optimizer=("adam", "sgd"))
    with pytest.raises(common.Trouble) as trouble:
        start(monkeypatch, tmp_path, *flags.split(), **defaults)
    assert about in str(trouble.value) and "\n" not in str(trouble.value)


def test_what_was_started_says_where_the_flags_are(monkeypatch, tmp_path):
    """A lesson, by whatever Python (IPython, %run, runfile, pdb …): its own; else LESSON_ARGS."""
    monkeypatch.setenv("LESSON_ARGS", f'--steps 7 --predict "my 3.png" C:\\new\'s --out {tmp_path}')
    monkeypatch.setattr(sys, "argv", ["/usr/lib/ipykernel_launcher.py", "-f", "kernel.json"])
    lesson = common.lesson(None, 99, smoke={}, steps=3, predict=[])
    assert (lesson.steps, lesson.predict) == (7, ["my 3.png", "C:\\new's"])
    monkeypatch.setattr(sys, "argv", ["/home/me/lesson99_x.py", "--out", str(tmp_path)])
    assert common.lesson(None, 99, smoke={}, steps=3, predict=[]).steps == 3
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py"])
    monkeypatch.setenv("LESSON_ARGS", "--setps 3")
    with pytest.raises(common.Trouble):
        common.lesson(None, 99, smoke={}, steps=3)


def test_a_folder_that_cannot_be_written_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(common.Trouble, match="cannot write .*--out"):
        start(monkeypatch, tmp_path / "file")


def test_the_seed_takes_effect(monkeypatch, tmp_path):
    import keras

    draws = []
    for seed in ("3", "3", "4"):
        start(monkeypatch, tmp_path, "--seed", seed)
        draws.append((np.random.rand(), float(keras.initializers.RandomNormal()(()))))
    assert draws[0] == draws[1] != draws[2]


def test_a_reader_has_settings_of_his_own(tmp_path):
    """keras.json, matplotlibrc and a notebook's MPLBACKEND, all wrong, change nothing."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 7\n", "utf-8")
    (tmp_path / ".keras").mkdir()
    reader = dict(backend="jax", image_data_format="channels_first", floatx="float64")
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(reader), "utf-8")
    backend = "module://matplotlib_inline.no_such_backend"
    env = dict(HOME=tmp_path, KERAS_HOME=tmp_path / ".keras", MPLBACKEND=backend)
    flags = "--smoke", "--steps", "1", "--out", tmp_path / "out"
    run = run_lesson(15, *flags, cwd=tmp_path, environment=env)
    assert run.returncode == 0 and complaints(run) == [], run.stderr
    assert "(None, 28, 28, 32)" in run.stdout


# -------------------------------------------------------------------------------------- data


@pytest.fixture(scope="module")
def mnist():
    return common.load_mnist()


def test_mnist_is_split_as_in_the_notes(mnist):
    parts = (mnist.train, 55_000), (mnist.validation, 5_000), (mnist.test, 10_000)
    for part, n in parts:
        assert part.images.shape == (n, 784) and part.images.dtype == np.float32
        assert part.labels.shape == (n,) and part.num_examples == n
        assert part.images.min() == 0 and part.images.max() == 1
        assert set(np.unique(part.labels)) == set(range(10))
    assert mnist.validation.labels[:5].tolist() == [5, 0, 4, 1, 9], "the file's first images"
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_next_batch_shows_every_image_once_a_pass():
    np.random.seed(1)
    part = common.Images(np.arange(10), np.arange(10) * 2)
    drawn = []
    for _ in range(10):
        images, labels = part.next_batch(3)
        assert images.shape == (3,) and (labels == images * 2).all()
        drawn.extend(images.tolist())
    passes = [drawn[:10], drawn[10:20], drawn[20:]]
    assert all(sorted(a_pass) == list(range(10)) for a_pass in passes)
    assert len({tuple(a_pass) for a_pass in passes}) == 3, "another order each time"


def test_a_missing_or_damaged_data_file_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(common, "DATA", tmp_path)
    for content in (None, b"", (ROOT / "data" / "mnist.npz").read_bytes()[:-1]):
        if content is not None:
            (tmp_path / "mnist.npz").write_bytes(content)
        with pytest.raises(common.Trouble, match="mnist.npz is missing or damaged"):
            common.load_mnist()


# ------------------------------------------------------------------------ figures and report


def test_curve_draws_what_it_is_given():
    lines, dots = {"here": ([0, 1], [2, 3])}, {"in the notes": ([0, 1], [4, 5])}
    (ax,) = common.curve(lines, dots, xlabel="step", yscale="log").axes
    (here,), (notes,) = ax.lines, ax.collections
    assert here.get_ydata().tolist() == [2, 3]
    assert notes.get_offsets().tolist() == [[0, 4], [1, 5]]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "log")
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {*lines, *dots}


def test_image_grid_puts_pictures_titles_and_rows_in_order():
    images = [np.full((4, 4), i) for i in range(5)]
    fig = common.image_grid(images, 3, titles=list("abcde"), rows=["x", "y"], vmin=0, vmax=9)
    assert len(fig.axes) == 6
    for i, ax in enumerate(fig.axes[:5]):
        assert (ax.images[0].get_array() == i).all() and ax.get_title() == "abcde"[i]
        assert ax.images[0].get_clim() == (0, 9)
    assert [fig.axes[i].texts[0].get_text() for i in (0, 3)] == ["x", "y"]


def test_show_and_report_write_what_the_pages_read(monkeypatch, tmp_path, capsys):
    lesson = start(monkeypatch, tmp_path, "--steps", "4", "--predict", "\udcff.png", predict=[])
    lesson.show(common.curve({"here": ([0, 1], [2, 3])}), "line", "A line.")
    capsys.readouterr()
    rows = [
        ("a number", 0.5, np.float32(0.25), 0.1, np.True_),
        ("a claim that fails", "-", float("nan"), 10_000, False),
        ("no claim", "word", 3, "-", None),
    ]
    slips = [("a slip", 1, 2, "-", True), ("no slip today", 1, 1, "-", False)]
    lesson.report(rows, slips)
    assert (lesson.folder / "line.png").stat().st_size > 1000
    blank, head, *lines, closing, _, last = capsys.readouterr().out.splitlines()
    assert head.split() == "quantity in the notes here baseline holds".split()
    assert [line.split() for line in lines] == [
        "a number 0.5 0.25 0.1 yes".split(),
        "a claim that fails - nan 10000 NO".split(),
        "no claim word 3 -".split(),
        "a slip 1 2 - slip".split(),
        "no slip today 1 1 - NO".split(),
    ]
    assert "1 yes, 2 NO" in closing and "shown: 1" in closing and last == str(lesson.folder)
    results = json.loads((lesson.folder / "results.json").read_text("utf-8"))
    assert results["lesson"] == 99 and results["title"] == "A lesson for the tests"
    assert results["settings"]["steps"] == 4 and results["smoke"] is False
    assert results["figures"] == [dict(file="line.png", caption="A line.")]
    row = dict(name="a number", notes=0.5, here=0.25, baseline=0.1, holds="yes")
    assert results["results"][0] == row
    assert [row["holds"] for row in results["results"]] == ["yes", "no", None, "slip", "no"]
    assert results["versions"].keys() == {"tensorflow", "keras", "python"} and results["cores"] > 0


def test_weights_are_saved_whole_or_not_at_all(monkeypatch, tmp_path):
    import keras

    lesson = start(monkeypatch, tmp_path)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(common.Trouble, match="missing"):
        lesson.load_weights(model, "net")
    lesson.save_weights(model, "net")
    path, saved = lesson.folder / "net.weights.h5", model.get_weights()
    whole = path.read_bytes()

    def torn(self, path):
        path.write_bytes(whole[:100])
        raise KeyboardInterrupt

    model.set_weights([weight + 1 for weight in saved])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keras.Model, "save_weights", torn)
        lesson.save_weights(model, "net")
    with monkeypatch.context() as patch, pytest.raises(common.Trouble, match="full"):
        patch.setattr(common.shutil, "disk_usage", lambda _: type("", (), dict(free=10)))
        lesson.save_weights(model, "net")
    lesson.load_weights(model, "net")
    assert all((a == b).all() for a, b in zip(model.get_weights(), saved))
    for content in (b"", whole[: len(whole) // 2], b"<html>404</html>"):
        path.write_bytes(content)
        with pytest.raises(common.Trouble, match="damaged"):
            lesson.load_weights(model, "net")
