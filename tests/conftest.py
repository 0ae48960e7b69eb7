"""Axis names are checked under test, data are decoded once a session, and torch has one thread.

`tiny` makes runs of a quarter of a second; `digits_run` is one of them, to read from only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# The hook takes its checker by name, and an int must do where a float is asked for. It must be
# there before anything imports the room.
checker = ModuleType("checker_of_axes")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[checker.__name__] = checker
install_import_hook("ganwright.game", f"{checker.__name__}.check")

import torch  # noqa: E402

import ganwright as gw  # noqa: E402
from ganwright.train import Run, plan, prepare  # noqa: E402
from ganwright.train.trainer import Trainer  # noqa: E402

BATCH = 16
EVERY: dict[str, Any] = {  # each at its own pace, and none a multiple of the batch
    "train.report_kimg": 0.05,
    "train.snapshot_kimg": 0.11,
    "train.checkpoint_kimg": 0.07,
    "train.batch": BATCH,
}
NARROW = {"generator.width": 4, "discriminator.width": 4}
SMALL: dict[str, dict[str, Any]] = {
    # Of a length of its own: what lasts as long as the run is another for each length of run.
    "relativistic": NARROW
    | {f"{who}_optimiser.decay_kimg": 0.2 for who in ("generator", "discriminator")},
    "dcgan": NARROW,
    "sngan": NARROW,
    "lsgan": NARROW,
    "wgan-gp": NARROW | {"game.discriminator_steps": 3},
    "mlp": {
        "generator.widths": [16, 16],
        "discriminator.widths": [16, 16],
        "game.labels.flip": 0.1,
        "game.instance_noise": 0.2,
        "game.instance_noise_kimg": 0.15,
        "generator_optimiser.final_rate": 1e-5,
        "generator_optimiser.decay_kimg": 0.2,
    },
}


class Watcher:
    """An observer that calls `act(trainer)` after every round."""

    def __init__(self, act: Callable[[Trainer], None] = lambda trainer: None) -> None:
        self.act = act
        self.events: list[dict[str, Any]] = []
        self.snapshots: list[Path] = []

    def step(self, trainer: Trainer, seconds: float) -> None:
        self.act(trainer)

    def report(self, event: dict[str, Any], trainer: Trainer) -> None:
        self.events.append(event)

    def snapshot(self, path: Path, trainer: Trainer) -> None:
        self.snapshots.append(path)


class Tiny:
    """Runs on digits with nets of a few hundred weights."""

    Watcher = Watcher
    batch = BATCH
    every = EVERY
    small = SMALL

    @staticmethod
    def run(out: Path, name: str = "relativistic", *, kimg: float | None = 0.2, **rest: Any) -> Run:
        """A run by `gw.train`; `settings` come on top of the tiny ones."""
        settings = EVERY | SMALL[name] | rest.pop("settings", {})
        return gw.train("digits", recipe=name, out=out, kimg=kimg, settings=settings, **rest)

    @staticmethod
    def trainer(name: str = "relativistic", **settings: Any) -> Trainer:
        """A trainer as a run would have it, without a run."""
        chosen = EVERY | SMALL[name] | settings
        prepared = prepare("digits", recipe=name, kimg=0.2, device="cpu", settings=chosen)
        return Trainer(prepared.plan.recipe, prepared.data, "cpu")

    @staticmethod
    def weights(run: Path) -> bytes:
        """The artefact's weights, every bit of them."""
        return (run / "model" / "model.safetensors").read_bytes()

    @staticmethod
    def tree(folder: Path) -> dict[str, bytes | None]:
        """Everything under a folder, to compare before and after."""
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Makes tiny runs, without measuring their speed first."""
    monkeypatch.setattr(plan, "measure", lambda trainer: 1000.0)
    return Tiny()


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run with classes. For reading only."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "measure", lambda trainer: 1000.0)
        return Tiny.run(out).path
