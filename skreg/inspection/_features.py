"""Display of the features that a network uses, and in how many folds it does."""

from numbers import Integral

import numpy as np
import pandas as pd

from skreg._estimator.columns import column_norms
from skreg._numbers import numbers_in
from skreg._plotting import BLUE, axes_for, labels_of, shortened
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints
from skreg.inspection._networks import opened, required_network
from skreg.model_selection import cross_validate

# Inches of a new figure.
WIDTH, HEIGHT_OF_A_BAR, HEIGHT_OF_THE_REST = 7.0, 0.28, 1.2


class FeatureSelectionDisplay:
    """Bar chart of the norm of each feature's weights, with the share of folds in which the feature is used.

    A feature whose weights are all exactly zero has no effect on the predictions. It has an open circle at zero instead
    of a bar. Norms are comparable only between features of the same scale.

    Parameters
    ----------
    importances : array-like of shape (n_features,)
        Norms of the features' weights, at least 0.
    names : sequence of shape (n_features,), default=None
        Names of the features; None means their indices.
    frequencies : array-like of shape (n_features,), default=None
        Share of the folds in which each feature is used, between 0 and 1. None leaves them out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    bars_ : matplotlib BarContainer
        One bar per feature drawn, from top to bottom.
    zeros_ : matplotlib Line2D
        The open circles of the features that are exactly zero.
    frequency_axis_ : matplotlib SecondaryAxis or None
        The axis at the right, with the shares of folds.

    See Also
    --------
    skreg.model_selection.RegularizationPathDisplay : The norms for a range of strengths.
    PenaltyGeometryDisplay : Why some weights are exactly zero.

    Examples
    --------
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.datasets import make_interactions
    >>> from skreg.inspection import FeatureSelectionDisplay
    >>> X, y = make_interactions(n_samples=200, n_features=10, random_state=0)
    >>> model = RegularizedMLPRegressor(
    ...     (10,), penalty="group_lasso", alpha=0.1, learning_rate="cosine", learning_rate_init=0.02, max_iter=50,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> FeatureSelectionDisplay.from_estimator(model, X, y, cv=3).frame().round(2).head(6)
       feature  importance  selected  frequency
    0        3        0.61      True       1.00
    1        4        0.39      True       1.00
    2        5        0.22      True       1.00
    3        0        0.21      True       1.00
    4        1        0.06      True       0.67
    5        2        0.00     False       0.33
    """

    def __init__(self, importances, *, names=None, frequencies=None):
        self.importances = importances
        self.names = names
        self.frequencies = frequencies

    @classmethod
    def from_estimator(cls, estimator, X=None, y=None, *, cv=None, groups=None, by="column", max_features=20, ax=None):
        """Draw the features of a fitted estimator; with data, also the share of folds in which each is used.

        With `X` and `y`, copies of the estimator are fitted on the training rows of every fold (by
        :func:`~skreg.model_selection.cross_validate`). A feature that is used in all folds hardly depends on the choice
        of rows. The bars are always those of the fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted RegularizedMLPClassifier or RegularizedMLPRegressor, alone, at the end of a pipeline, or in a
            search. In a pipeline the features are those that reach the network, or, behind a
            :class:`~skreg.preprocessing.TableEncoder`, the columns of the table. Where the steps before the network
            have `get_feature_names_out`, folds are matched by feature name, and a feature that is missing in a fold
            counts as not used there.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Inputs, for the folds.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, for the folds.
        cv : int, cross-validation splitter or iterable, default=None
            Splitting strategy; None means 5 folds. Needs `X` and `y`.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for the splitter.
        by : {'column', 'feature'}, default='column'
            What a bar stands for: a column of the original table, with all features that the encoder has made of it,
            if the network knows the original columns (`source_columns_`); or always a feature.
        max_features : int or None, default=20
            As for :meth:`plot`.
        ax : matplotlib Axes, default=None
            As for :meth:`plot`.

        Returns
        -------
        FeatureSelectionDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator contains no network of skreg.
        NotFittedError
            If it is not fitted.
        ValueError
            If only one of `X` and `y` is given, if `cv` or `groups` is given without them, if `by` is not as
            described, or if the fit of a fold fails.
        """
        validate_parameter_constraints(
            {"by": [StrOptions({"column", "feature"})]},
            {"by": by},
            caller_name="FeatureSelectionDisplay.from_estimator",
        )
        importances, names = importances_of(estimator, by)
        if (X is None) != (y is None):
            given, missing = ("y", "X") if X is None else ("X", "y")
            raise ValueError(
                f"X and y must be given together, to fit the folds, or not at all; got {given} without {missing}."
            )
        frequencies = None
        if X is not None:
            folds = cross_validate(estimator, X, y, cv=cv, groups=groups, return_estimator=True, error_score="raise")
            used = [used_features(fold, by, names, len(importances)) for fold in folds["estimator"]]
            frequencies = np.mean(used, axis=0)
        elif cv is not None or groups is not None:
            raise ValueError(
                f"X and y must be given with 'cv' and 'groups'; got cv={cv!r}, groups={groups!r} without them."
            )
        display = cls(importances, names=names, frequencies=frequencies)
        return display.plot(max_features=max_features, ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per feature, including those that `max_features` leaves out: 'feature' (its name or index),
            'importance', 'selected' (whether any of its weights is not zero) and, with folds, 'frequency'. Sorted by
            descending importance, then by descending frequency, then in the order of the columns.

        Raises
        ------
        ValueError
            If importances, names or frequencies are not as described.
        """
        importances = checked(self.importances, "importances", np.inf)
        names = np.arange(len(importances)) if self.names is None else self.names
        for name, values in {"names": names, "frequencies": self.frequencies}.items():
            if values is not None and len(values) != len(importances):
                raise ValueError(
                    f"The {name!r} parameter must have one entry for each of the {len(importances)} features; got "
                    f"{len(values)}."
                )
        frame = pd.DataFrame({"feature": list(names), "importance": importances, "selected": importances > 0})
        order = [-importances]
        if self.frequencies is not None:
            frame["frequency"] = checked(self.frequencies, "frequencies", 1.0)
            order = [-frame["frequency"], *order]
        return frame.iloc[np.lexsort(order)].reset_index(drop=True)

    def plot(self, *, max_features=20, color=BLUE, ax=None):
        """Draw the features.

        Parameters
        ----------
        max_features : int or None, default=20
            Largest number of features to draw, at least 1; None draws all.
        color : matplotlib colour, default='#0072B2'
            Colour of the bars.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        FeatureSelectionDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        validate_parameter_constraints(
            {"max_features": [Interval(Integral, 1, None, closed="left"), None]},
            {"max_features": max_features},
            caller_name="FeatureSelectionDisplay.plot",
        )
        frame = self.frame()
        n_features = len(frame)
        frame = frame.head(n_features if max_features is None else max_features)
        positions = np.arange(len(frame))
        (self.ax_,) = axes_for(ax, figsize=(WIDTH, HEIGHT_OF_THE_REST + HEIGHT_OF_A_BAR * len(frame)))
        self.figure_ = self.ax_.figure
        self.bars_ = self.ax_.barh(positions, frame["importance"], color=color)
        zeros = positions[~frame["selected"]]
        (self.zeros_,) = self.ax_.plot(
            np.zeros(len(zeros)),
            zeros,
            "o",
            color="black",
            markerfacecolor="white",
            clip_on=False,
            label="exactly zero",
        )
        self.ax_.set_yticks(positions, labels_of(shortened(frame["feature"])))
        shown = "" if len(frame) == n_features else f", the first {len(frame)} of {n_features}"
        self.ax_.set(xlabel="norm of the feature's weights", ylabel=f"feature{shown}", ylim=(len(frame) - 0.5, -0.5))
        self.ax_.set_xlim(left=0, right=None if frame["selected"].any() else 1)
        if len(zeros):
            self.ax_.legend(loc="lower right")
        self._draw_frequencies(positions, frame)
        return self

    def _draw_frequencies(self, positions, frame):
        """Write the share of folds in which each feature is used at the right."""
        self.frequency_axis_ = None
        if "frequency" in frame:
            self.frequency_axis_ = self.ax_.secondary_yaxis("right")
            self.frequency_axis_.set_yticks(positions, [f"{share:.0%}" for share in frame["frequency"]])
            self.frequency_axis_.set_ylabel("used in this share of the folds")


def checked(values, name: str, largest: float) -> np.ndarray:
    """Return numbers between 0 and a bound as an array; raise ValueError if they are not."""
    numbers = numbers_in(values)
    if (
        numbers is None
        or numbers.ndim != 1
        or not ((numbers >= 0) & (numbers <= largest)).all()
        or not np.isfinite(numbers).all()
    ):
        bound = "" if np.isinf(largest) else f" and at most {largest:g}"
        raise ValueError(f"The {name!r} parameter must hold finite numbers of at least 0{bound}; got {values!r}.")
    return numbers


def importances_of(estimator, by: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the importances in a fitted estimator, and the names that go with them; None if they have no names.

    With ``by='column'`` they are those of the columns of the original table, if the network knows them.
    """
    network = required_network(estimator)
    if by == "feature" or network.source_columns_ is None:
        return network.feature_importances_, feature_names(estimator)
    encoder = encoder_of(estimator)
    n_columns = None if encoder is None else encoder.n_features_in_
    importances = column_norms(network.feature_importances_, network.source_columns_, n_columns)
    return importances, getattr(encoder, "feature_names_in_", None)


def encoder_of(estimator):
    """Return the step of a fitted pipeline that has encoded the table; None if there is none."""
    *wrappers, _ = opened(estimator)
    steps = [step for wrapper in wrappers for _, step in getattr(wrapper, "steps", ())[:-1]]
    return next((step for step in reversed(steps) if hasattr(step, "source_columns_")), None)


def feature_names(estimator) -> np.ndarray | None:
    """Return the names of the features that reach the network in a fitted estimator; None if they have no names."""
    names = None
    *wrappers, network = opened(estimator)
    for wrapper in wrappers:
        if hasattr(wrapper, "steps"):
            names = names_after(wrapper[:-1], names)
    return getattr(network, "feature_names_in_", names)


def names_after(pipeline, names: np.ndarray | None) -> np.ndarray | None:
    """Return the names of a pipeline's output features, given those of its inputs; None if they are unknown."""
    if not len(pipeline):
        return names
    try:
        return pipeline.get_feature_names_out(names)
    except AttributeError:  # one of the steps has no such method, as a FunctionTransformer
        return None


def used_features(estimator, by: str, names: np.ndarray | None, n_features: int) -> np.ndarray:
    """Return which of some features, or original columns, the network in another fitted estimator uses."""
    importances, own_names = importances_of(estimator, by)
    used = importances > 0
    if names is not None and own_names is not None:
        return np.isin(names, own_names[used])
    if len(used) != n_features:
        raise ValueError(
            f"Without names, the features of the folds cannot be matched: a fold has {len(used)} of them, and the "
            f"estimator {n_features}. Give the transformers before the network a method get_feature_names_out."
        )
    return used
