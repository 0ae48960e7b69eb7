"""Texts → .txt, one a line, or .csv and .parquet with their classes. Written atomically."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganwright.base.names import Names
from ganwright.data.packing import inner, sink
from ganwright.data.writers import Writing, chosen_format

if TYPE_CHECKING:
    from ganwright.modalities.text.codec import TextCodec

_SUFFIXES = {".txt": "txt", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
TEXT, LABEL = "text", "label"


def format_for(codec: TextCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """See `data.writers.format_for`."""
    places = (".txt", ".txt.gz", ".csv", ".parquet")
    bare = inner(path)
    return chosen_format(
        bare if bare.suffix else path, format, _SUFFIXES, codec.formats, "texts", places
    )


class TxtWriter(Writing["TextCodec"]):
    """One text a line, in UTF-8; in running text, line breaks are written as \\n."""

    def _begin(self, aside: Path) -> None:
        self._file = self._stack.enter_context(sink(aside, self.path))

    def _add(self, samples: list[str], labels: list[int | None], seeds: np.ndarray) -> None:
        self._file.write("".join(self.codec.line(text) for text in samples).encode())

    def _end(self) -> None: ...


class CsvWriter(TxtWriter):
    """A column of texts and, where there are classes, one of labels."""

    def _begin(self, aside: Path) -> None:
        super()._begin(aside)
        mark = "\t" if inner(self.path).suffix.lower() == ".tsv" else ","
        self._rows = csv.writer(self, delimiter=mark, lineterminator="\n")
        self._rows.writerow([TEXT, LABEL] if self.classes else [TEXT])

    def write(self, text: str) -> None:
        """What the csv module calls."""
        self._file.write(text.encode())

    def _add(self, samples: list[str], labels: list[int | None], seeds: np.ndarray) -> None:
        for text, label in zip(samples, labels, strict=True):
            self._rows.writerow([text] if label is None else [text, self.classes[label]])


class ParquetWriter(Writing["TextCodec"]):
    """The same columns, in one Parquet file."""

    def _begin(self, aside: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        columns = [TEXT, LABEL] if self.classes else [TEXT]
        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._file: Any = self._stack.enter_context(parquet.ParquetWriter(aside, self._schema))

    def _add(self, samples: list[str], labels: list[int | None], seeds: np.ndarray) -> None:
        import pyarrow as pa

        columns: list[Any] = [samples]
        if self.classes:
            columns.append([None if i is None else self.classes[i] for i in labels])
        self._file.write_table(
            pa.table(dict(zip(self._schema.names, columns, strict=True)), self._schema)
        )

    def _end(self) -> None: ...


WRITERS: Names[type[Writing[TextCodec]]] = Names(
    "format", {"txt": TxtWriter, "csv": CsvWriter, "parquet": ParquetWriter}
)
