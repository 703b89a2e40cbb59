"""The objective and its gradient."""

import contextlib
import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch import Tensor

from skreg.engine.batches import Batch, Rows
from skreg.engine.classes import ClassTargets, lines_in_part
from skreg.engine.measuring import Measurement
from skreg.losses import Loss, SoftmaxLogLoss
from skreg.network.mlp import MLP, LayerRecord
from skreg.solvers import Regularization

# scikit-learn's MLP takes batches of 200 rows unless told otherwise.
AUTO_BATCH_SIZE = 200


@contextlib.contextmanager
def without_gradients(criterion: Loss, regularizers: Iterable) -> Iterator[None]:
    """Turn autograd off: in inference mode, which saves an eighth of a step, unless a user's code may need autograd.

    ``regularizers`` are the objects that act in a step, or None.
    """
    is_ours = criterion.closed_form and all(
        part is None or type(part).__module__.startswith("skreg.") for part in regularizers
    )
    with torch.inference_mode(is_ours), torch.no_grad():
        yield


def backpropagate(
    module: MLP, criterion: Loss, batch: Batch, *, generator=None, scale: Tensor | float = 1.0, n_batches: int = 1
) -> Tensor:
    """Write the gradients of a batch into a module, and return its outputs.

    Row i counts ``n_batches * weight_i``, with weights that sum to 1 over all rows; without weights every row counts
    ``scale``, which is ``n_batches`` over the number of rows. So the mean gradient of an epoch's steps is that of the
    full objective. Dividing by the batch's own sum of weights (or size) would let the rows of a light (or short) batch
    count more.
    """
    weight = moment_weight = batch.weight
    if weight is not None and module.normalization == "batch":
        # Normalization over the batch needs weights that sum to 1 within the batch.
        moment_weight = weight / weight.sum(dim=-2, keepdim=True)
    record: list[LayerRecord] = []
    # Past nn.Module.__call__, which looks for hooks in six places.
    Z = module.forward(batch.X, record=record, generator=generator, row_weight=moment_weight)
    dZ = criterion.gradient(Z, batch.target)
    dZ.mul_(scale if weight is None else weight * n_batches)
    module.backward(dZ, record, moment_weight)
    return Z


def last_step_loss(module: MLP, criterion: Loss, rows: Rows) -> float:
    """Return the mean loss after the last step, on a few rows."""
    with torch.no_grad():
        span, X = next(rows.blocks(module.layer_units, AUTO_BATCH_SIZE))
        Z = module(X)
        return float(criterion.per_row(Z, rows.target[span]).mean())


def target_blocks(rows: Rows) -> Iterator[tuple[slice, Tensor]]:
    """Iterate over the targets in blocks, each with its span; all at once where they are small."""
    for span in gen_batches(len(rows), lines_in_part(rows.target.shape[1], rows.target.element_size())):
        yield span, rows.target[span]


def start_outputs(criterion: Loss, rows: Rows) -> Tensor:
    """Return the constant outputs around which networks are initialized."""
    if isinstance(rows.target, ClassTargets):
        weight = rows.row_weight().double()
        if isinstance(criterion, SoftmaxLogLoss):
            return criterion.start_at(rows.target.weighted_sum(weight / weight.sum()))
        return criterion.start_outputs(rows.target[:], weight)  # a user's function sees all rows at once
    target, weight = rows.target, rows.row_weight()
    n_columns = lines_in_part(max(1, len(target)), target.element_size())
    if n_columns < target.shape[1] and criterion.closed_form and not isinstance(criterion, SoftmaxLogLoss):
        # Each target for itself: losses are sums over targets.
        spans = gen_batches(target.shape[1], n_columns)
        return torch.cat([criterion.start_outputs(target[:, span], weight) for span in spans])
    return criterion.start_outputs(target, weight)


def loss_of_start_outputs(criterion: Loss, rows: Rows) -> float:
    """Return the loss of a network whose outputs are its :func:`start_outputs` for all rows."""
    outputs = start_outputs(criterion, rows).to(rows.target.dtype)
    with torch.no_grad():
        losses = [criterion.per_row(outputs.expand(1, len(target), -1), target) for _, target in target_blocks(rows)]
        return float((torch.cat(losses, dim=1) @ rows.row_weight())[0])


def loss_at_start(of_first_batch: float, of_constant: float) -> float:
    """Return the loss that divergence is relative to: of the first batch, or of constant outputs if that is larger.

    The first batch may have a small loss by chance, where the targets of the others are far away.
    """
    return max(of_first_batch, of_constant) if math.isfinite(of_constant) else of_first_batch


class FullObjective:
    """Objective of all rows and its gradient, as functions of the flat parameters.

    Parameters
    ----------
    module : MLP
        The network, whose parameters are set to the point of the last evaluation.
    criterion : Loss
        The loss.
    regularization : Regularization
        The penalties, which must be smooth.
    rows : Rows
        The rows; they are read in blocks.

    Attributes
    ----------
    loss, score : float
        Of the last evaluation, without the penalty.
    """

    def __init__(self, module: MLP, criterion: Loss, regularization: Regularization, rows: Rows):
        self.module, self.criterion, self.regularization, self.rows = module, criterion, regularization, rows
        self.weight = rows.row_weight()
        self.point = None

    @torch.no_grad()
    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient, in float64."""
        module = self.module
        self.point = x.copy()
        module.flat.copy_(torch.from_numpy(self.point))
        gradient = torch.zeros_like(module.flat)
        measurement = Measurement(self.criterion, self.weight)
        module.n_batches = 0  # the running moments are those of this batch alone
        for span, X in self._blocks():
            batch = Batch(X, self.rows.target[span], self.weight[span].unsqueeze(1), span)
            measurement.add(backpropagate(module, self.criterion, batch).contiguous(), batch.target)
            gradient += module.flat_grad
        for layer in self.regularization.layers:
            layer.penalty.add_gradient(gradient[layer.span].view_as(layer.W), layer.W)
        measurement.finish(None if isinstance(self.rows.target, ClassTargets) else self.rows.target)
        self.loss, self._measurement = float(measurement.mean_loss[0]), measurement
        value = self.loss + self.regularization.penalty_value()
        return value, gradient.numpy(force=True).astype(np.float64)

    def _blocks(self) -> Iterable:
        """Return blocks of rows; the moments of batch normalization are those of all rows."""
        if self.module.normalization == "batch":
            return [(slice(0, len(self.rows)), self.rows.operand(np.arange(len(self.rows))))]
        return self.rows.blocks(self.module.layer_units)

    def move_to(self, x: np.ndarray) -> None:
        """Evaluate at a point, unless that was the last one."""
        if not np.array_equal(x, self.point):
            self(x)

    @property
    def score(self) -> float:
        """Accuracy or R²."""
        return float(self._measurement.score[0])
