"""The optimizers against torch's and scikit-learn's, and the fixed points of their proximal steps."""

import numpy as np
import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from skreg.adapters.skorch import as_torch_optimizer
from skreg.constraints import MaxNorm, Nonnegative
from skreg.network.mlp import MLP
from skreg.penalties import L1, L2, MCP, ElasticNet, GroupLasso, Hierarchical, Penalty, SparseGroupLasso, WeightedL1
from skreg.penalties._base import LayerPenalty
from skreg.solvers import ProximalAdam, ProximalSGD, Regularization
from skreg.solvers._adam import METRIC_FLOOR
from skreg.solvers._flat import STEPS_BETWEEN_FLUSHES


def make(n_members=1, seed=0):
    module = MLP((6, 5, 2), n_members=n_members, dtype=torch.float64)
    module.initialize([torch.Generator().manual_seed(seed + k) for k in range(n_members)])
    return module


def on(penalty, alphas):
    """Return a penalty with a strength for each weight matrix."""
    is_on = [penalty is not None and (isinstance(alpha, torch.Tensor) or alpha > 0) for alpha in alphas]
    return [LayerPenalty(penalty, alpha) if on else None for on, alpha in zip(is_on, alphas, strict=True)]


def gradients(n_steps, size, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=size)) for _ in range(n_steps)]


def run(module, optimizer, grads, lr=0.01):
    for grad in grads:
        module.flat_grad.copy_(grad)
        optimizer.step(lr)
    return module.flat.clone()


def test_adam_without_penalty_is_torchs():
    module = make()
    grads = gradients(7, module.flat.numel())
    p = module.flat.clone().requires_grad_()
    reference = torch.optim.Adam([p], lr=0.01)
    for grad in grads:
        p.grad = grad.clone()
        reference.step()
    result = run(module, ProximalAdam(Regularization(module, on(None, [0.0, 0.0]))), grads)
    torch.testing.assert_close(result, p.detach(), rtol=1e-12, atol=1e-14)


def test_l2_in_adam_is_torchs_coupled_weight_decay_on_weights_alone():
    module = make()
    grads = gradients(7, module.flat.numel())
    W, b = (part.clone().requires_grad_() for part in module.flat.split([module.n_weights, 7]))
    groups = [{"params": [W], "weight_decay": 0.3}, {"params": [b], "weight_decay": 0.0}]
    reference = torch.optim.Adam(groups, lr=0.01)
    for grad in grads:
        W.grad, b.grad = (part.clone() for part in grad.split([module.n_weights, 7]))
        reference.step()
    result = run(module, ProximalAdam(Regularization(module, on(L2(), [0.3, 0.3]))), grads)
    torch.testing.assert_close(result, torch.cat([W, b]).detach(), rtol=1e-12, atol=1e-14)


def test_decoupled_weight_decay_is_torchs_adamw():
    module = make()
    grads = gradients(7, module.flat.numel())
    W, b = (part.clone().requires_grad_() for part in module.flat.split([module.n_weights, 7]))
    groups = [{"params": [W], "weight_decay": 0.3}, {"params": [b], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.01)
    for grad in grads:
        W.grad, b.grad = (part.clone() for part in grad.split([module.n_weights, 7]))
        reference.step()
    result = run(module, ProximalAdam(Regularization(module, on(None, [0.0, 0.0])), weight_decay=0.3), grads)
    torch.testing.assert_close(result, torch.cat([W, b]).detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_without_penalty_is_scikit_learns(nesterov):
    module = make()
    grads = gradients(7, module.flat.numel())
    parameters = [module.flat.numpy().copy()]
    reference = SGDOptimizer(parameters, 0.01, momentum=0.9, nesterov=nesterov)
    for grad in grads:
        reference.update_params(parameters, [grad.numpy()])
    result = run(
        module, ProximalSGD(Regularization(module, on(None, [0, 0])), momentum=0.9, nesterovs_momentum=nesterov), grads
    )
    np.testing.assert_allclose(result.numpy(), parameters[0], rtol=1e-12)


def adam_by_hand(W, grads, prox, lr, block_mean=lambda T: T, epsilon=1e-8):
    """Return weights after proximal Adam steps, written as in the class's docstring."""
    m = v = torch.zeros_like(W)
    for t, g in enumerate(grads, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        d = torch.maximum(block_mean(v_hat).sqrt(), METRIC_FLOOR * v_hat.mean().sqrt()).clamp_min(epsilon)
        W = prox(W - lr * m_hat / d, lr / d)
    return W


@pytest.mark.parametrize("penalty", [L1(), ElasticNet(l1_ratio=0.4)])
def test_proximal_adam_is_its_definition_and_leaves_other_layers_to_adam(penalty):
    module, plain = make(), make()
    grads = gradients(9, module.flat.numel())
    start = module.weights[0].detach()[0].clone()
    run(module, ProximalAdam(Regularization(module, on(penalty, [2.0, 0.0]))), grads)
    run(plain, ProximalAdam(Regularization(plain, on(None, [0.0, 0.0]))), grads)
    first = [g[:30].view(6, 5) for g in grads]
    expected = adam_by_hand(start, first, lambda W, step: penalty.prox(W, step, 2.0), 0.01)
    torch.testing.assert_close(module.weights[0].detach()[0], expected, rtol=1e-10, atol=1e-14)
    assert (module.weights[0] == 0).any()
    torch.testing.assert_close(module.flat[30:], plain.flat[30:], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("penalty", [L1(), ElasticNet(l1_ratio=0.4), MCP()])
@pytest.mark.parametrize("n_members", [1, 3])
def test_proximal_steps_in_pieces_are_those_of_the_whole(penalty, n_members, monkeypatch):
    results = []
    for piece in (7, 2**17):
        monkeypatch.setattr("skreg.solvers._adam.PROX_CHUNK_SIZE", piece)
        module = make(n_members)
        alpha = 2.0 if n_members == 1 else torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64).view(3, 1, 1)
        optimizer = ProximalAdam(Regularization(module, on(penalty, [alpha, alpha])))
        results.append(run(module, optimizer, gradients(9, module.flat.numel())))
    assert torch.equal(*results)
    assert (results[0][: module.n_weights] == 0).any()


def norms_by_hand(W, step, alpha, axis):
    """Return the prox of the group lasso over rows or columns."""
    norm = W.norm(dim=axis, keepdim=True)
    return W * (1 - alpha * step / norm).clamp_min(0)


def max_norm_by_hand(W, bound):
    return W * (bound / W.norm(dim=0, keepdim=True)).clamp_max(1)


def lists_by_hand(W, step, alpha):
    W = W.clone()
    for rows in (slice(0, 1), slice(1, 6)):
        W[rows] *= max(0, 1 - alpha * step[rows][0, 0] * len(W[rows]) ** 0.5 / W[rows].norm())
    return W


def rows_mean(T):
    return T.mean(dim=1, keepdim=True).expand_as(T)


def columns_mean(T):
    return T.mean(dim=0, keepdim=True).expand_as(T)


def lists_mean(T):
    return torch.cat([T[:1].mean().expand(1, 5), T[1:].mean().expand(5, 5)])


BLOCKS = {
    "features": (GroupLasso(), None, rows_mean, lambda W, step: norms_by_hand(W, step, 2.0, 1)),
    "neurons": (GroupLasso(groups="neurons"), None, columns_mean, lambda W, step: norms_by_hand(W, step, 2.0, 0)),
    "lists": (
        GroupLasso(groups=[[0], [1, 2, 3, 4, 5]]), None, lists_mean, lambda W, step: lists_by_hand(W, step, 2.0)
    ),
    "max norm": (None, MaxNorm(0.5), columns_mean, lambda W, step: max_norm_by_hand(W, 0.5)),
    "max norm and neurons": (
        GroupLasso(groups="neurons"), MaxNorm(0.5), columns_mean,
        lambda W, step: max_norm_by_hand(norms_by_hand(W, step, 2.0, 0), 0.5),
    ),
    "max norm and l1": (
        L1(), MaxNorm(0.5), columns_mean,
        lambda W, step: max_norm_by_hand(W.sign() * (W.abs() - 2.0 * step).clamp_min(0), 0.5),
    ),
    "nonnegative and features": (
        GroupLasso(), Nonnegative(), rows_mean, lambda W, step: norms_by_hand(W.clamp_min(0), step, 2.0, 1)
    ),
    "nonnegative": (None, Nonnegative(), lambda T: T, lambda W, step: W.clamp_min(0)),
}  # fmt: skip


@pytest.mark.parametrize("case", BLOCKS)
def test_weights_that_are_tied_together_share_one_step(case):
    penalty, constraint, block_mean, prox = BLOCKS[case]
    module, plain = make(), make()
    # Gradients of very different sizes inside of every block: their metrics differ unless they are shared.
    spread = torch.ones(module.flat.numel(), dtype=torch.float64)
    spread[:30] = torch.logspace(-2, 1, 30, dtype=torch.float64)[
        torch.randperm(30, generator=torch.Generator().manual_seed(0))
    ]
    grads = [spread * g for g in gradients(9, module.flat.numel())]
    start = module.weights[0].detach()[0].clone()
    layer = None
    if penalty is not None:
        layer = LayerPenalty(penalty, 2.0, penalty.for_layers((6, 5, 2))[0].options)
    run(module, ProximalAdam(Regularization(module, [layer, None], [constraint, None])), grads)
    run(plain, ProximalAdam(Regularization(plain, [None, None])), grads)
    expected = adam_by_hand(start, [g[:30].view(6, 5) for g in grads], prox, 0.01, block_mean)
    torch.testing.assert_close(module.weights[0].detach()[0], expected, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(module.flat[30:], plain.flat[30:], rtol=1e-12, atol=1e-14)
    if block_mean(grads[0][:30].view(6, 5)).unique().numel() < 30:
        separate = adam_by_hand(start, [g[:30].view(6, 5) for g in grads], prox, 0.01)
        assert (separate - expected).abs().max() > 1e-3


def optimizers(penalty, alpha):
    yield lambda m: ProximalAdam(Regularization(m, on(penalty, [alpha])))
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        yield lambda m, a=momentum, b=nesterov: ProximalSGD(
            Regularization(m, on(penalty, [alpha])), momentum=a, nesterovs_momentum=b
        )


@pytest.mark.parametrize("penalty", [L1(), L2(), ElasticNet(l1_ratio=0.3)])
def test_fixed_points_are_optimal_whatever_the_metric(penalty):
    """Minimize 0.5 * h * (w - c)**2 + alpha * Omega(w), coordinate by coordinate: the answer is a prox."""
    rng = np.random.default_rng(0)
    h, c = torch.from_numpy(rng.uniform(0.01, 2, 40)), torch.from_numpy(rng.normal(size=40))
    alpha = 0.1
    expected = penalty.prox(c.view(1, 40, 1), 1 / h.view(1, 40, 1), alpha).view(-1)
    for make_optimizer in optimizers(penalty, alpha):
        module = MLP((40, 1), dtype=torch.float64)
        module.initialize([torch.Generator().manual_seed(0)])
        optimizer = make_optimizer(module)
        for step in range(2500):
            module.flat_grad[:40] = h * (module.flat[:40] - c)
            optimizer.step(0.5 * 0.5 * (1 + np.cos(np.pi * step / 2500)))
        result = module.flat[:40]
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)
        assert ((result == 0) == (expected == 0)).all()


def test_the_floor_keeps_weights_that_have_had_no_gradient():
    module = MLP((50, 50), dtype=torch.float64)
    module.initialize([torch.Generator().manual_seed(0)])
    grad = torch.zeros_like(module.flat)
    grad[: 25 * 50] = 1e-2 * gradients(1, 25 * 50)[0]
    before = module.weights[0].detach().clone()
    run(module, ProximalAdam(Regularization(module, on(L1(), [1e-6]))), [grad], lr=1e-3)
    silent = module.weights[0].detach()[0, 25:]
    assert (silent == 0).double().mean() < 0.01
    assert (silent - before[0, 25:]).abs().max() < 1e-4


@pytest.mark.parametrize("kind", [ProximalAdam, ProximalSGD])
@pytest.mark.parametrize("penalty", [None, L1(), L2()])
def test_members_with_strengths_and_rates_of_their_own_equal_single_networks(kind, penalty):
    population = make(n_members=3)
    alphas = torch.tensor([0.0, 0.05, 0.3], dtype=torch.float64).view(3, 1, 1)
    member_lr = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64).view(3, 1, 1)
    regularization = Regularization(population, on(penalty, [alphas, 0.0]), member_lr=member_lr)
    optimizer = kind(regularization, weight_decay=0.1)
    singles = [make(seed=k) for k in range(3)]
    single_optimizers = [
        kind(Regularization(module, on(penalty, [float(alphas[k]), 0.0])), weight_decay=0.1 * 1.0)
        for k, module in enumerate(singles)
    ]
    rng = np.random.default_rng(0)
    for _ in range(STEPS_BETWEEN_FLUSHES + 5):
        for blocks in zip(population.parameters(), *(m.parameters() for m in singles), strict=True):
            grad = torch.from_numpy(rng.normal(size=blocks[0].shape))
            blocks[0].grad.copy_(grad)
            for k in range(3):
                blocks[k + 1].grad.copy_(grad[k : k + 1])
        optimizer.step(0.01)
        for k in range(3):
            single_optimizers[k].step(0.01 * float(member_lr[k]))
    for blocks in zip(population.parameters(), *(m.parameters() for m in singles), strict=True):
        for k in range(3):
            torch.testing.assert_close(blocks[0][k], blocks[k + 1][0], rtol=1e-9, atol=1e-12)


TYING = {
    "features": (GroupLasso(), None),
    "neurons": (GroupLasso(groups="neurons", group_weights=[1, 2, 3, 4, 5]), None),
    "lists": (GroupLasso(groups=[[0, 5], [1, 2, 3, 4]]), None),
    "sparse": (SparseGroupLasso(l1_ratio=0.4), None),
    "hierarchical": (Hierarchical(M=0.5), None),
    "mcp": (MCP(), None),
    "weighted": (WeightedL1(weights=[1, 2, 3, 4, 5, 6]), None),
    "max norm": (None, MaxNorm(0.5)),
    "max norm and neurons": (GroupLasso(groups="neurons"), MaxNorm(0.5)),
    "nonnegative and features": (GroupLasso(), Nonnegative()),
}


@pytest.mark.parametrize("kind", [ProximalAdam, ProximalSGD])
@pytest.mark.parametrize("case", TYING)
def test_members_with_tied_weights_equal_single_networks(kind, case):
    """The first member has no strength, and must be as if there were no penalty."""
    penalty, constraint = TYING[case]
    skip = penalty is not None and penalty.skip
    alphas = torch.tensor([0.0, 0.05, 0.6], dtype=torch.float64).view(3, 1, 1)

    def build(n_members, seed, alpha):
        module = MLP((6, 5, 2), n_members=n_members, skip=skip, dtype=torch.float64)
        module.initialize([torch.Generator().manual_seed(seed + k) for k in range(n_members)])
        layer = None
        if penalty is not None and (isinstance(alpha, torch.Tensor) or alpha > 0):
            layer = LayerPenalty(penalty, alpha, penalty.for_layers((6, 5, 2))[0].options)
        return module, kind(Regularization(module, [layer, None], [constraint, None]))

    population, optimizer = build(3, 0, alphas)
    singles = [build(1, k, float(alphas[k])) for k in range(3)]
    rng = np.random.default_rng(0)
    for _ in range(15):
        for blocks in zip(population.parameters(), *(m.parameters() for m, _ in singles), strict=True):
            grad = torch.from_numpy(rng.normal(size=blocks[0].shape) * 10 ** rng.uniform(-2, 1, size=blocks[0].shape))
            blocks[0].grad.copy_(grad)
            for k in range(3):
                blocks[k + 1].grad.copy_(grad[k : k + 1])
        optimizer.step(0.02)
        for _, single in singles:
            single.step(0.02)
    for k, (module, _) in enumerate(singles):
        for together, alone in zip(population.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(together[k], alone[0], rtol=1e-9, atol=1e-12)


def test_negligible_numbers_are_flushed():
    module = make()
    optimizer = ProximalAdam(Regularization(module, on(L2(), [1e-4, 1e-4])))
    module.flat[0] = 1e-30
    for _ in range(STEPS_BETWEEN_FLUSHES):
        module.flat_grad.zero_()
        module.flat_grad[-1] = 1e-30  # of a bias, which no penalty reaches
        optimizer.step(1e-12)
    assert module.flat[0] == 0
    assert optimizer.mean[-1] == 0
    assert module.flat[1] != 0


def test_torch_optimizer_takes_the_rate_from_its_group_and_saves_its_state():
    module, other = make(), make()
    grads = gradients(6, module.flat.numel())
    flat = ProximalAdam(Regularization(module, on(L1(), [0.1, 0.1])))
    wrapped = as_torch_optimizer(flat, 0.5)
    assert isinstance(wrapped, torch.optim.Optimizer)
    wrapped.param_groups[0]["lr"] = 0.01
    for grad in grads[:3]:
        module.flat_grad.copy_(grad)
        wrapped.step()
    torch.testing.assert_close(
        module.flat, run(other, ProximalAdam(Regularization(other, on(L1(), [0.1, 0.1]))), grads[:3]), rtol=0, atol=0
    )
    restored = make()
    restored.flat.copy_(module.flat)
    again = as_torch_optimizer(ProximalAdam(Regularization(restored, on(L1(), [0.1, 0.1]))), 0.9)
    again.load_state_dict(wrapped.state_dict())
    for optimizer, m in ((wrapped, module), (again, restored)):
        for grad in grads[3:]:
            m.flat_grad.copy_(grad)
            optimizer.step()
    assert torch.equal(module.flat, restored.flat)


class LogCosh(Penalty):
    """A smooth penalty that is not L2."""

    smooth = True

    def value(self, W, alpha):
        return (torch.log(torch.cosh(W)) * alpha).sum(dim=(1, 2))

    def gradient(self, W, alpha):
        return torch.tanh(W) * alpha

    def prox(self, W, step, alpha):
        raise AssertionError("Adam adds the gradient of a smooth penalty instead")


def test_adam_uses_the_gradient_of_any_smooth_penalty():
    module = MLP((3, 1), dtype=torch.float64)
    optimizer = ProximalAdam(Regularization(module, on(LogCosh(), [0.5])))
    center = torch.tensor([3.0, -1.0, 0.2], dtype=torch.float64)
    for step in range(3000):
        module.flat_grad[:3] = module.flat[:3] - center
        optimizer.step(0.05 * 0.5 * (1 + np.cos(np.pi * step / 3000)))
    W = module.flat[:3]
    torch.testing.assert_close(W + 0.5 * torch.tanh(W), center, rtol=0, atol=1e-6)
