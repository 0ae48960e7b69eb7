"""Grids of images side by side with captions, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, SOFT = "#ffffff", "#1c2126", "#5a646e"
GAP, LINE = 24, 26
Captioned = tuple[str, str, Image.Image]  # heading, what is said below it, picture


def panel(columns: Sequence[Captioned], out: Path, *, height: int = 420) -> None:
    """One row of pictures of the same height, each under its heading."""
    rows([columns], out, height=height)


def rows(table: Sequence[Sequence[Captioned]], out: Path, *, height: int = 420) -> None:
    """Rows of pictures; cells of a column are as wide as its widest."""
    bold, small = font(19), font(15)
    scaled = [
        [(head, says, sized(picture, height)) for head, says, picture in row] for row in table
    ]
    count = max(map(len, scaled))
    widths = [max(row[i][2].width if i < len(row) else 0 for row in scaled) for i in range(count)]
    tall = [
        height + LINE * (bool(any(c[0] for c in row)) + bool(any(c[1] for c in row)))
        for row in scaled
    ]
    sheet = Image.new(
        "RGB", (sum(widths) + GAP * (count + 1), sum(tall) + GAP * (len(tall) + 1)), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for row, full in zip(scaled, tall, strict=True):
        x, top = GAP, y + full - height
        for (head, says, picture), width in zip(row, widths, strict=False):
            draw.text((x, y - 4), head, fill=INK, font=bold)
            if says:
                draw.text((x, top - LINE), says, fill=SOFT, font=small)
            sheet.paste(picture, (x, top))
            x += width + GAP
        y += full + GAP
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, optimize=True)


def sized(picture: Image.Image, height: int) -> Image.Image:
    """Of that height: enlarged by whole numbers where that fits, so that pixels stay pixels."""
    width = round(picture.width * height / picture.height)
    how = Image.Resampling.LANCZOS if height < picture.height else Image.Resampling.NEAREST
    return picture.convert("RGB").resize((width, height), how)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
