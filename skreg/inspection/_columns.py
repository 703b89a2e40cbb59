"""Display of how much a score depends on each column of a table."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.inspection import permutation_importance

from skreg._estimator.hints import check_container
from skreg._numbers import numbers_in
from skreg._plotting import BLUE, ORANGE, axes_for, labels_of, shortened
from skreg._seeds import random_numbers
from skreg._sklearn_private import Interval, validate_parameter_constraints
from skreg.compose import quantile_levels
from skreg.inspection._members import WHOLE, Scores, scoring_of_score

# Inches of a new figure.
WIDTH, HEIGHT_OF_A_BOX, HEIGHT_OF_THE_REST = 7.0, 0.3, 1.4


class ColumnImportanceDisplay:
    """Box plot of how much worse a score becomes when the values of one column are shuffled among the rows.

    The columns are those of the table that a pipeline gets, whatever it makes of them: a category counts as one column,
    not as one for each level. A column that the estimator does not use is at exactly 0. So may be both of two columns
    that say the same, since each stands in for the other; columns that are shuffled go together in no row that the
    estimator has seen.

    Boxes are the quartiles of the repeats, with whiskers to the last values within 1.5 times their distance. Dots are
    the members of an ensemble, each the mean of its repeats. The box shows how much chance there is in the shuffling,
    the dots how much in the fit; neither shows how much there is in the choice of the rows.

    Parameters
    ----------
    importances : array-like of shape (n_columns, n_repeats)
        Score of the rows as they are, minus that with the column shuffled.
    names : sequence of shape (n_columns,), default=None
        Names of the columns; None means their indices.
    member_importances : array-like of shape (n_columns, n_members), default=None
        The same for the members of an ensemble, means of the repeats. None leaves them out.
    score : float, default=None
        Score of the rows as they are, for the axis label.
    score_name : str, default='score'
        Name of the score, for the axis label. With ``neg_`` at its beginning, the label speaks of a rise of the rest.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    boxes_ : dict of str to list of matplotlib Line2D
        What ``Axes.boxplot`` returns, columns from top to bottom.
    members_ : matplotlib Line2D or None
        The dots of the members.
    zero_ : matplotlib Line2D
        The line at 0.

    See Also
    --------
    FeatureSelectionDisplay : Norms of the weights, which need no rows.
    sklearn.inspection.permutation_importance : What is drawn.
    sklearn.inspection.PartialDependenceDisplay : In which direction a column acts.

    References
    ----------
    L. Breiman. Random forests. Machine Learning 45 (2001), section 10.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.inspection import ColumnImportanceDisplay
    >>> table = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0] * 20, "colour": ["red", "red", "blue", "blue"] * 20})
    >>> price = table["size"] + 5 * (table["colour"] == "red")
    >>> encoder = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    >>> network = RegularizedMLPRegressor((), solver="lbfgs", random_state=0)
    >>> model = make_pipeline(encoder, network).fit(table[:60], price[:60])
    >>> display = ColumnImportanceDisplay.from_estimator(model, table[60:], price[60:], random_state=0)
    >>> list(display.frame()["column"])
    ['colour', 'size']
    """

    def __init__(self, importances, *, names=None, member_importances=None, score=None, score_name="score"):
        self.importances = importances
        self.names = names
        self.member_importances = member_importances
        self.score = score
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        scoring=None,
        n_repeats=10,
        sample_weight=None,
        random_state=None,
        n_jobs=None,
        max_columns=20,
        ax=None,
    ):
        """Shuffle each column of some rows, score the estimator, and draw how much worse it does.

        Parameters
        ----------
        estimator : estimator or list of estimator
            A fitted estimator: a pipeline that takes tables, a search, or any other. Of an ensemble, alone or at the
            end of these, the members are drawn, too, if each predicts the target (``members_`` or ``estimators_``, as
            of bagging, voting and forests). A list of fitted estimators, such as those of the folds of
            ``cross_validate``, is an ensemble: boxes are the means of its members.
        X : {DataFrame, array-like} of shape (n_samples, n_columns)
            Rows that the estimator was not fitted to, as it takes them: a frame of pandas or polars, or an array. On
            rows that it was fitted to, columns that it has learned by heart look important.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        scoring : str or callable, default=None
            Scorer, greater is better; None means the estimator's `score`: accuracy or R², or what a search scores by.
            The importances are in its units.
        n_repeats : int, default=10
            How often each column is shuffled, at least 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the score.
        random_state : int, RandomState instance or None, default=None
            Seed of the shuffling, the same for all columns and members.
        n_jobs : int, default=None
            As for :func:`sklearn.inspection.permutation_importance`.
        max_columns : int or None, default=20
            As for :meth:`plot`.
        ax : matplotlib Axes, default=None
            As for :meth:`plot`.

        Returns
        -------
        ColumnImportanceDisplay
            The display.

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If `X` is a lazy frame.
        ValueError
            If a parameter is not as described, if columns of `X` have the same name, or if a score is no finite number.
        """
        validate_parameter_constraints(
            {"scoring": [str, callable, None], "n_repeats": [Interval(Integral, 1, None, closed="left")]},
            {"scoring": scoring, "n_repeats": n_repeats},
            caller_name="ColumnImportanceDisplay.from_estimator",
        )
        _check_max_columns(max_columns)
        check_container(X, "X")
        scores = Scores.of(estimator, scoring, n_outputs=np.shape(y)[1] if np.ndim(y) > 1 else 1)
        names = _names_of(X)
        is_polars = hasattr(X, "with_columns")
        # scikit-learn would make one array of all columns of a polars frame: it shuffles row numbers instead.
        scores.table = X if is_polars else None
        rows = pd.DataFrame(dict.fromkeys(names, np.arange(len(X)))) if is_polars else X
        importances = permutation_importance(
            scores.estimators[0],
            rows,
            y,
            scoring=scores,
            n_repeats=n_repeats,
            n_jobs=n_jobs,
            random_state=random_numbers(random_state),
            sample_weight=sample_weight,
        )
        of_all = importances.pop(WHOLE)["importances"]
        members = [bunch["importances_mean"] for bunch in importances.values()]
        weights = () if sample_weight is None else (sample_weight,)
        display = cls(
            of_all,
            names=names,
            member_importances=np.transpose(members) if members else None,
            score=scores(scores.estimators[0], rows, y, *weights)[WHOLE],
            score_name=_score_name(scores.estimators[0], scoring),
        )
        return display.plot(max_columns=max_columns, ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per column of the table, including those that `max_columns` leaves out: 'column' (its name or
            index), 'importance' (mean of the repeats), 'std' (standard deviation of the repeats) and, with members,
            'std_members' (standard deviation of the members). Sorted by descending importance, then in the order of the
            columns.

        Raises
        ------
        ValueError
            If importances, names or those of members are not as described.
        """
        importances, members, names = self._checked()
        frame = pd.DataFrame({"column": names, "importance": importances.mean(axis=1), "std": _deviations(importances)})
        if members is not None:
            frame["std_members"] = _deviations(members)
        return frame.iloc[self._order()].reset_index(drop=True)

    def plot(self, *, max_columns=20, color=BLUE, ax=None):
        """Draw the importances.

        Of names with more than 40 characters the beginning and the end are written.

        Parameters
        ----------
        max_columns : int or None, default=20
            Largest number of columns to draw, at least 1; None draws all.
        color : matplotlib colour, default='#0072B2'
            Colour of the boxes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ColumnImportanceDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        _check_max_columns(max_columns)
        importances, members, names = self._checked()
        order = self._order()[: len(importances) if max_columns is None else max_columns]
        places = np.arange(len(order))
        (self.ax_,) = axes_for(ax, figsize=(WIDTH, HEIGHT_OF_THE_REST + HEIGHT_OF_A_BOX * len(order)))
        self.figure_ = self.ax_.figure
        self.zero_ = self.ax_.axvline(0, color="0.7", linewidth=1, zorder=0)
        self.boxes_ = self.ax_.boxplot(
            importances[order].T,
            orientation="horizontal",
            positions=places,
            widths=0.6,
            boxprops={"color": color},
            whiskerprops={"color": color},
            capprops={"color": color},
            medianprops={"color": color, "linewidth": 2},
            flierprops={"marker": ".", "markeredgecolor": color},
        )
        self.members_ = None
        if members is not None:
            n_members = members.shape[1]
            (self.members_,) = self.ax_.plot(
                members[order].ravel(),
                np.repeat(places, n_members),
                "o",
                color=ORANGE,
                alpha=0.6,
                markersize=4,
                zorder=3,
                label=f"each of {n_members} members",
            )
            self.ax_.legend(loc="lower right")
        shown = "" if len(order) == len(names) else f", the first {len(order)} of {len(names)}"
        self.ax_.set_yticks(places, labels_of(shortened([names[place] for place in order])))
        (label,) = labels_of([self._axis_label()])
        self.ax_.set(xlabel=label, ylabel=f"column{shown}", ylim=(len(order) - 0.4, -0.6))
        return self

    def _checked(self) -> tuple[np.ndarray, np.ndarray | None, list]:
        importances = _table_of_numbers(self.importances, "importances")
        n_columns = len(importances)
        members = self.member_importances
        if members is not None:
            members = _table_of_numbers(members, "member_importances")
        names = list(range(n_columns)) if self.names is None else list(self.names)
        for name, values in {"names": names, "member_importances": members}.items():
            if values is not None and len(values) != n_columns:
                raise ValueError(
                    f"The {name!r} parameter must have one entry for each of the {n_columns} columns; got "
                    f"{len(values)}."
                )
        return importances, members, names

    def _order(self) -> np.ndarray:
        return np.argsort(-np.asarray(self.importances, dtype=float).mean(axis=1), kind="stable")

    def _axis_label(self) -> str:
        is_negative = self.score_name.startswith("neg_")
        name = self.score_name.removeprefix("neg_")
        score = self.score
        now = "" if score is None else f" from {-score if is_negative else score:.3g}"
        return f"{'rise' if is_negative else 'fall'} of {name}{now} when the column is shuffled"


def _names_of(X) -> list | None:
    """Return the names of a frame's columns, None of an array; raise if two have the same."""
    if not hasattr(X, "columns"):
        return None
    names = list(X.columns)
    twice = sorted({name for name in names if names.count(name) > 1}, key=str)
    if twice:
        raise ValueError(f"X must have columns with different names; got more than one column for {twice!r}.")
    return names


def _score_name(estimator, scoring) -> str:
    scoring = scoring_of_score(estimator) if scoring is None else scoring
    if scoring is None:
        return "accuracy" if is_classifier(estimator) else "D²" if quantile_levels(estimator) else "R²"
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "")
    return name if name.isidentifier() else "score"  # lambdas have no name


def _check_max_columns(max_columns) -> None:
    validate_parameter_constraints(
        {"max_columns": [Interval(Integral, 1, None, closed="left"), None]},
        {"max_columns": max_columns},
        caller_name="ColumnImportanceDisplay.plot",
    )


def _table_of_numbers(values, name: str) -> np.ndarray:
    """Return finite numbers, a row for each column of the table; raise ValueError if they are not that."""
    numbers = numbers_in(values)
    if numbers is None or numbers.ndim != 2 or not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(
            f"The {name!r} parameter must hold finite numbers, a row for each column of the table; got {values!r}."
        )
    return numbers


def _deviations(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each row; of one value it is unknown."""
    return values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.full(len(values), np.nan)
