"""A table with a column of every kind, and its codec."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganwright.modalities.tables.codec.table import TableCodec
from ganwright.modalities.tables.columns.column import Kind
from ganwright.modalities.tables.columns.schema import infer_columns
from ganwright.modalities.tables.options import TableOptions


def make_codec(
    table: pa.Table, kinds: dict[str, Kind] | None = None, **options: object
) -> TableCodec:
    """The codec of a canonical table."""
    chosen = TableOptions(**options)  # type: ignore[arg-type]
    return TableCodec.fit(table, infer_columns(table, kinds or {}), chosen)


def draw(
    codec: TableCodec, count: int, share: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Codes (count, C) with the shares of training, times `share`: as a perfect model would."""
    rng = np.random.default_rng(seed)
    weights = codec.weights() * (1 if share is None else share)
    codes = np.empty((count, len(codec.fields)), np.int32)
    for c, (start, end) in enumerate(zip(codec.offsets, codec.offsets[1:], strict=False)):
        part = weights[start:end]
        codes[:, c] = rng.choice(len(part), count, p=part / part.sum())
    return codes


@dataclass(frozen=True)
class Everything:
    """A table of every kind, as Arrow and as pandas have it."""

    table: pa.Table
    codec: TableCodec

    def sample(self, where: object, count: int = 1500) -> pd.DataFrame:
        """Rows under a condition."""
        condition = self.codec.allowed(where)  # type: ignore[arg-type]
        codes = draw(self.codec, count, condition.share)
        places = np.random.default_rng(1).random(codes.shape)
        return self.codec.join([self.codec.table(codes, places, condition)])


def every_kind(count: int = 4000, seed: int = 0) -> pa.Table:
    """Columns of all kinds, some with missing values."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=count)
    return pa.table(
        {
            "age": rng.integers(17, 91, count),
            "gain": np.where(rng.random(count) < 0.9, 0, rng.lognormal(8, 1, count).astype(int)),
            "x": normal,
            "single": normal.astype(np.float32),
            "price": pa.array(
                np.round(rng.lognormal(3, 1, count) * 20) / 20, mask=rng.random(count) < 0.1
            ),
            "tens": rng.integers(0, 5000, count) * 10,
            "mixed": np.where(rng.random(count) < 0.3, 0.0, normal),
            "small": pa.array(rng.integers(-3, 4, count).astype(np.int8)),
            "when": pa.array(rng.integers(0, 10**9, count) * 10**6, pa.timestamp("us", "UTC")),
            "day": pa.array(rng.integers(10_000, 20_000, count).astype(np.int32)).cast(pa.date32()),
            "written": pa.array([f"{y}{m:02d}{d:02d}" for y, m, d in _dates(rng, count)]).cast(
                pa.int64()
            ),
            "clock": pa.array(rng.integers(0, 86_400, count).astype(np.int32), pa.time32("s")),
            "sex": rng.choice(["Female", "Male"], count),
            "member": pa.array(rng.random(count) < 0.2),
            "city": pa.array(
                [f"town, {i}" for i in np.minimum(rng.zipf(1.3, count), 10**5)],
                mask=rng.random(count) < 0.05,
            ),
            "grade": pa.array(rng.integers(1, 5, count)),
            "id": [f"ID-{i:07d}" for i in range(count)],
            "number": np.arange(100, 100 + count),
            "same": ["always"] * count,
            "nothing": pa.nulls(count, pa.float64()),
        }
    )


def _dates(rng: np.random.Generator, count: int) -> list[tuple[int, int, int]]:
    parts = (
        rng.integers(1990, 2020, count),
        rng.integers(1, 13, count),
        rng.integers(1, 29, count),
    )
    return list(zip(*(part.tolist() for part in parts), strict=True))


KINDS: dict[str, Kind] = {"city": "category", "grade": "category", "number": "identifier"}


@pytest.fixture(scope="session")
def everything() -> Everything:
    table = every_kind()
    return Everything(table, make_codec(table, KINDS))
