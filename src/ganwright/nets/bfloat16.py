"""Matrix products in bfloat16, where the hardware supports it."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def has_bfloat16(device: str) -> bool:
    """Whether a kind of device computes in bfloat16."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def to_bf16(x: Tensor) -> Tensor:
    """`x` in bfloat16 where the hardware supports it."""
    narrow = x.dtype == torch.float32 and has_bfloat16(x.device.type)
    return x.to(torch.bfloat16) if narrow else x
