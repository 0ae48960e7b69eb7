"""Generators that are given a picture: the restorer repairs it, the translator makes another kind of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.images.degrade import TASKS, filled, luma
from ganwright.modalities.images.pixels import has_alpha
from ganwright.nets.contrast import PatchContrast
from ganwright.nets.layers import Generator, Made
from ganwright.nets.shape import picture
from ganwright.nets.unet import UNet


@options
class RestorerOptions:
    """A residual U-Net that is given the damaged picture and makes the clean one, at any size."""

    kind: Literal["restorer"] = "restorer"
    task: Literal["denoise", "deblur", "inpaint", "upscale", "colourise"] = Field(
        default="denoise", description="what it repairs"
    )
    width: int = Field(default=32, ge=1, le=4096, description="channels at full resolution")
    depth: int = Field(default=3, ge=0, le=8, description="how often the size is halved")
    blocks: int = Field(
        default=1, ge=1, le=64, description="residual blocks at each size, each way"
    )
    crop: int = Field(
        default=64, ge=0, le=4096, description="side of the random crops it is trained on; 0: none"
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return Restorer(self, spec, latent)


FILLED = 5  # holes are filled smoothly over up to 2⁵ pixels, before the net adds detail


class Pictured(Generator):
    """A generator that is given a picture; the base of restorers and translators.

    A condition is (b, given + truth, H, W): what is given comes first; the true result, which the loss
    alone may look at, last, or not at all.
    """

    gives_likelihood = (
        True  # of a Laplace distribution around the result: the L1 distance to the truth
    )
    likelihood_name = "L1"

    def __init__(self, net: UNet, spec: Spec, *, given: int, crop: int = 0) -> None:
        super().__init__()
        self.channels, self.height, self.width = picture(spec, "generator")
        self.net: UNet
        self.net, self.given, self.crop, self.mirrored = net, given, crop, 0.5

    @property
    def unit(self) -> int:
        """Tiles of a large picture start at multiples of it."""
        return self.net.unit

    @property
    def reach(self) -> int:
        """How far away a pixel can be that changes a result."""
        return self.net.reach

    def start(self, count: int, labels: Tensor | None) -> Tensor:
        """An empty picture: (count, given, H, W)."""
        weight = next(self.parameters())
        return weight.new_zeros(count, self.given, self.height, self.width)

    def made(self, z: Tensor, given: Tensor) -> Tensor:
        """The result (b, C, H, W) from what is given (b, given, H, W)."""
        made: Tensor = self.net(given, z)
        return made

    def weights(self, given: Tensor) -> Tensor | None:
        """How much each pixel's error counts, (b, 1, H, W); None: alike."""
        return None

    def forward(self, z: Tensor, condition: Tensor) -> Made:
        """z (b, latent) and a condition to results (b, C, H, W), and the mean |error| of each (b,)."""
        given, truth = condition[:, : self.given], condition[:, self.given :]
        made = self.made(z, given).to(condition.dtype)
        error, weights = (made - truth).abs().mean(1, keepdim=True), self.weights(given)
        if weights is None:
            return Made(made, error.flatten(1).mean(1))
        # Per counted pixel of the batch: pictures with few would outweigh the others otherwise.
        each = (error * weights).flatten(1).sum(1)
        return Made(made, each * (len(each) / weights.sum().clamp(min=1)))

    def sample(
        self, z: Tensor, condition: Tensor | None, uniforms: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """The result alone; the condition needs no truth."""
        assert condition is not None
        return self.made(z, condition[:, : self.given])

    def negative_log_likelihood(self, z: Tensor, condition: Tensor) -> Tensor:
        """`forward`'s second result, (b,)."""
        nll = self(z, condition).nll
        assert isinstance(nll, Tensor)
        return nll

    def cut(self, stored: Tensor) -> Tensor:
        """A random crop of each picture (b, H, W, C), where they are larger; some are `mirrored`."""
        side, (height, width) = self.crop, stored.shape[1:3]
        tall, wide = (min(side, s) if side else s for s in (height, width))
        top = torch.randint(height - tall + 1, (len(stored), 1), device=stored.device)
        left = torch.randint(width - wide + 1, (len(stored), 1), device=stored.device)
        mirrored = torch.rand(len(stored), 1, device=stored.device) < self.mirrored
        rows = top + torch.arange(tall, device=stored.device)
        columns = torch.arange(wide, device=stored.device).expand(len(stored), -1)
        columns = left + torch.where(mirrored, wide - 1 - columns, columns)
        each = torch.arange(len(stored), device=stored.device)[:, None, None]
        return stored[each, rows[:, :, None], columns[:, None]]


class Restorer(Pictured):
    """The damaged picture plus what the net adds; in `inpaint` what is known stays as it is."""

    verb = "restore"

    def __init__(self, o: RestorerOptions, spec: Spec, latent: int) -> None:
        channels, _, _ = picture(spec, "generator", least=4)
        damage = TASKS[o.task]
        if channels in (2, 4):
            raise OptionError(
                "generator: a restorer keeps transparency as it is; open the data without it, "
                f"--set data.channels={channels - 1}"
            )
        if o.task == "colourise" and channels < 3:
            raise OptionError("generator.task: colourise needs colour pictures; these are grey")
        given = channels + damage.masked
        net = UNet(given, channels, width=o.width, depth=o.depth, blocks=o.blocks, latent=latent)
        super().__init__(net, spec, given=given, crop=o.crop)
        self.task, self.tested, self.damage = o.task, damage.tested, damage

    def condition(self, given: Tensor, labels: Tensor | None) -> Tensor:
        """Clean pictures (b, C, H, W) damaged anew, and as they were."""
        return torch.cat([self.damage.damage(given), given], 1)

    def exam(self, given: Tensor) -> Tensor:
        """The same with the damage that restorers are tested by."""
        return torch.cat([self.damage.exam(given), given], 1)

    def shown(self, condition: Tensor) -> Tensor:
        """The damaged picture."""
        return condition[:, : self.channels]

    @property
    def unit(self) -> int:
        return max(super().unit, 2**FILLED if self.damage.masked else 1)

    @property
    def reach(self) -> int:
        return super().reach + 2 * 2**FILLED * self.damage.masked

    def weights(self, given: Tensor) -> Tensor | None:
        return given[:, -1:] if self.damage.masked else None

    def made(self, z: Tensor, given: Tensor) -> Tensor:
        known, added = given[:, : self.channels], self.net(given, z).float()
        if self.damage.masked:
            mask = given[:, -1:]
            return known * (1 - mask) + (filled(known, mask, FILLED) + added) * mask
        if self.task == "colourise":  # the brightness is known
            return known + added - luma(added)
        return known + added


@options
class TranslatorOptions:
    """A U-Net that is given one kind of picture and makes another, at any size."""

    kind: Literal["translator"] = "translator"
    task: Literal["translate"] = Field(default="translate", description="what it does")
    given: int = Field(default=3, ge=1, le=256, description="channels that it is given")
    maps: bool = Field(default=False, description="whether those are classes, one channel each")
    paired: bool = Field(
        default=True, description="learned from pairs; otherwise by the contrast of patches"
    )
    mirror: bool = Field(default=False, description="also learn from mirror images")
    width: int = Field(default=32, ge=1, le=4096, description="channels at full resolution")
    depth: int = Field(default=3, ge=0, le=8, description="how often the size is halved")
    blocks: int = Field(
        default=1, ge=1, le=64, description="residual blocks at each size, each way"
    )
    crop: int = Field(
        default=64, ge=0, le=4096, description="side of the random crops it is trained on; 0: none"
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return Translator(self, spec, latent)


class Translator(Pictured):
    """What is given, brought to the result's channels, plus what the net adds; of class maps that alone.

    Paired, its loss is the L1 distance to the partner (pix2pix, Isola et al. 2017); unpaired, the contrast
    between patches of the picture and of its translation (CUT, Park et al. 2020).
    """

    task, verb = "translate", "translate"

    def __init__(self, o: TranslatorOptions, spec: Spec, latent: int) -> None:
        channels, _, _ = picture(spec, "generator")
        net = UNet(o.given, channels, width=o.width, depth=o.depth, blocks=o.blocks, latent=latent)
        _alike_in_a_cell(net.up)
        super().__init__(net, spec, given=o.given, crop=o.crop)
        self.maps, self.paired, self.mirrored = o.maps, o.paired, 0.5 * o.mirror
        self.tested = "held-out pictures, as they are given"
        self.contrast = None if o.paired else PatchContrast(net.widths)
        self.likelihood_name = "L1" if o.paired else "contrast"

    def condition(self, given: Tensor, labels: Tensor | None) -> Tensor:
        """Both pictures, as the codec of pairs gives them. Raises OptionError for other data."""
        if given.shape[1] != self.given + self.channels:
            raise OptionError(
                "generator: a translator needs two sets of pictures: train --pairs A/ B/, or "
                "--from A/ --to B/"
            )
        return given

    def shown(self, condition: Tensor) -> Tensor:
        """The given picture in the channels of the result; classes as levels of grey."""
        given = condition[:, : self.given]
        if self.maps:
            given = given.argmax(1, keepdim=True) / max(1, self.given - 1) * 2 - 1
        return in_channels(given, self.channels)

    def made(self, z: Tensor, given: Tensor) -> Tensor:
        return self._made(self.net.features(given), z, given)

    def _made(self, features: list[Tensor], z: Tensor, given: Tensor) -> Tensor:
        added: Tensor = self.net.completed(features, z, given.shape[2:]).float()
        return added if self.maps else in_channels(given, self.channels) + added

    def forward(self, z: Tensor, condition: Tensor) -> Made:
        if self.contrast is None:
            return super().forward(z, condition)
        given = condition[:, : self.given]
        features = self.net.features(given)
        made = self._made(features, z, given)
        again = self.net.features(in_channels(made, self.given))
        return Made(made, self.contrast(again, features))


@torch.no_grad()
def _alike_in_a_cell(layers: Iterable[nn.Module]) -> None:
    """The four pixels that a layer makes of one start alike: no checkerboard (Aitken et al. 2017)."""
    for layer in layers:
        assert isinstance(layer, nn.Conv2d)
        cells = layer.weight.unflatten(0, (-1, 4))
        if not cells.is_meta:
            cells.copy_(cells[:, :1].clone().expand_as(cells))


def in_channels(x: Tensor, channels: int) -> Tensor:
    """Pictures (b, c, H, W) in [-1, 1] in another number of channels; alpha that is new is opaque."""
    if x.shape[1] == channels:
        return x
    colour = x[:, :-1] if has_alpha(x.shape[1]) else x
    if colour.shape[1] == 3 and channels < 3:
        colour = luma(colour)
    colour = colour.expand(-1, 3 if channels >= 3 else 1, -1, -1)
    if not has_alpha(channels):
        return colour
    alpha = x[:, -1:] if has_alpha(x.shape[1]) else torch.ones_like(x[:, :1])
    return torch.cat([colour, alpha], 1)


GENERATORS = (RestorerOptions, TranslatorOptions)
DISCRIMINATORS = ()
