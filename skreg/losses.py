"""Losses: what the network's outputs are compared with, row by row.

Tensors of outputs have the shape (n_members, n_rows, n_outputs), targets (n_rows, n_targets) or (n_members, n_rows,
n_targets): numbers for regression, numbers between 0 and 1 for classification, one column for each class or label.

A loss is *canonical* where it is the negative log-likelihood of a canonical link: its gradient with respect to the
outputs is then ``link(Z) - T``, and its best constant prediction the mean target (McCullagh and Nelder, "Generalized
Linear Models", 2nd edition, 1989, sections 2.2 and 2.5).
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Real

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from skreg._hashing import content_hash

REGRESSION_LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma")
CLASSIFICATION_LOSSES = ("log_loss",)

# A class that no row has would make the best constant output infinite.
SMALLEST_PROBABILITY = 1e-12
# Sums of weights that differ by less than this share are equal: 8/10 is reached by eight times 0.1, too.
ROUNDING = 1e-12
# Training could not come back in a sensible time from a start at much smaller shares of a class.
SMALLEST_START = 1e-6
# Where two quantiles coincide, a gap of this share of the targets' mean distance from their median is a start that
# training can both narrow and widen.
START_GAP = 1e-2
# Where two quantiles of the targets coincide, the best gap between them is softplus(-inf). This share of the targets'
# range is as good, and its output is finite and can still be trained: the gradient of softplus is about the gap.
SMALLEST_GAP = 1e-6
# From here on, softplus(z) is z in double precision. (torch's own threshold of 20 is wrong by 2e-9.)
SOFTPLUS_IS_LINEAR = 40.0


def weighted_sum(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted sum over the last axis; weights have the shape of that axis, or of the values."""
    return values @ weight if weight.dim() == 1 else (values * weight).sum(dim=-1)


def pinball(residual: Tensor, levels: Tensor) -> Tensor:
    """Return ``max(level * r, (level - 1) * r)`` for ``r = y - quantile`` (Koenker and Bassett, 1978)."""
    return torch.maximum(levels * residual, (levels - 1) * residual)


def weighted_quantiles(T: Tensor, weight: Tensor, levels: Tensor) -> Tensor:
    """Return, for each column, the smallest target up to which the rows' share of the weight reaches each level.

    Parameters
    ----------
    T : Tensor of shape (..., n_rows, n_targets)
        Targets.
    weight : Tensor of shape (n_rows,), or (n_members, n_rows)
        Weights, of any positive sum.
    levels : Tensor of shape (n_levels,)
        Levels, in (0, 1).

    Returns
    -------
    Tensor of shape (..., n_targets, n_levels)
        Quantiles, each of which is one of the targets.
    """
    T, weight = torch.broadcast_tensors(T, weight.unsqueeze(-1))
    order = T.argsort(dim=-2)
    reached = weight.double().gather(-2, order).cumsum(dim=-2).transpose(-1, -2).contiguous()
    wanted = levels.double() * reached[..., -1:] - ROUNDING * reached[..., -1:]
    position = torch.searchsorted(reached, wanted)
    return T.gather(-2, order).transpose(-1, -2).gather(-1, position)


def balanced_slopes(T: Tensor, weight: Tensor, levels: Tensor) -> Tensor:
    """Return derivatives of the pinball losses at the quantiles of the targets, whose weighted means are zero.

    Targets on a quantile have no derivative there but a range from ``-level`` to ``1 - level``. All of them get the
    same one, the one that makes the constant a stationary point.

    Parameters
    ----------
    T : Tensor of shape (n_rows, n_targets)
        Targets.
    weight : Tensor of shape (n_rows,)
        Weights that sum to 1.
    levels : Tensor of shape (n_levels,)
        Levels, in (0, 1).

    Returns
    -------
    Tensor of shape (n_rows, n_targets, n_levels)
        Derivatives with respect to the quantiles.
    """
    quantiles, T = weighted_quantiles(T, weight, levels), T.unsqueeze(-1)
    slopes = pinball_slopes(quantiles - T, levels)
    tied = (quantiles == T).to(T.dtype)
    mean, share = torch.tensordot(weight, slopes, dims=1), torch.tensordot(weight, tied, dims=1)
    return slopes + tied * torch.clamp(-mean / share, -levels, 1 - levels)


def pinball_slopes(excess: Tensor, levels: Tensor) -> Tensor:
    """Return the derivative of :func:`pinball` for ``excess = quantile - y``; 0 where that is 0."""
    return (excess > 0) * (1 - levels) - (excess < 0) * levels


def huber_location(y: Tensor, weight: Tensor, delta: float) -> Tensor:
    """Return the constant with the least Huber loss for targets of shape (n_rows,); the middle one if there are many.

    The derivative, the weighted mean of ``clip(c - y, -delta, delta)``, grows with c and is linear between its knots
    ``y - delta`` and ``y + delta``: bisection finds the two around its root, a straight line the root.
    """
    knots = torch.cat([y - delta, y + delta]).sort().values

    def slope(c):
        return weight @ (c - y).clamp(-delta, delta)

    zero = ROUNDING * delta
    first_zero = bisect_left(range(len(knots)), True, key=lambda k: bool(slope(knots[k]) >= -zero))
    first_positive = bisect_left(range(len(knots)), True, key=lambda k: bool(slope(knots[k]) > zero))
    if first_zero < first_positive:
        location = (knots[first_zero] + knots[first_positive - 1]) / 2
    else:
        low, high = knots[first_positive - 1], knots[first_positive]
        location = low - slope(low) * (high - low) / (slope(high) - slope(low))
    # The knots are rounded to the digits of delta, which may be large: a Newton step brings back those of y.
    inside = weight @ ((location - y).abs() < delta).to(y.dtype)
    return location - slope(location) / inside if inside > 0 else location


def inverse_softplus(value: Tensor) -> Tensor:
    """Return ``log(exp(value) - 1)``, without overflow."""
    return value + (-torch.expm1(-value)).log()


def start_shares(shares: Tensor) -> Tensor:
    """Return shares of classes, along the last axis, to start from: equal ones where a class has no row.

    Such rows are the first of a stream, or a part that does not stand for the whole.
    """
    is_absent = (shares <= 0).any(dim=-1, keepdim=True)
    return torch.where(is_absent, 1 / shares.shape[-1], shares).clamp_min(SMALLEST_START)


def exact(T: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return targets and weights, which sum to 1, in double precision."""
    weight = weight.double()
    return T.double(), weight / weight.sum()


def explained(unexplained: Tensor, total: Tensor, rounding: Tensor) -> Tensor:
    """Return ``1 - unexplained / total``; where ``total`` is but rounding, 1 if ``unexplained`` is, too, and else 0."""
    ratio = 1 - unexplained / torch.where(total <= rounding, 1, total)
    return torch.where(total <= rounding, (unexplained <= rounding).to(ratio.dtype), ratio)


def r2(prediction: Tensor, T: Tensor, weight: Tensor) -> Tensor:
    """Return R², averaged over targets, of shape (n_members,), as :func:`sklearn.metrics.r2_score` does."""
    weight = weight.unsqueeze(-1)
    unexplained = ((prediction - T).square() * weight).sum(dim=-2)
    total = ((T - (T * weight).sum(dim=-2, keepdim=True)).square() * weight).sum(dim=-2)
    rounding = torch.finfo(T.dtype).eps * (T.square() * weight).sum(dim=-2)
    return explained(unexplained, total, rounding).mean(dim=-1)


class Loss(torch.nn.Module, ABC):
    """A loss, the link that maps outputs to predictions, and the score that users read beside it.

    A torch module without parameters, because skorch's checkpoints save and load the criterion.
    """

    #: scikit-learn's name of the link (``out_activation_``).
    out_activation: str
    #: Whether the loss is known to have a derivative everywhere.
    smooth: bool = True
    #: Whether nothing of it is the user's own, or needs autograd.
    closed_form: bool = True
    #: Whether a few rows, if they are wrong, can hold most of a mean loss and should not choose an epoch by themselves.
    #: Not for probabilities: there the few rows that are surely wrong are what overfitting looks like.
    bounds_rows: bool = False
    #: Whether outputs are in the unit of the targets.
    in_units: bool = False

    def _structure(self):
        """Return what networks that are trained together must have in common of their losses."""
        if not self.closed_form:  # a user's function that cannot be hashed, such as a lambda, is itself alone
            return type(self), type(self.link_loss), content_hash(self) or id(self.function)
        return type(self), *(item for item in vars(self).items() if not item[0].startswith("_"))

    def n_outputs(self, n_targets: int) -> int:
        """Return the number of outputs that the network needs."""
        return n_targets

    @abstractmethod
    def link(self, Z: Tensor) -> Tensor:
        """Return predictions (probabilities, means, quantiles) from the outputs of the last layer."""

    @abstractmethod
    def per_row(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the loss of every row, of shape (n_members, n_rows); outputs are summed."""

    @abstractmethod
    def gradient(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the derivative of :meth:`per_row` with respect to ``Z``, as a tensor of its own."""

    @abstractmethod
    def best_constant(self, T: Tensor, weight: Tensor) -> Tensor:
        """Return the outputs, of shape (n_outputs,), with the least mean loss if all rows have the same.

        ``T`` has the shape (n_rows, n_targets), and ``weight`` of shape (n_rows,) sums to 1.
        """

    def start_outputs(self, T: Tensor, weight: Tensor) -> Tensor:
        """Return the outputs, of shape (n_outputs,) and in float64, that training starts around.

        They are those of :meth:`best_constant`, but where these are too extreme for training to come back from: the
        rows may be the first of many. Arguments are those of :meth:`best_constant`, in any precision.
        """
        return self.best_constant(*exact(T, weight))

    def null_gradient(self, outputs: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return :meth:`gradient`, for one member, where all rows have the outputs of :meth:`best_constant`.

        Its weighted mean is zero. A loss with kinks can have it there, too, by its choice among the subgradients.
        """
        return self.gradient(outputs.expand(1, len(T), -1), T)

    @abstractmethod
    def score(self, Z: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return accuracy or R², of shape (n_members,).

        ``weight`` of shape (n_rows,) or (n_members, n_rows) sums to 1 over the rows.
        """

    def check_targets(self, targets: np.ndarray) -> None:
        """Raise ValueError if targets of shape (n_rows, n_targets) are out of the loss's range."""

    def check_whole(self, targets: np.ndarray) -> None:
        """Raise ValueError if no constant output is best for targets that are all there will ever be."""

    def smooth_targets(self, T: Tensor, rate: float | Tensor) -> Tensor:
        """Return targets with label smoothing; only classification has it.

        A rate of shape (n_members, 1, 1) gives each member its own.
        """
        raise TypeError(f"label smoothing needs class targets, which {type(self).__name__} does not have")


class SoftmaxLogLoss(Loss):
    """Cross-entropy of one class out of several: ``logsumexp(z) - sum_k t_k z_k``."""

    out_activation = "softmax"

    def link(self, Z):
        """Return the softmax over outputs."""
        columns = Z.mT
        # Narrow outputs lie in memory transposed: softmax over their last axis would copy them first.
        return columns.softmax(dim=-2).mT if columns.is_contiguous() else Z.softmax(dim=-1)

    def per_row(self, Z, T):
        """Return the cross-entropy; exact where probabilities underflow."""
        columns = Z.mT
        log_shares = columns.log_softmax(dim=-2).mT if columns.is_contiguous() else Z.log_softmax(dim=-1)
        return -(log_shares * T).sum(dim=-1)

    def gradient(self, Z, T):
        """Return probabilities minus targets."""
        return self.link(Z).sub_(T)

    def best_constant(self, T, weight):
        """Return the logarithms of the classes' shares, of at least 1e-12."""
        return (weight @ T).clamp_min(SMALLEST_PROBABILITY).log()

    def start_outputs(self, T, weight):
        """Return the logarithms of the shares, with a mean of zero; zeros if a class is absent."""
        T, weight = exact(T, weight)
        outputs = start_shares(weight @ T).log()
        return outputs - outputs.mean()

    def score(self, Z, T, weight):
        """Return the accuracy."""
        # As numbers from the start: booleans, and argmax, take five times as long.
        is_largest = torch.eq(Z, Z.amax(dim=-1, keepdim=True), out=torch.empty_like(Z))
        n_largest = is_largest.sum(dim=-1)
        if n_largest.amin() == n_largest.amax() == 1:
            is_class = torch.eq(T, T.amax(dim=-1, keepdim=True), out=torch.empty_like(T))
            is_right = is_largest.mul_(is_class).sum(dim=-1)
        else:  # outputs that are equally large, of which the first counts
            is_right = (Z.argmax(dim=-1) == T.argmax(dim=-1)).to(weight.dtype)
        return weighted_sum(is_right, weight)

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / n_classes`` (Szegedy et al., CVPR 2016, section 7)."""
        return T * (1 - rate) + rate / T.shape[-1]


class LogisticLogLoss(Loss):
    """Cross-entropy of independent yes/no labels, summed over labels: ``log(1 + exp(z)) - t z``."""

    out_activation = "logistic"

    def link(self, Z):
        """Return the logistic function of every output."""
        return torch.sigmoid(Z)

    def per_row(self, Z, T):
        """Return the cross-entropy, summed over labels; exact where probabilities underflow."""
        return torch.nn.functional.binary_cross_entropy_with_logits(Z, T.expand_as(Z), reduction="none").sum(dim=-1)

    def gradient(self, Z, T):
        """Return probabilities minus targets."""
        return self.link(Z).sub_(T)

    def best_constant(self, T, weight):
        """Return the logits of the labels' shares, of which none is nearer to 0 or 1 than 1e-12."""
        return torch.logit(weight @ T, eps=SMALLEST_PROBABILITY)

    def start_outputs(self, T, weight):
        """Return the logits of the labels' shares; 0 for a label that all rows have, or none."""
        T, weight = exact(T, weight)
        shares = start_shares(torch.stack([weight @ (1 - T), weight @ T], dim=-1))
        return shares[..., 1].log() - shares[..., 0].log()

    def score(self, Z, T, weight):
        """Return the share of rows with every label right, as scikit-learn's accuracy_score does."""
        return weighted_sum(((Z > 0) == (T > 0.5)).all(dim=-1).to(weight.dtype), weight)

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / 2``: every label has two classes."""
        return T * (1 - rate) + rate / 2


class RegressionLoss(Loss):
    """A loss of numbers, with R² of the predictions as its score; by default these are the outputs themselves."""

    out_activation = "identity"
    bounds_rows = True
    in_units = True

    def link(self, Z):
        """Return the outputs themselves."""
        return Z.clone()

    def score(self, Z, T, weight):
        """Return R², averaged over targets."""
        return r2(self.link(Z), T, weight)


class HalfSquaredError(RegressionLoss):
    """Half the squared error, summed over outputs: ``sum_k (z_k - t_k)**2 / 2``."""

    def per_row(self, Z, T):
        """Return half the squared error, summed over outputs."""
        return 0.5 * (Z - T).square().sum(dim=-1)

    def gradient(self, Z, T):
        """Return the residual."""
        return Z - T

    def best_constant(self, T, weight):
        """Return the means."""
        return weight @ T


class AbsoluteError(RegressionLoss):
    """The absolute error, summed over outputs: ``sum_k |z_k - t_k|``. Predictions are conditional medians."""

    smooth = False

    def per_row(self, Z, T):
        """Return the absolute error, summed over outputs."""
        return (Z - T).abs().sum(dim=-1)

    def gradient(self, Z, T):
        """Return the residual's sign, 0 at the kink."""
        return (Z - T).sign()

    def best_constant(self, T, weight):
        """Return the medians; of two middle targets, the smaller."""
        return weighted_quantiles(T, weight, T.new_tensor([0.5]))[:, 0]

    def null_gradient(self, outputs, T, weight):
        """Return the residual's sign, with that of the median's own rows such that the mean is zero."""
        return 2 * balanced_slopes(T, weight, T.new_tensor([0.5])).movedim(-1, 0)


class Huber(RegressionLoss):
    r"""Squared for small residuals, absolute for large ones, summed over outputs (Huber, 1964, equation 1.3).

    For a residual r = z - t:

    .. math:: \tfrac{1}{2} r^2 \text{ if } |r| \le \delta, \qquad \delta\,(|r| - \tfrac{1}{2}\delta) \text{ beyond.}

    Parameters
    ----------
    delta : float
        Where the quadratic part ends, > 0, in units of the targets.
    """

    def __init__(self, delta: float):
        super().__init__()
        self.delta = delta

    def per_row(self, Z, T):
        """Return the loss, summed over outputs."""
        distance = (Z - T).abs()
        clipped = distance.clamp_max(self.delta)
        return (clipped * (distance - clipped / 2)).sum(dim=-1)

    def gradient(self, Z, T):
        """Return the residual, cut off at ``delta``."""
        return (Z - T).clamp_(-self.delta, self.delta)

    def best_constant(self, T, weight):
        """Return Huber's estimates of location."""
        return torch.stack([huber_location(column, weight, self.delta) for column in T.unbind(dim=1)])


class Quantile(RegressionLoss):
    r"""The pinball loss of one or several quantiles, summed over targets and levels (Koenker and Bassett, 1978).

    For a prediction q of the quantile of level :math:`\tau`:

    .. math:: \max(\tau\,(y - q),\ (\tau - 1)\,(y - q))

    Several quantiles of a target cannot cross: output m, in the middle, is a quantile itself, and each of the others
    is the softplus of an output away from its neighbour,

    .. math:: q_m = z_m, \qquad q_k = q_{k-1} + \log(1 + e^{z_k})\ (k > m), \qquad
              q_k = q_{k+1} - \log(1 + e^{z_k})\ (k < m).

    Parameters
    ----------
    quantiles : sequence of float
        Levels, in (0, 1), ascending. Outputs and predictions are ordered by target, then by level.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46, 1978.

    Examples
    --------
    >>> import torch
    >>> from skreg.losses import Quantile
    >>> loss = Quantile((0.1, 0.5, 0.9))
    >>> loss.n_outputs(2)
    6
    >>> loss.link(torch.tensor([[[0.0, 5.0, 1.0]]])).numpy().round(2)
    array([[[4.31, 5.  , 6.31]]], dtype=float32)
    """

    smooth = False

    def __init__(self, quantiles: Sequence[float]):
        super().__init__()
        self.quantiles = tuple(quantiles)
        self.middle = len(self.quantiles) // 2
        self.out_activation = "identity" if len(self.quantiles) == 1 else "non_crossing"

    def n_outputs(self, n_targets):
        """Return one for each target and level."""
        return n_targets * len(self.quantiles)

    def link(self, Z):
        """Return the quantiles, ascending for each target."""
        return self._quantiles(self._by_target(Z)).flatten(-2)

    def per_row(self, Z, T):
        """Return the pinball losses, summed over targets and levels."""
        residual = T.unsqueeze(-1) - self._quantiles(self._by_target(Z))
        return pinball(residual, self._levels(Z)).sum(dim=(-2, -1))

    def gradient(self, Z, T):
        """Return the derivative with respect to outputs, with 0 for a quantile that is met exactly."""
        outputs = self._by_target(Z)
        excess = self._quantiles(outputs) - T.unsqueeze(-1)
        return self._through_link(outputs, pinball_slopes(excess, self._levels(Z)))

    def best_constant(self, T, weight):
        """Return outputs for the quantiles of the targets, with gaps of at least 1e-6 of the targets' range."""
        quantiles = weighted_quantiles(T, weight, self._levels(T))
        smallest = SMALLEST_GAP * (T.amax(dim=0) - T.amin(dim=0)).clamp_min(torch.finfo(T.dtype).tiny / SMALLEST_GAP)
        gaps = inverse_softplus(torch.maximum(quantiles.diff(dim=1), smallest.unsqueeze(1)))
        m = self.middle
        return torch.cat([gaps[:, :m], quantiles[:, m : m + 1], gaps[:, m:]], dim=1).flatten()

    def start_outputs(self, T, weight):
        """Return outputs for the quantiles, with gaps of at least 1 % of the mean distance from the median."""
        T, weight = exact(T, weight)
        quantiles = weighted_quantiles(T, weight, self._levels(T))
        medians = weighted_quantiles(T, weight, T.new_tensor([0.5]))[:, 0]
        spread = (weight @ (T - medians).abs()).unsqueeze(1)
        gaps = torch.maximum(quantiles.diff(dim=1), START_GAP * spread)
        # Equal targets tell nothing of gaps.
        gaps = torch.where(gaps > 0, inverse_softplus(torch.where(gaps > 0, gaps, 1)), 0)
        m = self.middle
        return torch.cat([gaps[:, :m], quantiles[:, m : m + 1], gaps[:, m:]], dim=1).flatten()

    def null_gradient(self, outputs, T, weight):
        """Return the derivative, with that of rows on a quantile such that the mean is zero."""
        # From the quantiles themselves, because the smallest gap would put the rows between coinciding ones.
        slopes = balanced_slopes(T, weight, self._levels(T))
        return self._through_link(self._by_target(outputs), slopes).unsqueeze(0)

    def score(self, Z, T, weight):
        """Return R² of one quantile; of several, the mean D² pinball score over targets and levels.

        D² is :func:`sklearn.metrics.d2_pinball_score`: how much smaller the loss is than that of the best constant.
        """
        if len(self.quantiles) == 1:
            return super().score(Z, T, weight)
        return self.explained_share(self._quantiles(self._by_target(Z)), T, weight)

    def explained_share(self, quantiles: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return the mean D² of predictions of shape (..., n_rows, n_targets, n_levels)."""
        levels, rows = self._levels(T), weight[..., None, None]
        constant = weighted_quantiles(T, weight, levels).unsqueeze(-3)
        T = T.unsqueeze(-1)
        unexplained = (pinball(T - quantiles, levels) * rows).sum(dim=-3)
        total = (pinball(T - constant, levels) * rows).sum(dim=-3)
        rounding = torch.finfo(T.dtype).eps * (T.abs() * rows).sum(dim=-3)
        return explained(unexplained, total, rounding).mean(dim=(-2, -1))

    def _levels(self, like: Tensor) -> Tensor:
        return like.new_tensor(self.quantiles)

    def _by_target(self, Z: Tensor) -> Tensor:
        """Return a view of shape (..., n_targets, n_levels)."""
        return Z.unflatten(-1, (-1, len(self.quantiles)))

    def _quantiles(self, outputs: Tensor) -> Tensor:
        if len(self.quantiles) == 1:
            return outputs.clone()
        gaps = torch.nn.functional.softplus(outputs, threshold=SOFTPLUS_IS_LINEAR).unbind(dim=-1)
        # One addition after another cannot decrease, not even by rounding, as the parts of a cumulative sum could.
        below = above = [outputs[..., self.middle]]
        for k in range(self.middle - 1, -1, -1):
            below = [below[0] - gaps[k], *below]
        for k in range(self.middle + 1, len(gaps)):
            above = [*above, above[-1] + gaps[k]]
        return torch.stack([*below, *above[1:]], dim=-1)

    def _through_link(self, outputs: Tensor, slopes: Tensor) -> Tensor:
        """Return derivatives with respect to outputs, given those with respect to quantiles.

        A gap above the middle moves its own quantile and all above, one below its own and all below, downwards.
        """
        m = self.middle
        widths = torch.sigmoid(outputs)
        above = slopes[..., m + 1 :].flip(-1).cumsum(dim=-1).flip(-1) * widths[..., m + 1 :]
        below = slopes[..., :m].cumsum(dim=-1) * -widths[..., :m]
        return torch.cat([below, slopes.sum(dim=-1, keepdim=True), above], dim=-1).flatten(-2)


class Poisson(RegressionLoss):
    """Half the Poisson deviance of counts or rates y >= 0, summed: ``y log(y / mu) - y + mu`` with ``mu = exp(z)``.

    Canonical (McCullagh and Nelder, 1989, table 2.1 and section 2.3), with ``0 log 0 = 0``.
    """

    out_activation = "exp"
    in_units = False

    def link(self, Z):
        """Return the means."""
        return Z.exp()

    def per_row(self, Z, T):
        """Return half the deviance, summed over outputs."""
        positive = T > 0
        distance = Z - torch.where(positive, T, 1).log()
        # With d = log(mu / y), the loss is y (exp(d) - 1 - d): so written, it keeps its digits where mu is near y.
        # Far above, exp(d) could overflow for a tiny y where mu does not.
        is_near = positive & (distance < 1)
        return torch.where(is_near, T * (distance.expm1() - distance), Z.exp() - T - T * distance).sum(dim=-1)

    def gradient(self, Z, T):
        """Return means minus targets."""
        return self.link(Z).sub_(T)

    def best_constant(self, T, weight):
        """Return the logarithms of the means."""
        return (weight @ T).clamp_min(torch.finfo(T.dtype).tiny).log()

    def start_outputs(self, T, weight):
        """Return the logarithms of the means; 0 where these are 0, since other rows will not be."""
        T, weight = exact(T, weight)
        means = weight @ T
        return torch.where(means > 0, means, 1).log()

    def check_targets(self, targets):
        """Raise if there are negative targets."""
        if targets.min() < 0:
            raise ValueError(f"y must not be negative with loss='poisson'; its smallest value is {targets.min()}.")

    def check_whole(self, targets):
        """Raise if there are zeros only: the best output would be minus infinity."""
        zeros = np.flatnonzero(targets.sum(axis=0) == 0)
        if len(zeros):
            raise ValueError(f"y must not be zero in all rows with loss='poisson'; column {zeros[0]} is.")


class Gamma(RegressionLoss):
    """Half the gamma deviance of targets y > 0, summed over outputs: ``log(mu / y) + y / mu - 1`` with ``mu = exp(z)``.

    The deviance is that of McCullagh and Nelder (1989, section 2.3), for relative errors. The log link is not its
    canonical one, but it keeps means positive.
    """

    out_activation = "exp"
    in_units = False

    def link(self, Z):
        """Return the means."""
        return Z.exp()

    def per_row(self, Z, T):
        """Return half the deviance, summed over outputs."""
        distance = T.log() - Z
        return (distance.expm1() - distance).sum(dim=-1)

    def gradient(self, Z, T):
        """Return ``1 - y exp(-z)``."""
        return (T.log() - Z).expm1_().neg_()

    def best_constant(self, T, weight):
        """Return the logarithms of the means."""
        return (weight @ T).log()

    def check_targets(self, targets):
        """Raise unless all targets are positive."""
        if targets.min() <= 0:
            raise ValueError(f"y must be positive with loss='gamma'; its smallest value is {targets.min()}.")


class CustomLoss(Loss):
    """A user's loss, ``function(t, z)``, differentiated by autograd.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred)`` is given tensors of shapes (n_rows, n_targets) and (n_rows, n_outputs): encoded
        targets and the network's outputs, before the link. It returns a tensor of shape (n_rows,), the loss of each
        row, computed with torch operations.
    link : Loss
        The loss whose link, score and label smoothing are used.
    """

    # Nobody can tell.
    smooth = False
    closed_form = False

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], link: Loss):
        super().__init__()
        self.function = function
        self.link_loss = link
        self.out_activation = link.out_activation

    def n_outputs(self, n_targets):
        """Return the number of outputs that the link needs."""
        return self.link_loss.n_outputs(n_targets)

    def link(self, Z):
        """Return the predictions."""
        return self.link_loss.link(Z)

    def per_row(self, Z, T):
        """Return what the function returns, for every member."""
        members = zip(Z, T.expand(len(Z), *T.shape[-2:]), strict=True)
        return torch.stack([self._evaluate(outputs, targets) for outputs, targets in members])

    def gradient(self, Z, T):
        """Return the derivative that autograd finds."""
        with torch.enable_grad():
            outputs = Z.detach().requires_grad_()
            total = self.per_row(outputs, T).sum()
            gradient = torch.autograd.grad(total, outputs, allow_unused=True)[0] if total.requires_grad else None
        if gradient is None:
            raise ValueError(
                "The 'loss' parameter must be a function whose result depends on y_pred through torch operations; what "
                "it returned is detached from y_pred, so there is no gradient."
            )
        return gradient

    def best_constant(self, T, weight):
        """Return a minimum that BFGS finds from the best constant of the link's own loss."""

        def mean_loss(constant):
            Z = torch.as_tensor(constant, dtype=T.dtype).expand(1, len(T), -1)
            value = (self.per_row(Z, T)[0] @ weight).item()
            return value, (weight @ self.gradient(Z, T)[0]).numpy()

        start = self.link_loss.best_constant(T, weight).numpy()
        # Without a minimum the search runs until it overflows or gives up on a slope that goes on.
        with np.errstate(all="ignore"):
            result = scipy.optimize.minimize(mean_loss, start, method="BFGS", jac=True, options={"gtol": 1e-10})
            beyond = mean_loss(2 * result.x - start)[0]
        gave_up = not result.success and beyond < result.fun
        if gave_up or not np.isfinite([mean_loss(start)[0], result.fun, *result.x]).all():
            raise ValueError(
                "The 'loss' parameter must be a function whose mean has a minimum among constant outputs; from "
                f"{start.tolist()!r} on, the search for one came to the value {float(result.fun)!r}."
            )
        return torch.as_tensor(result.x, dtype=T.dtype)

    def start_outputs(self, T, weight):
        """Return those of the link's own loss; zeros where the function is smaller there.

        It need not have a minimum, and its outputs need not be in units of the targets.
        """
        outputs = self.link_loss.start_outputs(T, weight)
        candidates = torch.stack([torch.zeros_like(outputs), outputs]).to(T.dtype)
        with torch.no_grad():
            at_zero, there = self.per_row(candidates.unsqueeze(1).expand(-1, len(T), -1), T) @ weight.to(T.dtype)
        return outputs if there < at_zero or not at_zero.isfinite() else torch.zeros_like(outputs)

    def score(self, Z, T, weight):
        """Return accuracy or R²."""
        return self.link_loss.score(Z, T, weight)

    def smooth_targets(self, T, rate):
        """Return targets with label smoothing, if the link is one of classification."""
        return self.link_loss.smooth_targets(T, rate)

    def _evaluate(self, outputs: Tensor, targets: Tensor) -> Tensor:
        rows = self.function(targets, outputs)
        if not isinstance(rows, Tensor) or rows.shape != outputs.shape[:1]:
            got = f"one of shape {tuple(rows.shape)}" if isinstance(rows, Tensor) else f"{rows!r}"
            raise ValueError(
                "The 'loss' parameter must be a function that returns a tensor of shape (n_rows,), the loss of each "
                f"row, here {tuple(outputs.shape[:1])}; got {got}."
            )
        return rows.to(outputs.dtype)


def regression_loss(loss: str | Callable, *, quantile: float | Sequence[float] = 0.5, delta: float = 1.0) -> Loss:
    """Return the loss of a regressor.

    Parameters
    ----------
    loss : str or callable
        One of REGRESSION_LOSSES, or the function of a :class:`CustomLoss`.
    quantile : float or sequence of float, default=0.5
        Levels for "quantile", in (0, 1), ascending.
    delta : float, default=1.0
        Where the quadratic part of "huber" ends, > 0.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If there is no such loss, or no such quantile.
    """
    levels = check_quantiles(quantile)
    if callable(loss):
        return CustomLoss(loss, HalfSquaredError())
    makers = (HalfSquaredError, AbsoluteError, lambda: Huber(delta), lambda: Quantile(levels), Poisson, Gamma)
    return _named(loss, dict(zip(REGRESSION_LOSSES, makers, strict=True)))


def classification_loss(loss: str | Callable, *, is_multiclass: bool) -> Loss:
    """Return the loss of a classifier.

    Parameters
    ----------
    loss : str or callable
        One of CLASSIFICATION_LOSSES, or the function of a :class:`CustomLoss`.
    is_multiclass : bool
        Whether every row is of one class out of three or more; otherwise targets are one or more yes/no labels.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If there is no such loss.
    """
    log_loss = SoftmaxLogLoss if is_multiclass else LogisticLogLoss
    if callable(loss):
        return CustomLoss(loss, log_loss())
    return _named(loss, dict(zip(CLASSIFICATION_LOSSES, (log_loss,), strict=True)))


def check_quantiles(quantile) -> tuple[float, ...]:
    """Return levels as a tuple; raise ValueError unless they are in (0, 1) and ascending."""
    try:
        levels = tuple(quantile)
    except TypeError:
        levels = (quantile,)
    in_range = all(isinstance(level, Real) and 0 < level < 1 for level in levels)
    if not (levels and in_range and all(low < high for low, high in pairwise(levels))):
        raise ValueError(
            "The 'quantile' parameter must be a number in (0, 1), or an ascending sequence of such numbers; got "
            f"{quantile!r}."
        )
    return tuple(float(level) for level in levels)


def _named(loss: str, makers: dict[str, Callable[[], Loss]]) -> Loss:
    if not (isinstance(loss, str) and loss in makers):
        raise ValueError(f"The 'loss' parameter must be one of {tuple(makers)!r} or a function; got {loss!r}.")
    return makers[loss]()
