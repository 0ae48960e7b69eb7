"""Identity leakage: is a generator caught that brings identities back, and an honest one not?

    python benchmarks/identity.py EMOJI.zip [--kimg 10] [--steps 500] [--out identity-run]

Emoji that come in six skin tones are identities of six images, at 32×32. A run learns four fifths of them,
without classes. Judged are its own samples, and three generators whose honesty is known:
    unseen      images of identities that the run held out, of the half that is not the reference
    one         one identity of training in colours between two of its own, so no image is a copy
    every       every identity of training, in the same way
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import ganwright as gw
from ganwright.evaluate import learned
from ganwright.model import Model, Samples

TONES, SIDE = 6, 32
SETTINGS = {
    "generator.width": 32,
    "discriminator.width": 32,
    "generator_optimiser.rate": 2e-3,
    "discriminator_optimiser.rate": 2e-3,
    "train.threads": 1,
    "train.score_features": "off",
    "data.image.identity": True,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("emoji", type=Path)
    parser.add_argument("--kimg", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=learned.STEPS, help="to learn features by")
    parser.add_argument("-n", type=int, default=300, help="samples")
    parser.add_argument("--out", type=Path, default=Path("identity-run"))
    o = parser.parse_args()
    learned.STEPS = o.steps
    images, whose = emoji(o.emoji)
    if not (o.out / "model" / "model.json").is_file():
        gw.train(
            (images, whose), out=o.out, recipe="relativistic", kimg=o.kimg, settings=SETTINGS,
            progress=False,
        )  # fmt: skip
    data = gw.open_data((images, whose), image={"identity": True})
    assert data.identities is not None
    rng = np.random.default_rng(0)
    unseen = data.examples(rng.permutation(data.heldout_halves[0])[: o.n])
    known = np.unique(data.identities[data.train])
    judged = {
        "the run's own samples": None,
        "unseen": unseen,
        "one": between(data, np.repeat(known[:1], o.n), rng),
        "every": between(data, np.resize(known, o.n), rng),
    }
    print(
        "| samples | n | identity leakage, 95 % | exact copies | closer than unseen |\n|---|---|---|---|---|"
    )
    for name, made in judged.items():
        card = card_of(o, made)
        entry, copies, closer = (card.measures[m] for m in ("identity", "copies", "closer"))
        print(
            f"| {name} | {card.n} | {entry.value:.3f} ({entry.low:.3f} to {entry.high:.3f}) | "
            f"{copies.value:.3f} | {closer.value:.3f} |",
            flush=True,
        )
        last = card
    print(
        f"\nreal, unseen identities: {last.measures['identity'].floor:.3f}; {'; '.join(last.notes)}"
    )


def emoji(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) uint8 on white, and whose each is, (n,), of those in six tones."""
    found = defaultdict(list)
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            found[re.sub(r"_1f3f[b-f]", "", Path(name).stem)].append(name)
        kept = {base: names for base, names in found.items() if len(names) == TONES}
        images = [small(archive.read(name)) for names in kept.values() for name in names]
    return np.stack(images), np.repeat(np.arange(len(kept)), TONES)


def small(file: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(file)).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(white.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def between(data: gw.Dataset, whose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of each identity an image between two of its own."""
    assert data.identities is not None
    made = []
    for one in whose:
        own = np.flatnonzero(data.identities == one)
        a, b = data.examples(rng.choice(own, 2, replace=False)).astype(float)
        share = rng.uniform(0.3, 0.7)
        made.append(np.rint(share * a + (1 - share) * b))
    return np.stack(made).astype(np.uint8)


def card_of(o: argparse.Namespace, made: np.ndarray | None) -> Any:
    """The card of the run, or of one whose model makes these images."""
    if made is None:
        return gw.evaluate(o.out, n=o.n, features="pixels")

    def planted(self: Model, n: int, **_: Any) -> Iterator[Samples]:
        yield Samples(0, made[:n], None)

    whole, Model.stream = Model.stream, planted  # type: ignore[method-assign]
    try:
        return gw.evaluate(o.out, n=len(made), features="pixels")
    finally:
        Model.stream = whole  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
