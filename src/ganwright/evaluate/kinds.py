"""What judging must know of a kind of data: a new kind is a row in `KINDS`.

Everything else of the protocol (who plays the fakes, floors, intervals, memorisation) is one for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganwright.base.names import Names
from ganwright.data import Dataset
from ganwright.evaluate.features import Extractor
from ganwright.evaluate.plain import Plain
from ganwright.modalities.counts import judged as counts
from ganwright.modalities.images import judge as pictures
from ganwright.modalities.tables.judge import judged as tables

Maker = Callable[[Dataset, Extractor, int, int], Iterator[Any]]
Source = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data.

    `simplest` makes n examples by the simplest model there is, from the training part and a seed;
    `others` are further references that stand beside it. `plain` reads samples that are given as
    files in the data's own form, `fits` raises DataError when a model's codec makes other things than
    the data holds.
    """

    simplest: Maker
    plain: Callable[[Source, Dataset], Plain]
    fits: Callable[[str, Any, Dataset], None]
    others: Mapping[str, Maker] = field(default_factory=dict)


KINDS: Names[Kind] = Names(
    "kind of data",
    {
        "image": Kind(
            simplest=pictures.gaussian,
            plain=pictures.plain,
            fits=pictures.fits,
        ),
        "table": Kind(
            simplest=tables.independent_rows,
            plain=tables.plain,
            fits=tables.fits,
            others={"smote": tables.smote_rows},
        ),
        "counts": Kind(
            simplest=counts.independent_words,
            plain=counts.plain,
            fits=counts.fits,
        ),
    },
)
