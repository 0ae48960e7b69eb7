"""Judging pictures made on the spot against the digits, through features that are quick to learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.data import Dataset
from ganwright.evaluate import Card, evaluate, judge
from ganwright.evaluate.features import FeatureOptions, choose_extractor


@pytest.fixture(scope="session", autouse=True)
def _learns_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick = partial(choose_extractor, options=FeatureOptions(steps=120))
        patch.setattr(judge, "choose_extractor", quick)
        yield


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return gw.open_data("digits")


@pytest.fixture(scope="session")
def unseen(digits: Dataset) -> np.ndarray:
    """Real digits in no one's training: the half of the held-out part that is not the reference."""
    return digits.rows[digits.heldout_halves[0]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes pictures as an .npz, with labels if given."""

    def make(pictures: np.ndarray, labels: np.ndarray | None = None, name: str = "fakes") -> Path:
        path = tmp_path / f"{name}.npz"
        np.savez(path, samples=pictures, **({} if labels is None else {"labels": labels}))
        return path

    return make


@pytest.fixture
def judged(write: Callable[..., Path]) -> Callable[..., Card]:
    """The card of pictures against the digits."""

    def make(pictures: np.ndarray, labels: np.ndarray | None = None, **rest: Any) -> Card:
        return evaluate(write(pictures, labels), "digits", **({"features": "pixels"} | rest))

    return make
