"""What is in the data, and what training would do with it: the parts common to all modalities."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

from ganwright.base.modality import modality
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.open import chosen_options, find_source
from ganwright.data.options import DataOptions

NAMED = 5  # examples that are named; the rest are only counted
Lines = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `inspect_data` found: the fields common to all data; each modality adds its own in a subclass."""

    name: str
    kind: str
    source: str
    fingerprint: str
    usable: int
    skipped: tuple[Skipped, ...]
    split: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def lines(self) -> Lines:
        """The modality's own lines, as (word, text); empty texts are left out."""
        return []

    def skipped_named(self, count: int) -> Iterator[tuple[str, str]]:
        """Lines about `count` examples that can't be used, of which the first are named."""
        yield from (("skipped", f"{x.name} {x.reason}") for x in self.skipped[:NAMED])
        if (more := count - min(len(self.skipped), NAMED)) > 0:
            yield "skipped", f"and {more:,} more"

    def above(self) -> Lines:
        """All lines but notes and warnings."""
        parts = (f"{n:,} {part}" for part, n in self.split.items() if n or part != "dropped")
        found = [
            ("data", f"{self.name} ({self.kind}: {self.source})"),
            *self.lines(),
            ("split", ", ".join(parts)),
            ("fingerprint", self.fingerprint),
        ]
        return [(word, text) for word, text in found if text]

    def below(self) -> Lines:
        """Notes and warnings."""
        notes = [("note", note) for note in self.notes if note not in self.warnings]
        return notes + [("warning", warning) for warning in self.warnings]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = self.above() + self.below()
        wide = max(len(word) for word, _ in lines)
        return "\n".join(f"{word:<{wide}}  {text}" for word, text in lines)


def general(data: Dataset) -> dict[str, Any]:
    """The common fields of an Inspection, without warnings."""
    split = {"train": len(data.train), "held out": len(data.heldout), "dropped": len(data.dropped)}
    return {
        "name": data.name, "kind": data.kind, "source": data.source, "fingerprint": data.fingerprint,
        "usable": len(data), "skipped": data.skipped, "split": split, "notes": data.notes,
    }  # fmt: skip


class Inspecting(Protocol):
    """What a modality's `inspect` offers."""

    def inspect(self, found: Any, options: DataOptions) -> Inspection:
        """Looks through a source as `open_data` would open it."""
        ...


def inspect_data(
    source: str | os.PathLike[str] | Any, *, options: DataOptions | None = None, **settings: Any
) -> Inspection:
    """Looks through data as `open_data` would open it, with the same arguments and errors.

    Counts what is usable, skipped and ignored, duplicates and classes, and says what training would
    do; of images sizes, modes and near duplicates, of a table the kind, type, missing cells, values
    and choices of every column.
    """
    chosen = chosen_options(options, settings)
    found = find_source(source, chosen)
    return cast("Inspecting", modality(found.modality).part("inspect")).inspect(found, chosen)
