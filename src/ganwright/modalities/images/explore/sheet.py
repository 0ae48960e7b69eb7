"""Grids of images with named rows and columns, and moving ones."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganwright.modalities.images.codec import ImageCodec

SIDE = 48  # pixels that a small image is enlarged to, about
PAPER, INK, SIZE, MARGIN = 255, 90, 12, 6


def sheet(
    codec: ImageCodec,
    images: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str] = (),
    *,
    side: int = SIDE,
) -> Image.Image:
    """Images (rows · columns, H, W, C) as stored, side by side, with names beside rows and above columns.

    Small ones are enlarged by a whole number to about `side` pixels.
    """
    across, scale = len(images) // len(rows), max(1, -(-side // max(codec.height, codec.width)))
    grid = codec.grid(images, across, scale)
    font = ImageFont.load_default(SIZE)
    left = max(round(font.getlength(name)) + 2 * MARGIN if name else 0 for name in rows)
    top = SIZE + MARGIN if columns else 0
    page = Image.new(grid.mode, (left + grid.width, top + grid.height), _grey(grid, PAPER))
    page.paste(grid, (left, top))
    draw = ImageDraw.Draw(page)
    for i, name in enumerate(rows):
        y = top + (i + 0.5) * grid.height / len(rows)
        draw.text((left - MARGIN, y), name, _grey(grid, INK), font, anchor="rm")
    for i, name in enumerate(columns):
        x = left + (i + 0.5) * grid.width / across
        draw.text((x, top), name, _grey(grid, INK), font, anchor="md")
    return page


def _grey(picture: Image.Image, value: int) -> int | tuple[int, int, int]:
    return value if picture.mode == "L" else (value, value, value)


def png(picture: Image.Image) -> bytes:
    """A PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def webp(frames: Sequence[Image.Image], milliseconds: int) -> bytes:
    """An animated WebP file that runs for ever."""
    buffer = io.BytesIO()
    first, *others = frames
    first.save(
        buffer, format="WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0,
        quality=85,
    )  # fmt: skip
    return buffer.getvalue()
