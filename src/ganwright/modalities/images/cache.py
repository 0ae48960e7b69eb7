"""Images decoded once, at one size, then mapped from the cache folder.

<cache>/data/<source>/survey.npz           what every example is before decoding
<cache>/data/<source>/<plan>/rows.npy      n × height × width × channels, as stored
<cache>/data/<source>/<plan>/index.npz     which examples, their hashes, what was unreadable
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ganwright.base.ahead import ahead
from ganwright.data import cache
from ganwright.modalities.images.pixels import (
    content_hash,
    convert_channels,
    convert_depth,
    fit_to,
    least_channels,
)
from ganwright.modalities.images.read.pictures import decoding
from ganwright.modalities.images.read.source import ImageSource, Reader, Unreadable

T = TypeVar("T")


@dataclass(frozen=True)
class Survey:
    """Headers of all examples, (n,) each; empty for those in `bad`, which can't be read."""

    heights: np.ndarray
    widths: np.ndarray
    channels: np.ndarray
    dtypes: np.ndarray
    reduced: np.ndarray
    bad: np.ndarray
    reasons: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        return self.channels > 0


@dataclass(frozen=True)
class Plan:
    """What every example becomes."""

    height: int
    width: int
    channels: int
    dtype: str
    fit: str


@dataclass(frozen=True)
class Rows:
    """Decoded examples: `pixels` (n, H, W, C), mapped; `kept` (n,) their numbers in the source.

    `hashes` (n,) uint64; `bad` and `reasons` name what could not be decoded; `extremes` (n, 2)
    are least and largest value of each; `least` (n,) are the channels that its content needs.
    """

    pixels: np.ndarray
    kept: np.ndarray
    hashes: np.ndarray
    bad: np.ndarray
    reasons: np.ndarray
    extremes: np.ndarray
    least: np.ndarray


def survey(source: ImageSource) -> Survey:
    """Reads the headers of all examples, or what an earlier call found."""
    if source.identity is None:
        return _surveyed(source)
    path = cache.folder_of(source.kind, source.identity) / "survey.npz"
    with suppress(*cache.DAMAGED):
        found = Survey(**cache.load_npz(path))
        if len(found.heights) == source.count:
            return found
    found = _surveyed(source)
    with cache.room_for(path.parent), cache.making(path.parent) as aside:
        np.savez(aside / path.name, **vars(found))
        (aside / path.name).replace(path)
    return found


def _surveyed(source: ImageSource) -> Survey:
    with decoding(), source.opened() as reader:
        heads = list(_in_order(lambda i: _attempt(reader.head, i), range(source.count)))
    reasons = {i: h for i, h in enumerate(heads) if isinstance(h, str)}
    good = [None if isinstance(h, str) else h for h in heads]
    return Survey(
        np.array([h.height if h else 0 for h in good], np.int64),
        np.array([h.width if h else 0 for h in good], np.int64),
        np.array([h.channels if h else 0 for h in good], np.int64),
        np.array([h.dtype if h else "" for h in good], "U8"),
        np.array([h.reduced if h else False for h in good], bool),
        np.array(list(reasons), np.int64),
        np.array(list(reasons.values()), np.str_),
    )


def rows(source: ImageSource, found: Survey, plan: Plan) -> Rows:
    """The decoded examples, or what an earlier call decoded; of images in memory nothing is kept."""
    if source.identity is None:
        with tempfile.TemporaryDirectory(prefix="ganwright-") as aside:
            _decode(source, found, plan, Path(aside))
            made = _open(Path(aside), plan)
            return replace(made, pixels=np.array(made.pixels))
    folder = cache.folder_of(source.kind, source.identity) / cache.key_of(vars(plan))
    with suppress(*cache.DAMAGED):
        return _open(folder, plan)
    with cache.room_for(folder.parent), cache.making(folder.parent) as aside:
        _decode(source, found, plan, aside)
        return _open(_publish(aside, folder, plan), plan)


def _attempt(read: Callable[[int], T], index: int) -> T | str:
    try:
        return read(index)
    except Unreadable as error:
        return str(error)


# --- decoding ----------------------------------------------------------------------------------


def _decode(source: ImageSource, found: Survey, plan: Plan, aside: Path) -> None:
    todo = np.flatnonzero(found.usable)
    kept, hashes, extremes, least, bad, reasons = [], [], [], [], [], []
    shape = (plan.height, plan.width, plan.channels)
    with decoding(), source.opened() as reader, (aside / "rows.npy").open("wb") as file:
        cache.write_header(file, (0, *shape), plan.dtype)
        example = _example(reader, plan)
        for index, result in zip(
            todo, _in_order(lambda i: _attempt(example, i), todo), strict=True
        ):
            if isinstance(result, str):
                bad.append(index)
                reasons.append(result)
                continue
            row, content, channels = result
            file.write(row.tobytes())
            kept.append(index)
            hashes.append(content)
            extremes.append((row.min(), row.max()))
            least.append(channels)
        cache.write_header(file, (len(kept), *shape), plan.dtype)
    np.savez(
        aside / "index.npz",
        kept=np.array(kept, np.int64),
        hashes=np.array(hashes, np.uint64),
        bad=np.array(bad, np.int64),
        reasons=np.array(reasons, np.str_),
        extremes=np.array(extremes, np.float32).reshape(-1, 2),
        least=np.array(least, np.int64),
    )


def _example(reader: Reader, plan: Plan) -> Callable[[int], tuple[np.ndarray, int, int]]:
    def example(index: int) -> tuple[np.ndarray, int, int]:
        native = reader.read(index)
        row = convert_depth(convert_channels(native, plan.channels), plan.dtype)
        fitted = fit_to(row, (plan.height, plan.width), plan.fit)
        return fitted, content_hash(native), least_channels(native).shape[2]

    return example


def _in_order(function: Callable[[int], T], items: Iterable[int]) -> Iterator[T]:
    """Results in the order of `items`, from a few threads, a bounded number ahead."""
    workers = _threads()
    return ahead(function, map(int, items), workers if workers > 1 else 0)


def _threads() -> int:
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(wish)) if wish.isdigit() else min(16, os.cpu_count() or 1)


def _open(folder: Path, plan: Plan) -> Rows:
    """Raises one of DAMAGED when the folder is not there or not whole."""
    index = cache.load_npz(folder / "index.npz")
    shape = (len(index["kept"]), plan.height, plan.width, plan.channels)
    if shape[0] == 0:  # an empty array can't be mapped
        return Rows(np.empty(shape, plan.dtype), **index)
    pixels = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
    if pixels.shape != shape or pixels.dtype != plan.dtype or len(index["hashes"]) != shape[0]:
        raise ValueError("not what was planned")
    return Rows(pixels.view(np.ndarray), **index)


def _publish(aside: Path, folder: Path, plan: Plan) -> Path:
    return cache.publish(aside, folder, lambda: _open(folder, plan))
