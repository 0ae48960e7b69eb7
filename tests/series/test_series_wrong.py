"""Bad series: one clear line, exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.cli.app import run

from .conftest import load

Change = Callable[[pd.DataFrame], pd.DataFrame]


def _put(column: str, row: int, value: object) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


WRONG: dict[str, tuple[Change, str]] = {
    "backwards": (
        lambda f: f[::-1],
        "column 'hour' runs backwards, from 2026-01-17 15:00 in row 1 to 2026-01-17 14:00 in row 2: sort",
    ),
    "twice": (
        _put("hour", 7, "2026-01-01 06:00"),
        "column 'hour' has 2026-01-01 06:00 twice, in rows 7 and 8; data.series.id=COLUMN tells several",
    ),
    "one row": (lambda f: f[:1], "has 1 row; a series needs at least 2"),
    "short": (lambda f: f[:10], "the series has 10 steps, a window 12; data.series.length=2 makes"),
    "too few": (lambda f: f[:13], "no window of 12 steps is left to train on, of 13 steps with 20%"),
    "text": (
        _put("load", 4, "broken"),
        "column 'load' has text, 'broken' in row 5; channels are numbers. data.series.leave_out=load",
    ),
    "constant": (
        lambda f: f.assign(load=1.5, spare=2, count=3),
        "no column of numbers changes over time, so there is nothing to learn",
    ),
    "zones": (
        lambda f: f.assign(hour=[t + ("+01:00" if i < 5 else "+02:00") for i, t in enumerate(f.hour)]),
        "column 'hour' mixes time zones (+01:00 in row 1, +02:00 in row 6); write all times in one",
    ),
    "no time": (_put("hour", 9, None), "column 'hour' has no time in row 10"),
    "no date": (_put("hour", 9, "soon"), "column 'hour' can't be read as times: 'soon' in row 10"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("verb", ["inspect", "train"])
def test_one_line(
    case: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    change, told = WRONG[case]
    change(load()).to_csv("a.csv", index=False)
    words = [verb, "a.csv", "--set", "data.series.time=hour", "--set", "data.series.length=12"]
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and told in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_constant_channel_is_kept_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load().assign(spare=2.5).to_csv(tmp_path / "a.csv", index=False)
    assert run(["inspect", str(tmp_path / "a.csv"), "--set", "data.form=series"]) == 0
    said = capsys.readouterr().out
    assert "'spare' is constant: kept as it is" in said and "'site' is constant" in said


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((5, 4)), "series are numbers of shape"),
        (np.zeros((5, 1, 2)), "of 1 step are too short"),
    ],
)
def test_arrays_of_another_shape(
    array: np.ndarray, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", array)
    assert run(["inspect", str(tmp_path / "a.npy"), "--set", "data.form=series"]) == 2
    assert told in capsys.readouterr().err


def test_what_a_model_can_t_go_on_from(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load()[["hour", "spare"]].to_csv(tmp_path / "a.csv", index=False)
    for words, told in (
        (["--given", str(tmp_path / "a.csv")], "no column 'load'"),
        (["--given", str(tmp_path / "none.csv")], "no file or folder"),
        (["--given", str(runs / "load.csv"), "--label", "up"], "goes with neither --label"),
        (
            ["--given", str(runs / "load.csv"), "--out", str(tmp_path / "a.npz")],
            "futures are tables",
        ),
    ):
        assert run(["sample", str(runs / "load"), "-n", "2", *words]) == 2
        assert told in capsys.readouterr().err
    assert run(["augment", str(runs / "load"), str(runs / "load.csv"), "-n", "3"]) == 2
    assert "trained on a single series" in capsys.readouterr().err


def test_what_is_in_memory_is_not_named_by_its_place_in_the_cache() -> None:
    with pytest.raises(DataError, match="the table: column 'hour' has"):
        gw.open_data(pd.concat([load()[:1], load()]), form="series")
    with pytest.raises(DataError, match="the array: the series has"):
        gw.open_data(
            np.zeros((1, 10, 1)) + np.arange(10)[:, None], form="series", series={"length": 12}
        )
