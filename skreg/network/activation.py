"""Activations: elementwise functions between the layers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An elementwise function, and its backward pass in terms of its output; both work in place.

    The gradient of a population is as large as a cache: one in memory of its own took four times as long.
    """

    apply_: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS = {
    "identity": Activation(lambda Z: Z, lambda dA, A: dA),
    "relu": Activation(torch.relu_, lambda dA, A: aten.threshold_backward.grad_input(dA, A, 0, grad_input=dA)),
    "tanh": Activation(torch.tanh_, lambda dA, A: aten.tanh_backward.grad_input(dA, A, grad_input=dA)),
    "logistic": Activation(torch.sigmoid_, lambda dA, A: aten.sigmoid_backward.grad_input(dA, A, grad_input=dA)),
}
