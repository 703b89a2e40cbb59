"""Losses: what the network's outputs are compared with, row by row.

Each loss here is the negative log-likelihood of a canonical link, so its gradient with respect to the outputs is
``link(Z) - T`` (McCullagh and Nelder, "Generalized Linear Models", 2nd edition, 1989, section 2.5).
Tensors have the shape (n_members, n_rows, n_outputs); targets are numbers between 0 and 1 for classification,
one column for each output.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

# A class that no row has would make the best constant output infinite.
SMALLEST_PROBABILITY = 1e-12


class Loss(torch.nn.Module, ABC):
    """A loss, the link that maps outputs to predictions, and the score that users read beside it.

    A torch module without parameters, because skorch's checkpoints save and load the criterion.
    """

    #: scikit-learn's name of the link (``out_activation_``).
    out_activation: str

    @abstractmethod
    def link(self, Z: Tensor) -> Tensor:
        """Return predictions (probabilities or means) from the outputs of the last layer."""

    @abstractmethod
    def inverse_link(self, mean: Tensor) -> Tensor:
        """Return outputs whose predictions are ``mean``; for mean targets, the best constant outputs."""

    @abstractmethod
    def per_row(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the loss of every row, of shape (n_members, n_rows); outputs are summed."""

    @abstractmethod
    def score(self, Z: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return accuracy or R², of shape (n_members,); ``weight`` of shape (n_rows,) sums to 1."""

    def gradient(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the derivative of :meth:`per_row` with respect to ``Z``."""
        return self.link(Z).sub_(T)

    def smooth_targets(self, T: Tensor, rate: float) -> Tensor:
        """Return targets with label smoothing; only classification has it."""
        raise TypeError(f"label smoothing needs class targets, which {type(self).__name__} does not have")


class SoftmaxLogLoss(Loss):
    """Cross-entropy of one class out of several: ``logsumexp(z) - sum_k t_k z_k``."""

    out_activation = "softmax"

    def link(self, Z):
        """Return the softmax over outputs."""
        return torch.softmax(Z, dim=-1)

    def inverse_link(self, mean):
        """Return the logarithms of the probabilities, of at least 1e-12."""
        return mean.clamp_min(SMALLEST_PROBABILITY).log()

    def per_row(self, Z, T):
        """Return the cross-entropy; exact where probabilities underflow."""
        return -(torch.log_softmax(Z, dim=-1) * T).sum(dim=-1)

    def score(self, Z, T, weight):
        """Return the accuracy."""
        return (Z.argmax(dim=-1) == T.argmax(dim=-1)).to(weight.dtype) @ weight

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / n_classes`` (Szegedy et al., CVPR 2016, section 7)."""
        return T * (1 - rate) + rate / T.shape[-1]


class LogisticLogLoss(Loss):
    """Cross-entropy of independent yes/no labels, summed over labels: ``log(1 + exp(z)) - t z``."""

    out_activation = "logistic"

    def link(self, Z):
        """Return the logistic function of every output."""
        return torch.sigmoid(Z)

    def inverse_link(self, mean):
        """Return the logits of the probabilities, of which none is nearer to 0 or 1 than 1e-12."""
        return torch.logit(mean, eps=SMALLEST_PROBABILITY)

    def per_row(self, Z, T):
        """Return the cross-entropy, summed over labels; exact where probabilities underflow."""
        return torch.nn.functional.binary_cross_entropy_with_logits(Z, T.expand_as(Z), reduction="none").sum(dim=-1)

    def score(self, Z, T, weight):
        """Return the share of rows with every label right, as scikit-learn's accuracy_score does."""
        return ((Z > 0) == (T > 0.5)).all(dim=-1).to(weight.dtype) @ weight

    def smooth_targets(self, T, rate):
        """Return ``(1 - rate) * T + rate / 2``: every label has two classes."""
        return T * (1 - rate) + rate / 2


class HalfSquaredError(Loss):
    """Half the squared error, summed over outputs: ``sum_k (z_k - t_k)**2 / 2``."""

    out_activation = "identity"

    def link(self, Z):
        """Return the outputs themselves."""
        return Z.clone()

    def inverse_link(self, mean):
        """Return the means themselves."""
        return mean.clone()

    def gradient(self, Z, T):
        """Return the residual."""
        return Z - T

    def per_row(self, Z, T):
        """Return half the squared error, summed over outputs."""
        return 0.5 * (Z - T).square().sum(dim=-1)

    def score(self, Z, T, weight):
        """Return R², averaged over outputs, as :func:`sklearn.metrics.r2_score` does."""
        weight = weight[:, None]
        unexplained = ((Z - T).square() * weight).sum(dim=-2)
        total = ((T - (T * weight).sum(dim=-2, keepdim=True)).square() * weight).sum(dim=-2)
        # A constant target scores 1 when it is met exactly and 0 otherwise, as in scikit-learn.
        constant = total <= torch.finfo(T.dtype).eps * (T.square() * weight).sum(dim=-2)
        r2 = 1 - unexplained / torch.where(constant, 1, total)
        met = unexplained <= torch.finfo(T.dtype).eps * (T.square() * weight).sum(dim=-2)
        return torch.where(constant, met.to(r2.dtype), r2).mean(dim=-1)
