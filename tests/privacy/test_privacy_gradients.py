"""The door to the real rows: how much one row can add, and what noise lies over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn.functional import softplus

from ganwright.base.errors import OptionError
from ganwright.base.spec import Spec
from ganwright.game import Batch, GameOptions, PenaltyOptions, PrivacyOptions, check
from ganwright.game.privacy import clipped_gradients
from ganwright.game.private import PrivateGame, apart
from ganwright.modalities.tables.nets import TableDiscriminatorOptions, TableGeneratorOptions
from ganwright.modalities.tables.spec import TableSpec
from ganwright.nets import DCGANDiscriminatorOptions, MLPDiscriminatorOptions
from ganwright.train.batches import chosen

SIZES = (7, 3, 12)
POSITIONS = [*np.linspace(0, 1, 6), -1, -1, -1, -1, *np.linspace(0, 1, 12)]
SHARES = np.concatenate([np.full(size, 1 / size) for size in SIZES])
ROWS = TableSpec(
    axes=("choice",),
    shape=(22,),
    choices=SIZES,
    positions=tuple(float(p) for p in POSITIONS),
    shares=tuple(SHARES.tolist()),
)
PICTURES = Spec(axes=("channel", "height", "width"), shape=(1, 4, 4))
LARGER = Spec(axes=("channel", "height", "width"), shape=(1, 8, 8))


def rows(count: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    codes = torch.stack([torch.randint(0, size, (count,), generator=g) for size in SIZES], 1)
    hot = torch.zeros(count, 22)
    return hot.scatter_(1, codes + torch.tensor([0, 7, 10]), 1.0)


def brute(network: nn.Module, x: Tensor, condition: Tensor | None) -> list[dict[str, Tensor]]:
    """The gradient of each row by itself."""
    weights = {name: p.detach() for name, p in network.named_parameters()}

    def value(p: dict[str, Tensor], one: Tensor, told: Any) -> Tensor:
        return softplus(-functional_call(network, p, (one[None], told)))[0]

    return [
        grad(value)(weights, x[i], None if condition is None else condition[i : i + 1])
        for i in range(len(x))
    ]


@pytest.mark.parametrize("kind", ["table", "table-symbols", "mlp"])
def test_clipped_gradients_are_those_of_rows_taken_one_by_one(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "mlp":
        network = MLPDiscriminatorOptions(widths=(16, 8)).build(PICTURES, 4)
        x, condition = torch.randn(9, 1, 4, 4), None
    else:
        hats = 5 if kind == "table" else 0
        network = TableDiscriminatorOptions(width=16, hats=hats).build(ROWS, 4)
        x, condition = rows(9), torch.full((9, 3), -1)
    found = brute(network, x, condition)
    lengths = torch.stack(
        [sum(g.square().sum() for g in one.values()).sqrt() for one in found]  # type: ignore[union-attr]
    )
    bound = float(lengths.median())
    got, told = clipped_gradients(network, lambda: softplus(-network(x, condition)), bound)
    assert torch.allclose(told, lengths, rtol=1e-5)
    shares = (bound / lengths).clamp(max=1).tolist()
    for (name, _), summed in zip(network.named_parameters(), got, strict=True):
        wanted = sum(g[name] * s for g, s in zip(found, shares, strict=True))
        assert torch.allclose(summed, torch.as_tensor(wanted), atol=1e-6)


def game(noise: float = 1.0, rate: float = 0.0, **more: Any) -> PrivateGame:
    torch.manual_seed(0)
    generator = TableGeneratorOptions(width=16, whole=True).build(ROWS, 4)
    discriminator = TableDiscriminatorOptions(width=16).build(ROWS, 4)
    return PrivateGame(
        options=GameOptions(privacy=PrivacyOptions(noise=noise, **more)),
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=torch.optim.SGD(generator.parameters(), lr=0.1),
        discriminator_optimiser=torch.optim.SGD(discriminator.parameters(), lr=rate),
        latents=lambda n: torch.randn(n, 4),
        rows=8,
        shares=torch.tensor(SHARES, dtype=torch.float32),
    )


def real(count: int, seed: int = 0) -> Batch:
    return Batch(rows(count, seed), torch.full((count, 3), -1))


def after(played: PrivateGame, batch: Batch) -> list[Tensor]:
    torch.manual_seed(1)
    played.round(lambda: batch, 0)
    return [p.detach().clone() for p in played.generator.parameters()]


def test_the_generator_meets_no_real_row() -> None:
    # the discriminator keeps its weights, so nothing of the real rows may come through
    first, second = after(game(), real(6, seed=1)), after(game(), real(6, seed=2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_no_row_adds_more_than_the_bound_and_the_noise_is_what_was_said() -> None:
    def gradient(batch: Batch, noise: float, seed: int = 1) -> Tensor:
        played = game(noise=noise, clip=0.25)
        torch.manual_seed(seed)
        fakes = rows(8, seed=5)
        played._private_step(batch, Batch(torch.empty(8, 0), torch.full((8, 3), -1)), fakes, 0.0)
        return torch.cat([p.grad.flatten() for p in played.discriminator.parameters()])  # type: ignore[union-attr]

    tiny = 1e-9
    none = gradient(real(0), tiny)
    one = gradient(real(1), tiny)
    assert 0 < float((one - none).norm()) * 8 <= 0.25 * (1 + 1e-5)
    many = torch.cat([gradient(real(0), 2.0, seed) - none for seed in range(20)])
    assert float(many.std()) == pytest.approx(2.0 * 0.25 / 8, rel=0.03)
    assert abs(float(many.mean())) < 0.002


def test_what_is_told_of_a_round_is_nothing_of_real_rows() -> None:
    result = game().round(lambda: real(3), 0)
    assert result.real_logit is None and result.discriminator_loss is None
    assert result.nll is None and result.generator_loss is not None


def test_the_pull_to_shares_is_pearsons_distance() -> None:
    fakes = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    wanted = 0.25**2 / 0.75 * 2  # (¾ − ½)² / (½ + ¼), of both codes
    assert float(apart(fakes, torch.tensor([0.5, 0.5]))) == pytest.approx(wanted)


def test_rows_are_chosen_each_with_the_same_chance_by_itself() -> None:
    found = [chosen(1000, 0.03, seed) for seed in range(400)]
    sizes = np.array([len(f) for f in found])
    assert sizes.mean() == pytest.approx(30, abs=1.0)
    assert sizes.var() == pytest.approx(30 * 0.97, rel=0.25)  # a binomial's, not 0
    assert np.bincount(np.concatenate(found), minlength=1000).max() < 12 + 6 * math.sqrt(12)


PRIVATE = PrivacyOptions(noise=1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            GameOptions(privacy=PRIVATE, loss="relativistic-paired"),
            "game.loss: relativistic-paired",
        ),
        (GameOptions(privacy=PRIVATE, likelihood=1), "game.likelihood: shows real rows"),
        (GameOptions(privacy=PRIVATE, penalty=PenaltyOptions(r1=1)), "game.penalty.r1: has no"),
    ],
)
def test_what_would_look_at_real_rows_is_refused(options: GameOptions, said: str) -> None:
    played = game()
    with pytest.raises(OptionError, match=said):
        check(options, played.generator, played.discriminator)


def test_a_generator_that_is_given_real_cells_is_refused() -> None:
    played = game()
    filler = TableGeneratorOptions(width=16).build(ROWS, 4)
    with pytest.raises(OptionError, match=r"generator\.whole=true"):
        check(played.options, filler, played.discriminator)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (TableDiscriminatorOptions(pack=2).build(ROWS, 4), r"discriminator\.pack=1"),
        (MLPDiscriminatorOptions(norm="batch").build(PICTURES, 4), "no batch norm"),
        (MLPDiscriminatorOptions(norm="layer").build(PICTURES, 4), "has a LayerNorm"),
        (DCGANDiscriminatorOptions(width=4).build(LARGER, 4), "has a Conv2d"),
    ],
)  # fmt: skip
def test_a_discriminator_without_gradients_row_by_row_is_refused(
    network: nn.Module, said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        check(GameOptions(privacy=PRIVATE), nn.Identity(), network)


def test_a_whole_generator_asks_no_cell_and_keeps_what_is_known() -> None:
    torch.manual_seed(0)
    made = TableGeneratorOptions(width=16, whole=True).build(ROWS, 4)
    z, known = torch.randn(5, 4), torch.tensor([[3, -1, 2]] * 5)
    assert torch.equal(made.predict(z, known), made.predict(z, torch.full_like(known, -1)))
    assert bool((made.condition(torch.zeros(5, 3), None) < 0).all())
    drawn = made.sample(z, known, torch.rand(5, 3))
    assert bool((drawn[:, [0, 2]] == known[:, [0, 2]]).all()) and bool((drawn >= 0).all())
