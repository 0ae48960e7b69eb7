"""Neighbourhood scores against prdc and brute force; Vendi; known modes."""

from __future__ import annotations

import math

import numpy as np
import prdc
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from ganwright.base.errors import DataError, OptionError
from ganwright.evaluate import (
    FeatureMatrix,
    Manifold,
    class_coverage,
    grid,
    kl_floor,
    mode_coverage,
    neighbourhood,
    ring,
    stacked_labels,
    vendi,
)
from ganwright.evaluate import neighbours as search

rng = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def _own_numbers() -> None:
    """Each test draws from the start: what it sees must not depend on which ran before."""
    rng.bit_generator.state = np.random.default_rng(2).bit_generator.state


def outside(a: np.ndarray, b: np.ndarray, k: int) -> list[float]:
    found = prdc.compute_prdc(a, b, k)
    return [float(found[name]) for name in ("precision", "recall", "density", "coverage")]


def ours(a: object, b: object, k: int, closed: bool = False) -> list[float]:
    found = neighbourhood(a, b, k_precision=k, k_density=k, closed=closed)  # type: ignore[arg-type]
    return [found.precision, found.recall, found.density, found.coverage]


def by_force(a: np.ndarray, b: np.ndarray, k: int, closed: bool) -> list[float]:
    def radii(x: np.ndarray) -> np.ndarray:
        return np.sort(cdist(x, x), 1)[:, k]

    less = np.less_equal if closed else np.less
    across = cdist(a, b)
    real, fake = less(across, radii(a)[:, None]), less(across, radii(b)[None])
    return [
        real.any(0).mean(),
        fake.any(1).mean(),
        real.sum(0).mean() / k,
        less(across.min(1), radii(a)).mean(),
    ]


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("size", [(300, 200, 3), (300, 400, 80), (1500, 1100, 40), (60, 50, 600)])
def test_equals_prdc(
    size: tuple[int, int, int], k: int, capsys: pytest.CaptureFixture[str]
) -> None:
    n, m, d = size
    a, b = rng.standard_normal((n, d)), rng.standard_normal((m, d)) * 0.9 + 0.1
    assert_allclose(ours(a, b, k), outside(a, b, k), rtol=1e-4)
    short = a.astype(np.float32), b.astype(np.float32)
    assert_allclose(ours(*short, k), outside(*short, k), rtol=1e-3)  # prdc's own float32
    longer = [x.astype(np.float64) for x in short]
    assert_allclose(ours(*short, k), outside(*longer, k), rtol=1e-12)
    assert_array_equal(ours(torch.from_numpy(a), b, k), ours(a, b, k))


@pytest.mark.parametrize("closed", [True, False])
def test_ties_and_duplicates(closed: bool) -> None:
    a = rng.integers(0, 3, (200, 4)).astype(np.float64)
    b = np.concatenate([a[:50], rng.integers(0, 3, (100, 4))])
    assert_allclose(ours(a, b, 3, closed), by_force(a, b, 3, closed), rtol=1e-12)
    wide = [np.tile(x, (1, 30)).astype(np.float32) for x in (a, b)]  # the float32 product
    assert_allclose(ours(*wide, 3, closed), by_force(a, b, 3, closed), rtol=1e-12)


def test_perfect_copies_of_duplicated_data() -> None:
    a = np.repeat(rng.standard_normal((20, 100)).astype(np.float32), 10, 0)
    assert ours(a, a, 3, closed=True)[::3] == [1, 1]
    assert ours(a, a, 3, closed=False)[::3] == [0, 0]


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_tight_clusters_far_away_do_not_cancel(scale: float) -> None:
    centres = rng.standard_normal((5, 100)) * 1000
    a = centres[rng.integers(5, size=300)] + rng.standard_normal((300, 100)) * 0.01
    b = centres[rng.integers(4, size=200)] + rng.standard_normal((200, 100)) * 0.01
    a, b = (a * scale).astype(np.float32), (b * scale).astype(np.float32)
    assert_allclose(ours(a, b, 3), by_force(a.astype(float), b.astype(float), 3, False), rtol=1e-12)


def test_collapse_shows() -> None:
    a = rng.standard_normal((300, 100)).astype(np.float32)
    same = np.repeat(a[:1], 200, 0)
    found = neighbourhood(a, same)
    assert found.precision == 1 and found.recall == 1 / 300 and found.coverage < 0.1
    assert found.intervals()["coverage"].high < 0.2


def test_a_manifold_is_reused() -> None:
    a, b = rng.standard_normal((300, 20)), rng.standard_normal((250, 20))
    real, fake = Manifold(a, k=7), Manifold(b, k=3)
    assert neighbourhood(real, b) == neighbourhood(a, b) == neighbourhood(a, fake)
    assert real.n == 300
    assert_allclose(real.squared_radii(7), np.sort(cdist(a, a, "sqeuclidean"), 1)[:, 7], rtol=1e-10)


def test_does_not_see_order() -> None:
    a, b = rng.standard_normal((300, 70)), rng.standard_normal((250, 70))
    assert neighbourhood(a, b) == neighbourhood(rng.permutation(a), rng.permutation(b))


def test_real_against_real_is_near_one() -> None:
    a, b = rng.standard_normal((2, 1000, 8))
    found = neighbourhood(a, b)
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.02)  # Naeem et al. 2020, equation 10


def test_nearest_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = rng.standard_normal((150, 70)), rng.standard_normal((90, 70))
    monkeypatch.setattr(search, "ROW_BLOCK", 16)
    monkeypatch.setattr(search, "COLUMN_BLOCK", 24)
    monkeypatch.setattr(search, "PAIR_BYTES", 20_000)
    found = search.nearest(FeatureMatrix(a), FeatureMatrix(b), k=4)
    true = cdist(b, a)
    assert_array_equal(found.indices, np.argsort(true, 1)[:, :4])
    assert_allclose(found.distances, np.sort(true, 1)[:, :4], rtol=1e-12)
    own = search.nearest(FeatureMatrix(a), k=149)
    assert_allclose(own.distances, np.sort(cdist(a, a), 1)[:, 1:], rtol=1e-12)
    assert_allclose(ours(a, b, 3), by_force(a, b, 3, False))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])  # the oracle is float64
@pytest.mark.parametrize(("d", "shift"), [(65, 0.0), (2048, 0.0), (2048, 30.0)])
def test_rounding_stays_within_its_bound(d: int, shift: float, dtype: torch.dtype) -> None:
    x = (rng.standard_normal((300, d)) + shift).astype(np.float32)
    rows = FeatureMatrix(x)
    true = torch.from_numpy(cdist(x.astype(float), x.astype(float), "sqeuclidean"))
    for block in search.squared_blocks(rows, rows, torch.zeros(d), dtype=dtype):
        assert ((block.squared - true).abs() <= block.slack).all()


@pytest.mark.parametrize("bfloat", [True, False])
def test_the_answer_does_not_depend_on_the_processor(
    bfloat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "BFLOAT", bfloat)
    clusters = 10 * rng.standard_normal((20, 300))
    a, b = (clusters[rng.integers(20, size=n)] + rng.standard_normal((n, 300)) for n in (500, 400))
    b[:20] = a[:20]
    a, b = a.astype(np.float32), b.astype(np.float32)
    exact = by_force(a.astype(float), b.astype(float), 3, True)
    assert_allclose(ours(a, b, 3, closed=True), exact, rtol=1e-12)


def test_many_undecided_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MANY", 0.0)
    a = np.repeat(rng.standard_normal((30, 100)), 5, 0).astype(np.float32)
    b = a + 1e-4 * rng.standard_normal(a.shape).astype(np.float32)
    exact = by_force(a.astype(float), b.astype(float), 7, True)
    assert_allclose(ours(a, b, 7, closed=True), exact, rtol=1e-12)


def test_refusals() -> None:
    a = rng.standard_normal((20, 5))
    with pytest.raises(DataError, match="real: needs at least 6 rows; got 5"):
        neighbourhood(a[:5], a)
    with pytest.raises(DataError, match="fake: needs at least 4 rows; got 2"):
        neighbourhood(a, a[:2])
    with pytest.raises(DataError, match="differ in width: 5 and 4"):
        neighbourhood(a, a[:, :4])
    with pytest.raises(OptionError, match="k must be at least 1; got 0"):
        neighbourhood(a, a, k_precision=0)
    with pytest.raises(OptionError, match="k must lie between 1 and the manifold's 3; got 5"):
        neighbourhood(Manifold(a, 3), a)
    with pytest.raises(DataError, match="4 nearest neighbours need at least 5 rows; got 4"):
        search.nearest(FeatureMatrix(a[:4]), k=4)


def test_vendi() -> None:
    eye = np.eye(6)
    assert vendi(eye) == pytest.approx(6)
    assert vendi(eye[np.arange(60) % 3]) == pytest.approx(3)
    assert vendi(np.repeat(eye[:1], 9, 0)) == pytest.approx(1)
    for n, d in ((30, 8), (8, 30)):
        x = rng.standard_normal((n, d))
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        values = np.linalg.eigvalsh(unit @ unit.T / n).clip(1e-300)
        assert vendi(x) == pytest.approx(math.exp(-(values * np.log(values)).sum()), rel=1e-8)
        assert vendi(rng.permutation(x) * rng.uniform(1e-160, 3, (n, 1))) == pytest.approx(vendi(x))
    with pytest.raises(DataError, match="row 2 is all zeros and has no direction"):
        vendi(np.where(np.arange(4)[:, None] == 2, 0.0, rng.standard_normal((4, 3))))


@pytest.mark.parametrize("mixture", [ring(), grid()])
def test_mode_coverage(mixture) -> None:  # type: ignore[no-untyped-def]
    modes = len(mixture.centres)
    good = mode_coverage(mixture.sample(20_000, seed=1), mixture)
    assert good.covered == good.modes == modes
    assert good.expected_share == pytest.approx(1 - math.exp(-4.5))
    assert good.share == pytest.approx(good.expected_share, abs=0.003)
    assert good.kl == pytest.approx(kl_floor(modes, 20_000), abs=0.002)
    one = mode_coverage(np.repeat(mixture.centres[:1], 50, 0), mixture)
    assert (one.covered, one.share, one.kl) == (1, 1, pytest.approx(math.log(modes)))
    # Scattered everywhere: all modes covered, yet hardly any sample is good.
    wide = mode_coverage(rng.uniform(-5, 5, (400_000, 2)), mixture)
    assert wide.covered == modes and wide.share < 0.1
    nothing = mode_coverage(np.full((3, 2), 99.0), mixture)
    assert (nothing.covered, nothing.share, nothing.kl) == (0, 0, math.inf)
    assert_array_equal(mixture.sample(5, seed=1), mixture.sample(9, seed=1)[:5])
    with pytest.raises(DataError, match="mixture and samples differ in width: 2 and 3"):
        mode_coverage(np.zeros((3, 3)), mixture)


def test_geometry_of_the_benchmarks() -> None:
    assert_allclose(np.linalg.norm(ring().centres, axis=1), 1)
    assert sorted(set(grid().centres[:, 0])) == [-4, -2, 0, 2, 4] and len(grid().centres) == 25


def test_class_coverage() -> None:
    labels = rng.integers(0, 1000, 26_000)
    found = class_coverage(labels, 1000)
    assert found.covered == 1000
    assert found.kl == pytest.approx(found.floor, rel=0.1)
    assert found.floor == pytest.approx(999 / 52_000)
    assert class_coverage(np.zeros(10, int), 4).kl == pytest.approx(math.log(4))
    assert_array_equal(stacked_labels(np.array([[1, 2, 3], [0, 0, 9]])), [123, 9])
    assert kl_floor(11, 100, against=100) == pytest.approx(0.1)
    with pytest.raises(DataError, match="labels must lie in 0 … 3; got 0 … 4"):
        class_coverage(np.array([0, 4]), 4)
    with pytest.raises(DataError, match="labels must be a list of whole numbers"):
        class_coverage(np.array([0.5]), 4)
    with pytest.raises(OptionError, match=r"needs \(n, 3\) digits"):
        stacked_labels(np.array([1, 2, 3]))
