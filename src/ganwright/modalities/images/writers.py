"""Images → files: a folder of PNG, one .npz, one grid."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from ganwright.base.errors import UsageError
from ganwright.base.names import Names
from ganwright.data.writers import ArrayWriter, FolderWriter, Writing, chosen_format
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.read.deep import encode_png

LARGEST_GRID = 1024  # images
_log = logging.getLogger("ganwright")
_SUFFIXES = {".npz": "npz", ".png": "grid", "": "png"}


def format_for(codec: ImageCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """See `ImageCodec.format_for`."""
    places = (".png", ".npz", "a folder")
    return chosen_format(path, format, _SUFFIXES, codec.formats, "pictures", places)


class PngWriter(FolderWriter["ImageCodec"]):
    """A folder with 000000.png, 000001.png, … and samples.csv (file, label, seed)."""

    suffix = ".png"

    def _check(self) -> None:
        if self.codec.dtype == "float32":
            what = f"{self.codec.channels} channels of {self.codec.dtype}"
            raise UsageError(f"--format: png can't store {what}; use npz")
        super()._check()

    def _save(self, sample: np.ndarray, path: Path) -> None:
        save_png(sample, path)


def save_png(sample: np.ndarray, path: Path) -> None:
    """Writes one picture (H, W, C) of uint8 or uint16."""
    if sample.dtype == np.uint16 and sample.shape[2] > 1:  # Pillow writes grey alone in 16 bits
        path.write_bytes(encode_png(sample))
    else:
        Image.fromarray(sample[:, :, 0] if sample.shape[2] == 1 else sample).save(path)


class NpzWriter(ArrayWriter["ImageCodec"]):
    """One .npz: `samples` (n, H, W, C) as stored, and labels and classes where there are any."""

    def _form(self) -> tuple[tuple[int, ...], str]:
        return (self.codec.height, self.codec.width, self.codec.channels), self.codec.dtype


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
