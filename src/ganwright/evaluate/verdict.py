"""A card in words: how good the samples are, how certain that is, and what to beware of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ganwright.evaluate.card import Entry, short, title
from ganwright.evaluate.measures import MEASURES, Grade, Measure

FEWEST = 50  # examples a side, for a verdict
LEVELS = (
    (0.05, "Very good: by these features the samples are close to as good as real data"),
    (0.15, "Good: the samples are much nearer to real data than to the simplest model"),
    (0.40, "Fair: the samples resemble the data, with faults that show"),
    (math.inf, "Poor: the samples are not usable as a stand-in for the data"),
)
FAIR = 2  # of LEVELS: the best possible while a whole kind of examples is missing
MISSING = 0.25  # of the share it should have: a class below this counts as missing
SHIFT = 0.05  # of AUC, by which real training examples may differ from the reference
COPYING = -3.0  # C_T below this: closer to the training data than chance allows
EXPOSED = 0.55  # lower bound of the membership attack's AUC: above is exposure
REPEATS = 2.0  # times the rate at which real examples repeat: more copies are not chance
NEARER = 0.52  # share of rows nearer to training than to unseen rows: above is exposure
EXPECTED_LEAST = 15.0  # expected samples of a class, for its share to mean anything

Classes = dict[str, dict[str, float]]


def gap(entry: Entry) -> float:
    """Where a number stands between real data (0) and the simplest model (1)."""
    if entry.floor is None or entry.baseline is None or entry.baseline == entry.floor:
        return math.nan
    return (entry.value - entry.floor) / (entry.baseline - entry.floor)


def verdict(measures: dict[str, Entry], classes: Classes, reference: int, width: int = 1) -> str:
    """One paragraph in plain words: are these samples usable, and why."""
    n = next((entry.n for name, entry in measures.items() if name == "unique"), 0)
    if min(n, reference) < FEWEST:
        return (
            f"{n:,} samples against {reference:,} real examples are too few for a verdict: "
            f"at least {FEWEST} of each are needed, preferably thousands."
        )
    parts = (
        _level(measures, classes, reference, width), _variety(measures), _sentences(measures),
        _told(measures), _memory(measures),
    )  # fmt: skip
    return " ".join(part for part in parts if part)


def _level(measures: dict[str, Entry], classes: Classes, reference: int, width: int) -> str:
    """The level that the numbers allow, or the range of levels that their intervals leave open."""
    if "fid" not in measures or math.isnan(gap(measures["fid"])):
        return ""
    fid = measures["fid"]
    falls = _shortfalls(measures)
    best, worst = _rank(falls), max(_rank(falls), _rank(_shortfalls(measures, doubting=True)))
    blurred = fid.high is not None and not _tells(fid)
    if blurred or _too_few(measures, reference, width):
        worst = max(worst, 1)  # nothing is sure to be as good as real data
    if collapse(measures) or missing(measures, classes) or copied(measures):
        best, worst = max(best, FAIR), max(worst, FAIR)
    numbers = (
        f"(FID {short(fid.value)}, where real data has {short(fid.floor)} "
        f"and the simplest model {short(fid.baseline)})."
    )
    weakest = max(falls, key=lambda name: falls[name])
    if weakest != "fid" and _rank({weakest: falls[weakest]}) > 0:
        entry = measures[weakest]
        numbers += (
            f" The weakest measure is {title(weakest)}: {short(entry.value)}, where real data has "
            f"{short(entry.floor)} and the simplest model {short(entry.baseline)}."
        )
    if blurred:
        numbers += (
            f" FID's interval, {short(fid.low)} … {short(fid.high)}, is too wide to tell real data from "
            "the simplest model."
        )
    if best == worst:
        return f"{LEVELS[best][1]} {numbers}"
    high, low = (LEVELS[i][1].partition(":")[0] for i in (best, worst))
    return (
        f"{low} to {high[0].lower()}{high[1:]}: {fid.n:,} samples against {reference:,} real examples "
        f"can't tell which {numbers}"
    )


def _rank(shortfalls: dict[str, float]) -> int:
    worst = max(shortfalls.values())
    return next(i for i, (most, _) in enumerate(LEVELS) if worst < most)


def _shortfalls(measures: dict[str, Entry], *, doubting: bool = False) -> dict[str, float]:
    """How far each measure falls short of real data, as shares; the largest decides.

    Taken at the interval ends that favour the samples, so that noise alone condemns nothing; with
    `doubting` at the other ends, so that noise alone praises nothing.
    """
    fid = measures["fid"]
    doubted = replace(fid, value=_end(fid, doubting)) if doubting and _tells(fid) else fid
    found = {"fid": gap(doubted)}
    for grade, short_of in SHORTFALLS.items():
        for name, row in _known(measures).items():
            if row.grade == grade:
                found[name] = short_of(measures[name], doubting)
    return {name: share for name, share in found.items() if not math.isnan(share)}


def _known(measures: dict[str, Entry]) -> dict[str, Measure]:
    """The table rows behind a card's numbers; the human error rate has none."""
    return {name: MEASURES[name] for name in measures if name in MEASURES}


def _end(entry: Entry, doubting: bool) -> float:
    """The end of the interval that favours the samples; with `doubting` the other."""
    end = entry.high if (entry.better == "higher") != doubting else entry.low
    return entry.value if end is None else end


def _lack(entry: Entry, doubting: bool) -> float:
    """By how much a share falls short of its floor, relative to it."""
    if not entry.floor:
        return math.nan
    return max((entry.floor - _end(entry, doubting)) / entry.floor, _way(entry, doubting))


def _told_apart(entry: Entry, doubting: bool) -> float:
    """How much better a classifier does than on real data."""
    return _end(entry, doubting) - max(0.5, entry.floor or 0.5)


def _gap(entry: Entry, doubting: bool) -> float:
    """`gap` at the end of the interval that `doubting` asks for."""
    return gap(replace(entry, value=_end(entry, doubting)))


def _way(entry: Entry, doubting: bool) -> float:
    """`gap` where the interval is short enough to tell real data from the simplest model; else 0.

    Taken at the end that favours the samples, or (`doubting`) at the value itself where even that end is
    worse than real data. Capped at the level "Fair": one such number alone doesn't make a model poor.
    """
    if not _tells(entry):
        return 0.0
    end = replace(entry, value=entry.high if entry.better == "higher" else entry.low)  # type: ignore[arg-type]
    way = gap(entry) if doubting and gap(end) > 0 else gap(end)
    return min(way, LEVELS[FAIR][0] - 1e-9)


def _tells(entry: Entry) -> bool:
    """Whether the interval is shorter than the distance from real data to the simplest model."""
    numbers = (entry.low, entry.high, entry.floor, entry.baseline)
    if any(number is None for number in numbers):
        return False
    low, high, floor, baseline = (float(number or 0) for number in numbers)
    return high - low < abs(floor - baseline)


SHORTFALLS: dict[Grade, Callable[[Entry, bool], float]] = {
    "share": _lack,
    "classifier": _told_apart,
    "gap": _gap,
    "one side": _way,
}


def levels_of(verdict: str) -> tuple[int, int] | None:
    """(the lowest, the highest level that a verdict names), places in `LEVELS`; None where it has none.

    >>> levels_of("Fair to very good: …"), levels_of("Poor: …"), levels_of("5 samples …")
    ((2, 0), (3, 3), None)
    """
    names = [text.partition(":")[0].lower() for _, text in LEVELS]
    low, _, high = verdict.partition(":")[0].lower().partition(" to ")
    if low not in names or (high or low) not in names:
        return None
    return names.index(low), names.index(high or low)


def _variety(measures: dict[str, Entry]) -> str:
    entry = measures.get("coverage")
    if entry is None or not entry.floor:
        return ""
    share = entry.value / entry.floor
    part = "nearly all" if share > 0.9 else "most" if share > 0.7 else f"only {share:.0%}"
    return f"They cover {part} of the variety that real examples cover."


def _sentences(measures: dict[str, Entry]) -> str:
    """The sentences of single measures."""
    told = ((row.verdict, measures[name]) for name, row in _known(measures).items())
    return " ".join(text for says, entry in told if says and (text := says(entry)))


def _told(measures: dict[str, Entry]) -> str:
    classifiers = [name for name, row in _known(measures).items() if row.grade == "classifier"]
    if not classifiers:
        return ""
    area = measures[classifiers[-1]].value  # the modality's own, where it has one
    ease = "hardly" if area < 0.6 else "sometimes" if area < 0.8 else "easily"
    return f"A classifier can {ease} tell them from real examples (AUC {area:.2f})."


def _memory(measures: dict[str, Entry]) -> str:
    if not {"ct", "nearer"} & set(measures):
        return ""
    if copied(measures):
        return (
            "They lie closer to the training data than unseen real data does: "
            "some of it was memorised."
        )
    if exposed(measures):
        return (
            "An attacker can tell training rows from unseen ones by their distance to the samples "
            f"(AUC {measures['membership'].value:.2f})."
        )
    return "They lie no closer to the training data than unseen real data does."


def exposed(measures: dict[str, Entry]) -> bool:
    """Whether distance to the samples reveals membership in the training data."""
    entry = measures.get("membership")
    return entry is not None and entry.low is not None and entry.low > EXPOSED


def copied(measures: dict[str, Entry]) -> bool:
    """Whether the samples are closer to the training data than chance allows, or copies of it."""
    near = "ct" in measures and measures["ct"].value < COPYING
    if (share := measures.get("nearer")) is not None and share.low is not None:
        near = near or share.low > max(NEARER, share.floor or 0.0)
    # A collapsed generator can lie close to the centre of the data without having copied anything.
    near = near and not collapse(measures)
    same = (measures[name] for name in ("copies", "unique_copies") if name in measures)
    return near or any(
        one.low is not None and one.low > REPEATS * (one.floor or 0.0) for one in same
    )


def collapse(measures: dict[str, Entry]) -> list[str]:
    """The signs of mode collapse."""
    found = []
    unique, recall, vendi = (measures.get(name) for name in ("unique", "recall", "vendi"))
    if unique is not None and unique.value < 0.9 * (1.0 if unique.floor is None else unique.floor):
        found.append(f"only {unique.value:.0%} of the samples are distinct: mode collapse")
    if recall is not None and recall.floor and recall.value < recall.floor / 3:
        found.append("recall is far below that of real data: whole kinds of examples are missing")
    if vendi is not None and vendi.floor and vendi.value < vendi.floor / 2:
        found.append(
            f"the samples are as varied as {vendi.value:.1f} different examples, where as many real "
            f"examples are as varied as {vendi.floor:.1f}: mode collapse"
        )
    return found


def missing(measures: dict[str, Entry], classes: Classes) -> list[str]:
    """Classes that hardly occur, although enough samples were drawn to tell."""
    n = next((entry.n for name, entry in measures.items() if name == "unique"), 0)
    return [
        name
        for name, share in classes.items()
        if share["real"] * n >= EXPECTED_LEAST and share["samples"] < MISSING * share["real"]
    ]


def warnings(measures: dict[str, Entry], reference: int, width: int, classes: Classes) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = _too_few(measures, reference, width)
    auc = measures.get("auc")
    if auc is not None and auc.floor is not None and auc.floor > 0.5 + SHIFT and auc.n >= 500:
        found.append(
            "a classifier tells even real training examples from the reference "
            f"(AUC {auc.floor:.2f}): the held-out part has another distribution, or the features have "
            "memorised the training data"
        )
    found += collapse(measures)
    if gone := missing(measures, classes):
        named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        found.append(f"hardly any samples of class {named}")
    if copied(measures):
        found.append("the samples copy the training data: a privacy risk")
    elif exposed(measures):
        found.append(
            "the samples give away which rows were in the training data "
            f"(AUC {measures['membership'].value:.2f}): a privacy risk"
        )
    return found


def _too_few(measures: dict[str, Entry], reference: int, width: int) -> list[str]:
    advised = {name: MEASURES[name].advised(width) for name in ("fid", "kid", "coverage")}
    some = {
        title(name): least
        for name, least in advised.items()
        if name in measures and min(measures[name].n, reference) < least
    }
    if not some:
        return []
    n = next(measures[name].n for name in advised if name in measures)
    named = ", ".join(f"{name} ({least:,} of each advised)" for name, least in some.items())
    return [f"{n:,} samples against {reference:,} real examples are few for {named}"]
