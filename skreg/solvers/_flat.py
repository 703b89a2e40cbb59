"""Base class of the optimizers: steps on one flat buffer of parameters.

Why not ``torch.optim``: a penalty with kinks needs its proximal step in the optimizer's own metric, which no
stock optimizer offers, and constructing a ``torch.optim.Optimizer`` imports ``torch._dynamo`` (0.9 s a process).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from skreg.solvers._regularization import Regularization

# Smaller numbers are set to zero at intervals: L2 shrinks the weights of dead inputs, and Adam its moments,
# geometrically into the denormal range, where arithmetic is 5 to 20 times slower.
NEGLIGIBLE = 1e-20
STEPS_BETWEEN_FLUSHES = 50


class FlatOptimizer(ABC):
    """Base class of the optimizers, whose steps update the flat buffer of a module from that of its gradients.

    Parameters
    ----------
    regularization : Regularization
        The penalties and constraints of the networks; the ``flat`` and ``flat_grad`` of its module are read, and
        ``flat`` is updated.
    weight_decay : float or Tensor of shape (n_members, 1, 1)
        Decoupled decay: every weight matrix is multiplied by ``1 - lr * weight_decay`` before the step
        (Loshchilov and Hutter, 2019, algorithm 2). It is not part of the objective.

    Attributes
    ----------
    n_steps : int
        Number of steps so far, which with the :meth:`buffers` is the whole state.
    nonnegative_buffers : tuple of int
        Class attribute. Indices of the buffers that hold no negative numbers.
    """

    nonnegative_buffers: tuple[int, ...] = ()

    def __init__(self, regularization: Regularization, *, weight_decay: float | Tensor = 0.0):
        self.module, self.layers = regularization.module, regularization.layers
        self.n_steps = 0
        # At every coordinate of the flat buffers; one number where the members share it.
        self.weight_decay = self._at_every_coordinate(weight_decay)
        self.flat_member_lr = self._at_every_coordinate(regularization.member_lr)

    @abstractmethod
    def buffers(self) -> list[Tensor]:
        """Return the flat state tensors."""

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
