"""Numbers that change from round to round, and where a round finds them.

A round that is captured (`train/capture.py`) can't be handed numbers: it is a list of calls that is
played again. It finds them in scalars on the device, which are filled before. Elsewhere they are Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Number = Callable[[str, float], float | Tensor]  # name, value → what the round computes with


def plain(name: str, value: float) -> float | Tensor:
    """The number itself."""
    return value


class Held:
    """Numbers by name, in float32 scalars on `device` that stay the same tensors."""

    def __init__(self, device: torch.device | str) -> None:
        self.device = device
        self._scalars: dict[str, Tensor] = {}
        self._values: dict[str, float] = {}

    def fill(self, values: Mapping[str, float]) -> None:
        """Sets the numbers, without waiting for the device."""
        for name, value in values.items():
            if name not in self._scalars:
                self._scalars[name] = torch.full((), value, dtype=torch.float32, device=self.device)
            elif self._values[name] != value:
                self._scalars[name].fill_(value)
            self._values[name] = value

    def __call__(self, name: str, value: float | None = None) -> Tensor:
        """The scalar of that name, which was filled with `value`."""
        assert value in (None, self._values[name]), f"{name} was filled for another round"
        return self._scalars[name]
