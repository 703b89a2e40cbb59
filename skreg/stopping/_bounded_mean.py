"""The validation loss that chooses the best epoch."""

import math

import torch
from torch import Tensor

# In the choice of the best epoch, the loss of a validation row counts at most so many times the mean. Measured by
# benchmarks/bench_stopping.py.
MAX_LOSS_OF_ROW = 50.0


def bounded_mean(losses: Tensor, weight: Tensor, mean: Tensor) -> Tensor:
    """Return mean losses in which no row counts more than 50 times the result.

    A few wrong rows can hold most of a validation loss, which then depends on them more than on all others. Their
    losses are lowered to the bound c that solves ``c = 50 * sum_i weight_i * min(losses_i, c)``. It does
    not depend on how far beyond it they are, it has the unit of the losses, and it is the same for weights and for
    repeated rows.

    Parameters
    ----------
    losses : Tensor of shape (n_members, n_rows)
        Losses of all rows, none of them negative.
    weight : Tensor of shape (n_rows,) or (n_members, n_rows)
        Weights of the rows; they sum to 1.
    mean : Tensor of shape (n_members,)
        The means of the losses, which are returned where no row is beyond the bound.

    Returns
    -------
    Tensor of shape (n_members,)
        The bounded means.
    """
    losses = torch.where(weight > 0, losses, 0.0)
    if not bool((losses.amax(dim=1) > MAX_LOSS_OF_ROW * mean).any()):
        return mean
    ordered, order = losses.double().sort(dim=1)  # a sum of small losses must not be a difference of large ones
    weight = weight.double().expand_as(losses).gather(1, order)
    # The bound if all rows from here on had it: the loss of the rows below, over 1/50 less the weight of the others.
    below = torch.nn.functional.pad((weight * ordered)[:, :-1].cumsum(dim=1), (1, 0))
    room = 1 / MAX_LOSS_OF_ROW - weight.flip(1).cumsum(dim=1).flip(1)
    bound = torch.where(room > 0, below / room, math.inf)
    # The rows beyond their own bound are the last ones. The bound is that of the first of these.
    is_beyond = ordered > bound
    first = is_beyond.to(torch.int8).argmax(dim=1, keepdim=True)
    bounded = (bound.gather(1, first) / MAX_LOSS_OF_ROW).squeeze(1).to(mean.dtype)
    return torch.where(is_beyond.any(dim=1), bounded, mean)
