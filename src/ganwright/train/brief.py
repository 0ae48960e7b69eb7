"""Training in memory, in one call: no run folder, no plan, nothing measured or written.

For what trains on the way to something else: filling a table, an estimator's `fit`.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.base import seeds
from ganwright.base.errors import Diverged
from ganwright.base.options import override
from ganwright.data import Dataset
from ganwright.model import Model
from ganwright.train.choose import table_recipe
from ganwright.train.loop import Observer
from ganwright.train.progress import shown
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer

PASSES, MOST_ROUNDS = 100, 10_000  # of the default budget
LEAST_BATCH, LEAST_ROUNDS = 16, 100  # a batch is halved until the budget has so many rounds
CHECKS = 25  # looks at held-out rows in one budget
PATIENCE = 5  # … that may pass without a better one
LEAST_HELD, MOST_HELD = 20, 2000  # held-out rows to stop by
LOOKED_AT = 500  # … looked at: fewer rows are looked at several times


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """How long and on what: `passes` over the rows, or `minutes`; None is a default by their number."""

    passes: float | None = None
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"
    settings: dict[str, Any] | None = None
    progress: bool | None = None  # whether it is shown; None: in a terminal or a notebook


def train_in_memory(data: Dataset, briefing: Briefing, stop_by: np.ndarray | None = None) -> Model:
    """A model of rows, the same for the same seed where `minutes` don't end it.

    `stop_by` are held-out rows (default: all of them): the model with the lowest
    negative log-likelihood is kept, and training ends when no better one comes. Raises Diverged.
    """
    held = data.heldout if stop_by is None else stop_by
    # The caller's own random numbers are not ours to seed.
    with torch.random.fork_rng(), shown(briefing.progress) as observer:
        return _train(data, briefing, held, observer)


def _train(
    data: Dataset, briefing: Briefing, stop_by: np.ndarray, observer: Observer | None
) -> Model:
    recipe = _recipe(data, briefing)
    trainer = Trainer(recipe, data, briefing.device)
    assert recipe.train.kimg is not None
    budget, batch = round(recipe.train.kimg * 1000), recipe.train.batch
    rounds = max(1, -(-budget // batch))
    early = _Early(data, stop_by, trainer)
    ends = None if briefing.minutes is None else time.monotonic() + 60 * briefing.minutes
    every = max(1, rounds // CHECKS)
    began = time.monotonic()
    for number in range(1, rounds + 1):
        played = trainer.round()
        if observer is not None:
            trainer.means.add(played)
            trainer.seconds = time.monotonic() - began
            observer.step(trainer, trainer.seconds)
            if number % every == 0:
                observer.report(_report(trainer), trainer)
        late = ends is not None and time.monotonic() > ends
        if (number % every == 0 or number == rounds or late) and early.stops():
            break
        if late:
            break
    if not trainer.healthy():
        raise Diverged("training diverged; a lower rate or more rows may help")
    return early.model()


def _report(trainer: Trainer) -> dict[str, Any]:
    """What a run's log would say here."""
    facts = {"event": "report", "seen": trainer.seen, "kimg": trainer.seen / 1000}
    speed = trainer.seen / max(trainer.seconds, 1e-9)
    return facts | {"seconds": trainer.seconds, "images_per_s": speed, **trainer.means.take()}


def _recipe(data: Dataset, briefing: Briefing) -> Recipe:
    """The recipe of tables, its batch and budget fitted to the number of rows."""
    recipe = override(table_recipe(len(data.train)), briefing.settings or {})
    rows, batch = len(data.train), recipe.train.batch
    passes = PASSES if briefing.passes is None else briefing.passes
    while batch > LEAST_BATCH and passes * rows < LEAST_ROUNDS * batch:
        batch //= 2
    rounds = max(1, round(passes * rows / batch))
    if briefing.passes is None:
        rounds = int(np.clip(rounds, LEAST_ROUNDS, MOST_ROUNDS))
    kimg = rounds * batch / 1000
    settings: dict[str, Any] = {
        "train.minutes": briefing.minutes,
        "train.batch": batch,
        "train.kimg": kimg,
        "train.seed": briefing.seed,
    }
    for player in ("generator_optimiser", "discriminator_optimiser"):
        if getattr(recipe, player).final_rate is not None:
            settings[f"{player}.decay_kimg"] = kimg
    settings["train.threads"] = torch.get_num_threads()
    return replace(override(recipe, settings), data=data.options)


class _Early:
    """Early stopping: the best model so far, by the negative log-likelihood of held-out rows."""

    def __init__(self, data: Dataset, rows: np.ndarray, trainer: Trainer) -> None:
        self.trainer = trainer
        self.best, self.stale = float("inf"), 0
        self.kept: dict[str, Any] | None = None
        self.condition: Tensor | None = None
        rows = rows[(data.rows[rows] >= 0).all(axis=1)]  # without what training never missed
        if len(rows) >= LEAST_HELD:
            rows = rows[:: -(-len(rows) // MOST_HELD)]
            self.rows = len(rows)
            rows = np.tile(rows, max(1, LOOKED_AT // len(rows)))  # each with other cells hidden
            codes = torch.from_numpy(data.rows[rows].astype(np.int64))
            rng = np.random.default_rng(seeds.derive(trainer.recipe.train.seed, "brief"))
            hidden = torch.from_numpy(rng.random(codes.shape) < rng.random((len(rows), 1)))
            self.condition = torch.where(hidden, ~codes, codes).to(trainer.device)

    def stops(self) -> bool:
        """Looks at the held-out rows; whether it is time to end."""
        if self.condition is None:
            return False
        value, error = self._negative_log_likelihood()
        # As in a run: of models within one standard error the one trained longest is kept. Few rows
        # say little, and would otherwise end the learning of a rare value too soon.
        self.stale = self.stale + 1 if value >= self.best + error else 0
        self.best = min(value, self.best)
        if not self.stale:
            network = self.trainer.average.network
            self.kept = copy.deepcopy(network.state_dict())
        return self.stale >= PATIENCE

    @torch.inference_mode()
    def _negative_log_likelihood(self) -> tuple[float, float]:
        """−log p of a hidden held-out cell, in nats: the mean and its standard error.

        The same cells every time.
        """
        assert self.condition is not None
        generator: Any = self.trainer.average.network
        z = torch.zeros(
            len(self.condition), self.trainer.recipe.latent.dim, device=self.condition.device
        )
        found = generator.negative_log_likelihood(z, self.condition).view(-1, self.rows).mean(0)
        return float(found.mean()), float(found.std() / self.rows**0.5)

    def model(self) -> Model:
        """The artefact, of the best state."""
        model = self.trainer.model()
        if self.kept is not None:
            model.generator.load_state_dict(self.kept)
        for network in (model.generator, model.discriminator):
            network.eval().requires_grad_(False)
        return model
