"""Translates pictures with a translator, each at its own size, tile by tile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ganwright.base import seeds
from ganwright.base.errors import DataError, ModelError, OptionError
from ganwright.modalities.images import originals
from ganwright.modalities.images.classmaps import MapCodec, PairCodec
from ganwright.modalities.images.nets import Translator
from ganwright.modalities.images.pixels import convert_channels, convert_depth, least_channels
from ganwright.modalities.images.read.pictures import read_indices
from ganwright.modalities.images.read.source import Unreadable
from ganwright.modalities.images.restore import Files, arrays
from ganwright.modalities.images.tiles import Box, tiled
from ganwright.model import Model

__all__ = ["arrays", "check", "read", "translation"]
DEPTHS = ("uint8", "uint16", "float32")


class Translation:
    """A translator at work on arrays (h, w, c), or class numbers (h, w, 1)."""

    def __init__(self, model: Model, seed: int = 0) -> None:
        self.codec, self.net = cast(PairCodec, model.codec), cast(Translator, model.generator)
        latents = model.net.latent.draw(seeds.derive(seed, "translate"), 0, 1)
        self.latent, self.device = latents.to(model.device), model.device

    def __call__(
        self, array: np.ndarray, mask: np.ndarray | None = None, draw: int = 0
    ) -> np.ndarray:
        """The translation (h, w, C) in the type of the pictures that it was learned from.

        Raises DataError for what the model can't be given.
        """
        stored = self._as_trained(array)

        def part(box: Box) -> Tensor:
            tile = stored[box.rows, box.columns].copy()
            return self.codec.source.encode(torch.from_numpy(tile)[None]).to(self.device)

        height, width = stored.shape[:2]
        made = np.empty((height, width, self.codec.channels), self.codec.dtype)
        for box, tile in tiled(
            lambda given: self.net.made(self.latent, given), part, height, width,
            reach=self.net.reach, unit=self.net.unit,
        ):  # fmt: skip
            made[box.rows, box.columns] = self.codec.decode(tile[None])[0]
        return made

    def read(self, path: Path) -> np.ndarray:
        """A file's pixels, or its class numbers. Raises Unreadable."""
        if not isinstance(self.codec.source, MapCodec):
            return originals.pixels(path)
        with path.open("rb") as file:
            numbers = read_indices(file)
        if len(new := np.setdiff1d(numbers, self.codec.source.values)):
            raise Unreadable(f"has class {new[0]}, which no training map has")
        return numbers

    def check(self, channels: int, name: str) -> None:
        """Raises DataError for colour where the model is given grey."""
        source = self.codec.source
        if not isinstance(source, MapCodec) and channels >= 3 > source.channels:
            raise DataError(f"{name} is in colour; the model was trained on {source.makes}")

    def _as_trained(self, array: np.ndarray) -> np.ndarray:
        source = self.codec.source
        if source.channels < 3 <= array.shape[2]:  # grey stored in colour was learned in grey
            array = least_channels(array)
        self.check(array.shape[2], "the picture")
        if isinstance(source, MapCodec):
            if array.shape[2] != 1 or array.dtype.kind != "u":
                raise DataError(
                    f"the model takes class numbers, whole and one for each pixel; got "
                    f"{array.shape[2]} channels of {array.dtype}"
                )
            return array
        if DEPTHS.index(array.dtype.name) > DEPTHS.index(source.dtype):
            raise DataError(
                f"the picture is {array.dtype}; the model was trained on {source.dtype}"
            )
        return convert_depth(convert_channels(array, source.channels), source.dtype)


def check(model: Model) -> None:
    """Raises OptionError for a model that isn't a translator, ModelError for one that can't be."""
    if not isinstance(model.generator, Translator):
        raise OptionError(
            "translate: this model wasn't trained for it; train one with "
            "ganwright train --pairs A/ B/, or --from A/ --to B/"
        )
    codec = model.codec
    if not isinstance(codec, PairCodec) or codec.source.channels != model.generator.given:
        raise ModelError("model.json: 'codec' doesn't say what the translator is given")


def translation(model: Model, *, seed: int) -> Translation:
    """The model ready to work on arrays."""
    return Translation(model, seed)


def read(given: Path, mask: None, work: Any) -> Files:
    """Picture files, looked at before any work. Raises DataError."""
    return Files(given, mask, work)
