"""Sounds go through every command."""

from __future__ import annotations

import csv
import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

import ganwright as gw
from ganwright.base.spec import Spec
from ganwright.cli.app import run as command
from ganwright.data.open import find_source
from ganwright.evaluate.filters import Filters
from ganwright.modalities.audio.augment import Options, Views
from ganwright.modalities.audio.grow import Growth
from ganwright.modalities.audio.measures import Heard, audible
from ganwright.model import weights_of

from .conftest import RATE, fill, tone, wav

Capture = pytest.CaptureFixture[str]
QUICK = ["--set", "generator.width=8", "--set", "discriminator.width=8"]


def done(*words: object) -> None:
    assert command([str(word) for word in words]) == 0


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_samples_are_wavs_at_the_datas_rate(run: Path, tmp_path: Path) -> None:
    done("sample", run, "-n", 5, "--label", "up", "--out", tmp_path / "made")
    rows = table(tmp_path / "made" / "samples.csv")
    assert [row["file"] for row in rows] == [f"{i:06}.wav" for i in range(5)]
    assert {(row["label"], row["seed"]) for row in rows} == {("up", "0")}
    with wave.open(str(tmp_path / "made" / "000000.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        assert 0 < file.getnframes() <= gw.load(run).codec.length
    done("sample", run, "-n", 5, "--label", "up", "--out", tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as file:
        samples, rate = gw.load(run).sample(5, label="up")
        assert file["rate"] == rate == RATE and np.array_equal(file["samples"], samples)
        assert file["labels"].tolist() == [1] * 5 and file["classes"].tolist() == ["down", "up"]


def test_a_run_and_its_files_are_judged(run: Path, folders: Path, tmp_path: Path) -> None:
    done("evaluate", run, "-n", 60, "--json", tmp_path / "card.json")
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["features"]["name"] == "spectra"  # too few to learn better ones
    assert {"fid", "silent", "tonal", "loudness", "bands", "ct"} <= card["measures"].keys()
    fid = card["measures"]["fid"]
    assert fid["floor"] < fid["baseline"] and "noisy" in fid["others"]
    done("sample", run, "-n", 60, "--out", tmp_path / "made")
    done("sample", run, "-n", 60, "--out", tmp_path / "made.npz")
    for name in ("made", "made.npz"):
        done("evaluate", tmp_path / name, "--against", folders, "--features", "heard", "--json",
             tmp_path / "other.json")  # fmt: skip
        other = json.loads((tmp_path / "other.json").read_text())
        assert other["features"]["name"] == "heard" and "inception_score" in other["measures"]


def test_the_report_plays_sounds(run: Path, tmp_path: Path) -> None:
    done("report", run, "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") >= 2 * 12 + 2 * 6 + 2 * 4
    assert "data:audio/wav;base64,UklGR" in page and "http" not in page.split("</style>")[1]
    assert "media-src data:" in page.split("<style>")[0]  # or browsers refuse to play them
    assert len(page) < 3_000_000


def test_recipes_are_compared(folders: Path, tmp_path: Path) -> None:
    done(
        "compare", folders, "--recipes", "sound,mlp-small", "--kimg", "0.5", "--out", tmp_path / "c"
    )


def test_a_stopped_run_goes_on_to_the_bit(folders: Path, tmp_path: Path) -> None:
    more = [*QUICK, "--set", "train.score_features=off", "--set", "game.augment.mode=adaptive"]
    more += ["--set", "generator_optimiser.decay_kimg=0.2"]
    more += ["--set", "discriminator_optimiser.decay_kimg=0.2"]
    done("train", folders, "--kimg", "1", "--out", tmp_path / "whole", *more)
    done("train", folders, "--kimg", "0.5", "--out", tmp_path / "parts", *more)
    done("train", folders, "--kimg", "1", "--out", tmp_path / "parts", "--resume")
    one, other = (gw.load(tmp_path / name) for name in ("whole", "parts"))
    for name, weights in weights_of(one.generator, one.discriminator).items():
        assert torch.equal(weights, weights_of(other.generator, other.discriminator)[name]), name


def test_classes_are_balanced(
    run: Path, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So short a training need not make any that pass: here all do."""
    monkeypatch.setattr(
        Filters, "passes", lambda self, waves, label: {"all": np.ones(len(waves), bool)}
    )
    uneven = shutil.copytree(folders, tmp_path / "uneven")
    for path in sorted((uneven / "up").iterdir())[:4]:
        path.unlink()
    before = {p.relative_to(uneven): p.read_bytes() for p in uneven.rglob("*.wav")}
    done("augment", run, uneven, "--balance", "--out", tmp_path / "grown")
    rows = table(tmp_path / "grown" / "samples.csv")
    new = [row for row in rows if row["synthetic"] == "true"]
    assert len(rows) == 120 and [row["label"] for row in new] == ["up"] * 4
    assert {p.relative_to(uneven): p.read_bytes() for p in uneven.rglob("*.wav")} == before
    assert all(
        (tmp_path / "grown" / path).read_bytes() == content for path, content in before.items()
    )
    assert len(gw.open_data(tmp_path / "grown", holdout=0.0)) == 120


def test_what_is_held_out_by_name_stays_out(run: Path, tmp_path: Path) -> None:
    """A grown folder is to train on: what a pattern holds out is not copied into it."""
    folder = fill(tmp_path / "named", 30, lambda kind, who, i: f"{kind}_{who}_{i}.wav")
    data = gw.open_data(folder, audio={"label": "{label}_{who}_{i}", "hold_out": "who=ann"})
    grown = Growth(gw.load(run), find_source(folder, data.options), data)
    assert grown.n == len(data.train) == 40 and sum(n for _, n in grown.counts("label")) == 40
    assert "(20) is left out" in grown.notes[0]


def test_filters_drop_copies_and_noise(run: Path, folders: Path) -> None:
    data, rng = gw.open_data(folders), np.random.default_rng(0)
    filters = Filters(data, features="heard", plain="spectra", things="sounds")
    assert data.labels is not None
    copies = data.rows[data.train[data.labels[data.train] == 1]]
    assert not filters.passes(copies, 1)["memorisation"].any()
    noise = np.rint(rng.standard_normal((20, data.codec.length)) * 5000).astype(np.int16)
    assert filters.passes(noise, 1)["density"].mean() < 0.2


def test_odd_sounds_are_found(run: Path, folders: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    new = tmp_path / "new"
    fill(new, 10, lambda kind, who, i: f"{kind}{i}.wav")
    for i in range(4):
        noise = np.rint(rng.standard_normal(2000) * 8000).astype(np.int16)
        (new / f"noise{i}.wav").write_bytes(wav(noise))
    normal = fill(tmp_path / "normal", 20, lambda kind, who, i: f"{kind}{i}.wav")
    found = gw.detect(run, new, normal=normal)
    order = found.sort_values("score", ascending=False).index[:4]
    assert all(name.startswith("noise") for name in order)
    assert found["where"].str.fullmatch(r"\d\.\d\d … \d\.\d\d s").all()
    out = tmp_path / "odd.csv"
    done("detect", run, new, "--normal", normal, "--out", out)
    assert set(table(out)[0]) == {"file", "score", "p_value", "where"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "data.image.size=8"], "data.image.size: for data of kind image"),
        (["--set", "data.audio.phase=guessed"], "phase can't be 'guessed'; allowed: found, learned"),
        (["--set", "game.augment.mode=diffaug"], "diffaug is for images"),
        (["--set", "game.augment.mode=fixed", "--set", "game.augment.audio.operations=flip"], "'flip'"),
    ],
)  # fmt: skip
def test_wrong_settings_are_one_line(
    folders: Path, tmp_path: Path, capsys: Capture, words: list[str], told: str
) -> None:
    assert (
        command(["train", str(folders), "--out", str(tmp_path / "r"), "--kimg", "1", *words]) == 2
    )
    err = capsys.readouterr().err.splitlines()
    assert told in err[-1] and not (tmp_path / "r").exists()


def test_augmentation_is_affine_and_its_transpose_is_one() -> None:
    spec = Spec(axes=("channel", "frequency", "time"), shape=(2, 16, 24))
    torch.manual_seed(0)
    x, y = torch.randn(2, 12, 2, 16, 24, dtype=torch.float64)
    drawn = Views(Options(), "fixed", spec).draw(x, torch.tensor(0.7))
    assert torch.allclose(drawn(x) - drawn(y), drawn.linear(x - y))
    products = (drawn.linear(x) * y).sum(), (x * drawn.transposed(y)).sum()
    assert products[0].item() == pytest.approx(products[1].item(), rel=1e-12)
    quiet = Options(operations=("shift", "level", "band-stop"))
    silence = torch.full((12, 1, 16, 24), -1.0)
    one = Spec(axes=spec.axes, shape=(1, 16, 24))
    assert torch.equal(Views(quiet, "fixed", one).draw(silence, torch.ones(()))(silence), silence)


def test_silence_and_constant_tones_are_heard(run: Path) -> None:
    codec = gw.load(run).codec
    t = np.arange(codec.length) / RATE
    real = np.stack([np.resize(tone(i % 2 == 0, i), codec.length) for i in range(20)])
    hum = np.rint(9000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    fake = np.stack([np.zeros_like(hum)] * 5 + [hum] * 5 + list(real[:10]))
    sides = [Heard.of(waves, codec) for waves in (real, fake)]
    found = audible(*sides)
    assert (found.silent, found.tonal) == (0.25, 0.25) and found.loudness > 0.2
    same = audible(sides[0], sides[0])
    assert (same.silent, same.tonal, same.loudness, same.bands) == (0, 0, 0, 0)
    level = Heard.of(hum[None], codec).levels[0]
    assert level == pytest.approx(20 * np.log10(9000 / 32768 / 2**0.5), abs=2)
