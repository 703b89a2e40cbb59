"""A skorch net around a trainer: skorch's callbacks and history, with the loop of :mod:`skreg.engine`.

skorch's own loop collates row by row and notifies every callback of every batch. :class:`RegularizedNet` keeps
skorch's interface to callbacks (history, epochs, optimizer, parameters), but notifies them of batches only if one of
them has a method for batches.
"""

import torch
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, EpochTimer, PrintLog
from torch import Tensor

from skreg.adapters.callbacks import TaskCallback, watches_batches
from skreg.engine.observer import Observer
from skreg.engine.spec import FitResult
from skreg.engine.trainer import Trainer
from skreg.solvers import FlatOptimizer


def as_torch_optimizer(optimizer: FlatOptimizer, lr: float) -> torch.optim.Optimizer:
    """Return a real ``torch.optim.Optimizer`` around a flat one, for callbacks such as learning-rate schedulers.

    Its ``param_groups[0]["lr"]`` is the learning rate; its state is that of the flat buffers.
    """

    class TorchOptimizer(torch.optim.Optimizer):
        def __init__(self):
            super().__init__(optimizer.module.parameters(), {"lr": lr})

        def step(self, closure=None):
            optimizer.step(self.param_groups[0]["lr"])

        def state_dict(self):
            return {
                "n_steps": optimizer.n_steps,
                "buffers": [buffer.clone() for buffer in optimizer.buffers()],
                "lr": self.param_groups[0]["lr"],
            }

        def load_state_dict(self, state_dict):
            optimizer.n_steps = state_dict["n_steps"]
            for buffer, saved in zip(optimizer.buffers(), state_dict["buffers"], strict=True):
                buffer.copy_(saved)
            self.param_groups[0]["lr"] = state_dict["lr"]

    return TorchOptimizer()


class RegularizedNet(NeuralNet):
    """A skorch net around a :class:`~skreg.engine.trainer.Trainer`.

    Parameters
    ----------
    trainer : Trainer
        Of one network.
    **kwargs : dict
        Passed to :class:`skorch.NeuralNet`: ``callbacks``, ``verbose``, …
    """

    _optimizers = ("optimizer",)

    def __init__(self, trainer: Trainer, **kwargs):
        spec = trainer.spec
        super().__init__(
            trainer.module,
            spec.loss,
            lr=spec.schedule.initial,
            train_split=None,
            max_epochs=spec.stopping.max_epochs,
            batch_size=spec.batch_size,
            device=str(spec.network.device),
            **kwargs,
        )
        self.trainer = trainer
        trainer.observer = SkorchObserver(self)

    def initialize_criterion(self):
        """Set the loss, an object, as the criterion."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly=None):
        """Build no optimizer: a real one is built when a callback asks for ``optimizer_``."""
        self.torch_optimizer_ = None
        return self

    @property
    def optimizer_(self):
        """A real ``torch.optim.Optimizer`` for callbacks; from its construction on, its learning rate rules."""
        if self.torch_optimizer_ is None:
            if not self.trainer.takes_steps:
                raise ValueError("solver='lbfgs' has no learning rate for callbacks. Use solver='adam' or 'sgd'.")
            # Past skorch's __setattr__, which admits optimizers only while it initializes.
            vars(self)["torch_optimizer_"] = as_torch_optimizer(self.trainer.solver, self.trainer.lr)
        return self.torch_optimizer_

    @property
    def lr_(self) -> float:
        """The learning rate of the next step."""
        if self.torch_optimizer_ is None:
            return self.trainer.lr
        return self.torch_optimizer_.param_groups[0]["lr"]

    @lr_.setter
    def lr_(self, value: float) -> None:
        self.trainer.lr = value
        if self.torch_optimizer_ is not None:
            self.torch_optimizer_.param_groups[0]["lr"] = value

    @property
    def monitor_(self):
        """The monitor of the training: its epochs, and why it has ended."""
        return self.trainer.monitor

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer()), ("print_log", PrintLog())] if self.verbose else []

    def infer(self, x, **fit_params):
        """Return the outputs of the first member, of shape (n_rows, n_outputs)."""
        return self.module_(x, **fit_params)[0]

    def train(self) -> FitResult:
        """Train; return the result. Errors, Ctrl-C included, are raised."""
        self.initialize()
        rows = self.trainer.members[0].rows
        self.notify("on_train_begin", X=rows, y=None)
        self.fit_loop(rows)
        return self.result_

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run the trainer."""
        (self.result_,) = self.trainer.train()
        if self.result_.error is not None:
            raise self.result_.error
        return self


class SkorchObserver(Observer):
    """Observer that records the history of a skorch net and notifies its callbacks.

    Parameters
    ----------
    net : RegularizedNet
        The net.
    """

    def __init__(self, net: RegularizedNet):
        self.net = net

    @property
    def _row(self) -> dict:
        """The row of the present epoch: indexing the history itself would copy the list of all rows."""
        return list.__getitem__(self.net.history, -1)

    def _batch_callbacks(self) -> list[str]:
        """Return the names of the callbacks that have a method for batches."""
        return [name for name, callback in self.net.callbacks_ if watches_batches(type(callback))]

    def check_no_batches(self):
        """Raise ValueError if a callback has a method for batches."""
        if names := self._batch_callbacks():
            raise ValueError(
                f"solver='lbfgs' has no batches, for callbacks of batches; got {names}. Use solver='adam' or 'sgd'."
            )

    def _notify(self, method: str, **arguments) -> None:
        self.net.notify(method, **arguments)
        self.net.trainer.lr = self.net.lr_  # which callbacks may have changed

    def on_epoch_begin(self, trainer):
        """Begin a row of the history."""
        self.watches_batches = bool(self._batch_callbacks())
        self._notify("on_epoch_begin", **self._datasets(trainer))
        self._row["epoch"] = trainer.monitor.epoch  # skorch counts from the beginning of this call

    @staticmethod
    def _datasets(trainer) -> dict:
        member = trainer.members[0]
        return {"dataset_train": member.rows, "dataset_valid": member.valid_rows}

    def on_batch_begin(self, trainer, batch):
        """Notify the callbacks."""
        self._notify("on_batch_begin", batch=(batch.X[0], batch.target[0]), training=True)

    def on_gradients(self, trainer, batch):
        """Notify the callbacks of gradients, which they may change."""
        parameters = list(trainer.module.named_parameters())
        batch = (batch.X[0], batch.target[0])
        self._notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)

    def take_step(self, trainer):
        """Take a step: with the real optimizer if there is one, as schedulers expect."""
        if self.net.torch_optimizer_ is None:
            trainer.solver.step(trainer.lr)
            return
        self.net.lr_ = trainer.lr
        self.net.torch_optimizer_.step()

    def on_batch_end(self, trainer, batch, Z: Tensor):
        """Record the loss of a batch."""
        loss = trainer.spec.loss.per_row(Z, batch.target).mean()
        self.net.history.record_batch("train_loss", float(loss))
        self.net.history.record_batch("train_batch_size", batch.target.shape[1])
        batch = (batch.X[0], batch.target[0])
        self._notify("on_batch_end", batch=batch, training=True, loss=loss, y_pred=Z[0])

    def on_epoch_end(self, trainer):
        """Fill the row of the history, notify the callbacks, and return the name of one that asks to stop.

        skorch's EarlyStopping asks by raising KeyboardInterrupt. From any other place it is the user's Ctrl-C,
        and is raised.
        """
        row, measured = self._row, trainer.monitor.history[-1]
        for name in ("train_loss", "valid_loss"):
            if name in measured:  # for skorch's Checkpoint
                row[f"{name}_best"] = trainer.monitor.is_lowest[name]
        row.update(measured)
        if not self.watches_batches:
            # skorch's Checkpoint looks up the last batch of every epoch: record one in place of all.
            row["batches"].append({"train_loss": row["train_loss"]})
        row["train_batch_count"] = trainer.n_batches
        stopping_callback, datasets = None, self._datasets(trainer)
        self.net.on_epoch_end(self.net, **datasets)
        for name, callback in self.net.callbacks_:
            try:
                callback.on_epoch_end(self.net, **datasets)
            except KeyboardInterrupt:
                if not isinstance(callback, EarlyStopping):
                    raise
                stopping_callback = name
            if isinstance(callback, TaskCallback) and callback.asks_to_stop_:
                stopping_callback = name
        trainer.lr = self.net.lr_
        return stopping_callback

    def on_train_end(self, trainer):
        """Notify the callbacks, which may restore the weights of another epoch."""
        self._notify("on_train_end", X=trainer.members[0].rows, y=None)

    def set_lr(self, trainer, lr):
        """Set the learning rate of the next step."""
        self.net.lr_ = lr
