"""A photograph of one digit comes out as the same digit drawn clean; all else is refused."""

import common
import keras
import numpy as np
import pytest
from PIL import Image
from skimage import filters, transform

SIDE = 600
Y, X = np.mgrid[:SIDE, :SIDE] / SIDE
MNIST = common.load_mnist()


def drawn(*digits, side=300):
    """White paper 1, ink 0, (600, 600): the digits, 28 x 28, side by side, each with soft edges."""
    page = np.zeros((SIDE, SIDE))
    for i, digit in enumerate(digits):
        large = filters.gaussian(transform.resize(digit, (side, side), order=3), side / 56)
        left = 150 if len(digits) == 1 else 300 * i
        page[150 : 150 + side, left : left + side] = filters.gaussian(large > 0.4, 1)
    return 1 - page


def on(ink, paper=0.9, dark=0.15):
    """The drawing on paper of a colour or a picture, (600, 600, 3)."""
    paper = np.broadcast_to(np.reshape(paper, (*np.shape(paper)[:2], -1)), (SIDE, SIDE, 3))
    return paper * ink[..., None] + np.array(dark) * (1 - ink[..., None])


def lines(step, width, tilt=0):
    across = (SIDE * (Y + tilt * X)) % step < width
    return across, (SIDE * (X - tilt * Y)) % step < width


def grain(scale):
    return np.random.default_rng(1).normal(0, scale, (SIDE, SIDE, 1))


def dusty(ink):
    for y, x, r in (0.1, 0.2, 0.01), (0.9, 0.7, 0.008), (0.15, 0.85, 0.006):
        ink = np.where((Y - y) ** 2 + (X - x) ** 2 < r**2, 0.0, ink)
    return ink


def shaded(light):
    return lambda ink: on(ink) * light[..., None]


GLARE = 0.4 * np.exp(-((Y - 0.3) ** 2 + (X - 0.75) ** 2) / 0.04)
DESK = np.where((X + 0.03 * Y < 0.11)[..., None], [0.45, 0.3, 0.2], 0.9)
WAYS = {
    "felt pen": on,
    "blue ink": lambda ink: on(ink, 0.95, [0.1, 0.2, 0.8]),
    "yellow ink": lambda ink: on(ink, 0.95, [0.95, 0.85, 0.2]),
    "chalk": lambda ink: on(ink, 0.2, 0.9) + grain(0.02),
    "small": lambda ink: on(np.pad(ink, 600, constant_values=1)[::3, ::3]),
    "cut tight": lambda ink: on(transform.resize(ink[170:430, 170:430], (SIDE, SIDE))),
    "dark rules": lambda ink: on(ink, np.where(lines(60, 4, 0.01)[0], 0.4, 0.9), 0.1),
    "squared": lambda ink: on(ink, np.where(np.any(lines(40, 3), axis=0), 0.5, 0.9), 0.1),
    "pencil": lambda ink: on(ink, 0.8, 0.62) + grain(0.012),
    "dark and grainy": lambda ink: on(ink, 0.35, 0.12) + grain(0.05),
    "dust": lambda ink: on(dusty(ink)),
    "light falls by a quarter": shaded(1 - 0.25 * X),
    "light falls by half": shaded(1 - 0.25 * (X + Y)),
    "shadow of a phone": shaded(1 - 0.4 / (1 + np.exp(-40 * (X + 0.3 * Y - 0.6)))),
    "desk at the edge": lambda ink: on(ink, DESK),
    "whiteboard with glare": lambda ink: on(ink, 0.7, 0.1) + GLARE[..., None],
}


def read(tmp_path, picture):
    picture = (255 * picture.clip(0, 1)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "digit.png", compress_level=1)
    return common.load_digit(tmp_path / "digit.png")


def alike(ours, theirs):
    """The correlation of two images, at the best of nine places: one pixel aside is as well."""
    ours, theirs = ours.reshape(28, 28), theirs.reshape(28, 28)
    moved = [np.roll(ours, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(image.ravel(), theirs.ravel())[0, 1] for image in moved)


@pytest.mark.parametrize("way", WAYS)
def test_a_photograph_is_read_as_the_clean_drawing(tmp_path, way):
    for image in MNIST.test.images[[0, 1, 7]]:  # a 7, a 2, a 9
        ink = drawn(image.reshape(28, 28))
        clean, photo = read(tmp_path, on(ink, 1, 0)), read(tmp_path, WAYS[way](ink))
        assert photo.shape == (784,) and photo.min() == 0 and photo.max() == 1
        assert alike(photo, clean) > 0.9, alike(photo, clean)


def test_a_clean_drawing_is_as_mnist_has_it(tmp_path):
    for image in MNIST.test.images[:8]:
        ours = read(tmp_path, on(drawn(image.reshape(28, 28)), 1, 0))
        assert alike(ours, image) > 0.85, alike(ours, image)


def cat():
    return np.asarray(Image.open(common.DATA / "cat_tiger/test/kittycat/01.jpg")) / 255


SEVEN, TWO = MNIST.test.images[:2].reshape(2, 28, 28)
REFUSED = {
    "two digits": (lambda: on(drawn(SEVEN, TWO)), "more than one digit: cut one out"),
    "empty": (lambda: on(np.ones((SIDE, SIDE))) * (1 - 0.3 * X[..., None]), "darker pen or more"),
    "empty, grainy": (lambda: on(np.ones((SIDE, SIDE))) + grain(0.02), "darker pen or more light"),
    "only rules": (lambda: on(1.0 - lines(60, 4)[0]), "cut one out"),
    "only squares": (lambda: on(1.0 - np.any(lines(60, 4), axis=0)), "write one on white"),
    "a cat": (cat, "no digit on plain paper: write one on white"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_one_digit_is_refused_and_told_what_to_change(tmp_path, what):
    picture, says = REFUSED[what]
    with pytest.raises(common.Trouble, match=says) as end:
        read(tmp_path, picture())
    assert "\n" not in str(end.value)


@pytest.mark.seeds
@pytest.mark.parametrize("way", WAYS)
def test_the_network_reads_a_hundred_of_each(smoke, make_lessons, tmp_path, way):
    model = smoke(15).variables["model"]
    net = keras.Model(model.inputs, model.outputs)
    net.load_weights(make_lessons[0] / "lesson15" / "cnn.weights.h5")
    images, labels = MNIST.test.images[5000:5100], MNIST.test.labels[5000:5100]
    seen = []
    for image in images:
        try:
            seen.append(read(tmp_path, WAYS[way](drawn(image.reshape(28, 28)))))
        except common.Trouble:
            seen.append(np.zeros(784))
    right = np.mean(net.predict(np.stack(seen), verbose=0).argmax(axis=1) == labels)
    assert right >= (0.85 if "desk" in way else 0.93)
