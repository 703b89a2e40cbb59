"""Display of the paired differences between regularizers."""

import numpy as np

from skreg._plotting import BLUE, axes_for, labels_of
from skreg.inspection._design import ComparisonOptions
from skreg.inspection._nested_cv import run_comparison
from skreg.inspection._results import ComparisonResults


class ComparisonDisplay:
    """Paired differences of test scores between each regularizer and a reference, with confidence intervals.

    Every dot is a mean difference over the outer folds, the line through it the corrected 95 % confidence interval (see
    :func:`corrected_ttest`). Where an interval includes zero, the folds do not distinguish the two. The intervals are
    not adjusted for multiple comparisons; the column 'pvalue_adjusted' of :meth:`RegularizerComparison.tests` is.

    Parameters
    ----------
    tests : DataFrame
        As from :meth:`RegularizerComparison.tests`.
    reference : str
        Name of the regularizer that the others are compared with.
    score_name : str, default='score'
        Name of the score, for the axis label.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    errorbar_ : matplotlib ErrorbarContainer
        Dots and intervals, from bottom to top.
    zero_ : matplotlib Line2D
        Line at a difference of zero.

    See Also
    --------
    compare_regularizers : Compare regularizers by nested cross-validation.
    GeneralizationGapDisplay : Training and test scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import ComparisonDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = RegularizedMLPClassifier((20,), learning_rate_init=0.02, max_iter=20, n_iter_no_change=float("inf"))
    >>> estimators = {"none": network, "l2": (network, {"penalty": ["l2"], "alpha": [0.01]})}
    >>> display = ComparisonDisplay.from_estimators(estimators, X, y, n_repeats=1, random_state=0)
    >>> display.ax_.get_yticklabels()[0].get_text()
    'l2'
    """

    def __init__(self, tests, *, reference, score_name="score"):
        self.tests = tests
        self.reference = reference
        self.score_name = score_name

    @classmethod
    def from_comparison(cls, comparison, *, reference=None, ax=None):
        """Draw the differences of a comparison.

        Parameters
        ----------
        comparison : RegularizerComparison
            Result of :func:`compare_regularizers`.
        reference : str, default=None
            The regularizer that others are compared with; None is the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComparisonDisplay
            The display.

        Raises
        ------
        ValueError
            If `reference` is not one of the names, or if there are fewer than two outer folds.
        """
        reference = comparison.reference(reference)
        return cls(comparison.tests(reference), reference=reference, score_name=comparison.score_name).plot(ax=ax)

    @classmethod
    def from_estimators(cls, estimators, X, y, *, reference=None, ax=None, **options):
        """Compare estimators, and draw the differences.

        Parameters
        ----------
        estimators : dict of str to estimator or tuple, or None
            As for :func:`compare_regularizers`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        reference : str, default=None
            The regularizer that others are compared with; None is the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Passed to :func:`compare_regularizers`.

        Returns
        -------
        ComparisonDisplay
            The display.
        """
        results = ComparisonResults(**run_comparison(X, y, estimators, ComparisonOptions(**options)))
        return cls.from_comparison(results, reference=reference, ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            A copy of the tests: one row per regularizer, with 'difference', 'low' and 'high'.
        """
        return self.tests.copy()

    def plot(self, *, ax=None):
        """Draw the differences.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComparisonDisplay
            The display itself.
        """
        height = 1.2 + 0.4 * len(self.tests)
        (self.ax_,) = axes_for(ax, figsize=(7, height))
        self.figure_ = self.ax_.figure
        # The first is on top.
        drawn = self.tests.iloc[::-1]
        places = np.arange(len(drawn))
        means = drawn["difference"].to_numpy()
        margins = np.abs(drawn[["low", "high"]].to_numpy().T - means)
        self.zero_ = self.ax_.axvline(0, color="0.5", linestyle="--", linewidth=1)
        self.errorbar_ = self.ax_.errorbar(means, places, xerr=margins, fmt="o", color=BLUE, capsize=4, elinewidth=1.8)
        self.ax_.set_yticks(places, labels_of(drawn.index))
        self.ax_.set_ylim(-0.6, len(drawn) - 0.4)
        text = f"difference in {self.score_name} from {self.reference}, and 95 % interval\n(right of the line: better)"
        (label,) = labels_of([text])
        self.ax_.set_xlabel(label)
        return self
