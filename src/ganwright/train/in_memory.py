"""Training in memory, in one call: the loop of a run, without a plan and with nothing written.

For uses that train along the way: filling a table, an estimator's `fit`.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.base.errors import Diverged
from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.model import Model
from ganwright.train.choose import choose
from ganwright.train.loop import Scorer, Silent, train
from ganwright.train.plan import Trials
from ganwright.train.progress import shown
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer

PASSES, MOST_ROUNDS = 100, 10_000  # of the default budget
LEAST_BATCH, LEAST_ROUNDS = 16, 100  # the batch is halved until the budget has this many rounds
CHECKS = 25  # scores on held-out rows in one budget
PATIENCE = 5  # … in a row that may pass without improvement
LEAST_HELD, MOST_HELD = 20, 2000  # held-out rows to stop by
LOOKED_AT = 500  # … per score: fewer rows are used several times


def train_in_memory(
    data: Dataset,
    *,
    passes: float | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    settings: dict[str, Any] | None = None,
    progress: bool | None = None,
    stop_by: np.ndarray | None = None,
    recipe: Recipe | None = None,
    scorer: Scorer | None = None,
) -> Model:
    """Trains a model of examples; the same seed gives the same model unless `minutes` end it.

    It trains for `passes` over the data, or `minutes`; None is a default by the number of examples.
    `recipe` is what to train with (None: chosen by the data). The best model by held-out examples is
    kept, and training ends when no better one comes: by the likelihood of `stop_by` (default: all that
    are held out), or, where the generator gives none, by `scorer`; without one the last model is kept.
    `progress` says whether it is shown; None: in a terminal or a notebook. Raises Diverged.
    """
    if recipe is None:
        recipe = choose(data, minutes=None, trials=Trials(data, device))[0]
    recipe = override(recipe, settings or {})
    recipe = replace(
        _with_budget(recipe, len(data.train), passes, minutes, seed), data=data.options
    )
    # The caller's global random state stays untouched.
    with torch.random.fork_rng(), shown(progress) as observer:
        trainer, kept = Trainer(recipe, data, device), InMemory()
        if trainer.average.network.gives_likelihood:
            scorer = _held(data, data.heldout if stop_by is None else stop_by)
        train(trainer, kept, observer or Silent(), lambda: False, scorer)
        if not trainer.healthy():
            raise Diverged("training diverged; a lower learning rate or more data may help")
        return kept.model(trainer)


def _with_budget(
    recipe: Recipe, rows: int, passes: float | None, minutes: float | None, seed: int
) -> Recipe:
    """The recipe with its batch and budget fitted to the number of rows."""
    batch, asked = recipe.train.batch, PASSES if passes is None else passes
    while batch > LEAST_BATCH and asked * rows < LEAST_ROUNDS * batch:
        batch //= 2
    rounds = max(1, round(asked * rows / batch))
    if passes is None:
        rounds = int(np.clip(rounds, LEAST_ROUNDS, MOST_ROUNDS))
    kimg, every = rounds * batch / 1000, max(1, rounds // CHECKS) * batch / 1000
    settings: dict[str, Any] = {
        "train.minutes": minutes,
        "train.batch": batch,
        "train.kimg": kimg,
        "train.seed": seed,
        "train.threads": torch.get_num_threads(),
        "train.report_kimg": every,
        "train.score_kimg": every,
        "train.snapshot_kimg": kimg,
        "train.checkpoint_kimg": kimg,
        "train.patience": PATIENCE,
    }
    for player in ("generator_optimiser", "discriminator_optimiser"):
        if getattr(recipe, player).final_rate is not None:
            settings[f"{player}.decay_kimg"] = kimg
    return override(recipe, settings)


class InMemory:
    """Keeps only the best generator's weights, in memory."""

    sets_back = False

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] | None = None

    def append(self, **event: Any) -> None: ...
    def checkpoint(self, trainer: Trainer, *, regular: bool) -> None: ...
    def recipe(self, recipe: Recipe, trainer: Trainer) -> None: ...

    def regular(self) -> dict[str, Any]:
        raise NotImplementedError("no checkpoint is kept")

    earlier = regular

    def best(self, model: Model) -> None:
        self.weights = copy.deepcopy(model.generator.state_dict())

    def snapshot(self, trainer: Trainer) -> tuple[Path, float] | None:
        return None

    def model(self, trainer: Trainer) -> Model:
        """The artefact: the best, or the last where nothing was scored."""
        model = trainer.model()
        if self.weights is not None:
            model.generator.load_state_dict(self.weights)
        for network in (model.generator, model.discriminator):
            network.eval().requires_grad_(False)
        return model


class HeldOut:
    """Scores by −log p of hidden parts of the same held-out rows every time."""

    def __init__(self, stored: Tensor) -> None:
        self.times = max(1, LOOKED_AT // len(stored))  # each with other parts hidden
        self.stored = stored.repeat(self.times, *[1] * (stored.dim() - 1))

    def __call__(self, model: Model) -> dict[str, float]:
        found = model.negative_log_likelihood(self.stored, times=self.times)
        assert found is not None
        return dict(zip(("nll", "nll_error"), found, strict=True))

    def selects(self, found: dict[str, float]) -> tuple[float, float]:
        return found["nll"], found["nll_error"]


def _held(data: Dataset, rows: np.ndarray) -> HeldOut | None:
    """The scorer by held-out rows; None where there are too few."""
    stored, _ = data.batch(rows)
    stored = stored[(stored.flatten(1) >= 0).all(1)]  # without what training never missed
    if len(stored) < LEAST_HELD:
        return None
    return HeldOut(stored[:: -(-len(stored) // MOST_HELD)])
