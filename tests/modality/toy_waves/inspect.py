"""What is in a file of waves."""

from __future__ import annotations

from ganwright.data import DataOptions
from ganwright.data.inspect import Inspection, general

from .dataset import dataset
from .find import WaveSource


def inspect(found: WaveSource, options: DataOptions) -> Inspection:
    return Inspection(**general(dataset(found, options)), warnings=())
