"""Estimators within others: pipelines, searches and transformations of the target."""

from collections.abc import Iterator

from skreg._base import BaseRegularizedMLP


def opened(estimator) -> Iterator:
    """Yield a fitted search, pipeline or transformation of the target and what it wraps, from the outside in."""
    while estimator is not None:
        yield estimator
        if isinstance(estimator, BaseRegularizedMLP):
            return
        if hasattr(estimator, "best_estimator_"):  # a search
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "regressor_"):  # TransformedTargetRegressor
            estimator = estimator.regressor_
        else:
            estimator = estimator.steps[-1][1] if getattr(estimator, "steps", None) else None
