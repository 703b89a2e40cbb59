"""Display of why a penalty sets weights to zero, for two weights."""

from numbers import Integral, Real

import numpy as np
import pandas as pd

from skreg._plotting import BLUE, axes_for, labels_of, pyplot
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg.inspection._networks import required_network
from skreg.inspection._surfaces import (
    PenaltyOfTwo,
    Quadratic,
    as_the_network_sees,
    checked_quadratic,
    loss_on_rows,
    lowest_point,
    minimize_penalized,
    penalty_of_two,
)
from skreg.penalties import Penalty
from skreg.penalties._resolve import ALIASES, resolve_penalty

# Strength of a penalty that is given as a string without one: with the default loss its effect can be seen.
VISIBLE_ALPHA = 1.0
# The grid covers this multiple of the largest coordinate; the view is a part of it, with a margin.
REACH, MARGIN = 2.0, 0.08
# Contours where the square root of the excess loss is a multiple of a quarter of that at the origin: those of a
# quadratic loss are evenly spaced, and one goes through the origin.
CONTOURS = np.arange(1, 8) / 4


class PenaltyGeometryDisplay:
    r"""Contours of a loss of two weights, and the ball of the penalty that they touch at the solution.

    The filled ball :math:`\{w: \Omega(w) \le \Omega(\hat w)\}` has the solution :math:`\hat w` on its boundary. No
    point of the ball has a lower loss than the solution, so the contour of the loss through the solution (dark) touches
    the ball and does not enter it. Contours of many directions touch the ball at the same corner: at corners on the
    axes, weights become exactly zero.

    Parameters
    ----------
    penalty : callable
        Function of an array of shape (n_points, 2) that returns the penalty of every point, shape (n_points,).
    loss : callable
        Function of the same kind that returns the loss.
    solution : array-like of shape (2,)
        The penalized solution.
    minimum : array-like of shape (2,), default=None
        Minimizer of the loss; None if it has none.
    names : sequence of two str, default=None
        Names of the two features, for the axes' labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    ball_ : matplotlib QuadContourSet
        The ball, filled.
    contours_ : matplotlib QuadContourSet
        Contours of the loss; the one through the solution is dark.
    solution_ : matplotlib Line2D
        Marker of the solution.
    minimum_ : matplotlib Line2D or None
        Marker of the minimum of the loss; None if it has none.

    See Also
    --------
    FeatureSelectionDisplay : Norms of the features' weights, and exact zeros.
    skreg.model_selection.RegularizationPathDisplay : Norms of the weights by strength.

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

        The loss is :math:`\frac12 (w - m)^\top H (w - m)`. The solution is found by proximal gradient steps, to ten
        digits, from five starts: the minimum of the loss, half of it, zero, and the minimum along either axis. For a
        nonconvex penalty these can end in different local minima; the one with the lowest objective is drawn.

        Parameters
        ----------
        penalty : str or Penalty
            Name of a penalty, or an object, as for the estimators. The weights are those from two features to one
            output, without hidden layers. So ``GroupLasso(groups=[[0, 1]])`` (with a factor :math:`\sqrt 2`) and
            ``GroupLasso(groups="neurons")`` have both in one group, and ``GroupLasso()`` each in its own.
        alpha : float, default=None
            Strength, positive, if `penalty` is a string; None means 1. Must be None beside an object.
        minimum : array-like of shape (2,), default=(2.0, 0.6)
            Minimizer m of the loss; not zero.
        hessian : array-like of shape (2, 2), default=((1.0, 0.5), (0.5, 1.0))
            Hessian H of the loss: for half the mean squared error, the covariance of the features. Symmetric and
            positive definite, with eigenvalues at most a factor of 1000 apart.
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
            If the proximal steps do not converge, as with a penalty whose `prox` is wrong.
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

        The loss is that of the estimator on the given rows (with class weights and label smoothing, without dropout),
        minimized over the intercept for every pair of weights. The solution is the fitted weights. If these do not
        minimize the objective on these rows (because of a constraint, dropout or early stopping), the contour through
        the solution enters the ball.

        Parameters
        ----------
        estimator : estimator
            A fitted RegularizedMLPClassifier or RegularizedMLPRegressor, alone, at the end of a pipeline, or in a
            search.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, before the transformers of a pipeline.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. None means equal weights.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Passed to :meth:`plot`. With losses other than the squared error, the time is proportional to the number of
            rows, about a second for 500; a smaller `grid_resolution` saves time.

        Returns
        -------
        PenaltyGeometryDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator contains no network of skreg.
        NotFittedError
            If it is not fitted.
        ValueError
            If the network has hidden layers, not exactly two features and one output, or no penalty.
        """
        network = required_network(estimator)
        shapes = [W.shape for W in network.coefs_]
        if len(shapes) > 1 or network.n_features_in_ != 2 or network.n_outputs_ != 1:
            raise ValueError(
                "The 'estimator' parameter must have two features, one output and no hidden layers; got "
                f"{network.n_features_in_} features and weight matrices of shapes {shapes!r}."
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
            One row for the minimum of the loss (if it has one) and one for the solution: 'point', the coordinates 'w1'
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
            Number of grid points along each axis, at least 11. Grid lines always include both axes, where penalties
            have corners, and the solution.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        PenaltyGeometryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is not as described, or if the minimum of the loss is at zero.
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
                "The loss must not be lowest where both weights are zero, which leaves nothing to penalize; got "
                f"{rise + lowest:.3g} there, and {lowest:.3g} at its minimum."
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


def grid_lines(solution: np.ndarray, reach: float, resolution: int) -> list[np.ndarray]:
    """Return the coordinates of the lines of the grid on both axes, zero and the solution included."""
    half = resolution // 2
    return [np.union1d(reach * np.arange(-half, half + 1) / half, coordinate) for coordinate in solution]
