"""Paths that are never worse than fits from scratch, and what is said where nothing is found."""

import re
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._warnings import give_warnings
from skreg.datasets import make_interactions
from skreg.model_selection import (
    GridSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    regularization_path,
)
from skreg.model_selection._alphas import NullModel, is_empty, with_alpha
from skreg.model_selection._folds import PathFits, PathScores, Problem, strengths_from_scratch
from skreg.model_selection._routines import run
from skreg.model_selection._strengths import Step
from skreg.model_selection._warm_fits import WarmFits, look_back, objective_at, objective_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (12,), "batch_size": 40, "random_state": 0}
COSINE = SMALL | {"learning_rate": "cosine", "learning_rate_init": 0.02, "max_iter": 40}
NETWORKS = [
    COSINE,
    SMALL | {"learning_rate_init": 0.01, "max_iter": 60},
    COSINE | {"activation": "tanh"},
    SMALL | {"solver": "sgd", "learning_rate_init": 0.05, "max_iter": 50},
    COSINE | {"hidden_layer_sizes": (12, 6)},
    SMALL | {"max_iter": 50},  # hardly trained
]
PENALTIES = ["group_lasso", "sparse_group_lasso", "hierarchical", "group_lasso", "l1"]

# Every network occurs in these, and every penalty with every kind of data; fits without the rules fail in some of them.
COVERING = {1, 4, 8, 9, 12, 14, 17, 18, 21, 22, 25, 26}


def problem(number):
    """Return data and a network, whose kinds follow from a number."""
    rng = np.random.default_rng(number)
    n_rows, n_columns = int(rng.integers(60, 100)), int(rng.integers(10, 16))
    if number % 3 == 0:
        X, y = make_interactions(n_rows, n_columns, task="regression", random_state=number)
    elif number % 3 == 1:
        X, y = make_friedman1(n_rows, n_columns, noise=2, random_state=number)
    else:
        X, y = make_classification(n_rows, n_columns, n_informative=5, flip_y=0.2, random_state=number)
    kind = RegularizedMLPClassifier if number % 3 == 2 else RegularizedMLPRegressor
    network = kind(**NETWORKS[number % len(NETWORKS)], penalty=PENALTIES[number % len(PENALTIES)])
    return scale(X), y if number % 3 == 2 else scale(y), network


@pytest.mark.parametrize(
    "number", [n if n in COVERING else pytest.param(n, marks=pytest.mark.product) for n in range(30)]
)
def test_no_objective_is_above_that_of_a_fit_from_scratch(number):
    X, y, network = problem(number)
    path = regularization_path(network, X, y, alphas=5, eps=1e-2)
    scratch = [objective_of(with_alpha(network, alpha).fit(X, y)) for alpha in path.alphas]
    loss_of_constant = NullModel.of(network, X, y).loss
    allowed = 1e-3 * loss_of_constant
    assert (np.array([objective_of(model) for model in path.estimators]) <= np.array(scratch) + allowed).all()
    assert all(path.n_selected[k] for k, value in enumerate(scratch) if value < loss_of_constant - allowed)


@pytest.fixture(scope="module")
def noisy():
    """Rows where short fits along a path end above the loss of the best constant."""
    X, y = make_classification(6300, 29, n_informative=8, n_redundant=0, flip_y=0.3, class_sep=0.6, random_state=0)
    X = scale(X)
    return X[:600], y[:600], X[1300:], y[1300:]


@pytest.fixture(scope="module")
def chosen(noisy):
    X, y, _, _ = noisy
    folds = list(StratifiedKFold(3).split(X, y))
    options = SMALL | {"batch_size": 200, "max_iter": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return RegularizedMLPClassifierCV(**options, alphas=12, cv=folds).fit(X, y), options, folds


def test_a_path_comes_back_from_fits_that_are_worse_than_a_constant(noisy, chosen):
    _, _, X_test, y_test = noisy
    model, _, _ = chosen
    assert model.selected_features_.size
    assert model.score(X_test, y_test) > 0.65
    # No fold gives up while others find features.
    assert (model.n_selected_path_.max(axis=0) == 0).argmax() - (model.n_selected_path_.min(axis=0) == 0).argmax() <= 3


def test_the_choice_is_not_below_that_of_a_search(noisy, chosen):
    X, y, _, _ = noisy
    model, options, folds = chosen
    network = RegularizedMLPClassifier(**options, penalty="group_lasso")
    search = GridSearchCV(network, {"alpha": model.alphas_}, cv=folds, scoring="neg_log_loss").fit(X, y)
    of_search = np.array([search.cv_results_[f"split{i}_test_score"][search.best_index_] for i in range(3)])
    of_path = model.scores_path_[:, np.searchsorted(model.alphas_, model.alpha_)]
    assert model.best_score_ == pytest.approx(of_path.mean())
    assert of_path.mean() >= of_search.mean() - of_search.std(ddof=1) / np.sqrt(3)


class TestRules:
    X, y = (scale(part) for part in make_friedman1(100, 8, noise=1, random_state=0))
    network = RegularizedMLPRegressor(**COSINE, penalty="group_lasso")

    def fits(self, penalty="group_lasso"):
        network = RegularizedMLPRegressor(**COSINE, penalty=penalty)
        return WarmFits(network, self.X, self.y, None, NullModel.of(network, self.X, self.y))

    @pytest.mark.parametrize("penalty", ["group_lasso", "l1", "hierarchical"])
    def test_after_the_null_model_there_is_no_feature(self, penalty):
        fits = self.fits(penalty)
        models = [run(fits.fit(alpha)) for alpha in (0.01, 30.0, 60.0)]
        assert [is_empty(model) for model in models] == [False, True, True]
        for model in models[1:]:
            assert objective_of(model) == pytest.approx(fits.null.loss, rel=1e-6)
            np.testing.assert_allclose(model.predict(self.X), self.y.mean(), atol=1e-9)
            assert model.get_params() == with_alpha(fits.estimator, model.penalty_.alpha).get_params()

    @pytest.mark.parametrize("scratch_is_empty", [False, True])
    def test_a_null_model_is_left_unless_a_fit_from_scratch_is_empty(self, scratch_is_empty):
        fits = self.fits()
        run(fits.fit(0.05))
        fits.last.coefs_ = [np.zeros_like(W) for W in fits.last.coefs_]
        fits.empty_from = 0.055 if scratch_is_empty else 0.065
        assert is_empty(run(fits.fit(0.06))) == scratch_is_empty

    def test_what_weights_cost_elsewhere(self):
        model = with_alpha(self.network, 0.02).fit(self.X, self.y)
        assert objective_at(model, 0.02) == pytest.approx(objective_of(model), rel=1e-12)
        norms = np.linalg.norm(model.coefs_[0], axis=1).sum()
        assert objective_at(model, 0.05) - objective_at(model, 0.02) == pytest.approx(0.03 * norms, rel=1e-9)

    def test_looking_back_mends_a_fit_that_lags(self):
        fits = self.fits()
        alphas = np.array([0.01, 0.02, 0.04])
        models = [with_alpha(self.network, alpha).fit(self.X, self.y) for alpha in alphas]
        models[1] = with_alpha(self.network, 0.02).set_params(max_iter=1).fit(self.X, self.y)
        steps = []
        mended = run(look_back(fits, models, alphas, lambda: steps.append(1)))
        assert len(steps) == 3
        assert mended[0] is models[0]
        assert objective_of(mended[1]) < objective_of(with_alpha(self.network, 0.02).fit(self.X, self.y)) + 1e-3
        assert mended[1].get_params() == with_alpha(self.network, 0.02).get_params()

    def test_a_path_until_a_strength_ends_there(self):
        alphas = np.geomspace(0.01, 0.1, 4)
        problem = Problem(self.network, np.arange(8))
        steps = [Step(0)]
        for k in range(1, 4):
            steps.append(Step(k, steps[-1]))
        whole, part = (PathFits(problem, self.X, self.y, None, alphas, direction="auto") for _ in range(2))
        for step in steps:
            run(whole.fit([step]))
        for step in steps[1].chain:
            run(part.fit([step]))
        assert len(part.models) == 2
        np.testing.assert_array_equal(part.models[steps[1]].coefs_[0], whole.models[steps[1]].coefs_[0])


class TestFromScratch:
    def test_which_strengths(self):
        alphas = np.geomspace(1e-3, 1, 30)
        tried = strengths_from_scratch(RegularizedMLPRegressor(), alphas, "auto")
        assert tried[-1] == 29
        assert 7 <= len(tried) <= 8
        assert (np.diff(np.log(alphas[tried])) >= np.log(2.5) - 1e-12).all()
        assert len(strengths_from_scratch(RegularizedMLPRegressor(), np.geomspace(1e-3, 1, 12), "auto")) == 12
        for estimator, direction in ((RegularizedMLPRegressor(()), "auto"), (RegularizedMLPRegressor(), "down")):
            assert not len(strengths_from_scratch(estimator, alphas, direction))

    def test_the_better_of_both_counts(self):
        path = [Step(0)]
        path += [Step(1, path[0]), Step(2, path[0])]
        scratch = [Step(1), Step(2)]
        scores = np.array([[0.1, 0.2, 0.3, 0.3, 0.1], [0.1, 0.2, 0.3, 0.2, 0.9]])
        numbers = np.array([[3, 2, 1, 5, 4]] * 2)
        found = PathScores(np.array([0.1, 0.2, 0.3]), [*path, *scratch], scores, numbers)
        steps, merged, n_selected = found.by_strength()
        assert steps == [path[0], scratch[0], scratch[1]]
        np.testing.assert_array_equal(merged, [[0.1, 0.3, 0.1], [0.1, 0.2, 0.9]])
        assert n_selected.tolist() == [[3, 5, 4]] * 2

    def test_a_choice_from_scratch_is_refitted_from_scratch(self):
        X, y = TestRules.X, TestRules.y
        model = RegularizedMLPRegressorCV(**COSINE, alphas=[0.001, 0.02, 9.0], cv=2).fit(X, y)
        problem = Problem(with_alpha(TestRules.network, 1.0), np.arange(8))
        refitted = model._refit(problem, X, y, None, Step(1), give_warnings)
        np.testing.assert_array_equal(refitted.coefs_[0], with_alpha(TestRules.network, 0.02).fit(X, y).coefs_[0])


class TestWarnings:
    X, y = TestRules.X, TestRules.y

    def test_nothing_is_found(self):
        y = np.random.default_rng(0).normal(size=100)
        with pytest.warns(
            UserWarning, match=r"No feature is selected at alpha_=.*: all predictions are the same.*alphas"
        ):
            model = RegularizedMLPRegressorCV(**COSINE, alphas=4, cv=2).fit(self.X, y)
        assert np.ptp(model.predict(self.X)) == 0

    def test_predictions_that_are_all_the_same(self):
        # The first layer is used, and the second one is not.
        model = RegularizedMLPRegressorCV(**COSINE, penalty="l2", alphas=[1e-4, 1e-3], cv=2).fit(self.X, self.y)
        assert not model._is_constant(self.X)
        model.coefs_[-1] = np.zeros_like(model.coefs_[-1])
        assert re.match("All predictions are the same at alpha_=", model._choice_messages(self.X)[0][0])

    @pytest.mark.parametrize(("best", "words"), [(0, "weakest.* a weaker"), (1, None), (2, "strongest.* a stronger")])
    def test_a_strength_at_the_edge(self, best, words):
        options = COSINE | {"penalty": "l2", "alphas": [1e-6, 1e-3, 1e-2], "selection": "one_se", "cv": 2}
        model = RegularizedMLPRegressorCV(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(self.X, self.y)
        # What counts is the best mean, whatever 'one_se' has chosen.
        model.scores_path_ = np.tile(np.eye(3)[best], (2, 1))
        expected = [] if words is None else [f"The best alpha, .*, is the {words} one may be better. Give alphas that"]
        found = [text for text, _ in model._choice_messages(self.X)]
        assert all(re.match(words, text) for words, text in zip(expected, found, strict=True))

    def test_sorted_rows_are_not_taken_for_constant_predictions(self):
        X = np.repeat([[0.0], [1.0]], [1100, 300], axis=0)
        options = COSINE | {"batch_size": 350, "max_iter": 10}
        model = RegularizedMLPRegressorCV(**options, alphas=[1e-4, 1e-3], cv=2).fit(X, X[:, 0])
        assert not model._is_constant(X)

    def test_the_edge_of_an_automatic_grid(self):
        with pytest.warns(UserWarning, match="Give a smaller eps, or alphas that reach further; got alphas=3"):
            RegularizedMLPRegressorCV(**COSINE, alphas=3, eps=0.1, cv=2).fit(self.X, self.y)

    def test_none_where_all_is_well(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            RegularizedMLPRegressorCV(**COSINE, alphas=[1e-6, 0.02, 9.0], cv=2).fit(self.X, self.y)
