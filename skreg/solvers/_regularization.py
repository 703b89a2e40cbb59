"""Regularization of the weight matrices of networks: penalties and constraints, and their proximal steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from skreg.constraints import Constraint
from skreg.network.mlp import MLP
from skreg.penalties._base import LayerPenalty


@dataclass
class RegularizedLayer:
    """A weight matrix with its gradient, its span of the flat buffers, its penalty and its constraint."""

    W: Tensor
    grad: Tensor
    span: slice
    penalty: LayerPenalty | None
    constraint: Constraint | None
    member_lr: float | Tensor

    @property
    def regularizers(self) -> list[object]:
        """The penalty and the constraint, if there are any."""
        penalty = None if self.penalty is None else self.penalty.penalty
        return [part for part in (penalty, self.constraint) if part is not None]

    @property
    def proximal(self) -> bool:
        """Whether the layer needs a proximal step; otherwise its penalty acts through its gradient."""
        return self.constraint is not None or not self.penalty.smooth

    def prox(self, step: float | Tensor) -> Tensor:
        """Return the proximal point of the weights."""
        if self.constraint is not None:
            return self.constraint.prox(self.W, step, self.penalty)
        result = self.penalty.prox(self.W, step)
        # A member whose strength is zero has no bound on its weights either.
        return result if self.penalized is None else torch.where(self.penalized, result, self.W)

    @cached_property
    def penalized(self) -> Tensor | None:
        """Which members have a penalty, where some have none; otherwise None."""
        alpha = None if self.penalty is None else self.penalty.alpha
        return alpha > 0 if isinstance(alpha, Tensor) and not (alpha > 0).all() else None

    @cached_property
    def is_separable(self) -> bool:
        """Whether the proximal step treats every weight for itself, with one learning rate and strength."""
        alone = self.constraint is None and not self.penalty.has_blocks and self.penalized is None
        return self.proximal and alone and isinstance(self.member_lr, float)

    @cached_property
    def decay(self) -> float:
        """Factor of the weights in the gradient of a quadratic penalty; 0 unless the members share one."""
        quadratic = not self.proximal and self.penalty.penalty.quadratic and isinstance(self.penalty.alpha, float)
        return self.penalty.alpha if quadratic else 0.0

    def mean_over_blocks(self, T: Tensor) -> Tensor:
        """Return the mean over each block of weights that must share a step.

        A constraint that ties weights together cannot be combined with a penalty that ties others.
        """
        if self.constraint is not None:
            T = self.constraint.mean_over_blocks(T)
        if self.penalty is None:
            return T
        means = self.penalty.mean_over_blocks(T)
        return means if means is T or self.penalized is None else torch.where(self.penalized, means, T)


class Regularization:
    """Penalties and constraints of the weight matrices of a module.

    Parameters
    ----------
    module : MLP
        The networks.
    penalties : sequence of LayerPenalty or None
        The penalty of every weight matrix.
    constraints : sequence of Constraint or None, default=()
        The constraint of every weight matrix; empty if there is none.
    member_lr : float or Tensor of shape (n_members, 1, 1), default=1.0
        Learning rate of each member, as a multiple of that of the step.
    """

    def __init__(
        self,
        module: MLP,
        penalties: Sequence[LayerPenalty | None],
        constraints: Sequence[Constraint | None] = (),
        *,
        member_lr: float | Tensor = 1.0,
    ):
        self.module, self.member_lr = module, member_lr
        self.layers = []
        start = 0
        constraints = constraints or [None] * len(module.weights)
        for W, penalty, constraint in zip(module.weights, penalties, constraints, strict=True):
            span = slice(start, start + W.numel())
            start = span.stop
            if penalty is not None or constraint is not None:
                here = None if penalty is None else penalty.to(W.dtype, W.device)
                self.layers.append(RegularizedLayer(W.data, W.grad, span, here, constraint, member_lr))

    @property
    def regularizers(self) -> list[object]:
        """The penalties and constraints."""
        return [part for layer in self.layers for part in layer.regularizers]

    @torch.no_grad()
    def penalty_values(self) -> Tensor:
        """Return the penalty of every member at the present weights, of shape (n_members,), in double precision."""
        values = self.module.flat.new_zeros(self.module.n_members, dtype=torch.float64)
        for layer in self.layers:
            if layer.penalty is not None:
                values += layer.penalty.value(layer.W)
        return values

    @torch.no_grad()
    def project(self) -> None:
        """Project the weights on the nearest ones that the penalties allow."""
        for layer in self.layers:
            if layer.penalty is None:
                continue
            allowed = layer.penalty.penalty.project(layer.W, **layer.penalty.options)
            if allowed is not layer.W:
                layer.W.copy_(allowed if layer.penalized is None else torch.where(layer.penalized, allowed, layer.W))

    def penalty_value(self) -> float:
        """Return the penalty of a population of one."""
        return float(self.penalty_values())
