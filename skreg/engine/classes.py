"""Targets of many classes as codes: an array with one column for each class takes so many times their memory."""

import math
from collections.abc import Callable

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch import Tensor

# Up to this size targets are arrays of zeros and ones, of which batches are cut faster.
MAX_DENSE_BYTES = 16 * 2**20


def is_large(shape: tuple[int, int], item_bytes: int) -> bool:
    """Return whether targets of some shape are not to be copied as a whole."""
    return math.prod(shape) * item_bytes > MAX_DENSE_BYTES


def lines_in_part(length: int, item_bytes: int) -> int:
    """Return how many rows or columns of targets, of some length, are to be worked on at once: all if not large."""
    return max(1, MAX_DENSE_BYTES // (length * item_bytes))


def indicators(codes: np.ndarray, n_classes: int) -> "np.ndarray | ClassIndicators":
    """Return targets of shape (n_rows, n_classes) from class codes; one column for two classes."""
    if n_classes <= 2:
        return codes[:, None].astype(np.float64)
    coded = ClassIndicators(codes, n_classes)
    return coded if is_large(coded.shape, coded.dtype.itemsize) else np.asarray(coded)


class ClassIndicators:
    """Array of shape (n_rows, n_classes) with a one in the column of each row's class, kept as codes.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The column of each row.
    n_classes : int
        Number of columns.
    dtype : dtype, default=float64
        Of the array.
    """

    def __init__(self, codes: np.ndarray, n_classes: int, dtype=np.float64):
        self.codes, self.n_classes, self.dtype = codes, n_classes, np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array."""
        return len(self.codes), self.n_classes

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows) -> "ClassIndicators":
        """Return some rows."""
        return ClassIndicators(self.codes[rows], self.n_classes, self.dtype)

    def __array__(self, dtype=None, copy=None):
        """Return the array itself."""
        array = np.zeros(self.shape, dtype or self.dtype)
        array[np.arange(len(self)), self.codes] = 1
        return array

    def astype(self, dtype) -> "ClassIndicators":
        """Return the targets with another type."""
        return ClassIndicators(self.codes, self.n_classes, dtype)

    def argmax(self, axis: int = 1) -> np.ndarray:
        """Return the column of each row's class."""
        if axis != 1:
            raise ValueError(f"Classes are along axis=1; got axis={axis!r}.")
        return self.codes


class ClassTargets:
    """Tensor of targets of shape (n_rows, n_classes), of which parts are made from codes when they are needed.

    Parameters
    ----------
    codes : Tensor of int of shape (n_rows,)
        The column of each row's class.
    n_classes : int
        Number of columns.
    dtype : torch.dtype
        Of the parts.
    change : callable or None, default=None
        Function of dense targets, which all parts go through.
    """

    def __init__(self, codes: Tensor, n_classes: int, dtype: torch.dtype, change: Callable | None = None):
        self.codes, self.shape, self.dtype, self.change = codes, (len(codes), n_classes), dtype, change
        self.device = codes.device

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows) -> Tensor:
        """Return some rows as a tensor."""
        codes = self.codes[rows]
        part = torch.zeros(len(codes), self.shape[1], dtype=self.dtype, device=self.device)
        part.scatter_(1, codes.unsqueeze(1), 1.0)
        return part if self.change is None else self.change(part)

    def weighted_sum(self, weight: Tensor) -> Tensor:
        """Return the weighted sum of the rows, of shape (n_classes,), in the type of the weights."""
        n_classes = self.shape[1]
        shares = torch.bincount(self.codes, weight, minlength=n_classes)
        if self.change is None:
            return shares
        of_classes = ClassTargets(torch.arange(n_classes, device=self.device), n_classes, weight.dtype, self.change)
        total = torch.zeros_like(shares)
        for span in gen_batches(n_classes, lines_in_part(n_classes, weight.dtype.itemsize)):
            total += shares[span] @ of_classes[span]
        return total

    def element_size(self) -> int:
        """Return the bytes of a number."""
        return self.dtype.itemsize

    def new_full(self, size: tuple[int, ...], value: float) -> Tensor:
        """Return a tensor of the same type, on the same device."""
        return torch.full(size, value, dtype=self.dtype, device=self.device)

    def changed(self, change: Callable) -> "ClassTargets":
        """Return targets that go through a function."""
        return ClassTargets(self.codes, self.shape[1], self.dtype, change)
