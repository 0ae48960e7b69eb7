"""Several runs on the same data on one page: samples, scores and curves side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from ganwright.base.modality import modality
from ganwright.data import Dataset, open_data
from ganwright.evaluate import MEASURES, Card, Entry
from ganwright.evaluate.card import title
from ganwright.evaluate.compare import Seeds, best, best_over_seeds, over_seeds, shared
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, Line, shown
from ganwright.report.facts import Facts, number, read_run
from ganwright.report.look import SideBySide, look_of
from ganwright.report.templates import read, template
from ganwright.report.words import lead

COLOURS, GREY = 10, 11  # of runs; of what real data scores
NEAREST = "fid"  # the measure that the verdict goes by
TONES = ("good", "fair", "poor", "plain")


@dataclass(frozen=True, eq=False)
class Candidate:
    """One run of a comparison."""

    name: str
    path: Path
    card: Card
    recipe: str  # of which it is one seed

    @cached_property
    def facts(self) -> Facts:
        """What its files say."""
        return read_run(self.path)

    @cached_property
    def model(self) -> Model:
        """The model that was judged."""
        return Model.load(self.path)


Groups = Mapping[str, Sequence[Candidate]]  # by recipe, a candidate a seed
Cards = Mapping[str, Sequence[Card]]


@dataclass(frozen=True)
class Panel:
    """A candidate's samples, and what stands below them."""

    name: str
    colour: int
    level: str
    tone: str
    says: str
    samples: Markup | None


@dataclass(frozen=True)
class Score:
    """One value in the table of scores."""

    value: str
    interval: str
    best: bool


@dataclass(frozen=True)
class ComparedMeasure:
    """One measure of all candidates."""

    title: str
    says: str
    better: str
    scores: tuple[Score, ...]
    floor: str


def render_comparison(
    candidates: Sequence[Candidate], left_out: Mapping[str, str], command: str
) -> str:
    """The page of runs on the same data whose cards can be compared; `left_out` says why others aren't.

    `command` makes it again.
    """
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.recipe, []).append(one)
    cards = {recipe: [one.card for one in group] for recipe, group in groups.items()}
    first, firsts = candidates[0], [group[0] for group in groups.values()]
    data = _data(first)
    beside = [_side_by_side(one, data) for one in firsts]
    tones = [lead(one.card, None).tone for one in candidates]
    return template("compare.html").render(
        css=Markup(read("page.css")),
        data=str(first.facts.start.get("data", "data")),
        tone=min(tones, key=TONES.index),  # of the best
        text=verdict(cards),
        real=beside[0] and beside[0].real,
        unseen=beside[0] and beside[0].unseen,
        looks=[
            _panel(i, one, both and both.made)
            for i, (one, both) in enumerate(zip(firsts, beside, strict=True))
        ],
        names=list(groups),
        seeds=max(map(len, groups.values())),
        card=first.card,
        rows=[_row(name, cards) for name in shared([one.card for one in candidates])],
        curves=curves(groups),
        courses=[_course(one) for one in candidates],
        warnings=_warnings(candidates),
        left_out=left_out,
        command=command,
    )


def verdict(cards: Cards) -> str:
    """Which recipe is nearest to real data, whether that is certain, and which are best in what."""
    names = shared([card for group in cards.values() for card in group])
    by = NEAREST if NEAREST in names else names[0]
    found = {recipe: over_seeds(group, by) for recipe, group in cards.items()}
    order = sorted(found, key=lambda recipe: found[recipe].best + found[recipe].worst)
    values = [f"{recipe} {_mean(found[recipe], cards[recipe])}" for recipe in order]
    floor = cards[order[0]][0].measures[by].floor
    real = "" if floor is None else f", where real data has {shown(floor)}"
    if len(cards) == 1:
        return f"{title(by)} of {values[0]}{real}."
    noise = (
        "by more than the noise"
        if _single(cards)
        else "its worst seed ahead of every seed of the others"
    )
    if _winner(cards, by) is None:
        start = f"By {title(by)}, none is clearly nearest to real data ({noise}): "
    else:
        start = f"{order[0]} is nearest to real data, {noise}: {title(by)} "
    text = f"{start}{', '.join(values)}{real}."
    stars = Counter(winner for name in names if (winner := _winner(cards, name)) is not None)
    if stars:
        named = ", ".join(f"{name} in {count}" for name, count in stars.most_common())
        text += f" Clearly best, of {len(names)} measures: {named}."
    return text


def _single(cards: Cards) -> bool:
    """Whether every recipe was trained once only."""
    return all(len(group) == 1 for group in cards.values())


def _winner(cards: Cards, name: str) -> str | None:
    """The clearly best recipe: beyond the noise or, with several seeds, ahead of all other seeds."""
    if not _single(cards):
        return best_over_seeds(cards, name)
    i = best([group[0] for group in cards.values()], name)
    return None if i is None else list(cards)[i]


def _mean(found: Seeds, group: Sequence[Card]) -> str:
    spread = f" ± {found.spread:.2g}" if len(group) > 1 else ""
    return f"{shown(found.mean)}{spread}"


def _data(one: Candidate) -> Dataset:
    return open_data(str(one.facts.source), options=one.model.data_options)


def _side_by_side(one: Candidate, data: Dataset) -> SideBySide | None:
    """Samples and real examples, where they can be compared at a glance."""
    return look_of(modality(data.codec.kind)).side_by_side(one.model, data)


def _panel(i: int, one: Candidate, samples: Markup | None) -> Panel:
    words = lead(one.card, None)
    parts = [f"{one.facts.last('kimg'):,.1f} kimg", f"{one.facts.last('seconds'):,.0f} s"]
    return Panel(one.recipe, i % COLOURS, words.level, words.tone, ", ".join(parts), samples)


def _row(name: str, cards: Cards) -> ComparedMeasure:
    winner = _winner(cards, name)
    entry = next(iter(cards.values()))[0].measures[name]
    return ComparedMeasure(
        title=title(name),
        says=MEASURES[name].says if name in MEASURES else "",
        better=entry.better,
        scores=tuple(
            Score(
                _mean(over_seeds(group, name), group),
                _interval(group[0].measures[name]) if len(group) == 1 else "",
                recipe == winner,
            )
            for recipe, group in cards.items()
        ),
        floor="—" if entry.floor is None else shown(entry.floor),
    )


def _interval(entry: Entry) -> str:
    if entry.low is None or entry.high is None:
        return ""
    return f"{shown(entry.low)} … {shown(entry.high)}"


def curves(groups: Groups) -> list[Chart]:
    """The scores in training by seconds and by kimg, one line per candidate, one colour per recipe."""
    drawn = [
        _curve(groups, "fid", "seconds", "Distance from real examples (FID), over time",
               "The lower, the better: how fast each recipe gets there on this machine."),
        _curve(groups, "fid", "kimg", "The same, over examples seen",
               "How much each learns per example, however long that takes."),
        _curve(groups, "coverage", "seconds", "Variety (coverage), over time",
               "The share of real variety that is covered. A falling line is a sign of mode collapse."),
    ]  # fmt: skip
    return [chart for chart in drawn if chart is not None]


def _curve(groups: Groups, name: str, by: str, heading: str, says: str) -> Chart | None:
    lines = [
        Line(recipe, one.facts.series("score", name, by), i % COLOURS)
        for i, (recipe, group) in enumerate(groups.items())
        for one in group
    ]
    if name == "fid":
        longest = max(
            (one.facts.series("score", "floor", by) for group in groups.values() for one in group),
            key=lambda points: points[-1][0] if points else 0.0,
        )
        lines.append(Line("real", longest, GREY, dashed=True))
    unit = "s" if by == "seconds" else by
    limits = (0.0, 1.0) if name == "coverage" else None
    drawn = charts.line_chart(heading, says, lines, unit=unit, limits=limits, by_factors=True)
    # The seeds of a recipe share a colour: one legend entry for all.
    return None if drawn is None else replace(drawn, legend=tuple(dict.fromkeys(drawn.legend)))


def _course(one: Candidate) -> tuple[str, ...]:
    """How a candidate's training went: a row of words."""
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


def _warnings(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    """What a reader must know about each candidate; what applies to all is said once."""
    found = [
        (one.name, text) for one in candidates for text in (*one.card.warnings, *_course_said(one))
    ]
    texts = [text for _, text in found]
    common = [t for t in dict.fromkeys(texts) if texts.count(t) == len(candidates) > 1]
    return [("all", t) for t in common] + [(n, t) for n, t in found if t not in common]


def _course_said(one: Candidate) -> list[str]:
    events = one.facts.of("guard")
    backs = sum("back_to" in event for event in events)
    collapses = sum(event.get("problem") == "collapse" for event in events)
    said = []
    if backs:
        said.append(f"training went wrong and was rolled back, with lower learning rates, {backs}×")
    if collapses:
        said.append(
            f"the samples varied far less than the data at {collapses} snapshots in training"
        )
    return said
