"""Inspects series, and what training would do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganwright.data.inspect import Inspection, Lines, general
from ganwright.data.options import DataOptions
from ganwright.modalities.series.columns import CONSTANT, ID
from ganwright.modalities.series.dataset import SeriesSource, dataset
from ganwright.modalities.series.innovations import carried
from ganwright.modalities.series.options import SeriesOptions
from ganwright.modalities.series.quality import autocorrelations
from ganwright.modalities.series.scale import Scale

_FEW, _NAMED = 200, 40
_BENT = {"log": "learned as logarithms", "asinh": "heavy tails, bent"}


@dataclass(frozen=True, kw_only=True)
class SeriesInspection(Inspection):
    """What `inspect_data` found in series.

    `channels` says of each by name: its range, share of missing values, and how it is learned.
    """

    rows: int
    series: int
    shortest: int
    longest: int
    time: str
    rate: str
    first: str
    last: str
    length: int
    stride: int
    channels: dict[str, dict[str, Any]]
    described: tuple[str, ...]
    classes: dict[str, int]
    duplicates: int

    def lines(self) -> Lines:
        spans = f"{self.shortest:,} steps" + (
            "" if self.shortest == self.longest else f" to {self.longest:,}"
        )
        found = [
            ("series", f"{self.series:,} of {spans}"),
            ("times", f"'{self.time}': {self.rate}, {self.first} to {self.last}"),
            ("windows", f"{self.usable:,} of {self.length} steps, every {self.stride}"),
        ]
        for name, about in list(self.channels.items())[:_NAMED]:
            found.append(("channel", f"{name}: {_told(about)}"))
        if (more := len(self.channels) - _NAMED) > 0:
            found.append(("channel", f"and {more:,} more"))
        found.append(("described", ", ".join(self.described)))
        found.append(("classes", ", ".join(f"{name}: {n:,}" for name, n in self.classes.items())))
        found.append(("duplicates", f"{self.duplicates:,} windows" if self.duplicates else "none"))
        return found


def _told(about: dict[str, Any]) -> str:
    said = f"{about['low']:g} to {about['high']:g}"
    if about["missing"]:
        said += f", {about['missing']:.1%} missing"
    said += f", {about['memory']:.2f} correlated with the step before"
    return said + (f", {_BENT[about['bend']]}" if about["bend"] in _BENT else "")


def inspect(found: SeriesSource, options: DataOptions) -> SeriesInspection:
    """Looks through series as `open_data` would open them."""
    data = dataset(found, options)
    codec, series = data.codec, data.rows.series
    lengths = np.diff(series.bounds)
    scaled = codec.scaled(
        data.examples(data.train[:: -(-len(data.train) // 1000)])[..., : codec.width]
    )
    memory = autocorrelations(carried(scaled))[0]
    channels = {
        name: _channel(series.values[:, c], codec.scales[c], float(memory[c]))
        for c, name in enumerate(codec.names)
    }
    ends = codec.clock.written(series.times[[0, -1]]).to_pylist()
    warnings = (
        (
            len(data.train) < _FEW,
            f"few windows: {len(data.train):,} to train on, which may be memorised",
        ),
        (not len(data.heldout), "nothing is held out: scores will be too optimistic"),
    )
    roles = {c.name: c.role for c in codec.columns}
    classes = codec.seen.classes
    counts = (
        [] if data.labels is None else np.bincount(data.labels, minlength=len(classes)).tolist()
    )
    return SeriesInspection(
        **general(data),
        rows=len(series.values),
        series=len(lengths),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        time=codec.clock.name,
        rate=codec.clock.rate,
        first=str(ends[0]),
        last=str(ends[1]),
        length=codec.length,
        stride=options.of(SeriesOptions).stride,
        channels=channels,
        described=tuple(f"{n} ({r})" for n, r in roles.items() if r in ("static", CONSTANT, ID)),
        classes=dict(zip(classes, counts, strict=True)),
        duplicates=len(data) - len(np.unique(data.hashes)),
        warnings=tuple(text for true, text in warnings if true),
    )


def _channel(values: np.ndarray, scale: Scale, memory: float) -> dict[str, Any]:
    there = values[~np.isnan(values)]
    return {
        "low": float(there.min()), "high": float(there.max()),
        "missing": 1 - len(there) / len(values),
        "memory": memory, "bend": scale.bend,
    }  # fmt: skip
