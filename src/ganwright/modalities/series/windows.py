"""Windows of series, and which of them are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.data.split import split
from ganwright.modalities.series.read import Series

USUAL, WHOLE_MOST = 24, 512  # steps of a window; whole series of at most so many are one
PERIOD = 25  # windows' lengths in which a share is held out at the end
ENOUGH = 5  # series, for each that is held out, to hold out whole ones


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Where windows begin (n,), of which series they are (n,), and on which side of the split.

    `half` (n,) says in which half of the held-out part a window lies.
    """

    length: int
    starts: np.ndarray
    series: np.ndarray
    train: np.ndarray
    heldout: np.ndarray
    dropped: np.ndarray
    half: np.ndarray
    notes: tuple[str, ...]


def length_of(series: Series, asked: int | None, holdout: float) -> int:
    """The steps of a window: those of a whole series only where whole ones are held out."""
    if asked is not None:
        return asked
    lengths = np.diff(series.bounds)
    longest, alike = int(lengths.max()), len(set(lengths.tolist())) == 1
    if len(lengths) > 1 and alike and longest <= WHOLE_MOST and _by_series(lengths, holdout):
        return longest
    return min(USUAL, max(2, longest // 8))  # the fifth that is held out has some


def _by_series(lengths: np.ndarray, holdout: float) -> bool:
    """Whether there are enough series to hold out whole ones."""
    return not holdout or len(lengths) * holdout >= ENOUGH


def cut(series: Series, length: int, stride: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Where windows begin (n,) and of which series they are (n,), and what was left out.

    A window that is more than half missing is left out, as is one of several classes.
    """
    starts, whose, short = [], [], 0
    for number, (a, b) in enumerate(zip(series.bounds, series.bounds[1:], strict=False)):
        own = np.arange(a, b - length + 1, stride)
        short += not len(own)
        starts.append(own)
        whose.append(np.full(len(own), number))
    begins, numbers = np.concatenate(starts), np.concatenate(whose)
    notes = [f"{short:,} series shorter than a window of {length} steps are left out"] * (short > 0)
    keep = np.ones(len(begins), bool)
    there = np.concatenate([[0], np.cumsum(~np.isnan(series.values).all(1))])
    keep &= there[begins + length] - there[begins] >= length / 2
    if empty := int((~keep).sum()):
        notes.append(f"{empty:,} windows that are more than half missing are left out")
    if series.classes is not None:
        changes = np.concatenate([[0, 0], np.cumsum(np.diff(series.classes) != 0)])
        mixed = changes[begins + length] != changes[begins + 1]
        if (keep & mixed).any():
            notes.append(f"{int((keep & mixed).sum()):,} windows of several classes are left out")
        keep &= ~mixed
    return begins[keep], numbers[keep], notes


def windows(
    series: Series, length: int, stride: int, holdout: float, hashes: np.ndarray
) -> Windows:
    """All windows, split so that no held-out row is in a training window.

    Of many series whole ones are held out, by their `hashes` (m,); of few the last part of each, or of
    every stretch of 25 windows' length. Windows across such a border are in neither.
    """
    starts, whose, notes = cut(series, length, stride)
    lengths = np.diff(series.bounds)
    if _by_series(lengths, holdout):
        parts = split(hashes, holdout, None)
        held = np.zeros(len(lengths), bool)
        held[parts.heldout] = True
        if parts.note:
            notes.append(parts.note)
        of = held[whose]
        half = (hashes & np.uint64(1)).astype(bool)[whose]
        empty = np.empty(0, np.int64)
        train, heldout = np.flatnonzero(~of), np.flatnonzero(of)
        return Windows(
            length=length, starts=starts, series=whose, train=train, heldout=heldout,
            dropped=empty, half=half, notes=tuple(notes),
        )  # fmt: skip
    inside = starts - series.bounds[whose]
    periods = np.maximum(1, lengths[whose] // (PERIOD * length))
    size = lengths[whose] / periods
    border = size * (1 - holdout)
    place = inside % size
    held = (place >= border) & (place + length <= size + 0.5)
    trained = place + length <= border
    half = place >= border + (size - border) / 2
    dropped = np.flatnonzero(~held & ~trained)
    whole = "the series" if len(lengths) == 1 else "each series"
    what = whole if periods.max(initial=1) == 1 else f"every {PERIOD * length:,} steps"
    notes.append(
        f"the last {holdout:.0%} of {what} is held out; {len(dropped):,} windows across the border are "
        "in neither part"
    )
    return Windows(
        length=length, starts=starts, series=whose, train=np.flatnonzero(trained & ~held),
        heldout=np.flatnonzero(held), dropped=dropped, half=half, notes=tuple(notes),
    )  # fmt: skip
