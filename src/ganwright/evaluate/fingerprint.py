"""Identifies the rules and weights behind a number; different fingerprints are not comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

COUNTERS = "num_batches_tracked"  # of batch norms; some files have them, and nothing reads them


def fingerprint(rule: Any, tensors: Mapping[str, Tensor | np.ndarray] | None = None) -> str:
    """16 hex digits of plain JSON that says what is done, and of tensors by name, type and bits."""
    digest = hashlib.blake2b(json.dumps(rule, sort_keys=True).encode(), digest_size=8)
    for key, tensor in sorted((tensors or {}).items()):
        if key.endswith(COUNTERS):
            continue
        array = tensor.cpu().numpy() if isinstance(tensor, Tensor) else tensor
        digest.update(f"{key} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
