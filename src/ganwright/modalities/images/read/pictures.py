"""One image file: its header and pixels, in any mode; safe for untrusted files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from ganwright.modalities.images.read.deep import (
    DEEP,
    DEEP_FORMATS,
    DEEP_MODES,
    Undecoded,
    deep_pixels,
)
from ganwright.modalities.images.read.source import Head, Unreadable, check_finite

# Pillow supports more, but some formats start other programs (EPS: Ghostscript).
_FORMATS = [
    "PNG",
    "JPEG",
    "MPO",
    "BMP",
    "DIB",
    "GIF",
    "TIFF",
    "WEBP",
    "PPM",
    "TGA",
    "JPEG2000",
    "AVIF",
    "ICO",
]
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


@contextmanager
def decoding() -> Iterator[None]:
    """Wraps all decoding: decompression bombs are errors, and Pillow's warnings are silenced.

    Warning filters are global to the process, so this is entered once, outside the threads.
    """
    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_head(file: BinaryIO) -> Head:
    """The header of an image file, without decoding it. Raises Unreadable."""
    with _opened(file) as image:
        mode, (width, height) = _target_mode(image), _stored_size(image)
        # Pillow would decode a whole PNG to look for EXIF at its end.
        known = image.format != "PNG" or "exif" in image.info
        if known and image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        channels, dtype = _KINDS[mode]
        reduced = dtype == "uint8" and _bits(image) > 8
    return Head(height, width, channels, dtype, reduced)


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before EXIF orientation, which Pillow has applied to a TIFF's size."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def read_pixels(file: BinaryIO) -> np.ndarray:
    """The pixels of a picture file: (height, width, channels) of uint8, uint16 or float32.

    EXIF orientation is applied, palettes are resolved, CMYK and the like become RGB, one bit
    becomes 0 and 255. Of several frames the first counts. Raises Unreadable.
    """
    with _opened(file) as image:
        mode = _target_mode(image)
        if mode in DEEP:
            array = deep_pixels(image, file, DEEP[mode])
        else:
            image.load()
            array = pixels_of(image, mode)
    array = array.reshape(*array.shape[:2], -1)
    check_finite(array)
    return array


def pixels_of(image: Image.Image, mode: str | None = None) -> np.ndarray:
    """The same of a decoded image, as Pillow holds it: (height, width, channels), or without the last."""
    turned = ImageOps.exif_transpose(image)
    mode = _target_mode(turned) if mode is None else mode
    deep = mode in ("F", "I;16")
    return _deep(turned, mode) if deep else np.asarray(_converted(turned, mode))


_KINDS = {
    "L": (1, "uint8"),
    "LA": (2, "uint8"),
    "RGB": (3, "uint8"),
    "RGBA": (4, "uint8"),
    "I;16": (1, "uint16"),
    "F": (1, "float32"),
    **{mode: (channels, "uint16") for mode, channels in DEEP.items()},
}


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    """Opens with Pillow and turns whatever it raises on a bad file into Unreadable."""
    try:
        with Image.open(file, formats=[f for f in _FORMATS if f in Image.OPEN]) as image:
            yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable(f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Image.UnidentifiedImageError:
        empty = file.seek(0, 2) == 0
        raise Unreadable("is empty" if empty else "can't be read as a picture") from None
    except (Unreadable, Undecoded) as error:
        raise Unreadable(str(error)) from None
    # On foreign bytes, decoders may raise anything (struct.error, zlib.error, IndexError, …).
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise Unreadable(f"can't be decoded: {reason}") from None


def _raw(image: Image.Image) -> Any:
    """The raw mode of the file, as told to the decoder."""
    tile = getattr(image, "tile", None)
    return tile[0].args if tile else ""


def _bits(image: Image.Image) -> int:
    """How many bits a channel the file has; Pillow brings colour of more than 8 down to 8."""
    args = _raw(image)
    raw, *rest = args if isinstance(args, tuple) else (args,)
    if ";16" in str(raw) or (image.format == "PPM" and rest and rest[0] > 255):
        return 16
    return 8


def _target_mode(image: Image.Image) -> str:
    if image.format in DEEP_FORMATS and _bits(image) > 8:
        mode = DEEP_MODES.get((image.mode, "transparency" in image.info))
        if mode is not None:
            return "LA;16" if _raw(image) == "LA;16B" else mode
    mode = image.mode
    if mode in ("L", "LA", "RGB", "RGBA", "F"):
        clear = "transparency" in image.info
        return {"L": "LA", "RGB": "RGBA"}.get(mode, mode) if clear else mode
    if mode.startswith("I;16"):
        return "I;16"
    if mode == "I":  # 32 bit, but PNG and PGM hold 16
        return "I;16" if image.format in ("PNG", "PPM") else "F"
    if mode == "1":
        return "L"
    if mode == "P":
        return ("L" if _grey_palette(image) else "RGB") + "A" * ("transparency" in image.info)
    return {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if (
        image.mode == "P" and mode == "LA"
    ):  # Pillow has no direct conversion that keeps transparency
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _deep(image: Image.Image, mode: str) -> np.ndarray:
    array = np.asarray(image)
    if mode == "F":
        return array.astype(np.float32)
    if array.dtype.kind == "i" and (array.min() < 0 or array.max() > 65535):
        raise Unreadable("has values outside 0 … 65535")
    return array.astype(np.uint16)
