r"""Penalties on the weights: what is added to the loss, and its proximal operator.

A penalty adds :math:`\sum_l \alpha_l\,\Omega(W_l)` to the mean loss. It acts on the weight matrices
:math:`W_1, \dots, W_L` and never on biases or normalization parameters. The strength :math:`\alpha` multiplies
:math:`\Omega` once: it depends neither on the number of rows nor on the batch size, the solver or the learning
rate.

Pass a string for the common case (``penalty="l1", alpha=1e-3``) or one of these objects
(``penalty=L1(alpha=1e-3)``), whose parameters can be swept as ``penalty__alpha``.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from torch import Tensor

from skreg._sklearn_private import Interval, validate_parameter_constraints
from skreg.proximal import Scalars, shrink, soft_threshold

__all__ = ["L1", "L2", "ElasticNet", "Penalty"]

DEFAULT_ALPHA = 1e-4
DEFAULT_L1_RATIO = 0.5


class Penalty(BaseEstimator, ABC):
    """Base class of all penalties.

    A subclass pairs :meth:`value` with :meth:`prox` and knows nothing of optimizers, layers or training loops.
    Weights carry a leading axis of ``n_members`` networks that are trained together.

    Attributes
    ----------
    smooth : bool
        Class attribute. True if the penalty is differentiable everywhere; it then has a method
        ``gradient(W, alpha)``, and the optimizer may add that to the gradient of the loss instead of taking a
        proximal step. Both have the same minimizer.

    See Also
    --------
    L1 : Sum of absolute values.
    L2 : Half the sum of squares.
    ElasticNet : A mixture of the two.
    """

    smooth: ClassVar[bool] = False

    @abstractmethod
    def value(self, W: Tensor, alpha: Scalars) -> Tensor:
        """Return the penalty of each member.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength; at least 0.

        Returns
        -------
        Tensor of shape (n_members,)
            ``alpha * Omega(W)``.
        """

    @abstractmethod
    def prox(self, W: Tensor, step: Scalars, alpha: Scalars) -> Tensor:
        """Return the minimizer of ``sum((Z - W)**2 / (2 * step)) + alpha * Omega(Z)`` over ``Z``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            The step of each coordinate; positive.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength; at least 0.

        Returns
        -------
        Tensor of the shape of W
            A new tensor; ``W`` is left as it is.
        """


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
    ElasticNet : A mixture of L1 and L2.

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

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
    }

    def __init__(self, alpha=DEFAULT_ALPHA):
        self.alpha = alpha

    def value(self, W, alpha):
        """Return ``alpha * sum |w|`` for each member.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of shape (n_members,)
            The penalty.
        """
        return (W.abs() * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        """Soft-threshold every weight at ``step * alpha``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            The step of each coordinate.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of the shape of W
            The minimizer.
        """
        return soft_threshold(W, step * alpha)


class L2(Penalty):
    r"""Ridge penalty: :math:`\Omega(W) = \frac12 \sum_{ij} w_{ij}^2`.

    Shrinks all weights. None becomes exactly zero unless the loss does not depend on it: weights of inputs that
    never vary and of units that are never active decay geometrically, and are zero below 1e-20. Note the one half:
    Keras' ``l2(0.01)`` is ``alpha=0.02`` here.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one for all weight matrices, or one for each (the output layer's last).

    See Also
    --------
    L1 : Sets weights to exactly zero.
    ElasticNet : A mixture of L1 and L2.

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
    _parameter_constraints: ClassVar[dict] = L1._parameter_constraints

    def __init__(self, alpha=DEFAULT_ALPHA):
        self.alpha = alpha

    def value(self, W, alpha):
        """Return ``alpha * sum w**2 / 2`` for each member.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of shape (n_members,)
            The penalty.
        """
        return 0.5 * (W.square() * alpha).sum(dim=(1, 2))

    def gradient(self, W, alpha):
        """Return ``alpha * W``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of the shape of W
            The gradient of :meth:`value`.
        """
        return W * alpha

    def prox(self, W, step, alpha):
        """Divide every weight by ``1 + step * alpha``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            The step of each coordinate.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of the shape of W
            The minimizer.
        """
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

    _parameter_constraints: ClassVar[dict] = {
        **L1._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, alpha=DEFAULT_ALPHA, *, l1_ratio=DEFAULT_L1_RATIO):
        self.alpha = alpha
        self.l1_ratio = l1_ratio

    def value(self, W, alpha):
        """Return ``alpha * (l1_ratio * sum |w| + (1 - l1_ratio) / 2 * sum w**2)`` for each member.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of shape (n_members,)
            The penalty.
        """
        mixture = self.l1_ratio * W.abs() + 0.5 * (1 - self.l1_ratio) * W.square()
        return (mixture * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        """Soft-threshold at ``step * alpha * l1_ratio``, then divide by ``1 + step * alpha * (1 - l1_ratio)``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            The step of each coordinate.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.

        Returns
        -------
        Tensor of the shape of W
            The minimizer.
        """
        strength = step * alpha
        return shrink(soft_threshold(W, strength * self.l1_ratio), strength * (1 - self.l1_ratio))


# The strings that ``penalty`` accepts. A new penalty needs one class above and one line here.
ALIASES: dict[str, type[Penalty]] = {"l1": L1, "l2": L2, "elasticnet": ElasticNet}


def check_penalty(penalty: Penalty) -> None:
    """Raise if a parameter of a penalty object is not allowed."""
    validate_parameter_constraints(
        penalty._parameter_constraints,
        penalty.get_params(deep=False),
        caller_name=type(penalty).__name__,
    )


def layer_strengths(alpha: float | Sequence[float], n_layers: int) -> list[float]:
    """Return one strength for each weight matrix, from one number for all or a sequence with one for each."""
    values = [alpha] * n_layers if np.ndim(alpha) == 0 else list(alpha)
    if len(values) != n_layers:
        raise ValueError(
            f"The 'alpha' parameter must be one number, or one for each of the {n_layers} weight matrices; "
            f"got {len(values)} numbers: {alpha!r}."
        )
    if not all(isinstance(a, Real) and np.isfinite(a) and a >= 0 for a in values):
        raise ValueError(f"The 'alpha' parameter must be finite and at least 0 for every weight matrix; got {alpha!r}.")
    return [float(a) for a in values]


def resolve_penalty(penalty, alpha, l1_ratio) -> Penalty | None:
    """Return the penalty that the parameters of an estimator stand for, as a new, checked object.

    A string reads the flat strengths ``alpha`` and ``l1_ratio`` (None stands for 1e-4 and 0.5). An object brings
    its own, so a flat strength beside it is an error. Beside ``penalty=None`` a flat strength has no effect and
    gives a warning, so that a grid over ``penalty`` and ``alpha`` runs.
    """
    flat = {"alpha": alpha, "l1_ratio": l1_ratio}
    given = [name for name, value in flat.items() if value is not None]
    if isinstance(penalty, Penalty):
        if given:
            raise ValueError(
                f"{given[0]!r} must be None when 'penalty' is an object, which brings its own strength; got "
                f"{given[0]}={flat[given[0]]!r} beside penalty={penalty!r}. Set it on the object: "
                f"penalty__{given[0]}={flat[given[0]]!r}."
            )
        resolved = clone(penalty)
        check_penalty(resolved)
        return resolved
    penalty_class = None if penalty is None else ALIASES[penalty]
    read = () if penalty_class is None else penalty_class._parameter_constraints
    for name in given:
        if name not in read:
            warnings.warn(f"{name}={flat[name]!r} has no effect with penalty={penalty!r}.", stacklevel=5)
    if penalty_class is None:
        return None
    return penalty_class(**{name: flat[name] for name in given if name in read})
