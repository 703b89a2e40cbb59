"""Why a penalty sets weights to zero, drawn for two weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.sparse
import torch

from skreg._base import BaseRegularizedMLP
from skreg._plotting import BLUE, axes_for, labels_of, pyplot
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg.inspection._networks import opened, required_network
from skreg.losses import HalfSquaredError, Loss
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty
from skreg.penalties._resolve import ALIASES, resolve_penalty

# Strength of a penalty that is given as a string without one: with the default loss its effect can be seen.
VISIBLE_ALPHA = 1.0
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
# The grid covers this multiple of the largest coordinate; the view is a part of it, with a margin.
REACH, MARGIN = 2.0, 0.08
# Contours where the square root of the excess loss is a multiple of a quarter of that at the origin: those of a
# quadratic loss are evenly spaced, and one goes through the origin.
CONTOURS = np.arange(1, 8) / 4


class PenaltyGeometryDisplay:
    r"""Draws contours of a loss of two weights, and the ball of the penalty that touches them at the solution.

    The ball :math:`\{w: \Omega(w) \le \Omega(\hat w)\}`, filled, has the solution :math:`\hat w` on its edge. No
    point of it has a lower loss than the solution, so the contour of the loss through the solution (dark) touches the
    ball and does not enter it. At a corner, contours of many directions touch the ball in one and the same point:
    corners on the axes are where weights become exactly zero.

    Parameters
    ----------
    penalty : callable
        Function of an array of shape (n_points, 2) that returns the penalty of every point, shape (n_points,).
    loss : callable
        Function of the same kind that returns the loss.
    solution : array-like of shape (2,)
        The penalized solution.
    minimum : array-like of shape (2,), default=None
        Where the loss is lowest. None if it has no minimum.
    names : sequence of two str, default=None
        Names of the two features, for the axes' labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure.
    ball_ : matplotlib QuadContourSet
        The ball, filled.
    contours_ : matplotlib QuadContourSet
        Contours of the loss; the one through the solution is dark.
    solution_ : matplotlib Line2D
        Marker of the solution.
    minimum_ : matplotlib Line2D or None
        Marker of the minimum of the loss, if it has one.

    See Also
    --------
    FeatureSelectionDisplay : Which features are exactly zero.
    skreg.model_selection.RegularizationPathDisplay : How weights become zero as the strength grows.

    Examples
    --------
    >>> from skreg.inspection import PenaltyGeometryDisplay
    >>> display = PenaltyGeometryDisplay.from_penalty("l1", alpha=1.0)
    >>> display.frame().round(3)
          point   w1   w2   loss  penalty  objective
    0   minimum  2.0  0.6  0.000      2.6      2.600
    1  solution  1.3  0.0  0.635      1.3      1.935
    """

    def __init__(self, penalty, loss, *, solution, minimum=None, names=None):
        self.penalty = penalty
        self.loss = loss
        self.solution = solution
        self.minimum = minimum
        self.names = names

    @classmethod
    def from_penalty(
        cls, penalty, *, alpha=None, minimum=(2.0, 0.6), hessian=((1.0, 0.5), (0.5, 1.0)), ax=None, **options
    ):
        r"""Minimize a quadratic loss plus a penalty, and draw both.

        The loss is :math:`\frac12 (w - m)^\top H (w - m)`. The solution is found by proximal steps with the penalty's
        own proximal operator, to ten digits, from five starts: the minimum of the loss, half of it, zero, and the
        lowest point on either axis. Of a penalty that is not convex they can end in different local minima; the one
        with the lowest objective is taken.

        Parameters
        ----------
        penalty : str or Penalty
            The name or object of a penalty, as for the estimators. The weights are those of two features into one
            output, without hidden layers. So ``GroupLasso(groups=[[0, 1]])`` (with a factor :math:`\sqrt 2`) and
            ``GroupLasso(groups="neurons")`` have both in one group, and ``GroupLasso()`` each in its own.
        alpha : float, default=None
            Strength, positive, where `penalty` is a string; None stands for 1. An object brings its own.
        minimum : array-like of shape (2,), default=(2.0, 0.6)
            Where the loss is lowest, m; not zero.
        hessian : array-like of shape (2, 2), default=((1.0, 0.5), (0.5, 1.0))
            The second derivatives of the loss, H: for half the mean squared error, the covariance of the features.
            Symmetric and positive definite, with eigenvalues at most a factor of 1000 apart.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Passed to :meth:`plot`.

        Returns
        -------
        PenaltyGeometryDisplay
            The display.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        RuntimeError
            If the steps do not come to rest, as those of a penalty whose `prox` is wrong.
        """
        validate_parameter_constraints(
            {
                "penalty": [StrOptions(set(ALIASES)), Penalty],
                "alpha": [Interval(Real, 0, None, closed="neither"), None],
            },
            {"penalty": penalty, "alpha": alpha},
            caller_name="PenaltyGeometryDisplay.from_penalty",
        )
        if isinstance(penalty, str) and alpha is None:
            alpha = VISIBLE_ALPHA
        layer = penalty_of_two(resolve_penalty(penalty, alpha, None))
        loss = checked_quadratic(minimum, hessian)
        solution = minimize_penalized(loss, layer)
        return cls(PenaltyOfTwo(layer), loss, solution=solution, minimum=loss.minimum).plot(ax=ax, **options)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sample_weight=None, ax=None, **options):
        """Draw the loss and the penalty of a fitted estimator with two features, one output and no hidden layers.

        The loss is the estimator's own, on the rows given (with class weights and label smoothing, without dropout),
        and for every pair of weights with the intercept that is best for them. The solution is the fitted weights. If
        these do not minimize the objective on these rows (because there is a constraint, or dropout, or training has
        stopped early), the drawing shows it: the contour through the solution enters the ball.

        Parameters
        ----------
        estimator : estimator
            A fitted RegularizedMLPClassifier or RegularizedMLPRegressor, alone, at the end of a pipeline, or in a
            search.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs; what comes before the network in a pipeline is applied to them.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. None means equal weights.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Passed to :meth:`plot`. With losses other than the squared error, 500 rows take about a second, and more
            rows longer in proportion: a smaller `grid_resolution` saves time.

        Returns
        -------
        PenaltyGeometryDisplay
            The display.

        Raises
        ------
        TypeError
            If there is no network of ours in the estimator.
        NotFittedError
            If it is not fitted.
        ValueError
            If the network has hidden layers, other than two features or one output, or no penalty.
        """
        network = required_network(estimator)
        shapes = [W.shape for W in network.coefs_]
        if len(shapes) > 1 or network.n_features_in_ != 2 or network.n_outputs_ != 1:
            raise ValueError(
                "The 'estimator' parameter must be without hidden layers, and with two features and one output; got "
                f"{network.n_features_in_} features and weight matrices of the shapes {shapes!r}."
            )
        if network.penalty_ is None:
            raise ValueError(f"The 'estimator' parameter must have a penalty to draw; got penalty={network.penalty!r}.")
        penalty = PenaltyOfTwo(penalty_of_two(network.penalty_))
        solution = np.zeros(2)
        solution[network.input_features_] = network.coefs_[0][:, 0]
        loss = loss_on_rows(network, *as_the_network_sees(estimator, X, y), sample_weight)
        minimum = loss.minimum if isinstance(loss, Quadratic) else lowest_point(loss, solution)
        names = getattr(network, "feature_names_in_", None)
        return cls(penalty, loss, solution=solution, minimum=minimum, names=names).plot(ax=ax, **options)

    def frame(self):
        """Return the numbers behind the drawing.

        Returns
        -------
        DataFrame
            One line for the minimum of the loss (if it has one) and one for the solution: 'point', the coordinates 'w1'
            and 'w2', the 'loss', the 'penalty' (with its strength), and their sum, the 'objective'.
        """
        points = {} if self.minimum is None else {"minimum": self.minimum}
        points["solution"] = self.solution
        W = np.array(list(points.values()), dtype=np.float64)
        loss, penalty = self.loss(W), self.penalty(W)
        columns = {"w1": W[:, 0], "w2": W[:, 1], "loss": loss, "penalty": penalty, "objective": loss + penalty}
        return pd.DataFrame({"point": list(points), **columns})

    def plot(self, *, color=BLUE, legend=True, grid_resolution=81, ax=None):
        """Draw the contours, the ball, the minimum and the solution.

        Parameters
        ----------
        color : matplotlib colour, default='#0072B2'
            Colour of the ball.
        legend : bool, default=True
            Whether to write a legend below the axes.
        grid_resolution : int, default=81
            Number of points of the grid along each axis, at least 11. Whatever it is, lines of the grid run through
            both axes, where penalties have corners, and through the solution.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        PenaltyGeometryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is not as described, or the loss is lowest where both weights are zero.
        """
        validate_parameter_constraints(
            {"grid_resolution": [Interval(Integral, 11, None, closed="left")], "legend": ["boolean"]},
            {"grid_resolution": grid_resolution, "legend": legend},
            caller_name="PenaltyGeometryDisplay.plot",
        )
        solution = np.asarray(self.solution, dtype=np.float64)
        points = np.array([np.zeros(2), solution, *([] if self.minimum is None else [self.minimum])])
        lines = grid_lines(solution, REACH * np.abs(points).max(), grid_resolution)
        grid = np.stack(np.meshgrid(*lines), axis=-1)
        penalties, losses = (
            function(grid.reshape(-1, 2)).reshape(grid.shape[:2]) for function in (self.penalty, self.loss)
        )
        level, at_solution = self.penalty(solution[None])[0], self.loss(solution[None])[0]

        (self.ax_,) = axes_for(ax, figsize=(5, 5.5))
        self.figure_ = self.ax_.figure
        for draw in (self.ax_.axhline, self.ax_.axvline):
            draw(0, color="0.8", linewidth=0.8, zorder=0)
        self._draw_contours(lines, losses, at_solution)
        self._draw_ball(lines, penalties, level, color)
        self._draw_points()
        self._set_view(lines, points, (penalties <= level) | (losses <= at_solution))
        self._label_axes()
        if legend:
            self._draw_legend(color)
        return self

    def _draw_contours(self, lines, losses, at_solution):
        """Draw the loss: evenly spaced contours, and in dark the one through the solution."""
        lowest = losses.min() if self.minimum is None else self.loss(np.array([self.minimum], dtype=np.float64))[0]
        rise = self.loss(np.zeros((1, 2)))[0] - lowest
        if not rise > 0:
            raise ValueError(
                "The loss must be lower somewhere than where both weights are zero, or there is nothing to penalize; "
                f"it is {rise + lowest:.3g} there."
            )
        levels = np.union1d(lowest + rise * CONTOURS**2, at_solution)
        is_dark = levels == at_solution
        self.contours_ = self.ax_.contour(
            *lines,
            losses,
            levels=levels,
            colors=np.where(is_dark, "0.25", "0.7").tolist(),
            linewidths=np.where(is_dark, 1.8, 1.0).tolist(),
            zorder=2,
        )

    def _draw_ball(self, lines, penalties, level, color):
        """Draw the region where the penalty is at most that of the solution."""
        filling = pyplot().matplotlib.colors.to_rgba(color, 0.25)
        self.ball_ = self.ax_.contourf(
            *lines, penalties, levels=[penalties.min() - 1, level], colors=[filling], zorder=1
        )
        self.ball_.set(edgecolor=color, linewidth=2)

    def _draw_points(self):
        """Draw the solution and, if there is one, the minimum of the loss."""
        point = {"color": "black", "linestyle": "none", "zorder": 3}
        self.minimum_ = None
        if self.minimum is not None:
            cross = {"marker": "+", "markersize": 11, "markeredgewidth": 2}
            label = f"minimum of the loss: {coordinates(self.minimum)}"
            (self.minimum_,) = self.ax_.plot(*as_columns(self.minimum), **point, **cross, label=label)
        label = f"solution: {coordinates(self.solution)}"
        (self.solution_,) = self.ax_.plot(*as_columns(self.solution), **point, marker="o", markersize=7, label=label)

    def _set_view(self, lines, points, in_view):
        """Show a square with the points and the region with a margin, as far as the grid reaches."""
        corners = [lines[0][in_view.any(axis=0)], lines[1][in_view.any(axis=1)]]
        largest = np.abs(points).max()
        limits = []
        for line, shown, along in zip(lines, corners, points.T, strict=True):
            if shown[0] == line[0] or shown[-1] == line[-1]:  # a region without end
                shown = shown.clip(-largest, largest)
            limits.append([min(shown[0], along.min()), max(shown[-1], along.max())])
        centers = np.mean(limits, axis=1)
        half = (0.5 + MARGIN) * np.ptp(limits, axis=1).max()
        # A little inside of the grid, whose border is an edge of a ball without end.
        (x, y) = (np.clip([c - half, c + half], 0.99 * lines[0][0], 0.99 * lines[0][-1]) for c in centers)
        self.ax_.set(xlim=x, ylim=y, aspect="equal")

    def _label_axes(self):
        names = ("first weight", "second weight")
        if self.names is not None:
            names = labels_of([f"weight of {name}" for name in self.names])
        self.ax_.set(xlabel=names[0], ylabel=names[1])

    def _draw_legend(self, color):
        plt = pyplot()
        dark = plt.Line2D([], [], color="0.25", linewidth=1.8, label="loss of the solution")
        patch = plt.Rectangle((0, 0), 1, 1, facecolor=self.ball_.get_facecolor()[0], edgecolor=color, linewidth=2)
        patch.set_label("penalty of the solution, and less")
        markers = [self.solution_] if self.minimum_ is None else [self.minimum_, self.solution_]
        self.ax_.legend(
            handles=[*markers, dark, patch], loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4, frameon=False
        )


def coordinates(point) -> str:
    """Return a point as text; a zero without decimals is exactly zero."""
    return "({})".format(", ".join(f"{value:.3g}" if value else "0" for value in np.asarray(point).tolist()))


def as_columns(point) -> np.ndarray:
    """Return a point as coordinates to draw."""
    return np.asarray(point, dtype=np.float64)[:, None]


def as_members(W: np.ndarray) -> torch.Tensor:
    """Return points in the plane as weight matrices of two inputs and one output, each that of a network of its own."""
    return torch.from_numpy(np.ascontiguousarray(W, dtype=np.float64)).reshape(-1, 2, 1)


def grid_lines(solution: np.ndarray, reach: float, resolution: int) -> list[np.ndarray]:
    """Return where the lines of the grid are on either axis: through zero and the solution, too."""
    half = resolution // 2
    return [np.union1d(reach * np.arange(-half, half + 1) / half, coordinate) for coordinate in solution]


# -- what is drawn -----------------------------------------------------------------------------------------------------


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
        return self.loss.best_constant(self.target, self.weight)

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
        raise ValueError("The loss has no lowest point over intercepts on these rows.")


def loss_on_rows(network: BaseRegularizedMLP, X, y, sample_weight=None) -> Quadratic | RowsLoss:
    """Return the loss of a fitted network without hidden layers as a function of its two weights."""
    network = network._as_fitted()
    table = network._check_data(
        X, y, sample_weight, reset=False, encode=lambda labels, _: network._encode_known(labels)
    )
    kept = table.kept
    loss = network._fitted_loss()
    loss.check_whole(table.targets[kept])
    network._check_weighted_targets(table.targets[kept])
    target = network._training_target(torch.as_tensor(table.targets[kept], dtype=torch.float64), loss)
    weight = network._row_weight(table, kept)
    weight = np.ones(len(kept)) if weight is None else weight.astype(np.float64)
    weight /= weight.sum()
    data = table.X[kept]
    data = np.asarray(data.toarray() if scipy.sparse.issparse(data) else data, dtype=np.float64)
    data = data - weight @ data
    if not isinstance(loss, HalfSquaredError):
        return RowsLoss(loss, data, target, torch.from_numpy(weight))
    residual = target[:, 0].numpy() - weight @ target[:, 0].numpy()
    # Of columns that say the same, the loss has many minima: the one nearest to zero.
    minimum = np.linalg.lstsq(np.sqrt(weight)[:, None] * data, np.sqrt(weight) * residual)[0]
    return Quadratic(minimum, (data.T * weight) @ data, 0.5 * float(weight @ (residual - data @ minimum) ** 2))


def lowest_point(loss: Callable, start: np.ndarray) -> np.ndarray | None:
    """Return where a loss of two weights is lowest; None if it has no minimum, as where a line separates classes."""
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
    """Return what a penalty is for two features and one output; raise ValueError if nothing is penalized."""
    (layer,) = penalty.for_layers((2, 1))
    if layer is None:
        raise ValueError(f"The strength of the penalty must be positive to be drawn; got penalty={penalty!r}.")
    return layer.to(torch.float64, "cpu")


def checked_quadratic(minimum, hessian) -> Quadratic:
    """Return a quadratic loss; raise ValueError if it is none that has one minimum, away from zero."""
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


def minimize_penalized(loss: Quadratic, layer: LayerPenalty) -> np.ndarray:
    """Return where a quadratic loss plus a penalty is lowest, by proximal gradient steps from several starts.

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
        f"The proximal steps of {layer.penalty!r} have not come to rest within {MAX_STEPS} steps; the last one moved a "
        f"weight by {change:.3g}."
    )
