"""Several runs on the same data on one page: samples, scores and curves side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset, ImageCodec, open_data
from ganwright.evaluate import MEASURES, Card, Entry
from ganwright.evaluate.card import title
from ganwright.evaluate.compare import badness, best, shared
from ganwright.model import Model
from ganwright.report import charts, gallery, page
from ganwright.report.charts import Chart, Line, shown
from ganwright.report.facts import Facts, number, read_run
from ganwright.report.images import Inline

COLOURS, GREY = 10, 11  # of runs; of what real data scores
NEAREST = "fid"  # what the first words go by
TONES = ("good", "fair", "poor", "plain")


@dataclass(frozen=True, eq=False)
class Contestant:
    """One run of a comparison."""

    name: str
    path: Path
    card: Card

    @cached_property
    def facts(self) -> Facts:
        """What its files say."""
        return read_run(self.path)

    @cached_property
    def model(self) -> Model:
        """The model that was judged."""
        return Model.load(self.path)


@dataclass(frozen=True)
class Look:
    """A contestant's samples, and what stands below them."""

    name: str
    colour: int
    level: str
    tone: str
    says: str
    samples: Inline | None


@dataclass(frozen=True)
class Score:
    """One value in the table of scores."""

    value: str
    interval: str
    best: bool


@dataclass(frozen=True)
class Row:
    """One measure of all contestants."""

    title: str
    says: str
    better: str
    scores: tuple[Score, ...]
    floor: str


def render_comparison(
    contestants: Sequence[Contestant], left_out: Mapping[str, str], command: str
) -> str:
    """The page of runs on the same data whose cards can be compared; `left_out` says why others aren't.

    `command` makes it again.
    """
    cards = [one.card for one in contestants]
    first = contestants[0]
    data = _data(first)
    pictures = [_side_by_side(one, data) for one in contestants]
    real = pictures[0][1]
    tones = [page.lead(card, None).tone for card in cards]
    return page.template("compare.html").render(
        css=Markup(page.read("page.css")),
        data=str(first.facts.start.get("data", "data")),
        tone=min(tones, key=TONES.index),  # of the best
        text=verdict(cards),
        real=real,
        unseen=pictures[0][2],
        looks=[
            _look(i, one, shown_[0])
            for i, (one, shown_) in enumerate(zip(contestants, pictures, strict=True))
        ],
        names=[one.name for one in contestants],
        card=first.card,
        rows=[_row(name, cards) for name in shared(cards)],
        curves=curves(contestants),
        courses=[_course(one) for one in contestants],
        warnings=_warnings(contestants),
        left_out=left_out,
        command=command,
    )


def verdict(cards: Sequence[Card]) -> str:
    """Which recipe is nearest to real data, whether that is sure, and who is best in what else."""
    names = shared(cards)
    by = NEAREST if NEAREST in names else names[0]
    order = sorted(range(len(cards)), key=lambda i: badness(cards[i].measures[by]))
    values = [f"{cards[i].samples} {shown(cards[i].measures[by].value)}" for i in order]
    floor = cards[0].measures[by].floor
    real = "" if floor is None else f", where real data has {shown(floor)}"
    if len(cards) == 1:
        return f"{title(by)} of {values[0]}{real}."
    if best(cards, by) is None:
        text = (
            f"By {title(by)}, none is nearest to real data by more than the noise: "
            f"{', '.join(values)}{real}."
        )
    else:
        text = (
            f"{cards[order[0]].samples} is nearest to real data, by more than the noise: {title(by)} "
            f"{', '.join(values)}{real}."
        )
    stars = Counter(cards[i].samples for name in names if (i := best(cards, name)) is not None)
    if stars:
        named = ", ".join(f"{name} in {count}" for name, count in stars.most_common())
        text += f" Best by more than the noise, of {len(names)} measures: {named}."
    return text


def _data(one: Contestant) -> Dataset:
    options = build(DataOptions, one.model.recipe["data"], owner="model.json: recipe.data")
    return open_data(str(one.facts.source), options=options)


def _side_by_side(one: Contestant, data: Dataset) -> tuple[Inline | None, Inline | None, bool]:
    """Samples and real examples where they can be looked at: pictures."""
    if data.codec.kind != ImageCodec.kind:
        return None, None, False
    return gallery.side_by_side(one.model, data)


def _look(i: int, one: Contestant, samples: Inline | None) -> Look:
    lead = page.lead(one.card, None)
    parts = [f"{one.facts.last('kimg'):,.1f} kimg", f"{one.facts.last('seconds'):,.0f} s"]
    return Look(one.name, i % COLOURS, lead.level, lead.tone, ", ".join(parts), samples)


def _row(name: str, cards: Sequence[Card]) -> Row:
    entries, winner = [card.measures[name] for card in cards], best(cards, name)
    floor = entries[0].floor
    return Row(
        title=title(name),
        says=MEASURES[name].says if name in MEASURES else "",
        better=entries[0].better,
        scores=tuple(
            Score(shown(entry.value), _interval(entry), i == winner)
            for i, entry in enumerate(entries)
        ),
        floor="—" if floor is None else shown(floor),
    )


def _interval(entry: Entry) -> str:
    if entry.low is None or entry.high is None:
        return ""
    return f"{shown(entry.low)} … {shown(entry.high)}"


def curves(contestants: Sequence[Contestant]) -> list[Chart]:
    """The scores in training by seconds and by kimg, a line a contestant."""
    drawn = [
        _curve(contestants, "fid", "seconds", "Distance from real examples (FID), by the clock",
               "The lower, the better. How soon is each how near, on this machine?"),
        _curve(contestants, "fid", "kimg", "The same, by examples seen",
               "How much does each learn from an example, however long that takes?"),
        _curve(contestants, "coverage", "seconds", "Variety (coverage), by the clock",
               "The share of real variety that is met. A line that falls is a collapse."),
    ]  # fmt: skip
    return [chart for chart in drawn if chart is not None]


def _curve(
    contestants: Sequence[Contestant], name: str, by: str, heading: str, says: str
) -> Chart | None:
    lines = [
        Line(one.name, one.facts.series("score", name, by), i % COLOURS)
        for i, one in enumerate(contestants)
    ]
    if name == "fid":
        longest = max(
            (one.facts.series("score", "floor", by) for one in contestants),
            key=lambda points: points[-1][0] if points else 0.0,
        )
        lines.append(Line("real", longest, GREY, dashed=True))
    unit = "s" if by == "seconds" else by
    limits = (0.0, 1.0) if name == "coverage" else None
    return charts.line_chart(heading, says, lines, unit=unit, limits=limits, by_factors=True)


def _course(one: Contestant) -> tuple[str, ...]:
    """How a contestant's training went: a row of words."""
    facts = one.facts
    sizes = [number(facts.start.get(f"{who}_parameters")) for who in ("generator", "discriminator")]
    return (
        one.name,
        f"{facts.last('kimg'):,.1f}",
        f"{facts.last('seconds'):,.0f}",
        f"{facts.last('images_per_s'):,.0f}",
        f"{sizes[0]:,.0f}",
        f"{sizes[1]:,.0f}",
        f"{one.model.seen / 1000:,.1f}",
    )


def _warnings(contestants: Sequence[Contestant]) -> list[tuple[str, str]]:
    """Of each contestant, what a reader must know; once what is said of all."""
    found = [
        (one.name, text) for one in contestants for text in (*one.card.warnings, *_course_said(one))
    ]
    texts = [text for _, text in found]
    common = [t for t in dict.fromkeys(texts) if texts.count(t) == len(contestants) > 1]
    return [("all", t) for t in common] + [(n, t) for n, t in found if t not in common]


def _course_said(one: Contestant) -> list[str]:
    events = one.facts.of("guard")
    backs = sum("back_to" in event for event in events)
    collapses = sum(event.get("problem") == "collapse" for event in events)
    said = []
    if backs:
        said.append(f"training diverged and was set back, with half the rates, {backs}×")
    if collapses:
        said.append(f"the samples varied far less than the data at {collapses} marks in training")
    return said
