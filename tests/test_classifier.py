"""The classifier: classes, probabilities, labels of any kind, and label smoothing."""

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from skreg import RegularizedMLPClassifier
from tests.helpers import FIXED


@pytest.fixture(scope="module")
def fitted(digits):
    X, y = digits
    return RegularizedMLPClassifier((32,), learning_rate_init=0.01, max_iter=20, **FIXED).fit(X[:1000], y[:1000])


def test_predictions_agree_with_each_other(fitted, digits):
    X = digits[0][1000:]
    proba, decision = fitted.predict_proba(X), fitted.decision_function(X)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(1)])
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[decision.argmax(1)])
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), proba, rtol=1e-5)
    assert fitted.score(X, digits[1][1000:]) > 0.85


def test_predictions_are_those_of_scikit_learns_mlp_with_the_same_weights(fitted, digits):
    X, y = digits
    theirs = MLPClassifier((32,), max_iter=1).set_params(n_iter_no_change=1)
    with pytest.warns(match="Maximum iterations"):
        theirs.fit(X, y)
    theirs.coefs_, theirs.intercepts_ = fitted.coefs_, fitted.intercepts_
    np.testing.assert_allclose(fitted.predict_proba(X), theirs.predict_proba(X), rtol=1e-4, atol=1e-7)


def test_log_probabilities_are_finite_where_probabilities_underflow():
    X = np.array([[-1.0], [1.0]] * 5)
    model = RegularizedMLPClassifier((), penalty=None, learning_rate_init=1.0, max_iter=200, **FIXED)
    model.fit(X, [0, 1] * 5)
    far = np.array([[1e3]])
    assert model.predict_proba(far)[0, 0] == 0
    assert np.isfinite(model.predict_log_proba(far)).all()


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [-1, 1], [True, False], ["a", "b", "c"], [10, 20, 30]],
    ids=str,
)
def test_labels_of_any_kind_come_back(labels):
    rng = np.random.default_rng(0)
    codes = np.arange(90) % len(labels)
    X = np.eye(len(labels))[codes] * 3 + rng.normal(size=(90, len(labels)))
    y = np.array(labels)[codes]
    model = RegularizedMLPClassifier((10,), learning_rate_init=0.01, max_iter=100, **FIXED).fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.9
    assert model.out_activation_ == ("logistic" if len(labels) == 2 else "softmax")
    assert model.decision_function(X).shape == ((90,) if len(labels) == 2 else (90, 3))


def test_multilabel_equals_a_binary_network_for_each_label_without_hidden_layers():
    X, Y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    X = (X - X.mean(0)) / X.std(0)
    options = {"hidden_layer_sizes": (), "batch_size": 200, "learning_rate": "cosine", "learning_rate_init": 0.1}
    options |= {"max_iter": 600, "alpha": 0.01, "random_state": 0}
    model = RegularizedMLPClassifier(**options).fit(X, Y)
    for k in range(3):
        single = RegularizedMLPClassifier(**options).fit(X, Y[:, k])
        np.testing.assert_allclose(model.predict_proba(X)[:, k], single.predict_proba(X)[:, 1], atol=1e-6)
        np.testing.assert_array_equal(model.predict(X)[:, k], single.predict(X))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert set(np.unique(model.predict(X))) <= {0, 1}


def test_label_smoothing_bounds_confidence():
    X = np.array([[-1.0], [1.0]] * 20)
    y = np.array([0, 1] * 20)
    options = {"hidden_layer_sizes": (), "penalty": None, "learning_rate_init": 0.5, "max_iter": 500, **FIXED}
    plain = RegularizedMLPClassifier(**options).fit(X, y).predict_proba(X)[1, 1]
    smooth = RegularizedMLPClassifier(label_smoothing=0.2, **options).fit(X, y).predict_proba(X)[1, 1]
    assert plain > 0.99
    assert smooth == pytest.approx(0.9, abs=1e-3)


def test_label_smoothing_of_several_classes_has_its_known_optimum():
    X = np.eye(3).repeat(20, axis=0)
    y = np.arange(3).repeat(20)
    model = RegularizedMLPClassifier(
        (), penalty=None, label_smoothing=0.3, learning_rate_init=0.3, max_iter=600, **FIXED
    ).fit(X, y)
    np.testing.assert_allclose(np.sort(model.predict_proba(X)[0]), [0.1, 0.1, 0.8], atol=1e-3)


def test_the_validation_loss_uses_plain_labels(digits, held_out):
    X, y = digits
    model = RegularizedMLPClassifier((16,), label_smoothing=0.4, early_stopping=True, max_iter=30, **FIXED)
    model.fit(X, y)
    valid = held_out(len(y), y)
    expected = log_loss(y[valid], model.predict_proba(X[valid]), labels=model.classes_)
    assert model.history_["valid_loss"][model.best_epoch_ - 1] == pytest.approx(expected, rel=1e-5)
    assert model.best_validation_score_ == pytest.approx(model.score(X[valid], y[valid]))


def test_warm_start_goes_on_and_refuses_other_classes(digits):
    X, y = digits
    model = RegularizedMLPClassifier((16,), warm_start=True, max_iter=5, **FIXED).fit(X, y)
    first = model.loss_curve_[-1]
    model.fit(X, y)
    assert len(model.loss_curve_) == 10
    assert (model.n_iter_, model.t_) == (5, 10 * len(X))
    assert model.loss_curve_[5] < first
    before = [W.copy() for W in model.coefs_]
    with pytest.raises(
        ValueError, match="warm_start can only be used where `y` has the same classes as in the previous call to fit"
    ):
        model.fit(X, y % 5)
    with pytest.raises(ValueError, match=r"Training continues from the fitted weights, whose shapes"):
        model.set_params(hidden_layer_sizes=(3,)).fit(X, y)
    assert all((new == old).all() for new, old in zip(model.coefs_, before, strict=True))
    assert model.classes_.tolist() == list(range(10))
