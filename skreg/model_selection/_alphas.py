"""Range of strengths of a penalty: the largest useful one, and checks of given ones."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch

from skreg._estimator.advice import unused_messages, without_unused
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.checks import hidden_units
from skreg._estimator.columns import with_known_columns
from skreg._estimator.copies import unfitted
from skreg._estimator.data import as_numpy, learnable_data
from skreg._estimator.objective import DataTerm
from skreg._numbers import numbers_in
from skreg._warnings import give_warnings
from skreg.constraints import Nonnegative
from skreg.constraints._resolve import resolve_constraint
from skreg.engine.threads import for_autograd, on_one_thread
from skreg.model_selection._routines import Request, fit_all
from skreg.penalties import Penalty
from skreg.penalties._resolve import resolve_penalty

# At the smallest strength whose solution is zero, training approaches zero without reaching it; a little above it does.
ROUND_UP = 1 + 1e-3
# Without a formula, the strength is bracketed to within this ratio, in at most so many fits.
BRACKET_RATIO = 1.05
MAX_FITS = 60
# Targets that differ by less than this share of the largest, and a gradient below this share of the product of the
# largest entries of X and of the loss's own gradient, are rounding errors.
ROUNDING = 1e-12


def with_alpha(estimator, alpha: float):
    """Return an unfitted copy of an estimator whose penalty has another strength."""
    name = "penalty__alpha" if isinstance(estimator.penalty, Penalty) else "alpha"
    return unfitted(estimator, **{name: alpha})


def penalty_of(estimator) -> Penalty:
    """Return the penalty of an estimator; raise ValueError unless it has one strength that can be chosen."""
    penalty = resolve_penalty(estimator.penalty, estimator.alpha, estimator.l1_ratio)
    if penalty is None:
        raise ValueError("The 'penalty' parameter must be a penalty, for a choice of its strength; got None.")
    if np.ndim(penalty.alpha) > 0:
        raise ValueError(
            f"The 'alpha' parameter of the penalty must be one number for a path; got {penalty.alpha!r}. To penalize "
            "only the first layer, use a penalty that selects features, such as 'group_lasso'."
        )
    return penalty


def check_estimator(estimator) -> None:
    """Raise unless an estimator is one whose strength can be varied, with valid parameters."""
    if not isinstance(estimator, BaseRegularizedMLP) or "alpha" not in estimator.get_params(deep=False):
        raise TypeError(
            "The 'estimator' parameter must be a RegularizedMLPClassifier or a RegularizedMLPRegressor; got "
            f"{estimator!r}."
        )
    estimator._validate_params()
    if hasattr(estimator.early_stopping, "split"):
        raise ValueError(
            "The 'early_stopping' parameter must be a bool for a path, whose fits get no groups; got "
            f"{estimator.early_stopping!r}."
        )
    penalty_of(estimator)


@on_one_thread
def can_be_empty(estimator, n_features: int, n_outputs: int) -> bool:
    """Return whether some strength of the penalty sets all weights of the first layer to zero."""
    units = hidden_units(estimator)
    layer = penalty_of(estimator).set_params(alpha=1.0).for_layers((n_features, *units, n_outputs))[0]
    anything = torch.ones(1, n_features, units[0] if units else n_outputs, dtype=torch.float64, device="cpu")
    return math.isfinite(float(layer.to(anything.dtype, anything.device).alpha_max(anything)[0]))


def has_hidden_layers(estimator) -> bool:
    """Return whether an estimator's network has hidden layers."""
    units = hidden_units(estimator)
    return len(units) > 0


def is_empty(estimator) -> bool:
    """Return whether all weights of the first layer of a fitted estimator, or of its skip connection, are zero."""
    return not estimator.feature_importances_.any()


def check_alphas(alphas) -> np.ndarray | int:
    """Return strengths in ascending order, or their number; raise ValueError if they are neither."""
    if isinstance(alphas, Integral) and not isinstance(alphas, bool):
        if alphas < 2:
            raise ValueError(f"The 'alphas' parameter must be at least 2 if it is an int; got {alphas!r}.")
        return int(alphas)
    values = numbers_in(alphas)
    if values is None or values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"The 'alphas' parameter must be an int or a sequence of positive numbers; got {alphas!r}.")
    return np.unique(values)


@dataclass
class NullModel:
    """Null model: the constant prediction with the smallest loss, where all weights are zero.

    Parameters
    ----------
    outputs : ndarray of shape (n_outputs,)
        The last bias.
    loss : float
        The loss of the training data.
    gradient : Tensor of shape (1, n_features, n_outputs)
        Derivative of the loss with respect to the weights of a linear map from the inputs to the outputs.
    """

    outputs: np.ndarray
    loss: float
    gradient: torch.Tensor

    @classmethod
    @for_autograd
    @on_one_thread
    def of(cls, estimator, X, y, sample_weight=None) -> "NullModel":
        """Return the null model of some data.

        Where the loss has a kink at the best constant, as with a median, there are several gradients. One with a mean
        of zero over rows is taken, as the intercept demands. If the targets of one row alone are on the kink, it is the
        only one; if of several, :meth:`alpha_max` of another could be smaller.
        """
        work = unfitted(estimator)
        table = learnable_data(work, X, y, sample_weight)
        loss = work._make_loss()
        term = DataTerm.of(work, table, loss)
        data, target, weight = term.X, term.target, term.weight
        # Targets that differ by rounding only are constant: no feature has an effect on them.
        is_constant = target.amax(dim=0) - target.amin(dim=0) <= ROUNDING * target.abs().amax(dim=0)
        target = torch.where(is_constant, target[0], target)
        outputs = loss.fit_intercept_only(target, weight)
        per_row = loss.per_row(outputs.expand(1, len(target), -1), target)
        residual = loss.null_gradient(outputs, target, weight)[0]
        # The mean over rows is zero but for rounding, which would otherwise be an effect of constant columns, and of
        # all columns on constant targets.
        centred = residual - weight @ residual
        gradient = torch.from_numpy(np.asarray(data.T @ (weight.unsqueeze(1) * centred).numpy(), dtype=np.float64))
        gradient[gradient.abs() <= ROUNDING * abs(data).max() * residual.abs().max()] = 0
        return cls(outputs.numpy(), float((per_row @ weight)[0]), gradient.unsqueeze(0))

    @on_one_thread
    def check_effect(self) -> None:
        """Raise if no feature has an effect."""
        if not self.gradient.any():
            raise ValueError("No feature has an effect on y: y or X is constant. Give other data.")

    @property
    @on_one_thread
    def scale(self) -> float:
        """Largest norm of the gradient of a feature: the alpha_max of plain group lasso."""
        return float(torch.linalg.vector_norm(self.gradient, dim=2).max())

    @on_one_thread
    def alpha_max(self, estimator) -> float:
        """Return the smallest strength of a penalty at which it is a minimum among linear models."""
        layers = penalty_of(estimator).set_params(alpha=1.0).for_layers(tuple(self.gradient.shape[1:]))
        constraint = resolve_constraint(estimator.constraint, layers)[0]
        # A weight that must not be negative stays at zero where its gradient is positive.
        gradient = self.gradient.clamp_max(0) if isinstance(constraint, Nonnegative) else self.gradient
        return float(layers[0].to(gradient.dtype, gradient.device).alpha_max(gradient)[0])


def alpha_max(estimator, X, y, *, sample_weight=None):
    """Return the smallest strength of the penalty at which no feature is used.

    Without hidden layers it is known in closed form, from the gradient of the loss where all weights are zero. With
    hidden layers zero is always a stationary point, and whether training ends there depends on the initial weights: the
    strength is found by about ten fits, doubling it and then bisecting to within 5 %. All fits have the same initial
    weights if `random_state` of the estimator is an int.

    Parameters
    ----------
    estimator : RegularizedMLPClassifier or RegularizedMLPRegressor
        The estimator; the strength of its penalty is ignored.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    float
        A strength at which all weights of the first layer (with 'hierarchical', also of the skip connection) are
        exactly zero, less than 5 % above one at which some are not. The closed form is rounded up by 0.1 %, because at
        the exact value training approaches zero without reaching it. It is that of all rows: with `early_stopping`,
        which trains on a part of them, the strength can be a little higher.

    Raises
    ------
    ValueError
        If there is no such strength, because the penalty is smooth or None, or y is constant; or if the groups of the
        penalty are original columns, and X does not know them.

    See Also
    --------
    regularization_path : Fits for many strengths of a penalty.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.model_selection import alpha_max
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RegularizedMLPRegressor((), penalty="l1")
    >>> print(f"{alpha_max(model, scale(X), scale(y)):.3f}")
    0.587
    """
    check_estimator(estimator)
    give_warnings(unused_messages(estimator, ("alpha",)))
    estimator = with_known_columns(without_unused(estimator), as_numpy(X))
    null = NullModel.of(estimator, X, y, sample_weight)
    if not can_be_empty(estimator, *null.gradient.shape[1:]):
        raise ValueError(f"No strength of the penalty sets all weights to zero; got penalty={estimator.penalty!r}.")
    null.check_effect()
    if not has_hidden_layers(estimator):
        return null.alpha_max(estimator) * ROUND_UP

    def empty(alpha):
        model = with_alpha(estimator, alpha)
        fit_all([Request(model, (X, y, sample_weight), is_short=True)])
        return is_empty(model)

    return _bracket(empty, null.scale)


def _bracket(empty, start: float) -> float:
    """Return a strength that is empty, at most BRACKET_RATIO above one that is not, from a start."""
    low = high = start
    if empty(start):
        for _ in range(MAX_FITS):
            low, high = low / 2, low
            if not empty(low):
                break
        else:
            raise ValueError(f"No feature is used at any strength down to alpha={low:.3g}.")
    else:
        for _ in range(MAX_FITS):
            low, high = high, 2 * high
            if empty(high):
                break
        else:
            raise ValueError(f"No strength up to alpha={high:.3g} sets all weights to zero.")
    while high > BRACKET_RATIO * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if empty(middle) else (middle, high)
    return high
