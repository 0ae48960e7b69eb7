"""Judging images: the baseline, and samples given as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data import Dataset, open_data
from ganwright.evaluate.gaussian import gaussian
from ganwright.evaluate.plain import Maker, Plain, classes_of, skipped_samples
from ganwright.modalities.images.options import ImageOptions

baseline = gaussian
OTHERS: dict[str, Maker] = {}  # further references


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless pictures of `codec` are of the data's type."""
    if codec.kind != data.codec.kind:
        raise DataError(f"{owner} {codec.kind}s, but '{data.source}' contains pictures")
    if codec.dtype != data.codec.dtype:
        raise DataError(
            f"{owner} {codec.dtype} pictures, but '{data.source}' contains {data.codec.dtype}: "
            "convert them to one type"
        )


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Images from files, resized to the data's size by its rule."""
    own, notes = _like(path, data)
    return Plain(
        n=len(own),
        examples=own.examples,
        asked=classes_of(own, data),
        overlap=lambda indices: float(np.isin(own.hashes, data.hashes[indices]).mean()),
        notes=tuple(notes),
        doubts=tuple(_doubts(own, data)),
    )


def _like(path: str | os.PathLike[str], data: Dataset) -> tuple[Dataset, list[str]]:
    """The samples in the data's own form, and the rule that converted them."""
    own = open_data(path)
    if own.spec.shape == data.spec.shape:
        fits(f"'{path}' holds", own.codec, data)
        return own, []
    if own.codec.kind != data.codec.kind:
        fits(f"'{path}' holds", own.codec, data)
    before = f"{own.codec.height}×{own.codec.width}×{own.codec.channels}"
    codec, chosen = data.codec, data.options.of(ImageOptions)
    unlabelled = replace(chosen, label=None)
    own = open_data(path, options=replace(data.options.having(unlabelled), holdout=0.0))
    fits(f"'{path}' holds", own.codec, data)
    after = f"{codec.height}×{codec.width}×{codec.channels}"
    rule = f"the samples are {before}: resized to the data's {after} (fit: {chosen.fit}), as the data is"
    return own, [rule]


def _doubts(own: Dataset, data: Dataset) -> Iterator[str]:
    yield from skipped_samples(own)
    low, high = data.codec.low, data.codec.high
    room = 0.05 * (high - low)
    if own.codec.low < low - room or own.codec.high > high + room:
        yield (
            f"the samples lie in {own.codec.low:g} … {own.codec.high:g}, the data in "
            f"{low:g} … {high:g}: values beyond are clipped"
        )
