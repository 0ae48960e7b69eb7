"""γ of R1 and R2: its schedule, and the controller that keeps the discriminator where it was aimed."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.base.options import override
from ganwright.game import Gamma, GammaOptions
from ganwright.train import RECIPES
from ganwright.train.plan import with_decay
from ganwright.train.trainer import Trainer


def test_steepness_is_the_squared_gradient_times_the_numbers_of_an_example() -> None:
    gamma = Gamma(GammaOptions(), size=12)
    assert float(gamma.steepness(torch.tensor([1.0, 3.0]))) == pytest.approx(24)


def test_it_falls_geometrically_to_its_share() -> None:
    gamma = Gamma(GammaOptions(final=0.01, decay_kimg=10))
    shares = [float(gamma.scale(seen)) for seen in (0, 5000, 10_000, 20_000)]
    assert shares == pytest.approx([1, 0.1, 0.01, 0.01])


def test_a_fall_whose_length_is_not_known_yet_has_not_begun() -> None:
    assert Gamma(GammaOptions(final=0.01)).scale(5000) == 1


def test_without_a_word_it_stays() -> None:
    gamma = Gamma(GammaOptions())
    gamma.follow(torch.tensor(1.0), 64)
    assert gamma.scale(10**6) == 1


def test_a_schedule_lasts_as_long_as_the_run() -> None:
    recipe = override(RECIPES["relativistic"].make(), {"game.gamma.final": 0.1})
    assert with_decay(recipe, 123.0).game.gamma.decay_kimg == 123.0


@pytest.mark.parametrize("size", [64, 2000, 196_608])
def test_it_begins_by_the_size_of_an_example(size: int) -> None:
    assert float(Gamma(GammaOptions(auto=True), size).scale(0)) == pytest.approx(size / 2000)


@pytest.mark.parametrize(("times", "sign"), [(3.0, 1), (1 / 3, -1)], ids=["too steep", "too flat"])
def test_it_moves_against_the_error(times: float, sign: int) -> None:
    gamma = Gamma(GammaOptions(auto=True, steepness=100.0, speed=0.5), size=2000)
    gamma.follow(torch.tensor(100.0 * times), 500)
    expected = sign * 0.5 * 0.5 * math.log(3)
    assert math.log(float(gamma.scale(0))) == pytest.approx(expected, rel=1e-5)


def test_it_does_not_run_away() -> None:
    gamma = Gamma(GammaOptions(auto=True), size=2000)
    for _ in range(2000):
        gamma.follow(torch.tensor(math.inf), 100)
    assert float(gamma.scale(0)) == pytest.approx(30, rel=1e-4)


def test_portions_move_it_once_by_their_mean() -> None:
    """With and without portions γ ends alike, to rounding."""
    data = gw.open_data("digits")
    asked = {"game.gamma.auto": True, "train.batch": 16, "train.precision": "float32"}
    asked |= {"generator.width": 4, "discriminator.width": 4}
    found = []
    for size in (None, 8):
        recipe = override(RECIPES["relativistic"].make(), asked | {"train.microbatch": size})
        trainer = Trainer(recipe, data, "cpu")
        for _ in range(4):
            trainer.round()
        found.append(float(trainer.game.gamma.log))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_on_digits_the_discriminator_comes_to_be_as_steep_as_it_should() -> None:
    recipe = override(
        RECIPES["relativistic"].make(),
        {
            "game.gamma.auto": True,
            "game.gamma.speed": 1.0,
            "game.gamma.steepness": 200.0,
            "generator.width": 16,
            "discriminator.width": 16,
        },
    )
    trainer = Trainer(recipe, gw.open_data("digits"), "cpu")
    found = [float(trainer.round().steepness) for _ in range(400)]
    assert math.log(np.mean(found[250:]) / 200) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("setting", [{"auto": True}, {"final": 0.1}], ids=["auto", "final"])
def test_it_needs_something_to_govern(setting: dict[str, Any]) -> None:
    recipe = RECIPES["dcgan"].make()
    recipe = replace(recipe, game=replace(recipe.game, gamma=GammaOptions(**setting)))
    with pytest.raises(OptionError, match=r"game\.gamma: scales"):
        Trainer(recipe, gw.open_data("digits"), "cpu")


def test_it_goes_by_one_rule() -> None:
    recipe = RECIPES["relativistic"].make()
    recipe = replace(recipe, game=replace(recipe.game, gamma=GammaOptions(auto=True, final=0.1)))
    with pytest.raises(OptionError, match=r"game\.gamma\.final"):
        Trainer(recipe, gw.open_data("digits"), "cpu")


def test_a_resumed_run_has_the_same_gamma(tiny: Any, tmp_path: Any) -> None:
    settings = {"game.gamma.auto": True, "game.gamma.speed": 20.0}

    def stop(trainer: Trainer) -> None:
        if trainer.seen == 96:
            signal.raise_signal(signal.SIGINT)

    whole = tiny.run(tmp_path / "whole", settings=settings)
    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "part", settings=settings, observer=tiny.Watcher(stop))
    part = gw.train("digits", out=tmp_path / "part", resume=True)
    assert tiny.weights(whole.path) == tiny.weights(part.path)
    reported = [e["gamma"] for e in whole.log if e["event"] == "report"]
    assert len(set(reported)) > 1
