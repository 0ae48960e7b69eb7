"""What all estimators share: X as a frame of named columns and back, or as images; fitting in memory."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from ganwright.estimators.pictures import opened

if TYPE_CHECKING:
    from ganwright.data import Dataset
    from ganwright.modalities.images.read.source import ImageSource
    from ganwright.modalities.tables.dataset import TableDataset
    from ganwright.model import Model

HELD = 0.1  # share of rows to stop by
LEAST_ROWS = 200  # below, all rows train
CONSTRAINTS = {
    "passes": [Interval(Real, 0, None, closed="neither"), None],
    "minutes": [Interval(Real, 0, None, closed="neither"), None],
    "kinds": [Mapping, None],
    "settings": [Mapping, None],
    "device": [str],
    "random_state": ["random_state"],
    "progress": ["boolean", None],
}


class DataNote(UserWarning):
    """Something noticed in the data, and how it is handled."""


def warn(notes: Iterable[str]) -> None:
    """Issues what the command line would print as warnings at the caller's line."""
    for note in notes:
        warnings.warn(note.removeprefix("warning: "), DataNote, stacklevel=4)


def is_frame(X: Any) -> bool:
    """Whether X has columns with types of their own."""
    from ganwright.base.frames import is_frame

    return is_frame(X)


class RowEstimator(BaseEstimator):
    """Common parameters, and X as a frame.

    `passes` over the rows, or `minutes`, bound the training (None: by their number); `kinds` overrides
    the detected kinds of columns (``{"zip": "category"}``); `settings` are options of the recipe by
    dotted path (``{"generator.width": 128}``); `device` is auto, cpu, cuda or mps. The same
    `random_state` gives the same model on a CPU, unless `minutes` end the training. `progress` shows
    progress: None in a terminal or a notebook, True anywhere, False nowhere. What the command line
    would note about the data is a warning, and in `notes_`. Of images `kinds` says nothing.
    """

    passes: float | None
    minutes: float | None
    kinds: Mapping[str, str] | None
    settings: Mapping[str, Any] | None
    device: str
    random_state: Any
    progress: bool | None
    notes_: tuple[str, ...]
    _labels: list[Any]
    _names: list[str]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _frame(self, X: Any, *, reset: bool) -> Any:
        """X as a frame whose columns have the names they were fitted with; its rows as they are.

        Raises ValueError for anything but a table, and for columns other than the fitted ones.
        """
        if is_frame(X):
            X = collected(X)
            _check_different(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < 1 + reset:
                raise ValueError(
                    f"Found array with {len(X)} sample(s) while a minimum of {1 + reset} is required."
                )
            return self._named(X, reset=reset)
        array = validate_data(
            self,
            X,
            reset=reset,
            dtype=None,
            ensure_all_finite=False,  # NaN is missing, ±inf are values of their own
            ensure_min_samples=1 + reset,
        )
        return self._named(frame_of(array).add_prefix("x"), reset=reset)

    def _named(self, frame: Any, *, reset: bool) -> Any:
        """The frame with the names that are learned: its own, as text, or x0, x1 … of an array."""
        from ganwright.modalities.tables.read.typed import table_of

        if reset:
            self._labels = own_names(frame)
            self._names = [str(name) for name in self._labels]
            if len(set(self._names)) < len(self._names):  # 1 and "1"
                self._names = [f"x{i}" for i in range(len(self._names))]
        if isinstance(frame, pd.DataFrame):
            frame = frame.copy(deep=False)
            frame.columns = pd.Index(self._names, dtype=object)
            return frame
        table = table_of(frame, [], ())
        return table.rename_columns(self._names)

    def _by_learned(self, said: Mapping[Any, Any]) -> dict[str, Any]:
        """What is said of columns by their own labels, by the names that are learned."""
        names = dict(zip(self._labels, self._names, strict=True))
        return {names.get(label, str(label)): value for label, value in said.items()}

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _open(
        self,
        X: Any,
        frame: Any,
        more_kinds: Mapping[str, str] | None = None,
        *,
        held: float | None = None,
        whole: bool = True,
    ) -> TableDataset:
        """The rows to fit on; of a plain array of numbers all columns are numbers."""
        from ganwright.base.options import build
        from ganwright.data import DataOptions
        from ganwright.modalities.tables.dataset import frame_dataset

        if held is None:
            held = HELD if len(frame) >= LEAST_ROWS else 0.0
        kinds = {**self._by_learned(self.kinds or {}), **(more_kinds or {})}
        if not is_frame(X):
            for name in frame.columns:
                if frame[name].dtype.kind in "fiu":
                    kinds.setdefault(name, "number")
        words = [f"{name}={kind}" for name, kind in kinds.items()]
        options = build(DataOptions, {"holdout": held, "table": {"kinds": words}}, owner="kinds")
        data = frame_dataset(frame, options, whole=whole)
        self.notes_ = data.notes
        warn(self.notes_)
        return data

    def _open_pictures(self, X: Any, labels: Any = None) -> tuple[ImageSource, Dataset]:
        """The images to fit on, and their data set."""
        source, data = opened(X, labels)
        self.notes_ = data.notes
        return source, data

    def _train(self, data: Dataset, seed: int, **more: Any) -> Model:
        """`more` as `train_in_memory` takes it."""
        from ganwright.train.in_memory import train_in_memory
        from ganwright.train.plan import pick_device

        own: dict[str, Any] = {"passes": self.passes, "minutes": self.minutes} | more
        return train_in_memory(
            data,
            seed=seed,
            device=pick_device(self.device),
            settings=dict(self.settings or {}),
            progress=self.progress,
            **own,
        )


def collected(X: Any) -> Any:
    """X itself; a lazy polars frame is collected."""
    return X.collect() if type(X).__name__ == "LazyFrame" else X


def own_names(frame: Any) -> list[Any]:
    """The names of a frame's columns, as they are: text, numbers, tuples."""
    names = frame.column_names if type(frame).__module__.startswith("pyarrow") else frame.columns
    return list(names)


def _check_different(frame: Any) -> None:
    twice = [name for name, count in Counter(own_names(frame)).items() if count > 1]
    if twice:
        raise ValueError(f"columns need different names: {twice[0]!r} occurs more than once")


def frame_of(array: np.ndarray) -> pd.DataFrame:
    """An array (n, d) as a frame; of objects each column gets the type of its values."""
    frame = pd.DataFrame(array)
    return frame.infer_objects() if array.dtype.kind == "O" else frame
