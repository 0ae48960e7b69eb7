"""Augmentation of spectrograms before the discriminator sees them, for few training sounds.

Silence stays -1 under all but noise. A change of polarity would do nothing to a spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor
from torch.nn import functional

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, by_commas, options
from ganwright.base.spec import Spec

Operation = Literal["shift", "level", "noise", "band-stop"]
USUAL: tuple[Operation, ...] = ("shift", "level", "noise", "band-stop")
SHIFT = 0.125  # of the time, at most
LEVEL = 0.2  # deviation of log₂ of a factor on what is above silence
NOISE = 0.05  # deviation, where silence is -1 and loud is 1
STOP = 0.25  # of the bands, at most
REACH = 16  # `moved` goes up to 1/REACH of the time


@options
class Options:
    """How sounds are changed."""

    in_full: ClassVar = True  # `game.augment.operations` are those of images
    modes: ClassVar = {"operations": ("fixed", "scheduled", "adaptive")}
    operations: Annotated[tuple[Operation, ...], BeforeValidator(by_commas)] = Field(
        default=(), description="operations, separated by commas; none given: all"
    )

    def check(self, mode: str) -> None:
        """Raises OptionError for DiffAugment, whose operations are those of images."""
        if mode == "diffaug":
            raise OptionError(
                "game.augment.mode: diffaug is for images; allowed: fixed, scheduled, adaptive"
            )


@dataclass(frozen=True)
class Drawn:
    """T(x) = scale · (x + base) moved in time − base + noise, for a batch of spectrograms.

    `base` (channels, 1, 1) is 1 for magnitudes, whose silence is -1, and 0 for phases. `places` (b, frames)
    say where each frame comes from; the number of frames stands for silence.
    """

    places: Tensor
    back: Tensor  # the same for the transpose
    scale: Tensor
    noise: Tensor
    base: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """x (b, channels, bands, frames) to the same."""
        return self.linear(x + self.base) - self.base + self.noise

    def linear(self, x: Tensor) -> Tensor:
        """What T does to differences."""
        return self.scale * _taken(x, self.places)

    def transposed(self, y: Tensor) -> Tensor:
        """A gradient at T(x) as one at x."""
        return _taken(self.scale * y, self.back)


def _taken(x: Tensor, places: Tensor) -> Tensor:
    """The frames at `places`, zeros beyond them."""
    index = places[:, None, None].expand(-1, x.shape[1], x.shape[2], -1)
    return functional.pad(x, (0, 1)).gather(3, index)


def _shifted(frames: int, by: Tensor) -> Tensor:
    """Where frames come from if all are moved by (b,) to the right; `frames` for nowhere."""
    places = torch.arange(frames, device=by.device) - by[:, None]
    return torch.where((places >= 0) & (places < frames), places, frames)


class Views:
    """T: a fresh draw for each batch, by operations that each happen with probability p."""

    def __init__(
        self, o: Options, mode: str, spec: Spec, device: torch.device | str = "cpu"
    ) -> None:
        self.chosen = o.operations or USUAL
        self.channels, self.bands, self.frames = spec.shape
        self.magnitude = torch.zeros(self.channels, 1, 1, device=device)
        self.magnitude[0] = 1

    def draw(self, x: Tensor, p: Tensor) -> Drawn:
        """A T for the batch `x`, of which only the shape, the type and the device matter."""
        n, like = len(x), dict[str, Any](device=x.device, dtype=x.dtype)

        def happens(name: str) -> Tensor:
            return (torch.rand(n, **like) < p.to(x)) & (name in self.chosen)

        most = max(1, round(SHIFT * self.frames))
        by = torch.randint(-most, most + 1, (n,), device=x.device) * happens("shift")
        level = torch.where(happens("level"), (torch.randn(n, **like) * LEVEL).exp2(), 1)
        low = torch.rand(n, 1, **like) * self.bands
        wide = torch.rand(n, 1, **like) * STOP * self.bands
        band = torch.arange(self.bands, **like)
        stopped = (band >= low) & (band < low + wide) & happens("band-stop")[:, None]
        magnitude = self.magnitude.to(x)
        scale = torch.where(stopped, 0, level[:, None])[:, None, :, None]
        noise = torch.randn(n, 1, self.bands, self.frames, **like) * NOISE
        return Drawn(
            places=_shifted(self.frames, by),
            back=_shifted(self.frames, -by),
            scale=magnitude * scale + (1 - magnitude),
            noise=magnitude * noise * happens("noise").to(x)[:, None, None, None],
            base=magnitude,
        )


def moved(x: Tensor) -> Tensor:
    """Each sound of (b, channels, bands, frames) moved in time by at most 1/16; its ends repeat."""
    frames = x.shape[3]
    most = max(1, frames // REACH)
    by = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    places = (torch.arange(frames, device=x.device) - by).clamp(0, frames - 1)
    return x.gather(3, places[:, None, None].expand(-1, x.shape[1], x.shape[2], -1))
