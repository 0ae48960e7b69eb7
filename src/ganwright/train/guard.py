"""The collapse guard: do samples vary as much as the data?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.train.trainer import Trainer

COLLAPSED = 0.3  # below this share of the data's variety, samples deserve a warning


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
