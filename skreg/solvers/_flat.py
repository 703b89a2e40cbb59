"""Optimizers over one flat buffer of parameters, and the regularization of these.

Why not ``torch.optim``: a penalty with kinks needs its proximal step in the optimizer's own metric, which no
stock optimizer offers, and constructing a ``torch.optim.Optimizer`` imports ``torch._dynamo`` (0.9 s a process).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from skreg.constraints import Constraint
from skreg.network.mlp import MLP
from skreg.penalties._base import LayerPenalty

# Smaller numbers are set to zero at intervals: L2 shrinks the weights of dead inputs, and Adam its moments,
# geometrically into the denormal range, where arithmetic is 5 to 20 times slower.
NEGLIGIBLE = 1e-20
STEPS_BETWEEN_FLUSHES = 50


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
        self.module = module
        self.layers = []
        self.n_steps = 0
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

    # Indices of the buffers that hold no negative numbers.
    nonnegative_buffers: tuple[int, ...] = ()

    def buffers(self) -> list[Tensor]:
        """Return the flat state tensors, which with ``n_steps`` are the whole state of a solver."""
        return []


class FlatOptimizer(Regularization, ABC):
    """Base class of the optimizers, whose steps update the flat buffer of a module from that of its gradients.

    Parameters
    ----------
    module : MLP
        The networks; its ``flat`` and ``flat_grad`` are read and ``flat`` is updated.
    penalties, constraints : sequence
        As in :class:`Regularization`.
    weight_decay : float or Tensor of shape (n_members, 1, 1)
        Decoupled decay: every weight matrix is multiplied by ``1 - lr * weight_decay`` before the step
        (Loshchilov and Hutter, 2019, algorithm 2). It is not part of the objective.
    member_lr : float or Tensor of shape (n_members, 1, 1), default=1.0
        As in :class:`Regularization`.
    """

    def __init__(
        self,
        module: MLP,
        penalties: Sequence[LayerPenalty | None],
        constraints: Sequence[Constraint | None] = (),
        *,
        weight_decay: float | Tensor = 0.0,
        member_lr: float | Tensor = 1.0,
    ):
        super().__init__(module, penalties, constraints, member_lr=member_lr)
        # At every coordinate of the flat buffers; one number where the members share it.
        self.weight_decay = self._at_every_coordinate(weight_decay)
        self.flat_member_lr = self._at_every_coordinate(member_lr)

    def _at_every_coordinate(self, values: float | Tensor) -> float | Tensor:
        """Return a number of each member in the layout of the flat buffers; one number of all members as it is."""
        if not isinstance(values, Tensor):
            return values
        return torch.cat([values.expand_as(parameter).reshape(-1) for parameter in self.module.parameters()])

    def step(self, lr: float) -> None:
        """Update all parameters from the gradients in ``module.flat_grad``."""
        self.n_steps += 1
        if isinstance(self.weight_decay, Tensor) or self.weight_decay:
            decay = 1 - lr * self.weight_decay * self.flat_member_lr
            weights = slice(0, self.module.n_weights)
            self.module.flat[weights].mul_(decay if isinstance(decay, float) else decay[weights])
        self._update(lr)
        if self.n_steps % STEPS_BETWEEN_FLUSHES == 0:
            for buffer in (self.module.flat, *self.buffers()):
                torch.hardshrink(buffer, NEGLIGIBLE, out=buffer)

    @abstractmethod
    def _update(self, lr: float) -> None:
        """Take one step."""

    def _plain_spans(self) -> list[tuple[slice, float]]:
        """Return the spans of the flat buffers without proximal steps, and the factor of decay in each."""
        runs, start = [], 0
        for layer in self.layers:
            if not (layer.proximal or layer.decay):
                continue
            runs.append((slice(start, layer.span.start), 0.0))
            if not layer.proximal:
                runs.append((layer.span, layer.decay))
            start = layer.span.stop
        runs.append((slice(start, self.module.flat.numel()), 0.0))  # never empty: biases are not penalized
        joined: list[tuple[slice, float]] = []
        for span, decay in runs:
            if span.start == span.stop:
                continue
            if joined and joined[-1][0].stop == span.start and joined[-1][1] == decay:
                span = slice(joined.pop()[0].start, span.stop)
            joined.append((span, decay))
        return joined
