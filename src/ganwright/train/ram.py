"""The peak memory of a step: the tensors alive at once, counted rather than estimated.

On the CPU the process size doesn't show it, as allocators keep freed memory. So every operation of a
step is intercepted, and the storages it touches are counted until they are freed. Scratch memory that a
kernel frees before it returns (an unfolded convolution, say) is not counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ganwright.base.errors import OptionError
from ganwright.train.recipes import Recipe
from ganwright.train.trainer import Trainer


class Tally(TorchDispatchMode):
    """Counts the bytes of tensors: `now`, and at most `peak`.

    Those of `held`, and all that operations meet while it is on, each storage once.
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        for tensor in held:
            self._meet(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in tree_iter((args, kwargs, result)):
            if isinstance(item, Tensor) and item.layout == torch.strided:
                self._meet(item.untyped_storage())
        self.peak = max(self.peak, self.now)
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or not size:
            return

        def forget(_: object) -> None:
            self._known.pop(key, None)
            self.now -= size

        self._known[key] = weakref.ref(storage, forget)
        self.now += size


def peak_of(trainer: Trainer) -> int:
    """The peak memory of a round's tensors, in bytes; plays one round.

    Not the first: the optimisers' state must already exist.
    """
    networks = (trainer.game.generator, trainer.game.discriminator, trainer.average.network)
    weights = [weight for network in networks for weight in network.parameters()]
    slopes = [weight.grad for weight in weights if weight.grad is not None]
    state = [item for item in tree_iter(trainer.state()) if isinstance(item, Tensor)]
    play = partial(trainer.round, captured=False)  # a captured one takes its memory beforehand
    return peak_bytes(play, trainer.device, (*state, *slopes))


def peak_bytes(
    step: Callable[[], object], device: torch.device, held: Iterable[Tensor] = ()
) -> int:
    """The peak memory of tensors while `step` runs, including those `held` before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        step()
        return torch.mps.driver_allocated_memory()
    with Tally(held) as tally:
        step()
    return tally.peak


@contextmanager
def room_for(recipe: Recipe) -> Iterator[None]:
    """Turns running out of device memory into an OptionError with advice."""
    try:
        yield
    except torch.OutOfMemoryError:
        o = recipe.train
        at_once = o.microbatch or o.batch
        advice = (
            f"the same step in smaller microbatches may: --set train.microbatch={at_once // 2}"
            if at_once > 1
            else "a narrower net may, or smaller examples"
        )
        raise OptionError(
            f"train.batch: a step of {o.batch} examples"
            + (f" in microbatches of {o.microbatch}" if o.microbatch else "")
            + f" doesn't fit the device's memory; {advice}"
        ) from None
