"""Training curves: the log's numbers over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ganwright.report import charts
from ganwright.report.charts import Chart, Line
from ganwright.report.facts import Facts, number

SHARE = "share_"  # begins the log's shares of classes


def curves(facts: Facts, own: Sequence[Chart]) -> list[Chart]:
    """Small multiples over time, of what the log holds; `own` are the modality's."""
    drawn = [
        charts.line_chart(
            "Losses",
            "Neither has to fall: each player is judged by the other. Watch for one running away.",
            [
                Line("discriminator", facts.series("report", "discriminator_loss"), 0),
                Line("generator", facts.series("report", "generator_loss"), 1),
            ],
        ),
        charts.line_chart(
            "What the discriminator says",
            "Its mean output for real and for made examples. The closer the two lines, the harder it "
            "finds it to tell them apart.",
            [
                Line("real", facts.series("report", "real_logit"), 2),
                Line("made", facts.series("report", "fake_logit"), 1),
            ],
        ),
        _distance(facts),
        charts.line_chart(
            "Quality and variety",
            "Precision: made examples that look real. Recall and coverage: how much of the real "
            "variety is covered. Falling recall is a sign of mode collapse.",
            [
                Line(name, facts.series("score", name), colour)
                for name, colour in (("precision", 0), ("recall", 1), ("coverage", 2))
            ],
            limits=(0.0, 1.0),
        ),
        charts.line_chart(
            "Collapse",
            "Unique: the share of distinct samples. Spread: how different they are from each other, "
            "where real examples have 1. Near 0, the generator makes only one thing.",
            [
                Line("unique", facts.series("score", "unique"), 0),
                Line("spread", facts.series("snapshot", "variety"), 1),
            ],
            limits=(0.0, 1.0),
        ),
        *own,
        class_shares(facts),
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
        "best model is kept. Scores in training use few samples and their own features: compare "
        "them with each other, not with the card.",
        [Line("samples", scores, 0), Line("real", floor, 2, dashed=True)],
        band=band if positive else (),
        best=best,
        by_factors=True,
    )


def class_shares(facts: Facts) -> Chart | None:
    """Class shares at each score, where the features have a classifier."""
    scores = [e for e in facts.of("score") if not math.isnan(number(e.get("kimg")))]
    keys = list(dict.fromkeys(key for e in scores for key in e if key.startswith(SHARE)))
    names = [key.removeprefix(SHARE) for key in keys]
    table = [(number(e["kimg"]), [_or_zero(e.get(key)) for key in keys]) for e in scores]
    says = "The classes that a classifier sees in each score's samples. A band that vanishes is a lost class."
    return charts.stacked_chart("Classes", says, names, table)


def _or_zero(value: Any) -> float:
    found = number(value)
    return 0.0 if math.isnan(found) else found


def no_scores(facts: Facts) -> str:
    """Why the curves lack scores, where they do."""
    if facts.of("score"):
        return ""
    return (
        "There are no scores in training: too little data was held out, they were switched off, "
        "or none was due yet."
    )
