"""The table of measures: what each is, what it needs, how certain it is, and which way is better.

A new measure is one pure function and one row. Rows here work on any features; a modality's part
`measures` adds those that look at its own data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol, cast

import numpy as np

from ganwright.base.errors import UsageError
from ganwright.base.modality import Modality, modalities, modality
from ganwright.base.names import Names
from ganwright.evaluate.coverage import K_DENSITY, K_PRECISION, neighbourhood
from ganwright.evaluate.distances import (
    class_kl,
    class_obeyed,
    fid,
    fid_infinite,
    inception_score,
    kid,
)
from ganwright.evaluate.estimates import (
    Interval,
    of_class_kl,
    of_closer,
    of_ct,
    of_fid,
    of_fid_infinite,
    of_inception_score,
    of_itself,
    of_neighbourhood,
    of_share,
    of_two_sample,
    of_unique,
    of_vendi,
)
from ganwright.evaluate.evidence import (
    ASKED,
    CLASSES,
    FAKE,
    HELD,
    PIXELS,
    PROBABILITIES,
    REAL,
    TRAINING,
    TRAINING_PIXELS,
    Evidence,
    Found,
)
from ganwright.evaluate.exposure import membership, nearer
from ganwright.evaluate.intervals import Estimate
from ganwright.evaluate.memorisation import copies, memorisation, unique_copies, unique_share
from ganwright.evaluate.twosample import two_sample
from ganwright.evaluate.vendi import vendi

Better = Literal["lower", "higher", "near 0", "near 0.5", "near 1", "near real"]
# How a measure other than FID counts towards the verdict's level: by its position between real data and
# the simplest model, by the shortfall of a share, by a classifier's success, or as a number that shows one
# side of the samples only, which alone can't push the level below "Fair".
Grade = Literal["gap", "share", "classifier", "one side"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of the card.

    `function` takes what `needs` names, in that order; `part` picks the number from its result
    (several rows may share a function, which then runs once). `interval` makes the 95 % interval
    from the whole result, or None. For d features, `least(d)` is the fewest rows per side with which
    it can be computed, and below `advised(d)` it says little.
    """

    title: str
    says: str  # one sentence in plain words
    function: Callable[..., Any]
    interval: Interval
    part: str | None = None
    needs: tuple[str, ...] = (REAL, FAKE)
    low: float = 0.0
    high: float = math.inf
    better: Better = "lower"
    grade: Grade | None = None  # None: doesn't count for the verdict's level
    least: Callable[[int], int] = lambda d: 2
    advised: Callable[[int], int] = lambda d: 1000
    samples_only: bool = False  # meaningless without the same number for real data
    memory: bool = False  # about samples and training data: its floor is of unseen examples
    costly: bool = False  # its floor is computed from one draw
    quick: bool = False  # also measured during training
    identities: bool = False  # only of data that says whose its examples are
    tells: Callable[[Any], str] | None = None  # a note from the whole result, for the card
    verdict: Callable[[Any], str] | None = None  # a sentence of the verdict, from the card's entry

    def pick(self, result: Any) -> float:
        """The number, from what `function` gave."""
        found = getattr(result, self.part) if self.part else result
        return found.value if isinstance(found, Estimate) else float(found)


GENERAL = {
    "fid": Measure(
        title="FID",
        says="Fréchet distance: how far the fakes' mean and covariance are from the real ones.",
        function=fid,
        interval=of_fid,
        advised=lambda d: max(2000, d + 1),
    ),
    "fid_infinite": Measure(
        title="FID∞",
        says="FID extrapolated to infinitely many fakes, so that different n compare.",
        function=fid_infinite,
        interval=of_fid_infinite,
        part="value",
        low=-math.inf,
        least=lambda d: 10,
        advised=lambda d: max(5000, d + 1),
    ),
    "kid": Measure(
        title="KID",
        says="Kernel distance: how different the two sets are; unbiased with few samples.",
        function=kid,
        interval=of_itself,
        part="value",
        low=-math.inf,
        least=lambda d: 3,
        grade="one side",
    ),
    "inception_score": Measure(
        title="Inception Score",
        says="Whether each fake has a clear class and all classes occur.",
        function=lambda probabilities: inception_score(probabilities)[0],
        interval=of_inception_score,
        needs=(PROBABILITIES,),
        low=1.0,
        better="higher",
        least=lambda d: 20,
        advised=lambda d: 5000,
    ),
    "precision": Measure(
        title="Precision",
        says="The share of fakes that look like some real example.",
        function=neighbourhood,
        interval=partial(of_neighbourhood, "precision"),
        part="precision",
        high=1.0,
        better="higher",
        least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        grade="share",
    ),
    "recall": Measure(
        title="Recall",
        says="The share of real examples that look like some fake.",
        function=neighbourhood,
        interval=partial(of_neighbourhood, "recall"),
        part="recall",
        high=1.0,
        better="higher",
        least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        grade="share",
    ),
    "density": Measure(
        title="Density",
        says="How densely real examples surround the fakes; 1 is the density around real ones.",
        function=neighbourhood,
        interval=partial(of_neighbourhood, "density"),
        part="density",
        better="near 1",
        least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
    ),
    "coverage": Measure(
        title="Coverage",
        says="The share of real examples that have a fake among their neighbours.",
        function=neighbourhood,
        interval=partial(of_neighbourhood, "coverage"),
        part="coverage",
        high=1.0,
        better="higher",
        least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        grade="share",
    ),
    "vendi": Measure(
        title="Vendi score",
        says="The effective number of different examples among the fakes.",
        function=vendi,
        interval=of_vendi,
        needs=(FAKE,),
        low=1.0,
        better="near real",
        least=lambda d: 1,
        samples_only=True,
    ),
    "accuracy": Measure(
        title="Two-sample test",
        says="How often a classifier tells fakes from real; 0.5 is a coin toss.",
        function=two_sample,
        interval=partial(of_two_sample, "accuracy"),
        part="accuracy",
        high=1.0,
        better="near 0.5",
        least=lambda d: 50,
    ),
    "auc": Measure(
        title="Two-sample test (AUC)",
        says="How well a classifier ranks real above fake; 0.5 is a coin toss.",
        function=two_sample,
        interval=partial(of_two_sample, "auc"),
        part="auc",
        high=1.0,
        better="near 0.5",
        least=lambda d: 50,
        grade="classifier",
    ),
    "class_kl": Measure(
        title="Class imbalance",
        says="KL divergence of the fakes' class shares from the real ones.",
        function=class_kl,
        interval=of_class_kl,
        needs=CLASSES,
        least=lambda d: 1,
        grade="one side",
    ),
    "obeyed": Measure(
        title="Conditional accuracy",
        says="The share of fakes that a classifier assigns to the class they were asked for.",
        function=class_obeyed,
        interval=of_share,
        needs=(ASKED, PROBABILITIES),
        high=1.0,
        better="higher",
        least=lambda d: 1,
        advised=lambda d: 100,
        grade="one side",
    ),
    "closer": Measure(
        title="Closer than unseen",
        says="How often a fake is nearer to the training data than unseen real data is.",
        function=memorisation,
        interval=of_closer,
        part="closer",
        needs=(TRAINING, HELD, FAKE),
        high=1.0,
        better="near 0.5",
        least=lambda d: 8,
        advised=lambda d: 200,
        memory=True,
    ),
    "ct": Measure(
        title="Copying (C_T)",
        says="Data-copying z-score: below −3 the fakes are copies, far above 3 they miss the data.",
        function=memorisation,
        interval=of_ct,
        part="ct",
        needs=(TRAINING, HELD, FAKE),
        low=-math.inf,
        better="near 0",
        least=lambda d: 8,
        advised=lambda d: 200,
        memory=True,
    ),
    "copies": Measure(
        title="Exact copies",
        says="The share of fakes identical to a training example, bit for bit.",
        function=lambda training, fakes: copies(training, fakes).mean(),
        interval=of_share,
        needs=(TRAINING_PIXELS, PIXELS),
        high=1.0,
        least=lambda d: 1,
        memory=True,
    ),
    "unique": Measure(
        title="Unique samples",
        says="The share of distinct examples among the fakes.",
        function=unique_share,
        interval=of_unique,
        needs=(PIXELS,),
        high=1.0,
        better="higher",
        least=lambda d: 1,
        advised=lambda d: 100,
        samples_only=True,
    ),
}
# For data whose examples may be records of people; a modality with such data adopts them.
RECORDS = {
    "nearer": Measure(
        title="Nearer to training",
        says="Distance to closest record: the share of fakes nearer to training than to unseen rows.",
        function=nearer,
        interval=lambda result, evidence, found: result.share,
        part="share",
        needs=(TRAINING, HELD, FAKE),
        high=1.0,
        better="near 0.5",
        least=lambda d: 8,
        memory=True,
    ),
    "membership": Measure(
        title="Membership attack",
        says="How well the distance to the nearest fake reveals training rows (AUC of an attacker).",
        function=membership,
        interval=of_itself,
        needs=(TRAINING, HELD, FAKE),
        high=1.0,
        better="near 0.5",
        least=lambda d: 8,
        memory=True,
    ),
    "unique_copies": Measure(
        title="Copies of unique rows",
        says="The share of fakes equal to a training row that occurs only once.",
        function=unique_copies,
        interval=of_share,
        needs=(TRAINING_PIXELS, PIXELS),
        high=1.0,
        least=lambda d: 1,
        memory=True,
    ),
}


# Of models with a task, whose results have a truth to be compared with: `evaluate/tasks.py`.
OF_TASKS = {
    "psnr": Measure(
        title="PSNR (dB)",
        says="How small the error is: 20 dB is a tenth of the range, 40 dB a hundredth.",
        function=np.mean,
        interval=lambda *_: None,
        needs=("psnr",),
        least=lambda d: 1,
        better="higher",
    ),
    "ssim": Measure(
        title="SSIM",
        says="How alike the structure is in small windows; 1 is equal.",
        function=np.mean,
        interval=lambda *_: None,
        needs=("ssim",),
        least=lambda d: 1,
        low=-1.0,
        high=1.0,
        better="higher",
    ),
}


class MeasuresPart(Protocol):
    """What is asked of a modality's part `measures`, which may be absent.

    `MEASURES` are its own rows, `UNFIT` the general ones that don't apply to its data.
    """

    MEASURES: Mapping[str, Measure]
    UNFIT: frozenset[str]


def _part(one: Modality) -> MeasuresPart | None:
    return cast(MeasuresPart, one.part("measures")) if one.has("measures") else None


def measures_of(name: str, *, identities: bool = False) -> Names[Measure]:
    """The measures of a modality's data, with `identities` or without: the general ones, then its own."""
    part = _part(modality(name))
    if part is None:
        return Names("measure", GENERAL)
    general = {name: row for name, row in GENERAL.items() if name not in part.UNFIT}
    own = {name: row for name, row in part.MEASURES.items() if identities or not row.identities}
    return Names("measure", {**general, **own})


def _every() -> Names[Measure]:
    parts = (part for one in modalities().values() if (part := _part(one)) is not None)
    own = {name: row for part in parts for name, row in part.MEASURES.items()}
    return Names("measure", GENERAL | OF_TASKS | own)


class _All(Mapping[str, Measure]):
    """The measures of all modalities; a modality's own are loaded when first needed."""

    def __getitem__(self, name: str) -> Measure:
        return GENERAL[name] if name in GENERAL else _every()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_every())

    def __len__(self) -> int:
        return len(_every())


MEASURES: Mapping[str, Measure] = _All()


@dataclass(frozen=True)
class Scores:
    """What could be computed, and in one line why the rest could not."""

    values: dict[str, float]
    results: dict[str, Any]  # the whole result of each measure's function
    refused: dict[str, str]


def measure(names: Iterable[str], evidence: Evidence) -> Scores:
    """Computes the named measures; `evidence` maps the names in `Measure.needs` to arrays.

    A measure that lacks evidence or has too few rows is left out, with the reason. Functions that
    several measures share run once. Raises UnknownName for a name that is in no table.
    """
    rows = {name: MEASURES[name] for name in names}
    done: dict[Callable[..., Any], Any] = {}
    scores = Scores({}, {}, {})
    for name, row in rows.items():
        missing = [need for need in row.needs if evidence.get(need) is None]
        if missing:
            scores.refused[name] = f"needs {', '.join(missing)}"
            continue
        if row.function not in done:
            try:
                done[row.function] = row.function(*(evidence[need] for need in row.needs))
            except UsageError as error:
                done[row.function] = error
        result = done[row.function]
        if isinstance(result, UsageError):
            scores.refused[name] = str(result)
        else:
            scores.values[name], scores.results[name] = row.pick(result), result
    return scores


def estimates(scores: Scores, evidence: Evidence) -> Found:
    """The intervals of all `scores` that have one, clipped to the measure's range."""
    found: Found = {}
    for name, result in scores.results.items():
        row = MEASURES[name]
        if (made := row.interval(result, evidence, found)) is not None:
            low, high = max(made.low, row.low), min(made.high, row.high)
            found[name] = replace(made, low=low, high=high)
    return {name: found[name] for name in scores.results if name in found}
