"""Colour and alpha with 16 bits per channel, which Pillow would reduce to 8."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image

# Result of decoding → its channels.
DEEP = {"LA;16": 2, "RGB;16": 3, "RGBA;16": 4}
# Pillow's mode, and whether one colour is transparent → result of decoding.
DEEP_MODES = {
    ("I;16", True): "LA;16",
    ("LA", False): "LA;16",
    ("RGB", False): "RGB;16",
    ("RGB", True): "RGBA;16",
    ("RGBA", False): "RGBA;16",
}
DEEP_FORMATS = ("PNG", "TIFF")
_ORIENTATION = 0x0112
_HEADER = 33  # bytes of a PNG before other chunks may come: signature and IHDR
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}
UNTURNS = {**TURNS, 6: TURNS[8], 8: TURNS[6]}  # back again; the others are their own inverse


class Undecoded(Exception):
    """The 16-bit decoder's result contradicts the file's header."""


def deep_pixels(image: Image.Image, file: BinaryIO, channels: int) -> np.ndarray:
    """The pixels of a PNG or TIFF that Pillow has opened: (height, width, channels) of uint16."""
    orientation = image.getexif().get(_ORIENTATION)  # asked first: loading a TIFF takes it away
    image.load()  # finds truncated or damaged files
    orientation = orientation or image.getexif().get(_ORIENTATION, 1)
    file.seek(0)
    array = _decoded(file.read(), str(image.format))
    if array.dtype != np.uint16 or array.ndim != 3 or array.shape[2] != channels:
        raise Undecoded(f"decodes to {array.shape} of {array.dtype}, not to {channels} channels")
    return np.ascontiguousarray(TURNS.get(orientation, lambda a: a)(array))


def _decoded(content: bytes, format: str) -> np.ndarray:  # noqa: A002
    import imagecodecs

    decode = imagecodecs.png_decode if format == "PNG" else imagecodecs.tiff_decode
    return np.asarray(decode(content))


def encode_png(array: np.ndarray, icc: bytes | None = None, exif: bytes | None = None) -> bytes:
    """(height, width, channels) of uint16 as a PNG of 16 bits a channel, with profile and EXIF."""
    import imagecodecs

    content = bytes(imagecodecs.png_encode(np.ascontiguousarray(array)))
    more = b"" if icc is None else _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    more += b"" if exif is None else _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return content[:_HEADER] + more + content[_HEADER:]


def encode_tiff(array: np.ndarray, icc: bytes | None = None) -> bytes:
    """The same as a TIFF."""
    import imagecodecs

    return bytes(imagecodecs.tiff_encode(np.ascontiguousarray(array), iccprofile=icc))


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
