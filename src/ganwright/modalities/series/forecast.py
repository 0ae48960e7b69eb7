"""How given series go on: the last half of a window at least is drawn, given the steps before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ganwright.base.options import build
from ganwright.data import DataOptions
from ganwright.data.open import find_source
from ganwright.modalities.series.codec import SeriesCodec
from ganwright.modalities.series.given import Histories, histories_in
from ganwright.modalities.series.writers import write_table
from ganwright.model import Model

write = write_table


def futures(model: Model, given: Any, *, draws: int, seed: int) -> pa.Table:
    """So many futures of the series in a file or frame, with a column `draw`. Raises DataError."""
    codec: Any = model.codec
    options = build(DataOptions, {"form": codec.kind}, owner="data")
    return drawn(model, histories_in(codec, find_source(given, options)), draws, seed)


def drawn(model: Model, known: Histories, draws: int, seed: int) -> pa.Table:
    """The futures of histories, all of the first, then all of the second …"""
    codec: SeriesCodec = model.codec  # type: ignore[assignment]
    which = np.repeat(np.arange(len(known.names)), draws)
    examples = continued(model, known, which, seed)
    return codec.table(
        examples,
        names=np.array(known.names, object)[which],
        begins=known.begins[which],
        skip=known.lengths[which],
        draws=np.tile(np.arange(1, draws + 1), len(known.names)),
    )


def continued(model: Model, known: Histories, which: np.ndarray, seed: int) -> np.ndarray:
    """Windows (n, T, C + S) that begin as the histories `which` (n,) do."""
    codec, size = model.codec, model.generator.block
    stored = torch.from_numpy(codec.stored(known.examples))
    lengths = torch.from_numpy(known.lengths)
    made = []
    for start in range(0, len(which), size):
        own = torch.from_numpy(np.resize(which[start : start + size], size))
        condition = model.generator.given(stored[own], lengths[own])
        block = model.make(seed, start, size, condition=condition)
        made.append(codec.decode(block[: len(which) - start], np.empty((size, 0))))
    return np.concatenate(made)
