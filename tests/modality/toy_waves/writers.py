"""Waves to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ganwright.data.writers import Writing, chosen_format

from .codec import WaveCodec, written


def format_for(codec: WaveCodec, path: Path, form: str | None) -> str:
    return chosen_format(path, form, {".waves": "waves"}, codec.formats, "waves", [".waves"])


class WaveWriter(Writing[WaveCodec]):
    def _begin(self, aside: Path) -> None:
        self._file = self._stack.enter_context(aside.open("w", encoding="utf-8"))

    def _add(self, samples: np.ndarray, labels: Any, seeds: np.ndarray) -> None:
        self._file.write(written(samples))

    def _end(self) -> None: ...


WRITERS = {"waves": WaveWriter}
