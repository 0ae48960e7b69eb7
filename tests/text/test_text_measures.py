"""Measures of texts against their definitions, written out in plain Python."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from ganwright.modalities.text import kneserney
from ganwright.modalities.text.codec import TextCodec
from ganwright.modalities.text.ngrams import TextRows
from ganwright.modalities.text.quality import (
    copied,
    lm_scores,
    longest_runs,
    ngram_quality,
    self_bleu,
)

WORDS = ["a", "b", "c", "d", "e"]


def sentences(seed: int, n: int, letters: str = "abcde") -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[*rng.choice(list(letters), rng.integers(1, 9))] for _ in range(n)]


def rows_of(texts: list[list[str]], order: int = 3) -> TextRows:
    codec = TextCodec(units="characters", vocabulary=tuple(WORDS), length=20)
    rows = TextRows.of(["".join(text) for text in texts], codec)
    return TextRows(rows.units, rows.ends, rows.symbols, order)


def grams(text: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def test_ngrams() -> None:
    real, fake = sentences(0, 40), sentences(1, 60, "abcdf")
    found = ngram_quality(rows_of(real), rows_of(fake))
    for n in (1, 2, 3, 4):
        p, q = (Counter(g for text in side for g in grams(text, n)) for side in (real, fake))
        total = 0.0
        for one, other in ((p, q), (q, p)):
            for gram, times in one.items():
                share = times / one.total()
                middle = (share + other[gram] / other.total()) / 2
                total += share * math.log2(share / middle) / 2
        assert getattr(found, f"jsd_{n}") == pytest.approx(total, abs=1e-12)
    known = {g for text in real for g in grams(text, 3)}
    threes = [g for text in fake for g in grams(text, 3)]
    assert found.unseen == pytest.approx(sum(g not in known for g in threes) / len(threes))
    twos = [g for text in fake for g in grams(text, 2)]
    assert found.distinct == pytest.approx(len(set(twos)) / len(twos))


def test_ngrams_of_a_set_with_itself_are_not_apart() -> None:
    rows = rows_of(sentences(0, 30))
    assert ngram_quality(rows, rows).jsd_4 == 0
    other = ngram_quality(rows, rows_of(sentences(0, 30, "xyz")))
    assert other.jsd_1 == pytest.approx(1) and other.unseen == 1


def bleu(text: list[str], others: list[list[str]]) -> float:
    logs = 0.0
    for n in (1, 2, 3, 4):
        counted = Counter(grams(text, n))
        most: Counter[tuple[str, ...]] = Counter()
        for other in others:
            most |= Counter(grams(other, n))
        matched = sum(min(times, most[gram]) for gram, times in counted.items())
        if n == 1 and matched == 0:
            return 0.0
        logs += math.log((matched or 0.1) / max(1, len(text) - n + 1)) / 4
    nearest = min((abs(len(o) - len(text)), len(o)) for o in others)[1]
    return math.exp(logs + (0 if len(text) > nearest else 1 - nearest / len(text)))


def test_self_bleu_leaves_the_text_itself_out() -> None:
    texts = [*sentences(2, 25), ["a", "b", "c", "d", "e"], ["f"]]
    expected = [bleu(text, texts[:i] + texts[i + 1 :]) for i, text in enumerate(texts)]
    assert self_bleu(rows_of(texts)).value == pytest.approx(np.mean(expected), abs=1e-12)
    assert self_bleu(rows_of([["a", "b", "c", "d"]] * 3)).value == pytest.approx(1)


def kneser_ney(training: list[list[str]], judged: list[list[str]], order: int) -> float:
    """The recursion of the docstring, with dictionaries."""
    counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order + 1)]
    for text in training:
        padded = ["<s>"] * order + text + ["</s>"]
        for i in range(order, len(padded)):
            for k in range(1, order + 1):
                counts[k][tuple(padded[i - k + 1 : i + 1])] += 1
    for k in range(1, order):
        counts[k] = Counter(gram[1:] for gram in counts[k + 1])
    total, units = 0.0, 0
    for text in judged:
        padded = ["<s>"] * order + text + ["</s>"]
        for i in range(order, len(padded)):
            chance = 1 / (len(WORDS) + 2)
            for k in range(1, order + 1):
                gram = tuple(padded[i - k + 1 : i + 1])
                after = [c for g, c in counts[k].items() if g[:-1] == gram[:-1]]
                once, twice = (sum(c == n for c in counts[k].values()) for n in (1, 2))
                d = max(once / max(1, once + 2 * twice), 0.1)
                if after:
                    kept = max(counts[k][gram] - d, 0) if gram in counts[k] else 0
                    chance = (kept + d * len(after) * chance) / sum(after)
            total, units = total - math.log(chance), units + 1
    return total / units


def test_kneser_ney_is_its_recursion() -> None:
    training, judged = sentences(3, 30), sentences(4, 12, "abcdf")
    found = kneserney.score(rows_of(training), rows_of(judged), 3)
    assert found.value == pytest.approx(kneser_ney(training, judged, 3), abs=1e-12)


def test_kneser_ney_is_a_distribution() -> None:
    model = kneserney.KneserNey.fit(rows_of(sentences(5, 30)), 3)
    for before in ([], ["a"], ["b", "c"], ["f", "a"]):
        total = model.chances(rows_of([before]))[-1]  # that of an end
        for unit in [*WORDS, "f"]:  # "f" stands for all that was never seen
            total += model.chances(rows_of([[*before, unit]]))[len(before)]
        assert total == pytest.approx(1)


def test_scores_tell_quality_from_variety() -> None:
    real = sentences(6, 200, "aabc")
    good, narrow, wild = (
        sentences(7, 200, "aabc"),
        [["a", "b", "a"]] * 200,
        sentences(8, 200, "abcde"),
    )
    scores = [lm_scores(rows_of(real), rows_of(side)) for side in (good, narrow, wild)]
    assert scores[1].forward.value < scores[0].forward.value < scores[2].forward.value
    assert scores[0].reverse.value < scores[2].reverse.value < scores[1].reverse.value
    both = [one.both.value for one in scores]
    assert both[0] == min(both)


def test_longest_copied_run() -> None:
    training, fake = sentences(9, 20), sentences(10, 20)

    def runs(text: list[str]) -> set[tuple[str, ...]]:
        n = len(text)
        return {tuple(text[i:j]) for i in range(n) for j in range(i + 1, n + 1)}

    known = set().union(*map(runs, training))

    def longest(text: list[str]) -> int:
        return max(map(len, runs(text) & known), default=0)

    found = longest_runs(rows_of(training), rows_of(fake))
    assert found.tolist() == [longest(text) for text in fake]
    assert copied(rows_of(training), rows_of(training)).share.value == 1


def test_parts_of_rows_are_the_rows() -> None:
    texts = sentences(11, 10)
    rows = rows_of(texts)
    some = rows[np.array([7, 2, 3])]
    assert some.units.tolist() == rows_of([texts[i] for i in (7, 2, 3)]).units.tolist()
    joined = TextRows.joined([rows[:4], rows[4:]])
    assert (
        joined.units.tolist() == rows.units.tolist() and joined.ends.tolist() == rows.ends.tolist()
    )
