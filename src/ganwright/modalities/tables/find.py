"""Is it a table? By its suffix or its type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.base.frames import is_frame
from ganwright.data.options import DataOptions
from ganwright.data.packing import is_table_name

if TYPE_CHECKING:
    from ganwright.modalities.tables.dataset import TableSource

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "a table (.csv, .tsv, .parquet, .arrow, .feather)"


def find(given: object, options: DataOptions) -> TableSource | None:
    """The table in a file or frame, or None."""
    if isinstance(given, Path):
        if not is_table_name(given) or given.is_dir():
            return None
        from ganwright.modalities.tables.dataset import file_source

        return file_source(given)
    if not is_frame(given):
        return None
    from ganwright.modalities.tables.dataset import frame_source

    return frame_source(given, options)
