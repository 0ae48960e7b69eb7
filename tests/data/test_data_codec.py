"""Stored pictures ↔ what the nets see; grids; writing samples."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.base.errors import ModelError, OptionError, UnknownName, UsageError, WorkError
from ganwright.data import codec_from_json, open_data
from ganwright.data.codec import codec_type
from ganwright.data.writers import format_for, writer_for
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.read.pictures import decoding, read_pixels

RNG = np.random.default_rng(5)


def codec(dtype: str = "uint8", channels: int = 3) -> ImageCodec:
    low, high = {"uint8": (0, 255), "uint16": (0, 65535), "float32": (-2.5, 7.0)}[dtype]
    return ImageCodec(height=6, width=5, channels=channels, dtype=dtype, low=low, high=high)


def samples(of: ImageCodec, count: int = 4) -> np.ndarray:
    shape = (count, of.height, of.width, of.channels)
    if of.dtype == "float32":
        return RNG.uniform(of.low, of.high, shape).astype(np.float32)
    return RNG.integers(0, int(of.high) + 1, shape).astype(of.dtype)


ALL = [
    codec(dtype, channels) for dtype in ("uint8", "uint16", "float32") for channels in (1, 2, 3, 4)
]


@pytest.mark.parametrize("codec", ALL, ids=str)
def test_round_trip(codec: ImageCodec) -> None:
    stored = samples(codec)
    seen = codec.encode(torch.from_numpy(stored))
    assert seen.shape == (4, codec.channels, 6, 5) and seen.dtype == torch.float32
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert seen.min() >= -1 and seen.max() <= 1
    back = codec.decode(seen)
    assert back.dtype == codec.dtype and back.shape == stored.shape
    if codec.dtype == "float32":
        assert np.allclose(back, stored, atol=2e-6)
    else:
        assert (back == stored).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_value_survives(dtype: str) -> None:
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(1, 1, -1, 1)
    of = codec(dtype, 1)
    assert (of.decode(of.encode(torch.from_numpy(values))) == values).all()


def test_decode_clamps_rounds_and_refuses_nan() -> None:
    x = torch.tensor([-9.0, -1, 0.001, 1, torch.inf]).reshape(1, 1, 1, 5)
    assert codec().decode(x).ravel().tolist() == [0, 0, 128, 255, 255]
    assert codec("float32").decode(x).ravel()[-1] == 7
    with pytest.raises(WorkError, match="the samples hold NaN"):
        codec().decode(x * torch.nan)
    assert codec().decode(x.to(torch.bfloat16).requires_grad_()).dtype == np.uint8


@pytest.mark.parametrize("codec", ALL, ids=str)
def test_json_round_trip(codec: ImageCodec) -> None:
    assert codec_from_json(json.loads(json.dumps(codec.to_json()))) == codec
    assert codec_type({"kind": "image"}) is ImageCodec


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "nonsense"}, {"kind": None}, {"kind": []}, {"height": 0}, {"height": 1 << 20},
        {"width": "x"}, {"channels": 5}, {"dtype": "object"}, {"dtype": ["uint8"]}, {"low": 1.0},
        {"high": float("inf")}, {"low": None}, {"height": float("inf")},
    ],
)  # fmt: skip
def test_strange_json_is_refused(change) -> None:
    with pytest.raises(ModelError, match=r"model\.json"):
        codec_from_json(codec().to_json() | change)


def test_json_that_is_no_object_is_refused() -> None:
    for tree in (None, [], "image", 3, {}, {"kind": "image"}):
        with pytest.raises(ModelError):
            codec_from_json(tree)


# --- grid --------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ALL, ids=str)
def test_grid(codec: ImageCodec) -> None:
    grid = codec.grid(samples(codec, 5))
    assert grid.mode == ("L" if codec.channels < 3 else "RGB")
    assert grid.size == (3 * (6 * 5 + 2) + 2, 2 * (6 * 6 + 2) + 2)  # enlarged 6 times: 36 pixels


def test_grid_shows_the_pictures() -> None:
    stored = samples(codec(), 2)
    grid = np.asarray(codec().grid(stored, columns=2, scale=1))
    assert grid.shape == (10, 16, 3)
    assert (grid[2:8, 2:7] == stored[0]).all() and (grid[2:8, 9:14] == stored[1]).all()
    assert (grid[:2] == 255).all()
    with pytest.raises(ValueError, match="one picture"):
        codec().grid(stored[:0])


# --- writers -----------------------------------------------------------------------------------


def test_format_for() -> None:
    one = codec()
    assert [format_for(one, p) for p in ("a.npz", "a.png", "a", "a/b.NPZ")] == [
        "npz",
        "grid",
        "png",
        "npz",
    ]
    assert format_for(one, "a.b", "png") == "png" and format_for(one, "a", "npz") == "npz"
    with pytest.raises(OptionError, match=r"--format: 'png' doesn't match 'a\.npz'"):
        format_for(one, "a.npz", "png")
    with pytest.raises(OptionError, match="Did you mean 'npz'"):
        format_for(one, "a", "npy")
    with pytest.raises(OptionError, match=r"'a\.jpg' has no known suffix for pictures"):
        format_for(one, "a.jpg")
    with pytest.raises(UnknownName, match="unknown format 'gif'"):
        writer_for(one, "a", "gif", 3)


def write(of: ImageCodec, path: Path, form: str, count: int = 7, labels: bool = True) -> np.ndarray:
    stored = samples(of, count)
    numbers = np.arange(count) % 2 if labels else None
    with writer_for(of, path, form, count, ("cat", "dog") if labels else ()) as writer:
        writer.add(stored[:3], numbers[:3] if labels else None, np.arange(3))
        writer.add(stored[3:], numbers[3:] if labels else None, np.arange(3, count))
    return stored


@pytest.mark.parametrize("codec", ALL, ids=str)
def test_npz_is_read_back(codec: ImageCodec, tmp_path: Path) -> None:
    stored = write(codec, tmp_path / "x.npz", "npz")
    with np.load(tmp_path / "x.npz") as file:
        assert (file["samples"] == stored).all() and file["samples"].dtype == codec.dtype
        assert file["labels"].tolist() == [0, 1, 0, 1, 0, 1, 0] and file["labels"].dtype == np.int64
    write(codec, tmp_path / "x.npz", "npz", labels=False)  # a file is replaced
    with np.load(tmp_path / "x.npz") as file:
        assert file.files == ["samples"]


@pytest.mark.parametrize("codec", [c for c in ALL if c.dtype != "float32"], ids=str)
def test_png_folder_is_read_back(codec: ImageCodec, tmp_path: Path) -> None:
    stored = write(codec, tmp_path / "out", "png")
    for i, sample in enumerate(stored):
        with decoding(), (tmp_path / "out" / f"{i:06}.png").open("rb") as file:
            assert (read_pixels(file) == sample).all()
    table = (tmp_path / "out" / "samples.csv").read_text().splitlines()
    assert (
        table[:3] == ["file,label,seed", "000000.png,cat,0", "000001.png,dog,1"] and len(table) == 8
    )
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        write(codec, tmp_path / "out", "png")


def test_png_without_labels_into_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(codec(), tmp_path / "out", "png", labels=False)
    assert "000000.png,,0" in (tmp_path / "out" / "samples.csv").read_text()


def test_what_png_cannot_hold(tmp_path: Path) -> None:
    for of in (codec("float32", 3), codec("float32", 1)):
        with pytest.raises(UsageError, match=r"png can't hold .* write npz"):
            writer_for(of, tmp_path / "out", "png", 3)


def test_grid_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(codec(), tmp_path / "x.png", "grid")
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (3 * 32 + 2, 3 * 38 + 2)
    write(codec(), tmp_path / "y.png", "grid", count=1030)
    assert "y.png shows the first 1024 of 1030" in caplog.text


@pytest.mark.parametrize("form", ["png", "npz", "grid"])
def test_whole_or_not_at_all(form: str, tmp_path: Path) -> None:
    place = tmp_path / "new"
    with pytest.raises(RuntimeError), writer_for(codec(), place, form, 9) as writer:
        writer.add(samples(codec()), None, 0)
        raise RuntimeError("stopped")
    with (
        pytest.raises(ValueError, match="4 samples were added, but 9 announced"),
        writer_for(codec(), place, form, 9) as writer,
    ):
        writer.add(samples(codec()), None, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["png", "npz", "grid"])
def test_an_unwritable_place_is_one_line(form: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(UsageError, match="can't be written") as error,
        writer_for(codec(), tmp_path / "file" / "x", form, 9),
    ):
        pass
    assert "\n" not in str(error.value) and (tmp_path / "file").read_text() == "x"
    with pytest.raises(UsageError, match="folder"):
        writer_for(codec(), tmp_path, form, 9)


def test_npz_is_written_in_constant_memory(tmp_path: Path) -> None:
    of = ImageCodec(height=64, width=64, channels=3)
    batch = samples(of, 32)
    tracemalloc.start()
    with writer_for(of, tmp_path / "x.npz", "npz", 32 * 40) as writer:
        for _ in range(40):
            writer.add(batch, np.zeros(32, int), 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * batch.nbytes


def test_an_npz_of_samples_says_what_its_labels_are(tmp_path: Path) -> None:
    codec = ImageCodec(height=4, width=4, channels=1, dtype="uint8")
    pictures = np.arange(96, dtype=np.uint8).reshape(6, 4, 4, 1)
    with writer_for(codec, tmp_path / "x.npz", "npz", 6, ("3", "1", "cat")) as writer:
        writer.add(pictures, np.array([0, 1, 2, 0, 1, 2]), 0)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        assert found["labels"].tolist() == [0, 1, 2, 0, 1, 2]
        assert found["classes"].tolist() == ["3", "1", "cat"]
    data = open_data(tmp_path / "x.npz", holdout=0.0)
    assert data.labels is not None
    assert [data.spec.classes[i] for i in data.labels] == ["3", "1", "cat", "3", "1", "cat"]
