"""Data that comes along: the digits of scikit-learn, and drawn shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ganwright.base.names import Names
from ganwright.data.arrays import ArrayReader, namer
from ganwright.data.source import Source


def digits_source() -> Source:
    """1,797 scans of handwritten digits, 8×8 grey: values 0 … 16 as 0 … 255; classes "0" … "9"."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        yield ArrayReader([images])

    return Source(
        name="digits",
        kind="built-in",
        path="digits",
        identity="digits 1",
        count=len(images),
        name_of=namer(["digits"], [len(images)]),
        opened=opened,
        labels=bunch.target.astype(np.int64),
        classes=tuple(str(i) for i in range(10)),
    )


def shapes_source() -> Source:
    """4,000 drawings of 32×32 in colour, of known factors (`data/shapes.py`); classes: the forms."""
    from ganwright.data import shapes

    what = shapes.factors()
    images = shapes.draw(what)

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        yield ArrayReader([images])

    return Source(
        name="shapes",
        kind="built-in",
        path="shapes",
        identity="shapes 1",
        count=len(images),
        name_of=namer(["shapes"], [len(images)]),
        opened=opened,
        labels=what.form.astype(np.int64),
        classes=shapes.FORMS,
    )


BUILTIN: Names[Callable[[], Source]] = Names(
    "data", {"digits": digits_source, "shapes": shapes_source}
)
