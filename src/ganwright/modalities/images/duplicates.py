"""Near-duplicate images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ganwright.base.seeds import derive
from ganwright.data.dataset import Dataset
from ganwright.data.duplicates import NAMED
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.pixels import has_alpha

NEAR = 0.02  # root mean square difference of two thumbnails, in units of black to white
_COMPARED = 20_000
_THUMBNAIL = 16
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Near:
    """Pairs, not exactly equal, whose 16×16 grey thumbnails differ by less than `threshold` (RMS).

    Among `compared` examples, blank ones left out; `across` of the pairs have one example in
    training and one held out.
    """

    pairs: int
    across: int
    compared: int
    threshold: float
    named: tuple[tuple[str, str], ...]


def chunks(data: Dataset) -> list[slice]:
    """Slices of rows that are a few MiB each as float64."""
    row_bytes = max(1, data.rows[:1].nbytes) * 8  # as float64
    step = max(1, _CHUNK_BYTES // row_bytes)
    return [slice(i, i + step) for i in range(0, len(data), step)]


def shares_of(data: Dataset, part: slice | np.ndarray) -> np.ndarray:
    """Rows as float64 in 0 … 1, (b, H, W, C)."""
    codec = data.codec
    return (data.rows[part].astype(np.float64) - codec.low) / (codec.high - codec.low)


def near(data: Dataset, wanted: np.ndarray) -> Near:
    """Pairs that look alike, among the examples `wanted` (n booleans)."""
    chosen = np.flatnonzero(wanted)
    if len(chosen) > _COMPARED:
        generator = np.random.default_rng(derive(0, "near duplicates"))
        chosen = np.sort(generator.choice(chosen, _COMPARED, replace=False))
    thumbs = _thumbnails(data, chosen)
    held = np.isin(chosen, data.heldout)
    count, across = 0, 0
    named: list[tuple[int, int]] = []
    for rows, columns in _close_pairs(thumbs):
        differ = data.hashes[chosen[rows]] != data.hashes[chosen[columns]]
        rows, columns = rows[differ], columns[differ]
        count += len(rows)
        across += int((held[rows] != held[columns]).sum())
        named += list(zip(chosen[rows], chosen[columns], strict=True))[: NAMED - len(named)]
    names = tuple((data.name_of(a), data.name_of(b)) for a, b in named)
    return Near(count, across, len(chosen), NEAR, names)


def _thumbnails(data: Dataset, chosen: np.ndarray) -> np.ndarray:
    """Grey means over a grid of at most 16×16 cells: (len(chosen), cells) float32."""
    found = []
    step = max(1, len(chosen) // max(1, len(chunks(data))))
    for i in range(0, len(chosen), step):
        grey = _grey(shares_of(data, chosen[i : i + step]), data.codec)
        found.append(_cells(_cells(grey, 1), 2).reshape(len(grey), -1).astype(np.float32))
    return np.concatenate(found) if found else np.empty((0, 1), np.float32)


def _grey(shares: np.ndarray, codec: ImageCodec) -> np.ndarray:
    colour = shares[..., :-1] if has_alpha(codec.channels) else shares
    grey = colour @ np.array([0.299, 0.587, 0.114]) if colour.shape[-1] == 3 else colour[..., 0]
    return grey * shares[..., -1] + 1 - shares[..., -1] if has_alpha(codec.channels) else grey


def _cells(values: np.ndarray, axis: int) -> np.ndarray:
    length = values.shape[axis]
    if length <= _THUMBNAIL:
        return values
    edges = np.arange(_THUMBNAIL) * length // _THUMBNAIL
    widths = np.diff(edges, append=length).reshape(
        [-1 if a == axis else 1 for a in range(values.ndim)]
    )
    return np.add.reduceat(values, edges, axis=axis) / widths


def _close_pairs(thumbs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (i, j), i < j, in blocks, of all pairs closer than NEAR."""
    limit = NEAR**2 * thumbs.shape[1]
    squares = (thumbs**2).sum(axis=1)
    for start in range(0, len(thumbs), 512):
        block, rest = thumbs[start : start + 512], thumbs[start:]
        distances = squares[start : start + 512, None] + squares[None, start:] - 2 * block @ rest.T
        rows, columns = np.nonzero(distances < limit)
        later = columns > rows
        yield rows[later] + start, columns[later] + start
