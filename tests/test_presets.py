"""Presets: ordinary estimators whose parameters follow from the data where they have to."""

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, preset_classifier, preset_regressor, table_pipeline
from skreg.presets import TABULAR

PRESETS = [(preset_classifier, RegularizedMLPClassifier), (preset_regressor, RegularizedMLPRegressor)]


@pytest.mark.parametrize(("preset", "kind"), PRESETS)
def test_a_preset_is_the_plain_estimator_with_explicit_parameters(preset, kind):
    network = preset(dropout=0.1, tol=0.5)
    assert type(network) is kind
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    changed = {name for name, value in network.get_params().items() if value is not defaults[name]}
    assert changed - {"target_transform", "tol"} == set(TABULAR)
    assert network.get_params() | TABULAR | {"dropout": 0.1} == network.get_params()
    assert clone(network).get_params() == network.get_params()
    with pytest.raises(TypeError, match="unexpected keyword argument 'preset'"):
        preset(preset="tabular")


@pytest.mark.parametrize(("preset", "kind"), PRESETS)
def test_the_plain_constructor_keeps_the_defaults_of_mlp(preset, kind):
    plain = kind()
    assert (plain.batch_size, plain.max_iter, plain.min_steps) == ("auto", 200, None)
    assert (plain.hidden_layer_sizes, plain.learning_rate_init, plain.dropout) == ((100,), 0.001, 0.0)


@pytest.mark.parametrize(("preset", "kind"), PRESETS)
def test_the_number_of_steps_does_not_depend_on_the_rows(preset, kind):
    random = np.random.default_rng(0)
    for n_rows, n_steps in ((30, 100), (400, 13 * 8)):
        X = random.normal(size=(n_rows, 3))
        network = preset(min_steps=100, max_iter=1, random_state=0).fit(X, X[:, 0] > 0)
        assert network.n_iter_ * -(-n_rows // min(32, n_rows)) == n_steps


def test_the_preset_has_a_lower_loss_than_the_plain_default_on_noisy_rows():
    X, y = make_classification(1600, 30, n_informative=6, n_redundant=4, flip_y=0.15, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(scale(X), y, train_size=600, random_state=0)
    plain = RegularizedMLPClassifier(random_state=0, n_iter_no_change=np.inf)
    losses = [
        log_loss(y_test, network.fit(X_train, y_train).predict_proba(X_test))
        for network in (preset_classifier(random_state=0), plain)
    ]
    assert losses[0] < 0.9 * losses[1]


def test_a_search_over_a_preset_in_a_pipeline_of_tables():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X.assign(site=pd.Categorical(np.where(np.arange(len(X)) % 3, "left", "right")))
    model = table_pipeline(preset_classifier(min_steps=100, random_state=0))
    name = "regularizedmlpclassifier"
    grid = {f"{name}__dropout": [0.2, 0.5], f"{name}__min_steps": [50, 100]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.95
    assert search.best_estimator_[-1].learning_rate == "cosine"
