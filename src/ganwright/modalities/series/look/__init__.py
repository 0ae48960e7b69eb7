"""What reports show of series: windows, made and real, and how both move over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.modalities.series.quality import Rows, autocorrelations, spectra
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, Line
from ganwright.report.facts import Facts, Series
from ganwright.report.look import Findings, Look, Say, Shown, SideBySide
from ganwright.report.templates import template

CHANNELS, DRAWN, MEASURED = 6, 5, 1000  # channels, windows of each, and windows that curves are of
COMPARED = 2  # channels where several models stand side by side
OTHERS = {"var": "VAR"}  # further references, for people


class SeriesLook(Look):
    """Series in a report."""

    sections = (("dynamics", "Dynamics"),)
    simplest = (
        "the block bootstrap, halves of training windows pasted one after the other; VAR is a vector "
        "autoregression, fitted by least squares"
    )
    others = OTHERS

    def one(self, model: Model) -> str:
        """How long a window is, and what its channels are."""
        codec: Any = model.codec
        more = f" and {codec.width - 6} more" if codec.width > 6 else ""
        return f"{codec.length} steps of {', '.join(codec.names[:6])}{more}"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Windows side by side, autocorrelations and spectra."""
        model, data = found.model, found.data
        pairs: list[tuple[Chart, Chart | None]] = []
        curves: list[Chart] = []
        codec: Any = None if model is None else model.codec
        unseen = data is not None and len(data.heldout) > 0
        if model is not None:
            say("drawing samples")
            sides = found.attempt("samples", lambda: _sides(model, data))
            if sides is not None:
                pairs = _windows(codec, *sides)
                curves = _dynamics(codec, *sides)
        render = template("look.html", __name__).render
        more = 0 if codec is None else max(0, codec.width - CHANNELS)
        return Shown(
            samples=Markup(
                template("samples.html", __name__).render(pairs=pairs, unseen=unseen, more=more)
            ),
            curves=_scores(facts),
            sections=Markup(render(curves=curves)),
        )

    def side_by_side(self, model: Model, data: Dataset) -> SideBySide:
        """Windows of the first channels, made and real."""
        pairs = _windows(model.codec, *_sides(model, data))[:COMPARED]
        made, real = zip(*pairs, strict=True)
        return SideBySide(_joined(made), _joined(real), len(data.heldout) > 0)


def _joined(drawn: Sequence[Chart | None]) -> Markup:
    return Markup("").join(one.svg for one in drawn if one is not None)


def _sides(model: Model, data: Dataset | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Made windows, and real ones, held out where there are any."""
    blocks = model.stream(MEASURED, seed=seeds.derive(0, "report"))
    made = np.concatenate([block.examples for block in blocks])
    if data is None:
        return made, None
    rows = data.heldout if len(data.heldout) else data.train
    chosen = np.random.default_rng(seeds.derive(0, "report", "real")).permutation(rows)[:MEASURED]
    return made, data.examples(np.sort(chosen))


def _windows(
    codec: Any, made: np.ndarray, real: np.ndarray | None
) -> list[tuple[Chart, Chart | None]]:
    """For each of the first channels some windows, made and real, on one scale."""
    pairs = []
    rows = None if real is None else real[np.linspace(0, len(real) - 1, DRAWN).astype(int)]
    for c, name in enumerate(codec.names[:CHANNELS]):
        sides = [made[:DRAWN, :, c]] + ([] if rows is None else [rows[..., c]])
        whole = np.concatenate(sides)
        limits = (
            (float(np.nanmin(whole)), float(np.nanmax(whole)))
            if not np.isnan(whole).all()
            else None
        )
        drawn = [
            charts.line_chart(
                name,
                f"{what} windows of {name}",
                [Line(f"{i + 1}", _points(window), i) for i, window in enumerate(side)],
                limits=limits,
                unit="steps",
            )
            for what, side in zip(("Made", "Real"), sides, strict=False)
        ]
        if drawn[0] is not None:
            pairs.append((drawn[0], drawn[1] if len(drawn) > 1 else None))
    return pairs


def _points(values: np.ndarray) -> Series:
    return [(float(t), float(v)) for t, v in enumerate(values) if not np.isnan(v)]


def _dynamics(codec: Any, made: np.ndarray, real: np.ndarray | None) -> list[Chart]:
    """Autocorrelation and spectrum of the first channels, of both."""
    sides = {"made": made} | ({} if real is None else {"real": real})
    found = {name: Rows(codec.scaled(x[..., : codec.width])).whole for name, x in sides.items()}
    drawn: list[Chart] = []
    for c, name in enumerate(codec.names[:CHANNELS]):
        for title, measure, unit, first in (
            (f"{name}: autocorrelation", autocorrelations, "lag", 1),
            (f"{name}: spectrum", spectra, "cycles", 1),
        ):
            lines = [
                Line(side, [(float(first + i), float(v)) for i, v in enumerate(measure(x)[:, c])], i,
                     dashed=side == "real")
                for i, (side, x) in enumerate(found.items())
            ]  # fmt: skip
            says = (
                "Correlation with itself so many steps later."
                if unit == "lag"
                else ("Share of the power by cycles in a window, its mean left out.")
            )
            if (chart := charts.line_chart(title, says, lines, unit=unit)) is not None:
                drawn.append(chart)
    return drawn


def _scores(facts: Facts) -> tuple[Chart, ...]:
    names = ("autocorrelation", "cross_correlation")
    drawn = charts.line_chart(
        "Correlations over time and between channels",
        "Mean absolute differences from real ones; 0 is the same.",
        [
            Line(name.replace("_", "-"), facts.series("score", name), i)
            for i, name in enumerate(names)
        ],
    )
    return () if drawn is None else (drawn,)


LOOK = SeriesLook()
