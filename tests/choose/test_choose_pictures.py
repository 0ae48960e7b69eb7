"""What is chosen where no recipe is named, by data, device and time, and what is said of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.modalities.images.choice import FEW_IMAGES
from ganwright.train import plan, prepare
from ganwright.train.choose import choose
from ganwright.train.plan import Trials
from ganwright.train.trainer import Trainer


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the machine have a speed: examples a second of the wide nets; narrow ones have double."""

    def be(images_per_s: float) -> None:
        def found(trials: Trials, recipe: Any) -> dict[int, float]:
            return {1: images_per_s * (2 if recipe.generator.width == 32 else 1)}

        monkeypatch.setattr(Trials, "speeds", found)

    return be


def chosen(data: gw.Dataset, minutes: float | None, device: str = "cpu") -> Any:
    return choose(data, minutes=minutes, trials=Trials(data, device))


def pictures(folder: Path, count: int, side: int = 16, channels: int = 1) -> gw.Dataset:
    rng = np.random.default_rng(0)
    path = folder / f"{count}-{side}-{channels}.npy"
    np.save(path, rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8))
    return gw.open_data(path)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> gw.Dataset:
    return pictures(tmp_path_factory.mktemp("many"), 2 * FEW_IMAGES)


@pytest.mark.parametrize(
    ("images_per_s", "name", "width", "gamma"),
    [
        (9000.0, "relativistic", 64, 1),
        (120.0, "relativistic", 32, 0.3),
        (5.0, "mlp-small", None, 0),
    ],
    ids=["time enough", "little time", "hardly any"],
)
def test_the_time_decides_how_wide(
    many: gw.Dataset, speed: Any, images_per_s: float, name: str, width: int | None, gamma: float
) -> None:
    speed(images_per_s)
    recipe, reasons = chosen(many, 5, "cpu")
    assert recipe.name == name
    assert getattr(recipe.generator, "width", None) == width
    assert recipe.game.penalty.r1 == recipe.game.penalty.r2 == gamma
    assert reasons[0].startswith(f"recipe {name}")


@pytest.mark.parametrize(("channels", "gamma"), [(1, 0.3), (3, 1)], ids=["grey", "colour"])
def test_small_grey_pictures_get_a_weaker_penalty(
    tmp_path: Path, speed: Any, channels: int, gamma: float
) -> None:
    speed(120.0)
    recipe, reasons = chosen(pictures(tmp_path, 30, 32, channels), 5)
    assert recipe.game.penalty.r1 == recipe.game.penalty.r2 == gamma
    assert f"γ = {gamma:g}: in 5 minutes it sees 72 kimg here" in reasons[0]


def test_large_images_get_an_automatic_gamma(tmp_path: Path, speed: Any) -> None:
    speed(1000.0)
    recipe, reasons = chosen(pictures(tmp_path, 30, 33, 3), 5)
    assert recipe.game.gamma.auto and "an automatic γ" in reasons[0]
    recipe, _ = chosen(pictures(tmp_path, 30, 32, 3), 5)
    assert not recipe.game.gamma.auto


def test_a_budget_in_examples_is_not_measured(
    many: gw.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trials, "speeds", lambda *_: pytest.fail("measured"))
    recipe, _ = chosen(many, None, "cpu")
    assert recipe.name == "relativistic"


def test_a_large_picture_and_no_time_is_told(tmp_path: Path, speed: Any) -> None:
    speed(0.5)
    recipe, reasons = chosen(pictures(tmp_path, 30, 64, 3), 1, "cpu")
    assert recipe.name == "relativistic"
    assert "try more minutes, or --set data.size=32" in reasons[0]


@pytest.mark.parametrize("side", [16, 32])
def test_no_time_for_colours_is_told_and_not_given_to_a_dense_net(
    tmp_path: Path, speed: Any, side: int
) -> None:
    speed(5.0)
    recipe, reasons = chosen(pictures(tmp_path, 30, side, 3), 1)
    assert recipe.name == "relativistic"  # the dense net saw more, and made noise of flowers
    assert "the time is short: in 1 minute it would see 0.6 kimg" in reasons[0]
    assert "about 25 minutes; try more minutes" in reasons[0] and "data.size" not in reasons[0]


def test_times_are_said_in_words() -> None:
    said = [plan.in_minutes(minutes) for minutes in (0.05, 0.34, 1.0, 2.5, 150.4, 1440)]
    assert said == [
        "3 seconds", "0.34 minutes", "1 minute", "2.5 minutes", "150 minutes", "1,440 minutes",
    ]  # fmt: skip


def test_few_pictures_are_changed_before_they_are_judged(tmp_path: Path, speed: Any) -> None:
    speed(1000.0)
    recipe, reasons = chosen(pictures(tmp_path, 300), 5, "cpu")
    assert recipe.game.augment.mode != "off"
    assert re.match(r"augmentation on: \d+ different images", reasons[1])


def test_very_small_pictures_are_left_as_they_are(tmp_path: Path, speed: Any) -> None:
    speed(1000.0)
    recipe, _ = chosen(pictures(tmp_path, 300, 8), 5, "cpu")
    assert recipe.game.augment.mode == "off"


def test_copies_count_once(tmp_path: Path, speed: Any) -> None:
    speed(1000.0)
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (100, 16, 16, 1), dtype=np.uint8)
    np.save(tmp_path / "copies.npy", np.tile(some, (50, 1, 1, 1)))
    data = gw.open_data(tmp_path / "copies.npy")
    assert len(data.train) > FEW_IMAGES
    recipe, _ = chosen(data, 5, "cpu")
    assert recipe.game.augment.mode != "off"


def test_many_pictures_are_left_as_they_are(many: gw.Dataset, speed: Any) -> None:
    speed(1000.0)
    recipe, reasons = chosen(many, 5, "cpu")
    assert recipe.game.augment.mode == "off"
    assert len(reasons) == 1


def test_it_says_what_to_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "measure", lambda trainer: 1000.0)
    prepared = prepare("digits", kimg=60)
    assert len(prepared.reasons) <= 3
    n = len(prepared.data.train)
    assert prepared.reasons[-1] == (
        "expect about 60 thousand examples in 1 minute, at 1,000 a second: each of "
        f"{n:,} is seen {60_000 / n:,.1f} times"
    )
    assert prepare("digits", recipe="mlp-small", kimg=1).reasons == ()


def test_without_a_budget_it_is_ten_minutes_that_are_reckoned_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def note(data: Any, *, minutes: float | None, trials: Trials) -> Any:
        asked.append(minutes)
        return choose(data, minutes=None, trials=trials)

    monkeypatch.setattr(plan, "measure", lambda trainer: 1000.0)
    monkeypatch.setattr(sys.modules[prepare.__module__], "choose", note)
    assert prepare("digits").plan.recipe.train.minutes == 10
    prepare("digits", kimg=1)
    prepare("digits", minutes=2)
    assert asked == [10, None, 2]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recipes of the trainers that are built for planning, threads tried, too."""
    built: list[str] = []

    class Counted(Trainer):
        def __init__(self, recipe: Any, *rest: Any) -> None:
            built.append(recipe.name)
            super().__init__(recipe, *rest)

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(plan, "Trainer", Counted)
    return built


@pytest.mark.parametrize("images_per_s", [9000.0, 120.0, 0.5], ids=["long", "middling", "short"])
@pytest.mark.parametrize("count", [300, 2 * FEW_IMAGES], ids=["few", "many"])
def test_at_most_two_trainers_are_built_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images_per_s: float, count: int
) -> None:
    built = counted(monkeypatch)

    def measure(trainer: Any) -> float:
        trainer.round()
        return images_per_s * (2 if getattr(trainer.recipe.generator, "width", 0) == 32 else 1)

    monkeypatch.setattr(plan, "measure", measure)
    pictures(tmp_path, count)
    prepared = prepare(next(tmp_path.glob("*.npy")), minutes=5)
    assert 1 <= len(built) <= 2
    assert prepared.plan.images_per_s in (images_per_s, 2 * images_per_s)


def test_a_named_recipe_takes_one_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    built = counted(monkeypatch)
    monkeypatch.setattr(plan, "measure", lambda trainer: 100.0)
    prepare("digits", recipe="mlp-small", minutes=5)
    assert built == ["mlp-small"]
