"""Repairs pictures with a restorer, each in its own size, depth and format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from ganwright.base import seeds
from ganwright.base.errors import DataError, OptionError
from ganwright.modalities.images import originals
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.degrade import enlarged, luma, with_holes
from ganwright.modalities.images.nets import Restorer
from ganwright.modalities.images.pixels import WHITE, convert_channels, has_alpha, least_channels
from ganwright.modalities.images.read.pictures import decoding
from ganwright.modalities.images.read.source import Unreadable
from ganwright.modalities.images.tiles import Box, tiled
from ganwright.model import Model

SCALES = (2, 4)
MARGIN = 4  # pixels around a part that bicubic enlargement looks at, and one more
NAMED = 5


class Repair:
    """A restorer at work on arrays (h, w, c) of uint8, uint16 or float32."""

    def __init__(self, model: Model, scale: int = 1, seed: int = 0) -> None:
        self.codec, self.scale, self.seed = cast(ImageCodec, model.codec), scale, seed
        self.model, self.net = model, cast(Restorer, model.generator)

    def __call__(
        self, array: np.ndarray, mask: np.ndarray | None = None, draw: int = 0
    ) -> np.ndarray:
        """The repaired picture; where `mask` (h, w) is False, and its alpha, nothing changes, bit for bit.

        Raises DataError for colour where the model knows grey alone.
        """
        if self.codec.channels < 3 <= array.shape[2] and least_channels(array).shape[2] < 3:
            clear = has_alpha(array.shape[2])  # grey stored in colour, and given back as that
            made = self(array[:, :, [0, 3] if clear else [0]], mask, draw)
            return made[:, :, [0, 0, 0, 1] if clear else [0, 0, 0]]
        self.check(array.shape[2], "the picture")
        colour = array[:, :, :-1] if has_alpha(array.shape[2]) else array
        alpha = array[:, :, -1:] if has_alpha(array.shape[2]) else None
        height, width = (side * self.scale for side in array.shape[:2])
        paints = self.net.task == "colourise"
        channels = self.codec.channels if paints else colour.shape[2]
        made = np.empty((height, width, channels), array.dtype)
        low, high = self._range(array.dtype)
        z = self.model.net.latent.draw(seeds.derive(self.seed, "restore"), draw, 1)
        z = z.to(self.model.device)

        def part(box: Box) -> Tensor:
            return self._given(colour, mask, box, low, high).to(self.model.device)

        for box, tile in tiled(
            lambda given: self.net.made(z, given), part, height, width,
            reach=self.net.reach, unit=self.net.unit,
        ):  # fmt: skip
            tile = tile if channels >= 3 or tile.shape[0] == 1 else luma(tile[None])[0]
            values = (tile.float() + 1) * ((high - low) / 2) + low
            done = values.permute(1, 2, 0).cpu().numpy()
            if array.dtype.kind == "u":
                done = np.rint(done).clip(0, WHITE[array.dtype.name])
            made[box.rows, box.columns] = done
        if mask is not None:
            made = np.where(mask[:, :, None], made, convert_channels(colour, channels))
        if alpha is None:
            return made
        return np.concatenate([made, self._alpha(alpha)], 2)

    read = staticmethod(originals.pixels)  # a file's pixels

    def check(self, channels: int, name: str) -> None:
        """Raises DataError where the model can't see all the channels."""
        if channels >= 3 and self.codec.channels < 3:
            raise DataError(f"{name} is in colour; the model was trained on {self.codec.makes}")

    def _range(self, dtype: np.dtype) -> tuple[float, float]:
        """The values that the net sees as -1 and 1."""
        if dtype.name == self.codec.dtype:
            return self.codec.low, self.codec.high
        return 0.0, WHITE[dtype.name]

    def _given(
        self, colour: np.ndarray, mask: np.ndarray | None, box: Box, low: float, high: float
    ) -> Tensor:
        """What the net is shown of a box of the result: (1, given, h, w)."""
        s, (height, width) = self.scale, colour.shape[:2]
        around = Box(
            max(0, box.top // s - MARGIN * (s > 1)),
            max(0, box.left // s - MARGIN * (s > 1)),
            min(height, -(-box.bottom // s) + MARGIN * (s > 1)),
            min(width, -(-box.right // s) + MARGIN * (s > 1)),
        )
        values = colour[around.rows, around.columns].astype(np.float32)
        x = torch.from_numpy((values - low) / ((high - low) / 2) - 1).permute(2, 0, 1)[None]
        if self.net.task == "colourise":
            x = luma(x)
        x = x.expand(-1, self.codec.channels, -1, -1) if x.shape[1] == 1 else x
        if s > 1:
            x = enlarged(x, x.shape[2] * s, x.shape[3] * s)
            top, left = box.top - around.top * s, box.left - around.left * s
            x = x[:, :, top : top + box.bottom - box.top, left : left + box.right - box.left]
        if not self.net.damage.masked:
            return x
        assert mask is not None
        return with_holes(x, torch.from_numpy(mask[None, None, box.rows, box.columns]).float())

    def _alpha(self, alpha: np.ndarray) -> np.ndarray:
        if self.scale == 1:
            return alpha
        x = torch.from_numpy(alpha.astype(np.float32)).permute(2, 0, 1)[None]
        white = WHITE[alpha.dtype.name]
        large = enlarged(2 * x / white - 1, *(side * self.scale for side in alpha.shape[:2]))
        values = ((large + 1) / 2 * white)[0].permute(1, 2, 0).numpy()
        return (values if alpha.dtype.kind == "f" else np.rint(values)).astype(alpha.dtype)


# --- the part ------------------------------------------------------------------------------------


def check(model: Model, *, mask: bool, scale: int | None) -> None:
    """Raises OptionError for a model without a task, and for options that the task does not have."""
    net = model.generator
    if not isinstance(net, Restorer):
        raise OptionError(
            "restore: this model makes new pictures; train one that repairs them, "
            "ganwright train DATA --task denoise"
        )
    if net.damage.masked and not mask:
        raise OptionError("--mask: this model fills in what is missing; name a mask, white there")
    if scale is not None and net.task != "upscale":
        raise OptionError(f"--scale: this model was trained to {net.task}; only upscale has it")
    if scale not in (None, *SCALES):
        raise OptionError(f"--scale: 2 or 4; got {scale}")
    if mask and net.task == "upscale":
        raise OptionError("--mask: doesn't go with upscale, which makes every pixel new")


def repair(model: Model, *, scale: int | None, seed: int) -> Repair:
    """The model ready to work on arrays."""
    upscales = model.generator.task == "upscale"
    return Repair(model, (scale or SCALES[0]) if upscales else 1, seed)


def read(given: Path, mask: Path | None, work: Repair) -> Files:
    """Picture files and their masks, looked at before any work. Raises DataError."""
    return Files(given, mask, work)


class Work(Protocol):
    """What is done to each file."""

    def check(self, channels: int, name: str) -> None:
        """Raises DataError where the model can't see all the channels."""

    def read(self, path: Path) -> np.ndarray:
        """Raises Unreadable."""

    def __call__(self, array: np.ndarray, mask: np.ndarray | None, draw: int) -> np.ndarray: ...


class Files:
    """The files that can be repaired, in order; `skipped` says why others can't."""

    def __init__(self, given: Path, masks: Path | None, work: Work) -> None:
        self.root = given if given.is_dir() else given.parent
        self.work, self.masks = work, masks
        self.names: list[Path] = []
        self.skipped: dict[str, str] = {}
        self.lossy = 0
        every = originals.files(given)
        with decoding():
            for name in every:
                self._look(name)
        if not self.names:
            first = next(iter(self.skipped.items()))
            raise DataError(
                f"'{given}': none of {len(every):,} pictures can be used; the first: {' '.join(first)}"
            )

    def _look(self, name: Path) -> None:
        try:
            head = originals.head(self.root / name)
        except (Unreadable, OSError) as error:
            self.skipped[str(name)] = str(error)
            return
        try:
            self.work.check(head.channels, f"'{name}'")
        except DataError:
            if not self._is_grey(name):
                raise
        if self.masks is not None:
            path = originals.mask_for(self.masks, name)
            try:
                own = originals.head(path)
            except (Unreadable, OSError) as error:
                raise DataError(f"--mask: '{path}' {error}") from None
            if (own.height, own.width) != (head.height, head.width):
                raise DataError(
                    f"--mask: '{path}' is {own.height}×{own.width}, "
                    f"the picture '{name}' {head.height}×{head.width}"
                )
        self.names.append(name)

    def _is_grey(self, name: Path) -> bool:
        """Whether it needs no colour, whatever its file could hold: such pictures are learned in grey."""
        try:
            return least_channels(self.work.read(self.root / name)).shape[2] < 3
        except (Unreadable, OSError):
            return False

    def write(self, out: Path, draws: int, say: Callable[[str], None]) -> None:
        """Writes each result below `out` under its own name; several draws into a folder each."""
        with decoding():
            for number, name in enumerate(list(self.names)):
                say(f"{number + 1:,} of {len(self.names):,}: {name}")
                try:
                    self._write(out, name, draws)
                except (Unreadable, OSError) as error:
                    self.skipped[str(name)] = str(error)
        self.names = [name for name in self.names if str(name) not in self.skipped]
        if not self.names:
            first = next(iter(self.skipped.items()))
            raise DataError(
                f"'{self.root}': no picture could be used; the first: {' '.join(first)}"
            )

    def _write(self, out: Path, name: Path, draws: int) -> None:
        original, array = (
            originals.Original.of(self.root / name),
            self.work.read(self.root / name),
        )
        path = None if self.masks is None else originals.mask_for(self.masks, name)
        mask = None if path is None else originals.mask(path)
        for draw in range(draws):
            target = (out / f"draw-{draw + 1}" if draws > 1 else out) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            original.write(self.work(array, mask, draw), target)
        self.lossy += original.form in originals.LOSSY

    @property
    def notes(self) -> Iterator[str]:
        """What is to be known of the result."""
        if self.skipped:
            named = [f"{name} {why}" for name, why in list(self.skipped.items())[:NAMED]]
            more = [f"{len(self.skipped) - NAMED:,} more"] if len(self.skipped) > NAMED else []
            n = len(self.skipped)
            yield f"{n:,} {'picture is' if n == 1 else 'pictures are'} left out: {', '.join(named + more)}"
        if self.lossy and self.masks is not None:
            yield (
                f"{self.lossy:,} are JPEG or AVIF, which change every pixel a little when they are "
                "written; PNG, TIFF and WebP keep those outside the mask bit for bit"
            )


def arrays(given: Any) -> tuple[list[np.ndarray], Callable[[list[np.ndarray]], Any]]:
    """Pictures in memory, (h, w, c) each, and what gives results the form that they came in."""
    rebuild: Callable[[list[np.ndarray]], Any] = list
    if isinstance(given, list | tuple):
        pictures = [np.asarray(one) for one in given]
    else:
        whole = np.asarray(given)
        single = whole.ndim == 2 or (whole.ndim == 3 and whole.shape[2] <= 4)
        pictures = [whole] if single else list(whole)
        rebuild = (lambda done: done[0]) if single else np.stack
    flat = {id(one): one.ndim == 2 for one in pictures}
    for one in pictures:
        if one.dtype.name not in WHITE or one.ndim not in (2, 3) or one.shape[2:] > (4,):
            raise DataError(
                "restore: takes pictures (height, width, 1 … 4 channels) of uint8, uint16 or float32; "
                f"got {one.shape} of {one.dtype}"
            )

    def back(done: list[np.ndarray]) -> Any:
        kept = [
            d[:, :, 0] if flat[id(one)] and d.shape[2] == 1 else d
            for one, d in zip(pictures, done, strict=True)
        ]
        return rebuild(kept)

    return [one[:, :, None] if flat[id(one)] else one for one in pictures], back
