"""Views of a model: titled pictures, sounds or texts, on one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from markupsafe import Markup

from ganwright.report.templates import read, template

# How a page shows a file, by its suffix, and the file's type.
SHOWN = {
    ".png": ("picture", "image/png"),
    ".webp": ("picture", "image/webp"),
    ".gif": ("picture", "image/gif"),
    ".svg": ("picture", "image/svg+xml"),
    ".wav": ("sound", "audio/wav"),
    ".txt": ("text", "text/plain"),
}


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of a model: its title, what it says, and its files by name, as bytes.

    Files with a suffix in `SHOWN` stand on the page; others are named there.
    """

    title: str
    says: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class File:
    """A file as the page shows it: as a picture, a sound, a text, or by its name alone."""

    name: str
    kind: str
    content: str


def views_page(name: str, about: str, views: Sequence[View]) -> str:
    """The page, as HTML; `about` is a line on the model."""
    shown = [(view, [_file(n, data) for n, data in view.files.items()]) for view in views]
    page: str = template("views.html").render(
        css=Markup(read("page.css")), name=name, about=about, views=shown
    )
    return page


def _file(name: str, data: bytes) -> File:
    kind, type_ = SHOWN.get(PurePosixPath(name).suffix, ("other", ""))
    if kind == "text":
        return File(name, kind, data.decode("utf-8", "replace"))
    uri = f"data:{type_};base64,{base64.b64encode(data).decode()}" if type_ else ""
    return File(name, kind, uri)
