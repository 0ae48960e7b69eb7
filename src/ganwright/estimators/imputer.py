"""GANImputer: fills missing values from each row's known values."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ganwright.estimators.base import (
    CONSTRAINTS,
    RowEstimator,
    collected,
    is_frame,
    own_names,
    warn,
)

if TYPE_CHECKING:
    from ganwright.uses.fill import Filling


class GANImputer(OneToOneFeatureMixin, TransformerMixin, RowEstimator):
    """Learns how columns depend on each other and fills missing values, in training rows or new ones.

    Numbers, categories, dates: every column of a frame is filled in its own type, and known values are
    never changed. ``how="mean"`` gives the best guess (of numbers the mean given what is known of the
    row, of categories the most probable), ``how="draw"`` a draw. `draws` is how many completed tables
    `transform_draws` gives, each drawn independently: their spread shows how uncertain the values are.
    A column that was missing in every fitted row stays missing. See `RowEstimator` for the other
    parameters.

    >>> from ganwright.estimators import GANImputer
    >>> GANImputer(random_state=0).fit_transform([[1.0, 2.0], [3.0, float("nan")], [1.0, 2.0]])
    ... # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "how": [StrOptions({"mean", "draw"})],
        "draws": [Interval(Integral, 1, None, closed="left")],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        how: str = "mean",
        draws: int = 5,
        passes: float | None = None,
        minutes: float | None = None,
        kinds: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.how = how
        self.draws = draws
        self.passes = passes
        self.minutes = minutes
        self.kinds = kinds
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> GANImputer:
        """Learns from X (n, d), a frame or an array, with missing values in it or not."""
        self._validate_params()
        frame = self._frame(X, reset=True)
        data = self._open(X, frame)
        self.seed_ = self._seed()
        self.model_ = self._train(data, self.seed_)
        return self

    def transform(self, X: Any) -> Any:
        """X with its missing values filled: a frame as a frame, an array as an array."""
        return self._filled(X, how=self.how, draws=None)[0]

    def transform_draws(self, X: Any, m: int | None = None) -> list[Any]:
        """`m` completed tables (default: `draws`), as multiple imputation wants them."""
        return self._filled(X, how="draw", draws=self.draws if m is None else m)

    def _filled(self, X: Any, *, how: Any, draws: int | None) -> list[Any]:
        from ganwright.modalities.tables.given import codec_of, rows_of
        from ganwright.modalities.tables.patch import patched
        from ganwright.modalities.tables.read.unread import Unread
        from ganwright.uses.fill import find

        check_is_fitted(self)
        X = collected(X)
        frame = self._frame(X, reset=False)
        unread = Unread()
        table = rows_of(codec_of(self.model_, "GANImputer"), frame, "X", unread)
        plain = not is_frame(X)
        exact = plain and how == "mean"
        filling = find(
            self.model_,
            table,
            how=how,
            draws=draws,
            seed=self.seed_,
            exact=exact,
            unread=unread,
        )
        warn(filling.notes)
        if plain:
            return [_patched_array(frame.to_numpy(), filling, i) for i in range(len(filling.draws))]
        return [patched(X, *self._by_name(X, filling, i)) for i in range(len(filling.draws))]

    def _by_name(
        self, X: Any, filling: Filling, draw: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rows and values by the names that X itself has."""
        own = dict(zip(self._names, map(str, own_names(X)), strict=True))
        rows = {own[name]: at for name, at in filling.rows.items()}
        return rows, {own[name]: new for name, new in filling.draws[draw].items()}


def _patched_array(array: np.ndarray, filling: Filling, draw: int) -> np.ndarray:
    array = array.copy()
    for name, rows in filling.rows.items():
        values = filling.draws[draw][name].to_numpy(zero_copy_only=False)
        array[rows, int(name.removeprefix("x"))] = values
    return array
