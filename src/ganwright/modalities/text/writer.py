"""Recurrent nets for sequences of symbols, and how they write texts: freely, or under conditions."""

from __future__ import annotations

from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad, silu

from ganwright.nets.layers import Dropout, embedding_of

END, UNKNOWN = 0, 1  # symbols, as the codec has them
NEVER = -1e9  # logit of what must not come


class WriterOptions(Protocol):
    """The options of a `Writer`."""

    @property
    def embedding(self) -> int: ...

    @property
    def layers(self) -> int: ...

    @property
    def dropout(self) -> float: ...


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

    def __init__(self, symbols: int, o: WriterOptions, width: int, given: int) -> None:
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
        padded = pad(found, (0, places - found.shape[1]), value=END)
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
        packed = torch.tensor([*chain.from_iterable(sequences)], device=context.device)
        forced[crowded] = pad(packed, (0, places - len(packed)), value=-1)
    return writer.write(context, uniforms, temperature, bounds, forced)[0]


def _free(forced: Tensor, length: int, most: int) -> Tensor:
    """(b, t) whether `length` units from there are free and within `most`."""
    taken = (forced >= 0).float()
    taken[:, most:] = 1
    padded = pad(taken, (0, length - 1), value=1.0)
    return padded.unfold(1, length, 1).sum(2) == 0
