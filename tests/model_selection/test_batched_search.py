"""Searches that train all candidates and folds together find what scikit-learn's find one by one."""

import pickle
from itertools import cycle

import numpy as np
import pytest
import sklearn.model_selection
from scipy.stats import ks_2samp
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.model_selection import KFold, PredefinedSplit, StratifiedKFold

from skreg.constraints import MaxNorm, Nonnegative
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from skreg.network.activation import ACTIVATIONS
from skreg.penalties import L1, L2, MCP, SCAD, ElasticNet, GroupLasso, Hierarchical, SparseGroupLasso, WeightedL1
from tests.helpers import KINDS, LogCosh, SquaredHinge
from tests.search_helpers import (
    N_ROWS,
    SCORING,
    WEIGHTED_SCORING,
    assert_same_fit,
    both,
    both_searches,
    data,
    make,
    single_fits,
    uneven_weights,
)

# Training is short. What warnings there are is compared elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PENALTIES = ["l1", "l2", "elasticnet", "group_lasso", "sparse_group_lasso", "hierarchical", "mcp", "scad"]
FEATURE_GROUPS = [[0, 3], [1], [2, 4, 5]]

# Options of the network, and the grid.
CASES = {
    "alpha": ({}, {"alpha": [0.0, 0.01, 1.0]}),
    "alpha of l1": ({"penalty": "l1"}, {"alpha": [0.0, 0.05]}),
    "alpha of each layer": ({"penalty": "group_lasso"}, {"alpha": [[0.1, 0.0], (0.0, 0.1), 0.05]}),
    "l1_ratio": ({"penalty": "elasticnet", "alpha": 0.1}, {"l1_ratio": [0.0, 0.5, 1.0]}),
    "l1_ratio of groups": ({"penalty": "sparse_group_lasso"}, {"alpha": [0.0, 0.1], "l1_ratio": [0.1, 0.9]}),
    "learning_rate_init": ({}, {"learning_rate_init": [0.001, 0.05]}),
    "weight_decay": ({}, {"weight_decay": [0.0, 0.5, 5.0]}),
    "penalty": ({}, [{"penalty": PENALTIES, "alpha": [0.05]}, {"penalty": [None]}]),
    "penalty with sgd": ({"solver": "sgd"}, [{"penalty": PENALTIES, "alpha": [0.1]}, {"penalty": [None]}]),
    "penalty with batch normalization": (
        {"normalization": "batch"},
        {"penalty": ["l1", "l2"], "alpha": [(0.0, 0.1), (0.0, 0.5)]},
    ),
    "objects": (
        {},
        {
            "penalty": [
                L1(),
                L2(),
                ElasticNet(l1_ratio=0.2),
                GroupLasso(groups=FEATURE_GROUPS),
                SparseGroupLasso(groups=FEATURE_GROUPS),
                MCP(gamma=2.5),
                SCAD(),
                WeightedL1(weights=np.linspace(0.5, 2, 6)),
            ],
            "penalty__alpha": [0.1],
        },
    ),
    "M": ({"penalty": Hierarchical(alpha=0.05)}, {"penalty__M": [0.5, 10.0]}),
    "gamma": ({"penalty": MCP(alpha=0.1)}, {"penalty__gamma": [2.0, 5.0]}),
    "groups": ({"penalty": GroupLasso(alpha=0.1)}, {"penalty__groups": ["features", "neurons", FEATURE_GROUPS]}),
    "hidden_layer_sizes": ({}, {"hidden_layer_sizes": [(), (5,), 8, (6, 4)]}),
    "hidden_layer_sizes with a penalty": (
        {"penalty": "hierarchical"},
        {"hidden_layer_sizes": [(5,), (6, 4)], "alpha": [0.02, 0.2]},
    ),
    "batch_size": ({}, {"batch_size": [1, 7, 16, "auto"]}),
    "max_iter": ({}, {"max_iter": [1, 3, 6]}),
    "max_iter with a schedule": ({"learning_rate": "cosine"}, {"max_iter": [2, 5]}),
    "solver": ({}, {"solver": ["adam", "sgd"]}),
    "momentum": ({"solver": "sgd"}, {"momentum": [0.0, 0.9], "nesterovs_momentum": [True, False]}),
    "adam": ({}, [{"beta_1": [0.0, 0.9]}, {"beta_2": [0.9, 0.99]}, {"epsilon": [1e-4, 1e-2]}]),
    "learning_rate": (
        {"tol": 0.02, "n_iter_no_change": 1, "max_iter": 8, "learning_rate_init": 0.1},
        {"learning_rate": ["constant", "invscaling", "adaptive", "cosine"], "solver": ["sgd", "adam"]},
    ),
    "power_t": ({"learning_rate": "invscaling", "solver": "sgd"}, {"power_t": [0.1, 0.5]}),
    "normalization": ({"penalty": None}, {"normalization": [None, "batch", "layer"]}),
    # 42 and 43 rows: two batches, the second of which takes the one row that is left over.
    "normalization with a row left over": ({"penalty": None, "normalization": "batch"}, {"batch_size": [14, 21]}),
    "constraint": (
        {},
        {"constraint": [None, "max_norm", "nonnegative", MaxNorm(0.5), [Nonnegative(), None], ["max_norm", None]]},
    ),
    "max_value": ({"constraint": MaxNorm(1.0)}, {"constraint__max_value": [0.3, 0.6]}),
    "constraint and penalty": (
        {"constraint": "nonnegative"},
        {"penalty": ["l1", "l2", "mcp"], "alpha": [0.0, 0.1]},
    ),
    "activation": ({}, {"activation": sorted(ACTIVATIONS)}),
    "shuffle": ({}, {"shuffle": [True, False]}),
    "random_state": ({}, {"random_state": [0, 1, 2]}),
    "plateau": (
        {"tol": 0.05, "max_iter": 15, "learning_rate_init": 0.05},
        {"n_iter_no_change": [1, 2], "alpha": [0, 1.0]},
    ),
    "tol": ({"n_iter_no_change": 1, "max_iter": 15}, {"tol": [0.0, 0.03, 0.5]}),
    "early_stopping": (
        {"max_iter": 25, "batch_size": 3, "learning_rate_init": 0.05, "n_iter_no_change": 1},
        {"early_stopping": [True, False], "alpha": [0.0, 0.5]},
    ),
    "validation_fraction": ({"early_stopping": True}, {"validation_fraction": [0.1, 0.4]}),
    "one parameter of one value": ({}, {"alpha": [0.1]}),
    "no parameter": ({}, {}),
}
OWN_CASES = {
    "classifier": {
        "label_smoothing": ({}, {"label_smoothing": [0.0, 0.2]}),
        "class_weight": ({}, {"class_weight": [None, "balanced", {0: 5.0}, {1: 0.5, 2: 3}, {0: 0}]}),
        "class_weight and early_stopping": ({"early_stopping": True}, {"class_weight": ["balanced", {0: 5.0}]}),
    },
    "regressor": {
        "loss": ({}, {"loss": ["squared_error", "absolute_error", "huber", "quantile"]}),
        "quantile": ({"loss": "quantile"}, {"quantile": [0.1, 0.5, 0.9]}),
        "delta": ({"loss": "huber"}, {"delta": [0.1, 2.0]}),
    },
}


OWN_LOSSES = {"classifier": SquaredHinge(), "regressor": LogCosh()}


# The two estimators share all code that most of these act in, so they take turns.
FOR_BOTH = {"penalty", "hidden_layer_sizes"}
TURNS = [
    *((kind, name) for i, name in enumerate(CASES) for j, kind in enumerate(KINDS) if name in FOR_BOTH or i % 2 == j),
    *((kind, name) for kind, cases in OWN_CASES.items() for name in cases),
]


class TestScores:
    @pytest.mark.parametrize(("kind", "name"), TURNS)
    def test_parameters(self, kind, name):
        options, grid = (CASES | OWN_CASES[kind])[name]
        both_searches(make(kind, **options), grid, *data(kind), cv=2, scoring=SCORING[kind], refit=False, n_single=0)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("batch_size", [14, 28])
    def test_folds_of_unequal_size(self, kind, batch_size):
        # 56, 57 and 57 rows: with some of the sizes one batch more in some folds.
        model = make(kind, batch_size=batch_size, learning_rate="cosine", penalty="l1")
        both_searches(model, {"alpha": [0.0, 0.1]}, *data(kind), cv=KFold(3), scoring=SCORING[kind], refit=False)

    @pytest.mark.parametrize(
        ("kind", "learning_rate", "normalization", "fit"),
        [
            ("classifier", "invscaling", None, {}),
            ("regressor", "adaptive", "batch", {}),
            ("classifier", "constant", "batch", {"sample_weight": uneven_weights()}),
            ("regressor", "constant", "batch", {"sample_weight": uneven_weights()}),
        ],
    )
    def test_folds_of_very_unequal_size(self, kind, learning_rate, normalization, fit):
        fold = np.repeat([-1, 0, 1, 2], [5, 50, 20, 10])
        model = make(
            kind,
            solver="sgd",
            learning_rate=learning_rate,
            normalization=normalization,
            n_iter_no_change=1,
            tol=0.05,
            max_iter=8,
        )
        cv = PredefinedSplit(np.random.default_rng(0).permutation(fold))
        grid = {"batch_size": [8, 17]}
        scoring = WEIGHTED_SCORING[kind] if fit else SCORING[kind]
        both_searches(model, grid, *data(kind), cv=cv, scoring=scoring, refit=False, fit=fit)

    @pytest.mark.parametrize("kind", KINDS)
    def test_default_scores_and_training_scores(self, kind):
        both_searches(make(kind), {"alpha": [0.0, 0.1]}, *data(kind), cv=3, return_train_score=True)

    @pytest.mark.parametrize("kind", KINDS)
    def test_single_precision(self, kind):
        X, y = data(kind)
        scoring = SCORING[kind]
        ours, _ = both_searches(
            make(kind), {"penalty": ["l1", "hierarchical"], "alpha": [0.0, 0.1]}, X.astype(np.float32), y, cv=3,
            scoring=scoring, tol=1e-4,
        )  # fmt: skip
        assert ours.best_estimator_.coefs_[0].dtype == np.float32

    @pytest.mark.parametrize(
        ("kind", "options"),
        [("classifier", {}), ("regressor", {"early_stopping": True}), ("regressor", {"normalization": "layer"})],
    )
    def test_weights_of_rows(self, kind, options):
        both_searches(
            make(kind, **options),
            {"weight_decay": [0.0, 1.0]},
            *data(kind),
            fit={"sample_weight": uneven_weights()},
            cv=3,
            scoring=WEIGHTED_SCORING[kind],
            refit=False,
        )

    @pytest.mark.parametrize("options", [{}, {"normalization": "batch", "penalty": None}, {"penalty": "hierarchical"}])
    def test_a_single_network(self, options):
        split = [(np.arange(60), np.arange(60, N_ROWS))]
        fit = {"sample_weight": uneven_weights()}
        options = {"early_stopping": True, **options}
        both_searches(make(**options), {}, *data(), cv=split, fit=fit, scoring="neg_log_loss", refit=False, n_single=0)

    def test_weights_of_rows_and_classes(self):
        grid = {"class_weight": ["balanced", {0: 3.0}], "early_stopping": [True, False]}
        both_searches(
            make(), grid, *data(), fit={"sample_weight": uneven_weights()}, cv=2, scoring="neg_log_loss", refit=False
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_own_loss(self, kind):
        scoring = "roc_auc_ovr" if kind == "classifier" else SCORING[kind]
        grid = {"alpha": [0.0, 0.1], "loss": [OWN_LOSSES[kind]]}
        both_searches(make(kind), grid, *data(kind), cv=2, scoring=scoring, refit=False)

    @pytest.mark.parametrize("labels", [["no", "yes"], [False, True]])
    def test_two_classes(self, labels):
        X, y = data(n_classes=2)
        y = np.array(labels)[y]
        grid = {"early_stopping": [True, False], "class_weight": [None, "balanced"]}
        ours, _ = both_searches(make(), grid, X, y, cv=2, scoring=["roc_auc", "neg_log_loss"], refit="roc_auc")
        assert ours.classes_.tolist() == labels

    @pytest.mark.parametrize("options", [{"early_stopping": True}, {"label_smoothing": 0.1}])
    def test_several_labels(self, options):
        X, y = make_multilabel_classification(N_ROWS, 6, n_classes=3, random_state=0)
        weights = [{0: 1.0, 1: 3.0}, {}, {0: 2.0}]
        grid = {"class_weight": [None, "balanced", weights]}
        both_searches(make(**options), grid, X / 5, y, cv=2, scoring=["accuracy", "roc_auc"], refit=False)

    @pytest.mark.parametrize("options", [{"early_stopping": True}, {"penalty": "hierarchical"}])
    def test_several_targets(self, options):
        X, y = data("regressor")
        Y = np.column_stack([y, X[:, 0], -y + X[:, 1]])
        grid = {"alpha": [0.0, 0.1], "loss": ["squared_error", "huber"]}
        both_searches(make("regressor", **options), grid, X, Y, cv=2, scoring=SCORING["regressor"], refit=False)

    @pytest.mark.parametrize("loss", ["poisson", "gamma"])
    def test_positive_targets(self, loss):
        X, y = data("regressor")
        y = np.exp(y) if loss == "gamma" else np.round(np.exp(y))
        both_searches(make("regressor", loss=loss), {"alpha": [0.0, 0.1]}, X, y, cv=2, refit=False)

    def test_several_quantiles(self):
        grid = {"quantile": [[0.1, 0.9], (0.2, 0.5, 0.8), 0.5], "alpha": [0.0, 0.1]}
        both_searches(make("regressor", loss="quantile"), grid, *data("regressor"), cv=2, refit=False)

    def test_numbers_of_outputs_that_differ_between_folds(self):
        X, y = data()
        cv = PredefinedSplit(np.where(y == 2, 0, np.arange(N_ROWS) % 2 + 1))
        both_searches(make(), {"alpha": [0.0, 0.1]}, X, y, cv=cv, refit=False)

    def test_equal_candidates_share_their_rank(self):
        grid = {"penalty": [None], "verbose": [0, False], "power_t": [0.1, 0.2]}
        ours, _ = both_searches(make(), grid, *data(), cv=3, scoring="neg_log_loss", refit=False)
        assert ours.cv_results_["rank_test_score"].tolist() == [1] * 4

    def test_objects_of_the_grid_are_left_alone(self):
        penalties = [L1(), GroupLasso()]
        both_searches(make(), {"penalty": penalties, "penalty__alpha": [0.5]}, *data(), cv=2)
        assert [vars(penalty) for penalty in penalties] == [vars(L1()), vars(GroupLasso())]


STOPS_BY_ITSELF = {"max_iter": 25, "batch_size": 3, "learning_rate_init": 0.05, "n_iter_no_change": 1}
MEMBERS = {
    "l1": {"penalty": "l1", "alpha": 0.05},
    "hierarchical": {"penalty": "hierarchical", "alpha": 0.05, "hidden_layer_sizes": (6, 4)},
    "groups": {"penalty": GroupLasso(alpha=0.1, groups=FEATURE_GROUPS), "learning_rate": "cosine"},
    "batch normalization": {"normalization": "batch", "penalty": None, "solver": "sgd"},
    "layer normalization": {"normalization": "layer", "penalty": None, "weight_decay": 0.5},
    "no hidden layer": {"constraint": "max_norm", "hidden_layer_sizes": ()},
    "batches differ": {"shuffle": False, "batch_size": 28},
    "early": {"early_stopping": True, **STOPS_BY_ITSELF},
    "early, normalized": {
        "early_stopping": True,
        **STOPS_BY_ITSELF,
        "solver": "sgd",
        "normalization": "batch",
        "penalty": None,
    },
    "early, cosine": {"early_stopping": True, **STOPS_BY_ITSELF, "learning_rate": "cosine", "penalty": "mcp"},
    "early, adaptive": {
        "early_stopping": True,
        **STOPS_BY_ITSELF,
        "learning_rate": "adaptive",
        "tol": 0.02,
        "max_iter": 40,
    },
    "plateau": {"tol": 0.02, **STOPS_BY_ITSELF},
    "plateau, adaptive": {"tol": 0.02, **STOPS_BY_ITSELF, "learning_rate": "adaptive", "solver": "sgd"},
}


class TestFits:
    @pytest.mark.parametrize(("kind", "name"), list(zip(cycle(KINDS), MEMBERS, strict=False)))
    def test_estimators_of_folds(self, kind, name):
        options = MEMBERS[name]
        ours, theirs = both(
            "cross_validate",
            make(kind, **options),
            *data(kind),
            cv=KFold(3),
            return_estimator=True,
            scoring=SCORING[kind],
        )  # which compares all fitted attributes
        if "n_iter_no_change" in options:  # folds end, or the rates of an adaptive schedule fall, at different times
            assert len({(model.n_iter_, *model.history_["lr"]) for model in theirs["estimator"]}) > 1
        X, _ = data(kind)
        for mine, one in zip(ours["estimator"], theirs["estimator"], strict=True):
            np.testing.assert_allclose(mine.predict(X), one.predict(X), rtol=1e-6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_weighted(self, kind):
        options = {"early_stopping": True} | ({"class_weight": "balanced"} if kind == "classifier" else {})
        params = {"sample_weight": uneven_weights()}
        both("cross_validate", make(kind, **options), *data(kind), cv=3, params=params, return_estimator=True)

    def test_several_labels_and_two_classes(self):
        X, labels = make_multilabel_classification(N_ROWS, 6, n_classes=3, random_state=0)
        for y in (labels, labels[:, 0], np.array(["no", "yes"])[labels[:, 0]]):
            both("cross_validate", make(early_stopping=True), X / 5, y, cv=2, return_estimator=True)

    def test_several_targets(self):
        X, y = data("regressor")
        both("cross_validate", make("regressor"), X, np.column_stack([y, X[:, 0]]), cv=2, return_estimator=True)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("early_stopping", [True, False])
    def test_training_goes_on(self, kind, early_stopping, tmp_path):
        X, y = data(kind)
        model = make(kind, penalty="l1", alpha=0.01, early_stopping=early_stopping)
        ours, theirs = both("cross_validate", model, X, y, cv=2, return_estimator=True)
        # Like a pickle, it has the weights, but not the moments of the solver.
        mine, one = ours["estimator"][0], pickle.loads(pickle.dumps(theirs["estimator"][0]))
        assert_same_fit(mine.partial_fit(X, y), one.partial_fit(X, y))
        mine, one = ours["estimator"][1].set_params(warm_start=True), theirs["estimator"][1]
        assert_same_fit(mine.fit(X, y), one.set_params(warm_start=True).fit(X, y))
        mine = cross_validate(model, X, y, cv=2, return_estimator=True)["estimator"][0]
        with pytest.raises(ValueError, match="trained together with others"):
            mine.save_checkpoint(tmp_path / "fit.npz")

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_best_is_that_of_a_plain_fit(self, kind):
        X, y = data(kind)
        grid = {"penalty": ["l1", "hierarchical"], "hidden_layer_sizes": [(5,), (8, 3)]}
        search = GridSearchCV(make(kind, early_stopping=True), grid, cv=2).fit(X, y)
        best = search.best_estimator_
        assert type(best) is KINDS[kind]
        assert_same_fit(best, make(kind, early_stopping=True).set_params(**search.best_params_).fit(X, y), tol=None)
        assert search.score(X, y) == best.score(X, y)
        np.testing.assert_array_equal(search.predict(X), best.predict(X))
        assert search.n_features_in_ == 6


class TestRandomRegularizers:
    @pytest.mark.parametrize("kind", KINDS)
    def test_members_differ_and_repeat(self, kind):
        grid = {
            "dropout": [0.2, 0.5, [0.5]],
            "input_dropout": [0.0, 0.2],
            "random_state": [0, 1],
        }
        found = [
            GridSearchCV(make(kind), grid, cv=3, scoring=SCORING[kind], refit=False).fit(*data(kind)).cv_results_
            for _ in range(2)
        ]
        for name in ("mean_test_score", "split0_test_score"):
            np.testing.assert_array_equal(*(results[name] for results in found))
        scores = found[0]["mean_test_score"]
        assert np.isfinite(scores).all()
        # Candidates of 0.5 and [0.5] are the same up to what is drawn, all others differ.
        rates = np.array([str(params["dropout"]) for params in found[0]["params"]])
        assert len(set(scores[rates != "[0.5]"])) == (rates != "[0.5]").sum()

    @pytest.mark.parametrize("kind", KINDS)
    def test_members_without_are_the_same_as_ever(self, kind):
        X, y = data(kind)
        grid = {"dropout": [0.0, 0.3], "alpha": [0.0, 0.1]}
        options = {"cv": 3, "scoring": SCORING[kind], "refit": False}
        together = GridSearchCV(make(kind), grid, **options).fit(X, y).cv_results_
        alone = sklearn.model_selection.GridSearchCV(make(kind), {"alpha": [0.0, 0.1]}, **options).fit(X, y)
        np.testing.assert_allclose(together["mean_test_score"][::2], alone.cv_results_["mean_test_score"], rtol=1e-6)

    @pytest.mark.parametrize("options", [{"dropout": 0.3}, {"input_dropout": 0.6}], ids=str)
    def test_scores_are_distributed_as_those_of_single_fits(self, options):
        X, y = load_digits(return_X_y=True)
        X, y = X[:360] / 16, y[:360]
        train, test = next(StratifiedKFold(3).split(X, y))
        model = make(hidden_layer_sizes=(16, 16), max_iter=6, batch_size=20, learning_rate_init=0.01)
        scoring = {"accuracy": "accuracy", "log_loss": "neg_log_loss"}

        def batched(**options):
            grid = {"random_state": list(range(20))}
            search = GridSearchCV(
                clone(model).set_params(**options), grid, cv=[(train, test)], scoring=scoring, refit=False
            )
            return search.fit(X, y).cv_results_

        single = [
            sklearn.model_selection.cross_validate(
                clone(model).set_params(**options, random_state=seed), X, y, cv=[(train, test)], scoring=scoring
            )
            for seed in range(100, 120)
        ]
        found, without = batched(**options), batched()
        for name in scoring:
            expected = np.concatenate([scores[f"test_{name}"] for scores in single])
            assert ks_2samp(found[f"mean_test_{name}"], expected).pvalue > 0.01
        # The test is able to tell: without dropout scores are others.
        assert ks_2samp(without["mean_test_log_loss"], expected).pvalue < 0.01

    def test_early_stopping_and_several_layers(self):
        grid = {"dropout": [[0.2, 0.0], [0.0, 0.4], 0.1], "early_stopping": [True]}
        model = make(hidden_layer_sizes=(8, 6), n_iter_no_change=1, max_iter=10)
        results = GridSearchCV(model, grid, cv=3, scoring="neg_log_loss").fit(*data()).cv_results_
        assert np.isfinite(results["mean_test_score"]).all()
        assert len(set(results["mean_test_score"])) == 3


class TestItIsBatched:
    def test_the_refit_is_not(self):
        with single_fits() as fits:
            GridSearchCV(make(), {"alpha": [0.0, 0.1]}, cv=2).fit(*data())
        assert len(fits) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_weights_losses_and_dropout(self, kind):
        grid = {"loss": [OWN_LOSSES[kind]], "dropout": [0.0, 0.2], "early_stopping": [False, True]}
        with single_fits() as fits:
            GridSearchCV(make(kind), grid, cv=3, refit=False).fit(*data(kind), sample_weight=uneven_weights())
        assert len(fits) == 0

    def test_functions(self):
        X, y = data()
        with single_fits() as fits:
            cross_validate(make(), X, y, cv=3, return_estimator=True)
            cross_val_score(make(), X, y, cv=3)
            cross_val_predict(make(), X, y, cv=3, method="predict_proba")
            learning_curve(make(), X, y, cv=3, train_sizes=[0.5, 1.0])
            validation_curve(make(), X, y, cv=3, param_name="alpha", param_range=[0.0, 0.1])
            RandomizedSearchCV(make(), {"alpha": [0.0, 0.1, 0.2]}, n_iter=2, cv=3, refit=False).fit(X, y)
        assert len(fits) == 0
