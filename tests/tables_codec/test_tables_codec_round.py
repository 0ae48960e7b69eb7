"""Rows to codes and back: nothing is lost that should not be, and distributions stay."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from ganwright.base.errors import DataError, OptionError, WorkError
from ganwright.modalities.tables.codec.table import TableCodec

from .conftest import Everything, draw, every_kind, make_codec


def stratified(codes: np.ndarray) -> np.ndarray:
    """Places (n,) spread evenly over each code, so that only the codec's own error is left."""
    order = np.argsort(codes, kind="stable")
    places = np.empty(len(codes))
    for part in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        places[part] = (np.random.default_rng(0).permutation(len(part)) + 0.5) / len(part)
    return places


def test_codes_of_decoded_rows_are_the_codes(everything: Everything) -> None:
    codec = everything.codec
    codes = codec.codes(everything.table)
    assert codes.shape == (4000, len(codec.fields)) and codes.dtype == np.int32
    assert (codes >= 0).all() and (codes < codec.choices).all()
    for seed in range(3):
        places = np.random.default_rng(seed).random(codes.shape)
        made = codec.table(codes, places)
        assert np.array_equal(codec.codes(made), codes)
        assert np.array_equal(codec.codes(codec.plain(made)), codes)


def test_ends_of_places_stay_within(everything: Everything) -> None:
    codec = everything.codec
    codes = draw(codec, 3000)
    for end in (0.0, np.nextafter(1.0, 0), 1.0):
        made = codec.table(codes, np.full(codes.shape, end))
        assert np.array_equal(codec.codes(made), codes)


def test_columns_order_and_types_come_back(everything: Everything) -> None:
    codes = draw(everything.codec, 50)
    made = everything.codec.table(codes, np.full(codes.shape, 0.3), plain=True)
    assert made.schema.equals(everything.table.schema)
    frame = everything.codec.join([made, made])
    assert list(frame.columns) == everything.table.column_names and len(frame) == 100
    assert frame.dtypes.equals(everything.table.to_pandas().dtypes)


@pytest.mark.parametrize("numbers", ["quantile", "modes"])
@pytest.mark.parametrize("name", ["age", "gain", "x", "single", "price", "tens", "mixed"])
def test_decoded_numbers_are_distributed_like_the_data(numbers: str, name: str) -> None:
    table = every_kind(20_000, seed=3).select([name])
    codec = make_codec(table, numbers=numbers)
    codes = codec.codes(table)
    places = stratified(codes[:, 0])[:, None]
    made = codec.table(codes, places)[name].drop_null().to_numpy()
    real = table[name].drop_null().to_numpy()
    assert ks_2samp(made, real).statistic < 0.005
    at = [0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999]
    spread = np.ptp(real)
    found, wanted = np.quantile(made, at), np.quantile(real, at)
    assert np.abs(found - wanted).max() < 0.02 * spread
    assert real.min() <= made.min() and made.max() <= real.max()


def test_numbers_keep_their_own_digits(everything: Everything) -> None:
    codes = draw(everything.codec, 4000)
    made = everything.codec.table(codes, np.random.default_rng(0).random(codes.shape))
    price = made["price"].drop_null().to_numpy()
    assert np.array_equal(price, np.round(np.rint(price / 0.05) * 5) / 100)
    assert (made["tens"].to_numpy() % 10 == 0).all()
    written = made["written"].cast(pa.string()).to_pylist()
    assert all("1990" <= day[:4] < "2020" and "01" <= day[4:6] <= "12" for day in written)
    assert (made["mixed"].to_numpy() == 0).mean() == pytest.approx(0.3, abs=0.03)


def test_spikes_and_few_values_have_codes_of_their_own() -> None:
    rng = np.random.default_rng(0)
    count = 10_000
    table = pa.table(
        {
            "few": rng.integers(0, 60, count),
            "heaped": np.where(rng.random(count) < 0.5, rng.integers(1, 9, count) * 1000.0, 0)
            + np.where(rng.random(count) < 0.5, rng.normal(size=count), 0),
        }
    )
    codec = make_codec(table)
    assert codec.choices[0] == 60
    made = codec.table(draw(codec, 5000), np.random.default_rng(1).random((5000, 2)))
    for value in (0.0, 1000.0, 8000.0):
        real = float((table["heaped"].to_numpy() == value).mean())
        assert float((made["heaped"].to_numpy() == value).mean()) == pytest.approx(real, abs=0.02)


def test_the_share_of_missing_values_is_kept(everything: Everything) -> None:
    codec, table = everything.codec, everything.table
    weights = codec.weights()
    for c, one in enumerate(codec.fields):
        share = weights[codec.offsets[c] : codec.offsets[c + 1]]
        assert share.sum() == pytest.approx(1)
        lost = table[one.name].null_count
        assert (one.missing is None) == (lost == 0)
        if one.missing is not None:
            assert share[one.missing] == pytest.approx(lost / table.num_rows)


def test_known_hides_missing_cells_and_fill_fills_only_them(everything: Everything) -> None:
    codec, table = everything.codec, everything.table.slice(0, 500)
    known = codec.known(table)
    hidden = np.stack([table[name].is_null().to_numpy() for name in codec.names], axis=1)
    assert np.array_equal(known < 0, hidden)
    codes = np.where(hidden, 0, known)
    filled = codec.fill(table, codes, np.full(codes.shape, 0.5))
    assert filled.schema.equals(table.schema)
    for name in table.column_names:
        if name in codec.names:
            assert filled[name].null_count == 0
        kept = table[name].is_valid()
        assert filled[name].filter(kept).equals(table[name].filter(kept))


def test_what_was_never_seen(everything: Everything) -> None:
    codec, table = everything.codec, everything.table.slice(0, 3)
    at = table.column_names.index("age")
    old = table.set_column(at, "age", pa.array([30, 200, None]))
    with pytest.raises(DataError, match=r"column 'age', row 2: 200 lies outside .*17 to 90"):
        codec.codes(old)
    found = codec.codes(old, unseen="nearest")[:, codec.place("age")]
    assert found[1] == codec.choices[codec.place("age")] - 1
    assert found[2] == -1  # age was never missing, so there is no code for it
    assert codec.known(old, unseen="hidden")[1, codec.place("age")] == -1
    at = table.column_names.index("sex")
    other = table.set_column(at, "sex", pa.array(["Male", "Femal", "Male"]))
    with pytest.raises(DataError, match=r"'sex', row 2: 'Femal' was not seen.*mean 'Female'"):
        codec.codes(other)
    with pytest.raises(DataError, match=r"no column 'sex'"):
        codec.codes(table.drop_columns(["sex"]))
    with pytest.raises(DataError, match=r"column 'age'"):
        codec.codes(table.set_column(0, "age", pa.array(["a", "b", "c"])))
    with pytest.raises(OptionError, match=r"no column 'agee' was learned.*'age'"):
        codec.place("agee")


def test_one_hots(everything: Everything) -> None:
    codec = everything.codec
    codes = codec.codes(everything.table.slice(0, 40))
    stored = torch.from_numpy(codes.astype(np.int32))
    hot = codec.encode(stored)
    assert hot.shape == (40, codec.width) and hot.dtype == torch.float32
    assert torch.equal(hot.sum(dim=1), torch.full((40,), float(len(codec.fields))))
    assert np.array_equal(codec.best(hot), codes)
    stored[3, 2] = -1
    start, end = codec.offsets[2:4]
    assert codec.encode(stored)[3, start:end].sum() == 0
    places = np.full(codes.shape, 0.5)
    assert codec.decode(hot, places).equals(codec.table(codes, places))
    hot[0, 0] = torch.nan
    with pytest.raises(WorkError, match="NaN"):
        codec.decode(hot, places)


def test_expectations_are_the_means_of_the_data(everything: Everything) -> None:
    codec, table = everything.codec, everything.table
    weights = np.tile(codec.weights(), (2, 1))
    means = codec.means(weights)
    for name in ("age", "x", "price", "mixed", "tens"):
        real = table[name].drop_null().to_numpy().mean()
        assert means[0, codec.place(name)] == pytest.approx(real, rel=1e-5, abs=1e-6)
    assert np.isnan(means[0, codec.place("city")])
    guess = codec.expect(torch.from_numpy(weights))
    assert guess.schema.equals(table.schema) and guess.num_rows == 2
    for name in codec.names:
        assert guess[name].null_count == 0
    assert guess["city"][0].as_py() == "town, 1"
    assert guess["age"][0].as_py() == round(means[0, codec.place("age")])


def test_columns_that_are_not_learned(everything: Everything) -> None:
    codes = draw(everything.codec, 20_000)
    made = everything.codec.table(codes, np.full(codes.shape, 0.5), start=7)
    assert made["id"][0].as_py() == "ID-0000007" and made["id"][19_999].as_py() == "ID-0020006"
    assert made["number"].to_pylist() == list(range(7, 20_007))
    assert set(made["same"].to_pylist()) == {"always"}
    assert made["nothing"].null_count == 20_000


@pytest.mark.parametrize(
    ("texts", "made"),
    [
        ([f"a{i}b" for i in range(8, 30)], "a5b"),
        ([f"{i:04d}-x" for i in range(22)], "0005-x"),
        (
            [f"{i:08x}-0000-0000-0000-{i:012x}" for i in range(22)],
            f"{'0-'.join(['0' * 7, '000', '000', '000'])}0-000000000005",
        ),
        ([chr(97 + i) * 3 for i in range(22)], "key_5"),
    ],
)
def test_identifiers_are_made_anew_in_their_form(texts: list[str], made: str) -> None:
    table = pa.table({"key": texts, "x": np.arange(22.0) % 5})
    codec = make_codec(table, {"key": "identifier", "x": "number"})
    assert codec.table(np.zeros((1, 1), int), np.zeros((1, 1)), start=5)["key"][0].as_py() == made


VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "float64": (pa.float64(), st.floats(-1e300, 1e300)),
    "float32": (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "uint64": (pa.uint64(), st.integers(0, 2**63 - 1)),
    "cents": (pa.float64(), st.integers(-(10**9), 10**9).map(lambda i: i / 100)),
    "halves": (pa.float64(), st.integers(-(10**6), 10**6).map(lambda i: i / 2)),
    "decimal": (
        pa.decimal128(9, 2),
        st.integers(-(10**6), 10**6).map(lambda i: decimal.Decimal(i) / 100),
    ),
    "day": (pa.date32(), st.dates()),
    "moment": (pa.timestamp("us"), st.datetimes()),
    "zoned": (pa.timestamp("ms", "Europe/Rome"), st.integers(-(10**13), 10**13)),
    "clock": (pa.time64("us"), st.times()),
    "length": (pa.duration("s"), st.integers(-(10**9), 10**9)),
    "words": (pa.string(), st.text(max_size=5)),
    "truth": (pa.bool_(), st.booleans()),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_values_survive(kind: str, data: st.DataObject) -> None:
    arrow, values = VALUES[kind]
    base = data.draw(st.lists(values, min_size=1, max_size=30))
    cells = data.draw(st.lists(st.sampled_from([*base, None]), min_size=2, max_size=60))
    column = pa.chunked_array([pa.array(cells, arrow)])
    table = pa.table({"v": column, "w": pa.array([i % 2 == 0 for i in range(len(cells))])})
    bins = data.draw(st.sampled_from([2, 8, 64]))
    codec = make_codec(table, bins=bins, largest=data.draw(st.sampled_from([2, 256])))
    codes = codec.codes(table)
    assert (codes >= 0).all()
    places = np.array(data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4)))
    made = codec.table(codes, np.resize(places, codes.shape), plain=True)
    assert made.schema.types == table.schema.types
    if "v" not in codec.names:
        return
    assert np.array_equal(codec.codes(made), codes)
    assert made["v"].is_null().equals(column.is_null())
    again = TableCodec.from_json(codec.to_json())
    assert again.table(codes, np.resize(places, codes.shape), plain=True).equals(made)
    if column.null_count < len(cells) and arrow not in (pa.string(), pa.bool_()):
        seen = column.drop_null().to_pylist()
        inside = made["v"].drop_null().to_pylist()
        assert all(min(seen) <= v <= max(seen) for v in inside)


def test_nothing_to_learn() -> None:
    table = pa.table({"a": ["x"] * 30, "b": pa.nulls(30)})
    with pytest.raises(DataError, match=r"no column to learn from: a \(constant\), b \(empty\)"):
        make_codec(table)
    with pytest.raises(DataError, match="no rows"):
        make_codec(pa.table({"a": pa.array([], pa.int64())}))


def test_constants_with_gaps_are_learned() -> None:
    table = pa.table({"a": ["x", None] * 30, "b": range(60)})
    codec = make_codec(table, {"a": "constant", "b": "integer"})
    assert codec.choices[0] == 2 and codec.fields[0].missing == 1


def test_a_category_set_comes_back_with_its_order() -> None:
    about = {"levels": '["low", "mid", "high", "never"]', "ordered": "1", "user": "category"}
    words = pa.array(["mid", "low", "high", "low"] * 10)
    schema = pa.schema([pa.field("a", pa.string(), metadata=about)])
    codec = make_codec(pa.table([words], schema=schema))
    assert codec.choices == (3,)
    codec = TableCodec.from_json(codec.to_json())
    frame = codec.join([codec.table(np.array([[0], [1], [2]]), np.zeros((3, 1)))])
    assert list(frame["a"].cat.categories) == ["low", "mid", "high", "never"]
    assert frame["a"].cat.ordered and frame["a"].tolist() == ["low", "mid", "high"]
    assert codec.allowed("a=mid..").codes.tolist() == [False, True, True]
    assert codec.allowed("a<high").codes.tolist() == [True, True, False]
    with pytest.raises(OptionError, match="'never'"):
        codec.allowed("a=never")


def test_digests_see_content_only(everything: Everything) -> None:
    table = everything.table
    codec = everything.codec
    marks = codec.digests(table)
    assert marks.shape == (4000, 8) and marks.dtype == np.uint8
    at = table.column_names.index("id")
    renamed = table.set_column(at, "id", pa.array(["z"] * 4000))
    assert np.array_equal(codec.digests(renamed), marks)
    assert len(np.unique(marks, axis=0)) == 4000
    codes = draw(codec, 100)
    made = codec.table(codes, np.full(codes.shape, 0.5))  # text as a dictionary
    assert np.array_equal(codec.digests(made), codec.digests(codec.plain(made)))


def test_preview(everything: Everything) -> None:
    text = everything.codec.preview(everything.table)
    assert len(text.splitlines()) == 21 and text.split()[0] == "age"


def test_numbers_without_room_are_one_line() -> None:
    table = pa.table({"v": [0.0, 1.5, -1.2e308, 3.5], "w": [True, False, True, False]})
    with pytest.raises(DataError, match=r"^column 'v' contains -1\.2e\+308, beyond .* 1e\+300"):
        make_codec(table)


def test_decimals_whose_ends_lie_far_apart_are_saved_and_read() -> None:
    cells = [decimal.Decimal("-166.05"), decimal.Decimal("8901.3")] * 4
    table = pa.table({"v": pa.array(cells, pa.decimal128(10, 2)), "w": [True, False] * 4})
    codec = make_codec(table, bins=2)
    again = TableCodec.from_json(codec.to_json())
    assert np.array_equal(again.codes(table), codec.codes(table))
