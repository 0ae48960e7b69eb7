"""On a GPU: batches, rate and nets by trial, on devices that are made up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.modalities.images.choice import (
    MOST_BATCH,
    PUBLISHED_KIMG,
    ROUNDS,
    choose,
    in_batches,
)
from ganwright.train import RECIPES
from ganwright.train.plan import Trials


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> gw.Dataset:
    path = tmp_path_factory.mktemp("data") / "digits.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.integers(0, 256, (2000, 28, 28, 1), dtype=np.uint8))
    return gw.open_data(path)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A GPU: a round takes `launch_s`, and `example_s` for each example; residual nets so much longer."""

    def be(launch_s: float, example_s: float, residual: float = 8.0) -> list[Any]:
        tried = []

        def speeds(trials: Trials, recipe: Any) -> dict[int, float]:
            tried.append(recipe)
            longer = residual if recipe.name == "r3gan" else 1.0
            longer *= {"m": 5.0, "l": 20.0}.get(getattr(recipe.generator, "size", ""), 1.0)
            batch = recipe.train.batch
            return {1: batch / (longer * (launch_s + example_s * batch))}

        monkeypatch.setattr(Trials, "speeds", speeds)
        return tried

    return be


def chosen(data: gw.Dataset, minutes: float | None) -> tuple[Any, str]:
    recipe, reasons = choose(data, minutes=minutes, trials=Trials(data, "cuda"))
    return recipe, reasons[0]


def rounds(recipe: Any, minutes: float, launch_s: float, example_s: float) -> float:
    return minutes * 60 / (launch_s + example_s * recipe.train.batch)


def test_batches_grow_where_a_round_costs_the_same(digits: gw.Dataset, device: Any) -> None:
    device(5e-4, 1e-7)  # a captured round
    recipe, why = chosen(digits, 1.0)
    assert recipe.name == "relativistic" and recipe.train.batch == MOST_BATCH
    assert f"batch {MOST_BATCH}" in why


def test_batches_stop_growing_where_the_memory_ends(
    digits: gw.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speeds(trials: Trials, recipe: Any) -> dict[int, float]:
        if recipe.train.batch > 256:
            raise OptionError("train.batch: doesn't fit the device's memory")
        return {1: recipe.train.batch / 5e-4}

    monkeypatch.setattr(Trials, "speeds", speeds)
    recipe, _ = chosen(digits, 0.5)
    assert recipe.train.batch == 256


def test_batches_do_not_grow_where_each_example_costs(digits: gw.Dataset, device: Any) -> None:
    device(1e-5, 1e-4)
    recipe, _ = chosen(digits, 1.0)
    assert recipe.train.batch == 64


@pytest.mark.parametrize("minutes", [0.1, 0.5, 1.0, 3.0])
def test_rounds_enough_are_left(digits: gw.Dataset, device: Any, minutes: float) -> None:
    device(1e-2, 1e-6)  # launched one by one
    recipe, _ = chosen(digits, minutes)
    grown = recipe.train.batch > 64
    assert not grown or rounds(recipe, minutes, 1e-2, 1e-6) >= ROUNDS


def test_small_budgets_take_the_fast_recipe_long_ones_the_residual_nets(
    digits: gw.Dataset, device: Any
) -> None:
    device(5e-4, 1e-6)
    short, why = chosen(digits, 0.5)
    assert short.name == "relativistic" and "not measured here" in why
    sizes = []
    for minutes in (10.0, 50.0, 2000.0):
        recipe, why = chosen(digits, minutes)
        assert recipe.name == "r3gan" and "on a GPU is not measured" in why
        sizes.append(recipe.generator.size)
        assert recipe.generator.size == recipe.discriminator.size
    assert sizes == ["s", "m", "l"]


def test_residual_nets_are_not_tried_in_vain(digits: gw.Dataset, device: Any) -> None:
    tried = device(1e-2, 1e-6)
    chosen(digits, 1.0)
    assert {recipe.name for recipe in tried} == {"relativistic"}


def test_the_residual_nets_see_what_is_published_at_the_published_rate(
    digits: gw.Dataset, device: Any
) -> None:
    device(5e-4, 1e-6)
    recipe, _ = chosen(digits, 2000.0)
    assert recipe.generator.size == "l" and recipe.train.batch == 256
    assert recipe.generator_optimiser.rate == pytest.approx(2e-4)
    assert recipe.generator_optimiser.final_rate == pytest.approx(5e-5)
    speed = Trials(digits, "cuda").speed(recipe)
    assert speed * 2000 * 60 / 1000 >= PUBLISHED_KIMG


@pytest.mark.parametrize("batch", [64, 128, 256, 1024])
def test_the_rate_goes_with_the_square_root_of_the_batch(batch: int) -> None:
    base = RECIPES["relativistic"].make()
    grown = in_batches(base, batch)
    for before, after in (
        (base.generator_optimiser, grown.generator_optimiser),
        (base.discriminator_optimiser, grown.discriminator_optimiser),
    ):
        assert after.rate == pytest.approx(before.rate * math.sqrt(batch / 64))
        assert after.final_rate == pytest.approx(before.final_rate * math.sqrt(batch / 64))


def test_a_batch_of_256_has_the_rate_that_was_measured_on_a_gpu() -> None:
    assert in_batches(RECIPES["relativistic"].make(), 256).generator_optimiser.rate == 2e-3


def test_small_grey_images_get_a_weaker_penalty(digits: gw.Dataset, device: Any) -> None:
    device(5e-4, 1e-6)
    recipe, _ = chosen(digits, 0.5)
    assert recipe.game.penalty.r1 == recipe.game.penalty.r2 == 0.3


def test_a_budget_in_examples_chooses_as_on_any_machine(
    tmp_path: Path, digits: gw.Dataset, device: Any
) -> None:
    tried = device(5e-4, 1e-6)
    on_gpu, _ = chosen(digits, None)
    on_cpu, _ = choose(digits, minutes=None, trials=Trials(digits, "cpu"))
    assert on_gpu == on_cpu and not tried
