"""Principal components of the pixels: features for data too small to learn better ones from."""

from __future__ import annotations

from ganwright.data import Dataset
from ganwright.evaluate.components import components
from ganwright.evaluate.extractor import Extractor
from ganwright.modalities.images.features.pictures import PLANES_RULE, batches, planes

LONGEST = 32
RULE = f"{PLANES_RULE}; a side over {LONGEST} is averaged down to it"


def pixels(data: Dataset) -> Extractor:
    """See `evaluate.components`."""
    codec = data.codec
    return components(
        data,
        name="pixels",
        things="pictures",
        rule=RULE,
        flat=lambda pictures: planes(pictures, codec, LONGEST).flatten(1).numpy(),
        batches=lambda parts, size: batches(parts, codec, size),
    )
