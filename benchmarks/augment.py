"""What augmentation costs in a training step, and how accurate its resampling is.

    python benchmarks/augment.py [--recipe relativistic] [--batch 64] [--p 0.5] [--device cpu]
    python benchmarks/augment.py --quality DATA

The first runs the same discriminator step and the same full training step without augmentation and
with each kind of it, in turns, and prints the median ratio per turn. On a CPU, times are processor time.
The second rotates, scales and shifts images of DATA with our resampling and with others, and compares
with a lossless reference: Fourier interpolation, low-passed again.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

import ganwright as gw
from ganwright.base.spec import Spec
from ganwright.game import Augment, AugmentOptions, Batch, Game, optimiser
from ganwright.modalities.images import augment as part
from ganwright.modalities.images.augment import affine
from ganwright.modalities.images.augment.operations import SCALE, USUAL
from ganwright.train.recipes import RECIPES

SHAPES = ((1, 28, 28), (3, 32, 32))
KINDS = {
    "shift, cutout": part.Options(operations=("shift", "cutout"), colour_share=1),
    "usual": part.Options(colour_share=1),
    "everything": part.Options(
        operations=("flip", "rotate90", *USUAL, "luma-flip"), colour_share=1
    ),
    "diffaug": part.Options(),
}


def seconds(play: Callable[[], object], device: str) -> float:
    """Of one call."""
    if device == "cpu":
        began = time.process_time()
        play()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    play()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def costs(shape: tuple[int, int, int], o: argparse.Namespace) -> None:
    """Prints a row for each kind."""
    spec, recipe = Spec(axes=("channel", "height", "width"), shape=shape), RECIPES[o.recipe].make()
    net = recipe.net()
    generator, discriminator = (
        build(spec).to(o.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for build in (net.build_generator, net.build_discriminator)
    )
    game = Game(
        options=recipe.game,
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=optimiser(recipe.generator_optimiser, generator.parameters()),
        discriminator_optimiser=optimiser(
            recipe.discriminator_optimiser, discriminator.parameters()
        ),
        latents=lambda count: torch.randn(count, recipe.latent.dim, device=o.device),
    )
    batch = Batch(torch.rand(o.batch, *shape, device=o.device) * 2 - 1, None)
    fakes = torch.rand_like(batch.examples) * 2 - 1
    plays = {
        "step": lambda: game._discriminator_step(batch, fakes, 0),
        "round": lambda: game.round(lambda: batch, 0),
    }
    sides: dict[str, Augment | None] = {"none": None}
    sides |= {name: Augment.of(mine_with(name, o.p), part, spec, o.device) for name in KINDS}
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(o.turns + 1):
        for side, augment in sides.items():
            game.augment = augment
            for name, play in plays.items():
                spent = seconds(play, o.device)
                if turn:  # the first one warms up
                    found.setdefault((side, name), []).append(spent)
    for side in sides:
        cells = [side, f"{shape[1]}×{shape[2]}×{shape[0]}"]
        for name in plays:
            base, its = found["none", name], found[side, name]
            more = statistics.median(b / a for a, b in zip(base, its, strict=True)) - 1
            cells += [f"{statistics.median(its) * 1000:.1f}", f"{more:+.0%}"]
        print("| " + " | ".join(cells) + " |")


def mine_with(name: str, p: float) -> AugmentOptions:
    """One of the kinds at p, operations on colours too; DiffAugment has none."""
    o = AugmentOptions(mode="diffaug") if name == "diffaug" else AugmentOptions(mode="fixed", p=p)
    return o.having(KINDS[name])


def spectrum(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of x mirrored at its edges: what Fourier has of it, and the frequencies down and across."""
    x = torch.cat([x, x.flip(2)], 2)
    x = torch.cat([x, x.flip(3)], 3)
    down, across = (torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in x.shape[2:])
    return torch.fft.fft2(x), down[:, None], across


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """x (…, h, w) on another raster: the same series, or what of it the raster can hold."""
    h, w = x.shape[2:]
    found, down, across = spectrum(x)
    low_h, low_w = min(h, height), min(w, width)
    shift = torch.exp(
        1j
        * math.pi
        * (down / (2 * height) - down / (2 * h) + across / (2 * width) - across / (2 * w))
    )
    kept = found * shift * (down.abs() < low_h) * (across.abs() < low_w)
    result = torch.zeros(*x.shape[:2], 2 * height, 2 * width, dtype=kept.dtype)
    rows, columns = (torch.cat([torch.arange(n), torch.arange(-n + 1, 0)]) for n in (low_h, low_w))
    result[:, :, rows[:, None], columns] = kept[:, :, rows[:, None], columns]
    times = height * width / (h * w)
    return torch.fft.ifft2(result).real[:, :, :height, :width] * times


def quality(data: str) -> None:
    """Prints a row for each way of resampling."""
    opened = gw.open_data(data)
    stored, _ = opened.batch(opened.train[:256])
    x = opened.codec.encode(stored).double()
    count, _, h, w = x.shape
    torch.manual_seed(0)
    angle = torch.rand(count).double() * 2 * math.pi
    factor, moved = (torch.randn(count).double() * SCALE).exp2(), torch.randn(count, 2) * 0.1
    cos, sin = factor * angle.cos(), factor * angle.sin()
    rows = ((cos, -sin * h / w, moved[:, 0]), (sin * w / h, cos, moved[:, 1]))
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1).double()

    def sampled(of: Tensor, kernel: str, times: int = 1) -> Tensor:
        grid = affine_grid(theta, [count, 1, h * times, w * times], align_corners=False)
        return grid_sample(of, grid, kernel, "reflection", align_corners=False)

    true = resized(sampled(resized(x, 8 * h, 8 * w), "bicubic", 4), h, w)
    doubled = interpolate(x, scale_factor=2, mode="bicubic")
    ways = {
        "nearest": sampled(x, "nearest"),
        "bilinear": sampled(x, "bilinear"),
        **{f"bilinear, sharpened by {s:g}": sampled(by(s, x), "bilinear") for s in SHARPEN},
        "bilinear of twice the size": sampled(doubled, "bilinear"),
        "bicubic": sampled(x, "bicubic"),
    }
    print("| resampling | error | contrast |\n|---|---|---|")
    spread = (true - true.mean((2, 3), keepdim=True)).square().mean()
    for name, found in ways.items():
        error = ((found - true).square().mean() / spread).sqrt()
        edges = (found.diff(dim=3).square().mean() / true.diff(dim=3).square().mean()).sqrt()
        print(f"| {name} | {error:.1%} | {edges:.2f} |")


SHARPEN = (0.05, 0.1, 0.15)


def by(strength: float, x: Tensor) -> Tensor:
    """x sharpened by another strength than ours."""
    kept, affine.SHARPEN = affine.SHARPEN, strength
    try:
        return affine.sharpened(x)
    finally:
        affine.SHARPEN = kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="relativistic")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--p", type=float, default=0.5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--quality", metavar="DATA")
    o = parser.parse_args()
    if o.quality:
        quality(o.quality)
        return
    print(
        f"{o.recipe}, batch {o.batch}, p = {o.p:g}, {o.device}, {torch.get_num_threads()} threads\n"
    )
    print("| augmentation | picture | D's step, ms | more | round, ms | more |")
    print("|---|---|---|---|---|---|")
    for shape in SHAPES:
        costs(shape, o)


if __name__ == "__main__":
    main()
