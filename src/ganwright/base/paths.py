"""File names that are not UTF-8 or would break a line: their readable form and the one on disk."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def readable(paths: Sequence[str]) -> list[str]:
    """Paths as text for people: names that are not UTF-8 read as Windows-1252, distinct ones distinct.

    Python keeps the bytes of such names as lone surrogates, which no file or terminal accepts. Characters
    that would break a line are escaped.
    """
    parts = {part for path in paths for part in path.split("/")}
    odd = sorted(part for part in parts if _is_odd(part))
    if not odd:
        return list(paths)
    taken, shown = parts - set(odd), {}
    for part in odd:
        raw = os.fsencode(part)
        name = raw.decode("utf-8", "backslashreplace")
        if not _is_text(part):
            western = raw.decode("cp1252", "backslashreplace")
            name = name if western in taken or any(map(_breaks, western)) else western
        name = "".join(ascii(c)[1:-1] if _breaks(c) else c for c in name)
        while name in taken:
            name += "_"
        taken.add(name)
        shown[part] = name
    return ["/".join(shown.get(part, part) for part in path.split("/")) for path in paths]


def as_stored(path: Path) -> Path:
    """The path as it lies on disk, where it was given as people read it (`readable`)."""
    if os.path.lexists(path) or path.parent == path:
        return path
    parent = as_stored(path.parent)
    with suppress(OSError):
        names = sorted(entry.name for entry in parent.iterdir())
        shown = readable(names)
        if path.name in shown:
            return parent / names[shown.index(path.name)]
    return path


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to read. Raises OSError for a pipe or device, which may block or never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return path.open("rb")


def _is_odd(name: str) -> bool:
    return not _is_text(name) or any(map(_breaks, name))


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def file_identity(*paths: Path) -> list[Any]:
    """Plain JSON that changes when one of the files does."""
    return [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
