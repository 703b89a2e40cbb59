import numpy as np
import pytest
from sklearn.metrics import r2_score

from skreg import RegularizedMLPRegressor

FIXED = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0}


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(400, 2))
    return X, np.column_stack([np.sin(2 * X[:, 0]), X[:, 0] * X[:, 1]])


def test_it_learns_what_a_linear_model_cannot(waves):
    X, Y = waves
    model = RegularizedMLPRegressor((64, 64), learning_rate_init=0.01, max_iter=150, **FIXED)
    model.fit(X[:300], Y[:300])
    assert model.score(X[300:], Y[300:]) > 0.9
    linear = RegularizedMLPRegressor((), learning_rate_init=0.05, max_iter=200, **FIXED).fit(X[:300], Y[:300])
    assert linear.score(X[300:], Y[300:]) < 0.5


def test_predictions_have_the_shape_of_the_targets(waves):
    X, Y = waves
    model = RegularizedMLPRegressor((8,), max_iter=2, **FIXED)
    assert model.fit(X, Y).predict(X).shape == (400, 2)
    assert model.fit(X, Y[:, :1]).predict(X).shape == (400, 1)
    assert model.fit(X, Y[:, 0]).predict(X).shape == (400,)


def test_integer_targets_are_numbers(waves):
    X, Y = waves
    y = np.round(Y[:, 0] * 10).astype(int)
    assert RegularizedMLPRegressor((8,), max_iter=2, **FIXED).fit(X, y).predict(X).dtype == np.float64


def test_training_score_is_r2(waves):
    X, Y = waves
    model = RegularizedMLPRegressor((8,), early_stopping=True, max_iter=20, **FIXED).fit(X, Y)
    history = model.history_
    assert history["train_score"][-1] == pytest.approx(r2_score(Y, model.predict(X)), abs=0.1)
    assert history["valid_score"][-1] == pytest.approx(r2_score(Y, model.predict(X)), abs=0.2)
    assert model.out_activation_ == "identity"


def test_there_is_no_label_smoothing():
    with pytest.raises(TypeError, match="label_smoothing"):
        RegularizedMLPRegressor(label_smoothing=0.1)
