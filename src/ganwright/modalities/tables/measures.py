"""The measures of tables: columns, pairs of columns, usefulness and privacy."""

from __future__ import annotations

import math
from functools import partial

from ganwright.evaluate.card import Entry
from ganwright.evaluate.estimates import of_blocks, of_two_sample
from ganwright.evaluate.evidence import FAKE_ROWS, REAL_ROWS, TRAINING_ROWS
from ganwright.evaluate.intervals import wilson
from ganwright.evaluate.measures import RECORDS, Measure
from ganwright.modalities.tables.judge.columns import LEAST_RARE, quality, rare
from ganwright.modalities.tables.judge.learning import LEAST, detection, utility

# No features know classes here, and for rows `nearer` and `membership` replace C_T.
UNFIT = frozenset({"inception_score", "class_kl", "obeyed", "closer", "ct"})

_QUALITY = of_blocks(
    quality,
    {
        "shapes": "shapes",
        "trends": "trends",
        "quality": "quality",
        "worst_column": "worst",
        "correlation": "correlation",
    },
)


def _useful(entry: Entry) -> str:
    if entry.floor is None or entry.baseline is None:
        return ""
    return (
        f"A model trained on them predicts real rows with {entry.value:.2f}, where one trained on real "
        f"rows reaches {entry.floor:.2f} and one on the simplest model's {entry.baseline:.2f}."
    )


MEASURES = {
    "shapes": Measure(
        title="Column shapes",
        says="How similar single columns are, on average; 1 is the same.",
        function=quality,
        interval=_QUALITY["shapes"],
        part="shapes",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
        quick=True,
    ),
    "trends": Measure(
        title="Pair trends",
        says="How similar associated pairs of columns are, on average; 1 is the same.",
        function=quality,
        interval=_QUALITY["trends"],
        part="trends",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
        quick=True,
        grade="gap",
    ),
    "quality": Measure(
        title="Shapes and trends",
        says="The mean of column shapes and pair trends, as in SDMetrics' quality report.",
        function=quality,
        interval=_QUALITY["quality"],
        part="quality",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
    ),
    "worst_column": Measure(
        title="Worst column",
        says="How much the least similar column overlaps with the real one.",
        function=quality,
        interval=_QUALITY["worst_column"],
        part="worst",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
        tells=lambda found: f"the worst column is '{found.worst_name}'",
        grade="one side",
    ),
    "correlation": Measure(
        title="Association error",
        says="The mean absolute difference of the columns' associations from the real ones.",
        function=quality,
        interval=_QUALITY["correlation"],
        part="correlation",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=2.0,
    ),
    "rare": Measure(
        title="Rare values kept",
        says="The share of rare categories that the fakes have at half their share or more.",
        function=rare,
        interval=lambda result, evidence, found: wilson(result.kept, result.of),
        part="share",
        needs=(TRAINING_ROWS, FAKE_ROWS),
        high=1.0,
        better="higher",
        least=lambda d: LEAST_RARE,
        tells=lambda found: found.says(),
        grade="one side",
    ),
    "utility": Measure(
        title="Use for prediction",
        says="Train on synthetic, test on real: how well a model predicts real rows (macro-F1 or R²).",
        function=utility,
        interval=lambda result, evidence, found: result.score,
        part="score",
        needs=(REAL_ROWS, FAKE_ROWS),
        low=-math.inf,
        high=1.0,
        better="higher",
        least=lambda d: LEAST,
        costly=True,
        grade="gap",
        tells=lambda found: found.says(),
        verdict=_useful,
    ),
    "detection": Measure(
        title="Two-sample test, trees",
        says="How well boosted trees rank real above fake rows (AUC); 0.5 is a coin toss.",
        function=detection,
        interval=partial(of_two_sample, "auc"),
        part="auc",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="near 0.5",
        least=lambda d: LEAST,
        costly=True,
        grade="classifier",
    ),
    **RECORDS,
}
