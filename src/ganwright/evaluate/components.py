"""Principal components of examples: features for data too small to learn better ones from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

from ganwright.base.errors import DataError, message
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint

VERSION = 1
COMPONENTS, FITTED_MOST = 64, 2000
_BATCH = 256


def components(
    data: Dataset,
    *,
    name: str,
    things: str,
    rule: str,
    flat: Callable[[np.ndarray], np.ndarray],
    batches: Callable[..., Iterator[Any]],
) -> Extractor:
    """The first 64 principal components (fewer, when the data has fewer) of the training examples.

    `flat` turns stored examples into rows of numbers, as `rule` says in words, and `batches` cuts them into
    parts of a `size`. Fitted by singular values in float64 on at most 2,000 training examples, evenly spread.
    Not whitened: distances are those of the numbers, so they see blur and noise as those do and know
    nothing of meaning. The hash is of the data and the rule; rounding does not enter it. Raises
    DataError when all training examples are equal.
    """
    chosen = data.train[:: -(-len(data.train) // FITTED_MOST)]
    x = flat(data.rows[chosen]).astype(np.float64)
    mean = x.mean(0)
    _, sizes, directions = scipy.linalg.svd(x - mean, full_matrices=False, check_finite=False)
    kept = sizes[:COMPONENTS] > max(x.shape) * np.finfo(np.float32).eps * max(sizes[0], 1e-30)
    if not kept.any() or sizes[0] < 1e-6:
        raise DataError(message(f"features '{name}'", f"all training {things} are equal"))
    components = directions[:COMPONENTS][kept]
    # Singular vectors are free in their sign: the largest entry is positive.
    largest = np.abs(components).argmax(1)
    components *= np.sign(components[np.arange(len(components)), largest])[:, None]
    explained = float(np.square(sizes[:COMPONENTS][kept]).sum() / np.square(sizes).sum())

    settings = [name, VERSION, rule, COMPONENTS, FITTED_MOST]
    return Extractor(
        name=name,
        hash=fingerprint([*settings, data.fingerprint, data.codec.to_json()]),
        width=len(components),
        codec=data.codec,
        batches=partial(batches, size=_BATCH),
        see_batch=_See(flat, mean, components),
        about={
            "rule": rule,
            "data": data.fingerprint,
            "fitted_on": len(chosen),
            "explained": explained,
        },
    )


@dataclass(frozen=True, eq=False)
class _See:
    """Coordinates of examples along the components."""

    flat: Callable[[np.ndarray], np.ndarray]
    mean: np.ndarray
    components: np.ndarray

    def __call__(self, examples: np.ndarray) -> Seen:
        centred = self.flat(examples) - self.mean
        return Seen((centred @ self.components.T).astype(np.float32), None)
