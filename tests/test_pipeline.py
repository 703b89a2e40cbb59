"""Pipelines from tables as they are: fits, searches, comparisons, and which columns are used."""

import pickle
import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.model_selection
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    TablePipeline,
    table_pipeline,
)
from skreg.inspection import compare_regularizers
from skreg.model_selection import GridSearchCV, cross_val_score
from skreg.preprocessing import TableEncoder
from tests.preprocessing.tables import every_kind, with_strange_values

NETWORK = {
    "hidden_layer_sizes": (10,),
    "learning_rate": "cosine",
    "learning_rate_init": 0.02,
    "max_iter": 15,
    "random_state": 0,
}
CHOICE = {name: value for name, value in NETWORK.items() if name != "max_iter"} | {"max_iter": 8}


@pytest.fixture(scope="module")
def table():
    """Return a frame with every kind of column, and classes."""
    X, score = every_kind(160)
    return X, np.where(score > np.median(score), "high", "low")


@pytest.fixture(scope="module")
def fitted(table):
    return table_pipeline(RegularizedMLPClassifier(**NETWORK)).fit(*table)


IN_PLACE = "a pipeline fits its steps in place, as scikit-learn's own"
NOT_WEIGHTED = "medians and quartiles are those of all rows, whatever their weights"
EXPECTED_FAILURES = {
    "check_estimators_overwrite_params": IN_PLACE,
    "check_dont_overwrite_parameters": IN_PLACE,
    "check_sample_weight_equivalence_on_dense_data": NOT_WEIGHTED,
}
CHECKED = RegularizedMLPClassifier((10,), max_iter=30, learning_rate_init=0.01, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:(No feature is selected|All predictions are the same)")
@parametrize_with_checks(
    [table_pipeline(CHECKED)], expected_failed_checks=lambda _: EXPECTED_FAILURES, xfail_strict=True
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


class CountedEncoder(TableEncoder):
    """Encoder that counts its fits."""

    n_fits: ClassVar[list[int]] = []

    def fit_transform(self, X, y=None):
        self.n_fits.append(len(X))
        return super().fit_transform(X, y)


def without_target_encoding(X, y):
    """Return the columns that an encoder fits with any targets, so that only the step after it refuses these."""
    X = X.drop(columns=["town", "street", "owned_by"])
    TableEncoder().fit(X, y)
    return X


class TestEveryKindOfColumn:
    def test_probabilities_of_new_rows_with_anything(self, table, fitted):
        X, y = table
        assert fitted.score(X, y) > 0.8
        probabilities = fitted.predict_proba(with_strange_values(X))
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert set(fitted.predict(X)) == {"high", "low"}

    def test_pickles_and_copies(self, table, fitted):
        X, y = table
        expected = fitted.predict_proba(X)
        copy = pickle.loads(pickle.dumps(fitted))
        assert type(copy) is TablePipeline
        np.testing.assert_array_equal(copy.predict_proba(X), expected)
        np.testing.assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)

    def test_a_fit_that_fails_changes_nothing(self, table, fitted):
        X, y = table
        bad = pd.Series(y, dtype=object).where(np.arange(len(y)) > 0)
        X_bad = without_target_encoding(X, bad)
        model, expected = pickle.loads(pickle.dumps(fitted)), fitted.predict_proba(X)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            model.fit(X_bad, bad)
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        model = clone(fitted)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            model.fit(X_bad, bad)
        assert not hasattr(model[0], "kinds_")

    def test_a_fit_that_fails_sets_back_steps_of_a_cache_and_generators(self, table, tmp_path):
        X, y = table
        bad = pd.Series(y, dtype=object).where(np.arange(len(y)) > 0)
        X_bad = without_target_encoding(X, bad)
        encoder = TableEncoder(random_state=np.random.RandomState(0))
        model = table_pipeline(RegularizedMLPClassifier(**NETWORK), encoder=encoder).set_params(memory=str(tmp_path))
        before = encoder.random_state.get_state()[2]
        with pytest.raises(ValueError, match="Input y contains NaN"):
            model.fit(X_bad, bad)
        assert model[0] is encoder
        assert not hasattr(encoder, "kinds_")
        model.set_params(memory=None)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            model.fit(X_bad, bad)
        assert encoder.random_state.get_state()[2] == before
        model.fit(X, y)
        assert encoder.random_state.get_state()[2] != before

    def test_a_search_fits_the_encoder_once_a_fold(self, table):
        X, y = table
        model = table_pipeline(RegularizedMLPClassifier(**NETWORK), encoder=CountedEncoder())
        grid = {"regularizedmlpclassifier__alpha": [1e-3, 1e-2, 1e-1]}
        CountedEncoder.n_fits.clear()
        search = GridSearchCV(model, grid, cv=3).fit(X, y)
        assert sorted(CountedEncoder.n_fits) == [106, 107, 107, 160]  # the last one is the refit
        theirs = sklearn.model_selection.GridSearchCV(model, grid, cv=3).fit(X, y)
        for name in ("mean_test_score", "split0_test_score"):
            np.testing.assert_allclose(search.cv_results_[name], theirs.cv_results_[name], atol=1e-6)
        np.testing.assert_allclose(search.predict_proba(X), theirs.predict_proba(X), atol=1e-4)

    def test_other_functions_of_model_selection(self, table):
        X, y = table
        model = table_pipeline(RegularizedMLPClassifier(**NETWORK))
        ours = cross_val_score(model, X, y, cv=2)
        np.testing.assert_allclose(ours, sklearn.model_selection.cross_val_score(model, X, y, cv=2), atol=1e-6)

    @pytest.mark.filterwarnings("ignore:The chosen strength")
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_estimators_that_choose_their_strength(self, table):
        X, y = table
        model = table_pipeline(RegularizedMLPClassifierCV(**CHOICE, alphas=[1e-2, 1e-1], cv=2)).fit(X, y)
        assert np.isfinite(model.predict_proba(with_strange_values(X))).all()
        assert set(model.selected_features_) <= set(X.columns)
        score = every_kind(160)[1]
        model = table_pipeline(RegularizedMLPRegressorCV(**CHOICE, alphas=[1e-2, 1e-1], cv=2)).fit(X, score)
        assert np.isfinite(model.predict(with_strange_values(X))).all()

    def test_comparisons_take_tables(self, table):
        X, y = table
        model = table_pipeline(RegularizedMLPClassifier(**NETWORK))
        grid = {"regularizedmlpclassifier__alpha": [1e-3, 1e-1]}
        options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "random_state": 0}
        result = compare_regularizers(X, y, {"l2": (model, grid), "none": model}, **options)
        assert result.folds["test_score"].notna().all()
        assert result.best_estimator_.predict(X).shape == y.shape

    def test_warnings_of_the_encoder_come_once_a_call(self):
        random = np.random.default_rng(0)
        # 31 rows, so that the folds have different numbers of them.
        X = pd.DataFrame({"a": random.normal(size=31), "b": random.choice(["u", "v"], size=31), "empty": None})
        y = (X["a"] > 0).astype(int)
        model = table_pipeline(RegularizedMLPClassifier((2,), max_iter=1, n_iter_no_change=np.inf, random_state=0))
        other = table_pipeline(LogisticRegression())
        few = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "random_state": 0}
        grid = {"tableencoder__min_frequency": [2, 3]}
        calls = [
            lambda: GridSearchCV(model, grid, cv=2).fit(X, y),
            lambda: cross_val_score(model, X, y, cv=2),
            lambda: compare_regularizers(X, y, {"other": other, "table": (model, grid)}, **few),
        ]
        for call in calls:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call()
            texts = [str(item.message) for item in caught if "no value" in str(item.message)]
            assert len(texts) == 1, texts
            assert texts[0].endswith("The columns ['empty'] of X have no value in the training rows, and are dropped.")
            assert {item.filename for item in caught if "no value" in str(item.message)} == {__file__}

    def test_polars_and_sample_weight(self):
        random = np.random.default_rng(0)
        X = pl.DataFrame({"a": random.normal(size=60).tolist(), "b": random.choice(["u", "v", None], size=60).tolist()})
        y = (X["a"].to_numpy() > 0).astype(int)
        weight = random.integers(0, 3, size=60)
        model = table_pipeline(RegularizedMLPClassifier(**NETWORK))
        weighted = clone(model).fit(X, y, sample_weight=weight)
        named = clone(model).fit(X, y, regularizedmlpclassifier__sample_weight=weight)
        np.testing.assert_array_equal(weighted.predict_proba(X), named.predict_proba(X))
        assert not np.array_equal(weighted.predict_proba(X), clone(model).fit(X, y).predict_proba(X))
        with config_context(enable_metadata_routing=True):
            routed = table_pipeline(RegularizedMLPClassifier(**NETWORK).set_fit_request(sample_weight=True))
            np.testing.assert_array_equal(
                routed.fit(X, y, sample_weight=weight).predict_proba(X), named.predict_proba(X)
            )
        search = GridSearchCV(model, {"regularizedmlpclassifier__alpha": [1e-3, 1e-2]}, cv=2)
        search.fit(X, y, sample_weight=weight)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class TestColumns:
    def test_importances_are_those_of_the_columns(self, table, fitted):
        X, _ = table
        network, encoder = fitted[-1], fitted[0]
        importances = fitted.feature_importances_
        assert importances.shape == (X.shape[1],)
        for j in range(X.shape[1]):
            own = network.feature_importances_[encoder.source_columns_ == j]
            np.testing.assert_allclose(importances[j], np.linalg.norm(own), rtol=1e-6)
        assert importances[X.columns.get_loc("one")] == 0

    def test_columns_are_selected_by_name_or_position(self):
        random = np.random.default_rng(0)
        X = pd.DataFrame({f"c{j}": random.normal(size=200) for j in range(6)})
        X["level"] = random.choice(list("uvw"), size=200)
        X["same"] = "same"
        y = 2 * X["c1"] + (X["level"] == "v") - 1.0 * (X["level"] == "w")
        network = RegularizedMLPRegressor((), penalty="l1", alpha=0.05, max_iter=300, learning_rate_init=0.05)
        options = {"learning_rate": "cosine", "random_state": 0, "tol": 0}
        model = table_pipeline(network.set_params(**options)).fit(X, y)
        assert model.selected_features_.tolist() == ["c1", "level"]
        assert (model.feature_importances_ > 0).tolist() == [False, True, *[False] * 4, True, False]
        named = table_pipeline(network, encoder=TableEncoder().set_output(transform="pandas")).fit(X, y)
        assert named.selected_features_.tolist() == ["c1", "level"]
        unnamed = table_pipeline(network).fit(X.to_numpy(), y)
        assert unnamed.selected_features_.tolist() == [1, 6]
        inside = TransformedTargetRegressor(network, transformer=StandardScaler())
        assert "c1" in table_pipeline(inside).fit(X, y).selected_features_

    def test_where_there_are_none(self, table, fitted):
        X, y = table
        linear = table_pipeline(LogisticRegression()).fit(X, y)
        assert not hasattr(linear, "feature_importances_")
        assert not hasattr(linear, "selected_features_")
        assert not hasattr(table_pipeline(RegularizedMLPClassifier()), "feature_importances_")
        with pytest.raises(AttributeError, match="if the step before it is a TableEncoder; got None"):
            _ = fitted[1:].feature_importances_
        forest = table_pipeline(RandomForestRegressor(3, random_state=0)).fit(X, y == "high")
        assert forest.feature_importances_.shape == (X.shape[1],)


class TestTablePipeline:
    def test_steps_are_named_as_by_make_pipeline(self):
        assert list(table_pipeline(LogisticRegression()).named_steps) == ["tableencoder", "logisticregression"]

    def test_the_encoder_knows_what_the_estimator_is_for(self):
        assert table_pipeline(LogisticRegression())[0].target_type == "auto"
        encoder = TableEncoder(min_frequency=2)
        regressor = table_pipeline(RegularizedMLPRegressor(), encoder=encoder)
        assert (regressor[0].target_type, regressor[0].min_frequency) == ("continuous", 2)
        assert encoder.target_type == "auto"
        asked = TableEncoder(target_type="binary")
        assert table_pipeline(RegularizedMLPRegressor(), encoder=asked)[0].target_type == "binary"
        # Integers are numbers to a regressor, and not so many classes.
        X = pd.DataFrame({"x": [f"k{i % 50}" for i in range(200)]})
        model = table_pipeline(RegularizedMLPRegressor(**NETWORK)).fit(X, np.arange(200) % 2)
        assert model[0]._plan._target.target_type_ == "continuous"
        assert len(model[0].source_columns_) == 1

    @pytest.mark.parametrize("steps", [(TableEncoder, LogisticRegression()), ("passthrough", LogisticRegression)])
    def test_a_step_that_is_a_class_is_told_of(self, steps):
        with pytest.raises(TypeError, match="got estimator class instead"):
            TablePipeline([*zip("ab", steps, strict=True)]).fit([[0.0], [1.0]], [0, 1])

    @pytest.mark.parametrize("estimator", [None, RegularizedMLPClassifier, "net", StandardScaler])
    def test_what_is_no_estimator(self, estimator):
        with pytest.raises(TypeError, match=r"The 'estimator' parameter must be an estimator, .*; got"):
            table_pipeline(estimator)

    @pytest.mark.parametrize("encoder", [TableEncoder, "auto", LogisticRegression()])
    def test_what_is_no_encoder(self, encoder):
        with pytest.raises(TypeError, match=r"The 'encoder' parameter must be None or a transformer, .*; got"):
            table_pipeline(LogisticRegression(), encoder=encoder)
