"""What both estimators share: bad input, state, randomness, warnings, attributes."""

import copy
import pickle
import re
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import make_constraint

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.hints import text_columns
from skreg._sklearn_private import Interval
from skreg.model_selection import GridSearchCV
from skreg.penalties import L1
from tests.helpers import BOTH, FIXED

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)

BAD_PARAMETERS = [
    ({"hidden_layer_sizes": (10, 0)}, r"'hidden_layer_sizes' .* integers of at least 1; got \(10, 0\)"),
    ({"hidden_layer_sizes": (10.5,)}, r"'hidden_layer_sizes' .* got \(10\.5,\)"),
    ({"hidden_layer_sizes": -1}, "The 'hidden_layer_sizes' parameter of .* Got -1 instead"),
    ({"hidden_layer_sizes": "big"}, "'hidden_layer_sizes'.*'big'"),
    ({"activation": "gelu"}, "The 'activation' parameter of .*'relu'.* Got 'gelu' instead"),
    ({"penalty": "l3"}, "The 'penalty' parameter of .*'elasticnet'.* Got 'l3' instead"),
    ({"penalty": L1}, "The 'penalty' parameter"),
    ({"alpha": -0.1}, r"The 'alpha' parameter of .* \[0\.0, inf\).* Got -0\.1 instead"),
    ({"alpha": (0.1, 0.1, 0.1)}, "'alpha' .* each of the 2 weight matrices; got 3 numbers"),
    ({"alpha": (0.1, -0.1)}, r"'alpha' .* at least 0 .* got \(0\.1, -0\.1\)"),
    ({"alpha": np.inf}, "'alpha'.*inf"),
    ({"l1_ratio": 1.5, "penalty": "elasticnet"}, "The 'l1_ratio' parameter of .* Got 1.5 instead"),
    ({"penalty": L1(), "alpha": 0.1}, "'alpha' parameter must be None if 'penalty' is an object"),
    ({"penalty": L1(alpha=-1)}, "The 'alpha' parameter of L1 must be .* Got -1 instead"),
    ({"dropout": 1.0}, r"The 'dropout' parameter of .* \[0\.0, 1\.0\).* Got 1\.0 instead"),
    ({"dropout": (0.1, 0.2)}, r"'dropout' .* each of the 1 hidden layers; got 2 numbers: \(0\.1, 0\.2\)"),
    ({"dropout": (1.2,)}, r"'dropout' .* rates in \[0, 1\); got \(1\.2,\)"),
    ({"input_dropout": -0.1}, "The 'input_dropout' parameter of .* Got -0.1 instead"),
    ({"normalization": "group"}, "The 'normalization' parameter of .*'batch'.* Got 'group' instead"),
    ({"weight_decay": -1}, "The 'weight_decay' parameter of .* Got -1 instead"),
    ({"solver": "rmsprop"}, "The 'solver' parameter of .*'adam'.* Got 'rmsprop' instead"),
    ({"batch_size": 0}, "The 'batch_size' parameter of .* Got 0 instead"),
    ({"learning_rate": "linear"}, "The 'learning_rate' parameter of .*'cosine'.* Got 'linear' instead"),
    ({"learning_rate_init": 0}, "The 'learning_rate_init' parameter of .* Got 0 instead"),
    ({"max_iter": 0}, "The 'max_iter' parameter of .* Got 0 instead"),
    ({"tol": -1}, "The 'tol' parameter of .* Got -1 instead"),
    ({"momentum": 1}, "The 'momentum' parameter of .* Got 1 instead"),
    ({"early_stopping": "yes"}, "The 'early_stopping' parameter of .* Got 'yes' instead"),
    ({"validation_fraction": 0.0}, "The 'validation_fraction' parameter of .* Got 0.0 instead"),
    ({"validation_fraction": 1.0}, "The 'validation_fraction' parameter of .* Got 1.0 instead"),
    ({"validation_fraction": 0.99, "early_stopping": True}, "validation_fraction=0.99 takes 60 of n_samples=60"),
    ({"scoring": "acuracy"}, "The 'scoring' parameter of .* Got 'acuracy' instead"),
    ({"n_iter_no_change": 0}, "The 'n_iter_no_change' parameter of .* Got 0 instead"),
    ({"beta_1": 1.0}, "The 'beta_1' parameter of .* Got 1.0 instead"),
    ({"epsilon": 0}, "The 'epsilon' parameter of .* Got 0 instead"),
    ({"device": "gpu7"}, "The 'device' parameter .* got 'gpu7'"),
    ({"device": "cuda:99"}, "The 'device' parameter .* got 'cuda:99'"),
    ({"callbacks": "print"}, "The 'callbacks' parameter"),
    ({"device": "meta"}, "The 'device' parameter .* got 'meta'"),
    ({"weight_decay": 1001}, "'weight_decay' parameter must be at most 1 / learning_rate_init.*weight_decay=1001"),
    ({"normalization": "batch", "batch_size": 1}, "normalization='batch' needs batches of at least 2 rows"),
    ({"warm_start": True, "normalization": "batch"}, "Training continues from the fitted weights"),
    ({"random_state": "seed"}, "The 'random_state' parameter of .* Got 'seed' instead"),
]
BAD_DATA = {
    "nan": (np.where(X == X[3, 1], np.nan, X), Y, "Input X contains NaN"),
    "inf": (np.where(X == X[3, 1], np.inf, X), Y, "Input X contains infinity"),
    "complex": (X + 1j, Y, "Complex data not supported"),
    "no rows": (X[:0], Y[:0], "Found array with 0 sample"),
    "no columns": (X[:, :0], Y, "Found array with 0 feature"),
    "3-d": (X.reshape(60, 2, 2), Y, "Found array with dim 3"),
    "1-d": (X[:, 0], Y, "Expected 2D array, got 1D array"),
    "strings": (np.array([["a", "b"]] * 60), Y, "X holds strings, in the columns"),
    "lengths": (X, Y[:-1], "inconsistent numbers of samples"),
    "nan target": (X, np.where(np.arange(60) == 3, np.nan, Y), "Input y contains NaN"),
    "no target": (X, None, "requires y to be passed"),
}


def state_of(model):
    return pickle.dumps({k: v for k, v in sorted(vars(model).items()) if k not in model.get_params(deep=False)})


@pytest.fixture(params=[RegularizedMLPClassifier, RegularizedMLPRegressor])
def fitted(request):
    return request.param((5,), max_iter=2, **FIXED).fit(X, Y)


@pytest.mark.parametrize(("parameters", "message"), BAD_PARAMETERS, ids=lambda p: str(p)[:40])
def test_bad_parameters_raise_and_change_nothing(fitted, parameters, message):
    before = state_of(fitted)
    fitted.set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.fit(X, Y)
    assert state_of(fitted) == before


@BOTH
def test_bools_are_no_numbers(kind):
    """For any parameter that takes numbers of any kind, and no bools."""
    defaults = kind().get_params()
    constraints = {name: list(map(make_constraint, rules)) for name, rules in kind._parameter_constraints.items()}
    numeric = [name for name, rules in constraints.items() if any(isinstance(rule, Interval) for rule in rules)]
    assert {"alpha", "max_iter", "max_grad_norm", "weight_decay"} <= set(numeric)
    for name in numeric:
        for value in (True, False):
            with pytest.raises(ValueError, match=f"'{name}' parameter .*[Gg]ot {value}"):
                kind(**defaults | {name: value}).fit(X, Y)
    with pytest.raises(ValueError, match="'alpha' parameter of L1 must be .* Got True instead"):
        kind(penalty=L1(alpha=True)).fit(X, Y)


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_raises_and_changes_nothing(fitted, case):
    bad_X, bad_y, message = BAD_DATA[case]
    before = state_of(fitted)
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.fit(bad_X, bad_y)
    assert state_of(fitted) == before


def test_bad_data_for_predictions(fitted):
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4 features"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(X * np.nan)


@pytest.mark.parametrize("y", [np.zeros(60), ["only"] * 60])
def test_one_class(y):
    with pytest.raises(ValueError, match="at least 2 classes; got 1 class"):
        RegularizedMLPClassifier().fit(X, y)


def test_class_numbers_are_not_continuous():
    with pytest.raises(ValueError, match="Unknown label type"):
        RegularizedMLPClassifier().fit(X, X[:, 0])


def test_multiclass_multioutput_points_to_its_wrapper():
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        RegularizedMLPClassifier().fit(X, np.arange(120).reshape(60, 2) % 3)


@BOTH
def test_not_fitted(kind):
    with pytest.raises(NotFittedError):
        kind().predict(X)


@BOTH
def test_columns_of_very_different_scales_warn(kind):
    model = kind((3,), max_iter=2, **FIXED)
    with pytest.warns(UserWarning, match=r"make_pipeline\(StandardScaler\(\), " + kind.__name__):
        model.fit(X * [1, 1, 1, 1e4], Y)
    model.fit(np.column_stack([X, np.full(60, 1e9)]), Y)  # a constant column has no scale
    model.fit(X * [1, 1, 1, 100], Y)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_a_penalty_before_a_normalization_warns(normalization):
    options = {"hidden_layer_sizes": (3,), "normalization": normalization, "max_iter": 2, **FIXED}
    with pytest.warns(UserWarning, match=f"normalization='{normalization}' undoes the scale"):
        RegularizedMLPClassifier(alpha=0.1, **options).fit(X, Y)
    RegularizedMLPClassifier(alpha=(0, 0.1), **options).fit(X, Y)
    RegularizedMLPClassifier(**options).fit(X, Y)
    RegularizedMLPClassifier(penalty=None, **options).fit(X, Y)


def test_a_batch_larger_than_the_data_warns():
    with pytest.warns(UserWarning, match="batch_size=100 is larger than the 60 training rows"):
        RegularizedMLPClassifier((3,), batch_size=100, max_iter=2, **FIXED).fit(X, Y)


def test_a_refit_says_how_many_rows_it_has():
    model = RegularizedMLPClassifier((3,), batch_size=100, early_stopping=True, refit_on_all=True, max_iter=2, **FIXED)
    for fit in (model.fit, lambda X, Y: GridSearchCV(model, {"alpha": [0.1]}, cv=[(np.arange(60),) * 2]).fit(X, Y)):
        with pytest.warns(UserWarning, match="is larger than the") as caught:
            fit(X, Y)
        messages = [str(warning.message) for warning in caught if "is larger than the" in str(warning.message)]
        assert [re.search(r"the (\d+) training rows", text)[1] for text in messages] == ["50", "60"]


@BOTH
@pytest.mark.parametrize("random_state", [None, 0])
def test_global_state_is_left_alone(kind, random_state, global_state):
    options = {**FIXED, "random_state": random_state}
    model = kind((5,), dropout=0.3, early_stopping=True, max_iter=3, **options).fit(X, Y)
    model.predict(X)
    with pytest.raises(ValueError, match="diverged"):
        kind(learning_rate_init=1e25).fit(X, Y)


def test_without_a_seed_fits_differ_and_instances_advance():
    fits = [RegularizedMLPClassifier((5,), max_iter=1, tol=0, n_iter_no_change=np.inf).fit(X, Y) for _ in range(2)]
    assert not np.array_equal(fits[0].coefs_[0], fits[1].coefs_[0])
    rng = np.random.RandomState(0)
    shared = RegularizedMLPClassifier((5,), max_iter=1, tol=0, n_iter_no_change=np.inf, random_state=rng)
    first = shared.fit(X, Y).coefs_[0]
    assert not np.array_equal(first, shared.fit(X, Y).coefs_[0])


def test_initial_weights_do_not_depend_on_the_other_draws():
    options = {"hidden_layer_sizes": (5,), "max_iter": 1, "learning_rate_init": 1e-30, **FIXED}
    plain = RegularizedMLPClassifier(**options).fit(X, Y)
    for more in ({"dropout": 0.5}, {"early_stopping": True}, {"shuffle": False}):
        other = RegularizedMLPClassifier(**options, **more).fit(X, Y)
        np.testing.assert_array_equal(plain.coefs_[0], other.coefs_[0])


@BOTH
def test_state_holds_arrays_numbers_and_strings_only(kind):
    model = kind((5,), penalty="l1", normalization="batch", alpha=(0, 0.1), early_stopping=True, max_iter=2, **FIXED)
    model.fit(pd.DataFrame(X, columns=list("abcd")), Y)

    def check(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and check(v) for k, v in value.items())
        if isinstance(value, list | tuple):
            return all(check(v) for v in value)
        return value is None or isinstance(value, np.ndarray | np.generic | int | float | str | bool)

    fitted = {k: v for k, v in model.__getstate__().items() if k != "penalty_"}
    assert [k for k, v in fitted.items() if not check(v)] == []
    assert isinstance(model.penalty_, L1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s["coefs_"].append(np.zeros((3, 3))), "do not follow each other"),
        (lambda s: s["coefs_"].clear(), "list of arrays"),
        (lambda s: s.update(coefs_="x"), "list of arrays"),
        (lambda s: s["coefs_"].__setitem__(0, np.zeros((4, 5), dtype=object)), "float32 or float64"),
        (lambda s: s["coefs_"].__setitem__(0, np.zeros((4, 5), dtype=np.float32)), "matrices of one type"),
        (lambda s: s["coefs_"].__setitem__(0, np.zeros((9, 5))), "n_features_in_"),
        (lambda s: s["intercepts_"].pop(), "'intercepts_'"),
        (lambda s: s["intercepts_"].__setitem__(0, np.zeros(7)), "'intercepts_'"),
        (lambda s: s.pop("intercepts_"), "'intercepts_'"),
        (lambda s: s.update(n_outputs_=7), "n_outputs_"),
        (lambda s: s["coefs_"][0].__setitem__((0, 0), np.nan), "must be finite"),
        (lambda s: s.update(activation="evil"), "unknown activation 'evil'"),
        (lambda s: s.update(penalty_=print), "'penalty_'"),
        (lambda s: s.update(n_layers_=99), "'n_layers_'"),
        (lambda s: s["normalization_params_"].append({}), "'normalization_params_'"),
        (lambda s: s["normalization_params_"][0].pop("gain"), "'normalization_params_'"),
        (lambda s: s["normalization_params_"][0].update(gain=np.zeros(99)), "'normalization_params_'"),
    ],
)
def test_damaged_states_are_refused(damage, message):
    model = RegularizedMLPRegressor((5,), normalization="batch", max_iter=1, **FIXED).fit(X, Y)
    state = copy.deepcopy(model.__getstate__())
    RegularizedMLPRegressor().__setstate__(copy.deepcopy(state))
    damage(state)
    with pytest.raises(ValueError, match=f"The saved state is damaged: .*{message}"):
        RegularizedMLPRegressor().__setstate__(state)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_normalized_networks_predict_the_same_after_pickling(normalization):
    model = RegularizedMLPRegressor((5, 4), normalization=normalization, max_iter=30, **FIXED).fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    names = {"gain", "shift"} | ({"mean", "variance"} if normalization == "batch" else set())
    assert [set(layer) for layer in model.normalization_params_] == [names, names]
    again = copy.deepcopy(model).set_params(warm_start=True, learning_rate_init=1e-30, max_iter=1).fit(X, Y)
    np.testing.assert_allclose(again.normalization_params_[1]["gain"], model.normalization_params_[1]["gain"])


def test_sparsity_counts_exact_zeros():
    model = RegularizedMLPRegressor((30,), penalty="l1", alpha=(0.1, 0), max_iter=100, **FIXED).fit(X, Y)
    assert model.sparsity_.tolist() == [np.mean(W == 0) for W in model.coefs_]
    assert model.sparsity_[0] > 0.5


def test_zero_weight_rows_are_as_if_they_were_not_there():
    weight = np.repeat([1.0, 0.0], 30)
    options = {"hidden_layer_sizes": (5,), "dropout": 0.3, "early_stopping": True, "batch_size": 7, "max_iter": 5}
    options |= {"scoring": "accuracy", **FIXED}
    part = RegularizedMLPClassifier(**options).fit(X[:30], Y[:30], sample_weight=weight[:30])
    whole = RegularizedMLPClassifier(**options).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(part.coefs_[0], whole.coefs_[0])
    np.testing.assert_array_equal(part.history_["valid_score"], whole.history_["valid_score"])


def test_a_tensor_device_is_accepted():
    RegularizedMLPRegressor((3,), max_iter=1, device=torch.device("cpu"), **FIXED).fit(X, Y)


@pytest.mark.parametrize(
    "damage", [{"classes_": np.arange(2)}, {"classes_": "abc"}, {"_multilabel": "x"}, {"_multilabel": True}], ids=str
)
def test_classes_that_do_not_fit_the_outputs_are_refused(damage):
    model = RegularizedMLPClassifier((5,), max_iter=1, **FIXED).fit(X, np.arange(60) % 3)
    state = {**copy.deepcopy(model.__getstate__()), **damage}
    if damage == {"_multilabel": True}:  # three outputs may be three labels
        state["out_activation_"] = "logistic"
        RegularizedMLPClassifier().__setstate__(state)
        state["classes_"] = np.arange(4)
    with pytest.raises(ValueError, match="The saved state is damaged: 'classes_'"):
        RegularizedMLPClassifier().__setstate__(state)


@BOTH
def test_a_bad_strength_is_an_error_without_a_penalty_too(kind):
    with (
        pytest.warns(UserWarning, match="has no effect with penalty=None") as record,
        pytest.raises(ValueError, match="4 numbers"),
    ):
        kind(penalty=None, alpha=[1, 2, 3, 4]).fit(X, Y)
    assert record[0].filename == __file__


def test_layer_normalization_cannot_go_on_as_batch_normalization():
    model = RegularizedMLPRegressor((5,), normalization="layer", max_iter=1, **FIXED).fit(X, Y)
    with pytest.raises(ValueError, match="Training continues from .* normalization='batch'"):
        model.set_params(warm_start=True, normalization="batch").fit(X, Y)


@pytest.mark.parametrize("y", [["a", "b"] * 30, np.array(["1", "2"] * 30)])
def test_regression_of_text(y):
    with pytest.raises(ValueError, match="y must be an array of numbers|could not convert string to float"):
        RegularizedMLPRegressor().fit(X, y)


def test_only_ratios_of_weights_matter():
    X32, weight = X.astype(np.float32), np.random.default_rng(1).uniform(0.5, 2, 60)
    options = {"hidden_layer_sizes": (5,), "max_iter": 5, **FIXED}
    expected = RegularizedMLPRegressor(**options).fit(X32, Y, sample_weight=weight)
    for scale in (1e-30, 1e38):
        model = RegularizedMLPRegressor(**options).fit(X32, Y, sample_weight=weight * scale)
        np.testing.assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-4, atol=1e-6)


def test_weights_and_a_scorer_that_does_not_take_them():
    model = RegularizedMLPRegressor((5,), early_stopping=True, max_iter=2, scoring=lambda e, X, y: 0.0, **FIXED)
    with pytest.raises(ValueError, match="must be a scorer that accepts sample_weight if fit"):
        model.fit(X, Y, sample_weight=np.ones(60))
    model.set_params(scoring="r2").fit(X, Y, sample_weight=2.0)


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_matrix", "dia_array"])
def test_sparse_data_and_a_scorer(kind):
    model = RegularizedMLPRegressor((5,), early_stopping=True, max_iter=2, scoring="r2", **FIXED)
    dense = copy.deepcopy(model).fit(X, Y).history_["valid_score"]
    sparse = model.fit(getattr(scipy.sparse, kind)(X), Y).history_["valid_score"]
    np.testing.assert_allclose(sparse, dense)


def test_numbers_too_large_for_a_float32_network():
    model = RegularizedMLPRegressor((5,), max_iter=1, **FIXED).fit(X.astype(np.float32), Y)
    with pytest.raises(ValueError, match="in the range of the fitted network's float32"):
        model.predict(X * 1e39)


def test_a_dropout_rate_just_below_one():
    RegularizedMLPRegressor((5,), dropout=1 - 1e-9, max_iter=1, **FIXED).fit(X, Y)


def test_text_is_looked_for_only_where_it_can_be():
    of_numbers = [np.zeros((2, 2)), scipy.sparse.csr_array(np.eye(2))]
    with mock.patch("skreg._estimator.data.np.asarray", side_effect=AssertionError("numbers were searched for text")):
        assert [text_columns(data) for data in of_numbers] == [[], []]
    assert text_columns(np.array([["a", 1.0]], dtype=object)) == [0]
    assert text_columns([[1.0, "a"]]) == [1]
    assert text_columns([[1.0], [2.0, 3.0]]) == text_columns([1.0, 2.0]) == text_columns(None) == []
    assert text_columns(pd.DataFrame({"a": [1.0]})) == []
    assert text_columns(pd.DataFrame({"a": [1.0], "b": ["x"]})) == ["b"]
    assert text_columns(pd.DataFrame({1: [1.0], "b": ["x"]})) == [1]
