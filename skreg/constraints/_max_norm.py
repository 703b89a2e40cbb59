"""A bound on the norm of each unit's incoming weights."""

from numbers import Real
from typing import ClassVar

import torch

from skreg._sklearn_private import Interval
from skreg.constraints._base import Constraint
from skreg.penalties._groups import GroupPenalty


class MaxNorm(Constraint):
    r"""Bound on the norm of each unit's incoming weights: :math:`\lVert W_{\cdot k} \rVert_2 \le c`.

    :math:`c` is `max_value`. Columns of the weight matrix with a larger norm are scaled down to c. With the solver
    'adam' all weights of a unit share one step size, from their mean squared gradient, because scaling is the
    projection onto a ball only in a metric that is the same in all directions.

    It can be combined with convex penalties on single weights (L1, L2, elastic net, weighted L1) and with groups of
    incoming weights (``groups="neurons"``): the joint minimizer is then that of the penalty, scaled down.

    Parameters
    ----------
    max_value : float, default=3.0
        The largest norm; positive.

    See Also
    --------
    Nonnegative : Weights of at least 0.
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
        bound = self.max_value if isinstance(self.max_value, torch.Tensor) else float(self.max_value)
        return W * (bound / norms.clamp_min(bound))

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
                f"constraint={self!r} cannot act on a weight matrix with {penalty.penalty!r}: there is no exact "
                "proximal step for both. Use a convex penalty on single weights or groups='neurons', or give one "
                "constraint for each weight matrix, with None where the penalty acts."
            )
