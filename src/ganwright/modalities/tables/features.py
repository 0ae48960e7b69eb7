"""Features of rows: every column has about the same weight, whatever its unit and number of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.special

from ganwright.base.errors import DataError
from ganwright.base.seeds import derive
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.features import FeatureOptions, takes_no_weights
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.tables.judge.cells import CATEGORIES, NUMBERS, Axis, Cells, Layout, Words
from ganwright.modalities.tables.options import TableOptions

VERSION = 1
FITTED_MOST = 100_000
_BATCH = 4096
WIDEST = 256
RARE, MOST_VALUES = 0.01, 32  # values of a category with a feature of their own
HEAVIEST = 4.0  # largest weight; beyond it a few unusual rows would dominate every distance
KNOTS = 20_000  # of a distribution function
RULE = (
    "numbers become normal scores of the training rows' distribution, categories one feature a value "
    f"(those under {RARE:.0%} share one), missing a feature of its own; each column has variance 1; over "
    f"{WIDEST} features, a random projection to as many"
)


@dataclass(frozen=True, eq=False)
class _Scores:
    """One column of numbers: a normal score, and whether it is missing where training has that."""

    axis: Axis
    values: np.ndarray  # different values, sorted
    scores: np.ndarray
    ends: tuple[float, float]
    scale: float
    missing: float  # weight of the second feature; 0 where there is none

    @classmethod
    def fit(cls, axis: Axis, share: float) -> _Scores:
        known = axis.values
        if not len(known):
            return cls(axis, np.zeros(1), np.zeros(1), (0.0, 0.0), 1.0, 1.0)
        values, first, counts = np.unique(known, return_index=True, return_counts=True)
        places = (first + counts / 2) / len(known)  # ties in the middle of theirs
        if len(values) > KNOTS:
            kept = np.unique(np.linspace(0, len(values) - 1, KNOTS).astype(int))
            values, places = values[kept], places[kept]
        scores = scipy.special.ndtri(places)
        end = float(scipy.special.ndtri(1 - 0.25 / len(known)))
        spread = float(np.interp(known, values, scores).std())
        scale = min(1 / spread, HEAVIEST) if spread > 0 else 1.0
        missing = min(1 / np.sqrt(share * (1 - share)), HEAVIEST) if 0 < share < 1 else 0.0
        return cls(axis, values, scores, (-end, end), scale, float(missing))

    @property
    def width(self) -> int:
        return 1 + (self.missing > 0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        absent = np.isnan(x)
        found = np.interp(np.where(absent, self.values[0], x), self.values, self.scores)
        found[x < self.values[0]], found[x > self.values[-1]] = self.ends
        found = found * self.scale
        # Missing where training never is: as far away as a number can be.
        found[absent] = 0.0 if self.missing else self.ends[0] * HEAVIEST
        return np.stack([found, absent * self.missing], 1)[:, : self.width]


@dataclass(frozen=True, eq=False)
class _Onehot:
    """One column of categories: a feature for each frequent value, one for the rest."""

    places: np.ndarray  # (codes,) which feature a code has
    width: int
    scale: float

    @classmethod
    def fit(cls, words: Words) -> _Onehot:
        counts = np.concatenate([words.counts, [words.absent, 0]])
        share = counts / max(1, counts.sum())
        own = np.flatnonzero(share >= RARE)
        own = own[np.argsort(-share[own], kind="stable")][:MOST_VALUES]
        places = np.full(len(share), len(own))
        places[own] = np.arange(len(own))
        grouped = np.bincount(places, share, minlength=len(own) + 1)
        variance = float((grouped * (1 - grouped)).sum())
        scale = min(1 / np.sqrt(variance), HEAVIEST) if variance > 0 else 1.0
        return cls(places, len(own) + 1, float(scale))

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        found = np.zeros((len(codes), self.width))
        found[np.arange(len(codes)), self.places[codes]] = self.scale
        return found


class ColumnFeatures:
    """From cells of a layout to features (n, width) float32."""

    def __init__(self, training: Cells) -> None:
        self.layout: Layout = training.layout
        absent = np.isnan(training.numbers).mean(0)
        self.numbers = [
            _Scores.fit(axis, float(share))
            for axis, share in zip(self.layout.axes, absent, strict=True)
        ]
        self.words = [_Onehot.fit(words) for words in self.layout.words]
        self.full = sum(p.width for p in self.numbers) + sum(w.width for w in self.words)
        self.width = min(self.full, WIDEST)
        self.projection: np.ndarray | None = None
        if self.full > WIDEST:
            rng = np.random.default_rng(derive(0, "columns", self.full))
            self.projection = rng.standard_normal((self.full, WIDEST)) / np.sqrt(WIDEST)

    def __call__(self, cells: Cells) -> np.ndarray:
        parts = [one(cells.numbers[:, i]) for i, one in enumerate(self.numbers)]
        parts += [one(cells.codes[:, i]) for i, one in enumerate(self.words)]
        found = np.concatenate(parts, axis=1)
        if self.projection is not None:
            found = found @ self.projection
        return found.astype(np.float32)


def columns(data: Dataset, options: FeatureOptions) -> Extractor:
    """Normal scores of numbers and one-hots of categories, each column of variance 1.

    Fitted to the training rows (at most 100,000, evenly spread). Identifiers, free text and what is
    constant or empty are not looked at. The hash is of the data and the rule. Raises DataError when
    no column is left.
    """
    takes_no_weights("columns", options)
    codec: Any = data.codec
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    training: Any = data.examples(chosen)
    layout = Layout.fit(training, codec.columns, data.options.of(TableOptions).target)
    see_cells = ColumnFeatures(layout.cells(training))

    def see(rows: pa.Table) -> Seen:
        cells = layout.cells(rows)
        return Seen(see_cells(cells), None, cells)

    settings = ["columns", VERSION, RULE, FITTED_MOST, layout.target]
    return Extractor(
        name="columns",
        hash=fingerprint([*settings, data.fingerprint, codec.to_json()]),
        width=see_cells.width,
        codec=codec,
        batches=_batches,
        see_batch=see,
        about={
            "rule": RULE,
            "data": data.fingerprint,
            "fitted_on": len(chosen),
            "columns": list(layout.shown),
            "left_out": [c.name for c in codec.columns if c.kind not in NUMBERS | CATEGORIES],
            "target": layout.target,
            "before_projection": see_cells.full,
        },
    )


def _batches(parts: Iterable[Any]) -> Iterator[pa.Table]:
    """Each row is processed by itself, so the batch size changes no number."""
    for part in parts:
        if not isinstance(part, pa.Table):
            raise DataError(f"rows: need a table; got {type(part).__name__}")
        for start in range(0, part.num_rows, _BATCH):
            yield part.slice(start, _BATCH)


EXTRACTORS = {"columns": columns}


def usual(data: Dataset) -> str:
    """The default extractor."""
    return "columns"
