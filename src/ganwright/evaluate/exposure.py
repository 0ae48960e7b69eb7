"""Exposure of training rows: are samples nearer to rows the model saw than to unseen ones?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ganwright.evaluate.intervals import Estimate, normal, wilson
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix, same_width, shuffled
from ganwright.evaluate.memorisation import marks
from ganwright.evaluate.neighbours import nearest
from ganwright.evaluate.twosample import delong

LEAST = 8
PARTS, FEWEST_PARTS = 8, 4


@dataclass(frozen=True)
class Nearer:
    """The share of samples nearer to training rows than to as many that were held out."""

    share: Estimate
    n: int  # rows of each
    distances: np.ndarray  # (samples, 2) to the nearest of one part, and of the held-out


def nearer(
    training: AnyFeatures, held: AnyFeatures, samples: AnyFeatures, *, seed: int = 0
) -> Nearer:
    """Distance to the closest record in training against that in unseen rows; 0.5 is ideal.

    Equal rows count once. Training is cut at random into parts of as many rows as were held out (8
    at most), so that chance alone gives one half, and the shares of the parts are averaged (Platzer
    & Reutterer 2021; SDMetrics' DCROverfittingProtection takes one part). Equal distances count
    half. The error covers the draw of the samples and, from the differences between the parts, the
    draw of the held-out rows. Raises DataError below 8 rows of any.
    """
    seen, unseen, fake = _three(training, held, samples)
    seen, unseen = _different(seen), _different(unseen)
    n = min(seen.n, unseen.n)
    order = shuffled(seen.n, seed, "nearer", "training")
    parts = [np.sort(order[i * n : (i + 1) * n]) for i in range(min(PARTS, seen.n // n))]
    other = unseen.subset(np.sort(shuffled(unseen.n, seed, "nearer", "held")[:n]))
    far = nearest(other, fake).distances[:, 0].cpu().numpy()
    near = [nearest(seen.subset(part), fake).distances[:, 0].cpu().numpy() for part in parts]
    shares = [float(((to < far) + (to == far) / 2).mean()) for to in near]
    share = float(np.mean(shares))
    if len(shares) < FEWEST_PARTS:
        counted = max(1, round(fake.n * n / (fake.n + n)))
        made = replace(wilson(share * counted, counted), method="Wilson, both sides counted")
    else:
        variance = share * (1 - share) / fake.n + np.var(shares, ddof=1) * (1 + 1 / len(shares))
        made = normal(share, float(np.sqrt(variance)), f"spread over {len(shares)} parts")
    return Nearer(made, n, np.stack([near[0], far], axis=1))


def membership(
    training: AnyFeatures, held: AnyFeatures, samples: AnyFeatures, *, seed: int = 0
) -> Estimate:
    """The AUC of an attacker who takes rows near some sample for training rows; 0.5 is ideal.

    As many distinct rows of either side are tried (Hayes et al. 2019; by distance, as Chen et al.
    2020). DeLong's interval. Raises DataError below 8 rows of any.
    """
    seen, unseen, fake = _three(training, held, samples)
    seen, unseen = _different(seen), _different(unseen)
    n = min(seen.n, unseen.n)
    reach = []
    for side, name in ((seen, "training"), (unseen, "held")):
        asked = side.subset(np.sort(shuffled(side.n, seed, "membership", name)[:n]))
        reach.append(-nearest(fake, asked).distances[:, 0].cpu().numpy())
    area, variance = delong(*reach)
    return normal(area, float(np.sqrt(variance)), "DeLong")


def _different(rows: FeatureMatrix) -> FeatureMatrix:
    """Without duplicates: the first of each."""
    _, first = np.unique(marks(rows.block(0, rows.n, torch.float32).numpy()), return_index=True)
    return rows.subset(np.sort(first))


def _three(
    training: AnyFeatures, held: AnyFeatures, samples: AnyFeatures
) -> tuple[FeatureMatrix, FeatureMatrix, FeatureMatrix]:
    seen, unseen = (
        FeatureMatrix(training, "training", LEAST),
        FeatureMatrix(held, "held-out", LEAST),
    )
    fake = FeatureMatrix(samples, "samples", LEAST)
    same_width(seen.d, unseen.d, ("training", "held-out"))
    same_width(seen.d, fake.d, ("training", "samples"))
    return seen, unseen, fake
