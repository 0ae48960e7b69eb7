"""What is in counts, and what training would do with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ganwright.data.dataset import Dataset, Skipped

_FEW, _NAMED, _TOP, _WIDE = 500, 5, 12, 12
_PLACES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


@dataclass(frozen=True, kw_only=True)
class CountsInspection:
    """What `inspect_data` found in counts.

    `totals` are quantiles of the sums of rows, `frequent` counts the most frequent words, `unused`
    those that no training row has.
    """

    name: str
    kind: str
    source: str
    fingerprint: str
    usable: int
    skipped: tuple[Skipped, ...]
    words: int
    dtype: str
    zeros: float
    largest: int
    empty: int
    unused: int
    duplicates: int
    totals: dict[str, int]
    frequent: dict[str, int]
    split: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        skipped = [("skipped", f"{x.name} {x.reason}") for x in self.skipped[:_NAMED]]
        more = len(self.skipped) - _NAMED
        lines = [
            ("data", f"{self.name} ({self.kind}: {self.source})"),
            (
                "rows",
                f"{self.usable:,}" + (f", {self.empty:,} of them empty" if self.empty else ""),
            ),
            *skipped,
            ("skipped", f"and {more:,} more" if more > 0 else ""),
            ("words", f"{self.words:,} columns of {self.dtype}, counts up to {self.largest:,}"),
            ("zeros", f"{self.zeros:.2%}"),
            ("totals", ", ".join(f"{name} {value:,}" for name, value in self.totals.items())),
            ("frequent", ", ".join(f"{word}: {n:,}" for word, n in self.frequent.items())),
            ("unused", f"{self.unused:,} words are in no training row" if self.unused else ""),
            ("duplicates", f"{self.duplicates:,}" if self.duplicates else "none"),
            ("split", ", ".join(f"{n:,} {part}" for part, n in self.split.items())),
            ("fingerprint", self.fingerprint),
            *[("note", note) for note in self.notes],
            *[("warning", warning) for warning in self.warnings],
        ]
        return "\n".join(f"{key:<{_WIDE}}{value}" for key, value in lines if value)


def inspect_counts(data: Dataset) -> CountsInspection:
    """Looks through counts that were opened."""
    everything, codec = data.examples(np.arange(len(data))), data.codec
    totals, matrix = everything.totals, everything.matrix
    order = np.argsort(-codec.counts, kind="stable")[:_TOP]
    warnings = (
        (
            len(data.train) < _FEW,
            f"few examples: {len(data.train):,} to train on: they may be learned by heart",
        ),
        (not len(data.heldout), "nothing is held out: no score will be honest"),
    )
    return CountsInspection(
        name=data.name,
        kind=data.kind,
        source=data.source,
        fingerprint=data.fingerprint,
        usable=len(data),
        skipped=data.skipped,
        words=codec.width,
        dtype=codec.dtype,
        zeros=1 - matrix.nnz / (len(data) * codec.width),
        largest=int(matrix.data.max()),
        empty=int((totals == 0).sum()),
        unused=int((codec.counts == 0).sum()),
        duplicates=len(data) - len(np.unique(data.hashes)),
        totals={f"{p:.0%}": int(np.quantile(totals, p, method="lower")) for p in _PLACES},
        frequent={codec.names[i]: int(codec.counts[i]) for i in order},
        split={"train": len(data.train), "held out": len(data.heldout)},
        notes=data.notes,
        warnings=tuple(text for true, text in warnings if true),
    )
