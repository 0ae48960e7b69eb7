"""Translating examples of one kind to another, with a model that learned it from pairs or from two sets.

A translation is one plausible answer: what the given example does not determine is made up. How a
modality reads, translates and writes is its part `translate`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, cast

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.model import Model
from ganwright.uses.restore import Redo, redone


class TranslatePart(Redo, Protocol):
    """What is asked of a modality's part `translate`."""

    def check(self, model: Model) -> None:
        """Raises OptionError where the model is no translator."""

    def translation(self, model: Model, *, seed: int) -> Any:
        """The model as a function of an array."""


def translate(
    model: Model,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> Any:
    """Examples translated: files written to the new folder `out`, or those in memory given back.

    Raises OptionError, DataError.
    """
    part = part_of(model)
    part.check(model)
    return redone(part, part.translation(model, seed=seed), data, out=out, say=say)


def part_of(model: Model) -> TranslatePart:
    """How a model's modality translates. Raises OptionError where it doesn't."""
    kind = modality(model.codec.kind)
    if not kind.has("translate"):
        raise OptionError(f"translate: there is no translating of {model.spec.things}")
    return cast(TranslatePart, kind.part("translate"))
