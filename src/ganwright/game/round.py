"""One round of the game: the discriminator's steps, then the generator's. No device, log or file.

Fakes are made once and shown to both players where that is the same mathematics: the generator does
not change while the discriminator learns, so its next update may use the fakes already made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from ganwright.base.options import Field, options
from ganwright.game.augment import Augment, AugmentOptions, sureness
from ganwright.game.control import Gamma, GammaOptions
from ganwright.game.fused import Affine, fits, judged_with_gradient
from ganwright.game.losses import LOSSES, LabelOptions
from ganwright.game.numbers import Number, plain
from ganwright.game.penalties import PENALTIES, clip_weights, squared_gradient
from ganwright.game.privacy import PrivacyOptions
from ganwright.game.regularisers import Anchors, RegulariserOptions, best, consistency, lecam
from ganwright.game.schedule import linear


@options
class PenaltyOptions:
    """The weight of each gradient penalty; 0 leaves it out."""

    r1: float = Field(default=0.0, ge=0, description="γ of ½γ‖∇D‖² at real examples")
    r2: float = Field(default=0.0, ge=0, description="γ of ½γ‖∇D‖² at fakes")
    gradient_penalty: float = Field(default=0.0, ge=0, description="λ of λ(‖∇D‖−1)² between both")
    dragan: float = Field(default=0.0, ge=0, description="λ of λ(‖∇D‖−1)² around real examples")

    def weights(self) -> dict[str, float]:
        """The penalties that are on, by their name in `PENALTIES`."""
        all_ = {name: float(getattr(self, name.replace("-", "_"))) for name in PENALTIES}
        return {name: weight for name, weight in all_.items() if weight > 0}


@options
class GameOptions:
    """The rules of the game."""

    loss: Literal[
        "minimax",
        "non-saturating",
        "least-squares",
        "wasserstein",
        "hinge",
        "relativistic-paired",
        "relativistic-average",
    ] = Field(default="non-saturating", description="value function")
    labels: LabelOptions = LabelOptions()
    penalty: PenaltyOptions = PenaltyOptions()
    gamma: GammaOptions = GammaOptions()
    privacy: PrivacyOptions = PrivacyOptions()
    augment: AugmentOptions = AugmentOptions()
    remedies: RegulariserOptions = RegulariserOptions()
    clip_weights: float = Field(default=0.0, ge=0, description="clip D's weights to ± this; 0: off")
    clip_gradient: float = Field(
        default=0.0, ge=0, description="clip a step's gradient norm to this; 0: off"
    )
    instance_noise: float = Field(
        default=0.0,
        ge=0,
        description="standard deviation of the instance noise on D's input, at the start",
    )
    instance_noise_kimg: float = Field(
        default=0.0,
        ge=0,
        description="the noise falls to 0 over this many thousand examples; 0 keeps it",
    )
    discriminator_steps: int = Field(default=1, ge=1, le=1000, description="D's updates in a round")
    generator_steps: int = Field(default=1, ge=1, le=1000, description="G's updates in a round")
    share_fakes: bool = Field(default=True, description="train G on the fakes that D has just seen")
    adversarial: float = Field(default=1.0, ge=0, description="weight of G's adversarial loss")
    adversarial_every: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="D takes part in every n-th round; in the others G learns from the likelihood alone",
    )
    likelihood: float = Field(
        default=0.0,
        ge=0,
        description="weight of the negative log-likelihood of hidden values, for nets that give it",
    )

    def noise_at(self, seen: int) -> float:
        """Deviation of the instance noise after `seen` examples."""
        if self.instance_noise_kimg == 0:
            return self.instance_noise
        return linear(self.instance_noise, 0.0, seen, round(self.instance_noise_kimg * 1000))


class Batch(NamedTuple):
    """Real examples (batch, *shape) in [-1, 1], and what both players are conditioned on.

    `condition` (batch, …) is the result of the generator's `condition`: their labels, or which parts it
    has to generate; None without conditions.
    """

    examples: Tensor
    condition: Tensor | None


class Result(NamedTuple):
    """The results of one round: scalars on the device, not yet read; None for a step not taken."""

    discriminator_loss: Tensor | None = None
    generator_loss: Tensor | None = None
    penalty: Tensor | None = None
    real_logit: Tensor | None = None
    fake_logit: Tensor | None = None
    generator_gradient: Tensor | None = None
    discriminator_gradient: Tensor | None = None
    nll: Tensor | None = None
    lecam: Tensor | None = None
    consistency: Tensor | None = None
    augment_p: Tensor | None = None
    sureness: Tensor | None = None
    gamma: Tensor | None = None
    steepness: Tensor | None = None


class Kind(NamedTuple):
    """What is decided before a round, and is the same in all rounds of a kind."""

    rests: bool  # the discriminator
    noise: bool  # on examples
    lecam: bool
    best: bool  # whether G learns from the best fakes alone


class Made(NamedTuple):
    """A generator's output (batch, *shape), and −log p of the true values (batch,) if it gives that."""

    examples: Tensor
    nll: Tensor | None


@dataclass
class Game:
    """The two players, their optimisers and the rules they play by.

    `latents(n)` gives (n, dim) on the players' device; `precision()` is the context that forward
    passes run in (autocast, or nothing). Before the discriminator judges examples, real or fake, in
    either player's step, `augment` changes them, each time anew; gradients are those of D(T(x)) at x.
    `moved` changes examples so little that D should say the same of them. `number` says what stands for
    a number that changes from round to round.
    """

    options: GameOptions
    generator: nn.Module
    discriminator: nn.Module
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    latents: Callable[[int], Tensor]
    precision: Callable[[], AbstractContextManager[None]] = nullcontext
    anchors: Anchors = field(default_factory=Anchors)
    augment: Augment | None = None
    moved: Callable[[Tensor], Tensor] | None = None
    gamma: Gamma = field(default_factory=lambda: Gamma(GammaOptions()))
    fused: bool | None = (
        None  # whether penalties work without double backpropagation; None: untried
    )
    number: Number = plain

    def round(self, reals: Callable[[], Batch], seen: int) -> Result:
        """One round, `seen` examples into training; `reals` gives the next real batch.

        Fakes are made on the conditions of the real batch: with the class shares of the data, and
        in pairs of one class where a loss compares pairs.
        """
        fakes: Made | None = None
        for step in range(self.options.discriminator_steps):
            batch = reals()
            if self.rests(seen, len(batch.examples)):
                return self._likelihood_step(batch)
            last = step == self.options.discriminator_steps - 1
            keep = last and self.options.share_fakes
            with torch.set_grad_enabled(keep):
                fakes = self._generate(batch)
            told = self._discriminator_step(batch, fakes.examples.detach(), seen)
            self._remember(told, len(batch.examples))
        for step in range(self.options.generator_steps):
            shared = step == 0 and self.options.share_fakes
            made = fakes if shared and fakes is not None else self._generate(batch)
            result = self._generator_step(batch, made, seen)
        return told._replace(
            generator_loss=result.generator_loss,
            generator_gradient=result.generator_gradient,
            nll=result.nll,
        )

    def _remember(self, told: Result, count: int) -> None:
        """Updates LeCam's anchors with the discriminator's logits of a whole batch."""
        real, fake = told.real_logit, told.fake_logit
        if self.options.remedies.lecam and real is not None and fake is not None:
            self.anchors.follow(real, fake)
        if self.augment is not None and told.sureness is not None:
            self.augment.follow(told.sureness)
        if told.steepness is not None:
            self.gamma.follow(told.steepness, count)

    def rests(self, seen: int, batch: int) -> bool:
        """Whether the discriminator sits out this round."""
        o = self.options
        number = seen // (batch * o.discriminator_steps)
        return o.adversarial == 0 or number % o.adversarial_every != 0

    def kind(self, seen: int, batch: int) -> Kind | None:
        """The kind of the round after `seen` examples; None where it is one of its own.

        All that Python decides in a round is here: rounds of one kind make the same calls.
        """
        o, begun = self.options.remedies, self.anchors.real is not None
        share = o.share_at(seen)
        if (o.lecam and not begun) or share != o.top_k:
            return None
        return Kind(
            rests=self.rests(seen, batch),
            noise=self.options.noise_at(seen) > 0,
            lecam=o.lecam_at(seen) > 0,
            best=share < 1,
        )

    def numbers(self, seen: int) -> dict[str, float]:
        """The numbers of the round after `seen` examples, by the names that it asks for them."""
        return {"noise": self.options.noise_at(seen), "gamma": self.gamma.options.share(seen)}

    def _noise(self, seen: int) -> float | Tensor:
        deviation = self.options.noise_at(seen)
        return self.number("noise", deviation) if deviation > 0 else 0.0

    def _gamma(self, seen: int) -> float | Tensor:
        """What scales the weights of R1 and R2."""
        scale = self.gamma.scale(seen)
        return scale if isinstance(scale, Tensor) else self.number("gamma", scale)

    def _likelihood_step(self, batch: Batch) -> Result:
        """The generator learns from the likelihood alone."""
        of = cast(Any, self.generator).negative_log_likelihood
        value = of(self.latents(len(batch.examples)), batch.condition).mean()
        loss = self.options.likelihood * value
        length = self._learn(self.generator, self.generator_optimiser, loss)
        return Result(generator_gradient=length, nll=value.detach())

    def _generate(self, batch: Batch) -> Made:
        return self._make(self.latents(len(batch.examples)), batch)

    def _make(self, latents: Tensor, batch: Batch) -> Made:
        with self.precision():
            made = self.generator(latents, batch.condition)
        examples, nll = (made, None) if isinstance(made, Tensor) else made
        return Made(examples.to(latents.dtype), nll)

    def _view(self, x: Tensor) -> Affine | None:
        return None if self.augment is None else self.augment.draw(x)

    def _judge(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return self._logits(viewed(x, self._view(x)), condition)

    def _logits(self, x: Tensor, condition: Tensor | None) -> Tensor:
        with self.precision():
            logits: Tensor = self.discriminator(x, condition)
        return logits.to(x.dtype)

    def _judge_with_square(
        self, x: Tensor, condition: Tensor | None, view: Affine | None
    ) -> tuple[Tensor, Tensor]:
        """Logits of examples, and ‖∇ₓD(T(x))‖² of each: in three passes where D allows it."""

        def judge(seen: Tensor) -> Tensor:
            return self._logits(seen, condition)

        if self.fused is None:
            self.fused = fits(judge, x)
        if self.fused:
            logits, gradient = judged_with_gradient(judge, self.discriminator, x, view)
            return logits, gradient.square().flatten(1).sum(1)
        x = x.detach().requires_grad_()
        logits = self._logits(viewed(x, view), condition)
        return logits, squared_gradient(logits, x)

    def _discriminator_step(self, batch: Batch, fakes: Tensor, seen: int) -> Result:
        o, network, loss = self.options, self.discriminator, LOSSES[self.options.loss]
        rows = [(PENALTIES[name], weight) for name, weight in o.penalty.weights().items()]
        noise = self._noise(seen)
        real_x, fake_x = noisy(batch.examples, noise), noisy(fakes, noise)
        real, fake, squares, views = self._judge_both(
            real_x, fake_x, batch.condition, {row.at for row, _ in rows}
        )
        value = loss.discriminator(real, fake, o.labels.draw(real)).mean()
        anchored = self._lecam(real, fake, seen)
        penalty = steep = torch.zeros((), device=real.device, dtype=real.dtype)
        for row, weight in rows:
            if callable(row.at):
                points = row.at(real_x, fake_x)
                _, squared = self._judge_with_square(points, batch.condition, self._view(points))
                penalty = penalty + weight * row.value(squared).mean()
            else:  # R1 and R2, whose weights γ scales together
                steep = steep + weight * row.value(squares[row.at]).mean()
        scale = self._gamma(seen) if squares else None
        penalty = penalty if scale is None else penalty + scale * steep
        steady = self._consistency(real_x, real, fake_x, fake, batch.condition, views)
        whole = value + penalty
        for term in (anchored, steady):
            whole = whole if term is None else whole + term
        length = self._learn(network, self.discriminator_optimiser, whole)
        if o.clip_weights and length is not None:
            clip_weights(network, o.clip_weights)
        return Result(
            discriminator_loss=value.detach(),
            penalty=penalty.detach(),
            real_logit=real.detach().mean(),
            fake_logit=fake.detach().mean(),
            discriminator_gradient=length,
            lecam=None if anchored is None else anchored.detach(),
            consistency=None if steady is None else steady.detach(),
            augment_p=None if self.augment is None else self.augment.p.clone(),
            sureness=None if self.augment is None else sureness(real, fake),
            gamma=None if scale is None else on(real, scale),
            steepness=self.gamma.steepness(torch.cat([*squares.values()])) if squares else None,
        )

    def _lecam(self, real: Tensor, fake: Tensor, seen: int) -> Tensor | None:
        """The weighted LeCam term, if it is on."""
        weight, past = self.options.remedies.lecam_at(seen), self.anchors
        if weight == 0 or past.real is None or past.fake is None:
            return None
        return weight * lecam(real, fake, past.real, past.fake)

    def _consistency(
        self,
        real_x: Tensor,
        real: Tensor,
        fake_x: Tensor,
        fake: Tensor,
        condition: Tensor | None,
        views: list[Affine | None],
    ) -> Tensor | None:
        """The weighted consistency term, if it is on.

            Moved examples get the same augmentation as before: otherwise D would also have to be invariant
        to the augmentation.
        """
        weight = self.options.remedies.consistency
        if weight == 0:
            return None
        assert self.moved is not None  # as `check` ensures
        moved = self._judge_both(self.moved(real_x), self.moved(fake_x), condition, set(), views)
        return weight * (consistency(real, moved[0]) + consistency(fake, moved[1]))

    def _judge_both(
        self,
        real: Tensor,
        fake: Tensor,
        condition: Tensor | None,
        wanted: set[object],
        views: list[Affine | None] | None = None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor], list[Affine | None]]:
        """Logits of both batches, ‖∇D‖² at those of "real" and "fake" that are `wanted`, and the views.

        One pass over both where it costs nothing: no batch statistics, and gradients wanted on both
        or on neither. `views` are those of an earlier call, to be had again; else they are drawn.
        """
        alike = ("real" in wanted) == ("fake" in wanted)
        together = not self.discriminator.mixes_examples and alike
        if views is not None:
            together = len(views) == 1
        batches = [torch.cat([real, fake])] if together else [real, fake]
        if together and condition is not None:
            condition = torch.cat([condition, condition])
        if views is None:
            views = [self._view(batch) for batch in batches]
        judged, squares = [], {}
        for name, batch, view in zip(("real", "fake"), batches, views, strict=False):
            if name in wanted:
                logits, squares[name] = self._judge_with_square(batch, condition, view)
            else:
                logits = self._logits(viewed(batch, view), condition)
            judged.append(logits)
        if together:
            judged = list(judged[0].chunk(2))
            if squares:
                squares["real"], squares["fake"] = squares["real"].chunk(2)
        return judged[0], judged[1], squares, views

    def _generator_step(self, batch: Batch, made: Made, seen: int) -> Result:
        o, loss = self.options, LOSSES[self.options.loss]
        noise = self._noise(seen)
        with frozen(self.discriminator):
            fake = self._judge(noisy(made.examples, noise), batch.condition)
            real = fake
            if loss.relative:
                real = self._judge(noisy(batch.examples, noise), batch.condition)
        value = self._generator_loss(fake, real, seen)
        nll = None if made.nll is None else made.nll.mean()
        whole = value if o.adversarial == 1 else o.adversarial * value
        if nll is not None and o.likelihood:
            whole = whole + o.likelihood * nll
        return Result(
            generator_loss=value.detach(),
            generator_gradient=self._learn(self.generator, self.generator_optimiser, whole),
            nll=None if nll is None else nll.detach(),
        )

    def _generator_loss(self, fake: Tensor, real: Tensor, seen: int) -> Tensor:
        """The mean over the fakes that the generator learns from: all of them, or the best."""
        loss, share = LOSSES[self.options.loss], self.options.remedies.share_at(seen)
        if share < 1:
            kept = best(real, fake, share, relative=loss.relative)
            fake, real = fake[kept], real[kept]
        return loss.generator(fake, real).mean()

    def _learn(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor
    ) -> Tensor | None:
        """Backpropagates `loss` and takes the optimiser's step; returns the gradient's norm.

        None where no step is taken yet: this was a microbatch, and not the last.
        """
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self._update(network, optimiser)

    def _update(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
        """Takes the optimiser's step, the gradient bounded if asked; returns the gradient's norm."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        length = nn.utils.get_total_norm(gradients)
        if bound := self.options.clip_gradient:
            nn.utils.clip_grads_with_norm_(network.parameters(), bound, length)
        optimiser.step()
        return length.detach()


def viewed(x: Tensor, view: Affine | None) -> Tensor:
    """Examples after a drawn augmentation, if there is one."""
    return x if view is None else view(x)


def on(like: Tensor, value: float | Tensor) -> Tensor:
    """A scalar on the device of `like`; written there without waiting."""
    return value if isinstance(value, Tensor) else torch.full((), value, device=like.device)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Passes through `network` meanwhile compute no gradient of its weights, to save work."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:  # others are frozen for good: the stages of a transfer
            weight.requires_grad_(True)


def noisy(x: Tensor, deviation: float | Tensor) -> Tensor:
    """Instance noise (Sønderby et al. 2017): x + N(0, deviation²)."""
    off = not isinstance(deviation, Tensor) and deviation <= 0
    return x if off else x + deviation * torch.randn_like(x)
