"""Data sets, which many fits read."""

from functools import partial

import numpy as np
import scipy.sparse
import torch

from skreg.engine.arrays import mapped_file
from skreg.engine.batches import Rows
from skreg.engine.classes import ClassIndicators, ClassTargets
from skreg.engine.spec import FitSpec, RowChoice
from skreg.losses import changed_targets


def rescaled(weight: np.ndarray) -> np.ndarray:
    """Return weights the largest of which is 1.

    Only ratios matter. So no sum overflows, and float32 holds all weights that matter.
    """
    return weight / weight.max()


class Dataset:
    """Inputs, targets and weights, to which many fits refer by row indices.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Inputs.
    targets : ndarray or ClassIndicators of shape (n_rows, n_targets)
        Targets as the loss wants them.
    weight : ndarray of shape (n_rows,) or None
        Weights, at least 0; None if all are equal.
    validation : Dataset or None, default=None
        Rows that the user has given to validate on.
    """

    def __init__(self, X, targets: np.ndarray, weight: np.ndarray | None, validation: "Dataset | None" = None):
        self.X, self.targets, self.weight, self.validation = X, targets, weight, validation
        self._on_device: dict[tuple, torch.Tensor] = {}

    def __getstate__(self):
        """Return the state without copies on a device, for other processes."""
        return vars(self) | {"_on_device": {}}

    def __len__(self):
        return len(self.targets)

    def check(self, spec: FitSpec) -> None:
        """Raise ValueError if a spec does not fit the data."""
        units = spec.network.layer_units
        for choice in filter(None, (spec.train, spec.valid)):
            source = self._source(choice)
            if source is None:
                raise ValueError("The spec validates on separate rows, but the data set has none.")
            n_rows, n_features = source.X.shape
            if n_features != units[0] or spec.loss.n_outputs(source.targets.shape[1]) != units[-1]:
                raise ValueError(
                    f"The spec is of a network with {units[0]} inputs and {units[-1]} outputs; the data set has "
                    f"{n_features} features and {source.targets.shape[1]} targets."
                )
            if not len(choice) or choice.indices.min() < 0 or choice.indices.max() >= n_rows:
                raise ValueError(f"The spec must read rows of the data set, which has {n_rows}; got larger indices.")

    def training_rows(self, spec: FitSpec) -> Rows:
        """Return the training rows of a fit, with targets that its target rules have changed."""
        rows = self.rows(spec.train, spec.network.dtype, spec.network.device)
        change = partial(changed_targets, loss=spec.loss, rules=spec.target_rules)
        rows.target = rows.target.changed(change) if isinstance(rows.target, ClassTargets) else change(rows.target)
        return rows

    def rows(self, choice: RowChoice, dtype: torch.dtype, device: torch.device) -> Rows:
        """Return some rows with their targets and weights."""
        source, indices = self._source(choice), choice.indices
        is_all = np.array_equal(indices, np.arange(len(source.targets)))
        targets = source.targets if is_all else source.targets[indices]
        if isinstance(targets, ClassIndicators):
            target = ClassTargets(torch.as_tensor(targets.codes, device=device), targets.n_classes, dtype)
        else:
            if not targets.flags.writeable:  # torch warns of those
                targets = targets.copy()
            target = torch.as_tensor(targets, device=device, dtype=dtype)
        weight = self.weights(choice, targets)
        if weight is not None:
            weight = torch.as_tensor(weight, device=device, dtype=dtype)
            weight = weight / weight.sum()
        return Rows(source._inputs(dtype, device), target, weight, None if is_all else indices)

    def weights(self, choice: RowChoice, targets=None) -> np.ndarray | None:
        """Return the weights of some rows, the largest of which is 1; None if all are equal.

        ``targets`` are those of the rows, if they are at hand.
        """
        source = self._source(choice)
        weight = None if source.weight is None else source.weight[choice.indices]
        if choice.class_weights is not None:
            of_class = choice.class_weights(source.targets[choice.indices] if targets is None else targets)
            weight = of_class if weight is None else weight * of_class
        return None if weight is None else rescaled(weight)

    def _source(self, choice: RowChoice) -> "Dataset | None":
        return self.validation if choice.of_validation_data else self

    def _inputs(self, dtype: torch.dtype, device: torch.device):
        """Return the inputs; for another device than the CPU, a copy that is made once."""
        if device.type == "cpu" or scipy.sparse.issparse(self.X) or mapped_file(self.X) is not None:
            return self.X
        key = (dtype, str(device))
        if key not in self._on_device:
            self._on_device[key] = torch.from_numpy(np.ascontiguousarray(self.X)).to(device, dtype)
        return self._on_device[key]
