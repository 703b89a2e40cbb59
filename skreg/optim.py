"""Adam and SGD over one flat parameter buffer, with proximal steps for penalties that are not smooth.

Why not ``torch.optim``: a penalty with kinks needs its proximal step in the optimizer's own metric, which no
stock optimizer offers, and constructing a ``torch.optim.Optimizer`` imports ``torch._dynamo`` (0.9 s a process).
:func:`as_torch_optimizer` wraps these classes in a real one for callbacks that ask for it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from skreg.constraints import Constraint
from skreg.layers import MLP
from skreg.penalties._base import LayerPenalty

# Share of the layer's root mean square below which Adam's metric does not fall. Without it, weights that have not
# had a gradient yet take a proximal step of lr / epsilon and are wiped out at once. A higher floor spares more of
# them and makes rare features slower to learn. Measured: share of the first layer's weights that L1 of 1e-6 sets to
# zero in the reference experiment, and the training objective on digits after 30 epochs, for a floor of
# 0.01: 9.6 %, 0.0423;  0.1: 3.0 %, 0.0432;  0.3: -, 0.0461;  1: 0.1 %, 0.0611.
METRIC_FLOOR = 0.1
# Numbers below this size are set to zero now and then: L2 shrinks the weights of dead inputs, and Adam its
# moments, geometrically into the denormal range, where arithmetic is 5 to 20 times slower.
NEGLIGIBLE = 1e-20
STEPS_BETWEEN_FLUSHES = 50
# Proximal steps work through this many weights at a time. Larger tensors in between would be given back to the system
# after each use, to be mapped anew (1.3 ms for 235000 weights instead of 0.4 ms).
PIECE = 2**17


@dataclass
class RegularizedLayer:
    """A weight matrix with its gradient, the slice of the flat buffers that it occupies, and what acts on it."""

    W: Tensor
    grad: Tensor
    span: slice
    penalty: LayerPenalty | None
    constraint: Constraint | None
    lr_scale: float | Tensor

    @property
    def parts(self) -> list[object]:
        """The penalty and the constraint, as far as there are any."""
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
        # A member without strength has no bound on its weights either.
        return result if self.penalized is None else torch.where(self.penalized, result, self.W)

    @cached_property
    def penalized(self) -> Tensor | None:
        """Which members have a penalty, where some have none; otherwise None."""
        alpha = None if self.penalty is None else self.penalty.alpha
        return alpha > 0 if isinstance(alpha, Tensor) and not (alpha > 0).all() else None

    @cached_property
    def is_separable(self) -> bool:
        """Whether the proximal step treats every weight for itself, with the layer's own rate and strength."""
        alone = self.constraint is None and not self.penalty.has_blocks and self.penalized is None
        return self.proximal and alone and isinstance(self.lr_scale, float)

    @cached_property
    def decay(self) -> float:
        """What multiplies the weights in the gradient of a quadratic penalty that is the same for all members."""
        quadratic = not self.proximal and self.penalty.penalty.quadratic and isinstance(self.penalty.alpha, float)
        return self.penalty.alpha if quadratic else 0.0

    def mean_over_blocks(self, T: Tensor) -> Tensor:
        """Return the mean over each block of weights that must share a step.

        A constraint that ties weights together admits no penalty that ties others.
        """
        if self.constraint is not None:
            T = self.constraint.mean_over_blocks(T)
        if self.penalty is None:
            return T
        means = self.penalty.mean_over_blocks(T)
        return means if means is T or self.penalized is None else torch.where(self.penalized, means, T)


class Regularization:
    """What acts on the weight matrices of a module: penalties and constraints.

    Parameters
    ----------
    module : MLP
        The networks.
    penalties : sequence of LayerPenalty or None
        What is penalized on every weight matrix.
    constraints : sequence of Constraint or None, default=()
        What constrains every weight matrix; empty if nothing does.
    lr_scale : float or Tensor of shape (n_members, 1, 1), default=1.0
        Multiplies the learning rate of each member.
    """

    def __init__(
        self,
        module: MLP,
        penalties: Sequence[LayerPenalty | None],
        constraints: Sequence[Constraint | None] = (),
        *,
        lr_scale: float | Tensor = 1.0,
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
                self.layers.append(RegularizedLayer(W.data, W.grad, span, here, constraint, lr_scale))

    @torch.no_grad()
    def penalty_values(self) -> Tensor:
        """Return the penalty of every member at the present weights, of shape (n_members,), in double precision."""
        values = self.module.flat.new_zeros(self.module.n_members, dtype=torch.float64)
        for layer in self.layers:
            if layer.penalty is not None:
                values += layer.penalty.value(layer.W)
        return values

    def penalty_value(self) -> float:
        """Return the penalty of a population of one."""
        return float(self.penalty_values())

    # Numbers of those buffers that hold no negative numbers.
    nonnegative_buffers: tuple[int, ...] = ()

    def buffers(self) -> list[Tensor]:
        """Return the flat state tensors, beside ``n_steps`` all that a solver remembers."""
        return []


class FlatOptimizer(Regularization, ABC):
    """Base of the optimizers: updates the flat buffer of a module from that of its gradients, step by step.

    Parameters
    ----------
    module : MLP
        The networks; its ``flat`` and ``flat_grad`` are read and ``flat`` is updated.
    penalties, constraints : sequence
        As in :class:`Regularization`.
    weight_decay : float or Tensor of shape (n_members, 1, 1)
        Decoupled decay: every weight matrix is multiplied by ``1 - lr * weight_decay`` before the step
        (Loshchilov and Hutter, 2019, algorithm 2). It is not part of the objective.
    lr_scales : Tensor of shape (n_members,) or None
        Multiplies the learning rate of each member; None is 1 for all.
    """

    def __init__(
        self,
        module: MLP,
        penalties: Sequence[LayerPenalty | None],
        constraints: Sequence[Constraint | None] = (),
        *,
        weight_decay: float | Tensor = 0.0,
        lr_scales: Tensor | None = None,
    ):
        lr_scale = 1.0 if lr_scales is None else lr_scales.view(-1, 1, 1)
        super().__init__(module, penalties, constraints, lr_scale=lr_scale)
        # The members' numbers at every coordinate of the flat buffers, as one number where they are all the same.
        self.weight_decay = self._at_every_coordinate(weight_decay)
        self.flat_scale = 1.0 if lr_scales is None else self._at_every_coordinate(lr_scale)

    def _at_every_coordinate(self, values: float | Tensor) -> float | Tensor:
        """Return the members' numbers in the layout of the flat buffers; a number as it is."""
        if not isinstance(values, Tensor):
            return values
        return torch.cat([values.expand_as(parameter).reshape(-1) for parameter in self.module.parameters()])

    def step(self, lr: float) -> None:
        """Update all parameters from the gradients in ``module.flat_grad``."""
        self.n_steps += 1
        if isinstance(self.weight_decay, Tensor) or self.weight_decay:
            decay = 1 - lr * self.weight_decay * self.flat_scale
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
        """Return the runs of the flat buffers without proximal steps, and what decays the weights in each."""
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


class SeparableRun:
    """Neighbouring layers whose proximal steps treat every weight for itself, with one penalty and strength.

    Attributes
    ----------
    layers : list of RegularizedLayer
        The layers.
    buffers : tuple of list of Tensor
        Their parameters, gradients and moments, as Adam's kernel wants them.
    bound : Tensor
        For every weight the square of the metric: its floor before, what the kernel has made of it after a step.
    floors : list of tuple
        For every layer the gradients, the moments v and the bounds, of shape (n_members, n_weights), and the share of
        the sum of v that is the square of the floor.
    tiny : float
        The smallest square of a floor.
    pieces : list of tuple of Tensor
        Weights and bounds, cut for the proximal step.
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
            shape, n_rows = (n_members, -1, 1), max(1, PIECE // n_members)
        else:
            shape, n_rows = (n_members, n_inputs, n_outputs), n_inputs
        weights, bounds = (tensor.view(shape).split(n_rows, dim=1) for tensor in (flat, self.bound))
        self.pieces = list(zip(weights, bounds, strict=True))


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

    def __init__(self, module, penalties, constraints=(), *, beta_1=0.9, beta_2=0.999, epsilon=1e-8, **options):
        super().__init__(module, penalties, constraints, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.mean = torch.zeros_like(module.flat)
        self.square = torch.zeros_like(module.flat)
        self._spans = self._plain_spans()
        self._parts = [self._buffers_of(span) for span, _ in self._spans]
        self._runs = self._separable_runs()
        # The fused kernel reads its step number from a tensor of each parameter and does not advance it.
        self._kernel_step = torch.zeros((), dtype=torch.float32, device=module.flat.device)

    nonnegative_buffers = (1,)

    def buffers(self):
        """Return the flat state tensors."""
        return [self.mean, self.square]

    def _buffers_of(self, span: slice) -> tuple[list[Tensor], ...]:
        """Return the parts of parameters, gradients and moments, each in a list as the kernel wants it."""
        return tuple([buffer[span]] for buffer in (self.module.flat, self.module.flat_grad, self.mean, self.square))

    def _separable_runs(self) -> list[SeparableRun]:
        """Return the layers with separable proximal steps; neighbours with the same penalty of one network together.

        With members, each layer stays for itself, because its weights are ordered by member.
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
        for layer in self.layers:
            if not layer.proximal:
                if not layer.decay:
                    layer.penalty.add_gradient(layer.grad, layer.W)
            elif not layer.is_separable:
                self._proximal_step(layer, lr)
        self._kernel_step.fill_(self.n_steps)
        before = None if isinstance(self.flat_scale, float) else [part[0][0].clone() for part in self._parts]
        for buffers, (_, decay) in zip(self._parts, self._spans, strict=True):
            self._adam(buffers, lr, self.epsilon, decay)
        # The kernel knows one learning rate: scale each member's step afterwards.
        if before is not None:
            for (span, _), old, part in zip(self._spans, before, self._parts, strict=True):
                part[0][0].copy_(torch.lerp(old, part[0][0], self.flat_scale[span]))
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
        for W, bound in run.pieces:
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
        step = metric.reciprocal_().mul_(lr * correction_2 * layer.lr_scale)
        layer.W.addcmul_(mean, step, value=-1 / correction_1)
        layer.W.copy_(layer.prox(step))


class ProximalSGD(FlatOptimizer):
    """SGD with momentum as in scikit-learn's MLP, followed by the penalty's prox.

    Without a penalty: velocity u = momentum * u - lr * grad, and w moves by u, or with Nesterov's momentum by
    momentum * u - lr * grad with the new u. The prox enters as an implicit gradient p taken at the new point:
    heavy ball is w = prox_lr(w + momentum * u - lr * grad) with u the distance moved (Ochs et al., "iPiano",
    2014, algorithm 1); Nesterov's variant moves by (1 + momentum) * lr along a new gradient, which therefore is
    the step of its prox. Thresholding at lr * alpha after u has been added would instead multiply alpha by
    1 - momentum at the fixed point.
    """

    def __init__(self, module, penalties, constraints=(), *, momentum=0.9, nesterovs_momentum=True, **options):
        super().__init__(module, penalties, constraints, **options)
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.velocity = torch.zeros_like(module.flat)

    def buffers(self):
        """Return the flat state tensors."""
        return [self.velocity]

    def _update(self, lr):
        flat, grad = self.module.flat, self.module.flat_grad
        if isinstance(self.flat_scale, Tensor):
            grad = grad * self.flat_scale
        self.velocity.mul_(self.momentum).add_(grad, alpha=-lr)
        if self.nesterovs_momentum:
            flat.add_(self.velocity, alpha=self.momentum).add_(grad, alpha=-lr)
        else:
            flat.add_(self.velocity)
        # How far one unit of a new (here: implicit) gradient moves the weights, in units of lr.
        reach = 1 + self.momentum if self.nesterovs_momentum else 1.0
        for layer in self.layers:
            proximal_point = layer.prox(lr * reach * layer.lr_scale)
            moved = proximal_point - layer.W
            self.velocity[layer.span].view_as(layer.W).add_(moved, alpha=1 / reach)
            layer.W.copy_(proximal_point)


def as_torch_optimizer(optimizer: FlatOptimizer, lr: float) -> torch.optim.Optimizer:
    """Return a real ``torch.optim.Optimizer`` around a flat one, for callbacks such as learning-rate schedulers.

    Its ``param_groups[0]["lr"]`` is the learning rate; its state is that of the flat buffers.
    """

    class TorchOptimizer(torch.optim.Optimizer):
        def __init__(self):
            super().__init__(optimizer.module.parameters(), {"lr": lr})

        def step(self, closure=None):
            optimizer.step(self.param_groups[0]["lr"])

        def state_dict(self):
            return {
                "n_steps": optimizer.n_steps,
                "buffers": [buffer.clone() for buffer in optimizer.buffers()],
                "lr": self.param_groups[0]["lr"],
            }

        def load_state_dict(self, state_dict):
            optimizer.n_steps = state_dict["n_steps"]
            for buffer, saved in zip(optimizer.buffers(), state_dict["buffers"], strict=True):
                buffer.copy_(saved)
            self.param_groups[0]["lr"] = state_dict["lr"]

    return TorchOptimizer()
