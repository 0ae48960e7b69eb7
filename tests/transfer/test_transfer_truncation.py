"""Truncated latents: their distribution, what they are functions of, and what comes out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import ganwright as gw
from ganwright.base.errors import OptionError
from ganwright.cli.app import run as command
from ganwright.game import LATENTS, LatentOptions

KINDS: tuple[Any, ...] = tuple(LATENTS)
RESAMPLED = ("normal", "uniform", "truncated-normal")


@pytest.fixture(scope="session")
def model(digits_run: Path) -> gw.Model:
    return gw.load(digits_run)


def test_resampled_normals_are_truncated_normals() -> None:
    for bound in (0.3, 1.0, 2.5):
        z = LatentOptions(dim=4).draw_truncated(0, 0, 5000, bound, "resample").double().numpy()
        assert np.abs(z).max() <= bound + 1e-7
        for column in z.T:
            assert stats.kstest(column, stats.truncnorm(-bound, bound).cdf).pvalue > 1e-3
        assert abs(np.corrcoef(z.T) - np.eye(4)).max() < 0.06


def test_resampling_is_what_is_left_when_the_rest_is_thrown_away() -> None:
    """By its definition: draw, and draw again what lies beyond the bound."""
    rng, bound = np.random.default_rng(0), 0.8
    z = rng.normal(size=20_000)
    while (beyond := np.abs(z) > bound).any():
        z[beyond] = rng.normal(size=beyond.sum())
    ours = LatentOptions(dim=1).draw_truncated(1, 0, 20_000, bound, "resample")[:, 0].numpy()
    assert stats.ks_2samp(z, ours).pvalue > 1e-3


@pytest.mark.parametrize("kind", RESAMPLED)
def test_resampling_of_the_others(kind: Any) -> None:
    o = LatentOptions(kind=kind, dim=3)
    inside, nothing, whole = (
        o.draw_truncated(0, 0, 500, b, "resample") for b in (0.5, 0.0, float("inf"))
    )
    assert inside.abs().max() <= 0.5 and inside.std() > 0.2
    assert (nothing == 0).all()
    assert torch.equal(whole, o.draw(0, 0, 500))
    if kind == "uniform":  # of a flat distribution both ways are one
        torch.testing.assert_close(inside, o.draw_truncated(0, 0, 500, 0.5, "shrink"))
    if kind == "truncated-normal":
        assert torch.equal(o.draw_truncated(0, 0, 500, 2.0, "resample"), o.draw(0, 0, 500))


@pytest.mark.parametrize("how", ["shrink", "resample"])
@pytest.mark.parametrize("kind", RESAMPLED)
def test_latent_i_is_a_function_of_seed_and_i(kind: Any, how: Any) -> None:
    o = LatentOptions(kind=kind, dim=5)
    many = o.draw_truncated(7, 0, 100, 0.6, how)
    assert torch.equal(many[37:41], o.draw_truncated(7, 37, 4, 0.6, how))
    assert not torch.equal(many, o.draw_truncated(8, 0, 100, 0.6, how))


@pytest.mark.parametrize("kind", KINDS)
def test_shrinking_keeps_a_share_of_the_way_from_the_mean(kind: Any) -> None:
    o = LatentOptions(kind=kind, dim=6)
    z = o.draw(3, 0, 4000)
    assert z.mean(0).abs().max() < 0.1  # the mean that it goes to
    assert torch.equal(o.draw_truncated(3, 0, 4000, 1.0), z)
    torch.testing.assert_close(o.draw_truncated(3, 0, 4000, 0.3), 0.3 * z)


def test_shrinking_interpolates_what_the_first_layer_makes_of_it(model: gw.Model) -> None:
    """w of ψz is w̄ + ψ(w − w̄), with w̄ the mean of the class."""
    first = model.generator.layers[0]
    labels = torch.arange(30) % 10
    z, psi = model.net.latent.draw(0, 0, 30), 0.4

    def w(z: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = first(model.generator.input(z, labels))
        return made

    mean = w(torch.zeros_like(z))
    truncated = w(model.net.latent.draw_truncated(0, 0, 30, psi))
    torch.testing.assert_close(truncated, mean + psi * (w(z) - mean), rtol=1e-4, atol=1e-5)


def test_one_leaves_samples_and_nought_makes_one_of_each_class(model: gw.Model) -> None:
    assert np.array_equal(model.sample(70, truncation=1.0), model.sample(70))
    no_bound = model.sample(70, truncation=float("inf"), truncate="resample")
    assert np.array_equal(no_bound, model.sample(70))
    labels = np.arange(70) % 10
    for how in ("shrink", "resample"):
        made = model.sample(70, label=labels, truncation=0, truncate=how)  # type: ignore[arg-type]
        for c in range(10):
            of_class = made[labels == c]
            assert (of_class == of_class[0]).all()
        assert len(np.unique(made, axis=0)) == 10


@pytest.mark.parametrize("how", ["shrink", "resample"])
def test_samples_vary_the_less_the_more_is_truncated(model: gw.Model, how: Any) -> None:
    def spread(truncation: float) -> float:
        return float(model.sample(256, label=3, truncation=truncation, truncate=how).std(0).mean())

    found = [spread(t) for t in (0.1, 0.4, 1.0)]
    assert found == sorted(found) and found[0] < 0.5 * found[-1]
    few = model.sample(5, truncation=0.4, truncate=how)
    assert np.array_equal(few, model.sample(200, truncation=0.4, truncate=how)[:5])


@pytest.mark.parametrize(
    ("kind", "wish", "words"),
    [
        ("normal", (1.5, "shrink"), "truncation: must lie between 0 and 1; got 1.5"),
        ("normal", (-0.5, "resample"), "truncation: must be at least 0; got -0.5"),
        ("normal", (float("nan"), "resample"), "truncation: must be at least 0; got nan"),
        (
            "normal",
            (0.5, "shrinc"),
            "truncate: can't be 'shrinc'; allowed: .* Did you mean 'shrink'",
        ),
        (
            "hypersphere",
            (0.5, "resample"),
            "truncate: coordinates of a hypersphere latent can't be redrawn",
        ),
        (
            "bernoulli",
            (0.5, "resample"),
            "truncate: coordinates of a bernoulli latent can't be redrawn",
        ),
    ],
)
def test_impossible_truncations(kind: Any, wish: tuple[float, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        LatentOptions(kind=kind, dim=3).draw_truncated(0, 0, 2, *wish)


def test_the_command(
    digits_run: Path, model: gw.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.npz"
    line = ["sample", str(digits_run), "-n", "9", "--out", str(out), "--device", "cpu"]
    assert command([*line, "--truncation", "0.7", "--truncate", "resample"]) == 0
    with np.load(out) as file:
        made = file["samples"]
    expected = model.sample(9, truncation=0.7, truncate="resample")
    assert np.array_equal(made.reshape(expected.shape), expected)
    assert command([*line, "--truncation", "0.7", "--truncate", "resampel"]) == 2
    assert "truncate: can't be 'resampel'; allowed: shrink, resample" in capsys.readouterr().err
