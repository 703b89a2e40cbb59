"""Transformation of the targets of a regression before training, and of its predictions back."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, has_fit_parameter

from skreg._estimator.data import Table
from skreg._hashing import content_hash
from skreg._warnings import Message, warn_user
from skreg.engine.dataset import rescaled
from skreg.losses import Loss, Quantile

# Largest number of values of an output for which its normal scores are stored; those of others lie on lines between.
MAX_SCORES = 1000
# Rounding of a transformation or its inverse, relative to the largest number.
ROUNDING = 1e-6
# An inverse transformation is checked for so many targets. It may be wrong by this share of their range.
N_CHECKED = 10
LARGEST_ERROR = 1e-4


class NormalScores(TransformerMixin, BaseEstimator):
    """Increasing transformation of each column to normal scores, with straight lines between its values.

    A value that has the share w of the weight, and the share F below it, becomes the normal quantile of level F + w/2:
    its normal score [1]_, of the middle one of its ranks. Weights are the same as repeated rows. Values, and scores,
    beyond those of the training rows become those at the end.

    :class:`~sklearn.preprocessing.QuantileTransformer` takes no weights, and the smallest and the largest value for
    quantiles of levels 0 and 1, which it cuts off at -5.2 and 5.2: on few rows, the squares of these two are a large
    part of the loss. (With 120 training rows of Friedman's function, of its exponential, and with heavy tails, R² was
    0.67, 0.37 and 0.27 with it, and 0.72, 0.49 and 0.34 with normal scores.)

    Attributes
    ----------
    values_, scores_ : list of ndarray
        For each column distinct values, ascending, at most 1000 of them, and their scores.
    n_features_in_ : int
        Number of columns.

    References
    ----------
    .. [1] B. L. van der Waerden, "Order tests for the two-sample problem and their power", Indagationes Mathematicae
       14, 1952.
    """

    def fit(self, y, sample_weight=None):
        """Find the scores of the values of each column of y, of shape (n_samples, n_columns)."""
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        scores = [_normal_scores(column, weight) for column in y.T]
        self.values_, self.scores_ = ([pair[i] for pair in scores] for i in range(2))
        self.n_features_in_ = len(scores)
        return self

    def transform(self, y):
        """Return the scores of values, of the same shape."""
        return self._interpolated(y, self.values_, self.scores_)

    def inverse_transform(self, y):
        """Return the values of scores, of the same shape."""
        return self._interpolated(y, self.scores_, self.values_)

    def _interpolated(self, y, places, heights):
        y = check_array(y, dtype=np.float64, ensure_all_finite=False, input_name="y")
        if y.shape[1] != self.n_features_in_:
            raise ValueError(f"y must have {self.n_features_in_} columns, as in fit; got {y.shape[1]}.")
        return np.column_stack([np.interp(*args) for args in zip(y.T, places, heights, strict=True)])


def _normal_scores(column: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct values with positive weight, ascending, and their scores."""
    values, index = np.unique(column, return_inverse=True)
    weight = np.bincount(index, weights=weight)
    level = (np.cumsum(weight) - weight / 2) / weight.sum()
    if len(values) > MAX_SCORES:
        kept = np.unique(np.searchsorted(level, np.linspace(level[0], level[-1], MAX_SCORES)))
        values, level = values[kept], level[kept]
    return values, ndtri(level)


# What the strings of the parameter stand for.
TRANSFORMERS: dict[str, Callable] = {"standard": StandardScaler, "quantile": NormalScores}


def is_same_transform(first, second) -> bool:
    """Return whether two values of the parameter stand for the same transformer, not fitted."""
    if isinstance(first, str | None) or isinstance(second, str | None):
        return isinstance(first, str | None) and isinstance(second, str | None) and first == second
    hashes = content_hash(first), content_hash(second)
    return repr(first) == repr(second) if None in hashes else hashes[0] == hashes[1]  # a lambda has none


def check_loss(estimator, loss: Loss) -> None:
    """Raise ValueError if a loss does not take transformed targets: one with a link has an idea of their unit."""
    if estimator.target_transform is not None and not (loss.in_units or callable(estimator.loss)):
        raise ValueError(
            f"The 'target_transform' parameter must be None with loss={estimator.loss!r}, which takes y as it is, of "
            f"any size; got target_transform={estimator.target_transform!r}. Use loss='squared_error' for transformed "
            "targets."
        )


def fitted_transformer(estimator, y: np.ndarray, weight: np.ndarray | None):
    """Return the transformer of an estimator, fitted; None without one.

    Parameters
    ----------
    estimator : estimator
        Its parameters `target_transform` and `loss` count.
    y : ndarray of shape (n_samples, n_targets)
        Targets, in double precision.
    weight : ndarray of shape (n_samples,) or None
        Weights, above 0.

    Returns
    -------
    transformer or None
        A new one.

    Raises
    ------
    ValueError
        If it cannot be fitted to y, does not go with the loss, or does not give one finite number for each target.
    """
    given = estimator.target_transform
    if given is None:
        return None
    if isinstance(given, type):
        raise ValueError(
            f"The 'target_transform' parameter must be an instance of a transformer; got the class {given!r}."
        )
    transformer = TRANSFORMERS[given]() if isinstance(given, str) else clone(given)
    takes_weight = weight is not None and has_fit_parameter(transformer, "sample_weight")
    weights = {"sample_weight": rescaled(weight)} if takes_weight else {}
    try:
        with np.errstate(all="ignore"):
            transformer.fit(y.copy(), **weights)  # some transformers can be told to write into what they are given
    except ValueError as error:
        raise ValueError(f"The 'target_transform' parameter must fit y; got {given!r}: {error}") from error
    first = transformed(transformer, y[:1])
    try:
        there_and_back = restored(transformer, first)
    except ValueError as error:
        raise ValueError(f"The 'target_transform' parameter must have an inverse; got {given!r}: {error}") from error
    if not np.isfinite(there_and_back).all():
        raise ValueError(
            "The 'target_transform' parameter must have a finite inverse for y, which may hold numbers that are too "
            f"large; got {given!r} for numbers up to {np.abs(y).max()}."
        )
    if isinstance(estimator._make_loss(), Quantile) and not isinstance(given, str):
        _check_increasing(transformer, y, given)
    return transformer


def _check_increasing(transformer, y: np.ndarray, given) -> None:
    """Raise ValueError if a transformer changes the order of the targets of an output."""
    after = transformed(transformer, y)
    for before, column in zip(y.T, after.T, strict=True):
        if (np.diff(column[np.argsort(before)]) < -ROUNDING * np.abs(column).max()).any():
            raise ValueError(
                "The 'target_transform' parameter must be increasing in each output with loss='quantile', or its "
                f"inverse does not map quantiles to quantiles; got {given!r}."
            )


def transformed(transformer, y: np.ndarray) -> np.ndarray:
    """Return targets of shape (n_samples, n_targets) as a fitted transformer transforms them; y stays as it is."""
    with np.errstate(all="ignore"):  # what is not finite is an error
        values = transformer.transform(y.copy())
    try:
        values = np.asarray(values, dtype=np.float64).reshape(len(y), -1)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "The 'target_transform' parameter must be a transformer that returns an array of numbers; got "
            f"{type(values).__name__} from {transformer!r}."
        ) from error
    if values.shape != y.shape:
        raise ValueError(
            "The 'target_transform' parameter must be a transformer that returns as many columns as it gets, "
            f"{y.shape[1]}; got {values.shape[1]} from {transformer!r}."
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            "The 'target_transform' parameter must be a transformer that returns finite numbers for y; got "
            f"{values[row, column]} for {y[row, column]} from {transformer!r}."
        )
    return values


def restored(transformer, values: np.ndarray) -> np.ndarray:
    """Return transformed numbers of shape (n_samples, n_targets) in the unit of y, in double precision."""
    with np.errstate(all="ignore"):  # whoever asks looks for what is not finite
        original = transformer.inverse_transform(np.array(values, dtype=np.float64))
    return np.asarray(original, dtype=np.float64).reshape(values.shape)


def transformed_rows(transformer, y: np.ndarray, rows: np.ndarray, dtype) -> np.ndarray:
    """Return transformed targets of a type for some rows of y, and 0 for the others, which may hold anything."""
    values = np.zeros(y.shape, dtype=dtype)
    values[rows] = transformed(transformer, y[rows])
    return values


def predictions_in_units(predictions: np.ndarray, transformer, limits: np.ndarray | None, n_levels: int) -> np.ndarray:
    """Return predictions in the unit of y.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_targets * n_levels)
        Predictions of the network; those of a target stand together, its quantiles in ascending order.
    transformer : transformer or None
        Fitted transformer of the targets.
    limits : ndarray of shape (2, n_targets) or None
        Smallest and largest prediction of each target; None for no limits.
    n_levels : int
        Number of quantiles.

    Returns
    -------
    ndarray of shape (n_samples, n_targets * n_levels)
        The predictions, of the same type.

    Raises
    ------
    ValueError
        If the inverse transformation changes the order of quantiles.

    Warns
    -----
    UserWarning
        If it has no finite number for some predictions, and there are no limits to take the place of infinite ones.
    """
    by_target = predictions.reshape(len(predictions), -1, n_levels)
    if transformer is not None:
        rows = np.moveaxis(by_target, 2, 1)
        values = restored(transformer, rows.reshape(-1, rows.shape[2])).reshape(rows.shape)
        with np.errstate(over="ignore"):
            by_target = np.moveaxis(values, 1, 2).astype(predictions.dtype)
        if n_levels > 1:
            largest = np.abs(by_target).max(initial=0, where=np.isfinite(by_target))
            with np.errstate(invalid="ignore"):  # of two infinite quantiles
                falls = np.diff(by_target, axis=2) < -ROUNDING * largest
            if falls.any():
                raise ValueError(
                    "The 'target_transform' parameter must be a transformer whose inverse is increasing in each output "
                    f"for all predictions, or quantiles change their order; got {transformer!r}."
                )
            by_target = np.maximum.accumulate(by_target, axis=2)  # but for rounding
    if limits is not None:
        by_target = np.clip(by_target, *limits.astype(predictions.dtype)[:, :, np.newaxis])
    if transformer is not None and not (is_finite := np.isfinite(by_target)).all():
        warn_user(
            f"{np.count_nonzero(~is_finite)} of {is_finite.size} predictions are not finite: the inverse of "
            f"target_transform={transformer!r} is not, for what the network predicts there. That of 'quantile' is "
            "finite everywhere, and clip_predictions=True replaces what is infinite."
        )
    return by_target.reshape(predictions.shape)


def target_range(y: np.ndarray, dtype) -> np.ndarray:
    """Return the smallest and the largest target of each output, of shape (2, n_targets), in the type of X.

    Raises
    ------
    ValueError
        If one is beyond the range of that type.
    """
    with np.errstate(over="ignore"):
        limits = np.stack([y.min(axis=0), y.max(axis=0)]).astype(dtype)
    if not np.isfinite(limits).all():
        raise ValueError(f"y must be in the range of {np.dtype(dtype)}, the type of X; got {np.abs(y).max()}.")
    return limits


def inverse_messages(estimator, table: Table, y: np.ndarray) -> list[Message]:
    """Return a warning if the inverse of a user's transformer does not give back targets, of which it gets a few."""
    transformer, rows = estimator.target_transformer_, table.nonzero_weight_indices
    rows = rows[:: max(1, len(rows) // N_CHECKED)]
    found, wanted = restored(transformer, table.targets[rows]), y[rows]
    allowed = LARGEST_ERROR * np.ptp(wanted, axis=0) + ROUNDING * np.abs(wanted).max(axis=0)
    if (np.abs(found - wanted) <= allowed).all():
        return []
    text = (
        f"The inverse of target_transform={estimator.target_transform!r} does not give y back, so predictions are not "
        "in the unit of y. Give a transformer whose inverse_transform undoes transform."
    )
    return [(text, UserWarning)]


def check_restored_transformer(transformer, given, limits, n_targets: int) -> None:
    """Raise ValueError if the attributes of a pickle do not go with the parameter, or with the number of targets."""
    if (transformer is None) != (given is None):
        raise ValueError(f"'target_transformer_' does not match target_transform={given!r:.100}")
    is_range = isinstance(limits, np.ndarray) and limits.dtype.kind == "f" and limits.shape == (2, n_targets)
    if limits is not None and not (is_range and np.isfinite(limits).all() and (limits[0] <= limits[1]).all()):
        raise ValueError(f"'_target_range' must be the range of {n_targets} targets, or None; got {limits!r:.100}")
    if transformer is None:
        return
    try:
        restored(transformer, np.zeros((1, n_targets)))
    except Exception as error:  # any error of a damaged object
        raise ValueError(f"'target_transformer_' cannot transform {n_targets} targets back: {error!r:.200}") from error
