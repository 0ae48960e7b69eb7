"""The promises of capture on a GPU; these run wherever there is one.

Twenty captured rounds are twenty played call by call, equal runs end in equal bits, and so does one that
was killed and resumed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ganwright as gw
from ganwright.train import feed

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

ROUNDS, BATCH = 20, 32
SIZES = {"generator.width": 16, "discriminator.width": 16}
R3GAN = {"generator.size": "xs", "discriminator.size": "xs"} | {
    f"{player}_optimiser.decay_kimg": 0.5 for player in ("generator", "discriminator")
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "relativistic": ("relativistic", SIZES),
    "r3gan": ("r3gan", R3GAN),
    "dcgan": ("dcgan", SIZES),
    "mlp": ("mlp", {}),
    "wgan-gp": ("wgan-gp", SIZES),
    "rmsprop": ("mlp-small-minimax", {}),
    "bfloat16": ("relativistic", SIZES | {"train.precision": "bfloat16"}),
    "automatic": (
        "relativistic",
        SIZES
        | {
            "game.gamma.auto": True,
            "game.remedies.lecam": 0.3,
            "game.instance_noise": 0.1,
            "game.instance_noise_kimg": 0.4,
        },
    ),
    "augmented": (
        "relativistic",
        SIZES | {"game.augment.mode": "adaptive", "game.augment.speed_kimg": 2},
    ),
}


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """float32 in full: TF32 rounds to ten bits."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def played(capturing: Any, data: gw.Dataset, case: str, *, capture: bool) -> Any:
    recipe, settings = CASES[case]
    settings = {"train.batch": BATCH} | settings
    trainer, _ = capturing.trainer(data, recipe, settings, capture=capture, device="cuda")
    for _ in range(ROUNDS):
        trainer.means.add(trainer.round())
    assert not capture or trainer.captured.why == ""
    return trainer


@pytest.mark.parametrize("case", list(CASES))
def test_captured_rounds_are_the_rounds_played_call_by_call(
    capturing: Any, noise: gw.Dataset, case: str
) -> None:
    captured = capturing.state(played(capturing, noise, case, capture=True))
    eager = capturing.state(played(capturing, noise, case, capture=False))
    apart = max(
        float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp(min=1))
        for a, b in zip(captured, eager, strict=True)
    )
    assert apart <= 1e-6


@pytest.mark.parametrize("case", list(CASES))
def test_two_captured_runs_end_in_equal_bits(capturing: Any, noise: gw.Dataset, case: str) -> None:
    first, second = (
        capturing.state(played(capturing, noise, case, capture=True)) for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_a_captured_round_never_waits(capturing: Any, noise: gw.Dataset) -> None:
    trainer = played(capturing, noise, "automatic", capture=True)
    torch.cuda.synchronize()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not every waiting call is found
        torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):  # fewer than lie between two marks (train/capture.py)
            trainer.means.add(trainer.round())
    finally:
        torch.cuda.set_sync_debug_mode("default")


RUN = """
import os, signal, sys
import ganwright as gw

class Killer:
    def step(self, trainer, seconds):
        if trainer.seen >= int(sys.argv[2]) > 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def report(self, event, trainer): ...
    def snapshot(self, path, trainer): ...

if __name__ == "__main__":
    settings = dict(pair.split("=", 1) for pair in sys.argv[4:])
    given = {"resume": True} if sys.argv[3] == "resume" else {"recipe": "relativistic", "settings": settings}
    gw.train("digits", out=sys.argv[1], kimg=6, device="cuda", observer=Killer(), **given)
"""


@pytest.mark.parametrize("augment", ["off", "adaptive"])
def test_a_killed_and_resumed_run_ends_in_the_bits_of_one_that_was_not(
    augment: str, tmp_path: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    settings = [
        "generator.width=16", "discriminator.width=16", "train.batch=32", "train.report_kimg=1",
        "train.snapshot_kimg=3", "train.checkpoint_kimg=1", "train.score_features=off",
        "generator_optimiser.decay_kimg=6", "discriminator_optimiser.decay_kimg=6",
        f"game.augment.mode={augment}",
    ]  # fmt: skip

    def run(out: str, kill: int, how: str = "begin") -> int:
        line = [sys.executable, str(script), str(tmp_path / out), str(kill), how, *settings]
        done = subprocess.run(
            line, env=os.environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    assert run("whole", 0) == 0
    assert run("killed", 2500) == -signal.SIGKILL
    assert run("killed", 0, "resume") == 0
    whole, killed = (
        (tmp_path / name / "model" / "model.safetensors").read_bytes()
        for name in ("whole", "killed")
    )
    assert whole == killed


def test_examples_read_ahead_are_those_on_the_card(
    capturing: Any, noise: gw.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = capturing.state(played(capturing, noise, "relativistic", capture=True))
    monkeypatch.setattr(feed, "room", lambda device: 0)
    read = capturing.state(played(capturing, noise, "relativistic", capture=True))
    for a, b in zip(whole, read, strict=True):
        assert torch.equal(a, b)
