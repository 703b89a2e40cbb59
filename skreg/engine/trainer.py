"""Trainer of one network, or of a population: networks of the same structure along a leading member axis.

Small networks spend their time on calls, not on arithmetic. So networks that differ only in numbers, in their rows or
in their seeds take their steps together: one batched matrix product serves all of them. Each has its own monitor, and
is removed when its training ends. A member equals a single fit but for rounding: it reads its rows in the order of its
own seed, and draws its own dropout masks.

A step goes through the seams where regularization acts: batch transforms, gradient rules, the solver with its proximal
step, and the averager; an epoch ends with the monitors.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import torch
from torch import Tensor

from skreg._seeds import generator_of
from skreg.augmentation._base import transformed
from skreg.averaging._base import Averager
from skreg.engine.batches import Batch, MemberBatches, validation_spans
from skreg.engine.dataset import Dataset
from skreg.engine.lbfgs import run_lbfgs
from skreg.engine.measuring import Measurement
from skreg.engine.members import make_members, stacked_numbers, stacked_penalty, stacked_rules, training_batches
from skreg.engine.objective import (
    backpropagate,
    last_step_loss,
    loss_at_start,
    loss_of_start_outputs,
    start_outputs,
    without_gradients,
)
from skreg.engine.observer import Observer
from skreg.engine.spec import FitResult, FitSpec
from skreg.engine.state import restore_state, training_state
from skreg.engine.streams import MemberStreams, make_batch_random, make_dropout_streams
from skreg.engine.threads import AbandonedError, StopSignal
from skreg.solvers import Regularization
from skreg.stopping import bounded_mean

# Largest ratio of the rate of a population's steps to the smallest of its members: networks diverge at larger rates.
LARGEST_RATIO = 1e8


def rate_of_steps(rates: Sequence[float]) -> float:
    """Return the learning rate of a population's steps, of which those of the members are parts or multiples.

    It is the largest: multiples of a smaller one would magnify the rounding of its steps, in single precision that of
    1e-6 of a usual rate to a tenth of a weight. But it is no absurd one, beside which the steps of others would vanish.
    """
    limit = LARGEST_RATIO * min(rates)
    return max(rate for rate in rates if rate <= limit)


class Trainer:
    """Trainer of one network, or of several of the same structure.

    Parameters
    ----------
    fits : sequence of (FitSpec, Dataset)
        Descriptions of the fits, and the rows that they read.
    observer : Observer or None, default=None
        Called in every epoch, or in every batch; for a single network.
    score_validation : callable or None, default=None
        Returns the score to monitor, higher is better, from the weights; for a single network.
    state : dict of str to ndarray or None, default=None
        Training state to continue from; for a single network.
    restore : {None, "last", "best"}, default=None
        Which weights of the state the network gets: none, those of the last step, or the best ones, those of a result.
    stopped : StopSignal or None, default=None
        When set, training is abandoned.
    report : callable or None, default=None
        Called with numbers of epochs that are done, summed over the members.
    block_bytes : int or None, default=None
        Size of blocks of rows, and of a layer's outputs in validation; None is 1 MiB.
    keep_state : bool, default=True
        Whether the result of a single network has its training state.

    Attributes
    ----------
    members : list of Member
        The networks in training.
    module : MLP or SharedMLP
        Their weights.
    regularization : Regularization
        The penalties and constraints.
    solver : FlatOptimizer or None
        The optimizer; None for L-BFGS, which is SciPy's.
    lr : float
        The learning rate of the next step, of which those of the members are parts or multiples.
    base_lr : float
        The same before the schedule.
    member_lr : list of float
        Learning rate of each member, before the schedule.
    best_weights : list of Tensor or None
        Snapshot of the module in the best epoch of each member so far; None without early stopping.
    results : list of FitResult
        One for each fit; None until its training ends.
    """

    def __init__(
        self,
        fits: Sequence[tuple[FitSpec, Dataset]],
        *,
        observer: Observer | None = None,
        score_validation: Callable[[list], float] | None = None,
        state: dict | None = None,
        restore: str | None = None,
        stopped: StopSignal | None = None,
        report: Callable[[int], None] | None = None,
        block_bytes: int | None = None,
        keep_state: bool = True,
    ):
        self.members = make_members(fits)
        self.results: list[FitResult | None] = [None] * len(self.members)
        self.observer = observer or Observer()
        self.score_validation = score_validation
        self.keep_state = keep_state
        self.stopped, self.report, self.block_bytes = stopped, report or (lambda n_epochs: None), block_bytes
        spec = self.spec = self.members[0].spec
        self.takes_steps = spec.solver.takes_steps
        self.n_batches = spec.n_batches
        self.n_rows_seen = spec.n_rows_before
        self.batches = training_batches(self.members, block_bytes)
        self.dropout = make_dropout_streams(self.members, spec.network.device)
        self.random = make_batch_random(self.members, spec.network.device) if spec.batch_transforms else None
        self.streams = [streams for streams in (self.dropout, self.random) if isinstance(streams, MemberStreams)]
        self.module = self._make_module()
        # A network for one member, which gets the weights of each at its start and at its end.
        self.single = self.module if self.is_single else spec.network.module()
        self._initialize_weights()
        self.start_weights = self.module.snapshot() if self.is_single else None
        self._make_solver()
        self.averager = None if spec.averaging is None else Averager(self.module)
        self.stopping_callback: str | None = None
        self.validation: MemberBatches | None = None
        self.best_weights = self.module.snapshot() if spec.stopping.is_early else None
        if state is not None:
            restore_state(self, state, restore)

    @property
    def is_single(self) -> bool:
        """Whether there is one member, whose numbers need no tensors."""
        return len(self.members) == 1

    @property
    def monitor(self):
        """The monitor of the first member."""
        return self.members[0].monitor

    # -- the loop ------------------------------------------------------------------------------------------

    def train(self) -> list[FitResult]:
        """Train until every member has ended; return the results, in the order of the specs."""
        if not self.takes_steps:
            run_lbfgs(self)
        while self.members and not self.monitor.stopping_reason:
            self.begin_epoch()
            measured = self._run_epoch()
            self._finish_members(self.end_epoch(measured))
        self._finish_members(range(len(self.members)))
        return self.results

    def begin_epoch(self) -> None:
        """Begin the next epoch of all members."""
        for member in self.members:
            member.monitor.epoch += 1
        self.observer.on_epoch_begin(self)

    def check_stopped(self) -> None:
        """Raise AbandonedError if training is to be abandoned."""
        if self.stopped is not None and self.stopped.is_set():
            raise AbandonedError

    def _run_epoch(self) -> dict[str, Tensor]:
        """Take a step with every batch; return loss, penalty and score, measured while the weights change."""
        self.batches.is_dense |= self.observer.watches_batches
        self.batches.begin_epoch()
        scale = self.module.flat.new_full((), self.n_batches / len(self.members[0].rows))
        regularizers = (*self.transforms, *self.rules, self.averaging, *self.regularization.regularizers)
        with torch.no_grad() if self.observer.watches_batches else without_gradients(self.spec.loss, regularizers):
            measurement = Measurement(
                self.spec.loss,
                self.batches.column_weight(self.is_single),
                keeps_batches=self.batches.batches_per_block > 1,
            )
            for index, batch in enumerate(self.batches):
                measurement.add(*self._step(index, batch, scale))
            measurement.finish(None if self.transforms else self.batches.target)
            measured = self._measured(measurement)
        self.n_rows_seen += len(self.members[0].rows)
        return measured

    def _step(self, index: int, batch: Batch, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step; return the outputs before it, and their targets."""
        self.check_stopped()
        for streams in self.streams:
            streams.begin(self.batches.n_rows_in_batch(index))
        if self.transforms:
            batch = transformed(batch, self.transforms, self.random)
        watched = self.observer.watches_batches
        if watched:
            self.observer.on_batch_begin(self, batch)
        Z = backpropagate(
            self.module, self.spec.loss, batch, generator=self.dropout, scale=scale, n_batches=self.n_batches
        )
        if watched:
            self.observer.on_gradients(self, batch)
        for rule in self.rules:
            rule(self.gradients)
        if not self.spec.schedule.is_constant:
            self.progress = {
                "step": self.solver.n_steps,
                "n_batches": self.n_batches,
                "epoch": self.monitor.epoch,
                "n_rows_seen": self.n_rows_seen + batch.span.start,
            }
            self.lr = self.spec.schedule.rate(self.base_lr, **self.progress)
        self.observer.take_step(self)
        if self.averager is not None:
            self.averager.update(self.averaging.share(self.solver.n_steps))
        if watched:
            self.observer.on_batch_end(self, batch, Z)
        return Z, batch.target

    def _measured(self, measurement: Measurement) -> dict[str, Tensor]:
        """Return loss, penalty and score of an epoch."""
        if self.monitor.first_loss is None:
            self._set_first_losses(measurement.losses)
        return {
            "train_loss": measurement.mean_loss,
            "penalty": self.regularization.penalty_values(),
            "train_score": measurement.score,
        }

    def _set_first_losses(self, losses: Tensor) -> None:
        first = self.batches.spans[0]
        if self.is_single and self.spec.network.n_shared == 1:
            values = [float(losses[:, first].mean())]
        else:  # short batches are padded with rows of weight zero
            is_row = self.batches.weight[:, first] > 0
            values = ((losses[:, first] * is_row).sum(dim=1) / is_row.sum(dim=1)).tolist()
        # Members that read the same rows share the result.
        of_constant = cache(partial(loss_of_start_outputs, self.spec.loss))
        for member, value in zip(self.members, values, strict=True):
            member.monitor.constant_loss = of_constant(member.rows)
            member.monitor.first_loss = loss_at_start(value, member.monitor.constant_loss)

    # -- the end of an epoch -------------------------------------------------------------------------------

    def end_epoch(self, measured: dict[str, Tensor]) -> list[int]:
        """Validate and record an epoch; return the positions of the members whose training ends."""
        self.report(len(self.members))
        measured["is_finite"] = self.module.are_finite()
        measured["lr"] = self._last_member_lr()
        ended, improved = [], []
        with self.averaged_weights():
            if self.members[0].valid_rows is not None:
                measured |= self._validate(measured)
            columns = [values.tolist() if isinstance(values, Tensor) else values for values in measured.values()]
            rows = [dict(zip(measured, values, strict=True)) for values in zip(*columns, strict=True)]
            for position, (member, values) in enumerate(zip(self.members, rows, strict=True)):
                checked = {name: values.pop(name) for name in ("is_finite", "bounded_loss") if name in values}
                try:
                    if member.monitor.update(values, **checked):
                        improved.append(position)
                except ValueError as error:
                    self.results[member.index] = FitResult(error=error)
                    ended.append(position)
            if improved and self.best_weights is not None:
                self._update_best_weights(improved)
        if ended and self.is_single:
            return ended
        self.stopping_callback = self.observer.on_epoch_end(self)
        for position, member in enumerate(self.members):
            if self.is_single:
                member.monitor.lr = self.lr  # which callbacks may have changed
            member.monitor.check_stopping(self.stopping_callback)
            if member.monitor.stopping_reason and position not in ended:
                ended.append(position)
        self._update_member_lr(ended)
        return ended

    def _last_member_lr(self) -> list[float]:
        """Return the learning rate of every member's last step."""
        if not self.takes_steps:
            return [math.nan]
        if self.is_single:
            return [self.lr]
        if self.spec.schedule.is_constant:
            return self.member_lr
        return [self.spec.schedule.rate(lr, **self.progress) for lr in self.member_lr]

    def _validate(self, measured: dict) -> dict[str, Tensor | list]:
        """Return loss and score of every member on its validation rows."""
        if self.validation is None:
            rows = [member.valid_rows for member in self.members]
            spans = validation_spans(rows, self.spec.network.units_in_validation, self.batches.block_bytes)
            self.validation = MemberBatches(rows, spans, [None] * len(rows), self.block_bytes, keeps_inputs=True)
            self.validation.begin_epoch()
        batches, loss, weight = self.validation, self.spec.loss, self.validation.column_weight(self.is_single)
        with torch.no_grad():
            measurement = Measurement(loss, weight, keeps_batches=batches.batches_per_block > 1)
            for batch in batches:
                Z = self.module.forward(batch.X)
                if self.spec.network.n_shared > 1:
                    Z = loss.mean_outputs(Z)
                measurement.add(Z, batch.target)
            measurement.finish(batches.target)
            losses, mean = measurement.losses, measurement.mean_loss
            results = {"valid_loss": mean}
            if self.score_validation is None:
                results["valid_score"] = measurement.score
            else:
                results["valid_score"] = [self._user_score(measured, float(mean[0]))]
            if loss.bounds_rows:
                results["bounded_loss"] = bounded_mean(losses, weight, mean)
        return results

    def _user_score(self, measured: dict, valid_loss: float) -> float:
        """Return the score of a user's function, after a check that the weights have not diverged."""
        penalty, is_finite = float(measured["penalty"][0]), measured["is_finite"][0]
        for rows, value in (("training", float(measured["train_loss"][0])), ("validation", valid_loss)):
            self.monitor.check_divergence(rows, value, penalty, is_finite=is_finite)
        score = self.score_validation(self.module.arrays())
        if not math.isfinite(score):
            raise ValueError(f"The scorer in 'scoring' must return a finite number; got {score!r}.")
        return score

    def _update_best_weights(self, improved: list[int]) -> None:
        """Copy the present weights of some members to the best ones."""
        states = self.best_weights, self.module.state()
        if len(improved) == len(self.members):
            for best, current in zip(*states, strict=True):
                best.copy_(current)
            return
        index = torch.tensor(improved, device=self.module.flat.device)
        for best, current in zip(*map(self.module.member_views, states), strict=True):
            best[index] = current[index]

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Give the module the averaged weights within a block, if there is averaging."""
        if self.averager is None:
            yield
            return
        with self.averager.swapped():
            self.regularization.project()
            yield

    def _update_member_lr(self, ended: Sequence[int]) -> None:
        """Take the learning rates of the monitors, which an adaptive schedule has lowered."""
        member_lr = [member.monitor.lr for member in self.members]
        if self.is_single:
            if member_lr[0] != self.lr:
                self.observer.set_lr(self, member_lr[0])
        elif member_lr != self.member_lr and not ended:
            self._rebuild(list(range(len(self.members))))

    # -- the end of a training -----------------------------------------------------------------------------

    def _finish_members(self, ended: Sequence[int]) -> None:
        """Make the results of members whose training has ended, and remove these."""
        if not ended:
            return
        for position in ended:
            self._finish_member(position)
        remaining = [position for position in range(len(self.members)) if position not in ended]
        if remaining:
            self._rebuild(remaining)
        else:
            self.members = []

    def _finish_member(self, position: int) -> None:
        """Make the result of a member."""
        member, monitor = self.members[position], self.members[position].monitor
        self.report(monitor.rule.max_epochs - monitor.epoch)
        if self.results[member.index] is not None:
            return
        try:
            last = self.module.snapshot() if self.is_single and self.keep_state else None
            self._load_best_weights(position)
            if self.best_weights is None and monitor.history:
                # The training loss was measured before the last step.
                is_finite = math.isfinite(self.single.flat.sum())
                loss = last_step_loss(self.single, member.spec.loss, member.rows)
                penalty = monitor.history[-1]["penalty"]
                monitor.check_divergence("training", loss, penalty, is_finite=is_finite)
            if self.is_single:
                self.observer.on_train_end(self)
            result = member.result(self.single.arrays())
            if last is not None:
                result.training_state = training_state(self, last)
        except Exception as error:  # also of a user's loss: the other members go on
            result = FitResult(error=error)
        self.results[member.index] = result

    def _load_best_weights(self, position: int) -> None:
        """Copy the best weights of a member to the single network; without early stopping, these are the last ones."""
        with self.averaged_weights():
            source = self.module.state() if self.best_weights is None else self.best_weights
            if self.is_single:
                best_weights = [tensor.clone() for tensor in source]
            else:
                best_weights = None
                own_views = self.single.member_views(self.single.state())
                for own, tensor in zip(own_views, self.module.member_views(source), strict=True):
                    own.copy_(tensor[position : position + 1])
        if best_weights is not None:
            self.module.restore(best_weights)

    # -- members -------------------------------------------------------------------------------------------

    def _make_module(self):
        """Return a module for all members."""
        rates = [member.spec.network.dropout_rates for member in self.members]
        exact = torch.empty(0, dtype=torch.float64, device=self.spec.network.device)
        return self.spec.network.module(
            len(self.members), [stacked_numbers(values, exact) for values in zip(*rates, strict=True)]
        )

    @torch.no_grad()
    def _initialize_weights(self) -> None:
        """Initialize every network around the best constant outputs of its loss, or with the weights of its spec."""
        outputs = cache(partial(start_outputs, self.spec.loss))
        views, own_views = (module.member_views(module.state()) for module in (self.module, self.single))
        # Biases and statistics, which drawing weights leaves as they are: those of a member before may be in there.
        fresh = self.single.snapshot()
        for position, member in enumerate(self.members):
            spec = member.spec
            if spec.start is None:
                self.single.restore(fresh)
                self.single.initialize([generator_of(spec.seeds["init"])], outputs(member.rows))
            else:
                self.single.restore([torch.from_numpy(array) for array in spec.start])
            if self.single is not self.module:
                for tensor, own in zip(views, own_views, strict=True):
                    tensor[position] = own[0]

    def _make_solver(self) -> None:
        """Make the solver and the rules of the present members."""
        specs, module = [member.spec for member in self.members], self.module
        self.member_lr = [member.monitor.lr for member in self.members]
        self.lr = self.base_lr = rate_of_steps(self.member_lr)
        of_layers = zip(*(member.spec.penalties for member in self.members), strict=True)
        penalties = [stacked_penalty(of_layer, module.flat) for of_layer in of_layers]
        member_lr = 1.0
        if any(lr != self.lr for lr in self.member_lr):
            member_lr = (module.flat.new_tensor(self.member_lr) / self.lr).view(-1, 1, 1)
        self.regularization = Regularization(module, penalties, self.spec.constraints, member_lr=member_lr)
        self.solver = None
        if self.takes_steps:
            numbers = {
                name: [getattr(spec.solver, name) for spec in specs] for name in self.spec.solver.member_parameters
            }
            members = {name: stacked_numbers(values, module.flat) for name, values in numbers.items()}
            self.solver = self.spec.solver.make(self.regularization, **members)
        self.transforms = stacked_rules([spec.batch_transforms for spec in specs], module.flat)
        exact = module.flat.new_empty(0, dtype=torch.float64)
        self.rules = stacked_rules([spec.gradient_rules for spec in specs], exact)
        self.gradients = [parameter.grad for parameter in module.parameters()]
        (self.averaging,) = stacked_rules([[spec.averaging] for spec in specs], exact)

    def _rebuild(self, remaining: list[int]) -> None:
        """Rebuild module and solver for the remaining members, or for all of them with other learning rates."""
        old_module, old_solver = self.module, self.solver
        if len(remaining) < len(self.members):
            self.members = [self.members[position] for position in remaining]
            self.batches.select(remaining)
            for streams in self.streams:
                streams.select(remaining)
            self.validation = None
            self.module = self._make_module()
            if self.is_single:
                self.single = self.module
            self.module.n_batches = old_module.n_batches
            self._copy_members(self.module.state(), old_module.state(), old_module, remaining)
            if self.best_weights is not None:
                old_weights, self.best_weights = self.best_weights, self.module.snapshot()
                self._copy_members(self.best_weights, old_weights, old_module, remaining)
        self._make_solver()
        self.solver.n_steps = old_solver.n_steps
        for new, old in zip(self.solver.buffers(), old_solver.buffers(), strict=True):
            self._copy_members([new], [old], old_module, remaining)
        if self.averager is not None and self.module is not old_module:
            old_averager, self.averager = self.averager, Averager(self.module)
            self._copy_members(self.averager.average, old_averager.average, old_module, remaining)

    def _copy_members(self, new: list[Tensor], old: list[Tensor], old_module, remaining: list[int]) -> None:
        """Copy the parts of the remaining members between buffers in the layout of a module."""
        for new_part, old_part in zip(self.module.member_views(new), old_module.member_views(old), strict=True):
            new_part.copy_(old_part[remaining])
