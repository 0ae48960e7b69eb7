"""Is it counts? By suffixes, types and the first rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.base.errors import DataError
from ganwright.base.frames import is_frame
from ganwright.data.options import AUTO, DataOptions
from ganwright.data.packing import is_sparse_npz, is_table_name

if TYPE_CHECKING:
    from ganwright.modalities.counts.dataset import CountsSource

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "counts (.npz of scipy.sparse.save_npz, a wide .csv, a folder of .txt)"


def find(given: object, options: DataOptions) -> CountsSource | None:
    """The counts at a path or in memory, or None where something else is there or asked for."""
    asked = options.form != AUTO
    if not isinstance(given, Path):
        return _in_memory(given, options, asked)
    if not (asked or given.is_dir() or is_table_name(given) or given.suffix.lower() == ".npz"):
        return None
    from ganwright.modalities.counts import dataset, matrices, texts

    if given.is_dir():
        return dataset.text_counts(given) if len(texts.text_files(given)) > 1 else None
    if given.suffix.lower() == ".npz" and is_sparse_npz(given):
        return dataset.npz_counts(given)
    if asked and texts.is_text_name(given):
        return dataset.text_counts(given)
    if asked and is_table_name(given):
        return dataset.csv_counts(given)
    if asked:
        raise DataError(
            f"'{given}' contains no counts; allowed: a sparse .npz of scipy, a .csv of whole numbers, "
            "a .txt, or a folder of .txt"
        )
    if matrices.looks_like_counts(given):
        note = f"'{given.name}' has only whole numbers, most of them 0: read as counts; " + (
            "data.form=table reads it as a table"
        )
        return dataset.csv_counts(given, note)
    return None


def _in_memory(given: object, options: DataOptions, asked: bool) -> CountsSource | None:
    from ganwright.modalities.counts import dataset, matrices

    if matrices.is_sparse(given):
        return dataset.memory_counts(given, options)
    if is_frame(given) and (asked or matrices.frame_looks_like_counts(given)):
        return dataset.memory_counts(given, options)
    return None
