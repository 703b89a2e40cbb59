"""Stochastic gradient descent with momentum over a flat buffer, followed by proximal steps."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from skreg.solvers._base import Solver
from skreg.solvers._flat import FlatOptimizer


class ProximalSGD(FlatOptimizer):
    """SGD with momentum as in scikit-learn's MLP, followed by the penalty's prox.

    Without a penalty: velocity u = momentum * u - lr * grad, and w moves by u, or with Nesterov's momentum by
    momentum * u - lr * grad with the new u. The prox enters as an implicit gradient p taken at the new point:
    heavy ball is w = prox_lr(w + momentum * u - lr * grad) with u the distance moved (Ochs et al., "iPiano",
    2014, algorithm 1); Nesterov's variant moves by (1 + momentum) * lr along a new gradient, which therefore is
    the step of its prox. Thresholding at lr * alpha after u has been added would instead multiply alpha by
    1 - momentum at the fixed point.
    """

    def __init__(self, regularization, *, momentum=0.9, nesterovs_momentum=True, **options):
        super().__init__(regularization, **options)
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.velocity = torch.zeros_like(self.module.flat)

    def buffers(self):
        """Return the flat state tensors."""
        return [self.velocity]

    def _update(self, lr):
        flat, grad = self.module.flat, self.module.flat_grad
        if isinstance(self.flat_member_lr, Tensor):
            grad = grad * self.flat_member_lr
        self.velocity.mul_(self.momentum).add_(grad, alpha=-lr)
        if self.nesterovs_momentum:
            flat.add_(self.velocity, alpha=self.momentum).add_(grad, alpha=-lr)
        else:
            flat.add_(self.velocity)
        # How far one unit of a new (here: implicit) gradient moves the weights, in units of lr.
        reach = 1 + self.momentum if self.nesterovs_momentum else 1.0
        for layer in self.layers:
            proximal_point = layer.prox(lr * reach * layer.member_lr)
            moved = proximal_point - layer.W
            self.velocity[layer.span].view_as(layer.W).add_(moved, alpha=1 / reach)
            layer.W.copy_(proximal_point)


@dataclass(frozen=True)
class SGD(Solver):
    """Settings of gradient descent: see :class:`ProximalSGD`."""

    momentum: float = 0.9
    nesterovs_momentum: bool = True
    weight_decay: float = 0.0

    optimizer: ClassVar[type] = ProximalSGD
    n_buffers: ClassVar[int] = 1
