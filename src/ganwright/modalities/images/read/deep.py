"""Colour and alpha with 16 bits per channel, which Pillow would reduce to 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image

# What comes of the file → its channels.
DEEP = {"LA;16": 2, "RGB;16": 3, "RGBA;16": 4}
# Pillow's mode, and whether one colour is named as clear → what comes of the file.
DEEP_MODES = {
    ("I;16", True): "LA;16",
    ("LA", False): "LA;16",
    ("RGB", False): "RGB;16",
    ("RGB", True): "RGBA;16",
    ("RGBA", False): "RGBA;16",
}
DEEP_FORMATS = ("PNG", "TIFF")
_ORIENTATION = 0x0112
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}


class Undecoded(Exception):
    """The 16-bit decoder's result contradicts the file's header."""


def deep_pixels(image: Image.Image, file: BinaryIO, channels: int) -> np.ndarray:
    """The pixels of a PNG or TIFF that Pillow has opened: (height, width, channels) of uint16."""
    orientation = image.getexif().get(_ORIENTATION)  # asked first: loading a TIFF takes it away
    image.load()  # finds what is cut off or damaged
    orientation = orientation or image.getexif().get(_ORIENTATION, 1)
    file.seek(0)
    array = _decoded(file.read(), str(image.format))
    if array.dtype != np.uint16 or array.ndim != 3 or array.shape[2] != channels:
        raise Undecoded(f"decodes to {array.shape} of {array.dtype}, not to {channels} channels")
    return np.ascontiguousarray(_TURNS.get(orientation, lambda a: a)(array))


def _decoded(content: bytes, format: str) -> np.ndarray:  # noqa: A002
    import imagecodecs

    decode = imagecodecs.png_decode if format == "PNG" else imagecodecs.tiff_decode
    return np.asarray(decode(content))


def encode_png(array: np.ndarray) -> bytes:
    """(height, width, channels) of uint16 as a PNG of 16 bits a channel."""
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(array)))
