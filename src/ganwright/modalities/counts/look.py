"""What reports show of counts: the most frequent words of some made rows, and of real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.modalities.counts.sparse import Counts
from ganwright.model import Model
from ganwright.report.facts import Facts
from ganwright.report.look import Cut, Findings, Look, Say, Shown, rows_section

SHOWN, WORDS = 12, 16  # rows, and words of each


class CountsLook(Look):
    """Rows side by side; everything else is on the card."""

    simplest = "each word drawn by itself, with the totals of the training rows"

    def one(self, model: Model) -> str:
        """How many words there are."""
        codec: Any = model.codec
        return f"counts of {model.spec.size:,} words, up to {codec.high:,}"

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Made rows, and real ones beside them where the data can be opened."""
        model = found.model
        rows = None
        if model is not None:
            rows = found.attempt("samples", lambda: _rows(model, found.data))
        return Shown(samples=rows_section(None) if rows is None else rows)


def _rows(model: Model, data: Dataset | None) -> Markup:
    made = _cut(next(model.stream(SHOWN, seed=seeds.derive(0, "report"))).examples, model.codec)
    if data is None:
        return rows_section(made)
    unseen = len(data.heldout) > 0
    rows = data.heldout if unseen else data.train
    chosen = np.random.default_rng(seeds.derive(0, "report", "real")).permutation(rows)[:SHOWN]
    real = _cut(data.examples(np.sort(chosen)), data.codec)
    return rows_section(made, real, unseen=unseen)


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


LOOK = CountsLook()
