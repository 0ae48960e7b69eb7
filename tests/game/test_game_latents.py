"""Every latent distribution against its exact law, and as a function of (seed, index)."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args, get_type_hints

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganwright.game import LATENTS, LatentOptions

every_latent = pytest.mark.parametrize("kind", list(LATENTS))
DIM, N = 5, 8000
# The law of one coordinate; one of a point on the sphere of radius √d is a scaled beta.
LAWS = {
    "normal": scipy.stats.norm(),
    "uniform": scipy.stats.uniform(-1, 2),
    "truncated-normal": scipy.stats.truncnorm(-2, 2),
    "hypersphere": scipy.stats.beta(
        (DIM - 1) / 2, (DIM - 1) / 2, loc=-np.sqrt(DIM), scale=2 * np.sqrt(DIM)
    ),
    "bernoulli": scipy.stats.rv_discrete(values=((-1, 1), (0.5, 0.5))),
}


def draw(kind: str, start: int = 0, count: int = N, *, seed: int = 7) -> torch.Tensor:
    return LatentOptions(kind=kind, dim=DIM).draw(seed, start, count)  # type: ignore[arg-type]


def test_every_latent_has_a_law_and_an_option() -> None:
    assert list(LAWS) == list(LATENTS) == list(get_args(get_type_hints(LatentOptions)["kind"]))


@every_latent
def test_the_law_of_a_coordinate(kind: str) -> None:
    z, law = draw(kind).numpy(), LAWS[kind]
    for column in z.T:
        assert column.mean() == pytest.approx(0, abs=5 * law.std() / np.sqrt(N))
        kurtosis = float(law.stats(moments="k")) + 3
        deviation = law.var() * np.sqrt(max(kurtosis - 1, 1e-9) / N)  # of a sample's variance
        assert column.var() == pytest.approx(law.var(), abs=5 * deviation + 1e-3)
        if kind != "bernoulli":
            assert scipy.stats.kstest(column, law.cdf).pvalue > 1e-3


@every_latent
def test_coordinates_do_not_go_together(kind: str) -> None:
    correlation = np.corrcoef(draw(kind).numpy().T) - np.eye(DIM)
    assert np.abs(correlation).max() < 5 / np.sqrt(N)


@every_latent
def test_support(kind: str) -> None:
    z = draw(kind)
    assert z.shape == (N, DIM)
    assert z.dtype == torch.float32
    assert z.isfinite().all()
    if kind == "uniform":
        assert z.abs().max() <= 1
    if kind == "truncated-normal":
        assert z.abs().max() <= 2
    if kind == "bernoulli":
        assert set(z.unique().tolist()) == {-1.0, 1.0}
    if kind == "hypersphere":
        torch.testing.assert_close(z.norm(dim=1), torch.full((N,), DIM**0.5))


@every_latent
@settings(max_examples=10, deadline=None, derandomize=True)
@given(start=st.integers(0, 10**12), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_a_latent_is_the_same_in_any_batch(kind: str, start: int, cuts: list[int]) -> None:
    whole = draw(kind, start, 20)
    ends = [0, *sorted(cuts), 20]
    parts = [draw(kind, start + a, b - a) for a, b in pairwise(ends)]
    assert torch.equal(torch.cat(parts), whole)


@every_latent
def test_seeds_give_different_latents(kind: str) -> None:
    assert not torch.equal(draw(kind, 0, 20, seed=1), draw(kind, 0, 20, seed=2))


@pytest.mark.parametrize("dim", [1, 3, 4, 100])
@every_latent
def test_any_length(kind: str, dim: int) -> None:
    z = LatentOptions(kind=kind, dim=dim).draw(0, 0, 3)  # type: ignore[arg-type]
    assert z.shape == (3, dim)
    assert z.isfinite().all()
