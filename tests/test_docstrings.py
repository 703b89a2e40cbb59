"""Every parameter and fitted attribute is documented, and every documented one exists."""

import inspect

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString

import skreg
import skreg.penalties
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

RNG = np.random.default_rng(0)
PUBLIC = [getattr(skreg, name) for name in skreg.__all__ if name[0].isupper()]
PUBLIC += [getattr(skreg.penalties, name) for name in skreg.penalties.__all__]


def names(section):
    return [name.strip() for parameter in section for name in parameter.name.split(",")]


@pytest.mark.parametrize("kind", PUBLIC)
def test_parameters_are_documented_in_order(kind):
    documented = names(NumpyDocString(inspect.getdoc(kind))["Parameters"])
    assert (
        documented == [name for name in inspect.signature(kind).parameters if name != "self"]
        or kind.__abstractmethods__
    )


@pytest.mark.parametrize("kind", PUBLIC)
def test_public_methods_are_documented(kind):
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith("skreg"):
            continue
        doc = FunctionDoc(method)
        assert doc["Summary"], name
        assert names(doc["Parameters"]) == list(inspect.signature(method).parameters)[1:], name
        assert doc["Returns"], name


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_fitted_attributes_are_documented_and_exist(kind):
    X = pd.DataFrame(RNG.normal(size=(60, 2)), columns=["a", "b"])
    model = kind(max_iter=1, n_iter_no_change=np.inf, early_stopping=True).fit(X, X["a"] > 0)
    documented = set(names(NumpyDocString(inspect.getdoc(kind))["Attributes"]))
    fitted = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    assert documented == fitted


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_defaults_in_the_text_are_the_real_ones(kind):
    signature = inspect.signature(kind).parameters
    for parameter in NumpyDocString(inspect.getdoc(kind))["Parameters"]:
        text = parameter.type.split("default=")[1]
        assert eval(text) == signature[parameter.name].default, parameter.name


@pytest.mark.parametrize("kind", PUBLIC)
def test_every_public_class_has_an_example(kind):
    assert NumpyDocString(inspect.getdoc(kind))["Examples"] or kind.__abstractmethods__
