"""Weights without a negative one among them."""

from skreg.constraints._base import Constraint


class Nonnegative(Constraint):
    r"""Bound of zero below every weight: :math:`w_{ij} \ge 0`.

    Without hidden layers, and with :class:`~skreg.penalties.L1`, it is ``Lasso(positive=True)``. With a nondecreasing
    activation, a network whose matrices are all nonnegative is nondecreasing in every feature; for a monotone effect,
    constrain every matrix. It can be combined with all penalties but 'hierarchical': the joint minimizer is that of the
    penalty for the positive parts of the weights.

    See Also
    --------
    MaxNorm : Bounds the norm of each unit's incoming weights.

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
