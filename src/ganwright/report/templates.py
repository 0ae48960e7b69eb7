"""Templates and styles: those of this package, and those in a modality's own folder."""

from __future__ import annotations

from functools import cache, partial
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from ganwright.report.charts import shown

ROOM = "ganwright.report"


def read(name: str, package: str = ROOM) -> str:
    """The text of a file that lies in a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _found(package: str, name: str) -> str:
    """The given package's file, else this package's."""
    own = resources.files(package).joinpath(name)
    return read(name, package if own.is_file() else ROOM)


@cache
def template(name: str, package: str = ROOM) -> Any:
    """A template of a package; it may import this package's, such as `parts.html`."""
    environment = Environment(
        loader=FunctionLoader(partial(_found, package)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    return environment.get_template(name)
