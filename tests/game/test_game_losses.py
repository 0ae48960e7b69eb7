"""Mathematical facts about every row of LOSSES, against oracles written out in numpy."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.game import LOSSES, GameOptions, LabelOptions, Targets, check

every_loss = pytest.mark.parametrize("name", list(LOSSES))
few = settings(max_examples=20, deadline=None, derandomize=True)
logits = arrays(np.float64, 5, elements=st.floats(-20, 20))
PLAIN = Targets()


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + eˣ), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def entropy(x: np.ndarray, target: float) -> np.ndarray:
    """Cross entropy of σ(x) against a target, from its definition."""
    return target * softplus(-x) + (1 - target) * softplus(x)


# The discriminator's and the generator's loss of (real, fake, target of real, target of fake).
ORACLES = {
    "minimax": (
        lambda r, f, a, b: entropy(r, a) + entropy(f, b),
        lambda r, f: -softplus(f),
    ),
    "non-saturating": (
        lambda r, f, a, b: entropy(r, a) + entropy(f, b),
        lambda r, f: entropy(f, 1),
    ),
    "least-squares": (
        lambda r, f, a, b: 0.5 * (r - a) ** 2 + 0.5 * (f - b) ** 2,
        lambda r, f: 0.5 * (f - 1) ** 2,
    ),
    "wasserstein": (lambda r, f, a, b: f - r, lambda r, f: -f),
    "hinge": (
        lambda r, f, a, b: np.maximum(0, 1 - r) + np.maximum(0, 1 + f),
        lambda r, f: -f,
    ),
    "relativistic-paired": (
        lambda r, f, a, b: entropy(r - f, 1),
        lambda r, f: entropy(f - r, 1),
    ),
    "relativistic-average": (
        lambda r, f, a, b: entropy(r - f.mean(), 1) + entropy(f - r.mean(), 0),
        lambda r, f: entropy(f - r.mean(), 1) + entropy(r - f.mean(), 0),
    ),
}


def told(name: str, real: Tensor, fake: Tensor, targets: Targets = PLAIN) -> Tensor:
    return LOSSES[name].discriminator(real, fake, targets)


def gradients(value: Tensor, *of: Tensor) -> list[Tensor]:
    return [torch.zeros_like(x) if g is None else g for x, g in _pairs(value, of)]


def _pairs(value: Tensor, of: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor | None]]:
    return list(zip(of, torch.autograd.grad(value.sum(), of, allow_unused=True), strict=True))


def leaf(values: object, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=dtype).clone().requires_grad_()


def test_every_loss_has_an_oracle_and_an_option() -> None:
    assert list(ORACLES) == list(LOSSES)
    assert list(get_args(get_type_hints(GameOptions)["loss"])) == list(LOSSES)


@every_loss
@few
@given(real=logits, fake=logits, a=st.floats(0.6, 1), b=st.floats(0, 0.4))
def test_values_are_those_of_the_equations(
    name: str, real: np.ndarray, fake: np.ndarray, a: float, b: float
) -> None:
    told_oracle, made_oracle = ORACLES[name]
    r, f = torch.from_numpy(real), torch.from_numpy(fake)
    a, b = (a, b) if LOSSES[name].targets else (1.0, 0.0)
    found = told(name, r, f, Targets(a, b)).numpy()
    # torch takes softplus for linear above 20, which is off by e⁻²⁰ = 2e-9
    np.testing.assert_allclose(found, told_oracle(real, fake, a, b), rtol=1e-12, atol=5e-9)
    made = LOSSES[name].generator(f, r).numpy()
    np.testing.assert_allclose(made, made_oracle(real, fake), rtol=1e-12, atol=5e-9)


@every_loss
def test_one_value_per_example(name: str) -> None:
    real, fake = torch.randn(7), torch.randn(7)
    assert told(name, real, fake).shape == (7,)
    assert LOSSES[name].generator(fake, real).shape == (7,)


@every_loss
@few
@given(real=logits, fake=logits)
def test_signs_of_gradients(name: str, real: np.ndarray, fake: np.ndarray) -> None:
    """D never loses by a higher real or a lower fake; G never loses by a higher fake."""
    r, f = leaf(real), leaf(fake)
    if name == "least-squares":  # a parabola: monotone on this side of its targets only
        r, f = leaf(-np.abs(real)), leaf(-np.abs(fake))
    real_slope, fake_slope = gradients(told(name, r, f), r, f)
    assert (real_slope <= 1e-12).all()
    if name == "least-squares":
        f = leaf(np.abs(fake))
        (fake_slope,) = gradients(told(name, r, f), f)
    assert (fake_slope >= -1e-12).all()
    f = leaf(-np.abs(fake)) if name == "least-squares" else leaf(fake)
    (made_slope,) = gradients(LOSSES[name].generator(f, r), f)
    assert (made_slope <= 1e-12).all()


@every_loss
def test_the_generator_always_has_a_direction_at_moderate_logits(name: str) -> None:
    r, f = leaf(np.linspace(-3, 3, 7)), leaf(np.linspace(-3, 0.9, 7))
    (slope,) = gradients(LOSSES[name].generator(f, r), f)
    assert (slope < -1e-3).all()


@every_loss
@few
@given(real=logits, fake=logits)
def test_only_relative_losses_show_the_generator_real_logits(
    name: str, real: np.ndarray, fake: np.ndarray
) -> None:
    r, f = torch.from_numpy(real), torch.from_numpy(fake)
    same = torch.equal(LOSSES[name].generator(f, r), LOSSES[name].generator(f, r + 1))
    assert same != LOSSES[name].relative or LOSSES[name].generator(f, r).max() < 1e-6


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_finite_with_finite_gradients(name: str, dtype: torch.dtype, size: float) -> None:
    r, f = leaf([size, size, -size, -size], dtype), leaf([size, -size, size, -size], dtype)
    for value in (told(name, r, f), LOSSES[name].generator(f, r)):
        assert value.isfinite().all()
        assert all(g.isfinite().all() for g in gradients(value, r, f))


@every_loss
def test_gradients_agree_with_finite_differences(name: str) -> None:
    torch.manual_seed(0)
    r, f = leaf(torch.randn(6) * 3), leaf(torch.randn(6) * 3)
    targets = Targets(0.9, 0.1) if LOSSES[name].targets else PLAIN
    assert torch.autograd.gradcheck(lambda r, f: told(name, r, f, targets), (r, f))
    assert torch.autograd.gradcheck(lambda f, r: LOSSES[name].generator(f, r), (f, r))


def best_logit(name: str, p_data: float, p_fake: float, targets: Targets) -> float:
    """The logit that minimises p_data·(real part) + p_fake·(fake part), by ternary search."""

    def value(x: float) -> float:
        at, aside = torch.tensor([x], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        real = told(name, at, aside, targets) - told(name, aside, aside, targets)
        fake = told(name, aside, at, targets) - told(name, aside, aside, targets)
        return float(p_data * real + p_fake * fake)

    low, high = -30.0, 30.0
    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if value(a) < value(b) else (a, high)
    return (low + high) / 2


@pytest.mark.parametrize(("p_data", "p_fake"), [(0.5, 0.5), (0.9, 0.1), (0.2, 0.7)])
@pytest.mark.parametrize("smooth", [1.0, 0.9])
def test_the_best_discriminators(p_data: float, p_fake: float, smooth: float) -> None:
    targets = Targets(smooth, 0.0)
    for name in ("minimax", "non-saturating"):  # Goodfellow et al. 2014, proposition 1
        share = smooth * p_data / (p_data + p_fake)
        logit = np.log(share / (1 - share))
        assert best_logit(name, p_data, p_fake, targets) == pytest.approx(logit, abs=1e-6)
    square = smooth * p_data / (p_data + p_fake)  # Mao et al. 2017, equation 5
    assert best_logit("least-squares", p_data, p_fake, targets) == pytest.approx(square, abs=1e-6)
    hinge = best_logit("hinge", p_data, p_fake, PLAIN)
    assert hinge == pytest.approx(np.sign(p_data - p_fake), abs=1e-6) or p_data == p_fake


def test_values_where_both_players_are_equal() -> None:
    zero = torch.zeros(3, dtype=torch.float64)
    expected = {
        "minimax": 2 * np.log(2),
        "non-saturating": 2 * np.log(2),
        "least-squares": 0.5,
        "wasserstein": 0,
        "hinge": 2,
        "relativistic-paired": np.log(2),
        "relativistic-average": 2 * np.log(2),
    }
    assert {name: float(told(name, zero, zero)[0]) for name in LOSSES} == pytest.approx(expected)


def test_minimax_saturates_where_its_replacement_pulls() -> None:
    f = leaf([-20.0])
    slope = {n: float(gradients(LOSSES[n].generator(f, f), f)[0]) for n in LOSSES}
    assert -1e-8 < slope["minimax"] < 0
    assert slope["non-saturating"] == pytest.approx(-1, abs=1e-8)
    f = leaf(np.linspace(-30, 30, 61))  # yet both are lower the higher the logit: one optimum
    for name in ("minimax", "non-saturating"):
        assert (LOSSES[name].generator(f, f).diff() < 0).all()


def test_hinge_is_flat_beyond_its_margins() -> None:
    r, f = leaf([1.5, 30.0]), leaf([-1.5, -30.0])
    value = told("hinge", r, f)
    assert (value == 0).all()
    assert all((g == 0).all() for g in gradients(value, r, f))


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].relative])
@few
@given(real=logits, fake=logits, shift=st.floats(-50, 50))
def test_relativistic_losses_compare_only(
    name: str, real: np.ndarray, fake: np.ndarray, shift: float
) -> None:
    r, f = torch.from_numpy(real), torch.from_numpy(fake)
    torch.testing.assert_close(told(name, r, f), told(name, r + shift, f + shift))
    generator = LOSSES[name].generator
    torch.testing.assert_close(generator(f, r), generator(f + shift, r + shift))
    # Swapping real and fake turns one player's loss into the other's.
    torch.testing.assert_close(told(name, f, r), generator(f, r))


def test_wasserstein_is_linear() -> None:
    r, f = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(told("wasserstein", 3 * r, 3 * f), 3 * told("wasserstein", r, f))
    assert torch.equal(told("wasserstein", r, r), torch.zeros(5))


# Targets


def test_plain_targets_are_one_and_zero() -> None:
    assert LabelOptions().draw(torch.zeros(4)) == Targets(1.0, 0.0)
    assert LabelOptions(real=0.9).draw(torch.zeros(4)) == Targets(0.9, 0.0)


@pytest.mark.parametrize("flip", [0.05, 0.3])
def test_flips_come_with_their_share(flip: float) -> None:
    torch.manual_seed(0)
    n = 20_000
    real, fake = LabelOptions(real=0.9, fake=0.1, flip=flip).draw(torch.zeros(n))
    for target, kept, other in ((real, 0.9, 0.1), (fake, 0.1, 0.9)):
        swapped = int((target == torch.tensor(other)).sum())
        assert swapped + int((target == torch.tensor(kept)).sum()) == n
        assert abs(swapped - n * flip) < 5 * np.sqrt(n * flip * (1 - flip))
    both = ((real < 0.5) & (fake > 0.5)).sum()  # real and fake are flipped independently
    assert abs(int(both) - n * flip**2) < 5 * np.sqrt(n) * flip


def test_flips_follow_the_seed_and_the_precision_of_the_logits() -> None:
    o, like = LabelOptions(real=0.9, flip=0.2), torch.zeros(50, dtype=torch.float64)
    torch.manual_seed(3)
    first = o.draw(like)
    torch.manual_seed(3)
    assert all(torch.equal(a, b) for a, b in zip(first, o.draw(like), strict=True))
    assert set(first.real.tolist()) == {0.9, 0.0}


@every_loss
@pytest.mark.parametrize("labels", [{"real": 0.9}, {"fake": 0.1}, {"flip": 0.1}])
def test_labels_only_where_there_are_targets(name: str, labels: dict[str, float]) -> None:
    discriminator = nn.Identity()
    discriminator.mixes_examples = False
    o = GameOptions(loss=name, labels=LabelOptions(**labels))  # type: ignore[arg-type]
    if LOSSES[name].targets:
        check(o, nn.Identity(), discriminator)
        return
    with pytest.raises(OptionError) as caught:
        check(o, nn.Identity(), discriminator)
    assert str(caught.value) == (
        f"game.labels: the {name} loss has no targets to smooth or flip; "
        "those that have: minimax, non-saturating, least-squares"
    )
