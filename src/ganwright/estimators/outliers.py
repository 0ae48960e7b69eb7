"""GANOutlierDetector: finds unusual rows, or images."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ganwright.estimators.base import CONSTRAINTS, LEAST_ROWS, RowEstimator, warn
from ganwright.estimators.pictures import are_pictures, training

_HELD = 0.2  # half of it to stop by, half to calibrate on
_RARE = 0.01  # of normal rows may be called outliers where contamination is "auto"


class GANOutlierDetector(OutlierMixin, RowEstimator):
    """Learns what normal rows look like and scores others, with p-values and the columns responsible.

    X may be images, too: an array n×H×W or n×H×W×C, or a list of Pillow's images. `heatmaps` shows where
    each is odd. A fifth is held out, to compare with; at least 20 images are needed there. New images
    are brought to the size of the fitted ones.

    `score_samples` is higher for normal rows, as in scikit-learn; `p_values` are the share of held-out
    normal rows that are at least as odd (of fewer than 200 rows none are held out, and `calibrated_by_`
    says so); `contributions` and `odd_columns` name the columns. With `contamination`, that share of
    the training rows are outliers to `predict`; "auto" calls those so that are odder than all but 1 %
    of normal rows. Among images it is that share of those held out. A category that was never seen
    gets the highest cost. See `RowEstimator` for the other parameters.

    >>> from ganwright.estimators import GANOutlierDetector
    >>> GANOutlierDetector(random_state=0).fit(frame).p_values(more)    # doctest: +SKIP
    """

    detector_: Any  # of rows, or of images

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        **CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        contamination: str | float = "auto",
        passes: float | None = None,
        minutes: float | None = None,
        kinds: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.contamination = contamination
        self.passes = passes
        self.minutes = minutes
        self.kinds = kinds
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> GANOutlierDetector:
        """Learns from X (n, d), a frame or an array, mostly of normal rows; or from images."""
        from ganwright.modalities.tables.detect import USUAL_ROWS, Detector

        self._validate_params()
        self._pictures = are_pictures(X)
        if self._pictures:
            return self._fit_pictures(X)
        frame = self._frame(X, reset=True)
        held = _HELD if len(frame) >= LEAST_ROWS else 0.0
        data = self._open(X, frame, held=held, whole=False)
        stop_by, normal = data.heldout_halves
        model = self._train(data, self._seed(), stop_by=stop_by)
        usual = data.examples(data.train[:USUAL_ROWS])
        self.calibrated_by_ = "held-out rows" if len(normal) else "training rows"
        normal = normal if len(normal) else data.train[:USUAL_ROWS]
        self.detector_ = Detector.build(model, usual, data.examples(normal), self.calibrated_by_)
        self.model_ = model
        if self.contamination == "auto":
            self.offset_ = -float(np.quantile(self.detector_.normal, 1 - _RARE, method="higher"))
        else:
            scores = -self.detector_.look(data.table).score
            self.offset_ = float(np.percentile(scores, 100 * float(self.contamination)))
        return self

    def _fit_pictures(self, X: Any) -> GANOutlierDetector:
        from ganwright.modalities.images.detect import LEAST_NORMAL, built

        _, data = self._open_pictures(X)
        if len(data.heldout) < LEAST_NORMAL:
            raise ValueError(
                f"Of {len(data)} images {len(data.heldout)} are held out; p-values need {LEAST_NORMAL}"
            )
        more = training(data, self.passes, self.minutes)
        self.model_ = self._train(data, self._seed(), **more)
        self.calibrated_by_ = "held-out images"
        found = built(self.model_, data)
        self.detector_ = found.calibrated(data.examples(data.heldout), self.calibrated_by_)
        share = _RARE if self.contamination == "auto" else float(self.contamination)
        self.offset_ = -float(np.quantile(self.detector_.normal, 1 - share, method="higher"))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """The negated oddness of rows (n,): about −1 for normal ones, lower for unusual ones."""
        return -self._look(X).score

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus the threshold, (n,): outliers are below 0."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """1 for normal rows, −1 for outliers; (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """The share of normal rows that are at least as odd, (n,): small for outliers."""
        from ganwright.evaluate.conformal import p_values

        scores = self._look(X).score
        return p_values(self.detector_.normal, scores)

    def heatmaps(self, X: Any) -> np.ndarray:
        """Where each image is odd, (n, H, W) uint8: above 127 lies a pixel in a thousand of normal ones."""
        check_is_fitted(self, "offset_")
        self._only(pictures=True)
        images = self._images(X)
        found: np.ndarray = self.detector_.heat(images, self.detector_.look(images).nearest)
        return found

    def contributions(self, X: Any) -> np.ndarray:
        """How odd each cell is, (n, d): 1 is usual; 0 in columns that are not learned."""
        check_is_fitted(self, "offset_")
        self._only(pictures=False)
        cells = self._look(X).cells
        found = np.zeros((len(cells), len(self._names)))
        found[:, [self._names.index(name) for name in self.detector_.codec.learned]] = cells
        return found

    def odd_columns(self, X: Any, most: int = 3) -> list[tuple[Any, ...]]:
        """For each row, the names of at most that many responsible columns, the oddest first."""
        check_is_fitted(self, "offset_")
        self._only(pictures=False)
        own = dict(zip(self._names, self._labels, strict=True))
        found = self.detector_.columns(self._look(X).cells, most)
        return [tuple(own[name] for name in names) for names in found]

    def _look(self, X: Any) -> Any:
        from ganwright.modalities.tables.given import rows_of, unread_notes
        from ganwright.modalities.tables.read.unread import Unread

        check_is_fitted(self, "offset_")
        if self._pictures:
            return self.detector_.look(self._images(X))
        codec, unread = self.detector_.codec, Unread()
        table: pa.Table = rows_of(codec, self._frame(X, reset=False), "X", unread)
        warn(unread_notes(codec, unread))
        return self.detector_.look(table, unread)

    def _images(self, X: Any) -> np.ndarray:
        """Images in the model's form, (n, H, W, C). Raises ValueError, DataError."""
        from ganwright.modalities.images.detect import read

        if not are_pictures(X):
            raise ValueError(
                "the detector was fitted on images: X is to be n×H×W(×C), or a list of images"
            )
        found = read(self.model_, X)
        if found.notes:
            raise ValueError(found.notes[0])
        return found.pixels

    def _only(self, *, pictures: bool) -> None:
        if self._pictures != pictures:
            raise ValueError("heat maps are of images, and columns are of rows")
