"""A small network trained on the user's own training data: for anything but photographs.

With labels it learns to tell the classes apart. Without, it learns by VICReg (Bardes, Ponce & LeCun
2022, "VICReg: variance-invariance-covariance regularization"): two views of one picture, shifted,
turned, scaled and changed in contrast, should have equal features, while over the batch each
feature varies and no two are correlated. It needs no second network, no queue and no large batch,
and its features keep what distinguishes pictures, not only what tells classes apart.

No view is blurred or made noisy: a network taught to overlook blur or noise would overlook them in
samples as well. `tests/features` holds both ways to the order that this is for: held-out digits are
far nearer to the training digits than blurred, noisy or mode-dropping ones. Measured there with the
default steps, FID to the training digits, with labels / without: held-out 0.7 / 1.7, noise of 64
grey levels 12 / 15, blur of 0.7 pixels 13 / 18, the zeros missing 5.6 / 6.3, five classes missing
44 / 35, uniform noise 67 / 124.

The features are the 128 numbers before the last nonlinearity, all divided by one number that makes
their mean variance over the training data 1. So the squared Fréchet distance has a scale: 128 is as
far as pictures of the data are spread.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ganwright.base import seeds
from ganwright.base.errors import DataError, ModelError, OptionError, message
from ganwright.base.runs import replacing, write_json
from ganwright.base.threads import on_threads
from ganwright.data import Dataset
from ganwright.data.cache import cache_folder
from ganwright.evaluate.extractor import Extractor, Seen
from ganwright.evaluate.fingerprint import fingerprint
from ganwright.modalities.images.features.pictures import (
    LEAST_SIDE,
    PLANES_RULE,
    batches,
    planes,
    small_size,
)
from ganwright.modalities.images.features.weights import fill

VERSION = 1  # of the network and its training: raise it when either changes
WIDTH = 128
STEPS = 500
LONGEST = 64
LEAST_PICTURES, LEAST_PER_CLASS = 20, 10
_BATCH, _SEEN_AT_ONCE = 128, 256
_CHECKED_MOST = 2000  # pictures of the inner validation part, and for the scale of the features
RULE = f"{PLANES_RULE}; a side over {LONGEST} is averaged down to it"
_log = logging.getLogger("ganwright")


class Network(nn.Module):
    """(b, C, H, W) in [-1, 1] → 128 features and, of those, `outputs` logits.

    3×3 convolutions with batch norm; while both sides are at least 8 they are halved, and the
    channels doubled up to 128. What is left is averaged to at most 4×4, so that features know
    where things are.
    """

    scale: Tensor  # what features are divided by, for their mean variance to be 1
    temperature: Tensor

    def __init__(self, channels: int, height: int, width: int, outputs: int) -> None:
        super().__init__()
        made = 32 if max(height, width) <= 16 else 16
        layers = (
            [_conv(channels, made), _conv(made, made)]
            if min(height, width) < 16
            else [_conv(channels, made)]
        )
        while min(height, width) >= 8:
            given, made = made, min(2 * made, 128)
            layers += [_conv(given, made, stride=2), _conv(made, made)]
            height, width = -(-height // 2), -(-width // 2)
        left = min(height, 4), min(width, 4)
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(left), nn.Flatten())
        self.features = nn.Linear(made * left[0] * left[1], WIDTH)
        self.head = nn.Linear(WIDTH, outputs)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.features(self.body(x))
        return made

    def logits(self, features: Tensor) -> Tensor:
        made: Tensor = self.head(functional.relu(features))
        return made


def _conv(given: int, made: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU()
    )


# --- the face -----------------------------------------------------------------------------------


def learned(
    data: Dataset, *, steps: int | None = None, seed: int = 0, device: str = "cpu"
) -> Extractor:
    """An extractor trained on the training part of `data`; the held-out part is never looked at.

    Labels are used when each class has ten training pictures on average. A tenth of the training
    part (at most 2,000 pictures) is kept back: on it the temperature of the probabilities is
    found and the accuracy measured, which `about` reports.

    Training is `steps` (None: 500) batches of 128, on one thread of the CPU, and depends on nothing but the
    data, `steps` and `seed`; other processors round differently, and the hash, which is of the
    weights, shows it. The result is kept in the user's cache, so on one machine it is trained
    once; copy ``<cache>/features`` to get the same numbers elsewhere. Raises DataError for
    pictures under 4 pixels a side or too few, OptionError for `steps` below 1.
    """
    job = _job(data, STEPS if steps is None else steps, seed)
    network, facts = _cached(job) or _train_and_keep(job)
    tensors = network.state_dict()
    kind = "supervised" if job.classes else "self-supervised"
    codec = data.codec
    network = network.to(device)

    @torch.inference_mode()
    def see(pictures: np.ndarray) -> Seen:
        features = network(planes(pictures, codec, LONGEST).to(device))
        shares = None
        if job.classes:
            logits = network.logits(features) / network.temperature
            shares = logits.softmax(1).cpu().numpy()
        return Seen((features / network.scale).cpu().numpy(), shares)

    return Extractor(
        name="learned",
        hash=fingerprint(["learned", VERSION, RULE, codec.to_json()], tensors),
        width=WIDTH,
        codec=codec,
        batches=partial(batches, codec=codec, size=_SEEN_AT_ONCE),
        see_batch=see,
        classes=job.classes,
        about={"rule": RULE, "kind": kind, "data": data.fingerprint, **facts},
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """What is trained on what; `key` names it in the cache."""

    data: Dataset
    steps: int
    seed: int
    classes: tuple[str, ...]
    key: str

    def network(self) -> Network:
        size = small_size(self.data.codec, LONGEST)
        channels = self.data.codec.channels
        return Network(channels, *size, outputs=max(1, len(self.classes)))


def _job(data: Dataset, steps: int, seed: int) -> _Job:
    if steps < 1:
        raise OptionError(message("features 'learned'", f"steps must be at least 1; got {steps}"))
    if min(small_size(data.codec, LONGEST)) < LEAST_SIDE:
        size = f"{data.codec.height}×{data.codec.width}"
        problem = f"needs pictures of at least {LEAST_SIDE} pixels per side; got {size}"
        raise DataError(message("features 'learned'", f"{problem}: use 'pixels'"))
    if len(data.train) < LEAST_PICTURES:
        problem = f"needs at least {LEAST_PICTURES} training pictures; got {len(data.train)}"
        raise DataError(message("features 'learned'", f"{problem}: use 'pixels'"))
    enough = len(data.train) >= LEAST_PER_CLASS * len(data.spec.classes)
    classes = data.spec.classes if data.labels is not None and enough else ()
    settings = [VERSION, torch.__version__, data.fingerprint, data.codec.to_json(), steps, seed]
    return _Job(data, steps, seed, classes, fingerprint([*settings, classes]))


# --- the cache ----------------------------------------------------------------------------------


def _cached(job: _Job) -> tuple[Network, dict[str, Any]] | None:
    """What an earlier call trained, if it is there and whole."""
    weights, facts = _files(job)
    if not weights.exists() or not facts.exists():
        return None
    try:
        tree = json.loads(facts.read_text(encoding="utf-8"))
        tensors = load_file(weights)
        if fingerprint("", tensors) != tree["weights"]:
            raise ValueError("weights and facts don't belong together")
        network = _empty(job)
        fill("learned", network, tensors)
        return network, dict(tree["facts"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, ModelError) as error:
        _log.warning("the features in %s are damaged (%s) and are being retrained", weights, error)
        return None


def _files(job: _Job) -> tuple[Any, Any]:
    folder = cache_folder() / "features"
    return folder / f"{job.key}.safetensors", folder / f"{job.key}.json"


def _empty(job: _Job) -> Network:
    with torch.device("meta"):
        return job.network()


def _train_and_keep(job: _Job) -> tuple[Network, dict[str, Any]]:
    """Trains and writes. Two processes at once write the same; a mixture would be found out."""
    with on_threads(1):
        network, facts = _train(job)
    tensors = {key: t.contiguous() for key, t in network.state_dict().items()}
    weights, about = _files(job)
    try:
        with replacing(weights) as aside:
            save_file(tensors, aside)
        write_json(about, {"weights": fingerprint("", tensors), "facts": facts})
    except OSError as error:
        _log.warning("the features can't be kept in %s (%s)", weights.parent, error.strerror)
    return network, facts


# --- training -----------------------------------------------------------------------------------


def _train(job: _Job) -> tuple[Network, dict[str, Any]]:
    data = job.data
    inner, checked = _parts(data)
    with _own_randomness(seeds.derive(job.seed, "learned", data.fingerprint)):
        network = job.network().train()
        expander = nn.Identity() if job.classes else _expander()
        modules = nn.ModuleList([network, expander])
        optimiser = torch.optim.AdamW(modules.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=job.steps)
        batches = _batches(inner, min(_BATCH, len(inner)))
        for _ in range(job.steps):
            index = next(batches)
            loss = _loss(job, network, expander, index)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    network.requires_grad_(False).eval()
    _rescale(network, data, inner)
    facts: dict[str, Any] = {"steps": job.steps, "seed": job.seed, "trained_on": len(inner)}
    if job.classes:
        facts |= _calibrate(network, data, checked)
    return network, facts


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Torch's CPU generator seeded inside, and as it was outside; gradients on."""
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.random.set_rng_state(state)


def _parts(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The training indices in two: to train on, and about a tenth to check on.

    By content, so equal pictures are on one side; by bits of the hash that neither the held-out
    part nor its halves are chosen by.
    """
    hashes = data.hashes[data.train]
    checked = (hashes >> np.uint64(8)) & np.uint64(0xFFFF) < np.uint64(0x10000 // 10)
    if not 0 < checked.sum() <= len(checked) // 2:  # few pictures, or few that differ
        checked = hashes == hashes.min()
    inner = data.train[~checked]
    if len(inner) < LEAST_PICTURES // 2:  # almost all are equal
        inner = data.train
    return inner, data.train[checked][:_CHECKED_MOST]


def _batches(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Without end: each pass in another order, without the rest."""
    while True:
        order = indices[torch.randperm(len(indices)).numpy()]
        for start in range(0, len(order) - size + 1, size):
            yield np.sort(order[start : start + size])  # sorted reads of the mapped file


def _look(data: Dataset, index: np.ndarray) -> Tensor:
    return planes(data.rows[index], data.codec, LONGEST)


def _loss(job: _Job, network: Network, expander: nn.Module, index: np.ndarray) -> Tensor:
    x = _look(job.data, index)
    if not job.classes:
        return vicreg(*expander(network(torch.cat([_view(x), _view(x)]))).chunk(2))
    assert job.data.labels is not None  # there are classes
    logits = network.logits(network(moved(x, 0.08, 10, 0.1)))
    return functional.cross_entropy(logits, torch.from_numpy(job.data.labels[index]))


def _expander() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256))


def _view(x: Tensor) -> Tensor:
    contrast = torch.empty(len(x), 1, 1, 1).uniform_(0.7, 1.3)
    brightness = torch.empty(len(x), 1, 1, 1).uniform_(-0.2, 0.2)
    return moved(x, 0.12, 12, 0.15) * contrast + brightness


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """VICReg's loss (eq. 6, with its weights 25, 25 and 1) of two views' embeddings (b, d)."""
    loss = 25 * functional.mse_loss(a, b)
    for z in (a, b):
        loss = loss + 25 * functional.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() / 2
        covariance = z.T.cov()
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + off / len(covariance)
    return loss


def moved(x: Tensor, shift: float, degrees: float, zoom: float) -> Tensor:
    """Each picture shifted (by a share of its side), turned and zoomed by chance; never mirrored.

    Letters and organs are not the same in a mirror. The border is repeated outward.
    """
    n, _, height, width = x.shape
    angle = torch.empty(n).uniform_(-1, 1) * math.radians(degrees)
    scale = 1 + torch.empty(n).uniform_(-zoom, zoom)
    at = torch.empty(n, 2).uniform_(-2 * shift, 2 * shift)
    aspect = height / width
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [cos, -sin * aspect, at[:, 0], sin / aspect, cos, at[:, 1]]
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def _see_all(network: Network, data: Dataset, indices: np.ndarray) -> Tensor:
    pieces = [indices[i : i + _SEEN_AT_ONCE] for i in range(0, len(indices), _SEEN_AT_ONCE)]
    return torch.cat([network(_look(data, piece)) for piece in pieces])


def _rescale(network: Network, data: Dataset, inner: np.ndarray) -> None:
    some = inner[:: max(1, len(inner) // _CHECKED_MOST)]
    variance = _see_all(network, data, some).double().var(0).mean()
    network.scale.fill_(max(float(variance) ** 0.5, 1e-6))


def _calibrate(network: Network, data: Dataset, checked: np.ndarray) -> dict[str, Any]:
    """One temperature for all logits (Guo et al. 2017), minimising the NLL on images kept back."""
    assert data.labels is not None  # there are classes
    labels = torch.from_numpy(data.labels[checked])
    logits = network.logits(_see_all(network, data, checked)).double()

    def surprise(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / math.exp(log_temperature), labels))

    best = scipy.optimize.minimize_scalar(surprise, bounds=(-2, 3), method="bounded")
    network.temperature.fill_(math.exp(best.x))
    right = float((logits.argmax(1) == labels).double().mean())
    return {"accuracy": right, "accuracy_n": len(labels), "surprise_nats": float(best.fun)}
