"""What 0.3.0 wrote is still read: runs, models, cards and recipes of each kind of data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ganwright as gw
from ganwright.base.options import override
from ganwright.cli.app import run as command
from ganwright.evaluate.card import Card
from ganwright.train import Run, prepare
from ganwright.train.run import named

HERE = Path(__file__).parent / "v030"
KINDS = ("digits", "table", "counts")


@pytest.mark.parametrize("kind", KINDS)
def test_runs_models_cards_and_recipes_load(kind: str) -> None:
    run = Run(HERE / kind)
    assert run.log[0]["ganwright"] == "0.3.0" and run.log[-1]["event"] == "done"
    assert len(Card.load(HERE / kind / "card.json").measures) > 5
    assert named(HERE / kind / "recipe.toml").train.batch == 16
    made = run.model.sample(3, seed=0)
    assert made.shape[0] == 3 and repr(run).startswith("Run(")


def test_samples_are_those_of_then() -> None:
    with np.load(HERE / "digits-samples.npz") as file:
        then = file["samples"]
    now = gw.load(HERE / "digits").sample(len(then), seed=0)
    # Processors round differently; a model's meaning does not change.
    assert np.abs(now.astype(int) - then.astype(int)).max() <= 1


def test_rows_have_their_columns_and_take_conditions() -> None:
    made = gw.load(HERE / "table").sample(50, where="sex=f, age=30..50")
    assert isinstance(made, pd.DataFrame)
    assert list(made.columns) == ["id", "age", "sex", "pay", "day"]
    assert set(made["sex"]) == {"f"} and made["age"].between(30, 50).all()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d.*", str(day)) for day in made["day"])


def test_a_recipe_of_then_resolves_for_data_of_now() -> None:
    prepared = prepare("digits", recipe=HERE / "digits" / "recipe.toml", device="cpu")
    assert prepared.plan.recipe.name == "mlp-small"


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_of_a_run_of_then(kind: str, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(HERE / kind, tmp_path / "run")
    assert command(["report", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_options_that_have_moved_are_read_where_they_were(tmp_path: Path) -> None:
    old = (HERE / "digits" / "recipe.toml").read_text()
    changed = old.replace('mode = "off"', 'mode = "fixed"').replace(
        "operations = []", 'operations = ["flip", "shift"]'
    )
    assert changed != old
    (tmp_path / "recipe.toml").write_text(changed)
    augment = named(tmp_path / "recipe.toml").game.augment
    assert augment.mode == "fixed" and augment.image.operations == ("flip", "shift")
    again = override(augment, {"operations": "colour", "image.colour_share": 1.0})
    assert again.image.operations == ("colour",) and again.image.colour_share == 1
