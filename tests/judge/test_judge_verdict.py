"""The headline of a card is no stronger than its intervals and its weakest measure."""

from __future__ import annotations

from typing import Any

import pytest

from ganwright.evaluate.card import Entry
from ganwright.evaluate.verdict import levels_of, verdict
from ganwright.report.words import USES, lead


def entry(
    value: float, low: float, high: float, floor: float, baseline: float, **more: Any
) -> Entry:
    better = "lower" if baseline > floor else "higher"
    return Entry(
        value=value, low=low, high=high, floor=floor, baseline=baseline,
        **{"better": better, "n": 10_000} | more,
    )  # fmt: skip


SURE: dict[str, Entry] = {
    "fid": entry(1.02, 1.0, 1.04, 1.0, 50.0),
    "recall": entry(0.90, 0.89, 0.91, 0.90, 0.40),
    "coverage": entry(0.95, 0.94, 0.96, 0.95, 0.30),
    "auc": Entry(value=0.51, low=0.49, high=0.53, floor=0.5, baseline=0.99, better="near 0.5", n=10_000),
    "unique": Entry(value=1, low=None, high=None, floor=1, baseline=1, better="higher", n=10_000),
}  # fmt: skip


def headline(reference: int = 10_000, **changed: Entry) -> str:
    return verdict(SURE | changed, {}, reference, 64).partition("(FID")[0].strip()


def test_sure_numbers_give_one_level() -> None:
    assert headline().startswith("Very good:")
    assert headline(fid=entry(6, 5.9, 6.1, 1, 50)).startswith("Good:")
    assert headline(fid=entry(15, 14.9, 15.1, 1, 50)).startswith("Fair:")
    assert headline(fid=entry(40, 39, 41, 1, 50)).startswith("Poor:")


@pytest.mark.parametrize(
    ("high", "said"), [(3, "Very good:"), (8, "Good to very good:"), (15, "Fair to")]
)
def test_a_wide_interval_opens_the_headline(high: float, said: str) -> None:
    assert headline(fid=entry(1.5, 0, high, 1, 50)).startswith(said)


def test_an_interval_as_wide_as_the_way_to_the_simplest_model_tells_nothing() -> None:
    wide = entry(1.1, 0.0, 9.0, 1.0, 9.0)
    assert headline(fid=wide).startswith("Good to very good:")
    said = verdict(SURE | {"fid": wide}, {}, 10_000, 64)
    assert "FID's interval, 0 … 9, is too wide to tell real data from the baseline." in said
    assert "too wide" not in verdict(SURE, {}, 10_000, 64)


@pytest.mark.parametrize(
    ("name", "doubtful", "said"),
    [
        ("recall", entry(0.89, 0.80, 0.98, 0.90, 0.40), "Good to very good:"),
        ("recall", entry(0.89, 0.50, 1.00, 0.90, 0.40), "Poor to very good:"),
        ("precision", entry(0.88, 0.70, 0.99, 0.90, 0.40), "Fair to very good:"),
        ("coverage", entry(0.80, 0.79, 0.97, 0.95, 0.30), "Fair to very good:"),
        ("detection", entry(0.52, 0.45, 0.60, 0.50, 0.99), "Good to very good:"),
        ("utility", entry(0.79, 0.60, 0.85, 0.80, 0.50), "Poor to very good:"),
    ],
)
def test_every_interval_opens_the_headline(name: str, doubtful: Entry, said: str) -> None:
    assert headline(**{name: doubtful}).startswith(said)


@pytest.mark.parametrize("name", ["kid", "class_kl", "obeyed", "rare", "zeros", "words"])
def test_one_number_far_from_real_data_is_at_best_fair(name: str) -> None:
    floor, baseline = (0.9, 0.1) if name in ("obeyed", "rare", "words") else (0.1, 0.9)
    bad = entry(0.5, 0.49, 0.51, floor, baseline)
    near = entry(floor, floor - 0.01, floor + 0.01, floor, baseline)
    assert headline(**{name: bad}).startswith("Fair:")
    assert headline(**{name: near}).startswith("Very good:")


def test_the_weakest_measure_decides() -> None:
    half = entry(0.65, 0.64, 0.66, 0.90, 0.40)
    assert headline(recall=half).startswith("Fair:")
    assert headline(
        auc=Entry(**vars(SURE["auc"]) | {"value": 0.95, "low": 0.94, "high": 0.96})
    ).startswith("Poor:")


def test_the_weakest_measure_is_named() -> None:
    half = entry(0.65, 0.64, 0.66, 0.90, 0.40)
    said = verdict(SURE | {"recall": half}, {}, 10_000, 64)
    assert "The weakest measure is Recall: 0.65, where real data has 0.9 and the baseline" in said
    assert "weakest" not in verdict(SURE, {}, 10_000, 64)


def test_few_real_examples_are_said() -> None:
    said = headline(172)
    assert said == ("Good to very good: 10,000 samples against 172 real examples can't tell which")


def test_digits_are_not_called_very_good() -> None:
    """172 held-out pictures, FID 2.09 (0 … 4.21), recall .82 of .91, half way to the baseline."""
    said = headline(
        172,
        fid=entry(2.09, 0, 4.21, 1.4, 60, n=172),
        recall=entry(0.82, 0.79, 0.85, 0.91, 0.73, n=172),
    )
    assert said.startswith("Fair") and "good" not in said.partition(":")[0]


def test_the_report_advises_by_the_worst_that_is_left_open() -> None:
    from ganwright.evaluate.card import Card

    text = verdict(SURE, {}, 172, 64)
    made = Card(samples="s", n=10_000, against={"n": 172}, features={}, measures=SURE, verdict=text)
    assert levels_of(text) == (1, 0)
    found = lead(made, None)
    assert (found.level, found.advice) == ("Good to very good", USES[1])
