"""Judging sounds: the baselines, and samples given as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.data import Dataset, open_data
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.gaussian import BLOCK, gaussian
from ganwright.evaluate.plain import Maker, Plain, classes_of, skipped_samples
from ganwright.modalities.audio.options import AudioOptions
from ganwright.modalities.audio.waves import WHITE

NOISE_DB = 20.0  # under the power of the clip that the noise is added to

baseline = gaussian


def noisy(data: Dataset, extractor: Extractor, n: int, seed: int) -> Iterator[np.ndarray]:
    """`n` training sounds, drawn with replacement, with white noise `NOISE_DB` under their power."""
    rng = np.random.default_rng(seeds.derive(seed, "noisy"))
    for start in range(0, n, BLOCK):
        chosen = rng.choice(data.train, min(BLOCK, n - start))
        waves = data.rows[chosen].astype(np.float64)
        level = np.sqrt((waves**2).mean(1, keepdims=True)) * 10 ** (-NOISE_DB / 20)
        made = waves + rng.standard_normal(waves.shape) * level
        yield np.rint(made).clip(-WHITE, WHITE - 1).astype(np.int16)


OTHERS: dict[str, Maker] = {"noisy": noisy}


def fits(owner: str, codec: Any, data: Dataset) -> None:
    """Raises DataError unless sounds of `codec` are of the data's rate and length."""
    if codec.kind != data.codec.kind:
        raise DataError(f"{owner} {codec.kind}s, but '{data.source}' contains sounds")
    own, theirs = ((c.length, c.rate) for c in (codec, data.codec))
    if own != theirs:
        raise DataError(
            f"{owner} {codec.makes}, but '{data.source}' contains {data.codec.makes}: name that with "
            "data.audio.rate and data.audio.seconds"
        )


def plain(path: str | os.PathLike[str], data: Dataset) -> Plain:
    """Sounds from files, brought to the data's rate and length."""
    codec, asked = data.codec, data.options.of(AudioOptions)
    alike = replace(asked, label=None, hold_out=None)
    own = open_data(path, options=replace(data.options.having(alike), holdout=0.0))
    fits(f"'{path}' holds", own.codec, data)
    notes = [f"the samples are brought to {codec.rate:,} Hz and {codec.length / codec.rate:.3g} s"]
    return Plain(
        n=len(own),
        examples=own.examples,
        asked=classes_of(own, data),
        overlap=lambda indices: float(np.isin(own.hashes, data.hashes[indices]).mean()),
        notes=tuple(notes),
        doubts=tuple(skipped_samples(own)),
    )
