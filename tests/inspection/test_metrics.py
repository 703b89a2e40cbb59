"""Calibration errors against scikit-learn's calibration curve, and tests against closed forms and R."""

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from skreg.inspection import calibration_error, corrected_ttest
from skreg.inspection._metrics import log_loss_of


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    proba = rng.beta(0.5, 0.7, size=400)
    return (rng.random(400) < proba**1.5).astype(int), proba


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
@pytest.mark.parametrize("n_bins", [1, 4, 10])
def test_is_the_weighted_distance_of_the_calibration_curve(binary, strategy, n_bins):
    y, proba = binary
    frequencies, confidences = calibration_curve(y, proba, n_bins=n_bins, strategy=strategy)
    edges = np.linspace(0, 1, n_bins + 1)
    edges = np.percentile(proba, edges * 100) if strategy == "quantile" else edges
    counts = np.bincount(np.searchsorted(edges[1:-1], proba), minlength=n_bins)
    expected = np.sum(counts[counts > 0] / 400 * np.abs(frequencies - confidences))
    assert calibration_error(y, proba, n_bins=n_bins, strategy=strategy) == pytest.approx(expected, abs=1e-12)


def test_one_bin_is_the_difference_of_means(binary):
    y, proba = binary
    assert calibration_error(y, proba, n_bins=1) == pytest.approx(abs(proba.mean() - y.mean()))


def test_columns_are_judged_by_the_most_probable_class():
    proba = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]])
    y = np.array(["b", "b", "c", "a"])
    # Bins of one row each: the mean of |confidence - right|.
    expected = np.mean([0.7, 0.4, 0.4, 0.1])
    assert calibration_error(y, proba, n_bins=4) == pytest.approx(expected)
    # The same with other names in another order of columns.
    assert calibration_error(y, proba[:, ::-1], n_bins=4, labels=["c", "b", "a"]) == pytest.approx(expected)


def test_perfect_probabilities_have_no_error():
    y = np.array([0, 1, 1, 1] * 10)
    assert calibration_error(y, np.full(40, 0.75)) == pytest.approx(0)
    assert calibration_error(y, y.astype(float)) == 0
    assert calibration_error(y, 1.0 - y) == 1


def test_classwise_is_the_mean_of_the_classes():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 2, 3], size=200)
    y = np.array(["a", "b", "c"])[rng.integers(3, size=200)]
    for strategy in ("quantile", "uniform"):
        options = {"strategy": strategy, "n_bins": 7}
        expected = np.mean([calibration_error(y == label, proba[:, k], **options) for k, label in enumerate("abc")])
        assert calibration_error(y, proba, kind="classwise", **options) == pytest.approx(expected, abs=1e-12)


def test_classwise_is_that_of_the_positive_class(binary):
    y, proba = binary
    both = np.column_stack([1 - proba, proba])
    expected = calibration_error(y, proba)
    assert calibration_error(y, both, kind="classwise") == expected
    assert calibration_error(y, proba, kind="classwise") == expected
    # And as good as that of the negative one.
    assert calibration_error(1 - y, 1 - proba) == pytest.approx(expected, abs=0.01)


def test_the_most_probable_class_hides_what_happens_to_the_positive_one():
    # The example of the docstring: probabilities are too large by 0.2.
    proba = np.repeat([0.4, 0.6], 500)
    y = np.concatenate([np.arange(500) < 100, np.arange(500) < 200]).astype(int)
    both = np.column_stack([1 - proba, proba])
    assert calibration_error(y, both, n_bins=2) == pytest.approx(0, abs=1e-12)
    assert calibration_error(y, both, n_bins=2, kind="classwise") == pytest.approx(0.2)


def test_ties_do_not_depend_on_the_order(binary):
    y, proba = binary[0], binary[1].round(1)
    order = np.random.default_rng(0).permutation(len(y))
    assert calibration_error(y, proba) == pytest.approx(calibration_error(y[order], proba[order]), abs=1e-12)


def test_is_biased_upwards_on_few_rows_as_the_docstring_says():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        proba = rng.random(100)
        errors.append(calibration_error(rng.random(100) < proba, proba))
    assert 0.08 < np.mean(errors) < 0.12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_bins": 0}, "'n_bins' parameter must be an int of at least 1; got 0"),
        ({"n_bins": 2.5}, "'n_bins' parameter must be an int of at least 1; got 2.5"),
        ({"strategy": "equal"}, "'strategy' parameter must be 'quantile' or 'uniform'; got 'equal'"),
        ({"kind": "top"}, "'kind' parameter must be 'confidence' or 'classwise'; got 'top'"),
        ({"labels": [0, 1, 2]}, r"'labels' parameter must name the 2 classes of 'y_proba'; got \[0, 1, 2\]"),
        ({"labels": [0, 2]}, r"must name all classes of 'y_true'; got none for \[1\]"),
        ({"y_proba": [0.5, 1.5]}, "must hold probabilities between 0 and 1; got values from 0.5 to 1.5"),
        ({"y_proba": [0.5, np.nan]}, "NaN"),
        ({"y_proba": [0.5]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_calibration_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        calibration_error(**{"y_true": [0, 1], "y_proba": [0.2, 0.7]} | arguments)


def test_log_loss_knows_classes_that_the_classifier_does_not():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], size=30)
    y = rng.integers(3, size=30)
    assert log_loss_of(np.arange(3), y, proba) == pytest.approx(log_loss(y, proba))
    # The rows of a class without a column have probability zero.
    two = proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True)
    expected = log_loss(y, np.column_stack([two, np.zeros(30)]))
    assert log_loss_of(np.arange(2), y, two) == pytest.approx(expected)
    # And a class that no row has does no harm.
    assert log_loss_of(np.arange(3), np.zeros(30, int), proba) == pytest.approx(-np.log(proba[:, 0]).mean())


# -- Tests ---------------------------------------------------------------------------------------------------------

DIFFERENCES = np.array([0.02, -0.01, 0.04, 0.03, 0.0, 0.05])


def test_without_test_rows_it_is_the_paired_t_test():
    # The correction vanishes with n_test / n_train.
    expected = stats.ttest_1samp(DIFFERENCES, 0)
    test = corrected_ttest(DIFFERENCES, n_train=1, n_test=1e-300)
    assert (test.statistic, test.pvalue, test.df) == pytest.approx((expected.statistic, expected.pvalue, 5))
    assert (test.low, test.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_correction():
    # Nadeau and Bengio's variance by hand: 1/6 + 20/80 instead of 1/6.
    plain = stats.ttest_1samp(DIFFERENCES, 0)
    test = corrected_ttest(DIFFERENCES, n_train=80, n_test=20)
    shrinkage = np.sqrt((1 / 6) / (1 / 6 + 1 / 4))
    assert test.statistic == pytest.approx(plain.statistic * shrinkage)
    assert test.pvalue == pytest.approx(2 * stats.t.sf(abs(plain.statistic) * shrinkage, 5))
    low, high = plain.confidence_interval(0.9)
    wide = corrected_ttest(DIFFERENCES, n_train=80, n_test=20, confidence=0.9)
    assert (wide.high - wide.low) == pytest.approx((high - low) / shrinkage)
    assert (wide.high + wide.low) / 2 == pytest.approx(DIFFERENCES.mean())


def test_the_sign_follows_the_differences():
    test, mirrored = (corrected_ttest(sign * DIFFERENCES, n_train=4, n_test=1) for sign in (1, -1))
    assert mirrored.difference == -test.difference
    assert mirrored.pvalue == test.pvalue
    assert (mirrored.low, mirrored.high) == pytest.approx((-test.high, -test.low))


def test_keeps_its_level_where_the_plain_test_does_not():
    # Two columns of noise are compared as predictors by repeated cross-validation, 300 times: neither is better.
    rng = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(300):
        errors = rng.normal(size=(2, 40)) ** 2
        differences = []
        for _ in range(10):
            held_out = rng.permutation(40)[:8]
            differences.append(errors[0, held_out].mean() - errors[1, held_out].mean())
        corrected.append(corrected_ttest(differences, n_train=32, n_test=8).pvalue)
        plain.append(stats.ttest_1samp(differences, 0).pvalue)
    assert np.mean(np.array(plain) < 0.05) > 4 * 0.05
    assert np.mean(np.array(corrected) < 0.05) < np.mean(np.array(plain) < 0.05) / 2


def test_equal_differences():
    zero = corrected_ttest(np.zeros(4), n_train=3, n_test=1)
    assert (zero.statistic, zero.pvalue, zero.low, zero.high) == (0, 1, 0, 0)
    some = corrected_ttest(np.full(3, 0.1), n_train=3, n_test=1)
    assert some.statistic == np.inf
    # The spread of the differences is unknown.
    assert np.isnan([some.low, some.high, some.pvalue]).all()
    assert corrected_ttest(np.full(3, -0.1), n_train=3, n_test=1).statistic == -np.inf


def test_a_nan_is_passed_on():
    test = corrected_ttest([0.1, np.nan, 0.2], n_train=3, n_test=1)
    assert np.isnan(test[:5]).all()
    assert test.df == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"differences": [0.1]}, r"must be one-dimensional, with at least two numbers; got an array of shape \(1,\)"),
        ({"differences": [[0.1, 0.2]]}, r"got an array of shape \(1, 2\)"),
        ({"n_train": 0}, "'n_train' parameter must be a positive number of rows; got 0"),
        ({"n_test": -1}, "'n_test' parameter must be a positive number of rows; got -1"),
        ({"confidence": 1}, "'confidence' parameter must be in \\(0, 1\\); got 1"),
    ],
)
def test_bad_test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrected_ttest(**{"differences": DIFFERENCES, "n_train": 4, "n_test": 1} | arguments)
