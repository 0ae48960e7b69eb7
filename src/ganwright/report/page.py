"""Fills in the page's template."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from ganwright.evaluate import MEASURES, Entry
from ganwright.evaluate.card import title
from ganwright.evaluate.verdict import COPYING, LEVELS, gap
from ganwright.report import charts
from ganwright.report.about import in_bytes, trained_on, training
from ganwright.report.charts import shown
from ganwright.report.curves import curves, no_scores
from ganwright.report.facts import Facts
from ganwright.report.look import Findings, Look, Shown
from ganwright.report.templates import read, template
from ganwright.report.words import TONES, all_warnings, lead, state


@dataclass(frozen=True)
class CardRow:
    """One line of the card, ready to show."""

    title: str
    says: str
    value: str
    interval: str
    floor: str
    baseline: str
    better: str
    standing: Markup | None
    others: tuple[str, ...] = ()


def sections(look: Look) -> list[tuple[str, str]]:
    """The page's sections, as (anchor, name)."""
    before = [("samples", "Samples"), ("warnings", "Warnings"), ("card", "Card")]
    return [*before, ("time", "Over time"), *look.sections, ("how", "How it was made")]


def render(facts: Facts, found: Findings, look: Look, own: Shown) -> str:
    """The whole page; `own` is what the modality shows."""
    card = found.card
    text: str = template("page.html").render(
        css=Markup(read("page.css")),
        name=facts.folder.path.resolve().name,
        facts=facts,
        card=card,
        lead=lead(card, found.missing.get("card") or found.missing.get("data")),
        state=state(facts),
        warnings=all_warnings(facts, found, look),
        sections=sections(look),
        own=own,
        simplest=look.simplest,
        others=[look.others.get(name, name) for name in (card.others if card else ())],
        rows=[] if card is None else [row(n, e, card.others) for n, e in card.measures.items()],
        left_out={} if card is None else {title(n): why for n, why in card.left_out.items()},
        curves=curves(facts, own.curves),
        no_scores=no_scores(facts),
        trained_on=trained_on(facts, found, look),
        training=training(facts, found),
        recipe=facts.recipe,
        files=[(name, in_bytes(size)) for name, size in facts.files],
    )
    return text


# --- the card ------------------------------------------------------------------------------------


def row(name: str, entry: Entry, others: tuple[str, ...] = ()) -> CardRow:
    """One measure, ready to show. Its position between real and simplest is drawn."""
    says = MEASURES[name].says if name in MEASURES else ""
    interval = "—"
    if entry.low is not None and entry.high is not None:
        interval = f"{shown(entry.low)} … {shown(entry.high)}"
    floor, baseline = (
        "—" if value is None else shown(value) for value in (entry.floor, entry.baseline)
    )
    return CardRow(
        title=title(name),
        says=says,
        value=shown(entry.value),
        interval=interval,
        floor=floor,
        baseline=baseline,
        better=entry.better,
        standing=_standing(name, entry),
        others=tuple("—" if (v := entry.others.get(o)) is None else shown(v) for o in others),
    )


def _standing(name: str, entry: Entry) -> Markup | None:
    place = gap(entry)
    if math.isnan(place) or _upside_down(entry):
        return None
    low, high = (
        math.nan if end is None else gap(Entry(**{**vars(entry), "value": end}))
        for end in (entry.low, entry.high)
    )
    if entry.better.startswith("near"):  # overshooting real is as wrong as falling short of it
        place, (low, high) = abs(place), _distances(low, high)
    tone = TONES[next(i for i, (most, _) in enumerate(LEVELS) if place < most)]
    if name == "ct" and entry.value < COPYING:
        tone = "poor"
    where = f"{min(max(place, 0.0), 9.99):.0%} of the way from real data to the simplest model"
    low, high = min(low, high), max(low, high)
    return charts.standing(place, low, high, tone, where)


def _upside_down(entry: Entry) -> bool:
    """Whether the simplest model does better than real data: then there is no scale between them."""
    if entry.floor is None or entry.baseline is None:
        return True
    worse = entry.baseline - entry.floor
    return {"lower": worse <= 0, "higher": worse >= 0}.get(entry.better, False)


def _distances(low: float, high: float) -> tuple[float, float]:
    """The interval of |place|, from one of signed places."""
    if math.isnan(low + high):
        return math.nan, math.nan
    ends = abs(low), abs(high)
    return (0.0 if low * high < 0 else min(ends)), max(ends)
