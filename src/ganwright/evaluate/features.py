"""Which extractor? Each modality has its own table, with a default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from ganwright.base.errors import OptionError, message
from ganwright.base.modality import modalities, modality
from ganwright.base.names import Names
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Options of extractors; each takes those that concern it.

    `weights` and `allow_download` are for published networks, `steps` (None: the extractor's own
    number) and `seed` for one that is trained. `device` is where features are computed; training is
    on the CPU.
    """

    weights: Path | None = None
    allow_download: bool = False
    steps: int | None = None
    seed: int = 0
    device: str = "cpu"


Make = Callable[[Dataset, FeatureOptions], Extractor]


class FeaturesPart(Protocol):
    """What is asked of a modality's part `features`."""

    EXTRACTORS: Mapping[str, Make]

    def usual(self, data: Dataset) -> str:
        """The name of the default extractor for these data."""


def features_of(name: str) -> FeaturesPart:
    """The extractors of a modality."""
    return cast(FeaturesPart, modality(name).part("features"))


def choose_extractor(
    name: str | None, data: Dataset, options: FeatureOptions | None = None
) -> Extractor:
    """The extractor `name` for examples as `data` gives them; None takes the modality's default.

    Only the training part of `data` is looked at. Raises UnknownName for a name that no modality has,
    OptionError for one of another modality, and what the extractor raises.

    >>> import ganwright as gw
    >>> extractor = choose_extractor("pixels", gw.open_data("digits"))
    >>> extractor.name, extractor.width
    ('pixels', 60)
    """
    part = features_of(data.codec.kind)
    name = part.usual(data) if name is None else name
    check_features(name, data)
    return part.EXTRACTORS[name](data, options or FeatureOptions())


def check_features(name: str, data: Dataset) -> None:
    """Raises UnknownName for an extractor that no modality has, OptionError for one of another."""
    kind = data.codec.kind
    own = Names("features", features_of(kind).EXTRACTORS)
    if name not in own and any(name in features_of(other).EXTRACTORS for other in modalities()):
        problem = f"'{name}' is not for data of kind {kind}"
        raise OptionError(message("features", problem, allowed=own))
    _ = own[name]


def takes_no_weights(name: str, options: FeatureOptions) -> None:
    """Raises OptionError where a file of weights is given to an extractor made from the data."""
    if options.weights is not None:
        problem = "takes no weights file: it is made from the training data"
        raise OptionError(message(f"features '{name}'", problem))
