"""Base class of the settings of a solver."""

from dataclasses import dataclass, fields
from typing import ClassVar

from torch import Tensor

from skreg.solvers._flat import FlatOptimizer
from skreg.solvers._regularization import Regularization


@dataclass(frozen=True)
class Solver:
    """Settings of a solver that takes steps.

    Attributes
    ----------
    optimizer : type
        Class attribute. Class of the optimizer.
    n_buffers : int
        Class attribute. Number of buffers of the optimizer, each of the size of the parameters.
    takes_steps : bool
        Class attribute. Whether the solver takes a step with every batch; otherwise it has iterations of its own.
    """

    optimizer: ClassVar[type]
    n_buffers: ClassVar[int]
    takes_steps: ClassVar[bool] = True
    member_parameters: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def make(self, regularization: Regularization, **members: Tensor) -> FlatOptimizer:
        """Return the optimizer of some networks.

        ``members`` are the settings in which the networks differ, as tensors of shape (n_members, 1, 1).
        """
        options = {field.name: getattr(self, field.name) for field in fields(self)} | members
        return self.optimizer(regularization, **options)
