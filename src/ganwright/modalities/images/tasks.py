"""How near restored pictures come to the clean ones, and what methods without learning reach.

Pictures are (n, H, W, C) as stored; `span` is the distance from black to white.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from torch import Tensor

from ganwright.modalities.images.codec import ImageCodec

WINDOW = 7  # pixels a side that SSIM looks at
MOST_DB = 100.0  # PSNR of equal pictures, which have none
LUCY = 15  # iterations
Baseline = Callable[[np.ndarray], np.ndarray]  # one picture (H, W, C) in [0, 1] to another


def psnr(made: np.ndarray, truth: np.ndarray, span: float) -> np.ndarray:
    """Peak signal-to-noise ratio of each picture in dB, (n,); at most `MOST_DB`."""
    error = np.square(made.astype(np.float64) - truth).mean((1, 2, 3))
    least = span**2 * 10 ** (-MOST_DB / 10)
    found: np.ndarray = 10 * np.log10(span**2 / np.maximum(error, least))
    return found


def ssim(made: np.ndarray, truth: np.ndarray, span: float) -> np.ndarray:
    """Structural similarity of each picture, (n,), mean over channels (Wang et al. 2004).

    Uniform windows of 7 pixels (fewer in smaller pictures) and sample covariances, as scikit-image has it.
    """
    side = min(WINDOW, *(s - 1 + s % 2 for s in truth.shape[1:3]))
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    x, y = made.astype(np.float64), truth.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = scipy.ndimage.uniform_filter(values, (0, side, side, 0))
        return found

    unbiased = side**2 / max(side**2 - 1, 1)
    mx, my = mean(x), mean(y)
    vx, vy = unbiased * (mean(x * x) - mx * mx), unbiased * (mean(y * y) - my * my)
    cov = unbiased * (mean(x * y) - mx * my)
    value = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    edge = side // 2
    inner = value[:, edge : value.shape[1] - edge, edge : value.shape[2] - edge]
    found: np.ndarray = inner.mean((1, 2, 3))
    return found


def measures(codec: ImageCodec, made: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """PSNR and SSIM of each picture."""
    span = codec.high - codec.low
    return {"psnr": psnr(made, truth, span), "ssim": ssim(made, truth, span)}


def baselines(codec: ImageCodec, task: str, condition: Tensor) -> Mapping[str, np.ndarray]:
    """What simple methods make of the given pictures (n, given + truth, H, W), by name, as stored."""
    given = condition.movedim(1, -1).float().cpu().numpy()
    pictures = (given[..., : codec.channels].clip(-1, 1) + 1) / 2
    if task == "inpaint":
        missing = given[..., codec.channels] > 0.5
        done = {"harmonic": [harmonic(p, m) for p, m in zip(pictures, missing, strict=True)]}
    else:
        done = {name: [make(p) for p in pictures] for name, make in SIMPLE.get(task, {}).items()}
    return {name: _stored(codec, np.stack(values)) for name, values in done.items()}


def _stored(codec: ImageCodec, pictures: np.ndarray) -> np.ndarray:
    values = pictures.clip(0, 1) * (codec.high - codec.low) + codec.low
    return (values if codec.dtype == "float32" else np.rint(values)).astype(codec.dtype)


def median(picture: np.ndarray) -> np.ndarray:
    """Of 3×3 pixels."""
    found: np.ndarray = scipy.ndimage.median_filter(picture, (3, 3, 1))
    return found


def smooth(picture: np.ndarray) -> np.ndarray:
    """A Gaussian of σ = 0.8 pixels."""
    found: np.ndarray = scipy.ndimage.gaussian_filter(picture, (0.8, 0.8, 0))
    return found


def sharpened(picture: np.ndarray) -> np.ndarray:
    """An unsharp mask of σ = 1 pixel and weight 0.5."""
    found: np.ndarray = picture + 0.5 * (
        picture - scipy.ndimage.gaussian_filter(picture, (1, 1, 0))
    )
    return found


def lucy(picture: np.ndarray) -> np.ndarray:
    """Richardson–Lucy deconvolution by the blur that restorers are tested by, which it is told."""
    blur = (1.5, 1.5, 0)
    found = picture.copy()
    for _ in range(LUCY):
        ratio = picture / np.maximum(scipy.ndimage.gaussian_filter(found, blur), 1e-3)
        found *= scipy.ndimage.gaussian_filter(ratio, blur)
    return found


def harmonic(picture: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The missing pixels (H, W) such that each is the mean of its neighbours (Laplace's equation)."""
    number = np.full(missing.shape, -1)
    number[missing] = np.arange(missing.sum())
    rows, columns = np.nonzero(missing)
    if not len(rows) or missing.all():
        return picture
    right, places, neighbours = np.zeros((len(rows), picture.shape[2])), [], []
    count = np.zeros(len(rows))
    for down, along in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        r, c = rows + down, columns + along
        inside = (r >= 0) & (r < missing.shape[0]) & (c >= 0) & (c < missing.shape[1])
        own, r, c = np.flatnonzero(inside), r[inside], c[inside]
        count[own] += 1
        known = ~missing[r, c]
        right[own[known]] += picture[r[known], c[known]]
        places.append(own[~known])
        neighbours.append(number[r[~known], c[~known]])
    i, j = np.concatenate(places), np.concatenate(neighbours)
    links = scipy.sparse.coo_matrix((-np.ones(len(i)), (i, j)), (len(rows), len(rows)))
    solved = scipy.sparse.linalg.spsolve((links + scipy.sparse.diags(count)).tocsc(), right)
    found = picture.copy()
    found[missing] = solved.reshape(len(rows), -1)
    return found


SIMPLE: dict[str, dict[str, Baseline]] = {
    "denoise": {"median": median, "smooth": smooth},
    "deblur": {"lucy": lucy, "sharpened": sharpened},
    "upscale": {"sharpened": sharpened},
}
