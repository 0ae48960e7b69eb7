"""Below a chance of 1, samples don't come out augmented: by the mathematics, and by a game."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganwright.base.spec import Spec
from ganwright.game import Augment, AugmentOptions, Batch, Game, GameOptions, PenaltyOptions
from ganwright.modalities.images import augment as part

SIDE = 6


def of(p: float, *operations: str, side: int = SIDE) -> Augment:
    options = AugmentOptions(mode="fixed", operations=operations, p=p, colour_share=1)  # type: ignore[arg-type]
    return Augment.of(
        options, part, Spec(axes=("channel", "height", "width"), shape=(1, side, side))
    )


# Karras et al. 2020a, section 3: T acts on distributions, linearly. Where the operations form a group,
# the eigenvalues of that map are the Fourier coefficients of the distribution of what is drawn; if none
# is 0, the distribution of T(x) tells that of x.


@pytest.mark.parametrize("p", [0.5, 0.8, 1.0])
def test_of_quarter_turns_and_flips_all_but_one_coefficient_is_1_minus_p(p: float) -> None:
    torch.manual_seed(0)
    marked = torch.zeros(20_000, 1, 2, 2)
    marked[:, 0, 0, 0] = 1
    turned = of(p, "rotate90", side=2)(marked).mean(0).flatten()
    by_turn = turned[[0, 1, 3, 2]]  # the corners one after the other
    coefficients = torch.fft.fft(by_turn).abs()
    torch.testing.assert_close(coefficients[1:], torch.full((3,), 1 - p), atol=0.02, rtol=0)
    flipped = of(p, "flip", side=2)(marked).mean(0)[0, 0]
    assert float(flipped[0] - flipped[1]) == pytest.approx(1 - p, abs=0.02)


def test_of_shifts_no_coefficient_is_nought_up_to_the_most_that_p_may_be() -> None:
    torch.manual_seed(0)
    marked = torch.zeros(40_000, 1, 28, 28)
    marked[:, 0, 14, 14] = 1
    least = {}
    for p in (AugmentOptions().most, 1.0):
        spread = of(p, "shift", side=28)(marked).mean(0)[0]
        least[p] = float(torch.fft.fft2(torch.fft.ifftshift(spread)).real.min())
    assert least[0.8] > 0.02 and least[1.0] < -0.1  # in between, a coefficient vanishes


class Makes(nn.Module):
    """Latents to pictures; what a game asks of a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, SIDE**2)
        )  # fmt: skip

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layers(z)).view(-1, 1, SIDE, SIDE)


class Judges(nn.Module):
    mixes_examples = False

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIDE**2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
        )  # fmt: skip

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.layers(x).squeeze(1)


def modes() -> Tensor:
    """An L and a bar on the left: neither is its own mirror image, nor the other's."""
    x = -torch.ones(2, 1, SIDE, SIDE)
    x[0, 0, :, 0] = x[0, 0, -1, :4] = 1
    x[1, 0, 1:3, :2] = 1
    return x


def shares(p: float, seed: int, rounds: int = 70) -> tuple[float, float]:
    """Of samples after a short game with flips at chance p: near a mode, and near a mirrored mode."""
    torch.manual_seed(seed)
    generator, discriminator, truth = Makes(), Judges(), modes()
    adams = [torch.optim.Adam(n.parameters(), 2e-3, (0.0, 0.9)) for n in (generator, discriminator)]
    o = GameOptions(loss="relativistic-paired", penalty=PenaltyOptions(r1=0.3, r2=0.3))
    game = Game(
        o,
        generator,
        discriminator,
        adams[0],
        adams[1],
        lambda n: torch.randn(n, 4),
        augment=of(p, "flip"),
    )
    for _ in range(rounds):
        game.round(lambda: Batch(truth[torch.randint(2, (32,))], None), 0)
    with torch.no_grad():
        made = generator(torch.randn(1000, 4))
    either = torch.cat([truth, truth.flip(3)]).flatten(1)
    nearest = torch.cdist(made.flatten(1), either).argmin(1)
    return float((nearest < 2).double().mean()), float((nearest >= 2).double().mean())


def test_a_game_with_flips_half_the_time_makes_no_mirror_images_and_one_with_all_does() -> None:
    safe = [shares(0.5, seed) for seed in range(2)]
    blind = [shares(1.0, seed) for seed in range(2)]
    assert max(mirrored for _, mirrored in safe) < 0.03
    assert max(mirrored for _, mirrored in blind) > 0.2
    assert math.isclose(sum(safe[0]), 1)
