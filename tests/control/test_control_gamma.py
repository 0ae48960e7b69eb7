"""γ of R1 and R2: its schedule, and the controller that keeps the discriminator where it was aimed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.base.options import override
from ganwright.game import Gamma, GammaOptions
from ganwright.game.control import telling
from ganwright.train import RECIPES
from ganwright.train.plan import with_decay
from ganwright.train.trainer import Trainer


def test_telling_is_the_loss_of_pairs_as_a_share_of_guessing() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=50), rng.normal(size=50)
    expected = np.mean(np.log1p(np.exp(fake - real))) / math.log(2)
    found = telling(torch.from_numpy(real), torch.from_numpy(fake))
    assert float(found) == pytest.approx(expected)
    assert float(telling(torch.zeros(3), torch.zeros(3))) == pytest.approx(1)


def test_it_falls_geometrically_to_its_share() -> None:
    gamma = Gamma(GammaOptions(final=0.01, decay_kimg=10))
    shares = [float(gamma.scale(seen, torch.ones(()))) for seen in (0, 5000, 10_000, 20_000)]
    assert shares == pytest.approx([1, 0.1, 0.01, 0.01])


def test_without_a_word_it_stays() -> None:
    gamma = Gamma(GammaOptions())
    gamma.follow(torch.tensor(0.1), 64)
    assert gamma.scale(10**6, torch.ones(())) == 1


def test_a_schedule_lasts_as_long_as_the_run() -> None:
    recipe = override(RECIPES["relativistic"].make(), {"game.gamma.final": 0.1})
    assert with_decay(recipe, 123.0).game.gamma.decay_kimg == 123.0


def test_it_begins_where_the_penalty_weighs_what_the_loss_does() -> None:
    gamma = Gamma(GammaOptions(auto=True))
    assert float(gamma.scale(0, torch.tensor(4.0))) * 4.0 == pytest.approx(math.log(2))
    assert float(gamma.scale(64, torch.tensor(9.0))) * 4.0 == pytest.approx(math.log(2)), (
        "once only"
    )


@pytest.mark.parametrize(("told", "sign"), [(0.9, -1), (0.1, 1)], ids=["too weak", "too sure"])
def test_it_moves_toward_the_aim(told: float, sign: int) -> None:
    gamma = Gamma(GammaOptions(auto=True, target=0.5, speed=3.0))
    before = float(gamma.scale(0, torch.ones(())))
    gamma.follow(torch.tensor(told), 500)
    after = float(gamma.scale(0, torch.ones(())))
    assert math.log(after / before) == pytest.approx(sign * 3.0 * 0.4 * 0.5, rel=1e-5)


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
    # The first portion alone sets where γ begins: with other examples, a little elsewhere.
    assert found[0] == pytest.approx(found[1], abs=0.5)


def test_on_digits_the_discriminator_comes_to_where_it_was_aimed() -> None:
    recipe = override(
        RECIPES["relativistic"].make(),
        {
            "game.gamma.auto": True,
            "game.gamma.target": 0.75,
            "game.gamma.speed": 10.0,
            "game.penalty.r1": 100.0,  # by itself far too much
            "game.penalty.r2": 100.0,
            "generator.width": 16,
            "discriminator.width": 16,
            "generator_optimiser.rate": 2e-4,  # so that the discriminator could be surer
        },
    )
    trainer = Trainer(recipe, gw.open_data("digits"), "cpu")
    told = [float(trainer.round().telling) for _ in range(400)]
    assert np.mean(told[250:]) == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("setting", [{"auto": True}, {"final": 0.1}], ids=["auto", "final"])
def test_it_needs_something_to_govern(setting: dict[str, Any]) -> None:
    recipe = RECIPES["dcgan"].make()
    recipe = replace(recipe, game=replace(recipe.game, gamma=GammaOptions(**setting)))
    with pytest.raises(OptionError, match=r"game\.gamma: governs"):
        Trainer(recipe, gw.open_data("digits"), "cpu")


def test_a_resumed_run_has_the_same_gamma(tiny: Any, tmp_path: Any) -> None:
    settings = {"game.gamma.auto": True, "game.gamma.speed": 20.0}
    whole = tiny.run(tmp_path / "whole", settings=settings)
    part = tiny.run(tmp_path / "part", kimg=0.1, settings=settings)
    gw.train("digits", out=part.path, resume=True, kimg=0.2)
    assert tiny.weights(whole.path) == tiny.weights(part.path)
    reported = [e["gamma"] for e in whole.log if e["event"] == "report"]
    assert len(set(reported)) > 1
