"""scikit-learn's functions of cross-validation and curves, with networks that are trained together."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import joblib
import numpy as np
import sklearn.model_selection
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skreg._sklearn_private import translate_train_sizes
from skreg.model_selection._together import Task, fit_tasks, network_of, row_numbers, with_outcomes


def _splits_and_fit_parameters(name: str, estimator, X, y, cv, groups, scorer, params) -> tuple[list, dict]:
    """Return the splits, and what `fit` is given, from what a function of scikit-learn was given."""
    cv = check_cv(cv, y, classifier=is_classifier(estimator))
    params = {} if params is None else params
    if not get_config()["enable_metadata_routing"]:
        return list(cv.split(X, y, groups)), params
    router = MetadataRouter(owner=name)
    router.add(splitter=cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    router.add(estimator=estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
    if scorer is not None:
        router.add(scorer=scorer, method_mapping=MethodMapping().add(caller="fit", callee="score"))
    routed = process_routing(router, "fit", **params)
    return list(cv.split(X, y, **routed.splitter.split)), routed.estimator.fit


@contextlib.contextmanager
def _fitted_before(estimator, X, y, tasks: Iterable[Task], fit_parameters: dict, n_jobs, verbose):
    """Fit tasks together; yield an estimator that picks the results up, and the seconds of each fit."""
    outcomes = fit_tasks(
        estimator, X, y, list(tasks), fit_parameters, n_jobs=n_jobs, memory_limit=None, verbose=verbose > 0
    )
    seconds = np.array([0.0 if outcome is None else outcome.seconds for outcome in outcomes])
    # What is left to do is to pick up results and to score them: less work than to start processes for it.
    with joblib.parallel_config(backend="sequential"):
        yield with_outcomes(estimator, deque(outcomes)), seconds
