"""Regularization paths: fits for many strengths of a penalty, each started from the one before."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring

from skreg._estimator.advice import unused_messages, without_unused
from skreg._estimator.columns import column_norms, restore_penalty, with_known_columns
from skreg._estimator.copies import set_parameters, unfitted
from skreg._estimator.data import as_numpy
from skreg._estimator.scoring import score_of
from skreg._progress import progress_bar
from skreg._seeds import draw_seeds
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg._warnings import WarningSink, give_warnings
from skreg.model_selection._alphas import (
    ROUND_UP,
    NullModel,
    can_be_empty,
    check_alphas,
    check_estimator,
    has_hidden_layers,
    is_empty,
    penalty_of,
)
from skreg.model_selection._routines import Routine, run, without_convergence_warnings
from skreg.model_selection._warm_fits import WarmFits, length_of_part, look_back

# The search for the end of a grid takes fits from scratch of this share of the epochs, for so many strengths at a time,
# each twice the one before.
SEARCH_SHARE = 1 / 6
N_SEARCHED = 8
# The search begins at this share of the strength at which plain group lasso ends a linear path, and fails at this
# multiple of it.
SEARCH_START = 0.1
LARGEST_ALPHA = 1e12
# A path from below keeps features up to two to four times the strength at which a fit from scratch has none.
RATIO_OF_PATH = 4
# The grid of penalties that do not set everything to zero, however strong they are.
SMOOTH_GRID = (1e-5, 1e1)
DIRECTIONS = {"auto", "up", "down"}


@dataclass
class RegularizationPath:
    """Regularization path: fitted estimators for many strengths of a penalty, from the weakest to the strongest.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths, ascending.
    estimators : list of estimators
        Fitted estimator of each strength.
    scores : ndarray of shape (n_alphas,)
        Scores on the validation data or, if there are none, on the training data.
    coefs : ndarray of shape (n_alphas, n_features, n_units)
        Weights of the first layer, or with 'hierarchical' of the skip connection (n_units is then n_outputs).
    importances : ndarray of shape (n_alphas, n_features)
        Norm of each feature's weights in `coefs`.
    source_columns : ndarray of int of shape (n_features,) or None
        Position of each feature's column in the original table, if X was the output of
        :class:`~skreg.preprocessing.TableEncoder`; None otherwise.
    column_importances : ndarray of shape (n_alphas, n_columns) or None
        Norm of the weights of all features of each original column, up to the last one that has any; None if the
        original columns are not known.
    selected : list of ndarray
        Features that are used at each strength, as indices or names.
    n_selected : ndarray of int of shape (n_alphas,)
        Number of features that are used.
    objectives : ndarray of shape (n_alphas,)
        Training loss plus penalty after the last epoch of each fit.

    See Also
    --------
    regularization_path : Computes the path.
    RegularizationPathDisplay : Plot of the path.

    Examples
    --------
    See :func:`regularization_path`.
    """

    alphas: np.ndarray
    estimators: list = field(repr=False)
    scores: np.ndarray = field(repr=False)

    @property
    def coefs(self) -> np.ndarray:
        """Weights of the first layer, or of the skip connection."""
        return np.stack([m.coefs_[0] if m.skip_coef_ is None else m.skip_coef_ for m in self.estimators])

    @property
    def importances(self) -> np.ndarray:
        """Norm of each feature's weights."""
        return np.stack([model.feature_importances_ for model in self.estimators])

    @property
    def source_columns(self) -> np.ndarray | None:
        """Original column of each feature."""
        return self.estimators[0].source_columns_

    @property
    def column_importances(self) -> np.ndarray | None:
        """Norm of the weights of each original column."""
        return None if self.source_columns is None else column_norms(self.importances, self.source_columns)

    @property
    def selected(self) -> list[np.ndarray]:
        """The features that are used."""
        return [model.selected_features_ for model in self.estimators]

    @property
    def n_selected(self) -> np.ndarray:
        """Number of features that are used."""
        return np.array([len(features) for features in self.selected])

    @property
    def objectives(self) -> np.ndarray:
        """Training loss plus penalty after the last epoch of each fit."""
        return np.array([model.loss_ for model in self.estimators])

    def frame(self):
        """Return a table with one row per strength.

        Returns
        -------
        DataFrame
            Columns 'alpha', 'n_selected', 'score' and 'objective'.
        """
        return pd.DataFrame(
            {
                "alpha": self.alphas,
                "n_selected": self.n_selected,
                "score": self.scores,
                "objective": self.objectives,
            }
        )


def starts_strong(estimator, direction: str) -> bool:
    """Return whether a path begins with the strongest penalty.

    By itself it does so only without hidden layers, where few features are fitted fastest and, with a convex penalty,
    the end does not depend on the start. With hidden layers, a first layer of zeros is where training stays: the
    later layers' weights decay to zero as well, and no gradient is left. With the skip connection of 'hierarchical'
    features do come back, but linearly: on 300 rows with interactions, paths from above reached at best a test R² of
    0.6, paths from below of 0.84, with half the objective.
    """
    return direction == "down" or (direction == "auto" and not has_hidden_layers(estimator))


def with_fixed_seed(estimator):
    """Return an estimator whose random state is an int: early stopping must hold out the same rows all along a path."""
    if isinstance(estimator.random_state, Integral):
        return estimator
    # The copy draws, so that an instance of RandomState stays as it is.
    copy = unfitted(estimator)
    return set_parameters(copy, random_state=draw_seeds(copy.random_state, "path")["path"])


def find_alphas(
    estimator, X, y, sample_weight, n_alphas: int, eps: float, *, warn: WarningSink = give_warnings
) -> np.ndarray:
    """Return a geometric grid, ascending, for some data; see :func:`regularization_path`."""
    null = NullModel.of(estimator, X, y, sample_weight)
    if not can_be_empty(estimator, *null.gradient.shape[1:]):
        return np.geomspace(*SMOOTH_GRID, n_alphas)
    null.check_effect()
    if not has_hidden_layers(estimator):
        top = null.alpha_max(estimator) * ROUND_UP
    else:
        top = RATIO_OF_PATH * empty_from(estimator, X, y, sample_weight, null.scale, warn=warn)
    return np.geomspace(top * eps, top, n_alphas)


def empty_from(estimator, X, y, sample_weight, scale: float, *, warn: WarningSink) -> float:
    """Return a strength from which on short fits from scratch of a network with hidden layers use no feature.

    ``scale`` is the strength at which plain group lasso ends a linear path. What is returned is larger than the
    smallest such strength, because short fits drop features late, and by a factor of less than 2 besides.
    """
    n_epochs = math.ceil(estimator.max_iter * SEARCH_SHARE)
    short = set_parameters(unfitted(estimator), **length_of_part(estimator, n_epochs))
    fits = WarmFits(short, X, y, sample_weight, null=None)
    alphas = scale * SEARCH_START * 2.0 ** np.arange(N_SEARCHED)
    while alphas[0] <= LARGEST_ALPHA * scale:
        models = run(without_convergence_warnings(fits.from_scratch(alphas)), warn=warn)
        n_below = max((k + 1 for k, model in enumerate(models) if not is_empty(model)), default=0)
        if n_below < len(alphas):
            return alphas[n_below]
        alphas = 2 * alphas[-1] * 2.0 ** np.arange(N_SEARCHED)
    raise ValueError(f"No strength up to alpha={alphas[0] / 2:.3g} sets all weights to zero. Give 'alphas'.")


def looks_back(estimator, direction: str) -> bool:
    """Return whether a path has a second pass.

    With early stopping, validation decides which weights are kept, not the objective.
    """
    return has_hidden_layers(estimator) and not starts_strong(estimator, direction) and not estimator.early_stopping


def fit_path(
    estimator,
    X,
    y,
    sample_weight,
    alphas,
    *,
    direction="auto",
    warm_max_iter=None,
    report: Callable[[], object] = lambda: None,
) -> Routine:
    """Return an estimator for each strength (ascending).

    Parameters
    ----------
    estimator, X, y, sample_weight, direction, warm_max_iter
        As for :func:`regularization_path`.
    alphas : ndarray
        Strengths, ascending.
    report : callable
        Called after each strength of each pass.

    Returns
    -------
    list of estimators
        One for each strength; as a routine.
    """
    down = starts_strong(estimator, direction)
    null = NullModel.of(estimator, X, y, sample_weight)
    fits = WarmFits(estimator, X, y, sample_weight, null, max_iter=warm_max_iter, up=not down)
    models = []
    for alpha in alphas[::-1] if down else alphas:
        models.append((yield from fits.fit(alpha)))
        report()
    if down:
        return models[::-1]
    if looks_back(estimator, direction):
        return (yield from look_back(fits, models, alphas, report))
    return models


def regularization_path(
    estimator,
    X,
    y,
    *,
    alphas=50,
    eps=1e-3,
    direction="auto",
    sample_weight=None,
    X_val=None,
    y_val=None,
    scoring=None,
    warm_max_iter=None,
    verbose=False,
):
    """Fit an estimator for many strengths of its penalty, with warm starts.

    The first fit trains for the estimator's `max_iter` epochs. Each further one starts from the weights of the one
    before, for a share of these epochs that is proportional to the logarithm of the ratio of the two strengths: all of
    them for a ratio of 2.5 or more. On the way up, an annealed learning rate begins at 0.3 of its value; any other rate
    is kept for 60 % of the epochs and divided by 10 for the rest, and each part ends when the objective stops falling.

    With hidden layers, a fit that collapses to the constant prediction is replaced by one from scratch if that is
    better. Then a second pass, from strong to weak, starts fits from their stronger neighbour where that has a lower
    objective, and keeps a fit from scratch where that has the lowest one, so no objective is above that of an
    independent fit. There is no second pass on the way down, and none with `early_stopping`, which chooses weights by
    validation. A lower objective need not mean a better score: with groups of neurons, in particular, the path can lose
    many units at once, which independent fits with the same strengths do not.

    Parameters
    ----------
    estimator : RegularizedMLPClassifier or RegularizedMLPRegressor
        Estimator to fit; the strength of its penalty is ignored.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    alphas : int or array-like of float, default=50
        Positive strengths, or their number (at least 2). A number means a geometric grid up to the strength at which no
        feature is left: in closed form without hidden layers, otherwise found roughly, by doubling, with short fits.
        For penalties that cannot set all weights to zero, such as L2, the grid goes from 1e-5 to 10.
    eps : float, default=1e-3
        Ratio of the smallest to the largest strength of such a grid, in (0, 1).
    direction : {'auto', 'up', 'down'}, default='auto'
        Whether to begin with the weakest penalty ('up') or the strongest ('down'). 'auto' means 'down' without hidden
        layers, and 'up' with them, because training from a first layer of zeros stays there or ends at a linear model.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights of the fits.
    X_val, y_val : array-like, default=None
        Validation data to score on; None means the training data.
    scoring : str, callable or None, default=None
        Scorer, greater is better; None means accuracy or R².
    warm_max_iter : int, default=None
        Largest number of epochs of each warm-started fit; None means the share described above.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    RegularizationPath
        Strengths, with estimators, weights, scores and selected features of each.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If a parameter is not as described, if the penalty is None or has several strengths, or if y is constant.

    See Also
    --------
    RegularizationPathDisplay : Plot of the path.
    skreg.RegularizedMLPRegressorCV : Choice of the strength by cross-validation.

    References
    ----------
    .. [1] J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models via coordinate
       descent", Journal of Statistical Software 33(1), 2010, section 2.5 (warm starts and the grid).
    .. [2] I. Lemhadri, F. Ruan, L. Abraham and R. Tibshirani, "LassoNet: a neural network with feature sparsity",
       Journal of Machine Learning Research 22(127), 2021, section 3 (from dense to sparse).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.model_selection import regularization_path
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> X[:], y = scale(X), scale(y)
    >>> model = RegularizedMLPRegressor(
    ...     (), penalty="l1", learning_rate="cosine", learning_rate_init=0.01, max_iter=300, random_state=0
    ... )
    >>> path = regularization_path(model, X, y, alphas=[0.01, 0.1, 0.3])
    >>> path.n_selected.tolist()
    [8, 4, 2]
    >>> path.selected[-1].tolist()
    ['bmi', 's5']
    """
    validate_parameter_constraints(
        {
            "eps": [Interval(Real, 0, 1, closed="neither")],
            "direction": [StrOptions(DIRECTIONS)],
            "warm_max_iter": [Interval(Integral, 1, None, closed="left"), None],
            "verbose": ["verbose"],
        },
        {"eps": eps, "direction": direction, "warm_max_iter": warm_max_iter, "verbose": verbose},
        caller_name="regularization_path",
    )
    if (X_val is None) != (y_val is None):
        given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
        raise ValueError(f"X_val and y_val must be given together; got {given} without {missing}.")
    check_estimator(estimator)
    X, y = as_numpy(X), as_numpy(y, "y")
    alphas = check_alphas(alphas)
    give_warnings(unused_messages(estimator, ("alpha",)))
    given = without_unused(estimator)
    estimator = with_fixed_seed(with_known_columns(given, X))
    scorer = check_scoring(estimator, scoring=scoring)
    if not isinstance(alphas, np.ndarray):
        alphas = find_alphas(estimator, X, y, sample_weight, alphas, eps)
    n_steps = len(alphas) * (2 if looks_back(estimator, direction) else 1)
    with progress_bar(shown=bool(verbose), desc="path", total=n_steps) as bar:
        options = {"direction": direction, "warm_max_iter": warm_max_iter, "report": bar.update}
        models = run(fit_path(estimator, X, y, sample_weight, alphas, **options))
    alphas = np.array([penalty_of(model).alpha for model in models])
    for model in models:
        restore_penalty(model, given)
    X_scored, y_scored = (X, y) if X_val is None else (as_numpy(X_val, "X_val"), as_numpy(y_val, "y_val"))
    rows = "training" if X_val is None else "validation"
    scores = np.array([score_of(scorer, scoring, model, X_scored, y_scored, rows=rows) for model in models])
    return RegularizationPath(alphas, models, scores)
