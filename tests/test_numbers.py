"""Numbers among what users give: no bools, and none that a float cannot hold."""

import numpy as np
import pytest

from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV, RegularizedMLPRegressor
from skreg._numbers import is_number, numbers_in
from skreg.inspection import FeatureSelectionDisplay
from skreg.model_selection import regularization_path
from skreg.penalties import GroupLasso, WeightedL1
from tests.helpers import TINY

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2
HUGE = 10**400


def test_bools_and_integers_beyond_float_are_no_numbers():
    assert all(map(is_number, (0, 1.5, np.float32(2), np.int64(3), np.nan)))
    assert not any(map(is_number, (True, np.True_, "1", None, 1j, HUGE)))
    np.testing.assert_array_equal(numbers_in([1, 2.5]), [1, 2.5])
    np.testing.assert_array_equal(numbers_in(range(3)), [0, 1, 2])
    for values in ([True, 0], np.array([True]), [[1, False]], ["a"], [HUGE], [None, "b"]):
        assert numbers_in(values) is None


CLASSIFIERS = [
    {"alpha": (True, 0)},
    {"alpha": [0.1, np.False_]},
    {"dropout": (False,)},
    {"dropout": np.array([False])},
    {"hidden_layer_sizes": (True,)},
    {"class_weight": {0: True, 1: 1.0}},
    {"penalty": WeightedL1(weights=[True, False, True])},
    {"penalty": GroupLasso(group_weights=[True, True, False])},
    *[{name: HUGE} for name in ("alpha", "learning_rate_init", "tol", "power_t", "n_iter_no_change", "max_iter")],
    {"alpha": (HUGE, 0)},
    {"dropout": (HUGE,)},
]


@pytest.mark.parametrize("parameters", CLASSIFIERS, ids=lambda parameters: "-".join(map(str, parameters)))
def test_parameters_take_no_bools_and_no_number_beyond_float(parameters):
    with pytest.raises(ValueError, match=f"'{next(reversed({**parameters}))}' parameter|_weights' par|'weights' par"):
        RegularizedMLPClassifier(**TINY | parameters).fit(X, Y)


def test_levels_and_strengths_take_no_bools():
    with pytest.raises(ValueError, match="'quantile' parameter"):
        RegularizedMLPRegressor(**TINY, loss="quantile", quantile=(0.5, HUGE)).fit(X, X[:, 0])
    for alphas in ((True, 0.5), np.array([True, False])):
        with pytest.raises(ValueError, match="'alphas' parameter"):
            RegularizedMLPClassifierCV(**TINY, alphas=alphas, cv=2).fit(X, Y)
        with pytest.raises(ValueError, match="'alphas' parameter"):
            regularization_path(RegularizedMLPRegressor(**TINY, penalty="l1"), X, X[:, 0], alphas=alphas)
    with pytest.raises(ValueError, match="'importances' parameter"):
        FeatureSelectionDisplay([True, False, True]).frame()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("power_t", [1e3, 1e308, 10**9])
def test_a_rate_beyond_all_floats_is_zero(solver, power_t):
    """The first batch has the whole rate (t = 0), and no further one moves anything."""
    options = {
        **TINY,
        "solver": solver,
        "learning_rate": "invscaling",
        "power_t": power_t,
        "batch_size": 30,
        "momentum": 0.0,
    }
    model = RegularizedMLPRegressor(**options).fit(X, X[:, 0])
    once = RegularizedMLPRegressor(**options | {"max_iter": 1}).fit(X, X[:, 0])
    for W, V in zip(model.coefs_, once.coefs_, strict=True):
        np.testing.assert_array_equal(W, V)
