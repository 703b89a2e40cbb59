"""The regressor: shapes and types of targets, scores, and targets that are refused."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from skreg import RegularizedMLPRegressor
from tests.helpers import FIXED


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


COUNTS = np.random.default_rng(0).poisson(1.0, size=60).astype(float)


def test_counts_of_zero_may_make_a_batch_or_validation_data_but_not_all_data(waves):
    X = waves[0][:60]
    model = RegularizedMLPRegressor((4,), loss="poisson", max_iter=2, **FIXED)
    model.partial_fit(X, COUNTS).partial_fit(X[:3], np.zeros(3))
    model.fit(X, COUNTS, X_val=X[:3], y_val=np.zeros(3))
    with pytest.raises(ValueError, match="y must not be zero in all rows with loss='poisson'"):
        model.fit(X, 0 * COUNTS)


def test_targets_of_rows_without_weight_do_not_matter(waves):
    X = waves[0][:60]
    model = RegularizedMLPRegressor((4,), loss="poisson", max_iter=2, **FIXED)
    y, weight = COUNTS.copy(), np.ones(60)
    y[0], weight[0] = -1, 0
    np.testing.assert_array_equal(model.fit(X, y, weight).coefs_[0], model.fit(X[1:], y[1:]).coefs_[0])
    with pytest.raises(ValueError, match="y must not be negative with loss='poisson'; got -1.0"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("fitted", "later"),
    [
        ({"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}, {"quantile": 0.5}),
        ({"loss": "quantile", "quantile": 0.5}, {"quantile": [0.1, 0.5, 0.9]}),
        ({"loss": "poisson"}, {"loss": "squared_error"}),
    ],
)
def test_a_network_does_not_go_on_with_a_loss_that_needs_other_outputs(waves, fitted, later):
    X, y = waves[0][:60], COUNTS
    model = RegularizedMLPRegressor((4,), max_iter=2, **FIXED, **fitted).fit(X, y)
    predictions, score = model.predict(X), model.score(X, y)
    model.set_params(**later)
    with pytest.raises(ValueError, match="out_activation_=.* needs other ones. Call fit again."):
        model.partial_fit(X, y)
    # What it has learnt is still there.
    np.testing.assert_array_equal(model.predict(X), predictions)
    assert model.score(X, y) == score


def test_a_loss_is_a_function_and_no_class(waves):
    with pytest.raises(ValueError, match="The 'loss' parameter must be a function or its name; got the class"):
        RegularizedMLPRegressor(loss=torch.nn.MSELoss).fit(*waves)


def test_text_as_targets_is_refused_whenever_it_comes(waves):
    X = waves[0][:60]
    model = RegularizedMLPRegressor((4,), max_iter=2, **FIXED)
    for _ in range(2):
        with pytest.raises(ValueError, match="y must be an array of numbers"):
            model.partial_fit(X, np.array(["a"] * 60))
        model.partial_fit(X, COUNTS)
