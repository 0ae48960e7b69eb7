"""Growing data: rare classes up to the frequent one, or more of the same kind.

What is made is conditioned on its class, not drawn until the class comes up, and marked as
synthetic. How a modality reads, makes and writes examples is its part `grow`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.model import Model

MARK = "synthetic"
Class = Any  # a class as the modality names it to itself


class Growth(Protocol):
    """Data of one modality that is to grow, read in the model's form."""

    n: int  # examples there are

    def counts(self, balance: str | None) -> Sequence[tuple[Class, int]]:
        """The classes that `balance` names, or those that shares are kept of, and how often each is."""

    def make(self, wanted: Sequence[tuple[Class, int]], seed: int) -> Mapping[str, int]:
        """Makes so many of each class; how many, by the class's name ("" for any)."""

    def joined(self, mark: str) -> Any:
        """What was given and what was made, in the form that it was given in."""

    def write(self, out: Path, mark: str) -> None:
        """The same as a file or folder, whole or not at all."""

    @property
    def dropped(self) -> Mapping[str, Mapping[str, int]]:
        """How many examples were made and left out, by class and reason."""

    @property
    def notes(self) -> Sequence[str]:
        """What is to be known of it."""


class GrowPart(Protocol):
    """What is asked of a modality's part `grow`."""

    THINGS: str  # what examples are called

    def growth(self, model: Model, data: Any, out: Path | None) -> Growth:
        """Data read to be grown; `out`, where it will be written, is checked before any work."""

    def default_out(self, data: Path) -> Path:
        """Where it is written if nobody says."""


@dataclass(frozen=True)
class Grown:
    """What was written: how many examples there were, and how many of which class were made."""

    path: Path
    given: int
    made: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, int]]
    notes: Sequence[str]


def grow_of(model: Model) -> GrowPart:
    """How a model's kind of examples grows. Raises OptionError where there is no such thing."""
    model.must_make_new()
    own = modality(model.codec.kind)
    if not own.has("grow"):
        raise OptionError(f"augment: there is no augmenting of {model.spec.things}")
    return cast(GrowPart, own.part("grow"))


def augment(
    model: Model,
    data: Any,
    *,
    balance: str | None = None,
    ratio: float = 1.0,
    n: int | None = None,
    mark: str = MARK,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
) -> Any:
    """The examples of `data` and new ones, marked by `mark`: in memory, or written to `out`.

    With `balance` classes grow to `ratio` of the largest; otherwise `n` examples are added. Returns
    what was given, grown, or with `out` a `Grown`. Raises OptionError, DataError, WorkError.
    """
    part = grow_of(model)
    _check(balance, ratio, n)
    target = None if out is None else Path(out)
    growth = part.growth(model, data, target)
    counts = growth.counts(balance)
    wanted = _missing(counts, ratio) if n is None else _shared(counts, n)
    made = growth.make(wanted, seed)
    if target is None:
        return growth.joined(mark)
    growth.write(target, mark)
    return Grown(target, growth.n, made, growth.dropped, growth.notes)


def _check(balance: str | None, ratio: float, n: int | None) -> None:
    if (balance is None) == (n is None):
        raise OptionError(
            "augment: needs one of balance (a column; of images label) and n (how many to add)"
        )
    if n is not None and n < 1:
        raise OptionError(f"n: must be at least 1; got {n}")
    if not 0 < ratio <= 1:
        raise OptionError(f"ratio: must lie above 0 and be at most 1; got {ratio:g}")


def _missing(counts: Sequence[tuple[Class, int]], ratio: float) -> list[tuple[Class, int]]:
    """How many each class lacks of `ratio` of the largest."""
    least = math.ceil(ratio * max(count for _, count in counts))
    return [(own, least - count) for own, count in counts if count < least]


def _shared(counts: Sequence[tuple[Class, int]], n: int) -> list[tuple[Class, int]]:
    """`n` in the shares of the classes."""
    total, passed, given, found = sum(count for _, count in counts), 0, 0, []
    for own, count in counts:
        passed += count
        more = round(n * passed / total) - given if passed < total else n - given
        given += more
        found.append((own, more))
    return [(own, more) for own, more in found if more]
