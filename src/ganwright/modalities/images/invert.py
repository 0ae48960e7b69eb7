"""From an image back to a latent from which the generator makes it, by optimisation.

Many random samples are compared with the image, and the most like it are the starts: each is improved by
gradient descent on its latent, in the latent's own units and under its own prior, and the best one wins
(Zhu et al. 2016; Creswell and Bharath 2018). What only part of an image is known of, or a degraded
version, is compared through `seen`: then it is a restoration (PULSE, Menon et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.base import seeds
from ganwright.game.optimisers import set_rate
from ganwright.game.schedule import cosine
from ganwright.model import Model

TRIED = 512  # samples that starts are chosen from
STARTS, STEPS = 8, 200
RATE = 0.1  # of Adam, in the latent's units
PRIOR = (
    1e-2  # of the mean square of a latent beyond what is usual, against that of pixels in [-1, 1]
)
BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """Of n images: the latents found (n, dim), their labels (n,), and what they make (n, C, H, W).

    `error` (n,) is the root mean square difference as a share of the range from black to white, of what
    is seen of the image; `errors` (n, starts) those of all starts, `at_start` (n,) of the best sample.
    """

    latents: Tensor
    labels: Tensor | None
    made: Tensor
    error: Tensor
    errors: Tensor
    at_start: Tensor


def invert(
    model: Model,
    images: Tensor,
    *,
    labels: Tensor | None = None,
    seen: Callable[[Tensor], Tensor] = lambda x: x,
    begin: Tensor | None = None,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
) -> Inverted:
    """The latents of `images` (n, …), what is seen of them, as the discriminator sees values: in [-1, 1].

    `seen` takes generated images (b, C, H, W) to what is known, differentiably: their known pixels, a
    smaller version, a blurred one. `labels` (n,) fixes the classes; otherwise any class may win.
    `begin` (n, m, dim) are further starts, from an encoder for instance, of the classes in `labels`.
    """
    device, dim = model.device, model.net.latent.dim
    known = images.to(device)
    z, own = _starts(model, known, labels, seen, begin, starts, seed)
    each = z.shape[1]
    flat = None if own is None else own.flatten()
    usual = model.net.latent.draw(seeds.derive(seed, "invert"), 0, TRIED).square().mean()

    def differences(latents: Tensor) -> Tensor:
        made = seen(model.generator(latents.flatten(0, 1), flat).float())
        return (made - known.repeat_interleave(each, 0)).square().flatten(1).mean(1).view(-1, each)

    best = z.clone()
    with torch.no_grad():
        first = least = differences(z)
    z = z.clone().requires_grad_()
    optimiser = torch.optim.Adam([z])
    for step in range(steps):
        set_rate(optimiser, cosine(RATE, 0.0, step, steps))
        off = differences(z)
        with torch.no_grad():
            better = off < least
            best, least = torch.where(better[..., None], z, best), torch.where(better, off, least)
        far = (z.square().mean(2) - usual).clamp_min(0)
        z.grad = torch.autograd.grad((off + PRIOR * far).sum(), z)[0]
        optimiser.step()
    which = least.argmin(1, keepdim=True)
    found = best.gather(1, which[..., None].expand(-1, 1, dim))[:, 0]
    winners = None if own is None else own.gather(1, which)[:, 0]
    with torch.no_grad():
        made = model.generator(found, winners).float()
    return Inverted(
        latents=found,
        labels=winners,
        made=made,
        error=_share(least.min(1).values),
        errors=_share(least),
        at_start=_share(first.min(1).values),
    )


def _share(square: Tensor) -> Tensor:
    """The root of a mean square difference in [-1, 1], as a share of that range."""
    return square.sqrt() / 2


@torch.no_grad()
def _starts(
    model: Model,
    known: Tensor,
    labels: Tensor | None,
    seen: Callable[[Tensor], Tensor],
    begin: Tensor | None,
    starts: int,
    seed: int,
) -> tuple[Tensor, Tensor | None]:
    """Latents (n, m, dim) of the given starts and of samples most like each image, and labels (n, m)."""
    z = model.net.latent.draw(seeds.derive(seed, "invert"), 0, TRIED).to(known.device)
    classes, own = len(model.spec.classes), None
    if classes:  # each as often, however rare it is in the data
        own = torch.arange(TRIED, device=z.device) % classes
    parts = torch.arange(TRIED, device=z.device).split(BLOCK)
    made = (seen(model.generator(z[p], None if own is None else own[p]).float()) for p in parts)
    off = torch.cat([torch.cdist(known.flatten(1), one.flatten(1)) for one in made], dim=1)
    if own is not None and labels is not None:
        off = off.masked_fill(own != labels.to(own)[:, None], torch.inf)
    kept = off.argsort(1)[:, :starts]
    z = z[kept] if begin is None else torch.cat([begin.to(z), z[kept]], dim=1)
    if own is None:
        return z, None
    return z, own[kept] if labels is None else labels.to(own)[:, None].expand(z.shape[:2])
