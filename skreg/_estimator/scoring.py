"""Scores by scorers of the user or of scikit-learn: what these may return, and their errors in words that help."""

import inspect
from contextlib import suppress
from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import type_of_target

from skreg._sklearn_private import num_samples


def number_of(score) -> float:
    """Return what a scorer has returned as a number; raise ValueError if it is none."""
    value = score
    if hasattr(value, "item"):  # an array or a tensor with one number
        with suppress(ValueError, RuntimeError):
            value = value.item()
    if not isinstance(value, Real):
        raise ValueError(
            f"The scorer in 'scoring' must return a number; got {score!r:.200}, of type {type(score).__name__}."
        )
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(
            "The scorer in 'scoring' must return a number in the range of float64; got "
            f"{type(score).__name__} beyond it."
        ) from error


def score_of(scorer, scoring, estimator, X, y, *, rows: str, **weights) -> float:
    """Return the score of a fitted estimator on some rows.

    Parameters
    ----------
    scorer : callable
        The scorer that ``scoring`` stands for.
    scoring : str or callable
        What the user has given.
    estimator : estimator
        Fitted.
    X, y : array-like
        The rows.
    rows : str
        What the rows are, such as 'validation'.
    **weights : dict
        Sample weights, if there are any.

    Returns
    -------
    float
        The score, which need not be finite.

    Raises
    ------
    ValueError
        If a scorer of scikit-learn does not go with the estimator or the rows, or if the score is no number.
    """
    try:
        score = scorer(estimator, X, y, **weights)
    except (ValueError, TypeError, AttributeError) as error:
        if not hasattr(scorer, "_score_func"):  # the user's own function, with an error of its own
            raise
        raise ValueError(
            f"The 'scoring' parameter must be a scorer that can score the {num_samples(X)} {rows} rows by "
            f"{type(estimator).__name__}; got {scoring!r}, which cannot: {error}{_missing_classes(estimator, y)}"
        ) from error
    return number_of(score)


def _missing_classes(estimator, y) -> str:
    """Return a sentence on the classes that some rows lack; nothing if they lack none."""
    if not is_classifier(estimator) or not type_of_target(y).startswith(("binary", "multiclass")):
        return ""
    missing = np.setdiff1d(estimator.classes_, np.asarray(y)).tolist()
    return f" These rows lack the classes {missing!r}." if missing else ""


def check_takes_weights(scorer, scoring) -> None:
    """Raise if a scorer does not take sample weights."""
    # A scorer made of a metric passes all arguments on: the signature is that of the metric.
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            f"The 'scoring' parameter must be a scorer that accepts sample_weight if fit is given sample_weight; got "
            f"{scoring!r}."
        )
