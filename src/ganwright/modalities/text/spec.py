"""The spec of a text."""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.base.errors import ModelError
from ganwright.base.spec import Spec
from ganwright.modalities.text.options import LONGEST, MOST_SYMBOLS

AXES = ("unit",)


@dataclass(frozen=True, kw_only=True)
class TextSpec(Spec):
    """A text is a sequence of at most `shape[0]` of `symbols` different symbols.

    Symbol 0 ends a text, 1 stands for unknown units. `windows` says that texts are pieces of running
    text, of which none ends.
    """

    symbols: int = 0
    windows: int = 0
    things = "texts"

    def check(self) -> None:
        super().check()
        if not 3 <= self.symbols <= MOST_SYMBOLS or not 1 <= self.size <= LONGEST:
            raise ModelError(f"model.json: impossible texts of {self.symbols:,} symbols")
