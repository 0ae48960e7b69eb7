"""Peak memory of a training step, by recipe, batch and microbatch.

    python benchmarks/memory.py [--recipes dcgan relativistic] [--size 32] [--channels 3] [--batches 64 256]
        [--microbatches 0 32] [--device cpu]

Each row is measured in its own process, which trains three steps on noise images; a microbatch of 0 is
the whole batch. `tensors` is the peak size of all live tensors in the third step: on the CPU counted
operation by operation, on a GPU by torch's allocator. `process` is the peak growth of the process beyond
imports and data (Linux, CPU), including the kernels' workspace and the allocator's cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

PICTURES = 2048
MIB = 2**20


def measured(a: argparse.Namespace) -> dict[str, Any]:
    """One row, in this process."""
    import torch

    import ganwright as gw
    from ganwright.base.errors import OptionError
    from ganwright.base.options import override
    from ganwright.train.ram import peak_of, room_for
    from ganwright.train.recipes import RECIPES
    from ganwright.train.trainer import Trainer

    torch.set_num_threads(a.threads)
    settings = {"train.batch": a.batches[0], "train.microbatch": a.microbatches[0] or None}
    for setting in a.set:
        key, _, value = setting.partition("=")
        settings[key] = json.loads(value) if value[:1] in "[0123456789" else value
    recipe = override(RECIPES[a.recipes[0]].make(), settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.npy"
        shape = (PICTURES, a.size, a.size, a.channels)
        np.save(path, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        data = gw.open_data(path)
        before = _resident("VmRSS") if a.device == "cpu" else 0
        try:
            with room_for(recipe):
                trainer = Trainer(recipe, data, a.device)
                trainer.round()
                trainer.round()
                _forget_height()
                grew = 0
                if a.device == "cpu":
                    trainer.round()
                    grew = _resident("VmHWM") - before
                tensors = peak_of(trainer)
        except OptionError as error:
            return {"error": str(error)}
    return {"tensors": tensors, "process": max(grew, 0)}


def _resident(what: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at its height."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0)


def _forget_height() -> None:
    """Starts VmHWM anew from what is resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        print("the process' height could not be reset: it counts from its start", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=["dcgan", "relativistic"])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--microbatches", type=int, nargs="+", default=[0, 32])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        print(json.dumps(measured(a)))
        return
    print(f"pictures of {a.size}×{a.size}×{a.channels} on {a.device}, MiB")
    print(f"{'recipe':16} {'batch':>6} {'microbatch':>10} {'tensors':>9} {'process':>9}")
    shared = [f"--size={a.size}", f"--channels={a.channels}", f"--device={a.device}"]
    shared += [f"--threads={a.threads}", *(f"--set={setting}" for setting in a.set)]
    for recipe in a.recipes:
        for batch in a.batches:
            for portion in (p for p in a.microbatches if p < batch):
                these = [f"--recipes={recipe}", f"--batches={batch}", f"--microbatches={portion}"]
                line = [sys.executable, __file__, "--one", *these, *shared]
                found = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)
                told = found.get("error") or (
                    f"{found['tensors'] / MIB:9,.1f} {found['process'] / MIB:9,.1f}"
                )
                print(f"{recipe:16} {batch:6} {portion or 'whole':>10} {told}", flush=True)


if __name__ == "__main__":
    main()
