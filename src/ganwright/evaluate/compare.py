"""Several cards side by side: which differences are larger than the noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganwright.base.errors import DataError
from ganwright.evaluate.card import Card, Entry
from ganwright.evaluate.measures import MEASURES

NORMAL_95 = 1.96
IDEALS = {"near 0": 0.0, "near 0.5": 0.5, "near 1": 1.0}


def badness(entry: Entry) -> float:
    """How far a number is from what would be best; lower is better."""
    if entry.better == "lower":
        return entry.value
    if entry.better == "higher":
        return -entry.value
    ideal = IDEALS.get(entry.better, entry.floor)
    return abs(entry.value - (entry.value if ideal is None else ideal))


def same_protocol(cards: Sequence[Card]) -> None:
    """Raises DataError unless all numbers were made the same way, at the same n."""
    first = cards[0]
    for card in cards[1:]:
        for what, one, other in (
            ("features", first.features, card.features),
            ("references", first.against, card.against),
            ("numbers of samples", first.n, card.n),
        ):
            if one != other:
                raise DataError(
                    f"{first.samples} and {card.samples} can't be compared: "
                    f"their {what} differ ({one} and {other})"
                )


def better_by_more_than_noise(one: Entry, other: Entry) -> bool | None:
    """Whether `one` beats `other` at the 95 % level; None where there are no intervals to tell."""
    if one.low is None or other.low is None:
        return None
    noise = NORMAL_95 * math.hypot(one.estimate().error, other.estimate().error)
    return badness(other) - badness(one) > noise


def table(cards: Sequence[Card]) -> str:
    """The cards in columns; the best of a row is marked * if it beats every other beyond noise."""
    same_protocol(cards)
    width = max(12, *(len(card.samples) + 2 for card in cards))
    lines = [
        f"{cards[0].n:,} samples each, against {cards[0].against['n']:,} real examples; features "
        f"{cards[0].features['name']} ({cards[0].features['hash']})",
        "",
        f"{'':20}" + "".join(f"{card.samples:>{width}}" for card in cards) + f"{'real':>10}",
    ]
    for name in (n for n in cards[0].measures if all(n in card.measures for card in cards)):
        entries = [card.measures[name] for card in cards]
        best = min(range(len(entries)), key=lambda i: badness(entries[i]))
        others = [entry for i, entry in enumerate(entries) if i != best]
        sure = all(better_by_more_than_noise(entries[best], other) for other in others)
        shown = [
            f"{e.value:.4g}{'*' if i == best and sure else ' '}" for i, e in enumerate(entries)
        ]
        floor = "—" if entries[0].floor is None else f"{entries[0].floor:.4g}"
        lines.append(
            f"{MEASURES[name].title:20}" + "".join(f"{s:>{width}}" for s in shown) + f"{floor:>10}"
        )
    lines += ["", "* better than every other by more than the noise (95 %)"]
    return "\n".join(lines)
