"""The guard goes back where a discriminator has won or samples have collapsed, and nowhere else."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from ganwright.base.errors import Interrupted
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run as ganwright
from ganwright.train import guard
from ganwright.train.progress import notice
from ganwright.train.trainer import SLOWER

OFTEN = {"train.report_kimg": 0.016, "train.snapshot_kimg": 0.016, "train.checkpoint_kimg": 0.016}


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Acts from the first example on, as tests don't train for 20 kimg."""
    monkeypatch.setattr(guard, "LEARNT", 0)


def guards(out: Path) -> list[dict[str, Any]]:
    """What the guard did, without the warnings at snapshots."""
    told = RunFolder(out).events()
    return [e for e in told if e["event"] == "guard" and e["problem"] != "collapse"]


def flatten(trainer: Any) -> None:
    with torch.no_grad():
        for network in (trainer.game.generator, trainer.average.network):
            for weight in network.parameters():
                weight.zero_()


def collapsing(seen: int, *, always: bool = False, stop: int | None = None) -> Any:
    """Collapses a run at a place: in the first life of the run alone, or always."""
    left = [stop] if stop else []

    def act(trainer: Any) -> None:
        if trainer.seen >= seen and (always or trainer.rollbacks == 0):
            flatten(trainer)
        if left and trainer.seen >= left[0]:
            left.pop()
            signal.raise_signal(signal.SIGINT)

    return act


def rates(trainer: Any) -> list[float]:
    both = (trainer.game.generator_optimiser, trainer.game.discriminator_optimiser)
    return [its.param_groups[0]["lr"] for its in both]


def test_a_lasting_collapse_is_set_back_to_before_it(
    tiny: Any, tmp_path: Path, early: None
) -> None:
    seen = []

    def act(trainer: Any) -> None:
        collapsing(96)(trainer)
        seen.append((trainer.seen, trainer.rollbacks, rates(trainer)[1]))

    run = tiny.run(tmp_path / "run", "mlp", settings=OFTEN, observer=tiny.Watcher(act))
    (event,) = guards(run.path)
    assert event["problem"] == "collapsed" and event["repairs"] == 1
    assert event["collapsed_at"] == 128  # the third snapshot of 96, 112 and 128
    assert (
        event["back_to"] == event["seen"] == 64
    )  # one checkpoint earlier than the last that seemed healthy
    assert event["remedy"] == "a tenth of the learning rates"
    text = notice(event)
    assert text == (
        "warning: the samples had collapsed at 0.128 kimg; rolled back to 0.064 kimg with a tenth of "
        "the learning rates (rollback 1)"
    )
    assert run.log[-1]["event"] == "done" and run.log[-1]["seen"] == 208
    rate = {(s, lives): r for s, lives, r in seen}
    assert rate[96, 1] == SLOWER * rate[96, 0]


def test_a_resumed_run_ends_in_the_same_bits(tiny: Any, tmp_path: Path, early: None) -> None:
    """Stopped in the collapse, and after the rollback."""
    import ganwright as gw

    whole = tiny.run(
        tmp_path / "whole", "mlp", settings=OFTEN, observer=tiny.Watcher(collapsing(96))
    )
    for stop in (112, 160):
        out = tmp_path / f"stopped at {stop}"
        with pytest.raises(Interrupted):
            tiny.run(out, "mlp", settings=OFTEN, observer=tiny.Watcher(collapsing(96, stop=stop)))
        gw.train("digits", out=out, resume=True, observer=tiny.Watcher(collapsing(96)))
        assert tiny.weights(out) == tiny.weights(whole.path), stop
        assert guards(out)[-1]["remedy"] == guards(whole.path)[-1]["remedy"]


def test_a_collapse_that_comes_back_is_said_and_the_run_ends(
    tiny: Any, tmp_path: Path, early: None
) -> None:
    settings = OFTEN | {"train.repairs": 2}
    observer = tiny.Watcher(collapsing(96, always=True))
    run = tiny.run(tmp_path / "run", "mlp", settings=settings, observer=observer)
    found = guards(run.path)
    assert [e["repairs"] for e in found] == [1, 2, 2] and "back_to" not in found[-1]
    assert run.log[-1]["event"] == "done"
    text = notice(found[-1])
    assert text is not None and "going back 2 times did not help; training goes on" in text


def test_not_before_anything_was_learnt_and_not_without_a_guard(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(name: str, **settings: Any) -> Path:
        observer = tiny.Watcher(collapsing(0, always=True))
        return Path(
            tiny.run(tmp_path / name, "mlp", settings=OFTEN | settings, observer=observer).path
        )

    assert guards(flat("early")) == []
    monkeypatch.setattr(guard, "LEARNT", 0)
    assert guards(flat("off", **{"train.repairs": 0})) == []
    assert guards(flat("on"))[0]["back_to"] == 0


def test_no_guard_is_no_repairs(tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ["--set", "generator.widths=[8,8]", "--set", "discriminator.widths=[8,8]"]
    line = ["train", "digits", "--recipe", "mlp", "--kimg", "0.1", "--out", str(out), *small]
    assert ganwright([*line, "--no-guard"]) == 0
    assert "repairs = 0" in RunFolder(out).recipe.read_text()


def test_a_discriminator_that_wins_for_good(tiny: Any, tmp_path: Path) -> None:
    settings = {
        "discriminator_optimiser.rate": 0.05, "generator.widths": [16, 16],
        "train.report_kimg": 0.25, "train.checkpoint_kimg": 0.25, "train.batch": 64,
        "train.snapshot_kimg": 4,
    }  # fmt: skip
    import ganwright as gw

    out = tmp_path / "run"
    gw.train("digits", recipe="mlp-small-minimax", kimg=4, out=out, settings=settings)
    found = guards(out)
    assert found and {e["problem"] for e in found} == {"won"}
    assert found[0]["remedy"] == "a tenth of D's learning rate" and "won_at" in found[0]
    assert found[0]["back_to"] < found[0]["won_at"] - 3 * 250


@pytest.mark.parametrize(
    ("loss", "real", "fake", "won"),
    [(0.0, 11, -11, True), (1e-4, 5, -5, False), (0.5, 90, -90, False), (0.0, -11, 11, False)],
)
def test_what_counts_as_won(loss: float, real: float, fake: float, won: bool) -> None:
    means = {"discriminator_loss": loss, "real_logit": real, "fake_logit": fake}
    assert guard.has_won(means) is won
    assert not guard.has_won({"generator_loss": loss})
