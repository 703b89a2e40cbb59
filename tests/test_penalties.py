"""Laws that every penalty obeys, and how parameters become a penalty."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.base import clone

from skreg.penalties import ALIASES, L1, L2, ElasticNet, layer_strengths, resolve_penalty

# A new penalty gets one row here: an instance, and its value written with numpy.
PENALTIES = [
    pytest.param(L1(), lambda w: np.abs(w).sum(), id="l1"),
    pytest.param(L2(), lambda w: 0.5 * (w**2).sum(), id="l2"),
    pytest.param(ElasticNet(l1_ratio=0.3), lambda w: 0.3 * np.abs(w).sum() + 0.35 * (w**2).sum(), id="elasticnet"),
    pytest.param(ElasticNet(l1_ratio=1.0), lambda w: np.abs(w).sum(), id="elasticnet-is-l1"),
    pytest.param(ElasticNet(l1_ratio=0.0), lambda w: 0.5 * (w**2).sum(), id="elasticnet-is-l2"),
]
every_penalty = pytest.mark.parametrize(("penalty", "value"), PENALTIES)
STEPS = [1e-6, 1e-2, 1.0, 1e3]


def weights(n_members=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n_members, 4, 3)))


def test_every_alias_has_its_row():
    assert set(ALIASES.values()) == {type(row.values[0]) for row in PENALTIES}


@every_penalty
def test_value_is_alpha_times_the_formula_for_each_member(penalty, value):
    W = weights()
    alpha = torch.tensor([0.5, 2.0], dtype=torch.float64).view(2, 1, 1)
    expected = [0.5 * value(W[0].numpy()), 2.0 * value(W[1].numpy())]
    np.testing.assert_allclose(penalty.value(W, alpha).numpy(), expected, rtol=1e-12)


@every_penalty
@pytest.mark.parametrize("step", STEPS)
def test_prox_minimizes_its_problem(penalty, value, step):
    alpha = 0.4
    for w in (-2.0, -0.3, 0.0, 0.01, 1.5):
        W = torch.full((1, 1, 1), w, dtype=torch.float64)
        z = penalty.prox(W, step, alpha).item()

        def problem(z, w=w):
            return (z - w) ** 2 / (2 * step) + alpha * value(np.array([z]))

        best = minimize_scalar(problem, bounds=(-3, 3), method="bounded", options={"xatol": 1e-12})
        assert problem(z) <= best.fun + 1e-12
        assert z == pytest.approx(best.x, abs=1e-5)


@every_penalty
@pytest.mark.parametrize("step", STEPS)
def test_prox_is_nonexpansive(penalty, value, step):
    V, W = weights(seed=1), weights(seed=2)
    distance = torch.linalg.norm(penalty.prox(V, step, 0.7) - penalty.prox(W, step, 0.7))
    assert distance <= torch.linalg.norm(V - W) * (1 + 1e-12)


@every_penalty
def test_without_strength_prox_is_the_identity_and_value_is_zero(penalty, value):
    W = weights()
    assert torch.equal(penalty.prox(W, 3.0, 0.0), W)
    assert penalty.value(W, 0.0).tolist() == [0.0, 0.0]


@every_penalty
def test_prox_leaves_its_argument_and_acts_coordinatewise(penalty, value):
    W = weights()
    before = W.clone()
    step = torch.rand_like(W) + 0.1
    result = penalty.prox(W, step, 0.5)
    assert torch.equal(W, before)
    alone = penalty.prox(W[:1, :1, :1], step[:1, :1, :1], 0.5)
    assert result[0, 0, 0] == alone.item()


@every_penalty
def test_value_has_the_gradient_that_finite_differences_and_the_prox_say(penalty, value):
    W = weights().requires_grad_()
    penalty.value(W, 0.3).sum().backward()
    numeric = np.zeros(W.shape)
    for index in np.ndindex(*W.shape):
        h = 1e-6
        up, down = W.detach().numpy().copy(), W.detach().numpy().copy()
        up[index] += h
        down[index] -= h
        numeric[index] = 0.3 * (value(up) - value(down)) / (2 * h)
    np.testing.assert_allclose(W.grad.numpy(), numeric, atol=1e-6)
    # Where the result of a small prox step is not zero, it has moved along the gradient there.
    step = 1e-7
    moved = (W.detach() - penalty.prox(W.detach(), step, 0.3)) / step
    np.testing.assert_allclose(moved.numpy(), numeric, atol=1e-5)
    if penalty.smooth:
        torch.testing.assert_close(penalty.gradient(W.detach(), 0.3), W.grad)


@every_penalty
def test_penalties_are_estimators(penalty, value):
    copy = clone(penalty).set_params(alpha=0.25)
    assert copy.get_params()["alpha"] == 0.25
    assert type(copy) is type(penalty)


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (L1(alpha=-1), r"The 'alpha' parameter of L1 must be .* Got -1 instead\."),
        (L2(alpha="x"), r"The 'alpha' parameter of L2 must be .* Got 'x' instead\."),
        (ElasticNet(l1_ratio=1.5), r"The 'l1_ratio' parameter of ElasticNet must be .* Got 1\.5 instead\."),
    ],
)
def test_bad_parameters_of_an_object(penalty, message):
    with pytest.raises((ValueError, TypeError), match=message):
        resolve_penalty(penalty, None, None)


def test_strings_read_the_flat_strengths():
    assert resolve_penalty("l1", None, None).get_params() == {"alpha": 1e-4}
    assert resolve_penalty("elasticnet", 0.2, None).get_params() == {"alpha": 0.2, "l1_ratio": 0.5}
    assert resolve_penalty("elasticnet", 0.2, 0.9).get_params() == {"alpha": 0.2, "l1_ratio": 0.9}


def test_objects_are_cloned():
    penalty = L1(alpha=0.3)
    resolved = resolve_penalty(penalty, None, None)
    assert resolved is not penalty
    assert resolved.alpha == 0.3


@pytest.mark.parametrize("strength", [{"alpha": 0.1}, {"l1_ratio": 0.1}])
def test_a_flat_strength_beside_an_object_is_an_error(strength):
    (name,) = strength
    with pytest.raises(ValueError, match=rf"'{name}' must be None when 'penalty' is an object.*{name}=0.1"):
        resolve_penalty(L1(), strength.get("alpha"), strength.get("l1_ratio"))


@pytest.mark.parametrize(
    ("penalty", "alpha", "l1_ratio", "name"),
    [(None, 0.1, None, "alpha"), (None, None, 0.5, "l1_ratio"), ("l1", None, 0.5, "l1_ratio")],
)
def test_a_strength_without_effect_warns(penalty, alpha, l1_ratio, name):
    with pytest.warns(UserWarning, match=f"{name}=.* has no effect with penalty={penalty!r}"):
        resolve_penalty(penalty, alpha, l1_ratio)


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
