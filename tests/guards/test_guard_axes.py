"""The import hook of conftest.py is at work: wrong axes are errors under test."""

from __future__ import annotations

import pytest
import torch

from ganwright.game import squared_gradient


def test_axis_names_are_checked() -> None:
    with pytest.raises(Exception, match="logits"):
        squared_gradient(torch.zeros(3, 2), torch.zeros(3, 2))
