"""From stored pictures to what the nets see, and back; saved with every model."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from ganwright.base.errors import ModelError, WorkError
from ganwright.data.codec import Codec
from ganwright.modalities.images.content import is_narrow
from ganwright.modalities.images.pixels import WHITE, convert_channels
from ganwright.modalities.images.spec import ImageSpec

if TYPE_CHECKING:
    import torch


_SHOWN_PIXELS = 32  # a picture in a grid is enlarged to about this
_GAP = 2


@dataclass(frozen=True, kw_only=True)
class ImageCodec(Codec):
    """Pictures as stored (b, H, W, C) ↔ what the nets see (b, C, H, W) in [-1, 1].

    `dtype` is the stored type: uint8, uint16 or float32; `low` and `high` are the values that
    become -1 and 1. Round trips of uint8 and uint16 are exact.
    """

    height: int
    width: int
    channels: Literal[1, 2, 3, 4]
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    low: float = 0.0
    high: float = 255.0

    kind = "image"
    spec_type = ImageSpec
    formats = ("png", "npz", "grid")
    default_suffix = snapshot_suffix = ".png"
    scored_by = (
        "pixels",
        "learned",
    )  # features of scores in training: of a short run, of a long one

    @property
    def makes(self) -> str:
        """What the examples are, for people."""
        of = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGB+alpha"}[self.channels]
        return f"images of {self.height}×{self.width} {of}"

    def suits(self, other: Codec) -> bool:
        """True whatever the pixels' range, as -1 is black and 1 is white; the nets check the size."""
        return isinstance(other, ImageCodec)

    def settings(self) -> dict[str, Any]:
        """The size and the channels."""
        return {"data.size": f"{self.height}x{self.width}", "data.channels": self.channels}

    def html(self, samples: np.ndarray) -> str:
        """Samples as a grid in a notebook."""
        file = io.BytesIO()
        self.grid(samples).save(file, format="PNG")
        data = base64.b64encode(file.getvalue()).decode()
        return f'<img alt="{len(samples)} {self.makes}" src="data:image/png;base64,{data}">'

    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """Stored (b, H, W, C) → float32 (b, C, H, W) in [-1, 1], channels last in memory."""
        import torch

        half = (self.high - self.low) / 2
        values = stored.to(torch.float32)
        if self.low:
            values = values - self.low
        return (values / half - 1).permute(0, 3, 1, 2)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the nets see."""
        return (self.channels, self.height, self.width)

    def save_snapshot(self, path: Path, samples: np.ndarray, columns: int) -> None:
        """Writes a grid to look at, `columns` images wide."""
        self.grid(samples, columns).save(path, format="PNG")

    def decode(
        self, x: torch.Tensor, places: object = None, allowed: object = None, *, start: int = 0
    ) -> np.ndarray:
        """(b, C, H, W) → stored (b, H, W, C): clamped, and rounded to nearest if integer.

        The other arguments choose between values that share a code, which images don't have.

        Raises WorkError when `x` holds NaN.
        """
        import torch

        values = x.detach().to(torch.float32)
        if bool(torch.isnan(values).any()):
            raise WorkError("the samples hold NaN: the model is damaged or its training diverged")
        half = (self.high - self.low) / 2
        values = ((values + 1) * half + self.low).clamp(self.low, self.high).permute(0, 2, 3, 1)
        if self.dtype != "float32":
            values = values.round()
        if self.dtype == "uint8":  # before it leaves the device: a quarter of the bytes
            values = values.to(torch.uint8)
        return values.cpu().numpy().astype(self.dtype)

    def digests(self, examples: np.ndarray) -> np.ndarray:
        """A hash of each picture's own bytes, (n, 8) uint8."""
        marks = b"".join(hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in examples)
        return np.frombuffer(marks, np.uint8).reshape(-1, 8)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_json(cls, tree: Any) -> ImageCodec:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""
        try:
            codec = cls(
                height=int(tree["height"]),
                width=int(tree["width"]),
                channels=int(tree["channels"]),  # type: ignore[arg-type]
                dtype=tree["dtype"],
                low=float(tree["low"]),
                high=float(tree["high"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model.json: 'codec' is not readable ({error!r})") from None
        codec._check()
        return codec

    def _check(self) -> None:
        sizes = 1 <= self.height <= 2**16 and 1 <= self.width <= 2**16
        known = self.channels in (1, 2, 3, 4) and self.dtype in ("uint8", "uint16", "float32")
        ranged = math.isfinite(self.high - self.low) and self.low < self.high
        if known and self.dtype != "float32":
            whole = (self.low, self.high) == (0, WHITE[self.dtype])
            ranged = whole or is_narrow(self.low, self.high, self.dtype)
        if not (sizes and known and ranged):
            raise ModelError(f"model.json: impossible codec {asdict(self)}")

    def shown(self, samples: np.ndarray) -> np.ndarray:
        """Stored (b, H, W, C) → uint8 (b, H, W, 1 or 3) for the eye; alpha over white."""
        values = np.asarray(samples)
        if (self.dtype, self.low, self.high) != ("uint8", 0, 255):
            share = (values.astype(np.float32) - self.low) / (self.high - self.low)
            values = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
        return np.stack([convert_channels(v, 1 if self.channels < 3 else 3) for v in values])

    def grid(
        self, samples: np.ndarray, columns: int | None = None, scale: int | None = None
    ) -> Image.Image:
        """Pictures side by side on white: (b, H, W, C) as stored → an 8-bit grey or RGB picture.

        `columns` is near the square root by default, and small pictures are enlarged by the
        whole number `scale` (32 pixels at least, by default) without smoothing.
        """
        if not len(samples):
            raise ValueError("a grid needs one picture at least")
        shown = self.shown(samples)
        scale = scale or max(1, -(-_SHOWN_PIXELS // max(self.height, self.width)))
        shown = shown.repeat(scale, axis=1).repeat(scale, axis=2)
        columns = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
        rows = -(-len(shown) // columns)
        height, width = shown.shape[1] + _GAP, shown.shape[2] + _GAP
        sheet = np.full(
            (rows * height + _GAP, columns * width + _GAP, shown.shape[3]), 255, np.uint8
        )
        for i, picture in enumerate(shown):
            y, x = (i // columns) * height + _GAP, (i % columns) * width + _GAP
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        return Image.fromarray(sheet[:, :, 0] if sheet.shape[2] == 1 else sheet)


CODEC = ImageCodec
