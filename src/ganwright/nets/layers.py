"""The parts that several nets share: activations, normalisation, heads, initialisation.

A discriminator says on which examples its logits depend. Packs of consecutive examples have one logit
(PacGAN, Lin et al. 2018); within groups they depend on each other (minibatch standard deviation, Karras
et al. 2018). Real examples and fakes both fill whole groups, so they can be judged in one pass, and a
loss sees only that there are fewer logits. Batch statistics mix all examples: then it takes two passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from ganwright.base.errors import OptionError
from ganwright.base.names import Names
from ganwright.base.options import Field
from ganwright.base.spec import Spec

LEAK = 0.2
Activation = Literal["relu", "leaky-relu", "prelu", "silu", "elu", "gelu", "tanh"]

ACTIVATIONS: Names[Callable[[], nn.Module]] = Names(
    "activation",
    {
        "relu": nn.ReLU,
        "leaky-relu": lambda: nn.LeakyReLU(LEAK),
        "prelu": lambda: nn.PReLU(init=LEAK),
        "silu": nn.SiLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "tanh": nn.Tanh,
    },
)

# What keeps the mean square at 1 through layer and activation f: E[f(z)²]^-½ for z ~ N(0, 1). For
# a rectifier this is the gain of He et al. 2015, and exact at any depth.
GAINS: dict[str, float] = {
    "relu": math.sqrt(2),
    "leaky-relu": math.sqrt(2 / (1 + LEAK**2)),
    "prelu": math.sqrt(2 / (1 + LEAK**2)),
    "silu": 1.6765,
    "elu": 1.2452,
    "gelu": 1.5335,
    "tanh": 1.5925,
}

# Keras calls 0.8 what keeps of the old statistics; torch calls 0.2 what is taken of the new.
BATCH_MOMENTUM = 0.2

GeneratorNorm = Literal["none", "batch"]
DiscriminatorNorm = Literal["none", "batch", "layer", "spectral"]

Pack = Annotated[
    int,
    Field(ge=1, le=64, description="examples judged together (PacGAN); divides train.batch"),
]
Group = Annotated[
    int,
    Field(
        ge=0,
        le=64,
        description="packs in a group of the minibatch standard deviation: 4 in the paper; 0: off",
    ),
]


def normalised(kind: str, channels: int, *, flat: bool) -> list[nn.Module]:
    """The normalisation layer that `kind` asks for after a layer of `channels`, if any.

    `flat` says that the features are (batch, channels), not (batch, channels, height, width).
    """
    if kind == "batch":
        make = nn.BatchNorm1d if flat else nn.BatchNorm2d
        return [make(channels, momentum=BATCH_MOMENTUM)]
    if kind == "layer":  # over all features of one example: one group
        return [nn.LayerNorm(channels) if flat else nn.GroupNorm(1, channels)]
    return []


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# Layers of weights, of sound and of volumes, too.
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


def spectral_normalise(network: nn.Module) -> None:
    """Holds the spectral norm of every layer of `network` at 1 (Miyato et al. 2018).

    After `initialise`: the power iteration starts from the weights that it finds.
    """
    for module in list(network.modules()):
        if isinstance(module, (*WEIGHTED, nn.Embedding)):
            spectral_norm(module)


@torch.no_grad()
def initialise(network: nn.Module, activation: str) -> None:
    """He et al. 2015: every weight N(0, gain²/fan-in), with the gain of `activation`; biases 0.

    The last layer, which no activation follows, has gain 1: a generator's first examples fill the
    range of tanh without saturating it. A transposed convolution of stride s spreads each input
    over kernel²/s² taps, so its fan-in is smaller than torch's count. Embeddings keep their own.
    """
    layers = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else GAINS[activation]
        if isinstance(layer, TRANSPOSED):
            fan_in = layer.weight[:, 0].numel() / math.prod(layer.stride)
        else:
            fan_in = layer.weight[0].numel()
        if layer.weight.is_meta:
            continue
        layer.weight.normal_(0, gain / math.sqrt(fan_in))
        if layer.bias is not None:
            layer.bias.zero_()


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014), drawn a byte at a time.

    On a CPU, torch draws each element of the mask by itself, which is a third of the time of a small
    DCGAN's step; one 64-bit word decides eight elements here. The share dropped is therefore a
    multiple of 1/256, and what is kept is scaled by exactly that share.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(share * 256)  # of 256 values of a byte

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) to the same, some features 0 while training."""
        if not self.training or self.dropped == 0:
            return x
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        bytes_ = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()]
        keep = bytes_.as_strided(x.shape, x.stride()) >= self.dropped  # in the order of x's memory
        return x * (keep.to(x.dtype) * (256 / (256 - self.dropped)))


def embedding_of(classes: int, features: int, *, std: float) -> nn.Embedding:
    """One row a class, N(0, std²)."""
    weight = torch.empty(classes, features)
    if not weight.is_meta:  # a net built to compare shapes: drawing would import half of torch
        weight.normal_(0, std)
    return nn.Embedding(classes, features, _weight=weight)


class PlayerOptions(Protocol):
    """The options of a net, which build it."""

    @property
    def kind(self) -> str:
        """The name of the net."""

    def build(self, spec: Spec, latent: int) -> nn.Module:
        """The net for examples of `spec` and latents of that length."""


class Generator(nn.Module):
    """The interface of generators, besides the forward pass (latents, condition) → examples or `Made`."""

    block = 64  # examples sampled together, at multiples of it, whatever the caller asks for
    uniforms = 0  # that an example needs besides its latent
    fills = False  # generates the hidden parts of an example given the others
    gives_likelihood = False  # whether it has a `negative_log_likelihood`
    likelihood_name = "−log p"  # of that, as progress shows it
    task = ""  # what it does to a given example, "denoise" say; none: it makes new ones
    paired = True  # with a task: whether a real example holds what its result should be
    verb = ""  # the command that puts a generator with a task to use
    tested = ""  # what `exam` does, in words
    derived = ""  # sizes that its options don't say, in words

    @property
    def marginals(self) -> Tensor | None:
        """The data's own shares of each code, (numbers,), where examples are one-hot."""
        return None

    def cut(self, stored: Tensor) -> Tensor:
        """The part of each real example (batch, …), as stored, that is trained on this time: all of it."""
        return stored

    def condition(self, given: Tensor, labels: Tensor | None) -> Tensor | None:
        """What both players are conditioned on for real examples (batch, …): their labels.

        `given` is what the codec makes conditions from (`Codec.given`).
        """
        return labels

    def exam(self, given: Tensor) -> Tensor | None:
        """The condition that it is tested by on real examples, where it has a `task`; always as hard."""
        return self.condition(given, None)

    def shown(self, condition: Tensor) -> Tensor:
        """What a condition gives to see, in the form of an example as the discriminator sees it."""
        raise NotImplementedError(f"{type(self).__name__} has no task")

    def judged(self, examples: Tensor, condition: Tensor | None) -> Tensor:
        """What the discriminator sees of encoded real examples: themselves, unless it judges codes."""
        return examples

    @property
    def beside(self) -> Mapping[str, Callable[..., Tensor]]:
        """Other ways to make examples, by name, called as `sample` is; a card compares with them."""
        return {}

    def start(self, count: int, labels: Tensor | None) -> Tensor | None:
        """The condition of `count` examples generated from their labels alone."""
        return labels

    def sample(
        self, z: Tensor, condition: Tensor | None, uniforms: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """Examples for use rather than training, in a form that the codec decodes."""
        made: Tensor = self(z, condition)
        return made

    def negative_log_likelihood(self, z: Tensor, condition: Tensor) -> Tensor:
        """−log p, in nats, (batch,), of what `condition` hides; where `gives_likelihood`."""
        raise NotImplementedError(f"{type(self).__name__} gives no likelihood")


class Made(NamedTuple):
    """A generator's output, (batch, *shape), and −log p of the true values, (batch,), if it gives that."""

    examples: Tensor
    nll: Tensor | None


class LatentInput(nn.Module):
    """Joins the latent and the embedding of the label, where there are classes."""

    def __init__(self, latent: int, classes: int, embedding: int = 64) -> None:
        super().__init__()
        self.embed = embedding_of(classes, embedding, std=1.0) if classes else None
        self.features = latent + (embedding if classes else 0)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """z (batch, latent) and labels (batch,) to (batch, features)."""
        if self.embed is None:
            return z
        return torch.cat([z, self.embed(labels)], dim=1)


class Discriminator(nn.Module):
    """The interface of discriminators: which examples' logits depend on each other.

    Where only neighbours do, batches can be joined and split at multiples of `group`, and penalties
    hold: the gradient at an example is that of its whole group's logits. Where all examples of a
    batch mix, neither is so.
    """

    mixes_examples = False  # by batch statistics
    pack = 1  # consecutive examples that have one logit together
    group = 1  # consecutive examples whose logits depend on each other; divides the batch


def packed(x: Tensor, pack: int) -> Tensor:
    """Packs consecutive examples: (b, C, *rest) to (b / pack, pack·C, *rest) (Lin et al. 2018)."""
    return x if pack == 1 else x.unflatten(0, (-1, pack)).flatten(1, 2)


class MinibatchStd(nn.Module):
    """One feature more: how much each group of examples varies (Karras et al. 2018, section 3).

    The standard deviation of every feature over `group` consecutive examples, averaged over all
    features: which a generator that repeats itself can't imitate. A group of 0 adds nothing.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        if group == 1:
            raise OptionError(
                "discriminator.minibatch_std: a group of one has no deviation; 0, or at least 2"
            )
        self.group = group
        self.features = 1 if group else 0  # that it adds

    def forward(self, x: Tensor) -> Tensor:
        """(b, C, *rest) to (b, C + 1, *rest); `group` must divide b."""
        if not self.group:
            return x
        # Squares of bfloat16 lose too much. The root has no slope at zero, where a collapse is.
        groups = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (-1, self.group))
        deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().flatten(1).mean(1)
        each = deviation.to(x.dtype).repeat_interleave(self.group)
        shape = (len(x), 1, *x.shape[2:])
        return torch.cat([x, each.view(-1, *[1] * (x.dim() - 1)).expand(shape)], dim=1)


class Head(nn.Module):
    """The discriminator's last layer: one logit, by projection on the label's embedding.

    D(x, y) = w·h(x) + v_y·h(x) (Miyato and Koyama 2018, equation 4); without classes the first
    term alone. Of a pack, v_y is the sum over its places, each of which has embeddings of its own.
    Never in bfloat16: losses compare logits, and near 20 it can't resolve tenths.
    """

    def __init__(self, features: int, classes: int, pack: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.classes, self.pack = classes, pack
        std = 1 / math.sqrt(features * pack)
        self.embed = embedding_of(classes * pack, features, std=std) if classes else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """features (batch, features) and labels (batch · pack,) to logits (batch,)."""
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.linear.weight.dtype)
            logits: Tensor = self.linear(features).squeeze(1)
            if self.embed is None:
                return logits
            if self.pack == 1:
                return logits + (self.embed(labels) * features).sum(1)
            assert labels is not None
            places = torch.arange(self.pack, device=labels.device) * self.classes
            told = self.embed(labels.view(-1, self.pack) + places).sum(1)
            return logits + (told * features).sum(1)


class ResidualBlock(nn.Module):
    """x + W₂·functional.silu(W₁·norm(x)), which starts near the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.drop = Dropout(dropout)
        if not self.second.weight.is_meta:
            with torch.no_grad():
                self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, width) to the same."""
        moved: Tensor = self.second(self.drop(functional.silu(self.first(self.norm(x)))))
        return x + moved
