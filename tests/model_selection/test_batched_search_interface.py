"""Batched searches behave as scikit-learn's do: scoring, failures, splitters, data, metadata, copies, bad input."""

import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
import sklearn
import sklearn.model_selection
from scipy.stats import loguniform, randint
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError, UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, get_scorer, make_scorer, mean_squared_error
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.utils import get_tags

from skreg import RegularizedMLPClassifier
from skreg.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate
from skreg.penalties import L1
from tests.helpers import KINDS, Listener
from tests.search_helpers import (
    MODULES,
    SCORING,
    assert_close,
    assert_same_fit,
    assert_same_results,
    both,
    both_raise,
    both_searches,
    both_warn,
    data,
    fitted_attributes,
    log_likelihood,
    make,
    share_of_zeros,
    single_fits,
    uneven_weights,
)

ALPHAS = {"alpha": [0.0, 0.1]}


def accuracy_and_zeros(estimator, X, y):
    return {"accuracy": accuracy_score(y, estimator.predict(X)), "zeros": float(estimator.sparsity_[0])}


def fails_with_few_zeros(estimator, X, y):
    if estimator.alpha < 0.05:
        raise ValueError("too few zeros")
    return estimator.score(X, y)


def sparsest(results):
    return int(np.argmax(results["mean_test_zeros"]))


class TestScoring:
    @pytest.mark.parametrize(("kind", "refit"), [("classifier", True), ("regressor", False)])
    def test_of_the_estimator(self, kind, refit):
        both_searches(make(kind), ALPHAS, *data(kind), cv=3, return_train_score=True, refit=refit)

    @pytest.mark.parametrize(
        "scoring",
        [
            ["accuracy", "neg_log_loss"],
            ("accuracy", "f1_macro"),
            {"accuracy": "accuracy", "loss": get_scorer("neg_log_loss")},
            {"accuracy": make_scorer(accuracy_score), "zeros": share_of_zeros},
            accuracy_and_zeros,
        ],
    )
    def test_several(self, scoring):
        model = make(penalty="l1")
        both_searches(model, ALPHAS, *data(), cv=2, scoring=scoring, refit="accuracy", return_train_score=True)

    @pytest.mark.parametrize("scoring", ["balanced_accuracy", share_of_zeros, make_scorer(accuracy_score)])
    def test_one(self, scoring):
        both_searches(make(penalty="l1"), {"alpha": [0.0, 0.3]}, *data(), cv=3, scoring=scoring)

    def test_scorers_get_plain_estimators(self):
        seen = []

        def scorer(estimator, X, y):
            seen.append(estimator)
            assert type(estimator) is RegularizedMLPClassifier
            assert estimator.predict_proba(X).shape == (len(X), 3)
            assert estimator.n_features_in_ == 6
            return estimator.score(X, y)

        both_searches(make(), ALPHAS, *data(), cv=2, scoring=scorer, refit=False)
        assert [model.alpha for model in seen] == [0.0, 0.0, 0.1, 0.1] * 2
        for mine, one in zip(seen[:4], seen[4:], strict=True):
            assert_same_fit(mine, one)

    def test_refit_that_chooses(self):
        options = {"scoring": accuracy_and_zeros, "refit": sparsest, "cv": 2}
        ours, _ = both_searches(make(penalty="l1"), {"alpha": [0.0, 0.3, 0.1]}, *data(), **options)
        assert ours.best_params_ == {"alpha": 0.3}
        assert not hasattr(ours, "best_score_")

    @pytest.mark.parametrize("refit", [lambda results: 0.5, lambda results: 7, "nope", True])
    def test_refit_that_is_wrong(self, refit):
        X, y = data()
        both_raise(
            lambda module: module.GridSearchCV(
                make(), ALPHAS, scoring=["accuracy", "neg_log_loss"], refit=refit, cv=2
            ).fit(X, y)
        )

    def test_failing_scorers(self):
        X, y = data()
        for error_score in (np.nan, -3.0):
            options = {"cv": 2, "scoring": fails_with_few_zeros, "error_score": error_score}
            _, warned = both_warn(make(), ALPHAS, X, y, **options)
            assert "Scoring failed" in str(warned)
        options["error_score"] = "raise"
        error = both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, **options).fit(X, y))
        assert str(error) == "too few zeros"


class TestFailures:
    @pytest.mark.parametrize(("kind", "solver"), [("classifier", "adam"), ("regressor", "sgd"), ("regressor", "adam")])
    def test_divergence_harms_no_one_else(self, kind, solver):
        X, y = data(kind)
        model = make(kind, solver=solver)
        rates, options = [0.01, 1e20, 0.02], {"cv": 3, "scoring": SCORING[kind]}
        ours, warned = both_warn(model, {"learning_rate_init": rates}, X, y, **options)
        assert "3 fits failed out of a total of 9" in str(warned)
        assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [False, True, False]
        without = GridSearchCV(model, {"learning_rate_init": rates[::2]}, **options).fit(X, y)
        for name in ("mean_test_score", "split0_test_score", "std_test_score"):
            np.testing.assert_array_equal(ours.cv_results_[name][::2], without.cv_results_[name])
        assert ours.best_params_ == without.best_params_

    def test_divergence_of_one_fold(self):
        X, y = data("regressor")
        y[3] = 1e12  # the fold that is not trained on this row goes on
        model = make("regressor", solver="sgd", learning_rate_init=0.1)
        ours, warned = both_warn(model, ALPHAS, X, y, cv=KFold(3), refit=False)
        assert "4 fits failed out of a total of 6" in str(warned)
        assert np.isfinite(ours.cv_results_["split0_test_score"]).all()
        assert np.isnan(ours.cv_results_["split1_test_score"]).all()

    @pytest.mark.parametrize(
        "grid",
        [
            {"alpha": [0.1, -1.0]},
            {"penalty": ["l1", "nope"]},
            {"weight_decay": [0.0, 1000.0]},
            {"hidden_layer_sizes": [(4,), (0,), "many"]},
            {"batch_size": [10, 0]},
            {"penalty": [L1(alpha=-1.0), "l2"]},
            {"constraint": [None, "nope"]},
            {"class_weight": [None, {7: 1.0}]},
            {"solver": ["lbfgs"], "penalty": ["l1", None]},
        ],
        ids=str,
    )
    def test_bad_values(self, grid):
        _, warned = both_warn(make(), grid, *data(), cv=2, refit=False)
        assert FitFailedWarning in {category for category, _ in warned}

    @pytest.mark.parametrize("error_score", [0.0, -5])
    def test_error_score(self, error_score):
        both_warn(make(), {"alpha": [0.1, -1.0]}, *data(), cv=2, error_score=error_score)

    @pytest.mark.parametrize(
        ("kind", "grid"),
        [
            ("classifier", {"alpha": [0.1, -1.0]}),
            ("regressor", {"learning_rate_init": [0.01, 1e3]}),
            ("classifier", {"hidden_layer_sizes": [(4,), (0,)]}),
        ],
    )
    def test_error_score_raise(self, kind, grid):
        X, y = data(kind)
        both_raise(lambda module: module.GridSearchCV(make(kind), grid, cv=2, error_score="raise").fit(X, y))

    @pytest.mark.parametrize("grid", [{"alpha": [-1.0, -2.0]}, {"learning_rate_init": [1e20, 1e21]}])
    def test_all_fail(self, grid):
        X, y = data("regressor")
        error = both_raise(lambda module: module.GridSearchCV(make("regressor"), grid, cv=2).fit(X, y))
        assert "All the 4 fits failed" in str(error)

    def test_the_reasons_are_told(self):
        # Beyond this rate, what the loss grows to is a matter of rounding.
        grid = {"learning_rate_init": [0.01, 1e3], "alpha": [0.1, -1.0]}
        reasons = []
        for module in MODULES:
            search = module.GridSearchCV(make("regressor"), grid, cv=2)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                search.fit(*data("regressor"))
            (text,) = [str(w.message) for w in caught if w.category is FitFailedWarning]
            assert "6 fits failed out of a total of 8" in text
            reasons.append(re.findall(r"^\d+ fits failed with.*|^[\w.]+Error: .*", text, flags=re.MULTILINE))
        assert reasons[0] == reasons[1]
        assert len(reasons[0]) == 6

    def test_missing_values_in_one_fold(self):
        X, y = data()
        X[0, 0] = np.nan
        for error_score in (np.nan, 0.0):
            _, warned = both_warn(make(), ALPHAS, X, y, cv=KFold(3), error_score=error_score, refit=False)
            assert "4 fits failed out of a total of 6" in str(warned)

    def test_a_fold_of_one_class(self):
        X, y = data(n_classes=2)
        cv = PredefinedSplit(np.where(y == 1, 0, np.arange(len(y)) % 2 + 1))
        _, warned = both_warn(make(), ALPHAS, X, y, cv=cv, return_train_score=True)
        assert "2 fits failed out of a total of 6" in str(warned)

    @pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
    def test_a_fold_without_some_class(self, scoring):
        X, y = data()
        cv = PredefinedSplit(np.where(y == 2, 0, np.arange(len(y)) % 2 + 1))
        both_warn(make(), ALPHAS, X, y, cv=cv, scoring=scoring, refit=False)

    def test_too_few_rows_of_a_class(self):
        X, y = data()
        y[y == 2] = 0
        y[:2] = 2
        _, warned = both_warn(make(), ALPHAS, X, y, cv=3)
        assert "least populated class" in str(warned)


class TestWarnings:
    @pytest.mark.parametrize(
        ("options", "grid", "category", "text"),
        [
            ({"n_iter_no_change": 10}, ALPHAS, ConvergenceWarning, "max_iter=4 epochs before it converged"),
            ({}, {"penalty": [None, "l1"], "alpha": [0.1]}, UserWarning, "alpha=0.1 has no effect"),
            ({}, {"normalization": ["layer", None], "alpha": [0.1]}, UserWarning, "has no minimizer"),
            ({}, {"batch_size": [10, 1000]}, UserWarning, "batch_size=1000 is larger than the 42 training rows"),
            ({"early_stopping": True, "n_iter_no_change": 5}, ALPHAS, ConvergenceWarning, "Training reached max_iter"),
        ],
    )
    def test_are_those_of_the_fits(self, options, grid, category, text):
        _, warned = both_warn(make(**options), grid, *data(), cv=2)
        of_few_rows = {item for item in warned if "Early stopping chooses the epoch by" in item[1]}
        assert len(of_few_rows) == (2 if "early_stopping" in options else 0)  # of a fold's rows, and of all rows
        assert {found for found, _ in warned - of_few_rows} == {category}
        assert text in str(warned)

    def test_of_scales(self):
        X, y = data()
        X[:, 0] *= 1e5
        _, warned = both_warn(make(), ALPHAS, X, y, cv=3)
        assert "very different scales" in str(warned)

    def test_none_without_a_reason(self):
        GridSearchCV(make(), ALPHAS, cv=2).fit(*data())  # warnings are errors


class TestCallbacks:
    """Callbacks of scikit-learn hear of what they hear of in its own searches."""

    def test_of_the_network(self):
        heard = []
        for module in MODULES:
            listener = Listener()
            model = make(max_iter=2).set_callbacks(listener)
            module.GridSearchCV(model, ALPHAS, cv=2, refit=False).fit(*data())
            heard.append(listener.ends)
        assert heard[0] == heard[1]
        assert sum(name == "epoch" for _, name, _ in heard[0]) == 2 * 2 * 2

    def test_of_the_search(self):
        heard = []
        for module in MODULES:
            listener = Listener()
            module.GridSearchCV(make(max_iter=2), ALPHAS, cv=2).set_callbacks(listener).fit(*data())
            heard.append([end for end in listener.ends if end[0] == "GridSearchCV"])
        assert heard[0] == heard[1]
        assert len(heard[0]) > 4


class TestSplitters:
    @pytest.mark.parametrize(
        "make_splitter",
        [
            lambda: None,
            lambda: 2,
            lambda: RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
            lambda: ShuffleSplit(3, train_size=0.3, random_state=np.random.RandomState(0)),
            lambda: KFold(3, shuffle=True, random_state=np.random.RandomState(1)),
            lambda: TimeSeriesSplit(3),
            LeaveOneOut,
            lambda: [(np.arange(20), np.arange(20, 40)), (np.arange(70, 20, -1), [0, 1, 5])],
            lambda: ((rows, rows[:10]) for rows in (np.arange(50), np.arange(30, 80))),
            lambda: [(np.arange(85) < 60, np.arange(85) >= 60), (np.arange(85) > 20, np.arange(85) <= 20)],
            # Rows drawn with replacement.
            lambda: [(np.random.default_rng(seed).integers(60, size=60), np.arange(60, 85)) for seed in range(2)],
            lambda: [(np.arange(40), np.arange(85))],
        ],
    )
    def test_they_split_alike(self, make_splitter):
        X, y = data()
        if make_splitter is LeaveOneOut:
            X, y = X[:8], y[:8]
        ours, theirs = (
            module.GridSearchCV(make(batch_size=7), ALPHAS, cv=make_splitter(), refit=False).fit(X, y)
            for module in MODULES
        )
        assert_same_results(ours.cv_results_, theirs.cv_results_)

    @pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
    def test_splits_are_drawn_once_a_search(self, random_state):
        X, y = data()
        seen = []

        class Splitter(ShuffleSplit):
            def split(self, X, y=None, groups=None):
                splits = list(super().split(X, y, groups))
                seen.append(splits)
                return iter(splits)

        cv = Splitter(2, test_size=0.3, random_state=random_state)
        search = GridSearchCV(make(), {"alpha": [0.0, 0.1], "batch_size": [10, 20]}, cv=cv, refit=False).fit(X, y)
        assert len(seen) == 1
        again = sklearn.model_selection.GridSearchCV(search.estimator, search.param_grid, cv=seen[0], refit=False)
        assert_same_results(search.cv_results_, again.fit(X, y).cv_results_)

    def test_a_splitter_that_miscounts(self):
        class Splitter(KFold):
            def get_n_splits(self, X=None, y=None, groups=None):
                return 4

        X, y = data()
        both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=Splitter(2)).fit(X, y))

    def test_no_split(self):
        X, y = data()
        both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=[]).fit(X, y))

    @pytest.mark.parametrize("use_groups", [True, False])
    def test_groups(self, use_groups):
        X, y = data()
        groups = np.arange(len(X)) % 5
        if use_groups:
            both_searches(make(), ALPHAS, X, y, cv=GroupKFold(3), fit={"groups": groups})
        else:
            both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=GroupKFold(3)).fit(X, y))


class TestRandomized:
    @pytest.mark.parametrize(
        ("kind", "make_random_state"), [("classifier", lambda: 0), ("regressor", lambda: np.random.RandomState(3))]
    )
    def test_distributions(self, kind, make_random_state):
        X, y = data(kind)
        distributions = [
            {"alpha": loguniform(1e-4, 1), "batch_size": randint(5, 30), "penalty": ["l1", "l2"]},
            {"hidden_layer_sizes": [(4,), (4, 3)], "weight_decay": loguniform(1e-3, 1)},
        ]
        ours, theirs = (
            module.RandomizedSearchCV(
                make(kind), distributions, n_iter=5, cv=2, random_state=make_random_state(), scoring=SCORING[kind]
            ).fit(X, y)
            for module in MODULES
        )
        assert_same_results(ours.cv_results_, theirs.cv_results_)
        assert len({params.get("alpha") for params in ours.cv_results_["params"]}) > 2
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    def test_of_a_list_without_replacement(self):
        options = {"kind": "RandomizedSearchCV", "n_iter": 3, "random_state": 0, "cv": 2}
        both_searches(make(), {"alpha": [0.0, 0.1, 0.2], "batch_size": [10, 20]}, *data(), **options)

    def test_more_iterations_than_candidates(self):
        X, y = data()
        options = {"kind": "RandomizedSearchCV", "n_iter": 5, "random_state": 0, "cv": 2}
        with pytest.warns(UserWarning, match="total space of parameters 2 is smaller than n_iter=5") as caught:
            both_searches(make(), ALPHAS, X, y, **options)
        assert len(caught) == 2


class TestData:
    def test_data_frames(self):
        X, y = data()
        frame, series = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(len(X))[::-1]), pd.Series(y)
        weight = pd.Series(uneven_weights(), index=frame.index)
        ours, _ = both_searches(make(), ALPHAS, frame, series, cv=3, fit={"sample_weight": weight})
        assert ours.feature_names_in_.tolist() == list("abcdef")
        assert ours.best_estimator_.feature_names_in_.tolist() == list("abcdef")
        for model in cross_validate(make(), frame, series, cv=2, return_estimator=True)["estimator"]:
            assert model.feature_names_in_.tolist() == list("abcdef")

    def test_polars(self):
        X, y = data()
        frame, series = polars.DataFrame(X, schema=list("abcdef")), polars.Series(y)
        ours, _ = both_searches(make(), ALPHAS, frame, series, cv=3)
        assert ours.best_estimator_.feature_names_in_.tolist() == list("abcdef")

    @pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
    def test_sparse(self, container):
        X, y = data()
        X[np.abs(X) < 0.5] = 0
        both_searches(make(), ALPHAS, container(X), y, cv=3)

    def test_lists_and_integers(self):
        X, y = data()
        both_searches(make(), ALPHAS, X.tolist(), y.tolist(), cv=2)
        both_searches(make(), ALPHAS, np.round(3 * X).astype(int), y, cv=2)

    def test_a_column_of_labels(self):
        X, y = data()
        with pytest.warns(sklearn.exceptions.DataConversionWarning):
            both_searches(make(), ALPHAS, X, y[:, None], cv=2)

    @pytest.mark.parametrize("dtype", [object, str])
    def test_labels_of_text(self, dtype):
        X, y = data()
        ours, _ = both_searches(make(), ALPHAS, X, np.array(["ant", "bee", "fly"], dtype=dtype)[y], cv=3)
        assert ours.classes_.tolist() == ["ant", "bee", "fly"]
        assert set(ours.predict(X)) <= {"ant", "bee", "fly"}

    def test_no_targets(self):
        X, _ = data()
        both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=2).fit(X))

    def test_numbers_of_rows_that_differ(self):
        X, y = data()
        both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=2).fit(X, y[:-1]))

    def test_data_are_left_alone(self):
        X, y = data()
        before = X.copy(), y.copy()
        X.flags.writeable = y.flags.writeable = False
        GridSearchCV(make(), ALPHAS, cv=2).fit(X, y)
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(y, before[1])


class TestMetadata:
    def test_weights_reach_the_scorer(self):
        X, y = data()
        weight = np.where(y == 0, 100.0, 0.01)
        ours, _ = both_searches(make(), ALPHAS, X, y, cv=2, scoring="accuracy", fit={"sample_weight": weight})
        plain = GridSearchCV(make(), ALPHAS, cv=2).fit(X, y)
        assert abs(ours.cv_results_["mean_test_score"] - plain.cv_results_["mean_test_score"]).min() > 0.01

    def test_scorer_without_weights(self):
        X, y = data()
        fit = {"sample_weight": uneven_weights()}
        _, warned = both_warn(make(), ALPHAS, X, y, cv=2, scoring=share_of_zeros, fit=fit)
        assert "does not support sample_weight" in str(warned)

    @pytest.mark.parametrize(("kind", "weighted_scorer"), [("classifier", True), ("regressor", False)])
    def test_routing(self, kind, weighted_scorer):
        X, y = data(kind)
        weight, groups = uneven_weights(), np.arange(len(X)) % 5
        with config_context(enable_metadata_routing=True):
            model = make(kind).set_fit_request(sample_weight=True, groups=False)
            metric = accuracy_score if kind == "classifier" else mean_squared_error
            scorer = make_scorer(metric).set_score_request(sample_weight=weighted_scorer)
            fit = {"sample_weight": weight, "groups": groups}
            options = {"cv": GroupKFold(3), "scoring": scorer}
            ours, _ = both_searches(model, ALPHAS, X, y, fit=fit, **options)
            both("cross_validate", model, X, y, params=fit, return_estimator=True, **options)
        plain = GridSearchCV(make(kind), ALPHAS, cv=GroupKFold(3), scoring=make_scorer(metric))
        plain.fit(X, y, groups=groups)
        assert (ours.cv_results_["mean_test_score"] != plain.cv_results_["mean_test_score"]).all()

    def test_routing_of_what_nobody_asked_for(self):
        X, y = data()
        with config_context(enable_metadata_routing=True):
            error = both_raise(
                lambda module: module.GridSearchCV(make(), ALPHAS, cv=2).fit(X, y, sample_weight=uneven_weights())
            )
            assert isinstance(error, UnsetMetadataPassedError)
            refused = make().set_fit_request(sample_weight=False)
            weighted = make_scorer(accuracy_score).set_score_request(sample_weight=True)
            both_searches(refused, ALPHAS, X, y, cv=2, scoring=weighted, fit={"sample_weight": uneven_weights()})

    def test_validation_rows(self):
        X, y = data()
        fit = {"X_val": X[60:], "y_val": y[60:], "sample_weight_val": uneven_weights()[60:]}
        both_searches(make(early_stopping=True), ALPHAS, X[:60], y[:60], cv=2, fit=fit)

    def test_unknown_metadata(self):
        X, y = data()
        error = both_raise(lambda module: module.GridSearchCV(make(), ALPHAS, cv=2).fit(X, y, nope=1))
        assert "nope" in str(error)


class TestRandomState:
    def test_an_instance_is_copied_for_every_fit(self):
        X, y = data()
        random_state = np.random.RandomState(5)
        before = random_state.get_state()
        both_searches(make(random_state=random_state), ALPHAS, X, y, cv=3, scoring=log_likelihood)
        GridSearchCV(make(random_state=random_state), ALPHAS, cv=2).fit(X, y)
        np.testing.assert_equal(random_state.get_state(), before)

    def test_none_is_fresh_for_every_fit(self, global_state):
        search = GridSearchCV(make(random_state=None), {"power_t": [0.1, 0.2, 0.3]}, cv=3, scoring=log_likelihood)
        results = search.fit(*data()).cv_results_
        assert len(set(results["split0_test_score"])) == 3
        assert np.isfinite(results["mean_test_score"]).all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_estimator_is_left_alone(self, kind):
        model = make(kind, penalty=L1(alpha=0.1), random_state=np.random.RandomState(0))
        before = copy.deepcopy(vars(model))
        search = GridSearchCV(model, {"penalty__alpha": [0.2, 0.3], "early_stopping": [True, False]}, cv=2)
        search.fit(*data(kind))
        assert search.estimator is model
        assert list(vars(model)) == list(before)
        assert vars(model.penalty) == vars(before["penalty"])
        np.testing.assert_equal(model.random_state.get_state(), before["random_state"].get_state())


class TestGlobalState:
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_left_alone(self, kind, global_state):
        grid = {"alpha": [0.0, 0.1], "dropout": [0.0, 0.2]}
        config = sklearn.get_config()
        GridSearchCV(make(kind), grid, cv=2).fit(*data(kind))
        cross_validate(make(kind, early_stopping=True), *data(kind), cv=2)
        assert sklearn.get_config() == config

    @pytest.mark.parametrize("grid", [{"learning_rate_init": [0.01, 1e20]}, {"alpha": [0.1, -1.0]}])
    def test_after_an_error(self, grid, global_state):
        config = sklearn.get_config()
        with pytest.raises(ValueError, match="diverged|'alpha' parameter"):
            GridSearchCV(make("regressor"), grid, cv=2, error_score="raise").fit(*data("regressor"))
        assert sklearn.get_config() == config

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_the_search_after_an_interruption(self, error, global_state):
        def scorer(estimator, X, y):
            raise error

        model = make()
        search = GridSearchCV(model, ALPHAS, cv=2, scoring=scorer, error_score="raise")
        before = set(vars(search))
        with pytest.raises(error):
            search.fit(*data())
        assert search.estimator is model
        assert type(model) is RegularizedMLPClassifier
        assert {name for name in vars(search) if not name.endswith("_")} <= {*before, "_checked_cv_orig"}
        search.set_params(scoring=None).fit(*data())
        assert_same_results(search.cv_results_, GridSearchCV(make(), ALPHAS, cv=2).fit(*data()).cv_results_, tol=None)

    def test_several_populations_at_a_time(self, global_state):
        grid = {"hidden_layer_sizes": [(), (4,), (8, 3)], "solver": ["adam", "lbfgs"]}
        model = make(max_iter=30, tol=0.1)
        found = [GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(*data()).cv_results_ for n_jobs in (None, 2, -1)]
        for results in found[1:]:
            assert_same_results(results, found[0], tol=None)

    def test_routing_stays_on(self):
        with config_context(enable_metadata_routing=True):
            GridSearchCV(make(), ALPHAS, cv=2).fit(*data())
            assert sklearn.get_config()["enable_metadata_routing"] is True
        assert sklearn.get_config()["enable_metadata_routing"] is False


class TestHowItRuns:
    @pytest.mark.parametrize(
        "options", [{"n_jobs": 2}, {"n_jobs": 1, "pre_dispatch": 1}, {"pre_dispatch": "all"}], ids=str
    )
    def test_jobs(self, options):
        X, y = data()
        ours = GridSearchCV(make(), ALPHAS, cv=3, **options).fit(X, y)
        theirs = sklearn.model_selection.GridSearchCV(make(), ALPHAS, cv=3).fit(X, y)
        assert_same_results(ours.cv_results_, theirs.cv_results_)
        assert_same_results(
            cross_validate(make(), X, y, **options), sklearn.model_selection.cross_validate(make(), X, y)
        )

    @pytest.mark.parametrize("verbose", [0, 1, 2, 3, 4])
    def test_verbose(self, verbose, bars, capfd):
        printed = []
        for module in MODULES:
            options = {"scoring": "accuracy", "cv": 2, "return_train_score": True, "verbose": verbose}
            module.GridSearchCV(make(), ALPHAS, **options).fit(*data())
            out, err = capfd.readouterr()
            printed.append((re.sub(r" *total time=.*", "", out), re.sub(r"elapsed:.*", "", err)))
        ours, theirs = ([sorted(text.replace("..", "").splitlines()) for text in pair] for pair in printed)
        assert ours[0] == theirs[0]
        assert [n == total for _, n, total in bars] == [True] * (verbose > 0)

    def test_verbose_of_several_scores(self, capfd):
        printed = []
        for module in MODULES:
            module.GridSearchCV(
                make(), {"batch_size": [10, 20]}, cv=2, verbose=3, scoring=["accuracy", "f1_macro"], refit=False
            ).fit(*data())
            out, _ = capfd.readouterr()
            printed.append(sorted(re.sub(r"\.{2,}|total time=.*", "", out).splitlines()))
        assert printed[0] == printed[1]

    def test_verbose_networks(self, capsys):
        GridSearchCV(make(verbose=1), ALPHAS, cv=2, refit=False).fit(*data())
        assert capsys.readouterr().out.count("train_loss") == 4


class TestObject:
    def test_it_is_scikit_learns(self):
        for name in ("GridSearchCV", "RandomizedSearchCV"):
            ours, theirs = (getattr(module, name) for module in MODULES)
            assert issubclass(ours, theirs)
            assert ours is not theirs
            assert ours.__name__ == name

    def test_parameters(self):
        search = GridSearchCV(make(), ALPHAS, cv=3, memory_limit=2**30)
        parameters = search.get_params()
        theirs = sklearn.model_selection.GridSearchCV(make(), ALPHAS, cv=3).get_params()
        assert set(parameters) == {*theirs, "memory_limit"}
        assert parameters["memory_limit"] == 2**30
        assert repr(search).startswith("GridSearchCV(cv=3,")
        assert "memory_limit=1073741824" in repr(search)
        assert "memory_limit" not in repr(GridSearchCV(make(), ALPHAS))
        search.set_params(estimator__alpha=0.5, cv=2, memory_limit=None)
        assert (search.estimator.alpha, search.cv, search.memory_limit) == (0.5, 2, None)
        assert repr(clone(search)) == repr(search)
        assert "GridSearchCV" in search._repr_html_()
        random = RandomizedSearchCV(make(), ALPHAS)
        assert random.memory_limit is None
        assert random.n_iter == 10

    @pytest.mark.parametrize("kind", KINDS)
    def test_copies(self, kind):
        X, y = data(kind)
        search = GridSearchCV(make(kind, penalty="l1"), ALPHAS, cv=2).fit(X, y)
        assert not fitted_attributes(clone(search))
        for copied in (pickle.loads(pickle.dumps(search)), copy.deepcopy(search)):
            assert_same_results(copied.cv_results_, search.cv_results_, tol=None)
            assert type(copied.best_estimator_) is KINDS[kind]
            assert_same_fit(copied.best_estimator_, search.best_estimator_, tol=None)
            np.testing.assert_array_equal(copied.predict(X), search.predict(X))
            assert_same_results(copied.fit(X, y).cv_results_, search.cv_results_, tol=None)

    def test_estimators_of_folds_are_plain(self):
        X, y = data()
        for model in cross_validate(make(), X, y, cv=2, return_estimator=True)["estimator"]:
            assert type(model) is RegularizedMLPClassifier
            copied = pickle.loads(pickle.dumps(model))
            np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
            assert not fitted_attributes(clone(model))
            # What is needed to go on exactly is kept for single fits alone.
            assert set(vars(model)) == set(vars(make().fit(X, y))) - {"_training_state"}

    def test_tags(self):
        assert is_classifier(GridSearchCV(make(), ALPHAS))
        assert is_regressor(GridSearchCV(make("regressor"), ALPHAS))
        assert get_tags(GridSearchCV(make(), ALPHAS)).input_tags.sparse

    def test_before_fit(self):
        search = GridSearchCV(make(), ALPHAS)
        with pytest.raises(NotFittedError):
            search.predict(data()[0])
        search = GridSearchCV(make(), ALPHAS, refit=False, cv=2).fit(*data())
        with pytest.raises(AttributeError, match="no attribute 'predict'"):
            search.predict(data()[0])

    def test_fitted_twice(self):
        X, y = data()
        search = GridSearchCV(make(), ALPHAS, cv=2).fit(*data("classifier", n_classes=2))
        search.fit(X, y)
        assert_same_results(search.cv_results_, clone(search).fit(X, y).cv_results_, tol=None)
        assert search.classes_.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("outer", MODULES, ids=["ours", "scikit-learn's"])
    def test_nested(self, outer):
        X, y = data()
        found = [
            outer.cross_validate(module.GridSearchCV(make(), ALPHAS, cv=2), X, y, cv=2, return_train_score=True)
            for module in MODULES
        ]
        assert_same_results(*found)

    def test_a_subclass_of_the_network(self):
        X, y = data()
        model = Doubled(hidden_layer_sizes=(4,), max_iter=3, tol=0, n_iter_no_change=np.inf, random_state=0)
        ours, _ = both_searches(model, ALPHAS, X, y, cv=2, scoring=log_likelihood)
        assert type(ours.best_estimator_) is Doubled

    def test_a_subclass_with_a_constructor_of_its_own(self):
        X, y = data()
        model = Preset(dropout=0.2)
        assert model.get_params() == {"alpha": 0.01, "dropout": 0.2, "random_state": 0}
        assert repr(clone(model)) == repr(model) == "Preset(dropout=0.2)"
        grid = {"alpha": [0.0, 0.3], "dropout": [0.0, 0.5]}
        with single_fits() as fits:
            GridSearchCV(model, grid, cv=2, refit=False).fit(X, y)
        assert not fits  # but populations
        ours, _ = both_searches(model, grid, X, y, cv=2, scoring=log_likelihood)
        best = ours.best_estimator_
        assert (type(best), best.hidden_layer_sizes, best.max_iter) == (Preset, (5,), 3)
        for copied in (clone(best).fit(X, y), pickle.loads(pickle.dumps(best))):
            np.testing.assert_array_equal(copied.predict_proba(X), best.predict_proba(X))
        with pytest.raises(ValueError, match="Invalid parameter 'max_iter' for estimator Preset"):
            GridSearchCV(model, {"max_iter": [1, 2]}, cv=2).fit(X, y)

    def test_warm_start_makes_no_difference(self):
        X, y = data()
        model = make(warm_start=True).fit(X, y)
        before = copy.deepcopy(fitted_attributes(model))
        both_searches(model, ALPHAS, X, y, cv=2)
        assert_close(fitted_attributes(model), before, tol=None)


class Doubled(RegularizedMLPClassifier):
    """Fits twice the inputs."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(2 * X, y, sample_weight)


class Preset(RegularizedMLPClassifier):
    """Has few parameters; the others are what its author likes."""

    def __init__(self, alpha=0.01, dropout=0.0, random_state=0):
        super().__init__(
            (5,), alpha=alpha, dropout=dropout, random_state=random_state, max_iter=3, tol=0, n_iter_no_change=np.inf
        )


class NoFit(BaseEstimator):
    """An estimator that is none."""


class TestBadInput:
    @pytest.mark.parametrize(
        "grid",
        [
            {"nope": [1, 2]},
            [{"alpha": [0.1]}, {"nope": [1]}],
            {"penalty__nope": [1]},
            {"penalty__alpha": [0.1]},  # penalty='l2' is no object
            {"net__alpha": [0.1]},
            {"alpha": []},
            {"alpha": 0.1},
            {"alpha": "0.1"},
            {"alpha": np.ones((2, 2))},
            [],
            3,
            {1: [2]},
        ],
        ids=str,
    )
    def test_grids(self, grid):
        X, y = data()
        calls = []

        def scorer(estimator, X, y):
            calls.append(estimator)
            return 0.0

        with single_fits() as fits:
            both_raise(lambda module: module.GridSearchCV(make(), grid, cv=2, scoring=scorer).fit(X, y))
        # scikit-learn trains what comes before.
        assert len(fits) == len(calls) == (2 if isinstance(grid, list) and len(grid) == 2 else 0)

    def test_other_parameters(self):
        X, y = data()
        for options in ({"scoring": "nope"}, {"cv": 1}, {"error_score": "nope"}, {"refit": 3}, {"verbose": -1}):
            both_raise(lambda module, options=options: module.GridSearchCV(make(), ALPHAS, **options).fit(X, y))

    def test_no_estimator(self):
        X, y = data()
        both_raise(lambda module: module.GridSearchCV(NoFit(), ALPHAS, cv=2).fit(X, y))
        both_raise(lambda module: module.GridSearchCV(3, ALPHAS, cv=2).fit(X, y))
        both_raise(lambda module: module.cross_validate(NoFit(), X, y, cv=2))

    @pytest.mark.parametrize("memory_limit", [0, -1, "1GB"])
    @pytest.mark.parametrize(("search", "options"), [(GridSearchCV, {}), (RandomizedSearchCV, {"n_iter": 2})])
    def test_memory_limit(self, search, options, memory_limit):
        with pytest.raises(ValueError, match=rf"'memory_limit'.*[Gg]ot {memory_limit!r}"):
            search(make(), ALPHAS, memory_limit=memory_limit, **options).fit(*data())

    @pytest.mark.parametrize("kind", KINDS)
    def test_too_little_memory(self, kind):
        X, y = data(kind)
        options = {"cv": 2, "scoring": SCORING[kind]}
        with pytest.raises(ValueError, match=r"memory_limit.*\d") as info:
            GridSearchCV(make(kind), ALPHAS, memory_limit=1, **options).fit(X, y)
        needed = max(int(number) for number in re.findall(r"\d+", str(info.value).replace(",", "")))
        assert needed > 8 * 100
        with pytest.raises(ValueError, match="memory_limit"):
            GridSearchCV(make(kind), ALPHAS, memory_limit=needed - 1, **options).fit(X, y)
        theirs = sklearn.model_selection.GridSearchCV(make(kind), ALPHAS, **options).fit(X, y)
        for memory_limit in (needed, 3 * needed, 10**9):
            with single_fits() as fits:
                ours = GridSearchCV(make(kind), ALPHAS, memory_limit=memory_limit, **options).fit(X, y)
            assert len(fits) == 1
            assert_same_results(ours.cv_results_, theirs.cv_results_)
