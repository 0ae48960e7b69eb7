"""The five tables of the benchmark: where they are, what each column is, and the one split.

No more than numpy and pandas, since the peers' own environment reads it too (benchmarks/peers/).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "tables"


@dataclass(frozen=True)
class Source:
    """A table, its column to predict, and the columns that are categories."""

    name: str
    target: str
    categories: tuple[str, ...]  # the target among them, where it is a class
    dropped: tuple[str, ...] = ()  # identifiers

    @property
    def regression(self) -> bool:
        return self.target not in self.categories

    def numbers(self, frame: pd.DataFrame) -> list[str]:
        """The columns that are no categories."""
        return [str(name) for name in frame.columns if name not in self.categories]


def _source(name: str, target: str, categories: str, dropped: str = "") -> Source:
    return Source(name, target, tuple(categories.split()), tuple(dropped.split()))


SOURCES = {
    source.name: source
    for source in (
        _source(
            "adult", "income",
            "workclass education marital-status occupation relationship race sex native-country income",
        ),
        _source("insurance", "charges", "sex smoker region"),
        _source("covertype_10k", "Cover_Type", "Wilderness_Area Soil_Type Cover_Type"),
        _source(
            "credit_default", "default.payment.next.month",
            "SEX EDUCATION MARRIAGE PAY_0 PAY_2 PAY_3 PAY_4 PAY_5 PAY_6 default.payment.next.month",
            dropped="ID",
        ),
        _source(
            "bank_marketing", "y",
            "job marital education default housing loan contact month poutcome y",
        ),
    )
}  # fmt: skip


def read(name: str, folder: Path = DATA) -> pd.DataFrame:
    """The whole table without its identifiers; words such as "NA" and "?" are values like others."""
    source = SOURCES[name]
    frame = pd.read_csv(
        folder / f"{name}.csv.gz", skipinitialspace=True, keep_default_na=False, na_values=[""]
    )
    return frame.drop(columns=list(source.dropped))


def split(frame: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three quarters to train and a quarter to test, by one shuffle; both in the table's order."""
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = len(frame) * 3 // 4
    train, test = np.sort(order[:cut]), np.sort(order[cut:])
    return frame.iloc[train].reset_index(drop=True), frame.iloc[test].reset_index(drop=True)
