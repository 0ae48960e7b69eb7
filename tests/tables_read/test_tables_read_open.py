"""From a file or a frame to a data set."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ganwright.base.errors import DataError
from ganwright.data import Dataset, delimited, open_data
from ganwright.modalities.tables.columns.schema import infer_columns
from ganwright.modalities.tables.options import TableOptions
from ganwright.modalities.tables.read.tables import conform, read_table, to_user


def csv_of(frame: pd.DataFrame, **settings) -> bytes:
    return frame.to_csv(index=False, **settings).encode()


FORMS = {
    "a.csv": csv_of,
    "a.tsv": lambda f: csv_of(f, sep="\t"),
    "b.csv": lambda f: csv_of(f, sep=";"),
    "c.csv": lambda f: csv_of(f, sep="|"),
    "d.csv": lambda f: csv_of(f, lineterminator="\r\n", quoting=1),
    "a.txt": csv_of,
    "a.csv.gz": lambda f: gzip.compress(csv_of(f)),
    "a.csv.bz2": lambda f: bz2.compress(csv_of(f)),
    "a.csv.xz": lambda f: lzma.compress(csv_of(f)),
    "a.csv.zst": lambda f: pa.compress(csv_of(f), "zstd", asbytes=True),
    "e.csv": lambda f: csv_of(f).decode().encode("utf-8-sig"),
    "f.csv": lambda f: csv_of(f).decode().encode("utf-16"),
    "g.csv": lambda f: csv_of(f).decode().encode("cp1252"),
    "h.csv": lambda f: csv_of(f).replace(b',"Z', b', "Z'),  # a quote after a space
}


@pytest.mark.parametrize("name", FORMS)
def test_a_table_is_the_same_in_every_form(name: str, write, people: pd.DataFrame) -> None:
    plain, other = (
        open_data(write(csv_of(people), "plain.csv")),
        open_data(write(FORMS[name](people), name)),
    )
    same_rows(plain, other)
    assert other.name == name[0] and other.kind == "table"
    told = any("not UTF-8: read as Windows-1252" in note for note in other.notes)
    assert told == (name == "g.csv")


def same_rows(one: Dataset, other: Dataset) -> None:
    assert (one.hashes == other.hashes).all()
    assert (one.rows == other.rows).all()
    assert one.spec == other.spec and one.options.of(TableOptions).target == "income"
    everything = np.arange(len(one))
    assert one.examples(everything).to_pydict() == other.examples(everything).to_pydict()


def test_frames_and_files_that_know_their_types(tmp_path: Path, people: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(people)
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"))
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    found = [
        open_data(given)
        for given in (
            people,
            pl.from_pandas(people),
            pl.from_pandas(people).lazy(),
            table,
            tmp_path / "a.parquet",
            tmp_path / "a.feather",
            tmp_path / "a.arrow",
        )
    ]
    for other in found[1:]:
        assert (other.hashes == found[0].hashes).all()
        assert (other.rows == found[0].rows).all()
    assert found[0].name == "table" and Path(found[0].source).exists()


def test_a_frame_can_be_opened_again_where_it_was_put(people: pd.DataFrame) -> None:
    people["city"] = people["city"].astype("category")
    data = open_data(people)
    again = open_data(data.source, options=data.options)
    assert again.fingerprint == data.fingerprint
    assert [c.user for c in again.codec.columns] == [c.user for c in data.codec.columns]


def test_what_a_data_set_of_rows_is(write, people: pd.DataFrame) -> None:
    data = open_data(write(csv_of(people)))
    assert len(data) == 200 and data.labels is None and data.rows.dtype == np.int16
    assert data.spec.axes == ("choice",) and data.spec.choices == data.codec.choices
    assert data.spec.shape == (sum(data.codec.choices),)
    assert sorted([*data.train, *data.heldout]) == list(range(200))
    assert (data.rows < np.array(data.codec.choices)).all()
    assert data.options.of(TableOptions).target == "income"
    assert "'income' is the column to predict, by its name" in data.notes
    assert data.name_of(4) == "row 5" and "200 rows of 5 columns" in repr(data)
    codes, labels = data.batch(np.array([3, 1]))
    assert codes.shape == (2, 5) and labels is None


def test_examples_come_in_the_order_asked_for(write, people: pd.DataFrame) -> None:
    data = open_data(write(csv_of(people)))
    asked = np.array([7, 3, 3, 199, 0])
    assert data.examples(asked)["age"].to_pylist() == people["age"].iloc[asked].tolist()
    assert data.examples(np.array([], int)).num_rows == 0
    with pytest.raises(IndexError):
        data.examples(np.array([200]))


def test_many_blocks(write, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1024)
    table = read_table(write(csv_of(people)))
    assert table["age"].num_chunks > 5
    assert table["age"].to_pylist() == people["age"].tolist()


def test_rows_stay_on_their_side_whatever_is_added(people: pd.DataFrame) -> None:
    people["id"] = np.arange(len(people))  # tells rows apart, but is not learned
    twice = pd.concat([people, people], ignore_index=True)
    twice["id"] = np.arange(len(twice))
    held = set(open_data(people).heldout.tolist())
    both = set(open_data(twice).heldout.tolist())
    assert {i for i in both if i < len(people)} == held


def test_a_crowd_of_equal_rows_stands_on_both_sides() -> None:
    frame = pd.DataFrame({"a": [1] * 900 + list(range(100)), "b": ["x"] * 900 + ["y"] * 100})
    data = open_data(frame)
    crowd = np.isin(data.heldout, np.arange(900)).sum()
    assert 0.15 < crowd / 900 < 0.25


def test_the_cache_is_used_and_mended(cache: Path, write, people: pd.DataFrame) -> None:
    path = write(csv_of(people))
    first = open_data(path)
    rows = first.rows.copy()  # the file it is mapped from is damaged below
    files = sorted(p for p in cache.rglob("*") if p.is_file())
    times = [p.stat().st_mtime_ns for p in files]
    assert open_data(path).fingerprint == first.fingerprint
    assert [p.stat().st_mtime_ns for p in files] == times
    assert not list(cache.rglob(".tmp-*"))
    for file in files:
        if file.name in ("about.json", "codec.json", "codes.npy"):
            file.write_bytes(b"{}")
    again = open_data(path)
    assert again.fingerprint == first.fingerprint and (again.rows == rows).all()
    path.write_bytes(csv_of(people[:100]))
    assert len(open_data(path)) == 100


def test_what_is_set_overrules(write, people: pd.DataFrame) -> None:
    path = write(csv_of(people))
    data = open_data(path, table={"kinds": "age=category", "leave_out": ["born"], "target": "city"})
    assert [c.name for c in data.codec.columns] == ["age", "height", "city", "income"]
    assert (
        data.codec.columns[0].kind == "category" and data.options.of(TableOptions).target == "city"
    )
    again = open_data(path, options=data.options)
    assert again.fingerprint == data.fingerprint
    assert open_data(path, options=data.options, table={"target": "age"}).options.of(
        TableOptions
    ).kinds == ("age=category",)


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"Target": "ab", "x": "cd"}, "Target"),
        ({"x": "cd", "y": "ab"}, "y"),
        ({"x": [1.5, 2.5], "word": "ab"}, "word"),
        ({"n": [1.5, 2.5], "x": [1.5, 2.5]}, "x"),
        ({"n": [1.5, 2.5], "x": pd.to_datetime(["2020-01-01", "2021-01-01"])}, "n"),
    ],
)
def test_the_column_to_predict(columns: dict, target: str) -> None:
    frame = pd.DataFrame({name: list(values) * 30 for name, values in columns.items()})
    data = open_data(frame)
    assert data.options.of(TableOptions).target == target
    assert any(f"'{target}' is the column to predict" in note for note in data.notes)


def test_missing_words_are_said(write) -> None:
    lines = [f"{i % 30},{i % 3}" for i in range(60)] + ["?,1", "NA,2", "NA,0"]
    data = open_data(write("a,b\n" + "\n".join(lines)))
    assert data.codec.columns[0].missing == 3
    assert "'a': '?', 'NA' are missing values (3 in all)" in data.notes


def test_a_column_that_is_nearly_of_numbers(write) -> None:
    path = write("a,b\n" + "\n".join(f"{i % 30},{i % 3}" for i in range(300)) + "\noops,1\n")
    data = open_data(path)
    assert data.codec.columns[0].kind == "category"
    assert any("'a' is 99.7% numbers, but not 'oops': read as a category" in n for n in data.notes)
    wished = open_data(path, table={"kinds": ["a=number"]})
    assert wished.codec.columns[0].kind == "number" and wished.codec.columns[0].missing == 1
    assert "'a': 1 cell is no number ('oops'): missing" in wished.notes
    with pytest.raises(DataError, match=r"'a': 1 cell is no number \('oops'\)"):
        open_data(path, table={"kinds": ["a=number"]}, bad="refuse")


def test_a_few_ragged_rows_are_left_out_and_named(write) -> None:
    good = "\n".join(f"{i % 30},{i % 3}" for i in range(300))
    path = write(f'a,b\n"1\n",2\n1,2,3\n{good}\n')
    data = open_data(path)
    assert len(data) == 301
    assert [(s.name, s.reason) for s in data.skipped] == [("line 4", "has 3 cells, the header 2")]
    assert any("left out: 1" in note for note in data.notes)
    with pytest.raises(DataError, match="line 4 has 3 cells, the header 2"):
        open_data(path, bad="refuse")


def test_infinite_numbers_are_values_of_their_own_and_said() -> None:
    frame = pd.DataFrame({"a": [1.5, np.inf, -np.inf, 2.5] * 10, "b": [1, 2, 3, 4] * 10})
    data = open_data(frame)
    assert data.codec.columns[0].missing == 0
    assert "'a': 20 infinite values are kept as separate values" in data.notes
    assert data.table["a"].to_pylist() == frame["a"].tolist()
    assert set(data.codec.fields[0].apart.to_pylist()) == {np.inf, -np.inf}


def test_what_is_not_learned_is_said(write) -> None:
    lines = [f"{i},x,,{i % 3},the remark of number {i}" for i in range(60)]
    data = open_data(write("id,same,none,c,remark\n" + "\n".join(lines)))
    kinds = ["identifier", "constant", "empty", "integer", "text"]
    assert [c.kind for c in data.codec.columns] == kinds
    for words in (
        "identifiers, not learned but generated anew: 'id'",
        "constant, returned as it is: 'same'",
        "all missing, returned as such: 'none'",
        "free text, not learned and returned empty: 'remark'",
    ):
        assert words in data.notes


def test_an_index_that_was_written_along_is_left_out(people: pd.DataFrame, write) -> None:
    data = open_data(write(people.to_csv().encode()))
    assert data.codec.columns[0].name == "age"
    assert "column 1 has no name and numbers the rows: left out" in data.notes
    named = open_data(people.set_index("city"))
    assert any("the index 'city' is no column: left out" in note for note in named.notes)


def test_many_categories() -> None:
    words = [f"word {i % 20_000}" for i in range(50_000)]
    data = open_data(pd.DataFrame({"w": words, "x": np.arange(50_000) % 7}))
    assert data.codec.columns[0].kind == "category" and data.codec.choices[0] < 2000


def test_pictures_that_are_listed_stay_pictures(tmp_path: Path, write) -> None:
    for i in range(3):
        Image.fromarray(np.full((4, 4), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
    listing = write("file,label\n" + "\n".join(f"{i}.png,x" for i in range(3)))
    assert open_data(listing).kind == "csv"
    (tmp_path / "bare").write_bytes((tmp_path / "0.png").read_bytes())
    assert open_data(write("path,n\n0.png,1\n1.png,2\nbare,3\n", "b.csv")).kind == "csv"
    assert open_data(write("path,n\n/index.html,1\n/about,2\n/x,1\n", "c.csv")).kind == "table"


def test_to_the_user_and_back(people: pd.DataFrame) -> None:
    people["city"] = people["city"].astype("category")
    people["whole"] = pd.array([1, None] * 100, dtype="Int64")
    table = open_data(people).table
    columns = infer_columns(table, {})
    pd.testing.assert_frame_equal(to_user(table, columns), people, check_categorical=False)
    assert to_user(table, columns, "polars")["city"].dtype == pl.Categorical
    assert to_user(table, columns, "arrow") is table


def test_another_table_in_the_same_columns(people: pd.DataFrame) -> None:
    columns = infer_columns(open_data(people).table, {})
    shuffled = pa.Table.from_pandas(people[["income", "born", "city", "height", "age"]][:5])
    fitted = conform(shuffled, columns)
    assert fitted.column_names == list(people.columns)
    with pytest.raises(DataError, match=r"no column 'age'; allowed: agee, b\. Did you mean 'agee'"):
        conform(pa.table({"agee": [1], "b": [2]}), columns, "the rows")
    with pytest.raises(DataError, match="column 'age' is not int64"):
        conform(shuffled.set_column(4, "age", pa.array(["x"] * 5)), columns)


def test_a_file_in_the_types_of_another(write, people: pd.DataFrame) -> None:
    """One row, whose cells would be taken for something else were the columns not known."""
    columns = infer_columns(read_table(write(csv_of(people), "first.csv")), {})
    row = "city,age,born,height,income,more\n007,40.0,,?,12,x\n"
    table = read_table(write(row, "second.csv"), columns)
    assert table.column_names == list(people.columns)
    assert table.to_pylist() == [
        {"age": 40, "height": None, "city": "007", "born": None, "income": "12"}
    ]
    with pytest.raises(DataError, match=r"third.csv': column 'age' is not int64: .*'forty'"):
        read_table(write(row.replace("40.0", "forty"), "third.csv"), columns)
    with pytest.raises(DataError, match=r"third.csv': no column 'age'; allowed: .*"):
        read_table(write(row.replace("age", "aged"), "third.csv"), columns)


def test_text_in_a_frame_stays_text_and_is_told_of() -> None:
    frame = pd.DataFrame(
        {
            "n": [str(i % 9) for i in range(60)],
            "d": [f"2020-01-0{i % 9 + 1}" for i in range(60)],
            "w": ["x", "y", "NA"] * 20,
            "c": pd.Categorical([str(i % 9) for i in range(60)]),
        }
    )
    data = open_data(frame)
    assert {c.type for c in data.codec.columns} == {"string"}
    assert data.codec.columns[2].distinct == 3
    told = [note for note in data.notes if "reads as" in note]
    assert told == [
        "'n' is text that reads as numbers; data.table.kinds 'n=number' converts it",
        "'d' is text that reads as dates; data.table.kinds 'd=datetime' converts it",
    ]
    wished = open_data(frame, table={"kinds": ["n=number", "d=datetime"]})
    assert [c.type for c in wished.codec.columns[:2]] == ["int64", "date32[day]"]
