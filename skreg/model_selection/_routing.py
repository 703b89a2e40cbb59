"""Splits and metadata routing of a cross-validation, and its fits, made before scikit-learn asks for them."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skreg._estimator.data import with_arrays
from skreg._sklearn_private import check_groups_routing_disabled
from skreg.model_selection._batched_fits import Task, splits_of
from skreg.model_selection._stand_in import Outcomes, with_outcomes
from skreg.stopping import RowStructure


@dataclass
class Routed:
    """Splits and routed parameters of a cross-validation.

    Attributes
    ----------
    splits : list of tuple
        Indices of the rows for training and for testing.
    structure : RowStructure
        Structure of the rows that these splits respect.
    fit : dict
        Further arguments of `fit`.
    others : dict
        Parameters for scikit-learn's function, which gets these splits.
    """

    splits: list
    structure: RowStructure
    fit: dict
    others: dict


def route(name: str, estimator, X, y, cv, groups, scorer, params) -> Routed:
    """Return the splits, and ``params`` by the method that they are routed to."""
    check_groups_routing_disabled(groups)
    cv = check_cv(cv, y, classifier=is_classifier(estimator))
    params = with_arrays(params)
    if not get_config()["enable_metadata_routing"]:
        return Routed(*splits_of(cv, X, y, groups=groups), params, params)
    router = MetadataRouter(owner=name)
    router.add(estimator=estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
    if scorer is not None:
        router.add(scorer=scorer, method_mapping=MethodMapping().add(caller="fit", callee="score"))
    wanted = router.consumes("fit", params)
    router.add(splitter=cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    routed = process_routing(router, "fit", **params)
    others = {key: value for key, value in params.items() if key in wanted}
    return Routed(*splits_of(cv, X, y, **routed.splitter.split), routed.estimator.fit, others)


@contextlib.contextmanager
def fitted_beforehand(estimator, X, y, tasks: Iterable[Task], routed: Routed, n_jobs, pre_dispatch, verbose):
    """Fit tasks together; yield an estimator that looks the results up, and the seconds of each fit."""
    tasks, known = list(tasks), Outcomes()
    outcomes = known.make(
        X,
        y,
        routed.fit,
        tasks,
        routed.structure,
        n_jobs=n_jobs,
        pre_dispatch=pre_dispatch,
        memory_limit=None,
        verbose=verbose > 0,
    )
    seconds = np.array([0.0 if outcome is None else outcome.seconds for outcome in outcomes])
    # Looking up and scoring results takes less time than starting processes.
    all_left = all(outcome is None for outcome in outcomes)
    with contextlib.nullcontext() if all_left else joblib.parallel_config(backend="sequential"), known.all_taken():
        yield with_outcomes(estimator, known), seconds
