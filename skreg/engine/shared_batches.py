"""Batches of a network whose members share weights: each row of a batch goes to one member."""

from collections.abc import Sequence

import torch
from torch import Tensor

from skreg.engine.batches import MemberBatches, Rows, SharedReader

# Orders of several epochs are drawn at once up to so many columns.
MAX_DRAWN = 2**14


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

    def __init__(self, rows: Rows, spans: list[slice], seed: int | None, n_shared: int, block_bytes: int | None = None):
        self.n_shared = n_shared
        self.epoch = self._last_drawn = 0
        self._parts = torch.empty(0, dtype=torch.int64, device="cpu")
        self._orders: list[Tensor] = []
        self._are_rows: list[Tensor] = []
        super().__init__([rows], [spans], [seed], block_bytes, is_dense=True)

    def begin_epoch(self) -> None:
        """Begin an epoch: draw the order of the rows, and gather targets and weights in that order."""
        if not self.is_uniform:
            self.weight = None  # of columns, of which others are padding in every epoch
        super().begin_epoch()
        self.epoch += 1

    def _weights(self, spans: list[slice], widths: list[int]) -> Sequence[Tensor | None]:
        """Return the weights of some batches; of equal weights, only those of the last batch, which has padding."""
        weights = super()._weights(spans, widths)
        if self.readers[0].rows.weight is None and not self.is_uniform:
            is_last = spans[-1].stop == self.n_columns
            return [*[None] * (len(spans) - 1), weights[-1] if is_last else None]
        return weights

    def _columns(self, reader: SharedReader) -> Tensor:
        """Return the row indices of the columns, and set which of them are no padding."""
        if self.epoch == self._last_drawn:
            self._draw_orders(len(reader.rows), reader.generator)
        if not self.is_uniform:
            reader.is_row = self._are_rows[self.epoch % self.n_shared].to(reader.rows.target.device)
        return self._orders[self.epoch - self._last_drawn + len(self._orders)]

    def _draw_orders(self, n_rows: int, generator: torch.Generator | None) -> None:
        """Draw the orders of the next epochs, of up to k of them at once: small tensors take most of the time."""
        k, n_columns = self.n_shared, self.n_columns
        if self.epoch == 0:
            order = torch.arange(n_columns, device="cpu")
            is_row = (order < n_rows).view(-1, k)
            self._are_rows = [is_row.roll(shift, 1).flatten() for shift in range(k)]
            order %= n_rows  # padding repeats the first rows
            if generator is not None:
                order = torch.randperm(n_rows, generator=generator, device="cpu")[order]
            self._parts = order.view(1, -1, k)
        n_epochs = max(1, min(k, MAX_DRAWN // n_columns))
        orders = self._parts.expand(n_epochs, -1, -1)
        if generator is not None:
            keys = torch.rand(orders.shape, generator=generator, device="cpu")
            keys[:, -1, n_rows - n_columns + k :] = 2.0  # padding stays at the end
            orders = orders.gather(1, keys.argsort(1))
        first, self._last_drawn = self.epoch, self.epoch + n_epochs
        self._orders = [order.roll(first + i, 1).flatten() for i, order in enumerate(orders)]
