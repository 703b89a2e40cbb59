"""How the training of one network is judged, epoch by epoch: divergence, patience, the best epoch, and the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skreg.stopping import Patience

# A fit is abandoned when its loss exceeds this many times max(1, first loss).
DIVERGENCE_FACTOR = 1e6
# An adaptive learning rate is divided by this when progress stalls, and training ends at the smallest rate.
ADAPTIVE_DIVISOR = 5.0
SMALLEST_ADAPTIVE_RATE = 1e-6


@dataclass
class Record:
    """What the epochs of a training have left.

    Attributes
    ----------
    epochs : sequence of dict
        What was recorded of every epoch.
    best_epoch : int
        The epoch whose weights are kept, counted from 1.
    stops_early : bool
        Whether validation has decided which.
    is_validated : bool
        Whether there was validation.
    stopping_reason : str
        Why training has ended.
    """

    epochs: Sequence[dict[str, float]]
    best_epoch: int
    stops_early: bool
    is_validated: bool
    stopping_reason: str


class Progress:
    """Judges the epochs of one network.

    Parameters
    ----------
    learning_rate_init : float
        Learning rate at the start.
    schedule : str
        Of the learning rate; see :class:`~skreg.training.LearningRate`.
    max_epochs : int
        Number of the last epoch.
    stops_early : bool
        Whether validation decides when training ends, and the best epoch is kept.
    tol, patience : float
        See :class:`~skreg.stopping.Patience`.

    Attributes
    ----------
    epoch, best_epoch : int
        The epochs so far, and the one whose weights are kept; counted from 1.
    lr : float
        The learning rate, which an adaptive schedule lowers.
    history : list of dict
        What has been recorded of every epoch.
    stopping_reason : str
        Why training has ended; empty as long as it goes on.
    converged : bool
        False if training has ended only because of ``max_epochs`` while a stopping rule was waiting.
    """

    def __init__(
        self,
        *,
        learning_rate_init: float,
        schedule: str,
        max_epochs: int,
        stops_early: bool,
        tol: float,
        patience: float,
    ):
        self.learning_rate_init = self.lr = learning_rate_init
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.stops_early = stops_early
        self.tol = tol
        self.patience = Patience(tol, patience)
        self.epoch = self.best_epoch = 0
        self.first_loss = None
        self.history: list[dict[str, float]] = []
        self.stopping_reason = ""
        self.converged = False

    def end_epoch(self, measured: dict[str, float], *, is_finite: bool) -> bool:
        """Record and judge an epoch.

        Parameters
        ----------
        measured : dict of str to float
            'train_loss', 'penalty', 'train_score', 'lr', and after validation 'valid_loss' and 'valid_score'.
        is_finite : bool
            Whether all weights are.

        Returns
        -------
        bool
            Whether the weights are the best so far.

        Raises
        ------
        ValueError
            If training has diverged.
        """
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **measured})
        self.check_divergence("training", measured["train_loss"], is_finite=is_finite)
        if "valid_loss" in measured:
            self.check_divergence("validation", measured["valid_loss"])
        monitored = measured["valid_loss"] if self.stops_early else measured["train_loss"] + measured["penalty"]
        is_best = self.patience.update(monitored)
        if is_best or not self.stops_early:
            self.best_epoch = self.epoch
        self.stopping_reason = self._reason_to_stop()
        ignores_plateau = not self.stops_early and self.schedule == "cosine"
        is_waiting = math.isfinite(self.patience.n_iter_no_change) and not ignores_plateau
        self.converged = self.patience.exhausted or not is_waiting
        return is_best

    def check_divergence(self, rows: str, loss: float, *, is_finite: bool = True) -> None:
        """Raise if a loss, a weight or the penalty of the last epoch is out of bounds."""
        penalty = self.history[-1]["penalty"]
        limit = DIVERGENCE_FACTOR * max(1.0, self.first_loss)
        if not (is_finite and math.isfinite(penalty) and math.isfinite(loss) and loss <= limit):
            raise ValueError(
                f"Training diverged in epoch {self.epoch}: the loss on the {rows} rows is {loss:.3g}, the penalty "
                f"{penalty:.3g} (first loss {self.first_loss:.3g}). The likely cause is a learning rate that is too "
                f"large (learning_rate_init={self.learning_rate_init!r}), or columns of X or targets with very large "
                "values: scale them, for instance with make_pipeline(StandardScaler(), ...)."
            )

    def _reason_to_stop(self) -> str:
        """Return why training ends after this epoch, or an empty string if it goes on."""
        # A plateau at a high rate says nothing about the end of the annealing, so a cosine runs to its end.
        if self.patience.exhausted and (self.stops_early or self.schedule != "cosine"):
            if self.schedule == "adaptive" and self.lr > SMALLEST_ADAPTIVE_RATE:
                self.lr /= ADAPTIVE_DIVISOR
                self.patience.reset()
            else:
                monitored = "The validation loss" if self.stops_early else "The training objective"
                return f"{monitored} did not improve by more than tol={self.tol!r} in {self.patience.n_waiting} epochs."
        return f"All max_iter={self.max_epochs!r} epochs are done." if self.epoch >= self.max_epochs else ""

    def record(self) -> Record:
        """Return what the epochs have left."""
        is_validated = "valid_loss" in self.history[0]
        return Record(self.history, self.best_epoch, self.stops_early, is_validated, self.stopping_reason)
