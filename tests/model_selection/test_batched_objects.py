"""Users' own losses, penalties, transformers and warnings, in searches that train networks together."""

import functools
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.model_selection import GridSearchCV
from skreg.penalties import L1, L2
from tests.search_helpers import both_raise, both_searches, data, make


class HuberModule(torch.nn.Module):
    """A loss with a number that neither its repr nor its public attributes of strings show."""

    def __init__(self, delta):
        super().__init__()
        self.delta = delta

    def forward(self, y_true, y_pred):
        return torch.nn.functional.huber_loss(y_pred, y_true, reduction="none", delta=self.delta).sum(dim=1)


class HuberObject:
    def __init__(self, delta):
        self.delta = delta

    def __repr__(self):
        return "HuberObject()"

    def __call__(self, y_true, y_pred):
        return HuberModule(self.delta)(y_true, y_pred)


def weighted_squares(y_true, y_pred, weights):
    return ((y_pred - y_true) ** 2).sum(dim=1) * weights.mean()


class PositiveL1(L1):
    def prox(self, W, step, alpha):
        return super().prox(W, step, alpha).clamp_min(0)


class SteepL2(L2):
    def gradient(self, W, alpha):
        return 1000 * alpha * W


@pytest.mark.parametrize(
    "losses",
    [
        [HuberModule(0.1), HuberModule(10.0)],
        [HuberObject(0.1), HuberObject(10.0)],
        [functools.partial(weighted_squares, weights=torch.full((2000,), w)) for w in (1.0, 3.0)],
        [lambda t, z: (z - t).square().sum(dim=1), lambda t, z: (z - t).abs().sum(dim=1)],
    ],
    ids=["modules", "objects", "partials", "lambdas"],
)
def test_every_member_has_its_own_loss(losses):
    X, y = data("regressor")
    both_searches(make("regressor"), {"loss": losses, "alpha": [0.0, 0.1]}, X, y, cv=2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_members_with_and_without_early_stopping_on_the_same_rows():
    X, y = data("regressor")
    model = make("regressor", max_iter=20, n_iter_no_change=2, learning_rate_init=0.1)
    fit = {"X_val": X[:20], "y_val": y[:20]}
    both_searches(model, {"early_stopping": [False, True]}, X, y, fit=fit, cv=2)


@pytest.mark.parametrize("kind", [PositiveL1, SteepL2])
def test_penalties_of_a_users_class(kind):
    X, y = data("regressor")
    both_searches(make("regressor", penalty=kind(0.1)), {"penalty__alpha": [0.01, 0.1]}, X, y, cv=2)


def test_a_subclass_is_not_passed_by_with_the_shortcuts_of_its_base():
    X, y = data("regressor")
    model = make("regressor", penalty=PositiveL1(0.01)).fit(X, y)
    assert min(W.min() for W in model.coefs_) == 0
    steep, plain = (make("regressor", penalty=kind(0.001)).fit(X, y) for kind in (SteepL2, L2))
    assert np.abs(steep.coefs_[0]).sum() < 0.9 * np.abs(plain.coefs_[0]).sum()


def test_classes_that_cannot_be_pickled():
    class Local(L1):
        pass

    X, y = data()
    both_searches(make(penalty=Local(0.1)), {"random_state": [0, 1], "penalty__alpha": [0.0, 0.1]}, X, y, cv=2)


@pytest.mark.parametrize(
    ("steps", "grid"),
    [
        ([("s", StandardScaler(copy=False))], {"s__with_mean": [True, False], "n__alpha": [0.01, 0.1]}),
        ([("s", StandardScaler()), ("b", Normalizer(copy=False))], {"b__norm": ["l1", "l2"]}),
        ([("s", StandardScaler(copy=False))], {"s": ["passthrough", StandardScaler(copy=False)]}),
    ],
)
def test_transformers_that_write_into_what_they_are_given(steps, grid):
    X, y = data()
    # Without a refit, which would write into the rows that both searches get.
    both_searches(Pipeline([*steps, ("n", make())]), grid, 3 * X + 2, y, cv=2, refit=False)


class HoldsLock(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.lock_ = threading.Lock()
        return self

    def transform(self, X):
        return 2 * X


def test_transformers_that_cannot_be_copied_or_hashed():
    X, y = data()
    for step in (HoldsLock(), FunctionTransformer(lambda Z: np.multiply(Z, 2, out=Z))):
        both_searches(Pipeline([("t", step), ("n", make())]), {"n__alpha": [0.0, 0.1, 1.0]}, X, y, cv=2, refit=False)


def test_one_search_in_several_threads():
    X, y = data()
    search = GridSearchCV(make(), {"alpha": [0.0, 0.1], "dropout": [0.0, 0.2]}, cv=2)
    expected = clone(search).fit(X, y)
    with ThreadPoolExecutor(3) as pool:
        for fitted in pool.map(lambda _: search.fit(X, y), range(3)):
            assert fitted is search
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    assert set(vars(search)) == set(vars(expected))


class OddWarning(UserWarning):
    def __init__(self, *, number):
        super().__init__(f"number {number}")
        self.number = number


class Warns(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        warnings.warn(OddWarning(number=5), stacklevel=2)
        return self

    def transform(self, X):
        return X


def test_warnings_of_an_unusual_class():
    X, y = data()
    search = GridSearchCV(Pipeline([("w", Warns()), ("n", make())]), {"n__alpha": [0.0, 0.1]}, cv=2)
    with pytest.warns(OddWarning) as caught:
        search.fit(X, y)
    odd = [item.message for item in caught if item.category is OddWarning]
    assert len(odd) == 3  # of each fold, whose transformer serves both candidates, and of the refit
    assert all(item.number == 5 for item in odd)


@pytest.mark.parametrize("grid", [[("alpha", [1])], [1, 2], 3])
def test_grids_that_are_none(grid):
    X, y = data()
    both_raise(lambda module: module.GridSearchCV(RegularizedMLPClassifier(), grid).fit(X, y))


def test_regressors_with_two_kinds_of_loss():
    X, y = data("regressor")
    grid = {"loss": ["squared_error", "huber", "quantile"], "alpha": [0.0, 0.1]}
    ours, _ = both_searches(RegularizedMLPRegressor(**make("regressor").get_params()), grid, X, y, cv=2)
    assert len(ours.cv_results_["params"]) == 6
