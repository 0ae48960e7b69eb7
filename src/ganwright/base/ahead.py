"""Work done ahead by a few threads, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")
DEPTH = 4  # results a thread may be ahead of the one that takes them


def ahead(function: Callable[[S], T], items: Iterable[S], workers: int) -> Iterator[T]:
    """`function` of each item, in order; without workers, when it is asked for.

    Threads are a bounded number of items ahead, so memory doesn't grow with the number of items.
    """
    if not workers:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        coming: deque[Future[T]] = deque()
        for item in items:
            coming.append(pool.submit(function, item))
            if len(coming) > DEPTH * workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
