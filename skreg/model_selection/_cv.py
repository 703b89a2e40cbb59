"""Estimators that choose the strength of their penalty by cross-validation along a path."""

from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import clone, is_classifier
from sklearn.callback import with_callbacks
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import indexable
from sklearn.utils.multiclass import type_of_target
from tqdm import tqdm

from skreg._alone import check_takes_weights
from skreg._axes import with_axes
from skreg._base import BaseRegularizedMLP
from skreg._data import as_numpy
from skreg._docs import cv_docstring
from skreg._seeds import draw_seeds, seeded_splitter
from skreg._sklearn_private import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    num_samples,
    safe_indexing,
)
from skreg._state import TRAINING_STATE
from skreg._warnings import warn_user
from skreg.classifier import RegularizedMLPClassifier
from skreg.model_selection._alphas import check_alphas, has_hidden_layers, is_empty, penalty_of
from skreg.model_selection._path import DIRECTIONS, find_alphas, fit_path, starts_strong
from skreg.model_selection._routines import Request, Routine, run, run_together, silenced
from skreg.model_selection._warm_fits import WarmFits
from skreg.penalties._groups import GroupPenalty
from skreg.regressor import RegularizedMLPRegressor
from skreg.stopping import Following, RowStructure, check_groups, row_numbers, takes_groups

# The strengths that are tried from scratch, too: all of a coarse grid, of a finer one those that are this far apart.
N_ALL_FROM_SCRATCH = 12
RATIO_FROM_SCRATCH = 2.5
# Rows that are looked at to find out whether predictions are constant.
N_ROWS_LOOKED_AT = 1000


def columns(X, features: np.ndarray):
    """Return some columns of X; X itself if they are all."""
    return X if len(features) == X.shape[1] else safe_indexing(X, features, axis=1)


@dataclass
class Problem:
    """An estimator and the features that it may use: all of them, or those that an earlier fit has kept."""

    estimator: BaseRegularizedMLP
    features: np.ndarray

    def on_rows(self, structure: RowStructure) -> "Problem":
        """Return the problem on some rows, whose structure early stopping follows."""
        if not self.estimator.early_stopping:
            return self
        rule = Following(self.estimator.early_stopping, structure)
        return Problem(clone(self.estimator).set_params(early_stopping=rule), self.features)

    def path(self, X, y, sample_weight, alphas, **options) -> Routine:
        """Return a fitted estimator for each strength; it takes the columns of the features."""
        return fit_path(
            self.estimator, columns(X, self.features), y, sample_weight, alphas, second_pass=False, **options
        )

    def from_scratch(self, X, y, sample_weight, alphas) -> Routine:
        """Return a fitted estimator for each of some strengths, none of which knows of another."""
        return WarmFits(self.estimator, columns(X, self.features), y, sample_weight, None).from_scratch(alphas)

    def adapted(self, model) -> "Problem | None":
        """Return the problem of the second stage after a fit of this one; None if the fit uses no feature."""
        if not model.feature_importances_.any():
            return None
        penalty, kept = model.penalty_.adapted(model.coefs_[0])
        return Problem(
            clone(self.estimator).set_params(penalty=penalty, alpha=None, l1_ratio=None), self.features[kept]
        )

    def relaxed(self, models, X, y, sample_weight) -> Routine:
        """Return, for each of some fits, its features and a fit on them alone without the selecting penalty.

        A fit that uses none is the best constant already, and takes all columns of this problem.
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


def embed(model, features: np.ndarray, n_features: int, names: np.ndarray | None) -> None:
    """Turn an estimator that was fitted on some columns into one that takes all of them."""

    def spread(W):
        full = np.zeros((n_features, W.shape[1]), dtype=W.dtype)
        full[features] = W
        return full

    model.coefs_ = [spread(model.coefs_[0]), *model.coefs_[1:]]
    if model.skip_coef_ is not None:
        model.skip_coef_ = spread(model.skip_coef_)
    model.input_features_ = np.arange(n_features)
    model.n_features_in_ = n_features
    if names is not None:
        model.feature_names_in_ = names


@dataclass
class FoldPath:
    """What a fold says of each strength, for fits along the path and for fits from scratch.

    Attributes
    ----------
    scores : ndarray of shape (2, n_alphas)
        Scores of the test rows; NaN where there is no fit from scratch.
    n_selected : ndarray of shape (2, n_alphas)
        Numbers of features that the fits use.
    problems : list of two dicts
        Problems of a second stage by number of the strength, if they are wanted.
    """

    scores: np.ndarray
    n_selected: np.ndarray
    problems: list[dict[int, "Problem | None"]]


def score_fold(problem, X, y, sample_weight, split, alphas, *, score, relax, keep_problems, **options) -> Routine:
    """Fit a path on the training rows of a fold, and score it on the others.

    Parameters
    ----------
    problem : Problem
        What to fit.
    X, y, sample_weight : array-like
        All rows.
    split : tuple of ndarray
        Numbers of the rows for training and for testing.
    alphas : ndarray
        Strengths, ascending.
    score : callable
        Takes a fitted estimator, X, y and sample weights.
    relax : bool
        Whether the features that a fit has selected are scored after a fit without the penalty.
    keep_problems : bool
        Whether the problems of a second stage are wanted.
    **options : dict
        Of the path.

    Returns
    -------
    FoldPath
        Its entries have the order of ``alphas``; as a routine.
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
    scores = [score(model, columns(X_test, features), y_test, w_test) for features, model in scored]
    if not np.isfinite(scores).all():
        raise ValueError(
            "The scorer given as 'scoring' must return a finite number for every fold and strength; got "
            f"{scores[int(np.argmin(np.isfinite(scores)))]!r} for {len(y_test)} held-out rows."
        )

    def table(values, missing):
        rows = np.full((2, len(alphas)), missing)
        rows[0], rows[1, tried] = values[: len(alphas)], values[len(alphas) :]
        return rows

    problems = [{}, {}]
    if keep_problems:
        adapted = [problem.adapted(model) for model in models]
        problems = [dict(enumerate(adapted[: len(alphas)])), dict(zip(tried, adapted[len(alphas) :], strict=True))]
    return FoldPath(
        table(scores, np.nan),
        table([np.count_nonzero(model.feature_importances_) for model in models], 0),
        problems,
    )


def strengths_from_scratch(estimator, alphas: np.ndarray, direction: str) -> np.ndarray:
    """Return the indices of the strengths that are tried from scratch, beside the path.

    A path trains longer than a fit from scratch, and ends elsewhere. That is mostly, but not always, for the better.
    Without hidden layers both come to the same end.
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
    """Return which fits do better at each strength, 0 along the path or 1 from scratch, their scores and selections."""
    scores, n_selected = (np.stack([getattr(fold, name) for fold in folds]) for name in ("scores", "n_selected"))
    ways = np.nan_to_num(scores.mean(axis=0), nan=-np.inf).argmax(axis=0)
    places = np.arange(scores.shape[2])
    return ways, scores[:, ways, places], n_selected[:, ways, places]


def choose(scores: np.ndarray, selection: str) -> int:
    """Return the index of the chosen strength, from scores of shape (n_folds, n_alphas), strengths ascending.

    'best' is the highest mean, and the largest strength among equals. 'one_se' is the largest strength whose mean is
    within one standard error of that (Hastie, Tibshirani and Friedman, 2009, section 7.10.1).
    """
    mean = scores.mean(axis=0)
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))
    if selection == "best":
        return best
    standard_error = scores[:, best].std(ddof=1) / np.sqrt(len(scores))
    return int(np.flatnonzero(mean >= mean[best] - standard_error).max())


class PathCV:
    """What the estimators with cross-validation share."""

    _cv_constraints: ClassVar[dict] = {
        "alphas": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
        "selection": [StrOptions({"best", "one_se"})],
        "relax": ["boolean"],
        "adaptive": ["boolean"],
        "refit": ["boolean"],
        "direction": [StrOptions(DIRECTIONS)],
        "n_jobs": [Integral, None],
    }

    @abstractmethod
    def _plain_class(self) -> type:
        """Return the class of the estimator without cross-validation."""

    @property
    def _wants_groups(self):
        return takes_groups(self.cv) or takes_groups(self._stopping_rule()[0])

    def _plain_estimator(self):
        kind = self._plain_class()
        # These two mean something else here: they are those of the folds.
        passed_on = kind().get_params(deep=False).keys() - {"scoring", "verbose"}
        return kind(**{name: value for name, value in self.get_params(deep=False).items() if name in passed_on})

    # A choice among many fits has no one training that could go on.
    _goes_on_later = False

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Choose a strength by cross-validation, and fit all rows with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, as for the estimator with a given strength.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, for fits and scores. Rows with weight 0 are left out. None means equal weights.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for splitters in `cv` and `early_stopping` that ask for it. If no group is on both sides
            of a fold, ``early_stopping=True`` keeps groups whole, too.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described, or if training diverges. The estimator is then as
            it was before.
        """
        with self._unchanged_on_error():
            self._fit(X, y, sample_weight, groups)
        return self

    @with_callbacks
    def _fit(self, X, y, sample_weight, groups):
        self._forget()
        task = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        plain = self._plain_estimator()
        # In a search or comparison the rows have a structure already, which early stopping follows, whatever `cv` is.
        rule, around = self._stopping_rule()
        plain.set_params(early_stopping=rule)
        # Once, and not again for each of many fits.
        plain._warn_of_unused()
        plain = plain._without_unused()
        penalty = penalty_of(plain)
        self._check_choice(penalty)
        # One seed for all fits; an instance of RandomState is advanced, as in every other fit.
        seeds = draw_seeds(self.random_state, "path", "folds")
        plain.set_params(random_state=seeds["path"])
        alphas = check_alphas(self.alphas)
        X, y, sample_weight = as_numpy(X), as_numpy(y), as_numpy(sample_weight)
        # Raises what fit would raise, before anything is trained, and tells what the estimator has seen.
        self._learnable_data(X, y, sample_weight)
        X, y = (np.asarray(data) if isinstance(data, list) else data for data in indexable(X, y))
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        score = self._scorer(plain, sample_weight)
        splits = self._check_folds(X, y, sample_weight, groups, seeds["folds"])

        structure = RowStructure.of(splits, around.groups if groups is None else groups, num_samples(X))
        if around.whole_groups or around.time is not None:
            structure = around
        problem = Problem(plain, np.arange(self.n_features_in_))
        problems = [problem.on_rows(structure.rows(train)) for train, _ in splits]
        problem = problem.on_rows(structure)
        self.first_alpha_ = None
        if self.adaptive:
            grid = self._grid(problem, X, y, sample_weight, alphas)
            folds = self._score(problems, X, y, sample_weight, splits, grid, score, relax=False, keep_problems=True)
            ways, scores, _ = better_way(folds)
            first = choose(scores, "best")
            self.first_alpha_ = float(grid[first])
            adapted = problem.adapted(self._fit_all(problem, X, y, sample_weight, grid, first, ways[first]))
            chosen_problems = [fold.problems[ways[first]][first] for fold in folds]
            problems = [chosen or own for chosen, own in zip(chosen_problems, problems, strict=True)]
            problem = adapted or problem
        self.alphas_ = self._grid(problem, X, y, sample_weight, alphas)
        folds = self._score(problems, X, y, sample_weight, splits, self.alphas_, score, relax=self.relax)
        ways, self.scores_path_, self.n_selected_path_ = better_way(folds)
        chosen = choose(self.scores_path_, self.selection)
        self.alpha_ = float(self.alphas_[chosen])
        self.best_score_ = float(self.scores_path_[:, chosen].mean())
        if self.refit:
            self._take(self._refit(problem, X, y, sample_weight, chosen, ways[chosen]))
        self._warn_of_choice(X)
        attributes = {} if self.refit else None
        task.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes=attributes)

    def _check_choice(self, penalty):
        selects_features = not (penalty.smooth or (isinstance(penalty, GroupPenalty) and penalty.has_groups("neurons")))
        if self.relax and not selects_features:
            raise ValueError(f"relax=True needs a penalty that selects features; got penalty={self.penalty!r}.")
        if self.adaptive and not penalty.adaptable:
            raise ValueError(
                "adaptive=True needs a penalty with weights for features: 'group_lasso' or 'sparse_group_lasso' whose "
                f"groups are features, or WeightedL1; got penalty={self.penalty!r}."
            )

    def _check_folds(self, X, y, sample_weight, groups, seed: int) -> list:
        """Return the splits; raise ValueError if the training rows of one lack a class."""
        labels = np.asarray(y) if is_classifier(self) and not scipy.sparse.issparse(y) else None
        if labels is not None and type_of_target(labels).startswith("multilabel"):
            labels = None
        hint = "fit(X, y, groups=...). scikit-learn's searches hand groups on with metadata routing enabled."
        check_groups(self.cv, groups, "cv", hint)
        splitter = seeded_splitter(check_cv(self.cv, y, classifier=is_classifier(self)), seed)
        n_rows = num_samples(X)
        splits = [tuple(row_numbers(rows, n_rows) for rows in split) for split in splitter.split(X, y, groups)]
        if sample_weight is not None:
            # Rows without weight are left out, of training and of scores.
            splits = [tuple(rows[sample_weight[rows] > 0] for rows in split) for split in splits]
            if not all(len(rows) for split in splits for rows in split):
                raise ValueError(f"A fold from cv={self.cv!r} has no row with positive weight. Use other folds.")
        if len(splits) < 2 and self.selection == "one_se":
            raise ValueError(f"selection='one_se' needs at least 2 folds; got {len(splits)} from cv={self.cv!r}.")
        if labels is None:
            return splits
        n_classes = len(np.unique(labels if sample_weight is None else labels[sample_weight > 0]))
        for i, (train, _) in enumerate(splits):
            present = np.unique(labels[train])
            if len(present) < n_classes:
                raise ValueError(
                    f"The training rows of every fold must hold all {n_classes} classes; those of fold {i} from "
                    f"cv={self.cv!r} hold only {present.tolist()!r}. Use fewer folds, or stratified ones."
                )
        return splits

    def _grid(self, problem, X, y, sample_weight, alphas) -> np.ndarray:
        if isinstance(alphas, np.ndarray):
            return alphas
        return find_alphas(problem.estimator, columns(X, problem.features), y, sample_weight, alphas, self.eps)

    def _score(self, problems, X, y, sample_weight, splits, alphas, score, *, relax, keep_problems=False):
        """Return what every fold says of the strengths."""
        n_steps = len(splits) * len(alphas)
        with tqdm(desc="strengths of all folds", total=n_steps, disable=not self.verbose) as bar:
            options = {"score": score, "relax": relax, "keep_problems": keep_problems}
            options |= {"direction": self.direction, "report": bar.update}
            # What is worth knowing of a fold are its scores; that its fits end at max_iter is said of the last fit.
            routines = [
                silenced(score_fold(problem, X, y, sample_weight, split, alphas, **options))
                for problem, split in zip(problems, splits, strict=True)
            ]
            folds = run_together(routines, n_jobs=self.n_jobs)
        for _ in folds:
            task = self._callback_fit_ctx.subcontext(task_name="fold").call_on_fit_task_begin(estimator=self)
            task.call_on_fit_task_end(estimator=self)
        return folds

    def _scorer(self, plain, sample_weight):
        """Return a function of a fitted estimator, X, y and sample weights; higher is better."""
        if self.scoring == "loss":
            return negative_loss
        scorer = check_scoring(plain, scoring=self.scoring)
        if sample_weight is not None:
            check_takes_weights(scorer, self.scoring)
        return WeightedScorer(scorer)

    def _fit_all(self, problem, X, y, sample_weight, alphas, chosen: int, way: int):
        """Return the fit of all rows with one strength, along the path (way 0) or from scratch (way 1)."""
        if way == 1:
            return run(problem.from_scratch(X, y, sample_weight, alphas[[chosen]]))[0]
        alpha = alphas[chosen]
        models = run(problem.path(X, y, sample_weight, alphas, until=alpha, direction=self.direction))
        return next(model for model in models if penalty_of(model).alpha == alpha)

    def _refit(self, problem, X, y, sample_weight, chosen: int, way: int):
        """Return an estimator that was fitted on all rows with the chosen strength, and takes all columns."""
        model = self._fit_all(problem, X, y, sample_weight, self.alphas_, chosen, way)
        features = problem.features
        if self.relax:
            features, model = run(problem.relaxed([model], X, y, sample_weight))[0]
        embed(model, features, self.n_features_in_, getattr(self, "feature_names_in_", None))
        return model

    def _warn_of_choice(self, X) -> None:
        """Warn if nothing was found, or if the best strength may lie outside of those that were tried."""
        if self.refit and is_empty(self):
            warn_user(
                f"No feature is selected at alpha_={self.alpha_:.3g}: all predictions are the same. The features may "
                "say nothing of y; or the network needs more training (max_iter, learning_rate_init) or weaker "
                f"strengths (alphas={self.alphas!r}, eps={self.eps!r})."
            )
            return
        if self.refit and self._is_constant(X):
            warn_user(
                f"All predictions are the same at alpha_={self.alpha_:.3g}. The features may say nothing of y; or the "
                f"network needs more training (max_iter, learning_rate_init) or weaker strengths; got "
                f"alphas={self.alphas!r}."
            )
        edges = {0: "weakest", len(self.alphas_) - 1: "strongest"}
        chosen = choose(self.scores_path_, "best")  # which 'one_se' leaves on purpose
        if chosen in edges and len(self.alphas_) > 2:  # of two, each is at an end
            edge = edges[chosen]
            way = "weaker" if chosen == 0 else "stronger"
            mend = "a smaller eps, or alphas" if chosen == 0 and isinstance(self.alphas, Integral) else "alphas"
            warn_user(
                f"The best alpha, {self.alphas_[chosen]:.3g}, is the {edge} of the {len(self.alphas_)} strengths that "
                f"were tried, so a {way} one may be better. Give {mend} that reach further; got alphas={self.alphas!r}."
            )

    def _is_constant(self, X) -> bool:
        """Return whether the outputs for some rows differ by rounding only."""
        n_rows = num_samples(X)
        # Spread over all of them: rows may be sorted.
        Z = self._outputs(safe_indexing(X, np.unique(np.linspace(0, n_rows - 1, N_ROWS_LOOKED_AT).astype(int))))
        spread = (Z.amax(dim=0) - Z.amin(dim=0)).max()
        return bool(spread <= torch.finfo(Z.dtype).eps ** 0.5 * Z.abs().max().clamp_min(1))

    def _take(self, model) -> None:
        """Take over what a fitted estimator has learned."""
        known = {*model.get_params(deep=False), *TRAINING_STATE}
        learned = {name: value for name, value in vars(model).items() if name not in known}
        vars(self).update(learned)


def negative_loss(model, X, y, sample_weight) -> float:
    """Return minus the mean loss."""
    return -model._mean_loss(X, y, sample_weight)


@dataclass
class WeightedScorer:
    """A scorer of scikit-learn that gets sample weights where there are any."""

    scorer: object

    def __call__(self, model, X, y, sample_weight) -> float:
        """Return the score."""
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.scorer(model, X, y, **weights))


_EXAMPLE = """
Which of 15 features matter, of which five do and five are correlated with those?

>>> from skreg.datasets import make_interactions
>>> from skreg.model_selection import %(name)s
>>> X, y = make_interactions(n_samples=300, n_features=15, task="%(task)s", random_state=0)
>>> model = %(name)s(
...     (20,), alphas=6, adaptive=True, relax=True, selection="one_se", cv=2, learning_rate="cosine",
...     learning_rate_init=0.02, max_iter=60, batch_size=50, random_state=0,
... ).fit(X, y)
>>> model.selected_features_
array([0, 1, 2, 3, 4])
"""


class RegularizedMLPClassifierCV(PathCV, RegularizedMLPClassifier):
    """Put together below."""

    __doc__ = cv_docstring(
        RegularizedMLPClassifier.__doc__,
        "RegularizedMLPClassifier",
        example=_EXAMPLE % {"name": "RegularizedMLPClassifierCV", "task": "classification"},
    )

    _parameter_constraints: ClassVar[dict] = {
        **{
            k: v for k, v in RegularizedMLPClassifier._parameter_constraints.items() if k not in ("alpha", "warm_start")
        },
        **PathCV._cv_constraints,
    }

    @with_axes
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        class_weight=None,
        penalty="group_lasso",
        l1_ratio=None,
        constraint=None,
        dropout=0.0,
        input_dropout=0.0,
        normalization=None,
        weight_decay=0.0,
        label_smoothing=0.0,
        solver="adam",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        refit_on_all=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        device="cpu",
        callbacks=None,
        alphas=30,
        eps=1e-3,
        cv=5,
        scoring="loss",
        selection="best",
        relax=False,
        adaptive=False,
        refit=True,
        direction="auto",
        n_jobs=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            loss=loss,
            class_weight=class_weight,
            penalty=penalty,
            l1_ratio=l1_ratio,
            constraint=constraint,
            dropout=dropout,
            input_dropout=input_dropout,
            normalization=normalization,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            solver=solver,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            refit_on_all=refit_on_all,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            device=device,
            callbacks=callbacks,
        )
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.relax = relax
        self.adaptive = adaptive
        self.refit = refit
        self.direction = direction
        self.n_jobs = n_jobs

    def _plain_class(self):
        return RegularizedMLPClassifier


class RegularizedMLPRegressorCV(PathCV, RegularizedMLPRegressor):
    """Put together below."""

    __doc__ = cv_docstring(
        RegularizedMLPRegressor.__doc__,
        "RegularizedMLPRegressor",
        example=_EXAMPLE % {"name": "RegularizedMLPRegressorCV", "task": "regression"},
    )

    _parameter_constraints: ClassVar[dict] = {
        **{k: v for k, v in RegularizedMLPRegressor._parameter_constraints.items() if k not in ("alpha", "warm_start")},
        **PathCV._cv_constraints,
    }

    @with_axes
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        quantile=0.5,
        delta=1.0,
        penalty="group_lasso",
        l1_ratio=None,
        constraint=None,
        dropout=0.0,
        input_dropout=0.0,
        normalization=None,
        weight_decay=0.0,
        solver="adam",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        refit_on_all=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        device="cpu",
        callbacks=None,
        alphas=30,
        eps=1e-3,
        cv=5,
        scoring="loss",
        selection="best",
        relax=False,
        adaptive=False,
        refit=True,
        direction="auto",
        n_jobs=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            loss=loss,
            quantile=quantile,
            delta=delta,
            penalty=penalty,
            l1_ratio=l1_ratio,
            constraint=constraint,
            dropout=dropout,
            input_dropout=input_dropout,
            normalization=normalization,
            weight_decay=weight_decay,
            solver=solver,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            refit_on_all=refit_on_all,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            device=device,
            callbacks=callbacks,
        )
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.relax = relax
        self.adaptive = adaptive
        self.refit = refit
        self.direction = direction
        self.n_jobs = n_jobs

    def _plain_class(self):
        return RegularizedMLPRegressor
