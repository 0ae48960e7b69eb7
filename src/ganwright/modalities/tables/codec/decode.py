"""Codes of all columns of numbers → positions, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganwright.modalities.tables.codec.fields import NumberField

_CELLS = 1 << 15  # that are decoded at a time: what stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Numbers:
    """The segments of all bins of all fields, side by side.

    Code k of field c is number ``offsets[c] + k``; it has `several` segments from `starts` on. A
    segment gives ``base + place · span``, rounded down on a grid, and never above `most`.
    """

    offsets: np.ndarray
    starts: np.ndarray
    several: np.ndarray
    base: np.ndarray
    span: np.ndarray
    most: np.ndarray
    grid: np.ndarray

    @classmethod
    def of(cls, fields: Sequence[NumberField]) -> Numbers:
        starts, several, base, span, most = [], [], [], [], []
        used = 0
        for field in fields:
            bins = field.bins
            starts.append(bins.starts[:-1] + used)
            several.append(np.diff(bins.starts))
            with np.errstate(over="ignore"):
                width = bins.last - bins.first + field.line.grid
            base.append(bins.first)
            span.append(np.minimum(width, np.finfo(float).max))
            most.append(bins.last)
            used += len(bins.first)
            others = field.choices - len(bins)  # these decode to anything: they are replaced
            starts.append(np.full(others, used - 1))
            several.append(np.ones(others))
        return cls(
            offsets=np.cumsum([0, *(field.choices for field in fields)])[:-1].astype(np.int64),
            starts=_joined(starts).astype(np.int64),
            several=_joined(several),
            base=_joined(base),
            span=_joined(span),
            most=_joined(most),
            grid=np.array([field.line.grid for field in fields], bool),
        )

    def positions(self, codes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Codes and places (b, C) → positions (C, b) float64."""
        rows, columns = codes.shape
        found = np.empty((columns, rows))
        step = max(1, _CELLS // max(1, columns))
        for start in range(0, rows, step):
            part = slice(start, start + step)
            self._some(codes[part].T, places[part].T, found[:, part])
        return found

    def _some(self, codes: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
        number = codes + self.offsets[:, None]
        within = places * self.several.take(number)
        segment = within.astype(np.int64)
        within -= segment
        segment += self.starts.take(number)
        within *= self.span.take(segment)
        within += self.base.take(segment)
        if self.grid.all():
            np.floor(within, out=within)
        elif self.grid.any():
            within[self.grid] = np.floor(within[self.grid])
        np.minimum(within, self.most.take(segment), out=out)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
