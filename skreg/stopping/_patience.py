"""Patience: how long training waits for an improvement."""

import math

# With few rows an epoch is one or two steps: patience is counted in epochs, and lasts at least this many steps.
MIN_PATIENCE_STEPS = 100
# Ten epochs without improvement mean much after ten epochs, and little after a hundred: patience with validation lasts
# at least this share of the epochs before. Measured by benchmarks/bench_stopping.py.
WAITING_SHARE = 0.5


class Patience:
    """Counter of the epochs since a monitored value last improved.

    Parameters
    ----------
    tol : float
        How much lower than the best a value must be to count as an improvement.
    n_iter_no_change : int or inf
        More epochs than this without an improvement exhaust the patience, as in scikit-learn's MLP.
    waiting_share : float, default=0.0
        The wait also lasts at least this share of the epochs up to the last improvement.

    Attributes
    ----------
    best : float
        Lowest value so far.
    n_epochs : int
        Epochs so far.
    n_waiting : int
        Epochs since the last improvement.
    """

    def __init__(self, tol: float, n_iter_no_change: float, waiting_share: float = 0.0):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.waiting_share = waiting_share
        self.best = math.inf
        self.n_epochs = self.n_waiting = 0

    def update(self, value: float) -> bool:
        """Record the next epoch's value; return whether it is the lowest so far, by however little."""
        self.n_epochs += 1
        self.n_waiting = self.n_waiting + 1 if value > self.best - self.tol else 0
        lowest = value < self.best
        self.best = min(self.best, value)
        return lowest

    @property
    def exhausted(self) -> bool:
        """Whether the wait has been too long."""
        before = self.n_epochs - self.n_waiting
        return self.n_waiting > max(self.n_iter_no_change, self.waiting_share * before)

    def reset(self) -> None:
        """Begin a new wait, keeping the best value."""
        self.n_waiting = 0


def with_at_least(n_steps: int, n_epochs: float, steps_per_epoch: int) -> float:
    """Return a number of epochs, raised to as many as have ``n_steps`` steps."""
    return max(n_epochs, -(-n_steps // steps_per_epoch))


def patience_in_epochs(n_iter_no_change: float, steps_per_epoch: int) -> float:
    """Return the number of epochs that is at least ``n_iter_no_change`` and lasts at least 100 steps."""
    return with_at_least(MIN_PATIENCE_STEPS, n_iter_no_change, steps_per_epoch)
