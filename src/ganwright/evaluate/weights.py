"""Weights of feature extractors: how they get into a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganwright.base.errors import ModelError, message
from ganwright.evaluate.fingerprint import COUNTERS


def fill(name: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Gives a module (made on the meta device, say) its weights, ready for use.

    Raises ModelError, naming the first tensor that is missing, unknown or of another shape.
    """
    owner = f"features '{name}'"
    wanted = module.state_dict()
    given = {key: t for key, t in tensors.items() if not key.endswith(COUNTERS)}
    for key, tensor in wanted.items():
        if key.endswith(COUNTERS):
            given[key] = torch.zeros((), dtype=tensor.dtype)
        elif key not in given:
            raise ModelError(message(owner, f"the weights lack '{key}'"))
        elif given[key].shape != tensor.shape:
            shapes = f"{tuple(given[key].shape)}, not {tuple(tensor.shape)}"
            raise ModelError(message(owner, f"'{key}' has shape {shapes}"))
        elif not (given[key].is_floating_point() and bool(torch.isfinite(given[key]).all())):
            raise ModelError(message(owner, f"'{key}' contains non-finite numbers"))
        else:
            given[key] = given[key].to(torch.float32)
    unknown = sorted(set(given) - set(wanted))
    if unknown:
        raise ModelError(message(owner, f"the weights have an unknown tensor '{unknown[0]}'"))
    module.load_state_dict(given, assign=True)
    return module.requires_grad_(False).eval()
