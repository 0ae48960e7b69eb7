"""Nets for windows of series: dilated convolutions over time, which see the whole window.

The generator begins as a Gaussian process: white noise, coloured by what is known of each channel's
memory. What the game teaches it is the rest: how channels go together, and what is not Gaussian.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, one_hot, pad

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.series.spec import SeriesSpec
from ganwright.nets.layers import LEAK, Discriminator, Generator, Head

FINEST = 64  # places in time at which the latent has features of its own
LARGEST = 6.0  # of asinh(innovation): 200 deviations
ALONE = 0.7  # share of training windows of which nothing is given
TINY = 1e-6


@options
class SeriesGeneratorOptions:
    """Latent and noise → dilated convolutions → innovations → values."""

    kind: Literal["series"] = "series"
    width: int = Field(default=64, ge=4, le=1024, description="of the hidden layers")
    blocks: int = Field(
        default=0,
        ge=0,
        le=24,
        description="residual blocks, each dilated twice as much as the one before; 0: as many as "
        "see the whole window",
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return SeriesGenerator(self, of_series(spec), latent)


@options
class SeriesDiscriminatorOptions:
    """Innovations and values → convolutions, each at half the rate of the one before → one logit."""

    kind: Literal["series"] = "series"
    width: int = Field(default=64, ge=4, le=1024, description="of the hidden layers")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return SeriesDiscriminator(self, of_series(spec))


def of_series(spec: Spec) -> SeriesSpec:
    """The same spec. Raises OptionError for one of other examples."""
    if not isinstance(spec, SeriesSpec):
        raise OptionError(f"series nets: need windows of series, got {spec.things}")
    return spec


class Convolution(nn.Module):
    """Over time, (b, in, 1, T) to (b, out, 1, T), dilated; the ends are padded with zeros.

    Of even size it halves the time: (b, out, 1, T // 2).
    """

    def __init__(self, before: int, after: int, size: int, dilation: int, gain: float) -> None:
        super().__init__()
        odd = size % 2
        self.padding, self.dilation = (0, dilation * ((size - 1) // 2)), (1, dilation)
        self.stride = (1, 1 if odd else 2)
        weight = torch.empty(after, before, 1, size)
        if not weight.is_meta:
            weight.normal_(0, gain / math.sqrt(before * size))
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.zeros(after))

    def forward(self, x: Tensor) -> Tensor:
        return torch.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)


GAIN = math.sqrt(2 / (1 + LEAK**2))


class Residual(nn.Module):
    """x + two convolutions, the second small at first."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = Convolution(width, width, 3, dilation, GAIN)
        self.second = Convolution(width, width, 3, 1, 0.2 * GAIN)

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.second(leaky_relu(self.first(leaky_relu(x, LEAK)), LEAK))
        return x + moved


class Described(nn.Module):
    """What describes a series, S numbers (b, S), as features (b, features): words one-hot."""

    middles: Tensor
    spreads: Tensor

    def __init__(self, spec: SeriesSpec) -> None:
        super().__init__()
        self.sizes = spec.sizes
        self.features = sum(max(1, size) for size in spec.sizes)
        for name in ("middles", "spreads"):
            values = torch.from_numpy(np.array(getattr(spec, name), np.float32))
            self.register_buffer(name, values, persistent=False)

    def forward(self, told: Tensor) -> Tensor:
        scaled = (told.nan_to_num() - self.middles) / self.spreads
        parts = [scaled[:, :0]]
        for i, size in enumerate(self.sizes):
            if size:
                code = told[:, i].nan_to_num().long().clamp(0, size - 1)
                parts.append(one_hot(code, size).to(scaled.dtype))
            else:
                parts.append(scaled[:, i : i + 1])
        return torch.cat(parts, 1)


class SeriesGenerator(Generator):
    """Windows, whole or going on from their first steps.

    A condition (b, 1 + K + S, T) says at which steps the window is given (1) and what is there, and what
    describes its series; NaN there is drawn from the training windows.
    """

    means: Tensor
    colour: Tensor
    whiten: Tensor
    spreads: Tensor
    described: Tensor

    def __init__(self, o: SeriesGeneratorOptions, spec: SeriesSpec, latent: int) -> None:
        super().__init__()
        self.spec, self.channels, self.length = spec, spec.channels, spec.length
        memory = spec.memory
        for name, values in (
            ("means", memory.means), ("colour", memory.forth), ("whiten", memory.back),
            ("spreads", memory.spreads),
        ):  # fmt: skip
            fixed = torch.from_numpy(values.astype(np.float32))
            self.register_buffer(name, fixed, persistent=False)
        table = torch.from_numpy(spec.table.astype(np.float32))
        self.register_buffer("described", table, persistent=False)
        self.told = Described(spec)
        seen, masks = spec.shape[0], len(spec.holes)
        self.coarse = min(self.length, FINEST)
        self.input = Convolution(self.channels + seen + 1, o.width, 1, 1, 1.0)
        self.latent = nn.Linear(latent + self.told.features, o.width * self.coarse)
        count = o.blocks or max(2, math.ceil(math.log2(self.length / 4)) + 1)
        self.blocks = nn.ModuleList(Residual(o.width, 2**i) for i in range(count))
        self.last = Convolution(o.width, 2 * self.channels + masks, 1, 1, 0.1)
        self.direct = nn.Parameter(torch.eye(self.channels))
        if masks and not self.last.bias.is_meta:  # as often there as in the data
            share = torch.tensor(spec.present)
            self.last.bias.data[2 * self.channels :] = torch.logit(share)

    @property
    def uniforms(self) -> int:  # type: ignore[override]
        """One for the noise of each channel at each step, of each mask, and for what describes it."""
        return (self.channels + len(self.spec.holes)) * self.length + 1

    def condition(self, stored: Tensor, labels: Tensor | None) -> Tensor:
        """Most windows with nothing given, the others with first steps of random length."""
        count = len(stored)
        length = 1 + (torch.rand(count, device=stored.device) * (self.length - 1)).long()
        alone = torch.rand(count, device=stored.device) < ALONE
        return self.given(stored, torch.where(alone, 0, length))

    def given(self, stored: Tensor, lengths: Tensor) -> Tensor:
        """The condition that the first `lengths` (b,) steps of windows as stored are given."""
        there = torch.arange(self.length, device=stored.device) < lengths[:, None]
        seen = self.spec.shape[0]
        kept = stored[:, :seen].nan_to_num() * there[:, None]
        return torch.cat([there[:, None].to(stored.dtype), kept, stored[:, seen:]], 1)

    def start(self, count: int, labels: Tensor | None) -> Tensor:
        """Nothing given, and nothing told but the class."""
        seen, told = self.spec.shape[0], len(self.spec.sizes)
        found = torch.zeros(count, 1 + seen + told, self.length, device=self.direct.device)
        found[:, 1 + seen :] = math.nan
        if labels is not None:
            found[:, -1] = labels[:, None].to(found.dtype)
        return found

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """(b, latent) to (b, K, T)."""
        count, device = len(z), z.device
        noise = torch.randn(count, self.channels, self.length, device=device)
        chance = torch.rand(count, len(self.spec.holes), self.length, device=device)
        return self.made(z, condition, noise, chance)

    def made(self, z: Tensor, condition: Tensor, noise: Tensor, chance: Tensor) -> Tensor:
        """Windows from all that decides them: noise (b, C, T) and uniforms (b, M, T) among it."""
        seen = self.spec.shape[0]
        known = condition[:, : 1 + seen]
        told = self.told(condition[:, 1 + seen :, 0])
        h = self.input(torch.cat([noise, known], 1).unsqueeze(2))
        rough = self.latent(torch.cat([z, told], 1)).unflatten(1, (-1, self.coarse))
        h = h + interpolate(rough, size=self.length, mode="linear").unsqueeze(2)
        for block in self.blocks:
            h = block(h)
        out = self.last(leaky_relu(h, LEAK)).squeeze(2)
        with torch.autocast(z.device.type, enabled=False):
            return self._values(out.float(), known.float(), noise, chance)

    def _values(self, out: Tensor, known: Tensor, noise: Tensor, chance: Tensor) -> Tensor:
        """From the last layer's (b, 2C + M, T) to windows (b, K, T), what is given in its place.

        Of each innovation it says the middle and the logarithm of the noise: volatile times, and none
        where what is given leaves no doubt.
        """
        c = self.channels
        given, before = known[:, :1] > 0, known[:, 1:]
        loudness = self.spreads * out[:, c : 2 * c].clamp(-LARGEST, LARGEST / 2).exp()
        shock = torch.asinh(torch.einsum("dc,bct->bdt", self.direct, noise) * loudness)
        innovations = (out[:, :c] + shock).clamp(-LARGEST, LARGEST)
        innovations = torch.where(given, before[:, :c], innovations)
        values = self.means + torch.einsum("cts,bcs->bct", self.colour, torch.sinh(innovations))
        values = torch.where(given, before[:, c : 2 * c], values)
        if not self.spec.holes:
            return torch.cat([innovations, values], 1)
        logits = out[:, 2 * c :] + torch.logit(chance, TINY)
        soft = torch.sigmoid(logits)
        # Straight through: there or not in the forward pass, as likely as that in the backward one.
        masks = soft + ((logits > 0).to(soft.dtype) - soft).detach()
        masks = torch.where(given, before[:, 2 * c :], masks)
        values = self._carried(values, masks)
        again = torch.asinh(torch.einsum("cts,bcs->bct", self.whiten, values - self.means))
        return torch.cat([again, values, masks], 1)

    def _carried(self, values: Tensor, masks: Tensor) -> Tensor:
        """Where a mask says that a value is missing, the last that is there, as in real windows."""
        there = torch.ones_like(values, dtype=torch.bool)
        there[:, list(self.spec.holes)] = masks > 0.5
        steps = torch.arange(self.length, device=values.device).expand_as(values)
        last = torch.where(there, steps, -1).cummax(2).values
        found = values.gather(2, last.clamp(min=0))
        return torch.where(last < 0, 0, found)

    def sample(
        self, z: Tensor, condition: Tensor | None, uniforms: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """Windows and what describes them, (b, K + S, T)."""
        assert condition is not None
        count, told = len(z), len(self.spec.sizes)
        parts = (self.channels * self.length, len(self.spec.holes) * self.length, 1)
        noise, chance, which = uniforms.split(parts, 1)
        if told:
            drawn = self._described(condition[:, -told:, 0], which[:, 0])
            condition = torch.cat(
                [condition[:, :-told], drawn[:, :, None].expand(-1, -1, self.length)], 1
            )
        noise = torch.special.ndtri(noise.double().clamp(1e-9, 1 - 1e-9)).to(z.dtype)
        made = self.made(
            z, condition, noise.view(count, -1, self.length), chance.view(count, -1, self.length)
        )
        return torch.cat([made, condition[:, condition.shape[1] - told :]], 1)

    def _described(self, told: Tensor, place: Tensor) -> Tensor:
        """What is not told (b, S), from a training window at that place, of the class if that is told."""
        table = self.described
        fits = torch.ones(len(told), len(table), device=told.device)
        if self.spec.classes:
            asked = told[:, -1:]
            same = (asked == table[:, -1]).to(fits.dtype)
            fits = torch.where(asked.isnan() | (same.sum(1, keepdim=True) == 0), fits, same)
        ends = fits.cumsum(1)
        rows = torch.searchsorted(ends, place[:, None] * ends[:, -1:]).clamp(max=len(table) - 1)
        return torch.where(told.isnan(), table[rows[:, 0]], told)


class SeriesDiscriminator(Discriminator):
    """How real a window looks, given what describes its series and which first steps are given."""

    def __init__(self, o: SeriesDiscriminatorOptions, spec: SeriesSpec) -> None:
        super().__init__()
        self.told, self.seen = Described(spec), spec.shape[0]
        lengths = [-(-spec.length // 2)]
        while lengths[-1] > 4:
            lengths.append(-(-lengths[-1] // 2))
        self.input = Convolution(self.seen + 1 + self.told.features, o.width, 4, 1, 1.0)
        self.blocks = nn.ModuleList(Residual(o.width, 1 + i % 2) for i in range(len(lengths)))
        self.odd = [length % 2 for length in (spec.length, *lengths[:-1])]
        self.whole = nn.Linear(o.width * lengths[-1], o.width)
        self.head = Head(o.width, 0)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(b, K, T) to logits (b,)."""
        told = self.told(condition[:, 1 + self.seen :, 0])
        beside = [condition[:, :1], told[:, :, None].expand(-1, -1, x.shape[2])]
        h = pad(torch.cat([x, *beside], 1).unsqueeze(2), (0, self.odd[0]))
        h = self.blocks[0](self.input(h))
        for odd, block in zip(self.odd[1:], self.blocks[1:], strict=True):
            h = block(avg_pool2d(pad(h, (0, odd)), (1, 2)))
        h = self.whole(leaky_relu(h, LEAK).flatten(1))
        logits: Tensor = self.head(leaky_relu(h, LEAK), None)
        return logits


GENERATORS = (SeriesGeneratorOptions,)
DISCRIMINATORS = (SeriesDiscriminatorOptions,)
