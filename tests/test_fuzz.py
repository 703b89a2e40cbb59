"""A fuzz of X, y, weights and parameters: estimators take them, or say what is wrong, and are then as they were.

Only ValueError and TypeError may come of it (with their subclasses, such as UnicodeError), NotFittedError, which is a
ValueError and an AttributeError, and AttributeError from methods that an estimator does not have. Anything else is a
fault: an error of torch or pandas (RuntimeError, KeyError, NotImplementedError), a number beyond a range
(OverflowError), no memory for what cannot have been meant (MemoryError).

``nox -s fuzz`` runs 10,000 cases with random seeds, which it prints.
"""

import collections
import contextlib
import inspect
import os
import types
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

import skreg
import skreg.ensemble
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._parameter import parameters_of
from tests.fuzz_data import N_ROWS, Given, groups, inputs, targets, weights
from tests.fuzz_parameters import junk, parameter_names, parameters, value_of
from tests.helpers import state_around

ALLOWED = (ValueError, TypeError, NotFittedError)
# Cases of all tests together: 500 in the suite, more in the session "fuzz".
N_CASES = int(os.environ.get("SKREG_FUZZ_CASES", "520"))
TINY = {"hidden_layer_sizes": (2,), "max_iter": 2, "random_state": 0}
TINY_CV = TINY | {"hidden_layer_sizes": (), "alphas": [0.01, 0.1], "cv": 2, "max_iter": 1}
PUBLIC = [
    kind
    for kind in (getattr(skreg, name) for name in skreg.__all__)
    if inspect.isclass(kind) and hasattr(kind, "fit") and parameters_of(kind)
]
TABULAR = [kind for kind in PUBLIC if "members" in parameters_of(kind)]
ESTIMATORS = [kind for kind in PUBLIC if kind not in TABULAR]
WITHOUT_CV = [kind for kind in ESTIMATORS if "cv" not in parameters_of(kind)]
WITH_CV = [kind for kind in ESTIMATORS if "cv" in parameters_of(kind)]
ENSEMBLES = [*(getattr(skreg.ensemble, name) for name in skreg.ensemble.__all__), *TABULAR]
# What ensembles are made of: those of the fuzz are small.
PARTS = {"estimator", "members"}
# Methods of a fitted estimator that take X, with their other arguments.
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score"]


def cases(share):
    """Return settings for a share of all cases: the same ones in the suite, others in every run of the session."""
    is_suite = "SKREG_FUZZ_CASES" not in os.environ
    return settings(
        max_examples=max(1, round(share * N_CASES)),
        derandomize=is_suite,
        database=None,
        deadline=None,
        print_blob=True,
        # To shrink an example takes longer than the whole test.
        phases=[Phase.generate, Phase.shrink] if not is_suite else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def tiny(kind, **options):
    """Return an estimator whose fit takes a moment."""
    return kind(**{**(TINY_CV if kind in WITH_CV else TINY), **options})


def tiny_ensemble(kind, network=None, **options):
    """Return an ensemble of two small networks, which get some options."""
    member = RegularizedMLPClassifier if is_classifier(kind) else RegularizedMLPRegressor
    number = {"cv": 2} if "cv" in parameters_of(kind) else {"n_members": 2}
    small = tiny(member, **(network or {}))
    parts = {"members": [("small", small), ("other", clone(small))]} if kind in TABULAR else {"estimator": small}
    return kind(**{**parts, **number, "random_state": 0, **options})


def frozen(value, seen=()):
    """Return a value of which a later one can be compared: equal if every number, name and type is the same."""
    if isinstance(value, str | bytes | int | float | complex | type | types.FunctionType | np.dtype | torch.dtype):
        return type(value), repr(value)
    if id(value) in seen or value is None:
        return id(value)
    seen = (*seen, id(value))
    if isinstance(value, np.ndarray):
        numbers = [frozen(item, seen) for item in value.ravel()] if value.dtype.hasobject else value.tobytes()
        return type(value), value.dtype, value.shape, value.flags.writeable, numbers
    if isinstance(value, torch.Tensor):
        if value.device.type == "meta" or value.is_quantized or value.layout != torch.strided:
            return type(value), value.dtype, value.shape, value._version
        return value.dtype, value.shape, value.requires_grad, repr(value.tolist()), value.grad is None
    if scipy.sparse.issparse(value):
        return (
            type(value),
            value.shape,
            frozen({k: v for k, v in vars(value).items() if not k.startswith("_has")}, seen),
        )
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index | pl.DataFrame | pl.Series | pl.LazyFrame):
        types_of_columns = getattr(value, "dtypes", None) if isinstance(value, pd.DataFrame | pl.DataFrame) else None
        return type(value), str(types_of_columns), repr(value), str(getattr(value, "index", ""))
    if isinstance(value, np.random.RandomState):
        return frozen(value.get_state(), seen)
    if isinstance(value, dict):
        return type(value), [(frozen(k, seen), frozen(v, seen)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [frozen(item, seen) for item in value]
    if isinstance(value, BaseEstimator):
        return type(value), frozen(vars(value), seen)
    return id(value)


class FaultError(AssertionError):
    """What an estimator did and must not do."""


@contextlib.contextmanager
def only_named_errors(what, *arguments, estimator, names=()):
    """Fail if a block raises another error than the named ones, leaks warnings, or changes its data or global state.

    After an error, the estimator must be as it was. Gives a list, which holds the error at the end.
    """
    values = [argument.value for argument in arguments]
    before, data, around = frozen(estimator), frozen(values), state_around()
    errors = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield errors
        except ALLOWED as error:
            errors.append(error)
        except Exception as error:
            raise FaultError(f"{what} raised {type(error).__name__}: {error}") from error
    note(f"{what}: {errors[0]!r}" if errors else f"{what}: no error")
    if frozen(values) != data:
        raise FaultError(f"{what} changed its arguments")
    if state_around() != around:
        raise FaultError(f"{what} changed the global state")
    if errors and frozen(estimator) != before:
        old, new = vars_of(before), vars_of(frozen(estimator))
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        raise FaultError(f"{what} failed ({errors[0]!r}), and changed {changed}")
    is_extreme = any(argument.is_extreme for argument in arguments)
    for warning in caught:
        check_warning(warning, what, is_extreme)


def vars_of(state):
    """Return the attributes of a frozen estimator."""
    return {name: value for (_, name), value in state[1][1]}


def check_warning(warning, what, is_extreme):
    """Fail if a warning is not one that a user can read at the line of the call."""
    text = f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})"
    is_of_numbers = issubclass(warning.category, RuntimeWarning)
    if is_of_numbers and not is_extreme:
        raise FaultError(f"{what} leaks {text}")
    folders = ("/torch/", "/skreg/", "/scipy/", "/numpy/", "/skorch/", "/polars/")
    if not is_of_numbers and any(folder in warning.filename for folder in folders):
        raise FaultError(f"{what} warns elsewhere than at the user's line: {text}")


def called(what, method, *arguments, estimator, **named):
    """Call a method with what was drawn, and return its error or None."""
    keywords = {name: argument.value for name, argument in named.items() if argument.value is not None}
    with only_named_errors(what, *arguments, *named.values(), estimator=estimator) as errors:
        method(*[argument.value for argument in arguments], **keywords)
    event(f"{what}: {'refused' if errors else 'done'}")
    return errors[0] if errors else None


def is_classifier(kind):
    return kind.__name__.removesuffix("CV").endswith("Classifier")


def is_sparse(data):
    is_tensor = isinstance(data, torch.Tensor) and data.layout != torch.strided
    return is_tensor or scipy.sparse.issparse(data)


def options_of(drawn):
    return {name: value.value for name, value in drawn.items()}


@st.composite
def faulty_parts(draw, *parts):
    """Draw which parts of a case are odd: often one or two, so that others are reached, too."""
    return draw(st.sets(st.sampled_from(parts), max_size=2))


@given(data=st.data(), kind=st.sampled_from(WITHOUT_CV))
@cases(0.35)
def test_fit_takes_data_or_says_what_is_wrong(data, kind):
    """Data that are in order are taken."""
    odd = data.draw(faulty_parts("X", "y", "weights", "weights of other kinds", "validation"), label="odd")
    X = data.draw(inputs(odd="X" in odd), label="X")
    y = data.draw(targets(is_classifier(kind), odd="y" in odd), label="y")
    w = data.draw(weights(odd="weights" in odd), label="sample_weight")
    named = {"sample_weight": w}
    options = {}
    if "validation" in odd:
        named["X_val"] = data.draw(inputs(odd=data.draw(st.booleans())), label="X_val")
        named["y_val"] = data.draw(targets(is_classifier(kind), odd=data.draw(st.booleans())), label="y_val")
        named["sample_weight_val"] = data.draw(weights(odd=data.draw(st.booleans())), label="sample_weight_val")
        options = {"early_stopping": data.draw(st.booleans(), label="early_stopping")}
    elif data.draw(st.booleans()):
        named["groups"] = data.draw(groups(), label="groups")
        options = {"early_stopping": data.draw(st.booleans(), label="early_stopping")}
    estimator = tiny(kind, **options)
    error = called("fit", estimator.fit, X, y, estimator=estimator, **named)
    if not odd and "groups" not in named and error is not None:
        raise FaultError(f"fit refused data in order: {error!r}") from error


@given(data=st.data(), kind=st.sampled_from(WITHOUT_CV))
@cases(0.3)
def test_a_parameter_is_taken_or_named(data, kind):
    name = data.draw(st.sampled_from(parameter_names(kind)), label="parameter")
    others = data.draw(st.sets(st.sampled_from(parameter_names(kind)), max_size=2), label="others") - {name}
    others = others if data.draw(st.booleans()) else set()
    odd = {name} if data.draw(st.booleans(), label="odd") else set()
    drawn = data.draw(parameters(kind, [name, *sorted(others)], odd), label="parameters")
    estimator = tiny(kind, **options_of(drawn))
    X, y = data.draw(inputs()), data.draw(targets(is_classifier(kind)))
    w = data.draw(weights(), label="sample_weight")
    method = data.draw(st.sampled_from(["fit", "fit", "partial_fit"]), label="method")
    X, y = Given(repr(X), X.value, True), y
    if method == "fit":
        error = called("fit", estimator.fit, X, y, estimator=estimator, sample_weight=w)
    elif hasattr_safely(estimator, "partial_fit"):
        classes = {"classes": classes_of(y)} if is_classifier(kind) else {}
        error = called("partial_fit", estimator.partial_fit, X, y, estimator=estimator, sample_weight=w, **classes)
    else:
        return
    own = getattr(drawn[name].value, "_parameter_constraints", {})  # of a penalty, or another object
    known = {name, *own, "diverge", "cannot be stored in"}
    is_own = callable(drawn[name].value)  # a function may raise errors of its own
    if error is not None and not (others or is_own or any(words in str(error) for words in known)):
        raise FaultError(f"The error does not name {name!r}: {error!r}") from error


def hasattr_safely(estimator, name):
    """Return whether an estimator has a method; another error than AttributeError is a fault."""
    with only_named_errors(f"hasattr {name}", estimator=estimator) as errors:
        found = hasattr(estimator, name)
    return not errors and found


def classes_of(y):
    """Return the classes of labels in order."""
    values = y.value
    if scipy.sparse.issparse(values) or getattr(values, "ndim", 1) == 2:
        return Given("columns", np.arange(3))
    values = values.tolist() if isinstance(values, torch.Tensor) else list(values)
    return Given("classes", np.unique(np.array(values)))


@given(data=st.data(), kind=st.sampled_from(WITHOUT_CV))
@cases(0.2)
def test_what_is_fitted_predicts_and_stays_as_it_is(data, kind):
    """Predictions change nothing, nor do later fits that fail, with and without warm_start."""
    estimator = tiny(kind, dropout=0.5, warm_start=data.draw(st.booleans(), label="warm_start"))
    X, y = data.draw(inputs(), label="X"), data.draw(targets(is_classifier(kind)), label="y")
    error = called("fit", estimator.fit, X, y, estimator=estimator)
    if error is not None:
        raise FaultError(f"fit refused data in order: {error!r}") from error
    before = frozen(estimator)
    other = data.draw(inputs(odd=data.draw(st.booleans())), label="other X")
    methods = st.sets(st.sampled_from([*METHODS, "predict_dropout_samples"]), min_size=1, max_size=3)
    for name in sorted(data.draw(methods, label="methods")):
        if not hasattr_safely(estimator, name):
            continue
        arguments = [other, Given("2", 2)] if name == "predict_dropout_samples" else [other]
        if name == "score":
            arguments.append(data.draw(targets(is_classifier(kind), odd=data.draw(st.booleans())), label="other y"))
            arguments.append(data.draw(weights(odd=data.draw(st.booleans())), label="weights of the score"))
        called(name, getattr(estimator, name), *arguments, estimator=estimator)
        if frozen(estimator) != before:
            raise FaultError(f"{name} changed the estimator")
    X2 = data.draw(inputs(odd=data.draw(st.booleans())), label="X of the second fit")
    y2 = data.draw(targets(is_classifier(kind), odd=data.draw(st.booleans())), label="y of the second fit")
    name = data.draw(st.sampled_from(parameter_names(kind)), label="parameter")
    value = data.draw(st.one_of(junk(name), value_of(name, parameters_of(kind)[name].constraints)), label="value")
    if data.draw(st.booleans(), label="set_params"):
        estimator.set_params(**{name: value.value})
        X2 = Given(repr(X2), X2.value, True)
    if data.draw(st.booleans(), label="fit again"):
        called("fit again", estimator.fit, X2, y2, estimator=estimator)
    elif hasattr_safely(estimator, "partial_fit"):
        named = {"sample_weight": data.draw(weights(odd=data.draw(st.booleans())), label="sample_weight")}
        if is_classifier(kind):
            odd_classes = targets(True, odd=True, n_rows=3)
            named["classes"] = data.draw(st.one_of(st.just(Given("None", None)), odd_classes), label="classes")
        called("partial_fit", estimator.partial_fit, X2, y2, estimator=estimator, **named)


@given(data=st.data(), kind=st.sampled_from(WITHOUT_CV))
@cases(0.1)
def test_a_first_partial_fit_takes_data_or_says_what_is_wrong(data, kind):
    odd = data.draw(faulty_parts("X", "y", "weights", "classes"), label="odd")
    X = data.draw(inputs(odd="X" in odd), label="X")
    y = data.draw(targets(is_classifier(kind), odd="y" in odd), label="y")
    named = {"sample_weight": data.draw(weights(odd="weights" in odd), label="sample_weight")}
    if is_classifier(kind):
        in_order = Given("[0, 1, 2]", [0, 1, 2]) if "y" in odd else classes_of(y)
        odd_classes = targets(True, odd=True, n_rows=3)
        named["classes"] = data.draw(odd_classes if "classes" in odd else st.just(in_order), label="classes")
    estimator = tiny(kind)
    called("partial_fit", estimator.partial_fit, X, y, estimator=estimator, **named)


@given(data=st.data(), kind=st.sampled_from(WITH_CV))
@cases(0.05)
def test_estimators_with_cv_take_data_and_parameters_or_say_what_is_wrong(data, kind):
    odd = data.draw(faulty_parts("X", "y", "weights", "parameter", "groups"), label="odd")
    names = data.draw(st.sets(st.sampled_from(parameter_names(kind)), max_size=3), label="names")
    odd_names = set(sorted(names)[:1]) if "parameter" in odd else set()
    drawn = data.draw(parameters(kind, sorted(names), odd_names), label="parameters")
    estimator = tiny(kind, **options_of(drawn))
    X = data.draw(inputs(odd="X" in odd), label="X")
    X = Given(repr(X), X.value, X.is_extreme or bool(drawn))
    y = data.draw(targets(is_classifier(kind), odd="y" in odd), label="y")
    named = {"sample_weight": data.draw(weights(odd="weights" in odd), label="sample_weight")}
    if "groups" in odd:
        named["groups"] = data.draw(groups(), label="groups")
    error = called("fit", estimator.fit, X, y, estimator=estimator, **named)
    if error is None and hasattr_safely(estimator, "predict"):
        called("predict", estimator.predict, data.draw(inputs(odd=data.draw(st.booleans()))), estimator=estimator)


@given(data=st.data(), kind=st.sampled_from(ENSEMBLES))
@cases(0.05)
def test_ensembles_take_data_and_parameters_or_say_what_is_wrong(data, kind):
    odd = data.draw(faulty_parts("X", "y", "weights", "parameter", "groups"), label="odd")
    possible = [name for name in parameter_names(kind) if name not in PARTS]
    names = data.draw(st.sets(st.sampled_from(possible), max_size=2), label="names")
    odd_names = set(sorted(names)[:1]) if "parameter" in odd else set()
    drawn = data.draw(parameters(kind, sorted(names), odd_names), label="parameters")
    if "parameter" in odd and not names:
        (name,) = PARTS & set(parameter_names(kind))
        drawn[name] = data.draw(junk(name), label=name)
    network = {"early_stopping": data.draw(st.booleans(), label="early_stopping")}
    estimator = tiny_ensemble(kind, network, **options_of(drawn))
    X = data.draw(inputs(odd="X" in odd), label="X")
    X = Given(repr(X), X.value, X.is_extreme or bool(drawn))
    y = data.draw(targets(is_classifier(kind), odd="y" in odd), label="y")
    named = {"sample_weight": data.draw(weights(odd="weights" in odd), label="sample_weight")}
    if "groups" in odd:
        named["groups"] = data.draw(groups(), label="groups")
    error = called("fit", estimator.fit, X, y, estimator=estimator, **named)
    is_refused = kind in TABULAR and is_sparse(X.value)
    if not odd and not drawn and not is_refused and error is not None:
        raise FaultError(f"fit refused data in order: {error!r}") from error
    other = data.draw(inputs(odd=data.draw(st.booleans())), label="other X")
    for name in data.draw(st.sets(st.sampled_from([*METHODS[:4], "predict_members"]), max_size=2), label="methods"):
        if error is None and hasattr_safely(estimator, name):
            called(name, getattr(estimator, name), other, estimator=estimator)


@pytest.mark.parametrize("kind", PUBLIC)
def test_what_is_not_fitted_says_so(kind):
    """A method of an estimator without a fit raises NotFittedError, or AttributeError where there is none."""
    estimator = tiny_ensemble(kind) if kind in TABULAR else tiny(kind)
    for name in METHODS:
        if hasattr(estimator, name):
            arguments = [np.zeros((N_ROWS, 3)), np.zeros(N_ROWS)][: 2 if name == "score" else 1]
            with pytest.raises(NotFittedError):
                getattr(estimator, name)(*arguments)


def test_all_public_estimators_are_fuzzed():
    assert len(WITHOUT_CV) == len(WITH_CV) == len(TABULAR) == 2
    assert set(TABULAR) < set(ENSEMBLES)
    assert collections.Counter(map(type, map(clone, map(tiny, ESTIMATORS)))) == collections.Counter(ESTIMATORS)
