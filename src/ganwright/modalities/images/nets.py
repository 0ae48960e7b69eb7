"""The restorer: a generator that repairs a picture instead of making a new one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.images.degrade import TASKS, luma
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


class Pictured(Generator):
    """A generator that is given a picture; the base of restorers and translators.

    A condition is (b, given + truth, H, W): what is given comes first; the true result, which the loss
    alone may look at, last, or not at all.
    """

    gives_likelihood = (
        True  # of a Laplace distribution around the result: the L1 distance to the truth
    )

    def __init__(self, net: nn.Module, spec: Spec, *, given: int, crop: int = 0) -> None:
        super().__init__()
        self.channels, self.height, self.width = picture(spec, "generator")
        self.net, self.given, self.crop = net, given, crop

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
        """A random crop of each picture (b, H, W, C), where they are larger, or its mirror image."""
        side, (height, width) = self.crop, stored.shape[1:3]
        tall, wide = (min(side, s) if side else s for s in (height, width))
        top = torch.randint(height - tall + 1, (len(stored), 1), device=stored.device)
        left = torch.randint(width - wide + 1, (len(stored), 1), device=stored.device)
        mirrored = torch.rand(len(stored), 1, device=stored.device) < 0.5
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

    def weights(self, given: Tensor) -> Tensor | None:
        return given[:, -1:] if self.damage.masked else None

    def made(self, z: Tensor, given: Tensor) -> Tensor:
        known, added = given[:, : self.channels], self.net(given, z).float()
        if self.damage.masked:
            mask = given[:, -1:]
            return known * (1 - mask) + added * mask
        if self.task == "colourise":  # the brightness is known
            return known + added - luma(added)
        return known + added


GENERATORS = (RestorerOptions,)
DISCRIMINATORS = ()
