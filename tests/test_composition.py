"""The walker through estimators within others."""

import numpy as np
import pytest
import sklearn.compose
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPRegressor
from skreg._composition import last_of, nested, opened, parts, path_to_last, with_last
from skreg.compose import TransformedTargetRegressor, last_if_plain, quantile_levels
from skreg.model_selection._batched_fits import has_network, network_of, networks_of

WRAPPERS = [TransformedTargetRegressor, sklearn.compose.TransformedTargetRegressor]
X, Y = np.arange(12.0).reshape(6, 2), np.arange(6.0)


class OwnPipeline(Pipeline):
    """May fit in a way of its own."""


class OwnTransformation(sklearn.compose.TransformedTargetRegressor):
    """May fit in a way of its own."""


@pytest.mark.parametrize("wrapper", WRAPPERS)
class TestNested:
    def test_parts_are_walked_through_from_the_outside_in(self, wrapper):
        ridge = Ridge()
        inner = make_pipeline(StandardScaler(), ridge)
        model = wrapper(inner)
        assert list(nested(model)) == [model, inner, ridge]
        assert path_to_last(model) == [("", model), ("regressor", inner), ("ridge", ridge)]
        assert last_of(model) is ridge

    def test_a_fit_adds_a_copy(self, wrapper):
        ridge = Ridge()
        inner = make_pipeline(StandardScaler(), ridge)
        model = wrapper(inner).fit(X, Y)
        copy = model.regressor_
        assert list(nested(model)) == [model, inner, ridge, copy, copy[-1]]
        assert last_of(model) is ridge
        assert list(opened(model)) == [model, copy, copy[-1]]
        *_, innermost = opened(GridSearchCV(model, {}, cv=2).fit(X, Y))
        assert isinstance(innermost, Ridge)
        assert hasattr(innermost, "coef_")

    def test_the_last_part_and_its_copy_are_replaced(self, wrapper):
        model = make_pipeline(StandardScaler(), wrapper(make_pipeline(StandardScaler(), Ridge()))).fit(X, Y)
        before = [part for part in nested(model) if isinstance(part, Ridge)]
        seen = []
        assert with_last(model, lambda last: seen.append(last) or "new") is model
        assert seen == before
        assert [part for part in nested(model) if part == "new"] == ["new", "new"]
        assert [name for name, _ in model.steps] == ["standardscaler", "transformedtargetregressor"]


def test_without_parts_an_estimator_is_its_own_last_one():
    ridge, empty = Ridge(), Pipeline([])
    assert parts(ridge) == parts(empty) == {}
    assert last_of(ridge) is ridge
    assert list(opened(ridge)) == [ridge]
    assert with_last(ridge, lambda last: [last]) == [ridge]
    assert last_of(empty) is empty
    assert network_of(empty) is None


@pytest.mark.parametrize("wrap", [lambda model: OwnPipeline([("last", model)]), OwnTransformation])
def test_what_is_in_subclasses_is_left_to_them(wrap):
    model = make_pipeline(wrap(RegularizedMLPRegressor()))
    assert isinstance(last_of(model), RegularizedMLPRegressor)
    assert last_if_plain(model) is network_of(model) is None
    assert not has_network(model)
    assert not list(networks_of(model))


def test_quantiles_are_seen_in_subclasses_before_a_fit_as_after_it():
    network = RegularizedMLPRegressor((), loss="quantile", quantile=[0.1, 0.9], max_iter=1, n_iter_no_change=np.inf)
    model = OwnTransformation(network, check_inverse=False)
    assert quantile_levels(model) == (0.1, 0.9)
