"""Freeze-D: the discriminator's first stages stay as they are, the rest learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganwright.base.errors import OptionError
from ganwright.base.spec import Spec
from ganwright.nets import (
    DCGANDiscriminatorOptions,
    LatentSkipDiscriminatorOptions,
    MLPDiscriminatorOptions,
    R3GANDiscriminatorOptions,
    stages_of,
)
from ganwright.train import prepare
from ganwright.train.trainer import Trainer
from ganwright.train.transfer import take

SPEC = Spec(axes=("channel", "height", "width"), shape=(1, 16, 16), classes=("a", "b"))
SMALL: dict[Any, dict[str, Any]] = {
    DCGANDiscriminatorOptions: {"width": 4},
    MLPDiscriminatorOptions: {"widths": (8, 8)},
    LatentSkipDiscriminatorOptions: {"width": 8, "depth": 3},
}
NETS = [(kind, norm) for kind in SMALL for norm in ("none", "batch", "layer", "spectral")]


def built(kind: Any, **settings: Any) -> nn.Module:
    network: nn.Module = kind(**settings).build(SPEC, 8)
    return network


@pytest.mark.parametrize(("kind", "norm"), NETS, ids=str)
def test_stages_are_all_but_the_head_each_once(kind: Any, norm: str) -> None:
    network = built(kind, norm=norm, **SMALL.get(kind, {"width": 8}))
    _partition(network)


def test_stages_of_r3gan() -> None:
    network = built(R3GANDiscriminatorOptions)
    _partition(network)
    assert len(stages_of(network)) == len(network.maps)  # type: ignore[arg-type]


def _partition(network: nn.Module) -> None:
    found = [id(p) for stage in stages_of(network) for p in stage]
    names = {id(p): name for name, p in network.named_parameters()}
    assert len(found) == len(set(found)) and all(stages_of(network))
    left = {name for key, name in names.items() if key not in found}
    above = ("head.", "basis.", "linear.", "stages.active.")  # what follows the last stage
    assert left and all(name.startswith(above) for name in left)


@pytest.mark.parametrize(("kind", "norm"), NETS, ids=str)
def test_stages_go_from_the_input_up(kind: Any, norm: str) -> None:
    """Where a stage's weights are 0, nothing above it can tell two examples apart, and all below can."""
    network = built(kind, norm="none", **SMALL.get(kind, {"width": 8})).eval()
    reached: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: reached.append(name))
    network(torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.long))
    places = {id(p): n.rpartition(".")[0] for n, p in network.named_parameters()}
    order = [[places[id(p)] for p in stage] for stage in stages_of(network)]
    firsts = [min(reached.index(name) for name in stage if name in reached) for stage in order]
    assert firsts == sorted(firsts) and firsts[0] == 0


RUNS: list[tuple[str, dict[str, Any]]] = [
    ("relativistic", {"generator.width": 4, "discriminator.width": 4}),
    ("sngan", {"generator.width": 4, "discriminator.width": 4}),
    ("mlp", {"generator.widths": [8], "discriminator.widths": [8, 8]}),
    ("latent-skip", {"generator.width": 8, "discriminator.width": 8, "discriminator.depth": 2}),
    ("r3gan", {}),
    ("wgan-gp", {"generator.width": 4, "discriminator.width": 4, "game.clip_weights": 0.01}),
]


@pytest.mark.parametrize(("recipe", "settings"), RUNS, ids=[name for name, _ in RUNS])
def test_frozen_stages_stay_and_others_learn(
    tiny: Any, built: Callable[..., Path], recipe: str, settings: dict[str, Any]
) -> None:
    count = 1 if recipe == "r3gan" else 2  # of 8×8 pictures it has few
    decay = {"discriminator_optimiser.weight_decay": 0.1, "train.freeze_d": count}
    prepared = prepare(
        "digits", start_from=built(recipe, **settings), kimg=0.1, device="cpu", settings=decay
    )
    trainer = Trainer(prepared.plan.recipe, prepared.data, "cpu")
    assert prepared.source is not None and prepared.taken is not None
    take(prepared.source, prepared.taken, trainer)
    network = trainer.game.discriminator
    frozen = {id(p) for stage in stages_of(network)[:count] for p in stage}
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for _ in range(2):
        trainer.round()
    for name, parameter in network.named_parameters():
        if (
            id(parameter) in frozen or parameter.dim() > 1
        ):  # some losses leave the head's bias alone
            assert torch.equal(parameter, before[name]) == (id(parameter) in frozen), name
        assert parameter.requires_grad == (id(parameter) not in frozen)


def test_a_run_that_starts_from_nothing_has_nothing_to_freeze(tiny: Any) -> None:
    with pytest.raises(OptionError, match=r"^train.freeze_d: would freeze random .* --from RUN$"):
        tiny.trainer(**{"train.freeze_d": 1})
