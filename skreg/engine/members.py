"""Members of a population, and their penalties, rules and numbers stacked along the member axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from torch import Tensor

from skreg.engine.batches import MemberBatches, Rows
from skreg.engine.dataset import Dataset
from skreg.engine.monitor import TrainingMonitor
from skreg.engine.shared_batches import SharedBatches
from skreg.engine.spec import FitResult, FitSpec, RowChoice, needs_dense_inputs
from skreg.penalties._base import LayerPenalty


@dataclass
class Member:
    """A network in training.

    Attributes
    ----------
    index : int
        Index of its fit.
    spec : FitSpec
        Description of its fit.
    rows, valid_rows : Rows
        Rows to train on and (or None) to validate on.
    monitor : TrainingMonitor
        Decides when its training ends.
    """

    index: int
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
            constant_loss=monitor.constant_loss,
            n_rows=len(self.rows),
            token=self.spec.token,
        )


def make_members(fits: Sequence[tuple[FitSpec, Dataset]]) -> list[Member]:
    """Return the members of some fits, with those that read the same rows in the same order next to each other.

    A reader then reads these rows once for all of them.
    """
    known: dict[tuple, Rows] = {}

    def shared(key: tuple, read: Callable, *arguments) -> Rows:
        if key not in known:
            known[key] = read(*arguments)
        return known[key]

    by_reader: dict[tuple, list[Member]] = {}
    for index, (spec, dataset) in enumerate(fits):
        dataset.check(spec)
        key = (id(dataset), _content(spec.train), spec.target_rules)
        rows, valid_rows = shared(key, dataset.training_rows, spec), None
        if spec.valid is not None:
            of_network = spec.network.dtype, spec.network.device
            valid_rows = shared((id(dataset), _content(spec.valid)), dataset.rows, spec.valid, *of_network)
        schedule = spec.schedule.rule if spec.solver.takes_steps else None
        monitor = TrainingMonitor(spec.stopping, spec.schedule.initial, schedule, spec.n_batches, spec.batch_transforms)
        member = Member(index, spec, rows, valid_rows, monitor)
        by_reader.setdefault((id(rows), spec.seeds["shuffle"]), []).append(member)
    return [member for members in by_reader.values() for member in members]


def training_batches(members: Sequence[Member], block_bytes: int | None) -> MemberBatches:
    """Return the batches of some members to train on."""
    specs = [member.spec for member in members]
    spans = [spec.spans() for spec in specs]
    seeds = [spec.seeds["shuffle"] if spec.shuffle else None for spec in specs]
    n_shared = specs[0].network.n_shared
    if n_shared > 1:  # which is a population of its own
        return SharedBatches(members[0].rows, spans[0], seeds[0], n_shared, block_bytes)
    rows = [member.rows for member in members]
    return MemberBatches(rows, spans, seeds, block_bytes, is_dense=needs_dense_inputs(specs))


def _content(choice: RowChoice) -> tuple:
    weights = () if choice.class_weights is None else choice.class_weights.of_class
    return (
        choice.indices.tobytes(),
        tuple(values.tobytes() for values in weights),
        choice.of_validation_data,
    )


def stacked_numbers(values: Sequence[float], like: Tensor) -> float | Tensor:
    """Return the number that all members have, or a tensor of shape (n_members, 1, 1) if they differ."""
    if all(value == values[0] for value in values):
        return values[0]
    return like.new_tensor(values).view(-1, 1, 1)


def stacked(items: Sequence, like: Tensor):
    """Return one object for all members, with a tensor for each of its numbers in which they differ."""
    first, varying = items[0], {}
    for name in first.member_parameters:
        values = [getattr(item, name) for item in items]
        if any(value != values[0] for value in values):
            varying[name] = stacked_numbers([float(value) for value in values], like)
    return clone(first).set_params(**varying) if varying else first


def stacked_penalty(penalties: Sequence[LayerPenalty | None], like: Tensor) -> LayerPenalty | None:
    """Return one penalty for all members on a weight matrix; None if no member has one."""
    given = [penalty for penalty in penalties if penalty is not None]
    if not given:
        return None
    alpha = stacked_numbers([0.0 if penalty is None else penalty.alpha for penalty in penalties], like)
    # The strength of a member without penalty is zero, so its other numbers do not matter.
    return LayerPenalty(stacked([(p or given[0]).penalty for p in penalties], like), alpha, given[0].options)


def stacked_rules(rules: Sequence[Sequence], like: Tensor) -> list:
    """Return one rule for all members at each place of their lists; None where they have none."""
    return [None if items[0] is None else stacked(items, like) for items in zip(*rules, strict=True)]
