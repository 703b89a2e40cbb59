"""Significance tests of differences between estimators that were scored on the same folds."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.linalg import helmert

# Random rotations: the standard error of a p-value of 0.05 is 0.001. So many statistics are in memory at a time.
N_ROTATIONS, BLOCK_SIZE = 40_000, 2**18


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

    Training sets of cross-validation overlap, so the differences of the folds are correlated, and the usual paired
    t-test, which assumes independence, rejects too often. Nadeau and Bengio [1]_ enlarge the variance of the mean of J
    differences with sample variance s²:

        variance = (1 / J + n_test / n_train) * s²

    and compare ``mean / sqrt(variance)`` with Student's t distribution of J - 1 degrees of freedom. With repeated
    k-fold cross-validation, J counts the folds of all repeats [2]_.

    Parameters
    ----------
    differences : array-like of shape (n_splits,)
        Score of one estimator minus score of the other, for each split. At least two.
    n_train, n_test : float
        Number of training and of test rows of a split; the mean, if splits differ.
    confidence : float, default=0.95
        Confidence level of the interval, in (0, 1).

    Returns
    -------
    CorrectedTTest
        Named tuple of `difference`, `low`, `high`, `statistic`, `pvalue` and `df`. If all differences are zero, the
        p-value is 1. If all are equal but not zero, their variance cannot be estimated, and interval and p-value are
        NaN. If a difference is NaN, everything but `df` is.

    Raises
    ------
    ValueError
        If there are fewer than two differences, or a parameter is out of range.

    See Also
    --------
    RegularizerComparison.tests : Tests of all regularizers against a reference.

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
            "The 'differences' parameter must be one-dimensional, with at least two numbers; "
            f"got an array of shape {differences.shape}."
        )
    for name, value in (("n_train", n_train), ("n_test", n_test)):
        if not value > 0:
            raise ValueError(f"The {name!r} parameter must be a positive number of rows; got {value!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"The 'confidence' parameter must be in (0, 1); got {confidence!r}.")
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


def adjusted_pvalues(differences, *, n_train, n_test) -> np.ndarray:
    """Return p-values for several differences at once: the step-down max-t procedure, with rotations.

    Westfall and Young [1]_ compare the largest of several statistics with how large it would be if no difference was
    real, and so make use of the correlations among them: differences from one and the same reference go together. Then
    the largest is left out, the next compared with the largest of those that are left, and so on. The chance of any
    false alarm is that of a single test, whichever differences are real. Holm's procedure, which has to reckon with
    the worst correlations, never gives a smaller p-value.

    They permute. Here rotations take the place of permutations [2]_, because the signs of five folds can be flipped in
    16 ways that differ, and so no p-value could be below 1 / 16. The J folds of a difference become its corrected mean
    (see :func:`corrected_ttest`),

        y_0 = mean / sqrt(1 / J + n_test / n_train),

    and J - 1 deviations from the mean in an orthonormal basis. If any two folds are equally correlated, as Nadeau and
    Bengio assume, scores are normal and the true difference is zero, these J numbers are independent with the same
    variance. So their direction is uniform on the sphere, and a rotation of all differences alike changes nothing,
    whatever their correlations are: nothing has to be estimated. Of a single difference, the p-value is that of the
    corrected t-test.

    Parameters
    ----------
    differences : array-like of shape (n_splits, n_tests)
        One column for each test. Columns that hold NaN, or the same number in all splits, have the p-value of
        :func:`corrected_ttest`, and the others are corrected as if they were not there.
    n_train, n_test : float
        Number of training and of test rows of a split; its mean, if splits differ.

    Returns
    -------
    ndarray of shape (n_tests,)
        P-values, each between that of its own test and Holm's.

    References
    ----------
    .. [1] P. H. Westfall, S. S. Young, "Resampling-Based Multiple Testing", Wiley 1993, section 2.6. Against a single
       reference it does the work of C. W. Dunnett, "A Multiple Comparison Procedure for Comparing Several Treatments
       with a Control", Journal of the American Statistical Association 50, 1955; the general theory is that of
       T. Hothorn, F. Bretz, P. Westfall, "Simultaneous Inference in General Parametric Models", Biometrical Journal
       50, 2008.
    .. [2] O. Langsrud, "Rotation Tests", Statistics and Computing 15, 2005.
    """
    differences = np.asarray(differences, dtype=np.float64)
    rows = {"n_train": n_train, "n_test": n_test}
    pvalues = np.array([corrected_ttest(column, **rows).pvalue for column in differences.T])
    directions = _directions(differences, n_test / n_train)
    tested = np.flatnonzero(np.isfinite(directions[0]))
    order = tested[np.argsort(-np.abs(directions[0, tested]), kind="stable")]
    pvalues[order] = _step_down(directions[:, order], np.arange(len(order)), pvalues[order])
    return pvalues


def pvalues_of_the_best(scores, *, n_train, n_test) -> np.ndarray:
    """Return p-values of the differences between the best of several columns of scores and each of the others.

    The best is chosen after seeing the scores, so its lead over another is compared with the largest difference between
    any two columns that remain, by rotations as in :func:`adjusted_pvalues`. The column with the largest statistic is
    tested first and then removed, as in model confidence sets [1]_: the columns that remain at the end contain the best
    one.

    Parameters
    ----------
    scores : array-like of shape (n_splits, n_columns)
        Scores; greater is better. Columns with NaN take no part.
    n_train, n_test : float
        As for :func:`adjusted_pvalues`.

    Returns
    -------
    ndarray of shape (n_columns,)
        P-values; 1 for scores that are those of the best, NaN for the best itself, for columns with NaN, and for a lead
        that is the same in all splits.

    References
    ----------
    .. [1] P. R. Hansen, A. Lunde, J. M. Nason, "The Model Confidence Set", Econometrica 79, 2011.
    """
    scores = np.asarray(scores, dtype=np.float64)
    pvalues = np.full(scores.shape[1], np.nan)
    racing = np.flatnonzero(np.isfinite(scores).all(axis=0))
    if len(racing) < 2:
        return pvalues
    best = racing[scores[:, racing].mean(axis=0).argmax()]
    rows = {"n_train": n_train, "n_test": n_test}
    others = racing[racing != best]
    pvalues[others] = [corrected_ttest(scores[:, best] - scores[:, other], **rows).pvalue for other in others]
    leads = _directions(scores[:, [best]] - scores[:, others], n_test / n_train)[0]
    n_tested = int(np.isfinite(leads).sum())
    order = others[np.argsort(-leads, kind="stable")]  # those without a statistic come last
    # Every pair stands at the step after which it leaves the race; the best stays to the end.
    pairs = [(first, second) for step, first in enumerate(order) for second in [best, *order[step + 1 :]]]
    steps = np.repeat(np.arange(len(order)), np.arange(len(order), 0, -1))
    directions = _directions(np.column_stack([scores[:, b] - scores[:, a] for a, b in pairs]), n_test / n_train)
    known = np.isfinite(directions[0])
    starts = np.searchsorted(steps[known], np.arange(n_tested))
    order = order[:n_tested]
    pvalues[order] = _step_down(directions[:, known], starts, pvalues[order])
    return pvalues


def _directions(differences: np.ndarray, ratio: float) -> np.ndarray:
    """Return corrected means and deviations, as vectors of length 1; NaN for differences without a spread."""
    n_splits, means = len(differences), differences.mean(axis=0)
    deviations = helmert(n_splits) @ differences
    factor = 1 / n_splits + ratio
    errors = np.sqrt(factor * (deviations**2).sum(axis=0) / (n_splits - 1))
    coordinates = np.vstack([means / np.sqrt(factor), deviations])
    # The same rule as in the test: equal differences are equal up to the rounding of their mean.
    lengths = np.where(errors > 1e-14 * np.abs(means), np.linalg.norm(coordinates, axis=0), np.nan)
    return coordinates / lengths


def _step_down(directions: np.ndarray, starts: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return p-values of the tests at some places, each among all those from its place on.

    None is below the one before. `own` holds the p-value of each test by itself.
    """
    if not len(starts):
        return own
    directions = directions.astype(np.float32)
    observed, n_larger = np.abs(directions[0, starts, None]), np.zeros(len(starts))
    axes = _random_axes(len(directions), N_ROTATIONS)
    block = max(1, BLOCK_SIZE // directions.shape[1])
    for first in range(0, N_ROTATIONS, block):
        statistics = np.abs(directions.T @ axes[:, first : first + block])
        n_larger += (np.maximum.accumulate(statistics[::-1])[::-1][starts] >= observed).sum(axis=1)
    # What is known for sure, by Bonferroni, is kept in spite of random draws.
    n_left = directions.shape[1] - starts
    return np.maximum.accumulate(np.clip(n_larger / N_ROTATIONS, own, np.minimum(n_left * own, 1)))


@cache
def _random_axes(n_splits: int, n_rotations: int) -> np.ndarray:
    """Return directions to which rotations take the axis of the mean, one in each column, always the same."""
    axes = np.random.default_rng(0).standard_normal((n_splits, n_rotations), dtype=np.float32)
    return axes / np.linalg.norm(axes, axis=0)
