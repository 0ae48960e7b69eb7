"""Optimisers, schedules and the average of weights."""

from __future__ import annotations

import math
from typing import get_args, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ganwright.base.errors import OptionError
from ganwright.game import OPTIMISERS, Average, OptimiserOptions, optimiser, set_rate
from ganwright.game.average import decay, tensors
from ganwright.game.schedule import cosine, linear, progress

every_optimiser = pytest.mark.parametrize("kind", list(OPTIMISERS))
few = settings(max_examples=30, deadline=None, derandomize=True)


# Optimisers


def test_every_optimiser_is_an_option() -> None:
    assert list(get_args(get_type_hints(OptimiserOptions)["kind"])) == list(OPTIMISERS)


@every_optimiser
@pytest.mark.parametrize("beta1", [0, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_lowers_a_quadratic(kind: str, beta1: float, dtype: torch.dtype) -> None:
    x = nn.Parameter(torch.tensor([3.0, -2.0], dtype=dtype))
    o = OptimiserOptions(kind=kind, rate=0.05, beta1=beta1)  # type: ignore[arg-type]
    its = optimiser(o, [x])
    for _ in range(200):
        its.zero_grad(set_to_none=True)
        x.square().sum().backward()
        its.step()
    assert float(x.detach().square().sum()) < 0.5  # from 13


def test_the_first_adam_step_has_the_length_of_the_rate() -> None:
    x = nn.Parameter(torch.tensor([3.0, -200.0]))
    its = optimiser(OptimiserOptions(rate=0.01, beta1=0, beta2=0), [x])  # whole numbers, as in TOML
    x.square().sum().backward()
    its.step()
    torch.testing.assert_close(x.detach(), torch.tensor([2.99, -199.99]))


@every_optimiser
def test_weight_decay_pulls_to_zero(kind: str) -> None:
    x = nn.Parameter(torch.tensor([1.0]))
    o = OptimiserOptions(kind=kind, rate=1e-3, weight_decay=0.5)  # type: ignore[arg-type]
    its = optimiser(o, [x])
    x.grad = torch.zeros(1)
    its.step()
    assert 0 < float(x.detach()) < 1


def test_rates_are_set_in_every_group() -> None:
    x, y = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    its = torch.optim.SGD([{"params": [x], "lr": 1.0}, {"params": [y]}], lr=0.5)
    set_rate(its, 0.125)
    assert [group["lr"] for group in its.param_groups] == [0.125, 0.125]


def test_rates_follow_the_schedule() -> None:
    assert OptimiserOptions(rate=0.5).rate_at(10**9) == 0.5
    o = OptimiserOptions(rate=0.5, final_rate=0.1, decay_kimg=2)
    rates = [o.rate_at(seen) for seen in (0, 500, 1000, 2000, 10**6)]
    quarter = 0.1 + 0.4 * (1 + math.sqrt(0.5)) / 2
    assert rates == pytest.approx([0.5, quarter, 0.3, 0.1, 0.1])


def test_a_rate_may_stand_before_it_falls() -> None:
    o = OptimiserOptions(rate=1.0, final_rate=0.0, decay_kimg=1, decay_last=0.4)
    rates = [o.rate_at(seen) for seen in (0, 600, 800, 1000, 2000)]
    assert rates == pytest.approx([1, 1, 0.5, 0, 0])
    assert o.beta2_at(600) == o.beta2


def test_a_decay_to_nowhere_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        optimiser(OptimiserOptions(decay_kimg=5), [nn.Parameter(torch.ones(1))])
    assert str(caught.value) == "decay_kimg: needs a final_rate or final_beta2; got 5 alone"


# Schedules


def test_ends_and_middles() -> None:
    for schedule in (cosine, linear):
        assert schedule(3.0, 1.0, 0, 100) == 3
        assert schedule(3.0, 1.0, 50, 100) == pytest.approx(2)
        assert schedule(3.0, 1.0, 100, 100) == 1
        assert schedule(3.0, 1.0, 10**9, 100) == 1
        assert schedule(3.0, 1.0, 0, 0) == 1  # no length: at the end at once
    assert linear(3.0, 1.0, 25, 100) == pytest.approx(2.5)
    assert cosine(3.0, 1.0, 25, 100) == pytest.approx(2 + math.cos(math.pi / 4))
    assert [progress(seen, 4) for seen in (-1, 0, 1, 4, 5)] == [0, 0, 0.25, 1, 1]


@few
@given(
    base=st.floats(0, 1),
    final=st.floats(0, 1),
    length=st.integers(1, 10**9),
    seen=st.tuples(st.integers(0, 2 * 10**9), st.integers(0, 2 * 10**9)),
)
def test_schedules_never_turn_back(
    base: float, final: float, length: int, seen: tuple[int, int]
) -> None:
    early, late = sorted(seen)
    for schedule in (cosine, linear):
        first, then = schedule(base, final, early, length), schedule(base, final, late, length)
        assert (first - then) * (base - final) >= -1e-12
        assert min(base, final) - 1e-12 <= then <= max(base, final) + 1e-12


# The average


def one(value: float) -> nn.Module:
    network = nn.Linear(2, 2).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def test_half_the_way_after_a_half_life() -> None:
    assert decay(0, 5) == 1
    assert decay(5, 5) == 0.5
    assert decay(15, 5) == 0.125
    assert decay(5, 0) == 0


@few
@given(parts=st.lists(st.integers(1, 500), min_size=1, max_size=8), half_life=st.floats(10, 5000))
def test_only_the_examples_count_not_the_batches(parts: list[int], half_life: float) -> None:
    average, target = Average(one(1.0)), one(3.0)
    for examples in parts:
        average.update(target, examples, half_life)
    expected = 3 - 2 * 0.5 ** (sum(parts) / half_life)
    for parameter in average.network.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, expected))


def test_no_half_life_copies() -> None:
    torch.manual_seed(0)
    average, target = Average(nn.Linear(3, 3)), nn.Linear(3, 3)
    average.update(target, 1, 0.0)
    for mine, other in zip(tensors(average.network), tensors(target), strict=True):
        assert torch.equal(mine, other)


def test_buffers_follow_and_counters_are_copied() -> None:
    torch.manual_seed(0)
    network = nn.BatchNorm1d(2, momentum=None)
    average = Average(network)
    network(torch.randn(64, 2) + 5)
    average.update(network, 10, 10.0)
    mine, other = average.network, network
    assert isinstance(mine, nn.BatchNorm1d)
    assert mine.running_mean is not None and other.running_mean is not None
    torch.testing.assert_close(mine.running_mean, other.running_mean / 2)
    assert mine.num_batches_tracked == other.num_batches_tracked == 1
    assert mine.num_batches_tracked is not other.num_batches_tracked


def test_the_average_is_apart_from_its_network() -> None:
    network = one(1.0)
    average = Average(network)
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    average.update(one(2.0), 1, 0.0)
    assert all((p == 1).all() for p in network.parameters())
    before = [p.clone() for p in network.parameters()]
    average.update(network, 3, 5.0)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
