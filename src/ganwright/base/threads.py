"""How many threads of the CPU torch computes on, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Computes on this many threads meanwhile; None changes nothing.

    Sums depend on how they are split over threads: bit-for-bit equal results need the same number
    of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
