"""Several quantiles of a transformed target."""

import numpy as np
import pytest
import sklearn.compose
import sklearn.model_selection
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, StandardScaler

from skreg import RegularizedMLPRegressor
from skreg.compose import TransformedTargetRegressor
from skreg.inspection import compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from tests.search_helpers import both

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = np.exp(0.5 * X[:, 0] + 0.3 * RNG.normal(size=120)) * 50
PAIR = np.column_stack([Y, 1000 - 3 * Y + RNG.normal(size=120)])
LEVELS = [0.1, 0.5, 0.9]
WEIGHT = RNG.integers(0, 3, size=120).astype(float)
CLASSES = [TransformedTargetRegressor, sklearn.compose.TransformedTargetRegressor]


def network(**options):
    settings = {"loss": "quantile", "quantile": LEVELS, "max_iter": 8, "n_iter_no_change": np.inf, "random_state": 0}
    return RegularizedMLPRegressor((4,), learning_rate_init=0.05, **settings | options)


def transformed(regressor=None, kind=TransformedTargetRegressor, transformer=None, **options):
    pipeline = make_pipeline(StandardScaler(), network() if regressor is None else regressor)
    if not options and transformer is None:
        transformer = StandardScaler()
    return kind(pipeline, transformer=transformer, **options)


def mean_d2(model, X, y, sample_weight=None):
    """Return the mean D² of each level, by scikit-learn."""
    quantiles = model.predict(X)
    return np.mean(
        [
            d2_pinball_score(y, quantiles[..., k], alpha=level, sample_weight=sample_weight)
            for k, level in enumerate(LEVELS)
        ]
    )


TRANSFORMERS = {
    "standard": {"transformer": StandardScaler()},
    "range": {"transformer": MinMaxScaler()},
    "logarithm": {"func": np.log, "inverse_func": np.exp},
    "log, transformer": {"transformer": FunctionTransformer(np.log1p, np.expm1)},
    "ranks": {"transformer": QuantileTransformer(n_quantiles=40, output_distribution="normal")},
}


@pytest.mark.parametrize("y", [Y, Y[:, None], PAIR], ids=["vector", "column", "two targets"])
@pytest.mark.parametrize("options", TRANSFORMERS.values(), ids=TRANSFORMERS.keys())
def test_predictions_and_scores_are_in_units_of_y(options, y):
    model = transformed(**options).fit(X, y)
    quantiles = model.predict(X)
    assert quantiles.shape == (*y.shape, 3)
    assert (np.diff(quantiles, axis=-1) >= -1e-9).all()
    inner = model.regressor_.predict(X)
    for k in range(3):
        column = inner[..., k].reshape(len(X), -1)
        expected = model.transformer_.inverse_transform(column).reshape(y.shape)
        np.testing.assert_allclose(quantiles[..., k], expected, rtol=1e-12)
    # A constant quantile between two rows is not the same in both.
    assert model.score(X, y) == pytest.approx(mean_d2(model, X, y), abs=0.01)


def test_score_is_that_of_the_network_where_nothing_is_transformed():
    model = TransformedTargetRegressor(network(), func=np.copy, inverse_func=np.copy).fit(X, np.log(Y))
    alone = network().fit(X, np.log(Y))
    for weight in (None, WEIGHT):
        assert model.score(X, np.log(Y), weight) == pytest.approx(alone.score(X, np.log(Y), weight), abs=1e-12)


def test_score_does_not_depend_on_the_unit_of_y():
    scores = [transformed().fit(X, unit * Y).score(X, unit * Y) for unit in (1, 100)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)
    assert scores[0] > 0.1


@pytest.mark.parametrize("regressor", [None, LinearRegression(), network(quantile=0.9), network(quantile=[0.9])])
def test_it_is_scikit_learns_class_otherwise(regressor):
    ours, theirs = (kind(regressor, transformer=StandardScaler()).fit(X, Y) for kind in CLASSES)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, Y, WEIGHT) == theirs.score(X, Y, WEIGHT) == r2_score(Y, ours.predict(X), sample_weight=WEIGHT)


@pytest.mark.parametrize(
    "options",
    [
        {"func": np.negative, "inverse_func": np.negative},
        {"transformer": FunctionTransformer(np.reciprocal, np.reciprocal)},
    ],
)
def test_a_decreasing_transformation_is_an_error(options):
    y = Y / 50  # of size 1 as it is and after the transformation
    model = transformed(**options).fit(X, y)
    for call in (lambda: model.predict(X), lambda: model.score(X, y)):
        with pytest.raises(ValueError, match="'transformer' or 'func' parameter must be increasing in each output"):
            call()


GRID = {"regressor__regularizedmlpregressor__alpha": [1e-4, 0.1]}


class TestSearches:
    @pytest.mark.parametrize(
        ("kind", "y"),
        [*((kind, Y) for kind in CLASSES), (TransformedTargetRegressor, PAIR)],
        ids=["ours", "scikit-learn's", "two targets"],
    )
    def test_ours(self, kind, y):
        model = transformed(kind=kind)
        search = GridSearchCV(model, GRID, cv=2).fit(X, y)
        scores = cross_val_score(model, X, y, cv=2)
        np.testing.assert_allclose(scores, [search.cv_results_[f"split{i}_test_score"][0] for i in range(2)], rtol=1e-6)
        folds = list(sklearn.model_selection.KFold(2).split(X))
        expected = [transformed().fit(X[train], y[train]).score(X[test], y[test]) for train, test in folds]
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        assert search.scoring is None
        _, _, of_sizes = learning_curve(model, X, y, cv=2, train_sizes=[1.0])
        np.testing.assert_allclose(of_sizes[0], expected, rtol=1e-5)
        _, of_values = validation_curve(model, X, y, cv=2, param_name=next(iter(GRID)), param_range=[1e-4])
        np.testing.assert_allclose(of_values[0], expected, rtol=1e-5)
        results = cross_validate(make_pipeline(StandardScaler(), model), X, y, cv=2, return_train_score=True)
        assert np.isfinite(results["train_score"]).all()
        assert cross_val_predict(model, X, y, cv=2).shape == (*y.shape, 3)

    def test_scikit_learns(self):
        both("cross_validate", transformed(), X, PAIR, cv=2, return_train_score=True)
        both("cross_val_predict", transformed(), X, PAIR, cv=2)
        search = sklearn.model_selection.GridSearchCV(transformed(), GRID, cv=2).fit(X, Y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.score(X, Y) == search.best_estimator_.score(X, Y)


class TestComparison:
    @pytest.mark.parametrize("kind", CLASSES)
    def test_default_score_and_loss(self, kind, tmp_path):
        estimators = {"none": transformed(kind=kind), "l2": (transformed(kind=kind), GRID)}
        comparison = compare_regularizers(X, Y, estimators, cv=2, n_repeats=1, inner_cv=2, random_state=0)
        assert comparison.score_name == "D²"
        assert comparison.settings["strength chosen by"] == "pinball loss"
        row = comparison.folds.iloc[0]
        assert 0 < row["pinball_loss"] < 20
        assert "mean_squared_error" not in comparison.folds
        assert "Lowest pinball loss" in comparison.summary()
        assert "pinball loss" in comparison.to_html(tmp_path / "report.html").read_text(encoding="utf-8")

    def test_the_numbers(self):
        y = Y / 50
        folds = list(sklearn.model_selection.KFold(2).split(X))
        comparison = compare_regularizers(X, y, {"a": network()}, cv=folds, random_state=0)
        for (train, test), (_, row) in zip(folds, comparison.folds.iterrows(), strict=True):
            model = network().fit(X[train], y[train])
            assert row["test_score"] == pytest.approx(model.score(X[test], y[test]), rel=1e-5)
            losses = [
                mean_pinball_loss(y[test], q, alpha=a) for q, a in zip(model.predict(X[test]).T, LEVELS, strict=True)
            ]
            assert row["pinball_loss"] == pytest.approx(np.mean(losses), rel=1e-5)

    def test_what_cannot_be_compared(self):
        with pytest.raises(ValueError, match=r"all predict the same quantiles, or none .* \[\(0.1, 0.5, 0.9\), None\]"):
            compare_regularizers(X, Y, {"a": network(), "b": Ridge()}, cv=2)
