"""Drawings of known factors: one to three equal shapes on white, 32×32 in colour.

A drawing has a form, a colour, a size, a place (the quarters that hold a shape) and a shift of all of
them by at most one pixel. All of it is integer arithmetic, so every machine draws the same bytes. As
the factors of any drawing are known, and can be read back, measures can be checked against the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations

import numpy as np

FORMS = ("circle", "cross", "diamond", "ring", "square", "triangle")
COLOURS = {
    "red": (214, 48, 49),
    "orange": (240, 147, 43),
    "green": (39, 174, 96),
    "cyan": (34, 186, 199),
    "blue": (41, 98, 217),
    "purple": (142, 68, 173),
}
SIZES = (4, 5, 6)  # radius in pixels
SHIFTS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
# Quarters: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
PLACES = tuple(held for count in (1, 2, 3) for held in combinations(range(4), count))
LEVELS = tuple(map(len, (FORMS, COLOURS, SIZES, SHIFTS, PLACES)))
POSSIBLE = int(np.prod(LEVELS))  # different drawings
COUNT = 4000  # of them in the data set
SIDE, CELL, WHITE = 32, 16, 255
_FINE = 4  # samples along the side of a pixel


@dataclass(frozen=True)
class Factors:
    """What is drawn: numbers (n,) into FORMS, COLOURS, SIZES, SHIFTS and PLACES."""

    form: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    shift: np.ndarray
    place: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """How many shapes each drawing has: 1, 2 or 3."""
        return _held().sum(1)[self.place]

    def __len__(self) -> int:
        return len(self.form)

    def __getitem__(self, rows: np.ndarray | slice) -> Factors:
        return Factors(*(getattr(self, one.name)[rows] for one in fields(self)))


def factors(count: int = COUNT, seed: int = 0) -> Factors:
    """Of the first `count` examples: no drawing comes twice, all are equally likely.

    >>> from ganwright.modalities.images.read.shapes import FORMS, factors
    >>> [FORMS[i] for i in factors(3).form]
    ['cross', 'cross', 'ring']
    """
    # The stream of RandomState is frozen, that of newer generators is not.
    numbers = np.random.RandomState(seed).permutation(POSSIBLE)[:count]
    return Factors(*np.unravel_index(numbers, LEVELS))


def draw(what: Factors) -> np.ndarray:
    """The drawings, uint8 (n, 32, 32, 3)."""
    cells = _cells()[what.form, what.colour, what.size, what.shift]
    held = _held()[what.place].astype(bool)
    images = np.full((len(what), SIDE, SIDE, 3), WHITE, np.uint8)
    for quarter in range(4):
        rows = held[:, quarter]
        images[rows, *_window(quarter)] = cells[rows]
    return images


def nearest(images: np.ndarray, block: int = 64) -> tuple[Factors, np.ndarray]:
    """Reads (n, 32, 32, 3) back: the factors of the nearest drawing, and its squared distance.

    The distance (n,) is the sum over pixels and channels; 0 says that an image is exactly a drawing.
    """
    parts = [_nearest(images[i : i + block]) for i in range(0, len(images), block)]
    numbers, distances = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Factors(*np.unravel_index(numbers, LEVELS)), distances


def _nearest(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cells = WHITE - _cells().reshape(-1, CELL * CELL * 3).astype(np.float64)
    empty, gain = [], []  # of each quarter: left white, and how much a shape there takes from that
    for quarter in range(4):
        window = (slice(None), *_window(quarter))
        seen = WHITE - images[window].reshape(len(images), -1).astype(np.float64)
        empty.append((seen**2).sum(1))
        gain.append((cells**2).sum(1) - 2 * seen @ cells.T)
    table = np.stack(gain, 2) @ _held().T.astype(np.float64)  # (images, shapes, places)
    table = table.reshape(len(images), -1)
    best = table.argmin(1)
    return best, sum(empty) + table[np.arange(len(images)), best]


def _window(quarter: int) -> tuple[slice, slice]:
    down, right = divmod(quarter, 2)
    return slice(down * CELL, (down + 1) * CELL), slice(right * CELL, (right + 1) * CELL)


@cache
def _held() -> np.ndarray:
    """(places, 4): 1 where a place has a shape in a quarter."""
    return np.array([[quarter in held for quarter in range(4)] for held in PLACES], np.int64)


@cache
def _cells() -> np.ndarray:
    """Every shape in its quarter: uint8 (forms, colours, sizes, shifts, 16, 16, 3)."""
    covered = np.array(
        [[[_covered(f, r, s) for s in SHIFTS] for r in SIZES] for f in FORMS], np.int64
    )[:, None, ..., None]  # of 16 samples a pixel
    paint = np.array(list(COLOURS.values()), np.int64).reshape(-1, 1, 1, 1, 1, 3)
    whole = _FINE**2
    return ((WHITE * (whole - covered) + paint * covered) // whole).astype(np.uint8)


def _covered(form: str, radius: int, shift: tuple[int, int]) -> np.ndarray:
    """How many of a pixel's 16 samples lie within the shape; coordinates in eighths of a pixel."""
    at = np.arange(1, 8 * CELL, 8 // _FINE) - 4 * CELL
    y, x = np.meshgrid(at - 8 * shift[0], at - 8 * shift[1], indexing="ij")
    inside = _inside(form, np.abs(x), y, 8 * radius)
    return inside.reshape(CELL, _FINE, CELL, _FINE).sum((1, 3))


def _inside(form: str, x: np.ndarray, y: np.ndarray, r: int) -> np.ndarray:
    """Of points at |x| and y from the middle: which lie within a form of radius r."""
    if form == "triangle":
        return (2 * x <= y + r) & (y <= r)
    y = np.abs(y)
    square = x**2 + y**2
    return {
        "circle": square <= r**2,
        "cross": (3 * np.minimum(x, y) <= r) & (np.maximum(x, y) <= r),
        "diamond": x + y <= r,
        "ring": (square <= r**2) & (4 * square >= r**2),
        "square": 8 * np.maximum(x, y) <= 7 * r,
    }[form]
