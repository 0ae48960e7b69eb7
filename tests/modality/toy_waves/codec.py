"""Waves as stored (b, 16) float32 in [-1, 1] ↔ the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganwright.data import Codec

LENGTH = 16


class WaveCodec(Codec):
    kind = "wave"
    formats = ("waves",)
    default_suffix = snapshot_suffix = ".waves"
    scored_by = ("samples", "samples")
    makes = f"waves of {LENGTH} numbers"
    shape = (LENGTH,)

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        return stored.float()

    def decode(
        self, x: torch.Tensor, places: Any = None, allowed: Any = None, *, start: int = 0
    ) -> np.ndarray:
        return x.detach().cpu().numpy().astype(np.float32)

    def digests(self, examples: np.ndarray) -> np.ndarray:
        marks = b"".join(hashlib.blake2b(one.tobytes(), digest_size=8).digest() for one in examples)
        return np.frombuffer(marks, np.uint8).reshape(-1, 8)

    def html(self, samples: np.ndarray) -> str:
        return f"<pre class='waves'>{written(samples)}</pre>"

    def save_snapshot(self, path: Path, samples: np.ndarray, columns: int) -> None:
        path.write_text(written(samples), encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, tree: Any) -> WaveCodec:
        return cls()


def written(waves: np.ndarray) -> str:
    return "".join(" ".join(f"{value:.4f}" for value in wave) + "\n" for wave in waves)


CODEC = WaveCodec
