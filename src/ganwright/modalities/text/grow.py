"""Growing a set of texts: new ones below those that there are, and what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganwright.base import seeds
from ganwright.base.errors import OptionError, message
from ganwright.data.writers import format_for
from ganwright.modalities.text.given import texts_of
from ganwright.modalities.text.writers import LABEL, TEXT
from ganwright.model import Model

THINGS = "texts"


def default_out(data: Path) -> Path:
    """A .csv here."""
    return Path(f"{data.name.partition('.')[0]}-augmented.csv")


def growth(model: Model, data: Any, out: Path | None) -> Growth:
    """A file or list of texts to be grown. Raises OptionError, DataError."""
    if out is not None and format_for(model.codec, out) == "txt":
        raise OptionError("out: a .txt can't tell new texts from old ones; name a .csv or .parquet")
    return Growth(model, data)


class Growth:
    """Texts with or without classes, and new ones."""

    dropped: Mapping[str, Mapping[str, int]] = {}

    def __init__(self, model: Model, data: Any) -> None:
        given = texts_of(model, data)
        self.model, self.n, self.notes = model, len(given.texts), given.notes
        self.texts, self.classes = list(given.texts), list(given.classes)

    def counts(self, balance: str | None) -> list[tuple[str, int]]:
        """The classes by name, or one without a name. Raises OptionError."""
        classes = self.model.spec.classes
        if balance is not None and balance != LABEL:
            problem = f"texts have no column '{balance}'"
            raise OptionError(message("balance", problem, allowed=[LABEL], got=balance))
        if balance is not None and not classes:
            raise OptionError("balance: the model was trained without classes")
        counted = Counter(self.classes)
        if not classes or set(counted) == {""}:
            return [("", self.n)]
        for name in counted:
            if name not in classes:
                problem = f"the model knows no class '{name}'"
                raise OptionError(message("balance", problem, allowed=classes, got=name))
        return [(name, counted[name]) for name in classes if counted[name]]

    def make(self, wanted: Sequence[tuple[str, int]], seed: int) -> dict[str, int]:
        """The new texts."""
        for name, count in wanted:
            own = seeds.derive(seed, "augment", name)
            self.texts += self.model.sample(count, seed=own, label=name or None)
            self.classes += [name] * count
        return dict(wanted)

    def joined(self, mark: str) -> Any:
        """A DataFrame: text, label where there are classes, and `mark`."""
        import pandas as pd

        if mark in (TEXT, LABEL):
            raise OptionError(f"mark: there is a column '{mark}' already; choose another")
        columns: dict[str, Any] = {TEXT: self.texts}
        if any(self.classes):
            columns[LABEL] = self.classes
        return pd.DataFrame(columns | {mark: np.arange(len(self.texts)) >= self.n})

    def write(self, out: Path, mark: str) -> None:
        """The same as .csv or .parquet, whole or not at all."""
        from ganwright.base.runs import replacing

        frame = self.joined(mark)
        with replacing(out) as aside:
            if format_for(self.model.codec, out) == "parquet":
                frame.to_parquet(aside, index=False)
            else:
                frame.to_csv(aside, index=False, sep="\t" if out.suffix == ".tsv" else ",")
