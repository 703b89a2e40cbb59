"""Displays of what ensembles say about their certainty: the spread of the members, and intervals and sets."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skreg._composition import opened
from skreg._numbers import numbers_in
from skreg._plotting import BLUE, axes_for, labels_of
from skreg._sklearn_private import Interval, validate_parameter_constraints
from skreg.ensemble._base import BaseEnsemble

COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class MemberSpreadDisplay:
    """Mean error of rows in bins of how much the members of an ensemble differ on them.

    The rows are sorted by the spread of the members' predictions and divided into bins of equally many rows. If the
    curve rises, rows on which the members differ are predicted worse, and the spread is worth looking at; if it is
    flat, the spread tells nothing about the error. Vertical lines are one standard error of the mean in each direction.
    Errors of regressors are mostly far above the dashed line, on which they are as large as the spread, because the
    spread contains neither the noise of the targets nor what all members have wrong alike.

    Parameters
    ----------
    spreads : array-like of shape (n_rows,)
        Standard deviation of the members' predictions for each row, at least 0.
    errors : array-like of shape (n_rows,)
        Error of each row, at least 0.
    n_bins : int, default=8
        Number of bins, at least 1 and at most the number of rows. Bins differ by one row at most.
    error_name : str, default='mean absolute error'
        Name of the mean errors, for the axis label.
    spread_name : str, default='standard deviation of the members'
        Name of the spreads, for the axis label.
    same_unit : bool, default=True
        Whether errors and spreads have the same unit, so that a line can show where they are equal.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    errorbar_ : matplotlib ErrorbarContainer
        Mean errors and their standard errors, by mean spread.
    mean_ : matplotlib Line2D
        The mean error of all rows.
    equal_ : matplotlib Line2D or None
        The dashed line on which errors are equal to the spread; None if they have different units.

    See Also
    --------
    CoverageDisplay : Whether intervals and sets contain as many targets as they should.
    skreg.ensemble.FoldEnsembleRegressor.predict_members : Predictions of the members.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS 2017, section 3.5.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.ensemble import FoldEnsembleRegressor
    >>> from skreg.inspection import MemberSpreadDisplay
    >>> X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    >>> network = RegularizedMLPRegressor(
    ...     (20,), early_stopping=True, target_transform="standard", learning_rate_init=0.01
    ... )
    >>> ensemble = FoldEnsembleRegressor(make_pipeline(StandardScaler(), network), random_state=0).fit(X, y)
    >>> display = MemberSpreadDisplay.from_estimator(ensemble, X_test, y_test, n_bins=3)
    >>> display.frame()["n_rows"].tolist()
    [37, 37, 37]
    """

    def __init__(
        self,
        spreads,
        errors,
        *,
        n_bins=8,
        error_name="mean absolute error",
        spread_name="standard deviation of the members",
        same_unit=True,
    ):
        self.spreads = spreads
        self.errors = errors
        self.n_bins = n_bins
        self.error_name = error_name
        self.spread_name = spread_name
        self.same_unit = same_unit

    @classmethod
    def from_estimator(cls, estimator, X, y, *, n_bins=8, ax=None):
        """Predict rows by each member of an ensemble, and draw errors against the spread.

        Parameters
        ----------
        estimator : estimator
            A fitted ensemble of :mod:`skreg.ensemble`, alone, at the end of a pipeline, or in a search. Of a regressor
            the spread is the standard deviation of the members' predictions, and the error the absolute one; of a
            classifier the standard deviation of the members' probabilities of the class that the ensemble predicts, and
            whether that is wrong.
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows that the ensemble was not fitted to.
        y : array-like of shape (n_rows,)
            Their targets.
        n_bins : int, default=8
            Number of bins, at least 1 and at most the number of rows.
        ax : matplotlib Axes, default=None
            As for :meth:`plot`.

        Returns
        -------
        MemberSpreadDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator contains no ensemble of skreg, or the ensemble predicts a target that is transformed
            outside of it.
        NotFittedError
            If it is not fitted.
        ValueError
            If there is more than one target or quantile, or `n_bins` is not as described.
        """
        ensemble, X = _ensemble_and_inputs(estimator, X)
        predictions = ensemble.predict_members(X)
        y = _single_target(y, X)
        if is_classifier(ensemble):
            _check_shape(predictions.mean, (len(y), len(ensemble.classes_)))
            predicted = ensemble.predict(X)
            columns = np.searchsorted(ensemble.classes_, predicted)
            display = cls(
                predictions.std[np.arange(len(y)), columns],
                (predicted != y).astype(float),
                n_bins=n_bins,
                error_name="share of wrong rows",
                spread_name="standard deviation of the members' probabilities\nof the predicted class",
                same_unit=False,
            )
        else:
            _check_shape(predictions.mean, (len(y),))
            display = cls(predictions.std, np.abs(ensemble.predict(X) - y.astype(float)), n_bins=n_bins)
        return display.plot(ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per bin, in the order of the spread: 'n_rows', means 'spread' and 'error', and 'std_error', the
            standard error of the mean error (NaN for a bin of one row).

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        spreads, errors = _numbers(self.spreads, "spreads"), _numbers(self.errors, "errors")
        check_consistent_length(spreads, errors)
        if not isinstance(self.n_bins, Integral) or not 1 <= self.n_bins <= len(spreads):
            raise ValueError(
                f"The 'n_bins' parameter must be an int from 1 to the number of rows, {len(spreads)}; got "
                f"{self.n_bins!r}."
            )
        bins = np.array_split(np.argsort(spreads, kind="stable"), self.n_bins)
        rows = [(len(rows), spreads[rows].mean(), errors[rows].mean(), pd.Series(errors[rows]).sem()) for rows in bins]
        return pd.DataFrame(rows, columns=["n_rows", "spread", "error", "std_error"])

    def plot(self, *, color=BLUE, ax=None):
        """Draw the errors.

        Parameters
        ----------
        color : matplotlib colour, default='#0072B2'
            Colour of the curve.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        MemberSpreadDisplay
            The display itself.

        Raises
        ------
        ValueError
            As for :meth:`frame`.
        """
        frame = self.frame()
        (self.ax_,) = axes_for(ax, figsize=(6.4, 4.8))
        self.figure_ = self.ax_.figure
        self.errorbar_ = self.ax_.errorbar(
            frame["spread"], frame["error"], yerr=frame["std_error"], fmt="o-", color=color, capsize=3, label="bins"
        )
        self.mean_ = self.ax_.axhline(np.mean(self.errors), color="0.6", linewidth=1, zorder=0, label="all rows")
        self.equal_ = None
        if self.same_unit:
            ends = [0, frame["spread"].max()]
            (self.equal_,) = self.ax_.plot(ends, ends, "--", color="0.4", linewidth=1, zorder=0, label="error = spread")
        spread, error = labels_of([self.spread_name, self.error_name])
        self.ax_.set(xlabel=spread, ylabel=error, xlim=(0, None), ylim=(0, None))
        self.ax_.legend(loc="upper left")
        return self


class CoverageDisplay:
    """Share of rows whose target is in its interval or set, and how large these are, by the coverage asked for.

    On the left, dots on the diagonal are right: as many targets are in their intervals as were asked for. The band
    around it is what chance in the choice of these rows allows: two standard errors of a share of so many independent
    rows. (Chance in the choice of the training rows comes on top, and the dots share their rows.) Coverage alone says
    little, since an interval that contains everything covers everything: on the right is the mean width of the
    intervals, or the mean number of classes in a set. Of two models that cover equally well, the one with the smaller
    intervals knows more.

    Parameters
    ----------
    coverages : array-like of shape (n_coverages,)
        Coverages that were asked for, in (0, 1).
    covered : array-like of shape (n_coverages,)
        Share of the rows in their interval or set, in [0, 1].
    sizes : array-like of shape (n_coverages,)
        Mean width or number of classes, at least 0; infinite widths are not drawn.
    n_rows : int
        Number of rows, for the band.
    size_name : str, default='mean width'
        Name of the sizes, for the axis label.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        The axes of shares and of sizes.
    figure_ : matplotlib Figure
        The figure.
    covered_, sizes_ : matplotlib Line2D
        Shares and sizes, by coverage.
    diagonal_ : matplotlib Line2D
        Where shares are as asked for.
    band_ : matplotlib PolyCollection
        Two standard errors around the diagonal.

    See Also
    --------
    MemberSpreadDisplay : Whether rows on which members differ have larger errors.
    sklearn.calibration.CalibrationDisplay : Whether probabilities are right.

    References
    ----------
    R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani, "Predictive inference with the jackknife+", Annals of
    Statistics 49, 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.ensemble import FoldEnsembleRegressor
    >>> from skreg.inspection import CoverageDisplay
    >>> X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    >>> network = RegularizedMLPRegressor(
    ...     (20,), early_stopping=True, target_transform="standard", learning_rate_init=0.01
    ... )
    >>> ensemble = FoldEnsembleRegressor(make_pipeline(StandardScaler(), network), random_state=0).fit(X, y)
    >>> display = CoverageDisplay.from_estimator(ensemble, X_test, y_test, coverages=[0.5, 0.9])
    >>> list(display.frame().columns)
    ['coverage', 'covered', 'size', 'std_error']
    """

    def __init__(self, coverages, covered, sizes, *, n_rows, size_name="mean width"):
        self.coverages = coverages
        self.covered = covered
        self.sizes = sizes
        self.n_rows = n_rows
        self.size_name = size_name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, coverages=COVERAGES, color=BLUE, name=None, axes=None):
        """Predict intervals or sets of several coverages, and draw how many targets they contain.

        Parameters
        ----------
        estimator : estimator
            A fitted ensemble of :mod:`skreg.ensemble` with out-of-fold predictions, alone, at the end of a pipeline, or
            in a search: a regressor with `predict_interval`, or a classifier with `predict_set`.
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows that the ensemble was not fitted to.
        y : array-like of shape (n_rows,)
            Their targets.
        coverages : array-like of shape (n_coverages,), default=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
            Coverages to ask for, in (0, 1). The larger, the more training rows they need.
        color : matplotlib colour, default='#0072B2'
            As for :meth:`plot`.
        name : str, default=None
            As for :meth:`plot`.
        axes : sequence of two matplotlib Axes, default=None
            As for :meth:`plot`.

        Returns
        -------
        CoverageDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator contains no ensemble of skreg, or the ensemble predicts a target that is transformed
            outside of it.
        NotFittedError
            If it is not fitted.
        ValueError
            If a coverage is not as described or needs more training rows than there were, or there is more than one
            target.
        """
        coverages = _numbers(coverages, "coverages", high=1).tolist()
        ensemble, X = _ensemble_and_inputs(estimator, X)
        y = _single_target(y, X)
        if is_classifier(ensemble):
            columns = np.searchsorted(ensemble.classes_, y).clip(max=len(ensemble.classes_) - 1)
            known = ensemble.classes_[columns] == y  # a class without training rows is in no set
            sets = [np.asarray(ensemble.predict_set(X, coverage=coverage)) for coverage in coverages]
            covered = [np.mean(known & within[np.arange(len(y)), columns]) for within in sets]
            sizes, size_name = [within.sum(axis=1).mean() for within in sets], "mean number of classes in a set"
        else:
            y = y.astype(float)
            intervals = [np.asarray(ensemble.predict_interval(X, coverage=coverage)) for coverage in coverages]
            for interval in intervals:
                _check_shape(interval, (len(y), 2))
            covered = [np.mean((low <= y) & (y <= high)) for low, high in (ends.T for ends in intervals)]
            sizes, size_name = [np.diff(interval).mean() for interval in intervals], "mean width of an interval"
        display = cls(coverages, covered, sizes, n_rows=len(y), size_name=size_name)
        return display.plot(color=color, name=name, axes=axes)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per coverage, in ascending order: 'coverage' asked for, share 'covered', mean 'size', and
            'std_error', the standard error of the share of `n_rows` independent rows if the coverage is right.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        coverages = _numbers(self.coverages, "coverages", high=1)
        covered = _numbers(self.covered, "covered", high=1)
        sizes = _numbers(self.sizes, "sizes", infinite=True)
        check_consistent_length(coverages, covered, sizes)
        if not ((coverages > 0) & (coverages < 1)).all():
            raise ValueError(f"The 'coverages' parameter must hold numbers in (0, 1); got {self.coverages!r}.")
        validate_parameter_constraints(
            {"n_rows": [Interval(Integral, 1, None, closed="left")]},
            {"n_rows": self.n_rows},
            caller_name="CoverageDisplay.frame",
        )
        errors = np.sqrt(coverages * (1 - coverages) / self.n_rows)
        frame = pd.DataFrame({"coverage": coverages, "covered": covered, "size": sizes, "std_error": errors})
        return frame.sort_values("coverage", kind="stable", ignore_index=True)

    def plot(self, *, color=BLUE, name=None, axes=None):
        """Draw shares and sizes.

        Several ensembles can be drawn on the same axes, one call after the other, each in a colour of its own.

        Parameters
        ----------
        color : matplotlib colour, default='#0072B2'
            Colour of the dots.
        name : str, default=None
            Name of the ensemble in the legend; None leaves it out.
        axes : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        CoverageDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is not as described, or `axes` holds another number of axes.
        """
        frame = self.frame()
        self.axes_ = left, right = axes_for(axes, 2, figsize=(10, 4.4))
        self.figure_ = left.figure
        lowest = max(0, min(frame["coverage"].min(), frame["covered"].min()) - 0.05)
        if left.lines:  # of another ensemble
            lowest = min(lowest, left.get_xlim()[0])
        nominal = np.linspace(0, 1, 201)
        errors = np.sqrt(nominal * (1 - nominal) / self.n_rows)
        (self.diagonal_,) = left.plot([0, 1], [0, 1], ":", color="0.4", zorder=0)
        self.band_ = left.fill_between(
            nominal, nominal - 2 * errors, nominal + 2 * errors, color="0.5", alpha=0.15, linewidth=0, zorder=0
        )
        label = None if name is None else labels_of([name])[0]
        (self.covered_,) = left.plot(frame["coverage"], frame["covered"], "o-", color=color, label=label)
        sizes = frame["size"].replace(np.inf, np.nan)
        (self.sizes_,) = right.plot(frame["coverage"], sizes, "o-", color=color, label=label)
        left.set(xlabel="coverage asked for", ylabel=f"share of {self.n_rows} rows inside", xlim=(lowest, 1.01))
        left.set_ylim(lowest, 1.01)
        (size_name,) = labels_of([self.size_name])
        right.set(xlabel="coverage asked for", ylabel=size_name)
        right.set_ylim(bottom=0, auto=None)
        right.locator_params(axis="x", nbins=6)
        if label is not None:
            left.legend(loc="upper left")
        return self


def _ensemble_and_inputs(estimator, X) -> tuple[BaseEnsemble, object]:
    """Return the ensemble in a fitted pipeline or search, and the inputs that reach it."""
    check_is_fitted(estimator)
    for part in opened(estimator):
        if isinstance(part, BaseEnsemble):
            return part, X
        if hasattr(part, "regressor_"):
            raise TypeError(
                "The 'estimator' parameter must predict y itself, not a target that is transformed outside of the "
                f"ensemble: give its networks a target_transform; got {estimator!r}."
            )
        if isinstance(part, Pipeline) and len(part.steps) > 1:
            X = part[:-1].transform(X)
    raise TypeError(
        "The 'estimator' parameter must be a fitted ensemble of skreg.ensemble, alone, at the end of a pipeline or in "
        f"a search; got {estimator!r}."
    )


def _single_target(y, X) -> np.ndarray:
    """Return y as an array of one dimension with a target for each row of X."""
    if np.ndim(y) > 1 and np.shape(y)[1] > 1:
        raise ValueError(f"y must be a single target; got an array of shape {np.shape(y)} ({type_of_target(y)}).")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    return y


def _check_shape(predictions: np.ndarray, shape: tuple[int, ...]) -> None:
    if predictions.shape != shape:
        raise ValueError(
            "The 'estimator' parameter must predict a single target, without quantiles; got predictions of shape "
            f"{predictions.shape} for {shape[0]} rows."
        )


def _numbers(values, name: str, *, high=np.inf, infinite=False) -> np.ndarray:
    """Return numbers from 0 to ``high`` in one dimension; raise ValueError if they are not that."""
    numbers = numbers_in(values)
    is_right = numbers is not None and numbers.ndim == 1 and numbers.size and ((numbers >= 0) & (numbers <= high)).all()
    if not is_right or not (infinite or np.isfinite(numbers).all()):
        allowed = f"from 0 to {high:g}" if np.isfinite(high) else "from 0 on" if infinite else "finite, from 0 on"
        raise ValueError(f"The {name!r} parameter must hold at least one number, {allowed}; got {values!r}.")
    return numbers
