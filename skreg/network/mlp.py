"""The multilayer perceptron: K networks of one shape side by side, with gradients in closed form.

Tensors have a leading member axis: inputs are (n_members or 1, n_rows, n_features), weights
(n_members, n_inputs, n_outputs). One fit is a population of one; inside the passes it goes without the axis, because
plain matrix products are called faster than batched ones. A hidden layer is

    linear -> normalization -> activation -> dropout

and the output layer is linear. Gradients are written out instead of recorded by autograd because at the sizes of
tabular data the recording costs more than the arithmetic (a step of a 64-128-10 network takes about half the time
without it). The tests compare them with autograd in float64.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from skreg.network.activation import ACTIVATIONS
from skreg.network.dropout import dropout_mask
from skreg.network.flat import FlatNetwork, glorot_uniform
from skreg.network.layout import Layout
from skreg.network.linear import MIN_GEMM_COLUMNS
from skreg.network.norm import (
    NORMALIZATION_AXES,
    NORMALIZATION_EPSILON,
    RUNNING_MOMENTUM,
    standardize_backward,
    weighted_moments,
)
from skreg.network.sparse import SparseInputs


class Operands(NamedTuple):
    """The parameters of all layers as the passes work on them, and the transposes of weights and biases."""

    W: list[Tensor]
    W_T: list[Tensor]
    b: list[Tensor]
    b_column: list[Tensor]
    gain: list[Tensor]
    shift: list[Tensor]


@dataclass(slots=True)
class LayerRecord:
    """Record of a layer for the backward pass: its input and, for a hidden layer, what its output was computed from."""

    inputs: Tensor | SparseInputs
    output: Tensor | None = None
    mask: Tensor | None = None
    standardized: Tensor | None = None
    inverse_sd: Tensor | None = None


class MLP(FlatNetwork):
    """K multilayer perceptrons whose parameters live in one flat buffer.

    Parameters
    ----------
    layer_units : sequence of int
        Number of inputs, of units in every hidden layer, and of outputs.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers.
    normalization : {None, "batch", "layer"}, default=None
        Standardization of every hidden layer before its activation.
    dropout : sequence of float or Tensor, default=()
        Rate of every hidden layer, in [0, 1); a tensor of shape (n_members, 1, 1) gives each member its own.
    input_dropout : float or Tensor, default=0.0
        Rate of the inputs.
    skip : bool, default=False
        Whether a linear map from the inputs is added to the outputs. Its weights are the last ``n_outputs`` columns
        of the first weight matrix, so that one product serves both. Without hidden layers there is nothing to add.
    n_members : int, default=1
        Number of networks.
    dtype : torch.dtype, default=torch.float32
        Of all parameters.
    device : torch.device or str, default="cpu"
        Where the parameters live.
    is_loaded : bool, default=False
        Whether all weights will be loaded and none trained, so that the memory need not be set to zero first.

    Attributes
    ----------
    flat, flat_grad : Tensor of shape (n_members * n_parameters,)
        All parameters, and their gradients, block by block: weights, then biases, gains and shifts. Every
        block is contiguous for all members together, so that one fused call can update any run of blocks.
    weights, biases : list of Parameter
        Views of ``flat``, of shapes (n_members, n_inputs, n_outputs) and (n_members, 1, n_outputs).
    gains, shifts : list of Parameter
        Views of ``flat`` for normalized hidden layers, of shape (n_members, 1, n_units).
    running_means, running_variances : list of Tensor
        Statistics that batch normalization uses for predictions, of shape (n_members, 1, n_units).
    """

    def __init__(
        self,
        layer_units: Sequence[int],
        *,
        activation: str = "relu",
        normalization: str | None = None,
        dropout: Sequence[float | Tensor] = (),
        input_dropout: float | Tensor = 0.0,
        skip: bool = False,
        n_members: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        is_loaded: bool = False,
    ):
        hidden_units = tuple(layer_units)[1:-1]
        has_skip = skip and len(hidden_units) > 0
        layout = Layout(layer_units, normalized=bool(normalization), skip=has_skip, n_members=n_members)
        super().__init__(layer_units, layout, n_members=n_members, dtype=dtype, device=device, is_loaded=is_loaded)
        self.activation = activation
        self.normalization = normalization
        # Rates in front of every linear layer: first that of the inputs.
        rates = (input_dropout, *(dropout or [0.0] * len(hidden_units)))
        self.dropout_rates = tuple(map(float, rates)) if n_members == 1 else rates
        self.skip = has_skip
        self._make_parameters()

        # Operands of the passes: the same memory, without the member axis for a population of one.
        parameters = (self.weights, self.biases, self.gains, self.shifts)
        self._dW, self._db, self._dgain, self._dshift = (self._inner([p.grad for p in group]) for group in parameters)
        self._dW_T = [dW.mT for dW in self._dW]
        self._mean, self._variance = self._inner(self.running_means), self._inner(self.running_variances)
        with torch.no_grad():
            self._detached = self._operands()
        self._is_narrow = [W.shape[-1] < MIN_GEMM_COLUMNS for W in self.weights]
        self._workspaces: dict[tuple[str, int], Tensor] = {}
        self._product, self._affine = (torch.mm, torch.addmm) if n_members == 1 else (torch.bmm, torch.baddbmm)

    def _make_parameters(self) -> None:
        """Make the parameters and statistics of layers, views of the flat buffers."""
        layout, take = self._layout, partial(self._take, self._blocks())
        self.weights, self.biases = take("weight", len(layout.weights)), take("bias", len(layout.biases))
        self.gains, self.shifts = take("gain", len(layout.scales)), take("shift", len(layout.scales))
        for gain in self.gains:
            gain.data.fill_(1)
        for i, shape in enumerate(layout.scales if self.normalization == "batch" else ()):
            self.register_buffer(f"running_mean_{i}", self.flat.new_zeros(shape))
            self.register_buffer(f"running_variance_{i}", self.flat.new_ones(shape))
            self.running_means.append(self.get_buffer(f"running_mean_{i}"))
            self.running_variances.append(self.get_buffer(f"running_variance_{i}"))

    def _inner(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return tensors as the passes work on them: for a population of one without the member axis."""
        return [tensor[0] if self.n_members == 1 else tensor for tensor in tensors]

    def _operands(self) -> Operands:
        """Return the parameters as the passes work on them; autograd records these views where it is on."""
        groups = (self.weights, self.biases, self.gains, self.shifts)
        W, b, gain, shift = (self._inner(group) for group in groups)
        return Operands(W, [w.mT for w in W], b, [v.mT for v in b], gain, shift)

    def first_weights(self) -> tuple[Tensor, Tensor]:
        """Return the weights of the first layer and those of the skip connection (with no column without one)."""
        n_units = self.layer_units[1]
        return self.weights[0][..., :n_units], self.weights[0][..., n_units:]

    @torch.no_grad()
    def initialize(self, generators: Sequence[torch.Generator], outputs: Tensor | None = None) -> None:
        """Draw the weights of :func:`~skreg.network.flat.glorot_uniform`, one generator for each member.

        Biases are zero, but those of the output layer are ``outputs``, of shape (n_outputs,) or (n_members, n_outputs),
        if these are given.
        """
        for member, generator in enumerate(generators):
            first, skip = self.first_weights()
            # The skip connection last, so that the others are the same with and without it.
            for W in (first, *self.weights[1:], *([skip] if self.skip else [])):
                W[member] = glorot_uniform(*W.shape[1:], self.activation, generator)
        if outputs is not None:
            self.biases[-1][:, 0] = outputs

    def forward(
        self,
        X: Tensor | SparseInputs,
        *,
        record: list[LayerRecord] | None = None,
        generator: torch.Generator | None = None,
        row_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the outputs of the last layer, before any link.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features) or (n_members or 1, n_rows, n_features), or SparseInputs
            Inputs; two dimensions mean the same rows for all members. Sparse ones need ``torch.no_grad()``, and no
            dropout of inputs.
        record : list, default=None
            If given, the network is in training: batch normalization uses the batch's moments, and the list
            receives what :meth:`backward` needs. Call under ``torch.no_grad()``.
        generator : torch.Generator, default=None
            Source of dropout masks; without one there is no dropout.
        row_weight : Tensor of shape (n_rows, 1) or (n_members, n_rows, 1), default=None
            Weights that sum to 1 for the moments of batch normalization; None is uniform.

        Returns
        -------
        Tensor of shape (n_members, n_rows, n_outputs)
            The outputs.
        """
        operands = self._operands() if torch.is_grad_enabled() else self._detached
        A, skipped = self._hidden(X, operands, record, generator, row_weight)
        Z = self._linear(A, operands, len(self.weights) - 1)
        if skipped is not None:
            Z += skipped
        return Z.unsqueeze(0) if self.n_members == 1 else Z

    def _workspace(self, name: str, i: int, rows: Tensor) -> Tensor | None:
        """Return memory for the output or the gradient of a layer of a population; every step overwrites it.

        New memory in each step would be returned to the system and mapped again.
        """
        if self.n_members == 1:
            return None
        shape = self.n_members, rows.shape[-2], self.layer_units[i + 1]
        size = math.prod(shape)
        if (name, i) not in self._workspaces or self._workspaces[name, i].numel() < size:
            with torch.inference_mode(False):
                self._workspaces[name, i] = self.flat.new_empty(size)
        return self._workspaces[name, i][:size].view(shape)

    def _linear(self, A: Tensor, operands: Operands, i: int, out: Tensor | None = None) -> Tensor:
        W, W_T, b, b_column, _, _ = operands
        if isinstance(A, SparseInputs):
            return A.product(W[i]).add_(b[i])
        if self._is_narrow[i]:
            return self._affine(b_column[i], W_T[i], A.mT).mT
        return self._affine(b[i], A, W[i], out=out)

    def last_hidden(self, X: Tensor | SparseInputs) -> Tensor:
        """Return the outputs of the last hidden layer, of shape (n_members, n_rows, n_units), for predictions."""
        operands = self._operands() if torch.is_grad_enabled() else self._detached
        A = self._hidden(X, operands, None, None, None)[0]
        if isinstance(A, SparseInputs):
            return A.to_dense()
        return A.unsqueeze(0) if self.n_members == 1 else A

    def _hidden(self, X, operands, record, generator, row_weight) -> tuple[Tensor, Tensor | None]:
        """Return the inputs of the last layer, and what the skip connection adds to its outputs, if there is one."""
        is_sparse = isinstance(X, SparseInputs)
        if is_sparse:
            A = X
        elif self.n_members == 1:
            A = X if X.dim() == 2 else X[0]
        else:
            A = X if len(X) == self.n_members and X.dim() == 3 else X.expand(self.n_members, -1, -1)
        A, _ = self._drop(A, 0, generator)
        if record is not None and self.normalization == "batch":
            self.n_batches += 1
        activate = ACTIVATIONS[self.activation].apply_
        skipped = None
        for i in range(len(self.layer_units) - 2):
            layer = LayerRecord(A)
            if i == 0 and self.skip:
                product = A.product(operands.W[0]) if is_sparse else self._product(A, operands.W[0])
                Z, skipped = product.split([self.layer_units[1], self.layer_units[-1]], dim=-1)
                Z = Z + operands.b[0]
            else:
                Z = self._linear(A, operands, i, None if record is None else self._workspace("Z", i, A))
            if self.normalization:
                Z = self._normalize(Z, i, operands, None if record is None else layer, row_weight)
            A = layer.output = activate(Z)
            A, layer.mask = self._drop(A, i + 1, generator)
            if record is not None:
                record.append(layer)
        if record is not None:
            record.append(LayerRecord(A))
        return A, skipped

    def backward(self, dZ: Tensor, record: list[LayerRecord], row_weight: Tensor | None = None) -> None:
        """Write the gradients of all parameters into ``flat_grad``, given that of the outputs.

        Parameters
        ----------
        dZ : Tensor of shape (n_members, n_rows, n_outputs)
            Derivative of the objective with respect to the outputs.
        record : list of LayerRecord
            As filled by :meth:`forward`.
        row_weight : Tensor of shape (n_rows, 1) or (n_members, n_rows, 1), default=None
            As given to :meth:`forward`.
        """
        backward = ACTIVATIONS[self.activation].backward
        if self.n_members == 1:
            dZ = dZ[0]
        d_outputs = dZ
        for i in range(len(record) - 1, -1, -1):
            with_skip = torch.cat([dZ, d_outputs], dim=-1) if i == 0 and self.skip else dZ
            if isinstance(record[i].inputs, SparseInputs):
                record[i].inputs.transposed_product(with_skip, out=self._dW[i])
            elif self._is_narrow[i]:
                self._dW_T[i].copy_(self._product(with_skip.mT, record[i].inputs))
            else:
                self._product(record[i].inputs.mT, with_skip, out=self._dW[i])
            # Batch normalization takes the mean away, and with it the bias, whose gradient stays zero. Of the rounding
            # of a sum Adam would make steps as long as any other, which the running means do not keep up with.
            if self.normalization != "batch" or i == len(record) - 1:
                torch.sum(dZ, -2, True, out=self._db[i])
            if i == 0:
                return
            below = record[i - 1]
            # The product with one column is an outer one, for which batched products take more than twice the time.
            product = torch.mul if dZ.shape[-1] == 1 else self._product
            dA = product(dZ, self._detached.W_T[i], out=self._workspace("dA", i - 1, dZ))
            if below.mask is not None:
                dA.mul_(below.mask)
            dZ = backward(dA, below.output)
            if self.normalization:
                dZ = self._normalize_backward(dZ, i - 1, below, row_weight)

    def _drop(self, A: Tensor, i: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor | None]:
        """Return A with dropout, scaled to keep its expectation, and the mask (None without dropout)."""
        rate = self.dropout_rates[i]
        if generator is None or (isinstance(rate, float) and rate == 0.0):
            return A, None
        mask = dropout_mask(A, rate, generator)
        return A * mask, mask

    def _without_axis(self, row_weight: Tensor | None) -> Tensor | None:
        """Return weights without a member axis, if they have one and the passes go without."""
        return row_weight[0] if self.n_members == 1 and row_weight is not None and row_weight.dim() == 3 else row_weight

    def _normalize(self, Z, i: int, operands, record: LayerRecord | None, row_weight: Tensor | None) -> Tensor:
        axis = NORMALIZATION_AXES[self.normalization]
        weight = self._without_axis(row_weight) if self.normalization == "batch" else None
        if self.normalization == "batch" and record is None:
            mean, variance = self._mean[i], self._variance[i]
        else:
            mean, variance = weighted_moments(Z, axis, weight)
        inverse_sd = torch.rsqrt(variance + NORMALIZATION_EPSILON)
        standardized = (Z - mean) * inverse_sd
        if record is not None:
            record.standardized, record.inverse_sd = standardized, inverse_sd
            if self.normalization == "batch":
                # The plain average at first, so that a fit of few steps is not dominated by the start values.
                momentum = max(RUNNING_MOMENTUM, 1 / self.n_batches)
                self._mean[i].lerp_(mean, momentum)
                self._variance[i].lerp_(variance, momentum)
        return torch.addcmul(operands.shift[i], standardized, operands.gain[i])

    def _normalize_backward(self, dY: Tensor, i: int, record: LayerRecord, row_weight: Tensor | None) -> Tensor:
        torch.sum(dY * record.standardized, dim=-2, keepdim=True, out=self._dgain[i])
        torch.sum(dY, dim=-2, keepdim=True, out=self._dshift[i])
        weight = self._without_axis(row_weight) if self.normalization == "batch" else None
        axis = NORMALIZATION_AXES[self.normalization]
        return standardize_backward(dY * self._detached.gain[i], record.standardized, record.inverse_sd, axis, weight)
