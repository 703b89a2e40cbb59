"""The training loop: a skorch net with a lean epoch.

skorch's own loop collates row by row and notifies every callback of every batch. :class:`RegularizedNet` keeps
skorch's interface towards callbacks (history, epochs, optimizer, parameters) and replaces what runs inside an
epoch: batches are slices of one block of rows, gradients are in closed form, and nobody is notified of a batch
who does not ask for it.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import gen_batches, gen_even_slices
from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    InputShapeSetter,
    PrintLog,
    Unfreezer,
)
from torch import Tensor

from skreg.layers import MLP, LayerRecord
from skreg.losses import Loss
from skreg.optim import FlatOptimizer, as_torch_optimizer
from skreg.stopping import Patience, patience_in_epochs

# Rows are gathered (and sparse rows made dense) in blocks of about this many bytes.
BLOCK_BYTES = 4 * 2**20
# Below this many floating-point operations a step, a second thread costs more than it gains.
FLOPS_FOR_THREADS = 2e9
# The fit is abandoned when its objective exceeds this many times max(1, first loss).
DIVERGENCE_FACTOR = 1e6
# An adaptive learning rate is divided by this when progress stalls, and training ends at the smallest rate.
ADAPTIVE_DIVISOR = 5.0
SMALLEST_ADAPTIVE_RATE = 1e-6
# skorch callbacks that act on parts which a RegularizedNet does not have; ignoring them would be silent.
UNSUPPORTED_CALLBACKS = {
    Freezer: "all parameters are updated together; use warm_start",
    Unfreezer: "all parameters are updated together; use warm_start",
    InputShapeSetter: "the network takes its shape from the data",
    EpochScoring: "use early_stopping=True and scoring",
    BatchScoring: "use early_stopping=True and scoring",
}


class _ThreadLimit:
    """Counts the fits that run at the same time in Python threads, and knows the number of torch threads before."""

    lock = threading.Lock()
    n_running = 0
    before = 1


@contextlib.contextmanager
def limited_threads(flops_per_step: float) -> Iterator[None]:
    """Run torch on one thread where the work of a step is small; restore the number of threads afterwards.

    Each Python thread has its own number, and a new one starts with what was set last anywhere. So all concurrent
    fits restore the number that the first of them has found.
    """
    if flops_per_step >= FLOPS_FOR_THREADS:
        yield
        return
    with _ThreadLimit.lock:
        if _ThreadLimit.n_running == 0:
            _ThreadLimit.before = torch.get_num_threads()
        _ThreadLimit.n_running += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _ThreadLimit.lock:
            _ThreadLimit.n_running -= 1
            torch.set_num_threads(_ThreadLimit.before)


class Batch(NamedTuple):
    """Rows of one step, and where they stand in the epoch."""

    X: Tensor
    target: Tensor
    weight: Tensor | None
    span: slice


class Rows(torch.utils.data.Dataset):
    """Inputs, targets and weights of a data set.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Inputs; may be read-only. Rows are gathered and made dense block by block.
    target : Tensor of shape (n_rows, n_outputs)
        Targets as the loss wants them.
    weight : Tensor of shape (n_rows,) or None
        Positive weights that sum to 1; None is uniform.
    """

    def __init__(self, X, target: Tensor, weight: Tensor | None):
        self.target = target
        self.weight = weight
        on_device = target.device.type != "cpu" and not scipy.sparse.issparse(X)
        self.X = torch.as_tensor(np.array(X), device=target.device) if on_device else X

    def __len__(self):
        return len(self.target)

    def inputs(self, indices: np.ndarray) -> Tensor:
        """Return some rows of X as a dense tensor on the device of the targets."""
        if isinstance(self.X, Tensor):
            return self.X[torch.as_tensor(indices, device=self.X.device)]
        rows = self.X[indices].toarray() if scipy.sparse.issparse(self.X) else self.X.take(indices, axis=0)
        return torch.from_numpy(rows).to(self.target.device)

    def rows_per_block(self, batch_size: int) -> int:
        """Return a multiple of ``batch_size`` rows that fills a block."""
        row_bytes = self.X.shape[1] * self.target.element_size()
        return max(1, BLOCK_BYTES // (row_bytes * batch_size)) * batch_size

    def row_weight(self) -> Tensor:
        """Return the weights, which sum to 1, uniform ones written out."""
        if self.weight is not None:
            return self.weight
        n_rows = len(self)
        return self.target.new_full((n_rows,), 1 / n_rows)


class BatchIterator:
    """Iterates over the batches of one epoch, shuffled anew for every epoch if a generator is given.

    The rows are cut into ``ceil(n_rows / batch_size)`` batches whose sizes differ by at most one; fewer where that
    would leave a batch with less than ``min_batch_size`` rows.

    After an epoch, ``target`` and ``weight`` hold the rows' targets and weights in the order of that epoch.
    """

    def __init__(self, rows: Rows, batch_size: int, generator: torch.Generator | None, min_batch_size: int = 1):
        self.rows = rows
        self.generator = generator
        self.block_size = rows.rows_per_block(batch_size)
        # Batches of nearly equal size: the few rows that would be left over for a last batch would make a step of
        # their own, as long as the others or, if every row counts the same, much shorter.
        n_batches = min(math.ceil(len(rows) / batch_size), max(1, len(rows) // min_batch_size))
        self.spans = list(gen_even_slices(len(rows), n_batches))
        self.target, self.weight = rows.target, rows.row_weight()

    def __len__(self):
        return len(self.spans)

    def __iter__(self) -> Iterator[Batch]:
        n_rows, rows = len(self.rows), self.rows
        order = np.arange(n_rows)
        if self.generator is not None:
            permutation = torch.randperm(n_rows, generator=self.generator)
            order = permutation.numpy()
            self.target = rows.target[permutation.to(rows.target.device)]
            if rows.weight is not None:
                self.weight = rows.weight[permutation.to(rows.weight.device)]
        # With uniform weights every step is the mean over its batch, and no tensor of weights is needed.
        weight = None if rows.weight is None else self.weight.unsqueeze(1)
        block = slice(0, 0)
        for span in self.spans:
            if span.stop > block.stop:
                block = slice(span.start, min(max(span.start + self.block_size, span.stop), n_rows))
                X = rows.inputs(order[block])
            inputs = X[span.start - block.start : span.stop - block.start]
            yield Batch(inputs, self.target[span], None if weight is None else weight[span], span)


def step_flops(layer_units, batch_size: int) -> float:
    """Return the floating-point operations of one training step: three matrix products a layer."""
    return 6.0 * batch_size * sum(a * b for a, b in pairwise(layer_units))


def outputs_in_blocks(module: MLP, rows: Rows) -> Tensor:
    """Return the outputs for all rows, shape (n_members, n_rows, n_outputs), computed in blocks."""
    n_rows = len(rows)
    Z = module.flat.new_empty(module.n_members, n_rows, module.layer_units[-1])
    with torch.no_grad():
        for span in gen_batches(n_rows, rows.rows_per_block(1)):
            module(rows.inputs(np.arange(span.start, span.stop)), out=Z[:, span])
    return Z


class LearningRate:
    """The schedule of the learning rate.

    Parameters
    ----------
    schedule : {"constant", "invscaling", "adaptive", "cosine"}
        Rule: ``lr``, ``lr / (t + 1)**power_t`` with the number of rows t seen so far, division by 5 whenever
        progress stalls, or half a cosine from ``lr`` to 0 over all steps (Loshchilov and Hutter, 2017).
    initial : float
        ``lr``.
    power_t : float
        Exponent of "invscaling".
    """

    def __init__(self, schedule: str, initial: float, power_t: float):
        self.schedule, self.initial, self.power_t = schedule, initial, power_t

    def at(self, step: int, total_steps: int, n_rows_seen: int) -> float | None:
        """Return the rate of a step, counted from 0; None if the schedule leaves it as it is."""
        if self.schedule == "cosine":
            return self.initial * 0.5 * (1 + math.cos(math.pi * step / total_steps))
        if self.schedule == "invscaling":
            return self.initial / (n_rows_seen + 1) ** self.power_t
        return None


class RegularizedNet(NeuralNet):
    """A skorch net around an :class:`~skreg.layers.MLP`, an optimizer with proximal steps and early stopping.

    Parameters
    ----------
    module : MLP
        The networks.
    criterion : Loss
        The loss.
    flat_optimizer : FlatOptimizer
        Updates the module's flat buffer, and knows the penalty, which is recorded after every epoch.
    learning_rate : LearningRate
        The schedule.
    generators : dict of str to torch.Generator
        "shuffle" (None for the given order) and "dropout".
    valid_rows : Rows or None
        If given, training stops early on them and the best epoch's weights are restored.
    valid_scorer : callable or None
        Returns the score to monitor, higher is better, instead of the loss on ``valid_rows``.
    tol, n_iter_no_change : float
        See :class:`~skreg.stopping.Patience`.
    **kwargs : dict
        Passed to :class:`skorch.NeuralNet`: ``max_epochs``, ``batch_size``, ``callbacks``, ``verbose``, …

    Attributes
    ----------
    stopping_reason_ : str
        Why training ended.
    converged_ : bool
        False if training ended only because ``max_epochs`` was reached while a stopping rule was waiting.
    best_epoch_ : int
        Epoch whose weights the module holds, counted from 1.
    """

    _optimizers = ("optimizer",)

    def __init__(
        self,
        module: MLP,
        criterion: Loss,
        *,
        flat_optimizer: FlatOptimizer,
        learning_rate: LearningRate,
        generators: dict[str, torch.Generator | None],
        valid_rows: Rows | None = None,
        valid_scorer: Callable[[], float] | None = None,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        **kwargs,
    ):
        super().__init__(module, criterion, lr=learning_rate.initial, train_split=None, **kwargs)
        self.flat_optimizer = flat_optimizer
        self.learning_rate = learning_rate
        self.generators = generators
        self.valid_rows = valid_rows
        self.valid_scorer = valid_scorer
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change

    # -- what skorch asks for ------------------------------------------------------------------------------

    def initialize_criterion(self):
        """Use the loss as it is."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly=None):
        """Reset the learning rate; a real optimizer is built when a callback asks for ``optimizer_``."""
        self.current_lr_ = self.learning_rate.initial
        self.torch_optimizer_ = None
        return self

    @property
    def optimizer_(self):
        """A real ``torch.optim.Optimizer`` for callbacks; from its construction on, its learning rate rules."""
        if self.torch_optimizer_ is None:
            # Past skorch's __setattr__, which admits optimizers only while it initializes.
            vars(self)["torch_optimizer_"] = as_torch_optimizer(self.flat_optimizer, self.current_lr_)
        return self.torch_optimizer_

    @property
    def lr_(self) -> float:
        """The learning rate of the next step."""
        if self.torch_optimizer_ is None:
            return self.current_lr_
        return self.torch_optimizer_.param_groups[0]["lr"]

    @lr_.setter
    def lr_(self, value: float) -> None:
        self.current_lr_ = value
        if self.torch_optimizer_ is not None:
            self.torch_optimizer_.param_groups[0]["lr"] = value

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer()), ("print_log", PrintLog())] if self.verbose else []

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the rows to train on and those to stop on, which were split before."""
        return X, self.valid_rows

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set of :class:`Rows`."""
        generator = self.generators["shuffle"] if training else None
        # The moments of one row are no basis for batch normalization.
        min_batch_size = 2 if self.module.normalization == "batch" else 1
        return BatchIterator(dataset, self.batch_size, generator, min_batch_size)

    def infer(self, x, **fit_params):
        """Return the outputs of the first member, of shape (n_rows, n_outputs)."""
        return self.module_(x, **fit_params)[0]

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train on :class:`Rows`. Unlike skorch's, it lets Ctrl-C through."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        self.fit_loop(X, y)
        self.notify("on_train_end", X=X, y=y)
        return self

    # -- the loop ------------------------------------------------------------------------------------------

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run epochs until a stopping rule or ``max_epochs`` ends them; keep the best epoch's weights."""
        train_rows, valid_rows = self.get_split_datasets(X, y)
        datasets = {"dataset_train": train_rows, "dataset_valid": valid_rows}
        train_batches = self.get_iterator(train_rows, training=True)
        self.n_batches_ = len(train_batches)
        stops_early = valid_rows is not None
        patience = Patience(
            self.tol,
            patience_in_epochs(self.n_iter_no_change, len(train_batches)) if stops_early else self.n_iter_no_change,
        )
        best, self.best_epoch_ = None, 0
        self.first_loss_ = None
        self.lowest_ = {"train_loss": math.inf, "valid_loss": math.inf}
        epochs = epochs if epochs is not None else self.max_epochs
        self.total_steps_ = epochs * self.n_batches_
        for epoch in range(1, epochs + 1):
            self.notify("on_epoch_begin", **datasets)
            self.run_single_epoch(train_batches, training=True, prefix="train", step_fn=self.train_step)
            self._record_objective()
            if stops_early:
                self._record_validation(valid_rows)
            monitored = self._monitored()
            lowest = patience.update(monitored)
            if stops_early and lowest:
                best, self.best_epoch_ = self.module_.snapshot(), epoch
            callback = self._notify_epoch_end(datasets)
            reason = self._reason_to_stop(epoch, epochs, patience, callback)
            if reason:
                break
        self.stopping_reason_ = reason
        waiting = not (patience.exhausted or callback or self._ignores_plateau())
        self.converged_ = not (waiting and math.isfinite(self.n_iter_no_change))
        if stops_early:
            self.module_.restore(best)
        else:
            self._check_last_step(train_rows)
            self.best_epoch_ = epoch
        return self

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train for one epoch and record its loss and score, both taken while the weights were changing."""
        n_rows = len(iterator.rows)
        outputs = self.module_.flat.new_empty(self.module_.n_members, n_rows, self.module_.layer_units[-1])
        watchers = self._batch_watchers()
        with torch.no_grad():
            for batch in iterator:
                if watchers:
                    self.notify("on_batch_begin", batch=(batch.X, batch.target), training=True)
                step_fn(batch, n_rows=n_rows, out=outputs[:, batch.span], watched=watchers)
                if watchers:
                    self._record_batch(batch, outputs[:, batch.span])
            loss = self.criterion_.per_row(outputs, iterator.target)
            if self.first_loss_ is None:
                first = loss[:, iterator.spans[0]]
                self.first_loss_ = float(first.mean())
            weight = iterator.weight
            self._record_value("train_loss", float((loss @ weight)[0]))
            score = self.criterion_.score(outputs, iterator.target, weight)
            self.history.record("train_score", float(score[0]))
        if not watchers:
            # skorch's Checkpoint looks up the last batch of every epoch: give it one that stands for all.
            self.history.new_batch()
            self.history.record_batch("train_loss", self.history[-1, "train_loss"])
        self.history.record("train_batch_count", len(iterator))

    def train_step(self, batch: Batch, *, n_rows: int, out: Tensor, watched: bool = False):
        """Take one optimizer step on a batch.

        Row i counts ``n_batches * weight_i``, with weights that sum to 1 over all rows. So the mean gradient of an
        epoch's steps is that of the full objective. Dividing by the batch's own sum of weights (or size) would let
        the rows of a light (or short) batch count more.
        """
        module, weight = self.module_, batch.weight
        # Normalization over the batch needs weights that sum to 1 within the batch.
        moment_weight = weight
        if weight is not None and module.normalization == "batch":
            moment_weight = weight / weight.sum()
        record: list[LayerRecord] = []
        Z = module(
            batch.X,
            record=record,
            generator=self.generators["dropout"],
            row_weight=moment_weight,
            out=out,
        )
        dZ = self.criterion_.gradient(Z, batch.target)
        if weight is None:
            dZ.mul_(self.n_batches_ / n_rows)
        else:
            dZ.mul_(weight * self.n_batches_)
        module.backward(dZ, record, moment_weight)
        if watched:
            self.notify(
                "on_grad_computed",
                named_parameters=list(module.named_parameters()),
                batch=(batch.X, batch.target),
                training=True,
            )
        steps_before = self.flat_optimizer.n_steps
        lr = self.learning_rate.at(steps_before, self.total_steps_, steps_before * self.batch_size)
        if lr is not None:
            self.lr_ = lr
        if self.torch_optimizer_ is None:
            self.flat_optimizer.step(self.current_lr_)
        else:
            self.torch_optimizer_.step()

    def _record_value(self, name: str, value: float) -> None:
        """Record a loss and whether it is the best so far, which skorch's Checkpoint asks for."""
        self.history.record(name, value)
        self.history.record(f"{name}_best", value < self.lowest_[name])
        self.lowest_[name] = min(value, self.lowest_[name])

    def _record_batch(self, batch: Batch, Z: Tensor) -> None:
        loss = self.criterion_.per_row(Z, batch.target).mean()
        self.history.record_batch("train_loss", float(loss))
        self.history.record_batch("train_batch_size", len(batch.target))
        self.notify("on_batch_end", batch=(batch.X, batch.target), training=True, loss=loss, y_pred=Z[0])

    def _record_objective(self) -> None:
        self.history.record("penalty", self.flat_optimizer.penalty_value())
        self.history.record("lr", self.lr_)
        self._check_divergence("training", self.history[-1, "train_loss"])

    def _check_divergence(self, rows: str, loss: float) -> None:
        """Raise if a loss, a weight or the penalty is out of bounds."""
        limit = DIVERGENCE_FACTOR * max(1.0, self.first_loss_)
        finite = math.isfinite(self.history[-1, "penalty"]) and torch.isfinite(self.module_.flat).all()
        if not (finite and math.isfinite(loss) and loss <= limit):
            raise ValueError(
                f"Training diverged in epoch {self.history[-1, 'epoch']}: the loss on the {rows} rows is {loss:.3g}, "
                f"the penalty {self.history[-1, 'penalty']:.3g} (first loss {self.first_loss_:.3g}). The likely cause "
                f"is a learning rate that is too large (learning_rate_init={self.learning_rate.initial!r}), or columns "
                "of X or targets with very large values: scale them, for instance with make_pipeline("
                "StandardScaler(), ...)."
            )

    def _check_last_step(self, rows: Rows) -> None:
        """Judge the weights that the last step has left, which no training loss has seen, on a block of rows."""
        span = slice(0, min(len(rows), rows.rows_per_block(1)))
        with torch.no_grad():
            Z = self.module_(rows.inputs(np.arange(span.stop)))
            loss = self.criterion_.per_row(Z, rows.target[span]).mean()
        self._check_divergence("training", float(loss))

    def _record_validation(self, rows: Rows) -> None:
        Z = outputs_in_blocks(self.module_, rows)
        weight = rows.row_weight()
        self._record_value("valid_loss", float((self.criterion_.per_row(Z, rows.target) @ weight)[0]))
        self._check_divergence("validation", self.history[-1, "valid_loss"])
        if self.valid_scorer is None:
            score = float(self.criterion_.score(Z, rows.target, weight)[0])
        else:
            score = float(self.valid_scorer())
            if not math.isfinite(score):
                raise ValueError(f"The scorer given as 'scoring' must return a finite number; got {score!r}.")
        self.history.record("valid_score", score)

    def _monitored(self) -> float:
        """Return what must fall: validation loss, minus the validation score, or the training objective."""
        if self.valid_rows is None:
            return self.history[-1, "train_loss"] + self.history[-1, "penalty"]
        return self.history[-1, "valid_loss"] if self.valid_scorer is None else -self.history[-1, "valid_score"]

    def _reason_to_stop(self, epoch: int, epochs: int, patience: Patience, callback: str | None) -> str:
        """Return why training ends after this epoch, or an empty string if it goes on."""
        if callback is not None:
            return f"The callback {callback} asked to stop."
        if patience.exhausted and not self._ignores_plateau():
            if self.learning_rate.schedule == "adaptive" and self.lr_ > SMALLEST_ADAPTIVE_RATE:
                self.lr_ = self.lr_ / ADAPTIVE_DIVISOR
                patience.reset()
            else:
                return (
                    f"{self._monitored_name()} did not improve by more than tol={self.tol!r} in "
                    f"{patience.n_waiting} epochs."
                )
        return f"All max_iter={self.max_epochs!r} epochs are done." if epoch == epochs else ""

    def _ignores_plateau(self) -> bool:
        """Return whether training always goes on to the last epoch.

        A plateau at a high rate says nothing about the end of the annealing, so without validation data a cosine
        runs to its end.
        """
        return self.learning_rate.schedule == "cosine" and self.valid_rows is None

    def _monitored_name(self) -> str:
        if self.valid_rows is None:
            return "The training objective"
        return "The validation loss" if self.valid_scorer is None else "The validation score"

    # -- callbacks -----------------------------------------------------------------------------------------

    def _batch_watchers(self) -> list[str]:
        """Return the names of the callbacks that want to hear of single batches."""
        hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
        return [
            name
            for name, callback in self.callbacks_
            if any(getattr(type(callback), hook, None) is not getattr(Callback, hook) for hook in hooks)
        ]

    def _notify_epoch_end(self, datasets: dict) -> str | None:
        """Notify everyone; return the name of the callback that asked to stop.

        skorch's EarlyStopping asks by raising KeyboardInterrupt. From any other place it is the user's Ctrl-C,
        and goes on.
        """
        self.on_epoch_end(self, **datasets)
        stopper = None
        for name, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **datasets)
            except KeyboardInterrupt:
                if not isinstance(callback, EarlyStopping):
                    raise
                stopper = name
        return stopper
