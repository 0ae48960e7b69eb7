"""What the columns of a table are taken for."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganwright.base.errors import ModelError, OptionError
from ganwright.data import open_data
from ganwright.modalities.tables.codec.hashing import row_hashes
from ganwright.modalities.tables.columns.axis import from_axis, to_axis, type_of
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.columns.schema import infer_columns, parse_kinds
from ganwright.modalities.tables.read.tables import read_table

ROWS = 60

COLUMNS = {
    # name: (cell of row i, kind, type)
    "plain": (lambda i: str(i * i % 47), "integer", "int64"),
    "gaps": (lambda i: "" if i % 5 == 0 else str(i % 31), "integer", "int64"),
    "marked": (lambda i: "NA" if i % 5 == 0 else str(i % 31), "integer", "int64"),
    "asked": (lambda i: "?" if i % 5 == 0 else str(i % 31), "integer", "int64"),
    "fraction": (lambda i: f"{i % 13 / 4}", "number", "double"),
    "power": (lambda i: f"{i % 13}e-3", "number", "double"),
    "word": (lambda i: "?" if i % 5 == 0 else "NA" if i % 5 == 1 else "x", "category", "string"),
    "truth": (lambda i: ["true", "false"][i % 2], "boolean", "string"),
    "consent": (lambda i: ["Yes", "No"][i % 2], "boolean", "string"),
    "bit": (lambda i: str(i % 2), "boolean", "int64"),
    "sex": (lambda i: str(1 + i % 2), "category", "int64"),
    "cover": (lambda i: str(1 + i % 7), "category", "int64"),
    "children": (lambda i: str(i % 6), "integer", "int64"),
    "education-num": (lambda i: str(1 + i % 16), "integer", "int64"),
    "zip": (lambda i: f"{i % 50:05}", "category", "string"),
    "day": (lambda i: f"2020-01-{i % 28 + 1:02}", "datetime", "date32[day]"),
    "moment": (lambda i: f"2020-01-01 10:{i:02}:00", "datetime", "timestamp[s]"),
    "mixed": (lambda i: ["2020-01-01", "2020-01-01T10:00:01"][i % 2], "datetime", "timestamp[s]"),
    "zoned": (lambda i: f"2020-01-01T{i % 24:02}:00:00Z", "datetime", "timestamp[us, tz=UTC]"),
    "european": (lambda i: f"{i % 28 + 1:02}/01/2020", "datetime", "string"),
    "packed": (lambda i: f"202001{i % 28 + 1:02}", "datetime", "int64"),
    "clock": (lambda i: f"10:{i:02}", "datetime", "string"),
    "row": (lambda i: str(i), "identifier", "int64"),
    "customer_id": (lambda i: str(i * 37 % 1009), "identifier", "int64"),
    "uuid": (lambda i: f"{i * 7919:032x}", "identifier", "string"),
    "remark": (lambda i: f"what number {i} said about it", "text", "string"),
    "same": (lambda i: "x", "constant", "string"),
    "nothing": (lambda i: "", "empty", "null"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Column]:
    path = tmp_path_factory.mktemp("kinds") / "all.csv"
    lines = [",".join(COLUMNS)]
    lines += [",".join(cell(i) for cell, _, _ in COLUMNS.values()) for i in range(ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return {c.name: c for c in infer_columns(read_table(path), {})}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_has_the_kind_a_reader_would_say(name: str, found: dict[str, Column]) -> None:
    column = found[name]
    assert (column.kind, column.type) == COLUMNS[name][1:]


def test_counts_ranges_and_decimals(found: dict[str, Column]) -> None:
    assert (found["gaps"].missing, found["marked"].missing, found["word"].missing) == (12, 12, 0)
    assert (found["plain"].low, found["plain"].high, found["plain"].distinct) == (0, 42, 24)
    assert (found["fraction"].decimals, found["power"].decimals) == (2, 3)
    assert found["packed"].form == "%Y%m%d" and found["clock"].form == "%H:%M"
    first = (datetime.date(2020, 1, 1) - datetime.date(1970, 1, 1)).days
    assert found["day"].low == found["packed"].low == found["european"].low == first


def test_numbers_from_pandas_keep_their_type() -> None:
    table = pa.table({"a": pa.array([1.0, None, 2.0] * 10), "b": pa.array([0.5, 1.0, 2.0] * 10)})
    coded, number = infer_columns(table, {})
    assert (coded.kind, coded.type) == ("category", "double")  # 1 and 2 with gaps
    assert (number.kind, number.decimals) == ("number", 1)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("a", "data.table.kinds: must read column=kind; got 'a'"),
        ("agee=number", "data.table.kinds: no column 'agee'; allowed: age, b. Did you mean 'age'?"),
        ("age=numbr", "no kind 'numbr'"),
    ],
)
def test_a_kind_that_is_none_is_an_error(wish: str, words: str) -> None:
    with pytest.raises(OptionError) as error:
        parse_kinds([wish], ["age", "b"])
    assert words in str(error.value)


@pytest.mark.parametrize("wish", ["number", "integer", "datetime", "boolean", "constant", "empty"])
def test_a_kind_the_values_are_not_of_is_an_error(wish: str) -> None:
    with pytest.raises(
        OptionError, match=rf"'a' can't be {wish}: it contains 3 values of type string"
    ):
        infer_columns(pa.table({"a": ["x", "y", "z"]}), {"a": wish})  # type: ignore[dict-item]


def test_a_wish_comes_true() -> None:
    kinds = {"a": "category", "b": "text"}
    columns = infer_columns(pa.table({"a": [1, 2, 30], "b": ["x", "y", "x"]}), kinds)  # type: ignore[arg-type]
    assert [c.kind for c in columns] == ["category", "text"]
    assert columns[0].note == "as you said"


def test_a_column_in_json() -> None:
    column = Column(name="a", kind="number", type="double", low=0.5, high=1.0, decimals=1)
    assert Column.from_json(column.to_json()) == column
    for damage in ({"kind": "numbr"}, {"missing": -1}, {"name": 3}, {"extra": 1}, {"low": "x"}):
        with pytest.raises(ModelError):
            Column.from_json(column.to_json() | damage)


D = datetime.datetime
VALUES = {
    "int64": [3, None, -5],
    "uint8": [3, None, 255],
    "bool": [True, None, False],
    "double": [1.5, None, -2.25],
    "float": [1.5, None, -2.25],
    "date32[day]": [datetime.date(2020, 2, 29), None, datetime.date(1, 1, 1)],
    "timestamp[ns]": [D(2020, 2, 29, 1, 2, 3), None, D(1960, 1, 1)],
    "timestamp[us, tz=UTC]": [D(2020, 2, 29, tzinfo=datetime.UTC), None, None],
    "time32[s]": [datetime.time(10, 1), None, datetime.time(0)],
    "duration[s]": [datetime.timedelta(days=1), None, datetime.timedelta(0)],
}


@pytest.mark.parametrize("kind", VALUES)
def test_the_axis_there_and_back(kind: str) -> None:
    array = pa.array(VALUES[kind], type_of(kind))
    column = Column(name="a", kind="number", type=kind)
    values, known = to_axis(column, array)
    assert known.tolist() == [v is not None for v in VALUES[kind]]
    assert from_axis(column, values, known).equals(array)


@pytest.mark.parametrize(
    ("form", "kind", "texts"),
    [
        ("%Y%m%d", "int64", [20200229, None]),
        ("%d/%m/%Y", "string", ["29/02/2020", None]),
        ("%d.%m.%Y %H:%M", "string", ["29.02.2020 10:11", None]),
        ("%H:%M:%S", "string", ["23:59:59", None]),
    ],
)
def test_dates_in_words_there_and_back(form: str, kind: str, texts: list) -> None:
    array = pa.array(texts, type_of(kind))
    column = Column(name="a", kind="datetime", type=kind, form=form)
    assert from_axis(column, *to_axis(column, array)).equals(array)


def test_no_thirtieth_of_february() -> None:
    column = Column(name="a", kind="datetime", type="string", form="%Y-%m-%d")
    _, known = to_axis(column, pa.array(["2020-02-30", "2020-02-29"]))
    assert known.tolist() == [False, True]


def test_equal_rows_hash_equally_in_every_type() -> None:
    days = [datetime.date(2020, 1, 1), None]
    one = pa.table({"a": [1, 2], "b": ["x", None], "c": days})
    other = pa.table(
        {
            "c": pa.array([D(2020, 1, 1), None], pa.timestamp("ns")),
            "b": pa.chunked_array([["x"], [None]], pa.string()),
            "a": [1.0, 2.0],
        }
    )
    assert (row_hashes(one) == row_hashes(other)).all()
    assert len(set(row_hashes(one).tolist())) == 2


def test_hashes_tell_rows_and_columns_apart() -> None:
    pairs = [(a, b) for a in range(40) for b in range(40)]
    table = pa.table({"a": [p[0] for p in pairs], "b": [p[1] for p in pairs]})
    assert len(np.unique(row_hashes(table))) == 1600
    assert len(np.unique(row_hashes(table, ["a"]))) == 40


def test_pandas_dtypes_are_remembered() -> None:
    from ganwright.modalities.tables.read.tables import from_frame

    frame = pd.DataFrame(
        {"c": pd.Categorical(["x", "y"]), "i": pd.array([1, None], dtype="Int64"), "f": [0.5, 1.0]}
    )
    columns = infer_columns(from_frame(frame), {})
    assert [c.user for c in columns] == ["category", "Int64", "float64"]


def test_category_sets_of_words_and_whole_numbers_come_back_whole() -> None:
    words = pd.Categorical(["lo", "mid"] * 40, categories=["lo", "mid", "hi"], ordered=True)
    grades = pd.Categorical([3, 1] * 40, categories=[3, 2, 1])
    frame = pd.DataFrame({"words": words, "grades": grades, "x": range(80)})
    data = open_data(frame)
    codec = type(data.codec).from_json(json.loads(json.dumps(data.codec.to_json())))
    back = codec.join([data.examples(np.arange(2))])
    assert back["words"].dtype == words.dtype and back["grades"].dtype == grades.dtype
    assert back["grades"].tolist() == frame["grades"][:2].tolist()
