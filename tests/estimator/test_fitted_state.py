"""What a fitted estimator computes depends on fitted attributes alone, and a damaged pickle is an error."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GroupShuffleSplit

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.fitted import DropoutSamples
from skreg._version import __version__
from skreg.inspection import TrainingHistoryDisplay
from skreg.inspection._surfaces import loss_on_rows
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
TARGETS = {
    "classes": np.array(["a", "b", "c"])[np.arange(50) % 3],
    "two classes": np.arange(50) % 2,
    "labels": (X[:, :3] > 0).astype(int),
    "numbers": np.exp(X[:, 0]),
    "two numbers": X[:, :2],
    "far numbers": 100 + 50 * X[:, 0],
}
SHORT = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
FITS = {
    "classes": (RegularizedMLPClassifier, {"normalization": "batch", "label_smoothing": 0.1}),
    "two classes": (RegularizedMLPClassifier, {"class_weight": {0: 2.0}, "dropout": [0.3]}),
    "labels": (RegularizedMLPClassifier, {"activation": "tanh", "input_dropout": 0.2, "penalty": "hierarchical"}),
    "numbers": (RegularizedMLPRegressor, {"loss": "gamma", "normalization": "layer", "early_stopping": True}),
    "two numbers": (RegularizedMLPRegressor, {"loss": "quantile", "quantile": [0.1, 0.5, 0.9], "penalty": "l1"}),
    "far numbers": (RegularizedMLPRegressor, {"target_transform": "standard", "clip_predictions": True}),
}


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted network for every kind of target."""
    return {
        name: kind(**{"hidden_layer_sizes": (5,), **SHORT, **options}).fit(X, TARGETS[name])
        for name, (kind, options) in FITS.items()
    }


def half_squared_error(y_true, y_pred):
    return 0.5 * (y_true - y_pred).square().sum(dim=-1)


# Other valid values of every parameter.
OTHERS = {
    "hidden_layer_sizes": [(3,), (), (4, 4)],
    "activation": ["identity", "logistic", "relu", "tanh"],
    "loss": [half_squared_error],
    "penalty": [None, "group_lasso"],
    "alpha": [0.3, (0.1, 0.0, 0.2)],
    "l1_ratio": [0.2],
    "constraint": ["nonnegative"],
    "dropout": [0.0, 0.7, [0.1, 0.2, 0.3]],
    "input_dropout": [0.0, 0.6],
    "normalization": [None, "batch", "layer"],
    "weight_decay": [0.1],
    "solver": ["sgd", "lbfgs"],
    "batch_size": [7],
    "learning_rate": ["cosine"],
    "learning_rate_init": [0.1],
    "power_t": [0.9],
    "max_iter": [99],
    "shuffle": [False],
    "random_state": [None, np.random.RandomState(1)],
    "tol": [0.5],
    "verbose": [True],
    "warm_start": [True],
    "momentum": [0.1],
    "nesterovs_momentum": [False],
    "early_stopping": [True, GroupShuffleSplit(1)],
    "validation_fraction": [0.4],
    "refit_on_all": [True],
    "scoring": ["neg_log_loss"],
    "beta_1": [0.1],
    "beta_2": [0.1],
    "epsilon": [1e-3],
    "n_iter_no_change": [1],
    "min_steps": [7],
    "max_fun": [1],
    "device": [torch.device("cpu")],
    "callbacks": [[]],
    "averaging": ["ema"],
    "max_grad_norm": [0.1],
    "augmentation": ["noise"],
    "class_weight": ["balanced", {0: 3.0}],
    "label_smoothing": [0.5],
    "quantile": [0.2, [0.3, 0.4]],
    "delta": [3.0],
    "target_transform": [None, "quantile"],
    "clip_predictions": [False, True],
}
OTHERS_OF = {
    RegularizedMLPClassifier: OTHERS,
    RegularizedMLPRegressor: OTHERS | {"loss": ["squared_error", "poisson", "huber", half_squared_error]},
}


def results(model, y):
    """Return what a fitted estimator computes."""
    computed = {"transform": model.transform(X), "score": model.score(X, y)}
    for name in ("predict_proba", "predict_log_proba") if isinstance(model, RegularizedMLPClassifier) else ("predict",):
        computed[name] = getattr(model, name)(X)
    pruned = model.prune()
    computed |= {"pruned": pruned.predict(X), "pruning_": pruned.pruning_, "loss": model._mean_loss(X, y)}
    computed |= {name: getattr(model, name) for name in ("sparsity_", "feature_importances_", "selected_features_")}
    try:
        computed["samples"] = model.predict_dropout_samples(X, 2, random_state=0).samples
    except ValueError as error:
        computed["samples"] = str(error)
    return computed


@pytest.mark.parametrize("name", FITS)
def test_no_parameter_changes_what_a_fitted_network_computes(fitted, name):
    model, y = copy.deepcopy(fitted[name]), TARGETS[name]
    original = model.get_params(deep=False)
    others = OTHERS_OF[type(model)]
    assert set(original) <= set(others)
    before = results(model, y)
    is_whole = name in ("classes", "two numbers")  # two go through all parameters, the others through what matters
    for parameter in original if is_whole else (*model._prediction_parameters, "normalization", "hidden_layer_sizes"):
        value = original[parameter]
        for other in others[parameter]:
            if other is not value:
                model.set_params(**{parameter: other})
                np.testing.assert_equal(results(model, y), before, err_msg=f"{parameter}={other!r}")
        model.set_params(**{parameter: value})
    model.set_params(**{parameter: others[parameter][-1] for parameter in original})
    np.testing.assert_equal(results(pickle.loads(pickle.dumps(model)), y), before)


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (RegularizedMLPClassifierCV((4,), activation="tanh", alphas=[0.01, 0.1], cv=2, **SHORT), "classes"),
        (RegularizedMLPRegressorCV((), loss="poisson", penalty="l1", alphas=[0.01, 0.1], cv=2, **SHORT), "numbers"),
    ],
)
def test_nor_with_cross_validation(model, name):
    y = TARGETS[name]
    model.fit(X, y)
    before = results(model, y)
    model.set_params(activation="identity", scoring="neg_log_loss", loss=half_squared_error, dropout=0.5, alphas=9)
    np.testing.assert_equal(results(model, y), before)


def test_lists_and_dictionaries_that_are_changed_in_place_change_nothing():
    quantiles, rates = [0.2, 0.8], [0.5]
    model = RegularizedMLPRegressor((5,), loss="quantile", quantile=quantiles, dropout=rates, **SHORT)
    before = results(model.fit(X, X[:, 0]), X[:, 0])
    quantiles.append(0.9)
    rates[0] = 0.1
    np.testing.assert_equal(results(model, X[:, 0]), before)


def test_displays_show_the_fit():
    def drawn(model, y):
        loss = loss_on_rows(model, X[:, :2], y)(np.array([[0.5, -1.0], [2.0, 0.1]]))
        return loss, TrainingHistoryDisplay.from_estimator(model).frame().to_numpy()

    y = TARGETS["two classes"]
    model = RegularizedMLPClassifier((), penalty="l1", alpha=0.01, class_weight={0: 2.0}, **SHORT).fit(X[:, :2], y)
    before = drawn(model, y)
    model.set_params(class_weight=None, label_smoothing=0.3, loss=half_squared_error, scoring="accuracy")
    for now, then in zip(drawn(model, y), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_warm_start_goes_on_from_the_weights_with_the_new_parameters(fitted):
    """As scikit-learn's MLP does: what was learnt is where training starts, with the activation of the new call."""
    y, resting = X[:, 0], {"learning_rate_init": 1e-30, "max_iter": 1}
    for call in ("fit", "partial_fit"):
        model = RegularizedMLPRegressor((5,), **SHORT).fit(X, y).set_params(activation="tanh", warm_start=True)
        relu = model.predict(X)
        getattr(model.set_params(**resting), call)(X, y)
        (W, V), (b, c) = model.coefs_, model.intercepts_
        np.testing.assert_allclose(model.predict(X), (np.tanh(X @ W + b) @ V + c).ravel())
        np.testing.assert_allclose(relu, (np.maximum(X @ W + b, 0) @ V + c).ravel())


@pytest.mark.parametrize("name", FITS)
def test_pickles_of_earlier_versions_can_be_read(fitted, name):
    """They say nothing of what the network was fitted with, but for the parameters."""
    model = fitted[name]
    state = copy.deepcopy(model.__getstate__())
    del state["_fitted_parameters"]
    restored = type(model)()
    restored.__setstate__(state)
    before = results(model, TARGETS[name])
    np.testing.assert_equal(results(restored, TARGETS[name]), before)
    restored.set_params(activation="identity", loss=half_squared_error)
    np.testing.assert_equal(results(restored, TARGETS[name]), before)


@pytest.mark.parametrize("name", FITS)
def test_pickles_of_earlier_versions_without_min_steps_can_be_fitted_again(fitted, name):
    model, y = fitted[name], TARGETS[name]
    state = copy.deepcopy(model.__getstate__())
    del state["min_steps"]
    restored = object.__new__(type(model))
    restored.__setstate__(state)
    np.testing.assert_equal(results(restored, y), results(model, y))
    assert clone(restored).get_params()["min_steps"] is None
    assert restored.set_params(max_iter=1).fit(X, y).n_iter_ == 1


def test_pickles_of_predictions_name_the_module_that_they_were_in():
    assert pickle.loads(b"cskreg._fitted\nDropoutSamples\n.") is DropoutSamples


# -- damaged pickles ---------------------------------------------------------------------------------------

WRONG = [None, True, -1, 0, 3, 10**12, 10**30, 1.5, np.nan, np.inf, "x", "", [], {}, (), [1], {"a": 1}, b"x", print]
WRONG += [np.array(value) for value in (3.0, [1.0], [[1.0]], [np.nan], [-1], ["x"], [None], [], [[]])]


def places(value, path=()):
    """Yield the path of everything inside a state."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(state, path, value):
    """Return a copy of a state with another value in one place."""
    state = copy.deepcopy(state)
    *outer, last = path
    inner = state
    for key in outer:
        inner = inner[key]
    inner[last] = value(inner[last]) if callable(value) and value is not print else value
    return state


def numbers_in(array, value):
    """Return an array with one other entry, and the type that it had."""
    array = np.array(array)
    array.flat[0] = value
    return array


DAMAGES = {
    "negative variance": (("normalization_params_", 0, "variance"), lambda a: numbers_in(a, -1.0)),
    "variance NaN": (("normalization_params_", 0, "variance"), lambda a: numbers_in(a, np.nan)),
    "variance inf": (("normalization_params_", 0, "variance"), lambda a: numbers_in(a, np.inf)),
    "gain NaN": (("normalization_params_", 0, "gain"), lambda a: numbers_in(a, np.nan)),
    "mean inf": (("normalization_params_", 0, "mean"), lambda a: numbers_in(a, -np.inf)),
    "shift inf": (("normalization_params_", 0, "shift"), lambda a: numbers_in(a, np.inf)),
    "many features": (("n_features_in_",), lambda n: 10**12),
    "activation": (("activation",), lambda name: []),
    "activation of the fit": (("_fitted_parameters", "activation"), lambda name: []),
    "loss": (("_fitted_parameters", "loss"), lambda name: "squared_error"),
    "number of classes": (("classes_",), lambda a: a[:2]),
    "order of classes": (("classes_",), lambda a: a[::-1]),
    "classes of two kinds": (("classes_",), lambda a: np.array([1, "b", None], dtype=object)),
    "link": (("out_activation_",), lambda name: "logistic"),
    "features": (("input_features_",), lambda a: a[::-1].copy()),
    "penalty": (("penalty_", "alpha"), lambda alpha: alpha),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_numbers_are_errors(fitted, damage):
    path, value = DAMAGES[damage]
    if damage == "penalty":
        state = copy.deepcopy(fitted["classes"].__getstate__())
        state["penalty_"].alpha = -1.0
    else:
        state = replaced(fitted["classes"].__getstate__(), path, value)
    with pytest.raises(ValueError, match="The saved state is damaged"):
        RegularizedMLPClassifier().__setstate__(state)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("two numbers", {"quantile": [0.5]}),
        ("two numbers", {"quantile": "x"}),
        ("two numbers", {"loss": "poisson"}),
        ("numbers", {"loss": "squared_error"}),
        ("numbers", {"dropout": 1.5}),
    ],
)
def test_a_state_that_does_not_fit_its_loss_is_an_error(fitted, name, kept):
    state = copy.deepcopy(fitted[name].__getstate__())
    state["_fitted_parameters"] |= kept
    with pytest.raises(ValueError, match="The saved state is damaged"):
        RegularizedMLPRegressor().__setstate__(state)


def test_pruned_networks_claim_no_more_features_than_there_can_be(fitted):
    model = copy.deepcopy(fitted["numbers"])
    model.coefs_[0][1] = 0
    state = copy.deepcopy(model.prune().__getstate__())
    RegularizedMLPRegressor().__setstate__(copy.deepcopy(state))
    with pytest.raises(ValueError, match="The saved state is damaged: 'input_features_'"):
        RegularizedMLPRegressor().__setstate__(state | {"n_features_in_": 10**12})
    del state["pruning_"]  # then it has to read all columns
    with pytest.raises(ValueError, match="The saved state is damaged: 'input_features_'"):
        RegularizedMLPRegressor().__setstate__(state)


@pytest.mark.parametrize("state", [None, [], "x", 3, {3: 4}])
def test_a_state_is_a_dictionary_of_names(state):
    with pytest.raises(ValueError, match="The saved state is damaged: it must be a dict of names"):
        RegularizedMLPRegressor().__setstate__(state)


@pytest.mark.filterwarnings("ignore:.* was pickled by version")  # if that is another string
@pytest.mark.parametrize("name", FITS)
def test_a_state_with_something_else_in_one_place_is_an_error_or_computes(fitted, name):
    state = fitted[name].__getstate__()
    parameters = set(state) & set(fitted[name].get_params(deep=False))  # which are checked when they are used, by `fit`
    paths = [path for path in places(state) if path and path[0] not in parameters - {"activation"}]
    rng = np.random.default_rng(len(name))
    n_errors = 0
    for _ in range(100):
        path, value = paths[rng.integers(len(paths))], WRONG[rng.integers(len(WRONG))]
        n_errors += check_damaged(type(fitted[name]), replaced(state, path, value), TARGETS[name], (path, value))
    assert n_errors > 60


def check_damaged(kind, state, y, what):
    """Return whether a state is refused; raise unless it is, or results are finite."""
    model = kind()
    try:
        model.__setstate__(state)
    except ValueError as error:
        assert str(error).startswith("The saved state is damaged"), what  # noqa: PT017
        return True
    try:
        outputs = [model.transform(X), model.feature_importances_]
        outputs.append(model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X))
        model.predict(X)
        model.prune()
        model.set_params(warm_start=True, max_iter=1, verbose=False, random_state=0)
        with np.errstate(all="raise"):
            model.fit(X, y)
    except ValueError:
        return False
    except BaseException as error:
        raise AssertionError(f"{what}: {error!r}") from error
    assert all(np.isfinite(output).all() for output in outputs), what
    return False


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPClassifierCV])
def test_pickles_of_another_version_warn_as_those_of_sklearn_do(kind, monkeypatch):
    options = {"alphas": [0.1, 1.0], "cv": 2} if kind is RegularizedMLPClassifierCV else {}
    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    model = kind((), max_iter=2, n_iter_no_change=np.inf, random_state=0, **options).fit(x, y)
    same = pickle.loads(pickle.dumps(model))
    assert vars(same).keys() == vars(model).keys() - {"_training_state", "_callback_fit_ctx"}
    monkeypatch.setattr("skreg._estimator.fitted.__version__", "9.8.7")
    saved = pickle.dumps(model), pickle.dumps(kind(**options))
    monkeypatch.undo()
    for data in saved:
        match = rf"^{kind.__name__} was pickled by version 9\.8\.7 of skreg, and is read by version {__version__}:"
        with pytest.warns(InconsistentVersionWarning, match=match) as warned:
            other = pickle.loads(data)
        assert warned[0].filename == __file__
    pickle.loads(pickle.dumps(other))
    # Pickles without a version are not warned of.
    state = {name: value for name, value in model.__getstate__().items() if name != "_skreg_version"}
    again = object.__new__(kind)
    again.__setstate__(state)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
