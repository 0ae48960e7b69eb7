"""What options need, what they forbid, and which players they fit: tables, and one check for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganwright.base.errors import OptionError
from ganwright.base.options import flatten
from ganwright.base.spec import Spec
from ganwright.game.losses import LOSSES
from ganwright.game.round import GameOptions

# Options that have no effect while the option they modify is off.
NEEDS = {
    "gamma.steepness": "gamma.auto",
    "gamma.speed": "gamma.auto",
    "gamma.decay_kimg": "gamma.final",
    "instance_noise_kimg": "instance_noise",
    "remedies.lecam_after_kimg": "remedies.lecam",
    "remedies.top_k_kimg": "remedies.top_k",
}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The options of a game, its players, and what is known of data and batch."""

    game: GameOptions
    generator: nn.Module
    discriminator: nn.Module
    spec: Spec | None = None
    batch: int | None = None
    microbatch: int | None = None  # of a batch whose gradients are accumulated
    moves: bool = True  # whether examples can be moved slightly

    @property
    def private(self) -> bool:
        return self.game.privacy.on

    @property
    def pack(self) -> int:
        return int(getattr(self.discriminator, "pack", 1))

    @property
    def group(self) -> int:
        return int(getattr(self.discriminator, "group", 1))

    @property
    def groups(self) -> str:
        """What a group consists of, in words."""
        packs = f" packs of {self.pack}" if self.pack > 1 else ""
        return f"{self.group // self.pack}{packs}"

    @property
    def penalty(self) -> str:
        """The option of the first penalty that is on."""
        return next(iter(self.game.penalty.weights()), "").replace("-", "_")

    @property
    def batch_norm(self) -> str:
        """The player that takes statistics of the whole batch."""
        players = (("generator", self.generator), ("discriminator", self.discriminator))
        found = (n for n, net in players if any(isinstance(m, _BatchNorm) for m in net.modules()))
        return next(found, "")

    @property
    def not_by_rows(self) -> str:
        """A layer of the discriminator whose per-row gradient norms are not available."""
        owners = (m for m in self.discriminator.modules() if list(m.parameters(recurse=False)))
        alien = (
            m
            for m in owners
            if not isinstance(m, nn.Linear) and not hasattr(m, "squared_row_norms")
        )
        return next((type(m).__name__ for m in alien), "")


class Rule(NamedTuple):
    """`broken` returns a true value where a setup breaks the rule: {got} in `option` and `why`."""

    option: str
    broken: Callable[[Setup], Any]
    why: str


def _names(wanted: Callable[[Any], bool]) -> str:
    return ", ".join(name for name, loss in LOSSES.items() if wanted(loss))


PLAYERS = (
    Rule(
        "game.likelihood",
        lambda s: (
            (s.game.likelihood or s.game.adversarial_every > 1) and not s.generator.gives_likelihood
        ),
        "this generator gives no probabilities of hidden values",
    ),
    Rule(
        "game.adversarial",
        lambda s: (
            s.game.likelihood == 0 and (s.game.adversarial == 0 or s.game.adversarial_every > 1)
        ),
        "without game.likelihood the generator would have nothing to learn from",
    ),
    Rule(
        "game.gamma",
        lambda s: (
            (s.game.gamma.auto or s.game.gamma.final != 1)
            and not (s.game.penalty.r1 or s.game.penalty.r2)
        ),
        "scales game.penalty.r1 and r2, and both are 0",
    ),
    Rule(
        "game.gamma.final",
        lambda s: s.game.gamma.auto and s.game.gamma.final != 1,
        "an automatic γ follows D's gradient norm, so it has no final value",
    ),
    Rule(
        "game.labels",
        lambda s: not s.game.labels.plain and not LOSSES[s.game.loss].targets and s.game.loss,
        "the {got} loss has no targets to smooth or flip; those that have: "
        + _names(lambda loss: loss.targets),
    ),
    Rule(
        "game.penalty.{got}",
        lambda s: s.penalty if s.penalty and s.discriminator.mixes_examples else None,
        "needs a discriminator that treats examples independently; discriminator.norm must be none, "
        "layer or spectral; got 'batch'",
    ),
    Rule(
        "discriminator.pack",
        lambda s: s.batch is not None and s.batch % s.pack and s.pack,
        "must divide train.batch ({setup.batch}); got {got}",
    ),
    Rule(
        "discriminator.minibatch_std",
        lambda s: s.batch is not None and s.batch % s.group and s.groups,
        "groups of {got} must divide train.batch ({setup.batch})",
    ),
    Rule(
        "game.augment",
        lambda s: s.game.augment.mode != "off" and getattr(s.generator, "task", ""),
        "would move the results and not what they belong to; with a task it must be off",
    ),
    Rule(
        "game.remedies.consistency",
        lambda s: s.game.remedies.consistency and not s.moves and s.spec,
        "compares an example with a slightly moved copy, and {got.things} can't be moved",
    ),
)

# What looks at the whole batch can't be computed in microbatches.
ACCUMULATION = (
    Rule(
        "train.microbatch",
        lambda s: s.batch_norm,
        "batch norm needs statistics of the whole batch; choose another {got}.norm",
    ),
    Rule(
        "train.microbatch",
        lambda s: s.game.loss == "relativistic-average",
        "the relativistic-average loss needs the mean of the whole batch; the relativistic-paired "
        "loss works pair by pair",
    ),
    Rule(
        "train.microbatch",
        lambda s: s.game.penalty.dragan,
        "game.penalty.dragan needs the standard deviation of the whole batch; "
        "game.penalty.gradient_penalty and r1 work example by example",
    ),
    Rule(
        "train.microbatch",
        lambda s: s.game.remedies.top_k < 1,
        "game.remedies.top_k ranks the whole batch",
    ),
    Rule("train.microbatch", lambda s: s.private, "doesn't go with game.privacy"),
    Rule(
        "train.microbatch",
        lambda s: s.microbatch and s.microbatch % s.group and s.microbatch,
        "must be a multiple of {setup.group}, the number of examples that the discriminator judges "
        "together; got {got}",
    ),
)

# Only the noisy sum of clipped gradients may look at real rows.
PRIVACY = (
    Rule(
        "game.privacy",
        lambda s: s.spec and s.spec.classes,
        "does not protect the labels of real examples; needs data without classes",
    ),
    Rule(
        "game.loss",
        lambda s: LOSSES[s.game.loss].relative and s.game.loss,
        "{got} shows real rows to the generator; with game.privacy one of: "
        + _names(lambda loss: not loss.relative),
    ),
    Rule(
        "game.likelihood",
        lambda s: s.game.likelihood,
        "shows real rows to the generator; with game.privacy it must be 0",
    ),
    Rule(
        "game.penalty.{got}",
        lambda s: s.penalty,
        "has no per-row gradient; with game.privacy, use game.clip_weights to bound the discriminator",
    ),
    Rule(
        "game.remedies.{got}",
        lambda s: next((n for n in ("lecam", "consistency") if getattr(s.game.remedies, n)), None),
        "shows real rows to the discriminator outside the noisy sum; with game.privacy it must be 0",
    ),
    Rule("game.augment", lambda s: s.game.augment.mode != "off", "doesn't go with game.privacy"),
    Rule(
        "game.privacy",
        lambda s: getattr(s.generator, "fills", False),
        "the generator must not see cells of real rows; set generator.whole=true",
    ),
    Rule(
        "game.privacy",
        lambda s: s.discriminator.mixes_examples or s.group > 1,
        "needs a discriminator that judges rows independently; set discriminator.pack=1, no "
        "discriminator.minibatch_std, and no batch norm",
    ),
    Rule(
        "game.privacy",
        lambda s: s.not_by_rows,
        "needs a discriminator of dense layers without normalisation; this one has a {got}",
    ),
)


def check(
    game: GameOptions,
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    spec: Spec | None = None,
    batch: int | None = None,
    microbatch: int | None = None,
    moves: bool = True,
) -> None:
    """Raises OptionError that names the first option that contradicts others or the players."""
    setup = Setup(
        game=game,
        generator=generator,
        discriminator=discriminator,
        spec=spec,
        batch=batch,
        microbatch=microbatch,
        moves=moves,
    )
    _check_needs(game)
    accumulating, private = microbatch is not None, setup.private
    for rule in (*PLAYERS, *ACCUMULATION * accumulating, *PRIVACY * private):
        if got := rule.broken(setup):
            text = f"{rule.option}: {rule.why}"
            raise OptionError(text.format(got=got, setup=setup))


def _check_needs(game: GameOptions) -> None:
    given, usual = flatten(game), flatten(GameOptions())
    for name, needed in NEEDS.items():
        if given[name] != usual[name] and given[needed] == usual[needed]:
            raise OptionError(
                f"game.{name}: has no effect without game.{needed}; got {given[name]:g} alone"
            )
