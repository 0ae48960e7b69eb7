"""The model artefact: everything needed to use a trained model, and nothing that only training needs.

Two files: `model.safetensors` (weights) and `model.json` (what they mean). Neither can run code, and
both are checked before memory is allocated, so a model from a stranger is safe to load.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypeAlias, Union

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganwright import nets
from ganwright.base import seeds
from ganwright.base.ahead import ahead
from ganwright.base.errors import ModelError, OptionError, WorkError, message
from ganwright.base.modality import parts
from ganwright.base.options import Field, build, options, tree
from ganwright.base.runs import replacing
from ganwright.base.spec import Spec
from ganwright.data import DataOptions
from ganwright.data.codec import Codec, codec_type
from ganwright.game import LatentOptions, Truncate
from ganwright.nets import PlayerOptions, count_parameters

FORMAT, VERSION = "ganwright-model", 1
WEIGHTS, FACTS = "model.safetensors", "model.json"
LIKELIHOOD = "surprise"  # purpose of its seeds: another word would hide other parts
SHOWN = 32  # samples in a notebook
LARGEST_FACTS = 32 << 20  # bytes of model.json; anything larger is no model
NUMBERS = 2**22  # in the examples that a GPU makes together, about
WORKERS = 4  # blocks that are drawn, made and decoded at once on a GPU
# Samples are made in blocks that begin at multiples of `Model.block`, whatever the caller asks for, so that
# the same sample always results from the same arithmetic, bit for bit.
Where = str | Mapping[str, Any]
_TYPES = {torch.float32: "F32", torch.int64: "I64"}  # all types of our nets' tensors


def _by_kind(part: str) -> Any:
    """The options of all nets of all modalities, distinguished by `kind`."""
    own = [getattr(module, part) for module in parts("nets").values()]
    classes = (*getattr(nets, part), *chain.from_iterable(own))
    return Annotated[Union[classes], Field(discriminator="kind")]  # noqa: UP007


if TYPE_CHECKING:
    GeneratorOptions: TypeAlias = PlayerOptions
    DiscriminatorOptions: TypeAlias = PlayerOptions
else:
    GeneratorOptions, DiscriminatorOptions = _by_kind("GENERATORS"), _by_kind("DISCRIMINATORS")


@options
class NetOptions:
    """The two nets and their latent."""

    latent: LatentOptions
    generator: GeneratorOptions
    discriminator: DiscriminatorOptions

    def build_generator(self, spec: Spec) -> nn.Module:
        return self.generator.build(spec, self.latent.dim)

    def build_discriminator(self, spec: Spec) -> nn.Module:
        return self.discriminator.build(spec, self.latent.dim)


class Allowed(Protocol):
    """A codec's reading of `where`: which values examples may have."""

    @property
    def share(self) -> np.ndarray:
        """How much of each code is allowed, 0 … 1."""


class Samples(NamedTuple):
    """A block of samples as the codec decodes them, with their labels and place in the sequence."""

    start: int
    examples: Any
    labels: np.ndarray | None


class Redone(NamedTuple):
    """Examples as a generator with a task is given them: its condition, and that and its result decoded."""

    condition: Tensor
    given: Any
    made: Any


@dataclass(kw_only=True)
class Model:
    """A trained generator (the average over training) and its discriminator, ready for use."""

    spec: Spec
    codec: Codec
    net: NetOptions
    generator: Any  # a module with what nets.layers.Generator offers
    discriminator: nn.Module
    recipe: dict[str, Any]
    data: dict[str, Any]
    seen: int

    def __repr__(self) -> str:
        """What it makes, its generator and size, and how long it was trained."""
        weights = count_parameters(self.generator)
        return (
            f"Model({self.codec.makes}, {self.net.generator.kind} generator of {weights:,} weights, "
            f"{self.seen / 1000:,.1f} kimg)"
        )

    def _repr_html_(self) -> str:
        """Some samples, for a notebook."""
        head = f"<p><code>{html.escape(repr(self))}</code></p>"
        return head if self.generator.task else head + self.codec.html(self.sample(SHOWN))

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        label: int | str | Sequence[int | str] | np.ndarray | None = None,
        truncation: float = 1.0,
        truncate: Truncate = "shrink",
        where: Where | None = None,
        by: str | None = None,
    ) -> Any:
        """`n` samples in the data's own form.

            Of pictures uint8 (n, height, width, channels); of sounds (waves, rate), waves float32
            (n, length) in [-1, 1]; of a table or series a DataFrame with the columns, order and types of
            the data; of counts a scipy CSR matrix, or a DataFrame where one came in.

            Sample i depends on (seed, i) alone, not on `n`. `label` is a class by name (str) or by its
            place in `spec.classes` (int), or one for each sample; None draws classes with the shares of
            the data. `truncation` trades variety for typicality: with `truncate` "shrink" it is the
            share ψ in [0, 1] that is kept of each latent's distance from the mean (1: all of it), with
        "resample" the bound of |z| beyond which coordinates are redrawn (2 is mild, 0.5 strong).
            `where` sets conditions on columns, for every row: ``"age=40..60, sex=Female"`` or a mapping.
            `by` names another way to make them that the model holds (`generator.beside`), such as the
            language model that was trained beside a model of texts.
            Raises OptionError for an impossible value.

            >>> import ganwright as gw
            >>> model = gw.load("runs/digits")      # doctest: +SKIP
            >>> model.sample(64, seed=0).shape      # doctest: +SKIP
            (64, 8, 8, 1)
        """
        blocks = self.stream(
            n, seed=seed, label=label, truncation=truncation, truncate=truncate, where=where, by=by
        )
        return self.codec.join(block.examples for block in blocks)

    def must_make_new(self) -> None:
        """Raises OptionError for a model that only works on what it is given."""
        if task := self.generator.task:
            raise OptionError(
                f"this model makes nothing new: it was trained to {task} what it is given; "
                f"ganwright {self.generator.verb} RUN DATA --out OUT"
            )

    def stream(
        self,
        n: int,
        *,
        seed: int = 0,
        label: int | str | Sequence[int | str] | np.ndarray | None = None,
        truncation: float = 1.0,
        truncate: Truncate = "shrink",
        where: Where | None = None,
        by: str | None = None,
    ) -> Iterator[Samples]:
        """The same samples block by block, in constant memory; rows of a table as Arrow tables."""
        if n < 1:
            raise OptionError(f"n: must be at least 1; got {n}")
        self.must_make_new()
        self.net.latent.check_truncation(truncation, truncate)
        fixed = self._labels_asked(label, n)
        allowed = None if where is None else self.codec.allowed(where)
        if allowed is not None and not self.generator.fills:
            raise OptionError(
                f"where: the nets '{self.net.generator.kind}' don't support conditions; the recipe table does"
            )
        if by is not None and by not in (beside := self.generator.beside):
            problem = f"no model {by!r}" if beside else f"this model has none beside it; got {by!r}"
            raise OptionError(message("by", problem, allowed=beside, got=by))
        return self._stream(n, seed, fixed, (truncation, truncate), allowed, by)

    def _stream(
        self,
        n: int,
        seed: int,
        fixed: np.ndarray | None,
        truncation: tuple[float, Truncate],
        allowed: Allowed | None,
        by: str | None,
    ) -> Iterator[Samples]:
        places_seed, block = seeds.derive(seed, "sample", "place"), self.block

        def samples(start: int) -> Samples:
            count = min(block, n - start)
            labels = self.labels(seed, start, block) if fixed is None else fixed[start:][:block]
            if labels is not None and len(labels) < block:
                labels = np.resize(labels, block)
            made = self.make(seed, start, block, labels, truncation, allowed, by=by)[:count]
            places = seeds.uniforms(places_seed, start, count, self.codec.uniforms)
            examples = self.codec.decode(made, places, allowed, start=start)
            return Samples(start, examples, None if labels is None else labels[:count])

        # A GPU would wait while latents are drawn and examples decoded.
        workers = 0 if self.device.type == "cpu" else WORKERS
        return ahead(samples, range(0, n, block), workers)

    @torch.inference_mode()
    def make(
        self,
        seed: int,
        start: int,
        count: int,
        labels: np.ndarray | None = None,
        truncation: tuple[float, Truncate] = (1.0, "shrink"),
        allowed: Allowed | None = None,
        condition: Tensor | None = None,
        by: str | None = None,
    ) -> Tensor:
        """Samples `start` … `start + count` of a seed as the generator gives them, undecoded.

        `condition` is what the generator goes on from; None: the labels alone.
        """
        latents = self.net.latent.draw_truncated(
            seeds.derive(seed, "sample", "latent"), start, count, *truncation
        )
        uniforms = seeds.uniforms(
            seeds.derive(seed, "sample", "choice"), start, count, self.generator.uniforms
        )
        return self._made(latents, labels, uniforms, allowed, condition, by)

    def _made(
        self,
        latents: Tensor,
        labels: np.ndarray | None,
        uniforms: np.ndarray,
        allowed: Allowed | None = None,
        condition: Tensor | None = None,
        by: str | None = None,
    ) -> Tensor:
        device = self.device
        if condition is None:
            on_device = None if labels is None else torch.as_tensor(labels, device=device)
            condition = self.generator.start(len(latents), on_device)
        sample = self.generator.sample if by is None else self.generator.beside[by]
        made: Tensor = sample(
            latents.to(device),
            None if condition is None else condition.to(device),
            torch.from_numpy(uniforms.astype(np.float32)).to(device),
            None if allowed is None else torch.from_numpy(allowed.share).float().to(device),
        )
        return made.float() if made.is_floating_point() else made

    @torch.inference_mode()
    def generate(
        self, latents: Tensor, label: int | str | Sequence[int | str] | np.ndarray | None = None
    ) -> Any:
        """Samples from latents (n, dim) of your own, in the data's own form; `label` as for `sample`.

        Where the model has classes, None draws them as `sample` does. Raises OptionError.
        """
        self.must_make_new()
        n, dim = len(latents), self.net.latent.dim
        if latents.ndim != 2 or latents.shape[1] != dim or not n:
            raise OptionError(f"latents: must be (n, {dim}), n ≥ 1; got {tuple(latents.shape)}")
        labels = self.labels(0, 0, n) if label is None else self._labels_asked(label, n)
        blocks = []
        for start in range(0, n, self.generator.block):
            part = slice(start, start + self.generator.block)
            here = latents[part].float()
            uniforms = seeds.uniforms(
                seeds.derive(0, "sample", "choice"), start, len(here), self.generator.uniforms
            )
            made = self._made(here, None if labels is None else labels[part], uniforms)
            places = seeds.uniforms(
                seeds.derive(0, "sample", "place"), start, len(here), self.codec.uniforms
            )
            blocks.append(self.codec.decode(made, places, start=start))
        return self.codec.join(blocks)

    @torch.inference_mode()
    def redone(self, stored: Tensor, seed: int = 0) -> Iterator[Redone]:
        """What a generator with a task is given of real examples (n, …), and makes of it, block by block.

        The condition is the one that it is tested by, and a function of (seed, position).
        """
        generator, block = self.generator, self.generator.block
        for start in range(0, len(stored), block):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seeds.derive(seed, "exam", start))
                condition = generator.exam(self.codec.given(stored[start : start + block]))
            latents = self.net.latent.draw(seeds.derive(seed, "exam", "latent"), start, block)
            condition, latents = (
                condition.to(self.device), latents[: len(condition)].to(self.device),
            )  # fmt: skip
            made = generator.sample(latents, condition, latents[:, :0])
            places = np.empty((len(condition), 0))
            yield Redone(
                condition,
                self.codec.decode(generator.shown(condition), places),
                self.codec.decode(made, places),
            )

    @torch.inference_mode()
    def negative_log_likelihood(
        self, stored: Tensor, seed: int = 0, *, times: int = 1, labels: Tensor | None = None
    ) -> tuple[float, float] | None:
        """−log p, in nats, of hidden parts of examples as stored (n, …); the same parts each time.

        The mean and its standard error, of examples that `stored` holds so many `times` each, one batch
        after the other, and of `labels` (n,) where there are classes; None where the generator gives no
        likelihood.
        """
        if not self.generator.gives_likelihood:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, LIKELIHOOD))
            condition = self.generator.condition(self.codec.given(stored), labels).to(self.device)
        latents = self.net.latent.draw(seeds.derive(seed, LIKELIHOOD, "latent"), 0, len(stored))
        found = self.generator.negative_log_likelihood(latents.to(self.device), condition)
        each = found.view(times, -1).mean(0)
        return float(each.mean()), float(each.std() / len(each) ** 0.5)

    @property
    def data_options(self) -> DataOptions:
        """How its data are opened: as in training, and as its kind of data whatever they look like now."""
        given = self.recipe["data"] | {"form": self.codec.kind}
        return build(DataOptions, given, owner="model.json: recipe.data")

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.generator.parameters()).device

    @property
    def block(self) -> int:
        """How many samples are made together: more on a GPU, as many as it makes at once without effort."""
        own: int = self.generator.block
        if self.device.type == "cpu":
            return own
        return own * max(1, NUMBERS // (own * self.spec.size))

    def labels(self, seed: int, start: int, count: int) -> np.ndarray | None:
        """Labels `start` … `start + count` of a seed, with the shares of the data; int64."""
        if not self.spec.classes:
            return None
        counts = np.asarray(self.data["class_counts"], dtype=np.float64)
        uniform = seeds.uniforms(seeds.derive(seed, "sample", "label"), start, count, 1)[:, 0]
        ends = np.cumsum(counts) / counts.sum()
        return np.minimum(np.searchsorted(ends, uniform), len(counts) - 1).astype(np.int64)

    def _labels_asked(
        self, label: int | str | Sequence[int | str] | np.ndarray | None, n: int
    ) -> np.ndarray | None:
        if label is None:
            return None
        if not self.spec.classes:
            raise OptionError("label: this model was trained without classes")
        if isinstance(label, int | str | np.integer):
            return np.full(n, self._label(label))
        if len(label) != n:
            raise OptionError(f"label: needs one for each of {n} samples; got {len(label)}")
        return np.asarray([self._label(item) for item in label])

    def _label(self, label: int | str) -> int:
        classes = self.spec.classes
        if isinstance(label, str):
            if label in classes:
                return classes.index(label)
        elif (
            0 <= label < len(classes)
        ):  # a position, though a class may have the number as its name
            return int(label)
        raise OptionError(message("label", f"no class {label!r}", allowed=classes, got=label))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the artefact folder, whole or not at all."""
        facts = {
            "format": FORMAT,
            "version": VERSION,
            "spec": self.spec.to_json(),
            "codec": self.codec.to_json(),
            "net": tree(self.net),
            "recipe": self.recipe,
            "data": self.data,
            "seen": self.seen,
        }
        with replacing(Path(path)) as aside:
            aside.mkdir(parents=True)
            try:
                save_file(weights_of(self.generator, self.discriminator), aside / WEIGHTS)
            except SafetensorError as error:  # a full disk, say
                raise WorkError(f"'{path}' can't be written: {error}") from None
            facts["checksum"] = _checksum(facts, aside / WEIGHTS)
            text = json.dumps(facts, indent=2, ensure_ascii=False)
            (aside / FACTS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Model:
        """Reads an artefact folder, or the one within a run folder: the best one, else the last.

        Sizes and shapes are checked against `model.json` before any memory is taken for them, and both
        files against their checksum.
        Raises ModelError when anything is missing, damaged or of a newer version.
        """
        folder = artefact(path)
        facts = _read_facts(folder)
        kind = codec_type(facts["codec"])
        spec, codec = kind.spec_type.from_json(facts["spec"]), kind.from_json(facts["codec"])
        if spec.shape != codec.shape:
            raise ModelError(f"'{folder / FACTS}': 'spec' and 'codec' are of different sizes")
        net, generator, discriminator = _empty_nets(facts["net"], spec, folder / FACTS)
        _check_weights(folder / WEIGHTS, weights_of(generator, discriminator))
        if facts.get("checksum") not in (None, _checksum(facts, folder / WEIGHTS)):
            raise ModelError(
                f"'{folder}' is damaged, or was changed by hand: its checksum is wrong"
            )
        loaded = load_file(folder / WEIGHTS, device=device)
        for name, network in (("generator", generator), ("discriminator", discriminator)):
            own = {key.partition(".")[2]: t for key, t in loaded.items() if key.startswith(name)}
            network.load_state_dict(own, assign=True)
            network.to(device).eval().requires_grad_(False)
        return cls(
            spec=spec,
            codec=codec,
            net=net,
            generator=generator,
            discriminator=discriminator,
            recipe=facts["recipe"],
            data=facts["data"],
            seen=facts["seen"],
        )


def _empty_nets(facts: Any, spec: Spec, path: Path) -> tuple[NetOptions, nn.Module, nn.Module]:
    """The nets that `facts` describe, without allocating their weights."""
    try:
        net = build(NetOptions, facts, owner=f"{path}: net")
        with torch.device("meta"):
            return net, net.build_generator(spec), net.build_discriminator(spec)
    except OptionError as error:
        raise ModelError(str(error)) from None
    except (RuntimeError, OverflowError) as error:  # more weights than 64 bits can count
        raise ModelError(f"'{path}': impossible sizes in 'net': {error}") from None


def artefact(path: str | os.PathLike[str]) -> Path:
    """The artefact's folder at a path: itself, or the one within a run folder, the best if it has one."""
    folder = Path(path)
    if (folder / FACTS).is_file():
        return folder
    within = (folder / "best", folder / "model")
    return next((inner for inner in within if (inner / FACTS).is_file()), folder)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """A hash of the weights of the artefact at a path: 16 hexadecimal digits."""
    with (artefact(path) / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()


def _checksum(facts: Mapping[str, Any], weights: Path) -> str:
    """A hash of both files, whatever the layout of the JSON: 32 hexadecimal digits.

    Versions before 0.4 wrote none.
    """
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16))
    rest = {key: value for key, value in facts.items() if key != "checksum"}
    found.update(json.dumps(rest, sort_keys=True).encode())
    return found.hexdigest()


def weights_of(generator: nn.Module, discriminator: nn.Module) -> dict[str, Tensor]:
    """Every tensor of an artefact, by its name."""
    return {
        f"{name}.{key}": tensor.detach().contiguous()
        for name, network in (("generator", generator), ("discriminator", discriminator))
        for key, tensor in network.state_dict().items()
    }


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / FACTS
    if not path.is_file():
        raise ModelError(f"'{folder}' holds no model: there is no {FACTS} in it")
    if path.stat().st_size > LARGEST_FACTS:
        raise ModelError(f"'{path}' is {path.stat().st_size} bytes: not a Ganwright model")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"'{path}' is not readable: {error}") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ModelError(f"'{path}' is not a Ganwright model: 'format' is not {FORMAT!r}")
    if facts.get("version") != VERSION:
        raise ModelError(
            f"'{path}' has version {facts.get('version')!r}; this Ganwright reads version {VERSION}"
        )
    kinds = {"spec": dict, "codec": dict, "net": dict, "recipe": dict, "data": dict, "seen": int}
    for key, kind in kinds.items():
        if not isinstance(facts.get(key), kind):
            raise ModelError(f"'{path}': {key!r} is missing or not readable")
    counts, classes = facts["data"].get("class_counts"), facts["spec"].get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ModelError(f"'{path}': 'classes' is not a list of names")
    if classes and (
        not isinstance(counts, list)
        or len(counts) != len(classes)
        or not all(isinstance(count, int) and 0 <= count < 2**63 for count in counts)
        or sum(counts) == 0
    ):
        raise ModelError(f"'{path}': 'class_counts' doesn't match the classes")
    return facts


def _check_weights(path: Path, expected: dict[str, Tensor]) -> None:
    """Compares the file's table of contents with the nets that model.json describes."""
    if not path.is_file():
        raise ModelError(f"'{path}' is missing")
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            found = {name: file.get_slice(name) for name in names}
            shapes = {name: tuple(one.get_shape()) for name, one in found.items()}
            types = {name: one.get_dtype() for name, one in found.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{path}' is damaged: {error}") from None
    if names != set(expected):
        odd = sorted(names ^ set(expected))[0]
        raise ModelError(f"'{path}' doesn't match {FACTS}: {odd!r} is in only one of them")
    for name, tensor in expected.items():
        if shapes[name] != tuple(tensor.shape):
            raise ModelError(
                f"'{path}' doesn't match {FACTS}: {name!r} has shape {shapes[name]}, "
                f"not {tuple(tensor.shape)}"
            )
        if types[name] != _TYPES[tensor.dtype]:
            raise ModelError(f"'{path}' doesn't match {FACTS}: {name!r} has type {types[name]}")
