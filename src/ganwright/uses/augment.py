"""Growing a table: rare classes up to the frequent one, or more rows of the same kind.

What is made is conditioned on its class, not drawn until the class comes up, and marked as
synthetic in a column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.frames import is_frame
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.spelling import spelled, spelled_table
from ganwright.modalities.tables.given import codec_of, rows_of, texts_in
from ganwright.model import Model

MARK = "synthetic"
MOST_CLASSES = 1000


@dataclass(frozen=True)
class Batch:
    """So many rows to make, under a condition; an empty one is none."""

    count: int
    where: dict[str, Any]


def augment(
    model: Model,
    table: Any,
    *,
    balance: str | None = None,
    ratio: float = 1.0,
    n: int | None = None,
    mark: str = MARK,
    seed: int = 0,
) -> Any:
    """The rows of `table` and new ones below them, which have True in the column `mark`.

    With `balance`, a column, its classes grow to `ratio` of the largest; otherwise `n` rows are
    added. `table` is a DataFrame of pandas or polars or a pyarrow Table, and the same kind comes
    back, or a file, which comes back as a pandas DataFrame. Columns that the model does not know
    are missing in new rows. Raises OptionError, DataError.
    """
    codec = codec_of(model, "augment", fills=False)
    canonical = rows_of(codec, table)
    wanted = plan(codec, canonical, balance=balance, ratio=ratio, n=n)
    base = table if is_frame(table) else codec.join([canonical])
    return joined(codec, base, rows(model, wanted, seed, canonical), mark)


def plan(
    codec: TableCodec,
    table: pa.Table,
    *,
    balance: str | None = None,
    ratio: float = 1.0,
    n: int | None = None,
) -> list[Batch]:
    """What is to be made for a table in the model's own columns and types. Raises OptionError."""
    if (balance is None) == (n is None):
        raise OptionError("augment: needs one of balance (a column) and n (how many rows to add)")
    if n is not None:
        if n < 1:
            raise OptionError(f"n: must be at least 1; got {n}")
        return [Batch(n, {})]
    assert balance is not None
    if not 0 < ratio <= 1:
        raise OptionError(f"ratio: must lie above 0 and be at most 1; got {ratio:g}")
    return [Batch(count, {balance: value}) for value, count in _short(codec, table, balance, ratio)]


def _short(
    codec: TableCodec, table: pa.Table, balance: str, ratio: float
) -> Iterator[tuple[Any, int]]:
    """The classes that have too few rows, and how many are missing."""
    if balance not in codec.learned:
        problem = f"no column '{balance}' that was learned"
        raise OptionError(message("balance", problem, allowed=codec.learned, got=balance))
    column = next(one for one in codec.columns if one.name == balance)
    counts = pc.value_counts(table.column(balance).drop_null())
    if not len(counts):
        raise DataError(f"balance: column '{balance}' is missing in every row")
    if len(counts) > MOST_CLASSES or column.kind == "number":
        several = f"{len(counts):,} values of kind {column.kind}"
        raise OptionError(f"balance: column '{balance}' has {several}, which are no classes")
    found = counts.field("counts").to_numpy()
    least = math.ceil(ratio * int(found.max()))
    for value, count in zip(counts.field("values"), found, strict=True):
        if count < least:
            codec.allowed({balance: _asked(value)})  # a class never seen in training
            yield _asked(value), least - int(count)


def _asked(value: pa.Scalar) -> Any:
    """A value as conditions take it: text of a category as it is."""
    plain = value.as_py()
    return [plain] if isinstance(plain, str) else plain


def rows(model: Model, wanted: list[Batch], seed: int, real: pa.Table) -> Iterator[pa.Table]:
    """The new rows in the canonical types, block by block; identifiers go on above those of `real`."""
    codec = codec_of(model, "augment", fills=False)
    numbers = {
        name: one.after_all(real.column(name))
        for name, one in codec.remade.items()
        if one.column.kind == "identifier"
    }
    done = 0
    for number, batch in enumerate(wanted):
        own = seeds.derive(seed, "augment", number)
        for block in model.stream(batch.count, seed=own, where=batch.where or None):
            made = codec.plain(block.examples)
            for name, first in numbers.items():
                keys = codec.remade[name].more(first + done, made.num_rows)
                at = made.column_names.index(name)
                made = made.set_column(at, made.schema.field(at), keys)
            done += made.num_rows
            yield made


def joined(codec: TableCodec, real: Any, new: Iterator[pa.Table], mark: str = MARK) -> Any:
    """Real rows, then the made ones, in the real ones' kind of frame, and the column `mark`."""
    room = type(real).__module__.partition(".")[0]
    names = real.column_names if room == "pyarrow" else [str(name) for name in real.columns]
    if mark in names:
        raise OptionError(f"mark: the table has a column '{mark}' already; choose another name")
    made = pa.concat_tables([codec.schema.empty_table(), *new])
    if room == "pandas":
        return _joined_pandas(codec, real, made, mark)
    texts = [column for column in codec.columns if column.name in texts_in(real)]
    made = spelled_table(made, texts)
    table = real if room == "pyarrow" else real.lazy().collect().to_arrow()
    arrays, flags = [], pa.array([False] * table.num_rows + [True] * made.num_rows)
    for field in table.schema:
        old = table.column(field.name)
        known = field.name in made.column_names
        new = made.column(field.name) if known else pa.nulls(made.num_rows, field.type)
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        parts = [old.cast(plain).combine_chunks(), pa.chunked_array([new]).cast(plain)]
        whole = pa.chunked_array([c for p in parts for c in _chunks(p)], plain)
        arrays.append(whole.dictionary_encode().cast(field.type) if plain != field.type else whole)
    table = pa.table([*arrays, flags], schema=table.schema.append(pa.field(mark, pa.bool_())))
    if room == "pyarrow":
        return table
    import polars as pl

    frame: Any = pl.from_arrow(table)
    return frame.cast(dict(real.lazy().collect().schema))


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def _joined_pandas(codec: TableCodec, real: Any, made: pa.Table, mark: str) -> Any:
    import pandas as pd

    new = codec.join([made])
    texts = texts_in(real)
    for column in codec.columns:
        if column.name in texts and (column.written or column.type == "int64"):
            array = spelled(made.column(column.name), column).cast(pa.string())
            new[column.name] = array.to_pandas()
    new = new.reindex(columns=[str(name) for name in real.columns])
    new.columns = real.columns
    for at, kind in enumerate(real.dtypes):
        column = new.iloc[:, at]
        if column.dtype != kind and not (kind.kind in "iub" and column.hasnans):
            new.isetitem(at, column.astype(kind))
    both = pd.concat([real, new], ignore_index=True)
    both[mark] = [False] * len(real) + [True] * len(new)
    return both
