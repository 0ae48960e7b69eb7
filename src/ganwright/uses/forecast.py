"""How given series may go on: several futures of each, drawn by a model that goes on from first steps.

How a modality reads what is given, draws futures and writes them is its part `forecast`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.base.runs import replacing
from ganwright.data.writers import format_for
from ganwright.model import Model

if TYPE_CHECKING:
    import pyarrow as pa


class ForecastPart(Protocol):
    """What is asked of a modality's part `forecast`."""

    def futures(self, model: Model, given: Any, *, draws: int, seed: int) -> pa.Table:
        """So many futures of each series given. Raises DataError, OptionError."""

    def write(self, table: pa.Table, aside: Path, path: Path) -> None:
        """Writes them to `aside`, in the format that `path` names."""


def forecast(model: Model, given: Any, *, draws: int, seed: int = 0) -> pa.Table:
    """So many futures of each series in a file or frame, one below the other."""
    if draws < 1:
        raise OptionError(f"n: must be at least 1; got {draws}")
    return part_of(model).futures(model, given, draws=draws, seed=seed)


def write_forecast(
    model: Model, given: Any, out: str | os.PathLike[str], *, draws: int, seed: int = 0
) -> str:
    """The same to a file, whole or not at all; what was made, in words."""
    part, path = part_of(model), Path(out)
    form = format_for(model.codec, path)
    if form == "npz":
        raise OptionError(f"--out: futures are tables, .csv or .parquet; got '{path.name}'")
    table = forecast(model, given, draws=draws, seed=seed)
    with replacing(path) as aside:
        part.write(table, aside, path)
    return f"{table.num_rows:,} rows: {draws:,} futures of each series in {given}, with seed {seed}"


def part_of(model: Model) -> ForecastPart:
    """How a model's modality goes on. Raises OptionError where it doesn't."""
    kind = modality(model.codec.kind)
    if not kind.has("forecast"):
        raise OptionError(f"given: {model.spec.things} have no future to be sampled; series have")
    return cast(ForecastPart, kind.part("forecast"))
