"""Whatever a reader's picture is made of, it comes out as it looks, or is refused in one line."""

import common
import numpy as np
import pytest
from PIL import Image

# Red above blue, and a dark and a light half: what is turned or inverted shows.
RGB = np.zeros((40, 60, 3), np.uint8)
RGB[:20] = 200, 30, 20
RGB[20:] = 20, 40, 180
RGB[:, 40:] = 250, 240, 230
PICTURE = Image.fromarray(RGB)
GREY = np.asarray(PICTURE.convert("L"))
SEEN, SEEN_GREY = RGB / 255, np.repeat(GREY[..., None], 3, axis=2) / 255


def grey16():
    return Image.fromarray(GREY.astype(np.uint16) * 257)


def clear():
    """The right third is transparent, and hides black."""
    rgba = PICTURE.convert("RGBA")
    rgba.paste((0, 0, 0, 0), (40, 0, 60, 40))
    return rgba


ON_WHITE = SEEN.copy()
ON_WHITE[:, 40:] = 1

READ = {
    "rgb.png": (PICTURE, {}, SEEN),
    "rgb.jpg": (PICTURE, dict(quality=95), SEEN),
    "rgb.bmp": (PICTURE, {}, SEEN),
    "rgb.webp": (PICTURE, dict(lossless=True), SEEN),
    "rgb.tiff": (PICTURE, {}, SEEN),
    "grey.png": (PICTURE.convert("L"), {}, SEEN_GREY),
    "grey16.png": (grey16(), {}, SEEN_GREY),
    "grey16.tiff": (grey16(), {}, SEEN_GREY),
    "one bit.png": (PICTURE.convert("L").point(lambda v: 255 * (v > 150), "1"), {}, None),
    "cmyk.jpg": (PICTURE.convert("CMYK"), dict(quality=95), SEEN),
    "cmyk.tiff": (PICTURE.convert("CMYK"), {}, SEEN),
    "ycbcr.tiff": (PICTURE.convert("YCbCr"), dict(compression="jpeg", quality=95), SEEN),
    "palette.png": (PICTURE.quantize(16), {}, SEEN),
    "palette.gif": (PICTURE.quantize(16), {}, SEEN),
    "clear.png": (clear(), {}, ON_WHITE),
    "clear palette.png": (clear().quantize(16), {}, ON_WHITE),
    "grey and alpha.png": (clear().convert("LA"), {}, None),
    "moves.gif": (PICTURE, dict(save_all=True, append_images=[PICTURE.rotate(180)]), SEEN),
}


@pytest.mark.parametrize("name", READ)
def test_every_mode_looks_like_the_picture(tmp_path, name):
    picture, options, seen = READ[name]
    picture.save(tmp_path / name, **options)
    img = common.read_image(tmp_path / name)
    assert img.shape == (40, 60, 3) and 0 <= img.min() and img.max() <= 1
    if name.startswith("one bit"):
        seen = np.repeat((GREY > 150)[..., None], 3, axis=2)
    if name.startswith("grey and alpha"):
        seen = SEEN_GREY.copy()
        seen[:, 40:] = 1
    # Two hundredths is what JPEG and a palette of 16 change.
    assert np.abs(img - seen)[3:17, 3:37].max() < 0.03
    assert np.abs(img - seen)[23:37, 3:37].max() < 0.03
    assert np.abs(img - seen)[3:37, 43:57].max() < 0.03


def test_a_photograph_comes_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    PICTURE.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert common.read_image(tmp_path / "turned.png") == pytest.approx(SEEN)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_colours_that_nobody_can_know_are_refused(tmp_path, mode):
    picture = PICTURE.convert("L").convert(mode) if mode != "LAB" else Image.new("LAB", (9, 9))
    picture.save(tmp_path / "x.tiff")
    with pytest.raises(common.Trouble, match=f"kind {mode}.*RGB PNG") as end:
        common.read_image(tmp_path / "x.tiff")
    assert "\n" not in str(end.value)


@pytest.mark.parametrize("fault", ["missing", "text", "cut off", "a folder"])
def test_what_is_no_picture_is_refused(tmp_path, fault):
    path = tmp_path / "x.png"
    if fault == "text":
        path.write_text("not a picture", "utf-8")
    if fault == "cut off":
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 90), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    if fault == "a folder":
        path.mkdir()
    with pytest.raises(common.Trouble, match=r"x\.png.*save it as PNG or JPEG") as end:
        common.read_image(path)
    assert "\n" not in str(end.value)


@pytest.mark.parametrize("name", ["large.jpg", "large.png"])
def test_a_large_photograph_is_made_smaller(tmp_path, name):
    Image.fromarray(RGB).resize((4500, 3000)).save(tmp_path / name)
    img = common.read_image(tmp_path / name)
    assert 1000 <= img.shape[1] <= 2250 and img.shape[1] == pytest.approx(1.5 * img.shape[0], abs=2)
    assert np.abs(img[img.shape[0] // 4, img.shape[1] // 4] - SEEN[10, 15]).max() < 0.03
