"""Principal components of the pixels: features for data too small to learn better ones from."""

from __future__ import annotations

from functools import partial

import numpy as np

from ganwright.data import Dataset
from ganwright.evaluate.components import components
from ganwright.evaluate.extractor import Extractor
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import PLANES_RULE, batches, planes

LONGEST = 32
RULE = f"{PLANES_RULE}; a side over {LONGEST} is averaged down to it"


def pixels(data: Dataset) -> Extractor:
    """See `evaluate.components`."""
    return components(
        data,
        name="pixels",
        things="pictures",
        rule=RULE,
        flat=partial(_flat, data.codec),
        batches=partial(batches, codec=data.codec),
    )


def _flat(codec: ImageCodec, pictures: np.ndarray) -> np.ndarray:
    return planes(pictures, codec, LONGEST).flatten(1).numpy()
