"""Pictures inside a page: data URIs within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import escape
from PIL import Image

LARGEST_SIDE = 1400  # pixels; more is not visible on the page
LEAST_SIDE = 64


@dataclass(frozen=True)
class Inline:
    """An image in a page; `alt` describes it for those who can't see it."""

    uri: str
    width: int
    height: int
    alt: str

    def __html__(self) -> str:
        """The picture where a template names it."""
        return f'<img src="{self.uri}" width="{self.width}" height="{self.height}" alt="{escape(self.alt)}">'


def inline(picture: Image.Image, alt: str, *, most: int) -> Inline:
    """A PNG; where that takes more than `most` bytes (photographs), a JPEG, and smaller at last."""
    picture = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    kind, data = "png", _encoded(picture, "PNG", optimize=True)
    while len(data) > most and (kind == "png" or min(picture.size) > LEAST_SIDE):
        if kind == "jpeg":
            size = (picture.width * 4 // 5, picture.height * 4 // 5)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        kind, data = "jpeg", _encoded(picture, "JPEG", quality=85, optimize=True)
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Inline(uri, *picture.size, alt)


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()


def read(path: Path) -> Image.Image | None:
    """A picture on disk; None when it can't be read."""
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
