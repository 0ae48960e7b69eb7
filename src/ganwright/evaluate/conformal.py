"""Conformal p-values (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world")."""

from __future__ import annotations

import numpy as np


def p_values(normal: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The share of normal examples, by sorted scores, that are at least as odd: (1 + #) / (1 + m), (n,).

    Of new normal examples at most a share α has p ≤ α, whatever the scores are.
    """
    above = len(normal) - np.searchsorted(normal, scores, side="left")
    found: np.ndarray = (1 + above) / (1 + len(normal))
    return found
