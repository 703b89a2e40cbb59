"""Preparation of a fit from an estimator and data, and fitted attributes from its result.

Every fit is ``prepare``, the training of :mod:`skreg.engine`, and ``finish``: `fit` calls the three for one estimator,
and searches, paths and comparisons call the same functions for many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skreg._estimator.advice import (
    advice_on_data,
    convergence_messages,
    row_messages,
    settings_messages,
    unused_messages,
)
from skreg._estimator.attributes import forget
from skreg._estimator.checks import (
    check_device,
    check_parameters_together,
    check_range,
    dropout_rates,
    hidden_units,
)
from skreg._estimator.columns import resolved_penalty
from skreg._estimator.data import Table, learnable_data
from skreg._estimator.fitted import outputs_in_blocks
from skreg._estimator.history import PreviousHistory
from skreg._estimator.parameters import axis_fields
from skreg._estimator.resuming import check_checkpoint, check_epochs_left, description, landmark_arrays
from skreg._estimator.shared_checks import SharedChecks
from skreg._estimator.steps import resolved_batch_size, resolved_epochs
from skreg._estimator.weights import attributes_of, load_parameters, module_of
from skreg._seeds import SEEDS, draw_seeds, seed_arrays
from skreg._warnings import Advice, Message
from skreg.constraints._resolve import resolve_constraint
from skreg.engine.batches import Rows, n_epoch_batches
from skreg.engine.dataset import Dataset
from skreg.engine.spec import FitResult, FitSpec, NetworkSpec, RowChoice, StoppingRule
from skreg.engine.threads import for_autograd, on_one_thread
from skreg.losses import Loss
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty
from skreg.solvers import LBFGS, SGD, Adam, Schedule

# L-BFGS trains in float64, also for X in float32. Rounding may cost errors of outputs up to this share of their
# standard deviation (0.01 in R²), and, where they hardly vary, of their size.
LARGEST_ROUNDING = 0.1
ROUNDING_OF_OUTPUTS = 1e-5

_HISTORY_COLUMNS = ("epoch", "train_loss", "penalty", "train_score", "valid_loss", "valid_score", "lr")


@dataclass
class PendingFit:
    """An estimator whose fit is prepared but not trained.

    Attributes
    ----------
    estimator : estimator
        The estimator, with the attributes of its checks.
    spec : FitSpec
        Description of the fit.
    dataset : Dataset
        The rows.
    table, valid_table : Table
        The rows as the user gave them, to train on and (or None) to validate on.
    previous : PreviousHistory
        History of earlier epochs.
    is_warm_start : bool
        Whether training starts from the fitted weights.
    advice : sequence of Advice
        Warnings about the scale of X and targets.
    """

    estimator: object
    spec: FitSpec
    dataset: Dataset
    table: Table
    valid_table: Table | None
    previous: PreviousHistory
    is_warm_start: bool
    advice: Sequence[Advice]


@for_autograd
@on_one_thread
def prepare(
    estimator,
    X,
    y,
    sample_weight=None,
    *,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    groups=None,
    checkpoint: Mapping | None = None,
    checks: SharedChecks | None = None,
    messages: list[Message] | None = None,
) -> PendingFit:
    """Check an estimator and data, and return the pending fit.

    Parameters
    ----------
    estimator : BaseRegularizedMLP
        The estimator, which gets the attributes of the checks.
    X, y, sample_weight, X_val, y_val, sample_weight_val, groups : array-like
        The arguments of `fit`.
    checkpoint : mapping of str to ndarray or None, default=None
        Training state to continue from.
    checks : SharedChecks or None, default=None
        Results of the checks of the data in other fits.
    messages : list or None, default=None
        Warnings are appended to it, also those that were found before an error.

    Returns
    -------
    PendingFit
        The fit, with its spec and its data set.

    Raises
    ------
    ValueError
        If parameters or data do not allow a fit.
    """
    is_warm_start = checkpoint is None and estimator.warm_start and hasattr(estimator, "coefs_")
    if not is_warm_start:
        forget(estimator)
    messages = [] if messages is None else messages
    messages += unused_messages(estimator, () if X_val is None else ("scoring",))
    penalty = check_parameters_together(estimator)
    if checks is None or (is_warm_start and not checks.warm_starts):
        table = learnable_data(estimator, X, y, sample_weight, is_warm_start)
        advice = advice_on_data(estimator, table)
    else:
        table, advice = checks.learnable_data(estimator, X, y, sample_weight)
    checks = checks or SharedChecks()
    valid_table, differences = checks.validation_data(estimator, table, X_val, y_val, sample_weight_val, groups)
    network, loss, penalty, penalties = network_of_estimator(estimator, table, penalty)
    messages += settings_messages(estimator, advice, penalties) + estimator._target_messages(table) + differences
    previous, seeds = history_and_seeds(estimator, checkpoint, network, is_warm_start)
    dataset = Dataset(table.X, table.targets, table.sample_weight)
    if valid_table is not None:
        dataset.validation = Dataset(valid_table.X, valid_table.targets, valid_table.sample_weight)
    train, valid, valid_table = row_choices(estimator, table, valid_table, groups, seeds["split"])
    spec = make_spec(
        estimator,
        network,
        loss,
        penalty,
        penalties,
        train=train,
        valid=valid,
        seeds=seeds,
        start=fitted_start(estimator, network) if is_warm_start else None,
        n_rows_before=previous.t,
    )
    check_epochs_left(estimator, checkpoint, spec.stopping.max_epochs)
    messages += row_messages(estimator, train, valid, table, valid_table)
    set_prediction_attributes(estimator, spec, table)
    return PendingFit(estimator, spec, dataset, table, valid_table, previous, is_warm_start, advice)


def history_and_seeds(
    estimator, checkpoint: Mapping | None, network: NetworkSpec, is_warm_start: bool
) -> tuple[PreviousHistory, dict[str, int]]:
    """Return the history before a fit, and its seeds: new ones, or those of a checkpoint."""
    seeds = draw_seeds(estimator.random_state, *SEEDS)
    if checkpoint is not None:
        previous = check_checkpoint(estimator, checkpoint, network)
        return previous, {name: int(checkpoint[f"seed_{name}"]) for name in SEEDS}
    if is_warm_start:
        return PreviousHistory(loss_curve=estimator.loss_curve_, t=estimator.t_), seeds
    return PreviousHistory(), seeds


def row_choices(
    estimator, table: Table, valid_table: Table | None, groups, seed: int
) -> tuple[RowChoice, RowChoice | None, Table | None]:
    """Return the rows to train on, and those to validate on with their table; None without validation.

    Rows to validate on are those that the user has given, or a part of the training rows.
    """
    train, valid, of_validation_data = table.nonzero_weight_indices, None, valid_table is not None
    if of_validation_data:
        valid = valid_table.nonzero_weight_indices
    elif estimator.early_stopping:
        train, valid = estimator._split(table, groups, seed)
        valid_table = table
    class_weights = estimator._class_weights(table, train)
    choice = None if valid is None else RowChoice(valid, class_weights, of_validation_data=of_validation_data)
    return RowChoice(train, class_weights), choice, valid_table


def network_of_estimator(
    estimator, table: Table, penalty: Penalty | None, dtype=None
) -> tuple[NetworkSpec, Loss, Penalty | None, tuple[LayerPenalty | None, ...]]:
    """Return the network and the loss of an estimator for some data, and its penalty there, also by weight matrix."""
    loss = estimator._make_loss()
    is_lbfgs = estimator.solver == "lbfgs"
    if is_lbfgs and not (loss.smooth or callable(estimator.loss)):  # a user's function is trusted
        raise ValueError(
            f"solver='lbfgs' needs a smooth objective; got loss={estimator.loss!r}. Use solver='adam' or 'sgd'."
        )
    units = hidden_units(estimator)
    # The line search of L-BFGS needs more digits than float32 has.
    is_single = (dtype or table.X.dtype) == np.float32 and not is_lbfgs
    network = NetworkSpec(
        layer_units=(table.X.shape[1], *units, loss.n_outputs(table.targets.shape[1])),
        activation=estimator.activation,
        normalization=estimator.normalization,
        dropout=tuple(dropout_rates(estimator.dropout, len(units))),
        input_dropout=float(estimator.input_dropout),
        skip=penalty is not None and penalty.skip,
        dtype=torch.float32 if is_single else torch.float64,
        device=check_device(estimator),
    )
    check_range(estimator, network.dtype)
    units, penalty = network.layer_units, resolved_penalty(estimator, penalty)
    return network, loss, penalty, (None,) * (len(units) - 1) if penalty is None else tuple(penalty.for_layers(units))


def make_spec(
    estimator,
    network: NetworkSpec,
    loss: Loss,
    penalty: Penalty | None,
    penalties: tuple[LayerPenalty | None, ...],
    *,
    train: RowChoice,
    valid: RowChoice | None = None,
    **options,
) -> FitSpec:
    """Return the description of an estimator's fit to some rows; ``options`` are further fields of the spec."""
    batch_size = resolved_batch_size(estimator, len(train))
    max_epochs, patience = resolved_epochs(estimator, n_epoch_batches(len(train), batch_size, network.smallest_batch))
    options.setdefault(
        "stopping",
        StoppingRule(
            max_epochs=max_epochs,
            is_early=bool(estimator.early_stopping),
            is_scored=valid is not None and estimator.scoring != "loss",
            tol=estimator.tol,
            n_iter_no_change=patience,
        ),
    )
    return FitSpec(
        network=network,
        loss=loss,
        penalty=penalty,
        penalties=penalties,
        constraints=tuple(resolve_constraint(estimator.constraint, penalties)),
        solver=solver_of(estimator),
        target_rules=estimator._target_rules,
        **axis_fields(estimator),
        train=train,
        valid=valid,
        batch_size=batch_size,
        schedule=schedule_of(estimator, max_epochs),
        shuffle=estimator.shuffle,
        **options,
    )


def solver_of(estimator) -> Adam | SGD | LBFGS:
    """Return the settings of an estimator's solver."""
    if estimator.solver == "lbfgs":
        return LBFGS(estimator.max_fun)
    decay = float(estimator.weight_decay)
    if estimator.solver == "sgd":
        return SGD(estimator.momentum, estimator.nesterovs_momentum, decay)
    return Adam(estimator.beta_1, estimator.beta_2, estimator.epsilon, decay)


def schedule_of(estimator, max_epochs: int) -> Schedule:
    """Return an estimator's schedule for a number of epochs."""
    rule = estimator.learning_rate
    return Schedule(rule, estimator.learning_rate_init, estimator.power_t, max_epochs if rule == "cosine" else 0)


def fitted_start(estimator, network: NetworkSpec) -> tuple[np.ndarray, ...]:
    """Return the weights of a fitted estimator, to start from."""
    module = network.module()
    load_parameters(estimator, module)
    return tuple(tensor.numpy(force=True).copy() for tensor in module.state())


def set_prediction_attributes(estimator, spec: FitSpec, table: Table) -> None:
    """Set the attributes on which predictions depend beside the weights."""
    estimator.out_activation_, estimator._n_targets = spec.loss.out_activation, table.targets.shape[1]
    estimator._store_prediction_parameters()


@on_one_thread
def finish(pending: PendingFit, result: FitResult, dtype=None) -> list[Message]:
    """Set the fitted attributes of an estimator from the result of its fit, and return the warnings.

    Parameters
    ----------
    pending : PendingFit
        The fit.
    result : FitResult
        The result.
    dtype : dtype or None, default=None
        Type of the fitted attributes; None is that of X.

    Returns
    -------
    list of tuple
        Message and category of each warning.

    Raises
    ------
    ValueError
        If the fit has failed, for instance because training has diverged, or if the result is of another spec.
    Exception
        Any error of a user's loss.
    """
    if result.error is not None:
        raise result.error
    estimator, spec = pending.estimator, pending.spec
    if result.token != spec.token:
        raise ValueError("The result must be of the fit that is to be finished; got that of another one.")
    set_weights(estimator, result, spec, dtype or pending.table.X.dtype)
    vars(estimator).pop("_training_state", None)
    if result.training_state is not None:
        described = description(estimator, spec.network) | seed_arrays(spec.seeds)
        estimator._training_state = result.training_state | described | landmark_arrays(estimator, pending.table)
    check_precision(pending, result)
    set_history(estimator, result, pending.previous)
    estimator.n_iter_ = result.n_epochs
    if result.converged:
        return result.warnings
    return result.warnings + convergence_messages(estimator, result, spec.stopping.max_epochs, pending.advice)


def set_weights(estimator, result: FitResult, spec: FitSpec, dtype) -> None:
    """Set the attributes of the fitted network."""
    vars(estimator).update(attributes_of(result.weights, spec.network, dtype))
    vars(estimator).pop("pruning_", None)  # of an earlier network
    estimator.penalty_ = spec.penalty


def check_precision(pending: PendingFit, result: FitResult) -> None:
    """Raise ValueError if predictions need the precision of training, which the fitted attributes do not have."""
    estimator, network = pending.estimator, pending.spec.network
    dtype = estimator.coefs_[0].dtype
    if network.dtype != torch.float64 or dtype == np.float64:
        return
    rows = pending.dataset.rows(pending.spec.train, network.dtype, network.device)
    trained = outputs_in_blocks(module_of(result.weights, network), rows)
    fitted = estimator._fitted_module()
    fitted_rows = Rows(rows.X, fitted.flat.new_empty(len(rows), estimator.n_outputs_), None, rows.indices)
    difference = outputs_in_blocks(fitted, fitted_rows).double() - trained
    spread = (trained - trained.mean(dim=0)).square().mean().sqrt()
    largest = LARGEST_ROUNDING * spread + ROUNDING_OF_OUTPUTS * trained.square().mean().sqrt()
    if not difference.square().mean().sqrt() <= largest:
        raise ValueError(
            f"The fitted network cannot be stored in {dtype}, the type of X: its predictions would differ from those "
            "of training. Scale X, for instance with make_pipeline(StandardScaler(), ...), or convert it to float64."
        )


def set_history(estimator, result: FitResult, previous: PreviousHistory) -> None:
    """Set the attributes of the history of training."""
    epochs = result.epochs
    estimator.history_, objective = previous.history, []
    if len(epochs):  # none if a checkpoint is of a fit that had come to its end
        names = [name for name in _HISTORY_COLUMNS if name in epochs[0]]
        history = {name: np.array([epoch[name] for epoch in epochs]) for name in names}
        history["stopping_reason"] = np.array([""] * (len(epochs) - 1) + [result.stopping_reason])
        objective = (history["train_loss"] + history["penalty"]).tolist()
        estimator.history_ = previous.joined(history)
    estimator.loss_curve_ = [*previous.loss_curve, *objective]
    estimator.loss_ = estimator.loss_curve_[-1]
    estimator.t_ = previous.t + result.n_rows * len(epochs)
    estimator.best_epoch_ = result.best_epoch
    estimator.best_loss_ = None if result.stops_early else previous.least_loss(objective)
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    if result.is_validated:
        scores = estimator.history_["valid_score"]
        estimator.validation_scores_ = scores.tolist()
        best = np.flatnonzero(estimator.history_["epoch"] == result.best_epoch)[-1]
        estimator.best_validation_score_ = float(scores[best])
