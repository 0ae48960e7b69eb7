"""Which real examples come next: a function of (seed, examples seen), so no state is saved."""

from __future__ import annotations

import numpy as np

from ganwright.base import seeds


class Order:
    """An endless sequence over `n` examples: each pass takes every one once, in its own order."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self._pass, self._order = -1, np.empty(0, np.int64)

    def take(self, start: int, count: int) -> np.ndarray:
        """Positions `start` … `start + count` of the sequence: int64 (count,)."""
        found = np.empty(count, np.int64)
        done = 0
        while done < count:
            number, place = divmod(start + done, self.n)
            part = self._shuffled(number)[place : place + count - done]
            found[done : done + len(part)] = part
            done += len(part)
        return found

    def _shuffled(self, number: int) -> np.ndarray:
        if number != self._pass:
            generator = np.random.default_rng(seeds.derive(self.seed, "order", number))
            self._pass, self._order = number, generator.permutation(self.n)
        return self._order


def chosen(n: int, rate: float, seed: int) -> np.ndarray:
    """Poisson sampling: each of `n` is chosen independently with probability `rate`; int64, maybe none."""
    return np.flatnonzero(np.random.default_rng(seed).random(n) < rate)
