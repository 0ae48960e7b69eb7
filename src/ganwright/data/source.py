"""Data that was found but not read, and how its examples and classes are named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from ganwright.base.errors import DataError


class NotHere(DataError):
    """A modality reads this kind of thing, but found nothing of its own in it; others may."""


class Unreadable(Exception):
    """An example that can't be used; its message is the reason, in a few words."""


class Source(Protocol):
    """What a modality's `find` returns; only that modality reads it."""

    @property
    def modality(self) -> str:
        """The name of the modality."""
        ...


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
