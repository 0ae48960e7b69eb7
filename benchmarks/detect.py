"""Finding odd images: MNIST, one digit normal and nine odd, beside the plain detectors.

    python benchmarks/detect.py MNIST_FOLDER [--digits 8 2] [--kimg 50] [--out detect-runs]
    python benchmarks/detect.py MNIST_FOLDER --digits 8 --reconstruct 1200

Of each digit a run learns the training images (those held out calibrate); all 10,000 test images are
scored. The others have the same images to learn from:
    pixels      5 nearest neighbours, isolation forest, one-class SVM (ν = 0.1)
    D           the same features of the discriminator as ours: neighbours, isolation forest
    features    learned from the same images: neighbours of whitened features, isolation forest
With --reconstruct, f-AnoGAN too: an encoder learned for so many steps of 64 with both nets frozen
(izi_f, κ = 1; latents on the sphere where they lie). Intervals of differences are DeLong's, 95 %. At
the end, squares of 5×5 pixels are planted in normal test images: how well each heat map finds them.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM
from torch import Tensor, nn
from torch.nn import functional

import ganwright as gw
from ganwright.base.runs import RunFolder
from ganwright.evaluate.conformal import p_values
from ganwright.modalities.images import detect as part
from ganwright.model import Model
from ganwright.uses.detect import own_data

SETTINGS = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
    "train.threads": 1,
}
OURS = "ours"
SIDE, PLANTED = 5, 100


def main() -> None:
    o = options()
    images, labels = mnist(o.mnist, "train")
    tested, truth = mnist(o.mnist, "t10k")
    found: dict[int, dict[str, np.ndarray]] = {}
    for digit in o.digits:
        own = images[labels == digit]
        began = time.perf_counter()
        detector, model = ours(o, digit, own)
        score = detector.look(tested)
        spent = time.perf_counter() - began
        normal = truth == digit
        table = {OURS: score.score, **each_view(detector, tested), **baselines(detector, tested)}
        rebuild = None
        if o.reconstruct:
            rebuild = encoder(model, detector.known, o.reconstruct)
            table["f-AnoGAN"] = f_anogan(model, rebuild, tested)
        found[digit] = table
        p = p_values(detector.normal, score.score[normal])
        alarms = ", ".join(f"{(p <= level).mean():.3f} at {level}" for level in (0.01, 0.05, 0.1))
        aurocs = ", ".join(f"{k} {roc_auc_score(~normal, v):.4f}" for k, v in table.items())
        print(f"{digit}: {aurocs}", flush=True)
        print(f"   false alarms of {normal.sum()} normal: {alarms}; {spent:.0f} s", flush=True)
        places(detector, model, tested[normal][:PLANTED], rebuild)
    summary(found, truth)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--kimg", type=float, default=50.0)
    parser.add_argument("--reconstruct", type=int, default=0, metavar="STEPS")
    parser.add_argument("--out", type=Path, default=Path("detect-runs"))
    return parser.parse_args()


def mnist(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28, 1) uint8 and labels (n,)."""
    read = [
        np.frombuffer(gzip.decompress((folder / f"{part}-{name}.gz").read_bytes()), np.uint8)
        for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    return read[0][16:].reshape(-1, 28, 28, 1), read[1][8:]


def ours(o: argparse.Namespace, digit: int, own: np.ndarray) -> tuple[part.Detector, Model]:
    """Trained unless the run is there."""
    data, run = o.out / "data" / f"{digit}.npz", o.out / str(digit)
    if not (RunFolder(run).best / "model.json").is_file():
        data.parent.mkdir(parents=True, exist_ok=True)
        np.savez(data, images=own)
        gw.train(
            data, out=run, recipe="relativistic", kimg=o.kimg, seed=0, settings=SETTINGS,
            progress=False,
        )  # fmt: skip
    model = gw.load(run)
    return part.detector(model, own_data(run, model), None), model


# --- what else there is ---------------------------------------------------------------------------


def each_view(detector: part.Detector, tested: np.ndarray) -> dict[str, np.ndarray]:
    """Each of our two distances alone."""
    return {
        "D: ours alone": apart(detector.by_discriminator, tested, part.NEAREST),
        "features: ours alone": apart(detector.by_features, tested, 1),
    }


def apart(view: part.View, tested: np.ndarray, count: int) -> np.ndarray:
    return neighbours(view.points, seen(view.see, tested), count)


def baselines(detector: part.Detector, tested: np.ndarray) -> dict[str, np.ndarray]:
    known = detector.known
    x, y = (torch.tensor(a.reshape(len(a), -1)).float() / 255 for a in (known, tested))
    machine = OneClassSVM(nu=0.1, gamma="scale").fit(x)
    table = {
        "pixels: neighbours": neighbours(x, y),
        "pixels: isolation forest": forest(x, y),
        "pixels: one-class SVM": -machine.decision_function(y),
    }
    for name, view in (("D", detector.by_discriminator), ("features", detector.by_features)):
        x, y = seen(view.see, known), seen(view.see, tested)
        if name == "features":  # of D it is one of our own two distances
            table[f"{name}: neighbours"] = neighbours(x, y)
        table[f"{name}: isolation forest"] = forest(x, y)
    return table


def seen(see: Callable[[np.ndarray], Tensor], images: np.ndarray) -> Tensor:
    return torch.cat([see(block) for block in np.array_split(images, -(-len(images) // 256))])


def neighbours(known: Tensor, tested: Tensor, count: int = 5) -> np.ndarray:
    near = [torch.cdist(b, known).topk(count, largest=False).values for b in tested.split(256)]
    return torch.cat(near).mean(1).numpy()


def forest(known: Tensor, tested: Tensor) -> np.ndarray:
    return -np.asarray(IsolationForest(random_state=0).fit(known).score_samples(tested))


# --- f-AnoGAN (Schlegl et al. 2019) ---------------------------------------------------------------


def encoder(model: Model, known: np.ndarray, steps: int, width: int = 32) -> nn.Module:
    """Images to latents, by the distance of what the generator makes of those: in pixels and in D."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(36 * width, model.net.latent.dim))
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(steps):
        x = encoded(model, known[torch.randint(len(known), (64,)).numpy()])
        made, of_x = rebuilt(model, network, x), before_head(model, x)
        loss = (x - made).square().mean() + (of_x - before_head(model, made)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def encoded(model: Model, images: np.ndarray) -> Tensor:
    return model.codec.encode(torch.tensor(images)).contiguous()


def rebuilt(model: Model, network: nn.Module, x: Tensor) -> Tensor:
    made: Tensor = model.generator(
        functional.normalize(network(x), dim=1) * model.net.latent.dim**0.5
    )
    return made


def before_head(model: Model, x: Tensor) -> Tensor:
    network: Any = model.discriminator
    return part.inputs(network.head, lambda: network(x))


@torch.inference_mode()
def f_anogan(model: Model, network: nn.Module, tested: np.ndarray) -> np.ndarray:
    found = []
    for block in np.array_split(tested, 40):
        x = encoded(model, block)
        made = rebuilt(model, network, x)
        inner = (before_head(model, x) - before_head(model, made)).square().mean(1)
        found.append((x - made).square().flatten(1).mean(1) + inner)
    return torch.cat(found).numpy()


# --- where ----------------------------------------------------------------------------------------


def places(
    detector: part.Detector, model: Model, normal: np.ndarray, rebuild: nn.Module | None
) -> None:
    """How well heat maps find squares of the other colour: AUROC over pixels, and the hottest pixel."""
    rng = np.random.default_rng(0)
    spoiled, there = normal.copy(), np.zeros(normal.shape[:3], bool)
    for i, (row, column) in enumerate(rng.integers(4, 28 - 4 - SIDE, (len(normal), 2))):
        at = (i, slice(row, row + SIDE), slice(column, column + SIDE))
        spoiled[at] = 0 if spoiled[at].mean() > 127 else 255
        there[at] = True
    maps = {"heat map": detector.heat(spoiled, detector.look(spoiled).nearest)}
    if rebuild is not None:
        with torch.inference_mode():
            x = encoded(model, spoiled)
            away = (x - rebuilt(model, rebuild, x)).abs()
            maps["f-AnoGAN's"] = functional.avg_pool2d(away, 3, 1, 1)[:, 0].numpy()
    for name, heat in maps.items():
        auroc = np.mean(
            [roc_auc_score(t.ravel(), h.ravel()) for t, h in zip(there, heat, strict=True)]
        )
        hits = np.mean([t.ravel()[h.argmax()] for t, h in zip(there, heat, strict=True)])
        print(
            f"   {name}: AUROC of pixels {auroc:.3f}, hottest in the square {hits:.0%}", flush=True
        )


# --- in sum ---------------------------------------------------------------------------------------


def summary(found: dict[int, dict[str, np.ndarray]], truth: np.ndarray) -> None:
    digits = list(found)
    print(f"\n| {'detector':24} | {' | '.join(map(str, digits))} | mean | ours − it |")
    print("|---" * (len(digits) + 3) + "|")
    for name in found[digits[0]]:
        scores = [roc_auc_score(truth != d, found[d][name]) for d in digits]
        cells = " | ".join([*(f"{s:.3f}" for s in scores), f"{np.mean(scores):.4f}"])
        if name == OURS:
            print(f"| {name:24} | {cells} | |")
            continue
        own = [difference(found[d][OURS], found[d][name], truth != d) for d in digits]
        mean = np.mean([d for d, _ in own])
        half = 1.96 * np.sqrt(sum(variance for _, variance in own)) / len(own)
        print(f"| {name:24} | {cells} | {mean:+.4f} ± {half:.4f} |")


def difference(a: np.ndarray, b: np.ndarray, odd: np.ndarray) -> tuple[float, float]:
    """AUROC of a less that of b on the same examples, and its variance (DeLong et al. 1988)."""
    parts = []
    for score in (a, b):
        low, high = np.sort(score[~odd]), np.sort(score[odd])
        of_odd = np.searchsorted(low, score[odd]) / len(low)
        of_normal = 1 - np.searchsorted(high, score[~odd]) / len(high)
        parts.append((of_odd, of_normal))
    odd_apart, normal_apart = (x - y for x, y in zip(*parts, strict=True))
    variance = odd_apart.var() / len(odd_apart) + normal_apart.var() / len(normal_apart)
    return float(odd_apart.mean()), float(variance)


if __name__ == "__main__":
    main()
