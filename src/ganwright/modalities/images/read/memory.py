"""Images in memory: an array, or a list of arrays or of Pillow's images, maybe with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from ganwright.base.errors import DataError
from ganwright.data import cache
from ganwright.modalities.images.read.arrays import ArrayReader, namer
from ganwright.modalities.images.read.npy import npz_source
from ganwright.modalities.images.read.pictures import pixels_of
from ganwright.modalities.images.read.source import ImageSource

NAME = "images"
Pictures = np.ndarray | Sequence[Any]


def are_images(given: object) -> TypeGuard[Pictures]:
    """Whether it is an array n×H×W(×C) of numbers, or a list of images of any sizes."""
    if isinstance(given, np.ndarray):
        return given.ndim in (3, 4) and given.dtype.kind in "bfiu"
    return isinstance(given, list | tuple) and len(given) > 0 and all(map(_is_image, given))


def are_labelled(given: object) -> TypeGuard[tuple[Pictures, Any]]:
    """Whether it is a pair of images and their labels, (n,)."""
    return isinstance(given, tuple) and len(given) == 2 and are_images(given[0])


def memory_source(images: Pictures, labels: Any = None) -> ImageSource:
    """Images in memory, of which nothing is kept on disk. Raises DataError for what are no images."""
    arrays = _arrays(images)
    count = sum(map(len, arrays))

    @contextmanager
    def opened() -> Iterator[ArrayReader]:
        yield ArrayReader(arrays)

    numbers: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if labels is not None:
        words, places = np.unique(_labels(labels, count), return_inverse=True)
        numbers, classes = places.astype(np.int64), tuple(map(str, words.tolist()))
    return ImageSource(
        name=NAME,
        kind="memory",
        path=f"the {NAME}",
        identity=None,
        count=count,
        name_of=namer([NAME], [count]),
        opened=opened,
        labels=numbers,
        classes=classes,
    )


def kept_source(images: Pictures, labels: Any = None) -> ImageSource:
    """The same as a file in the cache, under its content: a run finds its data again.

    Raises DataError for images of several sizes, which are no array.
    """
    arrays = _arrays(images)
    if len({(a.shape[1:], a.dtype) for a in arrays}) > 1:
        raise DataError(
            f"the {NAME} differ in size or type: save them as files and name their folder"
        )
    parts: dict[str, Any] = {NAME: np.concatenate(arrays)}
    if labels is not None:
        parts["labels"] = _labels(labels, len(parts[NAME]))
    digest = hashlib.blake2b(digest_size=12)
    for part in parts.values():
        digest.update(f"{part.dtype} {part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    folder = cache.folder_of("arrays", "") / digest.hexdigest()
    path = folder / f"{NAME}.npz"
    if not path.is_file():
        with cache.room_for(folder), cache.making(folder.parent) as aside:
            np.savez(aside / path.name, **parts)
            cache.publish(aside, folder, path.stat)
    return npz_source(path)


def form_of(images: Pictures) -> dict[str, Any]:
    """The size and channels of an array, as options; nothing of a list, whose images may differ."""
    if not isinstance(images, np.ndarray):
        return {}
    shape = images[..., None].shape if images.ndim == 3 else images.shape
    _, height, width, channels = shape if shape[3] <= 4 else [shape[i] for i in (0, 2, 3, 1)]
    return {"size": (height, width), "channels": channels}


def stacked(images: Pictures, new: np.ndarray) -> Any:
    """Images with new ones (m, H, W, C) behind them, in the form and type that they have.

    Raises DataError where an array has no room for them.
    """
    if not isinstance(images, np.ndarray):
        kind = tuple if isinstance(images, tuple) else list
        plain = [one[..., 0] if one.shape[2] == 1 else one for one in new]
        pillow = isinstance(images[0], Image.Image)
        return kind([*images, *(Image.fromarray(one) if pillow else one for one in plain)])
    rows = new if images.ndim == 4 or new.shape[3] > 1 else new[..., 0]
    if images.ndim == 4 and images.shape[3] > 4:
        rows = new.transpose(0, 3, 1, 2)
    if rows.shape[1:] != images.shape[1:]:
        raise DataError(f"the {NAME} have shape {images.shape}, and new ones {rows.shape}")
    rows = rows > 127 if images.dtype == np.bool_ else rows.astype(images.dtype)
    return np.concatenate([images, rows])


def _is_image(one: object) -> bool:
    return isinstance(one, Image.Image) or (
        isinstance(one, np.ndarray) and one.ndim in (2, 3) and one.dtype.kind in "bfiu"
    )


def _arrays(images: Pictures) -> list[np.ndarray]:
    """Blocks n×H×W×C of images of one size."""
    if isinstance(images, np.ndarray):
        blocks = [images]
    else:
        blocks = [(pixels_of(i) if isinstance(i, Image.Image) else i)[None] for i in images]
    for block in blocks:
        if 0 in block.shape or (block.ndim == 4 and min(block.shape[1], block.shape[3]) > 4):
            raise DataError(
                f"the {NAME} have shape {block.shape}: n×H×W, n×H×W×C or n×C×H×W, C from 1 to 4"
            )
    return blocks


def _labels(labels: Any, n: int) -> np.ndarray:
    found = np.asarray(labels)
    if found.shape != (n,):
        raise DataError(f"the labels have shape {found.shape}; one for each of {n:,} {NAME}")
    return found.astype(str) if found.dtype.kind == "O" else found
