"""Nets for counts: from a latent to the rates of all words, and counts drawn from them.

A row has a total T, drawn with the frequencies of the data, and T words. Given T, the latent z determines
the probability of each word, p(z, T), and how words of one row repeat, in two ways: with probability
t / (a + t) the word after t others repeats one of them, each equally likely, as in Pólya's urn (Madsen et
al. 2005, "Modeling word burstiness"); else it is drawn from p, where a word already drawn only counts for a
share d of itself: one "a" makes another less likely. So counts are whole, sum to T, and are zero where
nothing was drawn. The discriminator sees such a draw; its gradient goes straight through to T·p.

Besides the game there is a natural likelihood: an encoder infers the latent of a real row, and the row's
−log p is bounded by its negative evidence lower bound (Kingma and Welling 2014; for words Miao et al.
2016). The encoder is only used to train the generator.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, leaky_relu, linear, log_softmax, silu

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.counts.spec import CountsSpec
from ganwright.nets.layers import (
    LEAK,
    Discriminator,
    Dropout,
    Generator,
    Head,
    Made,
    ResidualBlock,
)

BLOCK = 128  # rows sampled together
NEVER = -1e4  # logit of a word that no training row has
LEAST, MOST, FIRST = 1.0, 1e5, 1e3  # concentration: bounds, and where training starts
AGAIN, QUICK = (
    0.2,
    10.0,
)  # d starts as σ(QUICK·AGAIN), and is learned faster than the rest by that factor
SPARE = 16  # words drawn beyond twice the number wanted
DRAWN_MOST = 4096  # words of a row that are drawn individually in training
TIGHT = 8.0  # bound of the logarithm of the guessed latents' variance


@options
class CountsGeneratorOptions:
    """Latent and total → residual blocks → rank → one logit a word; and the encoder of real rows."""

    kind: Literal["counts"] = "counts"
    width: int = Field(default=256, ge=8, le=4096, description="of the hidden layers")
    blocks: int = Field(default=1, ge=0, le=16, description="residual blocks of two layers each")
    rank: int = Field(
        default=64, ge=2, le=4096, description="of the matrix from features to the words' logits"
    )
    hidden: float = Field(
        default=0.0, ge=0, le=0.9, description="share of a real row's words hidden from the encoder"
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return CountsGenerator(self, of_counts(spec), latent)


@options
class CountsDiscriminatorOptions:
    """Logarithms of counts → layers → one logit."""

    kind: Literal["counts"] = "counts"
    width: int = Field(default=256, ge=8, le=4096, description="of the hidden layers")
    layers: int = Field(default=2, ge=1, le=16, description="hidden layers")
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return CountsDiscriminator(self, of_counts(spec))


class Filled(NamedTuple):
    """The counts of some rows that are not zero: of which row, of which word, how many; (m,) each."""

    row: Tensor
    word: Tensor
    times: Tensor

    @classmethod
    def of(cls, counts: Tensor) -> Filled:
        """From counts (b, words)."""
        row, word = counts.nonzero(as_tuple=True)
        return cls(row, word, counts[row, word].to(torch.float32))


class Rates(NamedTuple):
    """The generator's output for rows: log p (b, words), the concentration a (b, 1), and d (words,)."""

    logarithms: Tensor
    concentration: Tensor
    again: Tensor


def of_counts(spec: Spec) -> CountsSpec:
    """The same spec. Raises OptionError for one of other examples."""
    if not isinstance(spec, CountsSpec) or not spec.totals or not spec.shares:
        raise OptionError(f"counts nets: need rows of counts, got {spec.things}")
    return spec


def typical(spec: CountsSpec) -> float:
    """About how many words of a row are not zero."""
    return float(np.clip(np.median(spec.totals), 1, spec.size))


class CountsGenerator(Generator):
    """Rows of counts, given their total or not."""

    block = BLOCK
    gives_likelihood = True
    uniforms = 1  # the place of a row's total among the totals of the data
    totals: Tensor
    never: Tensor

    def __init__(self, o: CountsGeneratorOptions, spec: CountsSpec, latent: int) -> None:
        super().__init__()
        self.options, self.words, self.high = o, spec.size, spec.high
        totals, shares = np.array(spec.totals, np.float32), np.array(spec.shares)
        lengths = np.log1p(totals)
        self.middle, self.spread = float(lengths.mean()), float(lengths.std()) + 0.1
        self.few = len(np.unique(totals)) <= len(totals) // 4
        never = np.where(shares > 0, 0.0, NEVER).astype(np.float32)
        self.register_buffer("totals", torch.from_numpy(totals), persistent=False)
        self.register_buffer("never", torch.from_numpy(never), persistent=False)
        self.input = nn.Linear(latent + 1, o.width)
        self.blocks = nn.ModuleList(ResidualBlock(o.width, 0.0) for _ in range(o.blocks))
        self.norm = nn.LayerNorm(o.width)
        self.features = nn.Linear(o.width, o.rank)
        self.logits = nn.Parameter(torch.empty(self.words, o.rank))
        # Starts from the data's shares, so that only the words' dependence is left to learn.
        known = np.log(np.maximum(shares, 1e-9)).astype(np.float32)
        self.bias = nn.Parameter(torch.from_numpy(known))
        self.concentration = nn.Linear(o.width, 1)
        self.again = nn.Parameter(torch.full((self.words,), AGAIN))
        self.seen = nn.Parameter(torch.empty(self.words, o.width))
        self.guess = nn.ModuleList([ResidualBlock(o.width, 0.0), nn.LayerNorm(o.width)])
        self.latent = nn.Linear(o.width, 2 * latent)
        if not self.logits.is_meta:
            nn.init.normal_(self.logits, 0, 0.3 / math.sqrt(o.rank))
            nn.init.normal_(self.seen, 0, 1 / math.sqrt(typical(spec)))
            nn.init.normal_(self.latent.weight, 0, 0.1 / math.sqrt(o.width))
            nn.init.zeros_(self.latent.bias)
            nn.init.zeros_(self.concentration.weight)
            nn.init.constant_(self.concentration.bias, math.log(FIRST))

    def condition(self, stored: Tensor, labels: Tensor | None) -> Tensor:
        """The rows themselves: fakes use their totals, and the encoder is trained on them."""
        return stored

    def start(self, count: int, labels: Tensor | None) -> Tensor:
        """Nothing known: (count, 1)."""
        return torch.full((count, 1), -1, device=self.bias.device)

    def forward(self, z: Tensor, condition: Tensor) -> Made:
        """z (b, latent), condition (b, words) rows or (b, 1) nothing: fakes (b, words) as encoded."""
        with torch.autocast(z.device.type, enabled=False):  # probabilities need their digits
            known = condition.shape[1] == self.words
            if known:
                totals = condition.sum(1, keepdim=True).to(torch.float32)
            else:
                totals = self.total(torch.rand(len(z), 1, device=z.device))
            rates = self.rates(z, totals)
            means = rates.logarithms.exp() * totals
            with torch.no_grad():
                counts = draw(means, rates, totals)
            made = torch.log1p(counts + means - means.detach()) / math.log1p(self.high)
            return Made(made, self.negative_log_likelihood(z, condition) if known else None)

    def total(self, place: Tensor) -> Tensor:
        """The total at a place in (0, 1) among those of the data, (b, 1).

        Between two quantiles, where the data has many different totals; else one of them.
        """
        if self.few:
            return self.totals[(place * len(self.totals)).long().clamp(max=len(self.totals) - 1)]
        at = place.clamp(0, 1 - 1e-7) * len(self.totals) - 0.5
        low = at.floor().clamp(0, len(self.totals) - 1).long()
        high = (low + 1).clamp(max=len(self.totals) - 1)
        return torch.lerp(self.totals[low], self.totals[high], (at - low).clamp(0, 1)).round()

    def rates(self, z: Tensor, totals: Tensor) -> Rates:
        """The rates of rows with these totals (b, 1) and latents (b, latent)."""
        length = (torch.log1p(totals) - self.middle) / self.spread
        h = self.input(torch.cat([z, length], 1))
        for block in self.blocks:
            h = block(h)
        h = silu(self.norm(h))
        logits = linear(self.features(h), self.logits, self.bias + self.never)
        concentration = self.concentration(h).clamp(math.log(LEAST), math.log(MOST)).exp()
        return Rates(log_softmax(logits, 1), concentration, (QUICK * self.again).sigmoid())

    def encode(self, filled: Filled, rows: int) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (rows, latent) each, of the latents that may have made rows."""
        x = torch.log1p(filled.times)
        if self.training and self.options.hidden:
            x = x * (torch.rand_like(x) >= self.options.hidden)
        # Few are nonzero: a sum of vectors is faster than a matrix product.
        starts = torch.searchsorted(filled.row, torch.arange(rows, device=x.device))
        h = embedding_bag(filled.word, self.seen, starts, mode="sum", per_sample_weights=x)
        for layer in self.guess:
            h = layer(h)
        mean, variance = self.latent(silu(h)).chunk(2, 1)
        return mean, variance.clamp(-TIGHT, TIGHT)

    def negative_log_likelihood(self, z: Tensor, condition: Tensor) -> Tensor:
        """The negative evidence lower bound of rows, (b,), in nats; a word has 1 of the mean row.

        `z` is not used: the latents are drawn from the encoder's guess.
        """
        with torch.autocast(z.device.type, enabled=False):
            filled = Filled.of(condition)
            totals = condition.sum(1, keepdim=True).to(torch.float32)
            mean, variance = self.encode(filled, len(condition))
            guess = mean + torch.randn_like(mean) * (variance / 2).exp()
            divergence = 0.5 * (mean.square() + variance.exp() - 1 - variance).sum(1)
            cost = negative_log_likelihood(self.rates(guess, totals), filled, totals) + divergence
            return cost / totals.mean().clamp(min=1)

    def sample(
        self, z: Tensor, condition: Tensor | None, uniforms: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """(b, 2 + 2·words): the total of each row, its a, its words' p, and their d."""
        with torch.autocast(z.device.type, enabled=False):
            totals = self.total(uniforms)
            rates = self.rates(z, totals)
            again = rates.again.expand(len(z), -1)
            return torch.cat([totals, rates.concentration, rates.logarithms.exp(), again], 1)


def negative_log_likelihood(rates: Rates, filled: Filled, totals: Tensor) -> Tensor:
    """−log probability of rows of totals (b, 1), word by word in random order: (b,), in nats."""
    row, word, place, before = ordered(filled, rates.logarithms.shape[1])
    share = rates.logarithms[row, word].exp()
    less = share * (1 - rates.again[word])  # what a word loses when it is there
    a, first = rates.concentration[row, 0], (before == 0).to(share.dtype)
    lost = less * first
    whole = (lost.cumsum(0) - lost).double() if lost.device.type != "mps" else lost.cumsum(0) - lost
    starts = torch.searchsorted(row, torch.arange(len(totals), device=row.device))
    since = whole[starts.clamp(max=len(whole) - 1)][row] if len(row) else whole
    base = (1 - (whole - since).to(share.dtype)).clamp(min=1e-6)
    chance = (a * torch.where(before > 0, share - less, share) / base + before) / (a + place)
    cost = -(chance + 1e-30).log()
    return torch.zeros_like(totals[:, 0]).index_add(0, row, cost)


def ordered(filled: Filled, words: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every single word of all rows, those of one row in random order.

    (m,) each: its row, which it is, its place in the row, and how often the row had it before.
    """
    times = filled.times.long()
    row = filled.row.repeat_interleave(times)
    word = filled.word.repeat_interleave(times)
    shuffled = torch.argsort(row + torch.rand(len(row), device=row.device, dtype=torch.float64))
    row, word = row[shuffled], word[shuffled]
    everywhere = torch.arange(len(row), device=row.device)
    place = everywhere - torch.searchsorted(row, row)
    group = row * words + word
    sorted_group, order = torch.sort(group, stable=True)
    before = torch.empty_like(place)
    before[order] = everywhere - torch.searchsorted(sorted_group, sorted_group)
    return row, word, place, before


def draw(means: Tensor, rates: Rates, totals: Tensor) -> Tensor:
    """Counts (b, words) of T·p `means` (b, words), whose rows sum to `totals` (b, 1).

    Rows of more than 4096 words are drawn from gamma and Poisson distributions, without regard to d,
    and sum to their totals but on average.
    """
    longest, a = int(totals.max()), rates.concentration
    if longest > DRAWN_MOST:
        weights = torch._standard_gamma(means / totals.clamp(min=1) * a + 1e-30)
        return torch.poisson(weights / weights.sum(1, keepdim=True).clamp(min=1e-30) * totals)
    counts = torch.zeros_like(means)
    if longest == 0:
        return counts
    words = fresh(means.cumsum(1), rates.again, longest)
    place = torch.arange(longest, device=means.device).expand(len(means), -1)
    repeats = torch.rand(words.shape, device=means.device) * (a + place) < place
    earlier = (torch.rand(words.shape, device=means.device) * place).long()
    origin = torch.where(repeats, earlier, place)
    for _ in range(longest.bit_length()):
        origin = origin.gather(1, origin)
    return counts.scatter_add_(1, words.gather(1, origin), (place < totals).to(means.dtype))


def fresh(ends: Tensor, again: Tensor, longest: int) -> Tensor:
    """Words (b, longest) from shares whose sums from the left are `ends` (b, words).

    A word that was drawn before is accepted with probability d, else skipped. More than twice as many
    are drawn; the first accepted ones are used and, where those are too few, the last skipped ones.
    """
    chance = torch.rand(len(ends), 2 * longest + SPARE, device=ends.device)
    words = torch.searchsorted(ends, chance * ends[:, -1:]).clamp(max=ends.shape[1] - 1)
    sorted_words, order = torch.sort(words, stable=True)
    new = torch.ones_like(words, dtype=torch.bool)
    new[:, 1:] = sorted_words[:, 1:] != sorted_words[:, :-1]
    first = torch.empty_like(new).scatter_(1, order, new)
    taken = first | (torch.rand_like(chance) < again[words])
    return words.gather(1, torch.argsort(~taken, dim=1, stable=True)[:, :longest])


class CountsDiscriminator(Discriminator):
    """How real a row of counts looks."""

    def __init__(self, o: CountsDiscriminatorOptions, spec: CountsSpec) -> None:
        super().__init__()
        self.mixes_examples = False
        self.words = nn.Linear(spec.size, o.width)
        self.layers = nn.ModuleList(nn.Linear(o.width, o.width) for _ in range(o.layers - 1))
        self.drop = Dropout(o.dropout)
        self.head = Head(o.width, 0)
        if not self.words.weight.is_meta:
            # Few of the inputs are not zero, and those are about log 2 / log(1 + high).
            value = math.log(2) / math.log1p(spec.high)
            nn.init.normal_(self.words.weight, 0, 1 / (value * math.sqrt(typical(spec))))
            nn.init.zeros_(self.words.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(b, words) to logits (b,)."""
        h = self.words(x)
        for layer in self.layers:
            h = layer(self.drop(leaky_relu(h, LEAK)))
        logits: Tensor = self.head(leaky_relu(h, LEAK), None)
        return logits


GENERATORS = (CountsGeneratorOptions,)
DISCRIMINATORS = (CountsDiscriminatorOptions,)
