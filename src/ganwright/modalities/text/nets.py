"""Nets for texts: a game between codes of texts, and a language model beside it.

An encoder brings a text to a code on a sphere, and a decoder writes a text from a code with noise added, so
that near codes mean like texts: a denoising autoencoder (Vincent et al. 2008). Of a latent, the code
generator makes a code with noise, and the discriminator compares such codes with those of real texts: the
latent GAN of Zhao et al. 2018 ("Adversarially regularized autoencoders"), with the losses and penalties of
this toolkit. So the game is played in a small continuous space; that texts are discrete doesn't matter to
it. Both players see codes whitened by their running mean and covariance. The generator starts as z → z, a
Gaussian with the moments of real codes, and only has to learn what isn't Gaussian about them.

Beside it a language model, a decoder without a code and of as many weights as all else together, learns
from the same texts at the same time, with the same rates. It is what samples are compared with.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.text.spec import TextSpec
from ganwright.modalities.text.writer import END, UNKNOWN, Layers, Writer, containing, written
from ganwright.nets.layers import (
    Discriminator,
    Generator,
    Head,
    LatentInput,
    Made,
    ResidualBlock,
    embedding_of,
)

BLOCK = 128  # texts sampled together
COOLER = (0.9, 0.8, 0.7, 0.6)  # temperatures that a card compares, beside 1
FOLLOWED = 0.05  # of the moments of codes, by those of a batch
LM = "lm"  # what the language model is called


@options
class TextGeneratorOptions:
    """Latent → code → text, the encoder of texts, and the language model beside them."""

    kind: Literal["text"] = "text"
    embedding: int = Field(default=128, ge=4, le=4096, description="numbers of a unit's embedding")
    width: int = Field(default=192, ge=8, le=8192, description="of encoder and decoder")
    layers: int = Field(default=2, ge=1, le=16, description="recurrent layers of each")
    hidden: int = Field(default=256, ge=8, le=8192, description="width of the code generator")
    blocks: int = Field(default=2, ge=0, le=16, description="its residual blocks")
    noise: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="deviation of the noise on codes, whose numbers have variance 1: with more of it "
        "the code says less and the decoder is more of a language model",
    )
    dropout: float = Field(default=0.3, ge=0, le=0.9, description="share of features dropped")
    hidden_units: float = Field(
        default=0.1, ge=0, le=0.9, description="share of the units hidden from the encoder"
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return TextGenerator(self, of_text(spec), latent)


@options
class TextDiscriminatorOptions:
    """Code → residual blocks → one logit."""

    kind: Literal["text"] = "text"
    width: int = Field(default=256, ge=8, le=8192, description="of the hidden layers")
    blocks: int = Field(default=2, ge=0, le=16, description="residual blocks of two layers each")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return TextDiscriminator(self, of_text(spec), latent)


def of_text(spec: Spec) -> TextSpec:
    """The same spec. Raises OptionError for one of other examples."""
    if not isinstance(spec, TextSpec):
        raise OptionError(f"text nets: need texts, got {spec.things}")
    return spec


def on_sphere(x: Tensor) -> Tensor:
    """(b, d) scaled to length √d, so that numbers have a mean square of 1."""
    return x * (x.shape[1] ** 0.5 / x.norm(dim=1, keepdim=True).clamp(min=1e-6))


class Encoder(nn.Module):
    """Texts to codes on the sphere: the last and the mean output of recurrent layers, projected."""

    def __init__(self, o: TextGeneratorOptions, code: int) -> None:
        super().__init__()
        self.layers = Layers(o.embedding, o.width, o.layers, 0, 0.0)
        self.code = nn.Linear(2 * o.width, code)

    def forward(self, seen: Tensor, there: Tensor) -> Tensor:
        """Embeddings (b, t, embedding) and which places are of the text, (b, t), to codes (b, code)."""
        out, _ = self.layers(seen, seen)
        lengths = there.sum(1).clamp(min=1)
        last = out[torch.arange(len(out), device=out.device), lengths - 1]
        mean = (out * there.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)
        return on_sphere(self.code(torch.cat([last, mean], 1)).float())


class TextGenerator(Generator):
    """Texts by way of codes, with a language model beside."""

    block = BLOCK
    gives_likelihood = True
    fills = True
    middle: Tensor  # mean code of each class, and their covariance
    spread: Tensor
    rounds: Tensor  # that they were followed for

    def __init__(self, o: TextGeneratorOptions, spec: TextSpec, latent: int) -> None:
        super().__init__()
        self.options, self.length, self.uniforms = o, spec.size, spec.size
        classes = len(spec.classes)
        self.input = LatentInput(latent, classes)
        self.first = nn.Linear(self.input.features, o.hidden)
        self.blocks = nn.ModuleList(ResidualBlock(o.hidden, 0.0) for _ in range(o.blocks))
        self.norm = nn.LayerNorm(o.hidden)
        self.code = nn.Linear(o.hidden, latent)
        self.register_buffer("middle", torch.zeros(max(1, classes), latent))
        self.register_buffer("spread", torch.eye(latent))
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))
        self.told = embedding_of(classes, o.embedding, std=1.0) if classes else None
        more = o.embedding if classes else 0
        self.encoder = Encoder(o, latent)
        self.writer = Writer(spec.symbols, o, o.width, latent + more)
        weights = _count(self)
        if not self.code.weight.is_meta:
            nn.init.normal_(self.code.weight, 0, 0.1 / math.sqrt(o.hidden))
        self.lm = Writer(spec.symbols, o, _width_of(weights, spec.symbols, o, more), more)

    @property
    def derived(self) -> str:  # type: ignore[override]
        """How wide the language model is."""
        return f"beside a language model of width {self.lm.width}, of equally many weights"

    def condition(self, stored: Tensor, labels: Tensor | None) -> Tensor:
        """Texts and their labels, (b, length + 1); −1 where there are none."""
        return torch.cat([stored.long(), _column(labels, len(stored), stored.device)], 1)

    def start(self, count: int, labels: Tensor | None) -> Tensor:
        """Labels alone, (count, 1)."""
        return _column(labels, count, self.first.weight.device)

    def judged(self, examples: Tensor, condition: Tensor | None) -> Tensor:
        """Codes (b, latent) of texts (b, length) with noise, whitened: what the discriminator sees."""
        labels = None if condition is None else self._labels(condition)
        with torch.no_grad():
            code = self.encode(examples)
        with torch.no_grad(), torch.autocast(code.device.type, enabled=False):
            if self.training:
                self._follow(code, labels)
            noisy = code + self.options.noise * torch.randn_like(code) - self._middles(labels)
            white: Tensor = torch.linalg.solve_triangular(self._root(), noisy.T, upper=False).T
            return white.contiguous()

    def _follow(self, code: Tensor, labels: Tensor | None) -> None:
        """Brings the moments nearer to those of a batch: the mean of each class, their covariance."""
        classes = len(self.middle)
        which = code.new_zeros(len(code), dtype=torch.int64) if labels is None else labels
        there = nn.functional.one_hot(which, classes).float()  # (b, classes)
        counts = there.sum(0)
        means = (there.T @ code) / counts.clamp(min=1).unsqueeze(1)
        rate = torch.clamp(1 / (1 + self.rounds), min=FOLLOWED)
        share = (rate * counts * classes / len(code)).clamp(max=1)
        self.middle.lerp_(means, share.unsqueeze(1))
        off = code - self.middle[which]
        self.spread.lerp_(off.T @ off / len(off), rate)
        self.rounds += 1

    def _middles(self, labels: Tensor | None) -> Tensor:
        """The mean code of each label's class, (b, latent) or (1, latent)."""
        return self.middle if labels is None else self.middle[labels]

    def _root(self) -> Tensor:
        """The Cholesky factor of the covariance of codes with noise, (latent, latent)."""
        least = self.options.noise**2 + 1e-3
        root: Tensor = torch.linalg.cholesky(
            self.spread + least * torch.eye(len(self.spread), device=self.spread.device)
        )
        return root

    def encode(self, symbols: Tensor, seen: Tensor | None = None) -> Tensor:
        """Codes of texts; `seen` are the same texts with some units hidden."""
        there = written(symbols)
        there = there[:, : int(there.sum(1).max())]
        given = (symbols if seen is None else seen)[:, : there.shape[1]]
        return self.encoder(self.writer.embed(given), there)

    def make_code(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Latents (b, latent) to whitened codes with noise."""
        h = self.first(self.input(z, labels))
        for block in self.blocks:
            h = block(h)
        made: Tensor = z + self.code(silu(self.norm(h))).float()
        return made

    def code_of(self, white: Tensor, labels: Tensor | None) -> Tensor:
        """Whitened codes as the decoder sees them."""
        code = self._middles(labels) + white @ self._root().T
        return code / math.sqrt(1 + self.options.noise**2)

    def forward(self, z: Tensor, condition: Tensor) -> Made:
        """z (b, latent) and `condition` to codes (b, latent) and, for texts, −log p."""
        labels = self._labels(condition)
        code = self.make_code(z, labels)
        if condition.shape[1] == 1:
            return Made(code, None)
        return Made(code, self.negative_log_likelihood(z, condition))

    def negative_log_likelihood(self, z: Tensor, condition: Tensor) -> Tensor:
        """−log p of texts in nats a unit, (b,): mean of decoder and language model.

        The decoder's given a code of the text itself, with `z` as its noise: a cost of reconstruction.
        """
        ours, lm = self.costs(z, condition)
        units = written(condition[:, :-1]).sum().clamp(min=1) / len(z)
        return (ours + lm).sum(1) / (2 * units)

    def costs(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """−log p of each unit, (b, t), by the decoder from the text's own code, and by the language model."""
        symbols, labels = condition[:, :-1], self._labels(condition)
        symbols = symbols[:, : int(written(symbols).sum(1).max())]
        seen = symbols
        if self.training and self.options.hidden_units:
            hidden = torch.rand(symbols.shape, device=symbols.device) < self.options.hidden_units
            seen = torch.where(hidden & (symbols != END), UNKNOWN, symbols)
        code = self.noisy(self.encode(symbols, seen), z)
        return (
            self.writer.costs(symbols, self._context(code, labels)),
            self.lm.costs(symbols, self._context(code[:, :0], labels)),
        )

    def lm_costs(self, condition: Tensor) -> Tensor:
        """−log p of each unit, (b, length), by the language model."""
        symbols, labels = condition[:, :-1], self._labels(condition)
        context = self._context(self.middle.new_zeros(len(symbols), 0), labels)
        return self.lm.costs(symbols, context)

    def noisy(self, code: Tensor, noise: Tensor) -> Tensor:
        """The code that the decoder sees."""
        return (code + self.options.noise * noise) / math.sqrt(1 + self.options.noise**2)

    def _context(self, code: Tensor, labels: Tensor | None) -> Tensor:
        if self.told is None:
            return code
        return torch.cat([code, self.told(labels)], 1)

    def _labels(self, condition: Tensor) -> Tensor | None:
        return None if self.told is None else condition[:, -1]

    # --- sampling ------------------------------------------------------------------------------

    def sample(
        self, z: Tensor, condition: Tensor | None, uniforms: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """Texts as symbols (b, length)."""
        return self.at_temperature(1.0, z, condition, uniforms, allowed)

    def at_temperature(
        self,
        temperature: float,
        z: Tensor,
        condition: Tensor | None,
        uniforms: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Texts of which likelier units are drawn more often than they should be, below 1."""
        assert condition is not None  # `start` makes it
        labels = self._labels(condition)
        code = self.code_of(self.make_code(z, labels), labels)
        return self._write(self.writer, self._context(code, labels), uniforms, temperature, allowed)

    def by_lm(
        self,
        temperature: float,
        z: Tensor,
        condition: Tensor | None,
        uniforms: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Texts of the language model, which has no latent."""
        assert condition is not None  # `start` makes it
        context = self._context(z[:, :0], self._labels(condition))
        return self._write(self.lm, context, uniforms, temperature, allowed)

    @property
    def beside(self) -> Mapping[str, Callable[..., Tensor]]:
        """The language model at several temperatures, and this model at those below 1."""
        found = {LM: partial(self.by_lm, 1.0)}
        found |= {f"{LM}@{t:g}": partial(self.by_lm, t) for t in COOLER}
        return found | {f"self@{t:g}": partial(self.at_temperature, t) for t in COOLER}

    def _write(
        self,
        writer: Writer,
        context: Tensor,
        uniforms: Tensor,
        temperature: float,
        allowed: Tensor | None,
    ) -> Tensor:
        places = uniforms
        if allowed is None:
            return writer.write(context, places, temperature)[0]
        return containing(writer, context, places, temperature, allowed)


def _column(labels: Tensor | None, count: int, device: torch.device) -> Tensor:
    if labels is None:
        return torch.full((count, 1), -1, device=device)
    return labels.long().unsqueeze(1).to(device)


def _width_of(weights: int, symbols: int, o: TextGeneratorOptions, given: int) -> int:
    """The width at which a `Writer` has about so many weights."""
    with torch.device("meta"):
        widths = range(8, 16384, 8)
        return (
            bisect_left(widths, weights, key=lambda w: _count(Writer(symbols, o, w, given))) * 8 + 8
        )


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


class TextDiscriminator(Discriminator):
    """Codes to logits."""

    def __init__(self, o: TextDiscriminatorOptions, spec: TextSpec, code: int) -> None:
        super().__init__()
        self.first = nn.Linear(code, o.width)
        self.blocks = nn.ModuleList(ResidualBlock(o.width, 0.0) for _ in range(o.blocks))
        self.classes = len(spec.classes)
        self.head = Head(o.width, self.classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Codes (batch, code) to logits (batch,)."""
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        labels = condition[:, -1] if self.classes and condition is not None else None
        logits: Tensor = self.head(silu(h), labels)
        return logits


GENERATORS: tuple[type, ...] = (TextGeneratorOptions,)
DISCRIMINATORS: tuple[type, ...] = (TextDiscriminatorOptions,)
