"""Display of a regularization path."""

from itertools import cycle

import numpy as np
import pandas as pd

from skreg._plotting import COLORS, axes_for, labels_of, shortened
from skreg._sklearn_private import StrOptions, validate_parameter_constraints
from skreg.model_selection._path import regularization_path

# Line styles of highlighted features: solid ones first.
HIGHLIGHTS = [{"color": color, "linestyle": line} for line in ("-", "--") for color in COLORS]


class RegularizationPathDisplay:
    """Norm of each feature's weights by the strength of the penalty, with the score below.

    Parameters
    ----------
    path : RegularizationPath
        The path to draw.
    by : {'column', 'feature'}, default='column'
        What a line stands for: a column of the original table, with all features that the encoder has made of it, if
        the path knows the original columns; or always a feature.
    column_names : array-like of str of shape (n_columns,), default=None
        Names of the columns of the original table, such as ``df.columns``; None means their positions.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (2,)
        Axes of norms and of scores.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        One line per feature or original column.

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

    def __init__(self, path, *, by="column", column_names=None):
        self.path = path
        self.by = by
        self.column_names = column_names

    @classmethod
    def from_estimator(cls, estimator, X, y, *, by="column", column_names=None, highlight=None, ax=None, **options):
        """Compute a path and draw it.

        Parameters
        ----------
        estimator : RegularizedMLPClassifier or RegularizedMLPRegressor
            Estimator to fit.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        by : {'column', 'feature'}, default='column'
            As for the class.
        column_names : array-like of str of shape (n_columns,), default=None
            As for the class.
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
        path = regularization_path(estimator, X, y, **options)
        return cls(path, by=by, column_names=column_names).plot(highlight=highlight, ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per strength: 'alpha', 'n_selected', 'score', 'objective', and the norm of the weights of each
            feature, or original column, in a column with its name. 'n_selected' counts the same.

        Raises
        ------
        ValueError
            If `by` or `column_names` are not as described.
        """
        importances, names = self._lines()
        frame = self.path.frame().assign(n_selected=np.count_nonzero(importances, axis=1))
        return pd.concat([frame, pd.DataFrame(importances, columns=names)], axis=1)

    def plot(self, *, highlight=None, ax=None):
        """Draw the path.

        Parameters
        ----------
        highlight : array-like of int or str, default=None
            Indices or names of the features, or original columns, to draw in colour, with a legend; the others are
            grey. None means the (at most eight) of them that remain at the largest strengths.
        ax : sequence of two matplotlib Axes, default=None
            Axes for norms and scores; None makes a figure.

        Returns
        -------
        RegularizationPathDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `highlight`, `by` or `column_names` are not as described.
        """
        path = self.path
        importances, names = self._lines()
        self.ax_ = axes_for(ax, 2, nrows=2, ncols=1, sharex=True, figsize=(7, 6), height_ratios=(2, 1))
        self.figure_ = self.ax_[0].figure
        chosen = (
            longest(importances)
            if highlight is None
            else [self._index(feature, names) for feature in np.atleast_1d(highlight).tolist()]
        )
        labels = labels_of(shortened(names))
        styles = dict(zip(chosen, cycle(HIGHLIGHTS), strict=False))
        self.lines_ = []
        for j in range(importances.shape[1]):
            grey = {"color": "0.8", "lw": 0.8}
            style = {**styles[j], "label": labels[j], "zorder": 3} if j in styles else grey
            self.lines_ += self.ax_[0].plot(path.alphas, importances[:, j], **style)
        kind = "column" if self._is_by_column() else "feature"
        self.ax_[0].set(xscale="log", ylabel=f"norm of a {kind}'s weights")
        if chosen:
            self.ax_[0].legend(loc="upper right", fontsize="small")
        self.ax_[1].plot(path.alphas, path.scores, color="black", marker=".")
        self.ax_[1].set(xscale="log", xlabel="alpha (strength of the penalty)", ylabel="score")
        counts = self.ax_[1].twinx()
        counts.plot(path.alphas, np.count_nonzero(importances, axis=1), color="tab:blue", ls="--")
        counts.set_ylabel(f"{kind}s used (dashed)", color="tab:blue")
        counts.set_ylim(bottom=0)
        return self

    def _is_by_column(self) -> bool:
        """Return whether a line stands for an original column."""
        return self.by == "column" and self.path.source_columns is not None

    def _lines(self) -> tuple[np.ndarray, list[str]]:
        """Return the norms, of shape (n_alphas, n_lines), and the name of each line."""
        validate_parameter_constraints(
            {"by": [StrOptions({"column", "feature"})]}, {"by": self.by}, caller_name=type(self).__name__
        )
        if self._is_by_column():
            importances = self.path.column_importances
            return with_names(importances, self.column_names)
        model = self.path.estimators[0]
        named = hasattr(model, "feature_names_in_")
        names = model.feature_names_in_ if named else range(model.n_features_in_)
        return self.path.importances, [str(name) for name in names]

    def _index(self, feature, names: list[str]) -> int:
        if str(feature) not in names:
            raise ValueError(f"The 'highlight' parameter must hold features of the path; got {feature!r}.")
        return names.index(str(feature))


def longest(importances: np.ndarray) -> list[int]:
    """Return the features that leave last, in this order; of equals, those with the largest norms first."""
    n_used = (importances > 0).sum(axis=0)
    last = importances[np.maximum(n_used - 1, 0), np.arange(len(n_used))]
    return [int(j) for j in np.lexsort((-last, -n_used))[:8] if n_used[j]]


def with_names(importances: np.ndarray, names) -> tuple[np.ndarray, list[str]]:
    """Return the norms of original columns, with zeros for those behind the last, and the names of all."""
    n_columns = importances.shape[1]
    if names is None:
        return importances, [str(column) for column in range(n_columns)]
    if len(names) < n_columns:
        raise ValueError(
            f"The 'column_names' parameter must hold a name for each column of the original table, at least "
            f"{n_columns} of them; got {len(names)}."
        )
    padded = np.zeros((len(importances), len(names)), dtype=importances.dtype)
    padded[:, :n_columns] = importances
    return padded, [str(name) for name in names]
