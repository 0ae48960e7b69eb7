"""Sounds → files: a folder of .wav, or one .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base.names import Names
from ganwright.data.writers import ArrayWriter, FolderWriter, Writing, chosen_format
from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.waves import WHITE, write_wav

_SUFFIXES = {".npz": "npz", "": "wav"}


def format_for(codec: AudioCodec, path: Path, format: str | None) -> str:  # noqa: A002
    """The format given, or what the suffix of `path` says. Raises OptionError."""
    return chosen_format(
        path, format, _SUFFIXES, codec.formats, "sounds", ("a folder (of .wav)", ".npz")
    )


class WavWriter(FolderWriter["AudioCodec"]):
    """A folder with 000000.wav, … at the data's rate and depth, and samples.csv (file, label, seed).

    The silence that pads a sound to the common length is left off.
    """

    suffix = ".wav"

    def _save(self, sample: np.ndarray, path: Path) -> None:
        with path.open("wb") as file:
            write_wav(file, self.codec.trimmed(sample), self.codec.rate, self.codec.depth)


class NpzWriter(ArrayWriter["AudioCodec"]):
    """One .npz: `samples` (n, length) float32 in [-1, 1], `rate`, and labels where there are classes."""

    def _form(self) -> tuple[tuple[int, ...], str]:
        return (self.codec.length,), "float32"

    def _add(self, samples: np.ndarray, labels: list[int | None], seeds: np.ndarray) -> None:
        super()._add(samples.astype(np.float32) / WHITE, labels, seeds)

    def _end(self) -> None:
        super()._end()
        self._write("rate", np.array(self.codec.rate))


WRITERS: Names[type[Writing[Any]]] = Names("format", {"wav": WavWriter, "npz": NpzWriter})
