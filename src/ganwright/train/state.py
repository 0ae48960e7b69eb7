"""Checkpoints: the state of named objects, in one file that holds no code.

A checkpoint is a safetensors file: tensors by path, everything else as JSON in its header. It is
written to a temporary name and renamed, and the last two are kept, so that one is always intact. A
checksum over all of it tells a damaged one.

A checkpoint written because the run was stopped is marked in its name. A resume continues from it, but a
rollback takes a regular one: it must not depend on whether the run was interrupted before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganwright.base.errors import RunError, WorkError
from ganwright.base.runs import replacing

KEPT = 2
REGULAR, STOPPED = "[0-9]*[0-9].safetensors", "[0-9]*-stopped.safetensors"
DAMAGE = (SafetensorError, OSError, ValueError, KeyError, TypeError)  # what reading one may raise
TENSOR, NUMBERED = "$tensor", "$numbered"


def pack(node: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """A tree of dicts, lists, plain values and tensors as JSON; the tensors go to `tensors`."""
    if isinstance(node, Tensor):
        tensors[path] = node.detach().contiguous()
        return {TENSOR: path}
    if isinstance(node, dict):
        packed = {str(k): pack(item, tensors, f"{path}/{k}") for k, item in node.items()}
        # JSON keys are strings, but optimisers number their parameters.
        return {NUMBERED: packed} if node and all(isinstance(k, int) for k in node) else packed
    if isinstance(node, list | tuple):
        return [pack(item, tensors, f"{path}/{i}") for i, item in enumerate(node)]
    return node


def unpack(node: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree that `pack` took apart."""
    if isinstance(node, list):
        return [unpack(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if TENSOR in node:
        return tensors[node[TENSOR]]
    if NUMBERED in node:
        return {int(k): unpack(item, tensors) for k, item in node[NUMBERED].items()}
    return {k: unpack(item, tensors) for k, item in node.items()}


def save(folder: Path, seen: int, things: dict[str, Any], *, regular: bool = True) -> None:
    """Writes a checkpoint of `things` (name to state) and removes superseded ones."""
    tensors: dict[str, Tensor] = {}
    header = json.dumps(pack(things, tensors))
    name = f"{seen:012d}{'' if regular else '-stopped'}.safetensors"
    with replacing(folder / name) as aside:
        try:
            save_file(
                tensors, aside, metadata={"tree": header, "checksum": checksum(header, tensors)}
            )
        except SafetensorError as error:  # a full disk, say
            raise WorkError(f"'{folder / name}' can't be written: {error}") from None
    stopped = [path for path in _files(folder, STOPPED) if path.name != name]
    for old in [*_files(folder, REGULAR)[KEPT:], *stopped]:
        old.unlink()


def begun(folder: Path) -> bool:
    """Whether there is a checkpoint, whole or damaged."""
    return bool(_files(folder, REGULAR) or _files(folder, STOPPED))


def load(folder: Path, *, regular_only: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The newest intact checkpoint, and the names of damaged ones passed over.

    Raises RunError when there is none.
    """
    damaged: list[str] = []
    files = _files(folder, REGULAR) + ([] if regular_only else _files(folder, STOPPED))
    for path in sorted(files, reverse=True):
        try:
            return _read(path), damaged
        except DAMAGE:
            damaged.append(path.name)
    why = f"damaged: {', '.join(damaged)}" if damaged else "stopped before the first one"
    raise RunError(f"'{folder}' holds no checkpoint to continue from ({why}); start a new run")


def earlier(folder: Path) -> dict[str, Any]:
    """The oldest intact regular checkpoint; younger ones are removed, as nobody will go back to them.

    Raises RunError when there is none.
    """
    files = _files(folder, REGULAR)[::-1]
    for number, path in enumerate(files):
        try:
            found = _read(path)
        except DAMAGE:
            continue
        for younger in files[number + 1 :]:
            younger.unlink()
        return found
    raise RunError(f"'{folder}' holds no whole checkpoint to go back to; start a new run")


def _files(folder: Path, pattern: str) -> list[Path]:
    """Checkpoints whose names fit, newest first."""
    return sorted(folder.glob(pattern), reverse=True)


def _read(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    # Versions before 0.4 wrote none.
    if facts.get("checksum") not in (None, checksum(facts["tree"], tensors)):
        raise ValueError("its checksum is wrong")
    tree: dict[str, Any] = unpack(json.loads(facts["tree"]), tensors)
    return tree


def checksum(header: str, tensors: Mapping[str, Tensor]) -> str:
    """A hash of all that a checkpoint holds: 32 hexadecimal digits."""
    found = hashlib.blake2b(header.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def finite(tensors: Iterator[Tensor] | list[Tensor]) -> bool:
    """Whether every number is finite."""
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
