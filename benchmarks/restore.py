"""Restorers beside methods without learning, on the held-out images of their run.

    python benchmarks/restore.py runs/denoise runs/inpaint runs/upscale [--n 395]

PSNR, SSIM (mean over images ± 95 %) and FID on features learned from the clean training images, which is
also of the same images restored: the clean images themselves score 0. The damage is the one that
`evaluate` tests a task by. Needs scikit-image (the extra dev). Parameters of the methods are the best of
those tried on the same images, which favours them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from skimage import restoration

from ganwright.evaluate.distances import fid
from ganwright.evaluate.features import choose_extractor
from ganwright.evaluate.subject import subject_of
from ganwright.modalities.images import tasks

Fix = Callable[[np.ndarray], np.ndarray]  # (H, W, C) in [0, 1] to the same
SIGMA = 25 / 255


def denoisers() -> Iterator[tuple[str, Fix]]:
    means = partial(
        restoration.denoise_nl_means, patch_size=3, patch_distance=7, sigma=SIGMA, channel_axis=-1
    )
    bilateral = partial(restoration.denoise_bilateral, sigma_spatial=1.0, channel_axis=-1)
    for h in (0.4, 0.6, 0.8):
        yield f"non-local means, h={h}σ", partial(means, h=h * SIGMA)
    for weight in (0.05, 0.1):
        name, method = f"TV, weight {weight}", restoration.denoise_tv_chambolle
        yield name, partial(method, weight=weight, channel_axis=-1)
    for colour in (0.1, 0.2):
        yield f"bilateral, {colour}", partial(bilateral, sigma_color=colour)


def deblurrers() -> Iterator[tuple[str, Fix]]:
    line = np.exp(-(np.arange(-7, 8) ** 2) / (2 * 1.5**2))
    kernel = np.outer(line, line) / line.sum() ** 2

    def each(fix: Fix, x: np.ndarray) -> np.ndarray:
        wide = np.pad(x, ((8, 8), (8, 8), (0, 0)), mode="edge")
        done = np.stack([fix(wide[:, :, c]) for c in range(x.shape[2])], axis=2)
        return done[8:-8, 8:-8]

    for balance in (0.01, 0.05):
        method = partial(restoration.wiener, psf=kernel, balance=balance)
        yield f"Wiener, {balance}", partial(each, method)
    for times in (5, 15):
        method = partial(restoration.richardson_lucy, psf=kernel, num_iter=times)
        yield f"Richardson–Lucy, {times}", partial(each, method)


METHODS = {"denoise": denoisers, "deblur": deblurrers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--n", type=int, default=2000)
    given = parser.parse_args()
    for run in given.runs:
        compare(run, given.n)


def compare(run: str, n: int) -> None:
    subject = subject_of(run, None, 0)
    model, data = subject.model, subject.data
    assert model is not None
    task: str = model.generator.task
    codec: Any = model.codec
    indices = subject.reference[:n]
    results: dict[str, list[np.ndarray]] = {}
    for condition, as_given, made in model.redone(data.batch(indices)[0]):
        found = {"Ganwright": made, "as given": as_given}
        found |= tasks.baselines(codec, task, condition)
        for name, block in (found | others(task, codec, condition, as_given)).items():
            results.setdefault(name, []).append(block)
    truth, extractor = data.examples(indices), choose_extractor(None, data)
    real = extractor.features(truth)
    print(f"\n{run}: {task}, {model.generator.tested}; {len(indices)} held-out {codec.makes}, "
          f"{model.seen / 1000:.1f} kimg, features {extractor.name}")  # fmt: skip
    print(f"{'':32}{'PSNR':>14}{'SSIM':>16}{'FID':>8}")
    for name, blocks in results.items():
        made = np.concatenate(blocks)
        told = [
            f"{v.mean():.{d}f} ± {1.96 * v.std(ddof=1) / len(v) ** 0.5:.{d}f}"
            for v, d in zip(tasks.measures(codec, made, truth).values(), (2, 3), strict=True)
        ]
        print(
            f"{name:32}{told[0]:>14}{told[1]:>16}{fid(real, extractor.features(made)):>8.2f}",
            flush=True,
        )


def others(task: str, codec: Any, condition: Any, as_given: np.ndarray) -> dict[str, np.ndarray]:
    """The methods of scikit-image."""
    pictures = as_given.astype(np.float64) / 255
    found: dict[str, list[np.ndarray]] = {}
    if task == "inpaint":
        masks = condition[:, codec.channels].numpy() > 0.5
        found["biharmonic"] = [
            restoration.inpaint_biharmonic(p, m, channel_axis=-1)
            for p, m in zip(pictures, masks, strict=True)
        ]
    for name, fix in METHODS[task]() if task in METHODS else ():
        found[name] = [fix(p) for p in pictures]
    return {
        name: np.rint(np.stack(done).clip(0, 1) * 255).astype(np.uint8)
        for name, done in found.items()
    }


if __name__ == "__main__":
    main()
