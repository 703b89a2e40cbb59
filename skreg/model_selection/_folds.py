"""Folds of a cross-validation along a path: their fits and scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.scoring import score_of
from skreg._sklearn_private import safe_indexing
from skreg._warnings import Message
from skreg.model_selection._alphas import NullModel, has_hidden_layers
from skreg.model_selection._path import starts_strong
from skreg.model_selection._routines import Request, Routine, together
from skreg.model_selection._strengths import Step
from skreg.model_selection._warm_fits import WarmFits
from skreg.stopping import Following, RowStructure

# Strengths that are also fitted from scratch: all of up to so many, of more those that are this ratio apart.
N_ALL_FROM_SCRATCH = 12
RATIO_FROM_SCRATCH = 2.5


def columns(X, features: np.ndarray):
    """Return some columns of X; X itself if they are all."""
    return X if len(features) == X.shape[1] else safe_indexing(X, features, axis=1)


@dataclass
class Problem:
    """An estimator and the features that it may use: all, or those that an earlier fit has selected."""

    estimator: BaseRegularizedMLP
    features: np.ndarray

    def on_rows(self, structure: RowStructure) -> "Problem":
        """Return the problem on some rows, whose structure early stopping follows."""
        if not self.estimator.early_stopping:
            return self
        rule = Following(self.estimator.early_stopping, structure)
        return Problem(clone(self.estimator).set_params(early_stopping=rule), self.features)

    def reweighted(self, model) -> "Problem | None":
        """Return the problem of the adaptive second stage after a fit of this one; None if the fit uses no feature."""
        if not model.feature_importances_.any():
            return None
        penalty, selected = model.penalty_.reweighted(model.coefs_[0])
        return Problem(
            clone(self.estimator).set_params(penalty=penalty, alpha=None, l1_ratio=None), self.features[selected]
        )

    def relaxed(self, models, X, y, sample_weight, known: dict) -> Routine:
        """Return, for each fit, its features and a fit to them alone without the penalty that has selected them.

        A fit without features is returned as it is, with all features of this problem. ``known`` holds the results of
        earlier calls with the same rows, by features, and gets those of this one.
        """
        requests = []
        for model in models:
            used = model.feature_importances_.nonzero()[0]
            if used.tobytes() in known:
                continue
            features, free = self.features, model
            if len(used):
                penalty = clone(model.penalty_).set_params(alpha=0.0)
                features = self.features[used]
                free = clone(self.estimator).set_params(penalty=penalty, alpha=None, l1_ratio=None)
                requests.append(Request(free, (columns(X, features), y, sample_weight)))
            known[used.tobytes()] = features, free
        if requests:
            yield requests
        return [known[model.feature_importances_.nonzero()[0].tobytes()] for model in models]


def embed(model, features: np.ndarray, attributes: dict) -> None:
    """Turn an estimator that was fitted to some columns into one that takes all of them.

    ``attributes`` are those of the data with all columns.
    """
    n_features = attributes["n_features_in_"]

    def spread(W):
        full = np.zeros((n_features, W.shape[1]), dtype=W.dtype)
        full[features] = W
        return full

    model.coefs_ = [spread(model.coefs_[0]), *model.coefs_[1:]]
    if model.skip_coef_ is not None:
        model.skip_coef_ = spread(model.skip_coef_)
    model.input_features_ = np.arange(n_features)
    vars(model).update(attributes)


class PathFits:
    """Fits of the steps of a path to some rows.

    Parameters
    ----------
    problem : Problem
        The estimator and its features.
    X, y, sample_weight : array-like
        The rows, with all columns.
    alphas : ndarray
        Strengths, ascending.
    direction : str
        Parameter of :func:`~skreg.model_selection.regularization_path`.
    **options : dict
        Parameters of :class:`WarmFits`.

    Attributes
    ----------
    models : dict of Step to estimator
        The fits that are made.
    """

    def __init__(self, problem: Problem, X, y, sample_weight, alphas, *, direction: str, **options):
        self.problem = problem
        self.data = columns(X, problem.features), y, sample_weight
        self.alphas = alphas
        self.models: dict[Step, BaseRegularizedMLP] = {}
        up = not starts_strong(problem.estimator, direction)
        null = NullModel.of(problem.estimator, *self.data)
        self._warm_fits = WarmFits(problem.estimator, *self.data, null, up=up, **options)

    def fit(self, steps: Sequence[Step]) -> Routine:
        """Make some steps together, each of which starts from scratch or from one of an earlier call."""
        routines = [
            self._warm_fits.started_from(step.start and self.models[step.start], self.alphas[step.strength])
            for step in steps
        ]
        self.models.update(zip(steps, (yield from together(routines)), strict=True))


class Fold(PathFits):
    """Fits of the steps of a path to the training rows of a fold, and their scores on the others.

    Parameters
    ----------
    problem : Problem
        The estimator and its features.
    X, y, sample_weight : array-like
        All rows.
    split : tuple of ndarray
        Indices of the rows for training and for testing.
    alphas : ndarray
        Strengths, ascending.
    score : callable
        Takes a fitted estimator, X, y and sample weights.
    relax : bool
        Whether the features that a fit has selected are scored after a fit without the penalty.
    **options : dict
        Parameters of :class:`PathFits`.
    """

    def __init__(self, problem, X, y, sample_weight, split, alphas, *, score: Callable, relax: bool, **options):
        train, self._test = (
            (safe_indexing(X, rows), safe_indexing(y, rows), None if sample_weight is None else sample_weight[rows])
            for rows in split
        )
        super().__init__(problem, *train, alphas, **options)
        self._train, self._score, self._relax = train, score, relax
        self._relaxed: dict = {}

    def scored(self, steps: Sequence[Step]) -> Routine:
        """Make some steps, and return their scores and the numbers of features that they use."""
        yield from self.fit(steps)
        models = [self.models[step] for step in steps]
        fits = [(self.problem.features, model) for model in models]
        if self._relax:
            fits = yield from self.problem.relaxed(models, *self._train, self._relaxed)
        X, y, weight = self._test
        scores = [self._score(model, columns(X, features), y, weight) for features, model in fits]
        return scores, [np.count_nonzero(model.feature_importances_) for model in models]


@dataclass
class PathScores:
    """Scores of the steps of a path on all folds.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths, ascending.
    steps : list of Step
        The steps.
    scores : ndarray of shape (n_folds, n_steps)
        Scores of the test rows, as the scorer has returned them.
    n_selected : ndarray of shape (n_folds, n_steps)
        Numbers of features that the fits use.
    """

    alphas: np.ndarray
    steps: list[Step]
    scores: np.ndarray
    n_selected: np.ndarray

    @classmethod
    def none(cls, alphas: np.ndarray, n_folds: int) -> "PathScores":
        """Return the scores of no steps, to add others."""
        return cls(alphas, [], np.empty((n_folds, 0)), np.empty((n_folds, 0), dtype=int))

    def add(self, steps: list[Step], scores: np.ndarray, n_selected: np.ndarray) -> None:
        """Add the results of further steps, of shape (n_folds, n_steps)."""
        self.steps += steps
        self.scores = np.hstack([self.scores, scores])
        self.n_selected = np.hstack([self.n_selected, n_selected])

    def by_strength(self) -> tuple[list[Step | None], np.ndarray, np.ndarray]:
        """Return the best step of each strength, and its scores and numbers of features; None, NaN and -1 without one.

        A score that is not finite is NaN, and the step worse than all others. Among equals the later one is taken.
        """
        finite = np.where(np.isfinite(self.scores), self.scores, np.nan)
        mean = np.nan_to_num(finite.mean(axis=0), nan=-np.inf)
        best: list[int | None] = [None] * len(self.alphas)
        for number, step in enumerate(self.steps):
            other = best[step.strength]
            if other is None or mean[number] >= mean[other]:
                best[step.strength] = number
        scores = np.full((len(finite), len(best)), np.nan)
        n_selected = np.full(scores.shape, -1)
        for k, number in enumerate(best):
            if number is not None:
                scores[:, k], n_selected[:, k] = finite[:, number], self.n_selected[:, number]
        return [None if number is None else self.steps[number] for number in best], scores, n_selected

    def left_out(self) -> list[Message]:
        """Return a warning of strengths that have no finite score in some fold; raise ValueError if none are left."""
        found = np.argwhere(~np.isfinite(self.scores))
        if not len(found):
            return []
        fold, number = found[0]
        alpha, score = self.alphas[self.steps[number].strength], float(self.scores[fold, number])
        first = f"got {score!r} for alpha={alpha:.3g} in fold {fold}"
        _, scores, _ = self.by_strength()
        if np.isnan(scores).any(axis=0).all():
            raise ValueError(
                f"The scorer in 'scoring' must return a finite number for every fold of at least one strength; {first}."
            )
        text = (
            f"{len(found)} of the scores of folds and strengths are not finite, so these strengths were left out of "
            f"the choice; {first}."
        )
        return [(text, UserWarning)]


def strengths_from_scratch(estimator, alphas: np.ndarray, direction: str) -> np.ndarray:
    """Return the indices of the strengths that are also fitted from scratch.

    A path trains longer than a fit from scratch, and ends at other weights, which are mostly, but not always, better.
    Without hidden layers both end at the same weights.
    """
    if not has_hidden_layers(estimator) or starts_strong(estimator, direction):
        return np.arange(0)
    if len(alphas) <= N_ALL_FROM_SCRATCH:
        return np.arange(len(alphas))
    tried = [len(alphas) - 1]
    for k in range(len(alphas) - 2, -1, -1):
        if alphas[tried[0]] >= RATIO_FROM_SCRATCH * alphas[k]:
            tried.insert(0, k)
    return np.array(tried)


def negative_loss(model, X, y, sample_weight) -> float:
    """Return minus the mean loss."""
    return -model._mean_loss(X, y, sample_weight)


@dataclass
class WeightedScorer:
    """A scorer of scikit-learn that gets sample weights where there are any."""

    scorer: Callable
    scoring: str | Callable

    def __call__(self, model, X, y, sample_weight) -> float:
        """Return the score."""
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return score_of(self.scorer, self.scoring, model, X, y, rows="held-out", **weights)
