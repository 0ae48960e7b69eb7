"""GAN or VAE? Both on the same data for the same time, evaluated by the same card.

    python benchmarks/vae.py --data MNIST_FOLDER [--minutes 5] [--recipe relativistic] [--seed 0]
                             [--likelihood bernoulli|gaussian] [--png docs/faq-vae.png]

The VAE (Kingma & Welling 2014) is as large as the GAN: its decoder is the DCGAN generator, its encoder
the DCGAN discriminator with two outputs per latent instead of the logit, and the latent has the size of
the recipe's. It minimises −log p(x|z) + KL(q(z|x) ‖ N(0, 1)): Bernoulli for each value in 0 … 1, or
Gaussian with the best-fitting shared variance (Rybkin et al. 2021). Its samples are the decoder's means,
as usual. Neither sees labels.

`gw.evaluate` evaluates both from their images alone. Sharpness is computed from the pixels, relative to
real images: `edges` is the mean squared difference of neighbouring pixels, `detail` the mean
variance of the Laplacian. Below 1 is blur; above is noise.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import ganwright as gw
from ganwright.data import DataOptions
from ganwright.evaluate.card import title
from ganwright.nets import DCGANDiscriminatorOptions, DCGANGeneratorOptions, count_parameters
from ganwright.train import RECIPES
from panels import panel

SAMPLES, BATCH, RATE = 10_000, 128, 1e-3
SHOWN = ("fid", "precision", "recall", "density", "coverage", "auc")
NO_LABELS = {"data.labels": False}


class VAE(nn.Module):
    """Encoder, decoder and the bound; `likelihood` is of a picture given its latent."""

    def __init__(self, data: gw.Dataset, latent: int, likelihood: str) -> None:
        super().__init__()
        spec: Any = data.spec
        body: Any = DCGANDiscriminatorOptions().build(spec, latent)
        self.encoder = body.layers
        with torch.no_grad():
            features = self.encoder(torch.zeros(1, *spec.shape)).shape[1]
        self.head = nn.Linear(features, 2 * latent)
        self.decoder = DCGANGeneratorOptions().build(spec, latent)
        self.latent, self.likelihood = latent, likelihood

    def bound(self, x: Tensor) -> Tensor:
        """−ELBO in nats an example: pictures (batch, C, H, W) in −1 … 1 to a scalar."""
        mean, log_variance = self.head(self.encoder(x)).chunk(2, 1)
        log_variance = log_variance.clamp(-12, 12)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        made = self.decoder(z, None)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return self.surprise(x, made) + divergence

    def surprise(self, x: Tensor, made: Tensor) -> Tensor:
        """−log p(x|z), the mean of the batch."""
        numbers = x[0].numel()
        if self.likelihood == "bernoulli":
            p = ((made + 1) / 2).clamp(1e-6, 1 - 1e-6)
            return nn.functional.binary_cross_entropy(p, (x + 1) / 2, reduction="sum") / len(x)
        squares = (x - made).square().mean()  # the best spread is their root
        return 0.5 * numbers * (math.log(2 * math.pi) + squares.clamp(min=1e-6).log() + 1)

    @torch.inference_mode()
    def sample(self, n: int, data: gw.Dataset, seed: int) -> np.ndarray:
        """n pictures as the data stores them."""
        self.eval()
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for start in range(0, n, 500):
            z = torch.randn(min(500, n - start), self.latent, generator=generator)
            parts.append(np.asarray(data.codec.decode(self.decoder(z, None))))
        return np.concatenate(parts)


def train_vae(
    data: gw.Dataset,
    latent: int,
    likelihood: str,
    minutes: float,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
) -> VAE:
    """Adam at a rate that falls to 0 as the time runs out."""
    torch.manual_seed(seed)
    model, rng = VAE(data, latent, likelihood), np.random.default_rng(seed)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    began, seen = clock(), 0
    while (spent := (clock() - began) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - spent)
        stored, _ = data.batch(np.sort(rng.choice(data.train, BATCH, replace=False)))
        loss = model.bound(data.codec.encode(stored))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += BATCH
    print(f"VAE: {seen / 1000:,.0f} kimg, {count_parameters(model):,} weights, "
          f"−ELBO of the last batch {loss.item():.1f} nats", flush=True)  # fmt: skip
    return model


def sharpness(pictures: np.ndarray) -> tuple[float, float]:
    """(edges, detail) of pictures (n, H, W, C): mean squared difference, mean variance of ∇²."""
    x = pictures.astype(np.float64) / 255
    across, down = np.diff(x, axis=2), np.diff(x, axis=1)
    inner = x[:, 1:-1, 1:-1]
    laplacian = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:] - 4 * inner
    return (
        float(np.square(across).mean() + np.square(down).mean()),
        float(laplacian.var(axis=(1, 2)).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--recipe", default="relativistic")
    parser.add_argument("--likelihood", choices=("bernoulli", "gaussian"), default="bernoulli")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-n", type=int, default=SAMPLES)
    parser.add_argument("--png", type=Path, default=Path("docs/faq-vae.png"))
    o = parser.parse_args()
    whole = gw.open_data(o.data)
    data = gw.open_data(o.data, options=DataOptions(labels=False))
    latent = RECIPES[o.recipe].make().latent.dim
    with tempfile.TemporaryDirectory() as folder:
        vae = train_vae(data, latent, o.likelihood, o.minutes, o.seed)
        run = gw.train(
            o.data, recipe=o.recipe, minutes=o.minutes, seed=o.seed, out=Path(folder) / "gan",
            settings=NO_LABELS | {"train.score_features": "off"},
        )  # fmt: skip
        print(f"GAN: {run.log[-1]['kimg']:,.0f} kimg", flush=True)
        made = {
            f"`{o.recipe}`": run.model.sample(o.n, seed=o.seed + 1),
            f"VAE, {o.likelihood}": vae.sample(o.n, data, o.seed + 1),
        }
        real = whole.examples(whole.heldout[: o.n])
        edges, detail = sharpness(real)
        print("\n| " + " | ".join(("", *map(title, SHOWN), "edges", "detail")) + " |")
        print("|---" * (len(SHOWN) + 3) + "|")
        columns = [("Real", "never seen", data.codec.grid(real[:64], 8))]
        for i, (name, pictures) in enumerate(made.items()):
            path = Path(folder) / f"samples{i}.npz"
            np.savez(path, pictures)
            card = gw.evaluate(path, o.data, n=o.n, seed=o.seed)
            if i == 0:
                put("(real, in the samples' place)", [card.measures[m].floor for m in SHOWN], 1, 1)
            own = sharpness(pictures)
            values = [card.measures[m].value for m in SHOWN]
            put(name, values, own[0] / edges, own[1] / detail)  # type: ignore[arg-type]
            says = f"FID {values[0]:.1f}, recall {card.measures['recall'].value:.2f}"
            columns.append((name.strip("`"), says, data.codec.grid(pictures[:64], 8)))
    panel(columns, o.png)
    print(f"\n{o.png}")


def put(name: str, values: list[float | None], edges: float, detail: float) -> None:
    words = ["" if v is None else f"{v:.3g}" for v in values]
    print(f"| {name} | " + " | ".join(words) + f" | {edges:.2f} | {detail:.2f} |", flush=True)


if __name__ == "__main__":
    main()
