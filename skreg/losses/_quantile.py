"""The pinball loss of quantiles, which do not cross."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from skreg._numbers import is_number
from skreg.losses._base import exact
from skreg.losses._regression import RegressionLoss, balanced_slopes, explained, pinball_slopes, weighted_quantiles

# Where two quantiles coincide, a gap of this share of the targets' mean distance from their median is a start that
# training can both narrow and widen.
START_GAP = 1e-2
# Where two quantiles of the targets coincide, the best gap between them is softplus(-inf). This share of the targets'
# range is as good, and its output is finite and can still be trained: the gradient of softplus is about the gap.
SMALLEST_GAP = 1e-6
# From here on, softplus(z) is z in double precision. (torch's own threshold of 20 is wrong by 2e-9.)
SOFTPLUS_IS_LINEAR = 40.0


def pinball(residual: Tensor, levels: Tensor) -> Tensor:
    """Return ``max(level * r, (level - 1) * r)`` for ``r = y - quantile`` (Koenker and Bassett, 1978)."""
    return torch.maximum(levels * residual, (levels - 1) * residual)


def inverse_softplus(value: Tensor) -> Tensor:
    """Return ``log(exp(value) - 1)``, without overflow."""
    return value + (-torch.expm1(-value)).log()


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

    def mean_outputs(self, Z):
        """Return outputs for the mean quantiles, whose gaps are the mean gaps."""
        outputs, m = self._by_target(Z), self.middle
        gaps = torch.nn.functional.softplus(outputs, threshold=SOFTPLUS_IS_LINEAR).mean(dim=0, keepdim=True)
        mean = inverse_softplus(gaps)
        mean[..., m] = outputs[..., m].mean(dim=0, keepdim=True)
        return mean.flatten(-2)

    def per_row(self, Z, T):
        """Return the pinball losses, summed over targets and levels."""
        residual = T.unsqueeze(-1) - self._quantiles(self._by_target(Z))
        return pinball(residual, self._levels(Z)).sum(dim=(-2, -1))

    def gradient(self, Z, T):
        """Return the derivative with respect to outputs, with 0 for a quantile that is met exactly."""
        outputs = self._by_target(Z)
        excess = self._quantiles(outputs) - T.unsqueeze(-1)
        return self._through_link(outputs, pinball_slopes(excess, self._levels(Z)))

    def fit_intercept_only(self, T, weight):
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
        # Equal targets have no gaps to start from.
        gaps = torch.where(gaps > 0, inverse_softplus(torch.where(gaps > 0, gaps, 1)), 0)
        m = self.middle
        return torch.cat([gaps[:, :m], quantiles[:, m : m + 1], gaps[:, m:]], dim=1).flatten()

    def null_gradient(self, outputs, T, weight):
        """Return the derivative, with that of rows on a quantile such that the mean is zero."""
        # From the quantiles themselves, because the smallest gap would put the rows between coinciding ones.
        slopes = balanced_slopes(T, weight, self._levels(T))
        return self._through_link(self._by_target(outputs), slopes).unsqueeze(0)

    def running_score(self):
        """Return R² of one quantile; the D² of several needs the quantiles of all targets."""
        return super().running_score() if len(self.quantiles) == 1 else None

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


def check_quantiles(quantile) -> tuple[float, ...]:
    """Return levels as a tuple; raise ValueError unless they are in (0, 1) and ascending."""
    try:
        levels = tuple(quantile)
    except TypeError:
        levels = (quantile,)
    in_range = all(is_number(level) and 0 < level < 1 for level in levels)
    if not (levels and in_range and all(low < high for low, high in pairwise(levels))):
        raise ValueError(
            "The 'quantile' parameter must be a number in (0, 1), or an ascending sequence of such numbers; got "
            f"{quantile!r}."
        )
    return tuple(float(level) for level in levels)
