"""What the estimators promise beyond the checks: mixed frames, pipelines, determinism, errors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ganwright.estimators import GANImputer, GANOutlierDetector, GANSampler, TableGAN

NARROW = {"generator.width": 32, "discriminator.width": 32}
QUICK: dict[str, Any] = {"passes": 40, "random_state": 0, "settings": NARROW}
GOOD: dict[str, Any] = {"random_state": 0}


def mixed(rows: int = 250, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.2).astype(int)
    frame = pd.DataFrame(
        {
            "color": np.where(y == 1, "red", rng.choice(["green", "blue"], rows)),
            "x": y * 3 + rng.normal(0, 0.5, rows),
            "k": rng.integers(0, 6, rows),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1), y


@pytest.fixture(scope="module")
def imputer() -> GANImputer:
    return GANImputer(**QUICK).fit(mixed()[0])


@pytest.mark.filterwarnings("ignore:.*unseen in training, treated as the nearest")
def test_new_rows_are_filled(imputer: GANImputer) -> None:
    frame, _ = mixed(seed=1)
    whole = imputer.transform(frame)
    assert not whole.isna().any().any()
    assert (whole == frame)[frame.notna()].sum().sum() == frame.notna().sum().sum()
    draws = imputer.transform_draws(frame, 3)
    assert len(draws) == 3 and not draws[0].equals(draws[1])
    assert len(imputer.transform_draws(frame)) == imputer.draws


@pytest.mark.filterwarnings("ignore:.*unseen in training, treated as the nearest")
def test_frames_of_polars(imputer: GANImputer) -> None:
    frame = pl.from_pandas(mixed(seed=1)[0])
    whole = imputer.transform(frame)
    assert isinstance(whole, pl.DataFrame) and whole.schema == frame.schema
    assert not any(whole.null_count().row(0))


def test_other_columns_than_fitted(imputer: GANImputer) -> None:
    frame, _ = mixed()
    with pytest.raises(ValueError, match="feature names should match"):
        imputer.transform(frame.rename(columns={"x": "z"}))


def test_arrays_of_objects() -> None:
    array = mixed()[0].to_numpy(dtype=object)
    whole = GANImputer(**QUICK).fit_transform(array)
    assert whole.dtype == object and not pd.isna(whole).any()


@pytest.mark.filterwarnings("ignore:.*comes back nearly empty")
@pytest.mark.filterwarnings("ignore:.*missing in every row of training")
def test_a_column_that_is_all_missing_stays_so() -> None:
    array = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]] * 5)
    whole = GANImputer(**QUICK).fit_transform(array)
    assert np.isnan(whole[:, 1]).all() and not np.isnan(whole[:, 0]).any()


@pytest.mark.parametrize("rows", [2, 3, 17])
def test_few_rows_constant_columns_one_column(rows: int) -> None:
    array = np.column_stack([np.arange(rows, dtype=float), np.ones(rows)])
    holed = array.copy()
    holed[0, 0] = np.nan
    assert not np.isnan(GANImputer(**QUICK).fit_transform(holed)).any()
    assert GANImputer(**QUICK).fit_transform(array[:, 1:]).tolist() == array[:, 1:].tolist()


def test_the_same_seed_gives_the_same_and_leaves_torch_alone() -> None:
    frame, _ = mixed(60)
    torch.manual_seed(3)
    before = torch.get_rng_state().clone()
    first = TableGAN(**QUICK).fit(frame).sample(20)
    assert torch.equal(torch.get_rng_state(), before)
    pd.testing.assert_frame_equal(first, TableGAN(**QUICK).fit(frame).sample(20))
    other = TableGAN(**(QUICK | {"random_state": 1})).fit(frame).sample(20)
    assert not first.equals(other)


def test_a_table_is_sampled_under_conditions() -> None:
    frame, _ = mixed()
    model = TableGAN(**QUICK).fit(frame)
    rows = model.sample(50, where={"color": ["red", "blue"], "k": (2, 4)}, random_state=7)
    assert list(rows) == list(frame) and rows["color"].isin(["red", "blue"]).all()
    assert rows["k"].between(2, 4).all()
    array = TableGAN(**QUICK).fit(np.random.default_rng(0).normal(size=(60, 2))).sample(5)
    assert array.shape == (5, 2) and array.dtype == np.float64


def test_classes_are_balanced_in_a_mixed_frame() -> None:
    frame, y = mixed()
    more, labels = GANSampler(**GOOD).fit_resample(frame, pd.Series(y, name="rare"))
    assert labels.value_counts().nunique() == 1 and labels.name == "rare"
    pd.testing.assert_frame_equal(more.head(len(frame)), frame)
    made = more.iloc[len(frame) :]
    assert (made["color"].dropna() == "red").mean() > 0.8


def test_words_as_labels_and_numbers_as_strategy() -> None:
    frame, y = mixed()
    words = np.where(y == 1, "rare", "common")
    _, labels = GANSampler(sampling_strategy=0.5, **QUICK).fit_resample(frame, words)
    found = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    assert found == {"common": (y == 0).sum(), "rare": (y == 0).sum() // 2}


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (0.01, "would take rows away"),
        ({5: 100}, "are not classes of the data"),
        ({1: 1}, "to over-sample means at least as many"),
    ],
)
def test_strategies_that_are_none(strategy: Any, said: str) -> None:
    frame, y = mixed()
    with pytest.raises(ValueError, match=said):
        GANSampler(sampling_strategy=strategy, **QUICK).fit_resample(frame, y)


def test_in_a_pipeline_of_imbalanced_learn() -> None:
    pipeline = pytest.importorskip("imblearn.pipeline")
    frame, y = mixed()
    array = GANImputer(**QUICK).fit_transform(frame[["x", "k"]].to_numpy())
    steps = pipeline.make_pipeline(GANSampler(**GOOD), LogisticRegression())
    assert steps.fit(array, y).score(array, y) > 0.9


def test_in_a_pipeline_of_scikit_learn() -> None:
    frame, y = mixed()
    steps = make_pipeline(GANImputer(**QUICK), LogisticRegression())
    assert steps.fit(frame[["x", "k"]], y).score(frame[["x", "k"]], y) > 0.9


def test_odd_rows_are_found_and_explained() -> None:
    frame, _ = mixed(400)
    detector = GANOutlierDetector(**GOOD).fit(frame)
    assert detector.calibrated_by_ == "held-out rows"
    odd = pd.DataFrame({"color": ["red", "violet"], "x": [40.0, 0.0], "k": [1, 2]})
    assert detector.predict(odd).tolist() == [-1, -1]
    assert (detector.p_values(odd) < 0.05).all()
    columns = detector.odd_columns(odd)
    assert columns[0][0] == "x" and columns[1][0] == "color"
    assert detector.contributions(odd).shape == (2, 3)
    assert detector.predict(frame).mean() > 0.8


def test_contamination_says_how_many() -> None:
    frame, _ = mixed(400)
    detector = GANOutlierDetector(contamination=0.1, **QUICK).fit(frame)
    assert abs((detector.predict(frame) == -1).mean() - 0.1) < 0.02


@pytest.mark.filterwarnings("ignore:.*unseen in training, treated as the nearest")
def test_copies_and_pickles_work(imputer: GANImputer) -> None:
    frame, _ = mixed(seed=1)
    expected = imputer.transform(frame)
    for twin in (copy.deepcopy(imputer), pickle.loads(pickle.dumps(imputer))):
        pd.testing.assert_frame_equal(twin.transform(frame), expected)


def test_nothing_is_left_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    GANImputer(**QUICK).fit_transform(mixed(40)[0])
    assert list(tmp_path.iterdir()) == []


def test_the_room_is_light_until_an_estimator_is_used() -> None:
    code = "import ganwright.estimators as e; dir(e); import sys; assert 'torch' not in sys.modules"
    code += (
        "; assert 'sklearn' not in sys.modules; e.GANImputer(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
