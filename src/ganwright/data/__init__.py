"""Files → examples for training, and samples → files."""

from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.inspect import Inspection, inspect_data
from ganwright.data.open import open_data
from ganwright.data.options import DataOptions
from ganwright.modalities.images.codec import CODECS, ImageCodec, codec_from_json

__all__ = [
    "CODECS",
    "DataOptions",
    "Dataset",
    "ImageCodec",
    "Inspection",
    "Skipped",
    "codec_from_json",
    "inspect_data",
    "open_data",
]
