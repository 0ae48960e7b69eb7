"""The game under differential privacy: real rows are only seen through a noisy sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.game.losses import LOSSES
from ganwright.game.penalties import clip_weights
from ganwright.game.privacy import clipped_gradients
from ganwright.game.round import Batch, Game, Made, Result, frozen, noisy


@dataclass
class PrivateGame(Game):
    """As `Game`, but real rows (a Poisson sample) only enter the discriminator's noisy gradient sum.

    `rows` is how many there are on average, and how many fakes are made. `shares` (numbers,), where
    examples are one-hot, are the data's own shares of each code.
    """

    rows: int = 0
    shares: Tensor | None = None

    def round(self, reals: Callable[[], Batch], seen: int) -> Result:
        """One round; `reals` gives rows that were each drawn with the same probability, maybe none."""
        o, noise = self.options, self._noise(seen)
        fakes: Made | None = None
        for step in range(o.discriminator_steps):
            nothing = self._nothing()
            keep = step == o.discriminator_steps - 1 and o.share_fakes
            with torch.set_grad_enabled(keep):
                fakes = self._generate(nothing)
            told = self._private_step(reals(), nothing, fakes.examples.detach(), noise)
        for step in range(o.generator_steps):
            nothing = self._nothing()
            made = fakes if step == 0 and o.share_fakes and fakes else self._generate(nothing)
            result = self._generator_step(nothing, made, seen)
        return told._replace(
            generator_loss=result.generator_loss, generator_gradient=result.generator_gradient
        )

    def _generate(self, batch: Batch) -> Made:
        return (
            super()._generate(batch)._replace(nll=None)
        )  # there are no true values for a likelihood

    def _generator_step(self, batch: Batch, made: Made, seen: int) -> Result:
        o = self.options
        with frozen(self.discriminator):
            fake = self._judge(noisy(made.examples, self._noise(seen)), batch.condition)
        value = self._generator_loss(fake, fake, seen)
        whole = o.adversarial * value
        if o.privacy.shares and self.shares is not None:
            whole = whole + o.privacy.shares * apart(made.examples, self.shares)
        return Result(
            generator_loss=value.detach(),
            generator_gradient=self._learn(self.generator, self.generator_optimiser, whole),
        )

    def _nothing(self) -> Batch:
        """An empty batch that only says how many fakes to make."""
        condition = self.generator.start(self.rows, None)  # type: ignore[operator]
        return Batch(torch.empty(self.rows, 0), condition)

    def _private_step(
        self, real: Batch, nothing: Batch, fakes: Tensor, noise: float | Tensor
    ) -> Result:
        """The discriminator's step. Its statistics of real rows are not reported, as they have no noise."""
        o, network, loss = self.options, self.discriminator, LOSSES[self.options.loss]
        weights = list(network.parameters())
        logits = self._judge(noisy(fakes, noise), nothing.condition)
        blank = torch.zeros_like(logits)
        value = loss.discriminator(blank, logits, o.labels.draw(logits)).mean()
        from_fakes = torch.autograd.grad(value, weights)
        from_real = [torch.zeros_like(w) for w in weights]
        if len(real.examples):

            def judge() -> Tensor:
                # Not in bfloat16: norms must be exact for the guarantee.
                judged: Tensor = network(noisy(real.examples, noise), real.condition)
                blank = torch.zeros_like(judged)
                return loss.discriminator(judged, blank, o.labels.draw(judged))

            from_real, _ = clipped_gradients(network, judge, o.privacy.clip)
        deviation = o.privacy.noise * o.privacy.clip
        for weight, fake, summed in zip(weights, from_fakes, from_real, strict=True):
            weight.grad = fake + (summed + deviation * torch.randn_like(summed)) / self.rows
        length = self._update(network, self.discriminator_optimiser)
        if o.clip_weights:
            clip_weights(network, o.clip_weights)
        return Result(fake_logit=logits.detach().mean(), discriminator_gradient=length)


def apart(fakes: Tensor, shares: Tensor) -> Tensor:
    """Σ (p − q)²/q over codes, p the shares that each has of fakes (b, ΣK), q the data's (ΣK,).

    Pearson's χ² over the number of rows; a code that the data has less than once in b counts as once.
    """
    return ((fakes.mean(0) - shares).square() / (shares + 1 / len(fakes))).sum()
