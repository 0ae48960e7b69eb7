"""Translation beside what takes no learning, on images that training never saw.

    python benchmarks/translate.py edges --minutes 12 --out /tmp/edges
    python benchmarks/translate.py emoji --minutes 12 --out /tmp/emoji
    python benchmarks/translate.py digits --minutes 12 --angle 20 --out /tmp/digits

edges: Sobel edges (scikit-image) → flowers, 32×32, pairs. emoji: grey → colour, 32×32, pairs; variants of a
base code point are all in one part. digits: MNIST → other digits, inverted and turned by --angle degrees,
unpaired; a classifier of such digits, learned from real ones with labels, says whether a translation still is
its digit. --data is the folder of data sets; a finished run in --out is judged again. Prints a table with
95 % intervals over test images: "ahead" is the PSNR of the translation minus that of the row, image by image.
Writes grid.png: rows of what is given, the translation, the partner of the nearest training input, the truth.
"""

from __future__ import annotations

import argparse
import gzip
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.transform import rotate
from torch import nn

import ganwright as gw
from ganwright.evaluate.distances import fid
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.tasks import psnr, ssim

SIDE, TESTED, SHOWN = 32, 0.15, 12
SETTINGS = {"data.holdout": 0.05, "train.score_features": "off"}
MOST_TESTED = 1000


def flowers(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Flowers (n, 32, 32, 3), and which are for the test."""
    images = _files(data / "flowers128" / "flowers128.zip", white=False)
    whole = np.stack([image for _, image in images])
    return whole, np.random.default_rng(0).random(len(whole)) < TESTED


def emoji(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Emoji on white (n, 32, 32, 3), and which are for the test, by base code point."""
    images = _files(data / "noto_emoji" / "noto_emoji_png72.zip", white=True)
    bases = np.array([name.split("_")[1].removesuffix(".png") for name, _ in images])
    chosen = np.unique(bases)[np.random.default_rng(0).random(len(np.unique(bases))) < TESTED]
    return np.stack([image for _, image in images]), np.isin(bases, chosen)


def _files(path: Path, *, white: bool) -> list[tuple[str, np.ndarray]]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith((".png", ".jpg")):
                continue
            with Image.open(io.BytesIO(archive.read(name))) as file:
                image = file.convert("RGBA" if white else "RGB")
                if white:
                    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                box = (left, top, left + side, top + side)
                small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)
                found.append((Path(name).name, np.asarray(small)))
    return found


def edges_of(images: np.ndarray) -> np.ndarray:
    """Dark lines on white: 1 − 4 · Sobel magnitude of the brightness, (n, h, w, 1)."""
    found = [1 - np.clip(4 * sobel(rgb2gray(image)), 0, 1) for image in images]
    return np.rint(255 * np.stack(found))[..., None].astype(np.uint8)


def grey_of(images: np.ndarray) -> np.ndarray:
    """(n, h, w, 1)."""
    return np.rint(255 * np.stack([rgb2gray(image) for image in images]))[..., None].astype(
        np.uint8
    )


def mnist(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Digits (n, 28, 28, 1) and labels."""
    folder = data / "mnist"
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
    whole = np.frombuffer(images, np.uint8).reshape(-1, 28, 28, 1)
    return whole, np.frombuffer(labels, np.uint8).astype(np.int64)


def turned(images: np.ndarray, angle: float) -> np.ndarray:
    """Inverted, and turned counter-clockwise."""
    found = [rotate(image[:, :, 0] / 255, angle) for image in images]
    return np.rint(255 * (1 - np.clip(np.stack(found), 0, 1)))[..., None].astype(np.uint8)


def partner(given: np.ndarray, known: np.ndarray, made: np.ndarray) -> np.ndarray:
    """The partners (of `made`) of the `known` inputs nearest in pixels."""
    flat = [FeatureMatrix(x.reshape(len(x), -1).astype(np.float32)) for x in (known, given)]
    found: np.ndarray = made[nearest(*flat, k=1).indices[:, 0].cpu().numpy()]
    return found


def classifier(images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """A small convolutional net, two passes over real digits."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(2):
        for chosen in torch.randperm(len(images)).split(128):
            x, y = seen(images[chosen.numpy()]), torch.from_numpy(labels[chosen.numpy()])
            adam.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            adam.step()
    return net.eval()


def seen(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).float().permute(0, 3, 1, 2) / 127.5 - 1


def share(values: np.ndarray) -> str:
    """A mean with its 95 % interval."""
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f}"


def save(images: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(
            folder / f"{i:05}.png"
        )


def grid(rows: list[np.ndarray], path: Path) -> None:
    """Each row (n, h, w, c), enlarged twice."""
    wide = [np.repeat(r, 3, 3) if r.shape[3] == 1 else r for r in rows]
    sheet = np.concatenate([np.concatenate(list(r[:SHOWN]), 1) for r in wide], 0)
    Image.fromarray(sheet.repeat(2, 0).repeat(2, 1)).save(path)


def trained(o: argparse.Namespace, given: Path, **more: Any) -> None:
    """The run in --out, trained unless it is there."""
    if not (o.out / "run" / "model").is_dir():
        gw.train(
            given, out=o.out / "run", minutes=o.minutes, kimg=o.kimg, seed=o.seed, progress=True,
            settings=SETTINGS | {"generator.width": o.width}, **more,
        )  # fmt: skip


def in_pairs(o: argparse.Namespace) -> None:
    whole, tested = {"edges": flowers, "emoji": emoji}[o.task](o.data)
    given = {"edges": edges_of, "emoji": grey_of}[o.task](whole)
    for name, images in (("given", given), ("made", whole)):
        save(images[~tested], o.out / name)
    trained(o, o.out / "given", to=o.out / "made")
    model, test = gw.load(o.out / "run" / "model"), np.flatnonzero(tested)[:MOST_TESTED]
    truth, told = whole[test], given[test]
    made = gw.translate(model, told)
    own = partner(told, given[~tested], whole[~tested])
    mean = np.rint(whole[~tested].mean((0, 1, 2))).astype(np.uint8)
    results = {
        "translation": made,
        "identity": np.repeat(told, 3, 3),
        "mean colour": np.broadcast_to(mean, truth.shape).copy(),
        "mean image": np.broadcast_to(
            np.rint(whole[~tested].mean(0)).astype(np.uint8), truth.shape
        ),
        "nearest input's partner": own,
    }
    extractor = choose_extractor(o.features, gw.open_data(o.out / "made"))
    real = extractor.features(truth)
    print(
        f"{o.task}: {len(truth):,} test images, {(~tested).sum():,} pairs, {model!r}, seed {o.seed}"
    )
    print(f"FID by {extractor.name} features")
    best = psnr(made, truth, 255)
    for name, images in results.items():
        distance = fid(real, extractor.features(np.ascontiguousarray(images)))
        scores = psnr(images, truth, 255)
        near = f"PSNR {share(scores)}   ahead {share(best - scores)}   SSIM {share(ssim(images, truth, 255))}"
        print(f"  {name:<24} {near}   FID {distance:.4g}")
    grid([told, made, own, truth], o.out / "grid.png")


def without(o: argparse.Namespace) -> None:
    images, labels = mnist(o.data, "train")
    other = turned(images, o.angle)
    half = len(images) // 2
    o.out.mkdir(parents=True, exist_ok=True)
    np.save(o.out / "given.npy", images[:half])
    np.save(o.out / "made.npy", other[half:])
    trained(o, o.out / "given.npy", to=o.out / "made.npy", paired=False)
    model = gw.load(o.out / "run" / "model")
    test, named = (part[:MOST_TESTED] for part in mnist(o.data, "t10k"))
    truth, made = turned(test, o.angle), gw.translate(model, test)
    near = partner(test, other[half:], other[half:])  # of the target set, the nearest to the input
    net = classifier(other, labels)
    results = {"translation": made, "identity": test, "inverted alone": 255 - test,
               "nearest of the target set": near, "truth": truth}  # fmt: skip
    print(f"digits, {o.angle:g}°: {len(test):,} test images, {model!r}, seed {o.seed}")
    for name, found in results.items():
        with torch.no_grad():
            right = net(seen(np.ascontiguousarray(found))).argmax(1).numpy() == named
        scores = f"right {share(right.astype(float))}   PSNR {share(psnr(found, truth, 255))}"
        print(f"  {name:<26} {scores}")
    grid([test, made, near, truth], o.out / "grid.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("edges", "emoji", "digits"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--kimg", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=16, help="of the U-Net")
    parser.add_argument("--features", default="pixels", help="that FID is taken in")
    parser.add_argument("--angle", type=float, default=20.0)
    o = parser.parse_args()
    (without if o.task == "digits" else in_pairs)(o)


if __name__ == "__main__":
    main()
