"""The log-loss of classes: of one out of several, and of independent labels."""

import torch
from torch import Tensor

from skreg.losses._base import Loss, SummedScore, exact, weighted_sum
from skreg.losses._members import log_shares_of_mean, logits_of_mean

# A class that no row has would make the best constant output infinite.
SMALLEST_PROBABILITY = 1e-12
# Training could not come back in a sensible time from a start at much smaller shares of a class.
SMALLEST_START = 1e-6


def start_shares(shares: Tensor) -> Tensor:
    """Return shares of classes, along the last axis, to start from: equal ones where a class has no row.

    Such rows are the first of a stream, or a part that does not stand for the whole.
    """
    is_absent = (shares <= 0).any(dim=-1, keepdim=True)
    return torch.where(is_absent, 1 / shares.shape[-1], shares).clamp_min(SMALLEST_START)


class SoftmaxLogLoss(Loss):
    """Cross-entropy of one class out of several: ``logsumexp(z) - sum_k t_k z_k``."""

    out_activation = "softmax"

    def link(self, Z):
        """Return the softmax over outputs."""
        columns = Z.mT
        # Narrow outputs lie in memory transposed: softmax over their last axis would copy them first.
        return columns.softmax(dim=-2).mT if columns.is_contiguous() else Z.softmax(dim=-1)

    def mean_outputs(self, Z):
        """Return the logarithms of the mean probabilities."""
        return log_shares_of_mean(Z)

    def per_row(self, Z, T):
        """Return the cross-entropy; exact where probabilities underflow."""
        columns = Z.mT
        log_shares = columns.log_softmax(dim=-2).mT if columns.is_contiguous() else Z.log_softmax(dim=-1)
        return -(log_shares * T).sum(dim=-1)

    def gradient(self, Z, T):
        """Return probabilities minus targets."""
        return self.link(Z).sub_(T)

    def fit_intercept_only(self, T, weight):
        """Return the logarithms of the classes' shares, of at least 1e-12."""
        return (weight @ T).clamp_min(SMALLEST_PROBABILITY).log()

    def start_outputs(self, T, weight):
        """Return the logarithms of the shares, with a mean of zero; zeros if a class is absent."""
        T, weight = exact(T, weight)
        return self.start_at(weight @ T)

    def start_at(self, shares):
        """Return the outputs of :meth:`start_outputs` for some shares of the classes, in float64."""
        outputs = start_shares(shares).log()
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

    def running_score(self):
        """Return a sum of scores."""
        return SummedScore(self)

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / n_classes`` (Szegedy et al., CVPR 2016, section 7)."""
        return T * (1 - rate) + rate / T.shape[-1]


class LogisticLogLoss(Loss):
    """Cross-entropy of independent yes/no labels, summed over labels: ``log(1 + exp(z)) - t z``."""

    out_activation = "logistic"

    def link(self, Z):
        """Return the logistic function of every output."""
        return torch.sigmoid(Z)

    def mean_outputs(self, Z):
        """Return the logits of the mean probabilities."""
        return logits_of_mean(Z)

    def per_row(self, Z, T):
        """Return the cross-entropy, summed over labels; exact where probabilities underflow."""
        return torch.nn.functional.binary_cross_entropy_with_logits(Z, T.expand_as(Z), reduction="none").sum(dim=-1)

    def gradient(self, Z, T):
        """Return probabilities minus targets."""
        return self.link(Z).sub_(T)

    def fit_intercept_only(self, T, weight):
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

    def running_score(self):
        """Return a sum of scores."""
        return SummedScore(self)

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / 2``: every label has two classes."""
        return T * (1 - rate) + rate / 2
