"""Original columns of the features: X can bring them along, and penalties can have them as groups."""

import numpy as np
from sklearn.base import clone

from skreg._estimator.copies import set_parameters, unfitted
from skreg.penalties import Penalty
from skreg.preprocessing._encoded import source_columns_of


def set_source_columns(estimator, X, *, reset: bool) -> None:
    """Set `source_columns_` of an estimator, whose `n_features_in_` is known, from X.

    Parameters
    ----------
    estimator : estimator
        The estimator.
    X : array-like of shape (n_samples, n_features)
        Inputs, as the user gave them.
    reset : bool
        Whether a new fit begins. A call that continues an earlier one keeps its original columns where X has none.

    Raises
    ------
    ValueError
        If X has other original columns than in the call before, or not one for each feature.
    """
    found, known = source_columns_of(X), None if reset else getattr(estimator, "source_columns_", None)
    if found is not None and len(found) != estimator.n_features_in_:
        raise ValueError(
            f"X must bring along one original column for each of its {estimator.n_features_in_} features; got "
            f"{len(found)} in 'source_columns'."
        )
    if found is not None and known is not None and not np.array_equal(found, known):
        first = int(np.argmax(found != known))
        raise ValueError(
            "X must have the same original columns as in the call of fit that this one continues, where feature "
            f"{first} was of column {known[first]}; got one of column {found[first]}. Encode all of the rows by one "
            "fitted TableEncoder."
        )
    estimator.source_columns_ = known if found is None else np.array(found)


def resolved_penalty(estimator, penalty: Penalty | None) -> Penalty | None:
    """Return a penalty whose groups, if they are original columns, are those of the estimator's data."""
    if penalty is None:
        return None
    return penalty.for_source_columns(estimator.source_columns_, estimator.n_features_in_)


def with_known_columns(estimator, X):
    """Return an estimator whose penalty, if its groups are original columns, has those of X as groups.

    Fits to some of the columns of X, which may not bring original columns along, then have the same groups.
    """
    if not isinstance(estimator.penalty, Penalty):
        return estimator
    found = source_columns_of(X)
    penalty = estimator.penalty.for_source_columns(found, 0 if found is None else X.shape[1])
    return estimator if penalty is estimator.penalty else unfitted(estimator, penalty=penalty)


def restore_penalty(estimator, given) -> None:
    """Set the penalty of an estimator back to that of the one given, but for the strength."""
    if isinstance(given.penalty, Penalty):
        restored = clone(given.penalty).set_params(alpha=estimator.penalty.alpha)
        set_parameters(estimator, penalty=restored)


def column_norms(norms: np.ndarray, source_columns: np.ndarray, n_columns: int | None = None) -> np.ndarray:
    """Return the Euclidean norm of the weights of each original column, from those of its features.

    Parameters
    ----------
    norms : ndarray of shape (..., n_features)
        Norms of the features' weights.
    source_columns : ndarray of int of shape (n_features,)
        Original column of each feature.
    n_columns : int or None, default=None
        Number of original columns; None is that of the last one with a feature, plus 1.

    Returns
    -------
    ndarray of shape (..., n_columns)
        The norms; 0 for columns without any feature.
    """
    n_columns = int(source_columns.max()) + 1 if n_columns is None else n_columns
    # Of numbers whose largest is 1, so that no square overflows, and none but 0 is rounded to 0.
    largest = np.zeros((*norms.shape[:-1], n_columns), dtype=norms.dtype)
    np.maximum.at(largest, (..., source_columns), norms)
    scale = np.where(largest > 0, largest, 1)
    squares = np.zeros_like(largest)
    np.add.at(squares, (..., source_columns), np.square(norms / scale[..., source_columns]))
    return largest * np.sqrt(squares)
