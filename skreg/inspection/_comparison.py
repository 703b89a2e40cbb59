"""The result of a comparison of regularizers: numbers, tests, words, a picture and a report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from skreg.inspection._significance import adjusted_pvalues, corrected_ttest
from skreg.inspection._verdict import Verdict

# Columns of the folds that are not numbers of a fit.
KEYS = ("regularizer", "fold", "chosen")
LOSSES = {
    "log_loss": "log-loss",
    "mean_squared_error": "mean squared error",
    "pinball_loss": "pinball loss",
}


class Best(NamedTuple):
    """The best of several regularizers, fitted to all rows, with the parameters that were chosen for it."""

    name: str
    estimator: object
    parameters: dict


class RegularizerComparison:
    """Scores of several regularizers on the same outer folds.

    Made by :func:`compare_regularizers`.

    Parameters
    ----------
    folds : DataFrame
        One line for every regularizer and outer fold, see below.
    score_name : str
        What the scores are called.
    n_train, n_test : float
        Mean number of training and of test rows of an outer fold.
    settings : dict of str to object
        How the comparison was made, for the report.
    best : Best, default=None
        Name, estimator and parameters of the best one, fitted to all rows.
    notes : sequence of str, default=()
        Sentences for the end of the summary.

    Attributes
    ----------
    folds : DataFrame
        Columns:

        - 'regularizer', 'fold': name, and number of the outer fold, from 0;
        - 'test_score', 'train_score', 'gap': score of the test rows, of the training rows, and the latter minus the
          former;
        - 'log_loss' (classifiers): in nats, on the test rows;
        - 'calibration_error', 'classwise_calibration_error' (classifiers): on the test rows, that of the most probable
          class of each row, and the mean of those of all classes, which with two classes is that of the positive one;
          see :func:`calibration_error`. Of several labels, the former pools all their probabilities;
        - 'mean_squared_error' (regressors): on the test rows; for several quantiles 'pinball_loss', the mean over them;
        - 'zeros': share of all weights that are exactly zero;
        - 'parameters': number of weights and biases that are not zero;
        - 'epochs': number of training epochs;
        - 'fit_time', 'tuning_time': seconds for the fit, and for all fits of the inner folds; for networks that are
          trained together, their shares;
        - 'chosen': dict of the parameters that the inner folds have chosen.

        What an estimator does not have, as others than ours have no weights, is NaN.
    names : list of str
        The regularizers, in the order in which they were given.
    score_name : str
        What the scores are called.
    n_train, n_test : float
        Mean number of training and of test rows of an outer fold.
    settings : dict of str to object
        How the comparison was made.
    best_estimator_ : estimator
        The regularizer with the highest mean test score, fitted to all rows with the parameters that inner folds of all
        rows have chosen. This and the next exist after a comparison with ``refit=True``, if that fit has not failed.
    best_params_ : dict
        These parameters.

    See Also
    --------
    compare_regularizers : Makes one.
    ComparisonDisplay : Draws the differences.
    GeneralizationGapDisplay : Draws training and test scores.

    Examples
    --------
    See :func:`compare_regularizers`.
    """

    def __init__(
        self,
        folds,
        *,
        score_name,
        n_train,
        n_test,
        settings: Mapping,
        best: Best | None = None,
        notes: Sequence[str] = (),
    ):
        self.folds = folds
        self.names = list(dict.fromkeys(folds["regularizer"]))
        self.score_name = score_name
        self.n_train = n_train
        self.n_test = n_test
        self.settings = dict(settings)
        self._best = best
        self._notes = list(notes)

    def __repr__(self):
        return f"<RegularizerComparison of {len(self.names)} regularizers on {self._n_folds} outer folds>"

    def _repr_html_(self):
        """Return what notebooks show: the conclusion and a short table."""
        # The report draws displays, which can make comparisons, so they import this module.
        from skreg.inspection._report import comparison_in_short

        return comparison_in_short(self)

    @property
    def best_estimator_(self):
        """The regularizer with the highest mean test score, fitted to all rows."""
        return self._fitted_best("best_estimator_").estimator

    @property
    def best_params_(self) -> dict:
        """The parameters that inner folds of all rows have chosen for it."""
        return self._fitted_best("best_params_").parameters

    def _fitted_best(self, attribute: str) -> Best:
        if self._best is None:
            raise AttributeError(
                f"This comparison has no '{attribute}': it was made with refit=False, or the best one could not be "
                "fitted to all rows."
            )
        return self._best

    @property
    def _n_folds(self) -> int:
        return self.folds["fold"].nunique()

    @property
    def has_tests(self) -> bool:
        """Whether there is anything to test: at least two regularizers, on at least two folds."""
        return len(self.names) > 1 and self._n_folds > 1

    def frame(self):
        """Return mean and standard deviation over the outer folds.

        Returns
        -------
        DataFrame
            One line for each regularizer, the best mean test score first; for every number of `folds` a column whose
            name begins with ``mean_`` and one that begins with ``std_`` (with divisor n - 1; NaN for a single fold). A
            regularizer one of whose fits has failed has NaN and comes last.
        """
        columns = [name for name in self.folds.columns if name not in KEYS]
        groups = self.folds.groupby("regularizer", sort=False)[columns]
        means, deviations = (
            groups.agg(lambda values, name=name: getattr(values, name)(skipna=False)) for name in ("mean", "std")
        )
        pairs = [
            column
            for name in columns
            for column in (means[name].rename(f"mean_{name}"), deviations[name].rename(f"std_{name}"))
        ]
        # Equal means stay in the order given.
        return pd.concat(pairs, axis=1).sort_values("mean_test_score", ascending=False, kind="stable")

    def tests(self, reference=None, *, confidence=0.95):
        """Compare all regularizers with one, in pairs, by the corrected paired t-test.

        Parameters
        ----------
        reference : str, default=None
            Which one the others are compared with; None is the one that was given first.
        confidence : float, default=0.95
            Of each interval by itself, between 0 and 1.

        Returns
        -------
        DataFrame
            One line for each of the others, in the order given: 'difference' of the test scores (positive where the
            other is better than the reference), its confidence interval from 'low' to 'high', 'statistic' and 'pvalue'
            of the test by itself (see :func:`corrected_ttest`), and 'pvalue_adjusted', which also holds if you look at
            all lines and pick the best: among them all, one below 0.05 comes up by chance in one comparison of twenty.

        Raises
        ------
        ValueError
            If `reference` is not one of the names, or there are fewer than two outer folds.

        Notes
        -----
        P-values are adjusted by the step-down max-t procedure of Westfall and Young [1]_: the largest statistic is
        compared with the largest of several that belong to no difference at all. As in Dunnett's test [2]_, all
        differences are from the same reference, and the procedure makes use of their correlations. It keeps the
        corrected statistic, rotates the folds at random [3]_ with a fixed seed, and never gives a larger p-value than
        Holm's or Bonferroni's procedure.

        References
        ----------
        .. [1] P. H. Westfall, S. S. Young, "Resampling-Based Multiple Testing", Wiley 1993.
        .. [2] C. W. Dunnett, "A Multiple Comparison Procedure for Comparing Several Treatments with a Control", Journal
           of the American Statistical Association 50, 1955.
        .. [3] O. Langsrud, "Rotation Tests", Statistics and Computing 15, 2005.
        """
        reference = self.reference(reference)
        if self._n_folds < 2:
            raise ValueError("A paired test needs at least two outer folds; this comparison has one.")
        scores = self.scores()
        others = [name for name in self.names if name != reference]
        differences = np.array([scores[name] - scores[reference] for name in others]).reshape(len(others), -1).T
        rows = {"n_train": self.n_train, "n_test": self.n_test}
        results = [corrected_ttest(column, **rows, confidence=confidence) for column in differences.T]
        columns = ["difference", "low", "high", "statistic", "pvalue"]
        lines = [[getattr(result, column) for column in columns] for result in results]
        frame = pd.DataFrame(lines, columns=columns, index=pd.Index(others, name="regularizer"), dtype=float)
        return frame.assign(pvalue_adjusted=adjusted_pvalues(differences, **rows))

    def reference(self, name=None):
        """Return the name of the regularizer that others are compared with.

        Parameters
        ----------
        name : str, default=None
            One of the names; None is the first of them.

        Returns
        -------
        str
            The name.

        Raises
        ------
        ValueError
            If there is no regularizer of that name.
        """
        if name is None:
            return self.names[0]
        if name not in self.names:
            raise ValueError(f"The 'reference' parameter must be one of {self.names}; got {name!r}.")
        return name

    def scores(self, column="test_score"):
        """Return the scores of all regularizers side by side.

        Parameters
        ----------
        column : str, default='test_score'
            A column of `folds`.

        Returns
        -------
        DataFrame
            One line for each outer fold, one column for each regularizer.

        Raises
        ------
        ValueError
            If `folds` has no such column.
        """
        if column not in self.folds:
            raise ValueError(f"The 'column' parameter must be one of {list(self.folds.columns)}; got {column!r}.")
        return self.folds.pivot(index="fold", columns="regularizer", values=column)[self.names]

    def choices(self):
        """Return which parameters the inner folds have chosen.

        Returns
        -------
        DataFrame
            One line for each regularizer and parameter that it had a choice of; a column for each outer fold by its
            number, and before them 'typical', the value in the combination that most folds have chosen (of several, the
            one that was chosen first), and 'share', the share of folds that have chosen that combination. A small share
            says that the rows hardly determine the strength.
        """
        lines = {}
        for name in self.names:
            chosen = self.folds.loc[self.folds["regularizer"] == name].set_index("fold")["chosen"]
            combinations = [repr(of_fold) for of_fold in chosen]
            typical = max(combinations, key=combinations.count)
            share = combinations.count(typical) / len(combinations)
            for parameter, value in chosen.iloc[combinations.index(typical)].items():
                of_folds = {fold: of_fold.get(parameter) for fold, of_fold in chosen.items()}
                lines[name, parameter] = {"typical": value, "share": share, **of_folds}
        index = pd.MultiIndex.from_tuples(list(lines), names=["regularizer", "parameter"])
        columns = ["typical", "share", *sorted(self.folds["fold"].unique())]
        return pd.DataFrame(list(lines.values()), index=index, columns=columns, dtype=object).astype({"share": float})

    def summary(self):
        """Say in words what was found, and how sure that is.

        Returns
        -------
        str
            Some lines of text. The first, of two sentences, is the conclusion.

        Notes
        -----
        A difference from the reference, the first of the names, counts if its adjusted p-value is below 0.05 (see
        :meth:`tests`). Whether another one is worse than the best is tested by the same max-t procedure, over the pairs
        of all those that may still be the best, because it was not known before which one that is.
        """
        frame = self.frame()
        if np.isnan(frame["mean_test_score"].iloc[0]):
            return "No regularizer has a score in every fold, so nothing can be compared."
        verdict = Verdict.of(self, frame) if self.has_tests else None
        lines = [] if verdict is None else [verdict.conclusion(self)]
        lines += self._best_in_words(frame)
        lines += [] if verdict is None else verdict.details(self)
        return "\n".join([*lines, *self._losses_in_words(frame), *self._gaps_in_words(frame), *self._notes])

    def _best_in_words(self, frame) -> list[str]:
        best = frame.index[0]
        return [
            f"{_counted(self._n_folds, 'outer fold')} of {self.n_train:.0f} training and {self.n_test:.0f} test rows; "
            f"score: {self.score_name} (greater is better).",
            f"Highest mean test score: {best}, {_with_deviation(frame, best, 'test_score')}.",
        ]

    def _losses_in_words(self, frame) -> list[str]:
        (name,) = (name for name in LOSSES if f"mean_{name}" in frame)
        losses = frame[f"mean_{name}"].dropna()
        if losses.empty:
            return []
        lowest = losses.idxmin()
        return [f"Lowest {LOSSES[name]}: {lowest}, {_with_deviation(frame, lowest, name)}."]

    def _gaps_in_words(self, frame) -> list[str]:
        gaps = frame["mean_gap"].dropna()
        widest, narrowest = gaps.idxmax(), gaps.idxmin()
        if np.isclose(gaps[widest], gaps[narrowest], rtol=0, atol=1e-9):
            return []
        return [
            f"Gap between training and test score: widest {widest} ({gaps[widest]:+.3g}), narrowest {narrowest} "
            f"({gaps[narrowest]:+.3g}). A narrow gap is no merit by itself: what counts is the test score."
        ]

    def plot(self, *, reference=None, ax=None):
        """Draw the differences to one regularizer, with their intervals.

        Parameters
        ----------
        reference : str, default=None
            As for :meth:`tests`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComparisonDisplay
            The display.
        """
        # Displays can make comparisons, so they import this module.
        from skreg.inspection._differences import ComparisonDisplay

        return ComparisonDisplay.from_comparison(self, reference=reference, ax=ax)

    def to_html(self, path, *, title=None):
        """Write a report: one page with sortable tables and figures, which needs no network.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        title : str, default=None
            Headline of the page.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            If it cannot be written.
        ImportError
            If matplotlib is not installed.
        """
        # The report draws displays, which can make comparisons, so they import this module.
        from skreg.inspection._report import write_report

        return write_report(self, path, title=title)


def _with_deviation(frame, name: str, column: str) -> str:
    mean, deviation = frame.loc[name, f"mean_{column}"], frame.loc[name, f"std_{column}"]
    return f"{mean:.3f}" if np.isnan(deviation) else f"{mean:.3f} ± {deviation:.3f} (mean ± sd over folds)"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
