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
    """

    def __init__(self, loss: Loss, weight: Tensor):
        self.loss, self.weight = loss, weight
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._n_bytes = self._start = 0
        self._losses: Tensor | None = None
        self._running = loss.running_score()
        self._whole: tuple[Tensor, Tensor] | None = None

    def add(self, Z: Tensor, target: Tensor) -> None:
        """Add a batch."""
        self._outputs.append(Z)
        self._targets.append(target)
        self._n_bytes += 2 * Z.numel() * Z.element_size()
        if self._running is not None and self._n_bytes > self._most_bytes(Z):
            self._measure(join_rows(self._targets))

    def _most_bytes(self, Z: Tensor) -> int:
        """Return the size up to which outputs and targets are kept."""
        n_bytes = 2 * Z.element_size() * Z.numel() // Z.shape[-2] * self.weight.shape[-1]
        return n_bytes if n_bytes <= MAX_WHOLE_BYTES else MAX_PART_BYTES

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
