"""Intervals, floors, the two-sample test, memorisation, the table of measures."""

from __future__ import annotations

import importlib
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
import scipy.stats
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from ganwright.base.errors import DataError, OptionError, UnknownName
from ganwright.base.modality import parts
from ganwright.evaluate import (
    CLASSIFIERS,
    MEASURES,
    copies,
    fid,
    floor,
    jackknife,
    measure,
    memorisation,
    two_sample,
    unique_share,
    vendi,
    wilson,
)
from ganwright.evaluate.matrix import FeatureMatrix
from ganwright.evaluate.measures import measures_of
from ganwright.evaluate.twosample import delong
from ganwright.modalities.audio.measures import Heard
from ganwright.modalities.counts.quality import CountRows
from ganwright.modalities.counts.sparse import Counts
from ganwright.modalities.images.features.identity import Faces
from ganwright.modalities.series.quality import Rows as Windows
from ganwright.modalities.tables.columns.column import Column
from ganwright.modalities.tables.judge.cells import Cells, Layout
from ganwright.modalities.text.ngrams import TextRows

rng = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _own_numbers() -> None:
    """Each test draws from the start: what it sees must not depend on which ran before."""
    rng.bit_generator.state = np.random.default_rng(3).bit_generator.state


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (450, 1000)])
def test_wilson_is_scipys(successes: int, n: int) -> None:
    outside = scipy.stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((outside.low, outside.high), abs=1e-12)
    assert found.value == successes / n
    assert 0 <= found.low <= found.value <= found.high <= 1


def mean(x: FeatureMatrix) -> float:
    return float(x.array().mean())


def test_jackknife_of_a_mean_is_the_textbook_error() -> None:
    x = rng.standard_normal((200, 1))
    found = jackknife(mean, x, blocks=200)
    assert found.error == pytest.approx(x.std(ddof=1) / math.sqrt(200), rel=1e-6)
    assert found == jackknife(mean, x, blocks=200)
    assert jackknife(mean, x, fixed=(0,)).error == 0


def test_the_jackknife_covers_fid() -> None:
    """Ninety-odd intervals in a hundred hold FID's mean at this n."""

    def draw() -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((300, 3)), rng.standard_normal((300, 3)) * 1.5 + 0.5

    truth = np.mean([fid(*draw()) for _ in range(1500)])
    held = [jackknife(fid, *draw(), seed=i) for i in range(150)]
    assert 0.88 <= np.mean([e.low <= truth <= e.high for e in held]) <= 0.99


def test_wilson_covers() -> None:
    drawn = rng.binomial(100, 0.9, 1000)
    held = [wilson(int(s), 100) for s in drawn]
    assert 0.92 <= np.mean([e.low <= 0.9 <= e.high for e in held]) <= 0.98


def test_the_floor_is_real_against_real() -> None:
    x = rng.standard_normal((1000, 4))
    found = floor(fid, x, n=300, against=500, splits=4, seed=1)
    assert (found.n, found.against, found.splits) == (300, 500, 4)
    assert found.low <= found.value <= found.high
    # E FID ≈ (mean: d) + (covariance: d(d+1)/8 …) over n; with both sizes it is of order 1/n.
    assert 0 < found.value < 0.1
    assert found == floor(fid, x, n=300, against=500, splits=4, seed=1)
    assert found != floor(fid, x, n=300, against=500, splits=4, seed=2)
    same = floor(
        lambda real, fake: float(
            set(map(tuple, real.array())).isdisjoint(map(tuple, fake.array()))
        ),
        x,
        n=500,
    )
    assert same.value == 1  # the two sides share no row
    with pytest.raises(
        DataError, match="a floor at n = 600 against 600 needs 1200 real rows; got 1000"
    ):
        floor(fid, x, n=600)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_two_sample(classifier: str) -> None:
    a, b = rng.standard_normal((2, 300, 5))
    same = two_sample(a, b[:250], classifier=classifier)
    assert same.n == 250 and same.p > 0.001
    assert same.accuracy.value == pytest.approx(0.5, abs=0.08)
    assert same.auc.low - 0.05 <= 0.5 <= same.auc.high + 0.05
    apart = two_sample(a, b + 1, classifier=classifier)
    assert apart.accuracy.low > 0.7 and apart.auc.low > 0.8 and apart.p < 1e-10
    assert apart == two_sample(a, b + 1, classifier=classifier)


def test_two_sample_sees_shape_where_a_line_can_not() -> None:
    a, b = rng.standard_normal((500, 2)), rng.standard_normal((500, 2)) * 3
    assert two_sample(a, b).auc.low < 0.55
    assert two_sample(a, b, classifier="knn").auc.low > 0.7


def test_two_sample_is_honest_when_all_rows_are_equal() -> None:
    found = two_sample(np.ones((50, 2)), np.ones((60, 2)))
    assert (found.accuracy.value, found.auc.value) == (0.5, 0.5)


def test_two_sample_covers() -> None:
    held = [two_sample(*rng.standard_normal((2, 60, 2)), folds=2, seed=i) for i in range(60)]
    assert np.mean([e.auc.low <= 0.5 <= e.auc.high for e in held]) >= 0.85
    assert np.mean([e.p < 0.05 for e in held]) <= 0.15


def test_delong() -> None:
    high, low = rng.integers(2, 9, 30).astype(float), rng.integers(0, 7, 40).astype(float)
    area, variance = delong(high, low)
    truth = np.repeat([1, 0], [30, 40])
    assert area == pytest.approx(roc_auc_score(truth, np.concatenate([high, low])))
    wins = (high[:, None] > low) + 0.5 * (high[:, None] == low)
    expected = wins.mean(1).var(ddof=1) / 30 + wins.mean(0).var(ddof=1) / 40
    assert variance == pytest.approx(expected)


def test_memorisation_of_honest_samples() -> None:
    train, held, fake = rng.standard_normal((3, 400, 4))
    found = memorisation(train, held, fake[:300])
    assert found.n == 300 and found.copies == 0 and found.cells == 1
    far = cdist(held, train).min(1)[np.sort(_kept(400, 300))]
    near = cdist(fake[:300], train).min(1)
    outside = scipy.stats.mannwhitneyu(
        near, far, method="asymptotic", use_continuity=False, alternative="less"
    )
    assert found.p == pytest.approx(outside.pvalue, rel=1e-8)
    assert found.closer == pytest.approx(1 - outside.statistic / 300**2)
    assert abs(found.ct) < 3
    nearest = cdist(fake[:300], train)
    first = found.pairs[0]
    assert len(found.pairs) == 16
    assert first.distance == pytest.approx(nearest.min())
    assert (first.sample, first.training) == np.unravel_index(nearest.argmin(), nearest.shape)


def _kept(n: int, keep: int) -> np.ndarray:
    from ganwright.evaluate.matrix import shuffled

    return shuffled(n, 0, "memory", "held")[:keep]


def test_memorisation_of_copies_and_of_misses() -> None:
    train, held = rng.standard_normal((2, 300, 100)).astype(np.float32)
    copied = memorisation(train, held, train[:100])
    assert copied.copies == 100 and copied.closer == 1 and copied.ct < -3 and copied.p < 1e-10
    missed = memorisation(train, held, train + 9)
    assert missed.closer == 0 and missed.ct > 3 and missed.p > 0.99


def test_cells_find_copying_in_a_corner() -> None:
    centre = np.array([20.0, 0, 0])
    train = np.concatenate([rng.standard_normal((300, 3)), rng.standard_normal((100, 3)) + centre])
    held = np.concatenate([rng.standard_normal((300, 3)), rng.standard_normal((100, 3)) + centre])
    fake = np.concatenate([2 * rng.standard_normal((300, 3)), train[300:] + 1e-3])
    whole, cut = memorisation(train, held, fake), memorisation(train, held, fake, cells=2)
    assert cut.cells == 2 and cut == memorisation(train, held, fake, cells=2)
    assert cut.ct != whole.ct


def test_equal_distances_say_nothing() -> None:
    same = np.ones((20, 3))
    found = memorisation(same, same, same)
    assert (found.closer, found.ct, found.p) == (0.5, 0, 0.5)


def test_copies_and_unique_share() -> None:
    train = rng.integers(0, 255, (50, 4, 4, 1), dtype=np.uint8)
    fake = np.concatenate([train[3:5], train[3:5] ^ 1, train[3:4]])
    assert_array_equal(copies(train, fake), [True, True, False, False, True])
    assert unique_share(fake) == 4 / 5
    assert unique_share(np.array([[0.0, 1.0], [-0.0, 1.0]])) == 1 / 2
    x = np.repeat(rng.standard_normal((40, 100)), 3, 0).astype(np.float32)
    noisy = x + 1e-5 * rng.standard_normal(x.shape).astype(np.float32)
    assert unique_share(noisy) == 1
    assert unique_share(noisy, within_distance=0.01) == 1 / 3
    assert unique_share(x) == 1 / 3
    with pytest.raises(DataError, match="training is uint8, samples are float64"):
        copies(train, fake.astype(float))
    with pytest.raises(OptionError, match="within_distance must be ≥ 0; got -1"):
        unique_share(fake, within_distance=-1)


def people(n: int = 400) -> Cells:
    """Rows of a small table, one in 22 of a rare kind."""
    own = np.random.default_rng(5)
    kind = np.where(np.arange(n) % 22 == 0, "rare", own.choice(["one", "other"], n))
    table = pa.table({"age": own.normal(40, 9, n), "sum": own.gamma(2, 50, n), "kind": kind})
    columns = [
        Column(name="age", kind="number", type="double"),
        Column(name="sum", kind="number", type="double"),
        Column(name="kind", kind="category", type="string"),
    ]
    return Layout.fit(table, columns, "kind").cells(table)


EVIDENCE = {
    "real": rng.standard_normal((400, 6)),
    "fake": rng.standard_normal((400, 6)),
    "training": rng.standard_normal((400, 6)),
    "held": rng.standard_normal((400, 6)),
    "probabilities": rng.dirichlet(np.ones(4), 400),
    "fake_classes": np.array([90, 110, 100, 100]),
    "real_classes": np.array([100, 100, 100, 100]),
    "asked": rng.integers(0, 4, 400),
    "pixels": rng.integers(0, 255, (400, 5, 5, 1), dtype=np.uint8),
    "training_pixels": rng.integers(0, 255, (400, 5, 5, 1), dtype=np.uint8),
    "psnr": rng.uniform(15, 35, 400),
    "ssim": rng.uniform(0, 1, 400),
    "real_rows": people(),
    "fake_rows": people(),
    "training_rows": people(),
}


def words(n: int = 400) -> CountRows:
    """Counts of 20 words, of some many."""
    own = np.random.default_rng(5)
    matrix = own.poisson(np.linspace(0.1, 3, 20), (n, 20))
    return CountRows.fit(Counts(sp.csr_matrix(matrix.astype(np.int64))))


COUNTED = dict.fromkeys(("real_rows", "fake_rows", "training_rows"), words())


def faces(seed: int, n: int = 60) -> Faces:
    directions = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return Faces(directions / np.linalg.norm(directions, axis=1, keepdims=True), 0.9, 2.0)


NAMED = {"training_rows": faces(0), "held_rows": faces(1), "fake_rows": faces(2)}


def sounds(seed: int, n: int = 400) -> Heard:
    own = np.random.default_rng(seed)
    return Heard(own.normal(-20, 5, n), own.uniform(0, 1, n), own.normal(-40, 9, (n, 32)))


def windows(seed: int, n: int = 400) -> Windows:
    values = np.random.default_rng(seed).normal(size=(n, 12, 2))
    values[::7, 3] = np.nan
    return Windows(values)


def texts(seed: int, n: int = 400) -> TextRows:
    """Sentences of a handful of 30 units."""
    own = np.random.default_rng(seed)
    lengths = own.integers(2, 9, n)
    return TextRows(own.integers(0, 30, lengths.sum()).astype(np.uint64), lengths.cumsum(), 30, 3)


def three(rows: Callable[[int], Any]) -> dict[str, Any]:
    return {"real_rows": rows(0), "fake_rows": rows(1), "training_rows": rows(2)}


# Rows of the modality that a measure belongs to; tables where several have it.
OF_KIND = {
    "counts": COUNTED,
    "audio": three(sounds),
    "series": three(windows),
    "text": three(texts),
}


def evidence_of(name: str) -> dict[str, Any]:
    """What a measure is given."""
    if MEASURES[name].identities:
        return NAMED
    own = {kind: part.MEASURES for kind, part in parts("measures").items() if kind in OF_KIND}
    kinds = [
        kind for kind, rows in own.items() if name in rows and name not in measures_of("table")
    ]
    return EVIDENCE | (OF_KIND[kinds[0]] if kinds else {})


def test_a_name_means_the_same_measure_in_every_modality() -> None:
    """`MEASURES` has all of them in one table: cards are read by name."""
    titles: dict[str, set[str]] = defaultdict(set)
    for part in parts("measures").values():
        for name, row in part.MEASURES.items():
            titles[name].add(row.title)
    assert {name: found for name, found in titles.items() if len(found) > 1} == {}


ROWS = {name: x for name, x in EVIDENCE.items() if "classes" not in name}


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure(name: str) -> None:
    row = MEASURES[name]
    evidence = evidence_of(name)
    rows = {key: x for key, x in evidence.items() if key in ROWS}
    scores = measure([name], evidence)
    assert not scores.refused
    value = scores.values[name]
    assert row.low <= value <= row.high
    assert measure([name], evidence).values[name] == value
    assert row.title and row.says.endswith(".") and len(row.says) < 90
    assert row.least(6) <= row.advised(6)
    # With the fewest rows it works, with one less it says how many it takes.
    few = {key: x[: row.least(6)] for key, x in rows.items()}
    assert name in measure([name], evidence | few).values
    if row.least(6) > 1:
        less = {key: x[: row.least(6) - 1] for key, x in rows.items()}
        assert str(row.least(6)) in measure([name], evidence | less).refused[name]
    assert measure([name], {}).refused[name] == f"needs {', '.join(row.needs)}"


@pytest.mark.parametrize(
    "name", ["fid", "kid", "precision", "recall", "density", "coverage", "vendi"]
)
def test_order_of_rows_does_not_matter(name: str) -> None:
    mixed = EVIDENCE | {side: rng.permutation(EVIDENCE[side]) for side in ("real", "fake")}
    assert measure([name], mixed).values[name] == pytest.approx(
        measure([name], EVIDENCE).values[name], rel=1e-8
    )


@pytest.mark.parametrize(
    "name", [n for n, row in MEASURES.items() if row.needs == ("real", "fake")]
)
def test_worse_fakes_score_worse(name: str) -> None:
    row = MEASURES[name]
    aim = {"lower": -math.inf, "higher": math.inf, "near 1": 1.0, "near 0.5": 0.5}[row.better]
    worse = EVIDENCE | {"fake": EVIDENCE["fake"] + 4}
    good, bad = (measure([name], e).values[name] for e in (EVIDENCE, worse))
    if math.isinf(aim):
        assert (good - bad) * aim > 0
    else:
        assert abs(good - aim) < abs(bad - aim)


def test_shared_functions_run_once_and_the_rest_is_given() -> None:
    some = {"real": EVIDENCE["real"], "fake": EVIDENCE["fake"][:4]}
    scores = measure(["precision", "recall", "kid", "auc", "ct"], some)
    assert set(scores.values) == {"precision", "recall", "kid"}
    assert scores.results["precision"] is scores.results["recall"]
    assert scores.refused == {
        "auc": "fake: needs at least 50 rows; got 4",
        "ct": "needs training, held",
    }
    with pytest.raises(UnknownName, match="Did you mean 'coverage'"):
        measure(["covrage"], some)


def test_vendi_stands_beside_the_real_score() -> None:
    assert MEASURES["vendi"].samples_only
    assert vendi(np.repeat(EVIDENCE["fake"][:20], 20, 0)) < vendi(EVIDENCE["real"])


def test_the_face_is_what_is_listed() -> None:
    face = importlib.import_module("ganwright.evaluate")
    names = {n for n, x in vars(face).items() if not n.startswith("_") and not _module(x)}
    assert names == set(face.__all__)


def _module(x: object) -> bool:
    return type(x).__name__ == "module"


def test_options_are_checked() -> None:
    a = rng.standard_normal((100, 3))
    with pytest.raises(OptionError, match="level must lie between 0 and 1; got 95"):
        wilson(1, 2, level=95)
    with pytest.raises(OptionError, match="successes must lie between 0 and 2; got 3"):
        wilson(3, 2)
    with pytest.raises(DataError, match="sample 1: needs at least 20 rows; got 5"):
        jackknife(fid, a, a[:5])
    with pytest.raises(UnknownName, match="Did you mean 'logistic'"):
        two_sample(a, a, classifier="logistik")
    with pytest.raises(DataError, match="no cell of 40 has 8 held-out examples"):
        memorisation(a, a, a, cells=40)
    with pytest.raises(DataError, match="held-out: needs at least 8 rows; got 5"):
        memorisation(a, a[:5], a)
