"""Without hidden layers the problem is convex, and scikit-learn's solvers know its answer."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, MultiTaskElasticNet, Ridge

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

ALPHA, L1_RATIO = 0.05, 0.4
ADAM = {"solver": "adam", "learning_rate_init": 0.05}
HEAVY_BALL = {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.05}
NESTEROV = {"solver": "sgd", "nesterovs_momentum": True, "learning_rate_init": 0.05}


def linear(estimator, penalty, **options):
    options = {
        "hidden_layer_sizes": (),
        "penalty": penalty,
        "alpha": ALPHA,
        "l1_ratio": L1_RATIO if penalty == "elasticnet" else None,
        "batch_size": 200,
        "learning_rate": "cosine",
        "max_iter": 1200,
        "random_state": 0,
        **options,
    }
    return estimator(**options)


REGRESSION = {
    "l1": Lasso(alpha=ALPHA, tol=1e-12, max_iter=10**5),
    "l2": Ridge(alpha=ALPHA * 200),
    "elasticnet": ElasticNet(alpha=ALPHA, l1_ratio=L1_RATIO, tol=1e-12, max_iter=10**5),
}
LOGISTIC_RATIO = {"l1": 1.0, "l2": 0.0, "elasticnet": L1_RATIO}


def assert_same(model, coef, intercept, atol, same_support=True):
    np.testing.assert_allclose(model.coefs_[0], coef, rtol=0, atol=atol)
    np.testing.assert_allclose(model.intercepts_[0], intercept, rtol=0, atol=atol)
    if same_support:
        np.testing.assert_array_equal(model.coefs_[0] == 0, coef == 0)


@pytest.mark.parametrize("penalty", REGRESSION)
@pytest.mark.parametrize("solver", [ADAM, HEAVY_BALL, NESTEROV], ids=["adam", "heavy ball", "nesterov"])
def test_regression(linear_problem, penalty, solver):
    X, Y = linear_problem
    y = Y[:, 0]
    expected = REGRESSION[penalty].fit(X, y)
    model = linear(RegularizedMLPRegressor, penalty, **solver).fit(X, y)
    assert_same(model, expected.coef_.reshape(-1, 1), expected.intercept_, atol=1e-5)
    assert penalty == "l2" or 0 < model.sparsity_[0] < 1


def test_regression_of_several_outputs_is_one_regression_for_each(linear_problem):
    X, Y = linear_problem
    model = linear(RegularizedMLPRegressor, "l1", **ADAM).fit(X, Y)
    coef = np.column_stack([REGRESSION["l1"].fit(X, y).coef_ for y in Y.T])
    assert_same(model, coef, Y.mean(0), atol=1e-5)


def test_ridge_of_several_outputs_is_multi_task_ridge(linear_problem):
    X, Y = linear_problem
    model = linear(RegularizedMLPRegressor, "l2", **ADAM).fit(X, Y)
    expected = MultiTaskElasticNet(alpha=ALPHA, l1_ratio=1e-9, tol=1e-12, max_iter=10**5).fit(X, Y)
    np.testing.assert_allclose(model.coefs_[0], expected.coef_.T, atol=1e-5)


def logistic(X, y, penalty, weight=None, C=1 / (200 * ALPHA)):
    solver = LogisticRegression(C=C, l1_ratio=LOGISTIC_RATIO[penalty], solver="saga", tol=1e-10, max_iter=10**5)
    return solver.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", LOGISTIC_RATIO)
def test_logistic_regression(linear_problem, penalty, n_classes):
    X, Y = linear_problem
    y = np.digitize(Y[:, 0], np.quantile(Y[:, 0], np.arange(1, n_classes) / n_classes))
    expected = logistic(X, y, penalty)
    model = linear(RegularizedMLPClassifier, penalty, **ADAM).fit(X, y)
    intercept = expected.intercept_
    if n_classes > 2:  # softmax intercepts are defined up to a constant
        intercept = intercept - intercept.mean() + model.intercepts_[0].mean()
    assert_same(model, expected.coef_.T, intercept, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("penalty", REGRESSION)
@pytest.mark.parametrize("batch_size", [50, 64])
def test_minibatches_come_to_the_same_solution(linear_problem, penalty, batch_size):
    X, Y = linear_problem
    expected = REGRESSION[penalty].fit(X, Y[:, 0])
    model = linear(RegularizedMLPRegressor, penalty, **ADAM, batch_size=batch_size).fit(X, Y[:, 0])
    assert_same(model, expected.coef_.reshape(-1, 1), expected.intercept_, atol=1e-3, same_support=False)


@pytest.mark.parametrize("penalty", LOGISTIC_RATIO)
def test_minibatches_come_to_the_same_classifier(linear_problem, penalty):
    X, Y = linear_problem
    y = Y[:, 0] > 0
    expected = logistic(X, y, penalty)
    model = linear(RegularizedMLPClassifier, penalty, **ADAM, batch_size=64).fit(X, y)
    assert_same(model, expected.coef_.T, expected.intercept_, atol=1e-3, same_support=False)


@pytest.mark.parametrize("penalty", REGRESSION)
def test_repeating_the_data_leaves_the_solution(linear_problem, penalty):
    X, Y = linear_problem
    expected = REGRESSION[penalty].fit(X, Y[:, 0])
    twice = linear(RegularizedMLPRegressor, penalty, **ADAM, batch_size=400)
    twice.fit(np.vstack([X, X]), np.hstack([Y[:, 0]] * 2))
    assert_same(twice, expected.coef_.reshape(-1, 1), expected.intercept_, atol=1e-5)


def test_sample_weights_in_minibatches_are_unbiased(linear_problem):
    """A rare class under balanced weights counts half of the loss, in batches of unequal weight, too."""
    X, Y = linear_problem
    y = Y[:, 0] > np.quantile(Y[:, 0], 0.9)
    weight = np.where(y, 5.0, 5 / 9)
    expected = logistic(X, y, "l2", weight=weight, C=1 / (weight.sum() * ALPHA))
    model = linear(RegularizedMLPClassifier, "l2", **ADAM, batch_size=32)
    model.fit(X, y, sample_weight=weight)
    assert_same(model, expected.coef_.T, expected.intercept_, atol=1e-3, same_support=False)


def test_rows_in_a_short_last_batch_count_like_all_others(linear_problem):
    X, Y = linear_problem
    expected = REGRESSION["l2"].fit(X, Y[:, 0])
    model = linear(RegularizedMLPRegressor, "l2", **ADAM, batch_size=64, shuffle=False).fit(X, Y[:, 0])
    assert_same(model, expected.coef_.reshape(-1, 1), expected.intercept_, atol=1e-3)


def test_one_strength_for_each_matrix(linear_problem):
    X, Y = linear_problem
    options = {"hidden_layer_sizes": (30,), "penalty": "l1", "max_iter": 100, "random_state": 0}
    options |= {"tol": 0, "n_iter_no_change": np.inf}
    first = RegularizedMLPRegressor(alpha=(0.05, 0), **options).fit(X, Y)
    assert first.sparsity_[0] > 0.1
    assert first.sparsity_[1] == 0
    last = RegularizedMLPRegressor(alpha=(0, 0.5), **options).fit(X, Y)
    assert last.sparsity_[0] == 0
    assert last.sparsity_[1] > 0.1


def test_strength_does_not_depend_on_the_batch_size_with_hidden_layers(linear_problem):
    """scikit-learn's MLP divides alpha by the batch size; here the norm of the weights stays about the same."""
    X, Y = linear_problem
    norms = []
    for batch_size in (10, 100):
        model = RegularizedMLPRegressor(
            (20,), activation="tanh", alpha=0.05, batch_size=batch_size, learning_rate="cosine",
            learning_rate_init=0.01, max_iter=300, random_state=0,
        ).fit(X, Y)  # fmt: skip
        norms.append(sum((W**2).sum() for W in model.coefs_))
    assert norms[0] == pytest.approx(norms[1], rel=0.05)
