"""Blends against networks that are fitted alone with the same seeds and the same rows to stop on."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.preprocessing import scale

from skreg._seeds import SEED_LIMIT
from skreg.backends import _joblib
from skreg.penalties import GroupLasso
from skreg.preprocessing import TableEncoder
from skreg.preprocessing._encoded import EncodedTable, source_columns_of
from skreg.tabular._blend import Blend
from skreg.tabular._inputs import padded
from tests.helpers import KINDS, assert_same_bits, assert_unchanged_by
from tests.tabular_helpers import data, model, networks, table, weighted_mean

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
TABLE = table()[0]
BOTH = pytest.mark.parametrize("kind", KINDS)


def parts(kind):
    """Return arguments of a fit: rows, weights, and rows to stop on."""
    X, y = data(kind)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=40)
    return (X[:40], y[:40], weight), {"X_val": X[40:], "y_val": y[40:], "sample_weight_val": np.arange(1.0, 21)}


def fitted_alone(members, args, validation):
    """Return the networks of a blend with random_state=0, each fitted by itself."""
    random, found = np.random.RandomState(0), {}
    for name, network in members:
        single = clone(network).set_params(random_state=int(random.randint(SEED_LIMIT)))
        found[name] = single.fit(*args, **(validation if network.early_stopping else {}))
    return found


@BOTH
def test_its_networks_are_those_that_are_fitted_alone(kind):
    args, validation = parts(kind)
    members = networks(kind, dropout=0.2)
    blend = Blend(members, random_state=0).fit(*args, **validation)
    alone = fitted_alone(members, args, validation)
    assert list(blend.networks_) == ["linear", "small"]
    for name, network in blend.networks_.items():
        np.testing.assert_allclose(network.coefs_[0], alone[name].coefs_[0], rtol=1e-10, atol=1e-12)
        assert network.best_epoch_ == alone[name].best_epoch_
    assert not any(hasattr(network, "coefs_") for _, network in members)


@BOTH
def test_its_predictions_are_weighted_means(kind):
    args, validation = parts(kind)
    blend = Blend(networks(kind), random_state=0).fit(*args, **validation)
    alone = fitted_alone(networks(kind), args, validation)
    method = "predict_proba" if kind == "classifier" else "predict"
    values = {name: getattr(network, method)(args[0]) for name, network in alone.items()}
    assert blend.weights_ == {"linear": 0.5, "small": 0.5}
    for weights in ({"linear": 0.5, "small": 0.5}, {"linear": 0.2, "small": 0.8}, {"linear": 1.0, "small": 0.0}):
        blend.weights_ = weights
        found = getattr(blend, method)(args[0])
        np.testing.assert_allclose(found, weighted_mean(values, weights), rtol=1e-10)
        assert found.dtype == np.float64


def test_labels_are_those_of_the_largest_mean_probabilities():
    (X, y, weight), _ = parts("classifier")
    names = np.array(["one", "two", "three"])
    blend = Blend(networks(early_stopping=False), random_state=0).fit(X, names[y], weight)
    assert blend.classes_.tolist() == ["one", "three", "two"]
    np.testing.assert_array_equal(blend.predict(X), blend.classes_[blend.predict_proba(X).argmax(axis=1)])
    Y = np.column_stack([y == 0, y > 0, y == 2]).astype(int)
    blend.fit(X, Y)
    np.testing.assert_array_equal(blend.predict(X), blend.predict_proba(X) > 0.5)
    assert set(np.unique(blend.predict(X))) == {0, 1}


@BOTH
def test_networks_that_do_not_stop_early_get_no_rows_to_stop_on(kind):
    args, validation = parts(kind)
    members = [networks(kind)[0], networks(kind, early_stopping=False)[1]]
    blend = Blend(members, random_state=0)
    assert blend.stopped_networks == [members[0][1]]
    blend.fit(*args, **validation)
    for name, network in fitted_alone(members, args, validation).items():
        np.testing.assert_allclose(blend.networks_[name].coefs_[0], network.coefs_[0], rtol=1e-10, atol=1e-12)
    assert "valid_loss" in blend.networks_["linear"].history_
    assert "valid_loss" not in blend.networks_["small"].history_


@BOTH
def test_a_network_that_fails_is_left_out(kind):
    args, validation = parts(kind)
    diverging = ("huge", KINDS[kind]((4,), solver="sgd", learning_rate_init=1e30, max_iter=6))
    blend = Blend([*networks(kind), diverging], random_state=0).fit(*args, **validation)
    others = Blend(networks(kind), random_state=0).fit(*args, **validation)
    assert list(blend.networks_) == list(blend.weights_) == ["linear", "small"]
    assert list(blend.failures_) == ["huge"]
    assert "diverge" in blend.failures_["huge"]
    np.testing.assert_allclose(blend.predict(args[0]), others.predict(args[0]), rtol=1e-10)
    blend.networks = [diverging]
    assert_unchanged_by(blend, ValueError, "diverge", lambda blend: blend.fit(*args, **validation))


@BOTH
def test_seeds(kind):
    args, validation = parts(kind)
    first, same, other = (
        Blend(networks(kind), random_state=seed).fit(*args, **validation) for seed in (0, np.random.RandomState(0), 1)
    )
    for name in first.networks_:
        assert_same_bits(first.networks_[name], same.networks_[name])
        assert (first.networks_[name].coefs_[0] != other.networks_[name].coefs_[0]).any()


@BOTH
def test_importances_are_the_weighted_means_of_those_that_sum_to_1(kind):
    args, validation = parts(kind)
    blend = Blend(networks(kind), random_state=0).fit(*args, **validation)
    blend.weights_ = {"linear": 0.3, "small": 0.7}
    own = {name: network.feature_importances_ for name, network in blend.networks_.items()}
    shares = {name: values / values.sum() for name, values in own.items()}
    np.testing.assert_allclose(blend.feature_importances_, weighted_mean(shares, blend.weights_), rtol=1e-6)
    assert blend.feature_importances_.sum() == pytest.approx(1)


def test_features_that_a_used_network_selects():
    X, y = data("regressor")
    X = scale(np.column_stack([X[:, 0], np.random.default_rng(1).normal(size=(len(X), 2))]))
    few = KINDS["regressor"]((), penalty="l1", alpha=0.8, learning_rate_init=0.1, target_transform="standard")
    blend = Blend([("few", few), networks("regressor")[1]], random_state=0).fit(X, y, X_val=X, y_val=y)
    assert blend.networks_["few"].selected_features_.tolist() == [0]
    assert blend.selected_features_.tolist() == [0, 1, 2]
    blend.weights_ = {"few": 1.0, "small": 0.0}
    assert blend.selected_features_.tolist() == [0]
    small = blend.prune()
    assert small.networks_["few"].coefs_[0].shape == (1, 1)
    np.testing.assert_allclose(small.predict(X), blend.predict(X), rtol=1e-6)


class TestWidth:
    """Columns of zeros, with which folds of other features are trained together."""

    def test_zeros_are_original_columns_of_their_own(self):
        encoded = TableEncoder().fit(TABLE).transform(TABLE)
        sources = source_columns_of(encoded).tolist()
        wide = padded(encoded, encoded.shape[1] + 2)
        assert source_columns_of(wide).tolist() == [*sources, max(sources) + 1, max(sources) + 2]
        np.testing.assert_array_equal(np.asarray(wide), np.pad(encoded, ((0, 0), (0, 2))))

    def test_folds_of_other_features_are_trained_together(self, monkeypatch):
        """A level that one fold's rows do not have is a column less."""
        sizes, make = [], _joblib.make_populations

        def recorded(*args, **options):
            made = make(*args, **options)
            sizes.append([len(population) for population in made])
            return made

        monkeypatch.setattr(_joblib, "make_populations", recorded)
        level = np.repeat(["a", "b", "c"], [30, 20, 10])
        X, y = pd.DataFrame({"level": level, "number": np.arange(60.0)}), np.arange(60.0)
        splits = [(np.arange(50), np.arange(50, 60)), (np.arange(10, 60), np.arange(10))]
        found = model("regressor", cv=splits).fit(X, y)
        widths = [member[-1].networks_["small"].n_features_in_ for member in found.folds_.members_]
        assert widths[0] < widths[1]
        assert sizes == [[2, 2]]
        for member, width in zip(found.folds_.members_, widths, strict=True):
            assert member[:-1].transform(X).shape[1] == width
            assert member[-1].networks_["small"].coefs_[0].shape == (width, 4)


@BOTH
def test_copies_and_tags(kind):
    args, validation = parts(kind)
    blend = Blend(networks(kind), random_state=0)
    assert (is_classifier(blend), is_regressor(blend)) == (kind == "classifier", kind == "regressor")
    blend.fit(*args, **validation)
    copy = pickle.loads(pickle.dumps(blend))
    np.testing.assert_array_equal(copy.predict(args[0]), blend.predict(args[0]))
    assert not hasattr(clone(blend), "networks_")


@BOTH
@pytest.mark.parametrize("penalty", ["l2", "l1", "group_lasso", "hierarchical"])
def test_columns_of_zeros_are_trained_with_but_not_kept(kind, penalty):
    (X, y, weight), validation = parts(kind)
    members = networks(kind, penalty=penalty)[1:]
    blend = Blend(members, random_state=0, widths={"small": 9}).fit(X, y, weight, **validation)
    zeros = np.zeros((len(X) + len(validation["X_val"]), 5))
    wide = np.hstack([X, zeros[: len(X)]])
    alone = fitted_alone(
        members, (wide, y, weight), validation | {"X_val": np.hstack([validation["X_val"], zeros[40:]])}
    )
    network, single = blend.networks_["small"], alone["small"]
    assert network.n_features_in_ == blend.n_features_in_ == 4
    assert network.coefs_[0].shape == (4, 4)
    np.testing.assert_array_equal(network.coefs_[0], single.coefs_[0][:4])
    method = "predict_proba" if kind == "classifier" else "predict"
    np.testing.assert_allclose(getattr(network, method)(X), getattr(single, method)(wide), rtol=1e-12)
    assert network.feature_importances_.shape == (4,)
    np.testing.assert_array_equal(network.prune().predict(X), network.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(network)).predict(X), network.predict(X))


@BOTH
def test_original_columns_are_kept_beside_columns_of_zeros(kind):
    (X, y, weight), validation = parts(kind)
    sources = [0, 1, 1, 2]
    X, validation["X_val"] = EncodedTable(X, sources), EncodedTable(validation["X_val"], sources)
    name, plain = networks(kind)[1]
    members = [(name, plain.set_params(penalty=GroupLasso(groups="columns", alpha=0.01)))]
    network = Blend(members, random_state=0, widths={"small": 7}).fit(X, y, weight, **validation).networks_["small"]
    np.testing.assert_array_equal(network.source_columns_, sources)
    assert network.predict(X).shape == y[:40].shape


@BOTH
def test_no_columns_are_added_to_as_many(kind):
    args, validation = parts(kind)
    plain = Blend(networks(kind), random_state=0).fit(*args, **validation)
    same = Blend(networks(kind), random_state=0, widths={"linear": 4, "small": 3}).fit(*args, **validation)
    np.testing.assert_array_equal(plain.predict(args[0]), same.predict(args[0]))
