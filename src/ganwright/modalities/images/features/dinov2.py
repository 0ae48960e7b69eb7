"""DINOv2 (Oquab et al. 2023): a vision transformer trained without labels.

Distances in its features agree with people better than Inception's (Stein et al. 2023, "Exposing
flaws of generative model evaluation metrics", who use ViT-L/14). Pictures of 8 bit are resized to
224×224 by Pillow's smoothing bicubic filter, as in their code, scaled by ImageNet's mean and
spread; the features are the class token after the last norm.

The names of the weights are those of the public checkpoints, whose position embedding is of 37×37
patches (518 pixels): for 16×16 it is resized bicubically by the factor (16 + 0.1) / 37, as the
authors' code does.

Our tests see no real weights: they check the structure, the loader and the preprocessing. Compared
once by hand with the authors' network on the same random weights, features were equal to the last bit.
torch-fidelity resizes by TensorFlow 1's bilinear rule instead, so its numbers differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base.names import Names
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.pictures import batches, rgb, rgb_rule
from ganwright.modalities.images.features.resize import bicubic
from ganwright.modalities.images.features.weights import Published, fill, load_weights

SIDE, PATCH, TRAINED_SIDE = 224, 14, 518
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RULE = f"Pillow bicubic to {SIDE}×{SIDE}; ImageNet mean and spread; class token"
_BATCH = 32
_FOLDER = "https://dl.fbaipublicfiles.com/dinov2"


@dataclass(frozen=True)
class Size:
    """One of the published sizes; heads are 64 wide in all of them."""

    width: int
    depth: int
    published: Published


SIZES = Names(
    "features",
    {
        "dinov2": Size(
            384,
            12,
            Published(
                f"{_FOLDER}/dinov2_vits14/dinov2_vits14_pretrain.pth",
                "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            ),
        ),
        "dinov2-b": Size(
            768,
            12,
            Published(
                f"{_FOLDER}/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
                "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
            ),
        ),
        "dinov2-l": Size(
            1024,
            24,
            Published(
                f"{_FOLDER}/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
                "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
            ),
        ),
    },
)


class Attention(nn.Module):
    """Every token attends to every other, in heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, 64)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Dense(nn.Module):
    """Token by token: four times wider, GELU, and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Scale(nn.Module):
    """LayerScale (Touvron et al. 2021): each channel times a learned number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Norm, attention, scale; norm, dense, scale; each beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = _norm(width), Attention(width), Scale(width)
        self.norm2, self.mlp, self.ls2 = _norm(width), Dense(width), Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


def _norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6)


class Patches(nn.Module):
    """(b, 3, H, W) → one token for each 14×14 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class DinoV2(nn.Module):
    """(b, 3, 224, 224), normalised → (b, width): the class token after the last norm."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (TRAINED_SIDE // PATCH) ** 2 + 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # in the files; training's alone
        self.patch_embed = Patches(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1) + self._places()
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 0])  # a layer norm: token by token

    def _places(self) -> Tensor:
        """The position embedding, resized from 37×37 patches to 16×16."""
        trained, used = TRAINED_SIDE // PATCH, SIDE // PATCH
        first, rest = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        square = rest.transpose(1, 2).unflatten(2, (trained, trained))
        factor = (used + 0.1) / trained
        small = functional.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
        return torch.cat([first, small.flatten(2).transpose(1, 2)], 1)


def prepare(pictures: np.ndarray, codec: ImageCodec) -> Tensor:
    """Stored pictures → what the network takes, by `rgb_rule` and `RULE`."""
    x = torch.from_numpy(bicubic(rgb(pictures, codec), SIDE)).permute(0, 3, 1, 2) / 255
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, SPREAD))
    return (x - mean) / spread


def dinov2(
    codec: ImageCodec,
    *,
    name: str = "dinov2",
    weights: Path | None = None,
    allow_download: bool = False,
    device: str = "cpu",
    published: Published | None = None,
) -> Extractor:
    """A published DINOv2 by name: ``dinov2`` (ViT-S/14), ``dinov2-b``, ``dinov2-l``.

    `weights` is the published .pth file, or a .safetensors with the same names; None looks in
    the user's cache. Raises OptionError without a file, ModelError for a wrong one.
    """
    size = SIZES[name]
    published = published or size.published
    tensors = load_weights(name, published, weights, allow_download=allow_download)
    with torch.device("meta"):
        network: nn.Module = DinoV2(size.width, size.depth)
    fill(name, network, tensors).to(device)

    @torch.inference_mode()
    def see(pictures: np.ndarray) -> Seen:
        return Seen(network(prepare(pictures, codec).to(device)).cpu().numpy(), None)

    rule = f"{rgb_rule(codec)}; {RULE}"
    return Extractor(
        name=name,
        hash=fingerprint([name, 1, rule], tensors),
        width=size.width,
        codec=codec,
        batches=partial(batches, codec=codec, size=_BATCH),
        see_batch=see,
        about={"rule": rule, "weights": published.file if weights is None else weights.name},
    )
