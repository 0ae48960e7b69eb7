"""A file of waves, read, hashed and split."""

from __future__ import annotations

import numpy as np

from ganwright.base.spec import Spec
from ganwright.data import DataOptions, Dataset
from ganwright.data.split import split

from .codec import WaveCodec
from .find import WaveSource


def dataset(source: WaveSource, options: DataOptions) -> Dataset:
    codec, waves = WaveCodec(), np.loadtxt(source.path, np.float32)
    hashes = codec.digests(waves).view(np.uint64)[:, 0]
    parts = split(hashes, options.holdout, None)
    return Dataset(
        name=source.path.stem, kind="waves", source=str(source.path.resolve()),
        spec=Spec(axes=("time",), shape=codec.shape), codec=codec,
        fingerprint=f"{int(hashes.sum(dtype=np.uint64)):016x}", rows=waves, labels=None,
        train=parts.train, heldout=parts.heldout, dropped=parts.dropped, hashes=hashes,
        skipped=(), ignored={}, options=options, notes=(), name_of=lambda i: f"line {i + 1}",
    )  # fmt: skip
