"""Verdict of the tests on the best regularizer, in words."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreg.inspection._significance import pvalues_of_the_best

# A test below this p-value counts as a difference in the words of the summary.
SIGNIFICANCE = 0.05
# All of more than so many are counted instead of named.
MANY_NAMES = 4


@dataclass
class Verdict:
    """Verdict of the tests on the best of several regularizers.

    Attributes
    ----------
    best : str
        The one with the highest mean test score.
    worse, same : list of str
        The others that have scores, the best first: those that are clearly worse, and those that cannot be told from
        the best.
    failed : list of str
        Those without a score in every fold.
    tests : DataFrame or None
        Differences from the reference; None if it has no scores.
    """

    best: str
    worse: list[str]
    same: list[str]
    failed: list[str]
    tests: pd.DataFrame | None

    @classmethod
    def of(cls, comparison, frame) -> "Verdict":
        """Return the verdict on a comparison, whose means and deviations are in `frame`."""
        reference, best = comparison.reference(), frame.index[0]
        failed = list(frame.index[frame["mean_test_score"].isna()])
        tests = None if reference in failed else comparison.tests()
        scored = frame.index.drop(failed)
        rows = {"n_train": comparison.n_train, "n_test": comparison.n_test}
        pvalues = pd.Series(pvalues_of_the_best(comparison.scores()[scored], **rows), index=scored)
        # The comparison with the reference was planned, so it does not pay for the pairs of all others.
        if reference in scored and reference != best:
            pvalues[reference] = tests.loc[best, "pvalue_adjusted"]
        worse = [name for name in scored[1:] if pvalues[name] < SIGNIFICANCE]
        return cls(best, worse, [name for name in scored[1:] if name not in worse], failed, tests)

    def conclusion(self, comparison) -> str:
        """Return two sentences that say what a reader can conclude."""
        best, reference, candidates = self.best, comparison.reference(), [self.best, *self.same]
        if self.same:
            is_all = len(candidates) == len(comparison.names) > MANY_NAMES
            which = f"the {len(candidates)}" if is_all else _listed(candidates)
            first = f"These folds cannot tell which of {which} is best{self._beating(candidates, reference)}."
        elif self.worse:
            first = f"{best} generalizes best here: it is clearly better than {_listed(self.worse)}."
        else:
            first = f"{best} alone has a score in every fold."
        if self.tests is None:
            return f"{first} {reference}, the reference, has no score in at least one fold."
        if best == reference:
            return f"{first} {best}, the reference, has the highest mean: no gain over it was found."
        gain, pvalue = self.tests.loc[best, ["difference", "pvalue_adjusted"]]
        verdict = "" if reference in self.worse else ", which chance alone may explain"
        return (
            f"{first} The {comparison.score_name} of {best} is {gain:.3g} better than that of {reference} "
            f"(p {_p(pvalue)}){verdict}."
        )

    def _beating(self, candidates: list[str], reference: str) -> str:
        """Return which of those that may be the best are better than the reference, if that is not one of them."""
        if reference in candidates or self.tests is None:
            return ""
        own = self.tests.loc[candidates]
        better = own.index[(own["difference"] > 0) & (own["pvalue_adjusted"] < SIGNIFICANCE)]
        return f"; {'all' if len(better) == len(candidates) else _listed(better)} of them beat {reference}"

    def details(self, comparison) -> list[str]:
        """Return the lines that say how sure the conclusion is."""
        best, reference, lines = self.best, comparison.reference(), []
        if self.tests is not None and best != reference:
            test = self.tests.loc[best]
            low, high = (f"{test[end]:+.3g}" for end in ("low", "high"))
            n_tests = self.tests["pvalue"].notna().sum()
            among = f" by itself and {_p(test['pvalue_adjusted'])} among {n_tests} comparisons" if n_tests > 1 else ""
            is_clear = reference in self.worse
            verdict = "chance hardly explains it" if is_clear else "these folds do not clearly distinguish the two"
            lines.append(
                f"Against {reference}: {test['difference']:+.3g}, 95 % interval {low} to {high}, "
                f"p {_p(test['pvalue'])}{among}: {verdict}."
            )
        lines += [
            f"Not distinguishable from {best}: {', '.join(self.same) or 'none of the others'}.",
            f"Clearly worse than {best}: {', '.join(self.worse) or 'none of the others'}.",
        ]
        if self.failed:
            lines.append(f"Without a score in at least one fold: {', '.join(self.failed)}.")
        lines.append(
            "(Paired t-tests with Nadeau and Bengio's correction; a max-t procedure adjusts p-values for multiple "
            "comparisons, and for choosing the best after seeing the scores. Not distinguishable does not mean equal: "
            "more rows distinguish more. The highest of several means is a little optimistic.)"
        )
        return lines


def _listed(names) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else str(last)


def _p(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
