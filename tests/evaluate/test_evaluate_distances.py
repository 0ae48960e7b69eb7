"""FID, KID, Inception Score and class KL against torchmetrics, scipy, numpy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.testing import assert_allclose
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import poly_mmd

from ganwright.base.errors import DataError, OptionError
from ganwright.evaluate import (
    Statistics,
    class_kl,
    fid,
    fid_infinite,
    inception_score,
    kid,
    kid_subsets,
    kl_floor,
    statistics,
)

rng = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def _own_numbers() -> None:
    """Each test draws from the start: what it sees must not depend on which ran before."""
    rng.bit_generator.state = np.random.default_rng(1).bit_generator.state


SIZES = [(400, 300, 24), (40, 300, 64), (300, 40, 64), (40, 30, 64), (64, 65, 64)]


def draw(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    mix = rng.standard_normal((d, d)) / math.sqrt(d)
    return rng.standard_normal((n, d)) @ mix + 1, rng.standard_normal((m, d)) * 1.2 @ mix + 1.1


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s + t - 2 * root))


@pytest.mark.parametrize("size", SIZES)
def test_fid_is_the_sqrtm_formula(size: tuple[int, int, int]) -> None:
    a, b = draw(*size)
    expected = by_sqrtm(a, b)
    assert fid(a, b) == pytest.approx(expected, rel=1e-6)
    assert fid(statistics(a), statistics(b)) == pytest.approx(expected, rel=1e-6)
    assert fid(a, statistics(b)) == pytest.approx(fid(statistics(a), b), rel=1e-6)
    assert fid(b, a) == pytest.approx(expected, rel=1e-6)


def test_fid_is_torchmetrics() -> None:
    a, b = draw(200, 150, 12)
    outside = FrechetInceptionDistance(
        feature=nn.Flatten(), input_img_size=(3, 2, 2), normalize=True
    )
    outside.set_dtype(torch.float64)
    for x, real in ((a, True), (b, False)):
        outside.update(torch.from_numpy(x).reshape(-1, 3, 2, 2), real=real)
    assert fid(a, b) == pytest.approx(float(outside.compute()), rel=1e-6)


def test_fid_closed_forms() -> None:
    d = 20
    diagonal, other = rng.uniform(0.1, 3, d), rng.uniform(0.1, 3, d)
    shift = rng.standard_normal(d)
    a = Statistics(100, np.zeros(d), np.diag(diagonal))
    b = Statistics(100, shift, np.diag(other))
    expected = np.square(shift).sum() + np.square(np.sqrt(diagonal) - np.sqrt(other)).sum()
    assert fid(a, b) == pytest.approx(expected, rel=1e-12)
    point = Statistics(5, shift, np.zeros((d, d)))
    assert fid(a, point) == pytest.approx(np.square(shift).sum() + diagonal.sum(), rel=1e-12)
    assert fid(point, point) == 0


@pytest.mark.parametrize("size", SIZES)
def test_fid_of_equals_is_zero_and_never_below(size: tuple[int, int, int]) -> None:
    a, _ = draw(*size)
    for same in (a, a[::-1], statistics(a)):
        assert 0 <= fid(a, same) < 1e-5
    flat = np.repeat(a[:, :1], a.shape[1], 1)  # of rank 1
    assert 0 <= fid(flat, flat[::-1]) < 1e-5
    assert fid(flat, a) > 0


def test_fid_does_not_see_order_or_rotation() -> None:
    a, b = draw(100, 90, 10)
    turn = np.linalg.qr(rng.standard_normal((10, 10)))[0]
    value = fid(a, b)
    assert fid(a, rng.permutation(b)) == pytest.approx(value, rel=1e-10)
    assert fid(a @ turn + 5, b @ turn + 5) == pytest.approx(value, rel=1e-8)
    assert fid(a.astype(np.float32), torch.from_numpy(b)) == pytest.approx(value, rel=1e-4)


def test_fid_covariance_by_n() -> None:
    a, b = draw(50, 40, 8)
    expected = fid(
        Statistics(50, a.mean(0), np.cov(a, rowvar=False, ddof=0)),
        Statistics(40, b.mean(0), np.cov(b, rowvar=False, ddof=0)),
    )
    assert fid(a, b, ddof=0) == pytest.approx(expected, rel=1e-10)
    assert fid(a[:6], b[:6], ddof=0) == pytest.approx(
        fid(statistics(a[:6], ddof=0), statistics(b[:6], ddof=0)), rel=1e-6
    )


def test_fid_infinite_takes_off_the_bias() -> None:
    d = 16
    truth = Statistics(10**6, np.zeros(d), np.eye(d))
    fake = rng.standard_normal((4000, d)) + 0.1
    found = fid_infinite(truth, fake, seed=1)
    assert found.sizes[0] == 400 and found.sizes[-1] == 4000 and len(found.sizes) == 15
    assert abs(found.value - 0.01 * d) < abs(fid(truth, fake[:1000]) - 0.01 * d)
    assert found.value == pytest.approx(0.01 * d, abs=0.03)
    assert found.slope > 0 and found.error < 0.03
    assert found == fid_infinite(truth, fake, seed=1)
    line = np.polyfit(1 / np.array(found.sizes), found.scores, 1)
    assert_allclose([found.slope, found.value], line, rtol=1e-6)


def by_hand_kid(a: np.ndarray, b: np.ndarray) -> float:
    return float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)))


def test_kid_is_torchmetrics_on_all_pairs() -> None:
    a, b = draw(90, 90, 12)
    expected = by_hand_kid(a, b)
    assert kid(a, b).value == pytest.approx(expected, rel=1e-9)
    assert kid(a, b, block=7).value == pytest.approx(expected, rel=1e-9)
    assert kid(rng.permutation(b), a).value == pytest.approx(expected, rel=1e-9)


def test_kid_subsets_are_torchmetrics_kids() -> None:
    a, b = draw(60, 50, 5)
    whole = kid_subsets(a[:50], b, subsets=2, size=50)  # every subset is the whole
    assert whole[0] == pytest.approx(by_hand_kid(a[:50], b), rel=1e-9)
    assert whole[1] == pytest.approx(0, abs=1e-12)
    mean, deviation = kid_subsets(a, b, subsets=60, size=30)
    assert mean == pytest.approx(kid(a, b).value, abs=4 * deviation / math.sqrt(60))
    assert (mean, deviation) == kid_subsets(a, b, subsets=60, size=30)


def test_kid_error_is_the_jackknife() -> None:
    a, b = draw(12, 9, 4)

    def value(x: np.ndarray, y: np.ndarray) -> float:
        k = [(u @ v.T / 4 + 1) ** 3 for u, v in ((x, x), (y, y), (x, y))]
        own = [(m.sum() - m.trace()) / (len(m) * (len(m) - 1)) for m in k[:2]]
        return float(sum(own) - 2 * k[2].mean())

    left = [value(np.delete(a, i, 0), b) for i in range(12)]
    right = [value(a, np.delete(b, i, 0)) for i in range(9)]
    error = math.sqrt(11 * np.var(left) + 8 * np.var(right))
    found = kid(a, b)
    assert found.value == pytest.approx(value(a, b), rel=1e-10)
    assert found.error == pytest.approx(error, rel=1e-8)
    assert found.low < found.value < found.high


def test_kid_is_unbiased_and_its_interval_covers() -> None:
    equal, apart = [], []
    for _ in range(200):
        a, b = rng.standard_normal((2, 60, 4))
        equal.append(kid(a, b))
        apart.append(kid(a, b + 0.5))
    values = [e.value for e in equal]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(200)
    assert np.mean([e.low <= 0 <= e.high for e in equal]) > 0.95
    truth = np.mean([e.value for e in apart])
    assert 0.88 < np.mean([e.low <= truth <= e.high for e in apart]) <= 1
    spread = np.std([e.value for e in apart])
    assert np.mean([e.error for e in apart]) == pytest.approx(spread, rel=0.2)


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save")
def test_inception_score_is_torchmetrics() -> None:
    logits = torch.from_numpy(rng.standard_normal((300, 10)) * 2)
    outside = InceptionScore(feature=nn.Flatten(), splits=10)
    outside.update(logits.reshape(300, 10, 1, 1))
    p = logits.softmax(1)
    torch.manual_seed(5)
    expected = [float(x) for x in outside.compute()]
    torch.manual_seed(5)  # it shuffles by torch's generator
    assert_allclose(inception_score(p[torch.randperm(300)], seed=None), expected, rtol=1e-9)
    # In parts, as the original code cuts them.
    scores = []
    for part in np.split(p.numpy(), 10):
        scores.append(np.exp((part * np.log(part / part.mean(0))).sum(1).mean()))
    found = inception_score(p, seed=None)
    assert_allclose(found, (np.mean(scores), np.std(scores, ddof=1)), rtol=1e-10)
    assert inception_score(p, seed=3) == inception_score(p, seed=3) != inception_score(p, seed=4)


def test_inception_score_at_its_ends() -> None:
    sure = np.eye(5)[np.arange(50) % 5]
    assert inception_score(sure, splits=1) == (pytest.approx(5), 0)
    assert inception_score(np.full((50, 5), 0.2)) == (pytest.approx(1), pytest.approx(0))


def test_class_kl() -> None:
    assert class_kl(np.array([5, 5])) == 0
    assert class_kl(np.array([8, 0])) == pytest.approx(math.log(2))
    assert class_kl(np.array([3, 1]), np.array([1, 1])) == pytest.approx(
        0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    )
    assert class_kl(np.array([1, 1]), np.array([2, 0])) == pytest.approx(
        0.5 * math.log(0.5 / (2.5 / 3)) + 0.5 * math.log(0.5 / (0.5 / 3))
    )
    found = [class_kl(rng.multinomial(5000, np.full(100, 0.01))) for _ in range(100)]
    assert np.mean(found) == pytest.approx(kl_floor(100, 5000), rel=0.1)


def test_refusals() -> None:
    a, b = draw(20, 20, 5)
    with pytest.raises(DataError, match="real and fake differ in width: 5 and 4; they must come"):
        fid(a, b[:, :4])
    with pytest.raises(DataError, match="real and fake differ in width"):
        kid(a, b[:, :4])
    with pytest.raises(DataError, match="fake: needs at least 2 rows; got 1"):
        fid(a, b[:1])
    with pytest.raises(DataError, match="real: needs at least 3 rows; got 2"):
        kid(a[:2], b)
    with pytest.raises(DataError, match="fake: 1 of 20 rows have NaN or infinite values"):
        fid(a, np.where(np.arange(20)[:, None] == 3, np.nan, b))
    with pytest.raises(DataError, match="fake: needs at least 10 rows; got 4"):
        fid_infinite(a, b[:4])
    with pytest.raises(DataError, match="three sizes between 30 and n = 20"):
        fid_infinite(a, b, least=30)
    with pytest.raises(OptionError, match="points must be at least 3; got 2"):
        fid_infinite(a, b, points=2)
    with pytest.raises(DataError, match="real: needs at least 1000 rows; got 20"):
        kid_subsets(a, b)
    with pytest.raises(DataError, match="10 splits need at least 20 rows; got 10"):
        inception_score(np.full((10, 2), 0.5))
    with pytest.raises(DataError, match="each row must be ≥ 0 and sum to 1; got sums 2 … 2"):
        inception_score(np.ones((30, 2)))
    with pytest.raises(OptionError, match="histograms of 2 fake and 3 real classes"):
        class_kl(np.ones(2), np.ones(3))
    with pytest.raises(OptionError, match="fake needs one count per class, not all zero"):
        class_kl(np.zeros(3))
    with pytest.raises(DataError, match="don't fit"):
        Statistics(3, np.zeros(3), np.zeros((2, 2)))
    with pytest.raises(DataError, match="mean or covariance has NaN"):
        Statistics(3, np.zeros(2), np.full((2, 2), np.nan))
