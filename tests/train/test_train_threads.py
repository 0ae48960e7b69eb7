"""How many threads a run computes on, and that it says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ganwright as gw
from ganwright.base.threads import on_threads
from ganwright.train import plan
from ganwright.train.recipes import RECIPES, Recipe, TrainOptions


def recipe(**budget: Any) -> Recipe:
    return replace(RECIPES["mlp-small"].make(), train=TrainOptions(**budget))


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), on_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
    with on_threads(None):
        assert torch.get_num_threads() == before


def test_the_clock_tries_and_takes_the_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(plan, "measure", lambda trainer: 100.0 / torch.get_num_threads())
    data = gw.open_data("digits")
    with on_threads(3):
        assert plan.with_threads(recipe(minutes=1.0), plan.Trials(data, "cpu")).train.threads == 1
    monkeypatch.setattr(plan, "measure", lambda trainer: 100.0 * torch.get_num_threads())
    with on_threads(3):
        assert plan.with_threads(recipe(minutes=1.0), plan.Trials(data, "cpu")).train.threads == 3


@pytest.mark.parametrize(
    ("budget", "set_by_hand"), [({"kimg": 1.0}, False), ({"minutes": 1.0}, True)]
)
def test_nothing_is_tried_where_the_result_must_repeat(
    monkeypatch: pytest.MonkeyPatch, budget: dict[str, float], set_by_hand: bool
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if set_by_hand:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(plan, "measure", lambda trainer: pytest.fail("measured"))
    with on_threads(2):
        found = plan.with_threads(recipe(**budget), plan.Trials(gw.open_data("digits"), "cpu"))
    assert found.train.threads == 2


def test_the_run_says_it_and_keeps_to_it(tiny: Any, tmp_path: Path) -> None:
    asked: list[int] = []
    watcher = tiny.Watcher(lambda trainer: asked.append(torch.get_num_threads()))
    run = tiny.run(tmp_path / "run", observer=watcher, settings={"train.threads": 2})
    assert set(asked) == {2}
    assert run.log[0]["threads"] == 2
    assert "threads = 2" in (run.path / "recipe.toml").read_text()
