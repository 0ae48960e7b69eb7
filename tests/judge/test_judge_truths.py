"""What is known beforehand comes out: real data is good, and each fault is found and named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage

from ganwright.data import Dataset
from ganwright.evaluate import Card
from ganwright.evaluate.verdict import collapse, gap

Judged = Callable[..., Card]
DISTANCES = ("fid", "fid_infinite", "kid")
LEARNED = {"features": "learned"}


def noisy(pictures: np.ndarray, spread: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, spread, pictures.shape)
    return (pictures + noise).clip(0, 255).round().astype(np.uint8)


def blurred(pictures: np.ndarray) -> np.ndarray:
    return scipy.ndimage.gaussian_filter(pictures, (0, 1, 1, 0))


def values(card: Card) -> dict[str, float]:
    return {name: entry.value for name, entry in card.measures.items()}


@pytest.mark.parametrize("features", ["pixels", "learned"])
def test_unseen_real_data_scores_like_real_data(
    judged: Judged, unseen: np.ndarray, features: str
) -> None:
    card = judged(unseen, features=features)
    assert gap(card.measures["fid"]) < 0.05
    assert (
        card.verdict.startswith(("Good to very good", "Very good"))
        and "no closer to the training data" in card.verdict
    )
    assert collapse(card.measures) == []
    for name, entry in card.measures.items():
        if entry.floor is None or entry.baseline is None or name in ("copies", "unique"):
            continue
        if abs(entry.baseline - entry.floor) > 4 * entry.estimate().error:
            assert abs(entry.value - entry.floor) < abs(entry.value - entry.baseline), name
    for name in ("precision", "recall", "coverage", "auc"):
        entry = card.measures[name]
        assert entry.value == pytest.approx(entry.floor, abs=0.13), name
    assert values(card)["copies"] == 0 and values(card)["unique"] == 1


def test_more_noise_and_blur_are_further_away(judged: Judged, unseen: np.ndarray) -> None:
    cards = [judged(noisy(unseen, spread)) for spread in (0, 30, 60, 120)]
    for name in (*DISTANCES, "auc"):
        found = [values(card)[name] for card in cards]
        assert found == sorted(found), name
    assert [values(c)["precision"] for c in cards] == sorted(
        (values(c)["precision"] for c in cards), reverse=True
    )
    assert cards[-1].verdict.startswith("Poor")
    blur = judged(blurred(unseen))
    assert values(blur)["fid"] > 2 * values(cards[0])["fid"]
    assert values(blur)["auc"] > 0.8 and "easily" in blur.verdict


def test_one_class_alone_is_a_collapse(judged: Judged, digits: Dataset) -> None:
    assert digits.labels is not None
    held = digits.heldout_halves[0]
    zeros = digits.train[digits.labels[digits.train] == 0]
    card = judged(digits.rows[np.sort([*zeros, *held[digits.labels[held] == 0]])], **LEARNED)
    said = " / ".join(card.warnings)
    assert "recall is far below that of real data" in said
    assert "hardly any samples of class 1, 2, 3, 4, 5 and 4 more" in said
    assert card.verdict.startswith("Poor") and "cover only" in card.verdict
    assert card.classes["0"]["samples"] > 0.9 > 0.2 > card.classes["0"]["real"]
    assert values(card)["class_kl"] > 1.5 and values(card)["precision"] > 0.8
    assert card.measures["vendi"].value < card.measures["vendi"].floor / 2  # type: ignore[operator]


def test_missing_classes_can_at_best_be_fair(judged: Judged, digits: Dataset) -> None:
    assert digits.labels is not None
    most = digits.train[digits.labels[digits.train] != 7][:600]
    card = judged(digits.rows[most], **LEARNED)
    assert "hardly any samples of class 7" in card.warnings
    assert card.verdict.startswith(("Fair", "Poor"))


def test_repetitions_are_a_collapse(judged: Judged, unseen: np.ndarray) -> None:
    card = judged(np.repeat(unseen[:20], 10, 0))
    assert values(card)["unique"] == 0.1
    assert "only 10% of the samples are distinct: mode collapse" in card.warnings
    assert card.verdict.startswith(("Fair", "Poor"))


def test_copies_of_the_training_data_are_told(judged: Judged, digits: Dataset) -> None:
    train = digits.rows[digits.train[:400]]
    card = judged(train)
    found = values(card)
    assert found["copies"] == 1 and found["ct"] < -3 and found["closer"] > 0.95
    assert "the samples copy the training data: a privacy risk" in card.warnings
    assert "memorised" in card.verdict
    assert card.measures["closer"].floor == pytest.approx(0.5, abs=0.1)
    assert abs(card.measures["ct"].floor or 9) < 3 and card.measures["copies"].floor == 0
    near = judged(noisy(train, 4))  # no copy to the pixel, but a copy
    assert values(near)["copies"] == 0 and values(near)["ct"] < -3
    assert "memorised" in near.verdict


def test_classes_that_were_asked_for(judged: Judged, digits: Dataset) -> None:
    assert digits.labels is not None
    held = digits.heldout_halves[0]
    right = judged(digits.rows[held], digits.labels[held], **LEARNED).measures["obeyed"]
    assert right.value > 0.9 and right.floor == pytest.approx(right.value, abs=0.06)
    assert right.baseline == pytest.approx(0.1, abs=0.08)
    wrong = judged(digits.rows[held], (digits.labels[held] + 1) % 10, **LEARNED).measures["obeyed"]
    assert wrong.value < 0.05 and wrong.high < right.low  # type: ignore[operator]


def test_the_floor_is_at_the_samples_n(judged: Judged, unseen: np.ndarray) -> None:
    """FID of real data rises as n falls, and the floor with it."""
    few, many = (judged(unseen[:n]).measures["fid"] for n in (60, 170))
    assert few.floor > many.floor and few.value > many.value  # type: ignore[operator]
    assert (few.n, many.n) == (60, 170)
