"""The interface of feature extractors: examples in, one row of numbers per example out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data.codec import Codec


class Seen(NamedTuple):
    """What an extractor says of n examples.

    `features` (n, width) float32; `probabilities` (n, classes) float32, each row summing to 1, or
    None where the extractor has no classifier; `cells` are the examples in the form that the
    modality's own measures look at (which can be sliced, and `joined`), None where it has no such form.
    """

    features: np.ndarray
    probabilities: np.ndarray | None
    cells: Any = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Extractor:
    """Turns examples, as `codec` gives them, into rows of `width` numbers.

    `hash` (16 hex digits) is a fingerprint of the weights and of what is done to an example before
    they see it: numbers made with different hashes must not be compared. `batches` cuts examples that
    come in parts anew, so that numbers do not depend on how they came, and raises DataError for what
    does not fit. `classes` name the columns of the probabilities and are empty where there is no
    classifier. `about` holds facts for the card (the rule of preprocessing, the accuracy, …), plain JSON.
    """

    name: str
    hash: str
    width: int
    codec: Codec
    batches: Callable[[Iterable[Any]], Iterator[Any]]
    see_batch: Callable[[Any], Seen]
    classes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Extractor({self.name!r}, {self.hash}, {self.width} wide)"

    def features(self, examples: Any) -> np.ndarray:
        """Stored examples → float32 (n, width). Raises DataError for examples that don't fit."""
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

        Raises DataError for examples that don't fit, or for features that are not finite.
        """
        for examples in self.batches(parts):
            seen = self.see_batch(examples)
            if not np.isfinite(seen.features).all():
                raise DataError(f"features: '{self.name}' gave NaN or infinite values")
            yield seen


def in_batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The rows of all parts in batches of `size`; the last may be smaller."""
    left: np.ndarray | None = None
    for part in parts:
        start = 0
        if left is not None and len(left):
            start = size - len(left)
            left = np.concatenate([left, part[:start]])
            if len(left) < size:
                continue
            yield left
        whole = start + max(0, len(part) - start) // size * size
        for at in range(start, whole, size):
            yield part[at : at + size]
        left = part[whole:]
    if left is not None and len(left):
        yield left
