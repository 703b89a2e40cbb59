"""Descriptions of fits, and their results.

They are plain data: nothing of the estimator, no rows, no functions but those of the user's own loss. So they can be
pickled and sent to other processes. Parts that regularize are objects that declare their
``member_parameters``: the numbers in which networks that are trained together may differ. All else is their structure,
which they have in common.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils import gen_even_slices

from skreg._warnings import Message
from skreg.constraints import Constraint
from skreg.engine.batches import n_epoch_batches
from skreg.losses import LabelSmoothing, Loss
from skreg.network.mlp import MLP
from skreg.network.shared import SharedMLP
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty
from skreg.solvers import Schedule, Solver


@dataclass(frozen=True)
class NetworkSpec:
    """Description of a network: see :class:`~skreg.network.mlp.MLP`.

    With ``n_shared`` above 1, of so many members that share weights: see :class:`~skreg.network.shared.SharedMLP`.
    """

    layer_units: tuple[int, ...]
    activation: str
    normalization: str | None
    dropout: tuple[float, ...]
    input_dropout: float
    skip: bool
    dtype: torch.dtype
    device: torch.device
    n_shared: int = 1

    member_parameters: ClassVar[tuple[str, ...]] = ("dropout", "input_dropout")

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The rates before every linear layer, beginning with that of the inputs."""
        return (self.input_dropout, *self.dropout)

    @property
    def units_in_validation(self) -> tuple[int, ...]:
        """The number of inputs, and of units in every layer, whose outputs fill a block of rows in validation.

        All members that share weights see each row. Their outputs may take four blocks: smaller ones take more time
        for calls than the cache saves.
        """
        first, *others = self.layer_units
        return (first, *(n_units * math.ceil(self.n_shared / 4) for n_units in others))

    @property
    def smallest_batch(self) -> int:
        """The least number of rows of a batch: one for each member that shares weights.

        The moments of one row are no basis for batch normalization.
        """
        return 2 if self.normalization == "batch" else self.n_shared

    def module(self, n_members: int = 1, rates: Sequence | None = None) -> MLP | SharedMLP:
        """Return networks; ``rates`` are the dropout rates of the members where these differ."""
        input_dropout, *dropout = rates or self.dropout_rates
        options = {
            "activation": self.activation,
            "dropout": dropout,
            "input_dropout": input_dropout,
            "dtype": self.dtype,
            "device": self.device,
        }
        if self.n_shared > 1:
            return SharedMLP(self.layer_units, self.n_shared, **options)
        return MLP(self.layer_units, normalization=self.normalization, skip=self.skip, n_members=n_members, **options)


@dataclass(frozen=True)
class StoppingRule:
    """Rule of when training ends.

    Attributes
    ----------
    max_epochs : int
        Largest number of epochs.
    is_early : bool
        Whether validation decides when training ends, and which epoch is the best.
    is_scored : bool
        Whether the validation score is monitored instead of the loss.
    tol, n_iter_no_change : float
        See :class:`~skreg.stopping.Patience`.
    n_epochs : int or None
        Number of epochs after those of a training state; None continues up to ``max_epochs``.
    """

    max_epochs: int
    is_early: bool = False
    is_scored: bool = False
    tol: float = 1e-4
    n_iter_no_change: float = 10
    n_epochs: int | None = None

    member_parameters: ClassVar[tuple[str, ...]] = ("max_epochs", "tol", "n_iter_no_change", "n_epochs")


@dataclass(frozen=True)
class ClassWeights:
    """Weights of classes: for each label (or for the classes) an array with one weight for each class."""

    of_class: tuple[np.ndarray, ...]

    def __call__(self, targets: np.ndarray) -> np.ndarray:
        """Return the weight of each row, from targets of shape (n_rows, n_targets)."""
        return np.prod(
            [values[codes] for values, codes in zip(self.of_class, self.codes(targets), strict=True)], axis=0
        )

    def codes(self, targets: np.ndarray) -> list[np.ndarray]:
        """Return the code of each row's class; with several labels, one array for each."""
        if len(self.of_class) == targets.shape[1]:
            return list(targets.astype(int).T)
        return [targets.argmax(axis=1)]


@dataclass(frozen=True, eq=False)
class RowChoice:
    """Rows of a data set for a fit, and its class weights.

    Attributes
    ----------
    indices : ndarray of int of shape (n_rows,)
        Indices of the rows.
    class_weights : ClassWeights or None
        Factors of the weights of the data.
    of_validation_data : bool
        Whether the rows are those of a separate validation data set.
    """

    indices: np.ndarray
    class_weights: ClassWeights | None = None
    of_validation_data: bool = False

    def __len__(self):
        return len(self.indices)


@dataclass(frozen=True, eq=False)
class FitSpec:
    """Description of a fit.

    Attributes
    ----------
    network : NetworkSpec
        The network.
    loss : Loss
        The loss.
    penalty : Penalty or None
        The penalty.
    penalties : tuple of LayerPenalty or None
        The penalty of every weight matrix.
    constraints : tuple of Constraint or None
        The constraint of every weight matrix.
    solver : Solver
        Settings of the solver.
    schedule : Schedule
        Schedule of the learning rate.
    target_rules : tuple of LabelSmoothing
        Rules that change the targets of the training rows.
    batch_transforms : tuple of BatchTransform
        Rules that change a batch before the network sees it.
    gradient_rules : tuple of GradientRule
        Rules that change gradients before a step.
    averaging : Averaging or None
        Average of the weights of all steps, which takes the place of the last ones.
    stopping : StoppingRule
        Rule of when training ends.
    train, valid : RowChoice
        Rows to train on and (or None) to validate on.
    seeds : mapping of str to int
        Of the generators 'init', 'shuffle' and 'dropout'.
    batch_size : int
        Number of rows of a step.
    shuffle : bool
        Whether the rows are shuffled in every epoch.
    start : tuple of ndarray or None
        Weights to start from; None draws new ones.
    n_rows_before : int
        Number of training rows seen in earlier calls.
    token : str
        Identifies the fit; its result has the same token.
    """

    network: NetworkSpec
    loss: Loss
    penalty: Penalty | None
    penalties: tuple[LayerPenalty | None, ...]
    constraints: tuple[Constraint | None, ...]
    solver: Solver
    schedule: Schedule
    target_rules: tuple[LabelSmoothing, ...]
    batch_transforms: tuple
    gradient_rules: tuple
    averaging: object | None
    stopping: StoppingRule
    train: RowChoice
    valid: RowChoice | None
    seeds: Mapping[str, int]
    batch_size: int
    shuffle: bool = True
    start: tuple[np.ndarray, ...] | None = None
    n_rows_before: int = 0
    token: str = field(default_factory=partial(secrets.token_hex, 8))

    # The number of steps in an epoch is structure (see `n_batches`), their size is not; `penalties` follow from
    # `penalty` and `network`.
    member_parameters: ClassVar[tuple[str, ...]] = (
        "penalties",
        "train",
        "valid",
        "seeds",
        "batch_size",
        "start",
        "n_rows_before",
        "token",
    )

    @property
    def n_batches(self) -> int:
        """The number of steps in an epoch."""
        if not self.solver.takes_steps:
            return 1
        return n_epoch_batches(len(self.train), self.batch_size, self.network.smallest_batch)

    @property
    def largest_batch(self) -> int:
        """The number of rows of the largest batch."""
        first, *_ = self.spans()  # the largest come first
        return first.stop - first.start

    def spans(self) -> list[slice]:
        """Return the batches of an epoch, whose sizes differ by at most one row, or by one for each shared member.

        The batches of members that share weights have as many rows for each, some of which are padding.
        """
        n_shared = self.network.n_shared
        lines = gen_even_slices(-(-len(self.train) // n_shared), self.n_batches)
        return [slice(span.start * n_shared, span.stop * n_shared) for span in lines]


@dataclass
class FitResult:
    """The result of a fit.

    Attributes
    ----------
    weights : list of ndarray
        The best weights, in the order of :meth:`~skreg.network.mlp.MLP.arrays`.
    epochs : list of dict
        Record of every epoch.
    best_epoch : int
        The epoch of these weights, counted from 1.
    stops_early : bool
        Whether validation has decided when training ended.
    is_validated : bool
        Whether there was validation.
    stopping_reason : str
        Why training has ended.
    converged : bool
        False if training has ended only because of its last epoch while a stopping rule was waiting.
    n_epochs : int
        Epochs in total, those before a checkpoint included.
    constant_loss : float
        Loss of constant outputs, which are those of the start; infinite if it is not known.
    n_rows : int
        Number of training rows.
    training_state : dict of str to ndarray or None
        State from which training can be continued; None for members of a population.
    warnings : list of tuple
        Messages and categories of the warnings of training.
    seconds : float
        Time, or a share of the time of all networks that were trained together.
    error : Exception or None
        Error of a failed fit, which has no other results.
    token : str
        Token of the spec.
    """

    weights: list[np.ndarray] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stops_early: bool = False
    is_validated: bool = False
    stopping_reason: str = ""
    converged: bool = False
    n_epochs: int = 0
    constant_loss: float = math.inf
    n_rows: int = 0
    training_state: dict[str, np.ndarray] | None = None
    warnings: list[Message] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None
    token: str = ""


def needs_dense_inputs(specs: Sequence[FitSpec]) -> bool:
    """Return whether something in the steps of some fits reads or changes the inputs themselves."""
    return any(spec.network.input_dropout or spec.batch_transforms for spec in specs)
