"""Learning rates over the steps of a training."""

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Schedule:
    """The schedule of a learning rate.

    Attributes
    ----------
    rule : {"constant", "invscaling", "adaptive", "cosine"}
        ``initial``, ``initial / (t + 1)**power_t`` with the number of rows t seen so far, division by 5 whenever
        progress stalls, or half a cosine from ``initial`` to 0 over all steps (Loshchilov and Hutter, 2017).
    initial : float
        The rate at the start.
    power_t : float
        Exponent of "invscaling".
    n_epochs : int
        Epochs of "cosine"; 0 for other rules.
    replayed : tuple of float or None
        The rate of every epoch of an earlier fit, instead of a rule that depends on its losses ("adaptive", or what
        callbacks have made of "constant").
    """

    rule: str
    initial: float
    power_t: float = 0.5
    n_epochs: int = 0
    replayed: tuple[float, ...] | None = None

    member_parameters: ClassVar[tuple[str, ...]] = ("initial",)

    @property
    def depends_on_rows(self) -> bool:
        """Whether the rate goes by the number of rows that have been seen."""
        return self.rule == "invscaling"

    @property
    def is_constant(self) -> bool:
        """Whether steps leave the rate as it is; at the end of an epoch it may be lowered."""
        return self.replayed is None and self.rule in ("adaptive", "constant")

    def rate(self, initial: float, *, step: int, n_batches: int, epoch: int, n_rows_seen: int) -> float | None:
        """Return the rate of a step, counted from 0, of an epoch, counted from 1; None leaves it as it is."""
        if self.replayed is not None and self.rule in ("adaptive", "constant"):
            return self.replayed[epoch - 1]
        if self.rule == "cosine":
            # One call of fit never comes to the end; calls of partial_fit do, and begin anew.
            n_steps = self.n_epochs * n_batches
            return initial * 0.5 * (1 + math.cos(math.pi * (step % n_steps) / n_steps))
        if self.rule == "invscaling":
            try:
                return initial / float(n_rows_seen + 1) ** float(self.power_t)
            except OverflowError:  # of a divisor beyond all floats
                return 0.0
        return None
