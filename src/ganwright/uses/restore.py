"""Repairing examples: noise, blur, holes, missing pixels or colour, with a model trained for it.

A generative model gives one plausible answer, not the truth: what the damage has destroyed is drawn from
what the training data look like. How a modality reads, repairs and writes is its part `restore`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ganwright.base.errors import OptionError, UsageError
from ganwright.base.modality import modality
from ganwright.base.runs import replacing
from ganwright.data.folders import check_new
from ganwright.model import Model

MOST_DRAWS = 1000


class Files(Protocol):
    """Files that were found fit to be repaired."""

    @property
    def names(self) -> Sequence[Path]:
        """Those that were, relative to where they are."""

    @property
    def notes(self) -> Iterable[str]:
        """What was left out, and what else is to be known."""

    def write(self, out: Path, draws: int, say: Callable[[str], None]) -> None:
        """Writes each result below `out` under its own name."""


class Redo(Protocol):
    """How a modality reads what is to be changed, and gives it back."""

    def read(self, given: Path, mask: Path | None, work: Any) -> Files:
        """The files at a path. Raises DataError."""

    def arrays(self, given: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """Examples in memory, and what gives results the form that they came in. Raises DataError."""


class RestorePart(Redo, Protocol):
    """What is asked of a modality's part `restore`."""

    def check(self, model: Model, *, mask: bool, scale: int | None) -> None:
        """Raises UsageError where the model or the options are of no use, before any work."""

    def repair(self, model: Model, *, scale: int | None, seed: int) -> Any:
        """The model as a function of (array, mask, number of the draw)."""


@dataclass(frozen=True)
class Restored:
    """What was written: how many examples, where, and what is to be known."""

    path: Path
    n: int
    notes: tuple[str, ...]


def restore(
    model: Model,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    mask: Any = None,
    scale: int | None = None,
    draws: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> Any:
    """Examples repaired: files written to the new folder `out`, or those in memory given back.

    Raises OptionError, DataError.
    """
    part = part_of(model)
    part.check(model, mask=mask is not None, scale=scale)
    if draws is not None and not 1 <= draws <= MOST_DRAWS:
        raise OptionError(f"--draws: 1 … {MOST_DRAWS}; got {draws}")
    work = part.repair(model, scale=scale, seed=seed)
    return redone(part, work, data, out=out, mask=mask, draws=draws, say=say)


def redone(
    part: Redo,
    work: Any,
    data: Any,
    *,
    out: str | os.PathLike[str] | None,
    mask: Any = None,
    draws: int | None = None,
    say: Callable[[str], None],
) -> Any:
    """What `work` makes of given examples: files written to `out`, or those in memory given back."""
    if not isinstance(data, str | os.PathLike):
        return _in_memory(part, work, data, mask, draws)
    if out is None:
        raise OptionError("--out: name a new folder for the results")
    given, target = Path(data), Path(out)
    if given.is_file() and target.suffix and target.suffix.lower() == given.suffix.lower():
        raise UsageError(
            f"--out: '{target}' is named like a file; name a new folder for the result"
        )
    check_new(target)
    if given.is_dir() and given.resolve() in (target.resolve(), *target.resolve().parents):
        raise UsageError(f"--out: '{target}' lies within the data; name a folder beside it")
    files = part.read(given, None if mask is None else Path(mask), work)
    with replacing(target) as aside:
        aside.mkdir(parents=True)
        files.write(aside, draws or 1, say)
    return Restored(target, len(files.names), tuple(files.notes))


def _in_memory(part: Redo, work: Any, data: Any, mask: Any, draws: int | None) -> Any:
    examples, back = part.arrays(data)
    masks = [None] * len(examples) if mask is None else _masks(part, mask, examples)
    pairs = list(zip(examples, masks, strict=True))
    done = [back([work(e, m, draw) for e, m in pairs]) for draw in range(draws or 1)]
    return done[0] if draws is None else done


def _masks(part: Redo, mask: Any, examples: list[Any]) -> list[Any]:
    """A mask for each example: one for all, or as many. Raises OptionError for another size."""
    if isinstance(mask, str | os.PathLike):
        raise OptionError(
            "mask: must be an array, or a list of them, as the data are; a path is for files"
        )
    found = [one[:, :, 0] > 0 for one in part.arrays(_as_bytes(mask))[0]]
    found = found * len(examples) if len(found) == 1 else found
    if len(found) != len(examples):
        raise OptionError(f"mask: {len(found)} for {len(examples)} examples; one, or one each")
    for one, example in zip(found, examples, strict=True):
        if one.shape != example.shape[:2]:
            raise OptionError(f"mask: is {one.shape}, the example {example.shape[:2]}")
    return found


def _as_bytes(mask: Any) -> Any:
    import numpy as np

    if isinstance(mask, list | tuple):
        return [np.asarray(one).astype(bool).astype(np.uint8) for one in mask]
    return np.asarray(mask).astype(bool).astype(np.uint8)


def part_of(model: Model) -> RestorePart:
    """How a model's modality restores. Raises OptionError where it doesn't."""
    kind = modality(model.codec.kind)
    if not kind.has("restore"):
        raise OptionError(f"restore: there is no restoring of {model.spec.things}")
    return cast(RestorePart, kind.part("restore"))
