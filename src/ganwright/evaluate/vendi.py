"""Diversity without a reference: the Vendi score."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import scipy.special
import torch

from ganwright.base.errors import DataError, message
from ganwright.evaluate.matrix import AnyFeatures, FeatureMatrix


def vendi(features: AnyFeatures) -> float:
    """The effective number of different examples; 1 … n, higher is more diverse.

    exp of the entropy of the eigenvalues of K/n, K the cosine similarities (Friedman & Dieng 2023).
    Exact, from the smaller of the two Gram matrices: n × n, or d × d, which has the same eigenvalues;
    then memory does not grow with n. Says nothing about quality, and grows with n: compare it with the
    score of as many real examples. Raises DataError for a row of zeros, which has no direction.
    """
    rows = FeatureMatrix(features)
    if rows.n <= rows.d:
        unit = _unit(rows.block(0, rows.n, torch.float64), 0)
        gram = unit @ unit.T
    else:
        gram = np.zeros((rows.d, rows.d))
        for start, block in rows.blocks(torch.float64):
            unit = _unit(block, start)
            gram += unit.T @ unit
    values = scipy.linalg.eigvalsh(gram / rows.n, check_finite=False)
    values = np.maximum(values, 0.0)
    return float(math.exp(scipy.special.entr(values / values.sum()).sum()))


def _unit(block: torch.Tensor, start: int) -> np.ndarray:
    x = block.cpu().numpy()
    # Scaled by the largest entry first: squares of tiny numbers would vanish.
    scale = np.abs(x).max(1, keepdims=True)
    if (scale == 0).any():
        first = start + int((scale[:, 0] == 0).argmax())
        raise DataError(message("vendi", f"row {first} is all zeros and has no direction"))
    x = x / scale
    return x / np.sqrt(np.square(x).sum(1, keepdims=True))
