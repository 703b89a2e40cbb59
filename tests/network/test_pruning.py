"""A pruned network is smaller and predicts the same; selected features and their importances."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.network.activation import ACTIVATIONS
from skreg.network.pruning import Weights, prune_weights
from skreg.penalties import GroupLasso, Hierarchical
from tests.helpers import BOTH

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
Y = np.column_stack([X[:, 0] - X[:, 1], X[:, 2] ** 2])
# An infinite patience ends at max_iter without a warning.
SHORT = {"max_iter": 3, "n_iter_no_change": np.inf, "learning_rate_init": 0.02, "random_state": 0}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def fitted(hidden=(8, 7, 5), dtype="float64", **options):
    return RegularizedMLPRegressor(hidden, **SHORT, **options).fit(X.astype(dtype), Y)


def every_array(model):
    scales = [array for layer in model.normalization_params_ for array in layer.values()]
    skips = [] if model.skip_coef_ is None else [model.skip_coef_]
    return [*model.coefs_, *model.intercepts_, *scales, *skips]


def n_multiplications(model):
    return sum(W.size for W in model.coefs_) + (0 if model.skip_coef_ is None else model.skip_coef_.size)


def two_features(model):
    model.coefs_[0][[1, 4]] = 0
    if model.skip_coef_ is not None:
        model.skip_coef_[[1, 4]] = 0


def constant_units(model):
    model.coefs_[0][:, [0, 3]] = 0
    model.coefs_[1][:, 2] = 0
    model.coefs_[2][:, [1, 4]] = 0


def unread_units(model):
    model.coefs_[1][[0, 2]] = 0
    model.coefs_[3][4] = 0


def all_of_these(model):
    two_features(model)
    constant_units(model)
    unread_units(model)


def chains_of_dead_units(model):
    """Write zeros whose consequences run through the layers, up and down."""
    # Downwards: nothing reads unit 0 of the third layer, which alone reads units 0 and 1 of the second, and these
    # alone read unit 2 of the first, which alone reads feature 3.
    model.coefs_[3][0] = 0
    model.coefs_[2][[0, 1], 1:] = 0
    model.coefs_[1][2, 2:] = 0
    model.coefs_[0][3, np.arange(8) != 2] = 0
    # Upwards: unit 7 of the first layer is constant, and unit 6 of the second reads nothing else.
    model.coefs_[0][:, 7] = 0
    model.coefs_[1][:7, 6] = 0
    if model.skip_coef_ is not None:
        model.skip_coef_[3] = 0


def a_first_layer_of_zeros(model):
    model.coefs_[0][:] = 0


def an_output_layer_of_zeros(model):
    model.coefs_[-1][:] = 0


def nothing_but_zeros(model):
    for W in model.coefs_:
        W[:] = 0
    if model.skip_coef_ is not None:
        model.skip_coef_[:] = 0


DAMAGE = [
    two_features,
    constant_units,
    unread_units,
    all_of_these,
    chains_of_dead_units,
    a_first_layer_of_zeros,
    an_output_layer_of_zeros,
    nothing_but_zeros,
]
FOR_UNITS_ALONE = [constant_units, unread_units, chains_of_dead_units, an_output_layer_of_zeros]
OPTIONS = {
    **{name: {"activation": name} for name in ACTIVATIONS},
    "batch": {"normalization": "batch", "activation": "tanh"},
    "layer": {"normalization": "layer"},
    "skip": {"penalty": Hierarchical(1e-4), "activation": "logistic"},
    "skip and batch": {"penalty": Hierarchical((1e-4, 0, 0, 0)), "normalization": "batch"},
}


@pytest.fixture(scope="module", params=[(dtype, case) for dtype in TOLERANCE for case in OPTIONS], ids="-".join)
def network(request):
    dtype, case = request.param
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="normalization='batch' undoes the scale")
        return fitted(dtype=dtype, **OPTIONS[case])


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_pruned_network_predicts_the_same(network, damage):
    model = copy.deepcopy(network)
    dtype = model.coefs_[0].dtype
    for b in model.intercepts_:
        b[:] = 0.5 * np.random.default_rng(1).normal(size=b.shape)
    damage(model)
    before = pickle.dumps(model)
    pruned = model.prune()
    assert pickle.dumps(model) == before
    rows = X.astype(dtype)
    assert 0.01 < np.abs(model.predict(rows)).max() < 10
    assert np.abs(pruned.predict(rows) - model.predict(rows)).max() <= TOLERANCE[dtype.name]
    # What pruning_ says is what is there.
    for name, of in {
        "n_parameters": lambda m: sum(a.size for a in every_array(m)),
        "n_features": lambda m: len(m.coefs_[0]),
        "hidden_layer_sizes": lambda m: tuple(W.shape[1] for W in m.coefs_[:-1]),
        "n_multiplications": n_multiplications,
    }.items():
        assert pruned.pruning_[name] == (of(model), of(pruned))
    assert all(a.dtype == dtype for a in every_array(pruned))
    assert not any(np.shares_memory(a, b) for a, b in zip(every_array(model), every_array(pruned), strict=True))
    units_stay = model.normalization == "layer"
    n_before, n_after = pruned.pruning_["n_parameters"]
    if not (units_stay and damage in FOR_UNITS_ALONE):
        assert n_after < n_before
    if units_stay:
        assert pruned.pruning_["hidden_layer_sizes"][1] == (8, 7, 5)
    np.testing.assert_allclose(pruned.sparsity_, [np.mean(W == 0) for W in pruned.coefs_])
    # A feature that only unread units look at is no longer selected.
    assert set(pruned.selected_features_) <= set(model.selected_features_)
    assert damage is chains_of_dead_units or len(pruned.selected_features_) == len(model.selected_features_)
    assert pruned.prune().pruning_["n_parameters"][0] == pruned.pruning_["n_parameters"][1]


def test_dead_units_take_the_units_that_only_they_served_with_them():
    model = fitted()
    chains_of_dead_units(model)
    pruned = model.prune()
    # First layer: without unit 2 (unread) and unit 7 (constant); second: without 0, 1 (unread) and 6 (constant).
    assert pruned.pruning_["hidden_layer_sizes"] == ((8, 7, 5), (6, 4, 4))
    assert pruned.input_features_.tolist() == [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(pruned.coefs_[0], np.delete(np.delete(model.coefs_[0], [2, 7], axis=1), 3, axis=0))


def test_one_feature_and_one_unit_of_each_layer_are_kept():
    model = fitted(penalty=Hierarchical(1e-4))
    nothing_but_zeros(model)
    pruned = model.prune()
    assert [W.shape for W in pruned.coefs_] == [(1, 1), (1, 1), (1, 1), (1, 2)]
    assert pruned.skip_coef_.shape == (1, 2)
    assert pruned.selected_features_.size == 0
    np.testing.assert_array_equal(pruned.predict(X), np.tile(model.intercepts_[-1], (60, 1)))


def test_a_fit_that_selects_nothing_can_be_pruned():
    model = RegularizedMLPRegressor((20,), penalty=GroupLasso(10.0), learning_rate="cosine", random_state=0)
    model.set_params(learning_rate_init=0.05, max_iter=60, n_iter_no_change=np.inf).fit(X, Y)
    assert model.selected_features_.size == 0
    pruned = model.prune()
    assert pruned.pruning_["hidden_layer_sizes"] == ((20,), (1,))
    np.testing.assert_allclose(pruned.predict(X), model.predict(X), rtol=0, atol=1e-12)
    assert np.ptp(pruned.predict(X), axis=0).max() == 0


def test_features_of_the_skip_connection_alone_are_kept():
    model = fitted(penalty=Hierarchical(1e-4))
    model.coefs_[0][2] = 0
    assert 2 in model.prune().input_features_
    model.skip_coef_[2] = 0
    pruned = model.prune()
    assert pruned.input_features_.tolist() == [0, 1, 3, 4, 5]
    assert pruned.skip_coef_.shape == (5, 2)


def test_without_hidden_layers_features_are_pruned():
    model = fitted(())
    model.coefs_[0][[0, 5]] = 0
    pruned = model.prune()
    assert pruned.pruning_["hidden_layer_sizes"] == ((), ())
    assert pruned.pruning_["n_multiplications"] == (12, 8)
    np.testing.assert_allclose(pruned.predict(X), model.predict(X), rtol=0, atol=1e-12)


def test_constants_are_folded_in_float64():
    """A thousand equal constants: a sum in float32 would be off by more than its last digit."""
    n = 1000
    constant = np.float32(0.1)
    weights = Weights(
        [np.zeros((1, n), np.float32), np.full((n, 1), constant)],
        [np.full(n, constant), np.zeros(1, np.float32)],
        [],
        None,
    )
    pruned, features = prune_weights(weights, "relu")
    assert features.tolist() == [0]
    kept = np.float64(constant) ** 2
    assert pruned.intercepts[1][0] == np.float32((n - 1) * kept)


@pytest.fixture(scope="module")
def friedman():
    """Return a classifier on a frame, of whose ten columns five matter, and its data."""
    data, y = make_friedman1(n_samples=300, n_features=10, noise=0.5, random_state=0)
    frame = pd.DataFrame(scale(data), columns=[f"x{i}" for i in range(10)]).astype(np.float32)
    labels = np.digitize(y, np.quantile(y, [0.33, 0.66]))
    model = RegularizedMLPClassifier((20,), penalty=GroupLasso(0.1), learning_rate="cosine", learning_rate_init=0.03)
    model.set_params(max_iter=60, batch_size=50, n_iter_no_change=np.inf, random_state=0)
    return model.fit(frame, labels), frame, labels


def test_a_pruned_classifier_takes_the_same_frame(friedman):
    model, frame, labels = friedman
    pruned = model.prune()
    assert 0 < len(pruned.input_features_) < 10
    np.testing.assert_allclose(pruned.predict_proba(frame), model.predict_proba(frame), atol=1e-6)
    np.testing.assert_array_equal(pruned.predict(frame), model.predict(frame))
    assert pruned.score(frame, labels) > 0.6
    np.testing.assert_array_equal(pruned.feature_names_in_, frame.columns)
    np.testing.assert_array_equal(pruned.selected_features_, frame.columns[pruned.input_features_])
    with pytest.raises(ValueError, match="feature names should match"):
        pruned.predict(frame[pruned.selected_features_])


def test_a_pruned_network_takes_sparse_rows():
    model = fitted()
    all_of_these(model)
    pruned = model.prune()
    for form in (scipy.sparse.csr_array, scipy.sparse.csc_matrix):
        np.testing.assert_allclose(pruned.predict(form(X)), model.predict(X), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="X has 4 features, but .* is expecting 6 features"):
        pruned.predict(X[:, pruned.input_features_])


def test_a_pruned_network_pickles(friedman):
    model, frame, _ = friedman
    again = pickle.loads(pickle.dumps(model.prune()))
    np.testing.assert_array_equal(again.predict_proba(frame), model.prune().predict_proba(frame))
    assert again.pruning_ == model.prune().pruning_


def test_a_clone_of_a_pruned_network_trains_the_whole_network(friedman):
    model, frame, labels = friedman
    pruned = model.prune()
    copied = clone(pruned)
    assert copied.get_params().keys() == model.get_params().keys()
    assert not hasattr(copied, "pruning_")
    for again in (copied, pruned):
        again.fit(frame, labels)
        np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
        assert again.coefs_[0].shape == (10, 20)
        assert len(again.input_features_) == 10


def test_a_pruned_network_cannot_go_on_with_warm_start():
    model = fitted()
    two_features(model)
    with pytest.raises(ValueError, match="Training continues from the fitted weights, whose shapes are"):
        model.prune().set_params(warm_start=True).fit(X, Y)


@BOTH
def test_only_fitted_networks_can_be_pruned_and_select(kind):
    with pytest.raises(NotFittedError):
        kind().prune()
    for name in ("feature_importances_", "selected_features_"):
        assert not hasattr(kind(), name)
        with pytest.raises(NotFittedError):
            getattr(kind(), name)


SKIP = {"penalty": Hierarchical(1e-4)}
DAMAGED_STATES = [
    ({}, "input_features_", None, "'input_features_' does not match"),
    ({}, "input_features_", list(range(6)), "'input_features_' does not match"),
    ({}, "input_features_", np.arange(5), "'input_features_' does not match"),
    ({}, "input_features_", np.arange(6) + 1, "'input_features_' does not match"),
    ({}, "input_features_", np.arange(6) - 1, "'input_features_' does not match"),
    ({}, "input_features_", np.arange(6.0), "'input_features_' does not match"),
    ({}, "n_features_in_", 5, "'input_features_' does not match"),
    (SKIP, "skip_coef_", np.zeros((5, 2)), "'skip_coef_' must be None or a matrix"),
    (SKIP, "skip_coef_", np.zeros((6, 1)), "'skip_coef_' must be None or a matrix"),
    (SKIP, "skip_coef_", np.zeros((6, 2), dtype=np.float32), "'skip_coef_' must be None or a matrix"),
    (SKIP, "skip_coef_", [[0.0] * 2] * 6, "'skip_coef_' must be None or a matrix"),
    (SKIP, "skip_coef_", np.full((6, 2), np.nan), "must be finite"),
]


@pytest.mark.parametrize(("options", "name", "value", "message"), DAMAGED_STATES)
def test_damaged_selections_and_skip_weights_are_refused(options, name, value, message):
    state = fitted((4,), **options).__getstate__()
    RegularizedMLPRegressor().__setstate__(copy.deepcopy(state))
    with pytest.raises(ValueError, match=f"The saved state is damaged: .*{message}"):
        RegularizedMLPRegressor().__setstate__({**state, name: value})


def test_importances_are_the_norms_of_what_gates_a_feature():
    model = fitted()
    np.testing.assert_allclose(model.feature_importances_, np.sqrt((model.coefs_[0] ** 2).sum(axis=1)))
    model = fitted(**SKIP)
    np.testing.assert_allclose(model.feature_importances_, np.sqrt((model.skip_coef_**2).sum(axis=1)))
    model.skip_coef_[3] = model.coefs_[0][3] = 0
    pruned = model.prune()
    np.testing.assert_array_equal(pruned.feature_importances_, model.feature_importances_)
    assert pruned.feature_importances_[3] == 0
    assert pruned.selected_features_.tolist() == [0, 1, 2, 4, 5]


def test_selected_features_are_names_after_a_fit_on_a_frame(friedman):
    model, frame, _ = friedman
    assert set(model.selected_features_) <= set(frame.columns)
    np.testing.assert_array_equal(model.selected_features_, frame.columns[(model.coefs_[0] != 0).any(axis=1)])
    np.testing.assert_array_equal(model.feature_importances_ > 0, np.isin(frame.columns, model.selected_features_))


@pytest.mark.parametrize("prefit", [True, False])
def test_select_from_model_takes_what_is_not_zero(friedman, prefit):
    model, frame, labels = friedman
    selector = SelectFromModel(model if prefit else clone(model), threshold=1e-10, prefit=prefit).fit(frame, labels)
    np.testing.assert_array_equal(selector.get_feature_names_out(), model.selected_features_)
    assert selector.transform(frame).shape == (300, len(model.selected_features_))


def test_recursive_elimination_ranks_by_the_importances(friedman):
    model, frame, labels = friedman
    weak = clone(model).set_params(max_iter=10, penalty__alpha=0.01)
    selector = RFE(weak, n_features_to_select=5, step=5).fit(frame, labels)
    whole = weak.fit(frame, labels)
    np.testing.assert_array_equal(
        np.flatnonzero(selector.support_), np.sort(np.argsort(whole.feature_importances_)[5:])
    )
