"""The card: every number with its n, interval, floor and baseline, and the verdict in words."""

from __future__ import annotations

import html
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ganwright.base.errors import DataError
from ganwright.base.runs import RunFolder, write_json
from ganwright.evaluate.intervals import Estimate, wilson
from ganwright.evaluate.measures import MEASURES, Better

HUMAN = "human"
HUMAN_TITLE = "Taken for real by people"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number with its interval and references.

    `low` and `high` are its 95 % interval, made by `method`; None where there is none. `floor` is
    what real data scores in the fakes' place, `baseline` the simplest model, `others` further
    references by name; `n` counts samples.
    """

    value: float
    low: float | None
    high: float | None
    floor: float | None
    baseline: float | None
    better: Better
    n: int
    method: str = ""
    others: dict[str, float] = field(default_factory=dict)

    def estimate(self) -> Estimate:
        """The number with its interval, of zero width where none is known."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        # The longer side: the other may have been clipped to the measure's range.
        error = max(high - self.value, self.value - low) / 1.96
        return Estimate(self.value, low, high, error, "card")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an evaluation found. Prints as a table; `to_json` is what the run's card.json holds."""

    samples: str
    n: int
    against: dict[str, Any]  # n, fingerprint and part of the data that is the reference
    features: dict[str, Any]  # name and hash of the extractor, and facts about it
    measures: dict[str, Entry]
    classes: dict[str, dict[str, float]] = field(default_factory=dict)  # shares, samples and real
    left_out: dict[str, str] = field(default_factory=dict)  # measure → why
    notes: tuple[str, ...] = ()  # rules that were applied, in words
    warnings: tuple[str, ...] = ()
    verdict: str = ""
    seen: int | None = (
        None  # examples the judged model was trained on; None for samples without a model
    )

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        tree = asdict(self)
        return tree | {"warnings": list(self.warnings), "notes": list(self.notes)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the card as JSON, whole or not at all."""
        write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Card:
        """Reads what `save` wrote. Raises DataError for anything else."""
        try:
            tree = json.loads(Path(path).read_text(encoding="utf-8"))
            measures = {name: Entry(**entry) for name, entry in tree.pop("measures").items()}
            lists: dict[str, Any] = {
                name: tuple(tree.pop(name, ())) for name in ("warnings", "notes")
            }
            return cls(measures=measures, **lists, **tree)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"'{path}' is not a card: {error}") from None

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the further references."""
        return tuple(dict.fromkeys(name for e in self.measures.values() for name in e.others))

    def __repr__(self) -> str:
        """The first measures, and of how many examples."""
        some = [f"{name} {short(entry.value)}" for name, entry in list(self.measures.items())[:3]]
        return f"Card({', '.join(some)}; {self.n:,} samples against {self.against['n']:,})"

    def _repr_html_(self) -> str:
        """The card for a notebook: the verdict, and the measures as a table."""
        names = ("measure", "value", "95 % interval", "real", "simplest", "better")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = []
        for name, entry in self.measures.items():
            interval = "" if entry.low is None else f"{short(entry.low)} … {short(entry.high)}"
            cells = (
                title(name), short(entry.value), interval, short(entry.floor),
                short(entry.baseline), entry.better,
            )  # fmt: skip
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        told = "".join(f"<p>warning: {html.escape(text)}</p>" for text in self.warnings)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(self.verdict)}</p>{table}{told}"

    def __str__(self) -> str:
        lines = [
            self.verdict,
            "",
            f"{self.n:,} samples of {self.samples} against {self.against['n']:,} real examples "
            f"({self.against['fingerprint']}); features {self.features['name']} "
            f"({self.features['hash']})",
            "",
            f"{'':24}{'value':>10}  {'95 % interval':^22}{'real':>10}{'simplest':>10}"
            + "".join(f"{other:>10}" for other in self.others)
            + "   better",
        ]
        for name, entry in self.measures.items():
            interval = "" if entry.low is None else f"{short(entry.low)} … {short(entry.high)}"
            lines.append(
                f"{title(name):24}{short(entry.value):>10}  {interval:^22}"
                f"{short(entry.floor):>10}{short(entry.baseline):>10}"
                + "".join(f"{short(entry.others.get(other)):>10}" for other in self.others)
                + f"   {entry.better}"
            )
        lines += [""] if self.left_out or self.notes or self.warnings else []
        lines += [f"left out: {title(name)}: {why}" for name, why in self.left_out.items()]
        lines += [f"note: {text}" for text in self.notes]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


def short(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def title(name: str) -> str:
    """A measure's name for people."""
    if name == HUMAN:
        return HUMAN_TITLE
    return MEASURES[name].title if name in MEASURES else name


def human_entry(fooled: int, judged: int) -> Entry:
    """People's error rate on fakes: the share they took for real, with a Wilson interval."""
    found = wilson(fooled, judged)
    return Entry(
        value=found.value, low=found.low, high=found.high, floor=0.5, baseline=0.0,
        better="near 0.5", n=judged, method=found.method,
    )  # fmt: skip


def keep(card: Card, folder: RunFolder) -> Card:
    """Writes a run's card.json; a human error rate of the same model is kept."""
    if HUMAN not in card.measures and folder.card.is_file():
        try:
            before = Card.load(folder.card)
        except DataError:  # another version, or damaged: replaced
            before = card
        if HUMAN in before.measures and before.seen == card.seen:
            card = replace(card, measures=card.measures | {HUMAN: before.measures[HUMAN]})
    card.save(folder.card)
    return card
