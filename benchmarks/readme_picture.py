"""The image in README.md: real MNIST digits next to samples of a run on them.

    OMP_NUM_THREADS=1 ganwright train MNIST_FOLDER --recipe relativistic --kimg 550 --out runs/mnist \\
        --set generator.width=32 --set discriminator.width=32 \\
        --set generator_optimiser.rate=2e-3 --set discriminator_optimiser.rate=2e-3 \\
        --set game.penalty.r1=0.3 --set game.penalty.r2=0.3
    python benchmarks/readme_picture.py MNIST_FOLDER runs/mnist --out docs/readme.png

Shows the first samples of seed 0 for each class, from the model with the best score; none picked by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import ganwright as gw

ROWS, SCALE, GAP = 6, 2, 20


def sheet(columns: list[np.ndarray]) -> Image.Image:
    """One column per class; each is uint8 (rows, height, width, 1)."""
    pixels = np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
    image = Image.fromarray(pixels[..., 0])
    return image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("readme.png"))
    o = parser.parse_args()
    data, model = gw.open_data(o.data), gw.load(o.run / "best")
    assert data.labels is not None
    held = data.heldout
    first = [held[data.labels[held] == i][:ROWS] for i in range(len(data.spec.classes))]
    real = sheet([data.rows[rows] for rows in first])
    made = sheet([np.asarray(model.sample(ROWS, seed=0, label=c)) for c in data.spec.classes])
    whole = Image.new("RGB", (2 * real.width + GAP, real.height + GAP), "white")
    pen = ImageDraw.Draw(whole)
    for left, words, image in ((0, "real", real), (real.width + GAP, "generated", made)):
        pen.text((left + 4, 3), words, fill="black", font_size=14)
        whole.paste(image, (left, GAP))
    whole.save(o.out, optimize=True)


if __name__ == "__main__":
    main()
