"""Arithmetic on one picture as an array (height, width, channels): channels, depth, size, hash.

The stored types are uint8, uint16 and float32. Channels are 1 grey, 2 grey+alpha, 3 RGB,
4 RGB+alpha; alpha runs from 0 to the type's white (255, 65535, 1.0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from PIL import Image

WHITE = {"uint8": 255, "uint16": 65535, "float32": 1.0}
_LUMA = (19595, 38470, 7471)  # ITU-R 601 in 1/65536, as Pillow has it


NEAREST = "-nearest"  # after the name of a fit: the nearest pixel, for numbers that can't be mixed


def has_alpha(channels: int) -> bool:
    return channels in (2, 4)


def convert_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """The picture with another number of channels.

    RGB becomes grey by ITU-R 601 luma, grey becomes RGB by repeating, missing alpha is opaque,
    and dropped alpha is composited over white.
    """
    had = array.shape[2]
    if had == channels:
        return array
    white = WHITE[array.dtype.name]
    colour, alpha = (array[:, :, :-1], array[:, :, -1:]) if has_alpha(had) else (array, None)
    if alpha is not None and not has_alpha(channels):
        colour = _over_white(colour, alpha, white)
    if colour.shape[2] == 3 and channels < 3:
        colour = _luma(colour)
    if colour.shape[2] == 1 and channels >= 3:
        colour = np.repeat(colour, 3, axis=2)
    if not has_alpha(channels):
        return colour
    opaque = np.full((*array.shape[:2], 1), white, array.dtype)
    return np.concatenate([colour, opaque if alpha is None else alpha], axis=2)


def _over_white(colour: np.ndarray, alpha: np.ndarray, white: float) -> np.ndarray:
    share = alpha / np.float64(white)
    return _back(colour * share + white * (1 - share), colour.dtype)


def _luma(colour: np.ndarray) -> np.ndarray:
    if colour.dtype.kind == "f":
        return (colour @ (np.array(_LUMA) / 65536))[:, :, None].astype(colour.dtype)
    total = colour.astype(np.uint64) @ np.array(_LUMA, np.uint64) + np.uint64(32768)
    return (total >> np.uint64(16))[:, :, None].astype(colour.dtype)


def _back(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    return np.rint(values).clip(0, WHITE[dtype.name]).astype(dtype)


def convert_depth(array: np.ndarray, dtype: str) -> np.ndarray:
    """The picture in a deeper type: 8 → 16 bit is ×257, integers → float are scaled to 0 … 1."""
    if array.dtype.name == dtype:
        return array
    if dtype == "float32":
        return array.astype(np.float32) / WHITE[array.dtype.name]
    return array.astype(np.uint16) * np.uint16(257)


def fit_to(array: np.ndarray, size: tuple[int, int], fit: str) -> np.ndarray:
    """The picture at `size` (height, width); untouched when it has that size already.

    Resizing is Pillow's antialiased filtering: Lanczos where neither side grows, bicubic where
    one does. Alpha is premultiplied. ``crop`` covers the size and cuts equally on both sides;
    ``pad`` fits inside and fills the rest with the mean of the picture's border (transparent
    where there is alpha); ``stretch`` ignores the aspect; ``cut`` takes the middle at the picture's own
    scale, where it is larger on both sides, else it is ``crop``. A fit that ends in `NEAREST` is for class
    numbers (h, w, 1): every pixel is one of the picture's, and ``pad`` is ``crop``.
    """
    if array.shape[:2] == size:
        return array
    fit, nearest = fit.removesuffix(NEAREST), fit.endswith(NEAREST)
    if fit == "pad" and not nearest:
        return _pad(array, size)
    height, width = array.shape[:2]
    box: tuple[float, ...] = (0.0, 0.0, width, height)
    if fit != "stretch":
        box = _centre_box(height, width, size, own_scale=fit == "cut")
    return _resize(array, size, box, Image.Resampling.NEAREST if nearest else None)


def _centre_box(
    height: int, width: int, size: tuple[int, int], *, own_scale: bool = False
) -> tuple[float, ...]:
    """Left, top, right and bottom of the middle; at its own scale, where the size allows that."""
    scale = min(height / size[0], width / size[1])
    if own_scale and scale > 1:
        first = ((width - size[1]) // 2, (height - size[0]) // 2)
        return (*first, first[0] + size[1], first[1] + size[0])
    used_height, used_width = size[0] * scale, size[1] * scale
    top, left = (height - used_height) / 2, (width - used_width) / 2
    return (left, top, min(left + used_width, width), min(top + used_height, height))


def _pad(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width, channels = array.shape
    inner, (top, left) = _within(height, width, size)
    small = _resize(array, inner, (0.0, 0.0, width, height)) if inner != (height, width) else array
    out = np.empty((*size, channels), array.dtype)
    out[:] = 0 if has_alpha(channels) else _border_mean(small)
    out[top : top + inner[0], left : left + inner[1]] = small
    return out


def _within(height: int, width: int, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The size that a picture has inside `size`, and where it begins."""
    scale = min(size[0] / height, size[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    return inner, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)


def fit_back(map_: np.ndarray, size: tuple[int, int], fit: str) -> np.ndarray:
    """A map (h, w) uint8 of a picture that `fit_to` made, at the picture's own `size`; 0 where it was cut."""
    height, width = size
    if map_.shape == size:
        return map_
    box: tuple[float, ...] = (0, 0, width, height)
    if fit in ("crop", "cut"):
        box = _centre_box(height, width, map_.shape, own_scale=fit == "cut")
    elif fit == "pad":
        inner, (top, left) = _within(height, width, map_.shape)
        map_ = map_[top : top + inner[0], left : left + inner[1]]
    left, top, right, bottom = map(round, box)
    out = Image.new("L", (width, height))
    inside = (max(1, right - left), max(1, bottom - top))
    out.paste(Image.fromarray(map_).resize(inside, Image.Resampling.BILINEAR), (left, top))
    return np.asarray(out)


def _border_mean(array: np.ndarray) -> np.ndarray:
    edges = [array[0], array[-1], array[:, 0], array[:, -1]]
    return _back(np.concatenate(edges).mean(axis=0, dtype=np.float64), array.dtype)


def _resize(
    array: np.ndarray,
    size: tuple[int, int],
    box: tuple[float, ...],
    filter_: Image.Resampling | None = None,
) -> np.ndarray:
    grows = size[0] > box[3] - box[1] or size[1] > box[2] - box[0]
    if filter_ is None:
        filter_ = Image.Resampling.BICUBIC if grows else Image.Resampling.LANCZOS

    def one(plane: np.ndarray) -> np.ndarray:
        # Pillow premultiplies LA and RGBA by itself.
        picture = Image.fromarray(plane)
        return np.asarray(picture.resize(size[::-1], filter_, box=box))  # type: ignore[arg-type]

    if array.dtype == np.uint8:
        return one(array[:, :, 0] if array.shape[2] == 1 else array).reshape(*size, -1)
    return _resize_deep(array, one)


def _resize_deep(array: np.ndarray, one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """16 bit and float go channel by channel through Pillow's float mode."""
    values = array.astype(np.float32)
    alpha = has_alpha(array.shape[2])
    if alpha:
        values[:, :, :-1] *= values[:, :, -1:] / WHITE[array.dtype.name]
    planes = [one(np.ascontiguousarray(values[:, :, c])) for c in range(values.shape[2])]
    small = np.stack(planes, axis=2)
    if alpha:
        share = small[:, :, -1:] / WHITE[array.dtype.name]
        small[:, :, :-1] = np.where(share > 1e-6, small[:, :, :-1] / np.maximum(share, 1e-6), 0)
    # The filters overshoot at edges: clipped to the image's own range.
    return _back(small.clip(array.min(axis=(0, 1)), array.max(axis=(0, 1))), array.dtype)


def least_channels(array: np.ndarray) -> np.ndarray:
    """The picture in the fewest channels that lose nothing: opaque alpha and equal colours go."""
    if has_alpha(array.shape[2]) and (array[:, :, -1] == WHITE[array.dtype.name]).all():
        array = array[:, :, :-1]
    if array.shape[2] >= 3 and (array[:, :, :1] == array[:, :, 1:3]).all():
        array = np.concatenate([array[:, :, :1], array[:, :, 3:]], axis=2)
    return array


def content_hash(array: np.ndarray) -> int:
    """A 64-bit hash of the image's content, the same in every lossless file format.

    Taken before resizing: 16-bit images with 8-bit content count as 8 bit, opaque alpha and equal colour
    channels as absent. The shape matters.
    """
    if array.dtype == np.uint16 and not (array % 257).any():
        array = (array // 257).astype(np.uint8)
    if array.dtype.kind == "f":
        array = array + np.float32(0)  # −0 is 0
    array = least_channels(array)
    head = f"{array.dtype.name} {array.shape}".encode()
    digest = hashlib.blake2b(head, digest_size=8)
    digest.update(np.ascontiguousarray(array).data)
    return int.from_bytes(digest.digest())
