"""Images before decoding: a list of examples that can be read, independent of decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ganwright.data.source import Unreadable

SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
        ".tga",
        ".jp2",
        ".j2k",
        ".avif",
        ".ico",
    ]
)
PICTURE_FILES = ("folder", "zip", "csv")  # kinds of source that are files of one image each


@dataclass(frozen=True)
class Head:
    """An example's metadata before decoding. `dtype` is uint8, uint16 or float32.

    `reduced` is True where the file has more than 8 bits a channel and decoding keeps 8.
    """

    height: int
    width: int
    channels: int
    dtype: str
    reduced: bool = False


def check_finite(array: np.ndarray) -> None:
    """Raises Unreadable when the example holds NaN or infinity."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Unreadable("contains NaN or infinity")


class Reader(Protocol):
    """Gives examples by number, from several threads at once. Both raise Unreadable."""

    def head(self, index: int) -> Head: ...

    def read(self, index: int) -> np.ndarray:
        """(height, width, channels) of uint8, uint16 or float32, at its native size."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Images found but not decoded.

    `labels` (n,) are numbers into `classes`; `official` (n,) is True for the examples of a test
    part that the data itself names. `identity` is plain JSON that changes when the data does; None
    for what lies in memory.
    `ignored` counts files that are not examples, by suffix.
    """

    name: str
    kind: str
    path: str
    identity: Any
    count: int
    name_of: Callable[[int], str]
    opened: Callable[[], AbstractContextManager[Reader]]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    official: np.ndarray | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modality = "image"
