"""Rows → .csv, .tsv (packed or not) or .parquet, with the columns, order and types of the training table.

Written atomically, in constant memory.
"""

from __future__ import annotations

import csv as csv_of_python
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganwright.base.names import Names
from ganwright.data.packing import inner, is_table_name, sink
from ganwright.data.writers import Writing, chosen_format
from ganwright.modalities.tables.codec.fields import CategoryField, NumberField
from ganwright.modalities.tables.columns.spelling import spelled_table

if TYPE_CHECKING:
    from ganwright.modalities.tables.codec.table import TableCodec

_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".tab": "csv", ".parquet": "parquet", ".pq": "parquet"}
_TABBED = (".tsv", ".tab")
_ROWS = 1 << 16  # buffered before each write


def format_for(codec: TableCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """See `TableCodec.format_for`."""
    return format_of(path, format, codec.formats)


def format_of(path: Path, format: str | None = None, formats: tuple[str, ...] = ()) -> str:  # noqa: A002
    """The format of any table, by `format`, one of `formats`, or the suffix of `path`. Raises OptionError."""
    places = (".csv", ".tsv", ".parquet", ".csv.gz")
    packed = inner(path) if is_table_name(path) else path
    return chosen_format(packed, format, _SUFFIXES, formats, "tables", places)


class _TableWriter(Writing["TableCodec"]):
    """Gathers rows into blocks of some size."""

    def _begin(self, aside: Path) -> None:
        self._held: list[pa.Table] = []
        self._waiting = 0
        self._open(aside)

    def _add(self, samples: pa.Table, labels: list[int | None], seeds: np.ndarray) -> None:
        self._held.append(self.codec.plain(samples))
        self._waiting += samples.num_rows
        if self._waiting >= _ROWS:
            self._flush()

    def _end(self) -> None:
        self._flush()
        self._close()

    def _flush(self) -> None:
        if self._held:
            self._write(pa.concat_tables(self._held).combine_chunks())
        self._held, self._waiting = [], 0

    def _open(self, aside: Path) -> None:
        raise NotImplementedError

    def _write(self, rows: pa.Table) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class CsvWriter(_TableWriter):
    """One file of text in UTF-8 with a header; tabs between cells if it ends in .tsv, else commas.

    A missing value is an empty cell.
    """

    def _open(self, aside: Path) -> None:
        from pyarrow import csv

        mark = "\t" if inner(self.path).suffix.lower() in _TABBED else ","
        # Arrow's "needed" puts all text in quotes: done only if some text does need them
        style = "needed" if self._needs_quotes(mark) else "none"
        options = csv.WriteOptions(include_header=False, delimiter=mark, quoting_style=style)
        file = self._stack.enter_context(sink(aside, self.path))
        self._schema = self.codec.written_schema()
        header = io.StringIO()
        csv_of_python.writer(header, delimiter=mark, lineterminator="\n").writerow(
            self._schema.names
        )
        file.write(header.getvalue().encode())
        self._file = self._stack.enter_context(
            csv.CSVWriter(file, self._schema, write_options=options)
        )

    def _needs_quotes(self, mark: str) -> bool:
        """Whether any text that may come has a sign of its own in CSV, or is empty."""
        texts: list[pa.Array] = []
        for one in self.codec.fields:
            if isinstance(one, CategoryField) and pa.types.is_string(one.values.type):
                texts.append(one.values)
            elif isinstance(one, NumberField) and one.apart is not None:
                texts.append(one.apart.cast(pa.string()))
        forms = [c.form or c.written for c in self.codec.columns]
        forms = [form for form in forms if form]
        texts.append(pa.array(forms, pa.string()))
        for other in self.codec.remade.values():
            texts.append(other.make(0, 1).cast(pa.string()))
        special = f'[{mark}"\r\n]|^$'
        return any(pc.any(pc.match_substring_regex(text, special)).as_py() for text in texts)

    def _write(self, rows: pa.Table) -> None:
        self._file.write_table(spelled_table(rows, self.codec.columns).cast(self._schema))

    def _close(self) -> None:
        self._file.close()


class ParquetWriter(_TableWriter):
    """One Parquet file; where the training table came from pandas, its dtypes come back there."""

    def _open(self, aside: Path) -> None:
        from pyarrow import parquet

        self._schema = self.codec.user_schema()
        self._file = self._stack.enter_context(
            parquet.ParquetWriter(aside, self._schema, compression="zstd")
        )

    def _write(self, rows: pa.Table) -> None:
        for at, field in enumerate(self._schema):
            if pa.types.is_dictionary(field.type) and field.name in self.codec.learned:
                # with the whole category set, in its order, whatever these rows have
                levels = self.codec.levels(field.name)
                places = pc.index_in(rows.column(at).combine_chunks(), value_set=levels)
                array = pa.DictionaryArray.from_arrays(places, levels, ordered=field.type.ordered)
                rows = rows.set_column(at, field.name, array)
        self._file.write_table(rows.cast(self._schema))

    def _close(self) -> None:
        self._file.close()


WRITERS: Names[type[_TableWriter]] = Names("format", {"csv": CsvWriter, "parquet": ParquetWriter})
