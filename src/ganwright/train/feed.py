"""Where rounds on a GPU find their real examples: in its memory, or in that of the machine, read ahead.

Either way a round reads from tensors that stay where they are, and which examples come is a function
of `seen` (`train/batches.py`).
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ganwright.data import Dataset
from ganwright.train.batches import Order

SHARE = 0.25  # of a GPU's free memory, that the training examples may take
CHUNK = 4096  # examples moved there at once
DEPTH = 2  # rounds read ahead

Stored = tuple[Tensor, Tensor | None]  # examples as stored (n, …), and their labels (n,)


class Feed(Protocol):
    """The real examples of one round after the other."""

    def ready(self, start: int) -> None:
        """Before a round: its batches begin `start` examples into the order."""

    def batch(self, step: int) -> Stored:
        """In the round: the batch of its step."""


class Resident:
    """All examples are on the device and gathered there by index."""

    def __init__(self, rows: Stored, order: Order, batch: int, steps: int) -> None:
        self.rows, self.labels = rows
        self.order, self.shape = order, (steps, batch)
        self.indices = torch.zeros(self.shape, dtype=torch.int64, device=self.rows.device)

    def ready(self, start: int) -> None:
        steps, batch = self.shape
        found = torch.from_numpy(self.order.take(start, steps * batch)).view(self.shape)
        self.indices.copy_(pinned(found, self.indices.device), non_blocking=True)

    def batch(self, step: int) -> Stored:
        its = self.indices[step]
        labels = None if self.labels is None else self.labels.index_select(0, its)
        return self.rows.index_select(0, its), labels


class Ahead:
    """A thread reads the examples of the next rounds while the device plays this one."""

    def __init__(
        self, data: Dataset, order: Order, batch: int, steps: int, device: torch.device
    ) -> None:
        self.data, self.order, self.shape, self.device = data, order, (steps, batch), device
        rows, labels = data.batch(data.train[:1])
        self.rows = _room_for(rows, self.shape, device)
        self.labels = None if labels is None else _room_for(labels, self.shape, device)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="examples")
        self._coming: dict[int, Future[Stored]] = {}

    def ready(self, start: int) -> None:
        steps, batch = self.shape
        places = [start + i * steps * batch for i in range(1 + DEPTH)]
        self._coming = {
            place: self._coming.get(place) or self._reader.submit(self._read, place)
            for place in places
        }
        rows, labels = self._coming[start].result()
        self.rows.copy_(rows, non_blocking=True)
        if self.labels is not None and labels is not None:
            self.labels.copy_(labels, non_blocking=True)

    def _read(self, start: int) -> Stored:
        steps, batch = self.shape
        rows, labels = self.data.batch(self.data.train[self.order.take(start, steps * batch)])
        rows = pinned(rows.view(*self.shape, *rows.shape[1:]), self.device)
        return rows, None if labels is None else pinned(labels.view(self.shape), self.device)

    def batch(self, step: int) -> Stored:
        return self.rows[step], None if self.labels is None else self.labels[step]


def feed(data: Dataset, order: Order, batch: int, steps: int, device: torch.device) -> Feed:
    """The feed of rounds of `steps` batches: on the device where the training examples fit `room` there."""
    one, _ = data.batch(data.train[:1])
    if len(data.train) * one.nbytes <= room(device):
        return Resident(_on(data, device), order, batch, steps)
    return Ahead(data, order, batch, steps, device)


def room(device: torch.device) -> float:
    """How many bytes of examples a device should hold."""
    return SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")


_KEPT: WeakKeyDictionary[Dataset, dict[torch.device, Stored]] = WeakKeyDictionary()


def _on(data: Dataset, device: torch.device) -> Stored:
    """The training examples on a device; the same tensors for all trainers of a data set."""
    kept = _KEPT.setdefault(data, {})
    if device not in kept:
        count = len(data.train)
        row, label = data.batch(data.train[:1])
        rows = _room_for(row, (count,), device)
        labels = None if label is None else _room_for(label, (count,), device)
        for start in range(0, count, CHUNK):
            its_rows, its_labels = data.batch(data.train[start : start + CHUNK])
            rows[start : start + CHUNK] = its_rows.to(device)
            if labels is not None and its_labels is not None:
                labels[start : start + CHUNK] = its_labels.to(device)
        kept[device] = rows, labels
    return kept[device]


def _room_for(one: Tensor, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """An empty tensor for so many of what `one` (1, …) is one of."""
    return torch.empty(*shape, *one.shape[1:], dtype=one.dtype, device=device)


def pinned(x: Tensor, device: torch.device) -> Tensor:
    """`x` where a GPU can fetch it without the CPU; torch keeps it there until it has."""
    return x.pin_memory() if device.type == "cuda" else x
