"""Randomness as a function of its purpose, never of what ran before.

A draw belongs to (seed, purpose, position). A resumed run therefore needs no saved generator
state, and one sample does not depend on how many others are drawn beside it.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *purpose: int | str) -> int:
    """A 63-bit seed from `seed` and what it is for; different purposes are independent."""
    text = repr([part if isinstance(part, str) else int(part) for part in (seed, *purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def uniforms(seed: int, start: int, count: int, width: int) -> np.ndarray:
    """Rows `start` … `start + count` of an endless (∞, width) table of uniforms in (0, 1).

    Row i is the same whatever range it is asked in, because the generator (Philox, a counter) is
    moved to the row instead of run up to it. Values are the centres of 2⁻⁵² wide cells, so 0 and 1
    never occur. Returns float64 (count, width).
    """
    blocks = -(-width // 4)  # Philox gives four 64-bit words a step of its counter
    generator = np.random.Philox(key=derive(seed, "uniforms"))
    generator.advance(start * blocks)
    words = generator.random_raw(count * blocks * 4).reshape(count, blocks * 4)[:, :width]
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
