"""Folds of a cross-validation along a path: their fits and scores, and the choice of a strength."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone

from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.scoring import score_of
from skreg._sklearn_private import safe_indexing
from skreg._warnings import Message
from skreg.model_selection._alphas import has_hidden_layers
from skreg.model_selection._path import fit_path, starts_strong
from skreg.model_selection._routines import Request, Routine
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

    def path(self, X, y, sample_weight, alphas, **options) -> Routine:
        """Return an estimator for each strength, fitted along the path to the columns of the features."""
        return fit_path(
            self.estimator, columns(X, self.features), y, sample_weight, alphas, second_pass=False, **options
        )

    def from_scratch(self, X, y, sample_weight, alphas) -> Routine:
        """Return an estimator for each strength, fitted from scratch."""
        return WarmFits(self.estimator, columns(X, self.features), y, sample_weight, None).from_scratch(alphas)

    def reweighted(self, model) -> "Problem | None":
        """Return the problem of the adaptive second stage after a fit of this one; None if the fit uses no feature."""
        if not model.feature_importances_.any():
            return None
        penalty, selected = model.penalty_.reweighted(model.coefs_[0])
        return Problem(
            clone(self.estimator).set_params(penalty=penalty, alpha=None, l1_ratio=None), self.features[selected]
        )

    def relaxed(self, models, X, y, sample_weight) -> Routine:
        """Return, for each fit, its features and a fit to them alone without the penalty that has selected them.

        A fit without features is returned as it is, with all features of this problem.
        """
        known, requests = {}, []
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


@dataclass
class FoldPath:
    """Results of a fold for each strength, of fits along the path (first row) and from scratch (second row).

    Attributes
    ----------
    scores : ndarray of shape (2, n_alphas)
        Scores of the test rows; NaN where there is no fit from scratch.
    n_selected : ndarray of shape (2, n_alphas)
        Numbers of features that the fits use.
    problems : list of two dicts
        Problems of the second stage by index of the strength; empty unless they are asked for.
    not_finite : list of tuple
        Strength and score of each fit whose score is not finite: NaN takes its place in ``scores``.
    """

    scores: np.ndarray
    n_selected: np.ndarray
    problems: list[dict[int, "Problem | None"]]
    not_finite: list[tuple[float, float]] = field(default_factory=list)


def score_fold(problem, X, y, sample_weight, split, alphas, *, score, relax, keep_problems, **options) -> Routine:
    """Fit a path on the training rows of a fold, and score it on the others.

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
    keep_problems : bool
        Whether to return the problems of the second stage.
    **options : dict
        Options of :func:`~skreg.model_selection._path.fit_path`.

    Returns
    -------
    FoldPath
        The results, in the order of ``alphas``; as a routine.
    """
    (X_train, y_train, w_train), (X_test, y_test, w_test) = (
        (safe_indexing(X, rows), safe_indexing(y, rows), None if sample_weight is None else sample_weight[rows])
        for rows in split
    )
    of_path = yield from problem.path(X_train, y_train, w_train, alphas, **options)
    tried = strengths_from_scratch(problem.estimator, alphas, options["direction"])
    from_scratch = yield from problem.from_scratch(X_train, y_train, w_train, alphas[tried])
    models = [*of_path, *from_scratch]
    scored = [(problem.features, model) for model in models]
    if relax:
        scored = yield from problem.relaxed(models, X_train, y_train, w_train)
    scores = np.array([score(model, columns(X_test, features), y_test, w_test) for features, model in scored])
    strengths = np.concatenate([alphas, alphas[tried]])
    is_finite = np.isfinite(scores)
    not_finite = list(zip(strengths[~is_finite].tolist(), scores[~is_finite].tolist(), strict=True))
    scores[~is_finite] = np.nan

    def table(values, missing):
        rows = np.full((2, len(alphas)), missing)
        rows[0], rows[1, tried] = values[: len(alphas)], values[len(alphas) :]
        return rows

    problems = [{}, {}]
    if keep_problems:
        reweighted = [problem.reweighted(model) for model in models]
        problems = [
            dict(enumerate(reweighted[: len(alphas)])),
            dict(zip(tried, reweighted[len(alphas) :], strict=True)),
        ]
    return FoldPath(
        table(scores, np.nan),
        table([np.count_nonzero(model.feature_importances_) for model in models], 0),
        problems,
        not_finite,
    )


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


def better_way(folds: list[FoldPath]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which fits are better at each strength (0: path, 1: from scratch), and their scores and selections."""
    scores, n_selected = (np.stack([getattr(fold, name) for fold in folds]) for name in ("scores", "n_selected"))
    ways = np.nan_to_num(scores.mean(axis=0), nan=-np.inf).argmax(axis=0)
    strengths = np.arange(scores.shape[2])
    return ways, scores[:, ways, strengths], n_selected[:, ways, strengths]


def left_out(folds: list[FoldPath]) -> list[Message]:
    """Return a warning of strengths that have no finite score in some fold; raise ValueError if none are left."""
    found = [(i, *item) for i, fold in enumerate(folds) for item in fold.not_finite]
    if not found:
        return []
    _, scores, _ = better_way(folds)
    number, alpha, score = found[0]
    first = f"got {score!r} for alpha={alpha:.3g} in fold {number}"
    if np.isnan(scores).any(axis=0).all():
        raise ValueError(
            f"The scorer in 'scoring' must return a finite number for every fold of at least one strength; {first}."
        )
    text = (
        f"{len(found)} of the scores of folds and strengths are not finite, so these strengths were left out of the "
        f"choice; {first}."
    )
    return [(text, UserWarning)]


def choose(scores: np.ndarray, selection: str) -> int:
    """Return the index of the chosen strength, from scores of shape (n_folds, n_alphas), strengths ascending.

    'best' is the highest mean, and the largest strength among equals. 'one_se' is the largest strength whose mean is
    within one standard error of that (Hastie, Tibshirani and Friedman, 2009, section 7.10.1). A strength with a score
    of NaN is not chosen.
    """
    mean = np.nan_to_num(scores.mean(axis=0), nan=-np.inf)
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))
    if selection == "best":
        return best
    standard_error = scores[:, best].std(ddof=1) / np.sqrt(len(scores))
    return int(np.flatnonzero(mean >= mean[best] - standard_error).max())


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
