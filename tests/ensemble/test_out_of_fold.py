"""What ensembles make of out-of-fold predictions: calibration, intervals and sets, against their definitions."""

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from tests.ensemble_helpers import (
    N_ROWS,
    SPLITS,
    WEIGHT,
    KeptRowsRegressor,
    classes,
    classifier,
    numbered,
    numbers,
    regressor,
)
from tests.helpers import assert_unchanged_by

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]


def fold_classifier(**options):
    return FoldEnsembleClassifier(classifier(early_stopping=True), cv=SPLITS, random_state=0, **options)


@pytest.fixture(scope="module")
def fitted_classifier():
    return fold_classifier().fit(*classes())


@pytest.fixture(scope="module")
def fitted_regressor():
    return FoldEnsembleRegressor(regressor(early_stopping=True), cv=SPLITS, random_state=0).fit(*numbers())


class TestCalibration:
    def test_temperature_does_not_raise_the_out_of_fold_loss(self, fitted_classifier):
        X, y = classes()
        ensemble = fold_classifier(calibration="temperature").fit(X, y, WEIGHT)

        def loss(temperature):
            scaled = ensemble.oof_predictions_ ** (ensemble.calibrator_.averaging / temperature)
            return log_loss(y, scaled / scaled.sum(axis=1, keepdims=True), sample_weight=WEIGHT)

        grid = np.geomspace(0.1, 100, 4000)
        least = grid[np.argmin([loss(temperature) for temperature in grid])]
        temperature = ensemble.calibrator_.temperature_
        assert least < temperature < 1 or 1 < temperature < least
        assert loss(temperature) < loss(1)
        plain = np.mean([member.predict_proba(X) for member in ensemble.members_], axis=0)
        plain **= 1 / temperature
        np.testing.assert_allclose(ensemble.predict_proba(X), plain / plain.sum(axis=1, keepdims=True))
        np.testing.assert_array_equal(ensemble.predict(X), plain.argmax(axis=1))
        unweighted = fold_classifier(calibration="temperature").fit(X, y)
        np.testing.assert_array_equal(unweighted.oof_predictions_, fitted_classifier.oof_predictions_)
        np.testing.assert_array_equal(unweighted.predict(X), fitted_classifier.predict(X))

    def test_isotonic_regression_of_two_classes(self):
        X, y = classes(2)
        ensemble = fold_classifier(calibration="isotonic").fit(X, y, WEIGHT)
        expected = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        expected.fit(ensemble.oof_predictions_[:, 1], y, WEIGHT)
        plain = np.mean([member.predict_proba(X)[:, 1] for member in ensemble.members_], axis=0)
        np.testing.assert_allclose(ensemble.predict_proba(X)[:, 1], expected.predict(plain), atol=1e-9)
        assert np.isfinite(ensemble.decision_function(X)).all()

    @pytest.mark.parametrize("calibration", ["temperature", "isotonic", "sigmoid"])
    @pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 member")
    def test_a_class_of_one_row_and_several_labels(self, calibration):
        X, y = classes()
        rare = np.where(np.arange(N_ROWS) == 4, 9, y)
        probabilities = fold_classifier(calibration=calibration).fit(X, rare).predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert np.isfinite(probabilities).all()
        ensemble = fold_classifier(calibration=calibration).fit(X, np.column_stack([y > 0, y > 1]).astype(int))
        np.testing.assert_array_equal(ensemble.predict(X), ensemble.predict_proba(X) > 0.5)

    def test_there_must_be_rows_to_calibrate_on(self):
        X, y = classes()
        ensemble = fold_classifier(calibration="temperature").fit(X, y)
        weight = np.isin(np.arange(N_ROWS), SPLITS[0][0]).astype(float)
        message = "'calibration' parameter must be None where no row with positive weight .*; got .*'temperature'"
        ensemble.set_params(cv=SPLITS[:1])
        assert_unchanged_by(ensemble, ValueError, message, lambda model: model.fit(X, y, weight))
        with pytest.raises(ValueError, match="'calibration' parameter must be None .* bootstrap=False"):
            DeepEnsembleClassifier(classifier(), n_members=2, calibration="sigmoid").fit(X, y)
        assert DeepEnsembleClassifier(classifier(), n_members=1).fit(X, y).calibrator_ is None

    def test_a_name_of_no_calibration(self):
        with pytest.raises(ValueError, match="'calibration' parameter .* Got 'platt' instead"):
            fold_classifier(calibration="platt").fit(*classes())


class TestIntervals:
    @pytest.mark.parametrize("coverage", [0.5, 0.9])
    def test_all_folds_by_their_definition(self, fitted_regressor, coverage):
        """Barber et al. (2021), equation 5 and section 3."""
        X, y = numbers()
        lower, upper = np.empty((2, N_ROWS, N_ROWS))
        for member, (_, held_out) in zip(fitted_regressor.members_, SPLITS, strict=True):
            residuals = np.abs(y[held_out] - member.predict(X[held_out]))
            lower[:, held_out] = member.predict(X)[:, None] - residuals
            upper[:, held_out] = member.predict(X)[:, None] + residuals
        rank = math.ceil(coverage * (N_ROWS + 1))
        found = fitted_regressor.predict_interval(X, coverage, method="cv+")
        np.testing.assert_allclose(found[:, 1], np.sort(upper, axis=1)[:, rank - 1])
        np.testing.assert_allclose(found[:, 0], np.sort(lower, axis=1)[:, N_ROWS - rank])

    def test_scaled_ones_are_around_the_prediction(self, fitted_regressor):
        X, y = numbers()
        found = fitted_regressor.predict_interval(X, 0.8)
        widths = np.diff(found, axis=1)
        np.testing.assert_allclose(found.mean(axis=1), fitted_regressor.predict(X))
        np.testing.assert_allclose(widths, widths[0, 0])
        residuals = np.sort(np.abs(y - fitted_regressor.oof_predictions_))
        assert 0 < widths[0, 0] / 2 <= residuals[math.ceil(0.8 * (N_ROWS + 1)) - 1] * (1 + 1e-9)

    @pytest.mark.parametrize("method", ["scaled", "cv+", "one_fold"])
    def test_what_holds_for_all(self, fitted_regressor, method):
        X, _ = numbers()
        narrow, wide = (fitted_regressor.predict_interval(X, share, method=method) for share in (0.6, 0.9))
        assert (wide[:, 0] <= narrow[:, 0]).all()
        assert (narrow[:, 1] <= wide[:, 1]).all()
        some = fitted_regressor.predict_interval(X[[7, 3]], 0.9, method=method)
        np.testing.assert_allclose(some, wide[[7, 3]])
        two = FoldEnsembleRegressor(regressor(), cv=2, random_state=0).fit(*numbers(2))
        assert two.predict_interval(X, method=method).shape == (N_ROWS, 2, 2)

    def test_rows_of_weight_0_do_not_count(self):
        X, y = numbers()
        first, second = (
            FoldEnsembleRegressor(regressor(early_stopping=True), cv=SPLITS, random_state=0).fit(X, targets, WEIGHT)
            for targets in (y, np.where(WEIGHT > 0, y, 1e3))
        )
        for method in ("scaled", "cv+", "one_fold"):
            found = (ensemble.predict_interval(X, method=method) for ensemble in (first, second))
            np.testing.assert_array_equal(*found)

    @pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
    def test_a_fit_predicts_each_row_once_by_each_member(self, weight, monkeypatch):
        """Rows of weight 0 are predicted by the members that have not seen them."""
        X, y = numbers()
        predicted = {}

        def predict(member, rows, predict=KeptRowsRegressor.predict):
            predicted.setdefault(member, []).extend(np.asarray(rows)[:, 0].astype(int))
            return predict(member, rows)

        monkeypatch.setattr(KeptRowsRegressor, "predict", predict)
        ensemble = FoldEnsembleRegressor(KeptRowsRegressor(), cv=SPLITS).fit(numbered(X), y, weight)
        assert [*predicted] == ensemble.members_
        for rows, (_, held_out) in zip(predicted.values(), SPLITS, strict=True):
            expected = np.arange(N_ROWS) if weight is None else np.union1d(held_out, np.flatnonzero(weight))
            assert sorted(rows) == expected.tolist()

    def test_what_cannot_be_had(self, fitted_regressor):
        X, y = numbers()
        for coverage in (0, 1, 1.5, "0.9", np.nan):
            with pytest.raises(ValueError, match="'coverage' parameter must be .*; got"):
                fitted_regressor.predict_interval(X, coverage)
        with pytest.raises(ValueError, match="'coverage' parameter must be at most 90/91 with 90 rows"):
            fitted_regressor.predict_interval(X, 0.99)
        with pytest.raises(ValueError, match=r"one of 'scaled', .*; got 'jackknife'"):
            fitted_regressor.predict_interval(X, method="jackknife")
        quantiles = regressor(loss="quantile", quantile=[0.1, 0.9])
        for network, options, message in (
            (quantiles, {"bootstrap": True}, r"needs members that predict one number .* quantiles \(0.1, 0.9\)"),
            (regressor(), {}, "needs rows with positive weight that members have not seen"),
        ):
            ensemble = DeepEnsembleRegressor(network, n_members=2, **options, random_state=0).fit(X, y)
            with pytest.raises(ValueError, match=f"predict_interval {message}"):
                ensemble.predict_interval(X)


class TestSets:
    @pytest.mark.parametrize("coverage", [0.5, 0.9])
    def test_all_folds_by_their_definition(self, fitted_classifier, coverage):
        """Romano et al. (2020), section 2.3, with 1 minus the probability of a class as its score."""
        X, y = classes()
        n_smaller = np.zeros((N_ROWS, 3))
        for member, (_, held_out) in zip(fitted_classifier.members_, SPLITS, strict=True):
            own = 1 - member.predict_proba(X[held_out])[np.arange(len(held_out)), y[held_out]]
            n_smaller += (own[:, None, None] < 1 - member.predict_proba(X)).sum(axis=0)
        found = fitted_classifier.predict_set(X, coverage, method="cv+")
        np.testing.assert_array_equal(found, n_smaller < math.ceil(coverage * (N_ROWS + 1)))

    @pytest.mark.parametrize("method", ["cv+", "one_fold"])
    def test_what_holds_for_all(self, fitted_classifier, method):
        X, _ = classes()
        small, large = (fitted_classifier.predict_set(X, share, method=method) for share in (0.3, 0.9))
        assert (small <= large).all()
        assert small.sum() < large.sum()
        np.testing.assert_array_equal(fitted_classifier.predict_set(X[[7, 3]], method=method), large[[7, 3]])
        filled = fitted_classifier.predict_set(X, 0.3, method=method, allow_empty=False)
        empty = ~small.any(axis=1)
        np.testing.assert_array_equal(filled[~empty], small[~empty])
        np.testing.assert_array_equal(filled[empty].argmax(axis=1), fitted_classifier.predict(X[empty]))
        assert (filled[empty].sum(axis=1) == 1).all()

    def test_calibration_plays_no_part(self, fitted_classifier):
        X, y = classes()
        calibrated = fold_classifier(calibration="isotonic").fit(X, y)
        np.testing.assert_array_equal(calibrated.predict_set(X), fitted_classifier.predict_set(X))

    def test_labels_that_are_not_exclusive_have_none(self):
        X, y = classes()
        ensemble = fold_classifier().fit(X, np.column_stack([y > 0, y > 1]).astype(int))
        with pytest.raises(
            ValueError, match="predict_set needs one column of classes as targets; got a label indicator"
        ):
            ensemble.predict_set(X)
