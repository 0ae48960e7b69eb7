"""Windows of series ↔ what the nets see: innovations, values, and where values are missing."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ganwright.base.errors import ModelError, WorkError
from ganwright.base.packed import pack, unpack
from ganwright.data.codec import Codec
from ganwright.modalities.series import clock as times
from ganwright.modalities.series.clock import Clock, counted
from ganwright.modalities.series.columns import (
    CHANNEL,
    CLASS,
    CONSTANT,
    ID,
    STATIC,
    TIME,
    Column,
)
from ganwright.modalities.series.innovations import Memory, carried, fitted
from ganwright.modalities.series.options import LONGEST
from ganwright.modalities.series.read import Series
from ganwright.modalities.series.scale import Scale
from ganwright.modalities.series.spec import AXES, SeriesSpec
from ganwright.modalities.series.windows import Windows

if TYPE_CHECKING:
    import torch

FITTED = 4000  # training windows that the autocovariances are of
DESCRIBED = 1024  # training windows whose descriptions are kept
ID_NAME, DRAW = "series", "draw"  # columns that tell samples apart
_SHOWN = 8  # samples that are printed


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesCodec(Codec):
    """Windows (b, T, C + S) in the data's own units ↔ (b, K, T).

    The first C of a window are channels, NaN where missing; the other S, the same at every step, describe
    the series: numbers, places of words, the class last. K is 2C and the number of channels with holes.
    `seen` is all that the nets know.
    """

    columns: tuple[Column, ...]
    clock: Clock
    scales: tuple[Scale, ...]
    seen: SeriesSpec

    kind = "series"
    spec_type = SeriesSpec
    formats = ("csv", "parquet", "npz")
    default_suffix = snapshot_suffix = ".csv"
    scored_by = ("windows", "windows")

    @classmethod
    def fit(cls, series: Series, found: Windows) -> SeriesCodec:
        """The codec of the training windows."""
        length = found.length
        begins = found.starts[found.train]
        trained = np.zeros(len(series.values) + 1, np.int64)
        np.add.at(trained, begins, 1)
        np.add.at(trained, begins + length, -1)
        rows = np.cumsum(trained[:-1]) > 0
        values = series.values[rows]
        scales = tuple(Scale.fit(values[:, c]) for c in range(values.shape[1]))
        holes = tuple(np.flatnonzero(np.isnan(values).any(0)).tolist())
        some = begins[:: -(-len(begins) // FITTED)]
        raw = series.values[some[:, None] + np.arange(length)]
        scaled = carried(np.stack([s.forth(raw[..., c]) for c, s in enumerate(scales)], 2))
        means, covariances = fitted(scaled)
        described, sizes = _described(series, found)
        classes = next((c.values for c in series.columns if c.role == CLASS), ())
        numeric = np.array(sizes, bool) == 0
        middles = np.where(numeric, np.nan_to_num(described).mean(0), 0.0)
        spreads = np.where(numeric, np.nan_to_num(described).std(0), 1.0)
        spec = SeriesSpec(
            axes=AXES,
            shape=(2 * len(scales) + len(holes), length),
            classes=classes,
            channels=len(scales),
            holes=holes,
            present=_rounded(np.clip(1 - np.isnan(values).mean(0)[list(holes)], 1e-3, 0.999)),
            means=_rounded(means),
            covariances=_rounded(covariances),
            sizes=sizes,
            middles=_rounded(middles),
            spreads=_rounded(np.where(spreads > 0, spreads, 1.0)),
            described=_rounded(described[:: -(-len(described) // DESCRIBED)]),
        )
        return cls(columns=series.columns, clock=series.clock, scales=scales, seen=spec)

    def spec(self) -> SeriesSpec:
        """What the nets see of a window."""
        return self.seen

    @property
    def length(self) -> int:
        """Steps of a window."""
        return self.seen.length

    @property
    def width(self) -> int:
        """How many channels."""
        return len(self.scales)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.seen.shape

    @property
    def dtype(self) -> str:
        """Of the numbers."""
        return "float64"

    @cached_property
    def channels(self) -> tuple[Column, ...]:
        """The columns that are learned; one without a name holds the gaps between times."""
        return tuple(column for column in self.columns if column.role == CHANNEL)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the channels are called."""
        return tuple(c.name or f"gaps of {self.clock.name}" for c in self.channels)

    @cached_property
    def statics(self) -> tuple[Column, ...]:
        """The columns that describe a series, the class last."""
        found = [c for c in self.columns if c.role == STATIC]
        return (*found, *(c for c in self.columns if c.role == CLASS))

    @cached_property
    def memory(self) -> Memory:
        """How the channels' values go on from those before."""
        return self.seen.memory

    # --- both ways ------------------------------------------------------------------------------

    def scaled(self, examples: np.ndarray) -> np.ndarray:
        """The channels (b, T, C) of windows in deviations; NaN stays."""
        return np.stack([s.forth(examples[..., c]) for c, s in enumerate(self.scales)], 2)

    def stored(self, examples: np.ndarray) -> np.ndarray:
        """Windows (b, T, C + S) → (b, K + S, T) float32: as the nets see them, and what describes them."""
        x = self.scaled(examples[..., : self.width])
        there = ~np.isnan(x)
        values = carried(x).transpose(0, 2, 1)
        moved = values - self.memory.means
        innovations = np.arcsinh(np.einsum("cts,bcs->bct", self.memory.back, moved))
        masks = there.transpose(0, 2, 1)[:, list(self.seen.holes)]
        told = examples[..., self.width :].transpose(0, 2, 1)
        return np.concatenate([innovations, values, masks, told], 1).astype(np.float32)

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """(b, K + S, T) → (b, K, T)."""
        return stored[:, : self.shape[0]]

    def decode(
        self, x: torch.Tensor, places: Any = None, allowed: Any = None, *, start: int = 0
    ) -> np.ndarray:
        """(b, K + S, T) → windows (b, T, C + S). Raises WorkError when `x` holds NaN."""
        made = x.detach().cpu().numpy().astype(np.float64)
        count, seen = self.width, self.shape[0]
        if np.isnan(made[:, :seen]).any():
            raise WorkError("the samples hold NaN: the model is damaged or its training diverged")
        channels = []
        for c, (scale, column) in enumerate(zip(self.scales, self.channels, strict=True)):
            values = scale.back(made[:, count + c])
            if column.decimals is not None:
                values = np.clip(np.round(values, column.decimals), scale.low, scale.high)
            if c in self.seen.holes:
                values = np.where(
                    made[:, 2 * count + self.seen.holes.index(c)] > 0.5, values, np.nan
                )
            channels.append(values)
        told = made[:, seen:]
        return np.concatenate([np.stack(channels, 1), told], 1).transpose(0, 2, 1)

    def digests(self, examples: np.ndarray) -> np.ndarray:
        """A hash of each window's content, (n, 8) uint8."""
        marks = [
            hashlib.blake2b((np.ascontiguousarray(one) + 0.0).tobytes(), digest_size=8).digest()
            for one in examples
        ]
        return np.frombuffer(b"".join(marks), np.uint8).reshape(-1, 8)

    # --- the user's edge ------------------------------------------------------------------------

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        return f"series of {self.length} steps and {counted(self.width, 'channel')}"

    def table(
        self,
        examples: np.ndarray,
        *,
        first: int = 1,
        names: np.ndarray | None = None,
        begins: np.ndarray | None = None,
        skip: np.ndarray | None = None,
        draws: np.ndarray | None = None,
    ) -> pa.Table:
        """Windows (b, T, C + S) as the data's own columns, one below the other.

        Samples are numbered from `first` or have `names`; their times begin at `begins` (b,), the first
        of the data where not given. The first `skip` (b,) steps are left out, as are those at which
        all is missing. `draws` (b,) become a column of their own.
        """
        count, length = examples.shape[:2]
        begins = np.full(count, self.clock.start) if begins is None else begins
        gone = np.tile(np.arange(length, dtype=np.float64), (count, 1))
        if not self.clock.regular:
            spans = examples[..., self.width - 1].copy()
            spans[:, 0] = 0
            gone = np.cumsum(np.nan_to_num(spans, nan=self.clock.step), 1)
        else:
            gone = gone.astype(np.int64)
        when = self.clock.after(begins, gone)
        keep = ~np.isnan(examples[..., : self.width]).all(2)
        if skip is not None:
            keep &= np.arange(length) >= skip[:, None]
        which = np.nonzero(keep)[0]
        numbers = np.arange(first, first + count)
        own = {ID: numbers if names is None else names}
        arrays: dict[str, pa.Array] = {}
        if not any(column.role == ID for column in self.columns) and draws is None:
            arrays[self.id_name] = pa.array(own[ID][which])
        place = {c.name: i for i, c in enumerate((*self.channels, *self.statics))}
        for column in self.columns:
            if column.role == TIME:
                arrays[column.name] = self.clock.written(when[keep])
            elif column.role == ID:
                arrays[column.name] = _typed(own[ID][which], column.type)
            elif column.role == CONSTANT:
                value = column.values[0] if column.values else None
                arrays[column.name] = _repeated(value, column.type, len(which))
            elif column.name:
                arrays[column.name] = column.written(examples[..., place[column.name]][keep])
        if draws is not None:
            arrays[DRAW] = pa.array(draws[which])
        return pa.table(arrays)

    @property
    def id_name(self) -> str:
        """What the column that tells samples apart is called."""
        found = [column.name for column in self.columns if column.role == ID]
        if found:
            return found[0]
        names = {column.name for column in self.columns}
        return ID_NAME if ID_NAME not in names else f"{ID_NAME}_"

    def join(self, blocks: Iterable[np.ndarray]) -> Any:
        """Windows as a DataFrame with the data's own columns."""
        return self.table(np.concatenate(list(blocks))).to_pandas()

    def html(self, samples: Any) -> str:
        """The first rows of samples, in a notebook."""
        return f"<pre>{html.escape(samples.head(_SHOWN * 4).to_string(index=False))}</pre>"

    def save_snapshot(self, path: Path, samples: np.ndarray, columns: int) -> None:
        """Writes samples as a table."""
        self.table(samples).to_pandas().to_csv(path, index=False)

    # --- saving ---------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        spec = self.seen
        return {
            "kind": self.kind,
            "length": self.length,
            "columns": [column.to_json() for column in self.columns],
            "clock": asdict(self.clock),
            "scales": [scale.to_json() for scale in self.scales],
            "classes": list(spec.classes),
            "holes": list(spec.holes),
            "sizes": list(spec.sizes),
            **{name: pack(np.array(getattr(spec, name), np.float64)) for name in _NUMBERS},
        }

    @classmethod
    def from_json(cls, tree: Any) -> SeriesCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            columns = tuple(Column.from_json(one) for one in tree["columns"])
            scales = tuple(Scale.from_json(one) for one in tree["scales"])
            holes, length = tuple(int(hole) for hole in tree["holes"]), int(tree["length"])
            spec = SeriesSpec(
                axes=AXES,
                shape=(2 * len(scales) + len(holes), length),
                classes=tuple(str(one) for one in tree["classes"]),
                channels=len(scales),
                holes=holes,
                sizes=tuple(int(size) for size in tree["sizes"]),
                **{name: tuple(unpack(tree[name], name).tolist()) for name in _NUMBERS},
            )
            codec = cls(
                columns=columns, clock=times.from_json(tree["clock"]), scales=scales, seen=spec
            )
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            pa.ArrowException,
        ) as e:
            raise ModelError(f"model.json: 'codec' is not readable ({e!r:.200})") from None
        spec.check()
        fits = len(codec.channels) == len(scales) and len(codec.statics) == len(spec.sizes)
        if not fits or not 2 <= length <= LONGEST:
            raise ModelError(f"model.json: impossible codec of {len(scales)} channels")
        return codec


_NUMBERS = ("present", "means", "covariances", "middles", "spreads", "described")


def _described(series: Series, found: Windows) -> tuple[np.ndarray, tuple[int, ...]]:
    """What describes each training window (n, S), and how many values each number of it has."""
    whose = found.series[found.train]
    parts = [series.statics[whose]]
    columns = [column for column in series.columns if column.role == STATIC]
    if series.classes is not None:
        parts.append(series.classes[found.starts[found.train]][:, None])
        columns += [column for column in series.columns if column.role == CLASS]
    return np.concatenate(parts, 1), tuple(len(c.values) if c.words else 0 for c in columns)


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Plain numbers of nine digits; missing descriptions count as 0."""
    return tuple(float(f"{value:.9g}") for value in np.nan_to_num(values).reshape(-1))


def _typed(values: np.ndarray, kind: str) -> pa.Array:
    if kind == "string":
        return pa.array([str(value) for value in values], pa.string())
    try:
        return pa.array(values).cast(pa.type_for_alias(kind))
    except (pa.ArrowException, ValueError):
        return pa.array([str(value) for value in values], pa.string())


def _repeated(value: str | None, kind: str, count: int) -> pa.Array:
    if value is None:
        return pa.nulls(count, pa.type_for_alias(kind))
    known: Any = value if kind == "string" else float(value)
    return pa.array([known] * count).cast(pa.type_for_alias(kind))


CODEC = SeriesCodec
