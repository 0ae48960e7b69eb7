"""Originals and new images in one folder: a folder for each class, and samples.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ganwright.base.errors import UsageError, WorkError
from ganwright.base.runs import replacing
from ganwright.data.codec import Codec
from ganwright.data.folders import Places, check_new
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.read.folders import FileReader
from ganwright.modalities.images.read.pictures import decoding
from ganwright.modalities.images.read.source import PICTURE_FILES, ImageSource, Unreadable
from ganwright.modalities.images.writers import save_png

TABLE, NOTE = "samples.csv", "samples.txt"


def check(out: Path, source: ImageSource, codec: Codec) -> None:
    """Raises UsageError unless a new folder of PNG can be made at `out`, apart from the data."""
    if cast(ImageCodec, codec).dtype == "float32":
        raise UsageError("--out: PNG files can't hold float32; name an .npz file")
    check_new(out)
    own, data = out.resolve(), Path(source.path).resolve()
    if source.kind == "folder" and (own == data or data in own.parents):
        raise UsageError(f"--out: '{out}' lies within the data; name a folder beside it")


def write(
    out: Path,
    mark: str,
    source: ImageSource,
    originals: Iterable[tuple[int, str]],
    new: Iterable[tuple[str, np.ndarray]],
    classes: Sequence[str],
    note: str,
) -> None:
    """Writes the folder, whole or not at all: originals (their place in the source, class), then new ones.

    Files are copied as they are; of arrays each image becomes a PNG.
    """
    folder, files = Places(classes), source.kind in PICTURE_FILES
    with replacing(out) as aside:
        for own in {"", *folder.folders.values()}:
            (aside / own).mkdir(parents=True, exist_ok=True)
        with (
            decoding(),
            source.opened() as reader,
            (aside / TABLE).open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.writer(file)
            table.writerow(["file", "label", mark])
            for index, label in originals:
                path = folder.place(label, source.name_of(index) if files else f"{index:06}.png")
                try:
                    if files:
                        (aside / path).write_bytes(cast(FileReader, reader).content(index))
                    else:
                        save_png(reader.read(index), aside / path)
                except Unreadable as error:  # gone since it was read
                    raise WorkError(f"'{source.name_of(index)}' {error}") from None
                table.writerow([path, label, "false"])
            for number, (label, image) in enumerate(new):
                path = folder.place(label, f"synthetic-{number:06}.png")
                save_png(image, aside / path)
                table.writerow([path, label, "true"])
        (aside / NOTE).write_text(note, encoding="utf-8")
