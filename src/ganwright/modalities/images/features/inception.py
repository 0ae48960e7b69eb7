"""The Inception-v3 of the FID literature (TensorFlow's graph of 2015-12-05).

The network is that of Szegedy et al. 2016 ("Rethinking the Inception architecture"), with what is
peculiar to this graph, on which all published FIDs rest (Heusel et al. 2017):

* 1,008 classes, of which ImageNet's are 1,000;
* averages over 3×3 leave out what lies beyond the border;
* the last block takes the maximum where all others take the average;
* pictures of 8 bit are resized by TensorFlow 1's bilinear rule to 299×299 and become (x − 128) / 128.

Class probabilities for the Inception Score leave out the bias of the last layer, as the score's own
implementation does. The names of the weights are those of the PyTorch port that everybody uses.

Our tests see neither the real weights nor real FIDs: they check the structure, the loader and the
preprocessing. Compared once by hand with torch-fidelity on the same random weights, features and
probabilities were equal to the last bit (33×47 RGB, float32, one thread). pytorch-fid resizes with
half pixels and scales by 2x − 1, so its numbers differ a little from these.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import batches, rgb, rgb_rule
from ganwright.modalities.images.features.resize import bilinear_tf1
from ganwright.modalities.images.features.weights import Published, fill, load_weights

SIDE, WIDTH, CLASSES = 299, 2048, 1008
WEIGHTS = Published(
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
RULE = f"TensorFlow 1 bilinear to {SIDE}×{SIDE}; (x − 128) / 128"
_BATCH = 32


class Step(NamedTuple):
    """One convolution: channels it makes, height and width of its kernel."""

    made: int
    height: int
    width: int


Way = tuple[Step | list[Step], ...]  # a list is a fork: side by side, joined


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU; padded to keep the size unless `shrink`."""

    def __init__(self, given: int, step: Step, stride: int = 1, shrink: bool = False) -> None:
        super().__init__()
        kernel = (step.height, step.width)
        padding = (0, 0) if shrink else (step.height // 2, step.width // 2)
        self.conv = nn.Conv2d(given, step.made, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(step.made, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Ways side by side, their outputs joined along channels; the last is a pooling.

    Where `pooled` is a number of channels, the pooling (of kind `pool`) keeps the size and a 1×1
    convolution follows. Where it is None the block halves the size: the last step of each way
    has stride 2, and so has the maximum.
    """

    def __init__(
        self, given: int, ways: dict[str, Way], pooled: int | None, pool: str = "average"
    ) -> None:
        super().__init__()
        self.pool, self.halves = pool, pooled is None
        self.ways: list[list[list[str]]] = []  # names of units: by way, step, end of a fork
        self.width = given if pooled is None else pooled
        for name, way in ways.items():
            self.width += self._add(name, given, way)
        if pooled is not None:
            self.branch_pool = Unit(given, Step(pooled, 1, 1))

    def _add(self, name: str, given: int, way: Way) -> int:
        """Makes the units of one way and says how many channels come out."""
        names: list[list[str]] = []
        for i, step in enumerate(way):
            ends = [step] if isinstance(step, Step) else step
            key = f"{name}_{i + 1}" if len(way) > 1 else name
            names.append([key] if len(ends) == 1 else [f"{key}{tag}" for tag in "ab"])
            shrink = self.halves and i == len(way) - 1
            for end, unit in zip(ends, names[-1], strict=True):
                self.add_module(unit, Unit(given, end, 2 if shrink else 1, shrink))
            given = sum(end.made for end in ends)
        self.ways.append(names)
        return given

    def forward(self, x: Tensor) -> Tensor:
        made = []
        for names in self.ways:
            y = x
            for step in names:
                ends = [self.get_submodule(key)(y) for key in step]
                y = ends[0] if len(ends) == 1 else torch.cat(ends, 1)
            made.append(y)
        if self.halves:
            made.append(functional.max_pool2d(x, 3, 2))
        elif self.pool == "maximum":
            made.append(self.branch_pool(functional.max_pool2d(x, 3, 1, 1)))
        else:
            average = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
            made.append(self.branch_pool(average))
        return torch.cat(made, 1)


def _one(made: int) -> Step:
    return Step(made, 1, 1)


def _three(made: int) -> Step:
    return Step(made, 3, 3)


_TWICE_THREE: Way = (_one(64), _three(96), _three(96))
_FORK = [Step(384, 1, 3), Step(384, 3, 1)]
_KEEPS_35: dict[str, Way] = {
    "branch1x1": (_one(64),),
    "branch5x5": (_one(48), Step(64, 5, 5)),
    "branch3x3dbl": _TWICE_THREE,
}
_TO_17: dict[str, Way] = {"branch3x3": (_three(384),), "branch3x3dbl": _TWICE_THREE}
_TO_8: dict[str, Way] = {
    "branch3x3": (_one(192), _three(320)),
    "branch7x7x3": (_one(192), Step(192, 1, 7), Step(192, 7, 1), _three(192)),
}
_KEEPS_8: dict[str, Way] = {
    "branch1x1": (_one(320),),
    "branch3x3": (_one(384), _FORK),
    "branch3x3dbl": (_one(448), _three(384), _FORK),
}


def _keeps_17(c: int) -> dict[str, Way]:
    wide, tall = Step(c, 1, 7), Step(c, 7, 1)
    return {
        "branch1x1": (_one(192),),
        "branch7x7": (_one(c), wide, Step(192, 7, 1)),
        "branch7x7dbl": (_one(c), tall, wide, tall, Step(192, 1, 7)),
    }


class Inception(nn.Module):
    """(b, 3, 299, 299) of (x − 128) / 128 → 2,048 features, and the weights of 1,008 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, _three(32), stride=2, shrink=True)
        self.Conv2d_2a_3x3 = Unit(32, _three(32), shrink=True)
        self.Conv2d_2b_3x3 = Unit(32, _three(64))
        self.Conv2d_3b_1x1 = Unit(64, _one(80))
        self.Conv2d_4a_3x3 = Unit(80, _three(192), shrink=True)
        width = 192
        for name, ways, pooled, pool in (
            ("5b", _KEEPS_35, 32, "average"),
            ("5c", _KEEPS_35, 64, "average"),
            ("5d", _KEEPS_35, 64, "average"),
            ("6a", _TO_17, None, "maximum"),
            ("6b", _keeps_17(128), 192, "average"),
            ("6c", _keeps_17(160), 192, "average"),
            ("6d", _keeps_17(160), 192, "average"),
            ("6e", _keeps_17(192), 192, "average"),
            ("7a", _TO_8, None, "maximum"),
            ("7b", _KEEPS_8, 192, "average"),
            ("7c", _KEEPS_8, 192, "maximum"),  # the graph's own oddity
        ):
            block = Mixed(width, ways, pooled, pool)
            self.add_module(f"Mixed_{name}", block)
            width = block.width
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed_"):
                x = block(x)
        return x.mean((2, 3))


def prepare(pictures: np.ndarray, codec: ImageCodec) -> Tensor:
    """Stored pictures → what the network takes, by `rgb_rule` and `RULE`."""
    x = torch.from_numpy(rgb(pictures, codec)).permute(0, 3, 1, 2).to(torch.float32)
    return (bilinear_tf1(x, SIDE) - 128) / 128


def inception(
    codec: ImageCodec,
    *,
    weights: Path | None = None,
    allow_download: bool = False,
    device: str = "cpu",
    published: Published = WEIGHTS,
) -> Extractor:
    """The extractor of published FIDs: 2,048 features, 1,008 class probabilities.

    `weights` is the published .pth file, or a .safetensors with the same names; None looks in
    the user's cache. Raises OptionError without a file, ModelError for a wrong one.
    """
    tensors = load_weights("inception", published, weights, allow_download=allow_download)
    with torch.device("meta"):
        empty = Inception()
    network = fill("inception", empty, tensors).to(device)
    classifier: Tensor = empty.fc.weight

    @torch.inference_mode()
    def see(pictures: np.ndarray) -> Seen:
        features = network(prepare(pictures, codec).to(device))
        shares = (features @ classifier.T).softmax(1)  # no bias: see the top of the file
        return Seen(features.cpu().numpy(), shares.cpu().numpy())

    rule = f"{rgb_rule(codec)}; {RULE}"
    return Extractor(
        name="inception",
        hash=fingerprint(["inception", 1, rule], tensors),
        width=WIDTH,
        codec=codec,
        batches=partial(batches, codec=codec, size=_BATCH),
        see_batch=see,
        classes=_numbered(CLASSES),
        about={"rule": rule, "weights": published.file if weights is None else weights.name},
    )


def _numbered(count: int) -> tuple[str, ...]:
    digits = math.ceil(math.log10(count))
    return tuple(f"class {i:0{digits}d}" for i in range(count))
