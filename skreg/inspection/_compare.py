"""Nested cross-validation that tunes and scores every regularizer on the same folds."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from numbers import Integral

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import indexable

from skreg._seeds import random_numbers
from skreg._sklearn_private import HasMethods, Interval, StrOptions, num_samples, safe_indexing, validate_params
from skreg._version import __version__
from skreg._warnings import warn_user
from skreg.compose import quantile_levels, quantile_score
from skreg.inspection._bar import FitsBar
from skreg.inspection._comparison import Best, RegularizerComparison
from skreg.inspection._design import (
    INNER_FOLDS,
    Candidate,
    NamedEstimator,
    OuterFold,
    check_estimators,
    checked_target,
    common_quantiles,
    inner_splitter,
    is_classification,
    n_fits_of,
    outer_fold,
    outer_splits,
)
from skreg.inspection._measures import measures_of, minus_log_loss, minus_pinball_loss, names_of_measures
from skreg.inspection._notes import notes_of_constants, notes_of_edges, predictions_are_constant
from skreg.inspection._regularizers import default_network, default_regularizers
from skreg.model_selection._together import (
    Outcome,
    Task,
    fit_tasks,
    network_of,
    outcome_of_each,
    raise_common_error,
)
from skreg.stopping import RowStructure, check_groups

# Number of outer folds whose inner fits are made, and held until they are scored, at the same time: enough networks of
# a kind for one batched program, without all of them in memory.
FOLDS_TOGETHER = 5


@validate_params(
    {
        "estimators": [dict, None],
        "network": [BaseEstimator, None],
        "cv": ["cv_object"],
        "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
        "inner_cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "tuning_scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "memory_limit": [Interval(Integral, 1, None, closed="left"), None],
        "refit": ["boolean"],
        "verbose": ["verbose", None],
    },
    prefer_skip_nested_validation=False,
)
def compare_regularizers(
    X,
    y,
    estimators=None,
    *,
    network=None,
    cv=5,
    n_repeats=None,
    inner_cv=None,
    scoring=None,
    tuning_scoring=None,
    groups=None,
    random_state=None,
    n_jobs=None,
    memory_limit=None,
    refit=True,
    verbose=None,
):
    """Compare regularizers by nested cross-validation.

    Every regularizer is scored on the same test rows: those of the outer folds. In each outer fold its strength is
    chosen by cross-validation on the training rows, so that test rows have no influence on it. Within a fold all
    regularizers have the same inner folds and, where they are networks of the same shape, the same initial weights.
    Networks that differ only in numbers are trained together, as in :class:`GridSearchCV
    <skreg.model_selection.GridSearchCV>`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Classes, label indicators or numbers.
    estimators : dict of str to estimator or tuple, default=None
        Estimators by name, each alone or in a pair with a grid as for
        :class:`~sklearn.model_selection.GridSearchCV`. The first one is the reference of the tests. Any scikit-learn
        estimator is allowed. A `random_state` that is None gets a seed in every fold. None means
        :func:`default_regularizers` of `network`.
    network : estimator, default=None
        Network that the default set regularizes; must be None if `estimators` is given. None means a pipeline of a
        :class:`~sklearn.preprocessing.StandardScaler` and one hidden layer of 64 units, trained in single precision on
        batches of 32 rows, with a cosine schedule, for about 1,000 steps but at least 20 and at most 60 epochs; a
        regressor standardizes its target, too. It is a classifier if `y` holds strings, booleans, integers, indicators
        or floats of only two values, and otherwise a regressor.
    cv : int, cross-validation splitter or iterable, default=5
        Outer folds. An int, at least 2, is a number of shuffled folds: stratified for classes, and with whole groups if
        `groups` are given.
    n_repeats : int, default=None
        Number of repetitions of these folds, each with another shuffle, if `cv` is an int; None means 2. Must be None
        beside a splitter.
    inner_cv : int or cross-validation splitter, default=None
        Inner folds, on the training rows of an outer fold. None means the splitter in `cv`, or 3 folds as described
        above if `cv` is an int.
    scoring : str or callable, default=None
        Scorer to report, greater is better. None means accuracy or R², or the mean D² of several quantiles.
    tuning_scoring : str or callable, default=None
        Scorer that the strength is chosen by. None means `scoring` if that is given, and otherwise minus the loss:
        minus log-loss for classifiers (accuracy for those without probabilities), minus the mean squared error for
        regressors, minus the mean pinball loss for several quantiles. On few rows the loss distinguishes candidates of
        equal accuracy, and a strength chosen by accuracy can give poor probabilities.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, for the splitters in `cv`, `inner_cv` and `early_stopping`; searches among the `estimators`
        do not get them.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds (also of splitters whose own random state is None) and of the networks. None means fresh
        entropy.
    n_jobs : int, default=None
        Number of populations of networks that are trained at the same time, in threads or by the backend of
        :func:`joblib.parallel_config`, and number of processes for other estimators, searches, and estimators with
        cross-validation. None means the number of the joblib configuration, else 1.
    memory_limit : int, default=None
        As in :class:`GridSearchCV <skreg.model_selection.GridSearchCV>`.
    refit : bool, default=True
        Whether to fit the regularizer with the highest mean test score to all rows, as `best_estimator_` of the result,
        with the strength that inner folds of all rows choose. That costs as many fits as the regularizer takes in one
        outer fold.
    verbose : int, default=None
        Whether to show a progress bar: 0 never, 1 and more always, None only in a terminal or a notebook and after some
        seconds.

    Returns
    -------
    RegularizerComparison
        Scores of all folds, with tests, a summary, a plot, a report, and the best regularizer, fitted to all rows.

    Raises
    ------
    ValueError
        If a parameter is not allowed, if `y` can be both classes and numbers, or if all fits of an estimator fail.
    TypeError
        If `estimators` holds anything but estimators and pairs, or if `network` is not a network of skreg.

    Warns
    -----
    FitFailedWarning
        If some fits fail, because training diverges or they cannot be scored: their scores are NaN. Also if the fit to
        all rows fails.

    See Also
    --------
    default_regularizers : The default set, to be changed.
    skreg.model_selection.GridSearchCV : Search over the parameters of one estimator.

    Notes
    -----
    Networks with ``early_stopping=True`` hold out rows as the outer folds do: whole groups, if no group is in both the
    training and the test rows of a fold; the last rows, if in every fold all test rows come after all training rows. A
    splitter given as `early_stopping` is used as it is.

    A score estimates that of the whole procedure, tuning included, on as many rows as the outer training sets have. The
    highest of several means is an optimistic estimate: it is the largest of several noisy numbers.

    References
    ----------
    .. [1] G. C. Cawley, N. L. C. Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in
       Performance Evaluation", Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import compare_regularizers
    >>> X, y = load_iris(return_X_y=True)
    >>> network = RegularizedMLPClassifier((20,), learning_rate_init=0.02, max_iter=20, n_iter_no_change=float("inf"))
    >>> comparison = compare_regularizers(
    ...     X,
    ...     y,
    ...     {
    ...         "none": network,
    ...         "l2": (network, {"penalty": ["l2"], "alpha": [0.001, 0.01]}),
    ...         "linear": LogisticRegression(max_iter=1000),
    ...     },
    ...     n_repeats=1,
    ...     random_state=0,
    ... )
    >>> comparison.folds.shape[0], sorted(comparison.frame().index)
    (15, ['l2', 'linear', 'none'])
    >>> comparison.best_estimator_.predict(X).shape
    (150,)
    """
    X, y, groups = indexable(X, y, groups)
    y = checked_target(y)
    _check_network(network, estimators)
    named_estimators = None if estimators is None else check_estimators(estimators)
    known = [c.estimator for c in named_estimators or []] if network is None else [network]
    classifier = is_classification(known, y)
    for name, splitter in {"cv": cv, "inner_cv": inner_cv}.items():
        check_groups(splitter, groups, name, "compare_regularizers(..., groups=...).")
    random = random_numbers(random_state)
    splits = outer_splits(X, y, groups, classifier, cv, n_repeats, random)
    inner = inner_splitter(cv, inner_cv, y, classifier, groups is not None, random)
    has_choices = named_estimators is None or any(len(named.candidates) > 1 for named in named_estimators)
    inner_of_fold = inner if has_choices else None
    folds = [outer_fold(X, y, groups, inner_of_fold, *split, random) for split in splits]
    whole = outer_fold(X, y, groups, inner_of_fold, np.arange(num_samples(X)), [], random) if refit else None
    n_train = float(np.mean([len(fold.train) for fold in folds]))
    n_test = float(np.mean([len(fold.test) for fold in folds]))
    if named_estimators is None:
        network = default_network(X, round(n_train), classifier=classifier) if network is None else network
        named_estimators = check_estimators(default_regularizers(network))
    if tuning_scoring is None:
        tuning_scoring = scoring
    quantiles = common_quantiles(named_estimators)
    scorers = {c.name: _scorer(c.estimator, scoring, classifier) for c in named_estimators}
    tuning_scorers = {c.name: _tuning_scorer(c.estimator, tuning_scoring, classifier) for c in named_estimators}
    structure = RowStructure.of([(fold.train, fold.test) for fold in folds], groups, num_samples(X))
    loss_name = "log-loss" if classifier else "pinball loss" if quantiles else "squared error"
    n_fits = sum(n_fits_of(named, fold) for named in named_estimators for fold in folds)
    n_fits += 0 if whole is None else max(n_fits_of(named, whole) for named in named_estimators)
    with FitsBar(n_fits, "comparing regularizers", verbose) as bar:
        options = {"n_jobs": n_jobs, "memory_limit": memory_limit, "on_progress": bar.add}
        nested_cv = NestedCV(
            X, y, named_estimators, folds, structure, classifier, scorers, tuning_scorers, options, bar
        )
        results = pd.DataFrame(nested_cv.results())
        best = None if whole is None else nested_cv.best_of(results, whole)
    return RegularizerComparison(
        results,
        best=best,
        notes=nested_cv.notes,
        score_name=_name(scoring, "accuracy" if classifier else "D²" if quantiles else "R²"),
        n_train=n_train,
        n_test=n_test,
        settings={
            "rows": num_samples(X),
            "task": _task_in_words(y, classifier),
            "outer folds": f"{len(folds)}, of {n_train:.0f} training and {n_test:.0f} test rows",
            "inner folds": INNER_FOLDS if inner_cv is None and not hasattr(cv, "split") else repr(inner),
            "strength chosen by": _name(tuning_scoring, loss_name),
            **_circumstances(random_state),
        },
    )


def _check_network(network, estimators) -> None:
    if estimators is not None and network is not None:
        raise ValueError(
            "The 'network' parameter must be None if 'estimators' is given, which replaces the default set; "
            f"got {network!r}."
        )


def _circumstances(random_state) -> dict[str, str]:
    """Return what else a comparison depends on, beside its arguments."""
    return {
        "random_state": repr(random_state) if isinstance(random_state, Integral | None) else "an instance",
        "versions": f"skreg {__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}",
    }


@dataclass
class NestedCV:
    """Nested cross-validation of some estimators: all fits of a comparison, and their results."""

    X: object
    y: np.ndarray
    estimators: list[NamedEstimator]
    folds: list[OuterFold]
    structure: RowStructure
    classifier: bool
    scorers: dict[str, Callable]
    tuning_scorers: dict[str, Callable]
    options: dict
    bar: FitsBar
    # The number of folds in which each estimator predicts the same for all test rows, and sentences on the fits.
    constant: Counter = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def results(self) -> list[dict]:
        """Return one row for every estimator and outer fold."""
        choices = []
        for first in range(0, len(self.folds), FOLDS_TOGETHER):
            choices += self._choices(self.folds[first : first + FOLDS_TOGETHER], self.estimators)
        pairs = [(number, fold, named) for number, fold in enumerate(self.folds) for named in self.estimators]
        tasks = [
            _task(named, choice.candidate, fold, fold.train)
            for (_, fold, named), choice in zip(pairs, choices, strict=True)
        ]
        outcomes = self._fit(tasks)
        lines = [
            {
                "regularizer": named.name,
                "fold": number,
                **self._measures(named, outcome, fold),
                "fit_time": outcome.seconds,
                "tuning_time": choice.seconds,
                "chosen": dict(choice.candidate.parameters),
            }
            for (number, fold, named), choice, outcome in zip(pairs, choices, outcomes, strict=True)
        ]
        _report_failures([named for *_, named in pairs], outcomes)
        chosen = [(named, choice.candidate) for (*_, named), choice in zip(pairs, choices, strict=True)]
        self.notes = [*notes_of_constants(self.constant, len(self.folds)), *notes_of_edges(chosen)]
        return lines

    def best_of(self, results: pd.DataFrame, whole: OuterFold) -> Best | None:
        """Fit the regularizer with the best results to all rows; return None, with a warning, if that fails."""
        means = results.groupby("regularizer", sort=False)["test_score"].agg(lambda scores: scores.mean(skipna=False))
        if means.isna().all():
            self.bar.expect(0)
            return None
        (named,) = (named for named in self.estimators if named.name == means.idxmax())
        self.bar.expect(n_fits_of(named, whole))
        try:
            (choice,) = self._choices([whole], [named])
            (outcome,) = self._fit([_task(named, choice.candidate, whole, whole.train)])
        except ValueError as error:
            outcome = Outcome(None, None, error)
        if outcome.error is not None:
            warn_user(
                f"The fit of the best regularizer, {named.name!r}, to all rows failed, so there is no "
                f"'best_estimator_': {outcome.error!r}",
                FitFailedWarning,
            )
            return None
        return Best(named.name, outcome.estimator, dict(choice.candidate.parameters))

    def _choices(self, folds: list[OuterFold], named_estimators: list[NamedEstimator]) -> list["Choice"]:
        """Return the best parameters of every estimator in some outer folds, fold by fold."""
        pairs = [(fold, named) for fold in folds for named in named_estimators]
        tasks = [_inner_tasks(named, fold) for fold, named in pairs]
        outcomes = iter(self._fit([task for of_pair in tasks for task in of_pair]))
        return [
            self._choice(named, fold, list(islice(outcomes, len(of_pair))))
            for (fold, named), of_pair in zip(pairs, tasks, strict=True)
        ]

    def _choice(self, named: NamedEstimator, fold: OuterFold, outcomes: list[Outcome]) -> "Choice":
        """Return the candidate with the best mean score; one that fails in an inner fold is not taken."""
        if not outcomes:
            return Choice(named.candidates[0], 0.0)
        scorer = self.tuning_scorers[named.name]
        held_out = [self._rows(test) for _, test in fold.inner] * len(named.candidates)
        scores = [_measured(outcome, np.nan, scorer, *rows) for outcome, rows in zip(outcomes, held_out, strict=True)]
        raise_common_error(outcomes)
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        means = np.reshape(scores, (len(named.candidates), len(fold.inner))).mean(axis=1)
        if np.isnan(means).all():
            reason = f"the first error: {errors[0]!r}" if errors else "scores are NaN"
            message = f"No candidate of {named.name!r} has a score in all inner folds of an outer fold; {reason}"
            raise ValueError(message) from (errors[0] if errors else None)
        if errors:
            warn_user(
                f"{len(errors)} of {len(outcomes)} inner fits of {named.name!r} failed, so their candidates were "
                f"excluded; the first error: {errors[0]!r}",
                FitFailedWarning,
            )
        return Choice(named.candidates[np.nanargmax(means)], sum(outcome.seconds for outcome in outcomes))

    def _fit(self, tasks: list[Task]) -> list[Outcome]:
        options = self.options | {"leave_callbacks": False, "on_fitted": self.bar.settle}
        return outcome_of_each(tasks, fit_tasks(self.X, self.y, tasks, {}, self.structure, **options))

    def _rows(self, rows: np.ndarray) -> tuple:
        return safe_indexing(self.X, rows), self.y[rows]

    def _measures(self, named: NamedEstimator, outcome: Outcome, fold: OuterFold) -> dict[str, float]:
        """Return the measures of a fit on the rows of an outer fold."""
        has_quantiles = quantile_levels(named.estimator) is not None
        missing = dict.fromkeys(names_of_measures(self.classifier, has_quantiles), np.nan)
        rows = self._rows(fold.train), self._rows(fold.test)
        measure = partial(measures_of, classifier=self.classifier)
        measures = _measured(outcome, missing, measure, self.scorers[named.name], *rows)
        if outcome.error is None and len(fold.test) > 1 and predictions_are_constant(outcome.estimator, rows[1][0]):
            self.constant[named.name] += 1
        return measures


@dataclass
class Choice:
    """The chosen candidate, and the seconds that the choice took."""

    candidate: Candidate
    seconds: float


def _measured(outcome: Outcome, missing, measure: Callable, *arguments):
    """Return the measures of an outcome, or ``missing`` where its fit or a measure fails.

    As in scikit-learn's searches, a fit that cannot be scored has failed.
    """
    if outcome.error is None:
        try:
            return measure(outcome.estimator, *arguments)
        except Exception as error:  # whatever a user's scorer raises; it is reported with those of fits
            outcome.error = error
    return missing


def _inner_tasks(named: NamedEstimator, fold: OuterFold) -> list[Task]:
    """Return the tasks that a choice depends on; none if there is nothing to choose."""
    if len(named.candidates) == 1:
        return []
    return [_task(named, candidate, fold, train) for candidate in named.candidates for train, _ in fold.inner]


def _task(named: NamedEstimator, candidate: Candidate, fold: OuterFold, rows: np.ndarray) -> Task:
    """Return the task of fitting a candidate, with the seed of the fold wherever none is given."""
    seeds = dict.fromkeys(candidate.unseeded, fold.seed)
    return Task(named.estimator, candidate.parameters | seeds, rows)


def _report_failures(named_estimators: list[NamedEstimator], outcomes: list[Outcome]) -> None:
    """Raise if all fits of an estimator have failed; warn if some have, and give the warnings of the others."""
    of_each = defaultdict(list)
    for named, outcome in zip(named_estimators, outcomes, strict=True):
        of_each[named.name].append(outcome)
    for name, own in of_each.items():
        raise_common_error(own)
        errors = [outcome.error for outcome in own if outcome.error is not None]
        if len(errors) == len(own):
            raise ValueError(f"All {len(own)} fits of {name!r} failed; the first error: {errors[0]!r}") from errors[0]
        if errors:
            warn_user(
                f"{len(errors)} of {len(own)} fits of {name!r} failed, so its scores are NaN there; the first error: "
                f"{errors[0]!r}",
                FitFailedWarning,
            )
        for message, category in dict.fromkeys(warning for outcome in own for warning in _warnings_of(outcome)):
            warn_user(f"{name!r}: {message}", category)


def _warnings_of(outcome: Outcome) -> list[tuple]:
    """Return the warnings of a fit, without those of convergence where early stopping has taken the best epoch."""
    network = network_of(outcome.estimator)
    stops_early = network is not None and network.early_stopping is not False
    return [warning for warning in outcome.warnings if not (stops_early and warning[1] is ConvergenceWarning)]


def _scorer(estimator, scoring, classifier: bool) -> Callable:
    """Return the scorer of the results: the same for all, though an estimator may have another one, as searches do."""
    if scoring is None and quantile_levels(estimator):
        return quantile_score
    return check_scoring(estimator, scoring=("accuracy" if classifier else "r2") if scoring is None else scoring)


def _tuning_scorer(estimator, scoring, classifier: bool) -> Callable:
    """Return the scorer of the choice: minus the loss, unless another is given or the estimator has none."""
    if scoring is not None:
        return check_scoring(estimator, scoring=scoring)
    if quantile_levels(estimator):
        return minus_pinball_loss
    if not classifier:
        return check_scoring(estimator, scoring="neg_mean_squared_error")
    return minus_log_loss if hasattr(estimator, "predict_proba") else check_scoring(estimator, scoring="accuracy")


def _name(scoring, default: str) -> str:
    if scoring is None or isinstance(scoring, str):
        return default if scoring is None else scoring
    return getattr(scoring, "__name__", None) or repr(scoring)


def _task_in_words(y: np.ndarray, classifier: bool) -> str:
    n_columns = 1 if y.ndim == 1 else y.shape[1]
    if classifier:
        return f"{len(np.unique(y))} classes" if y.ndim == 1 else f"{n_columns} labels"
    return f"regression, {n_columns} {'target' if n_columns == 1 else 'targets'}"
