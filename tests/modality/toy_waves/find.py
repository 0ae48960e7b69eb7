"""Waves lie in a file with the suffix .waves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganwright.data import DataOptions

NAMES: tuple[str, ...] = ()
UNDERSTOOD = "waves (.waves)"


@dataclass(frozen=True)
class WaveSource:
    path: Path
    modality = "wave"


def find(given: object, options: DataOptions) -> WaveSource | None:
    return WaveSource(given) if isinstance(given, Path) and given.suffix == ".waves" else None
