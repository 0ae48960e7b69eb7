"""Judges samples: features, statistics, distances and the card."""

from ganwright.evaluate.card import Card, Entry
from ganwright.evaluate.coverage import Manifold, Neighbourhood, neighbourhood
from ganwright.evaluate.distances import (
    Extrapolation,
    class_kl,
    class_obeyed,
    fid,
    fid_infinite,
    inception_score,
    kid,
    kid_subsets,
)
from ganwright.evaluate.intervals import Estimate, Floor, floor, jackknife, wilson
from ganwright.evaluate.judge import evaluate
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.measures import MEASURES, Measure, Scores, measure
from ganwright.evaluate.memorisation import Memorisation, Pair, copies, memorisation, unique_share
from ganwright.evaluate.modes import (
    ClassCoverage,
    Mixture,
    ModeCoverage,
    class_coverage,
    grid,
    kl_floor,
    mode_coverage,
    ring,
    stacked_labels,
)
from ganwright.evaluate.scorer import Scorer, scoring
from ganwright.evaluate.stats import Moments, Statistics, statistics
from ganwright.evaluate.twosample import CLASSIFIERS, TwoSample, two_sample
from ganwright.evaluate.vendi import vendi

__all__ = [
    "CLASSIFIERS",
    "MEASURES",
    "Card",
    "ClassCoverage",
    "Entry",
    "Estimate",
    "Extrapolation",
    "FeatureMatrix",
    "Floor",
    "Manifold",
    "Measure",
    "Memorisation",
    "Mixture",
    "ModeCoverage",
    "Moments",
    "Neighbourhood",
    "Pair",
    "Scorer",
    "Scores",
    "Statistics",
    "TwoSample",
    "class_coverage",
    "class_kl",
    "class_obeyed",
    "copies",
    "evaluate",
    "fid",
    "fid_infinite",
    "floor",
    "grid",
    "inception_score",
    "jackknife",
    "kid",
    "kid_subsets",
    "kl_floor",
    "measure",
    "memorisation",
    "mode_coverage",
    "neighbourhood",
    "ring",
    "scoring",
    "stacked_labels",
    "statistics",
    "two_sample",
    "unique_share",
    "vendi",
    "wilson",
]
