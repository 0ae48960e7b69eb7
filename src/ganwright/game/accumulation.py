"""Gradient accumulation: a batch computed in microbatches whose gradients are added up, to save memory.

Losses and penalties are means over examples, pairs or packs, so the gradient of a batch is the mean of
its microbatches' gradients, weighted by size: the step that the whole batch would have taken, up to
rounding. Options that look at the batch as a whole are refused. Random numbers within a pass (dropout,
noise) are drawn for each microbatch, and spectral norms take a power iteration in each: the same game
with other numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ganwright.game.round import Batch, Game, Result

NORMS = ("generator_gradient", "discriminator_gradient")  # of the sum, not a mean over microbatches


@dataclass
class AccumulatingGame(Game):
    """As `Game`, `microbatch` examples at a time, with one update per batch.

    Fakes that both players learn from are made twice, from the same latents: keeping them would take
    the memory that this is meant to save.
    """

    microbatch: int = 1
    _share: float = field(default=1.0, init=False)  # of the batch, that the microbatch is
    _first: bool = field(default=True, init=False)
    _last: bool = field(default=True, init=False)

    def round(self, reals: Callable[[], Batch], seen: int) -> Result:
        """One round, as `Game.round`."""
        o = self.options
        for _ in range(o.discriminator_steps):
            batch = reals()
            if self.rests(seen, len(batch.examples)):
                return self._over(batch, lambda part, _: self._likelihood_step(part))
            latents = self.latents(len(batch.examples))
            told = self._over(batch, partial(self._told, latents=latents, seen=seen))
            self._remember(told, len(batch.examples))
        for step in range(o.generator_steps):
            if step or not o.share_fakes:
                latents = self.latents(len(batch.examples))
            result = self._over(batch, partial(self._made, latents=latents, seen=seen))
        found = {name: value for name, value in result._asdict().items() if value is not None}
        return told._replace(**found)

    def _told(self, part: Batch, place: slice, *, latents: Tensor, seen: int) -> Result:
        with torch.no_grad():
            fakes = self._make(latents[place], part).examples
        return self._discriminator_step(part, fakes, seen)

    def _made(self, part: Batch, place: slice, *, latents: Tensor, seen: int) -> Result:
        return self._generator_step(part, self._make(latents[place], part), seen)

    def _over(self, batch: Batch, step: Callable[[Batch, slice], Result]) -> Result:
        """`step` for each microbatch; its result for the batch."""
        whole, results = len(batch.examples), []
        for start in range(0, whole, self.microbatch):
            place = slice(start, min(start + self.microbatch, whole))
            self._share = (place.stop - start) / whole
            self._first, self._last = start == 0, place.stop == whole
            told = None if batch.condition is None else batch.condition[place]
            part = batch._replace(examples=batch.examples[place], condition=told)
            results.append((self._share, step(part, place)))
        return together(results)

    def _learn(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor
    ) -> Tensor | None:
        if self._first:
            optimiser.zero_grad(set_to_none=True)
        (self._share * loss).backward()
        return self._update(network, optimiser) if self._last else None


def together(results: list[tuple[float, Result]]) -> Result:
    """The result of a batch from those of its microbatches, weighted by their shares."""

    def mean(name: str) -> Tensor | None:
        values = [(share, getattr(result, name)) for share, result in results]
        known = [(share, value) for share, value in values if value is not None]
        if not known or name in NORMS:
            return known[-1][1] if known else None
        return torch.stack([share * value for share, value in known]).sum()

    return Result(**{name: mean(name) for name in Result._fields})
