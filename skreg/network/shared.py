"""The network of members that share weights: BatchEnsemble, with gradients in closed form.

A layer of member i is

    z = s_i * (W (r_i * x)) + b_i

with one matrix W for all k members, vectors r_i before it and s_i after it, and biases b_i (Wen, Tran and Ba, 2020,
section 3.1). The last layer has the same form. In training every row of a batch is seen by one member, so that one
product serves all members and a step costs about as much as that of one network.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from skreg._seeds import generator_of, sign_seed
from skreg.network.activation import ACTIVATIONS
from skreg.network.dropout import dropout_mask
from skreg.network.flat import FlatNetwork, glorot_uniform
from skreg.network.layout import SharedLayout
from skreg.network.linear import MIN_GEMM_COLUMNS
from skreg.network.mlp import MLP
from skreg.network.sparse import SparseInputs

# Activations of which each output is the input times the derivative.
HOMOGENEOUS = ("identity", "relu")


class LayerMemory:
    """Memory of a layer for batches of some size, which every step overwrites.

    Few and small tensors stay in the cache: they are used again as soon as what they hold is no longer needed.
    ``_rows`` are of shape (n_rows, n_units); those without have the same numbers with all members of a line side by
    side, in the shape (n_rows / n_shared, n_shared * n_units): a vector for each member is then one vector.

    Attributes
    ----------
    scaled : Tensor
        Inputs times r; in the backward pass the gradient with respect to them.
    product, output : Tensor
        Their product with W, and the output of a hidden layer.
    """

    def __init__(self, like: Tensor, n_rows: int, n_shared: int, n_in: int, n_out: int):
        def pair(n_units: int) -> tuple[Tensor, Tensor]:
            rows = like.new_empty(n_rows, n_units)
            return rows, rows.view(n_rows // n_shared, n_shared * n_units)

        self.scaled_rows, self.scaled = pair(n_in)
        self.product_rows, self.product = pair(n_out)
        self.output_rows, self.output = pair(n_out)


class SharedMLP(FlatNetwork):
    """Multilayer perceptrons that share their weight matrices, as one network.

    To the engine it is a population of one, whose penalties and weight decay act on the shared matrices. In training,
    row p of a batch is a row of member ``p % n_shared``, so that the number of rows of a batch must be a multiple of
    ``n_shared``. In predictions every member sees all rows.

    Parameters
    ----------
    layer_units : sequence of int
        Number of inputs, of units in every hidden layer, and of outputs.
    n_shared : int
        Number of members.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers.
    dropout : sequence of float, default=()
        Rate of every hidden layer, in [0, 1).
    input_dropout : float, default=0.0
        Rate of the inputs.
    dtype : torch.dtype, default=torch.float32
        Of all parameters.
    device : torch.device or str, default="cpu"
        Where the parameters live.

    Attributes
    ----------
    weights : list of Parameter of shape (1, n_inputs, n_outputs)
        The shared matrices, views of ``flat``.
    after : list of Parameter of shape (1, 2, n_shared, n_outputs)
        Biases b and scales s of every layer.
    before : list of Parameter of shape (1, n_shared, n_inputs)
        Scales r of every layer.

    References
    ----------
    .. [1] Y. Wen, D. Tran and J. Ba, "BatchEnsemble: an alternative approach to efficient ensemble and lifelong
       learning", ICLR 2020.
    .. [2] Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
       ensembling", ICLR 2025.
    """

    normalization = None
    skip = False

    def __init__(
        self,
        layer_units: Sequence[int],
        n_shared: int,
        *,
        activation: str = "relu",
        dropout: Sequence[float] = (),
        input_dropout: float = 0.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        layout = SharedLayout(layer_units, n_shared)
        super().__init__(layer_units, layout, n_members=1, dtype=dtype, device=device, is_loaded=False)
        self.n_shared = n_shared
        self.activation = activation
        n_layers = len(self.layer_units) - 1
        self.dropout_rates = tuple(map(float, (input_dropout, *(dropout or [0.0] * (n_layers - 1)))))
        take = partial(self._take, self._blocks())
        self.weights, self.after, self.before = (take(name, n_layers) for name in ("weight", "after", "before"))
        for after, before in zip(self.after, self.before, strict=True):
            after.data[:, 1], before.data[:] = 1, 1

        # Operands of the passes: the same memory, with the vectors of all members side by side.
        self._W, self._dW = [p.data[0] for p in self.weights], [p.grad[0] for p in self.weights]
        self._W_T, self._dW_T = [W.mT for W in self._W], [dW.mT for dW in self._dW]
        self._after, self._d_after = ([of(p).view(2, -1) for p in self.after] for of in (_values, _gradients))
        self._b, self._s = ([p[row] for p in self._after] for row in (0, 1))
        self._r, self._dr = ([of(p).view(-1) for p in self.before] for of in (_values, _gradients))
        # Of a narrow output layer the outputs are computed transposed: those of shape (n_outputs, 1, n_shared).
        self._is_narrow = self.layer_units[-1] < MIN_GEMM_COLUMNS
        self._b_last, self._s_last = self.after[-1].data[0].mT.unsqueeze(2).unbind(0)
        self._db_last, self._ds_last = self.after[-1].grad[0].mT.unbind(0)
        self._memories: dict[int, list[LayerMemory]] = {}
        self._first: Tensor | None = None
        self._folded: MLP | None = None

    @torch.no_grad()
    def initialize(self, generators: Sequence[torch.Generator], outputs: Tensor | None = None) -> None:
        """Draw Glorot-uniform weights, those of one network with this generator, and random signs.

        The scales r of the first layer are -1 or 1, all others 1, as in TabM: members differ in the signs of their
        inputs. Biases are zero, but those of the output layer are ``outputs``, of shape (n_outputs,), if these are
        given. Signs have a generator of their own, whose seed follows from that of the first.
        """
        (generator,) = generators
        for W in self._W:
            W[:] = glorot_uniform(*W.shape, self.activation, generator)
        signs = torch.empty(self.before[0].shape, dtype=torch.float64, device=generator.device)
        signs.random_(0, 2, generator=generator_of(sign_seed(generator.initial_seed()), generator.device))
        self.before[0].data[:] = signs * 2 - 1
        if outputs is not None:
            self.after[-1].data[:, 0] = outputs

    def forward(
        self,
        X: Tensor | SparseInputs,
        *,
        record: list | None = None,
        generator: torch.Generator | None = None,
        row_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the outputs of the last layer, before any link; without gradients of autograd.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features) or (1, n_rows, n_features), or SparseInputs
            Inputs; dense ones in training.
        record : list, default=None
            If given, the network is in training: every row is seen by one member, and the list receives what
            :meth:`backward` needs, until the next call.
        generator : torch.Generator, default=None
            Source of dropout masks in training; without one there is no dropout.
        row_weight : None
            For the interface of networks; there is no normalization.

        Returns
        -------
        Tensor of shape (1, n_rows, n_outputs) in training, else (n_shared, n_rows, n_outputs)
            The outputs: of each row's member, or of every member.
        """
        if isinstance(X, SparseInputs):
            X = X.to_dense()
        X = X if X.dim() == 2 else X[0]
        if record is None:
            Z = self._all_members(X)
            return Z.unflatten(0, (len(X), self.n_shared)).transpose(0, 1)
        memory = self._memory(len(X))
        X, mask = self._drop(X, 0, generator)
        X = X.reshape(memory[0].scaled.shape)
        record.append((X, mask))
        torch.mul(X, self._r[0], out=memory[0].scaled)
        return self._layers(memory, record, generator).unsqueeze(0)

    def _all_members(self, X: Tensor) -> Tensor:
        """Return the outputs of all members for each row, one after the other."""
        memory = self._memory(len(X) * self.n_shared)
        first, n_features = memory[0], len(self._W[0])
        r, s = self.before[0].data[0], self._s[0]
        if len(X) > n_features and len(memory) > 1:
            # One product of all members, with their own weights, costs less than as many scaled rows.
            W = self._first_weights()
            torch.mul(self._W[0].unsqueeze(1), r.mT.unsqueeze(2), out=W)
            torch.addmm(self._b[0], X, W.view(n_features, -1).mul_(s), out=first.output)
            return self._layers(memory, [], None, is_first_done=True)
        torch.mul(X.unsqueeze(1), r, out=first.scaled.view(len(X), self.n_shared, -1))
        return self._layers(memory, [], None)

    def _layers(
        self, memory: list[LayerMemory], record: list, generator: torch.Generator | None, *, is_first_done: bool = False
    ) -> Tensor:
        """Return the outputs from the scaled inputs of the first layer, or from what it puts out before activation."""
        activate = ACTIVATIONS[self.activation].apply_
        for i, (layer, above) in enumerate(pairwise(memory)):
            if not (is_first_done and i == 0):
                torch.mm(layer.scaled_rows, self._W[i], out=layer.product_rows)
                torch.addcmul(self._b[i], layer.product, self._s[i], out=layer.output)
            A, mask = self._drop(activate(layer.output_rows), i + 1, generator)
            A = A.view(above.scaled.shape)
            record.append((A, mask))
            torch.mul(A, self._r[i + 1], out=above.scaled)
        return self._outputs(memory[-1])

    def _outputs(self, layer: LayerMemory) -> Tensor:
        """Return the outputs of the last layer, in memory of their own."""
        if not self._is_narrow:
            torch.mm(layer.scaled_rows, self._W[-1], out=layer.product_rows)
            return torch.addcmul(self._b[-1], layer.product, self._s[-1]).view(layer.product_rows.shape)
        n_outputs = self.layer_units[-1]
        torch.mm(self._W_T[-1], layer.scaled_rows.mT, out=layer.product_rows.view(n_outputs, -1))
        Z = torch.addcmul(self._b_last, layer.product.view(n_outputs, -1, self.n_shared), self._s_last)
        return Z.view(n_outputs, -1).mT

    def backward(self, dZ: Tensor, record: list, row_weight: Tensor | None = None) -> None:
        """Write the gradients of all parameters into ``flat_grad``, given that of the outputs.

        Parameters
        ----------
        dZ : Tensor of shape (1, n_rows, n_outputs)
            Derivative of the objective with respect to the outputs.
        record : list
            As filled by the last call of :meth:`forward`.
        row_weight : None
            As given to :meth:`forward`.
        """
        memory = self._memory(dZ.shape[1])
        dU = self._backward_outputs(dZ[0], memory[-1])
        for i in range(len(self._W) - 1, -1, -1):
            layer, (A, mask) = memory[i], record[i]
            if i == len(self._W) - 1 and self._is_narrow:
                self._dW_T[i].copy_(torch.mm(dU.mT, layer.scaled_rows))
            else:
                torch.mm(layer.scaled_rows.mT, dU, out=self._dW[i])
            torch.mm(dU, self._W_T[i], out=layer.scaled_rows)
            if i > 0:
                self._backward_hidden(i - 1, memory[i - 1], layer, A, mask)
            dU = layer.scaled_rows
        torch.sum(memory[0].scaled.mul_(A), 0, out=self._dr[0])

    def _backward_outputs(self, dZ: Tensor, layer: LayerMemory) -> Tensor:
        """Write the gradients of the last biases and scales; return that of the product."""
        if not self._is_narrow:
            D = dZ.reshape(layer.product.shape)
            self._sum_lines(D, layer.product.mul_(D), self._d_after[-1])
            return D.mul_(self._s[-1]).view(dZ.shape)
        n_outputs = self.layer_units[-1]
        D = dZ.mT.reshape(n_outputs, -1, self.n_shared)
        torch.sum(D, 1, out=self._db_last)
        torch.sum(D * layer.product.view(D.shape), 1, out=self._ds_last)
        return (D * self._s_last).view(n_outputs, -1).mT

    @staticmethod
    def _sum_lines(first: Tensor, second: Tensor, out: Tensor) -> None:
        """Write the sums over lines of two tensors into the rows of another one."""
        torch.sum(first, 0, out=out[0])
        torch.sum(second, 0, out=out[1])

    def _backward_hidden(self, i: int, layer: LayerMemory, above: LayerMemory, A: Tensor, mask: Tensor | None) -> None:
        """Write the gradients of a hidden layer's biases and scales, and of the next scales before the product.

        ``above.scaled`` is the gradient with respect to r * A, before; that of this layer's product afterwards. ``A``
        has the outputs after dropout.

        For a = relu(z) with z = s * u + b and a gradient M with respect to r * a, zero where the unit is off, the
        gradients are sums over rows: of b ``r * sum(M)``, of s ``r * sum(M * u)``, and of r ``sum(M * a)``, which is
        ``s * sum(M * u) + b * sum(M)``. So two sums over rows give all three.
        """
        backward = ACTIVATIONS[self.activation].backward
        gradient, r, s, d_after = above.scaled, self._r[i + 1], self._s[i], self._d_after[i]
        is_homogeneous = self.activation in HOMOGENEOUS
        if not is_homogeneous:
            torch.sum(gradient * A, 0, out=self._dr[i + 1])
            gradient.mul_(r)
        if mask is not None:
            above.scaled_rows.mul_(mask)
        backward(above.scaled_rows, layer.output_rows)
        self._sum_lines(gradient, layer.product.mul_(gradient), d_after)
        if is_homogeneous:
            torch.sum(self._after[i] * d_after, 0, out=self._dr[i + 1])
            d_after.mul_(r)
            s = r * s
        gradient.mul_(s)

    def _drop(self, A: Tensor, i: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor | None]:
        """Return A with dropout, and the mask (None without dropout)."""
        if generator is None or self.dropout_rates[i] == 0.0:
            return A, None
        mask = dropout_mask(A, self.dropout_rates[i], generator)
        return A * mask, mask

    def _memory(self, n_rows: int) -> list[LayerMemory]:
        """Return the memory of all layers for batches of some size."""
        if n_rows not in self._memories:
            with torch.inference_mode(False):
                self._memories[n_rows] = [
                    LayerMemory(self.flat, n_rows, self.n_shared, *units) for units in pairwise(self.layer_units)
                ]
        return self._memories[n_rows]

    def _first_weights(self) -> Tensor:
        """Return memory for the first weights of all members, of shape (n_features, n_shared, n_units)."""
        if self._first is None:
            with torch.inference_mode(False):
                self._first = self.flat.new_empty(self.layer_units[0], self.n_shared, self.layer_units[1])
        return self._first

    @torch.no_grad()
    def folded(self) -> MLP:
        """Return the members as plain networks, with weights diag(r_i) W diag(s_i); the next call overwrites them."""
        if self._folded is None:
            with torch.inference_mode(False):
                self._folded = MLP(
                    self.layer_units,
                    activation=self.activation,
                    n_members=self.n_shared,
                    dtype=self.flat.dtype,
                    device=self.flat.device,
                )
        parts = zip(self._folded.weights, self._folded.biases, self._W, self.after, self.before, strict=True)
        for weights, biases, W, after, before in parts:
            b, s = after.data[0].unsqueeze(2)  # of shape (n_shared, 1, n_outputs)
            torch.mul(W, before.data[0].unsqueeze(2), out=weights.data).mul_(s)
            biases.data.copy_(b)
        return self._folded

    def member_arrays(self) -> list[list[np.ndarray]]:
        """Return the arrays of every member as a plain network."""
        folded = self.folded()
        views = [view.detach().cpu().numpy() for view in folded.member_views(folded.state())]
        return [[view[member].copy() for view in views] for member in range(self.n_shared)]


def _values(parameter: torch.nn.Parameter) -> Tensor:
    return parameter.data


def _gradients(parameter: torch.nn.Parameter) -> Tensor:
    return parameter.grad
