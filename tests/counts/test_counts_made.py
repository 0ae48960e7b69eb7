"""Counts that are made: whole, never negative, of the data's totals; the draw is what it says it is."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import ganwright as gw
from ganwright.base.errors import ModelError, OptionError
from ganwright.data import codec_from_json
from ganwright.data.writers import format_for, writer_for
from ganwright.modalities.counts.nets import Filled, Rates, draw, ordered, surprise
from ganwright.modalities.counts.quality import CountRows, company, count_quality
from ganwright.model import Model

WORDS, ROWS = 60, 600


def topics(rows: int, seed: int) -> sp.csr_matrix:
    """Two topics with words of their own, and words of both; the last word never occurs."""
    rng = np.random.default_rng(seed)
    shares = np.ones((2, WORDS))
    shares[0, 10:30] = shares[1, 30:50] = 12
    shares[:, -1] = 0
    which = rng.integers(2, size=rows)
    totals = rng.choice([0, 5, 9, 20], rows, p=[0.05, 0.4, 0.4, 0.15])
    shares /= shares.sum(1, keepdims=True)
    made = [rng.multinomial(t, shares[w]) for t, w in zip(totals, which, strict=True)]
    return sp.csr_matrix(np.stack(made))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two topics, long enough to tell them apart."""
    folder = tmp_path_factory.mktemp("counts")
    sp.save_npz(folder / "a.npz", topics(ROWS, 0).astype(np.uint16))
    settings = {"generator.width": 32, "generator.rank": 8, "latent.dim": 4, "train.batch": 128}
    gw.train(folder / "a.npz", out=folder / "run", kimg=25, settings=settings)
    return folder / "run"


def test_samples_are_counts_of_the_data(trained: Path) -> None:
    model = Model.load(trained)
    made = model.sample(700, seed=1)
    assert sp.issparse(made)
    assert made.dtype == np.uint16
    assert made.shape == (700, WORDS)
    assert made[:, -1].nnz == 0  # never seen, never made
    totals = np.asarray(made.sum(1)).ravel()
    assert set(totals) <= {0, 5, 9, 20}
    assert [(totals == t).mean() for t in (0, 5, 9, 20)] == pytest.approx(
        [0.05, 0.4, 0.4, 0.15], abs=0.06
    )


def test_words_go_together_as_in_the_data(trained: Path) -> None:
    made = Model.load(trained).sample(2000, seed=1)
    mixed = {}
    for name, rows in (("real", topics(2000, 9)), ("made", made)):
        one, other = (
            np.asarray(rows[:, part].sum(1)).ravel() for part in (slice(10, 30), slice(30, 50))
        )
        long = one + other >= 4
        mixed[name] = float(np.minimum(one, other)[long].sum() / (one + other)[long].sum())
    assert mixed["real"] < 0.1
    assert mixed["made"] < 0.25  # drawn by themselves words would give about 0.4


def test_sample_i_is_a_function_of_seed_and_i(trained: Path) -> None:
    model = Model.load(trained)
    many, few = model.sample(200, seed=3), model.sample(131, seed=3)
    assert (many[:131] != few).nnz == 0
    assert (many != model.sample(200, seed=4)).nnz > 0


def test_files_come_back(trained: Path, tmp_path: Path) -> None:
    model = Model.load(trained)
    made = model.sample(150, seed=0)
    for name in ("a.npz", "a.csv"):
        form = format_for(model.codec, tmp_path / name)
        with writer_for(model.codec, tmp_path / name, form, 150) as writer:
            for block in model.stream(150, seed=0):
                writer.add(block.examples, None, 0)
    assert (sp.load_npz(tmp_path / "a.npz") != made).nnz == 0
    assert sp.load_npz(tmp_path / "a.npz").dtype == np.uint16
    assert (pd.read_csv(tmp_path / "a.csv").to_numpy() == made.toarray()).all()
    with pytest.raises(OptionError, match="allowed: npz, csv"):
        format_for(model.codec, tmp_path / "a.npz", "png")
    with pytest.raises(OptionError, match="without conditions"):
        model.sample(2, where="a=3")


def test_a_frame_comes_back_as_a_frame() -> None:
    frame = pd.DataFrame(topics(40, 1).toarray(), columns=[f"w{i}" for i in range(WORDS)])
    codec = gw.open_data(frame).codec
    again = codec_from_json(codec.to_json())
    made = again.join([gw.open_data(frame).examples(np.arange(5))])
    assert list(made.columns) == list(frame.columns)
    assert (made.to_numpy() == frame.to_numpy()[:5]).all()


def test_a_codec_of_a_stranger_is_checked() -> None:
    tree = gw.open_data(topics(40, 1)).codec.to_json()
    for part in ({"counts": "1"}, {"counts": "-1 2"}, {"totals": "3"}, {"high": 0}, {"dtype": "O"},
                 {"words": ["a"]}, {"dtype": "nothing"}):  # fmt: skip
        with pytest.raises(ModelError):
            codec_from_json(tree | part)


def test_the_card_of_counts(trained: Path) -> None:
    card = gw.evaluate(trained, n=100)
    assert {"zeros", "totals", "words", "fid", "copies"} <= set(card.measures)
    assert card.measures["totals"].value < 0.2


def law(p: np.ndarray, a: float, d: np.ndarray, total: int) -> dict[tuple[int, ...], float]:
    """The probability of every row of counts, by going through all sequences of words."""
    found: dict[tuple[int, ...], float] = {}
    for sequence in product(range(len(p)), repeat=total):
        chance, counts = 1.0, np.zeros(len(p))
        for t, word in enumerate(sequence):
            base = p * np.where(counts > 0, d, 1)
            chance *= (a * base[word] / base.sum() + counts[word]) / (a + t)
            counts[word] += 1
        key = tuple(counts.astype(int).tolist())
        found[key] = found.get(key, 0) + chance
    return found


P, A, D = np.array([0.5, 0.3, 0.2]), 4.0, np.array([0.1, 0.9, 0.5])


def rates(rows: int) -> Rates:
    logarithms = torch.from_numpy(np.log(P)).float().expand(rows, -1)
    return Rates(logarithms, torch.full((rows, 1), A), torch.from_numpy(D).float())


def frequencies(counts: np.ndarray) -> dict[tuple[int, ...], float]:
    rows, times = np.unique(counts.astype(int), axis=0, return_counts=True)
    return {tuple(r): t / len(counts) for r, t in zip(rows.tolist(), times, strict=True)}


def test_words_are_drawn_by_their_law() -> None:
    torch.manual_seed(0)
    n, total = 40_000, 3
    expected = law(P, A, D, total)
    assert sum(expected.values()) == pytest.approx(1)
    given = rates(n)
    totals = torch.full((n, 1), float(total))
    in_training = frequencies(draw(given.logarithms.exp() * totals, given, totals).numpy())
    codec = gw.open_data(topics(40, 1)[:, 10:13]).codec
    x = torch.cat(
        [totals, given.concentration, given.logarithms.exp(), given.again.expand(n, -1)], 1
    )
    places = np.random.default_rng(0).random((n, 2))
    in_use = frequencies(codec.decode(x, places).dense())
    for found in (in_training, in_use):
        for row, chance in expected.items():
            assert found.get(row, 0) == pytest.approx(chance, abs=0.012), row


def test_the_surprise_is_that_of_the_law() -> None:
    # Over random orders, the mean of exp(−surprise) is a row's probability a sequence.
    torch.manual_seed(0)
    expected = law(P, A, D, 3)
    for row in [(3, 0, 0), (2, 1, 0), (1, 1, 1)]:
        n = 4000
        counts = torch.tensor(row).expand(n, -1)
        cost = surprise(rates(n), Filled.of(counts), torch.full((n, 1), 3.0))
        orders = 6 / np.prod([[1, 1, 2, 6][c] for c in row])
        assert float((-cost).exp().mean()) * orders == pytest.approx(expected[row], rel=0.03)


def test_words_in_order() -> None:
    counts = torch.tensor([[2, 0, 1], [0, 0, 0], [0, 3, 1]])
    row, word, place, before = ordered(Filled.of(counts), 3)
    assert row.tolist() == [0, 0, 0, 2, 2, 2, 2]
    assert place.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert sorted(word[:3].tolist()) == [0, 0, 2]
    for r in (0, 2):
        seen: list[int] = []
        for w, b in zip(word[row == r].tolist(), before[row == r].tolist(), strict=True):
            assert b == seen.count(w)
            seen.append(w)


def test_quality_knows_same_and_mixed() -> None:
    training = CountRows.fit(gw.open_data(topics(3000, 0)).examples(np.arange(3000)))
    other = gw.open_data(topics(3000, 5))
    same = count_quality(training, training.of(other.examples(np.arange(3000))))
    assert same.zeros < 0.01
    assert same.totals < 0.05
    assert same.words > 0.95
    assert company(training, training.of(other.examples(np.arange(3000)))).together > 0.9
    rng = np.random.default_rng(0)
    real = topics(3000, 5).toarray()
    mixed = np.stack([rng.permutation(column) for column in real.T], 1)
    rows = training.of(gw.open_data(sp.csr_matrix(mixed)).examples(np.arange(3000)))
    assert count_quality(training, rows).words > 0.95
    assert abs(company(training, rows).together) < 0.3
