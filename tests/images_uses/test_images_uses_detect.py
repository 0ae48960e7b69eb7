"""Odd images: found, shown where, with p-values that hold what they promise."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.cli.app import run as command
from ganwright.modalities.images.pixels import fit_back, fit_to

SIDE, SQUARE = 12, 4
Capture = pytest.CaptureFixture[str]


def blobs(count: int, seed: int) -> np.ndarray:
    """Round spots (n, 12, 12) uint8 of several sizes, at several places."""
    rng = np.random.default_rng(seed)
    at = np.arange(SIDE)
    middle = rng.uniform(4, 7, (2, count, 1))
    wide = rng.uniform(1.5, 2.5, (count, 1, 1))
    rows, columns = (np.square(at - one) for one in middle)
    spots = np.exp(-(rows[:, :, None] + columns[:, None, :]) / (2 * np.square(wide)))
    noise = rng.normal(0, 3, spots.shape)
    return np.clip(230 * spots + 10 + noise, 0, 255).astype(np.uint8)


def spoiled(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with a bright square in a corner each, and where that is."""
    found, there = images.copy(), np.zeros(images.shape, bool)
    for i in range(len(images)):
        row, column = 8 * (i % 2), 8 * (i // 2 % 2)
        there[i, row : row + SQUARE, column : column + SQUARE] = True
    found[there] = 255
    return found, there


def save(images: np.ndarray, folder: Path, side: int = SIDE) -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        big = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
        big.save(folder / f"{i:03d}.png")


def train(path: Path, out: Path, **settings: Any) -> Any:
    own = {"train.batch": 16, "train.score_features": "off", "data.holdout": 0.4, **settings}
    recipe = "dcgan" if "discriminator.width" in settings else "mlp-small"
    return gw.train(path, out=out, recipe=recipe, kimg=2, settings=own, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("odd")
    np.savez(folder / "blobs.npz", images=blobs(400, seed=0))
    return train(folder / "blobs.npz", folder / "run")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_verb_finds_them_and_shows_where(run: Any, capsys: Capture) -> None:
    images, there = spoiled(blobs(8, seed=1))
    save(np.concatenate([images, blobs(40, seed=2)]), Path("new"), side=30)
    line = ["detect", str(run.path), "new", "--out", "odd.csv", "--heatmaps", "where"]
    assert command(line) == 0
    captured = capsys.readouterr()
    assert "held-out images" in captured.out and captured.out.endswith("where\nodd.csv\n")
    with Path("odd.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "score", "p_value", "heatmap"]
    assert [row["file"] for row in rows] == [f"{i:03d}.png" for i in range(48)]
    scores = np.array([float(row["score"]) for row in rows])
    assert roc_auc_score(np.arange(48) < 8, scores) > 0.99
    for row, place in zip(rows[:8], there, strict=True):
        with Image.open(row["heatmap"]) as image:
            heat = np.asarray(image)
        assert heat.shape == (30, 30)
        own = np.asarray(Image.fromarray(place).resize((30, 30)))
        assert own.ravel()[heat.argmax()]
    page = Path("where/index.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 48 and page.index("000.png") < page.index("047.png")
    assert "p-value" not in page and page.count("<img ") == 96 and 'src="data:image' in page
    assert command(["detect", str(run.path), "new", "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["file"] for one in told["oddest"][:8]} == {f"{i:03d}.png" for i in range(8)}
    assert told["oddest"][0]["heatmap"] == ""


def test_false_alarms_are_no_more_than_promised(run: Any) -> None:
    np.savez("normal.npz", images=blobs(500, seed=3))
    np.savez("fresh.npz", images=blobs(500, seed=4))
    p = gw.detect(run, "fresh.npz", normal="normal.npz")["p_value"]
    assert p.min() >= 1 / 501
    for level in (0.02, 0.05, 0.2):
        spread = np.sqrt(level * (1 - level) * (1 / 500 + 1 / 500))
        assert (p <= level).mean() <= level + 3 * spread


def test_a_score_depends_on_its_image_alone(tmp_path: Path) -> None:
    for name, side in (("narrow", 0), ("wide", 1)):
        save(blobs(90, seed=5 + side), tmp_path / "classes" / name)
    own = {"discriminator.width": 8, "generator.width": 8, "discriminator.minibatch_std": 4}
    found = train(tmp_path / "classes", tmp_path / "run", **own)
    assert found.model.spec.classes == ("narrow", "wide")
    save(blobs(9, seed=7), Path("new"))
    whole = gw.detect(found, "new")
    save(blobs(9, seed=7)[4:5], Path("one"))
    part = gw.detect(found, "one")
    assert part.index.name == "file" and part.index.tolist() == ["000.png"]
    assert part["score"].iloc[0] == pytest.approx(whole["score"].iloc[4], rel=1e-3)


def test_unreadable_files_are_counted_and_skipped(run: Any, capsys: Capture) -> None:
    save(blobs(3, seed=8), Path("new"))
    Path("new/001.png").write_bytes(b"no picture")
    assert command(["detect", str(run.path), "new"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("2 images;")
    assert (
        "warning: 1 of 3 images can't be read and are left out; the first: 001.png" in captured.err
    )


def test_grey_in_colour_files_fits(run: Any) -> None:
    save(np.repeat(blobs(2, seed=9)[..., None], 3, axis=3), Path("new"))
    assert len(gw.detect(run, "new")) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["colour"], "holds colour images; the model was trained on images of 12×12 grey"),
        (["deep.npy"], "holds float32 images; the model was trained on uint8"),
        (["broken"], "broken': none of 1 images can be read: 0.png"),
        (["none"], "no file or folder 'none'"),
        (["grey", "--heatmaps", "grey"], "--heatmaps: 'grey' exists and is not an empty folder"),
        (["grey", "--out", "a.png"], "--out: 'a.png' has no known suffix for tables"),
        (["grey", "--normal", "grey"], "p-values need 20 normal images, and 3 are given"),
    ],
)
def test_mistakes_are_one_line(run: Any, capsys: Capture, arguments: list[str], said: str) -> None:
    save(blobs(3, seed=10), Path("grey"))
    save(np.random.default_rng(0).integers(0, 255, (2, SIDE, SIDE, 3), np.uint8), Path("colour"))
    np.save("deep.npy", np.zeros((2, SIDE, SIDE), np.float32))
    Path("broken").mkdir()
    Path("broken/0.png").write_bytes(b"no picture")
    assert command(["detect", str(run.path), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[-1]


def test_without_its_data_a_model_says_so(run: Any) -> None:
    save(blobs(3, seed=11), Path("new"))
    with pytest.raises(DataError, match="they are not where they were"):
        gw.detect(run.model, "new")


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_map_goes_back_to_where_the_image_came_from(fit: str) -> None:
    for height, width in ((40, 60), (60, 40), (24, 24), (7, 9)):
        image = np.zeros((height, width, 1), np.uint8)
        row, column = height // 2, width // 2
        image[row - 2 : row + 2, column - 2 : column + 2] = 255
        map_ = fit_to(image, (24, 24), fit)[..., 0]
        back = fit_back(map_, (height, width), fit)
        assert back.shape == (height, width)
        weights = back / back.sum()
        assert abs(weights.sum(1) @ np.arange(height) - (row - 0.5)) < 0.75
        assert abs(weights.sum(0) @ np.arange(width) - (column - 0.5)) < 0.75
