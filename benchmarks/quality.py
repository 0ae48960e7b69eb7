"""Time to quality on MNIST: the textbook DCGAN against ours, in one run, with the same features.

    python benchmarks/quality.py --data MNIST_FOLDER [--textbook 10] [--ours 20] [--recipe NAME]

The textbook is the widely copied PyTorch tutorial: upsampling and 3×3 convolutions 128-128-64 with
batch norm against 16-32-64-128 with dropout 0.25 and batch norm, batch 64, Adam 2e-4, no labels, eager
float32. It trains for `--textbook` minutes. Ours trains on the same images for `--short` minutes, once
without and once with labels, and for `--ours` minutes with labels, as is the default. The features come
from a network trained on the digits' classes (the default of an evaluation): FID of 10,000 samples against
the held-out digits; the floor is that of real training digits.

Times are processor time of training alone (so use one thread: OMP_NUM_THREADS=1), because other work may
share the machine. The table gives the FID over time, the last lines how much sooner ours reached the
textbook's final FID.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import ganwright as gw
from ganwright.base import seeds
from ganwright.evaluate.coverage import Manifold, neighbourhood
from ganwright.evaluate.distances import fid
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.judge import look, rows
from ganwright.evaluate.stats import statistics
from ganwright.train.plan import with_decay
from ganwright.train.run import named
from ganwright.train.trainer import Trainer, precision_on

SAMPLES = 10_000
MARKS = (5, 7, 10, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200)  # seconds
LATENT = 100


class Judge:
    """FID, precision, recall and coverage of digits against the held-out ones."""

    def __init__(self, data: gw.Dataset) -> None:
        self.extractor = choose_extractor("learned", data)
        real = look(self.extractor, rows(data, data.heldout)).features
        rng = np.random.default_rng(0)
        self.real, self.manifold = statistics(real), Manifold(rng.permutation(real)[:SAMPLES])
        train = np.sort(rng.permutation(data.train)[:SAMPLES])
        self.floor = fid(self.real, look(self.extractor, rows(data, train)).features)

    def __call__(self, pictures: np.ndarray) -> tuple[float, str]:
        """Of uint8 (n, 28, 28, 1): the FID, and the row of a table."""
        seen = look(self.extractor, np.array_split(pictures, 10)).features
        value, near = fid(self.real, seen), neighbourhood(self.manifold, seen)
        cells = f"{near.precision:.2f} | {near.recall:.2f} | {near.coverage:.2f}"
        return value, f"{value:.2f} | {value / self.floor:.1f} | {cells}"


def textbook_nets(side: int, channels: int) -> tuple[nn.Module, nn.Module]:
    """The tutorial's two nets, their weights as it draws them."""

    def down(before: int, after: int, norm: bool) -> list[nn.Module]:
        layers = [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        return [*layers, nn.BatchNorm2d(after, 0.8)] if norm else layers

    start, end = side // 4, -(-side // 16)
    generator = nn.Sequential(
        nn.Linear(LATENT, 128 * start**2), nn.Unflatten(1, (128, start, start)), nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128, 0.8),
        nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding=1),
        nn.BatchNorm2d(64, 0.8), nn.LeakyReLU(0.2), nn.Conv2d(64, channels, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        *down(channels, 16, norm=False), *down(16, 32, norm=True), *down(32, 64, norm=True),
        *down(64, 128, norm=True), nn.Flatten(), nn.Linear(128 * end**2, 1), nn.Sigmoid(),
    )  # fmt: skip
    for network in (generator, discriminator):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1, 0.02)
                nn.init.zeros_(layer.bias)
    return generator, discriminator


@dataclass
class Side:
    """Somebody who trains: `steps` gives the size of each batch, `make` some samples."""

    steps: Iterator[int]
    make: Callable[[], np.ndarray]


def textbook(data: gw.Dataset) -> Side:
    """The tutorial's loop. Batches come from memory: what its loader costs is not counted."""
    torch.manual_seed(0)
    channels, side, _ = data.spec.shape
    generator, discriminator = textbook_nets(side, channels)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    g_optimiser = torch.optim.Adam(generator.parameters(), **adam)  # type: ignore[arg-type]
    d_optimiser = torch.optim.Adam(discriminator.parameters(), **adam)  # type: ignore[arg-type]
    criterion, rng = nn.BCELoss(), np.random.default_rng(0)

    def steps() -> Iterator[int]:
        while True:
            for chosen in np.array_split(rng.permutation(data.train), len(data.train) // 64):
                stored, _ = data.batch(chosen)
                real = data.codec.encode(stored)
                ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
                g_optimiser.zero_grad()
                fake = generator(torch.randn(len(real), LATENT))
                criterion(discriminator(fake), ones).backward()
                g_optimiser.step()
                d_optimiser.zero_grad()
                told, of_fakes = discriminator(real), discriminator(fake.detach())
                loss = (criterion(told, ones) + criterion(of_fakes, zeros)) / 2
                loss.backward()
                d_optimiser.step()
                loss.item()
                yield len(real)

    @torch.inference_mode()
    def make() -> np.ndarray:
        generator.eval()
        found: list[Tensor] = [generator(torch.randn(500, LATENT)) for _ in range(SAMPLES // 500)]
        generator.train()
        return np.concatenate([data.codec.decode(x, np.zeros((len(x), 0))) for x in found])

    return Side(steps(), make)


def ours(
    recipe: str, data: gw.Dataset, minutes: float, settings: dict[str, Any], seed: int
) -> Side:
    """Our rounds; samples by the average, as a user gets them."""
    from ganwright.base.options import override

    base = override(named(recipe), {"train.seed": seed, "train.minutes": minutes} | settings)
    base = replace(base, train=replace(base.train, precision=precision_on("auto", "cpu")))
    probe = Trainer(base, data, "cpu")
    began = time.process_time()
    while (spent := time.process_time() - began) < 3:
        probe.round()
    trainer = Trainer(with_decay(base, probe.seen / spent * minutes * 0.06), data, "cpu")

    def steps() -> Iterator[int]:
        while True:
            before = trainer.seen
            trainer.round()
            yield trainer.seen - before

    return Side(steps(), lambda: trainer.model().sample(SAMPLES, seed=seeds.derive(0, "judged")))


def run(
    name: str, side: Side, minutes: float, judge: Judge, grid: Path | None
) -> list[tuple[float, float]]:
    """Prints a row at each mark; returns (seconds, FID)."""
    spent, seen, found = 0.0, 0, []
    for mark in [m for m in MARKS if m < minutes * 60] + [minutes * 60]:
        began = time.process_time()
        while (now := spent + time.process_time() - began) < mark:
            seen += next(side.steps)
        spent = now
        made = side.make()
        value, cells = judge(made)
        found.append((spent, value))
        print(
            f"| {name} | {spent:.0f} | {seen / 1000:.0f} | {seen / spent:,.0f} | {cells} |",
            flush=True,
        )
    if grid is not None:
        height, width, channels = made.shape[1:]
        sheet = made[:100].reshape(10, 10, height, width, channels).swapaxes(1, 2)
        sheet = sheet.reshape(10 * height, 10 * width, channels)
        Image.fromarray(sheet.squeeze()).save(grid / f"{name.replace(' ', '-')}.png")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="MNIST's folder")
    parser.add_argument("--textbook", type=float, default=10, help="minutes; 0 leaves it out")
    parser.add_argument("--ours", type=float, default=20, help="minutes")
    parser.add_argument("--alone", type=float, default=0, help="minutes, without the labels")
    parser.add_argument(
        "--short", type=float, default=1, help="minutes of a run for the fastest start"
    )
    parser.add_argument("--recipe", default="relativistic")
    parser.add_argument("--set", nargs="*", default=[], help="key=value …")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for grids of samples")
    o = parser.parse_args()
    settings = dict(item.split("=", 1) for item in o.set)
    if o.out:
        o.out.mkdir(parents=True, exist_ok=True)
    data = gw.open_data(o.data)
    judge = Judge(data)
    without = replace(data, labels=None, spec=replace(data.spec, classes=()))
    print(
        f"floor {judge.floor:.3f}: {SAMPLES:,} real training digits; {torch.get_num_threads()} threads\n"
    )
    print("| who | s | kimg | images/s | FID | × floor | precision | recall | coverage |")
    print("|---|---|---|---|---|---|---|---|---|")
    book = run("textbook", textbook(without), o.textbook, judge, o.out) if o.textbook else []
    mine = {}
    for name, source, minutes in (
        ("ours, short", without, o.short),
        ("ours, short, classes", data, o.short),
        ("ours", without, o.alone),
        ("ours, classes", data, o.ours),
    ):
        if minutes:
            side = ours(o.recipe, source, minutes, settings, o.seed)
            mine[name] = run(name, side, minutes, judge, o.out)
    if book:
        seconds, target = book[-1]
        print()
        for name, curve in mine.items():
            first = next((s for s, value in curve if value <= target), None)
            told = (
                "not reached"
                if first is None
                else f"{first:.0f} s, 1/{seconds / first:.0f} of the time"
            )
            print(f"{name}: the textbook's FID after {seconds:.0f} s ({target:.2f}): {told}")


if __name__ == "__main__":
    main()
