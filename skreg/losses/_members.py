"""Outputs of an ensemble: those of its members combined so that the prediction is the mean of their predictions.

The loss that members train with is the mean of their own losses: where each row of a batch is seen by one member, the
mean of the rows' losses, as for a single network. What early stopping monitors is the loss of the mean prediction,
which is at most the mean of the losses where the loss is convex in the prediction.
"""

import math

import torch
from torch import Tensor


def log_mean_exp(Z: Tensor) -> Tensor:
    """Return the logarithm of the mean over the first axis of the exponentials, exact where these underflow."""
    return torch.logsumexp(Z, dim=0, keepdim=True) - math.log(len(Z))


def logits_of_mean(Z: Tensor) -> Tensor:
    """Return the logits of the mean over the first axis of the logistic function, from at least the smallest normal."""
    smallest = torch.finfo(Z.dtype).tiny
    log_mean, log_rest = torch.stack([Z, -Z]).sigmoid_().mean(dim=1, keepdim=True).clamp_min_(smallest).log_()
    return log_mean - log_rest


def log_shares_of_mean(Z: Tensor) -> Tensor:
    """Return the logarithms of the mean over the first axis of the softmax over the last one, of at least tiny ones."""
    smallest = torch.finfo(Z.dtype).tiny
    columns = Z.permute(2, 1, 0)
    if columns.is_contiguous():  # narrow outputs of members that share weights, which a softmax would copy first
        return columns.softmax(dim=0).mean(dim=2).clamp_min_(smallest).log_().mT.unsqueeze(0)
    return Z.softmax(dim=-1).mean(dim=0, keepdim=True).clamp_min_(smallest).log_()
