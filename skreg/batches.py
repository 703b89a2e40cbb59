"""Rows of a data set, and the batches that they are cut into.

Rows are gathered from the user's own array block by block, shuffled anew in every epoch, and never copied as a whole:
an array may be sparse, read-only, or a file mapped into memory that is larger than it.
"""

import math
import mmap
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import gen_batches, gen_even_slices
from torch import Tensor

from skreg.layers import NARROW

# Rows are gathered (and sparse rows made dense) in blocks of about this many bytes. Larger ones come from the system as
# new pages each time: with 4 MiB, to gather 6000 rows of 784 numbers takes 8 ms instead of 3.
BLOCK_BYTES = 2**20
# Smaller files may stay in memory.
LARGEST_KEPT_FILE = 64 * 2**20


def mapped_file(X) -> mmap.mmap | None:
    """Return the file that an array is mapped from, if it is a large one; None for other arrays.

    Only a ``numpy.memmap`` that shares its pages with a file counts: others may hold what exists in memory alone, and
    would lose it with their pages.
    """
    is_shared = False
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            is_shared = X.mode != "c"
        X = X.base
    return X if is_shared and isinstance(X, mmap.mmap) and len(X) > LARGEST_KEPT_FILE else None


def release_pages(X) -> None:
    """Let go of the pages of a mapped file that have been read; they are read again when they are needed."""
    file = mapped_file(X)
    if file is not None and hasattr(file, "madvise"):
        file.madvise(mmap.MADV_DONTNEED)


def chosen(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows of an array."""
    # take() is the faster, but copies the whole of an array that is not in C order.
    return X.take(rows, axis=0) if X.flags.c_contiguous else X[rows]


def gathered(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows of a mapped file, one region after the other.

    Around each row that is read, the system maps up to 2 MB: rows from everywhere would bring the whole file into
    memory.
    """
    order = np.argsort(rows, kind="stable")
    region = rows[order] * abs(X.strides[0]) // LARGEST_KEPT_FILE
    result = np.empty((len(rows), X.shape[1]), X.dtype)
    for part in np.split(order, np.flatnonzero(np.diff(region)) + 1):
        result[part] = chosen(X, rows[part])
        release_pages(X)
    return result


def row_blocks(X) -> Iterator:
    """Iterate over X in blocks of rows."""
    row_bytes = max(1, X.shape[1] * X.dtype.itemsize)
    for span in gen_batches(X.shape[0], max(1, BLOCK_BYTES // row_bytes)):
        yield X[span]
        release_pages(X)


class Batch(NamedTuple):
    """Rows of one step, and where they stand in the epoch."""

    X: Tensor
    target: Tensor
    weight: Tensor | None
    span: slice


class Rows(torch.utils.data.Dataset):
    """Inputs, targets and weights of a data set.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows or more, n_features)
        Inputs; may be read-only. Rows are gathered and made dense block by block.
    target : Tensor of shape (n_rows, n_outputs)
        Targets as the loss wants them. Inputs get their type.
    weight : Tensor of shape (n_rows,) or None
        Positive weights that sum to 1; None is uniform.
    indices : ndarray of int of shape (n_rows,) or None
        Which rows of X; None is all of them.
    """

    def __init__(self, X, target: Tensor, weight: Tensor | None, indices: np.ndarray | None = None):
        self.target = target
        self.weight = weight
        self.X, self.indices = X, indices
        self.gather = gathered if mapped_file(X) is not None else chosen
        if target.device.type != "cpu" and not scipy.sparse.issparse(X):
            # Once on the device, an epoch needs no transfer.
            self.X, self.indices = self.inputs(np.arange(len(target))), None

    def __len__(self):
        return len(self.target)

    def inputs(self, indices: np.ndarray) -> Tensor:
        """Return some rows as a dense tensor of the type and on the device of the targets."""
        if isinstance(self.X, Tensor):
            return self.X[torch.as_tensor(indices, device=self.X.device)]
        numbers = indices if self.indices is None else self.indices[indices]
        rows = self.X[numbers].toarray() if scipy.sparse.issparse(self.X) else self.gather(self.X, numbers)
        return torch.from_numpy(rows).to(self.target.device, self.target.dtype)

    def rows_per_block(self, batch_size: int) -> int:
        """Return a multiple of ``batch_size`` rows that fills a block."""
        row_bytes = self.X.shape[1] * self.target.element_size()
        return max(1, BLOCK_BYTES // (row_bytes * batch_size)) * batch_size

    def row_weight(self) -> Tensor:
        """Return the weights, which sum to 1, uniform ones written out."""
        if self.weight is not None:
            return self.weight
        n_rows = len(self)
        return self.target.new_full((n_rows,), 1 / n_rows)


def epoch_spans(n_rows: int, batch_size: int, min_batch_size: int = 1) -> list[slice]:
    """Return the batches of an epoch, of nearly equal sizes; see :class:`BatchIterator`."""
    # The few rows that would be left over for a last batch would make a step of their own, as long as the others or,
    # if every row counts the same, much shorter.
    n_batches = min(math.ceil(n_rows / batch_size), max(1, n_rows // min_batch_size))
    return list(gen_even_slices(n_rows, n_batches))


class BatchIterator:
    """Iterates over the batches of one epoch, shuffled anew for every epoch if a generator is given.

    The rows are cut into ``ceil(n_rows / batch_size)`` batches whose sizes differ by at most one; fewer where that
    would leave a batch with less than ``min_batch_size`` rows.

    After an epoch, ``target`` and ``weight`` hold the rows' targets and weights in the order of that epoch.
    """

    def __init__(self, rows: Rows, batch_size: int, generator: torch.Generator | None, min_batch_size: int = 1):
        self.rows = rows
        self.generator = generator
        self.block_size = rows.rows_per_block(batch_size)
        self.spans = epoch_spans(len(rows), batch_size, min_batch_size)
        # A few columns lie one after the other, as the outputs do that they are compared with.
        self.is_narrow = rows.target.shape[1] < NARROW
        self.given = rows.target.mT.contiguous().mT if self.is_narrow else rows.target
        self.target, self.weight = self.given, rows.row_weight()

    def __len__(self):
        return len(self.spans)

    def __iter__(self) -> Iterator[Batch]:
        n_rows, rows = len(self.rows), self.rows
        order = np.arange(n_rows)
        if self.generator is not None:
            permutation = torch.randperm(n_rows, generator=self.generator)
            order = permutation.numpy()
            permutation = permutation.to(rows.target.device)
            if self.is_narrow:
                self.target = self.given.mT.index_select(1, permutation).mT
            else:
                self.target = self.given.index_select(0, permutation)
            if rows.weight is not None:
                self.weight = rows.weight.index_select(0, permutation)
        # With uniform weights every step is the mean over its batch, and no tensor of weights is needed.
        weight = None if rows.weight is None else self.weight.unsqueeze(1)
        block = slice(0, 0)
        for span in self.spans:
            if span.stop > block.stop:
                block = slice(span.start, min(max(span.start + self.block_size, span.stop), n_rows))
                X = rows.inputs(order[block])
            inputs = X[span.start - block.start : span.stop - block.start]
            yield Batch(inputs, self.target[span], None if weight is None else weight[span], span)
