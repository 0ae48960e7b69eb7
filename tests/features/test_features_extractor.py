"""The common face: batches, streams, the pixels' components, the choice of an extractor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.base.errors import DataError, OptionError, UnknownName
from ganwright.base.modality import modalities
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import (
    FeatureOptions,
    choose_extractor,
    features_of,
)
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features import EXTRACTORS, LEAST_TO_LEARN
from ganwright.modalities.images.features.pictures import batches
from ganwright.modalities.images.features.pixels import pixels

CODEC = ImageCodec(height=2, width=2, channels=1)


def counting(batch: int) -> tuple[Extractor, list[int]]:
    """An extractor of sums that notes the sizes of its batches."""
    sizes: list[int] = []

    def see(pictures: np.ndarray) -> Seen:
        sizes.append(len(pictures))
        total = pictures.sum((1, 2, 3), dtype=np.float32)[:, None]
        return Seen(total, np.full((len(pictures), 2), 0.5, np.float32))

    made = Extractor(
        name="sum",
        hash="0",
        width=1,
        codec=CODEC,
        batches=partial(batches, codec=CODEC, size=batch),
        see_batch=see,
        classes=("a", "b"),
    )
    return made, sizes


@pytest.mark.parametrize("cuts", [[10], [1] * 10, [3, 4, 3], [0, 7, 0, 3], [4, 4, 2], [9, 1]])
def test_batches_do_not_depend_on_how_pictures_come(cuts: list[int]) -> None:
    pictures = np.arange(40, dtype=np.uint8).reshape(10, 2, 2, 1)
    extractor, sizes = counting(4)
    parts = iter(np.split(pictures, np.cumsum(cuts)[:-1]))
    made = np.concatenate([seen.features for seen in extractor.stream(parts)])
    assert sizes == [4, 4, 2]
    assert made[:, 0].tolist() == pictures.sum((1, 2, 3)).tolist()


def test_features_and_probabilities_in_one_pass() -> None:
    extractor, sizes = counting(4)
    seen = extractor.see(np.zeros((5, 2, 2, 1), np.uint8))
    assert seen.features.shape == (5, 1) and seen.features.dtype == np.float32
    assert seen.probabilities is not None and seen.probabilities.shape == (5, 2)
    assert sizes == [4, 1]
    assert extractor.features(np.zeros((0, 2, 2, 1), np.uint8)).shape == (0, 1)


def test_a_stream_takes_no_more_than_it_needs() -> None:
    extractor, _ = counting(4)
    taken = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield np.zeros((3, 2, 2, 1), np.uint8)

    stream = extractor.stream(endless())
    for _ in range(3):
        next(stream)
    assert len(taken) == 4


def test_wrong_pictures_and_wrong_numbers_are_refused() -> None:
    extractor, _ = counting(4)
    with pytest.raises(DataError, match="pictures: need"):
        extractor.features(np.zeros((2, 3, 2, 1), np.uint8))
    bad = replace(extractor, see_batch=lambda p: Seen(np.full((len(p), 1), np.nan), None))
    with pytest.raises(DataError, match="features: 'sum' gave NaN"):
        bad.features(np.zeros((2, 2, 2, 1), np.uint8))


def test_pixels_are_principal_components() -> None:
    data = gw.open_data("digits")
    extractor = pixels(data)
    made = extractor.features(data.rows[data.train]).astype(np.float64)
    spread = made.var(0)
    assert extractor.width <= 64 and extractor.probabilities(data.rows[:3]) is None
    assert (np.diff(spread) <= 1e-9).all()
    correlation = np.corrcoef(made.T) - np.eye(extractor.width)
    assert np.abs(correlation).max() < 1e-3
    x = data.rows[data.train].reshape(len(data.train), -1) / 127.5 - 1
    assert spread.sum() == pytest.approx(x.var(0).sum(), rel=1e-4)


def test_pixels_hash_by_data_and_range(open_array: Callable[..., Dataset]) -> None:
    data = gw.open_data("digits")
    assert pixels(data).hash == pixels(data).hash
    assert len(pixels(data).hash) == 16 and int(pixels(data).hash, 16)
    other = gw.open_data("digits", holdout=0.3)
    assert pixels(other).hash != pixels(data).hash


def test_few_and_equal_pictures(open_array: Callable[..., Dataset]) -> None:
    few = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype(np.uint8)
    data = open_array(few, holdout=0)
    extractor = pixels(data)
    assert extractor.width == 4  # n − 1
    with pytest.raises(DataError, match="features 'pixels': all training pictures are equal"):
        pixels(open_array(np.zeros((5, 4, 4, 1), np.uint8), holdout=0))


def test_unknown_names_and_misplaced_weights() -> None:
    data = gw.open_data("digits")
    with pytest.raises(UnknownName, match=r"unknown features 'incepton'.*Did you mean 'inception'"):
        choose_extractor("incepton", data)
    for name in ("learned", "pixels"):
        with pytest.raises(OptionError, match=f"features '{name}': takes no weights file"):
            choose_extractor(name, data, FeatureOptions(weights=Path("w.pth")))
    with pytest.raises(OptionError, match="features: 'columns' is not for data of kind image"):
        choose_extractor("columns", data)
    assert {name for one in modalities() for name in features_of(one).EXTRACTORS} == {
        "learned", "pixels", "inception", "dinov2", "dinov2-b", "dinov2-l", "columns", "counts",
        "heard", "spectra", "windows", "ngrams",
    }  # fmt: skip


def test_the_choice_depends_on_how_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gw.open_data("digits")
    made: list[str] = []
    for name in ("learned", "pixels"):
        monkeypatch.setitem(EXTRACTORS, name, lambda data, options, name=name: made.append(name))
    choose_extractor(None, data)
    choose_extractor(None, replace(data, train=data.train[: LEAST_TO_LEARN - 1]))
    choose_extractor(None, replace(data, train=data.train[:LEAST_TO_LEARN]))
    assert made == ["learned", "pixels", "learned"]
