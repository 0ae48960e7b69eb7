"""What a page says in words: whether to use the samples, what became of the run, what to mind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ganwright.evaluate import Card
from ganwright.evaluate.verdict import copied, levels_of
from ganwright.report.facts import Facts, number
from ganwright.report.look import Findings, Look

TONES = ("good", "good", "fair", "poor")  # of LEVELS
USES = (
    "You can use these samples in place of real examples.",
    "You can use these samples to enlarge a training set or to try software with, but not to draw "
    "conclusions about the world.",
    "You can use these samples to try software with; whoever looks closely sees that they are made.",
    "Don't use these samples yet: train longer, or see below where it went wrong.",
)
COPIED = "Don't pass these samples on where the training data is private: some repeat it."
FAILURES = {  # what a part that is missing means
    "model": "the model can't be read, so nothing is shown that takes it",
    "data": "the data can't be opened, so nothing is shown that takes it (name where it is now with "
    "--against)",
    "card": "the samples could not be judged",
    "samples": "the model can't make samples",
    "features": "the features of the card can't be had again, so nothing is shown that takes them",
}


@dataclass(frozen=True)
class Lead:
    """The first words of a page."""

    level: str
    tone: str
    text: str
    advice: str


def lead(card: Card | None, why: str | None) -> Lead:
    """Are these samples usable, and why: for people who don't know what FID is."""
    if card is None:
        reason = f" ({why})" if why else ""
        text = f"These samples have not been judged{reason}: look at them beside real examples."
        return Lead("Not judged", "plain", text, "")
    levels = levels_of(card.verdict)
    if levels is None:  # too few to grade, or written by other rules
        return Lead("No grade", "plain", card.verdict, "")
    rank = levels[0]  # advice goes by the worst that the intervals leave open
    level, _, text = card.verdict.partition(": ")
    advice, tone = (COPIED, "poor") if copied(card.measures) else (USES[rank], TONES[rank])
    return Lead(level, tone, text[:1].upper() + text[1:], advice)


def state(facts: Facts) -> str:
    """What became of the run, where it did not simply end."""
    at = f"{number(facts.last('kimg')):,.1f} kimg" if facts.events else "an unknown place"
    return {
        "done": "",
        "interrupted": f"This run was interrupted at {at}: what follows is how far it came.",
        "diverged": f"Training diverged at {at} and could not be repaired: what follows shows the last "
        "good model.",
        "cut off": f"The log ends in mid-run, at {at}: the run is still training, or was cut off.",
    }[facts.state]


def all_warnings(facts: Facts, found: Findings, look: Look) -> list[str]:
    """The card's warnings, the guard's, and what could not be shown."""
    warnings = list(found.card.warnings) if found.card else []
    problems = Counter(str(e.get("problem")) for e in facts.of("guard") if e.get("problem"))
    if repairs := [e for e in facts.of("guard") if "back_to" in e]:
        places = ", ".join(f"{number(e.get('diverged_at')) / 1000:g}" for e in repairs[:5])
        warnings.append(
            f"training diverged and was set back {len(repairs)} times, each time with half the "
            f"rates (at {places} kimg)"
            if len(repairs) > 1
            else f"training diverged at {places} kimg and was set back, with half the rates"
        )
    if collapses := problems["collapse"]:
        least = min(number(e.get("variety")) for e in facts.of("guard") if "variety" in e)
        warnings.append(
            f"at {collapses} of {len(facts.snapshots)} marks the samples varied far less than the data "
            f"(least: {least:.0%} of it): the generator collapsed there"
        )
    if facts.of("patience"):
        warnings.append("training ended early: the scores had stopped improving")
    if found.data is not None and (skipped := found.data.skipped):
        first = f"{skipped[0].name} {skipped[0].reason}"
        warnings.append(f"{len(skipped):,} of the data could not be used; the first: {first}")
    said = {**FAILURES, **look.failures}
    return warnings + [f"{said[part]}: {why}" for part, why in found.missing.items()]
