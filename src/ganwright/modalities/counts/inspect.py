"""Inspects counts, and what training would do with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.data.inspect import Inspection, Lines, general
from ganwright.data.options import DataOptions
from ganwright.modalities.counts.dataset import CountsSource, dataset

_FEW, _TOP = 500, 12
_PLACES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


@dataclass(frozen=True, kw_only=True)
class CountsInspection(Inspection):
    """What `inspect_data` found in counts.

    `totals` are quantiles of the sums of rows, `frequent` counts the most frequent words, `unused`
    those that no training row has.
    """

    words: int
    dtype: str
    zeros: float
    largest: int
    empty: int
    unused: int
    duplicates: int
    totals: dict[str, int]
    frequent: dict[str, int]

    def lines(self) -> Lines:
        return [
            (
                "rows",
                f"{self.usable:,}" + (f", {self.empty:,} of them empty" if self.empty else ""),
            ),
            *self.skipped_named(len(self.skipped)),
            ("words", f"{self.words:,} columns of {self.dtype}, counts up to {self.largest:,}"),
            ("zeros", f"{self.zeros:.2%}"),
            ("totals", ", ".join(f"{name} {value:,}" for name, value in self.totals.items())),
            ("frequent", ", ".join(f"{word}: {n:,}" for word, n in self.frequent.items())),
            ("unused", f"{self.unused:,} words occur in no training row" if self.unused else ""),
            ("duplicates", f"{self.duplicates:,}" if self.duplicates else "none"),
        ]


def inspect(found: CountsSource, options: DataOptions) -> CountsInspection:
    """Looks through counts as `open_data` would open them."""
    data = dataset(found, options)
    everything, codec = data.examples(np.arange(len(data))), data.codec
    totals, matrix = everything.totals, everything.matrix
    order = np.argsort(-codec.counts, kind="stable")[:_TOP]
    warnings = (
        (
            len(data.train) < _FEW,
            f"few examples: {len(data.train):,} to train on, which may be memorised",
        ),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    )
    return CountsInspection(
        **general(data),
        words=codec.width,
        dtype=codec.dtype,
        zeros=1 - matrix.nnz / (len(data) * codec.width),
        largest=int(matrix.data.max()),
        empty=int((totals == 0).sum()),
        unused=int((codec.counts == 0).sum()),
        duplicates=len(data) - len(np.unique(data.hashes)),
        totals={f"{p:.0%}": int(np.quantile(totals, p, method="lower")) for p in _PLACES},
        frequent={codec.names[i]: int(codec.counts[i]) for i in order},
        warnings=tuple(text for true, text in warnings if true),
    )
