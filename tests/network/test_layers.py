"""The network and its closed-form gradients, against autograd over plain torch functions in float64."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skreg.network.activation import ACTIVATIONS
from skreg.network.dropout import dropout_mask
from skreg.network.mlp import MLP

UNITS = (5, 7, 6, 3)
REFERENCE = {"identity": lambda z: z, "relu": F.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}


def make(n_members=2, **options):
    module = MLP(UNITS, n_members=n_members, dtype=torch.float64, **options)
    module.initialize([torch.Generator().manual_seed(seed) for seed in range(n_members)])
    with torch.no_grad():
        for parameters in (module.biases, module.gains, module.shifts):
            for p in parameters:
                p += 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(9), dtype=p.dtype)
    return module


def data(n_rows=11):
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(n_rows, UNITS[0])))
    weight = torch.from_numpy(rng.random((n_rows, 1)) + 0.1)
    return X, torch.from_numpy(rng.normal(size=(2, n_rows, UNITS[-1]))), weight / weight.sum()


def reference(module, member, X, masks=(), row_weight=None):
    """Return the outputs of one member, by torch functions that autograd records."""
    A = X * masks[0][member] if masks else X
    for i in range(len(UNITS) - 1):
        W = module.weights[i][member]
        if i == 0 and module.skip:
            W, skipped = W[:, : UNITS[1]], A @ W[:, UNITS[1] :]
        Z = A @ W + module.biases[i][member]
        if i == len(UNITS) - 2:
            return Z + skipped if module.skip else Z
        if module.normalization == "layer":
            Z = F.layer_norm(Z, Z.shape[1:], module.gains[i][member, 0], module.shifts[i][member, 0])
        elif module.normalization == "batch":
            p = torch.full((len(Z), 1), 1 / len(Z), dtype=Z.dtype) if row_weight is None else row_weight
            mean = (p * Z).sum(0)
            variance = (p * (Z - mean) ** 2).sum(0)
            Z = (Z - mean) / torch.sqrt(variance + 1e-5) * module.gains[i][member] + module.shifts[i][member]
        A = REFERENCE[module.activation](Z)
        if masks:
            A = A * masks[i + 1][member]
    raise AssertionError("unreachable")


def closed_form(module, X, dZ, row_weight=None, seed=None):
    record = []
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    with torch.no_grad():
        Z = module(X, record=record, generator=generator, row_weight=row_weight)
        module.backward(dZ, record, row_weight)
    return Z, record


def check_against_autograd(module, X, dZ, masks=(), row_weight=None, seed=None):
    Z, _ = closed_form(module, X, dZ, row_weight, seed)
    closed = [p.grad.clone() for p in module.parameters()]
    total = 0
    for member in range(module.n_members):
        expected = reference(module, member, X, masks, row_weight)
        torch.testing.assert_close(Z[member], expected.detach(), rtol=1e-10, atol=1e-12)
        total = total + (expected * dZ[member]).sum()
    gradients = torch.autograd.grad(total, list(module.parameters()), allow_unused=True)
    for ours, theirs in zip(closed, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("skip", [False, True])
def test_gradients_of_every_activation_and_normalization(activation, normalization, skip):
    X, dZ, _ = data()
    check_against_autograd(make(activation=activation, normalization=normalization, skip=skip), X, dZ)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", [None, "batch"])
def test_members_keep_nothing_of_earlier_steps(activation, normalization):
    # Layers wide enough, and alike, that a population keeps their memory, for batches of any size.
    options = {"activation": activation, "normalization": normalization, "dtype": torch.float64}
    together, *alone = (MLP((5, 20, 20, 3), n_members=n, **options) for n in (2, 1, 1))
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    together.initialize(generators)
    for member, module in enumerate(alone):
        for own, of_all in zip(module.parameters(), together.parameters(), strict=True):
            own.data.copy_(of_all.data[member : member + 1])
    for n_rows in (11, 4, 11, 13):
        X, dZ, _ = data(n_rows)
        Z, _ = closed_form(together, X, dZ)
        for member, module in enumerate(alone):
            expected, _ = closed_form(module, X, dZ[member : member + 1])
            torch.testing.assert_close(Z[member], expected[0], rtol=1e-10, atol=1e-12)
            for own, of_all in zip(module.parameters(), together.parameters(), strict=True):
                torch.testing.assert_close(of_all.grad[member], own.grad[0], rtol=1e-10, atol=1e-12)


def test_gradients_of_weighted_batch_normalization():
    X, dZ, weight = data()
    check_against_autograd(make(normalization="batch", activation="tanh"), X, dZ, row_weight=weight)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("skip", [False, True])
def test_gradients_with_dropout(activation, normalization, skip):
    X, dZ, _ = data()
    rates = (0.2, 0.5, 0.3)
    options = {"activation": activation, "normalization": normalization, "skip": skip}
    module = make(dropout=rates[1:], input_dropout=rates[0], **options)
    generator = torch.Generator().manual_seed(3)
    masks = [
        dropout_mask(torch.empty(2, len(X), n, dtype=X.dtype), rate, generator)
        for n, rate in zip(UNITS[:-1], rates, strict=True)
    ]
    assert all((mask == 0).any() for mask in masks)
    check_against_autograd(module, X, dZ, masks=masks, seed=3)


@pytest.mark.parametrize("skip", [False, True])
def test_forward_is_differentiable_by_autograd(skip):
    module = make(n_members=1, normalization="layer", skip=skip)
    X, dZ, _ = data()
    closed_form(module, X, dZ[:1])
    closed = module.flat_grad.clone()
    module.flat_grad.zero_()
    (module(X) * dZ[:1]).sum().backward()
    torch.testing.assert_close(module.flat_grad, closed)


def test_the_skip_connection_adds_a_linear_map_of_the_inputs():
    module, plain = make(skip=True), make()
    with torch.no_grad():
        for with_skip, without in zip(module.weights, plain.weights, strict=True):
            without.copy_(with_skip[..., : without.shape[2]])
        X, _, _ = data()
        hidden, skip = module.first_weights()
        assert hidden.shape == (2, UNITS[0], UNITS[1])
        assert skip.shape == (2, UNITS[0], UNITS[-1])
        torch.testing.assert_close(module(X), plain(X) + X @ skip)
    assert module.n_weights == plain.n_weights + skip.numel()


def test_the_skip_connection_leaves_the_initial_weights_of_the_network():
    """K members: the generator draws the skip weights last."""
    plain, module = (MLP(UNITS, n_members=3, skip=skip, dtype=torch.float64) for skip in (False, True))
    for m in (plain, module):
        m.initialize([torch.Generator().manual_seed(seed) for seed in (4, 5, 6)])
    hidden, skip = module.first_weights()
    for with_skip, without in zip((hidden, *module.weights[1:]), plain.weights, strict=True):
        assert torch.equal(with_skip, without)
    bound = (6 / (UNITS[0] + UNITS[-1])) ** 0.5
    assert 0.5 * bound < skip.abs().amax(dim=(1, 2)).min()
    assert skip.abs().max() <= bound
    assert not torch.equal(skip[0], skip[1])


def test_without_hidden_layers_there_is_no_skip_connection():
    module = MLP((4, 2), skip=True)
    assert not module.skip
    assert module.weights[0].shape == (1, 4, 2)
    assert module.first_weights()[1].shape == (1, 4, 0)


@pytest.mark.parametrize("skip", [False, True])
def test_members_are_independent(skip):
    X, dZ, _ = data()
    pair, alone = make(n_members=2, skip=skip), make(n_members=1, skip=skip)
    for i in range(len(UNITS) - 1):
        alone.weights[i].data[0] = pair.weights[i].data[1]
        alone.biases[i].data[0] = pair.biases[i].data[1]
    Z, _ = closed_form(pair, X, dZ)
    Z_alone, _ = closed_form(alone, X, dZ[1:])
    torch.testing.assert_close(Z[1], Z_alone[0])
    for W, W_alone in zip(pair.weights, alone.weights, strict=True):
        torch.testing.assert_close(W.grad[1], W_alone.grad[0])


def test_members_may_have_rows_of_their_own():
    module = make()
    X = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 9, UNITS[0])))
    with torch.no_grad():
        torch.testing.assert_close(module(X)[1], module(X[1])[1])


@pytest.mark.parametrize("skip", [False, True])
def test_parameters_and_gradients_are_views_of_the_flat_buffers(skip):
    module = make(normalization="batch", skip=skip)
    assert sum(p.numel() for p in module.parameters()) == module.flat.numel()
    with torch.no_grad():
        module.flat.fill_(2)
        module.flat_grad.fill_(3)
    assert all((p == 2).all() and (p.grad == 3).all() for p in module.parameters())
    n_weights = 2 * (5 * (7 + 3 * skip) + 7 * 6 + 6 * 3)
    assert module.n_weights == n_weights


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6.0), ("logistic", 2.0)])
def test_initial_weights_are_glorot_uniform_and_biases_zero(activation, factor):
    module = MLP((100, 200, 50), activation=activation)
    module.initialize([torch.Generator().manual_seed(0)])
    for W, b in zip(module.weights, module.biases, strict=True):
        bound = (factor / (W.shape[1] + W.shape[2])) ** 0.5
        assert 0.99 * bound < W.abs().max() <= bound
        assert W.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
        assert not b.any()


def test_float32_and_float64_start_at_the_same_point():
    single, double = MLP((4, 8, 2)), MLP((4, 8, 2), dtype=torch.float64)
    for module in (single, double):
        module.initialize([torch.Generator().manual_seed(0)])
    assert torch.equal(single.flat, double.flat.float())


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 1 / 3])
def test_dropout_mask_drops_at_its_rate_and_keeps_the_mean(rate):
    mask = dropout_mask(torch.empty(1, 1000, 1001), rate, torch.Generator().manual_seed(0))
    values = mask.unique()
    assert len(values) == 2
    assert values[0] == 0
    assert values[1].item() == pytest.approx(1 / (1 - rate), rel=1e-4)
    # Five standard errors of a share of a million draws.
    assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=5 * (rate * (1 - rate) / 1e6) ** 0.5)
    by_position = (mask == 0).view(-1)[: 4 * 250_000].view(-1, 4).double().mean(0)
    assert (by_position - rate).abs().max() < 5 * (rate * (1 - rate) / 25e4) ** 0.5


def test_dropout_mask_takes_a_rate_for_each_member():
    rates = torch.tensor([0.0, 0.75]).view(2, 1, 1)
    mask = dropout_mask(torch.empty(2, 200, 200), rates, torch.Generator().manual_seed(0))
    assert (mask[0] == 1).all()
    assert (mask[1] == 0).double().mean().item() == pytest.approx(0.75, abs=0.02)


def test_dropout_does_not_act_on_predictions():
    module = make(dropout=(0.5, 0.5), input_dropout=0.5)
    X, _, _ = data()
    with torch.no_grad():
        assert torch.equal(module(X), module(X))
        torch.testing.assert_close(module(X)[0], reference(module, 0, X))


def test_batch_normalization_predicts_with_running_moments():
    module = make(n_members=1, normalization="batch")
    X, _, _ = data(200)
    first = None
    for i in range(60):
        closed_form(module, X, torch.zeros(1, 200, 3, dtype=X.dtype))
        first = first if i else [m.clone() for m in module.running_means]
    Z0 = X @ module.weights[0][0] + module.biases[0][0]
    torch.testing.assert_close(module.running_means[0][0, 0], Z0.mean(0).detach())
    torch.testing.assert_close(module.running_variances[0][0, 0], Z0.var(0, correction=0).detach())
    # The first batch counts in full: no start value is mixed in.
    torch.testing.assert_close(first[0], module.running_means[0])
    with torch.no_grad():
        torch.testing.assert_close(module(X)[0], reference(module, 0, X))


def test_snapshot_and_restore_cover_running_moments():
    module = make(n_members=1, normalization="batch")
    X, _, _ = data()
    with torch.no_grad():
        before = module(X)
        snapshot = module.snapshot()
        closed_form(module, X + 1, torch.ones(1, len(X), 3, dtype=X.dtype))
        module.flat.add_(1)
        assert not torch.allclose(module(X), before)
        module.restore(snapshot)
        assert torch.equal(module(X), before)
