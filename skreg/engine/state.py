"""State of the training of one network, as plain arrays, from which another trainer continues exactly."""

import math
import re

import numpy as np
import torch
from torch import Tensor

from skreg.engine.checkpoints import LARGEST_COUNT, check_like, check_range, named_arrays, tensors_of
from skreg.network.mlp import MLP

# In checkpoints, the best weights are "kept": "best" are those of early stopping, before callbacks may change them.
BEST_WEIGHTS = "kept"


def snapshot_of(state: dict[str, np.ndarray], name: str, module: MLP) -> list[Tensor]:
    """Return a snapshot of a module from a checkpoint; raise ValueError if it cannot be one."""
    tensors = tensors_of(state, name, module.snapshot())
    n_arrays = len(tensors)
    for number in range(n_arrays - len(module.running_variances), n_arrays):
        check_range(state, f"{name}_{number}", 0)
    return tensors


def name_of_best_weights(state: dict[str, np.ndarray]) -> str:
    """Return the name of the best weights in a training state, which leaves them out where they are the last ones."""
    return BEST_WEIGHTS if f"{BEST_WEIGHTS}_0" in state else "last"


def _generators(trainer) -> dict[str, torch.Generator]:
    """Return the generators of a trainer, without that of an order that is given."""
    generators = {"shuffle": trainer.batches.readers[0].generator, "dropout": trainer.dropout}
    if trainer.random is not None:
        (generators["augmentation"],) = trainer.random.generators.values()
    return {name: generator for name, generator in generators.items() if generator is not None}


def training_state(trainer, last: list[Tensor]) -> dict[str, np.ndarray]:
    """Return the state of a training, as copies in plain arrays.

    Parameters
    ----------
    trainer : Trainer
        Of one network, which has the best weights.
    last : list of Tensor
        The weights of the last step.
    """
    monitor = trainer.monitor
    numbers = {
        "epoch": monitor.epoch,
        "n_rows_seen": trainer.n_rows_seen,
        "n_steps": 0 if trainer.solver is None else trainer.solver.n_steps,
        "n_normalized_batches": trainer.module.n_batches,
        "initial_lr": monitor.initial_lr,
        "lr": trainer.lr,
        "best_value": monitor.patience.best,
        "n_waiting": monitor.patience.n_waiting,
        "stops_early": monitor.rule.is_early,
        "best_epoch": monitor.best_epoch,
        "first_loss": 0.0 if monitor.first_loss is None else monitor.first_loss,
        "lowest_train_loss": monitor.lowest["train_loss"],
        "lowest_valid_loss": monitor.lowest["valid_loss"],
    }
    buffers = [] if trainer.solver is None else trainer.solver.buffers()
    tensors = {"last": last, "best": trainer.best_weights or [], "buffer": buffers}
    if trainer.averager is not None:
        tensors["average"] = trainer.averager.average
    best_weights = trainer.module.state()
    has_others = trainer.best_weights is not None or trainer.averager is not None
    if has_others or not all(map(torch.equal, best_weights, last)):
        tensors[BEST_WEIGHTS] = best_weights
    arrays = {name: np.asarray(value) for name, value in numbers.items()}
    generators = _generators(trainer)
    arrays |= {f"generator_{name}": g.get_state().numpy(force=True).copy() for name, g in generators.items()}
    for name, group in tensors.items():
        arrays |= named_arrays(name, group)
    return arrays


def restore_state(trainer, state: dict[str, np.ndarray], restore: str | None) -> None:
    """Set a trainer to the state of another one.

    Parameters
    ----------
    trainer : Trainer
        Of one network, before its first epoch.
    state : dict of str to ndarray
        The :func:`training_state` of the other.
    restore : {None, "last", "best"}
        Which weights of the state the network gets: none, those of the last step, or the best ones, those of a result.

    Raises
    ------
    ValueError
        If the state is not one of such a trainer, or if members share weights: their batches go on from the epochs
        before, which no state holds.
    """
    if trainer.spec.network.n_shared > 1:
        raise ValueError("Training of members that share weights cannot continue from a state; got one.")
    module, monitor, rule = trainer.module, trainer.monitor, trainer.monitor.rule
    expected = training_state(trainer, module.snapshot())
    # Snapshots are checked where they are needed.
    snapshots = re.compile(rf"({BEST_WEIGHTS}|best)_\d+")
    expected = {name: array for name, array in expected.items() if not snapshots.fullmatch(name)}
    for name in ("generator_shuffle", "generator_augmentation"):
        if name not in state:  # rows had the given order, or were not changed, so far
            expected.pop(name, None)
    if trainer.averager is not None and "average_0" not in state:
        raise ValueError("The checkpoint is of a fit without weight averaging. Set averaging=None to continue it.")
    check_like(state, expected)
    _check_numbers(state)
    if restore is not None:
        module.restore(snapshot_of(state, name_of_best_weights(state) if restore == "best" else "last", module))
    monitor.epoch = monitor.best_epoch = monitor.patience.n_epochs = int(state["epoch"])
    trainer.n_rows_seen = int(state["n_rows_seen"])
    trainer.solver.n_steps = int(state["n_steps"])
    module.n_batches = int(state["n_normalized_batches"])
    if monitor.initial_lr == float(state["initial_lr"]):
        trainer.lr = monitor.lr = float(state["lr"])  # which an adaptive schedule has lowered
    monitor.first_loss = float(state["first_loss"])
    monitor.lowest = {name: float(state[f"lowest_{name}"]) for name in monitor.lowest}
    stopped_early = bool(state["stops_early"])
    if rule.is_early == stopped_early:  # otherwise another value was monitored
        monitor.patience.best, monitor.patience.n_waiting = float(state["best_value"]), int(state["n_waiting"])
    if rule.is_early and stopped_early:
        trainer.best_weights = snapshot_of(state, "best", module)
        monitor.best_epoch = int(state["best_epoch"])
    _restore_buffers(trainer, state)
    if trainer.averager is not None:
        # The mean belongs to the weights that training has ended with; others begin a mean of their own.
        is_last = restore == "last"
        trainer.averager.average = snapshot_of(state, "average", module) if is_last else module.snapshot()
    if rule.n_epochs is not None:
        monitor.last_epoch = monitor.epoch + rule.n_epochs
    else:  # a fit that had come to its end is not taken beyond it
        monitor.check_stopping()
        trainer.lr = monitor.lr


def _restore_buffers(trainer, state: dict[str, np.ndarray]) -> None:
    """Restore the states of the solver and of the generators."""
    buffers = trainer.solver.buffers()
    for number in trainer.solver.nonnegative_buffers:
        check_range(state, f"buffer_{number}", 0)
    for buffer, saved in zip(buffers, tensors_of(state, "buffer", buffers), strict=True):
        buffer.copy_(saved)
    for name, generator in _generators(trainer).items():
        if f"generator_{name}" in state:
            try:
                generator.set_state(torch.tensor(state[f"generator_{name}"], device="cpu"))
            except RuntimeError as error:
                raise ValueError(f"The checkpoint is damaged: 'generator_{name}' has no valid state.") from error


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
