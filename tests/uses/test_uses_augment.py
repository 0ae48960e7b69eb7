"""Growing tables: classes as asked for, marked, in the user's own kind of table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.cli.app import run as command
from ganwright.model import Model


def test_classes_grow_to_the_largest(model: Model, frame: pd.DataFrame) -> None:
    grown = gw.augment(model, frame, balance="color")
    counts = grown["color"].value_counts()
    assert counts.nunique() == 1 and counts.iloc[0] == frame["color"].value_counts().iloc[0]
    real = grown[~grown["synthetic"]].drop(columns="synthetic").reset_index(drop=True)
    pd.testing.assert_frame_equal(real, frame)
    assert dict(grown.drop(columns="synthetic").dtypes) == dict(frame.dtypes)


def test_classes_grow_to_a_share(model: Model, frame: pd.DataFrame) -> None:
    counts = gw.augment(model, frame, balance="color", ratio=0.5)["color"].value_counts()
    before = frame["color"].value_counts()
    least = -(-before.iloc[0] // 2)
    assert counts.to_dict() == {k: max(v, least) for k, v in before.items()}


def test_what_is_made_is_of_its_class(model: Model, frame: pd.DataFrame) -> None:
    grown = gw.augment(model, frame, balance="color")
    made = grown[grown["synthetic"] & (grown["color"] == "blue")]
    assert (made["x"].dropna() > 4).mean() > 0.7


def test_rows_are_added_and_repeat(model: Model, frame: pd.DataFrame) -> None:
    grown = gw.augment(model, frame, n=50, mark="made")
    assert len(grown) == len(frame) + 50 and grown["made"].sum() == 50
    pd.testing.assert_frame_equal(grown, gw.augment(model, frame, n=50, mark="made"))


def test_polars_and_arrow_come_back_as_they_came(model: Model, frame: pd.DataFrame) -> None:
    polars = pl.from_pandas(frame)
    grown = gw.augment(model, polars, n=7)
    assert isinstance(grown, pl.DataFrame) and len(grown) == len(frame) + 7
    assert dict(grown.drop("synthetic").schema) == dict(polars.schema)
    assert grown.head(len(frame)).drop("synthetic").equals(polars)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    assert gw.augment(model, arrow, n=7).num_rows == len(frame) + 7


def test_columns_that_the_model_does_not_know_are_missing(
    model: Model, frame: pd.DataFrame
) -> None:
    grown = gw.augment(model, frame.assign(extra=1), n=3)
    assert grown["extra"].isna().sum() == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "needs one of balance"),
        ({"balance": "color", "n": 3}, "needs one of balance"),
        ({"balance": "colour"}, "no column 'colour' that was learned.*Did you mean 'color'"),
        ({"balance": "color", "ratio": 2.0}, "ratio: must lie above 0 and be at most 1; got 2"),
        ({"n": 0}, "n: must be at least 1; got 0"),
        ({"n": 3, "mark": "x"}, "mark: the table has a column 'x' already"),
        ({"balance": "x"}, "which are no classes"),
    ],
)
def test_impossible_wishes(
    model: Model, frame: pd.DataFrame, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        gw.augment(model, frame, **options)


def test_a_class_that_was_never_seen_is_told(model: Model, frame: pd.DataFrame) -> None:
    odd = frame.copy()
    odd.loc[0, "color"] = "ultraviolet"
    with pytest.raises(OptionError, match="no value 'ultraviolet'"):
        gw.augment(model, odd, balance="color")


def test_the_verb(run: Any, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["augment", str(run.path), "mixed.csv", "--balance", "color"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "mixed-augmented.csv\n" and "color=blue" in captured.err
    grown = pd.read_csv("mixed-augmented.csv")
    assert grown["color"].value_counts().nunique() == 1
    assert grown["synthetic"].dtype == bool
    arguments = ["augment", str(run.path), "mixed.csv", "-n", "5", "--out", "more.parquet"]
    assert command(arguments) == 0
    assert len(pd.read_parquet("more.parquet")) == len(pd.read_csv("mixed.csv")) + 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN", "mixed.csv"], "needs one of balance"),
        (["RUN", "mixed.csv", "--balance", "colour"], "Did you mean 'color'?"),
        (["RUN", "mixed.csv", "-n", "5", "--out", "a.xyz"], "has no known suffix for tables"),
        (["RUN", "none.csv", "-n", "5"], "no file 'none.csv'"),
        (["none", "mixed.csv", "-n", "5"], "holds no model"),
    ],
)
def test_mistakes_are_one_line(
    run: Any, table: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code = command(["augment", *(str(run.path) if a == "RUN" else a for a in arguments)])
    error = capsys.readouterr().err.splitlines()
    assert code == 2 and said in error[-1]


def test_sample_honours_conditions(
    run: Any, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = "color=red|green, x=0..2, count=2.."
    assert command(["sample", str(run.path), "-n", "200", "--where", where]) == 0
    assert capsys.readouterr().out == "run-samples.csv\n"
    rows = pd.read_csv("run-samples.csv")
    assert len(rows) == 200 and set(rows["color"]) <= {"red", "green"}
    assert rows["x"].between(0, 2).all() and (rows["count"] >= 2).all()
    assert command(["sample", str(run.path), "--where", "x=900.."]) == 2
    assert "where: 'x' ranged from" in capsys.readouterr().err
