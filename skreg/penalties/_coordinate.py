"""Penalties on single weights, the same on all layers."""

from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from skreg._sklearn_private import Interval
from skreg.penalties._base import ALPHA_CONSTRAINT, DEFAULT_ALPHA, DEFAULT_L1_RATIO, L1_RATIO_CONSTRAINT, Penalty
from skreg.proximal import mcp_threshold, scad, scad_threshold, shrink, soft_threshold


def largest_entry(G: Tensor) -> Tensor:
    """Return the largest absolute entry of every member's matrix."""
    return G.abs().amax(dim=(1, 2))


class L1(Penalty):
    r"""Lasso penalty: :math:`\Omega(W) = \sum_{ij} |w_{ij}|`.

    Sets weights to exactly zero. Without hidden layers the fitted coefficients are those of
    :class:`~sklearn.linear_model.Lasso` and of :class:`~sklearn.linear_model.LogisticRegression` with an L1
    penalty and ``C = 1 / (n_samples * alpha)``.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).

    See Also
    --------
    L2 : Shrinks weights without setting them to zero.
    ElasticNet : Mixture of L1 and L2.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", Journal of the Royal Statistical
       Society B 58(1), 1996, equation 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.penalties import L1
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier(
    ...     (20,), penalty=L1(alpha=0.01), learning_rate="cosine", learning_rate_init=0.02, random_state=0
    ... )
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    >>> bool(model.sparsity_[0] > 0.5)
    True
    """

    elementwise: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = ALPHA_CONSTRAINT

    def __init__(self, alpha=DEFAULT_ALPHA):
        self.alpha = alpha

    def value(self, W, alpha):
        return (W.abs() * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        return soft_threshold(W, step * alpha)

    def prox_(self, W, step, scale, alpha):
        return soft_threshold(W, step.mul_(scale * alpha), out=W)

    def alpha_max(self, gradient):
        return largest_entry(gradient)


class L2(Penalty):
    r"""Ridge penalty: :math:`\Omega(W) = \frac12 \sum_{ij} w_{ij}^2`.

    Shrinks all weights. None becomes exactly zero unless the loss does not depend on it: weights of constant inputs and
    of units that are never active decay geometrically, and are set to zero below 1e-20. Note the factor one half:
    Keras' ``l2(0.01)`` is ``alpha=0.02`` here.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).

    See Also
    --------
    L1 : Sets weights to exactly zero.
    ElasticNet : Mixture of L1 and L2.

    References
    ----------
    .. [1] A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems",
       Technometrics 12(1), 1970.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import L2
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X, y = scale(X), scale(y)
    >>> model = RegularizedMLPRegressor(
    ...     (), penalty=L2(alpha=0.1), batch_size=len(X), learning_rate="cosine", learning_rate_init=0.02,
    ...     max_iter=2000, random_state=0,
    ... ).fit(X, y)
    >>> ridge = Ridge(alpha=0.1 * len(X)).fit(X, y)
    >>> bool(abs(model.coefs_[0].ravel() - ridge.coef_).max() < 1e-5)
    True
    """

    smooth: ClassVar[bool] = True
    quadratic: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = ALPHA_CONSTRAINT

    def __init__(self, alpha=DEFAULT_ALPHA):
        self.alpha = alpha

    def value(self, W, alpha):
        return 0.5 * (W.square() * alpha).sum(dim=(1, 2))

    def gradient(self, W, alpha):
        """Return the gradient of :meth:`value`.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of the shape of W
            ``alpha * W``.
        """
        return W * alpha

    def prox(self, W, step, alpha):
        return shrink(W, step * alpha)


class ElasticNet(Penalty):
    r"""Elastic net: :math:`\Omega(W) = \rho \sum_{ij} |w_{ij}| + \frac{1-\rho}{2} \sum_{ij} w_{ij}^2`.

    :math:`\rho` is ``l1_ratio``. The objective is that of :class:`~sklearn.linear_model.ElasticNet`.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).
    l1_ratio : float, default=0.5
        Share of the L1 term, between 0 (:class:`L2`) and 1 (:class:`L1`).

    See Also
    --------
    L1 : The case ``l1_ratio=1``.
    L2 : The case ``l1_ratio=0``.

    References
    ----------
    .. [1] H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", Journal of the
       Royal Statistical Society B 67(2), 2005.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.penalties import ElasticNet
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier(
    ...     (10,), penalty=ElasticNet(alpha=0.01), learning_rate="cosine", learning_rate_init=0.02, random_state=0
    ... )
    >>> search = GridSearchCV(model, {"penalty__l1_ratio": [0.1, 0.9]}, scoring="neg_log_loss").fit(X, y)
    >>> search.best_estimator_.penalty_
    ElasticNet(alpha=0.01, l1_ratio=0.1)
    """

    member_parameters: ClassVar[tuple[str, ...]] = ("l1_ratio",)
    elementwise: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {**ALPHA_CONSTRAINT, **L1_RATIO_CONSTRAINT}

    def __init__(self, alpha=DEFAULT_ALPHA, *, l1_ratio=DEFAULT_L1_RATIO):
        self.alpha = alpha
        self.l1_ratio = l1_ratio

    def value(self, W, alpha):
        mixture = self.l1_ratio * W.abs() + 0.5 * (1 - self.l1_ratio) * W.square()
        return (mixture * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        strength = step * alpha
        return shrink(soft_threshold(W, strength * self.l1_ratio), strength * (1 - self.l1_ratio))

    def alpha_max(self, gradient):
        return (largest_entry(gradient) / self.l1_ratio) if self.l1_ratio else super().alpha_max(gradient)


class MCP(Penalty):
    r"""Minimax concave penalty, unbiased for large weights: :math:`\Omega(W) = \sum_{ij} \rho(w_{ij}) / \alpha`.

    .. math::

        \rho(w) = \alpha |w| - \frac{w^2}{2 \gamma} \;\; \text{if } |w| \le \gamma \alpha,
        \qquad \rho(w) = \frac{\gamma \alpha^2}{2} \;\; \text{beyond}

    So :math:`\alpha` is the slope at zero, as for L1, and weights larger than :math:`\gamma \alpha` are not shrunk. The
    penalty is not convex: a fit finds a local minimum. ``prox`` is the global minimizer for every step size :math:`t`:
    the firm threshold for :math:`t < \gamma`, and a hard threshold at :math:`\alpha \sqrt{\gamma t}` otherwise.
    ``alpha_max`` is that of L1: for this and larger strengths, zero is a local minimum.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).
    gamma : float, default=3.0
        Weight, in units of `alpha`, from which the penalty is constant; larger than 1. The limit inf is L1.

    See Also
    --------
    SCAD : Another penalty that does not shrink large weights.
    L1 : Shrinks all weights alike.

    References
    ----------
    .. [1] C.-H. Zhang, "Nearly unbiased variable selection under minimax concave penalty", The Annals of Statistics
       38(2), 2010, equation 2.2.
    .. [2] P. Breheny and J. Huang, "Coordinate descent algorithms for nonconvex penalized regression", The Annals of
       Applied Statistics 5(1), 2011, section 2.1.

    Examples
    --------
    The two informative weights are hardly shrunk; L1 of the same strength shrinks each by 0.3:

    >>> import numpy as np
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import MCP
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 6))
    >>> y = 2 * X[:, 0] - 2 * X[:, 1] + rng.normal(size=200)
    >>> model = RegularizedMLPRegressor(
    ...     (), penalty=MCP(alpha=0.3), learning_rate="cosine", learning_rate_init=0.05, random_state=0
    ... ).fit(X, y)
    >>> model.selected_features_
    array([0, 1])
    >>> bool(np.abs(model.coefs_[0][:2]).min() > 1.9)
    True
    """

    convex: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {
        **ALPHA_CONSTRAINT,
        "gamma": [Interval(Real, 1, None, closed="neither")],
    }

    def __init__(self, alpha=DEFAULT_ALPHA, *, gamma=3.0):
        self.alpha = alpha
        self.gamma = gamma

    def value(self, W, alpha):
        size = torch.minimum(W.abs(), torch.as_tensor(self.gamma * alpha, dtype=W.dtype, device=W.device))
        return (alpha * size - size.square() / (2 * self.gamma)).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        return mcp_threshold(W, step, alpha, self.gamma)

    def alpha_max(self, gradient):
        return largest_entry(gradient)


class SCAD(Penalty):
    r"""Smoothly clipped absolute deviation (SCAD) penalty: :math:`\Omega(W) = \sum_{ij} \rho(w_{ij}) / \alpha`.

    .. math::

        \rho(w) = \begin{cases}
        \alpha |w| & |w| \le \alpha \\
        \dfrac{2 \gamma \alpha |w| - w^2 - \alpha^2}{2 (\gamma - 1)} & \alpha < |w| \le \gamma \alpha \\
        \dfrac{\alpha^2 (\gamma + 1)}{2} & |w| > \gamma \alpha
        \end{cases}

    So :math:`\alpha` is the slope at zero, as for L1, and weights larger than :math:`\gamma \alpha` are not shrunk. The
    penalty is not convex: a fit finds a local minimum. ``prox`` is the global minimizer for every step size.
    ``alpha_max`` is that of L1: for this and larger strengths, zero is a local minimum.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).
    gamma : float, default=3.7
        Weight, in units of `alpha`, from which the penalty is constant; larger than 2. The limit inf is L1.

    See Also
    --------
    MCP : Another penalty that does not shrink large weights.
    L1 : Shrinks all weights alike.

    References
    ----------
    .. [1] J. Fan and R. Li, "Variable selection via nonconcave penalized likelihood and its oracle properties", Journal
       of the American Statistical Association 96(456), 2001, equations 2.7 and 2.8.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import SCAD
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 6))
    >>> y = 2 * X[:, 0] - 2 * X[:, 1] + rng.normal(size=200)
    >>> model = RegularizedMLPRegressor(
    ...     (), penalty=SCAD(alpha=0.3), learning_rate="cosine", learning_rate_init=0.05, random_state=0
    ... ).fit(X, y)
    >>> model.selected_features_
    array([0, 1])
    """

    convex: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {
        **ALPHA_CONSTRAINT,
        "gamma": [Interval(Real, 2, None, closed="neither")],
    }

    def __init__(self, alpha=DEFAULT_ALPHA, *, gamma=3.7):
        self.alpha = alpha
        self.gamma = gamma

    def value(self, W, alpha):
        return scad(W, alpha, self.gamma).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        return scad_threshold(W, step, alpha, self.gamma)

    def alpha_max(self, gradient):
        return largest_entry(gradient)
