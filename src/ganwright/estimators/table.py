"""TableGAN: more rows of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sklearn.utils.validation import check_is_fitted

from ganwright.estimators.base import CONSTRAINTS, RowEstimator, is_frame


class TableGAN(RowEstimator):
    """Learns a table and generates more rows, under conditions on any columns at once.

    Missing values are learned, too, and occur as often in samples. See `RowEstimator` for the
    parameters.

    >>> from ganwright.estimators import TableGAN
    >>> model = TableGAN(random_state=0).fit(frame)                 # doctest: +SKIP
    >>> model.sample(100, where={"age": (40, 60), "sex": "Female"}) # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {**CONSTRAINTS}

    def __init__(
        self,
        *,
        passes: float | None = None,
        minutes: float | None = None,
        kinds: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.passes = passes
        self.minutes = minutes
        self.kinds = kinds
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> TableGAN:
        """Learns from X (n, d), a frame or an array."""
        self._validate_params()
        frame = self._frame(X, reset=True)
        data = self._open(X, frame)
        self.seed_ = self._seed()
        self.model_ = self._train(data, self.seed_)
        self._array = None if is_frame(X) else frame.to_numpy().dtype
        self._room = type(X).__module__.partition(".")[0]
        self._columns = X.columns if self._room == "pandas" else None
        if self._room == "polars":
            self._types = dict(X.lazy().collect_schema())
        elif self._room == "pyarrow":
            self._types = X.schema.remove_metadata()
        return self

    def sample(
        self,
        n: int = 1,
        *,
        where: str | Mapping[str, Any] | None = None,
        random_state: int | None = None,
    ) -> Any:
        """`n` new rows that fulfil `where` (``"age=40..60, sex=Female"`` or a mapping).

        A frame as the kind of frame that was fitted, with its columns, an array as an array. Row i
        depends on `random_state` (an int; None: that of the fit) and i alone. Raises OptionError for
        a condition that can't be met.
        """
        check_is_fitted(self)
        seed = self.seed_ if random_state is None else int(random_state)
        where = self._by_learned(where) if isinstance(where, Mapping) else where
        if self._room in ("polars", "pyarrow"):
            return self._other_frame(n, seed, where)
        frame = self.model_.sample(n, seed=seed, where=where)
        if self._array is not None:
            return frame.to_numpy().astype(self._array)
        frame.columns = self._columns
        return frame

    def _other_frame(self, n: int, seed: int, where: Any) -> Any:
        """Rows as a frame of polars or pyarrow, with the types that were fitted."""
        blocks = self.model_.stream(n, seed=seed, where=where)
        like = "arrow" if self._room == "pyarrow" else "polars"
        codec: Any = self.model_.codec
        return codec.join((block.examples for block in blocks), like).cast(self._types)
