"""Transfer: tensors that fit are copied, those that only the classes shape start new.

The nets and the latent must be the source's, except for the number of classes. An embedding of other
classes starts new. A layer that sees the class embedding beside its features keeps its columns for the
features, and those for the embedding start at 0: a generator that is given classes for the first time
starts out as the source's, whatever the class. Rows of another table are refused: their codes stand for
other values.

The recipe records the source's path and the fingerprint of its weights. A repetition checks it; a
resumed run doesn't need the source any more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch

from ganwright.base.errors import OptionError
from ganwright.base.options import build, flatten, override, written
from ganwright.base.spec import Spec
from ganwright.data import Dataset
from ganwright.model import Model, NetOptions, fingerprint, weights_of
from ganwright.train.recipes import Recipe, StartOptions, TrainOptions
from ganwright.train.trainer import Trainer

Shapes = dict[str, tuple[int, ...]]
# What a run fills in from its own budget and machine.
OPEN = (
    "kimg", "minutes", "threads", "report_kimg", "snapshot_kimg", "checkpoint_kimg", "score_kimg",
    "score_features", "freeze_d",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model to start from, its path, and the fingerprint of its weights."""

    path: str
    model: Model
    fingerprint: str

    @classmethod
    def find(cls, o: StartOptions) -> Source:
        """The model that `o` names. Raises ModelError, or OptionError where its weights changed."""
        assert o.model is not None
        path = os.fspath(o.model)
        found = cls(path=path, model=Model.load(path), fingerprint=fingerprint(path))
        if o.fingerprint not in (None, found.fingerprint):
            raise OptionError(
                f"start: '{path}' holds weights with fingerprint {found.fingerprint}; the recipe "
                f"started from {o.fingerprint}. Start from what is there now with --from"
            )
        return found

    def recipe(self) -> Recipe:
        """The recipe it was trained with, open where each run fills in its own values."""
        old = build(Recipe, self.model.recipe, owner=f"{self.path}: recipe")
        blank = TrainOptions()
        settings = {f"train.{name}": getattr(blank, name) for name in OPEN}
        # A decay lasts as long as a run.
        settings |= {path: 0.0 for path in flatten(old) if path.endswith(".decay_kimg")}
        return override(replace(old, start=StartOptions()), settings)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The names of the tensors that are copied whole, in part, or start new."""

    whole: tuple[str, ...]
    part: tuple[str, ...]
    new: tuple[str, ...]
    renamed: bool = False  # the classes have other names than the source's

    def told(self, source: Source) -> str:
        """One line about it."""
        count = len(self.whole) + len(self.part) + len(self.new)
        text = (
            f"starts from '{source.path}' (fingerprint {source.fingerprint}): "
            f"{len(self.whole)} of {count} tensors copied"
        )
        for names, what in (
            (self.part, "in part"),
            (self.new, "new, as they depend on the classes"),
        ):
            text += f"; {len(names)} {what}: {', '.join(names)}" if names else ""
        text += f"; it makes {source.model.codec.makes}, as there"
        if self.renamed:
            text += "; the classes have other names here and take over the embeddings at their positions"
        return text


def fit(source: Source, recipe: Recipe, data: Dataset) -> Fit:
    """Which of the source's tensors fit. Raises OptionError that names the first misfit."""
    model, net, spec = source.model, recipe.net(), data.spec
    _refuse_other_kinds(source, net)
    if recipe.game.privacy.on:
        raise OptionError(
            "--from: doesn't go with game.privacy: what the source learned is not accounted for"
        )
    if not data.codec.suits(model.codec):
        raise OptionError(
            f"--from: '{source.path}' was trained on other {model.codec.kind} data: its weights refer "
            "to values that this data does not have"
        )
    there = {
        name: tuple(t.shape) for name, t in weights_of(model.generator, model.discriminator).items()
    }
    alike = shapes(net, replace(spec, classes=model.spec.classes))
    if there != alike:
        raise OptionError(
            f"--from: '{source.path}' doesn't fit: {_misfit(there, alike, model, spec)}"
        )
    here = shapes(net, spec)
    whole = tuple(name for name, shape in here.items() if there.get(name) == shape)
    part = tuple(name for name, shape in here.items() if _columns(name, there.get(name), shape))
    new = tuple(name for name in here if name not in (*whole, *part))
    renamed = len(spec.classes) == len(model.spec.classes) and spec.classes != model.spec.classes
    return Fit(whole=whole, part=part, new=new, renamed=renamed)


@torch.no_grad()
def take(source: Source, found: Fit, trainer: Trainer) -> None:
    """Copies the source's weights into the players and the average of a fresh trainer."""
    game, model = trainer.game, source.model
    theirs = weights_of(model.generator, model.discriminator)
    for player, network in (("generator", game.generator), ("discriminator", game.discriminator)):
        for name, tensor in network.state_dict().items():
            whole = f"{player}.{name}"
            if whole in found.whole:
                tensor.copy_(theirs[whole])
            elif whole in found.part:
                columns = min(tensor.shape[1], theirs[whole].shape[1])
                tensor.zero_()
                tensor[:, :columns].copy_(theirs[whole][:, :columns])
    trainer.average.network.load_state_dict(game.generator.state_dict())


def shapes(net: NetOptions, spec: Spec) -> Shapes:
    """The shape of every tensor of both nets, by name; takes no memory."""
    with torch.device("meta"):
        tensors = weights_of(net.build_generator(spec), net.build_discriminator(spec))
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _columns(name: str, there: tuple[int, ...] | None, here: tuple[int, ...]) -> bool:
    """Whether two weights differ only in columns, the last of which are for the class embedding."""
    if there is None or len(there) != 2 or len(here) != 2 or not name.startswith("generator."):
        return False
    return there[0] == here[0] and there[1] != here[1]


def _refuse_other_kinds(source: Source, net: NetOptions) -> None:
    theirs = source.model.net
    pairs = (
        ("latent.kind", theirs.latent.kind, net.latent.kind),
        ("latent.dim", theirs.latent.dim, net.latent.dim),
        ("generator.kind", theirs.generator.kind, net.generator.kind),
        ("discriminator.kind", theirs.discriminator.kind, net.discriminator.kind),
    )
    for name, there, here in pairs:
        if there != here:
            raise OptionError(
                f"--from: '{source.path}' has {name} {there!r}, this run {here!r}; nets and latent must "
                "be the same. Without --recipe they are the source's"
            )


def _misfit(there: Shapes, here: Shapes, model: Model, spec: Spec) -> str:
    """The first tensor that doesn't fit, in the order of the nets."""
    name = next(n for n in {**here, **there} if there.get(n) != here.get(n))
    old, new = (_written(shapes.get(name)) for shapes in (there, here))
    text = f"{name} is {old} there and {new} here"
    if model.spec.shape != spec.shape:
        needed = [f"--set {written(*item)}" for item in model.codec.settings().items()]
        text += f"; it makes {model.codec.makes}: {' '.join(needed)}"
    return text


def _written(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "×".join(map(str, shape)) or "a number"
