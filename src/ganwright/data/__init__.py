"""Files → examples for training, and samples → files."""

from ganwright.data.codec import Codec, codec_from_json
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.inspect import Inspection, inspect_data
from ganwright.data.open import open_data
from ganwright.data.options import DataOptions

__all__ = [
    "Codec",
    "DataOptions",
    "Dataset",
    "Inspection",
    "Skipped",
    "codec_from_json",
    "inspect_data",
    "open_data",
]
