"""Tables: files and frames to columns, columns to choices, and back."""

from __future__ import annotations

from pathlib import Path

PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
TEXT_SUFFIXES = {".csv": "", ".tsv": "\t", ".tab": "\t", ".txt": ""}
ARROW_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")

__all__ = ["ARROW_SUFFIXES", "PACKED", "TEXT_SUFFIXES", "is_table_name"]


def is_table_name(path: Path) -> bool:
    """Whether a file is a table by its suffix, a packed one looked through: a.csv.gz."""
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return Path(path.stem).suffix.lower() in TEXT_SUFFIXES
    return suffix in TEXT_SUFFIXES or suffix in ARROW_SUFFIXES
