"""Who is exposed: are the rows nearer to people the model saw than to people it did not?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganwright.base.errors import DataError, message
from ganwright.evaluate.intervals import Estimate, normal, wilson
from ganwright.evaluate.neighbours import nearest
from ganwright.evaluate.rows import Features, Rows, same_width, shuffled
from ganwright.evaluate.twosample import delong

LEAST = 8


@dataclass(frozen=True)
class Nearer:
    """The share of samples nearer to training rows than to as many that were held out."""

    share: Estimate
    n: int  # rows of each
    distances: np.ndarray  # (samples, 2) to the nearest of each; training first


def nearer(
    training: Features | Rows, held: Features | Rows, samples: Features | Rows, *, seed: int = 0
) -> Nearer:
    """Distances to the closest record, against those to unseen ones; 0.5 is honest.

    Training is thinned at random to as many rows as were held out, so that chance alone gives one
    half (Platzer & Reutterer 2021; SDMetrics' DCROverfittingProtection). Equal distances count half.
    Raises DataError below 8 rows of any.
    """
    seen, unseen, fake = _three(training, held, samples)
    n = min(seen.n, unseen.n)
    seen, unseen = (
        side.subset(np.sort(shuffled(side.n, seed, "nearer", name)[:n]))
        for side, name in ((seen, "training"), (unseen, "held"))
    )
    to = np.stack(
        [nearest(side, fake).distances[:, 0].cpu().numpy() for side in (seen, unseen)], axis=1
    )
    share = float(((to[:, 0] < to[:, 1]) + (to[:, 0] == to[:, 1]) / 2).mean())
    # Both the samples and the two sets they lie among are drawn.
    counted = max(1, round(fake.n * n / (fake.n + n)))
    found = wilson(share * counted, counted)
    return Nearer(
        Estimate(share, found.low, found.high, found.error, "Wilson, both sides counted"), n, to
    )


def membership(
    training: Features | Rows, held: Features | Rows, samples: Features | Rows, *, seed: int = 0
) -> Estimate:
    """The AUC of an attacker who takes rows near to some sample for training rows; 0.5 is honest.

    Equally many of both are asked for (Hayes et al. 2019, by distance as Chen et al. 2020). DeLong's
    interval. Raises DataError below 8 rows of any.
    """
    seen, unseen, fake = _three(training, held, samples)
    n = min(seen.n, unseen.n)
    reach = []
    for side, name in ((seen, "training"), (unseen, "held")):
        asked = side.subset(np.sort(shuffled(side.n, seed, "membership", name)[:n]))
        reach.append(-nearest(fake, asked).distances[:, 0].cpu().numpy())
    area, variance = delong(*reach)
    return normal(area, float(np.sqrt(variance)), "DeLong")


def unique_copies(training: np.ndarray, samples: np.ndarray) -> float:
    """The share of samples equal to a training row that no other training row equals.

    Both are digests (n, 8) of rows. A row that many people share exposes nobody; real unseen rows
    may repeat such a single one by chance, too: see the floor.
    """
    if not len(training) or not len(samples):
        raise DataError(message("copies", "needs at least 1 rows; got 0"))
    own = _marks(training)
    values, counts = np.unique(own, return_counts=True)
    return float(np.isin(_marks(samples), values[counts == 1]).mean())


def _marks(digests: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(np.asarray(digests).reshape(len(digests), -1))
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0]


def _three(
    training: Features | Rows, held: Features | Rows, samples: Features | Rows
) -> tuple[Rows, Rows, Rows]:
    seen, unseen = Rows(training, "training", LEAST), Rows(held, "held-out", LEAST)
    fake = Rows(samples, "samples", LEAST)
    same_width(seen.d, unseen.d, ("training", "held-out"))
    same_width(seen.d, fake.d, ("training", "samples"))
    return seen, unseen, fake
