"""Result of a comparison of regularizers: scores, tests, summary, plot and report."""

from skreg.inspection._differences import ComparisonDisplay
from skreg.inspection._report import comparison_in_short, write_report
from skreg.inspection._results import Best, ComparisonResults

# Pickles of earlier versions look for both here.
__all__ = ["Best", "RegularizerComparison"]


class RegularizerComparison(ComparisonResults):
    """Scores of several regularizers on the same outer folds.

    Made by :func:`compare_regularizers`.

    Parameters
    ----------
    folds : DataFrame
        One row per regularizer and outer fold, see below.
    score_name : str
        Name of the score.
    n_train, n_test : float
        Mean number of training and of test rows of an outer fold.
    settings : dict of str to object
        Settings of the comparison, for the report.
    best : Best, default=None
        Name, estimator and parameters of the best regularizer, fitted to all rows.
    notes : sequence of str, default=()
        Sentences for the end of the summary.

    Attributes
    ----------
    folds : DataFrame
        Columns:

        - 'regularizer', 'fold': name, and index of the outer fold;
        - 'test_score', 'train_score', 'gap': score of the test rows, of the training rows, and training minus test;
        - 'log_loss' (classifiers): on the test rows, in nats;
        - 'calibration_error', 'classwise_calibration_error' (classifiers): on the test rows, of the most probable
          class, and the mean over all classes (with two classes, of the positive one); see :func:`calibration_error`.
          With several labels the former pools the probabilities of all labels;
        - 'mean_squared_error' (regressors): on the test rows; with several quantiles 'pinball_loss', their mean;
        - 'zeros': share of all weights that are exactly zero;
        - 'parameters': number of nonzero weights and biases;
        - 'epochs': number of training epochs;
        - 'fit_time', 'tuning_time': seconds for the fit, and for all fits of the inner folds; for networks that are
          trained together, their shares;
        - 'chosen': dict of the parameters that the inner folds chose.

        Values that an estimator does not have are NaN, as 'zeros' for an estimator that is no network.
    names : list of str
        The regularizers, in the order given.
    score_name : str
        Name of the score.
    n_train, n_test : float
        Mean number of training and of test rows of an outer fold.
    settings : dict of str to object
        Settings of the comparison.
    best_estimator_ : estimator
        The regularizer with the highest mean test score, fitted to all rows with the parameters that inner folds of all
        rows chose. Only with ``refit=True``, and if that fit succeeded.
    best_params_ : dict
        The parameters of `best_estimator_` that inner folds chose; likewise.

    See Also
    --------
    compare_regularizers : Compare regularizers by nested cross-validation.
    ComparisonDisplay : Paired differences of test scores.
    GeneralizationGapDisplay : Training and test scores.

    Examples
    --------
    See :func:`compare_regularizers`.
    """

    def __repr__(self):
        return f"<RegularizerComparison of {len(self.names)} regularizers on {self._n_folds} outer folds>"

    def _repr_html_(self):
        """Return the conclusion and a short table as HTML, for notebooks."""
        return comparison_in_short(self)

    def plot(self, *, reference=None, ax=None):
        """Draw the differences from a reference, with confidence intervals.

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
        return ComparisonDisplay.from_comparison(self, reference=reference, ax=ax)

    def to_html(self, path, *, title=None):
        """Write a report: one page with sortable tables and figures, which needs no network.

        Parameters
        ----------
        path : str, bytes or path-like
            The file to write. A page that was there is replaced as a whole, or, after an error, not at all.
        title : str, default=None
            Headline of the page; None means "Which regularization generalizes best?".

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            If the file cannot be written.
        ImportError
            If matplotlib is not installed.
        """
        return write_report(self, path, title=title)
