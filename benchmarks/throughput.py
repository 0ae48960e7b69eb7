"""Images per second: the textbook training loop against ours, same nets, in turns in one run.

    python benchmarks/throughput.py [--recipe dcgan] [--size 32] [--channels 3] [--batch 64]

For recipes with the relativistic paired loss, R1 and R2, the other side is a direct port of the step as
published (R3GAN): eager float32, batches from memory, a real batch and new fakes for each player, real and
fake in separate passes, double backpropagation for both penalties at every step.

The textbook loop is that of the tutorials: eager float32, a loader that decodes and transforms image by
image, new fakes for each player, separate batches, torch's own dropout, losses read at every step. Both
sides build the nets from the same options and see the same images. Each row is ours in another
precision; a ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torch.utils.flop_counter import flop_registry

import ganwright as gw
from ganwright.base.options import override
from ganwright.nets.layers import Dropout
from ganwright.train.recipes import RECIPES, Recipe
from ganwright.train.trainer import Trainer

PICTURES = 4096


class Pictures(TorchDataset[Tensor]):
    """Picture by picture: open, to float, to channels first, normalise."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as picture:
            pixels = np.asarray(picture, dtype=np.float32) / 255
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        return (torch.from_numpy(pixels.transpose(2, 0, 1).copy()) - 0.5) / 0.5


def textbook(recipe: Recipe, data: gw.Dataset, folder: Path) -> Iterator[int]:
    """The loop as it is printed everywhere; gives the size of each batch after its step."""
    net, o = recipe.net(), recipe.generator_optimiser
    generator, discriminator = net.build_generator(data.spec), net.build_discriminator(data.spec)
    for module in discriminator.modules():
        for name, layer in module.named_children():
            if isinstance(layer, Dropout):
                setattr(module, name, nn.Dropout(layer.dropped / 256))
    betas = (o.beta1, o.beta2)
    g_optimiser = torch.optim.Adam(generator.parameters(), lr=o.rate, betas=betas)
    d_optimiser = torch.optim.Adam(discriminator.parameters(), lr=o.rate, betas=betas)
    criterion = nn.BCEWithLogitsLoss()
    losses = []
    while True:
        loader = DataLoader(Pictures(folder), recipe.train.batch, shuffle=True, drop_last=True)
        for real in loader:
            ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
            d_optimiser.zero_grad()
            fake = generator(torch.randn(len(real), recipe.latent.dim))
            d_loss = criterion(discriminator(real), ones)
            d_loss = d_loss + criterion(discriminator(fake.detach()), zeros)
            d_loss.backward()
            d_optimiser.step()
            g_optimiser.zero_grad()
            fake = generator(torch.randn(len(real), recipe.latent.dim))
            g_loss = criterion(discriminator(fake), ones)
            g_loss.backward()
            g_optimiser.step()
            losses.append((d_loss.item(), g_loss.item()))
            yield len(real)


def port(recipe: Recipe, data: gw.Dataset, device: str = "cpu") -> Iterator[int]:
    """R3GAN's step, line by line; gives the size of each batch after its step."""
    net, o, half = recipe.net(), recipe.generator_optimiser, recipe.game.penalty.r1 / 2
    generator, discriminator = (
        build(data.spec).to(device) for build in (net.build_generator, net.build_discriminator)
    )
    average = copy.deepcopy(generator)
    betas = (o.beta1, o.beta2)
    g_optimiser = torch.optim.Adam(generator.parameters(), lr=o.rate, betas=betas)
    d_optimiser = torch.optim.Adam(discriminator.parameters(), lr=o.rate, betas=betas)
    size, rng = recipe.train.batch, np.random.default_rng(0)

    def reals() -> tuple[Tensor, Tensor | None]:
        stored, labels = data.batch(rng.choice(data.train, size))
        return data.codec.encode(stored).to(device), None if labels is None else labels.to(device)

    def noise() -> Tensor:
        return torch.randn(size, recipe.latent.dim, device=device)

    def penalty(logits: Tensor, x: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return gradient.square().sum([1, 2, 3])

    while True:
        real, labels = reals()
        with torch.no_grad():
            fake = generator(noise(), labels)
        real, fake = real.requires_grad_(), fake.requires_grad_()
        told, of_fakes = discriminator(real, labels), discriminator(fake, labels)
        slopes = penalty(told, real) + penalty(of_fakes, fake)
        d_optimiser.zero_grad()
        (nn.functional.softplus(of_fakes - told) + half * slopes).mean().backward()
        d_optimiser.step()
        discriminator.requires_grad_(False)
        real, labels = reals()
        fake = generator(noise(), labels)
        told, of_fakes = discriminator(real, labels), discriminator(fake, labels)
        g_optimiser.zero_grad()
        nn.functional.softplus(told - of_fakes).mean().backward()
        g_optimiser.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), generator.parameters(), strict=True):
                mean.lerp_(weight, 0.01)
        yield size


def ours(recipe: Recipe, data: gw.Dataset, device: str = "cpu") -> Iterator[int]:
    """Our rounds."""
    trainer = Trainer(recipe, data, device)
    while True:
        before = trainer.seen
        trainer.round()
        yield trainer.seen - before


def speed(steps: Iterator[int], seconds: float, device: str = "cpu") -> float:
    """Examples per second."""
    wait: Callable[[], None] = (lambda: None) if device == "cpu" else torch.cuda.synchronize
    for _ in range(1 if device == "cpu" else 4):
        next(steps)
    wait()
    began, count, number = time.perf_counter(), 0, 0
    while time.perf_counter() - began < seconds:
        count, number = count + next(steps), number + 1
        if number % 16 == 0:  # otherwise the queue would grow past the clock
            wait()
    wait()
    return count / (time.perf_counter() - began)


def convolution_peak(kind: torch.dtype, seconds: float = 1.0, device: str = "cpu") -> float:
    """FLOP/s of a large convolution: what this device can do at best."""
    batch, width = (64, 128) if device == "cpu" else (256, 256)
    layer = nn.Conv2d(width, width, 3, padding=1).to(device)
    layer = layer.to(kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(batch, width, 32, 32, device=device)
    x = x.to(kind, memory_format=torch.channels_last)
    flops = 2 * batch * 32 * 32 * width * width * 9

    def calls() -> Iterator[int]:
        with torch.inference_mode():
            while True:
                layer(x)
                yield flops

    return speed(calls(), seconds, device)


class Counter(TorchDispatchMode):
    """Counts the FLOP of convolutions and products, forward and backward.

    Convolutions by a count of our own: torch's takes the gradient of a grouped one's weight for that of a
    dense one, `groups` times as much as is done.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution_backward.default:
            slopes, x, weight, transposed, mask = args[0], args[1], args[2], args[7], args[10]
            self.total += convolved(x, weight, slopes, transposed) * (mask[0] + mask[1])
        elif func is torch.ops.aten.convolution.default:
            self.total += convolved(args[0], args[1], out, args[6])
        elif (flops := flop_registry.get(func._overloadpacket)) is not None:
            self.total += flops(*args, **(kwargs or {}), out_val=out)
        return out


def convolved(x: Tensor, weight: Tensor, out: Tensor, transposed: bool) -> int:
    """FLOP of a convolution of `x` to `out`; either gradient takes as many.

    Each place of the smaller map meets the weights of one of its channels.
    """
    return 2 * (x if transposed else out).numel() * weight[0].numel()


def work(steps: Iterator[int]) -> float:
    """FLOP of one step, for each real example."""
    next(steps)
    with Counter() as counter:
        count = next(steps)
    return counter.total / count


def write_pictures(folder: Path, size: int, channels: int) -> None:
    """Smooth random pictures: what they show doesn't matter for speed."""
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        small = rng.integers(0, 256, (8, 8, channels), dtype=np.uint8)
        picture = Image.fromarray(small.squeeze()).resize((size, size), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i:05d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5, help="of one turn of one side")
    parser.add_argument("--set", nargs="*", default=[], help="key=value …")
    parser.add_argument("--turns", type=int, default=5)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        os.environ["GANWRIGHT_CACHE"] = str(Path(name) / "cache")
        write_pictures(folder, o.size, o.channels)
        data = gw.open_data(folder)
        base = RECIPES[o.recipe].make()
        base = override(base, {"train.batch": o.batch} | dict(i.split("=", 1) for i in o.set))
        published = base.game.loss == "relativistic-paired"
        other = "port" if published else "textbook"
        sides: dict[str, Callable[[], Iterator[int]]] = {
            other: lambda: port(base, data) if published else textbook(base, data, folder)
        }
        for precision in ("float32", "bfloat16"):
            recipe = replace(base, train=replace(base.train, precision=precision))
            sides[precision] = lambda recipe=recipe: ours(recipe, data)  # type: ignore[misc]
        running = {side: make() for side, make in sides.items()}
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(o.turns):
            for side, steps in running.items():
                found[side].append(speed(steps, o.seconds))
        worked = {
            side: work(steps) for side, steps in running.items()
        }  # while the pictures are there
    peaks = {name: convolution_peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    told = ", ".join(f"{name} {peak / 1e9:.0f}" for name, peak in peaks.items())
    print(
        f"{o.recipe}, {o.size}×{o.size}×{o.channels}, batch {o.batch}, "
        f"{torch.get_num_threads()} threads; convolution peak in GFLOP/s: {told}\n"
    )
    print(
        f"| loop | images/s (median of turns) | ratio to the {other} (turn by turn) "
        "| MFLOP an image | share of the peak |"
    )
    print("|---|---|---|---|---|")
    for side, speeds in found.items():
        ratios = [a / b for a, b in zip(speeds, found[other], strict=True)]
        flops, median = worked[side], statistics.median(speeds)
        share = flops * median / peaks["bfloat16" if side == "bfloat16" else "float32"]
        print(
            f"| {side} | {median:,.0f} | {statistics.median(ratios):.2f}× "
            f"({min(ratios):.2f}–{max(ratios):.2f}) | {flops / 1e6:,.0f} | {share:.0%} |"
        )


if __name__ == "__main__":
    main()
