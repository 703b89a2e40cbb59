"""What has come of a comparison of regularizers: numbers, tests, words, a picture and a report."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from skreg.inspection._significance import corrected_ttest, holm

# Columns of the folds that are not numbers of a fit.
KEYS = ("regularizer", "fold", "chosen")
# A test below this p-value counts as a difference in the words of the summary.
SIGNIFICANCE = 0.05
LOSSES = {
    "log_loss": "log-loss",
    "mean_squared_error": "mean squared error",
    "pinball_loss": "pinball loss",
}


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

    Attributes
    ----------
    folds : DataFrame
        Columns:

        - 'regularizer', 'fold': name, and number of the outer fold, from 0;
        - 'test_score', 'train_score', 'gap': score of the test rows, of the training rows, and the latter minus the
          former;
        - 'log_loss', 'calibration_error' (classifiers): in nats, on the test rows; see :func:`calibration_error`. For
          regressors 'mean_squared_error', or 'pinball_loss' for several quantiles, the mean over them;
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

    See Also
    --------
    compare_regularizers : Makes one.
    ComparisonDisplay : Draws the differences.
    GeneralizationGapDisplay : Draws training and test scores.

    Examples
    --------
    See :func:`compare_regularizers`.
    """

    def __init__(self, folds, *, score_name, n_train, n_test, settings: Mapping):
        self.folds = folds
        self.names = list(dict.fromkeys(folds["regularizer"]))
        self.score_name = score_name
        self.n_train = n_train
        self.n_test = n_test
        self.settings = dict(settings)

    def __repr__(self):
        return f"<RegularizerComparison of {len(self.names)} regularizers on {self._n_folds} outer folds>"

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
            other is better than the reference), its confidence interval from 'low' to 'high', 'statistic', 'pvalue',
            and 'pvalue_holm', corrected for the number of lines. See :func:`corrected_ttest`.

        Raises
        ------
        ValueError
            If `reference` is not one of the names, or there are fewer than two outer folds.
        """
        reference = self.reference(reference)
        if self._n_folds < 2:
            raise ValueError("A paired test needs at least two outer folds; this comparison has one.")
        scores = self.scores()
        others = [name for name in self.names if name != reference]
        results = [
            corrected_ttest(
                scores[name] - scores[reference], n_train=self.n_train, n_test=self.n_test, confidence=confidence
            )
            for name in others
        ]
        columns = ["difference", "low", "high", "statistic", "pvalue"]
        lines = [[getattr(result, column) for column in columns] for result in results]
        frame = pd.DataFrame(lines, columns=columns, index=pd.Index(others, name="regularizer"), dtype=float)
        return frame.assign(pvalue_holm=holm(frame["pvalue"]))

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

    def summary(self):
        """Say in words what was found, and how sure that is.

        Returns
        -------
        str
            Some lines of text.
        """
        frame = self.frame()
        best = frame.index[0]
        if np.isnan(frame.loc[best, "mean_test_score"]):
            return "No regularizer has a score in every fold, so nothing can be compared."
        return "\n".join(
            [*self._best_in_words(frame, best), *self._losses_in_words(frame), *self._gaps_in_words(frame)]
        )

    def _best_in_words(self, frame, best) -> list[str]:
        lines = [
            f"{_counted(self._n_folds, 'outer fold')} of {self.n_train:.0f} training and {self.n_test:.0f} test rows; "
            f"score: {self.score_name} (greater is better).",
            f"Highest mean test score: {best}, {_with_deviation(frame, best, 'test_score')}.",
        ]
        if not self.has_tests:
            return lines
        reference, corrected = self.names[0], self._pairwise_pvalues()
        if best != reference and not np.isnan(frame.loc[reference, "mean_test_score"]):
            test = self.tests(reference).loc[best]
            low, high = (f"{test[end]:+.3g}" for end in ("low", "high"))
            is_clear = corrected.loc[reference, best] < SIGNIFICANCE
            verdict = "chance hardly explains it" if is_clear else "these folds cannot tell the two apart for sure"
            pvalues = f"p = {_p(test['pvalue'])} by itself and {_p(corrected.loc[reference, best])} among all pairs"
            lines.append(
                f"Against {reference}: {test['difference']:+.3g}, 95 % interval {low} to {high}, {pvalues}: {verdict}."
            )
        scored = [name for name in frame.index[1:] if not np.isnan(frame.loc[name, "mean_test_score"])]
        worse = [name for name in scored if corrected.loc[name, best] < SIGNIFICANCE]
        same = [name for name in scored if name not in worse]
        failed = [name for name in frame.index[1:] if name not in scored]
        lines += [
            f"Not distinguishable from {best}: {', '.join(same) or 'none of the others'}.",
            f"Clearly worse than {best}: {', '.join(worse) or 'none of the others'}.",
        ]
        if failed:
            lines.append(f"Without a score in at least one fold: {', '.join(failed)}.")
        lines.append(
            "(Paired t-tests with Nadeau and Bengio's correction, and Holm's for all pairs, since the best was not "
            "known before. Not to be distinguishable is no proof of equality: more rows tell more apart. The best of "
            "several means is a little optimistic.)"
        )
        return lines

    def _pairwise_pvalues(self) -> pd.DataFrame:
        """Return the p-values of all pairs, corrected together, so that the choice of the best is paid for."""
        pairs = list(combinations(self.names, 2))
        scores, rows = self.scores(), {"n_train": self.n_train, "n_test": self.n_test}
        pvalues = holm([corrected_ttest(scores[a] - scores[b], **rows).pvalue for a, b in pairs])
        table = pd.DataFrame(np.nan, index=self.names, columns=self.names)
        for (a, b), pvalue in zip(pairs, pvalues, strict=True):
            table.loc[a, b] = table.loc[b, a] = pvalue
        return table

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


def _p(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return "< 0.001" if value < 0.001 else f"{value:.2g}"
