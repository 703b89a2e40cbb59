"""What a difference between two estimators means, when both were scored on the same folds."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class CorrectedTTest(NamedTuple):
    """Result of :func:`corrected_ttest`.

    Attributes
    ----------
    difference : float
        Mean of the differences.
    low, high : float
        Ends of the confidence interval of the mean.
    statistic : float
        The mean divided by its corrected standard error.
    pvalue : float
        Two-sided; probability of a statistic at least as far from zero if the true difference is zero.
    df : int
        Degrees of freedom: number of differences minus 1.
    """

    difference: float
    low: float
    high: float
    statistic: float
    pvalue: float
    df: int


def corrected_ttest(differences, *, n_train, n_test, confidence=0.95):
    """Test whether the scores of two estimators differ on the same splits, by the corrected paired t-test.

    Training sets of cross-validation overlap, so the differences of the folds go together, and the usual paired t-test,
    which takes them for independent, finds differences where there are none. Nadeau and Bengio [1]_ enlarge the
    variance of the mean of J differences with sample variance s²:

        variance = (1 / J + n_test / n_train) * s²

    and compare ``mean / sqrt(variance)`` with Student's t distribution of J - 1 degrees of freedom. With repeated
    k-fold cross-validation, J counts the folds of all repeats [2]_.

    Parameters
    ----------
    differences : array-like of shape (n_splits,)
        Score of one estimator minus score of the other, for each split. At least two.
    n_train, n_test : float
        Number of training and of test rows of a split; its mean, if splits differ.
    confidence : float, default=0.95
        Of the interval, between 0 and 1.

    Returns
    -------
    CorrectedTTest
        Named tuple of `difference`, `low`, `high`, `statistic`, `pvalue` and `df`. If all differences are zero, the
        p-value is 1. If all are the same, but not zero, their spread cannot be estimated (it is chance that a few
        splits agree to the last row), and interval and p-value are NaN. Where one is NaN, all but `df` are.

    Raises
    ------
    ValueError
        If there are fewer than two differences, or a parameter is out of range.

    See Also
    --------
    RegularizerComparison.tests : All regularizers against one.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003, section 3,
       `doi:10.1023/A:1024068626366 <https://doi.org/10.1023/A:1024068626366>`_.
    .. [2] R. R. Bouckaert, E. Frank, "Evaluating the Replicability of Significance Tests for Comparing Learning
       Algorithms", PAKDD 2004.

    Examples
    --------
    >>> from skreg.inspection import corrected_ttest
    >>> test = corrected_ttest([0.02, 0.01, 0.03, 0.0, 0.02], n_train=80, n_test=20)
    >>> f"{test.difference:.3f}, {test.low:.3f} to {test.high:.3f}, p = {test.pvalue:.2f}"
    '0.016, -0.005 to 0.037, p = 0.10'
    """
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 1 or len(differences) < 2:
        raise ValueError(
            f"The 'differences' parameter must hold one number for each of at least two splits; "
            f"got an array of shape {differences.shape}."
        )
    for name, value in (("n_train", n_train), ("n_test", n_test)):
        if not value > 0:
            raise ValueError(f"The '{name}' parameter must be a number of rows above 0; got {value!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"The 'confidence' parameter must lie between 0 and 1, without the ends; got {confidence!r}.")
    n_splits = len(differences)
    mean, df = float(differences.mean()), n_splits - 1
    error = float(np.sqrt((1 / n_splits + n_test / n_train) * differences.var(ddof=1)))
    # Equal differences are equal up to the rounding of their mean.
    if error <= 1e-14 * abs(mean):
        low, statistic, pvalue = (np.nan, float(np.copysign(np.inf, mean)), np.nan) if mean else (0.0, 0.0, 1.0)
        return CorrectedTTest(mean, low, low, statistic, pvalue, df)
    margin = float(stats.t.ppf((1 + confidence) / 2, df)) * error
    statistic = mean / error
    return CorrectedTTest(mean, mean - margin, mean + margin, statistic, float(2 * stats.t.sf(abs(statistic), df)), df)


def holm(pvalues) -> np.ndarray:
    """Return p-values for several tests at once (S. Holm, Scandinavian Journal of Statistics 6, 1979).

    Parameters
    ----------
    pvalues : array-like of shape (n_tests,)
        One p-value for each test. A NaN stays NaN, and the others are corrected as if it was not there.

    Returns
    -------
    ndarray of shape (n_tests,)
        The i-th smallest of m times (m - i + 1), at least as large as those before it, at most 1.
    """
    pvalues = np.asarray(pvalues, dtype=np.float64)
    corrected = np.full(pvalues.shape, np.nan)
    order = np.argsort(pvalues)[: np.isfinite(pvalues).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(pvalues[order] * factors), 1)
    return corrected
