"""Splits whose rows are masks: the same fits and scores as with the indices of these rows, with weights and without."""

import functools

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import FeatureSelectionDisplay, GeneralizationGapDisplay, compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)

N = 48
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
WEIGHT = np.arange(N) % 4 * 0.5
SHORT = {"hidden_layer_sizes": (), "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
CLASSIFIER = RegularizedMLPClassifier(**SHORT)
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
ALPHAS = {"alphas": [0.001, 0.01]}


class Splitter:
    """Two folds of whatever rows it is given, as numbers or as masks."""

    def __init__(self, masked):
        self.masked = masked

    def split(self, X, y=None, groups=None):
        n_rows = len(X) if hasattr(X, "__len__") else X.shape[0]
        for remainder in range(2):
            is_test = np.arange(n_rows) % 3 == remainder
            sides = zip(("train", "test"), (~is_test, is_test), strict=True)
            yield tuple(rows if side in self.masked else np.flatnonzero(rows) for side, rows in sides)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def with_cv(kind, y, **options):
    def scores(cv, weight):
        return kind(**SHORT, **ALPHAS, **options, cv=cv).fit(X, y, sample_weight=weight).scores_path_

    return scores


def named(estimator, weight):
    prefix = "regularizedmlpclassifier__" if estimator is PIPELINE else ""
    return prefix, {} if weight is None else {f"{prefix}sample_weight": weight}


def searched(kind, estimator, **options):
    def scores(cv, weight):
        prefix, parameters = named(estimator, weight)
        values = {f"{prefix}alpha": [0.001, 1.0]}
        search = kind(estimator, values, cv=cv, scoring="neg_log_loss", return_train_score=True, **options)
        results = search.fit(X, Y, **parameters).cv_results_
        return results["mean_train_score"], results["mean_test_score"]

    return scores


def validated(function, estimator, pick=lambda results: results, **options):
    def scores(cv, weight):
        prefix, parameters = named(estimator, weight)
        own = {"param_name": f"{prefix}alpha", "param_range": [0.001, 1.0]} if function is validation_curve else {}
        return pick(function(estimator, X, Y, cv=cv, params=parameters, **own, **options))

    return scores


def early_stopping(kind, y, **options):
    def predictions(cv, weight):
        return kind(**SHORT, **options, early_stopping=cv).fit(X, y, sample_weight=weight).predict(X)

    return predictions


LOSS = {"scoring": "neg_log_loss"}
ENTRIES = {
    "classifier with cross-validation": with_cv(RegularizedMLPClassifierCV, Y),
    "with a list of splits": lambda cv, weight: ENTRIES["classifier with cross-validation"](list(cv.split(X)), weight),
    "with refined paths": with_cv(RegularizedMLPClassifierCV, Y, relax=True, adaptive=True),
    "regressor with cross-validation": with_cv(RegularizedMLPRegressorCV, X[:, 0], scoring="r2"),
    "early stopping within it": with_cv(RegularizedMLPRegressorCV, X[:, 0], early_stopping=Splitter(("train", "test"))),
    "grid search": searched(GridSearchCV, CLASSIFIER),
    "grid search in threads": searched(GridSearchCV, PIPELINE, n_jobs=2),
    "random search": searched(RandomizedSearchCV, PIPELINE, n_iter=2, random_state=0),
    "cross_validate": validated(cross_validate, PIPELINE, lambda results: results["test_score"], **LOSS),
    "cross_val_score": validated(cross_val_score, CLASSIFIER, **LOSS),
    "learning_curve": validated(learning_curve, PIPELINE, lambda results: results[1:], train_sizes=[0.8, 1.0], **LOSS),
    "validation_curve": validated(validation_curve, PIPELINE, **LOSS),
    "early stopping": early_stopping(RegularizedMLPRegressor, X[:, 0]),
    "and a fit of all rows": early_stopping(RegularizedMLPClassifier, Y, refit_on_all=True, class_weight="balanced"),
    "monitored by a score": early_stopping(RegularizedMLPClassifier, Y, scoring="accuracy"),
}


BOTH, TRAIN, TEST = ("train", "test"), ("train",), ("test",)


@functools.cache
def with_numbers(entry, is_weighted):
    return ENTRIES[entry](Splitter(()), WEIGHT if is_weighted else None)


@pytest.mark.parametrize(
    ("masked", "is_weighted"),
    [(BOTH, False), pytest.param(BOTH, True, marks=pytest.mark.product), (TRAIN, True), (TEST, True)],
)
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
def test_masks_are_as_good_as_numbers(entry, is_weighted, masked):
    masks = ENTRIES[entry](Splitter(masked), WEIGHT if is_weighted else None)
    np.testing.assert_array_equal(masks, with_numbers(entry, is_weighted))


@pytest.mark.parametrize("masked", [BOTH, TRAIN, TEST], ids="+".join)
def test_masks_in_comparisons_and_displays(masked):
    def results(which):
        cv = list(Splitter(which).split(X))
        estimators = {"a": CLASSIFIER, "b": (PIPELINE, {"regularizedmlpclassifier__alpha": [0.001, 1.0]})}
        options = {"inner_cv": Splitter(which), "random_state": 0, "verbose": 0, "refit": False}
        folds = compare_regularizers(X, Y, estimators, cv=cv, **options).folds
        gaps = GeneralizationGapDisplay.from_estimator(CLASSIFIER, X, Y, cv=cv).frame()
        features = FeatureSelectionDisplay.from_estimator(fitted, X, Y, cv=cv).frame()
        return folds[["test_score", "log_loss"]].to_numpy(), gaps.to_numpy(), features.to_numpy(float)

    fitted = RegularizedMLPClassifier(**SHORT, penalty="group_lasso", alpha=0.1).fit(X, Y)
    for found, expected in zip(results(masked), results(()), strict=True):
        np.testing.assert_array_equal(found, expected)


WRONG = [(np.ones(N - 1, bool), np.arange(N) < 9), (np.arange(N) >= 9, np.ones(N + 1, bool))]


@pytest.mark.parametrize("entry", ["classifier with cross-validation", "grid search", "cross_val_score"])
@pytest.mark.parametrize("split", WRONG)
def test_masks_of_another_number_of_rows(entry, split):
    with pytest.raises(ValueError, match=r"A mask of rows in 'cv' must have one entry for each of the 48 rows of X"):
        ENTRIES[entry]([split, split], None)


@pytest.mark.parametrize("split", WRONG)
def test_masks_of_another_number_of_rows_in_comparisons(split):
    with pytest.raises(ValueError, match=r"A mask of rows in 'cv' must have one entry for each of the 48 rows of X"):
        compare_regularizers(X, Y, {"a": CLASSIFIER}, cv=[split, split], verbose=0)
