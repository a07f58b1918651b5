"""common.py: flags, data, figures, the report; and what a reader can get wrong, in one line."""

import json
import sys

import common
import numpy as np
import pytest
from running import LESSONS, ROOT, assert_one_line, complaints, run_lesson


def settings(monkeypatch, tmp_path, *flags, doc="Lesson 99: A lesson for the tests", **defaults):
    """common.settings as a lesson calls it, with flags on the command line."""
    monkeypatch.setattr(sys, "argv", ["lesson99.py", "--out", str(tmp_path), *flags])
    return common.settings(doc, lesson=99, smoke=dict(steps=2), **dict(steps=3) | defaults)


# ---------------------------------------------------------------------------------- settings


def test_each_keyword_is_a_flag(monkeypatch, tmp_path, capsys):
    defaults = dict(batch_size=7, rate=0.5, optimizer=("adam", "sgd"), predict=[])
    cfg = settings(monkeypatch, tmp_path, **defaults)
    assert (cfg.batch_size, cfg.rate, cfg.optimizer, cfg.predict) == (7, 0.5, "adam", [])
    assert (cfg.seed, cfg.smoke, cfg.show) == (1, False, False)
    assert cfg.folder == tmp_path / "lesson99" and cfg.folder.is_dir()
    assert capsys.readouterr().out == "Lesson 99: A lesson for the tests\n"
    flags = "--batch-size 8 --rate 0.25 --optimizer sgd --predict a b --seed 0".split()
    cfg = settings(monkeypatch, tmp_path, *flags, **defaults)
    assert (cfg.batch_size, cfg.rate, cfg.optimizer, cfg.predict) == (8, 0.25, "sgd", ["a", "b"])
    assert cfg.seed == 0


def test_smoke_has_settings_of_its_own_and_a_flag_still_wins(monkeypatch, tmp_path):
    assert settings(monkeypatch, tmp_path, "--smoke").steps == 2
    assert settings(monkeypatch, tmp_path, "--smoke", "--steps", "5").steps == 5
    assert settings(monkeypatch, tmp_path).steps == 3


def test_a_smoke_run_overwrites_no_results(monkeypatch, tmp_path):
    monkeypatch.setattr(common, "DATA", tmp_path / "data")
    for flags, folder in ((), "outputs"), (("--smoke",), "outputs/smoke"):
        monkeypatch.setattr(sys, "argv", ["lesson99.py", *flags])
        cfg = common.settings("", lesson=99, smoke={})
        assert cfg.folder == tmp_path / folder / "lesson99" and cfg.folder.is_dir()


@pytest.mark.parametrize(
    "flags, about",
    [
        ("--stpes 5", "--stpes"),
        ("--step 5", "--step"),
        ("--steps many", "many"),
        ("--steps 0", "above 0"),
        ("--steps -1", "above 0"),
        ("--steps 2.5", "2.5"),
        ("--steps", "--steps"),
        ("--rate nan", "above 0"),
        ("--rate inf", "above 0"),
        ("--rate 0", "above 0"),
        ("--optimizer adamm", "adamm"),
        ("--seed -1", "above -1"),
        ("--seed 4294967296", "4294967296"),
        ("extra", "extra"),
    ],
)
def test_a_wrong_flag_is_one_line(monkeypatch, tmp_path, flags, about):
    defaults = dict(rate=0.5, optimizer=("adam", "sgd"))
    with pytest.raises(common.Trouble) as trouble:
        settings(monkeypatch, tmp_path, *flags.split(), **defaults)
    assert about in str(trouble.value) and "\n" not in str(trouble.value)


def test_a_folder_that_cannot_be_written_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(common.Trouble, match="cannot write .*--out"):
        settings(monkeypatch, tmp_path / "file")
    (tmp_path / "lesson99").write_text("in the way")
    with pytest.raises(common.Trouble, match="cannot write .*--out"):
        settings(monkeypatch, tmp_path)


def test_seed_and_dtype_take_effect(monkeypatch, tmp_path):
    import keras

    draws = []
    for seed in ("3", "3", "4"):
        settings(monkeypatch, tmp_path, "--seed", seed)
        draws.append((np.random.rand(), float(keras.initializers.RandomNormal()(()))))
    assert draws[0] == draws[1] != draws[2]
    dtypes = ("float32", "mixed_bfloat16")
    settings(monkeypatch, tmp_path, "--dtype", "mixed_bfloat16", dtype=dtypes)
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    settings(monkeypatch, tmp_path, dtype=dtypes)
    assert keras.config.dtype_policy().name == "float32"


def test_without_a_docstring_the_folder_is_still_the_lessons(monkeypatch, tmp_path, capsys):
    for doc in (None, "", "Automatically created module for IPython interactive environment"):
        assert settings(monkeypatch, tmp_path, doc=doc).folder == tmp_path / "lesson99"
        assert capsys.readouterr().out == "Lesson 99\n"


@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_as_a_reader_starts_it(number, tmp_path):
    """From another folder, with a flag that is wrong: one line, before TensorFlow has loaded."""
    process = run_lesson(number, "--setps", "3", cwd=tmp_path)
    assert_one_line(process, "--setps")
    assert process.stdout == "" and not list(tmp_path.iterdir())


def test_a_lesson_writes_only_where_out_says(tmp_path):
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    process = run_lesson(19, "--smoke", "--out", tmp_path / "out", cwd=elsewhere)
    assert process.returncode == 0 and complaints(process) == [], process.stderr
    assert not list(elsewhere.iterdir())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lesson19"]


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


def test_next_batch_shows_every_image_once_a_pass(mnist):
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
    assert len(part.next_batch(25)[0]) == 25


def test_a_missing_or_damaged_data_file_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(common, "DATA", tmp_path)
    for content in (None, b"", b"cut off", (ROOT / "data" / "mnist.npz").read_bytes()[:-1]):
        if content is not None:
            (tmp_path / "mnist.npz").write_bytes(content)
        with pytest.raises(common.Trouble, match="mnist.npz is missing or damaged.*git checkout"):
            common.load_mnist()


def save(path, array, **options):
    from PIL import Image

    Image.fromarray(np.asarray(array)).save(path, **options)
    return path


def test_pictures_are_rgb_upright_and_on_white(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert common.read_image(save(tmp_path / "a.png", rgb)) == pytest.approx(rgb / 255)
    grey = common.read_image(save(tmp_path / "b.png", rgb[..., 0]))
    assert grey == pytest.approx(np.repeat(rgb[..., :1] / 255, 3, axis=2))
    deep = save(tmp_path / "c.png", np.full((20, 30), 13107, np.uint16))
    assert common.read_image(deep) == pytest.approx(0.2, abs=1e-4)
    alpha = np.zeros((20, 30, 4), np.uint8)
    alpha[:10, :, 3] = 255
    on_white = common.read_image(save(tmp_path / "d.png", alpha))
    assert (on_white[:10] == 0).all() and (on_white[10:] == 1).all()
    grey_alpha = Image.fromarray(alpha).convert("LA")
    grey_alpha.save(tmp_path / "e.png")
    assert common.read_image(tmp_path / "e.png") == pytest.approx(on_white)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = common.read_image(save(tmp_path / "f.png", rgb, exif=exif))
    assert turned == pytest.approx(np.rot90(rgb, -1) / 255)


def test_an_unreadable_picture_is_one_line_with_its_name(tmp_path):
    whole = save(tmp_path / "whole.jpg", np.zeros((99, 99, 3), np.uint8)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    for name in ("cut.jpg", "text.png", "empty.png", "missing.png", "."):
        with pytest.raises(common.Trouble) as trouble:
            common.read_image(tmp_path / name)
        assert (name if name != "." else str(tmp_path)) in str(trouble.value)
        assert "\n" not in str(trouble.value)


def test_load_img_takes_the_central_square(tmp_path):
    wide = np.zeros((50, 90, 3), np.uint8)
    wide[:, 20:70] = 200  # the central 50 x 50
    img = common.load_img(save(tmp_path / "wide.png", wide))
    assert img.shape == (1, 224, 224, 3) and img.dtype == np.float32
    assert img == pytest.approx(200 / 255, abs=1e-3)
    high = common.load_img(save(tmp_path / "high.png", wide.transpose(1, 0, 2)))
    assert high == pytest.approx(200 / 255, abs=1e-3)


def test_load_data_names_what_it_leaves_out(tmp_path, capsys):
    for kind, value in (("tiger", 250), ("kittycat", 50)):
        (tmp_path / kind).mkdir()
        for name in ("b.png", "a.png", "c.png"):
            save(tmp_path / kind / name, np.full((10, 10, 3), value, np.uint8))
    (tmp_path / "tiger" / "b.png").write_text("no picture")
    (tmp_path / "tiger" / ".hidden").touch()
    imgs = common.load_data(tmp_path)
    assert list(imgs) == ["tiger", "kittycat"]
    assert list(imgs["tiger"]) == ["a.png", "c.png"]
    assert list(imgs["kittycat"]) == ["a.png", "b.png", "c.png"]
    assert imgs["tiger"]["c.png"] == pytest.approx(250 / 255, abs=1e-3)
    left_out = capsys.readouterr().out.splitlines()
    assert len(left_out) == 1 and left_out[0].startswith("left out: ") and "b.png" in left_out[0]
    assert list(common.load_data(tmp_path, at_most=1)["kittycat"]) == ["a.png"]
    assert list(common.load_data(tmp_path, at_most=2)["tiger"]) == ["a.png", "c.png"]
    for path in (tmp_path / "kittycat").iterdir():
        path.unlink()
    with pytest.raises(common.Trouble, match="kittycat holds no picture"):
        common.load_data(tmp_path)


# ------------------------------------------------------------------------ figures and report


def test_curve_draws_what_it_is_given():
    lines, dots = {"here": ([0, 1], [2, 3])}, {"in the notes": ([0, 1], [4, 5])}
    (ax,) = common.curve(lines, dots, xlabel="step", yscale="log").axes
    (here,), (notes,) = ax.lines, ax.collections
    assert here.get_ydata().tolist() == [2, 3] and here.get_linestyle() == "-"
    assert notes.get_offsets().tolist() == [[0, 4], [1, 5]]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "log")
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {*lines, *dots}
    assert not common.curve(lines).axes[0].collections


def test_image_grid_puts_pictures_titles_and_rows_in_order():
    images = [np.full((4, 4), i) for i in range(5)]
    fig = common.image_grid(images, 3, titles=list("abcde"), rows=["x", "y"], vmin=0, vmax=9)
    assert len(fig.axes) == 6
    for i, ax in enumerate(fig.axes[:5]):
        assert (ax.images[0].get_array() == i).all() and ax.get_title() == "abcde"[i]
        assert ax.images[0].get_clim() == (0, 9)
    assert not fig.axes[5].images
    assert [fig.axes[i].texts[0].get_text() for i in (0, 3)] == ["x", "y"]


def test_show_and_report_write_what_the_pages_read(monkeypatch, tmp_path, capsys):
    cfg = settings(monkeypatch, tmp_path, "--steps", "4")
    common.show(common.curve({"here": ([0, 1], [2, 3])}), "line")
    capsys.readouterr()
    rows = [
        ("a number", 0.5, np.float32(0.25), np.True_),
        ("a claim that fails", "-", float("nan"), False),
        ("no claim", "word", 3, None),
    ]
    common.report(rows)
    assert (cfg.folder / "line.png").stat().st_size > 1000
    blank, head, one, two, three, held, *_, last = capsys.readouterr().out.splitlines()
    assert blank == "" and head.split() == "quantity in the notes here holds".split()
    assert one.split() == "a number 0.5 0.25 yes".split()
    assert two.split() == "a claim that fails - nan NO".split()
    assert three.split() == "no claim word 3".split()
    assert held == "1 of 2 hold; figures and results.json are in" and last == str(cfg.folder)
    results = json.loads((cfg.folder / "results.json").read_text("utf-8"))
    assert results["lesson"] == 99 and results["title"] == "A lesson for the tests"
    assert results["settings"] == {"steps": 4, "seed": 1} and results["smoke"] is False
    assert results["figures"] == ["line.png"] and results["seconds"] >= 0
    assert results["results"][0] == dict(name="a number", notes=0.5, here=0.25, holds=True)
    assert results["results"][2] == dict(name="no claim", notes="word", here=3, holds=None)
    assert results["versions"].keys() == {"tensorflow", "keras", "python"} and results["cores"] > 0


def test_no_lesson_uses_compat_v1_or_private_names():
    import ast

    for path in LESSONS.values():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                private = node.attr.startswith("_") and not node.attr.startswith("__")
                assert node.attr != "v1" and not private, (path.name, node.lineno)
