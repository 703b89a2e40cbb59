"""Paths, the strengths they run over, and the estimators that choose one by cross-validation."""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import Lasso, LogisticRegression, lasso_path
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._warnings import give_warnings
from skreg.datasets import make_interactions
from skreg.model_selection import (
    RegularizationPathDisplay,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    alpha_max,
    regularization_path,
)
from skreg.model_selection._folds import PathFits, Problem
from skreg.model_selection._routines import run
from skreg.model_selection._strengths import Step, choose
from skreg.penalties import L1, MCP, SCAD, GroupLasso, Hierarchical, SparseGroupLasso, WeightedL1
from skreg.stopping import split_validation
from tests.helpers import covering, legend_texts

LINEAR = {
    "hidden_layer_sizes": (),
    "learning_rate": "cosine",
    "learning_rate_init": 0.2,
    "max_iter": 250,
    "random_state": 0,
}
DEEP = {
    "hidden_layer_sizes": (16,),
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 30,
    "batch_size": 100,
    "random_state": 0,
}
BRIEF = DEEP | {"max_iter": 8}  # where it does not matter how well a network has learnt


@pytest.fixture(scope="module")
def interactions():
    X, y = make_interactions(n_samples=200, n_features=15, random_state=0)
    return scale(X), y


@pytest.fixture(scope="module")
def classes():
    X, y = make_interactions(n_samples=200, n_features=15, task="classification", random_state=0)
    return scale(X), y


@pytest.fixture(scope="module")
def path(interactions):
    """Return a path from all features to hardly any."""
    return regularization_path(RegularizedMLPRegressor(**DEEP, penalty="group_lasso"), *interactions, alphas=12)


SELECTING = [
    "l1",
    "elasticnet",
    "group_lasso",
    "sparse_group_lasso",
    "hierarchical",
    "mcp",
    "scad",
    GroupLasso(groups=[list(range(7)), list(range(7, 20))]),
    SparseGroupLasso(l1_ratio=0.2, groups=[[0, 2], [1], list(range(3, 20))]),
    GroupLasso(groups="neurons"),
    WeightedL1(weights=np.linspace(0.5, 2, 20)),
]
ENDING = [*SELECTING[:5], GroupLasso(groups="neurons", group_weights=np.ones(16))]


def with_strength(model, alpha):
    is_string = isinstance(model.penalty, str)
    return clone(model).set_params(**{"alpha" if is_string else "penalty__alpha": alpha})


class TestAlphaMax:
    @pytest.mark.parametrize("penalty", SELECTING, ids=str)
    def test_all_weights_are_zero_there_and_not_below_without_hidden_layers(self, linear_problem, penalty):
        X, Y = linear_problem
        model = RegularizedMLPRegressor(**LINEAR, penalty=penalty)
        largest = alpha_max(model, X, Y)
        assert not with_strength(model, largest).fit(X, Y).coefs_[0].any()
        assert with_strength(model, 0.95 * largest).fit(X, Y).coefs_[0].any()

    @pytest.mark.parametrize(*covering(penalty=["l1", "group_lasso"], n_classes=[2, 3]))
    def test_classification_with_weights(self, linear_problem, penalty, n_classes):
        X, Y = linear_problem
        y = np.digitize(Y[:, 0], np.quantile(Y[:, 0], np.arange(1, n_classes) / n_classes))
        weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
        model = RegularizedMLPClassifier(**LINEAR, penalty=penalty)
        largest = alpha_max(model, X, y, sample_weight=weight)
        assert not with_strength(model, largest).fit(X, y, weight).coefs_[0].any()
        assert with_strength(model, 0.95 * largest).fit(X, y, weight).coefs_[0].any()

    def test_it_is_that_of_scikit_learns_lasso(self, linear_problem):
        X, Y = linear_problem
        expected = np.abs(X.T @ (Y[:, 0] - Y[:, 0].mean())).max() / len(X)
        assert alpha_max(RegularizedMLPRegressor((), penalty="l1"), X, Y[:, 0]) == pytest.approx(expected, rel=2e-3)
        sparse = alpha_max(RegularizedMLPRegressor((), penalty="l1"), scipy.sparse.csr_array(X), Y[:, 0])
        assert sparse == pytest.approx(expected, rel=2e-3)

    @pytest.mark.parametrize("penalty", ["hierarchical", Hierarchical(M=1.0), "group_lasso"], ids=str)
    def test_hidden_layers(self, interactions, penalty):
        X, y = interactions
        model = RegularizedMLPRegressor(**DEEP, penalty=penalty)
        largest = alpha_max(model, X, y)
        for factor in (1.0, 2.0):
            fitted = with_strength(model, factor * largest).fit(X, y)
            assert not fitted.coefs_[0].any()
            assert fitted.skip_coef_ is None or not fitted.skip_coef_.any()
        assert with_strength(model, 0.95 * largest).fit(X, y).coefs_[0].any()

    def test_constraints_count(self, linear_problem):
        X, Y = linear_problem
        model = RegularizedMLPRegressor(**LINEAR, penalty="l1", constraint="nonnegative")
        largest = alpha_max(model, X, -Y[:, 0])
        free = alpha_max(clone(model).set_params(constraint=None), X, -Y[:, 0])
        assert largest < free
        assert not with_strength(model, largest).fit(X, -Y[:, 0]).coefs_[0].any()
        assert with_strength(model, 0.95 * largest).fit(X, -Y[:, 0]).coefs_[0].any()

    @pytest.mark.parametrize("units", [(), (5,)])
    def test_constant_targets(self, interactions, units):
        with pytest.raises(ValueError, match="No feature has an effect on y"):
            alpha_max(RegularizedMLPRegressor(units, penalty="l1"), interactions[0], np.ones(200))

    @pytest.mark.parametrize("penalty", ["l2", None])
    def test_there_is_none_without_zeros(self, interactions, penalty):
        with pytest.raises(ValueError, match=r"penalty=?.*(got|Got).*(None|'l2')"):
            alpha_max(RegularizedMLPRegressor((), penalty=penalty), *interactions)


class TestPath:
    def test_the_lasso_path_is_scikit_learns(self, linear_problem):
        X, Y = linear_problem
        y = Y[:, 0] - Y[:, 0].mean()
        path = regularization_path(
            RegularizedMLPRegressor(**{**LINEAR, "max_iter": 400}, penalty="l1"), X, y, alphas=6, warm_max_iter=400
        )
        _, coefs, _ = lasso_path(X, y, alphas=path.alphas[::-1], tol=1e-12, max_iter=10**5)
        np.testing.assert_allclose(path.coefs[:, :, 0], coefs.T[::-1], atol=1e-5)
        np.testing.assert_array_equal(path.n_selected, (coefs.T[::-1] != 0).sum(axis=1))
        assert path.n_selected[-1] == 0
        assert path.n_selected[0] > 5
        assert (np.diff(path.scores) <= 1e-9).all()

    def test_it_goes_from_dense_to_sparse_and_finds_the_order(self, path):
        assert path.n_selected[0] == 15
        assert path.n_selected[-1] <= 2
        n_used = (path.importances > 0).sum(axis=0)
        assert set(np.argsort(-n_used)[:4]) <= set(range(5))
        assert path.frame()["n_selected"].tolist() == path.n_selected.tolist()
        assert [len(features) for features in path.selected] == path.n_selected.tolist()
        # What comes out is as it went in, but for the strength.
        parameters = path.estimators[7].get_params()
        expected = RegularizedMLPRegressor(**DEEP, penalty="group_lasso", alpha=path.alphas[7]).get_params()
        assert parameters == expected

    @pytest.mark.parametrize(
        ("penalty", "max_iter"),
        [
            *((penalty, 10) for penalty in ENDING),
            ("group_lasso", 30),
            *(pytest.param(penalty, 30, marks=pytest.mark.product) for penalty in ENDING if penalty != "group_lasso"),
        ],
        ids=str,
    )
    def test_an_automatic_grid_ends_with_few_features(self, interactions, penalty, max_iter):
        model = RegularizedMLPRegressor(**{**DEEP, "max_iter": max_iter}, penalty=penalty)
        path = regularization_path(model, *interactions, alphas=8)
        assert path.n_selected[0] > 7
        n_units = np.count_nonzero(path.coefs[-1].any(axis=0))
        assert min(path.n_selected[-1], n_units) <= 2

    def test_records_are_those_of_one_strength(self, path):
        for fitted in path.estimators:
            assert len(fitted.loss_curve_) == fitted.n_iter_ == len(fitted.history_["epoch"])
            assert fitted.best_loss_ == min(fitted.loss_curve_)

    @pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
    def test_early_stopping_holds_out_the_same_rows_all_along(self, interactions, random_state, monkeypatch):
        seen = []

        def recorded(*args, **options):
            seen.append(options["seed"])
            return split_validation(*args, **options)

        monkeypatch.setattr("skreg._estimator.base.split_validation", recorded)
        options = {**DEEP, "random_state": random_state, "early_stopping": True, "n_iter_no_change": np.inf}
        regularization_path(RegularizedMLPRegressor(**options, penalty="group_lasso"), *interactions, alphas=[0.1, 0.2])
        assert len(seen) >= 2  # more where a fit is made anew from scratch
        assert len(set(seen)) == 1

    def test_a_label_that_no_row_has(self, interactions):
        X, y = interactions
        labels = np.column_stack([y > 0, np.zeros(len(y))]).astype(int)
        path = regularization_path(
            RegularizedMLPClassifier(**DEEP, penalty="group_lasso"), X, labels, alphas=[0.01, 9.0]
        )
        assert np.isfinite(path.objectives).all()
        assert path.estimators[1].predict_proba(X)[:, 1].max() < 1e-3

    @pytest.mark.parametrize(
        "estimator", [Lasso(), RegularizedMLPRegressorCV(), make_pipeline(StandardScaler(), Lasso())]
    )
    def test_other_estimators(self, interactions, estimator):
        for function in (regularization_path, alpha_max):
            with pytest.raises(TypeError, match="'estimator' parameter must be a RegularizedMLP.*got"):
                function(estimator, *interactions)

    def test_bad_parameters_of_the_estimator(self, interactions):
        with pytest.raises(ValueError, match="'penalty' parameter of RegularizedMLPRegressor must be .* Got 'nope'"):
            regularization_path(RegularizedMLPRegressor(penalty="nope"), *interactions)

    def test_the_empty_end_is_the_best_constant(self, classes):
        X, y = classes
        model = RegularizedMLPClassifier(**DEEP, penalty="group_lasso")
        path = regularization_path(model, X, y, alphas=[0.01, 5.0, 10.0])
        share = y.mean()
        np.testing.assert_allclose(path.estimators[-1].predict_proba(X)[:, 1], share, atol=2e-3)
        entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
        assert path.objectives[-1] == pytest.approx(entropy, abs=1e-3)

    def test_directions(self, interactions):
        X, y = interactions
        model = RegularizedMLPRegressor(**DEEP, penalty="group_lasso")
        down = regularization_path(model, X, y, alphas=[0.01, 5.0, 10.0], direction="down")
        up = regularization_path(model, X, y, alphas=[0.01, 5.0, 10.0], direction="up")
        assert down.alphas.tolist() == up.alphas.tolist() == [0.01, 5.0, 10.0]
        assert up.n_selected[0] > 0 == up.n_selected[-1]
        # The first fit of either is cold.
        cold = with_strength(model, 10.0).fit(X, y)
        np.testing.assert_array_equal(down.coefs[-1], cold.coefs_[0])
        assert up.objectives[0] == with_strength(model, 0.01).fit(X, y).loss_

    def test_validation_rows_scorers_weights_and_names(self, interactions):
        X, y = interactions
        X = pd.DataFrame(X, columns=[f"f{j}" for j in range(15)])
        model = RegularizedMLPRegressor(**DEEP, penalty=GroupLasso())
        weight = np.r_[np.ones(150), np.zeros(50)]
        held_out = {"X_val": X[150:], "y_val": y[150:], "scoring": "neg_mean_squared_error"}
        path = regularization_path(model, X, y, alphas=[0.05, 0.5], sample_weight=weight, **held_out)
        fitted = path.estimators[0]
        assert path.scores[0] == pytest.approx(-np.mean((fitted.predict(X[150:]) - y[150:]) ** 2))
        assert set(path.selected[1]) <= set(X.columns)
        alone = regularization_path(model, X[:150], y[:150], alphas=[0.05, 0.5])
        np.testing.assert_allclose(path.coefs, alone.coefs, atol=1e-12)

    def test_penalties_without_zeros_have_a_path_too(self, interactions):
        path = regularization_path(RegularizedMLPRegressor(**DEEP, penalty="l2"), *interactions, alphas=5)
        norms = [np.linalg.norm(W) for W in path.coefs]
        assert norms[0] > 2 * norms[3] > 20 * norms[4]

    def test_progress_bar(self, interactions, bars, capsys):
        model = RegularizedMLPRegressor(**DEEP, penalty="l1")
        regularization_path(model, *interactions, alphas=[0.1, 1.0])
        assert (bars, capsys.readouterr().err) == ([], "")
        regularization_path(model, *interactions, alphas=[0.1, 1.0], verbose=True)
        ((_, n, total),) = bars
        assert n == total == 4  # two strengths, on the way up and back

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"alphas": [0.1, -1.0]}, r"'alphas' parameter must be .* positive numbers; got \[0\.1, -1\.0\]"),
            ({"alphas": [0.0]}, "positive numbers; got"),
            ({"alphas": []}, "positive numbers; got"),
            ({"alphas": [np.nan]}, "positive numbers; got"),
            ({"alphas": "many"}, "positive numbers; got 'many'"),
            ({"alphas": 1}, "'alphas' parameter must be at least 2 if it is an int; got 1"),
            ({"alphas": True}, "positive numbers; got True"),
            ({"eps": 1.0}, "'eps' parameter of regularization_path must be .* Got 1.0"),
            ({"direction": "left"}, "'direction' parameter .* Got 'left'"),
            ({"warm_max_iter": 0}, "'warm_max_iter' parameter .* Got 0"),
            ({"X_val": np.zeros((2, 15))}, "X_val and y_val must be given together"),
        ],
    )
    def test_bad_input(self, interactions, options, message):
        with pytest.raises(ValueError, match=message):
            regularization_path(RegularizedMLPRegressor(**DEEP, penalty="l1"), *interactions, **options)

    @pytest.mark.parametrize(
        ("penalty", "message"),
        [
            (None, "must be a penalty, for a choice of its strength; got None"),
            (L1(alpha=(1, 0)), "must be one number for a path"),
        ],
    )
    def test_penalties_without_one_strength(self, interactions, penalty, message):
        with pytest.raises(ValueError, match=message):
            regularization_path(RegularizedMLPRegressor(**DEEP, penalty=penalty), *interactions)

    def test_nothing_to_explain(self, interactions):
        X, _ = interactions
        with pytest.raises(ValueError, match="No feature has an effect on y"):
            regularization_path(RegularizedMLPRegressor(**DEEP, penalty="l1"), X, np.ones(len(X)))


class TestDisplay:
    def test_lines_are_the_norms(self, path):
        display = RegularizationPathDisplay(path).plot(highlight=[0, 1])
        assert len(display.lines_) == 15
        np.testing.assert_array_equal(display.lines_[3].get_ydata(), path.importances[:, 3])
        labels = legend_texts(display.ax_[0])
        assert labels == ["0", "1"]
        assert display.frame()["3"].tolist() == path.importances[:, 3].tolist()
        assert display.figure_ is display.ax_[1].figure
        with pytest.raises(ValueError, match="'highlight' parameter must hold features of the path; got 99"):
            display.plot(highlight=[99])

    def test_from_estimator_into_given_axes(self, interactions):
        figure, ax = plt.subplots(2)
        X = pd.DataFrame(interactions[0]).add_prefix("f")
        display = RegularizationPathDisplay.from_estimator(
            RegularizedMLPRegressor(**DEEP, penalty="l1"), X, interactions[1], alphas=[0.01, 0.1], ax=ax
        )
        assert display.figure_ is figure
        assert len(display.ax_[0].get_legend().get_texts()) == 8
        assert legend_texts(display.ax_[0])[0].startswith("f")


def choice(scores, selection):
    return choose(np.array(scores, dtype=float), selection)


class TestChoice:
    def test_best_takes_the_largest_strength_among_equals(self):
        assert choice([[1, 3, 3, 2], [1, 3, 3, 2]], "best") == 2

    def test_one_standard_error(self):
        # Means 4, 3.5, 2, 1; the standard error of the best is sd(3, 5) / sqrt(2) = 1.
        assert choice([[3, 3.5, 2, 1], [5, 3.5, 2, 1]], "one_se") == 1
        assert choice([[4, 3.5, 2, 1], [4, 3.5, 2, 1]], "one_se") == 0


class TestCV:
    def test_alpha_is_the_argmax_of_a_search_by_hand(self, linear_problem):
        """Without hidden layers the path does not matter, so scikit-learn's lasso gives the same scores."""
        X, Y = linear_problem
        y = Y[:, 0]
        alphas = np.array([0.001, 0.01, 0.05, 0.3])
        folds = KFold(3, shuffle=True, random_state=0)
        model = RegularizedMLPRegressorCV(
            **LINEAR, penalty="l1", alphas=alphas, cv=folds, scoring="neg_mean_squared_error"
        ).fit(X, y)
        expected = [
            [-np.mean((Lasso(alpha=a, tol=1e-10).fit(X[tr], y[tr]).predict(X[te]) - y[te]) ** 2) for a in alphas]
            for tr, te in folds.split(X)
        ]
        np.testing.assert_allclose(model.scores_path_, expected, rtol=1e-4, atol=1e-4)
        assert model.alpha_ == alphas[np.argmax(np.mean(expected, axis=0))]
        lasso = Lasso(alpha=model.alpha_, tol=1e-12).fit(X, y)
        np.testing.assert_allclose(model.coefs_[0][:, 0], lasso.coef_, atol=1e-4)
        assert model.best_score_ == model.scores_path_.mean(axis=0).max()

    def test_relax_without_hidden_layers_is_unpenalized_regression_on_the_selected(self, linear_problem):
        X, Y = linear_problem
        y = Y[:, 0]
        folds = KFold(3, shuffle=True, random_state=0)
        model = RegularizedMLPRegressorCV(
            **LINEAR, penalty="group_lasso", alphas=[0.1, 0.3], cv=folds, relax=True, scoring="r2"
        ).fit(X, y)
        used = model.selected_features_
        design = np.column_stack([X[:, used], np.ones(len(X))])
        expected = np.linalg.lstsq(design, y, rcond=None)[0]
        np.testing.assert_allclose(model.coefs_[0][used, 0], expected[:-1], atol=1e-4)
        assert model.coefs_[0].shape == (20, 1)
        assert 0 < len(used) < 20
        # Scores are those of such regressions, too.
        train, test = next(folds.split(X))
        for i, alpha in enumerate((0.1, 0.3)):
            there = np.flatnonzero(Lasso(alpha=alpha, tol=1e-10).fit(X[train], y[train]).coef_)
            A, B = (np.column_stack([X[rows][:, there], np.ones(len(rows))]) for rows in (train, test))
            prediction = B @ np.linalg.lstsq(A, y[train], rcond=None)[0]
            r2 = 1 - np.sum((y[test] - prediction) ** 2) / np.sum((y[test] - y[test].mean()) ** 2)
            assert model.scores_path_[0, i] == pytest.approx(r2, abs=1e-4)

    def test_adaptive_without_hidden_layers_is_the_adaptive_lasso(self, linear_problem):
        X, Y = linear_problem
        y = Y[:, 0]
        folds = KFold(3, shuffle=True, random_state=0)
        model = RegularizedMLPRegressorCV(
            **LINEAR, penalty="group_lasso", alphas=[0.02, 0.2], cv=folds, adaptive=True
        ).fit(X, y)
        first = Lasso(alpha=model.first_alpha_, tol=1e-12, max_iter=10**5).fit(X, y).coef_
        kept = np.flatnonzero(first)
        weight = np.abs(first).max() / np.abs(first[kept])
        second = Lasso(alpha=model.alpha_, tol=1e-12, max_iter=10**5).fit(X[:, kept] / weight, y)
        np.testing.assert_allclose(model.coefs_[0][kept, 0], second.coef_ / weight, atol=1e-5)
        assert set(model.selected_features_) <= set(kept)

    def test_a_downward_path_that_is_cut_ends_with_the_chosen_strength(self, linear_problem):
        X, Y = linear_problem
        alphas = np.geomspace(0.02, 1.5, 9)
        model = RegularizedMLPRegressorCV(**{**LINEAR, "max_iter": 50}, penalty="group_lasso", alphas=alphas)
        problem = Problem(model._plain_estimator(), np.arange(20))
        steps = [Step(8)]
        for k in range(7, -1, -1):
            steps.append(Step(k, steps[-1]))
        whole = PathFits(problem, X, Y, None, alphas, direction="auto")
        for step in steps:
            run(whole.fit([step]))
        for step in (steps[0], steps[6], steps[8]):
            chosen = model._fit_all(problem, X, Y, None, alphas, step, give_warnings)
            assert chosen.alpha == alphas[step.strength]
            np.testing.assert_array_equal(chosen.coefs_[0], whole.models[step].coefs_[0])

    def test_what_an_earlier_fit_has_left_is_gone(self, classes):
        X, y = classes
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=[0.01, 0.1], cv=2).fit(X, y)
        pruned = model.prune()
        assert not hasattr(pruned.fit(X, y), "pruning_")
        model.set_params(refit=False).fit(X[:, :5], y)
        with pytest.raises(NotFittedError):
            model.predict(X[:, :5])

    def test_rows_without_weight_are_not_there(self, classes):
        X, y = classes
        names = np.array(["no", "yes"])[y]
        names[0] = "never"
        weight = np.ones(len(y))
        weight[0] = 0
        splits = list(StratifiedKFold(3).split(X, y))
        options = {**DEEP, "alphas": [0.01, 0.1], "cv": splits}
        model = RegularizedMLPClassifierCV(**options).fit(X, names, sample_weight=weight)
        without = [tuple(rows[rows > 0] - 1 for rows in split) for split in splits]
        alone = RegularizedMLPClassifierCV(**{**options, "cv": without}).fit(X[1:], y[1:])
        assert np.isfinite(model.scores_path_).all()
        # The third class is known, but its probability goes to nothing.
        np.testing.assert_allclose(model.scores_path_, alone.scores_path_, atol=0.1)
        with pytest.raises(ValueError, match="A fold from cv=.* has no row with positive weight"):
            RegularizedMLPClassifierCV(**{**DEEP, "cv": KFold(5)}).fit(X, y, sample_weight=np.arange(len(y)) >= 40)

    def test_scores_that_are_no_numbers(self, classes):
        X, y = classes
        order = np.argsort(y, kind="stable")
        only_one_class = [(np.arange(50, 200), np.arange(50)), (np.arange(50, 200), np.arange(50))]
        model = RegularizedMLPClassifierCV(**DEEP, alphas=[0.01, 0.1], cv=only_one_class, scoring=lambda *_: np.nan)
        with pytest.raises(ValueError, match="'scoring' must return a finite number for every fold .* got nan"):
            model.fit(X[order], y[order])

    @pytest.mark.parametrize("scoring", ["max_error", lambda model, X, y: 0.0])
    def test_a_scorer_without_weights_is_refused_before_training(self, interactions, scoring):
        model = RegularizedMLPRegressorCV(**DEEP, scoring="neg_max_error" if scoring == "max_error" else scoring)
        with pytest.raises(ValueError, match="must be a scorer that accepts sample_weight if fit .*; got"):
            model.fit(*interactions, sample_weight=np.ones(200))

    def test_weighted_l1_with_hidden_layers(self, interactions):
        model = RegularizedMLPRegressorCV(**DEEP, penalty=WeightedL1(), adaptive=True, alphas=4, cv=2)
        assert {0, 3} <= set(model.fit(*interactions).selected_features_)

    def test_an_instance_of_random_state_is_advanced(self, classes):
        model = RegularizedMLPClassifierCV(
            **{**BRIEF, "random_state": np.random.RandomState(0)}, alphas=[0.01, 0.1], cv=2
        )
        first = model.fit(*classes).scores_path_
        assert not np.array_equal(first, model.fit(*classes).scores_path_)

    @pytest.mark.parametrize("task", ["regression", "classification"])
    def test_the_features_that_matter_are_found(self, task):
        """The benchmark has 200 features; the best alpha alone, without further stages, keeps more."""
        X, y = make_interactions(n_samples=500, n_features=25, task=task, random_state=1)
        X_test, y_test = make_interactions(2000, n_features=25, task=task, random_state=2)
        options = {**DEEP, "cv": 3, "alphas": 6, "eps": 1e-2}
        if task == "regression":
            kind, plain = RegularizedMLPRegressorCV, RegularizedMLPRegressor
        else:
            kind, plain = RegularizedMLPClassifierCV, RegularizedMLPClassifier
        model = kind(**options, adaptive=True, relax=True, selection="one_se").fit(X, y)
        found = set(model.selected_features_.tolist())
        n_right = len(found & set(range(5)))
        assert 2 * n_right / (len(found) + 5) >= 0.88
        oracle = plain(**DEEP, penalty="l2", alpha=(0, 1e-3)).fit(X[:, :5], y)
        assert model.score(X_test, y_test) >= oracle.score(X_test[:, :5], y_test) - 0.03
        assert len(kind(**DEEP, alphas=4, cv=2).fit(X, y).selected_features_) > len(found)
        # The later stages see only what the first has kept, and the fit takes all columns.
        assert model.coefs_[0].shape == (25, 16)
        assert model.prune().predict(X_test).shape == y_test.shape

    def test_groups_of_features(self, interactions):
        X, y = interactions
        groups = [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9], [10, 11], [12, 13, 14]]
        model = RegularizedMLPRegressorCV(
            **DEEP, penalty=GroupLasso(groups=groups), alphas=4, cv=2, adaptive=True, relax=True
        ).fit(X, y)
        found = set(model.selected_features_.tolist())
        assert {0, 2, 3} <= found
        assert all(found >= set(group) or not found & set(group) for group in groups)

    @pytest.mark.parametrize(
        "penalty", ["hierarchical", "sparse_group_lasso", "mcp", SCAD(), MCP(gamma=2), "l2"], ids=str
    )
    def test_every_penalty(self, interactions, penalty):
        X, y = interactions
        relax = penalty != "l2"
        model = RegularizedMLPRegressorCV(**DEEP, penalty=penalty, alphas=3, cv=2, relax=relax).fit(X, y)
        assert model.score(X, y) > 0.5
        assert model.scores_path_.shape == model.n_selected_path_.shape == (2, 3)

    def test_frames_pipelines_sparse_and_weights(self, classes):
        X, y = classes
        names = np.array([f"f{j}" for j in range(15)], dtype=object)
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=[0.01, 0.1], cv=2, relax=True)
        in_frame = clone(model).fit(pd.DataFrame(X, columns=names), y)
        plain = clone(model).fit(X, y)
        assert in_frame.selected_features_.tolist() == names[plain.selected_features_].tolist()
        assert in_frame.feature_names_in_.tolist() == names.tolist()
        sparse = clone(model).fit(scipy.sparse.csr_array(X), y)
        np.testing.assert_allclose(sparse.scores_path_, plain.scores_path_, atol=1e-8)
        in_pipeline = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
        np.testing.assert_allclose(in_pipeline.predict_proba(X), plain.predict_proba(X), atol=1e-6)
        weighted = clone(model).fit(X, y, sample_weight=np.ones(len(y)))
        np.testing.assert_allclose(weighted.scores_path_, plain.scores_path_, atol=1e-6)
        lists = clone(model).fit(X.tolist(), y.tolist())
        np.testing.assert_allclose(lists.scores_path_, plain.scores_path_, atol=1e-12)

    def test_folds_in_parallel_are_the_same(self, classes):
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=3, cv=2)
        serial, parallel = clone(model).fit(*classes), clone(model).set_params(n_jobs=2).fit(*classes)
        # Two folds together, or each in a thread of its own: other matrix products, so rounding differs.
        np.testing.assert_allclose(serial.scores_path_, parallel.scores_path_, rtol=1e-12)

    def test_splits_given_as_an_iterable(self, classes):
        X, y = classes
        splits = list(GroupKFold(2).split(X, y, np.arange(len(y)) % 4))
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=3, cv=splits, scoring="roc_auc").fit(X, y)
        assert model.scores_path_.shape == (2, 3)
        assert 0.5 < model.best_score_ <= 1

    def test_the_loss_is_the_default_score(self, classes):
        X, y = classes
        splits = list(StratifiedKFold(2).split(X, y))
        options = {**LINEAR, "penalty": "l1", "alphas": [0.02, 0.1], "cv": splits}
        model = RegularizedMLPClassifierCV(**options).fit(X, y)
        train, test = splits[0]
        solver = LogisticRegression(C=1 / (100 * 0.02), l1_ratio=1, solver="saga", tol=1e-8, max_iter=10**5)
        probability = solver.fit(X[train], y[train]).predict_proba(X[test])[np.arange(100), y[test]]
        assert model.scores_path_[0, 0] == pytest.approx(np.mean(np.log(probability)), abs=1e-4)

    def test_multilabel_and_several_outputs(self, interactions):
        X, y = interactions
        labels = np.column_stack([y > 0, X[:, 0] > 0]).astype(int)
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=[0.01, 0.1], cv=2, relax=True).fit(X, labels)
        assert model.score(X, labels) > 0.5
        outputs = np.column_stack([y, X[:, 0]])
        model = RegularizedMLPRegressorCV(**BRIEF, alphas=[0.01, 0.1], cv=2, penalty="hierarchical").fit(X, outputs)
        assert model.skip_coef_.shape == (15, 2)

    def test_without_refit_there_is_a_choice_and_no_network(self, classes):
        X, y = classes
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=3, cv=2, refit=False).fit(X, y)
        assert model.alpha_ in model.alphas_
        with pytest.raises(NotFittedError):
            model.predict(X)

    def test_selectors(self, classes):
        X, y = classes
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=6, cv=2, relax=True)
        selector = SelectFromModel(model, threshold=1e-10).fit(X, y)
        np.testing.assert_array_equal(selector.get_support(indices=True), selector.estimator_.selected_features_)
        plain = RegularizedMLPClassifier(**BRIEF, penalty="group_lasso", alpha=0.05)
        assert RFE(plain, n_features_to_select=4, step=5).fit(X, y).support_.sum() == 4

    @pytest.mark.parametrize("options", [{}, {"relax": True}, {"adaptive": True}], ids=["plain", "relax", "adaptive"])
    def test_progress_bar(self, classes, options, bars, capsys):
        model = RegularizedMLPClassifierCV(**BRIEF, alphas=[0.01, 0.1], cv=2, **options)
        model.fit(*classes)
        assert (bars, capsys.readouterr().err) == ([], "")
        model.set_params(verbose=True).fit(*classes)
        assert bars
        assert all(n == total >= 4 for _, n, total in bars)  # two strengths on two folds

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"alphas": [-1.0, 1.0]}, "'alphas' parameter must be .* positive numbers; got"),
            ({"alphas": [0.0]}, "positive numbers"),
            ({"alphas": 1}, "'alphas' parameter of RegularizedMLPClassifierCV must be"),
            ({"selection": "worst"}, "'selection' parameter .* Got 'worst'"),
            ({"scoring": "nice"}, "'scoring' parameter .* Got 'nice'"),
            ({"relax": True, "penalty": "l2"}, "relax=True needs a penalty that selects features; got penalty='l2'"),
            (
                {"relax": True, "penalty": GroupLasso(groups="neurons")},
                "relax=True needs a penalty that selects features",
            ),
            ({"adaptive": True, "penalty": "hierarchical"}, "adaptive=True needs a penalty with weights"),
            ({"adaptive": True, "penalty": GroupLasso(groups="neurons")}, "adaptive=True needs a penalty with weights"),
            ({"penalty": None}, "must be a penalty, for a choice of its strength; got None"),
            ({"cv": KFold(2)}, r"training rows of every fold must hold all 2 classes; those of fold 1 .*only \[0\]"),
            ({"cv": [(np.arange(150), np.arange(150, 200))], "selection": "one_se"}, "needs at least 2 folds; got 1"),
        ],
    )
    def test_bad_input_changes_nothing(self, classes, options, message):
        X, y = classes
        order = np.argsort(y, kind="stable")
        model = RegularizedMLPClassifierCV(**{**DEEP, "alphas": 3, "cv": 2, **options})
        before = vars(model).copy()
        with pytest.raises(ValueError, match=message):
            model.fit(X[order], y[order])
        assert vars(model) == before


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # there is little to find
class TestContractOfTheCVEstimators:
    """What they have in common with the estimators that they choose a strength for, and what they cannot have."""

    X = np.random.default_rng(0).normal(size=(90, 4))
    y = (X[:, 0] > 0).astype(int)
    options: ClassVar[dict] = {"hidden_layer_sizes": (5,), "alphas": [1e-3, 1e-1], "max_iter": 10, "random_state": 0}

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_groups_stay_together(self):
        groups = np.repeat(np.arange(30), 3)
        routed = RegularizedMLPClassifierCV(**self.options, cv=GroupKFold(3))
        model = clone(routed).fit(self.X, self.y, groups=groups)
        by_hand = RegularizedMLPClassifierCV(**self.options, cv=list(GroupKFold(3).split(self.X, self.y, groups)))
        np.testing.assert_array_equal(model.scores_path_, by_hand.fit(self.X, self.y).scores_path_)
        with pytest.raises(
            ValueError, match=r"'cv' parameter, GroupKFold.*needs the group of each row: fit\(X, y, groups"
        ):
            clone(routed).fit(self.X, self.y)
        with config_context(enable_metadata_routing=True):
            assert routed.get_metadata_routing().fit.requests["groups"] is True

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_a_subclass_may_set_parameters_that_its_constructor_does_not_take(self):
        class Small(RegularizedMLPClassifierCV):
            def __init__(self, cv=2):
                super().__init__(**TestContractOfTheCVEstimators.options, penalty="l1", dropout=0.1, cv=cv)

        own = Small().fit(self.X, self.y)
        plain = RegularizedMLPClassifierCV(**self.options, penalty="l1", dropout=0.1, cv=2).fit(self.X, self.y)
        assert own.coefs_[0].shape == (4, 5)
        np.testing.assert_array_equal(own.predict_proba(self.X), plain.predict_proba(self.X))
        assert own._as_fitted().get_params() == plain._as_fitted().get_params()

    def test_errors_do_not_name_the_other_class(self):
        with pytest.raises(ValueError, match="^A classifier needs rows .* of at least 2 classes; got 1 class"):
            RegularizedMLPClassifierCV(**self.options).fit(self.X, np.zeros(90))

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_balanced_classes_count_in_fits(self):
        y = (self.X[:, 0] > 1.3).astype(int)
        options = self.options | {"max_iter": 50, "learning_rate_init": 0.01, "cv": 2}
        plain, balanced = (
            RegularizedMLPClassifierCV(**options, class_weight=weight).fit(self.X, y) for weight in (None, "balanced")
        )
        assert balanced.predict_proba(self.X)[:, 1].mean() > plain.predict_proba(self.X)[:, 1].mean() + 0.1

    def test_no_training_to_go_on_with(self):
        model = RegularizedMLPClassifierCV()
        assert not any(hasattr(model, name) for name in ("partial_fit", "save_checkpoint", "load_checkpoint"))

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_callbacks_hear_of_folds(self):
        tasks = []

        class Recorder:
            def setup(self, estimator, context):
                pass

            def teardown(self, estimator, context):
                tasks.append("teardown")

            def on_fit_task_begin(self, estimator, context):
                tasks.append(context.task_name)

            def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
                if fitted_estimator is not None:
                    fitted_estimator.predict(TestContractOfTheCVEstimators.X)

        model = RegularizedMLPClassifierCV(**self.options, cv=3).set_callbacks(Recorder()).fit(self.X, self.y)
        assert tasks == ["fit", "fold", "fold", "fold", "teardown"]
        assert not hasattr(model, "_callback_fit_ctx")

    def test_early_stopping_is_that_of_the_fits(self):
        options = self.options | {"early_stopping": True, "n_iter_no_change": np.inf}
        stopping = RegularizedMLPClassifierCV(**options).fit(self.X, self.y)
        assert len(stopping.history_["valid_loss"]) == stopping.n_iter_
        assert stopping.best_loss_ is None
        assert "valid_loss" not in stopping.set_params(early_stopping=False).fit(self.X, self.y).history_

    def test_splitters_of_early_stopping(self):
        splitter = GroupShuffleSplit(1)
        with pytest.raises(
            ValueError, match=r"(?s)The 'early_stopping' parameter, GroupShuffleSplit.* needs the group of"
        ):
            RegularizedMLPClassifierCV(**self.options, early_stopping=splitter).fit(self.X, self.y)
        model = RegularizedMLPClassifier((), penalty="l1", early_stopping=splitter)
        for function in (regularization_path, alpha_max):
            with pytest.raises(ValueError, match="The 'early_stopping' parameter must be a bool for a path"):
                function(model, self.X, self.y)
