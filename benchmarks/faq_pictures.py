"""Makes the figures of docs/faq.md.

    python benchmarks/faq_pictures.py ring [--kimg 1000] [--seed 0]
    python benchmarks/faq_pictures.py minimax --data MNIST_FOLDER [--kimg 30] [--seed 0]
    python benchmarks/faq_pictures.py rules --data MNIST_FOLDER

ring: eight Gaussians on a ring; an unregularised GAN during training, above, and the relativistic paired
loss with R1 and R2, below (benchmarks/modes.py). Same nets, latents, seed and columns; each has its usual
learning rates.

minimax: Stacked MNIST, three digits as the three colour channels of an image (benchmarks/modes.py): real
ones, the minimax loss with a penalty on the discriminator's gradient (R1), and the same without it.
benchmarks/vae.py makes the figure that compares a VAE with a GAN.

rules: a table instead of a figure: the FID of the same images under different procedures. They are
training digits with noise of 16 grey levels, in place of a model's samples.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

import ganwright as gw
from choosing import ALWAYS, BASES, PENALTIES
from ganwright.evaluate import Mixture, fid, mode_coverage, ring
from ganwright.evaluate.features import Extractor, choose_extractor
from ganwright.evaluate.judge import look
from ganwright.evaluate.judge import rows as judged_rows
from ganwright.train import Recipe
from ganwright.train.trainer import Trainer
from judge import train_judge
from modes import MARGIN, POINTS, SAMPLES, STACKS, Plane, classify, modern, plain, stacks
from panels import Captioned, panel, rows

MARKS = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)  # of the budget
DOTS, SIDE, FINER = 2000, 220, 3
REAL, MADE, RULE = "#d9dee3", "#2f6fb5", "#e1e5e9"
SHOWN = 32
NOISE = 16  # grey levels
MINIMAX = {"game.loss": "minimax"}


def in_the_plane(kimg: float, seed: int, out: Path) -> None:
    """Small multiples: a row a game, a column a mark."""
    mixture = ring()
    scale = MARGIN * float(np.abs(mixture.centres).max())
    points = (mixture.sample(POINTS, seed=seed) / scale).astype(np.float32)
    data: Any = Plane(torch.from_numpy(points))
    remedied = modern(seed, kimg)
    first = replace(
        plain(seed), latent=remedied.latent, generator=remedied.generator,
        discriminator=remedied.discriminator,
    )  # fmt: skip
    games = (
        ("Non-saturating, nothing else", first),
        ("Relativistic pairs, R1 and R2", remedied),
    )
    table = [through_time(name, recipe, data, mixture, scale, kimg) for name, recipe in games]
    rows(table, out, height=SIDE)


def through_time(
    name: str, recipe: Recipe, data: Any, mixture: Mixture, scale: float, kimg: float
) -> list[Captioned]:
    trainer, cells = Trainer(recipe, data, "cpu"), []  # type: ignore[var-annotated]
    latents = recipe.latent.draw(recipe.train.seed + 1, 0, 10_000)
    for share in MARKS:
        while trainer.seen < share * kimg * 1000:
            trainer.round()
        with torch.inference_mode():
            made = trainer.game.generator(latents).double().numpy() * scale  # not averaged
        found = mode_coverage(made, mixture)
        says = f"{share * kimg:g} kimg: {found.covered} of 8, {found.share:.0%} near"
        cells.append((name if not cells else "", says, scatter(made[:DOTS], mixture, scale)))
        print(f"{name}: {says}", flush=True)
    return cells


def scatter(made: np.ndarray, mixture: Mixture, scale: float) -> Image.Image:
    """Made points over circles of 3σ around the modes."""
    side = SIDE * FINER
    sheet = Image.new("RGB", (side, side), "#ffffff")
    draw = ImageDraw.Draw(sheet, "RGBA")

    def place(point: np.ndarray) -> tuple[float, float]:
        x, y = (point / scale * 0.95 + 1) / 2 * side
        return float(x), float(side - y)

    reach = max(3 * mixture.sigma / scale * 0.95 / 2 * side, 5 * FINER)
    for centre in mixture.centres:
        x, y = place(centre)
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=REAL)
    dot = 1.1 * FINER
    for point in made:
        x, y = place(point)
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=(47, 111, 181, 110))
    draw.rectangle((0, 0, side - 1, side - 1), outline=RULE, width=FINER)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def of_minimax(source: str, kimg: float, seed: int, out: Path) -> None:
    """Real stacks, and those of the minimax game with a penalty and without, beside each other."""
    mnist = gw.open_data(source)
    judge, _ = train_judge(mnist)
    recipe, quick = BASES["quick"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stacks.npy"
        np.save(path, stacks(mnist, mnist.train, STACKS, seed=0))
        os.environ["GANWRIGHT_CACHE"] = folder
        made = {"Real": stacks(mnist, mnist.heldout, SAMPLES, seed=1)}
        for name, settings in (("With R1", MINIMAX | PENALTIES["R1"]), ("Without", MINIMAX)):
            run = gw.train(
                path, recipe=recipe, kimg=kimg, seed=seed, settings=ALWAYS | quick | settings,
                out=Path(folder) / name,
            )  # fmt: skip
            made[name] = run.model.sample(SAMPLES, seed=seed)
        columns: list[Captioned] = []
        for name, pictures in made.items():
            found = classify(judge, pictures)
            says = f"{found.covered:,} of {found.modes:,} combinations"
            print(f"{name}: {says}, KL {found.kl:.2f}", flush=True)
            columns.append((name, says, gw.open_data(path).codec.grid(pictures[:SHOWN], 8)))
    panel(columns, out)


def by_other_rules(source: str) -> None:
    """The FID of one set of pictures by n, reference, features and file."""
    data = gw.open_data(source)
    rng = np.random.default_rng(0)
    played = np.sort(rng.permutation(data.train)[:10_000])
    real = data.examples(played).astype(np.float64)
    made = (real + rng.normal(0, NOISE, real.shape)).round().clip(0, 255).astype(np.uint8)
    made = made[rng.permutation(len(made))]
    learned = choose_extractor("learned", data)
    final = data.heldout_halves[1]

    def value(
        pictures: np.ndarray, extractor: Extractor = learned, part: np.ndarray = final
    ) -> float:
        there = look(extractor, judged_rows(data, part)).features
        return fid(there, look(extractor, [pictures]).features)

    print("| rule | FID |\n|---|---|")
    for n in (100, 500, 1000, 2000, 5000, 10_000):
        print(f"| {n:,} samples | {value(made[:n]):.2f} |", flush=True)
    few = made[:5000]
    others = np.setdiff1d(data.train, played)[: len(final)]
    for name, found in (
        ("5,000 samples, reference of 500", value(few, part=final[:500])),
        ("5,000 samples, against training digits", value(few, part=others)),
        ("5,000 samples, features `pixels`", value(few, choose_extractor("pixels", data))),
        ("5,000 samples, saved as JPEG of quality 75", value(refiled(few))),
        ("5,000 samples, enlarged to 32 and back, bilinear", value(resized(few))),
    ):
        print(f"| {name} | {found:.2f} |", flush=True)


def refiled(pictures: np.ndarray) -> np.ndarray:
    """As they come out of a JPEG."""
    found = []
    for one in pictures[..., 0]:
        file = io.BytesIO()
        Image.fromarray(one).save(file, "JPEG", quality=75)
        found.append(np.asarray(Image.open(file)))
    return np.stack(found)[..., None]


def resized(pictures: np.ndarray) -> np.ndarray:
    """As they come back from another size."""
    how = Image.Resampling.BILINEAR
    found = []
    for one in pictures[..., 0]:
        there = Image.fromarray(one).resize((32, 32), how)
        found.append(np.asarray(there.resize(one.shape[::-1], how)))
    return np.stack(found)[..., None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", choices=("ring", "minimax", "rules"))
    parser.add_argument("--kimg", type=float, help="[1000 of the ring, 30 of minimax, each]")
    parser.add_argument("--data", help="MNIST's folder, for minimax and rules")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the PNG [docs/faq-<picture>.png]")
    o = parser.parse_args()
    out = o.out or Path(f"docs/faq-{o.picture}.png")
    if o.picture == "ring":
        in_the_plane(o.kimg or 1000, o.seed, out)
    elif not o.data:
        parser.error(f"{o.picture}: needs --data, MNIST's folder")
    elif o.picture == "rules":
        by_other_rules(o.data)
        return
    else:
        of_minimax(o.data, o.kimg or 30, o.seed, out)
    print(out)


if __name__ == "__main__":
    main()
