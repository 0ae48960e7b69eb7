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
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, silu

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.text.spec import TextSpec
from ganwright.nets.layers import (
    Discriminator,
    Dropout,
    Generator,
    Head,
    LatentInput,
    Made,
    ResidualBlock,
    embedding_of,
)

BLOCK = 128  # texts sampled together
END, UNKNOWN = 0, 1  # symbols, as the codec has them
NEVER = -1e9  # logit of what must not come
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


class Scan(torch.autograd.Function):
    """h_t = f_t ⊙ h_{t−1} + (1 − f_t) ⊙ v_t over the first axis, from h_0; one operation a step."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, forget: Tensor, first: Tensor) -> Tensor:
        """value, forget (t, b, w) and first (b, w) to (t, b, w)."""
        states, last = torch.empty_like(value), first
        for t in range(len(value)):
            last = torch.lerp(value[t], last, forget[t], out=states[t])
        ctx.save_for_backward(value, forget, first, states)
        return states

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        value, forget, first, states = ctx.saved_tensors
        whole = slopes[0].clone()
        for t in range(len(value) - 1, 0, -1):
            whole[t - 1].addcmul_(whole[t], forget[t])
        before = torch.cat([first.unsqueeze(0), states[:-1]])
        return whole * (1 - forget), whole * (before - value), whole[0] * forget[0]


class Recurrent(nn.Module):
    """A residual layer with memory: x + W·(h ⊙ silu(g)), where h keeps what gates let it keep.

    Gates see x at two places but not h, so that all places are computed at once (Bradbury et al. 2017,
    "Quasi-recurrent neural networks"), which is several times as fast as a GRU on a CPU.
    """

    def __init__(self, width: int, given: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gates = nn.Linear(2 * width, 3 * width)
        self.given = nn.Linear(given, 3 * width, bias=False) if given else None
        self.out = nn.Linear(width, width)
        self.drop = Dropout(dropout)
        if not self.out.weight.is_meta:
            with torch.no_grad():
                self.gates.bias[width : 2 * width].uniform_(0, 3)  # memories of different lengths

    def forward(self, x: Tensor, context: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (t, b, width) to the same; `state` (2, b, width), None at the beginning."""
        seen = self.norm(x)
        if state is None:
            state = x.new_zeros(2, *x.shape[1:])
        both = torch.cat([seen, torch.cat([state[:1].to(seen.dtype), seen[:-1]])], 2)
        gates = self.gates(both)
        if self.given is not None:
            gates = gates + self.given(context)
        value, forget, gate = gates.float().chunk(3, 2)
        kept = Scan.apply(torch.tanh(value), torch.sigmoid(forget), state[1])
        made = x + self.out(self.drop(kept * silu(gate)))
        return made, torch.stack([seen[-1].float(), kept[-1]])


class Layers(nn.Module):
    """Embeddings through recurrent layers."""

    def __init__(self, embedding: int, width: int, layers: int, given: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(embedding, width)
        self.layers = nn.ModuleList(Recurrent(width, given, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, seen: Tensor, context: Tensor, states: list[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Embeddings (b, t, embedding) to (b, t, width), and the state of each layer."""
        x, after = self.first(seen.transpose(0, 1)).float(), []
        for i, layer in enumerate(self.layers):
            x, state = layer(x, context, None if states is None else states[i])
            after.append(state)
        return self.norm(x).transpose(0, 1), after


class Writer(nn.Module):
    """Texts unit by unit, from a context (b, given) or, with given = 0, none.

    Embeddings are also the weights of the last layer (Press and Wolf 2017).
    """

    def __init__(self, symbols: int, o: TextGeneratorOptions, width: int, given: int) -> None:
        super().__init__()
        self.embed = embedding_of(symbols, o.embedding, std=o.embedding**-0.5)
        self.layers = Layers(o.embedding, width, o.layers, given, o.dropout)
        self.features = nn.Linear(width, o.embedding)
        self.bias = nn.Parameter(torch.zeros(symbols))
        self.drop = Dropout(o.dropout)
        self.width = width

    def step(
        self, symbols: Tensor, context: Tensor, states: list[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Features (b, t, embedding) after each of `symbols` (b, t), and the states of the layers."""
        out, states = self.layers(self.drop(self.embed(symbols)), context, states)
        return self.features(self.drop(out)), states

    def logits(self, features: Tensor) -> Tensor:
        """(…, embedding) to (…, symbols)."""
        return linear(features, self.embed.weight, self.bias)

    def costs(self, symbols: Tensor, context: Tensor) -> Tensor:
        """−log p of each unit (b, t) in nats; 0 behind the end, and for unknown units."""
        before = torch.cat([torch.full_like(symbols[:, :1], END), symbols[:, :-1]], 1)
        features, _ = self.step(before, context)
        told = written(symbols) & (symbols != UNKNOWN)
        each = cross_entropy(self.logits(features[told]), symbols[told], reduction="none")
        each = each.float()
        return torch.zeros_like(symbols, dtype=each.dtype).masked_scatter(told, each)

    def write(
        self,
        context: Tensor,
        uniforms: Tensor,
        temperature: float = 1.0,
        bounds: tuple[int, int] | None = None,
        forced: Tensor | None = None,
        watched: int = -1,
    ) -> tuple[Tensor, Tensor]:
        """Texts (b, t) by one uniform per unit, (b, t), and how likely `watched` was at each place.

        `bounds` are the fewest and the most units; `forced` (b, t) are symbols that stand at places,
        −1 where any may.
        """
        rows, places = uniforms.shape
        least, most = bounds or (1, places)
        states: list[Tensor] | None = None
        last = torch.full((rows, 1), END, device=context.device)
        done = torch.zeros(rows, dtype=torch.bool, device=context.device)
        made, chances = [], []
        pending = _pending(forced, rows, places, context.device)
        for t in range(places):
            features, states = self.step(last, context, states)
            logits = self.logits(features[:, 0]).float() / temperature
            logits[:, UNKNOWN] = NEVER
            early = pending[:, t] if t >= least else torch.ones_like(done)
            logits[:, END] = torch.where(early, NEVER, logits[:, END])
            chance = logits.softmax(1)
            if watched >= 0:
                chances.append(chance[:, watched])
            drawn = torch.searchsorted(chance.cumsum(1), uniforms[:, t : t + 1].contiguous())[:, 0]
            drawn = drawn.clamp(max=chance.shape[1] - 1)
            if t >= most:
                drawn = torch.full_like(drawn, END)
            if forced is not None:
                drawn = torch.where(forced[:, t] >= 0, forced[:, t], drawn)
            done = done | (drawn == END)
            drawn = torch.where(done, END, drawn)
            made.append(drawn)
            last = drawn[:, None]
            if bool(done.all()) and watched < 0:
                break
        found = torch.stack(made, 1)
        padded = torch.nn.functional.pad(found, (0, places - found.shape[1]), value=END)
        return padded, torch.stack(chances, 1) if chances else context.new_zeros(rows, 0)


def _pending(forced: Tensor | None, rows: int, places: int, device: torch.device) -> Tensor:
    """(b, t) whether something is forced at that place or later, so that the text must not end."""
    if forced is None:
        return torch.zeros(rows, places, dtype=torch.bool, device=device)
    return (forced >= 0).flip(1).cumsum(1).flip(1) > 0


def written(symbols: Tensor) -> Tensor:
    """Which places (b, t) belong to a text: its units and its first END."""
    ended = (symbols == END).cumsum(1)
    return (ended == 0) | ((ended == 1) & (symbols == END))


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

    def shown(self, examples: Tensor, condition: Tensor | None) -> Tensor:
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


def containing(
    writer: Writer, context: Tensor, uniforms: Tensor, temperature: float, allowed: Tensor
) -> Tensor:
    """Texts of so many units that contain given sequences, without rejection (`where.Wanted.share`).

    For each sequence a text is drawn freely, and the sequence put where its first unit was likely:
    place t with a chance in proportion to p(unit | text before t). What follows is then drawn anew.
    """
    rows, places = uniforms.shape
    least, most = (int(x) for x in allowed[0, :2])
    forced = torch.full((rows, places), -1, device=context.device)
    bounds, everyone = (max(least, 1), most), torch.arange(rows, device=context.device)
    sequences = [[int(x) for x in row if x >= 0] for row in allowed[1:]]
    crowded = torch.zeros(rows, dtype=torch.bool, device=context.device)
    for i, sequence in enumerate(sequences):
        text, chance = writer.write(
            context, uniforms, temperature, bounds, forced, watched=sequence[0]
        )
        share = torch.where(_free(forced, len(sequence), most), chance + 1e-12, 0.0)
        # Within the text that was drawn, where that is possible.
        reached = torch.arange(places, device=context.device) <= (text != END).sum(1, keepdim=True)
        near = share * reached
        ends = torch.where(near.sum(1, keepdim=True) > 0, near, share).cumsum(1)
        crowded |= ends[:, -1] == 0
        at = uniforms[:, i % places : i % places + 1] * ends[:, -1:]
        place = torch.searchsorted(ends, at.contiguous())[:, 0].clamp(max=most - len(sequence))
        for k, symbol in enumerate(sequence):
            forced[everyone, place + k] = symbol
    if bool(crowded.any()):  # what was placed before left no room: one after the other
        packed = torch.tensor(sum(sequences, []), device=context.device)
        forced[crowded] = torch.nn.functional.pad(packed, (0, places - len(packed)), value=-1)
    return writer.write(context, uniforms, temperature, bounds, forced)[0]


def _free(forced: Tensor, length: int, most: int) -> Tensor:
    """(b, t) whether `length` units from there are free and within `most`."""
    taken = (forced >= 0).float()
    taken[:, most:] = 1
    padded = torch.nn.functional.pad(taken, (0, length - 1), value=1.0)
    return padded.unfold(1, length, 1).sum(2) == 0


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
