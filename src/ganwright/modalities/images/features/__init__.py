"""Feature extractors for images. A network is loaded on first use."""

from __future__ import annotations

from functools import partial

from ganwright.data import Dataset
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import FeatureOptions, Make, takes_no_weights
from ganwright.evaluate.learned import LEAST_EXAMPLES, LEAST_PER_CLASS, LEAST_TO_LEARN
from ganwright.modalities.images.features.pictures import LEAST_SIDE


def _learned(data: Dataset, options: FeatureOptions) -> Extractor:
    from ganwright.modalities.images.features.learned import learned

    takes_no_weights("learned", options)
    return learned(data, steps=options.steps, seed=options.seed, device=options.device)


def _pixels(data: Dataset, options: FeatureOptions) -> Extractor:
    from ganwright.modalities.images.features.pixels import pixels

    takes_no_weights("pixels", options)
    return pixels(data)


def _inception(data: Dataset, options: FeatureOptions) -> Extractor:
    from ganwright.modalities.images.features.inception import inception

    return inception(
        data.codec,
        weights=options.weights,
        allow_download=options.allow_download,
        device=options.device,
    )


def _dinov2(name: str, data: Dataset, options: FeatureOptions) -> Extractor:
    from ganwright.modalities.images.features.dinov2 import dinov2

    return dinov2(
        data.codec,
        name=name,
        weights=options.weights,
        allow_download=options.allow_download,
        device=options.device,
    )


def _with_identities(make: Make, data: Dataset, options: FeatureOptions) -> Extractor:
    """What is made, and beside it what a measure of identities looks at, where the data has any."""
    own = make(data, options)
    if data.identities is None:
        return own
    from ganwright.modalities.images.features.identity import beside

    return beside(own, data)


_OWN: dict[str, Make] = {
    "learned": _learned,
    "pixels": _pixels,
    "inception": _inception,
    **{name: partial(_dinov2, name) for name in ("dinov2", "dinov2-b", "dinov2-l")},
}
EXTRACTORS = {name: partial(_with_identities, make) for name, make in _OWN.items()}


def usual(data: Dataset) -> str:
    """``learned`` for at least 500 training images of at least 4 pixels per side, else ``pixels``."""
    large = min(data.codec.height, data.codec.width) >= LEAST_SIDE
    return "learned" if large and len(data.train) >= LEAST_TO_LEARN else "pixels"


def features_for(data: Dataset) -> str:
    """Learned ones where they come with a classifier, else what is usual."""
    enough = len(data.train) >= max(LEAST_EXAMPLES, LEAST_PER_CLASS * len(data.spec.classes))
    large = min(data.codec.height, data.codec.width) >= LEAST_SIDE
    return "learned" if data.labels is not None and enough and large else usual(data)
