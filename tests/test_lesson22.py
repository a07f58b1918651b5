"""Lesson 22: the notes' own end learns on what VGG16 sees, and is right about pictures that it has
never seen; nothing that a reader can get wrong ends in a traceback."""

import ast
import os
import shutil

import common
import keras
import numpy as np
import pytest
from running import LESSONS, assert_one_line, assert_whole, run_here, run_lesson
from skimage.measure import block_reduce

PICTURES = common.DATA / "cat_tiger"
SMOKE = ("--smoke", "--head", "notes", "--pictures", 2)
BGR_MEAN = [103.939, 116.779, 123.68]  # as the notes have it
NAMES = """conv1_1 conv1_2 pool1 conv2_1 conv2_2 pool2 conv3_1 conv3_2 conv3_3 pool3
    conv4_1 conv4_2 conv4_3 pool4 conv5_1 conv5_2 conv5_3 pool5""".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A smoke run with the notes' head, two pictures of each kind and two of the reader's: besides
    what `run_here` gives, what went into its figures and its steps."""
    with pytest.MonkeyPatch.context() as patch:
        seen = {"grids": [], "figures": {}, "steps": []}
        grid, show, step = common.image_grid, common.show, keras.Sequential.train_on_batch

        def image_grid(*args, **options):
            seen["grids"].append((args, options))
            return grid(*args, **options)

        def keep(fig, name):
            seen["figures"][name] = fig
            show(fig, name)

        def train_on_batch(net, x, y):
            seen["steps"].append((np.array(x), np.array(y)))
            return step(net, x, y)

        patch.setattr(common, "image_grid", image_grid)
        patch.setattr(common, "show", keep)
        patch.setattr(keras.Sequential, "train_on_batch", train_on_batch)
        folder = tmp_path_factory.mktemp("lesson 22")
        yours = [folder / "我的 貓.jpg", PICTURES / "test" / "tiger" / "01.jpg"]
        shutil.copy(PICTURES / "train" / "kittycat" / "10.jpg", yours[0])
        run = run_here(22, *SMOKE, "--predict", *yours, out=folder)
    vars(run).update(seen, yours=yours)
    return run


def pooled(xs):
    """Pictures (n, 224, 224, 3) averaged over 7 x 7 squares."""
    return block_reduce(xs, (1, 32, 32, 1), np.mean)


def pairs(tigers, cats):
    """The share of pairs in which the tiger is longer than the cat."""
    right = [tiger > cat for tiger in tigers for cat in cats]
    return sum(right) / len(right)


def statement(start):
    """The lesson's own statement that begins like this."""
    tree = ast.parse(LESSONS[22].read_text("utf-8"))
    found = [node for node in tree.body if ast.unparse(node).startswith(start)]
    return found[-1]


def test_a_smoke_run_is_whole(smoke):
    run = smoke(22)
    assert_whole(run)
    assert run.results["figures"] == ["lengths.png", "channels.png", "eval.png", "held_out.png"]
    assert "\nNet built, weights: random\n" in run.printed


def test_the_settings_are_those_of_the_notes(defaults):
    settings, smoke = defaults(22)
    assert settings == {
        "steps": 100,
        "batch_size": 6,
        "learning_rate": 0.001,
        "head": ("notes", "pooled"),
        "dtype": ("float32", "mixed_bfloat16"),
        "weights": "vgg16",
        "data": "",
        "pictures": 400,
        "predict": [],
    }
    assert smoke == {"steps": 11, "head": "pooled", "pictures": 1, "weights": "random"}


def test_smoke_takes_few_pictures_and_steps(smoke):
    settings = smoke(22).results["settings"]
    assert (settings["steps"], settings["pictures"], settings["weights"]) == (11, 1, "random")
    assert smoke(22).variables["VGG16"] == common.DATA / "vgg16_notop.weights.h5"
    assert len(smoke(22).variables["xs"]) == len(smoke(22).variables["new_xs"]) == 2
    assert smoke(22).variables["net"].layers[0].name.startswith("global_average_pooling2d")
    assert smoke(22).results["figures"][-1] == "held_out.png", "none of the reader's pictures"


def test_the_pictures_are_those_of_the_folders(run):
    for name, part in (("xs", "train"), ("new_xs", "test")):
        paths = sorted((PICTURES / part / "tiger").iterdir())[:2]
        paths += sorted((PICTURES / part / "kittycat").iterdir())[:2]
        expected = np.concatenate([common.load_img(path) for path in paths])
        assert (run.variables[name] == expected).all(), name


def test_the_split_is_that_of_the_readme():
    names = {
        folder: sorted(path.stem for path in folder.iterdir()) for folder in PICTURES.glob("*/*")
    }
    assert names == {
        PICTURES / "train" / "kittycat": ["05", "06", "07", "08", "09", "10", "11"],
        PICTURES / "train" / "tiger": ["03", "04", "05", "06", "08", "09", "13"],
        PICTURES / "test" / "kittycat": ["01", "02", "03", "04"],
        PICTURES / "test" / "tiger": ["01", "02"],
    }
    text = (PICTURES / "ATTRIBUTION.md").read_text("utf-8")
    for folder, stems in names.items():
        for stem in stems:
            assert f"`{folder.relative_to(PICTURES).as_posix()}/{stem}.jpg`" in text


def test_the_lengths_are_drawn_as_in_the_notes(run):
    """The tigers first, from N(100, 30), then the cats, from N(40, 8); the six pictures of each
    step are drawn between those of the two folders."""
    np.random.seed(1)
    lengths = [np.random.randn(2, 1) * 30 + 100, np.random.randn(2, 1) * 8 + 40]
    assert (run.variables["ys"] == np.concatenate(lengths)).all()
    for _ in range(11):
        np.random.randint(0, 4, 6)
    lengths = [np.random.randn(2, 1) * 30 + 100, np.random.randn(2, 1) * 8 + 40]
    assert (run.variables["new_ys"] == np.concatenate(lengths)).all()


def test_no_length_is_below_20_or_10(run, monkeypatch):
    monkeypatch.setattr(np.random, "randn", lambda *shape: np.full(shape, -5.0))
    monkeypatch.setattr(run.variables["cfg"], "pictures", 4)
    xs, ys, tigers = run.variables["load_data"](PICTURES / "test")
    assert xs.shape == (6, 224, 224, 3) and tigers == 2
    assert ys.tolist() == [[20], [20], [10], [10], [10], [10]]


def test_every_layer_has_its_two_names(run):
    lines = [line for line in run.printed.splitlines() if " = block" in line]
    assert len(lines) == len(NAMES) == 18
    size, depth = 224, [64, 128, 256, 512, 512]
    for name, line in zip(NAMES, lines):
        block, kind = int(name.partition("_")[0][-1]), name[:4]
        keras_name = f"block{block}_conv{name[-1]}" if kind == "conv" else f"block{block}_pool"
        size //= 2 if kind == "pool" else 1
        shape = f"(None, {size}, {size}, {depth[block - 1]})"
        assert line.split(maxsplit=3) == [name, "=", keras_name, shape]


def test_vgg16_sees_bgr_less_the_mean(run):
    """As the notes split and join the colors; every picture for itself."""
    for name, n in (("", 4), ("new_", 4)):
        xs, pool5 = run.variables[f"{name}xs"], run.variables[f"{name}pool5"]
        assert pool5.shape == (n, 7, 7, 512)
        bgr = (xs[-1:, ..., ::-1] * 255 - BGR_MEAN).astype(np.float32)
        assert np.allclose(pool5[-1:], run.variables["vgg"](bgr), 1e-3, 1e-5)
    assert np.allclose(run.variables["conv_layers"](xs[-1:]), pool5[-1:], 1e-3, 1e-5)


@pytest.mark.parametrize(("head", "numbers"), [("notes", 25088), ("pooled", 512)])
def test_the_new_end_is_that_of_the_notes(run, monkeypatch, head, numbers):
    monkeypatch.setattr(run.variables["cfg"], "head", head)
    net = run.variables["fc_layers"]((7, 7, 512))
    shapes = [tuple(weight.shape) for weight in net.weights]
    assert shapes == [(numbers, 256), (256,), (256, 1), (1,)]
    assert [layer.name for layer in net.layers[1:]] == ["fc6", "out"]
    fc6, out = net.layers[1:]
    assert fc6.activation.__name__ == "relu" and out.activation.__name__ == "linear"
    assert out.dtype_policy.name == "float32" and len(net.trainable_weights) == 4


def test_the_training_is_that_of_the_notes(run):
    for name in ("net", "control"):
        net = run.variables[name]
        settings = net.optimizer.get_config()
        assert type(net.optimizer) is keras.optimizers.RMSprop
        assert settings["learning_rate"] == pytest.approx(0.001)
        assert (settings["rho"], settings["momentum"], settings["centered"]) == (0.9, 0, False)
        assert net.loss == "mean_squared_error"


def test_the_end_of_a_run_is_the_notes_head(run):
    assert run.variables["net"].layers[0].name.startswith("flatten")
    assert run.variables["net"].input_shape == (None, 7, 7, 512)
    assert run.variables["control"].input_shape == (None, 7, 7, 3)


def test_the_train_loss_is_printed_every_ten_steps(run):
    lines = [line for line in run.printed.splitlines() if "train loss" in line]
    assert [line.partition(" train loss: ")[0] for line in lines] == ["  0", " 10"] * 3
    assert all(float(line.partition(": ")[2]) > 0 for line in lines)


def test_every_net_learns_in_the_same_way_from_its_own_pictures(run):
    """11 steps of six pictures, each with its own length: VGG16's view of the training pictures;
    the pixels of the same pictures; VGG16's view of all of them."""
    v = run.variables
    all_ys = np.concatenate([v["ys"], v["new_ys"]])
    parts = [
        (v["pool5"], all_ys[:4]),
        (pooled(v["xs"]), all_ys[:4]),
        (np.concatenate([v["pool5"], v["new_pool5"]]), all_ys),
    ]
    assert len(run.steps) == 33
    for i, (x, y) in enumerate(run.steps):
        of_part, ys = parts[i // 11]
        assert len(x) == 6 and y.shape == (6, 1)
        rows = [int(np.flatnonzero(ys[:, 0] == length)[0]) for length in y[:, 0]]
        assert np.allclose(x, of_part[rows], 1e-4, 1e-6)
    drawn = np.concatenate([y for x, y in run.steps[:11]])
    assert len(np.unique(drawn)) == 4, "every picture has its turn"
    assert len(np.unique(np.concatenate([y for x, y in run.steps[22:]]))) == 8


def test_what_the_figures_show(run):
    v = run.variables
    (channels, columns), options = run.grids[0]
    assert columns == 6 and options["rows"] == ["conv1_2", "conv3_3", "conv5_3"]
    bgr = (v["xs"][:1, ..., ::-1] * 255 - BGR_MEAN).astype(np.float32)
    for row, name in enumerate(["block1_conv2", "block3_conv3", "block5_conv3"]):
        stage = np.asarray(keras.Model(v["vgg"].input, v["vgg"].get_layer(name).output)(bgr))[0]
        busiest = np.sort(stage.std(axis=(0, 1)))[-6:]
        shown = channels[6 * row : 6 * row + 6]
        assert [c.shape for c in shown] == [stage.shape[:2]] * 6
        assert [float(c.std()) for c in shown] == pytest.approx(busiest.tolist(), rel=1e-3)

    (images, columns, titles), _ = run.grids[1]  # the notes' two, the cat first
    assert columns == 2 and (images == v["xs"][[2, 0]]).all()
    assert len(titles) == 2
    (images, columns, titles), _ = run.grids[2]
    assert columns == 4 and (images == v["new_xs"]).all()
    assert titles == [f"Len: {length:.1f} cm" for length in v["lengths"]]

    axes = run.figures["lengths"].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Tigers", "Cats"]
    for bars, lengths, bins in zip(axes.containers, (v["ys"][:2], v["ys"][2:]), (20, 10)):
        assert len(bars) == bins and sum(bar.get_height() for bar in bars) == 2
        assert bars[0].get_x() == pytest.approx(lengths.min())


def test_the_report_says_what_was_found(run):
    v, rows = run.variables, run.results["results"]
    tigers, cats = v["lengths"][:2], v["lengths"][2:]
    answer = v["control"].predict_on_batch(pooled(v["new_xs"]))[:, 0]
    error = (abs(tigers - 100).sum() + abs(cats - 40).sum()) / 4
    assert [row["name"] for row in rows] == [
        "new pairs of tiger and cat ranked right",
        "the same, learned from raw pixels",
        "mean error against 100 and 40 cm",
        "mean length of the new tigers, cm",
        "mean length of the new cats, cm",
    ]
    here = [pairs(tigers, cats), pairs(answer[:2], answer[2:]), error, tigers.mean(), cats.mean()]
    assert [row["here"] for row in rows] == pytest.approx(here, rel=1e-4)
    assert all(row["notes"] == "-" for row in rows)


def test_every_claim_can_fail():
    def verdicts(right, control_right, error):
        names = dict(right=right, control_right=control_right, error=error)
        names |= dict(lengths=np.arange(4.0), new_tigers=2)
        exec(compile(ast.Module([statement("rows = [")], []), "the report", "exec"), names)
        assert [row[3] for row in names["rows"][3:]] == [None, None]
        return [bool(row[3]) for row in names["rows"][:3]]

    assert verdicts(1.0, 0.59, 29.9) == [True, True, True]
    assert verdicts(0.875, 0.6, 30.0) == [False, False, False]
    assert verdicts(np.nan, np.nan, np.nan) == [False, False, False]


def test_the_eval_asks_the_net_that_was_saved(run, tmp_path):
    """The notes' restore: an empty frame gets the saved layers, after the first training."""
    v = run.variables
    saved = v["fc_layers"]((7, 7, 512))
    saved.load_weights(run.folder / "head.weights.h5")
    titles = [f"Len: {x:.1f} cm" for x in saved.predict_on_batch(v["pool5"][[2, 0]])[:, 0]]
    assert run.grids[1][0][2] == titles
    assert v["lengths"] == pytest.approx(saved.predict_on_batch(v["new_pool5"])[:, 0], rel=1e-4)
    begun = v["fc_layers"]((7, 7, 512)).get_weights()[0]
    assert saved.get_weights()[0].shape == begun.shape
    for new, old in zip(v["net"].get_weights(), saved.get_weights()):
        assert np.abs(new - old).max() > 0, "then it has learned on"


def test_predict_asks_the_net_that_learned_from_all(run):
    xs = np.concatenate([common.load_img(path) for path in run.yours])
    lengths = run.variables["net"].predict_on_batch(run.variables["conv_layers"](xs))[:, 0]
    expected = [f"{length:6.1f} cm  {path}" for length, path in zip(lengths, run.yours)]
    assert [line for line in run.printed.splitlines() if line.endswith(".jpg")] == expected
    (images, columns, titles), _ = run.grids[3]
    assert columns == 2 and (images == xs).all()
    assert titles == [f"Len: {length:.1f} cm" for length in lengths]
    assert run.results["figures"][-1] == "predict.png"


def test_a_picture_that_is_none_ends_with_one_line(tmp_path):
    picture = tmp_path / "text.jpg"
    picture.write_text("not a picture")
    answer = run_here(22, *SMOKE, "--predict", picture, out=tmp_path)
    assert "text.jpg" in answer.trouble and "\n" not in answer.trouble
    assert "train loss" not in answer.printed, "told before anything is learned"


def test_a_folder_and_weights_of_ones_own(tmp_path):
    """A class without pictures; a picture that cannot be read, left out and named; weights that
    are none. What was there stays."""
    mine = tmp_path / "我的 pictures"
    for name in ("kittycat", "tiger"):
        (mine / name).mkdir(parents=True)
    shutil.copy(PICTURES / "test" / "kittycat" / "01.jpg", mine / "kittycat")
    weights = tmp_path / "my.weights.h5"
    flags = (22, "--smoke", "--pictures", 2, "--data", mine, "--weights", weights)
    answer = run_here(*flags, out=tmp_path)
    assert "tiger holds no picture" in answer.trouble and "\n" not in answer.trouble

    content = (PICTURES / "test" / "tiger" / "01.jpg").read_bytes()
    (mine / "tiger" / "half.jpg").write_bytes(content[:3000])
    (mine / "tiger" / "whole.jpg").write_bytes(content)
    for content in (None, b"not HDF5"):
        if content:
            weights.write_bytes(content)
        answer = run_here(*flags, out=tmp_path)
        assert "my.weights.h5 gave no weights" in answer.trouble and "\n" not in answer.trouble
        left_out = [line for line in answer.printed.splitlines() if "left out" in line]
        assert len(left_out) == 1 and "half.jpg" in left_out[0]
    assert weights.read_bytes() == b"not HDF5"


def test_the_weights_are_fetched_if_they_are_missing(tmp_path, monkeypatch):
    """With a fetch_vgg16.py of our own: one that fails, and one that is not called."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copytree(PICTURES, data / "cat_tiger")
    (data / "fetch_vgg16.py").write_text("open(__file__ + '.called', 'w'); raise SystemExit(1)")
    monkeypatch.setattr(common, "DATA", data)
    answer = run_here(22, "--pictures", 1, out=tmp_path)
    assert answer.trouble == "1", "the message is that of fetch_vgg16.py"
    (data / "fetch_vgg16.py.called").unlink()
    (data / "vgg16_notop.weights.h5").write_bytes(b"damaged")
    answer = run_here(22, "--pictures", 1, out=tmp_path)
    assert "vgg16_notop.weights.h5 gave no weights" in answer.trouble
    assert not (data / "fetch_vgg16.py.called").exists()


# Measured, seeds 1 to 10: mean error 17 12 16 14 21 10 12 10 18 23 cm; mean length of the tigers 63
# 84 62 82 121 92 86 81 56 50 cm, of the cats 34 45 38 51 61 51 48 43 36 31. Another processor or
# release may round otherwise, and a seed then learns what another does: hence the wide bounds.
def assert_as_measured(here):
    assert here["new pairs of tiger and cat ranked right"] == 1
    assert here["the same, learned from raw pixels"] < 0.6
    assert here["mean error against 100 and 40 cm"] < 26
    assert 45 < here["mean length of the new tigers, cm"] < 126
    assert 26 < here["mean length of the new cats, cm"] < 66


@pytest.mark.full
def test_seed_1(full_run):
    results = full_run(22)
    assert_as_measured(results["here"])
    assert [row["holds"] for row in results["results"]] == [True, True, True, None, None]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """real(3, "--head", "pooled"): a run of seed 3 with the real weights; each is run once."""
    out, runs = tmp_path_factory.mktemp("real"), {}

    def run(seed, *flags):
        if (seed, flags) not in runs:
            runs[seed, flags] = run_here(22, "--seed", seed, *flags, out=out)
            assert runs[seed, flags].trouble is None
        return runs[seed, flags]

    return run


@pytest.mark.seeds
@pytest.mark.parametrize("seed", range(1, 11))
def test_other_seeds(real, seed):
    assert_as_measured(real(seed).here)


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [1, 2])
def test_bfloat16(real, seed):
    assert_as_measured(real(seed, "--dtype", "mixed_bfloat16").here)


@pytest.mark.seeds
def test_try_it_pooled(real):
    right, seconds = [], []
    for seed in range(1, 11):
        pooled = real(seed, "--head", "pooled")
        right.append(pooled.here["new pairs of tiger and cat ranked right"])
        seconds.append(pooled.results["seconds"] / real(seed).results["seconds"])
    assert 0.6 < min(right) < 1 and 4 <= right.count(1) <= 9  # measured: 0.75, and 7 of 10
    assert np.median(seconds) < 0.85


@pytest.mark.seeds
def test_try_it_learning_rate(real):
    name = "mean error against 100 and 40 cm"
    for seed in (1, 2, 3):
        slow = real(seed, "--learning-rate", 0.0001).here
        assert slow["new pairs of tiger and cat ranked right"] == 1
        assert slow[name] < real(seed).here[name]


@pytest.mark.seeds
def test_keras_own_download_without_a_network(tmp_path):
    env = os.environ | {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    process = run_lesson(22, "--weights", "imagenet", "--out", tmp_path, env=env)
    assert_one_line(process, about="imagenet gave no weights")
