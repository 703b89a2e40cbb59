"""Results of a comparison of regularizers, in numbers and in words."""

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
    """The best regularizer, fitted to all rows, with its chosen parameters."""

    name: str
    estimator: object
    parameters: dict


class ComparisonResults:
    """Data of a :class:`RegularizerComparison`, which describes the parameters: scores, tests and a summary in words.

    Displays and reports draw from it.
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

    @property
    def best_estimator_(self):
        """The regularizer with the highest mean test score, fitted to all rows."""
        return self._fitted_best("best_estimator_").estimator

    @property
    def best_params_(self) -> dict:
        """The parameters of `best_estimator_` that inner folds of all rows chose."""
        return self._fitted_best("best_params_").parameters

    def _fitted_best(self, attribute: str) -> Best:
        if self._best is None:
            raise AttributeError(
                f"This comparison has no {attribute!r}: it was made with refit=False, or the fit to all rows failed."
            )
        return self._best

    @property
    def _n_folds(self) -> int:
        return self.folds["fold"].nunique()

    @property
    def has_tests(self) -> bool:
        """Whether differences can be tested: at least two regularizers, on at least two folds."""
        return len(self.names) > 1 and self._n_folds > 1

    def frame(self):
        """Return means and standard deviations over the outer folds.

        Returns
        -------
        DataFrame
            One row per regularizer, the highest mean test score first; for every numeric column of `folds` one with the
            prefix ``mean_`` and one with ``std_`` (divisor n - 1; NaN for a single fold). A regularizer with a failed
            fit has NaN and comes last.
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
        """Compare all regularizers with a reference by the corrected paired t-test.

        Parameters
        ----------
        reference : str, default=None
            Name of the regularizer that the others are compared with; None means the first.
        confidence : float, default=0.95
            Confidence level of each single interval, in (0, 1).

        Returns
        -------
        DataFrame
            One row per other regularizer, in the order given: mean 'difference' of the test scores (positive if it is
            better than the reference), its confidence interval from 'low' to 'high', 'statistic' and 'pvalue' of the
            single test (see :func:`corrected_ttest`), and 'pvalue_adjusted', adjusted for multiple comparisons: if no
            difference is real, any of them is below 0.05 in one comparison of twenty.

        Raises
        ------
        ValueError
            If `reference` is not one of the names, if there are fewer than two outer folds, or if `confidence` is out
            of range.

        Notes
        -----
        P-values are adjusted by the step-down max-t procedure of Westfall and Young [1]_: the largest statistic is
        compared with the distribution of the largest under the hypothesis of no difference. As in Dunnett's test [2]_,
        all differences are from the same reference, and their correlations are taken into account. The procedure uses
        the corrected statistic and random rotations of the folds [3]_ with a fixed seed, and never gives a larger
        p-value than Holm's or Bonferroni's.

        References
        ----------
        .. [1] P. H. Westfall, S. S. Young, "Resampling-Based Multiple Testing", Wiley 1993.
        .. [2] C. W. Dunnett, "A Multiple Comparison Procedure for Comparing Several Treatments with a Control", Journal
           of the American Statistical Association 50, 1955.
        .. [3] O. Langsrud, "Rotation Tests", Statistics and Computing 15, 2005.
        """
        reference = self.reference(reference)
        if self._n_folds < 2:
            raise ValueError("A paired test needs at least two outer folds; got a comparison with one.")
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
            One of the names; None means the first.

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
            One row per outer fold, one column per regularizer.

        Raises
        ------
        ValueError
            If `folds` has no such column.
        """
        if column not in self.folds:
            raise ValueError(f"The 'column' parameter must be one of {list(self.folds.columns)}; got {column!r}.")
        return self.folds.pivot(index="fold", columns="regularizer", values=column)[self.names]

    def choices(self):
        """Return the parameters that the inner folds chose.

        Returns
        -------
        DataFrame
            One row per regularizer and tuned parameter. Columns: 'typical', the value in the combination that most
            folds chose (of several, the one chosen first); 'share', the share of folds that chose it; and the values of
            each outer fold, by its index. A small share means that the rows hardly determine the strength.
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
        """Summarize the results and their uncertainty in words.

        Returns
        -------
        str
            Some lines of text. The first, of two sentences, is the conclusion.

        Notes
        -----
        A difference from the reference, the first regularizer, counts if its adjusted p-value is below 0.05 (see
        :meth:`tests`). Whether a regularizer is worse than the best is tested by the same max-t procedure over the
        pairs of all that may still be the best, because the best is chosen after seeing the scores.
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
            f"({gaps[narrowest]:+.3g}). A narrow gap is no merit in itself: the test score counts."
        ]


def _with_deviation(frame, name: str, column: str) -> str:
    mean, deviation = frame.loc[name, f"mean_{column}"], frame.loc[name, f"std_{column}"]
    return f"{mean:.3f}" if np.isnan(deviation) else f"{mean:.3f} ± {deviation:.3f} (mean ± sd over folds)"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
