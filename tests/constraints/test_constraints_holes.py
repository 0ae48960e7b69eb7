"""Rules where a column is missing: what is known beside it is made as often as in the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ganwright.base.errors import OptionError
from ganwright.base.options import build
from ganwright.data import DataOptions, Dataset
from ganwright.modalities.tables.codec.rules import implied_orders, parse_rules
from ganwright.modalities.tables.dataset import frame_dataset
from ganwright.train.in_memory import train_in_memory

ROWS = 1500
RNG = np.random.default_rng(0)


def opened(frame: pd.DataFrame, *rules: str) -> Dataset:
    options = build(DataOptions, {"table": {"constraints": list(rules)}}, owner="data")
    return frame_dataset(frame, options)


def chain() -> pd.DataFrame:
    parts = np.sort(RNG.integers(0, 100, (ROWS, 3)), axis=1).astype(float)
    frame = pd.DataFrame(parts, columns=["lo", "mid", "hi"])
    frame.loc[RNG.random(ROWS) < 0.3, "mid"] = np.nan
    return frame


def sums() -> pd.DataFrame:
    frame = pd.DataFrame(
        {"x": RNG.integers(0, 50, ROWS) * 1.0, "y": RNG.integers(0, 9, ROWS) * 1.0}
    )
    frame["z"] = frame["x"] + frame["y"]
    frame.loc[RNG.random(ROWS) < 0.2, "x"] = np.nan
    frame.loc[RNG.random(ROWS) < 0.1, "z"] = np.nan
    return frame


def test_a_total_is_made_where_a_part_is_missing() -> None:
    frame = sums()
    data = opened(frame, "z = x + y")
    made = train_in_memory(data, passes=8).sample(4000)
    whole = made.notna().all(axis=1)
    assert (made.z[whole] == made.x[whole] + made.y[whole]).all()
    real = (frame.x.isna() & frame.z.notna()).mean()
    assert real > 0.15 and (made.x.isna() & made.z.notna()).mean() == pytest.approx(real, abs=0.05)
    assert made.z.min() >= frame.z.min() and made.z.max() <= frame.z.max()


def test_rows_with_holes_come_back_from_their_codes() -> None:
    frame = sums()
    data = opened(frame, "z = x + y")
    back = data.codec.join(
        [data.codec.table(data.rows, np.full((len(frame), data.codec.uniforms), 0.5))]
    )
    lone = (frame.x.isna() & frame.z.notna()).to_numpy()
    assert (back.z.isna() == frame.z.isna()).all()
    assert np.corrcoef(back.z[lone], frame.z[lone])[0, 1] > 0.99  # but for what bins take away


@pytest.mark.parametrize(
    "rules", [("lo <= mid", "mid <= hi"), ("lo <= hi", "mid <= hi", "lo <= mid")]
)
def test_chains_hold_where_the_middle_is_missing(rules: tuple[str, ...]) -> None:
    made = train_in_memory(opened(chain(), *rules), passes=4).sample(4000)
    assert made.mid.isna().mean() > 0.15
    for low, high in (("lo", "mid"), ("mid", "hi"), ("lo", "hi")):
        both = made[[low, high]].dropna()
        assert len(both) > 1000 and (both[low] <= both[high]).all()


def test_what_follows_from_chains() -> None:
    columns = opened(chain()).codec.columns
    rules = parse_rules(["lo <= mid", "mid < hi"], columns)
    assert [(o.low, o.high, o.strict) for o in implied_orders(rules)] == [("lo", "hi", True)]
    assert len(parse_rules(["lo <= mid", "mid <= hi", "lo <= hi"], columns)) == 2
    with pytest.raises(OptionError, match="both columns are already determined"):  # it says more
        parse_rules(["lo <= mid", "mid <= hi", "lo < hi"], columns)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (("lo <= mid", "mid >= lo"), "lo <= mid"),
        (("lo <= mid", "lo < mid"), "lo < mid"),
        (("hi = lo + mid", "hi = mid + lo"), "hi = mid + lo"),
    ],
)
def test_a_rule_may_be_said_twice(said: tuple[str, ...], kept: str) -> None:
    (rule,) = parse_rules(said, opened(chain()).codec.columns)
    again = parse_rules([kept], opened(chain()).codec.columns)[0]
    assert set(rule.names) == set(again.names)
    assert getattr(rule, "strict", None) == getattr(again, "strict", None)


def test_rows_that_break_what_follows_are_left_out() -> None:
    frame = chain()
    frame.loc[:2, "mid"] = np.nan
    frame.loc[:2, ["lo", "hi"]] = [90.0, 10.0]
    data = opened(frame, "lo <= mid", "mid <= hi")
    assert any("3 of 1,500 rows break 'lo <= hi' (row 1, 2, 3)" in note for note in data.notes)
    assert not set(data.train) & {0, 1, 2}


def test_what_a_rule_adds_or_compares_is_a_number() -> None:
    """Whole numbers named y, zeros and ones, or 1, 2, 3 …, which otherwise are codes or keys."""
    frame = pd.DataFrame({"y": RNG.integers(0, 9, ROWS), "flag": RNG.integers(0, 2, ROWS)})
    frame["sum"], frame["row"] = frame.y + frame.flag, np.arange(1, ROWS + 1)
    frame["end"], frame["type"] = frame.row + 5, RNG.integers(1, 4, ROWS)
    columns = opened(frame, "sum = y + flag", "row <= end").codec.columns
    kinds = {column.name: column.kind for column in columns}
    assert {kinds[name] for name in ("y", "flag", "sum", "row", "end")} == {"integer"}
    assert kinds["type"] == "category"
    with pytest.raises(OptionError, match="column 'y' is category"):  # as said by hand
        options = {"constraints": ["sum = y + flag"], "kinds": ["y=category"]}
        frame_dataset(frame, build(DataOptions, {"table": options}, owner="data"))
