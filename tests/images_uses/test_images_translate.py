"""Translation: what belongs to which, what a translator sees and learns, the verb, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganwright as gw
from ganwright.cli.app import run as command
from ganwright.modalities.images.classmaps import MapCodec
from ganwright.nets.contrast import PatchContrast

Capture = pytest.CaptureFixture[str]
TINY = ["--set", "generator.width=8", "--set", "generator.depth=1", "--set", "discriminator.width=8",
        "--set", "train.batch=16", "--set", "train.score_features=off"]  # fmt: skip
SIDE = 12
PALETTE = [0, 0, 0, 200, 30, 30, 30, 200, 30, *[0] * 9, 30, 30, 200]  # of class 6, too


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def blobs(n: int, side: int = SIDE) -> np.ndarray:
    """Grey images (n, side, side), a bright square each."""
    rng = np.random.default_rng(n)
    images = rng.integers(0, 60, (n, side, side)).astype(np.uint8)
    for image, (row, column) in zip(images, rng.integers(0, side - 5, (n, 2)), strict=True):
        image[row : row + 5, column : column + 5] = rng.integers(160, 256)
    return images


def save(images: np.ndarray, folder: str, suffix: str = ".png", first: int = 0) -> None:
    Path(folder).mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(Path(folder) / f"{first + i:03}{suffix}")


def coloured(images: np.ndarray) -> np.ndarray:
    """What they should become: inverted red, the same green, no blue."""
    return np.stack([255 - images, images, np.zeros_like(images)], -1)


@pytest.fixture
def pairs() -> np.ndarray:
    images = blobs(40)
    save(images, "A")
    save(coloured(images), "B", ".webp")
    return images


# --- data -----------------------------------------------------------------------------------------


def test_pairs_are_matched_by_name_and_what_has_none_is_named(pairs: np.ndarray) -> None:
    save(blobs(2), "A", first=500)
    save(coloured(blobs(1)), "B", first=700)
    save(blobs(1), "A", ".bmp", first=3)
    save(blobs(1, 9), "A", first=800)
    save(coloured(blobs(1)), "B", first=800)
    data: Any = gw.open_data("A", image={"to": "B", "channels": 3})
    assert len(data) == 40
    told = {one.name: one.reason for one in data.skipped}
    assert "has no partner of its name in" in told["500.png"]
    assert "has no partner of its name in" in told["700.png"]
    assert "has the name of another picture" in {told.get("003.png"), told.get("003.bmp")}
    assert told["800.png"] == "is 9×9, its partner 800.png 12×12"
    stored, labels = data.batch(np.arange(40))
    assert stored.shape == (40, SIDE, SIDE, 4) and labels is None
    for i in range(40):
        number = int(data.name_of(i)[:3])
        if number == 3:  # which of two it is
            continue
        np.testing.assert_array_equal(stored[i, :, :, 0].numpy(), pairs[number])
    both = data.codec.given(stored)
    torch.testing.assert_close(both[:, :1], data.codec.source.encode(stored[..., :1]))
    torch.testing.assert_close(both[:, 1:], data.codec.encode(stored))
    again: Any = gw.open_data("A", options=data.options)
    assert again.fingerprint == data.fingerprint


def test_of_two_unrelated_sets_every_image_is_used_and_sides_stay_apart() -> None:
    save(blobs(30), "A")
    save(255 - blobs(50), "B")
    data: Any = gw.open_data("A", image={"to": "B", "paired": False})
    trained, held = (
        [{bytes(row) for row in rows[part]} for rows in (data.given, data.rows)]
        for part in (data.train, data.heldout)
    )
    assert len(trained[0] | held[0]) == 30 and len(trained[1] | held[1]) == 50
    assert not trained[0] & held[0] and not trained[1] & held[1]


def test_index_colour_files_of_one_palette_are_class_maps() -> None:
    numbers = (blobs(30) // 100).astype(np.uint8)
    numbers[:, 0, 0] = 6
    Path("A").mkdir()
    for i, one in enumerate(numbers):
        image = Image.fromarray(one, mode="P")
        image.putpalette(PALETTE)
        image.save(f"A/{i:03}.png")
    save(coloured(numbers * 100), "B")
    data: Any = gw.open_data("A", image={"to": "B"})
    assert data.codec.source == MapCodec(values=(0, 1, 2, 6))
    stored, _ = data.batch(np.arange(len(data)))
    onehot = data.codec.given(stored)[:, :4]
    assert ((onehot == 1).sum(1) == 1).all() and set(onehot.unique().tolist()) == {-1, 1}
    assert torch.equal(onehot.argmax(1) == 3, stored[..., 0] == 6)
    plain: Any = gw.open_data("A", image={"to": "B", "maps": False})
    assert plain.codec.source.channels == 3
    small: Any = gw.open_data("A", image={"to": "B", "size": 7})
    assert set(np.unique(small.given[np.arange(30)])) <= {0, 1, 2, 6}  # never mixed
    assert command(["train", "--pairs", "A", "B", "--kimg", "0.1", "--out", "run", *TINY]) == 0
    assert command(["translate", "run", "A", "--out", "made"]) == 0
    with Image.open("made/003.png") as made:
        assert made.mode == "RGB" and made.size == (SIDE, SIDE)


# --- the loss -------------------------------------------------------------------------------------


def test_the_contrast_is_least_where_places_keep_their_own_features() -> None:
    torch.manual_seed(0)
    contrast, maps = PatchContrast([8]), torch.randn(3, 8, 6, 6)
    same = contrast([maps], [maps])
    moved = contrast([maps.roll(3, dims=3)], [maps])
    assert same.shape == (3,) and (same < moved).all()
    flat = torch.ones(3, 8, 6, 6)  # nothing tells places apart: log of their number
    torch.testing.assert_close(contrast([flat], [flat]), torch.full((3,), float(np.log(36))))


# --- the verb -------------------------------------------------------------------------------------


def test_a_translator_learns_its_pairs_and_keeps_names_and_sizes(
    pairs: np.ndarray, capsys: Capture
) -> None:
    line = ["train", "--pairs", "A", "B", "--kimg", "2", "--out", "run", *TINY]
    assert command(line) == 0
    assert "40 pairs by name" in capsys.readouterr().err
    save(blobs(3, 40), "new")
    Image.fromarray(blobs(1, 17)[0]).save("new/odd.jpg")
    Path("new/broken.png").write_bytes(b"nothing")
    assert command(["translate", "run", "new", "--out", "made"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "made\n" and "broken.png can't be read" in captured.err
    names = {p.name for p in Path("made").iterdir()}
    assert names == {"000.png", "001.png", "002.png", "odd.jpg"}
    with Image.open("made/000.png") as one, Image.open("made/odd.jpg") as other:
        made = np.asarray(one)
        assert made.shape == (40, 40, 3) and other.size == (17, 17) and other.mode == "RGB"
    given = blobs(3, 40)
    own = gw.translate("run", list(given))
    as_rgb = np.repeat(given[0][..., None], 3, 2)  # grey stored in colour was learned in grey
    np.testing.assert_array_equal(gw.translate("run", as_rgb), own[0])
    save(as_rgb[None], "rgb")
    assert command(["translate", "run", "rgb", "--out", "of-rgb"]) == 0
    capsys.readouterr()
    np.testing.assert_array_equal(own[0], made)
    error = np.abs(own[0].astype(float) - coloured(given)[0]).mean()
    identity = np.abs(given[0][..., None].astype(float) - coloured(given)[0]).mean()
    assert error < identity / 2
    assert command(["evaluate", "run", "--features", "pixels", "--json", "-"]) == 0
    shown = capsys.readouterr().out
    assert "psnr" in shown and "simple methods" not in shown  # there are none
    assert command(["report", "run", "--out", "page.html"]) == 0
    assert "the image that it should be" in Path("page.html").read_text(encoding="utf-8")


def test_a_stopped_translation_goes_on_to_the_same_bits(pairs: np.ndarray) -> None:
    for kind in (["--pairs", "A", "B"], ["--from", "A", "--to", "B"]):
        whole, parts = Path(f"whole{len(kind)}"), Path(f"parts{len(kind)}")
        fixed = [f"{who}_optimiser.decay_kimg=0.2" for who in ("generator", "discriminator")]
        fixed = [part for one in fixed for part in ("--set", one)]
        line = ["train", *kind, *TINY, *fixed, "--set", "train.checkpoint_kimg=0.064"]
        assert command([*line, "--kimg", "0.128", "--out", str(whole)]) == 0
        assert command([*line, "--kimg", "0.064", "--out", str(parts)]) == 0
        assert command([*line, "--kimg", "0.128", "--out", str(parts), "--resume"]) == 0
        first, second = ((p / "model" / "model.safetensors").read_bytes() for p in (whole, parts))
        assert first == second
    assert command(["translate", "whole4", "A", "--out", "unpaired"]) == 0
    assert len(list(Path("unpaired").iterdir())) == 40


def test_wrong_use_is_one_line(pairs: np.ndarray, digits_run: Path, capsys: Capture) -> None:
    save(blobs(3), "C", first=900)
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine", encoding="utf-8")
    told = {
        ("train", "--pairs", "A", "C"): "have no file name in common: 000.png",
        ("train", "--pairs", "A", "A"): "is both what is given and what it should become",
        ("train", "--pairs", "A", "nowhere"): "no file or folder",
        ("train", "--from", "nowhere", "--to", "B"): "no file or folder 'nowhere'",
        ("train", "--to", "B"): "--to: goes with --from A/",
        ("train", "A", "--pairs", "A", "B"): "--pairs: names the images itself; leave out 'A'",
        ("train", "--pairs", "A", "B", "--to", "B"): "doesn't go with --from and --to",
        ("train", "--pairs", "A", "B", "--recipe", "dcgan"): "--pairs (and --from with --to): chooses",
        ("train", "--pairs", "A", "B", "--task", "denoise"): "--task: doesn't go with --pairs",
        ("train", "--from", str(digits_run), "--to", "B"): "is a trained run",
        ("train",): "Missing argument 'DATA'; of translation",
        ("train", "A", "--recipe", "translate"): "is chosen by --pairs A B, or --from A --to B",
        ("translate", str(digits_run), "A", "--out", "o"): "translate: this model wasn't trained for it",
    }  # fmt: skip
    for line, text in told.items():
        assert command([*line]) == 2, line
        assert text in capsys.readouterr().err
    assert command(["train", "--pairs", "A", "B", "--kimg", "0.1", "--out", "run", *TINY]) == 0
    save(coloured(blobs(2)), "colour")
    capsys.readouterr()
    for line, text in {
        (
            "translate",
            "run",
            "A",
            "--out",
            "full",
        ): "--out: 'full' exists and is not an empty folder",
        ("translate", "run", "A", "--out", "A/in"): "lies within the data",
        ("translate", "run", "colour", "--out", "o"): "is in colour; the model was trained on",
        ("sample", "run"): "makes nothing new",
        ("explore", "run"): "makes nothing new",
    }.items():
        assert command([*line]) == 2, line
        assert text in capsys.readouterr().err
    save(blobs(40), "copy")
    assert command(["train", "--pairs", "A", "copy"]) == 2
    assert "every picture equals its partner" in capsys.readouterr().err
    assert [p.name for p in Path("full").iterdir()] == ["mine.txt"] and not Path("o").exists()
