"""Members that are pipelines: their networks against the same pipelines fitted alone."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from skreg._seeds import SEED_LIMIT
from skreg.preprocessing import PiecewiseLinearEncoder, TableEncoder
from skreg.tabular._blend import Blend
from skreg.tabular._inputs import SharedInputs
from tests.helpers import KINDS
from tests.tabular_helpers import data, model, networks, table

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
BOTH = pytest.mark.parametrize("kind", KINDS)


def members(kind, *transformers, **options):
    """Return two networks and, behind transformers, two more."""
    plain = networks(kind, **options)
    return plain + [(f"{name}_behind", make_pipeline(*transformers, network)) for name, network in plain]


@BOTH
@pytest.mark.parametrize("width", [None, 40])
def test_networks_are_those_of_the_pipelines_fitted_alone(kind, width):
    X, y = data(kind)
    validation = {"X_val": X[40:], "y_val": y[40:]}
    given = members(kind, PiecewiseLinearEncoder(3))
    widths = None if width is None else {name: width for name, _ in given}
    blend = Blend(given, random_state=0, widths=widths).fit(X[:40], y[:40], **validation)
    random = np.random.RandomState(0)
    for name, member in given:
        seed = int(random.randint(SEED_LIMIT))
        if not name.endswith("_behind"):
            continue
        encoder = PiecewiseLinearEncoder(3).fit(X[:40])
        n_features = 4 * (1 + 3)
        zeros = np.zeros((60, 0 if width is None else width - n_features))
        inputs = np.hstack([np.asarray(encoder.transform(X)), zeros])
        alone = clone(member[-1]).set_params(random_state=seed)
        alone.fit(inputs[:40], y[:40], X_val=inputs[40:], y_val=y[40:])
        found = blend.networks_[name]
        np.testing.assert_allclose(found[-1].coefs_[0], alone.coefs_[0][:n_features], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.predict(X), alone.predict(inputs), rtol=1e-9)
        assert not hasattr(member[-1], "coefs_")
        assert not hasattr(member[0], "bin_edges_")


@BOTH
def test_equal_transformers_are_fitted_once(kind):
    X, y = data(kind)
    shared = SharedInputs(X, y, X[:5], {"wide": 30}, np.random.RandomState(0))
    first, same = (shared.of(name, make_pipeline(PiecewiseLinearEncoder(3), KINDS[kind]())) for name in "ab")
    assert first.X is same.X
    assert first.X_val is same.X_val
    assert first.n_features == 16
    other = shared.of("c", make_pipeline(PiecewiseLinearEncoder(4), KINDS[kind]()))
    assert other.n_features == 20
    wide = shared.of("wide", make_pipeline(PiecewiseLinearEncoder(3), KINDS[kind]()))
    assert (wide.X.shape, wide.n_features) == ((60, 30), 16)
    assert shared.of("d", make_pipeline("passthrough", KINDS[kind]())).X is shared.of("e", KINDS[kind]()).X


@BOTH
def test_members_with_equal_transformers_keep_their_own_names(kind):
    X, y = data(kind)
    small, large = (network for _, network in networks(kind))
    given = [("a", Pipeline([("x", PCA(2)), ("y", small)])), ("b", Pipeline([("y", PCA(2)), ("x", large)]))]
    found = Blend(given, random_state=0).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:]).networks_
    assert [[name for name, _ in member.steps] for member in found.values()] == [["x", "y"], ["y", "x"]]
    assert found["a"][0] is found["b"][0]


@BOTH
def test_transformers_that_draw_have_seeds(kind):
    X, y = data(kind)
    given = members(kind, QuantileTransformer(n_quantiles=5, subsample=20, random_state=None))
    first, second = (Blend(given, random_state=0).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:]) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    drawn = [blend.networks_["small_behind"][0] for blend in (first, second)]
    assert drawn[0].random_state == drawn[1].random_state is not None


@BOTH
def test_importances_and_selected_features_are_of_the_features_before_the_transformers(kind):
    X, y = data(kind)
    X = np.column_stack([X, np.tile([0.0, 1.0], 30)])
    given = members(kind, StandardScaler(), PiecewiseLinearEncoder(3), early_stopping=False, n_iter_no_change=10)
    blend = Blend(given, random_state=0).fit(X, y)
    blend.weights_ = dict.fromkeys(blend.weights_, 0.0) | {"small_behind": 1.0}
    network = blend.networks_["small_behind"][-1]
    norms = [np.linalg.norm(network.feature_importances_[[j, *range(5 + 3 * j, 8 + 3 * j)]]) for j in range(4)]
    norms.append(network.feature_importances_[4])  # no pieces of two numbers
    np.testing.assert_allclose(blend.feature_importances_, np.array(norms) / np.sum(norms), rtol=1e-6)
    np.testing.assert_array_equal(blend.selected_features_, np.arange(5))
    np.testing.assert_array_equal(blend.prune().predict(X), blend.predict(X))


@BOTH
def test_importances_of_mixed_features_are_an_error(kind):
    X, y = data(kind)
    given = members(kind, PCA(2), early_stopping=False, n_iter_no_change=10)
    blend = Blend(given, random_state=0).fit(X, y)
    assert blend.predict(X).shape == y.shape
    with pytest.raises(
        AttributeError, match=r"What comes out of PCA\(n_components=2, random_state=\d+\) belongs to no single column"
    ):
        _ = blend.feature_importances_


@BOTH
def test_a_fit_to_a_frame(kind):
    X, y = table(kind)
    given = members(kind, PiecewiseLinearEncoder(3))
    found = model(kind, members=given).fit(X, y)
    alone = found.members_["small_behind"]
    names = [type(step).__name__ for _, step in alone.members_[0].steps]
    assert names == ["TableEncoder", "PiecewiseLinearEncoder", KINDS[kind].__name__]
    for pipeline, whole in zip(alone.members_, found.folds_.members_, strict=True):
        encoder = whole[0]
        assert isinstance(encoder, TableEncoder)
        expected = whole[-1].networks_["small_behind"].predict(encoder.transform(X))
        np.testing.assert_array_equal(pipeline.predict(X), expected)
        assert pipeline.feature_importances_.shape == (4,)
    assert alone.feature_importances_.shape == found.feature_importances_.shape == (4,)
    assert found.feature_importances_.sum() == pytest.approx(1)
    assert len(clone(alone).fit(X, y).members_[0]) == 3
    again = model(kind, members=given).fit(X, y)
    np.testing.assert_array_equal(again.oof_predictions_, found.oof_predictions_)
