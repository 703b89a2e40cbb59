"""Who is told of a training."""

from torch import Tensor


class Observer:
    """Is told of what happens in the training of a network by itself; this one does not listen.

    Attributes
    ----------
    watches_batches : bool
        Whether batches are of interest, too.
    """

    watches_batches: bool = False

    def check_without_batches(self) -> None:
        """Raise ValueError if batches are of interest, which a solver with iterations of its own has not."""

    def epoch_begins(self, trainer) -> None:
        """Hear that an epoch begins."""

    def batch_begins(self, trainer, batch) -> None:
        """Hear that a batch is to be used."""

    def gradients_are_computed(self, trainer, batch) -> None:
        """Hear that gradients lie in the module; they may be changed."""

    def take_step(self, trainer) -> None:
        """Let the solver take a step."""
        trainer.solver.step(trainer.lr)

    def batch_ends(self, trainer, batch, Z: Tensor) -> None:
        """Hear that a batch has been used, with the outputs before its step."""

    def epoch_ends(self, trainer) -> str | None:
        """Hear that an epoch has ended; return a name if training is to end after it."""

    def training_ends(self, trainer) -> None:
        """Hear that training has ended; the module has the best weights, which may be changed."""

    def set_lr(self, trainer, lr: float) -> None:
        """Set the learning rate of the next step."""
        trainer.lr = lr
