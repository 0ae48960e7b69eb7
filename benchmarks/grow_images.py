"""Growing few images: what new ones do for a classifier, tested on images that nothing has seen.

    python benchmarks/grow_images.py --digits MNIST_FOLDER [--counts 50 100] [--seeds 5]
    python benchmarks/grow_images.py --flowers FLOWERS.zip [--counts 50 100] [--seeds 5]
    python benchmarks/grow_images.py --digits MNIST_FOLDER --counts 100 --rare 12 [--seeds 5]

For each seed that many training images a class are drawn and written to a folder. `ganwright train` sees
this folder alone, and `ganwright augment` grows it by `--times` as many new images of each class. A small
convolutional network is then trained for the same number of steps on

(a) the images as they are; (b) with shifts (of up to an eighth of a side; flowers are mirrored, too);
(c) with random operations as in RandAugment: each of shift, scale, stretch, fractional shift, colour and
cutout (and of flowers flip and rotation) with a chance of a half; (d) the grown folder as it is;
(e) the grown folder with (b); (f) the grown folder with (c)

and its error is measured on the held-out images of the whole set. `ratio` is the error over that of (b)
of the same seed. With `--rare` one class, another for each seed, has so few images only, and `augment
--balance` grows it up to the others. All classes are then drawn equally often, so the rare one's images are
repeated where they are not grown, and the error is that of its test images; the other classes' stands in the
comments. Intervals are 95 %, Student's t over seeds; those of ratios are of their logarithms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

import ganwright as gw
from ganwright.base.spec import Spec
from ganwright.modalities.images import augment as part
from ganwright.modalities.images.augment.operations import Operation, moved

# What `train` chooses for few images on a CPU.
SETTINGS = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
    "game.augment.mode": "scheduled",
    "game.augment.p_kimg": 20.0,
    "train.score_features": "off",
}
RANDOM: tuple[Operation, ...] = ("shift", "scale", "stretch", "fractional", "colour", "cutout")
BASE, OURS = "(b) shifts", "(e) grown, with (b)"
Change = Callable[[Tensor], Tensor]


def unchanged(x: Tensor) -> Tensor:
    return x


def changes(spec: Spec, *, mirror: bool) -> tuple[Change, Change]:
    """(b) and (c)."""
    chosen = (*RANDOM, "flip", "rotate") if mirror else RANDOM
    views = part.Views(part.Options(operations=chosen, colour_share=1), "fixed", spec)

    def simple(x: Tensor) -> Tensor:
        x = moved(x)
        mirrored = torch.rand(len(x), 1, 1, 1) < (0.5 if mirror else 0.0)
        return torch.where(mirrored, x.flip(3), x)

    def several(x: Tensor) -> Tensor:
        return views.draw(x, torch.tensor(0.5))(x)

    return simple, several


def classifier(channels: int, side: int, classes: int) -> nn.Module:
    """Three convolutions and two dense layers."""

    def conv(given: int, made: int) -> list[nn.Module]:
        return [nn.Conv2d(given, made, 3, 1, 1), nn.BatchNorm2d(made), nn.ReLU(), nn.MaxPool2d(2)]

    left = side // 2 // 2 // 2
    return nn.Sequential(
        *conv(channels, 16), *conv(16, 32), *conv(32, 64), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(64 * left * left, 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip


Labelled = tuple[Tensor, Tensor]  # images as the nets see them, and their classes


def error(train: Labelled, test: Labelled, change: Change, steps: int, seed: int) -> np.ndarray:
    """Of each class, the share of test images that a network trained on `train` gets wrong.

    It sees all classes equally often.
    """
    torch.manual_seed(seed)
    x, y = train
    net = classifier(x.shape[1], x.shape[2], int(test[1].max()) + 1)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    weights = 1 / torch.bincount(y)[y].double()
    for _ in range(steps):
        some = torch.multinomial(weights, 64, replacement=True)
        loss = functional.cross_entropy(net(change(x[some])), y[some])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.inference_mode():
        found = torch.cat([net(block).argmax(1) for block in test[0].split(500)])
    wrong = (found != test[1]).double().numpy()
    return np.array([wrong[test[1].numpy() == c].mean() for c in range(int(test[1].max()) + 1)])


def labelled(data: gw.Dataset, indices: np.ndarray, classes: tuple[str, ...]) -> Labelled:
    """Images of a data set, with labels that are places in `classes`."""
    stored, labels = data.batch(indices)
    assert labels is not None
    place = torch.tensor([classes.index(name) for name in data.spec.classes])
    return data.codec.encode(stored).contiguous(), place[labels]


def few_of(data: gw.Dataset, count: int, seed: int, folder: Path, rare: int | None) -> None:
    """Writes `count` training images of each class, and `rare` of the one that is rare."""
    assert data.labels is not None
    rng = np.random.default_rng(seed)
    for label, name in enumerate(data.spec.classes):
        (folder / name).mkdir(parents=True)
        own = data.train[data.labels[data.train] == label]
        wanted = rare if rare and label == seed % len(data.spec.classes) else count
        for i in rng.permutation(own)[:wanted]:
            Image.fromarray(data[int(i)].squeeze()).save(folder / name / f"{i}.png")


def errors(data: gw.Dataset, count: int, seed: int, o: argparse.Namespace) -> dict[str, float]:
    """Of each way, for one draw of few images."""
    classes, began = data.spec.classes, time.perf_counter()
    simple, several = changes(data.spec, mirror=data.codec.channels == 3)
    with tempfile.TemporaryDirectory() as place:
        few, grown = Path(place, "few"), Path(place, "grown")
        few_of(data, count, seed, few, o.rare)
        run = gw.train(
            few, recipe="relativistic", kimg=o.kimg, seed=seed, out=Path(place, "run"),
            settings=SETTINGS, progress=False,
        )  # fmt: skip
        more = {"balance": "label"} if o.rare else {"n": o.times * count * len(classes)}
        told = gw.augment(run, few, seed=seed, out=grown, **more)
        trained = time.perf_counter() - began
        small, large = (gw.open_data(f, holdout=0.0) for f in (few, grown))
        real = labelled(small, np.arange(len(small)), classes)
        both = labelled(large, np.arange(len(large)), classes)
    test = labelled(data, data.heldout, classes)
    ways = {
        "(a) nothing": (real, unchanged),
        BASE: (real, simple),
        "(c) random operations": (real, several),
        "(d) grown": (both, unchanged),
        OURS: (both, simple),
        "(f) grown, with (c)": (both, several),
    }
    each = {way: error(own, test, change, o.steps, seed) for way, (own, change) in ways.items()}
    of = np.arange(len(classes)) == seed % len(classes) if o.rare else np.ones(len(classes), bool)
    found = {way: float(errors[of].mean()) for way, errors in each.items()}
    others = {
        way: f", others {errors[~of].mean():.2%}" if o.rare else "" for way, errors in each.items()
    }
    cells = ", ".join(f"{way} {value:.2%}{others[way]}" for way, value in found.items())
    lost = {
        name: sum(d.get(name, 0) for d in told.dropped.values())
        for name in ("agreement", "density", "memorisation")
    }
    print(
        f"<!-- {count} a class, seed {seed}: {cells}; dropped {lost} for {sum(told.made.values())} "
        f"kept; {trained:.0f} s to train and grow, {time.perf_counter() - began:.0f} s in all -->",
        flush=True,
    )
    return found


def study(name: str, data: gw.Dataset, count: int, o: argparse.Namespace) -> None:
    """The rows of one set and count, and the verdict."""
    runs = [errors(data, count, seed, o) for seed in range(o.seeds)]
    name = f"{name}, one class of {o.rare}" if o.rare else name
    print(f"| {name}, {count} a class, {o.seeds} seeds | error | ratio to (b) |\n|---|---|---|")
    width = stats.t.ppf(0.975, max(1, o.seeds - 1))
    for way in runs[0]:
        own, base = (np.array([run[one] for run in runs]) for one in (way, BASE))
        half, logs = width * stats.sem(own), np.log(own / base)
        low, high = np.exp(logs.mean() + width * stats.sem(logs) * np.array([-1, 1]))
        ratio = "1" if way == BASE else f"{np.exp(logs.mean()):.2f} ({low:.2f} to {high:.2f})"
        print(f"| {way} | {own.mean():.2%} ± {half:.2%} | {ratio} |")
        if way == OURS:
            verdict = "helps" if high < 1 else "harms" if low > 1 else "does not help here"
            print(f"\n{name}, {count} a class: growing on top of shifts {verdict}.\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", help="MNIST's folder")
    parser.add_argument("--flowers", help="a folder or zip of pictures, a folder a class")
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 100], help="images a class")
    parser.add_argument("--rare", type=int, help="images of one class, which is balanced")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kimg", type=float, default=60, help="of the model that makes images")
    parser.add_argument("--times", type=int, default=2, help="new images for each original")
    parser.add_argument("--steps", type=int, default=600, help="of the classifier, batches of 64")
    o = parser.parse_args()
    for count in o.counts:
        if o.digits:
            study("digits", gw.open_data(o.digits), count, o)
        if o.flowers:
            study("flowers", gw.open_data(o.flowers, size=32), count, o)


if __name__ == "__main__":
    main()
