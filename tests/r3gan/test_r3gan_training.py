"""The recipe r3gan: its schedules, and runs that can be repeated to the bit."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ganwright as gw
from ganwright.base.errors import Interrupted, OptionError
from ganwright.game import OptimiserOptions, optimiser, set_beta2
from ganwright.train import TrainOptions, prepare

NARROW = ["--set", "generator.widths=[16]", "--set", "discriminator.widths=[16]"]
SETTINGS = {"train.batch": 16, "generator.widths": [16], "discriminator.widths": [16]}


def train(out: Path, **rest: Any) -> gw.Run:
    return gw.train("digits", recipe="r3gan", out=out, kimg=0.2, settings=SETTINGS, **rest)


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_beta2_follows_the_schedule() -> None:
    o = OptimiserOptions(beta2=0.9, final_beta2=0.99, decay_kimg=2)
    assert [o.beta2_at(n) for n in (0, 1000, 2000, 10**6)] == pytest.approx(
        [0.9, 0.945, 0.99, 0.99]
    )
    assert OptimiserOptions(beta2=0.9, decay_kimg=2, final_rate=0).beta2_at(1000) == 0.9
    with pytest.raises(OptionError, match=r"^final_beta2: sgd has no β2; got 0.9$"):
        optimiser(OptimiserOptions(kind="sgd", final_beta2=0.9), [nn.Parameter(torch.ones(1))])


@pytest.mark.parametrize("kind", ["adam", "adamw", "rmsprop"])
def test_beta2_is_used_from_the_next_step_on(kind: Any) -> None:
    """By hand: v ← β₂v + (1 − β₂)g², with another β₂ in each step."""
    x = nn.Parameter(torch.ones(1))
    its = optimiser(OptimiserOptions(kind=kind, beta1=0.5, beta2=0.1), [x])
    v = 0.0
    for beta2, gradient in ((0.9, 1.0), (0.5, 3.0), (0.2, -2.0)):
        set_beta2(its, beta2)
        x.grad = torch.full((1,), gradient)
        its.step()
        v = beta2 * v + (1 - beta2) * gradient**2
        state = its.state[x]
        kept = state["square_avg"] if kind == "rmsprop" else state["exp_avg_sq"]
        assert float(kept) == pytest.approx(v)
    if kind != "rmsprop":
        assert its.param_groups[0]["betas"] == (0.5, 0.2)


def test_the_half_life_rises() -> None:
    o = TrainOptions(average_kimg=2, average_ramp=1, average_rise_kimg=8)
    assert [o.half_life_at(n) for n in (0, 4000, 8000, 10**6)] == pytest.approx(
        [0, 1000, 2000, 2000]
    )
    plain = TrainOptions(average_kimg=2, average_ramp=0.05)
    assert [plain.half_life_at(n) for n in (0, 20_000, 10**6)] == [0, 1000, 2000]


def test_a_run_of_the_command(tmp_path: Path) -> None:
    """Half a thousand digits, then the model gives the same samples whenever it is loaded."""
    out = tmp_path / "digits"
    line = f"train digits --recipe r3gan --kimg 0.5 --out {out} --set train.threads=1"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ganwright")), *line.split(), *NARROW],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert gw.Run(out).log[-1]["event"] == "done"
    # The schedules last as long as the run.
    assert (out / "recipe.toml").read_text().count("decay_kimg = 0.5\n") == 2
    first, again = gw.load(out), gw.load(out)
    samples = first.sample(70, seed=3)
    assert samples.shape == (70, 8, 8, 1) and samples.std() > 1
    np.testing.assert_array_equal(samples, again.sample(70, seed=3))
    with torch.inference_mode():
        x = torch.randn(2, 1, 8, 8)
        told = torch.tensor([1, 2])
        assert torch.equal(first.discriminator(x, told), again.discriminator(x, told))


def test_the_plan_tells_the_sizes_that_it_derived(tiny: Any) -> None:
    plan = prepare("digits", recipe="r3gan", kimg=0.2, device="cpu").plan
    assert "\nblocks       1 × 64 channels at 4×4, 1 × 64 channels at 8×8\n" in str(plan)


def test_interrupted_equals_never_interrupted(tiny: Any, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "stopped"

    def stop(trainer: Any) -> None:
        if trainer.seen == 96:
            signal.raise_signal(signal.SIGINT)

    train(whole)
    with pytest.raises(Interrupted):
        train(out, observer=tiny.Watcher(stop))
    gw.train("digits", out=out, resume=True)
    assert weights(out) == weights(whole)
