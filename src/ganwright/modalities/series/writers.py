"""Windows → .csv or .parquet with the data's own columns, or .npz. Written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ganwright.base.names import Names
from ganwright.data.packing import inner, is_table_name, sink
from ganwright.data.writers import Writing, chosen_format

if TYPE_CHECKING:
    from ganwright.modalities.series.codec import SeriesCodec

_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}


def format_for(codec: SeriesCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """The format of samples, by `format` or the suffix of `path`. Raises OptionError."""
    packed = inner(path) if is_table_name(path) else path
    places = (".csv", ".parquet", ".npz")
    return chosen_format(packed, format, _SUFFIXES, codec.formats, "series", places)


class _Blocks(Writing["SeriesCodec"]):
    """Tables of samples, numbered on from block to block."""

    def _begin(self, aside: Path) -> None:
        self._aside, self._held = aside, list[np.ndarray]()
        aside.touch()  # finds an unwritable path before the work

    def _add(self, samples: np.ndarray, labels: list[int | None], seeds: np.ndarray) -> None:
        self._held.append(samples)

    def _end(self) -> None:
        self._write(np.concatenate(self._held))

    def _write(self, samples: np.ndarray) -> None:
        raise NotImplementedError


class CsvWriter(_Blocks):
    """One row a step, one sample below the other; tabs between cells if it ends in .tsv, else commas."""

    def _write(self, samples: np.ndarray) -> None:
        write_table(self.codec.table(samples), self._aside, self.path)


class ParquetWriter(_Blocks):
    """The same, typed."""

    def _write(self, samples: np.ndarray) -> None:
        write_table(self.codec.table(samples), self._aside, self.path)


class NpzWriter(_Blocks):
    """`samples` (n, time, channels) float64, NaN where missing, and `labels` where there are classes."""

    def _write(self, samples: np.ndarray) -> None:
        arrays: dict[str, Any] = {"samples": samples[..., : self.codec.width]}
        if classes := self.codec.seen.classes:
            arrays["labels"] = np.array(classes)[samples[:, 0, -1].astype(np.int64)]
        with self._aside.open("wb") as file:
            np.savez_compressed(file, **arrays)


def write_table(table: pa.Table, aside: Path, path: Path) -> None:
    """A table as the suffix of `path` says, to the place `aside`."""
    if inner(path).suffix.lower() in (".parquet", ".pq"):
        import pyarrow.parquet as pq

        pq.write_table(table, aside)
        return
    mark = "\t" if inner(path).suffix.lower() == ".tsv" else ","
    with sink(aside, path) as file:
        file.write(table.to_pandas().to_csv(index=False, sep=mark, lineterminator="\n").encode())


WRITERS: Names[type[Writing[SeriesCodec]]] = Names(
    "format", {"csv": CsvWriter, "parquet": ParquetWriter, "npz": NpzWriter}
)
