"""The moving parts of training: players, optimisers, moving average and progress.

Networks are laid out channels-last and, unless the recipe says otherwise, compute in bfloat16 where the
hardware does. With `nets.layers.Dropout` this is most of what makes a round fast on a CPU
(benchmarks/throughput.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganwright.base import seeds
from ganwright.base.errors import OptionError
from ganwright.base.modality import modality
from ganwright.base.options import tree
from ganwright.data import Dataset
from ganwright.game import (
    Accountant,
    AccumulatingGame,
    Augment,
    Average,
    Batch,
    Game,
    Gamma,
    PrivacyState,
    PrivateGame,
    Result,
    check,
    optimiser,
    set_beta2,
    set_rate,
)
from ganwright.model import Model
from ganwright.nets import freeze, stages_of
from ganwright.train.batches import Order, chosen
from ganwright.train.recipes import Precision, Recipe
from ganwright.train.state import finite

PROGRESS = ("seen", "drawn", "seconds", "rollbacks", "best", "stale", "ended")
HALVING = 0.5  # of both learning rates, at each rollback


def precision_on(asked: Precision, device: str) -> Precision:
    """The precision that "auto" means on a device: bfloat16 where the hardware supports it.

    `benchmarks/throughput.py` shows what it gains; a run writes the outcome into its recipe.
    """
    if asked != "auto":
        return asked
    native = {"cuda": torch.cuda.is_bf16_supported, "cpu": torch.cpu._is_avx512_bf16_supported}
    return "bfloat16" if device in native and native[device]() else "float32"


class Means:
    """Running means of round results, kept on the device, so that nothing waits for them."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Starts anew."""
        self.total: Tensor | None = None
        self.counts = [0] * len(Result._fields)  # rounds that measured each
        self.count = 0

    def add(self, result: Result) -> None:
        like = next(value for value in result if value is not None)
        zero = torch.zeros_like(like)
        values = torch.stack([zero if value is None else value for value in result])
        self.total = values if self.total is None else self.total.to(values.device) + values
        self.counts = [
            n + (value is not None) for n, value in zip(self.counts, result, strict=True)
        ]
        self.count += 1

    def take(self) -> dict[str, float]:
        """The means since the last call. This waits for the device."""
        values = [] if self.total is None else self.total.tolist()
        found = zip(Result._fields, values, self.counts, strict=False)
        means = {name: value / count for name, value, count in found if count}
        self.clear()
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "counts": self.counts, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        total, counts = state["total"], state["counts"]
        newer = len(Result._fields) - len(counts)  # fields that older versions lack come last
        self.total = None if total is None else nn.functional.pad(total, (0, newer))
        self.counts = [*counts, *[0] * newer]
        self.count = state["count"]


class Trainer:
    """One run's moving parts. `round()` plays one round; `state()` is everything a resume needs."""

    def __init__(self, recipe: Recipe, data: Dataset, device: str) -> None:
        self.recipe, self.data, self.device = recipe, data, torch.device(device)
        seed = recipe.train.seed
        torch.manual_seed(seeds.derive(seed, "initialise"))
        net = recipe.net()
        generator: Any = self._place(net.build_generator(data.spec))
        discriminator = self._place(net.build_discriminator(data.spec))
        batch, microbatch = recipe.train.batch, recipe.train.microbatch
        microbatch = None if microbatch is None or microbatch >= batch else microbatch
        kind = modality(data.codec.kind)
        views = kind.part("augment") if kind.has("augment") else None
        check(
            recipe.game,
            generator,
            discriminator,
            spec=data.spec,
            batch=batch,
            microbatch=microbatch,
            moves=views is not None,
        )
        self.accountant = self._accountant()
        self.privacy = PrivacyState(seed) if recipe.game.privacy.repeatable else PrivacyState()
        self.average = Average(generator)
        play: Callable[..., Game] = Game
        if self.accountant is not None:
            play = partial(PrivateGame, rows=batch, shares=generator.marginals)
        if microbatch is not None:
            play = partial(AccumulatingGame, microbatch=microbatch)
        self._freeze(discriminator)
        self.game = play(
            options=recipe.game,
            generator=generator,
            discriminator=discriminator,
            generator_optimiser=optimiser(recipe.generator_optimiser, generator.parameters()),
            discriminator_optimiser=optimiser(
                recipe.discriminator_optimiser, discriminator.parameters()
            ),
            latents=self._latents,
            precision=self._precision,
            augment=Augment.of(recipe.game.augment, views, data.spec, self.device),
            moved=None if views is None else views.moved,
            gamma=Gamma(recipe.game.gamma, data.spec.size, self.device),
        )
        self.means = Means()
        self.order = Order(len(data.train), seeds.derive(seed, "data"))
        self.seen = 0
        self.drawn = 0  # latents drawn so far
        self.seconds = 0.0
        self.rollbacks = 0
        self.best: float | None = None  # the best score so far; lower is better
        self.stale = 0  # scores since then
        self.ended = -1  # `seen` at which the last samples and score of a run were made

    def _freeze(self, discriminator: nn.Module) -> None:
        """Freezes D's first stages. Raises OptionError where that makes no sense."""
        count, there = self.recipe.train.freeze_d, len(stages_of(discriminator))
        if count and self.recipe.start.model is None:
            raise OptionError(
                "train.freeze_d: would freeze random weights; needs a model to start from, --from RUN"
            )
        if count > there:
            raise OptionError(
                f"train.freeze_d: this discriminator has {there} stages below its head; got {count}"
            )
        freeze(discriminator, count)

    def _accountant(self) -> Accountant | None:
        """The privacy accountant."""
        rules = self.recipe.game.privacy
        if not rules.on:
            return None
        return Accountant(rules, len(self.data.train), self.recipe.train.batch)

    @property
    def exhausted(self) -> bool:
        """Whether another round would exceed the privacy budget."""
        ahead = self.privacy.steps + self.recipe.game.discriminator_steps
        return self.accountant is not None and not self.accountant.affords(ahead)

    def spent(self) -> dict[str, float]:
        """ε and δ so far; nothing where privacy is off."""
        if self.accountant is None:
            return {}
        return {
            "epsilon": self.accountant.spent(self.privacy.steps),
            "delta": self.accountant.delta,
        }

    def _place(self, network: nn.Module) -> nn.Module:
        return network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]

    def _precision(self) -> AbstractContextManager[None]:
        if precision_on(self.recipe.train.precision, self.device.type) == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _latents(self, count: int) -> Tensor:
        seed = seeds.derive(self.recipe.train.seed, "latent", self.rollbacks)
        latents = self.recipe.latent.draw(seed, self.drawn, count)
        self.drawn += count
        return latents.to(self.device, non_blocking=True)

    def _reals(self) -> Batch:
        count = self.recipe.train.batch
        if self.accountant is not None:
            return self._private_reals(self.accountant.rate)
        indices = self.data.train[self.order.take(self.seen, count)]
        self.seen += count
        return self.batch(indices)

    def _private_reals(self, rate: float) -> Batch:
        """A Poisson sample of the training rows, without conditions; `seen` counts the expected number."""
        train = self.data.train
        seed = seeds.derive(self.privacy.key, "rows", self.rollbacks, self.seen)
        stored, _ = self.data.batch(train[chosen(len(train), rate, seed)])
        self.seen += self.recipe.train.batch
        self.privacy.steps += 1
        told = self.game.generator.start(len(stored), None)  # type: ignore[operator]
        return Batch(self.data.codec.encode(stored.to(self.device)), told)

    def batch(self, indices: np.ndarray) -> Batch:
        """Real examples on the device, as the discriminator sees them."""
        stored, labels = self.data.batch(indices)
        stored = stored.to(self.device, non_blocking=True)
        on_device = None if labels is None else labels.to(self.device, non_blocking=True)
        told = self.game.generator.condition(stored, on_device)  # type: ignore[operator]
        generator, encoded = self.game.generator, self.data.codec.encode(stored)
        with self._precision():
            shown = generator.shown(encoded, told)  # type: ignore[operator]
        return Batch(shown, told)

    def round(self) -> Result:
        """Plays one round; all its randomness is a function of (seed, rollbacks, seen)."""
        o, before = self.recipe.train, self.seen
        key = o.seed if self.accountant is None else self.privacy.key
        _reseed(seeds.derive(key, "round", self.rollbacks, before), self.device)
        scale = HALVING**self.rollbacks
        for options, its in (
            (self.recipe.generator_optimiser, self.game.generator_optimiser),
            (self.recipe.discriminator_optimiser, self.game.discriminator_optimiser),
        ):
            set_rate(its, options.rate_at(before) * scale)
            set_beta2(its, options.beta2_at(before))
        if self.game.augment is not None:
            self.game.augment.at(before)
        result = self.game.round(self._reals, before)
        self.average.update(self.game.generator, self.seen - before, o.half_life_at(self.seen))
        return result

    def healthy(self) -> bool:
        """Whether all weights, all results since the last report, and samples are finite."""
        networks = (self.game.generator, self.game.discriminator, self.average.network)
        weights = [tensor for network in networks for tensor in network.state_dict().values()]
        measured = [] if self.means.total is None else [self.means.total]
        return finite([*weights, *measured]) and finite([self._sampled()])

    def _sampled(self) -> Tensor:
        """A few examples by the averaged generator; with huge weights they are not finite."""
        model = self.model()
        return model.make(
            seeds.derive(self.recipe.train.seed, "health"), 0, 4, model.labels(0, 0, 4)
        )

    def parts(self) -> dict[str, Any]:
        """The named things that have a state of tensors."""
        more: dict[str, Any] = {} if self.accountant is None else {"privacy": self.privacy}
        if self.recipe.game.remedies.lecam:
            more["anchors"] = self.game.anchors
        if self.game.augment is not None:
            more["augment"] = self.game.augment
        if self.recipe.game.gamma.auto:
            more["gamma"] = self.game.gamma
        return more | {
            "generator": self.game.generator,
            "discriminator": self.game.discriminator,
            "average": self.average.network,
            "generator_optimiser": self.game.generator_optimiser,
            "discriminator_optimiser": self.game.discriminator_optimiser,
            "means": self.means,  # `healthy` checks them, so a resume needs them
        }

    def state(self) -> dict[str, Any]:
        """Everything that a resume needs."""
        progress = {name: getattr(self, name) for name in PROGRESS}
        return {"progress": progress} | {n: part.state_dict() for n, part in self.parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to what `state` returned."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
            if isinstance(part, torch.optim.Optimizer):
                _like_weights(part)
        progress = dict(state["progress"])
        if "repairs" in progress:  # its name before 0.4
            progress["rollbacks"] = progress.pop("repairs")
        for name, value in progress.items():
            setattr(self, name, value)

    def model(self) -> Model:
        """The current model: the averaged generator and the discriminator."""
        data = self.data
        counts = None
        if data.spec.classes and data.labels is not None:
            labels = data.labels[data.train]
            counts = np.bincount(labels, minlength=len(data.spec.classes)).tolist()
        return Model(
            spec=data.spec,
            codec=data.codec,
            net=self.recipe.net(),
            generator=self.average.network,
            discriminator=self.game.discriminator,
            recipe=tree(self.recipe),
            data={
                "name": data.name,
                "fingerprint": data.fingerprint,
                "n": len(data.train),
                "class_counts": counts,
            }
            | self._guarantee(),
            seen=self.seen,
        )

    def _guarantee(self) -> dict[str, Any]:
        """What the model states about its privacy: nothing, or ε, δ and what they were computed from."""
        if self.accountant is None:
            return {}
        o = self.recipe.game.privacy
        terms = {"noise": o.noise, "clip": o.clip, "rate": self.accountant.rate}
        return {"privacy": self.spent() | terms | {"steps": self.privacy.steps}}


def _reseed(seed: int, device: torch.device) -> None:
    """Seeds the generators that a round draws from; `torch.manual_seed` also checks for absent devices.

    That costs a small net a tenth of its round.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def _like_weights(optimiser: torch.optim.Optimizer) -> None:
    """Lays the optimiser's state out in memory as the weights are.

    Files don't store channels-last; with another layout the update takes another path and rounds
    differently.
    """
    for weight, its in optimiser.state.items():
        for name, value in its.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                its[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
