"""Growing a table: new rows below those that there are, and a column that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError, message
from ganwright.base.frames import is_frame
from ganwright.data.writers import format_for
from ganwright.modalities.tables.cells import extend, table_in, write_table
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.spelling import spelled, spelled_table
from ganwright.modalities.tables.given import codec_of, rows_of, texts_in
from ganwright.modalities.tables.read.tables import is_text
from ganwright.model import Model

THINGS = "rows"
MOST_CLASSES = 1000
Where = dict[str, Any]  # a class is a condition on a column; an empty one is none


def default_out(data: Path) -> Path:
    """A .csv here."""
    return Path(f"{data.name.partition('.')[0]}-augmented.csv")


def growth(model: Model, data: Any, out: Path | None) -> Growth:
    """A frame or a file to be grown. Raises OptionError, DataError."""
    codec = codec_of(model, "augment", fills=False)
    if out is not None:
        format_for(codec, out)
        if is_frame(data):
            raise OptionError("out: a frame comes back as a frame; write it as you like")
    return Growth(model, codec, data, rows_of(codec, data))


class Growth:
    """A table in the model's own columns and types, and new rows of it."""

    dropped: Mapping[str, Mapping[str, int]] = {}
    notes: Sequence[str] = ()

    def __init__(self, model: Model, codec: TableCodec, data: Any, real: pa.Table) -> None:
        self.model, self.codec, self.data, self.real = model, codec, data, real
        self.n = real.num_rows
        self.made = codec.schema.empty_table()

    def counts(self, balance: str | None) -> list[tuple[Where, int]]:
        """The values of a column as conditions, or one class of all rows. Raises OptionError, DataError."""
        if balance is None:
            return [({}, self.n)]
        if balance not in self.codec.learned:
            problem = f"no column '{balance}' that was learned"
            raise OptionError(message("balance", problem, allowed=self.codec.learned, got=balance))
        column = next(one for one in self.codec.columns if one.name == balance)
        found = pc.value_counts(self.real.column(balance).drop_null())
        if not len(found):
            raise DataError(f"balance: column '{balance}' is missing in every row")
        if len(found) > MOST_CLASSES or column.kind == "number":
            several = f"{len(found):,} values of kind {column.kind}"
            raise OptionError(f"balance: column '{balance}' has {several}, which are no classes")
        values, counts = found.field("values"), found.field("counts").to_pylist()
        return [({balance: _asked(v)}, count) for v, count in zip(values, counts, strict=True)]

    def make(self, wanted: Sequence[tuple[Where, int]], seed: int) -> dict[str, int]:
        """The new rows; the seed of each class is of its place in `wanted`."""
        for where, _ in wanted:
            if where:
                self.codec.allowed(where)  # a class never seen in training
        self.made = pa.concat_tables([self.made, *self._rows(wanted, seed)])
        return {_said(where): count for where, count in wanted}

    def _rows(self, wanted: Sequence[tuple[Where, int]], seed: int) -> Iterator[pa.Table]:
        """In the canonical types, block by block; identifiers go on above those that there are."""
        numbers = {
            name: one.after_all(self.real.column(name))
            for name, one in self.codec.remade.items()
            if one.column.kind == "identifier"
        }
        done = 0
        for number, (where, count) in enumerate(wanted):
            own = seeds.derive(seed, "augment", number)
            for block in self.model.stream(count, seed=own, where=where or None):
                made = self.codec.plain(block.examples)
                for name, first in numbers.items():
                    keys = self.codec.remade[name].more(first + done, made.num_rows)
                    at = made.column_names.index(name)
                    made = made.set_column(at, made.schema.field(at), keys)
                done += made.num_rows
                yield made

    def joined(self, mark: str) -> Any:
        """In the frame's own kind; a file comes back as a pandas DataFrame."""
        base = self.data if is_frame(self.data) else self.codec.join([self.real])
        return joined(self.codec, base, self.made, mark)

    def write(self, out: Path, mark: str) -> None:
        """Text stays as it is to the byte, with rows below; a typed file keeps its types."""
        data = Path(self.data)
        if is_text(data) and is_text(out):
            extend(data, out, spelled_table(self.made, self.codec.columns), mark)
        elif is_text(data) or is_text(out):
            both = joined(self.codec, self.real, self.made, mark)
            write_table(spelled_table(both, self.codec.columns) if is_text(out) else both, out)
        else:
            write_table(joined(self.codec, table_in(data), self.made, mark), out)


def _asked(value: pa.Scalar) -> Any:
    """A value as conditions take it: text of a category as it is."""
    plain = value.as_py()
    return [plain] if isinstance(plain, str) else plain


def _said(where: Where) -> str:
    return ", ".join(f"{k}={v[0] if isinstance(v, list) else v}" for k, v in where.items())


def joined(codec: TableCodec, real: Any, made: pa.Table, mark: str) -> Any:
    """Real rows, then the made ones, in the real ones' kind of frame, and the column `mark`."""
    room = type(real).__module__.partition(".")[0]
    names = real.column_names if room == "pyarrow" else [str(name) for name in real.columns]
    if mark in names:
        raise OptionError(f"mark: the table has a column '{mark}' already; choose another name")
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
