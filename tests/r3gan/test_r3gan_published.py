"""Larger images: R3GAN's published schedules by name, and stages that are computed twice to save memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ganwright as gw
from ganwright.base.options import override
from ganwright.base.spec import Spec
from ganwright.nets import R3GANDiscriminatorOptions, R3GANGeneratorOptions
from ganwright.nets.r3gan import stages
from ganwright.train import RECIPES
from ganwright.train.ram import peak_bytes
from ganwright.train.trainer import Trainer

WIDTHS = {  # channels from 4×4 up; of 128 by the same rule
    64: [768, 768, 768, 768, 384],
    128: [768, 768, 768, 768, 384, 192],
    256: [768, 768, 768, 768, 384, 192, 96],
}
END = 20_000_000  # images, when every schedule has ended


@pytest.mark.parametrize(("side", "gamma"), [(64, 2.0), (256, 150.0)])
def test_as_published(side: int, gamma: float) -> None:
    """Huang et al. 2024, table 9, and the released presets of FFHQ."""
    recipe = RECIPES[f"r3gan-{side}"].make()
    assert recipe.train.batch == 256 and recipe.latent.dim == 64
    assert recipe.game.loss == "relativistic-paired"
    assert recipe.game.penalty.weights() == {"r1": gamma, "r2": gamma}
    assert recipe.game.gamma.share(0) == 1
    assert recipe.game.gamma.share(END) == pytest.approx(0.1)
    for o in (recipe.generator_optimiser, recipe.discriminator_optimiser):
        assert o.kind == "adam" and o.beta1 == 0
        assert (o.rate_at(0), o.beta2_at(0)) == (2e-4, 0.9)
        assert (o.rate_at(END), o.beta2_at(END)) == pytest.approx((5e-5, 0.99))
        assert o.rate_at(END // 2) == pytest.approx((2e-4 + 5e-5) / 2)
    assert recipe.train.half_life_at(0) == 0
    assert recipe.train.half_life_at(END // 2) == pytest.approx(250_000)
    assert recipe.train.half_life_at(END) == pytest.approx(500_000)
    assert (recipe.game.augment.mode, recipe.game.augment.p) == ("scheduled", 0.3)
    assert recipe.game.augment.p_kimg * 1000 == END


def test_what_is_not_published_lies_between() -> None:
    at = {side: RECIPES[f"r3gan-{side}"].make().game.penalty.r1 for side in (64, 128, 256)}
    assert at[128] == pytest.approx((at[64] * at[256]) ** 0.5, rel=0.02)


@pytest.mark.parametrize("side", WIDTHS)
def test_published_widths(side: int) -> None:
    recipe = RECIPES[f"r3gan-{side}"].make()
    for o in (recipe.generator, recipe.discriminator):
        maps, patch = stages(o, side, side)  # type: ignore[arg-type]
        assert patch == 1 and o.group == 16  # type: ignore[union-attr]
        assert [at.channels for at in maps] == WIDTHS[side]
        assert [at.blocks for at in maps] == [2] * len(maps)
        assert maps[0].height == 4


# --- stages computed twice -----------------------------------------------------------------------

SPEC = Spec(axes=("channel", "height", "width"), shape=(3, 32, 32), classes=())
SMALL: dict[str, Any] = {"widths": (16,), "blocks": (2,), "patch": 1}


def nets(recompute: bool) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    found = [
        o(**SMALL, recompute=recompute).build(SPEC, 4)
        for o in (R3GANGeneratorOptions, R3GANDiscriminatorOptions)
    ]
    with torch.no_grad():
        for weight in (w for net in found for w in net.parameters()):
            weight.add_(0.05 * torch.randn_like(weight))  # some begin at nought
    return found[0], found[1]


def learn(recompute: bool, held: list[Any]) -> Tensor:
    generator, discriminator = nets(recompute)
    torch.manual_seed(1)
    latents = torch.randn(8, 4)

    def step() -> None:
        discriminator(generator(latents)).square().mean().backward()

    weights = [*generator.parameters(), *discriminator.parameters()]
    held.append(peak_bytes(step, torch.device("cpu"), weights))
    return torch.cat([w.grad.flatten() for w in weights if w.grad is not None])


def test_equal_gradients_in_less_memory() -> None:
    peaks: list[int] = []
    kept, again = learn(False, peaks), learn(True, peaks)
    torch.testing.assert_close(again, kept, rtol=1e-6, atol=1e-7)
    assert peaks[1] < 0.6 * peaks[0]


@pytest.mark.parametrize("settings", [{}, {"train.microbatch": 4}], ids=["whole", "accumulated"])
def test_rounds_with_the_penalty_are_equal(
    tmp_path: Path, tiny: Any, settings: dict[str, Any]
) -> None:
    shape = (32, 32, 32, 3)
    path = tmp_path / "noise.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    data, found = gw.open_data(path), []
    for recompute in (False, True):
        both = {f"{net}.recompute": recompute for net in ("generator", "discriminator")}
        recipe = override(
            RECIPES["r3gan"].make(),
            {"train.batch": 8, "train.precision": "float32", **both, **settings},
        )
        trainer = Trainer(recipe, data, "cpu")
        for _ in range(3):
            trainer.round()
        assert trainer.game.fused  # no double backpropagation in either
        players = (trainer.game.generator, trainer.game.discriminator)
        found.append(torch.cat([w.flatten() for net in players for w in net.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-6)
