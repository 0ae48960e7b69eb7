"""Counts from files and from memory: what is taken for counts, and what is refused, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import ganwright as gw
from ganwright.base.errors import DataError, OptionError

WORDS = 60


def draw(rows: int = 120, words: int = WORDS, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.poisson(rng.gamma(0.3, 1.0, words), (rows, words)))


def frame(rows: int = 120) -> pd.DataFrame:
    return pd.DataFrame(draw(rows).toarray(), columns=[f"w{i}" for i in range(WORDS)])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_a_sparse_npz_is_counts(tmp_path: Path, kind: str, dtype: str) -> None:
    matrix = draw().astype(dtype)
    sp.save_npz(tmp_path / "a.npz", matrix.asformat(kind))
    data = gw.open_data(tmp_path / "a.npz")
    assert data.kind == data.codec.kind == "counts"
    assert (data.examples(np.arange(len(data))).dense() == matrix.toarray()).all()
    assert data.codec.dtype == dtype
    batch, labels = data.batch(np.array([3, 1, 3]))
    assert labels is None
    assert (batch.numpy() == matrix.toarray()[[3, 1, 3]]).all()
    assert (data[5] == matrix.toarray()[5]).all()


def test_every_form_gives_the_same_rows(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.tsv.gz", index=False, sep="\t")
    opened = [gw.open_data(given) for given in (tmp_path / "a.csv", tmp_path / "a.tsv.gz", table)]
    for data in opened:
        assert data.kind == "counts"
        assert data.codec.words == tuple(table.columns)
        assert (data.hashes == opened[0].hashes).all()
        assert (data.examples(np.arange(len(data))).dense() == table.to_numpy()).all()
    assert "read as counts" in opened[0].notes[0]


def test_what_is_asked_for_decides(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "wide.csv", index=False)
    table.iloc[:, :5].to_csv(tmp_path / "narrow.csv", index=False)
    assert gw.open_data(tmp_path / "narrow.csv").kind == "table"
    assert gw.open_data(tmp_path / "narrow.csv", form="counts").kind == "counts"
    assert gw.open_data(tmp_path / "wide.csv", form="table").kind == "table"
    assert gw.open_data(table, form="table").kind == "table"


def test_yes_and_no_in_many_columns_is_a_table(tmp_path: Path) -> None:
    (frame() > 0).astype(int).to_csv(tmp_path / "a.csv", index=False)
    assert gw.open_data(tmp_path / "a.csv").kind == "table"


def test_columns_are_left_out(tmp_path: Path) -> None:
    table = frame()
    table.insert(0, "name", [f"n{i}" for i in range(len(table))])
    table.to_csv(tmp_path / "a.csv", index=False)
    data = gw.open_data(tmp_path / "a.csv", form="counts", counts={"leave_out": "name"})
    assert data.codec.words == tuple(table.columns[1:])
    with pytest.raises(DataError, match=r"'n0' is no count; data.counts.leave_out leaves"):
        gw.open_data(tmp_path / "a.csv", form="counts")
    with pytest.raises(OptionError, match=r"no column 'nam'.*Did you mean 'name'"):
        gw.open_data(tmp_path / "a.csv", form="counts", counts={"leave_out": "nam"})


def test_texts_become_counts(tmp_path: Path) -> None:
    lines = [
        "The cat and the dog.",
        "A dog; a cat!",
        "",
        "the THE the",
        "owl's owl's",
        "cat dog",
    ] * 9
    (tmp_path / "a.txt").write_text("\n".join(lines))
    folder = tmp_path / "texts"
    (folder / "in").mkdir(parents=True)
    full = [line for line in lines if line]
    for i, line in enumerate(full):
        (folder / "in" / f"{i:03}.txt").write_text(line)
    one = gw.open_data(tmp_path / "a.txt", form="counts")
    other = gw.open_data(folder)
    for data in (one, other):
        assert len(data) == len(full)
        rows = data.examples(np.arange(len(data))).dense()
        at = data.codec.words.index("the")
        assert rows[:, at].tolist() == [2, 0, 3, 0, 0] * 9
    assert sorted(one.hashes) == sorted(other.hashes)
    few = gw.open_data(tmp_path / "a.txt", form="counts", counts={"largest": 2})
    assert few.codec.width == 2


def test_a_text_that_is_not_utf8_is_left_out(tmp_path: Path) -> None:
    for i in range(9):
        (tmp_path / f"{i}.txt").write_bytes(b"two words" if i else b"\xff\xfe\xfa")
    data = gw.open_data(tmp_path)
    assert [one.name for one in data.skipped] == ["0.txt"]
    with pytest.raises(DataError, match=r"1 can't be read; the first: 0.txt is not UTF-8"):
        gw.open_data(tmp_path, bad="refuse")


def changed(**parts: Any) -> dict[str, Any]:
    matrix = draw()
    arrays: dict[str, Any] = {
        "data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr,
        "shape": np.array(matrix.shape), "format": np.array(b"csr"),
    }  # fmt: skip
    return arrays | parts


DAMAGED = {
    "negative": (changed(data=-draw().data), "can't be negative"),
    "fractions": (changed(data=draw().data + 0.5), "counts are whole numbers"),
    "infinite": (changed(data=draw().data * np.inf), "it is not a number"),
    "words": (changed(data=draw().data.astype(str)), "counts are whole numbers"),
    "huge": (changed(data=draw().data.astype(np.int64) + 2**40), "is the largest count"),
    "zeros": (changed(data=draw().data * 0), "nothing but zeros"),
    "outside": (changed(indices=draw().indices + WORDS), "outside of the matrix"),
    "before": (changed(indices=draw().indices - WORDS), "outside of the matrix"),
    "rows": (changed(indptr=draw().indptr[::-1]), "don't begin where they should"),
    "short": (changed(data=draw().data[:-1]), "don't begin where they should"),
    "shape": (changed(shape=np.array([-1, 4])), "its shape"),
    "wide": (changed(shape=np.array([120, 2**30])), "columns; allowed are 2 to 65,536"),
    "format": (changed(format=np.array(b"bsr")), "format 'bsr'; allowed: csr, csc, coo"),
    "objects": (changed(data=np.array([{}] * 3, object)), "never loaded"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_bad_npz_is_one_line(tmp_path: Path, name: str) -> None:
    arrays, says = DAMAGED[name]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        gw.open_data(tmp_path / "a.npz")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_npz_is_one_line(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "a.npz", draw())
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[60:120] = bytes(60)
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(DataError) as caught:
        gw.open_data(tmp_path / "a.npz")
    assert "can't be read" in str(caught.value) or "can be read" in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("-3", "column 'w7' holds -3: counts can't be negative; data.form=table"),
        ("2.5", "column 'w7' holds 2.5: counts are whole numbers; data.form=table"),
        ("", "column 'w7', row 111 is missing; counts can't be missing"),
        ("many", "'many' is no count"),
    ],
)
def test_a_bad_csv_is_one_line(tmp_path: Path, cell: str, says: str) -> None:
    lines = frame(300).astype(str)
    lines.iloc[110 if not cell else 250, 7] = cell
    lines.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError) as caught:
        gw.open_data(tmp_path / "a.csv", form="counts")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("... --- ...\n!!\n", "contains no words"),
        ("one two\nthree four\n", "lower data.counts.min_docu"),
    ],
)
def test_a_text_without_words_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        gw.open_data(tmp_path / "a.txt", form="counts")


def test_inspect_shows_counts(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "a.npz", draw())
    found = gw.inspect_data(tmp_path / "a.npz")
    matrix = draw()
    assert found.zeros == pytest.approx(1 - matrix.nnz / np.prod(matrix.shape))
    assert found.largest == matrix.max()
    assert f"{WORDS} columns of" in str(found)
    assert found.to_json()["words"] == WORDS
