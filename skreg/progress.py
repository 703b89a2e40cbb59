"""How the training of one network is judged, epoch by epoch: divergence, patience, the best epoch, and the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skreg.stopping import WAITING_SHARE, Patience

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
    schedule : str or None
        Of the learning rate; see :class:`~skreg.training.LearningRate`. None if the solver has none, and a rule of its
        own for when it has converged.
    max_epochs : int
        The user's largest number of epochs.
    stops_early : bool
        Whether validation decides when training ends, and the best epoch is kept.
    tol, patience : float
        See :class:`~skreg.stopping.Patience`.
    is_scored : bool, default=False
        Whether the validation score is monitored instead of the loss.

    Attributes
    ----------
    epoch, best_epoch : int
        The present epoch, and the one whose weights are kept; counted from 1.
    last_epoch : int
        The epoch that training ends with at the latest.
    lr : float
        The learning rate, which an adaptive schedule lowers.
    first_loss : float or None
        Loss at the start: of the first batch, or of a constant prediction if that is larger.
    history : list of dict
        What :meth:`end_epoch` was given of every epoch.
    stopping_reason : str
        Why training has ended; empty as long as it goes on.
    converged : bool
        False if training has ended only because of its last epoch while a stopping rule was waiting.
    """

    def __init__(
        self,
        *,
        learning_rate_init: float,
        schedule: str | None,
        max_epochs: int,
        stops_early: bool,
        tol: float,
        patience: float,
        is_scored: bool = False,
    ):
        self.learning_rate_init = self.lr = learning_rate_init
        self.schedule = schedule
        self.max_epochs = self.last_epoch = max_epochs
        self.stops_early = stops_early
        self.is_scored = is_scored
        self.tol = tol
        # An adaptive rate has a wait of its own for every rate.
        is_longer = stops_early and schedule != "adaptive"
        self.patience = Patience(tol, patience, WAITING_SHARE if is_longer else 0.0)
        self.epoch = self.best_epoch = 0
        self.first_loss: float | None = None
        self.history: list[dict[str, float]] = []
        self.stopping_reason = ""
        self.converged = False

    def end_epoch(self, measured: dict[str, float], *, is_finite: bool, bounded_loss: float | None = None) -> bool:
        """Record and judge an epoch, and find out whether it was the last.

        Parameters
        ----------
        measured : dict of str to float
            'train_loss', 'penalty', 'train_score', 'lr', and after validation 'valid_loss' and 'valid_score'.
        is_finite : bool
            Whether all weights are.
        bounded_loss : float or None, default=None
            See :meth:`judge`.

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
        for rows, name in (("training", "train_loss"), ("validation", "valid_loss")):
            if name in measured:
                self.check_divergence(rows, measured[name], measured["penalty"], is_finite=is_finite)
        is_best = self.judge(measured, bounded_loss)
        self.end_if_due()
        return is_best

    def check_divergence(self, rows: str, loss: float, penalty: float, *, is_finite: bool) -> None:
        """Raise if a loss, the penalty or a weight is out of bounds."""
        limit = DIVERGENCE_FACTOR * max(1.0, self.first_loss)
        if not (is_finite and math.isfinite(penalty) and math.isfinite(loss) and loss <= limit):
            raise ValueError(
                f"Training diverged in epoch {self.epoch}: the loss on the {rows} rows is {loss:.3g}, the penalty "
                f"{penalty:.3g} (first loss {self.first_loss:.3g}). The likely cause is a learning rate that is too "
                f"large (learning_rate_init={self.learning_rate_init!r}), or columns of X or targets with very large "
                "values: scale them, for instance with make_pipeline(StandardScaler(), ...)."
            )

    def judge(self, measured: dict[str, float], bounded_loss: float | None = None) -> bool:
        """Compare an epoch with those before; return whether its weights are the best so far.

        ``bounded_loss``, where there is one, is compared instead of the validation loss: see
        :func:`~skreg.stopping.bounded_mean`.
        """
        if not self.stops_early:
            value = measured["train_loss"] + measured["penalty"]
        elif self.is_scored:
            value = -measured["valid_score"]
        else:
            value = measured["valid_loss"] if bounded_loss is None else bounded_loss
        is_best = self.patience.update(value)
        if is_best or not self.stops_early:
            self.best_epoch = self.epoch
        return is_best

    def end_if_due(self, stopper: str | None = None) -> None:
        """Set the reason why training ends after this epoch, if it does; ``stopper`` names a callback that asks for it.

        Where training goes on on a plateau because its rate is adaptive, that is lowered.
        """
        if stopper is not None:
            self.stopping_reason = f"The callback {stopper} asked to stop."
        elif self.patience.exhausted and not self._ignores_plateau:
            if self.schedule == "adaptive" and self.lr > SMALLEST_ADAPTIVE_RATE:
                self.lr /= ADAPTIVE_DIVISOR
                self.patience.reset()
            else:
                self.stopping_reason = (
                    f"{self._monitored} did not improve by more than tol={self.tol!r} in {self.patience.n_waiting} "
                    "epochs."
                )
        if not self.stopping_reason and self.epoch >= self.last_epoch:
            self.stopping_reason = f"All max_iter={self.max_epochs!r} epochs are done."
        is_waiting = math.isfinite(self.patience.n_iter_no_change) and not self._ignores_plateau
        self.converged = stopper is not None or self.patience.exhausted or not is_waiting

    @property
    def _ignores_plateau(self) -> bool:
        """Whether training without early stopping always goes on to the last epoch.

        A plateau at a high rate says nothing about the end of the annealing, so a cosine runs to its end.
        """
        return not self.stops_early and self.schedule in ("cosine", None)

    @property
    def _monitored(self) -> str:
        if not self.stops_early:
            return "The training objective"
        return "The validation score" if self.is_scored else "The validation loss"

    def record(self) -> Record:
        """Return what the epochs have left."""
        is_validated = "valid_loss" in self.history[0]
        return Record(self.history, self.best_epoch, self.stops_early, is_validated, self.stopping_reason)
