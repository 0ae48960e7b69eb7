"""What a run counts, draws and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import ganwright as gw
from ganwright.base.errors import DataError, GanwrightError, OptionError, RunError, UnknownName
from ganwright.base.options import from_toml
from ganwright.base.runs import RunFolder
from ganwright.train import RECIPES, Recipe, prepare
from ganwright.train.batches import Order
from ganwright.train.plan import with_intervals

N, SEED = st.integers(1, 40), st.integers(0, 2**63 - 1)


@given(N, SEED, st.integers(0, 5))
def test_each_pass_takes_every_example_once(n: int, seed: int, number: int) -> None:
    assert sorted(Order(n, seed).take(number * n, n)) == list(range(n))


@given(N, SEED, st.integers(0, 200), st.lists(st.integers(0, 50), max_size=5))
def test_the_order_is_a_function_of_seed_and_position(
    n: int, seed: int, start: int, parts: list[int]
) -> None:
    whole = Order(n, seed).take(start, sum(parts))
    order, found, at = Order(n, seed), [], start
    for part in parts:
        found += [*order.take(at, part)]
        at += part
        order.take(0, 1)  # having looked elsewhere changes nothing
    assert found == [*whole]


def test_passes_differ_from_each_other_and_with_the_seed() -> None:
    one = Order(100, 0).take(0, 200)
    assert not np.array_equal(one[:100], one[100:])
    assert not np.array_equal(one, Order(100, 1).take(0, 200))


@pytest.mark.parametrize(("steps", "expected"), [(1, 16), (5, 80)])
def test_kimg_counts_real_examples_shown(tiny: Any, steps: int, expected: int) -> None:
    trainer = tiny.trainer("wgan-gp", **{"game.discriminator_steps": steps})
    shown: list[int] = []
    batch = trainer.batch
    trainer.batch = lambda indices: (shown.extend(indices), batch(indices))[1]
    trainer.round()
    assert trainer.seen == len(shown) == expected
    assert set(shown) <= set(trainer.data.train) and len(set(shown)) == len(shown)


def test_nothing_held_out_is_ever_shown(tiny: Any) -> None:
    trainer = tiny.trainer()
    taken = trainer.data.train[trainer.order.take(0, 3 * len(trainer.data.train))]
    assert set(taken) == set(trainer.data.train)
    assert not set(taken) & set(trainer.data.heldout)


def test_the_artefact_is_the_average(tiny: Any, tmp_path: Path) -> None:
    last: list[Any] = []
    run = tiny.run(tmp_path / "run", observer=tiny.Watcher(last.append))
    trainer = last[-1]
    kept = gw.load(run.path / "model").generator.state_dict()
    average, raw = trainer.average.network.state_dict(), trainer.game.generator.state_dict()
    assert all((kept[name] == average[name]).all() for name in kept)
    assert any((kept[name] != raw[name]).any() for name in kept)


def test_the_run_folder(digits_run: Path) -> None:
    assert {p.name for p in digits_run.iterdir()} == {
        "recipe.toml", "log.jsonl", "checkpoint", "model", "best", "samples",
    }  # fmt: skip
    log = RunFolder(digits_run).events()
    assert log[0]["event"] == "start" and log[-1]["event"] == "done"
    for event in log:
        assert {"seen", "kimg", "seconds", "event"} <= set(event)
        assert event["kimg"] == event["seen"] / 1000
    seconds = [event["seconds"] for event in log]
    assert seconds == sorted(seconds)
    reports = [e for e in log if e["event"] == "report"]
    assert all(isinstance(v, int | float) for e in reports for k, v in e.items() if k != "event")
    assert log[0]["n"] == len(gw.open_data("digits").train)
    assert log[0]["device"] == "cpu" and log[0]["recipe"] == "relativistic"
    from_toml(Recipe, (digits_run / "recipe.toml").read_text(), owner="x")


def test_run_from_python(tiny: Any, digits_run: Path) -> None:
    run = gw.Run(digits_run)
    assert run.log[0]["event"] == "start" and run.model.seen == 208
    assert run.model.data["n"] == sum(run.model.data["class_counts"]) == run.log[0]["n"]


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].instead])
def test_a_recipe_that_is_chosen_by_a_flag_says_which(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^--recipe: '{name}' is chosen by --\w+ "):
        prepare("digits", recipe=name, kimg=0.1)


@pytest.mark.parametrize("name", [name for name in RECIPES if not RECIPES[name].instead])
def test_every_recipe_plays_a_round(tiny: Any, name: str, tmp_path: Path) -> None:
    data: str | Path = "digits"
    if name == "text":
        data = tmp_path / "lines.txt"
        data.write_text("".join(f"a line about {word}\n" for word in "xyzuvw" * 8))
    if name == "series":
        data = tmp_path / "waves.npy"
        np.save(data, np.random.default_rng(0).normal(size=(30, 24, 2)))
    if name.startswith("table"):
        data = tmp_path / "rows.csv"
        data.write_text("a,b\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(20)))
    if name == "counts":
        data = tmp_path / "words.npz"
        words = np.random.default_rng(0).poisson(0.5, (40, 30))
        sp.save_npz(data, sp.csr_matrix(words.astype(np.uint16)))
    form = {"data.form": "series"} if name == "series" else {}
    prepared = prepare(data, recipe=name, kimg=0.1, settings={"train.batch": 4} | form)
    from ganwright.train.trainer import Trainer

    trainer = Trainer(prepared.plan.recipe, prepared.data, "cpu")
    before = [p.clone() for p in trainer.game.generator.parameters()]
    other = [p.clone() for p in trainer.game.discriminator.parameters()]
    trainer.means.add(trainer.round())
    assert trainer.healthy()
    after = [*trainer.game.generator.parameters()]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    after = [*trainer.game.discriminator.parameters()]
    assert any((a != b).any() for a, b in zip(other, after, strict=True))


def test_planning_writes_nothing_and_changes_nothing(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepare("digits", recipe="mlp-small", minutes=1)
    assert not list(tmp_path.iterdir())
    o = prepared.plan.recipe.train
    assert o.minutes == 1 and o.kimg is None and o.report_kimg and o.checkpoint_kimg
    assert prepared.plan.generator_parameters > 10_000
    text = str(prepared.plan)
    for word in ("parameters", "memory", "speed", "examples/s", "expected", "[generator]"):
        assert word in text


def test_ten_minutes_are_ten_whatever_the_speed() -> None:
    recipe = RECIPES["mlp-small"].make()
    for speed in np.random.default_rng(0).uniform(100, 5000, 200).tolist():
        o = with_intervals(recipe, speed * 60 * 10 / 1000, speed).train
        assert o.score_features == "learned"
        o = with_intervals(recipe, speed * 60 * 9.9 / 1000, speed).train
        assert o.score_features == "pixels"


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"recipe": "dcgam"}, UnknownName, "unknown recipe 'dcgam'; .* Did you mean 'dcgan'"),
        ({"settings": {"game.los": 1}}, OptionError, "--set: unknown option 'game.los'; .*Did you"),
        ({"settings": {"train.batch": 1}}, OptionError, "train.batch .* greater than or equal to"),
        ({"settings": {"game.loss": "hing"}}, OptionError, "game.loss can't be 'hing'.* 'hinge'"),
        ({"settings": {"game": 1}}, OptionError, "'game' is a group of options; allowed: game.l"),
        ({"kimg": -1}, OptionError, "kimg .* greater than 0; got -1"),
        ({"kimg": float("nan")}, OptionError, "--kimg: kimg .*finite"),
        ({"minutes": 0}, OptionError, "--minutes: minutes .* greater than 0"),
        ({"seed": -1}, OptionError, "--seed: seed"),
        ({"device": "gpu"}, OptionError, "--device: unknown device 'gpu'; allowed: auto, cpu"),
        ({"device": "mps"}, OptionError, "no mps on this machine"),
    ],
    ids=str,
)
def test_wrong_use_makes_no_folder(
    tiny: Any, tmp_path: Path, wrong: dict[str, Any], kind: type[GanwrightError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        gw.train("digits", out=tmp_path / "run", **({"kimg": 0.1} | wrong))
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_and_left_alone(tiny: Any, digits_run: Path) -> None:
    before = tiny.tree(digits_run)
    with pytest.raises(RunError, match="exists: continue it with --resume, or name another"):
        tiny.run(digits_run)
    with pytest.raises(RunError, match="is a file; name another with --out"):
        tiny.run(digits_run / "recipe.toml")
    assert tiny.tree(digits_run) == before


def test_an_empty_folder_may_be_used(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert tiny.run(tmp_path / "run", kimg=0.02).log[-1]["event"] == "done"


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        gw.train("digit", out=tmp_path / "run")
    assert not list(tmp_path.iterdir())
