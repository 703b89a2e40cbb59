"""Loss and score of the rows of an epoch, measured part by part."""

from torch import Tensor

from skreg.losses import Loss, weighted_sum
from skreg.network.linear import join_rows

# Outputs and targets are kept up to this size; those of more rows are measured in smaller parts, because losses and
# scores make several copies of a part.
MAX_WHOLE_BYTES = 32 * 2**20
MAX_PART_BYTES = 4 * 2**20


class Measurement:
    """Losses and score of many batches, of which only a few outputs are kept at a time.

    Outputs of small data are measured at once; so are those of a loss whose score needs all of them.

    Parameters
    ----------
    loss : Loss
        The loss.
    weight : Tensor of shape (n_columns,) or (n_members, n_columns)
        Weights of the rows of all batches, one after the other; they sum to 1.
    keeps_batches : bool, default=True
        Whether outputs and targets stay as they are until the end, which saves copies. Not if batches have large
        inputs: the memory of these is used again only where no small tensor has been made that stays.
    """

    def __init__(self, loss: Loss, weight: Tensor, *, keeps_batches: bool = True):
        self.loss, self.weight, self.keeps_batches = loss, weight, keeps_batches
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._n_bytes = self._n_copied = self._start = 0
        self._losses: Tensor | None = None
        self._running = loss.running_score()
        self._whole: tuple[Tensor, Tensor] | None = None

    def add(self, Z: Tensor, target: Tensor) -> None:
        """Add a batch."""
        n_bytes = 2 * Z.numel() * Z.element_size()
        is_large = n_bytes // Z.shape[-2] * self.weight.shape[-1] > MAX_WHOLE_BYTES
        if not self.keeps_batches and not is_large:
            self._copy(Z, target)
            return
        self._outputs.append(Z)
        self._targets.append(target)
        self._n_bytes += n_bytes
        if self._running is not None and is_large and self._n_bytes > MAX_PART_BYTES:
            self._measure(join_rows(self._targets))

    def _copy(self, Z: Tensor, target: Tensor) -> None:
        """Copy a batch to its place among all rows."""
        if not self._outputs:
            self._outputs, self._targets = [self._of_all_rows(Z)], [self._of_all_rows(target)]
        span = slice(self._n_copied, self._n_copied + Z.shape[-2])
        self._outputs[0][..., span, :] = Z
        self._targets[0][..., span, :] = target
        self._n_copied = span.stop

    def _of_all_rows(self, part: Tensor) -> Tensor:
        """Return a tensor for all rows, which lies in memory as that of a batch does."""
        n_members, _, n_columns = part.shape
        n_rows = self.weight.shape[-1]
        if part.mT.is_contiguous():
            return part.new_empty(n_members, n_columns, n_rows).mT
        return part.new_empty(n_members, n_rows, n_columns)

    def finish(self, target: Tensor | None = None) -> None:
        """Measure the rest; ``target`` has the targets of all batches, if they are known in one piece."""
        if self._outputs:
            self._measure(join_rows(self._targets) if target is None or self._start else target)

    def _measure(self, target: Tensor) -> None:
        """Measure the outputs that are kept, and forget them."""
        Z = join_rows(self._outputs)
        stop = self._start + Z.shape[-2]
        is_whole = self._start == 0 and stop == self.weight.shape[-1]
        losses = self.loss.per_row(Z, target)
        if is_whole:
            self._losses, self._whole = losses, (Z, target)
        else:
            if self._losses is None:
                # In one piece from the start: small tensors that stay would keep the memory of large ones between them.
                self._losses = losses.new_empty(len(losses), self.weight.shape[-1])
            self._losses[:, self._start : stop] = losses
            self._running.add(Z, target, self.weight[..., self._start : stop])
        self._outputs, self._targets, self._n_bytes, self._start = [], [], 0, stop

    @property
    def losses(self) -> Tensor:
        """Loss of every row, of shape (n_members, n_columns)."""
        return self._losses

    @property
    def mean_loss(self) -> Tensor:
        """Mean losses, of shape (n_members,)."""
        return weighted_sum(self.losses, self.weight)

    @property
    def score(self) -> Tensor:
        """Scores, of shape (n_members,)."""
        return self._running.value if self._whole is None else self.loss.score(*self._whole, self.weight)
