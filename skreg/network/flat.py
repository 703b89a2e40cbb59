"""Base class of networks: all parameters in one flat buffer, with their gradients in another."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from skreg.network.layout import FlatLayout


def glorot_uniform(n_in: int, n_out: int, activation: str, generator: torch.Generator) -> Tensor:
    """Return Glorot-uniform weights of shape (n_in, n_out), in float64.

    Drawn in float64 to be cast, so that float32 and float64 networks start at the same point. The bound is
    ``sqrt(6 / (n_inputs + n_outputs))``, with 2 in place of 6 for the logistic activation (Glorot and Bengio, 2010,
    equation 16; the factor is that of scikit-learn's MLP).
    """
    bound = ((2.0 if activation == "logistic" else 6.0) / (n_in + n_out)) ** 0.5
    draws = torch.rand(n_in, n_out, generator=generator, dtype=torch.float64, device=generator.device)
    return (draws * 2 - 1) * bound


class FlatNetwork(nn.Module):
    """Base class of networks whose parameters live in one flat buffer, on which averages and solvers work.

    Parameters
    ----------
    layer_units : sequence of int
        Number of inputs, of units in every hidden layer, and of outputs.
    layout : FlatLayout
        Places of the parameters; the first axis of each is that of the networks.
    n_members : int
        Number of networks.
    dtype : torch.dtype
        Of all parameters.
    device : torch.device or str
        Where the parameters live.
    is_loaded : bool
        Whether all weights will be loaded and none trained, so that the memory need not be set to zero first.

    Attributes
    ----------
    flat, flat_grad : Tensor of shape (n_members * n_parameters,)
        All parameters, and their gradients, block by block, the weight matrices first. Every block is contiguous for
        all members together, so that one fused call can update any run of blocks.
    running_means, running_variances : list of Tensor
        Statistics that batch normalization uses for predictions, of shape (n_members, 1, n_units).
    """

    def __init__(
        self,
        layer_units: Sequence[int],
        layout: FlatLayout,
        *,
        n_members: int,
        dtype: torch.dtype,
        device: torch.device | str,
        is_loaded: bool,
    ):
        super().__init__()
        self.layer_units = tuple(layer_units)
        self.n_members = n_members
        self._layout = layout
        self.n_weights = layout.n_weights
        self.flat = torch.empty(layout.n_parameters, dtype=dtype, device=device)
        self.flat_grad = torch.empty_like(self.flat)
        if not is_loaded:
            self.flat.zero_()
            self.flat_grad.zero_()
        self.running_means: list[Tensor] = []
        self.running_variances: list[Tensor] = []
        self.n_batches = 0

    def _blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the blocks of the buffers, one after the other, each with its gradient."""
        return zip(self._layout.views(self.flat), self._layout.views(self.flat_grad), strict=True)

    def _take(self, blocks: Iterator[tuple[Tensor, Tensor]], name: str, n_blocks: int) -> list[nn.Parameter]:
        """Return the next blocks as parameters, registered under a name.

        They are in a plain list, beside the registered names: to look one up in a ParameterList costs 3 microseconds.
        """
        parameters = []
        for i in range(n_blocks):
            block, gradient = next(blocks)
            parameter = nn.Parameter(block)
            parameter.grad = gradient
            self.register_parameter(f"{name}_{i}", parameter)
            parameters.append(parameter)
        return parameters

    def are_finite(self) -> list[bool]:
        """Return for every member whether all parameters are; a sum is finite only if all its terms are."""
        if math.isfinite(self.flat.sum()):
            return [True] * self.n_members
        sums = [torch.isfinite(p.flatten(1).sum(dim=1)) for p in self.parameters()]
        return torch.stack(sums).all(dim=0).tolist()

    def state(self) -> list[Tensor]:
        """Return everything that predictions depend on: the flat buffer, and the statistics of batch normalization."""
        return [self.flat, *self.running_means, *self.running_variances]

    def snapshot(self) -> list[Tensor]:
        """Return a copy of the :meth:`state`."""
        return [tensor.clone() for tensor in self.state()]

    def restore(self, snapshot: Sequence[Tensor]) -> None:
        """Restore the state of a :meth:`snapshot`."""
        for current, saved in zip(self.state(), snapshot, strict=True):
            current.copy_(saved)

    def member_views(self, state: Sequence[Tensor]) -> list[Tensor]:
        """Return views, with a leading member axis, of buffers that are laid out like the first of the :meth:`state`.

        The first buffer is cut into one part for each parameter; others are returned as they are.
        """
        return [*self._layout.views(state[0]), *state[1:]]

    def arrays(self) -> list[np.ndarray]:
        """Return copies of the state of a population of one: its parameters, and the statistics of its layers."""
        return [view[0].detach().cpu().numpy().copy() for view in self.member_views(self.state())]
