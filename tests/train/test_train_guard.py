"""Divergence is repaired or ends the run with the last good model; collapse is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import Diverged, Interrupted
from ganwright.base.runs import RunFolder
from ganwright.model import Model
from ganwright.train import state
from ganwright.train.progress import notice


def guards(out: Path) -> list[dict[str, Any]]:
    return [e for e in RunFolder(out).events() if e["event"] == "guard"]


def poison(trainer: Any) -> None:
    with torch.no_grad():
        next(trainer.game.discriminator.parameters()).fill_(float("nan"))


def poison_at(*positions: int) -> Any:
    """NaN in the discriminator, once at each place."""
    left = list(positions)

    def act(trainer: Any) -> None:
        if left and trainer.seen >= left[0]:
            left.pop(0)
            poison(trainer)

    return act


def all_numbers(path: Path) -> bool:
    found, _ = state.load(path / "checkpoint")
    return all(
        state.finite(list(found[name].values()))
        for name in ("generator", "discriminator", "average")
    )


def test_a_diverged_run_is_set_back_and_ends_well(tiny: Any, tmp_path: Path) -> None:
    watcher = tiny.Watcher(poison_at(100))
    run = tiny.run(tmp_path / "run", observer=watcher)
    (event,) = guards(run.path)
    assert event["problem"] == "diverged" and event["back_to"] == 80 == event["seen"]
    assert event["diverged_at"] >= 100 and event["repairs"] == 1
    assert run.log[-1]["event"] == "done" and all_numbers(run.path)
    text = notice(event)
    assert (
        text is not None
        and "rolled back to 0.08 kimg with half the learning rates (rollback 1)" in text
    )
    reports = [e["seen"] for e in run.log if e["event"] == "report"]
    assert reports == sorted(reports) and reports[-1] == 208


def test_a_diverged_state_is_never_a_checkpoint(tiny: Any, tmp_path: Path) -> None:
    seldom = {"train.report_kimg": 10, "train.checkpoint_kimg": 0.032}
    run = tiny.run(tmp_path / "run", settings=seldom, observer=tiny.Watcher(poison_at(20, 90)))
    assert [e["repairs"] for e in guards(run.path)] == [1, 2]
    assert all_numbers(run.path)
    assert np.ptp(run.model.sample(8)) >= 0


def test_interrupted_after_diverging_keeps_a_good_model(tiny: Any, tmp_path: Path) -> None:
    import signal

    def act(trainer: Any) -> None:
        if trainer.seen == 32 and trainer.rollbacks == 0:
            poison(trainer)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        tiny.run(tmp_path / "run", observer=tiny.Watcher(act))
    assert all_numbers(tmp_path / "run")
    Model.load(tmp_path / "run").sample(2)


@pytest.mark.parametrize("repairs", [0, 2])
def test_beyond_repair(tiny: Any, tmp_path: Path, repairs: int) -> None:
    """A rate of a million."""
    wild = {
        "generator_optimiser.rate": 1e6,
        "discriminator_optimiser.rate": 1e6,
        "discriminator_optimiser.kind": "sgd",
        "generator_optimiser.kind": "sgd",
        "generator_optimiser.decay_kimg": 0,
        "discriminator_optimiser.decay_kimg": 0,
        "train.repairs": repairs,
    }
    out = tmp_path / "run"
    with pytest.raises(Diverged) as caught:
        tiny.run(out, settings=wild)
    assert caught.value.exit_code == 3 and "holds the last good model" in str(caught.value)
    found = guards(out)
    assert [e["repairs"] for e in found] == [*range(1, repairs + 1), repairs]
    assert "back_to" not in found[-1]
    assert all_numbers(out)
    assert gw.load(str(out)).sample(4).shape == (4, 8, 8, 1)


def test_a_repair_does_not_depend_on_interruptions(tiny: Any, tmp_path: Path) -> None:
    import signal

    def poisoned(stops: tuple[int, ...]) -> Any:
        waiting = list(stops)

        def act(trainer: Any) -> None:
            if trainer.seen == 112 and trainer.rollbacks == 0:
                poison(trainer)
            if waiting and trainer.seen >= waiting[0]:
                waiting.pop(0)
                signal.raise_signal(signal.SIGINT)

        return tiny.Watcher(act)

    whole = tiny.run(tmp_path / "whole", observer=poisoned(()))
    assert len(guards(whole.path)) == 1
    for stop in (96, 112, 128, 160):
        out = tmp_path / f"stopped at {stop}"
        with pytest.raises(Interrupted):
            tiny.run(out, observer=poisoned((stop,)))
        gw.train("digits", out=out, resume=True, observer=poisoned(()))
        assert tiny.weights(out) == tiny.weights(whole.path), stop


def test_collapse_is_told(tiny: Any, tmp_path: Path) -> None:
    def flatten(trainer: Any) -> None:
        with torch.no_grad():
            for network in (trainer.game.generator, trainer.average.network):
                for weight in network.parameters():
                    weight.zero_()

    run = tiny.run(tmp_path / "run", observer=tiny.Watcher(flatten))
    found = guards(run.path)
    assert found and all(e["problem"] == "collapse" and e["variety"] < 0.01 for e in found)
    text = notice(found[0])
    assert text is not None and text.startswith("warning: the samples vary 0% as much as the data")


def test_a_healthy_run_has_no_guard_event(digits_run: Path) -> None:
    assert guards(digits_run) == []
