"""The mathematics of series against closed forms, float64 NumPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganwright.modalities.series.baselines import Autoregression, autoregressive, pasted
from ganwright.modalities.series.innovations import Memory, carried, fitted
from ganwright.modalities.series.nets import SeriesDiscriminatorOptions, SeriesGeneratorOptions
from ganwright.modalities.series.quality import (
    Rows,
    autocorrelations,
    cross_correlations,
    quality,
    spectra,
    stretches,
)
from ganwright.modalities.series.scale import Scale
from ganwright.modalities.series.scores import discriminative, predictive
from ganwright.modalities.series.spec import AXES, SeriesSpec

PHI = 0.8


def ar1(count: int, length: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    """Windows of a stationary AR(1) of variance 1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, length, channels))
    for t in range(1, length):
        x[:, t] = PHI * x[:, t - 1] + np.sqrt(1 - PHI**2) * x[:, t]
    return x


def spec(length: int = 12, channels: int = 2, holes: tuple[int, ...] = (1,)) -> SeriesSpec:
    gamma = PHI ** np.arange(length)
    return SeriesSpec(
        axes=AXES, shape=(2 * channels + len(holes), length), channels=channels, holes=holes,
        present=(0.7,) * len(holes), means=(0.1,) * channels * length,
        covariances=tuple(np.tile(gamma, channels).tolist()), sizes=(0, 3), middles=(1.0, 0.0),
        spreads=(2.0, 1.0), described=(0.5, 0, 1.5, 1, 2.5, 2, 3.5, 0), classes=("a", "b", "c"),
    )  # fmt: skip


def test_innovations_of_an_ar1_are_its_shocks() -> None:
    memory = Memory.of(np.zeros((1, 10)), PHI ** np.arange(10.0)[None])
    x = ar1(500, 10)[..., 0]
    found = x @ memory.back[0].T
    shocks = (x[:, 1:] - PHI * x[:, :-1]) / np.sqrt(1 - PHI**2)
    # The floor is a deviation of a fifth of a step, so the two are close, not equal.
    assert np.corrcoef(found[:, 1:].ravel(), shocks.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(found @ memory.forth[0].T, x, atol=1e-9)
    assert (np.triu(memory.back[0], 1) == 0).all() and (memory.spreads <= 1).all()


@pytest.mark.parametrize("count", [2000, 30])
def test_covariances_are_those_of_the_windows(count: int) -> None:
    x = ar1(count, 10) + np.arange(10)[:, None] * (count > 100)
    means, covariances = fitted(x)
    if count > 100:  # enough of them: by the place in the window
        np.testing.assert_allclose(covariances[0], np.cov(x[..., 0].T, bias=True), atol=1e-12)
        np.testing.assert_allclose(means[0], x[..., 0].mean(0))
    else:
        assert covariances.shape == (1, 10)
        np.testing.assert_allclose(covariances[0, 0], x.var(), atol=1e-12)


def test_an_autoregression_is_that_of_statsmodels() -> None:
    from statsmodels.tsa.vector_ar.var_model import VAR

    rng = np.random.default_rng(0)
    x = np.zeros((300, 2))
    for t in range(2, 300):
        x[t] = 0.5 * x[t - 1] + 0.2 * x[t - 2, ::-1] + 0.3 + rng.normal(size=2)
    theirs = VAR(x).fit(2)
    ours = Autoregression.fit(x[None], 2)
    np.testing.assert_allclose(ours.weights, theirs.params, atol=1e-4)
    assert Autoregression.fit(x[None]).order == 2
    first = ours.after(x[None, :100], 1, np.random.default_rng(0))[0, 0]
    np.testing.assert_allclose(first - theirs.forecast(x[:100], 1)[0], first - x[98:100][::-1].ravel()
                               @ ours.weights[1:] - ours.weights[0], atol=1e-3)  # fmt: skip


def test_baselines_look_like_what_they_are_made_from() -> None:
    x, rng = ar1(400, 12, channels=2), np.random.default_rng(0)
    made = autoregressive(x, 600, rng)
    assert made.shape == (600, 12, 2) and made.std() == pytest.approx(1, abs=0.1)
    glued = pasted(x, 50, rng)
    known = {row.tobytes() for window in x for row in window}
    assert all(row.tobytes() in known for window in glued for row in window)


def test_correlations_and_spectra_are_those_of_others() -> None:
    from scipy.signal import periodogram
    from statsmodels.tsa.stattools import acf, ccf

    x = ar1(1, 4000, channels=2)
    x[..., 1] += 0.5 * x[..., 0]
    ours = autocorrelations(x)[:5, 0]
    np.testing.assert_allclose(ours, acf(x[0, :, 0], nlags=5)[1:], atol=5e-3)
    both = cross_correlations(x)
    theirs = ccf(x[0, :, 1], x[0, :, 0], nlags=2)  # of the second, so many steps after the first
    np.testing.assert_allclose(both[:, 0, 1], theirs, atol=5e-3)
    np.testing.assert_allclose(both[0], np.corrcoef(x[0].T), atol=1e-9)
    power = periodogram(x[0, :, 0])[1][1:]
    power[-1] *= 2  # counted once, others twice
    np.testing.assert_allclose(spectra(x)[:, 0], power / power.sum(), atol=1e-9)


def test_measures_see_what_is_wrong() -> None:
    real, same = Rows(ar1(500, 16)), Rows(ar1(500, 16, seed=1))
    noise = Rows(np.random.default_rng(0).normal(size=(500, 16, 1)))
    good, bad = quality(real, same), quality(real, noise)
    assert good.marginals < 0.06 and bad.marginals < 0.06  # values are alike, their order is not
    for name in ("increments", "autocorrelation", "spectrum"):
        assert getattr(good, name) < 0.1 < getattr(bad, name)
    assert discriminative(real, same).value < 0.1 < 0.3 < discriminative(real, noise).value
    # One step ahead of an AR(1) the mean absolute error is √(2/π)·√(1 − φ²).
    assert predictive(real, same).value == pytest.approx(0.798 * 0.6, rel=0.1)
    assert predictive(real, noise).value > 0.6


def test_pasted_windows_are_told_by_their_stretches() -> None:
    training, held = ar1(300, 16), Rows(ar1(200, 16, seed=1))
    made = Rows(pasted(training, 200, np.random.default_rng(0)))
    assert stretches(Rows(training), held, made).closer > 0.7
    assert stretches(Rows(training), held, Rows(ar1(200, 16, seed=2))).closer == pytest.approx(
        0.5, abs=0.1
    )


@pytest.mark.parametrize(
    ("values", "bend"),
    [
        (np.random.default_rng(0).normal(size=500), "linear"),
        (np.exp(np.random.default_rng(0).normal(3, 2, 500)), "log"),
        (np.random.default_rng(0).standard_t(1.5, 500), "asinh"),
    ],
)
def test_scales_go_both_ways(values: np.ndarray, bend: str) -> None:
    scale = Scale.fit(values)
    assert scale.bend == bend
    there = scale.forth(values)
    assert there.mean() == pytest.approx(0, abs=1e-9) and there.std() == pytest.approx(1)
    np.testing.assert_allclose(scale.back(there), values, rtol=1e-9)
    assert scale.back(np.array([99.0]))[0] == values.max()


def test_what_is_missing_is_carried() -> None:
    x = np.array([[[np.nan], [1.0], [np.nan], [np.nan], [2.0]]])
    assert carried(x)[0, :, 0].tolist() == [0, 1, 1, 1, 2]


def test_the_generator_keeps_what_is_given_and_is_consistent() -> None:
    torch.manual_seed(0)
    net, one = SeriesGeneratorOptions(width=8).build(spec(), 4), spec()
    stored = torch.randn(6, 7, 12)
    stored[:, 4] = (stored[:, 4] > 0).float()
    stored[:, 6] = torch.arange(6)[:, None] % 3
    condition = net.given(stored, torch.tensor([0, 3, 5, 8, 11, 12]))
    made = net(torch.randn(6, 4), condition)
    assert made.shape == (6, 5, 12)
    for i, known in enumerate((0, 3, 5, 8, 11, 12)):
        torch.testing.assert_close(made[i, 4, :known], stored[i, 4, :known])
        torch.testing.assert_close(made[i, 2, :known], stored[i, 2, :known])
    masks = made[0, 4]
    assert set(masks.tolist()) <= {0, 1}
    lost = [t for t in range(1, 12) if masks[t] == 0]
    assert all(made[0, 3, t] == made[0, 3, t - 1] for t in lost)
    memory = one.memory
    again = np.arcsinh((made[0, 2].detach().numpy() - memory.means[0]) @ memory.back[0].T)
    np.testing.assert_allclose(made[0, 0].detach().numpy(), again, atol=1e-4)


def test_untrained_it_is_a_gaussian_process_with_the_data_s_memory() -> None:
    torch.manual_seed(0)
    net = SeriesGeneratorOptions(width=8).build(spec(holes=()), 4)
    torch.nn.init.zeros_(net.last.weight)
    made = net(torch.randn(4000, 4), net.start(4000, torch.zeros(4000)))[:, 2].detach().numpy()
    want = PHI ** np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_allclose(np.cov(made.T), want, atol=0.1)
    np.testing.assert_allclose(made.mean(0), 0.1, atol=0.1)


def test_a_sample_is_a_function_of_its_own_numbers() -> None:
    torch.manual_seed(0)
    net = SeriesGeneratorOptions(width=8).build(spec(), 4).eval()
    z, uniforms = torch.randn(5, 4), torch.rand(5, net.uniforms)
    labels = torch.tensor([2, 2, 1, 0, 1])
    made = net.sample(z, net.start(5, labels), uniforms)
    assert made.shape == (5, 7, 12) and made[:, 6, 0].tolist() == labels.tolist()
    told = {(round(a, 3), round(b)) for a, b in made[:, 5:, 0].tolist()}
    assert told <= {(0.5, 0), (1.5, 1), (2.5, 2), (3.5, 0)}
    other = net.sample(z[3:4], net.start(1, labels[3:4]), uniforms[3:4])
    torch.testing.assert_close(other[0], made[3], atol=1e-5, rtol=1e-5)


def test_the_discriminator_sees_the_whole_window_and_what_describes_it() -> None:
    torch.manual_seed(0)
    net = SeriesDiscriminatorOptions(width=8).build(spec(length=13), 4)
    assert net.mixes_examples is False
    x = torch.randn(3, 5, 13, requires_grad=True)
    condition = torch.zeros(3, 1 + 5 + 2, 13)
    logits = net(x, condition)
    (slope,) = torch.autograd.grad(logits.sum(), x)
    assert logits.shape == (3,) and (slope.abs().sum(1) > 0).all()
    other = condition.clone()
    other[:, -1] = 2
    assert (net(x, other) != logits).all()
    given = condition.clone()
    given[:, 0, :5] = 1
    assert (net(x, given) != logits).all()
