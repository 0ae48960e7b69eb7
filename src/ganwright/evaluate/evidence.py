"""What measures are given, by name: the vocabulary of `Measure.needs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganwright.evaluate.intervals import Estimate

REAL, FAKE = "real", "fake"  # features of real and of made examples
TRAINING, HELD = "training", "held"  # features of examples the model saw, and of unseen ones
PROBABILITIES = "probabilities"  # class probabilities of fakes
CLASSES = "fake_classes", "real_classes"  # counts per class
ASKED = "asked"  # the class each fake was asked for
PIXELS = "pixels"  # the fakes themselves, (n, …), or digests of them
TRAINING_PIXELS = "training_pixels"  # and the training examples
# Examples in the form of the modality's own measures (`Seen.cells`): real, fake, training; unseen real.
REAL_ROWS, FAKE_ROWS, TRAINING_ROWS = "real_rows", "fake_rows", "training_rows"
HELD_ROWS = "held_rows"

Evidence = Mapping[str, Any]
Found = dict[str, Estimate]  # the intervals found so far, by measure
