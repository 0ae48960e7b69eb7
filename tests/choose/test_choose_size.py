"""The size of the images is part of the choice, and the truth is told before and after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganwright as gw
from ganwright.cli.train import table
from ganwright.modalities.images.expect import levels, variants
from ganwright.modalities.images.spec import AXES, ImageSpec
from ganwright.report.facts import read_run
from ganwright.report.look import Findings, Look
from ganwright.report.words import all_warnings
from ganwright.train import choose as expectations
from ganwright.train import plan, prepare
from ganwright.train.plan import Trials
from ganwright.train.progress import notice


def photographs(folder: Path, side: int | tuple[int, int] = 128, count: int = 40) -> Path:
    rng = np.random.default_rng(0)
    height, width = (side, side) if isinstance(side, int) else side
    path = folder / "photographs.npy"
    np.save(path, rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
    return path


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that trains so many images of 32×32 a second, and larger ones by their pixels."""

    def be(images_per_s: float) -> list[tuple[int, ...]]:
        tried: list[tuple[int, ...]] = []

        def speeds(trials: Trials, recipe: Any) -> dict[int, float]:
            shape = trials.data.spec.shape
            tried.append(shape[1:])
            return {1: images_per_s * 32 * 32 * 3 / trials.data.spec.size}

        monkeypatch.setattr(Trials, "speeds", speeds)
        monkeypatch.setattr(
            plan,
            "measure",
            lambda trainer: images_per_s * 32 * 32 * 3 / trainer.data.spec.size,
        )
        return tried

    return be


def needed(side: int) -> float:
    """Thousand examples that colour images of that side take."""
    return levels(ImageSpec(axes=AXES, shape=(3, side, side), classes=()))[-1].kimg


def speed_for(side: int, minutes: float) -> float:
    """Images of 32×32 a second, of a machine that just learns that side in the time."""
    return 1.01 * needed(side) * 1000 * (side / 32) ** 2 / (60 * minutes)


def shape(prepared: Any) -> tuple[int, ...]:
    return prepared.data.spec.shape[1:]


def test_three_minutes_on_a_slow_core_do_not_keep_128(tmp_path: Path, machine: Any) -> None:
    machine(192.0)  # 12 a second at 128
    prepared = prepare(photographs(tmp_path), minutes=3)
    assert shape(prepared) == (32, 32)
    assert prepared.plan.recipe.data.image.size == (32, 32)
    sentence = prepared.reasons[0]
    assert sentence.startswith(
        "size 32×32 instead of 128×128, the largest that 3 minutes can learn"
    )
    assert "--set data.size=128x128 keeps the size" in sentence


@pytest.mark.parametrize("minutes", [1.0, 30.0])
@pytest.mark.parametrize("side", [32, 64, 128])
def test_the_faster_the_machine_the_larger_the_images(
    tmp_path: Path, machine: Any, side: int, minutes: float
) -> None:
    machine(speed_for(side, minutes))
    prepared = prepare(photographs(tmp_path), minutes=minutes)
    assert shape(prepared) == (side, side)
    assert prepared.plan.expected_kimg >= needed(side)


def test_more_time_than_there_is_even_for_the_smallest(tmp_path: Path, machine: Any) -> None:
    tried = machine(1.0)
    prepared = prepare(photographs(tmp_path), minutes=1)
    assert shape(prepared) == (32, 32)
    assert "and even that is more than 1 minute can learn" in prepared.reasons[0]
    assert "sees 0.06 kimg (thousand examples); it takes 15" in prepared.reasons[0]
    assert set(tried) == {(32, 32)}  # a larger one can only be slower: it needs no trial


def test_the_aspect_is_kept(tmp_path: Path, machine: Any) -> None:
    machine(1.0)
    assert shape(prepare(photographs(tmp_path, (64, 128)), minutes=3)) == (16, 32)


def test_a_size_that_the_user_set_stays(tmp_path: Path, machine: Any) -> None:
    machine(1.0)
    asked = {"data.size": 128}
    prepared = prepare(photographs(tmp_path), minutes=1, settings=asked)
    assert shape(prepared) == (128, 128)
    assert "try more minutes" in prepared.reasons[0]


def test_small_images_are_never_made_larger(tmp_path: Path, machine: Any) -> None:
    machine(1e9)
    assert shape(prepare(photographs(tmp_path, 20), minutes=60)) == (20, 20)


def test_a_budget_in_examples_or_a_named_recipe_keeps_the_size(
    tmp_path: Path, machine: Any
) -> None:
    machine(1.0)
    path = photographs(tmp_path)
    assert shape(prepare(path, kimg=0.1)) == (128, 128)
    assert shape(prepare(path, recipe="mlp-small", minutes=1)) == (128, 128)


def test_what_else_the_user_set_of_the_data_is_kept(tmp_path: Path, machine: Any) -> None:
    machine(1.0)
    prepared = prepare(photographs(tmp_path), minutes=3, settings={"data.channels": 1})
    assert prepared.data.spec.shape == (1, 32, 32)


def test_the_trial_sees_some_of_the_data_in_each_size(tmp_path: Path) -> None:
    data = gw.open_data(photographs(tmp_path, (128, 96)))
    sizes = [at.spec.shape for at in variants(data)]
    assert sizes == [(3, 32, 24), (3, 64, 48), (3, 128, 96)]
    for at in variants(data):
        stored, _ = at.batch(at.train[:4])
        assert at.codec.encode(stored).shape[1:] == at.spec.shape


def test_dry_run_says_what_each_size_is_worth(tmp_path: Path, machine: Any) -> None:
    machine(speed_for(64, 10))
    prepared = prepare(photographs(tmp_path), minutes=10)
    rows = prepared.outlook()
    assert [row.size for row in rows] == ["32×32", "64×64", "128×128"]
    kimg = 1.01 * needed(64)
    assert [row.kimg for row in rows] == pytest.approx([4 * kimg, kimg, kimg / 4])
    assert rows[0].looks == rows[1].looks == "shapes and colours" and rows[2].looks == "noise"
    assert rows[0].times == pytest.approx(4000 * kimg / len(prepared.data.train))
    printed = table(rows)
    assert len(printed.strip().splitlines()) == 4 and "noise" in printed.splitlines()[-1]


def test_dry_run_of_a_named_recipe_is_of_that_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(
        Trials, "speeds", lambda trials, recipe: tried.append(recipe.name) or {1: 10.0}
    )
    monkeypatch.setattr(plan, "measure", lambda trainer: 10.0)
    prepared = prepare(photographs(tmp_path, 48), recipe="dcgan", kimg=0.1)
    tried.clear()
    assert [row.kimg for row in prepared.outlook()] == [0.1, 0.1]
    assert set(tried) == {"dcgan"}


def test_rows_of_a_table_have_no_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(20)))
    monkeypatch.setattr(plan, "measure", lambda trainer: 100.0)
    prepared = prepare(path, kimg=0.1)
    assert prepared.outlook() == []
    assert expectations.shortfall(prepared.data, 100, 1.0) == {}
    assert table([]) == ""


def test_a_run_that_saw_too_little_says_so(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(tmp_path / "run")
    done = run.log[-1]
    needed = levels(run.model.spec)[-1].kimg
    assert done["needed_kimg"] == needed and "expect noise" in done["warning"]
    lasted = done["seconds"] / 60 * needed / done["kimg"]
    assert done["needed_minutes"] == pytest.approx(lasted, abs=1e-3)
    said = notice(done)
    assert said is not None and said.startswith("warning: don't use these samples")
    assert f"at least {needed:g} kimg" in said
    told = all_warnings(read_run(run.path), Findings(), Look())
    assert any(line.startswith("don't use these samples") for line in told)


def test_a_run_that_saw_enough_says_nothing(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = gw.open_data("digits")
    needed = levels(data.spec)[-1].kimg
    assert expectations.shortfall(data, round(needed * 1000), 60.0) == {}
    assert notice({"event": "done", "seen": 1, "kimg": 0.001, "seconds": 1.0}) is None
