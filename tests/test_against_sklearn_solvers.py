"""Without hidden layers the problem is convex, and scikit-learn's solvers know its answer."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    MultiTaskElasticNet,
    MultiTaskLasso,
    Ridge,
)
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.penalties import MCP, SCAD, GroupLasso, Hierarchical, SparseGroupLasso, WeightedL1
from tests.helpers import covering

ALPHA, L1_RATIO = 0.05, 0.4
ADAM = {"solver": "adam", "learning_rate_init": 0.2, "max_iter": 400}
MINIBATCHES = {"solver": "adam", "learning_rate_init": 0.1, "max_iter": 250}
HEAVY_BALL = {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1}
NESTEROV = {"solver": "sgd", "nesterovs_momentum": True, "learning_rate_init": 0.1}
SOLVERS = {"adam": ADAM, "heavy ball": HEAVY_BALL, "nesterov": NESTEROV}


def linear(estimator, penalty, **options):
    options = {
        "hidden_layer_sizes": (),
        "penalty": penalty,
        "alpha": ALPHA,
        "l1_ratio": L1_RATIO if penalty == "elasticnet" else None,
        "batch_size": 200,
        "learning_rate": "cosine",
        "max_iter": 300,
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


@pytest.mark.parametrize(*covering(solver=SOLVERS, penalty=list(REGRESSION)))
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


@pytest.mark.parametrize(*covering(penalty=list(LOGISTIC_RATIO), n_classes=[2, 3]))
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


@pytest.mark.parametrize(*covering(batch_size=[50, 64], penalty=list(REGRESSION)))
def test_minibatches_come_to_the_same_solution(linear_problem, penalty, batch_size):
    X, Y = linear_problem
    expected = REGRESSION[penalty].fit(X, Y[:, 0])
    model = linear(RegularizedMLPRegressor, penalty, **MINIBATCHES, batch_size=batch_size).fit(X, Y[:, 0])
    assert_same(model, expected.coef_.reshape(-1, 1), expected.intercept_, atol=1e-3, same_support=False)


@pytest.mark.parametrize("penalty", LOGISTIC_RATIO)
def test_minibatches_come_to_the_same_classifier(linear_problem, penalty):
    X, Y = linear_problem
    y = Y[:, 0] > 0
    expected = logistic(X, y, penalty)
    model = linear(RegularizedMLPClassifier, penalty, **MINIBATCHES, batch_size=64).fit(X, y)
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
    slow = MINIBATCHES | {"learning_rate_init": 0.05, "max_iter": 500}
    model = linear(RegularizedMLPClassifier, "l2", **slow, batch_size=32).fit(X, y, sample_weight=weight)
    assert_same(model, expected.coef_.T, expected.intercept_, atol=1e-3, same_support=False)


def test_rows_in_a_short_last_batch_count_like_all_others(linear_problem):
    X, Y = linear_problem
    expected = REGRESSION["l2"].fit(X, Y[:, 0])
    model = linear(RegularizedMLPRegressor, "l2", **MINIBATCHES, batch_size=64, shuffle=False).fit(X, Y[:, 0])
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


LISTS = [[0, 5, 6], [1], [2, 3, 4, 7, 8, 9], [10, 11], list(range(12, 20))]


def assert_multi_task_lasso(model, X, Y, atol, same_support=True):
    expected = MultiTaskLasso(alpha=ALPHA, tol=1e-12, max_iter=10**5).fit(X, Y)
    np.testing.assert_allclose(model.coefs_[0], expected.coef_.T, rtol=0, atol=atol)
    np.testing.assert_allclose(model.intercepts_[0], expected.intercept_, rtol=0, atol=atol)
    dropped = (expected.coef_ == 0).all(axis=0)
    assert 0 < dropped.sum() < 20
    if same_support:
        np.testing.assert_array_equal((model.coefs_[0] == 0).all(axis=1), dropped)
        np.testing.assert_array_equal((model.coefs_[0] == 0).any(axis=1), dropped)


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_group_lasso_over_features_is_multi_task_lasso(linear_problem, solver):
    model = linear(RegularizedMLPRegressor, "group_lasso", **solver).fit(*linear_problem)
    assert_multi_task_lasso(model, *linear_problem, atol=1e-5)


def test_group_lasso_in_minibatches_is_multi_task_lasso(linear_problem):
    model = linear(RegularizedMLPRegressor, "group_lasso", **MINIBATCHES, batch_size=50).fit(*linear_problem)
    assert_multi_task_lasso(model, *linear_problem, atol=1e-3, same_support=False)


def test_hierarchical_without_hidden_layers_is_multi_task_lasso(linear_problem):
    model = linear(RegularizedMLPRegressor, Hierarchical(ALPHA), alpha=None, **ADAM).fit(*linear_problem)
    assert model.skip_coef_ is None
    assert_multi_task_lasso(model, *linear_problem, atol=1e-5)


def gradient_of_squares(model, X, Y):
    """Return the gradient of the loss of a regression, and check that the intercepts are optimal."""
    residual = X @ model.coefs_[0] + model.intercepts_[0] - Y
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-5)
    return X.T @ residual / len(X)


def assert_group_conditions(W, G, groups, strengths, l1=0.0):
    """Check 0 in G + l1 * d|W| + strength_g * d||W_g||, group by group."""
    n_zero = 0
    for group, strength in zip(groups, strengths, strict=True):
        w, g = W[group], G[group]
        if not w.any():
            # The part of the gradient that L1 leaves over must fit into the ball of the group term.
            n_zero += 1
            assert np.linalg.norm(np.sign(g) * np.maximum(np.abs(g) - l1, 0)) <= strength + 1e-5
            continue
        rest = g + strength * w / np.linalg.norm(w)
        np.testing.assert_allclose(rest[w != 0], -l1 * np.sign(w[w != 0]), atol=1e-5)
        assert (np.abs(rest[w == 0]) <= l1 + 1e-5).all()
    assert 0 < n_zero < len(groups)


@pytest.mark.parametrize(
    *covering(
        weights={"equal": None, "adaptive": [0.2, 1.0, 0.5, 3.0, 2.0]}, solver={"adam": ADAM, "nesterov": NESTEROV}
    )
)
def test_group_lasso_over_lists_satisfies_its_optimality_conditions(linear_problem, solver, weights):
    X, Y = linear_problem
    penalty = GroupLasso(0.1, groups=LISTS, group_weights=weights)
    model = linear(RegularizedMLPRegressor, penalty, alpha=None, **solver).fit(X, Y)
    strengths = [0.1 * len(group) ** 0.5 * w for group, w in zip(LISTS, weights or [1] * 5, strict=True)]
    assert_group_conditions(model.coefs_[0], gradient_of_squares(model, X, Y), LISTS, strengths)


@pytest.mark.parametrize("groups", ["features", LISTS], ids=["features", "lists"])
def test_sparse_group_lasso_satisfies_its_optimality_conditions(linear_problem, groups):
    X, Y = linear_problem
    strength = 0.4 if groups == "features" else 0.15
    penalty = SparseGroupLasso(strength, l1_ratio=L1_RATIO, groups=groups)
    model = linear(RegularizedMLPRegressor, penalty, alpha=None, **ADAM).fit(X, Y)
    rows = [[j] for j in range(20)] if groups == "features" else LISTS
    strengths = [strength * (1 - L1_RATIO) * len(group) ** 0.5 for group in rows]
    W = model.coefs_[0]
    assert_group_conditions(W, gradient_of_squares(model, X, Y), rows, strengths, l1=strength * L1_RATIO)
    kept = W[(W != 0).any(axis=1)]
    assert (kept == 0).any()  # zeros inside of what is kept


@pytest.mark.parametrize("groups", ["features", LISTS], ids=["features", "lists"])
def test_multinomial_group_lasso_satisfies_its_optimality_conditions(linear_problem, groups):
    X, Y = linear_problem
    y = np.digitize(Y[:, 0], np.quantile(Y[:, 0], [1 / 3, 2 / 3]))
    model = linear(RegularizedMLPClassifier, GroupLasso(ALPHA, groups=groups), alpha=None, **ADAM).fit(X, y)
    residual = softmax(X @ model.coefs_[0] + model.intercepts_[0], axis=1) - np.eye(3)[y]
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-5)
    rows = [[j] for j in range(20)] if groups == "features" else LISTS
    strengths = [ALPHA * len(group) ** 0.5 for group in rows]
    assert_group_conditions(model.coefs_[0], X.T @ residual / len(X), rows, strengths)


@pytest.mark.parametrize("for_every_weight", [False, True])
def test_weighted_l1_is_the_lasso_on_rescaled_columns(linear_problem, for_every_weight):
    X, Y = linear_problem
    weights = np.random.default_rng(0).uniform(0.3, 3, size=(20, 3))
    given = weights if for_every_weight else weights[:, 0]
    weights = weights if for_every_weight else np.repeat(weights[:, :1], 3, axis=1)
    model = linear(RegularizedMLPRegressor, WeightedL1(ALPHA, weights=given), alpha=None, **ADAM).fit(X, Y)
    for k, y in enumerate(Y.T):
        lasso = Lasso(alpha=ALPHA, tol=1e-12, max_iter=10**5).fit(X / weights[:, k], y)
        np.testing.assert_allclose(model.coefs_[0][:, k], lasso.coef_ / weights[:, k], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(model.coefs_[0][:, k] == 0, lasso.coef_ == 0)


def slope_of_mcp(w, alpha, gamma):
    return np.maximum(alpha - np.abs(w) / gamma, 0)


def slope_of_scad(w, alpha, gamma):
    return np.minimum(alpha, np.maximum(gamma * alpha - np.abs(w), 0) / (gamma - 1))


@pytest.mark.parametrize(
    *covering(case={"mcp": (MCP(0.2), slope_of_mcp), "scad": (SCAD(0.2), slope_of_scad)}, solver=SOLVERS)
)
def test_nonconvex_penalties_end_at_a_stationary_point_and_spare_large_coefficients(linear_problem, case, solver):
    penalty, slope = case
    X, Y = linear_problem
    y = Y[:, :1]
    model = linear(RegularizedMLPRegressor, penalty, alpha=None, **solver).fit(X, y)
    W, G = model.coefs_[0], gradient_of_squares(model, X, y)
    zero = W == 0
    assert 10 < zero.sum() < 20
    assert (np.abs(G[zero]) <= 0.2 + 1e-5).all()
    np.testing.assert_allclose(G[~zero], (-np.sign(W) * slope(W, 0.2, penalty.gamma))[~zero], atol=1e-5)
    # Coefficients beyond gamma * alpha have no gradient: given the others, they are those of least squares.
    large = (np.abs(W) > penalty.gamma * 0.2)[:, 0]
    assert large.sum() >= 3
    rest = y[:, 0] - X[:, ~large] @ W[~large, 0]
    np.testing.assert_allclose(W[large, 0], LinearRegression().fit(X[:, large], rest).coef_, atol=1e-5)


@pytest.mark.parametrize("penalty", [MCP(0.3), SCAD(0.3)], ids=["mcp", "scad"])
def test_nonconvex_penalties_find_the_least_squares_of_a_clear_support(penalty):
    rng = np.random.default_rng(0)
    X = scale(rng.normal(size=(200, 8)))
    y = X[:, :3] @ [3.0, -2.0, 4.0] + 0.5 * rng.normal(size=200)
    model = linear(RegularizedMLPRegressor, penalty, alpha=None, **ADAM).fit(X, y)
    assert model.selected_features_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(model.coefs_[0][:3, 0], LinearRegression().fit(X[:, :3], y).coef_, atol=1e-5)
