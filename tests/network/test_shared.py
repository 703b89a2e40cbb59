"""Members that share weights: the layers by their formula, and gradients against autograd and finite differences."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skreg.network.activation import ACTIVATIONS
from skreg.network.dropout import dropout_mask
from skreg.network.mlp import MLP
from skreg.network.shared import SharedMLP

REFERENCE = {"identity": lambda z: z, "relu": F.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}
K = 3
# A narrow output layer, a wide one, one hidden layer, none.
SHAPES = [(5, 7, 6, 3), (5, 7, 6, 18), (5, 8, 1), (5, 2), (5, 17)]


def make(units=SHAPES[0], n_shared=K, *, seed=0, **options):
    """Return a network whose vectors are all random, of both signs."""
    module = SharedMLP(units, n_shared, **{"dtype": torch.float64} | options)
    module.initialize([torch.Generator().manual_seed(seed)])
    generator = torch.Generator().manual_seed(seed + 1)
    for parameter in (*module.after, *module.before):
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def inputs(n_rows, n_features=5, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n_rows, n_features)))


def of_member(module, member, X, masks=()):
    """Return the outputs of one member by the formula, with masks of the inputs of every layer."""
    A = X
    for i, (W, after, before) in enumerate(zip(module.weights, module.after, module.before, strict=True)):
        A = A * masks[i] if len(masks) else A
        b, s = after[0, :, member]
        z = s * ((before[0, member] * A) @ W[0]) + b
        A = REFERENCE[module.activation](z)
    return z


def in_training(module, X, dZ, seed=None):
    record = []
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    with torch.no_grad():
        Z = module(X[None], record=record, generator=generator)
        module.backward(dZ[None].clone(), record)
    return Z


def check_against_autograd(module, X, dZ, masks=(), seed=None):
    Z = in_training(module, X, dZ, seed)
    closed = [p.grad.clone() for p in module.parameters()]
    total = 0
    for member in range(module.n_shared):
        rows = slice(member, None, module.n_shared)
        expected = of_member(module, member, X[rows], [mask[rows] for mask in masks])
        torch.testing.assert_close(Z[0, rows], expected.detach(), rtol=1e-10, atol=1e-12)
        total = total + (expected * dZ[rows]).sum()
    gradients = torch.autograd.grad(total, list(module.parameters()))
    for ours, theirs in zip(closed, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "units", [SHAPES[0], *(pytest.param(units, marks=pytest.mark.product) for units in SHAPES[1:])]
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_against_autograd(units, activation):
    module = make(units, activation=activation)
    for n_rows in (4 * K, K, 5 * K, 4 * K):  # nothing is kept of earlier batches, of other sizes either
        check_against_autograd(module, inputs(n_rows), inputs(n_rows, units[-1], seed=1))


@pytest.mark.parametrize("units", SHAPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_with_dropout(units, activation):
    rates = (0.2, 0.5, 0.3)[: len(units) - 1]
    module = make(units, activation=activation, dropout=rates[1:], input_dropout=rates[0])
    X, dZ = inputs(4 * K), inputs(4 * K, units[-1], seed=1)
    generator = torch.Generator().manual_seed(3)
    shapes = [torch.empty(len(X), n, dtype=X.dtype) for n in units[:-1]]
    masks = [dropout_mask(like, rate, generator) for like, rate in zip(shapes, rates, strict=True)]
    assert all((mask == 0).any() for mask in masks)
    check_against_autograd(module, X, dZ, masks, seed=3)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_finite_differences(activation):
    """Of the sum of squared outputs, at every parameter."""
    module = make(activation=activation)
    X = inputs(2 * K)

    def value(flat):
        module.flat.copy_(flat)
        with torch.no_grad():
            return float(module(X[None], record=[]).square().sum())

    point = module.flat.clone()
    with torch.no_grad():
        Z = module(X[None], record=[])[0]
    in_training(module, X, 2 * Z)
    closed, step = module.flat_grad.clone(), 1e-6
    for place in range(len(point)):
        shift = torch.zeros_like(point)
        shift[place] = step
        slope = (value(point + shift) - value(point - shift)) / (2 * step)
        assert slope == pytest.approx(float(closed[place]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("units", SHAPES)
@pytest.mark.parametrize("n_rows", [1, 4, 40])  # few rows are scaled for each member, of many the weights
def test_predictions_are_those_of_every_member_for_all_rows(units, n_rows):
    module, X = make(units, activation="tanh"), inputs(n_rows)
    with torch.no_grad():
        for given in (X, X[None]):
            Z = module(given)
            assert Z.shape == (K, n_rows, units[-1])
            for member in range(K):
                torch.testing.assert_close(Z[member], of_member(module, member, X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("units", SHAPES)
def test_plain_networks_with_folded_weights_predict_the_same(units):
    module, X = make(units), inputs(9)
    with torch.no_grad():
        expected = module(X)
    for member, arrays in enumerate(module.member_arrays()):
        plain = MLP(units, dtype=torch.float64)
        for tensor, array in zip(plain.member_views(plain.state()), arrays, strict=True):
            tensor[0] = torch.from_numpy(array)
        with torch.no_grad():
            torch.testing.assert_close(plain(X)[0], expected[member], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("units", SHAPES)
def test_one_member_without_scales_is_a_plain_network(units):
    generator = torch.Generator().manual_seed(4)
    module, plain = SharedMLP(units, 1, dtype=torch.float64), MLP(units, dtype=torch.float64)
    module.initialize([generator], torch.ones(units[-1], dtype=torch.float64))
    plain.initialize([generator.manual_seed(4)], torch.ones(units[-1], dtype=torch.float64))
    module.before[0].data.fill_(1)
    X, dZ = inputs(8), inputs(8, units[-1], seed=1)
    Z = in_training(module, X, dZ)
    record = []
    with torch.no_grad():
        torch.testing.assert_close(Z, plain(X[None], record=record), rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(module(X), plain(X), rtol=1e-13, atol=1e-14)
        plain.backward(dZ[None], record)
    for ours, theirs in zip(module.weights, plain.weights, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-13)
    for ours, theirs in zip(module.after, plain.biases, strict=True):
        torch.testing.assert_close(ours.grad[:, 0], theirs.grad, rtol=1e-12, atol=1e-13)


def test_training_starts_with_signs_before_the_first_product_and_the_weights_of_one_network():
    units, outputs = (40, 6, 4, 2), torch.tensor([0.3, -0.2], dtype=torch.float64)
    module, plain = SharedMLP(units, 8), MLP(units)
    generators = [torch.Generator().manual_seed(11) for _ in range(2)]
    module.initialize(generators[:1], outputs)
    plain.initialize(generators[1:], outputs)
    assert all(map(torch.equal, module.weights, plain.weights))
    # Neither are later numbers of the stream others than without the signs.
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    signs = module.before[0].data[0]
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.25  # four standard deviations of 320 signs
    assert len({tuple(row) for row in signs.tolist()}) == 8
    assert all((before == 1).all() for before in module.before[1:])
    for after in module.after:
        assert (after[:, 1] == 1).all()
    assert all((after[:, 0] == 0).all() for after in module.after[:-1])
    torch.testing.assert_close(module.after[-1][0, 0], outputs.float().expand(8, 2))

    again, other = SharedMLP(units, 8), SharedMLP(units, 8)
    again.initialize([torch.Generator().manual_seed(11)])
    other.initialize([torch.Generator().manual_seed(12)])
    assert torch.equal(again.before[0].data[0], signs)
    assert not torch.equal(other.before[0].data[0], signs)


def test_the_shared_matrices_are_the_first_in_memory():
    """Penalties and weight decay act on the beginning of the buffer."""
    module = make()
    n_weights = 5 * 7 + 7 * 6 + 6 * 3
    assert module.n_weights == n_weights
    joined = torch.cat([W.data.flatten() for W in module.weights])
    assert torch.equal(module.flat[:n_weights], joined)
    assert sum(p.numel() for p in module.parameters()) == len(module.flat)
    module.flat.zero_()
    assert all((p == 0).all() for p in module.parameters())


def test_float32_agrees_with_float64():
    single, double = (SharedMLP((5, 7, 3), K, dtype=dtype) for dtype in (torch.float32, torch.float64))
    for module in (single, double):
        module.initialize([torch.Generator().manual_seed(0)])
    X, dZ = inputs(4 * K), inputs(4 * K, 3, seed=1)
    outputs = in_training(single, X.float(), dZ.float())
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs.double(), in_training(double, X, dZ), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(single.flat_grad.double(), double.flat_grad, rtol=1e-3, atol=1e-4)


def test_arrays_of_a_result_restore_the_network():
    module, other = make(), SharedMLP(SHAPES[0], K, dtype=torch.float64)
    for tensor, array in zip(other.member_views(other.state()), module.arrays(), strict=True):
        tensor[0] = torch.from_numpy(array)
    assert torch.equal(module.flat, other.flat)
    module.restore([torch.zeros_like(module.flat)])
    module.restore(other.snapshot())
    assert torch.equal(module.flat, other.flat)
    assert module.are_finite() == [True]
    module.before[1].data[0, 0, 0] = np.nan
    assert module.are_finite() == [False]
