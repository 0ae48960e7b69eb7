"""Counts ↔ what the nets see: the logarithm of every count, and the frequency of each word."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganwright.base.errors import DataError, ModelError, WorkError
from ganwright.base.packed import pack, unpack
from ganwright.data.codec import Codec
from ganwright.modalities.counts.options import MOST_WORDS
from ganwright.modalities.counts.sparse import LARGEST, Counts, digests, joined
from ganwright.modalities.counts.spec import CountsSpec

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch


TOTALS = 1024  # quantiles of the sums of rows that are kept
DRAWN_MOST = 4096  # words of a row that are drawn individually
_TRIES = 50
_SHOWN, _TOP = 20, 12  # rows, and words of each, that are printed


@dataclass(frozen=True, kw_only=True, eq=False)
class CountsCodec(Codec):
    """Rows of counts (b, words) ↔ log(1 + count) in [0, 1].

    `words` name the columns, or are () where nothing does. `counts` (words,) says how often each
    occurs in training, `totals` are quantiles of the sums of training rows, sorted, and `high` is
    the largest count. `dtype` is what the numbers came as, `frame` whether they came as a table:
    samples go back in the same form.
    """

    words: tuple[str, ...]
    counts: np.ndarray
    totals: np.ndarray
    high: int
    dtype: str = "int64"
    frame: bool = False

    kind = "counts"
    spec_type = CountsSpec
    formats = ("npz", "csv")
    default_suffix = ".npz"
    snapshot_suffix = ".txt"
    scored_by = ("counts", "counts")

    @classmethod
    def fit(
        cls, training: sp.csr_matrix, words: Sequence[str], *, dtype: str, frame: bool
    ) -> CountsCodec:
        """The codec of training rows. Raises DataError when they are all zero."""
        counts = np.asarray(training.sum(axis=0)).reshape(-1).astype(np.int64)
        if not counts.any():
            raise DataError("the training rows contain only zeros")
        sums = np.sort(np.asarray(training.sum(axis=1)).reshape(-1)).astype(np.int64)
        places = (np.arange(TOTALS) + 0.5) / TOTALS
        return cls(
            words=tuple(words),
            counts=counts,
            totals=sums[(places * len(sums)).astype(np.int64)],
            high=int(training.data.max()),
            dtype=dtype,
            frame=frame,
        )

    @property
    def width(self) -> int:
        """How many words."""
        return len(self.counts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the nets see."""
        return (self.width,)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns; their numbers where they have none."""
        return self.words or tuple(map(str, range(self.width)))

    def spec(self) -> CountsSpec:
        """What the nets see of a row."""
        shares = self.counts / self.counts.sum()
        return CountsSpec(
            axes=("word",),
            shape=self.shape,
            shares=tuple(float(f"{share:.6g}") for share in shares),
            totals=tuple(self.totals.tolist()),
            high=self.high,
        )

    def __repr__(self) -> str:
        return f"CountsCodec({self.width:,} words, counts up to {self.high:,})"

    def stored(self, examples: Counts) -> np.ndarray:
        """Rows as training takes them from a data set: dense, (n, words) int32."""
        return examples.dense()

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """Counts (b, words) → log(1 + count) / log(1 + largest count), float32."""
        import torch

        return torch.log1p(stored.to(torch.float32)) / math.log1p(self.high)

    def decode(
        self, x: torch.Tensor, places: np.ndarray, allowed: object = None, *, start: int = 0
    ) -> Counts:
        """Draws counts from the generator's output.

        `x` (b, 2 + 2·words) are for each row its total T, its concentration a, and of each word its
        share p and the factor d when it is there already (`counts.nets`). `places` (b, 2) in (0, 1)
        decide the draw: a row is a function of its own uniforms alone. Raises WorkError when `x` holds NaN.
        """
        import scipy.sparse as sp

        given = x.detach().cpu().numpy().astype(np.float64)
        if not np.isfinite(given).all():
            raise WorkError("the samples hold NaN: the model is damaged or its training diverged")
        most = min(LARGEST, _most(self.dtype))
        rows = [self._row(row, place) for row, place in zip(given, places, strict=True)]
        ends = np.cumsum([0, *(len(at) for at, _ in rows)])
        at, counts = (np.concatenate(part) for part in zip(*rows, strict=True))
        counts = np.minimum(counts, most)
        return Counts(sp.csr_matrix((counts, at, ends), shape=(len(rows), self.width)))

    def _row(self, row: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places, counts) of a row, drawn by a generator of its own."""
        total, concentration = int(row[0]), row[1]
        shares, again = np.maximum(row[2 : 2 + self.width], 0), row[2 + self.width :]
        draw = np.random.Generator(np.random.Philox(key=(places * 2.0**52).astype(np.uint64)))
        if total > DRAWN_MOST:
            heavy = draw.standard_gamma(shares / shares.sum() * concentration)
            found = heavy if heavy.sum() > 0 else shares
            counts = draw.multinomial(total, found / found.sum())
            at = np.flatnonzero(counts)
            return at, counts[at]
        words = _fresh(draw, np.cumsum(shares), again, total)
        place = np.arange(total)
        repeats = draw.random(total) * (concentration + place) < place
        origin = np.where(repeats, (draw.random(total) * place).astype(np.int64), place)
        for _ in range(total.bit_length()):
            origin = origin[origin]
        return np.unique(words[origin], return_counts=True)

    def digests(self, examples: Counts) -> np.ndarray:
        """A hash of each row's content, (n, 8) uint8."""
        return digests(examples.matrix)

    # --- the user's edge -----------------------------------------------------------------------

    @property
    def uniforms(self) -> int:
        """Uniforms that a row's draw starts from."""
        return 2

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        return f"rows of {self.width:,} counts"

    def html(self, samples: Any) -> str:
        """The most frequent words of the first samples, in a notebook."""
        import scipy.sparse as sp

        text = self.preview(Counts(sp.csr_matrix(samples)))
        return f"<pre>{html.escape(text)}</pre>"

    def join(self, blocks: Iterable[Counts]) -> Any:
        """Blocks of rows as the user's own: a scipy CSR matrix, or a DataFrame."""
        matrix = joined(blocks, self.width).matrix.astype(self.dtype)
        if not self.frame:
            return matrix
        import pandas as pd

        return pd.DataFrame(matrix.toarray(), columns=list(self.names))

    def preview(self, examples: Counts) -> str:
        """Rows as readable text: the most frequent words of each."""
        lines = []
        for row in range(min(len(examples), _SHOWN)):
            one = examples.matrix[row]
            order = np.argsort(-one.data, kind="stable")
            told = [
                self.names[one.indices[i]] + (f"×{one.data[i]}" if one.data[i] > 1 else "")
                for i in order[:_TOP]
            ]
            more = f" and {len(order) - _TOP:,} more" if len(order) > _TOP else ""
            lines.append(f"{int(one.sum()):>6,}: {' '.join(told)}{more}")
        return "\n".join(lines)

    def save_snapshot(self, path: Path, samples: Counts, columns: int) -> None:
        """Writes rows as readable text."""
        path.write_text(self.preview(samples) + "\n", encoding="utf-8")

    # --- saving --------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "words": list(self.words),
            "counts": pack(self.counts),
            "totals": pack(self.totals),
            "high": self.high,
            "dtype": self.dtype,
            "frame": self.frame,
        }

    @classmethod
    def from_json(cls, tree: Any) -> CountsCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            codec = cls(
                words=tuple(str(word) for word in tree["words"]),
                counts=unpack(tree["counts"], "counts", whole=True),
                totals=unpack(tree["totals"], "totals", whole=True),
                high=int(tree["high"]),
                dtype=str(tree["dtype"]),
                frame=bool(tree["frame"]),
            )
            numeric = np.dtype(codec.dtype).kind in "iufb"
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"model.json: 'codec' is not readable ({error!r:.200})") from None
        sized = 2 <= codec.width <= MOST_WORDS and len(codec.words) in (0, codec.width)
        counted = (codec.counts >= 0).all() and codec.counts.any() and len(codec.totals) == TOTALS
        sums = (codec.totals >= 0).all() and (codec.totals <= LARGEST).all()
        if not (sized and numeric and counted and sums and 1 <= codec.high <= LARGEST):
            raise ModelError(f"model.json: impossible codec of {codec.width:,} words")
        return codec


def _fresh(
    draw: np.random.Generator, ends: np.ndarray, again: np.ndarray, count: int
) -> np.ndarray:
    """`count` words of shares whose sums from the left are `ends`; one that was drawn before is
    taken with chance `again`, else passed over."""
    words = np.empty(0, np.int64)
    for _ in range(_TRIES):
        more = np.searchsorted(ends, draw.random(count + 8) * ends[-1]).clip(max=len(ends) - 1)
        both = np.concatenate([words, more])
        new = np.zeros(len(both), bool)
        new[np.unique(both, return_index=True)[1]] = True
        taken = new | (draw.random(len(both)) < again[both])
        taken[: len(words)] = True
        words = both[taken]
        if len(words) >= count:
            break
    left = max(0, count - len(words))  # rare: words that were drawn before
    return np.concatenate([words, more[:left]])[:count]


def _most(dtype: str) -> int:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return 1
    return int(np.iinfo(kind).max) if kind.kind in "iu" else LARGEST


CODEC = CountsCodec
