"""Frames come back as they were given: names, kinds, types, keys; and odd cells don't refuse the rest."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ganwright as gw
from ganwright.estimators import GANImputer, GANSampler, TableGAN

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


def test_arrow_comes_back_as_arrow() -> None:
    table = pa.table({"u": pa.array([None, 1, 2] * 40, pa.uint8()), "x": X})
    made = fitted(table).sample(5)
    assert made.schema == table.schema


def test_labels_of_polars_stay_so() -> None:
    y = pl.Series("y", ["a"] * 80 + ["b"] * 40)
    more, labels = GANSampler(random_state=0, passes=1).fit_resample(pl.DataFrame({"x": X}), y)
    assert isinstance(more, pl.DataFrame) and len(more) == len(labels) == 160
    assert isinstance(labels, pl.Series) and labels.name == "y" and labels.dtype == y.dtype


@pytest.mark.parametrize(("y", "count"), [(None, "1"), (["a", None] * 60, "60")])
def test_missing_labels_are_one_clear_error(y: Any, count: str) -> None:
    with pytest.raises(ValueError, match=f"^y has {count} missing labels; every row needs one$"):
        GANSampler().fit_resample(pd.DataFrame({"x": X}), y)


@pytest.mark.filterwarnings("ignore::ganwright.estimators.rows.DataNote")
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


@pytest.mark.filterwarnings("ignore::ganwright.estimators.rows.DataNote")
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


def test_estimators_warn_of_what_the_command_line_notes() -> None:
    frame = pd.DataFrame({"id": np.arange(N), "x": X})
    with pytest.warns(UserWarning, match="identifiers, not learned but made anew: 'id'"):
        model = fitted(frame)
    assert any("'id'" in note for note in model.notes_)


def test_a_spike_in_few_rows_keeps_its_share() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(600) < 0.9, 0, rng.lognormal(3, 1, 600))
    frame = pd.DataFrame({"x": x, "a": rng.normal(size=600), "c": rng.choice(list("abc"), 600)})
    for seed in (0, 1):
        made = TableGAN(random_state=seed).fit(frame).sample(4000)
        assert (made["x"] == 0).mean() == pytest.approx((x == 0).mean(), abs=0.03)
