"""Nets for rows of choices: a generator that fills in what is hidden, given any of the rest.

The generator takes a row of which some cells are known and gives each hidden field a distribution over
its codes. With all cells hidden it generates rows from scratch; with some it meets conditions, fills
missing cells, or scores how unusual a cell is. Drawing one field after the other, each from its
distribution given those drawn before, makes the row's joint distribution exact in the model: an
orderless autoregressive estimator (Uria et al. 2014, "A deep and tractable density estimator"), trained
here as one player.

A cell is an integer: its code, or negative where it is hidden (see `hidden`). The discriminator sees
which cells were made, as in GAIN (Yoon et al. 2018).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, leaky_relu, linear, silu

from ganwright.base.errors import OptionError
from ganwright.base.options import Field, options
from ganwright.base.spec import Spec
from ganwright.modalities.tables.hidden import HIDDEN, hide, is_hidden, revealed
from ganwright.modalities.tables.spec import TableSpec
from ganwright.nets.bfloat16 import to_bf16
from ganwright.nets.layers import (
    LEAK,
    Discriminator,
    Dropout,
    Generator,
    Head,
    Made,
    ResidualBlock,
)

ALL_HIDDEN = 0.1  # share of training rows of which nothing is known
OWN = 0.1  # initial scale, relative to the usual one, of the own vector of a code along an axis
BOUND = 30.0  # of logits: below, a probability is 0 in float32 anyway
BLOCK = 2048  # rows sampled together: about what stays in a processor's cache


@options
class TableGeneratorOptions:
    """Sum of a vector a cell → residual blocks → one logit a code."""

    kind: Literal["table"] = "table"
    width: int = Field(default=256, ge=8, le=4096, description="of the hidden layers")
    blocks: int = Field(default=0, ge=0, le=16, description="residual blocks of two layers each")
    hats: int = Field(
        default=5,
        ge=0,
        le=8,
        description="levels of axis features shared by codes with a position; 0: codes are mere symbols",
    )
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="temperature of the relaxed choices that the discriminator sees",
    )
    whole: bool = Field(
        default=False,
        description="generate rows at once from the latent alone, without looking at any cell",
    )

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return TableGenerator(self, of_table(spec), latent)


@options
class TableDiscriminatorOptions:
    """One-hots and what was hidden → widths → one logit for each pack of rows."""

    kind: Literal["table"] = "table"
    width: int = Field(default=256, ge=8, le=4096, description="of the hidden layers")
    layers: int = Field(default=2, ge=1, le=16, description="hidden layers")
    hats: int = Field(default=5, ge=0, le=8, description="as the generator's")
    pack: int = Field(
        default=1, ge=1, le=64, description="rows judged together (PacGAN); divides train.batch"
    )
    dropout: float = Field(default=0.0, ge=0, le=0.9, description="share of features dropped")

    def build(self, spec: Spec, latent: int) -> nn.Module:
        return TableDiscriminator(self, of_table(spec))


def of_table(spec: Spec) -> TableSpec:
    """The same spec. Raises OptionError for one of other examples."""
    if not isinstance(spec, TableSpec):
        raise OptionError(f"table nets: need rows of a table, got {spec.things}")
    return spec


class Fields(nn.Module):
    """Where the codes of each field lie in a one-hot, and sums over them."""

    offsets: Tensor
    owner: Tensor

    def __init__(self, spec: TableSpec) -> None:
        super().__init__()
        self.sizes = spec.choices
        starts = np.cumsum([0, *spec.choices])
        self.spans = [slice(int(a), int(b)) for a, b in pairwise(starts)]
        owner = np.repeat(np.arange(len(spec.choices)), spec.choices)
        self.register_buffer("offsets", torch.from_numpy(starts[:-1].copy()), persistent=False)
        self.register_buffer("owner", torch.from_numpy(owner), persistent=False)

    def totals(self, values: Tensor) -> Tensor:
        """Sums over each field: (b, ΣK) to (b, C)."""
        return values.new_zeros(len(values), len(self.sizes)).index_add(1, self.owner, values)

    def each(self, values: Tensor) -> Tensor:
        """A value a field to one a code: (b, C) to (b, ΣK)."""
        return values.index_select(1, self.owner)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax within each field: (b, ΣK) to (b, ΣK)."""
        weights = logits.clamp(-BOUND, BOUND).exp()
        return weights / self.each(self.totals(weights))

    def negative_log_likelihood(
        self, features: Tensor, head: Tensor, bias: Tensor, codes: Tensor
    ) -> Tensor:
        """−log p of the code of each cell, in nats: features (b, w) and codes (b, C) to (b, C)."""
        places = (codes + self.offsets).T.contiguous()
        found: Tensor = _NegativeLogLikelihood.apply(features, head, bias, places, self.owner)
        return found.T

    def relaxed(self, logits: Tensor, temperature: float) -> Tensor:
        """A draw from each field, (b, ΣK): one-hot, with the gradient of its relaxation.

        Gumbel-softmax, straight through (Jang et al. 2017; Maddison et al. 2017).
        """
        noise = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-9, 1 - 1e-7)))
        soft = self.probabilities((logits + noise) / temperature)
        with torch.no_grad():
            top = torch.zeros(len(soft), len(self.sizes), device=soft.device, dtype=soft.dtype)
            top = top.scatter_reduce(1, self.owner.expand(len(soft), -1), soft, "amax")
            hard = (soft == self.each(top)).to(soft.dtype)
        return hard + soft - soft.detach()


def hats(spec: TableSpec, halvings: int) -> tuple[Tensor, Tensor] | None:
    """How codes with a position lie along their axes: (which codes (m,), weights (m, f)).

    Every field with positions gets two axes, its values' and its training ranks', and on each a
    slope and triangular hats at 2, 4, … 2^halvings steps: neighbours share most of their features,
    so what is learned for one bin carries over to those next to it.
    """
    if halvings == 0 or not spec.positions:
        return None
    position, share = np.array(spec.positions), np.array(spec.shares)
    which, rows, start = [], [], 0
    for size in spec.choices:
        own = np.arange(start, start + size)
        own = own[position[own] >= 0]
        start += size
        if len(own) < 5:  # a few codes are learned just as well separately
            continue
        order = own[np.argsort(position[own], kind="stable")]
        rank = np.empty(len(position))
        rank[order] = (np.cumsum(share[order]) - share[order] / 2) / max(share[order].sum(), 1e-12)
        which.append(own)
        rows.append(np.concatenate([_hats(axis[own], halvings) for axis in (rank, position)], 1))
    if not rows:
        return None
    width = rows[0].shape[1]
    weights = np.zeros((len(rows), max(len(r) for r in rows), width), np.float32)
    for i, row in enumerate(rows):
        weights[i, : len(row)] = row
    longest = weights.shape[1]
    taken = np.concatenate([np.arange(len(r)) + i * longest for i, r in enumerate(rows)])
    codes = np.stack([np.concatenate(which), taken])
    return torch.from_numpy(codes), torch.from_numpy(weights)


def _hats(axis: np.ndarray, halvings: int) -> np.ndarray:
    features = [4 * axis[:, None] - 2]
    for level in range(1, halvings + 1):
        steps = 2**level
        centres = np.arange(steps + 1) / steps
        features.append(np.clip(1 - np.abs(axis[:, None] - centres) * steps, 0, None))
    return np.concatenate(features, 1)


class _NegativeLogLikelihood(torch.autograd.Function):
    """Cross entropy of all fields at once, from features: −log softmax within each field.

    Everything lies codes first, (ΣK, b), so that sums over a field add whole rows; the gradient is
    p − one-hot, without a pass for each operation. Products are in bfloat16 where the hardware
    computes in it: several times as fast, and the noise is far below that of a batch.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, head: Tensor, bias: Tensor, places: Tensor, owner: Tensor
    ) -> Tensor:
        """features (b, w), head (ΣK, w), bias (ΣK,), places of the truth (C, b) to (C, b)."""
        features, head = to_bf16(features), to_bf16(head)
        logits = (head @ features.T).float().add_(bias[:, None]).clamp_(-BOUND, BOUND)
        truth = logits.gather(0, places)
        weights = logits.exp_()
        totals = weights.new_zeros(len(places), weights.shape[1]).index_add_(0, owner, weights)
        ctx.save_for_backward(features, head, weights, totals, places, owner)
        return totals.log() - truth

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        features, head, weights, totals, places, owner = ctx.saved_tensors
        (gradient,) = gradients
        slope = weights * (gradient / totals).index_select(0, owner)
        slope.scatter_add_(0, places, -gradient)
        narrow = slope.to(features.dtype)
        return (narrow.T @ head).float(), (narrow @ features).float(), slope.sum(1), None, None


class _Sum(torch.autograd.Function):
    """Sums of rows of a table, as embedding_bag makes them, with a faster way back.

    The gradient of the table is one product with the one-hot of what was taken, instead of adding
    row after row.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, places: Tensor) -> Tensor:
        """table (m, w), places (b, C) to (b, w)."""
        ctx.save_for_backward(places)
        ctx.rows = len(table)
        return embedding_bag(places, table, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        gradient = to_bf16(gradients[0])
        taken = gradient.new_zeros(len(places), ctx.rows)
        taken.scatter_add_(1, places, taken.new_ones(()).expand(places.shape))
        return (taken.T @ gradient).float(), None


class Symbols(nn.Module):
    """One vector a code: its own, and for codes along an axis the sum of their hats'."""

    def __init__(
        self, spec: TableSpec, width: int, halvings: int, std: float, *, exact: bool = False
    ) -> None:
        super().__init__()
        self.exact = exact  # in float32, whatever is faster
        self.own = nn.Parameter(torch.empty(sum(spec.choices), width))
        found = hats(spec, halvings)
        self.shared = None
        if found is not None:
            codes, weights = found
            self.register_buffer("codes", codes, persistent=False)
            self.register_buffer("weights", weights, persistent=False)
            self.shared = nn.Parameter(torch.empty(len(weights), weights.shape[2], width))
        for parameter, scale in ((self.own, std), (self.shared, 0.4 * std)):
            if parameter is not None and not parameter.is_meta:
                nn.init.normal_(parameter, 0, scale)
        if self.shared is not None and not self.own.is_meta:
            with torch.no_grad():  # along an axis, only what is learned distinguishes neighbours
                self.own[self.codes[0]] *= OWN  # type: ignore[index]

    def forward(self, x: Tensor | None = None) -> Tensor:
        """All vectors: (ΣK, width); or their sums by the weights x (b, ΣK): (b, width)."""
        return self._vectors() if x is None else x @ self._vectors()

    def _vectors(self) -> Tensor:
        if self.shared is None:
            return self.own
        weights: Tensor = self.weights  # type: ignore[assignment]
        shared: Tensor = self.shared
        if not self.exact:
            weights, shared = to_bf16(weights), to_bf16(shared)
        along = torch.bmm(weights, shared).to(self.own.dtype)
        which, taken = self.codes  # type: ignore[misc]
        return self.own.index_add(0, which, along.flatten(0, 1).index_select(0, taken))

    def squared_row_norms(self, x: Tensor, back: Tensor) -> Tensor:
        """‖∇‖² (b,) of rows x (b, ΣK) in these parameters, for `back` (b, width) at their sums."""
        squares = x.square().sum(1)
        if self.shared is not None:
            which, taken = self.codes  # type: ignore[misc]
            fields, longest, _ = self.weights.shape  # type: ignore[misc]
            laid = x.new_zeros(len(x), fields * longest).index_copy(1, taken, x[:, which])
            laid = laid.view(len(x), fields, longest).transpose(0, 1)
            squares = squares + torch.bmm(laid, self.weights).square().sum((0, 2))  # type: ignore[arg-type]
        return squares * back.square().sum(1)


class TableGenerator(Generator):
    """Distributions of the hidden cells of a row, given the known ones."""

    marginal: Tensor
    block = BLOCK
    gives_likelihood = True

    def __init__(self, o: TableGeneratorOptions, spec: TableSpec, latent: int) -> None:
        super().__init__()
        self.options, self.fields, self.last = o, Fields(spec), spec.last
        self.fills = not o.whole
        count = len(spec.choices)
        self.uniforms = count  # uniforms that a row takes
        std = 1 / math.sqrt(count)
        self.cells = Symbols(spec, o.width, o.hats, std, exact=o.whole)
        self.hidden = nn.Parameter(torch.empty(count, o.width))
        self.latent = nn.Linear(latent, o.width)
        self.blocks = nn.ModuleList(ResidualBlock(o.width, o.dropout) for _ in range(o.blocks))
        self.norm = nn.LayerNorm(o.width) if o.blocks else nn.Identity()
        self.drop = Dropout(o.dropout)
        self.logits = Symbols(spec, o.width, o.hats, 0.3 / math.sqrt(o.width), exact=o.whole)
        # Starts from the data's shares, so that only the columns' dependence is left to learn.
        self.shares = spec.shares
        shares = np.array(spec.shares or [1 / k for k in spec.choices for _ in range(k)])
        marginal = torch.from_numpy(np.log(shares + 1e-5).astype(np.float32))
        self.register_buffer("marginal", marginal)
        self.shift = nn.Parameter(torch.empty_like(marginal))
        if not self.hidden.is_meta:
            nn.init.normal_(self.hidden, 0, std)
            nn.init.normal_(self.latent.weight, 0, (1.0 if o.whole else 0.1) / math.sqrt(latent))
            nn.init.zeros_(self.latent.bias)
            nn.init.zeros_(self.shift)

    @property
    def marginals(self) -> Tensor | None:
        """The data's own shares of each code, (ΣK,)."""
        return torch.tensor(self.shares, device=self.bias.device) if self.shares else None

    @property
    def bias(self) -> Tensor:
        """What is added to the logits (ΣK,), whatever is known."""
        return self.marginal + self.shift

    def condition(self, stored: Tensor, labels: Tensor | None) -> Tensor:
        """Hides some cells of each row: (b, C) codes to the same, hidden as `hide` does it.

        Any subset is as likely as its size allows: the share hidden is uniform, and one row in ten
        is hidden whole, as rows made from nothing are.
        """
        codes = stored.to(torch.int64)
        if self.options.whole:
            return hide(codes, torch.ones_like(codes, dtype=torch.bool))
        share = torch.rand(len(codes), 1, device=codes.device)
        whole = torch.rand(len(codes), 1, device=codes.device) < ALL_HIDDEN
        hidden = (torch.rand(codes.shape, device=codes.device) < share) | whole
        return hide(codes, hidden)

    def start(self, count: int, labels: Tensor | None) -> Tensor:
        """Nothing known: (count, C)."""
        return torch.full((count, self.uniforms), HIDDEN, device=self.bias.device)

    def forward(self, z: Tensor, condition: Tensor) -> Made:
        """z (b, latent), condition (b, C): rows (b, ΣK) whose hidden cells are drawn anew.

        `nll` (b,) is −log p of what was hidden, the mean over the row's hidden cells.
        """
        with torch.autocast(z.device.type, enabled=False):  # probabilities need their digits
            features, head = self._features(z, condition), self.logits()
            nll = self._nll(features, head, condition)
            logits = linear(features, head, self.bias)
        hidden = is_hidden(condition)
        places = revealed(condition) + self.fields.offsets
        real = torch.zeros_like(logits).scatter_(1, places, 1.0)
        made = self.fields.relaxed(logits, self.options.temperature)
        return Made(torch.where(self.fields.each(hidden), made, real), nll)

    def negative_log_likelihood(self, z: Tensor, condition: Tensor) -> Tensor:
        """`forward`'s second result, without sampling: (b,)."""
        with torch.autocast(z.device.type, enabled=False):
            return self._nll(self._features(z, condition), self.logits(), condition)

    def _nll(self, features: Tensor, head: Tensor, condition: Tensor) -> Tensor:
        hidden, codes = is_hidden(condition), revealed(condition)
        cost = self.fields.negative_log_likelihood(features, head, self.bias, codes) * hidden
        # Per hidden cell of the batch: rows with little hidden would outweigh the others otherwise.
        return cost.sum(1) * (len(cost) / hidden.sum().clamp(min=1))

    def predict(self, z: Tensor, known: Tensor) -> Tensor:
        """Logits of all codes, (b, ΣK), of rows (b, C) whose hidden cells are negative."""
        with torch.autocast(z.device.type, enabled=False):
            return linear(self._features(z, known), self.logits(), self.bias)

    def _features(self, z: Tensor, known: Tensor) -> Tensor:
        if self.options.whole:
            known = torch.full_like(known, HIDDEN)
        return self._trunk(self._sum(z, known))

    def _sum(self, z: Tensor, known: Tensor) -> Tensor:
        table = torch.cat([self.cells(), self.hidden])
        unknown = len(table) - len(self.hidden) + torch.arange(known.shape[1], device=known.device)
        places = torch.where(known >= 0, known + self.fields.offsets, unknown)
        summed: Tensor = _Sum.apply(table, places)
        return summed + self.latent(z)

    def _trunk(self, h: Tensor) -> Tensor:
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        features: Tensor = self.drop(silu(h) if self.options.whole else h.relu())
        return features

    def sample(
        self,
        z: Tensor,
        condition: Tensor | None,
        uniforms: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Rows (b, C) of codes: `condition` (b, C) with every hidden (negative) cell drawn.

        Field after field, each given those before it: first those that `allowed` restricts, then the
        others in an order that changes from block to block. `allowed` (ΣK,) is the share of each code
        that may be, in [0, 1]; `uniforms` (b, C) are uniforms that decide.
        """
        known = self.start(len(z), None) if condition is None else condition
        if self.options.whole:
            return self._sample_whole(z, known, uniforms, allowed)
        drawn = known.clone()
        cells, head, bias = self.cells(), to_bf16(self.logits()), self.bias
        h = self._sum(z, known)
        for c in self._order(uniforms, allowed):
            hidden = is_hidden(known[:, c])
            if not bool(hidden.any()):
                continue
            span = self.fields.spans[c]
            features = self._trunk(h if self.blocks else to_bf16(h))
            # Codes first: additions and comparisons along them then work on whole rows.
            logits = (head[span] @ to_bf16(features).T).float().add_(bias[span, None])
            code = draw(logits, uniforms[:, c], None if allowed is None else allowed[span])
            drawn[:, c] = torch.where(hidden, code, known[:, c])
            step = (cells[span] - self.hidden[c]).index_select(0, code)
            h.add_(step if bool(hidden.all()) else step * hidden[:, None])
        return drawn

    def _sample_whole(
        self, z: Tensor, known: Tensor, uniforms: Tensor, allowed: Tensor | None
    ) -> Tensor:
        """All hidden cells at once: given the latent, they are independent."""
        logits = self.predict(z, known).clamp(-BOUND, BOUND)
        codes = [
            draw(logits[:, span].T, uniforms[:, c], None if allowed is None else allowed[span])
            for c, span in enumerate(self.fields.spans)
        ]
        return torch.where(is_hidden(known), torch.stack(codes, 1), known)

    def _order(self, uniforms: Tensor, allowed: Tensor | None) -> list[int]:
        """All fields: those with a condition first, then by the block's own uniforms, `last` last."""
        turn = np.ones(len(self.fields.sizes), np.int64)
        if self.last >= 0:
            turn[self.last] = 2
        if allowed is not None:
            turn[[bool((allowed[span] < 1).any()) for span in self.fields.spans]] = 0
        order = np.lexsort((uniforms[0].cpu().numpy(), turn))
        return [int(c) for c in order]


def draw(logits: Tensor, chance: Tensor, allowed: Tensor | None = None) -> Tensor:
    """A code from each column of logits (K, b), by inverting its distribution at `chance` (b,).

    `allowed` (K,) scales the probabilities. Where nothing that is allowed has any, the last is taken.
    """
    weights = logits.clamp(-BOUND, BOUND).exp_()
    last = len(weights) - 1
    if allowed is not None:
        weights = weights * allowed.to(weights.dtype)[:, None]
        last = int(allowed.nonzero().max())
        ends = weights.T.cumsum(1).T  # sums sequentially, so that a forbidden code can't be hit
    else:
        ends = torch.ones(len(weights), len(weights), device=weights.device).tril_() @ weights
    return (ends <= chance * ends[-1]).sum(0).clamp_(max=last)


class TableDiscriminator(Discriminator):
    """How real a row looks, or a pack of rows, given which of its cells were made."""

    def __init__(self, o: TableDiscriminatorOptions, spec: TableSpec) -> None:
        super().__init__()
        self.mixes_examples = False
        self.pack = self.group = o.pack
        fields = Fields(spec)
        count = len(fields.sizes)
        # In full precision: privacy needs the exact norm of each row's gradient.
        self.cells = Symbols(spec, o.width, o.hats, 1 / math.sqrt(count), exact=True)
        self.hidden = nn.Linear(count, o.width)
        self.mix = nn.Linear(o.pack * o.width, o.width)
        self.layers = nn.ModuleList(nn.Linear(o.width, o.width) for _ in range(o.layers - 1))
        self.drop = Dropout(o.dropout)
        self.head = Head(o.width, 0)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(b, ΣK) and (b, C) to logits (b / pack,)."""
        hidden = is_hidden(condition).to(x.dtype)
        h = self.cells(x) + self.hidden(hidden)
        h = self.mix(leaky_relu(h, LEAK).reshape(len(h) // self.pack, -1))
        for layer in self.layers:
            h = layer(self.drop(leaky_relu(h, LEAK)))
        logits: Tensor = self.head(leaky_relu(h, LEAK), None)
        return logits


GENERATORS = (TableGeneratorOptions,)
DISCRIMINATORS = (TableDiscriminatorOptions,)
