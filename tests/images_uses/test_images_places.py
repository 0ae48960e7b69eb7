"""Where images are odd, and the surprise of a network that tells turns."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import ganwright as gw
from ganwright.data import Dataset
from ganwright.evaluate import learned
from ganwright.modalities.images import detect
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.turns import Turns
from ganwright.modalities.images.features.views import quarter_turns
from ganwright.modalities.images.places import Places

SIDE = 16


def skies(count: int, seed: int) -> np.ndarray:
    """Colour images (n, 16, 16, 3) uint8: light above, dark below, a spot anywhere."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(200, 40, SIDE)[None, :, None, None] * rng.uniform(
        0.8, 1.2, (count, 1, 1, 3)
    )
    found = slope + rng.normal(0, 8, (count, SIDE, SIDE, 3))
    for image, row, column in zip(found, *rng.integers(2, SIDE - 4, (2, count)), strict=True):
        image[row : row + 3, column : column + 3] = (240, 120, 20)
    return found.clip(0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setattr(learned, "STEPS", 60)
    np.save(tmp_path / "skies.npy", skies(700, 0))
    return gw.open_data(tmp_path / "skies.npy")


def test_turns_by_hand() -> None:
    x = torch.arange(8.0).view(2, 1, 2, 2)
    turned, quarters = quarter_turns(x)
    assert quarters.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert turned[2, 0].tolist() == [[1, 3], [0, 2]] and turned[6, 0].tolist() == [[2, 0], [3, 1]]


def test_turned_images_surprise(data: Dataset) -> None:
    turns = Turns.of(data, data.examples(data.train[:200]))
    assert detect._turns(data)  # colour, no classes, enough
    normal = skies(60, 1)
    odd = np.concatenate([normal[:20, ::-1], normal[20:40].transpose(0, 2, 1, 3)])
    found = turns.oddness(np.concatenate([normal, odd]))
    assert roc_auc_score(np.arange(100) >= 60, found) > 0.95
    assert (pickle.loads(pickle.dumps(turns)).oddness(normal) == found[:60]).all()
    likely = turns.look.network.logits(turns.look.network(turns.look.sight.look(normal[:1])))
    assert float(likely.softmax(1)[0, 0]) > 0.8  # it stands upright
    assert turns.see(normal).shape == (60, learned.WIDTH)


def test_a_thousandth_of_normal_pixels_is_above_the_middle(data: Dataset) -> None:
    codec = data.codec
    assert isinstance(codec, ImageCodec)
    known, normal = data.examples(data.train[:300]), data.examples(data.heldout[:80])
    nearest = np.random.default_rng(0).integers(300, size=(80, 5))
    places = Places.of(codec, known, normal, nearest)
    heat = places.heat(normal, nearest)
    assert heat.shape == (80, SIDE, SIDE) and abs((heat > 127).mean() - 0.001) < 0.0006
    again = Places.of(codec, known, normal, nearest).heat(normal[:3], nearest[:3])
    assert (again == heat[:3]).all()


def test_odd_patches_are_hot_wherever_they_lie(data: Dataset) -> None:
    codec = data.codec
    assert isinstance(codec, ImageCodec)
    known, new = data.examples(data.train[:300]), skies(30, 2)
    there = np.zeros((30, SIDE, SIDE), bool)
    for i in range(30):
        row, column = i % 10 + 2, (7 * i) % 10 + 2
        there[i, row : row + 3, column : column + 3] = True
    new[there] = (20, 20, 250)
    nearest = np.random.default_rng(0).integers(300, size=(80, 5))
    places = Places.of(codec, known, data.examples(data.heldout[:80]), nearest)
    heat = places.heat(new, nearest[:30])
    assert roc_auc_score(there.ravel(), heat.ravel()) > 0.95
