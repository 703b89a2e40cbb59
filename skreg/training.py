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
from contextvars import ContextVar
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize
from sklearn.utils import gen_batches
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, EpochTimer, PrintLog
from torch import Tensor

from skreg.batches import Batch, BatchIterator, Rows
from skreg.callbacks import TaskCallback, watches_batches
from skreg.checkpoints import LARGEST_COUNT, check_like, check_range, named_arrays, tensors_of
from skreg.layers import MLP, LayerRecord, join_rows
from skreg.losses import Loss
from skreg.optim import FlatOptimizer, Regularization, as_torch_optimizer
from skreg.progress import Progress, Record
from skreg.stopping import bounded_mean, patience_in_epochs

# scikit-learn's MLP takes batches of 200 rows unless told otherwise.
AUTO_BATCH_SIZE = 200
# Below this many floating-point operations a step, a second thread costs more than it gains.
FLOPS_FOR_THREADS = 2e9
# SciPy's own rule: L-BFGS ends when an iteration gains less than this share of the objective.
LBFGS_FTOL = 2.2e-9
# A gradient so small, beside the objective, belongs to a gain that double precision cannot show.
GRADIENT_AT_ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


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


def step_flops(layer_units, batch_size: int) -> float:
    """Return the floating-point operations of one training step: three matrix products a layer."""
    return 6.0 * batch_size * sum(a * b for a, b in pairwise(layer_units))


def record_of(net: "RegularizedNet") -> Record:
    """Return what the epochs of a net have left."""
    progress, is_validated = net.progress_, net.valid_rows is not None
    return Record(net.history, progress.best_epoch, net.stops_early, is_validated, progress.stopping_reason)


class AbandonedError(Exception):
    """Raised in threads when the work that they are a part of is interrupted."""


# Where a fit looks, after every epoch, whether it is to be given up.
STOPPED: ContextVar[threading.Event | None] = ContextVar("STOPPED", default=None)


def check_stopped() -> None:
    """Raise if the fit is to be given up."""
    stopped = STOPPED.get()
    if stopped is not None and stopped.is_set():
        raise AbandonedError


@contextlib.contextmanager
def without_gradients(criterion: Loss, regularization: Regularization) -> Iterator[None]:
    """Turn autograd off: wholly, which saves an eighth of a step, where no code of the user's could need it."""
    acting = [part for layer in regularization.layers for part in layer.parts]
    is_ours = criterion.closed_form and all(type(part).__module__.startswith("skreg.") for part in acting)
    with torch.inference_mode(is_ours), torch.no_grad():
        yield


def backpropagate(
    module: MLP, criterion: Loss, batch: Batch, *, generator=None, scale: Tensor | float = 1.0, n_batches: int = 1
) -> Tensor:
    """Write the gradients of a batch into a module, and return its outputs.

    Row i counts ``n_batches * weight_i``, with weights that sum to 1 over all rows; without weights every row counts
    ``scale``, which is ``n_batches`` over the number of rows. So the mean gradient of an epoch's steps is that of the
    full objective. Dividing by the batch's own sum of weights (or size) would let the rows of a light (or short) batch
    count more.
    """
    weight = moment_weight = batch.weight
    if weight is not None and module.normalization == "batch":
        # Normalization over the batch needs weights that sum to 1 within the batch.
        moment_weight = weight / weight.sum(dim=-2, keepdim=True)
    record: list[LayerRecord] = []
    # Past nn.Module.__call__, which looks for hooks in six places.
    Z = module.forward(batch.X, record=record, generator=generator, row_weight=moment_weight)
    dZ = criterion.gradient(Z, batch.target)
    dZ.mul_(scale if weight is None else weight * n_batches)
    module.backward(dZ, record, moment_weight)
    return Z


def smallest_batch(normalization: str | None) -> int:
    """Return the least number of rows of a batch: the moments of one row are no basis for batch normalization."""
    return 2 if normalization == "batch" else 1


def last_step_loss(module: MLP, criterion: Loss, rows: Rows) -> float:
    """Return the mean loss of the weights that the last step has left, on a few rows."""
    span = slice(0, min(len(rows), AUTO_BATCH_SIZE, rows.rows_per_block(1)))
    with torch.no_grad():
        Z = module(rows.inputs(np.arange(span.stop)))
        return float(criterion.per_row(Z, rows.target[span]).mean())


def loss_at_start(criterion: Loss, rows: Rows, of_first_batch: float) -> float:
    """Return the loss that later ones are judged by: of the first batch, or of a constant if that is larger.

    A first batch can be met by chance, where the targets of the others are far away.
    """
    weight = rows.row_weight()
    outputs = criterion.start_outputs(rows.target, weight).to(rows.target.dtype)
    with torch.no_grad():
        of_constant = float((criterion.per_row(outputs.expand(1, len(rows), -1), rows.target) @ weight)[0])
    return max(of_first_batch, of_constant) if math.isfinite(of_constant) else of_first_batch


def outputs_in_blocks(module: MLP, rows: Rows, compute: Callable | None = None, n_columns: int | None = None) -> Tensor:
    """Return what a module computes for all rows, block by block.

    Parameters
    ----------
    module : MLP
        The networks.
    rows : Rows
        The rows.
    compute : callable, default=None
        Takes a block of inputs; None is the module itself.
    n_columns : int, default=None
        Number of columns that it returns; None is the number of outputs.

    Returns
    -------
    Tensor of shape (n_members, n_rows, n_columns)
        The results.
    """
    results = module.flat.new_empty(module.n_members, len(rows), n_columns or module.layer_units[-1])
    with torch.no_grad():
        for span in gen_batches(len(rows), rows.rows_per_block(1)):
            results[:, span] = (compute or module)(rows.inputs(np.arange(span.start, span.stop)))
    return results


def snapshot_of(state: dict[str, np.ndarray], name: str, module: MLP) -> list[Tensor]:
    """Return a snapshot of a module from a checkpoint; raise ValueError if it cannot be one."""
    tensors = tensors_of(state, name, module.snapshot())
    n_arrays = len(tensors)
    for number in range(n_arrays - len(module.running_variances), n_arrays):
        check_range(state, f"{name}_{number}", 0)
    return tensors


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
    replayed : sequence of float or None, default=None
        The rate of every epoch of an earlier fit, instead of a rule that depends on its losses ("adaptive", or what
        callbacks have made of "constant").
    """

    def __init__(self, schedule: str, initial: float, power_t: float, replayed=None):
        self.schedule, self.initial, self.power_t = schedule, initial, power_t
        self.replayed = replayed if schedule in ("adaptive", "constant") else None

    def at(self, step: int, total_steps: int, epoch: int, n_rows_seen: int) -> float | None:
        """Return the rate of a step, counted from 0, of an epoch, counted from 1; None leaves it as it is."""
        if self.replayed is not None:
            return self.replayed[epoch - 1]
        if self.schedule == "cosine":
            # One call of fit never comes to the end; calls of partial_fit do, and begin anew.
            return self.initial * 0.5 * (1 + math.cos(math.pi * (step % total_steps) / total_steps))
        if self.schedule == "invscaling":
            return self.initial / (n_rows_seen + 1) ** self.power_t
        return None


class FullObjective:
    """The objective of all rows and its gradient, as functions of the flat parameters.

    Parameters
    ----------
    module : MLP
        The network, whose parameters are set to the point of the last evaluation.
    criterion : Loss
        The loss.
    regularization : Regularization
        The penalties, which must be smooth.
    rows : Rows
        The rows; they are read in blocks.

    Attributes
    ----------
    loss, score : float
        Of the last evaluation, without the penalty.
    """

    def __init__(self, module: MLP, criterion: Loss, regularization: Regularization, rows: Rows):
        self.module, self.criterion, self.regularization, self.rows = module, criterion, regularization, rows
        self.weight = rows.row_weight()
        self.outputs = module.flat.new_empty(1, len(rows), module.layer_units[-1])
        # The moments of batch normalization are those of all rows.
        block = len(rows) if module.normalization == "batch" else rows.rows_per_block(1)
        self.spans = list(gen_batches(len(rows), block))
        self.point = None

    @torch.no_grad()
    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient, in float64."""
        module = self.module
        self.point = x.copy()
        module.flat.copy_(torch.from_numpy(self.point))
        gradient = torch.zeros_like(module.flat)
        module.n_batches = 0  # the running moments are those of this batch alone
        for span in self.spans:
            X = self.rows.inputs(np.arange(span.start, span.stop))
            batch = Batch(X, self.rows.target[span], self.weight[span].unsqueeze(1), span)
            self.outputs[:, span] = backpropagate(module, self.criterion, batch)
            gradient += module.flat_grad
        for layer in self.regularization.layers:
            layer.penalty.add_gradient(gradient[layer.span].view_as(layer.W), layer.W)
        self.loss = float((self.criterion.per_row(self.outputs, self.rows.target) @ self.weight)[0])
        value = self.loss + self.regularization.penalty_value()
        return value, gradient.numpy(force=True).astype(np.float64)

    def move_to(self, x: np.ndarray) -> None:
        """Evaluate at a point, unless that was the last one."""
        if not np.array_equal(x, self.point):
            self(x)

    @property
    def score(self) -> float:
        """Accuracy or R²."""
        return float(self.criterion.score(self.outputs, self.rows.target, self.weight)[0])


class RegularizedNet(NeuralNet):
    """A skorch net around an :class:`~skreg.layers.MLP`, an optimizer with proximal steps and early stopping.

    Parameters
    ----------
    module : MLP
        The networks.
    criterion : Loss
        The loss.
    regularization : Regularization
        Knows the penalty, which is recorded after every epoch. A :class:`~skreg.optim.FlatOptimizer` updates the
        module's flat buffer step by step; otherwise L-BFGS minimizes the objective of all rows.
    learning_rate : LearningRate
        The schedule.
    generators : dict of str to torch.Generator
        "shuffle" (None for the given order) and "dropout".
    valid_rows : Rows or None
        Rows to validate on after every epoch.
    valid_scorer : callable or None
        Returns the score to monitor, higher is better, instead of the loss on ``valid_rows``.
    stops_early : bool
        Whether training stops when validation no longer gains, and the best epoch's weights are restored.
    tol, n_iter_no_change : float
        See :class:`~skreg.stopping.Patience`. For L-BFGS, ``tol`` bounds the gradient.
    max_fun : int
        Largest number of evaluations for L-BFGS.
    n_rows_before : int
        Number of training rows seen in earlier calls.
    **kwargs : dict
        Passed to :class:`skorch.NeuralNet`: ``max_epochs``, ``batch_size``, ``callbacks``, ``verbose``, …

    Attributes
    ----------
    progress_ : Progress
        How far training has come, and why it has ended.
    """

    _optimizers = ("optimizer",)

    def __init__(
        self,
        module: MLP,
        criterion: Loss,
        *,
        regularization: Regularization,
        learning_rate: LearningRate,
        generators: dict[str, torch.Generator | None],
        valid_rows: Rows | None = None,
        valid_scorer: Callable[[], float] | None = None,
        stops_early: bool = False,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        n_rows_before: int = 0,
        **kwargs,
    ):
        super().__init__(module, criterion, lr=learning_rate.initial, train_split=None, **kwargs)
        self.regularization = regularization
        self.learning_rate = learning_rate
        self.generators = generators
        self.valid_rows = valid_rows
        self.valid_scorer = valid_scorer
        self.stops_early = stops_early
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_rows_before = n_rows_before

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
            if not isinstance(self.regularization, FlatOptimizer):
                raise ValueError("A callback asked for the optimizer's learning rate, which solver='lbfgs' has not.")
            # Past skorch's __setattr__, which admits optimizers only while it initializes.
            vars(self)["torch_optimizer_"] = as_torch_optimizer(self.regularization, self.current_lr_)
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

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set of :class:`Rows`."""
        generator = self.generators["shuffle"] if training else None
        return BatchIterator(dataset, self.batch_size, generator, smallest_batch(self.module.normalization))

    def infer(self, x, **fit_params):
        """Return the outputs of the first member, of shape (n_rows, n_outputs)."""
        return self.module_(x, **fit_params)[0]

    def train(
        self,
        rows: Rows,
        *,
        n_epochs: int | None = None,
        state: dict[str, np.ndarray] | None = None,
        restore: str | None = None,
    ):
        """Train up to ``max_epochs``, or for ``n_epochs`` from here.

        Parameters
        ----------
        rows : Rows
            Rows to train on.
        n_epochs : int or None, default=None
            Number of epochs.
        state : dict of str to ndarray or None, default=None
            The :meth:`training_state` of another net, to go on exactly where that was.
        restore : {None, "last", "kept"}, default=None
            Which weights of the state the module gets: none, those that training ended with, or those that the
            estimator has kept, of the best epoch.

        Raises
        ------
        ValueError
            If the state is not one of such a net, or training diverges.
        """
        self.initialize()
        steps = isinstance(self.regularization, FlatOptimizer)
        self.batches_ = self.get_iterator(rows, training=True) if steps else None
        self.n_batches_ = len(self.batches_) if steps else 1
        patience = self.n_iter_no_change
        self.progress_ = Progress(
            learning_rate_init=self.learning_rate.initial,
            schedule=self.learning_rate.schedule if steps else None,
            max_epochs=self.max_epochs,
            stops_early=self.stops_early,
            tol=self.tol,
            patience=patience_in_epochs(patience, self.n_batches_) if self.stops_early else patience,
            is_scored=self.valid_scorer is not None,
        )
        self.n_rows_seen_ = 0
        self.best_ = self.stopper_ = self.bounded_loss_ = None
        self.lowest_ = {"train_loss": math.inf, "valid_loss": math.inf}
        self.last_ = self.module_.snapshot()
        if state is not None:
            self._load_training_state(state, restore)
        if n_epochs is not None:
            self.progress_.last_epoch = self.progress_.epoch + n_epochs
        elif state is not None:
            self._end_if_due()  # a fit that had come to its end is not taken beyond it
        return self.partial_fit(rows)

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train on :class:`Rows`. Unlike skorch's, it lets Ctrl-C through."""
        self.notify("on_train_begin", X=X, y=y)
        self.fit_loop(X, y)
        self.notify("on_train_end", X=X, y=y)
        return self

    # -- the loop ------------------------------------------------------------------------------------------

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run epochs until a stopping rule or the last epoch ends them; keep the best epoch's weights."""
        if self.batches_ is None:
            self._run_lbfgs(X)
        else:
            self._run_epochs(X)
        self.last_ = self.module_.snapshot()
        if self.stops_early:
            self.module_.restore(self.best_)
        elif len(self.history):
            # No training loss has seen what the last step has left.
            self._check_divergence("training", last_step_loss(self.module_, self.criterion_, X))
        return self

    def _run_epochs(self, rows: Rows) -> None:
        self.total_steps_ = self.max_epochs * self.n_batches_
        while not self.progress_.stopping_reason:
            self._begin_epoch(rows)
            self.run_single_epoch(self.batches_, training=True, prefix="train", step_fn=self.train_step)
            self._end_epoch(rows)

    def _begin_epoch(self, rows: Rows) -> None:
        self.progress_.epoch += 1
        self.notify("on_epoch_begin", dataset_train=rows, dataset_valid=self.valid_rows)
        self._row["epoch"] = self.progress_.epoch  # skorch counts from the beginning of this call

    def _end_epoch(self, rows: Rows) -> None:
        """Record and judge an epoch, and find out whether it was the last."""
        check_stopped()
        self._record_objective()
        if self.valid_rows is not None:
            self._record_validation(self.valid_rows)
        is_best = self.progress_.judge(self._row, self.bounded_loss_)
        if self.stops_early and is_best:
            self.best_ = self.module_.snapshot()
        self._notify_epoch_end({"dataset_train": rows, "dataset_valid": self.valid_rows})
        self._end_if_due()

    def _end_if_due(self) -> None:
        progress, rate = self.progress_, self.lr_
        progress.lr = rate  # which callbacks may have changed
        progress.end_if_due(self.stopper_)
        if progress.lr != rate:
            self.lr_ = progress.lr

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train for one epoch and record its loss and score, both taken while the weights were changing."""
        watchers = self._batch_watchers()
        # With uniform weights the mean over a batch is the sum times this. As a tensor: numbers are wrapped each time.
        scale = self.module_.flat.new_full((), self.n_batches_ / len(iterator.rows))
        outputs = []
        with torch.no_grad() if watchers else without_gradients(self.criterion_, self.regularization):
            for batch in iterator:
                if watchers:
                    self.notify("on_batch_begin", batch=(batch.X, batch.target), training=True)
                outputs.append(step_fn(batch, scale, watchers))
                if watchers:
                    self._record_batch(batch, outputs[-1])
            outputs = join_rows(outputs)
            loss = self.criterion_.per_row(outputs, iterator.target)
            if self.progress_.first_loss is None:
                first = loss[:, iterator.spans[0]]
                self.progress_.first_loss = loss_at_start(self.criterion_, iterator.rows, float(first.mean()))
            weight = iterator.weight
            self._record_value("train_loss", float((loss @ weight)[0]))
            score = self.criterion_.score(outputs, iterator.target, weight)
        row = self._row
        row["train_score"] = float(score[0])
        if not watchers:
            # skorch's Checkpoint looks up the last batch of every epoch: give it one that stands for all.
            row["batches"].append({"train_loss": row["train_loss"]})
        row["train_batch_count"] = len(iterator)
        self.n_rows_seen_ += len(iterator.rows)

    def train_step(self, batch: Batch, scale: Tensor, watched: list[str]) -> Tensor:
        """Take one optimizer step on a batch; return the outputs before it."""
        Z = backpropagate(
            self.module_,
            self.criterion_,
            batch,
            generator=self.generators["dropout"],
            scale=scale,
            n_batches=self.n_batches_,
        )
        if watched:
            self.notify(
                "on_grad_computed",
                named_parameters=list(self.module_.named_parameters()),
                batch=(batch.X, batch.target),
                training=True,
            )
        step, n_rows_seen = self.regularization.n_steps, self.n_rows_before + self.n_rows_seen_ + batch.span.start
        lr = self.learning_rate.at(step, self.total_steps_, self.progress_.epoch, n_rows_seen)
        if lr is not None:
            self.lr_ = lr
        if self.torch_optimizer_ is None:
            self.regularization.step(self.current_lr_)
        else:
            self.torch_optimizer_.step()
        return Z

    @property
    def _row(self) -> dict:
        """The present epoch's row of the history, whose own look-up would copy the list of all rows."""
        return list.__getitem__(self.history, -1)

    def _record_value(self, name: str, value: float) -> None:
        """Record a loss and whether it is the best so far, which skorch's Checkpoint asks for."""
        self._row[name] = value
        self._row[f"{name}_best"] = value < self.lowest_[name]
        self.lowest_[name] = min(value, self.lowest_[name])

    def _record_batch(self, batch: Batch, Z: Tensor) -> None:
        loss = self.criterion_.per_row(Z, batch.target).mean()
        self.history.record_batch("train_loss", float(loss))
        self.history.record_batch("train_batch_size", len(batch.target))
        self.notify("on_batch_end", batch=(batch.X, batch.target), training=True, loss=loss, y_pred=Z[0])

    def _record_objective(self) -> None:
        row = self._row
        row["penalty"] = self.regularization.penalty_value()
        row["lr"] = math.nan if self.batches_ is None else self.lr_
        self._check_divergence("training", row["train_loss"])

    def _check_divergence(self, rows: str, loss: float) -> None:
        """Raise if a loss, a weight or the penalty is out of bounds."""
        # A sum is finite only if all its terms are.
        is_finite = math.isfinite(self.module_.flat.sum())
        self.progress_.check_divergence(rows, loss, self._row["penalty"], is_finite=is_finite)

    def _record_validation(self, rows: Rows) -> None:
        Z = outputs_in_blocks(self.module_, rows)
        weight = rows.row_weight()
        losses = self.criterion_.per_row(Z, rows.target)
        mean = losses @ weight
        self._record_value("valid_loss", float(mean[0]))
        self._check_divergence("validation", self._row["valid_loss"])
        if self.criterion_.bounds_rows:
            self.bounded_loss_ = float(bounded_mean(losses, weight, mean)[0])
        if self.valid_scorer is None:
            score = float(self.criterion_.score(Z, rows.target, weight)[0])
        else:
            score = float(self.valid_scorer())
            if not math.isfinite(score):
                raise ValueError(f"The scorer given as 'scoring' must return a finite number; got {score!r}.")
        self._row["valid_score"] = score

    # -- L-BFGS --------------------------------------------------------------------------------------------

    def _run_lbfgs(self, rows: Rows) -> None:
        """Minimize the objective of all rows; an iteration is an epoch (Byrd, Lu, Nocedal and Zhu, 1995)."""
        if watchers := self._batch_watchers():
            raise ValueError(
                f"solver='lbfgs' has no batches, which callbacks wait for; got {watchers}. Use solver='adam' or 'sgd'."
            )
        progress = self.progress_
        full = FullObjective(self.module_, self.criterion_, self.regularization, rows)
        is_running = False

        def objective(x):
            nonlocal is_running
            if not is_running:
                self._begin_epoch(rows)
                is_running = True
            value, gradient = full(x)
            if progress.first_loss is None:
                progress.first_loss = loss_at_start(self.criterion_, rows, full.loss)
            return value, gradient

        def end_iteration(x):
            nonlocal is_running
            full.move_to(x)
            self._record_value("train_loss", full.loss)
            self.history.record("train_score", full.score)
            self.history.new_batch()  # for skorch's Checkpoint, as in run_single_epoch
            self.history.record_batch("train_loss", full.loss)
            self.n_rows_seen_ += len(rows)
            is_running = False
            self._end_epoch(rows)

        def after_iteration(x):
            end_iteration(x)
            if progress.stopping_reason:
                raise StopIteration

        result: OptimizeResult = minimize(
            objective,
            self.module_.flat.numpy(force=True).astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={
                "maxiter": progress.last_epoch,
                "maxfun": self.max_fun,
                "gtol": self.tol,
                # Where the gradient is below tol, steps gain less than about its square: do not stop before.
                "ftol": min(LBFGS_FTOL, self.tol**2),
            },
        )
        if is_running:  # the last iteration has not found a better point, or the first was not needed
            end_iteration(result.x)
        full.move_to(result.x)
        stopped = self.stopper_ is not None or (self.stops_early and progress.patience.exhausted)
        # A line search that finds nothing lower ends "abnormally", also where the objective has no more digits to give.
        at_rounding = result.status == 2 and np.abs(result.jac).max() <= GRADIENT_AT_ROUNDING * max(1, abs(result.fun))
        progress.converged = stopped or result.status == 0 or at_rounding
        if not progress.stopping_reason or result.status == 0:
            progress.stopping_reason = f"L-BFGS: {result.message}"

    # -- going on elsewhere --------------------------------------------------------------------------------

    def training_state(self) -> dict[str, np.ndarray]:
        """Return copies of all that a net needs to go on as if it were this one, as plain arrays."""
        numbers = {
            "epoch": self.progress_.epoch,
            "n_rows_seen": self.n_rows_before + self.n_rows_seen_,
            "n_steps": self.regularization.n_steps,
            "n_normalized_batches": self.module_.n_batches,
            "initial_lr": self.learning_rate.initial,
            "lr": self.lr_,
            "best_value": self.progress_.patience.best,
            "n_waiting": self.progress_.patience.n_waiting,
            "stops_early": self.stops_early,
            "best_epoch": self.progress_.best_epoch,
            "first_loss": 0.0 if self.progress_.first_loss is None else self.progress_.first_loss,
            "lowest_train_loss": self.lowest_["train_loss"],
            "lowest_valid_loss": self.lowest_["valid_loss"],
        }
        tensors = {"last": self.last_, "best": self.best_ or [], "buffer": self.regularization.buffers()}
        states = {f"generator_{name}": g.get_state() for name, g in self.generators.items() if g is not None}
        arrays = {name: np.asarray(value) for name, value in numbers.items()}
        arrays |= {name: state.numpy(force=True).copy() for name, state in states.items()}
        for name, group in tensors.items():
            arrays |= named_arrays(name, group)
        return arrays

    def _load_training_state(self, state: dict[str, np.ndarray], restore: str | None) -> None:
        """Continue where another net was."""
        expected = self.training_state()
        if "generator_shuffle" not in state:  # rows had the given order so far
            expected.pop("generator_shuffle", None)
        check_like(state, expected)
        self._check_numbers(state)
        if restore is not None:
            kept_others = restore == "kept" and "kept_0" in state
            self.module_.restore(snapshot_of(state, "kept" if kept_others else "last", self.module_))
        self.progress_.epoch = self.progress_.best_epoch = self.progress_.patience.n_epochs = int(state["epoch"])
        self.n_rows_before = int(state["n_rows_seen"])
        self.regularization.n_steps = int(state["n_steps"])
        self.module_.n_batches = int(state["n_normalized_batches"])
        if self.learning_rate.initial == float(state["initial_lr"]):
            self.lr_ = float(state["lr"])  # which an adaptive schedule has lowered
        self.progress_.first_loss = float(state["first_loss"])
        self.lowest_ = {name: float(state[f"lowest_{name}"]) for name in self.lowest_}
        stopped_early = bool(state["stops_early"])
        if self.stops_early == stopped_early:  # otherwise what was monitored was something else
            self.progress_.patience.best, self.progress_.patience.n_waiting = (
                float(state["best_value"]),
                int(state["n_waiting"]),
            )
        if self.stops_early and stopped_early:
            self.best_ = snapshot_of(state, "best", self.module_)
            self.progress_.best_epoch = int(state["best_epoch"])
        buffers = self.regularization.buffers()
        for number in self.regularization.nonnegative_buffers:
            check_range(state, f"buffer_{number}", 0)
        for buffer, saved in zip(buffers, tensors_of(state, "buffer", buffers), strict=True):
            buffer.copy_(saved)
        for name, generator in self.generators.items():
            if generator is not None and f"generator_{name}" in state:
                try:
                    generator.set_state(torch.tensor(state[f"generator_{name}"]))
                except RuntimeError as error:
                    raise ValueError(f"The checkpoint is damaged: 'generator_{name}' has no valid state.") from error

    @staticmethod
    def _check_numbers(state: dict[str, np.ndarray]) -> None:
        """Raise ValueError if numbers of a training state are out of their ranges."""
        check_range(state, "epoch", 1, LARGEST_COUNT)
        n_epochs = int(state["epoch"])
        ranges = {
            "n_rows_seen": (0, LARGEST_COUNT),
            "n_steps": (1, LARGEST_COUNT),
            "n_normalized_batches": (0, LARGEST_COUNT),
            "n_waiting": (0, n_epochs),
            "best_epoch": (1, n_epochs),
            "initial_lr": (0,),
            "lr": (0,),
            "best_value": (),
            "first_loss": (),
        }
        for name, bounds in ranges.items():
            check_range(state, name, *bounds)
        for name in ("lowest_train_loss", "lowest_valid_loss"):  # infinite where there was none
            if not state[name] > -math.inf:
                raise ValueError(f"The checkpoint is damaged: {name!r} must be a loss; got {state[name]}.")

    # -- callbacks -----------------------------------------------------------------------------------------

    def _batch_watchers(self) -> list[str]:
        """Return the names of the callbacks that want to hear of single batches."""
        return [name for name, callback in self.callbacks_ if watches_batches(type(callback))]

    def _notify_epoch_end(self, datasets: dict) -> None:
        """Notify everyone, and remember who asked to stop.

        skorch's EarlyStopping asks by raising KeyboardInterrupt. From any other place it is the user's Ctrl-C,
        and goes on.
        """
        self.on_epoch_end(self, **datasets)
        for name, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **datasets)
            except KeyboardInterrupt:
                if not isinstance(callback, EarlyStopping):
                    raise
                self.stopper_ = name
            if isinstance(callback, TaskCallback) and callback.asks_to_stop_:
                self.stopper_ = name
