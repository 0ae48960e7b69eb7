"""Pictures to be translated and pictures that they should become, as one data set.

Paired, by file name, an example is a picture and its partner. Unpaired, it is one picture of each set, put
together by chance: a translator is given the one, and the discriminator sees the other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import DataError
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.open import find_source
from ganwright.data.options import DataOptions
from ganwright.data.split import split
from ganwright.modalities.images.classmaps import MapCodec, PairCodec, map_source, values_of
from ganwright.modalities.images.content import range_of
from ganwright.modalities.images.dataset import Decoded, codec_for, decoded
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.read.source import PICTURE_FILES, ImageSource
from ganwright.modalities.images.spec import AXES, ImageSpec

if TYPE_CHECKING:
    import torch

Numbers = np.ndarray  # of decoded pictures, int64


@dataclass(frozen=True)
class Taken:
    """Rows of an array by number, without a copy: ``rows[take]``, read when it is indexed."""

    rows: np.ndarray
    take: Numbers

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.take), *self.rows.shape[1:])

    def __len__(self) -> int:
        return len(self.take)

    def __getitem__(self, index: Any) -> np.ndarray:
        found: np.ndarray = self.rows[self.take[index]]
        return found


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PairedDataset(Dataset):
    """`rows` are the pictures to be made, `given` those to make them from; a batch has both side by side."""

    given: Taken

    def batch(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Both pictures as stored, (b, H, W, given + made); no labels."""
        import torch

        chosen = np.asarray(indices)
        return torch.from_numpy(np.concatenate([self.given[chosen], self.rows[chosen]], -1)), None


def dataset(source: ImageSource, options: DataOptions) -> Dataset:
    """The pictures of `source` and those that the options name as its target. Raises DataError."""
    o = options.of(ImageOptions)
    target = _target(source, str(o.to))
    made = decoded(target, options)
    size = (made.plan.height, made.plan.width)
    given, maps = _given(source, options, size)
    if o.paired:
        first, second, lost = _by_name(given, made)
        parts = split(given.rows.hashes[first], options.holdout, None)
        train, heldout = parts.train, parts.heldout
    else:
        lost = ()
        first, second, train, heldout = _by_chance(given, made, options.holdout)
    if lost and options.bad == "refuse":
        raise DataError(f"'{source.path}': {lost[0].name} {lost[0].reason}")
    low, high, ranged = range_of(made.rows.extremes[second[train]], made.plan.dtype)
    target_codec = codec_for(made.plan, low, high)
    sees: Any
    if maps:
        sees = MapCodec(values=values_of(given.rows.pixels))
    else:
        least, most, _ = range_of(given.rows.extremes[first[train]], given.plan.dtype)
        sees = codec_for(given.plan, least, most)
    codec = PairCodec(**vars(target_codec), source=sees)
    how = "pairs by name" if o.paired else "put together by chance"
    return PairedDataset(
        name=f"{source.name}-to-{target.name}",
        kind=source.kind,
        source=source.path,
        spec=ImageSpec(axes=AXES, shape=codec.shape),
        codec=codec,
        fingerprint=_fingerprint(codec, given, made, first, second, train, heldout),
        rows=Taken(made.rows.pixels, second),
        given=Taken(given.rows.pixels, first),
        labels=None,
        train=train,
        heldout=heldout,
        dropped=np.empty(0, np.int64),
        hashes=made.rows.hashes[second],
        skipped=(*given.skipped, *made.skipped, *lost),
        ignored=dict(source.ignored),
        options=options.having(replace(o, size=size, to=target.path)),
        notes=tuple(
            note
            for note in (
                f"from {sees.makes} to {codec.makes}: {len(first):,} {how}, of "
                f"{len(given.rows.kept):,} and {len(made.rows.kept):,} pictures",
                *made.rules,
                ranged,
            )
            if note
        ),
        name_of=lambda index: given.name(int(first[index])),
    )


def _target(source: ImageSource, path: str) -> ImageSource:
    """The pictures that those of `source` should become."""
    found = find_source(path, DataOptions(form="image"))
    if not isinstance(found, ImageSource):
        raise DataError(f"'{path}' holds no pictures")
    if Path(found.path).resolve() == Path(source.path).resolve():
        raise DataError(
            f"'{path}' is both what is given and what it should become; name two folders"
        )
    return found


def _given(
    source: ImageSource, options: DataOptions, size: tuple[int, int]
) -> tuple[Decoded, bool]:
    """The pictures to translate at a size, and whether they are class maps."""
    o = options.of(ImageOptions)
    if o.maps and not o.paired:
        raise DataError(
            "data.maps: class maps need pairs; without, they can't be told from pictures"
        )
    maps = map_source(source, o.maps) if o.paired else None
    if maps is None:
        return decoded(source, options.having(replace(o, size=size, channels=None))), False
    return decoded(maps, options.having(replace(o, size=size, channels=1)), nearest=True), True


# --- which belongs to which ----------------------------------------------------------------------


def _by_name(given: Decoded, made: Decoded) -> tuple[Numbers, Numbers, tuple[Skipped, ...]]:
    """The numbers of pictures and of their partners, and what has none. Raises DataError."""
    one, other = _keys(given, full=True), _keys(made, full=True)
    if not one.keys() & other.keys():  # in folders of other names
        one, other = _keys(given, full=False), _keys(made, full=False)
    common = [key for key in one if key in other]
    paths = f"'{given.source.path}' and '{made.source.path}'"
    if not common:
        raise DataError(
            f"{paths} have no file name in common: {given.name(0)} … and {made.name(0)} …; pictures "
            "without partners are translated with --from A/ --to B/"
        )
    lost = [*_doubles(given, one), *_doubles(made, other)]
    lost += [Skipped(given.name(i), _alone(made)) for key, i in one.items() if key not in other]
    lost += [Skipped(made.name(i), _alone(given)) for key, i in other.items() if key not in one]
    pairs = []
    for key in common:
        i, j = one[key], other[key]
        size, partner = given.size(i), made.size(j)
        if size == partner:
            pairs.append((i, j))
        else:
            what = f"is {size[0]}×{size[1]}, its partner {made.name(j)} {partner[0]}×{partner[1]}"
            lost.append(Skipped(given.name(i), what))
    if len(pairs) < 2:
        raise DataError(
            f"{paths} have {len(pairs)} usable pairs, at least 2 are needed; "
            f"{lost[0].name} {lost[0].reason}"
        )
    first, second = np.array(pairs, np.int64).T
    if (given.rows.hashes[first] == made.rows.hashes[second]).all():
        raise DataError(f"{paths}: every picture equals its partner, so there is nothing to learn")
    return first, second, tuple(lost)


def _doubles(side: Decoded, keys: dict[str, int]) -> list[Skipped]:
    """Pictures that have the name of an earlier one, but for suffix or folder."""
    rest = sorted(set(range(len(side.rows.kept))) - set(keys.values()))
    return [Skipped(side.name(i), "has the name of another picture") for i in rest]


def _alone(others: Decoded) -> str:
    return f"has no partner of its name in '{others.source.path}'"


def _keys(side: Decoded, *, full: bool) -> dict[str, int]:
    """The number of each picture by its path without suffix, or by its name alone; of arrays by number."""
    found: dict[str, int] = {}
    for i in range(len(side.rows.kept)):
        name = PurePosixPath(side.name(i))
        key = str(name.with_suffix("")) if full else name.stem
        if side.source.kind not in PICTURE_FILES:
            key = str(int(side.rows.kept[i]))
        found.setdefault(key, i)
    return found


def _by_chance(
    given: Decoded, made: Decoded, holdout: float
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Partners for all pictures of both sets, some more than once; and which pairs are held out."""
    parts = [split(side.rows.hashes, holdout, None) for side in (given, made)]
    trained = _together(parts[0].train, parts[1].train, "train")
    held = _together(parts[0].heldout, parts[1].heldout, "heldout")
    first, second = np.concatenate([trained, held], axis=1)
    return first, second, np.arange(trained.shape[1]), np.arange(trained.shape[1], len(first))


def _together(one: Numbers, other: Numbers, part: str) -> np.ndarray:
    """(2, n): every number of both, shuffled, the fewer ones repeated; none where one is empty."""
    if not (len(one) and len(other)):
        return np.empty((2, 0), np.int64)
    rng = np.random.default_rng(seeds.derive(0, "unpaired", part))
    n = max(len(one), len(other))
    return np.stack([np.resize(rng.permutation(side), n) for side in (one, other)])


def _fingerprint(codec: PairCodec, given: Decoded, made: Decoded, *numbers: Numbers) -> str:
    about = json.dumps([codec.to_json(), vars(given.plan), vars(made.plan)])
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    for array in (given.rows.hashes, made.rows.hashes, *numbers):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
