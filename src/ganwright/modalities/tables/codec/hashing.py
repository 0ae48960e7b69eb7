"""A hash of a row's content, independent of its file and types."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.modalities.tables.columns.axis import values_of

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(table: pa.Table, names: Iterable[str] | None = None) -> np.ndarray:
    """(n,) uint64 hashes over the columns `names` (all), whatever their order.

    Equal values hash equally in every type that can hold them: 1 and 1.0, a date and that
    midnight. Missing cells are equal to each other. Not meant to withstand an attacker.
    """
    chosen = list(table.column_names if names is None else names)
    table = table.select(chosen)
    batches = table.to_batches(max_chunksize=1 << 16) if chosen else []
    done = [_of_batch(batch, chosen) for batch in batches if batch.num_rows]
    return np.concatenate(done) if done else np.zeros(table.num_rows, np.uint64)


def numbered(hashes: np.ndarray) -> np.ndarray:
    """The first of equal rows keeps its hash (n,); the second, third … get others of their own.

    For splitting: otherwise all copies of a frequent row would be on one side, and training might miss
    the most frequent row. Rows added at the end change nothing before them.
    """
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    places = np.arange(len(hashes))
    again = places - np.maximum.accumulate(np.where(first, places, 0))
    counts = np.empty(len(hashes), np.uint64)
    counts[order] = again.astype(np.uint64)
    return np.where(counts == 0, hashes, _mixed(hashes + counts * _MISSING))


def _of_batch(batch: pa.RecordBatch, names: list[str]) -> np.ndarray:
    total = np.zeros(batch.num_rows, np.uint64)
    for name, array in zip(names, batch.columns, strict=True):
        total += _mixed(_cells(array) + _of_texts(np.array([name], object)))
    return _mixed(total)


def _cells(array: pa.Array) -> np.ndarray:
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), _MISSING)
    worded = pa.types.is_dictionary(kind)
    if worded or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = array if worded else array.dictionary_encode()
        hashed = _of_texts(coded.dictionary.to_numpy(zero_copy_only=False))
        places = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
        hashes = hashed[places] if len(hashed) else np.full(len(array), _MISSING)
    else:
        hashes = _of_numbers(_moments(array))
    if array.null_count:
        hashes = np.where(pc.is_null(array).to_numpy(zero_copy_only=False), _MISSING, hashes)
    return hashes


def _moments(array: pa.Array) -> np.ndarray:
    """Dates and moments in microseconds, so that the unit does not count."""
    kind = array.type
    values = values_of(array)
    if pa.types.is_date32(kind):
        return values * 86_400_000_000
    if pa.types.is_date64(kind):
        return values * 1000
    if pa.types.is_timestamp(kind):
        factor = {"s": 1_000_000, "ms": 1000, "us": 1}.get(kind.unit)
        return values * factor if factor else values // 1000
    return values


def _of_numbers(values: np.ndarray) -> np.ndarray:
    """Whole numbers that float64 holds exactly hash as float64, so 1 and 1.0 are equal."""
    if values.dtype.kind == "f":
        return (values + 0.0).view(np.uint64)  # −0 is 0
    small = np.abs(values) < 2**53
    bits = values.astype(np.float64).view(np.uint64)
    return bits if small.all() else np.where(small, bits, values.view(np.uint64))


def _of_texts(texts: np.ndarray) -> np.ndarray:
    import pandas as pd

    return pd.util.hash_array(texts.astype(object), categorize=False)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit depends on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
