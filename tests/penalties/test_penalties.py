"""Laws that every penalty obeys, and how parameters become a penalty."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.linalg import norm
from scipy.optimize import minimize
from sklearn.base import clone

from skreg import penalties
from skreg.penalties import (
    L1,
    L2,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Hierarchical,
    Penalty,
    SparseGroupLasso,
    WeightedL1,
)
from skreg.penalties._base import LayerPenalty, layer_strengths
from skreg.penalties._resolve import ALIASES, resolve_penalty, unused_strengths
from tests.helpers import fixed_examples, mcp, scad

# The laws run on matrices of four features and four columns; of Hierarchical's columns, the last two are the skip's.
LISTS = [[0, 3, 1], [2]]
WEIGHTS = np.array([[0.5], [1.0], [2.0], [3.0]])


def lists(W, weights=(1, 1)):
    return weights[0] * np.sqrt(3) * norm(W[[0, 1, 3]]) + weights[1] * norm(W[2])


def hierarchical(W, bound):
    """Return inf where the bound is broken by more than rounding."""
    skip = norm(W[:, 2:], axis=1)
    return skip.sum() if (np.abs(W[:, :2]).max(axis=1) <= bound * skip * (1 + 1e-9) + 1e-12).all() else np.inf


# A new penalty gets one row here: an instance, and its value (the strength included) for one matrix in numpy.
PENALTIES = [
    pytest.param(L1(), lambda W, a: a * np.abs(W).sum(), id="l1"),
    pytest.param(L2(), lambda W, a: a * 0.5 * (W**2).sum(), id="l2"),
    pytest.param(ElasticNet(l1_ratio=0.3), lambda W, a: a * (0.3 * np.abs(W) + 0.35 * W**2).sum(), id="elasticnet"),
    pytest.param(ElasticNet(l1_ratio=1.0), lambda W, a: a * np.abs(W).sum(), id="elasticnet-is-l1"),
    pytest.param(ElasticNet(l1_ratio=0.0), lambda W, a: a * 0.5 * (W**2).sum(), id="elasticnet-is-l2"),
    pytest.param(MCP(gamma=2.5), lambda W, a: mcp(W, a, 2.5).sum(), id="mcp"),
    pytest.param(SCAD(), lambda W, a: scad(W, a).sum(), id="scad"),
    pytest.param(WeightedL1(weights=WEIGHTS[:, 0]), lambda W, a: a * np.abs(WEIGHTS * W).sum(), id="weighted-l1"),
    pytest.param(
        WeightedL1(weights=WEIGHTS + np.arange(4)),
        lambda W, a: a * np.abs((WEIGHTS + np.arange(4)) * W).sum(),
        id="weighted-l1-every-weight",
    ),
    pytest.param(GroupLasso(), lambda W, a: a * norm(W, axis=1).sum(), id="group-lasso"),
    pytest.param(GroupLasso(groups="neurons"), lambda W, a: a * norm(W, axis=0).sum(), id="group-lasso-neurons"),
    pytest.param(GroupLasso(groups=LISTS), lambda W, a: a * lists(W), id="group-lasso-lists"),
    pytest.param(
        GroupLasso(groups=np.array([5, 5, 9, 5]), group_weights=[0.5, 2.0]),
        lambda W, a: a * lists(W, (0.5, 2.0)),
        id="adaptive-group-lasso-array",
    ),
    pytest.param(
        GroupLasso(group_weights=WEIGHTS[:, 0]),
        lambda W, a: a * norm(WEIGHTS * W, axis=1).sum(),
        id="adaptive-group-lasso",
    ),
    pytest.param(
        GroupLasso(groups="neurons", group_weights=WEIGHTS[:, 0]),
        lambda W, a: a * norm(WEIGHTS.T * W, axis=0).sum(),
        id="adaptive-group-lasso-neurons",
    ),
    pytest.param(
        GroupLasso(groups=LISTS, group_weights=[0.5, 2.0]),
        lambda W, a: a * lists(W, (0.5, 2.0)),
        id="adaptive-group-lasso-lists",
    ),
    pytest.param(
        SparseGroupLasso(l1_ratio=0.3),
        lambda W, a: a * (0.3 * np.abs(W).sum() + 0.7 * norm(W, axis=1).sum()),
        id="sparse-group-lasso",
    ),
    pytest.param(SparseGroupLasso(l1_ratio=1.0), lambda W, a: a * np.abs(W).sum(), id="sparse-group-lasso-is-l1"),
    pytest.param(
        SparseGroupLasso(l1_ratio=0.0), lambda W, a: a * norm(W, axis=1).sum(), id="sparse-group-lasso-is-group-lasso"
    ),
    pytest.param(
        SparseGroupLasso(l1_ratio=0.6, groups="neurons", group_weights=WEIGHTS[:, 0]),
        lambda W, a: a * (0.6 * np.abs(W).sum() + 0.4 * norm(WEIGHTS.T * W, axis=0).sum()),
        id="adaptive-sparse-group-lasso-neurons",
    ),
    pytest.param(
        SparseGroupLasso(l1_ratio=0.2, groups=LISTS, group_weights=[0.5, 2.0]),
        lambda W, a: a * (0.2 * np.abs(W).sum() + 0.8 * lists(W, (0.5, 2.0))),
        id="adaptive-sparse-group-lasso-lists",
    ),
    pytest.param(Hierarchical(M=1.5), lambda W, a: a * hierarchical(W, 1.5), id="hierarchical"),
]
every_penalty = pytest.mark.parametrize(("penalty", "value"), PENALTIES)
seeds = st.integers(0, 2**32 - 1)
steps = st.floats(-6, 3).map(lambda exponent: 10.0**exponent)
strengths = st.floats(0, 2) | st.just(0.0)


def on(penalty, alpha, dtype=torch.float64):
    """Return a penalty as it acts on the first matrix, of four features and four columns."""
    units = (4, 2, 2) if penalty.skip else (4, 4, 2)
    layer = clone(penalty).set_params(alpha=1.0).for_layers(units)[0]
    return replace(layer.to(dtype, "cpu"), alpha=alpha)


def weights(n_members=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n_members, 4, 4)))


def sparse_weights(seed):
    """Return one matrix with zero entries and, now and then, zero rows and columns."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(4, 4)) * 10 ** rng.uniform(-2, 1)
    W *= (rng.random((4, 4)) < 0.8) * (rng.random((4, 1)) < 0.8) * (rng.random((1, 4)) < 0.9)
    return torch.from_numpy(W).unsqueeze(0)


def feasible(penalty, W, share=1.0):
    """Return W with the hidden weights of Hierarchical clipped at a share of their bound."""
    if not isinstance(penalty, Hierarchical):
        return W
    bound = share * penalty.M * torch.linalg.vector_norm(W[..., 2:], dim=-1, keepdim=True)
    return torch.cat([W[..., :2].clamp(-bound, bound), W[..., 2:]], dim=-1)


def blocks(penalty):
    """Return the number of the block that each weight belongs to."""
    rows, columns = np.indices((4, 4))
    if isinstance(penalty, Hierarchical):
        return rows
    groups = getattr(penalty, "groups", None)
    if groups is None:
        return 4 * rows + columns
    if isinstance(groups, str):
        return rows if groups == "features" else columns
    return np.array([0, 0, 1, 0])[rows]


def test_every_penalty_has_its_row():
    classes = {getattr(penalties, name) for name in penalties.__all__} - {Penalty}
    assert {type(row.values[0]) for row in PENALTIES} == classes
    assert set(ALIASES.values()) == classes - {WeightedL1}


@every_penalty
def test_value_is_the_formula_for_each_member(penalty, value):
    W = feasible(penalty, weights())
    alpha = torch.tensor([0.5, 2.0], dtype=torch.float64).view(2, 1, 1)
    expected = [value(W[0].numpy(), 0.5), value(W[1].numpy(), 2.0)]
    np.testing.assert_allclose(on(penalty, alpha).value(W).numpy(), expected, rtol=1e-12)


@every_penalty
@given(seed=seeds, step=steps, alpha=strengths, each=st.booleans())
@fixed_examples(30)
def test_prox_minimizes_its_problem(penalty, value, seed, step, alpha, each):
    layer, W = on(penalty, alpha), sparse_weights(seed)
    rng = np.random.default_rng(seed)
    if each:  # a step for each coordinate, the same in a block
        step = step * layer.mean_over_blocks(torch.from_numpy(rng.uniform(0.2, 2, size=(1, 4, 4)))).expand(1, 4, 4)
    Z, W, step = layer.prox(W, step)[0].numpy(), W[0].numpy(), np.broadcast_to(np.asarray(step), (1, 4, 4))[0]

    def problem(Z):
        # In units of the smallest step, so that short steps leave something to see.
        return step.min() * (((Z - W) ** 2 / (2 * step)).sum() + value(Z, alpha))

    candidates = [0 * W, W, *(Z + share * (W - Z) for share in (-0.1, 0.1, 0.5))]
    scale = np.abs(W).max() + 1e-3
    candidates += [Z + scale * size * rng.normal(size=W.shape) for size in (1e-5, 1e-3, 0.1, 1.0) for _ in range(4)]
    candidates += [
        Z + size * (W - Z) * (blocks(penalty) == k) for size in (0.01, 1.0) for k in np.unique(blocks(penalty))
    ]
    for index in np.ndindex(*W.shape):
        for z in (0.0, W[index], alpha, -alpha, Z[index] * 1.01, Z[index] + 1e-3 * scale, rng.uniform(-1, 1) * scale):
            candidates.append(Z.copy())
            candidates[-1][index] = z
    best = problem(Z)
    for candidate in feasible(penalty, torch.from_numpy(np.array(candidates))).numpy():
        assert best <= problem(candidate) + 1e-12 * (1 + scale**2)


@every_penalty
@pytest.mark.parametrize("step", [1e-2, 1.0, 1e3])
def test_no_numerical_minimizer_finds_a_better_point(penalty, value, step):
    W, alpha = weights(1)[0].numpy(), 0.4

    def problem(z):
        Z = feasible(penalty, torch.from_numpy(z.reshape(4, 4))).numpy()
        return min(step, 1) * (((Z - W) ** 2).sum() / (2 * step) + value(Z, alpha))

    ours = on(penalty, alpha).prox(torch.from_numpy(W).unsqueeze(0), step)[0].numpy()
    for start in (W, ours):
        assert problem(ours) <= minimize(problem, start.ravel(), method="Powell", options={"maxiter": 3}).fun + 1e-12


@every_penalty
@given(seed=seeds, step=steps, alpha=strengths)
@fixed_examples(30)
def test_prox_of_a_convex_penalty_is_nonexpansive(penalty, value, seed, step, alpha):
    V, W = sparse_weights(seed), sparse_weights(seed + 1)
    layer = on(penalty, alpha)
    distance = torch.linalg.norm(layer.prox(V, step) - layer.prox(W, step))
    assert not penalty.convex or distance <= torch.linalg.norm(V - W) * (1 + 1e-12)


@every_penalty
@pytest.mark.parametrize("step", [1e-6, 3.0, 1e3])
def test_without_strength_prox_is_the_identity_and_value_is_zero(penalty, value, step):
    W = feasible(penalty, weights())
    layer = on(penalty, 0.0)
    torch.testing.assert_close(layer.prox(W, step), W, rtol=1e-15, atol=0)
    assert layer.value(W).tolist() == [0.0, 0.0]


def test_without_strength_hierarchical_projects_on_its_bound():
    W = weights()
    layer = on(Hierarchical(M=0.3), 0.0)
    projected = layer.prox(W, 2.0)
    assert not torch.equal(projected, W)
    torch.testing.assert_close(layer.prox(projected, 2.0), projected, rtol=1e-12, atol=1e-15)


@every_penalty
def test_prox_leaves_its_argument_and_no_member_sees_another(penalty, value):
    W = weights(3)
    before = W.clone()
    alpha = torch.tensor([0.0, 0.3, 1.2], dtype=torch.float64).view(3, 1, 1)
    step = on(penalty, 1.0).mean_over_blocks(
        torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)).double() + 0.1
    )
    result, values = on(penalty, alpha).prox(W, step), on(penalty, alpha).value(W)
    assert torch.equal(W, before)
    torch.testing.assert_close(on(penalty, alpha).prox(W, step.expand_as(W)), result, rtol=1e-14, atol=0)
    for k in range(3):
        alone = on(penalty, float(alpha[k]))
        torch.testing.assert_close(alone.prox(W[k : k + 1], step[k : k + 1]), result[k : k + 1], rtol=1e-14, atol=0)
        torch.testing.assert_close(alone.value(W[k : k + 1]), values[k : k + 1], rtol=1e-14, atol=0)


@every_penalty
def test_value_has_the_gradient_that_finite_differences_and_the_prox_say(penalty, value):
    W = feasible(penalty, weights(), share=0.9).requires_grad_()
    layer = on(penalty, 0.3)
    layer.value(W).sum().backward()
    numeric = np.zeros(W.shape)
    for index in np.ndindex(*W.shape):
        h = 1e-6
        up, down = W.detach().numpy().copy(), W.detach().numpy().copy()
        up[index] += h
        down[index] -= h
        k = index[0]
        numeric[index] = (value(up[k], 0.3) - value(down[k], 0.3)) / (2 * h)
    np.testing.assert_allclose(W.grad.numpy(), numeric, atol=1e-6)
    # Where the result of a small prox step is not zero, it has moved along the gradient there.
    step = 1e-7
    moved = (W.detach() - layer.prox(W.detach(), step)) / step
    np.testing.assert_allclose(moved.numpy(), numeric, atol=1e-5)
    if penalty.smooth:
        torch.testing.assert_close(layer.gradient(W.detach()), W.grad)


@every_penalty
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_zeros_make_no_nan(penalty, value, alpha):
    W = weights(4)
    W[0] = 0
    W[1, 2] = 0
    W[2, :, 1] = 0
    W[3, [0, 1, 3]] = 0
    W.requires_grad_()
    layer = on(penalty, alpha)
    values = layer.value(W)
    values.sum().backward()
    results = [values, W.grad, *(layer.prox(W.detach(), step) for step in (1e-6, 1.0, 1e3))]
    assert all(torch.isfinite(result).all() for result in results)
    assert values[0] == 0
    assert not W.grad[0].any()
    assert not results[3][0].any()


@every_penalty
def test_float32_stays_float32(penalty, value):
    W = feasible(penalty, weights()).float()
    alpha = torch.tensor([0.5, 2.0]).view(2, 1, 1)
    double, single = on(penalty, alpha.double()), on(penalty, alpha, torch.float32)
    for compute in (lambda p, W: p.prox(W, 0.1), lambda p, W: p.value(W), lambda p, W: p.alpha_max(W)):
        result = compute(single, W)
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, compute(double, W.double()).float(), rtol=1e-5, atol=1e-6)


@every_penalty
def test_mean_over_blocks_is_the_mean_of_each_block(penalty, value):
    T = weights()
    result = on(penalty, 1.0).mean_over_blocks(T).expand_as(T).numpy()
    expected = np.zeros_like(result)
    for k in np.unique(blocks(penalty)):
        is_k = blocks(penalty) == k
        expected[:, is_k] = T.numpy()[:, is_k].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_allclose(result.sum(axis=(1, 2)), T.sum(dim=(1, 2)), rtol=1e-12)


@every_penalty
@given(seed=seeds)
@fixed_examples(8)
def test_alpha_max_is_the_smallest_strength_that_leaves_nothing(penalty, value, seed):
    G = torch.cat([sparse_weights(seed), sparse_weights(seed + 1), torch.ones(1, 4, 4)])
    alpha_max = on(penalty, 1.0).alpha_max(G)
    if value(np.eye(4), 1.0) == 0.5 * 4:  # only squares: no strength is enough
        assert torch.isinf(alpha_max).all()
        return
    for k in range(3):
        here, limit = G[k : k + 1], float(alpha_max[k])
        for t in (1e-4, 1e-2, 0.5):
            assert not on(penalty, limit * (1 + 1e-9)).prox(-t * here, t).any()
            assert not here.any() or on(penalty, 0.95 * limit).prox(-t * here, t).any()


@pytest.mark.parametrize("options", [{}, {"groups": LISTS, "group_weights": [0, 1]}, {"group_weights": [0, 1, 1, 1]}])
def test_a_group_without_weight_is_left_alone_at_any_strength(options):
    W = weights(1)
    free = [0, 1, 3] if "groups" in options else [0] if options else []
    result = on(GroupLasso(**options), 1e6).prox(W, 1.0)
    assert torch.equal(result[0, free], W[0, free])
    assert not result[0, 2].any()
    assert torch.isinf(on(GroupLasso(**options), 1.0).alpha_max(W)).item() == bool(free)
    W[0, free] = 0
    assert torch.isfinite(on(GroupLasso(**options), 1.0).alpha_max(W)).item()


@pytest.mark.parametrize("penalty", [GroupLasso(groups=LISTS), SparseGroupLasso(groups="neurons"), WeightedL1()])
def test_methods_find_their_groups_in_the_shape_of_a_matrix(penalty):
    W, layer = weights(), on(penalty, 0.3)
    assert torch.equal(penalty.prox(W, 0.1, 0.3), layer.prox(W, 0.1))
    assert torch.equal(penalty.value(W, 0.3), layer.value(W))
    assert torch.equal(penalty.alpha_max(W), layer.alpha_max(W))
    assert torch.equal(penalty.mean_over_blocks(W), layer.mean_over_blocks(W))


@every_penalty
def test_penalties_are_estimators(penalty, value):
    copy = clone(penalty).set_params(alpha=0.25)
    assert copy.get_params()["alpha"] == 0.25
    assert type(copy) is type(penalty)


def strength_of(layer):
    return None if layer is None else (type(layer.penalty), layer.alpha)


@pytest.mark.parametrize("penalty", [L1, L2, ElasticNet, MCP, SCAD])
def test_penalties_on_single_weights_act_on_every_layer(penalty):
    layers = penalty(alpha=0.5).for_layers((4, 3, 2))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), (penalty, 0.5)]
    layers = penalty(alpha=(0.5, 0)).for_layers((4, 3, 2))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), None]


SELECTING = [WeightedL1, GroupLasso, SparseGroupLasso, Hierarchical]


@pytest.mark.parametrize("penalty", SELECTING)
def test_one_strength_selects_in_the_first_layer_and_brings_l2_to_the_others(penalty):
    layers = penalty(alpha=0.5).for_layers((4, 3, 2, 1))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), (L2, 1e-3), (L2, 1e-3)]
    assert layers[1].penalty.alpha == 1e-3
    layers = penalty(alpha=0.5, later_layers_l2=0).for_layers((4, 3, 1))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), None]
    layers = penalty(alpha=0).for_layers((4, 3, 1))
    assert [strength_of(layer) for layer in layers] == [None, (L2, 1e-3)]
    assert [strength_of(layer) for layer in penalty(alpha=0.5).for_layers((4, 1))] == [(penalty, 0.5)]


@pytest.mark.parametrize("penalty", SELECTING)
def test_one_strength_for_each_layer_is_all_there_is(penalty):
    layers = penalty(alpha=(0.5, 0)).for_layers((4, 3, 1))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), None]
    if penalty is not Hierarchical:
        layers = penalty(alpha=(0, 0.2)).for_layers((4, 3, 1))
        assert [strength_of(layer) for layer in layers] == [None, (penalty, 0.2)]


@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
def test_neurons_are_selected_in_all_layers_but_the_last(penalty):
    layers = penalty(alpha=0.5, groups="neurons").for_layers((4, 3, 2, 1))
    assert [strength_of(layer) for layer in layers] == [(penalty, 0.5), (penalty, 0.5), (L2, 1e-3)]
    assert [strength_of(layer) for layer in penalty(alpha=0.5, groups="neurons").for_layers((4, 1))] == [(penalty, 0.5)]
    layers = penalty(alpha=(0.1, 0.2), groups="neurons").for_layers((4, 3, 1))
    W = torch.ones(1, 3, 1)
    assert layers[1].value(W).item() == pytest.approx(
        0.2 * (3**0.5 + (3 - 3**0.5) * getattr(layers[1].penalty, "l1_ratio", 0))
    )


def test_weights_of_weighted_l1_belong_to_the_first_matrix():
    first, second = WeightedL1(alpha=(1.0, 2.0), weights=[1, 2, 3, 4]).for_layers((4, 3, 1))
    assert first.value(torch.ones(1, 4, 3, dtype=torch.float64)).item() == 30
    assert second.value(torch.ones(1, 3, 1)).item() == 6


def test_hierarchical_without_hidden_layers_is_the_group_lasso():
    (layer,) = Hierarchical(alpha=0.5).for_layers((4, 4))
    W, reference = weights(), on(GroupLasso(), 0.5)
    torch.testing.assert_close(layer.prox(W, 0.7), reference.prox(W, 0.7))
    torch.testing.assert_close(layer.value(W), reference.value(W))
    torch.testing.assert_close(layer.alpha_max(W), reference.alpha_max(W))


def test_options_follow_the_type_of_the_weights():
    layer = LayerPenalty(GroupLasso(groups=LISTS), 0.5, GroupLasso(groups=LISTS)._layer_options(0, (4, 4)))
    moved = layer.to(torch.float32, "cpu")
    assert moved.options["groups"].multiplier.dtype == torch.float32
    assert moved.options["groups"].index.dtype == torch.int64


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (L1(alpha=-1), r"The 'alpha' parameter of L1 must be .* Got -1 instead\."),
        (L2(alpha="x"), r"The 'alpha' parameter of L2 must be .* Got 'x' instead\."),
        (ElasticNet(l1_ratio=1.5), r"The 'l1_ratio' parameter of ElasticNet must be .* Got 1\.5 instead\."),
        (
            SparseGroupLasso(l1_ratio=-0.1),
            r"The 'l1_ratio' parameter of SparseGroupLasso must be .* Got -0\.1 instead\.",
        ),
        (MCP(gamma=1), r"The 'gamma' parameter of MCP must be a float in the range \(1\.0, inf\)\. Got 1 instead\."),
        (
            SCAD(gamma=2.0),
            r"The 'gamma' parameter of SCAD must be a float in the range \(2\.0, inf\)\. Got 2\.0 instead\.",
        ),
        (
            Hierarchical(M=0),
            r"The 'M' parameter of Hierarchical must be a float in the range \(0\.0, 1e\+18\]\. Got 0 instead\.",
        ),
        (Hierarchical(alpha=-1), r"The 'alpha' parameter of Hierarchical must be .* Got -1 instead\."),
        (GroupLasso(alpha=-0.1), r"The 'alpha' parameter of GroupLasso must be .* Got -0\.1 instead\."),
        (
            GroupLasso(groups="rows"),
            r"The 'groups' parameter of GroupLasso must be .*'features'.* Got 'rows' instead\.",
        ),
        (GroupLasso(groups=None), r"The 'groups' parameter of GroupLasso must be .* Got None instead\."),
        (GroupLasso(group_weights=2.0), r"The 'group_weights' parameter of GroupLasso must be .* Got 2\.0 instead\."),
        (GroupLasso(later_layers_l2=-1), r"The 'later_layers_l2' parameter of GroupLasso must be .* Got -1 instead\."),
        (WeightedL1(weights="a"), r"The 'weights' parameter of WeightedL1 must be .* Got 'a' instead\."),
    ],
)
def test_bad_parameters_of_an_object(penalty, message):
    with pytest.raises((ValueError, TypeError), match=message):
        resolve_penalty(penalty, None, None)


@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([[0, 1], [1, 2, 3]], "got overlapping groups: feature 1 is in them twice."),
        ([[0, 2, 2], [1, 3]], "got overlapping groups: feature 2 is in them twice."),
        ([[0, 1], [3]], "got incomplete groups: feature 2 is in none."),
        ([[0, 1, 2], [3, 4]], r"got the index 4 in \[3, 4\], which is out of range."),
        ([[-1, 0], [1, 2]], r"got the index -1 in \[-1, 0\], which is out of range."),
        ([[0, 1, 2, 3], []], r"got \[\] as one of them."),
        ([[0.0, 1.0], [2, 3]], r"got \[0.0, 1.0\] as one of them."),
        ([["a"], [0, 1, 2, 3]], r"got \['a'\] as one of them."),
        ([0, 1, 2, 3], "got 0 as one of them."),
        ([], "got incomplete groups: feature 0 is in none."),
    ],
)
def test_groups_must_hold_each_feature_once(penalty, groups, message):
    expected = (
        "'groups' parameter must be 'features', 'neurons', 'columns', or lists of feature indices that hold each of "
        "the 4 features"
    )
    with pytest.raises(ValueError, match=f"{expected} once; {message}"):
        penalty(groups=groups).for_layers((4, 3, 1))


@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
def test_an_array_of_groups_has_a_number_for_each_feature(penalty):
    with pytest.raises(ValueError, match="4 features once, or an array with the group of each; got an array of 3 num"):
        penalty(groups=np.array([0, 0, 1])).for_layers((4, 3, 1))
    with pytest.raises(ValueError, match="got 0.0 as one of them"):
        penalty(groups=np.zeros(4)).for_layers((4, 3, 1))


@pytest.mark.parametrize("penalty", [GroupLasso(groups="columns"), SparseGroupLasso(groups="columns")])
def test_original_columns_are_known_from_x_alone(penalty):
    W = weights()
    for call in (
        lambda: penalty.for_layers((4, 3, 1)),
        lambda: penalty.prox(W, 0.1, 0.3),
        lambda: penalty.value(W, 0.3),
        lambda: penalty.reweighted(W[0].numpy()),
    ):
        with pytest.raises(
            ValueError, match=rf"{type(penalty).__name__}\(groups='columns'\) needs to know the original"
        ):
            call()
    resolved = penalty.for_source_columns(np.array([3, 3, 0, 3]), 4)
    assert penalty.groups == "columns"
    by_hand = clone(penalty).set_params(groups=[[2], [0, 1, 3]])
    assert torch.equal(resolved.prox(W, 0.1, 0.3), by_hand.prox(W, 0.1, 0.3))
    for kept in (clone(penalty).set_params(groups=LISTS), L1()):
        assert kept.for_source_columns(np.array([3, 3, 0, 3]), 4) is kept


@pytest.mark.parametrize("groups", [LISTS, np.array([0, 0, 1, 0])])
def test_adaptive_groups_keep_their_features(groups):
    W = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0], [0.0, 12.0]])
    penalty, features = GroupLasso(groups=groups, group_weights=[2.0, 1.0]).reweighted(W)
    assert features.tolist() == [0, 1, 3]
    assert penalty.group_weights.tolist() == [2.0]
    assert penalty._groups(0, 3, 2).index.tolist() == [0, 0, 0]
    W[2] = 6.5
    penalty, features = GroupLasso(groups=groups).reweighted(W)
    assert features.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(penalty.group_weights, [1, 13 / np.hypot(6.5, 6.5)])
    assert penalty._groups(0, 4, 2).index.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
@pytest.mark.parametrize(
    ("options", "n_groups"),
    [
        ({"group_weights": [1, 1]}, 4),
        ({"group_weights": [1, 1, 1, -1]}, 4),
        ({"group_weights": [1, 1, 1, np.nan]}, 4),
        ({"group_weights": [1, 1, 1, np.inf]}, 4),
        ({"group_weights": [[1, 1, 1, 1]]}, 4),
        ({"group_weights": [1, 1, 1, 1], "groups": "neurons"}, 3),
        ({"group_weights": [1, 1, 1, 1], "groups": LISTS}, 2),
    ],
)
def test_every_group_needs_one_weight(penalty, options, n_groups):
    message = (
        rf"The 'group_weights' parameter of {penalty.__name__} must hold .* for each of the {n_groups} groups; got \["
    )
    with pytest.raises(ValueError, match=message):
        penalty(**options).for_layers((4, 3, 1))


@pytest.mark.parametrize("weights", [[1, 2], [[1, 2, 3]], np.ones((3, 4)), [1, 1, 1, -1], [1, 1, 1, np.nan]])
def test_weights_of_weighted_l1_must_fit_the_first_matrix(weights):
    message = (
        r"The 'weights' parameter of WeightedL1 must hold .* shape \(4,\) or \(4, 3\) of the first weight matrix; got"
    )
    with pytest.raises(ValueError, match=message):
        WeightedL1(weights=weights).for_layers((4, 3, 1))


@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
def test_lists_of_features_have_no_meaning_in_later_layers(penalty):
    assert len(penalty(alpha=(0.1, 0), groups=LISTS).for_layers((4, 3, 1))) == 2
    with pytest.raises(ValueError, match=r"groups of the first weight matrix: alpha must be .* got alpha=\(0.1, 0.2\)"):
        penalty(alpha=(0.1, 0.2), groups=LISTS).for_layers((4, 3, 1))


def test_hierarchical_has_no_meaning_in_later_layers():
    with pytest.raises(
        ValueError, match=r"'alpha' parameter of Hierarchical must be one number, or 0 for all .*got \(0.1, 0.2"
    ):
        Hierarchical(alpha=(0.1, 0.2)).for_layers((4, 3, 1))


def test_penalties_refuse_parameters_that_they_do_not_have():
    with pytest.raises(TypeError, match="unexpected keyword argument 'groups'"):
        L1(groups="features")
    with pytest.raises(ValueError, match="Invalid parameter 'groups' for estimator L1"):
        L1().set_params(groups="features")


def test_strings_read_the_flat_strengths():
    assert resolve_penalty("l1", None, None).get_params() == {"alpha": 1e-4}
    assert resolve_penalty("elasticnet", 0.2, None).get_params() == {"alpha": 0.2, "l1_ratio": 0.5}
    assert resolve_penalty("elasticnet", 0.2, 0.9).get_params() == {"alpha": 0.2, "l1_ratio": 0.9}
    sparse_group = resolve_penalty("sparse_group_lasso", 0.2, 0.9)
    assert (sparse_group.alpha, sparse_group.l1_ratio) == (0.2, 0.9)


@pytest.mark.parametrize("alias", ALIASES)
def test_every_string_is_its_class_with_the_flat_alpha(alias):
    resolved = resolve_penalty(alias, 0.2, None)
    assert type(resolved) is ALIASES[alias]
    assert resolved.get_params() == ALIASES[alias](0.2).get_params()


def test_objects_are_cloned():
    penalty = L1(alpha=0.3)
    resolved = resolve_penalty(penalty, None, None)
    assert resolved is not penalty
    assert resolved.alpha == 0.3


@pytest.mark.parametrize("strength", [{"alpha": 0.1}, {"l1_ratio": 0.1}])
def test_a_flat_strength_beside_an_object_is_an_error(strength):
    (name,) = strength
    with pytest.raises(ValueError, match=rf"'{name}' parameter must be None if 'penalty' is an object.*{name}=0.1"):
        resolve_penalty(L1(), strength.get("alpha"), strength.get("l1_ratio"))


@pytest.mark.parametrize(
    ("penalty", "alpha", "l1_ratio", "name"),
    [
        (None, 0.1, None, "alpha"),
        (None, None, 0.5, "l1_ratio"),
        ("l1", None, 0.5, "l1_ratio"),
        ("group_lasso", 0.1, 0.5, "l1_ratio"),
    ],
)
def test_a_strength_without_effect_is_not_read(penalty, alpha, l1_ratio, name):
    assert name in unused_strengths(penalty)
    without = {"alpha": alpha, "l1_ratio": l1_ratio} | {name: None}
    assert repr(resolve_penalty(penalty, alpha, l1_ratio)) == repr(resolve_penalty(penalty, **without))


def test_layer_strengths():
    assert layer_strengths(0.5, 3) == [0.5, 0.5, 0.5]
    assert layer_strengths((0.02, 0, 0), 3) == [0.02, 0.0, 0.0]
    assert layer_strengths(np.array([1.0, 2.0]), 2) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        ((1, 2), r"one for each of the 3 weight matrices; got 2 numbers: \(1, 2\)"),
        ((1, -1, 0), r"at least 0 for every weight matrix; got \(1, -1, 0\)"),
        (np.inf, "must be finite .* got inf"),
        ((1, np.nan, 0), "must be finite"),
        (("a", "b", "c"), "must be finite"),
    ],
)
def test_bad_layer_strengths(alpha, message):
    with pytest.raises(ValueError, match=message):
        layer_strengths(alpha, 3)
