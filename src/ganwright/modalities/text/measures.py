"""The measures of texts: n-grams, two language models, variety, and what is copied."""

from __future__ import annotations

import math
from typing import Any

from ganwright.evaluate.card import Entry
from ganwright.evaluate.estimates import of_blocks
from ganwright.evaluate.evidence import (
    FAKE_ROWS,
    REAL_ROWS,
    TRAINING_ROWS,
    Evidence,
    Found,
)
from ganwright.evaluate.intervals import Estimate
from ganwright.evaluate.measures import Measure
from ganwright.modalities.text.nets import LM
from ganwright.modalities.text.quality import (
    LEAST,
    SIZES,
    UNSEEN,
    copied,
    lm_scores,
    ngram_quality,
    self_bleu,
)

# No features know classes here.
UNFIT = frozenset({"inception_score", "class_kl", "obeyed"})
SELF = "self"

_NGRAMS = of_blocks(
    ngram_quality,
    {name: name for name in (*(f"jsd_{n}" for n in SIZES), "unseen", "distinct")},
)


def _of(part: str) -> Any:
    """The interval that a part of the result already has."""

    def interval(result: Any, evidence: Evidence, found: Found) -> Estimate:
        made: Estimate = getattr(result, part)
        return made

    return interval


def _against_lm(entry: Entry) -> str:
    """Who needs fewer nats, each at its best temperature: these texts or the language model beside."""
    lms = {name: value for name, value in entry.others.items() if name.partition("@")[0] == LM}
    if not lms:
        return ""
    own = {name: v for name, v in entry.others.items() if name.partition("@")[0] == SELF}
    own[SELF] = entry.value
    (best, theirs), (cooler, ours) = (min(x.items(), key=lambda item: item[1]) for x in (lms, own))
    error = entry.estimate().error
    told = f"{ours:.2f} nats a unit ({_at(cooler)}), a language model of equal size {theirs:.2f}"
    told += f" ({_at(best)})"
    if ours > theirs + 1.96 * error:
        return (
            f"Use the language model (sample --by {best}): at their best, these texts lose {told}."
        )
    if ours < theirs - 1.96 * error:
        return f"At their best, these texts lose {told}: better than the language model."
    return f"At their best, these texts lose {told}: as good as the language model."


def _at(name: str) -> str:
    return f"temperature {name.partition('@')[2] or '1'}"


_JSD: dict[str, Any] = {
    "function": ngram_quality,
    "needs": (REAL_ROWS, FAKE_ROWS),
    "high": 1.0,
    "least": lambda d: 1,
}
_LM: dict[str, Any] = {
    "function": lm_scores,
    "needs": (REAL_ROWS, FAKE_ROWS),
    "high": math.inf,
    "least": lambda d: LEAST,
}

MEASURES = {
    **{
        f"jsd_{n}": Measure(
            title=f"{n}-grams apart (JSD)",
            says=f"Jensen–Shannon divergence, in bits, of the shares of runs of {n} units; 0 is the same.",
            part=f"jsd_{n}",
            interval=_NGRAMS[f"jsd_{n}"],
            quick=n == SIZES[-1],
            grade="one side" if n == SIZES[-1] else None,
            **_JSD,
        )
        for n in SIZES
    },
    "lm_score": Measure(
        title="LM score",
        says="Quality: nats a unit that an n-gram model of held-out texts needs for the samples.",
        part="forward",
        interval=_of("forward"),
        better="near real",
        **_LM,
    ),
    "reverse_lm": Measure(
        title="Reverse LM score",
        says="Diversity: nats a unit that an n-gram model of the samples needs for held-out texts.",
        part="reverse",
        interval=_of("reverse"),
        quick=True,
        grade="gap",
        **_LM,
    ),
    "lm_both": Measure(
        title="LM + reverse LM",
        says="The sum of both: by a lower temperature the first falls and the second rises.",
        part="both",
        interval=_of("both"),
        verdict=_against_lm,
        **_LM,
    ),
    "unseen": Measure(
        title=f"New {UNSEEN}-grams",
        says=f"The share of the samples' runs of {UNSEEN} units that no held-out text has.",
        part="unseen",
        interval=_NGRAMS["unseen"],
        better="near real",
        **_JSD,
    ),
    "distinct": Measure(
        title="Distinct 2-grams",
        says="How many of the samples' pairs of units are different; it falls with n.",
        part="distinct",
        interval=_NGRAMS["distinct"],
        better="near real",
        samples_only=True,
        **_JSD,
    ),
    "self_bleu": Measure(
        title="Self-BLEU",
        says="How similar each sample is to the others, itself left out; high means few patterns.",
        function=self_bleu,
        interval=lambda result, evidence, found: result,
        part="value",
        needs=(FAKE_ROWS,),
        high=1.0,
        better="near real",
        least=lambda d: 2,
        samples_only=True,
        costly=True,
    ),
    "copied": Measure(
        title="Longest copied run",
        says="The mean share of a sample that its longest run of units found in training makes up.",
        function=copied,
        interval=_of("share"),
        part="share",
        needs=(TRAINING_ROWS, FAKE_ROWS),
        high=1.0,
        better="near real",
        least=lambda d: 1,
        memory=True,
        costly=True,
        tells=lambda found: f"the longest run found in a training text has {found.longest} units",
    ),
}
