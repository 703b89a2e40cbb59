"""Deviances of counts and of positive numbers, with the logarithm as their link."""

import numpy as np
import torch

from skreg.losses._base import exact
from skreg.losses._members import log_mean_exp
from skreg.losses._regression import RegressionLoss


class Poisson(RegressionLoss):
    """Half the Poisson deviance of counts or rates y >= 0, summed: ``y log(y / mu) - y + mu`` with ``mu = exp(z)``.

    Canonical (McCullagh and Nelder, 1989, table 2.1 and section 2.3), with ``0 log 0 = 0``.
    """

    out_activation = "exp"
    in_units = False

    def link(self, Z):
        """Return the means."""
        return Z.exp()

    def mean_outputs(self, Z):
        """Return the logarithms of the mean predictions."""
        return log_mean_exp(Z)

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

    def fit_intercept_only(self, T, weight):
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
            raise ValueError(f"y must not be negative with loss='poisson'; got {targets.min()}.")

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

    def mean_outputs(self, Z):
        """Return the logarithms of the mean predictions."""
        return log_mean_exp(Z)

    def per_row(self, Z, T):
        """Return half the deviance, summed over outputs."""
        distance = T.log() - Z
        return (distance.expm1() - distance).sum(dim=-1)

    def gradient(self, Z, T):
        """Return ``1 - y exp(-z)``."""
        return (T.log() - Z).expm1_().neg_()

    def fit_intercept_only(self, T, weight):
        """Return the logarithms of the means."""
        return (weight @ T).log()

    def check_targets(self, targets):
        """Raise unless all targets are positive."""
        if targets.min() <= 0:
            raise ValueError(f"y must be positive with loss='gamma'; got {targets.min()}.")
