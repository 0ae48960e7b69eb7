"""Constraints from file to rows: trained under them, sampled, filled and looked through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.cli.app import run as command
from ganwright.data import DataOptions, open_data
from ganwright.data.writers import writer_for
from ganwright.modalities.tables.options import TableOptions

RULES = "low <= high, total = a + b, fixed(city, country)"
ROWS, MADE = 600, 2000
SETTINGS = {
    "data.table.constraints": RULES,
    "generator.width": 32,
    "discriminator.width": 16,
    "train.batch": 64,
    "train.score_features": "off",
}


def table() -> pd.DataFrame:
    """Rows that keep the rules; some ends, totals and places are missing."""
    r = np.random.default_rng(0)
    place = r.choice(20, ROWS, p=np.arange(1, 21) / 210)
    frame = pd.DataFrame(
        {
            "low": r.integers(0, 50, ROWS),
            "a": np.round(r.exponential(10, ROWS), 2),
            "b": np.round(r.exponential(3, ROWS), 2),
            "city": [f"city{p}" for p in place],
            "country": [f"land{p % 5}" for p in place],
        }
    )
    frame["high"] = frame.low + r.integers(0, 20, ROWS)
    frame["total"] = np.round(frame.a + frame.b, 2)
    for name in ("high", "total", "city"):
        frame.loc[r.random(ROWS) < 0.05, name] = None
    return frame


@dataclass
class Case:
    frame: pd.DataFrame
    folder: Path
    model: gw.Model

    def keeps(self, made: pd.DataFrame) -> None:
        assert not (made.low > made.high).any()
        whole = made[["total", "a", "b"]].dropna()
        assert (abs(whole.total - whole.a - whole.b) < 1e-6).all()
        assert places(made) <= places(self.frame)


def places(frame: pd.DataFrame) -> set[tuple[str, str]]:
    pair = frame[["city", "country"]].astype(object)
    return set(map(tuple, pair.where(pair.notna(), None).to_numpy()))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("rules")
    table().to_csv(folder / "rows.csv", index=False)
    frame = pd.read_csv(folder / "rows.csv")
    gw.train(folder / "rows.csv", recipe="table", out=folder / "run", kimg=3, settings=SETTINGS)
    return Case(frame, folder, gw.load(folder / "run"))


def test_samples_keep_the_rules(case: Case) -> None:
    made = case.model.sample(MADE, seed=1)
    assert list(made.columns) == list(case.frame.columns)
    case.keeps(made)
    assert made.total.isna().any() and not made.a.isna().any()
    some = case.model.sample(200, where="country=land3, low=10..20")
    case.keeps(some)
    assert (some.country == "land3").all() and some.low.between(10, 20).all()


def test_written_rows_keep_the_rules(case: Case) -> None:
    for name in ("made.csv", "made.parquet"):
        command(["sample", str(case.folder / "run"), "-n", "300", "--out", str(case.folder / name)])
    case.keeps(pd.read_csv(case.folder / "made.csv"))
    case.keeps(pd.read_parquet(case.folder / "made.parquet"))


@pytest.mark.parametrize("how", ["mean", "draw"])
def test_filled_rows_keep_the_rules(case: Case, how: Literal["mean", "draw"]) -> None:
    holes = case.frame.mask(np.random.default_rng(3).random(case.frame.shape) < 0.3)
    filled = gw.fill(case.model, holes, how=how)
    assert not filled.isna().any().any()
    case.keeps(filled)
    there = holes.notna()
    assert filled.where(there).astype(object).equals(holes.where(there).astype(object))


def test_rows_that_break_a_rule_are_odd_in_what_it_makes(case: Case) -> None:
    rows = case.frame.dropna().head(40).reset_index(drop=True)
    rows.loc[0, "high"] = rows.low[0] - 1
    rows.loc[1, "total"] += 5
    rows.loc[2, "country"] = f"land{(int(rows.country[2][4:]) + 1) % 5}"
    found = gw.detect(case.model, rows)
    assert set(found.score.nlargest(3).index) == {0, 1, 2}
    assert found["columns"][0].split(", ")[0] == "high"
    assert found["columns"][1].split(", ")[0] == "total"
    assert set(found["columns"][2].split(", ")[:2]) == {"city", "country"}


def test_rare_combinations_grow(case: Case) -> None:
    made = gw.augment(case.model, case.frame, balance="country")
    assert made.country.value_counts().nunique() == 1
    case.keeps(made)


def test_the_table_is_inspected_under_rules(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(case.folder / "rows.csv")
    command(["inspect", path, "--set", f"data.table.constraints={RULES}"])
    assert "predict" in capsys.readouterr().out


def test_joined_columns_keep_their_category_set_in_parquet(case: Case, tmp_path: Path) -> None:
    frame = case.frame.assign(country=pd.Categorical(case.frame.country))
    options = DataOptions(table=TableOptions(constraints=RULES))  # type: ignore[arg-type]
    data = open_data(frame, options=options)
    rows = data.codec.table(data.rows[:10], np.zeros((10, len(data.codec.fields))))
    with writer_for(data.codec, tmp_path / "rows.parquet", "parquet", 10) as writer:
        writer.add(rows, None, None)
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert back.country.dtype == frame.country.dtype
    assert back.country.astype(str).tolist() == frame.country[:10].astype(str).tolist()
