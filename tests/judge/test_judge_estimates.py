"""Intervals: every measure has a way, closed forms equal the long way, and they cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganwright.evaluate import MEASURES, class_kl, fid, jackknife, measure, unique_share
from ganwright.evaluate.card import human_entry
from ganwright.evaluate.estimates import (
    class_kl_interval,
    jackknife_fid,
    unique_interval,
)
from ganwright.evaluate.measures import estimates


def test_every_measure_has_a_way() -> None:
    assert all(callable(row.interval) for row in MEASURES.values())


@pytest.mark.parametrize("n", [60, 8])  # more, and fewer, rows than features
def test_recombined_blocks_are_the_jackknife(n: int) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((n + 5, 12)), rng.standard_normal((n, 12)) * 1.5
    short, long = jackknife_fid(real, fake, blocks=4), jackknife(fid, real, fake, blocks=4)
    assert short.value == pytest.approx(long.value, rel=1e-7)
    assert short.error == pytest.approx(long.error, rel=1e-6)
    assert short.low == pytest.approx(long.low, rel=1e-6)


def test_intervals_stay_within_the_range_of_the_measure() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 4))
    given = {"real": x, "fake": x + 1e-3, "pixels": x, "training_pixels": x + 1}
    scores = measure(["fid", "fid_infinite", "precision", "copies", "unique", "vendi"], given)
    found = estimates(scores, given)
    assert set(found) == set(scores.values)
    for name, one in found.items():
        row = MEASURES[name]
        assert row.low <= one.low <= one.value + 1e-12 and one.value <= one.high <= row.high, name
        assert one.method and one.error >= 0


def test_class_kl_covers() -> None:
    """The KL of the shares themselves, plus the bias of counting, lies within 95 of 100 intervals."""
    rng = np.random.default_rng(2)
    fair, slanted = np.full(10, 0.1), np.array([0.19, 0.01, *[0.1] * 8])
    for shares in (fair, slanted):
        draws = [(rng.multinomial(800, shares), rng.multinomial(1500, fair)) for _ in range(400)]
        truth = np.mean([class_kl(p, q) for p, q in draws])
        held = [class_kl_interval(class_kl(p, q), p, q) for p, q in draws]
        assert 0.92 <= np.mean([e.low <= truth <= e.high for e in held]) <= 1


def test_unique_by_leaving_one_out() -> None:
    marks = np.random.default_rng(3).integers(0, 60, (50, 1))
    found = unique_interval(marks)
    left = [unique_share(np.delete(marks, i, 0)) for i in range(50)]
    assert found.value == unique_share(marks)
    assert found.error == pytest.approx(math.sqrt(49 * np.var(left)), rel=1e-9)
    whole = unique_interval(np.arange(50)[:, None])
    assert (whole.value, whole.high) == (1, 1) and whole.low == pytest.approx(0.929, abs=1e-3)


def test_people_are_a_measure() -> None:
    entry = human_entry(40, 100)
    assert (entry.value, entry.n, entry.better, entry.floor) == (0.4, 100, "near 0.5", 0.5)
    assert entry.low == pytest.approx(0.3094, abs=1e-4)
    assert entry.high == pytest.approx(0.4980, abs=1e-4)
