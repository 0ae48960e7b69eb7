"""From findings to the page: what is said in words, and the template filled in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ganwright.evaluate import MEASURES, Card, Entry
from ganwright.evaluate.card import title
from ganwright.evaluate.verdict import COPYING, LEVELS, copied, gap, levels_of
from ganwright.modalities.images.look.gallery import CLASSES
from ganwright.modalities.tables import look as rows
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, Line, shown
from ganwright.report.facts import Facts, number
from ganwright.report.findings import Findings

TONES = ("good", "good", "fair", "poor")  # of LEVELS
USES = (
    "You can use these samples in place of real examples.",
    "You can use these samples to enlarge a training set or to try software with, but not to draw "
    "conclusions about the world.",
    "You can use these samples to try software with; whoever looks closely sees that they are made.",
    "Don't use these samples yet: train longer, or see below where it went wrong.",
)
_BEFORE = (("samples", "Samples"), ("warnings", "Warnings"), ("card", "Card"))
SECTIONS = {  # by kind of data: places on the page, and their names in its list
    "image": (
        *_BEFORE,
        ("time", "Over time"),
        ("memory", "Memory"),
        ("classes", "Classes"),
        ("ends", "Best and worst"),
        ("how", "How it was made"),
    ),
    "table": (
        *_BEFORE,
        ("time", "Over time"),
        ("use", "Worth"),
        ("columns", "Columns"),
        ("pairs", "What goes together"),
        ("memory", "Memory"),
        ("how", "How it was made"),
    ),
    "counts": (*_BEFORE, ("time", "Over time"), ("how", "How it was made")),
}
SIMPLEST = {
    "image": "a bell curve for each way the pictures vary",
    "table": "each column drawn by itself from the training rows",
    "counts": "each word drawn by itself, with the totals of the training rows",
}
OTHERS = {"smote": "SMOTE"}
SHARE = "share_"  # begins the log's shares of classes
COPIED = "Don't pass these samples on where the training data is private: some repeat it."


@dataclass(frozen=True)
class Row:
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


@dataclass(frozen=True)
class Lead:
    """The first words of a page."""

    level: str
    tone: str
    text: str
    advice: str


def render(facts: Facts, found: Findings) -> str:
    """The whole page."""
    card = found.card
    return template("page.html").render(
        css=Markup(read("page.css")),
        name=facts.folder.path.resolve().name,
        facts=facts,
        found=found,
        card=card,
        lead=lead(card, found.missing.get("card") or found.missing.get("data")),
        state=state(facts),
        warnings=all_warnings(facts, found),
        kind=found.kind,
        sections=SECTIONS[found.kind],
        simplest=SIMPLEST[found.kind],
        others=[OTHERS.get(name, name) for name in (card.others if card else ())],
        strip="ends" in dict(SECTIONS[found.kind]),
        drawn_card=rows.drawn_card(card),
        copies=copies_said(card),
        rows=[] if card is None else [row(n, e, card.others) for n, e in card.measures.items()],
        left_out={} if card is None else {title(n): why for n, why in card.left_out.items()},
        curves=curves(facts, found),
        no_scores=no_scores(facts),
        histogram=histogram(found),
        trained_on=trained_on(facts, found),
        training=training(facts, found),
        recipe=facts.recipe,
        files=[(name, _bytes(size)) for name, size in facts.files],
        more_classes=max(0, len(found.model.spec.classes) - CLASSES) if found.model else 0,
    )


# --- words ---------------------------------------------------------------------------------------


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


def all_warnings(facts: Facts, found: Findings) -> list[str]:
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
    said = {
        "model": "the model can't be read, so nothing is shown that takes it",
        "data": "the data can't be opened, so nothing is shown that takes it (name where it is now with "
        "--against)",
        "card": "the samples could not be judged",
        "samples": "the model can't make samples",
        "features": "the features of the card can't be had again, so nothing is shown that takes them",
        "close": "the samples could not be looked at closely",
        "classes": "samples by class could not be made",
    }
    return warnings + [f"{said[part]}: {why}" for part, why in found.missing.items()]


def copies_said(card: Card | None) -> str:
    """How many rows repeat a single training row, in words."""
    entry = None if card is None else card.measures.get("unique_copies")
    if entry is None:
        return ""
    floor = "" if entry.floor is None else f"; real rows would by chance in {entry.floor:.2%}"
    return f"Of the made rows {entry.value:.2%} equal a training row that stands there once{floor}."


def row(name: str, entry: Entry, others: tuple[str, ...] = ()) -> Row:
    """One measure, ready to show. What lies between real and simplest is drawn."""
    says = MEASURES[name].says if name in MEASURES else ""
    interval = "—"
    if entry.low is not None and entry.high is not None:
        interval = f"{shown(entry.low)} … {shown(entry.high)}"
    floor, baseline = (
        "—" if value is None else shown(value) for value in (entry.floor, entry.baseline)
    )
    return Row(
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
    if entry.better.startswith("near"):  # beyond real is as wrong as short of it
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
    """An interval of signed places as one of distances from 0."""
    if math.isnan(low + high):
        return math.nan, math.nan
    ends = abs(low), abs(high)
    return (0.0 if low * high < 0 else min(ends)), max(ends)


# --- curves --------------------------------------------------------------------------------------


def curves(facts: Facts, found: Findings) -> list[Chart]:
    """Small multiples over time, of what the log holds."""
    drawn = [
        charts.line_chart(
            "Losses",
            "Neither need fall: each player is judged by the other. Watch for one running away.",
            [
                Line("discriminator", facts.series("report", "discriminator_loss"), 0),
                Line("generator", facts.series("report", "generator_loss"), 1),
            ],
        ),
        charts.line_chart(
            "What the discriminator says",
            "Its mean answer to real and to made examples. The nearer the two lines, the harder it "
            "finds to tell them apart.",
            [
                Line("real", facts.series("report", "real_logit"), 2),
                Line("made", facts.series("report", "fake_logit"), 1),
            ],
        ),
        _distance(facts),
        charts.line_chart(
            "Quality and variety",
            "Precision: made examples that look real. Recall and coverage: how much of the real "
            "variety is met. Recall that sinks is collapse.",
            [
                Line(name, facts.series("score", name), colour)
                for name, colour in (("precision", 0), ("recall", 1), ("coverage", 2))
            ],
            limits=(0.0, 1.0),
        ),
        charts.line_chart(
            "Collapse",
            "Unique: the share of samples that repeat no other. Spread: how different they are from "
            "each other, where real examples have 1. Near 0, one thing only is made.",
            [
                Line("unique", facts.series("score", "unique"), 0),
                Line("spread", facts.series("snapshot", "variety"), 1),
            ],
            limits=(0.0, 1.0),
        ),
        charts.line_chart(
            "Shapes and trends",
            "How alike columns, and pairs of them that go together, are to real ones; 1 is the same.",
            [
                Line(name, facts.series("score", name), i)
                for i, name in enumerate(("shapes", "trends"))
            ],
            limits=(0.5, 1.0),
        ),
        _shares(facts, found),
    ]
    return [chart for chart in drawn if chart is not None]


def _distance(facts: Facts) -> Chart | None:
    scores, floor = facts.series("score", "fid"), facts.series("score", "floor")
    errors = dict(facts.series("score", "fid_error"))
    best = min(scores, key=lambda point: point[1], default=None)
    band = [(x, y - 1.96 * errors[x], y + 1.96 * errors[x]) for x, y in scores if x in errors]
    positive = all(low > 0 for _, low, _ in band)
    return charts.line_chart(
        "Distance from real examples (FID)",
        "The lower, the better; dashed is what real training examples score in the samples' place. The "
        "best is what is kept. Scores in training use few samples and features of their own: compare "
        "them with each other, not with the card.",
        [Line("samples", scores, 0), Line("real", floor, 2, dashed=True)],
        band=band if positive else (),
        best=best,
        by_factors=True,
    )


def _shares(facts: Facts, found: Findings) -> Chart | None:
    """Class shares of the scores; of the grids where the scores know no classes."""
    scores = [e for e in facts.of("score") if not math.isnan(number(e.get("kimg")))]
    keys = list(dict.fromkeys(key for e in scores for key in e if key.startswith(SHARE)))
    if keys:
        names = [key.removeprefix(SHARE) for key in keys]
        table = [(number(e["kimg"]), [_or_zero(e.get(key)) for key in keys]) for e in scores]
        says = "What a classifier takes the samples of each score for. A band that vanishes is a lost class."
        return charts.stacked_chart("Classes", says, names, table)
    says = (
        "What a classifier takes the pictures of each grid of samples for. Few pictures: the bands "
        "are rough. A band that vanishes is a lost class."
    )
    return charts.stacked_chart("Classes", says, found.share_names, found.shares)


def _or_zero(value: Any) -> float:
    found = number(value)
    return 0.0 if math.isnan(found) else found


def no_scores(facts: Facts) -> str:
    """Why the curves lack scores, where they do."""
    if facts.of("score"):
        return ""
    return (
        "There are no scores in training: too little was held out to score by, they were switched off, "
        "or none was due yet."
    )


def histogram(found: Findings) -> Chart | None:
    """Asked and seen shares of each class."""
    shares = None if found.close is None else found.close.shares
    if shares is None:
        return None
    asked = "asked for" if found.close and found.close.agreed else "in the data"
    says = f"The share of each class {asked}, and the share that a classifier sees in the samples."
    few = slice(0, CLASSES)
    columns = [(asked, shares.asked[few]), ("seen", shares.seen[few])]
    return charts.bars(f"Classes {asked} and seen", says, shares.names[few], columns)


# --- facts ---------------------------------------------------------------------------------------


def trained_on(facts: Facts, found: Findings) -> list[tuple[str, str]]:
    """What the data was, as far as it is known."""
    model, data, start = found.model, found.data, facts.start
    lines = [("Data", str(start.get("data", "unknown")))]
    if facts.source and facts.source != start.get("data"):
        lines.append(("Where it was", facts.source))
    if "n" in start:
        lines.append(("Training examples", _count(start["n"])))
    if data is not None and found.own:
        lines.append(
            ("Held out", f"{len(data.heldout):,}, one half to choose a model, one to judge it")
        )
    if model is not None:
        lines.append(
            (
                "One example",
                ONE[found.kind](model),
            )
        )
        if model.spec.classes or "classes" in dict(SECTIONS[found.kind]):
            lines.append(("Classes", _classes(model.spec.classes, model.data.get("class_counts"))))
    lines.append(("Fingerprint", str(start.get("fingerprint", "unknown"))))
    if data is not None and found.own:
        lines += [("Rule", note) for note in data.notes]
    return lines


def _picture(model: Model) -> str:
    return "×".join(map(str, model.spec.shape)) + f" ({', '.join(model.spec.axes)})"


def _row(model: Model) -> str:
    codec: Any = model.codec
    kinds = Counter(column.kind for column in codec.columns)
    named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{len(codec.columns)} columns ({named})"


def _words(model: Model) -> str:
    codec: Any = model.codec
    return f"counts of {model.spec.size:,} words, up to {codec.high:,}"


# What an example is.
ONE: dict[str, Callable[[Model], str]] = {"image": _picture, "table": _row, "counts": _words}


def _classes(classes: tuple[str, ...], counts: Any) -> str:
    if not classes:
        return "none"
    if not isinstance(counts, list) or len(counts) != len(classes):
        counts = [None] * len(classes)
    each = [
        name if n is None else f"{name} ({n:,})" for name, n in zip(classes, counts, strict=True)
    ]
    more = f", and {len(each) - CLASSES} more" if len(each) > CLASSES else ""
    return f"{len(each)}: {', '.join(each[:CLASSES])}{more}"


def training(facts: Facts, found: Findings) -> list[tuple[str, str]]:
    """How long it trained, on what, and how fast."""
    start = facts.start
    seconds, speed = facts.last("seconds"), facts.last("images_per_s")
    scores = facts.series("score", "fid")
    lines = [
        ("Recipe", str(start.get("recipe", "unknown"))),
        (
            "Shown to it",
            f"{facts.last('kimg'):,.1f} thousand examples (kimg)" if facts.events else "unknown",
        ),
        ("Time", "unknown" if math.isnan(seconds) else _time(seconds)),
        ("Device", f"{start.get('device', 'unknown')}, threads: {start.get('threads', 'unknown')}"),
        ("Speed", "unknown" if math.isnan(speed) else f"{speed:,.0f} examples a second"),
    ]
    if "generator_parameters" in start:
        sizes = _count(start["generator_parameters"]), _count(start.get("discriminator_parameters"))
        lines.append(("Weights", f"{sizes[0]} in the generator, {sizes[1]} in the discriminator"))
    if found.model is not None:
        best = (
            " (the best score)" if scores and (facts.folder.best / "model.json").is_file() else ""
        )
        lines.append(("The model shown", f"after {found.model.seen / 1000:,.1f} kimg{best}"))
    versions = [
        f"{name} {start[name]}" for name in ("ganwright", "torch", "python") if name in start
    ]
    return [*lines, ("Versions", ", ".join(versions) or "unknown")]


def _count(value: Any) -> str:
    found = number(value)
    return "unknown" if math.isnan(found) else f"{found:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return ""


def read(name: str) -> str:
    """A file of this room: a template or a style."""
    return resources.files("ganwright.report").joinpath(name).read_text(encoding="utf-8")


@cache
def template(name: str) -> Any:
    """A template of this room."""
    environment = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    return environment.get_template(name)
