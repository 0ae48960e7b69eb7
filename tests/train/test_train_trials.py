"""What is settled by trial before a run by the clock: precision, and how often it is scored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import ganwright as gw
from ganwright.base.options import override
from ganwright.base.runs import RunFolder
from ganwright.train import RECIPES, begin, plan, prepare
from ganwright.train.plan import SCORE_SHARE, SCORES, Trials, with_scores
from ganwright.train.trainer import precision_on

RUN = sys.modules[prepare.__module__]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A CPU whose flag says bfloat16, with the speed of each precision."""

    def be(float32: float, bfloat16: float) -> None:
        def flagged(asked: Any, device: str) -> Any:
            return "bfloat16" if asked == "auto" else asked

        def measure(trainer: Any) -> float:
            return {"float32": float32, "bfloat16": bfloat16}[trainer.recipe.train.precision]

        monkeypatch.setattr(plan, "precision_on", flagged)
        monkeypatch.setattr(plan, "measure", measure)

    return be


@pytest.mark.parametrize(
    ("float32", "bfloat16", "taken"),
    [(100.0, 190.0, "bfloat16"), (100.0, 7.0, "float32"), (100.0, 97.0, "bfloat16")],
    ids=["in hardware", "emulated", "within chance"],
)
def test_the_clock_takes_the_faster_precision(
    machine: Any, float32: float, bfloat16: float, taken: str
) -> None:
    machine(float32, bfloat16)
    found = prepare("digits", recipe="mlp-small", minutes=1).plan
    assert found.recipe.train.precision == taken
    assert found.images_per_s == {"float32": float32, "bfloat16": bfloat16}[taken]


def test_without_a_clock_the_hardware_decides(machine: Any) -> None:
    machine(100.0, 1.0)
    found = prepare("digits", recipe="mlp-small", kimg=1).plan
    assert found.recipe.train.precision == "bfloat16"


def test_a_precision_that_was_asked_for_stays(machine: Any) -> None:
    machine(1.0, 100.0)
    asked = {"train.precision": "float32"}
    found = prepare("digits", recipe="mlp-small", minutes=1, settings=asked).plan
    assert found.recipe.train.precision == "float32"


def test_emulated_bfloat16_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(plan, "precision_on", lambda asked, device: "float32")
    monkeypatch.setattr(
        plan, "measure", lambda trainer: tried.append(trainer.recipe.train.precision) or 1.0
    )
    recipe = RECIPES["mlp-small"].make()
    Trials(gw.open_data("digits"), "cpu").speeds(recipe)
    assert set(tried) == {"float32"}
    assert precision_on("float32", "cpu") == "float32"


# --- scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0.4, 1.0, 10.0, 600.0])
@pytest.mark.parametrize("score_s", [0.001, 0.45, 5.0, 60.0])
def test_scores_take_a_tenth_of_the_time_at_most(minutes: float, score_s: float) -> None:
    recipe = override(RECIPES["relativistic"].make(), {"train.minutes": minutes})
    speed = 2670.0
    kimg = speed * 60 * minutes / 1000
    every = with_scores(recipe, kimg, speed, score_s).train.score_kimg
    assert every is not None
    times = int(kimg / every)  # one at the end is made in any case
    assert times * score_s <= SCORE_SHARE * 60 * minutes or times == 1
    if score_s * SCORES < SCORE_SHARE * 60 * minutes:  # cheap ones are as frequent as ever
        assert times >= SCORES - 1


def test_an_interval_that_was_asked_for_stays() -> None:
    recipe = override(RECIPES["relativistic"].make(), {"train.score_kimg": 0.128})
    assert with_scores(recipe, 100.0, 10.0, 100.0) == recipe


class Counting:
    """A scorer that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, model: gw.Model) -> dict[str, float]:
        self.calls += 1
        return {"fid": 1.0, "fid_error": 0.0}

    def selects(self, found: dict[str, float]) -> tuple[float, float]:
        return found["fid"], 0.0


@pytest.mark.parametrize(("score_s", "most"), [(0.0, 21), (6.0, 2)], ids=["quick", "slow"])
def test_a_slow_scorer_is_called_less_often(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score_s: float, most: int
) -> None:
    monkeypatch.setattr(plan, "measure", lambda trainer: 10.0)
    monkeypatch.setattr(RUN, "_cost", lambda scorer, trainer: score_s)
    settings = tiny.every | tiny.small["relativistic"] | {"train.snapshot_kimg": 9}
    # A minute, at that speed.
    prepared = prepare("digits", recipe="relativistic", minutes=1, kimg=0.6, settings=settings)
    scorer = Counting()
    run = begin(prepared, RunFolder(tmp_path / "run"), scoring=lambda data, features: scorer)
    assert scorer.calls == sum(event["event"] == "score" for event in run.log) <= most
    assert score_s or scorer.calls > most - 5
    assert "score_kimg" in (run.path / "recipe.toml").read_text()


def test_the_cost_of_a_score_is_measured_on_one() -> None:
    trial = Trials(gw.open_data("digits"), "cpu").of(RECIPES["mlp-small"].make())
    scorer = Counting()
    assert RUN._cost(scorer, trial.trainer) > 0 and scorer.calls == 1
