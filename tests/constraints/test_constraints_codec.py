"""Constraints: kept in every row whatever the codes, exact on training rows, sound in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganwright.base.errors import DataError, ModelError, OptionError
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.schema import infer_columns
from ganwright.modalities.tables.given import rows_of
from ganwright.modalities.tables.options import TableOptions

RULES = "start <= end, total = a + b, fixed(city, country), low <= mid, mid < high, opened < closed"
COUNT = 2000


def table(seed: int = 0) -> pd.DataFrame:
    """Dates, cents, places and a chain, with holes; `high` and `low` are always there."""
    r = np.random.default_rng(seed)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(r.integers(0, 1000, COUNT), "D")
    stay = r.integers(0, 30, COUNT) * (r.random(COUNT) > 0.3)
    opened = days + pd.to_timedelta(r.integers(0, 86_400, COUNT), "s")
    place = r.integers(0, 40, COUNT)
    frame = pd.DataFrame(
        {
            "start": days,
            "end": days + pd.to_timedelta(stay, "D"),
            "a": np.round(r.exponential(10, COUNT), 2),
            "b": np.round(r.exponential(3, COUNT), 2),
            "city": [f"city{p}" for p in place],
            "country": pd.Categorical([f"land{p % 7}" for p in place]),
            "low": r.integers(0, 50, COUNT),
            "opened": opened,
            "closed": opened + pd.to_timedelta(r.integers(1, 9000, COUNT), "s"),
        }
    )
    frame["total"] = np.round(frame.a + frame.b, 2)
    frame["mid"] = frame.low + r.integers(0, 20, COUNT)
    frame["high"] = frame.mid + 1 + r.integers(0, 9, COUNT)
    for name in ("end", "start", "b", "city", "mid", "closed"):
        frame.loc[r.random(COUNT) < 0.05, name] = None
    frame.loc[r.random(COUNT) < 0.03, "total"] = None
    frame.loc[frame.b.isna(), "total"] = None
    frame["y"] = r.integers(0, 2, COUNT)
    return frame


@dataclass
class Case:
    frame: pd.DataFrame
    data: Dataset
    codec: TableCodec

    def keeps(self, made: pd.DataFrame) -> None:
        """Every rule in every row, and nothing outside of what was observed."""
        assert not (made.start > made.end).any()
        assert not (made.low > made.mid).any() and not (made.mid >= made.high).any()
        assert not (made.opened >= made.closed).any()
        whole = made[["total", "a", "b"]].dropna()
        assert (abs(whole.total - whole.a - whole.b) < 1e-6).all()
        assert (whole.total.round(2) == whole.total).all()
        assert places(made) <= places(self.frame)

    def within(self, made: pd.DataFrame) -> None:
        for name in ("start", "end", "a", "b", "total", "low", "mid", "high", "opened", "closed"):
            assert made[name].min() >= self.frame[name].min(), name
            assert made[name].max() <= self.frame[name].max(), name


def places(frame: pd.DataFrame) -> set[tuple[Any, Any]]:
    pair = frame[["city", "country"]].astype(object)
    return set(map(tuple, pair.where(pair.notna(), None).to_numpy()))


@pytest.fixture(scope="module")
def case() -> Case:
    frame = table()
    data = open_data(frame, options=DataOptions(table=TableOptions(constraints=RULES)))  # type: ignore[arg-type]
    return Case(frame, data, data.codec)


def any_codes(codec: TableCodec, count: int, allowed: np.ndarray | None = None) -> np.ndarray:
    """Codes that no model would draw: each column by itself, rare ones as often as others."""
    r = np.random.default_rng(1)
    free = np.ones(codec.width, bool) if allowed is None else allowed
    return np.stack(
        [
            r.choice(np.flatnonzero(free[codec.offsets[c] : codec.offsets[c + 1]]), count)
            for c in range(len(codec.choices))
        ],
        axis=1,
    )


def uniforms(codes: np.ndarray) -> np.ndarray:
    return np.random.default_rng(2).random(codes.shape)


def test_any_codes_make_rows_that_keep_the_rules_and_the_ranges(case: Case) -> None:
    codes = any_codes(case.codec, 5000)
    made = case.codec.join([case.codec.table(codes, uniforms(codes))])
    case.keeps(made)
    case.within(made)
    assert list(made.columns) == list(case.frame.columns)
    assert made.dtypes.country == case.frame.dtypes.country  # with its categories
    assert not made[["high", "low", "a", "country"]].isna().any().any()  # they never were
    assert made.end.isna().any() and made.total.isna().any()


def test_training_rows_come_back_as_they_were_coded(case: Case) -> None:
    rows = case.data.examples(case.data.train)
    codes = case.codec.codes(rows)
    assert (codes >= 0).all() and (codes == case.data.rows[case.data.train]).all()
    back = case.codec.plain(case.codec.table(codes, uniforms(codes)))
    same = case.codec.codes(back) == codes
    # a gap is only cut where its start, drawn anew within its bin, lies at the very end
    assert same.mean() > 0.999 and same[:, [" - " not in n for n in case.codec.names]].all()
    # what stands alone or is missing is so in the same rows
    for name in ("end", "total", "mid", "high", "city", "closed"):
        same = back.column(name).is_null().to_numpy() == rows.column(name).is_null().to_numpy()
        assert same.all(), name


def test_rows_of_few_values_come_back_to_the_value() -> None:
    frame = table()[["low", "mid", "high", "city", "country"]]
    rules = TableOptions(constraints=("low <= mid", "mid < high", "fixed(city, country)"))
    data = open_data(frame, options=DataOptions(table=rules))
    codec, source = data.codec, data.examples(data.train)
    codes = codec.codes(source)
    back = codec.plain(codec.table(codes, np.zeros(codes.shape)))
    assert back.equals(source.cast(codec.schema))


def test_a_model_file_gives_the_same_rows(case: Case) -> None:
    again = TableCodec.from_json(json.loads(json.dumps(case.codec.to_json())))
    codes = any_codes(case.codec, 200)
    places_ = uniforms(codes)
    assert again.table(codes, places_).equals(case.codec.table(codes, places_))
    assert again.to_json() == case.codec.to_json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rules",), ["start <= end"]),
        (("rules",), ["nothing <= end"]),
        (("rules",), None),
        (("inner",), []),
        (("lines",), {}),
        (("lines", "end", "high"), -1),
        (("sets",), {"nowhere": [["a"], False]}),
    ],
)
def test_a_damaged_model_file_is_one_line(case: Case, path: tuple[str, ...], value: Any) -> None:
    tree = json.loads(json.dumps(case.codec.to_json()))
    node = tree["constraints"]
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    with pytest.raises(ModelError) as error:
        TableCodec.from_json(tree)
    assert "\n" not in str(error.value)


def test_combinations_that_are_none_are_refused(case: Case) -> None:
    tree = json.loads(json.dumps(case.codec.to_json()))
    joined = next(f for f in tree["fields"] if f["name"] == "city, country")
    joined["values"][0] = '["city1"]'
    with pytest.raises(ModelError, match="contains no combinations"):
        TableCodec.from_json(tree)


def test_conditions_on_what_is_joined_or_compared_are_kept(case: Case) -> None:
    asked = case.codec.allowed("country=land3, start=2020-05, a=2..3, low=10..20")
    codes = any_codes(case.codec, 3000, asked.codes)
    made = case.codec.join([case.codec.table(codes, uniforms(codes), asked)])
    case.keeps(made)
    assert (made.country == "land3").all() and made.a.between(2, 3).all()
    assert made.start.dt.strftime("%Y-%m").eq("2020-05").all() and made.low.between(10, 20).all()
    missing = case.codec.allowed("city=missing, country=land1|land2")
    codes = any_codes(case.codec, 100, missing.codes)
    made = case.codec.join([case.codec.table(codes, uniforms(codes), missing)])
    assert made.city.isna().all() and set(made.country) <= {"land1", "land2"}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "end=2020",
            "where: column 'end' is computed by the constraint 'start <= end', so a condition ",
        ),
        ("total>3", "can't be met exactly; use 'a' and 'b'"),
        ("country=land3, city=city1", "no combination of city, country seen in training satisfies"),
        ("country=lnd3", "has no value 'lnd3'"),
        ("cty=x", "no column 'cty'"),
    ],
)
def test_conditions_that_cant_be_kept_are_one_line(case: Case, where: str, said: str) -> None:
    with pytest.raises(OptionError) as error:
        case.codec.allowed(where)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_filled_cells_keep_the_rules_with_the_known_ones(case: Case, share: float) -> None:
    r = np.random.default_rng(3)
    holes = case.frame.copy()
    for name in holes.columns:
        holes.loc[r.random(len(holes)) < share, name] = None
    canonical = rows_of(case.codec, holes)
    known = case.codec.known(canonical)
    values = np.ones(case.codec.width, bool)
    for start, one in zip(case.codec.offsets, case.codec.fields, strict=False):
        if one.missing:
            values[start + one.missing] = False
    codes = np.where(known >= 0, known, any_codes(case.codec, len(known), values))
    filled = case.codec.join([case.codec.fill(canonical, codes, uniforms(codes))])
    assert not filled.isna().any().any()
    case.keeps(filled)
    for name in holes.columns:
        there = holes[name].notna().to_numpy()
        kept = filled[name][there].astype(str).to_numpy()
        assert (kept == holes[name][there].astype(filled[name].dtype).astype(str)).all(), name


def test_the_best_guess_keeps_the_rules(case: Case) -> None:
    shares = np.tile(case.codec.weights(), (3, 1))
    case.keeps(case.codec.join([case.codec.expect(shares)]))


def test_rows_that_break_a_rule_are_left_out_and_named() -> None:
    frame = table()
    frame.loc[[5, 700], "low"] = 90
    frame.loc[[5, 700], ["mid", "high"]] = [10, 95]
    rules = TableOptions(constraints="low <= mid")  # type: ignore[arg-type]
    data = open_data(frame, options=DataOptions(table=rules))
    assert "2 of 2,000 rows break 'low <= mid' (row 6, 701): left out of training" in data.notes
    assert {5, 700} <= set(data.dropped.tolist())
    assert len(data.train) + len(data.heldout) + len(data.dropped) == len(data)
    with pytest.raises(DataError, match=r"2 of 2,000 rows break 'low <= mid' \(row 6, 701\)"):
        open_data(frame, options=DataOptions(table=rules, bad="refuse"))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("strat <= end", "no column 'strat' in 'strat <= end'; allowed: start, end"),
        ("total = a + nme", "no column 'nme'"),
        ("start <= a", "compares dates with numbers"),
        ("a <= b, b <= a", "both columns are already determined"),
        ("total = a + b, a <= total", "both columns are already determined"),
        ("total = a + b, total = a + low", "both determine 'total'"),
        ("a <= a", "names a column twice"),
        ("fixed(city)", "can't read 'fixed(city)'; allowed: a <= b"),
        ("fixed(city, country), fixed(city, y)", "both determine 'city'"),
        ("city <= a", "column 'city' is category"),
        ("a + b <= total", "can't read"),
        ("a != b", "no column 'a !'"),
    ],
)
def test_rules_that_cant_be_are_one_line(case: Case, rule: str, said: str) -> None:
    with pytest.raises(OptionError) as error:
        TableCodec.fit(case.data.table, case.codec.columns, TableOptions(constraints=rule))  # type: ignore[arg-type]
    text = str(error.value)
    assert said in text and "\n" not in text and text.startswith("data.table.constraints: ")


def test_names_with_signs_are_read() -> None:
    frame = pd.DataFrame({"capital-gain": np.arange(60) / 4, "a + b": np.arange(60) / 2})
    rules = ("capital-gain <= 'a + b'",)
    source = pa.Table.from_pandas(frame).replace_schema_metadata(None)
    codec = TableCodec.fit(source, infer_columns(source, {}), TableOptions(constraints=rules))
    codes = any_codes(codec, 100)
    made = codec.join([codec.table(codes, uniforms(codes))])
    assert (made["capital-gain"] <= made["a + b"]).all()
