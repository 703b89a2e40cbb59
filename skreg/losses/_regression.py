"""Losses of numbers that are not counts, and the score of all of them."""

from bisect import bisect_left
from collections.abc import Callable

import torch
from torch import Tensor

from skreg.losses._base import Loss

# Sums of weights that differ by less than this share are equal: 8/10 is reached by eight times 0.1, too.
ROUNDING = 1e-12


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


def pinball_slopes(excess: Tensor, levels: Tensor) -> Tensor:
    """Return the derivative of :func:`pinball` for ``excess = quantile - y``; 0 where that is 0."""
    return (excess > 0) * (1 - levels) - (excess < 0) * levels


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


def huber_location(y: Tensor, weight: Tensor, delta: float) -> Tensor:
    """Return the constant with the least Huber loss for targets of shape (n_rows,); the middle one if there are many.

    The derivative, the weighted mean of ``clip(c - y, -delta, delta)``, grows with c and is linear between its knots
    ``y - delta`` and ``y + delta``: bisection finds the two around its root, a straight line the root.
    """
    # A larger one cuts nothing off either, and its knots would have no digits of y.
    delta = min(delta, ((y.max() - y.min()) / torch.finfo(y.dtype).eps).item())
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


class RunningR2:
    """:func:`r2` of rows that come part by part, whose means and squares are put together.

    The moments of two parts make those of both without a difference of large numbers (Chan, Golub and LeVeque,
    "Updating formulae and a pairwise algorithm for computing sample variances", 1979).

    Parameters
    ----------
    link : callable
        Returns predictions from outputs.
    """

    def __init__(self, link: Callable[[Tensor], Tensor]):
        self.link = link
        self._weight = self._mean = self._total = self._unexplained = self._squares = 0.0

    def add(self, Z: Tensor, T: Tensor, weight: Tensor) -> None:
        """Add rows; arguments as for :meth:`Loss.score`, with weights that sum to 1 over all parts."""
        weight = weight.unsqueeze(-1)
        own = weight.sum(dim=-2)
        mean = (T * weight).sum(dim=-2) / own.clamp_min(torch.finfo(T.dtype).tiny)
        self._unexplained = self._unexplained + ((self.link(Z) - T).square() * weight).sum(dim=-2)
        self._squares = self._squares + (T.square() * weight).sum(dim=-2)
        share = own / (self._weight + own).clamp_min(torch.finfo(T.dtype).tiny)
        between = (mean - self._mean).square() * self._weight * share
        self._total = self._total + ((T - mean.unsqueeze(-2)).square() * weight).sum(dim=-2) + between
        self._mean = self._mean + (mean - self._mean) * share
        self._weight = self._weight + own

    @property
    def value(self) -> Tensor:
        """R², averaged over targets, of shape (n_members,)."""
        rounding = torch.finfo(self._squares.dtype).eps * self._squares
        return explained(self._unexplained, self._total, rounding).mean(dim=-1)


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

    def running_score(self):
        """Return R² of rows that come part by part."""
        return RunningR2(self.link)


class HalfSquaredError(RegressionLoss):
    """Half the squared error, summed over outputs: ``sum_k (z_k - t_k)**2 / 2``."""

    def per_row(self, Z, T):
        """Return half the squared error, summed over outputs."""
        return 0.5 * (Z - T).square().sum(dim=-1)

    def gradient(self, Z, T):
        """Return the residual."""
        return Z - T

    def fit_intercept_only(self, T, weight):
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

    def fit_intercept_only(self, T, weight):
        """Return the medians; of two middle targets, the smaller."""
        return weighted_quantiles(T, weight, T.new_tensor([0.5]))[:, 0]

    def null_gradient(self, outputs, T, weight):
        """Return the residual's sign, with that of the median's own rows such that the mean is zero."""
        return 2 * balanced_slopes(T, weight, T.new_tensor([0.5])).movedim(-1, 0)


class Huber(RegressionLoss):
    r"""Huber loss, squared for small residuals and absolute for large ones, summed (Huber, 1964, equation 1.3).

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

    def fit_intercept_only(self, T, weight):
        """Return Huber's estimates of location."""
        return torch.stack([huber_location(column, weight, self.delta) for column in T.unbind(dim=1)])
