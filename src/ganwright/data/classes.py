"""Classes: how many examples each has, what looks wrong about them, and that each can be learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ganwright.data.split import Split

UNBALANCED = 10.0  # times the smallest class


def class_counts(
    labels: np.ndarray | None, classes: tuple[str, ...], indices: np.ndarray
) -> dict[str, int]:
    """How many of the examples at `indices` are of each class."""
    if labels is None:
        return {}
    counts = np.bincount(labels[indices], minlength=len(classes))
    return {name: int(n) for name, n in zip(classes, counts, strict=True)}


def class_doubts(counts: Mapping[str, int]) -> list[str]:
    """What looks wrong about classes with these counts."""
    if not counts:
        return []
    few, many, total = min(counts.values()), max(counts.values()), sum(counts.values())
    doubts = []
    if many > UNBALANCED * few:
        doubts.append(f"unbalanced: the largest class has {many / few:.0f} times the smallest")
    if len(counts) > total / 5:
        doubts.append(
            f"{len(counts):,} classes for {total:,} examples: are they? data.labels=false ignores them"
        )
    return doubts


def trained_classes(
    labels: np.ndarray | None,
    classes: tuple[str, ...],
    parts: Split,
    hashes: np.ndarray,
    *,
    thing: str,
) -> tuple[np.ndarray | None, tuple[str, ...], Split, str]:
    """Every class has an example to train on: one is taken from those held out by content.

    The data's own test part stays as it is; of it, examples of classes without any training are
    left out, and their classes with them.
    """
    if labels is None:
        return None, (), parts, ""
    counts = np.bincount(labels[parts.train], minlength=len(classes))
    lacking = np.flatnonzero(counts == 0)
    if not len(lacking):
        return labels, classes, parts, ""
    named = ", ".join(classes[i] for i in lacking[:5]) + (", …" if len(lacking) > 5 else "")
    heldout, dropped = parts.heldout, parts.dropped
    if not parts.official:
        moved = [_largest(heldout[labels[heldout] == i], hashes) for i in lacking]
        back = np.isin(hashes, hashes[np.array(moved)]) & np.isin(np.arange(len(hashes)), heldout)
        train = np.sort(np.append(parts.train, np.flatnonzero(back)))
        heldout = heldout[~back[heldout]]
        note = (
            f"all {thing}s of some classes would be held out, so one of each is trained on: {named}"
        )
        return labels, classes, replace(parts, train=train, heldout=heldout), note
    gone = np.isin(labels[heldout], lacking)
    dropped = np.sort(np.append(dropped, heldout[gone]))
    used = np.unique(labels[parts.train])
    place = np.zeros(len(classes), np.int64)  # dropped examples no longer have a class
    place[used] = np.arange(len(used))
    note = f"classes without a training {thing} are left out: {named}"
    left = replace(parts, heldout=heldout[~gone], dropped=dropped)
    return place[labels], tuple(classes[i] for i in used), left, note


def _largest(indices: np.ndarray, hashes: np.ndarray) -> int:
    return int(indices[np.argmax(hashes[indices])])
