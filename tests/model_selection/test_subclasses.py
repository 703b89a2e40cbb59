"""Subclasses of the user whose constructor takes fewer parameters, or whose `fit` has other arguments."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPRegressor
from skreg.inspection import compare_regularizers, default_regularizers
from skreg.model_selection import alpha_max, regularization_path
from skreg.penalties import L1
from tests.helpers import assert_same_bits

# The fits of a subclass with a `fit` of its own warn by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:.*Training reached max_iter")
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X[:, 0] + 0.1 * X[:, 1]
OPTIONS = {"max_iter": 4, "learning_rate_init": 0.05, "random_state": 0, "n_iter_no_change": np.inf}
ALPHAS = [0.01, 0.1, 1.0]


class OfOneParameter(RegularizedMLPRegressor):
    """Takes the strength alone, and sets the rest."""

    def __init__(self, alpha=None):
        super().__init__((3,), alpha=alpha, penalty="group_lasso", **OPTIONS)


class WithAnObject(RegularizedMLPRegressor):
    """Takes a penalty object under its name, and no strength of its own beside."""

    def __init__(self, penalty=None, alpha=None):
        super().__init__((3,), penalty=penalty, alpha=alpha, **OPTIONS)


class OfTheComparison(RegularizedMLPRegressor):
    """Takes what the default set varies."""

    def __init__(self, penalty="l2", alpha=None, dropout=0.0, early_stopping=False):
        given = {"penalty": penalty, "alpha": alpha, "dropout": dropout, "early_stopping": early_stopping}
        super().__init__((3,), **given, **OPTIONS | {"n_iter_no_change": 2})


class OtherOrder(RegularizedMLPRegressor):
    """Takes the weights by name only, and remembers their sums."""

    sums = ()

    def fit(self, X, y, *, sample_weight=None):
        type(self).sums += (None if sample_weight is None else float(np.sum(sample_weight)),)
        return super().fit(X, y, sample_weight)


class WithoutWeights(RegularizedMLPRegressor):
    """Takes no weights."""

    def fit(self, X, y):
        return super().fit(X, y)


def plain(penalty, **parameters):
    return RegularizedMLPRegressor((3,), penalty=penalty, **OPTIONS, **parameters)


@pytest.mark.parametrize(
    ("own", "same"),
    [(OfOneParameter(), plain("group_lasso")), (WithAnObject(L1()), plain(L1())), (WithAnObject("l1"), plain("l1"))],
    ids=["alpha alone", "object", "string"],
)
@pytest.mark.parametrize("direction", ["up", "down"])
def test_paths_do_with_the_parameters_that_a_constructor_takes(own, same, direction):
    paths = [regularization_path(model, X, Y, alphas=ALPHAS, direction=direction) for model in (own, same)]
    for first, second in zip(*(path.estimators for path in paths), strict=True):
        assert_same_bits(first, second)
        assert type(first) is type(own)
        assert [getattr(first, name) for name in ("max_iter", "warm_start", "learning_rate", "alpha")] == [
            getattr(second, name) for name in ("max_iter", "warm_start", "learning_rate", "alpha")
        ]
        np.testing.assert_array_equal(first.history_["epoch"], second.history_["epoch"])


def test_grids_and_ends_of_grids_do_so_too():
    own, same = OfOneParameter(), plain("group_lasso")
    np.testing.assert_array_equal(*(regularization_path(model, X, Y, alphas=3).alphas for model in (own, same)))
    assert alpha_max(own, X, Y) == alpha_max(same, X, Y)


def test_weights_are_given_by_name():
    weight, own = np.linspace(0.5, 2, 60), OtherOrder((3,), penalty="l1", **OPTIONS)
    path = regularization_path(own, X, Y, alphas=ALPHAS, sample_weight=weight)
    same = regularization_path(plain("l1"), X, Y, alphas=ALPHAS, sample_weight=weight)
    for first, second in zip(path.estimators, same.estimators, strict=True):
        assert_same_bits(first, second)
    assert set(OtherOrder.sums) == {weight.sum()}


def test_a_fit_without_weights_gets_none():
    path = regularization_path(WithoutWeights((3,), penalty="l1", **OPTIONS), X, Y, alphas=ALPHAS)
    for first, second in zip(
        path.estimators, regularization_path(plain("l1"), X, Y, alphas=ALPHAS).estimators, strict=True
    ):
        assert_same_bits(first, second)


def test_comparisons_do_with_the_parameters_that_they_vary():
    given = {"penalty": "l2", "alpha": None, "dropout": 0.0, "early_stopping": False}
    own, same = OfTheComparison(), RegularizedMLPRegressor((3,), **given, **OPTIONS | {"n_iter_no_change": 2})
    results = [
        compare_regularizers(X, Y, network=m, cv=2, n_repeats=1, random_state=0, refit=False) for m in (own, same)
    ]
    np.testing.assert_array_equal(*(result.folds["test_score"] for result in results))
    assert [*default_regularizers(make_pipeline(StandardScaler(), own))] == [*default_regularizers(same)]


@pytest.mark.parametrize("wrapped", [False, True])
def test_comparisons_name_the_parameters_that_are_missing(wrapped):
    network = make_pipeline(StandardScaler(), OfOneParameter()) if wrapped else OfOneParameter()
    match = r"'network' parameter .*OfOneParameter lacks \['dropout', 'early_stopping', 'penalty'\]\. Give 'estimators'"
    with pytest.raises(TypeError, match=match):
        compare_regularizers(X, Y, network=network)
