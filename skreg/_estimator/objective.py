"""The part of an estimator's objective that depends on data: a weighted mean of the loss over rows."""

from dataclasses import dataclass

import numpy as np
import torch

from skreg._estimator.data import Table
from skreg.engine.dataset import Dataset
from skreg.engine.spec import RowChoice
from skreg.engine.threads import for_autograd, on_one_thread
from skreg.losses import Loss, changed_targets


@dataclass(frozen=True)
class DataTerm:
    """Rows of the mean loss that training minimizes, in double precision.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Inputs, in their own type.
    target : Tensor of shape (n_rows, n_targets)
        Targets, after the rules that change them in training.
    weight : Tensor of shape (n_rows,)
        Weights, those of classes included; they sum to 1.
    """

    X: object
    target: torch.Tensor
    weight: torch.Tensor

    @classmethod
    @for_autograd
    @on_one_thread
    def of(cls, estimator, table: Table, loss: Loss) -> "DataTerm":
        """Return the term of an estimator on the rows of a table that have weight."""
        indices = table.nonzero_weight_indices
        target = torch.as_tensor(np.asarray(table.targets[indices]), dtype=torch.float64, device="cpu")
        choice = RowChoice(indices, estimator._class_weights(table, indices))
        weight = Dataset(table.X, table.targets, table.sample_weight).weights(choice)
        weight = np.ones(len(indices)) if weight is None else weight.astype(np.float64)
        target = changed_targets(target, loss, estimator._target_rules)
        return cls(table.X[indices], target, torch.from_numpy(weight / weight.sum()))
