"""common.py: flags, data, figures and the report, and what each does with bad input."""

import hashlib
import json
import os
import pickle
import shutil
import struct
import sys

import common
import numpy as np
import pytest
from running import ROOT

# ---------------------------------------------------------------------------- settings


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Run `settings` on a command line; TensorFlow is loaded once for all the tests."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def parse(*flags, smoke=(), **defaults):
        monkeypatch.setattr(sys, "argv", ["lesson99_test.py", "--out", str(tmp_path), *flags])
        return common.settings("Lesson 99: Title", smoke=dict(smoke), **defaults)

    return parse


def test_settings_keep_the_type_of_their_default(parse):
    cfg = parse(
        *("--steps", "7", "--learning-rate", "1e-3", "--optimizer", "sgd"),
        **dict(steps=1000, learning_rate=0.1, optimizer=("adam", "sgd"), batch_size=100),
    )
    assert (cfg.steps, cfg.learning_rate, cfg.optimizer) == (7, 0.001, "sgd")
    assert (cfg.batch_size, cfg.seed, cfg.smoke, cfg.show) == (100, 1, False, False)


def test_smoke_replaces_defaults_and_flags_replace_smoke(parse):
    cfg = parse("--smoke", "--steps", "9", smoke=dict(steps=2, batch_size=5), steps=1, batch_size=1)
    assert (cfg.steps, cfg.batch_size) == (9, 5)


def test_the_seed_fixes_every_generator(parse):
    import random

    import tensorflow as tf

    draws = []
    for seed in ("3", "3", "4"):
        parse("--seed", seed)
        draws.append((random.random(), np.random.rand(), float(tf.random.uniform([]))))
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])


@pytest.mark.parametrize(
    ("flags", "about"),
    [
        (["--steps", "0"], "from 1 to"),
        (["--steps", "-1"], "from 1 to"),
        (["--steps", "2.5"], "from 1 to"),
        (["--steps", "many"], "from 1 to"),
        (["--steps", "²"], "from 1 to"),
        (["--steps"], "expected one argument"),
        (["--learning-rate", "nan"], "finite"),
        (["--learning-rate", "inf"], "finite"),
        (["--learning-rate", "0"], "above 0"),
        (["--learning-rate", "-1"], "above 0"),
        (["--learning-rate", "fast"], "finite"),
        (["--optimizer", "sgdd"], "sgdd"),
        (["--seed", "-1"], "--seed: must"),
        (["--seed", "4294967296"], "from 0 to 4294967295"),
        (["--step", "5"], "--step"),
        (["stray"], "stray"),
    ],
)
def test_a_bad_flag_is_one_line_and_status_2(parse, capsys, flags, about):
    with pytest.raises(SystemExit) as stop:
        parse(*flags, steps=1000, learning_rate=0.1, optimizer=("adam", "sgd"))
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and about in lines[0]


def test_help_shows_the_docstring_and_the_defaults(parse, capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help", batch_size=123, optimizer=("adam", "sgd"))
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for text in ("Lesson 99: Title", "--batch-size", "default: 123", "adam|sgd", "--smoke"):
        assert text in shown


def test_a_notebook_takes_the_defaults_or_LESSON_ARGS(parse, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(common, "OUTPUTS", tmp_path)
    monkeypatch.delenv("LESSON_ARGS", raising=False)
    assert parse("--steps", "5", steps=1000).steps == 1000, "sys.argv is the kernel's, not ours"
    monkeypatch.setenv("LESSON_ARGS", "--steps 6")
    assert parse("--steps", "5", steps=1000).steps == 6


def test_an_old_tensorflow_is_named(parse, monkeypatch):
    import tensorflow

    monkeypatch.setattr(tensorflow, "__version__", "2.9.1")
    with pytest.raises(common.Trouble, match=r"2\.9\.1.*pip install"):
        parse()


# -------------------------------------------------------------------------------- data


def test_mnist_is_split_as_in_the_notes():
    train, validation, test = common.load_mnist()
    for (x, y), n in zip((train, validation, test), (55_000, 5_000, 10_000)):
        assert x.shape == (n, 28, 28) and x.dtype == np.float32
        assert y.shape == (n,) and set(y) == set(range(10))
        assert (x.min(), x.max()) == (0, 1)
    pixels = np.rint(np.concatenate([validation[0], train[0]]) * 255).astype(np.uint8)
    assert pixels.tobytes() == raw_mnist()["x_train"].tobytes(), "validation comes first"


def raw_mnist():
    with np.load(ROOT / "data" / "mnist.npz", allow_pickle=False) as data:
        return dict(data)


def test_mnist_is_the_canonical_one():
    """The checksums in data/README.md are those of the arrays and of the original idx files."""
    table = (ROOT / "data" / "README.md").read_text("utf-8")
    for name, array in raw_mnist().items():
        idx = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
        sha256 = hashlib.sha256(array.tobytes()).hexdigest()
        md5 = hashlib.md5(idx + array.tobytes()).hexdigest()
        row = next(line for line in table.splitlines() if f"`{name}`" in line)
        assert sha256 in row and md5 in row


def missing(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1000])


def altered(path):
    content = bytearray(path.read_bytes())
    content[5_000_000] ^= 1
    path.write_bytes(content)


def a_folder(path):
    path.unlink()
    path.mkdir()


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def a_pickle(path):
    path.write_bytes(pickle.dumps(Malicious(str(path.parent / "owned"))))


def a_pickle_in_an_npz(path):
    np.savez(path, x_train=np.array([Malicious(str(path.parent / "owned"))], dtype=object))


@pytest.mark.parametrize(
    "damage", [missing, empty, cut_off, altered, a_folder, a_pickle, a_pickle_in_an_npz]
)
def test_damaged_mnist_is_refused_in_one_line(damage, tmp_path, monkeypatch):
    shutil.copy(ROOT / "data" / "mnist.npz", tmp_path)
    damage(tmp_path / "mnist.npz")
    monkeypatch.setattr(common, "DATA", tmp_path)
    with pytest.raises(common.Trouble, match=r"mnist\.npz.*git checkout") as trouble:
        common.load_mnist()
    assert "\n" not in str(trouble.value)
    assert not (tmp_path / "owned").exists()


def test_batches_visit_every_row_once_a_pass():
    x = np.arange(10, dtype=np.float32).reshape(10, 1)
    y = np.arange(10, dtype=np.int32)
    pairs = list(common.batches(x, y, 5).take(4).as_numpy_iterator())
    for x_batch, y_batch in pairs:
        assert x_batch.shape == (5, 1) and (x_batch[:, 0] == y_batch).all()
    passes = np.concatenate([y_batch for _, y_batch in pairs]).reshape(2, 10)
    assert (np.sort(passes) == y).all()
    assert (passes[0] != passes[1]).any() and (passes[0] != y).any()


def test_batches_without_shuffling_are_one_pass_in_order():
    y = np.arange(7, dtype=np.int32)
    rows = [list(batch) for _, batch in common.batches(y, y, 3, shuffle=False).as_numpy_iterator()]
    assert rows == [[0, 1, 2], [3, 4, 5], [6]]


# What load_cats_and_tigers makes of other people's pictures.


def picture(path, mode="RGB", size=(300, 200), **kwargs):
    """Red on the left of the central square, blue on the right; grey levels where it is grey."""
    from PIL import Image

    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert(mode) if mode != "RGB" else image).save(path, **kwargs)
    return path


@pytest.fixture
def pictures(tmp_path):
    for name in ("kittycat", "tiger"):
        picture(tmp_path / "貓 and tigers" / name / "1.png")
    return tmp_path / "貓 and tigers"


def test_the_embedded_pictures_are_all_read():
    images, labels, left_out = common.load_cats_and_tigers(ROOT / "data" / "cat_tiger")
    assert images.shape == (20, 224, 224, 3) and images.dtype == np.uint8
    assert labels.tolist() == [0] * 11 + [1] * 9 and left_out == []
    assert (images.std(axis=(1, 2, 3)) > 20).all()


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("a.jpg", dict(quality=95)),
        ("a.png", {}),
        ("a.webp", dict(lossless=True)),
        ("png called.jpg", dict(format="PNG")),
        ("cmyk.jpg", dict(mode="CMYK", quality=95)),
        ("palette.png", dict(mode="P")),
        ("rgba.png", dict(mode="RGBA")),
        ("big.jpg", dict(size=(4000, 3000))),
        ("tall.png", dict(size=(200, 900))),
    ],
)
def test_every_kind_of_picture_comes_out_right(tmp_path, name, kwargs):
    image = common.load_img(picture(tmp_path / name, **kwargs)).astype(int)
    assert image.shape == (224, 224, 3)
    assert np.abs(image[:, :100] - (255, 0, 0)).max() <= 12
    assert np.abs(image[:, 124:] - (0, 0, 255)).max() <= 12


def test_a_turned_photograph_is_set_upright(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: what is stored on the left belongs on top
    image = common.load_img(picture(tmp_path / "turned.jpg", exif=exif, quality=95)).astype(int)
    assert np.abs(image[:100] - (255, 0, 0)).max() <= 12
    assert np.abs(image[124:] - (0, 0, 255)).max() <= 12


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_pictures_keep_their_brightness(tmp_path, bits):
    from PIL import Image

    grey = np.full((50, 50), 200 * (257 if bits == 16 else 1), f"uint{bits}")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (common.load_img(tmp_path / "grey.png") == 200).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(tmp_path, mode):
    from PIL import Image

    if mode == "P":
        Image.new("P", (50, 50), 0).save(tmp_path / "clear.png", transparency=0)
    else:
        Image.new(mode, (50, 50), 0).save(tmp_path / "clear.png")
    assert (common.load_img(tmp_path / "clear.png") == 255).all()


def test_what_cannot_be_read_is_named_with_the_reason(pictures):
    tigers = pictures / "tiger"
    whole = picture(tigers / "cut off.jpg").read_bytes()
    (tigers / "cut off.jpg").write_bytes(whole[: len(whole) // 2])
    (tigers / "text.jpg").write_text("a tiger")
    (tigers / "empty.png").write_bytes(b"")
    (tigers / "a folder.jpg").mkdir()
    (tigers / "loop").symlink_to(tigers)
    (tigers / "itself.jpg").symlink_to(tigers / "itself.jpg")
    os.mkfifo(tigers / "pipe.jpg")  # opening it would wait for ever
    (tigers / "vector.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    images, labels, left_out = common.load_cats_and_tigers(pictures)
    assert labels.tolist() == [0, 1] and len(images) == 2
    reasons = {path.name: why for path, why in left_out}
    assert reasons.keys() == {p.name for p in tigers.iterdir()} - {"1.png"}
    assert "truncated" in reasons["cut off.jpg"]
    for name in ("text.jpg", "empty.png", "vector.jpg"):
        assert reasons[name] == "no JPEG, PNG or WebP picture"
    for name in ("a folder.jpg", "loop", "itself.jpg", "pipe.jpg"):
        assert reasons[name] == "not a file"


def test_a_decompression_bomb_is_not_unpacked(pictures):
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    )
    bomb += chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000)) + chunk(b"IEND", b"")
    (pictures / "tiger" / "bomb.png").write_bytes(bomb)
    (path, why), *others = common.load_cats_and_tigers(pictures)[2]
    assert path.name == "bomb.png" and "pixels" in why and not others


def test_no_more_than_400_of_each(pictures):
    for i in range(2, 6):
        picture(pictures / "tiger" / f"{i}.png")
    images, labels, left_out = common.load_cats_and_tigers(pictures, at_most=3)
    assert labels.tolist() == [0, 1, 1, 1] and len(left_out) == 1
    assert "only 3 of a class" in left_out[0][1]


def test_a_folder_without_the_two_classes_is_refused_in_one_line(pictures, tmp_path):
    def refused(folder, about):
        with pytest.raises(common.Trouble, match=about) as trouble:
            common.load_cats_and_tigers(folder)
        assert "\n" not in str(trouble.value)

    refused(tmp_path / "missing", "must hold the folders kittycat and tiger")
    refused(pictures / "tiger" / "1.png", "must hold the folders kittycat and tiger")
    (pictures / "dog").mkdir()
    refused(pictures, "it holds dog, kittycat, tiger")
    (pictures / "dog").rename(pictures / ".hidden")
    (pictures / "tiger" / "1.png").unlink()
    refused(pictures, "tiger holds no picture")
    (pictures / "tiger").rmdir()
    refused(pictures, "it holds kittycat$")


# ------------------------------------------------------------------- figures and report


def figure():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot([1, 2])
    return fig


def test_show_replaces_the_file_whole(in_a_lesson):
    path = in_a_lesson / "name.png"
    path.write_bytes(b"x" * 10_000_000)
    common.show(figure(), "name")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 1_000_000
    assert os.listdir(in_a_lesson) == ["name.png"]


def test_report_prints_and_writes_the_same_figures(in_a_lesson, capsys):
    common.show(figure(), "name")
    rows = [("a", 0.5, np.float32(0.25), np.True_), ("b", None, "[1 2]", None), ("c", 1, 2, False)]
    common.report([*rows, ("d", None, float("nan"), False)])
    shown = capsys.readouterr().out
    assert "1 of 3 hold" in shown
    results = json.loads((in_a_lesson / "results.json").read_text("utf-8"))
    assert results["results"] == [
        {"name": "a", "notes": 0.5, "here": 0.25, "holds": True},
        {"name": "b", "notes": None, "here": "[1 2]", "holds": None},
        {"name": "c", "notes": 1, "here": 2, "holds": False},
        {"name": "d", "notes": None, "here": "nan", "holds": False},
    ]
    assert results["lesson"] == 99 and results["title"] == "A lesson for the tests"
    assert results["settings"] == {"steps": 3, "seed": 1}
    assert results["figures"] == ["name.png"] and results["smoke"] is False


@pytest.mark.parametrize("write", [lambda: common.show(figure(), "n"), lambda: common.report([])])
def test_what_cannot_be_written_is_one_line_and_the_old_file_stays(in_a_lesson, monkeypatch, write):
    old = {name: b"from an earlier run" for name in ("n.png", "results.json")}
    for name, content in old.items():
        (in_a_lesson / name).write_bytes(content)

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(common.Trouble, match=r"cannot write .*No space left on device.*--out"):
        write()
    assert {path.name: path.read_bytes() for path in in_a_lesson.iterdir()} == old
