"""Fits for many strengths of a penalty, each going on from the one before."""

import copy
import math
import warnings
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from tqdm import tqdm

from skreg._seeds import draw_seeds
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg._state import TRAINING_STATE
from skreg.model_selection._alphas import (
    ROUND_UP,
    NullModel,
    can_be_empty,
    check_alphas,
    check_estimator,
    has_hidden_layers,
    is_empty,
    penalty_of,
    with_alpha,
)
from skreg.model_selection._routines import Request, Routine, run

# What a fit that goes on from a neighbour gets, in units of the estimator's own: epochs in proportion to the
# logarithm of the ratio of their strengths, a whole fit for this ratio (50 strengths over three decades then cost as
# much as 8.5 fits, and 10 do, too); and learning rate, because it starts near its end. Measured (300 rows, 50
# columns, 32 hidden units, group lasso and hierarchical, three lengths of training): with 0.3 no objective was more
# than 0.001 above that of a fit from scratch, with 1 or 0.1 by up to 0.02; most were far below. A path that begins
# with zeros has a long way to go and keeps the rate.
RATIO_OF_WHOLE_FIT = 2.5
WARM_LEARNING_RATE = 0.3
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


def without_training_state(model):
    """Return a model that has forgotten where its training stands: that is several times as large as its weights."""
    for name in TRAINING_STATE:
        vars(model).pop(name, None)
    return model


class WarmFits:
    """Fits an estimator for one strength after another, each going on from the weights of the last.

    No fit is worse than the null model: where the objective of a network with hidden layers exceeds that of the best
    constant prediction (training cannot find back to it by itself), it is replaced.

    Parameters
    ----------
    estimator : estimator
        What to fit; its strength is ignored.
    X, y, sample_weight : array-like
        Data.
    null : NullModel or None
        Of these data; None to replace no fit.
    max_iter : int or None
        Largest number of epochs of a fit that goes on; None for a number that depends on the strengths.
    slow : bool
        Whether such a fit has a smaller learning rate than the first.
    """

    def __init__(self, estimator, X, y, sample_weight, null, *, max_iter=None, slow=True):
        self.estimator = estimator
        self.data = (X, y, sample_weight)
        self.null = null
        self.max_iter = max_iter
        self.learning_rate = estimator.learning_rate_init * (WARM_LEARNING_RATE if slow else 1)
        self.last = self.last_alpha = None

    def fit(self, alpha: float) -> Routine:
        """Return an estimator fitted with a strength."""
        unfitted = with_alpha(self.estimator, alpha)
        if self.last is None:
            yield [Request(unfitted, self.data)]
            self.last, self.last_alpha = without_training_state(unfitted), alpha
            return self.last
        warm = {"warm_start": True, "max_iter": self._n_epochs(alpha), "learning_rate_init": self.learning_rate}
        model = copy.deepcopy(self.last).set_params(penalty=unfitted.penalty, alpha=unfitted.alpha, **warm)
        yield [self._further(model)]
        may_be_null = self.null is not None and has_hidden_layers(model) and not is_empty(self.last)
        if may_be_null and (is_empty(model) or model.loss_ > self.null.loss):
            self._make_null(model)
            yield [self._further(model)]
        model.set_params(**{name: getattr(self.estimator, name) for name in warm})
        self.last = without_training_state(model)
        self.last_alpha = alpha
        return model

    def _n_epochs(self, alpha: float) -> int:
        if self.max_iter is not None:
            return self.max_iter
        share = abs(math.log(alpha / self.last_alpha)) / math.log(RATIO_OF_WHOLE_FIT)
        return max(1, math.ceil(self.estimator.max_iter * min(1, share)))

    def _further(self, model) -> Request:
        """Return the request for a fit that goes on from the weights of the model."""
        # The objectives of other strengths are no part of this fit's record.
        vars(model).update(loss_curve_=[], t_=0)
        return Request(model, self.data, is_short=True)

    def _make_null(self, model) -> None:
        model.coefs_ = [np.zeros_like(W) for W in model.coefs_]
        model.intercepts_[-1] = self.null.outputs.astype(model.coefs_[0].dtype)
        if model.skip_coef_ is not None:
            model.skip_coef_ = np.zeros_like(model.skip_coef_)


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            while not is_empty(run(fits.fit(top))):
                top *= 2
                if top > LARGEST_ALPHA * null.scale:
                    raise ValueError(f"No strength up to alpha={top:.3g} sets all weights to zero; give 'alphas'.")
    return np.geomspace(top * eps, top, n_alphas)


def fit_path(
    estimator, X, y, sample_weight, alphas, *, direction="auto", warm_max_iter=None, until=math.inf, verbose=False
) -> Routine:
    """Return an estimator for each strength (ascending); ``until`` leaves out those that come after it on the way."""
    down = starts_strong(estimator, direction)
    null = NullModel.of(estimator, X, y, sample_weight)
    fits = WarmFits(estimator, X, y, sample_weight, null, max_iter=warm_max_iter, slow=not down)
    order = alphas[::-1] if down else alphas
    models = []
    for alpha in tqdm(order, desc="path", disable=not verbose):
        models.append((yield from fits.fit(alpha)))
        if alpha == until:
            break
    return models[::-1] if down else models


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
    the logarithm of the ratio of the two strengths, all of them for a ratio of 2.5 or more, and, on the way up, 0.3 of
    the learning rate.

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
        Largest number of epochs of each fit after the first; None is the share described above.
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
    skreg.model_selection.RegularizedMLPRegressorCV : Chooses a strength by cross-validation.

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
    path = fit_path(
        estimator,
        X,
        y,
        sample_weight,
        alphas if isinstance(alphas, np.ndarray) else find_alphas(estimator, X, y, sample_weight, alphas, eps),
        direction=direction,
        warm_max_iter=warm_max_iter,
        verbose=verbose,
    )
    models = run(path)
    alphas = np.array([penalty_of(model).alpha for model in models])
    X_scored, y_scored = (X, y) if X_val is None else (X_val, y_val)
    return RegularizationPath(alphas, models, np.array([scorer(m, X_scored, y_scored) for m in models]))
