"""The rows of a report: real and made side by side, column by column, pair by pair."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.evaluate import Card, Entry
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.tables.columns.axis import from_axis
from ganwright.modalities.tables.judge.cells import Axis, Cells, Words
from ganwright.modalities.tables.judge.columns import Pairs, Quality, quality
from ganwright.model import Model
from ganwright.report import charts
from ganwright.report.charts import Chart, shown
from ganwright.report.look import Cut

SHOWN, SHOWN_COLUMNS = 10, 24  # rows, and columns, that are printed
CLOSE = 5000  # made rows looked at, and real ones
DRAWN = 24  # columns with a chart of their own
MAPPED = 20  # columns of a heat map
BINS, VALUES = 24, 8
WORST = 8
LETTERS = 24
SPIKE = 0.5  # of the rows with one value: told, not drawn
COMPARED = 20_000  # training rows that distances are to


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a page shows of rows."""

    made: Cut
    real: Cut | None = None
    more_columns: int = 0
    n: int = 0
    columns: tuple[Chart, ...] = ()
    undrawn: int = 0
    worst: tuple[tuple[str, str, str], ...] = ()  # column, overlap, shape
    pairs: tuple[tuple[str, str], ...] = ()  # the worst pairs, and their score
    maps: tuple[Chart, ...] = ()
    distances: Chart | None = None
    typical: dict[str, float] = field(default_factory=dict)  # median distances
    unseen: bool = False


def look(
    model: Model, data: Dataset | None, extractor: Extractor | None, card: Card | None, *, own: bool
) -> Sheet:
    """Samples of the card's own seed beside real rows: the held-out ones where there are any."""
    n = CLOSE if card is None else min(CLOSE, max(SHOWN, card.n))
    blocks = model.stream(n, seed=seeds.derive(0, "evaluate"))
    made: Any = pa.concat_tables([block.examples for block in blocks])
    names = list(made.column_names)
    few = names[:SHOWN_COLUMNS]
    more = len(names) - len(few)
    if data is None or extractor is None:
        return Sheet(made=_cut(made, few), more_columns=more, n=n)
    pool, unseen = _pool(data)
    rng = np.random.default_rng(seeds.derive(0, "report", "real"))
    real: Any = data.examples(np.sort(rng.permutation(pool)[:CLOSE]))
    layout_of = extractor.see(real)
    seen = extractor.see(made)
    assert layout_of.cells is not None and seen.cells is not None  # of rows
    ours, theirs = seen.cells, layout_of.cells
    found = quality(theirs, ours)
    chart, typical = _distances(data, extractor, seen.features) if own else (None, {})
    drawn = _drawn(found, theirs)
    return Sheet(
        made=_cut(made, few),
        real=_cut(real.take(pa.array(np.sort(rng.permutation(real.num_rows)[:SHOWN]))), few),
        more_columns=more,
        n=n,
        columns=tuple(column_chart(theirs, ours, int(i), found) for i in drawn),
        undrawn=len(found.columns) - len(drawn),
        worst=_worst(found, theirs),
        pairs=_worst_pairs(found, theirs),
        maps=_maps(theirs, ours, found),
        distances=chart,
        typical=typical,
        unseen=unseen,
    )


def _pool(data: Dataset) -> tuple[np.ndarray, bool]:
    final = data.heldout_halves[1]
    return (final, True) if len(final) >= SHOWN else (data.train, False)


def _cut(table: pa.Table, names: list[str]) -> Cut:
    some = table.select(names).slice(0, SHOWN)
    numeric = tuple(_numeric(some.schema.field(name).type) for name in names)
    rows = zip(*(some.column(name).to_pylist() for name in names), strict=True)
    return Cut(tuple(names), tuple(tuple(map(_text, row)) for row in rows), numeric)


def _numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.removesuffix(" 00:00:00")
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


# --- columns -------------------------------------------------------------------------------------


def _drawn(found: Quality, cells: Cells) -> np.ndarray:
    """The columns to draw in the user's order: all, or the worst where there are many."""
    order = cells.layout.order
    if len(order) <= DRAWN:
        return order
    worst = set(np.argsort(found.overlaps, kind="stable")[:DRAWN].tolist())
    return np.array([i for i in order if int(i) in worst])


def column_chart(real: Cells, made: Cells, place: int, found: Quality) -> Chart:
    """How a column is distributed, real and made."""
    says = f"Overlap {found.overlaps[place]:.0%}."
    p = len(real.layout.axes)
    if place < p:
        axis = real.layout.axes[place]
        return _numbers(axis, real.numbers[:, place], made.numbers[:, place], says)
    words = real.layout.words[place - p]
    return _categories(words, real.codes[:, place - p], made.codes[:, place - p], says)


def _numbers(axis: Axis, real: np.ndarray, made: np.ndarray, says: str) -> Chart:
    absent = [float(np.isnan(x).mean()) for x in (real, made)]
    if max(absent) > 0:
        says += f" Missing: {absent[0]:.1%} real, {absent[1]:.1%} made."
    there = [x[~np.isnan(x)] for x in (real, made)]
    both = np.concatenate(there)
    if not len(both):
        return charts.bars(axis.name, says, ["missing"], [("real", [1.0]), ("made", [1.0])])
    few = np.unique(both)
    if len(few) <= VALUES:
        shares = [
            (what, [float((x == v).mean()) for v in few])
            for what, x in zip(("real", "made"), (real, made), strict=True)
        ]
        return charts.bars(axis.name, says, [_place(axis, float(v)) for v in few], shares)
    there, said = _without_spike(axis, there, real, made)
    says += said
    both = np.concatenate(there)
    low, high = np.quantile(both, [0.005, 0.995])
    out = float((there[0] < low).mean() + (there[0] > high).mean())
    if not high > low:
        low, high = float(both.min()), float(both.max())
    elif out:
        says += " The outermost 1 % are in the end bars."
    edges = _nice(axis, float(low), float(high))
    shares = [
        (what, _shares(np.clip(x, edges[0], edges[-1]), edges, len(whole)))
        for what, x, whole in zip(("real", "made"), there, (real, made), strict=True)
    ]
    return charts.histogram(axis.name, says, edges, shares, lambda at: _place(axis, at))


def _without_spike(
    axis: Axis, there: list[np.ndarray], real: np.ndarray, made: np.ndarray
) -> tuple[list[np.ndarray], str]:
    """What is left when a value that most rows have is put in words, not drawn."""
    values, counts = np.unique(there[0], return_counts=True)
    if not len(values) or counts.max() <= SPIKE * len(real):
        return there, ""
    spike = float(values[counts.argmax()])
    rest = [x[x != spike] for x in there]
    if min(map(len, rest)) < 2:
        return there, ""
    shares = [float((x == spike).mean()) for x in (real, made)]
    said = f" {_place(axis, spike)}: {shares[0]:.1%} real, {shares[1]:.1%} made, not drawn."
    return rest, said


def _nice(axis: Axis, low: float, high: float) -> list[float]:
    """Edges of bins; of whole numbers each with as many of them."""
    if axis.column.kind == "integer":
        step = max(1, math.ceil((high - low + 1) / BINS))
        count = math.ceil((high - low + 1) / step)
        return [math.floor(low) - 0.5 + step * i for i in range(count + 1)]
    return np.linspace(low, high, BINS + 1).tolist()


def _shares(values: np.ndarray, edges: list[float], n: int) -> list[float]:
    counts, _ = np.histogram(values, edges)
    return (counts / n).tolist()


def _place(axis: Axis, value: float) -> str:
    """A number as the column has it; dates as dates."""
    if axis.column.kind != "datetime":
        return f"{value:,.0f}" if abs(value) >= 1000 else shown(value)
    made = from_axis(axis.column, np.array([value]))[0].as_py()
    return str(made)[:10]


def _categories(words: Words, real: np.ndarray, made: np.ndarray, says: str) -> Chart:
    p, q = (np.bincount(x, minlength=words.size) / len(x) for x in (real, made))
    top = np.argsort(-p[: len(words.values)], kind="stable")[:VALUES]
    names = [str(words.values[int(i)].as_py()) for i in top]
    shares = [[float(x[i]) for i in top] for x in (p, q)]
    rest = len(words.values) - len(top)
    if rest:
        names.append(f"{rest} others")
        known = [
            float(x[: len(words.values)].sum() - sum(s))
            for x, s in zip((p, q), shares, strict=True)
        ]
        shares = [[*s, max(0.0, k)] for s, k in zip(shares, known, strict=True)]
    if max(p[words.missing], q[words.missing]) > 0:
        names.append("missing")
        shares = [[*s, float(x[words.missing])] for s, x in zip(shares, (p, q), strict=True)]
    both = list(zip(("real", "made"), shares, strict=True))
    return charts.bars(words.name, says, names, both)


def _worst(found: Quality, cells: Cells) -> tuple[tuple[str, str, str], ...]:
    order = np.argsort(found.overlaps, kind="stable")[:WORST]
    names = cells.layout.names
    return tuple((names[i], f"{found.overlaps[i]:.1%}", f"{found.columns[i]:.1%}") for i in order)


# --- pairs ---------------------------------------------------------------------------------------


def _worst_pairs(found: Quality, cells: Cells) -> tuple[tuple[str, str], ...]:
    names = [cells.layout.names[i] for i in found.chosen]
    i, j = np.triu_indices(len(names), 1)
    scores = found.pairs[i, j]
    order = np.argsort(np.where(np.isnan(scores), np.inf, scores), kind="stable")[:WORST]
    return tuple(
        (f"{names[i[k]]} × {names[j[k]]}", f"{scores[k]:.1%}")
        for k in order
        if not math.isnan(scores[k])
    )


def _maps(real: Cells, made: Cells, found: Quality) -> tuple[Chart, ...]:
    """Associations of real rows, of made ones, and how far apart they are."""
    order = real.layout.order
    if len(order) < 2:
        return ()
    if len(order) > MAPPED:
        order = order[:MAPPED]
    names = [real.layout.names[i] for i in order]
    chosen = np.sort(order)
    back = np.searchsorted(chosen, order)
    one, other = (Pairs(x, chosen).association()[np.ix_(back, back)] for x in (real, made))
    far = float(np.abs(one - other).max())
    return (
        charts.heat_map("Real rows", "Associations in real rows.", names, one.tolist()),
        charts.heat_map("Made rows", "Associations in made rows.", names, other.tolist()),
        charts.heat_map(
            "Made minus real",
            f"Associations that are too high (orange) or too low (blue), by {far:.2f} at most.",
            names,
            (other - one).tolist(),
        ),
    )


# --- privacy -------------------------------------------------------------------------------------


def _distances(
    data: Dataset, extractor: Extractor, made: np.ndarray
) -> tuple[Chart | None, dict[str, float]]:
    """How far made rows, and real ones that were not seen, are from their nearest training row."""
    if not len(data.heldout):
        return None, {}
    rng = np.random.default_rng(seeds.derive(0, "report", "distances"))
    trained = np.sort(rng.permutation(data.train)[:COMPARED])
    held = np.sort(rng.permutation(data.heldout)[:CLOSE])
    training = FeatureMatrix(extractor.see(data.examples(trained)).features)
    unseen = extractor.see(data.examples(held)).features
    far = {
        what: nearest(training, FeatureMatrix(x)).distances[:, 0].cpu().numpy()
        for what, x in (("unseen real rows", unseen), ("made rows", made))
    }
    high = float(np.quantile(np.concatenate(list(far.values())), 0.99)) or 1.0
    edges = np.linspace(0, high, 30).tolist()
    shares = [(what, _shares(np.clip(x, 0, high), edges, len(x))) for what, x in far.items()]
    says = (
        "Distance to the nearest training row. Memorised rows pile up at the left, where unseen real "
        "rows do not."
    )
    chart = charts.histogram("Distance to the training rows", says, edges, shares)
    return chart, {what: float(np.median(x)) for what, x in far.items()}


# --- the card ------------------------------------------------------------------------------------

NAMES = {"smote": "SMOTE"}  # further references, for people


def reference_bars(title: str, says: str, entry: Entry | None) -> Chart | None:
    """A measure of made rows beside real ones, the simplest model and the other references."""
    if entry is None or entry.floor is None:
        return None
    found = {"real rows": entry.floor, "made rows": entry.value}
    found |= {NAMES.get(name, name): value for name, value in entry.others.items()}
    if entry.baseline is not None:
        found["independent"] = entry.baseline
    values = [max(0.0, value) for value in found.values()]
    return charts.bars(title, says, list(found), [("", values)], form="{:.3f}")


def drawn_card(card: Card | None) -> tuple[Chart, ...]:
    """How useful rows are for prediction, and how well a classifier tells them from real ones."""
    if card is None:
        return ()
    told = next((n for n in card.notes if n.startswith("use for prediction")), "")
    target = told.partition("is the ")[2] or "how well real rows are predicted"
    made = (
        reference_bars(
            "Use for prediction (TSTR)",
            f"{target[:1].upper()}{target[1:]}, and tested on real rows. The nearer to real rows, "
            "the better.",
            card.measures.get("utility"),
        ),
        reference_bars(
            "Two-sample test against real rows",
            "AUC of boosted trees: 0.5 is a coin toss, 1 is always right. The lower, the better.",
            card.measures.get("detection"),
        ),
        reference_bars(
            "Nearer to training than to unseen rows",
            "Share of rows. One half is ideal; more means that samples give away training rows.",
            card.measures.get("nearer"),
        ),
    )
    return tuple(chart for chart in made if chart is not None)
