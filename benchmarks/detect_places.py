"""Where images are odd: defects planted in photographs, with masks, and heat maps beside simple ones.

    python benchmarks/detect_places.py FLOWERS.zip [--kimg 8] [--tested 150] [--out places-run]

A run learns the training images at 32×32 without labels. Each of the test images, of the half of the held-out
ones that p-values are not compared with, gets one defect, in turn and at a place by chance, 6 pixels from the
border at least; its pixels are the mask:
    scratch   a line of 10 to 20 pixels, black or white
    blot      an ellipse of 4 to 8 pixels, four fifths of it a colour by chance
    patch     a square of 7 pixels from another test image, from anywhere in it
The others have the same training images: the difference to a blurred copy (Gaussian, σ = 2), to the 5 nearest
images in pixels, to those in D, patches alone, and the mean image. All are averaged over 3×3 pixels. AUROC
of pixels, over all images and as the mean of each image's; the 95 % intervals of differences are of bootstrap
draws of images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

import ganwright as gw
from ganwright.modalities.images import detect as part
from ganwright.modalities.images.places import Places, blurred

SETTINGS = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
    "train.threads": 1,
    "train.score_features": "off",
    "data.image.size": 32,
    "data.labels": False,
}
KINDS, DRAWS = ("scratch", "blot", "patch"), 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("flowers")
    parser.add_argument("--kimg", type=float, default=8.0)
    parser.add_argument("--tested", type=int, default=150)
    parser.add_argument("--known", type=int, default=2000, help="training images at most")
    parser.add_argument("--out", type=Path, default=Path("places-run"))
    o = parser.parse_args()
    if not (o.out / "model" / "model.json").is_file():
        gw.train(
            o.flowers, out=o.out, recipe="relativistic", kimg=o.kimg, settings=SETTINGS,
            progress=False,
        )  # fmt: skip
    model, data = gw.load(o.out), gw.open_data(o.flowers, size=32, labels=False)
    known = data.examples(data.train[:: -(-len(data.train) // o.known)])
    tested, normal = (data.examples(half) for half in data.heldout_halves)
    spoiled, there, kinds = planted(tested[: o.tested])
    found = maps(model, known, normal[:100], spoiled)
    table(found, there, kinds)


def planted(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, H, W, C) with a defect each, where it is (n, H, W), and which kind (n,)."""
    rng = np.random.default_rng(0)
    n, height, width, _ = images.shape
    found, there, kinds = images.astype(float), np.zeros((n, height, width), bool), np.arange(n) % 3
    rows, columns = np.mgrid[:height, :width]
    for i, kind in enumerate(kinds):
        down, across = rows - rng.uniform(6, height - 6), columns - rng.uniform(6, width - 6)
        if KINDS[kind] == "scratch":
            angle, long = rng.uniform(0, np.pi), rng.uniform(5, 10)
            off = across * np.sin(angle) - down * np.cos(angle)
            along = across * np.cos(angle) + down * np.sin(angle)
            there[i] = (np.abs(off) < 0.8) & (np.abs(along) < long)
            found[i][there[i]] = rng.choice([0, 255])
        elif KINDS[kind] == "blot":
            high, wide = rng.uniform(2, 4, 2)
            there[i] = (down / high) ** 2 + (across / wide) ** 2 < 1
            colour = rng.uniform(0, 255, 3)
            found[i][there[i]] = 0.2 * found[i][there[i]] + 0.8 * colour
        else:
            there[i] = (np.abs(down) < 3.5) & (np.abs(across) < 3.5)
            other = np.roll(images[rng.integers(n)], rng.integers(0, height, 2), (0, 1))
            found[i][there[i]] = other[there[i]]
    return np.rint(found).astype(np.uint8), there, kinds


def maps(
    model: gw.Model, known: np.ndarray, normal: np.ndarray, spoiled: np.ndarray
) -> dict[str, np.ndarray]:
    """Heat maps (n, H, W) by each way."""
    view = part._by_discriminator(model, known)
    codec = part._codec(model)
    near = view.nearest(spoiled)[1]
    ours = Places.of(codec, known, normal, view.nearest(normal)[1])
    x, of_known = (codec.encode(torch.tensor(a)).contiguous() for a in (spoiled, known))
    in_pixels = torch.cdist(x.flatten(1), of_known.flatten(1)).topk(5, largest=False).indices
    by_neighbours, by_patches = ours.looks(spoiled, near)
    apart = [(x - of_known[in_pixels[:, j]]).abs().mean(1) for j in range(5)]
    plain = {
        "difference to a blurred copy": (x - gaussian(x, 2.0)).abs().mean(1),
        "5 nearest images in pixels": torch.stack(apart).mean(0),
        "5 nearest images in D": by_neighbours,
        "patches": by_patches,
        "difference to the mean image": (x - of_known.mean(0)).abs().mean(1),
    }
    smooth = {name: blurred(levels).numpy() for name, levels in plain.items()}
    return {"`detect`": ours.heat(spoiled, near).astype(float), **smooth}


def gaussian(x: Tensor, sigma: float) -> Tensor:
    reach = int(3 * sigma)
    at = torch.arange(-reach, reach + 1).float()
    kernel = torch.exp(-at.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).repeat(x.shape[1], 1, 1, 1)
    x = functional.pad(x, [reach] * 4, mode="replicate")
    x = functional.conv2d(x, kernel, groups=x.shape[1])
    return functional.conv2d(x, kernel.transpose(2, 3), groups=x.shape[1])


def table(found: dict[str, np.ndarray], there: np.ndarray, kinds: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    draws = [rng.integers(len(there), size=len(there)) for _ in range(DRAWS)]
    each = {
        name: np.array([area(t, h) for t, h in zip(there, heat, strict=True)])
        for name, heat in found.items()
    }
    whole = {
        name: np.array([area(there[d], heat[d]) for d in draws]) for name, heat in found.items()
    }
    print(f"| heat map | all pixels | {' | '.join(KINDS)} | mean of images | `detect` − it, 95 % |")
    print("|---|---|---|---|---|---|---|")
    ours = next(iter(found))
    for name, heat in found.items():
        cells = [area(there, heat), *(area(there[kinds == k], heat[kinds == k]) for k in range(3))]
        low, high = np.quantile(whole[ours] - whole[name], [0.025, 0.975])
        apart = "" if name == ours else f"{low:+.3f} to {high:+.3f}"
        print(
            f"| {name} | {' | '.join(f'{c:.3f}' for c in cells)} | {each[name].mean():.3f} | {apart} |"
        )


def area(there: np.ndarray, heat: np.ndarray) -> float:
    return float(roc_auc_score(there.ravel(), heat.ravel()))


if __name__ == "__main__":
    main()
