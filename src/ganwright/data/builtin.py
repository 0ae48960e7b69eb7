"""Data that comes along: the digits of scikit-learn."""

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


BUILTIN: Names[Callable[[], Source]] = Names("data", {"digits": digits_source})
