"""Monitor of the training of one network: divergence, patience, the best epoch, and the end of training."""

import math
from collections.abc import Sequence

from skreg.engine.spec import StoppingRule
from skreg.stopping import WAITING_SHARE, Patience, patience_in_epochs

# A fit is abandoned when its loss exceeds this many times max(1, first loss).
DIVERGENCE_FACTOR = 1e6
# An adaptive learning rate is divided by this when progress stalls, and training ends at the smallest rate.
ADAPTIVE_DIVISOR = 5.0
SMALLEST_ADAPTIVE_RATE = 1e-6


class TrainingMonitor:
    """Monitor of the epochs of one network.

    Parameters
    ----------
    rule : StoppingRule
        Rule of when training ends.
    initial_lr : float
        Learning rate at the start.
    schedule : str or None
        Rule of the learning rate; None if the solver has no learning rate, but a stopping rule of its own.
    n_batches : int
        Steps in an epoch.
    batch_transforms : sequence of BatchTransform, default=()
        Transforms of the batches, named in the error of a fit that diverges.

    Attributes
    ----------
    epoch, best_epoch : int
        The present epoch, and the one of the best weights; counted from 1.
    last_epoch : int
        The epoch that training ends with at the latest.
    lr : float
        The learning rate, which an adaptive schedule lowers.
    first_loss : float or None
        Loss at the start: of the first batch, or of a constant prediction if that is larger.
    constant_loss : float
        Loss of constant outputs; infinite until :attr:`first_loss` is known, and after a start from a checkpoint.
    lowest, is_lowest : dict
        The lowest training and validation losses so far, and whether those of the last epoch are.
    monitored : float
        The value of the last epoch that early stopping, or the plateau rule, has compared with the best one.
    history : list of dict
        The values that :meth:`update` was given in every epoch.
    stopping_reason : str
        Why training has ended; empty until then.
    converged : bool
        False if training has ended only because of its last epoch while a stopping rule was waiting.
    """

    def __init__(
        self,
        rule: StoppingRule,
        initial_lr: float,
        schedule: str | None,
        n_batches: int,
        batch_transforms: Sequence = (),
    ):
        self.rule = rule
        self.batch_transforms = batch_transforms
        self.initial_lr = self.lr = initial_lr
        self.schedule = schedule
        self.last_epoch = rule.max_epochs if rule.n_epochs is None else rule.n_epochs
        patience = rule.n_iter_no_change
        if rule.is_early:
            patience = patience_in_epochs(patience, n_batches)
        # An adaptive schedule waits anew at every learning rate.
        waits_longer = rule.is_early and schedule != "adaptive"
        self.patience = Patience(rule.tol, patience, WAITING_SHARE if waits_longer else 0.0)
        self.epoch = self.best_epoch = 0
        self.first_loss: float | None = None
        self.constant_loss = math.inf
        self.lowest = {"train_loss": math.inf, "valid_loss": math.inf}
        self.is_lowest: dict[str, bool] = {}
        self.monitored = math.inf
        self.history: list[dict[str, float]] = []
        self.stopping_reason = ""
        self.converged = False

    def update(self, measured: dict[str, float], *, is_finite: bool, bounded_loss: float | None = None) -> bool:
        """Record the present epoch and update the patience.

        Parameters
        ----------
        measured : dict of str to float
            'train_loss', 'penalty', 'train_score', 'lr', and after validation 'valid_loss' and 'valid_score'.
        is_finite : bool
            Whether all weights are.
        bounded_loss : float or None, default=None
            Monitored instead of the validation loss, if given: see :func:`~skreg.stopping.bounded_mean`.

        Returns
        -------
        bool
            Whether the weights are the best so far.

        Raises
        ------
        ValueError
            If training has diverged.
        """
        self.history.append({"epoch": self.epoch, **measured})
        for rows, name in (("training", "train_loss"), ("validation", "valid_loss")):
            if name in measured:
                self.check_divergence(rows, measured[name], measured["penalty"], is_finite=is_finite)
                self.is_lowest[name] = measured[name] < self.lowest[name]
                self.lowest[name] = min(measured[name], self.lowest[name])
        if not self.rule.is_early:
            value = measured["train_loss"] + measured["penalty"]
        elif self.rule.is_scored:
            value = -measured["valid_score"]
        else:
            value = measured["valid_loss"] if bounded_loss is None else bounded_loss
        self.monitored = value
        is_best = self.patience.update(value)
        if is_best or not self.rule.is_early:
            self.best_epoch = self.epoch
        return is_best

    def check_divergence(self, rows: str, loss: float, penalty: float, *, is_finite: bool) -> None:
        """Raise ValueError if a loss, the penalty or a weight is out of bounds."""
        limit = DIVERGENCE_FACTOR * max(1.0, self.first_loss)
        if not (is_finite and math.isfinite(penalty) and math.isfinite(loss) and loss <= limit):
            others = [f" Or it is what augmentation={rule!r} makes of the rows." for rule in self.batch_transforms]
            raise ValueError(
                f"Training diverged in epoch {self.epoch}: the loss on the {rows} rows is {loss:.3g}, the penalty "
                f"{penalty:.3g} (first loss {self.first_loss:.3g}). The likely cause is a learning rate that is too "
                f"large (learning_rate_init={self.initial_lr!r}), or columns of X or targets with very large "
                "values: scale them, for instance with make_pipeline(StandardScaler(), ...)." + "".join(others)
            )

    def check_stopping(self, callback: str | None = None) -> None:
        """Set the reason why training ends after this epoch, if it does; ``callback`` names one that asks for it.

        On a plateau, an adaptive schedule lowers the learning rate instead, down to a smallest one.
        """
        if callback is not None:
            self.stopping_reason = f"The callback {callback} asked to stop."
        elif self.patience.exhausted and not self._ignores_plateau:
            if self.schedule == "adaptive" and self.lr > SMALLEST_ADAPTIVE_RATE:
                self.lr /= ADAPTIVE_DIVISOR
                self.patience.reset()
            else:
                self.stopping_reason = (
                    f"{self._monitored} did not improve by more than tol={self.rule.tol!r} in "
                    f"{self.patience.n_waiting} epochs."
                )
        if not self.stopping_reason and self.epoch >= self.last_epoch:
            self.stopping_reason = f"All {self.rule.max_epochs!r} epochs are done."
        is_waiting = math.isfinite(self.patience.n_iter_no_change) and not self._ignores_plateau
        self.converged = callback is not None or self.patience.exhausted or not is_waiting

    @property
    def _ignores_plateau(self) -> bool:
        """Whether training always runs to the last epoch, without early stopping.

        A plateau at a high rate says nothing about the end of the annealing, so a cosine runs to its end.
        """
        return not self.rule.is_early and self.schedule in ("cosine", None)

    @property
    def _monitored(self) -> str:
        if not self.rule.is_early:
            return "The training objective"
        return "The validation score" if self.rule.is_scored else "The validation loss"
