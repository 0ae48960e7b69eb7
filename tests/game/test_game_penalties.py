"""Every row of PENALTIES against closed forms, and its gradient against finite differences."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.game import (
    PENALTIES,
    GameOptions,
    GammaOptions,
    PenaltyOptions,
    check,
    squared_gradient,
)
from ganwright.game.penalties import around, between, clip_weights, half, to_one

every_penalty = pytest.mark.parametrize("name", list(PENALTIES))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def points(name: str, real: Tensor, fake: Tensor) -> Tensor:
    at = PENALTIES[name].at
    x = at(real, fake) if callable(at) else {"real": real, "fake": fake}[at]
    return x.detach().requires_grad_()


def test_every_penalty_has_its_weight_among_the_options() -> None:
    fields = [f.name.replace("_", "-") for f in dataclasses.fields(PenaltyOptions)]
    assert fields == list(PENALTIES)
    assert PenaltyOptions().weights() == {}
    assert PenaltyOptions(dragan=3).weights() == {"dragan": 3.0}


@every_penalty
def test_a_linear_discriminator_has_one_slope_everywhere(name: str) -> None:
    slope = torch.randn(3, 4, dtype=torch.float64)
    real, fake = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    x = points(name, real, fake)
    squared = squared_gradient((x * slope).flatten(1).sum(1), x)
    length = float(slope.norm())
    expected = length**2 / 2 if name in ("r1", "r2") else (length - 1) ** 2
    np.testing.assert_allclose(PENALTIES[name].value(squared).detach(), expected, rtol=1e-9)


@every_penalty
def test_a_quadratic_discriminator_has_the_slope_of_its_point(name: str) -> None:
    real, fake = torch.randn(2, 6, 3, dtype=torch.float64)
    x = points(name, real, fake)
    squared = squared_gradient(x.square().sum(1) / 2, x)  # ∇(‖x‖²/2) = x
    torch.testing.assert_close(squared, x.square().sum(1))
    if name == "r1":
        torch.testing.assert_close(squared, real.square().sum(1))
    if name == "r2":
        torch.testing.assert_close(squared, fake.square().sum(1))


def small_net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.SiLU(), nn.Linear(4, 1))


@every_penalty
def test_second_derivatives_by_finite_differences(name: str) -> None:
    network = small_net().double()
    x = points(name, *torch.randn(2, 4, 3, dtype=torch.float64))

    def penalty() -> Tensor:
        squared = squared_gradient(network(x).squeeze(1), x)
        return PENALTIES[name].value(squared).mean()

    found = torch.autograd.grad(penalty(), list(network.parameters()), allow_unused=True)
    step = 1e-5
    for parameter, gradient in zip(network.parameters(), found, strict=True):
        flat = parameter.data.view(-1)
        for i in range(flat.numel()):
            before = float(flat[i])
            values = []
            for moved in (before + step, before - step):
                flat[i] = moved
                values.append(float(penalty().detach()))
            flat[i] = before
            expected = (values[0] - values[1]) / (2 * step)
            got = 0.0 if gradient is None else float(gradient.view(-1)[i])
            assert got == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_each_example_has_a_gradient_of_its_own() -> None:
    network = small_net().double()
    x = torch.randn(5, 3, dtype=torch.float64)

    def squared(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return squared_gradient(network(x).squeeze(1), x).detach()

    together = squared(x)
    apart = torch.cat([squared(row[None]) for row in x])
    torch.testing.assert_close(together, apart)
    other = x.clone()
    other[2] += 1
    changed = squared(other) != together
    assert changed.tolist() == [False, False, True, False, False]


def test_between_lies_on_each_pair_s_own_line() -> None:
    real, fake = torch.zeros(4000, 2, 3), torch.ones(4000, 2, 3)
    x = between(real, fake)
    share = x[:, 0, 0]
    assert torch.equal(x, share[:, None, None].expand_as(x))  # one share for a whole example
    assert len(share.unique()) > 3900  # and another for the next
    assert 0 <= float(share.min()) <= float(share.max()) <= 1
    assert float(share.mean()) == pytest.approx(0.5, abs=5 / math.sqrt(12 * 4000))


def test_around_stays_within_half_a_deviation() -> None:
    real = torch.randn(500, 8)
    moved = (around(real, torch.full_like(real, math.nan)) - real) / (0.5 * real.std())
    assert float(moved.min()) >= -1e-5
    assert float(moved.max()) <= 1 + 1e-5
    assert float(moved.mean()) == pytest.approx(0.25, abs=0.05)  # E[αu] of two uniforms


def test_values_of_a_squared_length() -> None:
    squared = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    assert half(squared).tolist() == [0, 0.5, 2]
    assert to_one(squared).tolist() == pytest.approx([1, 0, 1], abs=1e-5)


def test_a_flat_discriminator_gives_no_nan() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    weight = torch.zeros(2, requires_grad=True)
    to_one(squared_gradient(x @ weight, x)).mean().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_clipping_bounds_every_weight() -> None:
    network = small_net()
    before = [p.detach().clone() for p in network.parameters()]
    clip_weights(network, 0.1)
    for old, new in zip(before, network.parameters(), strict=True):
        assert torch.equal(new, old.clamp(-0.1, 0.1))


@every_penalty
def test_batch_statistics_and_penalties_exclude_each_other(name: str) -> None:
    o = GameOptions(penalty=PenaltyOptions(**{name.replace("-", "_"): 1.0}))
    discriminator = nn.Identity()
    discriminator.mixes_examples = False
    check(o, nn.Identity(), discriminator)
    discriminator.mixes_examples = True
    check(GameOptions(), nn.Identity(), discriminator)
    with pytest.raises(OptionError) as caught:
        check(o, nn.Identity(), discriminator)
    assert str(caught.value) == (
        f"game.penalty.{name.replace('-', '_')}: needs a discriminator that treats examples one by "
        "one; discriminator.norm must be none, layer or spectral; got 'batch'"
    )


@pytest.mark.parametrize(
    ("name", "of"), [("steepness", "auto"), ("speed", "auto"), ("decay_kimg", "final")]
)
def test_what_would_not_move_gamma_is_refused(name: str, of: str) -> None:
    gamma = GammaOptions(**{name: 5})  # type: ignore[arg-type]
    o = GameOptions(penalty=PenaltyOptions(r1=1), gamma=gamma)
    discriminator = nn.Identity()
    discriminator.mixes_examples = False
    message = f"^game.gamma.{name}: has no effect without game.gamma.{of}; got 5 alone$"
    with pytest.raises(OptionError, match=message):
        check(o, nn.Identity(), discriminator)
