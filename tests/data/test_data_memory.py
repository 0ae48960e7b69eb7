"""Images in memory open as data, are found again by their run, and are given back in their own form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ganwright as gw
from ganwright.base.errors import DataError, OptionError
from ganwright.data import DataOptions
from ganwright.data.open import dataset_of
from ganwright.evaluate import learned
from ganwright.modalities.images.read.memory import memory_source, stacked


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)


def test_arrays_and_lists_are_the_same_data(images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images)
    whole = gw.open_data(tmp_path / "a.npy")
    for given in (images, images[..., None], [Image.fromarray(one) for one in images]):
        assert gw.open_data(given).fingerprint == whole.fingerprint
    named = gw.open_data((images, ["b", "a"] * 20))
    assert named.spec.classes == ("a", "b") and named.labels is not None
    assert named.labels.tolist() == [1, 0] * 20


def test_images_of_several_sizes_need_files_unless_nothing_is_kept(images: np.ndarray) -> None:
    mixed = [*images, images[0, :5]]
    with pytest.raises(DataError, match="differ in size or type: save them as files"):
        gw.open_data(mixed)
    assert dataset_of(memory_source(mixed), DataOptions()).rows.shape == (41, 8, 8, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((3, 9, 9, 9)), "have shape"),
        ((np.zeros((3, 9, 9)), [1]), "labels have shape"),
        (np.zeros((3, 9)), "data can't be a ndarray"),
    ],
)
def test_what_is_no_image_is_said(given: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        gw.open_data(given)


def test_new_ones_are_stacked_in_the_form_that_there_is(images: np.ndarray) -> None:
    new = np.full((2, 8, 8, 1), 200, np.uint8)
    assert stacked(images, new).shape == (42, 8, 8)
    assert stacked(images[..., None] / 255, new).dtype == np.float64
    assert stacked(images > 9, new)[-1].all()
    colour = np.repeat(images[:, None], 3, axis=1)
    assert stacked(colour, np.repeat(new, 3, axis=3)).shape == (42, 3, 8, 8)
    files = stacked([Image.fromarray(images[0])], new)
    assert len(files) == 3 and files[2].size == (8, 8) and files[2].mode == "L"
    with pytest.raises(DataError, match="and new ones"):
        stacked(images, np.zeros((2, 9, 9, 1), np.uint8))


def test_a_run_on_an_array_detects_and_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "STEPS", 40)
    rng = np.random.default_rng(1)
    scale = np.repeat([40.0, 200.0], [60, 40])[:, None, None]
    images = (scale + rng.normal(0, 20, (100, 8, 8))).clip(0, 255).astype(np.float32)
    labels = np.repeat([3, 7], [60, 40])
    settings = {"train.score_features": "off", "train.batch": 16}
    run = gw.train(
        (images, labels), recipe="mlp-small", kimg=8, out=tmp_path / "run",
        settings=settings, progress=False,
    )  # fmt: skip
    found = gw.detect(run, images[:4], normal=images[4:40])
    assert found.index.tolist() == [0, 1, 2, 3]
    more, names, new = gw.augment(run, (images, labels), n=10)
    assert more.shape == (110, 8, 8) and more.dtype == np.float32
    assert (more[:100] == images).all() and new.tolist() == [False] * 100 + [True] * 10
    assert names[100:].tolist() == [3] * 6 + [7] * 4
    path = tmp_path / "grown.npz"
    assert gw.augment(run, (images, labels), n=10, out=path).made == {"3": 6, "7": 4}
    grown = gw.open_data(path, holdout=0.0)
    assert len(grown) == 110 and grown.codec.dtype == "float32"
    for out, said in ((path, "exists already"), (tmp_path / "folder", "name an .npz file")):
        with pytest.raises(Exception, match=said):
            gw.augment(run, (images, labels), n=10, out=out)
    with pytest.raises(OptionError, match=r"mark: .* has an array 'images' already"):
        gw.augment(run, (images, labels), n=2, out=tmp_path / "b.npz", mark="images")
