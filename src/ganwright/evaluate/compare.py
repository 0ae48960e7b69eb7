"""Several cards side by side: which differences exceed the noise?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ganwright.base.errors import DataError, OptionError
from ganwright.evaluate.card import Card, Entry, title
from ganwright.evaluate.judge import evaluate
from ganwright.evaluate.subject import Given

NORMAL_95 = 1.96
IDEALS = {"near 0": 0.0, "near 0.5": 0.5, "near 1": 1.0}


def compare(
    runs: Sequence[Given],
    against: Given | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Card]:
    """Judges runs, models or sample sets at equal n, that of the one with the fewest samples.

    Raises OptionError for fewer than two, DataError when their cards are not comparable.
    """
    if len(runs) < 2:
        raise OptionError(f"compare: needs at least two runs; got {len(runs)}")
    return judge_alike(runs, against, n=n, features=features, seed=seed, progress=progress)


def judge_alike(
    runs: Sequence[Given],
    against: Given | None = None,
    *,
    n: int | None = None,
    features: str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Card]:
    """The cards of `compare`, of any number of runs."""

    def judge(run: Given, number: int | None) -> Card:
        progress(f"judging {run}")
        return evaluate(run, against, n=number, features=features, seed=seed)

    cards = [judge(run, n) for run in runs]
    same_data(cards)
    least = min(card.n for card in cards)
    return [
        card if card.n == least else judge(run, least)
        for run, card in zip(runs, cards, strict=True)
    ]


def same_data(cards: Sequence[Card]) -> None:
    """Raises DataError unless all were judged by the same features and the same reference."""
    first = cards[0]
    for card in cards[1:]:
        for what, one, other in (
            ("references", _name(first.against, "fingerprint"), _name(card.against, "fingerprint")),
            ("features", _name(first.features, "hash"), _name(card.features, "hash")),
        ):
            if one != other:
                raise DataError(
                    f"{first.samples} and {card.samples} can't be compared: "
                    f"their {what} differ ({one} and {other})"
                )


def _name(facts: dict[str, object], mark: str) -> str:
    what = facts.get("name") or f"{facts.get('n')} examples"
    return f"{what} {facts.get(mark)}"


def same_protocol(cards: Sequence[Card]) -> None:
    """Raises DataError unless all numbers were made the same way, at the same n."""
    same_data(cards)
    for card in cards[1:]:
        if card.n != cards[0].n:
            raise DataError(
                f"{cards[0].samples} and {card.samples} can't be compared: their numbers of samples "
                f"differ ({cards[0].n} and {card.n})"
            )


def badness(entry: Entry) -> float:
    """How far a number is from its ideal value; lower is better."""
    if entry.better == "lower":
        return entry.value
    if entry.better == "higher":
        return -entry.value
    ideal = IDEALS.get(entry.better, entry.floor)
    return abs(entry.value - (entry.value if ideal is None else ideal))


def better_by_more_than_noise(one: Entry, other: Entry) -> bool | None:
    """Whether `one` beats `other` at the 95 % level; None where there are no intervals to tell.

    The variances of both are added as if they were independent. They share the reference, so the test
    is conservative: noise is seldom marked, and an unmarked difference may still be real.
    """
    if one.low is None or other.low is None:
        return None
    noise = NORMAL_95 * math.hypot(one.estimate().error, other.estimate().error)
    return badness(other) - badness(one) > noise


def best(cards: Sequence[Card], name: str) -> int | None:
    """The card that beats every other in one measure by more than the noise; None where none does."""
    if len(cards) < 2:
        return None
    entries = [card.measures[name] for card in cards]
    first = min(range(len(entries)), key=lambda i: badness(entries[i]))
    others = (entry for i, entry in enumerate(entries) if i != first)
    sure = all(better_by_more_than_noise(entries[first], other) for other in others)
    return first if sure else None


def shared(cards: Sequence[Card]) -> list[str]:
    """The measures that all cards have."""
    return [name for name in cards[0].measures if all(name in card.measures for card in cards)]


def table(cards: Sequence[Card]) -> str:
    """The cards in columns; the best of a row is marked * if it beats every other beyond noise."""
    same_protocol(cards)
    first, width = cards[0], max(12, *(len(card.samples) + 2 for card in cards))
    lines = [
        f"{first.n:,} samples each, against {first.against['n']:,} real examples "
        f"({first.against['fingerprint']}); features {first.features['name']} "
        f"({first.features['hash']})",
        "",
        f"{'':24}"
        + "".join(f"{card.samples:>{width}}" for card in cards)
        + f"{'real':>10}   better",
    ]
    for name in shared(cards):
        entries, winner = [card.measures[name] for card in cards], best(cards, name)
        shown = "".join(
            f"{f'{entry.value:.4g}' + ('*' if i == winner else ' '):>{width}}"
            for i, entry in enumerate(entries)
        )
        floor = "—" if entries[0].floor is None else f"{entries[0].floor:.4g}"
        lines.append(f"{title(name):24}{shown}{floor:>10}   {entries[0].better}")
    lines += ["", "* better than every other by more than the noise (95 %, each row by itself)"]
    lines += [f"warning: {card.samples}: {text}" for card in cards for text in card.warnings]
    return "\n".join(lines)


@dataclass(frozen=True)
class Seeds:
    """One measure over the seeds of a recipe."""

    mean: float
    spread: float  # half of the range
    worst: float  # the worst and the best seed's distance from the ideal value; lower is better
    best: float


def over_seeds(cards: Sequence[Card], name: str) -> Seeds:
    """Summarises one measure over the cards of one recipe's seeds."""
    entries = [card.measures[name] for card in cards]
    values, far = [entry.value for entry in entries], [badness(entry) for entry in entries]
    return Seeds(sum(values) / len(values), (max(values) - min(values)) / 2, max(far), min(far))


def best_over_seeds(groups: Mapping[str, Sequence[Card]], name: str) -> str | None:
    """The recipe whose worst seed beats the best seed of every other; None where none does."""
    found = {recipe: over_seeds(cards, name) for recipe, cards in groups.items()}
    first = min(found, key=lambda recipe: found[recipe].worst)
    others = [seeds for recipe, seeds in found.items() if recipe != first]
    return first if others and all(found[first].worst < one.best for one in others) else None


def table_of_seeds(groups: Mapping[str, Sequence[Card]]) -> str:
    """Recipes in columns: mean over seeds ± half their range."""
    cards = [card for group in groups.values() for card in group]
    same_protocol(cards)
    first, width = cards[0], max(18, *(len(recipe) + 2 for recipe in groups))
    lines = [
        f"{first.n:,} samples each, against {first.against['n']:,} real examples "
        f"({first.against['fingerprint']}); features {first.features['name']} "
        f"({first.features['hash']})",
        "",
        f"{'':24}" + "".join(f"{recipe:>{width}}" for recipe in groups) + f"{'real':>10}   better",
        f"{'seeds':24}" + "".join(f"{len(group):>{width}}" for group in groups.values()),
    ]
    for name in shared(cards):
        winner, row = best_over_seeds(groups, name), ""
        for recipe, group in groups.items():
            found = over_seeds(group, name)
            text = f"{found.mean:.4g} ± {found.spread:.2g}" + ("*" if recipe == winner else " ")
            row += f"{text:>{width}}"
        floor = first.measures[name].floor
        real = "—" if floor is None else f"{floor:.4g}"
        lines.append(f"{title(name):24}{row}{real:>10}   {first.measures[name].better}")
    lines += [
        "",
        "mean over seeds ± half their range",
        "* its worst seed beats every seed of the others",
    ]
    lines += [f"warning: {card.samples}: {text}" for card in cards for text in card.warnings]
    return "\n".join(lines)
