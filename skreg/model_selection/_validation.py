"""scikit-learn's functions of cross-validation and curves, with networks that are trained together."""

import numpy as np
import sklearn.model_selection
from sklearn.metrics import check_scoring
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import indexable

from skreg._estimator.data import as_numpy, as_target
from skreg._seeds import random_numbers
from skreg._sklearn_private import translate_train_sizes, validated_like
from skreg.compose import scoring_of
from skreg.model_selection._batched_fits import Task, has_network
from skreg.model_selection._docs import (
    CV,
    ERROR_SCORE,
    ESTIMATOR,
    GROUPS,
    N_JOBS,
    PARAMS,
    PRE_DISPATCH,
    RAISES,
    SCORING,
    VERBOSE,
    documented,
)
from skreg.model_selection._routing import fitted_beforehand, route
from skreg.stopping import row_indices


@documented(
    f"""Evaluate an estimator by cross-validation, with the networks of all folds trained together.

    Has the arguments and the results of :func:`sklearn.model_selection.cross_validate`.

    Parameters
    ----------
    {ESTIMATOR}
    {GROUPS}
    scoring : str, callable, list, tuple or dict, default=None
        One or several scorers of the held-out rows; None means the estimator's `score`.
    {CV}
    {N_JOBS}
    {VERBOSE}
    {PARAMS}
    {PRE_DISPATCH}
    return_train_score : bool, default=False
        Whether to score the training rows, too.
    return_estimator : bool, default=False
        Whether to return the fitted estimators. As after unpickling, they have no solver state: `partial_fit` continues
        from the weights with new moments, and `save_checkpoint` raises.
    return_indices : bool, default=False
        Whether to return the indices of the rows of every fold.
    {ERROR_SCORE}

    Returns
    -------
    dict of str to ndarray
        'test_score' (or ``test_<name>`` for each scorer), 'fit_time' (in seconds; a share of the time of all fits),
        'score_time', and what the `return_*` parameters ask for.

    {RAISES}

    See Also
    --------
    cross_val_score : Test scores only.
    GridSearchCV : Cross-validation of many candidates.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import cross_validate
    >>> X, y = load_iris(return_X_y=True)
    >>> network = RegularizedMLPClassifier((10,), learning_rate_init=0.02, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network)
    >>> results = cross_validate(model, X, y, return_train_score=True)
    >>> sorted(results), results["test_score"].shape
    (['fit_time', 'score_time', 'test_score', 'train_score'], (5,))
    """
)
@validated_like(sklearn.model_selection.cross_validate)
def cross_validate(
    estimator,
    X,
    y=None,
    *,
    groups=None,
    scoring=None,
    cv=None,
    n_jobs=None,
    verbose=0,
    params=None,
    pre_dispatch="2*n_jobs",
    return_train_score=False,
    return_estimator=False,
    return_indices=False,
    error_score=np.nan,
):
    scoring = scoring_of(estimator, scoring)
    arguments = {
        "scoring": scoring,
        "n_jobs": n_jobs,
        "verbose": verbose,
        "params": params,
        "pre_dispatch": pre_dispatch,
        "return_train_score": return_train_score,
        "return_estimator": return_estimator,
        "return_indices": return_indices,
        "error_score": error_score,
    }
    function = sklearn.model_selection.cross_validate
    if not has_network(estimator):
        return function(estimator, X, y, groups=groups, cv=cv, **arguments)
    X, y = indexable(as_numpy(X), as_target(y))
    scorer = check_scoring(estimator, scoring=scoring)
    routed = route("cross_validate", estimator, X, y, cv, groups, scorer, params)
    tasks = (Task(estimator, {}, row_indices(train)) for train, _ in routed.splits)
    with fitted_beforehand(estimator, X, y, tasks, routed, n_jobs, pre_dispatch, verbose) as (stand_in, seconds):
        results = function(stand_in, X, y, cv=routed.splits, **arguments | {"params": routed.others})
    results["fit_time"] = results["fit_time"] + seconds
    return results


@documented(
    f"""Evaluate a score by cross-validation, with the networks of all folds trained together.

    Has the arguments and the result of :func:`sklearn.model_selection.cross_val_score`.

    Parameters
    ----------
    {ESTIMATOR}
    {GROUPS}
    {SCORING}
    {CV}
    {N_JOBS}
    {VERBOSE}
    {PARAMS}
    {PRE_DISPATCH}
    {ERROR_SCORE}

    Returns
    -------
    ndarray of shape (n_folds,)
        One score per fold.

    {RAISES}

    See Also
    --------
    cross_validate : Several scores, with times and estimators.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import cross_val_score
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), learning_rate_init=0.02, max_iter=400, random_state=0)
    >>> bool(cross_val_score(model, X, y).mean() > 0.9)
    True
    """
)
@validated_like(sklearn.model_selection.cross_val_score)
def cross_val_score(
    estimator,
    X,
    y=None,
    *,
    groups=None,
    scoring=None,
    cv=None,
    n_jobs=None,
    verbose=0,
    params=None,
    pre_dispatch="2*n_jobs",
    error_score=np.nan,
):
    scorer = check_scoring(estimator, scoring=scoring_of(estimator, scoring))
    results = cross_validate(
        estimator,
        X,
        y,
        groups=groups,
        scoring={"score": scorer},
        cv=cv,
        n_jobs=n_jobs,
        verbose=verbose,
        params=params,
        pre_dispatch=pre_dispatch,
        error_score=error_score,
    )
    return results["test_score"]


def _encoded_classes(y: np.ndarray) -> np.ndarray:
    """Return classes as codes, as scikit-learn encodes them to order the columns of folds that lack a class."""
    if y.ndim == 1:
        return LabelEncoder().fit_transform(y)
    if y.ndim != 2:
        return y
    codes = np.zeros_like(y, dtype=int)
    for j, column in enumerate(y.T):
        codes[:, j] = LabelEncoder().fit_transform(column)
    return codes


@documented(
    f"""Predict each row by the network of the fold that held it out, with all networks trained together.

    Has the arguments and the result of :func:`sklearn.model_selection.cross_val_predict`.

    Parameters
    ----------
    {ESTIMATOR}
    {GROUPS}
    {CV}
    {N_JOBS}
    {VERBOSE}
    {PARAMS}
    {PRE_DISPATCH}
    method : {{'predict', 'predict_proba', 'predict_log_proba', 'decision_function'}}, default='predict'
        Method of the estimator to call.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Predictions, in the order of the rows.

    {RAISES}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import cross_val_predict
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), max_iter=20, n_iter_no_change=np.inf, random_state=0)
    >>> cross_val_predict(model, X, y, method="predict_proba").shape
    (150, 3)
    """
)
@validated_like(sklearn.model_selection.cross_val_predict)
def cross_val_predict(
    estimator,
    X,
    y=None,
    *,
    groups=None,
    cv=None,
    n_jobs=None,
    verbose=0,
    params=None,
    pre_dispatch="2*n_jobs",
    method="predict",
):
    arguments = {"n_jobs": n_jobs, "verbose": verbose, "params": params, "pre_dispatch": pre_dispatch, "method": method}
    function = sklearn.model_selection.cross_val_predict
    if not has_network(estimator) or not hasattr(estimator, method):
        return function(estimator, X, y, groups=groups, cv=cv, **arguments)
    X, y = indexable(as_numpy(X), as_target(y))
    routed = route("cross_val_predict", estimator, X, y, cv, groups, None, params)
    if method != "predict" and y is not None:
        y = _encoded_classes(np.asarray(y))
    tasks = (Task(estimator, {}, row_indices(train)) for train, _ in routed.splits)
    with fitted_beforehand(estimator, X, y, tasks, routed, n_jobs, pre_dispatch, verbose) as (stand_in, _):
        return function(stand_in, X, y, cv=routed.splits, **arguments | {"params": routed.others})


@documented(
    f"""Compute a learning curve, with the networks of all folds of a size trained together.

    Has the arguments and the results of :func:`sklearn.model_selection.learning_curve`.

    Parameters
    ----------
    {ESTIMATOR}
    {GROUPS}
    train_sizes : array-like of float or int, default=np.linspace(0.1, 1.0, 5)
        Numbers of training rows, or their shares of the training rows of a fold.
    {CV}
    {SCORING}
    exploit_incremental_learning : bool, default=False
        Whether each size continues from the one before, by `partial_fit`; networks are then trained one by one.
    {N_JOBS}
    {PRE_DISPATCH}
    {VERBOSE}
    shuffle : bool, default=False
        Whether to shuffle the training rows before taking the first ones.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; None means fresh entropy.
    {ERROR_SCORE}
    return_times : bool, default=False
        Whether to return the times of fits and scores.
    {PARAMS}

    Returns
    -------
    train_sizes_abs : ndarray of shape (n_sizes,)
        Numbers of training rows.
    train_scores, test_scores : ndarray of shape (n_sizes, n_folds)
        Scores.
    fit_times, score_times : ndarray of shape (n_sizes, n_folds)
        Times in seconds; only with ``return_times=True``.

    {RAISES}

    See Also
    --------
    validation_curve : Scores by the values of a parameter.
    sklearn.model_selection.LearningCurveDisplay : Plot of the curve.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import learning_curve
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), max_iter=20, n_iter_no_change=np.inf, random_state=0)
    >>> sizes, train_scores, test_scores = learning_curve(model, X, y, shuffle=True, random_state=0)
    >>> sizes.tolist(), test_scores.shape
    ([12, 39, 66, 93, 120], (5, 5))
    """
)
@validated_like(sklearn.model_selection.learning_curve)
def learning_curve(
    estimator,
    X,
    y,
    *,
    groups=None,
    train_sizes=np.linspace(0.1, 1.0, 5),  # noqa: B008, as in scikit-learn
    cv=None,
    scoring=None,
    exploit_incremental_learning=False,
    n_jobs=None,
    pre_dispatch="all",
    verbose=0,
    shuffle=False,
    random_state=None,
    error_score=np.nan,
    return_times=False,
    params=None,
):
    scoring = scoring_of(estimator, scoring)
    arguments = {
        "groups": groups,
        "train_sizes": train_sizes,
        "scoring": scoring,
        "exploit_incremental_learning": exploit_incremental_learning,
        "n_jobs": n_jobs,
        "pre_dispatch": pre_dispatch,
        "verbose": verbose,
        "error_score": error_score,
        "params": params,
    }
    random_state = random_numbers(random_state)
    function = sklearn.model_selection.learning_curve
    if not has_network(estimator) or exploit_incremental_learning:
        return function(
            estimator, X, y, cv=cv, shuffle=shuffle, random_state=random_state, return_times=return_times, **arguments
        )
    X, y, groups = indexable(as_numpy(X), as_target(y), groups)
    scorer = check_scoring(estimator, scoring=scoring)
    routed = route("learning_curve", estimator, X, y, cv, groups, scorer, params)
    splits = [(row_indices(train), test) for train, test in routed.splits]
    sizes = translate_train_sizes(train_sizes, len(splits[0][0]))
    if shuffle:
        splits = [(random_state.permutation(train), test) for train, test in splits]
    tasks = (Task(estimator, {}, train[:size]) for train, _ in splits for size in sizes)
    with fitted_beforehand(estimator, X, y, tasks, routed, n_jobs, pre_dispatch, verbose) as (stand_in, seconds):
        results = function(stand_in, X, y, cv=splits, return_times=True, **arguments | {"params": routed.others})
    fit_times = results[3] + seconds.reshape(-1, len(sizes)).T
    return (*results[:3], fit_times, results[4]) if return_times else results[:3]


@documented(
    f"""Compute a validation curve, with the networks of all values and folds trained together.

    Has the arguments and the results of :func:`sklearn.model_selection.validation_curve`.

    Parameters
    ----------
    {ESTIMATOR}
    param_name : str
        Name of the parameter.
    param_range : array-like of shape (n_values,)
        Values of the parameter.
    {GROUPS}
    {CV}
    {SCORING}
    {N_JOBS}
    {PRE_DISPATCH}
    {VERBOSE}
    {ERROR_SCORE}
    {PARAMS}

    Returns
    -------
    train_scores, test_scores : ndarray of shape (n_values, n_folds)
        Scores.

    {RAISES}

    See Also
    --------
    learning_curve : Scores by the number of training rows.
    sklearn.model_selection.ValidationCurveDisplay : Plot of the curve.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import validation_curve
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), max_iter=20, n_iter_no_change=np.inf, random_state=0)
    >>> train_scores, test_scores = validation_curve(
    ...     model, X, y, param_name="dropout", param_range=[0.0, 0.2, 0.5, 0.8]
    ... )
    >>> test_scores.shape
    (4, 5)
    """
)
@validated_like(sklearn.model_selection.validation_curve)
def validation_curve(
    estimator,
    X,
    y,
    *,
    param_name,
    param_range,
    groups=None,
    cv=None,
    scoring=None,
    n_jobs=None,
    pre_dispatch="all",
    verbose=0,
    error_score=np.nan,
    params=None,
):
    scoring = scoring_of(estimator, scoring)
    arguments = {
        "param_name": param_name,
        "param_range": param_range,
        "groups": groups,
        "scoring": scoring,
        "n_jobs": n_jobs,
        "pre_dispatch": pre_dispatch,
        "verbose": verbose,
        "error_score": error_score,
        "params": params,
    }
    function = sklearn.model_selection.validation_curve
    if not has_network(estimator) and not any(hasattr(value, "fit") for value in param_range):
        return function(estimator, X, y, cv=cv, **arguments)
    X, y, groups = indexable(as_numpy(X), as_target(y), groups)
    scorer = check_scoring(estimator, scoring=scoring)
    routed = route("validation_curve", estimator, X, y, cv, groups, scorer, params)
    tasks = (
        Task(estimator, {param_name: value}, row_indices(train)) for train, _ in routed.splits for value in param_range
    )
    with fitted_beforehand(estimator, X, y, tasks, routed, n_jobs, pre_dispatch, verbose) as (stand_in, _):
        return function(stand_in, X, y, cv=routed.splits, **arguments | {"params": routed.others})
