"""Captured rounds are the rounds that were captured: rehearsed on the CPU, call by call."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ganwright as gw
from ganwright.modalities.images.recipes import RECIPES

NARROW = {"generator.width": 4, "discriminator.width": 4}
DENSE = {"generator.widths": [16, 16], "discriminator.widths": [16, 16]}
FALLING = {
    f"{player}_optimiser.{name}": value
    for player in ("generator", "discriminator")
    for name, value in (("final_rate", 1e-5), ("decay_kimg", 0.1))
}
# Small nets for every recipe of pictures.
R3GAN: dict[str, Any] = {"generator.widths": [16], "discriminator.widths": [16]} | {
    f"{player}_optimiser.decay_kimg": 0.2 for player in ("generator", "discriminator")
}
SMALL: dict[str, dict[str, Any]] = {
    name: R3GAN if name.startswith("r3gan") else DENSE if "mlp" in name else NARROW
    for name in RECIPES
} | {
    "dense-conv": {"generator.widths": [16], "generator.width": 4, "discriminator.widths": [16, 16]}
}
# What a round can do besides.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rates that fall": ("relativistic", FALLING),
    "an automatic γ": ("relativistic", {"game.gamma.auto": True, "game.gamma.speed": 5.0}),
    "a γ that falls": ("relativistic", {"game.gamma.final": 0.1, "game.gamma.decay_kimg": 0.1}),
    "noise that ends": ("dcgan", {"game.instance_noise": 0.3, "game.instance_noise_kimg": 0.06}),
    "LeCam from 40 on": (
        "relativistic", {"game.remedies.lecam": 0.3, "game.remedies.lecam_after_kimg": 0.04}
    ),
    "consistency": ("relativistic", {"game.remedies.consistency": 1.0}),
    "the best half": ("relativistic", {"game.remedies.top_k": 0.5, "game.remedies.top_k_kimg": 0.06}),
    "an adaptive p": ("relativistic", {"game.augment.mode": "adaptive", "game.augment.speed_kimg": 0.3}),
    "a scheduled p": ("relativistic", {"game.augment.mode": "scheduled", "game.augment.p_kimg": 0.1}),
    "every operation": (
        "relativistic",
        {
            "game.augment.mode": "fixed",
            "game.augment.image.operations": "flip,rotate90,shift,scale,rotate,stretch,fractional,colour,"
            "luma-flip,cutout",
        },
    ),
    "diffaug": ("dcgan", {"game.augment.mode": "diffaug"}),
    "microbatches": ("relativistic", {"train.microbatch": 4}),
    "clipped gradients": ("relativistic", {"game.clip_gradient": 0.5}),
    "three steps of D": ("relativistic", {"game.discriminator_steps": 3, "game.generator_steps": 2}),
    "adamw": (
        "r3gan",
        SMALL["r3gan"]
        | {f"{p}_optimiser.{k}": v for p in ("generator", "discriminator")
         for k, v in (("kind", "adamw"), ("weight_decay", 0.01), ("decay_kimg", 0.1), ("final_beta2", 0.99))}
    ),
    "stages computed twice": (
        "r3gan", R3GAN | {f"{p}.recompute": True for p in ("generator", "discriminator")}
    ),
    "bfloat16": ("relativistic", {"train.precision": "bfloat16"}),
}  # fmt: skip
ROUNDS = 14


def same(rehearsed: Any, data: gw.Dataset, recipe: str, settings: dict[str, Any]) -> Any:
    """Plays captured rounds beside others; asserts that all results and states are the same."""
    captured, recorder = rehearsed.trainer(data, recipe, settings, capture=True)
    eager, _ = rehearsed.trainer(data, recipe, settings, capture=False)
    for number in range(ROUNDS):
        found, expected = captured.round(), eager.round()
        for name, a, b in zip(found._fields, found, expected, strict=True):
            assert (a is None) == (b is None), name
            assert a is None or torch.equal(a, b), f"{name} of round {number}"
        captured.means.add(found)
        eager.means.add(expected)
    assert captured.captured.why == ""
    assert captured.seen == eager.seen
    for a, b in zip(rehearsed.state(captured), rehearsed.state(eager), strict=True):
        assert torch.equal(a, b)
    return recorder


@pytest.mark.parametrize("recipe", [name for name in RECIPES if not RECIPES[name].instead])
def test_rounds_of_every_recipe_of_pictures(rehearsed: Any, noise: gw.Dataset, recipe: str) -> None:
    recorder = same(rehearsed, noise, recipe, SMALL[recipe])
    assert (recorder.taken, recorder.played) == (1, ROUNDS)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_round(rehearsed: Any, noise: gw.Dataset, kind: str) -> None:
    recipe, settings = KINDS[kind]
    recorder = same(rehearsed, noise, recipe, SMALL[recipe] | settings)
    assert recorder.played >= ROUNDS - 8
    two = kind in ("noise that ends", "LeCam from 40 on")
    assert recorder.taken == (2 if two else 1)


def test_rounds_of_rows_in_which_the_discriminator_rests(rehearsed: Any, rows: gw.Dataset) -> None:
    recorder = same(rehearsed, rows, "table", {"game.adversarial_every": 2})
    assert (recorder.taken, recorder.played) == (2, ROUNDS)
