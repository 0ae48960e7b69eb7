"""What a run can be expected to show after so many examples, by the size of the images.

Measured with `relativistic` in its narrow form, by looking at grids of samples: docs/choosing.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganwright.base.spec import Spec
from ganwright.data.dataset import Dataset
from ganwright.modalities.images.options import ImageOptions
from ganwright.train.choose import Level

SIDES = (32, 64, 128)  # longer sides that are considered, beside the data's own
SOME = 512  # images of a trial at another size
SMALL = 32 * 32  # numbers in an image
# Thousand examples until there are shapes and colours instead of noise: the slower of two sets at each of
# two sizes had them from 15 at 32 pixels and 30 at 64. Other sizes follow the line through these.
COLOURS_KIMG, AT_SIDE = 15.0, 32
MEASURED_SIDE = 64  # larger ones were not trained
DIGITS_KIMG = 20.0  # until digits of MNIST, with labels, were legible
TINY, TINY_KIMG = (
    8 * 8,
    2.0,
)  # numbers in one of the built-in digits, which were legible after so many


def levels(spec: Spec) -> tuple[Level, ...]:
    """What samples look like, from how many thousand examples on; the last is the least to use."""
    channels, *sides = spec.shape
    if channels == 1 and spec.size <= SMALL:
        legible = TINY_KIMG if spec.size <= TINY else DIGITS_KIMG
        return Level(0, "noise"), Level(legible, "recognisable, if as simple as digits")
    looks = "shapes and colours" if max(sides) <= MEASURED_SIDE else "not measured at this size"
    return Level(0, "noise"), Level(COLOURS_KIMG * max(1, max(sides) / AT_SIDE), looks)


def variants(data: Dataset) -> tuple[Dataset, ...]:
    """The data at the sizes considered, the smallest first, and as it is. For trials: a few images.

    Every image is reduced to some of its pixels, which does for measuring speed.
    """
    height, width = data.spec.shape[1:]
    return (*(_at(data, side) for side in SIDES if side < max(height, width)), data)


def _at(data: Dataset, side: int) -> Dataset:
    """Some of the data with the longer side that long."""
    height, width = (
        max(1, round(old * side / max(data.spec.shape[1:]))) for old in data.spec.shape[1:]
    )
    some = data.train[:SOME]
    y = np.arange(height) * data.codec.height // height
    x = np.arange(width) * data.codec.width // width
    of_image = replace(data.options.of(ImageOptions), size=(height, width))
    none = np.array([], np.int64)
    return replace(
        data,
        spec=replace(data.spec, shape=(data.spec.shape[0], height, width)),
        codec=replace(data.codec, height=height, width=width),
        rows=np.ascontiguousarray(data.rows[some][:, y][:, :, x]),
        labels=None if data.labels is None else data.labels[some],
        train=np.arange(len(some)),
        heldout=none,
        dropped=none,
        hashes=data.hashes[some],
        options=data.options.having(of_image),
    )
