"""The interface of codecs: from stored examples to what the nets see, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ganwright.base.errors import OptionError
from ganwright.base.modality import modality_of_json
from ganwright.base.spec import Spec

if TYPE_CHECKING:
    import torch


class Codec(ABC):
    """Saved with every model. `stored` examples are an array as training reads it from disk.

    `kind` is the name of the modality; `formats` are the formats of samples, and `default_suffix` that
    of samples without a named file. `scored_by` are the features of scores in training, for short runs
    and for long ones.
    """

    kind: ClassVar[str]
    spec_type: ClassVar[type[Spec]] = Spec
    formats: ClassVar[tuple[str, ...]]
    default_suffix: ClassVar[str]
    snapshot_suffix: ClassVar[str]
    scored_by: ClassVar[tuple[str, str]]

    @property
    def uniforms(self) -> int:
        """How many uniforms decoding an example takes."""
        return 0

    @property
    @abstractmethod
    def makes(self) -> str:
        """What the examples are, for people."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of what the nets see."""

    @abstractmethod
    def encode(self, stored: torch.Tensor) -> torch.Tensor:
        """Stored examples (b, …) → what the discriminator sees."""

    @abstractmethod
    def decode(
        self, x: torch.Tensor, places: np.ndarray, allowed: Any = None, *, start: int = 0
    ) -> Any:
        """What the generator gives → examples. `places` (b, uniforms) in [0, 1) decide what is random.

        `allowed` is the result of `allowed()` for the user's conditions, `start` the first example's number.
        Raises WorkError for NaN.
        """

    def given(self, stored: torch.Tensor) -> torch.Tensor:
        """What a generator's condition is made from: examples as stored, or in another form of them."""
        return stored

    def stored(self, examples: Any) -> np.ndarray:
        """Decoded examples as a data set stores them: as they are, unless a modality has another form."""
        return np.asarray(examples)

    def join(self, blocks: Iterable[Any]) -> Any:
        """Blocks of examples in the user's own form."""
        return np.concatenate(list(blocks))

    def allowed(self, where: Any) -> Any:
        """What `where` demands of examples. Raises OptionError where it can't be met."""
        raise OptionError(f"where: {self.makes} are generated without conditions; got {where!r}")

    def suits(self, other: Codec) -> bool:
        """Whether weights trained with the codec `other` fit this one: what the nets see means the same."""
        return self.to_json() == other.to_json()

    def settings(self) -> dict[str, Any]:
        """Options by which data is opened in the form that it makes, by dotted path."""
        return {}

    @abstractmethod
    def digests(self, examples: Any) -> np.ndarray:
        """A hash of each example's content, (n, 8) uint8."""

    @abstractmethod
    def html(self, samples: Any) -> str:
        """Samples in the user's own form, for a notebook."""

    @abstractmethod
    def save_snapshot(self, path: Path, samples: Any, columns: int) -> None:
        """Writes samples to look at, in a file with `snapshot_suffix`."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything, with `kind`, as plain values."""

    @classmethod
    @abstractmethod
    def from_json(cls, tree: Any) -> Self:
        """Reads what `to_json` wrote. Raises ModelError when it is anything else."""


def codec_type(tree: Any) -> type[Codec]:
    """The class of the codec that wrote this JSON. Raises ModelError for anything else."""
    found: type[Codec] = modality_of_json(tree).part("codec").CODEC
    return found


def codec_from_json(tree: Any) -> Codec:
    """The codec a model was saved with. Raises ModelError for anything but a codec's JSON."""
    return codec_type(tree).from_json(tree)
