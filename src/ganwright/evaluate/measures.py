"""The measures as a table: what each is, what it needs, and which way is better.

New measure: one pure function and one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganwright.base.errors import UsageError
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
from ganwright.evaluate.intervals import Estimate
from ganwright.evaluate.memorisation import copies, memorisation, unique_share
from ganwright.evaluate.twosample import two_sample
from ganwright.evaluate.vendi import vendi
from ganwright.modalities.counts.quality import LEAST, company, count_quality
from ganwright.modalities.tables.judge.columns import LEAST_RARE, quality, rare
from ganwright.modalities.tables.judge.learning import LEAST as LEARNED_FROM
from ganwright.modalities.tables.judge.learning import detection, utility
from ganwright.modalities.tables.judge.privacy import membership, nearer, unique_copies

Better = Literal["lower", "higher", "near 0", "near 0.5", "near 1", "near real"]

REAL, FAKE = "real", "fake"  # features of real and of made examples
TRAINING, HELD = "training", "held"  # features of what the model saw, and never saw
PROBABILITIES = "probabilities"  # class probabilities of fakes
CLASSES = "fake_classes", "real_classes"  # counts a class
ASKED = "asked"  # the class each fake was asked to be
PIXELS = "pixels"  # the made examples themselves, (n, …), or digests of them
TRAINING_PIXELS = "training_pixels"  # and those the model saw
# Of tables and counts: the rows themselves as `Cells` or `CountRows`, real, made, and seen by the model.
REAL_ROWS, FAKE_ROWS, TRAINING_ROWS = "real_rows", "fake_rows", "training_rows"
IMAGE, TABLE, COUNTS = "image", "table", "counts"  # kinds of codecs


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of the card.

    `function` takes what `needs` names, in that order; `part` picks the number from its result
    (several rows may share a function, which then runs once). `least(d)` is the fewest rows a side
    with which it can be computed, `advised(d)` below which it says little, for d features.
    """

    title: str
    says: str  # one sentence in plain words
    function: Callable[..., Any]
    part: str | None = None
    needs: tuple[str, ...] = (REAL, FAKE)
    low: float = 0.0
    high: float = math.inf
    better: Better = "lower"
    least: Callable[[int], int] = lambda d: 2
    advised: Callable[[int], int] = lambda d: 1000
    samples_only: bool = False  # says nothing without the same number for real data
    of: tuple[str, ...] = ()  # the kinds of data it is for; none given: any
    memory: bool = False  # about samples and training data: its floor is of unseen examples
    costly: bool = False  # its floor is of one draw
    quick: bool = False  # measured in training, too
    tells: Callable[[Any], str] | None = None  # a note from the whole result, for the card

    def pick(self, result: Any) -> float:
        """The number, from what `function` gave."""
        found = getattr(result, self.part) if self.part else result
        return found.value if isinstance(found, Estimate) else float(found)

    def concerns(self, kind: str) -> bool:
        """Whether it is for data of this kind."""
        return not self.of or kind in self.of


MEASURES: Names[Measure] = Names(
    "measure",
    {
        "fid": Measure(
            title="FID",
            says="How far the fakes' average and spread are from the real ones.",
            function=fid,
            advised=lambda d: max(2000, d + 1),
        ),
        "fid_infinite": Measure(
            title="FID∞",
            says="FID as it would be with endlessly many fakes, so that other n compare.",
            function=fid_infinite,
            part="value",
            low=-math.inf,
            least=lambda d: 10,
            advised=lambda d: max(5000, d + 1),
        ),
        "kid": Measure(
            title="KID",
            says="How unlike two sets are, pair by pair; fair with few samples.",
            function=kid,
            part="value",
            low=-math.inf,
            least=lambda d: 3,
        ),
        "inception_score": Measure(
            title="Inception Score",
            says="Whether each fake has a clear class and all classes occur.",
            function=lambda probabilities: inception_score(probabilities)[0],
            needs=(PROBABILITIES,),
            low=1.0,
            better="higher",
            least=lambda d: 20,
            advised=lambda d: 5000,
            of=(IMAGE,),
        ),
        "precision": Measure(
            title="Precision",
            says="The share of fakes that look like some real example.",
            function=neighbourhood,
            part="precision",
            high=1.0,
            better="higher",
            least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        ),
        "recall": Measure(
            title="Recall",
            says="The share of real examples that the fakes come near to.",
            function=neighbourhood,
            part="recall",
            high=1.0,
            better="higher",
            least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        ),
        "density": Measure(
            title="Density",
            says="How deep in the crowd of real examples the fakes lie.",
            function=neighbourhood,
            part="density",
            better="near 1",
            least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        ),
        "coverage": Measure(
            title="Coverage",
            says="The share of real examples that have a fake among their neighbours.",
            function=neighbourhood,
            part="coverage",
            high=1.0,
            better="higher",
            least=lambda d: max(K_DENSITY, K_PRECISION) + 1,
        ),
        "vendi": Measure(
            title="Vendi score",
            says="How many truly different examples the fakes amount to.",
            function=vendi,
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
            part="accuracy",
            high=1.0,
            better="near 0.5",
            least=lambda d: 50,
        ),
        "auc": Measure(
            title="Two-sample test (AUC)",
            says="How well a classifier ranks real above fake; 0.5 is a coin toss.",
            function=two_sample,
            part="auc",
            high=1.0,
            better="near 0.5",
            least=lambda d: 50,
        ),
        "class_kl": Measure(
            title="Class imbalance",
            says="How far the shares of the classes are from the real ones.",
            function=class_kl,
            needs=CLASSES,
            least=lambda d: 1,
            of=(IMAGE,),
        ),
        "obeyed": Measure(
            title="Asked class obeyed",
            says="The share of fakes that a classifier takes for the class they were asked to be.",
            function=class_obeyed,
            needs=(ASKED, PROBABILITIES),
            high=1.0,
            better="higher",
            least=lambda d: 1,
            advised=lambda d: 100,
            of=(IMAGE,),
        ),
        "closer": Measure(
            title="Closer than unseen",
            says="How often a fake is nearer to the training data than unseen real data is.",
            function=memorisation,
            part="closer",
            needs=(TRAINING, HELD, FAKE),
            high=1.0,
            better="near 0.5",
            least=lambda d: 8,
            advised=lambda d: 200,
            memory=True,
            of=(IMAGE,),
        ),
        "ct": Measure(
            title="Copying (C_T)",
            says="That as a score: below −3 the fakes are copies, far above 3 they miss the data.",
            function=memorisation,
            part="ct",
            needs=(TRAINING, HELD, FAKE),
            low=-math.inf,
            better="near 0",
            least=lambda d: 8,
            advised=lambda d: 200,
            memory=True,
            of=(IMAGE,),
        ),
        "copies": Measure(
            title="Exact copies",
            says="The share of fakes that are training examples, to the last bit.",
            function=lambda training, fakes: copies(training, fakes).mean(),
            needs=(TRAINING_PIXELS, PIXELS),
            high=1.0,
            least=lambda d: 1,
            memory=True,
        ),
        "unique": Measure(
            title="Unique samples",
            says="The share of fakes that are no repetition of another.",
            function=unique_share,
            needs=(PIXELS,),
            high=1.0,
            better="higher",
            least=lambda d: 1,
            advised=lambda d: 100,
            samples_only=True,
        ),
        "shapes": Measure(
            title="Column shapes",
            says="How alike each column is by itself, on average; 1 is the same.",
            function=quality,
            part="shapes",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            of=(TABLE,),
            quick=True,
        ),
        "trends": Measure(
            title="Pair trends",
            says="How alike pairs of columns that go together are; 1 is the same.",
            function=quality,
            part="trends",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            of=(TABLE,),
            quick=True,
        ),
        "quality": Measure(
            title="Shapes and trends",
            says="The mean of the two, as SDMetrics' quality report has it.",
            function=quality,
            part="quality",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            of=(TABLE,),
        ),
        "worst_column": Measure(
            title="Worst column",
            says="How far the column that is least alike overlaps with the real one.",
            function=quality,
            part="worst",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            of=(TABLE,),
            tells=lambda found: f"the worst column is '{found.worst_name}'",
        ),
        "correlation": Measure(
            title="Associations off by",
            says="How far, on average, the association of two columns is from the real one.",
            function=quality,
            part="correlation",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=2.0,
            of=(TABLE,),
        ),
        "rare": Measure(
            title="Rare values kept",
            says="The share of rare categories that the fakes have at half their share or more.",
            function=rare,
            part="share",
            needs=(TRAINING_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            least=lambda d: LEAST_RARE,
            of=(TABLE,),
            tells=lambda found: found.says(),
        ),
        "utility": Measure(
            title="Use for prediction",
            says="How well a model trained on the fakes predicts real rows (macro-F1 or R²).",
            function=utility,
            part="score",
            needs=(REAL_ROWS, FAKE_ROWS),
            low=-math.inf,
            high=1.0,
            better="higher",
            least=lambda d: LEARNED_FROM,
            of=(TABLE,),
            costly=True,
            tells=lambda found: found.says(),
        ),
        "detection": Measure(
            title="Two-sample test, trees",
            says="How well boosted trees rank real above fake rows (AUC); 0.5 is a coin toss.",
            function=detection,
            part="auc",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="near 0.5",
            least=lambda d: LEARNED_FROM,
            of=(TABLE,),
            costly=True,
        ),
        "nearer": Measure(
            title="Nearer to training",
            says="The share of fakes nearer to training rows than to as many unseen ones.",
            function=nearer,
            part="share",
            needs=(TRAINING, HELD, FAKE),
            high=1.0,
            better="near 0.5",
            least=lambda d: 8,
            of=(TABLE, COUNTS),
            memory=True,
        ),
        "membership": Measure(
            title="Membership attack",
            says="How well nearness to a fake tells who was in the training data (AUC).",
            function=membership,
            needs=(TRAINING, HELD, FAKE),
            high=1.0,
            better="near 0.5",
            least=lambda d: 8,
            of=(TABLE,),
            memory=True,
        ),
        "unique_copies": Measure(
            title="Copies of unique rows",
            says="The share of fakes that are a training row which stands there once.",
            function=unique_copies,
            needs=(TRAINING_PIXELS, PIXELS),
            high=1.0,
            least=lambda d: 1,
            of=(TABLE, COUNTS),
            memory=True,
        ),
        "zeros": Measure(
            title="Zeros off by",
            says="How far the share of zeros is from the real one.",
            function=count_quality,
            part="zeros",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            least=lambda d: 1,
            of=(COUNTS,),
        ),
        "totals": Measure(
            title="Totals apart",
            says="How far the distributions of the rows' sums are apart; 0 is the same.",
            function=count_quality,
            part="totals",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            least=lambda d: 1,
            of=(COUNTS,),
            quick=True,
        ),
        "words": Measure(
            title="Words alike",
            says="How far the shares of all words overlap with the real ones; 1 is the same.",
            function=count_quality,
            part="words",
            needs=(REAL_ROWS, FAKE_ROWS),
            high=1.0,
            better="higher",
            least=lambda d: 1,
            of=(COUNTS,),
            quick=True,
        ),
        "together": Measure(
            title="Words together",
            says="How well frequent words go with the same others as in real rows; 1 is the same.",
            function=company,
            part="together",
            needs=(REAL_ROWS, FAKE_ROWS),
            low=-1.0,
            high=1.0,
            better="higher",
            least=lambda d: LEAST,
            of=(COUNTS,),
            quick=True,
            tells=lambda found: f"{found.pairs:,} pairs of frequent words are compared",
        ),
    },
)


@dataclass(frozen=True)
class Scores:
    """What could be computed, and in one line why the rest could not."""

    values: dict[str, float]
    results: dict[str, Any]  # the whole result of each measure's function
    refused: dict[str, str]


def measure(names: Iterable[str], evidence: Mapping[str, Any]) -> Scores:
    """The named measures of what is given: `evidence` maps the words of `Measure.needs` to arrays.

    A measure that lacks evidence or has too few rows is left out with its reason; the rest is
    given. Functions that several measures share run once. Raises UnknownName for a name that is
    in no table.
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
