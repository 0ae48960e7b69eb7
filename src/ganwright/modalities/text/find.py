"""Is it text? By its suffix, and whether it is a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.base.errors import DataError
from ganwright.data.options import DataOptions
from ganwright.data.packing import inner, is_table_name

if TYPE_CHECKING:
    from ganwright.modalities.text.dataset import TextSource

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "text (.txt, or a table whose column data.text.column names)"


def find(given: object, options: DataOptions) -> TextSource | None:
    """The text at a path, or None where something else is there or asked for.

    A folder of texts is counts unless text is asked for, and a .txt with columns is a table.
    """
    if not isinstance(given, Path):
        return None
    from ganwright.modalities.text.options import TextOptions

    asked = options.form == "text"
    column = options.of(TextOptions).column
    plain = inner(given).suffix.lower() == ".txt"
    if given.is_dir():
        if not asked:
            return None
        from ganwright.modalities.text import dataset

        return dataset.folder_source(given)
    if column is not None and is_table_name(given):
        from ganwright.modalities.text import dataset

        return dataset.table_source(given)
    if plain and (asked or _is_prose(given)):
        from ganwright.modalities.text import dataset

        return dataset.file_source(given)
    if asked:
        raise DataError(
            f"'{given}' is not read as text without a column: name the one that holds the texts, "
            "--set data.text.column=…"
            if is_table_name(given)
            else f"'{given}' contains no text; allowed: {UNDERSTOOD}, a folder of .txt"
        )
    return None


def _is_prose(path: Path) -> bool:
    """Whether a .txt is no table: no delimiter cuts nearly all of its first lines alike."""
    from ganwright.data.dialect import looks_delimited

    return not looks_delimited(path)
