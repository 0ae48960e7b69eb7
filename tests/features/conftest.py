"""Data made on the spot, and one learned extractor of digits each way for the whole session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.modalities.images.features.learned import learned


class Digits:
    """The digits, with or without labels, and what their learned extractor is."""

    def __init__(self, labels: bool, steps: int) -> None:
        self.data: Dataset = gw.open_data("digits", labels=labels)
        self.steps = steps
        self.extractor: Extractor = learned(self.data, steps=steps)
        with_labels = gw.open_data("digits")
        assert with_labels.labels is not None
        self.heldout = self.data.rows[self.data.heldout]
        self.heldout_labels = with_labels.labels[self.data.heldout]


@pytest.fixture(scope="session")
def supervised() -> Digits:
    return Digits(labels=True, steps=300)


@pytest.fixture(scope="session")
def self_supervised() -> Digits:
    return Digits(labels=False, steps=150)


@pytest.fixture
def open_array(tmp_path: Path) -> Callable[..., Dataset]:
    """Opens an array as data, with labels if given."""

    def make(pictures: np.ndarray, labels: np.ndarray | None = None, **settings: Any) -> Dataset:
        path = tmp_path / f"{abs(hash(pictures.tobytes()))}.npz"
        named = {} if labels is None else {"labels": labels}
        np.savez(path, images=pictures, **named)
        return gw.open_data(path, **settings)

    return make


@pytest.fixture
def few(supervised: Digits) -> Dataset:
    """Thirty digits to train on, as a data set of its own."""
    data = supervised.data
    return replace(data, train=data.train[:30], fingerprint="of thirty digits")
