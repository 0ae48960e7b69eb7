"""Rows of counts → .npz as scipy writes it (with the words), or .csv. Written atomically."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ganwright.base.names import Names
from ganwright.data.writers import Writing, chosen_format
from ganwright.modalities.counts.sparse import Counts, joined

if TYPE_CHECKING:
    from ganwright.modalities.counts.codec import CountsCodec

_SUFFIXES = {".npz": "npz", ".csv": "csv", ".tsv": "csv", ".tab": "csv"}


def format_for(codec: CountsCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """See `CountsCodec.format_for`."""
    return chosen_format(path, format, _SUFFIXES, codec.formats, "counts", (".npz", ".csv"))


class NpzWriter(Writing["CountsCodec"]):
    """What `scipy.sparse.load_npz` reads, and `words`, the names of the columns where they have any.

    The counts are gathered before they are written: they take a few bytes each.
    """

    def _begin(self, aside: Path) -> None:
        aside.touch()  # finds an unwritable path before the work
        self._aside = aside
        self._held: list[Counts] = []

    def _add(self, samples: Counts, labels: list[int | None], seeds: np.ndarray) -> None:
        self._held.append(samples)

    def _end(self) -> None:
        matrix = joined(self._held, self.codec.width).matrix
        arrays = {
            "indices": matrix.indices,
            "indptr": matrix.indptr,
            "format": np.array(b"csr"),
            "shape": np.array(matrix.shape),
            "data": matrix.data.astype(self.codec.dtype),
        }
        if self.codec.words:
            arrays["words"] = np.array(self.codec.words, np.str_)
        with zipfile.ZipFile(self._aside, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)


class CsvWriter(Writing["CountsCodec"]):
    """One column per word, one line per row; tab-separated if it ends in .tsv, else commas."""

    def _begin(self, aside: Path) -> None:
        self._file: IO[str] = self._stack.enter_context(
            aside.open("w", newline="", encoding="utf-8")
        )
        mark = "\t" if self.path.suffix.lower() in (".tsv", ".tab") else ","
        self._rows = csv.writer(self._file, delimiter=mark, lineterminator="\n")
        self._rows.writerow(self.codec.names)

    def _add(self, samples: Counts, labels: list[int | None], seeds: np.ndarray) -> None:
        self._rows.writerows(samples.dense().tolist())

    def _end(self) -> None:
        pass


WRITERS: Names[type[Writing[CountsCodec]]] = Names("format", {"npz": NpzWriter, "csv": CsvWriter})
