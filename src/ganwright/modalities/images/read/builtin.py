"""Data that comes along: the digits of scikit-learn, and drawn shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ganwright.base.names import Names
from ganwright.modalities.images.read.arrays import ArrayReader, namer
from ganwright.modalities.images.read.source import ImageSource


def _source(
    name: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> ImageSource:
    """Images (n, …) that lie in memory, with a number into `classes` (n,) each."""

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        yield ArrayReader([images])

    return ImageSource(
        name=name,
        kind="built-in",
        path=name,
        identity=f"{name} 1",
        count=len(images),
        name_of=namer([name], [len(images)]),
        opened=opened,
        labels=labels.astype(np.int64),
        classes=classes,
    )


def digits_source() -> ImageSource:
    """1,797 scans of handwritten digits, 8×8 grey: values 0 … 16 as 0 … 255; classes "0" … "9"."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)

    return _source("digits", images, bunch.target, tuple(str(i) for i in range(10)))


def shapes_source() -> ImageSource:
    """4,000 drawings of 32×32 in colour, of known factors (`data/shapes.py`); classes: the forms."""
    from ganwright.modalities.images.read import shapes

    what = shapes.factors()
    return _source("shapes", shapes.draw(what), what.form, shapes.FORMS)


BUILTIN: Names[Callable[[], ImageSource]] = Names(
    "data", {"digits": digits_source, "shapes": shapes_source}
)
