"""Comparing marks what is larger than the noise, and refuses what was measured otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganwright.base.errors import DataError, OptionError
from ganwright.evaluate import Card
from ganwright.evaluate.compare import badness, best, compare, same_protocol, shared, table

PIXELS = {"features": "pixels"}


def test_only_real_differences_are_marked(write: Callable[..., Path], unseen: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    bad = (unseen + rng.normal(0, 90, unseen.shape)).clip(0, 255).astype(np.uint8)
    good, twin, worse = (
        write(x, name=name) for x, name in ((unseen, "a"), (unseen, "b"), (bad, "c"))
    )
    same = compare([good, twin], "digits", **PIXELS)
    assert {best(same, name) for name in shared(same)} == {None}
    assert table(same).count("*") == 1  # in the line that explains it
    differ = compare([worse, good], "digits", **PIXELS)
    won = {name for name in shared(differ) if best(differ, name) == 1}
    assert {"fid", "kid", "precision", "auc"} <= won
    # Fakes that are strewn far have large balls, in which real examples lie: recall does not mind.
    assert {name for name in shared(differ) if best(differ, name) == 0} <= {"recall"}
    three = compare([good, worse, twin], "digits", **PIXELS)  # no best among equals
    assert best(three, "fid") is None


def test_draws_of_the_same_are_no_difference(
    write: Callable[..., Path], unseen: np.ndarray
) -> None:
    names = ("fid", "kid", "recall", "coverage", "auc", "vendi", "precision")
    marked = 0
    for parts in (((0, 80), (80, 160)), ((40, 120), (90, 170))):
        paths = [write(unseen[a:b], name=str(a)) for a, b in parts]
        cards = compare(paths, "digits", **PIXELS)
        marked += sum(best(cards, name) is not None for name in names)
    assert marked <= 1


def test_the_fewest_samples_decide_n(write: Callable[..., Path], unseen: np.ndarray) -> None:
    cards = compare([write(unseen, name="a"), write(unseen[:60], name="b")], "digits", **PIXELS)
    assert [card.n for card in cards] == [60, 60]


def test_other_protocols_are_refused(judged: Callable[..., Card], unseen: np.ndarray) -> None:
    card = judged(unseen[:60])
    for other, words in (
        (replace(card, features=card.features | {"hash": "0"}), r"features differ \(pixels "),
        (replace(card, against=card.against | {"fingerprint": "0"}), "references differ"),
        (replace(card, n=61), r"numbers of samples differ \(60 and 61\)"),
    ):
        with pytest.raises(DataError, match=words):
            same_protocol([card, other])
        with pytest.raises(DataError, match="can't be compared"):
            table([card, other])
    with pytest.raises(OptionError, match="needs at least two runs; got 1"):
        compare(["one"], "digits")


def test_what_better_means(judged: Callable[..., Card], unseen: np.ndarray) -> None:
    entry = judged(unseen[:60]).measures["fid"]
    for better, value, bad in (
        ("lower", 3.0, 3.0),
        ("higher", 3.0, -3.0),
        ("near 0", -2.0, 2.0),
        ("near 0.5", 0.9, 0.4),
        ("near 1", 0.8, 0.2),
        ("near real", 7.0, 3.0),
    ):
        one = replace(entry, better=better, value=value, floor=10.0)  # type: ignore[arg-type]
        assert badness(one) == pytest.approx(bad)
