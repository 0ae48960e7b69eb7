"""Differential privacy: each real row's contribution to a discriminator step is clipped and noised.

DP-SGD (Abadi et al. 2016, algorithm 1): every real row joins a step with the same small probability, its
gradient is clipped to norm `clip`, the sum gets Gaussian noise of `noise` times `clip`, and an accountant
adds up what all steps together can reveal. Only this sum looks at real rows, so both players are
(ε, δ)-differentially private: with or without any one row, no outcome is more than e^ε times as likely,
except with probability δ.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options

# Rényi orders that the accountant tries, taking the best.
ORDERS = [1 + x / 20 for x in range(1, 200)] + [float(x) for x in range(11, 256)] + [512.0, 1024.0]


@options
class PrivacyOptions:
    """Differential privacy of the real rows; off while `noise` is 0."""

    noise: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="noise multiplier: standard deviation of the noise on the gradient sum, in "
        "units of clip; 0: off",
    )
    clip: float = Field(default=1.0, gt=0, description="bound on the gradient norm of one real row")
    epsilon: float | None = Field(
        default=None, gt=0, description="privacy budget ε: the run ends before exceeding it"
    )
    delta: float | None = Field(
        default=None, gt=0, lt=1, description="δ of (ε, δ); none: n^-1.5 of n training rows"
    )
    shares: float = Field(
        default=0.0,
        ge=0,
        description="weight of matching fakes to the data's shares of single columns, which the model stores "
        "anyway (they are not covered); for rows of categories",
    )
    repeatable: bool = Field(
        default=False,
        description="derive the noise from train.seed: for tests only, as anyone with the seed can remove it",
    )

    @property
    def on(self) -> bool:
        return self.noise > 0


class Accountant:
    """The privacy spent: ε by Rényi differential privacy (Mironov et al. 2019), as in opacus.

    For Poisson sampling: each of `n` rows is in a step independently, with probability `rate`.
    """

    def __init__(self, o: PrivacyOptions, n: int, batch: int) -> None:
        if batch >= n:
            raise OptionError(
                f"train.batch: privacy needs it below the number of training rows, {n:,}; got {batch:,}"
            )
        self.options, self.n, self.rate = o, n, batch / n
        self.delta = n**-1.5 if o.delta is None else float(o.delta)
        self._analysis = _opacus()
        with _quiet():
            self._one = self._analysis.compute_rdp(
                q=self.rate, noise_multiplier=o.noise, steps=1, orders=ORDERS
            )
        if o.epsilon is not None and self.spent(1) > o.epsilon:
            raise OptionError(
                f"game.privacy.epsilon: a single step spends {self.spent(1):.3g}; got {o.epsilon:g}. "
                "Raise game.privacy.noise, or lower train.batch"
            )

    def spent(self, steps: int) -> float:
        """ε after this many steps of the discriminator."""
        if steps == 0:
            return 0.0
        with _quiet():
            epsilon, _ = self._analysis.get_privacy_spent(
                orders=ORDERS, rdp=self._one * steps, delta=self.delta
            )
        return max(float(epsilon), 0.0)

    def affords(self, steps: int) -> bool:
        """Whether this many steps in total stay within the ε of the options."""
        return self.options.epsilon is None or self.spent(steps) <= self.options.epsilon


def _opacus() -> Any:
    try:
        with _quiet():
            from opacus.accountants.analysis import rdp
    except ImportError:
        raise OptionError(
            "game.privacy: needs the package opacus; pip install 'ganwright[private]'"
        ) from None
    return rdp


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses warnings: a bound that more orders could tighten is still valid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass
class PrivacyState:
    """The number of steps that looked at real rows, and the key of all their randomness.

    The key must stay secret: anyone who has it can reproduce the noise and subtract it. It is in the
    checkpoint, as a resume needs it, and never in the model.
    """

    key: int = field(default_factory=lambda: secrets.randbits(62))
    steps: int = 0

    def state_dict(self) -> dict[str, Any]:
        return {"key": self.key, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.key, self.steps = int(state["key"]), int(state["steps"])


# --- gradients row by row ----------------------------------------------------------------------


def clipped_gradients(
    network: nn.Module, judge: Callable[[], Tensor], bound: float
) -> tuple[list[Tensor], Tensor]:
    """Σᵢ gᵢ·min(1, bound/‖gᵢ‖) for each parameter, and ‖gᵢ‖ (b,).

    `judge` gives one value per row (b,) through `network`; gᵢ is the gradient of row i's value in all
    parameters. Norms come from each layer's inputs and output gradients, without the gradients
    themselves (Goodfellow 2015; Lee and Kifer 2021): two backward passes instead of b.
    """
    weights = list(network.parameters())
    with _listening(network) as calls:
        values = judge()
    outputs = [output for _, _, output in calls]
    backs = torch.autograd.grad(values.sum(), outputs, retain_graph=True)
    squares = torch.zeros_like(values)
    for (module, given, _), back in zip(calls, backs, strict=True):
        squares = squares + _squared_norms(module, given.detach(), back)
    lengths = squares.sqrt()
    shares = bound / lengths.clamp(min=bound)
    return list(torch.autograd.grad((values * shares).sum(), weights)), lengths


def _squared_norms(module: nn.Module, given: Tensor, back: Tensor) -> Tensor:
    """‖∇‖² (b,) of each row in the module's own parameters."""
    if isinstance(module, nn.Linear):  # the outer product of output gradient and input
        squares = given.square().sum(1)
        return (squares + (module.bias is not None)) * back.square().sum(1)
    found: Tensor = module.squared_row_norms(given, back)  # type: ignore[operator]
    return found


@contextmanager
def _listening(network: nn.Module) -> Iterator[list[tuple[nn.Module, Tensor, Tensor]]]:
    """Records (layer, input, output) of every layer that has parameters."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if any(module is one for one, _, _ in calls):
            raise RuntimeError(
                f"{type(module).__name__} is used twice, so its gradient norms would not add up"
            )
        calls.append((module, given[0], output))

    owners = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
    hooks = [module.register_forward_hook(note) for module in owners]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
