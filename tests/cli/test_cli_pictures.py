"""Pictures as people have them, from training to samples, by the real command line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import ganwright as gw
from ganwright.cli.app import run

OPTIONS = ["--kimg", "0.1", "--recipe", "mlp-small", "--set", "train.batch=8", "--out", "run"]
RNG = np.random.default_rng(13)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder of its own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path / "the cache"))
    return tmp_path


def save(arrays: np.ndarray, folder: str = "d") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i, array in enumerate(arrays):
        path = Path(folder) / f"{i}.png"
        if array.dtype == np.uint16:
            path.write_bytes(imagecodecs.png_encode(array.squeeze()))
        else:
            Image.fromarray(array.squeeze()).save(path)


def trained(*settings: str) -> None:
    assert run(["train", *settings[:1], *OPTIONS, *settings[1:]]) == 0
    assert run(["sample", "run", "-n", "8", "--out", "new"]) == 0


def test_scans_of_twelve_bits_come_back_as_such(tiny: Any, capsys: Capture) -> None:
    scans = RNG.integers(0, 4081, (40, 8, 8)).astype(np.uint16)
    scans[:, 0, 0], scans[:, 0, 1] = 0, 4080
    save(scans)
    trained("d")
    assert "0 … 4,080 of 0 … 65,535" in capsys.readouterr().err
    for path in Path("new").glob("*.png"):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        assert image.mode == "I;16" and pixels.max() <= 4080
    assert run(["inspect", "d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["near"]["pairs"] == 0


def test_sixteen_bit_colour_is_sampled_in_sixteen(tiny: Any) -> None:
    save(RNG.integers(0, 65536, (40, 8, 8, 3)).astype(np.uint16))
    trained("d")
    expected = gw.load("run").sample(8)
    for i in range(8):
        pixels = imagecodecs.png_decode(Path(f"new/{i:06}.png").read_bytes())
        assert pixels.dtype == np.uint16 and (pixels == expected[i]).all()


def test_opaque_pictures_are_sampled_without_alpha(tiny: Any, capsys: Capture) -> None:
    opaque = np.full((40, 8, 8, 1), 255, np.uint8)
    save(np.concatenate([RNG.integers(0, 256, (40, 8, 8, 3), np.uint8), opaque], 3))
    trained("d")
    assert "all pictures are opaque" in capsys.readouterr().err
    with Image.open("new/000000.png") as image:
        assert image.mode == "RGB"


def test_names_that_are_no_text_go_all_the_way(tiny: Any, capsys: Capture) -> None:
    for name in (b"caf\xe9", b"th\xe9"):
        try:
            save(RNG.integers(0, 256, (20, 8, 8, 3), np.uint8), os.fsdecode(b"r\xf6ot/" + name))
        except OSError:
            pytest.skip("this file system takes text only")
    root = os.fsdecode(b"r\xf6ot")
    assert run(["inspect", root]) == 0
    assert "2 (café: 20, thé: 20)" in capsys.readouterr().out
    assert run(["train", root, *OPTIONS]) == 0
    assert run(["sample", "run", "-n", "3", "--label", "café", "--out", "new"]) == 0
    with Path("new/samples.csv").open(newline="", encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"café"}
    assert run(["evaluate", "run"]) == 0
    assert run(["report", "run"]) == 0
    Path("run/report.html").read_text(encoding="utf-8")
    capsys.readouterr()


def test_training_repeats_what_looking_doubts(tiny: Any, capsys: Capture) -> None:
    save(RNG.integers(0, 256, (40, 8, 8, 3), np.uint8))
    rows = "".join(f"{i},d/{i}.png,{i // 2}\n" for i in range(40))
    Path("l.csv").write_text(",path,kind\n" + rows)
    assert run(["inspect", "l.csv", "--set", "data.label=kind"]) == 0
    doubt = "20 classes for 40 examples: are they?"
    assert doubt in capsys.readouterr().out
    assert run(["train", "l.csv", *OPTIONS, "--set", "data.label=kind"]) == 0
    assert doubt in capsys.readouterr().err
    assert run(["inspect", "l.csv"]) == 0
    assert "no labels" in capsys.readouterr().out
    assert run(["inspect", "l.csv", "--set", "data.label=kimd"]) == 2
    assert "Did you mean 'kind'?" in capsys.readouterr().err
