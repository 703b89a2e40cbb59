"""Checkpoints of an estimator from which training is resumed."""

from collections.abc import Mapping

import numpy as np

from skreg._estimator.data import Table
from skreg._estimator.history import PreviousHistory
from skreg._estimator.steps import epochs_in_words
from skreg._estimator.target_transform import restored
from skreg._seeds import SEED_LIMIT, SEEDS, seed_arrays
from skreg.engine.checkpoints import LARGEST_COUNT, check_like, check_range
from skreg.engine.spec import NetworkSpec

# Targets are transformed alike if landmarks agree to within this share of their range, or of themselves.
ROUNDING = 1e-6
RELATIVE_ROUNDING = 1e-13


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


def landmark_arrays(estimator, table: Table) -> dict[str, np.ndarray]:
    """Return transformed targets and what they stand for, by which a checkpoint knows a transformation of targets.

    They are the smallest and the largest transformed target of some rows, and their middle; nothing without one.
    """
    transformer = getattr(estimator, "target_transformer_", None)
    if transformer is None:
        return {}
    targets = table.weighted_targets
    places = np.linspace(targets.min(axis=0), targets.max(axis=0), 3, dtype=np.float64)
    return {"target_places": places, "target_landmarks": restored(transformer, places)}


def _check_targets(estimator, checkpoint: dict[str, np.ndarray]) -> None:
    """Raise ValueError if the weights in a checkpoint are for targets that were transformed in another way."""
    transformer, places = getattr(estimator, "target_transformer_", None), checkpoint.get("target_places")
    if transformer is None or places is None:  # of an earlier version
        return
    check_like(
        checkpoint, {"target_places": np.zeros((3, places.size // 3)), "target_landmarks": np.zeros(places.shape)}
    )
    check_range(checkpoint, "target_places")
    before = checkpoint["target_landmarks"]
    now = restored(transformer, places)
    with np.errstate(invalid="ignore"):  # of infinite ones
        allowed = np.nan_to_num(ROUNDING * np.ptp(before, axis=0), posinf=0)
    is_same = np.isclose(now, before, rtol=RELATIVE_ROUNDING, atol=allowed, equal_nan=True)
    if not is_same.all():
        where = tuple(np.argwhere(~is_same)[0])
        raise ValueError(
            f"The checkpoint is of a fit to other targets: with target_transform={estimator.target_transform!r}, "
            f"{places[where]:.6g} stood for {before[where]:.6g}, and stands for {now[where]:.6g} now. Give the same "
            "rows; or, to go on with other ones in partial_fit, load the pickled estimator first."
        )


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


def check_checkpoint(estimator, checkpoint: dict[str, np.ndarray], network) -> PreviousHistory:
    """Return the history of the epochs before a checkpoint; raise ValueError if it does not match this fit."""
    needed = {name: value.tolist() for name, value in description(estimator, network).items()}
    names = dict.fromkeys([*needed, *(["target_transform"] if "target_transform" in checkpoint else [])])
    found = {name: checkpoint[name].tolist() if name in checkpoint else None for name in names}
    if found != needed:
        raise ValueError(f"The checkpoint is of a fit with {found}; this call's parameters and data need {needed}.")
    _check_targets(estimator, checkpoint)
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
    return PreviousHistory(history, checkpoint["loss_curve"].tolist(), int(checkpoint["t"]))


def check_epochs_left(estimator, checkpoint: Mapping[str, np.ndarray] | None, max_epochs: int) -> None:
    """Raise ValueError if a checkpoint, if there is one, is at the end of a training, or beyond."""
    if checkpoint is not None and checkpoint["epoch"] >= max_epochs:
        raise ValueError(
            f"The checkpoint was taken after {checkpoint['epoch']} epochs; to continue, max_iter must be larger; got "
            f"{epochs_in_words(estimator, max_epochs)}."
        )
