"""The images of a report that need the model and the data.

The samples compared with real examples are the card's own (the same seed), or the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.data import Dataset
from ganwright.evaluate import FeatureMatrix
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.neighbours import nearest
from ganwright.modalities.images.codec import ImageCodec
from ganwright.model import Model
from ganwright.report.inline import Inline, inline, read

GRID_SIDE = 8
KB = 1000
BLOCK = 500  # pictures read together
CLOSE = 2000  # samples compared with real examples
CLOSE_BYTES = 256 * 2**20
TRAINED = 50_000  # training examples a sample is compared with
CROWD = 5  # the k-th nearest real example: near where real examples are dense
PAIRS, ENDS = 8, 16
CLASSES, CLASS_COLUMNS = 20, 10
SNAPSHOTS, SNAPSHOT_ROWS = 8, 4


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A sample beside its nearest training example."""

    sample: Inline
    training: Inline
    distance: float


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """Samples of one class, and how often a classifier agrees with it."""

    name: str
    picture: Inline
    agreed: float | None = None


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Of each class: the share in what was asked (or in the data), and the share seen."""

    names: tuple[str, ...]
    asked: tuple[float, ...]
    seen: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Close:
    """The samples' nearest neighbours, and what a classifier sees."""

    n: int
    compared: int  # training examples
    pairs: tuple[Pair, ...] = ()
    typical: float | None = (
        None  # median distance of unseen examples to their nearest training example
    )
    nearest: float | None = None  # the least of these distances
    unseen: int = 0  # such examples
    best: Inline | None = None
    worst: Inline | None = None
    agreed: dict[str, float] = field(default_factory=dict)
    shares: Shares | None = None


def side_by_side(model: Model, data: Dataset | None) -> tuple[Inline, Inline | None, bool]:
    """A grid of samples and one of real examples, unseen in training where the last word is true.

    With classes, both show the same class in the same place.
    """
    codec = _codec(model)
    side = _side(codec)
    if data is None:
        grid = codec.grid(model.sample(side * side, seed=0), side)
        return inline(grid, f"{side * side} samples in a grid", most=300 * KB), None, False
    unseen = len(data.heldout) > 0
    pool = data.heldout if unseen else data.train
    rng = np.random.default_rng(seeds.derive(0, "report", "real"))
    chosen = np.sort(rng.permutation(pool)[: side * side])
    labels = None
    if data.labels is not None and model.spec.classes == data.spec.classes:
        chosen = chosen[np.argsort(data.labels[chosen], kind="stable")]
        labels = [int(label) for label in data.labels[chosen]]
    count = len(chosen)
    made = model.sample(count, seed=0, label=labels)
    kind = "real examples that the model never saw" if unseen else "real training examples"
    order = ", sorted by class" if labels else ""
    return (
        inline(codec.grid(made, side), f"{count} samples in a grid{order}", most=300 * KB),
        inline(
            data.codec.grid(data.rows[chosen], side),
            f"{count} {kind} in a grid{order}",
            most=300 * KB,
        ),
        unseen,
    )


def over_time(
    snapshots: Sequence[tuple[float, Path]], codec: ImageCodec | None
) -> list[Inline | None]:
    """The first rows of grids on disk, the whole grid where the size of a picture isn't known."""
    shown = []
    for kimg, path in snapshots:
        picture = read(path)
        if picture is not None and codec is not None:
            height = SNAPSHOT_ROWS * _cell(codec)[0] + 2
            picture = picture.crop((0, 0, picture.width, min(picture.height, height)))
        alt = f"Samples after {kimg:g} thousand examples"
        shown.append(None if picture is None else inline(picture, alt, most=80 * KB))
    return shown


def by_class(model: Model, agreed: dict[str, float]) -> list[ClassRow]:
    """A row of samples for each class, the first classes only where there are many."""
    shown, codec = [], _codec(model)
    for name in model.spec.classes[:CLASSES]:
        made = model.sample(
            CLASS_COLUMNS, seed=1, label=[model.spec.classes.index(name)] * CLASS_COLUMNS
        )
        grid = codec.grid(made, CLASS_COLUMNS)
        picture = inline(grid, f"{CLASS_COLUMNS} samples of class {name}", most=16 * KB)
        shown.append(ClassRow(name=name, picture=picture, agreed=agreed.get(name)))
    return shown


def look_close(model: Model, data: Dataset, extractor: Extractor, most: int, *, own: bool) -> Close:
    """Pairs, best and worst samples, and classes, of at most `most` samples.

    `own` says that `data` is what the model was trained on; else pairs would show nothing.
    """
    codec = _codec(model)
    each = codec.height * codec.width * codec.channels * np.dtype(codec.dtype).itemsize
    n = max(64, min(most, CLOSE, CLOSE_BYTES // each))
    blocks = list(model.stream(n, seed=seeds.derive(0, "evaluate")))
    made = np.concatenate([block.examples for block in blocks])
    seen = extractor.see(made)
    rng = np.random.default_rng(seeds.derive(0, "evaluate", "training"))
    trained = np.sort(rng.permutation(data.train)[:TRAINED])
    real = FeatureMatrix(_features(extractor, data, trained))
    k = min(CROWD, real.n)
    near = nearest(real, FeatureMatrix(seen.features), k=k)
    distances, whose = near.distances.cpu().numpy(), near.indices.cpu().numpy()
    crowd = np.argsort(distances[:, -1], kind="stable")
    pairs = []
    for i in np.argsort(distances[:, 0], kind="stable")[:PAIRS] if own else ():
        other = data.rows[trained[whose[i, 0]]][None]
        pairs.append(
            Pair(
                sample=_single(codec, made[i][None], "A sample"),
                training=_single(data.codec, other, "The nearest training example"),
                distance=float(distances[i, 0]),
            )
        )
    unseen = _unseen(real, data, extractor) if own else np.empty(0)
    labels = None if blocks[0].labels is None else np.concatenate([b.labels for b in blocks])
    agreed, shares = _classes(model, data, extractor, seen.probabilities, labels)
    ends = min(ENDS, n // 2)
    best, worst = (codec.grid(made[order[:ends]], GRID_SIDE) for order in (crowd, crowd[::-1]))
    return Close(
        n=n,
        compared=real.n,
        pairs=tuple(pairs),
        typical=float(np.median(unseen)) if len(unseen) else None,
        nearest=float(unseen.min()) if len(unseen) else None,
        unseen=len(unseen),
        best=inline(best, f"{ends} samples where real examples crowd most", most=90 * KB),
        worst=inline(worst, f"{ends} samples where real examples are rarest", most=90 * KB),
        agreed=agreed,
        shares=shares,
    )


def _unseen(real: FeatureMatrix, data: Dataset, extractor: Extractor) -> np.ndarray:
    """Distances of unseen real examples to their nearest training example."""
    if not len(data.heldout):
        return np.empty(0)
    unseen = _features(extractor, data, data.heldout[:CLOSE])
    return nearest(real, FeatureMatrix(unseen)).distances[:, 0].cpu().numpy()


def _classes(
    model: Model,
    data: Dataset,
    extractor: Extractor,
    probabilities: np.ndarray | None,
    labels: np.ndarray | None,
) -> tuple[dict[str, float], Shares | None]:
    """How often the classifier agrees with what was asked, and the shares; nothing without one."""
    names = extractor.classes
    if probabilities is None or not names:
        return {}, None
    taken = probabilities.argmax(1)
    seen = np.bincount(taken, minlength=len(names)) / len(taken)
    agreed = {}
    if labels is not None and model.spec.classes == names:
        asked = np.bincount(labels, minlength=len(names)) / len(labels)
        agreed = {
            name: float((taken[labels == i] == i).mean())
            for i, name in enumerate(names)
            if asked[i]
        }
    elif data.labels is not None and data.spec.classes == names:
        asked = np.bincount(data.labels[data.train], minlength=len(names)) / len(data.train)
    else:
        return {}, None
    return agreed, Shares(names=names, asked=tuple(map(float, asked)), seen=tuple(map(float, seen)))


def shares_over_time(
    snapshots: Sequence[tuple[float, Path]], codec: ImageCodec, extractor: Extractor
) -> list[tuple[float, list[float]]]:
    """(kimg, share of each class) of the pictures in the grids; empty where a grid loses something.

    Grids hold 8-bit pictures enlarged without smoothing, so 8-bit samples without alpha come out
    of them as they were.
    """
    if codec.dtype != "uint8" or codec.channels not in (1, 3) or not extractor.classes:
        return []
    table = []
    for kimg, path in snapshots:
        grid = read(path)
        made = None if grid is None else _cut(np.asarray(grid), codec)
        if made is None:
            continue
        probabilities = extractor.see(made).probabilities
        if probabilities is not None:
            counts = np.bincount(probabilities.argmax(1), minlength=len(extractor.classes))
            table.append((kimg, [float(share) for share in counts / len(made)]))
    return table


def _cut(sheet: np.ndarray, codec: ImageCodec) -> np.ndarray | None:
    """The pictures of a grid (n, H, W, C), or None when it is not of this codec's size."""
    height, width = _cell(codec)
    scale = (height - 2) // codec.height
    sheet = sheet[:, :, None] if sheet.ndim == 2 else sheet
    fits = (sheet.shape[0] - 2) % height == 0 and (sheet.shape[1] - 2) % width == 0
    if not fits or sheet.shape[2] != codec.channels or sheet.dtype != np.uint8:
        return None
    found = [
        sheet[y + 2 : y + height : scale, x + 2 : x + width : scale]
        for y in range(0, sheet.shape[0] - 2, height)
        for x in range(0, sheet.shape[1] - 2, width)
    ]
    return np.ascontiguousarray(np.stack(found)) if found else None


def _cell(codec: ImageCodec) -> tuple[int, int]:
    """Height and width of one place in a grid of this codec's, with its gap."""
    blank = np.zeros((1, codec.height, codec.width, codec.channels), codec.dtype)
    width, height = codec.grid(blank, 1).size
    return height - 2, width - 2


def _features(extractor: Extractor, data: Dataset, indices: np.ndarray) -> np.ndarray:
    blocks = (data.rows[indices[i : i + BLOCK]] for i in range(0, len(indices), BLOCK))
    return np.concatenate([part.features for part in extractor.stream(blocks)])


def _codec(model: Model) -> ImageCodec:
    """The codec of a model of pictures; nothing else is shown here."""
    codec: Any = model.codec
    assert codec.kind == ImageCodec.kind
    return codec


def _side(codec: ImageCodec) -> int:
    """How many pictures a grid has a side: fewer where they are large."""
    return max(3, min(GRID_SIDE, 1200 // max(codec.height, codec.width)))


def _single(codec: ImageCodec, pictures: np.ndarray, alt: str) -> Inline:
    scale = max(1, -(-96 // max(codec.height, codec.width)))
    grid = codec.grid(pictures, 1, scale)
    inside = grid.crop((2, 2, grid.width - 2, grid.height - 2))
    return inline(inside, alt, most=16 * KB)
