"""LassoNet's penalty: a skip connection decides which features the network may use."""

from numbers import Real
from typing import ClassVar

import torch

from skreg._sklearn_private import Interval
from skreg.penalties._base import DEFAULT_ALPHA
from skreg.penalties._selecting import DEFAULT_LATER_LAYERS_L2, SELECTING_CONSTRAINTS, SelectingPenalty
from skreg.proximal import hierarchical_threshold

# No larger than this, so that its square is within the range of float32.
LARGEST_M = 1e18


class Hierarchical(SelectingPenalty):
    r"""LassoNet's penalty, which gates each feature: :math:`\Omega = \sum_j \lVert \theta_j \rVert_2`.

    The network becomes :math:`\theta^\top x + f(x)`, with a skip connection :math:`\theta` from the inputs to the
    outputs. :math:`\theta_j` holds the skip weights of feature j, one for each output, and bounds the feature's
    weights into the first hidden layer:

    .. math::

        |w_{jk}| \le M \, \lVert \theta_j \rVert_2 \quad \text{for every hidden unit } k

    So a feature without skip weights is not used at all, and the norm of its skip weights is its importance. ``prox``
    solves the joint problem, equation 8 of the paper, exactly; its first weight matrix holds the hidden weights and, in
    the last columns, the skip weights. Without hidden layers it is
    :class:`GroupLasso` over features. ``alpha_max`` is the largest, over features, norm of the gradient of the skip
    weights plus :math:`M` times the sum of the absolute gradients of the hidden weights.

    If `alpha` is one number, :math:`\frac{\lambda}{2} \sum w^2` with :math:`\lambda` = `later_layers_l2` is added for
    all matrices after the first. It must be one number, or 0 for all matrices but the first.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0. With 0 there is neither penalty nor bound.
    M : float, default=10.0
        The largest hidden weight of a feature in units of the norm of its skip weights; positive, up to 1e18. Small
        values keep the network close to a linear model; with large ones the skip connection has no effect.
    later_layers_l2 : float, default=1e-3
        Strength of L2 on the matrices after the first, where `alpha` is one number; at least 0.

    See Also
    --------
    GroupLasso : Selects features by the norm of their hidden weights, without a skip connection.

    References
    ----------
    .. [1] I. Lemhadri, F. Ruan, L. Abraham and R. Tibshirani, "LassoNet: a neural network with feature sparsity",
       Journal of Machine Learning Research 22(127), 2021, equations 3 and 8 and algorithm 3.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import Hierarchical
    >>> X, y, coef = make_regression(300, 10, n_informative=3, noise=20, coef=True, random_state=0)
    >>> model = RegularizedMLPRegressor(
    ...     (20,), penalty=Hierarchical(alpha=3.0), batch_size=50, learning_rate="cosine", learning_rate_init=0.02,
    ...     random_state=0,
    ... ).fit(scale(X), scale(y))
    >>> model.selected_features_, coef.nonzero()[0]
    (array([1, 3, 4]), array([1, 3, 4]))
    >>> model.skip_coef_.shape
    (10, 1)
    """

    convex: ClassVar[bool] = False
    skip: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {
        **SELECTING_CONSTRAINTS,
        "M": [Interval(Real, 0, LARGEST_M, closed="right")],
    }

    def __init__(self, alpha=DEFAULT_ALPHA, *, M=10.0, later_layers_l2=DEFAULT_LATER_LAYERS_L2):
        self.alpha = alpha
        self.M = M
        self.later_layers_l2 = later_layers_l2

    def _layer_options(self, layer, layer_units):
        if layer > 0:
            raise ValueError(
                "The 'alpha' parameter of Hierarchical must be one number, or 0 for all weight matrices but the first; "
                f"got {self.alpha!r}."
            )
        return {"n_outputs": layer_units[-1]}

    def value(self, W, alpha, n_outputs=1):
        return (torch.linalg.vector_norm(W[..., -n_outputs:], dim=2, keepdim=True) * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha, n_outputs=1):
        hidden, skip = W[..., :-n_outputs], W[..., -n_outputs:]
        threshold = torch.as_tensor(step * alpha, dtype=W.dtype, device=W.device)
        # All weights of a feature have one step, which may come as a number for each.
        threshold = threshold[..., :1] if threshold.dim() else threshold
        skip, hidden = hierarchical_threshold(skip, hidden, threshold, self.M)
        return torch.cat([hidden, skip], dim=-1)

    def project(self, W, n_outputs=1):
        return self.prox(W, 1.0, 0.0, n_outputs)

    def alpha_max(self, gradient, n_outputs=1):
        # Skip weights of norm r cost r * alpha. They and the hidden weights, up to M * r, that they allow gain this.
        hidden, skip = gradient[..., :-n_outputs], gradient[..., -n_outputs:]
        return (torch.linalg.vector_norm(skip, dim=2) + self.M * hidden.abs().sum(dim=2)).amax(dim=1)

    def mean_over_blocks(self, T, n_outputs=1):
        return T.mean(dim=2, keepdim=True)
