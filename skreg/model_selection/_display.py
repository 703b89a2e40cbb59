"""Display of a regularization path."""

from itertools import cycle

import numpy as np
import pandas as pd

from skreg._plotting import COLORS, axes_for, labels_of
from skreg.model_selection._path import regularization_path

# Line styles of highlighted features: solid ones first.
HIGHLIGHTS = [{"color": color, "linestyle": line} for line in ("-", "--") for color in COLORS]


class RegularizationPathDisplay:
    """Norm of each feature's weights by the strength of the penalty, with the score below.

    Parameters
    ----------
    path : RegularizationPath
        The path to draw.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (2,)
        Axes of norms and of scores.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        One line per feature.

    See Also
    --------
    regularization_path : Computes the path.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.model_selection import RegularizationPathDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RegularizedMLPRegressor((), penalty="l1", learning_rate="cosine", learning_rate_init=0.01, max_iter=100)
    >>> display = RegularizationPathDisplay.from_estimator(model, scale(X), scale(y), alphas=20)
    >>> len(display.lines_)
    10
    """

    def __init__(self, path):
        self.path = path

    @classmethod
    def from_estimator(cls, estimator, X, y, *, highlight=None, ax=None, **options):
        """Compute a path and draw it.

        Parameters
        ----------
        estimator : RegularizedMLPClassifier or RegularizedMLPRegressor
            Estimator to fit.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        highlight : array-like of int or str, default=None
            As for :meth:`plot`.
        ax : sequence of two matplotlib Axes, default=None
            As for :meth:`plot`.
        **options : dict
            Passed to :func:`regularization_path`.

        Returns
        -------
        RegularizationPathDisplay
            The display.
        """
        return cls(regularization_path(estimator, X, y, **options)).plot(highlight=highlight, ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per strength: 'alpha', 'n_selected', 'score', 'objective', and the norm of each feature's weights in
            a column with the feature's name.
        """
        norms = pd.DataFrame(self.path.importances, columns=self._names())
        return pd.concat([self.path.frame(), norms], axis=1)

    def plot(self, *, highlight=None, ax=None):
        """Draw the path.

        Parameters
        ----------
        highlight : array-like of int or str, default=None
            Indices or names of the features to draw in colour, with a legend; the others are grey. None means the (at
            most eight) features that remain at the largest strengths.
        ax : sequence of two matplotlib Axes, default=None
            Axes for norms and scores; None makes a figure.

        Returns
        -------
        RegularizationPathDisplay
            The display itself.
        """
        path = self.path
        self.ax_ = axes_for(ax, 2, nrows=2, ncols=1, sharex=True, figsize=(7, 6), height_ratios=(2, 1))
        self.figure_ = self.ax_[0].figure
        names = self._names()
        chosen = (
            self._longest()
            if highlight is None
            else [self._index(feature, names) for feature in np.atleast_1d(highlight).tolist()]
        )
        importances = path.importances
        labels = labels_of(names)
        styles = dict(zip(chosen, cycle(HIGHLIGHTS), strict=False))
        self.lines_ = []
        for j in range(importances.shape[1]):
            grey = {"color": "0.8", "lw": 0.8}
            style = {**styles[j], "label": labels[j], "zorder": 3} if j in styles else grey
            self.lines_ += self.ax_[0].plot(path.alphas, importances[:, j], **style)
        self.ax_[0].set(xscale="log", ylabel="norm of a feature's weights")
        if chosen:
            self.ax_[0].legend(loc="upper right", fontsize="small")
        self.ax_[1].plot(path.alphas, path.scores, color="black", marker=".")
        self.ax_[1].set(xscale="log", xlabel="alpha (strength of the penalty)", ylabel="score")
        counts = self.ax_[1].twinx()
        counts.plot(path.alphas, path.n_selected, color="tab:blue", ls="--")
        counts.set_ylabel("features used (dashed)", color="tab:blue")
        counts.set_ylim(bottom=0)
        return self

    def _names(self) -> list[str]:
        model = self.path.estimators[0]
        named = hasattr(model, "feature_names_in_")
        return [str(name) for name in (model.feature_names_in_ if named else range(model.n_features_in_))]

    def _index(self, feature, names: list[str]) -> int:
        if str(feature) not in names:
            raise ValueError(f"The 'highlight' parameter must hold features of the path; got {feature!r}.")
        return names.index(str(feature))

    def _longest(self) -> list[int]:
        """Return the features that leave last, in this order; of equals, those with the largest norms first."""
        importances = self.path.importances
        n_used = (importances > 0).sum(axis=0)
        last = importances[np.maximum(n_used - 1, 0), np.arange(len(n_used))]
        return [int(j) for j in np.lexsort((-last, -n_used))[:8] if n_used[j]]
