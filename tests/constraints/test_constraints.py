"""Projections, their common steps with penalties, and constrained fits against other solvers."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.constraints import Constraint, MaxNorm, Nonnegative
from skreg.constraints._resolve import ALIASES, resolve_constraint
from skreg.penalties import L1, L2, MCP, SCAD, ElasticNet, GroupLasso, Hierarchical, SparseGroupLasso, WeightedL1
from tests.helpers import fixed_examples

CONSTRAINTS = [MaxNorm(0.8), MaxNorm(3.0), Nonnegative()]
every_constraint = pytest.mark.parametrize("constraint", CONSTRAINTS, ids=["max-norm", "wide-max-norm", "nonnegative"])
matrices = st.tuples(st.integers(0, 2**32 - 1), st.floats(-2, 1)).map(
    lambda draw: torch.from_numpy(np.random.default_rng(draw[0]).normal(size=(2, 4, 3)) * 10 ** draw[1])
)
LISTS = [[0, 2, 3], [1]]


def columns_norm(W):
    return torch.linalg.vector_norm(W, dim=-2)


def obeys(constraint, W):
    if isinstance(constraint, MaxNorm):
        return bool((columns_norm(W) <= constraint.max_value * (1 + 1e-12)).all())
    return bool((W >= 0).all())


@every_constraint
@given(W=matrices)
@fixed_examples(50)
def test_projections_give_the_nearest_point_that_obeys(constraint, W):
    before = W.clone()
    P = constraint.project(W)
    assert torch.equal(W, before)
    assert obeys(constraint, P)
    torch.testing.assert_close(constraint.project(P), P, rtol=1e-15, atol=0)
    rng = np.random.default_rng(0)
    for size in (1e-3, 0.1, 1.0, 10.0):
        V = P + size * torch.from_numpy(rng.normal(size=(50, 1, 4, 3)))
        V = (
            V.clamp_min(0)
            if isinstance(constraint, Nonnegative)
            else V * (0.8 / columns_norm(V)[..., None, :]).clamp_max(1)
        )
        assert obeys(constraint, V)
        # The angle between the way to the projection and the way to any other point is not acute.
        assert (((W - P) * (V - P)).sum(dim=(2, 3)) <= 1e-12 * (1 + W.square().sum())).all()


@every_constraint
def test_a_point_that_obeys_is_left_where_it_is(constraint):
    W = 0.1 * torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(constraint.project(W), W)
    assert not constraint.project(torch.zeros_like(W)).any()


@every_constraint
def test_projections_keep_float32(constraint):
    W = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    assert constraint.project(W).dtype == torch.float32
    torch.testing.assert_close(constraint.project(W), constraint.project(W.double()).float())


def test_max_norm_ties_the_incoming_weights_of_a_unit_and_nonnegative_nothing():
    T = torch.arange(12.0).view(1, 4, 3)
    torch.testing.assert_close(MaxNorm().mean_over_blocks(T).expand_as(T)[0, 2], T[0].mean(dim=0))
    assert torch.equal(Nonnegative().mean_over_blocks(T), T)


SINGLE_WEIGHTS = [L1(0.3), L2(0.7), ElasticNet(0.5, l1_ratio=0.4), WeightedL1(0.3, weights=[0, 1, 2, 3])]
NEURONS = [GroupLasso(0.5, groups="neurons"), SparseGroupLasso(0.5, groups="neurons", group_weights=[1, 2, 0.5])]
ACROSS = [GroupLasso(0.5), GroupLasso(0.3, groups=LISTS), SparseGroupLasso(0.5), SparseGroupLasso(0.4, groups=LISTS)]
NONCONVEX = [MCP(0.5), SCAD(0.5)]
ADMITTED = [(MaxNorm(0.8), penalty) for penalty in SINGLE_WEIGHTS + NEURONS]
ADMITTED += [(Nonnegative(), penalty) for penalty in SINGLE_WEIGHTS + NEURONS + ACROSS + NONCONVEX]


def layer_of(penalty):
    return penalty.for_layers((4, 3, 1))[0]


@pytest.mark.parametrize(("constraint", "penalty"), ADMITTED, ids=repr)
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_a_step_with_a_penalty_solves_the_problem_of_both(constraint, penalty, step):
    layer = layer_of(penalty)
    constraint.check_penalty(layer)
    rng = np.random.default_rng(0)
    steps = torch.from_numpy(rng.uniform(0.5, 2, size=(1, 4, 3))) * step
    steps = layer.mean_over_blocks(constraint.mean_over_blocks(steps)).expand(1, 4, 3)
    n_moved = 0
    for _ in range(3):
        W = torch.from_numpy(rng.normal(size=(1, 4, 3)))
        Z = constraint.prox(W, steps, layer)
        assert obeys(constraint, Z)
        n_moved += not torch.equal(Z, layer.prox(W, steps))

        def problem(points, W=W):
            return ((points - W).square() / (2 * steps)).sum(dim=(1, 2)) + layer.value(points)

        ours = problem(Z).item()
        candidates = [0 * W, constraint.project(W), constraint.project(layer.prox(W, steps))]
        for size in (1e-4, 1e-2, 0.3, 2.0):
            near = Z + size * torch.from_numpy(rng.normal(size=(60, 4, 3)))
            candidates += [near, torch.where(torch.from_numpy(rng.random((60, 4, 3))) < 0.2, near, Z)]
        assert ours <= problem(constraint.project(torch.cat(candidates))).min().item() + 1e-12
        # A derivative-free minimizer of the composition with the projection finds nothing better, either.
        found = minimize(
            lambda z: problem(constraint.project(torch.from_numpy(z).view(1, 4, 3))).item(),
            W.numpy().ravel(), method="Powell", options={"maxiter": 3},
        )  # fmt: skip
        assert ours <= found.fun + 1e-12
    assert n_moved  # the constraint had something to do


@every_constraint
def test_a_step_without_penalty_is_the_projection(constraint):
    W = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(constraint.prox(W, 0.3, None), constraint.project(W))


@pytest.mark.parametrize("penalty", ACROSS + NONCONVEX, ids=repr)
def test_max_norm_refuses_penalties_without_a_common_step(penalty):
    with pytest.raises(
        ValueError, match=r"constraint=MaxNorm\(\) cannot act on a weight matrix with .*no exact proximal step for both"
    ):
        resolve_constraint("max_norm", penalty.for_layers((4, 3, 1)))
    # Only where both would act on the same matrix.
    assert (
        resolve_constraint([None, MaxNorm(1.0)], clone(penalty).set_params(alpha=(0.5, 0)).for_layers((4, 3, 1)))[
            1
        ].max_value
        == 1
    )


@pytest.mark.parametrize("constraint", ["max_norm", "nonnegative"])
def test_hierarchical_refuses_constraints_on_the_first_matrix(constraint):
    layers = Hierarchical(0.1).for_layers((4, 3, 1))
    with pytest.raises(
        ValueError, match="cannot act on a weight matrix with penalty='hierarchical'.*None for the first"
    ):
        resolve_constraint(constraint, layers)
    assert isinstance(resolve_constraint([None, constraint], layers)[1], ALIASES[constraint])


def test_strings_and_objects_become_new_objects_for_every_matrix():
    assert resolve_constraint(None, [None, None]) == [None, None]
    given = MaxNorm(2.0)
    resolved = resolve_constraint(given, [None, None])
    assert [item.max_value for item in resolved] == [2.0, 2.0]
    assert given not in resolved
    assert [type(item) for item in resolve_constraint(("max_norm", None, "nonnegative"), [None] * 3)] == [
        MaxNorm,
        type(None),
        Nonnegative,
    ]


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (["max_norm"], r"one \(or None\) for each of the 2 weight matrices; got 1: \['max_norm'\]"),
        ([None, "max", None], "for each of the 2 weight matrices; got 3"),
        ("positive", r"must be one of \['max_norm', 'nonnegative'\], a constraint object or None .*; got 'positive'"),
        ([None, 3], "for every weight matrix; got 3"),
        ([["max_norm"], None], r"for every weight matrix; got \['max_norm'\]"),
        ([MaxNorm, None], "for every weight matrix; got <class 'skreg.constraints._max_norm.MaxNorm'>"),
        (
            MaxNorm(0),
            r"The 'max_value' parameter of MaxNorm must be a float in the range \(0\.0, inf\)\. Got 0 instead\.",
        ),
        ([None, MaxNorm("a")], "The 'max_value' parameter of MaxNorm must be .* Got 'a' instead"),
    ],
)
def test_bad_constraints(constraint, message):
    with pytest.raises(ValueError, match=message):
        resolve_constraint(constraint, [None, None])


def test_a_constraint_must_say_how_it_projects():
    with pytest.raises(TypeError, match="abstract"):
        Constraint()


def fit(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.mark.parametrize(
    ("constraint", "message"), [("max", "The 'constraint' parameter"), ([None], "each of the 2 weight")]
)
def test_estimators_name_a_bad_constraint(linear_problem, constraint, message):
    with pytest.raises(ValueError, match=message):
        RegularizedMLPRegressor((5,), constraint=constraint).fit(*linear_problem)


def test_estimators_take_one_constraint_for_each_matrix(linear_problem):
    X, Y = linear_problem
    options = {"max_iter": 5, "random_state": 0, "learning_rate_init": 0.05}
    model = fit(RegularizedMLPRegressor((20,), constraint=[None, MaxNorm(0.25)], **options), X, Y)
    norms = [np.linalg.norm(W, axis=0) for W in model.coefs_]
    assert norms[0].min() > 0.25
    assert norms[1].max() <= 0.25 * (1 + 1e-12)
    assert norms[1].max() > 0.25 * (1 - 1e-3)
    model = fit(RegularizedMLPRegressor((20,), constraint=["nonnegative", "max_norm"], **options), X, Y)
    assert model.coefs_[0].min() == 0
    assert model.coefs_[1].min() < 0
    assert model.constraint == ["nonnegative", "max_norm"]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("penalty", ["l2", "l1", GroupLasso(0.01, groups="neurons")])
def test_max_norm_holds_when_a_fit_ends(digits, solver, early_stopping, penalty):
    X, y = digits
    model = RegularizedMLPClassifier(
        (20,), constraint=MaxNorm(0.5), solver=solver, penalty=penalty, learning_rate_init=0.02, max_iter=4,
        weight_decay=1e-3, early_stopping=early_stopping, random_state=0,
    )  # fmt: skip
    fit(model, X[:400], y[:400])
    for W in model.coefs_:
        norms = np.linalg.norm(W.astype(np.float64), axis=0)
        assert norms.max() <= 0.5 * (1 + 1e-6)
        assert norms.max() > 0.499


def linear(**options):
    return RegularizedMLPRegressor(
        (), batch_size=200, learning_rate="cosine", learning_rate_init=0.05, max_iter=500, random_state=0, **options
    )


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_nonnegative_l1_is_the_positive_lasso(linear_problem, solver):
    X, Y = linear_problem
    y = Y[:, 0] - 2 * X[:, 1]  # one coefficient wants to be negative
    expected = Lasso(alpha=0.05, positive=True, tol=1e-12, max_iter=10**5).fit(X, y)
    model = linear(penalty="l1", alpha=0.05, constraint="nonnegative", solver=solver).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0][:, 0], expected.coef_, atol=1e-5)
    np.testing.assert_array_equal(model.coefs_[0][:, 0] == 0, expected.coef_ == 0)
    assert Lasso(alpha=0.05).fit(X, y).coef_.min() < -0.1


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("l2", [0.0, 0.2])
def test_max_norm_without_hidden_layers_is_constrained_least_squares(linear_problem, solver, l2):
    """Columns of very different scale: projecting in a metric that differs inside of a ball ends elsewhere."""
    X, Y = linear_problem
    X, Y = X * np.logspace(0, 1, 20) / 3, Y - Y.mean(0)
    bound = 0.6
    model = linear(
        penalty="l2", alpha=l2, constraint=MaxNorm(bound), solver=solver,
    ).fit(X, Y)  # fmt: skip
    for k, y in enumerate(Y.T):
        ours = model.coefs_[0][:, k]

        def problem(w, y=y):
            residual = X @ w - y
            return 0.5 * (residual**2).mean() + 0.5 * l2 * w @ w, X.T @ residual / len(y) + l2 * w

        expected = minimize(
            problem, np.full(20, 0.01), jac=True, method="SLSQP", options={"ftol": 1e-15, "maxiter": 500},
            constraints={"type": "ineq", "fun": lambda w: bound**2 - w @ w, "jac": lambda w: -2 * w},
        )  # fmt: skip
        assert expected.success
        np.testing.assert_allclose(ours, expected.x, atol=1e-4)
        assert np.linalg.norm(ours) == pytest.approx(bound, abs=1e-9)
