"""Display of the training history."""

import pandas as pd

from skreg._plotting import COLORS, axes_for, labels_of
from skreg._sklearn_private import StrOptions, validate_parameter_constraints
from skreg.inspection._networks import required_network
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

# Columns of a history that are numbers, in the order of the table.
COLUMNS = ("epoch", "train_loss", "penalty", "valid_loss", "train_score", "valid_score", "lr")
YLABELS = {"loss": "loss (without penalty)", "score": "score", "objective": "loss + penalty"}
# Networks on the same axes differ in marker as well as in colour; one alone needs no marker.
MARKERS = ("", "o", "s", "^", "D", "v")
N_MARKERS = 8  # along a curve


class TrainingHistoryDisplay:
    """Loss or score by epoch: a dashed line for the training rows, a solid one for the validation rows.

    The two curves are not measured in the same way. Training loss and score are means over the steps of an epoch, while
    weights change and with dropout, augmentation and everything else that acts in training only. Validation loss and
    score are measured after the epoch, with the network that predicts. So the training loss can lie above the
    validation loss, and it is not the loss of the fitted network on the training rows.

    Parameters
    ----------
    history : dict of array-like of shape (n_epochs,), or DataFrame
        As the fitted attribute ``history_``: 'epoch' (counted from 1), and any of 'train_loss', 'penalty',
        'valid_loss', 'train_score', 'valid_score' and 'lr'.
    best_epoch : int, default=None
        Epoch to mark, counted from 1; None marks none.
    name : str, default=None
        Name of the network in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of str to matplotlib Line2D
        The curves drawn: 'train', 'valid' or both.
    best_ : matplotlib Line2D or None
        Marker of the best epoch, on the validation curve if there is one.

    See Also
    --------
    WeightDistributionDisplay : Histograms of the fitted weights.
    sklearn.model_selection.LearningCurveDisplay : Score against the number of training rows.
    sklearn.model_selection.ValidationCurveDisplay : Score against a parameter.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import TrainingHistoryDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = RegularizedMLPClassifier((20,), early_stopping=True, learning_rate_init=0.01, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> display = TrainingHistoryDisplay.from_estimator(model)
    >>> sorted(display.lines_)
    ['train', 'valid']
    >>> len(display.frame()) == network.n_iter_
    True
    """

    def __init__(self, history, *, best_epoch=None, name=None):
        self.history = history
        self.best_epoch = best_epoch
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, metric="loss", name=None, ax=None, **line_kw):
        """Draw the history of a fitted network.

        The epoch whose weights early stopping restored is marked. No epoch is marked without early stopping, or after
        ``partial_fit``, which keeps the last weights. With ``refit_on_all=True`` the history and the mark are those of
        the fit that determined the number of epochs.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor of skreg, alone, at the end of a Pipeline, in a
            TransformedTargetRegressor, or in a search (then its best one).
        metric : {'loss', 'score', 'objective'}, default='loss'
            As for :meth:`plot`. If early stopping monitored a ``scoring`` other than the loss, the validation scores
            are that metric; the training scores are another one, and are left out.
        name : str, default=None
            Name of the network in the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **line_kw : dict
            Passed to ``Axes.plot`` for both curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display.

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        TypeError
            If the estimator contains no network of skreg.
        """
        network = required_network(estimator)
        history = dict(network.history_)
        # The scoring of estimators with cross-validation is that of their folds; early stopping watches the loss.
        chooses = isinstance(network, RegularizedMLPClassifierCV | RegularizedMLPRegressorCV)
        if network._fitted_parameters["scoring"] != "loss" and not chooses:
            del history["train_score"]
        # Where no epoch was chosen, the lowest loss is recorded instead.
        best_epoch = network.best_epoch_ if network.best_loss_ is None else None
        return cls(history, best_epoch=best_epoch, name=name).plot(metric=metric, ax=ax, **line_kw)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per epoch: 'epoch' (counted from 1), 'train_loss', 'penalty', 'valid_loss', 'train_score',
            'valid_score' and 'lr' (learning rate; NaN for the solver 'lbfgs'), as far as the history has them.
        """
        return pd.DataFrame({name: self.history[name] for name in COLUMNS if name in self.history})

    def plot(self, *, metric="loss", name=None, color=None, ax=None, **line_kw):
        """Draw the curves.

        Several networks can be drawn on the same axes, one call after the other; each gets its own colour and marker.

        Parameters
        ----------
        metric : {'loss', 'score', 'objective'}, default='loss'
            The loss without the penalty; the score (accuracy, R², or that of the history); or the objective, which is
            the loss plus the penalty. On the validation rows the objective is their loss plus the same penalty.
        name : str, default=None
            Name of the network in the legend; None takes that of the display, if it has one.
        color : matplotlib color, default=None
            Colour of the curves; None takes the next one of the palette.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **line_kw : dict
            Passed to ``Axes.plot`` for both curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the metric is unknown or not in the history, or if `best_epoch` is none of its epochs.
        """
        validate_parameter_constraints(
            {"metric": [StrOptions(set(YLABELS))]}, {"metric": metric}, caller_name="TrainingHistoryDisplay.plot"
        )
        table = self.frame()
        curves = self._curves(table, metric)
        self._check_best(table["epoch"])
        (self.ax_,) = axes_for(ax)
        self.figure_ = self.ax_.figure
        name = self.name if name is None else name
        prefix = "" if name is None else f"{name}, "
        there = [line for line in self.ax_.get_lines() if line.get_linestyle() != "None"]
        style = {
            "color": _least_used(COLORS, [line.get_color() for line in there]) if color is None else color,
            "marker": _least_used(MARKERS, [line.get_marker() for line in there]),
            "markersize": 5,
            "markevery": max(1, len(table) // N_MARKERS),
        }
        looks = {"train": ("training", {"ls": "--", "lw": 1.3}), "valid": ("validation", {"ls": "-", "lw": 2})}
        self.lines_ = {}
        for rows, values in curves.items():
            label, look = looks[rows]
            options = _joined(look, style, line_kw)
            (label,) = labels_of([prefix + label])
            (self.lines_[rows],) = self.ax_.plot(table["epoch"], values, label=label, **options)
        self._mark_best(table["epoch"], curves, prefix)
        self.ax_.set(xlabel="epoch", ylabel=YLABELS[metric])
        self.ax_.legend()
        if ax is None:
            self.ax_.xaxis.get_major_locator().set_params(integer=True)
        return self

    def _curves(self, table, metric) -> dict[str, pd.Series]:
        """Return the curves that the history has: 'train', 'valid' or both."""
        penalty, quantity = (table.get("penalty"), "loss") if metric == "objective" else (0.0, metric)
        found = {rows: table[f"{rows}_{quantity}"] for rows in ("train", "valid") if f"{rows}_{quantity}" in table}
        if "epoch" not in table or penalty is None or not found:
            raise ValueError(
                f"To draw metric={metric!r}, the history must hold 'epoch', 'train_{quantity}' or 'valid_{quantity}'"
                f"{', and the penalty' if metric == 'objective' else ''}; got {list(table)}."
            )
        return {rows: values + penalty for rows, values in found.items()}

    def _check_best(self, epochs) -> None:
        if self.best_epoch is not None and not (epochs == self.best_epoch).any():
            raise ValueError(
                f"The 'best_epoch' parameter must be an epoch of the history, {epochs.min()} to {epochs.max()}; "
                f"got {self.best_epoch!r}."
            )

    def _mark_best(self, epochs, curves, prefix) -> None:
        """Draw a circle around the best epoch."""
        self.best_ = None
        if self.best_epoch is None:
            return
        is_best = epochs == self.best_epoch
        rows = "valid" if "valid" in curves else "train"
        (label,) = labels_of([f"{prefix}best epoch ({self.best_epoch})"])
        (self.best_,) = self.ax_.plot(
            epochs[is_best],
            curves[rows][is_best],
            color=self.lines_[rows].get_color(),
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=2,
            linestyle="none",
            label=label,
        )


def _least_used(options, used: list):
    """Return the option that is used least often, the first of equals."""
    return min(options, key=used.count)


def _joined(*options) -> dict:
    """Return options of a line together; later ones win, under any alias."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    joined = {}
    for part in options:
        joined |= normalize_kwargs(part, Line2D)
    return joined
