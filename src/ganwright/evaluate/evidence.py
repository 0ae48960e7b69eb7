"""What measures are given, by name: the words of `Measure.needs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganwright.evaluate.intervals import Estimate

REAL, FAKE = "real", "fake"  # features of real and of made examples
TRAINING, HELD = "training", "held"  # features of what the model saw, and never saw
PROBABILITIES = "probabilities"  # class probabilities of fakes
CLASSES = "fake_classes", "real_classes"  # counts a class
ASKED = "asked"  # the class each fake was asked to be
PIXELS = "pixels"  # the made examples themselves, (n, …), or digests of them
TRAINING_PIXELS = "training_pixels"  # and those the model saw
# The examples in the form that the modality's measures look at (`Seen.cells`): real, made, seen by the model.
REAL_ROWS, FAKE_ROWS, TRAINING_ROWS = "real_rows", "fake_rows", "training_rows"

Evidence = Mapping[str, Any]
Found = dict[str, Estimate]  # the intervals found so far, by measure
