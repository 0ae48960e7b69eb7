"""The rows of counts of a report: the most frequent words of some made rows, and of real ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.modalities.counts.rows import Counts
from ganwright.modalities.tables.look import Cut, Sheet
from ganwright.model import Model

SHOWN, WORDS = 12, 16  # rows, and words of each


def look(model: Model, data: Dataset | None) -> Sheet:
    """Made rows, and real ones beside them where the data can be opened."""
    made = next(model.stream(SHOWN, seed=seeds.derive(0, "report"))).examples
    if data is None:
        return Sheet(made=_cut(made, model.codec))
    unseen = len(data.heldout) > 0
    rows = data.heldout if unseen else data.train
    chosen = np.random.default_rng(seeds.derive(0, "report", "real")).permutation(rows)[:SHOWN]
    real = data.examples(np.sort(chosen))
    return Sheet(made=_cut(made, model.codec), real=_cut(real, data.codec), unseen=unseen)


def _cut(rows: Counts, codec: Any) -> Cut:
    lines = []
    for i in range(len(rows)):
        one = rows.matrix[i]
        order = np.argsort(-one.data, kind="stable")
        told = [
            codec.names[one.indices[k]] + (f" ×{one.data[k]}" if one.data[k] > 1 else "")
            for k in order[:WORDS]
        ]
        more = f" and {len(order) - WORDS:,} more" if len(order) > WORDS else ""
        lines.append((f"{int(one.sum()):,}", ", ".join(told) + more or "–"))
    return Cut(names=("total", "words"), rows=tuple(lines), numeric=(True, False))
