"""Layout of the parameters of networks in memory."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor


class FlatLayout:
    """Places of parameters in one flat buffer, the weight matrices first.

    Parameters
    ----------
    weights, others : list of tuple
        Shapes of the weight matrices, and of the parameters that follow them.

    Attributes
    ----------
    weights : list of tuple
        Shapes of the weight matrices.
    n_parameters : int
        Numbers in the buffer.
    n_weights : int
        Those of them that belong to weight matrices.
    """

    def __init__(self, weights: list[tuple[int, ...]], others: list[tuple[int, ...]]):
        self.weights = weights
        self._shapes = [*weights, *others]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.n_parameters = sum(self._sizes)
        self.n_weights = sum(self._sizes[: len(weights)])

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the parts of a buffer, one view for each parameter."""
        return [part.view(shape) for part, shape in zip(flat.split(self._sizes), self._shapes, strict=True)]


class Layout(FlatLayout):
    """Places of all parameters of K networks in one flat buffer: weights, then biases, gains and shifts.

    Parameters
    ----------
    layer_units : sequence of int
        Number of inputs, of units in every hidden layer, and of outputs.
    normalized : bool
        Whether hidden layers have gains and shifts.
    skip : bool
        Whether the first weight matrix also has the columns of a skip connection.
    n_members : int
        Number of networks.

    Attributes
    ----------
    biases, scales : list of tuple
        Shapes of the biases, and of the gains (and of the shifts) of hidden layers.
    """

    def __init__(self, layer_units: Sequence[int], *, normalized: bool, skip: bool, n_members: int):
        weights = [(n_members, n_in, n_out) for n_in, n_out in pairwise(layer_units)]
        if skip:
            weights[0] = (n_members, layer_units[0], layer_units[1] + layer_units[-1])
        self.biases = [(n_members, 1, n_out) for n_out in layer_units[1:]]
        self.scales = [(n_members, 1, n_units) for n_units in layer_units[1:-1]] if normalized else []
        super().__init__(weights, [*self.biases, *self.scales, *self.scales])


class SharedLayout(FlatLayout):
    """Places of the parameters of a network whose members share weights: matrices, then the vectors of every layer.

    Parameters
    ----------
    layer_units : sequence of int
        Number of inputs, of units in every hidden layer, and of outputs.
    n_shared : int
        Number of members.

    Attributes
    ----------
    after, before : list of tuple
        For every layer the shape of its biases and scales after the product, side by side, and of its scales before.
    """

    def __init__(self, layer_units: Sequence[int], n_shared: int):
        self.after = [(1, 2, n_shared, n_out) for n_out in layer_units[1:]]
        self.before = [(1, n_shared, n_in) for n_in in layer_units[:-1]]
        super().__init__([(1, n_in, n_out) for n_in, n_out in pairwise(layer_units)], [*self.after, *self.before])
