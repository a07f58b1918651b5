"""What every lesson needs and no lesson is about: settings, data, figures, the report."""

import argparse
import builtins
import hashlib
import io
import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import imageio.v3 as imageio  # what skimage.io.imread calls; this way it can turn upright
import matplotlib.pyplot as plt
import numpy as np
import skimage

DATA = Path(__file__).resolve().parent.parent / "data"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
_lesson = SimpleNamespace()  # the one that is running: filled by `settings`


class Trouble(SystemExit):
    """What a reader can cause and put right: ends the lesson with one line and exit status 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # one line, where argparse would print its usage as well
        raise Trouble(f"{self.prog}: {message} (--help lists the flags)")


def settings(doc, *, lesson, smoke, **defaults):
    """Make each keyword a flag, read the flags, load Keras, seed everything.

    `batch_size=100` becomes `--batch-size`; numbers must be above 0, a tuple lists the words to
    choose from, a list takes any number of words. `smoke` is what `--smoke` puts in place of the
    defaults. In a notebook or an editor's cells, the flags are in the variable LESSON_ARGS.

    Returns a namespace with one attribute a flag, and `folder`, where the lesson may write.
    Raises Trouble if a flag is wrong or that folder cannot be written.
    """
    if hasattr(sys.stdout, "reconfigure"):  # a terminal without Chinese shows "?" and goes on
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    parser = _Parser(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = doc
    for name, default in (defaults | {"seed": 1}).items():
        flag = dict(type=type(default), default=default)
        if isinstance(default, tuple):
            flag = dict(choices=default, default=default[0])
        if isinstance(default, list):
            flag = dict(nargs="+", default=default)
        parser.add_argument("--" + name.replace("_", "-"), help="default: %(default)s", **flag)
    parser.add_argument("--smoke", action="store_true", help="the whole path, in seconds")
    parser.add_argument("--show", action="store_true", help="open a window for every figure")
    parser.add_argument("--out", type=Path, default=DATA.parent / "outputs", help="a folder")
    by_hand = hasattr(builtins, "__IPYTHON__") or hasattr(sys, "ps1")  # cell by cell
    flags = shlex.split(os.environ.get("LESSON_ARGS", "")) if by_hand else sys.argv[1:]
    if parser.parse_args(flags).smoke:
        parser.set_defaults(**smoke, out=DATA.parent / "outputs" / "smoke")  # nothing is lost
    cfg = parser.parse_args(flags)
    chosen = {name: getattr(cfg, name) for name in [*defaults, "seed"]}
    for name, value in chosen.items():
        low = -1 if name == "seed" else 0
        if isinstance(value, int | float) and not low < value < 2**32:
            parser.error(f"--{name.replace('_', '-')} must be a number above {low}, not {value}")

    cfg.folder = cfg.out / f"lesson{lesson}"
    try:
        cfg.folder.mkdir(parents=True, exist_ok=True)
        (cfg.folder / ".writable").touch()
        (cfg.folder / ".writable").unlink()
    except OSError as error:
        raise Trouble(f"cannot write {cfg.folder} ({error.strerror}); see --out") from None
    title = doc.partition("\n")[0] if str(doc).startswith("Lesson") else f"Lesson {lesson}"
    print(title)
    _lesson.cfg, _lesson.shown, _lesson.began = cfg, cfg.show or by_hand, time.monotonic()
    _lesson.results = dict(lesson=lesson, title=title.partition(": ")[2], settings=chosen)
    _lesson.results |= dict(smoke=cfg.smoke, figures=[])

    if not _lesson.shown:
        plt.switch_backend("agg")  # which needs no screen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors, no chat
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    keras.utils.set_random_seed(cfg.seed)
    keras.config.set_dtype_policy(getattr(cfg, "dtype", "float32"))
    return cfg


class Images:
    """A part of MNIST: `images` (n, 784), float32 in 0..1, and `labels` (n,), int32 in 0..9."""

    def __init__(self, images, labels):
        self.images, self.labels, self.num_examples = images, labels, len(images)
        self.order = np.array([], dtype=int)  # the rows still to come in this pass

    def next_batch(self, batch_size):
        """The next `(images, labels)`; each is seen once, in random order, before any again."""
        while len(self.order) < batch_size:
            self.order = np.append(self.order, np.random.permutation(self.num_examples))
        rows, self.order = self.order[:batch_size], self.order[batch_size:]
        return self.images[rows], self.labels[rows]


def load_mnist():
    """The notes' `read_data_sets`: `train`, `validation`, `test` with 55,000, 5,000, 10,000
    `Images`. Raises Trouble if data/mnist.npz is missing or damaged."""
    path = DATA / "mnist.npz"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise Trouble(f"{path} is missing or damaged; bring it back: git checkout data/mnist.npz")
    with np.load(io.BytesIO(content)) as data:
        x = np.divide(data["x_train"], 255, dtype=np.float32).reshape(-1, 784)
        x_test = np.divide(data["x_test"], 255, dtype=np.float32).reshape(-1, 784)
        y, y_test = data["y_train"].astype(np.int32), data["y_test"].astype(np.int32)
    train, validation = Images(x[5000:], y[5000:]), Images(x[:5000], y[:5000])
    return SimpleNamespace(train=train, validation=validation, test=Images(x_test, y_test))


def read_image(path):
    """A picture (height, width, 3), RGB in 0..1, upright, on white; Trouble if it is none."""
    try:
        img = imageio.imread(path, plugin="pillow", index=0, rotate=True)
    except Exception as error:  # each format has errors of its own
        raise Trouble(f"{path} cannot be read as a picture ({error})") from None
    img = skimage.util.img_as_float(img)
    if img.ndim == 2:
        return skimage.color.gray2rgb(img)
    if img.shape[2] == 2:  # grey and alpha
        img = img[..., [0, 0, 0, 1]]
    return skimage.color.rgba2rgb(img) if img.shape[2] == 4 else img


def load_img(path):
    """The notes' `load_img`: the central square of a picture, (1, 224, 224, 3), RGB in 0..1."""
    img = read_image(path)
    short_edge = min(img.shape[:2])
    yy, xx = (img.shape[0] - short_edge) // 2, (img.shape[1] - short_edge) // 2
    crop_img = img[yy : yy + short_edge, xx : xx + short_edge]
    return skimage.transform.resize(crop_img, (224, 224))[None].astype(np.float32)


def load_digit(path):
    """A picture of one digit, dark on light or light on dark, as MNIST has them: (784,), 0 paper
    … 1 ink, the digit 20 pixels large, its center of mass in the middle of 28 x 28."""
    img = read_image(path)
    border = np.concatenate([img[0], img[-1], img[:, 0], img[:, -1]])
    paper = np.median(border, axis=0)
    ink, colour = np.abs(img - paper).mean(axis=2), np.ptp(img - paper, axis=2) > 0.08
    if ink.max() < 0.2 or colour.mean() > 0.15 or np.mean(np.abs(border - paper) > 0.15) > 0.1:
        raise Trouble(f"{path} does not show one digit on plain paper")
    y, x = np.nonzero(ink > 0.2 * ink.max())
    digit = ink[y.min() : y.max() + 1, x.min() : x.max() + 1]
    size = np.maximum(1, np.round(20 * np.array(digit.shape) / max(digit.shape)))
    digit = skimage.transform.resize_local_mean(digit, size.astype(int))
    y, x = np.round(24 - skimage.measure.centroid(digit)).astype(int)
    square = np.zeros((48, 48), np.float32)  # 10 pixels more than 28 x 28 on every side
    square[y : y + digit.shape[0], x : x + digit.shape[1]] = digit / digit.max()
    return square[10:38, 10:38].ravel()


def load_data(folder, at_most=400):
    """The notes' `load_data`: {"tiger": {name: picture}, "kittycat": …}, as `load_img` gives them.
    Prints what it leaves out; raises Trouble where a class has no picture."""
    imgs = {"tiger": {}, "kittycat": {}}
    for kind in imgs:
        for path in sorted(Path(folder, kind).glob("[!.]*")):
            if len(imgs[kind]) == at_most:
                break
            try:
                imgs[kind][path.name] = load_img(path)
            except Trouble as trouble:
                print(f"left out: {trouble}")
        if not imgs[kind]:
            raise Trouble(f"{Path(folder, kind)} holds no picture that can be read")
    return imgs


def curve(lines, dots=None, **axes):
    """A figure with `lines`, {label: (x, y)}, and grey `dots` of the same form, such as the notes'
    figures or the data; `axes` is what `ax.set` takes, such as `xlabel`."""
    fig, ax = plt.subplots(figsize=(6.6, 3.6))
    for label, (x, y) in (dots or {}).items():
        ax.scatter(x, y, s=12, color="0.6", label=label)
    for label, (x, y) in lines.items():
        ax.plot(x, y, ".-", label=label)
    ax.set(**axes)
    ax.grid(alpha=0.3)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)  # above the picture
    return fig


def image_grid(images, columns, titles=(), rows=(), cmap="gray_r", **limits):
    """A figure of `images`, arrays (h, w) or (h, w, 3) of any sizes, `columns` in a row, with
    `titles` above the pictures and `rows` left of the rows. Without the limits `vmin` and `vmax`
    each picture has its own darkest and brightest."""
    n_rows = -(-len(images) // columns)
    width = 6.6 / (columns + 1.2 * bool(rows))  # inches
    size = (6.6, n_rows * (width + 0.33 * bool(titles) + 0.05))
    fig, axes = plt.subplots(n_rows, columns, figsize=size, squeeze=False, layout="constrained")
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image in zip(axes.flat, images):
        ax.imshow(image, cmap=cmap, **limits)
    for ax, title in zip(axes.flat, titles):
        ax.set_title(title, size=9)
    for ax, row in zip(axes[:, 0], rows):
        ax.text(-0.1, 0.5, row, ha="right", va="center", size=9, transform=ax.transAxes)
    return fig


def show(fig, name):
    """Save a figure as `<name>.png` in the lesson's folder; `--show` opens a window as well."""
    fig.savefig(_lesson.cfg.folder / f"{name}.png", dpi=120, bbox_inches="tight")
    _lesson.results["figures"].append(f"{name}.png")
    if _lesson.shown:
        plt.show()
    plt.close(fig)


def table(rows):
    """The lines of a report: *quantity | in the notes | here | holds*."""
    lines = [f"{'quantity':44}{'in the notes':>13}{'here':>13}  holds"]
    for name, *values, holds in rows:
        notes, here = (v if isinstance(v, str) else f"{v:.4g}" for v in values)
        verdict = {True: "yes", False: "NO", None: ""}[holds]
        lines.append(f"{name:44}{notes:>13}{here:>13}  {verdict}".rstrip())
    return lines


def report(rows):
    """Print the closing table; write `results.json`, which the pages and the README are made of.

    `rows` are tuples `(name, notes, here, holds)`: `notes` is "-" where they print nothing, and
    `holds` the verdict, True or False, or None where nothing is claimed.
    """
    import keras
    import tensorflow as tf

    print("", *table(rows), sep="\n")
    claims = [row[3] for row in rows if row[3] is not None]
    print(f"{sum(claims)} of {len(claims)} hold; figures and results.json are in")
    print(_lesson.cfg.folder)
    versions = dict(tensorflow=tf.__version__, keras=keras.__version__)
    results = _lesson.results | {
        "seconds": round(time.monotonic() - _lesson.began, 1),
        "results": [dict(zip(("name", "notes", "here", "holds"), row)) for row in rows],
        "versions": versions | {"python": platform.python_version()},
        "cores": os.cpu_count(),
    }
    text = json.dumps(results, indent=1, ensure_ascii=False, default=lambda value: value.tolist())
    (_lesson.cfg.folder / "results.json").write_text(text, "utf-8")
