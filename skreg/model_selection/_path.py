"""Fits for many strengths of a penalty, each going on from the one before."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from tqdm import tqdm

from skreg._context import set_context_var
from skreg._seeds import draw_seeds
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg._warnings import SILENCED_WARNINGS
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
from skreg.model_selection._routines import Routine, run
from skreg.model_selection._warm_fits import WarmFits, look_back

# Finding out where a grid should end takes still shorter fits.
SEARCH_SHARE = 1 / 6
# The search begins at this share of the strength at which plain group lasso ends a linear path, and gives up at this
# multiple of it.
SEARCH_START = 0.1
LARGEST_ALPHA = 1e12
# The grid of penalties that do not set everything to zero, however strong they are.
SMOOTH_GRID = (1e-5, 1e1)
DIRECTIONS = {"auto", "up", "down"}


@dataclass
class RegularizationPath:
    """Fits for many strengths of a penalty, from the weakest to the strongest.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths, ascending.
    estimators : list of estimators
        A fitted estimator for each strength.
    scores : ndarray of shape (n_alphas,)
        Scores on the validation data, or without these on the training data.
    coefs : ndarray of shape (n_alphas, n_features, n_units)
        Weights of the first layer, or with 'hierarchical' of the skip connection (n_units is then n_outputs).
    importances : ndarray of shape (n_alphas, n_features)
        Their norm for each feature.
    selected : list of ndarray
        The features that are used, as numbers or names.
    n_selected : ndarray of int of shape (n_alphas,)
        Number of features that are used.
    objectives : ndarray of shape (n_alphas,)
        Training loss plus penalty after the last epoch of each fit.

    See Also
    --------
    regularization_path : Makes one.
    RegularizationPathDisplay : Draws one.

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
        """Return a table with one line for each strength.

        Returns
        -------
        DataFrame
            With the columns 'alpha', 'n_selected', 'score' and 'objective'.
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
    copy = clone(estimator)
    return copy.set_params(random_state=draw_seeds(copy.random_state, "path")["path"])


def find_alphas(estimator, X, y, sample_weight, n_alphas: int, eps: float) -> np.ndarray:
    """Return a geometric grid, ascending, for some data; see :func:`regularization_path`."""
    null = NullModel.of(estimator, X, y, sample_weight)
    if not can_be_empty(estimator, *null.gradient.shape[1:]):
        return np.geomspace(*SMOOTH_GRID, n_alphas)
    null.check_effect()
    if not has_hidden_layers(estimator):
        top = null.alpha_max(estimator) * ROUND_UP
    else:
        # Doubling only goes up, so every fit can go on from the one before, as the path itself does. Short fits let go
        # of features late, so the grid ends rather above than below the strength at which a path comes to its end.
        short = math.ceil(estimator.max_iter * SEARCH_SHARE)
        fits = WarmFits(estimator, X, y, sample_weight, null=None, max_iter=short)
        top = null.scale * SEARCH_START
        with set_context_var(SILENCED_WARNINGS, ConvergenceWarning):
            while not is_empty(run(fits.fit(top))):
                top *= 2
                if top > LARGEST_ALPHA * null.scale:
                    raise ValueError(f"No strength up to alpha={top:.3g} sets all weights to zero; give 'alphas'.")
    return np.geomspace(top * eps, top, n_alphas)


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
    second_pass: bool = True,
    until: float | None = None,
    report: Callable[[], object] = lambda: None,
) -> Routine:
    """Return an estimator for each strength (ascending).

    Parameters
    ----------
    estimator, X, y, sample_weight, direction, warm_max_iter
        As for :func:`regularization_path`.
    alphas : ndarray
        Strengths, ascending.
    second_pass : bool, default=True
        Whether the path may look back.
    until : float, default=None
        The only strength that is wanted: those beyond it are left out, and there is no second pass.
    report : callable
        Called after each strength of each pass.

    Returns
    -------
    list of estimators
        For the strengths on the way to the wanted one, or for all; as a routine.
    """
    down = starts_strong(estimator, direction)
    null = NullModel.of(estimator, X, y, sample_weight)
    fits = WarmFits(estimator, X, y, sample_weight, null, max_iter=warm_max_iter, up=not down)
    if until is not None:
        alphas = alphas[alphas >= until] if down else alphas[alphas <= until]
    models = []
    for alpha in alphas[::-1] if down else alphas:
        models.append((yield from fits.fit(alpha)))
        report()
    if down:
        return models[::-1]
    if until is None and second_pass and looks_back(estimator, direction):
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
    """Fit an estimator for many strengths of its penalty, each fit going on from the one before.

    The first fit takes the estimator's `max_iter` epochs. A further one takes a share of them that is proportional to
    the logarithm of the ratio of the two strengths, all of them for a ratio of 2.5 or more. On the way up, a rate that
    anneals begins at 0.3 of its value; of any other rate, 60 % of these epochs have the whole and 40 % a tenth, and
    each part ends early when the objective no longer falls.

    With hidden layers, a fit is never given up for the best constant prediction before one from scratch was no better.
    Then a second pass, from strong to weak, improves fits whose stronger neighbour would cost less in their place, and
    takes a fit from scratch where that has the lowest objective, so no objective is above that of an independent fit.
    With `early_stopping`, which chooses weights by validation, and on the way down there is no second pass. A lower
    objective need not be a better score: with groups of neurons, in particular, the path can go from many units to very
    few at once, which independent fits with the same strengths do not.

    Parameters
    ----------
    estimator : RegularizedMLPClassifier or RegularizedMLPRegressor
        What to fit; the strength of its penalty is ignored.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    alphas : int or array-like of float, default=50
        Positive strengths, or their number (at least 2). A number makes a geometric grid up to where no feature is
        left: from a formula without hidden layers, otherwise found by doubling, with short fits, and therefore
        roughly. For penalties that cannot set all weights to zero, such as L2, it goes from 1e-5 to 10.
    eps : float, default=1e-3
        The lowest strength of such a grid, in units of the highest; in (0, 1).
    direction : {'auto', 'up', 'down'}, default='auto'
        Whether to begin with the weakest penalty ('up') or the strongest ('down'). 'auto' is 'down' without hidden
        layers. With hidden layers it is 'up', because training does not leave a first layer of zeros, or leaves it only
        for a linear model.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights for the fits.
    X_val, y_val : array-like, default=None
        Rows to score on; None scores on the training data.
    scoring : str, callable or None, default=None
        Scorer of scikit-learn; None is accuracy or R².
    warm_max_iter : int, default=None
        Largest number of epochs of each fit that goes on from another; None is the share described above.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    RegularizationPath
        Strengths, estimators, weights, scores and selected features.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If a parameter is not as described, the penalty is None or has several strengths, or y is constant.

    See Also
    --------
    RegularizationPathDisplay : Draws it.
    skreg.RegularizedMLPRegressorCV : Chooses a strength by cross-validation.

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
        raise ValueError("X_val and y_val must be given together; got only one of them.")
    check_estimator(estimator)
    alphas = check_alphas(alphas)
    estimator._warn_of_unused(("alpha",))
    estimator = with_fixed_seed(estimator._without_unused())
    scorer = check_scoring(estimator, scoring=scoring)
    if not isinstance(alphas, np.ndarray):
        alphas = find_alphas(estimator, X, y, sample_weight, alphas, eps)
    n_steps = len(alphas) * (2 if looks_back(estimator, direction) else 1)
    with tqdm(desc="path", total=n_steps, disable=not verbose) as bar:
        options = {"direction": direction, "warm_max_iter": warm_max_iter, "report": bar.update}
        models = run(fit_path(estimator, X, y, sample_weight, alphas, **options))
    alphas = np.array([penalty_of(model).alpha for model in models])
    X_scored, y_scored = (X, y) if X_val is None else (X_val, y_val)
    return RegularizationPath(alphas, models, np.array([scorer(m, X_scored, y_scored) for m in models]))
