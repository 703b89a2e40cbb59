"""Penalties that select features or units: they act on some layers, and weak L2 on the others."""

from collections.abc import Sequence
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import clone

from skreg._numbers import numbers_in
from skreg._sklearn_private import Interval
from skreg.penalties._base import ALPHA_CONSTRAINT, DEFAULT_ALPHA, LayerPenalty, Penalty, layer_strengths
from skreg.penalties._coordinate import L2, largest_entry
from skreg.proximal import soft_threshold

DEFAULT_LATER_LAYERS_L2 = 1e-3
# The adaptive lasso divides by earlier weights; those that were 0 count as this share of the largest.
SMALLEST_RELATIVE_WEIGHT = 1e-6
SELECTING_CONSTRAINTS = {
    **ALPHA_CONSTRAINT,
    "later_layers_l2": [Interval(Real, 0, None, closed="left")],
}


def as_weights(values) -> np.ndarray | None:
    """Return finite numbers of at least 0 as an array; None if they are not."""
    weights = numbers_in(values)
    return None if weights is None or not (np.isfinite(weights) & (weights >= 0)).all() else weights


class SelectingPenalty(Penalty):
    """Base class of penalties that select features or units, and so act on some of the layers only.

    With one number as ``alpha``, the layers that :meth:`_selects_on` names are penalized, and the squares of the
    weights of all others with strength ``later_layers_l2``: a penalty on the first layer alone could be undone by a
    larger second layer. With one number for each weight matrix, these strengths are all that there is.
    """

    def _selects_on(self, layer: int, n_layers: int) -> bool:
        """Return whether the penalty acts on a weight matrix when alpha is one number."""
        return layer == 0

    def _layer_options(self, layer: int, layer_units: Sequence[int]) -> dict:
        """Return the options of the methods of the penalty for a weight matrix."""
        return {}

    def for_layers(self, layer_units):
        n_layers = len(layer_units) - 1
        one_number = np.ndim(self.alpha) == 0
        layers = []
        for i, alpha in enumerate(layer_strengths(self.alpha, n_layers)):
            if one_number and not self._selects_on(i, n_layers):
                ridge = float(self.later_layers_l2)
                layers.append(LayerPenalty(L2(ridge), ridge) if ridge else None)
            else:
                layers.append(LayerPenalty(self, alpha, self._layer_options(i, layer_units)) if alpha else None)
        return layers


class WeightedL1(SelectingPenalty):
    r"""Lasso with a weight for every feature or weight: :math:`\Omega(W_1) = \sum_{ij} \omega_{ij} |w_{ij}|`.

    With :math:`\omega_{ij} = 1 / |\hat w_{ij}|` from an earlier fit it is the adaptive lasso, which shrinks large
    weights less and selects fewer wrong features. ``prox`` soft-thresholds every weight at
    :math:`t \, \alpha \, \omega_{ij}`; ``alpha_max`` is the largest :math:`|g_{ij}| / \omega_{ij}`.

    If `alpha` is one number it acts on the first weight matrix, and :math:`\frac{\lambda}{2} \sum w^2` with
    :math:`\lambda` = `later_layers_l2` on all others. If it is one number for each matrix, the other matrices have
    plain L1 of that strength.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one number, or one for each weight matrix (the output layer's last).
    weights : array-like of shape (n_features,) or (n_features, n_units), default=None
        :math:`\omega`, at least 0: one for every feature, or for every weight of the first matrix. None means 1.
    later_layers_l2 : float, default=1e-3
        Strength of L2 on the matrices after the first, where `alpha` is one number; at least 0.

    See Also
    --------
    L1 : Lasso penalty without weights, on every layer.
    GroupLasso : Selects whole features, with `group_weights`.

    References
    ----------
    .. [1] H. Zou, "The adaptive lasso and its oracle properties", Journal of the American Statistical Association
       101(476), 2006, equation 4.

    Examples
    --------
    The adaptive lasso drops two features that the lasso keeps:

    >>> import numpy as np
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import WeightedL1
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 6))
    >>> y = 2 * X[:, 0] - X[:, 1] + rng.normal(size=100)
    >>> model = RegularizedMLPRegressor(
    ...     (), penalty=WeightedL1(alpha=0.1), learning_rate="cosine", learning_rate_init=0.05, random_state=0
    ... ).fit(X, y)
    >>> model.selected_features_
    array([0, 1, 3, 5])
    >>> weights = 1 / np.maximum(np.abs(model.coefs_[0]), 1e-3)
    >>> model.set_params(penalty__weights=weights).fit(X, y).selected_features_
    array([0, 1])
    """

    _parameter_constraints: ClassVar[dict] = {**SELECTING_CONSTRAINTS, "weights": ["array-like", None]}

    def __init__(self, alpha=DEFAULT_ALPHA, *, weights=None, later_layers_l2=DEFAULT_LATER_LAYERS_L2):
        self.alpha = alpha
        self.weights = weights
        self.later_layers_l2 = later_layers_l2

    def _layer_options(self, layer, layer_units):
        if layer or self.weights is None:
            return {}
        weights = as_weights(self.weights)
        shape = tuple(layer_units[:2])
        if weights is None or weights.shape not in (shape[:1], shape):
            raise ValueError(
                f"The 'weights' parameter of WeightedL1 must hold finite numbers of at least 0 and have the shape "
                f"{shape[:1]} or {shape} of the first weight matrix; got {self.weights!r}."
            )
        return {"weights": torch.from_numpy(weights.reshape(shape[0], -1))}

    def value(self, W, alpha, weights=1.0):
        return (W.abs() * alpha * weights).sum(dim=(1, 2))

    def prox(self, W, step, alpha, weights=1.0):
        return soft_threshold(W, step * alpha * weights)

    def alpha_max(self, gradient, weights=1.0):
        return largest_entry(torch.where(gradient == 0, 0, gradient / weights))

    @property
    def supports_reweighting(self):
        return True

    def reweighted(self, W):
        size = np.abs(W, dtype=np.float64)
        features = np.flatnonzero(size.any(axis=1))
        largest = size.max()
        weights = largest / np.maximum(size[features], SMALLEST_RELATIVE_WEIGHT * largest)
        if self.weights is not None:
            weights = weights * np.asarray(self.weights, dtype=np.float64).reshape(len(W), -1)[features]
        return clone(self).set_params(weights=weights), features
