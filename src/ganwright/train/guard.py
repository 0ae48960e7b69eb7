"""The guard: signs that a game is lost, and when they have lasted long enough to act.

A collapse shows at snapshots: samples vary far less than the data. A discriminator that has won for good
shows in reports: its loss is nothing, and its logits of real and made examples are far apart. Both happen
in good runs, too, for a moment or at the start. Numbers that aren't finite are looked for by
`Trainer.healthy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.train.trainer import Trainer

COLLAPSED = 0.3  # below this share of the data's variety, samples deserve a warning
WON_LOSS = 1e-3  # of a discriminator that has nothing left to learn, where also
WON_APART = 20.0  # its mean logits of real and made examples are further apart than this
PERSISTS = 3  # signs in a row, from which on the guard acts
LEARNT = 20_000  # examples before which samples may vary little: nothing has been learnt yet

# What a rollback for each problem changes; `Trainer.remedied` makes it so.
REMEDIES = {
    "diverged": "half the learning rates",
    "won": "a tenth of D's learning rate",
    "collapsed": "a tenth of the learning rates",
}


def has_won(means: Mapping[str, float]) -> bool:
    """Whether the means of a report are those of a discriminator that has won."""
    loss, real, fake = (
        means.get(name, math.nan) for name in ("discriminator_loss", "real_logit", "fake_logit")
    )
    return abs(loss) < WON_LOSS and real - fake > WON_APART


def count(trainer: Trainer, problem: str, shows: bool) -> None:
    """Counts how often in a row a problem shows."""
    trainer.signs = trainer.signs | {problem: trainer.signs.get(problem, 0) + 1 if shows else 0}


def acts(trainer: Trainer) -> bool:
    """Whether the guard may still go back.

    Never under differential privacy: what it looks at shows real rows, which the noise doesn't cover.
    """
    return trainer.accountant is None and trainer.rollbacks < trainer.recipe.train.repairs


def lasting(trainer: Trainer) -> str | None:
    """The problem that has lasted: won or collapsed."""
    for problem, times in trainer.signs.items():
        if times >= PERSISTS and (problem != "collapsed" or trainer.seen >= LEARNT):
            return problem
    return None


def spread(x: Tensor, labels: np.ndarray | None) -> float:
    """The mean distance between two different examples of (n, *shape), of one class if there are."""
    flat = x.flatten(1).double()
    if labels is None:
        return float(torch.pdist(flat).mean())
    within = [torch.pdist(flat[torch.from_numpy(labels == c)]) for c in np.unique(labels)]
    together = torch.cat(within)
    return float(together.mean()) if len(together) else float("nan")


def variety(trainer: Trainer, samples: Any, labels: np.ndarray | None) -> float:
    """The spread of samples relative to that of as many real examples; 1 is like the data.

    Near 0 the generator makes only one thing. With classes it is the spread within each, as a
    generator with one example per class has collapsed, too. It says nothing about quality.
    """
    train, codec = trainer.data.train, trainer.data.codec
    if labels is None or trainer.data.labels is None:
        chosen, labels = train[: len(samples)], None
    else:
        theirs = trainer.data.labels[train]
        count = len(labels) // len(np.unique(labels))
        chosen = np.concatenate([train[theirs == c][:count] for c in np.unique(labels)])
    real, real_labels = trainer.data.batch(chosen)
    made = spread(codec.encode(torch.from_numpy(codec.stored(samples))), labels)
    known = None if labels is None or real_labels is None else real_labels.numpy()
    return made / max(spread(codec.encode(real), known), 1e-12)
