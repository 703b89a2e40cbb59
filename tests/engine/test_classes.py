"""Targets of many classes: codes make the networks of indicator columns, in a fraction of the memory."""

import pickle

import numpy as np
import pytest
import torch

from skreg import RegularizedMLPClassifier
from skreg.augmentation import BatchTransform
from skreg.engine.classes import ClassIndicators, ClassTargets, indicators
from skreg.model_selection import GridSearchCV, RegularizedMLPClassifierCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OPTIONS = {
    "max_iter": 4,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "batch_size": 32,
    "learning_rate_init": 0.01,
    "random_state": 0,
}


def squared_error(y_true, y_pred):
    """Return the squared error of probabilities."""
    return (y_pred.softmax(dim=1) - y_true).square().sum(dim=1)


class SwappedHalves(BatchTransform):
    """Mixes targets of neighbours."""

    def __call__(self, batch, random):
        return batch._replace(target=0.5 * (batch.target + batch.target.flip(1)))


CASES = {
    "plain": {},
    "validated": {"early_stopping": True, "n_iter_no_change": 5},
    "weighted": {"class_weight": "balanced"},
    "given weights": {"class_weight": {0: 2.0, 1: 0.5}},
    "smoothed": {"label_smoothing": 0.1},
    "custom loss": {"loss": squared_error},
    "lbfgs": {"solver": "lbfgs", "tol": 1e-4},
    "transformed": {"augmentation": SwappedHalves()},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "refit": {"early_stopping": True, "n_iter_no_change": 2, "refit_on_all": True},
}


def data(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 5))
    y = np.r_[np.arange(n_classes).repeat(3), rng.integers(0, n_classes, 160 - 3 * n_classes)]
    return X, y, rng.random(160) + 0.1


def test_indicators_are_scikit_learns():
    from sklearn.preprocessing import label_binarize

    codes = np.array([2, 0, 1, 2])
    expected = label_binarize(codes, classes=[0, 1, 2])
    lazy = ClassIndicators(codes, 3)
    np.testing.assert_array_equal(indicators(codes, 3), expected)
    np.testing.assert_array_equal(np.asarray(lazy), expected)
    np.testing.assert_array_equal(np.asarray(lazy[[0, 2]].astype(np.float32)), expected[[0, 2]])
    assert np.asarray(lazy.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(lazy.argmax(axis=1), codes)
    tensor = ClassTargets(torch.from_numpy(codes), 3, torch.float32)
    np.testing.assert_array_equal(tensor[1:].numpy(), expected[1:])
    np.testing.assert_array_equal(tensor.changed(lambda T: 2 * T)[torch.tensor([3])].numpy(), 2 * expected[[3]])


@pytest.mark.parametrize("n_classes", [4, 20], ids=["narrow", "wide"])
@pytest.mark.parametrize("name", CASES)
def test_codes_make_the_network_of_indicators(name, n_classes, in_parts):
    X, y, weight = data(n_classes)
    model = RegularizedMLPClassifier(**{"hidden_layer_sizes": (8,), **OPTIONS, **CASES[name]})
    expected = pickle.loads(pickle.dumps(model)).fit(X, y, sample_weight=weight)
    in_parts()
    model.fit(X, y, sample_weight=weight)
    for own, other in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-6, atol=1e-9)
    for column in expected.history_:
        if column != "stopping_reason":
            np.testing.assert_allclose(model.history_[column], expected.history_[column], rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.decision_function(X).argmax(axis=1)])


@pytest.mark.filterwarnings("ignore:Early stopping has no row to choose the epoch by of the classes")
def test_partial_fit_and_given_validation_rows_take_codes(in_parts):
    X, y, weight = data(20)

    def trained():
        model = RegularizedMLPClassifier((8,), **OPTIONS).partial_fit(X[:50], y[:50], classes=np.arange(20))
        model.partial_fit(X, y, sample_weight=weight)
        other = RegularizedMLPClassifier((8,), **OPTIONS, early_stopping=True)
        return model.coefs_[0], other.fit(X, y, X_val=X[:40], y_val=y[:40]).history_["valid_loss"]

    expected = trained()
    in_parts()
    for own, other in zip(trained(), expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-7)


@pytest.mark.filterwarnings("ignore:The best alpha", "ignore:No feature")
def test_populations_take_codes(in_parts):
    X, y, _ = data(4)

    def searched():
        search = GridSearchCV(
            RegularizedMLPClassifier((8,), early_stopping=True, **OPTIONS), {"alpha": [0.01, 1.0]}, cv=3
        ).fit(X, y)
        model = RegularizedMLPClassifierCV((8,), alphas=[1e-5, 1e-4], cv=3, **OPTIONS).fit(X, y)
        return search.cv_results_["mean_test_score"], model.coefs_[0]

    expected = searched()
    in_parts()
    for own, other in zip(searched(), expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-7)
