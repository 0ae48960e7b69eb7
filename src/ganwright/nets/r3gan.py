"""The nets of R3GAN: plain residual convolutions, no normalisation (Huang et al. 2024, section 3).

"The GAN is dead; long live the GAN! A modern GAN baseline", configuration E. Both nets have the same
stages, one for each size of map: stage i works on ⌈side / 2ⁱ⌉ pixels, so any size fits and nothing
is made only to be cropped. Between stages maps are resampled bilinearly; the generator's
upsampling is the discriminator's downsampling transposed.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.nets.layers import (
    GAINS,
    LEAK,
    Discriminator,
    Generator,
    Group,
    Head,
    LatentInput,
    MinibatchStd,
    Pack,
    packed,
)
from ganwright.nets.shape import picture

LEAST_PIXELS, LEAST_SIDE = 16, 2  # of the smallest map: 4×4, or as long and at least 2 wide
LEAST_PATCHES = 8  # per side: smaller images have few enough pixels for one position each
NARROWEST = 16  # channels stop halving here
EXPANSION = 2  # inverted bottleneck: the grouped convolution has twice the channels
# Under autocast, the smallest map and those below the four largest stay in float32, as in the paper:
# bfloat16 keeps 8 bits of a residual sum, and the logit depends on these few pixels.
LOW_PRECISION_MAPS = 4
# A CPU has no fast kernels for depthwise convolutions in bfloat16 (backward, 100 times slower), but
# has them for groups of 16; the fixed kernel is therefore laid out in blocks, mostly of zeros.
TOGETHER = 16


class Preset(NamedTuple):
    """The meaning of `size`. Channels halve from stage to larger stage, after the first `full`."""

    width: int
    full: int
    blocks: int
    patch: int


SIZES: dict[str, Preset] = {
    "xs": Preset(width=64, full=2, blocks=1, patch=2),
    "s": Preset(width=128, full=2, blocks=1, patch=1),
    "m": Preset(width=384, full=3, blocks=2, patch=1),
    "l": Preset(width=768, full=4, blocks=2, patch=1),  # the paper's
}

Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=16)]
Blocks = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(max_length=16)]


@options
class R3GANOptions:
    """The size of a net. Values left empty or 0 follow from `size`."""

    size: Literal["xs", "s", "m", "l"] = Field(
        default="xs", description="xs for a laptop's CPU … l as in the paper"
    )
    widths: Widths = Field(
        default=(),
        description="channels of each stage, the smallest map first; the last value applies to all others",
    )
    blocks: Blocks = Field(default=(), description="residual blocks of each stage, likewise")
    patch: Literal[0, 1, 2, 4] = Field(
        default=0,
        description="side of the square of pixels that one position of the largest map stands for",
    )
    group: int = Field(
        default=16, ge=1, le=65536, description="channels in a group of the 3×3 convolutions"
    )
    recompute: bool = Field(
        default=False,
        description="each stage is computed again for its gradient instead of kept, to save memory",
    )


@options
class R3GANGeneratorOptions(R3GANOptions):
    """Residual stages from 4×4 up, without normalisation or tanh."""

    kind: Literal["r3gan"] = "r3gan"

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return R3GANGenerator(self, spec, latent)


@options
class R3GANDiscriminatorOptions(R3GANOptions):
    """The generator's stages from the picture down to 4×4, then one logit."""

    kind: Literal["r3gan"] = "r3gan"
    pack: Pack = 1
    minibatch_std: Group = 0

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return R3GANDiscriminator(self, spec)


class Map(NamedTuple):
    """The feature map of a stage."""

    height: int
    width: int
    channels: int
    blocks: int
    exact: bool = False  # in float32, whatever autocast says

    def __str__(self) -> str:
        return f"{self.blocks} × {self.channels} channels at {self.height}×{self.width}"


def stages(o: R3GANOptions, height: int, width: int) -> tuple[list[Map], int]:
    """The stages of pictures of (height, width), the smallest map first, and the patch's side.

    Sides are halved, rounding up, as long as 4×4 pixels or as many are left and both sides keep 2.
    Raises OptionError for more widths or blocks than there are stages.
    """
    preset = SIZES[o.size]
    patch = o.patch or (preset.patch if min(height, width) >= LEAST_PATCHES * preset.patch else 1)
    sides = [(-(-height // patch), -(-width // patch))]
    while True:
        smaller = tuple(-(-side // 2) for side in sides[-1])
        if math.prod(smaller) < LEAST_PIXELS or min(smaller) < LEAST_SIDE:
            break
        sides.append((smaller[0], smaller[1]))
    sides.reverse()
    for name in ("widths", "blocks"):
        if len(getattr(o, name)) > len(sides):
            raise OptionError(
                f"{name}: {height}×{width} pixels have {len(sides)} stages, from "
                f"{sides[0][0]}×{sides[0][1]} up; got {len(getattr(o, name))}"
            )
    halved = [preset.width >> max(0, i + 1 - preset.full) for i in range(len(sides))]
    widths = o.widths or [max(width, NARROWEST) for width in halved]
    blocks = o.blocks or (preset.blocks,)
    found = [
        Map(
            *side,
            channels=widths[min(i, len(widths) - 1)],
            blocks=blocks[min(i, len(blocks) - 1)],
            exact=i == 0 or i < len(sides) - LOW_PRECISION_MAPS,
        )
        for i, side in enumerate(sides)
    ]
    return found, patch


@torch.no_grad()
def draw(weight: Tensor, gain: float, fan_in: float) -> None:
    """N(0, gain² / fan-in)."""
    if not weight.is_meta:
        weight.normal_(0, gain / math.sqrt(fan_in))


def pointwise(before: int, after: int) -> nn.Conv2d:
    """A 1×1 convolution that keeps the variance."""
    layer = nn.Conv2d(before, after, 1, bias=False)
    draw(layer.weight, 1.0, before)
    return layer


class Block(nn.Module):
    """x + f(x), f: 1×1 to twice the channels, grouped 3×3, 1×1 back; rectified in between.

    At the start f is 0, and the layers before its last are scaled down so that `depth` blocks can learn
    at one rate: by L^(−1/4) for L of them (Fixup, Zhang et al. 2019).
    """

    def __init__(self, channels: int, group: int, depth: int) -> None:
        super().__init__()
        inner = EXPANSION * channels
        groups = inner // math.gcd(inner, group)
        self.widen = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=groups)
        self.narrow = nn.Conv2d(inner, channels, 1, bias=False)
        for layer in (self.widen, self.mix):
            draw(layer.weight, GAINS["leaky-relu"] * depth**-0.25, layer.weight[0].numel())
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        y = functional.leaky_relu(self.widen(x), LEAK)
        y = functional.leaky_relu(self.mix(y), LEAK)
        return x + self.narrow(y)


class Resampling(nn.Module):
    """What both directions share: the kernel of bilinear resampling by 2, [1, 3, 3, 1] ⊗ [1, 3, 3, 1].

    The map is padded with zeros. For odd sides, the smaller map has half a pixel more at its start.
    """

    def __init__(self, channels: int, height: int, width: int, total: float) -> None:
        super().__init__()
        size = math.gcd(channels, TOGETHER)
        line = np.array([1, 3, 3, 1], dtype=np.float32) / 8
        kernel = np.zeros((channels, size, 4, 4), dtype=np.float32)
        places = np.arange(channels)
        kernel[places, places % size] = total * np.outer(line, line)
        self.groups = channels // size
        self.odd = (height % 2, width % 2)  # the sides of the larger map
        self.padding = (1 + self.odd[0], 1 + self.odd[1])
        self.register_buffer("kernel", torch.from_numpy(kernel), persistent=False)
        self.kernel: Tensor


class Down(Resampling):
    """(height, width) to its half, rounded up."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__(channels, height, width, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.kernel, stride=2, padding=self.padding, groups=self.groups)


class Up(Resampling):
    """Half of (height, width), rounded up, to the whole: four times `Down`, transposed."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__(channels, height, width, 4.0)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv_transpose2d(
            x,
            self.kernel,
            stride=2,
            padding=self.padding,
            output_padding=self.odd,
            groups=self.groups,
        )


class Stage(nn.Module):
    """The blocks of one size of map, with what leads to them and away from them."""

    def __init__(
        self, at: Map, o: R3GANOptions, depth: int, enter: list[nn.Module], leave: list[nn.Module]
    ) -> None:
        super().__init__()
        blocks = [Block(at.channels, o.group, depth) for _ in range(at.blocks)]
        self.layers = nn.Sequential(*enter, *blocks, *leave)
        self.exact, self.recompute = at.exact, o.recompute

    def forward(self, x: Tensor) -> Tensor:
        # The penalty without double backpropagation watches a pass by such a mode, and keeps what it sees.
        watched = torch._C._is_torch_function_mode_enabled()
        if self.recompute and torch.is_grad_enabled() and not watched:
            # Nothing is drawn here, and the generator's state can't be read while a round is captured.
            made: Tensor = checkpoint(
                self._through, x, use_reentrant=False, preserve_rng_state=False
            )
            return made
        return self._through(x)

    def _through(self, x: Tensor) -> Tensor:
        if self.exact:
            with exactly(x):
                x = self.layers(x.to(next(self.parameters()).dtype))
        else:
            x = self.layers(x)
        return x


def exactly(x: Tensor) -> torch.autocast:
    """In the precision of the weights, whatever autocast says."""
    return torch.autocast(x.device.type, enabled=False)


def changed(before: int, after: int) -> list[nn.Module]:
    """A 1×1 convolution where the number of channels changes."""
    return [pointwise(before, after)] if before != after else []


class R3GANGenerator(Generator):
    def __init__(self, o: R3GANGeneratorOptions, spec: Spec, latent: int) -> None:
        super().__init__()
        channels, height, width = picture(spec, "generator", least=4)
        self.maps, patch = stages(o, height, width)
        self.derived = ", ".join(map(str, self.maps))
        depth, low, high = sum(m.blocks for m in self.maps), self.maps[0], self.maps[-1]
        self.input = LatentInput(latent, len(spec.classes))
        self.linear = nn.Linear(self.input.features, low.channels, bias=False)
        draw(self.linear.weight, 1.0, self.input.features)
        self.basis = nn.Parameter(torch.empty(low.channels, low.height, low.width))
        draw(self.basis, 1.0, 1)
        self.stages = nn.ModuleList([Stage(low, o, depth, [], [])])
        for below, at in zip(self.maps, self.maps[1:], strict=False):
            up = Up(at.channels, at.height, at.width)
            enter = [*changed(below.channels, at.channels), up]
            self.stages.append(Stage(at, o, depth, enter, []))
        if patch == 1:
            self.last: nn.Module = pointwise(high.channels, channels)
        else:
            self.last = Unpatch(high.channels, channels, patch, height, width)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, latent) to (batch, channels, height, width), near [-1, 1] but not bounded to it."""
        with exactly(z):
            start = self.linear(self.input(z, labels))
            x = (start[:, :, None, None] * self.basis).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        made: Tensor = self.last(x)
        return made


class R3GANDiscriminator(Discriminator):
    mixes_examples = False  # no layer looks at the batch

    def __init__(self, o: R3GANDiscriminatorOptions, spec: Spec) -> None:
        super().__init__()
        channels, height, width = picture(spec, "discriminator", least=4)
        self.pack, self.group = o.pack, o.pack * max(o.minibatch_std, 1)
        self.maps, patch = stages(o, height, width)
        self.maps.reverse()
        depth, high, low = sum(m.blocks for m in self.maps), self.maps[0], self.maps[-1]
        channels *= o.pack
        if patch == 1:
            self.first: nn.Module = pointwise(channels, high.channels)
        else:
            self.first = Patch(channels, high.channels, patch, height, width)
        self.stages = nn.ModuleList()
        for at, below in zip(self.maps, self.maps[1:], strict=False):
            down = Down(at.channels, at.height, at.width)
            leave = [down, *changed(at.channels, below.channels)]
            self.stages.append(Stage(at, o, depth, [], leave))
        self.stages.append(Stage(low, o, depth, [], []))
        self.varied = MinibatchStd(o.minibatch_std)
        features, side = low.channels + self.varied.features, (low.height, low.width)
        self.basis = nn.Conv2d(features, features, side, groups=features, bias=False)
        draw(self.basis.weight, 1.0, math.prod(side))
        self.linear = nn.Linear(features, features, bias=False) if spec.classes else None
        if self.linear is not None:
            draw(self.linear.weight, 1.0, features)
        self.head = Head(features, len(spec.classes), o.pack)
        draw(self.head.linear.weight, 1.0, features)
        nn.init.zeros_(self.head.linear.bias)

    def from_input(self) -> list[list[nn.Module]]:
        """The stages, with the layer that sees the picture in the first of them."""
        first, *others = self.stages
        return [[self.first, first], *([stage] for stage in others)]

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, channels, height, width) to logits (batch / pack,)."""
        x = self.first(packed(x, self.pack))
        for stage in self.stages:
            x = stage(x)
        with exactly(x):
            features = self.basis(self.varied(x.to(self.basis.weight.dtype))).flatten(1)
            if self.linear is not None:
                features = self.linear(features)
        logits: Tensor = self.head(features, labels)
        return logits


def _edges(patch: int, side: int) -> tuple[int, int]:
    """Padding, and what the transposed convolution adds, for ⌈side / patch⌉ overlapping patches."""
    over = -side % patch
    return patch // 2 + -(-over // 2), over % 2


class Patch(nn.Module):
    """Pixels to features of overlapping patches: a convolution of twice the patch's side."""

    def __init__(self, channels: int, features: int, patch: int, height: int, width: int) -> None:
        super().__init__()
        padding = (_edges(patch, height)[0], _edges(patch, width)[0])
        self.layer = nn.Conv2d(channels, features, 2 * patch, patch, padding, bias=False)
        draw(self.layer.weight, 1.0, channels * (2 * patch) ** 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y


class Unpatch(nn.Module):
    """The transpose of `Patch`: features to overlapping patches that are added up."""

    def __init__(self, features: int, channels: int, patch: int, height: int, width: int) -> None:
        super().__init__()
        edges = [_edges(patch, side) for side in (height, width)]
        padding, more = zip(*edges, strict=True)
        self.layer = nn.ConvTranspose2d(
            features, channels, 2 * patch, patch, padding, more, bias=False
        )
        draw(self.layer.weight, 1.0, features * 4)  # the number of taps per pixel

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y
