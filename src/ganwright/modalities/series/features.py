"""Features of windows: their main directions, and how each channel moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.utils.extmath import randomized_svd

from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.series.innovations import carried
from ganwright.modalities.series.quality import Rows

VERSION = 1
FITTED_MOST = 20_000
DIRECTIONS, MOVING = 48, 16  # directions, and channels of which is said how they move
RULE = (
    f"values in deviations, along the {DIRECTIONS} main directions of training windows; and of the "
    f"first {MOVING} channels the deviation within a window, that of its steps, and the share missing"
)
_BATCH = 2048


def windows(data: Dataset, options: FeatureOptions) -> Extractor:
    """Fitted to the training windows (at most 20,000, evenly spread)."""
    takes_no_weights("windows", options)
    codec: Any = data.codec
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    look = _Look(codec.scaled(data.examples(chosen)[..., : codec.width]))

    def see(examples: np.ndarray) -> Seen:
        scaled = codec.scaled(examples[..., : codec.width])
        return Seen(look(scaled), None, Rows(scaled))

    return Extractor(
        name="windows",
        hash=fingerprint(["windows", VERSION, RULE, FITTED_MOST, data.fingerprint]),
        width=look.width,
        codec=codec,
        batches=_batches,
        see_batch=see,
        about={"rule": RULE, "data": data.fingerprint, "fitted_on": len(chosen)},
    )


class _Look:
    """From windows (n, T, C) in deviations to features (n, width) float32."""

    def __init__(self, training: np.ndarray) -> None:
        flat = carried(training).reshape(len(training), -1)
        most = min(DIRECTIONS, flat.shape[1], len(flat) - 1)
        if most < 1:
            raise DataError("windows: too few to find directions in")
        self.middle = flat.mean(0)
        _, _, axes = randomized_svd(flat - self.middle, most, random_state=0)
        self.axes = axes.T / np.sqrt(flat.shape[1])
        moves = _moves(training)
        self.mean, self.spread = moves.mean(0), moves.std(0) + 1e-3
        self.width = most + moves.shape[1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        along = (carried(x).reshape(len(x), -1) - self.middle) @ self.axes * 2
        moves = np.clip((_moves(x) - self.mean) / self.spread, -10, 10) / np.sqrt(self.width)
        return np.concatenate([along, moves], 1).astype(np.float32)


def _moves(x: np.ndarray) -> np.ndarray:
    """How much each channel moves, and how much of it is missing: (n, 3·C)."""
    some = x[..., :MOVING]
    whole = carried(some)
    parts = [whole.std(1), np.diff(whole, axis=1).std(1), np.isnan(some).mean(1)]
    return np.concatenate(parts, 1)


def _batches(parts: Iterable[Any]) -> Iterator[np.ndarray]:
    for part in parts:
        for start in range(0, len(part), _BATCH):
            yield np.asarray(part[start : start + _BATCH])


EXTRACTORS = {"windows": windows}


def usual(data: Dataset) -> str:
    """The default extractor."""
    return "windows"
