"""Rows of a table that lies on disk."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def take(table: pa.Table, indices: np.ndarray) -> pa.Table:
    """Rows by number, in any order, from a table on disk: no more than they come into memory."""
    wanted = np.asarray(indices, np.int64)
    order = np.argsort(wanted, kind="stable")
    sorted_rows = wanted[order]
    found, start = [], 0
    for batch in table.to_batches():
        low, high = np.searchsorted(sorted_rows, [start, start + batch.num_rows])
        if high > low:
            found.append(batch.take(pa.array(sorted_rows[low:high] - start)))
        start += batch.num_rows
    if len(wanted) and (sorted_rows[0] < 0 or sorted_rows[-1] >= start):
        raise IndexError(f"rows {sorted_rows[0]} … {sorted_rows[-1]} of {start}")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    picked = pa.Table.from_batches(found, table.schema).combine_chunks()
    return picked.take(pa.array(back))
