"""Grouped against dense 3×3 convolutions on this machine, forward and backward, channels last.

    OMP_NUM_THREADS=1 python benchmarks/convolutions.py [--side 16] [--batch 64] [--seconds 0.2]

The residual blocks of r3gan have grouped convolutions of 2C → 2C channels, 16 to a group. That is a
2C/16-th of the dense arithmetic; this measures the share of the time. Each number is the time of one
forward and backward pass (gradients of input, weight and bias), the best of several.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

WIDTHS, GROUPS = (32, 64, 128), (8, 16, 32, 0)  # 0: dense


def best(act: Callable[[], object], seconds: float) -> float:
    """The shortest time of `act`, in seconds."""
    act()
    found, end = math.inf, time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        act()
        found = min(found, time.perf_counter() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.2)
    o = parser.parse_args()
    print("| C | 2C → 2C | number | ms | of dense | arithmetic of dense | GFLOP/s |")
    print("|---|---|---|---|---|---|---|")
    for width in WIDTHS:
        for dtype in (torch.float32, torch.bfloat16):
            channels = 2 * width
            times = {}
            for size in GROUPS:
                groups = channels // size if size else 1
                layer = nn.Conv2d(channels, channels, 3, padding=1, groups=groups).to(dtype)
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                x = torch.randn(o.batch, channels, o.side, o.side, dtype=dtype, requires_grad=True)
                x = x.to(memory_format=torch.channels_last)
                gradient = torch.randn_like(x)

                def step(layer: nn.Module = layer, x: Tensor = x, g: Tensor = gradient) -> object:
                    return torch.autograd.grad(layer(x), [x, *layer.parameters()], g)

                times[size] = best(step, o.seconds)
            for size, seconds in times.items():
                share = (size or channels) / channels
                work = 3 * 2 * 9 * o.batch * o.side**2 * channels**2 * share
                print(
                    f"| {width} | {f'groups of {size}' if size else 'dense'} | {str(dtype)[6:]} "
                    f"| {seconds * 1e3:.2f} | {seconds / times[0]:.2f} | {share:.2f} "
                    f"| {work / seconds / 1e9:.0f} |"
                )


if __name__ == "__main__":
    main()
