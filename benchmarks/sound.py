"""Spoken digits: how good are the sounds of a run, next to a VAE and WaveGAN given the same CPU time?

    ganwright train FSDD.zip --set data.audio.label='{label}_{speaker}_{index}' \\
        --set data.audio.hold_out='index=0,1,2,3,4' --kimg 160 --out runs/fsdd
    python benchmarks/sound.py run RUN [-n 3000]
    python benchmarks/sound.py vae RUN --cpu-minutes M
    python benchmarks/sound.py wavegan RUN --cpu-minutes M [--dim 64]
    python benchmarks/sound.py phases RUN

RUN is a run on the free spoken digit dataset (Jakobovski et al.), whose recordings 0 to 4 of each speaker
and digit are held out, as its authors say. All numbers come from the classifier of the features `heard`,
learned on the training clips: its accuracy on the held-out clips is printed first. The Inception Score is the
mean over draws of 300 sounds, as many as there are held-out clips. *asked* is the share of samples that the
classifier takes for the digit that was asked for; the rivals can't be asked.

run: the samples of the run, and how many seconds of sound a second of CPU time makes.

vae: a variational autoencoder of the run's own spectrograms (benchmarks/vae.py). wavegan: a port of WaveGAN
(Donahue et al. 2019) at its published settings: 16,384 samples at 16 kHz, phase shuffle of 2, WGAN-GP with 5
critic steps, Adam at 1e-4, batches of 64. CPU time is that of the process, as other work shares the machine.

phases: what is lost of held-out clips on the way to a spectrogram and back, by how phases are found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
import torch
from torch import Tensor, nn
from torch.nn import functional

import ganwright as gw
from ganwright.base.options import build
from ganwright.base.runs import RunFolder
from ganwright.data import DataOptions, Dataset
from ganwright.evaluate import fid, inception_score
from ganwright.evaluate.extractor import Extractor
from ganwright.evaluate.features import choose_extractor
from ganwright.modalities.audio import codec as codecs
from ganwright.model import Model
from vae import train_vae

DRAW = 300


# --- judging -------------------------------------------------------------------------------------


def opened(run: Path) -> tuple[Model, Dataset, Extractor]:
    """The run's model, its data and the judge."""
    model = gw.load(run)
    source = next(e["source"] for e in RunFolder(run).events() if e["event"] == "start")
    options = build(DataOptions, model.recipe["data"], owner="recipe")
    data = gw.open_data(source, options=options)
    return model, data, choose_extractor("heard", data)


def told(
    name: str, waves: np.ndarray, asked: np.ndarray | None, data: Dataset, judge: Extractor
) -> None:
    """One row: Inception Score, its share of the held-out clips', FID, and digits recognised."""
    seen = judge.see(waves)
    assert seen.probabilities is not None
    real = judge.features(data.rows[data.heldout])
    score = scored(seen.probabilities)
    right = "—" if asked is None else f"{(seen.probabilities.argmax(1) == asked).mean():.1%}"
    distance = fid(real, seen.features)
    print(f"| {name} | {len(waves):,} | {score:.2f} | {distance:.1f} | {right} |", flush=True)


def scored(probabilities: np.ndarray) -> float:
    """The Inception Score of draws of 300."""
    return inception_score(probabilities, splits=max(1, len(probabilities) // DRAW))[0]


def header(data: Dataset, judge: Extractor) -> None:
    held, labels = data.heldout, data.labels
    assert labels is not None
    print(f"judge: heard, {judge.hash}, {judge.about}")
    print("\n| sounds | n | IS | FID | asked |\n|---|---|---|---|---|")
    told("real, held out", data.rows[held], labels[held], data, judge)
    train = data.train[:: max(1, len(data.train) // 900)]
    told("real, training", data.rows[train], labels[train], data, judge)


def run(o: argparse.Namespace) -> None:
    model, data, judge = opened(o.run)
    header(data, judge)
    labels = np.arange(o.n) % len(data.spec.classes)
    began = time.process_time()
    blocks = [block.examples for block in model.stream(o.n, seed=1, label=labels)]
    spent = time.process_time() - began
    waves = np.concatenate(blocks)
    told(f"ganwright, {model.seen / 1000:.0f} kimg", waves, labels, data, judge)
    noise = np.random.default_rng(0).choice(data.train, min(o.n, 900))
    clips = data.rows[noise].astype(float)
    level = np.sqrt((clips**2).mean(1, keepdims=True)) / 10
    clips += np.random.default_rng(1).standard_normal(clips.shape) * level
    noisy = np.rint(clips).clip(-32768, 32767).astype(np.int16)
    assert data.labels is not None
    told("training clips with noise at −20 dB", noisy, data.labels[noise], data, judge)
    seconds = o.n * model.codec.length / model.codec.rate  # type: ignore[attr-defined]
    print(f"\n{seconds / spent:.1f} s of sound in a second of CPU time, one thread")


# --- a variational autoencoder -------------------------------------------------------------------


def vae(o: argparse.Namespace) -> None:
    _, data, judge = opened(o.run)
    header(data, judge)
    model = train_vae(data, 64, "gaussian", o.cpu_minutes, 0, clock=time.process_time)
    told(f"VAE, {o.cpu_minutes:g} CPU-minutes", model.sample(o.n, data, 0), None, data, judge)


# --- WaveGAN -------------------------------------------------------------------------------------

SAMPLES, RATE, SHUFFLE = 16_384, 16_000, 2


class WaveGenerator(nn.Module):
    """z ~ U(−1, 1)¹⁰⁰ → 16 × 16d → five transposed convolutions of 25 taps that quadruple the length."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.first = nn.Linear(100, 256 * dim)
        widths = [16 * dim, 8 * dim, 4 * dim, 2 * dim, dim, 1]
        self.layers = nn.ModuleList(
            nn.ConvTranspose1d(a, b, 25, 4, 11, 1) for a, b in pairwise(widths)
        )

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(-1, 16 * self.dim, 16)
        for layer in self.layers:
            x = layer(functional.relu(x))
        return torch.tanh(x)


class WaveCritic(nn.Module):
    """Five convolutions of 25 taps and stride 4, phases shuffled after the first four."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = [1, dim, 2 * dim, 4 * dim, 8 * dim, 16 * dim]
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 25, 4, 11) for a, b in pairwise(widths))
        self.last = nn.Linear(256 * dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = functional.leaky_relu(layer(x), 0.2)
            if i < 4:
                x = shuffled(x)
        return self.last(x.flatten(1))[:, 0]


def shuffled(x: Tensor) -> Tensor:
    """All moved by one number of samples, at most 2, as the published code does; the ends mirror."""
    by = int(torch.randint(-SHUFFLE, SHUFFLE + 1, ()))
    padded = functional.pad(x, (max(by, 0), max(-by, 0)), mode="reflect")
    return padded[:, :, max(-by, 0) : max(-by, 0) + x.shape[2]]


def batches(data: Dataset, rng: np.random.Generator) -> Iterator[Tensor]:
    while True:
        waves = data.rows[np.sort(rng.choice(data.train, 64))] / 32767
        up = scipy.signal.resample_poly(waves, RATE, data.codec.rate, axis=1)[:, :SAMPLES]
        short = SAMPLES - up.shape[1]
        yield torch.from_numpy(np.pad(up, ((0, 0), (0, short)))).float()[:, None]


def wavegan(o: argparse.Namespace) -> None:
    _, data, judge = opened(o.run)
    header(data, judge)
    torch.manual_seed(0)
    generator, critic = WaveGenerator(o.dim), WaveCritic(o.dim)
    players = [torch.optim.Adam(n.parameters(), 1e-4, (0.5, 0.9)) for n in (generator, critic)]
    real, began, steps = batches(data, np.random.default_rng(0)), time.process_time(), 0

    def latents() -> Tensor:
        return torch.rand(64, 100) * 2 - 1

    while time.process_time() - began < 60 * o.cpu_minutes:
        for _ in range(5):
            x = next(real)
            with torch.no_grad():
                made = generator(latents())
            between = torch.lerp(x, made, torch.rand(64, 1, 1)).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
            loss = critic(made).mean() - critic(x).mean() + 10 * penalty
            players[1].zero_grad(set_to_none=True)
            loss.backward()
            players[1].step()
        loss = -critic(generator(latents())).mean()
        players[0].zero_grad(set_to_none=True)
        loss.backward()
        players[0].step()
        steps += 1
    with torch.inference_mode():
        made = torch.cat([generator(latents())[:, 0] for _ in range(-(-o.n // 64))])[: o.n]
    down = scipy.signal.resample_poly(made.numpy(), data.codec.rate, RATE, axis=1)
    waves = np.zeros((len(down), data.codec.length), np.int16)
    kept = np.rint(down[:, : data.codec.length] * 32767).clip(-32768, 32767)
    waves[:, : kept.shape[1]] = kept
    name = f"WaveGAN, d = {o.dim}, {o.cpu_minutes:g} CPU-minutes, {steps:,} generator steps"
    told(name, waves, None, data, judge)


# --- phases --------------------------------------------------------------------------------------


def phases(o: argparse.Namespace) -> None:
    _, data, judge = opened(o.run)
    header(data, judge)
    held = data.rows[data.heldout]
    asked = data.labels[data.heldout]  # type: ignore[index]
    for phase in ("found", "learned"):
        codec = codecs.AudioCodec(**{**vars_of(data.codec), "phase": phase})
        x = codec.encode(held)
        for iterations in (0, 8, 32):
            codecs.ITERATIONS = iterations
            waves = codec.decode(x)
            told(f"phases {phase}, {iterations} iterations", waves, asked, data, judge)
            print(f"  (SNR {decibels(held, waves):.1f} dB)")
    exact = data.codec.frames.waves(data.codec.frames.spectrum(codecs.numbers(held)))
    print(f"\nthe complex spectrum alone: SNR {decibels(held, exact.numpy() * 32768):.0f} dB")


def vars_of(codec: Any) -> dict[str, Any]:
    names = ("rate", "length", "hop", "depth", "floor", "loud")
    return {name: getattr(codec, name) for name in names}


def decibels(real: np.ndarray, made: np.ndarray) -> float:
    """Signal to noise ratio."""
    real = real.astype(float)
    return float(10 * np.log10((real**2).sum() / ((real - made) ** 2).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["run", "vae", "wavegan", "phases"])
    parser.add_argument("run", type=Path)
    parser.add_argument("-n", type=int, default=3000)
    parser.add_argument("--cpu-minutes", type=float, default=15.0)
    parser.add_argument("--dim", type=int, default=64)
    o = parser.parse_args()
    {"run": run, "vae": vae, "wavegan": wavegan, "phases": phases}[o.what](o)


if __name__ == "__main__":
    main()
