"""Batches of a network whose members share weights: each row of a batch goes to one member."""

import torch
from torch import Tensor

from skreg.engine.batches import MemberBatches, Rows, SharedReader


class SharedBatches(MemberBatches):
    """Batches of a network whose members share weights.

    The mini-batch is divided among the members (Wen, Tran and Ba, 2020, section 3): with k members each sees one k-th
    of the rows of every batch, and so of an epoch. The rows are divided into k parts once, at random unless the order
    is given; member i reads part ``(i - epoch) % k``. So every row is read by one member in each epoch, and by every
    member in k epochs. Where the parts are not equally large, the last batch has a row of weight zero for each member
    that has read all of its part.

    Column p of a batch is for member ``p % k``.

    Parameters
    ----------
    rows : Rows
        The rows.
    spans : list of slice
        The batches, as spans of columns, which begin and end at multiples of k.
    seed : int or None
        Seed of the order; None keeps the given order, in which row p belongs to part ``p % k``.
    n_shared : int
        Number of members k.
    block_bytes : int or None, default=None
        Largest number of bytes of the batches that are gathered at once; None is 1 MiB.
    """

    def __init__(
        self, rows: Rows, spans: list[slice], seed: int | None, n_shared: int, block_bytes: int | None = None
    ):
        self.n_shared = n_shared
        self.epoch = 0
        self._parts: Tensor | None = None
        super().__init__([rows], [spans], [seed], block_bytes, is_dense=True)

    def begin_epoch(self) -> None:
        """Begin an epoch: draw the order of the rows, and gather targets and weights in that order."""
        if not self.is_uniform:
            self.weight = None  # of columns, of which others are padding in every epoch
        super().begin_epoch()
        self.epoch += 1

    def _columns(self, reader: SharedReader) -> Tensor:
        """Return the row indices of the columns, and set which of them are no padding."""
        n_rows, n_columns, generator = len(reader.rows), self.n_columns, reader.generator
        if self._parts is None:
            # Padding repeats the first rows.
            order = torch.arange(n_columns, device="cpu") % n_rows
            if generator is not None:
                order = torch.randperm(n_rows, generator=generator, device="cpu")[order]
            self._parts = order.view(-1, self.n_shared)
            self._is_row = (torch.arange(n_columns, device="cpu") < n_rows).view(self._parts.shape)
        parts = self._parts
        if generator is not None:
            keys = torch.rand(parts.shape, generator=generator, device="cpu")
            if n_rows < n_columns:
                keys[-1].masked_fill_(~self._is_row[-1], 2.0)  # padding stays at the end
            parts = parts.gather(0, keys.argsort(0))
        if n_rows < n_columns:
            is_row = self._is_row.roll(self.epoch, 1).flatten()
            reader.is_row = is_row.to(reader.rows.target.device)
        return parts.roll(self.epoch, 1).flatten()
