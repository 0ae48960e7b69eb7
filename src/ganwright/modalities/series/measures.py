"""The measures of series: TimeGAN's scores, dynamics, holes, and copied stretches."""

from __future__ import annotations

from ganwright.evaluate.card import Entry
from ganwright.evaluate.estimates import of_blocks, of_closer, of_itself
from ganwright.evaluate.evidence import FAKE_ROWS, REAL_ROWS, TRAINING_ROWS
from ganwright.evaluate.measures import Measure
from ganwright.modalities.series.quality import FEWEST, holes, quality, stretches
from ganwright.modalities.series.scores import LEAST, discriminative, predictive

# No features know classes here.
UNFIT = frozenset({"inception_score", "class_kl", "obeyed"})


def _rivalled(entry: Entry) -> str:
    """Says so where the linear model is as good."""
    rival = entry.others.get("var")
    if rival is None or rival > entry.value:
        return ""
    return (
        f"A vector autoregression is no easier to tell from real windows (discriminative score "
        f"{rival:.2g}, here {entry.value:.2g}): where its linear dynamics will do, it is the simpler choice."
    )


_NAMES = ("marginals", "increments", "autocorrelation", "cross_correlation", "spectrum")
_INTERVALS = of_blocks(quality, {name: name for name in _NAMES})


def _difference(name: str, title: str, says: str, *, quick: bool = False) -> Measure:
    return Measure(
        title=title, says=says, function=quality, interval=_INTERVALS[name], part=name,
        needs=(REAL_ROWS, FAKE_ROWS), least=lambda d: 1, quick=quick, grade="one side",
    )  # fmt: skip


MEASURES = {
    "discriminative": Measure(
        title="Discriminative score",
        says="How far above one half a recurrent net is right in telling made windows from real.",
        function=discriminative,
        interval=of_itself,
        part="value",
        needs=(REAL_ROWS, FAKE_ROWS),
        high=0.5,
        least=lambda d: LEAST,
        costly=True,
        grade="one side",
        verdict=_rivalled,
    ),
    "predictive": Measure(
        title="Predictive score",
        says="Mean absolute error one step ahead, in deviations, of a net that learned from made ones.",
        function=predictive,
        interval=of_itself,
        part="value",
        needs=(REAL_ROWS, FAKE_ROWS),
        least=lambda d: LEAST,
        costly=True,
    ),
    "marginals": _difference(
        "marginals", "Values apart", "Kolmogorov–Smirnov distance of the channels' values."
    ),
    "increments": _difference(
        "increments", "Steps apart", "The same of the differences from one step to the next."
    ),
    "autocorrelation": _difference(
        "autocorrelation",
        "Autocorrelation error",
        "Mean absolute difference of the channels' autocorrelations.",
        quick=True,
    ),
    "cross_correlation": _difference(
        "cross_correlation",
        "Cross-correlation error",
        "Mean absolute difference of the correlations between channels, at once and a step later.",
        quick=True,
    ),
    "spectrum": _difference(
        "spectrum", "Spectra apart", "How much of the power lies at other frequencies."
    ),
    "holes": Measure(
        title="Missing share error",
        says="Mean absolute difference of the channels' shares of missing values.",
        function=holes,
        interval=lambda result, evidence, found: None,
        needs=(REAL_ROWS, FAKE_ROWS),
        high=1.0,
        least=lambda d: 1,
    ),
    "stretches": Measure(
        title="Stretches closer than unseen",
        says="How often a quarter of a made window is nearer to the training data than unseen data is.",
        function=stretches,
        interval=of_closer,
        part="closer",
        needs=(TRAINING_ROWS, REAL_ROWS, FAKE_ROWS),
        high=1.0,
        better="near 0.5",
        least=lambda d: FEWEST,
        memory=True,
    ),
}
