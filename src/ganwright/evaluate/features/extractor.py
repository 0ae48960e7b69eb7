"""What every feature extractor is: pictures in, one row of numbers a picture out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data import ImageCodec
from ganwright.evaluate.features.pictures import checked


class Seen(NamedTuple):
    """What an extractor says of n pictures.

    `features` (n, width) float32; `probabilities` (n, classes) float32, each row summing to 1, or
    None where the extractor has no classifier.
    """

    features: np.ndarray
    probabilities: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Extractor:
    """Turns pictures, as `codec` stores them, into rows of `width` numbers.

    `hash` (16 hex digits) is a fingerprint of the weights and of what is done to a picture before
    they see it: numbers made with different hashes must not be compared. `classes` name the
    columns of the probabilities and are empty where there is no classifier. `about` holds facts
    for the card (the rule of preprocessing, the accuracy, …), plain JSON.
    """

    name: str
    hash: str
    width: int
    codec: ImageCodec
    see_batch: Callable[[np.ndarray], Seen]
    batch: int
    classes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Extractor({self.name!r}, {self.hash}, {self.width} wide)"

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Stored pictures (n, H, W, C) → float32 (n, width). Raises DataError."""
        return self.see(pictures).features

    def probabilities(self, pictures: np.ndarray) -> np.ndarray | None:
        """Stored pictures (n, H, W, C) → float32 (n, classes); None without a classifier."""
        return self.see(pictures).probabilities if self.classes else None

    def see(self, pictures: np.ndarray) -> Seen:
        """Features and probabilities in one pass. Raises DataError for pictures that don't fit."""
        pictures = checked(pictures, self.codec)
        features = np.empty((len(pictures), self.width), np.float32)
        shares = np.empty((len(pictures), len(self.classes)), np.float32) if self.classes else None
        start = 0
        for seen in self.stream([pictures]):
            stop = start + len(seen.features)
            features[start:stop] = seen.features
            if shares is not None:
                shares[start:stop] = seen.probabilities
            start = stop
        return Seen(features, shares)

    def stream(self, parts: Iterable[np.ndarray]) -> Iterator[Seen]:
        """The same for pictures that come in parts; memory does not grow with their number.

        The parts are cut anew into batches, so that the numbers do not depend on how they came.
        Raises DataError for pictures that don't fit, or for features that are not finite.
        """
        for pictures in _cut(parts, self.codec, self.batch):
            seen = self.see_batch(pictures)
            if not np.isfinite(seen.features).all():
                raise DataError(f"features: '{self.name}' gave NaN or infinite values")
            yield seen


def _cut(parts: Iterable[np.ndarray], codec: ImageCodec, size: int) -> Iterator[np.ndarray]:
    """The pictures of all parts in batches of `size`; the last may be smaller."""
    left = np.empty((0, codec.height, codec.width, codec.channels), codec.dtype)
    for part in parts:
        pictures, start = checked(part, codec), 0
        if len(left):
            start = size - len(left)
            left = np.concatenate([left, pictures[:start]])
            if len(left) < size:
                continue
            yield left
        whole = start + (len(pictures) - start) // size * size
        for at in range(start, whole, size):
            yield pictures[at : at + size]
        left = pictures[whole:]
    if len(left):
        yield left
