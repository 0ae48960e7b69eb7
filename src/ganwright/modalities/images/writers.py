"""Images → files: a folder of PNG, one .npz, one grid."""

from __future__ import annotations

import csv
import logging
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from ganwright.base.errors import UsageError
from ganwright.base.names import Names
from ganwright.data.writers import Writing, chosen_format
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.read.deep import encode_png

LARGEST_GRID = 1024  # images
_log = logging.getLogger("ganwright")
_SUFFIXES = {".npz": "npz", ".png": "grid", "": "png"}


def format_for(codec: ImageCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """See `ImageCodec.format_for`."""
    places = (".png", ".npz", "a folder")
    return chosen_format(path, format, _SUFFIXES, codec.formats, "pictures", places)


class PngWriter(Writing["ImageCodec"]):
    """A folder with 000000.png, 000001.png, … and samples.csv (file, label, seed)."""

    def _check(self) -> None:
        if self.codec.dtype == "float32":
            what = f"{self.codec.channels} channels of {self.codec.dtype}"
            raise UsageError(f"--format: png can't store {what}; use npz")
        if self.path.is_dir() and not any(self.path.iterdir()):
            return
        if self.path.exists() or self.path.is_symlink():
            raise UsageError(f"--out: '{self.path}' exists and is not an empty folder")

    def _begin(self, aside: Path) -> None:
        aside.mkdir()
        self._folder = aside
        self._digits = max(6, len(str(max(0, self.count - 1))))
        file = self._stack.enter_context(
            (aside / "samples.csv").open("w", newline="", encoding="utf-8")
        )
        self._table = csv.writer(file)
        self._table.writerow(["file", "label", "seed"])

    def _add(self, samples: np.ndarray, labels: list[int | None], seeds: np.ndarray) -> None:
        for i, sample in enumerate(samples):
            name = f"{self.written + i:0{self._digits}}.png"
            save_png(sample, self._folder / name)
            label = labels[i]
            self._table.writerow([name, "" if label is None else self._name(label), int(seeds[i])])

    def _name(self, label: int) -> str:
        return self.classes[label] if self.classes else str(label)

    def _end(self) -> None:
        pass


def save_png(sample: np.ndarray, path: Path) -> None:
    """Writes one picture (H, W, C) of uint8 or uint16."""
    if sample.dtype == np.uint16 and sample.shape[2] > 1:  # Pillow writes grey alone in 16 bits
        path.write_bytes(encode_png(sample))
    else:
        Image.fromarray(sample[:, :, 0] if sample.shape[2] == 1 else sample).save(path)


class NpzWriter(Writing["ImageCodec"]):
    """One .npz: `samples` (n, H, W, C) as stored, and where there are classes `labels` (n,) int64,
    places in `classes`, the names.
    """

    def _begin(self, aside: Path) -> None:
        self._archive = self._stack.enter_context(zipfile.ZipFile(aside, "w", allowZip64=True))
        self._member = self._stack.enter_context(_member(self._archive, "samples"))
        self._labels: list[int | None] = []
        shape = (self.count, self.codec.height, self.codec.width, self.codec.channels)
        np.lib.format.write_array_header_1_0(self._member, _header(shape, self.codec.dtype))

    def _add(self, samples: np.ndarray, labels: list[int | None], seeds: np.ndarray) -> None:
        self._member.write(np.ascontiguousarray(samples, self.codec.dtype).tobytes())
        self._labels += labels

    def _end(self) -> None:
        self._member.close()
        if self._labels and None not in self._labels:
            with _member(self._archive, "labels") as file:
                np.lib.format.write_array(
                    file, np.array(self._labels, np.int64), allow_pickle=False
                )
            if self.classes:
                with _member(self._archive, "classes") as file:
                    np.lib.format.write_array(
                        file, np.array(self.classes, np.str_), allow_pickle=False
                    )


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy", "w", force_zip64=True)


def _header(shape: tuple[int, ...], dtype: str) -> dict[str, object]:
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    return {"descr": descr, "fortran_order": False, "shape": shape}


class GridWriter(Writing["ImageCodec"]):
    """One .png with all samples side by side; of more than 1,024 the first 1,024."""

    def _begin(self, aside: Path) -> None:
        aside.touch()  # an unwritable place is found before the work
        self._aside = aside
        self._shown: list[np.ndarray] = []
        if self.count > LARGEST_GRID:
            _log.warning("%s shows the first %d of %d", self.path, LARGEST_GRID, self.count)

    def _add(self, samples: np.ndarray, labels: list[int | None], seeds: np.ndarray) -> None:
        self._shown += list(samples[: LARGEST_GRID - len(self._shown)])

    def _end(self) -> None:
        self.codec.grid(np.stack(self._shown)).save(self._aside, format="PNG")


WRITERS: Names[type[Writing[ImageCodec]]] = Names(
    "format", {"png": PngWriter, "npz": NpzWriter, "grid": GridWriter}
)
