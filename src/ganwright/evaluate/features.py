"""Which extractor? The table of names, and the choice where nobody chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ganwright.base.errors import OptionError, message
from ganwright.base.names import Names
from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.modalities.counts.extractor import counts
from ganwright.modalities.images.features.dinov2 import SIZES, dinov2
from ganwright.modalities.images.features.inception import inception
from ganwright.modalities.images.features.learned import LEAST_SIDE, STEPS, learned
from ganwright.modalities.images.features.pixels import pixels
from ganwright.modalities.tables.judge.extractor import columns

LEAST_TO_LEARN = 500  # training pictures


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What can be said about an extractor; each takes what concerns it.

    `weights` and `allow_download` are for published networks, `steps` and `seed` for the learned
    one. `device` is where features are computed; training is on the CPU.
    """

    weights: Path | None = None
    allow_download: bool = False
    steps: int = STEPS
    seed: int = 0
    device: str = "cpu"


Make = Callable[[Dataset, FeatureOptions], Extractor]


def _learned(data: Dataset, options: FeatureOptions) -> Extractor:
    _takes_no_weights("learned", options)
    return learned(data, steps=options.steps, seed=options.seed, device=options.device)


def _pixels(data: Dataset, options: FeatureOptions) -> Extractor:
    _takes_no_weights("pixels", options)
    return pixels(data)


def _columns(data: Dataset, options: FeatureOptions) -> Extractor:
    _takes_no_weights("columns", options)
    return columns(data)


def _counts(data: Dataset, options: FeatureOptions) -> Extractor:
    _takes_no_weights("counts", options)
    return counts(data)


def _inception(data: Dataset, options: FeatureOptions) -> Extractor:
    return inception(
        data.codec,
        weights=options.weights,
        allow_download=options.allow_download,
        device=options.device,
    )


def _dinov2(name: str, data: Dataset, options: FeatureOptions) -> Extractor:
    return dinov2(
        data.codec,
        name=name,
        weights=options.weights,
        allow_download=options.allow_download,
        device=options.device,
    )


def _takes_no_weights(name: str, options: FeatureOptions) -> None:
    if options.weights is not None:
        problem = "takes no file of weights: it is made from the training data"
        raise OptionError(message(f"features '{name}'", problem))


EXTRACTORS: Names[Make] = Names(
    "features",
    {
        "learned": _learned,
        "pixels": _pixels,
        "inception": _inception,
        **{name: partial(_dinov2, name) for name in SIZES},
        "columns": _columns,
        "counts": _counts,
    },
)
PICTURES = ("learned", "pixels", "inception", *SIZES)
SEES: Names[tuple[str, ...]] = Names(
    "kind of data", {"image": PICTURES, "table": ("columns",), "counts": ("counts",)}
)


def _for_pictures(data: Dataset) -> str:
    large = min(data.codec.height, data.codec.width) >= LEAST_SIDE
    return "learned" if large and len(data.train) >= LEAST_TO_LEARN else "pixels"


CHOICE: Names[Callable[[Dataset], str]] = Names(
    "kind of data",
    {"image": _for_pictures, "table": lambda data: "columns", "counts": lambda data: "counts"},
)


def choose_extractor(
    name: str | None, data: Dataset, options: FeatureOptions | None = None
) -> Extractor:
    """The extractor `name` for examples as `data` gives them.

    None takes ``columns`` for tables and ``counts`` for counts; for pictures ``learned`` where there
    are 500 to train on of 4 pixels a side at least, else ``pixels``. Only the training part of `data`
    is looked at. Raises UnknownName for a name that is in no table, OptionError for one that is of
    another kind of data, and what the extractor raises.

    >>> import ganwright as gw
    >>> extractor = choose_extractor("pixels", gw.open_data("digits"))
    >>> extractor.name, extractor.width
    ('pixels', 60)
    """
    name = CHOICE[data.codec.kind](data) if name is None else name
    check_features(name, data)
    return EXTRACTORS[name](data, options or FeatureOptions())


def check_features(name: str, data: Dataset) -> None:
    """Raises UnknownName for an extractor in no table, OptionError for one of another kind of data."""
    kind = data.codec.kind
    _ = EXTRACTORS[name]  # where an unknown name is refused
    if name not in SEES[kind]:
        problem = f"'{name}' is not for data of kind {kind}"
        raise OptionError(message("features", problem, allowed=SEES[kind]))
