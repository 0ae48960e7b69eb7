"""Odd rows: found, explained, with p-values that hold what they promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.cli.app import run as command
from ganwright.model import Model

from .conftest import holes, mixed


def spoiled(rows: int = 60) -> pd.DataFrame:
    """Rows of which every second one has the x of another group."""
    frame = mixed(rows, seed=7)
    odd = np.arange(0, rows, 2)
    frame.loc[odd, "x"] = np.where(frame.loc[odd, "color"] == "red", 6.0, 0.0)
    return frame


def test_rows_that_contradict_themselves_are_found(model: Model) -> None:
    found = gw.detect(model, spoiled())
    odd = np.arange(60) % 2 == 0
    assert roc_auc_score(odd, found["score"]) > 0.9
    assert found.loc[odd, "columns"].str.contains("x").mean() > 0.7


def test_what_was_never_seen_is_as_odd_as_can_be(model: Model) -> None:
    frame = mixed(50, seed=8)
    frame.loc[3, "color"] = "ultraviolet"
    frame.loc[4, "x"] = 1e4
    found = gw.detect(model, frame)
    assert set(found.nlargest(2, "score").index) == {3, 4}
    assert found.loc[3, "columns"].startswith("color")
    assert found.loc[4, "columns"].startswith("x")


def test_a_score_depends_on_its_row_alone(model: Model, frame: pd.DataFrame) -> None:
    whole = gw.detect(model, frame)
    part = gw.detect(model, frame.iloc[5:9])
    assert (whole["score"].iloc[5:9] == part["score"]).all()
    assert part.index.tolist() == [5, 6, 7, 8]


def test_p_values_are_calibrated(model: Model) -> None:
    normal, fresh = holes(mixed(400, seed=11), seed=3), holes(mixed(400, seed=12), seed=4)
    p = gw.detect(model, fresh, normal=normal)["p_value"]
    assert p.min() >= 1 / 401
    for level in (0.05, 0.2, 0.5):
        assert abs((p <= level).mean() - level) < 0.09


def test_other_columns_are_refused(model: Model) -> None:
    with pytest.raises(DataError, match="no column 'color'"):
        gw.detect(model, pd.DataFrame({"a": [1.0, 2.0]}))


def test_the_verb(run: Any, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["detect", str(run.path), "mixed.csv", "--out", "odd.csv"]) == 0
    captured = capsys.readouterr()
    assert "held-out rows" in captured.out and captured.out.endswith("odd.csv\n")
    scores = pd.read_csv("odd.csv")
    assert len(scores) == len(pd.read_csv("mixed.csv"))
    assert list(scores) == ["row", "score", "p_value", "column_1", "column_2", "column_3"]
    assert command(["detect", str(run.path), "mixed.csv", "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["oddest"][0]["row"] == int(scores.loc[scores["score"].idxmax(), "row"])
    assert told["n"] == len(scores)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN", "other.csv"], "'other.csv': no column 'color'"),
        (["RUN", "mixed.csv", "--out", "a.xyz"], "has no known suffix for tables"),
        (["RUN", "mixed.csv", "--json", "."], "--json: '.' can't be written"),
        (["none", "mixed.csv"], "holds no model"),
    ],
)
def test_mistakes_are_one_line(
    run: Any, table: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    Path("other.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    code = command(["detect", *(str(run.path) if a == "RUN" else a for a in arguments)])
    error = capsys.readouterr().err.splitlines()
    assert code == 2 and said in error[-1]
