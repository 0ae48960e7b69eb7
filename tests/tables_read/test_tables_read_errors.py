"""Bad input is one line that says what to mend, in Python and on the command line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganwright.base.errors import DataError, OptionError
from ganwright.cli.app import run
from ganwright.data import open_data

GOOD = "a,b,c\n" + "".join(f"{i % 7},{i * 1.5},w{i % 3}\n" for i in range(50))


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


NESTED = parquet_of(pa.table({"a": [[1], [2]], "b": [1, 2]}))
PLAIN = parquet_of(pa.table({"a": np.arange(1000), "b": np.arange(1000) % 7}))

FILES: dict[str, tuple[str, str | bytes, str]] = {
    "short rows": ("a.csv", "a,b\n1,2\n3\n4,5\n", "line 3 has 1 cell, the header 2"),
    "long rows": (
        "a.csv",
        "a,b\n\n1,2\n3,4,5\n4,5,6\n",
        "line 4 has 3 cells, the header 2; 1 more",
    ),
    "empty": ("a.csv", "", "is empty"),
    "blank": ("a.csv", "\n\n \n", "is empty"),
    "header": ("a.csv", "a,b\n", "has a header but no rows; at least 2 are needed"),
    "header, no newline": ("a.csv", "a,b", "has a header but no rows; at least 2 are needed"),
    "one row": ("a.csv", "a,b\n1,2\n", "has one usable row; at least 2 are needed"),
    "same names": ("a.csv", "a,b,a\n1,2,3\n4,5,6\n", "several columns of one name: 'a'"),
    "no name": ("a.csv", "a,,c\n1,2,3\n4,5,7\n", "column 2 has no name; give it one"),
    "no header": (
        "a.csv",
        "5.1,3.5,x\n4.9,3.0,y\n",
        "its first line (5.1, 3.5, x) looks like data",
    ),
    "no header, equal": ("a.csv", "0,tcp,0\n0,udp,0\n", "seems to have no header"),
    "colons": (
        "a.csv",
        "a:b:c\n1:2:3\n4:5:6\n",
        "reads as one column, 'a:b:c': is its delimiter ':'?",
    ),
    "spaces": ("a.txt", "a b\n1 2\n3 4\n", "is its delimiter 'space'? Allowed are , ; tab and |"),
    "no encoding": ("a.csv", GOOD.encode() + b"1,2,\x81\x8d\n", "neither UTF-8 nor Windows-1252"),
    "binary": ("a.csv", bytes(range(256)) * 20, "it holds binary data"),
    "picture": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(9), "is not a text table but a picture"),
    "spreadsheet": ("a.csv", b"PK\x03\x04xx", "a spreadsheet: save it as CSV"),
    "parquet by name": ("a.csv", PLAIN, "a Parquet file: give it the suffix .parquet"),
    "gzip by name": ("a.csv", gzip.compress(b"a"), "packed: give it the suffix .gz"),
    "no gzip": ("a.csv.gz", GOOD, "is damaged or doesn't match its suffix"),
    "cut gzip": ("a.csv.gz", gzip.compress(GOOD.encode())[:80], "is damaged"),
    "no xz": ("a.csv.xz", GOOD, "is damaged or doesn't match its suffix"),
    "open quote": ("a.csv", 'a,b\n1,x\n2,"y\n3,z\n4,w\n', "a quote is opened in line 3 and never"),
    "nothing to learn": (
        "a.csv",
        "a,b\n1,\n1,\n1,\n",
        "no column to learn: a (constant), b (empty)",
    ),
    "no parquet": ("a.parquet", "hello", "is damaged or not a valid Parquet file"),
    "cut parquet": (
        "a.parquet",
        PLAIN[: len(PLAIN) // 2],
        "is damaged or not a valid Parquet file",
    ),
    "spoilt parquet": ("a.parquet", PLAIN[:40] + b"\xff" * 300 + PLAIN[340:], "is damaged"),
    "no arrow": ("a.arrow", "hello there", "is damaged or not a valid Arrow file"),
    "empty arrow": ("a.feather", "", "is damaged or not a valid Arrow file"),
    "nested": ("a.parquet", NESTED, "column 'a' holds list<element: int64>, which is no number"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_table_is_one_line(
    name: str, write, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    file, content, words = FILES[name]
    path = write(content, file)
    with pytest.raises(DataError) as error:
        open_data(path)
    text = str(error.value)
    assert words in text and file in text and "\n" not in text and len(text) < 400
    assert run(["inspect", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.err == f"ganwright: error: {text}\n" and not printed.out
    assert not list(cache.rglob(".tmp-*"))


def test_what_is_left_out_does_no_harm(write) -> None:
    path = write(parquet_of(pa.table({"a": [[1], [2], [2]], "b": [1, 2, 2]})), "a.parquet")
    data = open_data(path, table={"leave_out": ["a"]})
    assert [c.name for c in data.codec.columns] == ["b"]


FRAMES = {
    "mixed": (
        {"a": np.array([1, {"x": 1}, "z"], object), "b": [1, 2, 3]},
        "column 'a' contains values of several types: int ('1'), dict (\"{'x': 1}\"), str ('z')",
    ),
    "words and numbers": (
        {"a": np.array([1, "x", 2], object), "b": [1, 2, 3]},
        "column 'a' contains values of several types: int ('1'), str ('x'); convert them to one",
    ),
    "complex": ({"a": [1j, 2j], "b": [1, 2]}, "column 'a' contains values of type complex ('1j')"),
    "bytes": ({"a": [b"x", b"y"], "b": [1, 2]}, "the table: column 'a' holds binary data"),
    "periods": (
        {"a": pd.period_range("2020-01", "2020-02", freq="M"), "b": [1, 2]},
        "leave_out=['a'] leaves it out",
    ),
    "no rows": ({"a": [], "b": []}, "the table has no rows; at least 2 are needed"),
    "one row": ({"a": [1], "b": [2]}, "the table has one usable row; at least 2 are needed"),
    "nothing": ({}, "the table has no rows"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_can_not_be_learned_is_one_line(name: str) -> None:
    columns, words = FRAMES[name]
    with pytest.raises(DataError) as error:
        open_data(pd.DataFrame(columns))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_columns_of_several_levels_or_one_name() -> None:
    levels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    with pytest.raises(DataError, match="columns of several levels"):
        open_data(pd.DataFrame(np.eye(3), columns=levels))
    with pytest.raises(DataError, match="the table has duplicate column names: 'a'"):
        open_data(pd.DataFrame(np.eye(3), columns=["a", "a", "b"]))


def test_what_is_no_data() -> None:
    for given in ({"a": 1}, 3, None):
        with pytest.raises(DataError, match=f"data can't be a {type(given).__name__}"):
            open_data(given)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("target=aa", "data.table.target: no column 'aa' that is learned; allowed: a, b, c."),
        ("kinds=d=category", "data.table.kinds: no column 'd'; allowed: a, b, c"),
        ("kinds=a=catgory", "data.table.kinds: no kind 'catgory'; allowed: number"),
        ("kinds=c=number", "data.table.kinds: 'c' can't be number: 'w0' is no number"),
        ("kinds=b=integer", "data.table.kinds: 'b' can't be integer"),
        ("leave_out=d", "data.table.leave_out: no column 'd'; allowed: a, b, c"),
        ("bins=1", "table.bins should be greater than or equal to 2"),
        ("numbers=mode", "table.numbers can't be 'mode'; allowed: quantile, modes"),
    ],
)
def test_an_option_that_can_not_be(
    setting: str, words: str, write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(GOOD)
    assert run(["inspect", str(path), "--set", f"data.table.{setting}"]) == 2
    printed = capsys.readouterr().err
    assert words in printed and printed.count("\n") == 1
    key, _, value = setting.partition("=")
    with pytest.raises(OptionError, match="table"):
        open_data(path, table={key: int(value) if value.isdigit() else value})


def test_a_late_letter_that_is_not_utf_8(write) -> None:
    """Found only after the sample that the encoding was guessed from."""
    path = write((GOOD + GOOD[6:] * 2500).encode() + "1,2,café\n".encode("latin-1"))
    assert path.stat().st_size > 1 << 20
    data = open_data(path)
    assert data.table["c"][-1].as_py() == "café"
    assert "the text is not UTF-8: read as Windows-1252" in data.notes
