"""Data frames, known by their type: none of the libraries is imported for it."""

from __future__ import annotations

from typing import Any, TypeAlias

Frame: TypeAlias = Any  # a DataFrame of pandas or polars, or a pyarrow Table


def is_frame(given: Any) -> bool:
    """Whether it is a DataFrame of pandas or polars, or a table of pyarrow, none of them imported."""
    room = type(given).__module__.partition(".")[0]
    kinds = {"pandas": ("DataFrame",), "polars": ("DataFrame", "LazyFrame"), "pyarrow": ("Table",)}
    return any(base.__name__ in kinds.get(room, ()) for base in type(given).__mro__)
