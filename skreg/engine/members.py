"""Networks in training, and the objects that stand for those of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from torch import Tensor

from skreg.engine.batches import Rows
from skreg.engine.dataset import Dataset
from skreg.engine.monitor import TrainingMonitor
from skreg.engine.spec import FitResult, FitSpec, RowChoice
from skreg.penalties._base import LayerPenalty


@dataclass
class Member:
    """A network in training.

    Attributes
    ----------
    number : int
        Its place among the fits.
    spec : FitSpec
        How it is trained.
    rows, valid_rows : Rows
        Rows to train on and (or None) to validate on.
    monitor : TrainingMonitor
        Judges its epochs.
    """

    number: int
    spec: FitSpec
    rows: Rows
    valid_rows: Rows | None
    monitor: TrainingMonitor

    def result(self, weights: list[np.ndarray]) -> FitResult:
        """Return the result of the training."""
        monitor = self.monitor
        return FitResult(
            weights=weights,
            epochs=monitor.history,
            best_epoch=monitor.best_epoch,
            stops_early=monitor.rule.is_early,
            is_validated=self.valid_rows is not None,
            stopping_reason=monitor.stopping_reason,
            converged=monitor.converged,
            n_epochs=monitor.epoch,
            n_rows=len(self.rows),
            token=self.spec.token,
        )


def make_members(fits: Sequence[tuple[FitSpec, Dataset]]) -> list[Member]:
    """Return the members of some fits; those that read the same rows with the same seed stand beside each other.

    Then rows are read once for all of these.
    """
    known: dict[tuple, Rows] = {}

    def shared(key: tuple, read: Callable, *arguments) -> Rows:
        if key not in known:
            known[key] = read(*arguments)
        return known[key]

    by_reader: dict[tuple, list[Member]] = {}
    for number, (spec, dataset) in enumerate(fits):
        dataset.check(spec)
        key = (id(dataset), _content(spec.train), spec.target_rules)
        rows, valid_rows = shared(key, dataset.training_rows, spec), None
        if spec.valid is not None:
            of_network = spec.network.dtype, spec.network.device
            valid_rows = shared((id(dataset), _content(spec.valid)), dataset.rows, spec.valid, *of_network)
        schedule = spec.schedule.rule if spec.solver.takes_steps else None
        monitor = TrainingMonitor(spec.stopping, spec.schedule.initial, schedule, spec.n_batches, spec.batch_transforms)
        member = Member(number, spec, rows, valid_rows, monitor)
        by_reader.setdefault((id(rows), spec.seeds["shuffle"]), []).append(member)
    return [member for members in by_reader.values() for member in members]


def _content(choice: RowChoice) -> tuple:
    weights = () if choice.class_weights is None else choice.class_weights.of_class
    return (
        choice.indices.tobytes(),
        tuple(values.tobytes() for values in weights),
        choice.of_validation_data,
    )


def common(values: Sequence[float], like: Tensor) -> float | Tensor:
    """Return a number if all members have the same one, else a tensor of shape (n_members, 1, 1)."""
    if all(value == values[0] for value in values):
        return values[0]
    return like.new_tensor(values).view(-1, 1, 1)


def stacked(items: Sequence, like: Tensor):
    """Return one object for all members: of their class, with numbers of their own where these differ."""
    first, varying = items[0], {}
    for name in first.member_parameters:
        values = [getattr(item, name) for item in items]
        if any(value != values[0] for value in values):
            varying[name] = common([float(value) for value in values], like)
    return clone(first).set_params(**varying) if varying else first


def stacked_penalty(penalties: Sequence[LayerPenalty | None], like: Tensor) -> LayerPenalty | None:
    """Return one penalty for all members, on one weight matrix."""
    given = [penalty for penalty in penalties if penalty is not None]
    if not given:
        return None
    alpha = common([0.0 if penalty is None else penalty.alpha for penalty in penalties], like)
    # The strength of a member without penalty is zero, so its other numbers do not matter.
    return LayerPenalty(stacked([(p or given[0]).penalty for p in penalties], like), alpha, given[0].options)


def stacked_rules(rules: Sequence[Sequence], like: Tensor) -> list:
    """Return one rule for all members at each place; None where there is none."""
    return [None if items[0] is None else stacked(items, like) for items in zip(*rules, strict=True)]
