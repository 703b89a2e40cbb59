"""Calibrated probabilities, intervals and sets, as ensembles have them: against definitions, and for all inputs."""

import itertools
import math
import pickle
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection
import torch
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skreg.compose import TransformedTargetRegressor
from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from skreg.ensemble._calibration import make_calibrator
from skreg.model_selection import GridSearchCV
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
from tests.search_helpers import log_likelihood

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
KINDS = ("temperature", "isotonic", "sigmoid")
NAMES = np.array(["cat", "ant", "bee"])
NEW = np.random.default_rng(5).normal(size=(40, 5))
EARLY = {"max_iter": 12, "early_stopping": True, "n_iter_no_change": 3}
SET_METHODS, INTERVAL_METHODS = ("one_fold", "cv+"), ("scaled", "cv+", "one_fold")


def labels():
    X, Y = make_multilabel_classification(N_ROWS, 5, n_classes=3, random_state=0)
    return scale(X), Y


@pytest.fixture(scope="module")
def of_classes():
    """Three folds of a network, with names as classes."""
    X, y = classes()
    return FoldEnsembleClassifier(classifier(**EARLY), cv=3, random_state=0).fit(X, NAMES[y])


@pytest.fixture(scope="module")
def of_labels():
    return FoldEnsembleClassifier(classifier(), cv=3, random_state=0).fit(*labels())


@pytest.fixture(scope="module")
def of_numbers():
    return FoldEnsembleRegressor(regressor(**EARLY), cv=3, random_state=0).fit(*numbers())


@pytest.fixture(scope="module")
def repeated():
    """Two outputs, and two partitions into folds."""
    return FoldEnsembleRegressor(regressor(**EARLY), cv=3, n_repeats=2, random_state=0).fit(*numbers(2))


@pytest.fixture(scope="module")
def bootstrap():
    return DeepEnsembleRegressor(regressor(), n_members=5, bootstrap=True, random_state=0).fit(*numbers())


def calibrated(kind, data, weight=None):
    return FoldEnsembleClassifier(classifier(**EARLY), cv=3, random_state=0, calibration=kind).fit(*data, weight)


def held_out_of(ensemble, X):
    """Return the predictions of all members, and whether each has held a row out, found from the predictions.

    For ensembles without repetitions: the member of a row is the one that has made its out-of-fold prediction.
    """
    members = ensemble.predict_members(X).members
    distances = np.abs(members - ensemble.oof_predictions_).reshape(*members.shape[:2], -1).max(axis=2)
    held_out = distances == distances.min(axis=0)
    assert distances.min(axis=0).max() < 1e-9
    assert (held_out.sum(axis=0) == 1).all()
    return members, held_out


class TestCalibration:
    @pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
    def test_the_temperature_is_the_most_probable(self, weight):
        """By the log-loss of rows with weight, and a normal distribution of log(T) with standard deviation 0.1."""
        X, y = classes()
        ensemble = calibrated("temperature", (X, NAMES[y]), weight)
        codes = np.searchsorted(ensemble.classes_, NAMES[y])
        oof = ensemble.oof_predictions_**ensemble.calibrator_.averaging
        oof /= oof.sum(axis=1, keepdims=True)
        n_rows = N_ROWS if weight is None else np.count_nonzero(weight)

        def loss(temperature):
            powers = oof ** (1 / temperature)
            likelihoods = powers[np.arange(N_ROWS), codes] / powers.sum(axis=1)
            return np.average(-np.log(likelihoods), weights=weight)

        def surprise(temperature):
            return n_rows * loss(temperature) - norm.logpdf(np.log(temperature), scale=0.1)

        assert loss(1) == pytest.approx(log_loss(NAMES[y], oof, sample_weight=weight))
        found = ensemble.calibrator_.temperature_
        grid = np.geomspace(0.1, 100, 400)
        surprises = [surprise(temperature) for temperature in grid]
        assert found == pytest.approx(grid[np.argmin(surprises)], rel=0.02)
        assert 0.101 < found < 99
        assert surprise(found) <= min(surprises)
        assert loss(found) < loss(1)

    @pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
    @pytest.mark.parametrize("kind", ["folds", "repeats", "bootstrap", "labels"])
    def test_how_much_less_sure_the_mean_is(self, kind, weight, monkeypatch):
        """By what is computed here row by row; in one partition from the members that have seen a row."""
        X, y = labels() if kind == "labels" else classes()
        network, options = classifier(max_iter=12), {"calibration": "temperature", "random_state": 0}
        if kind == "bootstrap":
            ensemble = DeepEnsembleClassifier(network, n_members=6, bootstrap=True, **options)
        else:
            ensemble = FoldEnsembleClassifier(network, cv=3, n_repeats=2 if kind == "repeats" else 1, **options)
        plans, plan = [], type(ensemble)._plan  # they alone know the rows of the members
        monkeypatch.setattr(type(ensemble), "_plan", lambda *arguments: plans.extend(plan(*arguments)) or plans)
        ensemble.fit(X, y, weight)
        held_out = np.array([np.isin(np.arange(N_ROWS), plan.held_out) for plan in plans])
        members = ensemble.predict_members(X).members.astype(np.float64)

        def logits_of(probabilities):
            logs = np.log(probabilities)
            if kind == "labels":
                return logs - np.log(1 - probabilities)
            return logs - logs.mean(axis=-1, keepdims=True)

        compared = ~held_out if kind in ("folds", "labels") else held_out
        weights = np.ones(N_ROWS) if weight is None else weight
        rows = np.flatnonzero((weights > 0) & held_out.any(axis=0))
        variances, squares, inverses = {}, {}, {}
        for row in rows:
            own = members[held_out[:, row], row]
            inverses[row] = 1 / len(own)
            squares[row] = (logits_of(own.mean(axis=0)) ** 2).sum()
            others = logits_of(members[compared[:, row], row])
            if len(others) > 1:
                variances[row] = others.var(axis=0, ddof=1).sum()
        variance, square, inverse = (
            np.average(list(values.values()), weights=weights[list(values)])
            for values in (variances, squares, inverses)
        )
        expected = max(1 - variance * (inverse - 1 / len(members)) / square, 1 / (len(members) * inverse))
        assert expected < 0.9999
        assert ensemble.calibrator_.averaging == pytest.approx(expected, rel=1e-5)

    def test_two_folds_say_nothing_of_the_spread(self):
        """One member alone has seen a row."""
        X, y = classes()
        ensemble = FoldEnsembleClassifier(classifier(), cv=2, calibration="temperature", random_state=0).fit(X, y)
        assert ensemble.calibrator_.averaging == 1

    def test_the_spread_is_that_of_members_that_know_all_classes(self):
        """The others give no probability to a class, of which the logarithm is far from any other."""
        X, y = classes()
        splits = [(np.flatnonzero(y < 2), np.flatnonzero(y == 2)), *SPLITS]
        ensemble = FoldEnsembleClassifier(classifier(), cv=splits, calibration="temperature", random_state=0).fit(X, y)
        assert [len(member.classes_) for member in ensemble.members_] == [2, 3, 3, 3]
        logits = np.log(ensemble.predict_members(X).members[1:].astype(np.float64))
        logits -= logits.mean(axis=2, keepdims=True)
        seen = [[number for number, split in enumerate(SPLITS) if row in split[0]] for row in range(N_ROWS)]
        variance = np.mean([logits[own, row].var(axis=0, ddof=1).sum() for row, own in enumerate(seen)])
        oof = np.log(np.maximum(ensemble.oof_predictions_, 1e-12))
        oof -= oof.mean(axis=1, keepdims=True)
        expected = 1 - variance * (np.where(y == 2, 1 / 2, 1).mean() - 1 / 4) / (oof**2).sum(axis=1).mean()
        assert expected < 0.999
        assert ensemble.calibrator_.averaging == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_mean_probabilities_are_calibrated(self, kind, n_classes):
        X, y = classes(n_classes)
        ensemble = calibrated(kind, (X, y))
        plain = calibrated(None, (X, y))
        assert plain.calibrator_ is None
        np.testing.assert_array_equal(ensemble.oof_predictions_, plain.oof_predictions_)
        assert ensemble.oof_score_ == plain.oof_score_
        mean = plain.predict_proba(NEW)
        found = ensemble.predict_proba(NEW)
        np.testing.assert_array_equal(ensemble.predict_members(NEW).members, plain.predict_members(NEW).members)
        np.testing.assert_array_equal(found, ensemble.calibrator_.predict(mean))
        np.testing.assert_allclose(found.sum(axis=1), 1)
        np.testing.assert_array_equal(ensemble.predict(NEW), found.argmax(axis=1))
        # The temperature of so few rows is close to 1.
        assert np.abs(found - mean).max() > (0.003 if kind == "temperature" else 0.01)
        if kind == "temperature":
            np.testing.assert_array_equal(ensemble.predict(NEW), plain.predict(NEW))
            powers = mean ** (1 / ensemble.calibrator_.temperature_)
            np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-9)

    @pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
    def test_scikit_learn_calibrates_the_same(self, method):
        """It takes the same probabilities if they are those of a naive Bayes classifier, for two classes their odds."""
        X, y = classes()
        ensemble = FoldEnsembleClassifier(GaussianNB(), cv=SPLITS, calibration=method, random_state=0).fit(X, y)
        order = np.concatenate([held_out for _, held_out in SPLITS])

        class Known(GaussianNB):
            """Classifier whose probabilities are the numbers that it is given."""

            def predict_proba(self, X):
                return X

        known = FrozenEstimator(Known().fit(ensemble.oof_predictions_, y))
        theirs = CalibratedClassifierCV(known, method=method).fit(ensemble.oof_predictions_[order], y[order])
        mean = ensemble.predict_members(NEW).mean
        np.testing.assert_allclose(ensemble.predict_proba(NEW), theirs.predict_proba(mean), rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_label_is_calibrated(self, kind, of_labels):
        X, Y = labels()
        ensemble = clone(of_labels).set_params(calibration=kind).fit(X, Y)
        found, mean = ensemble.predict_proba(NEW), of_labels.predict_proba(NEW)
        np.testing.assert_array_equal(ensemble.predict(NEW), found > 0.5)
        assert found.shape == (len(NEW), 3)
        if kind == "temperature":
            odds = (mean / (1 - mean)) ** (1 / ensemble.calibrator_.temperature_)
            np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-9)
            np.testing.assert_array_equal(ensemble.predict(NEW), of_labels.predict(NEW))
            oof = ensemble.oof_predictions_
            logits = ensemble.calibrator_.averaging * np.log(oof / (1 - oof))

            def surprise(temperature):
                loss = np.logaddexp(0, np.where(Y == 1, -logits, logits) / temperature).mean()
                return N_ROWS * loss - norm.logpdf(np.log(temperature), scale=0.1)

            assert surprise(ensemble.calibrator_.temperature_) <= min(map(surprise, np.geomspace(0.1, 100, 300)))
        else:
            for column in range(3):
                ranks = np.argsort(mean[:, column])
                slopes = np.diff(found[ranks, column])
                assert (slopes >= -1e-12).all() or (slopes <= 1e-12).all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_class_may_be_missing_in_a_fold(self, kind):
        X, y = classes()
        splits = [(np.flatnonzero(y < 2), np.flatnonzero(y == 2)), *SPLITS]
        ensemble = FoldEnsembleClassifier(classifier(), cv=splits, calibration=kind, random_state=0).fit(X, y)
        assert [len(member.classes_) for member in ensemble.members_] == [2, 3, 3, 3]
        found = ensemble.predict_proba(NEW)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert ensemble.predict_set(NEW, 0.8, method="cv+").shape == (len(NEW), 3)

    def test_zero_weights_are_as_no_rows(self):
        X, y = classes()
        rows = WEIGHT > 0
        kept = [(np.flatnonzero(np.isin(np.flatnonzero(rows), own)) for own in split) for split in SPLITS]
        network = GaussianNB()
        options = {"calibration": "isotonic", "random_state": 0}
        ensemble = FoldEnsembleClassifier(network, cv=SPLITS, **options).fit(X, y, WEIGHT)
        fewer = FoldEnsembleClassifier(network, cv=[tuple(split) for split in kept], **options)
        fewer.fit(X[rows], y[rows], WEIGHT[rows])
        np.testing.assert_allclose(ensemble.predict_proba(NEW), fewer.predict_proba(NEW), rtol=1e-9)
        for method in SET_METHODS:
            np.testing.assert_array_equal(
                ensemble.predict_set(NEW, 0.8, method=method), fewer.predict_set(NEW, 0.8, method=method)
            )

    def test_it_needs_rows_that_members_have_not_seen(self, of_classes):
        X, y = classes()
        deep = DeepEnsembleClassifier(classifier(), n_members=2, calibration="temperature", random_state=0)
        message = (
            "The 'calibration' parameter must be None where members have seen all rows; got "
            "calibration='temperature' with bootstrap=False."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            deep.fit(X, y)
        assert deep.set_params(bootstrap=True).fit(X, y).calibrator_.temperature_ > 0
        assert deep.set_params(bootstrap=False, calibration=None).fit(X, y).calibrator_ is None
        with pytest.raises(ValueError, match="'calibration' parameter of FoldEnsembleClassifier must be a str among"):
            clone(of_classes).set_params(calibration="platt").fit(X, y)

    def test_it_needs_held_out_rows_with_weight(self):
        """A fit that fails leaves the ensemble as it was."""
        X, y = classes()
        ensemble = FoldEnsembleClassifier(GaussianNB(), cv=SPLITS[:1], calibration="sigmoid").fit(X, y)
        weight = np.ones(N_ROWS)
        weight[SPLITS[0][1]] = 0
        message = "'calibration' parameter must be None where no row with positive weight is held out of a member"
        assert_unchanged_by(ensemble, ValueError, message, lambda model: model.fit(X, y, weight))
        ensemble.set_params(calibration=None).fit(X, y, weight)
        assert ensemble.calibrator_ is None
        assert ensemble.oof_score_ is None
        with pytest.raises(ValueError, match="needs rows with positive weight that members have not seen"):
            ensemble.predict_set(NEW)

    def test_searches_over_it_are_scikit_learns(self):
        X, y = classes()
        arguments = FoldEnsembleClassifier(classifier(), cv=2, random_state=0), {"calibration": [None, *KINDS[::2]]}
        theirs, ours = (
            search(*arguments, cv=2, scoring=log_likelihood).fit(X, y)
            for search in (sklearn.model_selection.GridSearchCV, GridSearchCV)
        )
        scores = ours.cv_results_["mean_test_score"]
        np.testing.assert_allclose(scores, theirs.cv_results_["mean_test_score"], rtol=1e-5)
        assert len(set(scores.round(6))) == 3
        assert ours.best_params_ == theirs.best_params_


def expected_sets(ensemble, X, y, coverage):
    """Return the sets of cross-validation+ by their definition, and those of each fold and each of two ranks."""
    own, held_out = held_out_of(ensemble, X)
    new = ensemble.predict_members(NEW).members
    scores = 1 - ensemble.oof_predictions_[np.arange(len(y)), y]
    n_larger = sum((1 - new[held_out[:, row]][0]) > scores[row] for row in range(len(y)))
    cv_plus = n_larger < float(coverage * (len(y) + 1))
    of_folds = []
    for member in range(len(own)):
        ranked = np.sort(scores[held_out[member]])
        rank = math.floor(coverage * (len(ranked) + 1))
        of_folds += [1 - new[member] <= threshold for threshold in ranked[rank - 1 : rank + 1]]
    return cv_plus, of_folds


class TestSets:
    def test_they_are_those_of_the_definition(self, of_classes):
        X, y = classes()
        codes = np.searchsorted(of_classes.classes_, NAMES[y])
        cv_plus, of_folds = expected_sets(of_classes, X, codes, Fraction("0.83"))
        np.testing.assert_array_equal(of_classes.predict_set(NEW, 0.83, method="cv+"), cv_plus)
        assert 0.1 < cv_plus.mean() < 0.95
        found = of_classes.predict_set(NEW, 0.83)
        assert found.dtype == bool
        assert len(of_folds) == 6
        for row, own in enumerate(found):
            assert any((own == candidate[row]).all() for candidate in of_folds)
        assert all((found != candidate).any() for candidate in of_folds)

    def test_calibration_plays_no_part(self, of_classes):
        X, y = classes()
        ensemble = calibrated("isotonic", (X, NAMES[y]))
        for method in SET_METHODS:
            np.testing.assert_array_equal(
                ensemble.predict_set(NEW, method=method), of_classes.predict_set(NEW, method=method)
            )

    def test_empty_sets_get_the_class_of_the_largest_mean(self, of_classes):
        sets = of_classes.predict_set(NEW, 0.3)
        filled = of_classes.predict_set(NEW, 0.3, allow_empty=False)
        empty = ~sets.any(axis=1)
        assert 0 < empty.sum() < len(NEW)
        np.testing.assert_array_equal(filled[~empty], sets[~empty])
        np.testing.assert_array_equal(of_classes.classes_[filled[empty].argmax(axis=1)], of_classes.predict(NEW[empty]))
        assert (filled[empty].sum(axis=1) == 1).all()

    def test_label_indicators_have_none(self, of_labels):
        message = "predict_set needs one column of classes as targets; got a label indicator matrix in fit."
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            of_labels.predict_set(NEW)

    def test_two_classes_and_bootstrap_rows(self):
        X, y = classes(2)
        ensemble = DeepEnsembleClassifier(classifier(), n_members=4, bootstrap=True, random_state=0).fit(X, y)
        for method in SET_METHODS:
            sets = ensemble.predict_set(NEW, 0.8, method=method)
            assert sets.shape == (len(NEW), 2)
            assert sets.any(axis=0).all()


class TestIntervals:
    def test_they_are_those_of_the_definition(self, of_numbers):
        X, y = numbers()
        own, held_out = held_out_of(of_numbers, X)
        new = of_numbers.predict_members(NEW).members
        missed = np.abs(y - of_numbers.oof_predictions_)
        rank = math.ceil(Fraction("0.8") * 91)

        centres = np.array([new[held_out[:, row]][0] for row in range(N_ROWS)])
        lower = np.sort(centres - missed[:, None], axis=0)[91 - rank - 1]
        upper = np.sort(centres + missed[:, None], axis=0)[rank - 1]
        np.testing.assert_allclose(of_numbers.predict_interval(NEW, 0.8, method="cv+"), np.stack([lower, upper], 1))

        variance = np.mean([own[~held_out[:, row], row].var(ddof=1) for row in range(N_ROWS)])
        factor = np.sqrt(1 - variance * (1 - 1 / 3) / np.mean(missed**2))
        assert 0.5 < factor < 0.999
        radius = factor * np.sort(missed)[rank - 1]
        expected = of_numbers.predict(NEW)[:, None] + [-radius, radius]
        np.testing.assert_allclose(of_numbers.predict_interval(NEW, 0.8), expected, rtol=1e-6)

        # 0.8 (30 + 1) = 24.8: the 24th or the 25th residual of a fold.
        candidates = [
            np.stack([new[member] - radius, new[member] + radius], 1)
            for member in range(3)
            for radius in np.sort(missed[held_out[member]])[23:25]
        ]
        found = of_numbers.predict_interval(NEW, 0.8, method="one_fold")
        chosen = [
            {k for k, ends in enumerate(candidates) if np.allclose(ends[row], own)} for row, own in enumerate(found)
        ]
        assert all(chosen)
        assert set.union(*chosen) >= {1, 3, 5}  # the 25th is the more frequent one

    def test_outputs_have_intervals_of_their_own(self, repeated):
        _, y = numbers(2)
        new = repeated.predict_members(NEW).members
        missed = np.sort(np.abs(y - repeated.oof_predictions_), axis=0)
        rank = math.ceil(Fraction("0.8") * 91)
        for method in INTERVAL_METHODS:
            found = repeated.predict_interval(NEW, 0.8, method=method)
            assert found.shape == (len(NEW), 2, 2)
            assert (found[..., 0] < found[..., 1]).all()
        # Each of the rows is held out by two members, which the pairs that have not seen it are the means of.
        found = repeated.predict_interval(NEW, 0.8)
        np.testing.assert_allclose(found.mean(axis=2), new.mean(axis=0), rtol=1e-9)
        ratios = (found[..., 1] - found[..., 0]) / 2 / missed[rank - 1]
        np.testing.assert_allclose(ratios, ratios[:1].repeat(len(NEW), axis=0), rtol=1e-9)
        assert (ratios > np.sqrt(2 / 6) - 1e-9).all()  # were all errors those of members
        assert (ratios < 1).all()
        pairs = np.array([(new[first] + new[second]) / 2 for first, second in itertools.product(range(3), range(3, 6))])
        single = repeated.predict_interval(NEW, 0.8, method="cv+")
        largest = np.abs(y - repeated.oof_predictions_).max(axis=0)
        assert (single[..., 0] > pairs.min(axis=0) - largest).all()
        assert (single[..., 1] < pairs.max(axis=0) + largest).all()

    def test_a_column_of_targets_has_the_intervals_of_its_values(self, of_numbers):
        X, y = numbers()
        options = {"cv": SPLITS, "random_state": 0}
        column = FoldEnsembleRegressor(Ridge(), **options).fit(X, y[:, None])
        values = FoldEnsembleRegressor(Ridge(), **options).fit(X, y)
        assert column.predict(NEW).shape[0] == len(NEW)
        for method in INTERVAL_METHODS:
            expected = values.predict_interval(NEW, method=method)
            found = column.predict_interval(NEW, method=method)
            assert found.shape == (*column.predict(NEW).shape, 2)
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9)

    def test_transformed_targets(self):
        """Intervals are those of the targets, not of what the networks are trained on."""
        X, y = numbers()
        member = TransformedTargetRegressor(regressor(**EARLY), func=np.log, inverse_func=np.exp)
        y = np.exp(y)
        ensemble = FoldEnsembleRegressor(member, cv=3, random_state=0).fit(X, y)
        residuals = np.sort(np.abs(y - ensemble.oof_predictions_))
        found = ensemble.predict_interval(NEW, 0.9, method="one_fold")
        widths = np.unique(((found[:, 1] - found[:, 0]) / 2).round(9))
        assert np.isin(widths, residuals.round(9)).all()
        assert len(widths) >= 3

    def test_quantiles_have_none(self):
        X, y = numbers()
        network = regressor(loss="quantile", quantile=[0.1, 0.9])
        ensemble = FoldEnsembleRegressor(network, cv=2, random_state=0).fit(X, y)
        message = (
            "predict_interval needs members that predict one number for each target; got members that predict the "
            "quantiles (0.1, 0.9)."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            ensemble.predict_interval(NEW)


def uncertainties(ensemble, X, coverage=0.8):
    """Return the sets or intervals of all methods."""
    if hasattr(ensemble, "predict_set"):
        return [ensemble.predict_set(X, coverage, method=method) for method in SET_METHODS]
    return [ensemble.predict_interval(X, coverage, method=method) for method in INTERVAL_METHODS]


def assert_same_uncertainties(ours, theirs, rtol=1e-6):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol)


ENSEMBLES = ("of_classes", "of_numbers", "repeated", "bootstrap")


@pytest.fixture
def ensemble(request):
    return request.getfixturevalue(request.param)


each_ensemble = pytest.mark.parametrize("ensemble", ENSEMBLES, indirect=True)


class TestBoth:
    @each_ensemble
    def test_rows_alone_have_what_they_have_among_others(self, ensemble):
        expected = uncertainties(ensemble, NEW)
        for row in range(6):
            assert_same_uncertainties(uncertainties(ensemble, NEW[row : row + 1]), [one[[row]] for one in expected])
        order = np.random.default_rng(0).permutation(len(NEW))
        assert_same_uncertainties(uncertainties(ensemble, NEW[order]), [one[order] for one in expected])

    @pytest.mark.parametrize("ensemble", ["of_classes", "of_numbers"], indirect=True)
    @pytest.mark.parametrize("made", [np.ndarray.tolist, sparse.csr_array, sparse.csc_matrix, torch.from_numpy])
    def test_inputs_of_other_types(self, ensemble, made):
        X = np.where(np.abs(NEW) < 0.5, 0, NEW)
        assert_same_uncertainties(uncertainties(ensemble, made(X)), uncertainties(ensemble, X))

    @pytest.mark.parametrize("kind", ["sets", "intervals"])
    @pytest.mark.parametrize("made", [pd.DataFrame, sparse.csr_array, torch.from_numpy])
    def test_ensembles_of_other_inputs(self, kind, made):
        is_of_classes = kind == "sets"
        X, y = classes() if is_of_classes else numbers()
        network = classifier() if is_of_classes else regressor()
        members = make_pipeline(StandardScaler(with_mean=False), network)
        ensemble = (FoldEnsembleClassifier if is_of_classes else FoldEnsembleRegressor)(members, cv=3, random_state=0)
        made_y = pd.Series(y) if made is pd.DataFrame else torch.from_numpy(y) if made is torch.from_numpy else y
        options = {"columns": list("abcde")} if made is pd.DataFrame else {}
        found = uncertainties(clone(ensemble).fit(made(X, **options), made_y), made(NEW, **options))
        assert_same_uncertainties(found, uncertainties(ensemble.fit(X, y), NEW), rtol=1e-5)

    @each_ensemble
    def test_coverages(self, ensemble):
        for coverage in (0, 1, 1.5, -0.2, np.nan, "0.9", True):
            with pytest.raises(ValueError, match="^The 'coverage' parameter must be a number between 0 and 1"):
                uncertainties(ensemble, NEW, coverage)
        sizes = [
            [(one[..., 1] - one[..., 0]).mean() if one.dtype == float else one.sum() for one in found]
            for found in (uncertainties(ensemble, NEW, coverage) for coverage in (0.2, 0.5, 0.8, 0.95))
        ]
        assert (np.diff(sizes, axis=0) > 0).all()

    def test_too_few_rows(self, of_classes, of_numbers):
        for call in (of_classes.predict_set, of_numbers.predict_interval):
            with pytest.raises(ValueError, match="at most 90/91 with 90 rows with an out-of-fold predict"):
                call(NEW, 0.995, method="cv+")
            with pytest.raises(ValueError, match="at most 30/31 with 30 rows in a fold; got 0.97, which needs 33 of"):
                call(NEW, 0.97, method="one_fold")
        with pytest.raises(ValueError, match="at most 90/91 with 90 rows"):
            of_numbers.predict_interval(NEW, 0.995)

    def test_methods(self, of_classes, of_numbers):
        with pytest.raises(ValueError, match=r"'method' parameter must be one of 'one_fold', 'cv\+'; got 'scaled'.$"):
            of_classes.predict_set(NEW, method="scaled")
        message = r"^The 'method' parameter must be one of 'scaled', 'cv\+', 'one_fold'; got None.$"
        with pytest.raises(ValueError, match=message):
            of_numbers.predict_interval(NEW, method=None)

    def test_ensembles_without_held_out_rows(self):
        message = (
            "{} needs rows with positive weight that members have not seen, from folds or bootstrap=True; got none."
        )
        deep = DeepEnsembleClassifier(classifier(), n_members=1, random_state=0)
        with pytest.raises(NotFittedError):
            deep.predict_set(NEW)
        deep.fit(*classes())
        with pytest.raises(ValueError, match=f"^{re.escape(message.format('predict_set'))}$"):
            deep.predict_set(NEW)
        deep = DeepEnsembleRegressor(Ridge(), n_members=1, random_state=0)
        with pytest.raises(NotFittedError):
            deep.predict_interval(NEW)
        deep.fit(*numbers())
        with pytest.raises(ValueError, match=f"^{re.escape(message.format('predict_interval'))}$"):
            deep.predict_interval(NEW)

    @each_ensemble
    def test_pickles_and_clones(self, ensemble):
        again = pickle.loads(pickle.dumps(ensemble))
        assert_same_uncertainties(uncertainties(again, NEW), uncertainties(ensemble, NEW), rtol=0)
        method = "predict_set" if hasattr(ensemble, "predict_set") else "predict_interval"
        with pytest.raises(NotFittedError):
            getattr(clone(ensemble), method)(NEW)

    def test_a_fit_forgets_the_one_before(self):
        X, y = classes()
        ensemble = FoldEnsembleClassifier(GaussianNB(), cv=3, calibration="sigmoid", random_state=0).fit(X, y)
        first = ensemble.predict_set(NEW, 0.8)
        ensemble.set_params(calibration=None).fit(X[:, :3], y % 2)
        fresh = clone(ensemble).fit(X[:, :3], y % 2)
        assert ensemble.calibrator_ is None
        assert first.shape != ensemble.predict_set(NEW[:, :3], 0.8).shape
        np.testing.assert_array_equal(ensemble.predict_set(NEW[:, :3], 0.8), fresh.predict_set(NEW[:, :3], 0.8))
        ensemble.set_params(estimator=classifier()).fit(*labels())
        with pytest.raises(ValueError, match="label indicator matrix"):
            ensemble.predict_set(NEW)
        ensemble.fit(X, y)
        assert ensemble.predict_set(NEW, 0.8).shape == (len(NEW), 3)

    def test_members_that_have_failed_are_left_out(self):
        X = numbered(classes()[0])
        y = np.arange(N_ROWS) + np.random.default_rng(0).normal(size=N_ROWS)
        ensemble = FoldEnsembleRegressor(KeptRowsRegressor(fails_on=int(SPLITS[0][1][0])), cv=SPLITS, random_state=0)
        with pytest.warns(FitFailedWarning, match="2 of 3 members"):
            ensemble.fit(X, y)
        rows = SPLITS[0][1]
        radius = np.sort(np.abs(y - X[:, 0])[rows])[math.ceil(0.9 * 31) - 1]
        for method in ("scaled", "cv+"):  # of one member, whose errors are the residuals
            found = ensemble.predict_interval(X, method=method)
            np.testing.assert_allclose(found, X[:, :1] + [-radius, radius])
        radii = ensemble.predict_interval(X, method="one_fold")[:, 1] - X[:, 0]
        assert set(radii.round(9)) <= set(np.abs(y - X[:, 0])[rows].round(9))


class TestPruned:
    @pytest.mark.parametrize("is_calibrated", [False, True])
    def test_classifiers(self, is_calibrated):
        X, y = classes()
        network = make_pipeline(StandardScaler(), classifier(penalty="group_lasso", alpha=0.05, max_iter=20))
        options = {"calibration": "temperature" if is_calibrated else None, "random_state": 0}
        ensemble = FoldEnsembleClassifier(network, cv=3, **options).fit(X, y)
        pruned = ensemble.prune()
        assert pruned is not ensemble
        assert sum(member[-1].coefs_[0].size for member in pruned.members_) < sum(
            member[-1].coefs_[0].size for member in ensemble.members_
        )
        np.testing.assert_allclose(pruned.predict_proba(NEW), ensemble.predict_proba(NEW), rtol=1e-6)
        assert_same_uncertainties(uncertainties(pruned, NEW), uncertainties(ensemble, NEW))
        np.testing.assert_array_equal(pruned.oof_predictions_, ensemble.oof_predictions_)

    def test_transformations_of_the_target(self):
        X, y = numbers()
        network = regressor(penalty="group_lasso", alpha=0.05, max_iter=20)
        member = make_pipeline(StandardScaler(), TransformedTargetRegressor(network, transformer=StandardScaler()))
        ensemble = FoldEnsembleRegressor(member, cv=3, random_state=0).fit(X, y)
        before = ensemble.predict(NEW)
        pruned = ensemble.prune()
        assert all(hasattr(member[-1].regressor_, "pruning_") for member in pruned.members_)
        np.testing.assert_allclose(pruned.predict(NEW), before, rtol=1e-6)
        np.testing.assert_array_equal(ensemble.predict(NEW), before)
        assert_same_uncertainties(uncertainties(pruned, NEW), uncertainties(ensemble, NEW))


@pytest.mark.parametrize("calibration", ["temperature", "isotonic", "sigmoid"])
def test_rows_of_a_class_that_no_member_knows_which_has_not_seen_them_are_no_rows_of_the_calibration(calibration):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    y[0] = 2
    weight = np.linspace(1, 2, 60)
    folds = [
        (np.flatnonzero(np.arange(60) % 3 != fold), np.flatnonzero(np.arange(60) % 3 == fold)) for fold in range(3)
    ]
    ensemble = FoldEnsembleClassifier(GaussianNB(var_smoothing=0.1), cv=folds, calibration=calibration)
    ensemble.fit(X, y, weight)
    options = {"averaging": ensemble.calibrator_.averaging} if calibration == "temperature" else {}
    expected = make_calibrator(calibration, **options).fit(ensemble.oof_predictions_[1:], y[1:], weight[1:])
    assert ensemble.oof_predictions_[0, 2] == 0
    np.testing.assert_allclose(ensemble.predict_proba(X), expected.predict(ensemble.predict_members(X).mean))
    by_class = [(np.flatnonzero(y != label), np.flatnonzero(y == label)) for label in range(3)]
    with pytest.raises(ValueError, match="held out of a member that knows its class"):
        ensemble.set_params(cv=by_class).fit(X, y)


@pytest.mark.parametrize("method", ["one_fold", "cv+"])
def test_sets_of_many_rows_take_few_at_a_time(method, monkeypatch):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 3
    ensemble = FoldEnsembleClassifier(GaussianNB(), cv=3, random_state=0).fit(X, y)
    expected = ensemble.predict_set(X, 0.7, method=method)
    sizes, predict_proba = [], GaussianNB.predict_proba
    monkeypatch.setattr(GaussianNB, "predict_proba", lambda self, X: sizes.append(len(X)) or predict_proba(self, X))
    monkeypatch.setattr("skreg.ensemble._conformal.BLOCK_SIZE", 10 * 3 * 3)
    np.testing.assert_array_equal(ensemble.predict_set(X, 0.7, method=method), expected)
    assert sizes == [10] * 6 * 3
