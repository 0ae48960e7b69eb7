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
SMALL = 32 * 32  # numbers in an image: digits are legible early
# By the longer side, up to which they hold: thousand examples until colours and shapes come.
COLOURS_KIMG = ((32, 10.0), (64, 15.0), (128, 40.0))


def levels(spec: Spec) -> tuple[Level, ...]:
    """What samples look like, from how many thousand examples on; the last is the least to use."""
    longer = max(spec.shape[1:])
    if spec.size <= SMALL:
        return Level(0, "noise"), Level(5, "shapes"), Level(20, "recognisable")
    colours = next((kimg for side, kimg in COLOURS_KIMG if longer <= side), COLOURS_KIMG[-1][1])
    return Level(0, "noise"), Level(colours, "shapes and colours")


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
