"""Filling: only holes change, sensibly, in the user's own kind of table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ganwright as gw
from ganwright.base.errors import DataError, OptionError
from ganwright.base.options import build
from ganwright.cli.app import run as command
from ganwright.data import DataOptions
from ganwright.modalities.tables.cells import rewrite
from ganwright.modalities.tables.dataset import frame_dataset
from ganwright.modalities.tables.given import codec_of, rows_of
from ganwright.model import Model
from ganwright.train import RECIPES
from ganwright.train.in_memory import train_in_memory
from ganwright.uses.fill import find

from .conftest import QUICK, mixed


def same_where_known(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    known = before.notna()
    return bool(((before == after) | ~known).all().all()) and list(before) == list(after)


def test_only_holes_change_and_none_is_left(model: Model, frame: pd.DataFrame) -> None:
    whole = gw.fill(model, frame)
    assert same_where_known(frame, whole)
    assert not whole.isna().any().any()
    assert dict(whole.dtypes) == dict(frame.dtypes)
    assert whole.index.equals(frame.index)


def test_a_guess_depends_on_its_row_alone(model: Model, frame: pd.DataFrame) -> None:
    table = rows_of(codec_of(model, "fill"), frame)

    def guesses(rows: np.ndarray) -> dict[tuple[str, int], object]:
        found = find(model, table.take(rows), exact=True)
        return {
            (name, int(rows[at])): value
            for name, where in found.rows.items()
            for at, value in zip(where, found.draws[0][name].to_pylist(), strict=True)
        }

    whole, order = guesses(np.arange(len(frame))), np.random.default_rng(0).permutation(len(frame))
    for size in (1, 7, len(frame)):  # alone, in sevens, shuffled; the same to the last bit
        for start in range(0, len(frame), size)[:40]:
            part = guesses(order[start : start + size])
            assert part == {key: whole[key] for key in part}


def test_values_follow_from_the_rest_of_the_row(model: Model, frame: pd.DataFrame) -> None:
    truth, whole = mixed(), gw.fill(model, frame)
    hidden = frame["x"].isna()
    error = (whole["x"] - truth["x"])[hidden].abs().mean()
    assert error < 0.5 * (truth["x"] - frame["x"].mean())[hidden].abs().mean()
    hidden = frame["color"].isna()
    assert (whole["color"] == truth["color"])[hidden].mean() > 0.8


def test_values_have_the_digits_of_their_column(model: Model, frame: pd.DataFrame) -> None:
    whole = gw.fill(model, frame)
    assert np.allclose(whole["x"], whole["x"].round(2), atol=1e-12)
    assert (whole["count"] % 1 == 0).all()


def test_polars_and_arrow_come_back_as_they_came(model: Model, frame: pd.DataFrame) -> None:
    polars = gw.fill(model, pl.from_pandas(frame))
    assert isinstance(polars, pl.DataFrame)
    assert polars.schema == pl.from_pandas(frame).schema
    arrow = gw.fill(model, pa.Table.from_pandas(frame, preserve_index=False))
    assert isinstance(arrow, pa.Table)
    expected = gw.fill(model, frame)
    assert polars["x"].to_list() == arrow["x"].to_pylist() == expected["x"].tolist()
    assert not any(polars.null_count().row(0)) and not any(c.null_count for c in arrow.columns)


def test_draws_differ_in_holes_only_and_repeat(model: Model, frame: pd.DataFrame) -> None:
    first, second = gw.fill(model, frame, draws=2)
    assert same_where_known(frame, first) and same_where_known(frame, second)
    assert not first.equals(second)
    again = gw.fill(model, frame, draws=2)
    assert again[0].equals(first) and again[1].equals(second)
    assert not gw.fill(model, frame, draws=1, seed=5)[0].equals(first)


def test_what_was_never_seen_is_taken_as_unknown(model: Model, frame: pd.DataFrame) -> None:
    odd = frame.head(20).copy()
    odd.loc[0, "color"] = "ultraviolet"
    odd.loc[1, "x"] = 1e9
    whole = gw.fill(model, odd)
    assert whole.loc[0, "color"] == "ultraviolet" and whole.loc[1, "x"] == 1e9
    assert not whole.isna().any().any()


def test_a_table_can_be_learned_from_itself(frame: pd.DataFrame) -> None:
    whole = gw.fill(frame.head(60))
    assert same_where_known(frame.head(60), whole) and not whole.isna().any().any()


def test_two_rows_are_enough() -> None:
    whole = gw.fill(pd.DataFrame({"a": [1.0, None], "b": ["u", "v"]}))
    assert whole["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"how": "median"}, "how: can't be 'median'; allowed: mean, draw"),
        ({"draws": 0}, "draws: must lie between 1 and 1000; got 0"),
        ({"draws": 2, "how": "mean"}, "of means there is one"),
    ],
)
def test_impossible_wishes(
    model: Model, frame: pd.DataFrame, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        gw.fill(model, frame, **options)


def test_other_columns_are_refused(model: Model, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"no column 'color'.*Did you mean 'colour'"):
        gw.fill(model, frame.rename(columns={"color": "colour"}))
    with pytest.raises(DataError, match="can't be a list"):
        gw.fill(model, [1, 2])


def test_pictures_have_nothing_to_fill(tmp_path: Path) -> None:
    settings = {"generator.width": 4, "discriminator.width": 4, "train.score_features": "off"}
    assert "relativistic" in RECIPES
    run = gw.train(
        "digits", recipe="relativistic", out=tmp_path / "run", kimg=0.1, settings=settings
    )
    with pytest.raises(OptionError, match="fill: needs a model of a table"):
        gw.fill(run, pd.DataFrame({"a": [1.0]}))


# --- files ---------------------------------------------------------------------------------------

ODD = (
    'id;color;"x ""y""";note\r\n'
    '0;red; 1.50;"a;b"\r\n'
    "1;;  ;'q'\r\n"
    "\r\n"
    '2;"green;1";NA;"two\nlines"\r\n'
    "3;red;2.25;"
)


def test_every_other_byte_of_a_file_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "t.csv", tmp_path / "out.csv"
    source.write_bytes(ODD.encode())
    rows = {"color": np.array([1]), 'x "y"': np.array([1, 2])}
    values = {"color": pa.array(["green;1"]), 'x "y"': pa.array([3.0, 0.25])}
    rewrite(source, target, rows, values)
    expected = ODD.replace("1;;  ;", '1;"green;1";3;').replace('";NA;', '";0.25;')
    assert target.read_bytes().decode() == expected


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet", ".tsv"])
def test_other_forms_of_files(
    model: Model, frame: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    source, target = tmp_path / f"t{suffix}", tmp_path / f"filled{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(source)
    else:
        frame.to_csv(source, index=False, sep="\t" if suffix == ".tsv" else ",")
    model.save(tmp_path / "model")
    code = command(["fill", str(tmp_path / "model"), str(source), "--out", str(target)])
    assert code == 0
    if suffix == ".parquet":
        whole = pd.read_parquet(target)
        assert dict(whole.dtypes) == dict(frame.dtypes)
    else:
        whole = pd.read_csv(target, sep="\t" if suffix == ".tsv" else ",")
        before, after = pd.read_csv(source, sep="\t" if suffix == ".tsv" else ","), whole
        assert same_where_known(before, after)
    assert not whole.isna().any().any()


def test_the_verb_learns_from_the_table_itself(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["fill", "mixed.csv", "--minutes", "0.02"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "mixed-filled.csv\n"
    assert "cells in 5 columns filled" in captured.err
    before, after = pd.read_csv("mixed.csv"), pd.read_csv("mixed-filled.csv")
    assert same_where_known(before, after) and not after.isna().any().any()
    assert command(["fill", "mixed-filled.csv", "--minutes", "0.02", "--out", "again.csv"]) == 0
    assert Path("again.csv").read_bytes() == Path("mixed-filled.csv").read_bytes()
    assert "nothing to fill" in capsys.readouterr().err


def test_the_verb_with_a_run(run: Any, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["fill", str(run.path), "mixed.csv", "--draws", "2", "--out", "d.csv"]) == 0
    assert capsys.readouterr().out == "d-1.csv\nd-2.csv\n"
    assert Path("d-1.csv").read_bytes() != Path("d-2.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN"], "is a folder: give the table to fill as well"),
        (["RUN", "none.csv"], "no file 'none.csv'"),
        (["mixed.csv", "--out", "mixed.csv"], "--out: 'mixed.csv' is the table itself"),
        (["mixed.csv", "--out", "filled.parquet"], "text into text only"),
        (["mixed.csv", "--out", "filled.png"], "'filled.png' is not the name of a table"),
        (["RUN", "mixed.csv", "--draws", "0"], "draws: must lie between 1 and 1000"),
        (["RUN", "mixed.csv", "--minutes", "1"], "only for training without a run"),
        (["none.csv"], "none.csv"),
        (["RUN", "other.csv"], "'other.csv': no column 'color'"),
    ],
)
def test_mistakes_are_one_line(
    run: Any,
    table: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    Path("other.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    before = sorted(Path().iterdir())
    code = command(["fill", *(str(run.path) if a == "RUN" else a for a in arguments)])
    error = capsys.readouterr().err.splitlines()
    assert code == 2 and error[-1].startswith("ganwright: error: ")
    assert said in error[-1]
    assert sorted(Path().iterdir()) == before


@pytest.fixture(scope="module")
def endless() -> tuple[Model, pd.DataFrame]:
    """A table with infinite numbers among the others, and a model of it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(5, 1, 300).round(2), "w": rng.choice(["a", "b"], 300)})
    frame.loc[:29, "x"] = np.inf
    frame.loc[30:34, "x"] = -np.inf
    frame.loc[40:59, "x"] = np.nan
    return _quick(frame), frame


def _quick(frame: pd.DataFrame) -> Model:
    data = frame_dataset(frame, build(DataOptions, {"holdout": 0.0}), whole=True)
    settings = {"generator.width": 64, "discriminator.width": 32}
    return train_in_memory(data, passes=60, settings=settings)


def test_infinite_numbers_are_values_and_stay(endless: tuple[Model, pd.DataFrame]) -> None:
    model, frame = endless
    done = gw.fill(model, frame)
    known = frame["x"].notna()
    assert done["x"][known].equals(frame["x"][known])
    assert np.isfinite(done["x"][~known]).all()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert gw.fill(model, table)["x"].to_pylist()[:35] == frame["x"][:35].tolist()


def test_samples_have_infinite_numbers_as_often_as_the_data(
    endless: tuple[Model, pd.DataFrame],
) -> None:
    x = endless[0].sample(2000)["x"]
    assert abs(np.isposinf(x).mean() - 0.1) < 0.05 and np.isneginf(x).mean() < 0.06


def test_an_infinite_number_is_as_odd_as_a_huge_one() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(5, 1, 300).round(2), "w": rng.choice(["a", "b"], 300)})
    odd = pd.DataFrame({"x": [5.0, 1e6, np.inf, -np.inf, 1e200], "w": ["a"] * 5})
    found = gw.detect(_quick(frame), odd)
    assert (found["p_value"][2:4] <= found["p_value"][1]).all()
    assert (found["score"][2:4] >= found["score"][1]).all() and found["p_value"][0] > 0.05


def test_a_fraction_or_text_that_is_new_refuses_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i % 50},,{i % 7}.25,same\n" for i in range(100))
    Path("known.csv").write_text("n,empty,x,k\n" + rows)
    settings = QUICK | {"train.score_features": "off"}
    gw.train("known.csv", out="run", kimg=1, settings=settings, progress=False)
    Path("new.csv").write_text("n,empty,x,k\n1.5,text,2.25,same\n3,,,\n")
    assert command(["fill", "run", "new.csv", "--out", "full.csv"]) == 0
    full = Path("full.csv").read_text().splitlines()
    assert full[1] == "1.5,text,2.25,same"
    assert full[2].startswith("3,,") and full[2].endswith(",same") and full[2].split(",")[2]
    assert "'empty' was missing in every training row: left as it is" in capsys.readouterr().err
