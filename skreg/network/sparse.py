"""Sparse inputs of a network: products with the first matrix that read only what is not zero."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

# Sparse products pay for wide inputs with few nonzeros: 200 rows of 1000 columns by 1000 x 100, with its gradient, take
# 0.8 ms dense; sparse 0.8 with a tenth of nonzeros, 0.5 with a twentieth, 0.2 with a hundredth.
MIN_COLUMNS = 256
MAX_DENSITY = 0.05


def is_worth(X, device: torch.device) -> bool:
    """Return whether products with X are to be sparse: there are few nonzeros in many columns, on the CPU."""
    if not scipy.sparse.issparse(X) or device.type != "cpu" or X.shape[1] < MIN_COLUMNS:
        return False
    return X.nnz <= MAX_DENSITY * X.shape[0] * X.shape[1]


def row_bytes(X) -> int:
    """Return the mean size of a row, with its indices."""
    return max(1, (X.data.nbytes + X.indices.nbytes) // max(1, X.shape[0]))


class SparseInputs:
    """Rows of sparse inputs, in place of a dense tensor of shape (n_members or 1, n_rows, n_features).

    SciPy multiplies them, as in scikit-learn: rows are gathered by it, and torch's sparse matrices announce on stderr
    that they are in beta state.

    Parameters
    ----------
    matrices : sequence of CSR matrix of shape (n_rows, n_features)
        One that all members share, or one for each, of the type of the weights.
    """

    def __init__(self, matrices: Sequence):
        self.matrices = list(matrices)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the dense tensor."""
        return len(self.matrices), *self.matrices[0].shape

    def split_with_sizes(self, sizes: Sequence[int], dim: int = 1) -> list["SparseInputs"]:
        """Return parts with so many rows each."""
        if dim != 1:
            raise ValueError(f"Sparse inputs are split along their rows, dim=1; got dim={dim!r}.")
        stops = np.cumsum(sizes).tolist()
        spans = [slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True)]
        return [SparseInputs([matrix[span] for matrix in self.matrices]) for span in spans]

    def to_dense(self) -> Tensor:
        """Return the dense tensor."""
        return torch.stack([torch.from_numpy(matrix.toarray()) for matrix in self.matrices])

    def product(self, W: Tensor) -> Tensor:
        """Return the product with weights of shape (n_features, n_units) or (n_members, n_features, n_units)."""
        if W.dim() == 2:
            return torch.from_numpy(self.matrices[0] @ W.numpy())
        return torch.stack([torch.from_numpy(X @ own.numpy()) for X, own in zip(self._of_members(W), W, strict=True)])

    def transposed_product(self, dZ: Tensor, out: Tensor) -> None:
        """Write the product of the transposed inputs with dZ, of shape ([n_members,] n_rows, n_units), into ``out``."""
        if dZ.dim() == 2:
            out.copy_(torch.from_numpy(self.matrices[0].T @ dZ.numpy()))
            return
        for X, own, result in zip(self._of_members(dZ), dZ, out, strict=True):
            result.copy_(torch.from_numpy(X.T @ own.numpy()))

    def _of_members(self, like: Tensor) -> list:
        """Return one matrix for each member."""
        return self.matrices if len(self.matrices) == len(like) else self.matrices * len(like)
