"""Adam over a flat buffer, proximal in its own metric where a penalty is not smooth."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from skreg.solvers._base import Solver
from skreg.solvers._flat import FlatOptimizer
from skreg.solvers._regularization import RegularizedLayer

# Share of the layer's root mean square below which Adam's metric does not fall. Without it, weights that have not
# had a gradient yet take a proximal step of lr / epsilon and are wiped out at once. A higher floor spares more of
# them and makes rare features slower to learn. Measured: share of the first layer's weights that L1 of 1e-6 sets to
# zero in the reference experiment, and the training objective on digits after 30 epochs, for a floor of
# 0.01: 9.6 %, 0.0423;  0.1: 3.0 %, 0.0432;  0.3: -, 0.0461;  1: 0.1 %, 0.0611.
METRIC_FLOOR = 0.1
# Proximal steps work through this many weights at a time. Larger tensors in between would be given back to the system
# after each use, to be mapped anew (1.3 ms for 235000 weights instead of 0.4 ms).
PROX_CHUNK_SIZE = 2**17


class SeparableRun:
    """Neighbouring layers whose proximal steps treat every weight for itself, with one penalty and strength.

    Attributes
    ----------
    layers : list of RegularizedLayer
        The layers.
    buffers : tuple of list of Tensor
        Their parameters, gradients and moments, as Adam's kernel wants them.
    bound : Tensor
        For every weight the square of the metric: its floor before the kernel runs, the metric afterwards.
    floors : list of tuple
        For every layer the gradients, the moments v and the bounds, of shape (n_members, n_weights), and the share of
        the sum of v that is the square of the floor.
    tiny : float
        The smallest square of a floor.
    chunks : list of tuple of Tensor
        Weights and bounds, in the parts that a proximal step takes at a time.
    """

    def __init__(self, layers: list[RegularizedLayer], buffers: tuple[list[Tensor], ...]):
        self.layers, self.buffers = layers, buffers
        flat, _, _, squares = (buffer for (buffer,) in buffers)
        self.bound = torch.empty_like(squares)
        sizes = [layer.W.numel() for layer in layers]
        gradients = [layer.grad.flatten(1) for layer in layers]
        self.floors = [
            (grad, square.view(grad.shape), bound.view(grad.shape), METRIC_FLOOR**2 / grad.shape[1])
            for grad, square, bound in zip(gradients, squares.split(sizes), self.bound.split(sizes), strict=True)
        ]
        self.tiny = torch.finfo(flat.dtype).tiny
        n_members, n_inputs, n_outputs = layers[0].W.shape
        if layers[0].penalty.is_elementwise:
            shape, n_rows = (n_members, -1, 1), max(1, PROX_CHUNK_SIZE // n_members)
        else:
            shape, n_rows = (n_members, n_inputs, n_outputs), n_inputs
        weights, bounds = (tensor.view(shape).split(n_rows, dim=1) for tensor in (flat, self.bound))
        self.chunks = list(zip(weights, bounds, strict=True))


class ProximalAdam(FlatOptimizer):
    """Adam (Kingma and Ba, 2015, algorithm 1), proximal in its own metric where a penalty is not smooth.

    On a penalized layer, with bias-corrected moments m and v:

        d = max(sqrt(v), 0.1 * rms(sqrt(v)), epsilon)
        w = prox of (lr / d) * alpha * Omega at  w - lr * m / d

    Where a penalty or a constraint ties weights together, v is its mean over each block of them, so that the block
    has one step.

    The gradient step and the prox share the metric d, so that a fixed point satisfies 0 ∈ ∇loss + alpha * ∂Omega
    whatever d is (Yun, Lozano and Yang, "Adaptive proximal gradient methods", NeurIPS 2021, algorithm 1). A
    soft-threshold at lr * alpha after a plain Adam step does not have this fixed point. Smooth penalties are
    added to the gradient, which has the same minimizer and lets one fused call update everything.
    """

    def __init__(self, regularization, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8, **options):
        super().__init__(regularization, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.mean = torch.zeros_like(self.module.flat)
        self.square = torch.zeros_like(self.module.flat)
        self._spans = self._plain_spans()
        self._parts = [self._buffers_of(span) for span, _ in self._spans]
        self._runs = self._separable_runs()
        # Layers with work before the kernel runs.
        self._smooth = [layer for layer in self.layers if not (layer.proximal or layer.decay)]
        self._tied = [layer for layer in self.layers if layer.proximal and not layer.is_separable]
        # The fused kernel reads its step number from a tensor of each parameter and does not advance it.
        self._kernel_step = torch.zeros((), dtype=torch.float32, device=self.module.flat.device)

    nonnegative_buffers = (1,)

    def buffers(self):
        """Return the flat state tensors."""
        return [self.mean, self.square]

    def _buffers_of(self, span: slice) -> tuple[list[Tensor], ...]:
        """Return the parts of parameters, gradients and moments, each in a list as the kernel wants it."""
        return tuple([buffer[span]] for buffer in (self.module.flat, self.module.flat_grad, self.mean, self.square))

    def _separable_runs(self) -> list[SeparableRun]:
        """Return the layers with separable proximal steps; of one network, neighbours with the same penalty together.

        Of several members each layer is a run of its own, because its weights are ordered by member.
        """
        groups: list[list[RegularizedLayer]] = []
        for layer in self.layers:
            if not layer.is_separable:
                continue
            last = groups[-1][-1] if groups and self.module.n_members == 1 else None
            if last is not None and last.span.stop == layer.span.start and last.penalty.is_same_as(layer.penalty):
                groups[-1].append(layer)
            else:
                groups.append([layer])
        spans = [slice(group[0].span.start, group[-1].span.stop) for group in groups]
        return [SeparableRun(group, self._buffers_of(span)) for group, span in zip(groups, spans, strict=True)]

    def _update(self, lr):
        for layer in self._smooth:
            layer.penalty.add_gradient(layer.grad, layer.W)
        for layer in self._tied:
            self._proximal_step(layer, lr)
        self._kernel_step.fill_(self.n_steps)
        before = None if isinstance(self.flat_member_lr, float) else [part[0][0].clone() for part in self._parts]
        for buffers, (_, decay) in zip(self._parts, self._spans, strict=True):
            self._adam(buffers, lr, self.epsilon, decay)
        # The kernel knows one learning rate: scale each member's step afterwards.
        if before is not None:
            for (span, _), old, part in zip(self._spans, before, self._parts, strict=True):
                part[0][0].copy_(torch.lerp(old, part[0][0], self.flat_member_lr[span]))
        for run in self._runs:
            self._separable_step(run, lr)

    def _adam(self, buffers, lr: float, epsilon: float, decay: float = 0.0, bound: list[Tensor] | None = None) -> None:
        """Run the kernel behind torch.optim.Adam(fused=True); its public wrapper costs more than the update itself."""
        torch._fused_adam_(
            *buffers,
            bound or [],
            [self._kernel_step],
            lr=lr,
            beta1=self.beta_1,
            beta2=self.beta_2,
            weight_decay=decay,
            eps=epsilon,
            amsgrad=bound is not None,
            maximize=False,
        )

    def _separable_step(self, run: SeparableRun, lr: float) -> None:
        """Take the gradient step and the proximal step where every weight has a metric of its own.

        The kernel's amsgrad variant divides by the root of ``max(bound, v)`` and leaves that in ``bound``: filled with
        the square of the metric's floor beforehand, it holds the square of the metric afterwards.
        """
        correction = math.sqrt(1 - self.beta_2**self.n_steps)
        self._fill_with_floors(run, self.epsilon * correction)
        self._adam(run.buffers, lr, 0.0, bound=[run.bound])
        penalty = run.layers[0].penalty
        for W, bound in run.chunks:
            penalty.prox_(W, bound.rsqrt_(), lr * correction)

    def _fill_with_floors(self, run: SeparableRun, epsilon: float) -> None:
        """Write the squares of the floors of the metric, before its bias correction, into the bounds of a run."""
        lowest = max(epsilon**2, run.tiny)
        for grad, square, bound, share in run.floors:
            # What the sum of v will be, times a share. In Python: tensors of a few numbers take more time.
            old, new = share * self.beta_2, share * (1 - self.beta_2)
            sums, norms = square.sum(1).tolist(), torch.linalg.vector_norm(grad, dim=1).tolist()
            floors = [max(old * v + new * g * g, lowest) for v, g in zip(sums, norms, strict=True)]
            if len(floors) == 1:
                bound.fill_(floors[0])
            else:
                bound.copy_(bound.new_tensor(floors).unsqueeze(1))

    def _proximal_step(self, layer: RegularizedLayer, lr: float) -> None:
        mean = self.mean[layer.span].view_as(layer.W)
        square = self.square[layer.span].view_as(layer.W)
        mean.lerp_(layer.grad, 1 - self.beta_1)
        square.mul_(self.beta_2).addcmul_(layer.grad, layer.grad, value=1 - self.beta_2)
        # The bias corrections are applied to numbers instead of tensors: metric here is d * correction_2.
        correction_1 = 1 - self.beta_1**self.n_steps
        correction_2 = math.sqrt(1 - self.beta_2**self.n_steps)
        epsilon = self.epsilon * correction_2
        floor = square.mean(dim=(1, 2), keepdim=True).sqrt_().mul_(METRIC_FLOOR).clamp_min_(epsilon)
        metric = layer.mean_over_blocks(square).sqrt()
        if layer.constraint is None and layer.penalized is not None:
            # A member without penalty takes the steps of plain Adam, which adds epsilon.
            metric = torch.where(layer.penalized, metric.clamp_min(floor), metric + epsilon)
        else:
            metric = metric.clamp_min_(floor)
        step = metric.reciprocal_().mul_(lr * correction_2 * layer.member_lr)
        layer.W.addcmul_(mean, step, value=-1 / correction_1)
        layer.W.copy_(layer.prox(step))


@dataclass(frozen=True)
class Adam(Solver):
    """Settings of Adam: see :class:`ProximalAdam`."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    optimizer: ClassVar[type] = ProximalAdam
    n_buffers: ClassVar[int] = 2
