"""A run by the clock: its schedules follow the speed there is, and its recipe still repeats it."""

from __future__ import annotations

import tomllib
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ganwright as gw
from ganwright.base.options import override
from ganwright.train import RECIPES, Recipe, loop, plan
from ganwright.train.plan import at_speed, with_decay

PLAYERS = ("generator_optimiser", "discriminator_optimiser")
OFTEN = {
    **{f"{player}.decay_kimg": 0 for player in PLAYERS},
    "train.score_features": "off",
    "train.checkpoint_kimg": 0.048,
}


@pytest.fixture
def slow(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs on a machine that turns out half as fast as it was measured: a round takes two seconds."""
    monkeypatch.setattr(plan, "measure", lambda trainer: float(tiny.batch))
    seconds = count()  # the loop looks at the clock twice in a round
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    return tiny


def lengths(run: gw.Run) -> set[float]:
    """Of the rates' decays, in thousand examples."""
    recipe = tomllib.loads((run.path / "recipe.toml").read_text())
    return {recipe[player]["decay_kimg"] for player in PLAYERS}


def plans(run: gw.Run) -> list[float]:
    return [event["planned_kimg"] for event in run.log if event["event"] == "plan"]


def test_the_rate_falls_although_the_machine_slowed_down(slow: Any, tmp_path: Path) -> None:
    first = slow.run(tmp_path / "a", kimg=None, minutes=2, settings=OFTEN)
    assert first.log[0]["planned_kimg"] == 1.92
    assert lengths(first) == {plans(first)[-1]}
    assert plans(first)[-1] == pytest.approx(first.log[-1]["kimg"], rel=0.05)
    second = gw.train("digits", recipe=first.path / "recipe.toml", out=tmp_path / "b")
    assert slow.weights(first.path) == slow.weights(second.path)
    assert plans(second) == []


@pytest.mark.parametrize("kimg", [0.3, 0.8], ids=["before the rate falls", "while it falls"])
def test_stopped_and_gone_on_with_it_is_repeated_too(
    slow: Any, tmp_path: Path, kimg: float
) -> None:
    def stop(trainer: Any) -> None:
        if trainer.seen >= kimg * 1000:
            raise KeyboardInterrupt  # without a word: a power cut

    with pytest.raises(KeyboardInterrupt):
        slow.run(tmp_path / "a", kimg=None, minutes=2, settings=OFTEN, observer=slow.Watcher(stop))
    first = gw.train("digits", out=tmp_path / "a", resume=True)
    assert lengths(first) == {plans(first)[-1]}
    second = gw.train("digits", recipe=first.path / "recipe.toml", out=tmp_path / "b")
    assert slow.weights(first.path) == slow.weights(second.path)


def planned(**settings: Any) -> Recipe:
    recipe = override(RECIPES["relativistic"].make(), {"train.minutes": 1.0} | settings)
    return with_decay(recipe, 100.0)


def test_the_plan_stays_once_the_rate_falls() -> None:
    recipe = planned()
    found, kimg = at_speed(recipe, 100.0, seen=30_000, seconds=36.0)
    assert kimg == found.generator_optimiser.decay_kimg == 50
    assert found.generator_optimiser.rate_at(30_000) == recipe.generator_optimiser.rate_at(30_000)
    for seen, seconds in (
        (40_000, 48.0),
        (80_000, 24.0),
    ):  # it falls by the new plan; by the old one
        assert at_speed(recipe, 100.0, seen, seconds) == (recipe, 100)


@pytest.mark.parametrize(
    "recipe",
    [
        planned(**{"generator_optimiser.decay_last": 1.0}),
        planned(**{"discriminator_optimiser.final_beta2": 0.9}),
        planned(**{"game.gamma.final": 0.1}),
        planned(**{f"{player}.decay_kimg": 70.0 for player in PLAYERS}),
        planned(**{"train.minutes": None, "train.kimg": 100.0}),
    ],
    ids=["the rate from the start", "β2", "γ", "a length of its own", "not by the clock"],
)
def test_other_schedules_are_left_as_they_were_planned(recipe: Recipe) -> None:
    assert at_speed(recipe, 100.0, seen=30_000, seconds=36.0) == (recipe, 100)
