"""Models for a use: trained on the table itself; and the rows that a run kept out of training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from ganwright.base.errors import DataError
from ganwright.base.frames import is_frame
from ganwright.base.options import build
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, open_data
from ganwright.modalities.tables.dataset import TableDataset, frame_dataset
from ganwright.model import Model
from ganwright.train.in_memory import train_in_memory
from ganwright.train.plan import pick_device

_HELD, _LEAST_ROWS = 0.1, 200  # share held out to stop by, where there are rows for it
_MOST = 2000  # rows that costs and p-values are read from


def learn(
    table: Any,
    *,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Model:
    """A model of the table in a file or frame, trained in memory. Raises DataError, OptionError."""
    data = _opened(table, _HELD)
    if len(data) < _LEAST_ROWS:
        data = _opened(table, 0.0)
    place = pick_device(device)
    return train_in_memory(data, minutes=minutes, seed=seed, device=place, progress=progress)


def _opened(table: Any, held: float) -> TableDataset:
    options = build(DataOptions, {"holdout": held}, owner="data")
    if is_frame(table):
        return frame_dataset(table, options, whole=True)
    data = open_data(table, options=options)
    if not isinstance(data, TableDataset):
        raise DataError(f"'{table}' holds {data.spec.things}, not a table")
    return data


def kept_out(path: str | os.PathLike[str], model: Model) -> tuple[pa.Table, pa.Table] | None:
    """(rows a run was trained on, rows it has not seen), some of each, in the model's types.

    None where the data has moved or changed.
    """
    folder = RunFolder(path)
    if not folder.recipe.is_file():
        return None
    source = next((e.get("source") for e in folder.events() if e["event"] == "start"), None)
    options = build(DataOptions, model.recipe["data"], owner="model.json: recipe.data")
    try:
        data = open_data(Path(source or ""), options=options)
    except DataError:
        return None
    if data.fingerprint != model.data.get("fingerprint") or not isinstance(data, TableDataset):
        return None
    unseen = data.heldout_halves[1]
    if not len(unseen):
        return None
    return data.examples(data.train[:_MOST]), data.examples(unseen[: 10 * _MOST])
