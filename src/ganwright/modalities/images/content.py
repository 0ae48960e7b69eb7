"""Channels and range by the images' content, whatever their files could hold."""

from __future__ import annotations

import numpy as np

from ganwright.modalities.images.pixels import WHITE, has_alpha

_FEW = 0.05  # share of images whose special features aren't adopted for all, or are worth a note


def channels_of(least: np.ndarray, stored: int) -> tuple[int, list[str]]:
    """The channels to learn, where pictures need `least` (n,) and their files have `stored`.

    The fewest that lose nothing, but a few transparent images don't give alpha to all.
    """
    colour, clear = int((least >= 3).sum()), int(np.isin(least, (2, 4)).sum())
    total, notes = len(least), []
    alpha = clear > _FEW * total
    base = 3 if colour else 1
    if clear and clear < total:
        rest = (
            f"all get alpha; data.channels={base} composites them over white"
            if alpha
            else f"composited over white; data.channels={base + 1} gives alpha to all"
        )
        notes.append(f"{clear:,} of {total:,} pictures are not opaque: {rest}")
    if 0 < colour <= _FEW * total:
        notes.append(
            f"{colour:,} of {total:,} pictures have colour: all get it; data.channels=1 learns grey"
        )
    if has_alpha(stored) and not clear:
        notes.append("all pictures are opaque: learned without alpha")
    if stored >= 3 and not colour:
        notes.append("all pictures are grey, though stored in colour: learned in grey")
    return base + alpha, notes


def is_narrow(low: float, high: float, dtype: str) -> bool:
    """Whether whole numbers from low to high are under half of what the type holds."""
    white = WHITE[dtype]
    whole = float(low).is_integer() and float(high).is_integer()
    return whole and 0 <= low < high <= white and high - low < white / 2


def range_of(extremes: np.ndarray, dtype: str) -> tuple[float, float, str]:
    """Low and high of what is learned, from least and largest values (n, 2), and a note."""
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    if dtype == "float32":
        return low, high if high > low else low + 1, ""
    white = float(WHITE[dtype])
    if not is_narrow(low, high, dtype):
        return 0.0, white, ""
    note = f"values lie in {low:,.0f} … {high:,.0f} of 0 … {white:,.0f}: learned in their own range"
    return low, high, note
