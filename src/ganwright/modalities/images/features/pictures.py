"""From stored images to an extractor's input: checked, with alpha composited over white."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganwright.base.errors import DataError
from ganwright.evaluate.extractor import in_batches
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.pixels import WHITE

LEAST_SIDE = 4  # pixels that a network learns something from
RGB_RULE = (
    "8-bit RGB: the stored range becomes 0 … 255, rounded; grey is repeated; alpha goes over white"
)
PLANES_RULE = (
    "the stored range becomes -1 … 1; colour goes over white by alpha, which stays a channel"
)


def checked(pictures: np.ndarray, codec: ImageCodec) -> np.ndarray:
    """The pictures, if they are (n, H, W, C) of the codec's size and type, and finite.

    Raises DataError that says what was expected and what came.
    """
    pictures = np.asarray(pictures)
    shape = (codec.height, codec.width, codec.channels)
    if pictures.ndim != 4 or pictures.shape[1:] != shape or pictures.dtype != codec.dtype:
        wanted = f"(n, {', '.join(str(size) for size in shape)}) {codec.dtype}"
        raise DataError(f"pictures: need {wanted}; got {pictures.shape} {pictures.dtype}")
    if pictures.dtype.kind == "f" and len(pictures):
        # Picture by picture: sums would overflow, and a copy would double the memory.
        bad = [i for i, picture in enumerate(pictures) if not np.isfinite(picture).all()]
        if bad:
            raise DataError(
                f"pictures: {len(bad)} of {len(pictures)} have NaN or infinite values; "
                f"the first is number {bad[0]}"
            )
    return pictures


def batches(parts: Iterable[np.ndarray], codec: ImageCodec, size: int) -> Iterator[np.ndarray]:
    """The pictures of all parts in batches of `size`; the last may be smaller."""
    return in_batches((checked(part, codec) for part in parts), size)


def rgb_rule(codec: ImageCodec) -> str:
    """`RGB_RULE`, with the range where the type does not fix it."""
    if codec.dtype != "float32" and (codec.low, codec.high) == (0, WHITE[codec.dtype]):
        return RGB_RULE
    return f"{RGB_RULE} (stored range {codec.low!r} … {codec.high!r})"


def rgb(pictures: np.ndarray, codec: ImageCodec) -> np.ndarray:
    """Stored (n, H, W, C) → uint8 (n, H, W, 3), by `RGB_RULE`; as the FID literature does."""
    if not len(pictures):
        return np.empty((0, codec.height, codec.width, 3), np.uint8)
    shown = codec.shown(pictures)
    return np.repeat(shown, 3, axis=3) if shown.shape[3] == 1 else shown


def planes(pictures: np.ndarray, codec: ImageCodec, longest: int) -> Tensor:
    """Stored (n, H, W, C) → float32 (n, C, h, w), by `PLANES_RULE`.

    Pictures with a side longer than `longest` are made smaller by averaging areas.
    """
    x = codec.encode(torch.from_numpy(np.require(pictures, requirements=["C", "W"]))).clamp(-1, 1)
    if codec.channels in (2, 4):
        alpha = x[:, -1:]
        share = (alpha + 1) / 2
        x = torch.cat([x[:, :-1] * share + (1 - share), alpha], 1)
    height, width = small_size(codec, longest)
    return (
        x if (height, width) == x.shape[2:] else functional.adaptive_avg_pool2d(x, (height, width))
    )


def small_size(codec: ImageCodec, longest: int) -> tuple[int, int]:
    """Height and width of what `planes` gives."""
    scale = min(1.0, longest / max(codec.height, codec.width))
    return max(1, round(codec.height * scale)), max(1, round(codec.width * scale))
