"""Normalization: standardization along an axis, forward and backward."""

import torch
from torch import Tensor

NORMALIZATION_EPSILON = 1e-5
# Weight of the newest batch in the running statistics of batch normalization.
RUNNING_MOMENTUM = 0.1
# The axis along which each kind of normalization takes its mean and variance.
NORMALIZATION_AXES = {"batch": -2, "layer": -1}
# What each kind has for every hidden layer.
NORMALIZATION_PARAMETERS = {"batch": {"gain", "shift", "mean", "variance"}, "layer": {"gain", "shift"}}


def weighted_moments(Z: Tensor, axis: int, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and (population) variance along an axis; ``weight`` sums to 1 along it, None is uniform."""
    if weight is None:
        variance, mean = torch.var_mean(Z, dim=axis, correction=0, keepdim=True)
    else:
        mean = (Z * weight).sum(dim=axis, keepdim=True)
        variance = ((Z - mean).square() * weight).sum(dim=axis, keepdim=True)
    return mean, variance


def standardize_backward(dY: Tensor, Y: Tensor, inverse_sd: Tensor, axis: int, weight: Tensor | None) -> Tensor:
    """Return the gradient with respect to Z of ``Y = (Z - mean(Z)) / sd(Z)``, given that with respect to Y.

    With weights p that sum to 1 along the axis: ``(dY_i - p_i * sum(dY) - p_i * Y_i * sum(dY * Y)) / sd``
    (Ioffe and Szegedy, 2015, section 3, where p_i = 1/n).
    """
    if weight is None:
        weight = 1 / Y.shape[axis]
    total = dY.sum(dim=axis, keepdim=True) + Y * (dY * Y).sum(dim=axis, keepdim=True)
    return (dY - weight * total) * inverse_sd
