"""Conditions: every decoded row fulfils them, by an oracle in pandas; what can't be is said so."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.base.errors import OptionError

from .conftest import Everything, draw, make_codec

Check = Callable[[pd.DataFrame], pd.Series]


def days(frame: pd.DataFrame, name: str = "day") -> pd.Series:
    return pd.to_datetime(frame[name])


def _spelled(value: object) -> str | None:
    """A name that every process gives the same: text as it is, the rest by number."""
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(
    ("where", "check"),
    [
        ("age=40..60, sex=Female", lambda d: d.age.between(40, 60) & (d.sex == "Female")),
        ("age=40", lambda d: d.age == 40),
        ("age == 40 ", lambda d: d.age == 40),
        ("age!=40|41|50..60", lambda d: ~d.age.isin([40, 41]) & ~d.age.between(50, 60)),
        ("age>=89", lambda d: d.age >= 89),
        ("age<18", lambda d: d.age == 17),
        ("age>20, age<=22", lambda d: d.age.isin([21, 22])),
        ("age=..18", lambda d: d.age <= 18),
        ("small=-3|-2..-1", lambda d: d.small < 0),
        ("price=missing", lambda d: d.price.isna()),
        ("price!=missing", lambda d: d.price.notna()),
        ("price=missing|1.05", lambda d: d.price.isna() | (d.price == 1.05)),
        ("price=1.05..1.20, price!=1.1", lambda d: d.price.between(1.05, 1.2) & (d.price != 1.1)),
        ("price!=20", lambda d: d.price.notna() & (d.price != 20)),
        ("gain=3..700", lambda d: d.gain.between(3, 700)),
        ("gain=1234", lambda d: d.gain == 1234),
        ("gain!=0", lambda d: d.gain != 0),
        ("tens=25000", lambda d: d.tens == 25000),
        ("x=0.1..0.2", lambda d: d.x.between(0.1, 0.2)),
        ("x=0.5", lambda d: d.x == 0.5),
        ("x!=0.5, x>0.49, x<0.51", lambda d: d.x.between(0.49, 0.51) & (d.x != 0.5)),
        ("single=0.1..0.2", lambda d: d.single.between(np.float32(0.1), np.float32(0.2))),
        ("mixed=0", lambda d: d.mixed == 0),
        ("mixed>0", lambda d: d.mixed > 0),
        ("when=1980", lambda d: d.when.dt.year == 1980),
        ("when=1980-02..1980-03-04", lambda d: d.when.between("1980-02-01", "1980-03-04 23:59:59")),
        ("when>1999-12-31", lambda d: d.when.dt.year >= 2000),
        ("when=2001-01-01 12:00..2001-03-01 13:00:00",
         lambda d: d.when.between("2001-01-01 12:00", "2001-03-01 13:00")),
        ("day=2010-05-05", lambda d: days(d) == "2010-05-05"),
        ("day!=2010", lambda d: days(d).dt.year != 2010),
        ("written=1999-12..2000-01", lambda d: d.written.between(19991201, 20000131)),
        ("written=19991224", lambda d: d.written == 19991224),
        ("clock=10:30..10:45:30",
         lambda d: d.clock.between(datetime.time(10, 30), datetime.time(10, 45, 30))),
        ("member=true", lambda d: d.member),
        ("member!=1", lambda d: ~d.member),
        ("city='town, 1'|\"town, 77\"", lambda d: d.city.isin(["town, 1", "town, 77"])),
        ("city!='town, 1'", lambda d: d.city.notna() & (d.city != "town, 1")),
        ("city!='town, 1', city!=missing", lambda d: d.city.notna() & (d.city != "town, 1")),
        ("grade=2..3", lambda d: d.grade.isin([2, 3])),
        ("grade=4", lambda d: d.grade == 4),
        ("same=always, 'age'=30", lambda d: d.age == 30),
        ("age!=missing", lambda d: d.age > 0),
        ("", lambda d: d.age > 0),
        ({"age": (40, None), "sex": ["Male", "Female"], "price": None},
         lambda d: (d.age >= 40) & d.price.isna()),
        ({"age": [17, (80, 90)], "city": "town, 1"},
         lambda d: ((d.age == 17) | (d.age >= 80)) & (d.city == "town, 1")),
        ({"age": ">=50", "member": True}, lambda d: (d.age >= 50) & d.member),
        ({"when": (pd.Timestamp("1990-01-01"), None)}, lambda d: d.when >= "1990-01-01"),
        ({"when": (datetime.date(1990, 1, 1), np.datetime64("1991-01-01"))},
         lambda d: d.when.between("1990-01-01", "1991-01-01")),
        ({"price": (np.float32(1.1), 2)}, lambda d: d.price.between(1.1, 2)),
        ({"grade": np.array([1, 2])}, lambda d: d.grade.isin([1, 2])),
        ({"price": float("nan"), "city": pd.NA}, lambda d: d.price.isna() & d.city.isna()),
        ({"clock": (datetime.time(23), None)}, lambda d: d.clock >= datetime.time(23)),
    ],
    ids=_spelled,
)  # fmt: skip
def test_every_row_fulfils_the_condition(everything: Everything, where: Any, check: Check) -> None:
    frame = everything.sample(where)
    assert len(frame) == 1500 and check(frame).all()


def test_what_is_left_keeps_its_shares(everything: Everything) -> None:
    real = everything.table.to_pandas()
    made = everything.sample("age=30..50, price=5..80", 20_000)
    real = real[real.age.between(30, 50) & real.price.between(5, 80)]
    assert made.age.mean() == pytest.approx(real.age.mean(), abs=0.5)
    assert made.price.mean() == pytest.approx(real.price.mean(), rel=0.05)


def test_what_a_condition_tells_the_nets(everything: Everything) -> None:
    codec = everything.codec
    condition = codec.allowed("age=40..60, gain=100..700")
    assert condition.fields == (codec.place("age"), codec.place("gain"))
    assert condition.text == "age=40..60, gain=100..700"
    assert condition.codes.shape == condition.share.shape == (codec.width,)
    assert ((condition.share > 0) == condition.codes).all() and condition.share.max() == 1
    part = condition.codes[codec.offsets[0] : codec.offsets[1]]
    assert part.sum() == 21
    assert list(condition.pieces) == [codec.place("gain")]
    assert codec.allowed({"age": (40, 60)}).text == "age=40..60"


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("age=200..300", r"'age' went from 17 to 90 in training; age=200..300 leaves nothing"),
        ("age=40..30", r"'age': the range 40..30 ends before it begins"),
        ("age=40.5", r"in steps like 17 to 18; 40.5 is not among them"),
        ("sex=Femal", r"'sex' has no value 'Femal'; allowed: Female, Male. .*mean 'Female'"),
        ("city=towm", r"'city' has no value 'towm' among [\d,]+\. Did you mean 'town"),
        ("agee=3", r"no column 'agee'; allowed: age, .*Did you mean 'age'"),
        ("sex", r"can't read 'sex'; write column=value.*mean 'sex=…'"),
        ("age=", r"a value is missing in 'age='"),
        ("age=3|", r"a value is missing"),
        ("age=forty", r"'age' needs a number; got 'forty'"),
        ("age=1e999", r"'age' needs a number"),
        ("age=nan", r"'age' needs a number"),
        ("when=soonish", r"'when' needs a date or time; got 'soonish'"),
        ("day=2010-13-01", r"'day' needs a date or time"),
        ("id=ID-1", r"column 'id' is not learned \(identifier"),
        ("same=never", r"column 'same' is always in every row"),
        ("sex=missing", r"'sex' was never missing in training"),
        ("member=maybe", r"'member' can't be 'maybe'; allowed: true, false"),
        ("sex>Female", r"'sex' has categories without an order"),
        ("grade=7", r"'grade' has no value 7; it has 1, 2, 3, 4"),
        ("age='40", r"a quote \('\) is not closed"),
        ("'age=3", r"a quote \('\) is not closed"),
        ("age=30, age=31", r"no value that 'age' had in training satisfies age=30, age=31"),
        ("age>=30..40", r"a range can't follow '>='"),
        ("small=0.5", r"0.5 is not among them"),
        ({"age": (1, 2, 3)}, r"a range is \(low, high\); got \(1, 2, 3\)"),
        ({"age": []}, r"'age' is given no alternatives"),
        ({"age": object()}, r"'age' needs a number"),
        (3, r"must be text or a mapping; got int"),
    ],
    ids=_spelled,
)
def test_what_can_not_be_is_one_line(everything: Everything, where: Any, error: str) -> None:
    with pytest.raises(OptionError, match=error) as caught:
        everything.codec.allowed(where)
    assert str(caught.value).startswith("where: ") and "\n" not in str(caught.value)


def test_names_and_values_with_signs_in_them() -> None:
    rng = np.random.default_rng(0)
    words = ["a=b", "1..2", "x|y", "missing", "O'Brien", "naïve, 'so'", "日本", 'say "hi"']
    table = pa.table(
        {
            "a, b": rng.choice(words, 400),
            "größe=x": rng.integers(0, 50, 400),
            "two words": rng.choice(words, 400),
        }
    )
    codec = make_codec(table)

    def one(where: Any, name: str) -> set[Any]:
        condition = codec.allowed(where)
        codes = draw(codec, 50, condition.share)
        made = codec.table(codes, np.full(codes.shape, 0.4), condition)
        return set(made[name].to_pylist())

    for word in words:
        assert one({"a, b": word}, "a, b") == {word}
        quoted = '"' + word.replace('"', '""') + '"'
        assert one(f'"a, b"={quoted}', "a, b") == {word}
        assert one(f"two words = {quoted}", "two words") == {word}
    assert one("two words=missing", "two words") == {"missing"}
    assert one("two words=O'Brien|日本, größe=x=3", "two words") == {"O'Brien", "日本"}
    assert one("größe=x=3..4, two words=a=b", "größe=x") <= {3, 4}


def test_words_of_booleans_in_any_case() -> None:
    codec = make_codec(pa.table({"ok": ["Yes", "No", "No"] * 10}))
    for where in ("ok=yes", "ok=YES", {"ok": True}, "ok!=no"):
        assert codec.allowed(where).codes.tolist() == [False, True]  # type: ignore[arg-type]


NUMBERS: dict[str, Callable[[np.random.Generator], pa.Array]] = {
    "few": lambda rng: pa.array(rng.integers(-5, 20, 600)),
    "wide": lambda rng: pa.array(np.rint(rng.lognormal(6, 2, 600)).astype(np.int64)),
    "cents": lambda rng: pa.array(np.round(rng.gamma(2, 10, 600), 2)),
    "halves": lambda rng: pa.array(np.rint(rng.normal(size=600) * 40) / 2),
    "real": lambda rng: pa.array(np.where(rng.random(600) < 0.2, 0.0, rng.normal(size=600))),
    "single": lambda rng: pa.array(rng.normal(size=600).astype(np.float32)),
    "day": lambda rng: pa.array(rng.integers(0, 4000, 600).astype(np.int32)).cast(pa.date32()),
    "moment": lambda rng: pa.array(rng.integers(0, 10**15, 600), pa.timestamp("us")),
}


@pytest.mark.parametrize("kind", NUMBERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_condition_on_ordered_values(kind: str, data: st.DataObject) -> None:
    values = NUMBERS[kind](np.random.default_rng(0))
    values = pa.array([None if i % 7 == 0 else v for i, v in enumerate(values.to_pylist())])
    values = values.cast(NUMBERS[kind](np.random.default_rng(0)).type)
    codec = _codec(kind, values)
    there = values.drop_null().to_pylist()
    cell = st.sampled_from(there)
    alternatives = data.draw(
        st.lists(
            st.one_of(cell, st.tuples(cell, cell).map(lambda t: tuple(sorted(t)))),
            min_size=1,
            max_size=3,
        )
    )
    condition = codec.allowed({"v": alternatives})
    codes = draw(codec, 100, condition.share)
    uniforms = np.random.default_rng(1).random(codes.shape)
    uniforms[:3] = [[0.0], [np.nextafter(1.0, 0)], [1.0]]
    made = codec.table(codes, uniforms, condition)["v"].to_pylist()
    for value in made:
        assert value is not None and any(
            one[0] <= value <= one[1] if isinstance(one, tuple) else value == one
            for one in alternatives
        )
    value = alternatives[0] if not isinstance(alternatives[0], tuple) else alternatives[0][0]
    other = codec.allowed(f"v!='{value}'")
    made = codec.table(draw(codec, 100, other.share), uniforms, other)["v"].to_pylist()
    assert value not in made and None not in made


_CODECS: dict[str, Any] = {}


def _codec(kind: str, values: pa.Array) -> Any:
    if kind not in _CODECS:
        table = pa.table({"v": values})
        kinds = {"v": "datetime" if kind in ("day", "moment") else "number"}
        _CODECS[kind] = make_codec(table, None if kind == "few" else kinds, bins=16)  # type: ignore[arg-type]
    return _CODECS[kind]


def test_a_single_point_left_out_of_a_bin_is_never_drawn() -> None:
    values = np.random.default_rng(0).normal(size=600)
    codec = _codec("real", pa.array(values))
    bins = codec.fields[0].bins  # type: ignore[union-attr]
    ends = np.array([[0.0], [np.nextafter(1.0, 0)]])
    for value in (float(bins.first[bins.starts[4]]), float(bins.last[bins.starts[5] - 1])):
        asked = codec.allowed(f"v!='{value}'")
        for code in np.flatnonzero(asked.codes):
            made = codec.table(np.full((2, 1), code), ends, asked)["v"].to_pylist()
            assert value not in made
