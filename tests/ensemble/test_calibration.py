import pickle
import re

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skreg.ensemble._calibration import (
    CALIBRATIONS,
    OneVersusRest,
    Temperature,
    averaging_factor,
    logit_variances,
    make_calibrator,
    temperature_of,
)


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
    # scikit-learn's temperature knows of no prior.
    calibrator = Temperature(prior_scale=np.inf) if method == "temperature" else make_calibrator(method)
    ours = calibrator.fit(probabilities, classes, weights).predict(new)
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
    calibrator = Temperature(prior_scale=np.inf).fit(probabilities, classes)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    regression.fit(logit(probabilities[:, 1:]), classes)
    assert calibrator.temperature_ == pytest.approx(1 / regression.coef_.item(), rel=1e-5)
    expected = expit(logit(probabilities[:, 1]) / calibrator.temperature_)
    np.testing.assert_allclose(calibrator.predict(probabilities)[:, 1], expected, rtol=1e-10)


def test_temperature_of_labels_is_a_logistic_regression_over_all_of_them():
    probabilities, labels = too_sure_labels()
    weights = np.random.default_rng(1).uniform(0.1, 3, size=len(labels))
    calibrator = Temperature(multilabel=True, prior_scale=np.inf).fit(probabilities, labels, weights)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    regression.fit(logit(probabilities.reshape(-1, 1)), labels.ravel(), np.repeat(weights, 3))
    assert calibrator.temperature_ == pytest.approx(1 / regression.coef_.item(), rel=1e-5)
    expected = expit(logit(probabilities) / calibrator.temperature_)
    np.testing.assert_allclose(calibrator.predict(probabilities), expected, rtol=1e-10)


GRID = np.geomspace(0.1, 100, 200)


@pytest.mark.parametrize("prior_scale", [0.02, 0.1, np.inf])
@pytest.mark.parametrize("factor", [0.2, 0.8, 1.0, 1.3, 5.0])
def test_no_temperature_of_a_grid_is_more_probable(factor, prior_scale):
    """Of probabilities that are right, not sure enough or too sure, of always right and of always wrong ones."""
    for seed in range(3):
        random = np.random.default_rng(seed)
        n_rows = [1, 12, 150][seed]
        logits = log_softmax(2 * random.normal(size=(n_rows, 3)), axis=1)
        for classes in (
            np.array([random.choice(3, p=np.exp(row)) for row in logits]),
            logits.argmax(axis=1),
            logits.argmin(axis=1),
        ):

            def probability(temperature, classes=classes, logits=factor * logits):
                """Return the logarithm of the likelihood times the density of the prior."""
                likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(logits)), classes].sum()
                if np.isinf(prior_scale):
                    return likelihood
                return likelihood + norm.logpdf(np.log(temperature), scale=prior_scale)

            found = temperature_of(factor * logits, classes, None, prior_scale)
            best = max(map(probability, GRID))
            assert probability(found) >= best - 1e-7 * abs(best)
            assert 0.1 <= found <= 100


def test_the_standard_deviation_of_the_prior_is_a_tenth():
    probabilities, classes = too_sure(3, n_rows=50)
    expected = temperature_of(np.log(probabilities), classes, None, 0.1)
    assert Temperature().fit(probabilities, classes).temperature_ == expected


def test_few_rows_leave_the_temperature_close_to_one_and_many_do_not():
    probabilities, classes = too_sure(3, n_rows=8)
    temperatures = [
        Temperature().fit(np.tile(probabilities, (times, 1)), np.tile(classes, times)).temperature_
        for times in (1, 10, 20_000)
    ]
    unshrunk = Temperature(prior_scale=np.inf).fit(probabilities, classes).temperature_
    assert unshrunk > 1.5
    assert 1 <= temperatures[0] < temperatures[1] < temperatures[2] < unshrunk
    assert temperatures[0] < 1.1
    assert temperatures[2] == pytest.approx(unshrunk, rel=0.01)


@pytest.mark.parametrize("factor", [0.3, 2.0])
def test_temperature_scales_with_the_logits(factor):
    probabilities, classes = too_sure(3)
    logs = np.log(probabilities)
    scaled = temperature_of(log_softmax(factor * logs, axis=1), classes)
    assert scaled == pytest.approx(factor * temperature_of(logs, classes), rel=1e-5)


def test_weights_are_repetitions():
    probabilities, classes = too_sure(3, n_rows=60)
    counts = np.arange(60) % 4
    weighted = Temperature(prior_scale=np.inf).fit(probabilities, classes, counts)
    repeated = Temperature(prior_scale=np.inf).fit(np.repeat(probabilities, counts, axis=0), np.repeat(classes, counts))
    assert weighted.temperature_ == pytest.approx(repeated.temperature_, rel=1e-6)


def test_rows_count_as_rows_beside_the_prior_whatever_the_size_of_weights():
    probabilities, classes = too_sure(3, n_rows=60)
    fitted = [Temperature().fit(probabilities, classes, weight) for weight in (None, np.full(60, 50.0))]
    assert fitted[0].temperature_ == pytest.approx(fitted[1].temperature_, rel=1e-9)


def test_separable_rows_get_the_smallest_temperature_and_useless_ones_the_largest_without_prior():
    right = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert Temperature(prior_scale=np.inf).fit(right, np.array([0, 1])).temperature_ == pytest.approx(0.1, rel=1e-12)
    assert Temperature(prior_scale=np.inf).fit(right, np.array([1, 0])).temperature_ == pytest.approx(100, rel=1e-12)
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
        calibrator = Temperature().fit(probabilities, classes)
        assert (calibrator.temperature_ > 1) == (temperature_of(np.log(probabilities), classes) > 1)
        calibrated = calibrator.predict(probabilities)
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


class TestAveraging:
    @pytest.mark.parametrize("multilabel", [False, True])
    def test_variances_by_their_definition(self, multilabel):
        random = np.random.default_rng(0)
        masks = random.random((4, 30)) < 0.6
        members = softmax(random.normal(size=(4, 30, 3)), axis=2)
        found = logit_variances(
            [(mask, own[mask]) for mask, own in zip(masks, members, strict=True)], 30, multilabel=multilabel
        )
        for row in range(30):
            own = members[masks[:, row], row]
            logits = logit(own) if multilabel else np.log(own) - np.log(own).mean(axis=1, keepdims=True)
            if len(own) < 2:
                assert np.isnan(found[row])
            else:
                assert found[row] == pytest.approx(np.var(logits, axis=0, ddof=1).sum(), rel=1e-9)
        assert {0, 1, 2, 3} <= set(masks.sum(axis=0))

    def test_members_that_say_the_same_have_no_variance(self):
        same = softmax(np.random.default_rng(0).normal(size=(20, 3)), axis=1)
        everywhere = np.ones(20, dtype=bool)
        variances = logit_variances([(everywhere, same)] * 5, 20)
        assert (variances >= 0).all()
        np.testing.assert_allclose(variances, 0, atol=1e-13)
        assert averaging_factor(same, variances, np.ones(20), 5) == pytest.approx(1, rel=1e-12)

    def test_the_factor_is_the_ratio_of_mean_squares(self):
        """Of logits of the mean of all members, and of means of one to three, which have held a row out."""
        random = np.random.default_rng(0)
        n_rows, n_members = 200_000, 6
        n_averaged = 1 + np.arange(n_rows) % 3
        truth = 1.5 * random.normal(size=n_rows)
        logits = truth + 0.8 * random.normal(size=(n_members, n_rows))
        own = np.array([logits[:number, row].mean() for row, number in enumerate(n_averaged)])
        weights = random.uniform(0.1, 2, n_rows)
        found = averaging_factor(
            expit(np.column_stack([-own, own])), logits.var(axis=0, ddof=1) / 2, n_averaged, n_members, weights
        )
        assert found == pytest.approx((logits.mean(axis=0) ** 2).mean() / (own**2).mean(), rel=0.01)
        assert found < 0.9
        labels = averaging_factor(
            expit(own[:, None]), logits.var(axis=0, ddof=1), n_averaged, n_members, weights, multilabel=True
        )
        assert labels == pytest.approx(found, rel=1e-9)

    def test_it_finds_the_temperature_of_the_mean_from_single_members(self):
        """Members whose logits are the true ones, doubled, and noise: with the factor, log-loss is almost the least."""
        random = np.random.default_rng(0)
        truth = random.normal(size=40_000)
        members = 2 * (truth + 0.7 * random.normal(size=(5, len(truth))))
        classes = (random.random(len(truth)) < expit(truth)).astype(int)
        probabilities = [np.column_stack([expit(-logits), expit(logits)]) for logits in members]
        everywhere = np.ones(len(truth), dtype=bool)
        variances = logit_variances([(everywhere, own) for own in probabilities], len(truth))
        factor = averaging_factor(probabilities[0], variances, np.ones(len(truth)), 5)
        mean = np.mean(probabilities, axis=0)
        plain, corrected = (
            Temperature(averaging=averaging).fit(probabilities[0], classes) for averaging in (1.0, factor)
        )
        least = temperature_of(np.log(mean), classes)
        assert corrected.temperature_ < 0.85 * plain.temperature_
        assert corrected.temperature_ == pytest.approx(factor * plain.temperature_, rel=1e-2)
        assert abs(corrected.temperature_ - least) < 0.5 * abs(plain.temperature_ - least)
        losses = [log_loss(classes, calibrator.predict(mean)) for calibrator in (plain, corrected)]
        assert losses[1] < losses[0]
        expected = expit(logit(mean[:, 1]) / corrected.temperature_)
        np.testing.assert_allclose(corrected.predict(mean)[:, 1], expected, rtol=1e-9)

    def test_the_factor_is_at_least_that_of_noise(self):
        """Means of one member and of five, of logits of 0 and noise."""
        random = np.random.default_rng(0)
        members = 0.1 * random.normal(size=(5, 100_000))
        variances = members.var(axis=0, ddof=1)
        own = expit(members[0][:, None])
        assert averaging_factor(own, variances, np.ones(100_000), 5, multilabel=True) == pytest.approx(0.2, rel=0.02)
        assert averaging_factor(own, 9 * variances, np.ones(100_000), 5, multilabel=True) == pytest.approx(
            0.2, rel=1e-9
        )

    def test_it_is_one_where_nothing_is_known(self):
        probabilities = np.array([[0.2, 0.8], [0.6, 0.4]])
        for variances, n_averaged, own in (
            (np.full(2, np.nan), np.ones(2), probabilities),
            (np.ones(2), np.ones(2), np.full((2, 2), 0.5)),
            (np.ones(2), np.full(2, 3), probabilities),  # all members have held out all rows
        ):
            assert averaging_factor(own, variances, n_averaged, 3) == 1
        weights = np.array([1.0, 0.0])
        assert averaging_factor(probabilities, np.array([np.nan, 1.0]), np.ones(2), 3, weights) == 1
