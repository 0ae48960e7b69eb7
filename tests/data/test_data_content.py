"""Channels, range and size follow what pictures hold, not what their files could."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ganwright.data import codec_from_json, inspect_data, open_data
from ganwright.modalities.images.read.pictures import decoding, read_head, read_pixels

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (60, 9, 7, 1), np.uint8)
RGB = RNG.integers(0, 256, (60, 9, 7, 3), np.uint8)
OPAQUE = np.full((60, 9, 7, 1), 255, np.uint8)


def save(folder: Path, arrays: np.ndarray, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(arrays):
        path = folder / f"{first + i:03}.png"
        if array.dtype == np.uint16 and array.shape[2] > 1:
            path.write_bytes(imagecodecs.png_encode(array))
        else:
            Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(path)
    return folder


# --- channels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "learned"),
    [
        (np.concatenate([RGB, OPAQUE], 3), RGB),
        (np.concatenate([GREY, OPAQUE], 3), GREY),
        (GREY.repeat(3, 3), GREY),
        (np.concatenate([GREY.repeat(3, 3), OPAQUE], 3), GREY),
        (np.concatenate([GREY.repeat(3, 3), GREY], 3), np.concatenate([GREY, GREY], 3)),
        (np.concatenate([RGB, GREY], 3), np.concatenate([RGB, GREY], 3)),
        (np.concatenate([RGB, OPAQUE], 3).astype(np.uint16) * 257, RGB.astype(np.uint16) * 257),
    ],
)
def test_the_fewest_channels_that_lose_nothing(
    stored: np.ndarray, learned: np.ndarray, tmp_path: Path
) -> None:
    data = open_data(save(tmp_path / "d", stored))
    assert data.rows.dtype == learned.dtype and (data.rows == learned).all()
    assert data.codec.channels == learned.shape[3]
    assert open_data(tmp_path / "d", options=data.options).fingerprint == data.fingerprint
    assert open_data(tmp_path / "d", channels=4).rows.shape[3] == 4


def test_one_transparent_picture_gives_no_alpha_to_all(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", RGB[:59])
    save(folder, np.concatenate([RGB[59:], OPAQUE[59:] // 2], 3), first=59)
    seen = inspect_data(folder)
    assert seen.training["channels"] == 3
    assert any(note.startswith("1 of 60 pictures are not opaque") for note in seen.notes)
    assert open_data(folder, channels=4).rows[59, 0, 0, 3] == 127


def test_many_transparent_pictures_give_alpha_to_all(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", RGB[:30])
    save(folder, np.concatenate([RGB[30:], OPAQUE[30:] // 2], 3), first=30)
    data = open_data(folder)
    assert data.codec.channels == 4
    assert any("30 of 60 pictures are not opaque: all get alpha" in note for note in data.notes)


def test_one_coloured_picture_is_kept_in_colour_and_said(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", GREY[:59])
    save(folder, RGB[:1], first=59)
    data = open_data(folder)
    assert (data[59] == RGB[0]).all()
    assert any(note.startswith("1 of 60 pictures have colour") for note in data.notes)


# --- range -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["png", "npy"])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint16", 0, 4080), ("uint16", 30_000, 40_000), ("uint8", 0, 1), ("uint8", 80, 120)],
)
def test_what_spans_little_of_its_type_is_learned_in_its_own_range(
    dtype: str, low: int, high: int, form: str, tmp_path: Path
) -> None:
    arrays = RNG.integers(low, high + 1, (60, 9, 7, 1)).astype(dtype)
    arrays[:, 0, 0], arrays[:, 0, 1] = low, high
    np.save(tmp_path / "d.npy", arrays)
    data = open_data(save(tmp_path / "d", arrays) if form == "png" else tmp_path / "d.npy")
    codec = data.codec
    assert (codec.low, codec.high) == (low, high)
    assert any(f"{low:,} … {high:,} of 0 … " in note for note in data.notes)
    seen = codec.encode(torch.from_numpy(np.array(data.rows)))
    assert (seen.min(), seen.max()) == (-1, 1)
    assert (codec.decode(seen) == arrays).all()
    wild = codec.decode(torch.randn(9, 1, 9, 7) * 5)
    assert (wild.min(), wild.max()) == (low, high)
    assert codec_from_json(codec.to_json()) == codec
    shown = codec.shown(data.rows)
    assert (shown.min(), shown.max()) == (0, 255)


@pytest.mark.parametrize(("dtype", "high"), [("uint8", 200), ("uint16", 40_000), ("uint8", 0)])
def test_other_whole_numbers_keep_the_range_of_their_type(
    dtype: str, high: int, tmp_path: Path
) -> None:
    arrays = RNG.integers(0, high + 1, (60, 9, 7, 1)).astype(dtype)
    codec = open_data(save(tmp_path / "d", arrays)).codec
    assert (codec.low, codec.high) == (0, np.iinfo(dtype).max)


def test_dark_scans_are_no_near_duplicates(tmp_path: Path) -> None:
    scans = RNG.integers(0, 4081, (40, 9, 7, 1)).astype(np.uint16)
    assert inspect_data(save(tmp_path / "d", scans)).near.pairs == 0


# --- 16 bit ------------------------------------------------------------------------------------


def oriented(array: np.ndarray, orientation: int) -> bytes:
    """A PNG of 16 bits with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    content = imagecodecs.png_encode(array)
    return content[:33] + chunk + content[33:]  # behind the head


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("encode", [imagecodecs.png_encode, imagecodecs.tiff_encode])
def test_sixteen_bit_colour_and_alpha_survive(encode, channels: int) -> None:
    if encode is imagecodecs.tiff_encode and channels == 2:
        pytest.skip("this encoder writes two channels as two pages")
    array = RNG.integers(0, 65536, (9, 7, channels), np.uint16)
    with decoding():
        head = read_head(io.BytesIO(encode(array)))
        pixels = read_pixels(io.BytesIO(encode(array)))
    assert pixels.dtype == np.uint16 and (pixels == array).all()
    assert (head.channels, head.dtype, head.reduced) == (channels, "uint16", False)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bit_colour_is_turned_as_pillow_turns_eight(orientation: int) -> None:
    content = oriented(RNG.integers(0, 65536, (9, 7, 3), np.uint16), orientation)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    with decoding():
        head, pixels = read_head(io.BytesIO(content)), read_pixels(io.BytesIO(content))
    assert (pixels >> 8 == expected).all() and (head.height, head.width) == expected.shape[:2]


def test_what_no_decoder_reads_in_full_is_counted(tmp_path: Path) -> None:
    for i in range(5):
        pixels = RNG.integers(0, 65536, (9, 7, 3)).astype(">u2").tobytes()
        (tmp_path / f"{i}.ppm").write_bytes(b"P6 7 9 65535\n" + pixels)
    assert "16 bit reduced to 8: 5 files" in open_data(tmp_path).notes


def test_a_cut_file_of_sixteen_bits_is_named(tmp_path: Path) -> None:
    save(tmp_path / "d", RNG.integers(0, 65536, (5, 9, 7, 3), np.uint16))
    whole = (tmp_path / "d/003.png").read_bytes()
    (tmp_path / "d/003.png").write_bytes(whole[: len(whole) // 2])
    assert [s.name for s in open_data(tmp_path / "d").skipped] == ["003.png"]


# --- size --------------------------------------------------------------------------------------


@pytest.mark.parametrize("strays", [1, 3])
@pytest.mark.parametrize("side", [32, 128])
def test_a_few_stray_sizes_are_brought_to_that_of_all(
    strays: int, side: int, tmp_path: Path
) -> None:
    most = RNG.integers(0, 256, (60 - strays, side, side, 3), np.uint8)
    folder = save(tmp_path / "d", most)
    save(folder, RNG.integers(0, 256, (strays, 200, 40, 3), np.uint8), first=60)
    data = open_data(folder)
    assert (data.rows[: len(most)] == most).all() and len(data) == 60
    assert any(f"{strays} of " in note and "resized" in note for note in data.notes)


def test_many_sizes_are_brought_to_the_median(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", RNG.integers(0, 256, (50, 128, 128, 3), np.uint8))
    save(folder, RNG.integers(0, 256, (10, 90, 90, 3), np.uint8), first=50)
    assert open_data(folder).rows.shape[1:3] == (64, 64)
