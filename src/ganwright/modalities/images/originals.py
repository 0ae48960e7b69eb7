"""Picture files that are changed and written again as what they were: format, depth, profile, EXIF, alpha."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from ganwright.base.errors import DataError, message
from ganwright.modalities.images.read.deep import UNTURNS, encode_png, encode_tiff
from ganwright.modalities.images.read.pictures import read_head, read_pixels
from ganwright.modalities.images.read.source import SUFFIXES, Head, Unreadable

LOSSY = ("JPEG", "AVIF")  # every pixel changes a little when they are written
_ORIENTATION = 0x0112
_SAVED: dict[str, dict[str, Any]] = {  # Pillow's format → how it is written
    "PNG": {},
    "JPEG": {},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
    "PPM": {},
    "TGA": {},
    "JPEG2000": {"irreversible": False},
    "AVIF": {"quality": 95},
}


def files(given: Path) -> list[Path]:
    """The pictures at a path, relative to it: of a folder all below it, or the file itself.

    Raises DataError where there are none.
    """
    if given.is_file():
        return [Path(given.name)]
    if not given.is_dir():
        raise DataError(f"'{given}' does not exist; name a folder of pictures, or one")
    found = sorted(path for path in _below(given) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"'{given}' contains no pictures")
    return found


def _below(root: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(root)


def head(path: Path) -> Head:
    """The header of a file that can be read and written. Raises Unreadable."""
    with path.open("rb") as file:
        found = read_head(file)
        if (form := _format(file)) not in _SAVED:
            raise Unreadable(f"is {form}, which can't be written without loss; save it as PNG")
    return found


def pixels(path: Path) -> np.ndarray:
    """(height, width, channels), upright. Raises Unreadable."""
    with path.open("rb") as file:
        return read_pixels(file)


def _format(file: Any) -> str:
    file.seek(0)
    with Image.open(file) as image:
        return {"MPO": "JPEG", "DIB": "BMP"}.get(str(image.format), str(image.format))


@dataclass(frozen=True, kw_only=True)
class Original:
    """What a file is besides its pixels."""

    form: str
    orientation: int
    icc: bytes | None
    exif: Image.Exif
    grey: bool
    saving: dict[str, Any]

    @classmethod
    def of(cls, path: Path) -> Original:
        """Reads it. Raises Unreadable."""
        with path.open("rb") as file, Image.open(file) as image:
            exif = image.getexif()
            orientation = int(exif.get(_ORIENTATION, 1))
            saving = dict(_SAVED[form := _format(file)])
            if isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode in ("L", "RGB"):
                saving["qtables"] = image.quantization
                saving["subsampling"] = JpegImagePlugin.get_sampling(image)
            icc = None if image.mode in ("CMYK", "LAB") else image.info.get("icc_profile")
            grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")
            return cls(
                form=form, orientation=orientation, icc=icc, exif=exif, grey=grey, saving=saving
            )

    def write(self, array: np.ndarray, path: Path) -> None:
        """Writes upright pixels (h, w, c) in this file's form. Raises Unreadable where it can't."""
        turned = UNTURNS.get(self.orientation, lambda a: a)(array)
        deep = array.dtype == np.uint16 and array.shape[2] > 1
        icc = None if self.grey and array.shape[2] >= 3 else self.icc  # coloured: another space
        try:
            if deep and self.form == "PNG":
                path.write_bytes(encode_png(turned, icc, self.exif.tobytes() or None))
            elif deep and self.form == "TIFF":  # upright: it has no place for the orientation
                path.write_bytes(encode_tiff(array, icc))
            else:
                flat = turned[:, :, 0] if turned.shape[2] == 1 else turned
                image = Image.fromarray(np.ascontiguousarray(flat))
                image.save(path, self.form, icc_profile=icc, **self._told(), **self.saving)
        except (ValueError, KeyError, ImportError, AttributeError, SystemError) as error:
            what = f"{array.shape[2]} channels of {array.dtype}"
            raise Unreadable(f"is {self.form}, which can't hold {what} ({error})") from None

    def _told(self) -> dict[str, Any]:
        if self.form == "TIFF":
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[_ORIENTATION] = self.orientation
            return {"tiffinfo": tags}
        return {"exif": self.exif.tobytes()} if len(self.exif) else {}


def mask_for(masks: Path, name: Path) -> Path:
    """The mask of the picture with that relative name: the only one, or the one of its name.

    Raises DataError where a folder of masks has none.
    """
    if masks.is_file():
        return masks
    if not masks.is_dir():
        raise DataError(f"--mask: '{masks}' does not exist")
    folder = masks / name.parent
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    wanted = (name.name, name.name, name.stem)  # a.tif, a.tif.png, a.png
    known = [
        p
        for own, of in zip(wanted, ("name", "stem", "stem"), strict=True)
        for p in there
        if getattr(p, of) == own and p.suffix.lower() in SUFFIXES
    ]
    if not known:
        names = [str(p.with_suffix("")) for p in files(masks)]
        problem = f"'{masks}' has no mask for '{name}'"
        raise DataError(message("--mask", problem, allowed=names[:6], got=name.stem))
    return known[0]


def mask(path: Path) -> np.ndarray:
    """True (h, w) where the mask is white, or not transparent if it has alpha alone. Raises Unreadable."""
    array = pixels(path)
    half: float = {"uint8": 128, "uint16": 32768}.get(array.dtype.name, 0.5)
    found: np.ndarray = array[:, :, : 1 if array.shape[2] < 3 else 3].max(2) >= half
    return found
