"""The page in words: whether to use the samples, how the run ended, and what to beware of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ganwright.evaluate import Card
from ganwright.evaluate.verdict import LEVELS, copied, levels_of
from ganwright.report.facts import Facts, number
from ganwright.report.look import Findings, Look

TONES = ("good", "good", "fair", "poor")  # of LEVELS
USES = (
    "You can use these samples in place of real examples.",
    "You can use these samples to enlarge a training set or to test software, but not to draw "
    "conclusions about the world.",
    "You can use these samples to test software; on a close look they can be told from real ones.",
    "Don't use these samples yet: train longer, or see below what went wrong.",
)
UNSURE = "Too few real examples are held out to say whether these samples can be used: judge them by more."
COPIED = "Don't share these samples if the training data is private: some of them repeat it."
FAILURES = {  # what a missing part means
    "model": "the model can't be read, so nothing that needs it is shown",
    "data": "the data can't be opened, so nothing that needs it is shown (say where it is now with "
    "--against)",
    "card": "the samples could not be judged",
    "samples": "the model can't make samples",
    "features": "the features of the card are not available, so nothing that needs them is shown",
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
        text = (
            f"These samples have not been judged{reason}: compare them with real examples by eye."
        )
        return Lead("Not judged", "plain", text, "")
    levels = levels_of(card.verdict)
    if levels is None:  # too few to grade, or written by other rules
        return Lead("No grade", "plain", card.verdict, "")
    worst, best = levels
    level, _, text = card.verdict.partition(": ")
    text = text[:1].upper() + text[1:]
    if copied(card.measures):
        return Lead(level, "poor", text, COPIED)
    if worst == len(LEVELS) - 1 and best <= 1:  # from unusable to good: that says nothing
        return Lead(level, "plain", text, UNSURE)
    return Lead(level, TONES[worst], text, USES[worst])  # the worst that the intervals leave open


def state(facts: Facts) -> str:
    """How the run ended, where it did not end normally."""
    at = f"{number(facts.last('kimg')):,.1f} kimg" if facts.events else "an unknown point"
    return {
        "done": "",
        "interrupted": f"This run was interrupted at {at}: what follows shows it up to there.",
        "diverged": f"Training diverged at {at}, and rolling back did not help: what follows shows the last "
        "good model.",
        "cut off": f"The log ends mid-run, at {at}: the run is still training or was cut off.",
    }[facts.state]


def all_warnings(facts: Facts, found: Findings, look: Look) -> list[str]:
    """The card's warnings, the guard's, and what could not be shown."""
    warnings = list(found.card.warnings) if found.card else []
    problems = Counter(str(e.get("problem")) for e in facts.of("guard") if e.get("problem"))
    for problem in ("won", "collapsed"):
        if found_at := [e for e in facts.of("guard") if e.get("problem") == problem]:
            helped = ["back_to" in e for e in found_at]
            what = {"won": "the discriminator won", "collapsed": "the samples collapsed"}[problem]
            warnings.append(
                f"{what}, and training was rolled back ({sum(helped)}×)"
                + ("" if all(helped) else ", which did not help")
            )
    if repairs := [
        e for e in facts.of("guard") if e.get("problem") == "diverged" and "back_to" in e
    ]:
        places = ", ".join(f"{number(e.get('diverged_at')) / 1000:g}" for e in repairs[:5])
        warnings.append(
            f"training diverged and was rolled back {len(repairs)} times, each time halving the "
            f"learning rates (at {places} kimg)"
            if len(repairs) > 1
            else f"training diverged at {places} kimg and was rolled back, with halved learning rates"
        )
    if collapses := problems["collapse"]:
        least = min(number(e.get("variety")) for e in facts.of("guard") if "variety" in e)
        warnings.append(
            f"at {collapses} of {len(facts.snapshots)} snapshots the samples varied far less than the data "
            f"(as little as {least:.0%}): the generator collapsed there"
        )
    warnings += [str(event["warning"]) for event in facts.of("done")[-1:] if "warning" in event]
    if facts.of("patience"):
        warnings.append("training stopped early: the scores had stopped improving")
    if found.data is not None and (skipped := found.data.skipped):
        first = f"{skipped[0].name} {skipped[0].reason}"
        warnings.append(
            f"{len(skipped):,} examples of the data could not be used; the first: {first}"
        )
    said = {**FAILURES, **look.failures}
    return warnings + [f"{said[part]}: {why}" for part, why in found.missing.items()]
