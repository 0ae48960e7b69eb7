"""Where a run is kept while it trains: in its folder, or, in memory, just the best model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ganwright.base.options import to_toml
from ganwright.base.runs import RunFolder, replacing, write_text
from ganwright.model import Model
from ganwright.train import state
from ganwright.train.guard import variety
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer

GRID, COLUMNS = 64, 8  # samples in a snapshot, about


class Keeper(Protocol):
    """What the loop needs from the place where a run is kept."""

    sets_back: bool  # whether a diverged run can be rolled back to a checkpoint

    def append(self, **event: Any) -> None:
        """Adds one line to the log."""

    def checkpoint(self, trainer: Trainer, *, regular: bool) -> None:
        """Keeps everything that a resume needs, and the current model."""

    def regular(self) -> dict[str, Any]:
        """The state at the last regular checkpoint, of a run that can be rolled back."""

    def earlier(self) -> dict[str, Any]:
        """The state at the regular checkpoint before, which then is the last."""

    def best(self, model: Model) -> None:
        """Keeps the best model so far."""

    def snapshot(self, trainer: Trainer) -> tuple[Path, float] | None:
        """Keeps samples to look at; returns their path and variety, None where nobody looks."""

    def recipe(self, recipe: Recipe, trainer: Trainer) -> None:
        """Keeps the recipe that repeats the run."""


class OnDisk:
    """The run folder."""

    sets_back = True

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.append = folder.append

    def checkpoint(self, trainer: Trainer, *, regular: bool) -> None:
        state.save(self.folder.checkpoint, trainer.seen, trainer.state(), regular=regular)
        trainer.model().save(self.folder.model)

    def regular(self) -> dict[str, Any]:
        found, _ = state.load(self.folder.checkpoint, regular_only=True)
        return found

    def earlier(self) -> dict[str, Any]:
        return state.earlier(self.folder.checkpoint)

    def best(self, model: Model) -> None:
        model.save(self.folder.best)

    def snapshot(self, trainer: Trainer) -> tuple[Path, float]:
        """The grid, always from the same latents.

        With classes, each has its own column, up to the number of columns.
        """
        model = trainer.model()
        codec = trainer.data.codec
        path = self.folder.samples / f"{trainer.seen / 1000:011.3f}{codec.snapshot_suffix}"
        if model.generator.task:
            return path, self._redone(path, trainer, model)
        columns = min(len(model.spec.classes) or COLUMNS, 2 * COLUMNS)
        count = columns * round(GRID / columns)
        labels = np.arange(count) % columns if model.spec.classes else None
        blocks = list(model.stream(count, seed=trainer.recipe.train.seed, label=labels))
        samples = blocks[0].examples if len(blocks) == 1 else codec.join(b.examples for b in blocks)
        with replacing(path) as aside:
            codec.save_snapshot(aside, samples, columns)
        return path, variety(trainer, samples, labels)

    def _redone(self, path: Path, trainer: Trainer, model: Model) -> float:
        """Held-out examples, those it is given and what it makes of them, in rows; their variety."""
        data = trainer.data
        chosen = (data.heldout if len(data.heldout) else data.train)[: GRID // 2]
        blocks = list(model.redone(data.batch(chosen)[0]))
        given = data.codec.join(block.given for block in blocks)
        made = data.codec.join(block.made for block in blocks)
        rows = []
        for start in range(0, len(chosen), COLUMNS):
            row = slice(start, start + COLUMNS)
            truth = [data.examples(chosen[row])] if model.generator.paired else []
            rows += [given[row], made[row], *truth]
        with replacing(path) as aside:
            data.codec.save_snapshot(aside, data.codec.join(rows), COLUMNS)
        return variety(trainer, made, None)

    def recipe(self, recipe: Recipe, trainer: Trainer) -> None:
        write_text(self.folder.recipe, to_toml(recipe, heading=recipe_heading(trainer)))


def recipe_heading(trainer: Trainer) -> str:
    """The first lines of recipe.toml: what it was trained on and how to repeat it."""
    data = trainer.data
    return (
        f"Trained on '{data.source}' (fingerprint {data.fingerprint}, {len(data.train)} examples).\n"
        "Repeat with: ganwright train DATA --recipe THIS_FILE --out ANOTHER"
    )
