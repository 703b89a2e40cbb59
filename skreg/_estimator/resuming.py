"""Checkpoints of an estimator from which training is resumed."""

import numpy as np

from skreg._estimator.history import PreviousHistory
from skreg._seeds import SEED_LIMIT, SEEDS, seed_arrays
from skreg.engine.checkpoints import LARGEST_COUNT, check_like, check_range
from skreg.engine.spec import NetworkSpec


def description(estimator, network: NetworkSpec) -> dict[str, np.ndarray]:
    """Return the properties that a checkpoint and the fit that continues from it must share."""
    described = {
        "estimator": type(estimator).__name__,
        "loss": estimator.loss if isinstance(estimator.loss, str) else "a function",
        "solver": estimator.solver,
        "layer_units": list(network.layer_units),
        "dtype": str(network.dtype),
    }
    given = getattr(estimator, "target_transform", None)  # of regressors; checkpoints of earlier versions say nothing
    if given is not None:
        described["target_transform"] = given if isinstance(given, str) else type(given).__name__
    return {name: np.asarray(value) for name, value in described.items()}


def _checked_history(checkpoint: dict[str, np.ndarray], n_epochs: int) -> dict[str, np.ndarray]:
    """Return the history in a checkpoint; raise ValueError unless it has ``n_epochs`` epochs."""
    history = {name: array for name, array in checkpoint.items() if name.startswith("history_")}
    always = ("train_loss", "penalty", "train_score", "lr")
    expected = {f"history_{name}": np.zeros(n_epochs) for name in always}
    expected |= {"history_epoch": np.zeros(n_epochs, int), "history_stopping_reason": np.full(n_epochs, "")}
    # A column has NaN where there was no validation, or no learning rate.
    optional = {"history_valid_loss": -np.inf, "history_valid_score": -np.inf, "history_lr": 0}
    check_like(history, expected | {name: np.zeros(n_epochs) for name in optional if name in history})
    unknown = sorted(set(history) - set(expected) - set(optional))
    if unknown:
        raise ValueError(f"The checkpoint is damaged: a history has no column {unknown[0]!r:.100}.")
    for name in always[:-1]:
        check_range(history, f"history_{name}")
    for name in optional.keys() & history.keys():
        check_range({name: history[name][~np.isnan(history[name])]}, name, optional[name])
    if not np.array_equal(history["history_epoch"], np.arange(1, n_epochs + 1)):
        raise ValueError("The checkpoint is damaged: 'history_epoch' must count the epochs from 1.")
    return {name.removeprefix("history_"): array for name, array in history.items()}


def check_checkpoint(estimator, checkpoint: dict[str, np.ndarray], network, epochs_in_total=np.inf) -> PreviousHistory:
    """Return the history of the epochs before a checkpoint; raise ValueError if it does not match this fit."""
    needed = {name: value.tolist() for name, value in description(estimator, network).items()}
    names = dict.fromkeys([*needed, *(["target_transform"] if "target_transform" in checkpoint else [])])
    found = {name: checkpoint[name].tolist() if name in checkpoint else None for name in names}
    if found != needed:
        raise ValueError(f"The checkpoint is of a fit with {found}; this call's parameters and data need {needed}.")
    seeds = seed_arrays(dict.fromkeys(SEEDS, 0))
    n_epochs, n_losses = (checkpoint.get(name, np.empty(0)).size for name in ("history_epoch", "loss_curve"))
    n_losses = max(n_losses, n_epochs)  # a warm start had losses before
    counts = {"t": np.asarray(0), "epoch": np.asarray(0)} | seeds
    check_like(checkpoint, counts | {"loss_curve": np.zeros(n_losses)})
    check_range(checkpoint, "t", 0, LARGEST_COUNT)
    check_range(checkpoint, "epoch", 1, n_epochs)
    check_range(checkpoint, "loss_curve")
    for name in seeds:
        check_range(checkpoint, name, 0, SEED_LIMIT - 1)
    history = _checked_history(checkpoint, n_epochs)
    if checkpoint["epoch"] >= epochs_in_total:
        raise ValueError(
            f"The checkpoint was taken after {checkpoint['epoch']} epochs; to continue, max_iter must be larger; got "
            f"max_iter={estimator.max_iter!r}."
        )
    return PreviousHistory(history, checkpoint["loss_curve"].tolist(), int(checkpoint["t"]))
