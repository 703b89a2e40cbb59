"""Display of the distribution of weights, layer by layer."""

from numbers import Integral

import numpy as np
import pandas as pd

from skreg._plotting import AMBER, BLUE, axes_for, labels_of
from skreg.inspection._networks import required_network

# Width of the bar of exact zeros: this share of a bin, but at least that share of the axis, which layers with larger
# weights may have in common with this one.
SHARE_OF_BIN, SHARE_OF_AXIS = 0.6, 0.01


class WeightDistributionDisplay:
    """Histograms of the weights of each layer, with a separate bar for weights that are exactly zero.

    Parameters
    ----------
    weights : list of array-like
        The weights of each layer, of any shape, finite.
    names : list of str, default=None
        Name of each layer; None means ``coefs_[0]``, ``coefs_[1]`` and so on.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_layers,)
        The axes of each layer.
    figure_ : matplotlib Figure
        The figure.
    bars_ : list of matplotlib BarContainer
        The histogram of each layer: number of nonzero weights in each bin.
    zeros_ : list of matplotlib BarContainer or None
        The bar of exact zeros of each layer; None if there are none.

    See Also
    --------
    TrainingHistoryDisplay : Loss and score by epoch.
    FeatureSelectionDisplay : Features that the network uses.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import WeightDistributionDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = RegularizedMLPClassifier(
    ...     (20,), penalty="l1", alpha=(0.003, 0), learning_rate="cosine", learning_rate_init=0.01, max_iter=50,
    ...     random_state=0,
    ... ).fit(scale(X), y)
    >>> display = WeightDistributionDisplay.from_estimator(network)
    >>> display.frame()[["layer", "n_weights"]]
                    layer  n_weights
    0  coefs_[0], 30 × 20        600
    1   coefs_[1], 20 × 1         20
    >>> bool((display.frame()["zeros"] == network.sparsity_).all())
    True
    """

    def __init__(self, weights, *, names=None):
        self.weights = weights
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, *, layers=None, bins=50, log=True, ax=None):
        """Draw the weights of a fitted network.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor of skreg, alone, at the end of a Pipeline, in a
            TransformedTargetRegressor, or in a search (then its best one).
        layers : int or sequence of int, default=None
            Indices of the weight matrices to draw, in ``coefs_``. If there is a skip connection, its weights
            ``skip_coef_`` have the index after the last. None draws all.
        bins : int, str or array-like, default=50
            As for :meth:`plot`.
        log : bool, default=True
            As for :meth:`plot`.
        ax : matplotlib Axes or sequence of them, default=None
            As for :meth:`plot`.

        Returns
        -------
        WeightDistributionDisplay
            The display.

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        TypeError
            If the estimator contains no network of skreg.
        ValueError
            If a layer does not exist.
        """
        network = required_network(estimator)
        weights = {f"coefs_[{i}]": W for i, W in enumerate(network.coefs_)}
        if network.skip_coef_ is not None:
            weights["skip_coef_"] = network.skip_coef_
        named = [(f"{name}, {W.shape[0]} × {W.shape[1]}", W) for name, W in weights.items()]
        named = [named[i] for i in _checked_layers(layers, len(named))]
        return cls([W for _, W in named], names=[name for name, _ in named]).plot(bins=bins, log=log, ax=ax)

    def frame(self):
        """Return the numbers that describe each layer.

        Returns
        -------
        DataFrame
            One row per layer: its name ('layer'), 'n_weights', 'n_zeros' (weights that are exactly zero), 'zeros'
            (their share), and 'mean', 'std', 'min' and 'max' of all weights, zeros included. For a layer without
            weights, all but the counts are NaN.
        """
        return pd.DataFrame(
            [
                {"layer": name, **_described(weights)}
                for name, weights in zip(self._names(), self._values(), strict=True)
            ]
        )

    def plot(self, *, bins=50, log=True, ax=None):
        """Draw the histograms.

        Parameters
        ----------
        bins : int, str or array-like, default=50
            Number of bins between the smallest and the largest nonzero weight of each layer, or any other value that
            :func:`numpy.histogram_bin_edges` accepts. Weights outside given edges are not drawn.
        log : bool, default=True
            Whether the count axis is logarithmic. On a linear axis, a few large weights cannot be seen beside many
            zeros.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one Axes for each layer; None makes a figure with the layers side by side.

        Returns
        -------
        WeightDistributionDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the number of axes or of names is not that of the layers, or if weights are not finite.
        """
        values, names = self._values(), self._names()
        self.ax_ = axes_for(ax, len(values), figsize=(4.5 * len(values), 3.8))
        self.figure_ = self.ax_[0].figure
        self.bars_, self.zeros_ = [], []
        for layer_ax, weights, label in zip(self.ax_, values, labels_of(names), strict=True):
            bars, zeros = _draw_layer(layer_ax, weights, bins)
            self.bars_.append(bars)
            self.zeros_.append(zeros)
            layer_ax.margins(y=0.2)  # room for the legend above the bars
            layer_ax.set(xlabel="weight", ylabel="number of weights", title=label)
            if zeros is not None:
                layer_ax.legend()
        if log:
            self._make_logarithmic()
        return self

    def _make_logarithmic(self) -> None:
        """Give numbers of weights a logarithmic axis, once all layers are drawn: axes can share their limits."""
        for layer_ax, bars, zeros in zip(self.ax_, self.bars_, self.zeros_, strict=True):
            if zeros is not None or any(bar.get_height() for bar in bars):
                # From one half, so that a single weight can be seen.
                layer_ax.set(yscale="log", ylim=(0.5, None))

    def _values(self) -> list[np.ndarray]:
        """Return the weights of each layer as a vector."""
        values = [np.asarray(W, dtype=np.float64).ravel() for W in self.weights]
        if not values:
            raise ValueError(f"The 'weights' parameter must hold at least one layer; got {self.weights!r}.")
        for i, weights in enumerate(values):
            if not np.isfinite(weights).all():
                worst = weights[~np.isfinite(weights)][0]
                raise ValueError(f"The 'weights' parameter must hold finite numbers; got {worst} in layer {i}.")
        return values

    def _names(self) -> list[str]:
        """Return the name of each layer."""
        names = [f"coefs_[{i}]" for i in range(len(self.weights))] if self.names is None else list(self.names)
        if len(names) != len(self.weights):
            raise ValueError(
                f"The 'names' parameter must hold a name for each of the {len(self.weights)} layers; got {names!r}."
            )
        return names


def _checked_layers(layers, n_layers: int) -> list[int]:
    """Return the numbers of the layers to draw."""
    if layers is None:
        return list(range(n_layers))
    numbers = list(layers) if np.iterable(layers) else [layers]
    valid = all(isinstance(i, Integral) and not isinstance(i, bool) and 0 <= i < n_layers for i in numbers)
    if not numbers or not valid:
        raise ValueError(
            f"The 'layers' parameter must hold indices of weight matrices, from 0 to {n_layers - 1}; got {layers!r}."
        )
    return [int(i) for i in numbers]


def _described(weights: np.ndarray) -> dict:
    """Return the numbers that describe some weights."""
    n_zeros = int(np.sum(weights == 0))
    counts = {"n_weights": weights.size, "n_zeros": n_zeros}
    if not weights.size:
        return counts | dict.fromkeys(("zeros", "mean", "std", "min", "max"), np.nan)
    return counts | {
        "zeros": n_zeros / weights.size,
        "mean": weights.mean(),
        "std": weights.std(),
        "min": weights.min(),
        "max": weights.max(),
    }


def _draw_layer(ax, weights: np.ndarray, bins) -> tuple:
    """Draw one layer; return the bars of its histogram and that of its zeros, which can be None."""
    nonzero = weights[weights != 0]
    # With zeros alone there is no range to divide.
    edges = np.histogram_bin_edges(nonzero if nonzero.size else [-1.0, 1.0], bins)
    counts, _ = np.histogram(nonzero, edges)
    bars = ax.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE)
    n_zeros = weights.size - nonzero.size
    if not n_zeros:
        return bars, None
    # In front of the histogram, and narrower than its bins, so that neither hides the other.
    width = SHARE_OF_BIN * np.diff(edges).min()
    zeros = ax.bar(
        0,
        n_zeros,
        width=width,
        color=AMBER,
        edgecolor="black",
        linewidth=0.8,
        hatch="////",
        zorder=3,
        label=f"exactly 0: {n_zeros:,} of {weights.size:,} ({n_zeros / weights.size:.1%})",
    )
    (bar,) = zeros

    def keep_visible(changed_ax):
        left, right = changed_ax.get_xlim()
        visible = max(width, SHARE_OF_AXIS * abs(right - left))
        bar.set(x=-visible / 2, width=visible)

    ax.callbacks.connect("xlim_changed", keep_visible)
    return bars, zeros
