"""Published networks with weights made here: names, shapes, counts, and what is refused.

The real weights are not at hand. Their number of values is known from the size of the published
Inception file; everything else that can be checked without them is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base.errors import ModelError, OptionError, WorkError
from ganwright.data.cache import cache_folder
from ganwright.evaluate.features import FeatureOptions
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.features.dinov2 import SIZES, Attention, DinoV2, dinov2
from ganwright.modalities.images.features.inception import WEIGHTS, Inception, Mixed, inception
from ganwright.modalities.images.features.weights import Published, fill, load_weights

CODEC = ImageCodec(height=8, width=8, channels=3)
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)


def made_up(module: nn.Module) -> dict[str, Tensor]:
    """Weights of the right names and shapes that keep signals finite."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for key, tensor in module.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        fan = max(1, tensor[0].numel()) if tensor.ndim > 1 else 1
        made[key] = torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5 * 0.5
        if "running_var" in key or (key.endswith("weight") and tensor.ndim == 1):
            made[key] = torch.ones(tensor.shape)
    return made


@pytest.fixture(scope="module")
def inception_weights() -> dict[str, Tensor]:
    with torch.device("meta"):
        empty = Inception()
    return made_up(empty)


@pytest.fixture(scope="module")
def inception_file(
    tmp_path_factory: pytest.TempPathFactory, inception_weights: dict[str, Tensor]
) -> Iterator[tuple[Path, Published]]:
    path = tmp_path_factory.mktemp("weights") / "made-up.pth"
    torch.save(inception_weights, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    yield path, Published(path.as_uri(), sha256)
    path.unlink()


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, Published]:
    path = tmp_path / "tiny.pth"
    torch.save({"weight": torch.ones(2, 3)}, path)
    return path, Published(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- structure ----------------------------------------------------------------------------------


def test_inception_has_as_many_numbers_as_the_published_file() -> None:
    with torch.device("meta"):
        network = Inception()
    assert sum(p.numel() for p in network.parameters()) == 23_850_960
    stored = sum(t.numel() for t in network.state_dict().values() if t.is_floating_point())
    assert stored == 23_885_392
    overhead = 95_628_359 - 4 * stored  # the file's size in bytes, as published
    assert 0 < overhead < 512 * 566  # names and heads of 566 tensors


def test_inception_names_are_the_ports() -> None:
    with torch.device("meta"):
        network = Inception()
    units = {key.rpartition(".conv")[0] for key in network.state_dict() if ".conv." in key}
    assert len(units) == 94
    expected = {
        "Conv2d_1a_3x3", "Conv2d_4a_3x3", "Mixed_5b.branch5x5_2", "Mixed_5d.branch_pool",
        "Mixed_6a.branch3x3", "Mixed_6a.branch3x3dbl_3", "Mixed_6e.branch7x7dbl_5",
        "Mixed_6b.branch7x7_3", "Mixed_7a.branch7x7x3_4", "Mixed_7a.branch3x3_2",
        "Mixed_7b.branch3x3_2a", "Mixed_7c.branch3x3dbl_3b", "Mixed_7c.branch1x1",
    }  # fmt: skip
    assert expected <= units
    shapes = {key: tuple(t.shape) for key, t in network.state_dict().items()}
    assert shapes["fc.weight"] == (1008, 2048)
    assert shapes["Mixed_6c.branch7x7dbl_2.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_6c.branch7x7_2.conv.weight"] == (160, 160, 1, 7)
    assert shapes["Mixed_7c.branch3x3_2a.conv.weight"] == (384, 384, 1, 3)
    assert all(m.eps == 1e-3 for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_inception_widths_and_sizes() -> None:
    with torch.device("meta"):
        network = Inception()
    seen = {}
    for name, block in network.named_children():
        if isinstance(block, Mixed):
            block.register_forward_hook(
                lambda module, given, made, name=name: seen.update({name: tuple(made.shape[1:])})
            )
    assert network(torch.empty(1, 3, 299, 299, device="meta")).shape == (1, 2048)
    assert seen["Mixed_5b"] == (256, 35, 35) and seen["Mixed_5d"] == (288, 35, 35)
    assert seen["Mixed_6a"] == (768, 17, 17) and seen["Mixed_6e"] == (768, 17, 17)
    assert seen["Mixed_7a"] == (1280, 8, 8) and seen["Mixed_7c"] == (2048, 8, 8)


def test_pools_leave_the_border_out_except_where_the_maximum_is_taken() -> None:
    x = -torch.ones(1, 1, 3, 3)
    average, maximum = Mixed(1, {}, 1), Mixed(1, {}, 1, "maximum")
    for block in (average, maximum):
        block.branch_pool = nn.Identity()
    assert torch.equal(average(x), x)  # zeros beyond the border would raise it
    ramp = torch.arange(9.0).view(1, 1, 3, 3)
    assert torch.equal(maximum(ramp), functional.max_pool2d(ramp, 3, 1, 1))
    with torch.device("meta"):
        network = Inception()
    kinds = {
        name: block.pool for name, block in network.named_children() if isinstance(block, Mixed)
    }
    assert kinds["Mixed_7b"] == "average" and kinds["Mixed_7c"] == "maximum"


@pytest.mark.parametrize(
    ("name", "millions", "tensors"),
    [("dinov2", 22.06, 175), ("dinov2-b", 86.58, 175), ("dinov2-l", 304.37, 343)],
)
def test_dinov2_counts_and_names(name: str, millions: float, tensors: int) -> None:
    size = SIZES[name]
    with torch.device("meta"):
        state = DinoV2(size.width, size.depth).state_dict()
    assert sum(t.numel() for t in state.values()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert len(state) == tensors
    shapes = {key: tuple(t.shape) for key, t in state.items()}
    d = size.width
    assert shapes["cls_token"] == (1, 1, d) and shapes["mask_token"] == (1, d)
    assert shapes["pos_embed"] == (1, 1370, d)
    assert shapes["patch_embed.proj.weight"] == (d, 3, 14, 14)
    block = {k.removeprefix("blocks.0.") for k in shapes if k.startswith("blocks.0.")}
    assert block == {
        f"{part}.{kind}"
        for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        for kind in ("weight", "bias")
    } | {"ls1.gamma", "ls2.gamma"}
    assert shapes["blocks.0.attn.qkv.weight"] == (3 * d, d)


@torch.no_grad()
def test_dinov2_attends_as_the_formula_says() -> None:
    torch.manual_seed(0)
    layer, x = Attention(128), torch.randn(2, 5, 128)
    q, k, v = layer.qkv(x).chunk(3, 2)
    heads = []
    for h in (slice(0, 64), slice(64, 128)):
        shares = (q[:, :, h] @ k[:, :, h].transpose(1, 2) / 8).softmax(2)
        heads.append(shares @ v[:, :, h])
    assert torch.allclose(layer(x), layer.proj(torch.cat(heads, 2)), atol=1e-5)


def test_dinov2_places_keep_their_order() -> None:
    network = DinoV2(64, 0)
    with torch.no_grad():  # a ramp from left to right, and one for the class token
        ramp = torch.arange(37.0).repeat(37).view(1, 1369, 1)
        network.pos_embed.copy_(torch.cat([torch.full((1, 1, 1), 7.0), ramp], 1).expand(-1, -1, 64))
        places = network._places()
    assert places.shape == (1, 257, 64)
    assert (places[0, 0] == 7).all()
    square = places[0, 1:, 0].view(16, 16)
    assert torch.allclose(square, square[:1].expand(16, 16), atol=1e-4)
    # Patch i lies at (i + ½) · 37 / 16.1 − ½ of the trained grid; PyTorch's cubic all but
    # keeps a ramp; by 37 / 16 instead, the last would be 0.2 off.
    inner = (torch.arange(2, 14) + 0.5) * 37 / 16.1 - 0.5
    assert torch.allclose(square[0, 2:14], inner, atol=0.06)


# --- the extractors -----------------------------------------------------------------------------


def test_inception_gives_features_and_probabilities(
    inception_file: tuple[Path, Published], inception_weights: dict[str, Tensor], tmp_path: Path
) -> None:
    path, published = inception_file
    extractor = inception(CODEC, weights=path, published=published)
    seen = extractor.see(PICTURES)
    assert seen.features.shape == (2, 2048) and seen.features.dtype == np.float32
    assert seen.probabilities is not None and seen.probabilities.shape == (2, 1008)
    assert seen.probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    by_hand = torch.from_numpy(seen.features) @ inception_weights["fc.weight"].T
    assert seen.probabilities == pytest.approx(by_hand.softmax(1).numpy(), abs=1e-6)  # no bias
    assert np.array_equal(seen.features, extractor.features(PICTURES))
    assert len(extractor.classes) == 1008

    # The same tensors in another file are the same extractor; others are not.
    same, other = tmp_path / "same.safetensors", tmp_path / "other.safetensors"
    save_file(inception_weights, same)
    assert inception(CODEC, weights=same).hash == extractor.hash
    changed = inception_weights | {"fc.bias": inception_weights["fc.bias"] + 1}
    save_file(changed, other)
    assert inception(CODEC, weights=other).hash != extractor.hash
    floats = replace(CODEC, dtype="float32", low=0.0, high=1.0)
    assert inception(floats, weights=same).hash != extractor.hash


def test_dinov2_gives_features(tmp_path: Path) -> None:
    with torch.device("meta"):
        empty = DinoV2(384, 12)
    path = tmp_path / "s.safetensors"
    save_file(made_up(empty), path)
    extractor = dinov2(CODEC, weights=path)
    made = extractor.features(PICTURES)
    assert made.shape == (2, 384) and np.isfinite(made).all()
    assert extractor.probabilities(PICTURES) is None
    assert not np.allclose(made[0], made[1])
    with pytest.raises(ModelError, match="features 'dinov2-b': 'cls_token' has shape"):
        dinov2(CODEC, name="dinov2-b", weights=path)


# --- loading ------------------------------------------------------------------------------------


def test_the_published_hashes_are_whole() -> None:
    for published in (WEIGHTS, *(size.published for size in SIZES.values())):
        assert len(published.sha256) == 64 and int(published.sha256, 16)
        assert published.url.startswith("https://")
    assert WEIGHTS.file == "pt_inception-2015-12-05-6726825d.pth"
    assert WEIGHTS.sha256.startswith("6726825d")


def test_another_file_is_refused(tiny: tuple[Path, Published]) -> None:
    path, published = tiny
    assert load_weights("x", published, path)["weight"].shape == (2, 3)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=r"features 'x': '.*tiny.pth' has SHA-256 .* not the publ"):
        load_weights("x", published, path)
    with pytest.raises(ModelError, match="has SHA-256"):
        inception(CODEC, weights=path)


def test_a_missing_file_is_one_line(own_cache: Path, tiny: tuple[Path, Published]) -> None:
    with pytest.raises(OptionError, match=r"there is no file of weights '/nowhere\.pth'"):
        load_weights("x", tiny[1], Path("/nowhere.pth"))
    with pytest.raises(
        OptionError, match=r"not on this machine: allow the download, or fetch file:"
    ):
        load_weights("x", tiny[1])
    assert not own_cache.exists()


def test_download_only_when_asked_and_only_once(
    own_cache: Path, tiny: tuple[Path, Published]
) -> None:
    path, published = tiny
    load_weights("x", published, allow_download=True)
    path.unlink()
    assert cache_folder() == own_cache
    assert load_weights("x", published)["weight"].shape == (2, 3)
    (own_cache / "weights" / "tiny.pth").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged or another file"):
        load_weights("x", published)
    with pytest.raises(WorkError, match="can't be fetched: "):
        load_weights("x", published, allow_download=True)


def test_a_download_of_something_else_is_not_kept(
    own_cache: Path, tiny: tuple[Path, Published]
) -> None:
    path, published = tiny
    path.write_bytes(b"<html>")
    with pytest.raises(ModelError, match="has SHA-256"):
        load_weights("x", published, allow_download=True)
    assert not list((own_cache / "weights").iterdir())


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


def test_nothing_in_a_file_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Evil()}, path)
    published = Published(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="can't be read") as caught:
        load_weights("x", published, path)
    assert "\n" not in str(caught.value)
    torch.save([1, 2], path)
    published = Published(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="contains no named tensors"):
        load_weights("x", published, path)
    (tmp_path / "bad.safetensors").write_bytes(b"no such thing")
    with pytest.raises(ModelError, match="can't be read"):
        load_weights("x", published, tmp_path / "bad.safetensors")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"weight": torch.ones(2, 3)}, "the weights lack 'bias'"),
        ({"weight": torch.ones(3, 2), "bias": torch.ones(2)}, r"'weight' has shape \(3, 2\), not"),
        ({"weight": torch.ones(2, 3) / 0, "bias": torch.ones(2)}, "'weight' contains non-fin"),
        (
            {"weight": torch.ones(2, 3), "bias": torch.ones(2), "more": torch.ones(1)},
            "unknown tensor 'more'",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(given: dict[str, Tensor], text: str) -> None:
    with torch.device("meta"):
        layer = nn.Linear(3, 2)
    with pytest.raises(ModelError, match=f"features 'x': .*{text}"):
        fill("x", layer, given)


def test_options_have_no_second_default() -> None:
    assert FeatureOptions().allow_download is False and FeatureOptions().weights is None
