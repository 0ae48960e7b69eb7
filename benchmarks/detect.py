"""Finding odd images: one class normal and the others odd, or one class odd, beside plain detectors.

    python benchmarks/detect.py MNIST_FOLDER [--classes 8 2] [--kimg 50] [--out detect-runs]
    python benchmarks/detect.py MNIST_FOLDER --odd                      one class odd, the others normal
    python benchmarks/detect.py CIFAR.zip --known 2500 --tested 300     of 60 sheets, named test/3_cat_0.webp

Of each class a run learns its training images, without labels (those held out calibrate), `--known` of
them; the test images are scored, `--tested` of each class. The others have the same images to learn from:
    pixels             5 nearest neighbours, isolation forest, one-class SVM (ν = 0.1)
    D                  the features of the discriminator: neighbours, isolation forest
    features           learned from the same images: neighbours, isolation forest, and what `detect`
                       takes of them: the distance to the mean in units of the spread, of colour
                       images the surprise of a network that tells turns
With --reconstruct, f-AnoGAN too: an encoder learned for so many steps of 64 with both nets frozen
(izi_f, κ = 1; latents on the sphere where they lie). Intervals of differences are DeLong's, 95 %. At
the end, squares of 5×5 pixels are planted in normal test images: how well each heat map finds them.
Scores of each image are kept in `--out`, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import gzip
import io
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM
from torch import Tensor, nn
from torch.nn import functional

import ganwright as gw
from ganwright.base.runs import RunFolder
from ganwright.evaluate import learned
from ganwright.evaluate.conformal import p_values
from ganwright.modalities.images import detect as part
from ganwright.modalities.images.features.turns import Turns
from ganwright.model import Model
from ganwright.uses.detect import own_data

SETTINGS = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
    "train.threads": 1,
    "train.score_features": "off",  # the last model, as for an estimator
}
OURS, NORMAL = "ours", "held out"
SIDE, PLANTED = 5, 100
LEVELS = (0.01, 0.05, 0.1)
Found = dict[str, np.ndarray]


def main() -> None:
    o = options()
    learned.STEPS = o.steps
    read = cifar if o.data.suffix == ".zip" else mnist
    images, labels = read(o.data, "train")
    tested, truth = read(o.data, "test")
    if o.tested:
        some = [np.flatnonzero(truth == c)[: o.tested] for c in range(10)]
        tested, truth = (a[np.concatenate(some)] for a in (tested, truth))
    found: dict[int, Found] = {}
    for c in o.classes:
        odd = (truth == c) if o.odd else (truth != c)
        normal = np.flatnonzero((labels == c) != o.odd)
        own = images[normal[:: -(-len(normal) // o.known)] if o.known else normal]
        kept = o.out / f"{c}.npz"
        if not kept.is_file():
            o.out.mkdir(parents=True, exist_ok=True)
            save(kept, scores(o, c, own, tested, odd))
        with np.load(kept) as file:
            found[c] = dict(file)
        said(c, found[c], odd)
    summary(found, truth, odd=o.odd)


def save(path: Path, found: Found) -> None:
    arrays: dict[str, Any] = dict(found)
    np.savez(path, **arrays)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--odd", action="store_true", help="the class is odd, the others normal")
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--known", type=int, help="training images at most")
    parser.add_argument("--tested", type=int, help="test images of each class")
    parser.add_argument("--kimg", type=float, default=50.0)
    parser.add_argument("--steps", type=int, default=learned.STEPS, help="to learn features by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reconstruct", type=int, default=0, metavar="STEPS")
    parser.add_argument("--out", type=Path, default=Path("detect-runs"))
    return parser.parse_args()


def mnist(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28, 1) uint8 and labels (n,)."""
    files = [
        f"{part.replace('test', 't10k')}-{n}.gz" for n in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    read = [
        np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8) for name in files
    ]
    return read[0][16:].reshape(-1, 28, 28, 1), read[1][8:]


def cifar(path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) uint8 and labels (n,), from sheets of 25×40 images of one class."""
    images, labels = [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.startswith(part) and "webp" in n):
            sheet = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
            cut = sheet.reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
            images.append(cut)
            labels.append(np.full(len(cut), int(Path(name).name[0])))
    return np.concatenate(images), np.concatenate(labels)


def scores(
    o: argparse.Namespace, c: int, own: np.ndarray, tested: np.ndarray, odd: np.ndarray
) -> Found:
    """How odd the test images (n,) are by each detector, and the held-out ones by ours."""
    began = time.perf_counter()
    detector, model = ours(o, c, own)
    found = {OURS: detector.look(tested).score, NORMAL: detector.normal}
    spent = time.perf_counter() - began
    found |= each_view(detector, tested) | baselines(detector, tested)
    rebuild = None
    if o.reconstruct:
        rebuild = encoder(model, detector.known, o.reconstruct)
        found["f-AnoGAN"] = f_anogan(model, rebuild, tested)
    places(detector, model, tested[~odd][:PLANTED], rebuild)
    print(
        f"   {spent:.0f} s to train and score, {time.perf_counter() - began:.0f} s in all",
        flush=True,
    )
    return found


def said(c: int, found: Found, odd: np.ndarray) -> None:
    p = p_values(found[NORMAL], found[OURS][~odd])
    alarms = ", ".join(f"{(p <= level).mean():.3f} at {level}" for level in LEVELS)
    print(
        f"{c}: AUROC {roc_auc_score(odd, found[OURS]):.4f}; false alarms of {len(p)} normal: {alarms}"
    )


def ours(o: argparse.Namespace, c: int, own: np.ndarray) -> tuple[part.Detector, Model]:
    """Trained unless the run is there."""
    data, run = o.out / "data" / f"{c}.npz", o.out / f"run-{c}"
    if not (RunFolder(run).path / "model" / "model.json").is_file():
        data.parent.mkdir(parents=True, exist_ok=True)
        np.savez(data, images=own)
        gw.train(
            data, out=run, recipe="relativistic", kimg=o.kimg, seed=o.seed, settings=SETTINGS,
            progress=False,
        )  # fmt: skip
    model = gw.load(run)
    return part.detector(model, own_data(run, model), None), model


# --- what else there is ---------------------------------------------------------------------------


def views(detector: part.Detector) -> dict[str, part.View | Turns]:
    return {"D": detector.by_discriminator, "features": detector.by_features}


def each_view(detector: part.Detector, tested: np.ndarray) -> Found:
    """Each of our distances alone."""
    return {
        f"{name}: ours alone": np.concatenate([view.oddness(b) for b in blocks(tested)])
        for name, view in views(detector).items()
    }


def baselines(detector: part.Detector, tested: np.ndarray) -> Found:
    known = detector.known
    x, y = (torch.tensor(a.reshape(len(a), -1)).float() / 255 for a in (known, tested))
    machine = OneClassSVM(nu=0.1, gamma="scale").fit(x)
    table = {
        "pixels: neighbours": neighbours(x, y),
        "pixels: isolation forest": forest(x, y),
        "pixels: one-class SVM": -machine.decision_function(y),
    }
    for name, view in views(detector).items():
        x, y = (torch.cat([view.see(b) for b in blocks(a)]) for a in (known, tested))
        if name != "D":  # of D it is one of our own distances
            table[f"{name}: neighbours"] = neighbours(x, y)
        table[f"{name}: isolation forest"] = forest(x, y)
    return table


def blocks(images: np.ndarray) -> list[np.ndarray]:
    return np.array_split(images, -(-len(images) // 256))


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


def summary(found: dict[int, Found], truth: np.ndarray, *, odd: bool) -> None:
    classes = list(found)
    sides = {c: (truth == c) if odd else (truth != c) for c in classes}
    print(f"\n| {'detector':24} | {' | '.join(map(str, classes))} | mean | ours − it |")
    print("|---" * (len(classes) + 3) + "|")
    for name in found[classes[0]]:
        if name == NORMAL:
            continue
        aurocs = [roc_auc_score(sides[c], found[c][name]) for c in classes]
        cells = " | ".join([*(f"{s:.3f}" for s in aurocs), f"{np.mean(aurocs):.4f}"])
        if name == OURS:
            print(f"| {name:24} | {cells} | |")
            continue
        own = [difference(found[c][OURS], found[c][name], sides[c]) for c in classes]
        mean = np.mean([d for d, _ in own])
        half = 1.96 * np.sqrt(sum(variance for _, variance in own)) / len(own)
        print(f"| {name:24} | {cells} | {mean:+.4f} ± {half:.4f} |")
    p = [p_values(f[NORMAL], f[OURS][~sides[c]]) for c, f in found.items()]
    alarms = ", ".join(f"{(np.concatenate(p) <= a).mean():.3f} at {a}" for a in LEVELS)
    print(f"\nfalse alarms of {sum(map(len, p)):,} normal images: {alarms}")


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
