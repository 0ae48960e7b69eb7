"""GANSampler: more rows or images of the rare classes, in the interface of imbalanced-learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.preprocessing import label_binarize
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from ganwright.base.errors import WorkError
from ganwright.estimators.base import CONSTRAINTS, RowEstimator, collected, is_frame, own_names
from ganwright.estimators.pictures import are_pictures, grown, training

try:  # its pipelines and checks recognise samplers by their base class
    from imblearn.over_sampling.base import BaseOverSampler as _Sampler
except ImportError:

    class _Sampler:  # type: ignore[no-redef]
        """Stands in where imbalanced-learn is not installed."""


STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")
_TARGET = "target"


class GANSampler(RowEstimator, _Sampler):
    """Makes more rows of the rare classes, each conditioned on its class.

    `sampling_strategy` as in imbalanced-learn: "auto" ("not majority") brings every class to the
    largest, "minority" the smallest only; a mapping gives the rows that each class is to have; a number
    in (0, 1], for two classes, the share of the majority that the minority is to reach; a function
    makes the mapping from y. X may be images, too: an array n×H×W or n×H×W×C, or a list of Pillow's
    images; those that `ganwright augment` would drop are not added, and WorkError says where too many
    are. New rows are appended. Frames of mixed types, missing values and
    categories work as they are. See `RowEstimator` for the other parameters.

    >>> from ganwright.estimators import GANSampler
    >>> X2, y2 = GANSampler(random_state=0).fit_resample(X, y)      # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "sampling_strategy": [
            Interval(Real, 0, 1, closed="right"),
            StrOptions(set(STRATEGIES)),
            Mapping,
            callable,
        ],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        sampling_strategy: str | float | Mapping[Any, int] | Callable[[Any], Any] = "auto",
        passes: float | None = None,
        minutes: float | None = None,
        kinds: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.passes = passes
        self.minutes = minutes
        self.kinds = kinds
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any, **params: Any) -> GANSampler:
        """Checks X and y and finds `sampling_strategy_`; `fit_resample` does the work."""
        self._validate_params()
        if not are_pictures(X):
            self._frame(X, reset=True)
        self.sampling_strategy_ = wanted(self.sampling_strategy, flat_target(y))
        return self

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """X and y with new rows, or images, below them, in their own kinds: frames, series, arrays, lists."""
        self._validate_params()
        labels = flat_target(y)
        other = type(y).__module__.startswith(("polars", "pyarrow"))
        check_classification_targets(labels if other else y)
        pictures = are_pictures(X)
        frame = X if pictures else self._frame(X, reset=True)
        if len(frame) != len(labels):
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"{[len(frame), len(labels)]}"
            )
        self.sampling_strategy_ = wanted(self.sampling_strategy, labels)
        if pictures:
            whole, new = self._resample_pictures(X, labels)
            return whole, _labels(y, labels, new)
        made, new = self._fit_resample(X, labels, frame)
        return _stacked(X, frame, made), _labels(y, labels, new)

    def _fit_resample(
        self, X: Any, labels: np.ndarray, frame: Any
    ) -> tuple[list[pd.DataFrame], np.ndarray]:
        """The new rows of each class, and their labels."""
        from ganwright.base import seeds

        made: list[pd.DataFrame] = []
        new = [labels[:0]]
        if not any(self.sampling_strategy_.values()):
            return made, labels[:0]
        seed, classes = self._seed(), np.unique(labels)
        target = _free_name(self._names)
        whole = _with(frame, target, [f"class {i}" for i in np.searchsorted(classes, labels)])
        model = self._train(self._open(X, whole, {target: "category"}), seed)
        for at, label in enumerate(classes.tolist()):
            count = self.sampling_strategy_.get(label, 0)
            if count:
                where = {target: [f"class {at}"]}
                rows = model.sample(count, seed=seeds.derive(seed, "resample", at), where=where)
                made.append(rows.drop(columns=target))
                new.append(np.repeat(classes[at : at + 1], count))
        return made, np.concatenate(new)

    def _resample_pictures(self, X: Any, labels: np.ndarray) -> tuple[Any, np.ndarray]:
        """X with new images behind it, and their labels."""
        from ganwright.evaluate.scorer import scoring
        from ganwright.modalities.images.read.memory import stacked

        classes, places = np.unique(labels, return_inverse=True)
        asked = [(at, self.sampling_strategy_.get(c, 0)) for at, c in enumerate(classes.tolist())]
        asked = [(at, count) for at, count in asked if count]
        if not asked:
            return X, labels[:0]
        # Numbers of one width: their order as text is that of the classes.
        source, data = self._open_pictures(X, [f"class {i:06d}" for i in places])
        more, seed = training(data, self.passes, self.minutes), self._seed()
        model = self._train(data, seed, scorer=scoring(data, "pixels"), **more)
        names = [(data.spec.classes[at], count) for at, count in asked]
        try:
            made = grown(model, source, data, names, seed).new
        except WorkError as error:  # of a class by the name that it has here
            told = str(error)
            for at, label in enumerate(classes.tolist()):
                told = told.replace(f"class {at:06d}", f"{label}")
            raise WorkError(told) from None
        new = np.concatenate([made[name] for name, _ in names])
        return stacked(X, new), np.concatenate([np.repeat(classes[at], n) for at, n in asked])


def flat_target(y: Any) -> np.ndarray:
    """Labels (n,): a column is flattened, one-against-all columns are read. Raises ValueError."""
    if y is None:  # scikit-learn's own wording
        raise ValueError("GANSampler requires y to be passed, but the target y is None")
    array = _array(y)
    if holes := int(np.sum(pd.isna(array))):
        labels = "label" if holes == 1 else "labels"
        raise ValueError(f"y has {holes:,} missing {labels}; every row needs one")
    if type_of_target(array) == "multilabel-indicator":
        if (array.sum(axis=1) > 1).any():
            raise ValueError("Multilabel and multioutput targets are not supported.")
        return np.asarray(array.argmax(axis=1))
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError("Multilabel and multioutput targets are not supported.")
    return np.asarray(column_or_1d(array))


def _array(y: Any) -> np.ndarray:
    if type(y).__module__.startswith("pyarrow"):
        y = y.to_pandas()
    return np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)


def wanted(strategy: Any, labels: np.ndarray) -> dict[Any, int]:
    """How many rows to make of each class, as imbalanced-learn reads a strategy for over-sampling."""
    counts = Counter(labels.tolist())
    if len(counts) < 2:
        raise ValueError(
            f"The target 'y' needs to have more than 1 class. Got {len(counts)} class instead"
        )
    strategy = strategy(labels) if callable(strategy) else strategy
    if isinstance(strategy, Mapping):
        return _by_mapping(strategy, counts)
    most = max(counts.values())
    largest = max(counts, key=lambda label: counts[label])
    smallest = min(counts, key=lambda label: counts[label])
    if isinstance(strategy, str):
        chosen = {
            "auto": [label for label in counts if label != largest],
            "not majority": [label for label in counts if label != largest],
            "not minority": [label for label in counts if label != smallest],
            "minority": [smallest],
            "all": list(counts),
        }[strategy]
        return {label: most - counts[label] for label in chosen}
    if len(counts) > 2:
        raise ValueError("A number as sampling_strategy is for two classes; give a mapping instead")
    more = int(most * strategy) - counts[smallest]
    if more <= 0:
        raise ValueError(
            f"sampling_strategy={strategy:g} would remove rows: class {smallest!r} has "
            f"{counts[smallest] / most:.3g} of the largest already"
        )
    return {smallest: more}


def _by_mapping(strategy: Mapping[Any, Any], counts: Mapping[Any, int]) -> dict[Any, int]:
    absent = [label for label in strategy if label not in counts]
    if absent:
        raise ValueError(f"sampling_strategy: {absent} are not classes of the data: {list(counts)}")
    for label, count in strategy.items():
        if not isinstance(count, Integral) or count < counts[label]:
            raise ValueError(
                f"sampling_strategy: class {label!r} has {counts[label]} rows already, and "
                f"over-sampling needs at least as many; got {count!r}"
            )
    return {label: int(count) - counts[label] for label, count in strategy.items()}


def _free_name(names: list[str]) -> str:
    name = _TARGET
    while name in names:
        name += "_"
    return name


def _with(frame: Any, name: str, values: list[str]) -> Any:
    if isinstance(frame, pd.DataFrame):
        return frame.reset_index(drop=True).assign(**{name: values})
    return frame.append_column(name, [values])


def _stacked(X: Any, frame: Any, made: list[pd.DataFrame]) -> Any:
    """X with rows below it, as X is."""
    if isinstance(X, pd.DataFrame):
        parts = []
        for rows in made:
            rows = rows.set_axis(X.columns, axis=1)
            parts.append(rows.astype({n: k for n, k in X.dtypes.items() if _fits(rows[n], k)}))
        return pd.concat([X, *parts], ignore_index=True)
    if is_frame(X):
        import pyarrow as pa

        new = [pa.Table.from_pandas(r, preserve_index=False).cast(frame.schema) for r in made]
        whole = pa.concat_tables([frame, *new])
        if type(X).__module__.startswith("pyarrow"):
            return whole
        import polars as pl

        table: Any = pl.from_arrow(whole)
        return table.cast(dict(X.lazy().collect().schema))
    array = frame.to_numpy()
    kind = np.asarray(X).dtype
    whole = np.concatenate([array.astype(kind), *(rows.to_numpy().astype(kind) for rows in made)])
    return whole.tolist() if isinstance(X, list) else whole


def _fits(column: pd.Series, kind: Any) -> bool:
    return not (getattr(kind, "kind", "O") in "iub" and column.hasnans)


def _labels(y: Any, labels: np.ndarray, new: np.ndarray) -> Any:
    """y with the labels of the new rows below it, as y is."""
    whole = np.concatenate([labels, new])
    if isinstance(y, list | tuple):
        return type(y)(whole.tolist())
    room = type(y).__module__.partition(".")[0]
    if room in ("polars", "pyarrow"):
        return _other_labels(y, whole.tolist(), room)
    given = np.asarray(y)
    if given.ndim == 2 and given.shape[1] > 1:
        return label_binarize(whole, classes=np.unique(labels)).astype(given.dtype)
    if isinstance(y, pd.Series):
        return pd.Series(whole, name=y.name).astype(y.dtype)
    if isinstance(y, pd.DataFrame):
        return pd.DataFrame(whole, columns=y.columns).astype(dict(y.dtypes))
    if isinstance(y, pd.Index):
        return pd.Index(whole, name=y.name).astype(y.dtype)
    if room == "pandas":  # an array with a type of its own
        return pd.array(whole, dtype=y.dtype)
    return whole.astype(given.dtype)


def _other_labels(y: Any, whole: list[Any], room: str) -> Any:
    """Labels as a series or a column of polars, or an array or a column of pyarrow."""
    import pyarrow as pa

    if is_frame(y):
        y = collected(y)
        (name,) = own_names(y)
        column = _other_labels(y[name], whole, room)
        return column.to_frame() if room == "polars" else pa.table({name: column})
    if room == "polars":
        import polars as pl

        return pl.Series(y.name, whole).cast(y.dtype)
    array = pa.array(whole, y.type.value_type if pa.types.is_dictionary(y.type) else y.type)
    array = array.dictionary_encode().cast(y.type) if array.type != y.type else array
    return pa.chunked_array([array]) if isinstance(y, pa.ChunkedArray) else array
