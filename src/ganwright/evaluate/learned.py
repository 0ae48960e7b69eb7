"""A small network trained on the user's own training data, whose features a measure can use.

With labels it learns to tell the classes apart. Without, it learns by VICReg (Bardes, Ponce & LeCun
2022, "VICReg: variance-invariance-covariance regularization"): two views of one example, changed as
its modality says, should have equal features, while over the batch each feature varies and no two are
correlated. It needs no second network, no queue and no large batch, and its features keep what
distinguishes examples, not only what tells classes apart.

The features are the 128 numbers before the last nonlinearity, all divided by one number that makes
their mean variance over the training data 1. So the squared Fréchet distance has a scale: 128 is as
far as examples of the data are spread.
"""

from __future__ import annotations

import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

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
from ganwright.evaluate.weights import fill

VERSION = 1  # of the network and its training: raise it when either changes
WIDTH = 128
STEPS = 500
LEAST_TO_LEARN = 500  # training examples needed to learn features better than their components
LEAST_EXAMPLES, LEAST_PER_CLASS = 20, 10
_BATCH, _SEEN_AT_ONCE = 128, 256
_CHECKED_MOST = 2000  # examples of the inner validation part, and for the scale of the features
_log = logging.getLogger("ganwright")


class Task(ABC):
    """What a network is learned by instead of classes or views; `outputs` are the logits that it has."""

    outputs: int = 1

    def parts(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The training indices in two: to learn from, and to check on; None: as usual."""
        return None

    @abstractmethod
    def loss(self, network: Network, index: np.ndarray) -> Tensor:
        """Of the training examples at `index`."""

    def facts(self, see: Callable[[np.ndarray], Tensor], checked: np.ndarray) -> dict[str, Any]:
        """What is found on the part to check on; `see` gives the features of examples at indices."""
        return {}


class Sight(ABC):
    """How a modality's examples are shown to a network: as grids (b, channels, height, width).

    `name` is that of the features, `rule` says in words what `look` does, `things` are what examples are
    called in messages, and `instead` names features that do with fewer of them. `sharpest` is the least
    logarithm of the temperature: where the classifier makes no errors, only that bounds it.
    """

    name: ClassVar[str]
    rule: ClassVar[str]
    things: ClassVar[str]
    instead: ClassVar[str]
    sharpest: ClassVar[float] = -2.0

    def task(self, data: Dataset) -> Task | None:
        """What it learns by instead of the data's classes, or views; None: those."""
        return None

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Of what `look` gives of one example."""

    @abstractmethod
    def look(self, stored: np.ndarray) -> Tensor:
        """Stored examples as float32 grids, about [-1, 1]."""

    @abstractmethod
    def moved(self, x: Tensor) -> Tensor:
        """Each changed so slightly that its class stays: for training with labels."""

    @abstractmethod
    def view(self, x: Tensor) -> Tensor:
        """Each changed as much as two examples of one thing may differ: for training without."""

    @abstractmethod
    def batches(self, parts: Iterable[Any], size: int) -> Iterator[np.ndarray]:
        """Examples in parts of `size`. Raises DataError for what does not fit."""


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
    data: Dataset, sight: Sight, *, steps: int | None = None, seed: int = 0, device: str = "cpu"
) -> Extractor:
    """An extractor trained on the training part of `data`; the held-out part is never looked at.

    Labels are used when each class has ten training examples on average. A tenth of the training
    part (at most 2,000 examples) is kept back: on it the temperature of the probabilities is
    found and the accuracy measured, which `about` reports.

    Training is `steps` (None: 500) batches of 128, on one thread of the CPU, and depends on nothing but the
    data, `steps` and `seed`; other processors round differently, and the hash, which is of the
    weights, shows it. The result is kept in the user's cache, so on one machine it is trained
    once; copy ``<cache>/features`` to get the same numbers elsewhere. Raises DataError for
    too few examples, OptionError for `steps` below 1.
    """
    job = _job(data, sight, STEPS if steps is None else steps, seed)
    network, facts = _cached(job) or _train_and_keep(job)
    tensors = network.state_dict()
    kind = "supervised" if job.classes else sight.name if job.task else "self-supervised"
    codec = data.codec
    return Extractor(
        name=sight.name,
        hash=fingerprint([sight.name, VERSION, sight.rule, codec.to_json()], tensors),
        width=WIDTH,
        codec=codec,
        batches=partial(sight.batches, size=_SEEN_AT_ONCE),
        see_batch=See(network.to(device), sight, device, bool(job.classes)),
        classes=job.classes,
        about={"rule": sight.rule, "kind": kind, "data": data.fingerprint, **facts},
    )


@dataclass(frozen=True, eq=False)
class See:
    """What the network says of stored examples."""

    network: Network
    sight: Sight
    device: str
    classifies: bool

    @torch.inference_mode()
    def __call__(self, examples: np.ndarray) -> Seen:
        network = self.network
        features = network(self.sight.look(examples).to(self.device))
        shares = None
        if self.classifies:
            logits = network.logits(features) / network.temperature
            shares = logits.softmax(1).cpu().numpy()
        return Seen((features / network.scale).cpu().numpy(), shares)


@dataclass(frozen=True, eq=False)
class _Job:
    """What is trained on what; `key` names it in the cache."""

    data: Dataset
    sight: Sight
    steps: int
    seed: int
    classes: tuple[str, ...]
    task: Task | None
    key: str

    def network(self) -> Network:
        outputs = max(1, len(self.classes)) if self.task is None else self.task.outputs
        return Network(*self.sight.shape, outputs=outputs)


def _job(data: Dataset, sight: Sight, steps: int, seed: int) -> _Job:
    owner = f"features '{sight.name}'"
    if steps < 1:
        raise OptionError(message(owner, f"steps must be at least 1; got {steps}"))
    if len(data.train) < LEAST_EXAMPLES:
        problem = f"needs at least {LEAST_EXAMPLES} training {sight.things}; got {len(data.train)}"
        raise DataError(message(owner, f"{problem}: use '{sight.instead}'"))
    enough = len(data.train) >= LEAST_PER_CLASS * len(data.spec.classes)
    task = sight.task(data)
    classes = data.spec.classes if data.labels is not None and enough and task is None else ()
    settings = [VERSION, torch.__version__, data.fingerprint, data.codec.to_json(), steps, seed]
    key = fingerprint([*settings, classes, sight.name, sight.rule])
    return _Job(data, sight, steps, seed, classes, task, key)


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
    inner, checked = (job.task and job.task.parts()) or _parts(data)
    with _own_randomness(seeds.derive(job.seed, "learned", data.fingerprint)):
        network = job.network().train()
        expander = nn.Identity() if job.classes or job.task else _expander()
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
    _rescale(network, job, inner)
    facts: dict[str, Any] = {"steps": job.steps, "seed": job.seed, "trained_on": len(inner)}
    if job.classes:
        facts |= _calibrate(network, job, checked)
    if job.task:
        facts |= job.task.facts(partial(_see_all, network, job), checked)
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

    By content, so equal examples are on one side; by bits of the hash that neither the held-out
    part nor its halves are chosen by.
    """
    hashes = data.hashes[data.train]
    checked = (hashes >> np.uint64(8)) & np.uint64(0xFFFF) < np.uint64(0x10000 // 10)
    if not 0 < checked.sum() <= len(checked) // 2:  # few examples, or few that differ
        checked = hashes == hashes.min()
    inner = data.train[~checked]
    if len(inner) < LEAST_EXAMPLES // 2:  # almost all are equal
        inner = data.train
    return inner, data.train[checked][:_CHECKED_MOST]


def _batches(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Without end: each pass in another order, without the rest."""
    while True:
        order = indices[torch.randperm(len(indices)).numpy()]
        for start in range(0, len(order) - size + 1, size):
            yield np.sort(order[start : start + size])  # sorted reads of the mapped file


def _loss(job: _Job, network: Network, expander: nn.Module, index: np.ndarray) -> Tensor:
    if job.task:
        return job.task.loss(network, index)
    x = job.sight.look(job.data.rows[index])
    if not job.classes:
        return vicreg(
            *expander(network(torch.cat([job.sight.view(x), job.sight.view(x)]))).chunk(2)
        )
    assert job.data.labels is not None  # there are classes
    logits = network.logits(network(job.sight.moved(x)))
    return functional.cross_entropy(logits, torch.from_numpy(job.data.labels[index]))


def _expander() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256))


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """VICReg's loss (eq. 6, with its weights 25, 25 and 1) of two views' embeddings (b, d)."""
    loss = 25 * functional.mse_loss(a, b)
    for z in (a, b):
        loss = loss + 25 * functional.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() / 2
        covariance = z.T.cov()
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + off / len(covariance)
    return loss


@torch.no_grad()
def _see_all(network: Network, job: _Job, indices: np.ndarray) -> Tensor:
    pieces = [indices[i : i + _SEEN_AT_ONCE] for i in range(0, len(indices), _SEEN_AT_ONCE)]
    return torch.cat([network(job.sight.look(job.data.rows[piece])) for piece in pieces])


def _rescale(network: Network, job: _Job, inner: np.ndarray) -> None:
    some = inner[:: max(1, len(inner) // _CHECKED_MOST)]
    variance = _see_all(network, job, some).double().var(0).mean()
    network.scale.fill_(max(float(variance) ** 0.5, 1e-6))


def _calibrate(network: Network, job: _Job, checked: np.ndarray) -> dict[str, Any]:
    """One temperature for all logits (Guo et al. 2017), minimising the NLL on examples kept back."""
    assert job.data.labels is not None  # there are classes
    labels = torch.from_numpy(job.data.labels[checked])
    logits = network.logits(_see_all(network, job, checked)).double()

    def surprise(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / math.exp(log_temperature), labels))

    best = scipy.optimize.minimize_scalar(
        surprise, bounds=(job.sight.sharpest, 3), method="bounded"
    )
    network.temperature.fill_(math.exp(best.x))
    right = float((logits.argmax(1) == labels).double().mean())
    return {"accuracy": right, "accuracy_n": len(labels), "surprise_nats": float(best.fun)}
