"""A rehearsal of capture on the CPU: what a CUDA graph does, with the calls of torch's own dispatcher.

`Rehearsal` notes every call that a round makes below autograd, with the tensors that it touched, and
plays exactly these calls again, into the same memory. A decision of Python's is frozen, as in a graph; so
is a number handed to a call, and a tensor that the round replaces is not the one that is played on.
What a graph can't have is refused: waiting for a number, a shape that depends on data, and a tensor that
the round makes from the CPU's memory.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import ganwright as gw
from ganwright.base.options import override
from ganwright.game import Result
from ganwright.modalities.images.augment import affine, operations
from ganwright.train.capture import Unfit
from ganwright.train.recipes import RECIPES
from ganwright.train.trainer import Trainer

BATCH = 8
# Calls that wait for the device, or whose results have a shape that depends on their numbers.
REFUSED = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal",
    "unique_consecutive", "bincount",
}  # fmt: skip
READERS = ("numpy", "tolist", "__array__")  # which the dispatcher doesn't see


def tensors_of(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def storage(x: Tensor) -> int:
    return x.untyped_storage()._cdata


class Notes(TorchDispatchMode):
    """The calls of a round. Its effects happen."""

    def __init__(self) -> None:
        super().__init__()
        self.there = [x for x in gc.get_objects() if issubclass(type(x), Tensor)]  # kept alive
        self.known = {storage(x) for x in self.there if x.layout == torch.strided}
        self.calls: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in REFUSED or (
            name.startswith("repeat_interleave") and "Tensor" in func._overloadname
        ):
            raise Unfit(f"{name} waits for the device")
        kwargs = kwargs or {}
        taken = tensors_of((args, kwargs))
        if name.startswith("index") and any(
            x.dtype in (torch.bool, torch.uint8) for x in taken[1:2]
        ):
            raise Unfit(f"{name} by a mask waits for the device")
        if any(storage(x) not in self.known for x in taken):
            raise Unfit(f"{name} takes a tensor from the CPU's memory")
        made = func(*args, **kwargs)
        self.known |= {storage(x) for x in tensors_of(made)}
        same = {storage(x) for x in taken}
        # Lists are copied: whoever handed them over may change them.
        args, kwargs = tree_map(lambda x: x, (args, kwargs))
        fresh = [(i, x) for i, x in enumerate(tensors_of(made)) if storage(x) not in same]
        self.calls.append((func, args, kwargs, fresh, made))
        return made

    @torch.no_grad()
    def play(self) -> None:
        """The same calls again, into the same memory."""
        for func, args, kwargs, fresh, _ in self.calls:
            found = tensors_of(func(*args, **kwargs))
            for i, was in fresh:
                was.copy_(found[i])


@contextmanager
def unread() -> Iterator[None]:
    """Refuses to hand numbers over to NumPy or Python."""

    def refuse(x: Tensor, *_: Any, **__: Any) -> None:
        raise Unfit("a number is read")

    before = {name: torch.Tensor.__dict__.get(name) for name in READERS}
    for name in READERS:
        setattr(torch.Tensor, name, refuse)
    try:
        yield
    finally:
        for name, was in before.items():
            if was is None:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, was)


class Rehearsal:
    """A recorder for the CPU."""

    def __init__(self) -> None:
        self.taken = 0  # captures
        self.played = 0  # rounds played from them

    def warm(self, play: Callable[[], Result]) -> None:
        for _ in range(2):
            play()

    def take(self, play: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        with unread(), Notes() as notes:
            result = play()
        self.taken += 1

        def replay() -> None:
            self.played += 1
            notes.play()

        return replay, result

    def forget(self) -> None: ...


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> gw.Dataset:
    """150 pictures of 16×16×3 in three classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("noise") / "noise.npz"
    pictures = rng.integers(0, 256, (150, 16, 16, 3), dtype=np.uint8)
    np.savez(path, samples=pictures, labels=rng.integers(0, 3, 150))
    return gw.open_data(path)


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> gw.Dataset:
    """200 rows of a number, a category and a count."""
    rng = np.random.default_rng(0)
    path: Path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = [f"{rng.normal():.3f},{'xyz'[rng.integers(3)]},{rng.integers(50)}" for _ in range(200)]
    path.write_text("\n".join(["a,b,c", *lines]))
    return gw.open_data(path)


class Rehearsed:
    """Trainers whose rounds are captured, or played call by call, with all else the same."""

    BATCH = BATCH
    Unfit = Unfit

    @staticmethod
    def trainer(
        data: gw.Dataset,
        recipe: str,
        settings: dict[str, Any],
        *,
        capture: bool,
        device: str = "cpu",
    ) -> tuple[Trainer, Rehearsal | None]:
        usual = {"train.batch": BATCH, "train.precision": "float32"}
        usual["train.capture"] = "auto" if capture else "off"
        made = override(RECIPES[recipe].make(), usual | settings)
        recorder = Rehearsal() if device == "cpu" else None
        return Trainer(made, data, device, recorder=recorder), recorder

    @staticmethod
    def state(trainer: Trainer) -> list[Tensor]:
        """Copies of all tensors of the state."""
        return [x.detach().cpu().clone() for x in tensors_of(trainer.state())]

    @staticmethod
    def notes(play: Callable[[], Any]) -> Notes:
        """What was noted of `play`."""
        with unread(), Notes() as notes:
            play()
        return notes


@pytest.fixture
def capturing() -> type[Rehearsed]:
    """For GPUs."""
    return Rehearsed


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> type[Rehearsed]:
    """Where the CPU takes the ways of a GPU: drawn numbers are not looked at."""
    for module in (affine, operations):
        monkeypatch.setattr(module, "at_hand", lambda x: False)
    # torch lets GPUs alone capture its RMSprop, and goes another way on the CPU.
    rmsprop = sys.modules[torch.optim.RMSprop.__module__]
    monkeypatch.setattr(rmsprop, "_get_capturable_supported_devices", lambda: ["cpu"])
    monkeypatch.setattr(torch.Tensor, "is_cpu", False, raising=False)
    return Rehearsed
