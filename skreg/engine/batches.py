"""Rows of a data set, and their batches, for one network or many.

Rows are gathered from the user's own array block by block, shuffled anew in every epoch, and never copied as a whole:
an array may be sparse, read-only, or a file mapped into memory that is larger than it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import gen_batches, gen_even_slices
from torch import Tensor

from skreg.engine.arrays import BLOCK_BYTES, chosen, gathered, mapped_file
from skreg.engine.classes import ClassTargets, is_large
from skreg.network.linear import MIN_GEMM_COLUMNS
from skreg.network.sparse import SparseInputs, is_worth, row_bytes

# Products are slow with a few rows. So blocks of wide rows have up to so many, within a limit.
MIN_PRODUCT_ROWS = 64
WIDE_BLOCK_BYTES = 32 * 2**20
# Where rows are not copied, their block is as large as the outputs of a layer allow.
MAX_VIEWED_ROWS = 1024
BLOCK_BYTES_OF_OUTPUTS = 16 * 2**20


def rows_in_block(row_bytes: int, block_bytes: int | None = None) -> int:
    """Return the number of rows of some size that fill a block; of wide rows, enough for a product."""
    block_bytes = block_bytes or BLOCK_BYTES
    return max(1, block_bytes // row_bytes, min(MIN_PRODUCT_ROWS, WIDE_BLOCK_BYTES // row_bytes))


class Batch(NamedTuple):
    """Rows of one step, and their span of the epoch."""

    X: Tensor
    target: Tensor
    weight: Tensor | None
    span: slice


class Rows(torch.utils.data.Dataset):
    """Inputs, targets and weights of a data set.

    Parameters
    ----------
    X : ndarray, CSR matrix or Tensor of shape (n_rows or more, n_features)
        Inputs; may be read-only. Rows are gathered and made dense block by block. A tensor has the type and the device
        of the targets.
    target : Tensor or ClassTargets of shape (n_rows, n_outputs)
        Targets as the loss wants them. Inputs get their type.
    weight : Tensor of shape (n_rows,) or None
        Positive weights that sum to 1; None is uniform.
    indices : ndarray of int of shape (n_rows,) or None
        Indices of the rows in X; None is all of them.
    """

    def __init__(self, X, target: Tensor | ClassTargets, weight: Tensor | None, indices: np.ndarray | None = None):
        self.target = target
        self.weight = weight
        self.X, self.indices = X, indices
        self.is_mapped = mapped_file(X) is not None
        self.gather = gathered if self.is_mapped else chosen
        #: Whether products with the inputs are sparse.
        self.is_sparse = is_worth(X, target.device)

    def __len__(self):
        return len(self.target)

    def inputs(self, indices: np.ndarray) -> Tensor:
        """Return some rows as a dense tensor of the type and on the device of the targets."""
        if self.indices is not None:
            indices = self.indices[indices]
        if isinstance(self.X, Tensor):
            return self.X[torch.as_tensor(indices, device=self.X.device)]
        rows = self.X[indices].toarray() if scipy.sparse.issparse(self.X) else self.gather(self.X, indices)
        return torch.from_numpy(rows).to(self.target.device, self.target.dtype)

    def write_inputs(self, indices: np.ndarray, out: np.ndarray) -> None:
        """Write some rows that are like the targets into an array."""
        # The indices are of rows that there are; take() would check that in a copy of the result.
        self.X.take(indices if self.indices is None else self.indices[indices], axis=0, out=out, mode="clip")

    def sparse_inputs(self, indices: np.ndarray):
        """Return some rows of sparse inputs, as a CSR matrix of the type of the targets."""
        rows = self.X[indices if self.indices is None else self.indices[indices]]
        return rows.astype(self._numpy_type, copy=False)

    def operand(self, indices: np.ndarray) -> Tensor | SparseInputs:
        """Return some rows for products: sparse where these pay."""
        return SparseInputs([self.sparse_inputs(indices)]) if self.is_sparse else self.inputs(indices)

    def blocks(
        self, layer_units: Sequence[int], at_most: int = MAX_VIEWED_ROWS**2
    ) -> Iterator[tuple[slice, Tensor | SparseInputs]]:
        """Iterate over blocks of rows, each with its span and inputs, for a network with layers of some units."""
        item_bytes, is_viewed = self.target.element_size(), self._is_viewed
        if is_viewed:
            n_rows = MAX_VIEWED_ROWS
        elif self.is_sparse:
            n_rows = max(1, BLOCK_BYTES // row_bytes(self.X))
        else:
            n_rows = rows_in_block(self.X.shape[1] * item_bytes)
        of_outputs = max(MIN_PRODUCT_ROWS, BLOCK_BYTES_OF_OUTPUTS // (max(layer_units[1:]) * item_bytes))
        for span in gen_batches(len(self), min(n_rows, of_outputs, at_most)):
            yield span, torch.from_numpy(self.X[span]) if is_viewed else self.operand(np.arange(span.start, span.stop))

    @property
    def cuts_targets(self) -> bool:
        """Whether the targets of a batch are made, or cut, when it is needed: of many targets, no copy is kept."""
        target = self.target
        is_wide = target.shape[1] >= MIN_GEMM_COLUMNS
        return isinstance(target, ClassTargets) or (is_wide and is_large(target.shape, target.element_size()))

    @property
    def _numpy_type(self) -> np.dtype:
        return torch.empty(0, dtype=self.target.dtype, device="cpu").numpy().dtype

    @property
    def _is_viewed(self) -> bool:
        """Whether blocks are views of the inputs: where copies would be of wide rows. torch warns of read-only ones."""
        X = self.X
        if self.indices is not None or not self.is_like_target:
            return False
        is_wide = X.shape[1] * X.itemsize * MIN_PRODUCT_ROWS > BLOCK_BYTES
        return is_wide and X.flags.writeable

    @property
    def is_like_target(self) -> bool:
        """Whether the inputs are an array in memory, in C order, of the type of the targets, which are there, too."""
        X = self.X
        if self.is_mapped or not isinstance(X, np.ndarray) or not X.flags.c_contiguous:
            return False
        return self.target.device.type == "cpu" and X.dtype == self._numpy_type

    def row_weight(self) -> Tensor:
        """Return the weights, which sum to 1, as a tensor, also if they are uniform."""
        if self.weight is not None:
            return self.weight
        n_rows = len(self)
        return self.target.new_full((n_rows,), 1 / n_rows)


def n_epoch_batches(n_rows: int, batch_size: int, min_batch_size: int = 1) -> int:
    """Return the number of batches in an epoch.

    That is ``ceil(n_rows / batch_size)``, or fewer where that would leave a batch with less than ``min_batch_size``
    rows.
    """
    # A short last batch would take a step as long as the others (or, with equal row weights, a much shorter one). So
    # batches are of nearly equal sizes.
    return min(math.ceil(n_rows / batch_size), max(1, n_rows // min_batch_size))


def validation_spans(rows: Sequence[Rows], layer_units: Sequence[int], block_bytes: int) -> list[list[slice]]:
    """Return blocks of the validation rows of every member, for which outputs of the widest layer fill a block."""
    largest, item_bytes = max(map(len, rows)), rows[0].target.element_size()
    of_inputs, *of_layers = (n_units * item_bytes * len(rows) for n_units in layer_units)
    n_blocks = math.ceil(largest * max(of_layers) / block_bytes)
    if not all(own.is_sparse for own in rows):
        n_wide = min(math.ceil(largest / rows_in_block(of_inputs, block_bytes)), largest * of_inputs / block_bytes)
        n_blocks = max(n_blocks, math.ceil(n_wide))
    n_blocks = min(*map(len, rows), n_blocks)
    return [list(gen_even_slices(len(own), n_blocks)) for own in rows]


@dataclass
class SharedReader:
    """Reader of the rows that neighbouring members read in the same order.

    A column is a place in an epoch, padding included. ``slots`` holds the position of each column in the order of the
    rows (the first for padding), or None where column i is row i of the order; ``is_row`` which columns are no padding;
    ``order`` the row indices of this epoch's columns, which ``columns`` has on the device of the targets.
    """

    rows: Rows
    generator: torch.Generator | None
    spans: list[slice]
    n_members: int = 1
    slots: Tensor | None = None
    is_row: Tensor = field(default_factory=lambda: torch.empty(0, device="cpu"))
    order: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    columns: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64, device="cpu"))


class MemberBatches:
    """Batches of all members.

    Every member reads its own rows in the order of its own seed. Batches of members with fewer rows are padded with
    rows of weight zero.

    Parameters
    ----------
    rows : sequence of Rows
        The rows of every member; neighbours with the same object share a reader.
    spans : sequence of list of slice
        The batches of every member, as many for each.
    seeds : sequence of int or None
        Seeds of the order, for every member; None keeps the given order.
    block_bytes : int or None, default=None
        Largest number of bytes of the batches that are gathered at once; None is 1 MiB.
    is_dense : bool, default=False
        Whether inputs are dense even where sparse products would pay.
    keeps_inputs : bool, default=False
        Whether inputs in the given order, if all of them are no larger than a block, are gathered once, and not in
        every epoch.
    """

    def __init__(
        self,
        rows: Sequence[Rows],
        spans: Sequence[list[slice]],
        seeds: Sequence[int | None],
        block_bytes: int | None = None,
        *,
        is_dense: bool = False,
        keeps_inputs: bool = False,
    ):
        self.block_bytes = block_bytes or BLOCK_BYTES
        self.is_dense = is_dense
        self.keeps_inputs = keeps_inputs
        # A few targets have the memory layout of the outputs.
        self.is_narrow = rows[0].target.shape[1] < MIN_GEMM_COLUMNS
        self._members = list(zip(rows, spans, seeds, strict=True))
        self._generators = {
            (id(own), seed): torch.Generator().manual_seed(seed) for own, _, seed in self._members if seed is not None
        }
        self.select(range(len(self._members)))

    def select(self, members: Sequence[int]) -> None:
        """Keep the batches of some members only."""
        self._members = [self._members[member] for member in members]
        self.readers: list[SharedReader] = []
        last = None
        for rows, spans, seed in self._members:
            key = (id(rows), seed)
            if key == last:
                self.readers[-1].n_members += 1
            else:
                self.readers.append(SharedReader(rows, self._generators.get(key), spans))
            last = key
        widths = np.max([[span.stop - span.start for span in reader.spans] for reader in self.readers], axis=0)
        stops = np.cumsum(widths)
        self.spans = [slice(int(stop - width), int(stop)) for stop, width in zip(stops, widths, strict=True)]
        self.n_columns = int(stops[-1])
        self.is_uniform = all(
            reader.rows.weight is None and len(reader.rows) == self.n_columns for reader in self.readers
        )
        self.cuts_targets = any(reader.rows.cuts_targets for reader in self.readers)
        for reader in self.readers:
            slots = np.zeros(self.n_columns, dtype=np.int64)
            is_row = np.zeros(self.n_columns, dtype=bool)
            for span, own in zip(self.spans, reader.spans, strict=True):
                filled = slice(span.start, span.start + own.stop - own.start)
                slots[filled], is_row[filled] = np.arange(own.start, own.stop), True
            is_plain = self.n_columns == len(reader.rows) and is_row.all()
            reader.slots = None if is_plain else torch.from_numpy(slots)
            reader.is_row = torch.from_numpy(is_row).to(reader.rows.target.device)
        self._stacked_targets = None if self.cuts_targets else self._stack_targets()
        self._buffer: np.ndarray | None = None
        self.weight = self._kept_inputs = None
        self.n_widest = int(widths.max())

    @property
    def is_sparse(self) -> bool:
        """Whether products with the inputs are sparse."""
        return not self.is_dense and all(reader.rows.is_sparse for reader in self.readers)

    @property
    def batches_per_block(self) -> int:
        """Number of batches that are gathered at once."""
        return max(1, self.block_bytes // (self._column_bytes * self.n_widest))

    @property
    def _column_bytes(self) -> int:
        """Number of bytes of the inputs of a column, of all members."""
        example = self.readers[0].rows
        of_row = row_bytes(example.X) if self.is_sparse else example.X.shape[1] * example.target.element_size()
        return of_row * len(self._members)

    def begin_epoch(self) -> None:
        """Begin an epoch: draw the order of the rows, and gather targets and weights in that order.

        Sets ``target`` of shape (n_members, n_columns, n_targets), or None where batches cut it themselves, and
        ``weight`` of shape (n_members, n_columns), which sums to 1 over the columns of a member.
        """
        weights = []
        # Equal weights are the same in every order.
        has_weights = self.weight is not None and all(reader.rows.weight is None for reader in self.readers)
        for reader in self.readers:
            columns, rows = self._columns(reader), reader.rows
            reader.order = columns.numpy()
            reader.columns = columns.to(rows.target.device)
            if not has_weights:
                weights.append(rows.row_weight()[reader.columns] * reader.is_row)
        self.target = None if self._stacked_targets is None else self._gathered_targets()
        if not has_weights:
            self.weight = self._joined(weights)

    def _stack_targets(self) -> Tensor:
        """Return the targets of all readers, of shape (n_readers, n_targets, most rows), so that one call gathers."""
        targets = [reader.rows.target for reader in self.readers]
        if len(targets) == 1:
            return targets[0].mT.contiguous().unsqueeze(0)
        stacked = targets[0].new_zeros(len(targets), targets[0].shape[1], max(map(len, targets)))
        for part, target in zip(stacked, targets, strict=True):
            part[:, : len(target)] = target.mT
        return stacked

    def _gathered_targets(self) -> Tensor:
        """Return the targets in the order of an epoch, of shape (n_members, n_columns, n_targets)."""
        stacked = self._stacked_targets
        if len(self.readers) == 1:
            gathered = stacked.index_select(2, self.readers[0].columns)
        else:
            columns = torch.stack([reader.columns for reader in self.readers]).unsqueeze(1)
            gathered = stacked.gather(2, columns.expand(-1, stacked.shape[1], -1))
        target = self._of_members(gathered).mT
        return target if self.is_narrow else target.contiguous()

    def _columns(self, reader: SharedReader) -> Tensor:
        """Return the row indices of the columns of an epoch."""
        n_rows = len(reader.rows)
        if reader.generator is None:
            return torch.arange(n_rows, device="cpu") if reader.slots is None else reader.slots
        order = torch.randperm(n_rows, generator=reader.generator, device="cpu")
        return order if reader.slots is None else order[reader.slots]

    def __len__(self):
        return len(self.spans)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches; inputs have the shape (n_members, n_rows, n_features)."""
        n_batches = self.batches_per_block
        for first in range(0, len(self.spans), n_batches):
            spans = self.spans[first : first + n_batches]
            start, stop = spans[0].start, spans[-1].stop
            X = self._inputs(start, stop) if self._kept_inputs is None else self._kept_inputs
            is_small = len(spans) == len(self.spans) and self._column_bytes * self.n_columns <= self.block_bytes
            if self.keeps_inputs and is_small:
                self._kept_inputs = X
            # One call for all views takes a fraction of the time of a slice each.
            widths = [span.stop - span.start for span in spans]
            inputs = X.split_with_sizes(widths, dim=1)
            targets = map(self._targets, spans)
            if self.target is not None:
                targets = self.target[:, start:stop].split_with_sizes(widths, dim=1)
            yield from map(Batch, inputs, targets, self._weights(spans, widths), spans)

    def _weights(self, spans: list[slice], widths: list[int]) -> Sequence[Tensor | None]:
        """Return the weights of some batches.

        With uniform weights every step is the mean over its batch, and no tensor of weights is needed.
        """
        if self.is_uniform:
            return [None] * len(spans)
        return self.weight[:, spans[0].start : spans[-1].stop].unsqueeze(2).split_with_sizes(widths, dim=1)

    def _targets(self, span: slice) -> Tensor:
        """Return the targets of some columns in the memory layout of the outputs."""
        target = self._joined([reader.rows.target[reader.columns[span]] for reader in self.readers])
        return target.mT.contiguous().mT if self.is_narrow else target

    def _inputs(self, start: int, stop: int) -> Tensor | SparseInputs:
        """Return the inputs of some columns for all members."""
        if not self.is_sparse and len(self.readers) > 1 and all(reader.rows.is_like_target for reader in self.readers):
            return self._of_members(self._gathered_inputs(start, stop))
        if not self.is_sparse:
            return self._joined([reader.rows.inputs(reader.order[start:stop]) for reader in self.readers])
        matrices = [reader.rows.sparse_inputs(reader.order[start:stop]) for reader in self.readers]
        if len(matrices) == 1:
            return SparseInputs(matrices)
        sharing = zip(matrices, self.readers, strict=True)
        return SparseInputs([matrix for matrix, reader in sharing for _ in range(reader.n_members)])

    def _gathered_inputs(self, start: int, stop: int) -> Tensor:
        """Return the inputs of some columns for all readers, in memory that the next block of rows overwrites."""
        shape = len(self.readers), stop - start, self.readers[0].rows.X.shape[1]
        size = math.prod(shape)
        if self._buffer is None or self._buffer.size < size:
            self._buffer = np.empty(size, self.readers[0].rows.X.dtype)
        gathered = self._buffer[:size].reshape(shape)
        for part, reader in zip(gathered, self.readers, strict=True):
            reader.rows.write_inputs(reader.order[start:stop], part)
        return torch.from_numpy(gathered)

    def column_weight(self, is_single: bool) -> Tensor:
        """Return the weights of the columns, of shape (n_columns,) where there is one member."""
        return self.weight[0] if is_single else self.weight

    def _joined(self, parts: list[Tensor]) -> Tensor:
        """Return one tensor for all members, from those of every reader."""
        expanded = [
            part.expand(reader.n_members, *part.shape) for part, reader in zip(parts, self.readers, strict=True)
        ]
        return expanded[0] if len(expanded) == 1 else torch.cat(expanded)

    def _of_members(self, of_readers: Tensor) -> Tensor:
        """Return a tensor with an entry for each member, from one with an entry for each reader."""
        if len(self.readers) == len(self._members):
            return of_readers
        if len(self.readers) == 1:
            return of_readers.expand(len(self._members), *of_readers.shape[1:])
        n_members = [reader.n_members for reader in self.readers]
        return of_readers.repeat_interleave(torch.tensor(n_members, device=of_readers.device), dim=0)

    def n_rows_in_batch(self, batch: int) -> dict[int, int]:
        """Return the number of rows in a batch for each number of rows in total that members have."""
        return {len(reader.rows): reader.spans[batch].stop - reader.spans[batch].start for reader in self.readers}
