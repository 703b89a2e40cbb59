"""Constraints on the weights: sets that every training step projects them onto.

A constraint restricts the weight matrices of a network, never biases or normalization parameters. Pass a string for all
matrices, one of these objects, or a list with one of either (or None) for each weight matrix, the output layer's last.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import ClassVar

import torch
from sklearn.base import BaseEstimator, clone
from torch import Tensor

from skreg._docs import DocLink
from skreg._sklearn_private import Interval, check_parameters
from skreg.penalties import Hierarchical
from skreg.penalties._base import LayerPenalty
from skreg.penalties._groups import GroupPenalty

__all__ = ["Constraint", "MaxNorm", "Nonnegative"]


class Constraint(DocLink, BaseEstimator, ABC):
    """Base class of all constraints.

    See Also
    --------
    MaxNorm : Bounds the norm of each unit's incoming weights.
    Nonnegative : No weight is negative.

    Examples
    --------
    >>> import torch
    >>> from skreg.constraints import Nonnegative
    >>> Nonnegative().project(torch.tensor([[[1.0, -1.0]]]))
    tensor([[[1., 0.]]])
    """

    _parameter_constraints: ClassVar[dict] = {}

    @abstractmethod
    def project(self, W: Tensor) -> Tensor:
        """Return the nearest weights that obey the constraint.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.

        Returns
        -------
        Tensor of the shape of W
            A new tensor.
        """

    def mean_over_blocks(self, T: Tensor) -> Tensor:
        """Return the mean of T over each block of weights that the constraint ties together.

        Parameters
        ----------
        T : Tensor of shape (n_members, n_inputs, n_outputs)
            One number for every weight.

        Returns
        -------
        Tensor that broadcasts to the shape of T
            ``T`` itself where every weight stands alone.
        """
        return T

    @abstractmethod
    def prox(self, W: Tensor, step, penalty: LayerPenalty | None) -> Tensor:
        """Return the minimizer of a penalty's proximal problem among the weights that obey the constraint.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            The step of each coordinate, the same for all weights that the constraint or the penalty ties together.
        penalty : LayerPenalty or None
            The penalty, which :meth:`check_penalty` must admit.

        Returns
        -------
        Tensor of the shape of W
            The minimizer.
        """

    def check_penalty(self, penalty: LayerPenalty) -> None:
        """Raise ValueError if the constraint and a penalty have no common proximal step in closed form.

        Parameters
        ----------
        penalty : LayerPenalty
            The penalty on the same weight matrix.

        Returns
        -------
        None
            If they have.
        """
        if isinstance(penalty.penalty, Hierarchical):
            raise ValueError(
                f"constraint={self!r} cannot act on a weight matrix with penalty='hierarchical', which has a "
                "constraint of its own. Give one constraint for each weight matrix, with None for the first."
            )


class MaxNorm(Constraint):
    r"""Bound on the norm of each unit's incoming weights: :math:`\lVert W_{\cdot k} \rVert_2 \le c`.

    :math:`c` is `max_value`. A column of the weight matrix that is longer is scaled down to length c. With the solver
    'adam' all weights of a unit share one metric, the root of their mean squared gradient, because the nearest point of
    a ball is found by scaling only where all directions count the same.

    It can be combined with penalties on single weights that are convex (L1, L2, elastic net, weighted L1) and with
    groups of incoming weights (``groups="neurons"``): the minimizer of both is then the penalty's, scaled down.

    Parameters
    ----------
    max_value : float, default=3.0
        The largest norm; positive.

    See Also
    --------
    Nonnegative : Another constraint.
    skreg.penalties.L2 : Shrinks weights instead of bounding them.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", Journal of Machine
       Learning Research 15, 2014, section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.constraints import MaxNorm
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier(
    ...     (20,), constraint=MaxNorm(0.5), learning_rate="cosine", learning_rate_init=0.01, random_state=0
    ... )
    >>> bool(np.linalg.norm(model.fit(X, y).coefs_[0], axis=0).max() <= 0.5 + 1e-9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {"max_value": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, max_value=3.0):
        self.max_value = max_value

    def project(self, W):
        norms = torch.linalg.vector_norm(W, dim=1, keepdim=True)
        return W * (self.max_value / norms.clamp_min(self.max_value))

    def mean_over_blocks(self, T):
        return T.mean(dim=1, keepdim=True)

    def prox(self, W, step, penalty):
        # The penalties that are admitted are sums over columns of functions whose proximal operator keeps its form when
        # W is scaled, so the multiplier of the bound only scales the result.
        return self.project(W if penalty is None else penalty.prox(W, step))

    def check_penalty(self, penalty):
        super().check_penalty(penalty)
        cuts_across = isinstance(penalty.penalty, GroupPenalty) and not penalty.penalty.has_groups("neurons")
        if cuts_across or not penalty.penalty.convex:
            raise ValueError(
                f"constraint={self!r} cannot act on a weight matrix with {penalty.penalty!r}: there is no exact step "
                "for both. Use a convex penalty on single weights or groups='neurons', or give one constraint for each "
                "weight matrix, with None where the penalty acts."
            )


class Nonnegative(Constraint):
    r"""No weight is negative: :math:`w_{ij} \ge 0`.

    Without hidden layers, and with :class:`~skreg.penalties.L1`, it is ``Lasso(positive=True)``. With an activation
    that does not decrease, a network all of whose matrices are nonnegative never decreases in any feature; for a
    monotone effect, constrain every matrix. It can be combined with all penalties but 'hierarchical': the minimizer
    of both is the penalty's for the weights without their negative parts.

    See Also
    --------
    MaxNorm : Another constraint.

    References
    ----------
    .. [1] J. Chorowski and J. M. Zurada, "Learning understandable neural networks with nonnegative weight constraints",
       IEEE Transactions on Neural Networks and Learning Systems 26(1), 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RegularizedMLPRegressor(
    ...     (20,), constraint="nonnegative", learning_rate="cosine", learning_rate_init=0.01, max_iter=100,
    ...     random_state=0,
    ... ).fit(scale(X), scale(y))
    >>> bool(min(W.min() for W in model.coefs_) >= 0)
    True
    """

    def project(self, W):
        return W.clamp_min(0)

    def prox(self, W, step, penalty):
        W = self.project(W)
        return W if penalty is None else penalty.prox(W, step)


# The strings that ``constraint`` accepts.
ALIASES: dict[str, type[Constraint]] = {"max_norm": MaxNorm, "nonnegative": Nonnegative}


def resolve_constraint(constraint, penalties: Sequence[LayerPenalty | None]) -> list[Constraint | None]:
    """Return the constraint on each weight matrix that the parameter of an estimator stands for.

    Parameters
    ----------
    constraint : str, Constraint, None, or a sequence of these
        As given to the estimator.
    penalties : sequence of LayerPenalty or None
        What is penalized on each weight matrix.

    Returns
    -------
    list of Constraint or None
        New, checked objects.

    Raises
    ------
    ValueError
        If there are too many or too few of them, or if one does not go with the penalty on its matrix.
    """
    if not isinstance(constraint, list | tuple):
        constraint = [constraint] * len(penalties)
    if len(constraint) != len(penalties):
        raise ValueError(
            f"The 'constraint' parameter must be one constraint, or one (or None) for each of the {len(penalties)} "
            f"weight matrices; got {len(constraint)}: {constraint!r}."
        )
    resolved = []
    for given, penalty in zip(constraint, penalties, strict=True):
        is_alias = isinstance(given, str) and given in ALIASES
        if not (given is None or is_alias or isinstance(given, Constraint)):
            raise ValueError(
                f"The 'constraint' parameter must be one of {sorted(ALIASES)}, a constraint object or None for every "
                f"weight matrix; got {given!r}."
            )
        item = ALIASES[given]() if is_alias else None if given is None else clone(given)
        if item is not None:
            check_parameters(item)
            if penalty is not None:
                item.check_penalty(penalty)
        resolved.append(item)
    return resolved
