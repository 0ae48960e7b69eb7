"""Frames come back as they were given: names, kinds, types, keys; and odd cells don't refuse the rest."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.estimators import (
    DataNote,
    GANImputer,
    GANOutlierDetector,
    GANSampler,
    TableGAN,
)

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
LETTERS = RNG.choice(list("ab"), N)


def fitted(frame: Any) -> TableGAN:
    return TableGAN(random_state=0, passes=1).fit(frame)


@pytest.mark.parametrize(
    "columns",
    [
        pd.Index([0, 1]),
        pd.Index([2024, 2025], name="year"),
        pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]),
    ],
)
def test_columns_keep_their_names(columns: Any) -> None:
    frame = pd.DataFrame({"p": X, "q": LETTERS})
    frame.columns = columns
    made = fitted(frame).sample(5)
    assert made.columns.equals(columns) and made.columns.names == columns.names
    assert set(made.iloc[:, 1]) <= {"a", "b"}


def test_columns_are_known_by_their_own_labels() -> None:
    frame = pd.DataFrame({7: X, 8: RNG.choice([10, 20, 30], N)})
    model = TableGAN(random_state=0, passes=1, kinds={8: "category"}).fit(frame)
    assert set(model.sample(20, where={8: 20})[8]) == {20}
    odd = GANOutlierDetector(random_state=0, passes=1).fit(frame).odd_columns(frame + 1000)
    assert set(odd[0]) == {7, 8}


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="columns need different names: 'a' occurs more than once"):
        fitted(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))


def test_lazy_frames_are_collected() -> None:
    frame = pl.LazyFrame({"x": [None, *X[1:]], "c": LETTERS.tolist()})
    assert isinstance(fitted(frame).sample(3), pl.DataFrame)
    assert GANImputer(random_state=0, passes=1).fit_transform(frame)["x"].null_count() == 0


def test_times_of_nanoseconds() -> None:
    frame = pl.DataFrame({"t": (pl.Series(range(1, 121)) * 1_000_001).cast(pl.Time), "x": X})
    made = fitted(frame).sample(40)["t"]
    assert made.dtype == pl.Time and (made.cast(pl.Int64) % 1000).n_unique() > 10


def test_polars_comes_back_as_polars_with_its_types() -> None:
    frame = pl.DataFrame(
        {
            "u": pl.Series([None, 1, 2] * 40, dtype=pl.UInt8),
            "t": [dt.time(1, 2, i % 60) for i in range(N)],
            "c": pl.Series(LETTERS.tolist(), dtype=pl.Categorical),
            "x": X,
        }
    )
    made = fitted(frame).sample(50)
    assert isinstance(made, pl.DataFrame) and made.schema == frame.schema
    assert made["u"].null_count() > 0 and set(made["u"].drop_nulls()) <= {1, 2}


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt8, pl.UInt32, pl.UInt64])
def test_whole_numbers_with_nulls_stay_so_in_pandas(kind: Any) -> None:
    frame = pl.DataFrame({"u": pl.Series([None, 1, 2] * 40, dtype=kind), "x": X})
    made = fitted(frame).model_.sample(50)["u"]
    assert str(made.dtype) == str(kind) and made.isna().any() and set(made.dropna()) <= {1, 2}


def test_arrow_comes_back_as_arrow() -> None:
    table = pa.table({"u": pa.array([None, 1, 2] * 40, pa.uint8()), "x": X})
    made = fitted(table).sample(5)
    assert made.schema == table.schema


def test_labels_of_polars_stay_so() -> None:
    y = pl.Series("y", ["a"] * 80 + ["b"] * 40)
    more, labels = GANSampler(random_state=0, passes=1).fit_resample(pl.DataFrame({"x": X}), y)
    assert isinstance(more, pl.DataFrame) and len(more) == len(labels) == 160
    assert isinstance(labels, pl.Series) and labels.name == "y" and labels.dtype == y.dtype


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "GANSampler requires y to be passed, but the target y is None"),
        (["a", None] * 60, "y has 60 missing labels; every row needs one"),
        (pd.Series([1, 2] * 59 + [1, None], dtype="Int64"), "y has 1 missing label; every"),
        (pl.Series([True, False, None] * 40), "y has 40 missing labels; every row needs one"),
    ],
)
def test_missing_labels_are_one_clear_error(y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GANSampler().fit_resample(pd.DataFrame({"x": X}), y)


CLASSES = ["a"] * 80 + ["b"] * 40


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(CLASSES, dtype="category", name="y"),
        pd.Series([7] * 80 + [9] * 40, dtype="UInt8", name=5),
        pd.DataFrame({"y": CLASSES}),
        pd.Index(CLASSES, name="y"),
        pd.Categorical(CLASSES, categories=["b", "a", "c"]),
        pl.Series("y", CLASSES, dtype=pl.Enum(["b", "a", "c"])),
        pl.DataFrame({"y": CLASSES}),
        pa.array(CLASSES).dictionary_encode(),
        pa.table({"y": CLASSES}),
        np.array([[1]] * 80 + [[2]] * 40, dtype="int16"),
        CLASSES,
        tuple(CLASSES),
    ],
    ids=lambda y: f"{type(y).__module__.partition('.')[0]}-{type(y).__name__}",
)
def test_labels_keep_their_type(y: Any) -> None:
    labels = GANSampler(random_state=0, passes=1).fit_resample(pd.DataFrame({"x": X}), y)[1]
    assert type(labels) is type(y) and len(labels) == 160
    for facts in ("dtype", "dtypes", "type", "schema", "name", "names"):
        assert str(getattr(labels, facts, None)) == str(getattr(y, facts, None))


@pytest.mark.filterwarnings("ignore::ganwright.estimators.base.DataNote")
def test_cells_of_another_type_than_fitted_stay_as_they_are() -> None:
    known = pd.DataFrame({"k": [5.0] * N, "i": RNG.integers(0, 9, N), "e": [None] * N, "x": X})
    new = pd.DataFrame(
        {
            "k": [np.nan, 5.0, 5.0],
            "i": [1.5, np.nan, 2],
            "e": ["t", None, None],
            "x": [np.nan, 1, 2],
        }
    )
    full = GANImputer(random_state=0, passes=1).fit(known).transform(new)
    assert full["k"].tolist() == [5.0] * 3  # a constant's hole is filled with it
    assert full.loc[0, "i"] == 1.5 and not np.isnan(full.loc[1, "i"])
    assert full.loc[0, "e"] == "t" and full["x"].tolist()[1:] == [1, 2] and full["x"].notna().all()


KNOWN = pd.DataFrame(
    {
        "i": RNG.integers(0, 9, N),
        "u": RNG.integers(0, 200, N).astype("uint8"),
        "f": RNG.normal(size=N),
        "b": RNG.random(N) < 0.5,
        "d": pd.Timestamp("2020") + pd.to_timedelta(RNG.integers(0, 99, N), "D"),
        "c": LETTERS,
        "k": [5] * N,
        "w": ["w"] * N,
        "x": X,
    }
)


@pytest.fixture(scope="module")
def known() -> GANImputer:
    with pytest.warns(DataNote):
        return GANImputer(random_state=0, passes=1).fit(KNOWN)


@pytest.mark.filterwarnings("ignore::ganwright.estimators.DataNote")
@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("i", ["a", None, 2]),
        ("i", [1e30, None, 2.5]),
        ("i", [float("inf"), None, 2]),
        ("u", [300, None, -1]),
        ("f", ["a", None, 1.5]),
        ("f", ["a", None, "1.5"]),
        ("b", [2, None, True]),
        ("d", ["soon", None, "2020-02-03"]),
        ("c", [1, None, 2]),
        ("c", [1, None, "a"]),
        ("k", ["t", None, "u"]),
        ("w", [1, None, 2]),
    ],
)
def test_odd_cells_stay_and_the_rest_is_filled(
    known: GANImputer, name: str, cells: list[Any]
) -> None:
    new = KNOWN[:3].astype({name: object})
    new[name] = pd.Series(cells, dtype=None)
    new["x"] = [None, 1.0, None]
    for full in (known.transform(new), gw.fill(known.model_, new)):
        assert full[name].tolist()[::2] == new[name].tolist()[::2]
        assert full.notna().all().all() and full["x"][1] == 1


def test_odd_cells_are_counted(known: GANImputer) -> None:
    new = KNOWN[:3].assign(f=["a", "b", 0.5])
    with pytest.warns(DataNote, match="'f': 2 cells can't be read as number: treated as unknown"):
        known.transform(new)


def test_a_column_of_another_kind_altogether_is_refused(known: GANImputer) -> None:
    with pytest.raises(DataError, match="column 'f' is not double"):
        known.transform(KNOWN[:3].assign(f=["a", "b", "c"]))


@pytest.mark.filterwarnings("ignore::ganwright.estimators.DataNote")
@pytest.mark.parametrize(
    ("name", "cell"), [("i", "a"), ("i", 10**6), ("f", "a"), ("d", pd.Timestamp("2200-01-01"))]
)
def test_cells_like_no_other_are_odd(name: str, cell: Any) -> None:
    detector = GANOutlierDetector(random_state=0, passes=1).fit(KNOWN)
    rows = KNOWN[:20].astype({name: object})
    rows.loc[3, name] = cell
    assert int(np.argmin(detector.score_samples(rows))) == 3
    assert detector.odd_columns(rows, 1)[3] == (name,)


@pytest.mark.filterwarnings("ignore::ganwright.estimators.base.DataNote")
def test_new_keys_go_on_above_the_real_ones() -> None:
    frame = pd.DataFrame(
        {
            "id": np.arange(1000, 1000 + N),
            "code": [f"K{i:04d}" for i in range(7, 7 + N)],
            "x": X,
            "c": ["a"] * 70 + ["b"] * 30 + ["d"] * 20,
        }
    )
    grown = gw.augment(fitted(frame).model_, frame, balance="c")
    assert grown["id"].is_unique and grown["code"].is_unique
    assert grown["id"].tolist()[N:] == list(range(1000 + N, 1000 + len(grown)))
    assert grown["code"].iloc[-1] == f"K{7 + len(grown) - 1:04d}"
    pd.testing.assert_frame_equal(grown.iloc[:N, :4], frame)


def test_digits_that_occur_twice_are_no_identifier() -> None:
    codes = [f"{z:05d}" for z in RNG.choice(99999, 599, replace=False)]
    for name in ("zip", "place"):
        frame = pd.DataFrame({name: [*codes, codes[0]], "x": RNG.normal(size=600)})
        assert {c.name: c.kind for c in gw.open_data(frame).codec.columns}[name] == "category"


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("zip", lambda n: f"{n:05d}", "category"),
        ("Postcode", lambda n: f"{n:05d}-1234", "category"),
        ("customer_id", lambda n: f"{n:05d}", "identifier"),
        ("account", lambda n: f"K{n:05d}", "identifier"),
    ],
)
def test_distinct_codes_of_places_are_no_identifiers(name: str, cells: Any, kind: str) -> None:
    frame = pd.DataFrame(
        {name: [cells(n) for n in RNG.permutation(90_000)[:600]], "x": RNG.normal(size=600)}
    )
    assert {c.name: c.kind for c in gw.open_data(frame).codec.columns}[name] == kind


@pytest.mark.filterwarnings("ignore::ganwright.estimators.DataNote")
def test_growing_twice_repeats_no_key() -> None:
    ids = [str(uuid.UUID(int=int(n))) for n in RNG.integers(2**62, 2**63, N)]
    frame = pd.DataFrame({"uuid": ids, "long": [str(10**20 + i) for i in range(N)], "x": X})
    model = fitted(frame).model_
    once = gw.augment(model, frame, n=30, mark="first")
    twice = gw.augment(model, once.drop(index=range(50)), n=30)
    assert twice["uuid"].is_unique and twice["long"].is_unique
    assert twice["long"].iloc[-1] == str(10**20 + N + 59)


@pytest.mark.filterwarnings("ignore::ganwright.estimators.DataNote")
def test_a_type_without_room_for_more_keys_is_named() -> None:
    frame = pd.DataFrame({"id": np.arange(32_600, 32_600 + N, dtype="int16"), "x": X})
    with pytest.raises(DataError, match="'id': int16 has no room for 90 more above 32,719: use a"):
        gw.augment(fitted(frame).model_, frame, n=90)


def test_estimators_warn_of_what_the_command_line_notes() -> None:
    frame = pd.DataFrame({"id": np.arange(N), "x": X})
    with pytest.warns(UserWarning, match="identifiers, not learned but generated anew: 'id'"):
        model = fitted(frame)
    assert any("'id'" in note for note in model.notes_)


def test_a_spike_in_few_rows_keeps_its_share() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(600) < 0.9, 0, rng.lognormal(3, 1, 600))
    frame = pd.DataFrame({"x": x, "a": rng.normal(size=600), "c": rng.choice(list("abc"), 600)})
    for seed in (0, 1):
        made = TableGAN(random_state=seed).fit(frame).sample(4000)
        assert (made["x"] == 0).mean() == pytest.approx((x == 0).mean(), abs=0.03)
