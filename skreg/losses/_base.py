"""Base class of the losses, which compare outputs with targets row by row.

Tensors of outputs have the shape (n_members, n_rows, n_outputs), targets (n_rows, n_targets) or (n_members, n_rows,
n_targets): numbers for regression, numbers between 0 and 1 for classification, one column for each class or label.

A loss is *canonical* where it is the negative log-likelihood of a canonical link: its gradient with respect to the
outputs is then ``link(Z) - T``, and its best constant prediction the mean target (McCullagh and Nelder, "Generalized
Linear Models", 2nd edition, 1989, sections 2.2 and 2.5).
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from skreg._hashing import content_hash


def weighted_sum(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted sum over the last axis; weights have the shape of that axis, or of the values."""
    return values @ weight if weight.dim() == 1 else (values * weight).sum(dim=-1)


def exact(T: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return targets and weights, which sum to 1, in double precision."""
    weight = weight.double()
    return T.double(), weight / weight.sum()


class SummedScore:
    """Score of rows that come part by part, which is the sum of those of the parts.

    Parameters
    ----------
    loss : Loss
        The loss.
    """

    def __init__(self, loss: "Loss"):
        self.loss, self.value = loss, 0.0

    def add(self, Z: Tensor, T: Tensor, weight: Tensor) -> None:
        """Add rows; arguments as for :meth:`Loss.score`, with weights that sum to 1 over all parts."""
        self.value = self.value + self.loss.score(Z, T, weight)


class Loss(torch.nn.Module, ABC):
    """A loss, the link that maps outputs to predictions, and the score that users read beside it.

    A torch module without parameters, because skorch's checkpoints save and load the criterion.
    """

    #: scikit-learn's name of the link (``out_activation_``).
    out_activation: str
    #: Whether the loss is known to have a derivative everywhere.
    smooth: bool = True
    #: Whether its gradient is known in closed form, without a user's code and autograd.
    closed_form: bool = True
    #: Whether the losses of rows are bounded in the choice of an epoch, because a few wrong rows can hold most of the
    #: mean. Not for probabilities: there a few rows with large losses are how overfitting shows.
    bounds_rows: bool = False
    #: Whether outputs are in the unit of the targets.
    in_units: bool = False

    def _structure(self):
        """Return the structure of the loss, which is the same for all networks of a population."""
        if not self.closed_form:  # a user's function that cannot be hashed, such as a lambda, is itself alone
            return type(self), type(self.link_loss), content_hash(self) or id(self.function)
        return type(self), *(item for item in vars(self).items() if not item[0].startswith("_"))

    def n_outputs(self, n_targets: int) -> int:
        """Return the number of outputs that the network needs."""
        return n_targets

    @abstractmethod
    def link(self, Z: Tensor) -> Tensor:
        """Return predictions (probabilities, means, quantiles) from the outputs of the last layer."""

    def mean_outputs(self, Z: Tensor) -> Tensor:
        """Return the outputs, of shape (1, n_rows, n_outputs), whose prediction is the mean of the members' ones.

        These are the means of the outputs where these are the predictions. So the losses and scores of an ensemble are
        those of a network with these outputs.
        """
        return Z.mean(dim=0, keepdim=True)

    @abstractmethod
    def per_row(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the loss of every row, of shape (n_members, n_rows); outputs are summed."""

    @abstractmethod
    def gradient(self, Z: Tensor, T: Tensor) -> Tensor:
        """Return the derivative of :meth:`per_row` with respect to ``Z``, as a tensor of its own."""

    @abstractmethod
    def fit_intercept_only(self, T: Tensor, weight: Tensor) -> Tensor:
        """Return the outputs, of shape (n_outputs,), with the least mean loss if all rows have the same.

        ``T`` has the shape (n_rows, n_targets), and ``weight`` of shape (n_rows,) sums to 1.
        """

    def start_outputs(self, T: Tensor, weight: Tensor) -> Tensor:
        """Return the outputs, of shape (n_outputs,) and in float64, that training starts around.

        They are those of :meth:`fit_intercept_only`, unless these are so extreme that training could not recover if
        these rows are the first of many. Arguments are those of :meth:`fit_intercept_only`, in any precision.
        """
        return self.fit_intercept_only(*exact(T, weight))

    def null_gradient(self, outputs: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return :meth:`gradient`, for one member, where all rows have the outputs of :meth:`fit_intercept_only`.

        Its weighted mean is zero. A loss with kinks can have it there, too, by its choice among the subgradients.
        """
        return self.gradient(outputs.expand(1, len(T), -1), T)

    @abstractmethod
    def score(self, Z: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        """Return accuracy or R², of shape (n_members,).

        ``weight`` of shape (n_rows,) or (n_members, n_rows) sums to 1 over the rows.
        """

    def running_score(self) -> "SummedScore | None":
        """Return the score of rows that come part by part; None if it needs all of them at once."""
        return None

    def check_targets(self, targets: np.ndarray) -> None:
        """Raise ValueError if targets of shape (n_rows, n_targets) are out of the loss's range."""

    def check_whole(self, targets: np.ndarray) -> None:
        """Raise ValueError if no constant output is best for the targets of a whole fit."""

    def smooth_targets(self, T: Tensor, rate: float | Tensor) -> Tensor:
        """Return targets with label smoothing; only classification has it.

        A rate of shape (n_members, 1, 1) gives each member its own.
        """
        raise TypeError(f"label smoothing needs class targets, which {type(self).__name__} does not have")
