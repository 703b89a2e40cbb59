"""Every parameter and fitted attribute is documented, and every documented one exists."""

import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString

import skreg
import skreg.augmentation
import skreg.averaging
import skreg.compose
import skreg.constraints
import skreg.datasets
import skreg.ensemble
import skreg.gradients
import skreg.inspection
import skreg.model_selection
import skreg.penalties
import skreg.preprocessing
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

MODULES = [
    skreg,
    skreg.averaging,
    skreg.compose,
    skreg.constraints,
    skreg.datasets,
    skreg.augmentation,
    skreg.ensemble,
    skreg.gradients,
    skreg.inspection,
    skreg.model_selection,
    skreg.penalties,
    skreg.preprocessing,
]
NAMES = [getattr(module, name) for module in MODULES for name in module.__all__ if not name.startswith("_")]
PUBLIC = [item for item in NAMES if inspect.isclass(item)]
FUNCTIONS = [item for item in NAMES if inspect.isfunction(item)]
ESTIMATORS = [
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    TabularMLPClassifier,
    TabularMLPRegressor,
    *(getattr(skreg.ensemble, name) for name in skreg.ensemble.__all__),
]


def names(section):
    return [name.strip() for parameter in section for name in parameter.name.split(",")]


@pytest.mark.parametrize(
    "kind", [item for item in PUBLIC if not dataclasses.is_dataclass(item) and not issubclass(item, Warning)]
)
def test_parameters_are_documented_in_order(kind):
    documented = names(NumpyDocString(inspect.getdoc(kind))["Parameters"])
    expected = [name for name in inspect.signature(kind).parameters if name != "self"]
    assert documented == expected or inspect.isabstract(kind)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_documented(function):
    doc = FunctionDoc(function)
    expected = inspect.signature(function).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    assert names(doc["Parameters"]) == [stars.get(one.kind, "") + one.name for one in expected]
    assert doc["Returns"]
    assert doc["Examples"]


def opening(item):
    """Return the first word of a docstring."""
    return inspect.getdoc(item).split()[0].lower()


def test_classes_open_with_a_noun():
    methods = [
        method for kind in PUBLIC for name, method in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"
    ]
    # What a function does is an imperative; of a class it would be "Draws ..." or "Add ...".
    verbs = {opening(item) for item in [*FUNCTIONS, *methods] if inspect.getdoc(item)}
    assert {"return", "draw", "fit"} <= verbs
    assert [kind.__name__ for kind in PUBLIC if opening(kind).removesuffix("s") in verbs] == []


@pytest.mark.parametrize("kind", PUBLIC)
def test_public_methods_are_documented(kind):
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith("skreg"):
            continue
        doc = FunctionDoc(method)
        assert doc["Summary"], name
        parameters = list(inspect.signature(method).parameters.values())[1:]
        given = [{p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "") + p.name for p in parameters]
        documented = names(doc["Parameters"])
        if method.__doc__ is None:  # described in the base class, which leaves room for further options
            documented = [parameter for parameter in documented if parameter != "**options"]
            given = given[: len(documented)]
        assert documented == given, name
        assert doc["Returns"], name


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fitted_attributes_are_documented_and_exist(kind):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    network = {"max_iter": 1, "n_iter_no_change": np.inf, "early_stopping": True}
    member = RegularizedMLPClassifier if "Classifier" in kind.__name__ else RegularizedMLPRegressor
    if "estimator" in inspect.signature(kind).parameters:
        model = kind(member(**network))
    elif "members" in inspect.signature(kind).parameters:
        model = kind([("small", member(**network))])
    else:
        options = {"alphas": [1e-3, 1e-2], "cv": 2} if "alphas" in inspect.signature(kind).parameters else {}
        model = kind(**network, **options)
    model.fit(X, X["a"] > 0)
    documented = set(names(NumpyDocString(inspect.getdoc(kind))["Attributes"]))
    properties = {name for name, _ in inspect.getmembers(kind, lambda member: isinstance(member, property))}
    fitted = {name for name in {*vars(model), *properties} if name.endswith("_") and not name.startswith("_")}
    assert documented == fitted


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_defaults_in_the_text_are_the_real_ones(kind):
    signature = inspect.signature(kind).parameters
    for parameter in NumpyDocString(inspect.getdoc(kind))["Parameters"]:
        text = parameter.type.split("default=")[1]
        assert eval(text) == signature[parameter.name].default, parameter.name


@pytest.mark.parametrize("kind", PUBLIC)
def test_every_public_class_has_an_example(kind):
    assert NumpyDocString(inspect.getdoc(kind))["Examples"]
