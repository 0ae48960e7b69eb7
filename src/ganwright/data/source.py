"""What every kind of data looks like before it is decoded: a list of examples that can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ganwright.modalities.images.read.pictures import Head


class Reader(Protocol):
    """Gives examples by number, from several threads at once. Both raise Unreadable."""

    def head(self, index: int) -> Head: ...

    def read(self, index: int) -> np.ndarray:
        """(height, width, channels) of uint8, uint16 or float32, at its native size."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """Data found but not decoded.

    `labels` (n,) are numbers into `classes`; `official` (n,) is True for the examples of a test
    part that the data itself names. `identity` is plain JSON that changes when the data does.
    `ignored` counts files that are no examples, by suffix.
    """

    name: str
    kind: str
    path: str
    identity: Any
    count: int
    name_of: Callable[[int], str]
    opened: Callable[[], AbstractContextManager[Reader]]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    official: np.ndarray | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def natural(text: str) -> tuple[Any, ...]:
    """A sort key that puts "2" before "10".

    >>> sorted(["b10", "b9", "a"], key=natural)
    ['a', 'b9', 'b10']
    """
    parts = re.split(r"([0-9]+)", text)
    return (*((int(p), "") if i % 2 else (-1, p.lower()) for i, p in enumerate(parts)), text)


def name_classes(words: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as words → (numbers (n,) int64, class names in natural order)."""
    classes = tuple(sorted(set(words), key=natural))
    number = {word: i for i, word in enumerate(classes)}
    return np.array([number[word] for word in words], np.int64), classes


def tally(words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs, most frequent first."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
