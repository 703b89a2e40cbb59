"""Proximal operators against closed forms and numerical minimizers."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from skreg.penalties import L1, MCP, ElasticNet
from skreg.proximal import (
    block_soft_threshold,
    hierarchical_threshold,
    mcp_threshold,
    scad,
    scad_threshold,
    shrink,
    soft_threshold,
)


def test_soft_threshold_is_the_closed_form_with_exact_zeros():
    W = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    expected = torch.sign(W) * torch.clamp(W.abs() - 1.0, min=0)
    result = soft_threshold(W, 1.0)
    torch.testing.assert_close(result, expected)
    assert (result == 0).tolist() == [False, True, True, True, True, True, False]


def test_soft_threshold_takes_one_threshold_for_each_coordinate():
    W, threshold = torch.tensor([2.0, -2.0, 2.0]), torch.tensor([0.5, 1.5, 5.0])
    assert soft_threshold(W, threshold).tolist() == [1.5, -0.5, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_soft_threshold_leaves_no_residue_at_awkward_numbers(dtype):
    W = torch.from_numpy(np.random.default_rng(0).normal(size=10_000)).to(dtype)
    result = soft_threshold(W, 0.7)
    assert ((result == 0) == (W.abs() <= torch.tensor(0.7, dtype=dtype))).all()


def test_shrink():
    assert shrink(torch.tensor([3.0, -6.0]), 2.0).tolist() == [1.0, -2.0]


def test_block_soft_threshold_shortens_blocks_and_keeps_their_direction():
    W = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], dtype=torch.float64)
    result = block_soft_threshold(W, torch.linalg.vector_norm(W, dim=1, keepdim=True), 1.0)
    torch.testing.assert_close(result[0], 0.8 * W[0])
    assert not result[1:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threshold", [0.0, 1e-30, 1.0, 1e30])
def test_block_soft_threshold_leaves_a_block_of_zeros(dtype, threshold):
    W = torch.zeros(2, 3, dtype=dtype)
    result = block_soft_threshold(W, torch.linalg.vector_norm(W, dim=1, keepdim=True), threshold)
    assert result.dtype == dtype
    assert torch.equal(result, W)


def mcp_of(z, alpha, gamma):
    return np.where(np.abs(z) <= gamma * alpha, alpha * np.abs(z) - z**2 / (2 * gamma), gamma * alpha**2 / 2)


def scad_of(z, alpha, gamma):
    """Return the integral of Fan and Li's derivative, by the trapezoidal rule, which is exact between its kinks."""
    kinks = np.array([0, alpha, gamma * alpha])
    values = np.array([0, alpha**2, alpha**2 + alpha**2 * (gamma - 1) / 2])
    size = np.minimum(np.abs(z), kinks[2])
    piece = (size > kinks[1]).astype(int)
    slope = np.where(piece, (gamma * alpha - size) / (gamma - 1), alpha)
    return values[piece] + (alpha + slope) / 2 * (size - kinks[piece])


NONCONVEX = {
    # threshold, value, gamma, the step from which the problem is no longer convex everywhere
    "mcp": (mcp_threshold, mcp_of, 2.5, 2.5),
    "scad": (scad_threshold, scad_of, 3.7, 2.7),
}


def test_scad_is_the_integral_of_its_published_derivative():
    z = np.linspace(-5, 5, 301)
    np.testing.assert_allclose(
        scad(torch.from_numpy(z), 0.8, 3.7).numpy(), scad_of(z, 0.8, 3.7), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("name", NONCONVEX)
@pytest.mark.parametrize("ratio", [1e-6, 0.1, 0.9, 0.999999, 1.0, 1.000001, 1.5, 10.0, 400.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.7])
def test_thresholds_of_nonconvex_penalties_are_global_minimizers(name, ratio, alpha):
    threshold, value, gamma, critical = NONCONVEX[name]
    step = ratio * critical
    reach = 1.5 * alpha * max(gamma, np.sqrt((gamma + 1) * step)) + 1
    W = np.linspace(-reach, reach, 81)
    ours = threshold(torch.from_numpy(W), step, alpha, gamma).numpy()
    # Between kinks the objective is a parabola, so minima are on kinks, at stationary points or at w: all are there,
    # and a fine grid beside them.
    kinks = [0.0, alpha, -alpha, gamma * alpha, -gamma * alpha]
    grid = np.concatenate([np.linspace(-reach, reach, 20_001), W, kinks])

    def problem(z, w):
        return (z - w) ** 2 / 2 + step * value(z, alpha, gamma)

    for w, z in zip(W, ours, strict=True):
        assert problem(z, w) <= problem(grid, w).min() + 1e-13 * (1 + w**2)
        near = minimize_scalar(
            problem, args=(w,), bounds=(z - 1e-2, z + 1e-2), method="bounded", options={"xatol": 1e-10}
        )
        assert problem(z, w) <= near.fun + 1e-13 * (1 + w**2)
    assert (ours[[0, -1]] == W[[0, -1]]).all()
    assert alpha == 0 or ratio < 0.1 or (ours == 0).sum() > 1


@pytest.mark.parametrize("name", NONCONVEX)
def test_thresholds_of_nonconvex_penalties_take_a_step_for_each_coordinate(name):
    threshold, _, gamma, critical = NONCONVEX[name]
    rng = np.random.default_rng(0)
    W = torch.from_numpy(2 * rng.normal(size=(2, 30)))
    step = torch.from_numpy(critical * rng.choice([0.1, 1.0, 3.0], size=(2, 30)))
    alpha = torch.tensor([[0.2], [0.9]], dtype=torch.float64)
    result = threshold(W, step, alpha, gamma)
    for index in np.ndindex(2, 30):
        alone = threshold(W[index], float(step[index]), float(alpha[index[0], 0]), gamma)
        assert result[index].item() == pytest.approx(alone.item(), rel=1e-12, abs=0)


def hierarchical_problem(skip, hidden, threshold, ratio):
    """Return the objective as a function of the norm of the skip weights: all else follows from it."""

    def objective(radius):
        excess = np.maximum(np.abs(hidden) - ratio * radius, 0)
        return (radius - np.linalg.norm(skip)) ** 2 / 2 + (excess**2).sum() / 2 + threshold * radius

    return objective


def random_hierarchical_cases(n_cases):
    rng = np.random.default_rng(0)
    for case in range(n_cases):
        skip = rng.normal(size=rng.integers(1, 4)) * 10 ** rng.uniform(-1, 1)
        hidden = rng.normal(size=rng.integers(0, 6)) * 10 ** rng.uniform(-1, 1)
        if case % 10 == 0:
            skip[:] = 0
        if case % 7 == 0:
            hidden[:] = hidden[:1]  # ties
        yield skip, hidden, rng.choice([0, 1]) * 10 ** rng.uniform(-2, 1), 10 ** rng.uniform(-1, 1)


def test_hierarchical_threshold_is_what_a_numerical_minimizer_finds():
    n_zero = 0
    for skip, hidden, threshold, ratio in random_hierarchical_cases(200):
        b, W = hierarchical_threshold(torch.from_numpy(skip), torch.from_numpy(hidden), threshold, ratio)
        b, W, radius = b.numpy(), W.numpy(), float(torch.linalg.vector_norm(b))
        objective = hierarchical_problem(skip, hidden, threshold, ratio)
        upper = np.linalg.norm(skip) + np.abs(hidden).sum() / ratio + 1
        best = minimize_scalar(
            objective, bounds=(0, upper), method="bounded", options={"xatol": 1e-11, "maxiter": 1000}
        )
        assert radius == pytest.approx(best.x, abs=1e-6)
        assert objective(radius) <= min(best.fun, objective(0.0)) + 1e-13 * (1 + best.fun)
        n_zero += radius == 0
        # The full problem at the answer has the value of the reduced one, and the answer is feasible.
        full = ((b - skip) ** 2).sum() / 2 + ((W - hidden) ** 2).sum() / 2 + threshold * np.linalg.norm(b)
        assert full == pytest.approx(objective(radius), rel=1e-12, abs=1e-14)
        assert (np.abs(W) <= ratio * radius * (1 + 1e-12)).all()
    assert 20 < n_zero < 150


def test_hierarchical_threshold_meets_no_better_feasible_point():
    rng = np.random.default_rng(1)
    for skip, hidden, threshold, ratio in random_hierarchical_cases(100):
        b, W = (t.numpy() for t in hierarchical_threshold(*map(torch.from_numpy, (skip, hidden)), threshold, ratio))
        size = 10 ** rng.uniform(-4, 0.5, size=(300, 1))
        other_b = b + size * rng.normal(size=(300, len(b)))
        norms = np.linalg.norm(other_b, axis=1, keepdims=True)
        other_W = np.clip(W + size * rng.normal(size=(300, len(W))), -ratio * norms, ratio * norms)
        ours = ((b - skip) ** 2).sum() / 2 + ((W - hidden) ** 2).sum() / 2 + threshold * np.linalg.norm(b)
        theirs = ((other_b - skip) ** 2).sum(1) / 2 + ((other_W - hidden) ** 2).sum(1) / 2 + threshold * norms[:, 0]
        assert ours <= theirs.min() + 1e-12 * (1 + ours)


def test_hierarchical_threshold_satisfies_the_conditions_of_the_published_algorithm():
    """Algorithm 3: w_m = M / (1 + m M^2) * S(||skip|| + M * sum of the m largest), between entries m and m + 1."""
    for skip, hidden, threshold, ratio in random_hierarchical_cases(200):
        largest = np.append(np.sort(np.abs(hidden))[::-1], 0.0)
        candidates = [
            ratio / (1 + m * ratio**2) * max(np.linalg.norm(skip) + ratio * largest[:m].sum() - threshold, 0)
            for m in range(len(hidden) + 1)
        ]
        upper = np.concatenate([[np.inf], largest])
        fits = [upper[m + 1] * (1 - 1e-12) <= w <= upper[m] * (1 + 1e-12) for m, w in enumerate(candidates)]
        bound = candidates[fits.index(True)]
        b, W = hierarchical_threshold(torch.from_numpy(skip), torch.from_numpy(hidden), threshold, ratio)
        np.testing.assert_allclose(
            W.numpy(), np.sign(hidden) * np.minimum(np.abs(hidden), bound), rtol=1e-9, atol=1e-15
        )
        assert torch.linalg.vector_norm(b).item() == pytest.approx(bound / ratio, rel=1e-9)
        if skip.any():
            np.testing.assert_allclose(b.numpy() * np.linalg.norm(skip), bound / ratio * skip, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("penalty", [L1(), ElasticNet(l1_ratio=0.4), MCP()])
def test_the_prox_in_place_is_the_prox(penalty):
    rng = np.random.default_rng(0)
    W, step = torch.from_numpy(rng.normal(size=(2, 6, 5))), torch.from_numpy(rng.random((2, 6, 5)))
    alpha = torch.tensor([0.3, 2.0], dtype=torch.float64).view(2, 1, 1)
    expected = penalty.prox(W, 0.7 * step, alpha)
    penalty.prox_(W, step.clone(), 0.7, alpha)
    torch.testing.assert_close(W, expected, rtol=1e-12, atol=1e-15)
    assert ((W == 0) == (expected == 0)).all()
    assert (W == 0).any()


def test_hierarchical_threshold_solves_every_row_by_itself():
    rng = np.random.default_rng(0)
    skip, hidden = torch.from_numpy(rng.normal(size=(2, 5, 3))), torch.from_numpy(rng.normal(size=(2, 5, 4)))
    skip[0, 1] = 0
    threshold = torch.from_numpy(rng.uniform(0, 3, size=(2, 5, 1)))
    b, W = hierarchical_threshold(skip, hidden, threshold, 0.7)
    assert (torch.linalg.vector_norm(b, dim=2) == 0).any()
    for k, j in np.ndindex(2, 5):
        alone = hierarchical_threshold(skip[k, j], hidden[k, j], float(threshold[k, j]), 0.7)
        torch.testing.assert_close((b[k, j], W[k, j]), alone, rtol=1e-12, atol=1e-15)
