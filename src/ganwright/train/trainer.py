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
    Anchors,
    Augment,
    Average,
    Batch,
    Game,
    Gamma,
    Held,
    OptimiserOptions,
    PrivacyState,
    PrivateGame,
    Result,
    check,
    optimiser,
    set_beta2,
    set_rate,
    stays_apart,
)
from ganwright.game.average import decay
from ganwright.game.numbers import plain
from ganwright.model import Model
from ganwright.nets import freeze, stages_of
from ganwright.nets.bfloat16 import has_bfloat16
from ganwright.train.batches import Order, chosen
from ganwright.train.capture import MOST_LABELS, Captured, Graphs, Recorder
from ganwright.train.feed import Feed, feed
from ganwright.train.moving import Counts, Means, moving, restore
from ganwright.train.recipes import Precision, Recipe
from ganwright.train.state import finite

PROGRESS = (
    "seen", "drawn", "seconds", "rollbacks", "remedied", "signs", "best", "stale", "ended",
)  # fmt: skip
HALVING = 0.5  # of both learning rates, at a rollback for a divergence
SLOWER = 0.1  # of both after a collapse, of D's where it has won


def precision_on(asked: Precision, device: str) -> Precision:
    """The precision that "auto" means on a device: bfloat16 where the hardware supports it.

    `benchmarks/throughput.py` shows what it gains; a run writes the outcome into its recipe. Raises
    OptionError for bfloat16 on a card that only imitates it.
    """
    if asked == "bfloat16" and device == "cuda" and not has_bfloat16(device):
        raise OptionError(
            "train.precision: this card does not compute in bfloat16; use float32, or auto, which takes it"
        )
    if asked != "auto":
        return asked
    return "bfloat16" if has_bfloat16(device) else "float32"


class Trainer:
    """One run's moving parts. `round()` plays one round; `state()` is everything a resume needs.

    On a GPU, rounds read examples and numbers there and draw latents there, and are captured as
    `train.capture` says. `recorder` captures them elsewhere, for tests.
    """

    def __init__(
        self, recipe: Recipe, data: Dataset, device: str, *, recorder: Recorder | None = None
    ) -> None:
        self.recipe, self.data, self.device = recipe, data, torch.device(device)
        self.resident = recorder is not None or self.device.type == "cuda"
        self.held = Held(self.device)
        self.seen = 0
        self.began = 0  # what was seen before the round that is played
        self.drawn = 0  # latents drawn so far from the table
        self.seconds = 0.0
        self.rollbacks = 0
        self.remedied: dict[str, int] = {}  # how often the guard went back for each problem
        self.signs: dict[str, int] = {}  # how often in a row each problem has shown
        self.best: float | None = None  # the best score so far; lower is better
        self.stale = 0  # scores since then
        self.ended = -1  # `seen` at which the last samples and score of a run were made
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
            generator_optimiser=self._optimiser("generator", generator),
            discriminator_optimiser=self._optimiser("discriminator", discriminator),
            latents=self._latents,
            precision=self._precision,
            anchors=Anchors(device=self.device),
            augment=Augment.of(recipe.game.augment, views, data.spec, self.device),
            moved=None if views is None else views.moved,
            gamma=Gamma(recipe.game.gamma, data.spec.size, self.device),
            number=self.held if self.resident else plain,
        )
        self.means = Means()
        self.order = Order(len(data.train), seeds.derive(seed, "data"))
        self.feed: Feed | None = None
        if self.resident and self.accountant is None:
            steps = recipe.game.discriminator_steps
            self.feed = feed(data, self.order, batch, steps, self.device)
        self.captured = self._captured(recorder) if self.resident else None

    def _optimiser(self, player: str, network: nn.Module) -> torch.optim.Optimizer:
        o: OptimiserOptions = getattr(self.recipe, f"{player}_optimiser")
        if not self.resident:
            return optimiser(o, network.parameters())
        self.held.fill(self._rates(player, 0))
        scalars = {name: self.held(f"{player} {name}") for name in ("rate", "rest")}
        return optimiser(o, network.parameters(), scalars.__getitem__)

    def _rates(self, player: str, seen: int) -> dict[str, float]:
        """The numbers of a player's optimiser after `seen` examples."""
        o: OptimiserOptions = getattr(self.recipe, f"{player}_optimiser")
        won, collapsed = (self.remedied.get(problem, 0) for problem in ("won", "collapsed"))
        slower = collapsed + won * (player == "discriminator")
        factor = HALVING ** (self.rollbacks - won - collapsed) * SLOWER**slower
        rate = o.rate_at(seen) * factor
        return {f"{player} rate": rate, f"{player} rest": 1 - o.beta2_at(seen)}

    def _captured(self, recorder: Recorder | None) -> Captured | None:
        """What captures rounds; None where nobody wants it."""
        if self.recipe.train.capture == "off":
            return None
        players = (self.recipe.generator_optimiser, self.recipe.discriminator_optimiser)
        reasons = [stays_apart(o) for o in players]
        if self.accountant is not None:
            reasons.append("under differential privacy each batch has another size")
        together = 2 * (self.recipe.train.microbatch or self.recipe.train.batch)  # real and fake
        if self.data.spec.classes and together > MOST_LABELS:
            reasons.append(f"torch can't capture the gradient of more than {MOST_LABELS:,} labels")
        why = next(filter(None, reasons), "")
        return Captured(recorder or Graphs(), partial(moving, self), Counts(self), why)

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
        if self.resident:
            return self.recipe.latent.draw_on(self.device, count)
        seed = seeds.derive(self.recipe.train.seed, "latent", self.rollbacks)
        latents = self.recipe.latent.draw(seed, self.drawn, count)
        self.drawn += count
        return latents.to(self.device, non_blocking=True)

    def _reals(self) -> Batch:
        count = self.recipe.train.batch
        if self.accountant is not None:
            return self._private_reals(self.accountant.rate)
        if self.feed is not None:
            step = (self.seen - self.began) // count
            self.seen += count
            return self._batch(*self.feed.batch(step))
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
        on_device = None if labels is None else labels.to(self.device, non_blocking=True)
        return self._batch(stored.to(self.device, non_blocking=True), on_device)

    def _batch(self, stored: Tensor, labels: Tensor | None) -> Batch:
        generator: Any = self.game.generator
        stored = generator.cut(stored)
        told = generator.condition(self.data.codec.given(stored), labels)
        encoded = self.data.codec.encode(stored)
        with self._precision():
            judged = generator.judged(encoded, told)
        return Batch(judged, told)

    def round(self, *, captured: bool = True) -> Result:
        """Plays one round; all its randomness is a function of (seed, rollbacks, seen).

        Where rounds are captured, its result holds until the next one is played. `captured` is whether
        this one may be.
        """
        self._prepare()
        if self.captured is None or not captured:
            return self._play()
        kind = self.game.kind(self.seen, self.recipe.train.batch)
        return self.captured.round(kind, self._play, self._seed)

    def _prepare(self) -> None:
        """Sets all that the next round finds: seeds, numbers and, on a GPU, its examples."""
        seen = self.began = self.seen
        self._seed()
        for player, its in (
            ("generator", self.game.generator_optimiser),
            ("discriminator", self.game.discriminator_optimiser),
        ):
            rates = self._rates(player, seen)
            if self.resident:
                self.held.fill(rates)
            else:
                set_rate(its, rates[f"{player} rate"])
                set_beta2(its, getattr(self.recipe, f"{player}_optimiser").beta2_at(seen))
        if self.game.augment is not None:
            self.game.augment.at(seen)
        if self.resident:
            self.held.fill(self.game.numbers(seen) | {"average": self._share(seen, self._after())})
        if self.feed is not None:
            self.feed.ready(seen)

    def _seed(self) -> None:
        key = self.recipe.train.seed if self.accountant is None else self.privacy.key
        _reseed(seeds.derive(key, "round", self.rollbacks, self.seen), self.device)

    def _after(self) -> int:
        """What will have been seen after the round."""
        batch = self.recipe.train.batch
        rests = self.accountant is None and self.game.rests(self.seen, batch)
        return self.seen + batch * (1 if rests else self.recipe.game.discriminator_steps)

    def _share(self, before: int, after: int) -> float:
        """How far the average goes towards the generator in a round."""
        return 1 - decay(after - before, self.recipe.train.half_life_at(after))

    def _play(self) -> Result:
        result = self.game.round(self._reals, self.began)
        share = self.game.number("average", self._share(self.began, self.seen))
        self.average.follow(self.game.generator, share)
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
            if isinstance(part, torch.optim.Optimizer):
                restore(part, state[name])
            else:
                part.load_state_dict(state[name])
        if self.captured is not None:
            self.captured.forget()
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
