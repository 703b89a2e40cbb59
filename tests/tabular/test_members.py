"""The networks that are trained where none are named: sizes that follow from the table, and a fit of all of them."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skreg import TabularMLPClassifier, TabularMLPRegressor
from skreg._estimator.steps import resolved_batch_size, resolved_epochs
from skreg.preprocessing import PiecewiseLinearEncoder
from skreg.tabular import _members
from skreg.tabular._blend import can_be_blended
from skreg.tabular._inputs import network_of
from skreg.tabular._members import default_members, make_network
from tests.helpers import KINDS
from tests.tabular_helpers import data, table

BOTH = pytest.mark.parametrize("kind", KINDS)


@BOTH
@pytest.mark.parametrize("n_rows", [1, 10, 48, 200, 1000, 8000, 100_000])
def test_epochs_and_patience_follow_from_steps(kind, n_rows):
    network = make_network(KINDS[kind])
    n_steps = math.ceil(n_rows / resolved_batch_size(network, n_rows))
    n_epochs, patience = resolved_epochs(network, n_steps)
    assert (n_epochs - 1) * n_steps < max(_members.MIN_STEPS, _members.MIN_EPOCHS * n_steps) <= n_epochs * n_steps
    least = max(_members.MIN_STEPS / 10, _members.MIN_PATIENCE * n_steps)
    assert (patience - 1) * n_steps < least <= patience * n_steps


@BOTH
class TestNetworks:
    def test_they_are_members_with_names_of_their_own(self, kind):
        members = default_members(KINDS[kind], 500, 10)
        assert len(dict(members)) == len(members) >= 3
        for _, member in members:
            network = network_of(member)
            assert type(network) is KINDS[kind]
            assert can_be_blended(network)
            network._validate_params()
            assert network.early_stopping is True
            assert clone(network).get_params() == network.get_params()

    def test_a_penalized_linear_model_is_among_them(self, kind):
        linear = [n for _, n in default_members(KINDS[kind], 50, 10) if len(n.hidden_layer_sizes) == 0]
        assert any(network.penalty is not None and network.alpha > 0 for network in linear)

    def test_where_columns_outnumber_rows_one_chooses_columns(self, kind):
        few, many = (dict(default_members(KINDS[kind], 50, n_columns)) for n_columns in (50, 51))
        assert set(few) < set(many)
        assert {many[name].penalty for name in set(many) - set(few)} <= {"l1", "group_lasso", "hierarchical"}

    def test_pieces_where_their_features_do_not_outnumber_rows(self, kind):
        few, many = (dict(default_members(KINDS[kind], n_rows, 10)) for n_rows in (89, 90))
        added = {name: many[name] for name in set(many) - set(few)}
        assert set(added) == {f"{name}_pieces" for name in _members.IN_PIECES}
        for name, member in added.items():
            encoder, network = (step for _, step in member.steps)
            assert isinstance(encoder, PiecewiseLinearEncoder)
            same = many[name.removesuffix("_pieces")]
            assert network.get_params() == same.get_params()
            assert network is not same


@pytest.fixture
def short(monkeypatch):
    """Let the networks take a few epochs."""
    monkeypatch.setattr(_members, "MIN_STEPS", 10)
    monkeypatch.setattr(_members, "MIN_EPOCHS", 8)


@BOTH
def test_a_fit_of_all(kind, short):
    X, y = table(kind)
    estimator = (TabularMLPClassifier if kind == "classifier" else TabularMLPRegressor)(random_state=0)
    found = estimator.fit(X, y)
    expected = default_members(KINDS[kind], 64, 4)
    assert list(found.members_) == [name for name, _ in expected]
    for name, member in expected:
        given = clone(found.members_[name]).estimator
        assert given[-1].get_params() == network_of(member).get_params()
        assert len(given) == (3 if name.endswith("_pieces") else 2)
    assert len(found.folds_.members_) == 5
    assert sum(found.weights_.values()) == pytest.approx(1)
    assert found.loss_ <= min(found.losses_.values())
    assert found.score(X, y) > 0.3
    assert estimator.members == "auto"


@BOTH
def test_more_columns_than_rows(kind, short):
    X, y = data(kind)
    wide = np.column_stack([X, np.random.default_rng(0).normal(size=(len(X), 60))])
    found = (TabularMLPClassifier if kind == "classifier" else TabularMLPRegressor)(random_state=0, cv=2).fit(wide, y)
    assert "group_lasso" in {member.estimator[-1].penalty for member in found.members_.values()}


def test_no_pieces_where_encoded_columns_have_too_many(short):
    X, y = data("classifier", n_classes=2)
    levels = np.array([f"level {k}" for k in range(10)] * 6)[:, None]  # 10 features and 36 of the numbers for 45 rows
    few, many = (pd.DataFrame(rows) for rows in (X, np.hstack([X.astype(object), levels])))
    for frame, names in ((few, {"sparse_pieces", "wide_pieces"}), (many, set())):
        estimator = TabularMLPClassifier(random_state=0, cv=4).fit(frame.infer_objects(), y)
        assert {name for name in estimator.members_ if name.endswith("_pieces")} == names
        assert set(estimator.members_) >= set(_members.RECIPES)


@pytest.mark.product
def test_a_fit_as_it_is():
    """Of all epochs; the examples of the docstrings are others."""
    X, y = data("classifier", n_rows=40, n_classes=2)
    found = TabularMLPClassifier(random_state=0, cv=2).fit(X, y)
    assert found.oof_score_ > 0.8
    assert found.loss_ < 0.5
    assert found.score(X, y) > 0.85
