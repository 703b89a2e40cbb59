"""Scorers: what they may return, which go with an estimator and its rows, and scores that are not finite."""

import re

import numpy as np
import pytest
import torch

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.inspection import compare_regularizers
from skreg.model_selection import GridSearchCV, regularization_path
from tests.helpers import TINY

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2
RARE = np.where(np.arange(60) >= 40, 2, Y)
CV = TINY | {"hidden_layer_sizes": (), "alphas": [0.1, 0.2, 0.4], "cv": 3}
CALLS = {
    "early stopping": lambda scoring: RegularizedMLPClassifier(**TINY, early_stopping=True, scoring=scoring).fit(X, Y),
    "CV": lambda scoring: RegularizedMLPClassifierCV(**CV, scoring=scoring).fit(X, Y),
    "path": lambda scoring: regularization_path(
        RegularizedMLPClassifier(**TINY, penalty="l1"), X, Y, alphas=[0.1, 1.0], scoring=scoring
    ),
    "search": lambda scoring: GridSearchCV(RegularizedMLPClassifier(**TINY), {}, cv=2, scoring=scoring).fit(X, Y),
    "comparison": lambda scoring: compare_regularizers(
        X, Y, {"a": (RegularizedMLPClassifier(**TINY), {"alpha": [0.1, 1.0]})}, cv=2, n_repeats=1, scoring=scoring
    ),
    "comparison without a choice": lambda scoring: compare_regularizers(
        X, Y, {"a": (RegularizedMLPClassifier(**TINY), {})}, cv=2, n_repeats=1, scoring=scoring
    ),
}


@pytest.mark.parametrize("name", ["early stopping", "CV", "path"])
def test_scores_beyond_float(name):
    with pytest.raises(ValueError, match="must return a number in the range of float64; got int beyond it"):
        CALLS[name](lambda estimator, X, y: 10**400)


def test_warnings_of_a_decorated_fit_are_at_the_line_of_the_call():
    with pytest.warns(UserWarning, match="weakest") as caught:
        RegularizedMLPClassifierCV(**CV, scoring=lambda estimator, X, y: -estimator.alpha).fit(X, Y)
    assert {item.filename for item in caught} == {__file__}


@pytest.mark.parametrize("value", [None, {}, [1.0], "0.5", np.array([0.5, 0.6])], ids=repr)
@pytest.mark.parametrize("name", [name for name in CALLS if name != "search"])  # where scikit-learn says so
def test_what_is_no_number_is_no_score(name, value):
    with pytest.raises(ValueError, match=rf"must return a number[;,] got {re.escape(repr(value))}|must .* got \[0\.5"):
        CALLS[name](lambda estimator, X, y: value)


@pytest.mark.parametrize(
    "value", [0.5, 1, np.float32(0.5), np.array([0.5]), np.array(0.5), torch.tensor(0.5)], ids=repr
)
@pytest.mark.parametrize("name", [name for name in CALLS if name != "CV"])
def test_numbers_of_every_kind_are_scores(name, value):
    CALLS[name](lambda estimator, X, y: value)


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "roc_auc_ovr", "average_precision"])
def test_scorers_of_classifiers_do_not_go_with_regressors(scoring):
    y = X[:, 0]
    match = (
        "'scoring' parameter must be .* can score the {} {} rows by RegularizedMLPRegressor; got {!r}, which cannot: "
    )
    with pytest.raises(ValueError, match=match.format(20, "validation", scoring)):
        RegularizedMLPRegressor(**TINY, early_stopping=True, scoring=scoring).fit(X, y, X_val=X[:20], y_val=y[:20])
    with pytest.raises(ValueError, match=match.format(20, "held-out", scoring)):
        RegularizedMLPRegressorCV(**CV, scoring=scoring).fit(X, y)
    model = RegularizedMLPRegressor(**TINY, penalty="l1")
    with pytest.raises(ValueError, match=match.format(60, "training", scoring)):
        regularization_path(model, X, y, alphas=[0.1, 1.0], scoring=scoring)


@pytest.mark.filterwarnings("ignore:Early stopping has no row to choose the epoch by of the classes")
@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "roc_auc_ovr"])
def test_classes_that_the_rows_lack_are_named(scoring):
    match = r"'scoring' parameter .* the {} {} rows .*got {!r}, which cannot: .*These rows lack the classes \[1, 2\]\."
    zeros = np.flatnonzero(RARE == 0)
    model = RegularizedMLPClassifier(**TINY, early_stopping=True, scoring=scoring)
    with pytest.raises(ValueError, match="(?s)" + match.format(20, "validation", scoring)):
        model.fit(X, RARE, X_val=X[zeros], y_val=RARE[zeros])
    folds = [(np.arange(60), zeros), (np.arange(60), np.arange(60))]
    with pytest.raises(ValueError, match="(?s)" + match.format(20, "held-out", scoring)):
        RegularizedMLPClassifierCV(**CV | {"cv": folds}, scoring=scoring).fit(X, RARE)


def test_errors_of_a_scorer_of_the_user_stay_as_they_are():
    def scorer(estimator, X, y):
        raise TypeError("a mistake")

    for name in ("early stopping", "CV", "path"):
        with pytest.raises(TypeError, match=r"^a mistake$"):
            CALLS[name](scorer)


def finite_but_at(alphas, value):
    """Return a scorer that prefers weak penalties, and returns a value for some strengths on the first fold."""

    def scorer(estimator, X_test, y_test):
        alpha = estimator.penalty_.alpha
        return value if alpha in alphas and np.array_equal(X_test[0], X[0]) else -alpha

    return scorer


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("selection", ["best", "one_se"])
@pytest.mark.parametrize("hidden", [(), (3,)])
def test_a_strength_without_a_finite_score_is_left_out(value, selection, hidden):
    model = RegularizedMLPClassifierCV(
        **CV
        | {
            "hidden_layer_sizes": hidden,
            "cv": [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))],
        },
        selection=selection,
        scoring=finite_but_at([0.1], value),
        refit=False,
    )
    with pytest.warns(UserWarning, match=rf"scores .* are not finite.*got {value!r} for alpha=0\.1 in fold 0"):
        model.fit(X, Y)
    assert model.alpha_ == 0.2
    assert model.best_score_ == -0.2
    np.testing.assert_array_equal(np.isnan(model.scores_path_), [[True, False, False], [False] * 3])


def test_no_strength_with_finite_scores_is_an_error():
    with pytest.raises(
        ValueError, match="must return a finite number for every fold of at least one strength; got nan"
    ):
        RegularizedMLPClassifierCV(**CV, scoring=lambda *_: np.nan).fit(X, Y)
