"""What a GPU is worth: equality of captured rounds, examples a second, how busy the card is, sampling, MNIST.

    python benchmarks/gpu.py [--parts checks speed sampling mnist] [--mnist MNIST_FOLDER] [--seconds 1.2]

One run of a few minutes gives all rows, both sides of each on the same card. *peer* is the textbook step, or
R3GAN's as published, in eager float32 with data from memory; *eager* our rounds played call by call;
*captured* the same as CUDA graphs; *loop* `train`'s own loop with captured rounds. *busy* is the share of the
loop's wall time in which a kernel ran. `--device cpu --tiny` goes the same way without a GPU, to see that it
goes: nothing is captured there, and its numbers say nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import ganwright as gw
import throughput
from ganwright.base.options import override
from ganwright.train import loop
from ganwright.train.in_memory import InMemory
from ganwright.train.recipes import RECIPES, Recipe
from ganwright.train.trainer import Trainer

ROUNDS = 20  # that are compared
PICTURES = 4096


class Case(NamedTuple):
    recipe: str
    size: int
    channels: int
    batch: int
    classes: int
    settings: dict[str, Any]

    def __str__(self) -> str:
        width = self.settings.get("generator.size", "")
        return f"{self.recipe} {width} {self.size}×{self.size}×{self.channels}, batch {self.batch}"


def sized(size: str) -> dict[str, Any]:
    return {"generator.size": size, "discriminator.size": size}


CASES = [
    Case("mlp", 28, 1, 128, 10, {}),
    Case("dcgan", 32, 3, 64, 0, {}),
    Case("relativistic", 32, 3, 64, 10, {}),
    Case("relativistic", 32, 3, 256, 10, {}),
    Case("r3gan", 32, 3, 64, 10, sized("xs")),
    Case("r3gan", 32, 3, 256, 10, sized("s")),
    Case("r3gan", 32, 3, 256, 10, sized("l")),
    Case("r3gan", 128, 3, 64, 0, sized("s")),
    Case("r3gan", 256, 3, 32, 0, sized("s")),
]
NARROW = {"generator.width": 8, "discriminator.width": 8}
TINY = [
    Case("relativistic", 16, 3, 8, 3, NARROW),
    Case("mlp-small", 16, 1, 8, 0, {}),
]
CHECKED: dict[str, dict[str, Any]] = {  # besides the cases
    "automatic γ, LeCam": {"game.gamma.auto": True, "game.remedies.lecam": 0.3},
    "adaptive augmentation": {"game.augment.mode": "adaptive", "game.augment.speed_kimg": 5},
}


def data_of(case: Case, folder: Path, pictures: int) -> gw.Dataset:
    path = folder / f"{case.size}-{case.channels}-{case.classes}.npz"
    if not path.exists():
        rng = np.random.default_rng(0)
        shape = (pictures, case.size, case.size, case.channels)
        given: dict[str, Any] = {"samples": rng.integers(0, 256, shape, dtype=np.uint8)}
        if case.classes:
            given["labels"] = rng.integers(0, case.classes, pictures)
        np.savez(path, **given)
    return gw.open_data(path)


def recipe_of(case: Case, precision: str, capture: str, **more: Any) -> Recipe:
    settings = {"train.batch": case.batch, "train.precision": precision, "train.capture": capture}
    return override(RECIPES[case.recipe].make(), settings | case.settings | more)


# --- equality ------------------------------------------------------------------------------------


def after(
    recipe: Recipe, data: gw.Dataset, device: str, stopped: bool = False
) -> tuple[list[Tensor], str]:
    """The state after some rounds, taken to another trainer half-way if `stopped`; and why not captured."""
    trainer = Trainer(recipe, data, device)
    for number in range(ROUNDS):
        if stopped and number == ROUNDS // 2:
            state = trainer.state()
            trainer = Trainer(recipe, data, device)
            trainer.restore(state)
        trainer.means.add(trainer.round())
    found = [x.detach().cpu() for x in tree_leaves(trainer.state()) if isinstance(x, Tensor)]
    return found, trainer.captured.why if trainer.captured else ""


def checks(cases: list[Case], folder: Path, device: str, pictures: int) -> None:
    print(
        f"\n| {ROUNDS} rounds, float32 | apart from eager | two runs | resumed | |\n|---|---|---|---|---|"
    )
    changed = [(f"{cases[0]}, {what}", cases[0], more) for what, more in CHECKED.items()]
    if cases[0].recipe == "mlp":  # which has no penalty for γ
        changed = [(f"{cases[2]}, {what}", cases[2], more) for what, more in CHECKED.items()]
    for name, case, more in [*((str(c), c, {}) for c in cases), *changed]:
        data = data_of(case, folder, pictures)
        captured = recipe_of(case, "float32", "auto", **more)
        eager, _ = after(recipe_of(case, "float32", "off", **more), data, device)
        first, why = after(captured, data, device)
        second, resumed = after(captured, data, device)[0], after(captured, data, device, True)[0]
        apart = max(
            float((a - b).abs().max() / b.abs().max().clamp(min=1))
            for a, b in zip(first, eager, strict=True)
        )
        told = ["equal bits" if same(first, x) else "DIFFER" for x in (second, resumed)]
        print(f"| {name} | {apart:.1e} | {told[0]} | {told[1]} | {why} |", flush=True)


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# --- speed ---------------------------------------------------------------------------------------


def textbook(recipe: Recipe, data: gw.Dataset, device: str) -> Iterator[int]:
    """The step of the tutorials: eager float32, new fakes for each player, losses read; data from memory."""
    net, o, size = recipe.net(), recipe.generator_optimiser, recipe.train.batch
    players = (net.build_generator(data.spec), net.build_discriminator(data.spec))
    generator, discriminator = (player.to(device) for player in players)
    betas = (o.beta1, o.beta2)
    g_optimiser = torch.optim.Adam(generator.parameters(), lr=o.rate, betas=betas)
    d_optimiser = torch.optim.Adam(discriminator.parameters(), lr=o.rate, betas=betas)
    criterion, rng = nn.BCEWithLogitsLoss(), np.random.default_rng(0)
    ones, zeros = torch.ones(size, device=device), torch.zeros(size, device=device)
    while True:
        stored, told = data.batch(rng.choice(data.train, size))
        real = data.codec.encode(stored).to(device)
        labels = None if told is None else told.to(device)
        d_optimiser.zero_grad()
        fake = generator(torch.randn(size, recipe.latent.dim, device=device), labels)
        d_loss = criterion(discriminator(real, labels), ones)
        d_loss = d_loss + criterion(discriminator(fake.detach(), labels), zeros)
        d_loss.backward()
        d_optimiser.step()
        g_optimiser.zero_grad()
        fake = generator(torch.randn(size, recipe.latent.dim, device=device), labels)
        g_loss = criterion(discriminator(fake, labels), ones)
        g_loss.backward()
        g_optimiser.step()
        d_loss.item(), g_loss.item()
        yield size


class Timed(loop.Silent):
    """Notes when some rounds were done."""

    def __init__(self, begin: int) -> None:
        self.begin, self.began, self.seen = begin, 0.0, 0

    def step(self, trainer: Trainer, seconds: float) -> None:
        if trainer.seen >= self.begin and not self.began:
            _wait(trainer.device.type)
            self.began, self.seen = time.perf_counter(), trainer.seen


def looped(recipe: Recipe, data: gw.Dataset, device: str, kimg: float) -> tuple[float, float]:
    """Examples a second of `train`'s loop, and the share of its time in which a kernel ran."""
    intervals = {f"train.{what}_kimg": kimg for what in ("snapshot", "checkpoint", "score")}
    recipe = override(recipe, {"train.kimg": kimg, "train.report_kimg": kimg / 20} | intervals)
    timed = Timed(round(kimg * 100))
    trainer = Trainer(recipe, data, device)
    loop.train(trainer, InMemory(), timed, lambda: False)
    _wait(device)
    rate = (trainer.seen - timed.seen) / (time.perf_counter() - timed.began)
    return rate, 0.0 if device == "cpu" else busy(trainer)


def busy(trainer: Trainer, rounds: int = 50) -> float:
    """The share of time in which a kernel ran while rounds were played and their results added up."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(rounds):
            trainer.means.add(trainer.round())
        torch.cuda.synchronize()
        spent = time.perf_counter() - began
    of_card = torch.autograd.DeviceType.CUDA
    spans = sorted(
        (e.time_range.start, e.time_range.end) for e in found.events() if e.device_type == of_card
    )
    ran, until = 0.0, float("-inf")
    for start, end in spans:  # kernels of a graph may overlap
        ran += max(0.0, end - max(start, until))
        until = max(until, end)
    return ran / 1e6 / spent


def speed(make: Callable[[], Iterator[int]], seconds: float, device: str) -> float:
    """Examples a second; NaN where the card's memory is too small."""
    if device == "cpu":
        return throughput.speed(make(), seconds)
    gc.collect()  # trainers refer to themselves
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        return throughput.speed(make(), seconds, device)
    except torch.OutOfMemoryError:
        return float("nan")


def speeds(cases: list[Case], folder: Path, device: str, seconds: float, pictures: int) -> None:
    peaks = {
        name: throughput.convolution_peak(getattr(torch, name), seconds, device)
        for name in ("float32", "bfloat16")
    }
    print(
        "\nconvolution peak in TFLOP/s: "
        + ", ".join(f"{n} {p / 1e12:.3g}" for n, p in peaks.items())
    )
    print(
        "\n| examples/s | peer | eager, float32 | eager, bfloat16 | captured, float32 | captured, bfloat16 "
        "| over the peer | loop | busy | MFLOP | of the peak | GiB |\n" + "|---" * 12 + "|"
    )
    for case in cases:
        data = data_of(case, folder, pictures)
        plain = recipe_of(case, "float32", "off")
        paired = plain.game.loss == "relativistic-paired"
        peer = throughput.port if paired else textbook
        found = [speed(partial(peer, plain, data, device), seconds, device)]
        for capture in ("off", "auto"):
            for precision in ("float32", "bfloat16"):
                recipe = recipe_of(case, precision, capture)
                found.append(speed(partial(throughput.ours, recipe, data, device), seconds, device))
        if math.isnan(found[-1]):
            print(
                f"| {case} | " + " | ".join(f"{value:,.0f}" for value in found) + " |", flush=True
            )
            continue
        memory = 0.0 if device == "cpu" else torch.cuda.max_memory_reserved() / 2**30
        flops = throughput.work(throughput.ours(recipe_of(case, "bfloat16", "off"), data, device))
        kimg = max(found[-1] * seconds / 1000, 4 * case.batch / 1000)
        rate, ran = looped(recipe_of(case, "bfloat16", "auto"), data, device, kimg)
        best = max(value for value in found[3:] if not math.isnan(value))
        cells = [f"{value:,.0f}" for value in found]
        cells += [f"{best / found[0]:.1f}×", f"{rate:,.0f} ({rate / found[-1]:.2f})", f"{ran:.0%}"]
        cells += [
            f"{flops / 1e6:,.0f}",
            f"{flops * found[-1] / peaks['bfloat16']:.1%}",
            f"{memory:.1f}",
        ]
        print(f"| {case} | " + " | ".join(cells) + " |", flush=True)


# --- sampling and a whole run --------------------------------------------------------------------


def sampling(case: Case, folder: Path, device: str, n: int, pictures: int) -> None:
    data = data_of(case, folder, pictures)
    model = Trainer(recipe_of(case, "float32", "off"), data, device).model()
    sum(len(block.examples) for block in model.stream(model.block))
    began = time.perf_counter()
    made = sum(len(block.examples) for block in model.stream(n))
    rate = made / (time.perf_counter() - began)
    print(
        f"\nsampling, {case}: {rate:,.0f} pictures/s before encoding, in blocks of {model.block:,}"
    )


def mnist(data: str, device: str, minutes: float, n: int, folder: Path) -> None:
    """A run as `train` chooses it, from the command line, and its card."""
    out, card = folder / "mnist", folder / "card.json"
    told: list[str] = []
    for words in (
        ["train", data, "--minutes", str(minutes), "--out", str(out), "--device", device],
        ["evaluate", str(out), "-n", str(n), "--json", str(card)],
    ):
        line = [sys.executable, "-m", "ganwright", *words]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"\n{' '.join(words)}: {done.stderr[-400:]}")
            return
        told.append(done.stderr)
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    measures = json.loads(card.read_text())["measures"]
    told_of = ("fid", "precision", "recall", "coverage")
    found = ", ".join(f"{m} {measures[m]['value']:.3g}" for m in told_of if m in measures)
    kimg, floor = events[-1]["kimg"], measures["fid"]["floor"]
    print(
        f"\n{data}, {minutes * 60:.0f} s as `train` chooses: {kimg:,.0f} kimg, {found}, floor {floor:.3g}"
    )
    print(told[0].strip())
    for event in events:
        if event["event"] in ("uncaptured", "guard"):
            print(json.dumps(event))


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def main() -> None:
    parts = ["checks", "speed", "sampling", "mnist"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--seconds", type=float, default=1.2, help="of each speed")
    parser.add_argument("--mnist", help="folder of MNIST's files; none: the digits that come along")
    parser.add_argument("--minutes", type=float, default=0.5, help="of the run on MNIST")
    parser.add_argument("--tiny", action="store_true", help="small nets and few examples")
    o = parser.parse_args()
    if o.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu --tiny only shows that the script goes")
    cases, pictures = (TINY, 256) if o.tiny else (CASES, PICTURES)
    card = torch.cuda.get_device_name() if o.device == "cuda" else "CPU"
    print(f"{card}, torch {torch.__version__}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("GANWRIGHT_CACHE", str(folder / "cache"))
        if "checks" in o.parts:
            checks(cases if o.tiny else cases[:6], folder, o.device, pictures)
        if "speed" in o.parts:
            speeds(cases, folder, o.device, o.seconds, pictures)
        if "sampling" in o.parts:
            sampling(
                cases[0 if o.tiny else 2], folder, o.device, 256 if o.tiny else 2**20, pictures
            )
        if "mnist" in o.parts:
            mnist(o.mnist or "digits", o.device, o.minutes, 200 if o.tiny else 10_000, folder)


if __name__ == "__main__":
    main()
