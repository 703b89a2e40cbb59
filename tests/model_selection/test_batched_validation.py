"""Cross-validation and curves with networks trained together give what scikit-learn's functions give."""

import re

import numpy as np
import pytest
import sklearn.model_selection
import torch
from sklearn import config_context
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LearningCurveDisplay,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg.model_selection
from skreg import RegularizedMLPClassifier
from skreg.model_selection import cross_val_predict, cross_val_score, cross_validate, learning_curve, validation_curve
from tests.helpers import KINDS
from tests.search_helpers import (
    MODULES,
    SCORING,
    assert_close,
    both,
    both_raise,
    data,
    make,
    share_of_zeros,
    single_fits,
    uneven_weights,
)


def pipeline(kind="classifier", **options):
    return make_pipeline(StandardScaler(), SelectKBest(f_regression, k=4), make(kind, **options))


def name_of(kind):
    return f"regularizedmlp{kind}"


def both_record(name, *args, **options):
    """Return what both functions give, errors of fits and scores included, and compare their warnings."""
    found, warned = [], []
    for module in MODULES:
        with pytest.warns() as caught:
            found.append(getattr(module, name)(*args, **options))
        warned.append({(w.category, re.split("Below are more|Details:", str(w.message))[0]) for w in caught})
    assert warned[0] == warned[1]
    return found, warned[0]


FUNCTIONS = ["cross_validate", "cross_val_score", "cross_val_predict", "learning_curve", "validation_curve"]
BAD_ARGUMENTS = [
    *(
        (name, bad)
        for name in FUNCTIONS
        for bad in ({"cv": "nope"}, {"cv": 1}, {"cv": 1000}, {"verbose": "nope"}, {"params": 3}, {"n_jobs": "nope"})
    ),
    *((name, bad) for name in (*FUNCTIONS[:2], *FUNCTIONS[3:]) for bad in ({"scoring": "nope"}, {"scoring": 3})),
    ("cross_validate", {"error_score": "nope"}),
    ("cross_validate", {"groups": [1, 2]}),
    ("cross_validate", {"params": {"nope": 1}}),
    ("cross_validate", {"return_train_score": "nope"}),
    ("cross_val_score", {"error_score": "nope"}),
    ("cross_val_score", {"scoring": ["accuracy", "f1_macro"]}),
    ("cross_val_predict", {"params": {"nope": 1}}),
    ("cross_val_predict", {"method": 3}),
    ("learning_curve", {"train_sizes": "nope"}),
    ("learning_curve", {"shuffle": 3}),
    ("learning_curve", {"scoring": ["accuracy", "f1_macro"]}),
    ("validation_curve", {"param_name": 3}),
    ("validation_curve", {"param_range": 3}),
]


class TestCrossValidate:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("scoring", [None, "several", "callable"])
    def test_all_that_can_be_returned(self, kind, scoring):
        if scoring == "several":
            scoring = {"loss": SCORING[kind], "zeros": share_of_zeros}
        elif scoring == "callable":
            scoring = share_of_zeros
        both(
            "cross_validate",
            make(kind, penalty="l1", alpha=0.05),
            *data(kind),
            cv=KFold(3, shuffle=True, random_state=0),
            scoring=scoring,
            return_train_score=True,
            return_estimator=True,
            return_indices=True,
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_batched(self, kind):
        X, y = data(kind)
        with single_fits() as fits:
            cross_validate(make(kind), X, y)
            cross_validate(pipeline(kind, early_stopping=True), X, y, return_estimator=True)
            cross_val_score(make(kind), X, y)
            cross_val_predict(make(kind), X, y)
            learning_curve(make(kind), X, y, cv=2, train_sizes=[0.5, 1.0])
            validation_curve(make(kind), X, y, cv=2, param_name="dropout", param_range=[0.0, 0.1])
        assert len(fits) == 0

    def test_not_batched(self):
        X, y = data()
        with single_fits() as fits:
            cross_validate(make(solver="lbfgs", max_iter=50, tol=0.1), X, y, cv=3)
        assert len(fits) == 3

    @pytest.mark.parametrize("kind", KINDS)
    def test_scores(self, kind):
        for cv in (None, RepeatedKFold(n_splits=2, n_repeats=2, random_state=0), TimeSeriesSplit(3)):
            both("cross_val_score", make(kind, batch_size=10), *data(kind), cv=cv, scoring=SCORING[kind])

    def test_splitters_that_are_random(self):
        X, y = data()
        for make_cv in (
            lambda: ShuffleSplit(2, random_state=np.random.RandomState(0)),
            lambda: iter(KFold(2).split(X)),
        ):
            ours, theirs = (module.cross_val_score(make(), X, y, cv=make_cv()) for module in MODULES)
            np.testing.assert_array_equal(ours, theirs)
        found = cross_validate(make(), X, y, cv=ShuffleSplit(2), return_indices=True, return_estimator=True)
        for model, train, test, score in zip(
            found["estimator"], found["indices"]["train"], found["indices"]["test"], found["test_score"], strict=True
        ):
            assert model.score(X[test], y[test]) == score
            np.testing.assert_allclose(model.coefs_[0], make().fit(X[train], y[train]).coefs_[0], rtol=1e-6)

    def test_failures(self):
        X, y = data()
        X[0, 0] = np.nan
        (ours, theirs), warned = both_record("cross_validate", make(), X, y, cv=KFold(3), error_score=-1.0)
        np.testing.assert_array_equal(ours["test_score"], theirs["test_score"])
        assert ours["test_score"].tolist() == [-1.0] * 3
        assert FitFailedWarning in {category for category, _ in warned}
        both_raise(lambda module: module.cross_validate(make(), X, y, cv=KFold(3), error_score="raise"))
        both_raise(lambda module: module.cross_validate(make(alpha=-1.0), *data(), cv=3))
        both_raise(lambda module: module.cross_val_score(make(alpha=-1.0), *data(), cv=3))

    def test_estimators_of_failed_fits(self):
        X, y = data(n_classes=2)
        cv = PredefinedSplit(np.where(y == 1, 0, np.arange(len(y)) % 2 + 1))
        (ours, theirs), _ = both_record("cross_validate", make(), X, y, cv=cv, return_estimator=True)
        fitted = [[hasattr(model, "coefs_") for model in found["estimator"]] for found in (ours, theirs)]
        assert fitted == [[False, True, True]] * 2
        assert [type(model) for model in ours["estimator"]] == [RegularizedMLPClassifier] * 3
        np.testing.assert_array_equal(ours["test_score"], theirs["test_score"])

    @pytest.mark.parametrize(("name", "bad"), BAD_ARGUMENTS)
    def test_bad_arguments(self, name, bad):
        X, y = data()
        options = {"param_name": "alpha", "param_range": [0.0, 0.1]} if name == "validation_curve" else {}
        with single_fits() as fits:
            both_raise(lambda module: getattr(module, name)(make(), X, y, **{**options, **bad}))
        assert len(fits) == 0

    def test_estimators_that_are_none(self):
        X, y = data()
        for name in ("cross_validate", "cross_val_score", "cross_val_predict", "learning_curve"):
            for estimator in (3, StandardScaler(), RegularizedMLPClassifier):
                both_raise(lambda module, name=name, estimator=estimator: getattr(module, name)(estimator, X, y))

    def test_numbers_of_rows_that_differ(self):
        X, y = data()
        for name in ("cross_validate", "cross_val_score", "cross_val_predict", "learning_curve"):
            both_raise(lambda module, name=name: getattr(module, name)(make(), X, y[:-1]))
            both_raise(lambda module, name=name: getattr(module, name)(make(), X, None))

    def test_groups_and_weights(self):
        X, y = data()
        groups, weight = np.arange(len(X)) % 5, uneven_weights()
        for name in ("cross_validate", "cross_val_score", "cross_val_predict"):
            both(name, make(), X, y, cv=GroupKFold(3), groups=groups, params={"sample_weight": weight})
            params = {f"{name_of('classifier')}__sample_weight": weight}
            both(name, pipeline(), X, y, cv=GroupKFold(3), groups=groups, params=params)
            both_raise(lambda module, name=name: getattr(module, name)(make(), X, y, cv=GroupKFold(3)))

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_routing(self, name):
        X, y = data()
        params = {"groups": np.arange(len(X)) % 5, "sample_weight": uneven_weights()}
        options = {"cv": GroupKFold(2), "params": params}
        if name != "cross_val_predict":
            options["scoring"] = make_scorer(accuracy_score)
        if name == "learning_curve":
            options["train_sizes"] = [0.6, 1.0]
        if name == "validation_curve":
            options |= {"param_name": "alpha", "param_range": [0.0, 0.1]}
        with config_context(enable_metadata_routing=True):
            if "scoring" in options:
                options["scoring"].set_score_request(sample_weight=True)
            model = make().set_fit_request(sample_weight=True, groups=False)
            model.set_partial_fit_request(sample_weight=True)  # which learning_curve asks for in any case
            both(name, model, X, y, **options)
            both_raise(lambda module: getattr(module, name)(model, X, y, **options, groups=params["groups"]))
            with pytest.raises(UnsetMetadataPassedError, match="sample_weight.*not explicitly set as requested"):
                getattr(skreg.model_selection, name)(make(), X, y, **options)


class TestCrossValPredict:
    @pytest.mark.parametrize(("kind", "n_classes"), [("classifier", 3), ("pipeline", 2)])
    @pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
    def test_methods(self, kind, n_classes, method):
        X, y = data(n_classes=n_classes)
        y = np.array(["ant", "bee", "fly"])[y]
        model = make() if kind == "classifier" else make_pipeline(StandardScaler(), make())
        both("cross_val_predict", model, X, y, cv=3, method=method)

    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_regression(self, n_outputs):
        X, y = data("regressor")
        y = y if n_outputs == 1 else np.column_stack([y, X[:, 0]])
        both("cross_val_predict", make("regressor"), X, y, cv=3)
        transformed = TransformedTargetRegressor(pipeline("regressor"), transformer=StandardScaler())
        if n_outputs == 1:
            both("cross_val_predict", transformed, X, 9 * y + 5, cv=3)

    def test_quantiles(self):
        model = make("regressor", loss="quantile", quantile=[0.1, 0.5, 0.9])
        both("cross_val_predict", model, *data("regressor"), cv=3)

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
    def test_several_labels(self, method):
        X, y = make_multilabel_classification(85, 6, n_classes=3, random_state=0)
        both("cross_val_predict", make(), X / 5, y, cv=3, method=method)

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
    def test_a_fold_without_some_class(self, method):
        X, y = data()
        cv = PredefinedSplit(np.where(y == 2, 0, np.arange(len(y)) % 2 + 1))
        if method == "predict":
            both("cross_val_predict", make(), X, y, cv=cv, method=method)
            return
        (ours, theirs), warned = both_record("cross_val_predict", make(), X, y, cv=cv, method=method)
        assert_close(ours, theirs, 1e-6)
        assert "Number of classes in training fold" in str(warned)

    def test_order_of_rows(self):
        X, y = data()
        cv = KFold(3, shuffle=True, random_state=0)
        both("cross_val_predict", make(), X, y, cv=cv, method="predict_proba")

    def test_errors(self):
        X, y = data()
        both_raise(lambda module: module.cross_val_predict(make(), X, y, cv=ShuffleSplit(2)))
        both_raise(lambda module: module.cross_val_predict(make(), X, y, method="nope"))
        both_raise(lambda module: module.cross_val_predict(make("regressor"), X, y, method="predict_proba"))
        both_raise(lambda module: module.cross_val_predict(make(alpha=-1.0), X, y))
        both_raise(lambda module: module.cross_val_predict(make("regressor", learning_rate_init=1e3), X, y))


class TestLearningCurve:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("train_sizes", [[0.4, 1.0], [30, 20, 56], np.array([0.5])])
    def test_sizes(self, kind, train_sizes):
        options = {"train_sizes": train_sizes, "cv": KFold(3), "scoring": SCORING[kind]}
        shuffle = {"shuffle": True, "random_state": 3} if kind == "regressor" else {}
        both("learning_curve", make(kind), *data(kind), **options, **shuffle)

    def test_sizes_that_are_equal(self):
        found, warned = both_record("learning_curve", make(), *data(), train_sizes=[0.5, 0.501, 1.0], cv=KFold(3))
        assert_close(*found, 1e-6)
        assert "Removed duplicate entries" in str(warned)

    def test_random_states_that_go_on(self):
        options = {"train_sizes": [0.5, 1.0], "cv": 3, "shuffle": True}
        found = [
            module.learning_curve(make(), *data(), **options, random_state=np.random.RandomState(0))
            for module in MODULES
        ]
        assert_close(*found, 1e-6)

    def test_times(self):
        found = [
            module.learning_curve(make(), *data(), train_sizes=[0.5, 1.0], cv=3, return_times=True)
            for module in MODULES
        ]
        assert_close(found[0][:3], found[1][:3], 1e-6)
        for times in found[0][3:]:
            assert times.shape == (2, 3)
            assert (times > 0).all()

    def test_pipelines_groups_and_weights(self):
        X, y = data()
        options = {"train_sizes": [0.5, 1.0], "cv": GroupKFold(3), "groups": np.arange(len(X)) % 5}
        both("learning_curve", pipeline(), X, y, **options)
        both("learning_curve", make(), X, y, **options, params={"sample_weight": uneven_weights()})

    def test_too_few_classes(self):
        X, y = data()
        order = np.argsort(y, kind="stable")
        options = {"train_sizes": [15, 56], "cv": KFold(3)}
        (ours, theirs), warned = both_record("learning_curve", make(batch_size=8), X[order], y[order], **options)
        assert_close(ours, theirs, 1e-6)
        assert np.isnan(ours[1]).any()
        assert np.isfinite(ours[1]).any()
        assert FitFailedWarning in {category for category, _ in warned}

    @pytest.mark.parametrize("train_sizes", [[0.0], [1.5], [10, 1000], [-3]])
    def test_bad_sizes(self, train_sizes):
        both_raise(lambda module: module.learning_curve(make(), *data(), train_sizes=train_sizes, cv=3))

    def test_one_epoch_for_each_part(self):
        X, y = data()
        options = {"exploit_incremental_learning": True, "train_sizes": [0.4, 1.0], "cv": 3}
        with single_fits() as fits:
            ours, _ = both("learning_curve", make(batch_size=10), X, y, **options, tol=None)
        assert len(fits) == 2 * 2 * 3
        plain = learning_curve(make(batch_size=10), X, y, cv=3, train_sizes=[0.4, 1.0])
        assert (ours[2] != plain[2]).any()
        both_raise(lambda module: module.learning_curve(make(solver="lbfgs"), X, y, **options))

    def test_displays_take_the_same_arguments(self):
        options = {"train_sizes": [0.5, 1.0], "cv": 3}
        display = LearningCurveDisplay.from_estimator(make(), *data(), **options)
        assert_close(learning_curve(make(), *data(), **options)[2], display.test_scores, 1e-6)


class TestValidationCurve:
    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("alpha", np.array([0.0, 0.05, 1.0])),
            ("penalty", ["l1", None, "hierarchical"]),
            ("hidden_layer_sizes", [(4,), (), (5, 3)]),
            ("max_iter", [1, 3]),
            ("early_stopping", [True, False]),
            ("solver", ["adam", "sgd", "lbfgs"]),
        ],
    )
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_parameters(self, name, values):
        kind = "regressor" if len(values) == 2 else "classifier"
        options = {"cv": 2, "scoring": SCORING[kind]}
        both("validation_curve", make(kind), *data(kind), param_name=name, param_range=values, **options)

    @pytest.mark.parametrize("kind", KINDS)
    def test_pipelines(self, kind):
        for name, values in ((f"{name_of(kind)}__alpha", [0.0, 0.1]), ("selectkbest__k", [2, 4])):
            options = {"param_name": name, "param_range": values, "scoring": SCORING[kind]}
            both("validation_curve", pipeline(kind), *data(kind), cv=3, **options)

    def test_a_step_is_the_parameter(self):
        options = {"param_name": name_of("classifier"), "param_range": [make(), make(penalty="l1", alpha=0.1)]}
        both("validation_curve", pipeline(), *data(), cv=2, **options)
        options = {"param_name": "standardscaler", "param_range": ["passthrough", StandardScaler(with_mean=False)]}
        both("validation_curve", pipeline(), *data(), cv=2, **options)

    def test_failures(self):
        options = {"param_name": "learning_rate_init", "param_range": [0.01, 1e20, 0.02], "cv": 3}
        ours, _ = both("validation_curve", make("regressor"), *data("regressor"), **options)
        assert np.isnan(ours[1]).all(axis=1).tolist() == [False, True, False]

    def test_errors(self):
        X, y = data()
        both_raise(lambda module: module.validation_curve(make(), X, y, param_name="nope", param_range=[1, 2]))
        both_raise(lambda module: module.validation_curve(make(), X, y, param_name="alpha", param_range=[]))
        both_raise(
            lambda module: module.validation_curve(
                make(), X, y, param_name="alpha", param_range=[0.1, -1.0], error_score="raise"
            )
        )

    def test_weights_and_groups(self):
        X, y = data()
        options = {"param_name": "alpha", "param_range": [0.0, 0.1], "cv": GroupKFold(3)}
        params = {"sample_weight": uneven_weights()}
        both("validation_curve", make(), X, y, **options, groups=np.arange(len(X)) % 5, params=params)


class TestState:
    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_left_changed(self, kind, global_state):
        X, y = data(kind)
        model = make(kind, random_state=np.random.RandomState(0))
        before = dict(vars(model)), model.random_state.get_state()
        config = sklearn.get_config()
        for name in ("cross_validate", "cross_val_score", "cross_val_predict"):
            both(name, model, X, y, cv=2)
        both("learning_curve", model, X, y, cv=2, train_sizes=[0.5])
        both("validation_curve", model, X, y, cv=2, param_name="alpha", param_range=[0.1])
        assert type(model) is KINDS[kind]
        assert vars(model) == before[0]
        np.testing.assert_equal(model.random_state.get_state(), before[1])
        assert sklearn.get_config() == config

    def test_parallel_and_verbose(self, capfd):
        X, y = data()
        expected = sklearn.model_selection.cross_val_score(make(), X, y, cv=2)
        for options in ({"n_jobs": 2}, {"verbose": 2}, {"pre_dispatch": 1}):
            np.testing.assert_array_equal(cross_val_score(make(), X, y, cv=2, **options), expected)
        assert capfd.readouterr().out.count("[CV] END") == 2


def test_torch_tensors():
    X, y = data("classifier")
    model = make("classifier", max_iter=5)
    assert cross_validate(model, torch.tensor(X), torch.tensor(y), cv=2)["test_score"].shape == (2,)
    tensors, arrays = (
        cross_val_predict(model, *rows, cv=2, method="predict_proba")
        for rows in ((torch.tensor(X), torch.tensor(y)), (X, y))
    )
    np.testing.assert_array_equal(tensors, arrays)
