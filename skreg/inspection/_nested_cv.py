"""Nested cross-validation: every regularizer is tuned and scored on the same folds."""

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
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import check_scoring

from skreg._estimator.advice import is_about_few_to_stop_on
from skreg._estimator.scoring import number_of
from skreg._sklearn_private import (
    safe_indexing,
)
from skreg._version import __version__
from skreg._warnings import warn_user
from skreg.backends import keeping_data
from skreg.compose import quantile_levels, quantile_score
from skreg.inspection._bar import FitsBar
from skreg.inspection._design import (
    Candidate,
    ComparisonOptions,
    Design,
    NamedEstimator,
    OuterFold,
    common_quantiles,
    design_of,
    n_fits_of,
    settings_of,
)
from skreg.inspection._measures import measures_of, minus_log_loss, minus_pinball_loss, names_of_measures
from skreg.inspection._notes import notes_of_constants, notes_of_edges, predictions_are_constant
from skreg.inspection._results import Best
from skreg.model_selection._batched_fits import (
    Outcome,
    Task,
    fit_tasks,
    network_of,
    outcome_of_each,
    raise_common_error,
)

# Number of outer folds whose inner fits are made, and held until they are scored, at the same time: enough networks of
# a kind for one batched program, without all of them in memory.
FOLDS_TOGETHER = 5


@keeping_data()
def run_comparison(X, y, estimators, options: ComparisonOptions) -> dict:
    """Compare estimators as :func:`compare_regularizers` does.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    estimators : dict of str to estimator or tuple, or None
        As for :func:`compare_regularizers`.
    options : ComparisonOptions
        Its other parameters.

    Returns
    -------
    dict
        Arguments of :class:`~skreg.inspection._results.ComparisonResults`.
    """
    design = design_of(X, y, estimators, options)
    classifier, scoring = design.classifier, options.scoring
    tuning_scoring = scoring if options.tuning_scoring is None else options.tuning_scoring
    quantiles = common_quantiles(design.estimators)
    loss_name = "log-loss" if classifier else "pinball loss" if quantiles else "squared error"
    with FitsBar(design.n_fits, "comparing regularizers", options.verbose) as bar:
        nested_cv = NestedCV(
            design,
            scorers={c.name: _scorer(c.estimator, scoring, classifier) for c in design.estimators},
            tuning_scorers={c.name: _tuning_scorer(c.estimator, tuning_scoring, classifier) for c in design.estimators},
            options={"n_jobs": options.n_jobs, "memory_limit": options.memory_limit, "on_progress": bar.add},
            bar=bar,
        )
        folds = pd.DataFrame(nested_cv.results())
        best = None if design.whole is None else nested_cv.best_of(folds, design.whole)
    return {
        "folds": folds,
        "best": best,
        "notes": nested_cv.notes,
        "score_name": _name(scoring, "accuracy" if classifier else "D²" if quantiles else "R²"),
        "n_train": design.n_train,
        "n_test": design.n_test,
        "settings": {
            **settings_of(design, options),
            "strength chosen by": _name(tuning_scoring, loss_name),
            **_random_state_and_versions(options.random_state),
        },
    }


def _random_state_and_versions(random_state) -> dict[str, str]:
    """Return the random state and the versions of the packages, for the report of a comparison."""
    return {
        "random_state": repr(random_state) if isinstance(random_state, Integral | None) else "an instance",
        "versions": f"skreg {__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}",
    }


@dataclass
class NestedCV:
    """Nested cross-validation of some estimators: all fits of a comparison, and their results."""

    design: Design
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
        folds, named_estimators = self.design.folds, self.design.estimators
        for first in range(0, len(folds), FOLDS_TOGETHER):
            choices += self._choices(folds[first : first + FOLDS_TOGETHER], named_estimators)
        pairs = [(number, fold, named) for number, fold in enumerate(folds) for named in named_estimators]
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
        self.notes = [*notes_of_constants(self.constant, len(folds)), *notes_of_edges(chosen)]
        return lines

    def best_of(self, results: pd.DataFrame, whole: OuterFold) -> Best | None:
        """Fit the regularizer with the best results to all rows; return None, with a warning, if that fails."""
        means = results.groupby("regularizer", sort=False)["test_score"].agg(lambda scores: scores.mean(skipna=False))
        if means.isna().all():
            self.bar.expect(0)
            return None
        (named,) = (named for named in self.design.estimators if named.name == means.idxmax())
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
        scores = [
            _measured(outcome, np.nan, partial(_number, scorer), *rows)
            for outcome, rows in zip(outcomes, held_out, strict=True)
        ]
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
        design = self.design
        options = self.options | {"leave_callbacks": False, "on_fitted": self.bar.settle}
        return outcome_of_each(tasks, fit_tasks(design.X, design.y, tasks, {}, design.structure, **options))

    def _rows(self, rows: np.ndarray) -> tuple:
        return safe_indexing(self.design.X, rows), self.design.y[rows]

    def _measures(self, named: NamedEstimator, outcome: Outcome, fold: OuterFold) -> dict[str, float]:
        """Return the measures of a fit on the rows of an outer fold."""
        has_quantiles = quantile_levels(named.estimator) is not None
        missing = dict.fromkeys(names_of_measures(self.design.classifier, has_quantiles), np.nan)
        rows = self._rows(fold.train), self._rows(fold.test)
        measure = partial(measures_of, classifier=self.design.classifier)
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
        except Exception as error:  # any error of a user's scorer; it is reported with those of fits
            outcome.error = error
    return missing


def _number(scorer: Callable, estimator, X, y) -> float:
    """Return a score, after a check that it is a number."""
    return number_of(scorer(estimator, X, y))


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
            warn_user(message, category, prefix=f"{name!r}: ")


def _warnings_of(outcome: Outcome) -> list[tuple]:
    """Return the warnings of a fit, but for two kinds of a network with early stopping.

    These are about convergence, for it has taken the best epoch, and about few rows to stop on, for a comparison
    measures what it is worth on these.
    """
    network = network_of(outcome.estimator)
    if network is None or network.early_stopping is False:
        return outcome.warnings
    return [item for item in outcome.warnings if not (item[1] is ConvergenceWarning or is_about_few_to_stop_on(item))]


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
