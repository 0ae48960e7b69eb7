"""Judging series: the baselines, and windows given as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError, message
from ganwright.data import Dataset
from ganwright.data.open import find_source
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.plain import Plain, overlap_with
from ganwright.modalities.series.baselines import autoregressive, pasted
from ganwright.modalities.series.given import windows_in
from ganwright.modalities.series.innovations import carried

FITTED_MOST, BLOCK = 5000, 500  # training windows that baselines are made from


def _drawn(
    make: Callable[[np.ndarray, int, np.random.Generator], np.ndarray],
    data: Dataset,
    extractor: Extractor,
    n: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """Windows by a baseline, each with the holes and the description of some training window."""
    codec: Any = data.codec
    rng = np.random.default_rng(seeds.derive(seed, "rivals", make.__name__))
    chosen = np.sort(rng.permutation(data.train)[:FITTED_MOST])
    training = data.examples(chosen)
    scaled = codec.scaled(training[..., : codec.width])
    made = make(carried(scaled), n, rng)
    others = rng.integers(len(training), size=n)
    values = np.stack([s.back(made[..., c]) for c, s in enumerate(codec.scales)], 2)
    values = np.where(np.isnan(scaled[others]), np.nan, values)
    whole = np.concatenate([values, training[others][..., codec.width :]], 2)
    for start in range(0, n, BLOCK):
        yield whole[start : start + BLOCK]


baseline = partial(_drawn, pasted)
OTHERS = {"var": partial(_drawn, autoregressive)}


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless the data has the channels and the length of `codec`."""
    theirs: Any = data.codec
    if codec.kind != theirs.kind:
        raise DataError(f"{owner} {codec.makes}, but '{data.source}' contains {data.spec.things}")
    lacking = [name for name in theirs.names if name not in codec.names]
    if lacking:
        problem = f"{owner} no channel '{lacking[0]}', which '{data.source}' has"
        raise DataError(message("", problem, allowed=codec.names, got=lacking[0]))
    if codec.names != theirs.names or codec.length != theirs.length:
        raise DataError(
            f"{owner} {codec.makes} ({', '.join(codec.names[:6])}), but '{data.source}' holds windows of "
            f"{theirs.length} steps and {theirs.width} channels ({', '.join(theirs.names[:6])})"
        )


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Windows of a file, one after the other. Raises DataError for other channels."""
    codec: Any = data.codec
    found = windows_in(codec, find_source(path, replace(data.options, form="series")), codec.length)
    return Plain(
        n=len(found.examples),
        examples=lambda indices: found.examples[indices],
        asked=None,
        overlap=overlap_with(data, codec.digests(found.examples)),
    )
