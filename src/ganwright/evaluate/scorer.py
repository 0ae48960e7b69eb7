"""Scores in training: few samples, cached real statistics, the half of the held-out data for selection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.data import Dataset
from ganwright.evaluate.coverage import Manifold, neighbourhood
from ganwright.evaluate.distances import fid
from ganwright.evaluate.evidence import FAKE_ROWS, REAL_ROWS
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.intervals import jackknife
from ganwright.evaluate.judge import class_shares, look, rows
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.measures import measure, measures_of
from ganwright.evaluate.memorisation import unique_share
from ganwright.evaluate.stats import statistics
from ganwright.model import Model

SAMPLES = 1000  # of one score
MOST_ROWS = 10_000  # examples that a modality's own measures look at
LEAST = 20  # held-out examples to select by


class Scorer:
    """FID, precision, recall, coverage and uniqueness of a model's samples, always of the same seed.

    Where the generator gives it, `nll` is the negative log-likelihood of held-out examples.
    Beside them the quick measures of the modality. Real features,
    their radii and the floor are computed once, before the first score.
    """

    def __init__(self, data: Dataset, features: str) -> None:
        selection, _ = data.heldout_halves
        self.extractor = choose_extractor(features, data)
        self.stored, self.labels = data.batch(selection[:MOST_ROWS])
        seen = look(self.extractor, rows(data, selection))
        real = seen.features
        self.real, self.n = statistics(real), min(SAMPLES, len(data.train))
        self.names = [name for name, row in measures_of(data.codec.kind).items() if row.quick]
        self.cells = None if seen.cells is None else seen.cells[:MOST_ROWS]
        rng = np.random.default_rng(seeds.derive(0, "score", "floor"))
        # As many as the samples: few samples can't be near each of many real examples.
        self.manifold = Manifold(real[np.sort(rng.permutation(len(real))[: self.n])])
        played = np.sort(rng.permutation(data.train)[: self.n])
        self.floor = fid(self.real, look(self.extractor, rows(data, played)).features)
        self.classes = data.spec.classes if self.extractor.classes == data.spec.classes else ()

    def __call__(self, model: Model) -> dict[str, float]:
        """Flat numbers for the log: `fid` ± `fid_error` beside `floor`, and how various they are."""
        seen = look(self.extractor, self._made(model))
        distance = jackknife(
            lambda fake: fid(self.real, fake), FeatureMatrix(seen.features), blocks=10
        )
        near = neighbourhood(self.manifold, seen.features)
        found = {
            "fid": distance.value,
            "fid_error": distance.error,
            "floor": self.floor,
            "precision": near.precision,
            "recall": near.recall,
            "coverage": near.coverage,
            "unique": unique_share(seen.hashes),
            "n": float(self.n),
        }
        nll = None
        if not model.generator.task:
            nll = model.negative_log_likelihood(self.stored, labels=self.labels)
        if nll is not None:
            found["nll"], found["nll_error"] = nll
        given = {REAL_ROWS: self.cells, FAKE_ROWS: seen.cells}
        found |= measure(self.names, given).values
        shares = class_shares(seen, self.classes) if self.classes else {}
        return found | {f"share_{name}": share for name, share in shares.items()}

    def _made(self, model: Model) -> Iterator[Any]:
        """Samples; of a model with a task what it makes of the same held-out examples each time."""
        if model.generator.task:
            return (block.made for block in model.redone(self.stored[: self.n]))
        return (block.examples for block in model.stream(self.n, seed=seeds.derive(0, "score")))

    def selects(self, found: dict[str, float]) -> tuple[float, float]:
        """The number that selects a model (lower is better) and its error: NLL if given, else FID."""
        return (found["nll"], found["nll_error"]) if "nll" in found else (found["fid"], 0.0)


def scoring(
    data: Dataset, features: str, *, say: Callable[[str], None] = lambda text: None
) -> Scorer | None:
    """The scorer of a run on `data`, or None, said why, where the data does not allow one.

    Raises OptionError for features that can't be had.
    """
    selection, _ = data.heldout_halves
    if len(selection) < LEAST:
        say(
            f"no scores in training: they need {LEAST} held-out examples, and there are {len(selection)}"
        )
        return None
    try:
        return Scorer(data, features)
    except DataError as error:
        say(f"no scores in training: {error}")
        return None
