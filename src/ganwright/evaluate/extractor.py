"""What every feature extractor is: examples in, one row of numbers an example out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ganwright.base.errors import DataError
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import checked


class Seen(NamedTuple):
    """What an extractor says of n examples.

    `features` (n, width) float32; `probabilities` (n, classes) float32, each row summing to 1, or
    None where the extractor has no classifier; `cells` are rows of a table as matrices, or of counts,
    for measures that look at columns (`Cells`, `CountRows`), None for other data.
    """

    features: np.ndarray
    probabilities: np.ndarray | None
    cells: Any = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Extractor:
    """Turns examples, as `codec` gives them, into rows of `width` numbers.

    `hash` (16 hex digits) is a fingerprint of the weights and of what is done to an example before
    they see it: numbers made with different hashes must not be compared. `classes` name the
    columns of the probabilities and are empty where there is no classifier. `about` holds facts
    for the card (the rule of preprocessing, the accuracy, …), plain JSON.
    """

    name: str
    hash: str
    width: int
    codec: Any
    see_batch: Callable[[Any], Seen]
    batch: int
    classes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    # From examples that come in parts to the batches that are seen, checked; None: of pictures.
    cut: Callable[[Iterable[Any]], Iterator[Any]] | None = None

    def __repr__(self) -> str:
        return f"Extractor({self.name!r}, {self.hash}, {self.width} wide)"

    def features(self, examples: Any) -> np.ndarray:
        """Examples (for pictures stored (n, H, W, C)) → float32 (n, width). Raises DataError."""
        return self.see(examples).features

    def probabilities(self, examples: Any) -> np.ndarray | None:
        """The same → float32 (n, classes); None without a classifier."""
        return self.see(examples).probabilities if self.classes else None

    def see(self, examples: Any) -> Seen:
        """Features and probabilities in one pass. Raises DataError for examples that don't fit."""
        features = np.empty((len(examples), self.width), np.float32)
        shares = np.empty((len(examples), len(self.classes)), np.float32) if self.classes else None
        start, cells = 0, []
        for seen in self.stream([examples]):
            stop = start + len(seen.features)
            features[start:stop] = seen.features
            if shares is not None:
                shares[start:stop] = seen.probabilities
            if seen.cells is not None:
                cells.append(seen.cells)
            start = stop
        return Seen(features, shares, cells[0].joined(cells) if cells else None)

    def stream(self, parts: Iterable[Any]) -> Iterator[Seen]:
        """The same for examples that come in parts; memory does not grow with their number.

        Pictures are cut anew into batches, so that the numbers do not depend on how they came.
        Raises DataError for examples that don't fit, or for features that are not finite.
        """
        cut = self.cut or partial(_cut, codec=self.codec, size=self.batch)
        for examples in cut(parts):
            seen = self.see_batch(examples)
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
