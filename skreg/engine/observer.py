"""Observers: code that a trainer calls in every epoch, or in every batch."""

from torch import Tensor


class Observer:
    """Base class of the observers of the training of a single network; its methods do nothing.

    Attributes
    ----------
    watches_batches : bool
        Whether the methods for batches and gradients are called.
    """

    watches_batches: bool = False

    def check_no_batches(self) -> None:
        """Raise ValueError if the observer watches batches, which L-BFGS does not have."""

    def on_epoch_begin(self, trainer) -> None:
        """Handle the begin of an epoch."""

    def on_batch_begin(self, trainer, batch) -> None:
        """Handle the begin of a step."""

    def on_gradients(self, trainer, batch) -> None:
        """Handle the gradients of a step, which lie in the module and may be changed."""

    def take_step(self, trainer) -> None:
        """Let the solver take a step."""
        trainer.solver.step(trainer.lr)

    def on_batch_end(self, trainer, batch, Z: Tensor) -> None:
        """Handle the end of a step, with the outputs before it."""

    def on_epoch_end(self, trainer) -> str | None:
        """Handle the end of an epoch; return the name of a callback that asks to stop, or None."""

    def on_train_end(self, trainer) -> None:
        """Handle the end of training; the module has the best weights, which may be changed."""

    def set_lr(self, trainer, lr: float) -> None:
        """Set the learning rate of the next step."""
        trainer.lr = lr
