"""A model for a use, trained on the table itself."""

from __future__ import annotations

from typing import Any

from ganwright.base.errors import DataError
from ganwright.base.frames import is_frame
from ganwright.base.options import build
from ganwright.data import DataOptions, open_data
from ganwright.modalities.tables.dataset import TableDataset, frame_dataset
from ganwright.model import Model
from ganwright.train.in_memory import train_in_memory
from ganwright.train.plan import pick_device

_HELD, _LEAST_ROWS = 0.1, 200  # share held out to stop by, where there are rows for it


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
    options = build(DataOptions, {"holdout": held, "form": "table"}, owner="data")
    if is_frame(table):
        return frame_dataset(table, options, whole=True)
    data = open_data(table, options=options)
    if not isinstance(data, TableDataset):
        raise DataError(f"'{table}' holds {data.spec.things}, not a table")
    return data
