"""Losses and penalties as functions of two weights, and their minimizers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.optimize
import scipy.sparse
import torch

from skreg._estimator.data import check_data
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.objective import DataTerm
from skreg.engine.threads import for_autograd, on_one_thread
from skreg.inspection._networks import opened
from skreg.losses import HalfSquaredError, Loss
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty

# Steps go on until the solution is known to this precision, in units of the largest coordinate of the minimum.
PRECISION = 1e-10
MAX_STEPS = 200_000
# The number of steps grows with the ratio of the hessian's eigenvalues; up to here they take a few seconds.
MAX_CONDITION = 1e3
# Strides, each twice the one before, to an interval that holds the best intercept, and looks into it, until the loss is
# known to a precision in units of that of the best constant.
MAX_STRIDES, MAX_LOOKS, PRECISION_OF_LOSS = 64, 60, 1e-7
# Outputs that are computed at a time: points times rows.
BLOCK = 2**19
# Of the fall of the loss from zero to its lowest point, the share that it rises again at least if that is a minimum.
MIN_RISE = 1e-3


def as_members(W: np.ndarray) -> torch.Tensor:
    """Return points in the plane as weight matrices of two inputs and one output, each that of a network of its own."""
    return torch.from_numpy(np.ascontiguousarray(W, dtype=np.float64)).reshape(-1, 2, 1)


@dataclass
class Quadratic:
    """The loss ``(w - minimum)' hessian (w - minimum) / 2 + lowest`` of two weights.

    Parameters
    ----------
    minimum : ndarray of shape (2,)
        Where it is lowest.
    hessian : ndarray of shape (2, 2)
        Its second derivatives.
    lowest : float, default=0.0
        Its value there.
    """

    minimum: np.ndarray
    hessian: np.ndarray
    lowest: float = 0.0

    def __call__(self, W: np.ndarray) -> np.ndarray:
        """Return the loss of every row of W, shape (n_points, 2)."""
        offset = W - self.minimum
        return self.lowest + 0.5 * np.einsum("ni,ij,nj->n", offset, self.hessian, offset)


@dataclass
class PenaltyOfTwo:
    """The penalty of a matrix with two inputs and one output, as a function of points in the plane."""

    layer: LayerPenalty

    @on_one_thread
    def __call__(self, W: np.ndarray) -> np.ndarray:
        """Return the penalty, its strength included, of every row of W, shape (n_points, 2)."""
        return self.layer.value(as_members(W)).numpy()


@dataclass
class RowsLoss:
    """The mean loss of a linear model on some rows, as a function of its two weights, with the best intercept for each.

    Parameters
    ----------
    loss : Loss
        The loss of a row, with one output.
    X : ndarray of shape (n_rows, 2)
        Inputs. Only differences of them matter: the best intercept hardly depends on the weights of centred ones.
    target : Tensor of shape (n_rows, 1)
        Targets.
    weight : Tensor of shape (n_rows,)
        Weights of the rows, which sum to 1.
    """

    loss: Loss
    X: np.ndarray
    target: torch.Tensor
    weight: torch.Tensor

    @cached_property
    def _start(self) -> torch.Tensor:
        return self.loss.fit_intercept_only(self.target, self.weight)

    @for_autograd
    @on_one_thread
    def __call__(self, W: np.ndarray) -> np.ndarray:
        """Return the loss of every row of W, shape (n_points, 2)."""
        n_points = max(BLOCK // len(self.X), 1)
        blocks = [W[i : i + n_points] @ self.X.T for i in range(0, len(W), n_points)]
        return np.concatenate([self._lowest(torch.from_numpy(outputs)).numpy() for outputs in blocks])

    def _by_row(self, function: Callable, outputs: torch.Tensor) -> torch.Tensor:
        """Return the mean over rows of a function of outputs and targets, for every point."""
        n_points = len(outputs)
        # All rows of all points in one call, since each row stands for itself.
        values = function(outputs.reshape(1, -1, 1), self.target.repeat(n_points, 1))
        return values.reshape(n_points, -1) @ self.weight

    def _slope(self, outputs: torch.Tensor, intercept: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the intercept, for every point."""
        return self._by_row(self.loss.gradient, outputs + intercept.unsqueeze(1))

    def _lowest(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the lowest loss over intercepts, from the outputs without one, for every point.

        There the slope, which grows with the intercept, is zero. Of an interval around that, a straight line tells
        where to look next. The slope of an end that stays is halved, or one end might stay for ever (the Illinois
        method: Dowell and Jarratt, BIT 11, 1971).
        """
        old, old_slope, new, new_slope = self._bracket(outputs)
        tolerance = PRECISION_OF_LOSS * self._by_row(
            self.loss.per_row, self._start.reshape(1, 1).expand(1, len(self.X))
        )
        for _ in range(MAX_LOOKS):
            # A convex loss lies above its tangents: it falls by no more than this towards the other end.
            if ((new - old) * new_slope).abs().max() <= tolerance:
                break
            rise = new_slope - old_slope
            between = new - new_slope * (new - old) / torch.where(rise == 0, 1, rise)
            slope = self._slope(outputs, between)
            crosses = slope * new_slope <= 0
            old, old_slope = torch.where(crosses, new, old), torch.where(crosses, new_slope, old_slope / 2)
            new, new_slope = between, slope
        return self._by_row(self.loss.per_row, outputs + new.unsqueeze(1))

    def _bracket(self, outputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return two intercepts for every point, each with its slope, between which the slope is zero."""
        new = self._start.expand(len(outputs))
        new_slope = self._slope(outputs, new)
        old, old_slope, downhill = new, new_slope, -new_slope.sign()
        for k in range(MAX_STRIDES):
            goes_on = new_slope * downhill < 0
            if not goes_on.any():
                return old, old_slope, new, new_slope
            old, old_slope = torch.where(goes_on, new, old), torch.where(goes_on, new_slope, old_slope)
            new = new + goes_on * downhill * 2.0**k
            new_slope = torch.where(goes_on, self._slope(outputs, new), new_slope)
        raise ValueError("The loss has no minimum over the intercept on these rows. Give other rows.")


def loss_on_rows(network: FittedMLP, X, y, sample_weight=None) -> Quadratic | RowsLoss:
    """Return the loss of a fitted network without hidden layers as a function of its two weights."""
    network = network._as_fitted()
    table = check_data(
        network, X, y, sample_weight, reset=False, encode=lambda labels, _: network._encode_known(labels)
    )
    indices = table.nonzero_weight_indices
    loss = network._fitted_loss()
    loss.check_whole(table.targets[indices])
    network._check_weighted_targets(table.targets[indices])
    term = DataTerm.of(network, table, loss)
    target, weight = term.target, term.weight.numpy()
    data = np.asarray(term.X.toarray() if scipy.sparse.issparse(term.X) else term.X, dtype=np.float64)
    data = data - weight @ data
    if not isinstance(loss, HalfSquaredError):
        return RowsLoss(loss, data, target, term.weight)
    residual = target[:, 0].numpy() - weight @ target[:, 0].numpy()
    # Of columns that say the same, the loss has many minima: the one nearest to zero.
    minimum = np.linalg.lstsq(np.sqrt(weight)[:, None] * data, np.sqrt(weight) * residual)[0]
    return Quadratic(minimum, (data.T * weight) @ data, 0.5 * float(weight @ (residual - data @ minimum) ** 2))


def lowest_point(loss: Callable, start: np.ndarray) -> np.ndarray | None:
    """Return the minimizer of a loss of two weights; None if there is none, as where a line separates classes."""
    options = {"xatol": 1e-8, "fatol": 1e-14, "maxiter": 2000, "maxfev": 4000}
    point = scipy.optimize.minimize(lambda w: loss(w[None])[0], start, method="Nelder-Mead", options=options).x
    origin, here, beyond = loss(np.array([0 * point, point, 2 * point]))
    # A quadratic loss is as high beyond its minimum as it is before it.
    return point if beyond - here > MIN_RISE * (origin - here) else None


def as_the_network_sees(estimator, X, y) -> tuple:
    """Return inputs and targets after what comes before the network in pipelines and transformations of the target."""
    for wrapper in opened(estimator):
        if hasattr(wrapper, "regressor_"):
            y = wrapper.transformer_.transform(np.asarray(y).reshape(len(y), -1))
            y = y[:, 0] if y.shape[1] == 1 else y
        elif hasattr(wrapper, "steps"):
            X = wrapper[:-1].transform(X) if len(wrapper) > 1 else X
    return X, y


# -- the solution ------------------------------------------------------------------------------------------------------


def penalty_of_two(penalty: Penalty) -> LayerPenalty:
    """Return the penalty of two features and one output; raise ValueError if nothing is penalized."""
    (layer,) = penalty.for_layers((2, 1))
    if layer is None:
        raise ValueError(f"The 'penalty' parameter must have a positive strength to be drawn; got {penalty!r}.")
    return layer.to(torch.float64, "cpu")


def checked_quadratic(minimum, hessian) -> Quadratic:
    """Return a quadratic loss; raise ValueError unless it has a unique minimum, and that is not at zero."""
    m, H = (np.array(values, dtype=np.float64) for values in (minimum, hessian))
    if m.shape != (2,) or not np.isfinite(m).all() or not m.any():
        raise ValueError(f"The 'minimum' parameter must hold two finite numbers, not both zero; got {minimum!r}.")
    is_symmetric = H.shape == (2, 2) and np.isfinite(H).all() and np.allclose(H, H.T)
    curvatures = np.linalg.eigvalsh(H) if is_symmetric else np.array([-1.0, 1.0])
    if not 0 < curvatures[1] <= MAX_CONDITION * curvatures[0]:
        raise ValueError(
            "The 'hessian' parameter must be a symmetric, positive definite matrix of shape (2, 2), with eigenvalues "
            f"at most a factor of {MAX_CONDITION:g} apart; got {hessian!r}."
        )
    return Quadratic(m, H)


@on_one_thread
def minimize_penalized(loss: Quadratic, layer: LayerPenalty) -> np.ndarray:
    """Return the minimizer of a quadratic loss plus a penalty, by proximal gradient steps from several starts.

    A step of one over the largest curvature never raises the objective. The distance to the solution is at most about
    the ratio of the curvatures times the length of a step (Parikh and Boyd, 2014, section 4.2).
    """
    m, H = loss.minimum, loss.hessian
    on_axes = np.diag(H @ m / np.diag(H))
    W = as_members(np.array([m, m / 2, 0 * m, *on_axes]))
    curvatures = np.linalg.eigvalsh(H)
    step = 1 / float(curvatures[1])
    tolerance = PRECISION * np.abs(m).max() * curvatures[0] / curvatures[1]
    center, curvature = as_members(m), torch.from_numpy(H)
    for _ in range(MAX_STEPS):
        following = layer.prox(W - step * (curvature @ (W - center)), step)
        change = (following - W).abs().max()
        W = following
        if change <= tolerance:
            points = W[:, :, 0].numpy() + 0.0  # no minus before a zero
            return points[np.argmin(loss(points) + PenaltyOfTwo(layer)(points))]
    raise RuntimeError(
        f"The proximal steps of {layer.penalty!r} did not converge within {MAX_STEPS} steps; the last one moved a "
        f"weight by {change:.3g}. Check its prox."
    )
