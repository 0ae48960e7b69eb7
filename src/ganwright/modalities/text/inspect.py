"""Inspects text, and what training would do with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.data.inspect import Inspection, Lines, general
from ganwright.data.options import DataOptions
from ganwright.data.source import tally
from ganwright.modalities.text.codec import END, FIRST, UNKNOWN, folded
from ganwright.modalities.text.dataset import TextSource, dataset

_FEW, _TOP, _SHOWN = 500, 12, 60
_PLACES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


@dataclass(frozen=True, kw_only=True)
class TextInspection(Inspection):
    """What `inspect_data` found in text.

    `lengths` are quantiles of the texts' lengths in `units`, `known` is how many different units are
    learned, `unknown` the share of all units that isn't.
    """

    units: str
    known: int
    unknown: float
    lengths: dict[str, int]
    frequent: dict[str, int]
    classes: dict[str, int]
    duplicates: int
    first: str

    def lines(self) -> Lines:
        return [
            ("texts", f"{self.usable:,}"),
            *self.skipped_named(len(self.skipped)),
            ("units", f"{self.known:,} {self.units}; {self.unknown:.2%} of all are unknown"),
            ("lengths", ", ".join(f"{name} {value:,}" for name, value in self.lengths.items())),
            ("frequent", ", ".join(f"{unit!r}: {n:,}" for unit, n in self.frequent.items())),
            ("classes", ", ".join(f"{name}: {n:,}" for name, n in self.classes.items())),
            ("duplicates", f"{self.duplicates:,}" if self.duplicates else "none"),
            ("first", self.first),
        ]


def inspect(found: TextSource, options: DataOptions) -> TextInspection:
    """Looks through text as `open_data` would open it."""
    data = dataset(found, options)
    codec, symbols = data.codec, np.asarray(data.rows)
    lengths, used = (symbols != END).sum(1), np.bincount(symbols.reshape(-1), minlength=FIRST)
    top = [i for i in np.argsort(-used, kind="stable") if i >= FIRST][:_TOP]
    named = [] if data.labels is None else [data.spec.classes[i] for i in data.labels]
    first = folded(data.examples(np.array([0]))[0])
    warnings = (
        (
            len(data.train) < _FEW,
            f"few examples: {len(data.train):,} to train on, which may be memorised",
        ),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    )
    return TextInspection(
        **general(data),
        units=codec.units,
        known=len(codec.vocabulary),
        unknown=float(used[UNKNOWN] / max(1, lengths.sum())),
        lengths={f"{p:.0%}": int(np.quantile(lengths, p, method="lower")) for p in _PLACES},
        frequent={codec.vocabulary[i - FIRST]: int(used[i]) for i in top},
        classes=tally(named),
        duplicates=len(data) - len(np.unique(data.hashes)),
        first=first if len(first) <= _SHOWN else first[:_SHOWN] + "…",
        warnings=tuple(text for true, text in warnings if true),
    )
