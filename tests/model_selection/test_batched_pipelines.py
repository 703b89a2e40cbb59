"""Batched searches over pipelines and transformed targets, and what is fitted one by one all the same."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from joblib import Memory
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, ShuffleSplit
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import GradientNormClipping, LRScheduler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.model_selection import GridSearchCV, cross_val_score, cross_validate, learning_curve
from tests.helpers import KINDS
from tests.search_helpers import (
    MODULES,
    SCORING,
    assert_same_fit,
    assert_same_results,
    both,
    both_raise,
    both_searches,
    both_warn,
    data,
    fitted_attributes,
    make,
    single_fits,
    uneven_weights,
)


def pipeline(kind="classifier", *steps, memory=None, **options):
    """Return a pipeline of named steps that ends in a small network."""
    return Pipeline([*(steps or [("scale", StandardScaler())]), ("net", make(kind, **options))], memory=memory)


def unscaled(kind="classifier"):
    """Return data whose columns a scaler changes a lot."""
    X, y = data(kind)
    return X * np.arange(1, 7) + np.arange(6), y


def two_columns(X):
    return X[:, :2]


class Recorded(TransformerMixin, BaseEstimator):
    """Halves its input, and records how many rows it was fitted on."""

    seen: ClassVar[list[int]] = []

    def __init__(self, factor=0.5):
        self.factor = factor

    def fit(self, X, y=None):
        self.seen.append(len(X))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        check_is_fitted(self)
        return self.factor * X


class TestPipelines:
    @pytest.mark.parametrize("kind", KINDS)
    def test_grid_over_the_network(self, kind):
        grid = {"net__alpha": [0.05, 0.1], "net__penalty": ["l1", "hierarchical"]}
        ours, _ = both_searches(pipeline(kind), grid, *unscaled(kind), cv=2, return_train_score=True, n_single=1)
        assert type(ours.best_estimator_) is Pipeline
        assert type(ours.best_estimator_["net"]) is KINDS[kind]

    @pytest.mark.parametrize(
        ("steps", "grid"),
        [
            ([("scale", StandardScaler())], {"scale__with_mean": [True, False], "net__alpha": [0.0, 0.1]}),
            ([("scale", StandardScaler())], {"scale": [StandardScaler(), MinMaxScaler(), "passthrough"]}),
            ([("scale", StandardScaler())], [{"scale": ["passthrough", None]}, {"net__max_iter": [2, 3]}]),
            (
                [("select", SelectKBest(f_regression))],
                {"select__k": [2, 4, "all"], "net__hidden_layer_sizes": [(), (5,)]},
            ),
            (
                [("scale", StandardScaler()), ("reduce", PCA(random_state=0))],
                {"reduce__n_components": [2, 4, 0.7], "net__penalty": ["group_lasso", None]},
            ),
            ([("expand", PolynomialFeatures())], {"expand__degree": [1, 2], "net__batch_size": [10, 30]}),
            (
                [("inner", Pipeline([("a", StandardScaler()), ("b", SelectKBest(f_regression))]))],
                {"inner__b__k": [3, 5], "inner__a__with_std": [True, False], "net__alpha": [0.1]},
            ),
            (
                [("union", FeatureUnion([("a", PCA(2)), ("b", FunctionTransformer(two_columns))]))],
                {"union__a__n_components": [1, 3], "union__b": ["drop", "passthrough"]},
            ),
            ([("bins", OneHotEncoder(handle_unknown="ignore"))], {"bins__min_frequency": [None, 5]}),
        ],
        ids=["scale", "scalers", "no scaler", "select", "reduce", "expand", "nested", "union", "bins"],
    )
    def test_grid_over_all_steps(self, steps, grid):
        kind = "classifier" if len(grid) > 1 else "regressor"
        X, y = unscaled(kind)
        if steps[0][0] == "bins":
            X = np.round(X)
        options = {"cv": 2, "scoring": SCORING[kind], "refit": False}
        both_searches(pipeline(kind, *steps), grid, X, y, n_single=0, **options)

    def test_the_best_is_that_of_a_plain_fit(self):
        X, y = unscaled()
        grid = {"scale": [StandardScaler(), MinMaxScaler()], "net__penalty": ["l1"], "net__alpha": [0.0, 0.1]}
        model = pipeline(early_stopping=True)
        search = GridSearchCV(model, grid, cv=2).fit(X, y)
        expected = clone(model).set_params(**clone(search.best_params_, safe=False)).fit(X, y)
        assert_same_fit(search.best_estimator_["net"], expected["net"], tol=None)
        np.testing.assert_array_equal(search.predict_proba(X), expected.predict_proba(X))
        copied = pickle.loads(pickle.dumps(search))
        assert type(copied.best_estimator_) is Pipeline
        np.testing.assert_array_equal(copied.predict_proba(X), expected.predict_proba(X))
        assert not fitted_attributes(model["net"])
        assert not fitted_attributes(model["scale"])
        assert [vars(scaler) for scaler in grid["scale"]] == [vars(StandardScaler()), vars(MinMaxScaler())]

    @pytest.mark.parametrize("kind", KINDS)
    def test_estimators_of_folds(self, kind):
        X, y = unscaled(kind)
        model = pipeline(
            kind, ("scale", StandardScaler()), ("select", SelectKBest(f_regression, k=4)), early_stopping=True
        )
        found = [module.cross_validate(model, X, y, cv=KFold(3), return_estimator=True) for module in MODULES]
        pairs = list(zip(*(result.pop("estimator") for result in found), strict=True))
        assert_same_results(*found)
        for mine, one in pairs:
            assert type(mine) is Pipeline
            assert set(vars(mine)) == set(vars(one))
            assert_same_fit(mine["net"], one["net"])
            np.testing.assert_array_equal(mine["scale"].mean_, one["scale"].mean_)
            np.testing.assert_allclose(mine.predict(X), one.predict(X), rtol=1e-6)
            np.testing.assert_array_equal(mine[:-1].get_feature_names_out(), one[:-1].get_feature_names_out())
            np.testing.assert_array_equal(pickle.loads(pickle.dumps(mine)).predict(X), mine.predict(X))
        assert len({id(mine["scale"]) for mine, _ in pairs}) == 3

    def test_estimators_share_nothing(self):
        X, y = unscaled()
        models = []

        def scorer(estimator, X, y):
            models.append(estimator)
            return estimator.score(X, y)

        GridSearchCV(pipeline(), {"net__alpha": [0.0, 0.1]}, cv=2, scoring=scorer, refit=False).fit(X, y)
        assert len({id(model) for model in models}) == len({id(model["net"]) for model in models}) == 4
        models[0]["scale"].set_params(with_mean=False)
        assert all(model["scale"].with_mean for model in models[1:])

    def test_transformers_see_the_training_rows_of_their_fold(self):
        X, y = unscaled()
        Recorded.seen.clear()
        both_searches(pipeline("classifier", ("record", Recorded())), {"record__factor": [1, 2]}, X, y, cv=KFold(3))
        assert set(Recorded.seen) == {56, 57, 85}

    def test_columns(self):
        X, y = unscaled()
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(kind=np.array(["u", "v", "w"])[np.arange(len(X)) % 3])
        columns = ColumnTransformer(
            [("numbers", StandardScaler(), list("abcd")), ("names", OneHotEncoder(), ["kind"])], remainder="drop"
        )
        grid = {
            "columns__numbers": [StandardScaler(), MinMaxScaler()],
            "columns__names__drop": [None, "first"],
            "net__alpha": [0.0, 0.1],
        }
        ours, _ = both_searches(pipeline("classifier", ("columns", columns)), grid, frame, y, cv=2)
        assert ours.feature_names_in_.tolist() == [*"abcdef", "kind"]
        assert ours.best_estimator_.feature_names_in_.tolist() == [*"abcdef", "kind"]

    def test_frames_between_the_steps(self):
        X, y = unscaled()
        frame = pd.DataFrame(X, columns=list("abcdef"))
        model = pipeline().set_output(transform="pandas")
        ours, _ = both_searches(model, {"net__alpha": [0.0, 0.1]}, frame, y, cv=2)
        assert ours.best_estimator_["net"].feature_names_in_.tolist() == list("abcdef")
        for fitted in cross_validate(model, frame, y, cv=2, return_estimator=True)["estimator"]:
            assert fitted["net"].feature_names_in_.tolist() == list("abcdef")

    def test_single_precision_and_sparse(self):
        X, y = unscaled()
        ours, _ = both_searches(pipeline(), {"net__alpha": [0.0, 0.1]}, X.astype(np.float32), y, cv=2, tol=1e-4)
        assert ours.best_estimator_["net"].coefs_[0].dtype == np.float32
        X[X < 1] = 0
        scaler = ("scale", StandardScaler(with_mean=False))
        model = pipeline("classifier", scaler)
        both_searches(model, {"net__alpha": [0.0, 0.1]}, scipy.sparse.csr_array(X), y, cv=2)

    def test_candidates_of_both_precisions(self):
        casts = {FunctionTransformer(np.float32): 0.1, FunctionTransformer(np.float64): 0.2, "passthrough": 0.3}
        # Each with strengths of its own: candidates that differ by nothing but rounding have ranks by chance.
        grid = [{"cast": [cast], "net__alpha": [alpha / 10, alpha]} for cast, alpha in casts.items()]
        model = pipeline("classifier", ("cast", "passthrough"))
        both_searches(model, grid, *data(), cv=2, scoring=SCORING["classifier"], refit=False, tol=1e-4)

    @pytest.mark.parametrize("grid", [{"net__alpha": [0.0, 0.1]}, {"select__k": [2, 3], "net__alpha": [0.0, 0.1]}])
    def test_memory(self, grid, tmp_path):
        X, y = unscaled()
        steps = [("record", Recorded()), ("select", SelectKBest(f_regression, k=3))]
        plain = GridSearchCV(pipeline("classifier", *steps), grid, cv=2, refit=False).fit(X, y)
        for memory in (str(tmp_path / "cache"), Memory(tmp_path / "other", verbose=0))[: len(grid)]:
            Recorded.seen.clear()
            model = pipeline("classifier", *steps, memory=memory)
            ours, _ = both_searches(model, grid, X, y, cv=2)
            # Once a fold and once for all rows: the rest is from the cache, also in the other search.
            assert sorted(Recorded.seen) == [42, 43, 85]
            assert_same_results(ours.cv_results_, plain.cv_results_)

    def test_weights(self):
        X, y = unscaled()
        fit = {"net__sample_weight": uneven_weights()}
        both_searches(pipeline(), {"net__alpha": [0.0, 0.1]}, X, y, cv=3, fit=fit)
        both("cross_validate", pipeline(), X, y, cv=3, params=fit)

    def test_routing(self):
        X, y = unscaled()
        with config_context(enable_metadata_routing=True):
            scaler = StandardScaler().set_fit_request(sample_weight=True)
            model = Pipeline([("scale", scaler), ("net", make().set_fit_request(sample_weight=True))])
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
            fit = {"sample_weight": uneven_weights()}
            grid = {"net__alpha": [0.0, 0.1], "scale__with_std": [True, False]}
            ours, _ = both_searches(model, grid, X, y, fit=fit, cv=3, scoring=scorer)
            unweighted = clone(model).set_params(scale=StandardScaler().set_fit_request(sample_weight=False))
            other, _ = both_searches(unweighted, grid, X, y, fit=fit, cv=3, scoring=scorer)
        name = "mean_test_score"
        assert (ours.cv_results_[name] != other.cv_results_[name]).any()

    def test_validation_rows_pass_through_the_steps(self):
        X, y = unscaled()
        with config_context(enable_metadata_routing=True):
            net = make(early_stopping=True).set_fit_request(X_val=True, y_val=True)
            model = Pipeline([("scale", StandardScaler()), ("net", net)], transform_input=["X_val"])
            fit = {"X_val": X[60:], "y_val": y[60:]}
            both_searches(model, {"net__alpha": [0.0, 0.1]}, X[:60], y[:60], cv=2, fit=fit)

    def test_failing_transformers(self):
        grid = {"select__k": [2, -1], "net__alpha": [0.0, 0.1, -1.0]}
        _, warned = both_warn(pipeline("classifier", ("select", SelectKBest(f_regression))), grid, *unscaled(), cv=2)
        assert FitFailedWarning in {category for category, _ in warned}
        assert "8 fits failed out of a total of 12" in str(warned)
        X, y = unscaled()
        both_raise(
            lambda module: module.GridSearchCV(
                pipeline("classifier", ("select", SelectKBest(f_regression))), grid, cv=2, error_score="raise"
            ).fit(X, y)
        )

    def test_divergence_harms_no_one_else(self):
        X, y = unscaled("regressor")
        grid = {"net__learning_rate_init": [0.01, 1e20], "scale__with_mean": [True, False]}
        ours, warned = both_warn(pipeline("regressor"), grid, X, y, cv=2)
        assert "4 fits failed out of a total of 8" in str(warned)
        without = GridSearchCV(pipeline("regressor"), {**grid, "net__learning_rate_init": [0.01]}, cv=2).fit(X, y)
        np.testing.assert_array_equal(ours.cv_results_["mean_test_score"][:2], without.cv_results_["mean_test_score"])

    def test_transformers_without_random_state(self):
        model = pipeline("classifier", ("reduce", PCA(3, svd_solver="randomized")))
        results = GridSearchCV(model, {"net__alpha": [0.0, 0.1]}, cv=2).fit(*unscaled()).cv_results_
        assert np.isfinite(results["mean_test_score"]).all()

    @pytest.mark.parametrize("random_state", [0, np.random.RandomState(0)])
    def test_transformers_with_random_state(self, random_state):
        quantiles = QuantileTransformer(n_quantiles=10, subsample=20, random_state=random_state)
        model = pipeline("classifier", ("quantiles", quantiles))
        both_searches(model, {"net__alpha": [0.0, 0.1]}, *unscaled(), cv=2, scoring=SCORING["classifier"])

    @pytest.mark.parametrize(
        "grid", [{"nope__alpha": [1]}, {"net__nope": [1]}, {"alpha": [1]}, {"net": ["passthrough"]}]
    )
    def test_bad_grids(self, grid):
        X, y = unscaled()
        both_raise(lambda module: module.GridSearchCV(pipeline(), grid, cv=2).fit(X, y))

    def test_pipelines_of_one_step(self):
        both_searches(Pipeline([("net", make())]), {"net__alpha": [0.0, 0.1]}, *data(), cv=2)

    def test_a_pipeline_in_a_pipeline_at_the_end(self):
        model = Pipeline(
            [("scale", StandardScaler()), ("rest", pipeline("classifier", ("select", SelectKBest(f_regression))))]
        )
        grid = {"rest__select__k": [2, 4], "rest__net__alpha": [0.0, 0.1]}
        both_searches(model, grid, *unscaled(), cv=2)

    def test_the_default_names(self):
        model = make_pipeline(StandardScaler(), make())
        both_searches(model, {"regularizedmlpclassifier__alpha": [0.0, 0.1]}, *unscaled(), cv=2)


class TestTransformedTargets:
    @pytest.mark.filterwarnings("ignore:y has a standard deviation")  # with a logarithm, or left as it is
    @pytest.mark.parametrize(
        "options", [{"transformer": StandardScaler()}, {"func": np.arcsinh, "inverse_func": np.sinh}, {}], ids=str
    )
    def test_grid(self, options):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor"), **options)
        grid = {"regressor__alpha": [0.05, 0.1], "regressor__penalty": ["l1", "l2"]}
        ours, _ = both_searches(model, grid, X, 50 * y + 1000, cv=2, return_train_score=True, n_single=1)
        assert type(ours.best_estimator_) is TransformedTargetRegressor
        assert type(ours.best_estimator_.regressor_) is RegularizedMLPRegressor

    @pytest.mark.filterwarnings("ignore:y has a standard deviation")  # where the transformer is None
    def test_the_transformer_in_the_grid(self):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor"), transformer=StandardScaler())
        grid = {"transformer": [StandardScaler(), MinMaxScaler(), None], "regressor__weight_decay": [0.0, 1.0]}
        both_searches(model, grid, X, 50 * y + 1000, cv=3)

    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_around_and_in_pipelines(self, n_outputs):
        X, y = unscaled("regressor")
        y = 50 * np.column_stack([y, X[:, 0]])[:, :n_outputs]
        y = y[:, 0] if n_outputs == 1 else y
        around = TransformedTargetRegressor(pipeline("regressor"), transformer=StandardScaler())
        within = make_pipeline(
            StandardScaler(), TransformedTargetRegressor(make("regressor"), transformer=MinMaxScaler())
        )
        around_grid = {"regressor__net__alpha": [0.0, 0.1], "regressor__scale__with_std": [True, False]}
        both_searches(around, around_grid, X, y, cv=2)
        both_searches(within, {"transformedtargetregressor__regressor__alpha": [0.0, 0.1]}, X, y, cv=2)

    def test_estimators_of_folds(self):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor", early_stopping=True), transformer=StandardScaler())
        found = [module.cross_validate(model, X, 9 * y, cv=3, return_estimator=True) for module in MODULES]
        pairs = list(zip(*(result.pop("estimator") for result in found), strict=True))
        assert_same_results(*found)
        for mine, one in pairs:
            assert set(vars(mine)) == set(vars(one))
            assert_same_fit(mine.regressor_, one.regressor_)
            np.testing.assert_array_equal(mine.transformer_.scale_, one.transformer_.scale_)
            np.testing.assert_allclose(pickle.loads(pickle.dumps(mine)).predict(X), one.predict(X), rtol=1e-6)

    def test_weights(self):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor"), transformer=StandardScaler())
        grid = {"regressor__alpha": [0.0, 0.1]}
        both_searches(model, grid, X, 9 * y, cv=3, fit={"sample_weight": uneven_weights()})

    def test_an_inverse_that_is_none(self):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor"), func=np.abs, inverse_func=np.negative)
        _, warned = both_warn(model, {"regressor__alpha": [0.0, 0.1]}, X, y, cv=2)
        assert "not strictly inverse" in str(warned)

    def test_failures(self):
        X, y = data("regressor")
        model = TransformedTargetRegressor(make("regressor"), func=np.log, inverse_func=np.exp)
        y = np.exp(y)
        y[3] = -1.0  # in the training rows of one fold of two
        with np.errstate(invalid="ignore"):
            _, warned = both_warn(model, {"regressor__alpha": [0.0, -1.0]}, X, y, cv=KFold(2), refit=False)
        assert "3 fits failed out of a total of 4" in str(warned)


class TestForeignEstimators:
    def test_alone(self):
        X, y = data()
        model = LogisticRegression()
        ours, _ = both_searches(model, {"C": [0.1, 1.0]}, X, y, cv=3, tol=None, return_train_score=True)
        assert type(ours.best_estimator_) is LogisticRegression
        both_searches(
            model, {"C": [0.1, 1.0, 3.0]}, X, y, tol=None, kind="RandomizedSearchCV", n_iter=2, random_state=0
        )
        both_searches(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, X, y, tol=None)
        both("cross_validate", model, X, y, tol=None)
        both("cross_val_score", model, X, y, tol=None)
        both("cross_val_predict", model, X, y, tol=None, method="predict_proba")
        both("learning_curve", model, X, y, tol=None, shuffle=True, random_state=0)
        both("validation_curve", model, X, y, tol=None, param_name="C", param_range=[0.1, 1.0])

    def test_beside_networks(self):
        grid = [
            {"net": [make(), LogisticRegression()]},
            {"net": [make(penalty="l1")], "net__alpha": [0.0, 0.1]},
            {"net": [LogisticRegression()], "net__C": [0.1]},
            {"net__alpha": [0.05]},
        ]
        both_searches(pipeline(), grid, *unscaled(), cv=2, refit=False, n_single=0)

    def test_networks_within_others(self):
        model = BaggingClassifier(make(), n_estimators=2, random_state=0)
        both_searches(model, {"estimator__alpha": [0.0, 0.1]}, *data(), cv=2, tol=None)

    def test_both_kinds_of_networks(self):
        X, y = data(n_classes=2)
        both_searches(pipeline(), {"net": [make(), make("regressor")]}, X, y, cv=KFold(2), scoring="r2")


class TestFallbacks:
    """What cannot be batched is fitted one by one, with the same results, bit for bit."""

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("classifier", {"solver": "lbfgs", "alpha": 0.01}),
            ("classifier", {"early_stopping": True, "scoring": "accuracy"}),
            ("regressor", {"early_stopping": True, "scoring": "r2"}),
            ("regressor", {"early_stopping": True, "refit_on_all": True}),
            ("classifier", {"callbacks": [LRScheduler("StepLR", step_size=2, gamma=0.1)], "solver": "sgd"}),
            ("regressor", {"callbacks": [("clip", GradientNormClipping(0.1))]}),
        ],
        ids=["lbfgs", "scoring", "scoring of numbers", "refit_on_all", "schedule", "callback"],
    )
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_alone(self, kind, options):
        model = make(kind, **options)
        n_single = (2 * 2 + 1) * (2 if model.refit_on_all else 1)
        both_searches(model, {"learning_rate_init": [0.01, 0.02]}, *data(kind), cv=2, tol=None, n_single=n_single)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_beside_what_is_batched(self, kind):
        grid = [
            {"solver": ["adam", "lbfgs", "sgd"], "alpha": [0.0, 0.1]},
            {"early_stopping": [True], "refit_on_all": [True, False]},
            {"callbacks": [None, [LRScheduler("StepLR", step_size=2, gamma=0.1)]]},
        ]
        # Of 10 candidates those of lbfgs (2), refit_on_all (twice a fit) and the callback.
        options = {"cv": 2, "scoring": SCORING[kind], "refit": False, "n_single": 2 * (2 + 2 + 1)}
        both_searches(make(kind), grid, *data(kind), **options)

    @pytest.mark.parametrize(("kind", "random_state"), [("classifier", None), ("regressor", 0)])
    def test_a_splitter_is_no_obstacle(self, kind, random_state):
        model = make(kind, early_stopping=ShuffleSplit(1, test_size=0.3, random_state=random_state))
        options = {"cv": 2, "scoring": SCORING[kind], "refit": False, "n_single": 0}
        both_searches(model, {"alpha": [0.0, 0.1]}, *data(kind), **options)
        both("cross_validate", model, *data(kind), cv=2, return_estimator=True)

    def test_text_is_an_error_that_says_what_to_do(self):
        X, y = data()
        text = np.column_stack([X.astype(str), np.full(len(X), "a")])
        for model in (make_pipeline(StandardScaler(), make()), make()):
            for run in (GridSearchCV(model, {}, cv=2).fit, lambda *rows, model=model: cross_val_score(model, *rows)):
                with pytest.raises(
                    ValueError, match=r"X holds strings, in the columns \[.*\]\. Use skreg\.table_"
                ) as caught:
                    run(text, y)
                assert "fits failed" not in str(caught.value)

    def test_a_splitter_that_needs_groups(self):
        X, y = data()
        groups = np.arange(len(X)) % 7
        model = make(early_stopping=GroupShuffleSplit(1, random_state=0))
        with config_context(enable_metadata_routing=True):
            for cv in (KFold(2), GroupKFold(2)):
                both_searches(model, {"alpha": [0.0, 0.1]}, X, y, cv=cv, fit={"groups": groups})
                both("cross_validate", model, X, y, cv=cv, params={"groups": groups}, return_estimator=True)

    # Which is what is tested: the search over `scoring` runs all the same.
    @pytest.mark.filterwarnings("ignore:scoring='accuracy' has no effect with early_stopping=False:UserWarning")
    def test_scorers_without_early_stopping_are_no_obstacle(self):
        both_searches(make(), {"scoring": ["accuracy", "loss"]}, *data(), cv=2, refit=False, n_single=0)

    def test_in_pipelines(self):
        model = pipeline(solver="lbfgs", max_iter=50, tol=0.1)
        both_searches(model, {"net__alpha": [0.01, 0.1]}, *unscaled(), cv=2, tol=None, n_single=5)

    def test_batches_of_callbacks_are_those_of_single_fits(self):
        X, y = data()
        callbacks = [LRScheduler("StepLR", step_size=2, gamma=0.1)]
        model = make(callbacks=callbacks)
        for fitted in cross_validate(model, X, y, cv=2, return_estimator=True)["estimator"]:
            np.testing.assert_allclose(fitted.history_["lr"], [0.02, 0.02, 0.002, 0.002])

    def test_partial_fits(self):
        X, y = data()
        with single_fits() as fits:
            both(
                "learning_curve",
                make(batch_size=10),
                X,
                y,
                exploit_incremental_learning=True,
                train_sizes=[0.3, 0.6, 1.0],
                cv=2,
            )
        assert len(fits) == 2 * 2 * 3
        assert learning_curve(make(), X, y, cv=2, train_sizes=[20])[0].tolist() == [20]

    def test_subclasses(self):
        class Other(RegularizedMLPClassifier):
            def _make_loss(self):
                return super()._make_loss()

        X, y = data()
        model = Other(**make().get_params())
        ours, _ = both_searches(model, {"alpha": [0.0, 0.1]}, X, y, cv=2)
        assert type(ours.best_estimator_) is Other
