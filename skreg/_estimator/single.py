"""Training of a single network under skorch, with callbacks, scorers, checkpoints and a refit on all rows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from sklearn.metrics import check_scoring

from skreg._estimator.advice import batch_size_messages
from skreg._estimator.data import concatenated
from skreg._estimator.prepare import PendingFit
from skreg._estimator.scoring import check_takes_weights, score_of
from skreg._estimator.steps import resolved_batch_size
from skreg._estimator.weights import attributes_of
from skreg.adapters.callbacks import TaskCallback, callbacks_of_batches
from skreg.adapters.skorch import RegularizedNet
from skreg.engine.checkpoints import check_like, named_arrays
from skreg.engine.dataset import Dataset, rescaled
from skreg.engine.objective import start_outputs
from skreg.engine.spec import FitResult, RowChoice, StoppingRule
from skreg.engine.state import BEST_WEIGHTS, name_of_best_weights, snapshot_of
from skreg.engine.threads import StopSignal, for_autograd, limited_threads, on_one_thread, step_flops
from skreg.engine.trainer import Trainer


def train(trainer: Trainer, *, callbacks=(), verbose: bool = False) -> FitResult:
    """Train under skorch and return the result; errors are raised."""
    spec, start = trainer.spec, time.perf_counter()
    with limited_threads(step_flops(spec.network.layer_units, spec.batch_size)):
        result = RegularizedNet(trainer, callbacks=list(callbacks or []), verbose=verbose).train()
    result.seconds = time.perf_counter() - start
    return result


@for_autograd
@on_one_thread
def train_pending(
    pending: PendingFit, checkpoint: Mapping | None, task=None, stopped: StopSignal | None = None
) -> FitResult:
    """Train a pending fit by itself and return the result.

    ``task`` is that of scikit-learn's callbacks, if there are any; ``stopped`` is the signal to abandon the fit.
    """
    estimator = pending.estimator
    trainer = Trainer(
        [(pending.spec, pending.dataset)],
        stopped=stopped,
        score_validation=make_validation_scorer(pending),
        state=checkpoint,
        restore="last",
    )
    callbacks = list(estimator.callbacks or [])
    if task is not None:
        callbacks.append(("scikit_learn_callbacks", task_callback(task, pending, trainer)))
    refits = estimator.refit_on_all
    if refits:
        origin, is_new = start_of_refit(pending, trainer, checkpoint)
    result = train(trainer, callbacks=callbacks, verbose=estimator.verbose)
    if not refits:
        return result
    if estimator.early_stopping:
        again = refit(pending, result, trainer, origin, is_new=is_new)
        name = name_of_best_weights(again.training_state)
        result.weights = again.weights
        result.training_state |= {
            f"{BEST_WEIGHTS}_{number}": again.training_state[f"{name}_{number}"] for number in range(len(origin))
        }
    result.training_state |= named_arrays("origin", origin) | {"origin_is_new": np.asarray(is_new)}
    return result


def start_of_refit(pending: PendingFit, trainer: Trainer, checkpoint) -> tuple[list[torch.Tensor], bool]:
    """Return the weights at the start of a fit, and whether these were newly drawn."""
    if checkpoint is None:
        return trainer.start_weights, not pending.is_warm_start
    if "origin_0" not in checkpoint:
        raise ValueError("refit_on_all=True needs a checkpoint of a fit with refit_on_all=True; got one without.")
    flag = {"origin_is_new": checkpoint.get("origin_is_new", np.asarray(False))}
    check_like(flag, {"origin_is_new": np.asarray(False)})
    return snapshot_of(checkpoint, "origin", trainer.module), bool(flag["origin_is_new"])


def refit(pending: PendingFit, result: FitResult, trainer: Trainer, origin, *, is_new: bool) -> FitResult:
    """Train on all rows, from the weights at the start up to the best epoch.

    ``is_new`` tells whether these weights were newly drawn.
    """
    estimator, spec, table, previous = pending.estimator, pending.spec, pending.table, pending.previous
    # A checkpoint is of this fit: the epochs before it had fewer rows.
    n_epochs_before = len(previous.history.get("epoch", []))
    n_rows_before = previous.t - len(spec.train) * n_epochs_before
    if n_rows_before < 0:
        raise ValueError(
            "The checkpoint must be of a fit to at least as many rows; got one that processed "
            f"{previous.t} rows in {n_epochs_before} epochs, which have {len(spec.train)} rows each in this call."
        )
    if pending.valid_table is not table:
        table = concatenated(table, pending.valid_table)
    dataset = Dataset(table.X, table.targets, table.sample_weight)
    indices = table.nonzero_weight_indices
    rows = RowChoice(indices, estimator._class_weights(table, indices))
    result.warnings += batch_size_messages(estimator, len(rows))
    module = spec.network.module()
    module.restore(origin)
    if is_new:
        own = dataset.training_rows(replace(spec, train=rows))
        module.biases[-1].data[0, 0] = start_outputs(spec.loss, own)
    rates = (*previous.history.get("lr", []), *(epoch["lr"] for epoch in result.epochs))
    again = replace(
        spec,
        train=rows,
        valid=None,
        batch_size=resolved_batch_size(estimator, len(rows)),
        schedule=replace(spec.schedule, replayed=tuple(map(float, rates))),
        stopping=StoppingRule(spec.stopping.max_epochs, n_iter_no_change=np.inf, n_epochs=result.best_epoch),
        start=tuple(tensor.numpy(force=True).copy() for tensor in module.state()),
        n_rows_before=n_rows_before,
    )
    callbacks = callbacks_of_batches(estimator.callbacks)
    return train(Trainer([(again, dataset)], stopped=trainer.stopped), callbacks=callbacks, verbose=estimator.verbose)


def task_callback(task, pending: PendingFit, trainer: Trainer) -> TaskCallback:
    """Return the callback that notifies those of scikit-learn of epochs; they get the training rows."""
    table, rows, spec = pending.table, pending.spec.train.indices, pending.spec
    taken = cache(lambda: table.source_rows(rows))
    weights = table.sample_weight

    def attributes() -> dict:
        with trainer.averaged_weights():
            return attributes_of(trainer.module.arrays(), spec.network, table.X.dtype)

    return TaskCallback(
        task,
        estimator=pending.estimator,
        X=lambda: taken()[0],
        y=lambda: taken()[1],
        metadata=None if weights is None else {"sample_weight": weights[rows]},
        reconstruction_attributes=attributes,
    )


def make_validation_scorer(pending: PendingFit) -> Callable[[list], float] | None:
    """Return a function that scores weights on the validation rows; None if the loss is monitored."""
    estimator, spec = pending.estimator, pending.spec
    if not spec.stopping.is_scored:
        return None
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    table, rows = pending.valid_table, spec.valid.indices
    X, y = table.source_rows(rows)
    weights = {}
    if table.sample_weight is not None:
        check_takes_weights(scorer, estimator.scoring)
        weights["sample_weight"] = rescaled(table.sample_weight[rows])

    def score(arrays: list[np.ndarray]) -> float:
        vars(estimator).update(attributes_of(arrays, spec.network, pending.table.X.dtype))
        return score_of(scorer, estimator.scoring, estimator, X, y, rows="validation", **weights)

    return score
