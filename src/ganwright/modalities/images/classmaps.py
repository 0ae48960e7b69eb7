"""Codecs of translation: two pictures side by side, the first of which may be a map of classes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ganwright.base.errors import DataError, ModelError
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.read.folders import FileReader
from ganwright.modalities.images.read.pictures import decoding, palette_of, read_indices
from ganwright.modalities.images.read.source import PICTURE_FILES, Head, ImageSource, Unreadable

if TYPE_CHECKING:
    import torch

LOOKED_AT = 64  # files that say whether all are class maps
MOST_VALUES = 64  # of an index-colour image that is a class map and no picture


@dataclass(frozen=True, kw_only=True)
class MapCodec:
    """Class numbers (b, H, W, 1) ↔ one channel for each of `values`, 1 where it is and -1 elsewhere."""

    values: tuple[int, ...]

    @property
    def channels(self) -> int:
        """As the nets see it."""
        return len(self.values)

    @property
    def makes(self) -> str:
        """In words."""
        return f"class maps of {len(self.values)} classes"

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """(b, H, W, 1) → (b, values, H, W)."""
        import torch

        own = torch.tensor(self.values, device=stored.device)
        return (stored.long() == own).float().permute(0, 3, 1, 2) * 2 - 1

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"values": list(self.values)}


@dataclass(frozen=True, kw_only=True)
class PairCodec(ImageCodec):
    """Of a picture that is given (`source`) and the one to be made, stored side by side as channels."""

    source: ImageCodec | MapCodec

    def given(self, stored: torch.Tensor) -> torch.Tensor:
        """Stored (b, H, W, given + made) → (b, given + made, H, W)."""
        import torch

        made = stored[..., -self.channels :]
        return torch.cat([self.source.encode(stored[..., : -self.channels]), self.encode(made)], 1)

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """What is to be made, alone."""
        return super().encode(stored[..., -self.channels :])

    def suits(self, other: Any) -> bool:
        """True where both see class maps of the same values, or pictures."""
        maps = [c.source if isinstance(c.source, MapCodec) else None for c in (self, other)
                if isinstance(c, PairCodec)]  # fmt: skip
        return len(maps) == 2 and maps[0] == maps[1]

    def to_json(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(ImageCodec)}
        return {"kind": self.kind, **own, "source": self.source.to_json()}

    @classmethod
    def of_json(cls, own: ImageCodec, tree: Any) -> PairCodec:
        """The codec `own` with the source that `to_json` wrote. Raises ModelError."""
        if not isinstance(tree, dict) or "source" in tree:
            raise ModelError("model.json: 'codec.source' is not readable")
        if "values" not in tree:
            return cls(**vars(own), source=ImageCodec.from_json(tree))
        values = tree["values"]
        if not isinstance(values, list) or not 0 < len(values) <= 256 or not all(
            isinstance(v, int) and 0 <= v < 256 for v in values
        ):  # fmt: skip
            raise ModelError("model.json: 'codec.source.values' is not a list of class numbers")
        return cls(**vars(own), source=MapCodec(values=tuple(values)))


# --- files ---------------------------------------------------------------------------------------


def map_source(source: ImageSource, wanted: bool | None) -> ImageSource | None:
    """The same files read as class numbers; None where they are pictures.

    Without a wish they are maps if all are index-colour files with one palette. Raises DataError where maps
    are wanted of what isn't files.
    """
    if source.kind not in PICTURE_FILES:
        if wanted:
            raise DataError(f"data.maps: '{source.path}' holds arrays; class maps are image files")
        return None
    if wanted is False or (wanted is None and not _share_a_palette(source)):
        return None

    @contextmanager
    def opened() -> Iterator[MapReader]:
        with source.opened() as reader:
            yield MapReader(cast(FileReader, reader))

    return replace(source, identity=[source.identity, "maps"], opened=opened)


def _share_a_palette(source: ImageSource) -> bool:
    step = -(-source.count // LOOKED_AT)
    found = set()
    with decoding(), source.opened() as reader:
        for index in range(0, source.count, step):
            try:
                content = cast(FileReader, reader).content(index)
                found.add(palette_of(io.BytesIO(content)))
            except Unreadable:
                continue
            if None in found or len(found) > 1:
                return False
        if not found:
            return False
        maps = MapReader(cast(FileReader, reader))
        values = {int(v) for i in range(0, source.count, step) for v in maps.values(i)}
    return len(values) <= MOST_VALUES


class MapReader:
    """Reads files as class numbers (H, W, 1)."""

    def __init__(self, files: FileReader) -> None:
        self.files = files

    def head(self, index: int) -> Head:
        """Its size. Raises Unreadable."""
        height, width, _ = self.read(index).shape
        return Head(height, width, 1, "uint8")

    def read(self, index: int) -> np.ndarray:
        """Raises Unreadable."""
        return read_indices(io.BytesIO(self.files.content(index)))

    def values(self, index: int) -> np.ndarray:
        """The class numbers that occur; none in a file that can't be read."""
        try:
            return np.unique(self.read(index))
        except Unreadable:
            return np.empty(0, np.uint8)


def values_of(maps: np.ndarray) -> tuple[int, ...]:
    """The class numbers that occur in (n, H, W, 1)."""
    there = np.zeros(256, bool)
    for one in maps:
        there[one.ravel()] = True
    return tuple(np.flatnonzero(there).tolist())
