"""Rows in files: types as trained, whole or not at all; and very many categories."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import csv

from ganwright.base.errors import DataError, OptionError, UsageError
from ganwright.data.writers import format_for, writer_for
from ganwright.modalities.tables.codec.fields import TAILS, CategoryField
from ganwright.modalities.tables.codec.fit import LARGEST_TEXT

from .conftest import Everything, draw, make_codec


def written(everything: Everything, path: Path, block: int = 64) -> pa.Table:
    """Writes 500 rows in blocks; returns them."""
    codec = everything.codec
    codes = draw(codec, 500)
    made = codec.table(codes, np.random.default_rng(0).random(codes.shape))
    with writer_for(codec, path, format_for(codec, path), 500) as writer:
        for start in range(0, 500, block):
            writer.add(made.slice(start, block), None, 0)
    return codec.plain(made)


def test_parquet_has_the_very_table(everything: Everything, tmp_path: Path) -> None:
    made = written(everything, tmp_path / "a.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert found.schema.field("clock").type == pa.time32("ms")  # Parquet has no seconds
    assert found.cast(made.schema).equals(made)
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_text_reads_back_as_the_table(everything: Everything, tmp_path: Path, name: str) -> None:
    made = written(everything, tmp_path / name)
    mark = "," if name.endswith("csv") else "\t"
    found = csv.read_csv(
        tmp_path / name,
        parse_options=csv.ParseOptions(delimiter=mark),
        convert_options=csv.ConvertOptions(column_types=made.schema, strings_can_be_null=True),
    )
    assert found.equals(made)
    frame = pd.read_csv(tmp_path / name, sep=mark)
    assert list(frame.columns) == made.column_names
    assert frame.price.equals(made["price"].to_pandas())
    assert "1.05," in (tmp_path / name).read_text().replace("\t", ",")


def test_a_file_appears_whole_or_not_at_all(everything: Everything, tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        path = tmp_path / name
        path.write_text("old")
        codec = everything.codec
        codes = draw(codec, 5)
        made = codec.table(codes, np.zeros(codes.shape))
        with (
            pytest.raises(KeyboardInterrupt),
            writer_for(codec, path, format_for(codec, path), 10) as writer,
        ):
            writer.add(made, None, 0)
            raise KeyboardInterrupt
        with (
            pytest.raises(ValueError, match="5 samples were added"),
            writer_for(codec, path, format_for(codec, path), 10) as writer,
        ):
            writer.add(made, None, 0)
        assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.parquet"]


def test_formats_and_suffixes(everything: Everything, tmp_path: Path) -> None:
    codec = everything.codec
    for name, form in [("a.csv", "csv"), ("A.TSV", "csv"), ("a.pq", "parquet")]:
        assert format_for(codec, name) == form
    assert format_for(codec, "a", "csv") == "csv"
    with pytest.raises(
        OptionError, match=r"--out: 'a.xls' has no known suffix for tables; allowed: .csv"
    ):
        format_for(codec, "a.xls")
    with pytest.raises(OptionError, match="'a' says no format"):
        format_for(codec, "a")
    with pytest.raises(OptionError, match="can't be 'png'; allowed: csv, parquet"):
        format_for(codec, "a.csv", "png")
    with pytest.raises(OptionError, match=r"'csv' doesn't match 'a.parquet'"):
        format_for(codec, "a.parquet", "csv")
    with pytest.raises(UsageError, match="is a folder"):
        writer_for(codec, tmp_path, "csv", 1)


def test_pandas_dtypes_come_back_from_parquet(tmp_path: Path) -> None:
    about = {"levels": '["y", "x", "z"]', "ordered": "1", "user": "category"}
    fields = [
        pa.field("a", pa.string(), metadata=about),
        pa.field("b", pa.int64(), metadata={"user": "Int64"}),
        pa.field("c", pa.string(), metadata={"user": "string"}),
    ]
    columns = [["x", "y", "x"] * 20, [1, 2, None] * 20, ["p", None, "q"] * 20]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
    codec = make_codec(pa.table(arrays, schema=pa.schema(fields)))
    path = tmp_path / "a.parquet"
    made = codec.table(draw(codec, 60), np.zeros((60, 3)))
    with writer_for(codec, path, "parquet", 60) as writer:
        writer.add(made, None, 0)
    frame = pd.read_parquet(path)
    assert frame["a"].dtype == pd.CategoricalDtype(["y", "x", "z"], ordered=True)
    assert str(frame["b"].dtype) == "Int64" and str(frame["c"].dtype) == "string"
    pd.testing.assert_frame_equal(frame, codec.join([made]))


def test_whole_seconds_are_written_without_fraction(tmp_path: Path) -> None:
    seconds = np.arange(0, 10**6, 3600) * 10**9
    codec = make_codec(pa.table({"t": pa.array(seconds, pa.timestamp("ns"))}))
    path = tmp_path / "a.csv"
    with writer_for(codec, path, "csv", 2) as writer:
        writer.add(codec.table(np.zeros((2, 1), int), np.zeros((2, 1))), None, 0)
    assert path.read_text().splitlines()[1] == "1970-01-01 00:00:00"


def test_text_is_quoted_only_if_some_needs_it(tmp_path: Path) -> None:
    for words, line in [(["a b", "c"], "a b,0"), (["a,b", "c"], '"a,b",0'), (["", "a"], '"",0')]:
        codec = make_codec(pa.table({"w": words * 20, "n": [0, 1, 2, 3] * 10}))
        path = tmp_path / "a.csv"
        with writer_for(codec, path, "csv", 2) as writer:
            made = codec.table(np.array([[0, 0], [1, 1]]), np.zeros((2, 2)))
            writer.add(made, None, 0)
        assert path.read_text().splitlines()[:2] == ["w,n", line]
        assert csv.read_csv(path)["w"].to_pylist() == words


def many(count: int, each: int = 2, length: int = 0) -> pa.Table:
    """A column of `count` categories, the first ones more frequent."""
    rng = np.random.default_rng(0)
    places = np.concatenate([np.repeat(np.arange(count), each), rng.zipf(1.2, count) % count])
    names = pa.array([f"value number {i}".ljust(length, "x") for i in range(count)])
    return pa.table({"v": names.take(pa.array(rng.permutation(places)))})


def test_very_many_categories_in_bounded_memory() -> None:
    table = many(100_000)
    tracemalloc.start()
    codec = make_codec(table, {"v": "category"})
    codes = codec.codes(table)
    made = codec.table(codes, np.random.default_rng(0).random(codes.shape))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
    assert codec.choices == (256 + TAILS,)
    counts = table["v"].value_counts().to_pylist()
    top = {one["values"] for one in sorted(counts, key=lambda one: -one["counts"])[:200]}
    own = codec.fields[0]
    assert isinstance(own, CategoryField) and top <= set(own.values[:256].to_pylist())
    shares = codec.weights()[256:]
    assert shares.max() / shares.min() < 1.2  # tail codes hold about equally many rows
    assert len(made["v"].combine_chunks().dictionary) == 100_000
    assert np.array_equal(codec.codes(made), codes)
    assert pa.compute.count_distinct(made["v"].cast(pa.string())).as_py() > 50_000
    assert len(json.dumps(codec.to_json(), indent=2)) < 8 << 20


def test_members_of_a_tail_are_drawn_by_frequency() -> None:
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 101)
    places = rng.choice(100, 20_000, p=weights / weights.sum())
    table = pa.table({"v": pa.array([f"v{i}" for i in range(100)]).take(pa.array(places))})
    codec = make_codec(table, {"v": "category"}, largest=2)
    made = codec.table(draw(codec, 40_000), rng.random((40_000, 1)))["v"].cast(pa.string())
    real = table["v"].to_pandas().value_counts(normalize=True)
    found = made.to_pandas().value_counts(normalize=True).reindex(real.index).fillna(0)
    assert np.abs(real - found).sum() / 2 < 0.04


def test_names_too_long_to_keep_are_cut_or_refused() -> None:
    table = many(20_000, length=500)
    codec = make_codec(table, {"v": "category"})
    own = codec.fields[0]
    assert isinstance(own, CategoryField) and own.cut > 5_000
    assert len(json.dumps(codec.to_json(), indent=2)) < 1.2 * LARGEST_TEXT
    codes = codec.codes(table)  # what was cut belongs to the last tail
    assert codes.min() >= 0 and codes.max() == codec.choices[0] - 1
    made = codec.table(codes, np.zeros(codes.shape), plain=True)
    assert made["v"].null_count == 0
    with pytest.raises(
        DataError, match=r"'v': its 256 most frequent values alone take .* make it text"
    ):
        make_codec(many(300, length=20_000), {"v": "category"})
