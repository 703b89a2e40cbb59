"""Comparisons of regularizers against nested cross-validation by scikit-learn, and what they say."""

import inspect
import io
import pickle
import re
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn.model_selection
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, table_pipeline
from skreg._composition import last_of
from skreg._progress import in_notebook
from skreg.inspection import (
    RegularizerComparison,
    calibration_error,
    compare_regularizers,
    corrected_ttest,
    default_regularizers,
)
from skreg.inspection._design import ComparisonOptions, design_of
from skreg.inspection._regularizers import default_network
from skreg.preprocessing import TableEncoder

INF = float("inf")
SHORT = {"learning_rate_init": 0.02, "max_iter": 8, "n_iter_no_change": INF, "batch_size": 32}


def network(**parameters):
    return RegularizedMLPClassifier((8,), **SHORT | parameters)


@pytest.fixture(scope="module")
def comparison(iris):
    estimators = {
        "none": network(penalty=None),
        "l1": (network(penalty="l1"), {"alpha": [0.001, 0.1]}),
        "linear": LogisticRegression(),
    }
    return compare_regularizers(*iris, estimators, cv=3, random_state=0)


def test_displays_compare_with_the_same_defaults():
    parameters = inspect.signature(compare_regularizers).parameters
    defaults = {name: parameter.default for name, parameter in list(parameters.items())[3:]}
    assert vars(ComparisonOptions()) == defaults


def test_is_nested_cross_validation(iris):
    # The same splits, seeds and grid in scikit-learn's own functions, fit by fit.
    X, y = iris
    outer, inner = StratifiedKFold(4, shuffle=True, random_state=1), StratifiedKFold(2, shuffle=True, random_state=2)
    model = make_pipeline(StandardScaler(), network(penalty="l1", random_state=3))
    grid = {"regularizedmlpclassifier__alpha": [1e-4, 0.03, 0.3], "regularizedmlpclassifier__dropout": [0.0, 0.3]}
    comparison = compare_regularizers(X, y, {"l1": (model, grid)}, cv=outer, inner_cv=inner)
    search = sklearn.model_selection.GridSearchCV(model, grid, cv=inner, scoring="neg_log_loss")
    expected = sklearn.model_selection.cross_validate(
        search,
        X,
        y,
        cv=outer,
        scoring={"test": "accuracy", "loss": "neg_log_loss"},
        return_train_score=True,
        return_estimator=True,
    )
    folds = comparison.folds
    assert folds["chosen"].tolist() == [fitted.best_params_ for fitted in expected["estimator"]]
    np.testing.assert_allclose(folds["log_loss"], -expected["test_loss"], rtol=1e-6)
    np.testing.assert_allclose(folds["test_score"], expected["test_test"])
    np.testing.assert_allclose(folds["train_score"], expected["train_test"])
    zeros = [
        np.mean(np.concatenate([W.ravel() for W in e.best_estimator_[-1].coefs_]) == 0) for e in expected["estimator"]
    ]
    np.testing.assert_allclose(folds["zeros"], zeros)
    # The best one is what the same search makes of all rows.
    whole = search.fit(X, y)
    assert comparison.best_params_ == whole.best_params_
    np.testing.assert_allclose(
        comparison.best_estimator_.predict_proba(X), whole.predict_proba(X), rtol=1e-4, atol=1e-6
    )


def test_is_nested_cross_validation_for_regressors():
    X, y = load_diabetes(return_X_y=True)
    cv = KFold(3, shuffle=True, random_state=0)
    model = TransformedTargetRegressor(
        RegularizedMLPRegressor((), random_state=0, **SHORT), transformer=StandardScaler()
    )
    grid = {"regressor__alpha": [1e-3, 10.0]}
    comparison = compare_regularizers(X, y, {"l2": (model, grid)}, cv=cv)
    search = sklearn.model_selection.GridSearchCV(model, grid, cv=cv, scoring="neg_mean_squared_error")
    scoring = ["r2", "neg_mean_squared_error"]
    expected = sklearn.model_selection.cross_validate(search, X, y, cv=cv, scoring=scoring)
    np.testing.assert_allclose(comparison.folds["test_score"], expected["test_r2"], rtol=1e-6)
    np.testing.assert_allclose(
        comparison.folds["mean_squared_error"], -expected["test_neg_mean_squared_error"], rtol=1e-6
    )
    assert comparison.score_name == "R²"


class Recorder(ClassifierMixin, BaseEstimator):
    """Writes down which rows it is fitted to and predicts: the first column numbers them."""

    def __init__(self, fitted=None, scored=None, size=1):
        self.fitted = fitted
        self.scored = scored
        self.size = size

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.rows_ = {int(number) for number in X[:, 0]}
        self.fitted.append(self.rows_)
        return self

    def predict(self, X):
        self.scored.append((self.rows_, {int(number) for number in X[:, 0]}))
        return np.full(len(X), self.classes_[0])

    def __sklearn_clone__(self):
        return type(self)(self.fitted, self.scored, self.size)


def test_no_test_row_has_a_say(iris):
    _, y = iris
    fitted, scored = [], []
    recorder = Recorder(fitted, scored)
    numbers = np.arange(len(y))[:, None]
    compare_regularizers(numbers, y, {"recorder": (recorder, {"size": [1, 2]})}, cv=3, n_repeats=1, inner_cv=2)
    outer = [rows for rows in fitted if len(rows) == 100]
    inner = [rows for rows in fitted if len(rows) == 50]
    assert len(outer) == 3
    assert len(inner) == 3 * 2 * 2
    for rows in inner:
        assert any(rows < of_outer for of_outer in outer)
    # The outer fits are scored on the rows they have not seen, and on those they have.
    for rows, of_scores in scored:
        if len(rows) == 50:
            assert not rows & of_scores
            assert any(rows | of_scores == of_outer for of_outer in outer)
        else:
            assert of_scores == rows or not of_scores & rows
    assert set().union(*(of_scores for rows, of_scores in scored if not rows & of_scores)) == set(range(150))


def test_estimators_share_folds_and_seeds(iris):
    same = network(penalty="l2", alpha=0.01)
    folds = compare_regularizers(*iris, {"a": same, "b": same}, cv=2, n_repeats=2, random_state=4).folds
    a, b = (folds[folds["regularizer"] == name].reset_index() for name in "ab")
    assert a["log_loss"].tolist() == pytest.approx(b["log_loss"].tolist(), rel=1e-6)
    assert a["log_loss"].nunique() == 4


def test_is_reproducible_and_random(iris):
    def scores(random_state):
        comparison = compare_regularizers(*iris, {"a": network()}, cv=2, n_repeats=1, random_state=random_state)
        return comparison.folds["log_loss"].tolist()

    assert scores(0) == scores(0)
    assert scores(0) != scores(1)
    assert scores(None) != scores(None)


def test_a_random_state_that_is_given_is_kept(iris):
    cv = StratifiedKFold(2)
    comparison = compare_regularizers(*iris, {"a": network(random_state=5)}, cv=cv)
    expected = sklearn.model_selection.cross_val_score(network(random_state=5), *iris, cv=cv, scoring="neg_log_loss")
    np.testing.assert_allclose(comparison.folds["log_loss"], -expected, rtol=1e-6)


def test_rounds_do_not_matter(iris, monkeypatch):
    estimators = {"l1": (network(penalty="l1"), {"alpha": [0.001, 0.1]})}
    whole = compare_regularizers(*iris, estimators, cv=3, random_state=0)
    monkeypatch.setattr("skreg.inspection._nested_cv.FOLDS_TOGETHER", 1)
    single = compare_regularizers(*iris, estimators, cv=3, random_state=0, n_jobs=2)
    assert whole.folds["chosen"].tolist() == single.folds["chosen"].tolist()
    np.testing.assert_allclose(whole.folds["log_loss"], single.folds["log_loss"], rtol=1e-6)


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", None])
def test_scoring_and_tuning_scoring(iris, scoring):
    calls = []

    def tuning(estimator, X, y):
        calls.append(len(X))
        return estimator.alpha

    estimators = {"l2": (network(penalty="l2"), {"alpha": [0.01, 0.1]})}
    options = {"cv": 3, "n_repeats": 1, "refit": False}
    comparison = compare_regularizers(*iris, estimators, scoring=scoring, tuning_scoring=tuning, **options)
    assert comparison.folds["chosen"].tolist() == [{"alpha": 0.1}] * 3
    assert calls == [34, 33, 33] * 2 * 3 or sorted(set(calls)) == [33, 34]
    assert comparison.score_name == (scoring or "accuracy")


def test_scoring_chooses_too_unless_told_otherwise(iris):
    def largest_alpha(estimator, X, y):
        return estimator.alpha

    estimators = {"l2": (network(penalty="l2"), {"alpha": [0.01, 0.1]})}
    comparison = compare_regularizers(*iris, estimators, cv=2, n_repeats=1, scoring=largest_alpha)
    assert comparison.folds["chosen"].tolist() == [{"alpha": 0.1}] * 2
    assert comparison.score_name == "largest_alpha"
    assert comparison.folds["test_score"].tolist() == [0.1, 0.1]


def test_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 5)
    X = np.column_stack([np.arange(100), rng.normal(size=100)])
    y = rng.integers(2, size=100)
    for cv in (2, GroupKFold(2)):
        fitted, scored = [], []
        estimators = {"recorder": (Recorder(fitted, scored), {"size": [1, 2]})}
        compare_regularizers(X, y, estimators, cv=cv, inner_cv=2 if cv == 2 else None, groups=groups)
        held_out = [(rows, of_scores) for rows, of_scores in scored if not rows & of_scores]
        assert held_out
        for rows, of_scores in held_out:
            assert not set(groups[list(rows)]) & set(groups[list(of_scores)])


def test_a_splitter_serves_the_inner_folds_too():
    X = np.column_stack([np.arange(60), np.arange(60) % 7])
    y = np.tile([0, 1, 1], 20)
    fitted, scored = [], []
    estimators = {"recorder": (Recorder(fitted, scored), {"size": [1, 2]})}
    compare_regularizers(X, y, estimators, cv=TimeSeriesSplit(3))
    for rows, of_scores in scored:
        if rows != of_scores:
            assert max(rows) < min(of_scores)


@pytest.mark.parametrize("kind", ["strings", "frame", "sparse", "column", "list"])
def test_forms_of_data(iris, kind):
    X, y = iris
    forms = {
        "strings": (X, np.array(["a", "b", "c"], dtype=object)[y]),
        "frame": (pd.DataFrame(X, columns=list("abcd")), pd.Series(y)),
        "sparse": (scipy.sparse.csr_array(X), y),
        "column": (X, y[:, None]),
        "list": (X.tolist(), y.tolist()),
    }
    plain = compare_regularizers(X, y, {"a": network()}, cv=2, n_repeats=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = compare_regularizers(*forms[kind], {"a": network()}, cv=2, n_repeats=1, random_state=0)
    np.testing.assert_allclose(other.folds["log_loss"], plain.folds["log_loss"], rtol=1e-4)
    assert other.settings["task"] == "3 classes"


def test_label_matrices():
    X, y = make_multilabel_classification(90, 6, n_classes=3, random_state=0)
    cv = KFold(2, shuffle=True, random_state=0)
    comparison = compare_regularizers(scale(X), y, {"a": network(random_state=0)}, cv=cv)
    for fold, (train, test) in enumerate(cv.split(X)):
        proba = network(random_state=0).fit(scale(X)[train], y[train]).predict_proba(scale(X)[test])
        expected = sum(log_loss(y[test][:, j], proba[:, j], labels=[0, 1]) for j in range(3))
        assert comparison.folds["log_loss"][fold] == pytest.approx(expected, rel=1e-6)
    assert comparison.settings["task"] == "3 labels"


def test_several_targets():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 4)), rng.normal(size=(80, 2))
    cv = KFold(2)
    model = RegularizedMLPRegressor((4,), random_state=0, **SHORT)
    comparison = compare_regularizers(X, y, {"a": model}, cv=cv)
    expected = [
        mean_squared_error(y[test], model.fit(X[train], y[train]).predict(X[test])) for train, test in cv.split(X)
    ]
    np.testing.assert_allclose(comparison.folds["mean_squared_error"], expected, rtol=1e-6)
    assert comparison.settings["task"] == "regression, 2 targets"


def test_a_class_that_a_fold_does_not_know():
    X = np.random.default_rng(0).normal(size=(80, 3))
    y = np.repeat(["a", "b", "c"], [40, 39, 1])
    splits = [(np.arange(79), np.arange(60, 80)), (np.arange(20, 80), np.arange(20))]
    comparison = compare_regularizers(X, y, {"a": network(random_state=0)}, cv=splits)
    fitted = network(random_state=0).fit(X[:79], y[:79])
    proba = np.column_stack([fitted.predict_proba(X[60:]), np.zeros(20)])
    assert comparison.folds["log_loss"][0] == pytest.approx(log_loss(y[60:], proba, labels=["a", "b", "c"]), rel=1e-6)


def test_estimators_that_are_not_ours(comparison):
    linear = comparison.folds[comparison.folds["regularizer"] == "linear"]
    assert linear[["zeros", "parameters", "epochs"]].isna().all(axis=None)
    assert linear[["test_score", "log_loss", "calibration_error", "fit_time"]].notna().all(axis=None)


def test_estimators_without_probabilities(iris):
    from sklearn.svm import LinearSVC

    comparison = compare_regularizers(*iris, {"svm": (LinearSVC(), {"C": [0.1, 1.0]})}, cv=2, n_repeats=1)
    assert comparison.folds["log_loss"].isna().all()
    assert comparison.folds["test_score"].notna().all()
    assert "Lowest" not in comparison.summary()


def test_counts_of_a_network(iris):
    cv = StratifiedKFold(2)
    model = network(penalty="l1", alpha=0.02, random_state=0, normalization=None)
    folds = compare_regularizers(*iris, {"l1": model}, cv=cv).folds
    for fold, (train, _) in enumerate(cv.split(*iris)):
        fitted = model.fit(iris[0][train], iris[1][train])
        weights = np.concatenate([W.ravel() for W in fitted.coefs_])
        biases = np.concatenate(fitted.intercepts_)
        assert folds["zeros"][fold] == pytest.approx(np.mean(weights == 0))
        assert folds["parameters"][fold] == np.count_nonzero(weights) + np.count_nonzero(biases)
        assert folds["epochs"][fold] == fitted.n_iter_
    assert folds["zeros"].min() > 0


class Failing(DummyClassifier):
    """Fails on training rows that hold a certain one."""

    def __init__(self, row=None):
        super().__init__()
        self.row = row

    def fit(self, X, y):
        if self.row is None or self.row in X[:, 0]:
            raise ArithmeticError("no luck")
        return super().fit(X, y)


def test_some_fits_fail(iris):
    numbers = np.arange(150.0)[:, None]
    estimators = {"dummy": DummyClassifier(), "failing": Failing(3.0)}
    with pytest.warns(FitFailedWarning, match=r"1 of 2 fits of 'failing' failed.*ArithmeticError\('no luck'\)"):
        comparison = compare_regularizers(numbers, iris[1], estimators, cv=2, n_repeats=1, random_state=0)
    frame = comparison.frame()
    assert frame.index.tolist() == ["dummy", "failing"]
    assert np.isnan(frame.loc["failing", "mean_test_score"])
    assert comparison.tests().loc["failing"].isna().all()
    assert isinstance(comparison.best_estimator_, DummyClassifier)
    assert comparison.summary().startswith("dummy alone has a score in every fold.")
    assert "Without a score in at least one fold: failing." in comparison.summary()


def test_all_fits_fail(iris):
    numbers = np.arange(150.0)[:, None]
    with pytest.raises(ValueError, match=r"All 4 fits of 'failing' failed; the first error: ArithmeticError") as caught:
        compare_regularizers(numbers, iris[1], {"failing": Failing()}, cv=2)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    with pytest.raises(ValueError, match=r"No candidate of 'failing' has a score in all inner folds"):
        compare_regularizers(numbers, iris[1], {"failing": (Failing(), {"row": [None, None]})}, cv=2)


@pytest.mark.parametrize("estimators", [None, {"linear": make_pipeline(StandardScaler(), LogisticRegression())}])
def test_text_in_the_inputs(estimators):
    frame = pd.DataFrame({"number": np.arange(40.0), "town": ["Ulm", "Bonn"] * 20})
    y = np.arange(40) // 10 % 2
    arrays = (frame.to_numpy(dtype=str), frame.to_numpy())
    # The default set takes frames as they are.
    for X in arrays if estimators is None else (frame, *arrays):
        with pytest.raises(ValueError, match=r"^could not convert|^dtype='numeric'") as caught:
            compare_regularizers(X, y, estimators, cv=2, n_repeats=1, inner_cv=2)
        assert re.search(r"X holds strings, in the columns \[.*\]\. Use skreg\.table_pipeline\(", str(caught.value))


def test_the_default_network_encodes_raw_tables():
    numbers = pd.DataFrame({"number": np.arange(40.0)})
    for frame in (numbers.assign(town=["Ulm", "Bonn"] * 20), numbers.assign(gap=np.nan)):
        assert isinstance(default_network(frame, 40, classifier=True)[0], TableEncoder)
        assert isinstance(default_network(pl.DataFrame(frame.to_dict("list")), 40, classifier=True)[0], TableEncoder)
        assert default_network(frame, 40, classifier=False).regressor[0].target_type == "continuous"
    for X in (numbers, pl.DataFrame(numbers.to_dict("list")), numbers.to_numpy(), scipy.sparse.csr_array(numbers)):
        assert isinstance(default_network(X, 40, classifier=True)[0], StandardScaler)


def test_divergence_is_a_failure(iris):
    wild = network(solver="sgd", learning_rate_init=1e4, penalty=None)
    with pytest.raises(ValueError, match="All 2 fits of 'wild' failed"):
        compare_regularizers(*iris, {"wild": wild}, cv=2, n_repeats=1)


def test_a_candidate_that_fails_is_not_taken(iris):
    grid = {"learning_rate_init": [1e4, 0.02]}
    estimators = {"sgd": (network(solver="sgd", penalty=None), grid)}
    with pytest.warns(FitFailedWarning, match="3 of 6 inner fits of 'sgd' failed, so their candidates were excluded"):
        comparison = compare_regularizers(*iris, estimators, cv=2, n_repeats=1, random_state=0)
    assert comparison.folds["chosen"].tolist() == [{"learning_rate_init": 0.02}] * 2


def test_warnings_of_fits_name_the_estimator(iris):
    impatient = network(max_iter=2, n_iter_no_change=10)
    with pytest.warns(Warning, match="'impatient': .*max_iter") as caught:
        compare_regularizers(*iris, {"impatient": impatient}, cv=2, n_repeats=1)
    assert len(caught) == 1


def test_a_comparison_measures_what_early_stopping_is_worth_on_few_rows(iris):
    stopped = {"stopped": network(max_iter=2, early_stopping=True, n_iter_no_change=10)}
    with pytest.warns(UserWarning, match="'stopped': The columns of X are far from mean 0") as caught:
        compare_regularizers(1e4 * iris[0], iris[1], stopped, cv=2, n_repeats=1)
    assert not [item for item in caught if "rows" in str(item.message) or "converged" in str(item.message)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimators": {}}, ValueError, "'estimators' parameter must hold at least one estimator; got {}"),
        ({"estimators": {"a": 3}}, TypeError, "must be estimators, or pairs of an estimator and a grid; got 3 for 'a'"),
        ({"estimators": {1: LogisticRegression()}}, TypeError, "must be strings; got 1"),
        ({"estimators": [LogisticRegression()]}, ValueError, "'estimators' parameter of compare_regularizers must be"),
        (
            {"estimators": {"a": LogisticRegression(), "b": RegularizedMLPRegressor()}},
            ValueError,
            "must hold only classifiers or only regressors; got \\['LogisticRegression', 'RegularizedMLPRegressor'\\]",
        ),
        ({"estimators": {"a": (LogisticRegression(), {"nothing": [1]})}}, ValueError, "Invalid parameter 'nothing'"),
        ({"estimators": {"a": network()}, "network": network()}, ValueError, "must be None if 'estimators' is given"),
        ({"network": LogisticRegression()}, TypeError, "'network' parameter must be a RegularizedMLPClassifier"),
        (
            {"cv": KFold(2), "n_repeats": 2},
            ValueError,
            "'n_repeats' parameter must be None if 'cv' is not an int; got n_repeats=2, cv=KFold",
        ),
        ({"n_repeats": 0}, ValueError, "'n_repeats' parameter of compare_regularizers must be.*Got 0"),
        ({"cv": 1}, ValueError, "'cv' parameter of compare_regularizers must be.*Got 1"),
        ({"inner_cv": [([0], [1])]}, ValueError, "'inner_cv' parameter of compare_regularizers must be"),
        ({"scoring": "nothing"}, ValueError, "'scoring' parameter of compare_regularizers must be.*Got 'nothing'"),
        ({"tuning_scoring": ["accuracy"]}, ValueError, "'tuning_scoring' parameter of compare_regularizers must be"),
        ({"estimators": {"a": (network(), [])}}, ValueError, r"must not be empty; got \[\] for 'a'"),
        ({"inner_cv": StratifiedKFold(90)}, ValueError, "'inner_cv' parameter must split the 120 training rows"),
        ({"n_jobs": 1.5}, ValueError, "'n_jobs' parameter"),
        ({"memory_limit": 10, "estimators": {"a": network()}}, ValueError, "memory_limit"),
    ],
)
def test_bad_arguments(iris, arguments, error, message):
    with pytest.raises(error, match=message):
        compare_regularizers(*iris, **arguments)


def test_targets_that_are_neither_clear_classes_nor_numbers():
    X = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(ValueError, match="must hold either classes or numbers; got 50 different integers in 100 rows"):
        compare_regularizers(X, np.arange(100) // 2)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        compare_regularizers(X, np.full(100, np.nan))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare_regularizers(X, np.arange(99))
    with pytest.raises(ValueError, match="must hold one column of classes, or label indicators; got an array of shape"):
        compare_regularizers(X, np.random.default_rng(0).integers(3, size=(100, 2)))


# -- The default set -----------------------------------------------------------------------------------------------

NAMES = [
    "none",
    "l1",
    "l2",
    "elasticnet",
    "group_lasso",
    "dropout",
    "early_stopping",
    "l2 + dropout + early_stopping",
]


@pytest.mark.parametrize("classifier", [True, False])
def test_default_set(classifier):
    X, y = (load_breast_cancer if classifier else load_diabetes)(return_X_y=True)
    inner = (RegularizedMLPClassifier if classifier else RegularizedMLPRegressor)((4,), **SHORT | {"max_iter": 2})
    model = make_pipeline(StandardScaler(), inner)
    model = model if classifier else TransformedTargetRegressor(model, transformer=StandardScaler())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = compare_regularizers(X[:140], y[:140], network=model, cv=2, n_repeats=1, random_state=0)
    assert comparison.names == NAMES
    assert comparison.folds[comparison.folds["regularizer"] == "l1"]["chosen"].map(len).tolist() == [1, 1]
    assert inner.penalty == "l2"
    assert comparison.folds["test_score"].notna().all()


def test_default_set_sets_all_three_axes():
    wild = network(penalty="l1", alpha=3.0, dropout=0.9, early_stopping=True, n_iter_no_change=7)
    regularizers = default_regularizers(wild)
    plain, grid = regularizers["none"]
    assert grid == {}
    assert (plain.penalty, plain.alpha, plain.dropout, plain.early_stopping) == (None, None, 0.0, False)
    assert regularizers["early_stopping"][0].n_iter_no_change == 7
    assert default_regularizers(network())["early_stopping"][0].n_iter_no_change == 20
    assert default_regularizers(network())["none"][0].n_iter_no_change == INF
    assert {name: estimator.penalty for name, (estimator, _) in regularizers.items()} == {
        "none": None,
        "l1": "l1",
        "l2": "l2",
        "elasticnet": "elasticnet",
        "group_lasso": "group_lasso",
        "dropout": None,
        "early_stopping": None,
        "l2 + dropout + early_stopping": "l2",
    }
    assert wild.dropout == 0.9


def test_default_group_lasso_is_over_columns_of_encoded_tables():
    def penalty(model, **options):
        return last_of(default_regularizers(model, **options)["group_lasso"][0]).penalty

    inner = RegularizedMLPRegressor()
    for model in (
        table_pipeline(network()),
        make_pipeline(TableEncoder(), make_pipeline(network())),
        TransformedTargetRegressor(table_pipeline(inner), transformer=StandardScaler()),
        table_pipeline(TransformedTargetRegressor(inner, transformer=StandardScaler())),
    ):
        assert penalty(model).groups == "columns"
        assert penalty(model, groups="features") == "group_lasso"
    for model in (
        network(),
        make_pipeline(TableEncoder(), StandardScaler(), network()),
        table_pipeline(network(), encoder=TableEncoder().set_output(transform="polars")),
    ):
        assert penalty(model) == "group_lasso"
        assert penalty(model, groups="columns").groups == "columns"
    with pytest.raises(ValueError, match="'groups' parameter must be 'features', 'columns' or None; got 'neurons'"):
        default_regularizers(network(), groups="neurons")


def test_comparisons_of_encoded_tables_are_over_columns(monkeypatch):
    monkeypatch.setattr("skreg.inspection._regularizers.EPOCHS", (1, 1))
    frame = pd.DataFrame({"town": ["Ulm", "Bonn", "Kiel"] * 14, "age": np.arange(42.0)})
    y = np.arange(42) % 3 == 0
    encoded = TableEncoder(min_frequency=1).fit_transform(frame)
    options = ComparisonOptions(cv=2, n_repeats=1, inner_cv=2, random_state=0)
    for X in (encoded, frame):
        named = design_of(X, y, None, options).estimators[4]
        assert (named.name, len(named.candidates)) == ("group_lasso", 5)
        fitted = clone(named.estimator).set_params(**named.candidates[-1].parameters).fit(X, y)
        last = fitted[-1] if X is frame else fitted
        kept = np.isin(np.arange(last.n_features_in_), last.selected_features_)
        assert last.penalty_.groups.tolist() == encoded.source_columns.tolist()
        assert all(len(set(kept[encoded.source_columns == column])) == 1 for column in (0, 1))
    plain = design_of(np.asarray(encoded), y, None, options).estimators[4]
    assert plain.estimator[-1].penalty == "group_lasso"
    regression = design_of(encoded, np.arange(42.5)[:42], None, options).estimators[4]
    assert regression.estimator.regressor.penalty.groups == "columns"
    own = replace(options, network=network())
    assert design_of(encoded, y, None, own).estimators[4].estimator.penalty.groups == "columns"


@pytest.mark.parametrize("form", ["frame", "sparse"])
def test_default_network_takes_numbers_in_any_form(iris, form, monkeypatch):
    monkeypatch.setattr("skreg.inspection._regularizers.EPOCHS", (1, 1))
    X, y = iris
    X = pd.DataFrame(X, columns=list("abcd")) if form == "frame" else scipy.sparse.csr_array(X)
    comparison = compare_regularizers(X, y, cv=2, n_repeats=1, inner_cv=2, random_state=0, refit=False)
    assert comparison.names == NAMES
    assert comparison.folds["log_loss"].notna().all()
    with pytest.raises(ValueError, match="could not convert string to float"):
        compare_regularizers(np.full((150, 2), "red"), y)


@pytest.mark.parametrize(("n_train", "n_epochs"), [(40, 60), (1437, 22), (100_000, 20)])
def test_default_network_takes_about_as_many_steps(n_train, n_epochs):
    model = default_network(np.zeros((1, 1)), n_train, classifier=True)
    assert model[-1].max_iter == n_epochs
    assert not default_network(scipy.sparse.csr_array((2, 2)), 2, classifier=True)[0].with_mean


# -- Results ------------------------------------------------------------------------------------------------------


def test_folds(comparison):
    folds = comparison.folds
    assert len(folds) == 3 * 6
    assert folds["fold"].tolist() == np.repeat(np.arange(6), 3).tolist()
    np.testing.assert_allclose(folds["gap"], folds["train_score"] - folds["test_score"])
    assert folds["tuning_time"].gt(0).tolist() == (folds["regularizer"] == "l1").tolist()
    assert (comparison.n_train, comparison.n_test) == (100, 50)


def test_frame(comparison):
    frame, folds = comparison.frame(), comparison.folds
    assert frame["mean_test_score"].is_monotonic_decreasing
    for name in comparison.names:
        own = folds.loc[folds["regularizer"] == name, "log_loss"]
        assert frame.loc[name, "mean_log_loss"] == pytest.approx(np.mean(own))
        assert frame.loc[name, "std_log_loss"] == pytest.approx(np.std(own, ddof=1))
    measured = {column.partition("_")[2] for column in frame}
    assert measured == {
        "test_score",
        "train_score",
        "gap",
        "log_loss",
        "calibration_error",
        "classwise_calibration_error",
        "zeros",
        "parameters",
        "epochs",
        "fit_time",
        "tuning_time",
    }


def test_tests(comparison):
    tests = comparison.tests("l1")
    scores = comparison.scores()
    assert tests.index.tolist() == ["none", "linear"]
    expected = corrected_ttest(scores["linear"] - scores["l1"], n_train=100, n_test=50)
    row = tests.loc["linear"]
    assert (row["difference"], row["low"], row["high"], row["pvalue"]) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.pvalue)
    )
    # Never below the single test, never above Holm's.
    smaller, larger = np.sort(tests["pvalue"])
    first, second = np.sort(tests["pvalue_adjusted"])
    assert smaller <= first <= min(1, 2 * smaller)
    assert max(larger, first) <= second <= min(1, max(larger, 2 * smaller))
    wide = comparison.tests("l1", confidence=0.99)
    assert (wide["low"] <= tests["low"]).all()
    with pytest.raises(ValueError, match=r"'reference' parameter must be one of \['none', 'l1', 'linear'\]; got 'l2'"):
        comparison.tests("l2")


def made_up(scores: dict, **columns) -> RegularizerComparison:
    """Return a comparison with given test scores."""
    lines = [
        {
            "regularizer": name,
            "fold": fold,
            "test_score": score,
            "train_score": score + 0.05,
            "gap": 0.05,
            "log_loss": 1 - score,
        }
        for name, of_name in scores.items()
        for fold, score in enumerate(of_name)
    ]
    return RegularizerComparison(pd.DataFrame(lines), score_name="accuracy", n_train=80, n_test=20, settings={})


def test_summary_of_a_clear_difference():
    rng = np.random.default_rng(0)
    base = 0.7 + 0.01 * rng.normal(size=10)
    words = made_up(
        {"none": base, "l1": base + 0.1 + 0.005 * rng.normal(size=10), "l2": base + 0.09 + 0.005 * rng.normal(size=10)}
    ).summary()
    assert "10 outer folds of 80 training and 20 test rows; score: accuracy" in words
    assert "Highest mean test score: l" in words
    assert "chance hardly explains it" in words
    assert "Clearly worse than l" in words
    assert words.startswith("l")
    worse = words.split("Clearly worse than")[1].split(": ")[1].split(".\n")[0]
    assert "none" in worse.split(", ")


def test_summary_of_no_difference():
    rng = np.random.default_rng(1)
    words = made_up({name: 0.7 + 0.05 * rng.normal(size=5) for name in ("none", "l1", "l2")}).summary()
    assert "Clearly worse than" in words
    assert words.split("Clearly worse than")[1].split(": ")[1].startswith("none of the others")
    assert "chance hardly" not in words


def conclusion(scores):
    return made_up(scores).summary().splitlines()[0]


def test_the_conclusion_comes_first():
    rng = np.random.default_rng(0)
    base, noise = 0.7 + 0.01 * rng.normal(size=10), 0.005 * rng.normal(size=(8, 10))
    none, l1, l2, dropout = base, base + 0.1 + noise[1], base + 0.05 + noise[2], base + 0.101 + 3 * noise[3]
    assert re.fullmatch(
        r"l1 generalizes best here: it is clearly better than l2 and none\. "
        r"The accuracy of l1 is 0\.\d+ better than that of none \(p < 0\.001\)\.",
        conclusion({"none": none, "l1": l1, "l2": l2}),
    )
    assert re.fullmatch(
        r"These folds cannot tell which of dropout and l1 is best; all of them beat none\. "
        r"The accuracy of dropout is 0\.\d+ better than that of none \(p < 0\.001\)\.",
        conclusion({"none": none, "l1": l1, "l2": l2, "dropout": dropout}),
    )
    assert conclusion({"none": none + 0.2, "l1": l1, "l2": l2}) == (
        "none generalizes best here: it is clearly better than l1 and l2. "
        "none, the reference, has the highest mean: no gain over it was found."
    )
    assert re.fullmatch(
        r"These folds cannot tell which of the 8 is best\. "
        r"The accuracy of r\d is 0\.\d+ better than that of r0 \(p = 0\.\d+\), which chance alone may explain\.",
        conclusion({f"r{i}": base + noise[i] for i in range(8)}),
    )
    some = {"none": none, "l1": l1, "l2": base + 0.09 + 0.1 * rng.normal(size=10)}
    assert conclusion(some).startswith("These folds cannot tell which of l1 and l2 is best; l1 of them beat")
    assert conclusion({"none": none * np.nan, "l1": l1, "l2": l2}) == (
        "l1 generalizes best here: it is clearly better than l2. "
        "none, the reference, has no score in at least one fold."
    )


def test_a_gain_is_not_lost_among_pairs():
    # All seven gain the same over a reference whose scores differ from fold to fold. Holm's correction for 28 pairs
    # would make p-values of 0.4 or more of them.
    rng = np.random.default_rng(3)
    hard = rng.normal(size=10)
    hard = (hard - hard.mean()) / hard.std(ddof=1)
    comparison = made_up({"none": 0.3 + 0.1 * hard} | {f"r{i}": 0.46 + 0.004 * rng.normal(size=10) for i in range(7)})
    tests = comparison.tests()
    assert (28 * tests["pvalue"] > 0.4).all()
    assert (tests["pvalue_adjusted"] < 2 * tests["pvalue"]).all()
    assert (tests["pvalue_adjusted"] < 0.05).all()
    assert "; all of them beat none. " in comparison.summary().splitlines()[0]


def test_summary_of_few(iris):
    alone = made_up({"none": [0.5, 0.6]})
    assert alone.summary().startswith("2 outer folds")
    assert "Against" not in alone.summary()
    once = made_up({"none": [0.5], "l1": [0.6]})
    assert once.summary().startswith("1 outer fold of 80")
    assert "Highest mean test score: l1, 0.600." in once.summary()
    with pytest.raises(ValueError, match="A paired test needs at least two outer folds"):
        once.tests()
    assert "nothing can be compared" in made_up({"none": [np.nan, 0.5]}).summary()


def test_choices(comparison):
    table = comparison.choices()
    assert table.index.tolist() == [("l1", "alpha")]
    assert list(table) == ["typical", "share", *range(6)]
    folds = comparison.folds.query("regularizer == 'l1'").set_index("fold")["chosen"]
    chosen = [folds[fold]["alpha"] for fold in range(6)]
    assert table.loc[("l1", "alpha"), list(range(6))].tolist() == chosen
    typical, share = table.loc[("l1", "alpha"), ["typical", "share"]]
    assert chosen.count(typical) == max(map(chosen.count, chosen)) == 6 * share


def test_choices_of_several_parameters():
    chosen = [{"a": 1, "b": (2, 0)}, {"a": 3, "b": (2, 0)}, {"a": 3, "b": None}, {"a": 3, "b": (2, 0)}]
    folds = [{"regularizer": "r", "fold": fold, "test_score": 0.5, "chosen": of} for fold, of in enumerate(chosen)]
    folds += [{"regularizer": "s", "fold": fold, "test_score": 0.5, "chosen": {}} for fold in range(4)]
    numbers = {"score_name": "R²", "n_train": 80, "n_test": 20, "settings": {}}
    table = RegularizerComparison(pd.DataFrame(folds), **numbers).choices()
    assert table.loc["r", "typical"].to_dict() == {"a": 3, "b": (2, 0)}
    assert table["share"].tolist() == [0.5, 0.5]
    assert table.loc[("r", "b"), [0, 1, 2, 3]].tolist() == [(2, 0), (2, 0), None, (2, 0)]
    nothing = RegularizerComparison(pd.DataFrame(folds[4:]), **numbers).choices()
    assert nothing.empty
    assert nothing.index.names == ["regularizer", "parameter"]


def test_the_best_is_fitted_to_all_rows(iris, comparison):
    best = comparison.frame().index[0]
    kind = LogisticRegression if best == "linear" else RegularizedMLPClassifier
    assert isinstance(comparison.best_estimator_, kind)
    restored = pickle.loads(pickle.dumps(comparison))
    np.testing.assert_array_equal(
        restored.best_estimator_.predict_proba(iris[0]), comparison.best_estimator_.predict_proba(iris[0])
    )
    assert restored.best_params_ == comparison.best_params_


def test_no_best_estimator(iris):
    comparison = compare_regularizers(*iris, {"a": LogisticRegression()}, cv=2, n_repeats=1, refit=False)
    assert not hasattr(comparison, "best_estimator_")
    with pytest.raises(AttributeError, match=r"no 'best_params_': it was made with refit=False"):
        _ = comparison.best_params_


def test_the_last_fit_fails(iris):
    class FailingOnAll(DummyClassifier):
        def fit(self, X, y):
            if len(y) == 150:
                raise ArithmeticError("too many")
            return super().fit(X, y)

    message = r"fit of the best regularizer, 'a', to all rows failed.*ArithmeticError\('too many'"
    with pytest.warns(FitFailedWarning, match=message):
        comparison = compare_regularizers(*iris, {"a": FailingOnAll()}, cv=2, n_repeats=1)
    assert comparison.folds["test_score"].notna().all()
    assert not hasattr(comparison, "best_estimator_")


def test_positive_class_of_rare_events():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 1.8).astype(int)
    cv = StratifiedKFold(2)
    balanced = LogisticRegression(class_weight="balanced")
    folds = compare_regularizers(X, y, {"a": balanced}, cv=cv).folds
    for fold, (train, test) in enumerate(cv.split(X, y)):
        proba = balanced.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
        assert folds["classwise_calibration_error"][fold] == pytest.approx(calibration_error(y[test], proba))
    assert (folds["classwise_calibration_error"] > 1.3 * folds["calibration_error"]).all()


# -- The progress bar ----------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    def last_line(self):
        return self.getvalue().strip().rpartition("\r")[2].strip()


def bar_of(monkeypatch, iris, *, is_terminal, verbose, delay):
    """Compare four estimators, each of which ends in another way; return what is on the screen, and how many fits."""
    screen = Screen(is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("skreg.inspection._bar.DELAY", delay)
    estimators = {
        "stopped": network(early_stopping=True, n_iter_no_change=1, max_iter=30),
        "l1": (network(penalty="l1"), {"alpha": [0.001, 0.1]}),
        "alone": network(solver="lbfgs", max_iter=2, batch_size="auto"),
        "linear": (LogisticRegression(), {"C": [0.1, 1.0, 10.0]}),
    }
    options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "verbose": verbose, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = compare_regularizers(*iris, estimators, **options).frame().index[0]
    n_fits = {"stopped": 1, "l1": 2 * 2 + 1, "alone": 1, "linear": 3 * 2 + 1}
    return screen, 2 * sum(n_fits.values()) + n_fits[best]


@pytest.mark.parametrize(("is_terminal", "verbose", "delay"), [(True, None, 0), (False, 1, 3600)])
def test_one_bar_that_ends_with_all_fits(iris, monkeypatch, is_terminal, verbose, delay):
    screen, n_fits = bar_of(monkeypatch, iris, is_terminal=is_terminal, verbose=verbose, delay=delay)
    assert screen.last_line().startswith("comparing regularizers: 100% |")
    assert f" {n_fits} of {n_fits} fits " in screen.last_line()
    assert screen.getvalue().count("\n") == 1
    assert all(int(n) <= int(total) for n, total in re.findall(r" (\d+) of (\d+) fits", screen.getvalue()))


@pytest.mark.parametrize(
    ("is_terminal", "verbose", "delay"),
    [(True, None, 3600), (False, None, 0), (True, 0, 0)],
    ids=["short work", "file", "silent"],
)
def test_no_bar(iris, monkeypatch, is_terminal, verbose, delay):
    screen, _ = bar_of(monkeypatch, iris, is_terminal=is_terminal, verbose=verbose, delay=delay)
    assert screen.getvalue() == ""


def test_notebooks_show_a_bar(monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    shell.config.clear()
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()


def test_settings(comparison):
    versions = f"skreg {skreg.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}"
    assert comparison.settings == {
        "rows": 150,
        "task": "3 classes",
        "outer folds": "6, of 100 training and 50 test rows",
        "inner folds": 3,
        "strength chosen by": "log-loss",
        "random_state": "0",
        "versions": versions,
    }


def test_scores_of_a_column(comparison):
    losses = comparison.scores("log_loss")
    assert list(losses) == ["none", "l1", "linear"]
    assert losses.loc[2, "l1"] == comparison.folds.query("fold == 2 and regularizer == 'l1'")["log_loss"].item()
    with pytest.raises(ValueError, match="'column' parameter must be one of.*got 'loss'"):
        comparison.scores("loss")


def test_all_are_reported_by_the_same_score(iris):
    # A search scores by what it tunes by, unless it is told what to report.
    search = sklearn.model_selection.GridSearchCV(LogisticRegression(), {"C": [1.0]}, scoring="neg_log_loss")
    folds = compare_regularizers(
        *iris, {"a": LogisticRegression(), "b": search}, cv=2, n_repeats=1, random_state=0
    ).folds
    a, b = (folds.loc[folds["regularizer"] == name, "test_score"].tolist() for name in "ab")
    assert a == b


def test_default_network_does_not_mind_large_offsets(iris, monkeypatch):
    monkeypatch.setattr("skreg.inspection._regularizers.EPOCHS", (2, 2))
    X, y = iris
    options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "random_state": 0, "refit": False}
    plain, shifted = (compare_regularizers(data, y, **options).folds["log_loss"] for data in (X, X + 1e9))
    np.testing.assert_allclose(shifted, plain, rtol=1e-3)


def test_candidates_can_exchange_steps(iris):
    model = Pipeline([("reduce", PCA(2)), ("net", network(random_state=1))])
    grid = {"reduce": [PCA(3, svd_solver="randomized"), "passthrough", StandardScaler()]}
    one, two = (compare_regularizers(*iris, {"a": (model, grid)}, cv=2, n_repeats=1, random_state=0) for _ in range(2))
    assert one.folds["log_loss"].tolist() == two.folds["log_loss"].tolist()


def test_fits_that_cannot_be_scored_have_failed(iris):
    def moody(estimator, X, y):
        if len(X) == 37:
            raise ArithmeticError("not today")
        return 0.5

    X, y = iris[0][:148], iris[1][:148]
    estimators = {"a": LogisticRegression()}
    cv = [(np.arange(37, 148), np.arange(37)), (np.arange(100), np.arange(100, 148))]
    with pytest.warns(FitFailedWarning, match=r"1 of 2 fits of 'a' failed.*ArithmeticError\('not today'\)"):
        folds = compare_regularizers(X, y, estimators, cv=cv, scoring=moody).folds
    assert folds["test_score"].tolist() == pytest.approx([np.nan, 0.5], nan_ok=True)


def test_forests_with_a_label_that_a_fold_lacks():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=(60, 2))
    y[:, 1] = np.arange(60) >= 40
    cv = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    estimators = {"forest": RandomForestClassifier(5, random_state=0)}
    assert compare_regularizers(X, y, estimators, cv=cv).folds["log_loss"].notna().all()


def test_regressors_take_several_columns_of_integers():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(9, size=(60, 2))
    assert compare_regularizers(X, y, {"ridge": Ridge()}, cv=2).score_name == "R²"


def test_the_summary_does_not_contradict_itself(monkeypatch):
    monkeypatch.setattr("skreg.inspection._significance.N_ROTATIONS", 2000)
    # The best is clearly better than the reference by one test of two, but not by one of all pairs.
    rng = np.random.default_rng(5)
    for _ in range(60):
        base = 0.7 + 0.03 * rng.normal(size=10)
        gains = rng.uniform(0, 0.06, size=5)
        scores = {"none": base} | {f"r{i}": base + g + 0.02 * rng.normal(size=10) for i, g in enumerate(gains)}
        words = made_up(scores).summary()
        worse = words.split("Clearly worse than")[1].split(": ")[1].split(".\n")[0].split(", ")
        if "Against none" in words:
            assert ("chance hardly explains it" in words) == ("none" in worse)


def test_a_reference_without_scores():
    words = made_up({"none": [np.nan, 0.5, 0.5], "l1": [0.5, 0.6, 0.7], "l2": [0.5, 0.5, 0.6]}).summary()
    assert "nan" not in words
    assert "Against" not in words
    assert "Without a score in at least one fold: none." in words


def test_repr(comparison):
    assert repr(comparison) == "<RegularizerComparison of 3 regularizers on 6 outer folds>"


class TestNotes:
    X = np.random.default_rng(0).normal(size=(60, 4))
    y = X[:, 0] + X[:, 1]
    network = RegularizedMLPRegressor((8,), max_iter=20, learning_rate_init=0.02, n_iter_no_change=np.inf)

    def compared(self, **entries):
        options = {"cv": 3, "n_repeats": 1, "refit": False, "random_state": 0, "verbose": 0}
        return compare_regularizers(self.X, self.y, entries, **options).summary()

    def test_constant_predictions_are_told_and_warned_of(self):
        empty = clone(self.network).set_params(penalty="group_lasso", alpha=100.0)
        with pytest.warns(UserWarning, match="strong predicts the same for all test rows in every fold: its penalty"):
            summary = self.compared(plain=self.network, strong=empty)
        assert "strong predicts the same for all test rows in every fold" in summary
        assert "plain predicts" not in summary

    def test_strengths_at_the_edge_of_a_grid_are_told(self):
        network = clone(self.network).set_params(penalty="l2")
        summary = self.compared(
            weak=(network, {"alpha": [0.5, 1.0, 2.0]}),
            two=(network, {"alpha": [0.5, 2.0]}),
            wide=(network, {"alpha": [1e-9, 0.5, 2.0]}),
        )
        assert "weak takes the smallest alpha, 0.5, in 3 of 3 folds: a wider grid may do better." in summary
        assert "two takes" not in summary
