"""Moments against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ganwright.base.errors import DataError
from ganwright.evaluate import FeatureMatrix, Moments, statistics

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_numbers() -> None:
    """Each test draws from the start: what it sees must not depend on which ran before."""
    rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


X = rng.standard_normal((500, 7)) * np.arange(1, 8) + 3


@pytest.mark.parametrize("ddof", [0, 1])
def test_streaming_equals_batch(ddof: int) -> None:
    moments = Moments()
    for part in np.split(X, [1, 2, 100, 333]):
        moments.update(part)
    found = moments.result(ddof=ddof)
    assert found.n == 500
    assert_allclose(found.mean, X.mean(0), rtol=1e-12)
    assert_allclose(found.covariance, np.cov(X, rowvar=False, ddof=ddof), rtol=1e-11)


def test_merge_equals_one_stream() -> None:
    one = Moments().update(X[:123]).merge(Moments().update(X[123:])).merge(Moments())
    assert_allclose(one.result().covariance, np.cov(X, rowvar=False), rtol=1e-11)
    other = Moments().merge(Moments().update(X))
    other.update(X)
    assert_allclose(other.result().covariance, np.cov(np.tile(X, (2, 1)), rowvar=False), rtol=1e-11)


def test_stable_far_from_zero() -> None:
    moved = Moments()
    for part in np.split(X + 1e8, 5):
        moved.update(part)
    assert_allclose(moved.result().covariance, np.cov(X, rowvar=False), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float16, torch.float32, torch.float64, np.uint8])
def test_takes_numpy_and_torch(kind: object) -> None:
    whole = np.round(np.abs(X))
    given = (
        torch.from_numpy(whole).to(kind) if isinstance(kind, torch.dtype) else whole.astype(kind)
    )  # type: ignore[call-overload]
    assert_allclose(statistics(given).covariance, np.cov(whole, rowvar=False), rtol=1e-9)


def test_root_of_full_and_singular_covariance() -> None:
    for rows in (X, X[:4]):
        found = statistics(rows)
        assert_allclose(found.root.T @ found.root, found.covariance, atol=1e-10)


def test_blocks_are_copies_and_read_only_arrays_do() -> None:
    fixed = X.copy()
    fixed.flags.writeable = False
    for given in (fixed, X.copy(), torch.from_numpy(X.copy())):
        rows = FeatureMatrix(given)
        block = rows.block(0, 10, torch.float64)
        block.zero_()
        assert rows.array()[0, 0] == X[0, 0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros(3), "features: needs a matrix, one row per example; got shape (3,)"),
        (np.zeros((3, 0)), "features: needs a matrix, one row per example; got shape (3, 0)"),
        (np.zeros((0, 3)), "features: needs at least 1 rows; got 0"),
        (np.zeros((2, 2), complex), "features: needs real numbers; got complex128"),
    ],
)
def test_refuses_what_is_no_matrix(given: np.ndarray, says: str) -> None:
    with pytest.raises(DataError) as error:
        Moments().update(given)
    assert str(error.value) == says


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_counts_bad_rows(bad: float) -> None:
    x = X.copy()
    x[[7, 9], 2] = bad
    with pytest.raises(DataError) as error:
        Moments().update(x)
    assert str(error.value) == (
        "features: 2 of 500 rows have NaN or infinite values; the first is row 7"
    )


def test_refuses_other_widths_and_too_few() -> None:
    with pytest.raises(DataError, match="earlier and later batches differ in width: 7 and 3"):
        Moments().update(X).update(X[:, :3])
    with pytest.raises(DataError, match="at least 2 rows for a covariance; got 1"):
        Moments().update(X[:1]).result()
