"""How similar two sets of texts are, how varied one is, and how much of it is copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.base.errors import DataError
from ganwright.evaluate.intervals import Estimate, normal
from ganwright.modalities.text import kneserney
from ganwright.modalities.text.ngrams import TextRows, mixed, ngrams

SIZES = (1, 2, 3, 4)
UNSEEN, DISTINCT = (
    3,
    2,
)  # units of n-grams that are looked for in held-out texts, and that are counted
SMALL = 0.1  # what a precision without a match counts, over its n-grams
COPIES_MOST = 2000  # texts in which copied runs are looked for
LEAST = 20  # texts a side


@dataclass(frozen=True, kw_only=True)
class Ngrams:
    """`jsd_n` are Jensen–Shannon divergences of n-grams in bits, `unseen` is the share of the fakes'
    3-grams that no real text has, `distinct` the share of their 2-grams that are different.
    """

    jsd_1: float
    jsd_2: float
    jsd_3: float
    jsd_4: float
    unseen: float
    distinct: float


def ngram_quality(real: TextRows, fake: TextRows) -> Ngrams:
    """All of them."""
    theirs, ours = ({n: ngrams(side, n)[0] for n in SIZES} for side in (real, fake))
    found = {f"jsd_{n}": divergence(theirs[n], ours[n]) for n in SIZES}
    strange, pairs = ours[UNSEEN], ours[DISTINCT]
    return Ngrams(
        unseen=float(1 - np.isin(strange, theirs[UNSEEN]).mean()) if len(strange) else 0.0,
        distinct=len(np.unique(pairs)) / len(pairs) if len(pairs) else 0.0,
        **found,
    )


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    """The Jensen–Shannon divergence in bits of two samples' shares of each value: 0 … 1."""
    if not len(first) or not len(second):
        return 0.0 if len(first) == len(second) else 1.0
    _, where = np.unique(np.concatenate([first, second]), return_inverse=True)
    kinds = int(where.max()) + 1
    p = np.bincount(where[: len(first)], minlength=kinds) / len(first)
    q = np.bincount(where[len(first) :], minlength=kinds) / len(second)
    middle = (p + q) / 2
    total = 0.0
    for side in (p, q):
        there = side > 0
        total += float((side[there] * np.log2(side[there] / middle[there])).sum()) / 2
    return total


@dataclass(frozen=True, kw_only=True)
class Scores:
    """`forward` is what a model of real texts needs for the fakes, `reverse` one of the fakes for real
    texts, in nats a unit; `both` is their sum.
    """

    forward: Estimate
    reverse: Estimate
    both: Estimate


def lm_scores(real: TextRows, fake: TextRows) -> Scores:
    """Both directions. Raises DataError for few texts."""
    if min(len(real), len(fake)) < LEAST:
        raise DataError(f"needs at least {LEAST} texts a side; got {min(len(real), len(fake))}")
    forward = kneserney.score(real, fake, real.order)
    reverse = kneserney.score(fake, real, real.order)
    error = float(np.hypot(forward.error, reverse.error))
    both = normal(forward.value + reverse.value, error, forward.method)
    return Scores(forward=forward, reverse=reverse, both=both)


def self_bleu(fake: TextRows) -> Estimate:
    """The mean BLEU-4 of each text against all others (Papineni et al. 2002; Zhu et al. 2018).

    Without the text itself among its references, which many published scores include. Smoothed as NLTK's
    method 1: a precision without a match counts 0.1 over its n-grams. Raises DataError for one text.
    """
    if len(fake) < 2:
        raise DataError("self-BLEU needs at least 2 texts")
    logs = np.zeros(len(fake))
    matches = np.zeros(0)
    for n in SIZES:
        matched = _matched(fake, n)
        possible = np.maximum(1, fake.lengths - n + 1)
        if n == 1:
            matches = matched
        logs += np.log(np.where(matched > 0, matched, SMALL) / possible) / len(SIZES)
    nearest = _nearest_lengths(fake.lengths)
    lengths = np.maximum(1, fake.lengths)
    short = np.where(fake.lengths > nearest, 0.0, 1 - nearest / lengths)
    each = np.where(matches > 0, np.exp(logs + short), 0.0)
    error = float(each.std(ddof=1)) / len(each) ** 0.5
    return normal(float(each.mean()), error, "spread over texts")


def _matched(rows: TextRows, n: int) -> np.ndarray:
    """n-grams of each text that another has, each counted as often as the other that has most: (texts,)."""
    grams, owner = ngrams(rows, n)
    if not len(grams):
        return np.zeros(len(rows))
    _, kind = np.unique(grams, return_inverse=True)
    pair, times = np.unique(kind * np.int64(len(rows)) + owner, return_counts=True)
    kind, owner = np.divmod(pair, len(rows))
    order = np.lexsort((-times, kind))
    first = np.ones(len(order), bool)
    first[1:] = kind[order][1:] != kind[order][:-1]
    begins = np.flatnonzero(first)
    most, holder = times[order][begins], owner[order][begins]
    follows = np.minimum(begins + 1, len(order) - 1)
    second = np.where(kind[order][follows] == kind[order][begins], times[order][follows], 0)
    second = np.where(follows == begins, 0, second)
    others = np.where(holder[kind] == owner, second[kind], most[kind])
    return np.bincount(owner, np.minimum(times, others), minlength=len(rows))


def _nearest_lengths(lengths: np.ndarray) -> np.ndarray:
    """The length of another text that is nearest to each text's own; of two the shorter: (n,)."""
    known, counts = np.unique(lengths, return_counts=True)
    nearest = {}
    for length, count in zip(known, counts, strict=True):
        others = known if count > 1 else known[known != length]
        nearest[length] = min(others, key=lambda other: (abs(other - length), other))
    return np.array([nearest[length] for length in lengths], np.float64)


@dataclass(frozen=True, kw_only=True)
class Copied:
    """`share` is the mean share of a text that its longest run found in training texts makes up, with
    its error; `longest` the longest of these runs, in units.
    """

    share: Estimate
    longest: int


def copied(training: TextRows, fake: TextRows) -> Copied:
    """The longest runs of the first 2,000 fakes that stand in a training text as well."""
    fake = fake[: min(len(fake), COPIES_MOST)]
    runs = longest_runs(training, fake)
    shares = runs / np.maximum(1, fake.lengths)
    error = float(shares.std(ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
    share = normal(float(shares.mean()), error, "spread over texts")
    return Copied(share=share, longest=int(runs.max(initial=0)))


def longest_runs(training: TextRows, fake: TextRows) -> np.ndarray:
    """Units in the longest run of each fake that is in one training text, (n,)."""
    found = np.zeros(len(fake), np.int64)
    sides = [_Runs.of(rows) for rows in (training, fake)]
    for n in range(1, int(fake.lengths.max(initial=0)) + 1):
        if n > 1:
            sides = [side.longer(n) for side in sides]
        theirs, ours = sides
        sides = [
            theirs.kept(np.isin(theirs.hashes, ours.hashes)),
            ours.kept(np.isin(ours.hashes, theirs.hashes)),
        ]
        if not len(sides[1].places):
            break
        found[sides[1].owner] = n
    return found


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of some length that are still found on both sides: their hashes, where they begin and whose."""

    rows: TextRows
    hashes: np.ndarray
    places: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, rows: TextRows) -> _Runs:
        owner = np.repeat(np.arange(len(rows)), rows.lengths)
        return cls(rows, rows.units, np.arange(len(rows.units)), owner)

    def kept(self, mask: np.ndarray) -> _Runs:
        return _Runs(self.rows, self.hashes[mask], self.places[mask], self.owner[mask])

    def longer(self, n: int) -> _Runs:
        """The same runs with one unit more, of those that have one within their text."""
        last = self.places + n - 1
        inside = last < self.rows.ends[self.owner]
        kept = self.kept(inside)
        hashes = mixed(kept.hashes, self.rows.units[last[inside]])
        return _Runs(self.rows, hashes, kept.places, kept.owner)
