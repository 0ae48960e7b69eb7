"""The measures of rows as pure functions, against scipy, pandas, SDMetrics' numbers and brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from ganwright.base.errors import DataError, UsageError
from ganwright.evaluate.exposure import membership, nearer
from ganwright.evaluate.memorisation import repetition, unique_copies
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.features import WIDEST, ColumnFeatures
from ganwright.modalities.tables.judge.baselines import independent, smote
from ganwright.modalities.tables.judge.cells import Cells, Layout
from ganwright.modalities.tables.judge.columns import Pairs, ks_distance, quality, rare
from ganwright.modalities.tables.judge.learning import detection, utility

KINDS: dict[str, Any] = {"i": "integer", "f": "number", "b": "boolean", "M": "datetime"}


def columns_of(table: pa.Table) -> list[Column]:
    found = []
    for field in table.schema:
        kind = KINDS.get(
            field.type.to_pandas_dtype()().dtype.kind if _plain(field.type) else "", ""
        )
        decimals = 0 if kind == "integer" else None
        found.append(
            Column(
                name=field.name, kind=kind or "category", type=str(field.type), decimals=decimals
            )
        )
    return found


def _plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def cells(frame: pd.DataFrame, like: Layout | None = None, target: str | None = None) -> Cells:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return (like or Layout.fit(table, columns_of(table), target)).cells(table)


def two(seed: int, n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    x = rng.normal(size=n) + (kind == "b")
    y = x * (0.8 if seed else 1.5) + rng.normal(size=n)
    flag = np.where(rng.random(n) < 0.3 + 0.4 * (kind == "a"), "yes", "no")
    return pd.DataFrame({"x": x, "y": y, "kind": kind, "flag": flag})


def test_columns_and_pairs_are_what_sdmetrics_says() -> None:
    """Its numbers of these two tables, by version 0.32."""
    real = cells(two(0))
    found = quality(real, cells(two(1), real.layout))
    assert real.layout.names == ("x", "y", "kind", "flag")
    assert found.columns == pytest.approx([0.928, 0.886, 0.956, 0.994], abs=1e-9)
    assert found.pairs[0, 1] == pytest.approx(0.9219406271191232, abs=1e-12)
    assert found.pairs[2, 3] == pytest.approx(0.938, abs=1e-12)
    assert found.shapes == pytest.approx(np.mean([0.928, 0.886, 0.956, 0.994]))
    assert found.quality == pytest.approx((found.shapes + found.trends) / 2)


def test_the_same_with_sdmetrics_itself() -> None:
    pytest.importorskip("sdmetrics")
    from sdmetrics.column_pairs import ContingencySimilarity
    from sdmetrics.single_column import KSComplement

    real, fake = two(3), two(4)
    found = quality(cells(real), cells(fake, cells(real).layout))
    assert found.columns[0] == pytest.approx(KSComplement.compute(real["x"], fake["x"]), abs=1e-9)
    pair = ["kind", "flag"]
    outside = ContingencySimilarity.compute(real[pair], fake[pair])
    assert found.pairs[2, 3] == pytest.approx(outside, abs=1e-9)


def test_ks_is_scipys_and_missing_lies_below() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300), rng.normal(0.3, 1, 200).round(1)
    assert ks_distance(a, b) == pytest.approx(scipy.stats.ks_2samp(a, b).statistic)
    gaps = np.where(np.arange(200) < 60, np.nan, b)
    lowest = np.where(np.isnan(gaps), -1e9, gaps)
    assert ks_distance(a, gaps) == pytest.approx(scipy.stats.ks_2samp(a, lowest).statistic)
    assert ks_distance(np.full(5, np.nan), np.full(7, np.nan)) == 0


def test_equal_tables_are_perfect_and_independent_ones_lose_their_trends() -> None:
    frame = two(0, 2000)
    real = cells(frame)
    same = quality(real, real)
    assert same.shapes == same.trends == same.quality == same.worst == 1 and same.correlation == 0
    table = pa.Table.from_pandas(frame, preserve_index=False)
    other = quality(real, real.layout.cells(independent(table, 2000, 0)))
    assert other.shapes > 0.95 > 0.9 > other.trends
    assert other.correlation > 0.1


def test_associations_against_pandas_and_scipy() -> None:
    frame = two(0, 4000)
    frame.loc[::7, "y"] = np.nan
    found = Pairs(cells(frame)).association()
    assert found[0, 1] == pytest.approx(frame["x"].corr(frame["y"]), abs=1e-9)
    counts = pd.crosstab(frame["kind"], frame["flag"]).to_numpy()
    cramer = scipy.stats.contingency.association(counts, method="cramer")
    assert found[2, 3] == pytest.approx(cramer, abs=0.01)
    between = frame.groupby("kind")["x"].transform("mean")
    ratio = np.sqrt(between.var() / frame["x"].var())
    assert found[0, 2] == pytest.approx(ratio, abs=0.01)
    assert np.allclose(found, found.T) and (np.diag(found) == 1).all()
    # Nothing but chance is near 0.
    rng = np.random.default_rng(1)
    loose = pd.DataFrame({"u": rng.integers(0, 30, 500).astype(str), "v": rng.normal(size=500)})
    assert Pairs(cells(loose)).association()[0, 1] < 0.25


def test_which_are_missing_together_is_seen() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000))
    gone = rng.random(1000) < 0.3
    together = pd.DataFrame({"x": np.where(gone, np.nan, x), "y": np.where(gone, np.nan, y)})
    apart = together.assign(y=together["y"].to_numpy()[rng.permutation(1000)])
    real = cells(together)
    assert quality(real, cells(apart, real.layout)).pairs[0, 1] < 0.9
    assert quality(real, cells(together[::-1], real.layout)).pairs[0, 1] == pytest.approx(1)


def test_the_worst_column_is_named() -> None:
    real, frame = cells(two(0)), two(0)
    frame["y"] = 0.0  # a spike that the data has not
    found = quality(real, cells(frame, real.layout))
    assert found.worst_name == "y" and found.worst < 0.15
    assert not np.isnan(found.trends)


def test_unknown_and_many_values() -> None:
    rng = np.random.default_rng(0)
    real = cells(
        pd.DataFrame({"w": rng.integers(0, 3000, 9000).astype(str), "v": rng.random(9000)})
    )
    fake = cells(pd.DataFrame({"w": np.full(100, "new"), "v": rng.random(100)}), real.layout)
    found = quality(real, fake)
    assert found.columns[1] == 0 and found.worst_name == "w"
    assert ColumnFeatures(real)(fake).shape[0] == 100
    with pytest.raises(DataError, match="there is no 'w'"):
        cells(pd.DataFrame({"v": [1.0]}), real.layout)


def test_rare_values() -> None:
    kind = np.array(["big"] * 900 + ["small"] * 40 + ["less"] * 30 + ["few"] * 30)
    training = cells(pd.DataFrame({"kind": kind}))
    assert rare(training, training).share == 1
    made = np.array(["big"] * 960 + ["small"] * 25 + ["less"] * 15)
    found = rare(training, cells(pd.DataFrame({"kind": made}), training.layout))
    assert (found.kept, found.of, found.lost) == (2, 3, ("kind = few",))
    assert found.says() == "1 of 3 rare values are lost: kind = few"
    with pytest.raises(UsageError, match="no category is rare"):
        rare(
            cells(pd.DataFrame({"x": np.arange(300.0)})),
            cells(pd.DataFrame({"x": np.arange(300.0)})),
        )


# --- learning ------------------------------------------------------------------------------------


def test_use_for_prediction() -> None:
    real = cells(two(5, 1500), target="kind")
    made = two(6, 1500)
    found = utility(real, cells(made, real.layout))
    # By hand, with scikit-learn's own F1.
    order = {"a": 0, "b": 1, "c": 2}
    parts = [
        np.column_stack([f["x"], f["y"], f["flag"] == "yes"]).astype(float)
        for f in (made, two(5, 1500))
    ]
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    model.fit(parts[0], made["kind"].map(order))
    outside = f1_score(two(5, 1500)["kind"].map(order), model.predict(parts[1]), average="macro")
    assert found.score.value == pytest.approx(outside, abs=0.03)
    assert found.measure == "macro-F1" and found.score.low < found.score.value < found.score.high
    one = utility(real, cells(made.assign(kind="a"), real.layout))
    assert one.score.value == pytest.approx(0.75 / 3, abs=0.02)  # F1 of the one class it knows


def test_use_for_prediction_of_numbers() -> None:
    real = cells(two(5, 1000), target="y")
    good = utility(real, cells(two(6, 1000), real.layout))
    bad = utility(real, cells(two(0, 1000).assign(y=0.0), real.layout))
    assert good.measure == "R²" and good.score.value > 0.2 > 0.05 > bad.score.value
    assert good == utility(real, cells(two(6, 1000), real.layout))
    with pytest.raises(UsageError, match="no column to predict"):
        utility(cells(two(0)), cells(two(1)))


def test_detection() -> None:
    real = cells(two(0, 800))
    same, other = cells(two(0, 1600)[800:], real.layout), cells(two(7, 800), real.layout)
    assert detection(real, same).auc.low < 0.5 < detection(real, same).auc.high
    assert detection(real, other).auc.value > 0.6
    shifted = cells(two(0, 800).assign(x=lambda f: f["x"] + 9), real.layout)
    assert detection(real, shifted).auc.value == 1


# --- privacy -------------------------------------------------------------------------------------


def test_nearer_and_membership() -> None:
    rng = np.random.default_rng(0)
    training, held = rng.normal(size=(2000, 3)), rng.normal(size=(400, 3))
    honest, copies = rng.normal(size=(800, 3)), training[:800] + 0.01 * rng.normal(size=(800, 3))
    fair, leaking = nearer(training, held, honest), nearer(training, held, copies)
    assert fair.share.low < 0.5 < fair.share.high and fair.n == 400
    assert leaking.share.low > 0.52
    attack = membership(training, held, honest)
    assert attack.low < 0.5 < attack.high and membership(training, held, copies).low > 0.55
    # Real rows that repeat are told once: they were held out together.
    repeated = np.repeat(held[:40], 10, 0)
    assert nearer(training, repeated, honest).n == 40
    with pytest.raises(DataError, match="samples: needs at least 8 rows; got 3"):
        nearer(training, held, honest[:3])


def test_copies_of_rows_that_stand_once() -> None:
    marks = np.array([[1], [2], [2], [3], [4], [4]], np.uint8).repeat(8, 1)
    made = np.array([[1], [2], [9], [3]], np.uint8).repeat(8, 1)
    assert unique_copies(marks, made) == 0.5  # 1 and 3
    assert repetition(marks) == (4 / 6, 4 / 6)
    rng = np.random.default_rng(0)
    people = rng.geometric(0.01, 6000)
    digests = people.astype(np.uint64).view(np.uint8).reshape(-1, 8)
    fresh = rng.geometric(0.01, 6000).astype(np.uint64).view(np.uint8).reshape(-1, 8)
    assert repetition(digests)[1] == pytest.approx(unique_copies(digests, fresh), abs=0.005)


# --- features and references ---------------------------------------------------------------------


def test_every_column_weighs_the_same() -> None:
    rng = np.random.default_rng(0)
    frame = two(0, 3000).assign(money=lambda f: np.exp(5 * f["x"]), rest=rng.integers(0, 20, 3000))
    frame.loc[::9, "money"] = np.nan
    made = ColumnFeatures(cells(frame))
    assert made.width == made.full
    x = made(cells(frame))
    assert x.dtype == np.float32 and np.isfinite(x).all()
    assert x.var(0).sum() == pytest.approx(7, abs=0.4)  # six columns, and one that may be missing
    far = made(cells(frame.head(1).assign(x=1e9, money=-1e9), cells(frame).layout))
    assert np.abs(far).max() < 20


def test_many_columns_are_projected() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 300))).add_prefix("c")
    made = ColumnFeatures(cells(frame))
    assert (made.full, made.width) == (300, WIDEST)
    again = ColumnFeatures(cells(frame))
    x = made(cells(frame))
    assert (x == again(cells(frame))).all()
    assert x.var(0).sum() == pytest.approx(300, rel=0.1)
    assert len(quality(cells(frame), cells(frame)).chosen) == 200


def test_independent_rows_are_those_values() -> None:
    table = pa.Table.from_pandas(two(0), preserve_index=False)
    made = independent(table, 300, 1)
    assert made.schema == table.schema and made.num_rows == 300
    assert made.equals(independent(table, 300, 1)) and not made.equals(independent(table, 300, 2))
    assert set(made["x"].to_pylist()) <= set(table["x"].to_pylist())


def test_smote_lies_between_and_keeps_types() -> None:
    frame = two(0, 800).assign(count=np.arange(800) % 17)
    frame.loc[::5, "y"] = np.nan
    table = pa.Table.from_pandas(frame, preserve_index=False)
    layout = Layout.fit(table, columns_of(table), "kind")
    features = ColumnFeatures(layout.cells(table))(layout.cells(table))
    made = smote(table, features, layout, 4000, 0)
    assert made.schema == table.schema and made.equals(smote(table, features, layout, 4000, 0))
    both = made.to_pandas()
    for name in ("x", "y", "count"):
        assert frame[name].min() <= both[name].min() and both[name].max() <= frame[name].max()
    assert not set(both["x"]) <= set(frame["x"]) and set(both["kind"]) == {"a", "b", "c"}
    assert both["kind"].value_counts(normalize=True)["c"] == pytest.approx(
        frame["kind"].value_counts(normalize=True)["c"], abs=0.03
    )
    assert both["y"].isna().mean() == pytest.approx(0.2, abs=0.05)
    single = frame.assign(kind=["a"] * 799 + ["c"])  # a class of one can only be repeated
    table = pa.Table.from_pandas(single, preserve_index=False)
    layout = Layout.fit(table, columns_of(table), "kind")
    made = smote(table, features, layout, 3000, 0).to_pandas()
    assert made[made["kind"] == "c"].drop_duplicates().shape[0] <= 1
