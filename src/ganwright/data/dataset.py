"""A data set as training sees it: rows in the stored form, labels, and which are held out."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ganwright.base.spec import Spec
from ganwright.data.options import DataOptions
from ganwright.data.split import halves

if TYPE_CHECKING:
    import torch


SHOWN = 32  # examples in a notebook


@dataclass(frozen=True)
class Skipped:
    """An example that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """Examples of one kind, decoded and mapped from disk; `open_data` makes it.

    `rows` (n, …) are read-only and on disk, as the modality stores them: indexed by an array of numbers
    they give an array. `codec` is the modality's. `labels` (n,) int64 are numbers into
    ``spec.classes``, or None; `identities` (n,) int64 are numbers of whom or what examples are of,
    where that is told.
    `train`, `heldout` and `dropped` are int64 indices; together they are all of them. `hashes` (n,)
    uint64 are of the content. `options` are resolved:
    opening with them gives the same data again. `notes` are the rules that were applied.
    """

    name: str
    kind: str
    source: str
    spec: Spec
    codec: Any
    fingerprint: str
    rows: Any
    labels: np.ndarray | None
    train: np.ndarray
    heldout: np.ndarray
    dropped: np.ndarray
    hashes: np.ndarray
    skipped: tuple[Skipped, ...]
    ignored: Mapping[str, int]
    options: DataOptions
    notes: tuple[str, ...]
    name_of: Callable[[int], str]
    identities: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        """Example `index` as stored; a copy."""
        return np.array(self.rows[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.rows.shape[1:])
        return (
            f"Dataset({self.name!r}, {len(self):,} of {shape} {self.codec.dtype}, "
            f"{len(self.spec.classes)} classes, {len(self.heldout):,} held out)"
        )

    def _repr_html_(self) -> str:
        """Some examples for a notebook."""
        head = f"<p><code>{html.escape(repr(self))}</code></p>"
        some = self.examples(np.arange(min(len(self), SHOWN)))
        return head + self.codec.html(self.codec.join([some]))

    def examples(self, indices: np.ndarray) -> Any:
        """The examples at `indices` in the form that samples have: as stored, unless it is another."""
        return np.asarray(self.rows[indices])

    def batch(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The rows at `indices` (b,) as stored (b, …), and their labels (b,) int64 or None."""
        import torch

        picked = torch.from_numpy(self.rows[np.asarray(indices)])
        if self.labels is None:
            return picked, None
        return picked, torch.from_numpy(self.labels[np.asarray(indices)])

    @cached_property
    def heldout_halves(self) -> tuple[np.ndarray, np.ndarray]:
        """The held-out indices in two halves: for model selection and for the final score."""
        return halves(self.hashes, self.heldout)
