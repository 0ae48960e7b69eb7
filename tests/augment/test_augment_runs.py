"""Runs with augmentation: what is logged, resumed to the bit, and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.base.options import override
from ganwright.base.runs import RunFolder
from ganwright.base.spec import Spec
from ganwright.game import (
    Augment,
    AugmentOptions,
    Batch,
    Game,
    GameOptions,
    PenaltyOptions,
)
from ganwright.game.fused import fits
from ganwright.modalities.images import augment as part
from ganwright.modalities.images.choice import FEW
from ganwright.train.recipes import RECIPES

ADAPTIVE = {
    "game.augment.mode": "adaptive",
    "game.augment.speed_kimg": 0.3,
    "game.augment.target": -0.5,
}


def reports(path: Path) -> list[dict[str, Any]]:
    return [e for e in RunFolder(path).events() if e["event"] == "report"]


def test_an_adaptive_run_stopped_twice_ends_in_the_same_bits(tiny: Any, tmp_path: Path) -> None:
    def stop(trainer: Any) -> None:
        if trainer.seen in (48, 112):  # between two of p's steps, too
            raise KeyboardInterrupt

    whole = tiny.run(tmp_path / "whole", settings=ADAPTIVE)
    chances = [e["augment_p"] for e in reports(whole.path)]
    assert all(0 <= p <= 0.8 for p in chances) and chances[-1] > 0.1
    assert all(-1 <= e["sureness"] <= 1 for e in reports(whole.path))
    out = tmp_path / "stopped"
    for resume in (False, True):
        with pytest.raises((Interrupted, KeyboardInterrupt)):
            if resume:
                gw.train("digits", out=out, resume=True, observer=tiny.Watcher(stop))
            else:
                tiny.run(out, settings=ADAPTIVE, observer=tiny.Watcher(stop))
    gw.train("digits", out=out, resume=True)
    assert tiny.weights(out) == tiny.weights(whole.path)
    assert [e["augment_p"] for e in reports(out)] == chances


def test_modes_make_different_runs_and_off_logs_nothing(tiny: Any, tmp_path: Path) -> None:
    weights = set()
    for mode in ("off", "fixed", "scheduled", "diffaug"):
        settings = {"game.augment.mode": mode, "game.augment.p_kimg": 0.1}
        run = tiny.run(tmp_path / mode, settings=settings)
        weights.add(tiny.weights(run.path))
        last = reports(run.path)[-1]
        expected = {"fixed": 0.3, "scheduled": 0.3, "diffaug": 1.0}.get(mode)
        assert last.get("augment_p") == (pytest.approx(expected) if expected else None)
        assert ("sureness" in last) == (mode != "off")
    assert len(weights) == 4


def test_off_is_the_run_that_there_was_before(tiny: Any, tmp_path: Path) -> None:
    plain, nought = (
        tiny.run(tmp_path / "a"),
        tiny.run(tmp_path / "b", settings={"game.augment.mode": "fixed", "game.augment.p": 0.0}),
    )
    assert tiny.weights(plain.path) == tiny.weights(nought.path)


class Line(torch.nn.Module):
    """D(x) = ⟨w, x⟩: its gradient is w."""

    mixes_examples = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.randn(*shape, dtype=torch.float64))

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return (self.w * x).sum((1, 2, 3))


def test_penalties_are_of_the_picture_before_it_is_changed() -> None:
    """R1 of D∘T for a linear D is ‖Tᵀw‖², and its slope in w is T Tᵀ w."""
    torch.manual_seed(0)
    shape = (3, 6, 6)
    augment = Augment.of(
        AugmentOptions(mode="fixed", p=0.7),
        part,
        Spec(axes=("channel", "height", "width"), shape=shape),
    )
    network = Line(shape)
    x = torch.rand(16, *shape, dtype=torch.float64)
    o = GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=2.0, r2=2.0))
    sgd = torch.optim.SGD(network.parameters(), 1.0)
    game = Game(o, network, network, sgd, sgd, lambda n: torch.zeros(n, 1), augment=augment)
    before = network.w.detach().clone()
    torch.manual_seed(1)
    fits(lambda x: game._logits(x, None), x)
    told = game._discriminator_step(Batch(x, None), -x, 0)
    torch.manual_seed(1)
    drawn = augment.draw(torch.cat([x, -x]))
    back = drawn.transposed(before.expand(32, *shape).clone())
    assert told.penalty is not None
    # r1 and r2 have weight 2·½: the sum of both means of the squares
    torch.testing.assert_close(told.penalty, back.square().sum((1, 2, 3)).sum() / 16)


def test_tables_are_refused_by_the_command_too(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "\n".join(f"{i % 7},{i % 3}" for i in range(200)))
    code = "from ganwright.cli.app import main; main()"
    line = ["train", "table.csv", "--out", "run", "--kimg", "1", "--set=game.augment.mode=fixed"]
    done = subprocess.run(
        [sys.executable, "-c", code, *line], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "ganwright: error: game.augment.mode: rows of a table can't be augmented" in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_would_do_nothing_is_refused(tiny: Any) -> None:
    with pytest.raises(OptionError, match=r"^game.augment.p: has no effect while .*mode is off"):
        tiny.trainer("mlp", **{"game.augment.p": 0.5})
    few = RECIPES["mlp"].make()
    for settings in (FEW, {"game.augment.mode": "off"}):  # off again, where it was chosen
        few = override(few, settings)
    spec = Spec(axes=("channel", "height", "width"), shape=(1, 8, 8))
    assert Augment.of(few.game.augment, part, spec) is None


def test_privacy_refuses_it(tiny: Any) -> None:
    with pytest.raises(OptionError, match=r"^game\.(augment|privacy)"):
        tiny.trainer("mlp", **{"game.privacy.noise": 1.0, "game.augment.mode": "fixed"})
