"""The benchmarks' count of arithmetic, against a count by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

FILE = Path(__file__).parents[2] / "benchmarks" / "throughput.py"


@pytest.fixture(scope="module")
def throughput() -> ModuleType:
    spec = importlib.util.spec_from_file_location("throughput_benchmark", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_grouped_convolution_is_counted_with_its_groups(throughput: ModuleType) -> None:
    layer = nn.Conv2d(32, 64, 3, padding=1, groups=4, bias=False)
    x = torch.randn(2, 32, 8, 8, requires_grad=True)
    with throughput.Counter() as counter:
        layer(x).sum().backward()
    # Each of 64 channels at 2 × 8 × 8 places meets 8 channels at 9 places; two gradients take as much.
    once = 2 * (2 * 8 * 8 * 64) * (8 * 9)
    assert counter.total == 3 * once


def test_a_transposed_one_likewise(throughput: ModuleType) -> None:
    layer = nn.ConvTranspose2d(32, 16, 4, 2, 1, groups=2, bias=False)
    with throughput.Counter() as counter:  # no gradient of the input
        layer(torch.randn(3, 32, 5, 5)).sum().backward()
    # Each of 32 channels at 3 × 5 × 5 places goes to 8 channels at 16 places.
    assert counter.total == 2 * 2 * (3 * 5 * 5 * 32) * (8 * 16)
