"""Explicit tables of named things; unknown names get a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from ganwright.base.errors import UnknownName, message

T = TypeVar("T")


class Names(Mapping[str, T], Generic[T]):
    """A read-only table from name to thing; an unknown name is an error that names the nearest.

    >>> Names("loss", {"hinge": 1})["hing"]
    Traceback (most recent call last):
    ...
    ganwright.base.errors.UnknownName: unknown loss 'hing'; allowed: hinge. Did you mean 'hinge'?
    """

    def __init__(self, kind: str, rows: Mapping[str, T]) -> None:
        self.kind = kind
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> T:
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            problem = f"unknown {self.kind} {name!r}"
            raise UnknownName(message("", problem, allowed=self._rows, got=name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
