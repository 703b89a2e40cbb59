"""Estimators within others: the one walker through pipelines, searches and transformations of the target."""

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from skreg._estimator.fitted import FittedMLP


def opened(estimator) -> Iterator:
    """Yield a fitted search, pipeline or transformation of the target and the estimators in it, from the outside in.

    Of a transformation of the target, that is the fitted copy.
    """
    while estimator is not None:
        yield estimator
        if isinstance(estimator, FittedMLP):
            return
        if hasattr(estimator, "best_estimator_"):  # a search
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "regressor_"):  # TransformedTargetRegressor
            estimator = estimator.regressor_
        else:
            estimator = estimator.steps[-1][1] if getattr(estimator, "steps", None) else None


def parts(estimator) -> dict[str, object]:
    """Return the estimators to which a pipeline or a transformation of the target, fitted or not, passes its data.

    Parameters
    ----------
    estimator : estimator
        Any.

    Returns
    -------
    dict of str to estimator
        By their names in the estimator: the last step of a pipeline; the regressor of a transformation of
        the target and, after a fit, the copy that was fitted. Empty for all others.
    """
    if isinstance(estimator, Pipeline):
        return dict(estimator.steps[-1:] if estimator.steps else ())
    if isinstance(estimator, TransformedTargetRegressor):
        return {name: getattr(estimator, name) for name in ("regressor", "regressor_") if hasattr(estimator, name)}
    return {}


def nested(estimator) -> Iterator:
    """Yield an estimator and all :func:`parts` of it, from the outside in, and unfitted ones before their copies."""
    yield estimator
    for part in parts(estimator).values():
        yield from nested(part)


def path_to_last(estimator) -> list[tuple[str, object]]:
    """Return an estimator and the parts that are to be fitted, from the outside in, each under its parameter's name.

    The name of the estimator itself is empty.
    """
    path = [("", estimator)]
    while inner := parts(path[-1][1]):
        path.append(next(iter(inner.items())))
    return path


def last_of(estimator):
    """Return the innermost part that is to be fitted; the estimator itself if it has no parts."""
    return path_to_last(estimator)[-1][1]


def with_last(estimator, replace: Callable):
    """Return an estimator with others in place of its innermost part and the copies of that.

    Parameters
    ----------
    estimator : estimator
        Is changed in place, if it has parts.
    replace : callable
        Takes the innermost part, and returns its replacement.

    Returns
    -------
    estimator
        The estimator; its replacement if it has no parts.
    """
    inner = {name: with_last(part, replace) for name, part in parts(estimator).items()}
    if not inner:
        return replace(estimator)
    if isinstance(estimator, Pipeline):
        estimator.steps[-1:] = inner.items()
    else:
        vars(estimator).update(inner)
    return estimator


def handed_on(estimator, X, y) -> tuple:
    """Return rows and targets as an estimator hands them on to its innermost part.

    Parameters
    ----------
    estimator : estimator
        Its transformers are fitted; its innermost part need not be.
    X, y : array-like
        Rows and targets that the estimator takes.

    Returns
    -------
    X, y : array-like
        What the innermost part takes.
    """
    while inner := parts(estimator):
        if isinstance(estimator, Pipeline):
            for _, step in estimator.steps[:-1]:
                X = X if step in (None, "passthrough") else step.transform(X)
        else:
            y = _transformed_target(estimator, y)
        estimator = list(inner.values())[-1]
    return X, y


def _transformed_target(estimator: TransformedTargetRegressor, y) -> np.ndarray:
    """Return targets as a fitted transformation of the target hands them on: scikit-learn has no method for that."""
    y = np.asarray(y)
    transformed = estimator.transformer_.transform(y.reshape(-1, 1) if y.ndim == 1 else y)
    return transformed[:, 0] if transformed.ndim == 2 and transformed.shape[1] == 1 else transformed
