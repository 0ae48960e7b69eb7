"""Is it series? Where that is asked for, or where a column of dates steadily increases beside numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.base.errors import DataError
from ganwright.base.frames import is_frame
from ganwright.data.options import AUTO, DataOptions
from ganwright.data.packing import is_table_name
from ganwright.modalities.series.options import SeriesOptions

if TYPE_CHECKING:
    from ganwright.modalities.series.dataset import SeriesSource

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "series (a table with a column of times, a .npz or .npy (series, time, channels))"
LOOKED_AT, LEAST = 2000, 48  # rows that are looked at, and the fewest that are taken for series


def find(given: object, options: DataOptions) -> SeriesSource | None:
    """The series in a file or in memory, or None where they are not unmistakable."""
    asked = options.form != AUTO or options.of(SeriesOptions).time is not None
    if not isinstance(given, Path):
        return _in_memory(given, options, asked)
    table = is_table_name(given) and not given.is_dir()
    if asked and given.suffix.lower() in (".npz", ".npy"):
        from ganwright.modalities.series.dataset import array_source

        return array_source(given)
    if asked and not table and options.form != AUTO:
        raise DataError(f"'{given}' holds no series; allowed: {UNDERSTOOD}")
    if not table:
        return None
    from ganwright.modalities.series.dataset import file_source

    if asked:
        return file_source(given)
    note = _unmistakable(given)
    return file_source(given, note) if note else None


def _in_memory(given: object, options: DataOptions, asked: bool) -> SeriesSource | None:
    import numpy as np

    if asked and isinstance(given, np.ndarray):
        from ganwright.modalities.series.dataset import memory_source

        return memory_source(given)
    if not is_frame(given):
        return None
    from ganwright.modalities.series import dataset

    frame = dataset.with_index(given)
    note = "" if asked else _frame_unmistakable(frame)
    return dataset.frame_source(frame, options, note) if asked or note else None


def _unmistakable(path: Path) -> str:
    """Why the first rows of a file are series, or nothing."""
    from ganwright.data.delimited import NotText
    from ganwright.modalities.series.read import table_in

    try:
        return _why(f"'{path.name}'", table_in(path, [], LOOKED_AT))
    except (DataError, NotText):
        return ""  # others say what is wrong with it


def _frame_unmistakable(frame: Any) -> str:
    from ganwright.data.arrow import table_of

    try:
        return _why("the table", table_of(frame, [], ()).slice(0, LOOKED_AT))
    except DataError:
        return ""


def _why(owner: str, table: Any) -> str:
    import numpy as np

    from ganwright.modalities.series.clock import are_times
    from ganwright.modalities.series.read import series_in

    dates = [name for name in table.column_names if are_times(table.column(name))]
    if table.num_rows < LEAST or len(dates) != 1:
        return ""
    found = series_in(owner, table, SeriesOptions(time=dates[0]))
    learned = [column for column in found.columns if column.role == "channel"]
    steady = found.clock.regular and len(found.values) <= 1.1 * table.num_rows
    numbered = (
        (np.diff(found.values, axis=0) == 1).all(0).any()
    )  # one thing a row: orders, customers
    if not steady or numbered or any(column.words for column in learned):
        return ""
    return (
        f"{owner}: '{dates[0]}' increases by steady steps and the rest are numbers: read as series; "
        "data.form=table reads it as a table"
    )
