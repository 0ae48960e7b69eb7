"""One picture: modes, channels, depth, size and hash, against Pillow and against arithmetic."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganwright.data import open_data
from ganwright.modalities.images.pixels import content_hash, convert_channels, convert_depth, fit_to
from ganwright.modalities.images.read.pictures import decoding, read_head, read_pixels
from ganwright.modalities.images.read.source import Unreadable

RNG = np.random.default_rng(3)
RGBA = RNG.integers(0, 256, (7, 5, 4), np.uint8)
RGB = RGBA[:, :, :3]
GREY = RGBA[:, :, 0]


def png(image: Image.Image, **how) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, how.pop("format", "PNG"), **how)
    file.seek(0)
    return file


def palette(clear: bool) -> io.BytesIO:
    image = Image.fromarray(RGB).quantize(16)
    return png(image, transparency=3) if clear else png(image)


def turned() -> io.BytesIO:
    exif = Image.Exif()
    exif[0x0112] = 6
    return png(Image.fromarray(RGB), format="TIFF", exif=exif)


FILES = {
    "grey": (lambda: png(Image.fromarray(GREY)), 1, "uint8"),
    "grey alpha": (lambda: png(Image.fromarray(RGBA[:, :, 2:])), 2, "uint8"),
    "grey, one clear": (lambda: png(Image.fromarray(GREY), transparency=3), 2, "uint8"),
    "rgb": (lambda: png(Image.fromarray(RGB)), 3, "uint8"),
    "rgba": (lambda: png(Image.fromarray(RGBA)), 4, "uint8"),
    "one bit": (lambda: png(Image.fromarray(GREY > 99)), 1, "uint8"),
    "palette": (lambda: palette(False), 3, "uint8"),
    "clear palette": (lambda: palette(True), 4, "uint8"),
    "gif": (lambda: png(Image.fromarray(GREY), format="GIF"), 1, "uint8"),
    "clear gif": (
        lambda: png(Image.fromarray(GREY), format="GIF", transparency=int(GREY[0, 0])),
        2,
        "uint8",
    ),
    "cmyk": (lambda: png(Image.fromarray(RGB).convert("CMYK"), format="JPEG"), 3, "uint8"),
    "16 bit": (lambda: png(Image.fromarray(GREY.astype(np.uint16) * 9)), 1, "uint16"),
    "float": (lambda: png(Image.fromarray(GREY / np.float32(7)), format="TIFF"), 1, "float32"),
    "32 bit": (
        lambda: png(Image.fromarray(GREY.astype(np.int32) * 999), format="TIFF"),
        1,
        "float32",
    ),
    "turned": (turned, 3, "uint8"),
}


@pytest.mark.parametrize("name", FILES)
def test_head_says_what_reading_gives(name: str) -> None:
    make, channels, dtype = FILES[name]
    with decoding():
        head, pixels = read_head(make()), read_pixels(make())
    assert pixels.shape == (head.height, head.width, head.channels)
    assert (head.channels, head.dtype, pixels.dtype) == (channels, dtype, dtype)


def test_values_survive() -> None:
    with decoding():
        read = {name: read_pixels(make()) for name, (make, _, _) in FILES.items()}
    assert (read["rgba"] == RGBA).all()
    assert (read["one bit"][:, :, 0] == (GREY > 99) * 255).all()
    assert (read["16 bit"][:, :, 0] == GREY.astype(np.uint16) * 9).all()
    assert (read["float"][:, :, 0] == GREY / np.float32(7)).all()
    assert (read["32 bit"][:, :, 0] == GREY * 999.0).all()
    assert (
        (read["clear palette"][:, :, 3] == 0)
        == (np.asarray(Image.fromarray(RGB).quantize(16)) == 3)
    ).all()
    assert (read["gif"][:, :, 0] == GREY).all()
    assert ((read["clear gif"][:, :, 1] == 0) == (GREY[0, 0] == GREY)).all()
    assert (read["turned"] == np.rot90(RGB, -1)).all()  # 6: turn by 90° clockwise to show


def test_a_picture_over_the_limit_is_unreadable_without_a_warning() -> None:
    file = png(Image.new("1", (10_000, 10_000)))  # between Pillow's warning and its error
    with (
        warnings.catch_warnings(),
        decoding(),
        pytest.raises(Unreadable, match="more than 89,478,485"),
    ):
        read_head(file)
    nan = png(Image.fromarray(np.full((2, 2), np.nan, np.float32)), format="TIFF")
    with decoding(), pytest.raises(Unreadable, match="contains NaN"):
        read_pixels(nan)


def test_eps_is_never_run() -> None:
    with decoding(), pytest.raises(Unreadable, match="can't be read as a picture"):
        read_head(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"))


# --- channels and depth ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("had", [1, 2, 3, 4])
def test_channels_convert(had: int, channels: int, dtype: str) -> None:
    picture = convert_depth(RGBA[:, :, 4 - had :], dtype)
    result = convert_channels(picture, channels)
    assert result.shape == (7, 5, channels) and result.dtype == dtype
    if channels in (had, had + 1) and had in (1, 3):  # nothing is lost
        assert (result[:, :, :had] == picture).all()
    assert (convert_channels(result, channels) is result) or channels != had


def test_luma_is_pillows() -> None:
    assert (
        convert_channels(RGB, 1)[:, :, 0] == np.asarray(Image.fromarray(RGB).convert("L"))
    ).all()


def test_dropped_alpha_is_over_white() -> None:
    white = Image.new("RGBA", (5, 7), "white")
    expected = Image.alpha_composite(white, Image.fromarray(RGBA)).convert("RGB")
    difference = convert_channels(RGBA, 3).astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 1  # Pillow rounds in its own way
    clear = np.zeros((1, 1, 2), np.uint16)
    assert convert_channels(clear, 1)[0, 0, 0] == 65535


def test_depth() -> None:
    assert (convert_depth(np.array([[[0], [255]]], np.uint8), "uint16").ravel() == [0, 65535]).all()
    assert (convert_depth(np.array([[[0], [255]]], np.uint8), "float32").ravel() == [0, 1]).all()


# --- size --------------------------------------------------------------------------------------

BIG = RNG.integers(0, 256, (60, 40, 4), np.uint8)
LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("size", "box", "filter_"),
    [
        ((30, 20), (0, 0, 40, 60), LANCZOS),
        ((20, 20), (0, 10, 40, 50), LANCZOS),
        ((30, 10), (10, 0, 30, 60), LANCZOS),
        ((90, 90), (0, 10, 40, 50), BICUBIC),
    ],
)
def test_crop_is_pillows_filter_on_the_centre(channels: int, size, box, filter_) -> None:
    array = BIG[:, :, 4 - channels :]
    picture = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    expected = np.asarray(picture.resize(size[::-1], filter_, box=box)).reshape(*size, channels)
    assert (fit_to(array, size, "crop") == expected).all()


def test_sixteen_bit_and_float_agree_with_eight() -> None:
    for channels in (1, 3, 4):
        array = BIG[:, :, :channels].copy()
        array[:, :, 3:] |= 128  # where alpha is small, 8 bit premultiplied is coarse
        eight = fit_to(array, (15, 10), "crop").astype(float)
        sixteen = fit_to(convert_depth(array, "uint16"), (15, 10), "crop") / 257
        real = fit_to(convert_depth(array, "float32"), (15, 10), "crop") * 255.0
        assert np.abs(eight - sixteen).max() < 2.5 and np.abs(sixteen - real).max() < 0.01


def test_clear_pixels_do_not_bleed() -> None:
    array = np.zeros((8, 8, 4), np.uint16)
    array[:, :4] = (65535, 0, 0, 65535)
    array[:, 4:] = (0, 65535, 0, 0)  # a green that nobody sees
    assert fit_to(array, (2, 3), "stretch")[:, :, 1].max() == 0
    assert fit_to(array.astype(np.uint8), (2, 3), "stretch")[:, :, 1].max() == 0


def test_pad_fills_with_the_border_or_nothing() -> None:
    red = np.full((10, 20, 3), (200, 10, 0), np.uint8)
    assert (fit_to(red, (20, 20), "pad") == (200, 10, 0)).all()
    padded = fit_to(np.dstack([red, np.full((10, 20), 255, np.uint8)]), (20, 20), "pad")
    assert (
        (padded[:5, :, 3] == 0).all()
        and (padded[5:15, :, 3] == 255).all()
        and (padded[15:] == 0).all()
    )
    assert (fit_to(red, (4, 40), "pad") == (200, 10, 0)).all()


def test_stretch_uses_all() -> None:
    expected = Image.fromarray(BIG[:, :, :3]).resize((20, 20), LANCZOS)
    assert (fit_to(BIG[:, :, :3], (20, 20), "stretch") == np.asarray(expected)).all()


def test_a_size_that_fits_is_left_alone() -> None:
    assert fit_to(BIG, (60, 40), "crop") is BIG


# --- hash --------------------------------------------------------------------------------------


def test_hash_is_of_what_is_seen() -> None:
    base = content_hash(GREY[:, :, None])
    assert content_hash(np.repeat(GREY[:, :, None], 3, axis=2)) == base
    assert content_hash(convert_channels(GREY[:, :, None], 4)) == base
    assert content_hash(convert_depth(GREY[:, :, None], "uint16")) == base
    assert content_hash(GREY.reshape(5, 7, 1)) != base
    assert content_hash(GREY[:, :, None] ^ 1) != base
    assert content_hash(RGB) != content_hash(RGBA)
    zero = np.zeros((2, 2, 1), np.float32)
    assert content_hash(-zero) == content_hash(zero)


def test_hash_does_not_depend_on_file_format_or_stored_size(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "tiff", "webp"):
        (tmp_path / suffix).mkdir()
        for i in range(3):
            how = {"lossless": True} if suffix == "webp" else {}
            Image.fromarray(np.roll(RGB, i, axis=0)).save(
                tmp_path / suffix / f"{i}.{suffix}", **how
            )
    hashes = {
        tuple(open_data(tmp_path / s).hashes.tolist()) for s in ("png", "bmp", "tiff", "webp")
    }
    assert hashes == {tuple(open_data(tmp_path / "png", size=4, channels=1).hashes.tolist())}


def test_mixed_modes_promote(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(GREY.astype(np.uint16) * 9).save(tmp_path / "b.png")
    data = open_data(tmp_path)
    assert data.rows.dtype == np.uint16 and (data[0][:, :, 0] == GREY.astype(np.uint16) * 257).all()
    Image.fromarray(RGBA[:, :, 2:]).save(tmp_path / "c.png")
    Image.fromarray(RGB).save(tmp_path / "d.png")
    data = open_data(tmp_path)
    assert data.rows.shape == (4, 7, 5, 4) and (data[3][:, :, 3] == 65535).all()
    assert open_data(tmp_path, channels=1).rows.shape == (4, 7, 5, 1)
