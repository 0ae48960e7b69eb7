"""How odd windows are, and which of their channels make them so.

Two distances, each divided by what is usual among training windows, and averaged: to the nearest
training windows, by the same features as samples are judged by; and the largest surprise of any step,
the length of its innovations given those before in units of their covariance (Mahalanobis).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base.errors import DataError, UsageError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.data.open import find_source
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.series.codec import SeriesCodec
from ganwright.modalities.series.given import Given, windows_in
from ganwright.model import Model

NEAREST = 5  # training windows that one is compared with
MOST, USUAL = 5000, 500  # training windows that are looked at, and that say what is usual
LEAST_NORMAL = 20  # of fewer no p-value would be below 1 in 20
OVERLAP = 2  # a new window begins after a window's length divided by this
TOP = 3  # channels that are named
THINGS, PLACE, REASON = "windows", "window", "channels"
COLUMNS = tuple(f"channel_{i + 1}" for i in range(TOP))


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows (n, T, C + S) in the model's channels, and the time at which each begins."""

    examples: np.ndarray
    places: Sequence[str]
    notes: tuple[str, ...] = ()

    @property
    def index(self) -> Any:
        """Where they begin, as the index of a frame."""
        import pandas as pd

        return pd.Index(self.places, name=PLACE)


@dataclass(frozen=True, kw_only=True)
class Oddness:
    """`score` (n,), about 1 where a window is like the others, and the surprise of each channel (n, C)."""

    score: np.ndarray
    channels: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What is usual of training windows, and the sorted scores of normal ones."""

    codec: SeriesCodec
    extractor: Extractor
    known: np.ndarray  # features of training windows (m, d)
    precision: np.ndarray  # of innovations (C, C)
    usual: tuple[float, float]
    normal: np.ndarray
    calibrated_by: str

    def look(self, examples: np.ndarray) -> Oddness:
        """How odd windows are."""
        far, surprise, channels = self.distances(examples, NEAREST)
        return Oddness(
            score=(far / self.usual[0] + surprise / self.usual[1]) / 2, channels=channels
        )

    def distances(
        self, examples: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """To the training windows, the largest surprise (n,) each, and that of each channel (n, C)."""
        features = self.extractor.features(examples)
        found = nearest(FeatureMatrix(self.known), FeatureMatrix(features), k=count).distances
        steps = innovations(self.codec, examples)
        lengths = np.einsum("ntc,cd,ntd->nt", steps, self.precision, steps)
        return (
            found[:, -1].cpu().numpy().astype(np.float64),
            np.sqrt(lengths.max(1)),
            np.abs(steps).max(1),
        )


def innovations(codec: SeriesCodec, examples: np.ndarray) -> np.ndarray:
    """The innovations (n, T, C) of windows; at missing values 0."""
    stored = codec.stored(examples)[:, : codec.width].astype(np.float64)
    there = ~np.isnan(examples[..., : codec.width])
    return np.asarray(np.sinh(stored).transpose(0, 2, 1) * there)


# --- the part -----------------------------------------------------------------------------------


def check(model: Model, heatmaps: Path | None) -> None:
    """Raises UsageError where heat maps are asked for."""
    if heatmaps is not None:
        raise UsageError("--heatmaps: are of images; series have none")


def read(model: Model, given: Any) -> Windows:
    """Windows of a file or frame that overlap by half. Raises DataError."""
    codec: Any = model.codec
    options = build(DataOptions, {"form": codec.kind}, owner="data")
    found: Given = windows_in(codec, find_source(given, options), max(1, codec.length // OVERLAP))
    return Windows(examples=found.examples, places=found.places(codec.clock))


def detector(model: Model, data: Dataset | None, normal: Windows | None) -> Detector:
    """By the training windows of the run, and normal ones: given, or those that the run held out."""
    if data is None:
        problem = "windows are compared with those the run was trained on"
        raise DataError(f"detect: {problem}; they are not where they were, or not what they were")
    held = data.heldout[:: -(-len(data.heldout) // MOST) or 1]
    count = len(held) if normal is None else len(normal.examples)
    if count < LEAST_NORMAL:
        whose = "were held out of training: give more" if normal is None else "are given: give more"
        raise DataError(
            f"detect: p-values need {LEAST_NORMAL} normal windows, and {count} {whose} (--normal)"
        )
    codec: Any = model.codec
    training = data.examples(data.train[:: -(-len(data.train) // MOST)])
    extractor = choose_extractor(None, data)
    steps = innovations(codec, training).reshape(-1, codec.width)
    covariance = steps.T @ steps / len(steps)
    loose = covariance + 0.01 * np.trace(covariance) / codec.width * np.eye(codec.width)
    rough = Detector(
        codec=codec,
        extractor=extractor,
        known=extractor.features(training),
        precision=np.linalg.inv(loose),
        usual=(1.0, 1.0),
        normal=np.empty(0),
        calibrated_by="held-out windows" if normal is None else "normal windows",
    )
    some = training[:: -(-len(training) // USUAL)]
    far, surprise, _ = rough.distances(some, NEAREST + 1)  # one of them is itself
    usual = (float(np.median(far)) or 1.0, float(np.median(surprise)) or 1.0)
    found = Detector(**{**vars(rough), "usual": usual})
    scores = found.look(data.examples(held) if normal is None else normal.examples).score
    return Detector(**{**vars(found), "normal": np.sort(scores)})


def look(detector: Detector, windows: Windows) -> Oddness:
    """How odd windows are."""
    return detector.look(windows.examples)


def reasons(
    detector: Detector, windows: Windows, found: Oddness, *, most: int, heatmaps: Path | None
) -> list[tuple[str, ...]]:
    """The channels with the largest surprises, at most so many."""
    order = np.argsort(-found.channels, axis=1, kind="stable")[:, : min(most, TOP)]
    names = detector.codec.names
    return [tuple(names[c] for c in row) for row in order.tolist()]
