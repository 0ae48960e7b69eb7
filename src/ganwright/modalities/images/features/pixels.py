"""Principal components of the pixels: features for data too small to learn better ones from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg

from ganwright.base.errors import DataError, message
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import PLANES_RULE, batches, planes

VERSION = 1
COMPONENTS, LONGEST, FITTED_MOST = 64, 32, 2000
RULE = f"{PLANES_RULE}; a side over {LONGEST} is averaged down to it"
_BATCH = 256


def pixels(data: Dataset) -> Extractor:
    """The first 64 principal components (fewer, when the data has fewer) of the training pictures.

    Fitted by singular values in float64 on at most 2,000 training pictures, evenly spread. Not
    whitened: distances are those of the pixels, so they see blur and noise as pixels do and know
    nothing of meaning. The hash is of the data and the rule; rounding does not enter it. Raises
    DataError when all training pictures are equal.
    """
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    x = _flat(data.codec, data.rows[chosen]).astype(np.float64)
    mean = x.mean(0)
    _, sizes, directions = scipy.linalg.svd(x - mean, full_matrices=False, check_finite=False)
    kept = sizes[:COMPONENTS] > max(x.shape) * np.finfo(np.float32).eps * max(sizes[0], 1e-30)
    if not kept.any() or sizes[0] < 1e-6:
        raise DataError(message("features 'pixels'", "all training pictures are equal"))
    components = directions[:COMPONENTS][kept]
    # Singular vectors are free in their sign: the largest entry is positive.
    largest = np.abs(components).argmax(1)
    components *= np.sign(components[np.arange(len(components)), largest])[:, None]
    explained = float(np.square(sizes[:COMPONENTS][kept]).sum() / np.square(sizes).sum())

    settings = ["pixels", VERSION, RULE, COMPONENTS, FITTED_MOST]
    return Extractor(
        name="pixels",
        hash=fingerprint([*settings, data.fingerprint, data.codec.to_json()]),
        width=len(components),
        codec=data.codec,
        batches=partial(batches, codec=data.codec, size=_BATCH),
        see_batch=_Look(data.codec, mean, components),
        about={
            "rule": RULE,
            "data": data.fingerprint,
            "fitted_on": len(chosen),
            "explained": explained,
        },
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """Coordinates of pictures along the components."""

    codec: ImageCodec
    mean: np.ndarray
    components: np.ndarray

    def __call__(self, pictures: np.ndarray) -> Seen:
        centred = _flat(self.codec, pictures) - self.mean
        return Seen((centred @ self.components.T).astype(np.float32), None)


def _flat(codec: ImageCodec, pictures: np.ndarray) -> np.ndarray:
    return planes(pictures, codec, LONGEST).flatten(1).numpy()
