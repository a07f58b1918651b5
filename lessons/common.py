"""What every lesson needs and no lesson is about: settings, data, figures, the report.

A lesson calls `settings` first, so that `--help` and a mistyped flag answer before TensorFlow
has loaded; then `load_mnist` or `load_cats_and_tigers`, `show` for each figure, `report` last.
Whatever goes wrong outside the code (a missing file, a full disk, Ctrl-C) ends the lesson with
one line and exit status 2 (130 for Ctrl-C); a mistake in the code keeps its traceback.
"""

import argparse
import contextlib
import functools
import hashlib
import io
import json
import math
import os
import platform
import re
import shlex
import struct
import sys
import tempfile
import time
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
OUTPUTS = HERE.parent / "outputs"

# SHA-256 of the data files, as data/README.md lists them.
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
CAT_TIGER_SHA256 = "9a89bbae71b69112061d100232e2627cc1d09971fa263fea93ee22635f3b75ce"  # in a row

# The lesson that is running: filled by `settings`, read by `show` and `report`.
_lesson = types.SimpleNamespace()


class Trouble(Exception):
    """Something outside the code is wrong. The message says what, and what to do about it."""

    def _render_traceback_(self):  # a notebook, too, shows one line
        return [str(self)]


# ---------------------------------------------------------------------------- settings


def settings(doc, *, smoke, **defaults):
    """Turn a lesson's settings into command-line flags, load TensorFlow, seed everything.

    Each keyword becomes a flag of the same name and type (`batch_size=100` → `--batch-size 100`):
    whole numbers must be at least 1, decimal numbers finite and above 0, a tuple lists the words
    to choose from, the default first, and a list takes any number of values. `--seed`, `--smoke`,
    `--out` and `--show` are always there. A notebook takes the defaults, or the flags in the
    environment variable LESSON_ARGS.

    Args:
        doc: the lesson's docstring, whose first line is `Lesson NN: title`.
        smoke: what `--smoke` puts in place of the defaults; a flag given by hand still wins.
        **defaults: the lesson's own settings.

    Returns:
        A namespace with one attribute per flag, and `verbose` for Keras: a progress bar (1)
        on a terminal, one line (2) in a log.

    Raises:
        SystemExit: with status 2 and one line, if a flag is unknown or its value unusable.
    """
    started = time.perf_counter()
    notebook = "ipykernel" in sys.modules
    if not notebook:
        sys.excepthook = _one_line
    for stream in (sys.stdout, sys.stderr):  # a terminal without Chinese shows "?", not a crash
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")

    parser = _Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        choices = default if isinstance(default, tuple) else None
        default = choices[0] if choices else default
        example = default[0] if isinstance(default, list) else default
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=_FLAG_TYPES.get(type(example), type(example)),
            nargs="+" if isinstance(default, list) else None,
            choices=choices,
            default=default,
            metavar="|".join(choices) if choices else type(example).__name__.upper(),
            help="default: %(default)s",
        )
    seed = functools.partial(_whole, low=0)
    parser.add_argument("--seed", type=seed, default=1, metavar="INT", help="default: 1")
    parser.add_argument("--smoke", action="store_true", help="the whole path in seconds, on little")
    parser.add_argument("--out", type=Path, default=OUTPUTS, metavar="DIR", help="default: outputs")
    parser.add_argument("--show", action="store_true", help="open a window for every figure")
    arguments = shlex.split(os.environ.get("LESSON_ARGS", "")) if notebook else sys.argv[1:]
    if parser.parse_args(arguments).smoke:
        parser.set_defaults(**smoke)
    cfg = parser.parse_args(arguments)

    head = re.match(r"Lesson (\d+): (.+)", doc or "")  # a bare notebook has no docstring
    _lesson.number, _lesson.title = (int(head[1]), head[2]) if head else (None, "notebook")
    _lesson.cfg, _lesson.started, _lesson.notebook = cfg, started, notebook
    _lesson.out = cfg.out / (f"lesson{head[1]}" if head else "notebook")
    _lesson.figures = []
    with _writing(_lesson.out):
        _lesson.out.mkdir(parents=True, exist_ok=True)
    print(head[0] if head else "A lesson in a notebook", flush=True)

    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not cfg.show and not notebook:
        os.environ["MPLBACKEND"] = "Agg"
    keras = _load_tensorflow()
    keras.utils.set_random_seed(cfg.seed)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(getattr(cfg, "dtype", "float32"))
    cfg.verbose = 1 if sys.stdout.isatty() else 2
    return cfg


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake costs one line instead of a page of usage."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help lists the flags)\n")


def _whole(text, low=1, high=2**32 - 1):
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text}")
    return int(text)


def _decimal(text):
    with contextlib.suppress(ValueError):
        if math.isfinite(float(text)) and float(text) > 0:
            return float(text)
    raise argparse.ArgumentTypeError(f"must be a finite number above 0, not {text}")


_FLAG_TYPES = {int: _whole, float: _decimal}


def _load_tensorflow():
    """Import TensorFlow and Keras without their start-up chatter; check TensorFlow's version."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Python raises what C++ would log
    try:
        with _without_chatter():
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for a GPU, and is loud about finding none
            tf.get_logger().setLevel("ERROR")  # no warning that a new model means a new trace
    except ImportError as error:
        raise Trouble(f"{error}; set up with: pip install -r requirements.txt") from error
    needs = re.search(
        r"^tensorflow>=(\d+)\.(\d+)", (HERE.parent / "requirements.txt").read_text(), re.M
    )
    if tuple(map(int, tf.__version__.split(".")[:2])) < tuple(map(int, needs.groups())):
        raise Trouble(
            f"this is TensorFlow {tf.__version__}, the lessons need {'.'.join(needs.groups())} or "
            "newer: pip install --upgrade -r requirements.txt"
        )
    import keras

    return keras


@contextlib.contextmanager
def _without_chatter():
    """Hold back what C++ writes to stderr meanwhile, and pass on all but the known chatter.

    TensorFlow 2.21 logs "oneDNN custom operations are on" and "Could not find cuda drivers"
    before it reads TF_CPP_MIN_LOG_LEVEL, so the file descriptor is the only place to stop it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            chatter = rb"I0000|WARNING: All log|To enable the|.*(cuInit|cuda_\w+\.cc)|\s*$"
            os.write(2, b"".join(line for line in log if not re.match(chatter, line)))


def _one_line(kind, error, traceback):
    """Python's last resort for an exception nobody caught: one line where it is not a bug."""
    if issubclass(kind, KeyboardInterrupt):
        text, status = "stopped by Ctrl-C; what was written before is whole", 130
    elif issubclass(kind, (Trouble, OSError)):
        text, status = str(error), 2
    else:
        return sys.__excepthook__(kind, error, traceback)
    with contextlib.suppress(OSError):
        print(f"\n{Path(sys.argv[0]).name}: {text}", file=sys.stderr)
    # Nothing more to say: a full disk or closed pipe behind stdout must not complain again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(status)


# -------------------------------------------------------------------------------- data


def load_mnist():
    """The handwritten digits, split as the notes' `read_data_sets` splits them.

    Returns:
        `(x_train, y_train), (x_validation, y_validation), (x_test, y_test)`: 55,000, 5,000 and
        10,000 images, float32 in 0..1 of shape (n, 28, 28), and their labels, int32 in 0..9 of
        shape (n,). The validation images are the first 5,000 of MNIST's training file.

    Raises:
        Trouble: if data/mnist.npz is missing or is not the file that belongs there.
    """
    import numpy as np

    path = DATA / "mnist.npz"
    archive = _checked(path, MNIST_SHA256, f"git checkout -- {path.parent.name}/{path.name}")
    with np.load(io.BytesIO(archive), allow_pickle=False) as data:
        x, x_test = (np.divide(data[name], 255, dtype=np.float32) for name in ("x_train", "x_test"))
        y, y_test = (data[name].astype(np.int32) for name in ("y_train", "y_test"))
    return (x[5000:], y[5000:]), (x[:5000], y[:5000]), (x_test, y_test)


def _checked(path, sha256, remedy):
    """The bytes of a file, once its SHA-256 is known to be right."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Trouble(f"cannot read {path} ({error.strerror}); get it with: {remedy}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Trouble(
            f"{path} is damaged (its SHA-256 is not the pinned one); renew it with: {remedy}"
        )
    return content


def load_cats_and_tigers(folder, size=224, at_most=400):
    """The notes' `load_data`: the pictures in a folder's two subfolders, `kittycat` and `tiger`.

    Returns:
        images: (n, size, size, 3), uint8, RGB; the cats first, each class in order of file names.
        labels: (n,), int32, 0 for a cat and 1 for a tiger.
        left_out: pairs `(path, why)` for whatever is there and was not used.

    Raises:
        Trouble: if a class is missing or has no picture that can be read, or there are others.
    """
    import numpy as np

    folder, classes = Path(folder), ["kittycat", "tiger"]
    found = sorted(path.name for path in folder.glob("[!._]*") if path.is_dir())
    if found != classes:
        raise Trouble(
            f"{folder} must hold the folders {' and '.join(classes)} and no others; "
            f"it holds {', '.join(found) or 'none'}"
        )
    if folder == DATA / "cat_tiger":  # most damaged JPEGs can be read, as another picture
        pictures = b"".join(path.read_bytes() for path in sorted(folder.glob("*/*.jpg")))
        if hashlib.sha256(pictures).hexdigest() != CAT_TIGER_SHA256:
            remedy = f"git checkout -- {DATA.name}/{folder.name}"
            raise Trouble(f"{folder} does not hold its own 20 pictures; renew them with: {remedy}")
    images, labels, left_out = [], [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            if labels.count(label) == at_most:
                left_out.append((path, f"only {at_most} of a class are used, and so for the rest"))
                break
            try:
                images.append(load_img(path, size))
                labels.append(label)
            except Trouble as trouble:
                left_out.append((path, str(trouble).removeprefix(f"{path}: ")))
        if label not in labels:
            raise Trouble(f"{folder / name} holds no picture that can be read")
    return np.stack(images), np.array(labels, dtype=np.int32), left_out


def load_img(path, size=224):
    """The central square of a picture, (size, size, 3), uint8, RGB, upright, on white.

    Raises Trouble with the reason for anything but a whole JPEG, PNG or WebP file.
    """
    import warnings

    import numpy as np
    from PIL import Image, ImageOps

    try:
        if not Path(path).is_file():
            raise OSError("not a file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about it, as long as it can be read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
                image.draft(None, (2 * size, 2 * size))  # a big JPEG need not be read in full
                image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16 bits
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            square = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        return np.asarray(square)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        why = f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    except Image.UnidentifiedImageError:
        why = "no JPEG, PNG or WebP picture"
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error) as error:
        why = str(error)
    raise Trouble(f"{path}: {why}")


def batches(x, y, batch_size, *, shuffle=True):
    """The notes' `mnist.train.next_batch`: batches without end, reshuffled after every pass.

    Only row numbers are shuffled; each batch is then cut out of the arrays where they lie, so
    that the data is in memory once. With `shuffle=False` it is one pass in order, for testing.

    Args:
        x, y: numpy arrays of the same length n.
        batch_size: rows in a batch.

    Returns:
        A `tf.data.Dataset` of pairs `(x[rows], y[rows])`.
    """
    import tensorflow as tf

    def cut(rows):
        pair = tf.numpy_function(lambda i: (x[i], y[i]), [rows], [x.dtype, y.dtype])
        return tuple(tf.ensure_shape(a, (None, *of.shape[1:])) for a, of in zip(pair, (x, y)))

    rows = tf.data.Dataset.range(len(x))
    if shuffle:
        rows = rows.shuffle(len(x)).repeat()
    pairs = rows.batch(batch_size).map(cut).prefetch(2)
    # On two cores, tf.data's autotuner left one of them idle in about every second call of
    # `fit`, which doubled the time of a step (TensorFlow 2.21). There is nothing here to tune.
    options = tf.data.Options()
    options.autotune.enabled = False
    return pairs.with_options(options)


# ------------------------------------------------------------------- figures and report


def show(fig, name):
    """Save a figure as `<out>/lessonNN/<name>.png`, a matplotlib animation as `<name>.gif`.

    With `--show` it opens a window, too; in a notebook it appears under its cell. The file is
    replaced whole or not at all.
    """
    import matplotlib.pyplot as plt
    from matplotlib.animation import Animation, PillowWriter

    if isinstance(fig, Animation):
        kind = "gif"
        with tempfile.TemporaryDirectory() as folder, _writing(folder):
            fig.save(f"{folder}/{name}.gif", writer=PillowWriter(fps=8))
            content = Path(folder, f"{name}.gif").read_bytes()
        fig = fig._fig
    else:
        kind, png = "png", io.BytesIO()
        fig.savefig(png, format="png", dpi=120, bbox_inches="tight")
        content = png.getvalue()
    _write(_lesson.out / f"{name}.{kind}", content)
    _lesson.figures.append(f"{name}.{kind}")
    if _lesson.notebook:
        from IPython.display import Image, display

        display(Image(content, format=kind))
    elif _lesson.cfg.show and plt.get_backend().lower() != "agg":  # agg: there is no screen
        plt.show()
    plt.close(fig)


def report(rows):
    """Print *quantity | in the notes | here | holds* and write `<out>/lessonNN/results.json`.

    Args:
        rows: tuples `(name, notes, here, holds)`. `notes` is None where the notes print nothing,
            `holds` the lesson's own verdict (None where it makes no claim).
    """
    import keras
    import tensorflow as tf

    rows = [tuple(map(_plain, row)) for row in rows]
    print("\n".join(["", *table(rows)]))
    claims = [ok for *_, ok in rows if ok is not None]
    print(f"{sum(claims)} of {len(claims)} hold; the figures and results.json are in")
    print(_lesson.out)

    cfg = {name: _plain(value) for name, value in vars(_lesson.cfg).items()}
    results = {
        "lesson": _lesson.number,
        "title": _lesson.title,
        "settings": {
            name: cfg[name] for name in cfg if name not in ("smoke", "out", "show", "verbose")
        },
        "seconds": round(time.perf_counter() - _lesson.started, 1),
        "smoke": cfg["smoke"],
        "results": [dict(zip(("name", "notes", "here", "holds"), row)) for row in rows],
        "figures": _lesson.figures,
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }
    content = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    _write(_lesson.out / "results.json", content.encode())
    sys.stdout.flush()


def table(rows):
    """The lines of a report's table: *quantity | in the notes | here | holds*."""
    verdict = {True: "yes", False: "NO", None: ""}
    cells = [(name, _text(notes), _text(here), verdict[ok]) for name, notes, here, ok in rows]
    cells = [("quantity", "in the notes", "here", "holds"), *cells]
    first, second, third = (max(len(row[column]) for row in cells) for column in range(3))
    lines = (f"{a:<{first}}  {b:>{second}}  {c:>{third}}  {d}" for a, b, c, d in cells)
    return [line.rstrip() for line in lines]


def line(text):
    """Print a line above Keras's progress bar, which goes on below it."""
    print(f"\r{text:<79}" if _lesson.cfg.verbose == 1 else text, flush=True)


def _plain(value):
    """numpy's numbers and Paths as what JSON knows; a number that is not finite as its name."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write(path, content):
    """Write bytes to a file whole or not at all: the old file stays until the new one is there."""
    with _writing(path):
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise


@contextlib.contextmanager
def _writing(path):
    """Name the path and the flag that moves it when something cannot be written."""
    try:
        yield
    except OSError as error:
        raise Trouble(
            f"cannot write {path} ({error.strerror}); --out names another folder"
        ) from error
