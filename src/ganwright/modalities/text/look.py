"""What reports show of texts: some of them, real ones beside, and quality against diversity."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.evaluate import Card
from ganwright.modalities.text.nets import LM
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, Line
from ganwright.report.facts import Facts
from ganwright.report.look import Cut, Findings, Look, Say, Shown, SideBySide, rows_section
from ganwright.report.templates import template

SHOWN = 16
SELF = "self"


class TextLook(Look):
    """Texts side by side, and the curves of both models."""

    sections = (("curve", "Quality and diversity"),)
    simplest = "units drawn by themselves, as many as in a training text"

    def one(self, model: Model) -> str:
        """How long, and of what."""
        codec: Any = model.codec
        return f"a text of up to {codec.length} {codec.units}, of which it knows {len(codec.vocabulary):,}"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Made texts, real ones beside them where the data can be opened, and the curves."""
        model, rows = found.model, None
        if model is not None:
            say("drawing samples")
            rows = found.attempt("samples", lambda: _rows(model, found.data))
        drawn = None if found.card is None else _curve(found.card)
        html = template("look.html", __package__).render(drawn=drawn)
        return Shown(
            samples=rows_section(None) if rows is None else rows,
            curves=_over_time(facts),
            sections=Markup(html),
        )

    def side_by_side(self, model: Model, data: Dataset) -> SideBySide | None:
        """Some texts of both."""
        made, real, unseen = _texts(model, data)
        shown = model.codec.html
        return SideBySide(Markup(shown(made)), Markup(shown(real)), unseen)


def _texts(model: Model, data: Dataset | None) -> tuple[list[str], list[str], bool]:
    """Made texts, real ones and whether those are unseen."""
    made = next(model.stream(SHOWN, seed=seeds.derive(0, "report"))).examples
    if data is None:
        return made, [], False
    unseen = len(data.heldout) > 0
    rows = data.heldout if unseen else data.train
    rng = np.random.default_rng(seeds.derive(0, "report", "real"))
    return made, data.examples(np.sort(rng.permutation(rows)[:SHOWN])), unseen


def _rows(model: Model, data: Dataset | None) -> Markup:
    made, real, unseen = _texts(model, data)
    return rows_section(_cut(made), _cut(real) if real else None, unseen=unseen)


def _cut(texts: list[str]) -> Cut:
    return Cut(names=("text",), rows=tuple((text or " ",) for text in texts), numeric=(False,))


def _curve(card: Card) -> Chart | None:
    """LM score against reverse LM score, of both models over temperatures, and of real texts."""
    quality, diversity = card.measures.get("lm_score"), card.measures.get("reverse_lm")
    if quality is None or diversity is None:
        return None
    points = {
        name: (quality.others[name], diversity.others[name])
        for name in quality.others
        if name in diversity.others
    } | {SELF: (quality.value, diversity.value)}
    lines = [
        Line(title, sorted(p for n, p in points.items() if n.partition("@")[0] == family), colour)
        for family, title, colour in ((SELF, "this model", 0), (LM, "language model", 1))
    ]
    if quality.floor is not None and diversity.floor is not None:
        lines.append(Line("real texts", [(quality.floor, diversity.floor)], 2))
    return charts.line_chart(
        "Reverse LM score over LM score",
        "Both in nats a unit; the nearer to the corner at the bottom left, the better. A point for each "
        "temperature, from 1 down to the left.",
        lines,
        unit="nats: LM score",
    )


def _over_time(facts: Facts) -> tuple[Chart, ...]:
    drawn = charts.line_chart(
        "Reverse LM score",
        "Nats a unit that an n-gram model of the samples needs for held-out texts: the lower, the more of "
        "their variety is covered.",
        [Line("samples", facts.series("score", "reverse_lm"), 0)],
        by_factors=True,
    )
    return () if drawn is None else (drawn,)


LOOK = TextLook()
