"""Augmentation: how often the discriminator's input is changed. Modalities define the changes.

Real examples and fakes go through the same random T before D judges them, so that D can't memorise few
examples. As long as each operation has a probability p < 1, the distribution of T(x) determines that of x,
and the generator has to make x, not T(x) (Karras et al. 2020a, section 3).

An adaptive p follows the share of pairs in which D puts the real example above the fake (`sureness`).
ADA's own sign of D(x) says nothing about a relativistic loss: it was 1 for 150 digits and for 900 alike,
where pairs gave 0.9 and 0.6.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, Grouped, flatten, grouped
from ganwright.base.spec import Spec
from ganwright.game.fused import Affine
from ganwright.game.schedule import cosine

WATCHED = 4  # batches between two steps of an adaptive p
# Where each option has an effect. A length left over from another mode does no harm.
MODES_OF = {
    "p": ("fixed", "scheduled"),
    "target": ("adaptive",),
    "most": ("adaptive",),
}


@runtime_checkable
class Views(Protocol):
    """What a modality's part `augment` does to its examples."""

    def draw(self, x: Tensor, p: Tensor) -> Affine:
        """A T for the batch `x` (b, …), of operations that each happen with chance `p`."""


class Part(Protocol):
    """A modality's part `augment`; its `Options` are a group of `AugmentOptions`."""

    Options: (
        Any  # which have `modes`, where each does anything, and check(mode), raising OptionError
    )
    Views: Any  # (options, mode, spec, device) → Views

    def moved(self, x: Tensor) -> Tensor:
        """Each example changed so slightly that it should count as the same."""


@grouped("augment")
class AugmentOptions(Grouped):
    """How often the discriminator's input is changed; how, is in a group for each modality."""

    mode: Literal["off", "fixed", "scheduled", "adaptive", "diffaug"] = Field(
        default="off",
        description="each operation with probability p; with p rising along a schedule; with p "
        "adapted to how well D tells real examples; or DiffAugment's operations, always",
    )
    p: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="probability of each operation; below 1 it does not leak",
    )
    p_kimg: float = Field(
        default=200, ge=0, description="scheduled: p rises from 0 over this many thousand examples"
    )
    target: float = Field(
        default=0.6,
        ge=-1,
        le=1,
        description="adaptive: p rises while D tells more pairs apart, (1 + target)/2 of them",
    )
    most: float = Field(default=0.8, ge=0, le=1, description="adaptive: the largest p")
    speed_kimg: float = Field(
        default=500, gt=0, description="adaptive: thousand examples that p needs from 0 to 1"
    )


def check_augment(o: AugmentOptions, part: Any, spec: Spec) -> None:
    """Raises OptionError where examples can't be augmented, or options contradict each other."""
    usual = flatten(AugmentOptions())
    given = [name for name, value in flatten(o).items() if value != usual[name]]
    if part is None:
        if given:
            raise OptionError(f"game.augment.{given[0]}: {spec.things} can't be augmented")
        return
    group = o.of(part.Options)
    modes = MODES_OF | group.modes
    for name in (name.rpartition(".")[2] for name in given):
        if o.mode not in modes.get(name, (o.mode,)):
            raise OptionError(
                f"game.augment.{name}: has no effect while game.augment.mode is {o.mode}; it is for "
                f"{', '.join(modes[name])}"
            )
    group.check(o.mode)


def sureness(real: Tensor, fake: Tensor) -> Tensor:
    """r = E[sign(D(x) − D(G(z)))] over pairs: how sure the discriminator is of real examples.

    `real` and `fake` (batch,) are its logits. Near 0 where it can't tell, 1 where it has memorised each.
    Karras et al. 2020a, equation 1, compare D(x) with 0; but a relativistic loss leaves the zero
    open, for each class another, and r would be 1 from the start. In pairs of one class it cancels.
    """
    return (real.detach() - fake.detach()).sign().mean()


class Augment:
    """A fresh T at each call, with a probability `p` that follows the options' mode.

    p and the signs counted so far lie on `device`, and nothing here waits for it.
    """

    def __init__(self, o: AugmentOptions, views: Views, device: torch.device | str = "cpu") -> None:
        self.options, self.views = o, views
        self.p = torch.zeros((), device=device)
        self.signs = torch.zeros((), device=device)  # their sum since p's last step,
        self.watched = 0  # how many they are,
        self.since = 0  # and when that was
        self.at(0)

    @classmethod
    def of(
        cls, o: AugmentOptions, part: Any, spec: Spec, device: torch.device | str = "cpu"
    ) -> Augment | None:
        """By a modality's `Part`, None where it has none; None where augmentation is off.

        Raises OptionError for options that make no sense.
        """
        check_augment(o, part, spec)
        if o.mode == "off":
            return None
        return cls(o, part.Views(o.of(part.Options), o.mode, spec, device), device)

    def at(self, seen: int) -> None:
        """Sets p as it is after `seen` examples, by the schedule or by the signs that `follow` got."""
        o = self.options
        if o.mode == "adaptive" and self.watched >= WATCHED:
            step = (seen - self.since) / (o.speed_kimg * 1000)
            self.p += step * (self.signs / self.watched - o.target).sign()
            self.p.clamp_(0, o.most)
            self.signs.zero_()
            self.watched, self.since = 0, seen
        if o.mode == "fixed":
            self.p.fill_(o.p)
        elif o.mode == "scheduled":
            self.p.fill_(cosine(0.0, o.p, seen, round(o.p_kimg * 1000)))
        elif o.mode == "diffaug":
            self.p.fill_(1.0)

    def follow(self, sign: Tensor) -> None:
        """Takes note of one batch's `sureness`."""
        self.signs += sign
        self.watched += 1

    def state_dict(self) -> dict[str, Any]:
        counts = {"watched": self.watched, "since": self.since}
        return {"p": self.p.clone(), "signs": self.signs.clone()} | counts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.p.copy_(state["p"])
        self.signs.copy_(state["signs"])
        self.watched, self.since = state["watched"], state["since"]

    def __call__(self, x: Tensor) -> Tensor:
        """x (batch, …) to T(x)."""
        return self.draw(x)(x)

    def draw(self, x: Tensor) -> Affine:
        """A T for the batch `x`, of which only the shape, the type and the device matter."""
        return self.views.draw(x, self.p)
