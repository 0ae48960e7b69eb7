"""What reports show of tables: rows, columns and pairs of them, usefulness, distances."""

from __future__ import annotations

from collections import Counter
from typing import Any

from markupsafe import Markup

from ganwright.evaluate import Card
from ganwright.evaluate.features import choose_extractor
from ganwright.modalities.tables.look.sheet import NAMES, drawn_card, look
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, Line
from ganwright.report.facts import Facts
from ganwright.report.look import Findings, Look, Say, Shown, rows_section
from ganwright.report.templates import template


class TableLook(Look):
    """Tables in a report."""

    sections = (
        ("use", "Usefulness"),
        ("columns", "Columns"),
        ("pairs", "Associations"),
        ("memory", "Memory"),
    )
    simplest = "each column drawn by itself from the training rows"
    others = NAMES

    def one(self, model: Model) -> str:
        """How many columns there are, of which kinds."""
        codec: Any = model.codec
        kinds = Counter(column.kind for column in codec.columns)
        named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return f"{len(codec.columns)} columns ({named})"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Rows side by side, columns, pairs and distances."""
        model, data, sheet = found.model, found.data, None
        if model is not None:
            extractor = None
            if data is not None:
                extractor = found.attempt("features", lambda: choose_extractor(None, data))
            say("comparing columns and pairs of columns")
            sheet = found.attempt(
                "samples", lambda: look(model, data, extractor, found.card, own=found.own)
            )
        html = template("look.html", __name__).render(
            sheet=sheet,
            found=found,
            drawn_card=drawn_card(found.card),
            copies=_copies(found.card),
        )
        rows = rows_section(None)
        if sheet is not None:
            rows = rows_section(
                sheet.made, sheet.real, unseen=sheet.unseen, more=sheet.more_columns
            )
        return Shown(samples=rows, curves=_curves(facts), sections=Markup(html))


def _curves(facts: Facts) -> tuple[Chart, ...]:
    drawn = charts.line_chart(
        "Shapes and trends",
        "How similar columns and associated pairs of columns are to real ones; 1 is the same.",
        [Line(name, facts.series("score", name), i) for i, name in enumerate(("shapes", "trends"))],
        limits=(0.5, 1.0),
    )
    return () if drawn is None else (drawn,)


def _copies(card: Card | None) -> str:
    """How many rows copy a unique training row, in words."""
    entry = None if card is None else card.measures.get("unique_copies")
    if entry is None:
        return ""
    floor = "" if entry.floor is None else f"; by chance, {entry.floor:.2%} of real rows would"
    return f"Of the made rows, {entry.value:.2%} equal a training row that occurs only once{floor}."


LOOK = TableLook()
