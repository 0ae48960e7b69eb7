"""The card: every number with its n, interval, floor and baseline, and what they come to in words."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganwright.base.errors import DataError
from ganwright.base.runs import write_json
from ganwright.evaluate.intervals import Estimate, wilson
from ganwright.evaluate.measures import MEASURES, Better

HUMAN = "human"
COPYING = -3.0  # C_T below this: closer to the training data than chance allows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number. `floor` is what real data scores in the fakes' place, `baseline` the simplest model."""

    value: float
    low: float | None
    high: float | None
    floor: float | None
    baseline: float | None
    better: Better
    n: int

    def estimate(self) -> Estimate:
        """The number with its interval, as wide as nothing when none is known."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return Estimate(self.value, low, high, (high - low) / (2 * 1.96), "card")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an evaluation found. Prints as a table; `to_json` is what the run's card.json holds."""

    samples: str
    n: int
    against: dict[str, Any]  # n and fingerprint of the reference
    features: dict[str, Any]  # name and hash of the extractor
    measures: dict[str, Entry]
    left_out: dict[str, str] = field(default_factory=dict)  # measure → why
    warnings: tuple[str, ...] = ()
    verdict: str = ""

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        tree = asdict(self)
        tree["warnings"] = list(self.warnings)
        return tree

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the card as JSON, whole or not at all."""
        write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Card:
        """Reads what `save` wrote. Raises DataError for anything else."""
        try:
            tree = json.loads(Path(path).read_text(encoding="utf-8"))
            measures = {name: Entry(**entry) for name, entry in tree.pop("measures").items()}
            return cls(measures=measures, **{**tree, "warnings": tuple(tree["warnings"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"'{path}' is not a card: {error}") from None

    @property
    def protocol(self) -> tuple[Any, ...]:
        """What two cards must share for their numbers to compare."""
        return (self.n, *self.against.values(), *self.features.values())

    def __str__(self) -> str:
        lines = [
            self.verdict,
            "",
            f"{self.n:,} samples of {self.samples} against {self.against['n']:,} real examples "
            f"({self.against['fingerprint']}); features {self.features['name']} "
            f"({self.features['hash']})",
            "",
            f"{'':24}{'value':>10}  {'95 % interval':^22}{'real':>10}{'simplest':>10}   better",
        ]
        for name, entry in self.measures.items():
            title = MEASURES[name].title if name in MEASURES else name
            interval = "" if entry.low is None else f"{_short(entry.low)} … {_short(entry.high)}"
            lines.append(
                f"{title:24}{_short(entry.value):>10}  {interval:^22}"
                f"{_short(entry.floor):>10}{_short(entry.baseline):>10}   {entry.better}"
            )
        lines += [f"\nleft out: {name}: {why}" for name, why in self.left_out.items()]
        lines += [f"\nwarning: {text}" for text in self.warnings]
        return "\n".join(lines)


def _short(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def human_entry(fooled: int, judged: int) -> Entry:
    """People's error rate on fakes: the share they took for real, with a Wilson interval."""
    found = wilson(fooled, judged)
    return Entry(
        value=found.value, low=found.low, high=found.high, floor=0.5, baseline=0.0,
        better="near 0.5", n=judged,
    )  # fmt: skip


def gap(entry: Entry) -> float:
    """Where a number stands between real data (0) and the simplest model (1)."""
    if entry.floor is None or entry.baseline is None or entry.baseline == entry.floor:
        return math.nan
    return (entry.value - entry.floor) / (entry.baseline - entry.floor)


LEVELS = (
    (0.05, "Very good: by these features the samples are close to as good as real data"),
    (0.15, "Good: the samples are much nearer to real data than to the simplest model"),
    (0.40, "Fair: the samples resemble the data, with faults that show in numbers and to the eye"),
    (math.inf, "Poor: the samples are not usable as a stand-in for the data"),
)


def verdict(measures: dict[str, Entry]) -> str:
    """One paragraph in plain words: are these samples usable, and why."""
    said = []
    if "fid" in measures and not math.isnan(share := gap(measures["fid"])):
        level = next(text for most, text in LEVELS if share < most)
        said.append(
            f"{level} (FID {_short(measures['fid'].value)}, where real data has "
            f"{_short(measures['fid'].floor)} and the simplest model "
            f"{_short(measures['fid'].baseline)})."
        )
    if "coverage" in measures:
        share = measures["coverage"].value
        part = "nearly all" if share > 0.9 else "most" if share > 0.7 else f"only {share:.0%}"
        said.append(f"They cover {part} of the variety of the real data.")
    if "auc" in measures:
        share = measures["auc"].value
        ease = "hardly" if share < 0.6 else "sometimes" if share < 0.8 else "easily"
        said.append(f"A classifier tells them from real examples {ease} (AUC {share:.2f}).")
    if "ct" in measures:
        copied = measures["ct"].value < COPYING
        said.append(
            "They lie closer to the training data than unseen real data does: some of it was learned "
            "by heart."
            if copied
            else "They are no copies of the training data."
        )
    return " ".join(said)


def warnings(measures: dict[str, Entry], reference: int) -> list[str]:
    """What a reader must know before believing the numbers."""
    found = []
    for name, entry in measures.items():
        advised = MEASURES[name].advised(0) if name in MEASURES else 0
        if min(entry.n, reference) < advised and name in ("fid", "kid", "coverage"):
            title = MEASURES[name].title
            found.append(
                f"{title} says little with {entry.n:,} samples against {reference:,} real examples; "
                f"{advised:,} of each are advised"
            )
    if "unique" in measures and measures["unique"].value < 0.9:
        found.append(f"only {measures['unique'].value:.0%} of the samples differ: collapse")
    recall = measures.get("recall")
    if recall is not None and recall.floor and recall.value < recall.floor / 3:
        found.append("recall is far below that of real data: whole kinds of examples are missing")
    if "ct" in measures and measures["ct"].value < COPYING:
        found.append("the samples copy the training data (C_T below −3): mind privacy")
    return found
