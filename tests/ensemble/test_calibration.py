import pickle
import re

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skreg.ensemble._calibration import CALIBRATIONS, OneVersusRest, Temperature, make_calibrator, temperature_of


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are the probabilities."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]

    def predict_proba(self, X):
        return X


def too_sure(n_classes, n_rows=400, seed=0):
    """Return probabilities that are wrong in a way that calibrators can mend, and classes."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n_rows, n_classes))
    true = softmax(logits, axis=1)
    classes = np.array([random.choice(n_classes, p=row) for row in true])
    return softmax(2.5 * logits, axis=1), classes


def too_sure_labels(seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(300, 3))
    return expit(3 * logits + 0.5), (random.random(logits.shape) < expit(logits)).astype(int)


def by_sklearn(method, probabilities, classes, new, weights=None):
    frozen = FrozenEstimator(Given().fit(probabilities, classes))
    return CalibratedClassifierCV(frozen, method=method).fit(probabilities, classes, weights).predict_proba(new)


@pytest.mark.filterwarnings("ignore:Since FrozenEstimator does not appear to accept sample_weight")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("method", CALIBRATIONS)
def test_calibrators_are_those_of_scikit_learn(method, n_classes, weighted):
    probabilities, classes = too_sure(n_classes)
    weights = np.random.default_rng(1).uniform(0.1, 3, size=len(classes)) if weighted else None
    new, _ = too_sure(n_classes, seed=2)
    expected = by_sklearn(method, probabilities, classes, new, weights)
    ours = make_calibrator(method).fit(probabilities, classes, weights).predict(new)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-7 if method == "temperature" else 1e-14)
    assert np.abs(ours - new).max() > 0.05


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_calibration_lowers_the_log_loss(method):
    probabilities, classes = too_sure(3)
    calibrated = make_calibrator(method).fit(probabilities, classes).predict(probabilities)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    assert log_loss(classes, np.clip(calibrated, 1e-12, 1)) < log_loss(classes, probabilities) - 0.05


def test_temperature_of_two_classes_is_a_logistic_regression_without_intercept():
    probabilities, classes = too_sure(2)
    calibrator = Temperature().fit(probabilities, classes)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    regression.fit(logit(probabilities[:, 1:]), classes)
    assert calibrator.temperature_ == pytest.approx(1 / regression.coef_.item(), rel=1e-5)
    expected = expit(logit(probabilities[:, 1]) / calibrator.temperature_)
    np.testing.assert_allclose(calibrator.predict(probabilities)[:, 1], expected, rtol=1e-10)


def test_temperature_of_labels_is_a_logistic_regression_over_all_of_them():
    probabilities, labels = too_sure_labels()
    weights = np.random.default_rng(1).uniform(0.1, 3, size=len(labels))
    calibrator = Temperature(multilabel=True).fit(probabilities, labels, weights)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    regression.fit(logit(probabilities.reshape(-1, 1)), labels.ravel(), np.repeat(weights, 3))
    assert calibrator.temperature_ == pytest.approx(1 / regression.coef_.item(), rel=1e-5)
    expected = expit(logit(probabilities) / calibrator.temperature_)
    np.testing.assert_allclose(calibrator.predict(probabilities), expected, rtol=1e-10)


def test_no_temperature_of_a_grid_is_better():
    probabilities, classes = too_sure(3)
    calibrator = Temperature().fit(probabilities, classes)
    own = log_loss(classes, calibrator.predict(probabilities))
    logs = np.log(probabilities)
    rows = np.arange(len(classes))
    losses = [
        -log_softmax(logs / temperature, axis=1)[rows, classes].mean() for temperature in np.geomspace(0.1, 100, 500)
    ]
    assert own <= min(losses) + 1e-12
    assert calibrator.temperature_ == pytest.approx(np.geomspace(0.1, 100, 500)[np.argmin(losses)], rel=0.02)


@pytest.mark.parametrize("factor", [0.3, 2.0])
def test_temperature_scales_with_the_logits(factor):
    probabilities, classes = too_sure(3)
    logs = np.log(probabilities)
    scaled = temperature_of(log_softmax(factor * logs, axis=1), classes)
    assert scaled == pytest.approx(factor * temperature_of(logs, classes), rel=1e-5)


def test_weights_are_repetitions():
    probabilities, classes = too_sure(3, n_rows=60)
    counts = np.arange(60) % 4
    weighted = Temperature().fit(probabilities, classes, counts)
    repeated = Temperature().fit(np.repeat(probabilities, counts, axis=0), np.repeat(classes, counts))
    assert weighted.temperature_ == pytest.approx(repeated.temperature_, rel=1e-6)


def test_separable_rows_get_the_smallest_temperature_and_useless_ones_the_largest():
    right = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert Temperature().fit(right, np.array([0, 1])).temperature_ == pytest.approx(0.1, rel=1e-12)
    assert Temperature().fit(right, np.array([1, 0])).temperature_ == pytest.approx(100, rel=1e-12)
    same = np.full((4, 2), 0.5)
    assert Temperature().fit(same, np.array([0, 1, 1, 1])).temperature_ == 1


def test_probabilities_that_are_right_have_the_temperature_one():
    """Three of four are in the class where its probability is 3/4."""
    probabilities = np.tile([0.25, 0.75], (4, 1))
    calibrator = Temperature().fit(probabilities, np.array([1, 1, 1, 0]))
    assert calibrator.temperature_ == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(calibrator.predict(probabilities), probabilities, rtol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 10])
def test_the_log_loss_is_never_above_that_without_calibration(n_rows):
    for seed in range(40):
        probabilities, classes = too_sure(3, n_rows=n_rows, seed=seed)
        calibrated = Temperature().fit(probabilities, classes).predict(probabilities)
        before, after = (-np.log(table[np.arange(n_rows), classes]).mean() for table in (probabilities, calibrated))
        assert after <= before * (1 + 1e-14)


def test_probabilities_of_zero_are_finite():
    probabilities, classes = too_sure(3)
    zeros = np.column_stack([probabilities, np.zeros(len(classes))])
    zeros[0], classes[0] = [0.5, 0.3, 0.2, 0.0], 3  # a class to which no member gives a probability occurs
    calibrator = Temperature().fit(zeros, classes)
    calibrated = calibrator.predict(zeros)
    assert np.isfinite(calibrated).all()
    assert 0 < calibrated[0, 3] < 1e-3
    assert log_loss(classes, calibrated) < log_loss(classes, np.maximum(zeros, 1e-12))
    labels = Temperature(multilabel=True).fit(np.array([[0.0, 1.0], [0.2, 0.9]]), np.array([[1, 0], [0, 1]]))
    assert np.isfinite(labels.predict(np.array([[0.0, 1.0]]))).all()


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_classes_without_a_row_keep_their_probabilities(method):
    probabilities, classes = too_sure(3)
    other = 0.1 * np.random.default_rng(3).random(len(classes))
    with_other = np.column_stack([(1 - other[:, None]) * probabilities, other])
    calibrator = make_calibrator(method).fit(with_other, classes)
    assert calibrator.calibrators_[3] is None
    columns = [calibrator.calibrators_[number].predict(with_other[:, number]) for number in range(3)]
    expected = np.column_stack([*columns, other])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrator.predict(with_other), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_rows_of_one_class_change_nothing(method):
    probabilities, _ = too_sure(2)
    calibrator = make_calibrator(method).fit(probabilities, np.ones(len(probabilities), dtype=int))
    np.testing.assert_array_equal(calibrator.predict(probabilities), probabilities)


def test_rows_without_weight_do_not_count():
    probabilities, classes = too_sure(2)
    weights = np.where(np.arange(len(classes)) < 200, 1.0, 0.0)
    for method in CALIBRATIONS:
        ours = make_calibrator(method).fit(probabilities, classes, weights).predict(probabilities)
        expected = make_calibrator(method).fit(probabilities[:200], classes[:200]).predict(probabilities)
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_labels_are_calibrated_one_by_one():
    probabilities, labels = too_sure_labels()
    calibrated = OneVersusRest("isotonic", multilabel=True).fit(probabilities, labels).predict(probabilities)
    for number in range(3):
        expected = IsotonicRegression(out_of_bounds="clip").fit_transform(probabilities[:, number], labels[:, number])
        np.testing.assert_allclose(calibrated[:, number], expected)


def test_two_labels_are_not_two_classes():
    probabilities, labels = too_sure_labels()
    calibrated = OneVersusRest("sigmoid", multilabel=True).fit(probabilities[:, :2], labels[:, :2])
    assert np.abs(calibrated.predict(probabilities[:, :2]).sum(axis=1) - 1).max() > 0.1


def test_classes_are_equally_probable_where_all_calibrated_probabilities_are_zero():
    low = np.array([[0.2, 0.4, 0.4], [0.4, 0.2, 0.4], [0.4, 0.4, 0.2]])
    high = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    calibrator = OneVersusRest("isotonic").fit(np.vstack([low, high]), np.array([1, 2, 0, 0, 1, 2]))
    columns = [one.predict([0.1]) for one in calibrator.calibrators_]
    assert np.all(np.array(columns) == 0)
    np.testing.assert_allclose(calibrator.predict(np.full((1, 3), 0.1)), 1 / 3)


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_calibrators_are_pickled(method):
    probabilities, classes = too_sure(3)
    calibrator = make_calibrator(method).fit(probabilities.astype(np.float32), classes)
    again = pickle.loads(pickle.dumps(calibrator))
    np.testing.assert_array_equal(again.predict(probabilities), calibrator.predict(probabilities))
    assert again.predict(probabilities).dtype == np.float64


@pytest.mark.parametrize("name", ["platt", None, 3])
def test_calibrations_have_names(name):
    message = f"The 'calibration' parameter must be one of 'temperature', 'isotonic', 'sigmoid'; got {name!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_calibrator(name)


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_wrong_probabilities_and_no_rows_are_errors(method):
    for wrong in (np.nan, 1.5, -0.5):
        with pytest.raises(ValueError, match="must be from 0 to 1"):
            make_calibrator(method).fit(np.array([[wrong, 0.5]]), np.array([0]))
    with pytest.raises(ValueError, match="at least one out-of-fold row"):
        make_calibrator(method).fit(np.array([[0.5, 0.5]]), np.array([0]), np.zeros(1))
