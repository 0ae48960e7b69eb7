"""Features: what a picture is to a measure. Each extractor is named, hashed and says its rule."""

from ganwright.evaluate.features.choose import (
    EXTRACTORS,
    LEAST_TO_LEARN,
    FeatureOptions,
    check_features,
    choose_extractor,
)
from ganwright.evaluate.features.extractor import Extractor, Seen

__all__ = [
    "EXTRACTORS",
    "LEAST_TO_LEARN",
    "Extractor",
    "FeatureOptions",
    "Seen",
    "check_features",
    "choose_extractor",
]
